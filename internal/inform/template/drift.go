package template

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tuermer/internal/town/channel"
)

// ProblemCode names a way in which a variant departs from the facts.
type ProblemCode string

// The ways to drift.
const (
	// FactGone: the text was made from a fact that it no longer carries.
	FactGone ProblemCode = "fact_gone"
	// ForeignTime: the text names a time of day that no fact knows.
	ForeignTime ProblemCode = "foreign_time"
	// OtherFacts: the variants of one statement were made from different facts.
	OtherFacts ProblemCode = "other_facts"
	// MarkGone: a text of an exercise has lost its "ÜBUNG", or a real one has it.
	MarkGone ProblemCode = "mark"
)

// Problem is one departure, with the text and the fact it is about.
type Problem struct {
	Entry string // the text's entry
	Code  ProblemCode
	Slot  Slot   // the fact, if one is concerned
	Found string // what stands in the text
	Want  string // what the facts say
}

// Reason says the problem in a sentence for the screen.
func (p Problem) Reason(lang Language) string {
	en := lang == EN
	switch p.Code {
	case FactGone:
		if en {
			return fmt.Sprintf("%s says nothing of %q (%s).", p.Entry, p.Want, registry[p.Slot].LabelEN)
		}
		return fmt.Sprintf("In %s fehlt die Angabe „%s“ (%s).", p.Entry, p.Want, registry[p.Slot].Label)
	case ForeignTime:
		if en {
			return fmt.Sprintf("%s names the time %s, which no fact knows.", p.Entry, p.Found)
		}
		return fmt.Sprintf("%s nennt die Uhrzeit %s. Sie steht in keiner Aussage.", p.Entry, p.Found)
	case OtherFacts:
		if en {
			return fmt.Sprintf("%s is marked as exercise or real unlike the others.", p.Entry)
		}
		return fmt.Sprintf("%s ist anders als die übrigen Fassungen als Übung oder Ernstfall gekennzeichnet.", p.Entry)
	case MarkGone:
		if en {
			return fmt.Sprintf("%s: the mark ÜBUNG does not match the statement.", p.Entry)
		}
		return fmt.Sprintf("%s: Die Kennzeichnung ÜBUNG passt nicht zur Mitteilung.", p.Entry)
	}
	return string(p.Code)
}

// clockTime finds "14:05", "9.30 Uhr"; a third number makes it something else.
var clockTime = regexp.MustCompile(`\b([01]?\d|2[0-3])(?::([0-5]\d)\b(:\d)?|\.([0-5]\d) Uhr)`)

// timesIn lists the times of day that a text names, as written and as "15:04".
func timesIn(s string) (found, clock []string) {
	for _, m := range clockTime.FindAllStringSubmatch(s, -1) {
		if m[3] == "" {
			found, clock = append(found, m[0]), append(clock, fmt.Sprintf("%02s:%s", m[1], m[2]+m[4]))
		}
	}
	return found, clock
}

// Drift compares variants, edited by hand or not, with the facts they were made
// from (I12): each fact that a text was rendered with must still stand in it in
// that text's language and form, no text may name a time of day that no fact
// knows, and all are of the same realm. Facts that the wording left out because
// they are unknown are not missed.
func Drift(texts []Text, in Input) []Problem {
	var out []Problem
	known := in.times()
	for _, t := range texts {
		local := in
		local.Exercise = t.Exercise
		if t.Exercise != in.Exercise {
			out = append(out, Problem{Entry: t.Entry, Code: OtherFacts})
		}
		whole := fold(strings.Join([]string{t.Subject, t.Title, t.Body, t.Instruction}, "\n"))
		if t.Exercise != strings.HasPrefix(t.Body, "ÜBUNG") {
			out = append(out, Problem{Entry: t.Entry, Code: MarkGone, Found: firstWords(t.Body)})
		}
		for _, s := range t.Slots {
			if slices.Contains(t.Unknown, s) {
				continue
			}
			if ways := local.ways(s, t.Language, t.Format); !slices.ContainsFunc(ways, func(w string) bool { return w == "" || strings.Contains(whole, w) }) {
				p := placeholder{slot: s}
				out = append(out, Problem{Entry: t.Entry, Code: FactGone, Slot: s, Want: local.shown(p, t.Language, t.Format)})
			}
		}
		if t.Format == Phone {
			continue // times stand in words there
		}
		found, clock := timesIn(t.Body + "\n" + t.Subject + "\n" + t.Title + "\n" + t.Instruction)
		for i, c := range clock {
			if !known[c] {
				out = append(out, Problem{Entry: t.Entry, Code: ForeignTime, Found: found[i]})
			}
		}
	}
	return out
}

func firstWords(s string) string {
	words := strings.Fields(s)
	return strings.Join(words[:min(3, len(words))], " ")
}

// ways lists every form in which a fact may stand in a text.
func (in Input) ways(s Slot, lang Language, format Format) []string {
	d := registry[s]
	var out []string
	add := func(p placeholder) {
		w := in.shown(p, lang, format)
		if format == SMS {
			w = channel.PlainSMS(w)
		}
		w = fold(w)
		out = append(out, w, strings.TrimRight(w, ".!?…"), strings.TrimSuffix(w, " uhr"))
	}
	add(placeholder{slot: s})
	for _, f := range forms[d.Kind] {
		add(placeholder{slot: s, form: f})
	}
	switch d.Kind {
	case KindTime, KindDate:
		for _, prep := range timePrepositions {
			add(placeholder{slot: s, prep: prep})
		}
	case KindNoun:
		for prep := range nounPrepositions {
			add(placeholder{slot: s, prep: prep})
		}
	}
	return out
}

// times collects every time of day that the facts know, the ones that people
// wrote into words included.
func (in Input) times() map[string]bool {
	known := map[string]bool{}
	note := func(text string) {
		_, clock := timesIn(text)
		for _, c := range clock {
			known[c] = true
		}
	}
	at := func(t time.Time) {
		if !t.IsZero() {
			known[t.In(in.location()).Format("15:04")] = true
		}
	}
	at(in.AsOf)
	for _, v := range in.Facts {
		at(v.At)
		for _, s := range []string{v.Text, v.Short, v.EN, v.LS} {
			note(s)
		}
	}
	for _, s := range []string{in.Service.Name, in.Service.Short, in.Service.NameEN, in.Service.NameLS} {
		note(s)
	}
	return known
}

// fold makes texts comparable: lower case, blanks folded.
func fold(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "�")
	}
	return strings.ToLower(strings.Join(strings.Fields(s), " "))
}
