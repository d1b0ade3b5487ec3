package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tuermer/internal/app"
)

func (r *recorder) ExportPerson(_ context.Context, s app.Settings, email string, readable bool) (string, error) {
	return "alles über " + email + "\n", r.note(fmt.Sprint("person export ", email, " ", readable), s)
}

func (r *recorder) ErasePerson(_ context.Context, s app.Settings, email string) ([]string, error) {
	return []string{"gelöscht"}, r.note("person erase "+email, s)
}

// TestPersonCommands: erasing needs the address twice.
func TestPersonCommands(t *testing.T) {
	for _, c := range []struct {
		args      string
		code      int
		did, said string
	}{
		{"person export ada@a.example", 0, "person export ada@a.example false", "alles über ada@a.example"},
		{"person export ada@a.example --text", 0, "person export ada@a.example true", ""},
		{"person erase ada@a.example", 2, "", ""},
		{"person erase ada@a.example --confirm eva@a.example", 2, "", ""},
		{"person erase ada@a.example --confirm ada@a.example", 0, "person erase ada@a.example", "gelöscht"},
	} {
		r := &recorder{}
		code, out, errs := call(r, nil, strings.Fields(c.args)...)
		if code != c.code || r.did != c.did || !strings.Contains(out, c.said) {
			t.Errorf("%s: %d %q %q %q", c.args, code, r.did, out, errs)
		}
	}
}
