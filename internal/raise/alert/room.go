package alert

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// People knows who works for the town.
type People interface {
	People(ctx context.Context, f identity.Filter) ([]identity.Person, error)
	Person(ctx context.Context, id identity.PersonID) (identity.Person, error)
	PersonByEmail(ctx context.Context, mail string) (identity.Person, error)
}

// Town knows whose alerts these are.
type Town interface {
	Current(ctx context.Context) (identity.Tenant, error)
}

// Services is the catalogue.
type Services interface {
	Get(ctx context.Context, slug string) (service.Service, error)
}

// Sender is the durable outbox; it joins the transaction in ctx. An error of
// kind Invalid concerns this one message.
type Sender interface {
	Send(ctx context.Context, m channel.Message) error
	// Withdraw takes back what has not left yet, and names it.
	Withdraw(ctx context.Context, ids []string, why channel.Why) ([]channel.Withdrawal, error)
}

// Hook is a webhook that hears of every alert.
type Hook struct {
	URL    string
	Secret []byte // signs the body; empty: unsigned
	// Form is how it wants to be told; [channel.Plain]: our own document.
	Form channel.Form
	// Rest is the request of the form [channel.REST].
	Rest *channel.Rest
	// Declared: it stands in the operator's file and may lie anywhere.
	Declared bool
	// Services limits it to alerts of these slugs; empty: it hears of all.
	Services []string
}

// concerns reports whether the webhook hears of alerts of the service. One whose
// service is not known goes to all: doubt never silences (I20).
func (h Hook) concerns(service string) bool {
	return len(h.Services) == 0 || service == "" || slices.Contains(h.Services, service)
}

// Hooks tells the webhooks of the tenant in ctx.
type Hooks interface {
	Hooks(ctx context.Context) ([]Hook, error)
}

// Signer makes and checks the tokens in links.
type Signer interface {
	Sign(purpose string, payload []byte, expires time.Time) string
	Verify(purpose, token string, now time.Time) ([]byte, error)
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
	Town     Town
	People   People
	Services Services
	Sender   Sender
	Signer   Signer
	Chain    Chain // may be nil: no escalation chains
	Hooks    Hooks // may be nil: no webhooks
	// Dir is the data folder of a node whose database may be elsewhere and away.
	// There the room remembers whom to wake, and keeps what it did meanwhile; see
	// [Room.Unstored]. Empty: nothing is remembered, and what follows not used.
	Dir       string
	Files     Files
	Ways      Ways
	Journal   Journal
	Towns     func(ctx context.Context) ([]identity.Tenant, error)
	Catalogue func(ctx context.Context) ([]service.Service, error)
	// Away reports since when the database has not answered; zero: it answers.
	Away func() time.Time
	// AnswerWithin is how long those who were told have to take an alert before
	// those next in line are told too. Zero means [DefaultAnswer]; below zero:
	// nobody else is ever told.
	AnswerWithin time.Duration
	// InformURL is the page to which "Bürger informieren" leads, with {id} for
	// the alert. Looking at it must change nothing. Empty: no such button.
	InformURL string
	// OpenURL is where "Nur Vorfall eröffnen" posts to, with {id} for the alert.
	// Empty: no such button.
	OpenURL string
	// IncidentURL is the page of the linked incident, with {id} for it.
	IncidentURL string
}

// Room keeps the alerts of all tenants.
type Room struct {
	o       Options
	texts   *i18n.Catalog
	sweeper *jobs.Sweeper
	bundler *jobs.Sweeper // tells of what has joined; see group.go
	spool   *spool        // nil: the database is where this process is
}

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "alert")
	if o.AnswerWithin == 0 {
		o.AnswerWithin = DefaultAnswer
	}
	catalog, err := i18n.NewCatalog(texts)
	if err != nil {
		panic(err) // the texts are built in, and a test reads them
	}
	r := &Room{o: o, texts: catalog}
	r.sweeper = jobs.NewSweeper(jobs.SweeperOptions{Name: "alert.nobody", Clock: o.Clock, Log: o.Log, Sweep: r.sweep})
	r.bundler = jobs.NewSweeper(jobs.SweeperOptions{Name: "alert.bundle", Clock: o.Clock, Log: o.Log, Sweep: r.bundles})
	if o.Dir != "" {
		r.spool = &spool{}
		r.spool.sender = jobs.NewSweeper(jobs.SweeperOptions{Name: "alert.spool", Clock: o.Clock, Log: o.Log, Sweep: r.sendSpooled})
		r.spool.keeper = jobs.NewSweeper(jobs.SweeperOptions{
			Name: "alert.remember", Clock: o.Clock, Log: o.Log, Idle: bookEvery, Retry: bookEvery,
			Sweep: func(ctx context.Context, now time.Time) (time.Time, error) {
				if _, err := r.keepSpool(ctx, now); err != nil {
					return time.Time{}, err
				}
				return r.remember(ctx, now)
			},
		})
	}
	return r
}

// Subscribe makes the room hear signals and receipts.
func (r *Room) Subscribe(b *bus.Bus) {
	bus.On(b, signal.Recorded, "alert.fold", r.onSignal)
	bus.On(b, signal.Ignored, "alert.ignored", r.onIgnored)
	bus.On(b, channel.Settled, "alert.receipt", r.onSettled)
	bus.On(b, channel.Received, "alert.arrival", r.onReceived)
}

// Start begins to look for people whom alerts can be told that nobody heard of.
func (r *Room) Start(ctx context.Context) error {
	if err := r.StartSpool(ctx); err != nil {
		return err
	}
	if r.spool != nil {
		r.spool.keeper.Start(ctx)
	}
	r.sweeper.Start(ctx)
	r.bundler.Start(ctx)
	return nil
}

// StartSpool begins to raise what the database does not take; it needs none.
func (r *Room) StartSpool(ctx context.Context) error {
	if r.spool == nil {
		return nil
	}
	if err := r.openSpool(); err != nil {
		return err
	}
	r.spool.sender.Start(ctx)
	return nil
}

// Stop ends it.
func (r *Room) Stop() {
	r.sweeper.Stop()
	r.bundler.Stop()
	if p := r.spool; p != nil {
		p.keeper.Stop()
		p.sender.Stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.log != nil {
			if err := p.log.Close(); err != nil {
				r.o.Log.Warn("the spool could not be closed", "err", err)
			}
			p.log = nil
		}
	}
}

// DefaultAnswer is the time to take an alert (domain: clocks).
const DefaultAnswer = 5 * time.Minute

// retryNobody is how often the room looks again for somebody to tell.
const retryNobody = time.Minute

// onSignal folds a signal into the alerts.
func (r *Room) onSignal(ctx context.Context, e bus.Event[signal.Signal]) error {
	// The rule acts, not the machine or citizen who sent the signal.
	ctx = ident.WithActor(ctx, ident.System)
	return r.inTurn(ctx, func(ctx context.Context, t turn) error {
		s := e.Data
		src, err := t.source(ctx, s.Key)
		if err != nil {
			return err
		}
		var h hold
		if s.State == signal.Firing && s.Severity != signal.Info {
			if h, err = r.grounds(t).of(ctx, s); err != nil {
				return err
			}
			if h.Reason == Silenced && s.Group != "" {
				s.Group += "\n" + h.Ref // what is silenced gathers apart from what alarms
			}
		}
		open, err := t.place(ctx, s)
		if err != nil {
			return err
		}
		mv, reason := weigh(known{src.Seq, src.State, src.AlertID}, open, s)
		if mv == nothing {
			return nil
		}
		next := sourceRow{TenantID: t.tenant, Key: s.Key, Seq: max(s.Seq, src.Seq), State: s.State, AlertID: src.AlertID}
		switch mv {
		case opens:
			if next.AlertID, err = r.open(ctx, t, s, h); err == nil {
				err = t.formed(ctx, s, next.AlertID)
			}
		case joins:
			next.AlertID = open
			if err = r.fold(ctx, t, open, s, h); err == nil {
				err = t.grew(ctx, s, open)
			}
		case renews:
			err = r.fold(ctx, t, src.AlertID, s, h)
		case ends:
			next.AlertID = ""
			err = r.end(ctx, t, src.AlertID, s)
		case withhold:
			over := reason == AlreadyOver
			if over {
				next.State = src.State
			}
			err = t.withhold(ctx, s, reason, "", over)
		}
		if err != nil {
			return err
		}
		if mv != withhold {
			// Whatever was withheld for this key is over or raised now.
			if err := t.endWithheld(ctx, s.Key); err != nil {
				return err
			}
		}
		return t.keepSource(ctx, next)
	})
}

// onIgnored lists a firing signal that came too late to count.
func (r *Room) onIgnored(ctx context.Context, e bus.Event[signal.IgnoredSignal]) error {
	return r.inTurn(ident.WithActor(ctx, ident.System), func(ctx context.Context, t turn) error {
		return t.withhold(ctx, e.Data.Signal, Reason(e.Data.Reason), "", true)
	})
}

// onSettled notes what became of a message of ours.
func (r *Room) onSettled(ctx context.Context, e bus.Event[channel.SettledEvent]) error {
	if e.Data.State == channel.Withdrawn {
		return r.onWithdrawn(ctx, e)
	}
	return r.onNews(ctx, e.Data.ID, func(ctx context.Context, t turn) error {
		if err := t.receipt(ctx, e.Data.ID, string(e.Data.State), e.At); err != nil {
			return err
		}
		got := arrival{WayTaken, e.Data.Route}
		if e.Data.State == channel.Failed {
			got = arrival{WayFailed, e.Data.Reason}
		}
		return r.onReceipt(ctx, t, e.Data.ID, got)
	})
}

// open begins a new alert and tells the people responsible, unless something
// holds it back.
func (r *Room) open(ctx context.Context, t turn, s signal.Signal, h hold) (ID, error) {
	a := Alert{
		ID: ID(ident.NewID(t.now)), Key: alertKey(s), Service: s.Service, State: StateOpen, Severity: s.Severity,
		Title: s.Title, Detail: s.Detail, Since: s.Since, FirstSignalAt: s.At, FirstPath: s.Source, OpenedAt: t.now,
	}
	if err := t.keepSignal(ctx, a.ID, s); err != nil {
		return "", err
	}
	a.Signals = []Source{source(s)}
	if _, err := t.db.NewInsert().Model(rowOf(t.tenant, a)).Exec(ctx); err != nil {
		return "", fmt.Errorf("alert: open: %w", err)
	}
	if err := r.raise(ctx, t, &a, s, h); err != nil {
		return "", err
	}
	if err := t.update(ctx, a); err != nil {
		return "", err
	}
	if err := r.audit(ctx, "alert.opened", a, "people", fmt.Sprint(a.Woken)); err != nil {
		return "", err
	}
	if err := Opened.Tell(ctx, t.enqueue, t.now, happened(a)); err != nil {
		return "", err
	}
	r.changed(ctx, a.ID)
	return a.ID, nil
}

// raise wakes people for a new alert, or says why it does not.
func (r *Room) raise(ctx context.Context, t turn, a *Alert, s signal.Signal, h hold) error {
	if h.Reason == "" {
		return r.begin(ctx, t, a)
	}
	if err := t.putHold(ctx, a.ID, s.Key, h); err != nil {
		return err
	}
	if err := r.settle(ctx, t, a); err != nil {
		return err
	}
	if h.Reason != Behind {
		return nil
	}
	return r.shadowed(ctx, t, ID(h.Ref))
}

// wake tells the people responsible and counts them. It notes for everybody who
// was considered why they were told or not, and when to look further.
// Webhooks hear of it when it is news to them.
func (r *Room) wake(ctx context.Context, t turn, a *Alert, news bool) error {
	svc, err := r.service(ctx, a.Service)
	if err != nil {
		return err
	}
	m := mailing{r: r, t: t, alert: *a, service: svc}
	if ok, err := r.climb(ctx, t, a); err != nil || ok {
		if err != nil {
			return err
		}
		if news {
			m.alert = *a
			if err := m.prepare(ctx); err != nil {
				return err
			}
			if err := m.hooks(ctx, Alarm); err != nil {
				return err
			}
		}
		return r.woke(ctx, t, *a)
	}
	levels, err := r.levels(ctx, svc, t.now)
	if err != nil {
		return err
	}
	told := map[identity.PersonID]bool{}
	if err := m.alarms(ctx, choose(levels), told); err != nil {
		return err
	}
	a.Woken = len(told)
	r.plan(t, a, levels, told)
	if a.Woken == 0 {
		r.o.Log.ErrorContext(ctx, "alert reaches nobody: give a person with an address the role it or admin",
			"tenant", t.tenant, "alert", a.ID, "service", a.Service, "title", a.Title)
	}
	if news {
		if err := m.hooks(ctx, Alarm); err != nil {
			return err
		}
	}
	return r.woke(ctx, t, *a)
}

// woke lets what a explains be named under it, or, when nobody could be told of
// a, alarm by itself.
func (r *Room) woke(ctx context.Context, t turn, a Alert) error {
	if err := t.update(ctx, a); err != nil {
		return err
	}
	if a.Woken > 0 {
		return r.overshadow(ctx, t, a)
	}
	return r.letGo(ctx, t, string(a.ID))
}

// plan sets when to look for more people.
func (r *Room) plan(t turn, a *Alert, levels []level, told map[identity.PersonID]bool) {
	a.NextAt = time.Time{}
	switch {
	case a.State != StateOpen:
	case a.Woken == 0:
		a.NextAt = t.now.Add(retryNobody)
	case a.Severity != signal.Critical: // nobody further is disturbed for a warning
	case r.o.AnswerWithin > 0 && len(widen(levels, told)) > 0:
		a.NextAt = t.now.Add(r.o.AnswerWithin)
	}
}

// askMore tells those next in line, when nobody took the alert in time, and says how
// many there were.
func (r *Room) askMore(ctx context.Context, t turn, a *Alert) (int, error) {
	svc, err := r.service(ctx, a.Service)
	if err != nil {
		return 0, err
	}
	levels, err := r.levels(ctx, svc, t.now)
	if err != nil {
		return 0, err
	}
	told, err := t.told(ctx, a.ID)
	if err != nil {
		return 0, err
	}
	// Who has answered, of their own accord or when asked, is not asked again.
	pages, err := t.pages(ctx, a.ID)
	if err != nil {
		return 0, err
	}
	asked := maps.Clone(told)
	for _, p := range pages {
		if p.State == answered || p.State == declined {
			asked[identity.PersonID(p.PersonID)] = true
		}
	}
	// Whose alarm was withdrawn while somebody had it has heard nothing.
	var next []chosen
	spared, err := r.spared(ctx, t, a.ID, asked)
	if err != nil {
		return 0, err
	}
	for _, p := range spared {
		next = append(next, chosen{p, NoAnswer, true})
		asked[p.ID] = true
	}
	for _, p := range widen(levels, asked) {
		next = append(next, chosen{p, NoAnswer, true})
	}
	m := mailing{r: r, t: t, alert: *a, service: svc}
	if err := m.alarms(ctx, next, told); err != nil {
		return 0, err
	}
	a.Woken = len(told)
	maps.Copy(told, asked)
	// Who could not be told now is not asked again and again.
	for _, c := range next {
		told[c.person.ID] = true
	}
	r.plan(t, a, levels, told)
	r.o.Log.WarnContext(ctx, "nobody took the alert in time, more people are told", "tenant", t.tenant, "alert", a.ID, "people", len(next))
	return len(next), r.audit(ctx, "alert.widened", *a, "people", fmt.Sprint(len(next)))
}

// others are the names of everybody else who is told.
func others(all []chosen, but int) []string {
	var out []string
	for i, c := range all {
		if c.wake && i != but {
			out = append(out, c.person.Name)
		}
	}
	return out
}

// fold adds what s says to an open alert; nobody is woken again, unless it got
// worse, or was held back and this one is not.
func (r *Room) fold(ctx context.Context, t turn, id ID, s signal.Signal, h hold) error {
	if err := t.keepSignal(ctx, id, s); err != nil {
		return err
	}
	free, err := t.holdSource(ctx, id, s.Key, h)
	if err != nil {
		return err
	}
	a, err := t.get(ctx, id)
	if err != nil {
		return err
	}
	worse := s.Severity.WorseThan(a.Severity)
	if worse && h.Reason == "" && a.Held == "" {
		return r.worsen(ctx, t, a, s)
	}
	if free && a.Held == "" {
		if held, err := t.holds(ctx, id); err != nil {
			return err
		} else if len(held) == 0 {
			if err := t.unlist(ctx, id); err != nil {
				return err
			}
		}
	}
	if a.Held != "" || h.Reason != "" {
		if a, err = t.full(ctx, id); err != nil {
			return err
		}
		if err := r.settle(ctx, t, &a); err != nil {
			return err
		}
		if worse && a.Held == "" && h.Reason != "" { // awake, and this alone is not told
			if err := t.withhold(ctx, s, h.Reason, id, false); err != nil {
				return err
			}
		}
	}
	if s.Eased && a.Severity.WorseThan(s.Severity) {
		if err := r.ease(ctx, t, &a, s); err != nil {
			return err
		}
	}
	if s.Detail != "" {
		a.Detail = s.Detail
	}
	r.changed(ctx, id)
	return t.update(ctx, a)
}

// end notes that a source of the alert recovered; the last one closes it.
func (r *Room) end(ctx context.Context, t turn, id ID, s signal.Signal) error {
	if err := t.resolveSignal(ctx, id, s); err != nil {
		return err
	}
	if !s.QuietSince.IsZero() {
		quiet := strconv.Itoa(int(s.At.Sub(s.QuietSince).Truncate(time.Minute).Seconds()))
		if err := t.note(ctx, id, Course{What: FellQuiet, Name: s.Title, Word: quiet}); err != nil {
			return err
		}
	}
	// A storm ends as it came: only its last recovery reads all of it.
	free, err := t.dropHold(ctx, id, s.Key)
	if err != nil {
		return err
	}
	if firing, err := t.firing(ctx, id); err != nil || firing > 0 {
		r.changed(ctx, id)
		if err != nil {
			return err
		}
		return r.onlyHeld(ctx, t, id, free)
	}
	a, err := t.full(ctx, id)
	if err != nil {
		return err
	}
	a.State, a.ClosedAt, a.NextAt = StateClosed, t.now, time.Time{}
	return r.close(ctx, t, a)
}

// onlyHeld makes an alert quiet of which nothing is left but what is held back.
// free: one that was held back has just recovered.
func (r *Room) onlyHeld(ctx context.Context, t turn, id ID, free bool) error {
	held, err := t.holds(ctx, id)
	if err != nil || len(held) == 0 && !free {
		return err
	}
	if len(held) == 0 {
		return t.unlist(ctx, id)
	}
	a, err := t.full(ctx, id)
	if err != nil {
		return err
	}
	if err := r.settle(ctx, t, &a); err != nil {
		return err
	}
	return t.update(ctx, a)
}

// close writes the end of a and tells everybody who got the alarm.
func (r *Room) close(ctx context.Context, t turn, a Alert) error {
	a.Held = ""
	if err := r.spare(ctx, t, &a, channel.NoLongerOver, ""); err != nil {
		return err
	}
	if err := t.update(ctx, a); err != nil {
		return err
	}
	if err := t.dropHolds(ctx, a.ID); err != nil {
		return err
	}
	if err := t.causeOver(ctx, a.ID); err != nil {
		return err
	}
	if err := t.endNobody(ctx, a.ID); err != nil {
		return err
	}
	if err := t.calm(ctx, a.ID); err != nil {
		return err
	}
	if err := r.tellAgain(ctx, t, a, Over, ""); err != nil {
		return err
	}
	if err := r.audit(ctx, "alert.closed", a, "reason", a.ClosedReason); err != nil {
		return err
	}
	r.changed(ctx, a.ID)
	e := happened(a)
	e.Quiet = a.ClosedName == "" && a.Quiet()
	actor := ident.ActorOf(ctx)
	if a.ClosedName != "" {
		e.Person, e.Name = actor.Person, actor.Name
	}
	return Closed.Tell(ctx, t.enqueue, t.now, e)
}

// tellAgain writes to everybody who got the alarm, but to the person named.
func (r *Room) tellAgain(ctx context.Context, t turn, a Alert, kind Kind, but string) error {
	svc, err := r.service(ctx, a.Service)
	if err != nil {
		return err
	}
	m := mailing{r: r, t: t, alert: a, service: svc}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	told, err := t.notified(ctx, a.ID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(told, func(n Notified) bool { return n.Kind == Alarm }) {
		return nil // it was held back all the time: nobody heard of it
	}
	alarmed, done := map[string]bool{}, map[string]bool{}
	for _, n := range told {
		alarmed[n.PersonID] = alarmed[n.PersonID] || n.Kind == Alarm
	}
	for _, n := range told {
		first := n.Kind == Alarm || n.Kind == Grown && !alarmed[n.PersonID] // of an effect
		if n.Receipt == receiptWithdrawn {
			continue // it never left: nothing is to be taken back
		}
		if !first || n.PersonID == "" || n.PersonID == but || done[n.PersonID+" "+n.Way+" "+n.Address] {
			continue
		}
		done[n.PersonID+" "+n.Way+" "+n.Address] = true
		if err := m.again(ctx, n, kind); err != nil {
			return err
		}
	}
	return m.hooks(ctx, kind)
}

func (r *Room) audit(ctx context.Context, action string, a Alert, detail ...string) error {
	e := audit.Entry{Action: action, Subject: string(a.ID), Detail: map[string]string{"title": a.Title, "service": a.Service}}
	for i := 0; i+1 < len(detail); i += 2 {
		e.Detail[detail[i]] = detail[i+1]
	}
	return r.o.Audit.Record(ctx, e)
}

// changed lets live pages know after the commit, and wakes the sweeper.
func (r *Room) changed(ctx context.Context, id ID) {
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() {
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "alert", ID: string(id)})
		}
		r.sweeper.Kick()
		if r.spool != nil {
			r.spool.keeper.Kick()
		}
	})
}

func happened(a Alert) Happened {
	return Happened{
		ID: a.ID, Key: a.Key, Service: a.Service, Title: a.Title, Severity: a.Severity,
		Incident: a.IncidentID, Since: a.Since,
	}
}
