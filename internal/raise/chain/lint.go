package chain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// Flaw names what is wrong with a chain; its sentence has the key
// "chain.flaw_" + flaw.
type Flaw string

// The flaws.
const (
	NoServices    Flaw = "no_services"    // is for nothing
	TwoChains     Flaw = "two_chains"     // a service of it has an earlier one
	Unreachable   Flaw = "unreachable"    // nobody on the step can be reached
	Ownerless     Flaw = "ownerless"      // the step wakes owners, and services have none
	NameInVain    Flaw = "in_vain"        // a name on the step leads to nobody
	LonelyRole    Flaw = "lonely_role"    // a role with one person
	RingsTooLong  Flaw = "rings_too_long" // the next step begins before the last way is tried
	Loop          Flaw = "loop"           // wakes only who was woken before, in the same way
	OwnLate       Flaw = "own_late"       // somebody's own order tries what is independent too late
	RosterGap     Flaw = "roster_gap"     // nobody on duty within the next days
	NoIndependent Flaw = "no_independent" // all ways fall with the town's own systems
)

// Finding is one thing that would go wrong at night.
type Finding struct {
	Flaw Flaw
	Step int   // counted from 1; 0: the chain as a whole
	Args []any // of the sentence
	// Serious: an alarm may reach nobody.
	Serious bool
}

// Text is the finding in words.
func (f Finding) Text(l i18n.Locale) string {
	args := make([]any, len(f.Args))
	for i, a := range f.Args {
		switch a := a.(type) {
		case Who:
			args[i] = WhoWord(l, a)
		case Miss:
			args[i] = l.Catalog.Text(l.Lang, "chain.miss_"+string(a))
		case time.Duration:
			args[i] = l.Span(a)
		case time.Time:
			args[i] = l.Short(a)
		default:
			args[i] = fmt.Sprint(a)
		}
	}
	text := l.Catalog.Text(l.Lang, "chain.flaw_"+string(f.Flaw), args...)
	if f.Step > 0 {
		text = l.Catalog.Text(l.Lang, "chain.step_n", f.Step) + ": " + text
	}
	return text
}

// LookAhead is how far the linter looks for gaps in duty rosters.
const LookAhead = 14 * 24 * time.Hour

// voiceRings is how long a call rings before it counts as not taken.
const voiceRings = 45 * time.Second

// Lint finds what would go wrong if an alarm came now, or in the next days.
func (r *Room) Lint(ctx context.Context, c Chain) ([]Finding, error) {
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	return r.lint(ctx, c, all)
}

func (r *Room) lint(ctx context.Context, c Chain, all []Chain) (out []Finding, err error) {
	now := r.o.Clock.Now()
	if len(c.Services) == 0 && !c.Default {
		out = append(out, Finding{Flaw: NoServices, Serious: true})
	}
	for _, s := range c.Services {
		if first, ok := right(all, s); ok && first.Slug != c.Slug && slices.Contains(first.Services, s) && !c.Resting {
			out = append(out, Finding{Flaw: TwoChains, Args: []any{s, first.Name}})
		}
	}
	service, ownerless, err := r.example(ctx, c, all)
	if err != nil {
		return nil, err
	}
	rungs, err := r.Ladder(ctx, c, service, now)
	if err != nil {
		return nil, err
	}
	falls := map[channel.Kind]bool{}
	if r.o.Falls != nil {
		if falls, err = r.o.Falls(ctx); err != nil {
			return nil, err
		}
	}
	independent := false
	for i, rung := range rungs {
		step := c.Steps[i]
		if !slices.ContainsFunc(rung.People, Called.Reachable) {
			// Others are woken in their place, or the next step at once; only where no
			// step reaches anybody does an alarm go nowhere.
			out = append(out, Finding{Flaw: Unreachable, Step: i + 1, Serious: !reaches(rungs)})
		}
		if len(ownerless) > 0 && slices.Contains(step.Notify, Owner) {
			out = append(out, Finding{Flaw: Ownerless, Step: i + 1, Args: []any{strings.Join(ownerless, ", ")}})
		}
		for _, m := range rung.Missed {
			out = append(out, Finding{Flaw: NameInVain, Step: i + 1, Args: []any{m.Who, m.Reason}})
		}
		for _, p := range rung.People {
			independent = independent || apart(p, falls)
			if f, ok := ownLate(c, i, p); ok {
				out = append(out, f)
			}
		}
		lonely, err := r.lonely(ctx, i, step)
		if err != nil {
			return nil, err
		}
		out = append(out, lonely...)
		if f, ok := rings(c, i, rung.People); ok {
			out = append(out, f)
		}
		for j := range i {
			if slices.Equal(sorted(c.Steps[j].Notify), sorted(step.Notify)) && slices.Equal(c.Steps[j].By, step.By) {
				out = append(out, Finding{Flaw: Loop, Step: i + 1, Args: []any{j + 1}})
				break
			}
		}
		gaps, err := r.gaps(ctx, i, step, now)
		if err != nil {
			return nil, err
		}
		out = append(out, gaps...)
	}
	if !independent && len(c.Steps) > 0 {
		out = append(out, Finding{Flaw: NoIndependent, Serious: true})
	}
	return out, nil
}

// reaches tells whether any step reaches anybody.
func reaches(rungs []Rung) bool {
	return slices.ContainsFunc(rungs, func(g Rung) bool { return slices.ContainsFunc(g.People, Called.Reachable) })
}

// example is the service by which a chain is judged: the first that it is for and
// that has an owner, or else the first. ownerless are the names of those without.
func (r *Room) example(ctx context.Context, c Chain, all []Chain) (slug string, ownerless []string, err error) {
	services, err := r.o.Services.List(ctx)
	if err != nil {
		return "", nil, err
	}
	first, owned := "", ""
	for _, s := range services {
		if !slices.Contains(c.Services, s.Slug) {
			if chain, ok := right(all, s.Slug); !c.Default || ok && chain.Slug != c.Slug {
				continue
			}
		}
		first = cmp.Or(first, s.Slug)
		if s.Owner == "" {
			ownerless = append(ownerless, s.Name)
		} else {
			owned = cmp.Or(owned, s.Slug)
		}
	}
	if len(c.Services) > 0 {
		first = c.Services[0]
	}
	return cmp.Or(owned, first), ownerless, nil
}

// apart tells whether the person can be reached by something that does not fall
// together with the town's own systems: neither what receives nor all that carries.
func apart(c Called, falls map[channel.Kind]bool) bool {
	return slices.ContainsFunc(c.Contacts, func(x Contact) bool { return Apart(c.Person, x) && !falls[x.Way.Kind()] })
}

// Apart tells whether one way to the person leads past the town's own systems: an
// address elsewhere of which nothing bad is known, or a telephone.
func Apart(p identity.Person, x Contact) bool {
	switch {
	case x.Lacking != "" || x.Way == Mail || x.Way == Chat:
		return false
	case x.Way == Alternative:
		return !slices.ContainsFunc(p.Findings, func(f identity.Finding) bool {
			return f.Cause == identity.CauseSameDomain || f.Cause == identity.CauseSharedMX || f.Cause == identity.CauseSharedHost || f.Cause == identity.CauseSharedZone
		})
	default:
		return true
	}
}

// lonely finds roles that hang on one person.
func (r *Room) lonely(ctx context.Context, i int, s Step) (out []Finding, err error) {
	for _, w := range s.Notify {
		kind, name := w.Split()
		if kind != RoleKind {
			continue
		}
		people, err := r.o.People.People(ctx, identity.Filter{Role: identity.Role(name), Active: true})
		if err != nil {
			return nil, err
		}
		if len(people) == 1 {
			out = append(out, Finding{Flaw: LonelyRole, Step: i + 1, Args: []any{w, people[0].Name}})
		}
	}
	return out, nil
}

// rings tells whether a step takes longer to try its ways than it waits: those that it
// names, or else those of whoever on it takes longest.
func rings(c Chain, i int, people []Called) (Finding, bool) {
	s := c.Steps[i]
	longest := tries(c, len(s.By), slices.Contains(s.By, Voice))
	if len(s.By) == 0 {
		for _, p := range people {
			if _, said := ownLate(c, i, p); !said {
				longest = max(longest, tries(c, turns(p.Contacts), leads(p.Contacts, Voice)))
			}
		}
	}
	if longest < s.WaitFor() {
		return Finding{}, false
	}
	return Finding{Flaw: RingsTooLong, Step: i + 1, Args: []any{longest, s.WaitFor()}}, true
}

// tries is how long it takes until the last of so many ways has had its time.
func tries(c Chain, ways int, calls bool) time.Duration {
	needs := time.Duration(max(ways-1, 0)) * c.ReceiptFor()
	if calls {
		needs += voiceRings
	}
	return needs
}

// turns is how many tries the ways to somebody are: mail addresses next to each other
// are one where nobody chose an order.
func turns(contacts []Contact) (n int) {
	mails := false
	for _, c := range contacts {
		if c.Lacking != "" {
			continue
		}
		mail := c.Kind == channel.Mail
		if !mail || !mails || c.Order != UsualOrder {
			n++
		}
		mails = mail
	}
	return n
}

func leads(contacts []Contact, w Way) bool {
	return slices.ContainsFunc(contacts, func(c Contact) bool { return c.Way == w && c.Lacking == "" })
}

// ownLate tells whether the next step begins before somebody's own order tries the
// first way that does not fall together with the town's own systems.
func ownLate(c Chain, i int, p Called) (Finding, bool) {
	first := slices.IndexFunc(p.Contacts, func(x Contact) bool { return Apart(p.Person, x) })
	if first < 0 || p.Contacts[first].Order != OwnOrder {
		return Finding{}, false
	}
	needs := time.Duration(first) * c.ReceiptFor()
	if needs < c.Steps[i].WaitFor() {
		return Finding{}, false
	}
	return Finding{Flaw: OwnLate, Step: i + 1, Args: []any{p.Person.Name, needs, c.Steps[i].WaitFor()}}, true
}

// gaps looks for the first hole in each duty roster of the step.
func (r *Room) gaps(ctx context.Context, i int, s Step, now time.Time) (out []Finding, err error) {
	if r.o.Gaps == nil {
		return nil, nil
	}
	for _, w := range s.Notify {
		kind, name := w.Split()
		if kind != RosterKind {
			continue
		}
		from, until, ok, err := r.o.Gaps(ctx, name, now, now.Add(LookAhead))
		if err != nil {
			r.o.Log.WarnContext(ctx, "a duty roster cannot be asked for its gaps", "roster", name, "err", err)
			continue
		}
		if ok {
			out = append(out, Finding{Flaw: RosterGap, Step: i + 1, Args: []any{name, clock.Cut(from), clock.Cut(until)}})
		}
	}
	return out, nil
}

func sorted(in []Who) []Who {
	out := slices.Clone(in)
	slices.Sort(out)
	return out
}

// WhoWord is a name as people read it.
func WhoWord(l i18n.Locale, w Who) string {
	kind, name := w.Split()
	switch kind {
	case RoleKind:
		return l.Catalog.Text(l.Lang, "chain.who_role", l.Catalog.Text(l.Lang, "identity.role_"+name))
	case RosterKind:
		return l.Catalog.Text(l.Lang, "chain.who_roster", name)
	case PersonKind:
		return name
	default:
		return l.Catalog.Text(l.Lang, "chain.who_"+strings.ToLower(kind))
	}
}
