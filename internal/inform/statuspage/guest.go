package statuspage

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
)

// Guest is a form of a later room on the public listener: a survey, a report of
// an outage. It needs no sign-in and sets no cookie, and it is the only thing
// there that may ask the database. A guest lives under one first path element.
//
// Answer gets the town and the public actor in ctx; the request's body is at
// most [GuestBody] bytes. An error of package fault is shown in its words.
type Guest interface {
	Answer(ctx context.Context, req *http.Request) (GuestPage, error)
}

// GuestPage is what a guest shows inside the town's public frame.
type GuestPage struct {
	Status int // zero: 200
	Title  string
	Body   templ.Component
	// To leads on instead of showing a page, after a POST (303).
	To string
}

// GuestBody is the largest form that is read, in bytes.
const GuestBody = 64 << 10

// How often one sender may post to guests: a burst, then one every pause.
const (
	guestBurst = 10
	guestPause = 20 * time.Second
	guestKeys  = 20_000
)

// AddGuest hangs a guest under the first path element; app calls it before
// Start. Languages stand before it as on every page: /en/umfrage/….
func (r *Room) AddGuest(element string, g Guest) { r.guests[element] = g }

// guest answers for a guest; false: the path is none of theirs.
func (r *Room) guest(w http.ResponseWriter, req *http.Request, p *pages) bool {
	lang := p.model.home()
	rest := strings.TrimPrefix(req.URL.Path, "/")
	for _, l := range i18n.Langs() {
		if prefix := p.model.href(l, ""); prefix != "/" && strings.HasPrefix(req.URL.Path, prefix) {
			lang, rest = l, strings.TrimPrefix(req.URL.Path, prefix)
		}
	}
	element, _, _ := strings.Cut(rest, "/")
	g, ok := r.guests[element]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	now := r.o.Clock.Now()
	v := r.view(p.model, lang, now)
	v.path = rest
	ctx := v.ctx(ident.WithActor(ident.WithTenant(req.Context(), p.model.Town.ID), ident.Actor{Kind: ident.KindPublic}))
	switch req.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		if !r.senders.may(now, req) {
			h.Set("Retry-After", "60")
			r.guestError(ctx, w, v, fault.New(fault.TooMany, "statuspage.too_many"))
			return true
		}
	default:
		h.Set("Allow", "GET, HEAD, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return true
	}
	req = req.WithContext(ctx)
	req.Body = http.MaxBytesReader(w, req.Body, GuestBody)
	page, err := g.Answer(ctx, req)
	switch {
	case err != nil:
		r.guestError(ctx, w, v, err)
	case page.To != "":
		h.Set("Location", page.To)
		w.WriteHeader(http.StatusSeeOther)
	default:
		r.showGuest(ctx, w, v, page)
	}
	return true
}

func (r *Room) guestError(ctx context.Context, w http.ResponseWriter, v *view, err error) {
	f := fault.As(err)
	if f.Kind == fault.Internal {
		r.o.Log.ErrorContext(ctx, "public form failed", "path", v.path, "err", err)
		f = fault.New(fault.Internal, "statuspage.guest_failed")
	}
	r.showGuest(ctx, w, v, GuestPage{
		Status: fault.Status(f.Kind), Title: i18n.T(ctx, "statuspage.guest_error"), Body: guestSorry(i18n.T(ctx, f.Key, f.Args...)),
	})
}

func (r *Room) showGuest(ctx context.Context, w http.ResponseWriter, v *view, g GuestPage) {
	var out bytes.Buffer
	body := templ.ComponentFunc(func(ctx context.Context, w2 io.Writer) error {
		return page(v, frame{Title: g.Title, NoIndex: true}).Render(templ.WithChildren(ctx, g.Body), w2)
	})
	if err := body.Render(ctx, &out); err != nil {
		r.o.Log.ErrorContext(ctx, "public form cannot be shown", "path", v.path, "err", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", string(v.lang))
	if g.Status != 0 {
		w.WriteHeader(g.Status)
	}
	_, _ = w.Write(out.Bytes()) // who has left needs no answer
}

// GuestPath is where a guest's page stands for readers of a language, relative to
// the public address.
func GuestPath(home, lang i18n.Lang, path string) string {
	if home == lang {
		return "/" + path
	}
	return "/" + string(lang) + "/" + path
}

// senders paces who posts, without keeping who they were: an address is known by
// a keyed hash whose key lives in memory for a quarter of an hour.
type senders struct {
	mu    sync.Mutex
	key   [32]byte
	until time.Time
	paid  map[[16]byte]time.Time
}

func (s *senders) may(now time.Time, req *http.Request) bool {
	addr, _ := netip.ParseAddr(identity.ClientOf(req).Address) // what is no address is one sender
	if addr = addr.Unmap(); addr.Is6() {
		if net6, err := addr.Prefix(64); err == nil { // one household has many
			addr = net6.Addr()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.until) || len(s.paid) > guestKeys {
		_, _ = rand.Read(s.key[:]) // never fails
		s.until, s.paid = now.Add(15*time.Minute), map[[16]byte]time.Time{}
	}
	mac := hmac.New(sha256.New, s.key[:])
	raw := addr.As16()
	mac.Write(raw[:])
	id := [16]byte(mac.Sum(nil))
	until := s.paid[id]
	if until.Before(now) {
		until = now
	}
	if until.Sub(now) > (guestBurst-1)*guestPause {
		return false
	}
	s.paid[id] = until.Add(guestPause)
	return true
}
