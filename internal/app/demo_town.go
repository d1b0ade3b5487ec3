package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/uptrace/bun"

	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// demoTown is the data of the demo.
type demoTown struct {
	// config holds what is declared at every start: the town, those who act in
	// it, and its audiences. The rest is put into fresh data once, as the
	// console would, and may be changed there.
	config   *Config
	services []demoService
	staff    []byte // CSV
	plan     []byte // YAML
	history  []demoStory
}

// demoService is one line of demo/services.yaml.
type demoService struct {
	Slug, Name, Short, Article string
	EN                         string `yaml:"en"`
	LS                         string `yaml:"ls"`
	Public                     bool
	Owner                      string
	To                         []string // audiences
	On                         []string // services that it needs
	Every                      time.Duration
	Workaround, By, Deadline   string
	Provider, Hotline          string
	Contract, Hours, Steps     string
}

// demoTimeout is short, so that a hanging target alarms while one still looks.
const demoTimeout = 5 * time.Second

func readDemo(files fs.FS) (t demoTown, err error) {
	raw, err := fs.ReadFile(files, "demo/musterstadt.yaml")
	if err != nil {
		return t, err
	}
	if t.config, _, err = ParseConfig("musterstadt.yaml", raw); err != nil {
		return t, err
	}
	for name, to := range map[string]any{"demo/services.yaml": &t.services, "demo/history.yaml": &t.history} {
		if raw, err = fs.ReadFile(files, name); err != nil {
			return t, err
		}
		if err = yaml.UnmarshalWithOptions(raw, to, yaml.DisallowUnknownField()); err != nil {
			return t, fmt.Errorf("app: %s: %w", name, err)
		}
	}
	if t.staff, err = fs.ReadFile(files, "demo/staff.csv"); err != nil {
		return t, err
	}
	if t.plan, err = fs.ReadFile(files, "demo/plan.yaml"); err != nil {
		return t, err
	}
	rows, _, err := identity.ParseCSV(t.staff)
	if err != nil {
		return t, err
	}
	staff := AudienceConfig{Slug: "staff", Kind: "staff", Name: "Beschäftigte"}
	for _, row := range rows {
		staff.Recipients = append(staff.Recipients, row.Person.Email)
	}
	t.config.Audiences = append(t.config.Audiences, staff)
	return t, nil
}

func (t demoTown) slugs() []string {
	out := make([]string, len(t.services))
	for i, s := range t.services {
		out[i] = s.Slug
	}
	return out
}

// email is the address of a person whom the data names by the part before @.
func (t demoTown) email(name string) string { return name + "@" + t.config.Town.Domains[0] }

func (t demoTown) service(position int, s demoService) service.Service {
	auto := service.Never
	if s.Public {
		auto = service.Checking
	}
	return service.Service{
		Slug: s.Slug, Name: s.Name, Article: s.Article, Short: s.Short, NameEN: s.EN, NameLS: s.LS, Public: s.Public,
		Owner: t.email(s.Owner), DependsOn: s.On, Audiences: s.To, AutoPublic: auto, Position: position, FirstSteps: s.Steps,
		Workaround: service.Workaround{Text: s.Workaround, Short: s.By, Deadline: s.Deadline},
		Provider:   service.Provider{Name: s.Provider, Hotline: s.Hotline, Contract: s.Contract, Hours: s.Hours},
	}
}

func (t demoTown) monitor(s demoService) monitor.Monitor {
	return monitor.Monitor{
		Slug: s.Slug, Name: s.Name, Service: s.Slug,
		Spec: monitor.Spec{
			Kind: monitor.HTTP, URL: "http://" + s.Slug + demoDomain + "/", Interval: monitor.Duration(s.Every),
			Timeout: monitor.Duration(demoTimeout), Confirm: 3, Expect: monitor.Expect{Body: "Willkommen"},
		},
	}
}

// settle fills fresh data with the town and its history. Data that holds
// services already is left as it is.
func (d *demo) settle(ctx context.Context, s Settings) error {
	c := &demoClock{}
	o := d.options(s)
	o.Clock = c
	a, err := New(ctx, o)
	if err != nil {
		return err
	}
	// Links in the mails of back then lead to where the console is today.
	a.staffAddr, a.publicAddr = s.Staff, s.Public
	return errors.Join(d.fill(ctx, a, c), a.Close())
}

func (d *demo) fill(ctx context.Context, a *App, c *demoClock) error {
	tale, err := d.town.tale(c.Now())
	if err != nil {
		return err
	}
	if len(tale) > 0 {
		c.set(tale[0].at.AddDate(0, 0, -7)) // the town was set up a week before
	}
	if err := a.Declare(ctx); err != nil {
		return err
	}
	if ctx, err = a.inTown(ctx); err != nil {
		return err
	}
	have, err := a.service.List(ctx)
	if err != nil || len(have) > 0 {
		return err
	}
	err = a.store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error { return d.town.furnish(ctx, a) })
	if err != nil {
		return err
	}
	return d.town.live(ctx, a, c, tale)
}

// furnish puts people, catalogue, checks and released texts into place.
func (t demoTown) furnish(ctx context.Context, a *App) error {
	if _, err := a.identity.Import(ctx, t.staff, true); err != nil {
		return fmt.Errorf("app: demo staff: %w", err)
	}
	for i, s := range t.services {
		// The file names what a service needs after the needed one, or before:
		// dependencies join when all are there.
		sv := t.service(i+1, s)
		sv.DependsOn = nil
		if err := a.service.Save(ctx, sv); err != nil {
			return fmt.Errorf("app: demo service %s: %w", s.Slug, err)
		}
	}
	for i, s := range t.services {
		if len(s.On) > 0 {
			if err := a.service.Save(ctx, t.service(i+1, s)); err != nil {
				return fmt.Errorf("app: demo service %s: %w", s.Slug, err)
			}
		}
		if err := a.monitor.Save(ctx, t.monitor(s)); err != nil {
			return fmt.Errorf("app: demo monitor %s: %w", s.Slug, err)
		}
	}
	if err := t.lay(ctx, a); err != nil {
		return err
	}
	approver, err := a.as(ctx, t.email("petra.presse"))
	if err != nil {
		return err
	}
	_, err = a.publish.ReleaseTexts(approver, template.Holding)
	return err
}

// as lets a person of the town act.
func (a *App) as(ctx context.Context, email string) (context.Context, error) {
	p, err := a.identity.PersonByEmail(ctx, email)
	if err != nil {
		return nil, fmt.Errorf("app: demo person %s: %w", email, err)
	}
	actor := ident.Actor{Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name}
	for _, r := range p.Roles {
		actor.Roles = append(actor.Roles, string(r))
	}
	return ident.WithActor(ctx, actor), nil
}

// facts are the answers of a step in the form that the API takes.
func (a *App) facts(ctx context.Context, in map[string]string) (template.Facts, error) {
	raw := map[string]json.RawMessage{}
	for k, v := range in {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		raw[k] = text
	}
	return publish.ParseFacts(raw, a.o.Clock.Now(), a.townLocale(ctx).Zone)
}
