package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// How often an alternative address is looked at again, and how many at a time.
const (
	checkEvery = 24 * time.Hour
	checkBatch = 200
)

// sweep clears what has expired and looks at alternative addresses whose last
// look is old. It never holds a transaction while it asks DNS.
func (r *Room) sweep(ctx context.Context, now time.Time) (time.Time, error) {
	all := ident.AcrossTenants(ctx)
	err := r.o.Store.InTx(all, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err1 := db.NewDelete().Model((*sessionRow)(nil)).
			Where("expires_at <= ? OR seen_at <= ?", now, now.Add(-SessionIdle)).Exec(ctx)
		_, err2 := db.NewDelete().Model((*linkRow)(nil)).Where("expires_at <= ?", now.Add(-SessionMax)).Exec(ctx)
		_, err3 := db.NewDelete().Model((*answeredRow)(nil)).Where("expires_at <= ?", now).Exec(ctx)
		return errors.Join(err1, err2, err3)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("identity: clear: %w", err)
	}
	if r.o.Resolver == nil {
		return time.Time{}, nil
	}
	var rows []personRow
	err = r.o.Store.Read(all).NewSelect().Model(&rows).
		Where("alternative <> '' AND (checked_at IS NULL OR checked_at <= ?)", now.Add(-checkEvery)).
		Order("tenant_id", "id").Limit(checkBatch).Scan(all)
	if err != nil {
		return time.Time{}, fmt.Errorf("identity: to check: %w", err)
	}
	checker := NewChecker(r.o.Resolver)
	for _, row := range rows {
		in := ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System)
		t, err := r.Current(in)
		if err != nil {
			return time.Time{}, err
		}
		found := checker.Check(in, t, row.person())
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		if err := r.keepFindings(in, row, found); err != nil {
			return time.Time{}, err
		}
	}
	if len(rows) == checkBatch {
		return now, nil // there are more
	}
	return time.Time{}, nil
}

func (r *Room) keepFindings(ctx context.Context, row personRow, found []Finding) error {
	for i := range found {
		found[i].Person, found[i].Address = "", "" // known from the row
	}
	raw, err := json.Marshal(found)
	if err != nil {
		return fmt.Errorf("identity: findings: %w", err)
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		// Somebody may have changed the address meanwhile; then this answer is
		// about another one.
		res, err := db.NewUpdate().Model((*personRow)(nil)).
			Set("findings = ?", string(raw)).Set("checked_at = ?", r.o.Clock.Now()).
			Where("tenant_id = ? AND id = ? AND alternative = ? AND email = ?", row.TenantID, row.ID,
				r.o.Store.Sealed("identity_person.alternative", row.Alternative), r.o.Store.Sealed("identity_person.email", row.Email)).
			Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: findings: %w", err)
		}
		if n, err := res.RowsAffected(); err == nil && n > 0 && string(raw) != row.Findings {
			r.hint(ctx, "person", string(row.ID))
		}
		return nil
	})
}

// recheckAll asks for a new look at everybody of the tenant.
func (r *Room) recheckAll(ctx context.Context, db bun.IDB, tenant ident.Tenant) error {
	_, err := db.NewUpdate().Model((*personRow)(nil)).Set("checked_at = NULL").Where("tenant_id = ?", tenant).Exec(ctx)
	if err != nil {
		return fmt.Errorf("identity: recheck: %w", err)
	}
	r.o.Store.AfterCommit(ctx, r.checks.Kick)
	return nil
}

// Findings is what may keep an alarm from somebody in the tenant, from rules
// and from the last look at DNS, in the order of names; it asks nobody and is
// quick. Start-up warns of it and the Lagebild may count it.
func (r *Room) Findings(ctx context.Context) ([]Finding, error) {
	t, err := r.Current(ctx)
	if err != nil {
		return nil, err
	}
	owners, err := r.owners(ctx)
	if err != nil {
		return nil, err
	}
	people, err := r.People(ctx, Filter{Active: true})
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, p := range people {
		out = append(out, findingsOf(t, p, alerting(p, owners))...)
	}
	return out, nil
}

// findingsOf puts the rules before the last look at DNS.
func findingsOf(t Tenant, p Person, alerting bool) []Finding {
	if p.Alternative == "" && !alerting {
		return nil
	}
	out := Independent(t, p)
	if len(out) > 0 {
		return out
	}
	for _, f := range p.Findings {
		f.Person, f.Address = p.Name, p.Alternative
		out = append(out, f)
	}
	if alerting && !p.Verified() {
		out = append(out, Finding{Cause: CauseUnverified, Severity: Warning, Person: p.Name, Address: p.Alternative})
	}
	return out
}

// CheckPeople is the whole check for `tuermer check`: rules and DNS at once,
// for people as they stand in the configuration. owners are the addresses of
// people who are responsible for services.
func CheckPeople(ctx context.Context, r Resolver, t Tenant, people []Person, owners []string) []Finding {
	own := make(map[string]bool, len(owners))
	for _, o := range owners {
		own[o] = true
	}
	checker := NewChecker(r)
	var out []Finding
	for _, p := range people {
		if p.Alternative == "" {
			if alerting(p, own) {
				out = append(out, Independent(t, p)...)
			}
			continue
		}
		out = append(out, checker.Check(ctx, t, p)...)
	}
	return out
}

// Alarmed is somebody who can be alarmed, with what may keep an alarm from them.
type Alarmed struct {
	Person
	Found []Finding
}

// Alarmed are all who can be alarmed, by name; it asks nobody and is quick.
func (r *Room) Alarmed(ctx context.Context) ([]Alarmed, error) {
	t, err := r.Current(ctx)
	if err != nil {
		return nil, err
	}
	owners, err := r.owners(ctx)
	if err != nil {
		return nil, err
	}
	people, err := r.People(ctx, Filter{Active: true})
	if err != nil {
		return nil, err
	}
	var out []Alarmed
	for _, p := range people {
		if alerting(p, owners) {
			out = append(out, Alarmed{p, findingsOf(t, p, true)})
		}
	}
	return out, nil
}
