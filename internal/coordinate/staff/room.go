package staff

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// Incidents is what this room asks the incident room.
type Incidents interface {
	Get(ctx context.Context, id incident.ID) (incident.Incident, error)
	Record(ctx context.Context, id incident.ID, kind incident.EntryKind, text, ref string) error
}

// People are the tenant and who works for it.
type People interface {
	Current(ctx context.Context) (identity.Tenant, error)
	People(ctx context.Context, f identity.Filter) ([]identity.Person, error)
	Person(ctx context.Context, id identity.PersonID) (identity.Person, error)
}

// Plan says who is meant for which function.
type Plan interface {
	Document(ctx context.Context) (plan.Document, plan.Stand, error)
}

// Outbox takes the letter that calls the staff together.
type Outbox interface {
	Send(ctx context.Context, m channel.Message) error
}

// Audit remembers every act.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Options is what the room needs.
type Options struct {
	Store     *store.Store
	Clock     clock.Clock
	Log       *slog.Logger
	Hints     *bus.Hints // may be nil
	Catalog   *i18n.Catalog
	Audit     Audit
	Incidents Incidents
	People    People
	Plan      Plan
	Outbox    Outbox // nil: nobody is called
}

// Room keeps the boards of all tenants.
type Room struct{ o Options }

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "staff")
	return &Room{o}
}

// scope is what an API token needs.
const scope = "incidents"

var (
	actors  = []string{string(identity.RoleIT), string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin)}
	seniors = []string{string(identity.RoleApprover), string(identity.RoleAdmin)}
)

func mayAct(ctx context.Context) bool {
	a := ident.ActorOf(ctx)
	return a.Kind != ident.KindPublic && a.Has(actors...) && a.Allows(scope)
}

// Open reports whether the board of an incident may be written on.
func Open(i incident.Incident) bool { return i.Level == incident.Crisis && !i.Phase.Ended() }

// board is what an act finds: the incident, its seats and the plan.
type board struct {
	room     *Room
	db       bun.IDB
	tenant   ident.Tenant
	now      time.Time
	incident incident.Incident
	all      []Seat
	crew     plan.Crew
	locale   i18n.Locale // the town's
}

// act changes the board of an incident in one transaction. While the level is
// another one than crisis only what shut allows goes.
func (r *Room) act(ctx context.Context, in incident.ID, shut bool, fn func(ctx context.Context, b *board) error) error {
	if !mayAct(ctx) {
		return ErrForbidden
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		tenant, err := ident.RequireTenant(ctx)
		if err != nil {
			return err
		}
		b := &board{room: r, db: db, tenant: tenant, now: r.o.Clock.Now()}
		if b.incident, err = r.o.Incidents.Get(ctx, in); err != nil {
			return err
		}
		_, err = db.NewInsert().Model(&boardRow{TenantID: tenant, Incident: in, Turn: 1}).On("CONFLICT (tenant_id, incident_id) DO UPDATE").
			Set("turn = board.turn + 1").Exec(ctx)
		if err != nil {
			return fmt.Errorf("staff: board: %w", err)
		}
		if !shut && !Open(b.incident) {
			return ErrShut
		}
		if b.all, err = r.seats(ctx, db, in); err != nil {
			return err
		}
		d, _, err := r.o.Plan.Document(ctx)
		if err != nil {
			return err
		}
		b.crew = d.Board
		if b.locale, err = r.home(ctx, b.now); err != nil {
			return err
		}
		if err := fn(ctx, b); err != nil {
			return err
		}
		r.o.Store.AfterCommit(ctx, func() {
			if r.o.Hints != nil {
				r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "incident", ID: string(in)})
			}
		})
		return nil
	})
}

type boardRow struct {
	bun.BaseModel `bun:"table:staff_board,alias:board"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Incident      incident.ID  `bun:"incident_id,pk"`
	Turn          int64        `bun:"turn"`
}

// home is how the town writes.
func (r *Room) home(ctx context.Context, now time.Time) (i18n.Locale, error) {
	t, err := r.o.People.Current(ctx)
	if err != nil {
		return i18n.Locale{}, err
	}
	zone, err := clock.Zone(t.Zone)
	if err != nil {
		zone = time.UTC // it is checked where it is entered
	}
	return i18n.Locale{Catalog: r.o.Catalog, Lang: i18n.Parse(t.Language), Zone: zone, Now: now}, nil
}

func (b *board) say(key string, args ...any) string {
	return b.locale.Catalog.Text(b.locale.Lang, key, args...)
}

func (b *board) function(f plan.StaffFunction) string { return b.say("plan.function." + string(f)) }

// wrote puts an act into the incident's journal and the audit log.
func (b *board) wrote(ctx context.Context, action, ref, text string) error {
	if err := b.room.o.Incidents.Record(ctx, b.incident.ID, "staff", text, ref); err != nil {
		return err
	}
	return b.room.o.Audit.Record(ctx, audit.Entry{
		Action: action, Subject: "incident:" + string(b.incident.ID), Detail: map[string]string{"text": text},
	})
}

// who finds the person or the name that a form gave.
func (b *board) who(ctx context.Context, f plan.StaffFunction, id identity.PersonID, name, field string) (identity.PersonID, string, error) {
	name = strings.TrimSpace(name)
	if id == "" {
		switch {
		case f.Speaks():
			return "", "", ErrNoSpeaker.Field(field, "staff.no_speaker")
		case name == "" || utf8.RuneCountInString(name) > maxName:
			return "", "", ErrNobody.Field(field, "staff.nobody")
		}
		return "", name, nil
	}
	p, err := b.room.o.People.Person(ctx, id)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return "", "", err
	}
	if err != nil || p.Blocked {
		return "", "", ErrNobody.Field(field, "staff.nobody")
	}
	if f.Speaks() && !canSpeak(p) {
		return "", "", ErrNoSpeaker.Field(field, "staff.no_speaker")
	}
	return p.ID, p.Name, nil
}

// may is the door of functions that release public words.
func (b *board) may(ctx context.Context, f plan.StaffFunction) error {
	a := ident.ActorOf(ctx)
	if !mayPlace(f, identity.PersonID(a.Person), a.Has(seniors...), held(b.all)) {
		return ErrPlace
	}
	return nil
}

// Place / Besetzung asks to put somebody into a function.
type Place struct {
	Function plan.StaffFunction
	Person   identity.PersonID // empty: Name, somebody without an account here
	Name     string
	Note     string
}

// Fill puts somebody into a function and thereby relieves whoever holds it.
func (r *Room) Fill(ctx context.Context, in incident.ID, p Place) (Seat, error) {
	var out Seat
	err := r.act(ctx, in, false, func(ctx context.Context, b *board) error {
		var err error
		out, err = b.fill(ctx, p)
		return err
	})
	return out, err
}

func (b *board) fill(ctx context.Context, p Place) (Seat, error) {
	if !slices.Contains(b.crew.Functions(), p.Function) {
		return Seat{}, ErrFunction.Field("function", "staff.bad_function")
	}
	if err := b.may(ctx, p.Function); err != nil {
		return Seat{}, err
	}
	person, name, err := b.who(ctx, p.Function, p.Person, p.Name, "person")
	if err != nil {
		return Seat{}, err
	}
	before := ""
	for _, s := range held(b.all) {
		if s.Function != p.Function {
			continue
		}
		if s.Person == person && s.Name == name {
			return s, nil // they are there already
		}
		if p.Function.Many() {
			continue
		}
		if err := b.end(ctx, s); err != nil {
			return Seat{}, err
		}
		before = s.Name
	}
	s := Seat{
		ID: SeatID(ident.NewID(b.now)), Incident: b.incident.ID, Function: p.Function, Person: person, Name: name,
		Note: firstLine(p.Note), Since: b.now, ByName: ident.ActorOf(ctx).Name,
	}
	row := seatRowOf(b.tenant, s)
	if _, err := b.db.NewInsert().Model(&row).Exec(ctx); err != nil {
		return Seat{}, fmt.Errorf("staff: fill: %w", err)
	}
	text := b.say("staff.journal_filled", b.function(s.Function), s.Name)
	if before != "" {
		text = b.say("staff.journal_relieved", b.function(s.Function), s.Name, before)
	}
	return s, b.wrote(ctx, "staff.filled", string(s.ID), text)
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(s); len(r) > maxName {
		s = string(r[:maxName])
	}
	return s
}

func (b *board) end(ctx context.Context, s Seat) error {
	s.Until = b.now
	row := seatRowOf(b.tenant, s)
	if _, err := b.db.NewUpdate().Model(&row).Column("until_at").WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("staff: end: %w", err)
	}
	return nil
}

// seat finds a seat that is held.
func (b *board) seat(id SeatID) (Seat, error) {
	i := slices.IndexFunc(b.all, func(s Seat) bool { return s.ID == id })
	switch {
	case i < 0:
		return Seat{}, ErrNoSeat
	case !b.all[i].Held():
		return Seat{}, ErrLeft
	}
	return b.all[i], nil
}

// Leave ends a seat without a successor.
func (r *Room) Leave(ctx context.Context, in incident.ID, id SeatID) error {
	return r.act(ctx, in, false, func(ctx context.Context, b *board) error {
		s, err := b.seat(id)
		if err != nil {
			return err
		}
		if err := b.may(ctx, s.Function); err != nil {
			return err
		}
		if err := b.end(ctx, s); err != nil {
			return err
		}
		return b.wrote(ctx, "staff.left", string(s.ID), b.say("staff.journal_left", b.function(s.Function), s.Name))
	})
}

// PlanRelief says who takes over a seat, and when.
func (r *Room) PlanRelief(ctx context.Context, in incident.ID, id SeatID, to Relief) error {
	return r.act(ctx, in, false, func(ctx context.Context, b *board) error {
		s, err := b.seat(id)
		if err != nil {
			return err
		}
		if err := b.may(ctx, s.Function); err != nil {
			return err
		}
		if to.Person, to.Name, err = b.who(ctx, s.Function, to.Person, to.Name, "relief_person"); err != nil {
			return err
		}
		if to.At = cut(to.At); !to.At.After(b.now) {
			return fault.New(fault.Invalid, "staff.relief_past").Field("relief_at", "staff.relief_past")
		}
		s.Relief = to
		row := seatRowOf(b.tenant, s)
		if _, err := b.db.NewUpdate().Model(&row).Column("relief_person", "relief_name", "relief_at").WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("staff: relief: %w", err)
		}
		return b.wrote(ctx, "staff.relief_planned", string(s.ID), b.say("staff.journal_relief", b.function(s.Function), to.Name, b.locale.Short(to.At)))
	})
}

// Relieve lets the planned successor take over now.
func (r *Room) Relieve(ctx context.Context, in incident.ID, id SeatID) (Seat, error) {
	var out Seat
	err := r.act(ctx, in, false, func(ctx context.Context, b *board) error {
		s, err := b.seat(id)
		if err != nil {
			return err
		}
		if s.Relief.At.IsZero() {
			return ErrNobody
		}
		if s.Function.Many() { // filling such a function relieves nobody by itself
			if err := b.end(ctx, s); err != nil {
				return err
			}
		}
		out, err = b.fill(ctx, Place{Function: s.Function, Person: s.Relief.Person, Name: s.Relief.Name, Note: s.Note})
		return err
	})
	return out, err
}

// Decide writes a decision into the log.
func (r *Room) Decide(ctx context.Context, in incident.ID, d Decision) (Decision, error) {
	var out Decision
	err := r.act(ctx, in, false, func(ctx context.Context, b *board) error {
		d.CheckBy = cut(d.CheckBy)
		if err := d.check(b.now); err != nil {
			return err
		}
		last, err := b.db.NewSelect().Model((*decisionRow)(nil)).Where("tenant_id = ?", b.tenant).Where("incident_id = ?", in).Count(ctx)
		if err != nil {
			return fmt.Errorf("staff: decisions: %w", err)
		}
		a := ident.ActorOf(ctx)
		row := decisionRow{
			TenantID: b.tenant, ID: DecisionID(ident.NewID(b.now)), Incident: in, Number: int(last) + 1, Situation: strings.TrimSpace(d.Situation),
			Options: strings.TrimSpace(d.Options), Decision: strings.TrimSpace(d.Decision), At: b.now, ByName: a.Name,
			Function: b.functionOf(identity.PersonID(a.Person)), Checker: strings.TrimSpace(d.Checker), CheckBy: d.CheckBy,
		}
		if _, err := b.db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("staff: decide: %w", err)
		}
		out = row.decision()
		return b.wrote(ctx, "staff.decided", string(out.ID),
			b.say("staff.journal_decided", out.Number, out.Situation, out.Options, out.Decision, out.Checker, b.locale.Short(out.CheckBy)))
	})
	return out, err
}

// functionOf is the function that a person holds, the leading one of several.
func (b *board) functionOf(p identity.PersonID) plan.StaffFunction {
	for _, f := range b.crew.Functions() {
		for _, s := range held(b.all) {
			if p != "" && s.Person == p && s.Function == f {
				return f
			}
		}
	}
	return ""
}

// Check says what came of a decision. It goes after the crisis too, since a
// control that nobody may settle would stay due for ever.
func (r *Room) Check(ctx context.Context, in incident.ID, id DecisionID, result string) (Decision, error) {
	var out Decision
	err := r.act(ctx, in, true, func(ctx context.Context, b *board) error {
		var row decisionRow
		err := b.db.NewSelect().Model(&row).Where("tenant_id = ?", b.tenant).Where("incident_id = ?", in).Where("id = ?", id).Scan(ctx)
		if store.NotFound(err) {
			return ErrNoDecision
		}
		if err != nil {
			return fmt.Errorf("staff: decision: %w", err)
		}
		result = strings.TrimSpace(result)
		switch {
		case !row.CheckedAt.IsZero():
			return ErrChecked
		case result == "":
			return ErrNoResult.Field("result", "staff.no_result")
		case utf8.RuneCountInString(result) > maxText:
			return ErrNoResult.Field("result", "staff.too_long")
		}
		row.CheckedAt, row.CheckedName, row.Result = b.now, ident.ActorOf(ctx).Name, result
		if _, err := b.db.NewUpdate().Model(&row).Column("checked_at", "checked_name", "result").WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("staff: check: %w", err)
		}
		out = row.decision()
		return b.wrote(ctx, "staff.checked", string(out.ID), b.say("staff.journal_checked", out.Number, result))
	})
	return out, err
}

// Speakers are who releases public words about an incident: nobody outside a
// crisis, and nobody whose account was blocked or lost its roles since.
func (r *Room) Speakers(ctx context.Context, in incident.ID) ([]Speaker, error) {
	i, err := r.o.Incidents.Get(ctx, in)
	if err != nil || !Open(i) {
		return nil, err
	}
	all, err := r.Seats(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []Speaker
	for _, s := range speakers(all) {
		p, err := r.o.People.Person(ctx, s.Person)
		if err != nil && fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if canSpeak(p) {
			out = append(out, s)
		}
	}
	return out, nil
}

// Due is something of a board that waits for somebody at a time.
type Due struct {
	Incident incident.ID
	At       time.Time
	Decision Decision // zero: a relief
	Seat     Seat     // zero: a control
}

// Due lists controls and reliefs that are still to come, the next one first.
func (r *Room) Due(ctx context.Context) ([]Due, error) {
	open, err := r.Decisions(ctx, Filter{Open: true})
	if err != nil {
		return nil, err
	}
	var out []Due
	for _, d := range open {
		out = append(out, Due{Incident: d.Incident, At: d.CheckBy, Decision: d})
	}
	var rows []seatRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).
		Where("until_at IS NULL").Where("relief_at IS NOT NULL").Order("relief_at").Limit(200).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("staff: due: %w", err)
	}
	for _, row := range rows {
		i, err := r.o.Incidents.Get(ctx, row.Incident)
		if err != nil {
			return nil, err
		}
		if Open(i) { // afterwards nobody is relieved any more
			out = append(out, Due{Incident: row.Incident, At: cut(row.ReliefAt), Seat: row.seat()})
		}
	}
	slices.SortStableFunc(out, func(a, b Due) int { return a.At.Compare(b.At) })
	return out, nil
}
