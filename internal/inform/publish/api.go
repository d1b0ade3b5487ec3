package publish

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
)

// factsDoc tells what the facts object takes.
func factsDoc() string {
	keys, _ := FactKeys()
	return "Facts by name: " + strings.Join(keys, ", ") + ", or a German slot name of the templates. " +
		"null, \"unknown\" or leaving it out means not yet known, and the message says so; the answer names those with null. Times are RFC 3339, \"2026-11-22 14:30\" or \"14:30\" in the town's zone; " +
		"durations \"2h5m\" or minutes; switches true or false; severity, cause, workaround and eta_certainty also take the id of a choice (\"minor\"). " +
		"An object {\"text\", \"en\", \"ls\", \"short\"} carries translations. Which services it is about comes from the incident."
}

type factsBody map[string]any

// Schema implements huma.SchemaProvider: any value under any known name.
func (factsBody) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: factsDoc()}
}

// ContentBody is what a person decides about a statement.
type ContentBody struct {
	Kind      string               `json:"kind,omitempty" doc:"holding, first, update, no_change, eta_change, workaround_change, recovery, closing, correction, warning …"`
	Facts     factsBody            `json:"facts,omitempty"`
	Audiences []string             `json:"audiences,omitempty" doc:"Slugs; without any, those of the incident's services"`
	Audience  string               `json:"audience,omitempty" doc:"One more slug; the same as audiences with one entry"`
	Languages []string             `json:"languages,omitempty" doc:"de, en, de-LS; without any, all of them"`
	Scenario  string               `json:"scenario,omitempty" doc:"Prepared texts for one kind of event, such as ransomware"`
	Next      map[string]time.Time `json:"next_updates,omitempty" doc:"Promised time of the next message per audience; without one, the fact next_update, then the audience's rhythm"`
}

type createStatement struct {
	ID   string `path:"id" doc:"Id of the incident"`
	Body struct {
		ContentBody
		Draft    bool   `json:"draft,omitempty" doc:"Only keep it; otherwise it is submitted for approval"`
		Preview  bool   `json:"preview,omitempty" doc:"Only render it, keep nothing"`
		Approver string `json:"approver,omitempty" doc:"Id or mail address of the person to be asked; without one, every approver"`
	}
}

// StatementPath names one statement.
type StatementPath struct {
	ID string `path:"id" doc:"Id of the statement"`
}

type saveStatement struct {
	StatementPath
	Body struct {
		ContentBody
		Revision int `json:"revision,omitempty" doc:"The revision that was read; refused with 409 if it has changed since"`
	}
}

type submitStatement struct {
	StatementPath
	Body *struct {
		Revision int    `json:"revision,omitempty"`
		Approver string `json:"approver,omitempty" doc:"Id or mail address; without one, every approver is asked"`
	}
}

type phoneBody struct {
	Approver string    `json:"approver" doc:"Id or mail address of the person who approved"`
	Name     string    `json:"name" doc:"Who was spoken to"`
	Number   string    `json:"number" doc:"The number that was called"`
	At       time.Time `json:"at"`
}

type approveStatement struct {
	StatementPath
	Body *struct {
		Revision   int        `json:"revision,omitempty" doc:"The revision that was read; refused with 409 if it has changed since"`
		Phone      *phoneBody `json:"phone,omitempty" doc:"Approved by telephone, confirmed by the approver afterwards"`
		BreakGlass string     `json:"break_glass,omitempty" doc:"Reason of one person who has nobody to ask; told to the others at once, to be approved afterwards"`
	}
}

type noteStatement struct {
	StatementPath
	Body struct {
		Note string `json:"note" doc:"What should change"`
	}
}

type correctStatement struct {
	StatementPath
	Body struct {
		Correction string    `json:"correction" doc:"What is put right; stands in public above the text"`
		Facts      factsBody `json:"facts,omitempty" doc:"Facts that differ from the version before"`
		Draft      bool      `json:"draft,omitempty"`
	}
}

type releaseTexts struct {
	Body struct {
		Kind string `json:"kind" doc:"Kind of text, such as holding"`
	}
}

type statementQuery struct {
	web.Paging
	Incident    string `query:"incident" doc:"Only this incident"`
	State       string `query:"state" enum:"draft,submitted,published,withdrawn" doc:"Only this state"`
	Unconfirmed bool   `query:"unconfirmed" doc:"Only what went out and has yet to be approved afterwards"`
}

type deliveryQuery struct {
	StatementPath
	web.Paging
	State string `query:"state" enum:"queued,sending,accepted,failed,expired,skipped"`
}

type incidentPath struct {
	ID string `path:"id" doc:"Id of the incident"`
}

// adherenceFor is the time that the figure of the whole town looks back.
const adherenceFor = 90 * 24 * time.Hour

// API adds this room's operations.
func (r *Room) API(a *web.API) {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"statements"}}
	}
	create := op("create-statement", http.MethodPost, "/incidents/{id}/statements", "Write a statement about an incident and submit it for approval; answers with every variant")
	create.DefaultStatus = http.StatusCreated
	web.Operation(a, create, scope, r.apiCreate)
	web.Operation(a, op("list-statements", http.MethodGet, "/statements", "List statements, newest first"), scope, r.apiList)
	web.Operation(a, op("get-statement", http.MethodGet, "/statements/{id}", "One statement with every variant"), scope, r.apiGet)
	web.Operation(a, op("save-statement", http.MethodPut, "/statements/{id}", "Change a draft"), scope, r.apiSave)
	web.Operation(a, op("submit-statement", http.MethodPost, "/statements/{id}/submit", "Ask for approval"), scope, r.apiSubmit)
	web.Operation(a, op("approve-statement", http.MethodPost, "/statements/{id}/approve", "Approve and thereby publish"), scope, r.apiApprove)
	web.Operation(a, op("return-statement", http.MethodPost, "/statements/{id}/return", "Give it back with a note"), scope, r.apiReturn)
	web.Operation(a, op("confirm-statement", http.MethodPost, "/statements/{id}/confirm", "Approve afterwards what went out by telephone or break-glass"), scope, r.apiConfirm)
	web.Operation(a, op("withdraw-statement", http.MethodPost, "/statements/{id}/withdraw", "Discard what nobody has read"), scope, r.apiWithdraw)
	web.Operation(a, op("correct-statement", http.MethodPost, "/statements/{id}/correct", "Write a new version of what was published, with a visible correction"), scope, r.apiCorrect)
	web.Operation(a, op("list-deliveries", http.MethodGet, "/statements/{id}/deliveries", "State of every recipient"), scope, r.apiDeliveries)
	web.Operation(a, op("list-next-updates", http.MethodGet, "/next-updates", "What the town owes next, soonest first"), scope, r.apiDue)
	web.Operation(a, op("incident-next-updates", http.MethodGet, "/incidents/{id}/next-updates", "All promised times of an incident"), scope, r.apiPromises)
	web.Operation(a, op("adherence", http.MethodGet, "/adherence", "How many promised times were kept"), scope, r.apiAdherence)
	web.Operation(a, op("no-change", http.MethodPost, "/incidents/{id}/no-change", "Say that nothing has changed; submitted where a second person is needed"), scope, r.apiNoChange)
	waive := op("waive-closing", http.MethodPost, "/incidents/{id}/waive-closing", "Do without a closing statement, with a reason")
	waive.DefaultStatus = http.StatusNoContent
	web.Operation(a, waive, scope, r.apiWaive)
	web.Operation(a, op("release-texts", http.MethodPost, "/statements/releases", "Approve the prepared texts of a kind beforehand, in their present wording"), scope, r.apiRelease)
}

// content reads the body's facts in the town's zone.
func (r *Room) content(ctx context.Context, b ContentBody) (Content, error) {
	_, zone, err := r.home(ctx)
	if err != nil {
		return Content{}, err
	}
	facts, err := r.rawFacts(b.Facts, zone)
	if err != nil {
		return Content{}, err
	}
	if b.Audience != "" {
		b.Audiences = append(slices.Clone(b.Audiences), b.Audience)
	}
	c := Content{Kind: template.Kind(b.Kind), Facts: facts, Audiences: b.Audiences, Scenario: template.Scenario(b.Scenario), Next: map[string]time.Time{}}
	for _, l := range b.Languages {
		c.Languages = append(c.Languages, template.Language(l))
	}
	for slug, at := range b.Next {
		at, err := inRange(at.UTC().Truncate(time.Millisecond))
		if err != nil {
			return c, errFact("next_update", "publish.fact_time").With(err)
		}
		c.Next[slug] = at
	}
	return c, nil
}

func (r *Room) rawFacts(facts factsBody, zone *time.Location) (template.Facts, error) {
	raw := make(map[string]json.RawMessage, len(facts))
	for k, v := range facts {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, errFact(k, "publish.fact_value").With(err)
		}
		raw[k] = text
	}
	return ParseFacts(raw, r.o.Clock.Now(), zone)
}

// personID finds a person by id or mail address; empty stays empty.
func (r *Room) personID(ctx context.Context, who, field string) (identity.PersonID, error) {
	who = strings.TrimSpace(who)
	if who == "" {
		return "", nil
	}
	all, err := r.o.People.People(ctx, identity.Filter{})
	if err != nil {
		return "", err
	}
	for _, p := range all {
		if string(p.ID) == who || strings.EqualFold(p.Email, who) {
			return p.ID, nil
		}
	}
	return "", fault.New(fault.Invalid, "publish.asked").Field(field, "publish.asked")
}

func (r *Room) apiCreate(ctx context.Context, in *createStatement) (*web.One[statementBody], error) {
	c, err := r.content(ctx, in.Body.ContentBody)
	if err != nil {
		return nil, err
	}
	if !in.Body.Draft {
		if c, err = r.unknowing(ctx, incident.ID(in.ID), c); err != nil {
			return nil, err
		}
	}
	if in.Body.Preview {
		p, err := r.Try(ctx, incident.ID(in.ID), c)
		if err != nil {
			return nil, err
		}
		return &web.One[statementBody]{Body: bodyOf(p)}, nil
	}
	ask, err := r.personID(ctx, in.Body.Approver, "approver")
	if err != nil {
		return nil, err
	}
	s, err := r.CreateAndSubmit(ctx, incident.ID(in.ID), c, ask, in.Body.Draft)
	if err != nil {
		return nil, err
	}
	return r.one(ctx, s.ID)
}

// unknowing calls every question that must be answered, and was not, not yet
// known (R1.8): a program sends what it has, and the message says of the rest
// that nobody knows it. A draft keeps its gaps for a person to fill.
func (r *Room) unknowing(ctx context.Context, in incident.ID, c Content) (Content, error) {
	p, err := r.Try(ctx, in, c)
	if err != nil {
		return c, err
	}
	c.Facts = c.Facts.Unknowns(p.Missing...)
	return c, nil
}

// one answers with a statement as it is now.
func (r *Room) one(ctx context.Context, id ID) (*web.One[statementBody], error) {
	p, err := r.Look(ctx, id)
	if err != nil {
		return nil, err
	}
	b := bodyOf(p)
	if p.Statement.State == StatePublished {
		c, err := r.Counts(ctx, id)
		if err != nil {
			return nil, err
		}
		b.Delivery = &countsBody{c.Total, c.Accepted, c.Waiting, c.Failed, c.Skipped}
		b.Recipients = &c.Total
		handed, err := r.Handed(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, h := range handed {
			b.Handed = append(b.Handed, handedBody{h.Audience, h.Lost, h.Next, h.ByHand})
		}
	}
	return &web.One[statementBody]{Body: b}, nil
}

func (r *Room) apiList(ctx context.Context, q *statementQuery) (*web.List[statementBody], error) {
	f := Filter{Incident: incident.ID(q.Incident), Unconfirmed: q.Unconfirmed, After: ID(q.After), Limit: q.Limit}
	if q.State != "" {
		f.States = []State{State(q.State)}
	}
	list, err := r.List(ctx, f)
	if err != nil {
		return nil, err
	}
	out := make([]statementBody, 0, len(list))
	next := ""
	for _, s := range list {
		out = append(out, plainBody(s))
	}
	if len(list) > 0 && len(list) == q.Limit {
		next = string(list[len(list)-1].ID)
	}
	return web.NewList(out, next), nil
}

func (r *Room) apiGet(ctx context.Context, in *StatementPath) (*web.One[statementBody], error) {
	return r.one(ctx, ID(in.ID))
}

func (r *Room) apiSave(ctx context.Context, in *saveStatement) (*web.One[statementBody], error) {
	old, err := r.Get(ctx, ID(in.ID))
	if err != nil {
		return nil, err
	}
	b := in.Body.ContentBody
	b.Kind = cmp.Or(b.Kind, string(old.Kind))
	c, err := r.content(ctx, b)
	if err != nil {
		return nil, err
	}
	if b.Audiences == nil && b.Audience == "" {
		c.Audiences = old.Audiences
	}
	s, err := r.Save(ctx, old.ID, in.Body.Revision, c)
	return r.answer(ctx, s, err)
}

func (r *Room) answer(ctx context.Context, s Statement, err error) (*web.One[statementBody], error) {
	if err != nil {
		return nil, err
	}
	return r.one(ctx, s.ID)
}

func (r *Room) apiSubmit(ctx context.Context, in *submitStatement) (*web.One[statementBody], error) {
	revision, who := 0, ""
	if in.Body != nil {
		revision, who = in.Body.Revision, in.Body.Approver
	}
	ask, err := r.personID(ctx, who, "approver")
	if err != nil {
		return nil, err
	}
	s, err := r.Submit(ctx, ID(in.ID), revision, ask)
	return r.answer(ctx, s, err)
}

func (r *Room) apiApprove(ctx context.Context, in *approveStatement) (*web.One[statementBody], error) {
	var c Consent
	if in.Body != nil {
		c.Revision, c.BreakGlass = in.Body.Revision, in.Body.BreakGlass
		if b := in.Body.Phone; b != nil {
			who, err := r.personID(ctx, b.Approver, "phone_approver")
			if err != nil {
				return nil, err
			}
			c.Phone = &PhoneCall{Approver: who, Name: b.Name, Number: b.Number, At: cut(b.At)}
		}
	}
	s, err := r.Approve(ctx, ID(in.ID), c)
	return r.answer(ctx, s, err)
}

func (r *Room) apiReturn(ctx context.Context, in *noteStatement) (*web.One[statementBody], error) {
	s, err := r.Return(ctx, ID(in.ID), in.Body.Note)
	return r.answer(ctx, s, err)
}

func (r *Room) apiConfirm(ctx context.Context, in *StatementPath) (*web.One[statementBody], error) {
	s, err := r.Confirm(ctx, ID(in.ID))
	return r.answer(ctx, s, err)
}

func (r *Room) apiWithdraw(ctx context.Context, in *StatementPath) (*web.One[statementBody], error) {
	s, err := r.Withdraw(ctx, ID(in.ID))
	return r.answer(ctx, s, err)
}

func (r *Room) apiCorrect(ctx context.Context, in *correctStatement) (*web.One[statementBody], error) {
	_, zone, err := r.home(ctx)
	if err != nil {
		return nil, err
	}
	facts, err := r.rawFacts(in.Body.Facts, zone)
	if err != nil {
		return nil, err
	}
	s, err := r.CorrectWith(ctx, ID(in.ID), in.Body.Correction, facts, in.Body.Draft)
	return r.answer(ctx, s, err)
}

func (r *Room) apiDeliveries(ctx context.Context, q *deliveryQuery) (*web.List[deliveryBody], error) {
	if _, err := r.Get(ctx, ID(q.ID)); err != nil {
		return nil, err
	}
	f := DeliveryFilter{After: q.After, Limit: q.Limit}
	if q.State != "" {
		f.States = []DeliveryState{DeliveryState(q.State)}
	}
	list, err := r.Deliveries(ctx, ID(q.ID), f)
	if err != nil {
		return nil, err
	}
	out := make([]deliveryBody, 0, len(list))
	next := ""
	for _, d := range list {
		b := deliveryBody{
			ID: d.ID, Audience: d.Audience, Recipient: d.Recipient, Channel: string(d.Channel), State: string(d.State), Reason: d.Reason,
			Attempts: d.Attempts, SentAt: orNil(d.SentAt), Route: d.Route, Reference: d.Reference,
		}
		if d.State == Queued && d.Reason != ReasonRestored {
			b.NextAt = orNil(d.NextAt)
		}
		out = append(out, b)
	}
	if len(list) > 0 && len(list) == q.Limit {
		next = list[len(list)-1].ID
	}
	return web.NewList(out, next), nil
}

type released struct {
	Kind  string `json:"kind"`
	Texts int    `json:"texts" doc:"How many prepared texts may go out from now on"`
}

func (r *Room) apiRelease(ctx context.Context, in *releaseTexts) (*web.One[released], error) {
	n, err := r.ReleaseTexts(ctx, template.Kind(in.Body.Kind))
	if err != nil {
		return nil, err
	}
	return &web.One[released]{Body: released{in.Body.Kind, n}}, nil
}
