package channel

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// outboxBody is a message of the outbox as the API speaks of it: without its
// text, which may hold links that act for somebody.
type outboxBody struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind" doc:"mail, sms, voice or webhook"`
	Class     string     `json:"class" doc:"alarm or single"`
	Realm     string     `json:"realm" doc:"live or exercise"`
	To        string     `json:"to"`
	Subject   string     `json:"subject"`
	State     string     `json:"state" doc:"queued, sending, accepted, failed, or withdrawn: no longer wanted before it left"`
	Attempts  int        `json:"attempts"`
	Route     string     `json:"route,omitempty" doc:"The way that took it"`
	Reason    string     `json:"reason,omitempty" doc:"Stable word for why the last attempt failed, or why it waits: quiet, restored"`
	Detail    string     `json:"detail,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	NextAt    *time.Time `json:"next_at,omitempty" doc:"When it is tried again"`
	SettledAt *time.Time `json:"settled_at,omitempty"`
	Parts     int        `json:"parts,omitempty" doc:"Of a short message"`
	Arrival   string     `json:"arrival,omitempty" doc:"What the provider reported later: arrived or lost"`
	ArrivedAt *time.Time `json:"arrived_at,omitempty"`
	Withdrawn string     `json:"withdrawn,omitempty" doc:"Why it is no longer wanted: acknowledged, closed, answered, reopened"`
	Doubtful  bool       `json:"doubtful,omitempty" doc:"A try before may have come through unnoticed"`
	Text      string     `json:"text,omitempty" doc:"Of simulated messages"`
}

func outboxBodyOf(i Item) outboxBody {
	b := outboxBody{
		ID: i.ID, Kind: string(i.Kind), Class: string(i.Class), Realm: string(i.Realm), To: i.To, Subject: i.Subject,
		State: string(i.State), Attempts: i.Attempts, Route: i.Route, Reason: i.Reason, Detail: i.Detail, CreatedAt: i.CreatedAt,
	}
	if i.State == Queued && !i.held() {
		b.NextAt = &i.DueAt
	}
	if !i.SettledAt.IsZero() {
		b.SettledAt = &i.SettledAt
	}
	if i.State == Withdrawn {
		b.Withdrawn, b.Doubtful = string(i.Why), i.Doubtful
	}
	b.Parts, b.Arrival = i.Parts, string(i.Arrival)
	if !i.ArrivedAt.IsZero() {
		b.ArrivedAt = &i.ArrivedAt
	}
	return b
}

type outboxListInput struct {
	web.Paging
	State string `query:"state" enum:"queued,sending,accepted,failed,withdrawn" doc:"Only those in this state"`
}

type outboxIDInput struct {
	ID string `path:"id"`
}

// API hangs the outbox into /api/v1.
func (r *Room) API(a *web.API) {
	const scope = "alerts"
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"outbox"}}
	}
	web.Operation(a, op("list-outbox", http.MethodGet, "/outbox", "List alarms and single messages, newest first"), scope, r.apiOutbox)
	web.Operation(a, op("get-outbox", http.MethodGet, "/outbox/{id}", "Show one message"), scope, r.apiItem)
	web.Operation(a, op("resend-outbox", http.MethodPost, "/outbox/{id}/again", "Send a failed message again"), scope, r.apiAgain)
	web.Operation(a, op("list-simulated", http.MethodGet, "/simulated", "List what simulated channels carried, with its text"), scope, r.apiSimulated)
	r.wayAPI(a)
}

func (r *Room) apiOutbox(ctx context.Context, in *outboxListInput) (*web.List[outboxBody], error) {
	// The store gives 1000 at most, and one more tells whether more follow.
	limit := min(in.Limit, 999)
	items, err := r.List(ctx, Filter{State: State(in.State), After: in.After, Limit: limit + 1})
	return outboxList(items, limit, false), err
}

func (r *Room) apiSimulated(ctx context.Context, in *web.Paging) (*web.List[outboxBody], error) {
	if !mayReadSimulated(ctx) {
		return nil, fault.New(fault.Forbidden, "channel.text_forbidden")
	}
	limit := min(in.Limit, 999)
	items, err := r.SimulatedAfter(ctx, in.After, limit+1)
	return outboxList(items, limit, true), err
}

// outboxList answers with at most limit items; one more means that more follow.
func outboxList(items []Item, limit int, text bool) *web.List[outboxBody] {
	next := ""
	if len(items) > limit {
		items = items[:limit]
		next = items[limit-1].ID
	}
	bodies := make([]outboxBody, len(items))
	for i, item := range items {
		bodies[i] = outboxBodyOf(item)
		if text {
			bodies[i].Text = item.Text
		}
	}
	return web.NewList(bodies, next)
}

func (r *Room) apiItem(ctx context.Context, in *outboxIDInput) (*web.One[outboxBody], error) {
	i, err := r.Get(ctx, in.ID)
	return &web.One[outboxBody]{Body: outboxBodyOf(i)}, err
}

func (r *Room) apiAgain(ctx context.Context, in *outboxIDInput) (*web.One[outboxBody], error) {
	if err := r.Again(ctx, in.ID); err != nil {
		return nil, err
	}
	return r.apiItem(ctx, in)
}
