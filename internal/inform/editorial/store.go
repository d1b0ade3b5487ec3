package editorial

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

type postRow struct {
	bun.BaseModel `bun:"table:editorial_post,alias:post"`
	TenantID      ident.Tenant   `bun:"tenant_id,pk"`
	ID            ID             `bun:"id,pk"`
	Realm         incident.Realm `bun:"realm"`
	Account       string         `bun:"account"`
	Text          string         `bun:"text"`
	Humour        bool           `bun:"humour"`
	Due           time.Time      `bun:"due_at,nullzero"`
	State         State          `bun:"state"`
	Author        string         `bun:"author"`
	Approver      string         `bun:"approver"`
	ApprovedAt    time.Time      `bun:"approved_at,nullzero"`
	HeldFor       incident.ID    `bun:"held_for"`
	HeldAt        time.Time      `bun:"held_at,nullzero"`
	Releaser      string         `bun:"releaser"`
	Reason        string         `bun:"reason"`
	PublishedAt   time.Time      `bun:"published_at,nullzero"`
	Reference     string         `bun:"reference"`
	CreatedAt     time.Time      `bun:"created_at"`
	Attempts      int            `bun:"attempts"`
	// RetryAt is when a scheduled post is tried again, or until when one that is
	// being sent belongs to whoever took it.
	RetryAt time.Time `bun:"retry_at,nullzero"`
}

type gateRow struct {
	bun.BaseModel `bun:"table:editorial_gate,alias:gate"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Turn          int64        `bun:"turn"`
}

func actorJSON(a ident.Actor) string {
	b, err := json.Marshal(ident.Actor{Kind: a.Kind, Person: a.Person, Name: a.Name})
	if err != nil {
		return "{}" // three strings always marshal
	}
	return string(b)
}

func rowOf(tenant ident.Tenant, p Post) postRow {
	return postRow{
		TenantID: tenant, ID: p.ID, Realm: p.Realm, Account: p.Account, Text: p.Text, Humour: p.Humour, Due: p.Due, State: p.State,
		Author: actorJSON(p.Author), Approver: actorJSON(p.Approver), ApprovedAt: p.ApprovedAt, HeldFor: p.HeldFor, HeldAt: p.HeldAt,
		Releaser: actorJSON(p.Releaser), Reason: p.Reason, PublishedAt: p.PublishedAt, Reference: p.Reference, CreatedAt: p.CreatedAt,
		Attempts: p.Attempts, RetryAt: p.RetryAt,
	}
}

func (row postRow) post() (Post, error) {
	p := Post{
		ID: row.ID, Realm: row.Realm, Account: row.Account, Text: row.Text, Humour: row.Humour, Due: row.Due, State: row.State,
		ApprovedAt: row.ApprovedAt, HeldFor: row.HeldFor, HeldAt: row.HeldAt, Reason: row.Reason, PublishedAt: row.PublishedAt,
		Reference: row.Reference, CreatedAt: row.CreatedAt, Attempts: row.Attempts, RetryAt: row.RetryAt,
	}
	for _, who := range []struct {
		from string
		to   *ident.Actor
	}{{row.Author, &p.Author}, {row.Approver, &p.Approver}, {row.Releaser, &p.Releaser}} {
		if err := json.Unmarshal([]byte(who.from), who.to); err != nil {
			return p, fmt.Errorf("editorial: %s: %w", row.ID, err)
		}
	}
	return p, nil
}

func (r *Room) insert(ctx context.Context, db bun.IDB, p Post) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	row := rowOf(tenant, p)
	if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
		return fmt.Errorf("editorial: insert: %w", err)
	}
	return nil
}

// update writes p; the caller holds the gate, so nobody else changes it.
func (r *Room) update(ctx context.Context, db bun.IDB, p Post) error {
	row := rowOf(ident.TenantOf(ctx), p)
	if _, err := db.NewUpdate().Model(&row).WherePK().Where("tenant_id = ?", row.TenantID).Exec(ctx); err != nil {
		return fmt.Errorf("editorial: update: %w", err)
	}
	return nil
}

// Get is the post named id.
func (r *Room) Get(ctx context.Context, id ID) (Post, error) {
	var row postRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Scan(ctx)
	if store.NotFound(err) {
		return Post{}, ErrNotFound
	}
	if err != nil {
		return Post{}, fmt.Errorf("editorial: get: %w", err)
	}
	return row.post()
}

// Filter narrows [Room.List]. The newest come first.
type Filter struct {
	State State
	After ID // the last one of the page before
	Limit int
}

// List lists posts.
func (r *Room) List(ctx context.Context, f Filter) ([]Post, error) {
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 100
	}
	var rows []postRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("id DESC").Limit(int64(f.Limit))
	if f.State != "" {
		q = q.Where("state = ?", f.State)
	}
	if f.After != "" {
		q = q.Where("id < ?", f.After)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("editorial: list: %w", err)
	}
	out := make([]Post, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = row.post(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Count tells how many posts stand where.
func (r *Room) Count(ctx context.Context, s State) (int, error) {
	n, err := r.o.Store.Read(ctx).NewSelect().Model((*postRow)(nil)).Where("tenant_id = ? AND state = ?", ident.TenantOf(ctx), s).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("editorial: count: %w", err)
	}
	return int(n), nil
}
