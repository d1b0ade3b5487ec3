package incident

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// commitmentRoutes are the pages of what was promised.
func (r *Room) commitmentRoutes(s *web.Site) {
	s.Handle("GET /incident/commitments", web.Staff(r.pageCommitments))
	s.Handle("GET /incident/{id}/commitments", web.Staff(r.pageOfIncident))
	s.Handle("POST /incident/{id}/commitments", web.Staff(r.postCommitment))
	s.Handle("POST /incident/{id}/commitments/{commitment}", web.Staff(r.postSettle))
}

// commitmentsView is the page of an incident's commitments, or of all open ones.
type commitmentsView struct {
	Incident Incident // zero: all open ones
	Titles   map[ID]string
	List     []Commitment
	Form     *web.Form
	Which    CommitmentID // whose form was refused
}

func (r *Room) pageCommitments(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	v := commitmentsView{Titles: map[ID]string{}, Form: web.NewForm(nil)}
	var err error
	if v.List, err = r.Commitments(ctx, CommitmentFilter{State: CommitmentOpen, Limit: 1000}); err != nil {
		return err
	}
	sortByDue(v.List)
	for _, c := range v.List {
		if _, known := v.Titles[c.Incident]; known {
			continue
		}
		i, err := r.Get(ctx, c.Incident)
		if err != nil {
			return err
		}
		v.Titles[c.Incident] = i.Title
	}
	return web.Render(w, req, commitmentsPage(v))
}

func (r *Room) pageOfIncident(w http.ResponseWriter, req *http.Request) error {
	return r.showCommitments(w, req, http.StatusOK, web.NewForm(nil), "")
}

func (r *Room) showCommitments(w http.ResponseWriter, req *http.Request, status int, f *web.Form, which CommitmentID) error {
	ctx := req.Context()
	v := commitmentsView{Form: f, Which: which}
	var err error
	if v.Incident, err = r.Get(ctx, ID(req.PathValue("id"))); err != nil {
		return err
	}
	if v.List, err = r.Commitments(ctx, CommitmentFilter{Incident: v.Incident.ID, Limit: 1000}); err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, commitmentsPage(v))
}

func (r *Room) postCommitment(w http.ResponseWriter, req *http.Request) error {
	if err := allowed(req.Context()); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	ctx, id := req.Context(), ID(req.PathValue("id"))
	due, err := time.ParseInLocation(time.DateOnly, f.Get("due"), zoneOf(ctx))
	if err != nil {
		f.Fail("due", "incident.commitment_due")
	}
	f.Require("text")
	if f.OK() {
		// A day is kept until its last minute.
		due = due.Add(24*time.Hour - time.Minute).UTC()
		if _, err = r.Commit(ctx, id, Commitment{Text: f.Get("text"), Due: due, Public: f.Get("public") != ""}); err == nil {
			return web.SeeOther(w, req, href(Incident{ID: id}, "commitments"))
		}
		if !f.Take(err) {
			return err
		}
	}
	return r.showCommitments(w, req, http.StatusUnprocessableEntity, f, "")
}

func zoneOf(ctx context.Context) *time.Location {
	if z := i18n.Of(ctx).Zone; z != nil {
		return z
	}
	return time.UTC
}

func (r *Room) postSettle(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	id, which := ID(req.PathValue("id")), CommitmentID(req.PathValue("commitment"))
	if _, err := r.Settle(req.Context(), id, which, CommitmentState(f.Get("act")), f.Get("note")); err != nil {
		if !f.Take(err) {
			return err
		}
		return r.showCommitments(w, req, fault.Status(fault.KindOf(err)), f, which)
	}
	return web.SeeOther(w, req, href(Incident{ID: id}, "commitments"))
}

// CommitmentLook is shape and word of a commitment at now.
func CommitmentLook(ctx context.Context, c Commitment, now time.Time) (web.State, string) {
	switch {
	case c.Overdue(now):
		return web.Down, i18n.T(ctx, "incident.commitment.overdue")
	case c.State == CommitmentOpen:
		return web.Checking, i18n.T(ctx, "incident.commitment.open")
	case c.Late():
		return web.Degraded, i18n.T(ctx, "incident.commitment.late")
	case c.State == CommitmentKept:
		return web.OK, i18n.T(ctx, "incident.commitment.kept")
	case c.State == CommitmentBroken:
		return web.Down, i18n.T(ctx, "incident.commitment.broken")
	}
	return web.Unknown, i18n.T(ctx, "incident.commitment.withdrawn")
}

type commitmentBody struct {
	ID        string     `json:"id"`
	Incident  string     `json:"incident"`
	Text      string     `json:"text"`
	TextEN    string     `json:"text_en,omitempty"`
	Due       time.Time  `json:"due_at"`
	State     string     `json:"state" enum:"open,kept,broken,withdrawn"`
	Overdue   bool       `json:"overdue"`
	Late      bool       `json:"late" doc:"Kept after its day"`
	Public    bool       `json:"public" doc:"Said in public, so how it ends is public too"`
	Moved     int        `json:"moved" doc:"How often its day was put off"`
	Source    string     `json:"statement,omitempty" doc:"The statement that said it"`
	Note      string     `json:"note,omitempty"`
	At        time.Time  `json:"at"`
	By        string     `json:"by"`
	SettledAt *time.Time `json:"settled_at,omitempty"`
	SettledBy string     `json:"settled_by,omitempty"`
}

func (r *Room) commitmentOf(c Commitment) commitmentBody {
	return commitmentBody{
		ID: string(c.ID), Incident: string(c.Incident), Text: c.Text, TextEN: c.TextEN, Due: c.Due, State: string(c.State),
		Overdue: c.Overdue(r.o.Clock.Now()), Late: c.Late(), Public: c.Public, Moved: c.Moved, Source: c.Source, Note: c.Note, At: c.At,
		By: c.ByName, SettledAt: orNil(c.SettledAt), SettledBy: c.SettledName,
	}
}

type commitmentQuery struct {
	web.Paging
	Incident string `query:"incident" doc:"Only this incident"`
	State    string `query:"state" enum:"open,kept,broken,withdrawn"`
	Public   bool   `query:"public" doc:"Only what was said in public"`
}

type commitmentIn struct {
	ID   string `path:"id" doc:"Id of the incident"`
	Body struct {
		Text   string    `json:"text" minLength:"1" maxLength:"300"`
		TextEN string    `json:"text_en,omitempty" maxLength:"300"`
		Due    time.Time `json:"due_at"`
		Public bool      `json:"public,omitempty" doc:"Was said in public"`
	}
}

type commitmentSettle struct {
	ID         string `path:"id" doc:"Id of the incident"`
	Commitment string `path:"commitment" doc:"Id of the commitment"`
	Body       struct {
		State string `json:"state" enum:"kept,broken,withdrawn"`
		Note  string `json:"note,omitempty" maxLength:"300" doc:"What was done, or why it was not; needed for broken and withdrawn"`
	}
}

func (r *Room) commitmentAPI(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"commitments"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-commitments", http.MethodGet, "/commitments", "What the town has promised, oldest first", 200), scope, func(ctx context.Context, q *commitmentQuery) (*web.List[commitmentBody], error) {
		all, err := r.Commitments(ctx, CommitmentFilter{Incident: ID(q.Incident), State: CommitmentState(q.State), Public: q.Public, After: CommitmentID(q.After), Limit: q.Limit})
		if err != nil {
			return nil, err
		}
		out, next := make([]commitmentBody, len(all)), ""
		for i, c := range all {
			out[i] = r.commitmentOf(c)
		}
		if len(all) > 0 && len(all) == q.Limit {
			next = string(all[len(all)-1].ID)
		}
		return web.NewList(out, next), nil
	})
	web.Operation(a, op("add-commitment", http.MethodPost, "/incidents/{id}/commitments", "Note a promise", 201), scope, func(ctx context.Context, in *commitmentIn) (*web.One[commitmentBody], error) {
		c, err := r.Commit(ctx, ID(in.ID), Commitment{Text: in.Body.Text, TextEN: in.Body.TextEN, Due: in.Body.Due, Public: in.Body.Public})
		if err != nil {
			return nil, err
		}
		return &web.One[commitmentBody]{Body: r.commitmentOf(c)}, nil
	})
	web.Operation(a, op("settle-commitment", http.MethodPost, "/incidents/{id}/commitments/{commitment}", "Say how a promise ended", 200), scope, func(ctx context.Context, in *commitmentSettle) (*web.One[commitmentBody], error) {
		c, err := r.Settle(ctx, ID(in.ID), CommitmentID(in.Commitment), CommitmentState(in.Body.State), in.Body.Note)
		if err != nil {
			return nil, err
		}
		return &web.One[commitmentBody]{Body: r.commitmentOf(c)}, nil
	})
}
