package monitor

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// ruleBody is one recurring maintenance.
type ruleBody struct {
	Rule   string     `json:"rule" doc:"RFC 5545, daily or rarer: FREQ=WEEKLY;BYDAY=SU"`
	First  string     `json:"first" doc:"When the first one begins, in the town's local time: 2026-11-29T02:00"`
	Lasts  int        `json:"lasts_minutes" doc:"At least 1"`
	Reason string     `json:"reason"`
	Next   *time.Time `json:"next,omitempty" readOnly:"true" doc:"When the one that is open began, or the next begins"`
}

// heldBody is why an alarm is withheld.
type heldBody struct {
	Reason string    `json:"reason" enum:"maintenance,parent,blind,flapping"`
	Cause  string    `json:"cause,omitempty" doc:"The parent's slug, or what the maintenance is for"`
	Text   string    `json:"text" doc:"The reason in the reader's language"`
	Since  time.Time `json:"since"`
}

// heldGroupBody are the withheld alarms with one cause.
type heldGroupBody struct {
	Reason   string         `json:"reason" enum:"maintenance,parent,blind,flapping"`
	Cause    string         `json:"cause,omitempty"`
	Text     string         `json:"text"`
	Since    time.Time      `json:"since"`
	EndedAt  *time.Time     `json:"ended_at,omitempty" doc:"Missing: still so"`
	Count    int            `json:"count"`
	Monitors []heldNameBody `json:"monitors" doc:"By name, at most 250; the list of monitors by state has them all"`
}

type heldNameBody struct {
	Slug  string    `json:"slug"`
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
}

// uplinkBody is our own line.
type uplinkBody struct {
	References int        `json:"references" doc:"Declared in tuermer.yaml; with none, a lost line is never noticed"`
	Proven     bool       `json:"proven" doc:"Each reference has answered since the start; before, nothing is excused"`
	Lost       bool       `json:"lost"`
	Since      *time.Time `json:"since,omitempty"`
	Behind     int        `json:"behind" doc:"Monitors that lay behind the line when it was lost"`
}

type apiRuleInput struct {
	Slug string `path:"slug"`
	Body ruleBody
}

type apiEndInput struct {
	Slug  string    `path:"slug"`
	From  time.Time `query:"from" doc:"Beginning of the window"`
	Rule  string    `query:"rule" doc:"Or the rule"`
	First string    `query:"first" doc:"and its first time"`
}

type apiHeldInput struct {
	Hours int `query:"hours" default:"24" minimum:"0" maximum:"168" doc:"Also what ended within so many hours"`
}

// statesOf adds to the body what decides about the states.
func (r *Room) statesOf(ctx context.Context, m Monitor, b *monitorBody) {
	now := r.o.Clock.Now()
	for _, q := range m.Rules {
		out := ruleBody{Rule: q.Rule, First: q.First, Lasts: int(q.Lasts.D() / time.Minute), Reason: q.Reason}
		if next, ok := q.Next(now); ok {
			out.Next = &next.From
		}
		b.Rules = append(b.Rules, out)
	}
	if h := m.Status.Held; h.Reason != "" && !m.Paused {
		b.Withheld = &heldBody{Reason: string(h.Reason), Cause: h.Cause, Text: heldText(ctx, h.Reason, h.Cause), Since: h.Since}
	}
	b.Parents = m.Spec.Parents
}

// stateAPI hangs what belongs to the states into /api/v1.
func (r *Room) stateAPI(a *web.API, scope string) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"monitors"}, DefaultStatus: status}
	}
	web.Operation(a, op("announce-recurring-maintenance", http.MethodPost, "/monitors/{slug}/maintenance-rules", "Announce a maintenance that comes again and again, in the town's civil time", 201), scope, r.apiRule)
	web.Operation(a, op("end-maintenance", http.MethodDelete, "/monitors/{slug}/maintenance", "Take an announced maintenance back; what is still broken alarms", 200), scope, r.apiEnd)
	web.Operation(a, op("list-withheld", http.MethodGet, "/withheld", "List the alarms that the monitors withhold, by cause", 200), scope, r.apiHeld)
	web.Operation(a, op("get-uplink", http.MethodGet, "/uplink", "Tell how our own line to the outside stands", 200), scope, r.apiUplink)
}

func (r *Room) apiRule(ctx context.Context, in *apiRuleInput) (*web.One[monitorBody], error) {
	q := Recurring{Rule: in.Body.Rule, First: in.Body.First, Lasts: Duration(time.Duration(in.Body.Lasts) * time.Minute), Reason: in.Body.Reason}
	if err := r.MaintainByRule(ctx, in.Slug, q); err != nil {
		return nil, err
	}
	return r.one(ctx, in.Slug)
}

func (r *Room) apiEnd(ctx context.Context, in *apiEndInput) (*web.One[monitorBody], error) {
	err := mayOperate(ctx)
	switch {
	case err != nil:
	case in.Rule != "":
		err = r.EndRule(ctx, in.Slug, in.Rule, in.First)
	case !in.From.IsZero():
		err = r.EndMaintenance(ctx, in.Slug, in.From)
	default:
		err = fault.New(fault.NotFound, "monitor.no_window")
	}
	if err != nil {
		return nil, err
	}
	return r.one(ctx, in.Slug)
}

func (r *Room) apiHeld(ctx context.Context, in *apiHeldInput) (*web.List[heldGroupBody], error) {
	all, err := r.Withheld(ctx, r.o.Clock.Now().Add(-time.Duration(in.Hours)*time.Hour))
	if err != nil {
		return nil, err
	}
	items := make([]heldGroupBody, len(all))
	for i, g := range all {
		b := heldGroupBody{
			Reason: string(g.Reason), Cause: g.Cause, Text: heldText(ctx, g.Reason, g.Cause), Since: g.Since, Count: g.Count,
			Monitors: make([]heldNameBody, len(g.Monitors)),
		}
		if g.Parent != "" {
			b.Cause = g.Parent
		}
		if !g.EndedAt.IsZero() {
			b.EndedAt = &all[i].EndedAt
		}
		for j, m := range g.Monitors {
			b.Monitors[j] = heldNameBody{Slug: m.Slug, Name: m.Title, Since: m.Since}
		}
		items[i] = b
	}
	return web.NewList(items, ""), nil
}

func (r *Room) apiUplink(ctx context.Context, _ *struct{}) (*web.One[uplinkBody], error) {
	u := r.Uplink(ctx)
	b := uplinkBody{References: u.References, Proven: u.Proven, Lost: u.Lost, Behind: u.Behind}
	if u.Lost {
		b.Since = &u.Since
	}
	return &web.One[uplinkBody]{Body: b}, nil
}
