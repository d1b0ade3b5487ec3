package incident

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
)

// CommitmentID names a commitment.
type CommitmentID string

// CommitmentState is what became of a commitment.
//
//	open ──▶ kept
//	  ├────▶ broken ──▶ kept, late
//	  └────▶ withdrawn
//
// Nothing settles it by itself: when its day passes the public reads that it is
// overdue, and a person says how it ended. Kept and withdrawn are the end.
type CommitmentState string

// The states.
const (
	CommitmentOpen      CommitmentState = "open"
	CommitmentKept      CommitmentState = "kept"
	CommitmentBroken    CommitmentState = "broken"
	CommitmentWithdrawn CommitmentState = "withdrawn"
)

var commitmentLeads = map[CommitmentState][]CommitmentState{
	CommitmentOpen:   {CommitmentKept, CommitmentBroken, CommitmentWithdrawn},
	CommitmentBroken: {CommitmentKept},
}

// May reports whether a commitment may go from s to to.
func (s CommitmentState) May(to CommitmentState) bool { return slices.Contains(commitmentLeads[s], to) }

// Commitment / Zusage is something that the town has promised to do until a day.
// It outlives its incident: most are due long after it is closed.
type Commitment struct {
	ID       CommitmentID
	Incident ID
	Text     string
	TextEN   string // empty: the German words are shown
	Due      time.Time
	State    CommitmentState
	Public   bool   // was said in public, so how it ends is said there too
	Source   string // the statement that said it; empty: a person noted it
	Moved    int    // how often its day was put off
	// Note says how it ended: what was done, or why it was not.
	Note        string
	At          time.Time // of the promise
	ByName      string
	SettledAt   time.Time
	SettledName string

	reminded, overdue time.Time
}

// Overdue reports whether its time has passed and nobody has said how it ended.
func (c Commitment) Overdue(now time.Time) bool {
	return c.State == CommitmentOpen && !now.Before(c.Due)
}

// Late reports whether it was kept after its day.
func (c Commitment) Late() bool { return c.State == CommitmentKept && c.SettledAt.After(c.Due) }

// RemindCommitment is how long before its day a commitment is brought to mind.
const RemindCommitment = 24 * time.Hour

// CommitmentEvent is told when a commitment comes due.
type CommitmentEvent struct {
	Incident   ID
	Commitment CommitmentID
	Overdue    bool // its time has passed; else it is near
}

// What happens to commitments.
var (
	CommitmentDue     = bus.Topic[CommitmentEvent]("incident.commitment_due")
	CommitmentChanged = bus.Topic[CommitmentEvent]("incident.commitment_changed")
)

// Errors of commitments.
var (
	ErrNoCommitment    = fault.New(fault.NotFound, "incident.no_commitment")
	ErrCommitmentState = fault.New(fault.Conflict, "incident.commitment_state")
	ErrCommitmentDue   = fault.New(fault.Invalid, "incident.commitment_due")
	ErrCommitmentNote  = fault.New(fault.Invalid, "incident.commitment_note")
)

type commitmentRow struct {
	bun.BaseModel `bun:"table:incident_commitment"`
	TenantID      ident.Tenant    `bun:"tenant_id,pk"`
	ID            CommitmentID    `bun:"id,pk"`
	IncidentID    ID              `bun:"incident_id"`
	Text          string          `bun:"text"`
	TextEN        string          `bun:"text_en"`
	Due           time.Time       `bun:"due_at"`
	State         CommitmentState `bun:"state"`
	Public        bool            `bun:"public"`
	Source        string          `bun:"source"`
	Moved         int             `bun:"moved"`
	Note          string          `bun:"note"`
	At            time.Time       `bun:"at"`
	ByName        string          `bun:"by_name"`
	SettledAt     time.Time       `bun:"settled_at,nullzero"`
	SettledName   string          `bun:"settled_name"`
	RemindedAt    time.Time       `bun:"reminded_at,nullzero"`
	OverdueAt     time.Time       `bun:"overdue_at,nullzero"`
}

func (c Commitment) row(tenant ident.Tenant) *commitmentRow {
	return &commitmentRow{
		TenantID: tenant, ID: c.ID, IncidentID: c.Incident, Text: c.Text, TextEN: c.TextEN, Due: c.Due, State: c.State, Public: c.Public,
		Source: c.Source, Moved: c.Moved, Note: c.Note, At: c.At, ByName: c.ByName, SettledAt: c.SettledAt, SettledName: c.SettledName,
		RemindedAt: c.reminded, OverdueAt: c.overdue,
	}
}

func (r commitmentRow) commitment() Commitment {
	return Commitment{
		ID: r.ID, Incident: r.IncidentID, Text: r.Text, TextEN: r.TextEN, Due: clock.Cut(r.Due), State: r.State, Public: r.Public,
		Source: r.Source, Moved: r.Moved, Note: r.Note, At: clock.Cut(r.At), ByName: r.ByName, SettledAt: when(r.SettledAt),
		SettledName: r.SettledName, reminded: when(r.RemindedAt), overdue: when(r.OverdueAt),
	}
}

// CommitmentFilter chooses from the commitments; its zero value is all of them.
type CommitmentFilter struct {
	Incident ID
	State    CommitmentState
	Public   bool         // only what was said in public
	After    CommitmentID // the last one of the page before
	Limit    int          // 0 means 100, at most 1000
}

// Commitments lists them, the oldest first.
func (r *Room) Commitments(ctx context.Context, f CommitmentFilter) ([]Commitment, error) {
	var rows []commitmentRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).OrderExpr("id")
	if f.Incident != "" {
		q = q.Where("incident_id = ?", f.Incident)
	}
	if f.State != "" {
		q = q.Where("state = ?", f.State)
	}
	if f.Public {
		q = q.Where("public = ?", true)
	}
	if f.After != "" {
		q = q.Where("id > ?", f.After)
	}
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 100
	}
	if err := q.Limit(int64(f.Limit)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("incident: commitments: %w", err)
	}
	out := make([]Commitment, len(rows))
	for i, row := range rows {
		out[i] = row.commitment()
	}
	return out, nil
}

func (t *tx) commitment(ctx context.Context, id CommitmentID) (Commitment, error) {
	row := &commitmentRow{TenantID: t.tenant, ID: id}
	err := t.db.NewSelect().Model(row).WherePK().Where("tenant_id = ?", t.tenant).Where("incident_id = ?", t.inc.ID).Scan(ctx)
	if err != nil {
		if fault.KindOf(orNotFound(err)) == fault.NotFound {
			return Commitment{}, ErrNoCommitment
		}
		return Commitment{}, fmt.Errorf("incident: commitment: %w", err)
	}
	return row.commitment(), nil
}

// Commit notes what the town has promised. A person calls it.
func (r *Room) Commit(ctx context.Context, id ID, c Commitment) (Commitment, error) {
	if err := allowed(ctx); err != nil {
		return Commitment{}, err
	}
	out, err := r.TakeCommitments(ctx, id, []Commitment{c})
	if err != nil {
		return Commitment{}, err
	}
	return out[0], nil
}

// TakeCommitments is for other rooms, which have checked what their actor may
// do: what a statement promises is kept here. The same words said again are the
// same commitment; another day puts it off or brings it forward, which the
// journal notes and the public sees.
func (r *Room) TakeCommitments(ctx context.Context, id ID, cs []Commitment) ([]Commitment, error) {
	var out []Commitment
	err := r.locked(ctx, id, func(ctx context.Context, t *tx) error {
		out = make([]Commitment, 0, len(cs))
		had, err := r.Commitments(ctx, CommitmentFilter{Incident: id, Limit: 1000})
		if err != nil {
			return err
		}
		for _, c := range cs {
			c.Text, c.TextEN = line(c.Text), line(c.TextEN)
			switch {
			case c.Text == "":
				return ErrNoText.Field("text", "incident.text_missing")
			case c.Due.IsZero():
				return ErrCommitmentDue.Field("due", "incident.commitment_due")
			}
			c.Due = clock.Cut(c.Due)
			i := slices.IndexFunc(had, func(o Commitment) bool {
				return o.State == CommitmentOpen && strings.EqualFold(o.Text, c.Text)
			})
			if i >= 0 {
				again, err := t.repeat(ctx, had[i], c)
				if err != nil {
					return err
				}
				out = append(out, again)
				continue
			}
			c.ID, c.Incident, c.State, c.At, c.ByName = CommitmentID(ident.NewID(t.now)), id, CommitmentOpen, t.now, ident.ActorOf(ctx).Name
			if _, err := t.db.NewInsert().Model(c.row(t.tenant)).Exec(ctx); err != nil {
				return fmt.Errorf("incident: commit: %w", err)
			}
			if err := t.entry(ctx, EntryCommitment, t.say("committed", c.Text, t.day(ctx, c.Due)), string(c.ID)); err != nil {
				return err
			}
			if err := t.committed(ctx, c, "incident.committed"); err != nil {
				return err
			}
			out = append(out, c)
		}
		return nil
	})
	return out, err
}

// repeat is a commitment that is said once more.
func (t *tx) repeat(ctx context.Context, old, again Commitment) (Commitment, error) {
	old.Public = old.Public || again.Public
	if again.TextEN != "" {
		old.TextEN = again.TextEN
	}
	moved := !old.Due.Equal(again.Due)
	if moved {
		said := "commitment_moved"
		if again.Due.After(old.Due) {
			old.Moved++
		}
		if err := t.entry(ctx, EntryCommitment, t.say(said, old.Text, t.day(ctx, old.Due), t.day(ctx, again.Due)), string(old.ID)); err != nil {
			return old, err
		}
		old.Due, old.reminded, old.overdue = again.Due, time.Time{}, time.Time{}
	}
	if err := t.keepCommitment(ctx, old); err != nil {
		return old, err
	}
	if !moved {
		return old, nil
	}
	return old, t.committed(ctx, old, "incident.commitment_moved")
}

func (t *tx) keepCommitment(ctx context.Context, c Commitment) error {
	if _, err := t.db.NewUpdate().Model(c.row(t.tenant)).WherePK().Where("tenant_id = ?", t.tenant).Exec(ctx); err != nil {
		return fmt.Errorf("incident: commitment: %w", err)
	}
	return nil
}

// committed tells others, and makes the sweeper look at the new day.
func (t *tx) committed(ctx context.Context, c Commitment, action string) error {
	t.r.o.Store.AfterCommit(ctx, t.r.commitments.Kick)
	if err := t.audit(ctx, action, "commitment", string(c.ID), "text", c.Text); err != nil {
		return err
	}
	return CommitmentChanged.Tell(ctx, t.enqueue, t.now, CommitmentEvent{Incident: c.Incident, Commitment: c.ID})
}

// day is a moment in the town's zone, for the journal.
func (t *tx) day(ctx context.Context, at time.Time) string {
	zone := time.UTC
	if town, err := t.r.o.Town.Current(ctx); err == nil {
		if z, err := clock.Zone(town.Zone); err == nil {
			zone = z
		}
	}
	local := at.In(zone)
	if local.Hour() == 23 && local.Minute() == 59 {
		return local.Format("02.01.2006")
	}
	return local.Format("02.01.2006, 15:04")
}

// Settle says how a commitment ended. A broken or withdrawn one needs a reason;
// all of it is public where the commitment was.
func (r *Room) Settle(ctx context.Context, id ID, which CommitmentID, to CommitmentState, note string) (Commitment, error) {
	var c Commitment
	err := r.change(ctx, id, func(ctx context.Context, t *tx) error {
		var err error
		if c, err = t.commitment(ctx, which); err != nil {
			return err
		}
		if !c.State.May(to) {
			return ErrCommitmentState
		}
		note = line(note)
		if note == "" && to != CommitmentKept {
			return ErrCommitmentNote.Field("note", "incident.commitment_note")
		}
		c.State, c.Note, c.SettledAt, c.SettledName = to, note, t.now, ident.ActorOf(ctx).Name
		if err := t.keepCommitment(ctx, c); err != nil {
			return err
		}
		if err := t.entry(ctx, EntryCommitment, strings.TrimSpace(t.say("commitment_"+string(to), c.Text, note)), string(c.ID)); err != nil {
			return err
		}
		return t.committed(ctx, c, "incident.commitment_"+string(to))
	})
	return c, err
}

// sweepCommitments brings open commitments to mind a day before, and says once
// that one is overdue.
func (r *Room) sweepCommitments(ctx context.Context, now time.Time) (time.Time, error) {
	var rows []commitmentRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("state = 'open'").Where("overdue_at IS NULL").
		OrderExpr("due_at").Limit(1000).Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, fmt.Errorf("incident: commitments due: %w", err)
	}
	var next time.Time
	sooner := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for _, row := range rows {
		c := row.commitment()
		remindAt := c.Due.Add(-RemindCommitment)
		overdue := !now.Before(c.Due)
		switch {
		case overdue:
		case c.reminded.IsZero() && !now.Before(remindAt):
			sooner(c.Due)
		case c.reminded.IsZero():
			sooner(remindAt)
			continue
		default:
			sooner(c.Due)
			continue
		}
		mine := ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System)
		if err := r.commitmentDue(mine, c, overdue); err != nil {
			return time.Time{}, err
		}
	}
	return next, nil
}

func (r *Room) commitmentDue(ctx context.Context, c Commitment, overdue bool) error {
	return r.locked(ctx, c.Incident, func(ctx context.Context, t *tx) error {
		now, err := t.commitment(ctx, c.ID)
		if err != nil {
			return err
		}
		if now.State != CommitmentOpen || !now.Due.Equal(c.Due) || (overdue && !now.overdue.IsZero()) || (!overdue && !now.reminded.IsZero()) {
			return nil // settled or moved in this moment, or another node was faster
		}
		if overdue {
			now.overdue = t.now
			if err := t.entry(ctx, EntryCommitment, t.say("commitment_overdue", now.Text), string(now.ID)); err != nil {
				return err
			}
		} else {
			now.reminded = t.now
		}
		if err := t.keepCommitment(ctx, now); err != nil {
			return err
		}
		return CommitmentDue.Tell(ctx, t.enqueue, t.now, CommitmentEvent{Incident: c.Incident, Commitment: c.ID, Overdue: overdue})
	})
}
