package publish

import (
	"cmp"
	"maps"
	"net/url"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// fill puts together what the person said, what stays true from before, and
// what catalogue, town and clocks know. What a person said wins.
func (t telling) fill(s Statement, asOf time.Time) template.Facts {
	out := t.known(asOf)
	if t.last != nil && !lastWords(s.Kind) {
		for _, slot := range carried {
			if v := t.last.Facts[slot]; !v.Missing() && !v.IsUnknown() {
				out[slot] = v
			}
		}
		if eta := t.last.Facts[template.SlotNewTime]; !eta.Missing() && !eta.IsUnknown() {
			out[template.SlotOldTime] = eta
		}
	}
	maps.Copy(out, s.Facts)
	return out
}

// known are the facts that no person needs to type.
func (t telling) known(asOf time.Time) template.Facts {
	out := template.Facts{
		template.SlotTown:     {Text: t.tenant.Name, Short: firstRunes(t.tenant.Name, 20)},
		template.SlotIncident: template.Filled(cmp.Or(t.incident.Title, t.tenant.Name)),
	}
	if link := strings.TrimRight(t.tenant.PublicURL, "/"); link != "" {
		out[template.SlotLink] = template.Filled(link + "/")
		out[template.SlotShortLink] = template.Filled(shortLink(link))
	}
	if since := since(t.incident); !since.IsZero() {
		out[template.SlotSince] = template.At(since)
		out[template.SlotDate] = template.At(since)
		end := t.incident.RestoredAt
		if end.IsZero() {
			end = asOf
		}
		if end.After(since) {
			out[template.SlotDuration] = template.For(end.Sub(since))
		}
	}
	restored := t.incident.RestoredAt
	if restored.IsZero() {
		restored = asOf // told while it is being told
	}
	out[template.SlotRestored] = template.At(restored)
	if w := t.workaround(asOf); !w.Missing() {
		out[template.SlotWorkaround] = w
	}
	// A report to the authority says when the town knew, and both say whom to ask.
	if !t.incident.ConfirmedAt.IsZero() {
		out[slotKnown] = template.At(t.incident.ConfirmedAt)
	}
	var watch []string
	for _, p := range t.watchers {
		watch = append(watch, identity.Contact(p))
	}
	if len(watch) > 0 {
		out[slotWatch] = template.Filled(strings.Join(watch, "; "))
	}
	if v := t.affected(); !v.Missing() {
		out[template.SlotImpact] = v
	}
	for _, sv := range t.services {
		if sv.Workaround.Deadline != "" {
			out[template.SlotDeadline] = template.Filled(sv.Workaround.Deadline)
			break
		}
	}
	return out
}

// The slots of a breach that catalogue and incident know.
const (
	slotKnown template.Slot = "Bekannt"
	slotWatch template.Slot = "DSB"
)

// affected names the incident's services, for where nobody has said more exactly
// what is affected.
func (t telling) affected() template.Value {
	var de, en, ls []string
	for _, sv := range t.services {
		de, en, ls = append(de, sv.Name), append(en, cmp.Or(sv.NameEN, sv.Name)), append(ls, cmp.Or(sv.NameLS, sv.Name))
	}
	return template.Value{Text: listed(de, "und"), EN: listed(en, "and"), LS: listed(ls, "und")}
}

// listed is "a, b und c".
func listed(words []string, and string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + and + " " + words[last]
}

// since is when the incident began, as far as anybody knows.
func since(in incident.Incident) time.Time {
	if !in.Since.IsZero() {
		return in.Since
	}
	return in.ConfirmedAt
}

// shortLink is an address as people say it: without scheme and "www.".
func shortLink(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" {
		return link
	}
	return strings.TrimPrefix(u.Host, "www.") + strings.TrimRight(u.Path, "/")
}

func firstRunes(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n])
}

// workaround is the catalogue's way round that still holds; of several services
// each is named with its own.
func (t telling) workaround(asOf time.Time) template.Value {
	var with []service.Service
	for _, sv := range t.services {
		w := sv.Workaround
		if w.Text != "" && (w.ValidUntil.IsZero() || asOf.Before(w.ValidUntil)) {
			with = append(with, sv)
		}
	}
	switch {
	case len(with) == 0:
		return template.Value{}
	case len(with) == 1:
		w := with[0].Workaround
		text, en := w.Text, w.TextEN
		if w.Hours != "" {
			text += " (" + w.Hours + ")"
		}
		return template.Value{Text: text, EN: en, Short: w.Short}
	}
	var v template.Value
	var de, en []string
	for _, sv := range with {
		de = append(de, sv.Name+": "+sv.Workaround.Text)
		en = append(en, cmp.Or(sv.NameEN, sv.Name)+": "+cmp.Or(sv.Workaround.TextEN, sv.Workaround.Text))
	}
	v.Text, v.EN, v.Short = strings.Join(de, "; "), strings.Join(en, "; "), with[0].Workaround.Short
	return v
}

// inside are the journal's facts, for the people who work on it. Leadership and
// IT see those on hold as well; nobody outside sees any of them this way.
func (t telling) inside(k plan.Kind, now time.Time) template.Facts {
	if k.Public() {
		return nil
	}
	lists := map[template.Slot][]string{}
	for _, f := range t.facts {
		if f.Withdrawn {
			continue
		}
		if held(f, now) && k != plan.Leadership && k != plan.IT {
			continue
		}
		slot := template.Slot("Offen")
		switch f.Certainty {
		case incident.FactConfirmed:
			slot = "Fakten"
		case incident.FactAssumed:
			slot = "Annahmen"
		}
		lists[slot] = append(lists[slot], f.Text)
	}
	out := template.Facts{}
	for slot, lines := range lists {
		out[slot] = template.Filled(strings.Join(lines, "\n"))
	}
	if de, en := levelWords(t.incident.Level); de != "" {
		out["Stufe"] = template.Value{Text: de, EN: en}
	}
	return out
}

func levelWords(l incident.Level) (de, en string) {
	switch l {
	case incident.Disruption:
		return "Störung", "disruption"
	case incident.Emergency:
		return "Notfall", "emergency"
	case incident.Crisis:
		return "Krise", "crisis"
	}
	return "", ""
}

// noun names the services with their grammar.
func (t telling) noun() template.Noun {
	var nouns []template.Noun
	for _, sv := range t.services {
		n := template.NounFor(sv.Article, sv.Name)
		n.Dative, n.Accusative = cmp.Or(sv.Dative, n.Dative), cmp.Or(sv.Accusative, n.Accusative)
		n.Short, n.NameEN, n.NameLS = cmp.Or(sv.Short, n.Short), sv.NameEN, sv.NameLS
		nouns = append(nouns, n)
	}
	if len(nouns) == 0 {
		return template.Noun{
			Name: "unsere Dienste", Dative: "unseren Diensten", Accusative: "unsere Dienste",
			Short: "Unsere Dienste", NameEN: "our services", NameLS: "unsere Dienste", Plural: true,
		}
	}
	return template.Join(nouns...)
}
