package pulse

import (
	"context"
	"slices"
	"time"

	"tuermer/internal/notice/monitor"
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

// say is the sentence at the top of the page.
func (o Overview) say(ctx context.Context) string {
	switch {
	case o.Verdict.At.IsZero():
		return i18n.T(ctx, "pulse.say_wait")
	case !o.Verdict.OK():
		return i18n.T(ctx, "pulse.say_ill")
	case len(o.Watchers) == 0 && len(o.Peers) == 0:
		return i18n.T(ctx, "pulse.say_alone")
	default:
		return i18n.T(ctx, "pulse.say_fine")
	}
}

func toldMark(t Told) web.State {
	switch {
	case t.Err != "":
		return web.Down
	case t.At.IsZero():
		return web.Pending
	default:
		return web.OK
	}
}

func toldWords(ctx context.Context, t Told) string {
	switch {
	case t.Err != "":
		return i18n.T(ctx, "pulse.told_not", t.Err)
	case t.At.IsZero():
		return i18n.T(ctx, "pulse.told_wait")
	default:
		return i18n.T(ctx, "pulse.told", i18n.Short(ctx, t.At))
	}
}

// heardWords says how a peer is, as our own check sees it.
func heardWords(ctx context.Context, p Peer) string {
	switch {
	case !p.Accepted:
		return i18n.T(ctx, "pulse.invited_wait")
	case p.State == monitor.Up:
		return i18n.T(ctx, "pulse.peer_up")
	case p.State == monitor.Down:
		return i18n.T(ctx, "pulse.peer_down")
	default:
		return i18n.T(ctx, "pulse.peer_wait")
	}
}

func heardMark(p Peer) web.State {
	if !p.Accepted {
		return web.Pending
	}
	return p.State.Mark()
}

// mark and word say how one thing of the self-check is.
func (o Overview) mark(r Reason) web.State {
	switch {
	case o.Verdict.At.IsZero():
		return web.Pending
	case slices.Contains(o.Verdict.Ill, r):
		return web.Down
	default:
		return web.OK
	}
}

func (o Overview) word(ctx context.Context, r Reason) string {
	switch o.mark(r) {
	case web.Pending:
		return i18n.T(ctx, "pulse.told_wait")
	case web.Down:
		return i18n.T(ctx, "pulse.ill_"+string(r))
	default:
		return i18n.T(ctx, "pulse.in_order")
	}
}

func (o Overview) placeMark() web.State {
	switch {
	case len(o.Inside) > 0:
		return web.Degraded
	case o.Networks == 0:
		return web.Unknown
	default:
		return web.OK
	}
}

func (o Overview) placeWord(ctx context.Context) string {
	switch {
	case len(o.Inside) > 0:
		return i18n.T(ctx, "pulse.inside")
	case o.Networks == 0:
		return i18n.T(ctx, "pulse.no_networks")
	default:
		return i18n.T(ctx, "pulse.outside")
	}
}
