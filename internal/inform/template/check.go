package template

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// HintCode names a rule of plain language.
type HintCode string

// The rules. None of them blocks: the writer decides.
const (
	LongSentence  HintCode = "long_sentence"
	Passive       HintCode = "passive"
	Jargon        HintCode = "jargon"
	OfficialStyle HintCode = "official_style"
	NounStyle     HintCode = "noun_style"
	VagueTime     HintCode = "vague_time"
	Blame         HintCode = "blame"
	FactFirst     HintCode = "fact_first"
	Humour        HintCode = "humour"
	Shouting      HintCode = "shouting"
	Speculation   HintCode = "speculation"
	Exclamation   HintCode = "exclamation"
	Marketing     HintCode = "marketing"
	PlayingDown   HintCode = "playing_down"
	Alarming      HintCode = "alarming"
	DeadlineMyth  HintCode = "deadline"
	Familiar      HintCode = "familiar"
	Negation      HintCode = "negation"
	Genitive      HintCode = "genitive"
	LongWord      HintCode = "long_word"
	Percent       HintCode = "percent"
	OnePerLine    HintCode = "one_per_line"
)

// Hint is one place in a text that a reader may stumble over.
type Hint struct {
	Code HintCode
	// Start and End are byte offsets of the place in the text.
	Start, End int
	Found      string
	// Offer is a better wording, where one is known.
	Offer string
}

// Situation is what the checked text is for.
type Situation struct {
	Kind     Kind         // corrections are checked for blame and for the fact first
	Audience AudienceKind // jargon is fine among the IT staff
	// Crisis: neither jokes nor exclamation marks, no guesses, no advertising,
	// nothing that plays the situation down or up.
	Crisis bool
}

// inCrisis are the rules that hold at the level crisis alone.
var inCrisis = []HintCode{Humour, Exclamation, Speculation, Marketing, PlayingDown, Alarming}

// InCrisis lists the rules that a crisis adds.
func InCrisis() []HintCode { return slices.Clone(inCrisis) }

// reasons are said to the writer, German and English. %s is the place.
var reasons = map[HintCode][2]string{
	LongSentence:  {"Der Satz hat %s. Kürzere Sätze liest man auch unter Druck richtig.", "The sentence has %s. Shorter ones are read correctly even under stress."},
	Passive:       {"„%s“ sagt nicht, wer handelt. Nennen Sie, wer es tut.", "“%s” does not say who acts. Name who does it."},
	Jargon:        {"„%s“ verstehen nicht alle.", "Not everyone understands “%s”."},
	OfficialStyle: {"„%s“ klingt nach Amt. Es geht einfacher.", "“%s” is stiff. It can be said more simply."},
	NounStyle:     {"Viele Hauptwörter auf -ung hintereinander („%s“). Verben sind leichter zu lesen.", "Many nouns in a row (“%s”). Verbs are easier to read."},
	VagueTime:     {"„%s“ lässt die Menschen warten, ohne zu wissen wie lange. Nennen Sie eine Uhrzeit.", "“%s” leaves people waiting without knowing how long. Name a time."},
	Blame:         {"„%s“ wertet. Eine Richtigstellung überzeugt auf Augenhöhe.", "“%s” judges. A correction convinces at eye level."},
	FactFirst:     {"Beginnen Sie mit dem, was richtig ist. „%s“ wiederholt zuerst das Falsche.", "Begin with what is right. “%s” repeats what is wrong first."},
	Humour:        {"„%s“ passt nicht in eine Krise. Jetzt zählt nur die Information.", "“%s” does not fit a crisis. Only information counts now."},
	Shouting:      {"„%s“ wirkt wie Schreien.", "“%s” reads like shouting."},
	Speculation:   {"„%s“ ist eine Vermutung. Sagen Sie, was gesichert ist, und was noch nicht bekannt ist.", "“%s” is a guess. Say what is certain and what is not yet known."},
	Exclamation:   {"Ausrufezeichen wirken in einer Krise aufgeregt („%s“). Ein Punkt genügt.", "Exclamation marks sound agitated in a crisis (“%s”). A full stop is enough."},
	Marketing:     {"„%s“ klingt nach Werbung. In einer Krise fragt niemand, wie gut wir sind.", "“%s” sounds like advertising. In a crisis nobody asks how good we are."},
	PlayingDown:   {"„%s“ redet die Lage klein. Wer betroffen ist, fühlt sich nicht ernst genommen.", "“%s” plays the situation down. Those affected will not feel taken seriously."},
	Alarming:      {"„%s“ macht Angst, ohne etwas zu erklären. Sagen Sie, was geschehen ist und was man tun kann.", "“%s” frightens without explaining. Say what has happened and what people can do."},
	DeadlineMyth:  {"„%s“: Eine gesetzliche Frist lässt sich nicht durch eine Mitteilung verlängern. Nennen Sie den Weg, der sie wahrt.", "“%s”: a statutory deadline cannot be extended by a message. Name the way that keeps it."},
	Familiar:      {"„%s“ duzt. Wir schreiben „Sie“.", "“%s” is too familiar."},
	Negation:      {"Leichte Sprache sagt, was ist. „%s“ verneint.", "Easy language says what is. “%s” negates."},
	Genitive:      {"Leichte Sprache vermeidet den Genitiv („%s“). Schreiben Sie „von dem …“.", "Easy language avoids the genitive (“%s”)."},
	LongWord:      {"„%s“ ist ein langes Wort. Trennen Sie es mit Bindestrich oder nehmen Sie ein kürzeres.", "“%s” is a long word. Hyphenate it or take a shorter one."},
	Percent:       {"„%s“: Leichte Sprache vermeidet Prozentzahlen. Schreiben Sie „viele“ oder „wenige“.", "“%s”: easy language avoids percentages."},
	OnePerLine:    {"In Leichter Sprache steht jeder Satz auf einer eigenen Zeile.", "In easy language each sentence has its own line."},
}

// Reason says the rule and the place in a sentence.
func (h Hint) Reason(lang Language) string {
	both, ok := reasons[h.Code]
	if !ok {
		return h.Found
	}
	text, found := both[0], h.Found
	if lang == EN {
		text = both[1]
	}
	if h.Code == LongSentence {
		n := len(words(h.Found))
		found = fmt.Sprintf("%d Wörter", n)
		if lang == EN {
			found = fmt.Sprintf("%d words", n)
		}
	}
	if strings.Contains(text, "%s") {
		text = fmt.Sprintf(text, found)
	}
	if h.Offer != "" {
		if lang == EN {
			text += fmt.Sprintf(" Better: “%s”.", h.Offer)
		} else {
			text += fmt.Sprintf(" Besser: „%s“.", h.Offer)
		}
	}
	return text
}

// maxWords is the longest sentence that is not hinted at.
var maxWords = map[Language]int{DE: 20, EN: 25, LS: 10}

var (
	passiveDE = regexp.MustCompile(`(?i)\b(wird|werden|wurde|wurden)\b[^.?!;:\n]{0,60}?\b((?:ab|an|auf|aus|ein|ver|be|er|ent|zer|vor|zu|um|nach|her|hin|weg|mit|frei|fest|bereit|wieder|über|unter)?ge\p{L}{2,}(?:t|en)|(?:ver|be|er|ent|zer|über|unter)\p{L}{3,}(?:t|en)|\p{L}{3,}iert)\b(?: worden)?`)
	passiveEN = regexp.MustCompile(`(?i)\b(is|are|was|were|been|being|be) (?:\w+ly )?(\p{L}{3,}ed|taken|given|made|done|shown|sent|found|known|seen|put|cut|held|kept)\b`)
	emoji     = regexp.MustCompile(`[\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}]|[:;]-?[)D(P]|(?i)\b(haha+|hihi|lol|rofl|zwinker\w*|spaß\w*|scherz\w*|just kidding)\b`)
	shouting  = regexp.MustCompile(`!{2,}|\?{2,}|\b\p{Lu}{7,}\b`)
	exclaims  = regexp.MustCompile(`(?:[\p{L}\p{N}]+[)“”"]* ?)!`)
	wordsRE   = regexp.MustCompile(`[\p{L}\p{N}][\p{L}\p{N}.:/'’\-]*`)
	deadline  = regexp.MustCompile(`(?i)\b(fristverlängerung\w*|frist(?:en)?\s(?:wird|werden|ist|sind|verlängert|verlängern)[^.?!\n]{0,40}verlänger\w*|verlänger\w+[^.?!\n]{0,30}\bfrist(?:en)?|deadlines?[^.?!\n]{0,30}\bextended|extend\w*[^.?!\n]{0,30}\bdeadlines?)`)
	familiar  = regexp.MustCompile(`(?i)\b(du|dich|dir|dein(?:e|en|em|er|es)?|euch|euer|eure(?:n|m|r|s)?)\b`)
	negation  = regexp.MustCompile(`(?i)\b(nicht|kein(?:e|en|em|er|es)?|niemals|nie|weder)\b`)
	genitive  = regexp.MustCompile(`\b(?:des|eines) \p{Lu}\p{L}+s\b`)
	percent   = regexp.MustCompile(`\d+(?:[.,]\d+)?\s?(?:%|Prozent)`)
	lineBreak = regexp.MustCompile(`[^0-9\n][.?!] +\p{Lu}`)
	notFirst  = regexp.MustCompile(`(?i)\b(nicht|kein\w*|falsch\w*|gerücht\w*|angeblich\w*|unwahr\w*|not|no|false|rumou?rs?|untrue|allegedly)\b`)
)

// Check reads a text for plain language and names what a reader may stumble
// over, in the order of the text. It never blocks, and an empty answer does not
// mean that the text is good.
func Check(text string, lang Language, about Situation) []Hint {
	var out []Hint
	add := func(code HintCode, start, end int, offer string) {
		out = append(out, Hint{Code: code, Start: start, End: end, Found: text[start:end], Offer: offer})
	}
	each := func(code HintCode, re *regexp.Regexp, skip func(string) bool) {
		for _, m := range re.FindAllStringIndex(text, -1) {
			if skip == nil || !skip(text[m[0]:m[1]]) {
				add(code, m[0], m[1], "")
			}
		}
	}
	for i, s := range sentences(text) {
		body := text[s[0]:s[1]]
		if n := len(words(body)); n > maxWords[lang] && maxWords[lang] > 0 {
			add(LongSentence, s[0], s[1], "")
		}
		if lang != EN && strings.Count(strings.ToLower(body)+" ", "ung ")+strings.Count(strings.ToLower(body), "ungen ") >= 4 {
			add(NounStyle, s[0], s[1], "")
		}
		if i == 0 && about.Kind == Correction && notFirst.MatchString(body) {
			add(FactFirst, s[0], s[1], "")
		}
	}
	if lang == EN {
		each(Passive, passiveEN, isState)
	} else {
		each(Passive, passiveDE, notPassive)
		each(Familiar, familiar, nil)
	}
	out = append(out, wordHints(text, lang, about)...)
	if about.Crisis {
		each(Humour, emoji, nil)
		for _, m := range exclaims.FindAllStringIndex(text, -1) {
			if !strings.HasPrefix(text[m[1]:], "!") { // several are shouting
				add(Exclamation, m[0], m[1], "")
			}
		}
	}
	if about.Audience != IT {
		each(Shouting, shouting, func(s string) bool { return strings.HasPrefix(s, "ÜBUNG") })
	}
	each(DeadlineMyth, deadline, nil)
	if lang == LS {
		each(Negation, negation, nil)
		each(Genitive, genitive, nil)
		each(Percent, percent, nil)
		each(OnePerLine, lineBreak, nil)
		for _, m := range wordsRE.FindAllStringIndex(text, -1) {
			w := text[m[0]:m[1]]
			if longestPart(w) > 14 && !strings.Contains(w, "/") && !strings.Contains(w, ".") {
				add(LongWord, m[0], m[1], "")
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Hint) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Code, b.Code))
	})
	return out
}

// notPassive drops what only looks like a passive: the future ("wir werden Sie
// benachrichtigen") and "werden" as a full verb.
func notPassive(s string) bool {
	lower := strings.ToLower(s)
	last := lower[strings.LastIndexAny(lower, " \n")+1:]
	// An infinitive after "werden" ends in -en and is no participle with ge-.
	return strings.HasPrefix(lower, "werden") && strings.HasSuffix(last, "en") && !geParticiple.MatchString(last)
}

var geParticiple = regexp.MustCompile(`^(?:ab|an|auf|aus|ein|vor|zu|um|nach|her|hin|weg|mit|frei|fest|bereit|wieder)?ge`)

// statesEN are participles that name a state, not an act: "is closed".
var statesEN = []string{"affected", "disrupted", "concerned", "closed", "finished", "limited", "needed", "required", "prepared", "located", "expected", "known", "done", "held", "resolved"}

func isState(s string) bool {
	return slices.Contains(statesEN, strings.ToLower(s[strings.LastIndexByte(s, ' ')+1:]))
}

// wordHints looks words and phrases up in the lists.
func wordHints(text string, lang Language, about Situation) []Hint {
	var out []Hint
	for _, l := range wordLists {
		if l.english != (lang == EN) ||
			(l.code == Jargon && about.Audience == IT) ||
			(l.code == Blame && about.Kind != Correction) ||
			(!about.Crisis && slices.Contains(inCrisis, l.code)) {
			continue
		}
		for _, w := range l.words {
			for _, at := range occurrences(text, w.word) {
				out = append(out, Hint{Code: l.code, Start: at[0], End: at[1], Found: text[at[0]:at[1]], Offer: w.offer})
			}
		}
	}
	return out
}

// occurrences finds a word or phrase as a whole, in any case. A listed word
// that ends in * may go on ("vermutlich*").
func occurrences(text, word string) [][2]int {
	stem, open := strings.CutSuffix(word, "*")
	n := utf8.RuneCountInString(stem)
	var out [][2]int
	runes, at := []rune(text), 0
	offsets := make([]int, 0, len(runes)+1)
	for _, r := range runes {
		offsets = append(offsets, at)
		at += utf8.RuneLen(r)
	}
	offsets = append(offsets, at)
	first, _ := utf8.DecodeRuneInString(stem)
	first = unicode.ToLower(first)
	for i := 0; i+n <= len(runes); i++ {
		if unicode.ToLower(runes[i]) != first {
			continue // nearly always, and far cheaper than folding a string
		}
		if i > 0 && letter(runes[i-1]) {
			continue
		}
		if !strings.EqualFold(string(runes[i:i+n]), stem) {
			continue
		}
		end := i + n
		if open {
			for end < len(runes) && letter(runes[end]) {
				end++
			}
		} else if end < len(runes) && (letter(runes[end]) || runes[end] == '-') {
			continue
		}
		out = append(out, [2]int{offsets[i], offsets[end]})
	}
	return out
}

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// sentences cuts a text at full stops, question and exclamation marks and line
// breaks, and gives byte offsets without surrounding blanks. A colon ends a
// sentence too: what follows a label is read by itself. Stops inside numbers,
// addresses and after common abbreviations are none.
func sentences(text string) [][2]int {
	var out [][2]int
	start := 0
	cut := func(end int) {
		s, e := start, end
		for s < e && (text[s] == ' ' || text[s] == '\n') {
			s++
		}
		for e > s && (text[e-1] == ' ' || text[e-1] == '\n') {
			e--
		}
		if e > s {
			out = append(out, [2]int{s, e})
		}
		start = end
	}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\n':
			cut(i)
		case '.', '!', '?', ':':
			last := i + 1
			if last < len(text) && text[last] != ' ' && text[last] != '\n' {
				continue
			}
			if text[i] == '.' && abbreviated(text[start:last]) {
				continue
			}
			cut(last)
		}
	}
	cut(len(text))
	return out
}

// abbreviated reports that the full stop at the end of s belongs to an
// abbreviation or a day ("22. November").
func abbreviated(s string) bool {
	w := s[strings.LastIndexAny(s, " \n(")+1:]
	switch strings.ToLower(w) {
	case "z.", "b.", "nr.", "tel.", "art.", "bzw.", "ca.", "d.", "h.", "u.", "a.", "usw.", "dr.", "str.", "p.m.", "a.m.", "e.g.", "i.e.", "no.":
		return true
	}
	digits := strings.TrimSuffix(w, ".")
	return digits != "" && len(digits) <= 2 && strings.Trim(digits, "0123456789") == ""
}

func words(s string) []string { return wordsRE.FindAllString(s, -1) }

// longestPart is the length of a word's longest part between hyphens.
func longestPart(w string) int {
	longest := 0
	for part := range strings.SplitSeq(w, "-") {
		longest = max(longest, utf8.RuneCountInString(part))
	}
	return longest
}

// Readability is Björnsson's LIX: the mean number of words in a sentence plus
// the share of words with more than six letters in percent. Below 40 reads
// easily, above 55 is hard. It is meant for comparing before and after; 0 for
// a text without words.
func Readability(text string) float64 {
	n := len(words(text))
	if n == 0 {
		return 0
	}
	long, count := 0, 0
	for _, s := range sentences(text) {
		if len(words(text[s[0]:s[1]])) > 0 {
			count++
		}
	}
	for _, w := range words(text) {
		if utf8.RuneCountInString(w) > 6 {
			long++
		}
	}
	return float64(n)/float64(max(count, 1)) + 100*float64(long)/float64(n)
}
