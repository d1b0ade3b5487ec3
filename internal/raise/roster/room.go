package roster

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

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

// People are those who can be on duty.
type People interface {
	People(ctx context.Context, f identity.Filter) ([]identity.Person, error)
	Current(ctx context.Context) (identity.Tenant, error)
	Tenants(ctx context.Context) ([]identity.Tenant, error)
}

// Outbox takes the mails.
type Outbox interface {
	Send(ctx context.Context, m channel.Message) error
}

// Options configures [New].
type Options struct {
	Store   *store.Store
	Clock   clock.Clock
	Log     *slog.Logger
	Hints   *bus.Hints
	Catalog *i18n.Catalog
	Audit   Audit
	People  People
	Outbox  Outbox
	Vault   Vault // of the messengers' secrets
	// Ended tells when an alarm ended (zero: it goes on); nil: nobody knows.
	Ended func(ctx context.Context, alert string) (time.Time, error)
}

// Room keeps the rosters.
type Room struct {
	o     Options
	sweep *jobs.Sweeper
	gate  turnstile
	heard heard
}

// New makes the room; it announces nothing before Start.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "roster")
	r := &Room{o: o}
	r.sweep = jobs.NewSweeper(jobs.SweeperOptions{Name: "roster.gaps", Clock: o.Clock, Log: o.Log, Idle: lookEvery, Sweep: r.announce})
	return r
}

// Start begins to announce gaps.
func (r *Room) Start(ctx context.Context) error {
	r.sweep.Start(ctx)
	return nil
}

// Stop ends it and waits for the round at hand.
func (r *Room) Stop() { r.sweep.Stop() }

// The faults that several rules give.
var (
	errForbidden = fault.New(fault.Forbidden, "roster.forbidden")
	errDeclared  = fault.New(fault.Conflict, "roster.declared")
	errNotYours  = fault.New(fault.Forbidden, "roster.not_yours")
)

// mayChange is the right to make and change rosters.
func mayChange(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has("admin", "it") {
		return errForbidden
	}
	return nil
}

// mayLead is the right to say who is on duty in a roster: its lead has it too.
func (r *Room) mayLead(ctx context.Context, ro Roster) error {
	if mayChange(ctx) == nil {
		return nil
	}
	if me, err := r.me(ctx); err == nil && me != "" && me == ro.Lead {
		return nil
	}
	return errForbidden
}

// me is the mail address of the person who acts; empty for everybody else.
func (r *Room) me(ctx context.Context) (string, error) {
	id := ident.ActorOf(ctx).Person
	if id == "" {
		return "", nil
	}
	all, err := r.o.People.People(ctx, identity.Filter{})
	if err != nil {
		return "", err
	}
	for _, p := range all {
		if string(p.ID) == id {
			return p.Email, nil
		}
	}
	return "", nil
}

// crew are the people of a town by mail address.
type crew map[string]identity.Person

func (r *Room) crew(ctx context.Context) (crew, error) {
	all, err := r.o.People.People(ctx, identity.Filter{})
	out := make(crew, len(all))
	for _, p := range all {
		out[p.Email] = p
	}
	return out, err
}

// Why says for which reason a shift is a gap.
type Why string

// The reasons; each has a word with the key "roster.why_" + reason.
const (
	Nobody   Why = "nobody"   // the plan or an override names nobody
	Blocked  Why = "blocked"  // the person is blocked
	Unknown  Why = "unknown"  // nobody has this address any more
	TooFew   Why = "few"      // somebody is there, but fewer than there should be
	NotBegun Why = "notbegun" // the roster has not begun; only figures say so
)

// fit tells whether an address is somebody who can be woken.
func (c crew) fit(address string) (Why, bool) {
	if address == "" {
		return Nobody, false
	}
	p, ok := c[address]
	switch {
	case !ok:
		return Unknown, false
	case p.Blocked:
		return Blocked, false
	}
	return "", true
}

// name is what people call somebody.
func (c crew) name(address string) string {
	if p, ok := c[address]; ok && p.Name != "" {
		return p.Name
	}
	return address
}

// sorted are the people by name.
func (c crew) sorted() []identity.Person {
	out := slices.Collect(maps.Values(c))
	slices.SortFunc(out, func(a, b identity.Person) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Email, b.Email))
	})
	return out
}

// rules are the calendar and zone of the town in ctx; land overrides the town's
// when it is not empty.
func (r *Room) rules(ctx context.Context, land string) (Rules, error) {
	town, err := r.o.People.Current(ctx)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return Rules{}, err
	}
	zone, err := clock.Zone(town.Zone)
	if err != nil {
		zone = time.UTC // a wrong zone is settings' fault, and no reason for nobody to be on duty
	}
	days, err := r.Days(ctx)
	return Rules{NewCalendar(cmp.Or(land, town.Land), days), zone}, err
}

// OnDuty are the people who are on duty by a roster at a moment, overrides and
// swaps counted, the first line first. Whoever is blocked or gone is left out; in
// a gap there is nobody, and the asker goes on to whoever is next. The fault is
// NotFound when there is no such roster.
func (r *Room) OnDuty(ctx context.Context, slug string, at time.Time) ([]identity.Person, error) {
	ro, err := r.Get(ctx, slug)
	if err != nil {
		return nil, err
	}
	v, err := r.look(ctx, ro, at, at.Add(time.Millisecond))
	if err != nil {
		return nil, err
	}
	var out []identity.Person
	for _, s := range v.shifts {
		if _, ok := v.crew.fit(s.Person); ok && !slices.ContainsFunc(out, func(p identity.Person) bool { return p.Email == s.Person }) {
			out = append(out, v.crew[s.Person])
		}
	}
	return out, nil
}

// seen is a piece of a roster as it stands.
type seen struct {
	Roster
	from, to  time.Time
	shifts    []Shift
	overrides []Override
	crew      crew
	rules     Rules
}

// look figures a roster's shifts in [from, to).
func (r *Room) look(ctx context.Context, ro Roster, from, to time.Time) (seen, error) {
	v := seen{Roster: ro, from: from, to: to}
	var err1, err2, err3 error
	v.rules, err1 = r.rules(ctx, "")
	v.crew, err2 = r.crew(ctx)
	v.overrides, err3 = r.overrides(ctx, ro.Slug, from, to)
	if err := errors.Join(err1, err2, err3); err != nil {
		return v, err
	}
	v.shifts = ro.Shifts(from, to, v.overrides, v.rules)
	return v, nil
}

// mails lists addresses that somebody wrote one a line or with commas.
func mails(s string) []string {
	var out []string
	for _, p := range strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == ',' || r == ';' || r == ' ' || r == '\r' || r == '\t' }) {
		out = append(out, strings.ToLower(p))
	}
	return out
}
