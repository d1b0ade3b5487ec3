package twin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// Routes adds the console's page.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /twin", web.Staff(r.page))
	s.Handle("POST /twin/push", web.Staff(r.postPush))
}

func (r *Room) page(w http.ResponseWriter, req *http.Request) error {
	o, err := r.Overview(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, overviewPage(o, ident.ActorOf(req.Context()).Has(movers...), r.o.Clock.Now(), req.URL.Query().Has("pushed")))
}

func (r *Room) postPush(w http.ResponseWriter, req *http.Request) error {
	if err := r.Push(req.Context()); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/twin?pushed")
}

// bad counts the targets that do not take copies.
func (o Overview) bad() (n int) {
	for _, s := range o.States {
		if s.Reason != "" {
			n++
		}
	}
	return n
}

func (o Overview) say(ctx context.Context) string {
	waiting := false
	for _, s := range o.States {
		waiting = waiting || s.DoneAt.IsZero()
	}
	switch n := o.bad(); {
	case len(o.States) == 0:
		return i18n.T(ctx, "twin.none")
	case n > 0:
		return i18n.T(ctx, "twin.say_bad", n, len(o.States))
	case waiting:
		return i18n.T(ctx, "twin.say_wait")
	case len(o.States) == 1:
		return i18n.T(ctx, "twin.say_one_ok")
	default:
		return i18n.T(ctx, "twin.say_ok", len(o.States))
	}
}

type twinStateBody struct {
	Name    string `json:"name"`
	Kind    Kind   `json:"kind" enum:"sftp,webdav,directory"`
	View    string `json:"view,omitempty" doc:"Where people read the copy"`
	Current bool   `json:"current" doc:"The last transfer succeeded"`
	DoneAt  string `json:"done_at,omitempty" format:"date-time"`
	AsOf    string `json:"as_of,omitempty" format:"date-time" doc:"Of when the copy there is"`
	Until   string `json:"valid_until,omitempty" format:"date-time"`
	Reason  string `json:"reason,omitempty" doc:"Why it takes nothing: setup, connect, hang, gone, host_key, login, tls, denied, locked, full, moved, write"`
	Detail  string `json:"detail,omitempty"`
	Since   string `json:"failing_since,omitempty" format:"date-time"`
	Alarmed bool   `json:"alarmed"`
}

// API does what the page does.
func (r *Room) API(a *web.API) {
	web.Operation(a, huma.Operation{
		OperationID: "list-twins", Method: http.MethodGet, Path: "/api/v1/twins", Tags: []string{"components"},
		Summary: "Outside hosts of the public page's copy, and how they stand",
	}, "services", func(ctx context.Context, in *struct{ web.Paging }) (*web.List[twinStateBody], error) {
		o, err := r.Overview(ctx)
		if err != nil {
			return nil, err
		}
		items, next, past := []twinStateBody{}, "", in.After == ""
		for _, s := range o.States {
			if !past {
				past = s.Name == in.After
				continue
			}
			if len(items) == in.Limit {
				next = items[len(items)-1].Name
				break
			}
			items = append(items, twinStateBody{
				Name: s.Name, Kind: s.Kind, View: s.View, Current: s.Reason == "" && !s.DoneAt.IsZero(), DoneAt: stamp(s.DoneAt), AsOf: stamp(s.AsOf),
				Until: stamp(s.Until), Reason: s.Reason, Detail: s.Detail, Since: stamp(s.Since), Alarmed: s.Alarmed,
			})
		}
		return web.NewList(items, next), nil
	})
	web.Operation(a, huma.Operation{
		OperationID: "push-twins", Method: http.MethodPost, Path: "/api/v1/twins/push", Tags: []string{"components"},
		Summary: "Make a new copy of the public page and carry it to every outside host now", DefaultStatus: http.StatusAccepted,
	}, "services", func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		return nil, r.Push(ctx)
	})
}
