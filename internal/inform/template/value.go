package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Value is one fact. The zero Value is missing: a text that needs it is
// refused. It is comparable and survives JSON.
type Value struct {
	Text  string    `json:"text,omitempty"`  // German words, a link or a number
	Short string    `json:"short,omitempty"` // short form for SMS, see Definition.Max
	EN    string    `json:"en,omitempty"`    // English; empty: the German text is shown
	LS    string    `json:"ls,omitempty"`    // Leichte Sprache; empty: the German text is shown
	At    time.Time `json:"at,omitzero"`     // for times and dates
	// For is a length of time in nanoseconds.
	For time.Duration `json:"for,omitempty"`
	// Unknown says that nobody knows yet. It is an answer, not a gap.
	Unknown bool `json:"unknown,omitempty"`
	// Off turns a switch off.
	Off bool `json:"off,omitempty"`
}

// Filled is a fact in words.
func Filled(text string) Value { return Value{Text: text} }

// At is a moment or a day.
func At(t time.Time) Value { return Value{At: t} }

// For is a length of time.
func For(d time.Duration) Value { return Value{For: d} }

// Unknown says that the fact is not yet known.
func Unknown() Value { return Value{Unknown: true} }

// Off turns a switch off.
func Off() Value { return Value{Off: true} }

// Missing reports that the fact is neither filled nor said to be unknown. A
// filled value wins over Unknown. Text of which nothing is seen counts as missing.
func (v Value) Missing() bool { return !v.filled() && !v.Unknown }

func (v Value) filled() bool {
	return clean(v.Text, false) != "" || !v.At.IsZero() || v.For > 0 || v.Off
}

// IsUnknown reports that the fact is said to be not yet known.
func (v Value) IsUnknown() bool { return v.Unknown && !v.filled() }

// Facts are the facts of one statement; every variant is rendered from the
// same ones.
type Facts map[Slot]Value

// MarshalJSON writes slots by name in a stable order.
func (f Facts) MarshalJSON() ([]byte, error) {
	plain := make(map[string]Value, len(f))
	for s, v := range f {
		plain[string(s)] = v
	}
	return json.Marshal(plain)
}

// With copies the facts and sets one.
func (f Facts) With(s Slot, v Value) Facts {
	out := make(Facts, len(f)+1)
	maps.Copy(out, f)
	out[s] = v
	return out
}

// Unknowns copies the facts and says "not yet known" for every given slot that
// is missing and may be unknown.
func (f Facts) Unknowns(slots ...Slot) Facts {
	out := make(Facts, len(f)+len(slots))
	maps.Copy(out, f)
	for _, s := range slots {
		if d, ok := registry[s]; ok && !d.Required && out[s].Missing() {
			out[s] = Unknown()
		}
	}
	return out
}

// Input is all that a text is rendered from.
type Input struct {
	Service Noun // the service, or a Join of several
	Facts   Facts
	// AsOf is the "Stand": the moment whose knowledge the text tells. Times of
	// the same day are shown without a date.
	AsOf time.Time
	// Location is where the readers are; nil: the location of AsOf.
	Location *time.Location
	// Exercise marks every part of every text with "ÜBUNG" (I4).
	Exercise bool
}

// MissingError lists the facts without which a text may not go out.
type MissingError struct {
	Entry string // the entry's ID
	// Slots are neither filled nor said to be unknown.
	Slots []Slot
	// Undeniable are said to be unknown, but the text cannot go without them.
	Undeniable []Slot
}

func (e *MissingError) Error() string {
	var parts []string
	if len(e.Slots) > 0 {
		parts = append(parts, fmt.Sprintf("not filled and not said to be unknown: %s", joinSlots(e.Slots)))
	}
	if len(e.Undeniable) > 0 {
		parts = append(parts, fmt.Sprintf("may not be unknown: %s", joinSlots(e.Undeniable)))
	}
	return fmt.Sprintf("template %s: %s", e.Entry, strings.Join(parts, "; "))
}

func joinSlots(slots []Slot) string {
	names := make([]string, len(slots))
	for i, s := range slots {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// value looks a slot up in the input, whatever part of it holds the fact.
func (in Input) value(s Slot) Value {
	switch s {
	case SlotService:
		return Value{Text: in.Service.Name}
	case SlotAsOf:
		return Value{At: in.AsOf}
	}
	return in.Facts[s]
}

// missing checks the facts that slots need.
func (in Input) missing(entry string, slots []Slot) error {
	e := &MissingError{Entry: entry}
	for _, s := range slots {
		d := registry[s]
		v := in.value(s)
		switch {
		case d.Kind == KindSwitch:
		case v.Missing():
			e.Slots = append(e.Slots, s)
		case v.IsUnknown() && d.Required:
			e.Undeniable = append(e.Undeniable, s)
		}
	}
	if len(e.Slots)+len(e.Undeniable) == 0 {
		return nil
	}
	return e
}

func (in Input) location() *time.Location {
	if in.Location != nil {
		return in.Location
	}
	return in.AsOf.Location()
}

// unknownPhrase is what stands for a fact that nobody knows yet.
func unknownPhrase(lang Language) string {
	switch lang {
	case EN:
		return "not yet known"
	case LS:
		return "Das wissen wir noch nicht."
	}
	return "noch nicht bekannt"
}

// clean makes foreign words safe to set into a text: no control or invisible
// characters, blanks folded; line breaks survive only where lists are expected.
func clean(s string, lines bool) string {
	if !lines {
		return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "�"), blank), " ")
	}
	var kept []string
	for line := range strings.Lines(strings.ToValidUTF8(s, "�")) {
		if line = strings.Join(strings.FieldsFunc(line, blank), " "); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// blank reports characters that are shown as nothing or as a gap.
func blank(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// shown is how a placeholder's value reads in a text of e.
func (in Input) shown(p placeholder, lang Language, format Format) string {
	d := registry[p.slot]
	if d.Kind == KindNoun {
		if p.prep != "" && lang != EN {
			return clean(in.Service.withPreposition(lang, p.prep), false)
		}
		return clean(in.Service.form(lang, p.form), false)
	}
	v := in.value(p.slot)
	if v.IsUnknown() {
		return unknownPhrase(lang)
	}
	if !v.At.IsZero() && (d.Kind == KindTime || d.Kind == KindDate) {
		c := clockText{at: v.At.In(in.location()), ref: in.AsOf.In(in.location()), lang: lang, format: format, prep: p.prep, day: d.Kind == KindDate, long: p.form == formLong}
		return c.String()
	}
	if v.For > 0 && d.Kind == KindDuration {
		return DurationText(v.For, lang)
	}
	text := v.in(lang)
	if p.form == formShort && v.Short != "" {
		text = v.Short
	}
	text = clean(text, d.Lines)
	switch {
	case format == Phone && (d.Kind == KindPhone || d.Kind == KindText || d.Kind == KindChoice):
		text = spokenNumbers(text, lang)
	case p.prep == "bis" || p.prep == "seit" || p.prep == "by" || p.prep == "since" || p.prep == "until":
		// A time that a person put in words ("morgen früh") keeps these
		// prepositions; "um" and "at" would not fit it.
		text = p.prep + " " + text
	}
	return text
}

// in picks the words for lang; what has no translation is shown in German and
// listed in Text.Untranslated.
func (v Value) in(lang Language) string {
	switch {
	case lang == EN && v.EN != "":
		return v.EN
	case lang == LS && v.LS != "":
		return v.LS
	}
	return v.Text
}

// translated reports whether the value reads right in lang as it stands.
func (v Value) translated(d Definition, lang Language) bool {
	if lang == DE || v.Text == "" || slices.Contains([]SlotKind{KindLink, KindPhone, KindNoun}, d.Kind) || d.Slot == SlotTown || d.Slot == SlotIncident {
		return true
	}
	return (lang == EN && v.EN != "") || (lang == LS && v.LS != "")
}
