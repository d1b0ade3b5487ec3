// Package ident says who acts, for whom, and what things are called.
//
// Tenant and actor ride in the context, never in parameters, and every room
// checks them at its store's door (I19). Ids are ULIDs in lower case: sortable
// by time, safe in URLs and mail headers, made only here.
package ident

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"
)

// Tenant names one municipality or authority on this install.
type Tenant string

// ActorKind tells people from machines.
type ActorKind string

// Who can act.
const (
	KindPerson ActorKind = "person" // signed in with a session
	KindToken  ActorKind = "token"  // a script with an API token
	KindLink   ActorKind = "link"   // somebody who holds a signed one-purpose link
	KindSystem ActorKind = "system" // the product itself: a rule, a clock
	KindPublic ActorKind = "public" // a citizen, unknown
)

// Actor is whoever does something; it is written into journal and audit log.
type Actor struct {
	Kind   ActorKind
	Person string // id of the person behind it; empty for system and public
	Name   string // as shown in the journal
	Roles  []string
	// Scopes limits a token; nil means everything that the person may.
	Scopes []string
}

// System is the product acting by a rule.
var System = Actor{Kind: KindSystem, Name: "Türmer"}

// Has reports whether the actor holds one of the roles. System holds all.
func (a Actor) Has(roles ...string) bool {
	if a.Kind == KindSystem {
		return true
	}
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(a.Roles, r) })
}

// Allows reports whether a token's scopes include scope.
func (a Actor) Allows(scope string) bool {
	return a.Scopes == nil || slices.Contains(a.Scopes, scope)
}

type (
	tenantKey   struct{}
	actorKey    struct{}
	unscopedKey struct{}
)

// WithTenant returns a context that acts for tenant t.
func WithTenant(ctx context.Context, t Tenant) context.Context {
	return context.WithValue(context.WithValue(ctx, unscopedKey{}, false), tenantKey{}, t)
}

// ErrNoTenant is a programming error: a store was asked without a tenant.
var ErrNoTenant = errors.New("ident: no tenant in context")

// TenantOf tells the tenant in ctx; it is empty when there is none.
func TenantOf(ctx context.Context) Tenant {
	t, _ := ctx.Value(tenantKey{}).(Tenant)
	return t
}

// RequireTenant is TenantOf with [ErrNoTenant] for an empty answer.
func RequireTenant(ctx context.Context) (Tenant, error) {
	if t := TenantOf(ctx); t != "" {
		return t, nil
	}
	return "", ErrNoTenant
}

// AcrossTenants returns a context whose queries may see every tenant's rows.
// Only sweeps that look for due work and start-up use it; they return to one
// tenant with [WithTenant] before they act.
func AcrossTenants(ctx context.Context) context.Context {
	return context.WithValue(ctx, unscopedKey{}, true)
}

// IsAcrossTenants reports whether [AcrossTenants] marked ctx.
func IsAcrossTenants(ctx context.Context) bool {
	ok, _ := ctx.Value(unscopedKey{}).(bool)
	return ok
}

// WithActor returns a context in which a acts.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf tells who acts; nobody in particular is [KindPublic].
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{Kind: KindPublic}
}

// crockford is the alphabet of ULIDs, in lower case.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// last remembers the newest id, so that ids of one millisecond keep their order.
// It is the one piece of state of this package: an id maker per caller would
// lose the order between callers.
var last struct {
	sync.Mutex
	ms   uint64
	tail [10]byte
}

// NewID makes a ULID (github.com/ulid/spec) in lower case for the moment now.
// Ids made by one process for the same millisecond sort in the order in which
// they were made: the random part is counted up, as the specification has it.
func NewID(now time.Time) string {
	var b [16]byte
	ms := uint64(now.UnixMilli())
	last.Lock()
	if ms == last.ms {
		for i := len(last.tail) - 1; i >= 0; i-- {
			if last.tail[i]++; last.tail[i] != 0 {
				break
			}
		}
	} else {
		last.ms = ms
		if _, err := rand.Read(last.tail[:]); err != nil {
			panic(err) // crypto/rand never fails since Go 1.24; a predictable id would be worse than a crash
		}
		last.tail[0] &= 0x7f // room to count up
	}
	copy(b[6:], last.tail[:])
	last.Unlock()
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], ms)
	copy(b[:6], head[2:])
	return crockford.EncodeToString(b[:])
}
