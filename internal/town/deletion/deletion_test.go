package deletion_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/retain"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/deletion"
	"tuermer/internal/town/identity"
)

// clock is set by hand.
type clock struct{ at atomic.Int64 }

func (c *clock) Now() time.Time    { return time.UnixMilli(c.at.Load()).UTC() }
func (c *clock) set(at time.Time)  { c.at.Store(at.UnixMilli()) }
func newClock(at time.Time) *clock { c := &clock{}; c.set(at); return c }
func utc(s string) (t time.Time)   { t, _ = time.Parse("2006-01-02 15:04", s); return t }
func boss(c context.Context) context.Context {
	return ident.WithActor(c, ident.Actor{Kind: ident.KindPerson, Person: "p", Name: "Dana", Roles: []string{"dpo"}})
}

type town struct{}

func (town) Tenants(context.Context) ([]identity.Tenant, error) {
	return []identity.Tenant{{ID: storetest.Tenant, Zone: "Europe/Berlin"}}, nil
}

func (town) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{ID: storetest.Tenant, Zone: "Europe/Berlin"}, nil
}

var rooms = []store.Migrations{audit.Migrations(), identity.Migrations(), deletion.Migrations()}

var tokens = retain.Rule{Name: "identity.token", Table: "identity_token", Act: retain.Delete, For: 30 * retain.Day, Age: "revoked_at"}

func none(context.Context) ([]retain.Span, error) { return nil, nil }

func room(w *storetest.World, c *clock, o deletion.Options) *deletion.Room {
	o.Store, o.Clock, o.Towns, o.Audit = w.Store, c, town{}, audit.New(audit.Options{Store: w.Store, Clock: c})
	if o.Rules == nil {
		o.Rules = func() []retain.Rule { return []retain.Rule{tokens} }
	}
	if o.Open == nil {
		o.Open = none
	}
	return deletion.New(o)
}

// token puts an API token that was revoked at a moment.
func token(t *testing.T, w *storetest.World, id string, revoked time.Time) {
	t.Helper()
	err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.ExecContext(ctx, `INSERT INTO identity_token (tenant_id, id, hash, person_id, name, scopes, created_at, revoked_at) VALUES (?, ?, ?, 'p', 'n', '[]', ?, ?)`,
			string(storetest.Tenant), id, id, revoked, revoked)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func left(t *testing.T, w *storetest.World) (n int) {
	t.Helper()
	if err := w.Store.Read(w.Ctx).QueryRowContext(w.Ctx, `SELECT count(*) FROM identity_token WHERE tenant_id = ?`, string(storetest.Tenant)).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// One run a night: the first after the installation in the coming night, a missed
// one as soon as the program is back, never two, whichever node looks.
func TestOneRunANight(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		c := newClock(utc("2026-11-26 12:00"))
		a, b := room(w, c, deletion.Options{}), room(w, c, deletion.Options{})
		for i := range 3 {
			token(t, w, string(rune('a'+i)), utc("2026-01-01 00:00"))
		}
		look := func(at string, want int) {
			t.Helper()
			c.set(utc(at))
			for _, r := range []*deletion.Room{a, b} {
				next, err := deletion.Round(r, w.Ctx, c.Now())
				if err != nil || !next.After(c.Now()) {
					t.Fatal(next, err)
				}
			}
			if n := left(t, w); n != want {
				t.Fatalf("%s: %d tokens, want %d", at, n, want)
			}
		}
		look("2026-11-26 12:00", 3) // just installed
		look("2026-11-27 00:59", 3) // 1:59 in Berlin
		look("2026-11-27 01:00", 0)
		token(t, w, "x", utc("2026-01-01 00:00"))
		look("2026-11-27 18:00", 1) // that night is done
		look("2026-11-30 18:00", 0) // three nights without power
		runs, err := a.Runs(boss(w.Ctx), "", 10)
		if err != nil || len(runs) != 3 || runs[0].Day != "2026-11-30" || runs[0].Gone != 1 || runs[1].Gone != 3 || runs[0].Ended.IsZero() {
			t.Fatalf("%+v %v", runs, err)
		}
	})
}

// What is counted is gone and what is gone is counted, wherever a run breaks off;
// the next one goes on.
func TestRunBrokenOff(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		c := newClock(utc("2026-11-26 12:00"))
		for i := range 7 {
			token(t, w, string(rune('a'+i)), utc("2026-01-01 00:00"))
		}
		broken := errors.New("power cut")
		hands := 0
		r := room(w, c, deletion.Options{Slice: 2, Rules: func() []retain.Rule {
			x := tokens
			x.Do = func(ctx context.Context, db bun.IDB, _ time.Time, _ []retain.Span, n int) (int64, error) {
				res, err := db.ExecContext(ctx, `DELETE FROM identity_token WHERE tenant_id = ? AND id IN (SELECT id FROM identity_token WHERE tenant_id = ? ORDER BY id LIMIT ?)`,
					string(storetest.Tenant), string(storetest.Tenant), n)
				if err != nil {
					return 0, err
				}
				if hands++; hands == 3 {
					return 0, broken // after the rows went, before the commit
				}
				return res.RowsAffected()
			}
			return []retain.Rule{x}
		}})
		if _, err := deletion.Round(r, w.Ctx, c.Now()); err != nil {
			t.Fatal(err)
		}
		c.set(utc("2026-11-27 02:00"))
		if _, err := deletion.Round(r, w.Ctx, c.Now()); !errors.Is(err, broken) {
			t.Fatal(err)
		}
		lines, err := r.Lines(boss(w.Ctx), "2026-11-27")
		if err != nil || len(lines) != 1 || lines[0].Gone != 4 || left(t, w) != 3 {
			t.Fatalf("%+v, %d left, %v", lines, left(t, w), err)
		}
		// On PostgreSQL another node might still be at it, so it waits some hours.
		c.set(utc("2026-11-27 09:00"))
		if _, err := deletion.Round(r, w.Ctx, c.Now()); err != nil {
			t.Fatal(err)
		}
		lines, err = r.Lines(boss(w.Ctx), "2026-11-27")
		if err != nil || lines[0].Gone != 7 || lines[0].Handfuls != 4 || left(t, w) != 0 {
			t.Fatalf("%+v, %d left, %v", lines, left(t, w), err)
		}
	})
}

// Others write between two handfuls: an alarm waits for one of them, not for the run.
func TestAlarmsGetThrough(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		c := newClock(utc("2026-11-27 02:00"))
		begun, through := make(chan struct{}), make(chan struct{})
		hands := 0
		r := room(w, c, deletion.Options{Rules: func() []retain.Rule {
			x := tokens
			x.Do = func(context.Context, bun.IDB, time.Time, []retain.Span, int) (int64, error) {
				if hands++; hands == 1 {
					close(begun)
				}
				select {
				case <-through:
					return 0, nil
				default:
				}
				if hands > 100_000 {
					return 0, errors.New("nobody else could write during the whole run")
				}
				return 1, nil
			}
			return []retain.Rule{x}
		}})
		done := make(chan error, 1)
		go func() { done <- r.Run(w.Ctx, c.Now(), "2026-11-27") }()
		<-begun
		token(t, w, "alarm", c.Now())
		close(through)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// When nobody can say which incidents are open, nothing goes; a hold keeps what it
// says until it is lifted, and only those who answer for data set one.
func TestHolds(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		c := newClock(utc("2026-11-27 02:00"))
		unknown := errors.New("no answer")
		var open error
		r := room(w, c, deletion.Options{Open: func(context.Context) ([]retain.Span, error) { return nil, open }})
		token(t, w, "march", utc("2026-03-10 12:00"))
		token(t, w, "april", utc("2026-04-10 12:00"))
		open = unknown
		if err := r.Run(w.Ctx, c.Now(), "1"); !errors.Is(err, unknown) || left(t, w) != 2 {
			t.Fatal(err, left(t, w))
		}
		open = nil
		it := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Roles: []string{"it"}})
		if _, err := r.Hold(it, deletion.Hold{From: "2026-03-01", Reason: "x"}); !errors.Is(err, deletion.ErrForbidden) {
			t.Fatal(err)
		}
		if err := r.Lift(it, "x"); !errors.Is(err, deletion.ErrForbidden) {
			t.Fatal(err)
		}
		if _, err := r.Runs(it, "", 1); !errors.Is(err, deletion.ErrForbidden) {
			t.Fatal(err)
		}
		for _, bad := range []deletion.Hold{{From: "1.3.", Reason: "x"}, {From: "2026-03-02", To: "2026-03-01", Reason: "x"}, {From: "2026-03-01"}} {
			if _, err := r.Hold(boss(w.Ctx), bad); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		h, err := r.Hold(boss(w.Ctx), deletion.Hold{From: "2026-03-10", To: "2026-03-10", Reason: "Az. 12/26"})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Run(w.Ctx, c.Now(), "2026-11-27"); err != nil || left(t, w) != 1 {
			t.Fatal(err, left(t, w))
		}
		lines, err := r.Lines(boss(w.Ctx), "2026-11-27")
		if err != nil || lines[0].Gone != 1 || lines[0].Held != 1 || lines[0].Overdue != 0 {
			t.Fatalf("%+v %v", lines, err)
		}
		if err := r.Lift(boss(w.Ctx), h.ID); err != nil {
			t.Fatal(err)
		}
		if err := r.Lift(boss(w.Ctx), h.ID); !errors.Is(err, deletion.ErrNoHold) {
			t.Fatal(err)
		}
		if err := r.Run(w.Ctx, c.Now(), "2026-11-28"); err != nil || left(t, w) != 0 {
			t.Fatal(err, left(t, w))
		}
		// A proof never changes.
		for _, q := range []string{`UPDATE deletion_record SET gone = 0 WHERE tenant_id = 't1'`, `DELETE FROM deletion_record WHERE tenant_id = 't1'`} {
			err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
				_, err := db.ExecContext(ctx, q)
				return err
			})
			if err == nil {
				t.Errorf("%s went through", q)
			}
		}
	})
}

// A room's own job is looked after: what it should have taken a day ago is named.
func TestOwnJobThatIsStuck(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		c := newClock(utc("2026-11-27 02:00"))
		own := tokens
		own.Act = retain.Own
		r := room(w, c, deletion.Options{Rules: func() []retain.Rule { return []retain.Rule{own} }})
		token(t, w, "late", c.Now().Add(-30*retain.Day-time.Hour)) // its job may be a day late
		token(t, w, "stuck", c.Now().Add(-32*retain.Day))
		if err := r.Run(w.Ctx, c.Now(), "2026-11-27"); err != nil || left(t, w) != 2 {
			t.Fatal(err)
		}
		lines, err := r.Lines(boss(w.Ctx), "2026-11-27")
		if err != nil || lines[0].Overdue != 1 || lines[0].Gone != 0 {
			t.Fatalf("%+v %v", lines, err)
		}
	})
}
