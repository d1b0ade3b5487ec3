package roster

import (
	"context"
	"time"
)

// FirstGap is the first hole of a roster in [from, to); false: none.
func (r *Room) FirstGap(ctx context.Context, slug string, from, to time.Time) (Gap, bool, error) {
	ro, err := r.Get(ctx, slug)
	if err != nil {
		return Gap{}, false, err
	}
	v, err := r.look(ctx, ro, from, to)
	if err != nil {
		return Gap{}, false, err
	}
	if gaps := v.gaps(); len(gaps) > 0 {
		return gaps[0], true, nil
	}
	return Gap{}, false, nil
}
