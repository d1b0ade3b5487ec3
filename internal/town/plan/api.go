package plan

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// audienceBody is an audience as the API speaks of it.
type audienceBody struct {
	Slug       string   `json:"slug" required:"false" doc:"Names the audience; the kind when it is left out"`
	Kind       string   `json:"kind" enum:"citizens,press,staff,leadership,council,partners,it,authority" doc:"Decides who must approve and how often they are told"`
	Name       string   `json:"name"`
	Recipients []string `json:"recipients" required:"false" nullable:"true" doc:"Mail addresses; empty for whoever may not see them"`
	Cadence    int      `json:"cadence_minutes,omitempty" minimum:"0" doc:"Time between updates; absent: the default of the kind"`
	Owner      string   `json:"owner,omitempty" doc:"Mail address of the person who looks after them"`
	Deputy     string   `json:"deputy,omitempty"`

	Every    int  `json:"every_minutes" readOnly:"true" required:"false" doc:"Time between updates as it is"`
	Count    int  `json:"recipients_count" readOnly:"true" required:"false"`
	FourEyes bool `json:"four_eyes" readOnly:"true" required:"false" doc:"A second person must approve"`
	Declared bool `json:"declared" readOnly:"true" required:"false" doc:"Stands in tuermer.yaml and is changed there"`
}

func bodyOf(ctx context.Context, a Audience) audienceBody {
	b := audienceBody{
		Slug: a.Slug, Kind: string(a.Kind), Name: a.Name, Recipients: []string{}, Cadence: int(a.Cadence / time.Minute), Owner: a.Owner,
		Deputy: a.Deputy, Every: int(a.Every() / time.Minute), Count: len(a.Recipients), FourEyes: a.Kind.FourEyes(), Declared: a.Declared,
	}
	if mayRead(ctx) && a.Recipients != nil {
		b.Recipients = a.Recipients
	}
	return b
}

func (b audienceBody) audience() Audience {
	a := Audience{
		Slug: b.Slug, Kind: Kind(b.Kind), Name: b.Name, Recipients: b.Recipients,
		Cadence: time.Duration(b.Cadence) * time.Minute, Owner: b.Owner, Deputy: b.Deputy,
	}
	if a.Slug == "" {
		a.Slug = b.Kind
	}
	return a
}

type slugInput struct {
	Slug string `path:"slug"`
}

type createInput struct{ Body audienceBody }

type saveInput struct {
	Slug string `path:"slug"`
	Body audienceBody
}

// API hangs the audiences into /api/v1.
func (r *Room) API(a *web.API) {
	const scope = "people"
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/audiences" + path, Summary: summary, Tags: []string{"audiences"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-audiences", http.MethodGet, "", "List the audiences", 200), scope, r.apiList)
	web.Operation(a, op("get-audience", http.MethodGet, "/{slug}", "Show one audience", 200), scope, r.apiGet)
	web.Operation(a, op("create-audience", http.MethodPost, "", "Create an audience", 201), scope, r.apiCreate)
	web.Operation(a, op("save-audience", http.MethodPut, "/{slug}", "Change an audience as a whole", 200), scope, r.apiSave)
	web.Operation(a, op("remove-audience", http.MethodDelete, "/{slug}", "Delete an audience", 204), scope, r.apiRemove)
	r.kitAPI(a)
}

func (r *Room) apiList(ctx context.Context, in *web.Paging) (*web.List[audienceBody], error) {
	all, err := r.Audiences(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(a Audience) bool { return a.Slug == in.After }); i >= 0 {
		all = all[i+1:]
	}
	next := ""
	if len(all) > in.Limit {
		all = all[:in.Limit]
		next = all[in.Limit-1].Slug
	}
	items := make([]audienceBody, len(all))
	for i, a := range all {
		items[i] = bodyOf(ctx, a)
	}
	return web.NewList(items, next), nil
}

func (r *Room) apiGet(ctx context.Context, in *slugInput) (*web.One[audienceBody], error) {
	a, err := r.Audience(ctx, in.Slug)
	return &web.One[audienceBody]{Body: bodyOf(ctx, a)}, err
}

func (r *Room) apiCreate(ctx context.Context, in *createInput) (*web.One[audienceBody], error) {
	a := in.Body.audience()
	if err := r.Create(ctx, a); err != nil {
		return nil, err
	}
	return r.apiGet(ctx, &slugInput{a.Slug})
}

func (r *Room) apiSave(ctx context.Context, in *saveInput) (*web.One[audienceBody], error) {
	if err := mayChange(ctx); err != nil {
		return nil, err
	}
	if in.Body.Slug != "" && in.Body.Slug != in.Slug {
		return nil, fault.New(fault.Invalid, "plan.invalid").Field("slug", "plan.slug_stays")
	}
	if _, err := r.Audience(ctx, in.Slug); err != nil {
		return nil, err
	}
	a := in.Body.audience()
	a.Slug = in.Slug
	if err := r.Save(ctx, a); err != nil {
		return nil, err
	}
	return r.apiGet(ctx, &slugInput{in.Slug})
}

func (r *Room) apiRemove(ctx context.Context, in *slugInput) (*struct{}, error) {
	return nil, r.Remove(ctx, in.Slug)
}
