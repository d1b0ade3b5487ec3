package statuspage

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// Errors that callers branch on.
var (
	ErrForbidden = fault.New(fault.Forbidden, "statuspage.forbidden")
	ErrNotHeld   = fault.New(fault.NotFound, "statuspage.not_held")
	ErrNotPublic = fault.New(fault.NotFound, "statuspage.not_public")
)

// maxReason bounds the reason, in characters.
const maxReason = 500

// holders may set a service's public state by hand.
var holders = []string{string(identity.RoleIT), string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin)}

type holdRow struct {
	bun.BaseModel `bun:"table:statuspage_hold"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Service       string       `bun:"service,pk"`
	State         State        `bun:"state"`
	Reason        string       `bun:"reason"`
	Person        string       `bun:"person"`
	PersonName    string       `bun:"person_name"`
	At            time.Time    `bun:"at"`
}

func (r holdRow) hold() Hold {
	return Hold{Service: r.Service, State: r.State, Reason: r.Reason, Person: r.Person, Name: r.PersonName, At: clock.Cut(r.At)}
}

// mayHold is the door of everything that changes the page by hand.
func mayHold(ctx context.Context) (ident.Actor, error) {
	a := ident.ActorOf(ctx)
	if !a.Has(holders...) {
		return a, ErrForbidden
	}
	return a, nil
}

// mayRead is the door of the console's view; the public page has no door.
func mayRead(ctx context.Context) error {
	if ident.ActorOf(ctx).Kind == ident.KindPublic {
		return ErrForbidden
	}
	return nil
}

// Hold sets a public service's state by hand until [Room.Release]. The reason is
// for colleagues and stands in the audit log.
func (r *Room) Hold(ctx context.Context, slug string, state State, reason string) error {
	actor, err := mayHold(ctx)
	if err != nil {
		return err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	reason = strings.TrimSpace(reason)
	bad := fault.New(fault.Invalid, "statuspage.invalid")
	if !state.Valid() {
		bad = bad.Field("state", "statuspage.bad_state")
	}
	if n := utf8.RuneCountInString(reason); n < 3 || n > maxReason {
		bad = bad.Field("reason", "statuspage.bad_reason")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	if _, err := r.public(ctx, slug); err != nil {
		return err
	}
	row := holdRow{
		TenantID: tenant, Service: slug, State: state, Reason: reason,
		Person: actor.Person, PersonName: actor.Name, At: r.o.Clock.Now(),
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, service) DO UPDATE").
			Set("state = EXCLUDED.state").Set("reason = EXCLUDED.reason").Set("person = EXCLUDED.person").
			Set("person_name = EXCLUDED.person_name").Set("at = EXCLUDED.at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("statuspage: hold: %w", err)
		}
		r.changed(ctx, slug)
		return r.o.Audit.Record(ctx, audit.Entry{
			Action: "statuspage.component.held", Subject: "service:" + slug,
			Detail: map[string]string{"state": string(state), "reason": reason},
		})
	})
}

// Release lets a service follow its monitors and messages again.
func (r *Room) Release(ctx context.Context, slug string) error {
	if _, err := mayHold(ctx); err != nil {
		return err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewDelete().Model((*holdRow)(nil)).Where("tenant_id = ? AND service = ?", tenant, slug).Exec(ctx)
		if err != nil {
			return fmt.Errorf("statuspage: release: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return ErrNotHeld
		}
		r.changed(ctx, slug)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "statuspage.component.released", Subject: "service:" + slug})
	})
}

// public is the public service named slug.
func (r *Room) public(ctx context.Context, slug string) (service.Service, error) {
	sv, err := r.o.Services.Get(ctx, slug)
	if err != nil {
		return sv, err
	}
	if !sv.Public {
		return sv, ErrNotPublic
	}
	return sv, nil
}

// holds are the services held by hand.
func (r *Room) holds(ctx context.Context) (map[string]Hold, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []holdRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Scan(ctx); err != nil {
		return nil, fmt.Errorf("statuspage: holds: %w", err)
	}
	out := make(map[string]Hold, len(rows))
	for _, row := range rows {
		out[row.Service] = row.hold()
	}
	return out, nil
}

// changed nudges the console, the other nodes and our own sweeper.
func (r *Room) changed(ctx context.Context, slug string) {
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() {
		r.Refresh(tenant)
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "statuspage", ID: slug})
		}
	})
}
