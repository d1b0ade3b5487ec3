package monitor_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

// TestPeopleAndOperator: the same check, declared by the operator and entered
// in the console: the first looks, the second is held back and says so. When
// the operator widens the list, the next look succeeds.
func TestPeopleAndOperator(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	cat, err := i18n.NewCatalog(monitor.Texts())
	if err != nil {
		t.Fatal(err)
	}
	var words atomic.Value
	words.Store([]string{"public", "private"})
	reach := func(context.Context, ident.Tenant) (fence.List, error) {
		return fence.Parse(words.Load().([]string))
	}
	au := audit.New(audit.Options{Store: w.Store, Clock: clock.System{}})
	sv := service.New(service.Options{Store: w.Store, Clock: clock.System{}, Audit: au})
	r := monitor.New(monitor.RoomOptions{
		Store: w.Store, Clock: clock.System{}, Audit: au, Vault: openSealer{}, Signals: signal.New(signal.Options{Store: w.Store, Clock: clock.System{}}),
		Services: sv, Catalog: cat, Reach: reach,
		Locale:  func(context.Context) i18n.Locale { return i18n.Locale{Catalog: cat, Lang: i18n.DE, Zone: time.UTC} },
		Probers: monitor.NewProbers(monitor.Options{Now: clock.System{}.Now, Guard: monitor.TenantGuard{Of: reach}}),
	})
	w.Start(t)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer target.Close()
	_, port, _ := net.SplitHostPort(target.Listener.Addr().String())
	spec := monitor.Spec{URL: "http://localhost:" + port + "/", Interval: monitor.Duration(time.Hour), Confirm: 1}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.Declare(w.Ctx, []monitor.Monitor{{Slug: "datei", Spec: spec}}))
	must(r.Save(w.Ctx, monitor.Monitor{Slug: "konsole", Spec: spec}))
	spec.URL = target.URL
	if err := r.Save(w.Ctx, monitor.Monitor{Slug: "adresse", Spec: spec}); fault.As(err).Fields["url"] != monitor.ProblemReach {
		t.Errorf("a bare address is saved: %v", err)
	}
	must(r.Start(w.Ctx))
	defer r.Stop()
	seen := func(slug string, after time.Time) monitor.Result {
		t.Helper()
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			res, err := r.Results(w.Ctx, slug, after, 1)
			must(err)
			if len(res) > 0 {
				return res[0]
			}
		}
		t.Fatalf("%s never looked", slug)
		return monitor.Result{}
	}
	must(r.Probe(w.Ctx, "datei"))
	must(r.Probe(w.Ctx, "konsole"))
	if res := seen("datei", time.Time{}); !res.OK {
		t.Errorf("the operator's check is held back: %+v", res)
	}
	res := seen("konsole", time.Time{})
	if res.Reason != monitor.ReasonBlocked || !strings.Contains(monitor.Explain(i18n.Locale{Catalog: cat, Lang: i18n.DE}, spec, res), "wer Türmer betreibt") {
		t.Errorf("%+v", res)
	}
	words.Store([]string{"public", "private", "127.0.0.0/8", "::1/128"})
	// A look that was on its way before the list was widened answers too.
	until(t, "the widened list counts", func() bool {
		must(r.Probe(w.Ctx, "konsole"))
		res = seen("konsole", res.At.Add(time.Millisecond))
		return res.OK
	})
}
