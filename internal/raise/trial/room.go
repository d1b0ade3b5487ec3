package trial

import (
	"context"
	"crypto/rand"
	"encoding/json"
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
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// Chains are the escalation chains, and by which ways people are reached.
type Chains interface {
	Get(ctx context.Context, slug string) (chain.Chain, error)
	List(ctx context.Context) ([]chain.Chain, error)
	People(ctx context.Context, c chain.Chain, step int, service string, at time.Time) ([]identity.Person, []chain.Missed, error)
	Contacts(ctx context.Context, p identity.Person, by []chain.Way) ([]chain.Contact, error)
}

// Alerts knows the real ones.
type Alerts interface {
	Otherwise(ctx context.Context, service string) ([]identity.Person, error)
	List(ctx context.Context, f alert.Filter) ([]alert.Alert, error)
}

// People are those who get the report, and the towns.
type People interface {
	People(ctx context.Context, f identity.Filter) ([]identity.Person, error)
	Current(ctx context.Context) (identity.Tenant, error)
	Tenants(ctx context.Context) ([]identity.Tenant, error)
}

// Outbox takes the messages inside the transaction at hand, and tells before what
// they cost.
type Outbox interface {
	Send(ctx context.Context, m channel.Message) error
	Quote(ctx context.Context, kind channel.Kind, text string, n int) channel.Quote
}

// Audit writes down who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Options is what the room needs.
type Options struct {
	Store   *store.Store
	Clock   clock.Clock
	Log     *slog.Logger
	Hints   *bus.Hints // may be nil
	Catalog *i18n.Catalog
	Audit   Audit
	Chains  Chains
	Alerts  Alerts
	People  People
	Outbox  Outbox
	// Rosters are slug and name of the duty rosters.
	Rosters func(ctx context.Context) ([][2]string, error)
	// Locale is how the town in ctx writes.
	Locale func(ctx context.Context) i18n.Locale
}

// Room keeps the test alarms of all tenants.
type Room struct {
	o     Options
	sweep *jobs.Sweeper
}

// New makes the room; nothing begins before Start.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "trial")
	r := &Room{o: o}
	r.sweep = jobs.NewSweeper(jobs.SweeperOptions{Name: "trial.due", Clock: o.Clock, Log: o.Log, Sweep: r.due, Idle: 10 * time.Minute, Retry: 30 * time.Second})
	return r
}

// Subscribe makes the room hear receipts.
func (r *Room) Subscribe(b *bus.Bus) {
	bus.On(b, channel.Settled, "trial.receipt", r.onSettled)
	bus.On(b, channel.Received, "trial.arrival", r.onReceived)
}

// Start lets runs end, and weekly ones begin.
func (r *Room) Start(ctx context.Context) error {
	r.sweep.Start(ctx)
	return nil
}

// Stop ends that.
func (r *Room) Stop() { r.sweep.Stop() }

// scope is what an API token needs.
const scope = "alerts"

// mayLook: a report names who could not be reached, which is the business of
// those who mend it.
func mayLook(ctx context.Context) error {
	a := ident.ActorOf(ctx)
	if a.Kind == ident.KindPublic || !a.Has(string(identity.RoleAdmin), string(identity.RoleIT)) {
		return ErrForbidden
	}
	return nil
}

// asChain is the target as a chain; one that is not there is [ErrTarget].
func (r *Room) asChain(ctx context.Context, t Target) (chain.Chain, error) {
	kind, slug := t.split()
	switch {
	case t == Everybody:
		l := r.o.Locale(ctx)
		c := chain.Chain{Name: l.Catalog.Text(l.Lang, "trial.everybody"), Default: true}
		all, err := r.o.Chains.List(ctx)
		if err != nil {
			return c, err
		}
		for _, x := range all {
			if !x.Resting {
				c.Steps = append(c.Steps, x.Steps...)
				c.Services = append(c.Services, x.Services...)
			}
		}
		c.Steps = append(c.Steps, chain.Step{Notify: []chain.Who{chain.All}})
		return c, nil
	case kind == "chain":
		c, err := r.o.Chains.Get(ctx, slug)
		if err != nil && fault.KindOf(err) == fault.NotFound {
			return c, ErrTarget.With(err)
		}
		return c, err
	case kind == chain.RosterKind:
		all, err := r.o.Rosters(ctx)
		if err != nil {
			return chain.Chain{}, err
		}
		i := slices.IndexFunc(all, func(x [2]string) bool { return x[0] == slug })
		if i < 0 {
			return chain.Chain{}, ErrTarget
		}
		return chain.Chain{Name: all[i][1], Steps: []chain.Step{{Notify: []chain.Who{chain.Who(string(t))}}}}, nil
	}
	return chain.Chain{}, ErrTarget
}

// guest is somebody who would be called.
type guest struct {
	Person   identity.Person
	Step     int
	Contacts []chain.Contact
}

// invited are all whom an alarm could reach on the chain now, each once, with all
// their ways; where nobody stands on a step, those who would be told instead.
func (r *Room) invited(ctx context.Context, c chain.Chain, now time.Time) (out []guest, missed []chain.Missed, err error) {
	services := c.Services
	if c.Default || len(services) == 0 {
		services = append(slices.Clone(services), "")
	}
	for i, s := range c.Steps {
		var people []identity.Person
		for _, service := range services {
			found, miss, err := r.o.Chains.People(ctx, c, i, service, now)
			if err != nil {
				return nil, nil, fmt.Errorf("trial: people: %w", err)
			}
			if len(found) == 0 {
				if found, err = r.o.Alerts.Otherwise(ctx, service); err != nil {
					return nil, nil, fmt.Errorf("trial: people: %w", err)
				}
			}
			people = append(people, found...)
			for _, m := range miss {
				// That a service which is not known has no owner is no news.
				if !slices.Contains(missed, m) && (service != "" || m.Reason != chain.NoOwner) {
					missed = append(missed, m)
				}
			}
		}
		for _, p := range people {
			contacts, err := r.o.Chains.Contacts(ctx, p, s.By)
			if err != nil {
				return nil, nil, fmt.Errorf("trial: ways: %w", err)
			}
			at := slices.IndexFunc(out, func(g guest) bool { return g.Person.ID == p.ID })
			if at < 0 {
				at = len(out)
				out = append(out, guest{Person: p, Step: i})
			}
			for _, x := range contacts {
				if !slices.ContainsFunc(out[at].Contacts, func(y chain.Contact) bool { return x.Way == y.Way && x.To == y.To }) {
					out[at].Contacts = append(out[at].Contacts, x)
				}
			}
		}
	}
	return out, missed, nil
}

// Preview tells who would be called, over which ways, and what it costs. It
// calls nobody.
type Preview struct {
	Target Target
	Name   string
	Guests []guest
	Missed []chain.Missed
	Costs  []Cost
	Plan   Plan // its Hour and Weekday count when Weekly
	Weekly bool
	Last   Run
	Tried  bool // there is a last one
	Busy   bool // a real alert is open
}

// Cost is what one kind of message takes.
type Cost struct {
	Kind channel.Kind
	channel.Quote
}

// Preview of a target.
func (r *Room) Preview(ctx context.Context, t Target) (v Preview, err error) {
	if err := mayLook(ctx); err != nil {
		return v, err
	}
	now := r.o.Clock.Now()
	c, err := r.asChain(ctx, t)
	if err != nil {
		return v, err
	}
	town, err := r.o.People.Current(ctx)
	if err != nil {
		return v, err
	}
	v.Target, v.Name = t, c.Name
	if v.Guests, v.Missed, err = r.invited(ctx, c, now); err != nil {
		return v, err
	}
	l, n := r.o.Locale(ctx), map[channel.Kind]int{}
	for _, g := range v.Guests {
		for _, x := range g.Contacts {
			if x.Lacking == "" {
				n[x.Kind]++
			}
		}
	}
	for _, k := range []channel.Kind{channel.SMS, channel.Voice} {
		if n[k] == 0 {
			continue
		}
		text := "x" // a call costs as a whole
		if k == channel.SMS {
			_, text = letter{l: l, town: town, name: c.Name, kind: k, link: town.StaffURL + LinkPath + strings.Repeat("X", secretLen)}.write()
		}
		v.Costs = append(v.Costs, Cost{k, r.o.Outbox.Quote(ctx, k, text, n[k])})
	}
	plans, err := r.Plans(ctx)
	if err != nil {
		return v, err
	}
	if i := slices.IndexFunc(plans, func(p Plan) bool { return p.Target == t }); i >= 0 {
		v.Plan, v.Weekly = plans[i], true
	}
	if v.Last, v.Tried, err = r.last(ctx, r.o.Store.Read(ctx), t); err != nil {
		return v, err
	}
	v.Busy, err = r.busy(ctx)
	return v, err
}

// busy tells whether a real alert is open that nobody has taken.
func (r *Room) busy(ctx context.Context) (bool, error) {
	open, err := r.o.Alerts.List(ctx, alert.Filter{State: alert.StateOpen, Limit: 1})
	if err != nil {
		return false, fmt.Errorf("trial: alerts: %w", err)
	}
	return len(open) > 0, nil
}

// Begin calls everybody of the target now.
func (r *Room) Begin(ctx context.Context, t Target) (Run, error) {
	if err := mayLook(ctx); err != nil {
		return Run{}, err
	}
	return r.begin(ctx, t, false)
}

// secretLen is how long the secret of a link is.
var secretLen = len(rand.Text())

func (r *Room) begin(ctx context.Context, t Target, weekly bool) (Run, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Run{}, err
	}
	now := r.o.Clock.Now()
	c, err := r.asChain(ctx, t)
	if err != nil {
		return Run{}, err
	}
	if busy, err := r.busy(ctx); err != nil {
		return Run{}, err
	} else if busy {
		return Run{}, ErrBusy
	}
	guests, missed, err := r.invited(ctx, c, now)
	if err != nil {
		return Run{}, err
	}
	if len(guests) == 0 && !weekly {
		return Run{}, ErrNobody
	}
	names, err := json.Marshal(missed)
	if err != nil {
		return Run{}, fmt.Errorf("trial: %w", err)
	}
	town, err := r.o.People.Current(ctx)
	if err != nil {
		return Run{}, err
	}
	who := ident.ActorOf(ctx)
	row := runRow{
		TenantID: tenant, ID: ID(ident.NewID(now)), Target: t, Name: c.Name, Weekly: weekly, StartedAt: now, StartedBy: who.Person, StartedName: who.Name,
		DueAt: now.Add(Window), Missed: string(names), People: len(guests),
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if last, ok, err := r.last(ctx, db, t); err != nil {
			return err
		} else if ok && now.Sub(last.StartedAt) < pause {
			return ErrSoon
		}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("trial: run: %w", err)
		}
		for _, g := range guests {
			if err := r.callOne(ctx, db, row, g, town); err != nil {
				return err
			}
		}
		r.changed(ctx, row.ID)
		r.o.Store.AfterCommit(ctx, r.sweep.Kick)
		if len(guests) == 0 {
			if err := r.finish(ctx, db, row.ID, now); err != nil {
				return err
			}
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "trial.begun", Subject: "trial:" + string(row.ID), Detail: map[string]string{"target": string(t), "people": fmt.Sprint(len(guests))}})
	})
	return row.run(), err
}

// callOne writes to one person over every way.
func (r *Room) callOne(ctx context.Context, db bun.IDB, run runRow, g guest, town identity.Tenant) error {
	p := personRow{TenantID: run.TenantID, Run: run.ID, Person: string(g.Person.ID), Name: g.Person.Name, Step: g.Step}
	if _, err := db.NewInsert().Model(&p).Exec(ctx); err != nil {
		return fmt.Errorf("trial: person: %w", err)
	}
	l := r.localeFor(ctx, g.Person)
	for _, x := range g.Contacts {
		w := wayRow{
			TenantID: run.TenantID, ID: messageMark + ident.NewID(run.StartedAt), Run: run.ID, Person: string(g.Person.ID), Way: x.Way, Kind: x.Kind,
			Apart: chain.Apart(g.Person, x), Lacking: x.Lacking,
		}
		if x.Lacking == "" {
			secret := rand.Text()
			w.Hash = digest(secret)
			link := town.StaffURL + LinkPath + secret
			m := channel.Message{
				ID: w.ID, Kind: x.Kind, Class: channel.Alarm, Realm: channel.Live, To: x.To, ToName: g.Person.Name, Language: string(l.Lang), Automatic: true,
				Thread: threadMark + string(run.ID), FirstOfThread: true, Date: run.StartedAt, Until: run.DueAt,
			}
			m.Subject, m.Text = letter{l: l, town: town, name: run.Name, person: g.Person.Name, kind: x.Kind, way: x.Way, link: link}.write()
			if x.Kind != channel.Mail {
				m.Link, m.Answer = link, link
			}
			err := r.o.Outbox.Send(ctx, m)
			switch {
			case err != nil && fault.KindOf(err) == fault.Invalid: // an address that the outbox refuses costs nobody else theirs
				w.FailedAt, w.Reason = run.StartedAt, "refused"
			case err != nil:
				return fmt.Errorf("trial: send: %w", err)
			}
		}
		if _, err := db.NewInsert().Model(&w).Exec(ctx); err != nil {
			return fmt.Errorf("trial: way: %w", err)
		}
	}
	return nil
}

// messageMark begins the ids of the messages, threadMark the threads.
const (
	messageMark = "trial-"
	threadMark  = "trial-"
)

func (r *Room) localeFor(ctx context.Context, p identity.Person) i18n.Locale {
	l := r.o.Locale(ctx)
	if p.Language != "" {
		l.Lang = i18n.Parse(p.Language)
	}
	return l
}

func (r *Room) changed(ctx context.Context, id ID) {
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() {
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "trial", ID: string(id)})
		}
	})
}

// onSettled notes that a provider has taken a message, or that none will.
func (r *Room) onSettled(ctx context.Context, e bus.Event[channel.SettledEvent]) error {
	switch {
	case !strings.HasPrefix(e.Data.ID, messageMark):
		return nil
	case e.Data.State == channel.Accepted:
		return r.receipt(ctx, e.Data.ID, "taken_at", "")
	case e.Data.State == channel.Failed:
		return r.receipt(ctx, e.Data.ID, "failed_at", e.Data.Reason)
	}
	return nil
}

// onReceived notes that a message is on somebody's device, or never will be.
func (r *Room) onReceived(ctx context.Context, e bus.Event[channel.ReceivedEvent]) error {
	switch {
	case !strings.HasPrefix(e.Data.ID, messageMark):
		return nil
	case e.Data.Arrival == channel.Arrived:
		return r.receipt(ctx, e.Data.ID, "arrived_at", "")
	}
	return r.receipt(ctx, e.Data.ID, "failed_at", e.Data.Reason)
}

// receipt notes the first moment of a kind for a message. What comes after the
// end of the run changes its report no more.
func (r *Room) receipt(ctx context.Context, message, column, reason string) error {
	now := r.o.Clock.Now()
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var w wayRow
		err := db.NewSelect().Model(&w).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), message).Scan(ctx)
		if store.NotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("trial: receipt: %w", err)
		}
		run, err := r.row(ctx, db, w.Run)
		if err != nil || !run.EndedAt.IsZero() {
			return err
		}
		q := db.NewUpdate().Model((*wayRow)(nil)).Set("? = ?", bun.Ident(column), now).
			Where("tenant_id = ? AND id = ? AND ? IS NULL", w.TenantID, w.ID, bun.Ident(column))
		if reason != "" {
			q = q.Set("reason = ?", reason)
		}
		if column == "taken_at" && alert.Proves(w.Kind) {
			q = q.Set("arrived_at = ?", now) // a mail lies in the box then
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("trial: receipt: %w", err)
		}
		r.changed(ctx, w.Run)
		return nil
	})
}

// LinkPath is where the links of test alarms lead.
const LinkPath = "/pr/"

// Question is what a link asks.
type Question struct {
	Name string // of the person
	Run  string
	Done bool // answered, now or before
}

func (r *Room) byLink(ctx context.Context, db bun.IDB, secret string) (wayRow, personRow, Run, error) {
	var w wayRow
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return w, personRow{}, Run{}, err
	}
	err = db.NewSelect().Model(&w).Where("tenant_id = ? AND hash = ?", tenant, digest(secret)).Scan(ctx)
	if store.NotFound(err) {
		return w, personRow{}, Run{}, errLink
	}
	if err != nil {
		return w, personRow{}, Run{}, fmt.Errorf("trial: link: %w", err)
	}
	p, run, err := r.personIn(ctx, db, w.Run, w.Person)
	return w, p, run, err
}

func (r *Room) personIn(ctx context.Context, db bun.IDB, id ID, person string) (personRow, Run, error) {
	var p personRow
	row, err := r.row(ctx, db, id)
	if err != nil {
		return p, Run{}, errLink.With(err)
	}
	err = db.NewSelect().Model(&p).Where("tenant_id = ? AND run = ? AND person = ?", ident.TenantOf(ctx), id, person).Scan(ctx)
	if store.NotFound(err) || err == nil && p.AnsweredAt.IsZero() && !row.EndedAt.IsZero() {
		return p, row.run(), errLink
	}
	if err != nil {
		return p, row.run(), fmt.Errorf("trial: link: %w", err)
	}
	return p, row.run(), nil
}

// Question tells what a link asks, and changes nothing: mail scanners follow links.
func (r *Room) Question(ctx context.Context, secret string) (Question, error) {
	_, p, run, err := r.byLink(ctx, r.o.Store.Read(ctx), secret)
	if err != nil {
		return Question{}, err
	}
	if !p.AnsweredAt.IsZero() {
		return Question{Done: true}, nil
	}
	return Question{Name: p.Name, Run: run.Name}, nil
}

// Confirm takes the word of whoever holds the link that the message has arrived.
// The first answer counts.
func (r *Room) Confirm(ctx context.Context, secret string) (q Question, err error) {
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		w, p, _, err := r.byLink(ctx, db, secret)
		if err != nil {
			return err
		}
		q = Question{Done: true}
		return r.answered(ctx, db, p, w.ID)
	})
	return q, err
}

// Answer takes what came back from a person's telephone: to a message of a run.
// ours is false when the thread is no run's.
func (r *Room) Answer(ctx context.Context, person identity.PersonID, thread, message string) (ours bool, err error) {
	id, ours := strings.CutPrefix(thread, threadMark)
	if !ours {
		return false, nil
	}
	return true, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		p, _, err := r.personIn(ctx, db, ID(id), string(person))
		if errors.Is(err, errLink) {
			return nil // it is over, and nothing hangs on it
		}
		if err != nil {
			return err
		}
		return r.answered(ctx, db, p, message)
	})
}

func (r *Room) answered(ctx context.Context, db bun.IDB, p personRow, way string) error {
	now := r.o.Clock.Now()
	res, err := db.NewUpdate().Model((*personRow)(nil)).Set("answered_at = ?", now).Set("answered_by = ?", way).
		Where("tenant_id = ? AND run = ? AND person = ? AND answered_at IS NULL", p.TenantID, p.Run, p.Person).Exec(ctx)
	if err != nil {
		return fmt.Errorf("trial: answer: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	r.changed(ctx, p.Run)
	ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindLink, Person: p.Person, Name: p.Name})
	if err := r.o.Audit.Record(ctx, audit.Entry{Action: "trial.answered", Subject: "trial:" + string(p.Run)}); err != nil {
		return err
	}
	left, err := db.NewSelect().Model((*personRow)(nil)).Where("tenant_id = ? AND run = ? AND answered_at IS NULL", p.TenantID, p.Run).Exists(ctx)
	if err != nil || left {
		return err
	}
	return r.finish(ctx, db, p.Run, now)
}

// finish ends a run, writes down what it has shown, and tells the leads; once.
func (r *Room) finish(ctx context.Context, db bun.IDB, id ID, now time.Time) error {
	rep, err := r.report(ctx, db, id, true)
	if err != nil || rep.Ended() {
		return err
	}
	rep.EndedAt, rep.Verdict = now, judge(rep.Figures)
	res, err := db.NewUpdate().Model((*runRow)(nil)).Set("ended_at = ?", now).Set("verdict = ?", rep.Verdict).
		Set("answered = ?", rep.Answered).Set("receipted = ?", rep.Receipted).Set("apart = ?", rep.Apart).
		Where("tenant_id = ? AND id = ? AND ended_at IS NULL", ident.TenantOf(ctx), id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("trial: end: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	r.changed(ctx, id)
	return r.tell(ctx, rep)
}
