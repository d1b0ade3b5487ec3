package chain

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
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// Audit writes down who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// People knows who works for the town.
type People interface {
	People(ctx context.Context, f identity.Filter) ([]identity.Person, error)
	PersonByEmail(ctx context.Context, mail string) (identity.Person, error)
}

// Services is the catalogue.
type Services interface {
	Get(ctx context.Context, slug string) (service.Service, error)
	List(ctx context.Context) ([]service.Service, error)
}

// Roster knows who is on duty at a moment; an unknown one is a NotFound.
type Roster interface {
	OnDuty(ctx context.Context, slug string, at time.Time) ([]identity.Person, error)
}

// Options is what the room needs.
type Options struct {
	Store    *store.Store
	Clock    clock.Clock
	Log      *slog.Logger
	Hints    *bus.Hints // may be nil
	Audit    Audit
	People   People
	Services Services
	Roster   Roster // may be nil: there are no duty rosters
	// Rosters offers slug and name of the duty rosters, for the form; may be nil.
	Rosters func(ctx context.Context) ([][2]string, error)
	// Gaps finds the first hole in a duty roster; may be nil.
	Gaps func(ctx context.Context, slug string, from, to time.Time) (begins, ends time.Time, found bool, err error)
	// Carries tells whether anything that is set up carries a kind of message.
	// Nil: only mail.
	Carries func(ctx context.Context, k channel.Kind) bool
	// Leads tells whether one of them carries to the address; nil: all do.
	Leads func(ctx context.Context, k channel.Kind, to string) bool
	// Address is where push and chat reach a person; empty: nowhere. May be nil.
	Address func(ctx context.Context, p identity.Person, w Way) (string, error)
	// Order is a person's own order of ways; may be nil.
	Order func(ctx context.Context, id identity.PersonID) ([]string, error)
	// Falls tells whether all that carries a kind of message falls together with the
	// town's own systems. Nil: nothing is known to.
	Falls func(ctx context.Context) (map[channel.Kind]bool, error)
	// Otherwise are the people who are told where a step names nobody; for the
	// dry run. May be nil.
	Otherwise func(ctx context.Context, service string) ([]identity.Person, error)
}

// Room keeps the chains of all tenants.
type Room struct{ o Options }

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "chain")
	return &Room{o}
}

type policyRow struct {
	bun.BaseModel `bun:"table:chain_policy"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Slug          string       `bun:"slug,pk"`
	Position      int          `bun:"position"`
	Declared      bool         `bun:"declared"`
	Body          string       `bun:"body"`
	UpdatedAt     time.Time    `bun:"updated_at"`
}

// List is every chain of the town: those of the configuration in its order, then
// those of the console.
func (r *Room) List(ctx context.Context) ([]Chain, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []policyRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Order("position", "slug").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("chain: list: %w", err)
	}
	out := make([]Chain, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal([]byte(row.Body), &out[i]); err != nil {
			return nil, fmt.Errorf("chain: %s: %w", row.Slug, err)
		}
		out[i].Declared = row.Declared
	}
	return out, nil
}

// Get is the chain named slug.
func (r *Room) Get(ctx context.Context, slug string) (Chain, error) {
	all, err := r.List(ctx)
	if err != nil {
		return Chain{}, err
	}
	if i := slices.IndexFunc(all, func(c Chain) bool { return c.Slug == slug }); i >= 0 {
		return all[i], nil
	}
	return Chain{}, ErrNotFound
}

// For is the chain that counts for the alarms of a service; false: none. An
// empty service is trouble of which nobody knows to what it belongs.
func (r *Room) For(ctx context.Context, service string) (Chain, bool, error) {
	all, err := r.List(ctx)
	if err != nil {
		return Chain{}, false, err
	}
	c, ok := right(all, service)
	return c, ok, nil
}

// mayChange is the right to say who is woken.
func mayChange(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has("admin", "it") {
		return ErrForbidden
	}
	return nil
}

// Create is [Room.Save] for a chain whose slug must be new.
func (r *Room) Create(ctx context.Context, c Chain) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if err := mayChange(ctx); err != nil {
			return err
		}
		_, err := r.Get(ctx, c.Slug)
		switch {
		case err == nil:
			return fault.New(fault.Conflict, "chain.exists").Field("slug", "chain.exists")
		case fault.KindOf(err) != fault.NotFound:
			return err
		}
		return r.Save(ctx, c)
	})
}

// Save creates or changes a chain. One in which nobody can be reached apart from
// the town's own systems is kept as a draft only (I13).
func (r *Room) Save(ctx context.Context, c Chain) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		all, err := r.List(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(o Chain) bool { return o.Slug == c.Slug && o.Declared }) {
			return ErrDeclared
		}
		if err := c.Check(); err != nil {
			return err
		}
		known, err := r.o.Services.List(ctx)
		if err != nil {
			return fmt.Errorf("chain: services: %w", err)
		}
		for _, s := range c.Services {
			if !slices.ContainsFunc(known, func(k service.Service) bool { return k.Slug == s }) {
				return fault.New(fault.Invalid, "chain.invalid").Field("services", "chain.no_service")
			}
		}
		if !c.Resting {
			found, err := r.lint(ctx, c, all)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(found, func(f Finding) bool { return f.Flaw == NoIndependent }) {
				return fault.New(fault.Invalid, "chain.not_independent").Field("active", "chain.not_independent")
			}
		}
		if err := r.put(ctx, c, len(all)+1, false); err != nil {
			return err
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "chain.saved", Subject: "chain:" + c.Slug, Detail: detail(c)})
	})
}

func detail(c Chain) map[string]string {
	d := map[string]string{"name": c.Name}
	if c.Resting {
		d["state"] = "draft"
	}
	return d
}

// Remove takes away a chain that the console made.
func (r *Room) Remove(ctx context.Context, slug string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		c, err := r.Get(ctx, slug)
		if err != nil {
			return err
		}
		if c.Declared {
			return ErrDeclared
		}
		return r.drop(ctx, c)
	})
}

// Declare makes the chains follow the configuration: what it names is created or
// changed and becomes read-only, what it no longer names is removed. Chains made
// in the console stay.
func (r *Room) Declare(ctx context.Context, cs []Chain) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		all, err := r.List(ctx)
		if err != nil {
			return err
		}
		old := map[string]Chain{}
		for _, c := range all {
			old[c.Slug] = c
		}
		for i, c := range cs {
			before, ok := old[c.Slug]
			delete(old, c.Slug)
			same := ok && before.Declared && equal(before, c)
			if err := r.put(ctx, c, i-len(cs), true); err != nil { // before those of the console
				return err
			}
			if same {
				continue
			}
			if err := r.o.Audit.Record(ctx, audit.Entry{Action: "chain.declared", Subject: "chain:" + c.Slug, Detail: detail(c)}); err != nil {
				return err
			}
		}
		for _, c := range all {
			if _, gone := old[c.Slug]; gone && c.Declared {
				if err := r.drop(ctx, c); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func equal(a, b Chain) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func (r *Room) put(ctx context.Context, c Chain, position int, declared bool) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("chain: %w", err)
	}
	row := policyRow{TenantID: tenant, Slug: c.Slug, Position: position, Declared: declared, Body: string(body), UpdatedAt: r.o.Clock.Now()}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		q := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, slug) DO UPDATE").
			Set("declared = EXCLUDED.declared").Set("body = EXCLUDED.body").Set("updated_at = EXCLUDED.updated_at")
		if declared {
			q = q.Set("position = EXCLUDED.position") // one of the console keeps its place
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("chain: save: %w", err)
		}
		r.changed(ctx, c.Slug)
		return nil
	})
}

func (r *Room) drop(ctx context.Context, c Chain) error {
	tenant := ident.TenantOf(ctx)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewDelete().Model((*policyRow)(nil)).Where("tenant_id = ? AND slug = ?", tenant, c.Slug).Exec(ctx); err != nil {
			return fmt.Errorf("chain: remove: %w", err)
		}
		r.changed(ctx, c.Slug)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "chain.removed", Subject: "chain:" + c.Slug, Detail: detail(c)})
	})
}

func (r *Room) changed(ctx context.Context, slug string) {
	if r.o.Hints != nil {
		t := ident.TenantOf(ctx)
		r.o.Store.AfterCommit(ctx, func() { r.o.Hints.Publish(bus.Hint{Tenant: t, Topic: "chain", ID: slug}) })
	}
}
