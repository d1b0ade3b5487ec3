package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/identity"
)

type alertRow struct {
	bun.BaseModel    `bun:"table:alert_alert,alias:a"`
	TenantID         ident.Tenant    `bun:"tenant_id,pk"`
	ID               ID              `bun:"id,pk"`
	Key              string          `bun:"key"`
	Service          string          `bun:"service"`
	State            State           `bun:"state"`
	Severity         signal.Severity `bun:"severity"`
	Title            string          `bun:"title"`
	Detail           string          `bun:"detail"`
	Since            time.Time       `bun:"since"`
	FirstSignalAt    time.Time       `bun:"first_signal_at"`
	FirstPath        signal.Source   `bun:"first_path"`
	OpenedAt         time.Time       `bun:"opened_at"`
	AcknowledgedAt   time.Time       `bun:"acknowledged_at,nullzero"`
	AcknowledgedBy   string          `bun:"acknowledged_by"`
	AcknowledgedName string          `bun:"acknowledged_name"`
	ClosedAt         time.Time       `bun:"closed_at,nullzero"`
	ClosedName       string          `bun:"closed_name"`
	ClosedReason     string          `bun:"closed_reason"`
	IncidentID       string          `bun:"incident_id"`
	Woken            int             `bun:"woken"`
	RetryAt          time.Time       `bun:"retry_at,nullzero"`
	Held             Reason          `bun:"held"`
}

func rowOf(tenant ident.Tenant, a Alert) *alertRow {
	return &alertRow{
		TenantID: tenant, ID: a.ID, Key: a.Key, Service: a.Service, State: a.State, Severity: a.Severity,
		Title: a.Title, Detail: a.Detail, Since: a.Since, FirstSignalAt: a.FirstSignalAt, FirstPath: a.FirstPath,
		OpenedAt: a.OpenedAt, AcknowledgedAt: a.AcknowledgedAt, AcknowledgedBy: a.AcknowledgedBy,
		AcknowledgedName: a.AcknowledgedName, ClosedAt: a.ClosedAt, ClosedName: a.ClosedName,
		ClosedReason: a.ClosedReason, IncidentID: a.IncidentID, Woken: a.Woken, RetryAt: a.NextAt, Held: a.Held,
	}
}

func (r alertRow) alert() Alert {
	return Alert{
		ID: r.ID, Key: r.Key, Service: r.Service, State: r.State, Severity: r.Severity, Title: r.Title, Detail: r.Detail,
		Since: clock.Cut(r.Since), FirstSignalAt: clock.Cut(r.FirstSignalAt), FirstPath: r.FirstPath,
		OpenedAt: clock.Cut(r.OpenedAt), AcknowledgedAt: when(r.AcknowledgedAt), AcknowledgedBy: r.AcknowledgedBy,
		AcknowledgedName: r.AcknowledgedName, ClosedAt: when(r.ClosedAt), ClosedName: r.ClosedName,
		ClosedReason: r.ClosedReason, IncidentID: r.IncidentID, Woken: r.Woken, NextAt: when(r.RetryAt), Held: r.Held,
	}
}

// when keeps "never" as the zero time.
func when(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return clock.Cut(t)
}

type signalRow struct {
	bun.BaseModel `bun:"table:alert_signal,alias:s"`
	TenantID      ident.Tenant    `bun:"tenant_id,pk"`
	AlertID       ID              `bun:"alert_id,pk"`
	Key           string          `bun:"key,pk"`
	SignalID      signal.ID       `bun:"signal_id"`
	Path          signal.Source   `bun:"path"`
	State         signal.State    `bun:"state"`
	Severity      signal.Severity `bun:"severity"`
	Title         string          `bun:"title"`
	Detail        string          `bun:"detail"`
	Since         time.Time       `bun:"since"`
	At            time.Time       `bun:"at"`
	ResolvedAt    time.Time       `bun:"resolved_at,nullzero"`
	Labels        string          `bun:"labels"` // as JSON; empty: none
	Quiet         bool            `bun:"quiet"`
}

func (r signalRow) source() Source {
	return Source{
		Key: r.Key, SignalID: r.SignalID, Path: r.Path, State: r.State, Severity: r.Severity, Title: r.Title,
		Detail: r.Detail, Since: clock.Cut(r.Since), At: clock.Cut(r.At), ResolvedAt: when(r.ResolvedAt), Labels: labels(r.Labels),
		Quiet: r.Quiet,
	}
}

// labels reads the marks of a source. What cannot be read is not there, and no
// silence fits it.
func labels(s string) map[string]string {
	var out map[string]string
	if s == "" || json.Unmarshal([]byte(s), &out) != nil {
		return nil
	}
	return out
}

func source(s signal.Signal) Source {
	return Source{
		Key: s.Key, SignalID: s.ID, Path: s.Source, State: s.State, Severity: s.Severity, Title: s.Title,
		Detail: s.Detail, Since: s.Since, At: s.At, Labels: s.Labels,
	}
}

type sourceRow struct {
	bun.BaseModel `bun:"table:alert_source"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Key           string       `bun:"key,pk"`
	Seq           int64        `bun:"seq"`
	State         signal.State `bun:"state"`
	AlertID       ID           `bun:"alert_id"`
}

type turnRow struct {
	bun.BaseModel `bun:"table:alert_turn"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
}

type decisionRow struct {
	bun.BaseModel `bun:"table:alert_decision"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	AlertID       ID           `bun:"alert_id,pk"`
	PersonID      string       `bun:"person_id,pk"`
	Name          string       `bun:"name"`
	Woken         bool         `bun:"woken"`
	Reason        Reason       `bun:"reason"`
	At            time.Time    `bun:"at"`
}

type notifiedRow struct {
	bun.BaseModel `bun:"table:alert_notified"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	MessageID     string       `bun:"message_id,pk"`
	AlertID       ID           `bun:"alert_id"`
	PersonID      string       `bun:"person_id"`
	Name          string       `bun:"name"`
	Address       string       `bun:"address"`
	Language      string       `bun:"language"`
	Way           string       `bun:"way"`
	Kind          Kind         `bun:"kind"`
	At            time.Time    `bun:"at"`
	Receipt       string       `bun:"receipt"`
	ReceiptAt     time.Time    `bun:"receipt_at,nullzero"`
}

type withheldRow struct {
	bun.BaseModel `bun:"table:alert_withheld"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Key           string       `bun:"key"`
	Service       string       `bun:"service"`
	Title         string       `bun:"title"`
	Detail        string       `bun:"detail"`
	Reason        Reason       `bun:"reason"`
	AlertID       ID           `bun:"alert_id"`
	At            time.Time    `bun:"at"`
	EndedAt       time.Time    `bun:"ended_at,nullzero"`
}

// turn is one transaction in which this tenant's alerts change; the others
// wait. A town's alerts are few, and two halves of one storm that fold at the
// same time would open two alerts.
type turn struct {
	r       *Room
	db      bun.IDB
	enqueue store.Enqueue
	tenant  ident.Tenant
	now     time.Time
	again   bool // what is noted says again what was in vain before
}

func (r *Room) inTurn(ctx context.Context, fn func(ctx context.Context, t turn) error) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, enqueue store.Enqueue) error {
		row := &turnRow{TenantID: tenant}
		if _, err := db.NewInsert().Model(row).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
			return fmt.Errorf("alert: turn: %w", err)
		}
		if _, err := db.NewUpdate().Model(row).Set("tenant_id = tenant_id").WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("alert: turn: %w", err)
		}
		return fn(ctx, turn{r: r, db: db, enqueue: enqueue, tenant: tenant, now: r.o.Clock.Now()})
	})
}

func (t turn) source(ctx context.Context, key string) (sourceRow, error) {
	row := sourceRow{TenantID: t.tenant, Key: key}
	err := t.db.NewSelect().Model(&row).WherePK().Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return row, fmt.Errorf("alert: source: %w", err)
	}
	return row, nil
}

func (t turn) keepSource(ctx context.Context, row sourceRow) error {
	_, err := t.db.NewInsert().Model(&row).On("CONFLICT (tenant_id, key) DO UPDATE").
		Set("seq = EXCLUDED.seq, state = EXCLUDED.state, alert_id = EXCLUDED.alert_id").Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: keep source: %w", err)
	}
	return nil
}

// release lets go of the sources of an alert that was closed by hand.
func (t turn) release(ctx context.Context, id ID) error {
	_, err := t.db.NewUpdate().Model((*sourceRow)(nil)).Set("alert_id = ''").
		Where("tenant_id = ? AND alert_id = ?", t.tenant, id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: release: %w", err)
	}
	return nil
}

// open finds the alert of key that is not closed.
func (t turn) open(ctx context.Context, key string) (ID, error) {
	var row alertRow
	err := t.db.NewSelect().Model(&row).
		Where("tenant_id = ? AND key = ? AND state <> ?", t.tenant, key, StateClosed).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return "", fmt.Errorf("alert: open alert: %w", err)
	}
	return row.ID, nil
}

func (t turn) get(ctx context.Context, id ID) (Alert, error) { return get(ctx, t.db, t.tenant, id) }

func (t turn) full(ctx context.Context, id ID) (Alert, error) {
	a, err := t.get(ctx, id)
	if err != nil {
		return a, err
	}
	err = fill(ctx, t.db, t.tenant, []*Alert{&a})
	return a, err
}

func get(ctx context.Context, db bun.IDB, tenant ident.Tenant, id ID) (Alert, error) {
	row := alertRow{TenantID: tenant, ID: id}
	err := db.NewSelect().Model(&row).WherePK().Scan(ctx)
	if store.NotFound(err) {
		return Alert{}, ErrNotFound
	}
	if err != nil {
		return Alert{}, fmt.Errorf("alert: %w", err)
	}
	return row.alert(), nil
}

// fill adds the sources to alerts of one tenant.
func fill(ctx context.Context, db bun.IDB, tenant ident.Tenant, alerts []*Alert) error {
	if len(alerts) == 0 {
		return nil
	}
	at := map[ID]*Alert{}
	ids := make([]ID, 0, len(alerts))
	for _, a := range alerts {
		at[a.ID], ids = a, append(ids, a.ID)
	}
	var rows []signalRow
	err := db.NewSelect().Model(&rows).Where("tenant_id = ? AND alert_id IN (?)", tenant, bun.List(ids)).
		OrderExpr("at, signal_id").Scan(ctx)
	if err != nil {
		return fmt.Errorf("alert: sources: %w", err)
	}
	for _, row := range rows {
		at[row.AlertID].Signals = append(at[row.AlertID].Signals, row.source())
	}
	return nil
}

func (t turn) update(ctx context.Context, a Alert) error {
	_, err := t.db.NewUpdate().Model(rowOf(t.tenant, a)).WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: update: %w", err)
	}
	return nil
}

// keepSignal writes how a source stands in its alert; the moment at which it
// joined stays.
func (t turn) keepSignal(ctx context.Context, id ID, s signal.Signal) error {
	row := signalRow{
		TenantID: t.tenant, AlertID: id, Key: s.Key, SignalID: s.ID, Path: s.Source, State: s.State,
		Severity: s.Severity, Title: s.Title, Detail: s.Detail, Since: s.Since, At: s.At,
	}
	if len(s.Labels) > 0 {
		body, err := json.Marshal(s.Labels)
		if err != nil {
			return fmt.Errorf("alert: source: %w", err)
		}
		row.Labels = string(body)
	}
	_, err := t.db.NewInsert().Model(&row).On("CONFLICT (tenant_id, alert_id, key) DO UPDATE").
		Set("labels = EXCLUDED.labels, signal_id = EXCLUDED.signal_id, state = EXCLUDED.state, severity = EXCLUDED.severity").
		Set("title = EXCLUDED.title, detail = EXCLUDED.detail, since = EXCLUDED.since, resolved_at = NULL, quiet = EXCLUDED.quiet").Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: source: %w", err)
	}
	return nil
}

func (t turn) resolveSignal(ctx context.Context, id ID, s signal.Signal) error {
	_, err := t.db.NewUpdate().Model(&signalRow{TenantID: t.tenant, AlertID: id, Key: s.Key, State: signal.Resolved, ResolvedAt: s.At, Quiet: !s.QuietSince.IsZero()}).
		Column("state", "resolved_at", "quiet").WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: source: %w", err)
	}
	return nil
}

func (t turn) decide(ctx context.Context, id ID, c chosen) error {
	row := decisionRow{
		TenantID: t.tenant, AlertID: id, PersonID: string(c.person.ID), Name: c.person.Name,
		Woken: c.wake, Reason: c.reason, At: t.now,
	}
	_, err := t.db.NewInsert().Model(&row).On("CONFLICT (tenant_id, alert_id, person_id) DO UPDATE").
		Set("woken = EXCLUDED.woken, reason = EXCLUDED.reason, at = EXCLUDED.at").Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: decision: %w", err)
	}
	return nil
}

func (t turn) keepNotified(ctx context.Context, id ID, n Notified) error {
	row := notifiedRow{
		TenantID: t.tenant, MessageID: n.MessageID, AlertID: id, PersonID: n.PersonID, Name: n.Name,
		Address: n.Address, Language: n.Language, Way: n.Way, Kind: n.Kind, At: n.At,
	}
	if _, err := t.db.NewInsert().Model(&row).Exec(ctx); err != nil {
		return fmt.Errorf("alert: notified: %w", err)
	}
	return nil
}

func (t turn) receipt(ctx context.Context, message, state string, at time.Time) error {
	_, err := t.db.NewUpdate().Model(&notifiedRow{TenantID: t.tenant, MessageID: message, Receipt: state, ReceiptAt: at}).
		Column("receipt", "receipt_at").WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: receipt: %w", err)
	}
	return nil
}

// told are the people who were woken for the alert.
func (t turn) told(ctx context.Context, id ID) (map[identity.PersonID]bool, error) {
	var rows []decisionRow
	err := t.db.NewSelect().Model(&rows).Where("tenant_id = ? AND alert_id = ? AND woken", t.tenant, id).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: told: %w", err)
	}
	out := map[identity.PersonID]bool{}
	for _, d := range rows {
		out[identity.PersonID(d.PersonID)] = true
	}
	return out, nil
}

func (t turn) notified(ctx context.Context, id ID) ([]Notified, error) {
	return notified(ctx, t.db, t.tenant, id)
}

func notified(ctx context.Context, db bun.IDB, tenant ident.Tenant, id ID) ([]Notified, error) {
	var rows []notifiedRow
	err := db.NewSelect().Model(&rows).Where("tenant_id = ? AND alert_id = ?", tenant, id).
		OrderExpr("at, name").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: notified: %w", err)
	}
	slices.SortStableFunc(rows, func(a, b notifiedRow) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address))
	})
	out := make([]Notified, 0, len(rows))
	for _, n := range rows {
		out = append(out, Notified{
			MessageID: n.MessageID, PersonID: n.PersonID, Name: n.Name, Address: n.Address, Language: n.Language,
			Way: n.Way, Kind: n.Kind, At: clock.Cut(n.At), Receipt: n.Receipt, ReceiptAt: when(n.ReceiptAt),
		})
	}
	return out, nil
}

// withhold lists a firing signal for which nobody is woken.
func (t turn) withhold(ctx context.Context, s signal.Signal, why Reason, id ID, over bool) error {
	row := withheldRow{
		TenantID: t.tenant, ID: ident.NewID(t.now), Key: s.Key, Service: s.Service, Title: s.Title, Detail: s.Detail,
		Reason: why, AlertID: id, At: t.now,
	}
	if over {
		row.EndedAt = t.now
	}
	if _, err := t.db.NewInsert().Model(&row).Exec(ctx); err != nil {
		return fmt.Errorf("alert: withhold: %w", err)
	}
	t.r.o.Log.WarnContext(ctx, "alarm withheld", "tenant", t.tenant, "key", s.Key, "reason", why)
	return nil
}

// standing are the reasons that concern an alert and end with it, not with a
// signal.
var standing = []Reason{Nobody, Night, PutOffByHand, Silenced, Behind}

// endReason marks one reason of an alert as over.
func (t turn) endReason(ctx context.Context, id ID, why Reason) error {
	_, err := t.db.NewUpdate().Model((*withheldRow)(nil)).Set("ended_at = ?", t.now).
		Where("tenant_id = ? AND alert_id = ? AND ended_at IS NULL AND reason = ?", t.tenant, id, why).Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: withheld: %w", err)
	}
	return nil
}

// endWithheld marks what was withheld for a key as over; that nobody could be
// told of an alert stays until somebody is, or it closes.
func (t turn) endWithheld(ctx context.Context, key string) error {
	_, err := t.db.NewUpdate().Model((*withheldRow)(nil)).Set("ended_at = ?", t.now).
		Where("tenant_id = ? AND key = ? AND ended_at IS NULL AND reason NOT IN (?)", t.tenant, key, bun.List(standing)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: withheld: %w", err)
	}
	return nil
}

func (t turn) endNobody(ctx context.Context, id ID) error {
	_, err := t.db.NewUpdate().Model((*withheldRow)(nil)).Set("ended_at = ?", t.now).
		Where("tenant_id = ? AND alert_id = ? AND ended_at IS NULL AND reason IN (?)", t.tenant, id, bun.List(standing)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: withheld: %w", err)
	}
	return nil
}

// Get reads one alert with its sources.
func (r *Room) Get(ctx context.Context, id ID) (Alert, error) {
	db, tenant := r.o.Store.Read(ctx), ident.TenantOf(ctx)
	a, err := get(ctx, db, tenant, id)
	if err != nil {
		return a, err
	}
	err = fill(ctx, db, tenant, []*Alert{&a})
	return a, err
}

// Filter chooses from the alerts; its zero value is everything.
type Filter struct {
	// Current leaves out what is closed, Awake what is held back.
	Current  bool
	Awake    bool
	State    State
	Service  string
	Incident string
	From     time.Time // opened at or after; zero: no bound
	After    ID        // the last one of the page before
	Limit    int       // 0 means 100, at most 1000
}

// List shows alerts with their sources, newest first.
func (r *Room) List(ctx context.Context, f Filter) ([]Alert, error) {
	db, tenant := r.o.Store.Read(ctx), ident.TenantOf(ctx)
	var rows []alertRow
	q := db.NewSelect().Model(&rows).Where("tenant_id = ?", tenant).OrderExpr("id DESC")
	if f.Current {
		q = q.Where("state <> ?", StateClosed)
	}
	if f.Awake {
		q = q.Where("held = ''")
	}
	if f.State != "" {
		q = q.Where("state = ?", f.State)
	}
	if f.Service != "" {
		q = q.Where("service = ?", f.Service)
	}
	if f.Incident != "" {
		q = q.Where("incident_id = ?", f.Incident)
	}
	if !f.From.IsZero() {
		q = q.Where("opened_at >= ?", clock.Cut(f.From))
	}
	if f.After != "" {
		q = q.Where("id < ?", f.After)
	}
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 100
	}
	if err := q.Limit(int64(f.Limit)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("alert: list: %w", err)
	}
	return filled(ctx, db, tenant, rows)
}

// Notified lists the messages about an alert, oldest first.
func (r *Room) Notified(ctx context.Context, id ID) ([]Notified, error) {
	return notified(ctx, r.o.Store.Read(ctx), ident.TenantOf(ctx), id)
}

// Decisions lists everybody who was considered for an alert, the woken first.
func (r *Room) Decisions(ctx context.Context, id ID) ([]Decision, error) {
	var rows []decisionRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND alert_id = ?", ident.TenantOf(ctx), id).OrderExpr("woken DESC, name").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: decisions: %w", err)
	}
	out := make([]Decision, 0, len(rows))
	for _, d := range rows {
		out = append(out, Decision{d.PersonID, d.Name, d.Woken, d.Reason, clock.Cut(d.At)})
	}
	return out, nil
}

// Why tells why the person was or was not woken for the alert.
func (r *Room) Why(ctx context.Context, id ID, person string) (Decision, error) {
	all, err := r.Decisions(ctx, id)
	if err != nil {
		return Decision{}, err
	}
	for _, d := range all {
		if d.PersonID == person {
			return d, nil
		}
	}
	return Decision{PersonID: person, Reason: NotResponsible}, nil
}

// Withheld lists firing signals for which nobody was woken: those that are so
// still, and those that ended at or after since. Newest first.
func (r *Room) Withheld(ctx context.Context, since time.Time) ([]Withheld, error) {
	var rows []withheldRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND (ended_at IS NULL OR ended_at >= ?)", ident.TenantOf(ctx), clock.Cut(since)).
		OrderExpr("id DESC").Limit(200).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: withheld: %w", err)
	}
	out := make([]Withheld, 0, len(rows))
	for _, w := range rows {
		out = append(out, Withheld{
			ID: w.ID, Key: w.Key, Service: w.Service, Title: w.Title, Detail: w.Detail, Reason: w.Reason,
			AlertID: w.AlertID, At: clock.Cut(w.At), EndedAt: when(w.EndedAt),
		})
	}
	return out, nil
}

// clip makes a typed reason storable: valid text on one line, 500 characters.
func clip(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")), " ")
	if r := []rune(s); len(r) > 500 {
		return string(r[:500])
	}
	return s
}
