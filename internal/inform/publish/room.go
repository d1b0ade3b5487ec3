package publish

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// Incidents is what this room asks the incident room.
type Incidents interface {
	Get(ctx context.Context, id incident.ID) (incident.Incident, error)
	List(ctx context.Context, f incident.Filter) ([]incident.Incident, error)
	Facts(ctx context.Context, id incident.ID) ([]incident.Fact, error)
	Record(ctx context.Context, id incident.ID, kind incident.EntryKind, text, ref string) error
	Confirm(ctx context.Context, id incident.ID, reason string) error
}

// Services is the service catalogue.
type Services interface {
	Get(ctx context.Context, slug string) (service.Service, error)
	// OpenWords lists the services whose words only their author has seen.
	OpenWords(ctx context.Context) ([]service.Service, error)
	// ReleaseWords approves the words of others as they stand.
	ReleaseWords(ctx context.Context) error
}

// Audiences is the communication plan.
type Audiences interface {
	Audiences(ctx context.Context) ([]plan.Audience, error)
}

// People are the tenant and who works for it.
type People interface {
	Current(ctx context.Context) (identity.Tenant, error)
	People(ctx context.Context, f identity.Filter) ([]identity.Person, error)
	Person(ctx context.Context, id identity.PersonID) (identity.Person, error)
}

// Outbox takes single mails inside the transaction at hand.
type Outbox interface {
	Send(ctx context.Context, m channel.Message) error
}

// Ways carries a batch at once, with fail-over; one Outcome per message, in
// order.
type Ways interface {
	Deliver(ctx context.Context, realm channel.Realm, kind channel.Kind, ms []channel.Message) []channel.Outcome
}

// Signer makes links that serve one purpose.
type Signer interface {
	Sign(purpose string, payload []byte, expires time.Time) string
	Verify(purpose, token string, now time.Time) ([]byte, error)
}

// Audit remembers every act.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Refusals tells who of the addresses must not be written to any more, with
// [ReasonUnsubscribed] or [ReasonErased]. The room of subscribers answers it.
type Refusals interface {
	Refused(ctx context.Context, addresses []string) (map[string]string, error)
}

// Staff knows who releases public words in a crisis; nobody while there is none or
// the functions are empty.
type Staff interface {
	Speakers(ctx context.Context, in incident.ID) ([]staff.Speaker, error)
}

// Prepared is the texts as the town words them.
type Prepared interface {
	Library(ctx context.Context) (*template.Library, error)
}

// Options is what the room needs. Refusals may be nil: nobody refused.
type Options struct {
	Store     *store.Store
	Clock     clock.Clock
	Log       *slog.Logger
	Hints     *bus.Hints
	Catalog   *i18n.Catalog
	Audit     Audit
	Incidents Incidents
	Services  Services
	Audiences Audiences
	People    People
	Outbox    Outbox
	Ways      Ways
	// Chats may be nil: no webhook hears of statements.
	Chats    Chats
	Vault    Signer
	Refusals Refusals
	// Staff may be nil: there is no crisis staff.
	Staff Staff
	// Survey is the address under which an audience says how well it was informed
	// about an incident, the same for everybody in it and open for a while after
	// from; missing: nobody is asked. A later room answers it; nil: there is none.
	Survey func(ctx context.Context, in incident.ID, audience string, from time.Time) (template.Value, error)
	// Library holds the shipped texts. Prepared lays the town's own over them; nil:
	// it has none. The town's releases come on top.
	Library  *template.Library
	Prepared Prepared
	// Sole: no other process sends from this database, so what a crash left
	// "sending" is taken up at once instead of after its lease.
	Sole bool
	// Node names this node in what it claims; see [Room.TakeUp].
	Node string
}

// Room is what the town says.
type Room struct {
	o      Options
	ledger *jobs.Sweeper
	rhythm *jobs.Sweeper
}

// New makes the room; it sends and reminds nobody before Start.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Catalog == nil {
		o.Catalog = &i18n.Catalog{}
	}
	o.Log = o.Log.With("room", "publish")
	r := &Room{o: o}
	r.ledger = jobs.NewSweeper(jobs.SweeperOptions{Name: "publish.ledger", Clock: o.Clock, Log: o.Log, Sweep: r.deliverDue})
	r.rhythm = jobs.NewSweeper(jobs.SweeperOptions{Name: "publish.rhythm", Clock: o.Clock, Log: o.Log, Sweep: r.promisesDue})
	return r
}

// Start begins to deliver and to watch the promises.
func (r *Room) Start(ctx context.Context) error {
	node := r.o.Node
	if r.o.Sole {
		node = everyNode
	}
	if node != "" {
		if err := r.TakeUp(ctx, node); err != nil {
			return err
		}
	}
	r.ledger.Start(ctx)
	r.rhythm.Start(ctx)
	return nil
}

// Stop ends both; a batch under way is cut off and goes again after its lease.
func (r *Room) Stop() {
	r.ledger.Stop()
	r.rhythm.Stop()
}

// changed nudges whoever looks at the statement or its incident.
func (r *Room) changed(ctx context.Context, id ID, in incident.ID) {
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() {
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "publish", ID: string(id)})
			if in != "" {
				r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "incident", ID: string(in)})
			}
		}
	})
}

func (r *Room) record(ctx context.Context, action, subject string, detail map[string]string) error {
	return r.o.Audit.Record(ctx, audit.Entry{Action: action, Subject: subject, Detail: detail})
}

// Who may write: whoever has one of these roles may draft and publish what
// needs no second person.
var writers = []string{string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin)}

// scope is what an API token needs here; reading is allowed to scopeRead too.
const (
	scope     = "statements"
	scopeRead = "read"
)

// whoActs reads the actor of ctx for the rules of approval.go.
func whoActs(ctx context.Context) actor {
	a := ident.ActorOf(ctx)
	out := actor{person: identity.PersonID(a.Person), name: a.Name}
	if a.Kind == ident.KindPublic {
		return out
	}
	if !a.Allows(scope) {
		return out
	}
	out.writer = a.Has(writers...)
	out.onDuty = a.Has(string(identity.RoleIT))
	out.approver = a.Has(string(identity.RoleApprover))
	out.admin = a.Has(string(identity.RoleAdmin))
	return out
}

// mayWrite is the door of everything that changes a draft.
func mayWrite(ctx context.Context) (Author, error) {
	a := ident.ActorOf(ctx)
	roles := append([]string{string(identity.RoleIT)}, writers...)
	if a.Kind == ident.KindPublic || !a.Has(roles...) || !a.Allows(scope) {
		return Author{}, ErrForbidden
	}
	return Author{Person: identity.PersonID(a.Person), Name: a.Name}, nil
}

// mayRead is the door of everything that shows drafts and recipients.
func mayRead(ctx context.Context) error {
	a := ident.ActorOf(ctx)
	if a.Kind == ident.KindPublic || (!a.Allows(scope) && !a.Allows(scopeRead)) {
		return ErrForbidden
	}
	return nil
}

// Get finds a statement.
func (r *Room) Get(ctx context.Context, id ID) (Statement, error) {
	if err := mayRead(ctx); err != nil {
		return Statement{}, err
	}
	return r.get(ctx, id)
}

func (r *Room) get(ctx context.Context, id ID) (Statement, error) {
	var row statementRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).
		Where("tenant_id = ?", ident.TenantOf(ctx)).Where("id = ?", id).Scan(ctx)
	if store.NotFound(err) {
		return Statement{}, ErrNotFound
	}
	if err != nil {
		return Statement{}, fmt.Errorf("publish: get: %w", err)
	}
	return row.statement()
}

// Filter narrows [Room.List]. The newest come first.
type Filter struct {
	Incident incident.ID
	States   []State
	// Unconfirmed: published by telephone or break-glass and not yet looked at.
	Unconfirmed bool
	After       ID // the last one of the page before
	Limit       int
}

// List lists statements, the newest first.
func (r *Room) List(ctx context.Context, f Filter) ([]Statement, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	return r.list(ctx, f)
}

func (r *Room) list(ctx context.Context, f Filter) ([]Statement, error) {
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 100
	}
	var rows []statementRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).
		Order("id DESC").Limit(int64(f.Limit))
	if f.Incident != "" {
		q = q.Where("incident_id = ?", f.Incident)
	}
	if len(f.States) > 0 {
		q = q.Where("state IN (?)", bun.List(f.States))
	}
	if f.Unconfirmed {
		q = q.Where("unconfirmed = ?", true)
	}
	if f.After != "" {
		q = q.Where("id < ?", f.After)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("publish: list: %w", err)
	}
	out := make([]Statement, 0, len(rows))
	for _, row := range rows {
		s, err := row.statement()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Variants are the words of a published statement, exactly as they went out.
// Anybody may read the public ones; the others are for people who work here.
func (r *Room) Variants(ctx context.Context, id ID) ([]Variant, error) {
	vs, err := r.variants(ctx, id)
	if err != nil || mayRead(ctx) == nil {
		return vs, err
	}
	return slices.DeleteFunc(vs, func(v Variant) bool { return !v.Public() }), nil
}

func (r *Room) variants(ctx context.Context, ids ...ID) ([]Variant, error) {
	rows, err := r.variantRows(ctx, ids...)
	if err != nil {
		return nil, err
	}
	out := make([]Variant, 0, len(rows))
	for _, row := range rows {
		v, err := row.variant()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (r *Room) variantRows(ctx context.Context, ids ...ID) ([]variantRow, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []variantRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).
		Where("statement_id IN (?)", bun.List(ids)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish: variants: %w", err)
	}
	slices.SortStableFunc(rows, func(a, b variantRow) int {
		return compareVariants(a.Statement, b.Statement, a.Audience, b.Audience, a.Format, b.Format, a.Language, b.Language)
	})
	return rows, nil
}

func compareVariants(s1, s2 ID, a1, a2 string, f1, f2 template.Format, l1, l2 template.Language) int {
	if c := strings.Compare(string(s1), string(s2)); c != 0 {
		return c
	}
	if c := strings.Compare(a1, a2); c != 0 {
		return c
	}
	if c := slices.Index(template.Formats(), f1) - slices.Index(template.Formats(), f2); c != 0 {
		return c
	}
	return slices.Index(template.Languages(), l1) - slices.Index(template.Languages(), l2)
}

// save writes s over the row that still has revision and state as the caller
// read them; otherwise somebody else was faster.
func (r *Room) save(ctx context.Context, db bun.IDB, s Statement, revision int, state State) error {
	row := s.row(ident.TenantOf(ctx))
	res, err := db.NewUpdate().Model(&row).WherePK().Where("tenant_id = ?", row.TenantID).
		Where("revision = ?", revision).Where("state = ?", state).Exec(ctx)
	if err != nil {
		return fmt.Errorf("publish: save: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return ErrChanged
	}
	return nil
}
