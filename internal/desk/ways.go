package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// wayRow is one way out with how it was last tried.
type wayRow struct {
	Way     string // "mail/primary", "phone"
	Name    string
	Machine bool // tried by pressing the button; else a person tries and tells
	Tested  plan.Tested
}

// waysView is the channel matrix.
type waysView struct {
	Ways      []wayRow
	Audiences []plan.Audience
	May       bool
	Form      *web.Form
}

// byHand are the ways that a person tries and tells of.
func byHand() []string {
	return slices.DeleteFunc(plan.Ways(), func(w string) bool { return slices.Contains([]string{"mail", "webhook", "page"}, w) })
}

func (d *Desk) ways(ctx context.Context) (v waysView, err error) {
	v.May, v.Form = plan.MayTest(ctx) == nil, web.NewForm(nil)
	if v.Audiences, err = d.o.Plan.Audiences(ctx); err != nil {
		return v, err
	}
	tested, err := d.o.Plan.TestedWays(ctx)
	if err != nil {
		return v, err
	}
	routes, err := d.routes(ctx)
	if err != nil {
		return v, err
	}
	v.Ways = append(v.Ways, wayRow{"page", i18n.T(ctx, "plan.way_page"), true, tested["page"]})
	for _, r := range routes {
		v.Ways = append(v.Ways, wayRow{r.Slug, r.Name, true, tested[r.Slug]})
	}
	for _, w := range byHand() {
		used := slices.ContainsFunc(v.Audiences, func(a plan.Audience) bool { return slices.Contains(a.Profile.Ways, w) })
		if used || tested[w].Last.ID != "" {
			v.Ways = append(v.Ways, wayRow{w, i18n.T(ctx, "plan.way_"+w), false, tested[w]})
		}
	}
	return v, nil
}

func (d *Desk) pageWays(w http.ResponseWriter, r *http.Request) error {
	v, err := d.ways(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, waysPage(v))
}

func (d *Desk) postWay(w http.ResponseWriter, r *http.Request) error {
	if err := plan.MayTest(r.Context()); err != nil {
		return err
	}
	f, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	if _, err := d.testWay(r.Context(), f.Get("way"), f.Get("result"), f.Get("note")); err != nil {
		return err
	}
	return web.SeeOther(w, r, "/kit/ways")
}

// testWay tries a way out and keeps how it went. By machine it really sends:
// a mail to whoever asks, a request to each webhook, a visit to the status page.
// Other ways a person tries, and tells the result: "ok" or "failed".
func (d *Desk) testWay(ctx context.Context, way, result, note string) (plan.Test, error) {
	if err := plan.MayTest(ctx); err != nil {
		return plan.Test{}, err
	}
	t := plan.Test{Way: way}
	kind, route, _ := strings.Cut(way, "/")
	routes, err := d.routes(ctx)
	if err != nil {
		return t, err
	}
	known := slices.ContainsFunc(routes, func(r plan.Named) bool { return r.Slug == way })
	switch {
	case known && kind == string(channel.Mail):
		t.Detail, err = d.tryMail(ctx, route)
	case known && kind == string(channel.Webhook):
		t.Detail, err = d.tryHooks(ctx, route)
	case way == "page":
		t.Detail, err = d.tryPage(ctx)
	case slices.Contains(byHand(), way) && result == "ok":
		t.Detail = note
	case slices.Contains(byHand(), way) && result == "failed":
		err = fmt.Errorf("%s", note)
	default:
		return t, fault.New(fault.Invalid, "desk.no_such_way").Field("way", "desk.no_such_way")
	}
	if f := fault.As(err); err != nil && f.Kind != fault.Internal {
		return t, err // nothing was tried
	}
	if t.OK = err == nil; !t.OK {
		t.Detail = err.Error()
	}
	return d.o.Plan.RecordTest(ctx, t)
}

func (d *Desk) tryMail(ctx context.Context, route string) (string, error) {
	me, err := d.o.Identity.Person(ctx, identity.PersonID(ident.ActorOf(ctx).Person))
	if err != nil {
		return "", fault.New(fault.Invalid, "desk.test_nobody").With(err)
	}
	now := d.o.Clock.Now()
	rc, err := d.o.Channel.Try(ctx, route, channel.Message{
		ID: "test-" + ident.NewID(now), Kind: channel.Mail, Class: channel.Single, Realm: channel.Live, To: me.Email, ToName: me.Name,
		Subject: i18n.T(ctx, "desk.test_subject", route), Text: i18n.T(ctx, "desk.test_text", route, me.Name, i18n.Stand(ctx, now)),
		Language: string(i18n.Of(ctx).Lang), Automatic: true, Date: now,
	})
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(i18n.T(ctx, "desk.test_to", me.Email) + " " + rc.Reference), nil
}

func (d *Desk) tryHooks(ctx context.Context, route string) (string, error) {
	hooks, err := d.hooks(ctx)
	if err != nil {
		return "", err
	}
	now := d.o.Clock.Now()
	body, err := json.Marshal(map[string]any{"event": "test", "at": now, "text": i18n.T(ctx, "desk.test_subject", route)})
	if err != nil {
		return "", err
	}
	var told []string
	plain := body
	for _, h := range hooks {
		body := plain
		if h.Form.Chat() {
			if body, err = h.Form.Body(channel.Note{Title: i18n.T(ctx, "desk.test_subject", route), Text: i18n.T(ctx, "desk.test_chat", i18n.Stand(ctx, now))}); err != nil {
				return "", err
			}
		}
		_, err := d.o.Channel.Try(ctx, route, channel.Message{
			ID: "test-" + ident.NewID(now), Kind: channel.Webhook, Class: channel.Single, Realm: channel.Live, To: h.URL, Declared: h.Declared, Payload: body, Form: h.Form, Rest: h.Rest,
			Secret: h.Secret, Date: now,
		})
		host := h.URL
		if u, perr := url.Parse(h.URL); perr == nil {
			host = u.Host // the path may be a secret
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", host, err)
		}
		told = append(told, host)
	}
	return strings.Join(told, ", "), nil
}

func (d *Desk) tryPage(ctx context.Context) (string, error) {
	town, err := d.o.Identity.Current(ctx)
	if err != nil {
		return "", err
	}
	if town.PublicURL == "" || d.o.Fetch == nil {
		return "", fault.New(fault.Conflict, "plan.miss_public_url")
	}
	return town.PublicURL, d.o.Fetch(ctx, town.PublicURL+"/")
}
