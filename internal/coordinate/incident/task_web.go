package incident

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// taskRoutes are the acts on tasks; they are shown on the incident's page.
func (r *Room) taskRoutes(s *web.Site) {
	s.Handle("POST /incident/{id}/task", web.Staff(r.postTask))
	s.Handle("POST /incident/{id}/task/{task}/done", web.Staff(r.postTaskDone))
}

// zone is where the town's clocks hang.
func (r *Room) zone(ctx context.Context) *time.Location {
	if town, err := r.o.Town.Current(ctx); err == nil {
		if z, err := clock.Zone(town.Zone); err == nil {
			return z
		}
	}
	return time.UTC
}

func (r *Room) postTask(w http.ResponseWriter, req *http.Request) error {
	if err := allowed(req.Context()); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	k := Task{Title: f.Get("title"), Owner: f.Get("owner")}
	if d := f.Get("due"); d != "" {
		if k.Due, err = time.ParseInLocation(local, d, i18n.Of(req.Context()).Zone); err != nil {
			return ErrNoText.Field("due", "incident.bad_time")
		}
	}
	id := ID(req.PathValue("id"))
	if _, err := r.AddTask(req.Context(), id, k); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/incident/"+string(id)+"#auftraege")
}

func (r *Room) postTaskDone(w http.ResponseWriter, req *http.Request) error {
	id := ID(req.PathValue("id"))
	if err := r.FinishTask(req.Context(), id, TaskID(req.PathValue("task"))); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/incident/"+string(id)+"#auftraege")
}

// taskBody is a task as the API speaks of it.
type taskBody struct {
	ID       string     `json:"id" readOnly:"true" required:"false"`
	Title    string     `json:"title"`
	Owner    string     `json:"owner,omitempty" doc:"Mail address; empty: nobody has it"`
	Due      *time.Time `json:"due,omitempty"`
	Audience string     `json:"audience,omitempty" readOnly:"true" doc:"Given by the plan for this audience"`
	DoneAt   *time.Time `json:"done_at,omitempty" readOnly:"true"`
	DoneBy   string     `json:"done_by,omitempty" readOnly:"true"`
}

func taskOf(k Task) taskBody {
	b := taskBody{ID: string(k.ID), Title: k.Title, Owner: k.Owner, Audience: k.Audience, DoneBy: k.DoneName}
	if !k.Due.IsZero() {
		b.Due = &k.Due
	}
	if !k.DoneAt.IsZero() {
		b.DoneAt = &k.DoneAt
	}
	return b
}

type addTask struct {
	ID   string `path:"id"`
	Body taskBody
}

type taskPath struct {
	ID   string `path:"id"`
	Task string `path:"task"`
}

func (r *Room) taskAPI(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/incidents/{id}/tasks" + path, Summary: summary, Tags: []string{"incidents"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-tasks", http.MethodGet, "", "List the tasks of an incident, open ones first", 200), scope, func(ctx context.Context, p *incidentPath) (*web.List[taskBody], error) {
		if _, err := r.Get(ctx, ID(p.ID)); err != nil {
			return nil, err
		}
		all, err := r.Tasks(ctx, ID(p.ID))
		if err != nil {
			return nil, err
		}
		items := make([]taskBody, len(all))
		for i, k := range all {
			items[i] = taskOf(k)
		}
		return web.NewList(items, ""), nil
	})
	web.Operation(a, op("add-task", http.MethodPost, "", "Give somebody a task", 201), scope, func(ctx context.Context, in *addTask) (*web.One[taskBody], error) {
		k := Task{Title: in.Body.Title, Owner: in.Body.Owner}
		if in.Body.Due != nil {
			k.Due = clock.Cut(*in.Body.Due)
		}
		k, err := r.AddTask(ctx, ID(in.ID), k)
		return &web.One[taskBody]{Body: taskOf(k)}, err
	})
	web.Operation(a, op("finish-task", http.MethodPost, "/{task}/done", "Say that a task is done", 204), scope, func(ctx context.Context, in *taskPath) (*struct{}, error) {
		return nil, r.FinishTask(ctx, ID(in.ID), TaskID(in.Task))
	})
}
