package identity

import (
	"encoding/json"
	"net/http"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// passkeyRoutes adds the pages of passkeys. Options are asked for by script when
// somebody presses the button; answers are posted as a form.
func (r *Room) passkeyRoutes(s *web.Site) {
	s.Handle("GET "+SignInPath+"/passkey", r.askPasskey(false))
	s.Handle("POST "+SignInPath+"/passkey", r.postPasskey)
	s.Handle("GET "+secondSignInPath+"/passkey", r.askPasskey(true))
	s.Handle("POST "+secondSignInPath+"/passkey", r.postSecondPasskey)
	s.Handle("GET "+SecondPath+"/passkey", web.Staff(r.newPasskey))
	s.Handle("POST "+SecondPath+"/passkey", web.Staff(r.postNewPasskey))
	s.Handle("POST "+SecondPath+"/passkey/remove", web.Staff(r.postPasskeyRemove))
}

func options(w http.ResponseWriter, v any, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(v)
}

func (r *Room) askPasskey(second bool) web.Handler {
	return func(w http.ResponseWriter, req *http.Request) error {
		pending := ""
		if second {
			if pending = pendingOf(req); pending == "" {
				return ErrSecondOver
			}
		}
		o, err := r.AskPasskey(req.Context(), pending)
		return options(w, o, err)
	}
}

func (r *Room) postPasskey(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	s, err := r.SignInPasskey(req.Context(), "", f.Values.Get("answer"), clientOf(req))
	if err != nil {
		return r.refuseSignIn(w, req, f, err, 0)
	}
	return r.entered(w, req, s, web.Local(f.Get("next"), "/"))
}

func (r *Room) postSecondPasskey(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	return r.finishSecond(w, req, f, func(pending string) (Session, error) {
		if pending == "" {
			return Session{}, ErrSecondOver
		}
		return r.SignInPasskey(req.Context(), pending, f.Values.Get("answer"), clientOf(req))
	})
}

func (r *Room) newPasskey(w http.ResponseWriter, req *http.Request) error {
	_, s, err := r.secondView(req)
	if err != nil {
		return err
	}
	o, err := r.NewPasskey(req.Context(), s)
	return options(w, o, err)
}

func (r *Room) postNewPasskey(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	v, s, err := r.secondView(req)
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	codes, err := r.ConfirmPasskey(ctx, s, f.Get("name"), f.Values.Get("answer"), f.Get("proof"))
	if k := fault.KindOf(err); err != nil && (k == fault.Invalid || k == fault.TooMany) {
		retryAfter(w, err)
		v.Form = refused(f, err)
		return web.RenderStatus(w, req, fault.Status(k), secondPage(v))
	}
	if err != nil {
		return err
	}
	if len(codes) > 0 {
		return r.showCodes(w, req, v.Person, codes)
	}
	return web.SeeOther(w, req, SecondPath+"?saved=passkey")
}

func (r *Room) postPasskeyRemove(w http.ResponseWriter, req *http.Request) error {
	return r.secondAct(w, req, func(s Session, f *web.Form) error {
		if err := r.RemovePasskey(req.Context(), s, f.Values.Get("passkey"), f.Get("proof")); err != nil {
			return err
		}
		return web.SeeOther(w, req, SecondPath+"?saved=passkey_removed")
	})
}
