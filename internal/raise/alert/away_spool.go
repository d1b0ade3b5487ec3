package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/vault"
)

// Ways carries messages past the outbox, which is in the database.
type Ways interface {
	Deliver(ctx context.Context, realm channel.Realm, kind channel.Kind, ms []channel.Message) []channel.Outcome
}

// Journal writes into the outbox what went out past it.
type Journal interface {
	Journal(ctx context.Context, m channel.Message, o channel.Past) error
}

// spoolAfter is how long something may wait for the database before the spool
// raises it: most outages of a database are shorter.
const spoolAfter = 10 * time.Second

// spoolMax bounds the spool's file: some 10,000 mails.
const spoolMax = 32 << 20

// spool is the alarms that this node raises by itself while the database is
// away. Everything in it is on the disk before it has an effect:
//
//	raised ─► its mails: waiting ─► sent | refused
//	   │            a mail that a crash cut off goes again with the same id
//	   └► acknowledged by link, over
//
// When the database answers, [Room.Reconcile] tells it, and the file is emptied.
type spool struct {
	mu     sync.Mutex
	book   book
	bookAt time.Time
	saved  string
	log    *vault.Log
	alarms []*spooled
	sender *jobs.Sweeper
	keeper *jobs.Sweeper
	told   bool // the file holds something
}

// spooled is one alert that the spool raised.
type spooled struct {
	Tenant ident.Tenant
	Alert  Alert
	// Known: the alert stands in the database; the spool only keeps who took it.
	Known bool
	Mails []spooledMail
	Over  bool
	Taken spooledTaken
}

type spooledMail struct {
	Person  identity.PersonID
	Reason  Reason
	Message channel.Message
	Tries   int       `json:",omitempty"`
	NextAt  time.Time `json:",omitzero"`
	Past    channel.Past
}

func (m spooledMail) waits() bool { return m.Past.State == "" }

type spooledTaken struct {
	Person, Name string
	At           time.Time
}

// spoolLine is one line of the file; exactly one field is set.
type spoolLine struct {
	Raised *spooled    `json:",omitempty"`
	More   *spoolMore  `json:",omitempty"` // more people are told
	Past   *spoolPast  `json:",omitempty"`
	Taken  *spoolTaken `json:",omitempty"`
	Over   *spoolAlarm `json:",omitempty"`
}

type spoolAlarm struct {
	Tenant ident.Tenant
	ID     ID
}

type spoolMore struct {
	spoolAlarm
	Mails []spooledMail
}

type spoolPast struct {
	ID   string
	Past channel.Past
}

type spoolTaken struct {
	spoolAlarm
	Taken spooledTaken
}

// openSpool reads what an earlier run left, and makes ready.
func (r *Room) openSpool() error {
	s := r.spool
	if s == nil || s.log != nil {
		return nil
	}
	if err := r.loadBook(); err != nil {
		r.o.Log.Warn("the book of people cannot be read; it is written anew when the database answers", "err", err)
	}
	log, lines, err := r.o.Files.OpenLog(r.awayPath("alarms.log"), spoolPurpose, spoolMax)
	if err != nil {
		return fmt.Errorf("alert: spool: %w", err)
	}
	s.log = log
	for _, raw := range lines {
		var l spoolLine
		if err := json.Unmarshal(raw, &l); err != nil {
			return errors.Join(fmt.Errorf("alert: spool: %w", err), log.Close())
		}
		s.apply(l)
	}
	return nil
}

// apply brings what the memory holds to what the line says.
func (s *spool) apply(l spoolLine) {
	s.told = true
	switch {
	case l.Raised != nil:
		s.alarms = append(s.alarms, l.Raised)
	case l.More != nil:
		if a := s.find(l.More.Tenant, l.More.ID); a != nil {
			a.Mails = append(a.Mails, l.More.Mails...)
		}
	case l.Past != nil:
		for _, a := range s.alarms {
			for i := range a.Mails {
				if a.Mails[i].Message.ID == l.Past.ID {
					a.Mails[i].Past = l.Past.Past
				}
			}
		}
	case l.Taken != nil:
		a := s.find(l.Taken.Tenant, l.Taken.ID)
		if a == nil { // raised before the database went away
			a = &spooled{Tenant: l.Taken.Tenant, Alert: Alert{ID: l.Taken.ID}, Known: true}
			s.alarms = append(s.alarms, a)
		}
		if a.Taken.Person == "" {
			a.Taken = l.Taken.Taken
		}
	case l.Over != nil:
		if a := s.find(l.Over.Tenant, l.Over.ID); a != nil {
			a.Over = true
		}
	}
}

func (s *spool) find(t ident.Tenant, id ID) *spooled {
	for _, a := range s.alarms {
		if a.Tenant == t && a.Alert.ID == id {
			return a
		}
	}
	return nil
}

// keep writes the line down and applies it.
func (s *spool) keep(l spoolLine) error {
	if err := s.log.Add(l); err != nil {
		return err
	}
	s.apply(l)
	return nil
}

// Unstored implements monitor's refuge: s happened and could not be stored, since
// first. Whoever would be woken by it is woken by this node itself.
func (r *Room) Unstored(ctx context.Context, s signal.Signal, first time.Time) {
	p, t := r.spool, ident.TenantOf(ctx)
	now := r.o.Clock.Now()
	if p == nil || now.Sub(first) < spoolAfter {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.log == nil {
		return
	}
	key := alertKey(s)
	var open *spooled
	for _, a := range p.alarms {
		if a.Tenant == t && a.Alert.Key == key && !a.Known {
			open = a
		}
	}
	if s.State == signal.Resolved {
		// Only the sight of the one that raised it; the others are counted when
		// the database answers.
		if open != nil && !open.Over && open.Alert.Signals[0].Key == s.Key && !s.At.Before(open.Alert.FirstSignalAt) {
			r.keepSpooled(ctx, spoolLine{Over: &spoolAlarm{t, open.Alert.ID}})
		}
		return
	}
	if s.Severity != signal.Critical {
		return // a warning disturbs nobody at night, and waits for the database
	}
	if open != nil && (!open.Over || open.Alert.Signals[0].Episode() >= s.Episode) {
		return
	}
	if _, known := p.book.Towns[t].Open[key]; known {
		return // an alert is open already, this only joins it
	}
	a := r.spoolAlert(ctx, t, s, now)
	if len(a.Mails) == 0 {
		r.o.Log.ErrorContext(ctx, "an alarm reaches nobody while the database is away", "tenant", t, "title", s.Title)
	}
	r.keepSpooled(ctx, spoolLine{Raised: &a})
	p.sender.Kick()
}

func (r *Room) keepSpooled(ctx context.Context, l spoolLine) {
	if err := r.spool.keep(l); err != nil {
		// It goes out all the same; only a crash would forget it.
		r.o.Log.ErrorContext(ctx, "the spool could not be written", "err", err)
		r.spool.apply(l)
	}
}

// spoolAlert makes the alert and its mails from the book.
func (r *Room) spoolAlert(ctx context.Context, t ident.Tenant, s signal.Signal, now time.Time) spooled {
	town := r.spool.book.Towns[t]
	src := source(s)
	src.SignalID = signal.ID(s.Episode) // it has no id yet; the episode tells two apart
	a := spooled{Tenant: t, Alert: Alert{
		ID: ID(ident.NewID(now)), Key: alertKey(s), Service: s.Service, State: StateOpen, Severity: s.Severity,
		Title: s.Title, Detail: s.Detail, Since: s.Since, FirstSignalAt: s.At, FirstPath: s.Source, OpenedAt: now, Signals: []Source{src},
	}}
	a.Mails = r.spoolMails(ctx, town, a.Alert, choose(town.service(s.Service).levels()), now)
	return a
}

// Episode is the episode of a spooled source.
func (s Source) Episode() string { return string(s.SignalID) }

func (r *Room) spoolMails(_ context.Context, town townBook, a Alert, all []chosen, now time.Time) []spooledMail {
	zone, err := clock.Zone(town.Town.Zone)
	if err != nil {
		zone = time.UTC
	}
	var out []spooledMail
	for i, c := range all {
		if !c.wake {
			continue
		}
		language := c.person.Language
		if language == "" {
			language = town.Town.Language
		}
		at := i18n.Locale{Catalog: r.texts, Lang: i18n.Parse(language), Zone: zone, Now: now}
		subject, text := letter{
			kind: Alarm, alert: a, service: town.service(a.Service).Service, town: town.Town, why: c.reason, others: others(all, i),
			ack: town.Town.StaffURL + "/a/" + r.token(a.ID, c.person.ID, now), page: town.Town.StaffURL + "/alert/" + string(a.ID), spooled: true,
		}.write(at)
		for _, address := range c.person.Addresses() {
			out = append(out, spooledMail{Person: c.person.ID, Reason: c.reason, Message: channel.Message{
				ID: ident.NewID(now), Kind: channel.Mail, Class: channel.Alarm, Realm: channel.Live, To: address, ToName: c.person.Name,
				Subject: subject, Text: text, Thread: string(a.ID), FirstOfThread: true, Language: string(at.Lang), Automatic: true, Date: now,
			}})
		}
	}
	return out
}

// send hands the waiting mails to the ways, and tells those next in line when
// nobody took an alarm in time.
func (r *Room) sendSpooled(ctx context.Context, now time.Time) (time.Time, error) {
	p := r.spool
	next := time.Time{}
	p.mu.Lock()
	for _, a := range p.alarms {
		next = earliest(next, r.widenSpooled(ctx, a, now))
	}
	type job struct {
		tenant ident.Tenant
		mail   spooledMail
	}
	var due []job
	for _, a := range p.alarms {
		for _, m := range a.Mails {
			switch {
			case !m.waits():
			case m.NextAt.After(now):
				next = earliest(next, m.NextAt)
			default:
				due = append(due, job{a.Tenant, m})
			}
		}
	}
	p.mu.Unlock()
	byTenant := map[ident.Tenant][]channel.Message{}
	for _, j := range due {
		byTenant[j.tenant] = append(byTenant[j.tenant], j.mail.Message)
	}
	for _, t := range slices.Sorted(maps.Keys(byTenant)) {
		ms := byTenant[t]
		out := r.o.Ways.Deliver(ident.WithActor(ident.WithTenant(ctx, t), ident.System), channel.Live, channel.Mail, ms)
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		at := r.o.Clock.Now()
		p.mu.Lock()
		for i, o := range out {
			next = earliest(next, r.settleSpooled(ctx, ms[i].ID, o, at))
		}
		p.mu.Unlock()
	}
	return next, nil
}

// earliest is the first of the moments; the zero time is none.
func earliest(all ...time.Time) (out time.Time) {
	for _, at := range all {
		if !at.IsZero() && (out.IsZero() || at.Before(out)) {
			out = at
		}
	}
	return out
}

// spoolPause is the pause before the n-th new try.
func spoolPause(n int) time.Duration { return min(2*time.Second<<min(n, 10), 30*time.Second) }

// settleSpooled writes down what became of a mail; p.mu is held.
func (r *Room) settleSpooled(ctx context.Context, id string, o channel.Outcome, now time.Time) (again time.Time) {
	past := channel.Past{State: channel.Accepted, Route: o.Receipt.Route, Reference: o.Receipt.Reference, At: now}
	if o.Err != nil {
		f := channel.AsFailure(o.Err)
		if !f.Permanent {
			for _, a := range r.spool.alarms {
				for i := range a.Mails {
					if m := &a.Mails[i]; m.Message.ID == id {
						m.Tries++
						m.NextAt = now.Add(spoolPause(m.Tries))
						again = m.NextAt
					}
				}
			}
			return again
		}
		past = channel.Past{State: channel.Failed, Reason: f.Reason, At: now}
	}
	r.keepSpooled(ctx, spoolLine{Past: &spoolPast{id, past}})
	return time.Time{}
}

// widenSpooled tells those next in line when nobody took the alarm in time; p.mu
// is held. It answers when to look again.
func (r *Room) widenSpooled(ctx context.Context, a *spooled, now time.Time) time.Time {
	if a.Known || a.Over || a.Taken.Person != "" || r.o.AnswerWithin < 0 {
		return time.Time{}
	}
	last := a.Alert.OpenedAt
	told := map[identity.PersonID]bool{}
	for _, m := range a.Mails {
		told[m.Person] = true
		if m.Message.Date.After(last) {
			last = m.Message.Date
		}
	}
	town := r.spool.book.Towns[a.Tenant]
	people := widen(town.service(a.Alert.Service).levels(), told)
	if len(people) == 0 {
		return time.Time{}
	}
	if at := last.Add(r.o.AnswerWithin); now.Before(at) {
		return at
	}
	var next []chosen
	for _, p := range people {
		next = append(next, chosen{p, NoAnswer, true})
	}
	mails := r.spoolMails(ctx, town, a.Alert, next, now)
	r.keepSpooled(ctx, spoolLine{More: &spoolMore{spoolAlarm{a.Tenant, a.Alert.ID}, mails}})
	return now.Add(r.o.AnswerWithin)
}
