package channel

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fill"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// waysView is the page on which the ways out are set up.
type waysView struct {
	Ways   []WayState
	Relays []Relay
	Hooks  []Hook
	Relay  *web.Form
	Hook   *web.Form
	Test   *web.Form
	// Audiences are what a webhook may hear of.
	Audiences []web.Option
	// Tested is the id of the test mail that was just queued.
	Tested string
}

// WayRoutes are the pages on which administrators set up the ways out.
func (r *Room) WayRoutes(s *web.Site) {
	s.Handle("GET /channel/ways", web.Staff(r.pageWays))
	s.Handle("POST /channel/ways/relay", web.Staff(r.postRelay))
	s.Handle("POST /channel/ways/relay/remove", web.Staff(r.postRelayRemove))
	s.Handle("POST /channel/ways/hook", web.Staff(r.postHook))
	s.Handle("POST /channel/ways/hook/remove", web.Staff(r.postHookRemove))
	s.Handle("POST /channel/ways/test", web.Staff(r.postTest))
}

func (r *Room) waysView(req *http.Request) (v waysView, err error) {
	if !ident.ActorOf(req.Context()).Has("admin") {
		return v, fault.New(fault.Forbidden, "channel.admins_only")
	}
	v = waysView{
		Ways: r.Ways(req.Context()), Relay: web.NewForm(map[string]string{"port": "587", "tls": "starttls"}),
		Hook: web.NewForm(nil), Test: web.NewForm(nil), Tested: req.URL.Query().Get("tested"),
	}
	if v.Relays, err = r.Relays(req.Context()); err != nil {
		return v, err
	}
	if v.Hooks, err = r.Hooks(req.Context()); err != nil || r.o.Audiences == nil {
		return v, err
	}
	all, err := r.o.Audiences(req.Context())
	for _, a := range all {
		v.Audiences = append(v.Audiences, web.Option{Value: a[0], Text: a[1]})
	}
	return v, err
}

func (r *Room) pageWays(w http.ResponseWriter, req *http.Request) error {
	v, err := r.waysView(req)
	if err != nil {
		return err
	}
	for _, m := range v.Relays {
		if m.Name == req.URL.Query().Get("relay") {
			v.Relay = web.NewForm(map[string]string{
				"name": m.Name, "host": m.Host, "port": strconv.Itoa(m.Port), "from": m.From, "username": m.Username, "tls": m.TLS,
			})
		}
	}
	return web.Render(w, req, waysPage(v))
}

// act carries out one posted form: it is shown again with its errors, or the
// page is opened anew.
func (r *Room) act(w http.ResponseWriter, req *http.Request, show func(*waysView, *web.Form), do func(*web.Form) error) error {
	form, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	err = do(form)
	if err == nil {
		return web.SeeOther(w, req, "/channel/ways")
	}
	if !form.Take(err) {
		return err
	}
	v, err := r.waysView(req)
	if err != nil {
		return err
	}
	show(&v, form)
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, waysPage(v))
}

func (r *Room) postRelay(w http.ResponseWriter, req *http.Request) error {
	return r.act(w, req, func(v *waysView, f *web.Form) { v.Relay = f }, func(f *web.Form) error {
		port, err := strconv.Atoi(f.Get("port"))
		if err != nil {
			port = 0 // refused below, in words
		}
		return r.SaveRelay(req.Context(), Relay{
			Name: f.Get("name"), Host: f.Get("host"), Port: port, From: f.Get("from"), Username: f.Get("username"),
			TLS: f.Get("tls"), Password: []byte(f.Values.Get("password")),
		})
	})
}

func (r *Room) postRelayRemove(w http.ResponseWriter, req *http.Request) error {
	return r.act(w, req, func(*waysView, *web.Form) {}, func(f *web.Form) error {
		return r.RemoveRelay(req.Context(), f.Get("name"))
	})
}

func (r *Room) postHook(w http.ResponseWriter, req *http.Request) error {
	return r.act(w, req, func(v *waysView, f *web.Form) { v.Hook = f }, func(f *web.Form) error {
		return r.SaveHook(req.Context(), Hook{
			Name: f.Get("hook_name"), URL: f.Get("url"), Secret: []byte(f.Values.Get("secret")),
			Form: Form(f.Get("form")), Rest: restOf(f), Audiences: f.All("audiences"), Quiet: f.Get("hears") == "statements",
		})
	})
}

// restOf is the request of the form [REST] as the page asks for it; whoever needs
// more of it takes the API or the file.
func restOf(f *web.Form) *Rest {
	if Form(f.Get("form")) != REST {
		return nil
	}
	r := &Rest{
		Preset: f.Get("rest_preset"), User: f.Get("rest_user"), To: f.Get("rest_to"), Body: f.Get("rest_body"), IDPath: f.Get("rest_id"),
		OKPath: f.Get("rest_ok_path"), OK: listed(f.Get("rest_ok")), Markup: f.Get("rest_markup"),
	}
	if n := f.Get("rest_length"); n != "" {
		var err error
		if r.Length, err = strconv.Atoi(n); err != nil {
			r.Length = -1 // refused, in words
		}
	}
	header := f.Get("rest_header")
	switch {
	case r.Preset != "":
		return r
	case r.User != "":
		r.Auth = Basic
	case header == "" && !slices.Contains(fill.Names(r.Body), "Secret"):
		r.Auth = Bearer
	}
	if header != "" {
		r.Headers = map[string]string{header: "{{.Secret}}"}
	}
	return r
}

// listed are the answers written in one line, with commas between them.
func listed(line string) (out []string) {
	for word := range strings.SplitSeq(line, ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out
}

func (r *Room) postHookRemove(w http.ResponseWriter, req *http.Request) error {
	return r.act(w, req, func(*waysView, *web.Form) {}, func(f *web.Form) error {
		return r.RemoveHook(req.Context(), f.Get("name"))
	})
}

func (r *Room) postTest(w http.ResponseWriter, req *http.Request) error {
	form, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	ctx := req.Context()
	id, err := r.TestMail(ctx, form.Get("to"), i18n.T(ctx, "channel.test_subject"), i18n.T(ctx, "channel.test_text", ident.ActorOf(ctx).Name, i18n.Stand(ctx, r.o.Clock.Now())))
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/channel/ways?tested="+id)
}
