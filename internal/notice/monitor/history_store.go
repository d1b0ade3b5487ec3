package monitor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// How results come to rest:
//
//	sink ─► monitor_journal ─ fold ─► monitor_open ─ full ─► monitor_chunk
//	        a row per batch           a row per monitor      never changed
//	                                    └──── fold ─► monitor_rollup
//
// The journal makes taking results cheap, for a batch over many monitors is one
// short row; the fold makes them small. A reader asks in the order in which
// results move, so one that moves meanwhile is met twice and never missed.

type journalRow struct {
	bun.BaseModel `bun:"table:monitor_journal"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Results       int          `bun:"results"`
	Data          []byte       `bun:"data"`
}

type openRow struct {
	bun.BaseModel `bun:"table:monitor_open"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Slug          string       `bun:"slug,pk"`
	Begins        int64        `bun:"begins"`
	Ends          int64        `bun:"ends"` // the last sample's moment
	Results       int          `bun:"results"`
	Data          []byte       `bun:"data"`
}

type chunkRow struct {
	bun.BaseModel `bun:"table:monitor_chunk"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Slug          string       `bun:"slug"`
	Begins        int64        `bun:"begins"`
	Ends          int64        `bun:"ends"`
	Results       int          `bun:"results"`
	Data          []byte       `bun:"data"`
}

type rollupRow struct {
	bun.BaseModel `bun:"table:monitor_rollup"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Slug          string       `bun:"slug,pk"`
	Day           int64        `bun:"day,pk"`
	Data          []byte       `bun:"data"`
}

type historyRow struct {
	bun.BaseModel `bun:"table:monitor_history"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Folded        int64        `bun:"folded"`
	KeepResults   int          `bun:"keep_results"`
	KeepFigures   int          `bun:"keep_figures"`
}

// resultRow is a result from before chunks were; see migration 0004.
type resultRow struct {
	bun.BaseModel `bun:"table:monitor_result"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Slug          string       `bun:"slug,pk"`
	At            time.Time    `bun:"at,pk"`
	TookMS        int64        `bun:"took_ms"`
	OK            bool         `bun:"ok"`
	Reason        Reason       `bun:"reason"`
	Code          int          `bun:"code"`
	Detail        string       `bun:"detail"`
}

func (row resultRow) sample() Sample {
	return Sample{Result: Result{
		At: row.At.UTC(), Took: time.Duration(row.TookMS) * time.Millisecond, OK: row.OK, Reason: row.Reason, Code: row.Code, Detail: row.Detail,
	}}
}

// journal appends a batch, one row per tenant, inside the transaction of ctx.
func (r *Room) journal(ctx context.Context, db bun.IDB, batch []Observation) error {
	by := map[ident.Tenant][]journalEntry{}
	for _, o := range batch {
		if o.Uplink != nil {
			continue // about our own line, not about a monitor
		}
		t, slug := splitID(o.ID)
		by[t] = append(by[t], journalEntry{slug, Sample{o.Result, o.Status.State}})
	}
	rows := make([]journalRow, 0, len(by))
	for t, entries := range by {
		rows = append(rows, journalRow{TenantID: t, ID: ident.NewID(r.o.Clock.Now()), Results: len(entries), Data: encodeJournal(entries)})
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := db.NewInsert().Model(&rows).Exec(ctx); err != nil {
		return fmt.Errorf("monitor: results: %w", err)
	}
	r.o.Store.AfterCommit(ctx, func() {
		if r.unfolded.Add(int64(len(batch))) >= r.foldAt.Load() {
			r.folder.Kick()
		}
	})
	return nil
}

// journalRows answers the batches that are not folded yet, the oldest first.
func (r *Room) journalRows(ctx context.Context, t ident.Tenant, limit int) (rows []journalRow, err error) {
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", t).Order("id").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("monitor: journal: %w", err)
	}
	return rows, nil
}

// maxJournal is how many batches one look at the journal takes.
const maxJournal = 100_000

// recent answers the samples of one monitor that are not in its chunks yet.
func (r *Room) recent(ctx context.Context, t ident.Tenant, slug string) ([]Sample, error) {
	var out []Sample
	if !r.legacyGone.Load() {
		var old []resultRow
		err := r.o.Store.Read(ctx).NewSelect().Model(&old).Where("tenant_id = ? AND slug = ?", t, slug).Order("at").Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("monitor: results: %w", err)
		}
		for _, row := range old {
			out = append(out, row.sample())
		}
	}
	rows, err := r.journalRows(ctx, t, maxJournal)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		// What is damaged in a batch the fold reports.
		_ = readJournal(row.Data, slug, func(e journalEntry) { out = append(out, e.Sample) })
	}
	return out, nil
}

// open answers the chunk of a monitor that is being filled.
func (r *Room) open(ctx context.Context, t ident.Tenant, slug string) (openRow, error) {
	var row openRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND slug = ?", t, slug).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return row, fmt.Errorf("monitor: open chunk: %w", err)
	}
	return row, nil
}

// samples answers what is kept of a monitor from from up to to, by time.
func (r *Room) samples(ctx context.Context, t ident.Tenant, slug string, from, to time.Time) ([]Sample, error) {
	all, err := r.recent(ctx, t, slug)
	if err != nil {
		return nil, err
	}
	return r.samplesWith(ctx, t, slug, from, to, all)
}

// samplesWith is samples for a caller that has asked for the recent ones.
func (r *Room) samplesWith(ctx context.Context, t ident.Tenant, slug string, from, to time.Time, all []Sample) ([]Sample, error) {
	all = slices.Clone(all)
	o, err := r.open(ctx, t, slug)
	if err != nil {
		return nil, err
	}
	chunks, err := r.chunks(ctx, t, []string{slug}, from, to)
	if err != nil {
		return nil, err
	}
	if len(o.Data) > 0 && o.Ends >= from.UnixMilli() {
		chunks = append(chunks, chunkRow{Data: o.Data})
	}
	stored := []Sample{}
	for _, c := range chunks {
		stored = r.decode(ctx, slug, c.Data, from, to, stored)
	}
	for _, s := range all {
		if !s.At.Before(from) && s.At.Before(to) {
			stored = append(stored, s)
		}
	}
	return sorted(stored), nil
}

// chunks answers the full chunks of monitors that touch from…to.
func (r *Room) chunks(ctx context.Context, t ident.Tenant, slugs []string, from, to time.Time) (rows []chunkRow, err error) {
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND slug IN (?) AND ends >= ? AND begins < ?", t, bun.List(slugs), from.UnixMilli(), to.UnixMilli()).
		Order("ends").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("monitor: chunks: %w", err)
	}
	return rows, nil
}

// decode appends the samples of a chunk from from up to to. Of a damaged one
// it answers what comes before the damage.
func (r *Room) decode(ctx context.Context, slug string, chunk []byte, from, to time.Time, out []Sample) []Sample {
	if len(chunk) == 0 {
		return out
	}
	_, err := readChunk(chunk, func(s Sample) {
		if !s.At.Before(from) && s.At.Before(to) {
			out = append(out, s)
		}
	})
	if err != nil {
		r.o.Log.ErrorContext(ctx, "a chunk of results is damaged", "room", "monitor", "monitor", slug, "err", err)
	}
	return out
}

// Times that lie before and after all that is kept.
var (
	longAgo = time.UnixMilli(-maxMoment).UTC()
	farOff  = time.UnixMilli(maxMoment).UTC()
)

// Results lists the latest results of a monitor since since, newest first.
func (r *Room) Results(ctx context.Context, slug string, since time.Time, limit int) ([]Result, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	limit = min(max(limit, 1), 50_000)
	earliest, err := r.keptSince(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if since.Before(earliest) {
		since = earliest
	}
	all, err := r.recent(ctx, tenant, slug)
	if err != nil {
		return nil, err
	}
	o, err := r.open(ctx, tenant, slug)
	if err != nil {
		return nil, err
	}
	if len(o.Data) > 0 {
		all = r.decode(ctx, slug, o.Data, since, farOff, all)
	}
	all = sorted(all)
	// Full chunks, the latest first, until they can add nothing to the answer.
	var keys []chunkRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&keys).Column("id", "ends").
		Where("tenant_id = ? AND slug = ? AND ends >= ?", tenant, slug, since.UnixMilli()).Order("ends DESC").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("monitor: chunks: %w", err)
	}
	for _, k := range keys {
		if len(all) >= limit && all[len(all)-limit].At.UnixMilli() > k.Ends {
			break
		}
		var c chunkRow
		err := r.o.Store.Read(ctx).NewSelect().Model(&c).Where("tenant_id = ? AND id = ?", tenant, k.ID).Scan(ctx)
		if store.NotFound(err) {
			continue // its time was up a moment ago
		}
		if err != nil {
			return nil, fmt.Errorf("monitor: chunks: %w", err)
		}
		all = sorted(append(r.decode(ctx, slug, c.Data, since, farOff, nil), all...))
	}
	out := make([]Result, 0, min(limit, len(all)))
	for _, s := range slices.Backward(all) {
		if len(out) == limit || s.At.Before(since) {
			break
		}
		out = append(out, s.Result)
	}
	return out, nil
}

// Kept counts the results of a monitor that are kept.
func (r *Room) Kept(ctx context.Context, slug string) (int, error) {
	tenant := ident.TenantOf(ctx)
	recent, err := r.recent(ctx, tenant, slug)
	if err != nil {
		return 0, err
	}
	n := len(sorted(recent))
	for _, model := range []any{(*openRow)(nil), (*chunkRow)(nil)} {
		var part int
		err := r.o.Store.Read(ctx).NewSelect().Model(model).ColumnExpr("coalesce(sum(results), 0)").
			Where("tenant_id = ? AND slug = ?", tenant, slug).Scan(ctx, &part)
		if err != nil {
			return 0, fmt.Errorf("monitor: count results: %w", err)
		}
		n += part
	}
	return n, nil
}

// dropHistory deletes all that is kept of a monitor. What its results left in
// the journal is folded before, so that a new monitor of the same name does not
// inherit it.
func (r *Room) dropHistory(ctx context.Context, db bun.IDB, t ident.Tenant, slug string) error {
	if err := r.foldAll(ctx, t); err != nil {
		return err
	}
	for _, model := range []any{(*resultRow)(nil), (*openRow)(nil), (*chunkRow)(nil), (*rollupRow)(nil)} {
		if _, err := db.NewDelete().Model(model).Where("tenant_id = ? AND slug = ?", t, slug).Exec(ctx); err != nil {
			return fmt.Errorf("monitor: remove results: %w", err)
		}
	}
	return nil
}

// hoursOf answers the figures of a monitor for the hours from..to, by hour.
func (r *Room) hoursOf(ctx context.Context, t ident.Tenant, slug string, rch time.Duration, from, to int64) (map[int64]*Figures, error) {
	recent, err := r.recent(ctx, t, slug)
	if err != nil {
		return nil, err
	}
	return r.hoursWith(ctx, t, slug, rch, from, to, recent)
}

// hoursWith is hoursOf for a caller that has asked for the recent samples.
func (r *Room) hoursWith(ctx context.Context, t ident.Tenant, slug string, rch time.Duration, from, to int64, recent []Sample) (map[int64]*Figures, error) {
	recent = sorted(slices.Clone(recent))
	var rows []rollupRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND slug = ? AND day BETWEEN ? AND ?", t, slug, dayOf(from), dayOf(to)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("monitor: rollups: %w", err)
	}
	hours := map[int64]*Figures{}
	for _, row := range rows {
		if err := decodeDay(row.Data, row.Day, hours); err != nil {
			r.o.Log.ErrorContext(ctx, "figures are damaged; they can be reckoned anew", "room", "monitor", "monitor", slug, "day", row.Day, "err", err)
		}
	}
	now := r.o.Clock.Now()
	if len(recent) > 0 {
		lo, hi := hourOf(recent[0].At.Add(-rch)), min(hourOf(recent[len(recent)-1].At.Add(rch)), hourOf(now))
		samples, err := r.samplesWith(ctx, t, slug, hourStart(lo).Add(-rch), farOff, recent)
		if err != nil {
			return nil, err
		}
		merge(hours, figureHours(samples, rch, lo, hi, now))
	}
	maps.DeleteFunc(hours, func(h int64, _ *Figures) bool { return h < from || h > to })
	return hours, nil
}

// merge puts newly reckoned hours over stored ones. One that knows of fewer
// checks than before was reckoned when its results were deleted already.
func merge(hours, fresh map[int64]*Figures) {
	for h, f := range fresh {
		if old := hours[h]; old == nil || f.Checks >= old.Checks {
			hours[h] = f
		}
	}
}
