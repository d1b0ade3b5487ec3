package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tuermer/internal/app"
)

func (r *recorder) Backup(_ context.Context, s app.Settings, file string, to []string) error {
	return r.note(fmt.Sprint("backup ", file, to), s)
}

func (r *recorder) BackupKey(_ context.Context, s app.Settings, file string) (string, error) {
	return "age1öffentlich", r.note("backup-key "+file, s)
}

func (r *recorder) Restore(_ context.Context, s app.Settings, w app.RestoreWish) error {
	return r.note(fmt.Sprint("restore ", w.File, w.Keys, w.Replace), s)
}

func (r *recorder) VerifyAudit(_ context.Context, s app.Settings, heads string) error {
	return r.note("audit verify "+s.Town+heads, s)
}

func (r *recorder) AuditHeads(_ context.Context, s app.Settings) error {
	return r.note("audit head", s)
}

// TestKeepCommands: what the command line hands on.
func TestKeepCommands(t *testing.T) {
	for _, c := range []struct {
		args      string
		code      int
		did, said string
	}{
		{"backup a.backup", 0, "backup a.backup[]", ""},
		{"backup a.backup --to age1x --to ssh-y", 0, "backup a.backup[age1x ssh-y]", ""},
		{"backup", 2, "", ""},
		{"backup-key k.txt", 0, "backup-key k.txt", "age1öffentlich"},
		{"restore a.backup --key k.txt", 0, "restore a.backup[k.txt] false", ""},
		{"audit verify --tenant b --heads h.txt", 0, "audit verify bh.txt", ""},
		{"audit head", 0, "audit head", ""},
		{"restore a.backup --replace", 0, "restore a.backup[] true", ""},
	} {
		r := &recorder{}
		code, out, errs := call(r, nil, strings.Fields(c.args)...)
		if code != c.code || r.did != c.did || !strings.Contains(out, c.said) {
			t.Errorf("%s: %d %q %q %q", c.args, code, r.did, out, errs)
		}
	}
}
