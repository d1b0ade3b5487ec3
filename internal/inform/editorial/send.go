package editorial

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/channel"
)

// How a post is sent: so many at a time, each belonging to one node for so
// long, and given up after so many tries.
const (
	batch    = 20
	lease    = time.Minute
	maxTries = 6
)

// pause before the n-th new try.
func pause(n int) time.Duration { return min(5*time.Second<<min(n, 10), 5*time.Minute) }

// sendDue sends what is due now and tells when the next one will be.
func (r *Room) sendDue(ctx context.Context, now time.Time) (time.Time, error) {
	ctx = ident.WithActor(ident.AcrossTenants(ctx), ident.System)
	if err := r.expire(ctx, now); err != nil {
		return time.Time{}, err
	}
	for ctx.Err() == nil {
		var rows []postRow
		err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Column("tenant_id", "id").
			Where("state = ? AND due_at <= ?", Scheduled, now).Where("retry_at IS NULL OR retry_at <= ?", now).
			Order("due_at", "id").Limit(batch).Scan(ctx)
		if err != nil {
			return time.Time{}, fmt.Errorf("editorial: due: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			if err := r.sendOne(ident.WithTenant(ctx, row.TenantID), row.ID); err != nil {
				return time.Time{}, err
			}
		}
	}
	var next postRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&next).Column("due_at", "retry_at").
		Where("state = ?", Scheduled).OrderExpr("coalesce(retry_at, due_at)").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("editorial: next: %w", err)
	}
	if next.RetryAt.IsZero() {
		return next.Due, nil
	}
	return next.RetryAt, nil
}

// sendOne takes a post that is due, unless a crisis was faster, hands it to its
// channel and writes down what became of it.
func (r *Room) sendOne(ctx context.Context, id ID) error {
	var p Post
	taken := false
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		taken = false
		if err := r.gate(ctx, db); err != nil {
			return err
		}
		now := r.o.Clock.Now()
		var err error
		if p, err = r.Get(ctx, id); err != nil {
			return err
		}
		if p.State != Scheduled || p.Due.After(now) || p.RetryAt.After(now) {
			return nil
		}
		crisis, err := r.crisis(ctx)
		if err != nil {
			return err
		}
		// A crisis that began otherwise than by raising the level, as when an
		// ended one was opened again, holds as well.
		if crisis != "" && p.Releaser.Name == "" {
			p.hold(crisis, now)
			if err := r.update(ctx, db, p); err != nil {
				return err
			}
			return r.wrote(ctx, p, "editorial.held", nil)
		}
		taken = true
		p.State, p.Attempts, p.RetryAt = Sending, p.Attempts+1, now.Add(lease)
		return r.update(ctx, db, p)
	})
	if err != nil || !taken {
		return err
	}
	out := r.o.Ways.Deliver(ctx, channel.Realm(p.Realm), channel.Post, []channel.Message{{
		ID: "post-" + string(p.ID), Kind: channel.Post, Class: channel.Bulk, Realm: channel.Realm(p.Realm), To: p.Account,
		Subject: short(p.Text), Text: p.Text, Date: r.o.Clock.Now(),
	}})[0]
	return r.settle(context.WithoutCancel(ctx), p, out)
}

// settle writes down what became of a post that was being sent.
func (r *Room) settle(ctx context.Context, p Post, out channel.Outcome) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := r.gate(ctx, db); err != nil {
			return err
		}
		now := r.o.Clock.Now()
		p.RetryAt = time.Time{}
		if out.Err == nil {
			p.State, p.PublishedAt, p.Reference, p.Reason = Published, now, out.Receipt.Reference, ""
			if err := r.update(ctx, db, p); err != nil {
				return err
			}
			return r.wrote(ctx, p, "editorial.published", nil)
		}
		f := channel.AsFailure(out.Err)
		if p.Reason = f.Reason; f.Permanent || p.Attempts >= maxTries {
			p.State = Failed
			if err := r.update(ctx, db, p); err != nil {
				return err
			}
			return r.wrote(ctx, p, "editorial.failed", nil)
		}
		return r.back(ctx, db, p, now.Add(max(f.RetryAfter, pause(p.Attempts))))
	})
}

// back puts a post that did not go out into the queue again, or under the hold
// of a crisis that began meanwhile.
func (r *Room) back(ctx context.Context, db bun.IDB, p Post, at time.Time) error {
	p.State, p.RetryAt = Scheduled, at
	crisis, err := r.crisis(ctx)
	if err != nil {
		return err
	}
	if crisis != "" && p.Releaser.Name == "" {
		p.hold(crisis, r.o.Clock.Now())
		p.RetryAt = time.Time{}
	}
	return r.update(ctx, db, p)
}

// expire takes up posts whose sender has died.
func (r *Room) expire(ctx context.Context, now time.Time) error {
	return r.abandoned(ctx, "state = ? AND retry_at <= ?", Sending, now)
}

// takeUp does the same at the start of the only sender, at once.
func (r *Room) takeUp(ctx context.Context) error {
	return r.abandoned(ident.WithActor(ctx, ident.System), "state = ?", Sending)
}

func (r *Room) abandoned(ctx context.Context, where string, args ...any) error {
	var rows []postRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Column("tenant_id", "id").Where(where, args...).Scan(ctx); err != nil {
		return fmt.Errorf("editorial: abandoned: %w", err)
	}
	for _, row := range rows {
		err := r.o.Store.InTx(ident.WithTenant(ctx, row.TenantID), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			if err := r.gate(ctx, db); err != nil {
				return err
			}
			p, err := r.Get(ctx, row.ID)
			if err != nil || p.State != Sending {
				return err
			}
			return r.back(ctx, db, p, r.o.Clock.Now())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var _ incident.CrisisHook = (*Room)(nil)
