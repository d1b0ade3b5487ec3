package alert

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// What names one thing that happened to wake people, or to let them sleep.
type What string

// The things.
const (
	StepBegun  What = "step"       // a step of the chain is told; Word: its number
	StepAgain  What = "again"      // it is told once more
	StepEmpty  What = "empty"      // nobody stands there, others are told instead; Word: the step
	NameInVain What = "in_vain"    // a name on the step leads to nobody; Word: the name
	ChainEnds  What = "end"        // the chain is climbed, those responsible otherwise come next
	OwnOrder   What = "own_order"  // the person's own order of ways applies; Word: the ways
	StepOrder  What = "step_order" // the step's does, not the person's own; Word: the ways
	WaySent    What = "sent"       // a message was handed to the outbox
	WayTaken   What = "accepted"   // the other side has it
	WayArrived What = "arrived"    // it is on the person's device
	WayFailed  What = "failed"     // it could not be delivered; Word: why
	// WayWithdrawn: it was withdrawn before it left; WayBrokenOff: it is not tried
	// again, and whether a try came through is not known. Word: why.
	WayWithdrawn What = "withdrawn"
	WayBrokenOff What = "broken_off"
	WaySilent    What = "silent"    // no receipt came in time
	WayLacking   What = "lacking"   // the person has no such way; Word: why
	Unreached    What = "unreached" // no way led to the person
	Answered     What = "answered"  // the person acknowledged
	Declined     What = "declined"
	HandedOn     What = "handed_on" // Word: to whom
	Snoozed      What = "snoozed"
	Returned     What = "returned" // what was put off is back
	HeldBack     What = "held"     // the alarm is withheld; Word: the reason
	ReleasedNow  What = "released" // it is withheld no more
	Eased        What = "eased"    // it is a warning again, nobody further is woken
	// FellQuiet: a source says nothing more and counts as over; Name: what, Word: after
	// how many seconds.
	FellQuiet What = "quiet"
)

// Course is one line of what happened for an alert.
type Course struct {
	At     time.Time
	What   What
	Person string // id; empty: concerns nobody in particular
	Name   string
	Way    string // mail, alternative, sms …
	Word   string
	Until  time.Time
	// Times is how often it happened, LastAt when it did last: what is tried in
	// vain every minute is one line.
	Times  int
	LastAt time.Time
	ID     string // names the line; set by [Room.Course]
}

type courseRow struct {
	bun.BaseModel `bun:"table:alert_course"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	AlertID       ID           `bun:"alert_id"`
	At            time.Time    `bun:"at"`
	What          What         `bun:"what"`
	PersonID      string       `bun:"person_id"`
	Name          string       `bun:"name"`
	Way           string       `bun:"way"`
	Word          string       `bun:"word"`
	Until         time.Time    `bun:"until,nullzero"`
	MessageID     string       `bun:"message_id"`
	Times         int          `bun:"times"`
	LastAt        time.Time    `bun:"last_at,nullzero"`
}

// note writes one line of the course.
func (t turn) note(ctx context.Context, id ID, c Course) error { return t.noted(ctx, id, c, "") }

// noted is note about a message.
func (t turn) noted(ctx context.Context, id ID, c Course, message string) error {
	if t.again && (message == "" || c.What == WayFailed) {
		if folded, err := t.fold(ctx, id, c); err != nil || folded {
			return err
		}
	}
	row := courseRow{
		Times: 1, TenantID: t.tenant, ID: ident.NewID(t.now), AlertID: id, At: t.now, What: c.What, PersonID: c.Person, Name: c.Name,
		Way: c.Way, Word: c.Word, Until: c.Until, MessageID: message,
	}
	if _, err := t.db.NewInsert().Model(&row).Exec(ctx); err != nil {
		return fmt.Errorf("alert: course: %w", err)
	}
	return nil
}

// fold counts a line that says again what an earlier one said; false: none did.
func (t turn) fold(ctx context.Context, id ID, c Course) (bool, error) {
	var row courseRow
	err := t.db.NewSelect().Model(&row).Where("tenant_id = ? AND alert_id = ? AND what = ?", t.tenant, id, c.What).
		Where("person_id = ? AND name = ? AND way = ? AND word = ?", c.Person, c.Name, c.Way, c.Word).OrderExpr("id DESC").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("alert: course: %w", err)
	}
	row.Times, row.LastAt, row.Until = row.Times+1, t.now, c.Until
	if _, err := t.db.NewUpdate().Model(&row).Column("times", "last_at", "until").WherePK().Exec(ctx); err != nil {
		return false, fmt.Errorf("alert: course: %w", err)
	}
	return true, nil
}

// CourseFilter chooses from the lines of a course; its zero value: the first ones.
type CourseFilter struct {
	After string // id of the last line of the page before
	Limit int    // 0 means 1000, which is the most
}

// Course lists what happened to wake people for an alert, oldest first.
func (r *Room) Course(ctx context.Context, id ID, f CourseFilter) ([]Course, error) {
	var rows []courseRow
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 1000
	}
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND alert_id = ? AND id > ?", ident.TenantOf(ctx), id, f.After).
		OrderExpr("id").Limit(int64(f.Limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: course: %w", err)
	}
	out := make([]Course, len(rows))
	for i, c := range rows {
		out[i] = Course{
			At: clock.Cut(c.At), What: c.What, Person: c.PersonID, Name: c.Name, Way: c.Way, Word: c.Word, Until: when(c.Until),
			Times: c.Times, LastAt: when(c.LastAt), ID: c.ID,
		}
	}
	return out, nil
}
