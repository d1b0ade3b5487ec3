package statuspage

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"slices"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/i18n"
)

// The shapes below are those of Atlassian Statuspage's status API, version 2
// (https://metastatuspage.com/api), which many dashboards read. Words are in the
// town's own language.

type apiPage struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	URL       string    `json:"url"`
	TimeZone  string    `json:"time_zone"`
	UpdatedAt time.Time `json:"updated_at"`
}

type apiStatus struct {
	Indicator   string `json:"indicator"` // none, minor, major, critical, maintenance
	Description string `json:"description"`
}

type apiComponent struct {
	ID                 string    `json:"id"`
	Name               string    `json:"name"`
	Status             string    `json:"status"`
	CreatedAt          time.Time `json:"created_at"`
	UpdatedAt          time.Time `json:"updated_at"`
	Position           int       `json:"position"`
	Description        *string   `json:"description"`
	Showcase           bool      `json:"showcase"`
	StartDate          *string   `json:"start_date"`
	GroupID            *string   `json:"group_id"`
	PageID             string    `json:"page_id"`
	Group              bool      `json:"group"`
	OnlyShowIfDegraded bool      `json:"only_show_if_degraded"`
}

type apiIncident struct {
	ID           string         `json:"id"`
	Name         string         `json:"name"`
	Status       string         `json:"status"`
	CreatedAt    time.Time      `json:"created_at"`
	UpdatedAt    time.Time      `json:"updated_at"`
	MonitoringAt *time.Time     `json:"monitoring_at"`
	ResolvedAt   *time.Time     `json:"resolved_at"`
	Impact       string         `json:"impact"`
	Shortlink    string         `json:"shortlink"`
	StartedAt    time.Time      `json:"started_at"`
	PageID       string         `json:"page_id"`
	Updates      []apiUpdate    `json:"incident_updates"`
	Components   []apiComponent `json:"components"`
}

type apiUpdate struct {
	ID         string    `json:"id"`
	Status     string    `json:"status"`
	Body       string    `json:"body"`
	IncidentID string    `json:"incident_id"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	DisplayAt  time.Time `json:"display_at"`
}

type apiSummary struct {
	Page        apiPage          `json:"page"`
	Components  []apiComponent   `json:"components"`
	Incidents   []apiIncident    `json:"incidents"`
	Maintenance []apiMaintenance `json:"scheduled_maintenances"`
	Status      apiStatus        `json:"status"`
}

// componentStatus says a state in the words of other programs.
func componentStatus(s State) string {
	switch s {
	case Down:
		return "major_outage"
	case Degraded:
		return "partial_outage"
	case Checking:
		return "degraded_performance"
	case Maintenance:
		return "under_maintenance"
	default:
		return "operational"
	}
}

// indicator says how bad it is altogether: the worst of services and open
// incidents.
func (m *model) indicator() string {
	order := []string{"none", "maintenance", "minor", "major", "critical"}
	out := 0
	raise := func(s string) { out = max(out, slices.Index(order, s)) }
	down := 0
	for _, c := range m.Components {
		switch c.State {
		case Down:
			down++
			raise("major")
		case Degraded, Checking:
			raise("minor")
		case Maintenance:
			raise("maintenance")
		case Operational:
		}
	}
	if down > 1 && down == len(m.Components) {
		raise("critical")
	}
	for _, s := range m.Incidents {
		if s.Open && s.Impact != incident.None && !s.planned() {
			raise(string(s.Impact))
		}
	}
	return order[out]
}

// updateStatus is the phase in which a message was written, as far as its kind
// tells; the newest one has the incident's own.
func updateStatus(s story, m message, newest bool) string {
	switch {
	case lastWords(m.Kind):
		return string(incident.Resolved)
	case newest:
		return string(s.Status)
	case m.Kind == template.Update || m.Kind == template.ETAChange:
		return string(incident.PublicIdentified)
	default:
		return string(incident.Investigating)
	}
}

// machines puts up everything for programs.
func (b *builder) machines(m *model, zone *time.Location) {
	if b.same {
		return // taken over with the pages
	}
	v := &view{m: m, now: b.now, lang: m.home(), loc: i18n.Locale{Catalog: b.r.o.Catalog, Lang: m.home(), Zone: zone, Now: b.now}}
	page := apiPage{ID: string(m.Town.ID), Name: m.Town.Name, URL: m.Town.URL, TimeZone: zone.String(), UpdatedAt: m.changed()}
	status := apiStatus{Indicator: m.indicator(), Description: v.say()}
	components := make([]apiComponent, 0, len(m.Components))
	bySlug := map[string]apiComponent{}
	for i, c := range m.Components {
		name, _ := v.name(c)
		out := apiComponent{
			ID: c.Slug, Name: name, Status: componentStatus(c.State), CreatedAt: c.Changed, UpdatedAt: c.Changed,
			Position: i + 1, PageID: page.ID,
		}
		components = append(components, out)
		bySlug[c.Slug] = out
	}
	open, all := []apiIncident{}, []apiIncident{}
	works := map[string][]apiMaintenance{"": {}, workScheduled: {}, workOngoing: {}}
	for _, s := range m.Incidents {
		if s.planned() {
			w := v.maintenance(s, bySlug)
			if len(works[""]) < maxEntries {
				works[""] = append(works[""], w)
			}
			switch w.Status {
			case workOngoing, workVerifying:
				works[workOngoing] = append(works[workOngoing], w)
			case workScheduled:
				works[workScheduled] = append(works[workScheduled], w)
			}
			continue
		}
		in := v.incident(s, bySlug)
		if !s.resolved() {
			open = append(open, in)
		}
		if len(all) < maxEntries {
			all = append(all, in)
		}
	}
	type withStatus struct {
		Page   apiPage   `json:"page"`
		Status apiStatus `json:"status"`
	}
	type withComponents struct {
		Page       apiPage        `json:"page"`
		Components []apiComponent `json:"components"`
	}
	type withIncidents struct {
		Page      apiPage       `json:"page"`
		Incidents []apiIncident `json:"incidents"`
	}
	type withMaintenances struct {
		Page         apiPage          `json:"page"`
		Maintenances []apiMaintenance `json:"scheduled_maintenances"`
	}
	current := slices.Concat(works[workOngoing], works[workScheduled])
	b.json("/api/v2/summary.json", apiSummary{Page: page, Components: components, Incidents: open, Maintenance: append([]apiMaintenance{}, current...), Status: status})
	b.json("/api/v2/scheduled-maintenances.json", withMaintenances{page, works[""]})
	b.json("/api/v2/scheduled-maintenances/upcoming.json", withMaintenances{page, works[workScheduled]})
	b.json("/api/v2/scheduled-maintenances/active.json", withMaintenances{page, works[workOngoing]})
	b.json("/api/v2/status.json", withStatus{page, status})
	b.json("/api/v2/components.json", withComponents{page, components})
	b.json("/api/v2/incidents.json", withIncidents{page, all})
	b.json("/api/v2/incidents/unresolved.json", withIncidents{page, open})
	b.alerts(v)
	b.robots(m)
	b.sitemap(m)
}

func (v *view) incident(s story, components map[string]apiComponent) apiIncident {
	current := s.current()
	first := s.first()
	title, _ := v.text(first)
	in := apiIncident{
		ID: string(s.ID), Name: title.Title, Status: string(s.Status), Impact: string(s.Impact), PageID: string(v.m.Town.ID),
		CreatedAt: first.FirstAt, StartedAt: first.FirstAt, UpdatedAt: s.latest(), Shortlink: v.abs(s.path()),
		Updates: make([]apiUpdate, 0, len(current)), Components: []apiComponent{},
	}
	if !s.Since.IsZero() {
		in.StartedAt = s.Since
	}
	if s.resolved() {
		at := s.latest()
		if !s.Restored.IsZero() {
			at = s.Restored
		}
		in.ResolvedAt = &at
	}
	for i, m := range current {
		w, _ := v.text(m)
		in.Updates = append(in.Updates, apiUpdate{
			ID: string(m.Root), Status: updateStatus(s, m, i == 0), Body: w.Body, IncidentID: string(s.ID),
			CreatedAt: m.FirstAt, UpdatedAt: m.At, DisplayAt: m.FirstAt,
		})
	}
	for _, slug := range s.Services {
		if c, ok := components[slug]; ok {
			in.Components = append(in.Components, c)
		}
	}
	return in
}

func (b *builder) json(address string, v any) {
	body, err := json.Marshal(v)
	b.raw(address, "application/json; charset=utf-8", append(body, '\n'), err)
}

func (b *builder) robots(m *model) {
	text := "User-agent: *\nAllow: /\n"
	if m.Town.URL != "" {
		text += "Sitemap: " + m.Town.URL + "/sitemap.xml\n"
	}
	b.raw("/robots.txt", "text/plain; charset=utf-8", []byte(text), nil)
}

// sitemap lists what should be found; it needs full addresses.
func (b *builder) sitemap(m *model) {
	if m.Town.URL == "" {
		return
	}
	out := sitemap{}
	for _, l := range i18n.Langs() {
		add := func(path string, at time.Time) {
			out.URLs = append(out.URLs, sitemapURL{Loc: m.Town.URL + m.href(l, path), LastMod: stamp(at)})
		}
		add("", m.changed())
		add("archiv", m.changed())
		for _, s := range m.Incidents {
			add(s.path(), s.latest())
		}
	}
	body, err := xml.MarshalIndent(out, "", " ")
	b.raw("/sitemap.xml", "application/xml; charset=utf-8", append([]byte(xml.Header), body...), err)
}

// builtIn answers before the first build.
func builtIn() *Document {
	const text = `<!DOCTYPE html><html lang="de"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Gleich wieder da</title></head>` +
		`<body><main><h1>Diese Seite ist gleich wieder da.</h1><p>Bitte laden Sie sie in einer Minute neu.</p><p lang="en">This page will be back in a minute. Please reload it then.</p></main></body></html>`
	return plain(http.StatusServiceUnavailable, text)
}

// nobody answers for a host name that no town has.
func nobody() *Document {
	const text = `<!DOCTYPE html><html lang="de"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Unbekannte Adresse</title></head>` +
		`<body><main><h1>Unter dieser Adresse gibt es keine Seite.</h1><p>Bitte prüfen Sie die Adresse.</p><p lang="en">There is no page at this address. Please check it.</p></main></body></html>`
	return plain(http.StatusNotFound, text)
}

func plain(status int, text string) *Document {
	d, err := newDocument(nil, status, "text/html; charset=utf-8", []byte(text), time.Unix(0, 0).UTC())
	if err != nil {
		panic(err) // compressing into memory does not fail
	}
	d.cache = []string{"no-store"}
	return d
}
