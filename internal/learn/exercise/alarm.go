package exercise

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// Alarm / Übungsalarm is how a drill begins: whoever would be woken in earnest
// gets a letter that leaves no house, and somebody takes it.
type Alarm struct {
	At      time.Time   `json:"at,omitzero"`
	Told    []string    `json:"told,omitempty"` // names
	TakenAt time.Time   `json:"taken_at,omitzero"`
	TakenBy ident.Actor `json:"taken_by,omitzero"`
}

// answerWithin is how long an alarm may wait for somebody (domain.md, Clocks).
const answerWithin = 5 * time.Minute

// Given reports whether there is an alarm to take at all.
func (a Alarm) Given() bool { return !a.At.IsZero() }

// Taken reports whether somebody has taken it.
func (a Alarm) Taken() bool { return !a.TakenAt.IsZero() }

// Took is how long it waited, until somebody took it or else until end.
func (a Alarm) Took(end time.Time) time.Duration {
	if a.Taken() {
		end = a.TakenAt
	}
	return end.Sub(a.At)
}

// Late reports whether nobody answered in time.
func (a Alarm) Late(end time.Time) bool { return a.Given() && a.Took(end) > answerWithin }

// Alarms knows whom an alarm about a service would wake; it is [alert.Room].
type Alarms interface {
	WouldWake(ctx context.Context, service string) ([]identity.Person, error)
}

// Outbox takes letters inside the transaction at hand.
type Outbox interface {
	Send(ctx context.Context, m channel.Message) error
}

// ErrNoAlarm says that an exercise has no alarm to take.
var ErrNoAlarm = fault.New(fault.Conflict, "exercise.no_alarm")

// alarm writes to whoever would be woken for one of the services. It joins the
// transaction that opens the exercise.
func (r *Room) alarm(ctx context.Context, e *Exercise, slugs []string, l i18n.Locale) error {
	town, err := r.o.Town.Current(ctx)
	if err != nil {
		return err
	}
	e.Alarm = Alarm{At: e.StartedAt, Told: []string{}}
	told := map[identity.PersonID]bool{}
	for _, slug := range slugs {
		people, err := r.o.Alarms.WouldWake(ctx, slug)
		if err != nil {
			return err
		}
		for _, p := range people {
			if told[p.ID] {
				continue
			}
			told[p.ID] = true
			e.Alarm.Told = append(e.Alarm.Told, p.Name)
			if err := r.writeAlarm(ctx, *e, p, town, l); err != nil {
				return err
			}
		}
	}
	said := l.Catalog.Text(l.Lang, "exercise.alarm_given", strings.Join(e.Alarm.Told, ", "))
	if len(told) == 0 {
		said = l.Catalog.Text(l.Lang, "exercise.alarm_nobody")
	}
	return r.o.Incidents.Record(ctx, e.Incident, incident.EntryNote, said, string(e.ID))
}

// writeAlarm sends one letter to every address of a person, as an alarm would.
func (r *Room) writeAlarm(ctx context.Context, e Exercise, p identity.Person, town identity.Tenant, l i18n.Locale) error {
	if p.Language != "" {
		l.Lang = i18n.Parse(p.Language)
	}
	page := strings.TrimRight(town.StaffURL, "/") + href(e.ID)
	for _, address := range p.Addresses() {
		err := r.o.Outbox.Send(ctx, channel.Message{
			ID: ident.NewID(e.StartedAt), Kind: channel.Mail, Class: channel.Alarm, Realm: channel.Exercise, To: address, ToName: p.Name,
			Subject: l.Catalog.Text(l.Lang, "exercise.alarm_subject", e.Title, l.Short(e.StartedAt)),
			Text:    l.Catalog.Text(l.Lang, "exercise.alarm_letter", e.Title, page), Language: string(l.Lang), Automatic: true,
			Thread: "exercise-" + string(e.ID), FirstOfThread: true, Date: e.StartedAt,
		})
		if err != nil && fault.KindOf(err) != fault.Invalid { // an address that the outbox refuses costs nobody their alarm
			return err
		}
	}
	return nil
}

// Take takes the alarm of a drill and confirms its incident, as taking and
// opening do in earnest. A second time changes nothing.
func (r *Room) Take(ctx context.Context, id ID) (Exercise, error) {
	if !mayAct(ctx) {
		return Exercise{}, ErrForbidden
	}
	l, err := r.locale(ctx)
	if err != nil {
		return Exercise{}, err
	}
	var e Exercise
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var err error
		if e, err = r.Get(ctx, id); err != nil {
			return err
		}
		switch {
		case e.State != Running:
			return ErrEnded
		case !e.Alarm.Given():
			return ErrNoAlarm
		case e.Alarm.Taken():
			return nil
		}
		who := ident.ActorOf(ctx)
		e.Alarm.TakenAt, e.Alarm.TakenBy = r.o.Clock.Now(), ident.Actor{Kind: who.Kind, Person: who.Person, Name: who.Name}
		if err := r.update(ctx, db, e); err != nil {
			return err
		}
		said := l.Catalog.Text(l.Lang, "exercise.alarm_taken", who.Name, l.Span(e.Alarm.Took(e.Alarm.TakenAt)))
		if err := r.o.Incidents.Record(ctx, e.Incident, incident.EntryNote, said, string(e.ID)); err != nil {
			return err
		}
		i, err := r.o.Incidents.Get(ctx, e.Incident)
		if err != nil {
			return err
		}
		if slices.Contains(i.Phase.Next(), incident.Confirmed) {
			if err := r.o.Incidents.Advance(ctx, e.Incident, incident.Confirmed, ""); err != nil {
				return err
			}
		}
		r.changed(ctx, e)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "exercise.taken", Subject: "exercise:" + string(e.ID)})
	})
	return e, err
}
