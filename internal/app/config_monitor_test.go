package app

import (
	"strings"
	"testing"
	"time"
)

// TestShortInterval: whoever only shortens the interval of a file that works
// gets a shorter wait and is told so, not a refusal.
func TestShortInterval(t *testing.T) {
	c, warnings, err := ParseConfig("t.yaml", []byte("monitors:\n  - {slug: a, url: \"http://127.0.0.1:1/\", interval: 2s, timeout: 10s}\n  - {slug: b, url: \"http://127.0.0.1:1/\", interval: 1s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Monitors {
		if m.Timeout <= 0 || m.Timeout >= m.Interval {
			t.Errorf("%s: timeout %s, interval %s", m.Slug, m.Timeout, m.Interval)
		}
	}
	if c.Monitors[0].Timeout != 1800*time.Millisecond {
		t.Errorf("timeout %s", c.Monitors[0].Timeout)
	}
	told := 0
	for _, w := range warnings {
		if w.Key == "monitors[0].timeout" && w.Line == 2 {
			told++
		}
		if w.Key == "monitors[1].timeout" {
			t.Errorf("a default is no reason to warn: %s", w)
		}
	}
	if told != 1 {
		t.Errorf("told %d times: %v", told, warnings)
	}
}

// TestMonitorsRefusedWithLine: what the monitors would refuse at the start, the
// file refuses with line and key.
func TestMonitorsRefusedWithLine(t *testing.T) {
	for yaml, key := range map[string]string{
		"{slug: a, url: \"tcp://db.example\"}":                  "monitors[0].url",
		"{slug: a, url: \"tcp://db.example:99999\"}":            "monitors[0].url",
		"{slug: a, url: \"http://ada:geheim@portal.example/\"}": "monitors[0].url",
		"{slug: a, kind: heartbeat, interval: 100ms}":           "monitors[0].interval",
	} {
		_, _, err := ParseConfig("t.yaml", []byte("monitors:\n  - "+yaml+"\n"))
		if err == nil || !strings.Contains(err.Error(), "t.yaml:2:") || !strings.Contains(err.Error(), key+": ") || strings.Contains(err.Error(), "monitor.problem") {
			t.Errorf("%s: %v", yaml, err)
		}
	}
}
