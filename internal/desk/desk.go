package desk

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/onsite"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/inform/publish"
	"tuermer/internal/learn/exercise"
	"tuermer/internal/learn/review"
	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/pulse"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/roster"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/papers"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

//go:embed texts
var texts embed.FS

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }

// Options are the rooms that the desk shows.
type Options struct {
	Store    *store.Store // only to put acts of several rooms into one transaction
	Clock    clock.Clock
	Log      *slog.Logger
	Version  string
	Catalog  *i18n.Catalog
	Identity *identity.Room
	Service  *service.Room
	Plan     *plan.Room
	Channel  *channel.Room
	// PushKey is what browsers of the town in ctx subscribe with; nil: nothing is
	// pushed.
	PushKey  func(ctx context.Context) (string, error)
	Signal   *signal.Room
	Monitor  *monitor.Room
	Pulse    *pulse.Room
	Roster   *roster.Room
	Alert    *alert.Room
	Incident *incident.Room
	Staff    *staff.Room
	Onsite   *onsite.Room
	Publish  *publish.Room
	Review   *review.Room
	Exercise *exercise.Room // nil: none are told of
	// Papers are what is not in order about the papers that a town must have, for
	// those who can mend it; nil: nothing is known of any.
	Papers func(ctx context.Context) ([]papers.Finding, error)
	// Diagnose makes the bundle for a helper; it checks who asks. Nil: none is made.
	Diagnose func(ctx context.Context) ([]byte, error)
	// Declared reports whether the town stands in tuermer.yaml, where it is then
	// changed; nil: it does not.
	Declared func(ctx context.Context) bool
	// Hooks are the town's webhooks, and Fetch asks for an address from outside,
	// both for trying ways out. Nil: there is nothing to try.
	Hooks interface {
		Hooks(ctx context.Context) ([]alert.Hook, error)
	}
	Fetch func(ctx context.Context, url string) error
	// Notes are bands over every page that somebody else adds.
	Notes func(ctx context.Context) []web.Note
}

// Desk is the console's pages over several rooms.
type Desk struct {
	o      Options
	sweep  *jobs.Sweeper
	months *jobs.Sweeper
	briefs briefs
}

// New makes the desk.
func New(o Options) *Desk {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Desk{o: o}
	d.sweep, d.months = d.sweeper(), d.monthSweeper()
	return d
}

// Routes are the pages.
func (d *Desk) Routes(s *web.Site) {
	s.Handle("GET /{$}", web.Staff(d.overview))
	s.Handle("GET /more", web.Staff(d.more))
	s.Handle("GET /search", web.Staff(d.search))
	s.Handle("GET /settings", web.Staff(d.settings))
	s.Handle("POST /settings/town", web.Staff(d.saveTown))
	s.Handle("GET /settings/diagnosis.zip", web.Staff(d.diagnosis))
	s.Handle("GET /incident/{id}", web.Staff(d.incident))
	s.Handle("GET /alert/{id}/inform", web.Staff(d.inform))
	s.Handle("POST /alert/{id}/inform", web.Staff(d.informNow))
	s.Handle("POST /alert/{id}/incident", web.Staff(d.openIncident))
	d.kitRoutes(s)
	d.setupRoutes(s)
	s.Handle("GET "+reachPath, web.Staff(d.pageReach))
	s.Handle("POST "+reachPath+"/test", web.Staff(d.postReach))
	s.Handle("POST "+reachPath+"/order", web.Staff(d.postReachOrder))
	s.Handle("POST "+reachPath+"/quiet", web.Staff(d.postReachQuiet))
	d.deviceRoutes(s)
	d.messengerRoutes(s)
}

// lage is what the Lagebild knows.
type lage struct {
	Now       time.Time
	Alerts    []alert.Alert
	Incidents []incident.Incident
	Due       []due
	// Staff is what crisis staffs wait for within a day, and StaffTitles the titles
	// of their incidents.
	Staff       []staff.Due
	StaffTitles map[string]string
	// Commitments are open ones that are overdue or due within a week.
	Commitments []incident.Commitment
	Withheld    []alert.Withheld
	Behind      map[alert.ID][]alert.Alert // held back because of the alert
	Held        []monitor.HeldGroup        // withheld by the monitors themselves
	Uplink      monitor.UplinkView
	Pulse       pulse.Overview
	Disputed    []monitor.Monitor // failing, as too few vantage points see
	Signals     []signal.Signal
	Duty        []person
	Rosters     []roster.Duty
	Monitors    map[monitor.State]int
	Waiting     map[channel.State]int
	Services    map[string]service.Service
	NoWay       bool // no route for mail at all
	Empty       bool // nothing is set up yet
	// Unreleased: nobody has approved the short messages beforehand, and the
	// reader is one who can do it or have it done.
	Unreleased bool
	// OpenWords names services whose changed words wait for a second person.
	OpenWords []string
	Submitted []publish.Statement
	Legal     []review.Lined // legal clocks that run
	// Papers that are red, for those who can mend them.
	Papers []papers.Finding
	// Setup are the steps of a first start; red until each has proved itself.
	Setup []setupStep
}

// due is one promise with the names that a person reads.
type due struct {
	publish.Promise
	AudienceName string
	Title        string
	Overdue      bool
}

// person is somebody who would be woken, and how.
type person struct {
	identity.Person
	Confirmed bool // the alternative address was confirmed, or is the operator's word
}

func (d *Desk) lage(ctx context.Context) (l lage, err error) {
	l.Now = d.o.Clock.Now()
	if l.Alerts, err = d.o.Alert.List(ctx, alert.Filter{Current: true, Awake: true, Limit: 50}); err != nil {
		return l, err
	}
	ids := make([]alert.ID, len(l.Alerts))
	for i, a := range l.Alerts {
		ids[i] = a.ID
	}
	if l.Behind, err = d.o.Alert.Effects(ctx, ids...); err != nil {
		return l, err
	}
	if l.Incidents, err = d.o.Incident.List(ctx, incident.Filter{Current: true, Limit: 50}); err != nil {
		return l, err
	}
	if l.Due, err = d.due(ctx); err != nil {
		return l, err
	}
	if l.Legal, err = d.o.Review.Running(ctx, ""); err != nil {
		return l, err
	}
	if steps, begun, err := d.setupSteps(ctx); err != nil {
		return l, err
	} else if begun && openSteps(steps) > 0 {
		l.Setup = steps
	}
	if l.Staff, l.StaffTitles, err = d.staffDue(ctx, l.Now); err != nil {
		return l, err
	}
	if l.Commitments, err = d.commitments(ctx, l.Now); err != nil {
		return l, err
	}
	if l.Withheld, err = d.o.Alert.Withheld(ctx, l.Now.Add(-24*time.Hour)); err != nil {
		return l, err
	}
	if l.Held, err = d.o.Monitor.Withheld(ctx, l.Now.Add(-24*time.Hour)); err != nil {
		return l, err
	}
	l.Uplink = d.o.Monitor.Uplink(ctx)
	if d.o.Pulse != nil {
		if l.Pulse, err = d.o.Pulse.Overview(ctx); err != nil {
			return l, err
		}
	}
	if l.Disputed, err = d.o.Monitor.Disputed(ctx); err != nil {
		return l, err
	}
	if l.Signals, err = d.o.Signal.List(ctx, signal.Filter{Limit: 6}); err != nil {
		return l, err
	}
	if l.Duty, err = d.duty(ctx); err != nil {
		return l, err
	}
	if d.o.Roster != nil {
		if l.Rosters, err = d.o.Roster.Duties(ctx); err != nil {
			return l, err
		}
	}
	if l.Monitors, err = d.o.Monitor.Counts(ctx); err != nil {
		return l, err
	}
	if l.Waiting, err = d.o.Channel.Counts(ctx); err != nil {
		return l, err
	}
	if l.Submitted, err = d.o.Publish.List(ctx, publish.Filter{States: []publish.State{publish.StateSubmitted}, Limit: 20}); err != nil {
		return l, err
	}
	all, err := d.o.Service.List(ctx)
	if err != nil {
		return l, err
	}
	l.Services = map[string]service.Service{}
	for _, s := range all {
		l.Services[s.Slug] = s
	}
	l.NoWay = !slices.ContainsFunc(d.o.Channel.Ways(ctx), func(w channel.WayState) bool {
		return w.Kind == channel.Mail && w.Realm == channel.Live
	})
	if d.o.Papers != nil {
		if l.Papers, err = d.o.Papers(ctx); err != nil {
			return l, err
		}
		l.Papers = slices.DeleteFunc(l.Papers, func(f papers.Finding) bool { return !f.Red })
	}
	l.Empty = len(l.Monitors) == 0 && len(all) == 0
	if !l.Empty && ident.ActorOf(ctx).Has(string(identity.RoleAdmin), string(identity.RoleApprover)) {
		by, err := d.o.Publish.HoldingReleasedBy(ctx)
		if err != nil {
			return l, err
		}
		l.Unreleased = by == ""
		open, err := d.o.Publish.OpenWords(ctx)
		if err != nil {
			return l, err
		}
		for _, s := range open {
			l.OpenWords = append(l.OpenWords, s.Name)
		}
	}
	return l, nil
}

// due lists what was promised, the next one first, with names.
func (d *Desk) due(ctx context.Context) ([]due, error) {
	ps, err := d.o.Publish.Due(ctx)
	if err != nil || len(ps) == 0 {
		return nil, err
	}
	audiences, err := d.o.Plan.Audiences(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, a := range audiences {
		names[a.Slug] = a.Name
	}
	titles := map[incident.ID]string{}
	now := d.o.Clock.Now()
	out := make([]due, 0, len(ps))
	for _, p := range ps {
		if _, known := titles[p.Incident]; !known {
			i, err := d.o.Incident.Get(ctx, p.Incident)
			if err != nil {
				return nil, err
			}
			titles[p.Incident] = i.Title
		}
		name := names[p.Audience]
		if name == "" {
			name = p.Audience
		}
		out = append(out, due{Promise: p, AudienceName: name, Title: titles[p.Incident], Overdue: p.Overdue(now)})
	}
	return out, nil
}

// commitmentAhead is how far ahead the Lagebild looks at what was promised.
const commitmentAhead = 7 * 24 * time.Hour

// staffDue lists controls and reliefs of crisis staffs that are overdue or due
// within a day, with the titles of their incidents.
func (d *Desk) staffDue(ctx context.Context, now time.Time) ([]staff.Due, map[string]string, error) {
	all, err := d.o.Staff.Due(ctx)
	if err != nil {
		return nil, nil, err
	}
	titles := map[string]string{}
	all = slices.DeleteFunc(all, func(x staff.Due) bool { return x.At.After(now.Add(24 * time.Hour)) })
	for _, x := range all {
		if _, known := titles[string(x.Incident)]; known {
			continue
		}
		i, err := d.o.Incident.Get(ctx, x.Incident)
		if err != nil {
			return nil, nil, err
		}
		titles[string(x.Incident)] = i.Title
	}
	return all, titles, nil
}

// commitments lists open promises that are overdue or due soon, the next one
// first.
func (d *Desk) commitments(ctx context.Context, now time.Time) ([]incident.Commitment, error) {
	all, err := d.o.Incident.Commitments(ctx, incident.CommitmentFilter{State: incident.CommitmentOpen, Limit: 1000})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(c incident.Commitment) bool { return c.Due.After(now.Add(commitmentAhead)) })
	slices.SortFunc(all, func(a, b incident.Commitment) int { return a.Due.Compare(b.Due) })
	return all, nil
}

// duty lists who is woken when a service has no owner of its own and no chain.
func (d *Desk) duty(ctx context.Context) ([]person, error) {
	people, err := d.o.Identity.People(ctx, identity.Filter{Role: identity.RoleIT, Active: true, Limit: 20})
	if err != nil {
		return nil, err
	}
	out := make([]person, len(people))
	for i, p := range people {
		out[i] = person{Person: p, Confirmed: p.Alternative != "" && (p.Declared || !p.AlternativeVerified.IsZero())}
	}
	return out, nil
}

// Headline is the one sentence at the top: how things stand, and the state that
// gives it its mark.
func (l lage) Headline(ctx context.Context) (web.State, string, string) {
	word := func(i incident.Incident) string { return i18n.T(ctx, "desk.level_"+string(i.Level)) }
	var active []incident.Incident
	for _, i := range l.Incidents {
		if i.Phase.Active() {
			active = append(active, i)
		}
	}
	// A suspicion alone is no disturbance yet.
	state := web.Down
	if len(l.Alerts) == 0 && !slices.ContainsFunc(active, func(i incident.Incident) bool { return i.Phase != incident.Candidate }) {
		state = web.Checking
		word = func(i incident.Incident) string { return i.Phase.Word(ctx) }
	}
	switch {
	case len(active) == 1:
		return state, word(active[0]), i18n.T(ctx, "desk.say_incident", active[0].Title, i18n.Short(ctx, active[0].Since))
	case len(active) > 1:
		worst := slices.MaxFunc(active, func(a, b incident.Incident) int {
			return slices.Index(incident.Levels(), a.Level) - slices.Index(incident.Levels(), b.Level)
		})
		titles := make([]string, len(active))
		for i, a := range active {
			titles[i] = a.Title
		}
		return state, word(worst), i18n.T(ctx, "desk.say_incidents", len(active), strings.Join(titles, ", "))
	case len(l.Alerts) > 0 && l.mild():
		return web.Degraded, i18n.T(ctx, "desk.limited"), i18n.T(ctx, "desk.say_alert", l.Alerts[0].Title, i18n.Short(ctx, l.Alerts[0].Since))
	case len(l.Alerts) == 1:
		return web.Down, i18n.T(ctx, "desk.alarm"), i18n.T(ctx, "desk.say_alert", l.Alerts[0].Title, i18n.Short(ctx, l.Alerts[0].Since))
	case len(l.Alerts) > 1:
		return web.Down, i18n.T(ctx, "desk.alarm"), i18n.T(ctx, "desk.say_alerts", len(l.Alerts))
	case l.Empty:
		return web.Unknown, i18n.T(ctx, "desk.not_set_up"), i18n.T(ctx, "desk.say_empty")
	case len(l.Incidents) > 0:
		return web.Checking, i18n.T(ctx, "desk.restored"), i18n.T(ctx, "desk.say_restored", l.Incidents[0].Title)
	default:
		return web.OK, i18n.T(ctx, "desk.all_well"), i18n.N(ctx, "desk.say_well", l.watched())
	}
}

// mild: nothing that is open has woken anybody.
func (l lage) mild() bool {
	return !slices.ContainsFunc(l.Alerts, func(a alert.Alert) bool { return a.Severity == signal.Critical })
}

// effects are the withheld alarms behind what an alert is about.
func (l lage) effects(a alert.Alert) (out []monitor.HeldGroup) {
	for _, g := range l.Held {
		if g.Parent != "" && g.EndedAt.IsZero() && slices.ContainsFunc(a.Signals, func(s alert.Source) bool {
			return s.State == signal.Firing && s.Key == "monitor:"+g.Parent
		}) {
			out = append(out, g)
		}
	}
	return out
}

func (l lage) watched() int {
	n := 0
	for _, c := range l.Monitors {
		n += c
	}
	return n
}

func incidentHref(id incident.ID) string { return "/incident/" + string(id) }
func alertHref(id alert.ID) string       { return "/alert/" + string(id) }
