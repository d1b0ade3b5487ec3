package twin

import (
	"context"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// stamp is a moment for programs; zero: nothing.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// mark and word say how a target stands.
func (s State) mark(now time.Time) web.State {
	switch {
	case s.Reason != "":
		return web.Down
	case s.DoneAt.IsZero():
		return web.Pending
	case !now.Before(s.Until):
		return web.Degraded
	default:
		return web.OK
	}
}

func (s State) word(ctx context.Context, now time.Time) string {
	switch {
	case s.Reason != "":
		return i18n.T(ctx, "twin.state_fail")
	case s.DoneAt.IsZero() && s.Busy:
		return i18n.T(ctx, "twin.state_busy")
	case s.DoneAt.IsZero():
		return i18n.T(ctx, "twin.state_wait")
	case !now.Before(s.Until):
		return i18n.T(ctx, "twin.state_old")
	default:
		return i18n.T(ctx, "twin.state_ok")
	}
}

func span(ctx context.Context, d time.Duration) string { return i18n.Of(ctx).Span(d) }
