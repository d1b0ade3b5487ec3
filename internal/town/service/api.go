package service

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// serviceBody is a service as the API speaks of it; the same names stand in the form.
type serviceBody struct {
	Slug       string   `json:"slug" required:"false" doc:"Names the service in configuration, API and addresses; made of the name when it is left out"`
	Name       string   `json:"name" doc:"Without article: Bürgerportal"`
	Article    string   `json:"article,omitempty" doc:"der, die, das, plural or empty"`
	Dative     string   `json:"dative,omitempty" doc:"With article, where the rule is wrong"`
	Accusative string   `json:"accusative,omitempty" doc:"With article, where the rule is wrong"`
	Short      string   `json:"short,omitempty" doc:"At most 20 characters, for text messages"`
	NameEN     string   `json:"name_en,omitempty"`
	NameLS     string   `json:"name_ls,omitempty" doc:"In Leichter Sprache"`
	Public     bool     `json:"public" required:"false" doc:"Stands on the public page"`
	Owner      string   `json:"owner" required:"false" doc:"Mail address of the person responsible"`
	DependsOn  []string `json:"depends_on" required:"false" nullable:"true" doc:"Slugs"`
	Audiences  []string `json:"audiences" required:"false" nullable:"true" doc:"Slugs of the audiences that must hear of an outage"`
	AutoPublic string   `json:"auto_public" required:"false" doc:"How far the public page follows the monitors by itself: never, checking or confirmed"`
	Position   int      `json:"position,omitempty" doc:"Order on the public page"`

	Workaround         string     `json:"workaround" required:"false" doc:"What people can do instead"`
	WorkaroundShort    string     `json:"workaround_short,omitempty" doc:"At most 30 characters, for text messages"`
	WorkaroundEN       string     `json:"workaround_en,omitempty"`
	WorkaroundDeadline string     `json:"workaround_deadline,omitempty" doc:"The way that keeps a deadline"`
	WorkaroundHours    string     `json:"workaround_hours,omitempty"`
	WorkaroundUntil    *time.Time `json:"workaround_until,omitempty" doc:"Afterwards it is no longer offered"`

	ProviderName     string `json:"provider_name,omitempty"`
	ProviderHotline  string `json:"provider_hotline,omitempty"`
	ProviderContract string `json:"provider_contract,omitempty"`
	ProviderHours    string `json:"provider_hours,omitempty"`
	FirstSteps       string `json:"first_steps,omitempty"`

	Declared bool   `json:"declared" readOnly:"true" required:"false" doc:"Stands in tuermer.yaml and is changed there"`
	State    string `json:"state,omitempty" readOnly:"true" doc:"How its monitors see it: ok, down, checking, maintenance or unknown; absent when nothing watches it"`
}

func bodyOf(s Service, state web.State) serviceBody {
	b := serviceBody{
		Slug: s.Slug, Name: s.Name, Article: s.Article, Dative: s.Dative, Accusative: s.Accusative, Short: s.Short,
		NameEN: s.NameEN, NameLS: s.NameLS, Public: s.Public, Owner: s.Owner, DependsOn: s.DependsOn, Audiences: s.Audiences,
		AutoPublic: string(s.Auto()), Position: s.Position,
		Workaround: s.Workaround.Text, WorkaroundShort: s.Workaround.Short, WorkaroundEN: s.Workaround.TextEN,
		WorkaroundDeadline: s.Workaround.Deadline, WorkaroundHours: s.Workaround.Hours,
		ProviderName: s.Provider.Name, ProviderHotline: s.Provider.Hotline, ProviderContract: s.Provider.Contract,
		ProviderHours: s.Provider.Hours, FirstSteps: s.FirstSteps, Declared: s.Declared, State: string(state),
	}
	if !s.Workaround.ValidUntil.IsZero() {
		b.WorkaroundUntil = &s.Workaround.ValidUntil
	}
	if b.DependsOn == nil {
		b.DependsOn = []string{}
	}
	if b.Audiences == nil {
		b.Audiences = []string{}
	}
	return b
}

func (b serviceBody) service() Service {
	s := Service{
		Slug: b.Slug, Name: b.Name, Article: b.Article, Dative: b.Dative, Accusative: b.Accusative, Short: b.Short,
		NameEN: b.NameEN, NameLS: b.NameLS, Public: b.Public, Owner: b.Owner, DependsOn: b.DependsOn, Audiences: b.Audiences,
		AutoPublic: AutoPublic(b.AutoPublic), Position: b.Position,
		Workaround: Workaround{
			Text: b.Workaround, Short: b.WorkaroundShort, TextEN: b.WorkaroundEN,
			Deadline: b.WorkaroundDeadline, Hours: b.WorkaroundHours,
		},
		Provider:   Provider{Name: b.ProviderName, Hotline: b.ProviderHotline, Contract: b.ProviderContract, Hours: b.ProviderHours},
		FirstSteps: b.FirstSteps,
	}
	if b.WorkaroundUntil != nil {
		s.Workaround.ValidUntil = *b.WorkaroundUntil
	}
	return s
}

type listInput struct {
	web.Paging
	Query string `query:"q" doc:"Part of a name or of the owner's address"`
}

type slugInput struct {
	Slug string `path:"slug"`
}

type createInput struct{ Body serviceBody }

type saveInput struct {
	Slug string `path:"slug"`
	Body serviceBody
}

// API hangs the catalogue into /api/v1.
func (r *Room) API(a *web.API) {
	const scope = "services"
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"services"}}
	}
	web.Operation(a, op("list-services", http.MethodGet, "/services", "List the services"), scope, r.apiList)
	web.Operation(a, op("get-service", http.MethodGet, "/services/{slug}", "Show one service"), scope, r.apiGet)
	create := op("create-service", http.MethodPost, "/services", "Create a service")
	create.DefaultStatus = http.StatusCreated
	web.Operation(a, create, scope, r.apiCreate)
	web.Operation(a, op("save-service", http.MethodPut, "/services/{slug}", "Change a service as a whole"), scope, r.apiSave)
	web.Operation(a, op("remove-service", http.MethodDelete, "/services/{slug}", "Delete a service"), scope, r.apiRemove)
}

func (r *Room) apiList(ctx context.Context, in *listInput) (*web.List[serviceBody], error) {
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	states, err := r.states(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]Service, 0, len(all))
	for _, s := range all {
		if s.matches(in.Query) {
			found = append(found, s)
		}
	}
	part, _, next := page(found, in.After, in.Limit)
	items := make([]serviceBody, len(part))
	for i, s := range part {
		items[i] = bodyOf(s, states[s.Slug])
	}
	return web.NewList(items, next), nil
}

func (r *Room) apiGet(ctx context.Context, in *slugInput) (*web.One[serviceBody], error) {
	s, err := r.Get(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	states, err := r.states(ctx)
	if err != nil {
		return nil, err
	}
	return &web.One[serviceBody]{Body: bodyOf(s, states[s.Slug])}, nil
}

func (r *Room) apiCreate(ctx context.Context, in *createInput) (*web.One[serviceBody], error) {
	s := in.Body.service()
	if s.Slug == "" {
		s.Slug = SlugFor(s.Name)
	}
	if err := r.Create(ctx, s); err != nil {
		return nil, err
	}
	return r.apiGet(ctx, &slugInput{s.Slug})
}

func (r *Room) apiSave(ctx context.Context, in *saveInput) (*web.One[serviceBody], error) {
	if err := mayChange(ctx); err != nil {
		return nil, err
	}
	if in.Body.Slug != "" && in.Body.Slug != in.Slug {
		return nil, fault.New(fault.Invalid, "service.invalid").Field("slug", "service.slug_stays")
	}
	if _, err := r.Get(ctx, in.Slug); err != nil {
		return nil, err
	}
	s := in.Body.service()
	s.Slug = in.Slug
	if err := r.Save(ctx, s); err != nil {
		return nil, err
	}
	return r.apiGet(ctx, &slugInput{in.Slug})
}

func (r *Room) apiRemove(ctx context.Context, in *slugInput) (*struct{}, error) {
	return nil, r.Remove(ctx, in.Slug)
}
