package roster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

type calloutRow struct {
	bun.BaseModel `bun:"table:roster_callout"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Roster        string       `bun:"roster"`
	Person        string       `bun:"person"`
	Alert         string       `bun:"alert"`
	Title         string       `bun:"title"`
	BeginAt       time.Time    `bun:"begin_at"`
	EndAt         time.Time    `bun:"end_at,nullzero"`
	Note          string       `bun:"note"`
	Void          bool         `bun:"void"`
	ByName        string       `bun:"by_name"`
	ChangedAt     time.Time    `bun:"changed_at,nullzero"`
	ToldAt        time.Time    `bun:"told_at,nullzero"` // when the rest was warned of
}

func (row calloutRow) callout() Callout {
	c := Callout{
		ID: row.ID, Roster: row.Roster, Person: row.Person, Alert: row.Alert, Title: row.Title, Begin: clock.Cut(row.BeginAt), Note: row.Note, Void: row.Void, By: row.ByName,
	}
	if !row.EndAt.IsZero() {
		c.End = clock.Cut(row.EndAt)
	}
	if !row.ChangedAt.IsZero() {
		c.Changed = clock.Cut(row.ChangedAt)
	}
	return c
}

// Limits of a call-out.
const (
	maxCallout = 48 * time.Hour
	oldCallout = 400 * 24 * time.Hour
	maxListed  = 2000
)

// Call is an alarm that somebody took over.
type Call struct {
	Alert  string
	Title  string
	Person string // id
	At     time.Time
}

// CalledOut begins a call-out where an alarm was taken over out of the person's
// ordinary working hours. The same alarm begins one only once.
func (r *Room) CalledOut(ctx context.Context, c Call) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil || c.Person == "" {
		return err
	}
	people, err := r.crew(ctx)
	if err != nil {
		return err
	}
	var who identity.Person
	for _, p := range people {
		if string(p.ID) == c.Person {
			who = p
		}
	}
	if who.Email == "" {
		return nil
	}
	rules, err := r.rules(ctx, "")
	if err != nil {
		return err
	}
	ro, err := r.callsBy(ctx, who.Email, c.At)
	if err != nil {
		return err
	}
	if len(ro.work().Covered(c.At, c.At.Add(time.Millisecond), rules.Calendar, rules.Zone)) > 0 {
		return nil
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		n, err := db.NewSelect().Model((*calloutRow)(nil)).Where("tenant_id = ? AND alert = ? AND person = ?", tenant, c.Alert, r.sealedPerson(who.Email)).Count(ctx)
		if err != nil {
			return fmt.Errorf("roster: callout: %w", err)
		}
		if n > 0 {
			return nil
		}
		row := calloutRow{TenantID: tenant, ID: ident.NewID(r.o.Clock.Now()), Roster: ro.Slug, Person: who.Email, Alert: c.Alert, Title: clipped(c.Title), BeginAt: c.At, ByName: who.Name}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("roster: callout: %w", err)
		}
		r.changed(ctx, tenant, row.ID)
		return nil
	})
}

func clipped(s string) string { return clippedTo(s, maxNote) }

func clippedTo(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit])
}

// callsBy is the roster by which somebody is called at a moment: the one by which
// they are on duty, or else one that they belong to, or else none.
func (r *Room) callsBy(ctx context.Context, mail string, at time.Time) (Roster, error) {
	all, err := r.List(ctx)
	if err != nil {
		return Roster{}, err
	}
	var member Roster
	for _, ro := range all {
		v, err := r.look(ctx, ro, at, at.Add(time.Millisecond))
		if err != nil {
			return Roster{}, err
		}
		if slices.ContainsFunc(v.shifts, func(s Shift) bool { return s.Person == mail }) {
			return ro, nil
		}
		if member.Slug == "" && belongs(ro, mail) {
			member = ro
		}
	}
	return member, nil
}

// CallOver ends what still runs of an alarm that has ended.
func (r *Room) CallOver(ctx context.Context, alert string, at time.Time) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil || alert == "" {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		// Who took it in the moment in which it ended has worked for no time.
		_, err := db.NewUpdate().Model((*calloutRow)(nil)).Set("end_at = CASE WHEN begin_at > ? THEN begin_at ELSE ? END", at, at).
			Where("tenant_id = ? AND alert = ? AND end_at IS NULL", tenant, alert).Exec(ctx)
		if err != nil {
			return fmt.Errorf("roster: callout: %w", err)
		}
		r.changed(ctx, tenant, alert)
		return nil
	})
}

// mine are the rosters that whoever acts leads, and their own mail address. A call-out
// is theirs to see whose it is, and the lead's of its roster: nobody else's, whatever
// their role.
func (r *Room) mine(ctx context.Context) (me string, leads []string, err error) {
	if me, err = r.me(ctx); err != nil || me == "" {
		return me, nil, err
	}
	all, err := r.List(ctx)
	for _, ro := range all {
		if ro.Lead == me {
			leads = append(leads, ro.Slug)
		}
	}
	return me, leads, err
}

// Entry is a call-out with its rest.
type Entry struct {
	Callout
	Name string
	Rest Rest
	Mine bool
}

// Book is what payroll needs of a month: the call-outs that began in it, and what
// they come to for each person. What two of one person cover together counts once.
type Book struct {
	Month   Month
	Entries []Entry
	Totals  []Total
}

// Total is what a person's call-outs of a month come to.
type Total struct {
	Person  string
	Name    string
	Count   int
	Minutes int
}

// Callouts are those of a month that whoever acts may see.
func (r *Room) Callouts(ctx context.Context, m Month) (Book, error) {
	b := Book{Month: m}
	rules, err := r.rules(ctx, "")
	if err != nil {
		return b, err
	}
	me, leads, err := r.mine(ctx)
	if err != nil || me == "" {
		return b, err
	}
	people, err := r.crew(ctx)
	if err != nil {
		return b, err
	}
	span, now := m.stretch(rules.Zone), r.o.Clock.Now()
	// Days around it count for the rest.
	rows, err := r.calloutRows(ctx, r.o.Store.Read(ctx), span.From.Add(-maxCallout-24*time.Hour), span.To.Add(maxCallout), me, leads)
	if err != nil {
		return b, err
	}
	outs := stretchesOf(rows, now)
	lengths, at := map[string][]Stretch{}, map[string]int{}
	for _, row := range rows {
		c := row.callout()
		if !span.Has(c.Begin) {
			continue
		}
		e := Entry{Callout: c, Name: people.name(c.Person), Mine: c.Person == me}
		if e.Rest, err = r.restOf(ctx, c, outs[c.Person], rules, now); err != nil {
			return b, err
		}
		b.Entries = append(b.Entries, e)
		if c.Void {
			continue
		}
		if _, ok := at[c.Person]; !ok {
			at[c.Person] = len(b.Totals)
			b.Totals = append(b.Totals, Total{Person: c.Person, Name: e.Name})
		}
		b.Totals[at[c.Person]].Count++
		lengths[c.Person] = append(lengths[c.Person], c.stretch(now))
	}
	for i, t := range b.Totals {
		for _, s := range union(lengths[t.Person]) {
			b.Totals[i].Minutes += minutes(s.Length())
		}
	}
	slices.SortFunc(b.Totals, func(x, y Total) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Person, y.Person))
	})
	return b, nil
}

func stretchesOf(rows []calloutRow, now time.Time) map[string][]Stretch {
	out := map[string][]Stretch{}
	for _, row := range rows {
		if c := row.callout(); !c.Void {
			out[c.Person] = append(out[c.Person], c.stretch(now))
		}
	}
	return out
}

// sealedPerson is how somebody's address stands in the table of call-outs.
func (r *Room) sealedPerson(mail string) string {
	return r.o.Store.Sealed("roster_callout.person", mail)
}

// calloutRows are those that begin in [from, to) and are somebody's own or of the
// rosters that they lead.
func (r *Room) calloutRows(ctx context.Context, db bun.IDB, from, to time.Time, me string, leads []string) ([]calloutRow, error) {
	var rows []calloutRow
	q := db.NewSelect().Model(&rows).Where("tenant_id = ? AND begin_at >= ? AND begin_at < ?", ident.TenantOf(ctx), from, to).
		WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			if q = q.Where("person = ?", r.sealedPerson(me)); len(leads) > 0 {
				q = q.WhereOr("roster IN (?)", bun.List(leads))
			}
			return q
		})
	if err := q.Order("begin_at", "id").Limit(maxListed).Scan(ctx); err != nil {
		return nil, fmt.Errorf("roster: callouts: %w", err)
	}
	return rows, nil
}

// restOf is the rest around a call-out by the working hours of its roster.
func (r *Room) restOf(ctx context.Context, c Callout, all []Stretch, rules Rules, now time.Time) (Rest, error) {
	var ro Roster
	if c.Roster != "" {
		var err error
		if ro, err = r.Get(ctx, c.Roster); err != nil && fault.KindOf(err) != fault.NotFound {
			return Rest{}, err
		}
	}
	return ro.work().rest(c.stretch(now), all, rules), nil
}

// mayTouch finds a call-out that whoever acts may change.
func (r *Room) mayTouch(ctx context.Context, db bun.IDB, id string) (calloutRow, error) {
	var row calloutRow
	me, leads, err := r.mine(ctx)
	if err != nil {
		return row, err
	}
	err = db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Scan(ctx)
	switch {
	case store.NotFound(err):
		return row, fault.New(fault.NotFound, "roster.no_callout")
	case err != nil:
		return row, fmt.Errorf("roster: callout: %w", err)
	case me == "" || row.Person != me && !slices.Contains(leads, row.Roster):
		return calloutRow{}, errNotYourCallout
	}
	return row, nil
}

var errNotYourCallout = fault.New(fault.Forbidden, "roster.not_your_callout")

// Callout is one that whoever acts may change.
func (r *Room) Callout(ctx context.Context, id string) (Callout, error) {
	row, err := r.mayTouch(ctx, r.o.Store.Read(ctx), id)
	return row.callout(), err
}

func (c Callout) check(now time.Time) error {
	bad := fault.New(fault.Invalid, "roster.invalid_callout")
	switch {
	case c.Begin.IsZero() || c.Begin.After(now) || now.Sub(c.Begin) > oldCallout:
		return bad.Field("begin", "roster.bad_begin")
	case !c.Open() && (!c.Begin.Before(c.End) || c.End.After(now) || c.End.Sub(c.Begin) > maxCallout):
		return bad.Field("until", "roster.bad_callout_end")
	case utf8.RuneCountInString(c.Note) > maxNote:
		return bad.Field("note", "roster.long_note")
	}
	return nil
}

// AddCallout enters a call-out of one's own that no alarm of Türmer began.
func (r *Room) AddCallout(ctx context.Context, c Callout) (Callout, error) {
	me, err := r.me(ctx)
	if err != nil {
		return c, err
	}
	now := r.o.Clock.Now()
	ro, err := r.callsBy(ctx, me, later(c.Begin, now.Add(-oldCallout)))
	if err != nil {
		return c, err
	}
	if me == "" || ro.Slug == "" {
		return c, errNotYourCallout
	}
	c.Note = strings.TrimSpace(c.Note)
	if err := c.check(now); err != nil {
		return c, err
	}
	if c.Open() {
		return c, fault.New(fault.Invalid, "roster.invalid_callout").Field("until", "roster.bad_callout_end")
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return c, err
	}
	c.ID, c.Roster, c.Person, c.By = ident.NewID(now), ro.Slug, me, ident.ActorOf(ctx).Name
	row := calloutRow{TenantID: tenant, ID: c.ID, Roster: c.Roster, Person: me, BeginAt: c.Begin, EndAt: c.End, Note: c.Note, ByName: c.By}
	return c, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("roster: callout: %w", err)
		}
		r.changed(ctx, tenant, c.ID)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.callout_added", Subject: "callout:" + c.ID, Detail: calloutDetail(c)})
	})
}

func calloutDetail(c Callout) map[string]string {
	d := map[string]string{"person": c.Person, "begin": stampOf(c.Begin)}
	if !c.Open() {
		d["end"] = stampOf(c.End)
	}
	if c.Void {
		d["void"] = "yes"
	}
	return d
}

// ChangeCallout corrects one: begin, end, note, or that it was none. What stood there
// before is in the audit log.
func (r *Room) ChangeCallout(ctx context.Context, id string, want Callout) (Callout, error) {
	now := r.o.Clock.Now()
	var got Callout
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := r.mayTouch(ctx, db, id)
		if err != nil {
			return err
		}
		was := row.callout()
		want.Note = strings.TrimSpace(want.Note)
		if err := want.check(now); err != nil {
			return err
		}
		row.BeginAt, row.EndAt, row.Note, row.Void, row.ByName, row.ChangedAt = want.Begin, want.End, want.Note, want.Void, ident.ActorOf(ctx).Name, now
		if !was.Begin.Equal(want.Begin) || !was.End.Equal(want.End) {
			row.ToldAt = time.Time{} // another rest
		}
		if _, err := db.NewUpdate().Model(&row).Column("begin_at", "end_at", "note", "void", "by_name", "changed_at", "told_at").WherePK().Where("tenant_id = ?", row.TenantID).Exec(ctx); err != nil {
			return fmt.Errorf("roster: callout: %w", err)
		}
		got = row.callout()
		r.changed(ctx, row.TenantID, id)
		d := calloutDetail(got)
		d["was_begin"], d["was_end"] = stampOf(was.Begin), ""
		if !was.Open() {
			d["was_end"] = stampOf(was.End)
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.callout_changed", Subject: "callout:" + id, Detail: d})
	})
	return got, err
}

// EndCallout ends one that runs, now.
func (r *Room) EndCallout(ctx context.Context, id string) (Callout, error) {
	c, err := r.Callout(ctx, id)
	if err != nil {
		return c, err
	}
	if !c.Open() {
		return c, fault.New(fault.Conflict, "roster.callout_ended")
	}
	if c.End = r.o.Clock.Now(); c.End.Sub(c.Begin) > maxCallout {
		return c, fault.New(fault.Conflict, "roster.callout_long")
	}
	if !c.Begin.Before(c.End) {
		c.End = c.Begin.Add(time.Millisecond)
	}
	return r.ChangeCallout(ctx, id, c)
}
