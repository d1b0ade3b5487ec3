package publish

import (
	"context"
	"fmt"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/ident"
)

// Heard says how many people of an audience an incident's messages got to: each
// recipient counts once, as accepted when any message was taken.
type Heard struct {
	Audience   string `bun:"audience"` // slug
	Recipients int    `bun:"recipients"`
	Accepted   int    `bun:"accepted"`
}

// Heard lists the audiences that got messages about an incident.
func (r *Room) Heard(ctx context.Context, in incident.ID) ([]Heard, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	return r.heard(ctx, "incident_id = ?", in)
}

// HeardOf lists the audiences that got one statement.
func (r *Room) HeardOf(ctx context.Context, id ID) ([]Heard, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	return r.heard(ctx, "statement_id = ?", id)
}

func (r *Room) heard(ctx context.Context, where string, arg any) ([]Heard, error) {
	var out []Heard
	err := r.o.Store.Read(ctx).NewSelect().Model((*deliveryRow)(nil)).
		ColumnExpr("audience, count(DISTINCT recipient) AS recipients").
		ColumnExpr("count(DISTINCT CASE WHEN state = ? THEN recipient END) AS accepted", Accepted).
		Where("tenant_id = ?", ident.TenantOf(ctx)).Where(where, arg).
		GroupExpr("audience").OrderExpr("audience").Scan(ctx, &out)
	if err != nil {
		return nil, fmt.Errorf("publish: heard: %w", err)
	}
	return out, nil
}
