package intake

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
)

// Whatever a program of Windows puts before a body or writes it in, every format reads
// the same: a mark of the byte order, UTF-16, Windows-1252.
func TestEveryFormatReadsForeignBytes(t *testing.T) {
	wide := func(order binary.AppendByteOrder, mark string) func(string) string {
		return func(s string) string {
			out := []byte(mark)
			for _, u := range utf16.Encode([]rune(s)) {
				out = order.AppendUint16(out, u)
			}
			return string(out)
		}
	}
	for how, as := range map[string]func(string) string{
		"BOM":                      func(s string) string { return "\xef\xbb\xbf" + s },
		"BOM and spaces":           func(s string) string { return "\xef\xbb\xbf\r\n " + s },
		"UTF-16, the lesser first": wide(binary.LittleEndian, "\xff\xfe"),
		"UTF-16":                   wide(binary.BigEndian, "\xfe\xff"),
		"Windows-1252": func(s string) string {
			out, err := charmap.Windows1252.NewEncoder().String(s)
			if err != nil {
				t.Fatal(err)
			}
			return out
		},
	} {
		for _, f := range Formats() {
			s := every[f]
			for _, b := range []Body{s.problem, s.again, s.over, s.other} {
				if len(b.Data) == 0 || f == Mail || f == Healthchecks || strings.HasPrefix(b.ContentType, "multipart") {
					continue
				}
				b.Data = []byte(strings.NewReplacer("Down", "Döwn", "High CPU", "Höhe – €", "KeyError", "Schlüssel", "Disk full", "Größe", "Keller", "Käller", "portal", "pörtal").Replace(string(b.Data)))
				if f == PRTG || f == Kuma && strings.HasPrefix(string(b.Data), "data=") {
					b.Data = []byte(strings.ReplaceAll(string(b.Data), "Döwn", "Down"))
				}
				want, err := Parse(f, s.mapping, b, time.UTC)
				if err != nil {
					t.Fatal(f, err)
				}
				plain := string(b.Data)
				b.Data = []byte(as(plain))
				kept := string(b.Data)
				got, err := Parse(f, s.mapping, b, time.UTC)
				if err != nil || len(got) != len(want) || what(got[0]) != what(want[0]) || got[0].Detail != want[0].Detail {
					t.Errorf("%s, %s:\n got %+v, %v\nwant %+v\n%q", f, how, got, err, want, plain)
				}
				if string(b.Data) != kept {
					t.Errorf("%s, %s: the body is another", f, how)
				}
			}
		}
	}
	// A mark alone is nothing, and half a character of UTF-8 spoils itself alone.
	for _, f := range []Format{PRTG, Alertmanager, Alerts, Grafana, Gatus, Zabbix, Sentry, PagerDuty, Generic} {
		if rs, err := Parse(f, Mapping{}, Body{Data: []byte("\xef\xbb\xbf")}, nil); Problem(err) != "empty" {
			t.Errorf("%s: %v, %v", f, rs, err)
		}
	}
	rs, err := Parse(Generic, Mapping{}, jsonBody("{\"key\":\"a\",\"title\":\"Türmer f\xc3\"}"), nil)
	if err != nil || rs[0].Title != "Türmer fÃ" {
		t.Errorf("%+v, %v", rs, err)
	}
	// A zero between the characters, and no mark that says why, is told.
	if rs, err := Parse(Generic, Mapping{}, Body{Data: []byte(wide(binary.LittleEndian, "")(`{"key":"a"}`))}, nil); Problem(err) != "form" {
		t.Errorf("%+v, %v", rs, err)
	}
}
