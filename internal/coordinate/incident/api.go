package incident

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/web"
)

// scope is what a token needs.
const scope = "incidents"

// incidentBody is an incident as programs see it.
type incidentBody struct {
	ID            string     `json:"id"`
	Title         string     `json:"title"`
	Realm         string     `json:"realm" enum:"live,exercise"`
	Level         string     `json:"level" enum:"disruption,emergency,crisis"`
	Impact        string     `json:"impact" enum:"none,minor,major,critical"`
	Phase         string     `json:"phase" enum:"candidate,confirmed,identified,monitoring,restored,closed,reviewed,dismissed,merged"`
	Public        string     `json:"public,omitempty" doc:"Phase as the public sees it; absent when the public does not"`
	Next          []string   `json:"next" doc:"Phases to which it can go from here" nullable:"false"`
	Private       bool       `json:"private"`
	Services      []string   `json:"services" doc:"Slugs" nullable:"false"`
	Alerts        []string   `json:"alerts" doc:"Ids" nullable:"false"`
	MergedInto    string     `json:"merged_into,omitempty"`
	Since         time.Time  `json:"since" doc:"When the trouble began, as far as known"`
	FirstSignalAt *time.Time `json:"first_signal_at,omitempty"`
	FirstPath     string     `json:"first_path,omitempty"`
	OpenedAt      time.Time  `json:"opened_at"`
	OpenedBy      string     `json:"opened_by" doc:"Name"`
	ConfirmedAt   *time.Time `json:"confirmed_at,omitempty"`
	RestoredAt    *time.Time `json:"restored_at,omitempty"`
	ClosedAt      *time.Time `json:"closed_at,omitempty"`
}

func bodyOf(i Incident) incidentBody {
	b := incidentBody{
		ID: string(i.ID), Title: i.Title, Realm: string(i.Realm), Level: string(i.Level), Impact: string(i.Impact()),
		Phase: string(i.Phase), Next: []string{}, Private: i.Private, Services: append([]string{}, i.Services...), Alerts: []string{},
		MergedInto: string(i.MergedInto), Since: i.Since, FirstSignalAt: orNil(i.FirstSignalAt), FirstPath: string(i.FirstPath),
		OpenedAt: i.OpenedAt, OpenedBy: i.OpenedName, ConfirmedAt: orNil(i.ConfirmedAt), RestoredAt: orNil(i.RestoredAt),
		ClosedAt: orNil(i.ClosedAt),
	}
	if p, ok := i.Public(); ok {
		b.Public = string(p)
	}
	for _, p := range i.Phase.Next() {
		b.Next = append(b.Next, string(p))
	}
	for _, a := range i.Alerts {
		b.Alerts = append(b.Alerts, a.Alert)
	}
	return b
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type incidentFactBody struct {
	ID           string     `json:"id"`
	Version      int        `json:"version" doc:"Send it back when you change the fact"`
	Text         string     `json:"text"`
	Certainty    string     `json:"certainty" enum:"confirmed,assumed,unknown"`
	Source       string     `json:"source"`
	EmbargoUntil *time.Time `json:"embargo_until,omitempty"`
	Hold         bool       `json:"hold" doc:"Part of an investigation, never said in public"`
	Withdrawn    bool       `json:"withdrawn"`
	At           time.Time  `json:"at"`
	By           string     `json:"by" doc:"Name"`
}

func factOf(f Fact) incidentFactBody {
	return incidentFactBody{
		string(f.ID), f.Version, f.Text, string(f.Certainty), f.Source, orNil(f.EmbargoUntil), f.Hold, f.Withdrawn, f.At, f.ByName,
	}
}

type incidentEntryBody struct {
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	By   string    `json:"by" doc:"Name"`
	Kind string    `json:"kind"`
	Text string    `json:"text"`
	Ref  string    `json:"ref,omitempty" doc:"Id of what it is about"`
	Hash string    `json:"hash" doc:"SHA-256 in hex over this entry and the hash before it"`
}

type incidentQuery struct {
	web.Paging
	Current bool   `query:"current" doc:"Leave out what is closed"`
	Phase   string `query:"phase" enum:"candidate,confirmed,identified,monitoring,restored,closed,reviewed,dismissed,merged"`
	Realm   string `query:"realm" enum:"live,exercise"`
	Service string `query:"service" doc:"Only what concerns this service, by slug"`
}

type incidentOpen struct {
	Body struct {
		Title     string   `json:"title,omitempty" maxLength:"300" doc:"Without it, that of the first alert"`
		Services  []string `json:"services,omitempty" doc:"Slugs; those of the alerts are added"`
		Service   string   `json:"service,omitempty" doc:"One more slug; the same as services with one entry"`
		Alerts    []string `json:"alerts,omitempty" doc:"Ids of alerts that it handles"`
		Alert     string   `json:"alert,omitempty" doc:"One more id; the same as alerts with one entry"`
		AlertID   string   `json:"alert_id,omitempty" doc:"The same as alert"`
		Level     string   `json:"level,omitempty" enum:"disruption,emergency,crisis" default:"disruption"`
		Realm     string   `json:"realm,omitempty" enum:"live,exercise" default:"live"`
		Private   bool     `json:"private,omitempty" doc:"Shown on no public page"`
		Confirmed bool     `json:"confirmed,omitempty" doc:"Begin as confirmed, not as a candidate"`
	}
}

type incidentPath struct {
	ID string `path:"id" doc:"Id of the incident"`
}

type incidentEdit struct {
	ID   string `path:"id"`
	Body struct {
		Title    *string   `json:"title,omitempty" maxLength:"300"`
		Services *[]string `json:"services,omitempty"`
		Private  *bool     `json:"private,omitempty"`
	}
}

type incidentPhase struct {
	ID   string `path:"id"`
	Body struct {
		Phase  string `json:"phase" enum:"confirmed,identified,monitoring,restored,closed,reviewed"`
		Reason string `json:"reason,omitempty" maxLength:"300"`
	}
}

type incidentLevel struct {
	ID   string `path:"id"`
	Body struct {
		Level string `json:"level" enum:"disruption,emergency,crisis"`
	}
}

type incidentReason struct {
	ID   string `path:"id"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"300"`
	}
}

type incidentMerge struct {
	ID   string `path:"id"`
	Body struct {
		Into   string `json:"into" doc:"Id of the incident that takes this one over"`
		Reason string `json:"reason,omitempty" maxLength:"300"`
	}
}

type incidentNote struct {
	ID   string `path:"id"`
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"20000"`
	}
}

type incidentFactIn struct {
	Text         string    `json:"text" minLength:"1" maxLength:"20000"`
	Certainty    string    `json:"certainty" enum:"confirmed,assumed,unknown"`
	Source       string    `json:"source,omitempty" maxLength:"300"`
	EmbargoUntil time.Time `json:"embargo_until,omitzero"`
	Hold         bool      `json:"hold,omitempty"`
	Withdrawn    bool      `json:"withdrawn,omitempty"`
	Version      int       `json:"version,omitempty" doc:"The version that was read; only to change a fact"`
}

func (f incidentFactIn) fact(id string) Fact {
	return Fact{
		ID: FactID(id), Version: f.Version, Text: f.Text, Certainty: Certainty(f.Certainty), Source: f.Source,
		EmbargoUntil: f.EmbargoUntil, Hold: f.Hold, Withdrawn: f.Withdrawn,
	}
}

type incidentFactAdd struct {
	ID   string `path:"id"`
	Body incidentFactIn
}

type incidentFactChange struct {
	ID   string `path:"id"`
	Fact string `path:"fact"`
	Body incidentFactIn
}

type incidentEntries struct {
	ID    string `path:"id"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
	After int64  `query:"after" doc:"Only entries behind this seq" minimum:"0"`
}

type incidentRuleBody struct {
	Service      string `json:"service" doc:"Slug; empty: all services without a rule of their own"`
	Never        bool   `json:"never,omitempty"`
	AfterSeconds int64  `json:"after_seconds,omitempty" minimum:"0" maximum:"86400" doc:"How long a critical alert of a public service may be open before a candidate is opened"`
}

type incidentRuleIn struct {
	Body incidentRuleBody
}

func (r *Room) apiRules(ctx context.Context, _ *struct{}) (*web.List[incidentRuleBody], error) {
	all, err := r.Rules(ctx)
	if err != nil {
		return nil, err
	}
	out := []incidentRuleBody{}
	for _, x := range all {
		out = append(out, incidentRuleBody{x.Service, x.Never, int64(x.After / time.Second)})
	}
	return web.NewList(out, ""), nil
}

func (r *Room) apiSetRule(ctx context.Context, in *incidentRuleIn) (*web.List[incidentRuleBody], error) {
	b := in.Body
	if err := r.SetRule(ctx, Rule{Service: b.Service, Never: b.Never, After: time.Duration(b.AfterSeconds) * time.Second}); err != nil {
		return nil, err
	}
	return r.apiRules(ctx, nil)
}

// API adds this room's operations.
func (r *Room) API(a *web.API) {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/incidents" + path, Summary: summary, Tags: []string{"incidents"}}
	}
	created := func(o huma.Operation) huma.Operation {
		o.DefaultStatus = http.StatusCreated
		return o
	}
	r.taskAPI(a)
	web.Operation(a, op("list-incidents", http.MethodGet, "", "List incidents, newest first"), scope, r.apiList)
	web.Operation(a, created(op("open-incident", http.MethodPost, "", "Open an incident")), scope, r.apiOpen)
	web.Operation(a, op("list-incident-rules", http.MethodGet, "/rules", "Rules by which an alert opens an incident"), scope, r.apiRules)
	web.Operation(a, op("set-incident-rule", http.MethodPut, "/rules", "Set the rule of one service, or of all others"), scope, r.apiSetRule)
	web.Operation(a, op("get-incident", http.MethodGet, "/{id}", "One incident"), scope, func(ctx context.Context, p *incidentPath) (*web.One[incidentBody], error) {
		return r.one(ctx, p.ID, nil)
	})
	web.Operation(a, op("edit-incident", http.MethodPatch, "/{id}", "Change title, services or privacy"), scope, func(ctx context.Context, p *incidentEdit) (*web.One[incidentBody], error) {
		return r.one(ctx, p.ID, r.Edit(ctx, ID(p.ID), Edit(p.Body)))
	})
	web.Operation(a, op("advance-incident", http.MethodPost, "/{id}/phase", "Move an incident to its next phase"), scope, func(ctx context.Context, p *incidentPhase) (*web.One[incidentBody], error) {
		return r.one(ctx, p.ID, r.Advance(ctx, ID(p.ID), Phase(p.Body.Phase), p.Body.Reason))
	})
	web.Operation(a, op("set-incident-level", http.MethodPost, "/{id}/level", "Say how far the authority can still act"), scope, func(ctx context.Context, p *incidentLevel) (*web.One[incidentBody], error) {
		return r.one(ctx, p.ID, r.SetLevel(ctx, ID(p.ID), Level(p.Body.Level)))
	})
	web.Operation(a, op("dismiss-incident", http.MethodPost, "/{id}/dismiss", "End an incident as a false alarm"), scope, func(ctx context.Context, p *incidentReason) (*web.One[incidentBody], error) {
		return r.one(ctx, p.ID, r.Dismiss(ctx, ID(p.ID), p.Body.Reason))
	})
	web.Operation(a, op("reopen-incident", http.MethodPost, "/{id}/reopen", "Open a restored or closed incident again"), scope, func(ctx context.Context, p *incidentReason) (*web.One[incidentBody], error) {
		return r.one(ctx, p.ID, r.Reopen(ctx, ID(p.ID), p.Body.Reason))
	})
	web.Operation(a, op("merge-incident", http.MethodPost, "/{id}/merge", "Make an incident part of another"), scope, func(ctx context.Context, p *incidentMerge) (*web.One[incidentBody], error) {
		return r.one(ctx, p.ID, r.Merge(ctx, ID(p.ID), ID(p.Body.Into), p.Body.Reason))
	})
	r.commitmentAPI(a)
	web.Operation(a, op("list-facts", http.MethodGet, "/{id}/facts", "Current facts, surest first"), scope, r.apiFacts)
	web.Operation(a, created(op("add-fact", http.MethodPost, "/{id}/facts", "Note a fact, a belief or a question")), scope, r.apiAddFact)
	web.Operation(a, op("change-fact", http.MethodPost, "/{id}/facts/{fact}", "Make a new version of a fact"), scope, r.apiChangeFact)
	web.Operation(a, op("read-journal", http.MethodGet, "/{id}/journal", "The journal, oldest entry first"), scope, r.apiJournal)
	web.Operation(a, created(op("write-journal", http.MethodPost, "/{id}/journal", "Write into the journal")), scope, r.apiNote)
}

// one answers the incident as it is after an act.
func (r *Room) one(ctx context.Context, id string, err error) (*web.One[incidentBody], error) {
	if err != nil {
		return nil, err
	}
	i, err := r.Get(ctx, ID(id))
	if err != nil {
		return nil, err
	}
	return &web.One[incidentBody]{Body: bodyOf(i)}, nil
}

func (r *Room) apiList(ctx context.Context, q *incidentQuery) (*web.List[incidentBody], error) {
	all, err := r.List(ctx, Filter{
		Current: q.Current, Phase: Phase(q.Phase), Realm: Realm(q.Realm), Service: q.Service, After: ID(q.After), Limit: q.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := make([]incidentBody, 0, len(all))
	for _, i := range all {
		out = append(out, bodyOf(i))
	}
	next := ""
	if len(all) > 0 && len(all) == q.Limit {
		next = string(all[len(all)-1].ID)
	}
	return web.NewList(out, next), nil
}

func (r *Room) apiOpen(ctx context.Context, q *incidentOpen) (*web.One[incidentBody], error) {
	b := q.Body
	i, err := r.Open(ctx, OpenRequest{
		Title: b.Title, Services: withOne(b.Services, b.Service), Alerts: withOne(b.Alerts, b.Alert, b.AlertID), Level: Level(b.Level), Realm: Realm(b.Realm),
		Private: b.Private, Confirmed: b.Confirmed,
	})
	if err != nil {
		return nil, err
	}
	return &web.One[incidentBody]{Body: bodyOf(i)}, nil
}

// withOne adds what was named by itself and is not in the list yet.
func withOne(list []string, more ...string) []string {
	for _, x := range more {
		if x != "" && !slices.Contains(list, x) {
			list = append(list, x)
		}
	}
	return list
}

func (r *Room) apiFacts(ctx context.Context, p *incidentPath) (*web.List[incidentFactBody], error) {
	if _, err := r.Get(ctx, ID(p.ID)); err != nil {
		return nil, err
	}
	all, err := r.Facts(ctx, ID(p.ID))
	if err != nil {
		return nil, err
	}
	out := make([]incidentFactBody, 0, len(all))
	for _, f := range all {
		out = append(out, factOf(f))
	}
	return web.NewList(out, ""), nil
}

func (r *Room) apiAddFact(ctx context.Context, p *incidentFactAdd) (*web.One[incidentFactBody], error) {
	f, err := r.AddFact(ctx, ID(p.ID), p.Body.fact(""))
	if err != nil {
		return nil, err
	}
	return &web.One[incidentFactBody]{Body: factOf(f)}, nil
}

func (r *Room) apiChangeFact(ctx context.Context, p *incidentFactChange) (*web.One[incidentFactBody], error) {
	f, err := r.UpdateFact(ctx, ID(p.ID), p.Body.fact(p.Fact))
	if err != nil {
		return nil, err
	}
	return &web.One[incidentFactBody]{Body: factOf(f)}, nil
}

func entryOf(e Entry) incidentEntryBody {
	return incidentEntryBody{e.Seq, e.At, e.Actor.Name, string(e.Kind), e.Text, e.Ref, e.Hash}
}

func (r *Room) apiJournal(ctx context.Context, p *incidentEntries) (*web.List[incidentEntryBody], error) {
	all, err := r.Journal(ctx, ID(p.ID))
	if err != nil {
		return nil, err
	}
	out := []incidentEntryBody{}
	next := ""
	for _, e := range all {
		if e.Seq <= p.After {
			continue
		}
		if len(out) == p.Limit {
			next = number(out[len(out)-1].Seq)
			break
		}
		out = append(out, entryOf(e))
	}
	return web.NewList(out, next), nil
}

func (r *Room) apiNote(ctx context.Context, p *incidentNote) (*web.One[incidentEntryBody], error) {
	if err := r.Note(ctx, ID(p.ID), p.Body.Text); err != nil {
		return nil, err
	}
	all, err := r.Journal(ctx, ID(p.ID))
	if err != nil {
		return nil, err
	}
	return &web.One[incidentEntryBody]{Body: entryOf(all[len(all)-1])}, nil
}
