package roster

import (
	"context"
	"time"
)

// Announce is one round of the look for gaps.
func (r *Room) Announce(ctx context.Context, now time.Time) (time.Time, error) {
	return r.announce(ctx, now)
}
