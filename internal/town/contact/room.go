package contact

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

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
)

// Audit writes down who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// People are those who are told, and the towns.
type People interface {
	People(ctx context.Context, f identity.Filter) ([]identity.Person, error)
	Alarmed(ctx context.Context) ([]identity.Alarmed, error)
	Current(ctx context.Context) (identity.Tenant, error)
	Tenants(ctx context.Context) ([]identity.Tenant, error)
}

// Outbox takes the mails.
type Outbox interface {
	Send(ctx context.Context, m channel.Message) error
}

// Options is what the room needs.
type Options struct {
	Store   *store.Store
	Clock   clock.Clock
	Log     *slog.Logger
	Hints   *bus.Hints
	Catalog *i18n.Catalog
	Audit   Audit
	People  People
	Outbox  Outbox
	// Points are all points of the town in ctx.
	Points func(ctx context.Context) ([]Point, error)
	// Resolver answers questions to DNS; nil: DNS is not asked, and what it would
	// have to tell stays unknown.
	Resolver identity.Resolver
	// Carries tells whether the town in ctx has somebody who carries a kind.
	Carries func(ctx context.Context, kind channel.Kind) bool
	// Leads tells whether somebody carries a kind to the address.
	Leads func(ctx context.Context, kind channel.Kind, to string) bool
	// Proved is told that a person has answered from their second address.
	Proved func(ctx context.Context, id identity.PersonID, address string) error
	// Locale is how the town in ctx writes.
	Locale func(ctx context.Context) i18n.Locale
}

// Room keeps what was found about the points.
type Room struct {
	o     Options
	sweep *jobs.Sweeper
	asks  *jobs.Sweeper
}

// How often a point is looked at: daily, and sooner where DNS did not answer.
const (
	checkEvery = 24 * time.Hour
	againAfter = time.Hour
)

// New makes the room; it looks at nothing before Start.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "contact")
	r := &Room{o: o}
	r.sweep = jobs.NewSweeper(jobs.SweeperOptions{Name: "contact.points", Clock: o.Clock, Log: o.Log, Sweep: r.checkAll, Idle: 30 * time.Minute, Retry: 5 * time.Minute})
	r.asks = jobs.NewSweeper(jobs.SweeperOptions{Name: "contact.asks", Clock: o.Clock, Log: o.Log, Sweep: r.askAll, Idle: time.Hour, Retry: time.Minute})
	return r
}

// Start begins to look and to ask.
func (r *Room) Start(ctx context.Context) error {
	r.sweep.Start(ctx)
	r.asks.Start(ctx)
	return nil
}

// Stop ends it and waits for the look at hand.
func (r *Room) Stop() {
	r.asks.Stop()
	r.sweep.Stop()
}

var errForbidden = fault.New(fault.Forbidden, "contact.forbidden")

// scope is what an API token needs.
const scope = "people"

// mayLook: the page names people's second addresses by their domain and the
// town's weak spots, which is the business of those who mend them.
func mayLook(ctx context.Context) error {
	a := ident.ActorOf(ctx)
	if a.Kind == ident.KindPublic || !a.Has(string(identity.RoleAdmin), string(identity.RoleIT)) {
		return errForbidden
	}
	return nil
}

// Points are all points with what the last look found, the worst first.
func (r *Room) Points(ctx context.Context) ([]Seen, error) {
	if err := mayLook(ctx); err != nil {
		return nil, err
	}
	return r.points(ctx)
}

func (r *Room) points(ctx context.Context) ([]Seen, error) {
	points, err1 := r.all(ctx)
	rows, err2 := r.rows(ctx)
	town, err3 := r.o.People.Current(ctx)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	out := make([]Seen, len(points))
	for i, p := range points {
		s := Seen{Point: p, CheckedAt: p.At}
		if row, ok := rows[p.id()]; ok && !p.Looked && row.Host == p.Host {
			s.Findings, s.CheckedAt = row.found(), row.checked()
		}
		s.State = judge(s.Point, s.CheckedAt, compared(town, p))
		out[i] = s
	}
	order(out)
	return out, nil
}

// Falls tells for every kind of which there are points whether all of them fall
// together with the town, by the last look. What is not known does not fall: no
// chain of alarms is refused for a name server that is silent.
func (r *Room) Falls(ctx context.Context) (map[Kind]bool, error) {
	all, err := r.points(ctx)
	if err != nil {
		return nil, err
	}
	out := map[Kind]bool{}
	for _, s := range all {
		before, known := out[s.Kind]
		out[s.Kind] = (before || !known) && s.State == Shared
	}
	return out, nil
}

// Look looks at all points now, keeps nothing and tells nobody: for the command
// line.
func (r *Room) Look(ctx context.Context) ([]Seen, error) {
	points, err1 := r.all(ctx)
	town, err2 := r.o.People.Current(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	checker := identity.NewChecker(r.o.Resolver)
	out := make([]Seen, len(points))
	for i, p := range points {
		out[i] = r.look(ctx, checker, town, p)
	}
	order(out)
	return out, nil
}

func (r *Room) look(ctx context.Context, c *identity.Checker, town identity.Tenant, p Point) Seen {
	s := Seen{Point: p, CheckedAt: p.At}
	if !p.Looked {
		switch {
		case p.Kind == Account && p.Mail == "":
			s.Findings = []identity.Finding{{Cause: identity.CauseMissing, Severity: identity.Wrong}}
		case p.Mail != "":
			for _, f := range c.Check(ctx, town, identity.Person{Alternative: p.Mail}) {
				f.Person, f.Address = "", "" // a look names nobody
				s.Findings = append(s.Findings, f)
			}
		case p.Host != "" || len(p.Addrs) > 0:
			s.Findings = c.Host(ctx, town, p.Host, p.Addrs...)
		}
		s.CheckedAt = r.o.Clock.Now()
	}
	s.State = judge(s.Point, s.CheckedAt, compared(town, p))
	return s
}

// Check looks at all points of the town in ctx now, because a person asks.
func (r *Room) Check(ctx context.Context) error {
	if err := mayLook(ctx); err != nil {
		return err
	}
	_, err := r.check(ctx, r.o.Clock.Now(), true)
	return err
}

// checkAll looks at what is due, for every town.
func (r *Room) checkAll(ctx context.Context, now time.Time) (time.Time, error) {
	towns, err := r.o.People.Tenants(ident.AcrossTenants(ident.WithActor(ctx, ident.System)))
	if err != nil {
		return time.Time{}, err
	}
	var next time.Time
	var failed error
	for _, t := range towns {
		at, err := r.check(ident.WithTenant(ident.WithActor(ctx, ident.System), t.ID), now, false)
		failed = errors.Join(failed, err)
		if next.IsZero() || !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next, failed
}

// due is when a point is looked at next.
func (row pointRow) due() time.Time {
	if row.State == Unknown && slices.ContainsFunc(row.found(), func(f identity.Finding) bool { return f.Cause == identity.CauseNoAnswer }) {
		return row.checked().Add(againAfter)
	}
	return row.checked().Add(checkEvery)
}

// check looks at the points of one town; no transaction is open while DNS is asked.
func (r *Room) check(ctx context.Context, now time.Time, all bool) (next time.Time, err error) {
	points, err1 := r.all(ctx)
	rows, err2 := r.rows(ctx)
	town, err3 := r.o.People.Current(ctx)
	if err := errors.Join(err1, err2, err3); err != nil {
		return next, err
	}
	checker := identity.NewChecker(r.o.Resolver)
	var fresh []Seen
	var turned []Seen // from something else to red
	for _, p := range points {
		row, known := rows[p.id()]
		if known && !all && !p.Looked && row.Host == p.Host && row.due().After(now) {
			if next.IsZero() || row.due().Before(next) {
				next = row.due()
			}
			continue
		}
		s := r.look(ctx, checker, town, p)
		if ctx.Err() != nil {
			return next, ctx.Err()
		}
		if p.Looked && known && row.State == s.State {
			continue
		}
		// What DNS does not tell today says nothing against what it told yesterday.
		if s.State == Unknown && known && row.State == Shared && row.Host == p.Host && unanswered(s) {
			s.State, s.Findings = Shared, row.found()
		}
		fresh = append(fresh, s)
		if s.State == Shared && known && row.State != Shared {
			turned = append(turned, s)
		}
	}
	gone := make([]string, 0, len(rows))
	for id := range rows {
		if !slices.ContainsFunc(points, func(p Point) bool { return p.id() == id }) {
			gone = append(gone, id)
		}
	}
	if len(fresh)+len(gone) == 0 {
		return next, nil
	}
	order(turned)
	return next, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var told []Seen
		for _, s := range fresh {
			// Another node may have been faster: only who turns it tells it.
			before, err := r.put(ctx, db, s)
			if err != nil {
				return err
			}
			if before != "" && before != Shared && slices.ContainsFunc(turned, func(t Seen) bool { return t.id() == s.id() }) {
				told = append(told, s)
			}
		}
		if err := r.drop(ctx, db, gone); err != nil {
			return err
		}
		r.hint(ctx)
		return r.tell(ctx, told)
	})
}

// unanswered reports whether a look failed for DNS alone.
func unanswered(s Seen) bool {
	return slices.ContainsFunc(s.Findings, func(f identity.Finding) bool { return f.Cause == identity.CauseNoAnswer })
}

// tell writes to the administrators what has turned red.
func (r *Room) tell(ctx context.Context, turned []Seen) error {
	if len(turned) == 0 {
		return nil
	}
	admins, err1 := r.o.People.People(ctx, identity.Filter{Role: identity.RoleAdmin, Active: true})
	town, err2 := r.o.People.Current(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for _, p := range admins {
		l := r.localeFor(ctx, p)
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n", l.Catalog.Text(l.Lang, "contact.mail_say"))
		for _, s := range turned {
			what, wayOut := s.Say(l)
			fmt.Fprintf(&b, "\n- %s\n  %s\n", what, wayOut)
		}
		fmt.Fprintf(&b, "\n%s%s\n", town.StaffURL, Path)
		m := channel.Message{Kind: channel.Mail, To: p.Email, Subject: l.Catalog.Text(l.Lang, "contact.mail_subject", len(turned)), Text: b.String()}
		if err := r.send(ctx, p, m, l); err != nil {
			return err
		}
	}
	return nil
}

func (r *Room) hint(ctx context.Context) {
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() {
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "contact"})
		}
	})
}
