package identity

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// wishRow is how a person wants to be reached.
type wishRow struct {
	bun.BaseModel `bun:"table:identity_wish"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	PersonID      PersonID     `bun:"person_id,pk"`
	Ways          string       `bun:"ways"` // words with blanks between them
	Quiet         string       `bun:"quiet"`
}

// The words of ways are those of the rooms that have them; this one keeps their
// order and knows none, so that a way which is added later has its place at once.
var wayWord = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

const maxWays = 50

// ErrWays refuses an order that is none.
var ErrWays = fault.New(fault.Invalid, "identity.bad_order").Field("ways", "identity.bad_order")

// WayOrder is the order in which a person wants their ways to be tried, the first
// one first; empty: they have chosen none. What it does not name comes after it.
func (r *Room) WayOrder(ctx context.Context, id PersonID) ([]string, error) {
	row, err := r.wish(ctx, r.o.Store.Read(ctx), id)
	return strings.Fields(row.Ways), err
}

func (r *Room) wish(ctx context.Context, db bun.IDB, id PersonID) (wishRow, error) {
	var row wishRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ? AND person_id = ?", ident.TenantOf(ctx), id).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return row, fmt.Errorf("identity: wish: %w", err)
	}
	return row, nil
}

// OrderWays puts the ways of whoever acts into their order; none: the usual one
// again.
func (r *Room) OrderWays(ctx context.Context, ways []string) error {
	a := ident.ActorOf(ctx)
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	if a.Person == "" || a.Kind == ident.KindLink || a.Kind == ident.KindPublic {
		return ErrForbidden
	}
	if len(ways) > maxWays {
		return ErrWays
	}
	for i, w := range ways {
		if !wayWord.MatchString(w) || slices.Contains(ways[:i], w) {
			return ErrWays
		}
	}
	row := wishRow{TenantID: tenant, PersonID: PersonID(a.Person), Ways: strings.Join(ways, " ")}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, person_id) DO UPDATE").Set("ways = EXCLUDED.ways").Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: order: %w", err)
		}
		r.hint(ctx, "person", a.Person)
		return r.audit(ctx, "identity.ways.ordered", "person:"+a.Person, map[string]string{"ways": row.Ways})
	})
}
