package intake

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// GatePath begins every address that machines post to.
const GatePath = "/in/"

// A source may not set headers, may give up on any 4xx, and is no browser: so
// the gate stands before the site. It knows no cookie, no sign-in and no page; the
// secret stands in the address, and the answer is one line of text.

// Mount lets another room answer under /in/{token}/{word}, on every listener on
// which the gate stands; the request's path values are token and rest. Call it
// before the listeners open.
func (r *Room) Mount(word string, h web.Handler) {
	if r.mounted == nil {
		r.mounted = map[string]web.Handler{}
	}
	r.mounted[word] = h
}

// Gate answers what begins with [GatePath] and hands everything else to next. On
// a public listener it lets in only the sources of towns that want it so.
func (r *Room) Gate(next http.Handler, public bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		rest, ours := strings.CutPrefix(req.URL.Path, GatePath)
		if !ours {
			next.ServeHTTP(w, req)
			return
		}
		defer func() {
			if v := recover(); v != nil {
				r.ears.missed(r.o.Clock.Now(), sourceOf{})
				r.o.Log.ErrorContext(req.Context(), "gate panicked", "room", "intake", "panic", v, "trace", string(debug.Stack()))
				http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			}
		}()
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := r.enter(w, req, rest, public); err != nil {
			r.refuse(w, req, err)
		}
	})
}

func (r *Room) enter(w http.ResponseWriter, req *http.Request, rest string, public bool) error {
	token, word, _ := strings.Cut(rest, "/")
	if r.o.TenantByHost != nil {
		t, err := r.o.TenantByHost(req.Context(), req.Host)
		if err != nil {
			r.notTaken(err, r.whose(req.Context(), token))
			return err
		}
		req = req.WithContext(ident.WithTenant(req.Context(), t))
	}
	word, rest, _ = strings.Cut(word, "/")
	req.Body = http.MaxBytesReader(w, req.Body, MaxBody)
	if h := r.mounted[word]; h != nil {
		if public && (r.o.Public == nil || !r.o.Public(req.Context())) {
			return errNoAddress
		}
		req.SetPathValue("token", token)
		req.SetPathValue("rest", rest)
		return h(w, req)
	}
	switch req.Method {
	case http.MethodPost, http.MethodPut, http.MethodGet, http.MethodHead: // Uptime Kuma and Healthchecks get, too
	default:
		r.notTaken(errNoAddress, r.whose(req.Context(), token))
		w.Header().Set("Allow", "POST, PUT, GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return nil
	}
	body, cut, err := readBody(req)
	if err == nil && len(body) == 0 && visit(req, Format(word), rest) {
		r.notTaken(errNothingSaid, r.whose(req.Context(), token)) // a redirect may have made it of an alarm
		if public && (r.o.Public == nil || !r.o.Public(req.Context())) {
			return errNoAddress
		}
		w.Header().Set("Allow", "POST, PUT")
		http.Error(w, r.says(req, errNothingSaid), http.StatusMethodNotAllowed)
		return nil
	}
	if err != nil {
		if whose := r.whose(req.Context(), token); whose != (sourceOf{}) { // of strangers we miss nothing
			r.notTaken(err, whose)
		}
		return err
	}
	b := Body{
		ContentType: req.Header.Get("Content-Type"), Data: body, Query: formOf(req.URL.RawQuery), Asked: req.URL.RawQuery, Event: req.Header.Get("Sentry-Hook-Resource"), Cut: cut,
	}
	if rest != "" {
		b.Path = strings.Split(rest, "/")
	}
	if err := r.take(req.Context(), token, Format(word), b, req.Header, public); err != nil {
		return err
	}
	said(w, Format(word), b)
	return nil
}

// visit tells whether a request without a body is no delivery: somebody has opened the
// address to see whether it works, or a messenger shows a preview of it. Nobody asks
// whose the address is, so that the answer tells no stranger whether there is one.
func visit(req *http.Request, f Format, rest string) bool {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return false
	}
	named := strings.Trim(rest, "/") != ""
	switch f {
	case Healthchecks: // a ping
		return !named
	case Kuma, Gatus: // a push, and Uptime Kuma's webhook by GET
		return !named && req.URL.RawQuery == ""
	case PRTG, Zabbix, Icinga, Checkmk, Generic: // what cannot post puts its form into the address
		return req.URL.RawQuery == ""
	}
	return slices.Contains(Formats(), f)
}

// said answers what is stored; the sender may be gone. Programs that speak PagerDuty's
// Events v2 take nothing for a yes but 202, and the key by which they end it.
func said(w http.ResponseWriter, f Format, b Body) {
	if f != PagerDuty {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("OK"))
		return
	}
	answer := map[string]string{"status": "success", "message": "Event processed"}
	if rs, err := Parse(f, Mapping{}, b, nil); err == nil {
		answer["dedup_key"] = rs[0].Key
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(answer)
}

// readBody reads what a source sent. Of what is too long the beginning is kept:
// a refusal would be an outage of which nobody hears.
func readBody(req *http.Request) (body []byte, cut bool, err error) {
	body, err = io.ReadAll(req.Body)
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return body, true, nil
	}
	if err != nil {
		return nil, false, fault.New(fault.Unavailable, "intake.cut_off").With(err)
	}
	return body, false, nil
}

// refuse answers in one line. What is no fault of the sender's is 503, so that it
// says it again.
func (r *Room) refuse(w http.ResponseWriter, req *http.Request, err error) {
	f := fault.As(err)
	status := fault.Status(f.Kind)
	if f.Kind == fault.Internal || f.Kind == fault.Unavailable || req.Context().Err() != nil {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5")
		level := slog.LevelError
		if errors.Is(err, errBusy) || req.Context().Err() != nil {
			level = slog.LevelWarn
		}
		r.o.Log.Log(req.Context(), level, "body not taken", "room", "intake", "err", err)
	}
	http.Error(w, cmp.Or(r.says(req, f), http.StatusText(status)), status)
}

// says is an error in the language of whoever asks; empty for one without words.
func (r *Room) says(req *http.Request, f *fault.Error) string {
	if f.Key == "" || r.o.Locale == nil {
		return ""
	}
	l := i18n.Locale{Catalog: r.o.Locale(req.Context()).Catalog, Lang: i18n.Parse(req.Header.Get("Accept-Language")), Zone: time.UTC}
	return l.Catalog.Text(l.Lang, f.Key, f.Args...)
}
