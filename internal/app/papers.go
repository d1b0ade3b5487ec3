package app

import (
	"context"
	"net/url"
	"time"

	"tuermer/internal/coordinate/onsite"
	"tuermer/internal/inform/publish"
	"tuermer/internal/learn/review"
	"tuermer/internal/notice/intake"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/roster"
	"tuermer/internal/raise/trial"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/contact"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/papers"
	"tuermer/internal/town/plan"
)

// paperFacts gathers the active configuration of the town in ctx for its papers. What
// a paper says stands here and nowhere else, so a new way out, a new form or a
// new job that deletes is told by one line more.
func (a *App) paperFacts(ctx context.Context) (f papers.Facts, err error) {
	t, err := a.identity.Current(ctx)
	if err != nil {
		return f, err
	}
	f = papers.Facts{
		Town: t.Name, Country: t.Country(), Land: t.Land, StaffURL: t.StaffURL, PublicURL: t.PublicURL,
		SecondFactor: len(t.SecondPolicy.Roles) > 0, Surveys: t.PublicURL != "", Postgres: a.store.Postgres(), OwnTLS: a.o.ownTLS(),
	}
	if p, ok := a.provider(ctx); ok {
		f.SignOn = p.Name
	}
	people, err := a.identity.People(ctx, identity.Filter{Active: true})
	if err != nil {
		return f, err
	}
	f.People = len(people)
	if err := a.waysOut(ctx, &f); err != nil {
		return f, err
	}
	audiences, err := a.plan.Audiences(ctx)
	if err != nil {
		return f, err
	}
	for _, x := range audiences {
		if len(x.Recipients) > 0 {
			f.Audiences = append(f.Audiences, papers.Group{Name: x.Name, Count: len(x.Recipients)})
		}
	}
	sondes, err := a.sonde.List(ctx)
	if err != nil {
		return f, err
	}
	for _, s := range sondes {
		f.Sondes = append(f.Sondes, s.Name)
	}
	counts, err := a.monitor.Counts(ctx)
	if err != nil {
		return f, err
	}
	for _, n := range counts {
		f.Monitors += n
	}
	drills, err := a.exercise.List(ctx, "", 1)
	if err != nil {
		return f, err
	}
	f.Exercises = len(drills) > 0
	return f, a.keeps(ctx, &f)
}

// waysOut are the mail servers and webhooks by which data leave.
func (a *App) waysOut(ctx context.Context, f *papers.Facts) error {
	if c := a.configOf(ctx); c != nil {
		for _, s := range c.SMTP {
			f.Relays = append(f.Relays, papers.Way{Name: s.Name, Host: s.Host})
			f.MailOpen = f.MailOpen || s.TLS == "none"
		}
		f.Gateways = append(gatewayHosts(c), messengerHosts(c)...)
	}
	relays, err := a.channel.Relays(ctx)
	if err != nil {
		return err
	}
	for _, s := range relays {
		f.Relays = append(f.Relays, papers.Way{Name: s.Name, Host: s.Host})
		f.MailOpen = f.MailOpen || s.TLS == "none"
	}
	pushed, err := a.channel.PushHosts(ctx)
	if err != nil {
		return err
	}
	for _, host := range pushed {
		f.Gateways = append(f.Gateways, papers.Way{Name: "Push", Host: host})
	}
	all, err := everyHook{a}.Hooks(ctx)
	if err != nil {
		return err
	}
	for _, h := range all {
		if u, err := url.Parse(h.URL); err == nil {
			f.Hooks = append(f.Hooks, papers.Way{Name: "Webhook", Host: u.Hostname()})
		}
	}
	answered, err := a.roster.Hooks(ident.WithActor(ctx, ident.System))
	if err != nil {
		return err
	}
	for _, h := range answered { // who asks is told; where a messenger runs is known of Slack alone
		w := papers.Way{Name: a.catalog.Text(i18n.DE, "channel.form_"+string(h.Product)) + " /dienst", Host: h.Name}
		if h.Product == channel.Slack {
			w.Host = "slack.com"
		}
		f.Chats = append(f.Chats, w)
	}
	if c := a.configOf(ctx); c != nil {
		for _, t := range c.Twin.Targets {
			// A folder is carried on by others; where people read it says to whom.
			for _, at := range []string{t.URL, t.View} {
				if u, err := url.Parse(at); err == nil && u.Hostname() != "" {
					f.Copies = append(f.Copies, papers.Way{Name: t.Name, Host: u.Hostname()})
					break
				}
			}
		}
	}
	for _, p := range replicaSettings(a.configs()).Places { // the machine is all towns' together
		if u, err := url.Parse(p.Address); err == nil && u.Hostname() != "" {
			f.Sealed = append(f.Sealed, papers.Way{Name: p.Name, Host: u.Hostname()})
		}
	}
	return nil
}

const dayLong = 24 * time.Hour

// keeps are the periods that the jobs apply, each from the room that has the job;
// where no job deletes, none is named.
func (a *App) keeps(ctx context.Context, f *papers.Facts) error {
	k, _, err := a.monitor.Keeping(ctx)
	if err != nil {
		return err
	}
	f.Keeps = []papers.Keep{
		{What: "page", For: 0, Chain: true},
		{What: "pace", For: 15 * time.Minute},
	}
	if f.Surveys {
		f.Keeps = append(f.Keeps, papers.Keep{What: "survey", For: review.KeepOpinions})
	}
	f.Keeps = append(f.Keeps, papers.Keep{What: "outage", For: intake.KeepBodies})
	f.Keeps = append(f.Keeps, []papers.Keep{
		{What: "audience"},
		{What: "ledger", For: publish.KeepLedger},
		{What: "outbox", For: channel.KeepOutbox},
		{What: "woken", For: alert.KeepWoken},
		{What: "duty", For: roster.KeepDuty},
		{What: "callout", For: roster.KeepCallouts},
		{What: "token", For: identity.KeepTokens},
		{What: "opening", For: identity.KeepOpenings},
		{What: "hidden", For: plan.KeepLinks},
		{What: "account"},
		{What: "speaker"},
		{What: "session", For: identity.SessionIdle, Counted: true},
		{What: "link", For: identity.SessionMax, Counted: true},
		{What: "confirmation", For: contact.KeepRounds, Counted: true},
		{What: "trial", For: trial.Keep, Counted: true},
		{What: "incident", Chain: true},
		{What: "photo", For: onsite.KeepPhotos},
		{What: "shown", For: onsite.MaxHold},
		{What: "audit", Chain: true},
		{What: "signal", For: signal.DefaultKeep},
		{What: "result", For: time.Duration(k.Results) * dayLong},
		{What: "figure", For: time.Duration(k.Figures) * dayLong},
	}...)
	if len(f.Sondes) > 0 {
		f.Keeps = append(f.Keeps, papers.Keep{What: "vantage", For: 7 * dayLong})
	}
	sources, err := a.intake.List(ctx)
	if err != nil {
		return err
	}
	if len(sources) > 0 {
		f.Keeps = append(f.Keeps, papers.Keep{What: "report", For: intake.KeepBodies, Counted: true}, papers.Keep{What: "letter", For: intake.KeepLetters})
	}
	return nil
}

// checkPapers names the papers and the hosting that somebody has to look at. An
// alarm gets out without them, so they fail no check: they are red.
func (a *App) checkPapers(ctx context.Context, s Settings) (out []CheckResult, err error) {
	all, err := a.papers.Findings(ctx)
	if err != nil {
		return nil, err
	}
	t, err := a.identity.Current(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		out = append(out, CheckResult{Red: f.Red, What: f.Say(a.catalog, s.Lang), WayOut: a.catalog.Text(s.Lang, "app.check_paper_out", t.StaffURL+f.Href)})
	}
	return out, nil
}

// paperFindings are what the start page names of the papers, for those who can
// mend it.
func (a *App) paperFindings(ctx context.Context) ([]papers.Finding, error) {
	if !papers.MayEdit(ctx) && !papers.MayConfirm(ctx) {
		return nil, nil
	}
	return a.papers.Findings(ctx)
}
