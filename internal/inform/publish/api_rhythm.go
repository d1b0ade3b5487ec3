package publish

import (
	"context"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/web"
)

type waiveClosing struct {
	ID   string `path:"id" doc:"Id of the incident"`
	Body struct {
		Reason string `json:"reason"`
	}
}

type promiseBody struct {
	Incident  string     `json:"incident"`
	Audience  string     `json:"audience"`
	Due       time.Time  `json:"due_at"`
	State     string     `json:"state" enum:"open,kept,missed,withdrawn"`
	Overdue   bool       `json:"overdue"`
	SettledAt *time.Time `json:"settled_at,omitempty"`
	Statement string     `json:"statement,omitempty"`
}

type adherenceQuery struct {
	Incident string    `query:"incident" doc:"Only this incident"`
	From     time.Time `query:"from" doc:"Only what came due at or after this moment; without one, the last 90 days"`
}

type keptBody struct {
	Kept    int  `json:"kept"`
	Missed  int  `json:"missed" doc:"Came late, or is overdue now"`
	Percent *int `json:"percent,omitempty" doc:"Absent while nothing has come due"`
}

type adherenceBody struct {
	keptBody
	Audiences map[string]keptBody `json:"audiences" doc:"By slug; empty for a single incident"`
}

func keptOf(k Kept) keptBody {
	b := keptBody{Kept: k.Kept, Missed: k.Missed}
	if p, ok := k.Share(); ok {
		b.Percent = &p
	}
	return b
}

func (r *Room) apiAdherence(ctx context.Context, in *adherenceQuery) (*web.One[adherenceBody], error) {
	b := adherenceBody{Audiences: map[string]keptBody{}}
	if in.Incident != "" {
		if _, err := r.o.Incidents.Get(ctx, incident.ID(in.Incident)); err != nil {
			return nil, err
		}
		kept, missed, err := r.Adherence(ctx, incident.ID(in.Incident))
		b.keptBody = keptOf(Kept{kept, missed})
		return &web.One[adherenceBody]{Body: b}, err
	}
	from := in.From
	if from.IsZero() {
		from = r.o.Clock.Now().Add(-adherenceFor)
	}
	all, by, err := r.AdherenceSince(ctx, from)
	if err != nil {
		return nil, err
	}
	b.keptBody = keptOf(all)
	for slug, k := range by {
		b.Audiences[slug] = keptOf(k)
	}
	return &web.One[adherenceBody]{Body: b}, nil
}

func (r *Room) apiDue(ctx context.Context, _ *struct{}) (*web.List[promiseBody], error) {
	list, err := r.Due(ctx)
	return r.promiseBodies(list), err
}

func (r *Room) apiPromises(ctx context.Context, in *incidentPath) (*web.List[promiseBody], error) {
	if _, err := r.o.Incidents.Get(ctx, incident.ID(in.ID)); err != nil {
		return nil, err
	}
	list, err := r.Promises(ctx, incident.ID(in.ID))
	return r.promiseBodies(list), err
}

func (r *Room) promiseBodies(list []Promise) *web.List[promiseBody] {
	now := r.o.Clock.Now()
	out := make([]promiseBody, 0, len(list))
	for _, p := range list {
		out = append(out, promiseBody{
			Incident: string(p.Incident), Audience: p.Audience, Due: p.Due, State: string(p.State), Overdue: p.Overdue(now),
			SettledAt: orNil(p.SettledAt), Statement: string(p.Statement),
		})
	}
	return web.NewList(out, "")
}

func (r *Room) apiNoChange(ctx context.Context, in *incidentPath) (*web.One[statementBody], error) {
	s, err := r.NoChange(ctx, incident.ID(in.ID), nil)
	return r.answer(ctx, s, err)
}

func (r *Room) apiWaive(ctx context.Context, in *waiveClosing) (*struct{}, error) {
	return nil, r.Waive(ctx, incident.ID(in.ID), in.Body.Reason)
}
