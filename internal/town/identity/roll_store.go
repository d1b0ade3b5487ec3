package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// RollState says how the last run over the directory ended.
type RollState string

// The states.
const (
	RollNever   RollState = ""
	RollDone    RollState = "done"
	RollWaiting RollState = "waiting" // done, but for those who would vanish: a person must confirm
	RollFailed  RollState = "failed"  // nothing was changed
)

// Roll is what is known of the last run.
type Roll struct {
	State  RollState
	At     time.Time
	Detail string // text key of a failure
	Arg    string
	Found  int
	Lines  int // differences that were carried out
	Rest   int // people who wait for a confirmation
}

type rollRow struct {
	bun.BaseModel `bun:"table:identity_roll"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	State         RollState    `bun:"state"`
	At            time.Time    `bun:"at"`
	Detail        string       `bun:"detail"`
	Arg           string       `bun:"arg"`
	Found         int          `bun:"found"`
	Lines         int          `bun:"lines"`
	Rest          int          `bun:"rest"`
}

// Faults of a run.
var (
	ErrNoDirectory = fault.New(fault.NotFound, "identity.directory_none")
	errMark        = fault.New(fault.Conflict, "identity.directory_moved")
)

// Directory is the town's directory, where one is declared.
func (r *Room) Directory(ctx context.Context) (LDAP, bool) {
	if r.o.Directory == nil {
		return LDAP{}, false
	}
	return r.o.Directory(ctx)
}

// LastRoll is how the last run ended.
func (r *Room) LastRoll(ctx context.Context) (Roll, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Roll{}, err
	}
	var row rollRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ?", tenant).Scan(ctx)
	if store.NotFound(err) {
		return Roll{}, nil
	}
	if err != nil {
		return Roll{}, fmt.Errorf("identity: last run: %w", err)
	}
	return Roll{State: row.State, At: when(row.At), Detail: row.Detail, Arg: row.Arg, Found: row.Found, Lines: row.Lines, Rest: row.Rest}, nil
}

// Preview reads the directory and says what a run would do. It changes nothing.
func (r *Room) Preview(ctx context.Context) (Comparison, error) {
	if err := mayManage(ctx, scopePeople); err != nil {
		return Comparison{}, err
	}
	l, found, err := r.askDirectory(ctx)
	if err != nil {
		return Comparison{}, err
	}
	known, err := r.People(ctx, Filter{})
	if err != nil {
		return Comparison{}, err
	}
	return Compare(l, known, found), nil
}

func (r *Room) askDirectory(ctx context.Context) (LDAP, []entry, error) {
	l, ok := r.Directory(ctx)
	if !ok {
		return l, nil, ErrNoDirectory
	}
	found, err := readLDAP(ctx, l, r.o.Dial)
	return l, found, err
}

// SyncPeople makes the people here what the directory says and notes how it went.
// More than the declared number vanish only with the mark of a preview; the rest
// of the difference is carried out all the same. When the directory does not
// answer, or not whole, nothing changes.
func (r *Room) SyncPeople(ctx context.Context, confirm string) (Comparison, error) {
	if err := mayManage(ctx, scopePeople); err != nil {
		return Comparison{}, err
	}
	l, found, err := r.askDirectory(ctx) // before the transaction: it may take a minute
	if err != nil {
		return Comparison{}, errors.Join(err, r.noteRoll(ctx, Roll{State: RollFailed, Detail: fault.As(err).Key, Arg: argOf(err)}))
	}
	var c Comparison
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		known, err := r.People(ctx, Filter{})
		if err != nil {
			return err
		}
		c = Compare(l, known, found)
		if confirm != "" && confirm != c.Mark {
			return errMark
		}
		hold := c.TooMany && confirm == ""
		n := Roll{State: RollDone, Found: c.Found}
		for i, line := range c.Lines {
			switch {
			case line.Move == MoveKeep || line.Move == MoveRefuse:
				continue
			case line.Move == MoveRest && hold:
				n.State = RollWaiting
				n.Rest++
				continue
			}
			if c.Lines[i].Person, err = r.move(ctx, db, line); err != nil {
				return err
			}
			n.Lines++
		}
		return r.noteRoll(ctx, n)
	})
	return c, err
}

// argOf is what a failure names: an address, a name.
func argOf(err error) string {
	if a := fault.As(err).Args; len(a) > 0 {
		return fmt.Sprint(a[0])
	}
	return ""
}

// move carries one difference out. The configuration gives the roles, so its word
// stands in for the alternative address (I13); who lacks one is named in red.
func (r *Room) move(ctx context.Context, db bun.IDB, line Line) (Person, error) {
	p, err := r.savePerson(ctx, line.Person, true)
	if err != nil {
		return p, err
	}
	p.Origin, p.Gone = line.Person.Origin, line.Person.Gone
	_, err = db.NewUpdate().Model((*personRow)(nil)).Set("origin = ?", p.Origin).Set("gone = ?", p.Gone).
		Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), p.ID).Exec(ctx)
	if err != nil {
		return p, fmt.Errorf("identity: directory: %w", err)
	}
	return p, nil
}

func (r *Room) noteRoll(ctx context.Context, n Roll) error {
	row := rollRow{
		TenantID: ident.TenantOf(ctx), State: n.State, At: r.o.Clock.Now(), Detail: n.Detail, Arg: n.Arg, Found: n.Found, Lines: n.Lines, Rest: n.Rest,
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		q := db.NewInsert().Model(&row).On("CONFLICT (tenant_id) DO UPDATE")
		for _, c := range []string{"state", "at", "detail", "arg", "found", "lines", "rest"} {
			q = q.Set("? = EXCLUDED.?", bun.Ident(c), bun.Ident(c))
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("identity: note run: %w", err)
		}
		r.hint(ctx, "directory", "")
		return r.audit(ctx, "identity.directory.read", string(n.State), map[string]string{
			"found": strconv.Itoa(n.Found), "changed": strconv.Itoa(n.Lines), "waiting": strconv.Itoa(n.Rest),
		})
	})
}

// RollNote is the text key of what administrators should know about the last run;
// empty: nothing.
func (r *Room) RollNote(ctx context.Context) string {
	if _, ok := r.Directory(ctx); !ok {
		return ""
	}
	last, err := r.LastRoll(ctx)
	switch {
	case err != nil:
		return "" // a page must come even on a bad day
	case last.State == RollFailed:
		return "identity.directory_note_failed"
	case last.State == RollWaiting:
		return "identity.directory_note_waiting"
	}
	return ""
}

// CheckDirectory asks whether the directory answers with its people.
func (r *Room) CheckDirectory(ctx context.Context) error {
	_, _, err := r.askDirectory(ctx)
	return err
}

// The nightly run: at a quarter past three of the town's own time, when nobody
// changes the directory; after a failure again every hour.
const (
	rollHour, rollMinute = 3, 15
	rollRetry            = time.Hour
)

// rollDue is when the next run of a town is due.
func rollDue(last Roll, now time.Time, zone *time.Location) time.Time {
	if last.State == RollNever {
		return now
	}
	if last.State == RollFailed {
		return last.At.Add(rollRetry)
	}
	day := last.At.In(zone)
	due := time.Date(day.Year(), day.Month(), day.Day(), rollHour, rollMinute, 0, 0, zone)
	if !due.After(last.At) {
		due = time.Date(day.Year(), day.Month(), day.Day()+1, rollHour, rollMinute, 0, 0, zone)
	}
	return due
}

// sweepRolls runs what is due and says when the next is.
func (r *Room) sweepRolls(ctx context.Context, now time.Time) (time.Time, error) {
	all, err := r.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, err
	}
	var next time.Time
	for _, t := range all {
		in := ident.WithActor(ident.WithTenant(ctx, t.ID), ident.System)
		if _, ok := r.Directory(in); !ok {
			continue
		}
		zone, err := clock.Zone(t.Zone)
		if err != nil {
			zone = time.UTC
		}
		last, err := r.LastRoll(in)
		if err != nil {
			return time.Time{}, err
		}
		due := rollDue(last, now, zone)
		if !due.After(now) {
			if _, err := r.SyncPeople(in, ""); err != nil {
				// Told on the page, in the band and in the audit log; here for the operator.
				r.o.Log.WarnContext(in, "directory was not read", "tenant", t.ID, "err", err)
			}
			if last, err = r.LastRoll(in); err != nil {
				return time.Time{}, err
			}
			due = rollDue(last, r.o.Clock.Now(), zone)
		}
		if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return next, nil
}

// Shown orders the lines of a difference by what matters most.
func Shown(c Comparison) []Line {
	order := []Move{MoveRest, MoveKeep, MoveRefuse, MoveNew, MoveBack, MoveChange}
	out := slices.Clone(c.Lines)
	slices.SortStableFunc(out, func(a, b Line) int { return slices.Index(order, a.Move) - slices.Index(order, b.Move) })
	return out
}
