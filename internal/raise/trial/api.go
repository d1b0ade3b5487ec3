package trial

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

type trialBody struct {
	ID        string            `json:"id"`
	Target    string            `json:"target" doc:"chain:SLUG, roster:SLUG or all"`
	Name      string            `json:"name"`
	Weekly    bool              `json:"weekly" doc:"It was its day"`
	StartedAt time.Time         `json:"started_at"`
	EndedAt   *time.Time        `json:"ended_at,omitempty" doc:"Missing while answers are waited for"`
	Verdict   string            `json:"verdict" enum:",good,gap,red" doc:"red: nobody was reached apart from the town's own systems; gap: somebody was not; empty while it runs"`
	People    int               `json:"people"`
	Answered  int               `json:"answered" doc:"Acknowledged"`
	Receipted int               `json:"receipted" doc:"A receipt alone"`
	Apart     int               `json:"apart" doc:"Reached by something apart from the town's own systems"`
	Called    []trialPersonBody `json:"called,omitempty" doc:"For one run only"`
	Before    *trialBody        `json:"before,omitempty" doc:"The run of the same target before it; for one run only"`
}

type trialPersonBody struct {
	Person     string         `json:"person" doc:"Id"`
	Name       string         `json:"name"`
	Reach      Reach          `json:"reach" enum:"answered,receipt,nothing"`
	Apart      bool           `json:"apart"`
	Way        string         `json:"way,omitempty" doc:"Over which the answer came, else the first receipt"`
	Seconds    *float64       `json:"seconds,omitempty" doc:"After how long"`
	AnsweredAt *time.Time     `json:"answered_at,omitempty"`
	Ways       []trialWayBody `json:"ways"`
}

type trialWayBody struct {
	Way       string     `json:"way"`
	Apart     bool       `json:"apart"`
	Lacking   string     `json:"lacking,omitempty" doc:"Why nothing was sent"`
	TakenAt   *time.Time `json:"taken_at,omitempty"`
	ArrivedAt *time.Time `json:"arrived_at,omitempty"`
	FailedAt  *time.Time `json:"failed_at,omitempty"`
	Reason    string     `json:"reason,omitempty"`
}

type trialPlanBody struct {
	Target  string    `json:"target"`
	Weekday int       `json:"weekday" doc:"0 is Sunday"`
	Hour    int       `json:"hour" doc:"By the clock of the town"`
	NextAt  time.Time `json:"next_at"`
	Skipped string    `json:"skipped,omitempty" doc:"Why the last one was left out: late, busy, soon or gone"`
}

type trialPreviewBody struct {
	Target string             `json:"target"`
	Name   string             `json:"name"`
	Guests []trialGuestBody   `json:"guests"`
	Costs  []trialCostBody    `json:"costs"`
	Missed []trialPreviewMiss `json:"missed"`
	Busy   bool               `json:"busy" doc:"A real alert is open; none can begin"`
}

type trialPreviewMiss struct {
	Who    string `json:"who"`
	Reason string `json:"reason"`
}

type trialGuestBody struct {
	Person string   `json:"person"`
	Name   string   `json:"name"`
	Ways   []string `json:"ways"`
}

type trialCostBody struct {
	Kind     string  `json:"kind"`
	Messages int     `json:"messages"`
	Parts    int     `json:"parts"`
	Known    bool    `json:"known"`
	Cost     float64 `json:"cost"`
	Currency string  `json:"currency,omitempty"`
}

type trialStart struct {
	Body struct {
		Target string `json:"target" doc:"chain:SLUG, roster:SLUG or all"`
	}
}

type trialWeek struct {
	Body struct {
		Target  string `json:"target"`
		Off     bool   `json:"off,omitempty" doc:"End it; day and hour do not count then"`
		Weekday int    `json:"weekday,omitempty" minimum:"0" maximum:"6" doc:"0 is Sunday"`
		Hour    int    `json:"hour,omitempty" minimum:"0" maximum:"23"`
	}
}

type trialPath struct {
	ID string `path:"id"`
}

type trialTarget struct {
	Target string `query:"target" doc:"chain:SLUG, roster:SLUG or all"`
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func bodyOf(r Run) trialBody {
	return trialBody{
		ID: string(r.ID), Target: string(r.Target), Name: r.Name, Weekly: r.Weekly, StartedAt: r.StartedAt, EndedAt: orNil(r.EndedAt), Verdict: string(r.Verdict),
		People: r.People, Answered: r.Answered, Receipted: r.Receipted, Apart: r.Apart,
	}
}

func planBody(p Plan) trialPlanBody {
	return trialPlanBody{string(p.Target), int(p.Weekday), p.Hour, p.NextAt, p.Skipped}
}

func reportBody(rep Report) trialBody {
	b := bodyOf(rep.Run)
	for _, c := range rep.Called {
		x := trialPersonBody{Person: c.Person, Name: c.Name, Reach: c.Reach(), Apart: c.Apart(), AnsweredAt: orNil(c.AnsweredAt), Ways: []trialWayBody{}}
		if w, at, ok := c.By(); ok {
			s := at.Sub(rep.StartedAt).Seconds()
			x.Way, x.Seconds = string(w.Way), &s
		}
		for _, w := range c.Ways {
			x.Ways = append(x.Ways, trialWayBody{string(w.Way), w.Apart, string(w.Lacking), orNil(w.TakenAt), orNil(w.ArrivedAt), orNil(w.FailedAt), w.Reason})
		}
		b.Called = append(b.Called, x)
	}
	if rep.Before != nil {
		before := bodyOf(rep.Before.Run)
		b.Before = &before
	}
	return b
}

// API hangs the test alarms into /api/v1.
func (r *Room) API(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/trials" + path, Summary: summary, Tags: []string{"alerts"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-trials", http.MethodGet, "", "List test alarms, the newest first", 200), scope,
		func(ctx context.Context, in *web.Paging) (*web.List[trialBody], error) {
			all, err := r.List(ctx, ID(in.After), in.Limit)
			items, next := make([]trialBody, len(all)), ""
			for i, x := range all {
				items[i] = bodyOf(x)
			}
			if len(all) == in.Limit {
				next = items[in.Limit-1].ID
			}
			return web.NewList(items, next), err
		})
	web.Operation(a, op("begin-trial", http.MethodPost, "", "Call everybody of a chain, on duty, or on all chains, as a test; it costs what the preview tells", 201), scope,
		func(ctx context.Context, in *trialStart) (*web.One[trialBody], error) {
			run, err := r.Begin(ctx, Target(in.Body.Target))
			return &web.One[trialBody]{Body: bodyOf(run)}, err
		})
	web.Operation(a, op("get-trial", http.MethodGet, "/{id}", "The report of a test alarm", 200), scope,
		func(ctx context.Context, in *trialPath) (*web.One[trialBody], error) {
			rep, err := r.Get(ctx, ID(in.ID))
			return &web.One[trialBody]{Body: reportBody(rep)}, err
		})
	web.Operation(a, op("preview-trial", http.MethodGet, "/preview", "Who would be called, over which ways, and what it costs", 200), scope, r.apiPreview)
	web.Operation(a, op("list-weekly-trials", http.MethodGet, "/weekly", "List the test alarms that begin every week", 200), scope,
		func(ctx context.Context, _ *struct{}) (*web.List[trialPlanBody], error) {
			all, err := r.Plans(ctx)
			out := make([]trialPlanBody, len(all))
			for i, p := range all {
				out[i] = planBody(p)
			}
			return web.NewList(out, ""), err
		})
	web.Operation(a, op("plan-trial", http.MethodPut, "/weekly", "Let a test alarm begin every week, or end that", 200), scope, r.apiWeekly)
}

func (r *Room) apiPreview(ctx context.Context, in *trialTarget) (*web.One[trialPreviewBody], error) {
	v, err := r.Preview(ctx, Target(in.Target))
	if err != nil {
		return nil, err
	}
	b := trialPreviewBody{Target: string(v.Target), Name: v.Name, Busy: v.Busy, Guests: []trialGuestBody{}, Costs: []trialCostBody{}, Missed: []trialPreviewMiss{}}
	for _, g := range v.Guests {
		x := trialGuestBody{Person: string(g.Person.ID), Name: g.Person.Name, Ways: []string{}}
		for _, c := range g.Contacts {
			if c.Lacking == "" {
				x.Ways = append(x.Ways, string(c.Way))
			}
		}
		b.Guests = append(b.Guests, x)
	}
	for _, c := range v.Costs {
		b.Costs = append(b.Costs, trialCostBody{string(c.Kind), c.Messages, c.Parts, c.Known, c.Cost, c.Currency})
	}
	for _, m := range v.Missed {
		b.Missed = append(b.Missed, trialPreviewMiss{string(m.Who), i18n.T(ctx, "chain.miss_"+string(m.Reason))})
	}
	return &web.One[trialPreviewBody]{Body: b}, nil
}

func (r *Room) apiWeekly(ctx context.Context, in *trialWeek) (*web.One[trialPlanBody], error) {
	t := Target(in.Body.Target)
	if in.Body.Off {
		return &web.One[trialPlanBody]{Body: trialPlanBody{Target: in.Body.Target}}, r.NotWeekly(ctx, t)
	}
	p, err := r.Weekly(ctx, t, time.Weekday(in.Body.Weekday), in.Body.Hour)
	return &web.One[trialPlanBody]{Body: planBody(p)}, err
}
