package review

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

//go:embed texts
var texts embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations {
	return store.Migrations{
		Room: "review", FS: schema,
		Ways: []string{"review_improvement.owner"},
	}
}

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }

type clockRow struct {
	bun.BaseModel `bun:"table:review_clock"`
	TenantID      ident.Tenant   `bun:"tenant_id,pk"`
	ID            ClockID        `bun:"id,pk"`
	Incident      incident.ID    `bun:"incident_id"`
	Realm         incident.Realm `bun:"realm"`
	Rule          string         `bun:"rule"`
	Aware         time.Time      `bun:"aware_at"`
	Due           time.Time      `bun:"due_at,nullzero"`
	State         ClockState     `bun:"state"`
	Reason        string         `bun:"reason"`
	Reference     string         `bun:"reference"`
	SettledAt     time.Time      `bun:"settled_at,nullzero"`
	StartedBy     string         `bun:"started_by"`
	SettledBy     string         `bun:"settled_by"`
	CreatedAt     time.Time      `bun:"created_at"`
	Told          string         `bun:"told"`
}

func actorJSON(a ident.Actor) string {
	b, err := json.Marshal(a)
	if err != nil {
		return "{}" // plain strings always marshal
	}
	return string(b)
}

func clockRowOf(tenant ident.Tenant, c Clock) clockRow {
	return clockRow{
		TenantID: tenant, ID: c.ID, Incident: c.Incident, Realm: c.Realm, Rule: c.Rule, Aware: c.Aware, Due: c.Due, State: c.State,
		Reason: c.Reason, Reference: c.Reference, SettledAt: c.SettledAt, StartedBy: actorJSON(c.StartedBy), SettledBy: actorJSON(c.SettledBy),
		CreatedAt: c.CreatedAt, Told: strings.Join(c.Told, " "),
	}
}

func (row clockRow) clock() (Clock, error) {
	c := Clock{
		ID: row.ID, Incident: row.Incident, Realm: row.Realm, Rule: row.Rule, Aware: row.Aware.UTC(), Due: utc(row.Due), State: row.State,
		Reason: row.Reason, Reference: row.Reference, SettledAt: utc(row.SettledAt), CreatedAt: row.CreatedAt.UTC(), Told: strings.Fields(row.Told),
	}
	if err := json.Unmarshal([]byte(row.StartedBy), &c.StartedBy); err != nil {
		return c, fmt.Errorf("review: clock %s: %w", row.ID, err)
	}
	if err := json.Unmarshal([]byte(row.SettledBy), &c.SettledBy); err != nil {
		return c, fmt.Errorf("review: clock %s: %w", row.ID, err)
	}
	return c, nil
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

func (r *Room) insertClock(ctx context.Context, db bun.IDB, c Clock) error {
	row := clockRowOf(ident.TenantOf(ctx), c)
	if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
		return fmt.Errorf("review: clock: %w", err)
	}
	return nil
}

func (r *Room) updateClock(ctx context.Context, db bun.IDB, c Clock) error {
	row := clockRowOf(ident.TenantOf(ctx), c)
	res, err := db.NewUpdate().Model(&row).WherePK().Where("tenant_id = ? AND state = ?", row.TenantID, ClockOpen).Exec(ctx)
	if err != nil {
		return fmt.Errorf("review: clock: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return ErrSettled // somebody was faster
	}
	return nil
}

// Clock is the one named id.
func (r *Room) Clock(ctx context.Context, id ClockID) (Clock, error) {
	var row clockRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Scan(ctx)
	if store.NotFound(err) {
		return Clock{}, ErrNoClock
	}
	if err != nil {
		return Clock{}, fmt.Errorf("review: clock: %w", err)
	}
	return row.clock()
}

// Clocks lists those of an incident, in the order in which they began to run;
// of no incident named: all that are open, the next one due first.
func (r *Room) Clocks(ctx context.Context, in incident.ID) ([]Clock, error) {
	var rows []clockRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx))
	if in != "" {
		q = q.Where("incident_id = ?", in).Order("id")
	} else {
		q = q.Where("state = ?", ClockOpen).OrderExpr("due_at IS NOT NULL, due_at, id").Limit(1000)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("review: clocks: %w", err)
	}
	out := make([]Clock, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = row.clock(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// townClock is a clock with its town.
type townClock struct {
	Clock
	tenant ident.Tenant
}

func (r *Room) openClocks(ctx context.Context) ([]townClock, error) {
	var rows []clockRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("state = ? AND due_at IS NOT NULL", ClockOpen).Scan(ctx); err != nil {
		return nil, fmt.Errorf("review: open clocks: %w", err)
	}
	out := make([]townClock, len(rows))
	for i, row := range rows {
		c, err := row.clock()
		if err != nil {
			return nil, err
		}
		out[i] = townClock{c, row.TenantID}
	}
	return out, nil
}

type improvementRow struct {
	bun.BaseModel `bun:"table:review_improvement"`
	TenantID      ident.Tenant     `bun:"tenant_id,pk"`
	ID            string           `bun:"id,pk"`
	Incident      incident.ID      `bun:"incident_id"`
	Text          string           `bun:"text"`
	Owner         string           `bun:"owner"`
	Due           string           `bun:"due"`
	State         ImprovementState `bun:"state"`
	Result        string           `bun:"result"`
	CreatedAt     time.Time        `bun:"created_at"`
	ClosedAt      time.Time        `bun:"closed_at,nullzero"`
}

func (row improvementRow) improvement() Improvement {
	return Improvement{
		ID: row.ID, Incident: row.Incident, Text: row.Text, Owner: row.Owner, Due: row.Due, State: row.State, Result: row.Result,
		CreatedAt: row.CreatedAt.UTC(), ClosedAt: utc(row.ClosedAt),
	}
}

func improvementRowOf(tenant ident.Tenant, i Improvement) improvementRow {
	return improvementRow{
		TenantID: tenant, ID: i.ID, Incident: i.Incident, Text: i.Text, Owner: i.Owner, Due: i.Due, State: i.State, Result: i.Result,
		CreatedAt: i.CreatedAt, ClosedAt: i.ClosedAt,
	}
}

func (r *Room) insertImprovement(ctx context.Context, db bun.IDB, i Improvement) error {
	row := improvementRowOf(ident.TenantOf(ctx), i)
	if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
		return fmt.Errorf("review: improvement: %w", err)
	}
	return nil
}

func (r *Room) updateImprovement(ctx context.Context, db bun.IDB, i Improvement) error {
	row := improvementRowOf(ident.TenantOf(ctx), i)
	if _, err := db.NewUpdate().Model(&row).WherePK().Where("tenant_id = ?", row.TenantID).Exec(ctx); err != nil {
		return fmt.Errorf("review: improvement: %w", err)
	}
	return nil
}

// Improvement is the one named id.
func (r *Room) Improvement(ctx context.Context, id string) (Improvement, error) {
	var row improvementRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Scan(ctx)
	if store.NotFound(err) {
		return Improvement{}, ErrNoImprovement
	}
	if err != nil {
		return Improvement{}, fmt.Errorf("review: improvement: %w", err)
	}
	return row.improvement(), nil
}

// Improvements lists those of an incident; of no incident named: all that are
// open, the next one due first.
func (r *Room) Improvements(ctx context.Context, in incident.ID) ([]Improvement, error) {
	var rows []improvementRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx))
	if in != "" {
		q = q.Where("incident_id = ?", in).Order("id")
	} else {
		q = q.Where("state = ?", ImproveOpen).Order("due", "id").Limit(1000)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("review: improvements: %w", err)
	}
	out := make([]Improvement, len(rows))
	for i, row := range rows {
		out[i] = row.improvement()
	}
	return out, nil
}

type answerRow struct {
	bun.BaseModel `bun:"table:review_answer"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	// ID is random, so that the order of the rows tells nothing.
	ID       string      `bun:"id,pk"`
	Incident incident.ID `bun:"incident_id"`
	Audience string      `bun:"audience"`
	Day      string      `bun:"day"`
	InTime   int         `bun:"in_time"`
	Clear    int         `bun:"clear"`
	Helped   int         `bun:"helped"`
	Text     string      `bun:"text"`
}

func (r *Room) insertAnswer(ctx context.Context, db bun.IDB, a Answer) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	row := answerRow{
		TenantID: tenant, ID: rand.Text(), Incident: a.Incident, Audience: a.Audience, Day: a.Day,
		InTime: a.InTime, Clear: a.Clear, Helped: a.Helped, Text: a.Text,
	}
	if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
		return fmt.Errorf("review: answer: %w", err)
	}
	return nil
}

// Opinions are what the answers about an incident come to.
func (r *Room) Opinions(ctx context.Context, in incident.ID) ([]Opinion, error) {
	var rows []answerRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND incident_id = ?", ident.TenantOf(ctx), in).Order("id").Limit(100_000).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("review: answers: %w", err)
	}
	all := make([]Answer, len(rows))
	for i, row := range rows {
		all[i] = Answer{Incident: row.Incident, Audience: row.Audience, Day: row.Day, InTime: row.InTime, Clear: row.Clear, Helped: row.Helped, Text: row.Text}
	}
	return opinions(all), nil
}
