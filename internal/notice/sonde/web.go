package sonde

import (
	"context"
	"net/http"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// Routes hangs the sondes' pages into the console, and the addresses to which
// sondes speak.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /sonde", web.Staff(r.pageList))
	s.Handle("POST /sonde", web.Staff(r.postNew))
	s.Handle("GET /sonde/{name}", web.Staff(r.pageOne))
	s.Handle("POST /sonde/{name}/renew", web.Staff(r.postRenew))
	s.Handle("GET /sonde/{name}/revoke", web.Staff(r.pageRevoke))
	s.Handle("POST /sonde/{name}/revoke", web.Staff(r.postRevoke))
	r.linkRoutes(s)
}

// Mark is the shape that stands for the state.
func (s State) Mark() web.State {
	switch s {
	case Heard:
		return web.OK
	case Silent:
		return web.Down
	case Waiting:
		return web.Pending
	default:
		return web.Unknown
	}
}

// listed is a sonde with what it looks at.
type listed struct {
	Sonde
	Monitors int
}

// listing is what the page of all sondes shows.
type listing struct {
	Sondes    []listed
	Silent    int
	Heard     int
	Form      *web.Form
	MayChange bool
}

func (r *Room) listing(ctx context.Context) (listing, error) {
	l := listing{Form: web.NewForm(nil), MayChange: mayChange(ctx) == nil}
	all, err := r.List(ctx)
	if err != nil {
		return l, err
	}
	for _, s := range all {
		ms, err := r.o.Monitors.SeenBy(ctx, s.Name)
		if err != nil {
			return l, err
		}
		switch s.State() {
		case Silent:
			l.Silent++
		case Heard:
			l.Heard++
		case Waiting, Revoked:
		}
		l.Sondes = append(l.Sondes, listed{s, len(ms)})
	}
	return l, nil
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	l, err := r.listing(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, listPage(l))
}

// welcome shows a one-time token, this once.
type welcome struct {
	Name    string
	Token   string
	Renewed bool
	Command string
}

func (r *Room) welcome(ctx context.Context, name, token string, renewed bool) welcome {
	server := "https://…"
	if r.o.ServerURL != nil {
		server = r.o.ServerURL(ctx)
	}
	return welcome{name, token, renewed, "tuermer sonde run --server " + server + " --data /var/lib/tuermer-sonde --token " + token}
}

func (r *Room) postNew(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	f.Require("name")
	if f.OK() {
		token, err := r.Add(ctx, f.Get("name"))
		if err == nil {
			return web.Render(w, req, welcomePage(r.welcome(ctx, f.Get("name"), token, false)))
		}
		if !f.Take(err) {
			return err
		}
	} else if err := mayChange(ctx); err != nil {
		return err
	}
	l, err := r.listing(ctx)
	if err != nil {
		return err
	}
	l.Form = f
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, listPage(l))
}

func (r *Room) postRenew(w http.ResponseWriter, req *http.Request) error {
	ctx, name := req.Context(), req.PathValue("name")
	token, err := r.Renew(ctx, name)
	if err != nil {
		return err
	}
	return web.Render(w, req, welcomePage(r.welcome(ctx, name, token, true)))
}

// sight is a monitor as the sonde sees it.
type sight struct {
	monitor.Monitor
	Seen   monitor.Sighting
	Counts bool
}

// view is what the page of one sonde shows.
type view struct {
	Sonde
	Sights    []sight
	MayChange bool
}

func (r *Room) view(ctx context.Context, name string) (view, error) {
	s, err := r.Get(ctx, name)
	if err != nil {
		return view{}, err
	}
	v := view{Sonde: s, MayChange: mayChange(ctx) == nil}
	ms, err := r.o.Monitors.SeenBy(ctx, name)
	if err != nil {
		return v, err
	}
	now := r.o.Clock.Now()
	for _, m := range ms {
		x := sight{Monitor: m}
		seen, err := r.Sightings(ctx, m.Slug, []string{name})
		if err != nil {
			return v, err
		}
		if len(seen) == 1 {
			x.Seen = seen[0]
			_, x.Counts = x.Seen.Counts(m.Spec, now)
		}
		v.Sights = append(v.Sights, x)
	}
	return v, nil
}

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	v, err := r.view(req.Context(), req.PathValue("name"))
	if err != nil {
		return err
	}
	return web.Render(w, req, onePage(v))
}

func (r *Room) pageRevoke(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	v, err := r.view(req.Context(), req.PathValue("name"))
	if err == nil && v.State() == Revoked {
		err = fault.New(fault.Conflict, "sonde.is_revoked", v.Name)
	}
	if err != nil {
		return err
	}
	return web.Render(w, req, revokePage(v))
}

func (r *Room) postRevoke(w http.ResponseWriter, req *http.Request) error {
	if err := r.Revoke(req.Context(), req.PathValue("name")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/sonde/"+req.PathValue("name"))
}
