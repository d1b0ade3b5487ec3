package statuspage

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/web"
)

type holdBody struct {
	State  State     `json:"state"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

type componentBody struct {
	Service   string    `json:"service" doc:"The service's slug"`
	Name      string    `json:"name"`
	State     State     `json:"state" enum:"operational,maintenance,checking,degraded,down" doc:"What the public page shows"`
	Source    Source    `json:"source" enum:"default,monitor,message,hand" doc:"Why it shows that"`
	Without   State     `json:"without_hold" doc:"What it would show if nobody held it by hand"`
	Firing    bool      `json:"firing" doc:"A confirmed failure is going on"`
	Suspected bool      `json:"attack_suspected" doc:"Monitors do not move the page until a person decides"`
	Hold      *holdBody `json:"hold,omitempty"`
}

func bodyOf(c Component) componentBody {
	out := componentBody{
		Service: c.Service.Slug, Name: c.Service.Name, State: c.State, Source: c.Source, Without: c.Without,
		Firing: c.Firing, Suspected: c.Suspected,
	}
	if c.Hold != nil {
		out.Hold = &holdBody{State: c.Hold.State, Reason: c.Hold.Reason, By: c.Hold.Name, At: c.Hold.At}
	}
	return out
}

// API adds what the console can do with the public page.
func (r *Room) API(a *web.API) {
	tags := []string{"components"}
	web.Operation(a, huma.Operation{
		OperationID: "list-components", Method: http.MethodGet, Path: "/api/v1/components", Tags: tags,
		Summary: "Public services as the public page shows them, in its order",
	}, "services", func(ctx context.Context, in *struct{ web.Paging }) (*web.List[componentBody], error) {
		list, err := r.Components(ctx)
		if err != nil {
			return nil, err
		}
		items, next, past := []componentBody{}, "", in.After == ""
		for _, c := range list {
			if !past {
				past = c.Service.Slug == in.After
				continue
			}
			if len(items) == in.Limit {
				next = items[len(items)-1].Service
				break
			}
			items = append(items, bodyOf(c))
		}
		return web.NewList(items, next), nil
	})
	web.Operation(a, huma.Operation{
		OperationID: "hold-component", Method: http.MethodPost, Path: "/api/v1/components/{service}/hold", Tags: tags,
		Summary: "Set a service's public state by hand until it is released",
	}, "services", func(ctx context.Context, in *struct {
		Service string `path:"service"`
		Body    struct {
			State  State  `json:"state" enum:"operational,maintenance,checking,degraded,down"`
			Reason string `json:"reason" doc:"For colleagues and the audit log, never public"`
		}
	},
	) (*web.One[componentBody], error) {
		if err := r.Hold(ctx, in.Service, in.Body.State, in.Body.Reason); err != nil {
			return nil, err
		}
		return r.answer(ctx, in.Service)
	})
	web.Operation(a, huma.Operation{
		OperationID: "release-component", Method: http.MethodPost, Path: "/api/v1/components/{service}/release", Tags: tags,
		Summary: "Let a service follow its monitors and messages again",
	}, "services", func(ctx context.Context, in *struct {
		Service string `path:"service"`
	},
	) (*web.One[componentBody], error) {
		if err := r.Release(ctx, in.Service); err != nil {
			return nil, err
		}
		return r.answer(ctx, in.Service)
	})
}

func (r *Room) answer(ctx context.Context, slug string) (*web.One[componentBody], error) {
	c, err := r.component(ctx, slug)
	if err != nil {
		return nil, err
	}
	return &web.One[componentBody]{Body: bodyOf(c)}, nil
}
