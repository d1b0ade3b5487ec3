package deletion

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/retain"
	"tuermer/internal/platform/web"
)

// API hangs the room into /api/v1.
func (r *Room) API(a *web.API) {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/deletion" + path, Summary: summary, Tags: []string{"deletion"}, DefaultStatus: http.StatusOK}
	}
	web.Operation(a, op("list-retention-rules", http.MethodGet, "/rules", "Say how long every table keeps what, and why what has no period stays"), scope, r.apiRules)
	web.Operation(a, op("list-deletion-records", http.MethodGet, "/records", "The proof of deletion: what went by which rule, without personal data"), scope, r.apiRecords)
	web.Operation(a, op("list-deletion-runs", http.MethodGet, "/runs", "List the nightly runs, the newest first"), scope, r.apiRuns)
	web.Operation(a, op("list-deletion-holds", http.MethodGet, "/holds", "List what keeps data from being deleted"), scope, r.apiHolds)
	hold := op("set-deletion-hold", http.MethodPost, "/holds", "Keep everything of a time from being deleted")
	hold.DefaultStatus = http.StatusCreated
	web.Operation(a, hold, scope, r.apiHold)
	web.Operation(a, op("lift-deletion-hold", http.MethodDelete, "/holds/{id}", "Lift a hold; what it kept goes with the next run"), scope, r.apiLift)
}

type retentionRule struct {
	Rule   string `json:"rule"`
	Table  string `json:"table"`
	Act    string `json:"act" enum:"delete,clear,own,stay"`
	Days   int    `json:"days,omitempty" doc:"The period; missing where a table has none"`
	Reason string `json:"reason,omitempty" doc:"Why a table has no period"`
}

type deletionRecord struct {
	ID      string    `json:"id"`
	Day     string    `json:"day" doc:"Of the run, in the town's own time"`
	At      time.Time `json:"at"`
	Rule    string    `json:"rule"`
	Table   string    `json:"table"`
	Act     string    `json:"act" enum:"delete,clear,own"`
	Days    int       `json:"days"`
	Limit   time.Time `json:"older_than"`
	Gone    int64     `json:"rows" doc:"Rows of this transaction"`
	Held    int64     `json:"held" doc:"Older, and kept for an open incident or a hold; at the end of a rule"`
	Overdue int64     `json:"overdue" doc:"Older, and there all the same; at the end of a rule"`
}

type deletionRun struct {
	Day     string     `json:"day"`
	Started time.Time  `json:"started_at"`
	Ended   *time.Time `json:"ended_at,omitempty"`
	Gone    int64      `json:"rows"`
	Held    int64      `json:"held"`
	Overdue int64      `json:"overdue"`
}

type deletionHold struct {
	ID         string     `json:"id"`
	From       string     `json:"from"`
	To         string     `json:"to,omitempty"`
	Reason     string     `json:"reason"`
	SetAt      time.Time  `json:"set_at"`
	SetName    string     `json:"set_by"`
	LiftedAt   *time.Time `json:"lifted_at,omitempty"`
	LiftedName string     `json:"lifted_by,omitempty"`
}

func (r *Room) apiRules(ctx context.Context, _ *web.Paging) (*web.List[retentionRule], error) {
	if err := may(ctx); err != nil {
		return nil, err
	}
	items := []retentionRule{}
	for _, x := range r.o.Rules() {
		items = append(items, retentionRule{x.Name, x.Table, string(x.Act), int((x.For + retain.Day - 1) / retain.Day), string(x.Reason)})
	}
	return web.NewList(items, ""), nil
}

func (r *Room) apiRecords(ctx context.Context, in *web.Paging) (*web.List[deletionRecord], error) {
	all, err := r.Records(ctx, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	items, next := make([]deletionRecord, len(all)), ""
	for i, x := range all {
		items[i] = deletionRecord{x.ID, x.Day, x.At, x.Rule, x.Table, string(x.Act), x.Days, x.Limit, x.Gone, x.Held, x.Overdue}
	}
	if len(all) == in.Limit {
		next = all[len(all)-1].ID
	}
	return web.NewList(items, next), nil
}

func (r *Room) apiRuns(ctx context.Context, in *web.Paging) (*web.List[deletionRun], error) {
	all, err := r.Runs(ctx, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	items, next := make([]deletionRun, len(all)), ""
	for i, x := range all {
		items[i] = deletionRun{x.Day, x.Started, orNil(x.Ended), x.Gone, x.Held, x.Overdue}
	}
	if len(all) == in.Limit {
		next = all[len(all)-1].Day
	}
	return web.NewList(items, next), nil
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func holdBody(h Hold) deletionHold {
	return deletionHold{h.ID, h.From, h.To, h.Reason, h.SetAt, h.SetName, orNil(h.LiftedAt), h.LiftedName}
}

func (r *Room) apiHolds(ctx context.Context, _ *web.Paging) (*web.List[deletionHold], error) {
	if err := may(ctx); err != nil {
		return nil, err
	}
	all, err := r.Holds(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]deletionHold, len(all))
	for i, h := range all {
		items[i] = holdBody(h)
	}
	return web.NewList(items, ""), nil
}

type holdIn struct {
	Body struct {
		From   string `json:"from" doc:"First day, 2006-01-02"`
		To     string `json:"to,omitempty" doc:"Last day; missing: without an end"`
		Reason string `json:"reason"`
	}
}

func (r *Room) apiHold(ctx context.Context, in *holdIn) (*web.One[deletionHold], error) {
	h, err := r.Hold(ctx, Hold{From: in.Body.From, To: in.Body.To, Reason: in.Body.Reason})
	if err != nil {
		return nil, err
	}
	return &web.One[deletionHold]{Body: holdBody(h)}, nil
}

type holdPath struct {
	ID string `path:"id"`
}

func (r *Room) apiLift(ctx context.Context, in *holdPath) (*struct{}, error) {
	return nil, r.Lift(ctx, in.ID)
}
