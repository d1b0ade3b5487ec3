package monitor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

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
	return string(p), "[]", nil
}
