package roster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// SwapState is how far a swap is.
type SwapState string

// The states.
//
//	asked ──► accepted ──► undone
//	  │ └───► declined
//	  └─────► withdrawn
const (
	Asked     SwapState = "asked"
	Accepted  SwapState = "accepted"
	Declined  SwapState = "declined"
	Withdrawn SwapState = "withdrawn"
	Undone    SwapState = "undone"
)

// Piece is a stretch of duty in one line.
type Piece struct {
	Line int
	From time.Time
	To   time.Time
}

// Swap / Tausch: one person asks another to take a shift, for one of theirs or
// for none.
type Swap struct {
	ID         string
	Roster     string
	Asker      string // mail addresses
	Other      string
	Give       Piece
	Take       Piece // zero: nothing is given in return
	Note       string
	State      SwapState
	AskedAt    time.Time
	AnsweredAt time.Time
	AnsweredBy string
}

// Mutual reports whether something is given in return.
func (s Swap) Mutual() bool { return !s.Take.From.IsZero() }

// Over reports whether it is too late to answer.
func (s Swap) Over(now time.Time) bool {
	return !s.Give.From.After(now) || (s.Mutual() && !s.Take.From.After(now))
}

func (row swapRow) swap() Swap {
	s := Swap{
		ID: row.ID, Roster: row.Roster, Asker: row.Asker, Other: row.Other, Give: Piece{row.GiveLine, clock.Cut(row.GiveFrom), clock.Cut(row.GiveTo)},
		Note: row.Note, State: row.State, AskedAt: clock.Cut(row.AskedAt), AnsweredBy: row.AnsweredBy,
	}
	if !row.TakeFrom.IsZero() {
		s.Take = Piece{row.TakeLine, clock.Cut(row.TakeFrom), clock.Cut(row.TakeTo)}
	}
	if !row.AnsweredAt.IsZero() {
		s.AnsweredAt = clock.Cut(row.AnsweredAt)
	}
	return s
}

// AskSwap asks the other person, in the name of whoever acts, to take the shift
// named by give; take names one of theirs in return, or is empty.
func (r *Room) AskSwap(ctx context.Context, slug, give, take, other, note string) (Swap, error) {
	ro, err := r.Get(ctx, slug)
	if err != nil {
		return Swap{}, err
	}
	me, err := r.me(ctx)
	if err != nil {
		return Swap{}, err
	}
	if me == "" || !belongs(ro, me) {
		return Swap{}, errNotYours
	}
	bad := fault.New(fault.Invalid, "roster.invalid_swap")
	now := r.o.Clock.Now()
	s := Swap{Roster: slug, Asker: me, Other: other, Note: strings.TrimSpace(note), State: Asked, AskedAt: now, ID: ident.NewID(now)}
	if utf8.RuneCountInString(s.Note) > maxNote {
		return s, bad.Field("note", "roster.long_note")
	}
	line, at, ok := parseKey(give)
	if !ok {
		return s, bad.Field("give", "roster.no_shift")
	}
	s.Give = Piece{line, at.From, at.To}
	if take != "" {
		if line, at, ok = parseKey(take); !ok {
			return s, bad.Field("take", "roster.no_shift")
		}
		s.Take = Piece{line, at.From, at.To}
	}
	if other == me || !belongs(ro, other) {
		return s, bad.Field("other", "roster.not_in_roster")
	}
	return s, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := r.holds(ctx, ro, s); err != nil {
			return err
		}
		tenant, err := ident.RequireTenant(ctx)
		if err != nil {
			return err
		}
		row := swapRow{
			TenantID: tenant, ID: s.ID, Roster: slug, Asker: me, Other: other, GiveLine: s.Give.Line, GiveFrom: s.Give.From, GiveTo: s.Give.To,
			TakeLine: s.Take.Line, TakeFrom: s.Take.From, TakeTo: s.Take.To, Note: s.Note, State: Asked, AskedAt: now,
		}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("roster: swap: %w", err)
		}
		r.changed(ctx, tenant, slug)
		if err := r.o.Audit.Record(ctx, audit.Entry{Action: "roster.swap_asked", Subject: "roster:" + slug, Detail: map[string]string{"from": me, "to": other, "shift": stampOf(s.Give.From)}}); err != nil {
			return err
		}
		return r.tellSwap(ctx, ro, s, other, "roster.mail_swap_asked")
	})
}

// holds reports a fault unless both sides still hold what they would give, both
// can be on duty, and neither shift has begun.
func (r *Room) holds(ctx context.Context, ro Roster, s Swap) error {
	bad := fault.New(fault.Conflict, "roster.swap_stale")
	if s.Over(r.o.Clock.Now()) {
		return fault.New(fault.Conflict, "roster.begun")
	}
	check := func(p Piece, person string) error {
		v, err := r.look(ctx, ro, p.From.Add(-time.Millisecond), p.To.Add(time.Millisecond))
		if err != nil {
			return err
		}
		if _, fit := v.crew.fit(person); !fit {
			return bad
		}
		var mine []Stretch
		for _, x := range v.shifts {
			if x.Line == p.Line && x.Person == person {
				mine = append(mine, x.Stretch())
			}
		}
		if left := without([]Stretch{{p.From, p.To}}, union(mine)); len(left) > 0 {
			return bad
		}
		return nil
	}
	if err := check(s.Give, s.Asker); err != nil {
		return err
	}
	people, err := r.crew(ctx)
	if err != nil {
		return err
	}
	if _, fit := people.fit(s.Other); !fit {
		return bad
	}
	if s.Mutual() {
		return check(s.Take, s.Other)
	}
	return nil
}

// AnswerSwap accepts, declines or withdraws a swap. Only the other side accepts
// and declines, only the asker withdraws; what has been answered stays so.
func (r *Room) AnswerSwap(ctx context.Context, slug, id string, state SwapState) error {
	ro, err := r.Get(ctx, slug)
	if err != nil {
		return err
	}
	me, err := r.me(ctx)
	if err != nil {
		return err
	}
	if me == "" || !belongs(ro, me) {
		return errNotYours
	}
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		// The update claims the row first, so that of two answers one counts.
		var rows []swapRow
		_, err := db.NewUpdate().Model(&rows).Set("state = ?", state).Set("answered_at = ?", now).Set("answered_by = ?", ident.ActorOf(ctx).Name).
			Where("tenant_id = ? AND roster = ? AND id = ? AND state = ?", tenant, slug, id, Asked).Returning("*").Exec(ctx)
		if err != nil && !store.NotFound(err) {
			return fmt.Errorf("roster: swap: %w", err)
		}
		if len(rows) == 0 {
			return fault.New(fault.NotFound, "roster.no_swap")
		}
		s := rows[0].swap()
		mine, tell := s.Other, s.Asker
		if state == Withdrawn {
			mine, tell = s.Asker, s.Other
		}
		if me != mine {
			return errNotYours
		}
		if state == Accepted {
			if err := r.holds(ctx, ro, s); err != nil {
				return err
			}
			if err := r.carryOut(ctx, s); err != nil {
				return err
			}
		}
		r.changed(ctx, tenant, slug)
		if err := r.o.Audit.Record(ctx, audit.Entry{Action: "roster.swap_" + string(state), Subject: "roster:" + slug, Detail: map[string]string{"from": s.Asker, "to": s.Other}}); err != nil {
			return err
		}
		return r.tellSwap(ctx, ro, s, tell, "roster.mail_swap_"+string(state))
	})
}

func (r *Room) carryOut(ctx context.Context, s Swap) error {
	_, err := r.lay(ctx, Override{Roster: s.Roster, Line: s.Give.Line, From: s.Give.From, To: s.Give.To, Person: s.Other, Swap: s.ID})
	if err == nil && s.Mutual() {
		_, err = r.lay(ctx, Override{Roster: s.Roster, Line: s.Take.Line, From: s.Take.From, To: s.Take.To, Person: s.Asker, Swap: s.ID})
	}
	return err
}

// Swaps are the newest of a roster.
func (r *Room) Swaps(ctx context.Context, slug string, limit int) ([]Swap, error) {
	var rows []swapRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND roster = ?", ident.TenantOf(ctx), slug).Order("id DESC").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: swaps: %w", err)
	}
	out := make([]Swap, len(rows))
	for i, row := range rows {
		out[i] = row.swap()
	}
	return out, nil
}

// Requests are the open requests to somebody, and those that they asked: without those
// that can no longer come true, since the shift has begun or is somebody else's by now.
// They come back when it is undone.
func (r *Room) Requests(ctx context.Context, ro Roster, person string) (toThem, theirs []Swap, err error) {
	if person == "" {
		return nil, nil, nil
	}
	all, err := r.openSwaps(ctx, ro.Slug)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range slices.Backward(all) {
		if s.Other != person && s.Asker != person {
			continue
		}
		if err := r.holds(ctx, ro, s); fault.KindOf(err) == fault.Conflict && err != nil {
			continue
		} else if err != nil {
			return nil, nil, err
		}
		if s.Other == person {
			toThem = append(toThem, s)
		} else {
			theirs = append(theirs, s)
		}
	}
	return toThem, theirs, nil
}

// openSwaps are all of a roster that nobody has answered, oldest first.
func (r *Room) openSwaps(ctx context.Context, slug string) ([]Swap, error) {
	var rows []swapRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND roster = ? AND state = ?", ident.TenantOf(ctx), slug, Asked).Order("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: swaps: %w", err)
	}
	return each(rows, swapRow.swap), nil
}

// tellSwap writes to one side what the other did.
func (r *Room) tellSwap(ctx context.Context, ro Roster, s Swap, to, key string) error {
	people, err := r.crew(ctx)
	if err != nil {
		return err
	}
	p, ok := people[to]
	if !ok || p.Blocked {
		return nil
	}
	l, town, err := r.locale(ctx, p.Language, r.o.Clock.Now())
	if err != nil {
		return err
	}
	say := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
	from := people.name(s.Asker)
	if to == s.Asker {
		from = people.name(s.Other)
	}
	lines := []string{say(key, from), "", "- " + say("roster.swap_give", people.name(s.Asker), span(l, s.Give.From, s.Give.To))}
	if s.Mutual() {
		lines = append(lines, "- "+say("roster.swap_take", people.name(s.Other), span(l, s.Take.From, s.Take.To)))
	} else {
		lines = append(lines, "- "+say("roster.swap_nothing"))
	}
	if s.Note != "" {
		lines = append(lines, "", "„"+s.Note+"“")
	}
	lines = append(lines, "", town.StaffURL+"/roster/"+ro.Slug)
	if s.State == Asked && to == s.Other && strings.HasSuffix(key, "_asked") {
		accounts, err := r.speakersOf(ctx, string(p.ID))
		if err != nil {
			return err
		}
		if len(accounts) > 0 {
			lines = append(lines, "", say("roster.swap_by_messenger", swapNumber(s.ID)))
		}
	}
	lines = append(lines, "")
	return r.post(ctx, p, p.Email, say(key+"_subject", ro.Name, from), strings.Join(lines, "\n"), i18n.Lang(l.Lang), false)
}

// returnsFor are the other people's shifts that may be taken in return.
func (v seen) returnsFor(me string, now time.Time) []Shift {
	var out []Shift
	for _, s := range v.shifts {
		if _, fit := v.crew.fit(s.Person); fit && s.Person != me && s.From.After(now) && belongs(v.Roster, s.Person) {
			out = append(out, s)
		}
	}
	return slices.Clip(out)
}
