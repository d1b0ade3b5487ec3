package audit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
)

var rooms = []store.Migrations{audit.Migrations()}

func room(w *storetest.World) *audit.Room {
	return audit.New(audit.Options{Store: w.Store, Clock: clock.System{}})
}

func write(t testing.TB, ctx context.Context, r *audit.Room, n int) {
	t.Helper()
	for i := range n {
		err := r.Record(ctx, audit.Entry{
			Action: "test.thing.saved", Subject: fmt.Sprint("s", i),
			Detail: map[string]string{"name": "Bürger\x00\xffportal", "n": fmt.Sprint(i)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestRecordAndList(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r := room(w)
		if err := r.Verify(w.Ctx); err != nil {
			t.Errorf("empty log: %v", err)
		}
		ada := ident.Actor{Kind: ident.KindPerson, Person: "p1", Name: "Ada", Roles: []string{"admin"}}
		write(t, ident.WithActor(w.Ctx, ada), r, 5)
		lines, err := r.List(w.Ctx, 0, 3)
		if err != nil || len(lines) != 3 || lines[0].Seq != 5 || lines[0].Actor.Name != "Ada" ||
			lines[0].Detail["name"] != "Bürger\uFFFD\uFFFDportal" {
			t.Fatalf("%+v, %v", lines, err)
		}
		rest, err := r.List(w.Ctx, lines[2].Seq, 10)
		if err != nil || len(rest) != 2 || rest[1].Seq != 1 {
			t.Fatalf("%+v, %v", rest, err)
		}
		for _, c := range []struct {
			q    audit.Query
			want int
		}{
			{audit.Query{Subject: "s2"}, 1}, {audit.Query{Room: "test"}, 5}, {audit.Query{Room: "tes"}, 0},
		} {
			if got, err := r.Find(w.Ctx, c.q); err != nil || len(got) != c.want {
				t.Errorf("%+v: %d lines, %v", c.q, len(got), err)
			}
		}
		if err := r.Verify(w.Ctx); err != nil {
			t.Error(err)
		}
		if seq, hash, err := r.Head(w.Ctx); err != nil || seq != 5 || hash != lines[0].Hash {
			t.Errorf("head %d %s %v", seq, hash, err)
		}
	})
}

// No act without its entry, no entry without its act.
func TestRollsBackWithTheAct(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r := room(w)
		write(t, w.Ctx, r, 1)
		no := errors.New("no")
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
			write(t, ctx, r, 2)
			return no
		})
		if !errors.Is(err, no) {
			t.Fatal(err)
		}
		write(t, w.Ctx, r, 1)
		if seq, _, err := r.Head(w.Ctx); err != nil || seq != 2 {
			t.Errorf("head at %d, %v", seq, err)
		}
		if err := r.Verify(w.Ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestWritersTogether(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r := room(w)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for range 5 {
					if err := r.Record(w.Ctx, audit.Entry{Action: "test.thing.saved"}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if seq, _, err := r.Head(w.Ctx); err != nil || seq != 30 {
			t.Errorf("head at %d, %v", seq, err)
		}
		if err := r.Verify(w.Ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestI19_TenantsApart(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r := room(w)
		other := ident.WithTenant(w.Ctx, "t2")
		write(t, w.Ctx, r, 3)
		if lines, err := r.List(other, 0, 10); err != nil || len(lines) != 0 {
			t.Errorf("t2 reads %d lines of t1, %v", len(lines), err)
		}
		write(t, other, r, 2)
		lines, err := r.List(other, 0, 10)
		if err != nil || len(lines) != 2 || lines[0].Seq != 2 {
			t.Errorf("%+v, %v", lines, err)
		}
		if err := errors.Join(r.Verify(w.Ctx), r.Verify(other)); err != nil {
			t.Error(err)
		}
		if _, err := r.List(context.Background(), 0, 1); !errors.Is(err, ident.ErrNoTenant) {
			t.Errorf("without tenant: %v", err)
		}
		if err := r.Record(context.Background(), audit.Entry{}); !errors.Is(err, ident.ErrNoTenant) {
			t.Errorf("without tenant: %v", err)
		}
	})
}

func TestOnlyAdministratorsRead(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	r := room(w)
	for _, a := range []ident.Actor{
		{},
		{Kind: ident.KindPerson, Roles: []string{"it"}},
		{Kind: ident.KindToken, Roles: []string{"admin"}, Scopes: []string{"alerts"}},
	} {
		if _, err := r.List(ident.WithActor(w.Ctx, a), 0, 1); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("%+v reads: %v", a, err)
		}
	}
}

// Whatever row is changed, removed, swapped, added or cut off behind our back,
// Verify says so.
func TestI14_VerifyFindsTampering(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r := room(w)
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			run++
			tenant := ident.Tenant(fmt.Sprint("x", run))
			ctx := ident.WithTenant(w.Ctx, tenant)
			n := rapid.IntRange(2, 6).Draw(rt, "lines")
			write(t, ctx, r, n)
			if err := r.Verify(ctx); err != nil {
				rt.Fatal(err)
			}
			at := rapid.IntRange(1, n).Draw(rt, "at")
			to := (at+rapid.IntRange(0, n-2).Draw(rt, "distance"))%n + 1
			type q struct {
				text string
				args []any
			}
			later := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
			set := func(column string, v any) []q {
				return []q{{"UPDATE audit_entry SET " + column + " = ? WHERE tenant_id = ? AND seq = ?", []any{v, tenant, at}}}
			}
			acts := map[string][]q{
				"action":  set("action", "test.thing.removed"),
				"subject": set("subject", "other"),
				"detail":  set("detail", `{"name":"x"}`),
				"garbage": set("detail", `{`),
				"actor":   set("actor_name", "Eve"),
				"time":    set("at", later),
				"hash":    set("hash", "00"),
				"removed": {{"DELETE FROM audit_entry WHERE tenant_id = ? AND seq = ?", []any{tenant, at}}},
				"swapped": {
					{"UPDATE audit_entry SET seq = -1 WHERE tenant_id = ? AND seq = ?", []any{tenant, at}},
					{"UPDATE audit_entry SET seq = ? WHERE tenant_id = ? AND seq = ?", []any{at, tenant, to}},
					{"UPDATE audit_entry SET seq = ? WHERE tenant_id = ? AND seq = -1", []any{to, tenant}},
				},
				"cut off": {
					{"DELETE FROM audit_entry WHERE tenant_id = ? AND seq >= ?", []any{tenant, at}},
					{"UPDATE audit_head SET seq = ? WHERE tenant_id = ?", []any{at - 1, tenant}},
				},
				"added": {{"INSERT INTO audit_entry (tenant_id, seq, at, actor_kind, actor_person, actor_name, action, subject, detail, hash) " +
					"SELECT tenant_id, seq + 1, at, actor_kind, actor_person, actor_name, action, subject, detail, hash " +
					"FROM audit_entry WHERE tenant_id = ? AND seq = ?", []any{tenant, n}}},
			}
			name := rapid.SampledFrom([]string{
				"action", "subject", "detail", "garbage", "actor", "time", "hash", "removed", "swapped", "cut off", "added",
			}).Draw(rt, "act")
			err := w.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
				for _, q := range acts[name] {
					if _, err := db.NewRaw(q.text, q.args...).Exec(ctx); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			var broken *audit.Broken
			if err := r.Verify(ctx); !errors.As(err, &broken) {
				rt.Fatalf("%s of line %d of %d went unseen: %v", name, at, n, err)
			}
			if _, err := r.List(ctx, 0, 10); err != nil {
				rt.Fatalf("the log is not readable any more: %v", err)
			}
		})
	})
}
