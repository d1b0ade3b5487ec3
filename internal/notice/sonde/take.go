package sonde

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/store"
)

// take stores a delivery in one transaction: all of it, once. Results are
// idempotent by sonde, monitor and moment; verdicts that changed are weighed.
func (r *Room) take(ctx context.Context, row sondeRow, s signed, d Delivery) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		off, err := r.heard(ctx, db, &row, s, d.Sent, d.Waiting, d.Dropped, d.Version)
		if err != nil || len(d.Reports) == 0 {
			return err
		}
		mine, err := r.o.Monitors.SeenBy(ctx, row.Name)
		if err != nil {
			return err
		}
		known := make(map[string]monitor.Monitor, len(mine))
		for _, m := range mine {
			known[m.Slug] = m
		}
		verdicts, err := r.verdicts(ctx, db, row)
		if err != nil {
			return err
		}
		t := taking{row: row, off: off, now: r.o.Clock.Now(), keep: r.o.Keep, verdicts: verdicts, touched: map[string]bool{}}
		for _, p := range d.Reports {
			m, ok := known[p.Monitor]
			if !ok {
				continue // it was taken from the sonde meanwhile, or is no business of its
			}
			t.one(m, p)
		}
		if err := t.store(ctx, db); err != nil {
			return err
		}
		for _, slug := range slices.Sorted(maps.Keys(t.touched)) { // in one order, or two sondes wait for each other
			if err := r.o.Monitors.Weigh(ctx, slug); err != nil {
				return err
			}
			if t.verdicts[slug].State == monitor.Down {
				r.o.Store.AfterCommit(ctx, func() { r.o.Monitors.Glance(ctx, slug) })
			}
		}
		return nil
	})
}

func (r *Room) verdicts(ctx context.Context, db bun.IDB, row sondeRow) (map[string]verdict, error) {
	var rows []verdictRow
	if err := db.NewSelect().Model(&rows).Where("tenant_id = ? AND sonde = ?", row.TenantID, row.Name).Scan(ctx); err != nil {
		return nil, fmt.Errorf("sonde: verdicts: %w", err)
	}
	out := make(map[string]verdict, len(rows))
	for _, v := range rows {
		x, err := v.verdict()
		if err != nil {
			return nil, err
		}
		out[v.Monitor] = x
	}
	return out, nil
}

// taking is one delivery on its way into the database.
type taking struct {
	row      sondeRow
	off      time.Duration
	now      time.Time
	keep     time.Duration
	results  []resultRow
	verdicts map[string]verdict
	heard    []string        // monitors whose verdict is to be stored
	touched  map[string]bool // monitors to be weighed
}

// one takes one report in.
func (t *taking) one(m monitor.Monitor, p Report) {
	raw := clock.Cut(time.UnixMilli(p.At))
	at := raw.Add(t.off)
	if at.After(t.now) { // nothing was seen in the future
		at = t.now
	}
	if at.Before(t.now.Add(-t.keep)) {
		return // older than what is kept
	}
	t.results = append(t.results, resultRow{
		TenantID: t.row.TenantID, Sonde: t.row.Name, Monitor: p.Monitor, At: raw, SeenAt: at, TookMS: p.TookMS,
		OK: p.OK, Reason: p.Reason, Code: p.Code, Detail: p.Detail,
	})
	var since time.Time
	if p.Since > 0 {
		since = clock.Cut(time.UnixMilli(p.Since)).Add(t.off)
	}
	was := t.verdicts[p.Monitor]
	v, changed := was.hear(p, at, since)
	if v.At.Equal(was.At) && !changed {
		return
	}
	// A verdict that had grown old counts again.
	_, counted := monitor.Sighting{Sonde: t.row.Name, State: was.State, At: was.At, Last: was.Last}.Counts(m.Spec, t.now)
	if changed || !counted {
		t.touched[p.Monitor] = true
	}
	t.verdicts[p.Monitor] = v
	t.heard = append(t.heard, p.Monitor)
}

func (t *taking) store(ctx context.Context, db bun.IDB) error {
	if len(t.results) == 0 {
		return nil
	}
	if _, err := db.NewInsert().Model(&t.results).On("CONFLICT (tenant_id, sonde, monitor, at) DO NOTHING").Exec(ctx); err != nil {
		return fmt.Errorf("sonde: results: %w", err)
	}
	done := map[string]bool{}
	rows := make([]verdictRow, 0, len(t.heard))
	for _, slug := range t.heard {
		if done[slug] {
			continue
		}
		done[slug] = true
		v := t.verdicts[slug]
		last, err := json.Marshal(v.Last)
		if err != nil {
			return fmt.Errorf("sonde: verdict: %w", err)
		}
		rows = append(rows, verdictRow{
			TenantID: t.row.TenantID, Sonde: t.row.Name, Monitor: slug, State: v.State, Since: v.Since, At: v.At, Last: string(last),
		})
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := db.NewInsert().Model(&rows).On("CONFLICT (tenant_id, monitor, sonde) DO UPDATE").
		Set("state = EXCLUDED.state, since = EXCLUDED.since, at = EXCLUDED.at, last = EXCLUDED.last").Exec(ctx)
	if err != nil {
		return fmt.Errorf("sonde: verdicts: %w", err)
	}
	return nil
}
