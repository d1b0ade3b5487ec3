package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Audit writes down who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Options configures [New].
type Options struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
	Hints *bus.Hints
	Audit Audit
	// People offers the addresses that may look after an audience, for the form.
	People func(ctx context.Context) ([]string, error)
	// Services names the services that tell an audience of their outages.
	Services func(ctx context.Context, slug string) ([]string, error)
}

// Room keeps the audiences.
type Room struct{ o Options }

// New makes the room.
func New(o Options) *Room { return &Room{o} }

type audienceRow struct {
	bun.BaseModel `bun:"table:plan_audience"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Slug          string       `bun:"slug,pk"`
	Kind          Kind         `bun:"kind"`
	Name          string       `bun:"name"`
	Declared      bool         `bun:"declared"`
	Body          string       `bun:"body"`
	UpdatedAt     time.Time    `bun:"updated_at"`
}

// Audiences lists them by name, with what the plan says of each.
func (r *Room) Audiences(ctx context.Context) ([]Audience, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []audienceRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Order("name", "slug").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("plan: list: %w", err)
	}
	v, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Audience, len(rows))
	for i, row := range rows {
		if out[i], err = row.audience(); err != nil {
			return nil, err
		}
		p, known := v.Document.Profiles[row.Slug]
		out[i] = out[i].with(p, known)
	}
	return out, nil
}

// raw are the audiences as they were entered, without the plan.
func (r *Room) raw(ctx context.Context) (map[string]Audience, error) {
	var rows []audienceRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("plan: list: %w", err)
	}
	out := map[string]Audience{}
	for _, row := range rows {
		if out[row.Slug], err = row.audience(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (row audienceRow) audience() (Audience, error) {
	var s Audience
	if err := json.Unmarshal([]byte(row.Body), &s); err != nil {
		return s, fmt.Errorf("plan: %s: %w", row.Slug, err)
	}
	return s, nil
}

// Audience is the one named slug.
func (r *Room) Audience(ctx context.Context, slug string) (Audience, error) {
	all, err := r.Audiences(ctx)
	if err != nil {
		return Audience{}, err
	}
	if i := slices.IndexFunc(all, func(a Audience) bool { return a.Slug == slug }); i >= 0 {
		return all[i], nil
	}
	return Audience{}, fault.New(fault.NotFound, "plan.not_found", slug)
}

// Create is [Room.Save] for an audience whose slug must be new.
func (r *Room) Create(ctx context.Context, s Audience) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if err := mayChange(ctx); err != nil {
			return err
		}
		_, err := r.Audience(ctx, s.Slug)
		switch {
		case err == nil:
			return fault.New(fault.Conflict, "plan.exists", s.Slug).Field("slug", "plan.slug_taken")
		case fault.KindOf(err) != fault.NotFound:
			return err
		}
		return r.Save(ctx, s)
	})
}

// mayChange is the right to create and change audiences.
func mayChange(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has("admin", "publisher") {
		return fault.New(fault.Forbidden, "plan.forbidden")
	}
	return nil
}

// mayRemove is the right to delete them.
func mayRemove(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has("admin") {
		return fault.New(fault.Forbidden, "plan.remove_forbidden")
	}
	return nil
}

// mayRead is the right to see the recipients' addresses; whoever only reads the
// console sees their number.
func mayRead(ctx context.Context) bool {
	return ident.ActorOf(ctx).Has("admin", "publisher", "approver", "it")
}

// Save creates or changes an audience. What is declared in the configuration is
// changed there.
func (r *Room) Save(ctx context.Context, s Audience) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		all, err := r.Audiences(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(o Audience) bool { return o.Slug == s.Slug && o.Declared }) {
			return fault.New(fault.Conflict, "plan.declared")
		}
		// The kind decides whether a second person reads first (I3): whoever
		// writes statements must not be the one who takes that away.
		loosens := slices.ContainsFunc(all, func(o Audience) bool { return o.Slug == s.Slug && o.Kind.FourEyes() && !s.Kind.FourEyes() })
		if loosens && !ident.ActorOf(ctx).Has("admin") {
			return fault.New(fault.Forbidden, "plan.kind_forbidden")
		}
		if err := s.Check(); err != nil {
			return err
		}
		s.Declared = false
		if err := r.put(ctx, s); err != nil {
			return err
		}
		now, err := r.current(ctx)
		if err != nil {
			return err
		}
		d := now.Document.clone()
		p := d.Profiles[s.Slug]
		p.Owner, p.Deputy, p.Every = s.Owner, s.Deputy, int(s.Cadence/time.Minute)
		d.Profiles[s.Slug] = p
		if _, err := r.keep(ctx, db, Profiles, s.Slug, d); err != nil {
			return err
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "plan.saved", Subject: "audience:" + s.Slug, Detail: map[string]string{"name": s.Name}})
	})
}

// Remove takes an audience that the console made out of the catalogue.
func (r *Room) Remove(ctx context.Context, slug string) error {
	if err := mayRemove(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		s, err := r.Audience(ctx, slug)
		if err != nil {
			return err
		}
		if s.Declared {
			return fault.New(fault.Conflict, "plan.declared")
		}
		if err := r.drop(ctx, slug); err != nil {
			return err
		}
		now, err := r.current(ctx)
		if err != nil {
			return err
		}
		d := now.Document.clone()
		delete(d.Profiles, slug)
		d.Matrix = slices.DeleteFunc(d.Matrix, func(c Cell) bool { return c.Audience == slug })
		if _, err := r.keep(ctx, db, Profiles, slug, d); err != nil {
			return err
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "plan.removed", Subject: "audience:" + slug, Detail: map[string]string{"name": s.Name}})
	})
}

// Declare makes the audiences follow the configuration: what it names is
// created or changed and becomes read-only, what it no longer names is removed.
// Audiences made in the console stay.
func (r *Room) Declare(ctx context.Context, ss []Audience) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		old, err := r.raw(ctx)
		if err != nil {
			return err
		}
		changed := false
		for _, s := range ss {
			s.Declared = true
			if before, ok := old[s.Slug]; !ok || !same(before, s) {
				changed = true
				if err := r.put(ctx, s); err != nil {
					return err
				}
				if err := r.o.Audit.Record(ctx, audit.Entry{Action: "plan.declared", Subject: "audience:" + s.Slug, Detail: map[string]string{"name": s.Name}}); err != nil {
					return err
				}
			}
			delete(old, s.Slug)
		}
		for slug, o := range old {
			if !o.Declared {
				continue
			}
			changed = true
			if err := r.drop(ctx, slug); err != nil {
				return err
			}
			if err := r.o.Audit.Record(ctx, audit.Entry{Action: "plan.removed", Subject: "audience:" + slug, Detail: map[string]string{"name": o.Name}}); err != nil {
				return err
			}
		}
		if !changed {
			return nil
		}
		now, err := r.current(ctx)
		if err == nil {
			_, err = r.keep(ctx, db, Profiles, "tuermer.yaml", now.Document)
		}
		return err
	})
}

func (r *Room) put(ctx context.Context, s Audience) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	row := audienceRow{
		TenantID: tenant, Slug: s.Slug, Name: s.Name, Kind: s.Kind,
		Declared: s.Declared, Body: string(body), UpdatedAt: r.o.Clock.Now(),
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, slug) DO UPDATE").
			Set("name = EXCLUDED.name").Set("kind = EXCLUDED.kind").
			Set("declared = EXCLUDED.declared").Set("body = EXCLUDED.body").Set("updated_at = EXCLUDED.updated_at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("plan: save: %w", err)
		}
		r.hint(ctx, tenant, s.Slug)
		return nil
	})
}

func (r *Room) drop(ctx context.Context, slug string) error {
	tenant := ident.TenantOf(ctx)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewDelete().Model((*audienceRow)(nil)).Where("tenant_id = ? AND slug = ?", tenant, slug).Exec(ctx); err != nil {
			return fmt.Errorf("plan: remove: %w", err)
		}
		r.hint(ctx, tenant, slug)
		return nil
	})
}

func (r *Room) hint(ctx context.Context, t ident.Tenant, slug string) {
	if r.o.Hints != nil {
		r.o.Store.AfterCommit(ctx, func() { r.o.Hints.Publish(bus.Hint{Tenant: t, Topic: "plan", ID: slug}) })
	}
}
