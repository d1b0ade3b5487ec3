package identity

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
	"tuermer/internal/platform/web"
)

// JoinPath is the page from which invitations are printed.
const JoinPath = "/identity/joining"

func (r *Room) joinRoutes(s *web.Site) {
	s.Handle("GET "+JoinPath, RequireRole(r.pageJoining, RoleAdmin))
	s.Handle("POST "+JoinPath, RequireRole(r.postJoining, RoleAdmin))
	s.Handle("POST "+JoinPath+"/withdraw", RequireRole(r.postWithdraw, RoleAdmin))
}

// joinView is the page: who has not come yet, and what is on its way to them.
type joinView struct {
	Form      *web.Form
	Units     []Unit
	Waiting   int
	Invited   int
	Withdrawn string
	Error     *fault.Error
}

// everyUnit is the choice of all units; a unit's own choice has its number, since
// the empty name is a unit as well.
const everyUnit = "all"

func (r *Room) joinView(ctx context.Context) (joinView, error) {
	v := joinView{Form: web.NewForm(nil)}
	var err error
	v.Units, err = r.Units(ctx)
	for _, u := range v.Units {
		v.Waiting, v.Invited = v.Waiting+u.Waiting, v.Invited+u.Invited
	}
	return v, err
}

func (v joinView) options(ctx context.Context) []web.Option {
	out := []web.Option{{Value: everyUnit, Text: i18n.N(ctx, "identity.join_all", v.Waiting)}}
	for i, u := range v.Units {
		out = append(out, web.Option{Value: strconv.Itoa(i), Text: unitName(ctx, u) + " (" + i18n.Number(ctx, u.Waiting) + ")"})
	}
	return out
}

func unitName(ctx context.Context, u Unit) string {
	if u.Name == "" {
		return i18n.T(ctx, "identity.join_no_unit")
	}
	return u.Name
}

func (r *Room) pageJoining(w http.ResponseWriter, req *http.Request) error {
	v, err := r.joinView(req.Context())
	if err != nil {
		return err
	}
	v.Withdrawn = req.URL.Query().Get("withdrawn")
	return web.Render(w, req, joiningPage(v))
}

// postJoining answers with the sheet itself: its links are known at this moment
// only.
func (r *Room) postJoining(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	v, err := r.joinView(ctx)
	if err != nil {
		return err
	}
	var unit *string
	if choice := f.Get("unit"); choice != everyUnit {
		i, err := strconv.Atoi(choice)
		if err != nil || i < 0 || i >= len(v.Units) {
			v.Form = f
			f.Fail("unit", "identity.join_unit_unknown")
			return web.RenderStatus(w, req, http.StatusUnprocessableEntity, joiningPage(v))
		}
		unit = &v.Units[i].Name
	}
	list, err := r.InviteOnPaper(ctx, unit)
	if e := fault.As(err); err != nil && e.Kind == fault.Conflict {
		v.Error = e
		return web.RenderStatus(w, req, http.StatusConflict, joiningPage(v))
	}
	if err != nil {
		return err
	}
	t, err := r.Current(ctx)
	if err != nil {
		return err
	}
	raw, err := paper.PDF(JoinSheet(ctx, t, list, r.o.Clock.Now()))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `attachment; filename="einladungen.pdf"`)
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(raw)
	return err
}

func (r *Room) postWithdraw(w http.ResponseWriter, req *http.Request) error {
	n, err := r.WithdrawInvitations(req.Context())
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, JoinPath+"?withdrawn="+strconv.Itoa(n))
}

type joinUnitBody struct {
	Unit    string     `json:"unit" doc:"Organisational unit; empty: people without one"`
	Waiting int        `json:"waiting" doc:"People who have never signed in"`
	Invited int        `json:"invited" doc:"Of these hold a printed invitation that is still good"`
	Until   *time.Time `json:"until,omitempty" doc:"Until when the last of them is good"`
}

type joinInviteBody struct {
	Person PersonID  `json:"person"`
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Link   string    `json:"link" doc:"Signs in once; shown only now"`
	Until  time.Time `json:"until"`
}

type joinIn struct {
	Body struct {
		Unit *string `json:"unit,omitempty" doc:"Only this organisational unit; left out: everybody who has never signed in"`
	}
}

type joinWithdrawnBody struct {
	Withdrawn int `json:"withdrawn" doc:"How many were still good"`
}

func (r *Room) joinAPI(a *web.API) {
	op := func(id, method, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/people/invitations", Summary: summary, Tags: []string{"people"}, DefaultStatus: http.StatusOK}
	}
	web.Operation(a, op("list-invitations", http.MethodGet, "Count by unit who has never signed in, and who holds a printed invitation"), scopePeople, r.apiUnits)
	web.Operation(a, op("print-invitations", http.MethodPost, "Make invitations for those who have never signed in; earlier ones become worthless"), scopePeople, r.apiInvite)
	web.Operation(a, op("withdraw-invitations", http.MethodDelete, "Make every printed invitation worthless"), scopePeople, r.apiWithdraw)
}

func (r *Room) apiUnits(ctx context.Context, _ *struct{}) (*web.List[joinUnitBody], error) {
	units, err := r.Units(ctx)
	items := make([]joinUnitBody, len(units))
	for i, u := range units {
		items[i] = joinUnitBody{Unit: u.Name, Waiting: u.Waiting, Invited: u.Invited}
		if !u.Until.IsZero() {
			items[i].Until = &u.Until
		}
	}
	return web.NewList(items, ""), err
}

func (r *Room) apiInvite(ctx context.Context, in *joinIn) (*web.List[joinInviteBody], error) {
	list, err := r.InviteOnPaper(ctx, in.Body.Unit)
	items := make([]joinInviteBody, len(list))
	for i, l := range list {
		items[i] = joinInviteBody{Person: l.Person.ID, Name: l.Person.Name, Unit: l.Person.OrgUnit, Link: l.Link, Until: l.Until}
	}
	return web.NewList(items, ""), err
}

func (r *Room) apiWithdraw(ctx context.Context, _ *struct{}) (*web.One[joinWithdrawnBody], error) {
	n, err := r.WithdrawInvitations(ctx)
	return &web.One[joinWithdrawnBody]{Body: joinWithdrawnBody{Withdrawn: n}}, err
}
