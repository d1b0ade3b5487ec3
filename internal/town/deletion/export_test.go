package deletion

import (
	"context"
	"time"
)

// Round is one look of the sweeper.
func Round(r *Room, ctx context.Context, now time.Time) (time.Time, error) { return r.round(ctx, now) }
