package alert

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

type silenceLabel struct {
	Name  string `json:"name" maxLength:"200"`
	Value string `json:"value" maxLength:"200"`
}

// silenceWish is what somebody silences.
type silenceWish struct {
	Service string         `json:"service,omitempty" maxLength:"200" doc:"Slug of a service"`
	Source  string         `json:"source,omitempty" maxLength:"200" doc:"Name of another monitoring system, as in /sources"`
	Monitor string         `json:"monitor,omitempty" maxLength:"200" doc:"Slug of a monitor"`
	Labels  []silenceLabel `json:"labels,omitempty" doc:"Marks of what is reported, such as site and host; each must fit exactly"`
	From    *time.Time     `json:"from,omitempty" doc:"When it begins; now when it is left out"`
	Until   time.Time      `json:"until" doc:"When it ends; at most 31 days after it begins"`
	Reason  string         `json:"reason" maxLength:"500"`
}

type silenceBody struct {
	ID        string         `json:"id"`
	Service   string         `json:"service"`
	Source    string         `json:"source"`
	Monitor   string         `json:"monitor"`
	Labels    []silenceLabel `json:"labels"`
	From      time.Time      `json:"from"`
	Until     time.Time      `json:"until"`
	Active    bool           `json:"active" doc:"It holds back alarms now"`
	Reason    string         `json:"reason"`
	CreatedAt time.Time      `json:"created_at"`
	CreatedBy string         `json:"created_by" doc:"Name of the person"`
	EndedAt   *time.Time     `json:"ended_at,omitempty" doc:"When somebody lifted it"`
	EndedBy   string         `json:"ended_by,omitempty"`
}

type silenceInput struct{ Body silenceWish }

type silenceQuery struct {
	web.Paging
	Current bool `query:"current" doc:"Leave out what is over"`
}

type silencePath struct {
	ID string `path:"id" doc:"Id of the silence"`
}

func (r *Room) silenceAPI(a *web.API) {
	tags := []string{"alerts"}
	web.Operation(a, huma.Operation{
		OperationID: "list-silences", Method: http.MethodGet, Path: "/api/v1/silences", Tags: tags, Summary: "List silences, newest first",
	}, "alerts", func(ctx context.Context, q *silenceQuery) (*web.List[silenceBody], error) {
		all, err := r.Silences(ctx, SilenceFilter{Current: q.Current, After: SilenceID(q.After), Limit: q.Limit})
		if err != nil {
			return nil, err
		}
		out, next := make([]silenceBody, 0, len(all)), ""
		for _, s := range all {
			out = append(out, r.silenceBody(s))
		}
		if len(all) > 0 && len(all) == q.Limit {
			next = string(all[len(all)-1].ID)
		}
		return web.NewList(out, next), nil
	})
	web.Operation(a, huma.Operation{
		OperationID: "get-silence", Method: http.MethodGet, Path: "/api/v1/silences/{id}", Tags: tags, Summary: "One silence",
	}, "alerts", func(ctx context.Context, p *silencePath) (*web.One[silenceBody], error) {
		return r.oneSilence(r.SilenceByID(ctx, SilenceID(p.ID)))
	})
	web.Operation(a, huma.Operation{
		OperationID: "create-silence", Method: http.MethodPost, Path: "/api/v1/silences", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Let nobody be woken for something, for a time; what fires on at its end alarms then",
	}, "alerts", func(ctx context.Context, in *silenceInput) (*web.One[silenceBody], error) {
		if !ident.ActorOf(ctx).Has(mayAct...) {
			return nil, ErrForbidden
		}
		b := in.Body
		s := Silence{Match: Match{Service: b.Service, Source: b.Source, Monitor: b.Monitor}, Until: b.Until.UTC(), Reason: b.Reason}
		for _, l := range b.Labels {
			s.Match.Labels = append(s.Match.Labels, Label(l))
		}
		if b.From != nil {
			s.From = b.From.UTC()
		}
		return r.oneSilence(r.Silence(ctx, s))
	})
	web.Operation(a, huma.Operation{
		OperationID: "end-silence", Method: http.MethodDelete, Path: "/api/v1/silences/{id}", Tags: tags,
		Summary: "Lift a silence; what it held back and still fires alarms now", DefaultStatus: http.StatusOK,
	}, "alerts", func(ctx context.Context, p *silencePath) (*web.One[silenceBody], error) {
		return r.oneSilence(r.Unsilence(ctx, SilenceID(p.ID)))
	})
}

func (r *Room) oneSilence(s Silence, err error) (*web.One[silenceBody], error) {
	if err != nil {
		return nil, err
	}
	return &web.One[silenceBody]{Body: r.silenceBody(s)}, nil
}

func (r *Room) silenceBody(s Silence) silenceBody {
	b := silenceBody{
		ID: string(s.ID), Service: s.Match.Service, Source: s.Match.Source, Monitor: s.Match.Monitor, Labels: []silenceLabel{},
		From: s.From, Until: s.Until, Active: s.Active(r.o.Clock.Now()), Reason: s.Reason, CreatedAt: s.CreatedAt, CreatedBy: s.CreatedName,
		EndedAt: orNil(s.EndedAt), EndedBy: s.EndedName,
	}
	for _, l := range s.Match.Labels {
		b.Labels = append(b.Labels, silenceLabel(l))
	}
	return b
}
