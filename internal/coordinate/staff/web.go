package staff

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// Routes hangs the board into the console.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /incident/{id}/staff", web.Staff(r.pageBoard))
	s.Handle("POST /incident/{id}/staff/seat", web.Staff(r.postSeat))
	s.Handle("POST /incident/{id}/staff/relief", web.Staff(r.postRelief))
	s.Handle("POST /incident/{id}/staff/seat/{seat}", web.Staff(r.postOnSeat))
	s.Handle("POST /incident/{id}/staff/decision", web.Staff(r.postDecision))
	s.Handle("POST /incident/{id}/staff/decision/{decision}", web.Staff(r.postCheck))
}

func href(id incident.ID, below ...string) string {
	return "/incident/" + strings.Join(append([]string{string(id), "staff"}, below...), "/")
}

// local is how a datetime-local field writes.
const local = "2006-01-02T15:04"

// view is the page of a board.
type view struct {
	Incident  incident.Incident
	Open      bool
	Crew      plan.Crew
	Held      []Seat
	Past      []Seat
	Decisions []Decision // the newest first
	Speakers  []Speaker
	Meant     map[plan.StaffFunction]identity.Person // who the plan means and is not there yet
	People    []web.Option
	Me        identity.PersonID
	MayAct    bool
	// Seating, Relieving and Deciding keep what was typed when an act was refused;
	// Checking is the decision whose result was refused.
	Seating, Relieving, Deciding, Settling *web.Form
	Checking                               DecisionID
}

// in lists who holds f.
func (v view) in(f plan.StaffFunction) []Seat {
	var out []Seat
	for _, s := range v.Held {
		if s.Function == f {
			out = append(out, s)
		}
	}
	return out
}

// failed is the form that was refused, for the summary on top.
func (v view) failed() *web.Form {
	for _, f := range []*web.Form{v.Seating, v.Relieving, v.Deciding, v.Settling} {
		if !f.OK() {
			return f
		}
	}
	return v.Seating
}

// MayFill reports whether the reader may put somebody into f.
func (v view) mayFill(ctx context.Context, f plan.StaffFunction) bool {
	return v.MayAct && v.Open && mayPlace(f, v.Me, ident.ActorOf(ctx).Has(seniors...), v.Held)
}

func (r *Room) look(ctx context.Context, in incident.ID) (view, error) {
	v := view{MayAct: mayAct(ctx), Me: identity.PersonID(ident.ActorOf(ctx).Person), Meant: map[plan.StaffFunction]identity.Person{}}
	var err error
	if v.Incident, err = r.o.Incidents.Get(ctx, in); err != nil {
		return v, err
	}
	v.Open = Open(v.Incident)
	d, _, err := r.o.Plan.Document(ctx)
	if err != nil {
		return v, err
	}
	v.Crew = d.Board
	all, err := r.Seats(ctx, in)
	if err != nil {
		return v, err
	}
	for _, s := range all {
		if s.Held() {
			v.Held = append(v.Held, s)
		} else {
			v.Past = append(v.Past, s)
		}
	}
	slices.Reverse(v.Past)
	if v.Decisions, err = r.Decisions(ctx, Filter{Incident: in}); err != nil {
		return v, err
	}
	slices.Reverse(v.Decisions)
	if v.Speakers, err = r.Speakers(ctx, in); err != nil {
		return v, err
	}
	people, err := r.o.People.People(ctx, identity.Filter{Active: true, Limit: 1000})
	if err != nil {
		return v, err
	}
	v.People = []web.Option{{Text: i18n.T(ctx, "staff.choose")}}
	for _, p := range people {
		v.People = append(v.People, web.Option{Value: string(p.ID), Text: p.Name})
		for _, f := range v.Crew.Functions() {
			if strings.EqualFold(v.Crew.Duty(f).Person, p.Email) && len(v.in(f)) == 0 {
				v.Meant[f] = p
			}
		}
	}
	now := i18n.Of(ctx).Now
	v.Seating, v.Relieving, v.Settling = web.NewForm(nil), web.NewForm(nil), web.NewForm(nil)
	v.Deciding = web.NewForm(map[string]string{
		"checker": ident.ActorOf(ctx).Name, "check_by": now.Add(time.Hour).In(zone(ctx)).Format(local),
	})
	return v, nil
}

func zone(ctx context.Context) *time.Location {
	if z := i18n.Of(ctx).Zone; z != nil {
		return z
	}
	return time.UTC
}

func (r *Room) pageBoard(w http.ResponseWriter, req *http.Request) error {
	v, err := r.look(req.Context(), incident.ID(req.PathValue("id")))
	if err != nil {
		return err
	}
	return web.Render(w, req, boardPage(v))
}

// post runs an act of a form and shows the board again when it is refused; where
// puts the form into the page.
func (r *Room) post(w http.ResponseWriter, req *http.Request, act func(ctx context.Context, in incident.ID, f *web.Form) error, where func(v *view, f *web.Form)) error {
	if !mayAct(req.Context()) {
		return ErrForbidden
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	in := incident.ID(req.PathValue("id"))
	err = act(req.Context(), in, f)
	if err == nil && f.OK() {
		return web.SeeOther(w, req, href(in))
	}
	if err != nil && !f.Take(err) {
		return err
	}
	v, errLook := r.look(req.Context(), in)
	if errLook != nil {
		return errLook
	}
	where(&v, f)
	status := http.StatusUnprocessableEntity
	if err != nil {
		status = fault.Status(fault.KindOf(err))
	}
	return web.RenderStatus(w, req, status, boardPage(v))
}

func (r *Room) postSeat(w http.ResponseWriter, req *http.Request) error {
	return r.post(w, req, func(ctx context.Context, in incident.ID, f *web.Form) error {
		_, err := r.Fill(ctx, in, Place{
			Function: plan.StaffFunction(f.Get("function")), Person: identity.PersonID(f.Get("person")), Name: f.Get("name"), Note: f.Get("note"),
		})
		return err
	}, func(v *view, f *web.Form) { v.Seating = f })
}

// moment reads a datetime-local field; what cannot be read is noted in the form.
func moment(ctx context.Context, f *web.Form, field string) time.Time {
	t, err := time.ParseInLocation(local, f.Get(field), zone(ctx))
	if err != nil {
		f.Fail(field, "staff.bad_time")
	}
	return t
}

func (r *Room) postRelief(w http.ResponseWriter, req *http.Request) error {
	return r.post(w, req, func(ctx context.Context, in incident.ID, f *web.Form) error {
		at := moment(ctx, f, "relief_at")
		if f.Get("seat") == "" {
			f.Fail("seat", "web.required")
		}
		if !f.OK() {
			return nil
		}
		return r.PlanRelief(ctx, in, SeatID(f.Get("seat")), Relief{identity.PersonID(f.Get("relief_person")), f.Get("relief_name"), at})
	}, func(v *view, f *web.Form) { v.Relieving = f })
}

func (r *Room) postOnSeat(w http.ResponseWriter, req *http.Request) error {
	return r.post(w, req, func(ctx context.Context, in incident.ID, f *web.Form) error {
		id := SeatID(req.PathValue("seat"))
		if f.Get("act") == "leave" {
			return r.Leave(ctx, in, id)
		}
		_, err := r.Relieve(ctx, in, id)
		return err
	}, func(v *view, f *web.Form) { v.Seating = f })
}

func (r *Room) postDecision(w http.ResponseWriter, req *http.Request) error {
	return r.post(w, req, func(ctx context.Context, in incident.ID, f *web.Form) error {
		by := moment(ctx, f, "check_by")
		_, err := r.Decide(ctx, in, Decision{
			Situation: f.Get("situation"), Options: f.Get("options"), Decision: f.Get("decision"), Checker: f.Get("checker"), CheckBy: by,
		})
		return err
	}, func(v *view, f *web.Form) { v.Deciding = f })
}

func (r *Room) postCheck(w http.ResponseWriter, req *http.Request) error {
	id := DecisionID(req.PathValue("decision"))
	return r.post(w, req, func(ctx context.Context, in incident.ID, f *web.Form) error {
		_, err := r.Check(ctx, in, id, f.Get("result"))
		return err
	}, func(v *view, f *web.Form) { v.Settling, v.Checking = f, id })
}
