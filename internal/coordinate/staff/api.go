package staff

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

type staffSeatBody struct {
	ID         string     `json:"id"`
	Function   string     `json:"function"`
	Person     string     `json:"person,omitempty" doc:"Id; empty: somebody without an account"`
	Name       string     `json:"name"`
	Note       string     `json:"note,omitempty"`
	Since      time.Time  `json:"since"`
	Until      *time.Time `json:"until,omitempty"`
	By         string     `json:"by"`
	ReliefName string     `json:"relief,omitempty" doc:"Who takes over"`
	ReliefAt   *time.Time `json:"relief_at,omitempty"`
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func seatOf(s Seat) staffSeatBody {
	return staffSeatBody{string(s.ID), string(s.Function), string(s.Person), s.Name, s.Note, s.Since, orNil(s.Until), s.ByName, s.Relief.Name, orNil(s.Relief.At)}
}

type staffSpeakerBody struct {
	Person   string `json:"person"`
	Name     string `json:"name"`
	Function string `json:"function"`
}

type staffBoardBody struct {
	Incident  string             `json:"incident"`
	Open      bool               `json:"open" doc:"May be written on: the level is crisis"`
	Form      string             `json:"form"`
	Functions []string           `json:"functions" nullable:"false"`
	Seats     []staffSeatBody    `json:"seats" nullable:"false" doc:"Past ones too"`
	Speakers  []staffSpeakerBody `json:"speakers" nullable:"false" doc:"Who releases public words; empty: approvers and admins do"`
}

type staffDecisionBody struct {
	ID        string     `json:"id"`
	Number    int        `json:"number"`
	Situation string     `json:"situation"`
	Options   string     `json:"options"`
	Decision  string     `json:"decision"`
	At        time.Time  `json:"at"`
	By        string     `json:"by"`
	Function  string     `json:"function,omitempty"`
	Checker   string     `json:"checker"`
	CheckBy   time.Time  `json:"check_by"`
	Overdue   bool       `json:"overdue"`
	CheckedAt *time.Time `json:"checked_at,omitempty"`
	CheckedBy string     `json:"checked_by,omitempty"`
	Result    string     `json:"result,omitempty"`
}

func (r *Room) decisionOf(d Decision) staffDecisionBody {
	return staffDecisionBody{
		string(d.ID), d.Number, d.Situation, d.Options, d.Decision, d.At, d.ByName, string(d.Function), d.Checker, d.CheckBy,
		d.Overdue(r.o.Clock.Now()), orNil(d.CheckedAt), d.CheckedName, d.Result,
	}
}

type staffPath struct {
	ID string `path:"id" doc:"Id of the incident"`
}

type staffFill struct {
	ID   string `path:"id" doc:"Id of the incident"`
	Body struct {
		Function string `json:"function"`
		Person   string `json:"person,omitempty" doc:"Id of a person; needed where public words are released"`
		Name     string `json:"name,omitempty" doc:"Somebody without an account"`
		Note     string `json:"note,omitempty" maxLength:"200"`
	}
}

type staffSeatPath struct {
	ID   string `path:"id" doc:"Id of the incident"`
	Seat string `path:"seat" doc:"Id of the seat"`
}

type staffRelief struct {
	staffSeatPath
	Body struct {
		Person string    `json:"person,omitempty"`
		Name   string    `json:"name,omitempty"`
		At     time.Time `json:"relief_at"`
	}
}

type staffDecisionQuery struct {
	ID string `path:"id" doc:"Id of the incident"`
	web.Paging
	Open bool `query:"open" doc:"Only those whose control is still to come"`
}

type staffDecide struct {
	ID   string `path:"id" doc:"Id of the incident"`
	Body struct {
		Situation string    `json:"situation"`
		Options   string    `json:"options"`
		Decision  string    `json:"decision"`
		Checker   string    `json:"checker" maxLength:"200" doc:"Who looks whether it worked"`
		CheckBy   time.Time `json:"check_by"`
	}
}

type staffCheck struct {
	ID       string `path:"id" doc:"Id of the incident"`
	Decision string `path:"decision" doc:"Id of the decision"`
	Body     struct {
		Result string `json:"result"`
	}
}

// API hangs the board into /api/v1.
func (r *Room) API(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/incidents/{id}/staff" + path, Summary: summary, Tags: []string{"staff"}, DefaultStatus: status}
	}
	web.Operation(a, op("get-staff", http.MethodGet, "", "Show who holds which function in the crisis staff", 200), scope, r.apiBoard)
	web.Operation(a, op("fill-staff-seat", http.MethodPost, "/seats", "Put somebody into a function, relieving whoever holds it", 201), scope,
		func(ctx context.Context, in *staffFill) (*web.One[staffSeatBody], error) {
			s, err := r.Fill(ctx, incident.ID(in.ID), Place{plan.StaffFunction(in.Body.Function), identity.PersonID(in.Body.Person), in.Body.Name, in.Body.Note})
			return &web.One[staffSeatBody]{Body: seatOf(s)}, err
		})
	web.Operation(a, op("plan-staff-relief", http.MethodPost, "/seats/{seat}/relief", "Say who takes over a seat, and when", 204), scope,
		func(ctx context.Context, in *staffRelief) (*struct{}, error) {
			return nil, r.PlanRelief(ctx, incident.ID(in.ID), SeatID(in.Seat), Relief{identity.PersonID(in.Body.Person), in.Body.Name, in.Body.At})
		})
	web.Operation(a, op("relieve-staff-seat", http.MethodPost, "/seats/{seat}/relieve", "Let the planned successor take over now", 200), scope,
		func(ctx context.Context, in *staffSeatPath) (*web.One[staffSeatBody], error) {
			s, err := r.Relieve(ctx, incident.ID(in.ID), SeatID(in.Seat))
			return &web.One[staffSeatBody]{Body: seatOf(s)}, err
		})
	web.Operation(a, op("leave-staff-seat", http.MethodPost, "/seats/{seat}/leave", "End a seat without a successor", 204), scope,
		func(ctx context.Context, in *staffSeatPath) (*struct{}, error) {
			return nil, r.Leave(ctx, incident.ID(in.ID), SeatID(in.Seat))
		})
	web.Operation(a, op("list-staff-decisions", http.MethodGet, "/decisions", "The staff's decision log, oldest first", 200), scope,
		func(ctx context.Context, q *staffDecisionQuery) (*web.List[staffDecisionBody], error) {
			if _, err := r.o.Incidents.Get(ctx, incident.ID(q.ID)); err != nil {
				return nil, err
			}
			all, err := r.Decisions(ctx, Filter{Incident: incident.ID(q.ID), Open: q.Open, After: DecisionID(q.After), Limit: q.Limit})
			if err != nil {
				return nil, err
			}
			items, next := make([]staffDecisionBody, len(all)), ""
			for i, d := range all {
				items[i] = r.decisionOf(d)
			}
			if len(all) > 0 && len(all) == q.Limit {
				next = items[len(all)-1].ID
			}
			return web.NewList(items, next), nil
		})
	web.Operation(a, op("add-staff-decision", http.MethodPost, "/decisions", "Write a decision into the log", 201), scope,
		func(ctx context.Context, in *staffDecide) (*web.One[staffDecisionBody], error) {
			b := in.Body
			d, err := r.Decide(ctx, incident.ID(in.ID), Decision{Situation: b.Situation, Options: b.Options, Decision: b.Decision, Checker: b.Checker, CheckBy: b.CheckBy})
			return &web.One[staffDecisionBody]{Body: r.decisionOf(d)}, err
		})
	web.Operation(a, op("check-staff-decision", http.MethodPost, "/decisions/{decision}/check", "Say what came of a decision", 200), scope,
		func(ctx context.Context, in *staffCheck) (*web.One[staffDecisionBody], error) {
			d, err := r.Check(ctx, incident.ID(in.ID), DecisionID(in.Decision), in.Body.Result)
			return &web.One[staffDecisionBody]{Body: r.decisionOf(d)}, err
		})
}

func (r *Room) apiBoard(ctx context.Context, p *staffPath) (*web.One[staffBoardBody], error) {
	i, err := r.o.Incidents.Get(ctx, incident.ID(p.ID))
	if err != nil {
		return nil, err
	}
	d, _, err := r.o.Plan.Document(ctx)
	if err != nil {
		return nil, err
	}
	all, err := r.Seats(ctx, i.ID)
	if err != nil {
		return nil, err
	}
	speakers, err := r.Speakers(ctx, i.ID)
	if err != nil {
		return nil, err
	}
	b := staffBoardBody{
		Incident: p.ID, Open: Open(i), Form: string(d.Board.Form), Functions: []string{}, Seats: []staffSeatBody{}, Speakers: []staffSpeakerBody{},
	}
	if b.Form == "" {
		b.Form = string(plan.Command)
	}
	for _, f := range d.Board.Functions() {
		b.Functions = append(b.Functions, string(f))
	}
	for _, s := range all {
		b.Seats = append(b.Seats, seatOf(s))
	}
	for _, s := range speakers {
		b.Speakers = append(b.Speakers, staffSpeakerBody{string(s.Person), s.Name, string(s.Function)})
	}
	return &web.One[staffBoardBody]{Body: b}, nil
}
