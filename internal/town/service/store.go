package service

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
	"tuermer/internal/platform/web"
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
	// People offers the addresses that may own a service, for the form.
	People func(ctx context.Context) ([]string, error)
	// Audiences offers the audiences that may hear of it, slug and name.
	Audiences func(ctx context.Context) ([][2]string, error)
	// States tells how the services stand, by slug; one that is missing is
	// watched by nothing. Nil: nobody knows.
	States func(ctx context.Context) (map[string]web.State, error)
	// Watchers counts the monitors that watch a service.
	Watchers func(ctx context.Context, slug string) (int, error)
	// Forms are the name with its article in nominative, dative and accusative;
	// nil: a plain rule.
	Forms func(s Service) (nominative, dative, accusative string)
}

// Room keeps the catalogue.
type Room struct{ o Options }

// New makes the room.
func New(o Options) *Room { return &Room{o} }

type entryRow struct {
	bun.BaseModel `bun:"table:service_entry"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Slug          string       `bun:"slug,pk"`
	Name          string       `bun:"name"`
	Public        bool         `bun:"public"`
	Position      int          `bun:"position"`
	Declared      bool         `bun:"declared"`
	Body          string       `bun:"body"`
	UpdatedAt     time.Time    `bun:"updated_at"`
}

// List is the whole catalogue in the order of the public page.
func (r *Room) List(ctx context.Context) ([]Service, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []entryRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Order("position", "name", "slug").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("service: list: %w", err)
	}
	out := make([]Service, len(rows))
	for i, row := range rows {
		if out[i], err = row.service(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (row entryRow) service() (Service, error) {
	var s Service
	if err := json.Unmarshal([]byte(row.Body), &s); err != nil {
		return s, fmt.Errorf("service: %s: %w", row.Slug, err)
	}
	return s, nil
}

// Get is the service named slug.
func (r *Room) Get(ctx context.Context, slug string) (Service, error) {
	var row entryRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND slug = ?", ident.TenantOf(ctx), slug).Scan(ctx)
	if store.NotFound(err) {
		return Service{}, fault.New(fault.NotFound, "service.not_found", slug)
	}
	if err != nil {
		return Service{}, fmt.Errorf("service: get: %w", err)
	}
	return row.service()
}

// Create is [Room.Save] for a service whose slug must be new.
func (r *Room) Create(ctx context.Context, s Service) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if err := mayChange(ctx); err != nil {
			return err
		}
		_, err := r.Get(ctx, s.Slug)
		switch {
		case err == nil:
			return fault.New(fault.Conflict, "service.exists", s.Slug).Field("slug", "service.slug_taken")
		case fault.KindOf(err) != fault.NotFound:
			return err
		}
		return r.Save(ctx, s)
	})
}

// mayChange is the right to create and change services.
func mayChange(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has("admin", "it") {
		return fault.New(fault.Forbidden, "service.forbidden")
	}
	return nil
}

// mayRemove is the right to delete services.
func mayRemove(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has("admin") {
		return fault.New(fault.Forbidden, "service.remove_forbidden")
	}
	return nil
}

// Save creates or changes a service. What is declared in the configuration is
// changed there.
func (r *Room) Save(ctx context.Context, s Service) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		all, err := r.List(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(o Service) bool { return o.Slug == s.Slug && o.Declared }) {
			return fault.New(fault.Conflict, "service.declared")
		}
		if err := s.Check(all); err != nil {
			return err
		}
		s.Declared = false
		i := slices.IndexFunc(all, func(o Service) bool { return o.Slug == s.Slug })
		var old Service
		if i >= 0 {
			old = all[i]
		}
		s = s.worded(ctx, old, i >= 0, r.o.Clock.Now())
		if err := r.put(ctx, s); err != nil {
			return err
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "service.saved", Subject: "service:" + s.Slug, Detail: map[string]string{"name": s.Name}})
	})
}

// Remove takes a service that the console made out of the catalogue.
func (r *Room) Remove(ctx context.Context, slug string) error {
	if err := mayRemove(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		s, err := r.Get(ctx, slug)
		if err != nil {
			return err
		}
		if s.Declared {
			return fault.New(fault.Conflict, "service.declared")
		}
		all, err := r.List(ctx)
		if err != nil {
			return err
		}
		// A dependency on nothing could never be saved again.
		if need := dependents(all, slug); len(need) > 0 {
			return fault.New(fault.Conflict, "service.needed", need[0].Name)
		}
		if err := r.drop(ctx, slug); err != nil {
			return err
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "service.removed", Subject: "service:" + slug, Detail: map[string]string{"name": s.Name}})
	})
}

// Declare makes the catalogue follow the configuration: what it names is
// created or changed and becomes read-only, what it no longer names is removed.
// Services made in the console stay.
func (r *Room) Declare(ctx context.Context, ss []Service) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		all, err := r.List(ctx)
		if err != nil {
			return err
		}
		old := map[string]Service{}
		for _, o := range all {
			old[o.Slug] = o
		}
		for i, s := range ss {
			s.Declared, s.Position = true, i
			if before, ok := old[s.Slug]; !ok || !equal(before, s) {
				if err := r.put(ctx, s); err != nil {
					return err
				}
				if err := r.o.Audit.Record(ctx, audit.Entry{Action: "service.declared", Subject: "service:" + s.Slug, Detail: map[string]string{"name": s.Name}}); err != nil {
					return err
				}
			}
			delete(old, s.Slug)
		}
		for slug, o := range old {
			if !o.Declared {
				continue
			}
			if err := r.drop(ctx, slug); err != nil {
				return err
			}
			if err := r.o.Audit.Record(ctx, audit.Entry{Action: "service.removed", Subject: "service:" + slug, Detail: map[string]string{"name": o.Name}}); err != nil {
				return err
			}
		}
		return nil
	})
}

// dependents are the services that say they depend on slug.
func dependents(all []Service, slug string) (out []Service) {
	for _, s := range all {
		if slices.Contains(s.DependsOn, slug) {
			out = append(out, s)
		}
	}
	return out
}

func equal(a, b Service) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func (r *Room) put(ctx context.Context, s Service) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("service: %w", err)
	}
	row := entryRow{
		TenantID: tenant, Slug: s.Slug, Name: s.Name, Public: s.Public, Position: s.Position,
		Declared: s.Declared, Body: string(body), UpdatedAt: r.o.Clock.Now(),
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, slug) DO UPDATE").
			Set("name = EXCLUDED.name").Set("public = EXCLUDED.public").Set("position = EXCLUDED.position").
			Set("declared = EXCLUDED.declared").Set("body = EXCLUDED.body").Set("updated_at = EXCLUDED.updated_at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("service: save: %w", err)
		}
		r.hint(ctx, tenant, s.Slug)
		return nil
	})
}

func (r *Room) drop(ctx context.Context, slug string) error {
	tenant := ident.TenantOf(ctx)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewDelete().Model((*entryRow)(nil)).Where("tenant_id = ? AND slug = ?", tenant, slug).Exec(ctx); err != nil {
			return fmt.Errorf("service: remove: %w", err)
		}
		r.hint(ctx, tenant, slug)
		return nil
	})
}

func (r *Room) hint(ctx context.Context, t ident.Tenant, slug string) {
	if r.o.Hints != nil {
		r.o.Store.AfterCommit(ctx, func() { r.o.Hints.Publish(bus.Hint{Tenant: t, Topic: "service", ID: slug}) })
	}
}
