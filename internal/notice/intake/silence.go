package intake

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// KeepBodies is how long what came is kept after it came last.
const KeepBodies = 30 * 24 * time.Hour

// unreadFor is after how long without a further one that something was not
// understood is over.
const unreadFor = 24 * time.Hour

const (
	// lookEvery is how often we look at least: what another node or a command has
	// added kicks nobody here.
	lookEvery = 5 * time.Minute
	// forgetEvery is how often old bodies are dropped.
	forgetEvery = time.Hour
)

// about is what can be wrong with a source itself.
type about string

const (
	aboutSilence about = "silent"
	aboutReading about = "unread"
	aboutMailbox about = "mailbox"
	// aboutSignature: something came without the signature that it owes.
	aboutSignature about = "unsigned"
)

// tell raises or ends what is wrong with a source itself. Key and episode are
// those of the source's room and never those of something that it reports.
func (r *Room) tell(ctx context.Context, row sourceRow, what about, state signal.State) error {
	if state == signal.Resolved {
		return r.tellAs(ctx, row, what, state, "_over", "")
	}
	return r.tellAs(ctx, row, what, state, "", "_detail")
}

// tellAs does so with texts of which title and detail are the ends; without the latter
// there is none.
func (r *Room) tellAs(ctx context.Context, row sourceRow, what about, state signal.State, title, detail string) error {
	l := r.o.Locale(ctx)
	say := func(end string) string {
		return l.Catalog.Text(l.Lang, "intake.signal_"+string(what)+end, row.Title)
	}
	s := signal.Signal{
		Source: signal.Intake, Key: "source:" + row.Name + ":" + string(what), State: state, Severity: signal.Warning,
		Title: say(title),
	}
	if what == aboutSilence || what == aboutMailbox {
		s.Severity = signal.Critical // what it watched, nobody watches now
	}
	if detail != "" {
		s.Detail = say(detail)
	}
	_, err := r.o.Signals.Record(ctx, s)
	return err
}

// quiet ends what was wrong with a source.
func (r *Room) quiet(ctx context.Context, row sourceRow) error {
	if row.Silent {
		if err := r.tell(ctx, row, aboutSilence, signal.Resolved); err != nil {
			return err
		}
	}
	if !row.RefusedAt.IsZero() {
		if err := r.tell(ctx, row, aboutSignature, signal.Resolved); err != nil {
			return err
		}
	}
	if !row.UnreadAt.IsZero() {
		return r.tell(ctx, row, aboutReading, signal.Resolved)
	}
	return nil
}

// due is when the source will count as silent; zero: never. A word a day comes a little
// later than yesterday's on every other day, so that a forty-eighth of the rhythm is
// waited for.
//
// What came while nobody was here to hear it is unknown, so the count begins anew with
// the program. But where that is started every night it would never end: two rhythms
// after the last word it is over, if half of one was listened to.
func due(row sourceRow, started time.Time) time.Time {
	if row.Rhythm == 0 || !row.RevokedAt.IsZero() {
		return time.Time{}
	}
	from := row.HeardAt
	if from.IsZero() {
		from = row.CreatedAt
	}
	rhythm := time.Duration(row.Rhythm) * time.Second
	waited := rhythm + rhythm/48
	if !from.Before(started) {
		return from.Add(waited)
	}
	at := from.Add(waited + rhythm)
	if half := started.Add(rhythm / 2); at.Before(half) {
		at = half
	}
	return earlier(at, started.Add(waited))
}

// sweep finds sources that have fallen silent and forgets old bodies.
func (r *Room) sweep(ctx context.Context, now time.Time) (next time.Time, err error) {
	ctx = ident.WithActor(ctx, ident.System)
	var rows []sourceRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("revoked_at IS NULL").Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return next, fmt.Errorf("intake: silence: %w", err)
	}
	for _, row := range rows {
		ctx := ident.WithTenant(ctx, row.TenantID)
		at := due(row, r.started)
		if !row.Silent && !at.IsZero() {
			if at.After(now) {
				next = earlier(next, at)
			} else if err := r.change(ctx, row.Name, func(row *sourceRow) (about, signal.State, bool) {
				fell := !row.Silent && !due(*row, r.started).After(now)
				row.Silent = row.Silent || fell
				return aboutSilence, signal.Firing, fell
			}); err != nil {
				return next, err
			}
		}
		if over := row.RefusedAt.Add(unreadFor); !row.RefusedAt.IsZero() && over.After(now) {
			next = earlier(next, over)
		} else if !row.RefusedAt.IsZero() {
			if err := r.change(ctx, row.Name, func(row *sourceRow) (about, signal.State, bool) {
				over := !row.RefusedAt.IsZero() && !row.RefusedAt.Add(unreadFor).After(now)
				if over {
					row.Refused, row.RefusedAt, row.QuietFrom = 0, time.Time{}, now
				}
				return aboutSignature, signal.Resolved, over
			}); err != nil {
				return next, err
			}
		}
		if row.UnreadAt.IsZero() {
			continue
		}
		if over := row.UnreadAt.Add(unreadFor); over.After(now) {
			next = earlier(next, over)
		} else if err := r.change(ctx, row.Name, func(row *sourceRow) (about, signal.State, bool) {
			over := !row.UnreadAt.IsZero() && !row.UnreadAt.Add(unreadFor).After(now)
			if over {
				row.UnreadAt, row.QuietFrom = time.Time{}, now
			}
			return aboutReading, signal.Resolved, over
		}); err != nil {
			return next, err
		}
	}
	over, err := r.outagesOver(ctx, now)
	if err != nil {
		return next, err
	}
	if !over.IsZero() {
		next = earlier(next, over)
	}
	return next, r.forget(ctx, now)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// change reads a source again inside a transaction and tells what do made of it.
func (r *Room) change(ctx context.Context, name string, do func(*sourceRow) (about, signal.State, bool)) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := r.get(ctx, db, name)
		if err != nil || !row.RevokedAt.IsZero() {
			return err
		}
		from := row.QuietFrom
		what, state, changed := do(&row)
		if !changed {
			return nil
		}
		columns := []string{"silent", "unread_at", "refused", "refused_at"}
		if !row.QuietFrom.Equal(from) {
			columns = append(columns, "quiet_from")
		}
		if err := r.put(ctx, db, row, columns...); err != nil {
			return err
		}
		r.hint(ctx, name)
		return r.tell(ctx, row, what, state)
	})
}

// forget drops bodies that nobody will ask for any more.
func (r *Room) forget(ctx context.Context, now time.Time) error {
	if last := time.Unix(r.forgotAt.Load(), 0); now.Sub(last) < forgetEvery {
		return nil
	}
	return r.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewDelete().Model((*bodyRow)(nil)).Where("last_at < ?", now.Add(-KeepBodies)).Exec(ctx); err != nil {
			return fmt.Errorf("intake: forget: %w", err)
		}
		if _, err := db.NewDelete().Model((*outageRow)(nil)).Where("over AND at < ?", now.Add(-KeepBodies)).Exec(ctx); err != nil {
			return fmt.Errorf("intake: forget: %w", err)
		}
		if _, err := db.NewDelete().Model((*letterRow)(nil)).Where("at < ?", now.Add(-KeepLetters)).Exec(ctx); err != nil {
			return fmt.Errorf("intake: forget: %w", err)
		}
		r.o.Store.AfterCommit(ctx, func() { r.forgotAt.Store(now.Unix()) })
		return nil
	})
}
