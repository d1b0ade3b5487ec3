package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
)

// State is where a message of the outbox stands.
type State string

// queued → sending → accepted | failed, or back to queued; and withdrawn.
const (
	Queued   State = "queued"
	Sending  State = "sending"
	Accepted State = "accepted" // the other side took responsibility
	Failed   State = "failed"   // given up, with a reason; told as [Settled]
	// Withdrawn: taken back before it left ([Room.Withdraw]). It stands as failed,
	// with a reason of its own, so that the release before does not send it.
	Withdrawn State = "withdrawn"
)

// Settled is told when a message has come to its end.
var Settled = bus.Topic[SettledEvent]("channel.settled")

// SettledEvent says how a message ended. To whom it went stands in the outbox,
// sealed; events lie open in the queue.
type SettledEvent struct {
	ID     string
	State  State
	Route  string
	Reason string
	// Doubtful: it was withdrawn, and a try before may have come through.
	Doubtful bool `json:",omitempty"`
}

// Sealer keeps webhook secrets unreadable at rest.
type Sealer interface {
	Seal(purpose string, plain []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
}

// sealPurpose binds sealed secrets to this table.
const sealPurpose = "channel.outbox.secret"

// Options configures [New].
type Options struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
	Hints *bus.Hints
	Vault Sealer
	// Adapters are the ways out of the tenant in ctx, in order of preference.
	Adapters func(ctx context.Context) []Adapter
	Catalog  *i18n.Catalog
	Audit    Audit // needed to change ways out
	// Signer makes the addresses to which providers report; nil: they are asked
	// for no reports.
	Signer Signer
	// Answers hears what somebody answered to an alarm; nil: nobody does.
	Answers Answers
	// Reach tells where webhooks that the people of a tenant enter may go, for
	// telling them at once; nil: nothing is said. What holds a message is the
	// adapter, at every connection.
	Reach func(ctx context.Context, t ident.Tenant) (fence.List, error)
	// Audiences are slug and name of all audiences, for choosing what a webhook
	// hears of; nil: there are none.
	Audiences func(ctx context.Context) ([][2]string, error)
	// DeviceLost is told, in the same transaction, when a push service has ended a
	// device's subscription; nil: the person's page alone says it.
	DeviceLost DeviceLost
	// Quiet tells until when what may wait does; nil: nothing waits.
	Quiet Quiet
	// WaysChanged is told after the ways out of a town were changed.
	WaysChanged func(ident.Tenant)
	// Sole: no other process sends from this database, so what a crash left
	// "sending" is taken up at once instead of after its lease.
	Sole bool
	// Node names this node in what it claims; see [Room.TakeUp].
	Node string
}

// Room is the outbox and the choice of routes.
type Room struct {
	o      Options
	routes *breaker
	pace   *pace
	sweep  *jobs.Sweeper
	quiet  *jobs.Sweeper // see quiet.go

	mu      sync.Mutex
	flying  map[lane]int
	hung    map[lane]time.Time // destinations, and when one last did not answer
	left    []attempt          // outcomes that the database did not take yet
	run     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup
	told    sync.Map // when the log last told of something; see [Room.nameless]
}

// Pace of new attempts and patience, per class.
var (
	alarmPause  = []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second}
	singlePause = []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}
)

const (
	alarmPatience  = 24 * time.Hour
	singlePatience = 72 * time.Hour
)

// New makes the room; it sends nothing before Start.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "channel")
	if o.Adapters == nil {
		o.Adapters = func(context.Context) []Adapter { return nil }
	}
	r := &Room{o: o, routes: newBreaker(o.Clock), pace: newPace(o.Clock), flying: map[lane]int{}, hung: map[lane]time.Time{}}
	r.sweep = jobs.NewSweeper(jobs.SweeperOptions{Name: "channel.outbox", Clock: o.Clock, Log: o.Log, Sweep: r.dispatch, Retry: time.Second})
	r.quiet = jobs.NewSweeper(jobs.SweeperOptions{Name: "channel.quiet", Clock: o.Clock, Log: o.Log, Sweep: r.reviewQuiet, Idle: time.Hour, Retry: time.Minute})
	return r
}

// outboxRow is one message on its way.
type outboxRow struct {
	bun.BaseModel `bun:"table:channel_outbox"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Kind          Kind         `bun:"kind"`
	Class         Class        `bun:"class"`
	Destination   string       `bun:"destination"` // see [destination]
	Realm         Realm        `bun:"realm"`
	Recipient     string       `bun:"recipient"`
	Subject       string       `bun:"subject"`
	Message       string       `bun:"message"`
	Secret        []byte       `bun:"secret,nullzero"`
	State         State        `bun:"state"`
	Attempts      int          `bun:"attempts"`
	DueAt         time.Time    `bun:"due_at"`
	LeaseUntil    time.Time    `bun:"lease_until,nullzero"`
	Node          string       `bun:"node"` // that claimed it
	GiveUpAt      time.Time    `bun:"give_up_at"`
	Route         string       `bun:"route"`
	Reference     string       `bun:"reference"`
	Reason        string       `bun:"reason"`
	Detail        string       `bun:"detail"`
	CreatedAt     time.Time    `bun:"created_at"`
	SettledAt     time.Time    `bun:"settled_at,nullzero"`
	Parts         int          `bun:"parts"`
	Arrival       Arrival      `bun:"arrival"`
	ArrivalReason string       `bun:"arrival_reason"`
	ArrivedAt     time.Time    `bun:"arrived_at,nullzero"`
	Withdrawn     Why          `bun:"withdrawn"` // no longer wanted, and why
	Doubtful      bool         `bun:"doubtful"`  // a try may have come through unnoticed
}

// Send puts a message into the outbox, inside the caller's transaction. The
// same id again changes nothing. It never waits for the network.
func (r *Room) Send(ctx context.Context, m Message) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	if m.Class != Alarm && m.Class != Single {
		return fmt.Errorf("channel: the outbox carries alarms and single messages, not %q", m.Class)
	}
	if m.ID == "" || m.To == "" || m.Kind == "" {
		return fmt.Errorf("channel: message %q to %q by %q is incomplete", m.ID, m.To, m.Kind)
	}
	if m.Realm == "" {
		m.Realm = Live
	}
	now := r.o.Clock.Now()
	if m.Date.IsZero() {
		m.Date = now
	}
	row := outboxRow{
		TenantID: tenant, ID: m.ID, Kind: m.Kind, Class: m.Class, Destination: destination(m.Kind, m.To), Realm: m.Realm, Recipient: m.To, Subject: m.Subject,
		State: Queued, DueAt: now, GiveUpAt: now.Add(singlePatience), CreatedAt: now,
	}
	if m.Class == Alarm {
		row.GiveUpAt = now.Add(alarmPatience)
	}
	if until := r.quietUntil(ctx, m, now); !until.IsZero() {
		row.DueAt, row.GiveUpAt, row.Reason = until, until.Add(singlePatience), reasonQuiet
	}
	if len(m.Secret) > 0 {
		if row.Secret, err = r.o.Vault.Seal(sealPurpose, m.Secret); err != nil {
			return fmt.Errorf("channel: seal: %w", err)
		}
		m.Secret = nil
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("channel: %w", err)
	}
	row.Message = string(body)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, id) DO NOTHING").Exec(ctx); err != nil {
			return fmt.Errorf("channel: outbox: %w", err)
		}
		r.o.Store.AfterCommit(ctx, func() {
			r.changed(tenant, m.ID)
			r.sweep.Kick()
			if row.Reason == reasonQuiet {
				r.quiet.Kick()
			}
		})
		return nil
	})
}

func (r *Room) changed(t ident.Tenant, id string) {
	if r.o.Hints != nil {
		r.o.Hints.Publish(bus.Hint{Tenant: t, Topic: "channel", ID: id})
	}
}

// Start begins to send.
func (r *Room) Start(ctx context.Context) error {
	r.mu.Lock()
	if r.cancel != nil {
		r.mu.Unlock()
		return nil
	}
	r.run, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.mu.Unlock()
	node := r.o.Node
	if r.o.Sole {
		node = everyNode
	}
	if node != "" {
		if err := r.TakeUp(ctx, node); err != nil {
			return err
		}
	}
	r.sweep.Start(ctx)
	if r.o.Quiet != nil {
		r.quiet.Start(ctx)
	}
	return nil
}

// Stop ends sending; messages under way are cut off and go again after the
// next start.
func (r *Room) Stop() {
	r.quiet.Stop()
	r.sweep.Stop()
	r.mu.Lock()
	cancel := r.cancel
	r.cancel = nil
	r.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	r.workers.Wait()
}

// everyNode takes up whatever any node left.
const everyNode = "*"

// TakeUp queues what a node left behind that is known to be dead: ourselves
// before a restart, or one whose lease ran out.
func (r *Room) TakeUp(ctx context.Context, node string) error {
	return r.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		q := db.NewUpdate().Model((*outboxRow)(nil)).Set("state = ?", Queued).Set("lease_until = NULL").Set("doubtful = ?", true).Where("state = ?", Sending)
		if node != everyNode {
			q = q.Where("node = ?", node)
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("channel: take up: %w", err)
		}
		r.o.Store.AfterCommit(ctx, r.sweep.Kick)
		return nil
	})
}

// attempt is what became of a message that was claimed.
type attempt struct {
	row   outboxRow
	rc    Receipt
	doubt bool // no way said yes, and one may have taken it
	err   error
}

// settleLeft writes down what became of messages while the database was away,
// before their claims count as given up and they go out once more.
func (r *Room) settleLeft(ctx context.Context) error {
	r.mu.Lock()
	left := r.left
	r.left = nil
	r.mu.Unlock()
	for i, a := range left {
		ctx := ident.WithActor(ident.WithTenant(ctx, a.row.TenantID), ident.System)
		if err := r.settle(ctx, a); err != nil {
			r.mu.Lock()
			r.left = append(left[i:], r.left...)
			r.mu.Unlock()
			return err
		}
	}
	return nil
}

// dispatch claims what is due, as far as workers are free, and hands it to
// them. It returns at once; each worker kicks the sweeper when it is done.
func (r *Room) dispatch(ctx context.Context, now time.Time) (time.Time, error) {
	ctx = ident.AcrossTenants(ctx)
	if err := r.settleLeft(ctx); err != nil {
		return time.Time{}, err
	}
	lanes, err := r.dueLanes(ctx, now)
	if err != nil {
		return time.Time{}, err
	}
	for _, l := range lanes {
		free := r.free(l, now)
		if free <= 0 {
			continue
		}
		rows, err := r.claim(ctx, l, now, free)
		if err != nil {
			return time.Time{}, err
		}
		for _, row := range rows {
			r.fly(row)
		}
	}
	return r.nextDue(ctx, now)
}

// nextDue is when the next waiting message wants to go, or the next lease ends.
func (r *Room) nextDue(ctx context.Context, now time.Time) (time.Time, error) {
	next, err := r.nextQueued(ctx, now)
	if err != nil || r.o.Sole { // nobody else's leases are waited for
		return next, err
	}
	var row outboxRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).Column("lease_until").
		Where("state = ? AND lease_until >= ?", Sending, now).Order("lease_until").Limit(1).Scan(ctx)
	switch {
	case store.NotFound(err):
		return next, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("channel: next lease: %w", err)
	case next.IsZero() || row.LeaseUntil.Before(next):
		return row.LeaseUntil.Add(time.Millisecond), nil
	}
	return next, nil
}

func (r *Room) nextQueued(ctx context.Context, now time.Time) (time.Time, error) {
	var row outboxRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Column("due_at").
		Where("state = ? AND due_at > ?", Queued, now).Order("due_at").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("channel: next: %w", err)
	}
	return row.DueAt, nil
}

// fly sends one message in the background.
func (r *Room) fly(row outboxRow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel == nil {
		return // stopping: the row stays claimed and goes after the next start
	}
	r.flying[lane{row.Kind, row.Class, row.Destination}]++
	r.workers.Add(1)
	run := r.run
	go func() {
		defer r.workers.Done()
		ctx := ident.WithActor(ident.WithTenant(run, row.TenantID), ident.System)
		if err := r.try(ctx, row); err != nil && ctx.Err() == nil {
			r.o.Log.ErrorContext(ctx, "message could not be settled, will go again", "id", row.ID, "err", err)
		}
		r.mu.Lock()
		if l := (lane{row.Kind, row.Class, row.Destination}); r.flying[l] > 1 {
			r.flying[l]--
		} else {
			delete(r.flying, l)
		}
		r.mu.Unlock()
		r.sweep.Kick()
	}()
}

func (r *Room) try(ctx context.Context, row outboxRow) error {
	if r.o.Clock.Now().After(row.LeaseUntil) {
		// This machine stood still: by now the message is another node's.
		return nil
	}
	m, err := r.message(row)
	a := attempt{row: row, err: err}
	switch {
	case row.Withdrawn != "":
		a.err = errWithdrawn
	case err == nil:
		begun := r.o.Clock.Now()
		a.rc, a.doubt, a.err = r.one(ctx, m)
		if ctx.Err() == nil {
			r.heard(lane{row.Kind, row.Class, row.Destination}, begun, a.err)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	failed := r.settle(ctx, a)
	if failed != nil && ctx.Err() == nil {
		r.mu.Lock()
		r.left = append(r.left, a)
		r.mu.Unlock()
	}
	return failed
}

func (r *Room) message(row outboxRow) (Message, error) {
	var m Message
	if err := json.Unmarshal([]byte(row.Message), &m); err != nil {
		return m, &Failure{Permanent: true, Reason: "config", Err: err}
	}
	if len(row.Secret) > 0 {
		secret, err := r.o.Vault.Open(sealPurpose, row.Secret)
		if err != nil {
			return m, &Failure{Permanent: true, Reason: "config", Err: err}
		}
		m.Secret = secret
	}
	return m, nil
}

// settle writes down how the attempt ended.
func (r *Room) settle(ctx context.Context, a attempt) error {
	row, sendErr, now := a.row, a.err, r.o.Clock.Now()
	var next fate
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, enqueue store.Enqueue) error {
		rc := a.rc
		next = decide(row, now, sendErr)
		if next.state != Accepted {
			// Held until the end is written, so that a mark comes before it or after it.
			stands := outboxRow{TenantID: row.TenantID, ID: row.ID}
			if _, err := db.NewUpdate().Model(&stands).Set("id = id").WherePK().Returning("*").Exec(ctx); err != nil {
				return err
			}
			row.Withdrawn, row.Doubtful = stands.Withdrawn, stands.Doubtful || a.doubt
			switch {
			case stands.Arrival == Arrived:
				// The provider has reported the arrival of what broke off for us.
				next, rc.Route = fate{state: Accepted, due: row.DueAt}, stands.Route
			case row.Withdrawn != "":
				next = withdrawnInstead(row, next, now)
			}
		}
		q := db.NewUpdate().Model((*outboxRow)(nil)).
			Set("state = ?", next.column()).Set("due_at = ?", next.due).Set("doubtful = ?", row.Doubtful).Set("lease_until = NULL").
			Set("route = ?", rc.Route).Set("reference = ?", cut(rc.Reference, maxReferences)).Set("parts = ?", rc.Parts).
			Set("reason = ?", next.reason).Set("detail = ?", next.detail).
			Where("tenant_id = ? AND id = ? AND state = ?", row.TenantID, row.ID, Sending).
			// The number of the attempt is the fence: a claim that came after ours
			// settles for itself.
			Where("attempts = ?", row.Attempts)
		if errors.Is(sendErr, errWithdrawn) {
			q = q.Set("attempts = attempts - 1") // it was claimed and not tried
		}
		if next.state != Queued {
			q = q.Set("settled_at = ?", now)
		}
		res, err := q.Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 || next.state == Queued {
			return err
		}
		told := SettledEvent{ID: row.ID, State: next.state, Route: rc.Route, Reason: next.reason}
		if next.state == Withdrawn {
			told = row.withdrawnEvent()
		}
		err = Settled.Tell(ctx, enqueue, now, told)
		if err != nil || next.state != Accepted {
			return err
		}
		return r.takeEarly(ctx, db, enqueue, row, rc)
	})
	if err != nil {
		return fmt.Errorf("channel: settle: %w", err)
	}
	if sendErr != nil && next.reason != "paced" && next.state != Withdrawn {
		r.o.Log.WarnContext(ctx, "message was not taken", "id", row.ID, "kind", row.Kind, "class", row.Class,
			"attempt", row.Attempts, "state", next.state, "reason", next.reason, "again_at", next.due)
	}
	r.changed(row.TenantID, row.ID)
	return nil
}

// fate is what follows from an attempt.
type fate struct {
	state  State
	due    time.Time
	reason string
	detail string
}

// column is the state as it is stored.
func (f fate) column() State {
	if f.state == Withdrawn {
		return Failed
	}
	return f.state
}

// decide is the pure rule: taken, never, or again and when.
func decide(row outboxRow, now time.Time, err error) fate {
	if err == nil {
		return fate{state: Accepted, due: row.DueAt}
	}
	f := AsFailure(err)
	out := fate{state: Queued, reason: f.Reason, detail: cut(f.Error(), 300)}
	pauses := singlePause
	if row.Class == Alarm {
		pauses = alarmPause
	}
	out.due = now.Add(max(pauses[min(max(row.Attempts-1, 0), len(pauses)-1)], f.RetryAfter))
	if f.Reason == "paced" {
		out.due = now.Add(f.RetryAfter) // nothing was tried, so nothing is to be waited out
	}
	if f.Permanent || now.After(row.GiveUpAt) {
		out.state, out.due = Failed, now
	}
	return out
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// Item is one line of the outbox page.
type Item struct {
	ID        string
	Kind      Kind
	Class     Class
	Realm     Realm
	To        string // of a webhook only where it lies: the rest may be a secret
	Subject   string
	Text      string
	State     State
	Attempts  int
	DueAt     time.Time
	Route     string
	Reason    string
	Detail    string
	CreatedAt time.Time
	SettledAt time.Time
	Parts     int // of an SMS
	// Arrival is what the provider reported after it had taken the message.
	Arrival       Arrival
	ArrivalReason string
	ArrivedAt     time.Time
	// Why it was withdrawn, where it was; Doubtful: a try may have come through.
	Why      Why
	Doubtful bool
}

func (r outboxRow) item() Item {
	var m Message
	_ = json.Unmarshal([]byte(r.Message), &m) // a broken row still shows its columns
	text, to := m.Text, r.Recipient
	switch r.Kind {
	case Webhook:
		text, to = string(m.Payload), place(to)
	case Push:
		to = m.ToName // the id says nothing to a reader
	}
	return Item{
		ID: r.ID, Kind: r.Kind, Class: r.Class, Realm: r.Realm, To: to, Subject: r.Subject, Text: text,
		State: r.state(), Attempts: r.Attempts, DueAt: r.DueAt, Route: r.Route, Reason: r.Reason, Detail: r.Detail,
		CreatedAt: r.CreatedAt, SettledAt: r.SettledAt,
		Parts: r.Parts, Arrival: r.Arrival, ArrivalReason: r.ArrivalReason, ArrivedAt: r.ArrivedAt,
		Why: r.Withdrawn, Doubtful: r.Doubtful,
	}
}

// Filter limits [Room.List].
type Filter struct {
	State State  // empty: all
	After string // id of the last item seen; newest come first
	Limit int
}

// List is the outbox, newest first.
func (r *Room) List(ctx context.Context, f Filter) ([]Item, error) {
	var rows []outboxRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).
		Order("created_at DESC", "id DESC").Limit(int64(min(max(f.Limit, 1), 1000)))
	if f.State != "" {
		q = inState(q, f.State)
	}
	if f.After != "" {
		last, err := r.row(ctx, f.After)
		if err != nil {
			return nil, err
		}
		q = q.Where("created_at < ? OR (created_at = ? AND id < ?)", last.CreatedAt, last.CreatedAt, last.ID)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("channel: list: %w", err)
	}
	items := make([]Item, len(rows))
	for i, row := range rows {
		items[i] = row.item()
	}
	return items, nil
}

func (r *Room) row(ctx context.Context, id string) (outboxRow, error) {
	var row outboxRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Scan(ctx)
	if store.NotFound(err) {
		return row, fault.New(fault.NotFound, "channel.not_found")
	}
	if err != nil {
		return row, fmt.Errorf("channel: %w", err)
	}
	return row, nil
}

// Get is one message of the outbox.
func (r *Room) Get(ctx context.Context, id string) (Item, error) {
	row, err := r.row(ctx, id)
	return row.item(), err
}

// Counts tells how many messages wait and how many failed.
func (r *Room) Counts(ctx context.Context) (map[State]int, error) {
	var rows []struct {
		State State
		N     int
	}
	err := r.o.Store.Read(ctx).NewSelect().Model((*outboxRow)(nil)).ColumnExpr("count(*) AS n").
		ColumnExpr("CASE WHEN state = ? AND withdrawn <> '' THEN ? ELSE state END AS state", Failed, Withdrawn).
		Where("tenant_id = ?", ident.TenantOf(ctx)).GroupExpr("2").Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("channel: counts: %w", err)
	}
	out := map[State]int{}
	for _, row := range rows {
		out[row.State] = row.N
	}
	return out, nil
}

// Again queues a failed message once more.
func (r *Room) Again(ctx context.Context, id string) error {
	if !ident.ActorOf(ctx).Has("admin", "it") {
		return fault.New(fault.Forbidden, "channel.forbidden")
	}
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewUpdate().Model((*outboxRow)(nil)).
			Set("state = ?", Queued).Set("due_at = ?", now).Set("give_up_at = ?", now.Add(singlePatience)).
			Set("settled_at = NULL").Set("attempts = 0").Set("arrival = ''").Set("arrival_reason = ''").Set("arrived_at = NULL").
			Where("tenant_id = ? AND id = ? AND state = ? AND withdrawn = ''", tenant, id, Failed).Exec(ctx)
		if err != nil {
			return fmt.Errorf("channel: again: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fault.New(fault.Conflict, "channel.not_failed").With(err)
		}
		r.o.Store.AfterCommit(ctx, func() { r.changed(tenant, id); r.sweep.Kick() })
		return nil
	})
}
