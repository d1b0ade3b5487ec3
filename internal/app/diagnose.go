package app

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/identity"
)

// The diagnosis bundle is for whoever helps from outside. It is put together from
// what is known to name nobody, figures and words of the program, and never by
// taking something away from data.

// diagnosed is the overview of a bundle.
type diagnosed struct {
	Version  string            `json:"version"`
	Made     string            `json:"made"`
	Go       string            `json:"go"`
	System   string            `json:"system"`
	CPUs     int               `json:"cpus"`
	Serving  bool              `json:"serving"` // made by the process that serves
	Build    map[string]string `json:"build"`
	Database store.Figures     `json:"database"`
	Memory   map[string]uint64 `json:"memory"`
	Routines int               `json:"goroutines"`
	Monitors map[string]int    `json:"monitors"`
	Towns    int               `json:"towns"`
}

// shape is a configuration without a word of its own: what is set, how often, and
// what comes from a closed list.
type shape struct {
	Declared  bool           `json:"declared"`
	Land      string         `json:"land,omitempty"`
	Zone      string         `json:"zone,omitempty"`
	Language  string         `json:"language,omitempty"`
	Domains   int            `json:"domains"`
	Networks  int            `json:"networks"`
	StaffURL  string         `json:"staff_url,omitempty"` // its scheme alone
	PublicURL string         `json:"public_url,omitempty"`
	SMTP      []string       `json:"smtp"` // TLS mode and port
	Roles     map[string]int `json:"roles"`
	Services  int            `json:"services"`
	Public    int            `json:"public_services"`
	Monitors  int            `json:"monitors"`
	Audiences map[string]int `json:"audiences"`
	Webhooks  int            `json:"webhooks"`
	SignOn    bool           `json:"sign_on"`
	Results   int            `json:"history_results_days"`
	Figures   int            `json:"history_figures_days"`
	Postgres  bool           `json:"postgres"`
}

func scheme(u string) string { s, _, _ := strings.Cut(u, "://"); return s }

func shapeOf(c *Config) shape {
	s := shape{
		Declared: c.Town.Slug != "", Land: c.Town.Land, Zone: c.Town.Timezone, Language: c.Town.Language,
		Domains: len(c.Town.Domains), Networks: len(c.Town.Networks), StaffURL: scheme(c.URLs.Staff), PublicURL: scheme(c.URLs.Public),
		SMTP: []string{}, Roles: map[string]int{}, Services: len(c.Services), Monitors: len(c.Monitors), Audiences: map[string]int{},
		Webhooks: len(c.Webhooks), SignOn: c.SignIn.OIDC.Issuer != "", Results: c.History.Results, Figures: c.History.Figures, Postgres: c.Database != "",
	}
	for _, m := range c.SMTP {
		s.SMTP = append(s.SMTP, fmt.Sprintf("%s %d", m.TLS, m.Port))
	}
	for _, p := range c.People {
		for _, r := range p.Roles {
			s.Roles[r]++
		}
	}
	for _, x := range c.Services {
		if x.Public {
			s.Public++
		}
	}
	for _, x := range c.Audiences {
		s.Audiences[x.Kind] += len(x.Recipients)
	}
	return s
}

// Diagnose makes the bundle for the install; whoever calls it has asked whether
// the actor may.
func (a *App) Diagnose(ctx context.Context, s Settings) ([]byte, error) {
	overview, err := a.diagnosed(ctx)
	if err != nil {
		return nil, err
	}
	shapes := []shape{}
	for _, c := range a.configs() {
		shapes = append(shapes, shapeOf(c))
	}
	checks, err := a.checkKeys(ctx, s)
	if err != nil {
		checks = map[string]int{"app.check_failed": 1}
	}
	known, err := a.knownWords(ctx)
	if err != nil {
		return nil, err
	}
	errs := a.recent.kept.last()
	for i := range errs {
		errs[i].Error = known.without(errs[i].Error)
		errs[i].Message = known.without(errs[i].Message)
	}
	var routines bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&routines, 1); err != nil {
		return nil, fmt.Errorf("app: diagnose: %w", err)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	put := func(name string, content []byte) error {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: a.o.Clock.Now().UTC()})
		if err == nil {
			_, err = w.Write(content)
		}
		return err
	}
	for _, f := range []struct {
		name string
		v    any
	}{{"overview.json", overview}, {"config.json", shapes}, {"check.json", checks}, {"errors.json", errs}} {
		raw, err := json.MarshalIndent(f.v, "", "  ")
		if err == nil {
			err = put(f.name, raw)
		}
		if err != nil {
			return nil, fmt.Errorf("app: diagnose: %w", err)
		}
	}
	for name, text := range map[string][]byte{
		"goroutines.txt": addresses.ReplaceAll(routines.Bytes(), []byte("0x…")),
		"README.txt":     []byte(a.catalog.Text(s.Lang, "app.diagnose_readme")),
	} {
		if err := put(name, text); err != nil {
			return nil, fmt.Errorf("app: diagnose: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("app: diagnose: %w", err)
	}
	return out.Bytes(), nil
}

// diagnoseHere is the bundle for somebody at the console. It counts over all towns
// of the install, so where there are several only the operator's command makes it.
func (a *App) diagnoseHere(ctx context.Context) ([]byte, error) {
	if !ident.ActorOf(ctx).Has(string(identity.RoleAdmin)) {
		return nil, fault.New(fault.Forbidden, "app.diagnose_forbidden")
	}
	towns, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return nil, err
	}
	if len(towns) > 1 {
		return nil, fault.New(fault.Forbidden, "app.diagnose_command")
	}
	return a.Diagnose(ctx, Settings{Lang: i18n.Of(ctx).Lang})
}

// addresses of memory say nothing to a helper.
var addresses = regexp.MustCompile(`0x[0-9a-f]+`)

func (a *App) diagnosed(ctx context.Context) (d diagnosed, err error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	d = diagnosed{
		Version: a.o.Version, Made: a.o.Clock.Now().UTC().Format("2006-01-02T15:04Z"), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH,
		CPUs: runtime.NumCPU(), Serving: a.o.Serve, Build: map[string]string{}, Routines: runtime.NumGoroutine(), Monitors: map[string]int{},
		Memory: map[string]uint64{"heap": m.HeapAlloc, "heap_objects": m.HeapObjects, "from_system": m.Sys, "collections": uint64(m.NumGC)},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if slices.Contains([]string{"vcs.revision", "vcs.time", "vcs.modified", "CGO_ENABLED", "-trimpath"}, s.Key) {
				d.Build[s.Key] = s.Value
			}
		}
	}
	for state, n := range a.monitor.EngineStats().States {
		d.Monitors[string(state)] = n
	}
	towns, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return d, err
	}
	d.Towns = len(towns)
	d.Database, err = a.store.Figures(ctx)
	return d, err
}

// checkKeys is the self-check as counts of what was found, without about whom.
func (a *App) checkKeys(ctx context.Context, s Settings) (map[string]int, error) {
	out := map[string]int{}
	findings, err := a.identity.Findings(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range findings {
		out[f.Key()]++
	}
	papers, err := a.papers.Findings(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range papers {
		out[f.Key]++
	}
	for _, w := range s.Warnings {
		out[w.Text]++
	}
	return out, nil
}

// words are names that occur in the data; none of them leaves in an error, even
// where it is written small.
type words map[string]bool

func (w words) add(texts ...string) {
	for _, t := range texts {
		for _, part := range strings.FieldsFunc(strings.ToLower(t), func(r rune) bool { return strings.ContainsRune(" @.,;:/_()-", r) }) {
			if len(part) > 2 {
				w[part] = true
			}
		}
	}
}

func (w words) without(text string) string {
	parts := strings.Fields(text)
	for i, p := range parts {
		if w[strings.Trim(strings.ToLower(p), "([:;,.)]")] {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, " ")
}

func (a *App) knownWords(ctx context.Context) (words, error) {
	out := words{}
	towns, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return nil, err
	}
	for _, t := range towns {
		out.add(t.Name, t.Slug)
		out.add(t.Hosts...)
		out.add(t.Domains...)
		in := ident.WithTenant(ident.WithActor(ctx, ident.System), t.ID)
		people, err := a.identity.People(in, identity.Filter{})
		if err != nil {
			return nil, err
		}
		for _, p := range people {
			out.add(p.Name, p.Email, p.Alternative, p.OrgUnit)
		}
		services, err := a.service.List(in)
		if err != nil {
			return nil, err
		}
		for _, x := range services {
			out.add(x.Name, x.Slug)
		}
		monitors, err := a.monitor.List(in, monitor.Filter{})
		if err != nil {
			return nil, err
		}
		for _, x := range monitors {
			out.add(x.Name, x.Slug)
		}
		audiences, err := a.plan.Audiences(in)
		if err != nil {
			return nil, err
		}
		for _, x := range audiences {
			out.add(x.Name)
			out.add(x.Recipients...)
		}
	}
	return out, nil
}

// Diagnose writes the bundle into a file that does not exist yet.
func (Commands) Diagnose(ctx context.Context, s Settings, file string) error {
	return once(ctx, s, func(ctx context.Context, a *App) error {
		raw, err := a.Diagnose(ctx, s)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("app: diagnose: %w", err)
		}
		_, err = io.Copy(f, bytes.NewReader(raw))
		if errClose := f.Close(); err == nil {
			err = errClose
		}
		return err
	})
}
