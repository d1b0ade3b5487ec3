package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Quiet / Ruhezeit is when a person wants to hear of nothing that can wait, by the
// clock of the town. Its zero value: never.
type Quiet struct {
	// From and To are minutes after midnight; where To is not later than From it
	// ends on the next day.
	From int `json:"from"`
	To   int `json:"to"`
	// Days are those on which it begins; none: it is never quiet.
	Days []time.Weekday `json:"days"`
}

// On reports whether there are any quiet hours.
func (q Quiet) On() bool { return len(q.Days) > 0 }

// Until is when the quiet hours end in which at lies; zero: it lies in none.
func (q Quiet) Until(at time.Time, zone *time.Location) (until time.Time) {
	local := at.In(zone)
	for _, back := range []int{1, 0} {
		day := time.Date(local.Year(), local.Month(), local.Day()-back, 12, 0, 0, 0, zone)
		if !slices.Contains(q.Days, day.Weekday()) {
			continue
		}
		next := 0
		if q.To <= q.From {
			next = 1
		}
		begins := time.Date(day.Year(), day.Month(), day.Day(), 0, q.From, 0, 0, zone)
		ends := time.Date(day.Year(), day.Month(), day.Day()+next, 0, q.To, 0, 0, zone)
		if !at.Before(begins) && at.Before(ends) {
			until = ends.UTC()
		}
	}
	return until
}

// ErrQuiet refuses quiet hours that are none.
var ErrQuiet = fault.New(fault.Invalid, "identity.bad_quiet").Field("quiet_from", "identity.bad_quiet")

// QuietHours are those of a person.
func (r *Room) QuietHours(ctx context.Context, id PersonID) (q Quiet, err error) {
	row, err := r.wish(ctx, r.o.Store.Read(ctx), id)
	if err != nil || row.Quiet == "" {
		return q, err
	}
	if err := json.Unmarshal([]byte(row.Quiet), &q); err != nil {
		return Quiet{}, fmt.Errorf("identity: quiet hours: %w", err)
	}
	return q, nil
}

// QuietUntil is when the quiet hours of a person end in which at lies; zero: it
// lies in none.
func (r *Room) QuietUntil(ctx context.Context, id PersonID, at time.Time) (time.Time, error) {
	q, err := r.QuietHours(ctx, id)
	if err != nil || !q.On() {
		return time.Time{}, err
	}
	town, err := r.Current(ctx)
	if err != nil {
		return time.Time{}, err
	}
	zone, err := clock.Zone(town.Zone)
	if err != nil {
		return time.Time{}, err
	}
	return q.Until(at, zone), nil
}

// KeepQuiet sets the quiet hours of whoever acts; a zero value: none any more.
func (r *Room) KeepQuiet(ctx context.Context, q Quiet) error {
	a := ident.ActorOf(ctx)
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	if a.Person == "" || a.Kind == ident.KindLink || a.Kind == ident.KindPublic {
		return ErrForbidden
	}
	const day = 24 * 60
	if q.On() && (q.From < 0 || q.From >= day || q.To < 0 || q.To >= day || q.From == q.To) {
		return ErrQuiet
	}
	for i, d := range q.Days {
		if d < time.Sunday || d > time.Saturday || slices.Contains(q.Days[:i], d) {
			return ErrQuiet
		}
	}
	row := wishRow{TenantID: tenant, PersonID: PersonID(a.Person)}
	if q.On() {
		raw, err := json.Marshal(q)
		if err != nil {
			return fmt.Errorf("identity: quiet hours: %w", err)
		}
		row.Quiet = string(raw)
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, person_id) DO UPDATE").Set("quiet = EXCLUDED.quiet").Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: quiet hours: %w", err)
		}
		r.hint(ctx, "person", a.Person)
		return r.audit(ctx, "identity.quiet.set", "person:"+a.Person, map[string]string{"quiet": row.Quiet})
	})
}
