package roster

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
)

// Command does what the person in ctx wrote, and says what came of it. prefix is how
// the command is called where they sit. What cannot be done is said, too: the fault is
// never one of theirs.
func (r *Room) Command(ctx context.Context, c Command, prefix string) (Said, error) {
	now := r.o.Clock.Now()
	people, err := r.crew(ctx)
	if err != nil {
		return Said{}, err
	}
	me, err := r.personByID(ctx, ident.ActorOf(ctx).Person)
	if err != nil {
		return Said{}, err
	}
	if me.Email == "" || me.Blocked {
		return Said{}, errNotYours
	}
	l, town, err := r.locale(ctx, me.Language, now)
	if err != nil {
		return Said{}, err
	}
	t := teller{l, prefix}
	var out Said
	switch c.Verb {
	case VerbDuty:
		var all []Duty
		if all, err = r.Duties(ctx); err == nil {
			out = t.duties(all)
			out.Link, out.Label = town.StaffURL+"/roster", t.say("link")
		}
	case VerbWeek:
		// Everybody in the room reads it: in the town's language.
		if t.Locale, _, err = r.locale(ctx, "", now); err == nil {
			out, err = r.sayWeek(ctx, t, c.Arg, me.Email, town.StaffURL)
		}
	case VerbMe:
		out = t.plain("known", me.Name, t.prefix)
	case VerbSwap:
		out, err = r.saySwap(ctx, t, c, me.Email, people)
	case VerbOpen:
		out, err = r.sayOpen(ctx, t, me.Email, people)
	case VerbYes, VerbNo, VerbBack:
		out, err = r.sayAnswer(ctx, t, c, me.Email, people)
	default:
		out = t.help(c.Verb == VerbUnknown)
	}
	if err != nil {
		return t.sorry(err)
	}
	return out, nil
}

// sorry words what is no fault of the machine.
func (t teller) sorry(err error) (Said, error) {
	f := fault.As(err)
	if f.Kind == fault.Internal || f.Kind == fault.Unavailable || f.Key == "" {
		return Said{}, err
	}
	key := f.Key
	for _, k := range f.Fields {
		key = k // what is wrong, rather than that something is
	}
	return Said{Lines: []string{t.Catalog.Text(t.Lang, key, f.Args...), t.say("unchanged")}}, nil
}

// weekDays is how many days "woche" shows.
const weekDays = 7

// sayWeek shows the roster that somebody named, or else the one of theirs.
func (r *Room) sayWeek(ctx context.Context, t teller, name, me, staff string) (Said, error) {
	all, err := r.List(ctx)
	if err != nil {
		return Said{}, err
	}
	if len(all) == 0 {
		return t.plain("no_roster"), nil
	}
	var meant []Roster
	for _, ro := range all {
		switch {
		case name == "" && belongs(ro, me), name != "" && strings.Contains(folded(ro.Name), folded(name)):
			meant = append(meant, ro)
		}
	}
	if name == "" && len(meant) == 0 {
		meant = all
	}
	for _, ro := range all {
		if name != "" && (ro.Slug == strings.ToLower(name) || folded(ro.Name) == folded(name)) {
			meant = []Roster{ro}
		}
	}
	if len(meant) != 1 {
		names := each(all, func(ro Roster) string { return ro.Name })
		out := t.plain("which_roster", t.prefix)
		out.Lines = append(out.Lines, names...)
		return out, nil
	}
	ro := meant[0]
	rules, err := r.rules(ctx, "")
	if err != nil {
		return Said{}, err
	}
	first := DateIn(r.o.Clock.Now(), rules.Zone)
	_, shifts, err := r.Show(ctx, ro.Slug, first, first.Add(weekDays))
	if err != nil {
		return Said{}, err
	}
	out := t.week(ro, shifts, At(first, 0, rules.Zone), At(first.Add(weekDays), 0, rules.Zone))
	out.Link, out.Label = staff+"/roster/"+ro.Slug, ro.Name
	return out, nil
}

// offer is a shift that may be given or taken.
type offer struct {
	Roster Roster
	Shift  Shift
}

// maxOffers is how many shifts are listed in a messenger.
const maxOffers = 15

// offers are somebody's next shifts in the rosters in which both belong; with an
// empty other, in all of theirs.
func (r *Room) offers(ctx context.Context, of, other string) ([]offer, error) {
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	now := r.o.Clock.Now()
	var out []offer
	for _, ro := range all {
		if !belongs(ro, of) || other != "" && !belongs(ro, other) {
			continue
		}
		v, err := r.look(ctx, ro, now, now.Add(swapAhead))
		if err != nil {
			return nil, err
		}
		for _, s := range v.shifts {
			// What reaches behind the look is cut there, and no shift.
			if s.Person == of && s.From.After(now) && s.To.Before(v.to) {
				out = append(out, offer{ro, s})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b offer) int {
		return cmp.Or(a.Shift.From.Compare(b.Shift.From), strings.Compare(a.Roster.Slug, b.Roster.Slug), cmp.Compare(a.Shift.Line, b.Shift.Line))
	})
	return out[:min(len(out), maxOffers)], nil
}

// pick finds the one that is meant by its number or by the day on which it begins
// ("4.1."). Two on one day are told apart by number alone.
func pick(all []offer, word string, zone *time.Location) (offer, bool) {
	word = strings.Trim(word, "#,:")
	var found []offer
	for _, o := range all {
		if o.number() == word {
			found = append(found, o)
			continue
		}
		d := DateIn(o.Shift.From, zone)
		short := strconv.Itoa(d.Day) + "." + strconv.Itoa(int(d.Month)) + "."
		if strings.TrimSuffix(word, ".") == strings.TrimSuffix(short, ".") || word == d.String() {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		return offer{}, false
	}
	return found[0], true
}

// number names a shift in a messenger. It follows from the shift alone: once it has
// begun or somebody else holds it, its number means no other one.
func (o offer) number() string { return saidNumber("shift", o.Roster.Slug+"/"+o.Shift.key()) }

// list numbers shifts for picking.
func (t teller) list(all []offer) []string {
	out := make([]string, len(all))
	for i, o := range all {
		out[i] = o.number() + ": " + t.stretch(o.Shift.From, o.Shift.To) + " · " + o.Roster.Name
	}
	return out
}

// saySwap leads to a request step by step, and makes it when all is said.
func (r *Room) saySwap(ctx context.Context, t teller, c Command, me string, people crew) (Said, error) {
	mine, err := r.offers(ctx, me, "")
	if err != nil {
		return Said{}, err
	}
	if len(mine) == 0 {
		return t.plain("no_shifts"), nil
	}
	if c.Arg == "" {
		return Said{Title: t.say("your_shifts"), Lines: append(t.list(mine), "", t.say("swap_how", t.prefix, mine[0].number()))}, nil
	}
	give, ok := pick(mine, c.Arg, t.Zone)
	if !ok {
		return Said{Title: t.say("which_shift"), Lines: append(t.list(mine), "", t.say("swap_how", t.prefix, mine[0].number()))}, nil
	}
	var could, meant []string
	for _, mail := range give.Roster.Plan.people() {
		if _, fit := people.fit(mail); !fit || mail == me {
			continue
		}
		could = append(could, mail)
		if called(c.Who, people.name(mail), mail) {
			meant = append(meant, mail)
		}
	}
	if len(could) == 0 {
		return t.plain("nobody_else", give.Roster.Name), nil
	}
	if len(meant) != 1 {
		names := each(could, people.name)
		return Said{Title: t.say("which_colleague"), Lines: append(names, "", t.say("swap_who", t.prefix, c.Arg, names[0]))}, nil
	}
	other, take := meant[0], ""
	if c.Return {
		theirs, err := r.offers(ctx, other, me)
		if err != nil {
			return Said{}, err
		}
		theirs = slices.DeleteFunc(theirs, func(o offer) bool { return o.Roster.Slug != give.Roster.Slug })
		if len(theirs) == 0 {
			return t.plain("no_return", people.name(other)), nil
		}
		want, ok := pick(theirs, c.Take, t.Zone)
		if !ok {
			return Said{Title: t.say("their_shifts", people.name(other)), Lines: append(t.list(theirs), "", t.say("swap_return", t.prefix, c.Arg, c.Who, theirs[0].number()))}, nil
		}
		take = want.Shift.key()
	}
	s, err := r.askOnce(ctx, give, take, other, me)
	if err != nil {
		return Said{}, err
	}
	return Said{Lines: append(t.request(give.Roster, s, people), "", t.say("asked", people.name(other)), t.say("asked_back", t.prefix, swapNumber(s.ID)))}, nil
}

// askOnce asks, unless the very same is asked already: a command that comes twice
// asks once.
func (r *Room) askOnce(ctx context.Context, give offer, take, other, me string) (Swap, error) {
	all, err := r.openSwaps(ctx, give.Roster.Slug)
	if err != nil {
		return Swap{}, err
	}
	for _, s := range all {
		if s.Asker != me || s.Other != other || s.Give != (Piece{give.Shift.Line, give.Shift.From, give.Shift.To}) {
			continue
		}
		line, at, _ := parseKey(take)
		if (take == "" && !s.Mutual()) || take != "" && s.Take == (Piece{line, at.From, at.To}) {
			return s, nil
		}
	}
	return r.AskSwap(ctx, give.Roster.Slug, give.Shift.key(), take, other, "")
}

// request says what a request is about.
func (t teller) request(ro Roster, s Swap, people crew) []string {
	out := []string{t.say("gives", people.name(s.Asker), people.name(s.Other), t.stretch(s.Give.From, s.Give.To), ro.Name)}
	if s.Mutual() {
		return append(out, t.say("takes", people.name(s.Other), people.name(s.Asker), t.stretch(s.Take.From, s.Take.To)))
	}
	return append(out, t.say("for_nothing"))
}

// waiting is a request that can still be answered.
type waiting struct {
	Roster Roster
	Swap   Swap
}

// waitingFor are the requests to somebody, and those that they asked.
func (r *Room) waitingFor(ctx context.Context, me string) (asked, asking []waiting, err error) {
	all, err := r.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	now := r.o.Clock.Now()
	for _, ro := range all {
		if !belongs(ro, me) {
			continue
		}
		swaps, err := r.openSwaps(ctx, ro.Slug)
		if err != nil {
			return nil, nil, err
		}
		for _, s := range swaps {
			switch {
			case s.Over(now):
			case s.Other == me:
				asked = append(asked, waiting{ro, s})
			case s.Asker == me:
				asking = append(asking, waiting{ro, s})
			}
		}
	}
	return asked, asking, nil
}

func (r *Room) sayOpen(ctx context.Context, t teller, me string, people crew) (Said, error) {
	asked, asking, err := r.waitingFor(ctx, me)
	if err != nil {
		return Said{}, err
	}
	if len(asked)+len(asking) == 0 {
		return t.plain("nothing_open"), nil
	}
	out := Said{Title: t.say("open")}
	for _, w := range asked {
		out.Lines = append(out.Lines, t.request(w.Roster, w.Swap, people)...)
		out.Lines = append(out.Lines, t.say("answer_with", t.prefix, swapNumber(w.Swap.ID)), "")
	}
	for _, w := range asking {
		out.Lines = append(out.Lines, t.request(w.Roster, w.Swap, people)...)
		out.Lines = append(out.Lines, t.say("asked_back", t.prefix, swapNumber(w.Swap.ID)), "")
	}
	out.Lines = out.Lines[:len(out.Lines)-1]
	return out, nil
}

// sayAnswer answers the one request that has the number. Nothing is taken for it that
// was not named: without a number nothing happens.
func (r *Room) sayAnswer(ctx context.Context, t teller, c Command, me string, people crew) (Said, error) {
	asked, asking, err := r.waitingFor(ctx, me)
	if err != nil {
		return Said{}, err
	}
	among, state, done := asked, Accepted, "accepted"
	switch c.Verb {
	case VerbNo:
		state, done = Declined, "declined"
	case VerbBack:
		among, state, done = asking, Withdrawn, "withdrawn"
	}
	among = slices.DeleteFunc(among, func(w waiting) bool { return swapNumber(w.Swap.ID) != c.Arg })
	if len(among) != 1 {
		out, err := r.sayOpen(ctx, t, me, people)
		if err != nil {
			return Said{}, err
		}
		key := "no_such_number"
		if c.Arg == "" {
			key = "which_number"
		}
		out.Lines = append([]string{t.say(key), ""}, out.Lines...)
		return out, nil
	}
	w := among[0]
	if err := r.AnswerSwap(ctx, w.Roster.Slug, w.Swap.ID, state); err != nil {
		return Said{}, err
	}
	return Said{Lines: append(t.request(w.Roster, w.Swap, people), "", t.say(done, people.name(w.Swap.Asker)))}, nil
}
