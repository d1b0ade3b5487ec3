package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Vantages knows the remote vantage points; a later room is one.
type Vantages interface {
	// Sondes lists the names that a monitor may be looked at from.
	Sondes(ctx context.Context) ([]string, error)
	// Sightings is what the named sondes hold the monitor to be. One that never
	// looked at it may be missing.
	Sightings(ctx context.Context, slug string, sondes []string) ([]Sighting, error)
}

// SetVantages connects the remote vantage points; without, this machine's
// verdict stands alone.
func (r *Room) SetVantages(v Vantages) { r.vantages = v }

// watched tells whether more than this machine decides about the monitor; an
// episode that several opened is also closed by their rule.
func (m Monitor) watched() bool { return len(m.Spec.Vantage.Sondes) > 0 || m.Standing.Open }

// Held is the state that the monitor is held to be in, all vantage points
// together.
func (m Monitor) Held() State {
	switch {
	case m.watched() && m.Standing.State != "":
		return m.Standing.State
	case m.Status.State == "":
		return Unknown
	}
	return m.Status.State
}

// episode is the open episode as its signals name it.
func (m Monitor) episode() (string, bool) {
	if m.watched() {
		return m.Standing.Episode, m.Standing.Open
	}
	return strconv.FormatInt(m.Status.Episode, 10), m.Status.Open
}

// sondeList writes names so that one of them is found by LIKE.
func sondeList(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "," + strings.Join(names, ",") + ","
}

// knownSondes refuses sondes that do not exist; tuermer.yaml may name one that
// is still to be added.
func (r *Room) knownSondes(ctx context.Context, v Vantage) error {
	if len(v.Sondes) == 0 || r.vantages == nil {
		return nil
	}
	known, err := r.vantages.Sondes(ctx)
	if err != nil {
		return err
	}
	for i, n := range v.Sondes {
		if !slices.Contains(known, n) {
			return fault.New(fault.Invalid, "monitor.invalid").Field(fmt.Sprintf("vantage.sondes[%d]", i), ProblemSonde)
		}
	}
	return nil
}

// Sightings is what every vantage point of m holds it to be, this machine first.
// A sonde that has not looked yet is there without a state.
func (r *Room) Sightings(ctx context.Context, m Monitor) ([]Sighting, error) {
	here := Sighting{State: m.Status.State, Since: m.Status.Since, Last: m.Status.Last, At: m.Status.Last.At}
	if m.Status.State == Down {
		here.Since = m.Status.FailingSince
	}
	out := []Sighting{here}
	if r.vantages == nil || len(m.Spec.Vantage.Sondes) == 0 {
		return out, nil
	}
	seen, err := r.vantages.Sightings(ctx, m.Slug, m.Spec.Vantage.Sondes)
	if err != nil {
		return nil, fmt.Errorf("monitor: sightings: %w", err)
	}
	for _, n := range m.Spec.Vantage.Sondes {
		v := Sighting{Sonde: n}
		if i := slices.IndexFunc(seen, func(x Sighting) bool { return x.Sonde == n }); i >= 0 {
			v = seen[i]
		}
		out = append(out, v)
	}
	return out, nil
}

// Weigh asks all vantage points of a monitor what they see, and raises or ends
// its signal accordingly. It joins the caller's transaction.
func (r *Room) Weigh(ctx context.Context, slug string) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		tenant, err := ident.RequireTenant(ctx)
		if err != nil {
			return err
		}
		// Two nodes that hear of one monitor take turns.
		res, err := db.NewUpdate().Model((*entryRow)(nil)).Set("weigh_at = NULL").Where("tenant_id = ? AND slug = ?", tenant, slug).Exec(ctx)
		if err != nil {
			return fmt.Errorf("monitor: weigh: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // removed meanwhile
		}
		var row entryRow
		if err := db.NewSelect().Model(&row).Where("tenant_id = ? AND slug = ?", tenant, slug).Scan(ctx); err != nil {
			return fmt.Errorf("monitor: weigh: %w", err)
		}
		m := r.monitor(row)
		if !m.watched() || m.Paused {
			return nil
		}
		// What is stored and not what the engine has come to since: its next
		// change will be weighed when it is stored, too.
		if stored := (Status{}); json.Unmarshal([]byte(row.Status), &stored) == nil {
			m.Status = stored
		}
		return r.weigh(ctx, db, m)
	})
}

func (r *Room) weigh(ctx context.Context, db bun.IDB, m Monitor) error {
	seen, err := r.Sightings(ctx, m)
	if err != nil {
		return err
	}
	was := m.Standing
	if was.State == "" && m.Status.alarmed() {
		// This machine alone has told of it before others were asked.
		was.Open, was.Episode, was.FailingSince, was.State, was.Since = true, strconv.FormatInt(m.Status.Episode, 10), m.Status.FailingSince, Down, m.Status.Since
	}
	st, tr := was.Weigh(m.effective(), seen, r.o.Clock.Now())
	m.Standing = st
	raw, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("monitor: weigh: %w", err)
	}
	tenant := ident.TenantOf(ctx)
	q := db.NewUpdate().Model((*entryRow)(nil)).Set("standing = ?", string(raw)).Set("state = ?", m.Held()).
		Where("tenant_id = ? AND slug = ?", tenant, m.Slug)
	if !st.NextAt.IsZero() {
		q = q.Set("weigh_at = ?", st.NextAt)
	}
	if _, err := q.Exec(ctx); err != nil {
		return fmt.Errorf("monitor: weigh: %w", err)
	}
	r.o.Store.AfterCommit(ctx, r.weigher.Kick)
	if st.State != was.State || st.Failing != was.Failing || st.Fresh != was.Fresh {
		r.o.Store.AfterCommit(ctx, func() { r.hint(tenant, m.Slug) })
	}
	if tr == None {
		return nil
	}
	return r.raiseAgreed(ctx, m, seen, tr)
}

// weighed hands a change of this machine's own verdict to the others' rule. It
// answers false for a monitor that this machine alone decides about.
func (r *Room) weighed(ctx context.Context, slug string) (bool, error) {
	m, err := r.Get(ctx, slug)
	if err != nil || !m.watched() {
		return false, err
	}
	return true, r.Weigh(ctx, slug)
}

// reweigh is for a monitor whose spec was just stored in this transaction.
func (r *Room) reweigh(ctx context.Context, m Monitor) error {
	if !m.watched() {
		return nil
	}
	return r.Weigh(ctx, m.Slug)
}

// weighDue weighs what is due although nobody said anything: a verdict has
// grown old, or what too few see has lasted.
func (r *Room) weighDue(ctx context.Context, now time.Time) (time.Time, error) {
	ctx = ident.WithActor(ctx, ident.System)
	var rows []entryRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Column("tenant_id", "slug", "weigh_at").
		Where("weigh_at IS NOT NULL").Order("weigh_at").Limit(500).Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, fmt.Errorf("monitor: weigh: %w", err)
	}
	for _, row := range rows {
		if row.WeighAt.After(now) {
			return row.WeighAt, nil
		}
		if err := r.Weigh(ident.WithTenant(ctx, row.TenantID), row.Slug); err != nil {
			return time.Time{}, err
		}
	}
	if len(rows) > 0 {
		return now, nil // there may be more
	}
	return time.Time{}, nil
}

// raiseAgreed turns a transition of all vantage points into a signal.
func (r *Room) raiseAgreed(ctx context.Context, m Monitor, seen []Sighting, tr Transition) error {
	name, err := r.publicName(ctx, m)
	if err != nil {
		return err
	}
	l := r.o.Locale(ctx)
	now := r.o.Clock.Now()
	st := m.Standing
	s := signal.Signal{
		Source: signal.Monitor, Key: signalKey(m.Slug), Episode: st.Episode, Service: m.Service,
		Severity: signal.Critical, State: signal.Firing, Since: st.FailingSince, At: now,
		Title: l.Catalog.Text(l.Lang, "monitor.signal_down", name),
	}
	switch {
	case tr == CameUp:
		s.State, s.Since = signal.Resolved, now
		s.Title = l.Catalog.Text(l.Lang, "monitor.signal_up", name)
	case st.Few:
		s.Severity = signal.Warning
		s.Title = l.Catalog.Text(l.Lang, "monitor.signal_few", name, st.Failing, st.Fresh)
	}
	s.Detail = Voices(l, m, seen, now)
	_, err = r.o.Signals.Record(ctx, s)
	return err
}

// publicName is the service's name, else the monitor's own.
func (r *Room) publicName(ctx context.Context, m Monitor) (string, error) {
	s, err := r.o.Services.Get(ctx, m.Service)
	switch {
	case err == nil:
		return s.Name, nil
	case m.Service != "" && fault.KindOf(err) != fault.NotFound:
		return "", err
	}
	return m.Title(), nil
}

// Voices says in the reader's words who sees what: the reason of the failure,
// then the vantage points by what they say.
func Voices(l i18n.Locale, m Monitor, seen []Sighting, now time.Time) string {
	var says []string
	var bad, good, mute []string
	for _, v := range seen {
		name := v.Sonde
		if name == "" {
			name = l.Catalog.Text(l.Lang, "monitor.here")
		}
		_, ok := v.Counts(m.Spec, now)
		switch {
		case !ok:
			mute = append(mute, name)
		case v.Failing():
			if len(bad) == 0 {
				says = append(says, Explain(l, m.Spec, v.Last))
			}
			bad = append(bad, name)
		default:
			good = append(good, name)
		}
	}
	for _, p := range []struct {
		key   string
		names []string
	}{{"monitor.voices_bad", bad}, {"monitor.voices_good", good}, {"monitor.voices_mute", mute}} {
		if len(p.names) > 0 {
			says = append(says, l.Catalog.Text(l.Lang, p.key, strings.Join(p.names, ", ")))
		}
	}
	return strings.Join(says, " ")
}

// FewReason is why a failure has not alarmed yet: "nur von 1 von 3 Standorten
// aus gestört".
func (st Standing) FewReason(l i18n.Locale) string {
	return l.Catalog.Text(l.Lang, "monitor.few", st.Failing, st.Fresh)
}

// Disputed lists the monitors whose failure is seen by fewer vantage points than
// must agree, told or not, for the Lagebild (I20).
func (r *Room) Disputed(ctx context.Context) ([]Monitor, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []entryRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND paused = ? AND sondes <> '' AND state IN (?, ?)", tenant, false, Suspect, Down).Order("slug").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("monitor: disputed: %w", err)
	}
	var out []Monitor
	for _, row := range rows {
		if m := r.monitor(row); m.Standing.Disputed() {
			out = append(out, m)
		}
	}
	return out, nil
}

// SeenBy lists the monitors that a sonde looks at, by slug. Where nobody said
// that sondes get credentials, a monitor that needs some is left out.
func (r *Room) SeenBy(ctx context.Context, sonde string) ([]Monitor, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []entryRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND paused = ? AND sondes LIKE ? ESCAPE '!'", tenant, false, "%,"+likeEscape.Replace(sonde)+",%").
		Order("slug").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("monitor: of a sonde: %w", err)
	}
	var out []Monitor
	for _, row := range rows {
		m := r.monitor(row)
		if m.unknown() || m.Spec.Secrets() && !m.Spec.Vantage.Credentials {
			continue
		}
		out = append(out, m)
	}
	return out, nil
}

// ForSonde is the part of the spec that a sonde needs to look: neither who else
// looks nor what stands before it nor when maintenance is, which is judged here.
func (s Spec) ForSonde() Spec {
	s.Vantage, s.Maintenance, s.MaintenanceRules, s.Parents, s.By, s.Within = Vantage{}, nil, nil, nil, "", nil
	return s
}

// Glance looks at a monitor at once, because another vantage point is in doubt.
func (r *Room) Glance(ctx context.Context, slug string) {
	r.engine.ProbeNow(engineID(ident.TenantOf(ctx), slug))
}

// PlainDetail makes a detail that came from elsewhere safe to store and show.
func PlainDetail(s string) string { return plain(s) }

// DoubtSince is since when some vantage point sees a failure that is not told
// yet; zero: nobody does. The others should look now.
func (m Monitor) DoubtSince() time.Time {
	if m.Standing.Open {
		return time.Time{}
	}
	var at time.Time
	if s := m.Status.State; (s == Suspect || s == Down) && !m.Status.FailingSince.IsZero() {
		at = m.Status.FailingSince
	}
	if few := m.Standing.FewSince; !few.IsZero() && few.After(at) {
		at = few
	}
	return at
}
