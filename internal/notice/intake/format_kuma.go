package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"time"
	"unicode"

	"tuermer/internal/notice/signal"
)

// Uptime Kuma's webhook: JSON, the same JSON in the field "data" of a form, or its
// parts in the address; and the calls that scripts make to its push monitors.

type kumaBody struct {
	Heartbeat *struct {
		MonitorID int    `json:"monitorID"`
		Status    int    `json:"status"` // 0 down, 1 up, 2 pending, 3 maintenance
		Time      string `json:"time"`   // in UTC
		Msg       string `json:"msg"`
	} `json:"heartbeat"`
	Monitor *struct {
		ID       int    `json:"id"`
		Name     string `json:"name"`
		Path     string `json:"pathName"`
		URL      string `json:"url"`
		Hostname string `json:"hostname"`
		Parent   any    `json:"parent"`
	} `json:"monitor"`
	Msg string `json:"msg"`
}

// kumaQuery is what Uptime Kuma puts into the address when it is to use GET, in the
// form of its other bodies; empty where there is nothing of it.
func kumaQuery(q url.Values) string {
	if q.Get("msg") == "" && q.Get("heartbeat") == "" {
		return ""
	}
	part := func(name string) json.RawMessage {
		if v := q.Get(name); json.Valid([]byte(v)) {
			return json.RawMessage(v)
		}
		return json.RawMessage("null")
	}
	raw, err := json.Marshal(map[string]any{"heartbeat": part("heartbeat"), "monitor": part("monitor"), "msg": q.Get("msg")})
	if err != nil {
		return ""
	}
	return string(raw)
}

// kumaPush reads what a script says to a push monitor of Uptime Kuma:
// /api/push/{name}?status=up&msg=OK&ping=12, or the same behind the source's address.
// As there, a call by name that tells no status is a sign of life.
func kumaPush(b Body) (Report, bool) {
	name := ""
	if len(b.Path) > 2 && b.Path[0] == "api" && b.Path[1] == "push" {
		name = b.Path[2]
	}
	if q := b.Query; q.Has("heartbeat") || name == "" && !q.Has("status") {
		return Report{}, false
	}
	r := Report{
		Key: join(" ", "push", name), State: signal.Firing, Severity: signal.Critical, Title: join(": ", name, b.Query.Get("msg")),
	}
	if status := b.Query.Get("status"); status == "up" || status == "" && name != "" {
		r.State = signal.Resolved
	}
	return r, true
}

func parseKuma(b Body, _ Zone) ([]Report, error) {
	raw := strings.TrimSpace(text(b.Data))
	if r, ok := kumaPush(b); ok && raw == "" {
		return []Report{r}, nil
	}
	if raw == "" {
		raw = kumaQuery(b.Query)
	}
	if raw == "" {
		return nil, ErrEmpty
	}
	if !strings.HasPrefix(raw, "{") {
		f, err := fields(b)
		if err != nil || f["data"] == "" {
			return nil, ErrForm
		}
		raw = f["data"]
	}
	var k kumaBody
	if err := json.Unmarshal([]byte(raw), &k); err != nil || k.Msg == "" && k.Heartbeat == nil {
		return nil, ErrForm
	}
	if k.Heartbeat == nil || k.Monitor == nil {
		// The end of a certificate, or a test: it concerns no monitor. Its numbers
		// change from day to day.
		still := strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return -1
			}
			return r
		}, k.Msg)
		sum := sha256.Sum256([]byte(still))
		return []Report{{
			Key: "message " + hex.EncodeToString(sum[:8]), State: signal.Firing, Severity: signal.Info, Title: k.Msg,
			Note: strings.Contains(strings.ToLower(k.Msg), "testing"),
		}}, nil
	}
	h, m := k.Heartbeat, k.Monitor
	r := Report{
		Key: "monitor " + key(jsonNumber(m.ID, h.MonitorID)), State: signal.Firing, Severity: signal.Critical,
		Title: first(m.Path, m.Name), Detail: first(h.Msg, k.Msg), Host: m.Hostname, Link: m.URL, Since: moment(h.Time, time.UTC),
	}
	if at := strings.LastIndex(m.Path, " / "); at > 0 {
		r.Site = m.Path[:at] // the group in which it stands
	}
	switch h.Status {
	case 1:
		r.State = signal.Resolved
	case 2:
		r.Severity = signal.Warning // it tries again, and tells what came of it
	case 3:
		r.Note = true
	}
	return []Report{r}, nil
}
