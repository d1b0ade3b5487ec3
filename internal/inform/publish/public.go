package publish

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/plan"
)

// Said is a published statement as the public may read it.
type Said struct {
	Statement
	// Page are the words for citizens in the format of the page, one per
	// language.
	Page []Variant
}

// Recent lists the live statements to citizens that were published at or after
// from, the newest first, corrected versions included: a page shows the newest
// version and links the older ones. Whether the incident has become private
// since is for the page to ask (I17). It is open to everybody.
func (r *Room) Recent(ctx context.Context, from time.Time, limit int) ([]Said, error) {
	if limit <= 0 || limit > 1000 {
		limit = 200
	}
	var rows []statementRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).
		Where("state = ?", StatePublished).Where("realm = ?", incident.Live).Order("published_at DESC", "id DESC").Limit(int64(limit))
	if !from.IsZero() {
		q = q.Where("published_at >= ?", from)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("publish: recent: %w", err)
	}
	return r.said(ctx, rows)
}

// Public finds one published statement for the page, by its id; a corrected
// version stays reachable (I5).
func (r *Room) Public(ctx context.Context, id ID) (Said, error) {
	var rows []statementRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).
		Where("id = ?", id).Where("state = ?", StatePublished).Where("realm = ?", incident.Live).Scan(ctx)
	if err != nil {
		return Said{}, fmt.Errorf("publish: public: %w", err)
	}
	list, err := r.said(ctx, rows)
	if err != nil {
		return Said{}, err
	}
	if len(list) == 0 {
		return Said{}, ErrNotFound
	}
	return list[0], nil
}

func (r *Room) said(ctx context.Context, rows []statementRow) ([]Said, error) {
	ids := make([]ID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	variants, err := r.variantRows(ctx, ids...)
	if err != nil {
		return nil, err
	}
	out := make([]Said, 0, len(rows))
	for _, row := range rows {
		s, err := row.statement()
		if err != nil {
			return nil, err
		}
		said := Said{Statement: s}
		for _, v := range variants {
			if v.Statement != s.ID || v.Kind != plan.Citizens || v.Format != template.Page {
				continue
			}
			// One audience of citizens is enough for the page.
			if slices.ContainsFunc(said.Page, func(o Variant) bool { return o.Language == v.Language }) {
				continue
			}
			words, err := v.variant()
			if err != nil {
				return nil, err
			}
			said.Page = append(said.Page, words)
		}
		if len(said.Page) > 0 {
			out = append(out, said)
		}
	}
	return out, nil
}
