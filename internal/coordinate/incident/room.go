package incident

import (
	"context"
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
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// Gate knows what was said. publish implements it. Its errors say what is
// missing and are shown to whoever asked.
type Gate interface {
	// MayRestore: a recovery statement is approved and goes to everybody who
	// got the first one (I1).
	MayRestore(ctx context.Context, id ID) error
	// MayClose: a closing statement exists, or a waiver with a reason (I2).
	MayClose(ctx context.Context, id ID) error
}

// DismissGate is the optional ability of a [Gate] to say whether what was said
// about a false alarm has been put right. Without it MayRestore decides.
type DismissGate interface {
	MayDismiss(ctx context.Context, id ID) error
}

// CrisisHook runs in the transaction that raises a live incident to crisis; an
// error undoes the raising (I7).
type CrisisHook interface {
	OnCrisis(ctx context.Context, id ID) error
}

// Alerts are what incidents grow from.
type Alerts interface {
	Get(ctx context.Context, id alert.ID) (alert.Alert, error)
	List(ctx context.Context, f alert.Filter) ([]alert.Alert, error)
	Link(ctx context.Context, id alert.ID, incident string) error
	Relink(ctx context.Context, id alert.ID, incident string) error
}

// Services is the catalogue.
type Services interface {
	Get(ctx context.Context, slug string) (service.Service, error)
}

// Town knows the language of the journal.
type Town interface {
	Current(ctx context.Context) (identity.Tenant, error)
}

// Audit remembers who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Options is what the room needs.
type Options struct {
	Store    *store.Store
	Clock    clock.Clock
	Log      *slog.Logger
	Hints    *bus.Hints // may be nil
	Audit    Audit
	Alerts   Alerts
	Services Services
	Town     Town
	Gate     Gate       // nil: nothing can be restored or closed
	Crisis   CrisisHook // nil: there is nothing to hold
	Plan     Plan       // nil: nobody gets a task by the plan
	Outbox   Outbox     // nil: nobody is written to about tasks
}

// Room keeps the incidents of all tenants.
type Room struct {
	o       Options
	texts   *i18n.Catalog
	sweeper *jobs.Sweeper
	// commitments watches what was promised.
	commitments *jobs.Sweeper
}

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "incident")
	catalog, err := i18n.NewCatalog(texts)
	if err != nil {
		panic(err) // the texts are built in, and a test reads them
	}
	r := &Room{o: o, texts: catalog}
	r.sweeper = jobs.NewSweeper(jobs.SweeperOptions{Name: "incident.rule", Clock: o.Clock, Log: o.Log, Sweep: r.sweep})
	r.commitments = jobs.NewSweeper(jobs.SweeperOptions{Name: "incident.commitment", Clock: o.Clock, Log: o.Log, Sweep: r.sweepCommitments})
	return r
}

// SetGate plugs in the later room that knows what was said; app calls it once
// before Start.
func (r *Room) SetGate(g Gate) { r.o.Gate = g }

// SetCrisisHook plugs in what a crisis must hold; app calls it once before Start.
func (r *Room) SetCrisisHook(h CrisisHook) { r.o.Crisis = h }

// Subscribe makes the room hear of alerts.
func (r *Room) Subscribe(b *bus.Bus) {
	bus.On(b, alert.Opened, "incident.alert_opened", r.onAlertOpened)
	bus.On(b, alert.Acknowledged, "incident.alert_acknowledged", r.onAlertAcknowledged)
	bus.On(b, alert.Closed, "incident.alert_closed", r.onAlertClosed)
	r.subscribeTasks(b)
}

// Start begins to open incidents by rule and to watch what was promised.
func (r *Room) Start(ctx context.Context) error {
	r.sweeper.Start(ctx)
	r.commitments.Start(ctx)
	return nil
}

// Stop ends both.
func (r *Room) Stop() {
	r.commitments.Stop()
	r.sweeper.Stop()
}

// mayAct are the roles that may open and lead incidents.
var mayAct = []string{string(identity.RoleIT), string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin)}

func allowed(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has(mayAct...) {
		return ErrForbidden
	}
	return nil
}

// OpenRequest describes a new incident.
type OpenRequest struct {
	Title    string   // empty: that of the first alert
	Services []string // slugs; those of the alerts are added
	Alerts   []string // ids of alerts that it handles; current ones of Services are added
	Level    Level    // empty: Disruption
	Realm    Realm    // empty: Live
	Private  bool
	// Confirmed: whoever opens it is sure; else it begins as a candidate.
	Confirmed bool
}

// Open begins an incident. An alert that another incident handles is refused
// with [ErrTaken].
func (r *Room) Open(ctx context.Context, q OpenRequest) (Incident, error) {
	if err := allowed(ctx); err != nil {
		return Incident{}, err
	}
	if q.Level == "" {
		q.Level = Disruption
	}
	if q.Realm == "" {
		q.Realm = Live
	}
	if !slices.Contains(Levels(), q.Level) {
		return Incident{}, ErrBadLevel.Field("level", "incident.bad_level")
	}
	if q.Realm != Live && (q.Realm != Exercise || len(q.Alerts) > 0) {
		return Incident{}, ErrBadRealm.Field("realm", "incident.bad_realm")
	}
	var out Incident
	err := r.inTx(ctx, func(ctx context.Context, t *tx) error {
		actor := ident.ActorOf(ctx)
		t.inc = Incident{
			ID: ID(ident.NewID(t.now)), Realm: q.Realm, Level: q.Level, Phase: Candidate, Private: q.Private,
			Since: t.now, OpenedAt: t.now, OpenedName: actor.Name, PhaseAt: t.now,
		}
		if q.Confirmed {
			t.inc.Phase, t.inc.ConfirmedAt = Confirmed, t.now
		}
		var concerned []string
		title := line(q.Title)
		var alerts []alert.Alert
		for _, id := range q.Alerts {
			a, err := r.o.Alerts.Get(ctx, alert.ID(id))
			if err != nil {
				return err
			}
			alerts = append(alerts, a)
		}
		more, err := r.current(ctx, q)
		if err != nil {
			return err
		}
		alerts = append(alerts, more...)
		for _, a := range alerts {
			concerned = append(concerned, a.Service)
			if title == "" {
				title = a.Title
			}
			t.inc.learn(a)
		}
		if title == "" {
			return ErrNoTitle.Field("title", "incident.title_missing")
		}
		t.inc.Title = title
		if t.inc.Services, err = r.services(ctx, q.Services, concerned...); err != nil {
			return err
		}
		if err := t.insert(ctx); err != nil {
			return err
		}
		if err := t.entry(ctx, EntryOpened, t.say("opened", title, t.word("phase", string(t.inc.Phase)), t.word("level", string(q.Level))), ""); err != nil {
			return err
		}
		for _, a := range alerts {
			if err := t.link(ctx, a); err != nil {
				return err
			}
		}
		if err := t.save(ctx); err != nil {
			return err
		}
		if q.Level == Crisis {
			if err := r.crisis(ctx, t.inc); err != nil {
				return err
			}
		}
		if err := t.audit(ctx, "incident.opened", "level", string(q.Level), "realm", string(q.Realm)); err != nil {
			return err
		}
		out = t.inc
		return Opened.Tell(ctx, t.enqueue, t.now, happened(t.inc))
	})
	return out, err
}

// current are the alerts of the services named that are going on and that no
// incident handles yet: whoever opens one for a service means them too.
func (r *Room) current(ctx context.Context, q OpenRequest) ([]alert.Alert, error) {
	if q.Realm != Live || len(q.Services) == 0 {
		return nil, nil
	}
	all, err := r.o.Alerts.List(ctx, alert.Filter{Current: true, Limit: 1000})
	if err != nil {
		return nil, fmt.Errorf("incident: alerts: %w", err)
	}
	return slices.DeleteFunc(all, func(a alert.Alert) bool {
		return a.IncidentID != "" || a.Service == "" || !slices.Contains(q.Services, a.Service) || slices.Contains(q.Alerts, string(a.ID))
	}), nil
}

// learn takes what the alert knows about the beginning.
func (i *Incident) learn(a alert.Alert) {
	if i.FirstSignalAt.IsZero() || a.FirstSignalAt.Before(i.FirstSignalAt) {
		i.FirstSignalAt, i.FirstPath = a.FirstSignalAt, a.FirstPath
	}
	if a.Since.Before(i.Since) {
		i.Since = a.Since
	}
}

// services puts slugs in order. One that a person named and that does not exist
// is refused; one that came with an alert is left out.
func (r *Room) services(ctx context.Context, named []string, concerned ...string) ([]string, error) {
	out := []string{}
	for n, slug := range slices.Concat(named, concerned) {
		slug = strings.TrimSpace(slug)
		if slug == "" || slices.Contains(out, slug) {
			continue
		}
		_, err := r.o.Services.Get(ctx, slug)
		switch {
		case err == nil:
			out = append(out, slug)
		case fault.KindOf(err) != fault.NotFound:
			return nil, fmt.Errorf("incident: service %s: %w", slug, err)
		case n < len(named):
			return nil, fault.New(fault.Invalid, "incident.unknown_service", slug).Field("services", "incident.unknown_service_field").With(err)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (r *Room) crisis(ctx context.Context, i Incident) error {
	if r.o.Crisis == nil || i.Realm != Live {
		return nil // an exercise holds nothing real
	}
	if err := r.o.Crisis.OnCrisis(ctx, i.ID); err != nil {
		return fmt.Errorf("incident: crisis: %w", err)
	}
	return nil
}

// Advance moves the incident on. Restored and closed ask the gate first. To
// the phase that it is in already, nothing happens.
func (r *Room) Advance(ctx context.Context, id ID, to Phase, reason string) error {
	return r.change(ctx, id, func(ctx context.Context, t *tx) error {
		if !slices.Contains(Phases(), to) {
			return ErrBadPhase.Field("phase", "incident.bad_phase")
		}
		if to == t.inc.Phase {
			return nil
		}
		if !t.inc.Phase.MayAdvance(to) {
			return t.badMove(to)
		}
		if err := r.ask(ctx, t.inc.ID, to); err != nil {
			return err
		}
		return t.move(ctx, to, line(reason))
	})
}

// Confirm moves a candidate on because the town has spoken of it as a fact; in
// any other phase nothing happens. Like [Room.Record] it leaves the question who
// may speak to the room that calls.
func (r *Room) Confirm(ctx context.Context, id ID, reason string) error {
	return r.locked(ctx, id, func(ctx context.Context, t *tx) error {
		if t.inc.Phase != Candidate {
			return nil
		}
		return t.move(ctx, Confirmed, line(reason))
	})
}

// ask asks the gate before a step that says something to the public.
func (r *Room) ask(ctx context.Context, id ID, to Phase) error {
	if to != Restored && to != Closed {
		return nil
	}
	if r.o.Gate == nil {
		return ErrNoGate
	}
	if to == Restored {
		return r.o.Gate.MayRestore(ctx, id)
	}
	return r.o.Gate.MayClose(ctx, id)
}

// Dismiss ends the incident as a false alarm. It may have been spoken of, so the
// gate is asked; without one, only a candidate can be dismissed.
func (r *Room) Dismiss(ctx context.Context, id ID, reason string) error {
	return r.change(ctx, id, func(ctx context.Context, t *tx) error {
		reason = line(reason)
		if reason == "" {
			return ErrNoReason.Field("reason", "incident.reason_missing")
		}
		if !t.inc.Phase.MayLeave() {
			return t.badMove(Dismissed)
		}
		gate, precise := r.o.Gate.(DismissGate)
		var err error
		switch {
		case precise:
			err = gate.MayDismiss(ctx, id)
		case r.o.Gate != nil:
			err = r.o.Gate.MayRestore(ctx, id)
		case t.inc.Phase != Candidate:
			err = ErrNoGate
		}
		if err != nil {
			return err
		}
		return t.move(ctx, Dismissed, reason)
	})
}

// Reopen brings a restored or closed incident back to confirmed.
func (r *Room) Reopen(ctx context.Context, id ID, reason string) error {
	return r.change(ctx, id, func(ctx context.Context, t *tx) error {
		reason = line(reason)
		if reason == "" {
			return ErrNoReason.Field("reason", "incident.reason_missing")
		}
		if !t.inc.Phase.MayReopen() {
			return t.badMove(Confirmed)
		}
		return t.move(ctx, Confirmed, reason)
	})
}

// Merge makes the incident part of another one of the same realm, which takes
// over its alerts and services. Both journals say so.
func (r *Room) Merge(ctx context.Context, id, into ID, reason string) error {
	if !MayAct(ctx) {
		return ErrForbidden
	}
	if id == into {
		return ErrMerge
	}
	join := func(ctx context.Context, t *tx) error {
		other, err := t.get(ctx, id)
		if err != nil {
			return err
		}
		if t.inc.Phase.Ended() || other.Realm != t.inc.Realm {
			return ErrMerge
		}
		for _, a := range other.Alerts {
			if err := r.o.Alerts.Relink(ctx, alert.ID(a.Alert), string(into)); err != nil {
				return err
			}
		}
		if err := t.takeAlerts(ctx, id); err != nil {
			return err
		}
		t.inc.Services = append(t.inc.Services, other.Services...)
		slices.Sort(t.inc.Services)
		t.inc.Services = slices.Compact(t.inc.Services)
		if other.Since.Before(t.inc.Since) {
			t.inc.Since = other.Since
		}
		if f := other.FirstSignalAt; !f.IsZero() && (t.inc.FirstSignalAt.IsZero() || f.Before(t.inc.FirstSignalAt)) {
			t.inc.FirstSignalAt, t.inc.FirstPath = f, other.FirstPath
		}
		if err := t.entry(ctx, EntryMerge, strings.TrimSpace(t.say("took", other.Title, line(reason))), string(id)); err != nil {
			return err
		}
		return Changed.Tell(ctx, t.enqueue, t.now, happened(t.inc))
	}
	leave := func(ctx context.Context, t *tx) error {
		if !t.inc.Phase.MayLeave() {
			return t.badMove(Merged)
		}
		t.inc.MergedInto = into
		return t.move(ctx, Merged, line(reason))
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		// Both are locked in the order of their ids, so that two merges the other
		// way round wait for each other instead of for ever.
		first, second := id, into
		if into < id {
			first, second = into, id
		}
		for _, one := range []ID{first, second} {
			if err := r.change(ctx, one, func(context.Context, *tx) error { return nil }); err != nil {
				return err
			}
		}
		if err := r.change(ctx, into, join); err != nil {
			return err
		}
		return r.change(ctx, id, leave)
	})
}

// SetLevel says how far the authority can still act.
func (r *Room) SetLevel(ctx context.Context, id ID, level Level) error {
	return r.change(ctx, id, func(ctx context.Context, t *tx) error {
		if !slices.Contains(Levels(), level) {
			return ErrBadLevel.Field("level", "incident.bad_level")
		}
		from := t.inc.Level
		if from == level {
			return nil
		}
		if t.inc.Phase.Ended() {
			return ErrEnded
		}
		t.inc.Level = level
		if err := t.entry(ctx, EntryLevel, t.say("level", t.word("level", string(from)), t.word("level", string(level))), ""); err != nil {
			return err
		}
		if level == Crisis {
			// The hook reads the incident as it will be.
			if err := t.save(ctx); err != nil {
				return err
			}
			if err := r.crisis(ctx, t.inc); err != nil {
				return err
			}
		}
		if err := t.audit(ctx, "incident.level_changed", "from", string(from), "to", string(level)); err != nil {
			return err
		}
		return LevelChanged.Tell(ctx, t.enqueue, t.now, LevelChange{id, from, level, t.inc.Realm})
	})
}

// Edit is a change to what an incident is about; nil leaves a part as it is.
type Edit struct {
	Title    *string
	Services *[]string
	Private  *bool
}

// Edit changes title, services or privacy.
func (r *Room) Edit(ctx context.Context, id ID, e Edit) error {
	return r.change(ctx, id, func(ctx context.Context, t *tx) error {
		var said []string
		if e.Title != nil && line(*e.Title) != t.inc.Title {
			title := line(*e.Title)
			if title == "" {
				return ErrNoTitle.Field("title", "incident.title_missing")
			}
			said = append(said, t.say("title", t.inc.Title, title))
			t.inc.Title = title
		}
		if e.Services != nil {
			services, err := r.services(ctx, *e.Services)
			if err != nil {
				return err
			}
			if !slices.Equal(services, t.inc.Services) {
				said = append(said, t.say("services", strings.Join(services, ", ")))
				t.inc.Services = services
			}
		}
		if e.Private != nil && *e.Private != t.inc.Private {
			t.inc.Private = *e.Private
			said = append(said, t.say(map[bool]string{true: "private", false: "not_private"}[t.inc.Private]))
		}
		if len(said) == 0 {
			return nil
		}
		if err := t.entry(ctx, EntryChange, strings.Join(said, " "), ""); err != nil {
			return err
		}
		if err := t.audit(ctx, "incident.changed", "what", strings.Join(said, " ")); err != nil {
			return err
		}
		return Changed.Tell(ctx, t.enqueue, t.now, happened(t.inc))
	})
}

// Link adds an alert to the incident.
func (r *Room) Link(ctx context.Context, id ID, alertID string) error {
	return r.change(ctx, id, func(ctx context.Context, t *tx) error { return r.join(ctx, t, alertID) })
}

// join links an alert to the incident at hand, and its service with it.
func (r *Room) join(ctx context.Context, t *tx, alertID string) error {
	if t.inc.Phase.Ended() {
		return ErrEnded
	}
	if t.inc.Realm != Live {
		return ErrBadRealm
	}
	a, err := r.o.Alerts.Get(ctx, alert.ID(alertID))
	if err != nil {
		return err
	}
	if slices.ContainsFunc(t.inc.Alerts, func(l Linked) bool { return l.Alert == alertID }) {
		return nil
	}
	t.inc.learn(a)
	known := len(t.inc.Services)
	if t.inc.Services, err = r.services(ctx, nil, append(t.inc.Services, a.Service)...); err != nil {
		return err
	}
	if err := t.link(ctx, a); err != nil {
		return err
	}
	if len(t.inc.Services) == known {
		return nil
	}
	return Changed.Tell(ctx, t.enqueue, t.now, happened(t.inc))
}

// Note writes a person's words into the journal.
func (r *Room) Note(ctx context.Context, id ID, text string) error {
	return r.change(ctx, id, func(ctx context.Context, t *tx) error {
		text = prose(text)
		if text == "" {
			return ErrNoText.Field("text", "incident.text_missing")
		}
		return t.entry(ctx, EntryNote, text, "")
	})
}

// Record is for other rooms, which have checked what their actor may do: it
// writes into the journal that something happened. kind begins with the room's
// name or is one of [EntryKind]; ref is the id of what it is about.
func (r *Room) Record(ctx context.Context, id ID, kind EntryKind, text, ref string) error {
	return r.locked(ctx, id, func(ctx context.Context, t *tx) error {
		return t.entry(ctx, kind, prose(text), ref)
	})
}

// AddFact notes something that is known, believed or asked.
func (r *Room) AddFact(ctx context.Context, id ID, f Fact) (Fact, error) {
	err := r.change(ctx, id, func(ctx context.Context, t *tx) error {
		f.ID, f.Version = FactID(ident.NewID(t.now)), 1
		return t.keepFact(ctx, &f, "fact_added")
	})
	return f, err
}

// UpdateFact makes a new version of a fact. f.Version is the version that was
// read; when somebody was faster the answer is [ErrOldFact] and nothing is lost.
func (r *Room) UpdateFact(ctx context.Context, id ID, f Fact) (Fact, error) {
	next := f
	err := r.change(ctx, id, func(ctx context.Context, t *tx) error {
		versions, err := t.r.factVersions(ctx, t.db, t.tenant, id, f.ID)
		if err != nil {
			return err
		}
		if len(versions) == 0 {
			return ErrNoFact
		}
		if f.Version != versions[len(versions)-1].Version {
			return ErrOldFact
		}
		next = f
		next.Version++
		said := "fact_changed"
		if f.Withdrawn {
			said = "fact_withdrawn"
		}
		return t.keepFact(ctx, &next, said)
	})
	return next, err
}

func happened(i Incident) Happened {
	return Happened{i.ID, i.Title, i.Services, i.Level, i.Phase, i.Realm, i.Private}
}

// Longest texts, in characters.
const (
	maxLine  = 300
	maxProse = 20_000
)

// line makes typed text storable on one line.
func line(s string) string { return clip(strings.Join(strings.Fields(valid(s)), " "), maxLine) }

// prose makes typed text storable and keeps its lines.
func prose(s string) string { return clip(strings.TrimSpace(valid(s)), maxProse) }

func valid(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// Rule says when an alert opens an incident by itself.
type Rule struct {
	Service string // slug; empty: for all services without a rule of their own
	// After is how long a critical alert of a public service may be open before
	// a candidate is opened. Never switches it off.
	After time.Duration
	Never bool
}
