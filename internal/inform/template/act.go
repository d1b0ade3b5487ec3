package template

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Versions lists the town's own versions of a text, the newest first.
func (r *Room) Versions(ctx context.Context, id string) ([]Version, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	out, err := r.versions(ctx, id)
	slices.Reverse(out)
	return out, err
}

// Write keeps a draft of the town's own words for one place of the grid: a new
// version, or the words of the draft that waits there. Whoever changes a draft
// becomes its author, so that nobody approves words of their own.
func (r *Room) Write(ctx context.Context, e Entry) (Version, error) {
	if err := mayWrite(ctx); err != nil {
		return Version{}, err
	}
	e, err := CheckOwn(e)
	if err != nil {
		return Version{}, err
	}
	var out Version
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		out, err = r.write(ctx, db, e)
		if err != nil {
			return err
		}
		return r.record(ctx, "template.drafted", out.ID, map[string]string{"version": strconv.Itoa(out.Version)})
	})
	return out, err
}

func (r *Room) write(ctx context.Context, db bun.IDB, e Entry) (Version, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Version{}, err
	}
	own, err := r.versions(ctx, e.ID)
	if err != nil {
		return Version{}, err
	}
	a, now := ident.ActorOf(ctx), r.o.Clock.Now()
	v := Version{Entry: e, State: OwnDraft, Author: a.Person, AuthorName: a.Name, CreatedAt: now, UpdatedAt: now}
	v.ApprovedBy, v.ReviewState, v.Version = "", unreviewed(e.Language), 1
	if shipped, ok := r.o.Shipped.Get(e.ID); ok {
		v.Version = shipped.Version + 1
	}
	for _, old := range own {
		if old.State == OwnDraft {
			v.Version, v.CreatedAt = old.Version, old.CreatedAt
			_, err := db.NewUpdate().Model(v.row(tenant)).WherePK().Where("tenant_id = ?", tenant).Where("state = ?", OwnDraft).Exec(ctx)
			if err != nil {
				return v, fmt.Errorf("template: write: %w", err)
			}
			return v, nil
		}
		v.Version = max(v.Version, old.Version+1)
	}
	if _, err := db.NewInsert().Model(v.row(tenant)).Exec(ctx); err != nil {
		return v, fmt.Errorf("template: write: %w", err)
	}
	return v, nil
}

// draft is the version that waits, if there is one.
func (r *Room) draft(ctx context.Context, id string) (Version, error) {
	own, err := r.versions(ctx, id, OwnDraft)
	if err != nil {
		return Version{}, err
	}
	if len(own) == 0 {
		if _, ok := r.o.Shipped.Get(id); !ok {
			return Version{}, ErrNotFound
		}
		return Version{}, ErrNoDraft
	}
	return own[0], nil
}

// Approve is the second person: the draft comes into use, the version before is
// replaced, and the wording counts as released beforehand (I3). version is the
// one that was read.
func (r *Room) Approve(ctx context.Context, id string, version int) (Version, error) {
	if err := mayRelease(ctx); err != nil {
		return Version{}, err
	}
	var out Version
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		v, err := r.draft(ctx, id)
		if err != nil {
			return err
		}
		if version != 0 && version != v.Version {
			return ErrNoDraft
		}
		a, now := ident.ActorOf(ctx), r.o.Clock.Now()
		if err := mayApprove(v, a.Person, true); err != nil {
			return err
		}
		if err := r.end(ctx, db, id, OwnApproved, OwnReplaced, now); err != nil {
			return err
		}
		v.State, v.Approver, v.ApprovedBy, v.ApprovedAt, v.UpdatedAt = OwnApproved, a.Person, a.Name, now, now
		tenant := ident.TenantOf(ctx)
		res, err := db.NewUpdate().Model(v.row(tenant)).WherePK().Where("tenant_id = ?", tenant).Where("state = ?", OwnDraft).Exec(ctx)
		if err != nil {
			return fmt.Errorf("template: approve: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return ErrNoDraft // somebody was faster
		}
		out = v
		if r.o.Said != nil {
			if _, err := r.o.Said.Release(ctx, id); err != nil {
				return err
			}
		}
		return r.record(ctx, "template.approved", id, map[string]string{"version": strconv.Itoa(v.Version), "author": v.AuthorName})
	})
	return out, err
}

// Release approves a text that is in use already, in its present wording, so
// that it may go out in a crisis as it stands. A text of the town's own was
// released when it was approved.
func (r *Room) Release(ctx context.Context, id string) error {
	if err := mayRelease(ctx); err != nil {
		return err
	}
	if r.o.Said == nil {
		return fault.New(fault.Unavailable, "template.no_release")
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		lib, err := r.Library(ctx)
		if err != nil {
			return err
		}
		if _, ok := lib.Get(id); !ok {
			return ErrNotFound
		}
		if own, err := r.versions(ctx, id, OwnApproved); err != nil || len(own) > 0 {
			return err
		}
		if _, err := r.o.Said.Release(ctx, id); err != nil {
			return err
		}
		return r.record(ctx, "template.released", id, nil)
	})
}

// end moves the version of a text that is in one state into a final one.
func (r *Room) end(ctx context.Context, db bun.IDB, id string, from, to OwnState, now time.Time) error {
	_, err := db.NewUpdate().Model((*textRow)(nil)).Set("state = ?", to).Set("ended_at = ?", now).
		Set("ended_name = ?", ident.ActorOf(ctx).Name).Where("tenant_id = ?", ident.TenantOf(ctx)).
		Where("id = ?", id).Where("state = ?", from).Exec(ctx)
	if err != nil {
		return fmt.Errorf("template: end: %w", err)
	}
	return nil
}

// Retire takes the town's own text out of use, so that the shipped one counts
// again, if there is one. What was published with it stays as it is.
func (r *Room) Retire(ctx context.Context, id string) error {
	return r.finish(ctx, id, OwnApproved, OwnRetired, ErrNothingOwn, "template.retired")
}

// Discard throws the draft away.
func (r *Room) Discard(ctx context.Context, id string) error {
	return r.finish(ctx, id, OwnDraft, OwnDiscarded, ErrNoDraft, "template.discarded")
}

func (r *Room) finish(ctx context.Context, id string, from, to OwnState, none error, action string) error {
	if err := mayWrite(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		own, err := r.versions(ctx, id, from)
		if err != nil {
			return err
		}
		if len(own) == 0 {
			return none
		}
		if err := r.end(ctx, db, id, from, to, r.o.Clock.Now()); err != nil {
			return err
		}
		return r.record(ctx, action, id, map[string]string{"version": strconv.Itoa(own[0].Version)})
	})
}

// Sign notes that a group of readers has read a text in Leichter Sprache in its
// present wording and understood it. From then on the text is no longer marked
// as unchecked; a new wording is again.
func (r *Room) Sign(ctx context.Context, id, group string) error {
	if err := mayWrite(ctx); err != nil {
		return err
	}
	group = shorten(storable(group), 200)
	if group == "" {
		return fault.New(fault.Invalid, "template.group_missing").Field("group", "template.group_missing")
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		lib, err := r.Library(ctx)
		if err != nil {
			return err
		}
		e, ok := lib.Get(id)
		if !ok {
			return ErrNotFound
		}
		if e.Language != LS {
			return ErrNotEasy
		}
		a := ident.ActorOf(ctx)
		row := &signatureRow{
			TenantID: ident.TenantOf(ctx), ID: id, Version: e.Version, Wording: Wording(e), Group: group,
			Person: a.Person, PersonName: a.Name, At: r.o.Clock.Now(),
		}
		_, err = db.NewInsert().Model(row).On("CONFLICT (tenant_id, id) DO UPDATE").
			Set("version = EXCLUDED.version").Set("wording = EXCLUDED.wording").Set("review_group = EXCLUDED.review_group").
			Set("person = EXCLUDED.person").Set("person_name = EXCLUDED.person_name").Set("at = EXCLUDED.at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("template: sign: %w", err)
		}
		return r.record(ctx, "template.signed", id, map[string]string{"group": group, "version": strconv.Itoa(e.Version)})
	})
}

// Rehearse notes that a text was gone through at the table today. Exercises
// note it by themselves.
func (r *Room) Rehearse(ctx context.Context, id string) error {
	if err := mayWrite(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		lib, err := r.Library(ctx)
		if err != nil {
			return err
		}
		if _, ok := lib.Get(id); !ok {
			return ErrNotFound
		}
		row := &rehearsalRow{TenantID: ident.TenantOf(ctx), ID: id, At: r.o.Clock.Now(), PersonName: ident.ActorOf(ctx).Name}
		_, err = db.NewInsert().Model(row).On("CONFLICT (tenant_id, id) DO UPDATE").
			Set("at = EXCLUDED.at").Set("person_name = EXCLUDED.person_name").Exec(ctx)
		if err != nil {
			return fmt.Errorf("template: rehearse: %w", err)
		}
		return r.record(ctx, "template.rehearsed", id, nil)
	})
}

// Export gives the texts that f takes, as they are in use.
func (r *Room) Export(ctx context.Context, f Filter) (Exchange, error) {
	list, err := r.Records(ctx, f)
	if err != nil {
		return Exchange{}, err
	}
	x := Exchange{ExportedAt: r.o.Clock.Now()}
	if r.o.Town != nil {
		t, err := r.o.Town.Current(ctx)
		if err != nil {
			return x, err
		}
		x.Town = t.Name
	}
	lib, err := r.Library(ctx)
	if err != nil {
		return x, err
	}
	for _, rec := range list {
		if _, inUse := lib.Get(rec.ID); inUse {
			x.Entries = append(x.Entries, rec.Entry)
		}
	}
	return x, nil
}

// Imported counts what an import did.
type Imported struct {
	Drafted []string // ids of the texts that wait as drafts now
	Same    int      // said what stands here already
}

// Import keeps every text of x that says something else than the one in use as
// a draft; all of them or none. Approving stays with this town's people.
func (r *Room) Import(ctx context.Context, x Exchange) (Imported, error) {
	if err := mayWrite(ctx); err != nil {
		return Imported{}, err
	}
	var out Imported
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		out = Imported{}
		lib, err := r.Library(ctx)
		if err != nil {
			return err
		}
		drafts, err := r.versions(ctx, everyText, OwnDraft)
		if err != nil {
			return err
		}
		waiting := make(map[cell]Entry, len(drafts))
		for _, d := range drafts {
			waiting[d.cell()] = d.Entry
		}
		for _, e := range x.Entries {
			if e, err = CheckOwn(e); err != nil {
				return err
			}
			have, ok := lib.Get(e.ID)
			w, waits := waiting[e.cell()]
			if (ok && !waits && sameWords(have, e)) || (waits && sameWords(w, e)) {
				out.Same++
				continue
			}
			if _, err := r.write(ctx, db, e); err != nil {
				return err
			}
			out.Drafted = append(out.Drafted, e.ID)
		}
		return r.record(ctx, "template.imported", shorten(x.Town, 100), map[string]string{
			"texts": strconv.Itoa(len(x.Entries)), "drafted": strconv.Itoa(len(out.Drafted)), "same": strconv.Itoa(out.Same),
		})
	})
	return out, err
}
