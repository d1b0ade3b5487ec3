package monitor_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

// past is a monitor with results from before now, made by hand: the engine does
// not run.
type past struct {
	t *testing.T
	w *storetest.World
	r *monitor.Room
	m monitor.Monitor
}

func newPast(t *testing.T, w *storetest.World) *past {
	t.Helper()
	r, _, _ := newRoom(t, w)
	w.Start(t)
	p := &past{t: t, w: w, r: r}
	p.must(r.Save(w.Ctx, monitor.Monitor{Slug: "p", Spec: monitor.Spec{URL: "http://127.0.0.1:1/"}}))
	var err error
	p.m, err = r.Get(w.Ctx, "p")
	p.must(err)
	return p
}

func (p *past) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// day is the UTC day before today, at hour h.
func day(h, m int) time.Time {
	return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1).Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute)
}

func seen(slug string, at time.Time, st monitor.State, took time.Duration) monitor.Observation {
	res := monitor.Result{At: at, Took: took, OK: st == monitor.Up, Reason: monitor.ReasonOK, Code: 200}
	if !res.OK {
		res.Reason, res.Code, res.Detail = monitor.ReasonRefused, 0, "connection refused"
	}
	return monitor.Observation{ID: monitor.EngineID(storetest.Tenant, slug), Result: res, Status: monitor.Status{State: st}, From: st}
}

func (p *past) take(obs ...monitor.Observation) {
	p.t.Helper()
	for some := range slices.Chunk(obs, 256) {
		p.must(p.r.Take(p.w.Ctx, some))
	}
}

func samplesOf(obs []monitor.Observation) (out []monitor.Sample) {
	for _, o := range obs {
		o.Result.Took = monitor.Rounded(o.Result.Took)
		out = append(out, monitor.Sample{Result: o.Result, State: o.Status.State})
	}
	slices.SortStableFunc(out, func(a, b monitor.Sample) int { return a.At.Compare(b.At) })
	return slices.CompactFunc(out, func(a, b monitor.Sample) bool { return a.At.Equal(b.At) })
}

func (p *past) holds(when string, obs []monitor.Observation) {
	p.t.Helper()
	got, err := p.r.Samples(p.w.Ctx, "p")
	p.must(err)
	want := samplesOf(obs)
	if len(got) != len(want) {
		p.t.Fatalf("%s: %d samples, want %d", when, len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			p.t.Fatalf("%s: sample %d is\n%+v\nwant\n%+v", when, i, got[i], want[i])
		}
	}
}

// Whatever the sink has taken is read again: before a fold, after it, after a
// chunk was closed; batches that come twice, late ones and a clock set back
// change nothing about that (N5, the sink is idempotent by monitor and moment).
func TestHistoryKeepsAll(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		p := newPast(t, w)
		var all []monitor.Observation
		at := day(0, 0).AddDate(0, 0, -4)
		for i := range monitor.ChunkSamples + 500 {
			st := monitor.Up
			if i%700 > 690 {
				st = monitor.Down
			}
			all = append(all, seen("p", at.Add(time.Duration(i)*time.Minute+time.Duration(i*7%40)*time.Millisecond), st, time.Duration(i%90)*time.Millisecond))
		}
		half := len(all) / 2
		p.take(all[:half]...)
		p.holds("in the journal", all[:half])
		p.must(p.r.Fold(w.Ctx))
		p.holds("folded", all[:half])
		p.take(all[half-300:]...) // 300 of them for the second time
		p.holds("half folded", all)
		p.must(p.r.Fold(w.Ctx))
		p.must(p.r.Fold(w.Ctx))
		p.holds("with a full chunk", all)

		// The clock was set back, and a batch from before the full chunk comes late.
		late := []monitor.Observation{seen("p", at.Add(90*time.Second), monitor.Up, time.Millisecond), seen("p", at.Add(-time.Hour), monitor.Down, 0), all[5]}
		p.take(late...)
		all = append(all, late...)
		p.holds("late ones in the journal", all)
		p.must(p.r.Fold(w.Ctx))
		p.holds("late ones folded", all)

		// The newest first, across journal and chunks.
		next := seen("p", at.Add((monitor.ChunkSamples+600)*time.Minute), monitor.Up, 0)
		p.take(next)
		all = append(all, next)
		want := samplesOf(all)
		for _, limit := range []int{1, 100, 600, len(want), 50_000} {
			got, err := p.r.Results(w.Ctx, "p", time.Time{}, limit)
			p.must(err)
			n := min(limit, len(want))
			if len(got) != n {
				t.Fatalf("limit %d: %d results", limit, len(got))
			}
			for i := range got {
				if got[i] != want[len(want)-1-i].Result {
					t.Fatalf("limit %d: result %d is %+v, want %+v", limit, i, got[i], want[len(want)-1-i].Result)
				}
			}
		}
		if n, err := p.r.Kept(w.Ctx, "p"); err != nil || n < len(want) {
			t.Fatal(n, err)
		}
		if other, err := p.r.Results(ident.WithTenant(w.Ctx, "t2"), "p", time.Time{}, 10); err != nil || len(other) != 0 { // I19
			t.Fatal(other, err)
		}

		// Removed with its history: whoever takes the name inherits nothing.
		p.take(seen("p", time.Now(), monitor.Up, 0))
		p.must(p.r.Remove(w.Ctx, "p"))
		p.must(p.r.Save(w.Ctx, monitor.Monitor{Slug: "p", Spec: monitor.Spec{URL: "http://127.0.0.1:1/"}}))
		p.must(p.r.Fold(w.Ctx))
		p.holds("after removal", nil)
		if hours, err := p.r.Hours(w.Ctx, p.m, time.Now().AddDate(0, 0, -30), time.Now()); err != nil || len(hours) != 0 {
			t.Fatal(hours, err)
		}
	})
}

// Rollups that grew with the folds are what the rule makes of all results at
// once; so are the figures read while the newest results wait in the journal.
func TestRollupsFollow(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		p := newPast(t, w)
		var all []monitor.Observation
		begin := day(0, 0).Add(-7 * time.Hour)
		at := begin
		for i := range 1200 {
			st := monitor.Up
			switch {
			case i%300 >= 280:
				st = monitor.Down
			case i%300 >= 278 || i%97 == 0:
				st = monitor.Suspect
			case i > 900 && i < 960:
				st = monitor.Maintenance
			}
			all = append(all, seen("p", at, st, time.Duration(20+i%50)*time.Millisecond))
			at = at.Add(time.Minute)
			if i == 500 {
				at = at.Add(3 * time.Hour) // nobody looked
			}
		}
		for some := range slices.Chunk(all, 170) {
			p.take(some...)
			p.must(p.r.Fold(w.Ctx))
		}
		check := func(when string) {
			t.Helper()
			until := time.Now()
			got, err := p.r.Hours(w.Ctx, p.m, begin, until)
			p.must(err)
			want := monitor.FigureHours(samplesOf(all), monitor.ReachOf(p.m), begin, until, until)
			for h, f := range want {
				if g := got[h]; g == nil || !reflect.DeepEqual(*g, *f) {
					t.Fatalf("%s: hour %d is\n%+v\nwant\n%+v", when, h, g, f)
				}
			}
			if len(got) != len(want) {
				t.Fatalf("%s: %d hours, want %d", when, len(got), len(want))
			}
		}
		check("folded")
		more := seen("p", at, monitor.Down, 0)
		p.take(more)
		all = append(all, more)
		check("with a result in the journal")

		// Damaged figures are reckoned anew from the results.
		p.must(w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			_, err := db.NewUpdate().Table("monitor_rollup").Set("data = ?", []byte{9, 9}).Where("tenant_id = ?", storetest.Tenant).Exec(ctx)
			return err
		}))
		if n, err := p.r.Rebuild(w.Ctx, "p"); err != nil || n == 0 {
			t.Fatal(n, err)
		}
		got, err := p.r.Hours(w.Ctx, p.m, begin.Add(time.Hour), time.Now())
		p.must(err)
		for h, f := range monitor.FigureHours(samplesOf(all), monitor.ReachOf(p.m), begin.Add(time.Hour), time.Now(), time.Now()) {
			if g := got[h]; g == nil || g.Up != f.Up || g.Down != f.Down || g.Checks != f.Checks {
				t.Fatalf("rebuilt hour %d is %+v, want %+v", h, g, f)
			}
		}
	})
}

// Rows of the table from before chunks move without loss, also when that is
// interrupted, and are read meanwhile.
func TestLegacyResultsMove(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		p := newPast(t, w)
		var all []monitor.Observation
		p.must(w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			var values []string
			for i := range 9000 {
				o := seen("p", day(0, 0).AddDate(0, 0, -6).Add(time.Duration(i)*time.Minute), monitor.Up, time.Duration(i%30)*time.Millisecond)
				o.Status.State = ""
				if i%50 == 0 {
					o.Result.OK, o.Result.Reason, o.Result.Code, o.Result.Detail = false, monitor.ReasonStatus, 503, "Service Unavailable"
				}
				all = append(all, o)
				values = append(values, fmt.Sprintf("('t1', 'p', '%s', %d, %v, '%s', %d, '%s')",
					o.Result.At.Format("2006-01-02 15:04:05.999999-07:00"), o.Result.Took.Milliseconds(), o.Result.OK, o.Result.Reason, o.Result.Code, o.Result.Detail))
			}
			for some := range slices.Chunk(values, 500) {
				if _, err := db.ExecContext(ctx, "INSERT INTO monitor_result (tenant_id, slug, at, took_ms, ok, reason, code, detail) VALUES "+strings.Join(some, ",")); err != nil {
					return err
				}
			}
			return nil
		}))
		p.holds("before", all)
		p.must(p.r.Fold(w.Ctx))
		p.holds("after", all)
		var left int
		p.must(w.Store.Read(w.Ctx).NewSelect().Table("monitor_result").ColumnExpr("count(*)").Where("tenant_id = ?", storetest.Tenant).Scan(w.Ctx, &left))
		if left != 0 {
			t.Fatalf("%d rows are left", left)
		}
	})
}

// What is older than it is kept goes, in whole chunks; what is younger stays.
func TestRetention(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		p := newPast(t, w)
		var old, young []monitor.Observation
		for i := range monitor.ChunkSamples {
			old = append(old, seen("p", day(0, 0).AddDate(0, 0, -40).Add(time.Duration(i)*time.Minute), monitor.Up, 0))
		}
		for i := range 100 {
			young = append(young, seen("p", day(0, 0).Add(time.Duration(i)*time.Minute), monitor.Up, 0))
		}
		p.take(old...)
		p.must(p.r.Fold(w.Ctx))
		p.take(young...)
		p.must(p.r.Fold(w.Ctx))
		if err := p.r.SetKeeping(w.Ctx, monitor.Keep{Results: 20, Figures: 10}); err == nil {
			t.Fatal("figures may not go before results")
		}
		it := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Roles: []string{"it"}})
		if err := p.r.SetKeeping(it, monitor.Keep{Results: 20, Figures: 40}); err == nil {
			t.Fatal("only administrators say how long history is kept")
		}
		p.must(p.r.SetKeeping(w.Ctx, monitor.Keep{Results: 20, Figures: 40}))
		p.must(p.r.Forget(w.Ctx))
		p.holds("after retention", young)
		hours, err := p.r.Hours(w.Ctx, p.m, time.Now().AddDate(0, 0, -60), time.Now())
		p.must(err)
		first := time.Now()
		for h := range hours {
			if at := time.Unix(h*3600, 0); at.Before(first) {
				first = at
			}
		}
		if age := time.Since(first); age > 41*24*time.Hour || age < 39*24*time.Hour {
			t.Fatalf("the oldest figures are %v old", age)
		}
	})
}

// A kill between writing the chunks and emptying the journal loses nothing and
// doubles nothing, also when it closed a chunk.
func TestKillDuringFold(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		p := newPast(t, w)
		var all []monitor.Observation
		for i := range monitor.ChunkSamples + 100 {
			all = append(all, seen("p", day(0, 0).AddDate(0, 0, -3).Add(time.Duration(i)*time.Minute), monitor.Up, 0))
		}
		p.take(all...)
		p.must(p.r.FoldHalf(w.Ctx, storetest.Tenant))
		p.holds("after the kill", all)
		next, _, _ := newRoom(t, w) // the next start
		p.r = next
		p.must(p.r.Fold(w.Ctx))
		p.holds("folded again", all)
		if n, err := p.r.Kept(w.Ctx, "p"); err != nil || n != len(all) {
			t.Fatalf("%d results are kept of %d, %v", n, len(all), err)
		}
		hours, err := p.r.Hours(w.Ctx, p.m, day(0, 0).AddDate(0, 0, -4), time.Now())
		p.must(err)
		checks := 0
		for _, f := range hours {
			checks += f.Checks
		}
		if checks != len(all) {
			t.Fatalf("%d checks are reckoned of %d", checks, len(all))
		}
	})
}
