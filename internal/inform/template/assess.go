package template

import (
	"slices"
	"strings"
)

// Assessment is what the language check says about one text.
type Assessment struct {
	Hints []Hint
	// Score is [Readability] of the text: below 40 reads easily, above 55 is
	// hard.
	Score float64
	// Offered is the text with every offered word put in, and OfferedScore its
	// readability; the text itself when nothing is offered.
	Offered      string
	OfferedScore float64
}

// Grade says how a score reads.
type Grade string

// The grades of [Readability].
const (
	Easy   Grade = "easy"
	Medium Grade = "medium"
	Hard   Grade = "hard"
)

// GradeOf grades a score.
func GradeOf(score float64) Grade {
	switch {
	case score < 40:
		return Easy
	case score <= 55:
		return Medium
	default:
		return Hard
	}
}

// Assess checks a text and shows what the offered words would make of it. It
// names reasons and never forbids.
func Assess(text string, lang Language, about Situation) Assessment {
	a := Assessment{Hints: Check(text, lang, about), Score: Readability(text)}
	a.Offered = withOffers(text, a.Hints)
	a.OfferedScore = Readability(a.Offered)
	return a
}

// withOffers puts offered words in their places. An offer of several ("A oder
// B") takes the first; one that explains instead of replacing is left to the
// writer.
func withOffers(text string, hints []Hint) string {
	type change struct {
		start, end int
		word       string
	}
	var todo []change
	for _, h := range hints {
		word, _, _ := strings.Cut(h.Offer, " oder ")
		word, _, _ = strings.Cut(word, ", ")
		if word == "" || strings.ContainsAny(word, "…(:") {
			continue
		}
		todo = append(todo, change{h.Start, h.End, word})
	}
	slices.SortFunc(todo, func(a, b change) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, c := range todo {
		if c.start < at {
			continue // inside a place that is changed already
		}
		b.WriteString(text[at:c.start])
		if startsSentence(text[:c.start]) {
			c.word = upperFirst(c.word)
		}
		b.WriteString(c.word)
		at = c.end
	}
	return b.String() + text[at:]
}
