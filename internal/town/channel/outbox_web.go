package channel

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// Sizes of the pages: lines of the outbox, letters shown in full.
const (
	outboxPage = 50
	letterPage = 20
)

// Routes hangs the outbox into the console; [Room.WayRoutes] has the pages
// where ways out are set up.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /channel/outbox", web.Staff(r.pageOutbox))
	s.Handle("GET /channel/simulated", web.Staff(r.pageSimulated))
	s.Handle("GET /channel/outbox/{id}", web.Staff(r.pageItem))
	s.Handle("POST /channel/outbox/{id}/again", web.Staff(r.postAgain))
	s.Handle("POST /channel/push/{token}", r.TakePushReceipt)
}

// mayResend is the right to send a failed message again.
func mayResend(ctx context.Context) bool { return ident.ActorOf(ctx).Has("admin", "it") }

// mayReadText is the right to read what stands in a message of the outbox.
func mayReadText(ctx context.Context) bool { return ident.ActorOf(ctx).Has("admin", "it") }

// mayReadSimulated is the right to read what was sent to nobody.
func mayReadSimulated(ctx context.Context) bool {
	return ident.ActorOf(ctx).Has("admin", "it", "publisher", "approver")
}

// outboxStates is the order of the filter chips.
var outboxStates = []State{Failed, Queued, Sending, Accepted, Withdrawn}

// outboxView is what the page of the outbox shows.
type outboxView struct {
	Counts    map[State]int
	Total     int
	State     State
	After     string
	Items     []Item
	Next      string
	Ways      []WayState
	MayResend bool
}

// noWay reports whether alarms have no way out by mail.
func (v outboxView) noWay() bool {
	return !slices.ContainsFunc(v.Ways, func(w WayState) bool { return w.Kind == Mail && w.Realm == Live })
}

func (v outboxView) url(s State, after string) string {
	q := url.Values{}
	if s != "" {
		q.Set("state", string(s))
	}
	if after != "" {
		q.Set("after", after)
	}
	if len(q) == 0 {
		return "/channel/outbox"
	}
	return "/channel/outbox?" + q.Encode()
}

func (r *Room) pageOutbox(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	v := outboxView{After: req.FormValue("after"), Ways: r.Ways(ctx), MayResend: mayResend(ctx)}
	if s := State(req.FormValue("state")); slices.Contains(outboxStates, s) {
		v.State = s
	}
	var err error
	if v.Counts, err = r.Counts(ctx); err != nil {
		return err
	}
	for _, n := range v.Counts {
		v.Total += n
	}
	if v.Items, err = r.List(ctx, Filter{State: v.State, After: v.After, Limit: outboxPage + 1}); err != nil {
		return err
	}
	if len(v.Items) > outboxPage {
		v.Items = v.Items[:outboxPage]
		v.Next = v.url(v.State, v.Items[outboxPage-1].ID)
	}
	return web.Render(w, req, outboxPageView(v))
}

func (r *Room) pageSimulated(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if !mayReadSimulated(ctx) {
		return fault.New(fault.Forbidden, "channel.text_forbidden")
	}
	items, err := r.SimulatedAfter(ctx, req.FormValue("after"), letterPage+1)
	if err != nil {
		return err
	}
	next := ""
	if len(items) > letterPage {
		items = items[:letterPage]
		next = "/channel/simulated?after=" + url.QueryEscape(items[letterPage-1].ID)
	}
	return web.Render(w, req, simulatedPage(items, next))
}

// itemView is what the page of one message shows.
type itemView struct {
	Item
	Text      string // with its links blinded; empty for who may not read it
	MayResend bool
}

func (r *Room) pageItem(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	item, err := r.Get(ctx, req.PathValue("id"))
	if err != nil {
		return err
	}
	v := itemView{Item: item, MayResend: mayResend(ctx)}
	if mayReadText(ctx) {
		v.Text = blind(readable(item))
	}
	return web.Render(w, req, itemPage(v))
}

func (r *Room) postAgain(w http.ResponseWriter, req *http.Request) error {
	if err := r.Again(req.Context(), req.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, req, itemURL(req.PathValue("id")))
}

// itemURL is the page of a message; its id comes from another room.
func itemURL(id string) string { return "/channel/outbox/" + url.PathEscape(id) }

var (
	linkForm  = regexp.MustCompile(`(https?://[^\s/"<>]+)(/[^\s"<>]*)`)
	tokenForm = regexp.MustCompile(`[A-Za-z0-9_.~%-]{20,}`)
)

// blind takes the secrets out of the links of a text: a link in a mail signs in
// or acknowledges as the person to whom it was sent, and whoever looks after
// the outbox is somebody else.
func blind(text string) string {
	return linkForm.ReplaceAllStringFunc(text, func(link string) string {
		m := linkForm.FindStringSubmatch(link)
		return m[1] + tokenForm.ReplaceAllString(m[2], "•••")
	})
}

// readable is the text of a message; a webhook's payload is laid out.
func readable(i Item) string {
	if i.Kind != Webhook {
		return i.Text
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(i.Text), "", "  ") != nil {
		return i.Text
	}
	return b.String()
}

// mark is the shape of a message's state.
func (s State) mark() web.State {
	switch s {
	case Accepted:
		return web.OK
	case Failed:
		return web.Down
	case Withdrawn:
		return web.Unknown
	default:
		return web.Pending
	}
}

// shape is the state's mark, unless a receipt says more.
func (i Item) shape() web.State {
	if i.State == Accepted && i.Arrival == Lost {
		return web.Down
	}
	return i.State.mark()
}

// stateWord says where a message stands.
func stateWord(ctx context.Context, i Item) string {
	if i.State == Accepted && i.Arrival != "" && i.Kind == Voice {
		return i18n.T(ctx, "channel.call_"+string(i.Arrival))
	}
	if i.State == Accepted && i.Arrival != "" {
		return i18n.T(ctx, "channel.arrival_"+string(i.Arrival))
	}
	if i.State == Accepted && i.Kind == Webhook {
		return i18n.T(ctx, "channel.state_accepted_hook")
	}
	if i.State == Accepted && i.Kind != Mail {
		return i18n.T(ctx, "channel.state_taken")
	}
	return i18n.T(ctx, "channel.state_"+string(i.State))
}

// reasonWords say why a message was not taken, and what follows.
func reasonWords(ctx context.Context, i Item) string {
	if i.State == Withdrawn {
		return withdrawnWords(ctx, i)
	}
	if i.Reason == "" {
		return ""
	}
	why := reasonWord(ctx, i.Reason)
	switch i.State {
	case Failed:
		return i18n.T(ctx, "channel.gave_up", why, i18n.N(ctx, "channel.attempts", i.Attempts))
	case Queued:
		if i.held() {
			return why
		}
		if i.Reason == reasonQuiet {
			return i18n.T(ctx, "channel.waits_quiet", i18n.Short(ctx, i.DueAt))
		}
		return i18n.T(ctx, "channel.retry_at", i18n.Short(ctx, i.DueAt), why)
	default:
		return ""
	}
}

// withdrawnWords say why a message is no longer wanted, and what had kept it.
func withdrawnWords(ctx context.Context, i Item) string {
	out := i18n.T(ctx, "channel.withdrawn_"+string(i.Why))
	if i.Attempts > 0 && i.Reason != "" {
		out += " " + i18n.T(ctx, "channel.withdrawn_before", reasonWord(ctx, i.Reason))
	}
	if i.Doubtful {
		out += " " + i18n.T(ctx, "channel.withdrawn_doubt")
	}
	return out
}

// lostWords say why a message never arrived, providersWord how its provider calls it.
func lostWords(ctx context.Context, i Item) string {
	said, _ := LostWords(ctx, i.ArrivalReason)
	return said
}

func providersWord(ctx context.Context, i Item) string {
	if i.Arrival != Lost {
		return ""
	}
	_, own := LostWords(ctx, i.ArrivalReason)
	return own
}

func reasonWord(ctx context.Context, reason string) string {
	key := "channel.reason_" + reason
	if word := i18n.T(ctx, key); word != key {
		return word
	}
	return i18n.T(ctx, "channel.reason_unknown")
}
