package monitor

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// ExportWhat is what one line of an export is about.
type ExportWhat string

// The kinds of lines.
const (
	ExportResults ExportWhat = "results"
	ExportHours   ExportWhat = "hours"
	ExportDays    ExportWhat = "days"
)

var exportWhats = []ExportWhat{ExportResults, ExportHours, ExportDays}

// ExportOptions say what [Room.Export] writes.
type ExportOptions struct {
	Slug     string // empty: all monitors
	What     ExportWhat
	CSV      bool // else JSON
	From, To time.Time
	Zone     *time.Location // of the days; nil: UTC
}

// exportedResult and exportedFigures are one line of an export. There is no
// fraction in either, so that no program has to ask whether a comma or a point
// divides it (decision 0033).
type exportedResult struct {
	Monitor string `json:"monitor"`
	At      string `json:"at"`
	OK      bool   `json:"ok"`
	State   string `json:"state,omitempty"`
	Reason  string `json:"reason"`
	Code    int    `json:"code,omitempty"`
	TookMS  int64  `json:"took_ms"`
	Detail  string `json:"detail,omitempty"`
}

type exportedFigures struct {
	Monitor     string `json:"monitor"`
	From        string `json:"from"`
	Checks      int    `json:"checks"`
	Healthy     int    `json:"healthy"`
	Up          int    `json:"up_seconds"`
	Degraded    int    `json:"degraded_seconds"`
	Down        int    `json:"down_seconds"`
	Maintenance int    `json:"maintenance_seconds"`
	Median      int64  `json:"median_ms"`
	P95         int64  `json:"p95_ms"`
	Slowest     int64  `json:"slowest_ms"`
}

var (
	resultHead  = []string{"monitor", "at", "ok", "state", "reason", "code", "took_ms", "detail"}
	figuresHead = []string{"monitor", "from", "checks", "healthy", "up_seconds", "degraded_seconds", "down_seconds", "maintenance_seconds", "median_ms", "p95_ms", "slowest_ms"}
)

func (e exportedResult) cells() []string {
	return []string{e.Monitor, e.At, strconv.FormatBool(e.OK), e.State, e.Reason, strconv.Itoa(e.Code), strconv.FormatInt(e.TookMS, 10), e.Detail}
}

func (e exportedFigures) cells() []string {
	out := []string{e.Monitor, e.From}
	for _, n := range []int{e.Checks, e.Healthy, e.Up, e.Degraded, e.Down, e.Maintenance, int(e.Median), int(e.P95), int(e.Slowest)} {
		out = append(out, strconv.Itoa(n))
	}
	return out
}

func figuresLine(slug string, from time.Time, f Figures) exportedFigures {
	s := func(d time.Duration) int { return int(d / time.Second) }
	return exportedFigures{
		Monitor: slug, From: from.Format(time.RFC3339), Checks: f.Checks, Healthy: f.Healthy, Up: s(f.Up), Degraded: s(f.Degraded),
		Down: s(f.Down), Maintenance: s(f.Maintenance), Median: f.Percentile(50).Milliseconds(), P95: f.Percentile(95).Milliseconds(), Slowest: f.Slowest.Milliseconds(),
	}
}

// exporter writes lines as CSV or as one JSON document {"items": […]}.
type exporter struct {
	w   *bufio.Writer
	csv *csv.Writer
	n   int
}

func newExporter(w io.Writer, asCSV bool, head []string) (*exporter, error) {
	e := &exporter{w: bufio.NewWriterSize(w, 32<<10)}
	if !asCSV {
		_, err := e.w.WriteString(`{"items": [`)
		return e, err
	}
	// The mark lets Excel read UTF-8; the semicolon is what it divides by where
	// a comma divides a fraction.
	if _, err := e.w.WriteString("\uFEFF"); err != nil {
		return nil, err
	}
	e.csv = csv.NewWriter(e.w)
	e.csv.Comma, e.csv.UseCRLF = ';', true
	return e, e.csv.Write(head)
}

func (e *exporter) line(v interface{ cells() []string }) error {
	if e.csv != nil {
		cells := v.cells()
		for i, c := range cells {
			cells[i] = noFormula(c)
		}
		return e.csv.Write(cells)
	}
	if e.n++; e.n > 1 {
		if err := e.w.WriteByte(','); err != nil {
			return err
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = e.w.Write(append([]byte("\n"), b...))
	return err
}

func (e *exporter) end() error {
	if e.csv != nil {
		e.csv.Flush()
		if err := e.csv.Error(); err != nil {
			return err
		}
	} else if _, err := e.w.WriteString("\n]}\n"); err != nil {
		return err
	}
	return e.w.Flush()
}

// noFormula keeps a spreadsheet from running what a target said as a formula:
// what begins with one of these signs gets an apostrophe before it, as OWASP
// advises. Whole numbers below zero stay numbers.
func noFormula(s string) string {
	if s == "" {
		return s
	}
	switch s[0] {
	case '=', '+', '@', '\t', '\r', '\n', '-':
		if _, err := strconv.Atoi(s); err == nil && s[0] == '-' {
			return s
		}
		return "'" + s
	}
	return s
}

// Export writes results or figures of one monitor or of all, monitor by monitor
// and the oldest first. It holds one chunk and the unfolded journal in memory,
// whatever the length of the answer.
func (r *Room) Export(ctx context.Context, w io.Writer, o ExportOptions) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(exportWhats, o.What) {
		return fault.New(fault.Invalid, "monitor.export_invalid")
	}
	earliest, err := r.keptSince(ctx, tenant)
	if err != nil {
		return err
	}
	if o.What == ExportResults && o.From.Before(earliest) {
		o.From = earliest
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Slug != "" {
		m, err := r.Get(ctx, o.Slug)
		if err != nil {
			return err
		}
		recent, err := r.recent(ctx, tenant, o.Slug)
		if err != nil {
			return err
		}
		return r.export(ctx, w, o, func(each func(Monitor, []Sample) error) error { return each(m, recent) })
	}
	j, err := r.packJournal(ctx, tenant)
	if err != nil {
		return err
	}
	return r.export(ctx, w, o, func(each func(Monitor, []Sample) error) error {
		for after := ""; ; {
			ms, err := r.List(ctx, Filter{After: after, Limit: 200})
			if err != nil || len(ms) == 0 {
				return err
			}
			for _, m := range ms {
				recent := j.samples(m.Slug)
				if !r.legacyGone.Load() {
					if recent, err = r.recent(ctx, tenant, m.Slug); err != nil {
						return err
					}
				}
				if err := each(m, recent); err != nil {
					return err
				}
			}
			after = ms[len(ms)-1].Slug
		}
	})
}

func (r *Room) export(ctx context.Context, w io.Writer, o ExportOptions, monitors func(func(Monitor, []Sample) error) error) error {
	tenant := ident.TenantOf(ctx)
	head := figuresHead
	if o.What == ExportResults {
		head = resultHead
	}
	e, err := newExporter(w, o.CSV, head)
	if err != nil {
		return err
	}
	err = monitors(func(m Monitor, recent []Sample) error {
		if o.What == ExportResults {
			return r.walk(ctx, tenant, m.Slug, o.From, o.To, recent, func(s Sample) error {
				return e.line(exportedResult{
					Monitor: m.Slug, At: s.At.Format("2006-01-02T15:04:05.000Z"), OK: s.OK, State: string(s.State), Reason: string(s.Reason),
					Code: s.Code, TookMS: s.Took.Milliseconds(), Detail: s.Detail,
				})
			})
		}
		hours, err := r.hoursWith(ctx, tenant, m.Slug, reach(m.Spec), hourOf(o.From), hourOf(o.To.Add(-time.Millisecond)), recent)
		if err != nil {
			return err
		}
		for _, p := range pointsOf(hours, o.What == ExportDays, o.Zone) {
			if err := e.line(figuresLine(m.Slug, p.From, p.Figures)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return e.end()
}

// pointsOf are hours in order, or their days in zone; what nobody knows is
// missing.
func pointsOf(hours map[int64]*Figures, days bool, zone *time.Location) (out []Point) {
	for _, h := range slices.Sorted(maps.Keys(hours)) {
		at := hourStart(h)
		if !days {
			out = append(out, Point{From: at, To: at.Add(hour), Figures: *hours[h]})
			continue
		}
		l := at.In(zone)
		day := time.Date(l.Year(), l.Month(), l.Day(), 0, 0, 0, 0, zone)
		if len(out) == 0 || !out[len(out)-1].From.Equal(day) {
			out = append(out, Point{From: day, To: day.AddDate(0, 0, 1)})
		}
		out[len(out)-1].Add(*hours[h])
	}
	return out
}

// walk yields what is kept of a monitor from from up to to, by time, a chunk at
// a time. Chunks may overlap, when a clock was set back: then both are held.
func (r *Room) walk(ctx context.Context, t ident.Tenant, slug string, from, to time.Time, recent []Sample, yield func(Sample) error) error {
	o, err := r.open(ctx, t, slug)
	if err != nil {
		return err
	}
	var keys []chunkRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&keys).Column("id", "begins").
		Where("tenant_id = ? AND slug = ? AND ends >= ? AND begins < ?", t, slug, from.UnixMilli(), to.UnixMilli()).Order("begins").Scan(ctx)
	if err != nil {
		return fmt.Errorf("monitor: chunks: %w", err)
	}
	waiting := []Sample{}
	for _, s := range recent {
		if !s.At.Before(from) && s.At.Before(to) {
			waiting = append(waiting, s)
		}
	}
	waiting = sorted(r.decode(ctx, slug, o.Data, from, to, waiting))
	flush := func(before int64) error {
		n := 0
		for ; n < len(waiting) && waiting[n].At.UnixMilli() < before; n++ {
			if err := yield(waiting[n]); err != nil {
				return err
			}
		}
		waiting = waiting[n:]
		return nil
	}
	for _, k := range keys {
		if err := flush(k.Begins); err != nil {
			return err
		}
		var c chunkRow
		err := r.o.Store.Read(ctx).NewSelect().Model(&c).Where("tenant_id = ? AND id = ?", t, k.ID).Scan(ctx)
		if store.NotFound(err) {
			continue // its time was up a moment ago
		}
		if err != nil {
			return fmt.Errorf("monitor: chunks: %w", err)
		}
		waiting = sorted(append(r.decode(ctx, slug, c.Data, from, to, nil), waiting...))
	}
	return flush(maxMoment + 1)
}
