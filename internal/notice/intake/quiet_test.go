package intake_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/notice/intake"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

// hand is a clock that the tests set.
type hand struct {
	lock sync.Mutex
	now  time.Time
}

func (h *hand) Now() time.Time {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.now
}

func (h *hand) pass(d time.Duration) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.now = h.now.Add(d)
}

// still is a room whose time passes by hand. Nothing of it runs by itself.
type still struct {
	*bench
	*hand
	node string
	cut  bool
}

func newStill(t *testing.T, w *storetest.World) *still {
	t.Helper()
	s := &still{newBench(t, w), &hand{now: time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)}, "n1", false}
	s.restart()
	return s
}

// restart is the room after a restart of the program, with what the store knows.
func (s *still) restart() {
	o := intake.OptionsOf(s.room)
	o.Clock, o.Vault, o.Node, o.Cut = s.hand, sealer{}, s.node, func() bool { return s.cut }
	au := audit.New(audit.Options{Store: s.w.Store, Clock: s.hand})
	o.Audit, o.Signals = au, signal.New(signal.Options{Store: s.w.Store, Clock: s.hand})
	o.Services = service.New(service.Options{Store: s.w.Store, Clock: s.hand, Audit: au})
	s.room.Stop()
	s.room = intake.New(o)
	s.t.Cleanup(s.room.Stop)
	intake.Miss(s.room, "", s.Now()) // as Start does
}

// listen lets time pass while the program listens.
func (s *still) listen(d time.Duration) {
	s.t.Helper()
	for ; d > 0; d -= time.Minute {
		s.pass(min(d, time.Minute))
		if _, err := intake.Quieten(s.room, s.w.Ctx, s.Now()); err != nil {
			s.t.Fatal(err)
		}
	}
}

// says has a generic source report one thing.
func (s *still) says(token, key, state string, more ...string) {
	s.t.Helper()
	body := `{"key":"` + key + `","state":"` + state + `"` + strings.Join(append([]string{""}, more...), ",") + `}`
	if err := s.room.Take(context.Background(), token, intake.Generic, intake.Body{ContentType: "application/json", Data: []byte(body)}); err != nil {
		s.t.Fatal(err)
	}
}

// is whether the thing of a source fires.
func (s *still) is(source, key string) bool {
	s.t.Helper()
	on, err := signal.New(signal.Options{Store: s.w.Store, Clock: s.hand}).IsFiring(s.w.Ctx, "intake:"+source+":"+key)
	if err != nil {
		s.t.Fatal(err)
	}
	return on
}

func (s *still) want(when string, fires bool, key string) {
	s.t.Helper()
	if s.is("bma", key) != fires {
		s.t.Fatalf("%s: fires %v", when, !fires)
	}
}

// What is not reported for as long as agreed counts as over, says so in words, and
// alarms again with the next report. It is off unless somebody turns it on.
func TestSilenceEndsWhatIsNotRepeated(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		s := newStill(t, w)
		off := s.add(intake.Source{Name: "aus", Title: "Aus", Format: intake.Generic})
		token := s.add(intake.Source{Name: "bma", Title: "BMA", Format: intake.Generic, ResolveAfter: 30 * time.Minute, Mapping: intake.Mapping{Episode: "id"}})
		s.says(off, "1", "down")
		s.listen(time.Minute)
		s.says(token, "1", "down", `"id":"e1"`)
		s.says(token, "2", "down")
		s.listen(20 * time.Minute)
		s.says(token, "2", "down")
		s.listen(9 * time.Minute)
		s.want("29 minutes", true, "1")
		s.listen(2 * time.Minute)
		s.want("31 minutes", false, "1")
		s.want("it was repeated", true, "2")
		list, err := signal.New(signal.Options{Store: w.Store, Clock: s.hand}).List(w.Ctx, signal.Filter{Key: "intake:bma:1"})
		if err != nil || len(list) != 2 || list[0].Detail != "Seit 30 Minuten keine Meldung mehr – als beendet angesehen. Letzte Meldung: 03:01 Uhr." || list[0].State != signal.Resolved {
			t.Fatalf("%+v %v", list, err)
		}
		s.says(token, "1", "down", `"id":"e1"`)
		s.want("the same occurrence is reported again", true, "1")
		s.listen(31 * time.Minute)
		s.want("silent again", false, "1")
		s.says(token, "1", "ok", `"id":"e1"`)
		s.says(token, "1", "down", `"id":"e1"`)
		s.want("its end was said at last", false, "1")
		if !s.is("aus", "1") {
			t.Fatal("it ended although the source does not want it")
		}
		// Turned on, it counts from then on.
		x, err := s.room.Get(w.Ctx, "aus")
		if err != nil {
			t.Fatal(err)
		}
		x.ResolveAfter = 10 * time.Minute
		if err := s.room.Change(w.Ctx, x); err != nil {
			t.Fatal(err)
		}
		s.listen(9 * time.Minute)
		if !s.is("aus", "1") {
			t.Fatal("the time before it was turned on counts")
		}
		s.listen(2 * time.Minute)
		if s.is("aus", "1") {
			t.Fatal("turned on, it ends nothing")
		}
		if x, err = s.room.Get(w.Ctx, "aus"); err != nil || x.ResolveAfter != 10*time.Minute {
			t.Fatalf("%+v %v", x, err)
		}
		for _, bad := range []intake.Source{{Title: "X", Format: intake.Generic, ResolveAfter: time.Minute}, {Title: "X", Format: intake.Healthchecks, ResolveAfter: time.Hour}} {
			if _, err := s.room.Add(w.Ctx, bad); fault.KindOf(err) != fault.Invalid || err == nil {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

// What could not be heard is no silence: while the program was down, asleep, cut off,
// busy or full of doubt, nothing ends, and afterwards the count begins anew.
func TestI20_WhoIsDeafHearsNoSilence(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		s := newStill(t, w)
		token := s.add(intake.Source{Name: "bma", Title: "BMA", Format: intake.Generic, ResolveAfter: 10 * time.Minute})
		n := 0
		for name, deaf := range map[string]func(){
			"restarted":           func() { s.restart() },
			"down for long":       func() { s.pass(5 * time.Hour); s.restart() },
			"asleep":              func() { s.pass(3 * time.Minute) },
			"the clock went back": func() { s.pass(-7 * time.Minute) },
			"busy":                func() { intake.Miss(s.room, "bma", s.Now()) },
			"the line was lost":   func() { s.cut = true; s.listen(time.Minute); s.cut = false },
			"a failed word": func() {
				intake.Miss(s.room, "", s.Now())
				s.listen(time.Minute)
				s.restart() // and what was missed stays written
			},
		} {
			n++
			key := fmt.Sprint(n)
			s.says(token, key, "down")
			s.listen(9 * time.Minute)
			deaf()
			for range 2 {
				s.listen(4 * time.Minute)
				s.want(name, true, key)
			}
			s.listen(6 * time.Minute)
			s.want(name+", and heard nothing since", false, key)
		}

		// Another node may be the one that a source knows.
		s.says(token, "node", "down")
		s.listen(5 * time.Minute)
		s.node = "n2"
		s.restart()
		s.listen(15 * time.Minute)
		s.want("the other node is away", true, "node")
		s.pass(24 * time.Hour)
		s.listen(11 * time.Minute)
		s.want("nobody waits for it any more", false, "node")

		// What is not understood may be just what was to be repeated.
		s.says(token, "doubt", "down")
		if err := s.room.Take(context.Background(), token, intake.Generic, intake.Body{Data: []byte("?")}); err != nil {
			t.Fatal(err)
		}
		s.listen(15 * time.Minute)
		s.want("something was not understood", true, "doubt")
		s.pass(24 * time.Hour)
		if _, err := intake.Sweep(s.room, w.Ctx, s.Now()); err != nil {
			t.Fatal(err)
		}
		s.listen(9 * time.Minute)
		s.want("that is over, and it is heard again", true, "doubt")
		s.listen(2 * time.Minute)
		s.want("and silent", false, "doubt")

		// A source that is silent altogether is no proof of anything.
		x, err := s.room.Get(w.Ctx, "bma")
		if err != nil {
			t.Fatal(err)
		}
		x.Rhythm = 5 * time.Minute
		if err := s.room.Change(w.Ctx, x); err != nil {
			t.Fatal(err)
		}
		s.says(token, "silent", "down")
		s.listen(6 * time.Minute)
		if _, err := intake.Sweep(s.room, w.Ctx, s.Now()); err != nil {
			t.Fatal(err)
		}
		s.listen(15 * time.Minute)
		s.want("the whole source is silent", true, "silent")
		s.says(token, "other", "down")
		s.listen(9 * time.Minute)
		s.want("it speaks again", true, "silent")
		s.listen(2 * time.Minute)
		s.want("and of that no more", false, "silent")

		// Of a source that is revoked nobody knows any end, also when its name lives again.
		s.says(token, "revoked", "down")
		if err := s.room.Revoke(w.Ctx, "bma"); err != nil {
			t.Fatal(err)
		}
		s.listen(15 * time.Minute)
		s.add(intake.Source{Name: "bma", Title: "BMA", Format: intake.Generic, ResolveAfter: 5 * time.Minute})
		s.listen(10 * time.Minute)
		s.want("revoked", true, "revoked")
	})
}

// A mailbox that cannot be read says nothing; what waits in it may say everything.
func TestI20_UnreadMailboxIsNoSilence(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		s := newStill(t, w)
		s.add(intake.Source{Name: "bma", Title: "USV", Format: intake.Mail, ResolveAfter: 10 * time.Minute})
		if err := s.room.SetMailbox(w.Ctx, "bma", intake.Mailbox{Host: "imap.example", Login: "usv", Password: "geheim"}); err != nil {
			t.Fatal(err)
		}
		key := "Keller"
		record := func() {
			t.Helper()
			_, err := signal.New(signal.Options{Store: w.Store, Clock: s.hand}).Record(w.Ctx, signal.Signal{
				Source: signal.Intake, Key: "intake:bma:" + key, State: signal.Firing, Severity: signal.Critical, Title: key,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		looks := func(problem string, d time.Duration) {
			t.Helper()
			for ; d > 0; d -= time.Minute {
				s.listen(time.Minute)
				if err := intake.Looked(s.room, w.Ctx, "bma", problem); err != nil {
					t.Fatal(err)
				}
			}
		}
		record()
		s.listen(14 * time.Minute)
		s.want("never looked into", true, key)
		looks("", 9*time.Minute)
		s.want("looked into for 9 minutes", true, key)
		looks("unreachable", 14*time.Minute)
		s.want("out of reach", true, key)
		looks("", 9*time.Minute)
		s.want("within reach again", true, key)
		looks("", 5*time.Minute)
		s.want("and empty", false, key)
		record()
		looks("", 5*time.Minute)
		s.listen(14 * time.Minute) // nobody looks, and nothing says so
		s.want("not looked into", true, key)
	})
}

// Every format may end by silence but the one whose silence is trouble; what then
// comes again is told again, also where the system names its occurrences.
func TestEveryFormatMayEndBySilence(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		s := newStill(t, w)
		for _, f := range intake.Formats() {
			problem, _, _, _, _, _, mapping := intake.Every(f)
			src := intake.Source{Name: "q-" + string(f), Title: "Q " + string(f), Format: f, Mapping: mapping, ResolveAfter: 5 * time.Minute}
			if f == intake.Healthchecks {
				if _, err := s.room.Add(w.Ctx, src); fault.KindOf(err) != fault.Invalid || err == nil {
					t.Errorf("%s: %v", f, err)
				}
				continue
			}
			token := s.add(src)
			fires := func() (n int) {
				t.Helper()
				err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
					return db.NewRaw("SELECT count(*) FROM signal_key WHERE tenant_id = 't1' AND state = 'firing' AND key LIKE ?", "intake:"+src.Name+":%").Scan(ctx, &n)
				})
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			for range 2 {
				if err := s.room.Take(context.Background(), token, f, problem); err != nil {
					t.Fatal(f, err)
				}
				if f == intake.Mail && fires() == 0 {
					break // the very same mail is brought again, and says nothing new
				}
				s.listen(4 * time.Minute)
				if fires() == 0 {
					t.Fatalf("%s: ended too early, or is not told again", f)
				}
				s.listen(2 * time.Minute)
				if fires() != 0 {
					t.Fatalf("%s: silence has not ended it", f)
				}
			}
		}
	})
}

// Whatever happens, in whatever order: what was spoken of within the agreed time, or
// could not be heard in it, never ends by silence, what speaks again fires again, and
// what has been silent in good hearing ends.
func TestI20_SilenceNeverEndsWhatSpoke(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	s, turn := newStill(t, w), 0
	rapid.Check(t, func(rt *rapid.T) {
		turn++
		s.restart()
		const after = 10 * time.Minute
		name := fmt.Sprintf("bma-%d", turn)
		token := s.add(intake.Source{Name: name, Title: name, Format: intake.Generic, ResolveAfter: after})
		spoke, over := map[string]time.Time{}, map[string]bool{}
		good := s.Now() // since when the program hears without a break
		check := func() {
			rt.Helper()
			for key, at := range spoke {
				fires, since := s.is(name, key), at
				if good.After(since) {
					since = good
				}
				quiet := s.Now().Sub(since)
				switch {
				case over[key] && fires:
					rt.Fatalf("%s has ended by a word and fires", key)
				case !over[key] && !fires && s.Now().Sub(at) < after:
					rt.Fatalf("%s was spoken of %s ago and is over", key, s.Now().Sub(at))
				case !over[key] && fires && quiet > after+time.Minute:
					rt.Fatalf("%s has been silent for %s and fires", key, quiet)
				}
			}
		}
		fired := func() map[string]bool {
			out := map[string]bool{}
			for key := range spoke {
				out[key] = s.is(name, key)
			}
			return out
		}
		for range rapid.IntRange(3, 14).Draw(rt, "steps") {
			key := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "key")
			switch rapid.IntRange(0, 7).Draw(rt, "what") {
			case 0, 1:
				s.says(token, key, "down")
				spoke[key], over[key] = s.Now(), false
				if !s.is(name, key) {
					rt.Fatalf("%s speaks and does not fire", key)
				}
			case 2:
				s.says(token, key, "ok")
				spoke[key], over[key] = s.Now(), true
			case 3: // down, for whatever time
				s.pass(time.Duration(rapid.IntRange(0, 40).Draw(rt, "minutes down")) * time.Minute)
				s.restart()
				good = s.Now()
			case 4: // a word that we could not take
				intake.Miss(s.room, rapid.SampledFrom([]string{name, ""}).Draw(rt, "whose"), s.Now())
				good = s.Now()
			case 5: // asleep
				s.pass(time.Duration(rapid.IntRange(3, 60).Draw(rt, "minutes asleep")) * time.Minute)
				good = s.Now()
			default:
				before := fired()
				s.listen(time.Duration(rapid.IntRange(1, 30).Draw(rt, "half minutes")) * 30 * time.Second)
				for key, was := range before {
					if was && !s.is(name, key) && s.Now().Sub(good) < after {
						rt.Fatalf("%s ended although the program hears for %s only", key, s.Now().Sub(good))
					}
				}
			}
			check()
		}
		if err := s.room.Revoke(w.Ctx, name); err != nil {
			rt.Fatal(err)
		}
	})
}

// Silence that was concluded while a word is on its way into the store is put off.
func TestI20_WhatIsInHandCounts(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	s := newStill(t, w)
	token := s.add(intake.Source{Name: "bma", Title: "BMA", Format: intake.Generic, ResolveAfter: 10 * time.Minute})
	s.says(token, "1", "down")
	s.listen(9 * time.Minute)
	held, done := make(chan struct{}), make(chan error)
	entered := make(chan struct{})
	go func() {
		done <- w.Store.InTx(ident.WithTenant(context.Background(), "t1"), func(context.Context, bun.IDB, store.Enqueue) error {
			close(entered)
			<-held // the one writer is busy
			return errors.New("nothing")
		})
	}()
	<-entered
	said := make(chan error)
	go func() {
		said <- s.room.Take(context.Background(), token, intake.Generic, intake.Body{ContentType: "application/json", Data: []byte(`{"key":"1","state":"down"}`)})
	}()
	for intake.InHand(s.room) == 0 {
		time.Sleep(time.Millisecond)
	}
	if until := intake.HeardUntil(s.room, s.Now().Add(time.Minute)); !until.Before(s.Now()) {
		t.Errorf("heard until %s, and it is %s with a word in hand", until, s.Now())
	}
	close(held)
	if err := <-done; err == nil {
		t.Fatal("it was rolled back")
	}
	if err := <-said; err != nil {
		t.Fatal(err)
	}
	if n := intake.InHand(s.room); n != 0 {
		t.Errorf("%d in hand", n)
	}
	s.listen(9 * time.Minute)
	s.want("it spoke", true, "1")
}
