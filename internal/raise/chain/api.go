package chain

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// chainBody is a chain as programs speak of it; the keys are those of tuermer.yaml.
type chainBody struct {
	Slug     string          `json:"slug" doc:"Names the chain in configuration, API and addresses"`
	Name     string          `json:"name"`
	Services []string        `json:"services" required:"false" nullable:"true" doc:"Slugs of the services that it is for"`
	Default  bool            `json:"default" required:"false" doc:"For every service that no chain names, and for what belongs to no known service"`
	Receipt  string          `json:"receipt,omitempty" doc:"How long a way has to show that it arrived, such as 2m; default 2m"`
	Active   *bool           `json:"active,omitempty" doc:"false: a draft that wakes nobody; default true"`
	Steps    []chainStepBody `json:"steps" nullable:"false"`
	Declared bool            `json:"declared" readOnly:"true" required:"false" doc:"Stands in tuermer.yaml and is changed there"`
	Findings []chainFlawBody `json:"findings,omitempty" readOnly:"true" required:"false" doc:"What would go wrong if an alarm came now"`
}

type chainStepBody struct {
	Notify   []string `json:"notify" nullable:"false" doc:"person:MAIL, role:NAME, roster:SLUG, owner or all"`
	By       []string `json:"by,omitempty" nullable:"true" doc:"Ways in the order in which they are tried: mail, alternative, sms, push, voice, chat; empty: all"`
	Wait     string   `json:"wait,omitempty" doc:"Time for an answer, such as 5m; default 5m"`
	Repeat   int      `json:"repeat,omitempty" doc:"How often the step is told again before the next one"`
	Everyone bool     `json:"everyone,omitempty" doc:"Everybody of the step must acknowledge"`
}

type chainFlawBody struct {
	Flaw    string `json:"flaw" doc:"Stable word: no_services, two_chains, unreachable, ownerless, in_vain, lonely_role, rings_too_long, loop, own_late, roster_gap, no_independent"`
	Step    int    `json:"step,omitempty" doc:"Counted from 1; absent: the chain as a whole"`
	Text    string `json:"text"`
	Serious bool   `json:"serious"`
}

func bodyOf(c Chain) chainBody {
	active := !c.Resting
	b := chainBody{Slug: c.Slug, Name: c.Name, Services: c.Services, Default: c.Default, Active: &active, Declared: c.Declared, Steps: []chainStepBody{}}
	if b.Services == nil {
		b.Services = []string{}
	}
	if c.Receipt > 0 {
		b.Receipt = c.Receipt.String()
	}
	for _, s := range c.Steps {
		x := chainStepBody{Wait: s.WaitFor().String(), Repeat: s.Repeat, Everyone: s.Everyone}
		for _, w := range s.Notify {
			x.Notify = append(x.Notify, string(w))
		}
		for _, w := range s.By {
			x.By = append(x.By, string(w))
		}
		b.Steps = append(b.Steps, x)
	}
	return b
}

func (b chainBody) chain() (Chain, error) {
	c := Chain{Slug: b.Slug, Name: b.Name, Services: b.Services, Default: b.Default, Resting: b.Active != nil && !*b.Active}
	var err error
	if c.Receipt, err = readSpan(b.Receipt); err != nil {
		return c, errBadSpan
	}
	for _, x := range b.Steps {
		s := Step{Repeat: x.Repeat, Everyone: x.Everyone}
		for _, n := range x.Notify {
			w, ok := ParseWho(n)
			if !ok {
				w = Who(n) // refused by Check, in words
			}
			s.Notify = append(s.Notify, w)
		}
		for _, w := range x.By {
			s.By = append(s.By, Way(w))
		}
		if s.Wait, err = readSpan(x.Wait); err != nil {
			return c, errBadSpan
		}
		c.Steps = append(c.Steps, s)
	}
	return c, nil
}

func readSpan(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	return time.ParseDuration(s)
}

type chainPath struct {
	Slug string `path:"slug"`
}

type chainCreate struct{ Body chainBody }

type chainSave struct {
	Slug string `path:"slug"`
	Body chainBody
}

type chainLadder struct {
	Slug    string    `path:"slug"`
	Service string    `query:"service" doc:"Slug of the service that the alarm is about"`
	At      time.Time `query:"at" doc:"When the alarm comes; absent: now"`
}

type chainRungBody struct {
	Step      int               `json:"step" doc:"Counted from 1"`
	At        time.Time         `json:"at" doc:"When it would be told, if nobody answered before"`
	People    []chainCalledBody `json:"people"`
	InVain    []chainMissBody   `json:"in_vain" doc:"Names that lead to nobody, and why"`
	Otherwise bool              `json:"otherwise" doc:"Nobody stands there: those responsible otherwise are told"`
}

type chainCalledBody struct {
	Name string         `json:"name"`
	Ways []chainWayBody `json:"ways" doc:"In the order in which they would be tried"`
}

type chainWayBody struct {
	Way     string `json:"way"`
	Lacking string `json:"lacking,omitempty" doc:"Why it leads nowhere: no_address, no_alternative, no_mobile, no_device, no_route"`
}

type chainMissBody struct {
	Who    string `json:"who"`
	Reason string `json:"reason" doc:"no_person, blocked, no_role, no_roster, nobody_on, unreadable, no_owner"`
}

// API adds this room's operations.
func (r *Room) API(a *web.API) {
	const scope = "alerts"
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"chains"}}
	}
	web.Operation(a, op("list-chains", http.MethodGet, "/chains", "List the escalation chains"), scope, r.apiList)
	web.Operation(a, op("get-chain", http.MethodGet, "/chains/{slug}", "One chain, with what would go wrong"), scope, r.apiGet)
	web.Operation(a, op("chain-ladder", http.MethodGet, "/chains/{slug}/ladder", "Who would be woken, when and how; wakes nobody"), scope, r.apiLadder)
	create := op("create-chain", http.MethodPost, "/chains", "Create a chain")
	create.DefaultStatus = http.StatusCreated
	web.Operation(a, create, scope, r.apiCreate)
	web.Operation(a, op("save-chain", http.MethodPut, "/chains/{slug}", "Change a chain as a whole"), scope, r.apiSave)
	web.Operation(a, op("remove-chain", http.MethodDelete, "/chains/{slug}", "Delete a chain"), scope, r.apiRemove)
}

func (r *Room) apiList(ctx context.Context, q *struct{ web.Paging }) (*web.List[chainBody], error) {
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(c Chain) bool { return c.Slug == q.After }); i >= 0 {
		all = all[i+1:]
	}
	next := ""
	if q.Limit > 0 && len(all) > q.Limit {
		all = all[:q.Limit]
		next = all[q.Limit-1].Slug
	}
	out := make([]chainBody, len(all))
	for i, c := range all {
		out[i] = bodyOf(c)
	}
	return web.NewList(out, next), nil
}

func (r *Room) apiGet(ctx context.Context, p *chainPath) (*web.One[chainBody], error) {
	c, err := r.Get(ctx, p.Slug)
	if err != nil {
		return nil, err
	}
	found, err := r.Lint(ctx, c)
	if err != nil {
		return nil, err
	}
	b := bodyOf(c)
	for _, f := range found {
		b.Findings = append(b.Findings, chainFlawBody{Flaw: string(f.Flaw), Step: f.Step, Text: f.Text(i18n.Of(ctx)), Serious: f.Serious})
	}
	return &web.One[chainBody]{Body: b}, nil
}

func (r *Room) apiLadder(ctx context.Context, q *chainLadder) (*web.List[chainRungBody], error) {
	c, err := r.Get(ctx, q.Slug)
	if err != nil {
		return nil, err
	}
	at := q.At
	if at.IsZero() {
		at = r.o.Clock.Now()
	}
	rungs, err := r.Ladder(ctx, c, q.Service, at.UTC())
	if err != nil {
		return nil, err
	}
	out := make([]chainRungBody, len(rungs))
	for i, g := range rungs {
		b := chainRungBody{Step: g.Step + 1, At: g.At, People: []chainCalledBody{}, InVain: []chainMissBody{}, Otherwise: len(g.People) == 0}
		for _, p := range g.People {
			x := chainCalledBody{Name: p.Person.Name, Ways: []chainWayBody{}}
			for _, y := range p.Contacts {
				x.Ways = append(x.Ways, chainWayBody{string(y.Way), string(y.Lacking)})
			}
			b.People = append(b.People, x)
		}
		for _, m := range g.Missed {
			b.InVain = append(b.InVain, chainMissBody{string(m.Who), string(m.Reason)})
		}
		out[i] = b
	}
	return web.NewList(out, ""), nil
}

func (r *Room) apiCreate(ctx context.Context, in *chainCreate) (*web.One[chainBody], error) {
	return r.apiPut(ctx, in.Body, r.Create)
}

func (r *Room) apiSave(ctx context.Context, in *chainSave) (*web.One[chainBody], error) {
	in.Body.Slug = in.Slug
	return r.apiPut(ctx, in.Body, r.Save)
}

func (r *Room) apiPut(ctx context.Context, b chainBody, put func(context.Context, Chain) error) (*web.One[chainBody], error) {
	if err := mayChange(ctx); err != nil {
		return nil, err
	}
	c, err := b.chain()
	if err != nil {
		return nil, err
	}
	if err := put(ctx, c); err != nil {
		return nil, err
	}
	return &web.One[chainBody]{Body: bodyOf(c)}, nil
}

func (r *Room) apiRemove(ctx context.Context, p *chainPath) (*struct{}, error) {
	return nil, r.Remove(ctx, p.Slug)
}
