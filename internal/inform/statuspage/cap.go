package statuspage

import (
	"cmp"
	"encoding/xml"
	"slices"
	"strings"
	"time"

	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/i18n"
)

// alerted is what a message's CAP says beyond its words.
type alerted struct {
	Scenario template.Scenario            `json:",omitempty"`
	Grade    string                       `json:",omitempty"` // CAP's severity, as a person gave it
	Area     map[template.Language]string `json:",omitempty"`
	Phone    string                       `json:",omitempty"`
	Until    time.Time                    `json:",omitzero"`
	Onset    time.Time                    `json:",omitzero"`
}

func alertedOf(s publish.Statement) alerted {
	a := alerted{
		Scenario: s.Scenario, Grade: template.AlertSeverity(s.Facts), Phone: s.Facts[template.SlotPhone].Text,
		Until: s.Facts["GueltigBis"].At, Onset: s.Facts[template.SlotSince].At,
	}
	if v := s.Facts["Gebiet"]; v.Text != "" && !v.IsUnknown() {
		a.Area = map[template.Language]string{template.DE: v.Text, template.EN: cmp.Or(v.EN, v.Text), template.LS: cmp.Or(v.LS, v.Text)}
	}
	return a
}

// withAlert adds the words that are prepared for CAP.
func withAlert(out map[template.Language]words, all []publish.Variant) {
	for _, v := range all {
		if v.Format != template.CAP || string(v.Kind) != string(template.Citizens) || !v.Public() {
			continue
		}
		if w, ok := out[v.Language]; ok {
			w.Headline, w.Instruction = v.Title, v.Instruction
			w.Description = strings.TrimSpace(strings.TrimSuffix(v.Body, v.Instruction))
			out[v.Language] = w
		}
	}
}

// aside are the kinds that are about talking with people, not about an event.
var aside = []template.Kind{
	template.Survey, template.NetiquetteHint, template.PostHidden, template.OutOfHours, template.Received, template.Answer, template.StormStatement,
}

// alertID names a message in CAP.
func alertID(m message) string { return "tuermer-" + string(m.ID) }

// alertsOf are the messages of a story that CAP tells, oldest first.
func alertsOf(s story) []message {
	out := slices.DeleteFunc(slices.Clone(s.Messages), func(m message) bool { return slices.Contains(aside, m.Kind) })
	slices.SortFunc(out, func(a, b message) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return out
}

// alert is message n of all, which belong to one story. The page knows no
// exercises (I4), so everything here is actual.
func (b *builder) alert(m *model, s story, all []message, n int) template.Alert {
	msg, zone := all[n], m.zone()
	a := template.Alert{
		Identifier: alertID(msg), Sender: m.authority(), Sent: msg.At.In(zone), Type: template.AlertNew, Note: msg.Correction, Incident: string(s.first().ID),
	}
	for _, before := range all[:n] {
		a.Type = template.AlertUpdate
		a.References = append(a.References, template.AlertReference{Sender: a.Sender, Identifier: alertID(before), Sent: before.At.In(zone)})
	}
	if template.EndsAlert(msg.Kind) && n > 0 {
		a.Type = template.AlertCancel
	}
	about := msg.Alert
	for _, before := range all[:n] { // what it is about, is what it was about
		about.Scenario = cmp.Or(about.Scenario, before.Alert.Scenario)
		if about.Area == nil {
			about.Area = before.Alert.Area
		}
	}
	category, hazard := template.Hazard(about.Scenario, about.Grade != "")
	urgency, severity, certainty := template.AlertClaims(msg.Kind, hazard, about.Grade)
	event := "it"
	if hazard {
		if event = string(about.Scenario); category == "Other" {
			event = "other"
		}
	}
	for _, lang := range template.Languages() {
		w, ok := msg.Words[lang]
		if !ok {
			continue
		}
		v := b.r.view(m, i18n.Parse(string(lang)), b.now)
		i := template.AlertInfo{
			Language: lang, Category: category, Event: v.t("cap_event_" + event), AllClear: template.EndsAlert(msg.Kind),
			Urgency: urgency, Severity: severity, Certainty: certainty, Expires: about.Until.In(zone), SenderName: m.Town.Name,
			Headline: cmp.Or(w.Headline, w.Title, v.kind(msg.Kind)), Description: cmp.Or(w.Description, w.Body), Instruction: w.Instruction,
			Contact: about.Phone, Area: cmp.Or(about.Area[lang], v.t("cap_area", m.Town.Name)),
		}
		if !about.Onset.IsZero() {
			i.Onset = about.Onset.In(zone)
		}
		if m.Town.URL != "" {
			i.Web = v.abs(s.path()) + "#m-" + string(msg.ID)
		}
		a.Infos = append(a.Infos, i)
	}
	return a
}

// alerts puts up a CAP document per message, and the feed that leads to them. One
// that cannot be written is left out and logged: it must not keep the pages from
// being built.
func (b *builder) alerts(v *view) {
	m := v.m
	f := atomFeed{
		Lang: string(v.lang), ID: "tag:" + m.authority() + ",2026:cap", Title: v.t("cap_title", m.Town.Name), Updated: stamp(m.changed()), Author: atomAuthor{m.Town.Name},
		Links: []atomLink{{Rel: "self", Type: "application/atom+xml", Href: m.Town.URL + "/cap.atom"}, {Rel: "alternate", Type: "text/html", Href: v.abs("")}},
	}
	type dated struct {
		at    time.Time
		entry atomEntry
	}
	var entries []dated
	for _, s := range m.Incidents {
		all := alertsOf(s)
		for n, msg := range all {
			a := b.alert(m, s, all, n)
			body, err := a.XML()
			if err != nil {
				b.r.o.Log.Warn("a message has no CAP document", "statement", msg.ID, "err", err)
				continue
			}
			path := "/cap/" + string(msg.ID) + ".xml"
			b.raw(path, template.AlertMime+"; charset=utf-8", body, nil)
			entries = append(entries, dated{msg.At, atomEntry{
				ID: "tag:" + m.authority() + ",2026:" + a.Identifier, Title: clean(a.Infos[0].Headline), Published: stamp(msg.At), Updated: stamp(msg.At),
				Links:    []atomLink{{Rel: "alternate", Type: template.AlertMime, Href: m.Town.URL + path}},
				Category: atomTerm{Term: string(a.Type), Label: a.Infos[0].Event},
				Content:  atomText{Type: "text", Lang: a.Infos[0].Language.Tag(), Text: clean(a.Infos[0].Description)},
			}})
		}
	}
	slices.SortStableFunc(entries, func(a, b dated) int { return b.at.Compare(a.at) })
	for _, e := range entries[:min(len(entries), maxEntries)] {
		f.Entries = append(f.Entries, e.entry)
	}
	body, err := xml.MarshalIndent(f, "", " ")
	b.raw("/cap.atom", "application/atom+xml; charset=utf-8", append([]byte(xml.Header), body...), err)
}
