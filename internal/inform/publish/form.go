package publish

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// composing is the composer's page: what is asked, and what has been answered.
type composing struct {
	Statement Statement // ID is empty before the first save
	Incident  incident.Incident
	Kind      template.Kind
	Core      []template.Question
	More      []template.Question
	Audiences []plan.Audience
	Offers    map[string][]time.Time // next message, per audience
	Approvers []identity.Person
	Form      *web.Form
	Preview   *Preview // nil before the first save
	// Kinds are those for which texts are prepared, Scenarios the events that
	// have texts of their own.
	Kinds     []template.Kind
	Scenarios []template.ScenarioInfo
	// Remarks is the language check of what stands in the form.
	Remarks remarks
	// Alone: the actor may publish without a second person.
	Alone bool
	Saved time.Time
}

// offered are the kinds that the composer offers, as far as a text is prepared
// for anybody: in the order of an outage, then what is rarely said. Survey and
// report are asked for on the page of the time after.
func offered(lib *template.Library, scenario template.Scenario) []template.Kind {
	return slices.DeleteFunc([]template.Kind{
		template.Holding, template.First, template.Update, template.NoChange, template.ETAChange,
		template.WorkaroundChange, template.Recovery, template.AllClear, template.Closing, template.Correction, template.Warning,
		template.DataSubjects, template.BreachReport,
		template.StormStatement, template.NetiquetteHint, template.PostHidden,
		template.OutOfHours, template.Received, template.Answer,
		template.MaintenanceAnnounced, template.MaintenanceStarted, template.MaintenanceEnded,
		template.ExerciseAnnounced, template.ExerciseEnded,
	}, func(k template.Kind) bool {
		return !slices.ContainsFunc(template.Audiences(), func(a template.AudienceKind) bool {
			_, ok := lib.Find(k, a, template.Mail, template.DE, scenario)
			return ok
		})
	})
}

// SuggestKind is the kind that the phase of an incident and what was said so
// far make likely.
func SuggestKind(p incident.Phase, said []Statement) template.Kind {
	published := func(kinds ...template.Kind) bool {
		return slices.ContainsFunc(said, func(s Statement) bool {
			return s.State == StatePublished && slices.Contains(kinds, s.Kind)
		})
	}
	switch {
	case p == incident.Restored || p.Ended():
		return template.Closing
	case !published(template.Holding, template.First) && p == incident.Candidate:
		return template.Holding
	case !published(template.First):
		return template.First
	case p == incident.Monitoring:
		return template.Recovery
	default:
		return template.Update
	}
}

// field names of the composer's form.
func answerField(s template.Slot) string  { return "facts." + FactKey(s) }
func unknownField(s template.Slot) string { return "unknown." + FactKey(s) }
func englishField(s template.Slot) string { return "en." + FactKey(s) }
func nextField(slug string) string        { return "next." + slug }

// questions splits what is asked for a kind: what must be told, and the rest.
func questions(lib *template.Library, k template.Kind, scenario template.Scenario, audiences []plan.Audience) (core, more []template.Question) {
	var entries []template.Entry
	for _, a := range audiences {
		for _, f := range ways(a.Kind) {
			if e, ok := lib.Find(k, template.AudienceKind(a.Kind), f, template.DE, scenario); ok {
				entries = append(entries, e)
			}
		}
	}
	must := MustAnswer(k)
	for _, q := range template.Questions(k, entries...) {
		switch {
		case q.Kind == template.KindNoun || q.Slot == template.SlotNext:
		case slices.Contains(must, q.Slot) || (q.Core && q.Slot == template.SlotWorkaround) || (q.Core && q.Kind == template.KindText):
			core = append(core, q)
		default:
			more = append(more, q)
		}
	}
	if toOne(k) {
		if d, ok := template.Lookup(template.SlotTo); ok {
			core = append([]template.Question{{Definition: d}}, core...)
		}
	}
	if _, hazard := template.Hazard(scenario, false); hazard && !lastWords(k) {
		if d, ok := template.Lookup(template.SlotGrade); ok {
			core = append(core, template.Question{Definition: d})
		}
	}
	return core, more
}

// compose gathers the composer's page. Without a form it shows what stands in s
// or is known beforehand.
func (r *Room) compose(ctx context.Context, s Statement, k template.Kind, f *web.Form) (composing, error) {
	v := composing{Statement: s, Kind: k, Form: f, Saved: s.UpdatedAt, Offers: map[string][]time.Time{}}
	var err error
	if v.Incident, err = r.o.Incidents.Get(ctx, s.Incident); err != nil {
		return v, err
	}
	_, zone, err := r.home(ctx)
	if err != nil {
		return v, err
	}
	if v.Audiences, err = r.o.Audiences.Audiences(ctx); err != nil {
		return v, err
	}
	c, err := r.prefill(ctx, s.Incident, k, s.Scenario)
	if err != nil {
		return v, err
	}
	if s.ID != "" {
		// What nobody has answered here is shown as it will be said.
		maps.Copy(c.Facts, s.Facts)
		c.Audiences, c.Next = s.Audiences, s.Next
		p, err := r.Look(ctx, s.ID)
		if err != nil {
			return v, err
		}
		v.Preview = &p
		d := decision{statement: s, actor: whoActs(ctx), fourEyes: p.FourEyes, now: r.o.Clock.Now(), pre: p.pre, speech: p.speech}
		_, err = decide(d)
		v.Alone = err == nil
	}
	var chosen []plan.Audience
	now := r.o.Clock.Now()
	for _, a := range v.Audiences {
		v.Offers[a.Slug] = OfferNext(now, v.Incident.Level, a, zone)
		if slices.Contains(c.Audiences, a.Slug) {
			chosen = append(chosen, a)
		}
	}
	lib, err := r.prepared(ctx)
	if err != nil {
		return v, err
	}
	v.Core, v.More = questions(lib, k, s.Scenario, chosen)
	v.Kinds, v.Scenarios = offered(lib, s.Scenario), lib.Scenarios()
	if v.Form == nil {
		v.Form = r.formOf(ctx, c, zone)
	}
	if v.Remarks, err = r.check(ctx, s, k, typed(v.Form)); err != nil {
		return v, err
	}
	var sp speech
	if v.Preview != nil {
		sp = v.Preview.speech
	} else if sp, err = r.speechFor(ctx, Statement{Incident: s.Incident, Audiences: c.Audiences}); err != nil {
		return v, err
	}
	if v.Approvers, err = r.releasers(ctx, s, sp); err != nil {
		return v, err
	}
	me := identity.PersonID(ident.ActorOf(ctx).Person)
	v.Approvers = slices.DeleteFunc(v.Approvers, func(p identity.Person) bool { return p.ID == me })
	return v, nil
}

// formOf shows content in the composer's fields.
func (r *Room) formOf(ctx context.Context, c Content, zone *time.Location) *web.Form {
	now := r.o.Clock.Now()
	values := map[string]string{"kind": string(c.Kind), "scenario": string(c.Scenario)}
	for slot, v := range c.Facts {
		values[answerField(slot)] = shownFact(slot, v, now, zone, i18n.Of(ctx).Lang)
		if v.IsUnknown() {
			values[unknownField(slot)] = "on"
		}
		if v.EN != "" {
			values[englishField(slot)] = v.EN
		}
	}
	for slug, at := range c.Next {
		values[nextField(slug)] = at.UTC().Format(time.RFC3339)
	}
	f := web.NewForm(values)
	f.Values["audiences"] = c.Audiences
	for _, t := range Touched(c.Facts) {
		f.Values.Add("touches", string(t))
	}
	return f
}

// shownFact is a fact as a person would type it.
func shownFact(slot template.Slot, v template.Value, now time.Time, zone *time.Location, _ i18n.Lang) string {
	d, _ := template.Lookup(slot)
	switch {
	case d.Kind == template.KindSwitch:
		if v.Off {
			return "off"
		}
		return "on"
	case !v.At.IsZero():
		at, ref := v.At.In(zone), now.In(zone)
		if at.Year() == ref.Year() && at.YearDay() == ref.YearDay() {
			return at.Format("15:04")
		}
		return at.Format("02.01.2006 15:04")
	case v.For >= time.Minute:
		return v.For.Truncate(time.Minute).String()
	case v.For > 0:
		return v.For.Round(time.Second).String()
	default:
		return v.Text
	}
}

// readForm turns the composer's fields into content and notes what cannot be
// read in the form.
func (r *Room) readForm(ctx context.Context, f *web.Form, in incident.ID, k template.Kind) (Content, error) {
	_, zone, err := r.home(ctx)
	if err != nil {
		return Content{}, err
	}
	scenario := template.Scenario(f.Get("scenario"))
	known, err := r.prefill(ctx, in, k, scenario)
	if err != nil {
		return Content{}, err
	}
	now := r.o.Clock.Now()
	c := Content{Kind: k, Scenario: scenario, Facts: template.Facts{}, Audiences: f.All("audiences"), Next: map[string]time.Time{}}
	for _, d := range template.Definitions() {
		name := answerField(d.Slot)
		text, typed := f.Get(name), f.Values.Has(name)
		if !typed && !f.Values.Has(unknownField(d.Slot)) {
			continue
		}
		v, err := ParseFact(FactKey(d.Slot), d, text, now, zone)
		if err != nil {
			f.Fail(name, fault.As(err).Fields["facts."+FactKey(d.Slot)])
			continue
		}
		switch old := known.Facts[d.Slot]; {
		case text == "" && f.Get(unknownField(d.Slot)) != "":
			v = template.Unknown()
		case !old.At.IsZero() && text == shownFact(d.Slot, old, now, zone, i18n.Of(ctx).Lang):
			v = old // "16:00" means the time that was shown, not the last 16:00
		case v.Text != "" && v.Text == old.Text:
			v = old // with its translations; and nobody typed it
		}
		if en := f.Get(englishField(d.Slot)); en != "" && v.Text != "" {
			v.EN = en
		}
		if v != (template.Value{}) {
			c.Facts[d.Slot] = v
		}
	}
	if v := touch(f.All("touches")); !v.Missing() {
		c.Facts[template.SlotTact] = v
	}
	other := f.Get("next_other")
	for _, slug := range c.Audiences {
		text := cmp.Or(other, f.Get(nextField(slug)))
		if text == "" {
			continue
		}
		at, err := ParseTime(text, now, zone, true)
		if err != nil {
			f.Fail(cmp.Or(map[bool]string{true: "next_other"}[other != ""], nextField(slug)), "publish.fact_time")
			continue
		}
		c.Next[slug] = at
	}
	return c, nil
}

// typed are the words that stand in the composer's fields, for the language
// check: nothing is refused and no time is read.
func typed(f *web.Form) template.Facts {
	out := template.Facts{}
	for _, d := range template.Definitions() {
		v := template.Value{Text: f.Get(answerField(d.Slot)), EN: f.Get(englishField(d.Slot))}
		if v.Text != "" && f.Get(unknownField(d.Slot)) == "" {
			out[d.Slot] = v
		}
	}
	return out
}

// kindOf reads a kind from a form or an address; what is none is empty.
func kindOf(s string) template.Kind {
	k := template.Kind(strings.TrimSpace(s))
	if k.Phase() == "" {
		return ""
	}
	return k
}

// PartPromise is an open promise with the audience's name.
type PartPromise struct {
	Promise
	Name string
}
