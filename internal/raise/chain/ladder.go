package chain

import (
	"context"
	"slices"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// People are those whom a step wakes at a moment, each once, in the order of the
// step, and whom it names in vain. Who has no access any more is left out.
func (r *Room) People(ctx context.Context, c Chain, step int, service string, at time.Time) (people []identity.Person, missed []Missed, err error) {
	if step < 0 || step >= len(c.Steps) {
		return nil, nil, nil
	}
	seen := map[identity.PersonID]bool{}
	for _, w := range c.Steps[step].Notify {
		found, miss, err := r.who(ctx, c, w, service, at)
		if err != nil {
			return nil, nil, err
		}
		if miss != "" {
			missed = append(missed, Missed{w, miss})
		}
		for _, p := range found {
			if !seen[p.ID] {
				seen[p.ID] = true
				people = append(people, p)
			}
		}
	}
	return people, missed, nil
}

// who finds the people behind one name.
func (r *Room) who(ctx context.Context, c Chain, w Who, service string, at time.Time) ([]identity.Person, Miss, error) {
	kind, name := w.Split()
	switch {
	case w == Owner:
		return r.owner(ctx, service)
	case w == All:
		return r.everybody(ctx, c, service, at)
	case kind == PersonKind:
		return r.byAddress(ctx, name, NoPerson)
	case kind == RoleKind:
		people, err := r.o.People.People(ctx, identity.Filter{Role: identity.Role(name), Active: true})
		if err == nil && len(people) == 0 {
			return nil, NoRole, nil
		}
		return people, "", err
	case kind == RosterKind:
		people, miss := r.onDuty(ctx, name, at)
		return people, miss, nil
	default:
		return nil, NoPerson, nil
	}
}

func (r *Room) byAddress(ctx context.Context, address string, none Miss) ([]identity.Person, Miss, error) {
	p, err := r.o.People.PersonByEmail(ctx, address)
	switch {
	case err != nil && fault.KindOf(err) == fault.NotFound:
		return nil, none, nil
	case err != nil:
		return nil, "", err
	case p.Blocked:
		return nil, Blocked, nil
	}
	return []identity.Person{p}, "", nil
}

func (r *Room) owner(ctx context.Context, service string) ([]identity.Person, Miss, error) {
	if service == "" {
		return nil, NoOwner, nil
	}
	s, err := r.o.Services.Get(ctx, service)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, "", err
	}
	if err != nil || s.Owner == "" {
		return nil, NoOwner, nil
	}
	return r.byAddress(ctx, s.Owner, NoOwner)
}

// onDuty asks the roster. One that cannot be asked is a finding, and no reason
// to keep anybody else asleep.
func (r *Room) onDuty(ctx context.Context, slug string, at time.Time) ([]identity.Person, Miss) {
	if r.o.Roster == nil {
		return nil, NoRoster
	}
	people, err := r.o.Roster.OnDuty(ctx, slug, at)
	switch {
	case err != nil && fault.KindOf(err) == fault.NotFound:
		return nil, NoRoster
	case err != nil:
		r.o.Log.ErrorContext(ctx, "a duty roster cannot be asked, others are woken in its place", "roster", slug, "err", err)
		return nil, Unreadable
	}
	people = slices.DeleteFunc(slices.Clone(people), func(p identity.Person) bool { return p.Blocked })
	if len(people) == 0 {
		return nil, NobodyOn
	}
	return people, ""
}

// everybody is all who stand in the chain, have the role it or are administrators.
func (r *Room) everybody(ctx context.Context, c Chain, service string, at time.Time) (out []identity.Person, _ Miss, _ error) {
	for _, s := range c.Steps {
		for _, w := range s.Notify {
			if w == All {
				continue
			}
			people, _, err := r.who(ctx, c, w, service, at)
			if err != nil {
				return nil, "", err
			}
			out = append(out, people...)
		}
	}
	for _, role := range []identity.Role{identity.RoleIT, identity.RoleAdmin} {
		people, err := r.o.People.People(ctx, identity.Filter{Role: role, Active: true})
		if err != nil {
			return nil, "", err
		}
		out = append(out, people...)
	}
	if len(out) == 0 {
		return nil, NoPerson, nil
	}
	return out, "", nil
}

// Contacts are the ways to a person in the order in which they are tried: the
// wanted ones, else those of the person's own order, then all others. Each that
// leads nowhere says why; of those that nobody asked for only the ones that work
// are in the answer.
func (r *Room) Contacts(ctx context.Context, p identity.Person, by []Way) ([]Contact, error) {
	var out []Contact
	first, order := by, UsualOrder
	if own := r.ownOrder(ctx, p); len(own) > 0 {
		order = StepOrder
		if len(by) == 0 {
			first, order = own, OwnOrder
		}
	}
	for i, w := range append(slices.Clone(first), Ways()...) {
		if slices.ContainsFunc(out, func(c Contact) bool { return c.Way == w }) {
			continue
		}
		c, err := r.contact(ctx, p, w)
		if err != nil {
			return nil, err
		}
		if c.Order = order; c.Lacking == "" || i < len(by) {
			out = append(out, c)
		}
	}
	return out, nil
}

// ownOrder is the person's own order of ways. One that cannot be asked for is no
// reason to reach nobody: then the usual order applies (I20).
func (r *Room) ownOrder(ctx context.Context, p identity.Person) []Way {
	if r.o.Order == nil {
		return nil
	}
	words, err := r.o.Order(ctx, p.ID)
	if err != nil {
		r.o.Log.ErrorContext(ctx, "a person's order of ways cannot be read, the usual one applies", "person", p.ID, "err", err)
		return nil
	}
	out := make([]Way, len(words))
	for i, w := range words {
		out[i] = Way(w)
	}
	return out
}

func (r *Room) contact(ctx context.Context, p identity.Person, w Way) (Contact, error) {
	c := Contact{Way: w, Kind: w.Kind()}
	lack := NoDevice
	switch w {
	case Mail:
		c.To, lack = p.Email, NoAddress
	case Alternative:
		lack = NoAlternative
		if p.Alternative != p.Email {
			c.To = p.Alternative
		}
	case SMS, Voice:
		c.To, lack = p.Mobile, NoMobile
	case Chat:
		c.To, lack = p.Chat, NoChat
	default:
		if r.o.Address != nil {
			to, err := r.o.Address(ctx, p, w)
			if err != nil {
				return c, err
			}
			c.To = to
		}
	}
	switch {
	case c.To == "":
		c.Lacking = lack
	// Without a mail server the outbox keeps a mail and says so; it is never
	// taken for a way that does not exist.
	case c.Kind != channel.Mail && (r.o.Carries == nil || !r.o.Carries(ctx, c.Kind)):
		c.Lacking = NoRoute
	case c.Kind == channel.Chat && r.o.Leads != nil && !r.o.Leads(ctx, c.Kind, c.To):
		c.Lacking = NoRoute // the town has no account in this person's messenger
	}
	return c, nil
}

// Rung is one step of a chain as it would be walked now.
type Rung struct {
	Step  int           // counted from 0
	After time.Duration // from the alarm
	At    time.Time
	// People is empty when the step names nobody who is there: it is told to
	// those responsible otherwise.
	People []Called
	Missed []Missed
}

// Called is one person of a rung.
type Called struct {
	Person   identity.Person
	Contacts []Contact
	Again    bool // was called on an earlier step too
}

// Reachable tells whether any way leads to the person.
func (c Called) Reachable() bool {
	return slices.ContainsFunc(c.Contacts, func(x Contact) bool { return x.Lacking == "" })
}

// Ladder tells who would be woken, when and how, if an alarm about the service
// came at the moment and nobody answered. It wakes nobody.
func (r *Room) Ladder(ctx context.Context, c Chain, service string, at time.Time) ([]Rung, error) {
	var out []Rung
	called := map[identity.PersonID]bool{}
	after := time.Duration(0)
	for i, s := range c.Steps {
		rung := Rung{Step: i, After: after, At: at.Add(after)}
		people, missed, err := r.People(ctx, c, i, service, rung.At)
		if err != nil {
			return nil, err
		}
		rung.Missed = missed
		for _, p := range people {
			contacts, err := r.Contacts(ctx, p, s.By)
			if err != nil {
				return nil, err
			}
			rung.People = append(rung.People, Called{p, contacts, called[p.ID]})
		}
		for _, p := range people {
			called[p.ID] = true
		}
		out = append(out, rung)
		after += s.WaitFor() * time.Duration(1+s.Repeat)
	}
	return out, nil
}
