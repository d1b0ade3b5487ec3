package template

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tuermer/internal/town/channel"
)

// Entry is one prepared text: one cell of the grid in one format and language.
type Entry struct {
	ID       string // "B-P1-mail-de"
	Phase    string // "P1"
	Kind     Kind
	Audience AudienceKind
	Format   Format
	Scenario Scenario // empty: fits every outage
	Language Language
	// Version counts the changes of the wording; an approval holds for one.
	Version     int
	ReviewState Review
	ApprovedBy  string // who released Version; empty while it is a draft

	Subject     string // mail
	Title       string // page, push, notice, CAP headline, feed
	Body        string
	Instruction string // CAP: what to do

	// Slots are the facts that the text uses, in order of first appearance.
	Slots []Slot
}

// Parts of a text, as named in Text.Over.
const (
	PartSubject     = "subject"
	PartTitle       = "title"
	PartBody        = "body"
	PartInstruction = "instruction"
)

// Text is a filled text, ready to be read and approved.
type Text struct {
	Entry    string // the entry's ID
	Version  int
	Kind     Kind
	Audience AudienceKind
	Format   Format
	Scenario Scenario
	Language Language
	Review   Review
	Exercise bool

	Subject, Title, Body, Instruction string

	// Length of the body: characters; for SMS septets or UCS-2 units.
	Length   int
	Segments int      // SMS: parts that are paid for; otherwise 0
	Encoding Encoding // SMS only
	// Over names the parts that are longer than Limits allows.
	Over []string

	// Slots are the facts that the text carries, without those of alternatives
	// that were not taken; Unknown those said to be not yet known; Untranslated
	// those shown in German within another language.
	Slots, Unknown, Untranslated []Slot
}

// Prepare checks e's wording and fills Slots, ID and Phase. It is what an
// editor's text goes through before it is kept. Errors are [SyntaxError]s with
// the part's name in front.
func Prepare(e Entry) (Entry, error) {
	e.Slots = nil
	for _, p := range e.parts() {
		nodes, err := parse(p.text)
		if err != nil {
			return e, fmt.Errorf("%s: %w", p.name, err)
		}
		for _, s := range slotsOf(nodes) {
			if !slices.Contains(e.Slots, s) {
				e.Slots = append(e.Slots, s)
			}
		}
	}
	if strings.TrimSpace(e.Body) == "" {
		return e, fmt.Errorf("%s: the text is empty", PartBody)
	}
	e.Phase = e.Kind.Phase()
	if e.ID == "" {
		e.ID = e.name()
	}
	return e, nil
}

func (e Entry) name() string {
	letter := audienceLetter[e.Audience]
	if letter == "" {
		letter = string(e.Audience)
	}
	parts := []string{letter, e.Kind.Phase()}
	if e.Scenario != "" {
		parts = append(parts, string(e.Scenario))
	}
	return strings.Join(append(parts, string(e.Format), string(e.Language)), "-")
}

type part struct {
	name, text string
}

func (e Entry) parts() []part {
	return []part{{PartSubject, e.Subject}, {PartTitle, e.Title}, {PartBody, e.Body}, {PartInstruction, e.Instruction}}
}

// Render fills e from in. It refuses with [*MissingError] while a fact is
// neither filled nor said to be unknown, whether or not the text could do
// without it: leaving something out is a decision, not an oversight.
func (l *Library) Render(e Entry, in Input) (Text, error) { return Render(e, in) }

// Render is [Library.Render] for a text that stands in no library.
func Render(e Entry, in Input) (Text, error) {
	e, err := Prepare(e)
	if err != nil {
		return Text{}, fmt.Errorf("template %s: %w", e.ID, err)
	}
	if in.AsOf.IsZero() {
		return Text{}, &MissingError{Entry: e.ID, Slots: []Slot{SlotAsOf}}
	}
	if err := in.missing(e.ID, e.Slots); err != nil {
		return Text{}, err
	}
	t := Text{
		Entry: e.ID, Version: e.Version, Kind: e.Kind, Audience: e.Audience, Format: e.Format,
		Scenario: e.Scenario, Language: e.Language, Review: e.ReviewState, Exercise: in.Exercise,
	}
	said := map[Slot]bool{}
	limit := Limits(e.Format)
	t.Subject = in.fill(e.Subject, e, PartSubject, said)
	t.Title = in.fill(e.Title, e, PartTitle, said)
	if tooLong(t.Subject, limit.Subject) || tooLong(t.Title, limit.Title) {
		// A long name of the service must not push the rest off the screen.
		brief := in
		brief.Service.Name = in.Service.form(e.Language, formShort)
		if e.Language == EN {
			brief.Service.NameEN = brief.Service.Name
		}
		if tooLong(t.Subject, limit.Subject) {
			t.Subject = brief.fill(shortService.Replace(e.Subject), e, PartSubject, said)
		}
		if tooLong(t.Title, limit.Title) {
			t.Title = brief.fill(shortService.Replace(e.Title), e, PartTitle, said)
		}
	}
	t.Body = in.fill(e.Body, e, PartBody, said)
	t.Instruction = in.fill(e.Instruction, e, PartInstruction, said)
	for _, s := range e.Slots {
		d := registry[s]
		if d.Kind == KindSwitch {
			continue
		}
		v := in.value(s)
		if v.IsUnknown() {
			t.Slots, t.Unknown = append(t.Slots, s), append(t.Unknown, s)
			continue
		}
		if !said[s] {
			continue
		}
		t.Slots = append(t.Slots, s)
		if !v.translated(d, e.Language) {
			t.Untranslated = append(t.Untranslated, s)
		}
	}
	t.measure()
	return t, nil
}

// shortService swaps the bare name for the short one where room is scarce.
var shortService = strings.NewReplacer("{Dienst}", "{Dienst_kurz}")

func tooLong(s string, limit int) bool { return limit > 0 && utf8.RuneCountInString(s) > limit }

// Measure counts lengths anew, for a text that was edited by hand.
func Measure(t Text) Text {
	t.measure()
	return t
}

func (t *Text) measure() {
	limit := Limits(t.Format)
	t.Over = nil
	t.Length, t.Segments, t.Encoding = utf8.RuneCountInString(t.Body), 0, ""
	if t.Format == SMS {
		t.Encoding, t.Length, t.Segments = Segments(t.Body)
	}
	if tooLong(t.Subject, limit.Subject) {
		t.Over = append(t.Over, PartSubject)
	}
	if tooLong(t.Title, limit.Title) {
		t.Over = append(t.Over, PartTitle)
	}
	if t.Segments > 1 || (t.Format != SMS && limit.Body > 0 && t.Length > limit.Body) {
		t.Over = append(t.Over, PartBody)
	}
}

// fill renders one part of e and notes in said what it says. The wording was
// parsed by Prepare before, so a syntax error cannot occur here; it would show the
// source rather than nothing.
func (in Input) fill(source string, e Entry, name string, said map[Slot]bool) string {
	if source == "" {
		return ""
	}
	nodes, err := parse(source)
	if err != nil {
		return source
	}
	w := writer{in: in, lang: e.Language, format: e.Format, said: said}
	w.nodes(nodes)
	s := tidy(w.out.String())
	if e.Format == SMS {
		s = channel.PlainSMS(s)
	}
	if in.Exercise {
		s = exerciseMark(s, name, e.Format, e.Language)
	}
	return s
}

// writer puts nodes together and minds the seams.
type writer struct {
	in     Input
	lang   Language
	format Format
	said   map[Slot]bool
	out    strings.Builder
	value  bool // the last thing written was a slot's value
	gone   bool // a left-out part stood alone on its line, so the line goes too
}

func (w *writer) nodes(nodes []node) {
	for _, n := range nodes {
		switch n := n.(type) {
		case literal:
			w.literal(string(n))
		case selector:
			s := n.singular
			if w.in.Service.Plural {
				s = n.plural
			}
			w.set(s, true)
			w.value = false
		case placeholder:
			k := registry[n.slot].Kind
			w.said[n.slot] = true
			w.set(w.in.shown(n, w.lang, w.format), k != KindLink && k != KindPhone)
		case group:
			before := w.out.Len()
			if w.stands(n) {
				w.nodes(n.main)
			} else {
				w.nodes(n.other)
			}
			w.gone = w.out.Len() == before && (before == 0 || strings.HasSuffix(w.out.String(), "\n"))
		}
	}
}

// stands reports whether a group's main part is said.
func (w *writer) stands(g group) bool {
	if g.on != "" && w.in.Facts[g.on].Off {
		return false
	}
	for _, s := range slotsOf(g.main) {
		if w.in.value(s).IsUnknown() {
			return false
		}
	}
	return true
}

func (w *writer) literal(s string) {
	if w.gone {
		s, w.gone = strings.TrimPrefix(s, "\n"), false
	}
	if w.value && s != "" {
		said := w.out.String()
		// "14:30 Uhr" before " Uhr", and a sentence that brings its own full
		// stop before the text's.
		if strings.HasSuffix(said, "Uhr") && strings.HasPrefix(s, " Uhr") && !strings.HasPrefix(s, " Uhrzeit") {
			s = s[len(" Uhr"):]
		}
		if strings.HasPrefix(s, ".") && !strings.HasPrefix(s, "..") && endsSentence(said) {
			s = s[1:]
		}
	}
	w.out.WriteString(s)
	if s != "" {
		w.value = false
	}
}

// set writes a value, with a capital where it begins a sentence.
func (w *writer) set(s string, capital bool) {
	if capital && startsSentence(w.out.String()) {
		s = upperFirst(s)
	}
	w.out.WriteString(s)
	w.value, w.gone = s != "", false
}

func endsSentence(s string) bool {
	return strings.HasSuffix(s, ".") || strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") || strings.HasSuffix(s, "…")
}

func startsSentence(before string) bool {
	trimmed := strings.TrimRight(before, " \"„“(-•–")
	if trimmed == "" || strings.HasSuffix(trimmed, "\n") {
		return true
	}
	return endsSentence(trimmed) && len(trimmed) < len(before)
}

// tidy closes the gaps that a left-out part leaves.
func tidy(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		lines = append(lines, strings.Join(strings.FieldsFunc(line, func(r rune) bool { return r == ' ' }), " "))
	}
	s = strings.Join(lines, "\n")
	for strings.Contains(s, "\n\n\n") {
		s = strings.ReplaceAll(s, "\n\n\n", "\n\n")
	}
	return strings.Trim(s, "\n ")
}

// exerciseMark puts "ÜBUNG" on a part, so that no text of an exercise can be
// taken for real wherever it ends up (I4).
func exerciseMark(s, name string, format Format, lang Language) string {
	if s == "" {
		return ""
	}
	short := name != PartBody || format == SMS || format == Push || format == Short300 || format == Short500 || format == Messenger
	switch {
	case short && format == SMS:
		return "ÜBUNG " + s
	case short:
		return "ÜBUNG: " + s
	case format == Phone && lang == EN:
		return "ÜBUNG. This is an exercise. " + s + " This was an exercise."
	case format == Phone:
		return "ÜBUNG. Dies ist eine Übung. " + s + " Dies war eine Übung."
	case lang == EN:
		return "ÜBUNG – this text is part of an exercise.\n\n" + s + "\n\nÜBUNG"
	case lang == LS:
		return "ÜBUNG\nDas ist nur eine Übung.\n\n" + s + "\n\nÜBUNG"
	}
	return "ÜBUNG – dieser Text gehört zu einer Übung.\n\n" + s + "\n\nÜBUNG"
}
