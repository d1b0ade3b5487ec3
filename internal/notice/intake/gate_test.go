package intake_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tuermer/internal/notice/intake"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
)

// The gate takes reports without a cookie, a sign-in or a page, tells overload by
// 503, and lets them in on the public listener only where the town wants it.
func TestGate(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	b := newBench(t, w)
	cat, err := i18n.NewCatalog(intake.Texts())
	if err != nil {
		t.Fatal(err)
	}
	open := false
	o := intake.OptionsOf(b.room)
	o.Clock, o.Locale = clock.System{}, func(context.Context) i18n.Locale { return i18n.Locale{Catalog: cat, Lang: i18n.DE} }
	o.Public = func(ctx context.Context) bool { return open && ident.TenantOf(ctx) == "t1" }
	o.TenantByHost = func(_ context.Context, host string) (ident.Tenant, error) {
		switch host {
		case "lage.example":
			return "t1", nil
		case "lage.other.example":
			return "t2", nil
		}
		return "", fault.New(fault.NotFound, "identity.unknown_host")
	}
	room := intake.New(o)
	room.Mount("sms-receipt", func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.WriteString(w, "receipt "+r.PathValue("token")+" "+r.PathValue("rest"))
		return err
	})
	token := b.add(intake.Source{Title: "PRTG", Format: intake.PRTG})
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	inner, public := room.Gate(page, false), room.Gate(page, true)
	ask := func(h http.Handler, method, at, body string, want int, says string) {
		t.Helper()
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(method, at, strings.NewReader(body)))
		if rec.Code != want || !strings.Contains(rec.Body.String(), says) {
			t.Errorf("%s %s: %d %q, want %d %q", method, at, rec.Code, rec.Body.String(), want, says)
		}
		if rec.Code == http.StatusServiceUnavailable && rec.Header().Get("Retry-After") == "" {
			t.Error("no word when to come again")
		}
		if len(rec.Result().Cookies()) > 0 {
			t.Error("a cookie")
		}
	}
	at, down := "http://lage.example/in/"+token+"/prtg", "id=1&status=Down"
	ask(inner, "GET", "http://lage.example/source", "", http.StatusTeapot, "")
	ask(inner, "POST", at, down, http.StatusOK, "OK")
	ask(inner, "HEAD", at, "", http.StatusMethodNotAllowed, "")
	ask(inner, "DELETE", at, "", http.StatusMethodNotAllowed, "")
	ask(inner, "POST", "http://lage.example/in/"+token+"/kuma", down, http.StatusNotFound, "Diese Adresse")
	ask(inner, "POST", "http://lage.example/in/", down, http.StatusNotFound, "")
	ask(inner, "POST", "http://lage.other.example/in/"+token+"/prtg", down, http.StatusNotFound, "")
	ask(inner, "POST", "http://nowhere.example/in/"+token+"/prtg", down, http.StatusNotFound, "")
	ask(inner, "POST", "http://lage.example/in/abc/sms-receipt/7", "", http.StatusOK, "receipt abc 7")
	ask(public, "POST", at, down, http.StatusNotFound, "Diese Adresse")
	ask(public, "POST", "http://lage.example/in/abc/sms-receipt", "", http.StatusNotFound, "")
	open = true
	ask(public, "POST", at, down, http.StatusOK, "OK")
	ask(public, "POST", "http://lage.example/in/abc/sms-receipt", "", http.StatusOK, "receipt")

	// PagerDuty's way to say yes names the key by which it ends.
	events := b.add(intake.Source{Title: "Events", Format: intake.PagerDuty})
	event := "http://lage.example/in/" + events + "/pagerduty"
	ask(inner, "POST", event, `{"event_action":"trigger","payload":{"summary":"Disk full","source":"srv9","severity":"error"}}`, http.StatusAccepted, `"dedup_key":"srv9 · Disk full"`)
	ask(inner, "POST", event, `{"event_action":"resolve","dedup_key":"srv9 · Disk full"}`, http.StatusAccepted, `"status":"success"`)
	ask(inner, "POST", event, `{"links":[]}`, http.StatusAccepted, "success")

	// What is too long is no reason to send the source away.
	ask(inner, "POST", at, down+"&message="+strings.Repeat("x", intake.MaxBody), http.StatusOK, "OK")
	s, err := b.room.Get(w.Ctx, "prtg")
	if err != nil || s.State() != intake.Unread {
		t.Fatal(s.State(), err)
	}
	seen, err := b.room.Seen(w.Ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	cut := 0
	for _, x := range seen {
		if x.Problem == "cut" {
			cut++
		}
	}
	if cut != 1 {
		t.Errorf("%d bodies were cut", cut)
	}
	room.Stop()
	ask(inner, "POST", at, down, http.StatusServiceUnavailable, "noch einmal")
}

// Whoever opens an address in a browser, or has a messenger show it, reports nothing: it
// counts as no sign of life and as nothing that was not understood. What does report by
// GET is taken. A stranger's address answers as one that there is.
func TestVisitsReportNothing(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		open := true
		o := intake.OptionsOf(b.room)
		o.Public = func(context.Context) bool { return open }
		room := intake.New(o)
		defer room.Stop()
		inner, public := room.Gate(http.NotFoundHandler(), false), room.Gate(http.NotFoundHandler(), true)
		ask := func(h http.Handler, method, at, lang, body string) *http.Response {
			t.Helper()
			req := httptest.NewRequest(method, at, strings.NewReader(body))
			req.Header.Set("Accept-Language", lang)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, req)
			return rec.Result()
		}
		for _, f := range intake.Formats() {
			token := b.add(intake.Source{Name: "q-" + string(f), Title: string(f), Format: f})
			at := intake.GatePath + token + "/" + string(f)
			visits := []string{at, at + "/"}
			switch f {
			case intake.Alertmanager, intake.Alerts, intake.Grafana, intake.Sentry, intake.PagerDuty, intake.Mail:
				visits = append(visits, at+"?utm_source=messenger", at+"/api/v2/status")
			}
			for _, at := range visits {
				for _, a := range []string{at, strings.Replace(at, token, intake.TokenPrefix+strings.Repeat("a", 26), 1)} {
					for _, method := range []string{"GET", "HEAD"} {
						res := ask(inner, method, a, "de-DE,de;q=0.9", "")
						text, err := io.ReadAll(res.Body)
						if err != nil || res.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(res.Header.Get("Allow"), "POST") || !strings.Contains(string(text), "Diese Adresse nimmt Meldungen") {
							t.Errorf("%s %s: %d %q %q", method, a, res.StatusCode, res.Header.Get("Allow"), text)
						}
					}
				}
			}
			res := ask(inner, "GET", at, "en", "")
			if text, err := io.ReadAll(res.Body); err != nil || !strings.HasPrefix(string(text), "This address takes reports") {
				t.Errorf("%s in English: %q", f, text)
			}
			open = false
			if res := ask(public, "GET", at, "de", ""); res.StatusCode != http.StatusNotFound {
				t.Errorf("%s at the closed outer door: %d", f, res.StatusCode)
			}
			open = true
			if res := ask(public, "GET", at, "de", ""); res.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s at the outer door: %d", f, res.StatusCode)
			}
			s, err := b.room.Get(w.Ctx, "q-"+string(f))
			if err != nil || s.State() != intake.Waiting || !s.UnreadAt.IsZero() {
				t.Errorf("%s: %s %v", f, s.State(), err)
			}
			if seen, err := b.room.Seen(w.Ctx, s); err != nil || len(seen) > 0 {
				t.Errorf("%s: %d kept, %v", f, len(seen), err)
			}
			if res := ask(inner, "POST", at, "de", ""); res.StatusCode/100 != 2 {
				t.Errorf("%s: an empty delivery is one: %d", f, res.StatusCode)
			}
			if s, err = b.room.Get(w.Ctx, s.Name); err != nil || s.HeardAt.IsZero() || s.UnreadAt.IsZero() {
				t.Errorf("%s: an empty delivery: %s %v", f, s.State(), err)
			}
		}
		for name, says := range map[string]struct {
			f        intake.Format
			at, body string
		}{
			"ping":       {f: intake.Healthchecks, at: "/backup/fail"},
			"push":       {f: intake.Kuma, at: "/api/push/tor?status=down&msg=weg"},
			"webhook":    {f: intake.Kuma, at: "?status=down&msg=weg"},
			"endpoint":   {f: intake.Gatus, at: "/api/v1/endpoints/stadt_tor/external?success=false&error=weg"},
			"prtg":       {f: intake.PRTG, at: "?id=1&status=Down"},
			"zabbix":     {f: intake.Zabbix, at: "?event_id=1&event_value=1&event_name=weg"},
			"icinga":     {f: intake.Icinga, at: "?notification_type=PROBLEM&host_name=tor&host_state=DOWN"},
			"checkmk":    {f: intake.Checkmk, at: "?NOTIFY_WHAT=HOST&NOTIFY_NOTIFICATIONTYPE=PROBLEM&NOTIFY_HOSTNAME=tor&NOTIFY_HOSTSTATE=DOWN"},
			"generic":    {f: intake.Generic, at: "?key=tor&state=down"},
			"with-words": {f: intake.Generic, body: `{"key":"tor","state":"down"}`},
		} {
			for _, method := range []string{"GET", "HEAD"} {
				source := strings.ToLower(method) + "-" + name
				token := b.add(intake.Source{Name: source, Title: source, Format: says.f})
				if res := ask(inner, method, intake.GatePath+token+"/"+string(says.f)+says.at, "de", says.body); res.StatusCode != http.StatusOK {
					t.Errorf("%s: %d", source, res.StatusCode)
				}
				if s, err := b.room.Get(w.Ctx, source); err != nil || s.State() != intake.Heard {
					t.Errorf("%s: %s %v", source, s.State(), err)
				}
			}
		}
	})
}

// Another node, or a command beside the running one, revokes: what this one
// remembers opens nothing, and what it remembers of a mapping is not used.
func TestAnotherNodeChanges(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		other := intake.New(intake.OptionsOf(b.room))
		defer other.Stop()
		token := b.add(intake.Source{Title: "BMA", Format: intake.Generic})
		body := "melder=7&lage=Alarm"
		if err := b.take(token, intake.Generic, body); err != nil {
			t.Fatal(err)
		}
		b.until("source:bma:unread firing warning")
		if err := other.Change(w.Ctx, intake.Source{Name: "bma", Title: "BMA", Mapping: intake.Mapping{Key: "melder", State: "lage"}}); err != nil {
			t.Fatal(err)
		}
		if err := b.take(token, intake.Generic, body); err != nil {
			t.Fatal(err)
		}
		b.until("source:bma:unread firing warning", "intake:bma:7 firing critical")
		if err := other.Revoke(w.Ctx, "bma"); err != nil {
			t.Fatal(err)
		}
		if err := b.take(token, intake.Generic, body); fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
	})
}

// A source that says more than its share waits; others are heard.
func TestPace(t *testing.T) {
	p := intake.NewPacer()
	at := clock.Cut(clock.System{}.Now())
	taken := 0
	for range 3000 {
		if p.Allow("loud", true, at) {
			taken++
		}
	}
	if taken != 2000 || !p.Allow("quiet", true, at) || !p.Allow("loud", false, at) {
		t.Fatal(taken)
	}
	if p.Allow("loud", true, at) || !p.Allow("loud", true, at.Add(10_000_000)) {
		t.Fatal("a hundred a second")
	}
}
