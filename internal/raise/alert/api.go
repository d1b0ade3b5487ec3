package alert

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/web"
)

// alertQuery is the query of the list.
type alertQuery struct {
	web.Paging
	Current  bool   `query:"current" doc:"Leave out what is closed"`
	State    string `query:"state" enum:"open,acknowledged,closed" doc:"Only this state"`
	Service  string `query:"service" doc:"Only this service, by slug"`
	Incident string `query:"incident" doc:"Only what this incident handles"`
}

type alertPath struct {
	ID string `path:"id" doc:"Id of the alert"`
}

type alertDecision struct {
	Person string `json:"person" doc:"Id of the person"`
	Name   string `json:"name"`
	Woken  bool   `json:"woken"`
	Reason string `json:"reason" doc:"Stable word, such as owner, role_it, blocked, others_responsible, not_needed"`
}

type alertMessage struct {
	Name    string    `json:"name"`
	Way     string    `json:"way" doc:"mail or webhook"`
	Address string    `json:"address"`
	Kind    string    `json:"kind" enum:"alarm,taken,over"`
	At      time.Time `json:"at"`
	Receipt string    `json:"receipt" doc:"Empty while it is under way, then accepted, failed, withdrawn before it left, or broken_off: withdrawn, and whether a try came through is not known"`
}

type alertClose struct {
	ID   string `path:"id" doc:"Id of the alert"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500"`
	}
}

type withheldBody struct {
	ID      string     `json:"id"`
	Key     string     `json:"key"`
	Service string     `json:"service"`
	Title   string     `json:"title"`
	Detail  string     `json:"detail"`
	Reason  string     `json:"reason" doc:"Stable word: info, already_over, ended, older, closed_by_hand, nobody, night, snoozed, silenced, behind"`
	Alert   string     `json:"alert,omitempty"`
	At      time.Time  `json:"at"`
	EndedAt *time.Time `json:"ended_at,omitempty"`
}

// API adds this room's operations.
func (r *Room) API(a *web.API) {
	tags := []string{"alerts"}
	web.Operation(a, huma.Operation{
		OperationID: "list-alerts", Method: http.MethodGet, Path: "/api/v1/alerts", Tags: tags, Summary: "List alerts, newest first",
	}, "alerts", r.apiList)
	web.Operation(a, huma.Operation{
		OperationID: "list-withheld-alerts", Method: http.MethodGet, Path: "/api/v1/alerts/withheld", Tags: tags,
		Summary: "List firing signals for which nobody was woken, each with its reason",
	}, "alerts", r.apiWithheld)
	web.Operation(a, huma.Operation{
		OperationID: "get-alert", Method: http.MethodGet, Path: "/api/v1/alerts/{id}", Tags: tags, Summary: "One alert, with who was told and why",
	}, "alerts", r.apiGet)
	web.Operation(a, huma.Operation{
		OperationID: "acknowledge-alert", Method: http.MethodPost, Path: "/api/v1/alerts/{id}/acknowledge", Tags: tags,
		Summary: "Take an alert; who comes second gets the name of who was first",
	}, "alerts", r.apiAcknowledge)
	web.Operation(a, huma.Operation{
		OperationID: "close-alert", Method: http.MethodPost, Path: "/api/v1/alerts/{id}/close", Tags: tags,
		Summary: "Close an alert by hand, when its source will never report the end",
	}, "alerts", r.apiClose)
	r.answerAPI(a)
	r.silenceAPI(a)
}

func (r *Room) apiList(ctx context.Context, q *alertQuery) (*web.List[alertBody], error) {
	all, err := r.List(ctx, Filter{
		Current: q.Current, State: State(q.State), Service: q.Service, Incident: q.Incident, After: ID(q.After), Limit: q.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := make([]alertBody, 0, len(all))
	for _, a := range all {
		out = append(out, bodyOf(a, r.url(ctx, a.ID)))
	}
	next := ""
	if len(all) > 0 && len(all) == q.Limit {
		next = string(all[len(all)-1].ID)
	}
	return web.NewList(out, next), nil
}

// url is the alert's page; without a town it has none.
func (r *Room) url(ctx context.Context, id ID) string {
	town, err := r.o.Town.Current(ctx)
	if err != nil {
		return ""
	}
	return town.StaffURL + "/alert/" + string(id)
}

func (r *Room) apiWithheld(ctx context.Context, _ *struct{}) (*web.List[withheldBody], error) {
	all, err := r.Withheld(ctx, r.o.Clock.Now().Add(-withheldFor))
	if err != nil {
		return nil, err
	}
	out := make([]withheldBody, 0, len(all))
	for _, w := range all {
		out = append(out, withheldBody{
			ID: w.ID, Key: w.Key, Service: w.Service, Title: w.Title, Detail: w.Detail, Reason: string(w.Reason),
			Alert: string(w.AlertID), At: w.At, EndedAt: orNil(w.EndedAt),
		})
	}
	return web.NewList(out, ""), nil
}

func (r *Room) apiGet(ctx context.Context, p *alertPath) (*web.One[alertBody], error) {
	a, err := r.Get(ctx, ID(p.ID))
	if err != nil {
		return nil, err
	}
	decisions, err := r.Decisions(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	messages, err := r.Notified(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	course, err := r.Course(ctx, a.ID, CourseFilter{})
	if err != nil {
		return nil, err
	}
	d := bodyOf(a, r.url(ctx, a.ID))
	d.Course = courseBodies(course)
	for _, x := range decisions {
		d.Decisions = append(d.Decisions, alertDecision{x.PersonID, x.Name, x.Woken, string(x.Reason)})
	}
	for _, m := range messages {
		address := m.Address
		if m.PersonID == "" {
			address = host(address)
		}
		d.Messages = append(d.Messages, alertMessage{m.Name, m.Way, address, string(m.Kind), m.At, m.Receipt})
	}
	return &web.One[alertBody]{Body: d}, nil
}

func (r *Room) apiAcknowledge(ctx context.Context, p *alertPath) (*web.One[alertBody], error) {
	a, err := r.Acknowledge(ctx, ID(p.ID))
	if err != nil {
		return nil, err
	}
	return &web.One[alertBody]{Body: bodyOf(a, r.url(ctx, a.ID))}, nil
}

func (r *Room) apiClose(ctx context.Context, p *alertClose) (*web.One[alertBody], error) {
	a, err := r.Close(ctx, ID(p.ID), p.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &web.One[alertBody]{Body: bodyOf(a, r.url(ctx, a.ID))}, nil
}
