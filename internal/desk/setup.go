package desk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tuermer/internal/inform/statuspage"
	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// The five steps of a first start. Each is a page of its own, may be left and
// taken up again, and is done when it has proved itself: identity keeps the
// proofs, the rooms that are tried give them.

// Names of what the steps make.
const (
	setupRelay = "mailserver"
	setupSlug  = "internetseite"
	// SeenElement is the first path element of the page that is opened from
	// outside, on the public listener.
	SeenElement = "gesehen"
)

// lookTime bounds how long a person waits for the first look of a check.
const lookTime = 25 * time.Second

// trouble is what stood in the way of a proof, in words.
type trouble struct {
	What string // what happened
	Do   string // what to do next
	Said string // the other side's own words, empty: it said nothing
}

// setupStep is one line of the list.
type setupStep struct {
	identity.Proof
	State identity.StepState
	N     int
}

// setupView is the list, and the page of one step.
type setupView struct {
	Steps    []setupStep
	At       setupStep
	Form     *web.Form
	Answer   *web.Form
	Trouble  *trouble
	Findings []identity.Finding
	Done     identity.Step // proven just now
	Declared bool
	Tenant   identity.Tenant
	Me       identity.Person
	// Code and Address are what the public step shows while it waits.
	Code, Address string
	// Link is the invitation that was made just now; Invited who it is for.
	Link, Invited string
	HasMail       bool // a mail server is there already
}

// Open counts what is not proven.
func (v setupView) Open() int { return openSteps(v.Steps) }

func openSteps(steps []setupStep) (n int) {
	for _, s := range steps {
		if s.State != identity.StepProven {
			n++
		}
	}
	return n
}

// Next is the first step that is not proven; empty: all are.
func (v setupView) Next() identity.Step {
	for _, s := range v.Steps {
		if s.State != identity.StepProven {
			return s.Step
		}
	}
	return ""
}

func setupHref(s identity.Step) string { return identity.SetupPath + "/" + string(s) }

func (d *Desk) setupRoutes(s *web.Site) {
	admin := func(h web.Handler) web.Handler { return identity.RequireRole(h, identity.RoleAdmin) }
	s.Handle("GET "+identity.SetupPath, admin(d.pageSetup))
	s.Handle("GET "+identity.SetupPath+"/{step}", admin(d.pageSetupStep))
	s.Handle("POST "+identity.SetupPath+"/{step}", admin(d.postSetupStep))
	s.Handle("POST "+identity.SetupPath+"/{step}/code", admin(d.postSetupCode))
	s.Handle("POST "+identity.SetupPath+"/{step}/later", admin(d.postSetupLater))
}

// setupSteps are the steps with how far they are.
func (d *Desk) setupSteps(ctx context.Context) (steps []setupStep, begun bool, err error) {
	proofs, begun, err := d.o.Identity.Proofs(ctx)
	now := d.o.Clock.Now()
	for i, p := range proofs {
		steps = append(steps, setupStep{p, p.State(now), i + 1})
	}
	return steps, begun, err
}

func mayRead(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has(string(identity.RoleAdmin)) {
		return identity.ErrForbidden
	}
	return nil
}

// setup reads what the list and a step's page show; step may be empty.
func (d *Desk) setup(ctx context.Context, step identity.Step) (v setupView, err error) {
	if err := mayRead(ctx); err != nil {
		return v, err
	}
	v.Form, v.Answer, v.Declared = web.NewForm(nil), web.NewForm(nil), d.declared(ctx)
	if v.Steps, _, err = d.setupSteps(ctx); err != nil {
		return v, err
	}
	if v.Tenant, err = d.o.Identity.Current(ctx); err != nil {
		return v, err
	}
	v.HasMail = slices.ContainsFunc(d.o.Channel.Ways(ctx), liveMail)
	if step == "" {
		return v, nil
	}
	i := slices.IndexFunc(v.Steps, func(s setupStep) bool { return s.Step == step })
	if i < 0 {
		return v, fault.New(fault.NotFound, "identity.setup_no_step")
	}
	v.At = v.Steps[i]
	if v.Me, err = d.o.Identity.Person(ctx, identity.PersonID(ident.ActorOf(ctx).Person)); err != nil {
		return v, err
	}
	switch step {
	case identity.StepMail:
		v.Form, err = d.relayForm(ctx)
	case identity.StepPublic:
		v.Form = web.NewForm(map[string]string{"staff_url": v.Tenant.StaffURL, "public_url": v.Tenant.PublicURL})
		v.Code, err = d.o.Identity.StepCode(ctx, step)
		v.Address = seenAddress(v.Tenant, v.Code)
	case identity.StepSecond:
		v.Form = web.NewForm(map[string]string{"alternative": v.Me.Alternative, "mobile": v.Me.Mobile})
	case identity.StepMonitor:
		v.Form, err = d.siteForm(ctx)
	case identity.StepOther:
		v.Form = web.NewForm(map[string]string{"role": string(identity.RoleApprover)})
		if v.At.Target != "" {
			other, perr := d.o.Identity.Person(ctx, identity.PersonID(v.At.Target))
			if v.Invited = other.Name; perr != nil && fault.KindOf(perr) != fault.NotFound {
				err = perr
			}
		}
	}
	return v, err
}

func liveMail(w channel.WayState) bool { return w.Kind == channel.Mail && w.Realm == channel.Live }

// seenAddress is what a phone opens.
func seenAddress(t identity.Tenant, code string) string {
	if code == "" {
		return ""
	}
	return strings.TrimRight(t.PublicURL, "/") + "/" + SeenElement + "/" + code
}

func (d *Desk) pageSetup(w http.ResponseWriter, r *http.Request) error {
	v, err := d.setup(r.Context(), "")
	if err != nil {
		return err
	}
	return web.Render(w, r, setupPage(v))
}

func (d *Desk) pageSetupStep(w http.ResponseWriter, r *http.Request) error {
	v, err := d.setup(r.Context(), identity.Step(r.PathValue("step")))
	if err != nil {
		return err
	}
	if done := identity.Step(r.URL.Query().Get("done")); slices.ContainsFunc(v.Steps, func(s setupStep) bool {
		return s.Step == done && s.State == identity.StepProven
	}) {
		v.Done = done
	}
	return web.Render(w, r, setupStepPage(v))
}

// onward leads to the next step that is not proven, or to the list.
func (d *Desk) onward(w http.ResponseWriter, r *http.Request, done identity.Step) error {
	steps, _, err := d.setupSteps(r.Context())
	if err != nil {
		return err
	}
	if next := (setupView{Steps: steps}).Next(); next != "" {
		return web.SeeOther(w, r, setupHref(next)+"?done="+string(done))
	}
	return web.SeeOther(w, r, identity.SetupPath)
}

// postSetupStep tries the step: it sends, looks or invites.
func (d *Desk) postSetupStep(w http.ResponseWriter, r *http.Request) error {
	ctx, step := r.Context(), identity.Step(r.PathValue("step"))
	f, err := web.ReadForm(r) // the right was asked for by the route
	if err != nil {
		return err
	}
	var out tried
	switch step {
	case identity.StepMail:
		out, err = d.tryRelay(ctx, relayOf(f), identity.ClientOf(r).Address)
	case identity.StepPublic:
		out, err = d.askPublic(ctx, f.Get("staff_url"), f.Get("public_url"), identity.ClientOf(r).Address)
	case identity.StepSecond:
		out, err = d.trySecond(ctx, f.Get("alternative"), f.Get("mobile"), identity.ClientOf(r).Address)
	case identity.StepMonitor:
		out, err = d.trySite(ctx, f.Get("url"), f.Get("service"))
	case identity.StepOther:
		out, err = d.invite(ctx, identity.Person{
			Name: f.Get("name"), Email: f.Get("email"), Alternative: f.Get("alternative"), Roles: []identity.Role{identity.Role(f.Get("role"))},
		})
	default:
		return fault.New(fault.NotFound, "identity.setup_no_step")
	}
	taken := f.Take(err)
	if err != nil && !taken {
		if fault.KindOf(err) != fault.Conflict {
			return err
		}
		f.Fail("", fault.As(err).Key)
		taken = true
	}
	if out.proven {
		return d.onward(w, r, step)
	}
	v, err := d.setup(ctx, step)
	if err != nil {
		return err
	}
	v.Trouble, v.Findings, v.Link = out.trouble, out.findings, out.link
	status := http.StatusOK
	if taken || out.trouble != nil || len(out.findings) > 0 {
		f.Values.Del("password")
		v.Form, status = f, http.StatusUnprocessableEntity
	} else if out.link == "" {
		return web.SeeOther(w, r, setupHref(step))
	}
	return web.RenderStatus(w, r, status, setupStepPage(v))
}

// postSetupCode takes the code that came by mail.
func (d *Desk) postSetupCode(w http.ResponseWriter, r *http.Request) error {
	ctx, step := r.Context(), identity.Step(r.PathValue("step"))
	if step != identity.StepMail && step != identity.StepSecond {
		return fault.New(fault.NotFound, "identity.setup_no_step")
	}
	f, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	err = d.o.Identity.AnswerStep(ctx, step, f.Get("code"))
	if err == nil {
		return d.onward(w, r, step)
	}
	if !f.Take(err) {
		if fault.KindOf(err) != fault.Conflict {
			return err
		}
		f.Fail("code", fault.As(err).Key)
	}
	v, err := d.setup(ctx, step)
	if err != nil {
		return err
	}
	v.Answer = f
	return web.RenderStatus(w, r, http.StatusUnprocessableEntity, setupStepPage(v))
}

func (d *Desk) postSetupLater(w http.ResponseWriter, r *http.Request) error {
	if err := d.o.Identity.PutOff(r.Context(), identity.Step(r.PathValue("step"))); err != nil {
		return err
	}
	return web.SeeOther(w, r, identity.SetupPath)
}

// tried is what came of trying a step.
type tried struct {
	proven   bool
	trouble  *trouble
	findings []identity.Finding
	link     string
}

// ---- 1 mail ----

func (d *Desk) relayForm(ctx context.Context) (*web.Form, error) {
	relays, err := d.o.Channel.Relays(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range relays {
		if m.Name == setupRelay {
			return web.NewForm(map[string]string{
				"host": m.Host, "port": strconv.Itoa(m.Port), "from": m.From, "username": m.Username, "tls": m.TLS,
			}), nil
		}
	}
	return web.NewForm(map[string]string{"port": "587", "tls": "starttls"}), nil
}

func relayOf(f *web.Form) channel.Relay {
	port, err := strconv.Atoi(f.Get("port"))
	if err != nil {
		port = 0 // refused in words
	}
	return channel.Relay{
		Name: setupRelay, Host: f.Get("host"), Port: port, From: f.Get("from"), Username: f.Get("username"), TLS: f.Get("tls"),
		Password: []byte(f.Values.Get("password")),
	}
}

// tryRelay keeps the mail server and sends a code over it to whoever asks, now.
// Without a host it takes the first server that is there already.
func (d *Desk) tryRelay(ctx context.Context, m channel.Relay, from string) (tried, error) {
	if err := mayRead(ctx); err != nil {
		return tried{}, err
	}
	me, err := d.o.Identity.Person(ctx, identity.PersonID(ident.ActorOf(ctx).Person))
	if err != nil {
		return tried{}, err
	}
	route, place := setupRelay, net.JoinHostPort(m.Host, strconv.Itoa(m.Port))
	if m.Host == "" {
		ways := d.o.Channel.Ways(ctx)
		i := slices.IndexFunc(ways, liveMail)
		if i < 0 {
			return tried{}, fault.New(fault.Invalid, "channel.relay_invalid").Field("host", "channel.relay_host")
		}
		route, place = ways[i].Name, ways[i].Name
	} else {
		if m.From == "" {
			m.From = me.Email
		}
		old, err := d.relayForm(ctx)
		if err != nil {
			return tried{}, err
		}
		// A stored password goes to the server that it was entered for.
		if m.Username != "" && len(m.Password) == 0 && !strings.EqualFold(old.Get("host"), m.Host) {
			return tried{}, fault.New(fault.Invalid, "channel.relay_invalid").Field("password", "desk.setup_password_again")
		}
		if err := d.o.Channel.SaveRelay(ctx, m); err != nil {
			return tried{}, err
		}
	}
	return d.mailCode(ctx, identity.StepMail, route, place, me, me.Email, from)
}

// mailCode sends the code of a step over one route, past the outbox, so that the
// answer of the other side is known at once.
func (d *Desk) mailCode(ctx context.Context, step identity.Step, route, place string, me identity.Person, to, from string) (tried, error) {
	code, err := d.o.Identity.AskStep(ctx, step, to, from)
	if err != nil {
		return tried{}, err
	}
	t, err := d.o.Identity.Current(ctx)
	if err != nil {
		return tried{}, err
	}
	now := d.o.Clock.Now()
	_, err = d.o.Channel.Try(ctx, route, channel.Message{
		ID: "setup-" + ident.NewID(now), Kind: channel.Mail, Class: channel.Single, Realm: channel.Live, To: to, ToName: me.Name,
		Subject: i18n.T(ctx, "desk.setup_mail_subject", t.Name, code), Text: i18n.T(ctx, "desk.setup_mail_"+string(step), me.Name, t.Name, code),
		Language: string(i18n.Of(ctx).Lang), Automatic: true, Date: now,
	})
	if err == nil {
		return tried{}, nil
	}
	return tried{trouble: mailTrouble(ctx, place, err)}, d.o.Identity.TakeBack(ctx, step)
}

// smtpReply finds what the mail server answered in the error of an adapter.
var smtpReply = regexp.MustCompile(`\b([45]\d\d) .*$`)

// mailTrouble says in words why a mail was not taken, with the server's own.
func mailTrouble(ctx context.Context, place string, err error) *trouble {
	f := channel.AsFailure(err)
	t := &trouble{What: i18n.T(ctx, "desk.setup_smtp_other", place), Do: i18n.T(ctx, "desk.setup_smtp_other_do")}
	if m := smtpReply.FindStringSubmatch(err.Error()); m != nil && f.Reason != "connect" && f.Reason != "tls" {
		t.Said = m[0]
	}
	kind := f.Reason
	if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsTimeout {
		kind = "name"
	}
	_, name := errors.AsType[x509.HostnameError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, clear := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case name || authority || certificate:
		kind = "certificate"
	case clear:
		kind = "clear"
	case errors.Is(err, syscall.ECONNREFUSED):
		kind = "refused"
	case strings.HasPrefix(t.Said, "550 5.7") || strings.HasPrefix(t.Said, "553") || strings.HasPrefix(t.Said, "554 5.7"):
		kind = "relaying"
	}
	if i18n.Of(ctx).Catalog.Has("desk.setup_smtp_" + kind) {
		t.What, t.Do = i18n.T(ctx, "desk.setup_smtp_"+kind, place), i18n.T(ctx, "desk.setup_smtp_"+kind+"_do")
	}
	if t.Said == "" && kind != "name" && kind != "refused" && kind != "timeout" {
		t.Said = err.Error()
	}
	return t
}

// ---- 2 public page ----

// askPublic keeps the addresses and makes the code that a phone shows.
func (d *Desk) askPublic(ctx context.Context, staff, public, from string) (tried, error) {
	if err := mayRead(ctx); err != nil {
		return tried{}, err
	}
	t, err := d.o.Identity.Current(ctx)
	if err != nil {
		return tried{}, err
	}
	changed := strings.TrimRight(staff, "/") != t.StaffURL || strings.TrimRight(public, "/") != t.PublicURL
	if changed && !d.declared(ctx) {
		if err := d.o.Identity.SetAddresses(ctx, staff, public); err != nil {
			return tried{}, err
		}
		t.PublicURL = public
	}
	_, err = d.o.Identity.AskStep(ctx, identity.StepPublic, strings.TrimRight(t.PublicURL, "/"), from)
	return tried{}, err
}

// Seen is the page on the public listener that proves the second step.
func (d *Desk) Seen() statuspage.Guest { return seen{d} }

type seen struct{ d *Desk }

// Answer implements statuspage.Guest. A GET changes nothing.
func (s seen) Answer(ctx context.Context, req *http.Request) (statuspage.GuestPage, error) {
	title := i18n.T(ctx, "desk.seen_title")
	_, code, _ := strings.Cut(req.URL.Path, SeenElement+"/")
	if code == "danke" {
		return statuspage.GuestPage{Title: title, Body: seenThanks()}, nil
	}
	if len(code) > 12 {
		code = ""
	}
	if req.Method != http.MethodPost {
		return statuspage.GuestPage{Title: title, Body: seenPage(code, "")}, nil
	}
	if err := req.ParseForm(); err != nil {
		return statuspage.GuestPage{}, fault.New(fault.Invalid, "web.bad_form").With(err)
	}
	_, err := s.d.o.Identity.SeePublic(ctx, req.PostForm.Get("code"), identity.ClientOf(req).Address)
	if err != nil {
		f := fault.As(err)
		if f.Kind != fault.Invalid && f.Kind != fault.Conflict {
			return statuspage.GuestPage{}, err
		}
		key := f.Key
		if k := f.Fields["code"]; k != "" {
			key = k
		}
		return statuspage.GuestPage{Status: http.StatusUnprocessableEntity, Title: title, Body: seenPage(code, i18n.T(ctx, key))}, nil
	}
	head, _, _ := strings.Cut(req.URL.Path, SeenElement)
	return statuspage.GuestPage{To: head + SeenElement + "/danke"}, nil
}

// ---- 3 second address ----

// trySecond keeps the second address when DNS says that it shares nothing with
// the town, and sends a code there.
func (d *Desk) trySecond(ctx context.Context, alternative, mobile, from string) (tried, error) {
	if err := mayRead(ctx); err != nil {
		return tried{}, err
	}
	me, err := d.o.Identity.Person(ctx, identity.PersonID(ident.ActorOf(ctx).Person))
	if err != nil {
		return tried{}, err
	}
	address, ok := identity.Address(alternative)
	if !ok {
		return tried{}, fault.New(fault.Invalid, "identity.person_invalid").Field("alternative", "identity.email_invalid")
	}
	findings, err := d.o.Identity.LookAtAlternative(ctx, me, address)
	if err != nil || len(findings) > 0 {
		return tried{findings: findings}, err
	}
	if me, err = d.o.Identity.SaveOwn(ctx, identity.Own{Language: me.Language, Alternative: address, Mobile: mobile}); err != nil {
		return tried{}, err
	}
	ways := d.o.Channel.Ways(ctx)
	i := slices.IndexFunc(ways, liveMail)
	if i < 0 {
		return tried{}, fault.New(fault.Conflict, "desk.setup_mail_first")
	}
	return d.mailCode(ctx, identity.StepSecond, ways[i].Name, ways[i].Name, me, address, from)
}

// ---- 4 first check ----

func (d *Desk) siteForm(ctx context.Context) (*web.Form, error) {
	f := map[string]string{"url": "https://", "service": i18n.T(ctx, "desk.setup_site")}
	m, err := d.o.Monitor.Get(ctx, setupSlug)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	if err == nil {
		f["url"] = m.Spec.URL
	}
	s, err := d.o.Service.Get(ctx, setupSlug)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	if err == nil {
		f["service"] = s.Name
	}
	return web.NewForm(f), nil
}

// trySite watches the town's website from now on, and looks at once.
func (d *Desk) trySite(ctx context.Context, url, name string) (tried, error) {
	if err := mayRead(ctx); err != nil {
		return tried{}, err
	}
	if _, err := d.o.Service.Get(ctx, setupSlug); fault.KindOf(err) == fault.NotFound && err != nil {
		me, err := d.o.Identity.Person(ctx, identity.PersonID(ident.ActorOf(ctx).Person))
		if err != nil {
			return tried{}, err
		}
		s := service.Service{Slug: setupSlug, Name: name, Public: true, Owner: me.Email, AutoPublic: service.Checking}
		if name == "" || name == i18n.T(ctx, "desk.setup_site") {
			s.Name, s.Article, s.NameEN = "Internetseite", "die", "website"
		}
		if err := d.o.Service.Save(ctx, s); err != nil {
			return tried{}, err
		}
	} else if err != nil {
		return tried{}, err
	}
	m := monitor.Monitor{Slug: setupSlug, Service: setupSlug, Spec: monitor.Spec{Kind: monitor.HTTP, URL: url}}
	if err := d.o.Monitor.Save(ctx, m); err != nil {
		return tried{}, err
	}
	wait, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	m, res, err := d.o.Monitor.Look(wait, setupSlug)
	switch {
	case err != nil:
		return tried{}, err
	case res.At.IsZero():
		return tried{trouble: &trouble{What: i18n.T(ctx, "desk.setup_no_look"), Do: i18n.T(ctx, "desk.setup_no_look_do")}}, nil
	case !res.OK || m.Status.State != monitor.Up:
		return tried{trouble: &trouble{
			What: i18n.T(ctx, "desk.setup_not_green", monitor.Explain(i18n.Of(ctx), m.Spec, res)),
			Do:   i18n.T(ctx, "desk.setup_not_green_do"), Said: res.Detail,
		}}, nil
	}
	return tried{proven: true}, d.o.Identity.ProveStep(ctx, identity.StepMonitor, setupSlug)
}

// ---- 5 somebody else ----

func (d *Desk) invite(ctx context.Context, p identity.Person) (tried, error) {
	if err := mayRead(ctx); err != nil {
		return tried{}, err
	}
	_, link, err := d.o.Identity.Invite(ctx, p)
	return tried{link: link}, err
}
