package staff

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

//go:embed schema
var schema embed.FS

//go:embed texts
var texts embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations { return store.Migrations{Room: "staff", FS: schema} }

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }

type seatRow struct {
	bun.BaseModel `bun:"table:staff_seat"`
	TenantID      ident.Tenant       `bun:"tenant_id,pk"`
	ID            SeatID             `bun:"id,pk"`
	Incident      incident.ID        `bun:"incident_id"`
	Function      plan.StaffFunction `bun:"function"`
	Person        identity.PersonID  `bun:"person"`
	Name          string             `bun:"name"`
	Note          string             `bun:"note"`
	Since         time.Time          `bun:"since_at"`
	Until         time.Time          `bun:"until_at,nullzero"`
	ByName        string             `bun:"by_name"`
	ReliefPerson  identity.PersonID  `bun:"relief_person"`
	ReliefName    string             `bun:"relief_name"`
	ReliefAt      time.Time          `bun:"relief_at,nullzero"`
}

// cut is a moment as it was written; zero stays zero.
func cut(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return clock.Cut(t)
}

func (row seatRow) seat() Seat {
	return Seat{
		ID: row.ID, Incident: row.Incident, Function: row.Function, Person: row.Person, Name: row.Name, Note: row.Note,
		Since: cut(row.Since), Until: cut(row.Until), ByName: row.ByName, Relief: Relief{row.ReliefPerson, row.ReliefName, cut(row.ReliefAt)},
	}
}

func seatRowOf(tenant ident.Tenant, s Seat) seatRow {
	return seatRow{
		TenantID: tenant, ID: s.ID, Incident: s.Incident, Function: s.Function, Person: s.Person, Name: s.Name, Note: s.Note,
		Since: s.Since, Until: s.Until, ByName: s.ByName, ReliefPerson: s.Relief.Person, ReliefName: s.Relief.Name, ReliefAt: s.Relief.At,
	}
}

type decisionRow struct {
	bun.BaseModel `bun:"table:staff_decision"`
	TenantID      ident.Tenant       `bun:"tenant_id,pk"`
	ID            DecisionID         `bun:"id,pk"`
	Incident      incident.ID        `bun:"incident_id"`
	Number        int                `bun:"number"`
	Situation     string             `bun:"situation"`
	Options       string             `bun:"options"`
	Decision      string             `bun:"decision"`
	At            time.Time          `bun:"at"`
	ByName        string             `bun:"by_name"`
	Function      plan.StaffFunction `bun:"function"`
	Checker       string             `bun:"checker"`
	CheckBy       time.Time          `bun:"check_by"`
	CheckedAt     time.Time          `bun:"checked_at,nullzero"`
	CheckedName   string             `bun:"checked_name"`
	Result        string             `bun:"result"`
}

func (row decisionRow) decision() Decision {
	return Decision{
		ID: row.ID, Incident: row.Incident, Number: row.Number, Situation: row.Situation, Options: row.Options, Decision: row.Decision,
		At: cut(row.At), ByName: row.ByName, Function: row.Function, Checker: row.Checker, CheckBy: cut(row.CheckBy),
		CheckedAt: cut(row.CheckedAt), CheckedName: row.CheckedName, Result: row.Result,
	}
}

// Seats are all seats of an incident, past ones too, in the order in which they
// were taken.
func (r *Room) Seats(ctx context.Context, in incident.ID) ([]Seat, error) {
	return r.seats(ctx, r.o.Store.Read(ctx), in)
}

func (r *Room) seats(ctx context.Context, db bun.IDB, in incident.ID) ([]Seat, error) {
	var rows []seatRow
	err := db.NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Where("incident_id = ?", in).Order("id").Limit(5000).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("staff: seats: %w", err)
	}
	out := make([]Seat, len(rows))
	for i, row := range rows {
		out[i] = row.seat()
	}
	return out, nil
}

func held(all []Seat) []Seat {
	var out []Seat
	for _, s := range all {
		if s.Held() {
			out = append(out, s)
		}
	}
	return out
}

// Filter narrows [Room.Decisions].
type Filter struct {
	Incident incident.ID // empty: of all incidents
	Open     bool        // only those whose control is still to come
	After    DecisionID
	Limit    int
}

// Decisions lists decisions, the oldest first.
func (r *Room) Decisions(ctx context.Context, f Filter) ([]Decision, error) {
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 1000
	}
	var rows []decisionRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("id").Limit(int64(f.Limit))
	if f.Incident != "" {
		q = q.Where("incident_id = ?", f.Incident)
	}
	if f.Open {
		q = q.Where("checked_at IS NULL")
	}
	if f.After != "" {
		q = q.Where("id > ?", f.After)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("staff: decisions: %w", err)
	}
	out := make([]Decision, len(rows))
	for i, row := range rows {
		out[i] = row.decision()
	}
	return out, nil
}
