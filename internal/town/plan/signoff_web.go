package plan

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

func (r *Room) signOffRoutes(s *web.Site) {
	s.Handle("GET /kit/signoff", web.Staff(r.pageSignOffs))
	s.Handle("POST /kit/signoff", web.Staff(r.postSignOff))
	s.Handle("GET /kit/signoff/{id}", web.Staff(r.pageSignOff))
	s.Handle("POST /kit/signoff/{id}/withdraw", web.Staff(r.postWithdrawSignOff))
}

// signOffsView is what the page of the sign-offs shows.
type signOffsView struct {
	Stand   Stand
	Backing Backing
	Latest  SignOff
	All     []SignOff
	Form    *web.Form
	May     bool
}

func (r *Room) signOffsView(ctx context.Context, f *web.Form) (v signOffsView, err error) {
	if _, v.Stand, err = r.Document(ctx); err != nil {
		return v, err
	}
	if v.All, err = r.SignOffs(ctx); err != nil {
		return v, err
	}
	v.Backing, v.Latest = Backed(v.All, v.Stand.Number)
	v.May, v.Form = MayChange(ctx), f
	if f == nil {
		v.Form = web.NewForm(map[string]string{
			"version": strconv.Itoa(v.Stand.Number), "day": r.o.Clock.Now().In(i18n.Of(ctx).Zone).Format(dayForm),
		})
	}
	return v, nil
}

func (r *Room) pageSignOffs(w http.ResponseWriter, req *http.Request) error {
	v, err := r.signOffsView(req.Context(), nil)
	if err != nil {
		return err
	}
	return web.Render(w, req, signOffsPage(v))
}

func (r *Room) postSignOff(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	version, err := strconv.Atoi(f.Get("version"))
	if err != nil {
		version = 0 // no version has that number, and the field says so
	}
	_, err = r.SignOff(req.Context(), SignOff{Version: version, Name: f.Get("name"), Function: f.Get("function"), Day: f.Get("day"), Note: f.Get("note")})
	if f.Take(err) {
		v, err := r.signOffsView(req.Context(), f)
		if err != nil {
			return err
		}
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, signOffsPage(v))
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/kit/signoff")
}

func (r *Room) signOff(ctx context.Context, id string) (SignOff, error) {
	all, err := r.SignOffs(ctx)
	if err != nil {
		return SignOff{}, err
	}
	i := slices.IndexFunc(all, func(s SignOff) bool { return s.ID == id })
	if i < 0 {
		return SignOff{}, fault.New(fault.NotFound, "plan.no_signoff")
	}
	return all[i], nil
}

func (r *Room) pageSignOff(w http.ResponseWriter, req *http.Request) error {
	s, err := r.signOff(req.Context(), req.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, req, signOffPage(s, web.NewForm(nil), MayChange(req.Context())))
}

func (r *Room) postWithdrawSignOff(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	s, err := r.signOff(req.Context(), req.PathValue("id"))
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	_, err = r.WithdrawSignOff(req.Context(), s.ID, f.Get("reason"))
	if f.Take(err) {
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, signOffPage(s, f, true))
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/kit/signoff")
}

// signOffBody is a sign-off as the API speaks of it.
type signOffBody struct {
	ID              string     `json:"id" readOnly:"true" required:"false"`
	Version         int        `json:"version" doc:"Version of the plan that was signed"`
	Name            string     `json:"name" doc:"Who of the leadership signed"`
	Function        string     `json:"function"`
	Day             string     `json:"day" doc:"Day of the signature, 2027-03-31"`
	Note            string     `json:"note,omitempty" doc:"Where the signature can be seen"`
	At              time.Time  `json:"recorded_at" readOnly:"true" required:"false"`
	By              string     `json:"recorded_by" readOnly:"true" required:"false"`
	Counts          bool       `json:"counts" readOnly:"true" required:"false" doc:"It was not taken back"`
	WithdrawnAt     *time.Time `json:"withdrawn_at,omitempty" readOnly:"true"`
	WithdrawnBy     string     `json:"withdrawn_by,omitempty" readOnly:"true"`
	WithdrawnReason string     `json:"withdrawn_reason,omitempty" readOnly:"true"`
}

type backingBody struct {
	State   string        `json:"state" enum:"unsigned,signed,outdated"`
	Version int           `json:"version" doc:"Version of the plan as it stands"`
	Signed  *signOffBody  `json:"signed,omitempty" doc:"The sign-off that counts most"`
	Items   []signOffBody `json:"items" doc:"All, the newest first"`
}

type createSignOff struct{ Body signOffBody }

type withdrawSignOff struct {
	ID   string `path:"id"`
	Body struct {
		Reason string `json:"reason"`
	}
}

func signOffOf(s SignOff) signOffBody {
	b := signOffBody{
		ID: s.ID, Version: s.Version, Name: s.Name, Function: s.Function, Day: s.Day, Note: s.Note, At: s.At, By: s.ByName,
		Counts: s.Counts(), WithdrawnBy: s.WithdrawnByName, WithdrawnReason: s.Reason,
	}
	if !s.Counts() {
		b.WithdrawnAt = &s.Withdrawn
	}
	return b
}

func (r *Room) signOffAPI(a *web.API) {
	const scope = "people"
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/plan/signoffs" + path, Summary: summary, Tags: []string{"plan"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-plan-signoffs", http.MethodGet, "", "Say how the leadership stands behind the plan", 200), scope, r.apiSignOffs)
	web.Operation(a, op("create-plan-signoff", http.MethodPost, "", "Write down that the leadership signed a version of the plan", 201), scope, r.apiSignOff)
	web.Operation(a, op("withdraw-plan-signoff", http.MethodPost, "/{id}/withdraw", "Take a sign-off back, with the reason", 200), scope, r.apiWithdrawSignOff)
}

func (r *Room) apiSignOffs(ctx context.Context, _ *struct{}) (*web.One[backingBody], error) {
	v, err := r.signOffsView(ctx, nil)
	if err != nil {
		return nil, err
	}
	out := backingBody{State: string(v.Backing), Version: v.Stand.Number, Items: make([]signOffBody, len(v.All))}
	for i, s := range v.All {
		out.Items[i] = signOffOf(s)
	}
	if v.Backing != Unsigned {
		b := signOffOf(v.Latest)
		out.Signed = &b
	}
	return &web.One[backingBody]{Body: out}, nil
}

func (r *Room) apiSignOff(ctx context.Context, in *createSignOff) (*web.One[signOffBody], error) {
	b := in.Body
	s, err := r.SignOff(ctx, SignOff{Version: b.Version, Name: b.Name, Function: b.Function, Day: b.Day, Note: b.Note})
	return &web.One[signOffBody]{Body: signOffOf(s)}, err
}

func (r *Room) apiWithdrawSignOff(ctx context.Context, in *withdrawSignOff) (*web.One[signOffBody], error) {
	s, err := r.WithdrawSignOff(ctx, in.ID, in.Body.Reason)
	return &web.One[signOffBody]{Body: signOffOf(s)}, err
}
