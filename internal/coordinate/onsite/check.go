package onsite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Check notes that somebody showed a document. The journal says what for, with
// what result and until when the details are kept, and no name.
func (r *Room) Check(ctx context.Context, s Showing) (Check, error) {
	if !MayReport(ctx) {
		return Check{}, ErrForbidden
	}
	s, err := s.tidy()
	if err != nil {
		return Check{}, err
	}
	if s.Incident, err = r.heir(ctx, s.Incident); err != nil {
		return Check{}, err
	}
	now, actor := r.o.Clock.Now(), ident.ActorOf(ctx)
	row := checkRow{
		TenantID: ident.TenantOf(ctx), ID: CheckID(ident.NewID(now)), Incident: s.Incident, At: now, Until: until(now, s.Hours),
		Person: actor.Person, ByName: actor.Name, Purpose: s.Purpose, Outcome: s.Outcome, HasCopy: len(s.Copy) > 0,
	}
	picture, err := r.copy(ctx, s, row)
	if err != nil {
		return Check{}, err
	}
	data, sealed, err := r.hide(row.TenantID, row.ID, s.Held, picture)
	if err != nil {
		return Check{}, err
	}
	// The key goes with the name: it was made of it.
	key := once(ctx, s.Key, s.Incident, s.Held, s.Purpose, s.Outcome, s.Hours, sha256.Sum256(s.Copy))
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if before, err := r.noted(ctx, db, key); err != nil || before != nil {
			if before != nil {
				row = *before
			}
			return err
		}
		if row.HasCopy {
			// Asked once more where nobody can change it in between.
			if c, err := r.copies(ctx, db); err != nil || !c.Allowed {
				return errors.Join(err, ErrNoCopies)
			}
		}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("onsite: check: %w", err)
		}
		f := fleetingRow{TenantID: row.TenantID, Check: row.ID, Until: row.Until, Data: data, Picture: sealed, Key: key}
		if _, err := db.NewInsert().Model(&f).Exec(ctx); err != nil {
			return fmt.Errorf("onsite: check: %w", err)
		}
		l := r.o.Locale(ctx)
		word := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
		entry := "onsite.entry_check"
		if row.HasCopy {
			entry = "onsite.entry_check_copy"
		}
		text := word(entry, word("onsite.purpose_"+string(row.Purpose)), word("onsite.outcome_"+string(row.Outcome)), l.Stand(row.Until))
		r.hint(ctx, row.TenantID, s.Incident)
		r.o.Store.AfterCommit(ctx, r.sweeper.Kick)
		return r.o.Incidents.Record(ctx, s.Incident, "onsite", text, string(row.ID))
	})
	if store.UniqueViolation(err) { // pressed twice at once, and the other was faster
		if before, lost := r.noted(ctx, r.o.Store.Read(ctx), key); lost == nil && before != nil {
			row, err = *before, nil
		}
	}
	if err != nil {
		return Check{}, err
	}
	c := row.check()
	c.Held = &s.Held // the same, where it was sent before: the key is made of it
	return c, nil
}

// noted is the check that was made of the same before, as long as it is held.
func (r *Room) noted(ctx context.Context, db bun.IDB, key string) (*checkRow, error) {
	if key == "" {
		return nil, nil
	}
	var rows []checkRow
	tenant := ident.TenantOf(ctx)
	ids := db.NewSelect().Model((*fleetingRow)(nil)).Column("check_id").Where("tenant_id = ?", tenant).Where("sent_key = ?", key)
	err := db.NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Where("id IN (?)", ids).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("onsite: check: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return &rows[0], nil
}

// copy makes the marked picture of a document, where the town allows it.
func (r *Room) copy(ctx context.Context, s Showing, row checkRow) ([]byte, error) {
	if len(s.Copy) == 0 {
		return nil, nil
	}
	c, err := r.Copies(ctx)
	if err != nil {
		return nil, err
	}
	if !c.Allowed {
		return nil, ErrNoCopies.Field("copy", "onsite.no_copies")
	}
	town, err := r.o.Town.Current(ctx)
	if err != nil {
		return nil, err
	}
	l := r.o.Locale(ctx)
	mark := r.say(ctx, "onsite.mark", r.say(ctx, "onsite.purpose_"+string(s.Purpose)), town.Name, l.Stand(row.Until))
	p, err := r.photo(ctx, s.Copy, mark)
	if f := fault.As(err); err != nil && f.Fields["photo"] != "" {
		return nil, fault.New(f.Kind, "onsite.copy_unread").Field("copy", "onsite.copy_unread")
	}
	if err != nil {
		return nil, err
	}
	return p.JPEG, nil
}

// Checks lists checks, the newest first, with what leads to the person where it is
// still there and the reader is who checked, or an administrator.
func (r *Room) Checks(ctx context.Context, f Filter) ([]Check, error) {
	var rows []checkRow
	err := f.on(r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx))).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("onsite: checks: %w", err)
	}
	out, now := make([]Check, len(rows)), r.o.Clock.Now()
	for i, row := range rows {
		out[i] = row.check()
		if !maySee(ctx, out[i]) || out[i].Gone(now) {
			continue
		}
		held, err := r.fleeting(ctx, row.ID)
		if errors.Is(err, ErrGone) {
			continue // it came out of a backup, which has none of it
		}
		if err != nil {
			return nil, err
		}
		if out[i].Held, err = r.show(row.TenantID, held); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// maySee reports whether what leads to the person is for whoever is in ctx.
func maySee(ctx context.Context, c Check) bool {
	me := ident.ActorOf(ctx).Person
	return isAdmin(ctx) || MayReport(ctx) && me != "" && me == c.Person
}

func (r *Room) check(ctx context.Context, id CheckID) (Check, error) {
	var rows []checkRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Where("id = ?", id).Scan(ctx)
	if err != nil {
		return Check{}, fmt.Errorf("onsite: check: %w", err)
	}
	if len(rows) == 0 {
		return Check{}, ErrNoCheck
	}
	return rows[0].check(), nil
}

// fleeting is what leads to the person; [ErrGone] where it is not there.
func (r *Room) fleeting(ctx context.Context, id CheckID) (fleetingRow, error) {
	var row fleetingRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ?", ident.TenantOf(ctx)).Where("check_id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return row, ErrGone
	}
	if err != nil {
		return row, fmt.Errorf("onsite: check: %w", err)
	}
	return row, nil
}

// Copy is the marked picture of a document, a JPEG, for who checked it and for
// administrators, as long as its time is not over.
func (r *Room) Copy(ctx context.Context, id CheckID) ([]byte, error) {
	c, err := r.check(ctx, id)
	if err != nil {
		return nil, err
	}
	if !maySee(ctx, c) {
		return nil, ErrNotYours
	}
	if !c.HasCopy || c.Gone(r.o.Clock.Now()) {
		return nil, ErrGone
	}
	row, err := r.fleeting(ctx, id)
	if err != nil {
		return nil, err
	}
	data, err := r.o.Vault.Open(purpose("copy", row.TenantID, string(id)), row.Picture)
	if err != nil {
		return nil, fmt.Errorf("onsite: copy %s: %w", id, err)
	}
	return data, nil
}

// Forget deletes what leads to the person before its time, because nobody needs
// it any more. Once gone, nothing happens.
func (r *Room) Forget(ctx context.Context, id CheckID) error {
	if !MayReport(ctx) {
		return ErrForbidden
	}
	c, err := r.check(ctx, id)
	if err != nil {
		return err
	}
	if !maySee(ctx, c) {
		return ErrNotYours
	}
	return r.drop(ctx, c, Done)
}

// drop deletes what leads to the person and keeps the proof, in one transaction.
func (r *Room) drop(ctx context.Context, c Check, why GoneWhy) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
		if _, err := db.NewDelete().Model((*fleetingRow)(nil)).Where("tenant_id = ?", tenant).Where("check_id = ?", c.ID).Exec(ctx); err != nil {
			return fmt.Errorf("onsite: delete: %w", err)
		}
		res, err := db.NewUpdate().Model((*checkRow)(nil)).Set("gone_at = ?", now).Set("gone_why = ?", why).
			Where("tenant_id = ?", tenant).Where("id = ?", c.ID).Where("gone_at IS NULL").Exec(ctx)
		if err != nil {
			return fmt.Errorf("onsite: delete: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // it was gone already
		}
		r.hint(ctx, tenant, c.Incident)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "onsite.identity_deleted", Subject: string(c.ID), Detail: map[string]string{
			"why": string(why), "purpose": string(c.Purpose), "kept": now.Sub(c.At).Round(time.Second).String(),
		}})
	})
}

// Sweep deletes what is due, in all towns, and says when the next is.
func (r *Room) Sweep(ctx context.Context, now time.Time) (time.Time, error) {
	for {
		var due []checkRow
		err := r.o.Store.Read(ctx).NewSelect().Model(&due).Where("gone_at IS NULL").Where("until_at <= ?", now).Order("until_at").Limit(200).Scan(ident.AcrossTenants(ctx))
		if err != nil {
			return time.Time{}, fmt.Errorf("onsite: due: %w", err)
		}
		for _, row := range due {
			mine := ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System)
			if err := r.drop(mine, row.check(), Expired); err != nil {
				return time.Time{}, err
			}
		}
		if len(due) < 200 {
			break
		}
	}
	var next []checkRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&next).Where("gone_at IS NULL").Order("until_at").Limit(1).Scan(ident.AcrossTenants(ctx))
	if err != nil || len(next) == 0 {
		return time.Time{}, err
	}
	return next[0].Until, nil
}

// Copies says whether the town allows copies, since when and why.
func (r *Room) Copies(ctx context.Context) (Copies, error) { return r.copies(ctx, r.o.Store.Read(ctx)) }

func (r *Room) copies(ctx context.Context, db bun.IDB) (Copies, error) {
	var rows []copiesRow
	err := db.NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Scan(ctx)
	if err != nil || len(rows) == 0 {
		return Copies{}, err
	}
	return Copies{rows[0].Allowed, rows[0].Reason, rows[0].ByName, rows[0].At.UTC()}, nil
}

// AllowCopies says whether copies are allowed from now on; only administrators
// may, and to allow them needs a reason. Copies that there are stay until their
// time is over.
func (r *Room) AllowCopies(ctx context.Context, allowed bool, reason string) error {
	if !isAdmin(ctx) {
		return ErrOnlyAdmin
	}
	if reason = line(reason, maxPlace); allowed && reason == "" {
		return ErrNoReason.Field("reason", "onsite.reason_missing")
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row := copiesRow{TenantID: ident.TenantOf(ctx), Allowed: allowed, Reason: reason, ByName: ident.ActorOf(ctx).Name, At: r.o.Clock.Now()}
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id) DO UPDATE").Set("allowed = EXCLUDED.allowed").Set("reason = EXCLUDED.reason").
			Set("by_name = EXCLUDED.by_name").Set("at = EXCLUDED.at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("onsite: copies: %w", err)
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "onsite.copies_decided", Subject: "copies", Detail: map[string]string{
			"allowed": strconv.FormatBool(allowed), "reason": reason,
		}})
	})
}
