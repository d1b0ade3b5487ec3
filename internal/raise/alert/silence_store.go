package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

type silenceRow struct {
	bun.BaseModel `bun:"table:alert_silence"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            SilenceID    `bun:"id,pk"`
	Service       string       `bun:"service"`
	Source        string       `bun:"source"`
	Monitor       string       `bun:"monitor"`
	Labels        string       `bun:"labels"`
	StartsAt      time.Time    `bun:"starts_at"`
	EndsAt        time.Time    `bun:"ends_at"`
	Begun         bool         `bun:"begun"`
	Reason        string       `bun:"reason"`
	CreatedAt     time.Time    `bun:"created_at"`
	CreatedBy     string       `bun:"created_by"`
	CreatedName   string       `bun:"created_name"`
	EndedAt       time.Time    `bun:"ended_at,nullzero"`
	EndedName     string       `bun:"ended_name"`
}

// silence reads a row. Labels that cannot be read match nothing (I20).
func (r silenceRow) silence() Silence {
	s := Silence{
		ID: r.ID, Match: Match{Service: r.Service, Source: r.Source, Monitor: r.Monitor}, From: clock.Cut(r.StartsAt), Until: clock.Cut(r.EndsAt),
		Reason: r.Reason, CreatedAt: clock.Cut(r.CreatedAt), CreatedBy: r.CreatedBy, CreatedName: r.CreatedName,
		EndedAt: when(r.EndedAt), EndedName: r.EndedName,
	}
	if err := json.Unmarshal([]byte(r.Labels), &s.Match.Labels); err != nil {
		s.Match = Match{}
	}
	return s
}

func silenceRowOf(tenant ident.Tenant, s Silence) (silenceRow, error) {
	labels, err := json.Marshal(s.Match.Labels)
	if err != nil {
		return silenceRow{}, fmt.Errorf("alert: silence: %w", err)
	}
	return silenceRow{
		TenantID: tenant, ID: s.ID, Service: s.Match.Service, Source: s.Match.Source, Monitor: s.Match.Monitor, Labels: string(labels),
		StartsAt: clock.Cut(s.From), EndsAt: clock.Cut(s.Until), Reason: s.Reason, CreatedAt: s.CreatedAt, CreatedBy: s.CreatedBy, CreatedName: s.CreatedName,
		EndedAt: s.EndedAt, EndedName: s.EndedName,
	}, nil
}

func silences(rows []silenceRow) []Silence {
	out := make([]Silence, len(rows))
	for i, row := range rows {
		out[i] = row.silence()
	}
	return out
}

// silences are those of the tenant that hold now.
func (t turn) silences(ctx context.Context) ([]Silence, error) {
	var rows []silenceRow
	err := t.db.NewSelect().Model(&rows).
		Where("tenant_id = ? AND starts_at <= ? AND ends_at > ? AND ended_at IS NULL", t.tenant, t.now, t.now).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: silences: %w", err)
	}
	return silences(rows), nil
}

// Silence keeps a silence and holds back at once what it covers, when it has begun.
func (r *Room) Silence(ctx context.Context, s Silence) (Silence, error) {
	actor := ident.ActorOf(ctx)
	if !actor.Has(mayAct...) {
		return s, ErrForbidden
	}
	s = newSilence(s, r.o.Clock.Now(), actor)
	if err := s.check(s.CreatedAt); err != nil {
		return s, err
	}
	err := r.inTurn(ctx, func(ctx context.Context, t turn) error {
		row, err := silenceRowOf(t.tenant, s)
		if err != nil {
			return err
		}
		row.Begun = !s.From.After(t.now)
		if _, err := t.db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("alert: silence: %w", err)
		}
		if row.Begun {
			if err := r.silenceNow(ctx, t); err != nil {
				return err
			}
		}
		r.changed(ctx, "")
		return r.auditSilence(ctx, "alert.silenced", s)
	})
	return s, err
}

// Unsilence lifts a silence: what it held back and still fires alarms now.
func (r *Room) Unsilence(ctx context.Context, id SilenceID) (Silence, error) {
	actor := ident.ActorOf(ctx)
	if !actor.Has(mayAct...) {
		return Silence{}, ErrForbidden
	}
	var s Silence
	err := r.inTurn(ctx, func(ctx context.Context, t turn) error {
		row := silenceRow{TenantID: t.tenant, ID: id}
		err := t.db.NewSelect().Model(&row).WherePK().Scan(ctx)
		if store.NotFound(err) {
			return ErrNoSilence
		}
		if err != nil {
			return fmt.Errorf("alert: silence: %w", err)
		}
		if s = row.silence(); !s.ended().After(t.now) {
			return ErrSilenceOver
		}
		s.EndedAt, s.EndedName = t.now, actor.Name
		_, err = t.db.NewUpdate().Model(&silenceRow{TenantID: t.tenant, ID: id, Begun: true, EndedAt: s.EndedAt, EndedName: s.EndedName}).
			Column("begun", "ended_at", "ended_name").WherePK().Exec(ctx)
		if err != nil {
			return fmt.Errorf("alert: silence: %w", err)
		}
		if err := r.letGo(ctx, t, string(id)); err != nil {
			return err
		}
		r.changed(ctx, "")
		return r.auditSilence(ctx, "alert.unsilenced", s)
	})
	return s, err
}

func (r *Room) auditSilence(ctx context.Context, action string, s Silence) error {
	e := audit.Entry{Action: action, Subject: string(s.ID), Detail: map[string]string{
		"reason": s.Reason, "from": s.From.Format(time.RFC3339), "until": s.Until.Format(time.RFC3339),
	}}
	for k, v := range map[string]string{"service": s.Match.Service, "source": s.Match.Source, "monitor": s.Match.Monitor} {
		if v != "" {
			e.Detail[k] = v
		}
	}
	for _, l := range s.Match.Labels {
		e.Detail["label "+l.Name] = l.Value
	}
	return r.o.Audit.Record(ctx, e)
}

// SilenceFilter chooses from the silences.
type SilenceFilter struct {
	Current bool // leave out what is over
	After   SilenceID
	Limit   int // 0 means 100, at most 1000
}

// Silences lists silences, newest first.
func (r *Room) Silences(ctx context.Context, f SilenceFilter) ([]Silence, error) {
	var rows []silenceRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).OrderExpr("id DESC")
	if f.Current {
		q = q.Where("ends_at > ? AND ended_at IS NULL", r.o.Clock.Now())
	}
	if f.After != "" {
		q = q.Where("id < ?", f.After)
	}
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 100
	}
	if err := q.Limit(int64(f.Limit)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("alert: silences: %w", err)
	}
	return silences(rows), nil
}

// SilenceByID reads one silence.
func (r *Room) SilenceByID(ctx context.Context, id SilenceID) (Silence, error) {
	row := silenceRow{TenantID: ident.TenantOf(ctx), ID: id}
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).WherePK().Scan(ctx)
	if store.NotFound(err) {
		return Silence{}, ErrNoSilence
	}
	if err != nil {
		return Silence{}, fmt.Errorf("alert: silence: %w", err)
	}
	return row.silence(), nil
}

// silenceNow puts the silences that hold now over what fires: an alert that
// nobody has taken is silent when they cover everything in it.
func (r *Room) silenceNow(ctx context.Context, t turn) error {
	var open []alertRow
	if err := t.db.NewSelect().Model(&open).Where("tenant_id = ? AND state = ?", t.tenant, StateOpen).OrderExpr("id").Scan(ctx); err != nil {
		return fmt.Errorf("alert: silence: %w", err)
	}
	g := r.grounds(t)
	for _, row := range open {
		// Read anew: what happened to the one before may have changed it.
		a, err := t.full(ctx, row.ID)
		if err != nil {
			return err
		}
		if err := r.holdMore(ctx, t, &a, g); err != nil {
			return err
		}
		if err := t.update(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// sweepSilences puts over what fires the silences that begin, and says when the
// next one does.
func (r *Room) sweepSilences(ctx context.Context, now time.Time) (time.Time, error) {
	all := ident.AcrossTenants(ctx)
	var due []silenceRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&due).Where("NOT begun AND starts_at <= ?", now).OrderExpr("starts_at").Limit(500).Scan(all)
	if err != nil {
		return time.Time{}, fmt.Errorf("alert: silences: %w", err)
	}
	for _, row := range due {
		ctx := ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System)
		err := r.inTurn(ctx, func(ctx context.Context, t turn) error {
			_, err := t.db.NewUpdate().Model(&silenceRow{TenantID: t.tenant, ID: row.ID, Begun: true}).Column("begun").WherePK().Exec(ctx)
			if err != nil {
				return fmt.Errorf("alert: silence: %w", err)
			}
			r.changed(ctx, "")
			return r.silenceNow(ctx, t)
		})
		if err != nil {
			return time.Time{}, err
		}
	}
	var next silenceRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&next).Where("NOT begun").OrderExpr("starts_at").Limit(1).Scan(all)
	if err != nil && !store.NotFound(err) {
		return time.Time{}, fmt.Errorf("alert: silences: %w", err)
	}
	return when(next.StartsAt), nil
}

// asSignal is a source of an alert as the signal that it came from.
func (x Source) asSignal(service string) signal.Signal {
	return signal.Signal{
		ID: x.SignalID, Source: x.Path, Key: x.Key, State: x.State, Service: service, Severity: x.Severity,
		Title: x.Title, Detail: x.Detail, Since: x.Since, At: x.At, Labels: x.Labels,
	}
}
