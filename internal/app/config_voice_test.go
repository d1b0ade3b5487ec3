package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a trunk's entry may say of the authority that judges its certificate.
func TestTrunkCertificate(t *testing.T) {
	dir := t.TempDir()
	pair(t, dir, 1, time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC))
	if err := os.WriteFile(filepath.Join(dir, "leer.pem"), []byte("nichts"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ entry, refused string }{
		{`url: "sip:sip.example;transport=tls", ca_file: cert.pem`, ""},
		{`url: "sips:sip.example", ca_file: cert.pem`, ""},
		{`url: "sip:sip.example", ca_file: cert.pem`, "voice[0].ca_file"},
		{`url: "sip:sip.example;transport=tls", ca_file: leer.pem`, "voice[0].ca_file"},
		{`url: "sip:sip.example;transport=tls", ca_file: fehlt.pem`, "voice[0].ca_file"},
		{`url: "sip:sip.example;transport=tls", register: true`, "voice[0]"},
	} {
		file := filepath.Join(dir, "tuermer.yaml")
		if err := os.WriteFile(file, []byte("voice: [{name: anlage, kind: sip, "+c.entry+"}]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := LoadConfig(file)
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s: %v", c.entry, err)
		case c.refused == "" && cfg.Voice[0].trust() == nil:
			t.Errorf("%s: the authority is not asked", c.entry)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused+": ")):
			t.Errorf("%s: %v", c.entry, err)
		}
	}
}
