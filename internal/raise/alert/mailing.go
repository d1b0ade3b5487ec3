package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// mailing writes the messages about one change of one alert.
type mailing struct {
	r       *Room
	t       turn
	alert   Alert
	service service.Service
	town    identity.Tenant
	zone    *time.Location
	effects []string // titles of what the alert explains
}

// prepare asks for the town. One that is not set up yet still gets its alarms,
// without addresses of pages.
func (m *mailing) prepare(ctx context.Context) error {
	town, err := m.r.o.Town.Current(ctx)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return fmt.Errorf("alert: town: %w", err)
	}
	m.town = town
	if m.zone, err = clock.Zone(town.Zone); err != nil {
		m.zone = time.UTC // a wrong zone is settings' fault, and no reason to be silent
	}
	m.effects, err = m.r.explained(ctx, m.t, m.alert)
	return err
}

func (m *mailing) locale(language string) i18n.Locale {
	if language == "" {
		language = m.town.Language
	}
	return i18n.Locale{Catalog: m.r.texts, Lang: i18n.Parse(language), Zone: m.zone, Now: m.t.now}
}

// page is the address of the alert's page.
func (m *mailing) page() string { return m.town.StaffURL + "/alert/" + string(m.alert.ID) }

// alarms writes to everybody chosen, adds those who could be told to told, and
// notes why each was told or not.
func (m *mailing) alarms(ctx context.Context, all []chosen, told map[identity.PersonID]bool) error {
	if err := m.prepare(ctx); err != nil {
		return err
	}
	for i, c := range all {
		if c.wake {
			ok, err := m.reach(ctx, c, others(all, i))
			if err != nil {
				return err
			}
			if ok {
				told[c.person.ID] = true
			} else {
				c.wake, c.reason = false, AddressRefused
			}
		}
		if err := m.t.decide(ctx, m.alert.ID, c); err != nil {
			return err
		}
	}
	return nil
}

// reach alarms one person. A warning wakes nobody: its mail is all there is.
func (m *mailing) reach(ctx context.Context, c chosen, others []string) (bool, error) {
	if m.alert.Severity == signal.Critical {
		return m.call(ctx, c, others, -1, nil, chain.DefaultReceipt)
	}
	sent, err := m.alarm(ctx, c, others)
	return sent > 0, err
}

// alarm writes to every address of c and counts what the outbox took.
func (m *mailing) alarm(ctx context.Context, c chosen, others []string) (int, error) {
	at := m.locale(c.person.Language)
	subject, text := letter{
		kind: Alarm, alert: m.alert, service: m.service, town: m.town, why: c.reason, others: others, effects: m.effects,
		ack:  m.town.StaffURL + "/a/" + m.r.token(m.alert.ID, c.person.ID, m.t.now),
		page: m.page(),
	}.write(at)
	sent := 0
	for _, address := range c.person.Addresses() {
		ok, err := m.send(ctx, Notified{
			PersonID: string(c.person.ID), Name: c.person.Name, Address: address, Language: string(at.Lang), Kind: Alarm,
		}, subject, text)
		if err != nil {
			return 0, err
		}
		if ok {
			sent++
		}
	}
	return sent, nil
}

// again writes to somebody who got the alarm, at the same address. Somebody who
// was blocked since gets nothing; somebody who was deleted is left alone too.
func (m *mailing) again(ctx context.Context, told Notified, kind Kind) error {
	p, err := m.r.o.People.Person(ctx, identity.PersonID(told.PersonID))
	if fault.KindOf(err) == fault.NotFound && err != nil || err == nil && p.Blocked {
		return nil
	}
	if err != nil {
		return fmt.Errorf("alert: person: %w", err)
	}
	l := letter{kind: kind, alert: m.alert, service: m.service, town: m.town, page: m.page(), effects: m.effects}
	subject, text := l.write(m.locale(told.Language))
	switch way := channel.Kind(told.Way); way {
	case channel.Mail:
	case channel.Voice:
		return nil // nobody is called to hear that they may sleep
	default:
		text = l.brief(m.locale(told.Language), way)
	}
	_, err = m.send(ctx, Notified{
		PersonID: told.PersonID, Name: told.Name, Address: told.Address, Language: told.Language, Kind: kind, Way: told.Way,
	}, subject, text)
	return err
}

// send hands one mail to the outbox and notes it. ok is false when the outbox
// will not take this address, which must not cost the others their alarm.
func (m *mailing) send(ctx context.Context, n Notified, subject, text string) (ok bool, err error) {
	_, ok, err = m.hand(ctx, n, subject, text)
	return ok, err
}

// hand is send, and tells the message's id.
func (m *mailing) hand(ctx context.Context, n Notified, subject, text string) (id string, ok bool, err error) {
	n.MessageID, n.Way, n.At = ident.NewID(m.t.now), cmp.Or(n.Way, string(channel.Mail)), m.t.now
	msg := channel.Message{
		ID: n.MessageID, Kind: channel.Kind(n.Way), Class: channel.Alarm, Realm: channel.Live,
		To: n.Address, ToName: n.Name, Subject: subject, Text: text,
		Thread: string(m.alert.ID), FirstOfThread: n.Kind == Alarm,
		Language: n.Language, Automatic: true, Date: m.t.now,
	}
	m.buttons(&msg, n)
	err = m.r.o.Sender.Send(ctx, msg)
	if fault.KindOf(err) == fault.Invalid {
		m.r.o.Log.WarnContext(ctx, "address is not taken by the outbox", "alert", m.alert.ID, "person", n.PersonID, "err", err)
		return n.MessageID, false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("alert: send: %w", err)
	}
	return n.MessageID, true, m.t.keepNotified(ctx, m.alert.ID, n)
}

// hookBody is what a webhook gets.
type hookBody struct {
	Type  string    `json:"type"` // alert.opened, alert.grown, alert.acknowledged, alert.closed
	ID    string    `json:"id"`   // of this message, the same when it is sent twice
	At    time.Time `json:"at"`
	Town  string    `json:"town"`
	Alert alertBody `json:"alert"`
}

// hooks tells the webhooks.
func (m *mailing) hooks(ctx context.Context, kind Kind) error {
	if m.r.o.Hooks == nil {
		return nil
	}
	hooks, err := m.r.o.Hooks.Hooks(ctx)
	if err != nil {
		return fmt.Errorf("alert: webhooks: %w", err)
	}
	for _, h := range hooks {
		if !h.concerns(m.alert.Service) {
			continue
		}
		id := ident.NewID(m.t.now)
		var body []byte
		if h.Form.Chat() {
			body, err = h.Form.Body(m.note(kind))
		} else {
			body, err = json.Marshal(hookBody{
				Type: map[Kind]string{Alarm: string(Opened), Taken: string(Acknowledged), Over: string(Closed), Grown: "alert.grown"}[kind],
				ID:   id, At: m.t.now, Town: m.town.Slug, Alert: bodyOf(m.alert, m.page()),
			})
		}
		if err != nil {
			return fmt.Errorf("alert: webhook: %w", err)
		}
		err = m.r.o.Sender.Send(ctx, channel.Message{
			ID: id, Kind: channel.Webhook, Class: channel.Alarm, Realm: channel.Live, To: h.URL, Declared: h.Declared,
			Subject: m.alert.Title, Text: m.alert.Title, Payload: body, Form: h.Form, Rest: h.Rest, Secret: h.Secret, Automatic: true, Date: m.t.now,
		})
		if fault.KindOf(err) == fault.Invalid {
			m.r.o.Log.WarnContext(ctx, "webhook is not taken by the outbox", "alert", m.alert.ID, "err", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("alert: webhook: %w", err)
		}
		n := Notified{MessageID: id, Address: h.URL, Way: string(channel.Webhook), Kind: kind, At: m.t.now}
		if err := m.t.keepNotified(ctx, m.alert.ID, n); err != nil {
			return err
		}
	}
	return nil
}

// note is the change as people read it in a chat, in the town's language. It has
// no link that acts for somebody: many read it.
func (m *mailing) note(kind Kind) channel.Note {
	l := m.locale("")
	subject, _ := letter{kind: kind, alert: m.alert, service: m.service, town: m.town, page: m.page()}.write(l)
	lines := []string{m.alert.Detail, l.Catalog.Text(l.Lang, "alert.chat_since", l.Stand(m.alert.Since))}
	if kind == Taken && m.alert.AcknowledgedName != "" {
		lines = append(lines, l.Catalog.Text(l.Lang, "alert.chat_taken", m.alert.AcknowledgedName))
	}
	return channel.Note{
		Title: subject, Text: strings.TrimSpace(strings.Join(lines, "\n")), Link: m.page(), Label: l.Catalog.Text(l.Lang, "alert.chat_page"),
	}
}

// alertBody is an alert as programs see it, in the API and in webhooks.
type alertBody struct {
	ID             string            `json:"id"`
	Key            string            `json:"key" doc:"What it is about: service:<slug>, or the key of the source"`
	Service        string            `json:"service" doc:"Slug of the service; empty when unknown"`
	State          string            `json:"state" enum:"open,acknowledged,closed"`
	Severity       string            `json:"severity" enum:"info,warning,critical"`
	Title          string            `json:"title"`
	Detail         string            `json:"detail"`
	Since          time.Time         `json:"since" doc:"When the trouble began"`
	FirstSignalAt  time.Time         `json:"first_signal_at"`
	FirstPath      string            `json:"first_path" doc:"How it was noticed: monitor, intake, citizen, listen, person"`
	OpenedAt       time.Time         `json:"opened_at"`
	AcknowledgedAt *time.Time        `json:"acknowledged_at,omitempty"`
	AcknowledgedBy string            `json:"acknowledged_by,omitempty" doc:"Name of the person"`
	ClosedAt       *time.Time        `json:"closed_at,omitempty"`
	ClosedReason   string            `json:"closed_reason,omitempty"`
	Incident       string            `json:"incident,omitempty" doc:"Id of the incident that handles it"`
	Woken          int               `json:"woken" doc:"Number of people told"`
	NextAt         *time.Time        `json:"next_at,omitempty" doc:"When more people are told unless somebody takes it"`
	Signals        []alertSignalBody `json:"signals"`
	URL            string            `json:"url,omitempty"`
	// Filled for one alert only.
	Decisions []alertDecision `json:"decisions,omitempty" doc:"Everybody who was considered, and why they were told or not"`
	Course    []alertCourse   `json:"course,omitempty" doc:"What happened to wake people, step by step and way by way"`
	Messages  []alertMessage  `json:"messages,omitempty" doc:"What was handed to the outbox"`
}

type alertSignalBody struct {
	Key        string     `json:"key"`
	Path       string     `json:"path"`
	State      string     `json:"state" enum:"firing,resolved"`
	Title      string     `json:"title"`
	Detail     string     `json:"detail"`
	Since      time.Time  `json:"since"`
	ResolvedAt *time.Time `json:"resolved_at,omitempty"`
	Quiet      bool       `json:"quiet,omitempty" doc:"Resolved by silence: nobody has said that it is over"`
}

func bodyOf(a Alert, page string) alertBody {
	v := alertBody{
		ID: string(a.ID), Key: a.Key, Service: a.Service, State: string(a.State), Severity: string(a.Severity),
		Title: a.Title, Detail: a.Detail, Since: a.Since, FirstSignalAt: a.FirstSignalAt, FirstPath: string(a.FirstPath),
		OpenedAt: a.OpenedAt, AcknowledgedAt: orNil(a.AcknowledgedAt), AcknowledgedBy: a.AcknowledgedName,
		ClosedAt: orNil(a.ClosedAt), ClosedReason: a.ClosedReason, Incident: a.IncidentID, Woken: a.Woken,
		NextAt: orNil(a.NextAt), Signals: []alertSignalBody{}, URL: page,
	}
	for _, s := range a.Signals {
		v.Signals = append(v.Signals, alertSignalBody{
			Key: s.Key, Path: string(s.Path), State: string(s.State), Title: s.Title, Detail: s.Detail,
			Since: s.Since, ResolvedAt: orNil(s.ResolvedAt), Quiet: s.Quiet,
		})
	}
	return v
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
