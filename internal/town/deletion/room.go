package deletion

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/retain"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

//go:embed schema
var schema embed.FS

//go:embed texts
var texts embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations { return store.Migrations{Room: "deletion", FS: schema} }

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }

// Audit remembers every act.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Towns lists the tenants.
type Towns interface {
	Tenants(ctx context.Context) ([]identity.Tenant, error)
	Current(ctx context.Context) (identity.Tenant, error)
}

// Options is what the room needs.
type Options struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
	Audit Audit
	Towns Towns
	// Rules are those of all rooms.
	Rules func() []retain.Rule
	// Open are the times of incidents of the tenant in ctx that are not over. An
	// error deletes nothing.
	Open func(ctx context.Context) ([]retain.Span, error)
	// Slice is how many rows one transaction takes; 0: [DefaultSlice].
	Slice int
}

// DefaultSlice is how many rows go in one transaction: some milliseconds of work.
const DefaultSlice = 200

// Hour is when the run of a day begins, in the town's own time.
const Hour = 2

// again is the pause after a run that failed, and how long one may take before
// another node takes it over.
const (
	again    = 15 * time.Minute
	takeOver = 6 * time.Hour
	// slack is how much later than its period a room's own job may be.
	slack = 25 * time.Hour
)

// Room deletes by rule and proves it.
type Room struct {
	o     Options
	sweep *jobs.Sweeper
}

// New makes the room; it does nothing before Start.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "deletion")
	o.Slice = cmp.Or(o.Slice, DefaultSlice)
	r := &Room{o: o}
	r.sweep = jobs.NewSweeper(jobs.SweeperOptions{Name: "deletion.run", Clock: o.Clock, Log: o.Log, Idle: time.Hour, Retry: again, Sweep: r.round})
	return r
}

// Start begins the nightly runs.
func (r *Room) Start(ctx context.Context) error { r.sweep.Start(ctx); return nil }

// Stop ends them and waits for the handful at hand.
func (r *Room) Stop() { r.sweep.Stop() }

// Errors of this room.
var (
	ErrForbidden = fault.New(fault.Forbidden, "deletion.forbidden")
	ErrNoHold    = fault.New(fault.NotFound, "deletion.no_hold")
	ErrNoRun     = fault.New(fault.NotFound, "deletion.no_run")
)

// scope is what an API token needs.
const scope = "admin"

// may keeps others out: what was deleted, and what must not be, is for those who
// answer for the data.
func may(ctx context.Context) error {
	a := ident.ActorOf(ctx)
	if a.Kind == ident.KindPublic || !a.Has(string(identity.RoleAdmin), string(identity.RoleDPO)) || !a.Allows(scope) {
		return ErrForbidden
	}
	return nil
}

// due is the start of the newest run that should have begun by now, and next is
// that of the one after it.
func due(now time.Time, zone *time.Location) (at, next time.Time) {
	l := now.In(zone)
	at = time.Date(l.Year(), l.Month(), l.Day(), Hour, 0, 0, 0, zone)
	if at.After(now) {
		at = time.Date(l.Year(), l.Month(), l.Day()-1, Hour, 0, 0, 0, zone)
	}
	l = at.In(zone)
	return at, time.Date(l.Year(), l.Month(), l.Day()+1, Hour, 0, 0, 0, zone)
}

// round runs for every town whose run of the day is still missing.
func (r *Room) round(ctx context.Context, now time.Time) (next time.Time, err error) {
	ctx = ident.WithActor(ctx, ident.System)
	towns, err := r.o.Towns.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, err
	}
	for _, t := range towns {
		zone, zerr := clock.Zone(t.Zone)
		if zerr != nil {
			zone = time.UTC
		}
		at, then := due(now, zone)
		if next.IsZero() || then.Before(next) {
			next = then
		}
		ctx := ident.WithTenant(ctx, t.ID)
		// One town's trouble keeps no other town's data.
		if e := r.oneTown(ctx, now, at.In(zone).Format(time.DateOnly)); e != nil {
			err = errors.Join(err, e)
		}
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
	}
	return next, err
}

// oneTown makes the run of a day unless it is made, or another node is at it.
func (r *Room) oneTown(ctx context.Context, now time.Time, day string) error {
	mine, err := r.claim(ctx, now, day)
	if err != nil || !mine {
		return err
	}
	return r.Run(ctx, now, day)
}

// spans are the times that are needed: those of open incidents and of holds.
func (r *Room) spans(ctx context.Context) ([]retain.Span, error) {
	out, err := r.o.Open(ctx)
	if err != nil {
		return nil, err
	}
	holds, err := r.Holds(ctx)
	if err != nil {
		return nil, err
	}
	t, err := r.o.Towns.Current(ctx)
	if err != nil {
		return nil, err
	}
	zone, err := clock.Zone(t.Zone)
	if err != nil {
		return nil, err
	}
	for _, h := range holds {
		if h.LiftedAt.IsZero() {
			s, err := h.span(zone)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// Run carries all rules out for the town in ctx, and ends the run of the day.
func (r *Room) Run(ctx context.Context, now time.Time, day string) error {
	spans, err := r.spans(ctx)
	if err != nil {
		return err // nobody knows what is needed, so everything stays
	}
	var total int64
	for _, rule := range r.rules() {
		n, err := r.carry(ctx, rule, now, day, spans)
		if err != nil {
			return err
		}
		total += n
	}
	if err := r.end(ctx, day, total); err != nil {
		return err
	}
	r.o.Log.InfoContext(ctx, "retention run ended", "day", day, "rows", total)
	return nil
}

// rules are those with a period, in a steady order.
func (r *Room) rules() []retain.Rule {
	out := slices.DeleteFunc(r.o.Rules(), func(x retain.Rule) bool { return x.Act == retain.Stay })
	slices.SortStableFunc(out, func(x, y retain.Rule) int { return cmp.Compare(x.Name+" "+x.Table, y.Name+" "+y.Table) })
	return out
}

// carry is one rule of a run: handful after handful until none is left, and a
// record at the end that says so.
func (r *Room) carry(ctx context.Context, rule retain.Rule, now time.Time, day string, spans []retain.Span) (total int64, err error) {
	limit := clock.Cut(rule.Limit(now))
	base := Record{Day: day, Rule: rule.Name, Table: rule.Table, Act: rule.Act, Days: int(rule.For / retain.Day), Limit: limit}
	if rule.Act != retain.Own {
		for n := int64(1); n > 0; total += n {
			if ctx.Err() != nil {
				return total, ctx.Err()
			}
			n, err = retain.Batch(ctx, r.o.Store, rule, limit, spans, r.o.Slice, func(ctx context.Context, rows int64) error {
				rec := base
				rec.Gone = rows
				return r.put(ctx, rec)
			})
			if err != nil {
				return total, err
			}
		}
	}
	check := limit
	if rule.Act == retain.Own {
		check = limit.Add(-slack)
	}
	if base.Overdue, base.Held, err = retain.Left(ctx, r.o.Store, rule, check, spans); err != nil {
		return total, err
	}
	return total, r.put(ctx, base)
}
