package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// SecondPolicy is the town's rule about second factors.
type SecondPolicy struct {
	Roles     []Role    // who needs one; none: everybody as they like
	GraceDays int       // how long their roles go on without
	Since     time.Time // when the rule became stricter the last time
}

// maxGrace is the longest time to get used to the rule, in days.
const maxGrace = 90

// SecondState is how a person stands to the rule.
type SecondState string

// The states: nothing to do, to be set up until a day, and over it.
const (
	SecondFine    SecondState = "fine"
	SecondDue     SecondState = "due"
	SecondResting SecondState = "resting" // the roles rest until it is set up
)

// Judge says how a person stands to the rule, and until when they have time.
// New people have the whole time from their first day.
func (s SecondPolicy) Judge(p Person, now time.Time) (SecondState, time.Time) {
	if len(s.Roles) == 0 || !p.Has(s.Roles...) || !p.SecondAt.IsZero() {
		return SecondFine, time.Time{}
	}
	due := later(s.Since, p.CreatedAt).AddDate(0, 0, s.GraceDays)
	if now.Before(due) {
		return SecondDue, due
	}
	return SecondResting, due
}

// SaveSecondPolicy sets the rule. Whoever has a role for which it becomes
// stricter gets the whole time from now.
func (r *Room) SaveSecondPolicy(ctx context.Context, roles []Role, graceDays int) error {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return err
	}
	if r.ruleDeclared(ctx) && ident.ActorOf(ctx).Kind != ident.KindSystem {
		return ErrDeclared
	}
	bad := fault.New(fault.Invalid, "identity.policy_refused")
	if graceDays < 0 || graceDays > maxGrace {
		return bad.Field("grace", "identity.grace_range")
	}
	var sorted []Role
	for _, role := range Roles() {
		if slices.Contains(roles, role) {
			sorted = append(sorted, role)
		}
	}
	for _, role := range roles {
		if !slices.Contains(Roles(), role) {
			return bad.Field("roles", "identity.role_unknown")
		}
	}
	if len(sorted) > 0 && r.o.Vault == nil {
		return errNoVault
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	now := r.o.Clock.Now()
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var row tenantRow
		if err := db.NewSelect().Model(&row).Where("tenant_id = ?", tenant).Scan(ctx); err != nil {
			return fmt.Errorf("identity: policy: %w", err)
		}
		old := row.tenant().SecondPolicy
		since := old.Since
		if slices.ContainsFunc(sorted, func(role Role) bool { return !slices.Contains(old.Roles, role) }) || graceDays < old.GraceDays {
			since = now
		}
		if slices.Equal(old.Roles, sorted) && old.GraceDays == graceDays {
			return nil
		}
		_, err := db.NewUpdate().Model((*tenantRow)(nil)).Set("second_roles = ?", list(sorted)).Set("second_grace = ?", graceDays).
			Set("second_since = ?", bun.NullTime{Time: since}).Where("tenant_id = ?", tenant).Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: policy: %w", err)
		}
		r.forgetDirectory(ctx)
		r.hint(ctx, "tenant", string(tenant))
		return r.audit(ctx, "identity.second.policy", string(tenant), map[string]string{"roles": words(sorted), "grace_days": fmt.Sprint(graceDays)})
	})
}

// ruleDeclared: the next start would undo what the console changes.
func (r *Room) ruleDeclared(ctx context.Context) bool {
	return r.o.RuleDeclared != nil && r.o.RuleDeclared(ctx)
}

// MySecond is how the person who is signed in stands to the town's rule.
func (r *Room) MySecond(ctx context.Context) (SecondState, time.Time) {
	q := requestOf(ctx)
	if q.person == nil || q.session == nil || q.session.Second != "" {
		return SecondFine, time.Time{}
	}
	return q.tenant.SecondPolicy.Judge(*q.person, r.o.Clock.Now())
}

// resting takes from the actor the roles that rest for want of a second factor.
// What is left is reading, and setting the factor up: that takes a minute. An
// alarm is taken over by its secret link, for which nobody signs in.
func (r *Room) resting(t Tenant, p Person, s Session, a ident.Actor) ident.Actor {
	if s.Second != "" {
		return a
	}
	if state, _ := t.SecondPolicy.Judge(p, r.o.Clock.Now()); state == SecondResting {
		a.Roles = slices.DeleteFunc(slices.Clone(a.Roles), func(role string) bool {
			return slices.Contains(t.SecondPolicy.Roles, Role(role))
		})
	}
	return a
}
