package desk

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// reachPath is the page "So erreichen wir Sie".
const reachPath = "/reach"

// reachWay is one way to the person who looks, with its last trial.
type reachWay struct {
	identity.Way
	Name  string // the anchor and the form's value: "sms"
	Shown string // where it leads, as people know it
	// Open: the town has somebody who carries it.
	Open     bool
	Verified bool
	Tried    bool
	Last     channel.Item
	Quote    channel.Quote
}

type reachView struct {
	Me    identity.Person
	Ways  []reachWay
	Order []string // the person's own; empty: the usual one
	Quiet identity.Quiet

	QuietForm *web.Form
	Devices   devicesView
	Messenger messengerView
}

func (d *Desk) reach(ctx context.Context) (v reachView, err error) {
	a := ident.ActorOf(ctx)
	if a.Person == "" {
		return v, fault.New(fault.Forbidden, "channel.trial_own")
	}
	if v.Me, err = d.o.Identity.Person(ctx, identity.PersonID(a.Person)); err != nil {
		return v, err
	}
	if v.Devices, err = d.devices(ctx); err != nil {
		return v, err
	}
	if d.o.Roster != nil {
		if v.Messenger.All, v.Messenger.Open, err = d.o.Roster.MessengerAccounts(ctx); err != nil {
			return v, err
		}
	}
	ways := v.Me.Ways()
	if len(v.Devices.live()) > 0 {
		ways = append(ways, identity.Way{Kind: string(channel.Push), To: string(v.Me.ID)})
	}
	for i, w := range ways {
		kind := channel.Kind(w.Kind)
		x := reachWay{Way: w, Name: w.Kind + "-" + strconv.Itoa(i), Open: d.o.Channel.Has(ctx, channel.Live, kind), Verified: w.Own || kind != channel.Mail || v.Me.Verified()}
		if x.Last, x.Tried, err = d.o.Channel.LastTrial(ctx, kind, w.To); err != nil {
			return v, err
		}
		if kind == channel.SMS || kind == channel.Voice {
			_, text := d.reachText(ctx, v.Me, kind)
			x.Quote = d.o.Channel.Quote(ctx, kind, text, 1)
		}
		if x.Shown = w.To; kind == channel.Push {
			x.Shown = strings.Join(v.Devices.live(), " · ")
		}
		v.Ways = append(v.Ways, x)
	}
	if v.Order, err = d.o.Identity.WayOrder(ctx, v.Me.ID); err != nil {
		return v, err
	}
	inOrder(v.Ways, v.Order)
	if v.Quiet, err = d.o.Identity.QuietHours(ctx, v.Me.ID); err != nil {
		return v, err
	}
	v.QuietForm = quietForm(v.Quiet)
	return v, nil
}

// reachText is the test message.
func (d *Desk) reachText(ctx context.Context, p identity.Person, kind channel.Kind) (subject, text string) {
	subject = i18n.T(ctx, "desk.reach_subject")
	if kind == channel.Voice {
		return subject, i18n.T(ctx, "desk.reach_call", p.Name)
	}
	return subject, i18n.T(ctx, "desk.reach_text", p.Name, i18n.Stand(ctx, d.o.Clock.Now()))
}

func (d *Desk) pageReach(w http.ResponseWriter, r *http.Request) error {
	v, err := d.reach(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, reachPage(v))
}

// tryReach sends a test message over the way of that name.
func (d *Desk) tryReach(ctx context.Context, name string) (string, error) {
	v, err := d.reach(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(v.Ways, func(w reachWay) bool { return w.Name == name })
	if i < 0 {
		return "", fault.New(fault.NotFound, "channel.trial_no_way")
	}
	subject, text := d.reachText(ctx, v.Me, channel.Kind(v.Ways[i].Kind))
	return d.o.Channel.TryWay(ctx, channel.Message{
		Kind: channel.Kind(v.Ways[i].Kind), To: v.Ways[i].To, ToName: v.Me.Name, Subject: subject, Text: text, Language: v.Me.Language, Link: reachPath,
	})
}

func (d *Desk) postReach(w http.ResponseWriter, r *http.Request) error {
	f, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	if _, err := d.tryReach(r.Context(), f.Get("way")); err != nil {
		return err
	}
	return web.SeeOther(w, r, reachPath+"#"+f.Get("way"))
}

// reachSay is the one sentence on how things stand.
func reachSay(ctx context.Context, v reachView) string {
	arrived := 0
	for _, w := range v.Ways {
		if w.Tried && w.Last.State == channel.Accepted && w.Last.Arrival != channel.Lost {
			arrived++
		}
	}
	return i18n.T(ctx, "desk.reach_say", i18n.Number(ctx, len(v.Ways)), i18n.Number(ctx, arrived))
}

// mark is the shape of a way's state, and word what it is.
func (w reachWay) mark() web.State {
	switch {
	case !w.Open:
		return web.Unknown
	case !w.Tried:
		return web.Pending
	case w.Last.State == channel.Failed || w.Last.Arrival == channel.Lost:
		return web.Down
	case w.Last.State == channel.Accepted:
		return web.OK
	}
	return web.Pending
}

func (w reachWay) word(ctx context.Context) string {
	switch {
	case !w.Open:
		return i18n.T(ctx, "desk.reach_no_way")
	case !w.Tried:
		return i18n.T(ctx, "desk.reach_untried")
	case w.Last.State == channel.Failed:
		return i18n.T(ctx, "desk.reach_failed")
	case w.Last.Arrival == channel.Lost && w.Kind == string(channel.Voice):
		return i18n.T(ctx, "desk.reach_call_lost")
	case w.Last.Arrival == channel.Lost:
		return i18n.T(ctx, "desk.reach_lost")
	case w.Last.Arrival == channel.Arrived && w.Kind == string(channel.Voice):
		return i18n.T(ctx, "desk.reach_call_confirmed")
	case w.Last.Arrival == channel.Arrived:
		return i18n.T(ctx, "desk.reach_arrived")
	case w.Last.State == channel.Accepted:
		return i18n.T(ctx, "desk.reach_taken")
	}
	return i18n.T(ctx, "desk.reach_under_way")
}

// cost is what a trial takes, told before it is sent.
func (w reachWay) cost(ctx context.Context) string {
	if w.Quote.Parts == 0 || w.Kind == string(channel.Voice) && !w.Quote.Known {
		return ""
	}
	parts := i18n.N(ctx, "desk.reach_parts", w.Quote.Parts)
	if !w.Quote.Known {
		return parts
	}
	if w.Kind == string(channel.Voice) {
		return i18n.T(ctx, "desk.reach_call_cost", w.Quote.Money(i18n.Of(ctx)))
	}
	return i18n.T(ctx, "desk.reach_cost", parts, w.Quote.Money(i18n.Of(ctx)))
}

type reachWayBody struct {
	Name     string     `json:"name" doc:"What is sent back to try it"`
	Kind     string     `json:"kind" doc:"mail, sms, voice or push"`
	Way      string     `json:"way" doc:"What chains and the own order call it: mail, alternative, sms …"`
	To       string     `json:"to"`
	Own      bool       `json:"own" doc:"Hangs on the town's own systems"`
	Open     bool       `json:"open" doc:"The town has somebody who carries it"`
	Verified bool       `json:"verified"`
	State    string     `json:"state,omitempty" doc:"Of the last test message: queued, sending, accepted or failed"`
	Arrival  string     `json:"arrival,omitempty" doc:"arrived or lost, where the provider reports it"`
	TriedAt  *time.Time `json:"tried_at,omitempty"`
}

type reachTryInput struct {
	Body struct {
		Name string `json:"name" doc:"One of the names that list-own-ways tells"`
	}
}

type reachTriedBody struct {
	ID string `json:"id" doc:"Of the message in the outbox"`
}

func (d *Desk) reachAPI(a *web.API) {
	d.reachOrderAPI(a)
	d.reachQuietAPI(a)
	d.messengerAPI(a)
	web.Operation(a, huma.Operation{OperationID: "list-own-ways", Method: http.MethodGet, Path: "/api/v1/reach", Summary: "List the ways to whoever asks, in order, with their last test", Tags: []string{"people"}}, "people", d.apiReach)
	web.Operation(a, huma.Operation{OperationID: "test-own-way", Method: http.MethodPost, Path: "/api/v1/reach/test", Summary: "Send a test message over one of the own ways", Tags: []string{"people"}, DefaultStatus: 202}, "people", d.apiTryReach)
}

func (d *Desk) apiReach(ctx context.Context, _ *struct{}) (*web.List[reachWayBody], error) {
	v, err := d.reach(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]reachWayBody, len(v.Ways))
	for i, w := range v.Ways {
		out[i] = reachWayBody{Name: w.Name, Kind: w.Kind, Way: w.named(), To: w.Shown, Own: w.Own, Open: w.Open, Verified: w.Verified}
		if w.Tried {
			out[i].State, out[i].Arrival, out[i].TriedAt = string(w.Last.State), string(w.Last.Arrival), &w.Last.CreatedAt
		}
	}
	return web.NewList(out, ""), nil
}

func (d *Desk) apiTryReach(ctx context.Context, in *reachTryInput) (*web.One[reachTriedBody], error) {
	id, err := d.tryReach(ctx, in.Body.Name)
	return &web.One[reachTriedBody]{Body: reachTriedBody{ID: id}}, err
}
