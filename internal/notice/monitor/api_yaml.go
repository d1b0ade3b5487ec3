package monitor

import (
	"encoding/json"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
)

// YAMLWords are the keys of tuermer.yaml whose values the API writes in another
// form. Whoever moves a monitor from the file to the API sends what stood there.
type YAMLWords struct {
	IntervalText json.RawMessage `json:"interval,omitempty" writeOnly:"true" doc:"As in tuermer.yaml, such as \"30s\"; goes before interval_seconds"`
	TimeoutText  json.RawMessage `json:"timeout,omitempty" writeOnly:"true" doc:"As in tuermer.yaml, such as \"10s\"; goes before timeout_seconds"`
	GraceText    json.RawMessage `json:"grace,omitempty" writeOnly:"true" doc:"As in tuermer.yaml, such as \"5m\"; goes before grace_seconds"`
}

// asInYAML brings the words of tuermer.yaml into the body's own fields.
func (b *monitorBody) asInYAML() error {
	for _, f := range []struct {
		name string
		raw  json.RawMessage
		to   *int
	}{{"interval", b.IntervalText, &b.Interval}, {"timeout", b.TimeoutText, &b.Timeout}, {"grace", b.GraceText, &b.Grace}} {
		if len(f.raw) == 0 || string(f.raw) == "null" {
			continue
		}
		n, ok := secondsOf(f.raw)
		if !ok {
			return fault.New(fault.Invalid, "monitor.invalid").Field(f.name, "monitor.bad_duration")
		}
		*f.to = n
	}
	rest, isTCP := strings.CutPrefix(b.URL, "tcp://")
	if host, port, err := net.SplitHostPort(strings.TrimSuffix(rest, "/")); isTCP && err == nil && (b.Kind == "" || Kind(b.Kind) == TCP) {
		if n, err := strconv.Atoi(port); err == nil {
			b.Kind, b.Host, b.Port, b.URL = string(TCP), host, n, ""
		}
	}
	return nil
}

// secondsOf reads "30s" or 30. Parts of a second cannot be said in the fields
// in seconds, so they are refused rather than lost; spec takes them.
func secondsOf(raw json.RawMessage) (int, bool) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		text = string(raw) + "s"
	}
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil || d < 0 || d%time.Second != 0 || d/time.Second > math.MaxInt32 {
		return 0, false
	}
	return int(d / time.Second), true
}
