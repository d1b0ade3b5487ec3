package exercise

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// Incidents is what this room asks the incident room.
type Incidents interface {
	Open(ctx context.Context, q incident.OpenRequest) (incident.Incident, error)
	Get(ctx context.Context, id incident.ID) (incident.Incident, error)
	Advance(ctx context.Context, id incident.ID, to incident.Phase, reason string) error
	Dismiss(ctx context.Context, id incident.ID, reason string) error
	Journal(ctx context.Context, id incident.ID) ([]incident.Entry, error)
	Record(ctx context.Context, id incident.ID, kind incident.EntryKind, text, ref string) error
}

// Statements is what this room asks publish.
type Statements interface {
	Rehearse(ctx context.Context, in incident.ID, k template.Kind, s template.Scenario) (publish.Statement, error)
	Approve(ctx context.Context, id publish.ID, c publish.Consent) (publish.Statement, error)
	DeliverNow(ctx context.Context, realm incident.Realm) error
	List(ctx context.Context, f publish.Filter) ([]publish.Statement, error)
	Variants(ctx context.Context, id publish.ID) ([]publish.Variant, error)
	HeardOf(ctx context.Context, id publish.ID) ([]publish.Heard, error)
	Adherence(ctx context.Context, in incident.ID) (kept, missed int, err error)
	Waive(ctx context.Context, in incident.ID, reason string) error
}

// Services is the catalogue.
type Services interface {
	List(ctx context.Context) ([]service.Service, error)
}

// Audiences have names.
type Audiences interface {
	Audiences(ctx context.Context) ([]plan.Audience, error)
}

// Town knows language and zone.
type Town interface {
	Current(ctx context.Context) (identity.Tenant, error)
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
	Services   Services
	Audiences  Audiences
	Alarms     Alarms
	Outbox     Outbox
	Town       Town
	Library    *template.Library
}

// Room keeps the exercises of all tenants.
type Room struct {
	o     Options
	sweep *jobs.Sweeper
}

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "exercise")
	r := &Room{o: o}
	r.sweep = jobs.NewSweeper(jobs.SweeperOptions{Name: "exercise.injects", Clock: o.Clock, Log: o.Log, Sweep: r.injectDue, Idle: 10 * time.Minute})
	return r
}

// Start begins to tell what happens in running drills.
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

// Scenarios are what can be practised.
func (r *Room) Scenarios() []template.ScenarioInfo {
	return slices.DeleteFunc(r.o.Library.Scenarios(), func(s template.ScenarioInfo) bool { return s.Mark == "" })
}

func (r *Room) scenario(s template.Scenario) (template.ScenarioInfo, error) {
	all := r.Scenarios()
	i := slices.IndexFunc(all, func(x template.ScenarioInfo) bool { return x.Scenario == s })
	if i < 0 {
		names := make([]string, len(all))
		for n, x := range all {
			names[n] = string(x.Scenario)
		}
		return template.ScenarioInfo{}, fault.New(fault.Invalid, "exercise.no_scenario", string(s), strings.Join(names, ", ")).Field("scenario", "exercise.no_scenario_field")
	}
	return all[i], nil
}

func (r *Room) locale(ctx context.Context) (i18n.Locale, error) {
	t, err := r.o.Town.Current(ctx)
	if err != nil {
		return i18n.Locale{}, err
	}
	zone, err := clock.Zone(t.Zone)
	if err != nil {
		zone = time.UTC // it is checked where it is entered
	}
	return i18n.Locale{Catalog: r.o.Catalog, Lang: i18n.Parse(t.Language), Zone: zone, Now: r.o.Clock.Now()}, nil
}

// Begin starts an exercise. A rehearsal is over when Begin returns; the others
// run until [Room.End]. A drill begins as trouble does: with an alarm, and with
// an incident that nobody has confirmed or weighed yet.
func (r *Room) Begin(ctx context.Context, t Type, s template.Scenario) (Exercise, error) {
	if !mayAct(ctx) {
		return Exercise{}, ErrForbidden
	}
	if !slices.Contains(Types(), t) {
		return Exercise{}, fault.New(fault.Invalid, "exercise.no_type").Field("type", "exercise.no_type")
	}
	info, err := r.scenario(s)
	if err != nil {
		return Exercise{}, err
	}
	l, err := r.locale(ctx)
	if err != nil {
		return Exercise{}, err
	}
	slugs, err := r.concerned(ctx)
	if err != nil {
		return Exercise{}, err
	}
	title := info.Title
	if l.Lang == i18n.EN {
		title = info.TitleEN
	}
	var e Exercise
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		now := r.o.Clock.Now()
		q := incident.OpenRequest{
			Title: l.Catalog.Text(l.Lang, "exercise.incident", title), Services: slugs, Level: Level(s), Realm: incident.Exercise, Confirmed: true,
		}
		if t == Drill {
			q.Level, q.Confirmed = incident.Disruption, false
		}
		i, err := r.o.Incidents.Open(ctx, q)
		if err != nil {
			return err
		}
		who := ident.ActorOf(ctx)
		e = Exercise{
			ID: ID(ident.NewID(now)), Type: t, Scenario: s, Title: title, Incident: i.ID, State: Running, StartedAt: now,
			StartedBy: ident.Actor{Kind: who.Kind, Person: who.Person, Name: who.Name},
		}
		if t == Drill {
			if err := r.alarm(ctx, &e, slugs, l); err != nil {
				return err
			}
		}
		if err := r.insert(ctx, db, e); err != nil {
			return err
		}
		r.changed(ctx, e)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "exercise.started", Subject: "exercise:" + string(e.ID), Detail: map[string]string{"type": string(t), "scenario": string(s)}})
	})
	if err != nil {
		return e, err
	}
	if t != Rehearsal {
		r.sweep.Kick()
		return e, nil
	}
	findings := r.play(ctx, e, l)
	return r.finish(ctx, e, l, findings)
}

// concerned are the services that a scenario hits: the public ones, at most as
// many as a message can name.
func (r *Room) concerned(ctx context.Context) ([]string, error) {
	all, err := r.o.Services.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range all {
		if s.Public && len(out) < 3 {
			out = append(out, s.Slug)
		}
	}
	if len(out) == 0 && len(all) > 0 {
		out = append(out, all[0].Slug)
	}
	return out, nil
}

// acts are the messages of a rehearsal, with the phase that follows each.
var acts = []struct {
	kind template.Kind
	then incident.Phase
}{
	{template.Holding, ""},
	{template.First, incident.Identified},
	{template.Update, incident.Monitoring},
	{template.Recovery, incident.Restored},
	{template.Closing, incident.Closed},
}

// play lets the product speak all roles: one voice writes, a second approves,
// as I3 asks for. What does not work is a finding, and the play goes on.
func (r *Room) play(ctx context.Context, e Exercise, l i18n.Locale) []string {
	role := func(name string) context.Context {
		return ident.WithActor(ctx, ident.Actor{
			Kind: ident.KindSystem, Person: "exercise-" + name, Name: l.Catalog.Text(l.Lang, "exercise.role_"+name),
		})
	}
	findings := []string{}
	failed := func(what string, err error) {
		f := fault.As(err)
		findings = append(findings, what+": "+l.Catalog.Text(l.Lang, f.Key, f.Args...))
	}
	for _, act := range acts {
		name := l.Catalog.Text(l.Lang, "template.kind."+string(act.kind))
		s, err := r.o.Statements.Rehearse(role("author"), e.Incident, act.kind, e.Scenario)
		if err == nil && s.State != publish.StatePublished {
			_, err = r.o.Statements.Approve(role("approver"), s.ID, publish.Consent{Revision: s.Revision})
		}
		if err != nil {
			failed(name, err)
			continue
		}
		if err := r.o.Statements.DeliverNow(ctx, incident.Exercise); err != nil {
			failed(name, err)
		}
		if act.then != "" {
			if err := r.o.Incidents.Advance(role("author"), e.Incident, act.then, ""); err != nil {
				failed(name, err)
			}
		}
	}
	return findings
}

// End ends an exercise that people play and writes its record.
func (r *Room) End(ctx context.Context, id ID) (Exercise, error) {
	if !mayAct(ctx) {
		return Exercise{}, ErrForbidden
	}
	e, err := r.Get(ctx, id)
	if err != nil {
		return e, err
	}
	if e.State != Running {
		return e, ErrEnded
	}
	l, err := r.locale(ctx)
	if err != nil {
		return e, err
	}
	return r.finish(ctx, e, l, nil)
}

// finish writes the record. The incident of the exercise ends with it, whatever
// was said: nobody waits for its closing words.
func (r *Room) finish(ctx context.Context, e Exercise, l i18n.Locale, findings []string) (Exercise, error) {
	rec, err := r.record(ctx, e)
	if err != nil {
		return e, err
	}
	rec.Findings = append([]string{}, findings...)
	if end := r.o.Clock.Now(); e.Alarm.Given() {
		alarm := e.Alarm
		rec.Alarm = &alarm
		switch {
		case len(alarm.Told) == 0:
			rec.Findings = append(rec.Findings, l.Catalog.Text(l.Lang, "exercise.alarm_nobody"))
		case !alarm.Taken():
			rec.Findings = append(rec.Findings, l.Catalog.Text(l.Lang, "exercise.alarm_open"))
		case alarm.Late(end):
			rec.Findings = append(rec.Findings, l.Catalog.Text(l.Lang, "exercise.alarm_late", l.Span(alarm.Took(end))))
		}
	}
	if rec.Unmarked > 0 {
		rec.Findings = append(rec.Findings, l.Catalog.Text(l.Lang, "exercise.unmarked", rec.Unmarked))
	}
	for _, m := range rec.Messages {
		if m.Accepted < m.Recipients {
			rec.Findings = append(rec.Findings, l.Catalog.Text(l.Lang, "exercise.not_reached", m.Called(), m.Recipients-m.Accepted, m.Recipients))
		}
	}
	if rec.Missed > 0 {
		rec.Findings = append(rec.Findings, l.Catalog.Text(l.Lang, "exercise.missed", rec.Missed, rec.Kept+rec.Missed))
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		have, err := r.Get(ctx, e.ID)
		if err != nil {
			return err
		}
		if have.State != Running {
			return ErrEnded
		}
		e.Injects, e.Alarm = have.Injects, have.Alarm
		e.State, e.EndedAt, e.Record = Ended, r.o.Clock.Now(), rec
		if err := r.update(ctx, db, e); err != nil {
			return err
		}
		if err := r.o.Incidents.Record(ctx, e.Incident, incident.EntryNote, l.Catalog.Text(l.Lang, "exercise.journal_end"), string(e.ID)); err != nil {
			return err
		}
		r.changed(ctx, e)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "exercise.ended", Subject: "exercise:" + string(e.ID), Detail: map[string]string{
			"type": string(e.Type), "scenario": string(e.Scenario), "findings": strconv.Itoa(len(rec.Findings)),
		}})
	})
	return e, err
}

// record gathers what happened.
func (r *Room) record(ctx context.Context, e Exercise) (Record, error) {
	rec := Record{Steps: []Step{}, Messages: []Sent{}, Findings: []string{}}
	journal, err := r.o.Incidents.Journal(ctx, e.Incident)
	if err != nil {
		return rec, err
	}
	for _, j := range journal {
		what, _, _ := strings.Cut(j.Text, "\n")
		rec.Steps = append(rec.Steps, Step{j.At, what})
	}
	said, err := r.o.Statements.List(ctx, publish.Filter{Incident: e.Incident, States: []publish.State{publish.StatePublished}, Limit: 1000})
	if err != nil {
		return rec, err
	}
	slices.Reverse(said) // the first one first
	names, err := r.names(ctx)
	if err != nil {
		return rec, err
	}
	for _, s := range said {
		vs, err := r.o.Statements.Variants(ctx, s.ID)
		if err != nil {
			return rec, err
		}
		for _, v := range vs {
			if strings.Contains(v.Title+v.Subject+v.Body, "ÜBUNG") {
				rec.Marked++
			} else {
				rec.Unmarked++
			}
		}
		heard, err := r.o.Statements.HeardOf(ctx, s.ID)
		if err != nil {
			return rec, err
		}
		for _, h := range heard {
			rec.Messages = append(rec.Messages, Sent{s.Kind, h.Audience, names[h.Audience], h.Recipients, h.Accepted})
		}
	}
	rec.Kept, rec.Missed, err = r.o.Statements.Adherence(ctx, e.Incident)
	return rec, err
}

// names are those of the audiences, by slug.
func (r *Room) names(ctx context.Context) (map[string]string, error) {
	all, err := r.o.Audiences.Audiences(ctx)
	out := make(map[string]string, len(all))
	for _, a := range all {
		out[a.Slug] = a.Name
	}
	return out, err
}

// injectDue tells running drills what happens next.
func (r *Room) injectDue(ctx context.Context, now time.Time) (time.Time, error) {
	ctx = ident.WithActor(ident.AcrossTenants(ctx), ident.System)
	all, err := r.running(ctx)
	if err != nil {
		return time.Time{}, err
	}
	var next time.Time
	for _, t := range all {
		n, again := t.due(now)
		if n > t.Injects {
			if err := r.inject(ident.WithTenant(ctx, t.tenant), t.Exercise, n); err != nil {
				return time.Time{}, err
			}
		}
		if !again.IsZero() && (next.IsZero() || again.Before(next)) {
			next = again
		}
	}
	return next, nil
}

func (r *Room) inject(ctx context.Context, e Exercise, upTo int) error {
	l, err := r.locale(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		e, err := r.Get(ctx, e.ID)
		if err != nil || e.State != Running {
			return err
		}
		for ; e.Injects < upTo; e.Injects++ {
			text := l.Catalog.Text(l.Lang, fmt.Sprintf("exercise.inject_%d", e.Injects+1), e.Title)
			if err := r.o.Incidents.Record(ctx, e.Incident, incident.EntryNote, text, string(e.ID)); err != nil {
				return err
			}
		}
		r.changed(ctx, e)
		return r.update(ctx, db, e)
	})
}

func (r *Room) changed(ctx context.Context, e Exercise) {
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() {
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "exercise", ID: string(e.ID)})
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "incident", ID: string(e.Incident)})
		}
	})
}
