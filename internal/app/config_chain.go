package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
)

// EscalationConfig is an escalation chain: who is woken for the alarms of some
// services, in which order.
type EscalationConfig struct {
	Slug     string
	Name     string
	Services []string         // slugs
	Default  bool             // for every service that no chain names
	Receipt  monitor.Duration // how long a way has to show that it arrived
	Steps    []EscalationStep
}

// EscalationStep is one rung of it.
type EscalationStep struct {
	Notify   []string // person:MAIL, role:NAME, roster:SLUG, owner, all
	By       []string // ways, in the order in which they are tried
	Wait     monitor.Duration
	Repeat   int
	Everyone bool
}

// escalation lists the keys of a chain.
func (r *configReader) escalation(e *EscalationConfig) setter {
	return r.object(3,
		field{"slug", scalar(r, &e.Slug, parseSlug)},
		field{"name", scalar(r, &e.Name, parseLine)},
		field{"steps", listOf(r, &e.Steps, r.escalationStep)},
		field{"services", r.each(&e.Services, parseSlug)},
		field{"default", r.flag(&e.Default)},
		field{"receipt", scalar(r, &e.Receipt, spanBetween(chain.MinWait, chain.MaxWait))},
	)
}

func (r *configReader) escalationStep(s *EscalationStep) setter {
	ways := make([]string, 0, len(chain.Ways()))
	for _, w := range chain.Ways() {
		ways = append(ways, string(w))
	}
	return r.object(1,
		field{"notify", r.each(&s.Notify, parseWho)},
		field{"by", r.each(&s.By, oneOf(ways))},
		field{"wait", scalar(r, &s.Wait, spanBetween(chain.MinWait, chain.MaxWait))},
		field{"repeat", r.number(&s.Repeat, 0, chain.MaxRepeat)},
		field{"everyone", r.flag(&s.Everyone)},
	)
}

// parseWho takes the name of somebody whom a step wakes.
func parseWho(s string) (string, *complaint) {
	w, ok := chain.ParseWho(s)
	if !ok {
		return "", sorry("config.who", shorten(s))
	}
	return string(w), nil
}

// checkEscalations refuses what cannot be meant. Whom a chain would not reach is
// for the linter, which only warns: `tuermer check`.
func (r *configReader) checkEscalations(c *Config, services []string) {
	unique(r, c.Escalations, "escalations", "slug", func(e EscalationConfig) string { return e.Slug })
	for i, e := range c.Escalations {
		path := fmt.Sprintf("escalations[%d]", i)
		for j, s := range e.Services {
			r.exists(s, services, fmt.Sprintf("%s.services[%d]", path, j), "services", "config.no_service")
		}
		if r.tainted[path] {
			continue
		}
		if len(e.Steps) == 0 || len(e.Steps) > chain.MaxSteps {
			r.refuse(r.where(path+".steps"), path+".steps", "config.steps", chain.MaxSteps)
		}
		for j, s := range e.Steps {
			if at := fmt.Sprintf("%s.steps[%d].notify", path, j); len(s.Notify) == 0 || len(s.Notify) > chain.MaxNotify {
				r.refuse(r.where(at), at, "config.notify", chain.MaxNotify)
			}
		}
	}
}

func chains(in []EscalationConfig) []chain.Chain {
	out := make([]chain.Chain, len(in))
	for i, e := range in {
		out[i] = chain.Chain{Slug: e.Slug, Name: e.Name, Services: e.Services, Default: e.Default, Receipt: time.Duration(e.Receipt)}
		for _, s := range e.Steps {
			step := chain.Step{Wait: time.Duration(s.Wait), Repeat: s.Repeat, Everyone: s.Everyone}
			for _, w := range s.Notify {
				step.Notify = append(step.Notify, chain.Who(w))
			}
			for _, w := range s.By {
				step.By = append(step.By, chain.Way(w))
			}
			out[i].Steps = append(out[i].Steps, step)
		}
	}
	return out
}

// carries tells whether a way of that kind is set up for the town in ctx.
func (a *App) carries(ctx context.Context, k channel.Kind) bool {
	return slices.ContainsFunc(a.ways.of(ctx), func(w channel.Adapter) bool { return w.Kind() == k && w.Realm() == channel.Live })
}

// chainOwners are the people whom chains name: they can be alarmed, too.
func (a *App) chainOwners(ctx context.Context) (out []string, err error) {
	all, err := a.chain.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		for _, s := range c.Steps {
			for _, w := range s.Notify {
				if kind, name := w.Split(); kind == chain.PersonKind && !slices.Contains(out, name) {
					out = append(out, name)
				}
			}
		}
	}
	return out, nil
}

// checkChains says what would go wrong at night with the chains of the town.
func (a *App) checkChains(ctx context.Context, s Settings) (out []CheckResult, err error) {
	all, err := a.chain.List(ctx)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	l := a.townLocale(ctx)
	l.Lang = i18n.Parse(string(s.Lang))
	for _, c := range all {
		if c.Resting {
			continue
		}
		found, err := a.chain.Lint(ctx, c)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			out = append(out, CheckResult{
				Serious: f.Serious,
				What:    a.catalog.Text(s.Lang, "app.check_chain", c.Name, strings.TrimSpace(f.Text(l))),
				WayOut:  a.catalog.Text(s.Lang, "app.check_chain_out", "/chain/"+c.Slug),
			})
		}
	}
	return out, nil
}

// rosterNames are slug and name of the duty rosters.
func (a *App) rosterNames(ctx context.Context) ([][2]string, error) {
	all, err := a.roster.List(ctx)
	out := make([][2]string, len(all))
	for i, x := range all {
		out[i] = [2]string{x.Slug, x.Name}
	}
	return out, err
}

// firstGap is the first hole of a duty roster.
func (a *App) firstGap(ctx context.Context, slug string, from, to time.Time) (begins, ends time.Time, found bool, err error) {
	g, found, err := a.roster.FirstGap(ctx, slug, from, to)
	return g.From, g.To, found, err
}
