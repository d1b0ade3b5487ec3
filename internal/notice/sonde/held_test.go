package sonde_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/sonde"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/storetest"
)

// A town's people reach through a sonde what they reach from here, and no more:
// not the sonde's own machine, not over a name or a redirect, and no cloud's
// metadata, whoever lists them. The operator's checks go anywhere. The list
// counts as it is at the time.
func TestSondeIsHeldToTheTownsReach(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, rooms...))
	w.clock.now = time.Now()
	var knocks atomic.Int32
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { knocks.Add(1) })) // on 127.0.0.1
	defer inner.Close()
	_, port, _ := net.SplitHostPort(inner.Listener.Addr().String())
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	outer := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	})}}
	outer.Start()
	defer outer.Close()
	w.reach.Store(&[]string{"public", "private", "127.0.0.2", "169.254.0.0/16"})

	token, err := w.sondes.Add(w.ctx, "a")
	w.must(err)
	to := func(s string) string { return outer.URL + "/?to=" + url.QueryEscape(s) }
	watch := func(slug, target string) monitor.Monitor {
		return monitor.Monitor{Slug: slug, Spec: monitor.Spec{
			URL: target, Interval: monitor.Duration(time.Second), Timeout: monitor.Duration(500 * time.Millisecond), Confirm: 1,
			Vantage: monitor.Vantage{Sondes: []string{"a"}},
		}}
	}
	w.must(w.monitors.Declare(w.ctx, []monitor.Monitor{watch("datei", "http://localhost:"+port+"/")}))
	held := map[string]string{
		"name": "http://localhost:" + port + "/", "weiter": to(inner.URL), "gekleidet": to("http://[::ffff:127.0.0.1]:" + port + "/"),
		"wolke": to("http://169.254.169.254/latest/meta-data/"),
	}
	for slug, target := range held {
		w.must(w.monitors.Save(w.ctx, watch(slug, target)))
	}
	w.must(w.monitors.Save(w.ctx, watch("erlaubt", outer.URL)))

	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() {
		end <- sonde.Run(ctx, sonde.RunOptions{
			Server: "https://lage.example", Dir: t.TempDir(), Key: newKey(t), Token: token, Version: "test",
			HTTP: &http.Client{Transport: &wire{site: w.site}}, Clock: clock.System{},
			Probers: monitor.NewProbers(monitor.Options{Now: clock.System{}.Now}),
		})
	}()
	defer func() {
		cancel()
		w.must(<-end)
	}()
	seen := func(slug string, as func(monitor.Result) bool) {
		t.Helper()
		var last []monitor.Sighting
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if last, err = w.sondes.Sightings(w.ctx, slug, []string{"a"}); err != nil {
				t.Fatal(err)
			}
			if len(last) == 1 && as(last[0].Last) {
				return
			}
		}
		t.Errorf("%s: %+v", slug, last)
	}
	well := func(r monitor.Result) bool { return r.OK }
	blocked := func(r monitor.Result) bool { return r.Reason == monitor.ReasonBlocked }
	seen("erlaubt", well)
	seen("datei", well)
	declared := knocks.Load()
	for slug := range held {
		seen(slug, blocked)
	}
	w.must(w.monitors.Declare(w.ctx, nil)) // from here on only the people's checks knock
	seen("datei", func(monitor.Result) bool { return true })
	if declared == 0 {
		t.Error("the operator's check did not arrive")
	}

	w.reach.Store(&[]string{"127.0.0.0/8", "::1"})
	w.must(w.monitors.Save(w.ctx, watch("neu", outer.URL))) // what makes the sonde hear at once
	seen("name", well)
	seen("wolke", blocked)
	w.reach.Store(&[]string{"public"})
	w.must(w.monitors.Remove(w.ctx, "neu"))
	for _, slug := range []string{"erlaubt", "name", "weiter"} {
		seen(slug, blocked)
	}
	// What a sonde may not look at says nothing about the target.
	if s := w.get("name").Standing; s.Open {
		t.Errorf("%+v", s)
	}
}

// A sonde of before does not know the word "within", and so does not look at
// what it could not hold back.
func TestOldSondeDoesNotLook(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, rooms...))
	a := w.join("a")
	w.watch("leute", monitor.Vantage{Sondes: []string{"a"}})
	w.must(w.monitors.Declare(w.ctx, []monitor.Monitor{{Slug: "datei", Spec: monitor.Spec{URL: "http://ziel.example/", Vantage: monitor.Vantage{Sondes: []string{"a"}}}}}))
	raw := string(a.say("watch", sonde.Watching(a.now(), "")).Raw)
	if n := strings.Count(raw, `"within":{"public":true,"private":true}`); n != 1 {
		t.Errorf("%d of the two carry it: %s", n, raw)
	}
}
