package app

import (
	"context"
	"io/fs"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/onsite"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/desk"
	"tuermer/internal/inform/editorial"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/statuspage"
	"tuermer/internal/inform/template"
	"tuermer/internal/inform/twin"
	"tuermer/internal/learn/exercise"
	"tuermer/internal/learn/review"
	"tuermer/internal/notice/intake"
	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/pulse"
	"tuermer/internal/notice/signal"
	"tuermer/internal/notice/sonde"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/depot"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/seal"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/chain"
	"tuermer/internal/raise/roster"
	"tuermer/internal/raise/trial"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/contact"
	"tuermer/internal/town/deletion"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/keep"
	"tuermer/internal/town/papers"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
	"tuermer/internal/town/vault"
)

// rooms are all rooms of the tower, floor by floor.
type rooms struct {
	catalog *i18n.Catalog
	hints   *bus.Hints
	bus     *bus.Bus

	vault    *vault.Vault
	box      *seal.Box
	audit    *audit.Room
	identity *identity.Room
	service  *service.Room
	plan     *plan.Room
	channel  *channel.Room
	papers   *papers.Room
	keep     *keep.Room
	contact  *contact.Room
	deletion *deletion.Room

	signal  *signal.Room
	monitor *monitor.Room
	sonde   *sonde.Room
	intake  *intake.Room
	pulse   *pulse.Room

	roster *roster.Room
	chain  *chain.Room
	alert  *alert.Room
	trial  *trial.Room

	incident *incident.Room
	board    *staff.Room // a.staff is the console
	onsite   *onsite.Room

	template   *template.Room
	publish    *publish.Room
	statuspage *statuspage.Room
	twin       *twin.Room
	editorial  *editorial.Room

	review   *review.Room
	exercise *exercise.Room

	desk *desk.Desk
}

// Migrations are the schemas of all rooms in floor order.
func Migrations() []store.Migrations {
	return []store.Migrations{
		jobs.Migrations(), bus.Migrations(),
		audit.Migrations(), identity.Migrations(), service.Migrations(), plan.Migrations(), channel.Migrations(), keep.Migrations(), papers.Migrations(), contact.Migrations(), deletion.Migrations(),
		signal.Migrations(), monitor.Migrations(), sonde.Migrations(), pulse.Migrations(), intake.Migrations(),
		roster.Migrations(), chain.Migrations(), alert.Migrations(), trial.Migrations(),
		incident.Migrations(), staff.Migrations(), onsite.Migrations(),
		template.Migrations(),
		publish.Migrations(), statuspage.Migrations(), editorial.Migrations(),
		review.Migrations(), exercise.Migrations(),
	}
}

// Texts are the sentences of all rooms.
func Texts() []fs.FS {
	return []fs.FS{
		web.Texts(), depot.Texts(), configTexts,
		audit.Texts(), identity.Texts(), service.Texts(), plan.Texts(), channel.Texts(), papers.Texts(), keep.Texts(), contact.Texts(), deletion.Texts(),
		signal.Texts(), monitor.Texts(), sonde.Texts(), pulse.Texts(), intake.Texts(),
		roster.Texts(), chain.Texts(), alert.Texts(), trial.Texts(),
		incident.Texts(), staff.Texts(), onsite.Texts(),
		template.Texts(),
		publish.Texts(), statuspage.Texts(), twin.Texts(), editorial.Texts(),
		review.Texts(), exercise.Texts(),
		desk.Texts(),
	}
}

// catalog holds the texts of all rooms; it is read once.
var catalog = sync.OnceValues(func() (*i18n.Catalog, error) { return i18n.NewCatalog(Texts()...) })

// build makes the rooms and connects their ports. Nothing runs yet.
func (a *App) build() (err error) {
	o, log, c := a.o, a.o.Log, a.o.Clock
	if a.catalog, err = catalog(); err != nil {
		return err
	}
	if err := a.unlock(); err != nil {
		return err
	}
	a.hints = bus.NewHints(a.store.Pool(), log)
	a.bus = bus.New(a.store, a.jobs, c, log)
	sole := !a.store.Postgres()

	a.ways = a.newWays()
	a.audit = audit.New(audit.Options{Store: a.store, Clock: c})
	a.channel = channel.New(channel.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Vault: a.vault, Catalog: a.catalog, Sole: sole, Node: a.node,
		Adapters: a.ways.of, Audit: a.audit, Signer: a.vault, Answers: a.answers(), DeviceLost: a.deviceLost, WaysChanged: a.ways.forget, Quiet: a.quietUntil, Reach: a.reach, Audiences: a.audienceNames,
	})
	a.identity = identity.New(identity.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, Vault: a.vault,
		Post: a.postLetter, Owners: a.owners, Resolver: o.Lookup, Provider: a.provider, Directory: a.directory, Dial: o.Dial, RuleDeclared: a.ruleDeclared, Transport: a.providerTransport(),
		Fail: func(w http.ResponseWriter, r *http.Request, err error) { a.staff.Fail(w, r, err) },
	})
	a.service = service.New(service.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, People: a.addresses, Audiences: a.audienceNames,
		States:   func(ctx context.Context) (map[string]web.State, error) { return a.monitor.ServiceStates(ctx) },
		Watchers: func(ctx context.Context, slug string) (int, error) { return a.monitor.Watchers(ctx, slug) },
		Forms:    forms,
	})
	a.plan = plan.New(plan.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, People: a.addresses, Services: a.servicesOf,
	})

	a.papers = papers.New(papers.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Catalog: a.catalog, Audit: a.audit, Facts: a.paperFacts, Version: o.Version,
		Changed: func(t ident.Tenant) { a.statuspage.Refresh(t) },
	})

	a.contact = contact.New(contact.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Catalog: a.catalog, Audit: a.audit, People: a.identity, Outbox: a.channel,
		Points: a.contactPoints, Resolver: o.Lookup, Locale: a.townLocale, Proved: a.identity.Proved,
		Carries: func(ctx context.Context, kind channel.Kind) bool { return a.channel.Has(ctx, channel.Live, kind) }, Leads: a.leadsTo,
	})

	a.signal = signal.New(signal.Options{Store: a.store, Clock: c, Log: log, Hints: a.hints, Needed: a.storyFrom})
	a.monitor = monitor.New(monitor.RoomOptions{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, Vault: a.vault, Catalog: a.catalog,
		Signals: a.signal, Services: a.service, Locale: a.townLocale, PingURL: a.pingURL, Reach: a.reach,
		Probers:    monitor.NewProbers(monitor.Options{DialContext: o.probeDial, Now: c.Now, Guard: monitor.TenantGuard{Of: a.reach}}),
		References: references(a.config()), Networks: a.networks, Dir: a.awayDir(),
	})

	a.sonde = sonde.New(sonde.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, Signals: a.signal, Monitors: a.monitor, Locale: a.townLocale,
		ServerURL: a.staffURL, Reach: a.reach,
	})
	a.monitor.SetVantages(a.sonde)
	a.intake = intake.New(intake.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, Signals: a.signal, Services: a.service, Locale: a.townLocale,
		Vault: a.vault, Dial: a.dialMailbox, Leads: a.leads, Outbox: a.channel,
		Attended: func(ctx context.Context, channel string, at time.Time) (bool, time.Time, error) {
			return a.roster.Attended(ctx, channel, at)
		},
		Channels: func(ctx context.Context) ([]string, error) { return a.roster.Channels(ctx) },
		URL:      a.staffURL, MailDomain: a.intakeDomain, TenantByHost: a.tenantByHost, Public: a.intakePublic,
		Node: a.node, Cut: a.monitor.UplinkLost,
	})
	a.pulse = pulse.New(pulse.Options{
		Store: a.store, Clock: c, Log: log, Audit: a.audit, Vault: a.vault, Outbox: a.channel, Monitors: a.monitor, Tenants: a.identity,
		Locale: a.townLocale, Watchers: a.watchers, Networks: a.networks, Facts: o.Facts, Client: pulseClient(o.Dial), Held: a.heldHere(),
	})

	a.roster = roster.New(roster.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Catalog: a.catalog, Audit: a.audit, People: a.identity, Outbox: a.channel, Vault: a.vault,
		Ended: func(ctx context.Context, id string) (time.Time, error) {
			x, err := a.alert.Get(ctx, alert.ID(id))
			if fault.KindOf(err) == fault.NotFound {
				err = nil
			}
			return x.ClosedAt, err
		},
	})
	a.chain = chain.New(chain.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, People: a.identity, Services: a.service, Carries: a.carries, Leads: a.leadsTo, Falls: a.waysFall, Address: a.ownAddress,
		Roster: a.roster, Rosters: a.rosterNames, Gaps: a.firstGap, Order: a.identity.WayOrder,
		Otherwise: func(ctx context.Context, service string) ([]identity.Person, error) {
			return a.alert.Otherwise(ctx, service)
		},
	})
	a.alert = alert.New(alert.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, Town: a.identity, People: a.identity,
		Services: a.service, Sender: a.channel, Signer: a.vault, Hooks: hooks{a}, Chain: a.chain,
		AnswerWithin: 5 * time.Minute,
		Dir:          a.awayDir(), Files: a.vault, Ways: a.channel, Journal: a.channel, Towns: a.identity.Tenants, Catalogue: a.service.List, Away: a.awaySince,
		InformURL: "/alert/{id}/inform", OpenURL: "/alert/{id}/incident", IncidentURL: "/incident/{id}",
	})
	a.alert.Subscribe(a.bus)
	bus.On(a.bus, alert.Acknowledged, "roster.called_out", func(ctx context.Context, e bus.Event[alert.Happened]) error {
		return a.roster.CalledOut(ctx, roster.Call{Alert: string(e.Data.ID), Title: e.Data.Title, Person: e.Data.Person, At: e.At})
	})
	bus.On(a.bus, alert.Closed, "roster.call_over", func(ctx context.Context, e bus.Event[alert.Happened]) error {
		return a.roster.CallOver(ctx, string(e.Data.ID), e.At)
	})
	if a.awayDir() != "" {
		a.monitor.SetRefuge(a.alert, a.vault)
		a.nodes = jobs.NewNodes(jobs.NodesOptions{
			Store: a.store, Log: log, Node: a.node, Clock: a.followed, Gone: a.nodeGone, Lead: a.monitor.Turned,
		})
		a.monitor.SetLead(a.nodes)
	}

	a.trial = trial.New(trial.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Catalog: a.catalog, Audit: a.audit, Chains: a.chain, Alerts: a.alert, People: a.identity,
		Outbox: a.channel, Rosters: a.rosterNames, Locale: a.townLocale,
	})
	a.trial.Subscribe(a.bus)

	a.incident = incident.New(incident.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, Alerts: a.alert, Services: a.service, Town: a.identity,
		Plan: a.plan, Outbox: a.channel,
	})
	a.incident.Subscribe(a.bus)
	a.board = staff.New(staff.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Catalog: a.catalog, Audit: a.audit, Incidents: a.incident, People: a.identity,
		Plan: a.plan, Outbox: a.channel,
	})
	a.board.Subscribe(a.bus)
	a.onsite = onsite.New(onsite.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, Incidents: a.incident, Town: a.identity, Vault: a.vault, Locale: a.townLocale,
	})

	library, err := template.Default()
	if err != nil {
		return err
	}
	a.template = template.NewRoom(template.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, Town: a.identity, Shipped: library,
	})
	a.publish = publish.New(publish.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Catalog: a.catalog, Audit: a.audit, Incidents: a.incident,
		Services: a.service, Audiences: a.plan, People: a.identity, Outbox: a.channel, Ways: a.channel, Vault: a.vault,
		Library: library, Prepared: a.template, Sole: sole, Node: a.node, Survey: a.survey, Staff: a.board, Chats: chats{a},
	})
	a.template.SetSaid(a.publish)
	a.publish.Subscribe(a.bus)
	a.incident.SetGate(a.publish)
	a.statuspage = statuspage.New(statuspage.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Catalog: a.catalog, Audit: a.audit, Services: a.service,
		Signals: a.signal, Statements: a.publish, Incidents: a.incident, Tenants: a.identity, Papers: a.papers, Dir: o.Dir, Impaired: a.monitor.Impaired,
	})
	a.statuspage.Subscribe(a.bus)
	a.twin = twin.New(twin.Options{
		Clock: c, Log: log, Hints: a.hints, Page: a.statuspage, Tenants: a.identity, Signals: a.signal, Audit: a.audit,
		Locale: a.townLocale, Settings: a.twinSettings, Relied: a.copyIsRead, Key: a.twinKey, Dial: o.Dial, Dir: o.Dir,
	})
	a.statuspage.OnChange(a.twin.Changed)
	a.editorial = editorial.New(editorial.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Audit: a.audit, Incidents: a.incident, Ways: a.channel, Staff: a.board, Locale: a.townLocale, Sole: sole,
	})
	a.incident.SetCrisisHook(a.editorial)

	a.review = review.New(review.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Catalog: a.catalog, Audit: a.audit, Incidents: a.incident,
		Statements: a.publish, People: a.identity, Audiences: a.plan, Outbox: a.channel, Vault: a.vault, Services: a.service,
	})
	a.exercise = exercise.New(exercise.Options{
		Store: a.store, Clock: c, Log: log, Hints: a.hints, Catalog: a.catalog, Audit: a.audit, Incidents: a.incident,
		Statements: a.publish, Services: a.service, Audiences: a.plan, Alarms: a.alert, Outbox: a.channel, Town: a.identity, Library: library,
	})
	a.statuspage.AddGuest(review.SurveyElement, a.review.Survey())

	if a.keep, err = a.newKeep(); err != nil {
		return err
	}
	a.deletion = deletion.New(deletion.Options{
		Store: a.store, Clock: c, Log: log, Audit: a.audit, Towns: a.identity, Rules: a.retention, Open: a.openTimes,
	})

	a.desk = desk.New(desk.Options{
		Store: a.store, Clock: c, Log: log, Version: o.Version, Catalog: a.catalog, Identity: a.identity, Service: a.service, Plan: a.plan,
		Channel: a.channel, Signal: a.signal, Monitor: a.monitor, Pulse: a.pulse, Roster: a.roster, Alert: a.alert, Incident: a.incident, Staff: a.board, Onsite: a.onsite, Publish: a.publish, Review: a.review, Exercise: a.exercise,
		Papers: a.paperFindings, Diagnose: a.diagnoseHere,
		Notes: a.notes, Declared: a.townDeclared, Hooks: everyHook{a}, Fetch: a.fetch, PushKey: a.pushKey,
	})
	a.statuspage.AddGuest(desk.SeenElement, a.desk.Seen())
	a.statuspage.AddGuest(statuspage.ReportElement, a.desk.Outage(a.intake))
	public, programs := web.NewPublicAPI(o.Version, log)
	a.desk.OutageAPI(public, a.intake)
	a.statuspage.AddPrograms(programs)
	return a.site()
}

// starters are the rooms that do things by themselves, in floor order.
func (a *App) starters() []starter {
	return []starter{a.housekeeping(), a.keep, a.deletion, a.identity, a.ways, a.channel, a.contact, a.signal, a.roster, a.alert, a.trial, a.incident, a.onsite, a.publish, a.statuspage, a.twin, a.editorial, a.review, a.exercise, a.monitor, a.sonde, a.pulse, a.intake, a.desk}
}

// keepHandled is how long the bus remembers which handler has heard which fact;
// no fact stays in the queue that long.
const keepHandled = 60 * 24 * time.Hour

// housekeeping clears what only the foundation knows of, once a day.
func (a *App) housekeeping() starter {
	return sweeping{jobs.NewSweeper(jobs.SweeperOptions{
		Name: "app.housekeeping", Clock: a.o.Clock, Log: a.o.Log, Idle: 24 * time.Hour, Retry: time.Hour,
		Sweep: func(ctx context.Context, now time.Time) (time.Time, error) {
			return now.Add(24 * time.Hour), a.bus.Forget(ctx, keepHandled)
		},
	})}
}

// sweeping makes a sweeper a starter.
type sweeping struct{ s *jobs.Sweeper }

func (s sweeping) Start(ctx context.Context) error { s.s.Start(ctx); return nil }
func (s sweeping) Stop()                           { s.s.Stop() }

// site hangs the rooms' pages and API onto the staff listener.
func (a *App) site() error {
	a.staff = web.NewSite(web.Options{
		Catalog: a.catalog, Clock: a.o.Clock, Log: a.o.Log, Hints: a.hints,
		Authenticate: a.whileAway(a.identity.Middleware), Locale: a.identity.Locale, SignIn: identity.SignInPath,
		StillIn: a.identity.StillIn,
		Shell:   a.desk.Shell, Large: largeBodies(),
	})
	api := web.NewAPI(a.staff, a.o.Version)
	for _, r := range []any{a.audit, a.identity, a.service, a.plan, a.channel, a.papers, a.keep, a.contact, a.deletion, a.signal, a.monitor, a.sonde, a.pulse, a.intake, a.roster, a.chain, a.alert, a.trial, a.incident, a.board, a.onsite, a.template, a.publish, a.statuspage, a.twin, a.editorial, a.review, a.exercise, a.desk} {
		if p, ok := r.(interface{ Routes(*web.Site) }); ok {
			p.Routes(a.staff)
		}
		if p, ok := r.(interface{ API(*web.API) }); ok {
			p.API(api)
		}
	}
	a.personalAPI(api)
	a.personalRoutes(a.staff)
	a.channel.WayRoutes(a.staff)
	a.operations(a.staff)
	a.intake.Mount("sms-receipt", a.channel.TakeReport)
	a.intake.Mount("sms-reply", a.channel.TakeReply)
	a.intake.Mount(roster.SlashPath, a.roster.TakeSlash)
	a.public = a.intake.Gate(a.statuspage.Handler(), true)
	return nil
}

// largeBodies are the addresses that take more than a form.
func largeBodies() map[string]int64 {
	out := template.LargeBodies()
	maps.Copy(out, onsite.LargeBodies())
	return out
}

// townLocale is how the tenant in ctx writes what it tells by itself.
func (a *App) townLocale(ctx context.Context) i18n.Locale {
	l := i18n.Locale{Catalog: a.catalog, Lang: i18n.DE, Zone: time.UTC, Now: a.o.Clock.Now()}
	t, err := a.identity.Current(ctx)
	if err != nil {
		return l
	}
	l.Lang = i18n.Parse(t.Language)
	if zone, err := clock.Zone(t.Zone); err == nil {
		l.Zone = zone
	}
	return l
}

// reach is where the checks that a town's people enter may go: what the
// operator listed, else the Internet, and the inner networks too where the
// install serves one town alone, for then they are that town's own.
func (a *App) reach(ctx context.Context, t ident.Tenant) (fence.List, error) {
	all, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return fence.List{}, err
	}
	injected := a.o.probeDial != nil // the demo's network answers for itself
	for _, town := range all {
		if town.ID != t {
			continue
		}
		if len(town.ProbeNetworks) > 0 {
			return fence.Parse(town.ProbeNetworks)
		}
		return fence.List{Public: true, Private: len(all) == 1, Unknown: injected}, nil
	}
	return fence.List{}, fault.New(fault.NotFound, "identity.no_tenant")
}

// networks are those that the tenant in ctx runs itself.
func (a *App) networks(ctx context.Context) ([]netip.Prefix, error) {
	t, err := a.identity.Current(ctx)
	return prefixes(t.Networks), err
}

func (a *App) pingURL(ctx context.Context) string { return a.staffURL(ctx) + "/ping" }

// staffURL is where the town in ctx has its console.
func (a *App) staffURL(ctx context.Context) string {
	t, err := a.identity.Current(ctx)
	if err != nil {
		return ""
	}
	return t.StaffURL
}

// survey is where an audience answers, as the closing message names it, in German
// and in English; missing for a town without a public page.
func (a *App) survey(ctx context.Context, in incident.ID, audience string, from time.Time) (template.Value, error) {
	t, err := a.identity.Current(ctx)
	if err != nil || t.PublicURL == "" {
		return template.Value{}, err
	}
	path, err := a.review.SurveyLink(ctx, in, audience, from)
	if err != nil {
		return template.Value{}, err
	}
	home, public := i18n.Parse(t.Language), strings.TrimRight(t.PublicURL, "/")
	return template.Value{
		Text: public + statuspage.GuestPath(home, i18n.DE, path), EN: public + statuspage.GuestPath(home, i18n.EN, path),
	}, nil
}

// owners are the addresses of the people who are responsible for services.
func (a *App) owners(ctx context.Context) ([]string, error) {
	all, err := a.service.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range all {
		if s.Owner != "" {
			out = append(out, s.Owner)
		}
	}
	chained, err := a.chainOwners(ctx)
	return append(out, chained...), err
}

// addresses are those of everybody who may look after something.
func (a *App) addresses(ctx context.Context) ([]string, error) {
	people, err := a.identity.People(ctx, identity.Filter{Active: true})
	out := make([]string, len(people))
	for i, p := range people {
		out[i] = p.Email
	}
	return out, err
}

// audienceNames are slug and name of every audience.
func (a *App) audienceNames(ctx context.Context) ([][2]string, error) {
	all, err := a.plan.Audiences(ctx)
	out := make([][2]string, len(all))
	for i, x := range all {
		out[i] = [2]string{x.Slug, x.Name}
	}
	return out, err
}

// servicesOf names the services whose outages an audience hears of.
func (a *App) servicesOf(ctx context.Context, audience string) ([]string, error) {
	all, err := a.service.List(ctx)
	var out []string
	for _, s := range all {
		if slices.Contains(s.Audiences, audience) {
			out = append(out, s.Name)
		}
	}
	return out, err
}

// forms are a service's name as the prepared texts will write it.
func forms(s service.Service) (nominative, dative, accusative string) {
	n := template.NounFor(s.Article, s.Name)
	if s.Dative != "" {
		n.Dative = s.Dative
	}
	if s.Accusative != "" {
		n.Accusative = s.Accusative
	}
	return n.Nominative(), n.Dative, n.Accusative
}

// postLetter puts identity's letters into the outbox.
func (a *App) postLetter(ctx context.Context, l identity.Letter) error {
	return a.channel.Send(ctx, channel.Message{
		ID: "letter-" + newID(a.o.Clock), Kind: channel.Mail, Class: channel.Single, Realm: channel.Live,
		To: l.To, ToName: l.Person.Name, Subject: l.Subject, Text: l.Body, Language: l.Person.Language, Automatic: true,
	})
}

// townDeclared reports whether the town in ctx stands in the configuration.
func (a *App) townDeclared(ctx context.Context) bool {
	c := a.configOf(ctx)
	return c != nil && c.Town.Slug != ""
}

// notes are the bands over every page of the console.
func (a *App) notes(ctx context.Context) []web.Note {
	var out []web.Note
	if resting, strong, text := a.identity.SecondNote(ctx); strong != "" {
		n := web.Note{Kind: "exercise", Strong: strong, Text: text, Href: identity.SecondPath, Link: i18n.T(ctx, "identity.second_link")}
		if resting {
			n.Kind = "blind"
		}
		out = append(out, n)
	}
	if ident.ActorOf(ctx).Has(string(identity.RoleAdmin)) {
		if n, err := a.identity.BrokenSeals(ctx); err == nil && n > 0 {
			out = append(out, web.Note{
				Kind: "blind", Strong: i18n.T(ctx, "identity.seal_note"), Text: i18n.T(ctx, "identity.seal_note_text"),
				Href: "/identity/sealed", Link: i18n.T(ctx, "identity.seal_again"),
			})
		}
	}
	if ident.ActorOf(ctx).Has(string(identity.RoleAdmin)) {
		if n, err := a.keep.Held(ctx); err == nil && n > 0 {
			out = append(out, web.Note{
				Kind: "blind", Strong: i18n.N(ctx, "keep.held", n), Text: i18n.T(ctx, "keep.held_note"), Href: "/keep", Link: i18n.T(ctx, "keep.held_link"),
			})
		}
		if key := a.identity.RollNote(ctx); key != "" {
			out = append(out, web.Note{Kind: "blind", Strong: i18n.T(ctx, "identity.directory"), Text: i18n.T(ctx, key), Href: identity.DirectoryPath, Link: i18n.T(ctx, "identity.directory_open")})
		}
	}
	if a.demo == nil {
		return out
	}
	l := a.townLocale(ctx)
	return append(out, web.Note{
		Kind: "exercise", Strong: l.Catalog.Text(l.Lang, "app.simulated"), Text: l.Catalog.Text(l.Lang, "app.simulated_text"),
		Href: "/demo", Link: l.Catalog.Text(l.Lang, "app.simulated_link"),
	})
}
