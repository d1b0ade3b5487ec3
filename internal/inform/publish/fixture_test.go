package publish

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
	"tuermer/internal/town/vault"
)

// handClock is moved by the test.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return clock.Cut(c.now)
}

func (c *handClock) pass(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
}

// town is the world around the room: what the earlier rooms would answer, per
// tenant where a test needs two.
type town struct {
	mu        sync.Mutex
	incidents map[incident.ID]incident.Incident
	facts     map[incident.ID][]incident.Fact
	notes     map[incident.ID][]string
	services  map[string]service.Service
	plan      []plan.Audience
	people    []identity.Person
	mails     []channel.Message
	audits    []audit.Entry
	refused   map[string]string
	speak     []staff.Speaker
	tasks     map[incident.ID][]incident.Task
	tested    map[string]plan.Tested
	chats     []Chat
	// deliver answers a bulk message; nil accepts.
	deliver func(m channel.Message) error
	sent    []channel.Message
	batches int
	now     func() time.Time
}

func newTown() *town {
	list := func(n int, domain string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf("%c%d@%s", 'a'+i%26, i, domain)
		}
		return out
	}
	return &town{
		incidents: map[incident.ID]incident.Incident{}, facts: map[incident.ID][]incident.Fact{}, notes: map[incident.ID][]string{},
		services: map[string]service.Service{
			"portal": {
				Slug: "portal", Name: "Bürgerportal", Article: "das", Short: "Bürgerportal", NameEN: "the citizens' portal", Public: true,
				Audiences:  []string{"citizens", "staff"},
				Workaround: service.Workaround{Text: "Telefon 0611 000", TextEN: "telephone 0611 000", Short: "Tel. 0611 000"},
			},
			"mail": {Slug: "mail", Name: "E-Mail", NameEN: "e-mail", Audiences: []string{"staff"}},
		},
		plan: []plan.Audience{
			{Slug: "citizens", Kind: plan.Citizens, Name: "Bürgerinnen und Bürger", Recipients: list(5, "example.org")},
			{Slug: "press", Kind: plan.Press, Name: "Presse", Recipients: list(2, "zeitung.example")},
			{Slug: "staff", Kind: plan.Staff, Name: "Beschäftigte", Recipients: []string{"Alle@musterstadt.example"}, Owner: "ada@musterstadt.example"},
			{Slug: "leadership", Kind: plan.Leadership, Name: "Leitung", Recipients: []string{"bm@musterstadt.example"}},
		},
		people: []identity.Person{
			{ID: "ada", Name: "Ada Beispiel", Email: "ada@musterstadt.example", Alternative: "ada@posteo.example", Roles: []identity.Role{identity.RoleIT, identity.RolePublisher}},
			{ID: "bert", Name: "Bert Kern", Email: "bert@musterstadt.example", Roles: []identity.Role{identity.RoleAdmin, identity.RoleApprover}},
			{ID: "cleo", Name: "Cleo Amt", Email: "cleo@musterstadt.example", Roles: []identity.Role{identity.RoleApprover, identity.RolePublisher}, Language: "en"},
			{ID: "dirk", Name: "Dirk Wache", Email: "dirk@musterstadt.example", Roles: []identity.Role{identity.RoleIT}},
			{ID: "eva", Name: "Eva Leserin", Email: "eva@musterstadt.example", Roles: []identity.Role{identity.RoleReader}},
		},
		refused: map[string]string{},
	}
}

func (w *town) Get(_ context.Context, id incident.ID) (incident.Incident, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in, ok := w.incidents[id]
	if !ok {
		return in, incident.ErrNotFound
	}
	return in, nil
}

// List is the incident room's; the current ones in order of their ids.
func (j journal) List(context.Context, incident.Filter) ([]incident.Incident, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []incident.Incident
	for _, id := range slices.Sorted(maps.Keys(j.incidents)) {
		out = append(out, j.incidents[id])
	}
	return out, nil
}

func (w *town) Facts(_ context.Context, id incident.ID) ([]incident.Fact, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.facts[id]), nil
}

// journal is the incident room's journal; town's own Record is the audit log.
type journal struct{ *town }

func (j journal) Record(_ context.Context, id incident.ID, _ incident.EntryKind, text, _ string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.notes[id] = append(j.notes[id], text)
	return nil
}

func (j journal) AddTask(_ context.Context, id incident.ID, k incident.Task) (incident.Task, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	k.ID, k.Incident, k.At = incident.TaskID(fmt.Sprintf("%s-%d", id, len(j.tasks[id]))), id, j.now()
	if j.tasks == nil {
		j.tasks = map[incident.ID][]incident.Task{}
	}
	j.tasks[id] = append(j.tasks[id], k)
	return k, nil
}

func (j journal) Tasks(_ context.Context, id incident.ID) ([]incident.Task, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.tasks[id]), nil
}

func (w *town) TestedWays(context.Context) (map[string]plan.Tested, error) { return w.tested, nil }

// Confirm is what the incident room does when the town speaks.
func (j journal) Confirm(_ context.Context, id incident.ID, _ string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if in := j.incidents[id]; in.Phase == incident.Candidate {
		in.Phase, in.ConfirmedAt = incident.Confirmed, time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)
		j.incidents[id] = in
	}
	return nil
}

type catalogue struct{ w *town }

func (c catalogue) Get(_ context.Context, slug string) (service.Service, error) {
	s, ok := c.w.services[slug]
	if !ok {
		return s, fault.New(fault.NotFound, "service.not_found")
	}
	return s, nil
}

func (c catalogue) OpenWords(context.Context) (out []service.Service, _ error) {
	for _, s := range c.w.services {
		if s.WordsOpen() {
			out = append(out, s)
		}
	}
	return out, nil
}

func (c catalogue) ReleaseWords(ctx context.Context) error {
	for slug, s := range c.w.services {
		if who := ident.ActorOf(ctx).Person; s.Worded.By != who {
			s.Worded.SeenBy = who
			c.w.services[slug] = s
		}
	}
	return nil
}

func (w *town) Audiences(context.Context) ([]plan.Audience, error) { return slices.Clone(w.plan), nil }

func (w *town) Current(ctx context.Context) (identity.Tenant, error) {
	return identity.Tenant{
		ID: ident.TenantOf(ctx), Name: "Musterstadt", Zone: "Europe/Berlin", Language: "de",
		StaffURL: "https://lage.example", PublicURL: "https://status.example",
	}, nil
}

func (w *town) People(_ context.Context, f identity.Filter) ([]identity.Person, error) {
	var out []identity.Person
	for _, p := range w.people {
		if f.Role == "" || p.Has(f.Role) {
			out = append(out, p)
		}
	}
	return out, nil
}

func (w *town) Person(_ context.Context, id identity.PersonID) (identity.Person, error) {
	for _, p := range w.people {
		if p.ID == id {
			return p, nil
		}
	}
	return identity.Person{}, fault.New(fault.NotFound, "identity.no_person")
}

func (w *town) Send(_ context.Context, m channel.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mails = append(w.mails, m)
	return nil
}

func (w *town) Deliver(_ context.Context, realm channel.Realm, _ channel.Kind, ms []channel.Message) []channel.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches++
	out := make([]channel.Outcome, len(ms))
	for i, m := range ms {
		if m.Realm != realm {
			out[i].Err = &channel.Failure{Permanent: true, Reason: "config"}
			continue
		}
		if w.deliver != nil {
			out[i].Err = w.deliver(m)
		}
		if out[i].Err == nil {
			out[i].Receipt = channel.Receipt{Route: "primary", Reference: "q'" + m.ID}
			w.sent = append(w.sent, m)
		}
	}
	return out
}

func (w *town) Chats(context.Context) ([]Chat, error) { return slices.Clone(w.chats), nil }

func (w *town) Record(_ context.Context, e audit.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.audits = append(w.audits, e)
	return nil
}

func (w *town) Refused(_ context.Context, addresses []string) (map[string]string, error) {
	out := map[string]string{}
	for _, a := range addresses {
		if r := w.refused[a]; r != "" {
			out[a] = r
		}
	}
	return out, nil
}

func (w *town) Speakers(context.Context, incident.ID) ([]staff.Speaker, error) {
	return slices.Clone(w.speak), nil
}

// bench is a room with its town and clock.
type rig struct {
	*Room
	town  *town
	clock *handClock
	ctx   context.Context // the system of tenant t1
}

// noon is a Tuesday in November, 14:02 in Berlin.
var noon = time.Date(2026, 11, 24, 13, 2, 0, 0, time.UTC)

func newRig(t testing.TB, w *storetest.World) *rig {
	t.Helper()
	lib, err := template.Default()
	if err != nil {
		t.Fatal(err)
	}
	texts, err := i18n.NewCatalog(Texts(), template.Texts(), plan.Texts())
	if err != nil {
		t.Fatal(err)
	}
	seal, err := vault.New(make([]byte, vault.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w.Start(t)
	g := &rig{town: newTown(), clock: &handClock{now: noon}, ctx: w.Ctx}
	g.town.now = g.clock.Now
	g.Room = New(Options{
		Store: w.Store, Clock: g.clock, Hints: w.Hints, Catalog: texts, Audit: g.town, Incidents: journal{g.town}, Services: catalogue{g.town},
		Audiences: g.town, People: g.town, Outbox: g.town, Ways: g.town, Vault: seal, Refusals: g.town, Library: lib, Sole: true, Survey: asks, Staff: g.town, Chats: g.town,
	})
	return g
}

// asks is the later room with the survey.
func asks(_ context.Context, in incident.ID, audience string, from time.Time) (template.Value, error) {
	path := fmt.Sprintf("umfrage/%s-%s-%d", in, audience, from.Unix())
	return template.Value{Text: "https://status.example/" + path, EN: "https://status.example/en/" + path}, nil
}

var rooms = []store.Migrations{Migrations()}

// opened puts an incident about services into the town.
func (g *rig) opened(id incident.ID, services ...string) incident.Incident {
	in := incident.Incident{
		ID: id, Title: "Bürgerportal antwortet nicht", Realm: incident.Live, Level: incident.Disruption, Phase: incident.Confirmed,
		Services: services, Since: g.clock.Now().Add(-time.Minute), OpenedAt: g.clock.Now(), ConfirmedAt: g.clock.Now(),
	}
	g.set(in)
	return in
}

func (g *rig) set(in incident.Incident) {
	g.town.mu.Lock()
	g.town.incidents[in.ID] = in
	g.town.mu.Unlock()
}

// as acts as one of the town's people in ctx's tenant.
func (g *rig) as(id identity.PersonID) context.Context { return g.in(g.ctx, id) }

func (g *rig) in(ctx context.Context, id identity.PersonID) context.Context {
	for _, p := range g.town.people {
		if p.ID == id {
			roles := make([]string, len(p.Roles))
			for i, r := range p.Roles {
				roles[i] = string(r)
			}
			return ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name, Roles: roles})
		}
	}
	panic("no such person: " + id)
}

// first are the answers of a first message.
func first() template.Facts {
	return template.Facts{
		template.SlotEvent: template.Filled("Das Portal antwortet nicht"), template.SlotSeverity: template.Unknown(),
		template.SlotMeasure: template.Filled("die Prüfung durch unseren Dienstleister"), template.SlotImpact: template.Filled("alle Anträge"),
	}
}

// say publishes a statement of kind k by Ada, approved by Bert.
func (g *rig) say(t testing.TB, in incident.ID, k template.Kind, facts template.Facts, audiences ...string) Statement {
	t.Helper()
	s, err := g.Create(g.as("ada"), in, Content{Kind: k, Facts: facts, Audiences: audiences})
	if err != nil {
		t.Fatalf("create %s: %+v", k, err)
	}
	if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, ""); err != nil {
		t.Fatalf("submit %s: %v %v", k, err, fault.As(err).Args)
	}
	if s, err = g.Approve(g.as("bert"), s.ID, Consent{Revision: s.Revision}); err != nil {
		t.Fatalf("approve %s: %v", k, err)
	}
	return s
}

// recovered are the answers of a recovery.
func recovered() template.Facts {
	return template.Facts{template.SlotCause: template.Unknown(), template.SlotMeasure: template.Filled("den Server neu gestartet")}
}

// mailsFor lists single mails whose id contains part.
func (g *rig) mailsTo(addr string) []channel.Message {
	g.town.mu.Lock()
	defer g.town.mu.Unlock()
	var out []channel.Message
	for _, m := range g.town.mails {
		if m.To == addr {
			out = append(out, m)
		}
	}
	return out
}

// sweep delivers and watches as the sweepers would at this moment.
func (g *rig) sweep(t testing.TB) {
	t.Helper()
	if _, err := g.deliverDue(context.WithoutCancel(ident.AcrossTenants(g.ctx)), g.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := g.promisesDue(ident.AcrossTenants(g.ctx), g.clock.Now()); err != nil {
		t.Fatal(err)
	}
}

func mustTenant(g *rig) identity.Tenant {
	t, err := g.town.Current(g.ctx)
	if err != nil {
		panic(err)
	}
	return t
}
