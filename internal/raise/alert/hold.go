package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// A hold keeps the alarm of one firing source back, for a named reason: somebody
// has silenced it, or it is what another alarm causes. An alert is held while all
// of its firing sources are; it is open, listed as withheld, and wakes nobody.
//
//	covered, or a cause is awake          the silence ends, or the cause is over
//	───────────────────────────► held ───────────────────────────────────────► alarms anew
//	                               │ another source of it fires, not covered ──► alarms anew
//	                               │ somebody takes it ─────────────────────────► taken
//	                               └ its last source recovers ──────────────────► closed
//
// Only what is clearly covered is held: doubt never silences (I20).
const (
	Silenced Reason = "silenced" // somebody has silenced it, until a time
	Behind   Reason = "behind"   // what it depends on has an alarm
)

type holdRow struct {
	bun.BaseModel `bun:"table:alert_hold"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	AlertID       ID           `bun:"alert_id,pk"`
	Key           string       `bun:"key,pk"`
	Reason        Reason       `bun:"reason"`
	Ref           string       `bun:"ref"`
	At            time.Time    `bun:"at"`
	DueAt         time.Time    `bun:"due_at,nullzero"`
}

// hold is why an alarm is kept back; its zero value: it is not.
type hold struct {
	Reason Reason
	Ref    string    // the silence, or the alert that is the cause
	Due    time.Time // when to look again; zero: when the cause is over
}

// grounds finds the reason to hold an alarm back. It reads what it needs once.
type grounds struct {
	r        *Room
	t        turn
	silences []Silence
	read     bool
	behind   map[string]ID // by service
}

func (r *Room) grounds(t turn) *grounds { return &grounds{r: r, t: t, behind: map[string]ID{}} }

// of tells why the alarm of a firing signal is held back now.
func (g *grounds) of(ctx context.Context, s signal.Signal) (hold, error) {
	if !g.read {
		var err error
		if g.silences, err = g.t.silences(ctx); err != nil {
			return hold{}, err
		}
		g.read = true
	}
	if x := longest(g.silences, s, g.t.now); x != nil {
		return hold{Silenced, string(x.ID), x.ended()}, nil
	}
	cause, known := g.behind[s.Service]
	if !known {
		var err error
		if cause, err = g.r.cause(ctx, g.t, s.Service); err != nil {
			return hold{}, err
		}
		g.behind[s.Service] = cause
	}
	if cause != "" {
		return hold{Reason: Behind, Ref: string(cause)}, nil
	}
	return hold{}, nil
}

func (t turn) putHold(ctx context.Context, id ID, key string, h hold) error {
	row := holdRow{TenantID: t.tenant, AlertID: id, Key: key, Reason: h.Reason, Ref: h.Ref, At: t.now, DueAt: h.Due}
	_, err := t.db.NewInsert().Model(&row).On("CONFLICT (tenant_id, alert_id, key) DO UPDATE").
		Set("reason = EXCLUDED.reason, ref = EXCLUDED.ref, due_at = EXCLUDED.due_at").Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: hold: %w", err)
	}
	return nil
}

// dropHold tells whether there was one.
func (t turn) dropHold(ctx context.Context, id ID, key string) (bool, error) {
	res, err := t.db.NewDelete().Model((*holdRow)(nil)).Where("tenant_id = ? AND alert_id = ? AND key = ?", t.tenant, id, key).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("alert: hold: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// unlist ends what was listed as withheld because it was held back.
func (t turn) unlist(ctx context.Context, id ID) error {
	for _, why := range []Reason{Silenced, Behind} {
		if err := t.endReason(ctx, id, why); err != nil {
			return err
		}
	}
	return nil
}

func (t turn) dropHolds(ctx context.Context, id ID) error {
	_, err := t.db.NewDelete().Model((*holdRow)(nil)).Where("tenant_id = ? AND alert_id = ?", t.tenant, id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: hold: %w", err)
	}
	return nil
}

func (t turn) holds(ctx context.Context, id ID) (map[string]holdRow, error) {
	return holdsOf(ctx, t.db, t.tenant, id)
}

func holdsOf(ctx context.Context, db bun.IDB, tenant ident.Tenant, id ID) (map[string]holdRow, error) {
	var rows []holdRow
	if err := db.NewSelect().Model(&rows).Where("tenant_id = ? AND alert_id = ?", tenant, id).Scan(ctx); err != nil {
		return nil, fmt.Errorf("alert: holds: %w", err)
	}
	out := map[string]holdRow{}
	for _, row := range rows {
		out[row.Key] = row
	}
	return out, nil
}

// holdSource notes that the alarm of one source is held back, or no more. free: it
// was until now.
func (t turn) holdSource(ctx context.Context, id ID, key string, h hold) (free bool, err error) {
	if h.Reason == "" {
		return t.dropHold(ctx, id, key)
	}
	return false, t.putHold(ctx, id, key, h)
}

// settle makes the alert held or awake, as its sources are. a must have its
// sources. Who has taken an alert is not disturbed, nor is anything held then.
func (r *Room) settle(ctx context.Context, t turn, a *Alert) error {
	if a.State != StateOpen {
		a.Held = ""
		return nil
	}
	held, err := t.holds(ctx, a.ID)
	if err != nil {
		return err
	}
	firing, kept, reason := 0, 0, Behind
	for _, s := range a.Signals {
		if s.State != signal.Firing {
			continue
		}
		firing++
		if h, ok := held[s.Key]; ok {
			kept++
			if h.Reason == Silenced {
				reason = Silenced
			}
		}
	}
	switch whole := firing > 0 && kept == firing; {
	case whole && a.Held != reason:
		return r.hush(ctx, t, a, reason)
	case !whole && a.Held != "" && firing > 0:
		return r.release(ctx, t, a, held)
	}
	return nil
}

// hush holds the whole alert back: nobody further is woken for it.
func (r *Room) hush(ctx context.Context, t turn, a *Alert, why Reason) error {
	was := a.Held
	a.Held, a.NextAt = why, time.Time{}
	for _, x := range []Reason{Nobody, Night, Silenced, Behind} {
		if err := t.endReason(ctx, a.ID, x); err != nil {
			return err
		}
	}
	if err := t.withhold(ctx, signal.Signal{Key: a.Key, Service: a.Service, Title: a.Title, Detail: a.Detail}, why, a.ID, false); err != nil {
		return err
	}
	if err := t.note(ctx, a.ID, Course{What: HeldBack, Word: string(why)}); err != nil {
		return err
	}
	if err := r.decideHeld(ctx, t, *a); err != nil {
		return err
	}
	if err := t.calm(ctx, a.ID); err != nil {
		return err
	}
	r.changed(ctx, a.ID)
	if was != "" || a.Woken == 0 {
		return nil // it was nobody's cause
	}
	if err := t.update(ctx, *a); err != nil {
		return err
	}
	return r.letGo(ctx, t, string(a.ID))
}

// decideHeld notes for everybody who would be woken why they are not. What was
// decided about those who were woken before stands.
func (r *Room) decideHeld(ctx context.Context, t turn, a Alert) error {
	svc, err := r.service(ctx, a.Service)
	if err != nil {
		return err
	}
	levels, err := r.levels(ctx, svc, t.now)
	if err != nil {
		return err
	}
	told, err := t.told(ctx, a.ID)
	if err != nil {
		return err
	}
	for _, c := range choose(levels) {
		if told[c.person.ID] {
			continue
		}
		if c.wake || c.reason == OthersResponsible { // nobody was told
			c.wake, c.reason = false, a.Held
		}
		if err := t.decide(ctx, a.ID, c); err != nil {
			return err
		}
	}
	return nil
}

// release alarms for what was held back and fires on, as if it had begun now.
func (r *Room) release(ctx context.Context, t turn, a *Alert, held map[string]holdRow) error {
	a.Held = ""
	if err := t.unlist(ctx, a.ID); err != nil {
		return err
	}
	if err := t.note(ctx, a.ID, Course{What: ReleasedNow}); err != nil {
		return err
	}
	var worst *Source
	for i, s := range a.Signals {
		if _, still := held[s.Key]; s.State == signal.Firing && !still && (worst == nil || s.Severity.WorseThan(worst.Severity)) {
			worst = &a.Signals[i]
		}
	}
	if worst != nil && worst.Severity != a.Severity {
		a.Severity, a.Title, a.Detail = worst.Severity, worst.Title, worst.Detail
	}
	rn, err := t.run(ctx, a.ID)
	if err != nil {
		return err
	}
	if rn != nil && rn.SnoozedUntil.After(t.now) {
		a.NextAt = rn.SnoozedUntil // somebody has put it off, and it is listed for that
		return nil
	}
	if err := r.begin(ctx, t, a); err != nil {
		return err
	}
	if err := r.grewHeld(ctx, t, a.ID); err != nil {
		return err
	}
	if err := r.audit(ctx, "alert.released", *a, "people", fmt.Sprint(a.Woken)); err != nil {
		return err
	}
	r.changed(ctx, a.ID)
	return Opened.Tell(ctx, t.enqueue, t.now, happened(*a))
}

// begin alarms for an alert, or lets a warning wait for the morning.
func (r *Room) begin(ctx context.Context, t turn, a *Alert) error {
	s := signal.Signal{Key: a.Key, Service: a.Service, Title: a.Title, Detail: a.Detail}
	until, err := r.restsUntil(ctx, t, *a)
	if err != nil {
		return err
	}
	if !until.IsZero() {
		return r.rest(ctx, t, a, s, until)
	}
	if err := r.wake(ctx, t, a, true); err != nil {
		return err
	}
	return r.unheard(ctx, t, *a)
}

// grewHeld lets a letter name what had joined the alert of a group while it was
// held back.
func (r *Room) grewHeld(ctx context.Context, t turn, id ID) error {
	g, ok, err := t.groupWhere(ctx, "alert_id = ?", id)
	if err != nil || !ok || g.More == 0 {
		return err
	}
	g.DueAt = t.now.Add(bundleAfter)
	return t.keepGroup(ctx, g)
}

// letGo looks anew at everything that is held back for ref.
func (r *Room) letGo(ctx context.Context, t turn, ref string) error {
	var ids []ID
	err := t.db.NewSelect().Model((*holdRow)(nil)).ColumnExpr("DISTINCT alert_id").Where("tenant_id = ? AND ref = ?", t.tenant, ref).
		OrderExpr("alert_id").Scan(ctx, &ids)
	if err != nil {
		return fmt.Errorf("alert: holds: %w", err)
	}
	for _, id := range ids {
		if err := r.recheck(ctx, t, id); err != nil {
			return err
		}
	}
	return nil
}

// recheck decides anew about everything of an alert that is held back.
func (r *Room) recheck(ctx context.Context, t turn, id ID) error {
	a, err := t.full(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && a.State == StateClosed {
		return t.dropHolds(ctx, id)
	}
	if err != nil {
		return err
	}
	held, err := t.holds(ctx, id)
	if err != nil {
		return err
	}
	g, was := r.grounds(t), a.Held
	var free []Source
	for _, s := range a.Signals {
		old, ok := held[s.Key]
		if !ok {
			continue
		}
		h := hold{}
		if s.State == signal.Firing {
			if h, err = g.of(ctx, s.asSignal(a.Service)); err != nil {
				return err
			}
		}
		if _, err := t.holdSource(ctx, id, s.Key, h); err != nil {
			return err
		}
		if h.Reason == "" && s.State == signal.Firing {
			free = append(free, s)
		}
		if h.Reason == Behind && h.Ref != old.Ref {
			if err := r.shadowed(ctx, t, ID(h.Ref)); err != nil {
				return err
			}
		}
	}
	if err := r.settle(ctx, t, &a); err != nil {
		return err
	}
	if was == "" && a.Held == "" {
		for _, s := range free {
			if s.Severity.WorseThan(a.Severity) {
				return r.worsen(ctx, t, a, s.asSignal(a.Service))
			}
		}
		if held, err = t.holds(ctx, id); err != nil {
			return err
		}
		if len(held) == 0 {
			if err := t.unlist(ctx, id); err != nil {
				return err
			}
		}
	}
	r.changed(ctx, id)
	return t.update(ctx, a)
}

// holdMore puts silences over the firing sources of an alert that are not held
// back yet.
func (r *Room) holdMore(ctx context.Context, t turn, a *Alert, g *grounds) error {
	held, err := t.holds(ctx, a.ID)
	if err != nil {
		return err
	}
	for _, s := range a.Signals {
		if _, ok := held[s.Key]; ok || s.State != signal.Firing {
			continue
		}
		h, err := g.of(ctx, s.asSignal(a.Service))
		if err != nil {
			return err
		}
		if h.Reason != Silenced {
			continue // who was woken although it is an effect was so on purpose
		}
		if err := t.putHold(ctx, a.ID, s.Key, h); err != nil {
			return err
		}
	}
	return r.settle(ctx, t, a)
}

// sweepHolds looks at what was held back and may be so no more, and says when the
// next is to be looked at.
func (r *Room) sweepHolds(ctx context.Context, now time.Time) (next time.Time, errs []error) {
	all := ident.AcrossTenants(ctx)
	var due []holdRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&due).ColumnExpr("DISTINCT tenant_id, alert_id").
		Where("due_at <= ?", now).OrderExpr("tenant_id, alert_id").Limit(500).Scan(all)
	if err != nil {
		return time.Time{}, []error{fmt.Errorf("alert: holds: %w", err)}
	}
	for _, row := range due {
		err := r.inTurn(ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System), func(ctx context.Context, t turn) error {
			return r.recheck(ctx, t, row.AlertID)
		})
		if err != nil {
			errs = append(errs, err)
		}
	}
	var first holdRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&first).Where("due_at IS NOT NULL").OrderExpr("due_at").Limit(1).Scan(all)
	if err != nil && !store.NotFound(err) {
		errs = append(errs, fmt.Errorf("alert: holds: %w", err))
	}
	return when(first.DueAt), errs
}

// HeldBy tells what holds an alert back: the silence that ends last, or the cause.
type HeldBy struct {
	Silence Silence // its zero value: none
	Cause   Alert   // its zero value: none
	Until   time.Time
}

// HeldBy reads what holds the alert back now.
func (r *Room) HeldBy(ctx context.Context, a Alert) (HeldBy, error) {
	var by HeldBy
	if a.Held == "" {
		return by, nil
	}
	held, err := holdsOf(ctx, r.o.Store.Read(ctx), ident.TenantOf(ctx), a.ID)
	if err != nil {
		return by, err
	}
	var last holdRow
	for _, h := range held {
		if h.Reason == a.Held && (last.Key == "" || cmp.Compare(h.DueAt.UnixMilli(), last.DueAt.UnixMilli()) > 0) {
			last = h
		}
	}
	by.Until = when(last.DueAt)
	switch last.Reason {
	case Silenced:
		by.Silence, err = r.SilenceByID(ctx, SilenceID(last.Ref))
	case Behind:
		by.Cause, err = r.Get(ctx, ID(last.Ref))
	}
	if errors.Is(err, ErrNoSilence) || errors.Is(err, ErrNotFound) {
		err = nil
	}
	by.Until = clock.Cut(by.Until)
	return by, err
}
