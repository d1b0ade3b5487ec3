package identity

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// PersonBody is a person in the API. Private ways to reach somebody are shown
// to administrators and to the person alone.
type PersonBody struct {
	ID          PersonID      `json:"id" readOnly:"true"`
	Name        string        `json:"name"`
	Email       string        `json:"email" doc:"Official address, also the sign-in name"`
	Alternative string        `json:"alternative,omitempty" doc:"Address that shares no fate with the town"`
	Mobile      string        `json:"mobile,omitempty" doc:"E.164"`
	Chat        string        `json:"chat,omitempty" doc:"In a messenger: signal:+49…, threema:ABCDEFGH, matrix:!room:server or ntfy:topic"`
	Roles       []Role        `json:"roles"`
	OrgUnit     string        `json:"org_unit,omitempty"`
	Language    string        `json:"language,omitempty"`
	Blocked     bool          `json:"blocked"`
	Declared    bool          `json:"declared" readOnly:"true" doc:"Stands in tuermer.yaml and is changed there"`
	Verified    bool          `json:"alternative_verified" readOnly:"true"`
	Findings    []FindingBody `json:"findings,omitempty" readOnly:"true"`
	CheckedAt   *time.Time    `json:"checked_at,omitempty" readOnly:"true" doc:"When the alternative address was last compared with the town"`
}

// FindingBody is one thing that may keep an alarm from a person.
type FindingBody struct {
	Cause    Cause    `json:"cause"`
	Severity Severity `json:"severity"`
	With     string   `json:"with,omitempty"`
}

func personBody(ctx context.Context, p Person) PersonBody {
	b := PersonBody{
		ID: p.ID, Name: p.Name, Email: p.Email, Roles: p.Roles, OrgUnit: p.OrgUnit, Language: p.Language,
		Blocked: p.Blocked, Declared: p.Declared, Verified: p.Verified(),
	}
	if b.Roles == nil {
		b.Roles = []Role{}
	}
	a := ident.ActorOf(ctx)
	if a.Has(string(RoleAdmin)) || a.Person == string(p.ID) {
		b.Alternative, b.Mobile, b.Chat = p.Alternative, p.Mobile, p.Chat
		for _, f := range p.Findings {
			b.Findings = append(b.Findings, FindingBody{f.Cause, f.Severity, f.With})
		}
		if !p.CheckedAt.IsZero() {
			b.CheckedAt = &p.CheckedAt
		}
	}
	return b
}

// personInput is what a caller may set. What is missing stays as it is.
type personInput struct {
	Name        *string `json:"name,omitempty"`
	Email       *string `json:"email,omitempty"`
	Alternative *string `json:"alternative,omitempty"`
	Mobile      *string `json:"mobile,omitempty"`
	Chat        *string `json:"chat,omitempty"`
	Roles       *[]Role `json:"roles,omitempty"`
	OrgUnit     *string `json:"org_unit,omitempty"`
	Language    *string `json:"language,omitempty"`
	Blocked     *bool   `json:"blocked,omitempty"`
}

func (in personInput) into(p Person) Person {
	set := func(to *string, from *string) {
		if from != nil {
			*to = *from
		}
	}
	set(&p.Name, in.Name)
	set(&p.Email, in.Email)
	set(&p.Alternative, in.Alternative)
	set(&p.Mobile, in.Mobile)
	set(&p.Chat, in.Chat)
	set(&p.OrgUnit, in.OrgUnit)
	set(&p.Language, in.Language)
	if in.Roles != nil {
		p.Roles = *in.Roles
	}
	if in.Blocked != nil {
		p.Blocked = *in.Blocked
	}
	return p
}

// TokenBody is an API token; Secret is told once, when it is made.
type TokenBody struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes,omitempty" doc:"Absent: everything that the person may"`
	CreatedAt time.Time  `json:"created_at"`
	UsedAt    *time.Time `json:"used_at,omitempty"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	Secret    string     `json:"secret,omitempty"`
}

func tokenBody(t Token) TokenBody {
	b := TokenBody{ID: t.ID, Name: t.Name, Scopes: t.Scopes, CreatedAt: t.CreatedAt}
	if !t.UsedAt.IsZero() {
		b.UsedAt = &t.UsedAt
	}
	if !t.RevokedAt.IsZero() {
		b.RevokedAt = &t.RevokedAt
	}
	return b
}

type listPeopleIn struct {
	web.Paging
	Q    string `query:"q" doc:"Part of name, address or unit"`
	Role string `query:"role" enum:"admin,it,publisher,approver,reader,dpo,onsite"`
}

type personIn struct {
	ID PersonID `path:"id"`
}

type createPersonIn struct{ Body personInput }

type patchPersonIn struct {
	ID   PersonID `path:"id"`
	Body personInput
}

type createTokenIn struct {
	Body struct {
		Name   string   `json:"name"`
		Scopes []string `json:"scopes,omitempty"`
	}
}

type tokenIn struct {
	ID string `path:"id"`
}

// API adds this room's operations.
func (r *Room) API(a *web.API) {
	people := func(method, path, id, summary string) huma.Operation {
		return huma.Operation{Method: method, Path: "/api/v1" + path, OperationID: id, Summary: summary, Tags: []string{"people"}}
	}
	r.rollAPI(a)
	r.joinAPI(a)
	web.Operation(a, people(http.MethodGet, "/people", "list-people", "List people by name"), scopePeople, r.apiPeople)
	web.Operation(a, people(http.MethodGet, "/people/{id}", "get-person", "Show a person"), scopePeople, r.apiPerson)
	create := people(http.MethodPost, "/people", "create-person", "Add a person")
	create.DefaultStatus = http.StatusCreated
	web.Operation(a, create, scopePeople, r.apiCreatePerson)
	web.Operation(a, people(http.MethodPatch, "/people/{id}", "patch-person", "Change a person"), scopePeople, r.apiPatchPerson)

	r.secondAPI(a)
	r.sealAPI(a)
	web.Operation(a, people(http.MethodGet, "/tokens", "list-tokens", "List your own API tokens"), scopeAdmin, r.apiTokens)
	createToken := people(http.MethodPost, "/tokens", "create-token", "Make an API token for yourself")
	createToken.DefaultStatus = http.StatusCreated
	web.Operation(a, createToken, scopeAdmin, r.apiCreateToken)
	web.Operation(a, people(http.MethodDelete, "/tokens/{id}", "revoke-token", "Revoke an API token"), scopeAdmin, r.apiRevokeToken)
}

func (r *Room) apiPeople(ctx context.Context, in *listPeopleIn) (*web.List[PersonBody], error) {
	f := Filter{Query: in.Q, Role: Role(in.Role), After: PersonID(in.After), Limit: in.Limit + 1}
	list, err := r.People(ctx, f)
	if err != nil {
		return nil, err
	}
	next := ""
	if len(list) > in.Limit {
		list = list[:in.Limit]
		next = string(list[in.Limit-1].ID)
	}
	items := make([]PersonBody, len(list))
	for i, p := range list {
		items[i] = personBody(ctx, p)
	}
	return web.NewList(items, next), nil
}

func (r *Room) apiPerson(ctx context.Context, in *personIn) (*web.One[PersonBody], error) {
	p, err := r.Person(ctx, in.ID)
	return &web.One[PersonBody]{Body: personBody(ctx, p)}, err
}

func (r *Room) apiCreatePerson(ctx context.Context, in *createPersonIn) (*web.One[PersonBody], error) {
	p, err := r.SavePerson(ctx, in.Body.into(Person{}))
	return &web.One[PersonBody]{Body: personBody(ctx, p)}, err
}

func (r *Room) apiPatchPerson(ctx context.Context, in *patchPersonIn) (*web.One[PersonBody], error) {
	p, err := r.Person(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	p, err = r.SavePerson(ctx, in.Body.into(p))
	return &web.One[PersonBody]{Body: personBody(ctx, p)}, err
}

func (r *Room) apiTokens(ctx context.Context, _ *struct{}) (*web.List[TokenBody], error) {
	list, err := r.Tokens(ctx, PersonID(ident.ActorOf(ctx).Person))
	items := make([]TokenBody, len(list))
	for i, t := range list {
		items[i] = tokenBody(t)
	}
	return web.NewList(items, ""), err
}

func (r *Room) apiCreateToken(ctx context.Context, in *createTokenIn) (*web.One[TokenBody], error) {
	secretText, t, err := r.CreateToken(ctx, PersonID(ident.ActorOf(ctx).Person), in.Body.Name, in.Body.Scopes)
	b := tokenBody(t)
	b.Secret = secretText
	return &web.One[TokenBody]{Body: b}, err
}

func (r *Room) apiRevokeToken(ctx context.Context, in *tokenIn) (*struct{}, error) {
	return &struct{}{}, r.RevokeToken(ctx, in.ID)
}
