package plan

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// kitRoutes hangs the document's pages into the console.
func (r *Room) kitRoutes(s *web.Site) {
	s.Handle("GET /kit/part/{part}", web.Staff(r.pagePart))
	s.Handle("POST /kit/part/{part}", web.Staff(r.postPart))
	s.Handle("GET /kit/contacts", web.Staff(r.pageContacts))
	s.Handle("GET /kit/contacts/new", web.Staff(r.pageContact))
	s.Handle("POST /kit/contacts/new", web.Staff(r.postContact))
	s.Handle("GET /kit/contacts/{id}", web.Staff(r.pageContact))
	s.Handle("POST /kit/contacts/{id}", web.Staff(r.postContact))
	s.Handle("POST /kit/contacts/{id}/confirm", web.Staff(r.postConfirm))
	s.Handle("POST /kit/contacts/{id}/remove", web.Staff(r.postRemoveContact))
	s.Handle("GET /kit/holding", web.Staff(r.pageHolding))
	s.Handle("POST /kit/holding", web.Staff(r.postOffered))
	s.Handle("GET /kit/holding/new", web.Staff(r.pageHoldingText))
	s.Handle("POST /kit/holding/new", web.Staff(r.postHoldingText))
	s.Handle("GET /kit/holding/{id}", web.Staff(r.pageHoldingText))
	s.Handle("POST /kit/holding/{id}", web.Staff(r.postHoldingText))
	s.Handle("POST /kit/holding/{id}/remove", web.Staff(r.postRemoveHolding))
	s.Handle("GET /kit/profile/{slug}", web.Staff(r.pageProfile))
	s.Handle("POST /kit/profile/{slug}", web.Staff(r.postProfile))
	s.Handle("GET /kit/board", web.Staff(r.pageBoard))
	s.Handle("POST /kit/board", web.Staff(r.postBoard))
	s.Handle("GET /kit/cover", web.Staff(r.pageCover))
	s.Handle("POST /kit/cover", web.Staff(r.postCover))
	r.signOffRoutes(s)
	s.Handle("GET /kit/versions", web.Staff(r.pageVersions))
	s.Handle("GET /kit/versions/{number}", web.Staff(r.pageVersion))
	s.Handle("POST /kit/versions/{number}/restore", web.Staff(r.postRestore))
}

// MayChange reports whether the reader may change the plan.
func MayChange(ctx context.Context) bool { return mayChange(ctx) == nil }

// offered is what the product suggests in the reader's language.
func offered(ctx context.Context) (Document, error) { return Offered(string(i18n.Of(ctx).Lang)) }

// Base is the number of the version that a form was filled from; -1 for a form
// that does not say.
func Base(f *web.Form) int {
	n, err := strconv.Atoi(f.Get("version"))
	if err != nil {
		return -1
	}
	return n
}

// editPart is the page around one part's form.
type editPart struct {
	Part    Part
	Form    *web.Form
	Stand   Stand
	Offered bool // what stands in the form is a suggestion
	May     bool
	Items   []string
}

func (r *Room) part(req *http.Request) (p Part, d Document, s Stand, err error) {
	p = Part(req.PathValue("part"))
	if !slices.Contains(Lists(), p) {
		return p, d, s, fault.New(fault.NotFound, "web.not_found")
	}
	d, s, err = r.Document(req.Context())
	return p, d, s, err
}

func (r *Room) pagePart(w http.ResponseWriter, req *http.Request) error {
	p, d, s, err := r.part(req)
	if err != nil {
		return err
	}
	offer, err := offered(req.Context())
	if err != nil {
		return err
	}
	full, taken := d.Filled(offer)
	return web.Render(w, req, partPage(editPart{
		Part: p, Stand: s, Offered: !taken[p], May: MayChange(req.Context()), Items: full.Lists[p],
		Form: web.NewForm(map[string]string{"items": strings.Join(full.Lists[p], "\n"), "version": strconv.Itoa(s.Number)}),
	}))
}

func (r *Room) postPart(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	p, _, s, err := r.part(req)
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	_, err = r.Edit(req.Context(), p, Base(f), func(d *Document) error {
		d.Lists[p] = lines(f.Get("items"))
		return nil
	})
	if f.Take(err) {
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, partPage(editPart{Part: p, Form: f, Stand: s, May: true}))
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/kit")
}

func (r *Room) pageContacts(w http.ResponseWriter, req *http.Request) error {
	d, s, err := r.Document(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, contactsPage(d, s, MayChange(req.Context())))
}

// editContact is the page around a contact's form.
type editContact struct {
	ID   string // empty: a new one
	Form *web.Form
	May  bool
}

func (r *Room) pageContact(w http.ResponseWriter, req *http.Request) error {
	id := req.PathValue("id")
	d, s, err := r.Document(req.Context())
	if err != nil {
		return err
	}
	c := Contact{Kind: ContactKind(req.URL.Query().Get("kind"))}
	if id == "" {
		if err := mayChange(req.Context()); err != nil {
			return err
		}
	} else {
		var ok bool
		if c, ok = d.Find(id); !ok {
			return fault.New(fault.NotFound, "plan.no_contact")
		}
	}
	f := web.NewForm(map[string]string{
		"kind": string(c.Kind), "name": c.Name, "role": c.Role, "phone": c.Phone, "other": c.Other, "mail": c.Mail, "hours": c.Hours,
		"version": strconv.Itoa(s.Number),
	})
	for flag, on := range map[string]bool{"card": c.Card, "private": c.Private} {
		if on {
			f.Values.Add("flags", flag)
		}
	}
	return web.Render(w, req, contactPage(editContact{id, f, MayChange(req.Context())}))
}

func (r *Room) postContact(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	id, now := req.PathValue("id"), r.o.Clock.Now()
	c := Contact{
		ID: id, Kind: ContactKind(f.Get("kind")), Name: f.Get("name"), Role: f.Get("role"), Phone: f.Get("phone"), Other: f.Get("other"),
		Mail: f.Get("mail"), Hours: f.Get("hours"), Card: f.Has("flags", "card"), Private: f.Has("flags", "private"),
		// Whoever writes a contact down has just made sure of it.
		Confirmed: now.In(i18n.Of(req.Context()).Zone).Format(dayForm),
	}
	if id == "" {
		c.ID = ident.NewID(now)
	}
	c.check(f.Fail)
	if f.OK() {
		_, err = r.Edit(req.Context(), Contacts, Base(f), func(d *Document) error {
			if id == "" {
				d.Contacts = append(d.Contacts, c)
				return nil
			}
			i := slices.IndexFunc(d.Contacts, func(o Contact) bool { return o.ID == id })
			if i < 0 {
				return fault.New(fault.NotFound, "plan.no_contact")
			}
			d.Contacts[i] = c
			return nil
		})
		f.Take(err)
	}
	if !f.OK() {
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, contactPage(editContact{id, f, true}))
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/kit/contacts")
}

// onContact changes the one contact of the address.
func (r *Room) onContact(w http.ResponseWriter, req *http.Request, change func(d *Document, i int)) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	_, err := r.Edit(req.Context(), Contacts, -1, func(d *Document) error {
		i := slices.IndexFunc(d.Contacts, func(o Contact) bool { return o.ID == req.PathValue("id") })
		if i < 0 {
			return fault.New(fault.NotFound, "plan.no_contact")
		}
		change(d, i)
		return nil
	})
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/kit/contacts")
}

func (r *Room) postConfirm(w http.ResponseWriter, req *http.Request) error {
	today := r.o.Clock.Now().In(i18n.Of(req.Context()).Zone).Format(dayForm)
	return r.onContact(w, req, func(d *Document, i int) { d.Contacts[i].Confirmed = today })
}

func (r *Room) postRemoveContact(w http.ResponseWriter, req *http.Request) error {
	return r.onContact(w, req, func(d *Document, i int) { d.Contacts = slices.Delete(d.Contacts, i, i+1) })
}

func (r *Room) pageHolding(w http.ResponseWriter, req *http.Request) error {
	d, _, err := r.Document(req.Context())
	if err != nil {
		return err
	}
	offer, err := offered(req.Context())
	if err != nil {
		return err
	}
	full, taken := d.Filled(offer)
	return web.Render(w, req, holdingPage(full.Holding, !taken[Holding], MayChange(req.Context())))
}

// postOffered takes the suggested holding statements.
func (r *Room) postOffered(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	offer, err := offered(req.Context())
	if err != nil {
		return err
	}
	_, err = r.Edit(req.Context(), Holding, -1, func(d *Document) error {
		if len(d.Holding) == 0 {
			d.Holding = offer.Holding
		}
		return nil
	})
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/kit/holding")
}

func (r *Room) pageHoldingText(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	d, s, err := r.Document(req.Context())
	if err != nil {
		return err
	}
	id := req.PathValue("id")
	h := HoldingText{}
	if id != "" {
		i := slices.IndexFunc(d.Holding, func(o HoldingText) bool { return o.ID == id })
		if i < 0 {
			return fault.New(fault.NotFound, "plan.no_holding")
		}
		h = d.Holding[i]
	}
	return web.Render(w, req, holdingTextPage(id, web.NewForm(map[string]string{
		"title": h.Title, "text": h.Text, "scenario": h.Scenario, "version": strconv.Itoa(s.Number),
	})))
}

func (r *Room) postHoldingText(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	id := req.PathValue("id")
	h := HoldingText{ID: id, Title: f.Get("title"), Text: f.Get("text"), Scenario: f.Get("scenario")}
	if id == "" {
		h.ID = ident.NewID(r.o.Clock.Now())
	}
	f.Require("title", "text")
	if f.OK() {
		_, err = r.Edit(req.Context(), Holding, Base(f), func(d *Document) error {
			i := slices.IndexFunc(d.Holding, func(o HoldingText) bool { return o.ID == h.ID })
			switch {
			case id == "":
				d.Holding = append(d.Holding, h)
			case i < 0:
				return fault.New(fault.NotFound, "plan.no_holding")
			default:
				d.Holding[i] = h
			}
			return nil
		})
		f.Take(err)
	}
	if !f.OK() {
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, holdingTextPage(id, f))
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/kit/holding")
}

func (r *Room) postRemoveHolding(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	_, err := r.Edit(req.Context(), Holding, -1, func(d *Document) error {
		i := slices.IndexFunc(d.Holding, func(o HoldingText) bool { return o.ID == req.PathValue("id") })
		if i < 0 {
			return fault.New(fault.NotFound, "plan.no_holding")
		}
		d.Holding = slices.Delete(d.Holding, i, i+1)
		return nil
	})
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/kit/holding")
}

// editProfile is the page around an audience's profile.
type editProfile struct {
	Audience Audience
	Form     *web.Form
	People   []web.Option
	May      bool
}

func (r *Room) pageProfile(w http.ResponseWriter, req *http.Request) error {
	a, err := r.Audience(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	_, s, err := r.Document(req.Context())
	if err != nil {
		return err
	}
	p := a.Profile
	f := web.NewForm(map[string]string{
		"owner": p.Owner, "deputy": p.Deputy, "first": minutes(p.First), "every": minutes(p.Every), "needs": p.Needs,
		"questions": strings.Join(p.Questions, "\n"), "version": strconv.Itoa(s.Number),
	})
	f.Values["languages"] = p.Languages
	for i, way := range p.Ways {
		f.Values.Set("way"+strconv.Itoa(i+1), way)
	}
	return r.showProfile(w, req, http.StatusOK, a, f)
}

func (r *Room) showProfile(w http.ResponseWriter, req *http.Request, status int, a Audience, f *web.Form) error {
	people, err := r.people(req.Context(), f)
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, profilePage(editProfile{a, f, people, MayChange(req.Context())}))
}

// wayFields are the places of the fail-over order.
const wayFields = 5

func (r *Room) postProfile(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	a, err := r.Audience(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	p := Profile{
		Owner: f.Get("owner"), Deputy: f.Get("deputy"), Needs: f.Get("needs"), Questions: lines(f.Get("questions")), Languages: f.All("languages"),
	}
	for name, to := range map[string]*int{"first": &p.First, "every": &p.Every} {
		if v := f.Get(name); v != "" {
			n, err := strconv.ParseUint(v, 10, 16)
			if err != nil {
				f.Fail(name, "plan.bad_minutes")
			}
			*to = int(n)
		}
	}
	for i := range wayFields {
		if way := f.Get("way" + strconv.Itoa(i+1)); way != "" && !slices.Contains(p.Ways, way) {
			p.Ways = append(p.Ways, way)
		}
	}
	if p.Owner != "" && p.Owner == p.Deputy {
		f.Fail("deputy", "plan.deputy_is_owner")
	}
	p.check(f.Fail)
	if f.OK() {
		_, err = r.Edit(req.Context(), Profiles, Base(f), func(d *Document) error {
			d.Profiles[a.Slug] = p
			return nil
		})
		f.Take(err)
	}
	if !f.OK() {
		return r.showProfile(w, req, http.StatusUnprocessableEntity, a, f)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/plan/"+a.Slug)
}

func (r *Room) pageCover(w http.ResponseWriter, req *http.Request) error {
	d, s, err := r.Document(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, coverPage(MayChange(req.Context()), web.NewForm(map[string]string{
		"valid_until": d.Cover.ValidUntil, "kept": d.Cover.Kept, "meet": d.Cover.Meet, "codeword": d.Cover.Codeword, "version": strconv.Itoa(s.Number),
	})))
}

func (r *Room) postCover(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	_, err = r.Edit(req.Context(), Cover, Base(f), func(d *Document) error {
		d.Cover = CoverSheet{ValidUntil: f.Get("valid_until"), Kept: f.Get("kept"), Meet: f.Get("meet"), Codeword: f.Get("codeword")}
		return nil
	})
	if f.Take(err) {
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, coverPage(true, f))
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/kit")
}

const versionsPerPage = 50

func (r *Room) pageVersions(w http.ResponseWriter, req *http.Request) error {
	before, _ := strconv.Atoi(req.URL.Query().Get("before")) // anything else: from the newest
	vs, err := r.Versions(req.Context(), before, versionsPerPage+1)
	if err != nil {
		return err
	}
	next := 0
	if len(vs) > versionsPerPage {
		vs = vs[:versionsPerPage]
		next = vs[len(vs)-1].Number
	}
	return web.Render(w, req, versionsPage(vs, next))
}

// versionView is one version beside another one.
type versionView struct {
	Version Version
	Since   int
	Changes []Change
	Newest  bool
	May     bool
}

// number reads the version of the address.
func number(req *http.Request) (int, error) {
	n, err := strconv.Atoi(req.PathValue("number"))
	if err != nil || n < 1 {
		return 0, fault.New(fault.NotFound, "plan.no_version", req.PathValue("number"))
	}
	return n, nil
}

func (r *Room) pageVersion(w http.ResponseWriter, req *http.Request) error {
	n, err := number(req)
	if err != nil {
		return err
	}
	v, err := r.versionView(req.Context(), n, req.URL.Query().Get("since"))
	if err != nil {
		return err
	}
	return web.Render(w, req, versionPage(v))
}

// versionView compares version n with the one named since, or the one before.
func (r *Room) versionView(ctx context.Context, n int, since string) (versionView, error) {
	v := versionView{Since: n - 1, May: MayChange(ctx)}
	if other, err := strconv.Atoi(since); err == nil && other >= 0 {
		v.Since = other
	}
	var err error
	if v.Version, err = r.Version(ctx, n); err != nil {
		return v, err
	}
	old, err := r.Version(ctx, v.Since)
	if err != nil {
		return v, err
	}
	_, s, err := r.Document(ctx)
	v.Changes, v.Newest = Compare(old, v.Version), s.Number == n
	return v, err
}

func (r *Room) postRestore(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	n, err := number(req)
	if err != nil {
		return err
	}
	s, err := r.Restore(req.Context(), n)
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/kit/versions/"+strconv.Itoa(s.Number))
}
