package identity

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
	"tuermer/internal/platform/web"
)

const (
	openSealPath = SignInPath + "/notzugang"
	sealsPath    = "/identity/sealed"
)

func (r *Room) sealRoutes(s *web.Site) {
	s.Handle("GET "+openSealPath, r.pageOpenSeal)
	s.Handle("POST "+openSealPath, r.postOpenSeal)
	s.Handle("GET "+sealsPath, RequireRole(r.pageSeals, RoleAdmin))
	s.Handle("POST "+sealsPath, RequireRole(r.postSeal, RoleAdmin))
	s.Handle("POST "+sealsPath+"/{id}", RequireRole(r.postSeal, RoleAdmin))
	s.Handle("POST "+sealsPath+"/{id}/remove", RequireRole(r.postSealRemove, RoleAdmin))
}

func (r *Room) pageOpenSeal(w http.ResponseWriter, req *http.Request) error {
	return web.Render(w, req, openSealPage(web.NewForm(nil), signInState{}))
}

func (r *Room) postOpenSeal(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	s, err := r.OpenSeal(req.Context(), f.Get("code"), f.Get("name"), clientOf(req))
	e := fault.As(err)
	switch {
	case err == nil:
		return r.entered(w, req, s, "/")
	case e.Kind == fault.Invalid || e.Kind == fault.TooMany:
		retryAfter(w, err)
		f.Values.Del("code")
		for name, key := range e.Fields {
			f.Fail(name, key)
		}
		return web.RenderStatus(w, req, fault.Status(e.Kind), openSealPage(f, signInState{Error: e.Key, Args: e.Args}))
	}
	return err
}

type sealsView struct {
	Seals []Seal
	Form  *web.Form
	Now   time.Time
}

func (r *Room) pageSeals(w http.ResponseWriter, req *http.Request) error {
	return r.showSeals(w, req, http.StatusOK, web.NewForm(nil))
}

func (r *Room) showSeals(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	list, err := r.Seals(req.Context())
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, sealsPage(sealsView{Seals: list, Form: f, Now: r.o.Clock.Now()}))
}

// postSeal makes a new sealed access, or seals one again, and shows its paper.
func (r *Room) postSeal(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	code, s, err := r.SealAccess(ctx, req.PathValue("id"), f.Get("place"))
	if f.Take(err) {
		return r.showSeals(w, req, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return web.Render(w, req, sealPaperPage(sealPaper(ctx, requestOf(ctx).tenant, s, code)))
}

func (r *Room) postSealRemove(w http.ResponseWriter, req *http.Request) error {
	if err := r.RemoveSeal(req.Context(), req.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, req, sealsPath)
}

// sealPaper is the sheet for the envelope.
func sealPaper(ctx context.Context, t Tenant, s Seal, code string) paper.Document {
	l := i18n.Of(ctx)
	return paper.Document{
		Lang: string(l.Lang), Title: i18n.T(ctx, "identity.seal_paper"), Stand: l.Now,
		Facts: []paper.Fact{
			{Label: i18n.T(ctx, "identity.seal_place"), Value: s.Place},
			{Label: i18n.T(ctx, "identity.seal_made"), Value: i18n.Stand(ctx, s.SealedAt) + " · " + s.SealedBy},
		},
		Sections: []paper.Section{{
			Title: t.Name,
			Blocks: []paper.Block{
				paper.Quote{Title: i18n.T(ctx, "identity.seal_code"), Text: code},
				paper.List{
					i18n.T(ctx, "identity.seal_step_1", t.StaffURL+openSealPath), i18n.T(ctx, "identity.seal_step_2"),
					i18n.T(ctx, "identity.seal_step_3"), i18n.T(ctx, "identity.seal_step_4"),
				},
				paper.Blanks{i18n.T(ctx, "identity.seal_sign"), i18n.T(ctx, "identity.seal_opened_by")},
			},
		}},
	}
}

// SealedAccessBody is a sealed access; Code is told once, when it is sealed.
type SealedAccessBody struct {
	ID       string     `json:"id" readOnly:"true"`
	Place    string     `json:"place" doc:"Where the paper lies"`
	Sealed   bool       `json:"sealed" readOnly:"true" doc:"False: it was opened and has to be sealed again"`
	SealedAt time.Time  `json:"sealed_at" readOnly:"true"`
	SealedBy string     `json:"sealed_by" readOnly:"true"`
	OpenedAt *time.Time `json:"opened_at,omitempty" readOnly:"true"`
	OpenedBy string     `json:"opened_by,omitempty" readOnly:"true" doc:"The name that its user gave"`
	Code     string     `json:"code,omitempty" readOnly:"true"`
}

func sealBody(s Seal) SealedAccessBody {
	return SealedAccessBody{
		ID: s.ID, Place: s.Place, Sealed: s.Sealed, SealedAt: s.SealedAt, SealedBy: s.SealedBy, OpenedAt: moment(s.Last.OpenedAt), OpenedBy: s.Last.Name,
	}
}

type sealIn struct {
	ID string `path:"id"`
}

type newSealIn struct {
	Body struct {
		Place string `json:"place"`
	}
}

func (r *Room) sealAPI(a *web.API) {
	op := func(method, path, id, summary string) huma.Operation {
		return huma.Operation{Method: method, Path: "/api/v1" + path, OperationID: id, Summary: summary, Tags: []string{"people"}}
	}
	web.Operation(a, op(http.MethodGet, "/sealed-accesses", "list-sealed-accesses", "List the sealed accesses"), scopeAdmin, r.apiSeals)
	web.Operation(a, op(http.MethodPost, "/sealed-accesses", "create-sealed-access", "Make a sealed access; its code is told once"), scopeAdmin,
		func(ctx context.Context, in *newSealIn) (*web.One[SealedAccessBody], error) {
			return r.apiSeal(ctx, "", in.Body.Place)
		})
	web.Operation(a, op(http.MethodPost, "/sealed-accesses/{id}/seal", "seal-access-again", "Seal an access again with a new code"), scopeAdmin,
		func(ctx context.Context, in *sealIn) (*web.One[SealedAccessBody], error) {
			return r.apiSeal(ctx, in.ID, "")
		})
	web.Operation(a, op(http.MethodDelete, "/sealed-accesses/{id}", "remove-sealed-access", "Take a sealed access away"), scopeAdmin,
		func(ctx context.Context, in *sealIn) (*struct{}, error) { return &struct{}{}, r.RemoveSeal(ctx, in.ID) })
}

func (r *Room) apiSeals(ctx context.Context, in *web.Paging) (*web.List[SealedAccessBody], error) {
	list, err := r.Seals(ctx)
	items := []SealedAccessBody{}
	next := ""
	for _, s := range list {
		if s.ID <= in.After {
			continue
		}
		if len(items) == in.Limit {
			next = items[len(items)-1].ID
			break
		}
		items = append(items, sealBody(s))
	}
	return web.NewList(items, next), err
}

func (r *Room) apiSeal(ctx context.Context, id, place string) (*web.One[SealedAccessBody], error) {
	code, s, err := r.SealAccess(ctx, id, place)
	b := sealBody(s)
	b.Code = code
	return &web.One[SealedAccessBody]{Body: b}, err
}
