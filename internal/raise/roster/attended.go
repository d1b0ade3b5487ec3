package roster

import (
	"context"
	"slices"
	"time"
)

// Channels are the ways that the town's rosters look after, in order.
func (r *Room) Channels(ctx context.Context) ([]string, error) {
	all, err := r.List(ctx)
	var out []string
	for _, ro := range all {
		for _, c := range ro.Channels {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	slices.Sort(out)
	return out, err
}

// Attended tells whether somebody is on duty at a moment by a roster that looks
// after a channel, and when somebody is next (zero: not within two weeks). One of
// two is somebody. Nobody ever is for a channel that no roster names.
func (r *Room) Attended(ctx context.Context, channel string, at time.Time) (now bool, next time.Time, err error) {
	all, err := r.List(ctx)
	if err != nil {
		return false, next, err
	}
	for _, ro := range all {
		if !slices.Contains(ro.Channels, channel) {
			continue
		}
		v, err := r.look(ctx, ro, at, at.Add(ahead))
		if err != nil {
			return false, next, err
		}
		for _, s := range v.shifts {
			if _, fit := v.crew.fit(s.Person); !fit {
				continue
			}
			if s.Stretch().Has(at) {
				return true, time.Time{}, nil
			}
			if next.IsZero() || s.From.Before(next) {
				next = s.From
			}
		}
	}
	return false, next, nil
}
