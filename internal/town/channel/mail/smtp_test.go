package mail

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReplyFacts(t *testing.T) {
	for text, want := range map[string]string{
		"5.7.1 no": "5.7.1", "5.7.1": "5.7.1", "4.7.1 no": "", "5.7 no": "", "no 5.7.1": "", "5.x.1 no": "", "5.7.": "", "5.123.456 x": "5.123.456",
	} {
		if got := (reply{code: 550, text: text}).enhanced(); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for text, want := range map[string]string{
		"2.0.0 Ok: queued as 4B1C2": "4B1C2", "OK id=1tX-2": "OK id=1tX-2", "": "", "queued as A (x)": "A",
	} {
		if got := queueID(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// FuzzReply reads anything as replies: never more memory than the limits, never
// a code outside 200–599, and what was understood is a whole number of lines.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"220 hello\r\n", "250-a\r\n250-SIZE 5\r\n250 b\r\n", "250-a\n250 b\n", "421", "220\r\n", "2200 x\r\n", "\r\n", "250-a\r\n251 b\r\n",
		strings.Repeat("250-a\r\n", 200), "250 " + strings.Repeat("x", 5000) + "\r\n", "354 go\r\n.\r\n", "599 \xff\x00\x1b[2J\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(in), replyLine)
		for {
			rep, err := readReply(r)
			if err != nil {
				if !errors.Is(err, errReply) && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				return
			}
			if rep.code < 200 || rep.code > 599 || len(rep.text) > replyLine*replyLines || strings.Count(rep.text, "\n") >= replyLines {
				t.Fatalf("%+v", rep)
			}
			if s := rep.Error(); strings.ContainsAny(s, "\r\n\x1b") || !utf8.ValidString(s) {
				t.Fatalf("%q", s)
			}
			rep.enhanced()
			for _, step := range []string{"MAIL", "RCPT", "DATA", "dot"} {
				f := failure(rep, step)
				if f.Permanent && (f.RouteDown || rep.code < 500) || f.Reason == "" {
					t.Fatalf("%+v", f)
				}
			}
		}
	})
}
