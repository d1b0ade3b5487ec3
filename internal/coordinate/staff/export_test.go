package staff

import (
	"context"
	"time"

	"tuermer/internal/coordinate/incident"
)

// Call is what the room does when it hears that a crisis began.
func (r *Room) Call(ctx context.Context, in incident.ID, at time.Time) error {
	return r.call(ctx, in, at)
}
