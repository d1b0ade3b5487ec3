package alert

import (
	"context"
	"fmt"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// level is one answer to "who is responsible", nearest to the service first.
type level struct {
	reason Reason
	people []identity.Person
}

// chosen is one person and what was decided about them.
type chosen struct {
	person identity.Person
	reason Reason
	wake   bool
}

// choose takes the first level in which somebody can be told. Everybody who was
// considered is in the answer, once, with the reason.
func choose(levels []level) []chosen {
	var out []chosen
	at := map[identity.PersonID]int{}
	taken := false
	for _, l := range levels {
		found := false
		for _, p := range l.people {
			c := chosen{p, l.reason, false}
			switch {
			case p.Blocked:
				c.reason = PersonBlocked
			case len(p.Addresses()) == 0:
				c.reason = NoAddress
			case taken:
				c.reason = OthersResponsible
			default:
				c.wake, found = true, true
			}
			if _, twice := at[p.ID]; twice {
				continue // what was decided about them stands
			}
			at[p.ID] = len(out)
			out = append(out, c)
		}
		taken = taken || found
	}
	return out
}

// WouldWake names the people whom an alarm about the service would wake now. It
// wakes nobody.
func (r *Room) WouldWake(ctx context.Context, slug string) ([]identity.Person, error) {
	svc, err := r.service(ctx, slug)
	if err != nil {
		return nil, err
	}
	levels, err := r.levels(ctx, svc, r.o.Clock.Now())
	if err != nil {
		return nil, err
	}
	return wakes(levels), nil
}

// Otherwise names the people whom an alarm about the service would wake now if
// it had no escalation chain.
func (r *Room) Otherwise(ctx context.Context, slug string) ([]identity.Person, error) {
	svc, err := r.service(ctx, slug)
	if err != nil {
		return nil, err
	}
	levels, err := r.otherwise(ctx, svc)
	if err != nil {
		return nil, err
	}
	return wakes(levels), nil
}

func wakes(levels []level) []identity.Person {
	var out []identity.Person
	for _, c := range choose(levels) {
		if c.wake {
			out = append(out, c.person)
		}
	}
	return out
}

// widen tells who comes next when nobody answers: the people of the first level
// that holds somebody who can be told and was not told yet.
func widen(levels []level, told map[identity.PersonID]bool) []identity.Person {
	for _, l := range levels {
		var out []identity.Person
		for _, p := range l.people {
			if !told[p.ID] && !p.Blocked && len(p.Addresses()) > 0 {
				out = append(out, p)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// service finds the service; a slug that names none keeps the slug for a name.
func (r *Room) service(ctx context.Context, slug string) (service.Service, error) {
	if slug == "" {
		return service.Service{}, nil
	}
	svc, err := r.o.Services.Get(ctx, slug)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return svc, fmt.Errorf("alert: service %s: %w", slug, err)
	}
	if err != nil {
		return service.Service{Slug: slug, Name: slug}, nil
	}
	return svc, nil
}

// levels asks who could be responsible for the service: each step of its chain,
// then those responsible otherwise.
func (r *Room) levels(ctx context.Context, svc service.Service, at time.Time) ([]level, error) {
	var out []level
	if r.o.Chain != nil {
		c, ok, err := r.o.Chain.For(ctx, svc.Slug)
		for i := 0; err == nil && ok && i < len(c.Steps); i++ {
			var people []identity.Person
			if people, _, err = r.o.Chain.People(ctx, c, i, svc.Slug, at); err == nil {
				out = append(out, level{ByChain, people})
			}
		}
		if err != nil {
			return nil, fmt.Errorf("alert: chain of %s: %w", svc.Slug, err)
		}
	}
	more, err := r.otherwise(ctx, svc)
	return append(out, more...), err
}

// otherwise asks who is responsible where no chain is. A slug that names no
// service leads to those who are responsible when nobody is.
func (r *Room) otherwise(ctx context.Context, svc service.Service) ([]level, error) {
	var out []level
	if svc.Owner != "" {
		owner, err := r.o.People.PersonByEmail(ctx, svc.Owner)
		switch {
		case err == nil:
			out = append(out, level{ByOwner, []identity.Person{owner}})
		case fault.KindOf(err) != fault.NotFound:
			return nil, fmt.Errorf("alert: owner of %s: %w", svc.Slug, err)
		}
	}
	for _, l := range []struct {
		reason Reason
		role   identity.Role
	}{{ByRole, identity.RoleIT}, {ByAdmin, identity.RoleAdmin}} {
		people, err := r.o.People.People(ctx, identity.Filter{Role: l.role})
		if err != nil {
			return nil, fmt.Errorf("alert: people with role %s: %w", l.role, err)
		}
		out = append(out, level{l.reason, people})
	}
	return out, nil
}
