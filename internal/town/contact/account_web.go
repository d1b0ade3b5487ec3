package contact

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// AccountsPath is the register of the town's accounts in networks.
const AccountsPath = Path + "/accounts"

func (r *Room) accountRoutes(s *web.Site) {
	s.Handle("GET "+AccountsPath, web.Staff(r.pageAccounts))
	s.Handle("POST "+AccountsPath, web.Staff(r.postAccount))
	s.Handle("GET "+AccountsPath+"/{id}", web.Staff(r.pageAccount))
	s.Handle("POST "+AccountsPath+"/{id}", web.Staff(r.postAccount))
	s.Handle("POST "+AccountsPath+"/{id}/remove", web.Staff(r.postAccountRemove))
}

type accountsView struct {
	Accounts []RegisteredAccount
	Seen     []Seen
	Form     *web.Form
}

func (r *Room) pageAccounts(w http.ResponseWriter, req *http.Request) error {
	return r.showAccounts(w, req, http.StatusOK, web.NewForm(nil))
}

func (r *Room) showAccounts(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	accounts, seen, err := r.Accounts(req.Context())
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, accountsPage(accountsView{accounts, seen, f}))
}

func (r *Room) pageAccount(w http.ResponseWriter, req *http.Request) error {
	a, _, err := r.Account(req.Context(), req.PathValue("id"))
	if err != nil {
		return err
	}
	f := web.NewForm(map[string]string{"network": a.Network, "name": a.Name, "recovery": a.Recovery, "second": a.Second})
	return web.Render(w, req, accountPage(a, f))
}

// postAccount enters an account, or changes the one in the address.
func (r *Room) postAccount(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayLook(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	a := RegisteredAccount{ID: req.PathValue("id"), Network: f.Get("network"), Name: f.Get("name"), Recovery: f.Get("recovery"), Second: f.Get("second")}
	if _, err := r.KeepAccount(ctx, a); err != nil {
		if !f.Take(err) {
			return err
		}
		if a.ID == "" {
			return r.showAccounts(w, req, http.StatusUnprocessableEntity, f)
		}
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, accountPage(a, f))
	}
	return web.SeeOther(w, req, AccountsPath)
}

func (r *Room) postAccountRemove(w http.ResponseWriter, req *http.Request) error {
	if err := r.DropAccount(req.Context(), req.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, req, AccountsPath)
}

// accountsSay is the one sentence on how things stand.
func accountsSay(ctx context.Context, v accountsView) string {
	switch red := count(v.Seen, Shared); {
	case len(v.Accounts) == 0:
		return i18n.T(ctx, "contact.accounts_none")
	case red > 0:
		return i18n.N(ctx, "contact.accounts_red", red)
	}
	return i18n.N(ctx, "contact.accounts_say", len(v.Accounts))
}

// networks are offered; any other may be typed.
func networks() []string {
	return []string{"Mastodon", "Bluesky", "Facebook", "Instagram", "Threads", "X", "YouTube", "LinkedIn", "WhatsApp", "Telegram", "TikTok"}
}

type registeredAccountBody struct {
	ID       string   `json:"id,omitempty" readOnly:"true"`
	Network  string   `json:"network" doc:"Mastodon, Facebook …"`
	Name     string   `json:"name" doc:"What the account is called there"`
	Recovery string   `json:"recovery,omitempty" doc:"The mail address that the network knows"`
	Second   string   `json:"second,omitempty" doc:"Who holds the second factor"`
	State    State    `json:"state,omitempty" readOnly:"true" doc:"shared is red: the recovery mail falls together with the town's own systems; unknown, apart"`
	Why      []string `json:"why,omitempty" readOnly:"true" doc:"What was found, in words"`
}

type registeredAccountInput struct{ Body registeredAccountBody }

type registeredAccountChange struct {
	ID   string `path:"id"`
	Body registeredAccountBody
}

type registeredAccountPath struct {
	ID string `path:"id"`
}

func accountBody(ctx context.Context, a RegisteredAccount, s Seen) registeredAccountBody {
	return registeredAccountBody{ID: a.ID, Network: a.Network, Name: a.Name, Recovery: a.Recovery, Second: a.Second, State: s.State, Why: s.why(i18n.Of(ctx))}
}

func (b registeredAccountBody) account(id string) RegisteredAccount {
	return RegisteredAccount{ID: id, Network: b.Network, Name: b.Name, Recovery: b.Recovery, Second: b.Second}
}

func (r *Room) accountAPI(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/contact/accounts" + path, Summary: summary, Tags: []string{"people"}, DefaultStatus: status}
	}
	one := func(ctx context.Context, id string) (*web.One[registeredAccountBody], error) {
		x, s, err := r.Account(ctx, id)
		return &web.One[registeredAccountBody]{Body: accountBody(ctx, x, s)}, err
	}
	keep := func(ctx context.Context, x RegisteredAccount) (*web.One[registeredAccountBody], error) {
		x, err := r.KeepAccount(ctx, x)
		if err != nil {
			return nil, err
		}
		return one(ctx, x.ID)
	}
	web.Operation(a, op("list-registered-accounts", http.MethodGet, "", "List the town's accounts in networks, and whether their recovery mails fall together with the town", 200), scope,
		func(ctx context.Context, in *web.Paging) (*web.List[registeredAccountBody], error) {
			accounts, seen, err := r.Accounts(ctx)
			var out []registeredAccountBody
			from, next := in.After == "", ""
			for i, x := range accounts {
				if len(out) == in.Limit {
					next = out[len(out)-1].ID
					break
				}
				if from {
					out = append(out, accountBody(ctx, x, seen[i]))
				}
				from = from || x.ID == in.After
			}
			return web.NewList(out, next), err
		})
	web.Operation(a, op("add-registered-account", http.MethodPost, "", "Enter an account of the town", 201), scope,
		func(ctx context.Context, in *registeredAccountInput) (*web.One[registeredAccountBody], error) {
			return keep(ctx, in.Body.account(""))
		})
	web.Operation(a, op("get-registered-account", http.MethodGet, "/{id}", "One of the town's accounts", 200), scope,
		func(ctx context.Context, in *registeredAccountPath) (*web.One[registeredAccountBody], error) {
			return one(ctx, in.ID)
		})
	web.Operation(a, op("change-registered-account", http.MethodPut, "/{id}", "Change an account of the town", 200), scope,
		func(ctx context.Context, in *registeredAccountChange) (*web.One[registeredAccountBody], error) {
			return keep(ctx, in.Body.account(in.ID))
		})
	web.Operation(a, op("remove-registered-account", http.MethodDelete, "/{id}", "Take an account out of the register", 204), scope,
		func(ctx context.Context, in *registeredAccountPath) (*struct{}, error) {
			return nil, r.DropAccount(ctx, in.ID)
		})
}
