package app

import (
	"context"

	"tuermer/internal/inform/publish"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/channel"
)

// listener is one webhook, of the configuration or of the town's console.
type listener struct {
	channel.Hook
	declared bool
	services []string
}

// listeners are all webhooks of the town in ctx.
func (a *App) listeners(ctx context.Context) ([]listener, error) {
	var out []listener
	if c := a.configOf(ctx); c != nil { // another town's alerts are none of theirs
		for _, w := range c.Webhooks {
			out = append(out, listener{channel.Hook{
				Name: w.Name, URL: w.URL, Secret: []byte(w.Secret.Reveal()), Form: channel.Form(w.Form), Rest: w.rest(), Audiences: w.Audiences, Quiet: w.StatementsOnly,
			}, true, w.Services})
		}
	}
	own, err := a.channel.Hooks(ctx)
	for _, h := range own {
		out = append(out, listener{Hook: h})
	}
	return out, err
}

// hooks are the webhooks that hear of alerts.
type hooks struct{ app *App }

// Hooks implements alert.Hooks.
func (h hooks) Hooks(ctx context.Context) ([]alert.Hook, error) {
	all, err := h.app.listeners(ctx)
	var out []alert.Hook
	for _, l := range all {
		if !l.Quiet {
			out = append(out, l.alert())
		}
	}
	return out, err
}

func (l listener) alert() alert.Hook {
	return alert.Hook{URL: l.URL, Secret: l.Secret, Form: l.Form, Rest: l.Rest, Declared: l.declared, Services: l.services}
}

// everyHook are all webhooks, for trying whether they can be reached.
type everyHook struct{ app *App }

// Hooks implements alert.Hooks.
func (h everyHook) Hooks(ctx context.Context) ([]alert.Hook, error) {
	all, err := h.app.listeners(ctx)
	var out []alert.Hook
	for _, l := range all {
		out = append(out, l.alert())
	}
	return out, err
}

// chats are the webhooks that hear of statements.
type chats struct{ app *App }

// Chats implements publish.Chats.
func (c chats) Chats(ctx context.Context) ([]publish.Chat, error) {
	all, err := c.app.listeners(ctx)
	var out []publish.Chat
	for _, l := range all {
		if len(l.Audiences) > 0 {
			out = append(out, publish.Chat{Name: l.Name, URL: l.URL, Secret: l.Secret, Form: l.Form, Rest: l.Rest, Declared: l.declared, Audiences: l.Audiences})
		}
	}
	return out, err
}
