package monitor

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Uptime is how a monitor did over the last days.
type Uptime struct {
	Days int
	Figures
	// Span is the time that could have been watched: Days, or what has passed
	// since the monitor's first result.
	Span time.Duration
}

// uptimeDays are the spans for which availability is told.
var uptimeDays = []int{1, 7, 30, 90, 365}

// Uptimes answers the availability of m over the last day, week, month, quarter
// and year, in whole hours; the running one counts as far as it has come. See
// [Figures] for what counts.
func (r *Room) Uptimes(ctx context.Context, m Monitor) ([]Uptime, error) {
	recent, err := r.recent(ctx, ident.TenantOf(ctx), m.Slug)
	if err != nil {
		return nil, err
	}
	return r.uptimes(ctx, m, recent)
}

func (r *Room) uptimes(ctx context.Context, m Monitor, recent []Sample) ([]Uptime, error) {
	now := r.o.Clock.Now()
	to := hourOf(now)
	longest := int64(uptimeDays[len(uptimeDays)-1])
	hours, err := r.hoursWith(ctx, ident.TenantOf(ctx), m.Slug, reach(m.Spec), to-24*longest, to, recent)
	if err != nil {
		return nil, err
	}
	first := to + 1
	for h := range hours {
		first = min(first, h)
	}
	out := make([]Uptime, len(uptimeDays))
	for i, days := range uptimeDays {
		u := Uptime{Days: days}
		from := to - 24*int64(days) + 1
		for h, f := range hours {
			if h >= from {
				f := *f
				f.took = nil // nobody asks for the response times of a year here
				u.Add(f)
			}
		}
		u.Span = max(now.Sub(hourStart(max(from, first))), 0)
		out[i] = u
	}
	return out, nil
}

// Range is how far back a chart looks.
type Range string

// The ranges.
const (
	RangeDay   Range = "24h"
	RangeWeek  Range = "7d"
	RangeMonth Range = "30d"
	RangeYear  Range = "1y"
)

// Ranges lists them, the shortest first.
func Ranges() []Range { return []Range{RangeDay, RangeWeek, RangeMonth, RangeYear} }

// Point is the figures of one stretch of a chart.
type Point struct {
	From, To time.Time
	Figures
}

// Series answers the points of a chart of m, the oldest first and without gaps:
// half hours of a day, four hours of a week, days of a month, weeks of a year.
// Days and weeks are those of zone.
func (r *Room) Series(ctx context.Context, m Monitor, rg Range, zone *time.Location) ([]Point, error) {
	recent, err := r.recent(ctx, ident.TenantOf(ctx), m.Slug)
	if err != nil {
		return nil, err
	}
	return r.series(ctx, m, rg, zone, recent)
}

func (r *Room) series(ctx context.Context, m Monitor, rg Range, zone *time.Location, recent []Sample) ([]Point, error) {
	now := r.o.Clock.Now()
	points := frames(rg, now, zone)
	tenant, rch := ident.TenantOf(ctx), reach(m.Spec)
	if rg == RangeDay { // finer than hours: from the results themselves
		samples, err := r.samplesWith(ctx, tenant, m.Slug, points[0].From.Add(-rch), farOff, recent)
		if err != nil {
			return nil, err
		}
		figurePoints(samples, rch, points, now)
		return points, nil
	}
	from, to := hourOf(points[0].From), hourOf(now)
	hours, err := r.hoursWith(ctx, tenant, m.Slug, rch, from, to, recent)
	if err != nil {
		return nil, err
	}
	i := 0
	for h := from; h <= to; h++ {
		for i < len(points)-1 && !hourStart(h).Before(points[i].To) {
			i++
		}
		if f := hours[h]; f != nil {
			points[i].Add(*f)
		}
	}
	return points, nil
}

// frames are the empty points of a range that ends with the one at hand.
func frames(rg Range, now time.Time, zone *time.Location) []Point {
	local := now.In(zone)
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, zone)
	var begin time.Time
	next := func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }
	switch rg {
	case RangeDay:
		half := now.Truncate(hour / 2)
		begin = half.Add(-47 * hour / 2)
		next = func(t time.Time) time.Time { return t.Add(hour / 2) }
	case RangeWeek:
		begin = day.AddDate(0, 0, -6)
		next = func(t time.Time) time.Time {
			l := t.In(zone)
			return time.Date(l.Year(), l.Month(), l.Day(), l.Hour()/4*4+4, 0, 0, 0, zone)
		}
	case RangeYear:
		monday := day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
		begin = monday.AddDate(0, 0, -7*52)
		next = func(t time.Time) time.Time { return t.AddDate(0, 0, 7) }
	default:
		begin = day.AddDate(0, 0, -29)
	}
	var out []Point
	for at := begin; !at.After(now); {
		n := next(at)
		out = append(out, Point{From: at, To: n})
		at = n
	}
	return out
}

// figurePoints reckons points from samples, as [figureHours] does hours.
func figurePoints(samples []Sample, rch time.Duration, points []Point, until time.Time) {
	if len(points) == 0 {
		return
	}
	width := points[0].To.Sub(points[0].From)
	spans := figureSpans(samples, rch, width, 0, int64(len(points)-1), points[0].From, until)
	for i, f := range spans {
		points[i].Figures = *f
	}
}

// rebuild reckons all figures of a monitor anew from its results, as far back
// as these are kept; older ones stay as they are. It tells how many hours it
// wrote.
func (r *Room) rebuild(ctx context.Context, t ident.Tenant, m Monitor) (int, error) {
	all, err := r.samples(ctx, t, m.Slug, longAgo, farOff)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	now, rch := r.o.Clock.Now(), reach(m.Spec)
	// The hour in which the results begin may have begun before them.
	// The last two hours are the fold's: it may write them meanwhile.
	from, to := hourOf(all[0].At.Add(hour)), min(hourOf(all[len(all)-1].At.Add(rch)), hourOf(now)-2)
	fresh := figureHours(all, rch, from, to, now)
	return len(fresh), r.writeHours(ctx, t, m.Slug, from, to, fresh)
}

// Rebuild reckons the figures of a monitor anew from the results that are kept,
// for whoever doubts them; those of the last two hours mend themselves with the
// next fold. It tells how many hours it wrote. Only administrators and IT may.
func (r *Room) Rebuild(ctx context.Context, slug string) (int, error) {
	if err := mayOperate(ctx); err != nil {
		return 0, err
	}
	m, err := r.Get(ctx, slug)
	if err != nil {
		return 0, err
	}
	n, err := r.rebuild(ctx, ident.TenantOf(ctx), m)
	if err != nil {
		return n, err
	}
	return n, r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		return r.o.Audit.Record(ctx, audit.Entry{Action: "monitor.figures_rebuilt", Subject: "monitor:" + slug})
	})
}
