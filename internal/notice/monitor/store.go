package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

type entryRow struct {
	bun.BaseModel `bun:"table:monitor_entry"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Slug          string       `bun:"slug,pk"`
	Name          string       `bun:"name"`
	Service       string       `bun:"service"`
	Kind          Kind         `bun:"kind"`
	Spec          string       `bun:"spec"`
	Secret        []byte       `bun:"secret,nullzero"`
	PingKey       string       `bun:"ping_key"`
	Paused        bool         `bun:"paused"`
	Declared      bool         `bun:"declared"`
	Status        string       `bun:"status"`
	State         State        `bun:"state"`   // of Status, for lists and counts
	Search        string       `bun:"search"`  // lower case, what people look for
	Windows       string       `bun:"windows"` // JSON
	Sondes        string       `bun:"sondes"`  // between commas
	Standing      string       `bun:"standing"`
	WeighAt       time.Time    `bun:"weigh_at,nullzero"`
	Parents       string       `bun:"parents"` // JSON, of Spec, for questions about all
	Rules         string       `bun:"rules"`   // JSON
	UpdatedAt     time.Time    `bun:"updated_at"`
}

// sealPurpose binds sealed credentials to this table.
const sealPurpose = "monitor.spec"

// row seals the whole spec when it carries credentials; the readable column
// then holds it without them.
func (r *Room) row(t ident.Tenant, m Monitor) (entryRow, error) {
	out := entryRow{
		TenantID: t, Slug: m.Slug, Name: m.Name, Service: m.Service, Kind: m.Spec.Kind, PingKey: m.PingKey,
		Paused: m.Paused, Declared: m.Declared, State: m.Status.State, UpdatedAt: r.o.Clock.Now(),
		Search: strings.ToLower(strings.Join([]string{m.Slug, m.Name, m.Service, m.Spec.Target()}, " ")),
	}
	if out.State == "" {
		out.State = Unknown
	}
	windows, err := json.Marshal(m.Windows)
	if err != nil {
		return out, fmt.Errorf("monitor: %w", err)
	}
	out.Windows, out.Sondes = string(windows), sondeList(m.Spec.Vantage.Sondes)
	if m.Standing != (Standing{}) {
		standing, err := json.Marshal(m.Standing)
		if err != nil {
			return out, fmt.Errorf("monitor: %w", err)
		}
		out.Standing = string(standing)
	}
	if out.Parents, out.Rules, err = kinJSON(m); err != nil {
		return out, fmt.Errorf("monitor: %w", err)
	}
	full, err := json.Marshal(m.Spec)
	if err != nil {
		return out, fmt.Errorf("monitor: %w", err)
	}
	out.Spec = string(full)
	if m.Spec.HasCredentials() || m.Spec.SNMP.Community != "" {
		open, err := json.Marshal(m.Spec.Redacted())
		if err != nil {
			return out, fmt.Errorf("monitor: %w", err)
		}
		out.Spec = string(open)
		if out.Secret, err = r.o.Vault.Seal(sealPurpose, full); err != nil {
			return out, fmt.Errorf("monitor: seal: %w", err)
		}
	}
	status, err := json.Marshal(m.Status)
	out.Status = string(status)
	return out, err
}

// Get is the monitor named slug.
func (r *Room) Get(ctx context.Context, slug string) (Monitor, error) {
	var row entryRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND slug = ?", ident.TenantOf(ctx), slug).Scan(ctx)
	if store.NotFound(err) {
		return Monitor{}, fault.New(fault.NotFound, "monitor.not_found", slug)
	}
	if err != nil {
		return Monitor{}, fmt.Errorf("monitor: get: %w", err)
	}
	return r.monitor(row), nil
}

func (r *Room) byPingKey(ctx context.Context, key string) (entryRow, error) {
	var row entryRow
	// The key is the secret and finds its tenant; at the address of another
	// town it opens nothing (I19).
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("ping_key = ? AND kind = ?", key, Heartbeat).Scan(ident.AcrossTenants(ctx))
	if t := ident.TenantOf(ctx); store.NotFound(err) || err == nil && t != "" && t != row.TenantID {
		return entryRow{}, fault.New(fault.NotFound, "monitor.no_such_ping")
	}
	if err != nil {
		return row, fmt.Errorf("monitor: ping: %w", err)
	}
	return row, nil
}

// Check finds what is wrong with m and returns it in normal form.
func (r *Room) Check(ctx context.Context, m Monitor) (Monitor, error) {
	bad := fault.New(fault.Invalid, "monitor.invalid")
	if !service.ValidSlug(m.Slug) {
		bad = bad.Field("slug", "service.bad_slug")
	}
	if m.Service != "" {
		if _, err := r.o.Services.Get(ctx, m.Service); fault.KindOf(err) == fault.NotFound && err != nil {
			bad = bad.Field("service", "monitor.unknown_service")
		} else if err != nil {
			return m, err
		}
	}
	spec, problems := m.Spec.Normalize()
	for _, p := range problems {
		bad = bad.Field(p.Path, p.Key)
	}
	if len(bad.Fields) > 0 {
		return m, bad
	}
	m.Spec = r.inTown(ctx, spec)
	return m, nil
}

// Create is [Room.Save] for a monitor whose slug must be new.
func (r *Room) Create(ctx context.Context, m Monitor) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if err := mayChange(ctx); err != nil {
			return err
		}
		_, err := r.Get(ctx, m.Slug)
		switch {
		case err == nil:
			return fault.New(fault.Conflict, "monitor.exists", m.Slug).Field("slug", "monitor.slug_taken")
		case fault.KindOf(err) != fault.NotFound:
			return err
		}
		return r.Save(ctx, m)
	})
}

// Save creates or changes a monitor; only administrators may.
func (r *Room) Save(ctx context.Context, m Monitor) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	m, err := r.Check(ctx, m)
	if err != nil {
		return err
	}
	if err := r.knownSondes(ctx, m.Spec.Vantage); err != nil {
		return err
	}
	if err := r.checkReach(ctx, m.Spec); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		old, err := r.Get(ctx, m.Slug)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
		if err == nil && old.Declared {
			return fault.New(fault.Conflict, "monitor.declared")
		}
		if err := checkMoved(m, old.Spec); err != nil {
			return err
		}
		m.Declared = false
		others, err := r.parentsOf(ctx, m.Spec.Parents)
		if err != nil {
			return err
		}
		if err := checkParents(m, others); err != nil {
			return err
		}
		if err := r.put(ctx, m, old); err != nil {
			return err
		}
		r.changed(ctx, ident.TenantOf(ctx), m.Slug)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "monitor.saved", Subject: "monitor:" + m.Slug, Detail: map[string]string{"target": m.Spec.Target()}})
	})
}

// Remove deletes a monitor that the console made. What it raised is resolved.
func (r *Room) Remove(ctx context.Context, slug string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		m, err := r.Get(ctx, slug)
		if err != nil {
			return err
		}
		if m.Declared {
			return fault.New(fault.Conflict, "monitor.declared")
		}
		r.changed(ctx, ident.TenantOf(ctx), slug)
		return r.drop(ctx, slug)
	})
}

// Declare makes the monitors follow the configuration; see [service.Room.Declare].
func (r *Room) Declare(ctx context.Context, ms []Monitor) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		tenant, err := ident.RequireTenant(ctx)
		if err != nil {
			return err
		}
		all, err := r.List(ctx, Filter{})
		if err != nil {
			return err
		}
		old := map[string]Monitor{}
		for _, m := range all {
			old[m.Slug] = m
		}
		parents := map[string][]string{}
		for _, m := range append(slices.Clone(all), ms...) {
			parents[m.Slug] = m.Spec.Parents
		}
		for _, m := range ms {
			if m, err = r.Check(ctx, m); err == nil {
				err = checkParents(m, parents)
			}
			if err != nil {
				return fmt.Errorf("monitor: %s: %w", m.Slug, err)
			}
			before := old[m.Slug]
			delete(old, m.Slug)
			// Pausing is an act, not a setting: it outlives a restart.
			m.Declared, m.Paused = true, before.Paused
			if before.Declared && before.Name == m.Name && before.Service == m.Service && reflect.DeepEqual(before.Spec, m.Spec) {
				continue
			}
			if err := r.put(ctx, m, before); err != nil {
				return err
			}
		}
		for _, m := range old {
			if m.Declared {
				// Another node that starts has perhaps dropped it already.
				if err := r.drop(ctx, m.Slug); err != nil && fault.KindOf(err) != fault.NotFound {
					return err
				}
			}
		}
		// Once for all of them: a reload reads every monitor.
		r.changed(ctx, tenant, "")
		return nil
	})
}

// put stores m; what the monitor has seen so far stays, and so do the
// maintenances that were announced in the console. The caller reloads.
func (r *Room) put(ctx context.Context, m, old Monitor) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	m.Status, m.PingKey, m.Windows, m.Rules, m.Standing = old.Status, old.PingKey, old.Windows, old.Rules, old.Standing
	// What others made of it once is over, unless it may have opened what is still
	// to be ended, see endSoft.
	if !old.watched() && !old.Status.Mild {
		m.Standing = Standing{Count: old.Standing.Count}
	}
	if old.Slug == "" {
		now := r.o.Clock.Now()
		m.Status, m.PingKey = firstStatus(now), newPingKey()
		m.Standing = Standing{Count: m.Status.Episode}
	}
	row, err := r.row(tenant, m)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, slug) DO UPDATE").
			Set("name = EXCLUDED.name").Set("service = EXCLUDED.service").Set("kind = EXCLUDED.kind").
			Set("spec = EXCLUDED.spec").Set("secret = EXCLUDED.secret").Set("paused = EXCLUDED.paused").
			Set("declared = EXCLUDED.declared").Set("search = EXCLUDED.search").Set("parents = EXCLUDED.parents").Set("updated_at = EXCLUDED.updated_at").
			Set("sondes = EXCLUDED.sondes").Set("standing = EXCLUDED.standing").Exec(ctx)
		if err != nil {
			return fmt.Errorf("monitor: save: %w", err)
		}
		return r.reweigh(ctx, m)
	})
}

// drop deletes a monitor and ends what it raised. Its row comes first, as with
// whoever stores what was seen: taken in another order, each of the two would
// wait for the other; and what was seen until now counts.
func (r *Room) drop(ctx context.Context, slug string) error {
	tenant := ident.TenantOf(ctx)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var rows []entryRow
		if _, err := db.NewDelete().Model(&rows).Where("tenant_id = ? AND slug = ?", tenant, slug).Returning("*").Exec(ctx); err != nil {
			return fmt.Errorf("monitor: remove: %w", err)
		}
		if len(rows) == 0 {
			return fault.New(fault.NotFound, "monitor.not_found", slug)
		}
		m := r.monitor(rows[0])
		if episode, open := m.episode(); open {
			l := r.o.Locale(ctx)
			now := r.o.Clock.Now()
			_, err := r.o.Signals.Record(ctx, signal.Signal{
				Source: signal.Monitor, Key: signalKey(m.Slug), Episode: episode, State: signal.Resolved,
				Service: m.Service, Severity: signal.Info, Since: now, At: now,
				Title:  l.Catalog.Text(l.Lang, "monitor.signal_removed", m.Title()),
				Detail: l.Catalog.Text(l.Lang, "monitor.signal_removed_detail", ident.ActorOf(ctx).Name),
			})
			if err != nil {
				return err
			}
		}
		if err := r.dropSoft(ctx, m); err != nil {
			return err
		}
		if err := r.dropHistory(ctx, db, tenant, m.Slug); err != nil {
			return err
		}
		if _, err := db.NewDelete().Model((*withheldRow)(nil)).Where("tenant_id = ? AND slug = ?", tenant, m.Slug).Exec(ctx); err != nil {
			return fmt.Errorf("monitor: remove what was withheld: %w", err)
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "monitor.removed", Subject: "monitor:" + m.Slug, Detail: map[string]string{"target": m.Spec.Target()}})
	})
}

func (r *Room) hint(t ident.Tenant, slug string) {
	if r.o.Hints != nil {
		r.o.Hints.Publish(bus.Hint{Tenant: t, Topic: "monitor", ID: slug})
	}
}

// take stores a batch of observations in one transaction; transitions become
// signals in it. It is idempotent by monitor and moment.
func (r *Room) take(ctx context.Context, batch []Observation) error {
	ctx = ident.WithActor(ident.AcrossTenants(ctx), ident.System)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if may, err := r.mayTake(ctx, db); err != nil || !may {
			return err
		}
		if err := r.reconcile(ctx, batch); err != nil {
			return err
		}
		if err := r.journal(ctx, db, batch); err != nil {
			return err
		}
		for _, o := range batch {
			take := r.takeOne
			if o.Uplink != nil {
				take = r.takeUplink
			}
			if err := take(ctx, db, o); err != nil {
				return err
			}
		}
		r.o.Store.AfterCommit(ctx, func() { r.answer(batch) })
		return nil
	})
}

// takeOne stores what the observation changed about its monitor.
func (r *Room) takeOne(ctx context.Context, db bun.IDB, o Observation) error {
	if o.Transition == None && !o.Moved {
		return nil // healthy as before: the result alone says it
	}
	t, slug := splitID(o.ID)
	ctx = ident.WithTenant(ctx, t)
	status, err := json.Marshal(o.Status)
	if err != nil {
		return fmt.Errorf("monitor: %w", err)
	}
	res, err := db.NewUpdate().Model((*entryRow)(nil)).Set("status = ?", string(status)).
		Set("state = CASE WHEN sondes = '' OR ? THEN ? ELSE state END", o.Result.Reason == ReasonUnreadable, o.Status.State). // of several, see weighed
		Where("tenant_id = ? AND slug = ?", t, slug).Exec(ctx)
	if err != nil {
		return fmt.Errorf("monitor: status: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err // removed meanwhile
	}
	if err := r.keepHeld(ctx, db, slug, o); err != nil {
		return err
	}
	if o.From != o.Status.State {
		r.o.Store.AfterCommit(ctx, func() { r.hint(t, slug) })
	}
	if o.From != o.Status.State || o.Transition != None {
		if done, err := r.weighed(ctx, slug); err != nil {
			return err
		} else if done {
			return r.raiseSoft(ctx, slug, o)
		}
	}
	if o.Transition == None {
		return nil
	}
	m, err := r.Get(ctx, slug)
	if err != nil {
		return err
	}
	return r.raise(ctx, m, o)
}
