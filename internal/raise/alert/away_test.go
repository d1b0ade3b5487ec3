package alert

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/vault"
)

// wayOut counts what leaves the house past the outbox.
type wayOut struct {
	mu   sync.Mutex
	down bool
	got  []channel.Message
}

func (w *wayOut) Deliver(_ context.Context, _ channel.Realm, _ channel.Kind, ms []channel.Message) []channel.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]channel.Outcome, len(ms))
	for i, m := range ms {
		if w.down {
			out[i].Err = &channel.Failure{RouteDown: true, Reason: "connect"}
			continue
		}
		w.got = append(w.got, m)
		out[i].Receipt.Route = "way"
	}
	return out
}

func (w *wayOut) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.got)
}

// awayRoom is a room without a database, with a book of two people on two levels.
func awayRoom(t *testing.T, v *vault.Vault, dir string, w *wayOut) *Room {
	t.Helper()
	r := New(Options{Clock: clock.System{}, Signer: v, Files: v, Ways: w, Dir: dir, AnswerWithin: 5 * time.Minute})
	if err := r.openSpool(); err != nil {
		t.Fatal(err)
	}
	person := func(name string) identity.Person {
		return identity.Person{ID: identity.PersonID(name), Name: name, Email: name + "@town.example", Alternative: name + "@else.example"}
	}
	levels := []levelBook{{ByOwner, []identity.Person{person("ada")}}, {ByRole, []identity.Person{person("bert")}}}
	r.spool.book = book{Towns: map[ident.Tenant]townBook{"t1": {
		Town:     identity.Tenant{ID: "t1", Name: "Musterstadt", StaffURL: "http://lage.example"},
		Services: map[string]serviceBook{"": {Levels: levels}}, Open: map[string]ID{"service:known": "a0"},
	}}}
	return r
}

func fires(key, service, episode string) signal.Signal {
	return signal.Signal{
		Source: signal.Monitor, Key: key, Episode: episode, State: signal.Firing, Service: service, Severity: signal.Critical,
		Title: service + " antwortet nicht", Since: clock.System{}.Now(), At: clock.System{}.Now(),
	}
}

// The spool waits a little, wakes those responsible once, goes on after a crash
// where it was, and tells those next in line when nobody takes the alarm.
func TestSpool(t *testing.T) {
	v, err := vault.New(make([]byte, vault.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ctx := ident.WithTenant(t.Context(), "t1")
		w := &wayOut{down: true}
		r := awayRoom(t, v, dir, w)
		r.spool.sender.Start(ctx)
		first := clock.System{}.Now()
		s := fires("monitor:portal", "portal", "1")
		r.Unstored(ctx, s, first)
		time.Sleep(5 * time.Second)
		r.Unstored(ctx, s, first)
		synctest.Wait()
		if len(r.spool.alarms) != 0 {
			t.Fatal("raised after five seconds; most databases are back by then")
		}
		time.Sleep(5 * time.Second)
		r.Unstored(ctx, s, first)
		known := fires("monitor:known", "known", "1")
		r.Unstored(ctx, known, first) // its alert is open already
		warning := s
		warning.Key, warning.Service, warning.Severity = "monitor:x", "x", signal.Warning
		r.Unstored(ctx, warning, first)
		synctest.Wait()
		if len(r.spool.alarms) != 1 || len(r.spool.alarms[0].Mails) != 2 || w.count() != 0 {
			t.Fatalf("%d alarms, %d mails out", len(r.spool.alarms), w.count())
		}
		ids := map[string]bool{}
		for _, m := range r.spool.alarms[0].Mails {
			ids[m.Message.ID] = true
		}
		r.Stop() // as after kill -9: what is in memory is gone

		r = awayRoom(t, v, dir, w)
		w.mu.Lock()
		w.down = false
		w.mu.Unlock()
		r.spool.sender.Start(ctx)
		r.Unstored(ctx, s, first) // the monitor tells it again
		synctest.Wait()
		if w.count() != 2 || !ids[w.got[0].ID] || !ids[w.got[1].ID] {
			t.Fatalf("%d mails out", w.count())
		}
		r.Stop()

		r = awayRoom(t, v, dir, w)
		r.spool.sender.Start(ctx)
		synctest.Wait()
		if w.count() != 2 {
			t.Fatal("what was taken was sent again after a start")
		}
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if w.count() != 4 || w.got[2].ToName != "bert" {
			t.Fatalf("nobody took it, and %d mails are out", w.count())
		}
		r.Stop()
		r = awayRoom(t, v, dir, w)
		if n := len(r.spool.alarms[0].Mails); n != 4 {
			t.Fatalf("%d mails in the spool", n)
		}
		// Somebody takes it; after the next crash that stands, and nobody else is told.
		err := r.spool.keep(spoolLine{Taken: &spoolTaken{spoolAlarm{"t1", r.spool.alarms[0].Alert.ID}, spooledTaken{"ada", "ada", r.o.Clock.Now()}}})
		if err != nil {
			t.Fatal(err)
		}
		r.Stop()
		r = awayRoom(t, v, dir, w)
		r.spool.sender.Start(ctx)
		time.Sleep(time.Hour)
		synctest.Wait()
		if w.count() != 4 || r.spool.alarms[0].Taken.Name != "ada" {
			t.Fatalf("%d mails out, taken by %q", w.count(), r.spool.alarms[0].Taken.Name)
		}
		r.Stop()
	})
}

// I20 while the database is away: whatever happens in whatever order, with
// crashes in between, every critical signal that stays unstored for long enough
// belongs to an alert that woke somebody, and no address hears of one alert twice.
func TestI20_Spool(t *testing.T) {
	v, err := vault.New(make([]byte, vault.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		dir := fmt.Sprintf("%s/%d", base, run)
		now := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
		w := &wayOut{}
		begin := func() *Room {
			r := awayRoom(t, v, dir, w)
			r.o.Clock = clockAt(func() time.Time { return now })
			return r
		}
		r := begin()
		ctx := ident.WithTenant(context.Background(), "t1")
		first := now
		pending := map[string]signal.Signal{}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "act") {
			case 0:
				n := rapid.IntRange(0, 3).Draw(rt, "monitor")
				s := fires(fmt.Sprintf("monitor:m%d", n), fmt.Sprintf("s%d", n/2), "1")
				s.At, s.Since = now, now
				pending[s.Key] = s
			case 1:
				now = now.Add(time.Duration(rapid.IntRange(1, 400).Draw(rt, "seconds")) * time.Second)
			case 2:
				w.down = !w.down
			case 3:
				r.Stop()
				r = begin()
			case 4:
				for _, s := range pending {
					r.Unstored(ctx, s, first)
				}
				if _, err := r.sendSpooled(ctx, now); err != nil {
					rt.Fatal(err)
				}
			}
		}
		w.down = false
		now = now.Add(time.Minute)
		for range 3 {
			for _, s := range pending {
				r.Unstored(ctx, s, first)
			}
			if _, err := r.sendSpooled(ctx, now); err != nil {
				rt.Fatal(err)
			}
			now = now.Add(time.Minute)
		}
		heard := map[string]int{}
		for _, m := range w.got {
			heard[m.Thread+" "+m.To]++
		}
		for _, s := range pending {
			var a *spooled
			for _, x := range r.spool.alarms {
				if x.Alert.Key == alertKey(s) {
					if a != nil {
						rt.Fatalf("two alerts for %s", alertKey(s))
					}
					a = x
				}
			}
			if a == nil || heard[string(a.Alert.ID)+" ada@town.example"] != 1 {
				rt.Fatalf("%s woke nobody", s.Key)
			}
		}
		for k, n := range heard {
			if n != 1 {
				rt.Fatalf("%s: %d times", k, n)
			}
		}
		r.Stop()
	})
}

type clockAt func() time.Time

func (c clockAt) Now() time.Time { return c() }

// What could not be written is raised all the same.
func TestSpoolFull(t *testing.T) {
	v, err := vault.New(make([]byte, vault.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w := &wayOut{}
	r := awayRoom(t, v, t.TempDir(), w)
	ctx := ident.WithTenant(t.Context(), "t1")
	for err == nil {
		err = r.spool.log.Add(make([]byte, 1<<20))
	}
	if !errors.Is(err, vault.ErrLogFull) {
		t.Fatal(err)
	}
	now := r.o.Clock.Now()
	// The bound left less than a megabyte; the rest is filled by smaller lines.
	for err = nil; err == nil; {
		err = r.spool.log.Add(make([]byte, 200))
	}
	r.Unstored(ctx, fires("monitor:portal", "portal", "1"), now.Add(-time.Minute))
	if _, err := r.sendSpooled(ctx, now.Add(time.Second)); err != nil || w.count() != 2 {
		t.Fatal(err, w.count())
	}
	r.Stop()
}
