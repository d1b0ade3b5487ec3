package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// TokenPrefix begins every API token, so that scanners of code find lost ones.
const TokenPrefix = "tuermer_"

// Scopes lists what a token can be limited to.
func Scopes() []string {
	return []string{"read", "alerts", "incidents", "statements", "services", "monitors", scopePeople, scopeAdmin}
}

// Token is a key for scripts that acts as its person.
type Token struct {
	ID     string
	Person PersonID
	Name   string
	// Scopes limit it; nil means everything that the person may.
	Scopes    []string
	CreatedAt time.Time
	UsedAt    time.Time // zero: never
	RevokedAt time.Time // zero: valid
}

type tokenRow struct {
	bun.BaseModel `bun:"table:identity_token"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Hash          string       `bun:"hash"`
	PersonID      PersonID     `bun:"person_id"`
	Name          string       `bun:"name"`
	Scopes        string       `bun:"scopes"` // JSON list; empty text: no limit
	CreatedAt     time.Time    `bun:"created_at"`
	UsedAt        time.Time    `bun:"used_at,nullzero"`
	RevokedAt     time.Time    `bun:"revoked_at,nullzero"`
}

func (row tokenRow) token() Token {
	t := Token{
		ID: row.ID, Person: row.PersonID, Name: row.Name, CreatedAt: when(row.CreatedAt),
		UsedAt: when(row.UsedAt), RevokedAt: when(row.RevokedAt),
	}
	if row.Scopes != "" {
		if t.Scopes = unlist[string](row.Scopes); t.Scopes == nil {
			t.Scopes = []string{} // unreadable must not mean unlimited
		}
	}
	return t
}

// CreateToken makes a token for the person; people make their own,
// administrators anybody's. The secret is told only here. A token cannot make
// one that may do more than itself.
func (r *Room) CreateToken(ctx context.Context, id PersonID, name string, scopes []string) (secretText string, t Token, err error) {
	if err := mayActFor(ctx, id, scopeAdmin); err != nil {
		return "", t, err
	}
	bad := fault.New(fault.Invalid, "identity.token_refused")
	if name = cut(line(name), 100); name == "" {
		return "", t, bad.Field("name", "identity.name_missing")
	}
	actor := ident.ActorOf(ctx)
	if bySeal(id) || bySeal(PersonID(actor.Person)) {
		return "", t, fault.New(fault.Forbidden, "identity.seal_not_by_seal")
	}
	if state, _ := r.MySecond(ctx); state == SecondResting {
		// A token would hold the roles that rest.
		return "", t, fault.New(fault.Forbidden, "identity.second_first")
	}
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return "", t, bad.Field("scopes", "identity.scope_unknown")
		}
		if !actor.Allows(s) {
			return "", t, ErrForbidden
		}
	}
	if scopes == nil && actor.Scopes != nil {
		return "", t, ErrForbidden
	}
	p, err := r.Person(ctx, id)
	if err != nil {
		return "", t, err
	}
	if p.Blocked {
		return "", t, fault.New(fault.Conflict, "identity.blocked", p.Name)
	}
	key, err := secret()
	if err != nil {
		return "", t, err
	}
	secretText = TokenPrefix + key
	now := r.o.Clock.Now()
	row := &tokenRow{
		TenantID: ident.TenantOf(ctx), ID: ident.NewID(now), Hash: digest(secretText), PersonID: id, Name: name, CreatedAt: now,
	}
	if scopes != nil {
		row.Scopes = list(scopes)
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewInsert().Model(row).Exec(ctx); err != nil {
			return fmt.Errorf("identity: token: %w", err)
		}
		return r.audit(ctx, "identity.token.created", row.ID, map[string]string{
			"person": string(id), "name": name, "scopes": row.Scopes,
		})
	})
	if err != nil {
		return "", t, err
	}
	return secretText, row.token(), nil
}

// Tokens lists a person's tokens, newest first, revoked ones too.
func (r *Room) Tokens(ctx context.Context, id PersonID) ([]Token, error) {
	if err := mayActFor(ctx, id, scopeAdmin); err != nil {
		return nil, err
	}
	var rows []tokenRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND person_id = ?", ident.TenantOf(ctx), id).Order("id DESC").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("identity: tokens: %w", err)
	}
	out := make([]Token, 0, len(rows))
	for _, row := range rows {
		out = append(out, row.token())
	}
	return out, nil
}

// RevokeToken ends a token at once.
func (r *Room) RevokeToken(ctx context.Context, id string) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var row tokenRow
		err := db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", tenant, id).Scan(ctx)
		if store.NotFound(err) {
			return fault.New(fault.NotFound, "identity.no_token")
		}
		if err != nil {
			return fmt.Errorf("identity: token: %w", err)
		}
		if err := mayActFor(ctx, row.PersonID, scopeAdmin); err != nil {
			return err
		}
		if !row.RevokedAt.IsZero() {
			return nil
		}
		row.RevokedAt = r.o.Clock.Now()
		if _, err := db.NewUpdate().Model(&row).Column("revoked_at").WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("identity: token: %w", err)
		}
		return r.audit(ctx, "identity.token.revoked", id, map[string]string{"name": row.Name})
	})
}

// ByToken finds the actor behind an API token.
func (r *Room) ByToken(ctx context.Context, secretText string) (Person, ident.Actor, error) {
	out := fault.New(fault.Unauthenticated, "identity.token_invalid")
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Person{}, ident.Actor{}, err
	}
	if !strings.HasPrefix(secretText, TokenPrefix) {
		return Person{}, ident.Actor{}, out
	}
	var row tokenRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).
		Where("tenant_id = ? AND hash = ?", tenant, digest(secretText)).Scan(ctx)
	if store.NotFound(err) || err == nil && !row.RevokedAt.IsZero() {
		return Person{}, ident.Actor{}, out
	}
	if err != nil {
		return Person{}, ident.Actor{}, fmt.Errorf("identity: token: %w", err)
	}
	p, err := r.Person(ctx, row.PersonID)
	if fault.KindOf(err) == fault.NotFound || err == nil && p.Blocked {
		return Person{}, ident.Actor{}, out
	}
	if err != nil {
		return Person{}, ident.Actor{}, err
	}
	if now := r.o.Clock.Now(); now.Sub(row.UsedAt) >= touchEvery {
		row.UsedAt = now
		err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			_, err := db.NewUpdate().Model(&row).Column("used_at").WherePK().Exec(ctx)
			return err
		})
		if err != nil {
			r.o.Log.WarnContext(ctx, "token could not be marked as used", "err", err)
		}
	}
	a := actorOf(p)
	a.Kind, a.Name, a.Scopes = ident.KindToken, p.Name+" ("+row.Name+")", row.token().Scopes
	return p, a, nil
}
