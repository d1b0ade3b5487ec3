package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/a-h/templ"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
)

// Handler answers a request or says what went wrong.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Middleware wraps a handler; the chain is written out once in [Site.Handler].
type Middleware func(http.Handler) http.Handler

// Options configures [NewSite].
type Options struct {
	Catalog *i18n.Catalog
	Clock   clock.Clock
	Log     *slog.Logger
	Hints   *bus.Hints // nil: no live pages
	// Authenticate puts tenant and actor into the context.
	Authenticate Middleware
	// StillIn tells whether whoever opened a stream may go on reading it; the
	// stream asks before everything it says. Nil: whoever came in stays.
	StillIn func(r *http.Request) bool
	// Locale tells default language and zone of the tenant in ctx.
	Locale func(r *http.Request) (i18n.Lang, *time.Location)
	// Shell tells what the frame of every console page shows.
	Shell func(r *http.Request) Shell
	// SignIn is where somebody goes who is not signed in.
	SignIn string
	// MaxBody is the most that a request may send, in bytes; zero: 1 MiB.
	MaxBody int64
	// Large are the addresses that may send more, with how much; those of the API
	// may take longer for it, too.
	Large map[string]int64
	// Trusted origins that may post although they are another site.
	TrustedOrigins []string
}

// Site is one set of pages on one listener.
type Site struct {
	o        Options
	mux      *http.ServeMux
	assets   *assets
	patterns []string
}

// NewSite makes a site with no pages yet.
func NewSite(o Options) *Site {
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Site{o: o, mux: http.NewServeMux(), assets: newAssets()}
	s.mux.Handle("GET "+assetPrefix, s.assets)
	if o.Hints != nil {
		s.Handle("GET /live", s.live)
	}
	return s
}

// Handle adds a page. Pattern is that of [http.ServeMux].
func (s *Site) Handle(pattern string, h Handler) {
	s.patterns = append(s.patterns, pattern)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.Fail(w, r, err)
		}
	})
}

// Mux is the router, for the API frame.
func (s *Site) Mux() *http.ServeMux { return s.mux }

// Patterns lists what [Site.Handle] was given, for tests that visit every page.
func (s *Site) Patterns() []string { return s.patterns }

// Handler is the whole site with its middleware, outermost first.
func (s *Site) Handler() http.Handler {
	csrf := http.NewCrossOriginProtection()
	for _, o := range s.o.TrustedOrigins {
		if err := csrf.AddTrustedOrigin(o); err != nil {
			s.o.Log.Warn("origin is not trusted, its address is wrong", "room", "web", "origin", o, "err", err)
		}
	}
	csrf.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Fail(w, r, fault.New(fault.Forbidden, "web.cross_origin"))
	}))
	var h http.Handler = http.HandlerFunc(s.route)
	h = s.locale(h)
	h = s.noNULBody(h)
	if s.o.Authenticate != nil {
		h = s.o.Authenticate(h)
	}
	h = s.earlyLocale(csrf.Handler(s.noNUL(h)))
	h = s.limit(h)
	h = s.headers(h)
	return s.recovered(h)
}

// route answers 404 and 405 with our own pages.
func (s *Site) route(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern == "" {
		probe := &statusProbe{header: http.Header{}}
		s.mux.ServeHTTP(probe, r)
		switch {
		case probe.status == http.StatusMethodNotAllowed:
			w.Header().Set("Allow", probe.header.Get("Allow"))
			s.failWith(w, r, http.StatusMethodNotAllowed, fault.New(fault.NotFound, "web.not_found"))
		case probe.header.Get("Location") != "":
			http.Redirect(w, r, probe.header.Get("Location"), http.StatusPermanentRedirect)
		default:
			s.Fail(w, r, fault.New(fault.NotFound, "web.not_found"))
		}
		return
	}
	s.mux.ServeHTTP(w, r)
}

// statusProbe catches what ServeMux would say.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) WriteHeader(code int)        { p.status = code }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }

// Policy is the content security policy of every page (KERN's icons are data
// URLs); nothing else is loosened.
const Policy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"

func (s *Site) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", Policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "geolocation=(), camera=(), microphone=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (s *Site) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, max(s.o.MaxBody, s.o.Large[r.URL.Path]))
		next.ServeHTTP(w, r)
	})
}

// noNUL refuses the one character that no text has and no database takes in an
// address. [ReadForm] replaces it in forms.
func (s *Site) noNUL(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "\x00") || strings.Contains(r.URL.RawQuery, "%00") || strings.Contains(r.URL.RawQuery, "\x00") {
			s.Fail(w, r, fault.New(fault.Invalid, "web.bad_form"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// noNULBody refuses it in the body of an API request, which it keeps in memory: of
// somebody who is not signed in no more than any address takes, and for no longer.
func (s *Site) noNULBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || !strings.HasPrefix(r.URL.Path, "/api/") {
			next.ServeHTTP(w, r)
			return
		}
		switch large := s.o.Large[r.URL.Path] > 0 && r.Method != http.MethodGet; {
		case SignedIn(r) != nil:
			r.Body = http.MaxBytesReader(w, r.Body, s.o.MaxBody)
		case large:
			giveTime(w)
		}
		raw, err := io.ReadAll(r.Body) // [Site.limit] bounds it
		if err == nil && bytes.Contains(raw, []byte(`\u0000`)) {
			err = errors.New("web: a NUL in the body")
		}
		if err != nil {
			s.Fail(w, r, fault.New(fault.Invalid, "web.bad_form").With(err))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(raw))
		next.ServeHTTP(w, r)
	})
}

func (s *Site) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			s.o.Log.ErrorContext(r.Context(), "page panicked", "room", "web", "path", r.URL.Path, "panic", fmt.Sprint(v), "trace", string(debug.Stack()))
			s.Fail(w, s.withLocale(r, i18n.DE, time.UTC), fault.New(fault.Internal, "web.internal"))
		}()
		next.ServeHTTP(w, r)
	})
}

// langCookie keeps the language that somebody chose in the console.
const langCookie = "tuermer_lang"

// earlyLocale lets refusals before sign-in speak the browser's language.
func (s *Site) earlyLocale(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, s.withLocale(r, i18n.Parse(r.Header.Get("Accept-Language")), time.UTC))
	})
}

// locale decides the reader's language: asked for by ?lang=, chosen before
// (cookie), else the tenant's or person's own.
func (s *Site) locale(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lang, zone := i18n.DE, time.UTC
		if s.o.Locale != nil {
			lang, zone = s.o.Locale(r)
		}
		if c, err := r.Cookie(langCookie); err == nil && c.Value != "" {
			lang = i18n.Parse(c.Value)
		}
		if q := r.URL.Query().Get("lang"); q != "" {
			lang = i18n.Parse(q)
			if s.o.Shell != nil { // public pages set no cookie
				http.SetCookie(w, &http.Cookie{
					Name: langCookie, Value: string(lang), Path: "/", MaxAge: 365 * 24 * 3600,
					HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: IsHTTPS(r),
				})
			}
		}
		next.ServeHTTP(w, s.withLocale(r, lang, zone))
	})
}

func (s *Site) withLocale(r *http.Request, lang i18n.Lang, zone *time.Location) *http.Request {
	ctx := i18n.With(r.Context(), i18n.Locale{Catalog: s.o.Catalog, Lang: lang, Zone: zone, Now: s.o.Clock.Now()})
	return r.WithContext(withSite(ctx, s, r))
}

// IsHTTPS reports whether the browser speaks TLS, here or at the proxy.
func IsHTTPS(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// WantsJSON reports whether the answer goes to a program.
func WantsJSON(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/") || strings.Contains(r.Header.Get("Accept"), "application/json")
}

// cutShort ends a request whose time is up: its sender has left, or this
// program is being stopped. Without a status it would be a 200, and somebody who
// is still there would take it for done.
func cutShort(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
}

// Fail answers err: words for people, JSON for programs, sign-in for strangers.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		cutShort(w)
		return
	}
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		err = fault.New(fault.TooLarge, "web.too_large").With(err)
	}
	f := fault.As(err)
	if f.Kind == fault.Unauthenticated && s.o.SignIn != "" && !WantsJSON(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		http.Redirect(w, r, s.o.SignIn+"?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	s.failWith(w, r, fault.Status(f.Kind), f)
}

func (s *Site) failWith(w http.ResponseWriter, r *http.Request, status int, f *fault.Error) {
	if status >= http.StatusInternalServerError {
		s.o.Log.ErrorContext(r.Context(), "request failed", "room", "web", "method", r.Method, "path", r.URL.Path, "err", f)
	}
	if f.Key == "" {
		f = fault.New(f.Kind, "web.internal").With(f.Err)
	}
	if WantsJSON(r) {
		writeProblem(w, r, status, f)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := errorPage(status, f).Render(r.Context(), w); err != nil {
		s.o.Log.DebugContext(r.Context(), "error page was not taken", "room", "web", "err", err)
	}
}

// problem is RFC 9457's body; huma writes the same shape.
type problem struct {
	Status int            `json:"status"`
	Title  string         `json:"title"`
	Detail string         `json:"detail"`
	Errors []problemField `json:"errors,omitempty"`
}

type problemField struct {
	Message  string `json:"message"`
	Location string `json:"location"`
}

func writeProblem(w http.ResponseWriter, r *http.Request, status int, f *fault.Error) {
	p := problem{Status: status, Title: http.StatusText(status), Detail: i18n.T(r.Context(), f.Key, f.Args...)}
	for name, key := range f.Fields {
		p.Errors = append(p.Errors, problemField{Location: name, Message: i18n.T(r.Context(), key)})
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p) // the status is out; a broken line changes nothing
}

// Render writes a page with status 200.
func Render(w http.ResponseWriter, r *http.Request, c templ.Component) error {
	return RenderStatus(w, r, http.StatusOK, c)
}

// RenderStatus writes a page with the given status.
func RenderStatus(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	b := templ.GetBuffer()
	defer templ.ReleaseBuffer(b)
	if err := c.Render(r.Context(), b); err != nil {
		return fmt.Errorf("web: render %s: %w", r.URL.Path, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the reader may be gone
	return nil
}

// SeeOther sends the browser on after a successful POST.
func SeeOther(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// Local returns next when it is an address on this site, else fallback.
func Local(next, fallback string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n") {
		return fallback
	}
	return next
}

// SignedIn is a check for handlers: somebody must be there.
func SignedIn(r *http.Request) error {
	switch ident.ActorOf(r.Context()).Kind {
	case ident.KindPerson, ident.KindToken, ident.KindSystem:
		return nil
	default:
		return fault.New(fault.Unauthenticated, "web.sign_in")
	}
}

// Staff wraps h so that only people who are signed in reach it.
func Staff(h Handler) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := SignedIn(r); err != nil {
			return err
		}
		return h(w, r)
	}
}
