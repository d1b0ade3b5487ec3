package desk

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/web"
	"tuermer/internal/raise/roster"
)

// messengerView is what stands about messengers on the page "So erreichen wir Sie".
type messengerView struct {
	All  []roster.Account
	Open bool // there is a messenger in which an account can be confirmed
}

// codeView is the page that shows a code this once.
type codeView struct {
	Code  string
	Until time.Time
}

func (d *Desk) messengerRoutes(s *web.Site) {
	s.Handle("POST "+reachPath+"/messenger", web.Staff(d.postMessengerCode))
	s.Handle("POST "+reachPath+"/messenger/{id}/remove", web.Staff(d.postMessengerRemove))
}

func (d *Desk) postMessengerCode(w http.ResponseWriter, r *http.Request) error {
	code, until, err := d.o.Roster.MessengerCode(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return web.Render(w, r, codePage(codeView{code, until}))
}

func (d *Desk) postMessengerRemove(w http.ResponseWriter, r *http.Request) error {
	if err := d.o.Roster.DropMessengerAccount(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, r, reachPath+"#messenger")
}

type messengerAccountBody struct {
	ID      string    `json:"id"`
	Hook    string    `json:"hook" doc:"Name of the messenger command by which it was confirmed"`
	Product string    `json:"product"`
	Name    string    `json:"name" doc:"As the messenger calls it"`
	MadeAt  time.Time `json:"made_at"`
}

type messengerCodeBody struct {
	Code  string    `json:"code" doc:"Written once as /dienst ich CODE; told this once"`
	Until time.Time `json:"until"`
}

func (d *Desk) messengerAPI(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"people"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-own-messenger-accounts", http.MethodGet, "/reach/messenger", "List the own accounts in messengers that ask for duties", 200), "people", func(ctx context.Context, _ *struct{}) (*web.List[messengerAccountBody], error) {
		all, _, err := d.o.Roster.MessengerAccounts(ctx)
		if err != nil {
			return nil, err
		}
		out := make([]messengerAccountBody, len(all))
		for i, x := range all {
			out[i] = messengerAccountBody{x.ID, x.Hook, string(x.Product), x.Name, x.At}
		}
		return web.NewList(out, ""), nil
	})
	web.Operation(a, op("make-own-messenger-code", http.MethodPost, "/reach/messenger", "Make a code that confirms an account in a messenger as one's own", 201), "people", func(ctx context.Context, _ *struct{}) (*web.One[messengerCodeBody], error) {
		code, until, err := d.o.Roster.MessengerCode(ctx)
		if err != nil {
			return nil, err
		}
		return &web.One[messengerCodeBody]{Body: messengerCodeBody{code, until}}, nil
	})
	web.Operation(a, op("remove-own-messenger-account", http.MethodDelete, "/reach/messenger/{id}", "Disconnect an account in a messenger", 204), "people", func(ctx context.Context, in *idPath) (*struct{}, error) {
		return nil, d.o.Roster.DropMessengerAccount(ctx, in.ID)
	})
}
