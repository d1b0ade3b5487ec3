package identity

import (
	"net/http"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

const (
	ssoPath     = SignInPath + "/sso"
	ssoBackPath = SignInPath + "/sso/zurueck"
	cookieSSO   = "tuermer_sso"
)

func (r *Room) ssoRoutes(s *web.Site) {
	s.Handle("GET "+ssoPath, r.pageSSO)
	s.Handle("GET "+ssoBackPath, r.pageSSOBack)
}

// pageSSO leaves for the provider. It is a link and no form: the policy of the
// page lets forms go nowhere else.
func (r *Room) pageSSO(w http.ResponseWriter, req *http.Request) error {
	next := web.Local(req.FormValue("next"), "/")
	to, sealed, err := r.BeginSSO(req.Context(), next, clientOf(req))
	if err != nil {
		return r.refuseSSO(w, req, next, err)
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieSSO, Value: sealed, Path: SignInPath, HttpOnly: true, Secure: web.IsHTTPS(req),
		SameSite: http.SameSiteLaxMode, MaxAge: int(ssoAge / time.Second),
	})
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, req, to, http.StatusSeeOther)
	return nil
}

func (r *Room) pageSSOBack(w http.ResponseWriter, req *http.Request) error {
	c, err := req.Cookie(cookieSSO)
	if err != nil {
		return r.refuseSSO(w, req, "/", errSSOOver)
	}
	// An errand is good for one way back, whatever comes of it.
	http.SetCookie(w, &http.Cookie{Name: cookieSSO, Path: SignInPath, HttpOnly: true, Secure: web.IsHTTPS(req), SameSite: http.SameSiteLaxMode, MaxAge: -1})
	q := req.URL.Query()
	if q.Get("error") != "" {
		// What the provider writes there is not ours to show.
		return r.refuseSSO(w, req, "/", fault.New(fault.Invalid, "identity.sso_denied"))
	}
	s, next, err := r.FinishSSO(req.Context(), c.Value, q.Get("state"), q.Get("code"), clientOf(req))
	if err != nil {
		return r.refuseSSO(w, req, "/", err)
	}
	return r.entered(w, req, s, web.Local(next, "/"))
}

// refuseSSO goes back to the local doors with words.
func (r *Room) refuseSSO(w http.ResponseWriter, req *http.Request, next string, err error) error {
	if k := fault.KindOf(err); k == fault.Unavailable || k == fault.Invalid {
		r.o.Log.WarnContext(req.Context(), "single sign-on failed", "err", err, "cause", cause(err))
	}
	return r.refuseSignIn(w, req, web.NewForm(map[string]string{"next": next}), err, 0)
}

// cause is what lies under a fault, for the log.
func cause(err error) error { return fault.As(err).Err }
