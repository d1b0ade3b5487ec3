package publish

import (
	"regexp"
	"slices"
	"strings"

	"tuermer/internal/inform/template"
)

// Topic is something that a reader may be hurt by, so that a second person reads
// the words before they go out, whoever the readers are.
type Topic string

// topics are the checklist, with the beginnings of words that hint at each. A hint
// is a question to the author: only a person says that a topic is touched.
var topics = []struct {
	topic Topic
	hints *regexp.Regexp
}{
	{"deaths", hint(`tot|tote|toten|toter|todes|tödlich|verstorben|gestorben|leiche|ums leben|died|dead|death|fatal`)},
	{"injuries", hint(`verletz|verwundet|schwerverletz|krankenhaus|klinik|injur|wounded|hospital`)},
	{"children", hint(`kind|kinder|kindern|kita|schüler|schule|jugendlich|child|pupil|school`)},
	{"suspects", hint(`verdächtig|tatverdacht|täter|beschuldigt|festgenommen|suspect|arrested|perpetrator`)},
	{"police", hint(`polizei|ermittl|staatsanwalt|kripo|lka|tatort|police|investigat|prosecut`)},
	{"data", hint(`datenabfluss|datenleck|personenbezogen|daten von|abgeflossen|gestohlene daten|data leak|personal data|breach`)},
	{"origin", hint(`religion|religiös|muslim|moschee|jüdisch|synagoge|kirche|herkunft|staatsangehörig|ausländ|flüchtling|migrant|refugee|mosque|church|jewish`)},
	{"anniversary", hint(`jahrestag|gedenk|trauer|andacht|anniversary|memorial|mourning`)},
	{"humour", hint(`witz|scherz|haha|zwinker|humor|joke|fun`)},
	{"pictures", hint(`foto|bild|bilder|video|aufnahme|photo|picture|image`)},
}

// hint finds beginnings of words; "tot" alone is a whole word, for "Totale" is
// none.
func hint(words string) *regexp.Regexp {
	var parts []string
	for w := range strings.SplitSeq(words, "|") {
		if len([]rune(w)) <= 4 {
			w += `\b`
		}
		parts = append(parts, w)
	}
	return regexp.MustCompile(`(?i)(?:^|[^\p{L}])(` + strings.Join(parts, "|") + `)`)
}

// Topics lists the checklist.
func Topics() []Topic {
	out := make([]Topic, len(topics))
	for i, t := range topics {
		out[i] = t.topic
	}
	return out
}

// Touched are the topics that a person has ticked. They stand with the facts, so
// that they are kept, approved and frozen with them.
func Touched(f template.Facts) (out []Topic) {
	for part := range strings.SplitSeq(f[template.SlotTact].Text, ",") {
		if t := Topic(strings.TrimSpace(part)); slices.Contains(Topics(), t) && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// touch is the fact that names topics.
func touch(ticked []string) template.Value {
	var known []string
	for _, t := range Topics() {
		if slices.Contains(ticked, string(t)) {
			known = append(known, string(t))
		}
	}
	if len(known) == 0 {
		return template.Value{}
	}
	return template.Filled(strings.Join(known, ","))
}

// sensitive reports whether a second person reads it because of what it touches.
func sensitive(f template.Facts) bool { return len(Touched(f)) > 0 }

// noticed is a topic that the words hint at, and the word.
type noticed struct {
	Topic Topic
	Word  string
}

// notice looks for topics in what people wrote, leaving out those ticked already.
func notice(f template.Facts) (out []noticed) {
	var text strings.Builder
	for _, d := range template.Definitions() {
		if v := f[d.Slot]; d.Slot != template.SlotTact && d.Source == template.FromPerson && (d.Kind == template.KindText || d.Kind == template.KindChoice) && !v.IsUnknown() {
			text.WriteString(v.Text + "\n" + v.EN + "\n")
		}
	}
	touched := Touched(f)
	for _, t := range topics {
		if slices.Contains(touched, t.topic) {
			continue
		}
		if m := t.hints.FindStringSubmatchIndex(text.String()); m != nil {
			out = append(out, noticed{t.topic, wordAt(text.String(), m[2])})
		}
	}
	return out
}

// wordAt is the whole word that begins at i.
func wordAt(s string, i int) string {
	end := strings.IndexFunc(s[i:], func(r rune) bool { return strings.ContainsRune(" \n\t.,;:!?()\"„“”", r) })
	if end < 0 {
		return s[i:]
	}
	return s[i : i+end]
}
