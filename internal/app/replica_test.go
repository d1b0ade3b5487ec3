package app

import (
	"strings"
	"testing"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/depot"
	"tuermer/internal/platform/i18n"
)

const replicaHead = "town: {name: X, slug: x}\nbackup:\n  to: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]\n  replica:\n"

// Where the copy goes stands beside the backups; what cannot be meant is refused.
func TestConfigOfReplica(t *testing.T) {
	cfg, _, err := ParseConfig("tuermer.yaml", []byte(replicaHead+`    every: 10s
    alarm_after: 20m
    targets:
      - {name: fern, url: "sftp://u@kopie.example/tuermer", host_key: "SHA256:AAAA"}
      - {name: nah, url: /mnt/kopie}
`))
	if err != nil {
		t.Fatal(err)
	}
	set := replicaSettings([]*Config{{}, cfg})
	if set.Every != 10*time.Second || set.AlarmAfter != 20*time.Minute || len(set.Places) != 2 || set.Places[0].Kind != depot.SFTP || set.Places[1].Kind != depot.Directory {
		t.Errorf("%+v", set)
	}
	for text, want := range map[string]string{
		"    targets: [{name: a, url: \"sftp://u@h/x\"}]\n":                                   "host_key",
		"    targets: [{name: a, url: /x}, {name: a, url: /y}]\n":                             "zweimal",
		"    targets: [{name: a, url: /x}]\n    alarm_after: 1m\n    every: 1m\n":             "Dreifachen",
		"    targets: [{name: a, url: /x}]\ndatabase: postgres://tuermer@db/tuermer\n":        "eingebaute Datenbank",
		"    targets: [{name: a, url: \"http://fern.example/x\", username: u}]\n":             "unverschlüsselt",
		"    targets: [{name: a, url: \"https://u:geheim@fern.example/x\"}]\n    every: 1s\n": "password_file",
	} {
		_, _, err := ParseConfig("tuermer.yaml", []byte(replicaHead+text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Every reason for which a copy may be late has its words, for `tuermer check`
// and for the page.
func TestWordsOfReplica(t *testing.T) {
	c, err := i18n.NewCatalog(Texts()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range depot.Reasons() {
		if !c.Has("depot.fail_" + r) {
			t.Error("no words for", r)
		}
	}
	a := &App{o: Options{Dir: t.TempDir(), Clock: clock.System{}}}
	a.catalog = c
	a.conf.put(&Config{Backup: BackupConfig{To: []string{"age1"}, Replica: ReplicaConfig{Targets: []PlaceConfig{{Name: "fern", URL: "/x"}}}}}, nil)
	out, err := a.checkReplica(t.Context(), Settings{Lang: i18n.DE})
	if err != nil || len(out) != 1 || !out[0].Red || !strings.Contains(out[0].What, "fern") || !strings.Contains(out[0].What, "noch nie") {
		t.Errorf("%+v, %v", out, err)
	}
}
