package app

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/raise/roster"
)

// What the contract promises of `tuermer roster`.
func TestRosterCommands(t *testing.T) {
	cfg, _, err := ParseConfig("tuermer.yaml", append(sample(t), []byte(`
rosters:
  - {slug: presse, name: Pressestelle, template: essen, people: [ada@musterstadt.example, bert@musterstadt.example], rotation: weekly, start: 2027-01-04}
  - {slug: freitag, name: Freitags, hours: "Fr 9-10", people: [ada@musterstadt.example], rotation: weekly, start: 2027-01-11}
`)...))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	dir := t.TempDir()
	settings := func(lang i18n.Lang) Settings {
		out.Reset()
		s := NewSettings(Settings{Data: dir, Lang: lang, Stdout: &out, Log: slog.New(slog.DiscardHandler)}, cfg)
		s.Data = dir
		return s
	}
	c := Commands{}
	says := func(words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%q is missing in\n%s", w, &out)
			}
		}
	}
	if err := c.RosterCoverage(t.Context(), settings(i18n.EN), "presse", "HE", 2027, false); err != nil {
		t.Fatal(err)
	}
	says("91.0 h, 54.2 %", "4,705 h, 53.7 %", "\nGaps: 24 h")
	if err := c.RosterCoverage(t.Context(), settings(i18n.DE), "presse", "he", 2027, false); err != nil {
		t.Fatal(err)
	}
	says("91,0 h, 54,2 %", "4.705 h, 53,7 %", "\nLücken: 24 h nicht voll besetzt, 3 Zeiträume; der erste: ", "91.0 h, 54.2 %; year 4,705 h, 53.7 %")
	// Nordrhein-Westfalen has Allerheiligen too, a Monday in 2027: seven hours less.
	if err := c.RosterCoverage(t.Context(), settings(i18n.DE), "presse", "NW", 2027, true); err != nil {
		t.Fatal(err)
	}
	var got roster.RosterCoverageBody
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Year.Hours != 4698 || got.Week.Percent != 54.2 || got.Missing != 24 || got.Land != "NW" {
		t.Errorf("%v\n%s", err, &out)
	}
	if err := c.RosterCoverage(t.Context(), settings(i18n.DE), "presse", "XX", 2027, false); err == nil {
		t.Error("XX is a Land")
	}
	if err := c.RosterShow(t.Context(), settings(i18n.DE), "presse", "2027-05-24", "2027-05-31", false); err != nil {
		t.Fatal(err)
	}
	says("Mo 2027-05-24 07:00–22:00  Ada Beispiel", "Do 2027-05-27 09:00–17:00  Ada Beispiel  Fronleichnam", "So 2027-05-30 09:00–17:00")
	if strings.Contains(out.String(), "2027-05-31 07:00") {
		t.Errorf("the last day is shown\n%s", &out)
	}
	// Before the roster begins nobody has a shift.
	if err := c.RosterShow(t.Context(), settings(i18n.DE), "presse", "2026-01-04", "2026-01-05", false); err != nil {
		t.Fatal(err)
	}
	says("hat niemand Dienst", "tuermer roster coverage --roster presse")
	if err := c.RosterCoverage(t.Context(), settings(i18n.DE), "freitag", "HE", 2027, false); err != nil {
		t.Fatal(err)
	}
	says("\nLücken: 1 h nicht voll besetzt, ein Zeitraum: Freitag, 8. Januar 2027, 09:00–10:00 Uhr (")
	if err := c.RosterShow(t.Context(), settings(i18n.DE), "presse", "2027-05-31", "2027-05-24", false); err == nil {
		t.Error("the end may lie before the beginning")
	}
	// A calendar is shown first; taken, it is there, and a second time it changes nothing.
	day := clock.System{}.Now().AddDate(0, 2, 0).Format("20060102")
	file := filepath.Join(dir, "presse.ics")
	ics := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//DE\r\nBEGIN:VEVENT\r\nUID:1@x\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:" + day + "T030000Z\r\nDTEND:" + day +
		"T040000Z\r\nSUMMARY:Bereitschaft\r\nATTENDEE:mailto:bert@musterstadt.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	if err := os.WriteFile(file, []byte(ics), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		take bool
		says []string
	}{{false, []string{"Bert Kern – ", "1 Änderung ", "nichts geändert"}}, {true, []string{"Bert Kern", "Das ist übernommen"}}, {false, []string{"steht schon so da", "0 Änderungen"}}} {
		if err := c.RosterImport(t.Context(), settings(i18n.DE), "presse", file, x.take); err != nil {
			t.Fatal(err)
		}
		says(x.says...)
	}
	if err := c.RosterImport(t.Context(), settings(i18n.DE), "presse", filepath.Join(dir, "tuermer.db"), true); err == nil {
		t.Error("a database is a calendar")
	}
}
