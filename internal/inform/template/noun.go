package template

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Noun is a service's name with all that grammar needs. A missing form is
// derived from Article and Name; an explicit form always wins.
type Noun struct {
	Article    string // der, die, das, die (Plural); empty for names without one ("E-Mail")
	Name       string // nominative without article: "Bürgerportal"
	Dative     string // with article: "dem Bürgerportal"
	Accusative string // with article: "das Bürgerportal"
	Short      string // at most 20 characters, for SMS and subjects
	NameEN     string // with "the" where English wants it: "the citizens' portal"
	NameLS     string // Leichte Sprache, hyphenated: "Bürger-Portal"
	Plural     bool

	parts []Noun // of a Join; each part is inflected by itself
}

// MaxShortName is the longest Short in characters; SMS texts count on it.
const MaxShortName = 20

// NounFor builds the forms of name. article is der, die, das, "die (Plural)"
// or "plural", in any case; anything else means that the name has none.
func NounFor(article, name string) Noun {
	n := Noun{Name: strings.Join(strings.Fields(name), " ")}
	switch a := strings.ToLower(strings.Join(strings.Fields(article), " ")); a {
	case "der", "die", "das":
		n.Article = a
	case "die (plural)", "die (pl)", "die (pl.)", "plural", "pl", "pl.", "die plural":
		n.Article, n.Plural = "die", true
	}
	n.Dative = n.dative(n.Name)
	n.Accusative = n.accusative(n.Name)
	return n
}

// Nominative is the form with article: "das Bürgerportal".
func (n Noun) Nominative() string {
	if len(n.parts) > 0 {
		return joinParts(n.parts, Noun.Nominative, "und")
	}
	return n.nominative(n.Name)
}

func (n Noun) article() string {
	a := strings.ToLower(strings.TrimSpace(n.Article))
	if a == "der" || a == "die" || a == "das" {
		return a
	}
	if n.Plural && strings.Contains(a, "plural") {
		return "die"
	}
	return ""
}

// nominative, dative and accusative inflect name, which is Name or NameLS.
func (n Noun) nominative(name string) string {
	a := n.article()
	if a == "" {
		return name
	}
	return a + " " + adjective(name, "e", n.Plural)
}

func (n Noun) dative(name string) string {
	a := n.article()
	switch {
	case a == "" && !n.Plural:
		return name
	case n.Plural:
		name = adjective(dativePlural(name), "en", true)
		if a == "" {
			return name
		}
		return "den " + name
	case a == "die":
		return "der " + adjective(name, "en", false)
	default:
		return "dem " + weakMasculine(a, adjective(name, "en", false))
	}
}

func (n Noun) accusative(name string) string {
	if n.article() == "der" && !n.Plural {
		return "den " + weakMasculine("der", adjective(name, "en", false))
	}
	return n.nominative(name)
}

// dativePlural adds the -n that German plurals take unless they end in -n or
// -s, or in a vowel that takes none ("Apps", "Konten", "Kitas").
func dativePlural(name string) string {
	for _, end := range []string{"e", "el", "er"} {
		if strings.HasSuffix(name, end) {
			return name + "n"
		}
	}
	return name
}

// weakMasculine adds -en to the few weak masculine nouns that name services
// ("der Chat-Assistent", "dem Chat-Assistenten").
func weakMasculine(article, name string) string {
	if article != "der" {
		return name
	}
	lower := strings.ToLower(name)
	for _, end := range []string{"assistent", "agent", "präsident"} {
		if strings.HasSuffix(lower, end) {
			return name + "en"
		}
	}
	return name
}

// adjectiveStems end adjectives that towns put in front of service names.
var adjectiveStems = []string{"al", "isch", "lich", "ig", "iv", "il", "iert", "haft", "är", "ell"}

// adjective gives a leading adjective ("Digitale Bauakte", "Digitaler
// Bauantrag") the weak ending that follows an article; plural takes -en always.
// A name without one is returned as it is.
func adjective(name, ending string, plural bool) string {
	first, rest, ok := strings.Cut(name, " ")
	if !ok {
		return name
	}
	if plural {
		ending = "en"
	}
	for _, old := range []string{"en", "er", "es", "e"} {
		stem, found := strings.CutSuffix(first, old)
		if !found {
			continue
		}
		for _, s := range adjectiveStems {
			if strings.HasSuffix(stem, s) {
				return stem + ending + " " + rest
			}
		}
	}
	return name
}

// Join makes one noun of several services that share a statement: "das
// Bürgerportal und die E-Mail". One noun comes back as it is, none as empty.
func Join(nouns ...Noun) Noun {
	switch len(nouns) {
	case 0:
		return Noun{}
	case 1:
		return nouns[0]
	}
	bare := func(n Noun) string { return n.Name }
	return Noun{
		Name:       joinParts(nouns, bare, "und"),
		Dative:     joinParts(nouns, func(n Noun) string { return n.form(DE, formDative) }, "und"),
		Accusative: joinParts(nouns, func(n Noun) string { return n.form(DE, formAccusative) }, "und"),
		Short:      joinParts(nouns, func(n Noun) string { return n.form(DE, formShort) }, "und"),
		Plural:     true,
		parts:      append([]Noun(nil), nouns...),
	}
}

func joinParts(nouns []Noun, form func(Noun) string, and string) string {
	var b strings.Builder
	for i, n := range nouns {
		switch {
		case i == 0:
		case i == len(nouns)-1:
			b.WriteString(" " + and + " ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(form(n))
	}
	return b.String()
}

// form gives the noun as a text in language lang needs it. English has no
// cases; a missing English or simple name falls back to the German one.
func (n Noun) form(lang Language, form string) string {
	if len(n.parts) > 0 && (lang != DE || form == "" || form == formNominative) {
		and := "und"
		if lang == EN {
			and = "and"
		}
		return joinParts(n.parts, func(p Noun) string { return p.form(lang, form) }, and)
	}
	if form == formShort {
		if n.Short != "" {
			return n.Short
		}
		return n.form(lang, "")
	}
	if lang == EN {
		name := n.NameEN
		if name == "" {
			name = n.Name
		}
		if form == "" {
			return upperFirst(strings.TrimPrefix(name, "the "))
		}
		return name
	}
	name := n.Name
	if lang == LS && n.NameLS != "" {
		name = n.NameLS
	}
	switch form {
	case formNominative:
		return n.nominative(name)
	case formDative:
		if name == n.Name && n.Dative != "" {
			return n.Dative
		}
		return n.dative(name)
	case formAccusative:
		if name == n.Name && n.Accusative != "" {
			return n.Accusative
		}
		return n.accusative(name)
	}
	return name
}

// contractions are the short forms that German wants between preposition and
// article; "von dem Bürgerportal" reads like a form letter.
var contractions = strings.NewReplacer(
	"von dem ", "vom ", "zu dem ", "zum ", "bei dem ", "beim ",
	"in dem ", "im ", "an dem ", "am ", "zu der ", "zur ",
)

// withPreposition puts a German preposition before the right case.
func (n Noun) withPreposition(lang Language, prep string) string {
	form := formAccusative
	if nounPrepositions[prep] == formDative {
		form = formDative
	}
	return contractions.Replace(prep + " " + n.form(lang, form))
}

// upperFirst makes the first letter large. A word that carries a capital of its
// own further on ("eAkte") keeps its shape.
func upperFirst(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if !unicode.IsLower(r) {
		return s
	}
	if next, _ := utf8.DecodeRuneInString(s[size:]); unicode.IsUpper(next) {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}
