package statuspage

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
)

// programsPath begins what the programs of strangers ask; the description of it
// stands beside it.
const (
	programsPath = "/api/v1/"
	programsDoc  = "/api/openapi."
)

// AddPrograms hangs what programs may do without a token under /api/v1/ and
// /api/openapi.json of the public listener; app calls it before Start. h gets the
// town, the public actor and the language in the request's context. A sender has
// the same allowance as at a [Guest]'s form, and the two count together.
func (r *Room) AddPrograms(h http.Handler) { r.programs = h }

// program answers a program; false: the path is none of theirs.
func (r *Room) program(w http.ResponseWriter, req *http.Request, p *pages) bool {
	if r.programs == nil || !strings.HasPrefix(req.URL.Path, programsPath) && !strings.HasPrefix(req.URL.Path, programsDoc) {
		return false
	}
	lang := p.model.home()
	if said := req.Header.Get("Accept-Language"); said != "" {
		lang = i18n.Parse(said)
	}
	now := r.o.Clock.Now()
	v := r.view(p.model, lang, now)
	ctx := v.ctx(ident.WithActor(ident.WithTenant(req.Context(), p.model.Town.ID), ident.Actor{Kind: ident.KindPublic}))
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	switch req.Method {
	case http.MethodGet, http.MethodHead:
	default:
		// A foreign page cannot have its readers' browsers send this type without
		// asking first, and is not answered when it asks.
		if kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			problem(w, http.StatusUnsupportedMediaType, i18n.T(ctx, "statuspage.only_json"))
			return true
		}
		if !r.senders.may(now, req) {
			h.Set("Retry-After", "60")
			problem(w, fault.Status(fault.TooMany), i18n.T(ctx, "statuspage.too_many"))
			return true
		}
	}
	req = req.WithContext(ctx)
	req.Body = http.MaxBytesReader(w, req.Body, GuestBody)
	r.programs.ServeHTTP(w, req)
	return true
}

// problem answers as the API does.
func problem(w http.ResponseWriter, status int, words string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: words}) // who has left needs no answer
}
