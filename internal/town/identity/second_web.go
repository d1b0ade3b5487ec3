package identity

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
	"tuermer/internal/platform/web"
)

// Pages around the second factor.
const (
	secondSignInPath = SignInPath + "/zweiter-faktor"
	// SecondPath is where people set up their second factor.
	SecondPath = profilePath + "/second-factor"
	rulesPath  = "/identity/sign-in"
)

// secondRoutes adds the pages of the second factor.
func (r *Room) secondRoutes(s *web.Site) {
	s.Handle("GET "+secondSignInPath, r.pageSecondSignIn)
	s.Handle("POST "+secondSignInPath, r.postSecondSignIn)

	r.passkeyRoutes(s)
	s.Handle("GET "+SecondPath, web.Staff(r.pageSecond))
	s.Handle("GET "+SecondPath+"/app", web.Staff(r.pageApp))
	s.Handle("POST "+SecondPath+"/app", web.Staff(r.postApp))
	s.Handle("POST "+SecondPath+"/app/remove", web.Staff(r.postAppRemove))
	s.Handle("POST "+SecondPath+"/codes", web.Staff(r.postCodes))

	s.Handle("POST /identity/people/{id}/second-factor/reset", RequireRole(r.postSecondReset, RoleAdmin))
	s.Handle("GET "+rulesPath, RequireRole(r.pageRules, RoleAdmin))
	s.Handle("POST "+rulesPath, RequireRole(r.postRules, RoleAdmin))
}

// entered ends a sign-in page: into the console, or to the second factor.
func (r *Room) entered(w http.ResponseWriter, req *http.Request, s Session, next string) error {
	if s.Pending != "" {
		setPending(w, req, s.Pending, int(pendingAge/time.Second))
		return web.SeeOther(w, req, secondSignInPath+"?next="+escape(next))
	}
	setPending(w, req, "", -1)
	setSession(w, req, s)
	return web.SeeOther(w, req, next)
}

func setPending(w http.ResponseWriter, req *http.Request, value string, age int) {
	if _, err := req.Cookie(cookiePending); age < 0 && err != nil {
		return // there is none to end
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookiePending, Value: value, Path: SignInPath, HttpOnly: true, Secure: web.IsHTTPS(req),
		SameSite: http.SameSiteLaxMode, MaxAge: age,
	})
}

func pendingOf(req *http.Request) string {
	if c, err := req.Cookie(cookiePending); err == nil {
		return c.Value
	}
	return ""
}

// secondSignInView is the page that asks for the code.
type secondSignInView struct {
	Person  Person
	Form    *web.Form
	Error   string // text key
	Args    []any
	Passkey bool // the person has one
}

func (r *Room) pageSecondSignIn(w http.ResponseWriter, req *http.Request) error {
	next := web.Local(req.FormValue("next"), "/")
	p, _, err := r.PendingPerson(req.Context(), pendingOf(req))
	if fault.KindOf(err) == fault.Invalid && err != nil {
		return web.SeeOther(w, req, SignInPath+"?next="+escape(next))
	}
	if err != nil {
		return err
	}
	v := secondSignInView{Person: p, Form: web.NewForm(map[string]string{"next": next})}
	if v.Passkey, err = r.hasPasskey(req.Context(), p.ID); err != nil {
		return err
	}
	return web.Render(w, req, secondSignInPage(v))
}

func (r *Room) postSecondSignIn(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	return r.finishSecond(w, req, f, func(pending string) (Session, error) {
		return r.SignInSecond(req.Context(), pending, f.Get("code"), clientOf(req))
	})
}

// finishSecond adds a second factor to the first and goes on, or asks again.
func (r *Room) finishSecond(w http.ResponseWriter, req *http.Request, f *web.Form, show func(pending string) (Session, error)) error {
	ctx, pending := req.Context(), pendingOf(req)
	p, via, err := r.PendingPerson(ctx, pending)
	if err == nil {
		var s Session
		if s, err = show(pending); err == nil {
			next := web.Local(f.Get("next"), "/")
			if via == viaLink && !p.HasPassword {
				next = profilePath + "#password-form"
			}
			return r.entered(w, req, s, next)
		}
	}
	e := fault.As(err)
	if e.Is(ErrSecondOver) {
		return web.RenderStatus(w, req, fault.Status(e.Kind), r.signInPage(req, f, signInState{Error: e.Key}))
	}
	switch e.Kind {
	case fault.Invalid, fault.TooMany, fault.Unavailable:
	default:
		return err
	}
	retryAfter(w, err)
	v := secondSignInView{Person: p, Form: web.NewForm(map[string]string{"next": web.Local(f.Get("next"), "/")}), Error: e.Key, Args: e.Args}
	if v.Passkey, err = r.hasPasskey(ctx, p.ID); err != nil {
		return err
	}
	return web.RenderStatus(w, req, fault.Status(e.Kind), secondSignInPage(v))
}

// ---- the own second factor ----

// secondView is the page of the own second factor.
type secondView struct {
	Person     Person
	Second     Second
	State      SecondState
	Due        time.Time
	NeedsProof bool
	Passkeys   bool // the town's address lets browsers make them
	Form       *web.Form
	Saved      string
}

func (r *Room) secondView(req *http.Request) (v secondView, s Session, err error) {
	ctx := req.Context()
	q := requestOf(ctx)
	if q.person == nil || q.session == nil {
		return v, s, ErrForbidden
	}
	v.Person, s, v.Form = *q.person, *q.session, web.NewForm(nil)
	v.State, v.Due = r.MySecond(ctx)
	v.NeedsProof = r.NeedsProof(v.Person, s)
	v.Passkeys = r.PasskeysPossible(q.tenant)
	v.Second, err = r.SecondOf(ctx, v.Person.ID)
	switch req.URL.Query().Get("saved") {
	case "removed":
		v.Saved = "identity.app_removed"
	case "app":
		v.Saved = "identity.app_saved"
	case "passkey":
		v.Saved = "identity.passkey_saved"
	case "passkey_removed":
		v.Saved = "identity.passkey_removed"
	}
	return v, s, err
}

func (r *Room) pageSecond(w http.ResponseWriter, req *http.Request) error {
	v, _, err := r.secondView(req)
	if err != nil {
		return err
	}
	return web.Render(w, req, secondPage(v))
}

// appView is the page with the QR code.
type appView struct {
	Enrolment  Enrolment
	NeedsProof bool
	Form       *web.Form
}

func (r *Room) pageApp(w http.ResponseWriter, req *http.Request) error {
	v, s, err := r.secondView(req)
	if err != nil {
		return err
	}
	e, err := r.NewTOTP(req.Context(), s)
	if err != nil {
		return err
	}
	return web.Render(w, req, appPage(appView{Enrolment: e, NeedsProof: v.NeedsProof, Form: web.NewForm(nil)}))
}

func (r *Room) postApp(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	v, s, err := r.secondView(req)
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	codes, err := r.ConfirmTOTP(ctx, s, f.Values.Get("sealed"), f.Get("code"), f.Get("proof"))
	if e := fault.As(err); err != nil && (e.Kind == fault.Invalid || e.Kind == fault.TooMany) {
		again, aerr := r.OpenEnrolment(ctx, s, f.Values.Get("sealed"))
		if aerr != nil {
			return aerr
		}
		return web.RenderStatus(w, req, fault.Status(e.Kind), appPage(appView{Enrolment: again, NeedsProof: v.NeedsProof, Form: refused(f, err)}))
	}
	if err != nil {
		return err
	}
	if len(codes) > 0 {
		return r.showCodes(w, req, v.Person, codes)
	}
	return web.SeeOther(w, req, SecondPath+"?saved=app")
}

// refused puts an error onto the form; a pace has no field of its own.
func refused(f *web.Form, err error) *web.Form {
	if !f.Take(err) {
		f.Fail("", fault.As(err).Key)
	}
	return f
}

func (r *Room) postAppRemove(w http.ResponseWriter, req *http.Request) error {
	return r.secondAct(w, req, func(s Session, f *web.Form) error {
		if err := r.RemoveTOTP(req.Context(), s, f.Get("proof")); err != nil {
			return err
		}
		return web.SeeOther(w, req, SecondPath+"?saved=removed")
	})
}

func (r *Room) postCodes(w http.ResponseWriter, req *http.Request) error {
	return r.secondAct(w, req, func(s Session, f *web.Form) error {
		codes, err := r.NewCodes(req.Context(), s, f.Get("proof"))
		if err != nil {
			return err
		}
		return r.showCodes(w, req, *requestOf(req.Context()).person, codes)
	})
}

// secondAct does one act on the page of the second factor and comes back to it
// when the proof is wrong.
func (r *Room) secondAct(w http.ResponseWriter, req *http.Request, do func(Session, *web.Form) error) error {
	v, s, err := r.secondView(req)
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	err = do(s, f)
	if k := fault.KindOf(err); err != nil && (k == fault.Invalid || k == fault.TooMany) {
		retryAfter(w, err)
		v.Form = refused(f, err)
		return web.RenderStatus(w, req, fault.Status(k), secondPage(v))
	}
	return err
}

// showCodes is the only time that recovery codes are seen.
func (r *Room) showCodes(w http.ResponseWriter, req *http.Request, p Person, codes []string) error {
	w.Header().Set("Cache-Control", "no-store")
	return web.Render(w, req, codesPage(codesPaper(req.Context(), requestOf(req.Context()).tenant, p, codes)))
}

// codesPaper is the sheet for the wallet.
func codesPaper(ctx context.Context, t Tenant, p Person, codes []string) paper.Document {
	l := i18n.Of(ctx)
	return paper.Document{
		Lang: string(l.Lang), Title: i18n.T(ctx, "identity.codes_title"), Stand: l.Now,
		Facts: []paper.Fact{
			{Label: i18n.T(ctx, "identity.codes_for"), Value: p.Name + " · " + p.Email},
			{Label: i18n.T(ctx, "identity.codes_where"), Value: t.Name + " · " + t.StaffURL + SignInPath},
			{Label: i18n.T(ctx, "identity.codes_made"), Value: i18n.Stand(ctx, l.Now)},
		},
		Sections: []paper.Section{{
			Title:  i18n.T(ctx, "identity.codes_list"),
			Blocks: []paper.Block{paper.Checks(codes), paper.Text{Text: i18n.T(ctx, "identity.codes_how")}},
		}},
	}
}

// ---- others, and the town's rule ----

func (r *Room) postSecondReset(w http.ResponseWriter, req *http.Request) error {
	id := req.PathValue("id")
	if err := r.ResetSecond(req.Context(), PersonID(id)); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/identity/people/"+id+"?saved=second")
}

// rulesView is the page about how the town signs in.
type rulesView struct {
	Form    *web.Form
	Policy  SecondPolicy
	Without []withoutSecond
	Saved   string
}

// withoutSecond is somebody who needs a second factor and has none yet.
type withoutSecond struct {
	Person Person
	State  SecondState
	Due    time.Time
}

func (r *Room) rules(ctx context.Context) (v rulesView, err error) {
	t, err := r.Current(ctx)
	if err != nil {
		return v, err
	}
	v.Policy = t.SecondPolicy
	v.Form = web.NewForm(map[string]string{"grace": strconv.Itoa(v.Policy.GraceDays)})
	v.Form.Locked = r.ruleDeclared(ctx)
	for _, role := range v.Policy.Roles {
		v.Form.Values.Add("roles", string(role))
	}
	if len(v.Policy.Roles) == 0 {
		return v, nil
	}
	people, err := r.People(ctx, Filter{Active: true})
	if err != nil {
		return v, err
	}
	now := r.o.Clock.Now()
	for _, p := range people {
		if state, due := v.Policy.Judge(p, now); state != SecondFine {
			v.Without = append(v.Without, withoutSecond{p, state, due})
		}
	}
	slices.SortStableFunc(v.Without, func(a, b withoutSecond) int { return a.Due.Compare(b.Due) })
	return v, nil
}

func (r *Room) pageRules(w http.ResponseWriter, req *http.Request) error {
	v, err := r.rules(req.Context())
	if err != nil {
		return err
	}
	if req.URL.Query().Get("saved") == "rule" {
		v.Saved = "identity.saved"
	}
	return web.Render(w, req, rulesPage(v))
}

func (r *Room) postRules(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	grace, gerr := strconv.Atoi(f.Get("grace"))
	if gerr != nil {
		grace = -1
	}
	var roles []Role
	for _, role := range f.All("roles") {
		roles = append(roles, Role(role))
	}
	err = r.SaveSecondPolicy(ctx, roles, grace)
	if f.Take(err) {
		v, err := r.rules(ctx)
		if err != nil {
			return err
		}
		v.Form = f
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, rulesPage(v))
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, rulesPath+"?saved=rule")
}

// SecondNote is the band for whoever still needs a second factor: its words,
// and whether roles rest already.
func (r *Room) SecondNote(ctx context.Context) (resting bool, strong, text string) {
	state, due := r.MySecond(ctx)
	switch state {
	case SecondDue:
		return false, i18n.T(ctx, "identity.second_due"), i18n.T(ctx, "identity.second_due_text", i18n.Short(ctx, due))
	case SecondResting:
		return true, i18n.T(ctx, "identity.second_resting"), i18n.T(ctx, "identity.second_resting_text", roleNames(ctx, restingRoles(requestOf(ctx))))
	}
	return false, "", ""
}

func restingRoles(q request) []Role {
	return slices.DeleteFunc(slices.Clone(q.person.Roles), func(role Role) bool { return !slices.Contains(q.tenant.SecondPolicy.Roles, role) })
}

func secondSay(ctx context.Context, v secondView) string {
	if v.Person.SecondAt.IsZero() {
		return i18n.T(ctx, "identity.second_say_none")
	}
	return i18n.T(ctx, "identity.second_say_has")
}

func rulesSay(ctx context.Context, v rulesView) string {
	switch {
	case len(v.Policy.Roles) == 0:
		return i18n.T(ctx, "identity.rules_free")
	case len(v.Without) == 0:
		return i18n.T(ctx, "identity.rules_fine", roleNames(ctx, v.Policy.Roles))
	}
	return i18n.N(ctx, "identity.rules_without", len(v.Without))
}
