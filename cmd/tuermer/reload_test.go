package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tuermer/internal/app"
)

func (r *recorder) Reload(_ context.Context, s app.Settings) ([]string, error) {
	return []string{"people: neu carla@a.example", "listen.staff: gilt erst nach Neustart"}, r.note("reload", s)
}

// TestReloadCommand: what came of it is said, and a faulty file does not even
// reach the program that serves.
func TestReloadCommand(t *testing.T) {
	r := &recorder{}
	code, out, _ := call(r, nil, "reload")
	if code != 0 || r.did != "reload" || out != "people: neu carla@a.example\nlisten.staff: gilt erst nach Neustart\n" {
		t.Fatalf("%d %q %q", code, r.did, out)
	}
	file := filepath.Join(t.TempDir(), "tuermer.yaml")
	if err := os.WriteFile(file, []byte("poeple: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = &recorder{}
	code, _, errs := call(r, nil, "reload", "--config", file)
	if code != 1 || r.did != "" || !strings.Contains(errs, "Meinten Sie „people“?") {
		t.Fatalf("%d %q %q", code, r.did, errs)
	}
}
