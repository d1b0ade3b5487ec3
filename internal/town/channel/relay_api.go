package channel

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/web"
)

// relayBody is a mail server as the API speaks of it.
type relayBody struct {
	Name     string `json:"name"`
	Position int    `json:"position" doc:"Relays are tried in this order"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	From     string `json:"from"`
	Username string `json:"username,omitempty"`
	TLS      string `json:"tls,omitempty" doc:"none, starttls or tls; empty: as the server offers"`
}

// webhookBody is a webhook as the API speaks of it.
type webhookBody struct {
	Name      string   `json:"name"`
	Place     string   `json:"place" doc:"Where it leads; the rest of the address may be a secret"`
	Form      string   `json:"form,omitempty" doc:"Whose form it speaks; empty: our own document"`
	Rest      *Rest    `json:"rest,omitempty" doc:"The request, of the form rest"`
	Audiences []string `json:"audiences" doc:"It gets what is told to them"`
	Alerts    bool     `json:"alerts" doc:"It hears of every alert"`
}

type relayInput struct {
	Name string `path:"name" maxLength:"60"`
	Body struct {
		Position int    `json:"position,omitempty"`
		Host     string `json:"host"`
		Port     int    `json:"port"`
		From     string `json:"from"`
		Username string `json:"username,omitempty"`
		Password string `json:"password,omitempty" doc:"Empty: the stored one stays"`
		TLS      string `json:"tls,omitempty"`
	}
}

type webhookInput struct {
	Name string `path:"name" maxLength:"60"`
	Body struct {
		URL       string   `json:"url"`
		Secret    string   `json:"secret,omitempty" doc:"Signs what is sent, or is the product's token; empty: the stored one stays"`
		Form      string   `json:"form,omitempty"`
		Rest      *Rest    `json:"rest,omitempty" doc:"The request, of the form rest"`
		Audiences []string `json:"audiences,omitempty"`
		Alerts    bool     `json:"alerts"`
	}
}

type wayNameInput struct {
	Name string `path:"name"`
}

// wayAPI hangs what the page of the ways can do into /api/v1. Passwords, secrets
// and whole addresses of webhooks go in and never out.
func (r *Room) wayAPI(a *web.API) {
	const scope = "admin"
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"ways"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-relays", http.MethodGet, "/relays", "List the mail servers entered in the console", 200), scope, r.apiRelays)
	web.Operation(a, op("put-relay", http.MethodPut, "/relays/{name}", "Enter or change a mail server", 200), scope, r.apiPutRelay)
	web.Operation(a, op("delete-relay", http.MethodDelete, "/relays/{name}", "Remove a mail server", 204), scope, r.apiDeleteRelay)
	web.Operation(a, op("list-webhooks", http.MethodGet, "/webhooks", "List the webhooks entered in the console", 200), scope, r.apiHooks)
	web.Operation(a, op("put-webhook", http.MethodPut, "/webhooks/{name}", "Enter or change a webhook", 200), scope, r.apiPutHook)
	web.Operation(a, op("delete-webhook", http.MethodDelete, "/webhooks/{name}", "Remove a webhook", 204), scope, r.apiDeleteHook)
}

func relayBodyOf(m Relay) relayBody {
	return relayBody{m.Name, m.Position, m.Host, m.Port, m.From, m.Username, m.TLS}
}

func webhookBodyOf(h Hook) webhookBody {
	return webhookBody{h.Name, h.Place(), string(h.Form), h.Rest, append([]string{}, h.Audiences...), !h.Quiet}
}

func (r *Room) apiRelays(ctx context.Context, _ *web.Paging) (*web.List[relayBody], error) {
	if _, err := r.mayConfigure(ctx); err != nil {
		return nil, err
	}
	all, err := r.Relays(ctx)
	bodies := make([]relayBody, len(all))
	for i, m := range all {
		bodies[i] = relayBodyOf(m)
	}
	return web.NewList(bodies, ""), err
}

func (r *Room) apiPutRelay(ctx context.Context, in *relayInput) (*web.One[relayBody], error) {
	b := in.Body
	m := Relay{in.Name, b.Position, b.Host, b.Port, b.From, b.Username, b.TLS, []byte(b.Password)}
	return &web.One[relayBody]{Body: relayBodyOf(m)}, r.SaveRelay(ctx, m)
}

func (r *Room) apiDeleteRelay(ctx context.Context, in *wayNameInput) (*struct{}, error) {
	return nil, r.RemoveRelay(ctx, in.Name)
}

func (r *Room) apiHooks(ctx context.Context, _ *web.Paging) (*web.List[webhookBody], error) {
	if _, err := r.mayConfigure(ctx); err != nil {
		return nil, err
	}
	all, err := r.Hooks(ctx)
	bodies := make([]webhookBody, len(all))
	for i, h := range all {
		bodies[i] = webhookBodyOf(h)
	}
	return web.NewList(bodies, ""), err
}

func (r *Room) apiPutHook(ctx context.Context, in *webhookInput) (*web.One[webhookBody], error) {
	b := in.Body
	h := Hook{in.Name, b.URL, []byte(b.Secret), Form(b.Form), b.Rest, b.Audiences, !b.Alerts}
	return &web.One[webhookBody]{Body: webhookBodyOf(h)}, r.SaveHook(ctx, h)
}

func (r *Room) apiDeleteHook(ctx context.Context, in *wayNameInput) (*struct{}, error) {
	return nil, r.RemoveHook(ctx, in.Name)
}
