package identity

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// request is what the middleware knows about the one who asks.
type request struct {
	tenant  Tenant
	person  *Person
	session *Session
}

type requestKey struct{}

func requestOf(ctx context.Context) request {
	q, _ := ctx.Value(requestKey{}).(request)
	return q
}

// Me is the person who is signed in.
func Me(ctx context.Context) (Person, bool) {
	if p := requestOf(ctx).person; p != nil {
		return *p, true
	}
	return Person{}, false
}

// Middleware puts tenant (by host name) and actor (by session cookie, or by
// bearer token under /api/) into the context. A host of no tenant, a wrong
// token and a database that does not answer end the request here; no cookie,
// or one that is over, makes a stranger of the asker, and the pages decide.
func (r *Room) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if Ownerless(req.URL.Path) {
			next.ServeHTTP(w, req)
			return
		}
		t, err := r.TenantByHost(req.Context(), req.Host)
		if err != nil {
			r.fail(w, req, err)
			return
		}
		q := request{tenant: t}
		ctx := ident.WithActor(ident.WithTenant(req.Context(), t.ID), ident.Actor{Kind: ident.KindPublic})
		if token, ok := bearer(req.Header.Get("Authorization")); ok && strings.HasPrefix(req.URL.Path, "/api/") {
			p, actor, err := r.ByToken(ctx, token)
			if err != nil {
				r.fail(w, req.WithContext(ctx), err)
				return
			}
			q.person = &p
			ctx = ident.WithActor(ctx, actor)
		} else if token := sessionToken(req); token != "" {
			p, s, err := r.BySession(ctx, token)
			switch {
			case err == nil:
				s.Token = token
				q.person, q.session = &p, &s
				ctx = ident.WithActor(ctx, r.resting(t, p, s, actorOf(p)))
			case fault.KindOf(err) != fault.Unauthenticated:
				r.fail(w, req.WithContext(ctx), fault.New(fault.Unavailable, "identity.unavailable").With(err))
				return
			}
		}
		next.ServeHTTP(w, req.WithContext(context.WithValue(ctx, requestKey{}, q)))
	})
}

// Ownerless paths belong to no town and must answer while the database is away:
// styles, and the questions of whoever watches this machine by its address.
func Ownerless(path string) bool {
	return strings.HasPrefix(path, "/assets/") || path == "/healthz" || path == "/readyz" || path == "/metrics"
}

func (r *Room) fail(w http.ResponseWriter, req *http.Request, err error) {
	retryAfter(w, err)
	if fault.KindOf(err) == fault.Unauthenticated {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tuermer"`)
	}
	if r.o.Fail != nil {
		r.o.Fail(w, req, err)
		return
	}
	status := fault.Status(fault.KindOf(err))
	http.Error(w, http.StatusText(status), status)
}

// retryAfter tells programs when to come back, in seconds.
func retryAfter(w http.ResponseWriter, err error) {
	if l, ok := errors.AsType[*LimitedError](err); ok {
		w.Header().Set("Retry-After", strconv.Itoa(int((l.After+time.Second-1)/time.Second)))
	}
}

// Locale is the language and zone of the page: the person's, else the town's.
func (r *Room) Locale(req *http.Request) (i18n.Lang, *time.Location) {
	q := requestOf(req.Context())
	lang := q.tenant.Language
	if q.person != nil && q.person.Language != "" {
		lang = q.person.Language
	}
	zone, err := clock.Zone(q.tenant.Zone)
	if err != nil {
		zone = time.UTC
	}
	return i18n.Parse(lang), zone
}

// RequireRole wraps a page: somebody must be signed in and hold one of the
// roles. Rooms check again at their own door; this keeps forms from opening
// that could not be sent.
func RequireRole(h web.Handler, roles ...Role) web.Handler {
	return web.Staff(func(w http.ResponseWriter, req *http.Request) error {
		a := ident.ActorOf(req.Context())
		for _, role := range roles {
			if a.Has(string(role)) {
				return h(w, req)
			}
		}
		return ErrForbidden
	})
}

// The cookies. Over TLS the session's name makes the browser itself insist on
// Secure, no domain and the whole path.
const (
	cookieSecure = "__Host-tuermer"
	cookiePlain  = "tuermer_session"
	cookieDevice = "tuermer_device"
	// cookiePending says that the first factor has been shown.
	cookiePending = "tuermer_second"
)

func sessionCookie(req *http.Request) string {
	if web.IsHTTPS(req) {
		return cookieSecure
	}
	return cookiePlain
}

func sessionToken(req *http.Request) string {
	if c, err := req.Cookie(sessionCookie(req)); err == nil {
		return c.Value
	}
	return ""
}

func setSession(w http.ResponseWriter, req *http.Request, s Session) {
	https := web.IsHTTPS(req)
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie(req), Value: s.Token, Path: "/", HttpOnly: true, Secure: https,
		SameSite: http.SameSiteLaxMode, MaxAge: int(SessionMax / time.Second),
	})
	if s.Device != "" {
		http.SetCookie(w, &http.Cookie{
			Name: cookieDevice, Value: s.Device, Path: SignInPath, HttpOnly: true, Secure: https,
			SameSite: http.SameSiteLaxMode, MaxAge: int(deviceAge / time.Second),
		})
	}
}

func clearSession(w http.ResponseWriter, req *http.Request) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie(req), Path: "/", HttpOnly: true, Secure: web.IsHTTPS(req),
		SameSite: http.SameSiteLaxMode, MaxAge: -1,
	})
}

// clientOf reads from where a request comes. A proxy is believed only on the
// same machine: anybody else could write any address into the header.
func clientOf(req *http.Request) Client {
	c := Client{Address: req.RemoteAddr, Agent: req.UserAgent(), Replaces: sessionToken(req)}
	if host, _, err := net.SplitHostPort(req.RemoteAddr); err == nil {
		c.Address = host
	}
	if peer, err := netip.ParseAddr(c.Address); err == nil && peer.Unmap().IsLoopback() {
		hops := strings.Split(strings.Join(req.Header.Values("X-Forwarded-For"), ","), ",")
		if a, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
			c.Address = a.String()
		}
	}
	if d, err := req.Cookie(cookieDevice); err == nil {
		c.Device = d.Value
	}
	return c
}
