package app

import (
	"strings"
	"testing"
	"time"

	"tuermer/internal/notice/monitor"
)

func TestStatesInTheFile(t *testing.T) {
	c, _, err := ParseConfig("t.yaml", []byte(`
town: {name: Musterstadt, slug: musterstadt, networks: [192.0.2.0/24]}
uplink: {references: ["http://ref.example/", "tcp://203.0.113.1:53"]}
monitors:
  - {slug: router, url: "tcp://192.0.2.1:22"}
  - slug: web
    url: "https://web.example/"
    parents: [router]
    degraded: {within: 2s, status: [429]}
    flapping: false
    maintenance:
      - {from: "2026-11-29 22:00", to: "2026-11-30 02:00", reason: Umzug}
      - {rule: "FREQ=WEEKLY;BYDAY=SU", first: "2026-11-29 02:00", lasts: 2h}
`))
	if err != nil {
		t.Fatal(err)
	}
	refs := references(c)
	if len(refs) != 2 || refs[0].Kind != monitor.HTTP || refs[1].Host != "203.0.113.1" || refs[1].Port != 53 {
		t.Errorf("%+v", refs)
	}
	s, wrong := monitors(c.Monitors)[1].Spec.Normalize()
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	if s.Parents[0] != "router" || s.Degraded.Within.D() != 2*time.Second || len(s.Degraded.Status) != 1 || s.Flapping == nil || *s.Flapping {
		t.Errorf("%+v", s)
	}
	if from := s.Maintenance[0].From.Format(time.RFC3339); from != "2026-11-29T21:00:00Z" {
		t.Errorf("22:00 in the town is %s", from)
	}
	if q := s.MaintenanceRules[0]; q.Zone != "Europe/Berlin" || q.First != "2026-11-29T02:00" {
		t.Errorf("%+v", q)
	}
}

// What is wrong about states is refused with line and key.
func TestStatesRefused(t *testing.T) {
	for yaml, want := range map[string]string{
		"uplink: {references: [\"http://192.0.2.7/\"]}":                                                                                     "uplink.references[0]",
		"uplink: {references: [\"http://127.0.0.1/\"]}":                                                                                     "uplink.references[0]",
		"uplink: {references: [\"http://a.example/\", \"http://a.example/\"]}":                                                              "uplink.references[1]",
		"monitors: [{slug: a, url: \"http://a.example/\", parents: [b]}]":                                                                   "monitors[0].parents[0]",
		"monitors: [{slug: a, url: \"http://a.example/\", parents: [a]}]":                                                                   "monitors[0].parents[0]",
		"monitors: [{slug: a, url: \"http://a.example/\", parents: [b]}, {slug: b, url: \"http://a.example/\", parents: [a]}]":              "a → b → a",
		"monitors: [{slug: a, url: \"http://a.example/\", maintenance: [{rule: \"FREQ=HOURLY\", first: \"2026-01-01 00:00\", lasts: 5m}]}]": "maintenance_rules[0].rule",
		"monitors: [{slug: a, url: \"http://a.example/\", maintenance: [{rule: \"FREQ=DAILY\"}]}]":                                          "monitors[0].maintenance[0]",
		"monitors: [{slug: a, url: \"http://a.example/\", maintenance: [{from: \"2026-01-01 00:00\", rule: \"FREQ=DAILY\"}]}]":              "monitors[0].maintenance[0]",
		"monitors: [{slug: a, url: \"http://a.example/\", maintenance: [{from: \"morgen\", to: \"2026-01-01 00:00\"}]}]":                    "monitors[0].maintenance[0].from",
		"monitors: [{slug: a, url: \"http://a.example/\", maintenance: [{from: \"2026-01-02 00:00\", to: \"2026-01-01 00:00\"}]}]":          "monitors[0].maintenance[0]",
	} {
		_, _, err := ParseConfig("t.yaml", []byte("town: {name: M, slug: m, networks: [192.0.2.0/24]}\n"+yaml+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "t.yaml:2:") || strings.Contains(err.Error(), "monitor.problem") {
			t.Errorf("%s: %v", yaml, err)
		}
	}
}
