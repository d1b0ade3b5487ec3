package intake

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tuermer/internal/notice/signal"
)

// PRTG's "Execute HTTP Action" posts a text that somebody typed, with
// placeholders (https://kb.paessler.com/en/topic/373). It sets no headers and
// escapes no values, so a message with an ampersand looks like two fields. The
// names of the fields are known; whatever stands between two of them belongs to
// the first.

// prtgFields are the names of our template and of those that people bring, with
// the name under which we look for them.
var prtgFields = map[string]string{
	"id": "id", "sensorid": "id", "device": "device", "server": "device", "deviceid": "deviceid", "sensor": "sensor", "name": "sensor",
	"status": "status", "state": "status", "lastmessage": "message", "message": "message", "down": "down", "lastdown": "lastdown",
	"lastup": "lastup", "downtime": "downtime", "uptime": "uptime", "statesince": "since", "since": "since", "datetime": "datetime",
	"group": "group", "probe": "probe", "priority": "priority", "prio": "priority", "host": "host", "colorofstate": "color",
	"iconofstate": "icon", "linksensor": "link", "linkdevice": "linkdevice", "linkgroup": "linkgroup", "linkprobe": "linkprobe",
	"sitename": "site", "location": "location", "nodename": "node", "settings": "settings", "history": "history",
	"serviceurl": "service", "commentssensor": "comments", "commentsdevice": "comments2", "objecttags": "tags", "home": "home",
}

// PRTGTemplate is what to paste into PRTG. The message comes last: it may hold
// anything.
const PRTGTemplate = "id=%sensorid&device=%device&sensor=%sensor&group=%group&probe=%probe&host=%host&priority=%priority" +
	"&statesince=%statesince&colorofstate=%colorofstate&linksensor=%linksensor&status=%status&lastmessage=%lastmessage"

var prtgName = regexp.MustCompile(`(?:^|&)([A-Za-z]+)=`)

// prtgForm splits a body at the names it knows. Of a name that comes twice the
// first counts: the second stands in somebody's message.
func prtgForm(s string) map[string]string {
	out := map[string]string{}
	for _, m := range marked(s, prtgName, func(name string) string { return prtgFields[strings.ToLower(name)] }, nil) {
		if !m.again {
			out[m.name] = prtgValue(m.value)
		}
	}
	return out
}

// marking is a name in a body, and what stands behind it.
type marking struct {
	name, value string
	from, at    int  // of the name with what is before it, of the value
	again       bool // it was there before: this is part of what stands before it
}

// marked finds names in a body whose values nobody has escaped: name is the first group
// of the pattern, and reads tells under which one to keep it; empty: it is none. What
// stands between two of them belongs to the first. Behind one for which last says yes
// all the rest is its value.
func marked(s string, pattern *regexp.Regexp, reads func(string) string, last func(name string, seen map[string]bool) bool) []marking {
	var all []marking
	seen := map[string]bool{}
	for _, m := range pattern.FindAllStringSubmatchIndex(s, -1) {
		name := reads(s[m[2]:m[3]])
		if name == "" {
			continue
		}
		all = append(all, marking{name: name, from: m[0], at: m[1], again: seen[name]})
		if last != nil && !seen[name] && last(name, seen) {
			break
		}
		seen[name] = true
	}
	end := len(s)
	for i := len(all) - 1; i >= 0; i-- {
		all[i].value = s[all[i].at:max(end, all[i].at)]
		if !all[i].again {
			end = all[i].from
		}
	}
	return all
}

// prtgValue takes the escapes out of a value that somebody has escaped after
// all: one with a space, an umlaut or a lone percent sign in it is as PRTG writes it.
func prtgValue(s string) string {
	s = strings.TrimSpace(s)
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= utf8.RuneSelf }) {
		return s
	}
	if _, err := url.QueryUnescape(s); err != nil {
		return s
	}
	return unescaped(s)
}

// prtgStates are PRTG's words for a state, English and German, longest first.
var prtgStates = func() []prtgState {
	s := []prtgState{
		{"down (acknowledged)", signal.Firing, signal.Critical, true},
		{"fehler (bestätigt)", signal.Firing, signal.Critical, true},
		{"down (partial)", signal.Firing, signal.Warning, false},
		{"fehler (teilweise)", signal.Firing, signal.Warning, false},
		{"down", signal.Firing, signal.Critical, false},
		{"fehler", signal.Firing, signal.Critical, false},
		{"ausgefallen", signal.Firing, signal.Critical, false},
		{"error", signal.Firing, signal.Critical, false},
		{"warning", signal.Firing, signal.Warning, false},
		{"warnung", signal.Firing, signal.Warning, false},
		{"unusual", signal.Firing, signal.Warning, false},
		{"ungewöhnlich", signal.Firing, signal.Warning, false},
		{"unknown", signal.Firing, signal.Warning, false},
		{"unbekannt", signal.Firing, signal.Warning, false},
		{"paused", signal.Firing, signal.Info, false},
		{"pausiert", signal.Firing, signal.Info, false},
		{"angehalten", signal.Firing, signal.Info, false},
		{"up", signal.Resolved, signal.Critical, false},
		{"ok", signal.Resolved, signal.Critical, false},
	}
	slices.SortStableFunc(s, func(a, b prtgState) int { return len(b.word) - len(a.word) })
	return s
}()

type prtgState struct {
	word     string
	state    signal.State
	severity signal.Severity
	note     bool // a person is at it: told, and nothing has changed
}

// prtgNow finds the state behind "Down ended (now: Up)", "Fehler beendet (nun: OK)".
var prtgNow = regexp.MustCompile(`\b(?:now|jetzt|nun)\b\s*:?\s*((?:[^()\]]|\([^)]*\))*)`)

// prtgStatus reads a status. What stands behind "now" decides; where that says
// nothing, or how something ended and not how it is, the colour does. In doubt it is
// not over (I20).
func prtgStatus(words, color string) prtgState {
	s := strings.ToLower(strings.TrimSpace(words))
	now := prtgNow.FindAllStringSubmatch(s, -1)
	if len(now) == 0 {
		return prtgWord(s, color)
	}
	var is prtgState
	for _, m := range now {
		if is = prtgWord(m[1], color); is.state == signal.Firing {
			break
		}
	}
	return is
}

// prtgWord reads a state that a text in small letters begins with.
func prtgWord(s, color string) prtgState {
	is := prtgState{s, signal.Firing, signal.Critical, false}
	for _, p := range prtgStates {
		rest, found := strings.CutPrefix(strings.TrimSpace(s), p.word)
		if !found || rest != "" && isWord(rest) {
			continue
		}
		rest = strings.Trim(rest, " .!")
		ended := strings.HasPrefix(rest, "ended") || strings.HasPrefix(rest, "beendet")
		if p.state == signal.Firing && !ended || p.state == signal.Resolved && rest == "" {
			return p
		}
		if is.severity = p.severity; p.state == signal.Resolved && ended {
			return is
		}
		break
	}
	if c, ok := prtgColor(color); ok {
		return c
	}
	return is
}

// isWord tells whether the word before goes on.
func isWord(rest string) bool {
	r, _ := utf8.DecodeRuneInString(rest)
	return r >= 'a' && r <= 'z' || r >= 0xc0
}

// prtgColor reads PRTG's colour of a state: red, yellow and orange, green; blue
// and grey say that nobody looks.
func prtgColor(hex string) (prtgState, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(hex), "#"), 16, 24)
	if err != nil || len(strings.TrimPrefix(strings.TrimSpace(hex), "#")) != 6 {
		return prtgState{}, false
	}
	r, g, b := int(n>>16), int(n>>8&0xff), int(n&0xff)
	spread := max(r, g, b) - min(r, g, b)
	switch {
	case spread < 24: // grey: unknown
		return prtgState{"", signal.Firing, signal.Warning, false}, true
	case b == max(r, g, b): // blue: paused
		return prtgState{"", signal.Firing, signal.Info, false}, true
	case g == max(r, g, b):
		return prtgState{"", signal.Resolved, signal.Critical, false}, true
	case g > r/3: // yellow, orange
		return prtgState{"", signal.Firing, signal.Warning, false}, true
	}
	return prtgState{"", signal.Firing, signal.Critical, false}, true
}

// prtgMoment reads a time behind which PRTG may say how long ago it was:
// "26.11.2026 13:12:33 [3 m 2 s ago]".
func prtgMoment(s string, in Zone) time.Time {
	s, _, _ = strings.Cut(s, "[")
	s, _, _ = strings.Cut(s, "(")
	return moment(s, in)
}

func parsePRTG(b Body, in Zone) ([]Report, error) {
	raw := strings.TrimSpace(text(b.Data))
	if raw == "" {
		raw = b.Query.Encode() // "Execute HTTP Action" by GET
	}
	if strings.TrimSpace(raw) == "" {
		return nil, ErrEmpty
	}
	f := prtgForm(raw)
	if len(f) == 0 {
		return nil, ErrForm
	}
	id := f["id"]
	if id == "" {
		id = join(" / ", f["device"], f["sensor"])
	}
	if id == "" {
		return nil, ErrKeyless
	}
	if f["status"] == "" && f["color"] == "" {
		return nil, ErrForm
	}
	s := prtgStatus(f["status"], f["color"])
	since := prtgMoment(f["since"], in)
	if since.IsZero() {
		since = prtgMoment(f["datetime"], in)
	}
	return []Report{{
		Key: id, State: s.state, Severity: s.severity, Note: s.note,
		Title:  join(": ", join(" · ", f["device"], f["sensor"]), f["status"]),
		Detail: join(" – ", f["message"], f["down"]), Since: since,
		Host: first(f["device"], f["host"]), Site: first(f["group"], f["probe"], f["site"]), Link: f["link"],
	}}, nil
}
