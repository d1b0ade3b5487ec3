package statuspage

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// How far the page looks back.
const (
	// archiveFor is what "Frühere Störungen" lists.
	archiveFor = 90 * 24 * time.Hour
	// reachableFor is how long fixed links of messages answer.
	reachableFor = 366 * 24 * time.Hour
	// afterwards is how long the page still shows that something works again.
	afterwards = 24 * time.Hour
	// maxStatements bounds what one tenant may hold in memory.
	maxStatements = 2000
)

// model is everything public about one tenant and nothing else: it lies on disk
// as it is. Nothing in it depends on the present moment but Read.
type model struct {
	Town town
	Read time.Time // when the rooms were asked
	// Old says that they could not be asked since, and the page must say so.
	Old        bool `json:",omitzero"`
	Components []component
	Incidents  []story // by their first message, newest first
	Legal      []legal `json:",omitempty"`
	// Reports: citizens can report outages on a form of this page.
	Reports bool `json:",omitzero"`
}

// town is what the page says about the tenant.
type town struct {
	ID       ident.Tenant
	Name     string
	Hosts    []string
	Zone     string
	Language string
	URL      string // of the public page, without a slash at the end
}

// component is a public service, without what is for colleagues.
type component struct {
	Slug    string
	Name    string
	NameEN  string
	State   State
	Changed time.Time // when the state became what it is, as far as we saw
	// What people can do instead; Until is its end, zero: none.
	Instead   string
	InsteadEN string
	Hours     string
	Deadline  string
	Until     time.Time
}

// story is one public incident as told by its messages.
type story struct {
	ID       incident.ID
	Open     bool // people wait for news
	Status   incident.Public
	Impact   incident.Impact
	Services []string  // slugs of public services
	Since    time.Time // zero: unknown
	Restored time.Time // zero: not yet
	// Next is the promised time of the next message, as announced in public.
	Next     time.Time
	Messages []message // newest first; versions that were corrected come after
	// ETAs are the estimates that were told, oldest first; Promises what the town
	// has promised in public.
	ETAs     []publish.ETA `json:",omitempty"`
	Promises []promised    `json:",omitempty"`
}

// message is one published statement, or one version of it.
type message struct {
	ID   publish.ID
	Root publish.ID // the first version
	Kind template.Kind
	At   time.Time // when this version was published
	// FirstAt is when the first version was.
	FirstAt     time.Time
	Version     int
	Corrects    publish.ID
	CorrectedBy publish.ID
	Correction  string
	Words       map[template.Language]words
	Alert       alerted `json:",omitzero"`
	// When planned work begins and ends, as the words say it.
	Begins time.Time `json:",omitzero"`
	Ends   time.Time `json:",omitzero"`
}

// words are one variant, exactly as published.
type words struct {
	Title    string
	Body     string
	Audience string
	Next     time.Time       `json:",omitzero"`
	Review   template.Review `json:",omitempty"`
	// What CAP says where a text of its own is prepared; else the page's words.
	Headline    string `json:",omitempty"`
	Description string `json:",omitempty"`
	Instruction string `json:",omitempty"`
}

// current are the messages that hold, newest first; every story has one.
func (s story) current() []message {
	return slices.DeleteFunc(slices.Clone(s.Messages), func(m message) bool { return m.CorrectedBy != "" })
}

// news is the newest message that says how things stand; one about something
// beside it, such as an answer to one person, neither reopens nor displaces it.
func (s story) news() message {
	all := s.current()
	if i := slices.IndexFunc(all, func(m message) bool { return m.Kind.TellsState() }); i >= 0 {
		return all[i]
	}
	return all[0]
}

// first is the message whose address the whole story has.
func (s story) first() message {
	return slices.MinFunc(s.Messages, func(a, b message) int {
		return cmp.Or(a.FirstAt.Compare(b.FirstAt), cmp.Compare(a.Version, b.Version), cmp.Compare(a.ID, b.ID))
	})
}

// path is the address of the story without language; version is that of a
// corrected version of m, whose plain address may belong to the story.
func (s story) path() string { return "m/" + string(s.first().ID) }

func (s story) version(id publish.ID) string {
	if id == s.first().ID {
		return s.path() + "/1"
	}
	return "m/" + string(id)
}

func townOf(t identity.Tenant) town {
	return town{
		ID: t.ID, Name: t.Name, Hosts: t.Hosts, Zone: t.Zone, Language: t.Language, URL: strings.TrimRight(t.PublicURL, "/"),
	}
}

// said remembers published words, which never change (I5), so that each is read
// from the database once. A statement without public words has an empty entry.
type said map[publish.ID]map[template.Language]words

// read asks the rooms for everything public about the tenant in ctx. Before is
// the model until now (nil: none), for the moments of change.
func (r *Room) read(ctx context.Context, t identity.Tenant, before *model, cache said, now time.Time) (*model, error) {
	m := &model{Town: townOf(t), Read: now, Reports: r.guests[ReportElement] != nil}
	incidents, err := r.incidents(ctx, now)
	if err != nil {
		return nil, err
	}
	services, err := r.o.Services.List(ctx)
	if err != nil {
		return nil, err
	}
	if m.Incidents, err = r.stories(ctx, incidents, services, cache, now); err != nil {
		return nil, err
	}
	all, err := r.components(ctx, services, m.Incidents, incidents)
	if err != nil {
		return nil, err
	}
	m.Components = make([]component, 0, len(all))
	for _, c := range all {
		m.Components = append(m.Components, publicOf(c, before, now))
	}
	m.Legal = r.legalOf(ctx, before)
	return m, nil
}

func publicOf(c Component, before *model, now time.Time) component {
	w := c.Service.Workaround
	out := component{
		Slug: c.Service.Slug, Name: c.Service.Name, NameEN: c.Service.NameEN, State: c.State, Changed: now,
		Instead: w.Text, InsteadEN: w.TextEN, Hours: w.Hours, Deadline: w.Deadline, Until: w.ValidUntil,
	}
	if before != nil {
		for _, old := range before.Components {
			if old.Slug == out.Slug && old.State == out.State {
				out.Changed = old.Changed
			}
		}
	}
	return out
}

// incidents are those that the public may know of at all: real and not private
// (I17). Whatever is missing here is shown nowhere.
func (r *Room) incidents(ctx context.Context, now time.Time) (map[incident.ID]incident.Incident, error) {
	out := map[incident.ID]incident.Incident{}
	f := incident.Filter{Realm: incident.Live, From: now.Add(-reachableFor), Limit: 1000}
	for {
		list, err := r.o.Incidents.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, in := range list {
			if in.Realm == incident.Live && !in.Private {
				out[in.ID] = in
			}
		}
		if len(list) < f.Limit {
			return out, nil
		}
		f.After = list[len(list)-1].ID
	}
}

// stories are the published statements by incident.
func (r *Room) stories(ctx context.Context, incidents map[incident.ID]incident.Incident, services []service.Service, cache said, now time.Time) ([]story, error) {
	published, err := r.published(ctx, now)
	if err != nil {
		return nil, err
	}
	promises, err := r.o.Statements.Due(ctx)
	if err != nil {
		return nil, err
	}
	public := map[string]bool{}
	for _, sv := range services {
		public[sv.Slug] = sv.Public
	}
	byIncident := map[incident.ID][]message{}
	seen := map[publish.ID]bool{}
	roots := rootsOf(published)
	for _, s := range published {
		seen[s.ID] = true
		if _, known := incidents[s.Incident]; !known || s.Realm != incident.Live {
			continue
		}
		text, err := r.words(ctx, s.ID, cache)
		if err != nil {
			return nil, err
		}
		if len(text) == 0 {
			continue
		}
		root := roots[s.ID]
		begins, ends := spanOf(s)
		byIncident[s.Incident] = append(byIncident[s.Incident], message{
			ID: s.ID, Root: root.ID, Kind: s.Kind, At: s.PublishedAt, FirstAt: root.PublishedAt,
			Version: s.Version, Corrects: s.Corrects, CorrectedBy: s.CorrectedBy, Correction: s.Correction, Words: text,
			Alert:  alertedOf(s),
			Begins: begins, Ends: ends,
		})
	}
	for id := range cache {
		if !seen[id] {
			delete(cache, id)
		}
	}
	kept, err := r.commitments(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]story, 0, len(byIncident))
	for id, messages := range byIncident {
		s := tell(incidents[id], messages, promises, public)
		s.ETAs, s.Promises = estimates(published, messages), kept[id]
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b story) int {
		return cmp.Or(b.first().FirstAt.Compare(a.first().FirstAt), cmp.Compare(b.ID, a.ID))
	})
	return out, nil
}

// published lists what was published within reach, newest first.
func (r *Room) published(ctx context.Context, now time.Time) ([]publish.Statement, error) {
	var out []publish.Statement
	f := publish.Filter{States: []publish.State{publish.StatePublished}, Limit: 1000}
	for len(out) < maxStatements {
		list, err := r.o.Statements.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			if s.State == publish.StatePublished && now.Sub(s.PublishedAt) < reachableFor {
				out = append(out, s)
			}
		}
		if len(list) < f.Limit || now.Sub(list[len(list)-1].CreatedAt) > reachableFor {
			break
		}
		f.After = list[len(list)-1].ID
	}
	return out, nil
}

// rootsOf finds the first version of every statement. When it is out of reach,
// the oldest that is left stands for it.
func rootsOf(list []publish.Statement) map[publish.ID]publish.Statement {
	byID := make(map[publish.ID]publish.Statement, len(list))
	for _, s := range list {
		byID[s.ID] = s
	}
	out := make(map[publish.ID]publish.Statement, len(list))
	for _, s := range list {
		root := s
		for range list { // bounded, should the chain ever bite its tail
			older, ok := byID[root.Corrects]
			if !ok {
				break
			}
			root = older
		}
		out[s.ID] = root
	}
	return out
}

// words are the public page variants of a statement by language; those for
// citizens win over those for press.
func (r *Room) words(ctx context.Context, id publish.ID, cache said) (map[template.Language]words, error) {
	if text, ok := cache[id]; ok {
		return text, nil
	}
	all, err := r.o.Statements.Variants(ctx, id)
	if err != nil {
		return nil, err
	}
	out := map[template.Language]words{}
	for _, kind := range []template.AudienceKind{template.Citizens, template.Press} {
		for _, v := range all {
			if _, taken := out[v.Language]; taken || !v.Public() || v.Format != template.Page || string(v.Kind) != string(kind) {
				continue
			}
			out[v.Language] = words{Title: v.Title, Body: v.Body, Audience: v.Audience, Next: v.Next, Review: v.Review}
		}
	}
	withAlert(out, all)
	cache[id] = out
	return out, nil
}

// tell makes one story.
func tell(in incident.Incident, messages []message, promises []publish.Promise, public map[string]bool) story {
	// A correction that the public cannot read corrects nothing in public.
	for i, m := range messages {
		if !slices.ContainsFunc(messages, func(o message) bool { return o.ID == m.CorrectedBy }) {
			messages[i].CorrectedBy = ""
		}
	}
	slices.SortFunc(messages, func(a, b message) int {
		return cmp.Or(b.FirstAt.Compare(a.FirstAt), cmp.Compare(b.Root, a.Root), cmp.Compare(b.Version, a.Version), cmp.Compare(b.ID, a.ID))
	})
	s := story{
		ID: in.ID, Impact: in.Impact(), Since: in.Since, Restored: in.RestoredAt, Messages: messages,
		Services: slices.DeleteFunc(slices.Clone(in.Services), func(slug string) bool { return !public[slug] }),
	}
	newest := s.news()
	s.Open = in.Phase.Active() && !lastWords(newest.Kind)
	switch status, ok := in.Phase.Public(); {
	case !s.Open && status == incident.Postmortem:
		s.Status = incident.Postmortem
	case !s.Open:
		s.Status = incident.Resolved
	case ok:
		s.Status = status
	default: // told before it was certain
		s.Status = incident.Investigating
	}
	// A time is late only if it was announced: the newest words name one.
	for _, w := range newest.Words {
		if w.Next.IsZero() {
			continue
		}
		for _, p := range promises {
			if p.Incident == in.ID && p.Audience == w.Audience && (s.Next.IsZero() || p.Due.Before(s.Next)) {
				s.Next = p.Due
			}
		}
	}
	return s
}

// lastWords reports whether a message of kind k says that it is over.
func lastWords(k template.Kind) bool {
	return k == template.Recovery || k == template.Closing || k == template.AllClear || k == template.Report || k == template.MaintenanceEnded || k == template.ExerciseEnded
}

// components decides the state of every public service.
func (r *Room) components(ctx context.Context, services []service.Service, stories []story, incidents map[incident.ID]incident.Incident) ([]Component, error) {
	troubles, err := r.o.Signals.Troubles(ctx)
	if err != nil {
		return nil, err
	}
	holds, err := r.holds(ctx)
	if err != nil {
		return nil, err
	}
	suspected := map[string]bool{}
	if r.o.Suspected != nil {
		slugs, err := r.o.Suspected(ctx)
		if err != nil {
			return nil, err
		}
		for _, slug := range slugs {
			suspected[slug] = true
		}
	}
	firing := map[string]bool{}
	for _, s := range troubles {
		if Counts(s) {
			firing[s.Service] = true
		}
	}
	limited, unclear, err := r.impaired(ctx)
	if err != nil {
		return nil, err
	}
	out := []Component{}
	for _, sv := range services {
		if !sv.Public {
			continue
		}
		k := Known{Auto: sv.Auto(), Suspected: suspected[sv.Slug], Firing: firing[sv.Slug], Limited: limited[sv.Slug], Unclear: unclear[sv.Slug]}
		for _, s := range stories {
			if s.Open && slices.Contains(s.Services, sv.Slug) && !overtaken(sv, k, incidents[s.ID]) {
				k.Said = worst(cmp.Or(k.Said, Operational), s.says())
			}
		}
		c := Component{Service: sv, Firing: k.Firing, Suspected: k.Suspected}
		c.Without, c.Source = Decide(k)
		c.State = c.Without
		if h, ok := holds[sv.Slug]; ok {
			k.Held, c.Hold = h.State, &h
			c.State, c.Source = Decide(k)
		}
		out = append(out, c)
	}
	return out, nil
}

// impaired asks which services answer badly or cannot be reached.
func (r *Room) impaired(ctx context.Context) (limited, unclear map[string]bool, err error) {
	if r.o.Impaired == nil {
		return nil, nil, nil
	}
	return r.o.Impaired(ctx)
}

// overtaken: everything that raised the incident is over by now, so the service
// follows its monitors again although nobody has written the recovery yet. A
// service that a person decides about alone stays as the words say.
func overtaken(sv service.Service, k Known, in incident.Incident) bool {
	return sv.Auto() != service.Never && !k.Suspected && !k.Firing && !k.Limited && !k.Unclear && in.Quiet()
}
