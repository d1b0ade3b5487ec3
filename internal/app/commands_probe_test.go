package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tuermer/internal/platform/i18n"
)

// TestImportCommand runs the command twice on real data: first it only tells,
// then it takes over, and what it prints holds no secret.
func TestImportCommand(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "kuma.json")
	if err := os.WriteFile(file, []byte(`{"monitorList": [
		{"id": 1, "name": "Portal", "type": "http", "url": "https://portal.example/", "basic_auth_user": "ada", "basic_auth_pass": "geheim", "interval": 60, "active": true},
		{"id": 2, "name": "Container", "type": "docker", "interval": 60, "active": true},
		{"id": 3, "name": "Innen", "type": "port", "hostname": "127.0.0.1", "port": 22, "interval": 60, "active": true}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := NewSettings(Settings{Data: filepath.Join(dir, "data"), Lang: i18n.DE, Log: slog.New(slog.DiscardHandler), Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}, nil)
	for i, want := range []string{"1 wird Prüfung, 0 gibt es schon, 2 lassen sich nicht übernehmen", "1 Prüfung ist übernommen", "0 werden Prüfungen, 1 gibt es schon"} {
		report, err := Commands{}.Import(t.Context(), s, "kuma", file, i != 1)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(report, want) || !strings.Contains(report, "docker") || !strings.Contains(report, "außerhalb der Netze") || strings.Contains(report, "geheim") || strings.Contains(report, "monitor.") {
			t.Errorf("%d: %s", i, report)
		}
	}
	if _, err := (Commands{}).Import(t.Context(), s, "kuma", filepath.Join(dir, "fehlt"), true); err == nil {
		t.Error("a file that is not there is taken")
	}
}

// TestTownNetworksCommand: the operator's list is kept, and a configuration
// that says nothing of it does not take it away.
func TestTownNetworksCommand(t *testing.T) {
	dir := t.TempDir()
	cfg, _, err := ParseConfig("t.yaml", []byte("town: {name: Musterstadt, slug: musterstadt}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := NewSettings(Settings{Data: dir, Lang: i18n.DE, Log: slog.New(slog.DiscardHandler), Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}, cfg)
	for _, c := range []struct {
		town  string
		set   []string
		reset bool
		want  []string
	}{
		{"", nil, false, []string{"public", "private"}},
		{"musterstadt", []string{"public", "10.1.2.3/16", "192.0.2.7"}, false, []string{"public", "10.1.0.0/16", "192.0.2.7/32"}},
		{"", nil, false, []string{"public", "10.1.0.0/16", "192.0.2.7/32"}},
		{"", nil, true, []string{"public", "private"}},
	} {
		got, err := Commands{}.TownNetworks(t.Context(), s, c.town, c.set, c.reset)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v %v", c, got, err)
		}
	}
	for _, bad := range []string{"alles", "10.0.0.0/99", "::ffff:10.0.0.0/120"} {
		if _, err := (Commands{}).TownNetworks(t.Context(), s, "", []string{bad}, false); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	if _, err := (Commands{}).TownNetworks(t.Context(), s, "nirgends", nil, false); err == nil {
		t.Error("a town that is not there is found")
	}
}
