package intake

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Some systems tell of trouble again and again, and never that it is over. Whoever
// runs one may let Türmer conclude it: what has said nothing for so long counts as
// over, and is told as concluded. It is off unless somebody turns it on, for a
// system that says a thing only once would lose its alarm by it.

// Bounds of [Source.ResolveAfter]; zero means never.
const (
	MinResolveAfter = 2 * time.Minute
	MaxResolveAfter = 31 * 24 * time.Hour
)

// lapses reports whether silence of a source may mean an end. Where a job has to
// report by itself, its silence means the opposite.
func (f Format) lapses() bool { return f != Healthchecks }

// lapseAtOnce is how many ends share a transaction.
const lapseAtOnce = 500

// quieten notes that this node listens, and ends what has been silent for long.
func (r *Room) quieten(ctx context.Context, now time.Time) (next time.Time, err error) {
	ctx = ident.WithActor(ctx, ident.System)
	var rows []sourceRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("revoked_at IS NULL AND resolve_after > 0").Order("tenant_id", "name").Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return next, fmt.Errorf("intake: quiet: %w", err)
	}
	if len(rows) == 0 {
		return next, nil // [Room.Add] and [Room.Change] begin the count
	}
	var towns []ident.Tenant
	for _, row := range rows { // in order of their towns
		if n := len(towns); n == 0 || towns[n-1] != row.TenantID {
			towns = append(towns, row.TenantID)
		}
	}
	heard, err := r.beat(ctx, towns, now)
	if err != nil {
		return next, err
	}
	for _, row := range rows {
		for {
			n, err := r.lapse(ident.WithTenant(ctx, row.TenantID), row.Name, heard[row.TenantID])
			if err != nil {
				return next, err
			}
			if n < lapseAtOnce {
				break
			}
		}
	}
	return now.Add(beatEvery), nil
}

// lapse ends what a source has not spoken of for as long as agreed, and answers how
// many things it looked at. Everything is read again inside the transaction.
func (r *Room) lapse(ctx context.Context, name string, heard listening) (n int, err error) {
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		n = 0
		row, err := r.get(ctx, db, name)
		if err != nil {
			return err
		}
		heard, ok, err := r.clear(ctx, db, row, heard)
		if err != nil || !ok {
			return err
		}
		after := time.Duration(row.ResolveAfter) * time.Second
		before, ok := heard.silentFor(after)
		if !ok {
			return nil
		}
		// What an earlier source of the same name has raised is none of this one's.
		all, err := r.o.Signals.Unheard(ctx, keyOf(name, ""), when(row.CreatedAt), before, lapseAtOnce)
		if err != nil || len(all) == 0 {
			return err
		}
		n = len(all)
		l := r.o.Locale(ctx)
		l.Now = r.o.Clock.Now()
		for i, s := range all {
			s.State, s.Since, s.ID, s.Seq = signal.Resolved, time.Time{}, "", 0
			s.Detail = l.Catalog.Text(l.Lang, "intake.lapsed", l.Span(after), l.Short(s.QuietSince))
			s.QuietSince = before
			all[i] = s
		}
		r.hint(ctx, name)
		return r.o.Signals.RecordAll(ctx, all)
	})
	return n, err
}

// clear says when a source could have been heard, and false where nobody can tell:
// while it is silent altogether, while something of it is not understood or refused,
// and while its mailbox cannot be read, doubt ends nothing (I20).
func (r *Room) clear(ctx context.Context, db bun.IDB, row sourceRow, heard listening) (listening, bool, error) {
	if row.ResolveAfter == 0 || !row.RevokedAt.IsZero() || row.Silent || !row.UnreadAt.IsZero() || !row.RefusedAt.IsZero() {
		return heard, false, nil
	}
	heard.Since = latest(heard.Since, when(row.CreatedAt), when(row.QuietFrom))
	if row.Format != Mail {
		return heard, true, nil
	}
	box, err := r.box(ctx, db, row.Name)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return heard, true, nil
	}
	if err != nil || box.Problem != "" || box.LookedAt.IsZero() || box.Channel != "" {
		return heard, false, err
	}
	return heard.both(listening{Until: when(box.LookedAt)}), true, nil
}

// mentioned are what the notes among the bodies are about, of sources whose silence
// counts: a comment on it says that it is not forgotten there.
func mentioned(batch []*kept, sources map[sourceOf]sourceRow, again map[*kept]bool) map[ident.Tenant][]string {
	out := map[ident.Tenant][]string{}
	for _, k := range batch {
		if again[k] || sources[k.source()].ResolveAfter == 0 {
			continue
		}
		for _, rep := range k.reports {
			if rep.Note {
				out[k.from.TenantID] = append(out[k.from.TenantID], keyOf(k.from.Name, rep.Key))
			}
		}
	}
	return out
}
