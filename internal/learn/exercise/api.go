package exercise

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/web"
)

type exerciseBody struct {
	ID        string     `json:"id"`
	Type      string     `json:"type" enum:"rehearsal,drill,tabletop"`
	Scenario  string     `json:"scenario"`
	Title     string     `json:"title"`
	Incident  string     `json:"incident"`
	State     string     `json:"state" enum:"running,ended"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	TakenAt   *time.Time `json:"taken_at,omitempty" doc:"When somebody took the alarm of a drill"`
	Record    *Record    `json:"record,omitempty" doc:"Written when it ends"`
}

func bodyOf(e Exercise) exerciseBody {
	b := exerciseBody{
		ID: string(e.ID), Type: string(e.Type), Scenario: string(e.Scenario), Title: e.Title, Incident: string(e.Incident), State: string(e.State), StartedAt: e.StartedAt,
	}
	if e.Alarm.Taken() {
		b.TakenAt = &e.Alarm.TakenAt
	}
	if e.State == Ended {
		b.EndedAt, b.Record = &e.EndedAt, &e.Record
	}
	return b
}

type exercisePath struct {
	ID string `path:"id"`
}

type exerciseStart struct {
	Body struct {
		Type     string `json:"type,omitempty" enum:"rehearsal,drill,tabletop" default:"rehearsal"`
		Scenario string `json:"scenario" doc:"As in GET /api/v1/templates"`
	}
}

// API hangs the exercises into /api/v1.
func (r *Room) API(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/exercises" + path, Summary: summary, Tags: []string{"exercises"}, DefaultStatus: status}
	}
	one := func(e Exercise, err error) (*web.One[exerciseBody], error) {
		return &web.One[exerciseBody]{Body: bodyOf(e)}, err
	}
	web.Operation(a, op("list-exercises", http.MethodGet, "", "List exercises, the newest first", 200), scope,
		func(ctx context.Context, in *web.Paging) (*web.List[exerciseBody], error) {
			all, err := r.List(ctx, ID(in.After), in.Limit)
			items, next := make([]exerciseBody, len(all)), ""
			for i, e := range all {
				items[i] = bodyOf(e)
			}
			if len(all) == in.Limit {
				next = items[in.Limit-1].ID
			}
			return web.NewList(items, next), err
		})
	web.Operation(a, op("start-exercise", http.MethodPost, "", "Start an exercise; a rehearsal is over when this answers", 201), scope,
		func(ctx context.Context, in *exerciseStart) (*web.One[exerciseBody], error) {
			t := Type(in.Body.Type)
			if t == "" {
				t = Rehearsal
			}
			return one(r.Begin(ctx, t, template.Scenario(in.Body.Scenario)))
		})
	web.Operation(a, op("get-exercise", http.MethodGet, "/{id}", "Show one exercise with its record", 200), scope,
		func(ctx context.Context, in *exercisePath) (*web.One[exerciseBody], error) {
			return one(r.Get(ctx, ID(in.ID)))
		})
	web.Operation(a, op("take-exercise", http.MethodPost, "/{id}/take", "Take the alarm of a drill", 200), scope,
		func(ctx context.Context, in *exercisePath) (*web.One[exerciseBody], error) {
			return one(r.Take(ctx, ID(in.ID)))
		})
	web.Operation(a, op("end-exercise", http.MethodPost, "/{id}/end", "End an exercise and write its record", 200), scope,
		func(ctx context.Context, in *exercisePath) (*web.One[exerciseBody], error) {
			return one(r.End(ctx, ID(in.ID)))
		})
}
