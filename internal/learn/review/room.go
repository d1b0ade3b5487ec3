package review

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// Incidents is what this room asks the incident room.
type Incidents interface {
	Get(ctx context.Context, id incident.ID) (incident.Incident, error)
	List(ctx context.Context, f incident.Filter) ([]incident.Incident, error)
	Facts(ctx context.Context, id incident.ID) ([]incident.Fact, error)
	Journal(ctx context.Context, id incident.ID) ([]incident.Entry, error)
	Record(ctx context.Context, id incident.ID, kind incident.EntryKind, text, ref string) error
}

// Statements is what was said; it is [publish.Room].
type Statements interface {
	List(ctx context.Context, f publish.Filter) ([]publish.Statement, error)
	Adherence(ctx context.Context, in incident.ID) (kept, missed int, err error)
	Heard(ctx context.Context, in incident.ID) ([]publish.Heard, error)
}

// People are the tenant and who works for it.
type People interface {
	Current(ctx context.Context) (identity.Tenant, error)
	People(ctx context.Context, f identity.Filter) ([]identity.Person, error)
}

// Audiences names whom a survey asks.
type Audiences interface {
	Audiences(ctx context.Context) ([]plan.Audience, error)
}

// Services are what a survey says it is about.
type Services interface {
	Get(ctx context.Context, slug string) (service.Service, error)
}

// Outbox takes reminders inside the transaction at hand.
type Outbox interface {
	Send(ctx context.Context, m channel.Message) error
}

// Signer makes the survey's links.
type Signer interface {
	Sign(purpose string, payload []byte, expires time.Time) string
	Verify(purpose, token string, now time.Time) ([]byte, error)
}

// Audit remembers every act.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Options is what the room needs.
type Options struct {
	Store      *store.Store
	Clock      clock.Clock
	Log        *slog.Logger
	Hints      *bus.Hints // may be nil
	Catalog    *i18n.Catalog
	Audit      Audit
	Incidents  Incidents
	Statements Statements
	People     People
	Audiences  Audiences
	Services   Services
	Outbox     Outbox
	Vault      Signer
}

// Room is what we take from it.
type Room struct {
	o     Options
	rules []Rule
	sweep *jobs.Sweeper
}

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "review")
	rules, err := loadRules(legal)
	if err != nil {
		panic(err) // the files are built in, and a test reads them
	}
	r := &Room{o: o, rules: rules}
	r.sweep = jobs.NewSweeper(jobs.SweeperOptions{Name: "review.clocks", Clock: o.Clock, Log: o.Log, Sweep: r.remindDue, Idle: 10 * time.Minute})
	return r
}

// Start begins to remind of clocks.
func (r *Room) Start(ctx context.Context) error {
	r.sweep.Start(ctx)
	return nil
}

// Stop ends it.
func (r *Room) Stop() { r.sweep.Stop() }

// scope is what an API token needs.
const scope = "incidents"

var actors = []string{string(identity.RoleIT), string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin)}

func mayAct(ctx context.Context) bool {
	a := ident.ActorOf(ctx)
	return a.Kind != ident.KindPublic && a.Has(actors...) && a.Allows(scope)
}

func person(ctx context.Context) ident.Actor {
	a := ident.ActorOf(ctx)
	return ident.Actor{Kind: a.Kind, Person: a.Person, Name: a.Name}
}

// home is the town with its zone.
func (r *Room) home(ctx context.Context) (identity.Tenant, *time.Location, error) {
	t, err := r.o.People.Current(ctx)
	if err != nil {
		return t, nil, err
	}
	zone, err := clock.Zone(t.Zone)
	if err != nil {
		zone = time.UTC // it is checked where it is entered
	}
	return t, zone, nil
}

// Rules are the legal deadlines of the town's country.
func (r *Room) Rules(ctx context.Context) ([]Rule, error) {
	t, _, err := r.home(ctx)
	return rulesOf(r.rules, t.Country()), err
}

func (r *Room) rule(id string) (Rule, error) {
	i := slices.IndexFunc(r.rules, func(x Rule) bool { return x.ID == id })
	if i < 0 {
		return Rule{}, ErrNoRule
	}
	return r.rules[i], nil
}

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// StartClock lets a legal deadline run for an incident from awareness on; zero
// means now. When it runs already, an earlier awareness moves it, a later one is
// refused (I16).
func (r *Room) StartClock(ctx context.Context, in incident.ID, rule string, aware time.Time) (Clock, error) {
	if !mayAct(ctx) {
		return Clock{}, ErrForbidden
	}
	x, err := r.rule(rule)
	if err != nil {
		return Clock{}, err
	}
	var out Clock
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		i, err := r.o.Incidents.Get(ctx, in)
		if err != nil {
			return err
		}
		_, zone, err := r.home(ctx)
		if err != nil {
			return err
		}
		now := r.o.Clock.Now()
		if aware = whole(aware); aware.IsZero() {
			aware = now
		}
		if aware.After(now) {
			return ErrFuture.Field("aware", "review.future")
		}
		all, err := r.Clocks(ctx, in)
		if err != nil {
			return err
		}
		if at := slices.IndexFunc(all, func(c Clock) bool { return c.Rule == rule }); at >= 0 {
			if out, err = all[at].earlier(x, aware, now, zone); err != nil {
				return err
			}
			return r.keepClock(ctx, db, out, "review.clock_moved", "review.journal_moved", x)
		}
		out = Clock{
			ID: ClockID(ident.NewID(now)), Incident: in, Realm: i.Realm, Rule: rule, Aware: aware, Due: x.Due(aware, zone),
			State: ClockOpen, StartedBy: person(ctx), CreatedAt: now,
		}
		if err := r.insertClock(ctx, db, out); err != nil {
			return err
		}
		// Whoever watches over data protection hears of it at once, not when the
		// time is nearly over.
		if err := r.write(ctx, out, x, i.Title, "start", "review.mail_started", identity.RoleDPO); err != nil {
			return err
		}
		return r.said(ctx, out, "review.clock_started", "review.journal_started", x)
	})
	return out, err
}

// Report ends a clock by a report that was sent at at (zero: now). What begins
// when it was met begins now. After the end of the time a reason is needed.
func (r *Room) Report(ctx context.Context, id ClockID, at time.Time, reference, reason string) (Clock, error) {
	out, err := r.change(ctx, id, "review.clock_reported", "review.journal_reported", func(c Clock, now time.Time) (Clock, error) {
		if at = whole(at); at.IsZero() {
			at = now
		}
		return c.report(at, strings.TrimSpace(reference), strings.TrimSpace(reason), now)
	})
	return out, err
}

// Decline ends a clock by the decision not to report, with its reason. The
// documentation duty (Art. 33(5) GDPR) is met by the journal, where it stands.
func (r *Room) Decline(ctx context.Context, id ClockID, reason string) (Clock, error) {
	return r.change(ctx, id, "review.clock_declined", "review.journal_declined", func(c Clock, now time.Time) (Clock, error) {
		return c.void(strings.TrimSpace(reason), now)
	})
}

func (r *Room) change(ctx context.Context, id ClockID, action, journal string, fn func(c Clock, now time.Time) (Clock, error)) (Clock, error) {
	if !mayAct(ctx) {
		return Clock{}, ErrForbidden
	}
	var out Clock
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		c, err := r.Clock(ctx, id)
		if err != nil {
			return err
		}
		x, err := r.rule(c.Rule)
		if err != nil {
			return err
		}
		if out, err = fn(c, r.o.Clock.Now()); err != nil {
			return err
		}
		out.SettledBy = person(ctx)
		if err := r.keepClock(ctx, db, out, action, journal, x); err != nil {
			return err
		}
		if out.State == ClockVoid {
			return nil
		}
		for _, next := range r.rules {
			if next.After == c.Rule {
				if _, err := r.StartClock(ctx, c.Incident, next.ID, out.SettledAt); err != nil && fault.KindOf(err) != fault.Conflict {
					return err
				}
			}
		}
		return nil
	})
	return out, err
}

func (r *Room) keepClock(ctx context.Context, db bun.IDB, c Clock, action, journal string, x Rule) error {
	if err := r.updateClock(ctx, db, c); err != nil {
		return err
	}
	return r.said(ctx, c, action, journal, x)
}

// said writes an act into the journal and the audit log.
func (r *Room) said(ctx context.Context, c Clock, action, journal string, x Rule) error {
	t, zone, err := r.home(ctx)
	if err != nil {
		return err
	}
	l := i18n.Locale{Catalog: r.o.Catalog, Lang: i18n.Parse(t.Language), Zone: zone, Now: r.o.Clock.Now()}
	due := l.Catalog.Text(l.Lang, "review.without_delay")
	if !c.Due.IsZero() {
		due = l.Stand(c.Due)
	}
	text := l.Catalog.Text(l.Lang, journal, x.Say(l.Lang), x.Law, l.Stand(c.Aware), due, c.Reason, c.Reference)
	if err := r.o.Incidents.Record(ctx, c.Incident, incident.EntryNote, strings.TrimSpace(text), string(c.ID)); err != nil {
		return err
	}
	r.changed(ctx, string(c.Incident))
	r.o.Store.AfterCommit(ctx, r.sweep.Kick)
	return r.o.Audit.Record(ctx, audit.Entry{Action: action, Subject: "incident:" + string(c.Incident), Detail: map[string]string{
		"rule": c.Rule, "state": string(c.State), "reason": c.Reason, "reference": c.Reference,
	}})
}

func (r *Room) changed(ctx context.Context, id string) {
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() {
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "review", ID: id})
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "incident", ID: id})
		}
	})
}

// AddImprovement notes one thing to do better.
func (r *Room) AddImprovement(ctx context.Context, i Improvement) (Improvement, error) {
	if !mayAct(ctx) {
		return i, ErrForbidden
	}
	now := r.o.Clock.Now()
	i = Improvement{
		ID: ident.NewID(now), Incident: i.Incident, Text: strings.TrimSpace(i.Text), Owner: strings.TrimSpace(i.Owner),
		Due: strings.TrimSpace(i.Due), State: ImproveOpen, CreatedAt: now,
	}
	if err := i.check(); err != nil {
		return i, err
	}
	return i, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := r.o.Incidents.Get(ctx, i.Incident); err != nil {
			return err
		}
		if err := r.insertImprovement(ctx, db, i); err != nil {
			return err
		}
		r.changed(ctx, string(i.Incident))
		return r.o.Audit.Record(ctx, audit.Entry{Action: "review.improvement_added", Subject: "incident:" + string(i.Incident), Detail: map[string]string{"text": i.Text, "owner": i.Owner, "due": i.Due}})
	})
}

// CloseImprovement ends one as done or dropped, with what came of it.
func (r *Room) CloseImprovement(ctx context.Context, id string, state ImprovementState, result string) (Improvement, error) {
	if !mayAct(ctx) {
		return Improvement{}, ErrForbidden
	}
	var out Improvement
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var err error
		if out, err = r.Improvement(ctx, id); err != nil {
			return err
		}
		if out.State != ImproveOpen || state != ImproveDone && state != ImproveDropped {
			return ErrSettled
		}
		if out.Result = strings.TrimSpace(result); out.Result == "" {
			return ErrNoReason.Field("result", "review.reason_missing")
		}
		out.State, out.ClosedAt = state, r.o.Clock.Now()
		if err := r.updateImprovement(ctx, db, out); err != nil {
			return err
		}
		r.changed(ctx, string(out.Incident))
		return r.o.Audit.Record(ctx, audit.Entry{Action: "review.improvement_closed", Subject: "incident:" + string(out.Incident), Detail: map[string]string{"text": out.Text, "state": string(state), "result": out.Result}})
	})
	return out, err
}
