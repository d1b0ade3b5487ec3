package publish

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// Routes adds this room's pages. /p/… and /pc/… are short because they stand in
// mails, and need no sign-in: that may be what is broken.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /publish", web.Staff(r.pageList))
	s.Handle("GET /publish/new", web.Staff(r.pageNew))
	s.Handle("POST /publish/new", web.Staff(r.postNew))
	s.Handle("POST /publish/no-change", web.Staff(r.postNoChange))
	s.Handle("POST /publish/waive", web.Staff(r.postWaive))
	s.Handle("POST /publish/check", web.Staff(r.postCheck))
	s.Handle("POST /publish/release", web.Staff(r.postRelease))
	s.Handle("GET /publish/{id}", web.Staff(r.pageStatement))
	s.Handle("POST /publish/{id}", web.Staff(r.postStatement))
	s.Handle("GET /publish/{id}/edit", web.Staff(r.pageEdit))
	s.Handle("POST /publish/{id}/edit", web.Staff(r.postEdit))
	s.Handle("POST /publish/{id}/draft", web.Staff(r.postDraft))
	s.Handle("GET /p/{token}", r.pageLink)
	s.Handle("POST /p/{token}", r.postLink)
	s.Handle("GET /pc/{token}", r.pageConfirm)
	s.Handle("POST /pc/{token}", r.postConfirm)
}

func href(id ID) string { return "/publish/" + url.PathEscape(string(id)) }

// listView is the page of all statements.
type listView struct {
	Incidents   []incident.Incident
	Due         []PartPromise
	Waiting     []Statement
	Unconfirmed []Statement
	Drafts      []Statement
	Published   []Statement
	Titles      map[incident.ID]string
	OpenWords   []service.Service // changed since somebody released them
	Released    string            // who has released the holding texts; empty: nobody
	MayRelease  bool
	MayWrite    bool
	Next        ID
	Kept        Kept // promised times of the last 90 days
}

const perPage = 50

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	v := listView{Titles: map[incident.ID]string{}, MayRelease: whoActs(ctx).approver && whoActs(ctx).person != ""}
	_, err := mayWrite(ctx)
	v.MayWrite = err == nil
	if v.Incidents, err = r.o.Incidents.List(ctx, incident.Filter{Current: true}); err != nil {
		return err
	}
	if v.Kept, _, err = r.AdherenceSince(ctx, r.o.Clock.Now().Add(-adherenceFor)); err != nil {
		return err
	}
	due, err := r.Due(ctx)
	if err != nil {
		return err
	}
	for _, p := range due {
		a, err := r.audience(ctx, p.Audience)
		if err != nil {
			return err
		}
		v.Due = append(v.Due, PartPromise{p, a.Name})
	}
	for _, l := range []struct {
		into *[]Statement
		f    Filter
	}{
		{&v.Waiting, Filter{States: []State{StateSubmitted}}},
		{&v.Unconfirmed, Filter{Unconfirmed: true}},
		{&v.Drafts, Filter{States: []State{StateDraft}, Limit: perPage}},
		{&v.Published, Filter{States: []State{StatePublished}, After: ID(req.FormValue("after")), Limit: perPage + 1}},
	} {
		if *l.into, err = r.List(ctx, l.f); err != nil {
			return err
		}
	}
	if len(v.Published) > perPage {
		v.Published = v.Published[:perPage]
		v.Next = v.Published[perPage-1].ID
	}
	for _, s := range slices.Concat(v.Waiting, v.Unconfirmed, v.Drafts, v.Published) {
		if err := r.title(ctx, v.Titles, s.Incident); err != nil {
			return err
		}
	}
	for _, p := range v.Due {
		if err := r.title(ctx, v.Titles, p.Incident); err != nil {
			return err
		}
	}
	if v.Released, err = r.HoldingReleasedBy(ctx); err != nil {
		return err
	}
	if v.OpenWords, err = r.OpenWords(ctx); err != nil {
		return err
	}
	return web.Render(w, req, listPage(v))
}

// title remembers an incident's title; one that is gone shows its id.
func (r *Room) title(ctx context.Context, into map[incident.ID]string, id incident.ID) error {
	if _, ok := into[id]; ok {
		return nil
	}
	in, err := r.o.Incidents.Get(ctx, id)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	into[id] = in.Title
	if in.Title == "" {
		into[id] = string(id)
	}
	return nil
}

func (r *Room) pageNew(w http.ResponseWriter, req *http.Request) error {
	ctx, in := req.Context(), incident.ID(req.FormValue("incident"))
	if in == "" {
		return web.SeeOther(w, req, "/publish")
	}
	k, scenario := kindOf(req.FormValue("kind")), template.Scenario(req.FormValue("scenario"))
	said, err := r.List(ctx, Filter{Incident: in, States: []State{StatePublished}})
	if err != nil {
		return err
	}
	if k == "" {
		inc, err := r.o.Incidents.Get(ctx, in)
		if err != nil {
			return err
		}
		k = SuggestKind(inc.Phase, said)
	}
	if !req.Form.Has("scenario") && len(said) > 0 {
		scenario = said[0].Scenario // what it was about is what it is about
	}
	v, err := r.compose(ctx, Statement{Incident: in, Scenario: scenario}, k, nil)
	if err != nil {
		return err
	}
	return web.Render(w, req, composerPage(v))
}

// refused shows the composer again with what was typed and what is wrong.
func (r *Room) refused(w http.ResponseWriter, req *http.Request, s Statement, k template.Kind, f *web.Form, err error) error {
	if err != nil && !f.Take(err) {
		if fault.KindOf(err) != fault.Forbidden {
			return err
		}
		f.Fail("", fault.As(err).Key)
	}
	if key, ok := f.Errors["next_update"]; ok {
		// The API's fact is two fields here; the one for all takes the blame.
		delete(f.Errors, "next_update")
		f.Fail("next_other", key)
	}
	v, look := r.compose(req.Context(), s, k, f)
	if look != nil {
		return look
	}
	status := http.StatusUnprocessableEntity
	if err != nil {
		status = fault.Status(fault.KindOf(err))
	}
	return web.RenderStatus(w, req, status, composerPage(v))
}

func (r *Room) postNew(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	in, k := incident.ID(f.Get("incident")), kindOf(f.Get("kind"))
	if k == "" {
		return fault.New(fault.Invalid, "publish.kind", strings.Join(strs(template.Kinds()), ", "))
	}
	if f.Get("act") == "kind" {
		return web.SeeOther(w, req, "/publish/new?"+url.Values{"incident": {string(in)}, "kind": {string(k)}, "scenario": {f.Get("scenario")}}.Encode())
	}
	c, err := r.readForm(ctx, f, in, k)
	if err != nil {
		return err
	}
	blank := Statement{Incident: in, Scenario: c.Scenario}
	if !f.OK() {
		return r.refused(w, req, blank, k, f, nil)
	}
	s, err := r.Create(ctx, in, c)
	if err != nil {
		return r.refused(w, req, blank, k, f, err)
	}
	return r.finishForm(w, req, s, f)
}

// finishForm does what the composer's button says with a draft that is saved.
func (r *Room) finishForm(w http.ResponseWriter, req *http.Request, s Statement, f *web.Form) error {
	ctx := req.Context()
	var err error
	switch f.Get("act") {
	case "submit":
		s, err = r.keep(ctx, s, func(ctx context.Context) (Statement, error) {
			return r.Submit(ctx, s.ID, s.Revision, identity.PersonID(f.Get("approver")))
		})
	case "publish":
		s, err = r.keep(ctx, s, func(ctx context.Context) (Statement, error) {
			return r.Approve(ctx, s.ID, Consent{Revision: s.Revision})
		})
	case "preview":
		return web.SeeOther(w, req, href(s.ID)+"/edit#variants")
	default:
		return web.SeeOther(w, req, href(s.ID)+"/edit")
	}
	if err != nil {
		return r.refused(w, req, s, s.Kind, f, err)
	}
	return web.SeeOther(w, req, href(s.ID))
}

// keep does fn and gives back the statement as it was when fn refuses.
func (r *Room) keep(ctx context.Context, s Statement, fn func(ctx context.Context) (Statement, error)) (Statement, error) {
	done, err := fn(ctx)
	if err != nil {
		return s, err
	}
	return done, nil
}

func (r *Room) pageEdit(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	s, err := r.Get(ctx, ID(req.PathValue("id")))
	if err != nil {
		return err
	}
	if s.State != StateDraft && s.State != StateSubmitted {
		return web.SeeOther(w, req, href(s.ID))
	}
	v, err := r.compose(ctx, s, s.Kind, nil)
	if err != nil {
		return err
	}
	return web.Render(w, req, composerPage(v))
}

func (r *Room) postEdit(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if _, err := mayWrite(ctx); err != nil {
		return err
	}
	s, err := r.Get(ctx, ID(req.PathValue("id")))
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if f.Get("act") == "withdraw" {
		if _, err := r.Withdraw(ctx, s.ID); err != nil {
			return err
		}
		return web.SeeOther(w, req, "/publish")
	}
	k := kindOf(f.Get("kind"))
	if k == "" {
		k = s.Kind
	}
	c, err := r.readForm(ctx, f, s.Incident, k)
	if err != nil {
		return err
	}
	c.Scenario = s.Scenario // the form does not ask for it
	if !f.OK() {
		return r.refused(w, req, s, k, f, nil)
	}
	revision := number(f.Get("revision"))
	saved, err := r.Save(ctx, s.ID, revision, c)
	if err != nil {
		return r.refused(w, req, s, k, f, err)
	}
	f.Values.Set("revision", decimal(saved.Revision))
	return r.finishForm(w, req, saved, f)
}

// postDraft keeps what is being typed; the answer replaces the line that says
// when it was saved.
func (r *Room) postDraft(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if _, err := mayWrite(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	s, err := r.Get(ctx, ID(req.PathValue("id")))
	if err != nil {
		return err
	}
	if s.State != StateDraft {
		return ErrState // a submitted text is taken back by a button, not by a key
	}
	c, err := r.readForm(ctx, f, s.Incident, s.Kind)
	if err != nil {
		return err
	}
	c.Scenario = s.Scenario // the form does not ask for it
	if !f.OK() {
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, unsavedLine())
	}
	revision := number(f.Get("revision"))
	if s, err = r.Save(ctx, s.ID, revision, c); err != nil {
		return err
	}
	return web.Render(w, req, savedLine(s))
}

// statementView is the page of one statement.
type statementView struct {
	Preview    Preview
	Title      string // of the incident
	Changes    []Changed
	Counts     Counts
	Handed     []Handed
	Deliveries []Delivery
	Next       string
	Only       DeliveryState
	Form       *web.Form
	Approvers  []identity.Person
	// What the actor may do.
	MayApprove, MayReturn, MayConfirm, MayAlone, MayWrite, MayCorrect, MayBreak bool
	Link                                                                        string // action of a page that came by a link
	Silent                                                                      time.Time
}

// view gathers the page of one statement.
func (r *Room) view(ctx context.Context, p Preview, f *web.Form) (statementView, error) {
	s := p.Statement
	v := statementView{Preview: p, Title: p.telling.incident.Title, Form: f}
	var err error
	if s.State == StateSubmitted || s.State == StateDraft {
		if v.Changes, err = r.changes(ctx, s, p); err != nil {
			return v, err
		}
	}
	a := whoActs(ctx)
	approval, err := decide(decision{statement: s, actor: a, fourEyes: p.FourEyes, now: r.o.Clock.Now(), pre: p.pre, speech: p.speech})
	v.MayApprove = err == nil && approval.Way == WaySecond
	v.MayAlone = err == nil && approval.Way != WaySecond
	v.MayReturn = (a.approver || v.MayApprove) && s.State == StateSubmitted && !s.WrittenBy(a.person)
	v.MayConfirm = mayConfirm(s, a) == nil
	_, err = mayWrite(ctx)
	v.MayWrite = err == nil
	v.MayCorrect = v.MayWrite && s.State == StatePublished && s.CorrectedBy == ""
	v.MayBreak = a.writer && a.person != "" && p.FourEyes && s.State.May(StatePublished) && !v.MayApprove && !v.MayAlone
	if v.MayBreak {
		if v.Approvers, err = r.releasers(ctx, s, p.speech); err != nil {
			return v, err
		}
		v.Approvers = slices.DeleteFunc(v.Approvers, func(p identity.Person) bool { return p.ID == a.person })
	}
	if s.State == StateSubmitted && s.askedAgain.IsZero() {
		v.Silent = s.SubmittedAt.Add(askAgainAfter)
	}
	return v, nil
}

func (r *Room) pageStatement(w http.ResponseWriter, req *http.Request) error {
	return r.showStatement(w, req, http.StatusOK, web.NewForm(nil))
}

func (r *Room) showStatement(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	ctx, id := req.Context(), ID(req.PathValue("id"))
	p, err := r.Look(ctx, id)
	if err != nil {
		return err
	}
	v, err := r.view(ctx, p, f)
	if err != nil {
		return err
	}
	if p.Statement.State == StatePublished {
		if v.Handed, err = r.Handed(ctx, id); err != nil {
			return err
		}
		if v.Counts, err = r.Counts(ctx, id); err != nil {
			return err
		}
		v.Only = DeliveryState(req.URL.Query().Get("state"))
		df := DeliveryFilter{After: req.URL.Query().Get("after"), Limit: perPage + 1}
		if v.Only != "" {
			df.States = []DeliveryState{v.Only}
		}
		if v.Deliveries, err = r.Deliveries(ctx, id, df); err != nil {
			return err
		}
		if len(v.Deliveries) > perPage {
			v.Deliveries = v.Deliveries[:perPage]
			v.Next = v.Deliveries[perPage-1].ID
		}
	}
	return web.RenderStatus(w, req, status, statementPage(v))
}

func (r *Room) postStatement(w http.ResponseWriter, req *http.Request) error {
	ctx, id := req.Context(), ID(req.PathValue("id"))
	if !whoActs(ctx).acts() {
		return ErrForbidden
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	to := href(id)
	revision := number(f.Get("revision"))
	switch f.Get("act") {
	case "approve":
		_, err = r.Approve(ctx, id, Consent{Revision: revision})
	case "return":
		_, err = r.Return(ctx, id, f.Get("note"))
	case "confirm":
		_, err = r.Confirm(ctx, id)
	case "withdraw":
		_, err = r.Withdraw(ctx, id)
		to = "/publish"
	case "break_glass":
		reason := f.Get("reason")
		if reason == "" {
			err = fault.New(fault.Invalid, "publish.glass_reason").Field("reason", "publish.glass_reason")
			break
		}
		_, err = r.Approve(ctx, id, Consent{Revision: revision, BreakGlass: reason})
	case "phone":
		var at time.Time
		if _, zone, home := r.home(ctx); home != nil {
			err = home
		} else if at, err = ParseTime(f.Get("phone_at"), r.o.Clock.Now(), zone, false); err != nil {
			err = fault.New(fault.Invalid, "publish.phone").Field("phone_at", "publish.phone_at").With(err)
		} else {
			_, err = r.Approve(ctx, id, Consent{Revision: revision, Phone: &PhoneCall{
				Approver: identity.PersonID(f.Get("phone_approver")), Name: f.Get("phone_name"), Number: f.Get("phone_number"), At: at,
			}})
		}
	case "correct":
		var s Statement
		if s, err = r.Correct(ctx, id, f.Get("correction")); err == nil {
			to = href(s.ID) + "/edit"
		}
	default:
		err = fault.New(fault.Invalid, "web.bad_form")
	}
	if err == nil {
		return web.SeeOther(w, req, to)
	}
	if !f.Take(err) {
		return err
	}
	return r.showStatement(w, req, fault.Status(fault.KindOf(err)), f)
}

func (r *Room) postNoChange(w http.ResponseWriter, req *http.Request) error {
	s, err := r.NoChange(req.Context(), incident.ID(req.PostFormValue("incident")), nil)
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, href(s.ID))
}

func (r *Room) postWaive(w http.ResponseWriter, req *http.Request) error {
	in := incident.ID(req.PostFormValue("incident"))
	if err := r.Waive(req.Context(), in, req.PostFormValue("reason")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/incident/"+url.PathEscape(string(in)))
}

func (r *Room) postRelease(w http.ResponseWriter, req *http.Request) error {
	if _, err := r.ReleaseTexts(req.Context(), template.Holding); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/publish")
}

// Pages behind a link from a mail. They show words and buttons; only a POST
// approves, since mail scanners follow links.

func (r *Room) pageLink(w http.ResponseWriter, req *http.Request) error {
	return r.showLink(w, req, http.StatusOK, web.NewForm(nil))
}

func (r *Room) showLink(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	token := req.PathValue("token")
	ctx, says, err := r.byLink(req.Context(), linkApprove, token)
	if err != nil {
		return err
	}
	p, err := r.LookByLink(req.Context(), token)
	if errors.Is(err, ErrLinkUsed) {
		if s, e := r.get(ctx, says.Statement); e == nil && s.State == StatePublished {
			return web.Render(w, req, linkDone(s))
		}
	}
	if err != nil {
		return err
	}
	v, err := r.view(ctx, p, f)
	if err != nil {
		return err
	}
	v.Link, v.MayWrite, v.MayBreak = "/p/"+token, false, false
	return web.RenderStatus(w, req, status, statementPage(v))
}

func (r *Room) postLink(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	token := req.PathValue("token")
	if f.Get("act") == "return" {
		var s Statement
		if s, err = r.ReturnByLink(req.Context(), token, f.Get("note")); err == nil {
			return web.Render(w, req, linkDone(s))
		}
	} else {
		var s Statement
		if s, err = r.ApproveByLink(req.Context(), token); err == nil {
			return web.Render(w, req, linkDone(s))
		}
	}
	if fault.KindOf(err) == fault.Invalid && f.Take(err) {
		return r.showLink(w, req, http.StatusUnprocessableEntity, f)
	}
	return err
}

func (r *Room) pageConfirm(w http.ResponseWriter, req *http.Request) error {
	token := req.PathValue("token")
	p, err := r.LookConfirm(req.Context(), token)
	if errors.Is(err, ErrLinkUsed) {
		return web.Render(w, req, linkDone(p.Statement))
	}
	if err != nil {
		return err
	}
	v := statementView{Preview: p, Title: p.telling.incident.Title, Form: web.NewForm(nil), Link: "/pc/" + token, MayConfirm: true}
	return web.Render(w, req, statementPage(v))
}

func (r *Room) postConfirm(w http.ResponseWriter, req *http.Request) error {
	s, err := r.ConfirmByLink(req.Context(), req.PathValue("token"))
	if err != nil && !errors.Is(err, ErrState) {
		return err
	}
	if err != nil {
		return ErrLinkUsed
	}
	return web.Render(w, req, linkDone(s))
}

// number reads a revision; what is none is 0, "whatever stands there".
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func decimal(n int) string { return strconv.Itoa(n) }
