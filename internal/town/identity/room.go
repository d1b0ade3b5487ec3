package identity

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
)

// Audit is what this room asks of the audit log.
type Audit interface {
	Note(ctx context.Context, action, subject string, detail map[string]string) error
}

// Vault is what this room asks of the vault.
type Vault interface {
	Sign(purpose string, payload []byte, expires time.Time) string
	Verify(purpose, token string, now time.Time) ([]byte, error)
	Seal(purpose string, plain []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
	Key(purpose string) []byte
}

// Letter is a mail to one person, in that person's language. It is posted
// inside the transaction that makes its link valid.
type Letter struct {
	To      string // address
	Person  Person
	Subject string
	Body    string // plain text
}

// Post puts a letter into the outbox.
type Post func(ctx context.Context, l Letter) error

// Options is what the room needs. Everything but Store may be left out.
type Options struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
	Hints *bus.Hints
	Audit Audit
	// Vault signs links to confirm addresses, marks known browsers and seals
	// second factors; without it there are none.
	Vault Vault
	// Post sends letters; without it links are only shown to administrators.
	Post Post
	// Owners lists the addresses of people who are responsible for a service:
	// they can be alarmed and need an alternative address.
	Owners func(ctx context.Context) ([]string, error)
	// Provider is the identity provider of the tenant in ctx, where one is
	// declared; Transport carries the questions to it (nil: the default).
	Provider  func(ctx context.Context) (Provider, bool)
	Transport http.RoundTripper
	// RuleDeclared reports whether the rule about second factors stands in the
	// configuration, where it is then changed; nil: it does not.
	RuleDeclared func(ctx context.Context) bool
	// Directory is the town's directory of people, where one is declared; Dial
	// opens connections to it (nil: the machine's network).
	Directory func(ctx context.Context) (LDAP, bool)
	Dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	// Resolver answers questions about alternative addresses; without it DNS
	// is not asked.
	Resolver Resolver
	// Fail shows an error that the middleware meets; without it a bare status.
	Fail func(w http.ResponseWriter, r *http.Request, err error)
	// Cost of passwords; zero is the default. Tests make it cheap.
	Cost Cost
}

// Room keeps tenants, people, sessions, links and tokens.
type Room struct {
	o       Options
	slots   chan struct{} // one for each password that is being hashed
	waiting atomic.Int32
	limiter limiter
	sso     ssoDesk
	checks  *jobs.Sweeper
	rolls   *jobs.Sweeper

	mu    sync.Mutex
	known *directory
}

// New makes the room; it neither reads nor starts anything.
func New(o Options) *Room {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "identity")
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Cost == (Cost{}) {
		o.Cost = defaultCost
	}
	r := &Room{o: o, slots: make(chan struct{}, maxHashing)}
	r.checks = jobs.NewSweeper(jobs.SweeperOptions{
		Name: "identity.independence", Clock: o.Clock, Log: o.Log, Sweep: r.sweep,
		Idle: time.Hour, Retry: time.Minute,
	})
	r.rolls = jobs.NewSweeper(jobs.SweeperOptions{
		Name: "identity.directory", Clock: o.Clock, Log: o.Log, Sweep: r.sweepRolls, Idle: time.Hour, Retry: time.Minute,
	})
	return r
}

// Start begins looking at alternative addresses and clearing what has expired,
// beside everything else.
func (r *Room) Start(ctx context.Context) error {
	r.checks.Start(ctx)
	if r.o.Directory != nil {
		r.rolls.Start(ctx)
	}
	return nil
}

// Stop ends what Start began and waits for it.
func (r *Room) Stop() {
	r.rolls.Stop()
	r.checks.Stop()
}

// audit notes an act in the transaction at hand.
func (r *Room) audit(ctx context.Context, action, subject string, detail map[string]string) error {
	if r.o.Audit == nil {
		return nil
	}
	return r.o.Audit.Note(ctx, action, subject, detail)
}

// hint tells open pages that a noun of this room changed, after the commit.
func (r *Room) hint(ctx context.Context, topic, id string) {
	if r.o.Hints == nil {
		return
	}
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() { r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: topic, ID: id}) })
}

// Faults that several rules give.
var (
	ErrForbidden = fault.New(fault.Forbidden, "identity.forbidden")
	ErrNoPerson  = fault.New(fault.NotFound, "identity.no_person")
	ErrDeclared  = fault.New(fault.Conflict, "identity.declared")
)

// scopePeople and scopeAdmin are the scopes of tokens that this room asks for.
const (
	scopePeople = "people"
	scopeAdmin  = "admin"
)

// mayManage: people are the business of administrators.
func mayManage(ctx context.Context, scope string) error {
	a := ident.ActorOf(ctx)
	if !a.Has(string(RoleAdmin)) || a.Kind == ident.KindToken && !a.Allows(scope) {
		return ErrForbidden
	}
	return nil
}

// mayActFor: everybody for themselves, administrators for everybody.
func mayActFor(ctx context.Context, id PersonID, scope string) error {
	a := ident.ActorOf(ctx)
	if a.Person == string(id) && (a.Kind == ident.KindPerson || a.Kind == ident.KindToken && a.Allows(scope)) {
		return nil
	}
	return mayManage(ctx, scope)
}
