package template

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
)

type textRow struct {
	bun.BaseModel `bun:"table:template_text"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Version       int          `bun:"version,pk"`
	Kind          Kind         `bun:"kind"`
	Audience      AudienceKind `bun:"audience"`
	Format        Format       `bun:"format"`
	Language      Language     `bun:"language"`
	Scenario      Scenario     `bun:"scenario"`
	Subject       string       `bun:"subject"`
	Title         string       `bun:"title"`
	Body          string       `bun:"body"`
	Instruction   string       `bun:"instruction"`
	State         OwnState     `bun:"state"`
	Author        string       `bun:"author"`
	AuthorName    string       `bun:"author_name"`
	CreatedAt     time.Time    `bun:"created_at"`
	UpdatedAt     time.Time    `bun:"updated_at"`
	Approver      string       `bun:"approver"`
	ApproverName  string       `bun:"approver_name"`
	ApprovedAt    time.Time    `bun:"approved_at,nullzero"`
	EndedName     string       `bun:"ended_name"`
	EndedAt       time.Time    `bun:"ended_at,nullzero"`
}

func (v Version) row(tenant ident.Tenant) *textRow {
	return &textRow{
		TenantID: tenant, ID: v.ID, Version: v.Version, Kind: v.Kind, Audience: v.Audience, Format: v.Format, Language: v.Language,
		Scenario: v.Scenario, Subject: v.Subject, Title: v.Title, Body: v.Body, Instruction: v.Instruction, State: v.State,
		Author: v.Author, AuthorName: v.AuthorName, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt, Approver: v.Approver,
		ApproverName: v.ApprovedBy, ApprovedAt: v.ApprovedAt, EndedName: v.EndedBy, EndedAt: v.EndedAt,
	}
}

func (r textRow) version() Version {
	return Version{
		Entry: Entry{
			ID: r.ID, Phase: r.Kind.Phase(), Kind: r.Kind, Audience: r.Audience, Format: r.Format, Language: r.Language, Scenario: r.Scenario,
			Version: r.Version, ApprovedBy: r.ApproverName, Subject: r.Subject, Title: r.Title, Body: r.Body, Instruction: r.Instruction,
			ReviewState: unreviewed(r.Language),
		},
		State: r.State, Author: r.Author, AuthorName: r.AuthorName, CreatedAt: clock.Cut(r.CreatedAt), UpdatedAt: clock.Cut(r.UpdatedAt),
		Approver: r.Approver, ApprovedAt: when(r.ApprovedAt), EndedBy: r.EndedName, EndedAt: when(r.EndedAt),
	}
}

// when keeps "never" as the zero time.
func when(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return clock.Cut(t)
}

// everyText asks [Room.versions] for those of all texts.
const everyText = "*"

// versions lists own versions in order, of one text or of all, in one of the
// states or in any.
func (r *Room) versions(ctx context.Context, id string, states ...OwnState) ([]Version, error) {
	var rows []textRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("id", "version")
	if id != everyText {
		q = q.Where("id = ?", id)
	}
	if len(states) > 0 {
		q = q.Where("state IN (?)", bun.List(states))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("template: versions: %w", err)
	}
	out := make([]Version, len(rows))
	for i, row := range rows {
		out[i] = row.version()
	}
	return out, nil
}

type signatureRow struct {
	bun.BaseModel `bun:"table:template_signature"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Version       int          `bun:"version"`
	Wording       string       `bun:"wording"`
	Group         string       `bun:"review_group"`
	Person        string       `bun:"person"`
	PersonName    string       `bun:"person_name"`
	At            time.Time    `bun:"at"`
}

func (r *Room) signatures(ctx context.Context) (map[string]Signature, error) {
	var rows []signatureRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("template: signatures: %w", err)
	}
	out := make(map[string]Signature, len(rows))
	for _, row := range rows {
		out[row.ID] = Signature{Entry: row.ID, Version: row.Version, Group: row.Group, By: row.PersonName, At: clock.Cut(row.At), wording: row.Wording}
	}
	return out, nil
}

type rehearsalRow struct {
	bun.BaseModel `bun:"table:template_rehearsal"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	At            time.Time    `bun:"at"`
	PersonName    string       `bun:"person_name"`
}

func (r *Room) rehearsals(ctx context.Context) (map[string]time.Time, error) {
	var rows []rehearsalRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("template: rehearsals: %w", err)
	}
	out := make(map[string]time.Time, len(rows))
	for _, row := range rows {
		out[row.ID] = clock.Cut(row.At)
	}
	return out, nil
}
