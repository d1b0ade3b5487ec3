package intake

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Citizens notice what no probe does. A report of theirs holds the service and one
// of four words; nothing is typed, so there is nothing about them to keep and
// nothing to write in it.
//
//	one or two reports ──► an info signal: listed, and wakes nobody by itself
//	three within crowdWithin ──► a critical signal of the path citizen
//	none for crowdOver ──► over

// Symptom is what a citizen sees.
type Symptom string

// The symptoms.
const (
	Gone  Symptom = "gone"  // cannot be opened
	Slow  Symptom = "slow"  // opens, but hardly
	Wrong Symptom = "wrong" // shows a fault
	Other Symptom = "other"
)

// Symptoms lists them in the order of the form.
func Symptoms() []Symptom { return []Symptom{Gone, Slow, Wrong, Other} }

const (
	// crowd is how many reports within crowdWithin are a signal of their own.
	crowd       = 3
	crowdWithin = 10 * time.Minute
	// crowdOver is after how long without a report it is over.
	crowdOver = 30 * time.Minute
	// sameSender is how long a second report from the same place counts as the
	// first. It is short, for many share an address.
	sameSender = 3 * time.Minute
)

type outageRow struct {
	bun.BaseModel `bun:"table:intake_outage"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Service       string       `bun:"service"`
	Symptom       Symptom      `bun:"symptom"`
	At            time.Time    `bun:"at"`
	Over          bool         `bun:"over"`
}

// Outage takes a citizen's report about a public service. from is the address of
// the sender; it is forgotten but for a keyed hash in memory.
func (r *Room) Outage(ctx context.Context, slug string, what Symptom, from string) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	bad := fault.New(fault.Invalid, "intake.outage_incomplete")
	svc, err := r.o.Services.Get(ctx, slug)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if err != nil || !svc.Public {
		bad = bad.Field("service", "intake.outage_which")
	}
	if !slices.Contains(Symptoms(), what) {
		bad = bad.Field("what", "intake.outage_what")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	now := r.o.Clock.Now()
	sender, fresh := r.senders.fresh(now, string(tenant)+"\x00"+slug, from)
	if !fresh {
		return nil
	}
	ctx = ident.WithActor(ctx, ident.System)
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row := outageRow{TenantID: tenant, ID: ident.NewID(now), Service: slug, Symptom: what, At: now}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("intake: outage: %w", err)
		}
		r.o.Store.AfterCommit(ctx, r.sweeper.Kick)
		return r.tellOutage(ctx, db, slug, svc.Name, now)
	})
	if err != nil {
		r.senders.forget(sender) // they will say it again
	}
	return err
}

// tellOutage records what the reports of a service come to.
func (r *Room) tellOutage(ctx context.Context, db bun.IDB, slug, name string, now time.Time) error {
	var rows []outageRow
	err := db.NewSelect().Model(&rows).Where("tenant_id = ? AND service = ? AND NOT over", ident.TenantOf(ctx), slug).Order("at").Scan(ctx)
	if err != nil {
		return fmt.Errorf("intake: outages: %w", err)
	}
	if len(rows) == 0 {
		return nil
	}
	l, lately := r.o.Locale(ctx), 0
	for _, row := range rows {
		if now.Sub(clock.Cut(row.At)) < crowdWithin {
			lately++
		}
	}
	s := signal.Signal{
		Source: signal.Citizen, Key: "citizen:" + slug, Episode: rows[0].ID, State: signal.Firing, Service: slug, Severity: signal.Info,
		Title: l.Catalog.Text(l.Lang, "intake.outage_signal", name), Detail: l.Catalog.Text(l.Lang, "intake.outage_detail", len(rows)),
		Since: clock.Cut(rows[0].At),
	}
	if lately >= crowd {
		s.Severity = signal.Critical
	}
	_, err = r.o.Signals.Record(ctx, s)
	return err
}

// outagesOver ends what nobody has reported for a while, in every town; next
// is when to look again.
func (r *Room) outagesOver(ctx context.Context, now time.Time) (next time.Time, err error) {
	var rows []outageRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("NOT over").Order("at").Scan(ident.AcrossTenants(ctx)); err != nil {
		return next, fmt.Errorf("intake: outages: %w", err)
	}
	type thing struct {
		tenant  ident.Tenant
		service string
	}
	last, first := map[thing]time.Time{}, map[thing]string{}
	for _, row := range rows {
		of := thing{row.TenantID, row.Service}
		last[of] = clock.Cut(row.At)
		if first[of] == "" {
			first[of] = row.ID
		}
	}
	for of, at := range last {
		if over := at.Add(crowdOver); over.After(now) {
			next = earlier(next, over)
			continue
		}
		if err := r.endOutage(ident.WithTenant(ctx, of.tenant), of.service, first[of], now); err != nil {
			return next, err
		}
	}
	return next, nil
}

func (r *Room) endOutage(ctx context.Context, slug, episode string, now time.Time) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		tenant := ident.TenantOf(ctx)
		n, err := db.NewSelect().Model((*outageRow)(nil)).
			Where("tenant_id = ? AND service = ? AND NOT over AND at > ?", tenant, slug, now.Add(-crowdOver)).Count(ctx)
		if err != nil || n > 0 {
			return err // one more came meanwhile
		}
		if _, err := db.NewUpdate().Model((*outageRow)(nil)).Set("over = ?", true).Where("tenant_id = ? AND service = ? AND NOT over", tenant, slug).Exec(ctx); err != nil {
			return fmt.Errorf("intake: outage: %w", err)
		}
		l, name := r.o.Locale(ctx), slug
		if svc, err := r.o.Services.Get(ctx, slug); err == nil {
			name = svc.Name
		} else if fault.KindOf(err) != fault.NotFound {
			return err
		}
		_, err = r.o.Signals.Record(ctx, signal.Signal{
			Source: signal.Citizen, Key: "citizen:" + slug, Episode: episode, State: signal.Resolved, Service: slug, Severity: signal.Info,
			Title: l.Catalog.Text(l.Lang, "intake.outage_over", name),
		})
		return err
	})
}

// reporters knows who has reported lately, without keeping who they are: an
// address is known by a hash whose key lives in memory for a day at most.
type reporters struct {
	mu    sync.Mutex
	key   [32]byte
	until time.Time
	seen  map[[16]byte]time.Time
}

// maxReporters bounds what is remembered; beyond it everybody counts as new.
const maxReporters = 50_000

// fresh reports whether this is the sender's first report about a thing for a
// while, and by what it knows them. IPv6 counts by its network.
func (s *reporters) fresh(now time.Time, about, from string) (id [16]byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.until) || len(s.seen) > maxReporters {
		_, _ = rand.Read(s.key[:]) // never fails
		s.until, s.seen = now.Add(24*time.Hour), map[[16]byte]time.Time{}
	}
	if a, err := netip.ParseAddr(from); err == nil && a.Unmap().Is6() {
		if p, err := a.Prefix(64); err == nil {
			from = p.String()
		}
	}
	h := sha256.New()
	h.Write(s.key[:])
	fmt.Fprintf(h, "%s\x00%s", about, from)
	id = [16]byte(h.Sum(nil)[:16])
	if at, ok := s.seen[id]; ok && now.Sub(at) < sameSender {
		return id, false
	}
	s.seen[id] = now
	return id, true
}

// forget takes back that somebody has reported.
func (s *reporters) forget(id [16]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, id)
}
