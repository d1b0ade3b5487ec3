package monitor

import (
	"context"
	"slices"
	"strings"

	"tuermer/internal/platform/i18n"
)

// group is one state on the page of all monitors.
type group struct {
	State    State
	Monitors []Monitor
}

// groups answers one page of monitors, the broken ones first and by slug inside
// each state, and where the next page begins. Each state is asked by itself, so
// that the index gives the rows in order and ten thousand healthy monitors are
// not read to find the broken ones.
func (r *Room) groups(ctx context.Context, f Filter, counts map[State]int) (out []group, next string, err error) {
	order := stateOrder(counts)
	begin, after, paged := strings.Cut(f.After, ":")
	if f.State != "" {
		order = []State{f.State}
	}
	if i := slices.Index(order, State(begin)); paged && i >= 0 {
		order = order[i:]
	} else {
		after = ""
	}
	left := f.Limit
	for _, s := range order {
		if counts[s] == 0 {
			after = ""
			continue
		}
		q := f
		q.State, q.After, q.Limit = s, after, left+1 // one more tells whether a page follows
		after = ""
		ms, err := r.List(ctx, q)
		if err != nil {
			return nil, "", err
		}
		if len(ms) == 0 {
			continue
		}
		if left == 0 {
			return out, next, nil
		}
		last := ms[min(len(ms), left)-1]
		next = string(s) + ":" + last.Slug
		out = append(out, group{s, ms[:min(len(ms), left)]})
		if len(ms) > left {
			return out, next, nil
		}
		left -= len(ms)
	}
	return out, "", nil
}

// groupTitle names a group and says how many there are in all; with a search
// nobody has counted.
func groupTitle(ctx context.Context, l listing, s State) string {
	if l.Filter.Query != "" || l.Filter.Service != "" {
		return stateWord(ctx, s)
	}
	return i18n.Number(ctx, l.Counts[s]) + " " + stateWord(ctx, s)
}

// shown counts the monitors on the page.
func (l listing) shown() (n int) {
	for _, g := range l.Groups {
		n += len(g.Monitors)
	}
	return n
}

// stateOrder is the order of the states on the page; a state that the filters
// do not name stands before those that are well, for nobody should overlook it.
func stateOrder(counts map[State]int) []State {
	order := slices.Clone(shownStates)
	for s := range counts {
		if !slices.Contains(order, s) {
			order = slices.Insert(order, len(order)-1, s)
		}
	}
	return order
}
