package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// Routes adds this room's pages.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET "+SignInPath, r.pageSignIn)
	s.Handle("POST "+SignInPath, r.postSignIn)
	s.Handle("POST /identity/sign-out", r.postSignOut)
	s.Handle("GET "+linkPath+"{token}", r.pageLink)
	s.Handle("POST "+linkPath+"{token}", r.postLink)
	s.Handle("GET "+confirmPath+"{token}", r.pageConfirm)
	s.Handle("POST "+confirmPath+"{token}", r.postConfirm)

	s.Handle("GET "+profilePath, web.Staff(r.pageProfile))
	s.Handle("POST "+profilePath, web.Staff(r.postProfile))
	s.Handle("POST "+profilePath+"/password", web.Staff(r.postPassword))
	s.Handle("POST "+profilePath+"/sign-out-everywhere", web.Staff(r.postEverywhere))
	s.Handle("POST "+profilePath+"/confirm", web.Staff(r.postOwnConfirm))
	s.Handle("GET /identity/tokens", web.Staff(r.pageTokens))
	s.Handle("POST /identity/tokens", web.Staff(r.postToken))
	s.Handle("POST /identity/tokens/{id}/revoke", web.Staff(r.postRevoke))

	s.Handle("GET /identity/people", web.Staff(r.pagePeople))
	s.Handle("GET /identity/people/new", RequireRole(r.pageNew, RoleAdmin))
	s.Handle("POST /identity/people/new", RequireRole(r.postPerson, RoleAdmin))
	s.Handle("GET /identity/people/{id}", RequireRole(r.pagePerson, RoleAdmin))
	s.Handle("POST /identity/people/{id}", RequireRole(r.postPerson, RoleAdmin))
	s.Handle("POST /identity/people/{id}/link", RequireRole(r.postPersonLink, RoleAdmin))
	s.Handle("POST /identity/people/{id}/confirm", RequireRole(r.postPersonConfirm, RoleAdmin))
	s.Handle("GET /identity/import", RequireRole(r.pageImport, RoleAdmin))
	s.Handle("POST /identity/import", RequireRole(r.postImport, RoleAdmin))
	s.Handle("GET /identity/people.csv", RequireRole(r.exportPeople, RoleAdmin))
	r.secondRoutes(s)
	r.ssoRoutes(s)
	r.sealRoutes(s)
	r.setupRoutes(s)
	r.rollRoutes(s)
	r.joinRoutes(s)
}

// ---- sign-in ----

func (r *Room) pageSignIn(w http.ResponseWriter, req *http.Request) error {
	next := web.Local(req.FormValue("next"), "/")
	if _, ok := Me(req.Context()); ok {
		return web.SeeOther(w, req, next)
	}
	return web.Render(w, req, r.signInPage(req, web.NewForm(map[string]string{"next": next}), signInState{}))
}

// signInState is what the sign-in page says above its form.
type signInState struct {
	Error string // text key
	Args  []any
	Left  int  // tries left; shown with an error when > 0
	Sent  bool // a link may be under way
	// Passkeys: the town's address lets browsers show them.
	Passkeys bool
	Provider string // name of the town's identity provider, empty: none
}

func (r *Room) postSignIn(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	ctx, c := req.Context(), clientOf(req)
	if f.Get("way") == "mail" && r.o.Post != nil {
		f.Require("email")
		if !f.OK() {
			return web.RenderStatus(w, req, http.StatusUnprocessableEntity, r.signInPage(req, f, signInState{}))
		}
		if err := r.MailLink(ctx, f.Get("email"), c); err != nil {
			return r.refuseSignIn(w, req, f, err, 0)
		}
		return web.Render(w, req, r.signInPage(req, f, signInState{Sent: true}))
	}
	s, err := r.SignIn(ctx, f.Get("email"), f.Values.Get("password"), c)
	if err != nil {
		return r.refuseSignIn(w, req, f, err, r.TriesLeft(ctx, f.Get("email"), c))
	}
	return r.entered(w, req, s, web.Local(f.Get("next"), "/"))
}

func (r *Room) refuseSignIn(w http.ResponseWriter, req *http.Request, f *web.Form, err error, left int) error {
	e := fault.As(err)
	switch e.Kind {
	case fault.Invalid, fault.TooMany, fault.Unavailable:
	default:
		return err
	}
	retryAfter(w, err)
	if e.Kind != fault.Invalid {
		left = 0
	}
	return web.RenderStatus(w, req, fault.Status(e.Kind), r.signInPage(req, f, signInState{Error: e.Key, Args: e.Args, Left: left}))
}

func (r *Room) postSignOut(w http.ResponseWriter, req *http.Request) error {
	if token := sessionToken(req); token != "" {
		if err := r.SignOut(req.Context(), token); err != nil {
			return err
		}
	}
	clearSession(w, req)
	return web.SeeOther(w, req, SignInPath)
}

// GET shows a button and changes nothing: mail scanners follow links.
func (r *Room) pageLink(w http.ResponseWriter, req *http.Request) error {
	p, err := r.LinkPerson(req.Context(), req.PathValue("token"))
	if err != nil {
		return err
	}
	return web.Render(w, req, linkPage(p))
}

func (r *Room) postLink(w http.ResponseWriter, req *http.Request) error {
	s, err := r.UseLink(req.Context(), req.PathValue("token"), clientOf(req))
	if err != nil {
		return err
	}
	p, err := r.Person(req.Context(), s.Person)
	if err != nil {
		return err
	}
	if !p.HasPassword {
		return r.entered(w, req, s, profilePath+"#password-form")
	}
	return r.entered(w, req, s, "/")
}

func (r *Room) pageConfirm(w http.ResponseWriter, req *http.Request) error {
	p, err := r.ConfirmPerson(req.Context(), req.PathValue("token"))
	if err != nil {
		return err
	}
	return web.Render(w, req, confirmPage(p, false))
}

func (r *Room) postConfirm(w http.ResponseWriter, req *http.Request) error {
	p, err := r.Confirm(req.Context(), req.PathValue("token"))
	if err != nil {
		return err
	}
	return web.Render(w, req, confirmPage(p, true))
}

// ---- the own profile ----

// profileView is the profile page.
type profileView struct {
	Person    Person
	Session   Session
	Sessions  []Session
	Form      *web.Form
	Password  *web.Form
	NeedsOld  bool
	Saved     string // text key of what was done
	CanPost   bool
	Alerting  bool
	MinLength int
}

func (r *Room) profile(req *http.Request) (profileView, error) {
	ctx := req.Context()
	q := requestOf(ctx)
	if q.person == nil || q.session == nil {
		return profileView{}, ErrForbidden
	}
	v := profileView{
		Person: *q.person, Session: *q.session, Password: web.NewForm(nil), NeedsOld: r.PasswordNeedsOld(*q.person, *q.session),
		CanPost: r.o.Post != nil && r.o.Vault != nil, MinLength: MinPassword,
		Form: web.NewForm(map[string]string{
			"language": q.person.Language, "alternative": q.person.Alternative, "mobile": q.person.Mobile, "chat": q.person.Chat,
		}),
	}
	if key := map[string]string{
		"profile": "identity.saved", "password": "identity.password_saved", "sessions": "identity.sessions_ended", "confirm": "identity.confirm_sent",
	}[req.URL.Query().Get("saved")]; key != "" {
		v.Saved = key
	}
	var err1, err2 error
	v.Sessions, err1 = r.Sessions(ctx, v.Person.ID)
	v.Alerting, err2 = r.Alerting(ctx, v.Person)
	return v, errors.Join(err1, err2)
}

func (r *Room) pageProfile(w http.ResponseWriter, req *http.Request) error {
	v, err := r.profile(req)
	if err != nil {
		return err
	}
	return web.Render(w, req, profilePage(v))
}

func (r *Room) postProfile(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	chat := f.Get("chat")
	_, err = r.SaveOwn(req.Context(), Own{Language: f.Get("language"), Alternative: f.Get("alternative"), Mobile: f.Get("mobile"), Chat: &chat})
	if f.Take(err) {
		v, err := r.profile(req)
		if err != nil {
			return err
		}
		v.Form = f
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, profilePage(v))
	}
	if err != nil {
		return err
	}
	// lang renews the browser's own choice, which would win otherwise.
	return web.SeeOther(w, req, profilePath+"?saved=profile&lang="+url.QueryEscape(f.Get("language")))
}

func (r *Room) postPassword(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	v, err := r.profile(req)
	if err != nil {
		return err
	}
	if password := f.Values.Get("password"); f.Values.Get("again") != password {
		f.Fail("again", "identity.password_differs")
	} else {
		err = r.SetPassword(req.Context(), v.Session, f.Values.Get("old"), password)
		if err != nil && !f.Take(err) {
			return err
		}
	}
	if !f.OK() {
		v.Password = f
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, profilePage(v))
	}
	return web.SeeOther(w, req, profilePath+"?saved=password")
}

func (r *Room) postEverywhere(w http.ResponseWriter, req *http.Request) error {
	q := requestOf(req.Context())
	if q.person == nil || q.session == nil {
		return ErrForbidden
	}
	if err := r.SignOutEverywhere(req.Context(), q.person.ID, q.session.Token); err != nil {
		return err
	}
	return web.SeeOther(w, req, profilePath+"?saved=sessions")
}

func (r *Room) postOwnConfirm(w http.ResponseWriter, req *http.Request) error {
	p, ok := Me(req.Context())
	if !ok || r.o.Post == nil {
		return ErrForbidden
	}
	if _, err := r.AskConfirm(req.Context(), p.ID); err != nil {
		return err
	}
	return web.SeeOther(w, req, profilePath+"?saved=confirm")
}

// ---- tokens ----

type tokensView struct {
	Tokens []Token
	Form   *web.Form
	Made   string // the new token's text, shown once
}

func (r *Room) tokens(ctx context.Context) (tokensView, error) {
	p, ok := Me(ctx)
	if !ok {
		return tokensView{}, ErrForbidden
	}
	list, err := r.Tokens(ctx, p.ID)
	return tokensView{Tokens: list, Form: web.NewForm(map[string]string{"limit": "all"})}, err
}

func (r *Room) pageTokens(w http.ResponseWriter, req *http.Request) error {
	v, err := r.tokens(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, tokensPage(v))
}

func (r *Room) postToken(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	p, ok := Me(ctx)
	if !ok {
		return ErrForbidden
	}
	var scopes []string
	if f.Get("limit") != "all" {
		if scopes = slices.Clone(f.All("scopes")); len(scopes) == 0 {
			f.Fail("scopes", "identity.scope_missing")
		}
	}
	made := ""
	if f.OK() {
		made, _, err = r.CreateToken(ctx, p.ID, f.Get("name"), scopes)
		if err != nil && !f.Take(err) {
			return err
		}
	}
	v, err := r.tokens(ctx)
	if err != nil {
		return err
	}
	if !f.OK() {
		v.Form = f
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, tokensPage(v))
	}
	v.Made = made
	return web.Render(w, req, tokensPage(v))
}

func (r *Room) postRevoke(w http.ResponseWriter, req *http.Request) error {
	if err := r.RevokeToken(req.Context(), req.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/identity/tokens")
}

// ---- people ----

// pageSize is how many people stand on one page.
const pageSize = 50

type peopleView struct {
	People   []Person
	Owners   map[string]bool
	Tenant   Tenant
	Query    string
	Role     string
	All      int
	Wrong    []Finding
	Next     string // address of the next page
	Start    string // address of the first page
	First    bool
	MayWrite bool
}

func (r *Room) pagePeople(w http.ResponseWriter, req *http.Request) error {
	ctx, q := req.Context(), req.URL.Query()
	v := peopleView{
		Query: strings.TrimSpace(q.Get("pq")), Role: q.Get("role"), First: q.Get("after") == "",
		MayWrite: ident.ActorOf(ctx).Has(string(RoleAdmin)),
	}
	f := Filter{Query: v.Query, Role: Role(v.Role), After: PersonID(q.Get("after")), Limit: pageSize + 1}
	var err error
	if v.Tenant, err = r.Current(ctx); err != nil {
		return err
	}
	if v.Owners, err = r.owners(ctx); err != nil {
		return err
	}
	if v.People, err = r.People(ctx, f); err != nil {
		return err
	}
	if len(v.People) > pageSize {
		v.People = v.People[:pageSize]
		next := url.Values{"after": {string(v.People[pageSize-1].ID)}, "pq": {v.Query}, "role": {v.Role}}
		v.Next = "/identity/people?" + next.Encode()
	}
	v.Start = "/identity/people?" + url.Values{"pq": {v.Query}, "role": {v.Role}}.Encode()
	f.After, f.Limit = "", 0
	if v.All, err = r.Count(ctx, f); err != nil {
		return err
	}
	if v.MayWrite {
		if v.Wrong, err = r.Findings(ctx); err != nil {
			return err
		}
	}
	return web.Render(w, req, peoplePage(v))
}

// personView is the form of one person.
type personView struct {
	Person   Person // empty for a new one
	Form     *web.Form
	Findings []Finding
	Second   Second
	Self     bool // an administrator looks at their own page
	Sessions int
	Link     string // a fresh one-time link
	Saved    string // text key of what was done
	CanPost  bool
	Alerting bool
}

// formOf shows a person in the form.
func formOf(p Person) *web.Form {
	f := web.NewForm(map[string]string{
		"name": p.Name, "email": p.Email, "alternative": p.Alternative, "mobile": p.Mobile, "chat": p.Chat,
		"org_unit": p.OrgUnit, "language": p.Language,
	})
	for _, role := range p.Roles {
		f.Values.Add("roles", string(role))
	}
	if p.Blocked {
		f.Values.Set("blocked", "yes")
	}
	return f
}

// personOf reads the form into p. What is read-only for declared people is not
// sent by browsers and stays.
func personOf(f *web.Form, p Person) Person {
	p.Blocked, p.Language = f.Has("blocked", "yes"), f.Get("language")
	if p.Declared {
		return p
	}
	p.Name, p.Email, p.Alternative = f.Get("name"), f.Get("email"), f.Get("alternative")
	p.Mobile, p.Chat, p.OrgUnit, p.Roles = f.Get("mobile"), f.Get("chat"), f.Get("org_unit"), nil
	for _, role := range f.All("roles") {
		p.Roles = append(p.Roles, Role(role))
	}
	return p
}

func (r *Room) pageNew(w http.ResponseWriter, req *http.Request) error {
	v := personView{Form: formOf(Person{Language: requestOf(req.Context()).tenant.Language, Roles: []Role{RoleReader}})}
	return web.Render(w, req, personPage(v))
}

func (r *Room) view(ctx context.Context, id PersonID) (v personView, err error) {
	if v.Person, err = r.Person(ctx, id); err != nil {
		return v, err
	}
	t, err := r.Current(ctx)
	if err != nil {
		return v, err
	}
	if v.Alerting, err = r.Alerting(ctx, v.Person); err != nil {
		return v, err
	}
	v.Findings = findingsOf(t, v.Person, v.Alerting)
	v.CanPost = r.o.Post != nil && r.o.Vault != nil
	v.Form = formOf(v.Person)
	v.Self = ident.ActorOf(ctx).Person == string(id)
	if v.Second, err = r.SecondOf(ctx, id); err != nil {
		return v, err
	}
	s, err := r.Sessions(ctx, id)
	v.Sessions = len(s)
	return v, err
}

func (r *Room) pagePerson(w http.ResponseWriter, req *http.Request) error {
	v, err := r.view(req.Context(), PersonID(req.PathValue("id")))
	if err != nil {
		return err
	}
	switch req.URL.Query().Get("saved") {
	case "person":
		v.Saved = "identity.saved"
	case "confirm":
		v.Saved = "identity.confirm_sent"
	case "second":
		v.Saved = "identity.second_was_reset"
	}
	return web.Render(w, req, personPage(v))
}

func (r *Room) postPerson(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	v := personView{}
	if id := req.PathValue("id"); id != "" {
		if v, err = r.view(ctx, PersonID(id)); err != nil {
			return err
		}
	}
	p, err := r.SavePerson(ctx, personOf(f, v.Person))
	if f.Take(err) {
		v.Form = f
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, personPage(v))
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/identity/people/"+string(p.ID)+"?saved=person")
}

func (r *Room) postPersonLink(w http.ResponseWriter, req *http.Request) error {
	ctx, id := req.Context(), PersonID(req.PathValue("id"))
	link, err := r.SignInLink(ctx, id, linkByAdmin)
	if err != nil {
		return err
	}
	v, err := r.view(ctx, id)
	if err != nil {
		return err
	}
	v.Link = link
	return web.Render(w, req, personPage(v))
}

func (r *Room) postPersonConfirm(w http.ResponseWriter, req *http.Request) error {
	id := req.PathValue("id")
	if _, err := r.AskConfirm(req.Context(), PersonID(id)); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/identity/people/"+id+"?saved=confirm")
}

// ---- CSV ----

type importView struct {
	Form   *web.Form
	Report *Report
	Text   string // the file, for the second step
}

func (r *Room) pageImport(w http.ResponseWriter, req *http.Request) error {
	return web.Render(w, req, importPage(importView{Form: web.NewForm(nil)}))
}

// postImport is both steps: the file is looked at first and comes back with
// the page, then the same text is sent again to be taken.
func (r *Room) postImport(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	raw := []byte(f.Values.Get("text"))
	if file, _, err := req.FormFile("file"); err == nil {
		got, err := io.ReadAll(io.LimitReader(file, MaxImport+1))
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("identity: import: %w", err)
		}
		if len(got) > 0 {
			raw = got
		}
	}
	v := importView{Form: f}
	if len(raw) == 0 {
		f.Fail("file", "identity.import_empty")
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, importPage(v))
	}
	report, err := r.Import(req.Context(), raw, f.Get("apply") == "yes")
	if f.Take(err) {
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, importPage(v))
	}
	if err != nil {
		return err
	}
	v.Report = &report
	if !report.Applied {
		text, err := decodeText(raw)
		if err != nil {
			return fmt.Errorf("identity: import: %w", err) // Import read it a moment ago
		}
		v.Text = string(text)
	}
	return web.Render(w, req, importPage(v))
}

func (r *Room) exportPeople(w http.ResponseWriter, req *http.Request) error {
	people, err := r.People(req.Context(), Filter{})
	if err != nil {
		return err
	}
	if err := r.audit(req.Context(), "identity.people.exported", "", map[string]string{"count": fmt.Sprint(len(people))}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="personen.csv"`)
	return WriteCSV(w, people)
}

// ---- words ----

func escape(s string) string { return url.QueryEscape(s) }

// roleNames are the roles in the reader's words.
func roleNames(ctx context.Context, roles []Role) string {
	words := make([]string, len(roles))
	for i, role := range roles {
		words[i] = i18n.T(ctx, "identity.role_"+string(role))
	}
	return strings.Join(words, ", ")
}

// RoleNames is the person's roles in the reader's words, for the frame.
func RoleNames(ctx context.Context, p Person) string { return roleNames(ctx, p.Roles) }

func roleOptions(ctx context.Context) []web.Option {
	var out []web.Option
	for _, role := range Roles() {
		out = append(out, web.Option{
			Value: string(role), Text: i18n.T(ctx, "identity.role_"+string(role)), Hint: i18n.T(ctx, "identity.role_"+string(role)+"_hint"),
		})
	}
	return out
}

func languageOptions() []web.Option {
	return []web.Option{{Value: "de", Text: "Deutsch"}, {Value: "en", Text: "English"}}
}

// reach says in one word how a person is reached by mail.
func reach(t Tenant, p Person, alerting bool) (web.State, string) {
	found := findingsOf(t, p, alerting)
	has := func(s Severity) bool {
		return slices.ContainsFunc(found, func(f Finding) bool { return f.Severity == s && f.Cause != CauseUnverified })
	}
	switch {
	case p.Blocked:
		return web.Maintenance, "identity.reach_blocked"
	case p.Alternative == "" && alerting:
		return web.Down, "identity.reach_missing"
	case p.Alternative == "":
		return web.OK, "identity.reach_official"
	case has(Wrong):
		return web.Down, "identity.reach_wrong"
	case !p.Verified() && alerting:
		return web.Down, "identity.reach_unverified"
	case has(Warning):
		return web.Degraded, "identity.reach_shared"
	case has(Unsure):
		return web.Unknown, "identity.reach_unsure"
	case !p.Verified():
		return web.Unknown, "identity.reach_unverified"
	default:
		return web.OK, "identity.reach_both"
	}
}

// sortedErrors lists a row's errors in the order of its fields.
func sortedErrors(m map[string]string) []string {
	var out []string
	for _, field := range []string{"name", "email", "alternative", "mobile", "roles", "org_unit", "language", "blocked"} {
		if key := m[field]; key != "" && !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	return out
}
