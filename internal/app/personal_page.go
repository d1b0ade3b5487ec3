package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/personal"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

// personalPath is where the console tells and erases what is held about a person.
const personalPath = "/deletion/people"

// personalRoutes are the pages for what is held about a person. What is told is
// told by POST, for it is written down who asked.
func (a *App) personalRoutes(s *web.Site) {
	s.Handle("GET "+personalPath, web.Staff(a.pagePeopleData))
	s.Handle("GET "+personalPath+"/{id}", web.Staff(a.pagePersonData))
	s.Handle("POST "+personalPath+"/{id}/data", web.Staff(a.postPersonData))
	s.Handle("POST "+personalPath+"/{id}/erase", web.Staff(a.postErase))
	s.Handle("GET "+personalPath+"/{id}/proof", web.Staff(a.pageProof))
}

// shownPeople is how many people a search shows.
const shownPeople = 50

type peopleDataView struct {
	Query  string
	People []identity.Person
	More   bool
}

func (a *App) pagePeopleData(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayTell(ctx); err != nil {
		return err
	}
	v := peopleDataView{Query: strings.TrimSpace(req.URL.Query().Get("person"))}
	if v.Query != "" {
		all, err := a.identity.People(ctx, identity.Filter{Query: v.Query, Limit: shownPeople + 1})
		if err != nil {
			return err
		}
		v.People, v.More = all[:min(len(all), shownPeople)], len(all) > shownPeople
	}
	return web.Render(w, req, peopleDataPage(v))
}

// ErasurePlan is what an erasure would do, without doing it.
type ErasurePlan struct {
	Gone []ErasureLine
	Kept []ErasureLine
	// Refused says in words what has to be done first, each with its way out.
	Refused []string
}

// PlanErasure says what an erasure would take away, what stays for which reason,
// and what stands in its way. It changes nothing.
func (a *App) PlanErasure(ctx context.Context, p identity.Person) (e ErasurePlan, err error) {
	if err := mayTell(ctx); err != nil {
		return e, err
	}
	l := i18n.Of(ctx)
	say := func(f *fault.Error) { e.Refused = append(e.Refused, l.Catalog.Text(l.Lang, f.Key, f.Args...)) }
	if err := a.identity.MayErase(ctx, p); err != nil {
		f := fault.As(err)
		if f.Kind != fault.Conflict && f.Kind != fault.Invalid {
			return e, err
		}
		say(f)
	}
	if !p.Declared && a.inFile(ctx, p) {
		say(fault.New(fault.Conflict, "app.erase_in_file", p.Email))
	}
	who, rules, now := p.Subject(), a.personalRules(), a.o.Clock.Now()
	refusals, err := personal.Refusals(ctx, a.store, rules, who, now)
	if err != nil {
		return e, err
	}
	for _, r := range refusals {
		say(fault.New(fault.Conflict, "app.erase_"+r.Rule.Why, r.Label))
	}
	lists, err := a.plan.Audiences(ctx)
	if err != nil {
		return e, err
	}
	var named int64
	for _, list := range lists {
		for _, address := range []string{p.Email, p.Alternative} {
			if address != "" && slices.ContainsFunc(list.Recipients, func(m string) bool { return strings.EqualFold(m, address) }) {
				named++
			}
		}
	}
	if named > 0 {
		e.Gone = append(e.Gone, ErasureLine{"plan_audience", string(personal.Replace), "delivery", named})
	}
	going, err := personal.Count(ctx, a.store, rules, who, now)
	if err != nil {
		return e, err
	}
	for _, d := range going {
		e.Gone = append(e.Gone, ErasureLine{d.Rule.Table, string(d.Rule.Act), d.Rule.Why, d.Rows})
	}
	hits, err := personal.Find(ctx, a.store, who, impersonal...)
	if err != nil {
		return e, err
	}
	for _, h := range hits {
		i := slices.IndexFunc(rules, func(r personal.Rule) bool { return r.Table == h.Table && r.Act == personal.Stay })
		ruled := slices.ContainsFunc(rules, func(r personal.Rule) bool { return r.Table == h.Table })
		switch {
		case i >= 0:
			e.keep(h.Table, rules[i].Why)
		case h.Table == "identity_person":
			e.keep(h.Table, "account")
		case !ruled && !h.Names(who):
			e.keep(h.Table, "number")
		case !ruled:
			e.keep(h.Table, "unknown")
		}
	}
	return e, nil
}

func (e *ErasurePlan) keep(table, why string) {
	for i, l := range e.Kept {
		if l.Table == table && l.Reason == why {
			e.Kept[i].Rows++
			return
		}
	}
	e.Kept = append(e.Kept, ErasureLine{table, string(personal.Stay), why, 1})
}

type personDataView struct {
	Person identity.Person
	Plan   ErasurePlan
	Proof  *Erasure // of a person who is erased, as long as the log has it
	Again  bool     // they asked to erase who is erased
	Form   *web.Form
}

func (a *App) pagePersonData(w http.ResponseWriter, req *http.Request) error {
	return a.showPersonData(w, req, http.StatusOK, web.NewForm(nil))
}

func (a *App) showPersonData(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	ctx := req.Context()
	p, err := a.personAsked(req)
	if err != nil {
		return err
	}
	v := personDataView{Person: p, Form: f, Again: status == http.StatusConflict}
	if p.Erased() {
		if v.Proof, err = a.proofOf(ctx, p); err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
	} else if v.Plan, err = a.PlanErasure(ctx, p); err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, personDataPage(v))
}

// personAsked is the person of the path, for those who may ask.
func (a *App) personAsked(req *http.Request) (identity.Person, error) {
	if err := mayTell(req.Context()); err != nil {
		return identity.Person{}, err
	}
	return a.identity.Person(req.Context(), identity.PersonID(req.PathValue("id")))
}

func (a *App) postPersonData(w http.ResponseWriter, req *http.Request) error {
	p, err := a.personAsked(req)
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	d, err := a.ExportPerson(req.Context(), p)
	if err != nil {
		return err
	}
	l := i18n.Of(req.Context())
	if f.Get("as") == "json" {
		raw, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return fmt.Errorf("app: person: %w", err)
		}
		return download(w, "application/json", "auskunft-"+string(p.ID)+".json", raw)
	}
	return download(w, "text/plain; charset=utf-8", "auskunft-"+string(p.ID)+".txt", []byte(d.In(a.catalog, l.Lang, l.Zone)))
}

func (a *App) postErase(w http.ResponseWriter, req *http.Request) error {
	p, err := a.personAsked(req)
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if p.Erased() {
		return a.showPersonData(w, req, http.StatusConflict, f)
	}
	if !strings.EqualFold(f.Get("confirm"), p.Email) {
		f.Fail("confirm", "app.erase_unconfirmed")
		return a.showPersonData(w, req, http.StatusUnprocessableEntity, f)
	}
	if _, err := a.ErasePerson(req.Context(), p); err != nil {
		// The page says what stands in the way, each with its way out.
		if fault.KindOf(err) != fault.Conflict {
			return err
		}
		f.Fail("confirm", "app.erase_not_yet")
		return a.showPersonData(w, req, http.StatusConflict, f)
	}
	return web.SeeOther(w, req, personalPath+"/"+string(p.ID))
}

// proofOf reads the proof of an erasure from the audit log, whose chain keeps it.
func (a *App) proofOf(ctx context.Context, p identity.Person) (*Erasure, error) {
	lines, err := a.audit.Find(ctx, audit.Query{Subject: "person:" + string(p.ID), Room: "app", Limit: 500})
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if l.Action != "app.person_erased" {
			continue
		}
		var e Erasure
		if err := json.Unmarshal([]byte(l.Detail["proof"]), &e); err != nil {
			return nil, fmt.Errorf("app: proof: %w", err)
		}
		return &e, nil
	}
	return nil, fault.New(fault.NotFound, "app.no_proof")
}

func (a *App) pageProof(w http.ResponseWriter, req *http.Request) error {
	p, err := a.personAsked(req)
	if err != nil {
		return err
	}
	e, err := a.proofOf(req.Context(), p)
	if err != nil {
		return err
	}
	l := i18n.Of(req.Context())
	if req.URL.Query().Get("as") == "json" {
		raw, err := json.MarshalIndent(e, "", "  ")
		if err != nil {
			return fmt.Errorf("app: proof: %w", err)
		}
		return download(w, "application/json", "loeschnachweis-"+string(p.ID)+".json", raw)
	}
	return download(w, "text/plain; charset=utf-8", "loeschnachweis-"+string(p.ID)+".txt", []byte(strings.Join(e.In(a.catalog, l.Lang, l.Zone), "\n")+"\n"))
}

func download(w http.ResponseWriter, mime, name string, raw []byte) error {
	w.Header().Set("Content-Type", mime)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(raw) // the reader may be gone
	return nil
}
