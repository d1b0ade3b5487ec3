package monitor_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
)

// looks makes what an engine makes of one monitor: checks at its phase, begun a
// little late, answered in 30 to 80 ms, and one in two thousand failing for a
// few minutes.
type looks struct {
	r    *rand.Rand
	slug string
	slot time.Time
	base float64
	bad  int
}

func (l *looks) next() monitor.Observation {
	at := l.slot.Add(time.Duration(math.Min(l.r.ExpFloat64()*1.5, 900)) * time.Millisecond)
	l.slot = l.slot.Add(time.Minute)
	took := time.Duration(l.base*math.Exp(l.r.NormFloat64()*0.15)) * time.Millisecond
	if l.bad == 0 && l.r.IntN(2000) == 0 {
		l.bad = 1 + l.r.IntN(20)
	}
	if l.bad > 0 {
		l.bad--
		return seen(l.slug, at, monitor.Down, took)
	}
	return seen(l.slug, at, monitor.Up, took)
}

func benchRoom(b *testing.B, monitors int, begin time.Time) (*storetest.World, *monitor.Room, []*looks) {
	b.Helper()
	w := storetest.SQLite(b, rooms...)
	r := monitor.New(monitor.RoomOptions{Store: w.Store, Clock: clock.System{}, Audit: audit.New(audit.Options{Store: w.Store, Clock: clock.System{}}), Vault: openSealer{}})
	var ms []monitor.Monitor
	all := make([]*looks, monitors)
	for i := range all {
		slug := fmt.Sprintf("dienst-%05d", i)
		ms = append(ms, monitor.Monitor{Slug: slug, Spec: monitor.Spec{URL: "https://" + slug + ".musterstadt.example/"}})
		all[i] = &looks{r: rand.New(rand.NewPCG(1, uint64(i))), slug: slug, slot: begin.Add(monitor.Phase(monitor.EngineID(storetest.Tenant, slug), time.Minute)), base: 30 + float64(i%50)}
	}
	if err := r.Declare(w.Ctx, ms); err != nil {
		b.Fatal(err)
	}
	return w, r, all
}

// tableBytes asks SQLite how many bytes the tables take on whole pages, with their
// indexes.
func tableBytes(b *testing.B, w *storetest.World, like ...string) (n int64) {
	b.Helper()
	for _, l := range like {
		var part int64
		err := w.Store.Read(w.Ctx).NewSelect().TableExpr("dbstat").ColumnExpr("coalesce(sum(pgsize), 0)").Where("name LIKE ?", l).
			Scan(ident.AcrossTenants(w.Ctx), &part)
		if err != nil {
			b.Fatal(err)
		}
		n += part
	}
	return n
}

// BenchmarkHistoryYear (N5) keeps a year of checks a minute of three monitors in a
// real database file, folded as the room folds, and reports what a check takes
// on the disk with indexes and page overhead. Run it with -benchtime 1x.
func BenchmarkHistoryYear(b *testing.B) {
	const monitors, minutes = 3, 365 * 24 * 60
	for range min(b.N, 1) {
		w, r, all := benchRoom(b, monitors, time.Now().UTC().Truncate(time.Minute).AddDate(-1, 0, 0))
		begin := monitor.CPU()
		var batch []monitor.Observation
		for minute := range minutes {
			for _, l := range all {
				batch = append(batch, l.next())
			}
			if len(batch) >= 250 || minute == minutes-1 {
				if err := r.Take(w.Ctx, batch); err != nil {
					b.Fatal(err)
				}
				batch = batch[:0]
			}
			if minute%240 == 239 || minute == minutes-1 {
				if err := r.Fold(w.Ctx); err != nil {
					b.Fatal(err)
				}
			}
		}
		checks := float64(monitors * minutes)
		b.ReportMetric(float64((monitor.CPU()-begin).Nanoseconds())/1000/checks, "cpu-µs/check")
		results := tableBytes(b, w, "monitor_chunk%", "monitor_open%", "sqlite_autoindex_monitor_chunk%", "sqlite_autoindex_monitor_open%", "monitor_journal%", "sqlite_autoindex_monitor_journal%")
		rollups := tableBytes(b, w, "monitor_rollup%", "sqlite_autoindex_monitor_rollup%")
		b.ReportMetric(float64(results)/checks, "bytes/check")
		b.ReportMetric(float64(rollups)/checks, "rollup-bytes/check")
		b.ReportMetric(140/(float64(results)/checks), "kuma/tuermer")
		if results == 0 {
			b.Fatal("nothing was measured")
		}
	}
}

// BenchmarkHistoryTake reports what taking and folding costs a check: an hour
// of ten thousand monitors, in batches as small as the engine makes them.
func BenchmarkHistoryTake(b *testing.B) {
	const monitors = 10_000
	for range min(b.N, 1) {
		w, r, all := benchRoom(b, monitors, time.Now().UTC().Truncate(time.Hour).Add(-2*time.Hour))
		begin, start := monitor.CPU(), time.Now()
		n := 0
		for minute := range 60 {
			var batch []monitor.Observation
			for i, l := range all {
				batch = append(batch, l.next())
				if len(batch) == 64 || i == len(all)-1 {
					if err := r.Take(w.Ctx, batch); err != nil {
						b.Fatal(err)
					}
					n += len(batch)
					batch = nil
				}
			}
			if minute%30 == 29 {
				if err := r.Fold(w.Ctx); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64((monitor.CPU()-begin).Nanoseconds())/1000/float64(n), "cpu-µs/check")
		b.ReportMetric(float64(n)/time.Since(start).Seconds(), "checks/s")
	}
}
