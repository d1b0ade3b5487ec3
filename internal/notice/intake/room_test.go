package intake_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/intake"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

var rooms = []store.Migrations{audit.Migrations(), service.Migrations(), signal.Migrations(), intake.Migrations()}

// bench is a room with what it records, in order.
type bench struct {
	talkative
	t     *testing.T
	w     *storetest.World
	room  *intake.Room
	mu    sync.Mutex
	heard []string
	fail  error // what recording answers
}

func (b *bench) Record(ctx context.Context, s signal.Signal) (signal.Signal, error) {
	b.mu.Lock()
	err := b.fail
	b.mu.Unlock()
	if err != nil {
		return s, err
	}
	return s, nil
}

func (b *bench) RecordAll(ctx context.Context, all []signal.Signal) error {
	for _, s := range all {
		if _, err := b.Record(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// talkative never falls silent.
type talkative struct{}

func (talkative) Unheard(context.Context, string, time.Time, time.Time, int) ([]signal.Signal, error) {
	return nil, nil
}

func (talkative) Mentioned(context.Context, []string) error { return nil }

// talkative has heard of nothing before.
func (talkative) Known(context.Context, []string, []string) ([]signal.Occurrence, error) {
	return nil, nil
}

func newBench(t *testing.T, w *storetest.World) *bench {
	t.Helper()
	b := &bench{t: t, w: w}
	cat, err := i18n.NewCatalog(intake.Texts())
	if err != nil {
		t.Fatal(err)
	}
	au := audit.New(audit.Options{Store: w.Store, Clock: clock.System{}})
	sg := signal.New(signal.Options{Store: w.Store, Clock: clock.System{}})
	sv := service.New(service.Options{Store: w.Store, Clock: clock.System{}, Audit: au})
	bus.On(w.Bus, signal.Recorded, "test.heard", func(_ context.Context, e bus.Event[signal.Signal]) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.heard = append(b.heard, fmt.Sprintf("%s %s %s", e.Data.Key, e.Data.State, e.Data.Severity))
		return nil
	})
	w.Start(t)
	b.room = intake.New(intake.Options{
		Store: w.Store, Clock: clock.System{}, Audit: au, Signals: sg, Services: sv,
		Locale: func(context.Context) i18n.Locale { return i18n.Locale{Catalog: cat, Lang: i18n.DE, Zone: time.UTC} },
		URL:    func(context.Context) string { return "https://lage.example" },
	})
	t.Cleanup(b.room.Stop)
	return b
}

// add makes a source and answers its secret.
func (b *bench) add(s intake.Source) string {
	b.t.Helper()
	at, err := b.room.Add(b.w.Ctx, s)
	if err != nil {
		b.t.Fatal(err)
	}
	if token, host, ok := strings.Cut(at, "@"); ok && s.Format == intake.Mail && host == "lage.example" {
		return token
	}
	rest, ok := strings.CutPrefix(at, "https://lage.example/in/")
	token, format, _ := strings.Cut(rest, "/")
	if !ok || format != string(s.Format) || !strings.HasPrefix(token, intake.TokenPrefix) {
		b.t.Fatal(at)
	}
	return token
}

func (b *bench) take(token string, f intake.Format, body string) error {
	return b.room.Take(context.Background(), token, f, intake.Body{ContentType: "application/x-www-form-urlencoded", Data: []byte(body)})
}

// until waits for what the bus tells of. It need not tell in order: on a busy machine
// one job overtakes another.
func (b *bench) until(want ...string) {
	b.t.Helper()
	b.untilSaid(func(s string) string { return s }, want)
}

// untilStates does so without asking how bad it is.
func (b *bench) untilStates(want ...string) {
	b.t.Helper()
	b.untilSaid(func(s string) string { return s[:strings.LastIndexByte(s, ' ')] }, want)
}

func (b *bench) untilSaid(what func(string) string, want []string) {
	b.t.Helper()
	slices.Sort(want)
	for end := time.After(60 * time.Second); ; {
		b.mu.Lock()
		var heard []string
		for _, s := range b.heard {
			heard = append(heard, what(s))
		}
		b.mu.Unlock()
		slices.Sort(heard)
		got := strings.Join(heard, "\n")
		if got == strings.Join(want, "\n") {
			return
		}
		select {
		case <-end:
			b.t.Fatalf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// What a source reports becomes a signal, folds its repeats, and ends; what was
// sent is kept as it came.
func TestTakeFoldsAndKeeps(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		token := b.add(intake.Source{Title: "PRTG Rathaus", Format: intake.PRTG, Rhythm: time.Hour})
		down := "id=7&device=SRV-DB&sensor=Ping&status=Down&lastmessage=weg & aus"
		for _, body := range []string{down, down, down, "id=7&device=SRV-DB&sensor=Ping&status=Up", "id=7&device=SRV-DB&sensor=Ping&status=Down (Acknowledged)", down} {
			if err := b.take(token, intake.PRTG, body); err != nil {
				t.Fatal(err)
			}
		}
		b.until("intake:prtg-rathaus:7 firing critical", "intake:prtg-rathaus:7 resolved critical", "intake:prtg-rathaus:7 firing critical")
		s, err := b.room.Get(w.Ctx, "prtg-rathaus")
		if err != nil || s.State() != intake.Heard || s.HeardAt.IsZero() {
			t.Fatalf("%+v, %v", s, err)
		}
		seen, err := b.room.Seen(w.Ctx, s)
		// Those of one millisecond may stand in any order.
		i := slices.IndexFunc(seen, func(x intake.Seen) bool { return string(x.Body.Data) == down })
		if err != nil || len(seen) != 3 || i < 0 || seen[i].Times != 4 || seen[i].Text() != down {
			t.Fatalf("%+v, %v", seen, err)
		}
		if x := seen[i].Reports[0]; x.Detail != "weg & aus" {
			t.Errorf("%+v", x)
		}
	})
}

// What nobody understands is kept, answered as taken, and alarms itself.
func TestI20_NotUnderstoodAlarms(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		token := b.add(intake.Source{Title: "PRTG", Format: intake.PRTG})
		for range 2 {
			if err := b.take(token, intake.PRTG, "Hallo Welt"); err != nil {
				t.Fatal(err)
			}
		}
		b.until("source:prtg:unread firing warning")
		s, err := b.room.Get(w.Ctx, "prtg")
		if err != nil || s.State() != intake.Unread {
			t.Fatalf("%+v, %v", s, err)
		}
		if seen, err := b.room.Seen(w.Ctx, s); err != nil || len(seen) != 1 || seen[0].Problem != "form" || seen[0].Times != 2 {
			t.Fatalf("%+v, %v", seen, err)
		}
		// It stays until there was none for a day, whatever is understood meanwhile.
		if err := b.take(token, intake.PRTG, "id=1&status=Up"); err != nil {
			t.Fatal(err)
		}
		if _, err := intake.Sweep(b.room, w.Ctx, time.Now().Add(23*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := intake.Sweep(b.room, w.Ctx, time.Now().Add(25*time.Hour)); err != nil {
			t.Fatal(err)
		}
		b.until("source:prtg:unread firing warning", "source:prtg:unread resolved warning")
	})
}

// A source that says nothing for longer than its rhythm is a finding, once, and
// ends with its next word.
func TestI20_SilentSourceAlarms(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		token := b.add(intake.Source{Title: "PRTG", Format: intake.PRTG, Rhythm: time.Hour})
		b.add(intake.Source{Title: "Still", Format: intake.Kuma})
		if err := b.room.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		next, err := intake.Sweep(b.room, w.Ctx, now.Add(50*time.Minute))
		if err != nil || next.Before(now.Add(59*time.Minute)) || next.After(now.Add(62*time.Minute)) {
			t.Fatal(next, err)
		}
		for range 2 {
			if _, err := intake.Sweep(b.room, w.Ctx, now.Add(62*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		b.until("source:prtg:silent firing critical")
		if err := b.take(token, intake.PRTG, "id=1&status=Up"); err != nil {
			t.Fatal(err)
		}
		b.until("source:prtg:silent firing critical", "source:prtg:silent resolved critical")
	})
}

// An address opens only its own source, only as long as it is not revoked, and
// only in its own format and town.
func TestAddresses(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		token := b.add(intake.Source{Title: "PRTG", Format: intake.PRTG})
		body := "id=1&status=Down"
		refused := func(what string, err error) {
			t.Helper()
			if fault.KindOf(err) != fault.NotFound || err == nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		refused("another secret", b.take(intake.TokenPrefix+"x", intake.PRTG, body))
		refused("none", b.take("", intake.PRTG, body))
		refused("another format", b.take(token, intake.Kuma, body))
		refused("another town", b.room.Take(ident.WithTenant(context.Background(), "t2"), token, intake.PRTG, intake.Body{Data: []byte(body)}))
		if _, err := b.room.Add(w.Ctx, intake.Source{Title: "PRTG", Format: intake.PRTG}); fault.KindOf(err) != fault.Conflict {
			t.Error(err)
		}
		nobody := ident.WithActor(w.Ctx, ident.Actor{Name: "Gast"})
		if _, err := b.room.Add(nobody, intake.Source{Title: "X", Format: intake.PRTG}); fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
		if _, err := b.room.Seen(nobody, intake.Source{Name: "prtg"}); fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
		if err := b.room.Revoke(w.Ctx, "prtg"); err != nil {
			t.Fatal(err)
		}
		refused("revoked", b.take(token, intake.PRTG, body))
		again := b.add(intake.Source{Title: "PRTG", Format: intake.PRTG})
		if again == token {
			t.Error("the old secret opens again")
		}
		if err := b.take(again, intake.PRTG, body); err != nil {
			t.Error(err)
		}
		refused("the old secret", b.take(token, intake.PRTG, body))
	})
}

// People say a source by its name or by its title; a title that two have is asked back.
func TestFind(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		for _, s := range []intake.Source{
			{Name: "prtg-1", Title: "PRTG Rathaus"},
			{Name: "prtg-2", Title: "PRTG Rathaus"},
			{Name: "usv", Title: "prtg-1"},
			{Title: "Prüf Ä/7"},
		} {
			s.Format = intake.PRTG
			b.add(s)
		}
		found := func(said, want string) {
			t.Helper()
			if s, err := b.room.Find(w.Ctx, said); err != nil || s.Name != want {
				t.Errorf("%s: got %q, want %q; %v", said, s.Name, want, err)
			}
		}
		found("prtg-2", "prtg-2")
		found("prtg-1", "prtg-1") // and not the one titled so
		found(" Prüf  Ä/7", "pruef-ae-7")
		_, err := b.room.Find(w.Ctx, "PRTG Rathaus")
		if f := fault.As(err); f.Kind != fault.Conflict || f.Key != "intake.ambiguous" || fmt.Sprint(f.Args) != "[PRTG Rathaus prtg-1, prtg-2]" {
			t.Errorf("%v %v", err, f)
		}
		for _, said := range []string{"prtg rathaus", "PRTG", ""} {
			if s, err := b.room.Find(w.Ctx, said); err == nil || fault.KindOf(err) != fault.NotFound {
				t.Errorf("%q: %v %v", said, s, err)
			}
		}
		for _, name := range []string{"prtg-1", "pruef-ae-7"} {
			if err := b.room.Revoke(w.Ctx, name); err != nil {
				t.Fatal(err)
			}
		}
		found("PRTG Rathaus", "prtg-2")
		found("Prüf Ä/7", "pruef-ae-7")
		if _, err := b.room.Find(ident.WithTenant(w.Ctx, "t2"), "Prüf Ä/7"); err == nil || fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
	})
}

// A thousand events of a storm, from many at once, are all kept and recorded.
func TestStorm(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		token := b.add(intake.Source{Title: "PRTG", Format: intake.PRTG})
		const n = 300
		var wg sync.WaitGroup
		errs := make(chan error, n)
		for i := range n {
			wg.Go(func() { errs <- b.take(token, intake.PRTG, fmt.Sprintf("id=%d&device=D&sensor=S&status=Down", i)) })
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		var firing int
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			return db.NewRaw("SELECT count(*) FROM signal_key WHERE tenant_id = 't1' AND state = 'firing'").Scan(ctx, &firing)
		})
		if err != nil || firing != n {
			t.Fatal(firing, err)
		}
	})
}

// A mapping is tried on what came before it is stored.
func TestMappingOnRealBodies(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		token := b.add(intake.Source{Title: "BMA", Format: intake.Generic})
		body := url.Values{"melder": {"7"}, "lage": {"Alarm"}, "text": {"Keller"}}.Encode()
		if err := b.take(token, intake.Generic, body); err != nil {
			t.Fatal(err)
		}
		b.until("source:bma:unread firing warning")
		s, err := b.room.Get(w.Ctx, "bma")
		if err != nil {
			t.Fatal(err)
		}
		s.Mapping = intake.Mapping{Key: "melder", State: "lage", Title: "text", Up: []string{"Ruhe"}}
		if seen, err := b.room.Seen(w.Ctx, s); err != nil || seen[0].Problem != "" || seen[0].Reports[0].Key != "7" {
			t.Fatalf("%+v, %v", seen, err)
		}
		state := func(want intake.State) {
			t.Helper()
			if s, err := b.room.Get(w.Ctx, "bma"); err != nil || s.State() != want {
				t.Errorf("%s, want %s, %v", s.State(), want, err)
			}
		}
		other := s
		other.Mapping, other.Title = intake.Mapping{}, "BMA Rathaus"
		if err := b.room.Change(w.Ctx, other); err != nil {
			t.Fatal(err)
		}
		state(intake.Unread) // another name reads nothing better
		other.Mapping = intake.Mapping{Key: "nummer", State: "lage"}
		if err := b.room.Change(w.Ctx, other); err != nil {
			t.Fatal(err)
		}
		state(intake.Unread) // nor does another mapping that does not understand it
		if err := b.room.Change(w.Ctx, s); err != nil {
			t.Fatal(err)
		}
		// I20: it is understood now and says that something burns, and no alarm came of it.
		state(intake.Unread)
		want := []string{"source:bma:unread firing warning"}
		b.until(want...)
		if err := b.take(token, intake.Generic, body); err != nil {
			t.Fatal(err)
		}
		want = append(want, "intake:bma:7 firing critical")
		b.until(want...)
		if err := b.take(token, intake.Generic, strings.Replace(body, "Alarm", "Ruhe", 1)); err != nil {
			t.Fatal(err)
		}
		want = append(want, "intake:bma:7 resolved critical")
		b.until(want...)
		s.Mapping.Text = "text"
		if err := b.room.Change(w.Ctx, s); err != nil {
			t.Fatal(err)
		}
		state(intake.Heard) // all of it is understood, and quiet
		want = append(want, "source:bma:unread resolved warning")
		b.until(want...)
		// What the new mapping does not understand alarms anew.
		if err := b.take(token, intake.Generic, "zone=3"); err != nil {
			t.Fatal(err)
		}
		state(intake.Unread)
		b.until(append(want, "source:bma:unread firing warning")...)
		s.Mapping.Pattern = "("
		if err := b.room.Change(w.Ctx, s); fault.KindOf(err) != fault.Invalid {
			t.Error(err)
		}
	})
}

// What cannot be stored is not answered as taken, and spoils nobody else's.
func TestOnlyWhatIsStoredIsTaken(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	b := newBench(t, w)
	cat, _ := i18n.NewCatalog(intake.Texts())
	au := audit.New(audit.Options{Store: w.Store, Clock: clock.System{}})
	r := intake.New(intake.Options{
		Store: w.Store, Clock: clock.System{}, Audit: au, Signals: b,
		Locale: func(context.Context) i18n.Locale { return i18n.Locale{Catalog: cat, Lang: i18n.DE, Zone: time.UTC} },
	})
	defer r.Stop()
	at, err := r.Add(w.Ctx, intake.Source{Title: "PRTG", Format: intake.PRTG})
	if err != nil {
		t.Fatal(err)
	}
	token := strings.Split(at, "/")[2]
	b.fail = errors.New("the disk is full")
	if err := r.Take(context.Background(), token, intake.PRTG, intake.Body{Data: []byte("id=1&status=Down")}); err == nil {
		t.Fatal("answered as taken")
	}
	s, err := r.Get(w.Ctx, "prtg")
	if err != nil || !s.HeardAt.IsZero() {
		t.Fatalf("%+v, %v", s, err)
	}
	if seen, err := r.Seen(w.Ctx, s); err != nil || len(seen) != 0 {
		t.Fatalf("%+v, %v", seen, err)
	}
}

// What a body would be understood as is told without keeping it, also by a mapping that
// is not stored, and of the last one that came as it was then.
func TestReadKeepsNothing(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		token := b.add(intake.Source{Title: "BMA", Format: intake.Generic})
		if _, err := b.room.Read(w.Ctx, "bma", nil, nil); fault.KindOf(err) != fault.NotFound {
			t.Errorf("nothing has come: %v", err)
		}
		body := &intake.Body{Data: []byte("melder=7&lage=Ruhe")}
		mapping := &intake.Mapping{Key: "melder", State: "lage", Up: []string{"Ruhe"}}
		for name, c := range map[string]struct {
			m    *intake.Mapping
			want string
		}{"stored": {nil, "keyless 0"}, "tried": {mapping, " 1"}} {
			seen, err := b.room.Read(w.Ctx, "bma", body, c.m)
			if got := fmt.Sprint(seen.Problem, " ", len(seen.Reports)); err != nil || got != c.want {
				t.Errorf("%s: %s, %v", name, got, err)
			}
		}
		if _, err := b.room.Read(w.Ctx, "bma", body, &intake.Mapping{Pattern: "("}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a pattern that is none: %v", err)
		}
		if _, err := b.room.Read(w.Ctx, "nichts", body, nil); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
		if s, err := b.room.Get(w.Ctx, "bma"); err != nil || !s.HeardAt.IsZero() || !s.UnreadAt.IsZero() || !slices.Equal(s.Mapping.Up, nil) {
			t.Errorf("%+v, %v", s, err)
		}
		if err := b.take(token, intake.Generic, "melder=7&lage=Alarm"); err != nil {
			t.Fatal(err)
		}
		if seen, err := b.room.Read(w.Ctx, "bma", nil, mapping); err != nil || len(seen.Reports) != 1 || seen.Reports[0].State != signal.Firing {
			t.Errorf("%+v, %v", seen, err)
		}
		b.until("source:bma:unread firing warning")

		// Prometheus tells the end of an alert by a moment; the page shows it as an end.
		prom := b.add(intake.Source{Title: "Prom", Format: intake.Alerts})
		over := `[{"labels":{"alertname":"A"},"startsAt":"2026-11-26T12:00:00Z","endsAt":"` + time.Now().Add(-time.Minute).UTC().Format(time.RFC3339) + `"}]`
		if err := b.take(prom, intake.Alerts, over); err != nil {
			t.Fatal(err)
		}
		for _, given := range []*intake.Body{nil, {Data: []byte(over)}} {
			if seen, err := b.room.Read(w.Ctx, "prom", given, nil); err != nil || len(seen.Reports) != 1 || seen.Reports[0].State != signal.Resolved {
				t.Errorf("%+v, %v", seen, err)
			}
		}
		reader := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Roles: []string{"reader"}})
		if _, err := b.room.Read(reader, "bma", body, nil); fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
	})
}
