package intake_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"tuermer/internal/notice/intake"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

// settable is a clock that tests set.
type settable struct{ t time.Time }

func (c *settable) Now() time.Time { return clock.Cut(c.t) }

// scribe records signals, keeps the last title, and fails when told to.
type scribe struct {
	intake.Recorder
	err   error
	title string
}

func (p *scribe) Record(ctx context.Context, s signal.Signal) (signal.Signal, error) {
	if p.err != nil {
		return s, p.err
	}
	p.title = s.Title
	return p.Recorder.Record(ctx, s)
}

// Three citizens within ten minutes are a signal that wakes; fewer are listed,
// one who insists is one, and half an hour of quiet ends it.
func TestCitizensReport(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		sv := service.New(service.Options{Store: w.Store, Clock: clock.System{}, Audit: audit.New(audit.Options{Store: w.Store, Clock: clock.System{}})})
		for _, s := range []service.Service{{Slug: "portal", Name: "Bürgerportal", Public: true}, {Slug: "intern", Name: "Fachverfahren"}} {
			if err := sv.Save(w.Ctx, s); err != nil {
				t.Fatal(err)
			}
		}
		c := &settable{time.Now()}
		o := intake.OptionsOf(b.room)
		pen := &scribe{Recorder: o.Signals}
		o.Clock, o.Signals = c, pen
		room := intake.New(o)
		defer room.Stop()
		citizen := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPublic})
		report := func(slug string, what intake.Symptom, from string) error {
			t.Helper()
			return room.Outage(citizen, slug, what, from)
		}
		for field, err := range map[string]error{
			"service": report("intern", intake.Gone, "192.0.2.1"), "what": report("portal", "kaputt", "192.0.2.1"),
		} {
			if f := fault.As(err); f.Kind != fault.Invalid || f.Fields[field] == "" {
				t.Errorf("%s: %v", field, err)
			}
		}
		// What could not be stored is no report: the same person says it again at once.
		pen.err = fault.New(fault.Unavailable, "intake.busy")
		if err := report("portal", intake.Gone, "192.0.2.1"); !errors.Is(err, pen.err) {
			t.Fatal(err)
		}
		pen.err = nil
		for _, from := range []string{"192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2"} { // two people
			if err := report("portal", intake.Gone, from); err != nil {
				t.Fatal(err)
			}
		}
		b.until("citizen:portal firing info")
		c.t = c.t.Add(5 * time.Minute)
		if err := report("portal", intake.Slow, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		b.until("citizen:portal firing info", "citizen:portal firing critical")
		next, err := intake.Sweep(room, w.Ctx, c.Now().Add(29*time.Minute))
		if err != nil || next.Sub(c.Now()) != 30*time.Minute {
			t.Fatal(next, err)
		}
		c.t = next
		if _, err := intake.Sweep(room, w.Ctx, next); err != nil {
			t.Fatal(err)
		}
		b.until("citizen:portal firing info", "citizen:portal firing critical", "citizen:portal resolved info")
		if want := "Seit einer halben Stunde meldet niemand mehr etwas: Bürgerportal"; pen.title != want {
			t.Errorf("got %q, want %q", pen.title, want)
		}
	})
}
