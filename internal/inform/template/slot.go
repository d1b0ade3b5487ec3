package template

import "slices"

// Slot names a place in a text that a fact fills: "Seit", "Ersatzweg". The
// names are German because the people who write the texts read them.
type Slot string

// SlotKind is the type of a slot, which decides how its value is shown.
type SlotKind string

// The slot types.
const (
	KindText     SlotKind = "text"     // words that a person writes
	KindTime     SlotKind = "time"     // a moment: "14:05 Uhr", with the date on another day
	KindDate     SlotKind = "date"     // a day: "22. November 2026"
	KindDuration SlotKind = "duration" // "2 Stunden und 5 Minuten"
	KindLink     SlotKind = "link"     // an address in the web
	KindPhone    SlotKind = "phone"    // a telephone number
	KindChoice   SlotKind = "choice"   // one of a closed list, see Choices; free words are open
	KindSwitch   SlotKind = "switch"   // a part of the text that can be turned off; on by default
	KindNoun     SlotKind = "noun"     // the service, with article and case
)

// Source says where a slot's fact comes from, so that the composer asks people
// only for what no machine knows.
type Source string

// The sources.
const (
	FromPerson   Source = "person"   // asked in the composer
	FromService  Source = "service"  // the service catalogue
	FromTown     Source = "town"     // configuration of the town and its pages
	FromIncident Source = "incident" // the incident's journal and clocks
)

// The slots that other rooms fill by name.
const (
	SlotService    Slot = "Dienst"
	SlotTown       Slot = "Kommune"
	SlotIncident   Slot = "Vorfall"
	SlotSince      Slot = "Seit"
	SlotAsOf       Slot = "Stand"
	SlotNext       Slot = "NaechsteMeldung"
	SlotWorkaround Slot = "Ersatzweg"
	SlotImpact     Slot = "Auswirkung"
	SlotUnaffected Slot = "NichtBetroffen"
	SlotMeasure    Slot = "Massnahme"
	SlotCause      Slot = "Ursache"
	SlotPhone      Slot = "Telefon"
	SlotLink       Slot = "Link"
	SlotShortLink  Slot = "KurzLink"
	SlotEvent      Slot = "Ereignis"
	SlotSeverity   Slot = "Schwere"
	SlotDeadline   Slot = "FristwahrenderWeg"
	SlotRestored   Slot = "Wieder"
	SlotOldTime    Slot = "AlteZeit"
	SlotNewTime    Slot = "NeueZeit"
	SlotCertainty  Slot = "Sicherheit"
	SlotReason     Slot = "Grund"
	SlotDuration   Slot = "Dauer"
	SlotDate       Slot = "Datum"
	SlotCatchUp    Slot = "Nacharbeit"
	SlotVerified   Slot = "Pruefung"
	SlotPromise    Slot = "Zusage"
	SlotPromises   Slot = "Zusagen"
	SlotSurvey     Slot = "Umfrage"
	SlotProgress   Slot = "Fortschritt"
	SlotApology    Slot = "Entschuldigung"
	SlotThanks     Slot = "Dank"
	SlotTact       Slot = "Takt"      // what the words touch, see package publish; no text shows it
	SlotTo         Slot = "An"        // to whom alone an answer goes, see package publish; no text shows it
	SlotGrade      Slot = "Warnstufe" // of danger to people, for CAP; no text shows it
)

// Definition describes one slot.
type Definition struct {
	Slot   Slot
	Kind   SlotKind
	Source Source
	// Closed slots take a value that was settled before the crisis or that a
	// clock gives; a holding text may contain no others (I3). The caller makes
	// sure that the value is really the settled one.
	Closed bool
	// Required slots may not be said to be unknown: without them the text has
	// no sender, no subject or no promise.
	Required bool
	// Lines keeps line breaks: a list of several facts.
	Lines bool
	// Label is the German question or name on the screen.
	Label, LabelEN string
	// Past and PastEN are the same question once it is over, in a recovery or
	// closing message. Empty: as before.
	Past, PastEN string
	// Max is the longest short form in characters that SMS texts count on;
	// zero: the slot has none.
	Max int
}

const (
	formNominative = "nom"
	formDative     = "dat"
	formAccusative = "akk"
	formShort      = "kurz"
	formLong       = "lang"
)

// forms lists which suffixes a slot type takes after an underscore.
var forms = map[SlotKind][]string{
	KindNoun:   {formNominative, formDative, formAccusative, formShort},
	KindText:   {formShort},
	KindChoice: {formShort},
	KindTime:   {formLong},
}

// nounPrepositions maps German prepositions to the case they rule.
var nounPrepositions = map[string]string{
	"von": formDative, "zu": formDative, "bei": formDative, "mit": formDative,
	"in": formDative, "an": formDative, "aus": formDative, "nach": formDative,
	"für": formAccusative, "über": formAccusative, "ohne": formAccusative,
}

// timePrepositions lists what may stand before a time or date inside the
// braces, German and English.
var timePrepositions = []string{"um", "bis", "seit", "ab", "von", "am", "at", "by", "since", "from", "until", "on"}

// definitions is the registry. Order is the order in which people are asked.
var definitions = []Definition{
	// Settled before the crisis, or given by a clock.
	{Slot: SlotService, Kind: KindNoun, Source: FromService, Closed: true, Required: true, Label: "Welcher Dienst?", LabelEN: "Which service?", Max: MaxShortName},
	{Slot: SlotTown, Kind: KindText, Source: FromTown, Closed: true, Required: true, Label: "Kommune", LabelEN: "Town", Max: 20},
	{Slot: SlotAsOf, Kind: KindTime, Source: FromIncident, Closed: true, Required: true, Label: "Stand", LabelEN: "As of"},
	{Slot: SlotSince, Kind: KindTime, Source: FromIncident, Closed: true, Label: "Seit wann?", LabelEN: "Since when?"},
	{Slot: SlotNext, Kind: KindTime, Source: FromIncident, Closed: true, Required: true, Label: "Nächste Meldung bis?", LabelEN: "Next message by?"},
	{Slot: SlotWorkaround, Kind: KindChoice, Source: FromService, Closed: true, Label: "Was können Sie stattdessen tun?", LabelEN: "What can people do instead?", Max: 30},
	{Slot: SlotDeadline, Kind: KindText, Source: FromService, Label: "Auf welchem Weg wird eine Frist gewahrt?", LabelEN: "Which way keeps a deadline?"},
	{Slot: SlotPhone, Kind: KindPhone, Source: FromTown, Closed: true, Label: "Telefon", LabelEN: "Telephone"},
	{Slot: SlotLink, Kind: KindLink, Source: FromTown, Closed: true, Required: true, Label: "Adresse der Seite", LabelEN: "Address of the page"},
	{Slot: SlotShortLink, Kind: KindLink, Source: FromTown, Closed: true, Required: true, Label: "Kurze Adresse", LabelEN: "Short address", Max: 30},
	{Slot: SlotIncident, Kind: KindText, Source: FromIncident, Closed: true, Required: true, Label: "Vorfall", LabelEN: "Incident"},

	// The questions of the first message (R1.8) and of every update (R1.12).
	{Slot: SlotEvent, Kind: KindText, Source: FromPerson, Label: "Was ist geschehen?", LabelEN: "What has happened?"},
	{Slot: SlotImpact, Kind: KindText, Source: FromPerson, Label: "Was ist betroffen?", LabelEN: "What is affected?", Past: "Was war betroffen?", PastEN: "What was affected?"},
	{Slot: SlotUnaffected, Kind: KindText, Source: FromPerson, Label: "Was funktioniert weiter?", LabelEN: "What still works?"},
	{Slot: SlotSeverity, Kind: KindChoice, Source: FromPerson, Label: "Wie ernst ist es?", LabelEN: "How serious is it?"},
	{Slot: SlotMeasure, Kind: KindText, Source: FromPerson, Label: "Was tun wir?", LabelEN: "What are we doing?", Past: "Was wurde getan?", PastEN: "What was done?"},
	{Slot: SlotProgress, Kind: KindText, Source: FromPerson, Label: "Was ist neu?", LabelEN: "What is new?"},
	{Slot: SlotNewTime, Kind: KindTime, Source: FromPerson, Label: "Wann läuft es voraussichtlich wieder?", LabelEN: "When will it probably work again?"},
	{Slot: SlotOldTime, Kind: KindTime, Source: FromIncident, Label: "Bisher genannte Zeit", LabelEN: "Time named before"},
	{Slot: SlotReason, Kind: KindText, Source: FromPerson, Label: "Warum verschiebt es sich?", LabelEN: "Why does it take longer?"},
	{Slot: SlotCertainty, Kind: KindChoice, Source: FromPerson, Label: "Wie sicher ist die neue Zeit?", LabelEN: "How certain is the new time?"},
	{Slot: SlotRestored, Kind: KindTime, Source: FromIncident, Label: "Seit wann läuft es wieder?", LabelEN: "Since when does it work again?"},
	{Slot: SlotCause, Kind: KindChoice, Source: FromPerson, Label: "Was war die Ursache?", LabelEN: "What was the cause?"},
	{Slot: SlotVerified, Kind: KindText, Source: FromPerson, Label: "Wer oder was hat es bestätigt?", LabelEN: "Who or what has confirmed it?"},
	{Slot: SlotCatchUp, Kind: KindText, Source: FromPerson, Label: "Was geschieht mit Eingaben aus der Zwischenzeit?", LabelEN: "What happens to what was sent in between?"},
	{Slot: SlotPromise, Kind: KindTime, Source: FromPerson, Label: "Bis wann nennen wir die Ursache?", LabelEN: "When will we name the cause?"},
	{Slot: SlotPromises, Kind: KindText, Source: FromPerson, Lines: true, Label: "Was sagen wir zu, bis wann?", LabelEN: "What do we promise, by when?"},
	{Slot: SlotDuration, Kind: KindDuration, Source: FromIncident, Label: "Dauer", LabelEN: "Duration"},
	{Slot: SlotDate, Kind: KindDate, Source: FromIncident, Label: "Datum", LabelEN: "Date"},
	{Slot: SlotSurvey, Kind: KindLink, Source: FromTown, Label: "Adresse der Umfrage", LabelEN: "Address of the survey"},

	// For the people inside.
	{Slot: "Stufe", Kind: KindChoice, Source: FromIncident, Label: "Einstufung", LabelEN: "Level"},
	{Slot: "Fakten", Kind: KindText, Source: FromIncident, Lines: true, Label: "Gesichert", LabelEN: "Confirmed"},
	{Slot: "Annahmen", Kind: KindText, Source: FromIncident, Lines: true, Label: "Vermutet", LabelEN: "Assumed"},
	{Slot: "Offen", Kind: KindText, Source: FromIncident, Lines: true, Label: "Offen", LabelEN: "Open"},
	{Slot: "Fristen", Kind: KindText, Source: FromIncident, Lines: true, Label: "Laufende Fristen", LabelEN: "Running deadlines"},
	{Slot: "Entscheidung", Kind: KindText, Source: FromPerson, Label: "Welche Entscheidung wird gebraucht?", LabelEN: "Which decision is needed?"},
	{Slot: "Bis", Kind: KindTime, Source: FromPerson, Label: "Bis wann?", LabelEN: "By when?"},
	{Slot: "Sprecher", Kind: KindText, Source: FromTown, Label: "Wer spricht nach außen?", LabelEN: "Who speaks to the public?"},
	{Slot: "Quelle", Kind: KindText, Source: FromIncident, Label: "Quelle", LabelEN: "Source"},
	{Slot: "DienstHabende", Kind: KindText, Source: FromIncident, Label: "Zuständig", LabelEN: "On duty"},
	{Slot: "Eskalation", Kind: KindTime, Source: FromIncident, Label: "Weitergabe um", LabelEN: "Handed on at"},
	{Slot: "Vertretung", Kind: KindText, Source: FromIncident, Label: "Vertretung", LabelEN: "Deputy"},

	// Partners, authorities, law.
	{Slot: "Regelung", Kind: KindText, Source: FromPerson, Label: "Was gilt für Rechnungen, Bestellungen, Fristen?", LabelEN: "What holds for invoices, orders, deadlines?"},
	{Slot: "Verbindung", Kind: KindText, Source: FromPerson, Label: "Welche Verbindung soll getrennt werden?", LabelEN: "Which connection should be cut?"},
	{Slot: "MeldestelleLand", Kind: KindText, Source: FromTown, Label: "Meldestelle des Landes", LabelEN: "Reporting office of the Land"},
	{Slot: "Polizei", Kind: KindText, Source: FromTown, Label: "Ansprechstelle der Polizei (ZAC)", LabelEN: "Police contact (ZAC)"},
	{Slot: "Art", Kind: KindText, Source: FromPerson, Label: "Was ist mit den Daten geschehen?", LabelEN: "What happened to the data?"},
	{Slot: "Datenkategorien", Kind: KindText, Source: FromPerson, Label: "Welche Daten?", LabelEN: "Which data?"},
	{Slot: "Betroffene", Kind: KindText, Source: FromPerson, Label: "Wie viele Menschen sind betroffen?", LabelEN: "How many people are concerned?"},
	{Slot: "Folgen", Kind: KindText, Source: FromPerson, Label: "Was kann daraus folgen?", LabelEN: "What may it lead to?"},
	{Slot: "Empfehlung", Kind: KindText, Source: FromPerson, Label: "Was sollten die Menschen jetzt tun?", LabelEN: "What should people do now?"},
	{Slot: "DSB", Kind: KindText, Source: FromTown, Label: "Datenschutzbeauftragte/r", LabelEN: "Data protection officer"},
	{Slot: "Bekannt", Kind: KindTime, Source: FromIncident, Label: "Wann wurde es bekannt?", LabelEN: "When did it become known?"},

	// Rumours, moderation, answers.
	{Slot: "Tatsache", Kind: KindText, Source: FromPerson, Label: "Was ist richtig?", LabelEN: "What is right?"},
	{Slot: "Kurz", Kind: KindText, Source: FromPerson, Label: "Was wird stattdessen erzählt?", LabelEN: "What is being said instead?"},
	{Slot: "Beleg", Kind: KindLink, Source: FromPerson, Label: "Wo kann man es nachprüfen?", LabelEN: "Where can it be checked?"},
	{Slot: "Merkmal", Kind: KindText, Source: FromPerson, Label: "Woran erkennt man die falsche Nachricht?", LabelEN: "How can the false message be recognised?"},
	{Slot: "Regel", Kind: KindText, Source: FromPerson, Label: "Welcher Punkt der Netiquette?", LabelEN: "Which point of the netiquette?"},
	{Slot: "Version", Kind: KindText, Source: FromTown, Label: "Fassung der Netiquette", LabelEN: "Version of the netiquette"},
	{Slot: "Begruendung", Kind: KindText, Source: FromPerson, Label: "Begründung", LabelEN: "Reason"},
	{Slot: "Stelle", Kind: KindText, Source: FromPerson, Label: "Welche Stelle stört?", LabelEN: "Which passage offends?"},
	{Slot: "Thema", Kind: KindText, Source: FromPerson, Label: "Worum geht es?", LabelEN: "What is it about?"},
	{Slot: "Haltung", Kind: KindText, Source: FromPerson, Label: "Was sagen wir dazu?", LabelEN: "What do we say to it?"},
	{Slot: "Frage", Kind: KindText, Source: FromPerson, Label: "Frage", LabelEN: "Question"},
	{Slot: "Antwort", Kind: KindText, Source: FromPerson, Label: "Antwort", LabelEN: "Answer"},
	{Slot: "Nummer", Kind: KindText, Source: FromIncident, Label: "Vorgangsnummer", LabelEN: "Case number"},

	// Places and hazards.
	{Slot: "Ort", Kind: KindText, Source: FromPerson, Label: "Wo?", LabelEN: "Where?"},
	{Slot: "Zeiten", Kind: KindText, Source: FromPerson, Label: "Zu welchen Zeiten?", LabelEN: "At what hours?"},
	{Slot: "GueltigBis", Kind: KindTime, Source: FromPerson, Label: "Gilt bis", LabelEN: "Valid until"},
	{Slot: "Funktion", Kind: KindText, Source: FromTown, Label: "Unterschrift: Funktion", LabelEN: "Signed by: office"},
	{Slot: "Gebiet", Kind: KindText, Source: FromPerson, Required: true, Label: "Welches Gebiet?", LabelEN: "Which area?", Max: 30},
	{Slot: SlotTact, Kind: KindText, Source: FromIncident, Label: "Was berührt die Meldung?", LabelEN: "What does the message touch?"},
	{Slot: SlotTo, Kind: KindText, Source: FromPerson, Label: "An welche Mailadresse geht die Antwort?", LabelEN: "To which mail address does the answer go?"},
	{Slot: SlotGrade, Kind: KindChoice, Source: FromPerson, Label: "Wie gefährlich ist es für Menschen?", LabelEN: "How dangerous is it for people?"},
	{Slot: "Beginn", Kind: KindTime, Source: FromPerson, Label: "Beginn", LabelEN: "Start"},
	{Slot: "Ende", Kind: KindTime, Source: FromPerson, Label: "Ende", LabelEN: "End"},

	// Switches.
	{Slot: SlotApology, Kind: KindSwitch, Source: FromPerson, Closed: true, Label: "Um Entschuldigung bitten", LabelEN: "Apologise"},
	{Slot: SlotThanks, Kind: KindSwitch, Source: FromPerson, Closed: true, Label: "Danken", LabelEN: "Thank"},
}

var registry = func() map[Slot]Definition {
	m := make(map[Slot]Definition, len(definitions))
	for _, d := range definitions {
		m[d.Slot] = d
	}
	return m
}()

// Lookup finds a slot's definition.
func Lookup(s Slot) (Definition, bool) {
	d, ok := registry[s]
	return d, ok
}

// Ask is the question as a statement of kind k puts it, in English or German.
func (d Definition) Ask(k Kind, lang Language) string {
	over := k == Recovery || k == Closing
	switch {
	case lang == EN && over && d.PastEN != "":
		return d.PastEN
	case lang == EN:
		return d.LabelEN
	case over && d.Past != "":
		return d.Past
	}
	return d.Label
}

// Definitions lists every slot in the order in which people are asked.
func Definitions() []Definition { return slices.Clone(definitions) }

// OpenSlots lists the slots of e that a person fills with free words. A holding
// text has none, which is why it may be approved beforehand (I3).
func OpenSlots(e Entry) []Slot {
	var open []Slot
	for _, s := range e.Slots {
		if !registry[s].Closed {
			open = append(open, s)
		}
	}
	return open
}

// Question is one field of the composer.
type Question struct {
	Definition
	// Core questions must be answered, or said to be not yet known, before the
	// text may go out (R1.8, R1.12); the others only where a text uses them.
	Core bool
}

// coreQuestions are what each kind must tell.
var coreQuestions = map[Kind][]Slot{
	Holding:          {SlotService, SlotSince, SlotWorkaround, SlotNext},
	First:            {SlotEvent, SlotService, SlotImpact, SlotSeverity, SlotMeasure, SlotWorkaround, SlotNext},
	Update:           {SlotProgress, SlotMeasure, SlotNewTime, SlotWorkaround, SlotNext},
	NoChange:         {SlotMeasure, SlotWorkaround, SlotNext},
	ETAChange:        {SlotOldTime, SlotNewTime, SlotReason, SlotCertainty, SlotWorkaround, SlotNext},
	WorkaroundChange: {SlotWorkaround, SlotReason, SlotNext},
	Recovery:         {SlotRestored, SlotCause, SlotMeasure, SlotVerified, SlotCatchUp, SlotPromise},
	Closing:          {SlotDate, SlotDuration, SlotCause, SlotMeasure, SlotPromises},
	Survey:           {SlotSurvey},
	Report:           {SlotDate, SlotDuration, SlotCause, SlotMeasure, SlotPromises},
	Correction:       {"Tatsache", "Kurz", "Beleg"},
	Warning:          {"Merkmal", "Empfehlung"},
	DataSubjects:     {"Art", "Datenkategorien", "Folgen", SlotMeasure, "Empfehlung", "DSB"},
	BreachReport:     {"Art", "Datenkategorien", "Betroffene", "Folgen", SlotMeasure, "DSB", "Bekannt"},
	StormStatement:   {"Thema", "Haltung"},
	PostHidden:       {SlotDate, "Regel", "Begruendung", "Stelle"},
	Answer:           {"Frage", "Antwort"},
}

// Questions lists what the composer asks for a text of kind k: what must be
// told first, then the other slots of the given entries (may be empty) that a
// person fills, in the registry's order. Nothing is asked twice.
func Questions(k Kind, entries ...Entry) []Question {
	var out []Question
	core := coreQuestions[k]
	for _, s := range core {
		out = append(out, Question{Definition: registry[s], Core: true})
	}
	used := map[Slot]bool{}
	for _, e := range entries {
		for _, s := range e.Slots {
			used[s] = true
		}
	}
	for _, d := range definitions {
		if used[d.Slot] && !slices.Contains(core, d.Slot) && (d.Source == FromPerson || d.Source == FromService) {
			out = append(out, Question{Definition: d})
		}
	}
	return out
}
