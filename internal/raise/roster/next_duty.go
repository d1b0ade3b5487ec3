package roster

import (
	"context"
	"time"
)

// NextDuty is the first moment in [from, to) at which a person is on duty by any
// roster; false: at none. Who is on duty at from is so at from.
func (r *Room) NextDuty(ctx context.Context, mail string, from, to time.Time) (at time.Time, found bool, err error) {
	all, err := r.List(ctx)
	if err != nil {
		return at, false, err
	}
	for _, ro := range all {
		v, err := r.look(ctx, ro, from, to)
		if err != nil {
			return at, false, err
		}
		for _, s := range v.shifts {
			if s.Person != mail || !s.To.After(from) || !s.From.Before(to) {
				continue
			}
			begins := s.From
			if begins.Before(from) {
				begins = from
			}
			if !found || begins.Before(at) {
				at, found = begins, true
			}
		}
	}
	return at, found, nil
}
