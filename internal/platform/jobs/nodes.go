package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// How long a node is believed without a word, and how often it gives one.
const (
	nodeTTL   = 15 * time.Second
	nodeEvery = 3 * time.Second
)

// leadLease is held by the one node that watches.
const leadLease = "lead"

// nodePrefix begins the lease that each node holds on itself.
const nodePrefix = "node:"

// ErrNotLeader says that another node leads by now.
var ErrNotLeader = errors.New("jobs: another node leads by now")

// ErrNoWord says that the database has not told yet who leads.
var ErrNoWord = errors.New("jobs: the database has not told yet who leads")

// NodesOptions configures [NewNodes].
type NodesOptions struct {
	Store *store.Store
	Log   *slog.Logger
	Node  string
	// Clock is brought to the database's time at every beat.
	Clock *clock.Followed
	// Gone is told of a node that has given no word for too long, before it is
	// forgotten. It takes up what that one was doing; an error has it told again.
	Gone func(ctx context.Context, node string) error
	// Lead is told when this node begins or ceases to lead.
	Lead func(ctx context.Context, leads bool)
}

// Nodes knows which of several nodes on one PostgreSQL leads, and which are dead.
//
// A lease is a row with a time by the database's clock, so that clocks which
// differ decide nothing, and with a number that rises with each holder. Whoever
// leads proves it by [Nodes.Check] inside the transaction that writes: a node
// that stood still and believes that it leads writes nothing. While the database
// does not answer, things stay as they were.
type Nodes struct {
	o NodesOptions

	mu     sync.Mutex
	known  bool // the database has told
	leads  bool
	fence  int64
	cancel context.CancelFunc
	done   chan struct{}
}

type leaseRow struct {
	bun.BaseModel `bun:"table:jobs_lease"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Name          string       `bun:"name,pk"`
	Node          string       `bun:"node"`
	Fence         int64        `bun:"fence"`
	Until         time.Time    `bun:"until_at"`
}

// NewNodes makes it; nothing is claimed before [Nodes.Start].
func NewNodes(o NodesOptions) *Nodes {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Nodes{o: o}
}

// Start gives the first word, so that it is known whether we lead, and goes on
// until Stop.
func (n *Nodes) Start(ctx context.Context) error {
	n.mu.Lock()
	running := n.cancel != nil
	n.mu.Unlock()
	if running {
		return nil
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if err := n.beat(run); err != nil {
		cancel()
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cancel, n.done = cancel, make(chan struct{})
	done := n.done
	go func() {
		defer close(done)
		tick := time.NewTicker(nodeEvery)
		defer tick.Stop()
		for {
			select {
			case <-run.Done():
				return
			case <-tick.C:
			}
			word, cancel := context.WithTimeout(run, nodeTTL)
			if err := n.beat(word); err != nil && run.Err() == nil {
				n.o.Log.WarnContext(run, "no word to the other nodes", "room", "jobs", "err", err)
			}
			cancel()
		}
	}()
	return nil
}

// Stop ends it, and lets the others go on at once.
func (n *Nodes) Stop(ctx context.Context) error {
	n.mu.Lock()
	cancel, done := n.cancel, n.done
	n.cancel = nil
	n.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel()
	<-done
	ctx, stop := context.WithTimeout(ident.AcrossTenants(ctx), 3*time.Second)
	defer stop()
	err := n.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewUpdate().Model((*leaseRow)(nil)).Set("until_at = ?", time.Unix(0, 0).UTC()).
			Where("tenant_id = '' AND name = ? AND node = ?", leadLease, n.o.Node).Exec(ctx)
		return err
	})
	if err != nil { // it runs out by itself
		n.o.Log.WarnContext(ctx, "the lease could not be given back", "room", "jobs", "err", err)
	}
	return nil
}

// Leads reports what the database said last.
func (n *Nodes) Leads() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.leads
}

// Check refuses with [ErrNotLeader], inside the open transaction, when another
// node leads, and with [ErrNoWord] before that is known; until the commit no other can begin to.
func (n *Nodes) Check(ctx context.Context, db bun.IDB) error {
	n.mu.Lock()
	known, leads, fence := n.known, n.leads, n.fence
	n.mu.Unlock()
	switch {
	case !known:
		return ErrNoWord
	case !leads:
		return ErrNotLeader
	}
	row := leaseRow{Name: leadLease}
	q := db.NewSelect().Model(&row).WherePK()
	if n.o.Store.Postgres() {
		q = q.For("SHARE")
	}
	if err := q.Scan(ident.AcrossTenants(ctx)); err != nil && !store.NotFound(err) {
		return fmt.Errorf("jobs: lead: %w", err)
	}
	if row.Node != n.o.Node || row.Fence != fence {
		return ErrNotLeader
	}
	return nil
}

// beat gives one word.
func (n *Nodes) beat(ctx context.Context) error {
	ctx = ident.AcrossTenants(ctx)
	var lead hold
	var won bool
	var gone []string
	err := n.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row := leaseRow{Name: leadLease, Until: time.Unix(0, 0).UTC()}
		if _, err := db.NewInsert().Model(&row).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
			return fmt.Errorf("jobs: lease: %w", err)
		}
		q := db.NewSelect().Model(&row).WherePK()
		if n.o.Store.Postgres() {
			q = q.For("UPDATE")
		}
		if err := q.Scan(ctx); err != nil {
			return fmt.Errorf("jobs: lease: %w", err)
		}
		now, err := n.time(ctx, db) // after the row is ours, for waiting takes time
		if err != nil {
			return err
		}
		if lead, won = grant(hold{row.Node, row.Fence, row.Until}, n.o.Node, now, nodeTTL); won {
			row.Node, row.Fence, row.Until = lead.Node, lead.Fence, lead.Until
			if _, err := db.NewUpdate().Model(&row).WherePK().Exec(ctx); err != nil {
				return fmt.Errorf("jobs: lease: %w", err)
			}
		}
		own := leaseRow{Name: nodePrefix + n.o.Node, Node: n.o.Node, Until: now.Add(nodeTTL)}
		_, err = db.NewInsert().Model(&own).On("CONFLICT (tenant_id, name) DO UPDATE").Set("until_at = EXCLUDED.until_at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("jobs: word: %w", err)
		}
		var dead []leaseRow
		err = db.NewSelect().Model(&dead).Where("tenant_id = '' AND name LIKE ?", nodePrefix+"%").Where("until_at < ?", now).Scan(ctx)
		if err != nil {
			return fmt.Errorf("jobs: dead nodes: %w", err)
		}
		gone = nil
		for _, d := range dead {
			gone = append(gone, strings.TrimPrefix(d.Name, nodePrefix))
		}
		return nil
	})
	if err != nil {
		return err
	}
	n.mu.Lock()
	turned := won != n.leads || won && lead.Fence != n.fence
	n.known, n.leads, n.fence = true, won, lead.Fence
	n.mu.Unlock()
	if turned && n.o.Lead != nil {
		n.o.Log.InfoContext(ctx, "who watches has changed", "room", "jobs", "us", won, "fence", lead.Fence)
		n.o.Lead(ctx, won)
	}
	for _, node := range gone {
		if err := n.takeOver(ctx, node); err != nil {
			return fmt.Errorf("jobs: take over from %s: %w", node, err)
		}
	}
	return nil
}

// takeOver takes up what a dead node was doing, and then forgets the node. Several
// may do so at once: what one has taken up is not the dead node's any more.
func (n *Nodes) takeOver(ctx context.Context, node string) error {
	n.o.Log.WarnContext(ctx, "a node has given no word; what it was doing is taken up", "room", "jobs", "node", node)
	if err := n.o.Gone(ctx, node); err != nil {
		return err
	}
	return n.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		now, err := n.time(ctx, db)
		if err != nil {
			return err
		}
		// It may have given its word meanwhile.
		_, err = db.NewDelete().Model((*leaseRow)(nil)).
			Where("tenant_id = '' AND name = ? AND until_at < ?", nodePrefix+node, now).Exec(ctx)
		return err
	})
}

// Others are the nodes beside the one of that name which have given a word lately.
// On SQLite there is never another.
func Others(ctx context.Context, s *store.Store, node string) ([]string, error) {
	if !s.Postgres() {
		return nil, nil
	}
	var rows []leaseRow
	err := s.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = '' AND name LIKE ?", nodePrefix+"%").
		Where("name <> ?", nodePrefix+node).Where("until_at > clock_timestamp()").Order("name").Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return nil, fmt.Errorf("jobs: nodes: %w", err)
	}
	out := make([]string, 0, len(rows))
	for _, row := range rows {
		out = append(out, strings.TrimPrefix(row.Name, nodePrefix))
	}
	return out, nil
}

// time is the database's, the one exception from the rule that it never tells
// it: clocks of several machines differ, and a lease needs one. It brings ours
// to it.
func (n *Nodes) time(ctx context.Context, db bun.IDB) (time.Time, error) {
	if !n.o.Store.Postgres() { // for tests: there the file is this machine's
		return n.o.Clock.Now(), nil
	}
	var now time.Time
	asked := n.o.Clock.Base.Now()
	if err := db.NewRaw("SELECT clock_timestamp()").Scan(ctx, &now); err != nil {
		return now, fmt.Errorf("jobs: time: %w", err)
	}
	n.o.Clock.Follow(now, n.o.Clock.Base.Now().Sub(asked))
	return clock.Cut(now), nil
}
