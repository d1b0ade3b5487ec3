package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tuermer/internal/platform/fault"
	"tuermer/internal/town/service"
)

// MaxParents bounds [Spec.Parents].
const MaxParents = 20

// Problems of parents.
const (
	ProblemParent     = "monitor.problem.parent"      // no such monitor
	ProblemParentSelf = "monitor.problem.parent_self" // a monitor is no parent of itself
	ProblemParentLoop = "monitor.problem.parent_loop" // it would stand behind itself
)

// normalParents checks the form of the parents; whether they exist is the
// room's business.
func (s *Spec) normalParents(c *check) {
	s.Parents = slices.Clone(s.Parents)
	for i, p := range s.Parents {
		s.Parents[i] = strings.TrimSpace(p)
		if !service.ValidSlug(s.Parents[i]) {
			c.add(fmt.Sprintf("parents[%d]", i), ProblemParent, "value", p)
		}
	}
	if len(s.Parents) > MaxParents {
		c.add("parents", ProblemRange, "min", 0, "max", MaxParents)
	}
	if len(s.Parents) == 0 {
		s.Parents = nil
	}
}

// Loop finds a circle among parents and answers it from a monitor to itself;
// nil: there is none. "Everything behind X is down too" would never end.
func Loop(parents map[string][]string) []string {
	const (
		onPath = 1
		done   = 2
	)
	state := map[string]int{}
	var path []string
	var walk func(slug string) []string
	walk = func(slug string) []string {
		switch state[slug] {
		case done:
			return nil
		case onPath:
			return append(slices.Clone(path[slices.Index(path, slug):]), slug)
		}
		state[slug] = onPath
		path = append(path, slug)
		for _, p := range parents[slug] {
			if circle := walk(p); circle != nil {
				return circle
			}
		}
		path = path[:len(path)-1]
		state[slug] = done
		return nil
	}
	names := make([]string, 0, len(parents))
	for slug := range parents {
		names = append(names, slug)
	}
	slices.Sort(names)
	for _, slug := range names {
		if circle := walk(slug); circle != nil {
			return circle
		}
	}
	return nil
}

// kinJSON writes the columns beside a monitor's spec.
func kinJSON(m Monitor) (parents, rules string, err error) {
	p, err := json.Marshal(append([]string{}, m.Spec.Parents...))
	if err != nil {
		return "", "", err
	}
	q, err := json.Marshal(append([]Recurring{}, m.Rules...))
	return string(p), string(q), err
}

// checkParents refuses parents that do not exist, and circles; others are the
// monitors that there are, by slug.
func checkParents(m Monitor, others map[string][]string) error {
	bad := fault.New(fault.Invalid, "monitor.invalid")
	for i, p := range m.Spec.Parents {
		field := fmt.Sprintf("parents[%d]", i)
		if p == m.Slug {
			bad = bad.Field(field, ProblemParentSelf)
		} else if _, known := others[p]; !known {
			bad = bad.Field(field, ProblemParent)
		}
	}
	if len(bad.Fields) == 0 && len(m.Spec.Parents) > 0 {
		all := maps.Clone(others)
		all[m.Slug] = m.Spec.Parents
		if Loop(all) != nil {
			bad = bad.Field("parents", ProblemParentLoop)
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// parentsOf are the parents of every monitor that has some, and of those named.
func (r *Room) parentsOf(ctx context.Context, named []string) (map[string][]string, error) {
	kin, err := r.kin(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, k := range kin {
		out[k.slug] = k.parents
	}
	for _, slug := range named {
		if _, known := out[slug]; known {
			continue
		}
		_, err := r.Get(ctx, slug)
		switch {
		case err == nil:
			out[slug] = nil
		case fault.KindOf(err) != fault.NotFound:
			return nil, err
		}
	}
	return out, nil
}

// Children lists the monitors that name slug as a parent, by slug.
func (r *Room) Children(ctx context.Context, slug string) ([]HeldMonitor, error) {
	kin, err := r.kin(ctx)
	if err != nil {
		return nil, err
	}
	var out []HeldMonitor
	for _, k := range kin {
		if slices.Contains(k.parents, slug) {
			out = append(out, HeldMonitor{Slug: k.slug, Title: k.title})
		}
	}
	return out, nil
}
