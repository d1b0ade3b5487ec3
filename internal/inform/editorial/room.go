package editorial

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// Incidents answers which crises are going on; it is [incident.Room].
type Incidents interface {
	List(ctx context.Context, f incident.Filter) ([]incident.Incident, error)
	Record(ctx context.Context, id incident.ID, kind incident.EntryKind, text, ref string) error
}

// Ways carries posts; it is [channel.Room].
type Ways interface {
	Deliver(ctx context.Context, realm channel.Realm, kind channel.Kind, ms []channel.Message) []channel.Outcome
	Ways(ctx context.Context) []channel.WayState
}

// Audit remembers every act.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Staff knows who releases public words in a crisis; it is [staff.Room].
type Staff interface {
	Speakers(ctx context.Context, in incident.ID) ([]staff.Speaker, error)
}

// Options is what the room needs.
type Options struct {
	Store     *store.Store
	Clock     clock.Clock
	Log       *slog.Logger
	Hints     *bus.Hints // may be nil
	Audit     Audit
	Incidents Incidents
	Ways      Ways
	Staff     Staff // nil: there is no crisis staff
	// Locale is how the town writes its journal; nil: releases stand in the audit
	// log alone.
	Locale func(ctx context.Context) i18n.Locale
	// Sole: no other process sends from this database.
	Sole bool
}

// Room keeps the posts of all tenants.
type Room struct {
	o     Options
	sweep *jobs.Sweeper
}

// New makes the room; nothing goes out before Start.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "editorial")
	r := &Room{o: o}
	r.sweep = jobs.NewSweeper(jobs.SweeperOptions{Name: "editorial.due", Clock: o.Clock, Log: o.Log, Sweep: r.sendDue, Retry: time.Second})
	return r
}

// Start begins to send what is due.
func (r *Room) Start(ctx context.Context) error {
	if r.o.Sole {
		if err := r.takeUp(ident.AcrossTenants(ctx)); err != nil {
			return err
		}
	}
	r.sweep.Start(ctx)
	return nil
}

// Stop ends it.
func (r *Room) Stop() { r.sweep.Stop() }

// Who may write posts, and who may let them go.
var (
	writers   = []string{string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin)}
	releasers = []string{string(identity.RoleApprover)}
)

// scope is what an API token needs.
const scope = "statements"

func mayWrite(ctx context.Context) bool {
	a := ident.ActorOf(ctx)
	return a.Kind != ident.KindPublic && a.Has(writers...) && a.Allows(scope)
}

func mayRelease(ctx context.Context) bool {
	a := ident.ActorOf(ctx)
	return a.Kind != ident.KindPublic && a.Has(releasers...) && a.Allows(scope)
}

// Accounts are the town's channels for posts.
func (r *Room) Accounts(ctx context.Context) []string {
	var out []string
	for _, w := range r.o.Ways.Ways(ctx) {
		if w.Kind == channel.Post && w.Realm == channel.Live {
			out = append(out, w.Name)
		}
	}
	return out
}

// Create stores a new draft.
func (r *Room) Create(ctx context.Context, p Post) (Post, error) {
	if !mayWrite(ctx) {
		return Post{}, ErrForbidden
	}
	now := r.o.Clock.Now()
	p = Post{
		ID: ID(ident.NewID(now)), Realm: incident.Live, Account: p.Account, Text: strings.TrimSpace(p.Text), Humour: p.Humour,
		Due: whole(p.Due), State: Draft, Author: author(ctx), CreatedAt: now,
	}
	if accounts := r.Accounts(ctx); p.Account == "" && len(accounts) == 1 {
		p.Account = accounts[0]
	}
	if err := p.check(r.Accounts(ctx)); err != nil {
		return Post{}, err
	}
	return p, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := r.insert(ctx, db, p); err != nil {
			return err
		}
		return r.wrote(ctx, p, "editorial.drafted", nil)
	})
}

// author is the actor without what only the moment needs.
func author(ctx context.Context) ident.Actor {
	a := ident.ActorOf(ctx)
	return ident.Actor{Kind: a.Kind, Person: a.Person, Name: a.Name}
}

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// Change gives a draft other words, another account or another time. Whoever
// changes it becomes its author: the next one must read it.
func (r *Room) Change(ctx context.Context, id ID, text, account string, humour bool, due time.Time) (Post, error) {
	return r.act(ctx, id, mayWrite, func(_ context.Context, p *Post) (string, error) {
		if !p.State.Open() {
			return "", ErrState
		}
		p.Text, p.Humour, p.Due, p.State, p.Author = strings.TrimSpace(text), humour, whole(due), Draft, author(ctx)
		if account != "" {
			p.Account = account
		}
		return "editorial.changed", p.check(r.Accounts(ctx))
	})
}

// Submit asks for approval.
func (r *Room) Submit(ctx context.Context, id ID) (Post, error) {
	return r.act(ctx, id, mayWrite, func(_ context.Context, p *Post) (string, error) {
		if p.State != Draft {
			return "", ErrState
		}
		p.State = Submitted
		return "editorial.submitted", nil
	})
}

// Return gives it back to its author with a note.
func (r *Room) Return(ctx context.Context, id ID, note string) (Post, error) {
	return r.act(ctx, id, mayRelease, func(_ context.Context, p *Post) (string, error) {
		if p.State != Submitted {
			return "", ErrState
		}
		if p.Reason = strings.TrimSpace(note); p.Reason == "" {
			return "", ErrNoReason.Field("reason", "editorial.reason_missing")
		}
		p.State = Draft
		return "editorial.returned", nil
	})
}

// Approve lets it go at its time, or now when that is past or was never said.
// The author cannot approve. While a crisis lasts the post is held instead.
func (r *Room) Approve(ctx context.Context, id ID) (Post, error) {
	return r.act(ctx, id, mayRelease, func(ctx context.Context, p *Post) (string, error) {
		if !p.State.Open() {
			return "", ErrState
		}
		if same(p.Author, ident.ActorOf(ctx)) {
			return "", ErrSelf
		}
		now := r.o.Clock.Now()
		p.Approver, p.ApprovedAt = author(ctx), now
		p.State, p.Reason = Scheduled, ""
		if p.Due.Before(now) {
			p.Due = now
		}
		crisis, err := r.crisis(ctx)
		if err != nil || crisis == "" {
			return "editorial.approved", err
		}
		p.hold(crisis, now)
		return "editorial.held", nil
	})
}

// same reports whether both are one person; a token is its person.
func same(a, b ident.Actor) bool { return a.Person != "" && a.Person == b.Person }

// Release lets a held post go, at due or now, although or after a crisis held
// it. It takes somebody other than the author, and a reason while the crisis
// lasts when the text is light-hearted.
func (r *Room) Release(ctx context.Context, id ID, reason string, due time.Time) (Post, error) {
	return r.act(ctx, id, mayWrite, func(ctx context.Context, p *Post) (string, error) {
		crisis, err := r.crisis(ctx)
		if err != nil {
			return "", err
		}
		function, err := r.mayLetGo(ctx, *p, crisis)
		if err != nil {
			return "", err
		}
		if p.State != Held {
			return "", ErrState
		}
		if p.Reason = strings.TrimSpace(reason); p.Reason == "" && crisis != "" && p.Light() {
			return "", ErrTone.Field("reason", "editorial.tone")
		}
		now := r.o.Clock.Now()
		p.State, p.Releaser = Scheduled, author(ctx)
		if p.Due = whole(due); p.Due.Before(now) {
			p.Due = now
		}
		return "editorial.released", r.journal(ctx, *p, crisis, function)
	})
}

// Discard ends a post that has not gone out.
func (r *Room) Discard(ctx context.Context, id ID, reason string) (Post, error) {
	return r.act(ctx, id, mayWrite, func(_ context.Context, p *Post) (string, error) {
		if p.State.Final() || p.State == Sending {
			return "", ErrState
		}
		p.State, p.Reason = Discarded, strings.TrimSpace(reason)
		return "editorial.discarded", nil
	})
}

// act changes one post in a transaction that stands in line with holding and
// sending.
func (r *Room) act(ctx context.Context, id ID, may func(context.Context) bool, fn func(ctx context.Context, p *Post) (action string, err error)) (Post, error) {
	if !may(ctx) {
		return Post{}, ErrForbidden
	}
	var out Post
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := r.gate(ctx, db); err != nil {
			return err
		}
		p, err := r.Get(ctx, id)
		if err != nil {
			return err
		}
		action, err := fn(ctx, &p)
		if err != nil {
			return err
		}
		if err := r.update(ctx, db, p); err != nil {
			return err
		}
		out = p
		r.o.Store.AfterCommit(ctx, r.sweep.Kick)
		return r.wrote(ctx, p, action, nil)
	})
	return out, err
}

// crisis names the live crisis that is going on, or nothing.
func (r *Room) crisis(ctx context.Context) (incident.ID, error) {
	all, err := r.o.Incidents.List(ctx, incident.Filter{Active: true, Realm: incident.Live, Limit: 1000})
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(all, func(i incident.Incident) bool { return i.Level == incident.Crisis }); i >= 0 {
		return all[i].ID, nil
	}
	return "", nil
}

func (r *Room) wrote(ctx context.Context, p Post, action string, detail map[string]string) error {
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() {
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "editorial", ID: string(p.ID)})
		}
	})
	if detail == nil {
		detail = map[string]string{"account": p.Account, "text": short(p.Text)}
		if p.Reason != "" {
			detail["reason"] = p.Reason
		}
	}
	return r.o.Audit.Record(ctx, audit.Entry{Action: action, Subject: "post:" + string(p.ID), Detail: detail})
}

// short is the beginning of a text, for lists and the audit log.
func short(s string) string {
	const most = 80
	line, _, cut := strings.Cut(s, "\n")
	if r := []rune(line); len(r) > most {
		line, cut = string(r[:most]), true
	}
	if cut {
		line += " …"
	}
	return line
}
