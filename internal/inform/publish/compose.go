package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// mustAnswer lists what a person has to say, or to call not yet known, before
// the kind may go out (R1.8, R1.12, R1.19). "Which services" and "next message"
// come from the incident and the clock. A kind that is missing asks all of its
// core questions.
var mustAnswer = map[template.Kind][]template.Slot{
	template.Holding:          {},
	template.First:            {template.SlotEvent, template.SlotSeverity, template.SlotMeasure},
	template.Update:           {template.SlotProgress, template.SlotNewTime},
	template.NoChange:         {},
	template.ETAChange:        {template.SlotNewTime, template.SlotReason},
	template.WorkaroundChange: {template.SlotWorkaround},
	template.Recovery:         {template.SlotCause, template.SlotMeasure},
	template.Closing:          {template.SlotCause, template.SlotMeasure},
}

// MustAnswer lists the slots without an answer to which k is not published.
func MustAnswer(k template.Kind) []template.Slot {
	if s, ok := mustAnswer[k]; ok {
		return s
	}
	var out []template.Slot
	for _, q := range template.Questions(k) {
		if q.Core && q.Source == template.FromPerson {
			out = append(out, q.Slot)
		}
	}
	return out
}

// carried are facts that stay true from one message to the next until somebody
// says otherwise.
var carried = []template.Slot{
	template.SlotEvent, template.SlotImpact, template.SlotUnaffected, template.SlotSeverity, template.SlotMeasure,
	template.SlotWorkaround, template.SlotDeadline, template.SlotPhone,
}

// lastWords are the kinds after which nothing more is promised.
func lastWords(k template.Kind) bool {
	return slices.Contains([]template.Kind{
		template.Recovery, template.Closing, template.Survey, template.Report, template.AllClear,
		template.MaintenanceEnded, template.ExerciseEnded,
	}, k)
}

// overSays reports whether k tells that the trouble is over, so that everybody
// who heard of it must hear this too (I1).
func overSays(k template.Kind) bool {
	return k == template.Recovery || k == template.AllClear || k == template.MaintenanceEnded
}

// telling is everything that a statement is rendered from.
type telling struct {
	incident  incident.Incident
	facts     []incident.Fact
	services  []service.Service
	audiences []plan.Audience // those of the statement, in the plan's order
	all       []plan.Audience
	watchers  []identity.Person // over data protection
	tenant    identity.Tenant
	zone      *time.Location
	library   *template.Library
	released  map[string]releaseRow
	last      *Statement // published before, of the same incident
	corrected *Statement
	chats     []Chat
}

// Preview is what a statement will be: looked at before it goes out.
type Preview struct {
	Statement Statement
	Variants  []Variant
	// Missing are questions that must be answered or called not yet known.
	Missing []template.Slot
	// NoText names audiences for whom no text of this kind is prepared.
	NoText []string
	// Held are facts on investigative hold that stand in a public variant.
	Held []incident.Fact
	// Reach says who will get it.
	Reach []Reach
	// FourEyes: I3 asks for a second person, or the words touch what hurts. PreApprovedBy names whoever
	// approved the text beforehand, when that is enough.
	FourEyes      bool
	PreApprovedBy string
	// OpenWords names services whose name or Ersatzweg only their author has
	// seen; with them no approval given beforehand counts.
	OpenWords []string
	// Undated are promises without a day: nobody could say whether they were kept.
	Undated []string
	// NextPast names audiences whose promised time has passed already.
	NextPast []string

	// Drifts are departures of a variant from the facts (I12).
	Drifts []template.Problem

	// Speakers release it in place of the approvers, in a crisis whose staff has
	// somebody for press and media or a head.
	Speakers []staff.Speaker

	speech  speech
	targets []target
	pre     *preApproval
	telling telling
}

// Reach is one audience with its ways out.
type Reach struct {
	Audience   string
	Name       string
	Kind       plan.Kind
	Page       bool     // stands on the public page
	Recipients int      // addresses that get a mail
	Chats      []string // webhooks that hear it, as the ledger names them
	Next       time.Time
}

// Recipients counts addresses, each once.
func (p Preview) Recipients() int { return len(p.targets) }

// OnPage reports whether it will stand on the public page.
func (p Preview) OnPage() bool {
	return slices.ContainsFunc(p.Reach, func(r Reach) bool { return r.Page })
}

// Ready reports whether nothing but an approval is missing.
func (p Preview) Ready() error {
	switch {
	case p.telling.incident.Private && slices.ContainsFunc(p.Reach, func(r Reach) bool { return r.Kind.Public() }):
		return ErrPrivate
	case len(p.Statement.Audiences) == 0:
		return fault.New(fault.Invalid, "publish.no_audience").Field("audiences", "publish.no_audience")
	case len(p.NoText) > 0:
		return fault.New(fault.Invalid, "publish.no_text", strings.Join(p.NoText, ", ")).Field("audiences", "publish.no_text")
	case toOne(p.Statement.Kind) && len(p.targets) != 1:
		return ErrNobody.Field("facts.to", "publish.nobody_one")
	case len(p.Missing) > 0:
		e := fault.New(fault.Invalid, "publish.missing", strings.Join(labels(p.Statement.Kind, p.Missing), " · "))
		for _, s := range p.Missing {
			e = e.Field("facts."+FactKey(s), "publish.missing_one")
		}
		return e
	case len(p.Undated) > 0:
		return fault.New(fault.Invalid, "publish.undated", strings.Join(p.Undated, " · ")).Field("facts.promises", "publish.undated_one")
	case len(p.NextPast) > 0:
		return ErrNextPast.Field("next_update", "publish.next_past")
	case len(p.Held) > 0:
		return ErrHeld
	case len(p.Drifts) > 0:
		return ErrDrift.With(fmt.Errorf("%s", p.Drifts[0].Reason(template.EN)))
	}
	return nil
}

func labels(k template.Kind, slots []template.Slot) []string {
	out := make([]string, len(slots))
	for i, s := range slots {
		out[i] = string(s)
		if d, ok := template.Lookup(s); ok && d.Label != "" {
			out[i] = d.Ask(k, template.DE)
		}
	}
	return out
}

// look gathers what s is rendered from.
func (r *Room) look(ctx context.Context, s Statement) (telling, error) {
	in, err := r.o.Incidents.Get(ctx, s.Incident)
	if err != nil {
		return telling{}, err
	}
	return r.lookAt(ctx, s, in)
}

func (r *Room) lookAt(ctx context.Context, s Statement, in incident.Incident) (telling, error) {
	t := telling{incident: in}
	var err error
	if t.tenant, err = r.o.People.Current(ctx); err != nil {
		return t, err
	}
	if t.zone, err = clock.Zone(t.tenant.Zone); err != nil {
		return t, err
	}
	if s.Kind == template.BreachReport || s.Kind == template.DataSubjects {
		if t.watchers, err = r.o.People.People(ctx, identity.Filter{Role: identity.RoleDPO, Active: true}); err != nil {
			return t, err
		}
	}
	if in.ID != "" {
		if t.facts, err = r.o.Incidents.Facts(ctx, in.ID); err != nil {
			return t, err
		}
		if t.last, err = r.latest(ctx, in.ID, s.ID); err != nil {
			return t, err
		}
	}
	for _, slug := range in.Services {
		sv, err := r.o.Services.Get(ctx, slug)
		if fault.KindOf(err) == fault.NotFound && err != nil {
			continue // removed from the catalogue since; the others still stand
		}
		if err != nil {
			return t, err
		}
		t.services = append(t.services, sv)
	}
	if t.all, err = r.o.Audiences.Audiences(ctx); err != nil {
		return t, err
	}
	if t.chats, err = r.chats(ctx); err != nil {
		return t, err
	}
	for _, a := range t.all {
		if slices.Contains(s.Audiences, a.Slug) {
			t.audiences = append(t.audiences, a)
		}
	}
	if t.library, t.released, err = r.library(ctx); err != nil {
		return t, err
	}
	if s.Corrects != "" {
		old, err := r.get(ctx, s.Corrects)
		if err != nil {
			return t, err
		}
		t.corrected = &old
	}
	return t, nil
}

// latest is the newest published statement of an incident but not.
func (r *Room) latest(ctx context.Context, in incident.ID, not ID) (*Statement, error) {
	list, err := r.list(ctx, Filter{Incident: in, States: []State{StatePublished}})
	if err != nil {
		return nil, err
	}
	var found *Statement
	for i, s := range list {
		if s.ID != not && !toOne(s.Kind) && (found == nil || s.PublishedAt.After(found.PublishedAt)) {
			found = &list[i]
		}
	}
	return found, nil
}

// preview renders s as of asOf. It writes nothing.
func (r *Room) preview(ctx context.Context, s Statement, asOf time.Time) (Preview, error) {
	t, err := r.look(ctx, s)
	if err != nil {
		return Preview{}, err
	}
	return r.render(ctx, s, t, asOf)
}

func (r *Room) render(ctx context.Context, s Statement, t telling, asOf time.Time) (Preview, error) {
	s.Level, s.Realm = t.incident.Level, t.incident.Realm
	p := Preview{Statement: s, telling: t}
	for _, slug := range s.Audiences {
		if !slices.ContainsFunc(t.all, func(a plan.Audience) bool { return a.Slug == slug }) {
			return p, fault.New(fault.Invalid, "publish.audience", slug).Field("audiences", "publish.audience")
		}
	}
	facts := t.fill(s, asOf)
	for _, slot := range MustAnswer(s.Kind) {
		if facts[slot].Missing() {
			p.Missing = append(p.Missing, slot)
		}
	}
	if tellsPromises(s.Kind) {
		_, p.Undated = promised(facts, asOf, t.zone)
	}
	var kinds []plan.Kind
	var targets []target
	for _, a := range t.audiences {
		kinds = append(kinds, a.Kind)
		next := t.nextFor(s, a, asOf)
		if !next.IsZero() && !next.After(asOf) && !lastWords(s.Kind) {
			p.NextPast = append(p.NextPast, a.Slug)
		}
		vs, drifts, gaps, err := r.renderFor(ctx, s, t, a, facts, next, asOf)
		if err != nil {
			return p, err
		}
		for _, slot := range gaps {
			if !slices.Contains(p.Missing, slot) {
				p.Missing = append(p.Missing, slot)
			}
		}
		if len(vs) == 0 && len(gaps) == 0 {
			p.NoText = append(p.NoText, a.Slug)
		}
		p.Variants = append(p.Variants, vs...)
		p.Drifts = append(p.Drifts, drifts...)
		reach := Reach{Audience: a.Slug, Name: cmp.Or(a.Name, a.Slug), Kind: a.Kind, Page: a.Kind == plan.Citizens, Next: next}
		if toOne(s.Kind) {
			// One person asked, and one is answered: no list, no page, no channel.
			if to := onePerson(s.Facts); to != "" {
				targets = append(targets, target{Recipient: to, Channel: channel.Mail, Audience: a.Slug})
				reach.Recipients = 1
			}
			reach.Page, reach.Next = false, time.Time{}
			p.Reach = append(p.Reach, reach)
			continue
		}
		for _, to := range a.Recipients {
			if to = address(to); to != "" {
				targets = append(targets, target{Recipient: to, Channel: channel.Mail, Audience: a.Slug})
				reach.Recipients++
			}
		}
		for _, to := range chatTargets(t.chats, a) {
			targets = append(targets, to)
			reach.Chats = append(reach.Chats, to.Recipient)
		}
		p.Reach = append(p.Reach, reach)
	}
	p.targets = merge(nil, targets...)
	p.FourEyes = FourEyes(t.incident.Level, kinds) || sensitive(s.Facts)
	sp, err := r.speechOf(ctx, t.incident, kinds)
	if err != nil {
		return p, err
	}
	p.speech, p.Speakers = sp, sp.able(s)
	p.Held = leaks(p.Variants, t.facts, asOf)
	for _, sv := range t.services {
		if sv.WordsOpen() {
			p.OpenWords = append(p.OpenWords, sv.Name)
		}
	}
	if !sensitive(s.Facts) { // whoever approved it beforehand did not know what it would touch
		p.pre = t.preApproved(s, p.Variants)
	}
	if (decision{statement: s, actor: whoActs(ctx), pre: p.pre}).covers() && !p.speech.staffed(s) {
		p.PreApprovedBy = p.pre.Name
	}
	return p, nil
}

// address brings a recipient into the form in which the ledger compares.
func address(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// ways lists the formats that an audience really reads; the others are offered
// to people who copy them elsewhere.
func ways(k plan.Kind) []template.Format {
	if k == plan.Citizens {
		return []template.Format{template.Page, template.Mail}
	}
	return []template.Format{template.Mail}
}

// renderFor renders every variant of one audience. Gaps are slots without which
// a text cannot go out.
func (r *Room) renderFor(ctx context.Context, s Statement, t telling, a plan.Audience, facts template.Facts, next, asOf time.Time) (vs []Variant, drifts []template.Problem, gaps []template.Slot, err error) {
	var texts []template.Text
	own := facts
	for slot, v := range t.inside(a.Kind, asOf) {
		if facts[slot].Missing() || facts[slot].IsUnknown() {
			own = own.With(slot, v)
		}
	}
	if !next.IsZero() && !lastWords(s.Kind) {
		own = own.With(template.SlotNext, template.At(next))
	}
	link, err := r.survey(ctx, s, t, a, asOf)
	if err != nil {
		return nil, nil, nil, err
	}
	if !link.Missing() && own[template.SlotSurvey].Missing() {
		own = own.With(template.SlotSurvey, link)
	}
	in := template.Input{Service: t.noun(), Facts: own, AsOf: asOf, Location: t.zone, Exercise: s.Realm == incident.Exercise}
	used := ways(a.Kind)
	for _, f := range template.Formats() {
		if toOne(s.Kind) && f != template.Mail {
			continue
		}
		for _, lang := range s.Languages {
			e, ok := t.library.Find(s.Kind, template.AudienceKind(a.Kind), f, lang, s.Scenario)
			if !ok || e.Language != lang || (e.Format != f && !slices.Contains(used, f)) {
				continue
			}
			in.Facts = t.answer(own, s.Kind, e)
			text, err := t.library.Render(e, in)
			if gap, ok := errors.AsType[*template.MissingError](err); ok {
				for _, slot := range slices.Concat(gap.Slots, gap.Undeniable) {
					if !slices.Contains(gaps, slot) {
						gaps = append(gaps, slot)
					}
				}
				continue
			}
			if err != nil {
				return nil, nil, nil, fmt.Errorf("publish: render %s: %w", e.ID, err)
			}
			texts = append(texts, text)
			vs = append(vs, r.variant(ctx, s, t, a, f, text, next, asOf))
		}
	}
	in.Facts = own
	return vs, template.Drift(texts, in), gaps, nil
}

// survey is where an audience tells how well it was informed; missing where nobody
// is asked. It is open from when the text was begun, so that the words do not
// change while somebody reads them. A private incident asks nobody: the form
// stands on the public listener (I17).
func (r *Room) survey(ctx context.Context, s Statement, t telling, a plan.Audience, asOf time.Time) (template.Value, error) {
	if r.o.Survey == nil || t.incident.Private || (s.Kind != template.Closing && s.Kind != template.Survey) {
		return template.Value{}, nil
	}
	from := s.CreatedAt
	if from.IsZero() {
		from = asOf // looked at before it is kept
	}
	link, err := r.o.Survey(ctx, t.incident.ID, a.Slug, from)
	if err != nil {
		return template.Value{}, fmt.Errorf("publish: survey: %w", err)
	}
	return link, nil
}

// answer says "not yet known" for every slot of e that nobody has to answer.
func (t telling) answer(facts template.Facts, k template.Kind, e template.Entry) template.Facts {
	var free []template.Slot
	must := MustAnswer(k)
	for _, slot := range e.Slots {
		if !slices.Contains(must, slot) {
			free = append(free, slot)
		}
	}
	return facts.Unknowns(free...)
}

// variant turns a rendered text into what the reader sees: with the note of a
// correction, and for mail with the reason why it came.
func (r *Room) variant(ctx context.Context, s Statement, t telling, a plan.Audience, f template.Format, text template.Text, next, asOf time.Time) Variant {
	v := Variant{
		Audience: a.Slug, Kind: a.Kind, Format: f, Language: text.Language, Entry: text.Entry, EntryVersion: text.Version,
		Review: text.Review, Subject: text.Subject, Title: text.Title, Body: text.Body, AsOf: asOf, Next: next,
		Over: text.Over, Untranslated: text.Untranslated,
	}
	if text.Instruction != "" {
		v.Instruction = text.Instruction
		v.Body += "\n\n" + text.Instruction
	}
	l := t.locale(r.o.Catalog, text.Language, asOf)
	say := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
	if s.Corrects != "" && s.Correction != "" {
		v.Body = say("publish.correction_note", l.Short(asOf), s.Correction) + "\n\n" + v.Body
		if v.Subject != "" {
			v.Subject = say("publish.correction_subject", v.Subject)
		}
	}
	switch {
	case toOne(s.Kind):
		v.Body += "\n\n-- \n" + say("publish.why_one", t.tenant.Name)
	case f == template.Mail:
		v.Body += "\n\n-- \n" + say("publish.why", t.tenant.Name, cmp.Or(a.Name, a.Slug))
	}
	return v
}

func (t telling) locale(c *i18n.Catalog, lang template.Language, now time.Time) i18n.Locale {
	return i18n.Locale{Catalog: c, Lang: i18n.Parse(string(lang)), Zone: t.zone, Now: now}
}

// nextFor is the promised time for an audience: what the statement says for it,
// what it says for all, or the first offer. After the last words it is the time
// until which the cause will be named, if one is.
func (t telling) nextFor(s Statement, a plan.Audience, asOf time.Time) time.Time {
	if toOne(s.Kind) {
		return time.Time{}
	}
	if lastWords(s.Kind) {
		if s.Kind == template.Recovery {
			return s.Facts[template.SlotPromise].At
		}
		return time.Time{}
	}
	if at := s.Next[a.Slug]; !at.IsZero() {
		return at
	}
	if at := s.Facts[template.SlotNext].At; !at.IsZero() {
		return at
	}
	if t.incident.Phase.Ended() || t.incident.Phase == incident.Restored {
		return time.Time{}
	}
	if s.Kind == template.Holding {
		a.Cadence = min(a.Every(), holdingWithin)
	}
	return OfferNext(asOf, t.incident.Level, a, t.zone)[0]
}

// holdingWithin is how soon "we are checking" is followed by something certain.
const holdingWithin = 30 * time.Minute

// preApproved tells who approved the text beforehand: every variant of a
// holding statement comes from a text that the town has released, no text has
// an open slot, and nobody typed more than times into it (I3).
func (t telling) preApproved(s Statement, vs []Variant) *preApproval {
	if s.Kind != template.Holding || len(vs) == 0 || s.Corrects != "" {
		return nil
	}
	if slices.ContainsFunc(t.services, service.Service.WordsOpen) {
		return nil // the Ersatzweg is a closed slot only while somebody stands for it
	}
	settled := t.known(s.UpdatedAt)
	for slot, v := range s.Facts {
		d, ok := template.Lookup(slot)
		timeOnly := ok && d.Closed && d.Kind == template.KindTime && v.Text == ""
		silent := v.IsUnknown() || (ok && d.Kind == template.KindSwitch)
		if !timeOnly && !silent && v != settled[slot] {
			return nil
		}
	}
	var pre *preApproval
	for _, v := range vs {
		rel, ok := t.released[v.Entry]
		e, found := t.library.Get(v.Entry)
		if !ok || !found || len(template.OpenSlots(e)) > 0 {
			return nil
		}
		if pre == nil {
			pre = &preApproval{By: rel.Person, Name: rel.PersonName}
		}
	}
	return pre
}
