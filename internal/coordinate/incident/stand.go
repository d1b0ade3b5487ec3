package incident

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// standRow is how an incident stood from a moment on. A sheet that is as of two
// o'clock must not say at half past what happened in between.
type standRow struct {
	bun.BaseModel `bun:"table:incident_stand"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	IncidentID    ID           `bun:"incident_id,pk"`
	Seq           int64        `bun:"seq,pk"`
	At            time.Time    `bun:"at"`
	Title         string       `bun:"title"`
	Level         Level        `bun:"level"`
	Phase         Phase        `bun:"phase"`
	Private       bool         `bun:"private"`
	Services      string       `bun:"services"`
}

// remember keeps how the incident stands now, when that is new.
func (t *tx) remember(ctx context.Context) error {
	row := standRow{
		TenantID: t.tenant, IncidentID: t.inc.ID, Seq: t.head.Seq, At: t.now, Title: t.inc.Title, Level: t.inc.Level, Phase: t.inc.Phase,
		Private: t.inc.Private, Services: strings.Join(slices.Sorted(slices.Values(t.inc.Services)), "\n"),
	}
	last := standRow{}
	err := t.db.NewSelect().Model(&last).Where("tenant_id = ? AND incident_id = ?", t.tenant, t.inc.ID).Order("seq DESC").Limit(1).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return fmt.Errorf("incident: stand: %w", err)
	}
	same := last
	same.Seq, same.At = row.Seq, row.At
	if err == nil && same == row {
		return nil
	}
	_, err = t.db.NewInsert().Model(&row).On("CONFLICT (tenant_id, incident_id, seq) DO UPDATE").
		Set("title = EXCLUDED.title").Set("level = EXCLUDED.level").Set("phase = EXCLUDED.phase").
		Set("private = EXCLUDED.private").Set("services = EXCLUDED.services").Exec(ctx)
	if err != nil {
		return fmt.Errorf("incident: stand: %w", err)
	}
	return nil
}

// AsOf is the incident as it stood at a moment: its title, level, phase, privacy
// and services of then. Of a moment before anything was remembered it is as now.
func (r *Room) AsOf(ctx context.Context, id ID, at time.Time) (Incident, error) {
	i, err := r.Get(ctx, id)
	if err != nil {
		return i, err
	}
	var row standRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).
		Where("tenant_id = ? AND incident_id = ? AND at <= ?", ident.TenantOf(ctx), id, at).Order("seq DESC").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return i, nil
	}
	if err != nil {
		return i, fmt.Errorf("incident: stand: %w", err)
	}
	i.Title, i.Level, i.Phase, i.Private, i.Services = row.Title, row.Level, row.Phase, row.Private, nil
	if row.Services != "" {
		i.Services = strings.Split(row.Services, "\n")
	}
	return i, nil
}

// FactsAsOf are the facts of an incident as they stood at a moment.
func (r *Room) FactsAsOf(ctx context.Context, id ID, at time.Time) ([]Fact, error) {
	all, err := r.factVersions(ctx, r.o.Store.Read(ctx), ident.TenantOf(ctx), id, "")
	if err != nil {
		return nil, err
	}
	return current(slices.DeleteFunc(all, func(f Fact) bool { return f.At.After(at) })), nil
}
