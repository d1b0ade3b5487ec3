package template

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// berlin is where the readers of the tests are.
func berlin(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func library(t testing.TB) *Library {
	t.Helper()
	l, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// nouns are one service per article, and one with an adjective.
func nouns() []Noun {
	portal := NounFor("das", "Bürgerportal")
	portal.NameEN, portal.NameLS, portal.Short = "the citizens' portal", "Bürger-Portal", "Bürgerportal"
	site := NounFor("die", "Website")
	site.NameEN = "the website"
	calendar := NounFor("der", "Terminkalender")
	calendar.NameEN, calendar.NameLS = "the appointment calendar", "Termin-Kalender"
	forms := NounFor("die (Plural)", "Formulare")
	forms.NameEN = "the forms"
	mail := NounFor("", "E-Mail")
	mail.NameEN = "e-mail"
	file := NounFor("die", "Digitale Bauakte")
	return []Noun{portal, site, calendar, forms, mail, file, Join(portal, mail)}
}

// ordinary fills every slot of the registry the way a person would.
func ordinary(t testing.TB, service Noun) Input {
	t.Helper()
	loc := berlin(t)
	asOf := time.Date(2026, 11, 22, 14, 5, 0, 0, loc)
	f := Facts{}
	for _, d := range definitions {
		switch d.Kind {
		case KindTime:
			f[d.Slot] = At(asOf.Add(25 * time.Minute))
		case KindDate:
			f[d.Slot] = At(asOf)
		case KindDuration:
			f[d.Slot] = For(125 * time.Minute)
		case KindLink:
			f[d.Slot] = Filled("https://status.example/" + strings.ToLower(string(d.Slot))[:2])
		case KindPhone:
			f[d.Slot] = Filled("0611 000")
		case KindText, KindChoice:
			f[d.Slot] = Value{Text: "Angabe " + string(d.Slot), EN: "entry " + string(d.Slot), LS: "Angabe " + string(d.Slot)}
		case KindSwitch, KindNoun:
		}
	}
	f[SlotSince] = At(asOf.Add(-3 * time.Minute))
	f[SlotTown] = Value{Text: "Musterstadt"}
	f[SlotIncident] = Filled("V-2026-017")
	f[SlotWorkaround] = Value{Text: "Telefon 0611 000", Short: "Tel. 0611 000", EN: "phone 0611 000", LS: "Rufen Sie uns an."}
	return Input{Service: service, Facts: f, AsOf: asOf, Location: loc}
}

// allUnknown says "not yet known" wherever a slot allows it.
func allUnknown(in Input) Input {
	f := Facts{}
	for s, v := range in.Facts {
		if !registry[s].Required {
			v = Unknown()
		}
		f[s] = v
	}
	in.Facts = f
	return in
}

// badPattern is something that no text may contain, with the reason.
type badPattern struct {
	re     *regexp.Regexp
	reason string
	langs  []Language
}

var german, english, all = []Language{DE, LS}, []Language{EN}, []Language{DE, EN, LS}

func badPatterns() []badPattern {
	var out []badPattern
	add := func(langs []Language, reason string, exprs ...string) {
		for _, e := range exprs {
			out = append(out, badPattern{regexp.MustCompile(e), reason, langs})
		}
	}
	add(all, "placeholder left", `[{}]`, `\[\[`, `\]\]`, `\|\|`, `<<`, `>>`)
	add(all, "double", `  `, `Uhr Uhr`, `\.\.`, `[?!]\.`, `\b(seit|um|bis|since|by|at) (seit|um|bis|since|by|at)\b`, `\b(der|die|das|the) (der|die|das|the)\b`)
	add(all, "gap", ` [.,;:?!]`, `\( `, ` \)`, `: \.`, `\n\n\n`, ` \n`, `[(]\)`)
	add(german, "contraction", `\b([Vv]on|[Zz]u|[Bb]ei|[Ii]n|[Aa]n) dem (Bürger|Termin)`, `\b[Zz]u der (Web|Digit)`)
	add(german, "case after a dative preposition", `(?i)\b(von|zu|bei|mit|aus|nach|in|an) (das (Bürger|Digit)|die (Website|Formulare|Digitale)|der Termin)`)
	add(german, "case after an accusative preposition", `(?i)\b(für|über|ohne|gegen|durch) (dem |der (Website|Termin|Digit)|den Formularen)`)
	add(german, "dative without an article's case", `\bden Formulare\b`, `\bdie Formularen\b`, `\b(dem|den) (Website|Digitale )`)
	add(german, "plural verb", `\b(Formulare|Bürgerportal und E-Mail) (ist|war|läuft|geht|steht|wird|kann|hat|funktioniert|fällt|bleibt)\b`, `\b(ist|war|läuft|geht|steht|wird|kann|hat|funktioniert|fällt|bleibt) die Formulare\b`)
	add(german, "singular verb", `\b(Website|Terminkalender|Bauakte) (sind|waren|laufen|gehen|stehen|werden|können|haben|funktionieren|fallen|bleiben)\b`, `\b(sind|waren|laufen|gehen|stehen|werden|haben|funktionieren) (das Bürgerportal( [^u]|[.,:;])|die Website|der Terminkalender)`)
	add(german, "Sie-Form", `(?i)\b(du|dich|dir|dein|deine|deinen|deiner|euch|euer|eure|euren)\b`)
	add(english, "number", `\bforms (is|has|was|does|works)\b`, `\b(website|calendar) (are|have|were|do|work)\b`)
	add(english, "German left", `\b(Uhr|und|der|die|das|noch|nicht|seit|Stand)\b`)
	add(german, "unknown in the middle of a sentence", `[^:(|?]\s(noch nicht bekannt|Das wissen wir noch nicht)`)
	add(english, "unknown in the middle of a sentence", `[^:(|]\snot yet known`)
	return out
}

func (p badPattern) applies(l Language) bool { return slices.Contains(p.langs, l) }

// sentenceStart finds a sentence that begins with a small letter.
var sentenceStart = regexp.MustCompile(`(?:^|[.?!]\s|\n)[„“"(]*(\p{Ll}[\p{Ll} ]+)`)

// abbreviation ends with a full stop that ends no sentence.
var abbreviation = regexp.MustCompile(`(z\. B|Nr|Tel|Art|bzw|p\.m|a\.m|\d+)\. `)

// everything is the library with the mails that are made from pages.
func (l *Library) everything() []Entry {
	all := l.List()
	for _, e := range l.mails {
		all = append(all, e)
	}
	return all
}

// afterSalutation is where German goes on with a small letter.
var afterSalutation = regexp.MustCompile(`,\n\n\p{Ll}`)

// checkGrammar reports a text's first mistake of each part.
func checkGrammar(t *testing.T, e Entry, x Text, patterns []badPattern) bool {
	t.Helper()
	good := true
	for _, part := range []part{{PartSubject, x.Subject}, {PartTitle, x.Title}, {PartBody, x.Body}, {PartInstruction, x.Instruction}} {
		if part.text == "" {
			continue
		}
		for _, p := range patterns {
			if p.applies(e.Language) && p.re.MatchString(part.text) {
				t.Errorf("%s %s: %s (%s) in:\n%s", e.ID, part.name, p.reason, p.re.FindString(part.text), part.text)
				good = false
				break
			}
		}
		probe := strings.ReplaceAll(part.text, "https:", "X:")
		probe = afterSalutation.ReplaceAllString(probe, ",\n\nX")
		probe = abbreviation.ReplaceAllString(probe, "X ")
		if m := sentenceStart.FindStringSubmatch(probe); m != nil {
			t.Errorf("%s %s: sentence begins small: %q in:\n%s", e.ID, part.name, m[1], part.text)
			good = false
		}
	}
	return good
}

// TestEveryTextReadsRight renders the whole grid with every kind of service
// name, once with all facts, once with none but the indispensable, once with
// times on another day, and looks for what must not be there.
func TestEveryTextReadsRight(t *testing.T) {
	lib, patterns := library(t), badPatterns()
entries:
	for _, e := range lib.everything() {
		services := nouns()
		if !slices.Contains(e.Slots, SlotService) {
			services = services[:1]
		}
		for i, noun := range services {
			full := ordinary(t, noun)
			tomorrow := full
			tomorrow.Facts = full.Facts.With(SlotNext, At(full.AsOf.Add(17*time.Hour+25*time.Minute))).With(SlotSince, At(full.AsOf.Add(-30*time.Hour)))
			inputs := map[string]Input{"full": full}
			if i == 0 || i == 3 { // one of each number is enough for the rest
				inputs["unknown"], inputs["tomorrow"] = allUnknown(full), tomorrow
			}
			for name, in := range inputs {
				x, err := lib.Render(e, in)
				if err != nil {
					t.Fatalf("%s %s: %v", e.ID, name, err)
				}
				if !checkGrammar(t, e, x, patterns) {
					continue entries
				}
				if n := utf8.RuneCountInString(x.Subject); n > 60 {
					t.Errorf("%s: subject has %d characters: %s", e.ID, n, x.Subject)
				}
				if name == "full" && len(x.Over) > 0 && noun.parts == nil {
					t.Errorf("%s: too long: %v (%d) %s", e.ID, x.Over, x.Length, x.Body)
				}
			}
		}
	}
}

// TestHoldingIsClosed is what lets a holding text be approved beforehand (I3).
func TestHoldingIsClosed(t *testing.T) {
	for _, e := range library(t).List() {
		if e.Kind == Holding && len(OpenSlots(e)) > 0 {
			t.Errorf("%s has open slots %v", e.ID, OpenSlots(e))
		}
	}
}

// TestSMSFits fills every SMS with the longest values that the product accepts.
func TestSMSFits(t *testing.T) {
	lib := library(t)
	x := func(n int) string { return strings.Repeat("x", n) }
	n := 0
	for _, e := range lib.List() {
		if e.Format != SMS {
			continue
		}
		n++
		in := ordinary(t, Noun{Name: x(40), Short: x(MaxShortName), Plural: true})
		in.Facts = in.Facts.With(SlotTown, Value{Text: x(40), Short: x(registry[SlotTown].Max)}).
			With(SlotWorkaround, Value{Text: x(90), Short: x(registry[SlotWorkaround].Max)}).
			With(SlotShortLink, Filled(x(registry[SlotShortLink].Max))).
			With("Gebiet", Value{Text: x(80), Short: x(registry["Gebiet"].Max)})
		got, err := lib.Render(e, in)
		if err != nil {
			t.Fatal(err)
		}
		if got.Segments != 1 || got.Encoding != GSM7 {
			t.Errorf("%s: %d parts, %s, %d: %s", e.ID, got.Segments, got.Encoding, got.Length, got.Body)
		}
		in.Facts = in.Facts.With(SlotNext, At(in.AsOf.Add(18*time.Hour))).With(SlotSince, At(in.AsOf.Add(-30*time.Hour)))
		if got, err = lib.Render(e, in); err != nil || got.Segments != 1 {
			t.Errorf("%s on another day: %d parts, %d: %s %v", e.ID, got.Segments, got.Length, got.Body, err)
		}
		ex := ordinary(t, nouns()[0])
		ex.Exercise = true
		if got, err = lib.Render(e, ex); err != nil || got.Segments != 1 || !strings.HasPrefix(got.Body, "ÜBUNG ") {
			t.Errorf("%s as exercise: %d parts: %s %v", e.ID, got.Segments, got.Body, err)
		}
	}
	if n == 0 {
		t.Fatal("no SMS in the grid")
	}
}

// TestGridIsComplete holds the grid to its promise: every way of every outage,
// for everyone, in German and English, and for citizens in Leichte Sprache.
func TestGridIsComplete(t *testing.T) {
	lib := library(t)
	for _, k := range []Kind{Holding, First, Update, NoChange, ETAChange, WorkaroundChange, Recovery, Closing} {
		for _, a := range Audiences() {
			for _, f := range []Format{Page, Mail} {
				for _, lang := range Languages() {
					if lang == LS && a != Citizens {
						continue
					}
					e, ok := lib.Find(k, a, f, lang, "")
					if !ok || e.Format != f || e.Language != lang {
						t.Errorf("%s for %s as %s in %s is missing", k, a, f, lang)
					}
				}
			}
		}
		for _, lang := range Languages() {
			if _, ok := lib.index[cell{k, Citizens, SMS, lang, ""}]; !ok {
				t.Errorf("%s SMS in %s is missing", k, lang)
			}
		}
	}
	// The rest of the printed grid: kind, for whom, in which family.
	for _, row := range []struct {
		family string
		kinds  []Kind
		who    []AudienceKind
	}{
		{"", []Kind{Survey}, []AudienceKind{Staff, Partners, Citizens}},
		{"", []Kind{Report}, []AudienceKind{Leadership, Council, Press, Citizens}},
		{"", []Kind{Correction, Warning}, []AudienceKind{Staff, Partners, Press, Citizens}},
		{"", []Kind{DataSubjects}, []AudienceKind{Staff, Leadership, Citizens}},
		{"", []Kind{BreachReport}, []AudienceKind{Staff, Leadership, Authority}},
		{"", []Kind{StormStatement, NetiquetteHint, PostHidden}, []AudienceKind{Press, Citizens}},
		{"", []Kind{OutOfHours, Received, Answer}, []AudienceKind{Citizens}},
		{"", []Kind{ExerciseAnnounced, ExerciseEnded, MaintenanceAnnounced, MaintenanceStarted, MaintenanceEnded}, []AudienceKind{IT, Staff, Partners, Citizens}},
		{"L", []Kind{First, Update, Recovery, AllClear}, []AudienceKind{Staff, Leadership, Press, Citizens}},
		{"C", []Kind{Holding, First, Update, Recovery}, []AudienceKind{IT, Staff, Leadership, Council, Partners, Press, Citizens}},
	} {
		scenarios := []Scenario{""}
		if row.family != "" {
			scenarios = nil
			for _, s := range lib.Scenarios() {
				if s.Family == row.family {
					scenarios = append(scenarios, s.Scenario)
				}
			}
			if want := map[string]int{"L": 6, "C": 9}[row.family]; len(scenarios) != want {
				t.Errorf("family %s has %d scenarios, want %d", row.family, len(scenarios), want)
			}
		}
		for _, sc := range scenarios {
			for _, k := range row.kinds {
				for _, a := range row.who {
					for _, f := range []Format{Page, Mail} {
						if e, ok := lib.Find(k, a, f, DE, sc); !ok || e.Scenario != sc || e.Format != f {
							t.Errorf("%s for %s as %s in scenario %q is missing", k, a, f, sc)
						}
					}
				}
			}
		}
	}
	for _, e := range lib.List() {
		if e.Language != DE {
			continue
		}
		c := e.cell()
		if c.language = EN; !has(lib, c) {
			t.Errorf("%s has no English", e.ID)
		}
		if c.language = LS; e.Audience == Citizens && !has(lib, c) {
			t.Errorf("%s has no Leichte Sprache", e.ID)
		}
	}
	if n := len(lib.List()); n < 150 {
		t.Errorf("%d entries, promised are at least 150", n)
	}
}

func has(l *Library, c cell) bool { _, ok := l.index[c]; return ok }

func TestRenderRefusesWhatIsMissing(t *testing.T) {
	lib := library(t)
	e, _ := lib.Find(First, Citizens, Mail, DE, "")
	in := ordinary(t, nouns()[0])
	in.Facts = in.Facts.With(SlotEvent, Value{}).With(SlotNext, Unknown())
	_, err := lib.Render(e, in)
	var missing *MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("want a MissingError, got %v", err)
	}
	if !slices.Equal(missing.Slots, []Slot{SlotEvent}) || !slices.Equal(missing.Undeniable, []Slot{SlotNext}) {
		t.Errorf("got %v and %v", missing.Slots, missing.Undeniable)
	}
}

// TestEveryBodyNamesItsService: a mail is forwarded without its subject, a page
// is read aloud without its title.
func TestEveryBodyNamesItsService(t *testing.T) {
	for _, e := range library(t).List() {
		switch e.Kind {
		case Holding, First, Update, NoChange, ETAChange, WorkaroundChange, Recovery, Closing:
			nodes, err := parse(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			if e.Scenario == "" && e.Format != Push && !slices.Contains(slotsOf(nodes), SlotService) {
				t.Errorf("%s does not name the service", e.ID)
			}
		}
	}
}
