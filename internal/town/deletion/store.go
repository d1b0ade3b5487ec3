package deletion

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/personal"
	"tuermer/internal/platform/retain"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Record says what one transaction of a run took away, or, with nothing gone,
// that nothing was left when the rule was done.
type Record struct {
	ID      string
	Day     string // of the run
	At      time.Time
	Rule    string
	Table   string
	Act     retain.Act
	Days    int       // the period
	Limit   time.Time // what was older than this
	Gone    int64
	Held    int64 // older, and kept for an open incident or a hold
	Overdue int64 // older, and there all the same
}

type recordRow struct {
	bun.BaseModel `bun:"table:deletion_record"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Day           string       `bun:"day"`
	At            time.Time    `bun:"at"`
	Rule          string       `bun:"rule"`
	TableName     string       `bun:"table_name"`
	Act           retain.Act   `bun:"act"`
	Days          int          `bun:"days"`
	LimitAt       time.Time    `bun:"limit_at"`
	Gone          int64        `bun:"gone"`
	Held          int64        `bun:"held"`
	Overdue       int64        `bun:"overdue"`
}

func (row recordRow) record() Record {
	return Record{row.ID, row.Day, clock.Cut(row.At), row.Rule, row.TableName, row.Act, row.Days, clock.Cut(row.LimitAt), row.Gone, row.Held, row.Overdue}
}

type runRow struct {
	bun.BaseModel `bun:"table:deletion_run"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Day           string       `bun:"day,pk"`
	StartedAt     time.Time    `bun:"started_at"`
	EndedAt       time.Time    `bun:"ended_at,nullzero"`
}

type holdRow struct {
	bun.BaseModel `bun:"table:deletion_hold"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	FromDay       string       `bun:"from_day"`
	ToDay         string       `bun:"to_day"`
	Reason        string       `bun:"reason"`
	SetAt         time.Time    `bun:"set_at"`
	SetName       string       `bun:"set_name"`
	LiftedAt      time.Time    `bun:"lifted_at,nullzero"`
	LiftedName    string       `bun:"lifted_name"`
}

// Hold (Aufbewahrungssperre) keeps everything of a time from being deleted.
type Hold struct {
	ID         string
	From, To   string // civil days; no To: without an end
	Reason     string
	SetAt      time.Time
	SetName    string
	LiftedAt   time.Time // zero: still holds
	LiftedName string
}

// span is the time of a hold, with its last day.
func (h Hold) span(zone *time.Location) (s retain.Span, err error) {
	if s.From, err = time.ParseInLocation(time.DateOnly, h.From, zone); err != nil {
		return s, fmt.Errorf("deletion: hold %s: %w", h.ID, err)
	}
	if h.To != "" {
		to, err := time.ParseInLocation(time.DateOnly, h.To, zone)
		if err != nil {
			return s, fmt.Errorf("deletion: hold %s: %w", h.ID, err)
		}
		s.To = to.AddDate(0, 0, 1).Add(-time.Millisecond).UTC()
	}
	s.From = s.From.UTC()
	return s, nil
}

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "deletion_hold", Act: personal.Stay, Columns: []string{"set_name", "lifted_name"}, Why: "proof"},
	}
}

// Retention says how long this room keeps what.
func (r *Room) Retention() []retain.Rule {
	return retain.Kept("deletion", retain.Proof, "deletion_run", "deletion_record", "deletion_hold")
}

// claim makes the run of a day this node's. The first run of a town is the next
// one that is due, so that a new install does not begin with it.
func (r *Room) claim(ctx context.Context, now time.Time, day string) (mine bool, err error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return false, err
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		mine = false
		var last runRow
		err := db.NewSelect().Model(&last).Where("tenant_id = ?", tenant).Order("day DESC").Limit(1).Scan(ctx)
		row := runRow{TenantID: tenant, Day: day, StartedAt: now}
		switch {
		case store.NotFound(err):
			row.EndedAt = now // nothing of an older day is looked for
		case err != nil:
			return err
		case last.Day > day, last.Day == day && !last.EndedAt.IsZero():
			return nil
		case last.Day == day:
			// Somebody is at it, or died of it. The rules are right however often
			// they are carried out; only the work would be done twice.
			if now.Sub(last.StartedAt) < takeOver && now.Sub(last.StartedAt) >= 0 && r.o.Store.Postgres() {
				return nil
			}
			_, err := db.NewUpdate().Model(&row).Column("started_at").WherePK().Exec(ctx)
			mine = err == nil
			return err
		}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return err
		}
		mine = row.EndedAt.IsZero()
		return nil
	})
	if store.UniqueViolation(err) {
		return false, nil // another node was faster
	}
	if err != nil {
		return false, fmt.Errorf("deletion: claim: %w", err)
	}
	return mine, nil
}

// end notes that the run of a day is through, and in the audit log what it took.
func (r *Room) end(ctx context.Context, day string, rows int64) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewUpdate().Model((*runRow)(nil)).Set("ended_at = ?", r.o.Clock.Now()).Where("tenant_id = ? AND day = ?", tenant, day).Exec(ctx)
		if err != nil {
			return fmt.Errorf("deletion: end: %w", err)
		}
		if rows == 0 {
			return nil
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "deletion.ran", Subject: "deletion:" + day, Detail: map[string]string{"rows": strconv.FormatInt(rows, 10)}})
	})
}

func (r *Room) put(ctx context.Context, rec Record) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	now := r.o.Clock.Now()
	row := recordRow{
		TenantID: tenant, ID: ident.NewID(now), Day: rec.Day, At: now, Rule: rec.Rule, TableName: rec.Table, Act: rec.Act, Days: rec.Days,
		LimitAt: rec.Limit, Gone: rec.Gone, Held: rec.Held, Overdue: rec.Overdue,
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("deletion: record: %w", err)
		}
		return nil
	})
}

// Run is one night's work.
type Run struct {
	Day     string
	Started time.Time
	Ended   time.Time // zero: at work, or broken off
	Gone    int64
	Held    int64
	Overdue int64
}

// Runs lists runs, the newest first, at most n, before a day if one is given.
func (r *Room) Runs(ctx context.Context, before string, n int) ([]Run, error) {
	if err := may(ctx); err != nil {
		return nil, err
	}
	var rows []runRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("day DESC").Limit(int64(n))
	if before != "" {
		q = q.Where("day < ?", before)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("deletion: runs: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	var sums []struct {
		Day                 string
		Gone, Held, Overdue int64
	}
	err := r.o.Store.Read(ctx).NewSelect().Model((*recordRow)(nil)).ColumnExpr("day, sum(gone) AS gone, sum(held) AS held, sum(overdue) AS overdue").
		Where("tenant_id = ? AND day >= ? AND day <= ?", ident.TenantOf(ctx), rows[len(rows)-1].Day, rows[0].Day).Group("day").Scan(ctx, &sums)
	if err != nil {
		return nil, fmt.Errorf("deletion: runs: %w", err)
	}
	out := make([]Run, len(rows))
	for i, row := range rows {
		out[i] = Run{Day: row.Day, Started: clock.Cut(row.StartedAt), Ended: row.EndedAt}
		for _, s := range sums {
			if s.Day == row.Day {
				out[i].Gone, out[i].Held, out[i].Overdue = s.Gone, s.Held, s.Overdue
			}
		}
	}
	return out, nil
}

// Line is what a run did by one rule in one table.
type Line struct {
	Record
	Handfuls int
}

// Lines are the records of a run, one line for each rule and table.
func (r *Room) Lines(ctx context.Context, day string) ([]Line, error) {
	if err := may(ctx); err != nil {
		return nil, err
	}
	var rows []recordRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND day = ?", ident.TenantOf(ctx), day).Order("rule", "table_name", "id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("deletion: records: %w", err)
	}
	var out []Line
	for _, row := range rows {
		n := len(out)
		if n == 0 || out[n-1].Rule != row.Rule || out[n-1].Table != row.TableName {
			out = append(out, Line{Record: row.record()})
			n++
			out[n-1].Gone = 0
		}
		l := &out[n-1]
		l.Gone += row.Gone
		l.Held, l.Overdue, l.At = row.Held, row.Overdue, clock.Cut(row.At)
		if row.Gone > 0 {
			l.Handfuls++
		}
	}
	if len(out) == 0 {
		ok, err := r.o.Store.Read(ctx).NewSelect().Model((*runRow)(nil)).Where("tenant_id = ? AND day = ?", ident.TenantOf(ctx), day).Exists(ctx)
		if err != nil {
			return nil, fmt.Errorf("deletion: run: %w", err)
		}
		if !ok {
			return nil, ErrNoRun
		}
	}
	return out, nil
}

// Records lists the records themselves in the order in which they were written.
func (r *Room) Records(ctx context.Context, after string, n int) ([]Record, error) {
	if err := may(ctx); err != nil {
		return nil, err
	}
	var rows []recordRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("id").Limit(int64(n))
	if after != "" {
		q = q.Where("id > ?", after)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("deletion: records: %w", err)
	}
	out := make([]Record, len(rows))
	for i, row := range rows {
		out[i] = row.record()
	}
	return out, nil
}

// Holds lists the holds, the newest first.
func (r *Room) Holds(ctx context.Context) ([]Hold, error) {
	var rows []holdRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("id DESC").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("deletion: holds: %w", err)
	}
	out := make([]Hold, len(rows))
	for i, row := range rows {
		out[i] = Hold{row.ID, row.FromDay, row.ToDay, row.Reason, clock.Cut(row.SetAt), row.SetName, row.LiftedAt, row.LiftedName}
	}
	return out, nil
}

// maxReason bounds a reason in characters.
const maxReason = 400

// Hold keeps everything of a time from being deleted until it is lifted.
func (r *Room) Hold(ctx context.Context, h Hold) (Hold, error) {
	if err := may(ctx); err != nil {
		return Hold{}, err
	}
	h.Reason = strings.TrimSpace(h.Reason)
	e := fault.New(fault.Invalid, "deletion.wrong")
	if _, err := time.Parse(time.DateOnly, h.From); err != nil {
		e = e.Field("from", "deletion.no_day")
	}
	if h.To != "" {
		if _, err := time.Parse(time.DateOnly, h.To); err != nil {
			e = e.Field("to", "deletion.no_day")
		} else if h.To < h.From {
			e = e.Field("to", "deletion.ends_before")
		}
	}
	switch n := utf8.RuneCountInString(h.Reason); {
	case n == 0:
		e = e.Field("reason", "web.required")
	case n > maxReason:
		e = e.Field("reason", "deletion.too_long")
	}
	if len(e.Fields) > 0 {
		return Hold{}, e
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Hold{}, err
	}
	now := r.o.Clock.Now()
	h = Hold{ID: ident.NewID(now), From: h.From, To: h.To, Reason: h.Reason, SetAt: now, SetName: ident.ActorOf(ctx).Name}
	row := holdRow{TenantID: tenant, ID: h.ID, FromDay: h.From, ToDay: h.To, Reason: h.Reason, SetAt: now, SetName: h.SetName}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("deletion: hold: %w", err)
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "deletion.held", Subject: "hold:" + h.ID, Detail: map[string]string{"from": h.From, "to": h.To, "reason": h.Reason}})
	})
	return h, err
}

// Lift ends a hold; what it kept goes with the next run.
func (r *Room) Lift(ctx context.Context, id string) error {
	if err := may(ctx); err != nil {
		return err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewUpdate().Model((*holdRow)(nil)).Set("lifted_at = ?", r.o.Clock.Now()).Set("lifted_name = ?", ident.ActorOf(ctx).Name).
			Where("tenant_id = ? AND id = ? AND lifted_at IS NULL", tenant, id).Exec(ctx)
		if err != nil {
			return fmt.Errorf("deletion: lift: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return ErrNoHold
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "deletion.lifted", Subject: "hold:" + id})
	})
}
