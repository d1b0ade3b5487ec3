package monitor_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
)

// until asks again for what comes with the next results.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.After(time.Minute); ; {
		if ok() {
			return
		}
		select {
		case <-end:
			t.Fatal(what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// A child whose parent is down raises nothing and is listed with its reason, on
// both databases; another town sees none of it.
func TestI20_WithheldBehindParent(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r, sg, _ := newRoom(t, w)
		w.Start(t)
		var broken atomic.Bool
		broken.Store(true)
		target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if broken.Load() {
				w.WriteHeader(503)
			}
		}))
		defer target.Close()
		check := func(slug string, parents ...string) monitor.Monitor {
			return monitor.Monitor{Slug: slug, Name: strings.ToUpper(slug), Spec: monitor.Spec{
				URL: target.URL, Interval: monitor.Duration(time.Second), Timeout: monitor.Duration(500 * time.Millisecond), Confirm: 1, Parents: parents,
			}}
		}
		if err := r.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		if err := r.Save(w.Ctx, check("router")); err != nil {
			t.Fatal(err)
		}
		until(t, "the router never went down", func() bool { m, _ := r.Get(w.Ctx, "router"); return m.Status.Open })
		if err := r.Save(w.Ctx, check("web", "router")); err != nil {
			t.Fatal(err)
		}
		withheld := func() []monitor.HeldGroup {
			g, err := r.Withheld(w.Ctx, time.Now().Add(-time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			return g
		}
		until(t, "nothing is listed", func() bool { return len(withheld()) == 1 })
		g := withheld()[0]
		if g.Reason != monitor.HeldParent || g.Cause != "ROUTER" || g.Parent != "router" || g.Count != 1 || g.Monitors[0].Title != "WEB" || !g.EndedAt.IsZero() {
			t.Fatalf("%+v", g)
		}
		if other, err := r.Withheld(ident.WithTenant(w.Ctx, "t2"), time.Time{}); err != nil || len(other) != 0 { // I19
			t.Fatal(other, err)
		}
		all, err := r.List(w.Ctx, monitor.Filter{State: monitor.Unreachable})
		if err != nil || len(all) != 1 || all[0].Slug != "web" {
			t.Fatal(all, err)
		}
		firing, err := sg.Firing(w.Ctx)
		if err != nil || len(firing) != 1 || firing[0].Key != "monitor:router" {
			t.Fatal(firing, err)
		}
		// The parent is let rest: nobody looks whether it is down, so the child
		// alarms for itself.
		if err := r.Pause(w.Ctx, "router", true); err != nil {
			t.Fatal(err)
		}
		until(t, "the child does not alarm", func() bool { m, _ := r.Get(w.Ctx, "web"); return m.Status.Open })
		until(t, "the end is not listed", func() bool { g := withheld(); return len(g) == 1 && !g[0].EndedAt.IsZero() })
	})
}

func TestParentsRefused(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r, _, _ := newRoom(t, w)
		w.Start(t)
		m := func(slug string, parents ...string) monitor.Monitor {
			x := beat(slug, slug)
			x.Spec.Parents = parents
			return x
		}
		for _, x := range []monitor.Monitor{m("a"), m("b", "a"), m("c", "b")} {
			if err := r.Save(w.Ctx, x); err != nil {
				t.Fatal(err)
			}
		}
		for want, x := range map[string]monitor.Monitor{
			monitor.ProblemParentLoop: m("a", "c"), monitor.ProblemParentSelf: m("b", "b"), monitor.ProblemParent: m("d", "nirgends"),
		} {
			f := fault.As(r.Save(w.Ctx, x))
			found := false
			for _, key := range f.Fields {
				found = found || key == want
			}
			if !found {
				t.Errorf("%s: %v", want, f.Fields)
			}
		}
		kids, err := r.Children(w.Ctx, "a")
		if err != nil || len(kids) != 1 || kids[0].Slug != "b" {
			t.Error(kids, err)
		}
		if err := r.Declare(w.Ctx, []monitor.Monitor{m("x", "y"), m("y", "x")}); err == nil {
			t.Error("a declared circle is taken")
		}
	})
}

func TestRulesOnThePage(t *testing.T) {
	d := newDesk(t, storetest.SQLite(t, rooms...))
	d.start()
	d.save(beat("a", "Sicherung"))
	form := url.Values{"first": {"2026-11-29T02:00"}, "lasts": {"2h"}, "every": {"month_weekday"}, "reason": {"Updates"}}
	if out := d.ask("it", "POST", "/monitor/a/rule", form.Encode()); out.Code != http.StatusSeeOther {
		t.Fatal(out.Code, out.Body)
	}
	m, err := d.room.Get(d.w.Ctx, "a")
	if err != nil || len(m.Rules) != 1 || m.Rules[0].Rule != "FREQ=MONTHLY;BYDAY=5SU" {
		t.Fatalf("%+v %v", m.Rules, err)
	}
	if text := d.page("it", "GET", "/monitor/a", "", 200).Find("main").Text(); !strings.Contains(text, "jeden Monat am selben Wochentag") || !strings.Contains(text, "Updates") {
		t.Error(text)
	}
	// A change of the monitor leaves it alone.
	d.save(beat("a", "Sicherung neu"))
	if m, _ := d.room.Get(d.w.Ctx, "a"); len(m.Rules) != 1 {
		t.Error("the rule is gone")
	}
	form.Set("every", "rule")
	form.Set("rule", "FREQ=HOURLY")
	if doc := d.page("it", "POST", "/monitor/a/rule", form.Encode(), 422); !strings.Contains(doc.Find("main").Text(), "höchstens täglich") {
		t.Error("a rule that is too frequent is not refused in words")
	}
	if out := d.ask("reader", "POST", "/monitor/a/rule", form.Encode()); out.Code != http.StatusForbidden {
		t.Error(out.Code)
	}
	// The API does what the page does.
	out := d.ask("it", "POST", "/api/v1/monitors/a/maintenance-rules", `{"rule":"FREQ=DAILY","first":"2026-11-29T05:00","lasts_minutes":30,"reason":"Abgleich"}`)
	if out.Code != http.StatusCreated || !strings.Contains(out.Body.String(), `"next":`) {
		t.Fatal(out.Code, out.Body)
	}
	out = d.ask("it", "DELETE", "/api/v1/monitors/a/maintenance?rule=FREQ%3DDAILY&first=2026-11-29T05%3A00", "")
	if out.Code != http.StatusOK || strings.Contains(out.Body.String(), "FREQ=DAILY") {
		t.Error(out.Code, out.Body)
	}
	end := url.Values{"rule": {m.Rules[0].Rule}, "first": {m.Rules[0].First}}
	if out := d.ask("it", "POST", "/monitor/a/rule/end", end.Encode()); out.Code != http.StatusSeeOther {
		t.Error(out.Code, out.Body)
	}
	if m, _ := d.room.Get(d.w.Ctx, "a"); len(m.Rules) != 0 {
		t.Error("the rule stays")
	}
	for path, want := range map[string]string{"/api/v1/withheld": `"items":[]`, "/api/v1/uplink": `"references":0`} {
		if out := d.ask("it", "GET", path, ""); out.Code != 200 || !strings.Contains(out.Body.String(), want) {
			t.Error(path, out.Code, out.Body)
		}
	}
}

// What is slow is said with lower severity, and what is down then is not lost.
func TestDegradedBecomesSignal(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	r, sg, _ := newRoom(t, w)
	w.Start(t)
	var mode atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if mode.Load() == 1 {
			w.WriteHeader(503)
		}
	}))
	defer target.Close()
	if err := r.Start(w.Ctx); err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	err := r.Save(w.Ctx, monitor.Monitor{Slug: "web", Spec: monitor.Spec{
		URL: target.URL, Interval: monitor.Duration(time.Second), Timeout: monitor.Duration(500 * time.Millisecond), Confirm: 1,
		Expect: monitor.Expect{Status: []monitor.StatusRange{{From: 200, To: 299}}}, Degraded: monitor.Soft{Status: []monitor.StatusRange{{From: 200, To: 200}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	severity := func() signal.Severity {
		all, err := sg.Firing(w.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 1 {
			return ""
		}
		return all[0].Severity
	}
	until(t, "no warning", func() bool { return severity() == signal.Warning })
	mode.Store(1)
	until(t, "the outage is not told", func() bool { return severity() == signal.Critical })
}
