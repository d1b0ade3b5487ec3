package app

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
)

// scopeAdmin limits tokens for acts of administrators.
const scopeAdmin = "admin"

// mayTell keeps others from what is held about a person.
func mayTell(ctx context.Context) error {
	if a := ident.ActorOf(ctx); !a.Has(string(identity.RoleAdmin)) || !a.Allows(scopeAdmin) {
		return identity.ErrForbidden
	}
	return nil
}

type personInput struct {
	ID string `path:"id"`
}

type eraseInput struct {
	ID   string `path:"id"`
	Body struct {
		Confirm string `json:"confirm" doc:"The person's official mail address, once more: an erasure cannot be taken back"`
	}
}

// personalAPI answers what is held about a person, and erases them. Telling is a
// POST as well, for it is written down who asked.
func (a *App) personalAPI(api *web.API) {
	op := func(path, id, summary string) huma.Operation {
		return huma.Operation{Method: http.MethodPost, Path: "/api/v1" + path, OperationID: id, Summary: summary, Tags: []string{"people"}}
	}
	web.Operation(api, op("/people/{id}/data", "tell-person-data", "All that is held about a person"), scopeAdmin,
		func(ctx context.Context, in *personInput) (*web.One[PersonalData], error) {
			if err := mayTell(ctx); err != nil {
				return nil, err
			}
			p, err := a.identity.Person(ctx, identity.PersonID(in.ID))
			if err != nil {
				return nil, err
			}
			d, err := a.ExportPerson(ctx, p)
			return &web.One[PersonalData]{Body: d}, err
		})
	web.Operation(api, op("/people/{id}/erase", "erase-person", "Erase a person, but for what proves what the town did"), scopeAdmin,
		func(ctx context.Context, in *eraseInput) (*web.One[Erasure], error) {
			if err := mayTell(ctx); err != nil {
				return nil, err
			}
			p, err := a.identity.Person(ctx, identity.PersonID(in.ID))
			if err != nil {
				return nil, err
			}
			if !strings.EqualFold(strings.TrimSpace(in.Body.Confirm), p.Email) {
				return nil, fault.New(fault.Invalid, "app.erase_unconfirmed").Field("confirm", "app.erase_unconfirmed")
			}
			e, err := a.ErasePerson(ctx, p)
			return &web.One[Erasure]{Body: e}, err
		})
}
