package pulse

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// Routes adds the console's page, and the two addresses at which other installs
// speak; those need no sign-in, for the address itself is the key.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /pulse", web.Staff(r.page))
	s.Handle("POST /pulse/invite", web.Staff(r.postInvite))
	s.Handle("POST /pulse/join", web.Staff(r.postJoin))
	s.Handle("POST /pulse/peer/{id}/remove", web.Staff(r.postRemove))
	s.Handle("POST /pulse/accept/{token}", r.postAccept)
	s.Handle("GET /pulse/state/{key}", r.getState)
}

// pulseView is what the page shows.
type pulseView struct {
	Overview
	MayChange bool
	State     string // address of our state; empty for who may not see it
	Invite    *web.Form
	Join      *web.Form
	Code      string // of the invitation just made
	CodeFor   string
}

func (r *Room) view(ctx context.Context) (v pulseView, err error) {
	v = pulseView{MayChange: mayChange(ctx) == nil, Invite: web.NewForm(nil), Join: web.NewForm(nil)}
	if v.Overview, err = r.Overview(ctx); err != nil || !v.MayChange {
		return v, err
	}
	v.State, err = r.StateURL(ctx)
	return v, err
}

func (r *Room) page(w http.ResponseWriter, req *http.Request) error {
	v, err := r.view(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, pulsePage(v))
}

func (r *Room) postInvite(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	form, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	code, err := r.Invite(ctx, form.Get("peer_name"))
	if err != nil && !form.Take(renamed(err, "name", "peer_name")) {
		return err
	}
	v, verr := r.view(ctx)
	if verr != nil {
		return verr
	}
	if err != nil {
		v.Invite = form
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, pulsePage(v))
	}
	v.Code, v.CodeFor = code, form.Get("peer_name")
	w.Header().Set("Cache-Control", "no-store")
	return web.Render(w, req, pulsePage(v))
}

// renamed gives a field of a fault the name that the form has for it.
func renamed(err error, from, to string) error {
	f := fault.As(err)
	if key, ok := f.Fields[from]; ok {
		return fault.New(f.Kind, f.Key, f.Args...).Field(to, key)
	}
	return err
}

func (r *Room) postJoin(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	form, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if err = r.Join(ctx, form.Get("name"), form.Get("code")); err == nil {
		return web.SeeOther(w, req, "/pulse")
	}
	if !form.Take(err) {
		return err
	}
	v, verr := r.view(ctx)
	if verr != nil {
		return verr
	}
	v.Join = form
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, pulsePage(v))
}

func (r *Room) postRemove(w http.ResponseWriter, req *http.Request) error {
	if err := r.Remove(req.Context(), req.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/pulse")
}

// postAccept is the other install's answer to an invitation.
func (r *Room) postAccept(w http.ResponseWriter, req *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxBody))
	if err != nil {
		return fault.New(fault.Invalid, "pulse.bad_invitation").With(err)
	}
	mine, err := r.accepted(req.Context(), req.PathValue("token"), body)
	if err != nil {
		return err
	}
	return say(w, mine)
}

func (r *Room) getState(w http.ResponseWriter, req *http.Request) error {
	s, err := r.stateFor(req.Context(), req.PathValue("key"))
	if err != nil {
		return err
	}
	return say(w, s)
}

func say(w http.ResponseWriter, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(raw, '\n')) // the other side may be gone
	return nil
}

type pulseReportBody struct {
	Name   string `json:"name"`
	ToldAt string `json:"told_at,omitempty" format:"date-time"`
	Error  string `json:"error,omitempty"`
}

type pulsePeerBody struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Monitor  string `json:"monitor,omitempty" doc:"Slug of our heartbeat check for it"`
	Accepted bool   `json:"accepted"`
	ToldAt   string `json:"told_at,omitempty" format:"date-time"`
	Error    string `json:"error,omitempty"`
}

type pulseBody struct {
	OK       bool              `json:"ok"`
	At       string            `json:"at,omitempty" format:"date-time"`
	Ill      []Reason          `json:"ill" doc:"database, outbox, engine"`
	Watchers []pulseReportBody `json:"watchers"`
	Peers    []pulsePeerBody   `json:"peers"`
	Inside   []string          `json:"inside" doc:"What of this machine stands in the town's own networks: host, gateway, resolver"`
}

func bodyOf(o Overview) pulseBody {
	b := pulseBody{
		OK: o.Verdict.OK() && !o.Verdict.At.IsZero(), At: stamp(o.Verdict.At), Ill: append([]Reason{}, o.Verdict.Ill...),
		Watchers: []pulseReportBody{}, Peers: []pulsePeerBody{}, Inside: []string{},
	}
	for _, w := range o.Watchers {
		b.Watchers = append(b.Watchers, pulseReportBody{w.Name, stamp(w.Told.At), w.Told.Err})
	}
	for _, p := range o.Peers {
		b.Peers = append(b.Peers, pulsePeerBody{p.ID, p.Name, p.Monitor, p.Accepted, stamp(p.Told.At), p.Told.Err})
	}
	for _, p := range o.Inside {
		b.Inside = append(b.Inside, p.What)
	}
	return b
}

// API does what the page does.
func (r *Room) API(a *web.API) {
	tags := []string{"pulse"}
	web.Operation(a, huma.Operation{
		OperationID: "get-pulse", Method: http.MethodGet, Path: "/api/v1/pulse", Tags: tags,
		Summary: "How Türmer itself is, who outside is told, and where it stands",
	}, "monitors", func(ctx context.Context, _ *struct{}) (*web.One[pulseBody], error) {
		o, err := r.Overview(ctx)
		if err != nil {
			return nil, err
		}
		return &web.One[pulseBody]{Body: bodyOf(o)}, nil
	})
	type pulseCodeBody struct {
		Code string `json:"code"`
	}
	web.Operation(a, huma.Operation{
		OperationID: "invite-peer", Method: http.MethodPost, Path: "/api/v1/pulse/invitations", Tags: tags,
		Summary: "Invite another install to a mutual watch; the code holds for a week and once",
	}, "monitors", func(ctx context.Context, in *struct {
		Body struct {
			Name string `json:"name" maxLength:"60"`
		}
	},
	) (*web.One[pulseCodeBody], error) {
		code, err := r.Invite(ctx, in.Body.Name)
		if err != nil {
			return nil, err
		}
		return &web.One[pulseCodeBody]{Body: pulseCodeBody{code}}, nil
	})
	web.Operation(a, huma.Operation{
		OperationID: "join-peer", Method: http.MethodPost, Path: "/api/v1/pulse/peers", Tags: tags,
		Summary: "Accept another install's invitation: both sides then watch each other", DefaultStatus: http.StatusNoContent,
	}, "monitors", func(ctx context.Context, in *struct {
		Body struct {
			Name string `json:"name" maxLength:"60"`
			Code string `json:"code"`
		}
	},
	) (*struct{}, error) {
		return nil, r.Join(ctx, in.Body.Name, in.Body.Code)
	})
	web.Operation(a, huma.Operation{
		OperationID: "remove-peer", Method: http.MethodDelete, Path: "/api/v1/pulse/peers/{id}", Tags: tags,
		Summary: "End a mutual watch on this side, with our check for the other", DefaultStatus: http.StatusNoContent,
	}, "monitors", func(ctx context.Context, in *struct {
		Peer string `path:"id"`
	},
	) (*struct{}, error) {
		return nil, r.Remove(ctx, in.Peer)
	})
}
