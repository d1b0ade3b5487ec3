package app

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/onsite"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/inform/editorial"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/learn/exercise"
	"tuermer/internal/learn/review"
	"tuermer/internal/notice/intake"
	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/chain"
	"tuermer/internal/raise/roster"
	"tuermer/internal/raise/trial"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/contact"
	"tuermer/internal/town/deletion"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// testTown is one of two towns on one install, with one of everything.
type testTown struct {
	id       ident.Tenant
	host     string
	mark     string // stands in every text of the town and nowhere else
	people   map[identity.Role]identity.Person
	cookies  map[identity.Role]string
	tokens   map[identity.Role]string
	signIn   string // a fresh one-time link's token
	confirm  string // an address confirmation's token
	token    string // id of an API token
	service  string
	audience string
	monitor  string
	pingKey  string
	inKey    string // secret of a source's address
	alert    string
	incident string
	fact     string
	draft    string
	waiting  string // submitted
	said     string // published
	post     string // planned for a network
	clock    string // legal, running
	drill    string // exercise, running
	improve  string // to do
	seat     string // in the crisis staff
	decided  string // by it
	promise  string // what the town has promised
	prepared string // a text of its own
	outbox   string
	ackLink  string // tokens of links that stand in mails
	approve  string
	signoff  string // id of a sign-off
	contact  string // id in the plan's register
	text     string // id of a holding statement
	link     string // id of a secret link, and its secret
	secret   string
	sealed   string // id of a sealed access
	chain    string // slug of an escalation chain
	silence  string
	roster   string
	day      string // id of a holiday of its own
	override string // in the roster
	callout  string // of the administrator
	swap     string // asked there
	feed     string // id of a calendar link there, and its secret
	imported string // id of a calendar that was taken into it
	feedKey  string
	dutyHook string // id of a messenger command
	account  string // in a network, of the register
	trial    string // a test alarm, and the secret of a link in it
	tried    string
	asked    string // secret of a question whether a way reaches somebody
	peer     string // id of another install, invited to a mutual watch
	hold     string // keeps data from being deleted
	seen     string // a report from the spot, with a photo
	shown    string // a document that was checked
}

// install is a product with two towns; nothing moves by itself in it.
type install struct {
	t     *testing.T
	app   *App
	site  http.Handler
	dir   string
	towns [2]*testTown
	doc   apiDoc
}

func newInstall(t *testing.T) *install {
	t.Helper()
	in := &install{t: t, dir: t.TempDir()}
	ctx := context.Background()
	a, err := New(ctx, Options{Dir: in.dir, Simulated: true, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	in.app, in.site = a, a.staff.Handler()
	if err := a.jobs.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"adorf", "bestadt"} {
		in.towns[i] = in.settle(ctx, name)
	}
	if err := a.jobs.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	return in
}

// settle fills one town through the rooms' own doors.
func (in *install) settle(ctx context.Context, slug string) *testTown {
	in.t.Helper()
	a := in.app
	w := &testTown{
		host: "lage." + slug + ".example", mark: "geheim" + slug, people: map[identity.Role]identity.Person{},
		cookies: map[identity.Role]string{}, tokens: map[identity.Role]string{},
		service: "dienst-" + slug, audience: "kreis-" + slug, monitor: "probe-" + slug,
	}
	must := func(err error) {
		in.t.Helper()
		if err != nil {
			in.t.Fatalf("%s: %v", slug, err)
		}
	}
	ctx = ident.WithActor(ctx, ident.System)
	must(a.identity.SaveTenant(ctx, identity.Tenant{
		Slug: slug, Name: "Stadt " + w.mark, Hosts: []string{w.host}, Domains: []string{slug + ".example"},
		StaffURL: "http://" + w.host, PublicURL: "http://status." + slug + ".example",
	}))
	home, err := a.identity.TenantByHost(ctx, w.host)
	must(err)
	w.id = home.ID
	ctx = ident.WithTenant(ctx, w.id)
	for _, role := range identity.Roles() {
		p, err := a.identity.SavePerson(ctx, identity.Person{
			Name: w.mark + " " + string(role), Email: string(role) + "@" + slug + ".example",
			Alternative: string(role) + "." + w.mark + "@post.example", Roles: []identity.Role{role},
		})
		must(err)
		w.people[role] = p
		link, err := a.identity.SignInLink(ctx, p.ID, time.Hour)
		must(err)
		s, err := a.identity.UseLink(ctx, link[strings.LastIndex(link, "/")+1:], identity.Client{})
		must(err)
		w.cookies[role] = s.Token
		own := ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name, Roles: []string{string(role)}})
		secret, made, err := a.identity.CreateToken(own, p.ID, w.mark, nil)
		must(err)
		w.tokens[role], w.token = secret, made.ID
	}
	as := func(role identity.Role) context.Context {
		p := w.people[role]
		return ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name, Roles: []string{string(role)}})
	}
	admin := as(identity.RoleAdmin)
	_, sealed, err := a.identity.SealAccess(admin, "", "Tresor "+w.mark)
	must(err)
	w.sealed = sealed.ID
	held, err := a.deletion.Hold(admin, deletion.Hold{From: "2026-01-01", Reason: "Sperre " + w.mark})
	must(err)
	w.hold = held.ID
	_, err = a.pulse.Invite(admin, "Nachbar "+w.mark)
	must(err)
	watch, err := a.pulse.Overview(admin)
	must(err)
	w.peer = watch.Peers[0].ID
	link, err := a.identity.SignInLink(ctx, w.people[identity.RoleReader].ID, time.Hour)
	must(err)
	w.signIn = link[strings.LastIndex(link, "/")+1:]
	link, err = a.identity.AskConfirm(admin, w.people[identity.RoleIT].ID)
	must(err)
	w.confirm = link[strings.LastIndex(link, "/")+1:]

	_, err = a.contact.Ask(admin)
	must(err)
	letters, err := a.channel.List(ctx, channel.Filter{Limit: 1000})
	must(err)
	for _, l := range letters {
		if _, rest, ok := strings.Cut(l.Text, "/ct/"); ok {
			w.asked, _, _ = strings.Cut(rest, "\n")
		}
	}
	w.contact, w.text = "kontakt-"+slug, "text-"+slug
	_, err = a.plan.Edit(admin, plan.Whole, -1, func(d *plan.Document) error {
		d.Contacts = []plan.Contact{{ID: w.contact, Kind: plan.Police, Name: "Wache " + w.mark, Phone: "0611 110"}}
		d.Holding = []plan.HoldingText{{ID: w.text, Title: "Kurz " + w.mark, Text: "Wir prüfen, " + w.mark}}
		return nil
	})
	must(err)
	signed, err := a.plan.SignOff(admin, plan.SignOff{Version: 1, Name: "Chefin " + w.mark, Function: "Bürgermeisterin", Day: a.o.Clock.Now().UTC().Format(time.DateOnly)})
	must(err)
	w.signoff = signed.ID
	shown, secret, err := a.plan.CreateLink(admin, plan.PhonePage, "Zentrale "+w.mark)
	must(err)
	w.link, w.secret = shown.ID, secret
	must(a.plan.Save(admin, plan.Audience{Slug: w.audience, Kind: plan.Citizens, Name: "Leute " + w.mark, Recipients: []string{"liste." + w.mark + "@post.example"}}))
	must(a.service.Save(admin, service.Service{
		Slug: w.service, Name: "Amt " + w.mark, Article: "das", Public: true, Owner: w.people[identity.RoleIT].Email,
		Workaround: service.Workaround{Text: "Umweg " + w.mark}, Audiences: []string{w.audience},
	}))
	must(a.monitor.Save(admin, monitor.Monitor{
		Slug: w.monitor, Name: "Probe " + w.mark, Service: w.service,
		Spec: monitor.Spec{Kind: monitor.Heartbeat, Interval: monitor.Duration(time.Hour), Grace: monitor.Duration(time.Hour)},
	}))
	hush, err := a.alert.Silence(admin, alert.Silence{Match: alert.Match{Monitor: "gibt-es-nicht"}, Until: time.Now().Add(time.Hour), Reason: "Umbau " + w.mark})
	must(err)
	w.silence = string(hush.ID)
	w.chain = "kette-" + slug
	must(a.chain.Save(admin, chain.Chain{Slug: w.chain, Name: "Kette " + w.mark, Services: []string{w.service}, Steps: []chain.Step{
		{Notify: []chain.Who{chain.Who("person:" + w.people[identity.RoleIT].Email)}},
	}}))
	listed, err := a.contact.KeepAccount(admin, contact.RegisteredAccount{Network: "Mastodon", Name: "@" + w.mark, Recovery: "konto." + w.mark + "@post.example"})
	must(err)
	w.account = listed.ID
	tried, err := a.trial.Begin(admin, trial.ChainTarget(w.chain))
	must(err)
	w.trial = string(tried.ID)
	letters, err = a.channel.List(ctx, channel.Filter{Limit: 1000})
	must(err)
	for _, l := range letters {
		if _, rest, ok := strings.Cut(l.Text, "/pr/"); ok {
			w.tried, _, _ = strings.Cut(rest, "\n")
		}
	}
	m, err := a.monitor.Get(admin, w.monitor)
	must(err)
	w.pingKey = m.PingKey
	at, err := a.intake.Add(admin, intake.Source{Name: "prtg-" + w.mark, Title: "PRTG " + w.mark, Format: intake.PRTG, Rhythm: time.Hour})
	must(err)
	w.inKey = strings.Split(at[strings.Index(at, "/in/"):], "/")[2]
	w.roster = "plan-" + slug
	roster1, roster2 := w.people[identity.RoleAdmin].Email, w.people[identity.RoleIT].Email
	must(a.roster.Save(admin, roster.Roster{Slug: w.roster, Name: "Dienst " + w.mark, Plan: roster.Plan{
		Template: roster.Always, Lines: [][]string{{roster1, roster2}}, Every: 1, Start: roster.DateIn(a.o.Clock.Now(), time.UTC),
	}}, true))
	own, err := a.roster.AddDay(admin, roster.Day{Name: "Fest " + w.mark, Rule: "08-08"})
	must(err)
	w.day = own.ID
	later := a.o.Clock.Now().Add(48 * time.Hour)
	over, err := a.roster.Cover(admin, roster.Override{Roster: w.roster, From: later, To: later.Add(time.Hour), Person: roster2, Note: "Vertritt " + w.mark})
	must(err)
	w.override = over.ID
	began := a.o.Clock.Now().Add(-3 * time.Hour)
	out, err := a.roster.AddCallout(admin, roster.Callout{Begin: began, End: began.Add(time.Hour), Note: "Einsatz " + w.mark})
	must(err)
	w.callout = out.ID
	today := roster.DateIn(a.o.Clock.Now(), time.UTC)
	_, shifts, err := a.roster.Show(admin, w.roster, today.Add(3), today.Add(9))
	must(err)
	for _, s := range roster.ShiftBodies(shifts) {
		if s.Person == roster1 && w.swap == "" && s.From.After(later.Add(48*time.Hour)) {
			asked, err := a.roster.AskSwap(admin, w.roster, s.Key, "", roster2, "Bitte "+w.mark)
			must(err)
			w.swap = asked.ID
		}
	}
	entry := func(mail string, at time.Time) string {
		form := "20060102T150405Z"
		return "BEGIN:VEVENT\nUID:" + w.mark + mail + "\nATTENDEE:mailto:" + mail + "\nDTSTART:" + at.UTC().Format(form) + "\nDTEND:" + at.Add(time.Hour).UTC().Format(form) + "\nEND:VEVENT\n"
	}
	taken, err := a.roster.Take(admin, w.roster, []byte("BEGIN:VCALENDAR\n"+entry(roster1, later.Add(96*time.Hour))+entry(roster2, later.Add(97*time.Hour))+"END:VCALENDAR\n"), 0, "")
	must(err)
	w.imported = taken.ID // one of both is not whose turn it is
	feed, feedURL, err := a.roster.MakeFeed(admin, w.roster, "Kalender "+w.mark, false)
	must(err)
	dutyHook, _, err := a.roster.MakeHook(admin, channel.Mattermost, "Chat "+w.mark, "token-"+w.mark)
	must(err)
	w.dutyHook = dutyHook.ID
	w.feed, w.feedKey = feed.ID, feedURL[strings.LastIndex(feedURL, "/")+1:]
	must(a.channel.SaveRelay(admin, channel.Relay{
		Name: "weg-" + w.mark, Host: "mail." + w.mark + ".example", Port: 25, From: "lage@" + slug + ".example",
		Username: "u", Password: []byte("passwort-" + w.mark),
	}))
	must(a.channel.SaveHook(admin, channel.Hook{Name: "haken-" + w.mark, URL: "http://haken." + w.mark + ".example/", Secret: []byte("siegel-" + w.mark)}))

	_, err = a.signal.Record(ctx, signal.Signal{
		Source: "test", Key: "monitor:" + w.monitor, Episode: "1", State: signal.Firing, Service: w.service, Severity: signal.Critical,
		Title: "Ausfall " + w.mark, Detail: "Gesehen " + w.mark, Since: a.o.Clock.Now(),
	})
	must(err)
	in.until(func() bool {
		list, err := a.alert.List(admin, alert.Filter{})
		must(err)
		if len(list) == 0 {
			return false
		}
		w.alert = string(list[0].ID)
		told, err := a.alert.Notified(admin, list[0].ID)
		must(err)
		return len(told) > 0
	})
	inc, err := a.incident.Open(as(identity.RoleIT), incident.OpenRequest{Title: "Vorfall " + w.mark, Services: []string{w.service}, Alerts: []string{w.alert}, Confirmed: true})
	must(err)
	w.incident = string(inc.ID)
	f, err := a.incident.AddFact(as(identity.RoleIT), inc.ID, incident.Fact{Text: "Fakt " + w.mark, Certainty: incident.FactConfirmed})
	must(err)
	w.fact = string(f.ID)
	must(a.incident.Note(as(identity.RoleIT), inc.ID, "Notiz "+w.mark))
	write := func(draft bool) string {
		s, err := a.publish.CreateAndSubmit(as(identity.RolePublisher), inc.ID, publish.Content{
			Kind: template.Holding, Audiences: []string{w.audience}, Facts: template.Facts{},
		}, "", draft)
		must(err)
		return string(s.ID)
	}
	w.said = write(false)
	_, err = a.publish.Approve(as(identity.RoleApprover), publish.ID(w.said), publish.Consent{})
	must(err)
	w.waiting, w.draft = write(false), write(true)
	post, err := a.editorial.Create(as(identity.RolePublisher), editorial.Post{Text: "Beitrag " + w.mark, Due: a.o.Clock.Now().Add(time.Hour)})
	must(err)
	w.post = string(post.ID)
	approver := as(identity.RoleApprover)
	must(a.incident.SetLevel(approver, inc.ID, incident.Crisis))
	seat, err := a.board.Fill(approver, inc.ID, staff.Place{Function: plan.S2, Name: "Sitz " + w.mark})
	must(err)
	decided, err := a.board.Decide(approver, inc.ID, staff.Decision{
		Situation: "Lage " + w.mark, Options: "Wege " + w.mark, Decision: "Beschluss " + w.mark, Checker: "Blick " + w.mark, CheckBy: a.o.Clock.Now().Add(time.Hour),
	})
	must(err)
	w.seat, w.decided = string(seat.ID), string(decided.ID)
	must(a.incident.SetLevel(approver, inc.ID, incident.Disruption))
	clock, err := a.review.StartClock(as(identity.RoleIT), inc.ID, "de.dsgvo33", time.Time{})
	must(err)
	w.clock = string(clock.ID)
	improve, err := a.review.AddImprovement(as(identity.RoleIT), review.Improvement{Incident: inc.ID, Text: "Besser " + w.mark, Owner: w.people[identity.RoleIT].Email, Due: "2026-12-24"})
	must(err)
	w.improve = improve.ID
	drill, err := a.exercise.Begin(as(identity.RoleIT), exercise.Drill, "ransomware")
	must(err)
	w.drill = string(drill.ID)
	report, err := a.onsite.Report(as(identity.RoleIT), onsite.Draft{Incident: inc.ID, Text: "Gesehen " + w.mark, Photo: dot(in.t)})
	must(err)
	w.seen = string(report.ID)
	must(a.onsite.AllowCopies(as(identity.RoleAdmin), true, "Grund "+w.mark))
	check, err := a.onsite.Check(as(identity.RoleIT), onsite.Showing{
		Incident: inc.ID, Held: onsite.Held{Name: "Erika " + w.mark, Document: "card"}, Purpose: "access", Outcome: "matches", Copy: dot(in.t), Consent: true,
	})
	must(err)
	w.shown = string(check.ID)
	promise, err := a.incident.Commit(as(identity.RoleIT), inc.ID, incident.Commitment{Text: "Zusage " + w.mark, Due: a.o.Clock.Now().Add(time.Hour)})
	must(err)
	w.promise = string(promise.ID)
	prepared, err := a.template.Write(as(identity.RolePublisher), template.Entry{
		Kind: template.First, Audience: template.Staff, Format: template.SMS, Language: template.DE, Scenario: template.Scenario(slug + "-eigen"), Body: "Vorlage " + w.mark,
	})
	must(err)
	w.prepared = prepared.ID
	items, err := a.channel.List(admin, channel.Filter{Limit: 1000})
	must(err)
	for _, item := range items {
		w.outbox = item.ID
		if _, rest, ok := strings.Cut(item.Text, w.host+"/a/"); ok {
			w.ackLink = strings.Fields(rest)[0]
		}
		if _, rest, ok := strings.Cut(item.Text, w.host+"/p/"); ok {
			w.approve = strings.Fields(rest)[0]
		}
	}
	if w.ackLink == "" || w.approve == "" || w.outbox == "" {
		in.t.Fatalf("%s: links of mails are missing: %q %q in %d: %+v", slug, w.ackLink, w.approve, len(items), items)
	}
	return w
}

// dot is the smallest photo.
func dot(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// limited makes a token of the person with that role for one scope.
func (in *install) limited(w *testTown, role identity.Role, scope string) string {
	in.t.Helper()
	p := w.people[role]
	ctx := ident.WithActor(ident.WithTenant(context.Background(), w.id), ident.Actor{
		Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name, Roles: []string{string(role)},
	})
	secret, _, err := in.app.identity.CreateToken(ctx, p.ID, "nur "+scope, []string{scope})
	if err != nil {
		in.t.Fatal(err)
	}
	return secret
}

// until waits for what the job queue does beside the test.
func (in *install) until(done func() bool) {
	in.t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-limit.C:
			in.t.Fatal("waited in vain")
		case <-tick.C:
		}
	}
}

// rows is everything stored of a town, to see that nothing has changed. Columns
// that only say when somebody was last seen are left out.
func (in *install) rows(tenant ident.Tenant) map[string]string {
	in.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(in.dir, store.File)+"?_pragma=query_only(1)")
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	names := in.column(db, `SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type='table' AND p.name='tenant_id' ORDER BY 1`)
	out := map[string]string{}
	for _, name := range names {
		cols := slices.DeleteFunc(in.column(db, `SELECT name FROM pragma_table_info('`+name+`')`), func(c string) bool {
			return c == "seen_at" || (c == "used_at" && name == "identity_token")
		})
		lines := in.column(db, `SELECT quote("`+strings.Join(cols, `") || ',' || quote("`)+`") FROM `+name+` WHERE tenant_id = '`+string(tenant)+`'`)
		sort.Strings(lines)
		out[name] = strings.Join(lines, "\n")
	}
	return out
}

func (in *install) column(db *sql.DB, query string) []string {
	in.t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		in.t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			in.t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		in.t.Fatal(err)
	}
	return out
}

// caller is somebody who asks: by cookie, by token, or nobody.
type caller struct {
	host   string
	cookie string
	token  string
}

func (w *testTown) by(role identity.Role) caller {
	return caller{host: w.host, cookie: w.cookies[role]}
}

func (w *testTown) script(role identity.Role) caller {
	return caller{host: w.host, token: w.tokens[role]}
}

// ask sends one request straight to the site.
func (in *install) ask(c caller, method, path string, body any) (int, http.Header, string) {
	in.t.Helper()
	var raw io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case url.Values:
		raw, kind = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			in.t.Fatal(err)
		}
		raw, kind = bytes.NewReader(text), "application/json"
	}
	// /live answers until its reader goes.
	limit := time.Minute
	if path == "/live" {
		limit = 50 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(in.t.Context(), limit)
	defer cancel()
	req := httptest.NewRequest(method, "http://"+c.host+path, raw).WithContext(ctx)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.cookie != "" {
		req.AddCookie(&http.Cookie{Name: "tuermer_session", Value: c.cookie})
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	rec := httptest.NewRecorder()
	in.site.ServeHTTP(rec, req)
	return rec.Code, rec.Header(), rec.Body.String()
}

// call is one operation of the API or one page, as a pattern.
type call struct {
	method, pattern string
	api             bool
}

func (c call) String() string { return c.method + " " + c.pattern }

// calls are all pages and operations of the staff site.
func (in *install) calls() []call {
	in.t.Helper()
	var out []call
	for _, p := range in.app.staff.Patterns() {
		method, path, _ := strings.Cut(p, " ")
		out = append(out, call{method: method, pattern: path})
	}
	for path, methods := range in.described().Paths {
		for m := range methods {
			out = append(out, call{method: strings.ToUpper(m), pattern: path, api: true})
		}
	}
	slices.SortFunc(out, func(a, b call) int { return strings.Compare(a.pattern+a.method, b.pattern+b.method) })
	return out
}

// fill puts the town's own ids into a pattern; more than one answer where
// several nouns fit.
func (w *testTown) fill(in *install, c call) []string {
	p := strings.TrimSuffix(c.pattern, "{$}")
	if !strings.Contains(p, "{") {
		return []string{p}
	}
	base := strings.TrimPrefix(p, "/api/v1")
	var ids []string
	switch {
	case strings.HasPrefix(base, "/chain"):
		ids = []string{w.chain}
	case strings.HasPrefix(base, "/alert/silence"), strings.HasPrefix(base, "/silences"):
		ids = []string{w.silence}
	case strings.HasPrefix(base, "/alert"):
		ids = []string{w.alert}
	case strings.HasPrefix(base, "/channel/outbox"), strings.HasPrefix(base, "/outbox"):
		ids = []string{w.outbox}
	case strings.HasPrefix(base, "/reach/devices"), strings.HasPrefix(base, "/channel/push/"):
		ids = []string{"gibt-es-nicht"} // device_test.go and push_test.go try another's
	case strings.HasPrefix(base, "/reach/messenger"):
		ids = []string{"gibt-es-nicht"} // hook_test.go tries another's
	case strings.HasPrefix(base, "/roster/messenger"), strings.HasPrefix(base, "/duty/hooks"):
		ids = []string{w.dutyHook}
	case strings.HasPrefix(base, "/relays"), strings.HasPrefix(base, "/webhooks"):
		ids = []string{"gibt-es-nicht"} // named by whoever enters them
	case strings.HasPrefix(base, "/identity/people"), strings.HasPrefix(base, "/people"):
		ids = []string{string(w.people[identity.RoleApprover].ID)}
	case strings.HasPrefix(base, "/identity/tokens"), strings.HasPrefix(base, "/tokens"):
		ids = []string{w.token}
	case strings.HasPrefix(base, "/identity/sealed"), strings.HasPrefix(base, "/sealed-accesses"):
		ids = []string{w.sealed}
	case strings.HasPrefix(base, "/identity/link"):
		ids = []string{w.signIn}
	case strings.HasPrefix(base, "/identity/confirm"):
		ids = []string{w.confirm}
	case strings.HasPrefix(base, "/identity/begin"), strings.HasPrefix(base, "/setup"):
		ids = []string{"gibt-es-nicht"}
	case strings.HasPrefix(base, "/onsite"):
		ids = []string{w.seen}
	case strings.HasPrefix(base, "/identity-checks"):
		ids = []string{w.shown}
	case strings.HasPrefix(base, "/incident"):
		ids = []string{w.incident}
	case strings.HasPrefix(base, "/publish"), strings.HasPrefix(base, "/statements"):
		ids = []string{w.draft, w.waiting, w.said}
	case strings.HasPrefix(base, "/exercise"):
		ids = []string{w.drill}
	case strings.HasPrefix(base, "/sonde"), strings.HasPrefix(base, "/source"), strings.HasPrefix(base, "/pulse/accept"), strings.HasPrefix(base, "/pulse/state"):
		ids = []string{"gibt-es-nicht"}
	case strings.HasPrefix(base, "/pulse"):
		ids = []string{w.peer}
	case strings.HasPrefix(base, "/contact/accounts"):
		ids = []string{w.account}
	case strings.HasPrefix(base, "/trial"):
		ids = []string{w.trial}
	case strings.HasPrefix(base, "/pr/"):
		ids = []string{w.tried}
	case strings.HasPrefix(base, "/ct/"):
		ids = []string{w.asked}
	case strings.HasPrefix(base, "/rd/"):
		ids = []string{w.feedKey}
	case strings.HasPrefix(base, "/roster/callouts"), strings.HasPrefix(base, "/duty/callouts"):
		ids = []string{w.callout}
	case strings.HasPrefix(base, "/roster/holidays"), strings.HasPrefix(base, "/holidays"):
		ids = []string{w.day}
	case strings.HasPrefix(base, "/roster"):
		switch {
		case strings.Contains(base, "/swaps/"):
			p = strings.Replace(p, "{id}", w.swap, 1)
		case strings.Contains(base, "/feeds/"):
			p = strings.Replace(p, "{id}", w.feed, 1)
		case strings.Contains(base, "/imports/"):
			p = strings.Replace(p, "{id}", w.imported, 1)
		default:
			p = strings.Replace(p, "{id}", w.override, 1)
		}
		ids = []string{w.roster}
	case strings.HasPrefix(base, "/template"):
		ids = []string{w.prepared}
	case strings.HasPrefix(base, "/deletion/people"):
		ids = []string{string(w.people[identity.RoleApprover].ID)}
	case strings.HasPrefix(base, "/deletion/holds"):
		ids = []string{w.hold}
	case strings.HasPrefix(base, "/deletion/runs"):
		ids = []string{"gibt-es-nicht"} // a day is nobody's
	case strings.HasPrefix(base, "/papers"):
		ids = []string{"gibt-es-nicht"}
	case strings.HasPrefix(base, "/review"):
		ids = []string{w.incident}
	case strings.HasPrefix(base, "/clocks"):
		ids = []string{w.clock}
	case strings.HasPrefix(base, "/improvements"):
		ids = []string{w.improve}
	case strings.HasPrefix(base, "/editorial"), strings.HasPrefix(base, "/posts"):
		ids = []string{w.post}
	case strings.HasPrefix(base, "/monitor"):
		ids = []string{w.monitor}
	case strings.HasPrefix(base, "/kit/signoff"), strings.HasPrefix(base, "/plan/signoffs"):
		ids = []string{w.signoff}
	case strings.HasPrefix(base, "/kit/month"), strings.HasPrefix(base, "/plan/months"):
		ids = []string{"gibt-es-nicht"} // a month is nobody's
	case strings.HasPrefix(base, "/kit/contacts"):
		ids = []string{w.contact}
	case strings.HasPrefix(base, "/kit/holding"):
		ids = []string{w.text}
	case strings.HasPrefix(base, "/kit/links"), strings.HasPrefix(base, "/plan/links"):
		ids = []string{w.link}
	case strings.HasPrefix(base, "/t/"), strings.HasPrefix(base, "/tp/"), strings.HasPrefix(base, "/ti/"):
		ids = []string{w.secret}
	case strings.HasPrefix(base, "/kit/handover"), strings.HasPrefix(base, "/plan/handover"):
		ids = []string{string(w.people[identity.RoleApprover].ID)}
	case strings.HasPrefix(base, "/plan"), strings.HasPrefix(base, "/audiences"), strings.HasPrefix(base, "/kit"):
		ids = []string{w.audience}
	case strings.HasPrefix(base, "/service"), strings.HasPrefix(base, "/statuspage"), strings.HasPrefix(base, "/components"):
		ids = []string{w.service}
	case strings.HasPrefix(base, "/in/"):
		ids = []string{w.inKey}
	case strings.HasPrefix(base, "/ping"):
		ids = []string{w.pingKey}
	case strings.HasPrefix(base, "/a/"):
		ids = []string{w.ackLink}
	case strings.HasPrefix(base, "/p/"), strings.HasPrefix(base, "/pc/"):
		ids = []string{w.approve}
	default:
		in.t.Fatalf("which noun stands in %s? Tell the test, so that it tries another town's", c)
	}
	out := make([]string, len(ids))
	for i, id := range ids {
		r := strings.NewReplacer("{commitment}", w.promise, "{report}", w.seen, "{check}", w.shown, "{seat}", w.seat, "{decision}", w.decided, "{preset}", "gibt-es-nicht", "{step}", "gibt-es-nicht", "{fact}", w.fact, "{task}", "gibt-es-nicht", "{clock}", w.clock, "{improvement}", w.improve, "{suffix...}", "fail", "{id}", id, "{slug}", id, "{token}", id, "{key}", id, "{service}", id,
			// The same words in every town name nobody's rows: one that is in none.
			"{format}", "prtg", "{rest...}", "x", "{number}", "9999", "{part}", "gibt-es-nicht", "{kind}", "gibt-es-nicht", "{scenario}", "gibt-es-nicht", "{day}", "gibt-es-nicht", "{name}", "gibt-es-nicht")
		out[i] = r.Replace(p)
		if strings.Contains(out[i], "{") {
			in.t.Fatalf("%s: %s", c, out[i])
		}
	}
	return out
}
