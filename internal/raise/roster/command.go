package roster

import (
	"strings"
	"unicode"
)

// Commands are what people write to the duty rosters in a messenger: "/dienst woche".
// Reading them and wording the answer knows no product and no HTTP, so that whatever
// messenger somebody sits at can use it; see [Room.Command].

// Verb is what a command asks for.
type Verb string

// The verbs.
const (
	VerbDuty    Verb = "duty"    // who is on duty now and next
	VerbWeek    Verb = "week"    // a roster's next seven days
	VerbMe      Verb = "me"      // this account is mine: a code
	VerbSwap    Verb = "swap"    // ask somebody to take a shift
	VerbOpen    Verb = "open"    // requests that wait
	VerbYes     Verb = "yes"     // accept one
	VerbNo      Verb = "no"      // decline one
	VerbBack    Verb = "back"    // withdraw one of one's own
	VerbHelp    Verb = "help"    // what there is
	VerbUnknown Verb = "unknown" // none of these
)

// verbs are the words for them, German first.
var verbs = map[string]Verb{
	"": VerbDuty, "jetzt": VerbDuty, "wer": VerbDuty, "now": VerbDuty, "who": VerbDuty,
	"woche": VerbWeek, "week": VerbWeek,
	"ich": VerbMe, "me": VerbMe,
	"tausch": VerbSwap, "tausche": VerbSwap, "tauschen": VerbSwap, "swap": VerbSwap,
	"offen": VerbOpen, "anfragen": VerbOpen, "open": VerbOpen,
	"ja": VerbYes, "yes": VerbYes, "annehmen": VerbYes, "accept": VerbYes,
	"nein": VerbNo, "no": VerbNo, "ablehnen": VerbNo, "decline": VerbNo,
	"zurück": VerbBack, "zurueck": VerbBack, "back": VerbBack, "withdraw": VerbBack,
	"hilfe": VerbHelp, "help": VerbHelp, "?": VerbHelp,
}

// inReturn are the words between whom one asks and what one takes for it.
var inReturn = []string{"gegen", "for", "für", "fuer"}

// maxCommand is how many letters of a command are looked at.
const maxCommand = 500

// Command is one as it was understood.
type Command struct {
	Verb Verb
	// Arg is what follows the verb: a roster, a code, the number of a request; of a
	// swap the shift to give, by its number or its day ("4.1.").
	Arg string
	// Who is the colleague of a swap, as they were written.
	Who string
	// Return: something is asked for in return. Take says which shift, and empty
	// asks which there are.
	Return bool
	Take   string
}

// ParseCommand reads what somebody wrote behind the name of the command. It takes
// everything: what it does not know is [VerbUnknown].
func ParseCommand(text string) Command {
	words := strings.Fields(legible(text))
	if len(words) == 0 {
		return Command{Verb: VerbDuty}
	}
	verb, ok := verbs[strings.ToLower(words[0])]
	if !ok {
		return Command{Verb: VerbUnknown}
	}
	c, rest := Command{Verb: verb}, words[1:]
	switch verb {
	case VerbSwap:
		if len(rest) == 0 {
			return c
		}
		c.Arg, rest = rest[0], rest[1:]
		for i, w := range rest {
			if !c.Return && isOneOf(w, inReturn) {
				c.Return, c.Take = true, strings.Join(rest[i+1:], " ")
				rest = rest[:i]
				break
			}
		}
		c.Who = strings.Join(rest, " ")
	case VerbYes, VerbNo, VerbBack:
		c.Arg = strings.Trim(strings.Join(rest, ""), "#.,!")
	case VerbMe:
		c.Arg = strings.Join(rest, "")
	default:
		c.Arg = strings.Join(rest, " ")
	}
	return c
}

func isOneOf(word string, all []string) bool {
	for _, w := range all {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

// legible is foreign text of a bearable length without signs that nobody sees.
func legible(s string) string {
	runes := []rune(strings.ToValidUTF8(s, " "))
	if len(runes) > maxCommand {
		runes = runes[:maxCommand]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r): // joins, marks of direction
			return -1
		}
		return r
	}, string(runes))
}

// folded makes names comparable: "Bärbel" is "baerbel" is "Baerbel".
func folded(s string) string {
	return strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss").Replace(strings.ToLower(s))
}

// called reports whether somebody may be meant by words: each is a part of the name
// at a word's beginning, or all are the front of the mail address.
func called(words, name, mail string) bool {
	words = strings.TrimSpace(words)
	// A messenger may write a person as <@U012|bert.kern>.
	if inner, ok := strings.CutPrefix(words, "<@"); ok {
		inner = strings.TrimSuffix(inner, ">")
		if _, after, ok := strings.Cut(inner, "|"); ok {
			inner = after
		}
		words = inner
	}
	words = strings.TrimPrefix(words, "@")
	if words == "" {
		return false
	}
	front, _, _ := strings.Cut(mail, "@")
	if strings.EqualFold(words, front) || strings.EqualFold(words, mail) {
		return true
	}
	parts := strings.FieldsFunc(folded(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	asked := strings.FieldsFunc(folded(words), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, w := range asked {
		found := false
		for _, p := range parts {
			found = found || strings.HasPrefix(p, w)
		}
		if !found {
			return false
		}
	}
	return len(asked) > 0
}
