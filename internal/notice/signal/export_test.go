package signal

import (
	"context"
	"time"
)

// Sweep runs the retention once.
func Sweep(r *Room, ctx context.Context, now time.Time) error {
	_, err := r.sweep(ctx, now)
	return err
}
