package intake_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"tuermer/internal/notice/intake"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/storetest"
)

func hmacOf(key, text string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

// A source that owes a signature is heard only with it: as Sentry, Grafana and GitHub
// document theirs. What is refused is 401, counted, and an alarm of its own (I20).
func TestI20_UnsignedIsRefusedAndSaid(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		b.withVault()
		token := b.add(intake.Source{Title: "Sentry", Format: intake.PagerDuty})
		other := intake.New(intake.OptionsOf(b.room)) // another node
		t.Cleanup(other.Stop)
		post := func(room *intake.Room, body string, h http.Header) int {
			t.Helper()
			req := httptest.NewRequest(http.MethodPost, "http://lage.example/in/"+token+"/pagerduty", strings.NewReader(body))
			maps.Copy(req.Header, h)
			rec := httptest.NewRecorder()
			room.Gate(http.NotFoundHandler(), false).ServeHTTP(rec, req)
			return rec.Code
		}
		sign := func(name, value string) http.Header { h := http.Header{}; h.Set(name, value); return h }
		body := `{"event_action":"trigger","dedup_key":"d1","payload":{"summary":"Disk full","severity":"error"}}`
		const key = "sehr-geheim"
		if post(b.room, body, nil) != 202 || post(other, body, nil) != 202 {
			t.Fatal("without a key nothing is owed")
		}
		if err := b.room.Sign(w.Ctx, "sentry", "kurz"); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Error(err)
		}
		if err := b.room.Sign(w.Ctx, "sentry", key); err != nil {
			t.Fatal(err)
		}
		if got := post(other, body, nil); got != 401 {
			t.Errorf("another node takes it unsigned: %d", got)
		}
		now := strconv.FormatInt(time.Now().Unix(), 10)
		old := strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)
		grafana := func(moment, sum string) http.Header {
			h := sign("X-Grafana-Alerting-Signature", sum)
			h.Set("X-Grafana-Alerting-Timestamp", moment)
			return h
		}
		for name, c := range map[string]struct {
			h    http.Header
			want int
		}{
			"none":                    {nil, 401},
			"Sentry's":                {sign("Sentry-Hook-Signature", hmacOf(key, body)), 202},
			"GitHub's":                {sign("X-Hub-Signature-256", "sha256="+hmacOf(key, body)), 202},
			"plain":                   {sign("X-Signature-256", "SHA256="+strings.ToUpper(hmacOf(key, body))), 202},
			"Grafana's":               {sign("X-Grafana-Alerting-Signature", hmacOf(key, body)), 202},
			"Grafana's with a moment": {grafana(now, hmacOf(key, now+":"+body)), 202},
			"an old moment":           {grafana(old, hmacOf(key, old+":"+body)), 401},
			"a moment not signed":     {grafana(now, hmacOf(key, body)), 401},
			"another key":             {sign("Sentry-Hook-Signature", hmacOf("anders-geheim", body)), 401},
			"another body":            {sign("Sentry-Hook-Signature", hmacOf(key, body+" ")), 401},
			"no hex":                  {sign("Sentry-Hook-Signature", "nein"), 401},
			"empty":                   {sign("Sentry-Hook-Signature", ""), 401},
		} {
			if got := post(b.room, body, c.h); got != c.want {
				t.Errorf("%s: %d, want %d", name, got, c.want)
			}
		}
		// Another node learns of the key at once, and of its end.
		if got := post(other, body, sign("Sentry-Hook-Signature", hmacOf(key, body))); got != 202 {
			t.Errorf("the other node: %d", got)
		}
		b.until("intake:sentry:d1 firing critical", "source:sentry:unsigned firing warning")
		s, err := b.room.Get(w.Ctx, "sentry")
		if err != nil || !s.Signed || s.Refused < 1 || s.RefusedAt.IsZero() {
			t.Fatalf("%+v, %v", s, err)
		}
		if _, err := intake.Sweep(b.room, w.Ctx, time.Now().Add(25*time.Hour)); err != nil {
			t.Fatal(err)
		}
		b.until("intake:sentry:d1 firing critical", "source:sentry:unsigned firing warning", "source:sentry:unsigned resolved warning")
		if err := b.room.Sign(w.Ctx, "sentry", ""); err != nil {
			t.Fatal(err)
		}
		if post(b.room, body, nil) != 202 || post(other, body, nil) != 202 {
			t.Error("nothing is owed any more")
		}
	})
}
