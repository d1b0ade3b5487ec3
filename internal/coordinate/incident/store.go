package incident

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/audit"
)

type incidentRow struct {
	bun.BaseModel `bun:"table:incident_incident,alias:i"`
	TenantID      ident.Tenant  `bun:"tenant_id,pk"`
	ID            ID            `bun:"id,pk"`
	Title         string        `bun:"title"`
	Realm         Realm         `bun:"realm"`
	Level         Level         `bun:"level"`
	Phase         Phase         `bun:"phase"`
	Private       bool          `bun:"private"`
	MergedInto    ID            `bun:"merged_into"`
	Since         time.Time     `bun:"since"`
	FirstSignalAt time.Time     `bun:"first_signal_at,nullzero"`
	FirstPath     signal.Source `bun:"first_path"`
	OpenedAt      time.Time     `bun:"opened_at"`
	OpenedName    string        `bun:"opened_name"`
	ConfirmedAt   time.Time     `bun:"confirmed_at,nullzero"`
	RestoredAt    time.Time     `bun:"restored_at,nullzero"`
	ClosedAt      time.Time     `bun:"closed_at,nullzero"`
	PhaseAt       time.Time     `bun:"phase_at"`
	JournalSeq    int64         `bun:"journal_seq"`
	JournalHash   string        `bun:"journal_hash"`
}

func rowOf(tenant ident.Tenant, i Incident, h head) *incidentRow {
	return &incidentRow{
		TenantID: tenant, ID: i.ID, Title: i.Title, Realm: i.Realm, Level: i.Level, Phase: i.Phase, Private: i.Private,
		MergedInto: i.MergedInto, Since: i.Since, FirstSignalAt: i.FirstSignalAt, FirstPath: i.FirstPath,
		OpenedAt: i.OpenedAt, OpenedName: i.OpenedName, ConfirmedAt: i.ConfirmedAt, RestoredAt: i.RestoredAt,
		ClosedAt: i.ClosedAt, PhaseAt: i.PhaseAt, JournalSeq: h.Seq, JournalHash: h.Hash,
	}
}

func (r incidentRow) incident() Incident {
	return Incident{
		ID: r.ID, Title: r.Title, Realm: r.Realm, Level: r.Level, Phase: r.Phase, Private: r.Private, Services: []string{},
		MergedInto: r.MergedInto, Since: clock.Cut(r.Since), FirstSignalAt: when(r.FirstSignalAt), FirstPath: r.FirstPath,
		OpenedAt: clock.Cut(r.OpenedAt), OpenedName: r.OpenedName, ConfirmedAt: when(r.ConfirmedAt),
		RestoredAt: when(r.RestoredAt), ClosedAt: when(r.ClosedAt), PhaseAt: clock.Cut(r.PhaseAt),
	}
}

// when keeps "never" as the zero time.
func when(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return clock.Cut(t)
}

type serviceRow struct {
	bun.BaseModel `bun:"table:incident_service"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	IncidentID    ID           `bun:"incident_id,pk"`
	Service       string       `bun:"service,pk"`
}

type alertRow struct {
	bun.BaseModel `bun:"table:incident_alert"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	AlertID       string       `bun:"alert_id,pk"`
	IncidentID    ID           `bun:"incident_id"`
	ClosedAt      time.Time    `bun:"closed_at,nullzero"`
}

type factRow struct {
	bun.BaseModel `bun:"table:incident_fact"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	IncidentID    ID           `bun:"incident_id,pk"`
	ID            FactID       `bun:"id,pk"`
	Version       int          `bun:"version,pk"`
	Text          string       `bun:"text"`
	Certainty     Certainty    `bun:"certainty"`
	Source        string       `bun:"source"`
	EmbargoUntil  time.Time    `bun:"embargo_until,nullzero"`
	Hold          bool         `bun:"hold"`
	Withdrawn     bool         `bun:"withdrawn"`
	At            time.Time    `bun:"at"`
	ByName        string       `bun:"by_name"`
}

func (f factRow) fact() Fact {
	return Fact{
		ID: f.ID, Version: f.Version, Text: f.Text, Certainty: f.Certainty, Source: f.Source, EmbargoUntil: when(f.EmbargoUntil),
		Hold: f.Hold, Withdrawn: f.Withdrawn, At: clock.Cut(f.At), ByName: f.ByName,
	}
}

type entryRow struct {
	bun.BaseModel `bun:"table:incident_entry"`
	TenantID      ident.Tenant    `bun:"tenant_id,pk"`
	IncidentID    ID              `bun:"incident_id,pk"`
	Seq           int64           `bun:"seq,pk"`
	At            time.Time       `bun:"at"`
	ActorKind     ident.ActorKind `bun:"actor_kind"`
	ActorPerson   string          `bun:"actor_person"`
	ActorName     string          `bun:"actor_name"`
	Kind          EntryKind       `bun:"kind"`
	Text          string          `bun:"text"`
	Ref           string          `bun:"ref"`
	Hash          string          `bun:"hash"`
}

func (e entryRow) entry() Entry {
	return Entry{
		Seq: e.Seq, At: clock.Cut(e.At), Actor: ident.Actor{Kind: e.ActorKind, Person: e.ActorPerson, Name: e.ActorName},
		Kind: e.Kind, Text: e.Text, Ref: e.Ref, Hash: e.Hash,
	}
}

// tx is one transaction around one incident.
type tx struct {
	r       *Room
	db      bun.IDB
	enqueue store.Enqueue
	tenant  ident.Tenant
	now     time.Time
	inc     Incident
	head    head
	lang    i18n.Lang
}

func (r *Room) inTx(ctx context.Context, fn func(ctx context.Context, t *tx) error) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, enqueue store.Enqueue) error {
		town, err := r.o.Town.Current(ctx)
		if err != nil {
			return fmt.Errorf("incident: town: %w", err)
		}
		return fn(ctx, &tx{r: r, db: db, enqueue: enqueue, tenant: tenant, now: r.o.Clock.Now(), lang: i18n.Parse(town.Language)})
	})
}

// locked runs fn on an incident that no other transaction changes meanwhile,
// and writes it back.
func (r *Room) locked(ctx context.Context, id ID, fn func(ctx context.Context, t *tx) error) error {
	return r.inTx(ctx, func(ctx context.Context, t *tx) error {
		row := &incidentRow{TenantID: t.tenant, ID: id}
		if _, err := t.db.NewUpdate().Model(row).Set("journal_seq = journal_seq").WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("incident: lock: %w", err)
		}
		if err := t.db.NewSelect().Model(row).WherePK().Scan(ctx); err != nil {
			return orNotFound(err)
		}
		t.inc, t.head = row.incident(), head{row.JournalSeq, row.JournalHash}
		if err := fill(ctx, t.db, t.tenant, []*Incident{&t.inc}); err != nil {
			return err
		}
		if err := fn(ctx, t); err != nil {
			return err
		}
		return t.save(ctx)
	})
}

// change is locked for people who may act.
func (r *Room) change(ctx context.Context, id ID, fn func(ctx context.Context, t *tx) error) error {
	if err := allowed(ctx); err != nil {
		return err
	}
	return r.locked(ctx, id, fn)
}

func orNotFound(err error) error {
	if store.NotFound(err) {
		return ErrNotFound
	}
	return fmt.Errorf("incident: %w", err)
}

func (t *tx) insert(ctx context.Context) error {
	if _, err := t.db.NewInsert().Model(rowOf(t.tenant, t.inc, t.head)).Exec(ctx); err != nil {
		return fmt.Errorf("incident: open: %w", err)
	}
	return nil
}

// save writes the incident and its services, and hints to live pages.
func (t *tx) save(ctx context.Context) error {
	if _, err := t.db.NewUpdate().Model(rowOf(t.tenant, t.inc, t.head)).WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("incident: save: %w", err)
	}
	_, err := t.db.NewDelete().Model((*serviceRow)(nil)).
		Where("tenant_id = ? AND incident_id = ?", t.tenant, t.inc.ID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("incident: services: %w", err)
	}
	if len(t.inc.Services) > 0 {
		rows := make([]serviceRow, 0, len(t.inc.Services))
		for _, s := range t.inc.Services {
			rows = append(rows, serviceRow{TenantID: t.tenant, IncidentID: t.inc.ID, Service: s})
		}
		if _, err := t.db.NewInsert().Model(&rows).Exec(ctx); err != nil {
			return fmt.Errorf("incident: services: %w", err)
		}
	}
	if err := t.remember(ctx); err != nil {
		return err
	}
	r, tenant, id := t.r, t.tenant, t.inc.ID
	r.o.Store.AfterCommit(ctx, func() {
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "incident", ID: string(id)})
		}
	})
	return nil
}

// entry adds to the journal.
func (t *tx) entry(ctx context.Context, kind EntryKind, text, ref string) error {
	actor := ident.ActorOf(ctx)
	e := Entry{
		Seq: t.head.Seq + 1, At: t.now, Actor: ident.Actor{Kind: actor.Kind, Person: actor.Person, Name: valid(actor.Name)},
		Kind: kind, Text: text, Ref: ref,
	}
	e.Hash = e.sealed(t.tenant, t.inc.ID, t.head.Hash)
	row := &entryRow{
		TenantID: t.tenant, IncidentID: t.inc.ID, Seq: e.Seq, At: e.At, ActorKind: e.Actor.Kind, ActorPerson: e.Actor.Person,
		ActorName: e.Actor.Name, Kind: e.Kind, Text: e.Text, Ref: e.Ref, Hash: e.Hash,
	}
	if _, err := t.db.NewInsert().Model(row).Exec(ctx); err != nil {
		return fmt.Errorf("incident: journal: %w", err)
	}
	t.head = head{e.Seq, e.Hash}
	return nil
}

// say is a sentence for the journal, in the town's language.
func (t *tx) say(key string, args ...any) string {
	return t.r.texts.Text(t.lang, "incident.journal."+key, args...)
}

// word is the town's word for a phase, level or certainty.
func (t *tx) word(noun, value string) string {
	return t.r.texts.Text(t.lang, "incident."+noun+"."+value)
}

func (t *tx) audit(ctx context.Context, action string, detail ...string) error {
	e := audit.Entry{Action: action, Subject: string(t.inc.ID), Detail: map[string]string{"title": t.inc.Title}}
	for i := 0; i+1 < len(detail); i += 2 {
		e.Detail[detail[i]] = detail[i+1]
	}
	return t.r.o.Audit.Record(ctx, e)
}

// badMove says from where and to where it does not go.
func (t *tx) badMove(to Phase) error {
	e := *ErrMove
	e.Args = []any{t.word("phase", string(t.inc.Phase)), t.word("phase", string(to))}
	return &e
}

// move changes the phase; every move is checked here once more.
func (t *tx) move(ctx context.Context, to Phase, reason string) error {
	from := t.inc.Phase
	if !legal(from, to) {
		return t.badMove(to)
	}
	reopened := to == Confirmed && from != Candidate
	t.inc.Phase, t.inc.PhaseAt = to, t.now
	switch {
	case reopened:
		t.inc.RestoredAt, t.inc.ClosedAt = time.Time{}, time.Time{}
	case to == Confirmed:
		t.inc.ConfirmedAt = t.now
	case to == Restored:
		t.inc.RestoredAt = t.now
	case to == Closed, to == Dismissed, to == Merged:
		t.inc.ClosedAt = t.now
	}
	key := "phase"
	if reopened {
		key = "reopened"
	}
	said := t.say(key, t.word("phase", string(from)), t.word("phase", string(to)))
	if reason != "" {
		said += " " + t.say("reason", reason)
	}
	if err := t.entry(ctx, EntryPhase, said, string(t.inc.MergedInto)); err != nil {
		return err
	}
	// The audit log keeps the journal's end: who rewrites one must rewrite both.
	err := t.audit(ctx, "incident.phase_changed", "from", string(from), "to", string(to), "reason", reason,
		"journal", fmt.Sprintf("%d %s", t.head.Seq, t.head.Hash))
	if err != nil {
		return err
	}
	return PhaseChanged.Tell(ctx, t.enqueue, t.now, PhaseChange{t.inc.ID, from, to, t.inc.Realm, reason, t.inc.MergedInto})
}

// link makes the alert part of the incident at hand.
func (t *tx) link(ctx context.Context, a alert.Alert) error {
	err := t.r.o.Alerts.Link(ctx, a.ID, string(t.inc.ID))
	if errors.Is(err, alert.ErrLinked) && t.dismissed(ctx, a) {
		err = t.r.o.Alerts.Relink(ctx, a.ID, string(t.inc.ID))
	}
	if errors.Is(err, alert.ErrLinked) {
		e := *ErrTaken
		e.Args = []any{a.IncidentID}
		return e.With(err)
	}
	if err != nil {
		return err
	}
	row := &alertRow{TenantID: t.tenant, AlertID: string(a.ID), IncidentID: t.inc.ID, ClosedAt: a.ClosedAt}
	_, err = t.db.NewInsert().Model(row).On("CONFLICT (tenant_id, alert_id) DO UPDATE").
		Set("incident_id = EXCLUDED.incident_id, closed_at = EXCLUDED.closed_at").Exec(ctx)
	if err != nil {
		return fmt.Errorf("incident: link alert: %w", err)
	}
	t.inc.Alerts = append(t.inc.Alerts, Linked{string(a.ID), a.ClosedAt})
	said := t.say("alert", a.Title)
	if d, ok := a.DetectedAfter(); ok {
		at := i18n.Locale{Catalog: t.r.texts, Lang: t.lang, Zone: time.UTC, Now: t.now}
		said += " " + t.say("detected_after", at.Span(d))
	}
	return t.entry(ctx, EntryAlert, said, string(a.ID))
}

// dismissed reports whether the incident that holds the alert was a false alarm.
// An alert that goes on all the same was none, and may be handled after all.
func (t *tx) dismissed(ctx context.Context, a alert.Alert) bool {
	other, err := t.get(ctx, ID(a.IncidentID))
	return err == nil && other.Phase == Dismissed
}

// takeAlerts moves the alerts of another incident into the one at hand.
func (t *tx) takeAlerts(ctx context.Context, from ID) error {
	_, err := t.db.NewUpdate().Model((*alertRow)(nil)).Set("incident_id = ?", t.inc.ID).
		Where("tenant_id = ? AND incident_id = ?", t.tenant, from).Exec(ctx)
	if err != nil {
		return fmt.Errorf("incident: take alerts: %w", err)
	}
	return nil
}

func (t *tx) alertClosed(ctx context.Context, id alert.ID, at time.Time) error {
	_, err := t.db.NewUpdate().Model(&alertRow{TenantID: t.tenant, AlertID: string(id), ClosedAt: at}).
		Column("closed_at").WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("incident: alert closed: %w", err)
	}
	return nil
}

// keepFact writes a version of a fact and notes it in the journal.
func (t *tx) keepFact(ctx context.Context, f *Fact, said string) error {
	f.Text, f.Source = prose(f.Text), line(f.Source)
	f.At, f.ByName = t.now, ident.ActorOf(ctx).Name
	if !f.EmbargoUntil.IsZero() {
		f.EmbargoUntil = clock.Cut(f.EmbargoUntil)
	}
	if err := f.check(); err != nil {
		return err
	}
	row := &factRow{
		TenantID: t.tenant, IncidentID: t.inc.ID, ID: f.ID, Version: f.Version, Text: f.Text, Certainty: f.Certainty,
		Source: f.Source, EmbargoUntil: f.EmbargoUntil, Hold: f.Hold, Withdrawn: f.Withdrawn, At: f.At, ByName: f.ByName,
	}
	if _, err := t.db.NewInsert().Model(row).Exec(ctx); err != nil {
		return fmt.Errorf("incident: fact: %w", err)
	}
	text := t.say(said, t.word("certainty", string(f.Certainty)), f.Text)
	if f.Hold {
		text += " " + t.say("fact_hold")
	}
	if err := t.entry(ctx, EntryFact, text, string(f.ID)); err != nil {
		return err
	}
	return t.audit(ctx, "incident.fact_saved", "fact", string(f.ID), "version", fmt.Sprint(f.Version))
}

func (t *tx) get(ctx context.Context, id ID) (Incident, error) { return get(ctx, t.db, t.tenant, id) }

func get(ctx context.Context, db bun.IDB, tenant ident.Tenant, id ID) (Incident, error) {
	row := incidentRow{TenantID: tenant, ID: id}
	if err := db.NewSelect().Model(&row).WherePK().Scan(ctx); err != nil {
		return Incident{}, orNotFound(err)
	}
	i := row.incident()
	err := fill(ctx, db, tenant, []*Incident{&i})
	return i, err
}

// fill adds services and alerts to incidents of one tenant.
func fill(ctx context.Context, db bun.IDB, tenant ident.Tenant, all []*Incident) error {
	if len(all) == 0 {
		return nil
	}
	at := map[ID]*Incident{}
	ids := make([]ID, 0, len(all))
	for _, i := range all {
		at[i.ID], ids = i, append(ids, i.ID)
	}
	var services []serviceRow
	err := db.NewSelect().Model(&services).Where("tenant_id = ? AND incident_id IN (?)", tenant, bun.List(ids)).OrderExpr("service").Scan(ctx)
	if err != nil {
		return fmt.Errorf("incident: services: %w", err)
	}
	for _, s := range services {
		at[s.IncidentID].Services = append(at[s.IncidentID].Services, s.Service)
	}
	var alerts []alertRow
	err = db.NewSelect().Model(&alerts).Where("tenant_id = ? AND incident_id IN (?)", tenant, bun.List(ids)).OrderExpr("alert_id").Scan(ctx)
	if err != nil {
		return fmt.Errorf("incident: alerts: %w", err)
	}
	for _, a := range alerts {
		at[a.IncidentID].Alerts = append(at[a.IncidentID].Alerts, Linked{a.AlertID, when(a.ClosedAt)})
	}
	return nil
}

// handles finds the incident of an alert; empty when there is none.
func (r *Room) handles(ctx context.Context, id alert.ID) (ID, error) {
	row := alertRow{TenantID: ident.TenantOf(ctx), AlertID: string(id)}
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).WherePK().Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return "", fmt.Errorf("incident: of alert: %w", err)
	}
	return row.IncidentID, nil
}

// Get reads one incident.
func (r *Room) Get(ctx context.Context, id ID) (Incident, error) {
	return get(ctx, r.o.Store.Read(ctx), ident.TenantOf(ctx), id)
}

// Filter chooses from the incidents; its zero value is everything.
type Filter struct {
	Active  bool // before restored
	Current bool // before closed
	Ended   bool // closed, reviewed, dismissed or merged
	Phase   Phase
	Realm   Realm
	Service string
	From    time.Time // opened at or after, or not yet ended; zero: no bound
	After   ID        // the last one of the page before
	Limit   int       // 0 means 100, at most 1000
}

// List shows incidents, newest first.
func (r *Room) List(ctx context.Context, f Filter) ([]Incident, error) {
	db, tenant := r.o.Store.Read(ctx), ident.TenantOf(ctx)
	var rows []incidentRow
	q := db.NewSelect().Model(&rows).Where("i.tenant_id = ?", tenant).OrderExpr("i.id DESC")
	active := []Phase{Candidate, Confirmed, Identified, Monitoring}
	switch {
	case f.Active:
		q = q.Where("i.phase IN (?)", bun.List(active))
	case f.Current:
		q = q.Where("i.phase IN (?)", bun.List(append(active, Restored)))
	case f.Ended:
		q = q.Where("i.phase NOT IN (?)", bun.List(append(active, Restored)))
	}
	if f.Phase != "" {
		q = q.Where("i.phase = ?", f.Phase)
	}
	if f.Realm != "" {
		q = q.Where("i.realm = ?", f.Realm)
	}
	if f.Service != "" {
		q = q.Where("EXISTS (SELECT 1 FROM incident_service AS s WHERE s.tenant_id = i.tenant_id AND s.incident_id = i.id AND s.service = ?)", f.Service)
	}
	if !f.From.IsZero() {
		q = q.Where("(i.opened_at >= ? OR i.closed_at IS NULL)", clock.Cut(f.From))
	}
	if f.After != "" {
		q = q.Where("i.id < ?", f.After)
	}
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 100
	}
	if err := q.Limit(int64(f.Limit)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("incident: list: %w", err)
	}
	out := make([]Incident, len(rows))
	refs := make([]*Incident, len(rows))
	for n, row := range rows {
		out[n] = row.incident()
		refs[n] = &out[n]
	}
	return out, fill(ctx, db, tenant, refs)
}

// Journal reads the whole journal, oldest entry first.
func (r *Room) Journal(ctx context.Context, id ID) ([]Entry, error) {
	_, _, entries, err := r.journal(ctx, id)
	return entries, err
}

func (r *Room) journal(ctx context.Context, id ID) (ident.Tenant, head, []Entry, error) {
	db, tenant := r.o.Store.Read(ctx), ident.TenantOf(ctx)
	row := incidentRow{TenantID: tenant, ID: id}
	if err := db.NewSelect().Model(&row).WherePK().Scan(ctx); err != nil {
		return tenant, head{}, nil, orNotFound(err)
	}
	var rows []entryRow
	err := db.NewSelect().Model(&rows).Where("tenant_id = ? AND incident_id = ?", tenant, id).OrderExpr("seq").Scan(ctx)
	if err != nil {
		return tenant, head{}, nil, fmt.Errorf("incident: journal: %w", err)
	}
	out := make([]Entry, 0, len(rows))
	for _, e := range rows {
		out = append(out, e.entry())
	}
	return tenant, head{row.JournalSeq, row.JournalHash}, out, nil
}

// VerifyJournal checks an incident's journal (I14); the error is a [*Broken]
// when it was tampered with. An entry written while it looks is no harm: on
// such a moment it looks again.
func (r *Room) VerifyJournal(ctx context.Context, id ID) error {
	var err error
	for range 3 {
		var tenant ident.Tenant
		var end head
		var entries []Entry
		if tenant, end, entries, err = r.journal(ctx, id); err != nil {
			return err
		}
		if err = verify(tenant, id, entries, end); err == nil {
			return nil
		}
	}
	return err
}

// Facts lists the current version of every fact, surest first, oldest first
// within a certainty; withdrawn ones are left out.
func (r *Room) Facts(ctx context.Context, id ID) ([]Fact, error) {
	all, err := r.factVersions(ctx, r.o.Store.Read(ctx), ident.TenantOf(ctx), id, "")
	if err != nil {
		return nil, err
	}
	return current(all), nil
}

// current takes the newest of each fact's versions, which come oldest first, by
// certainty and without those that were withdrawn.
func current(versions []Fact) []Fact {
	newest := map[FactID]Fact{}
	var order []FactID
	for _, f := range versions {
		if _, seen := newest[f.ID]; !seen {
			order = append(order, f.ID)
		}
		newest[f.ID] = f
	}
	out := []Fact{}
	for _, c := range Certainties() {
		for _, fid := range order {
			if f := newest[fid]; f.Certainty == c && !f.Withdrawn {
				out = append(out, f)
			}
		}
	}
	return out
}

// FactHistory lists every version of one fact, oldest first.
func (r *Room) FactHistory(ctx context.Context, id ID, fact FactID) ([]Fact, error) {
	out, err := r.factVersions(ctx, r.o.Store.Read(ctx), ident.TenantOf(ctx), id, fact)
	if err == nil && len(out) == 0 {
		return nil, ErrNoFact
	}
	return out, err
}

func (r *Room) factVersions(ctx context.Context, db bun.IDB, tenant ident.Tenant, id ID, fact FactID) ([]Fact, error) {
	var rows []factRow
	q := db.NewSelect().Model(&rows).Where("tenant_id = ? AND incident_id = ?", tenant, id).OrderExpr("id, version")
	if fact != "" {
		q = q.Where("id = ?", fact)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("incident: facts: %w", err)
	}
	out := make([]Fact, 0, len(rows))
	for _, f := range rows {
		out = append(out, f.fact())
	}
	return out, nil
}
