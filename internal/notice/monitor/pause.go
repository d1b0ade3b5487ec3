package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// MaxWindow is how long one maintenance may last; what is off for longer is
// paused or deleted.
const MaxWindow = 31 * 24 * time.Hour

const maxReason = 200 // characters of a maintenance's reason

// effective is the spec that the engine works by.
func (m Monitor) effective() Spec {
	s := m.Spec
	s.Maintenance = slices.Concat(m.Spec.Maintenance, m.Windows)
	s.MaintenanceRules = slices.Concat(m.Spec.MaintenanceRules, m.Rules)
	return s
}

// mayOperate is the right to probe, pause and announce maintenance.
func mayOperate(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has("admin", "it") {
		return fault.New(fault.Forbidden, "monitor.operate_forbidden")
	}
	return nil
}

// mayChange is the right to create, change and delete monitors.
func mayChange(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has("admin") {
		return fault.New(fault.Forbidden, "monitor.forbidden")
	}
	return nil
}

// Pause lets a monitor rest, or wakes it. An alarm that is open stays open:
// nobody has seen the service work again (I20).
func (r *Room) Pause(ctx context.Context, slug string, paused bool) error {
	if err := mayOperate(ctx); err != nil {
		return err
	}
	action := "monitor.resumed"
	if paused {
		action = "monitor.paused"
	}
	change := func(m Monitor, q *bun.UpdateQuery) (*bun.UpdateQuery, error) {
		if m.Paused == paused {
			return nil, nil
		}
		if paused {
			m.Status.Held = Held{}
		}
		// While it rests the engine does not know it; what it saw last is kept.
		status, err := json.Marshal(m.Status)
		return q.Set("paused = ?", paused).Set("status = ?", string(status)).Set("state = ?", m.Held()), err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if paused { // nobody looks any more, so nothing is withheld either
			if err := r.endHeld(ctx, db, slug); err != nil {
				return err
			}
		}
		return r.operate(ctx, slug, action, nil, change)
	})
}

// Maintain announces one maintenance: between From and To nothing alarms.
// Windows that are over are forgotten on this occasion.
func (r *Room) Maintain(ctx context.Context, slug string, w Window) error {
	if err := mayOperate(ctx); err != nil {
		return err
	}
	now := r.o.Clock.Now()
	w.From, w.To, w.Reason = stamp(w.From), stamp(w.To), strings.TrimSpace(w.Reason)
	bad := fault.New(fault.Invalid, "monitor.invalid_window")
	if w.From.IsZero() {
		bad = bad.Field("from", "monitor.window_from")
	}
	switch {
	case !w.To.After(w.From):
		bad = bad.Field("to", ProblemWindow)
	case !w.To.After(now):
		bad = bad.Field("to", "monitor.window_past")
	case w.To.Sub(w.From) > MaxWindow:
		bad = bad.Field("to", "monitor.window_long")
	}
	if w.Reason == "" || utf8.RuneCountInString(w.Reason) > maxReason {
		bad = bad.Field("reason", "monitor.window_reason")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	detail := map[string]string{"from": w.From.Format(time.RFC3339), "to": w.To.Format(time.RFC3339), "reason": w.Reason}
	return r.operate(ctx, slug, "monitor.maintenance", detail, func(m Monitor, q *bun.UpdateQuery) (*bun.UpdateQuery, error) {
		keep := slices.DeleteFunc(slices.Clone(m.Windows), func(o Window) bool { return !o.To.After(now) || o == w })
		return setWindows(q, append(keep, w))
	})
}

// EndMaintenance takes the console's window that begins at from back; what is
// still broken then is judged afresh.
func (r *Room) EndMaintenance(ctx context.Context, slug string, from time.Time) error {
	if err := mayOperate(ctx); err != nil {
		return err
	}
	detail := map[string]string{"from": from.UTC().Format(time.RFC3339)}
	return r.operate(ctx, slug, "monitor.maintenance_ended", detail, func(m Monitor, q *bun.UpdateQuery) (*bun.UpdateQuery, error) {
		keep := slices.DeleteFunc(slices.Clone(m.Windows), func(o Window) bool { return o.From.Equal(from) })
		if len(keep) == len(m.Windows) {
			return nil, fault.New(fault.NotFound, "monitor.no_window")
		}
		return setWindows(q, keep)
	})
}

func setWindows(q *bun.UpdateQuery, ws []Window) (*bun.UpdateQuery, error) {
	slices.SortFunc(ws, func(a, b Window) int { return a.From.Compare(b.From) })
	raw, err := json.Marshal(ws)
	if err != nil {
		return nil, fmt.Errorf("monitor: windows: %w", err)
	}
	return q.Set("windows = ?", string(raw)), nil
}

// operate changes what the console may change of any monitor, declared or not.
// A nil query from change means that there is nothing to do.
func (r *Room) operate(ctx context.Context, slug, action string, detail map[string]string, change func(Monitor, *bun.UpdateQuery) (*bun.UpdateQuery, error)) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		m, err := r.Get(ctx, slug)
		if err != nil {
			return err
		}
		tenant := ident.TenantOf(ctx)
		q, err := change(m, db.NewUpdate().Model((*entryRow)(nil)).
			Set("updated_at = ?", r.o.Clock.Now()).Where("tenant_id = ? AND slug = ?", tenant, slug))
		if err != nil || q == nil {
			return err
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("monitor: %s: %w", action, err)
		}
		r.changed(ctx, tenant, slug)
		if err := r.Weigh(ctx, slug); err != nil {
			return err
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: action, Subject: "monitor:" + slug, Detail: detail})
	})
}
