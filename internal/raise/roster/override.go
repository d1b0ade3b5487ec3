package roster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Limits of what people write.
const (
	maxNote = 300
	maxSpan = 100 * 24 * time.Hour
)

// Cover puts somebody on duty for a while, or nobody (an empty person). The
// roster's lead may, and whoever belongs to the roster may take a gap over.
func (r *Room) Cover(ctx context.Context, o Override) (Override, error) {
	ro, err := r.Get(ctx, o.Roster)
	if err != nil {
		return o, err
	}
	if err := r.mayCover(ctx, ro, o); err != nil {
		return o, err
	}
	people, err := r.crew(ctx)
	if err != nil {
		return o, err
	}
	bad := fault.New(fault.Invalid, "roster.invalid_cover")
	switch why, fit := people.fit(o.Person); {
	case o.Line < 0 || o.Line >= len(ro.Plan.Lines):
		return o, bad.Field("line", "roster.bad_line")
	case !o.From.Before(o.To) || o.To.Sub(o.From) > maxSpan:
		return o, bad.Field("until", "roster.bad_until")
	case !o.To.After(r.o.Clock.Now()):
		return o, bad.Field("until", "roster.is_over")
	case o.Person != "" && !fit && why == Blocked:
		return o, bad.Field("person", "roster.is_blocked")
	case o.Person != "" && !fit:
		return o, bad.Field("person", "roster.is_unknown")
	case utf8.RuneCountInString(o.Note) > maxNote:
		return o, bad.Field("note", "roster.long_note")
	}
	o.Swap, o.UndoneAt, o.UndoneBy = "", time.Time{}, ""
	err = r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if o, err = r.lay(ctx, o); err != nil {
			return err
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.covered", Subject: "roster:" + ro.Slug, Detail: map[string]string{
			"person": o.Person, "from": stampOf(o.From), "to": stampOf(o.To),
		}})
	})
	return o, err
}

func (r *Room) mayCover(ctx context.Context, ro Roster, o Override) error {
	err := r.mayLead(ctx, ro)
	if err == nil {
		return nil
	}
	me, merr := r.me(ctx)
	if merr != nil || me == "" || me != o.Person || !belongs(ro, me) || !o.From.Before(o.To) || o.To.Sub(o.From) > maxSpan {
		return err
	}
	// Time that somebody holds is swapped, not taken.
	v, lerr := r.look(ctx, ro, o.From, o.To)
	if lerr != nil {
		return lerr
	}
	for _, s := range v.shifts {
		if _, fit := v.crew.fit(s.Person); fit && s.Line == o.Line {
			return err
		}
	}
	return nil
}

// belongs reports whether somebody takes turns in a roster.
func belongs(ro Roster, mail string) bool {
	return slices.Contains(ro.Plan.people(), mail)
}

// lay stores an override as the newest.
func (r *Room) lay(ctx context.Context, o Override) (Override, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return o, err
	}
	now := r.o.Clock.Now()
	o.ID, o.At, o.ByName = ident.NewID(now), now, ident.ActorOf(ctx).Name
	o.Note = strings.TrimSpace(o.Note)
	row := overrideRow{
		TenantID: tenant, ID: o.ID, Roster: o.Roster, Line: o.Line, FromAt: o.From, ToAt: o.To, Person: o.Person, Note: o.Note, Swap: o.Swap,
		ByName: o.ByName, MadeAt: o.At,
	}
	return o, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("roster: override: %w", err)
		}
		r.changed(ctx, tenant, o.Roster)
		return nil
	})
}

// Undo takes an override back; what is over stays as it was. With a swap both of
// its halves go.
func (r *Room) Undo(ctx context.Context, slug, id string) error {
	ro, err := r.Get(ctx, slug)
	if err != nil {
		return err
	}
	if err := r.mayLead(ctx, ro); err != nil {
		return err
	}
	tenant, now, who := ident.TenantOf(ctx), r.o.Clock.Now(), ident.ActorOf(ctx).Name
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var row overrideRow
		err := db.NewSelect().Model(&row).Where("tenant_id = ? AND roster = ? AND id = ?", tenant, slug, id).Scan(ctx)
		if store.NotFound(err) {
			return fault.New(fault.NotFound, "roster.no_override")
		}
		if err != nil {
			return fmt.Errorf("roster: override: %w", err)
		}
		q := db.NewUpdate().Model((*overrideRow)(nil)).Set("undone_at = ?", now).Set("undone_by = ?", who).
			Where("tenant_id = ? AND roster = ? AND undone_at IS NULL AND from_at > ?", tenant, slug, now)
		if row.Swap != "" {
			q = q.Where("swap = ?", row.Swap)
		} else {
			q = q.Where("id = ?", id)
		}
		res, err := q.Exec(ctx)
		if err != nil {
			return fmt.Errorf("roster: undo: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return fmt.Errorf("roster: undo: %w", err)
		}
		if want := int64(1); row.Swap != "" {
			var halves int64
			if halves, err = db.NewSelect().Model((*overrideRow)(nil)).Where("tenant_id = ? AND swap = ?", tenant, row.Swap).Count(ctx); err != nil {
				return fmt.Errorf("roster: undo: %w", err)
			}
			if want = halves; n != want {
				return fault.New(fault.Conflict, "roster.begun")
			}
			if _, err := db.NewUpdate().Model((*swapRow)(nil)).Set("state = ?", Undone).Set("answered_at = ?", now).Set("answered_by = ?", who).
				Where("tenant_id = ? AND id = ?", tenant, row.Swap).Exec(ctx); err != nil {
				return fmt.Errorf("roster: undo: %w", err)
			}
		} else if n == 0 && row.UndoneAt.IsZero() && row.ToAt.After(now) {
			// It has begun: what was stays, and it ends now.
			if _, err := db.NewUpdate().Model((*overrideRow)(nil)).Set("to_at = ?", now).Where("tenant_id = ? AND id = ? AND from_at < ?", tenant, id, now).Exec(ctx); err != nil {
				return fmt.Errorf("roster: undo: %w", err)
			}
		} else if n != want {
			return fault.New(fault.Conflict, "roster.begun")
		}
		r.changed(ctx, tenant, slug)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.undone", Subject: "roster:" + slug, Detail: map[string]string{"override": id}})
	})
}

// Overrides are the newest of a roster, those taken back too.
func (r *Room) Overrides(ctx context.Context, slug string, limit int) ([]Override, error) {
	var rows []overrideRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND roster = ?", ident.TenantOf(ctx), slug).Order("id DESC").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: overrides: %w", err)
	}
	out := make([]Override, len(rows))
	for i, row := range rows {
		out[i] = row.override()
	}
	return out, nil
}

func stampOf(t time.Time) string { return t.UTC().Format(time.RFC3339) }
