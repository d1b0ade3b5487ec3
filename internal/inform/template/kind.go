package template

// Kind says what a text is for: which step of telling it belongs to.
type Kind string

// The kinds of texts. The first eight are the way of every outage.
const (
	Holding          Kind = "holding"           // P0: we have noticed and are checking
	First            Kind = "first"             // P1: what, which services, how serious, which measures
	Update           Kind = "update"            // P2a: progress, findings, expected duration
	NoChange         Kind = "no_change"         // P2b: no news, said on time
	ETAChange        Kind = "eta_change"        // P2c: it takes longer than we said
	WorkaroundChange Kind = "workaround_change" // P2d: the way round has changed
	Recovery         Kind = "recovery"          // P3: it works again
	Closing          Kind = "closing"           // P4: cause, fix, promises

	Survey               Kind = "survey"                // P5: how well did we inform you
	Report               Kind = "report"                // P6: the report afterwards
	Correction           Kind = "correction"            // K1: what is right
	Warning              Kind = "warning"               // K2: warning of false messages and accounts
	DataSubjects         Kind = "data_subjects"         // D1: notice to the people concerned, Art. 34 GDPR
	BreachReport         Kind = "breach_report"         // D2: report to the supervisory authority, Art. 33 GDPR
	StormStatement       Kind = "storm_statement"       // S1: statement in a storm of criticism
	NetiquetteHint       Kind = "netiquette_hint"       // S2: reminder of the house rules
	PostHidden           Kind = "post_hidden"           // S3: a comment was hidden, and why
	OutOfHours           Kind = "out_of_hours"          // A1: automatic reply outside office hours
	Received             Kind = "received"              // A2: a citizen's report has arrived
	Answer               Kind = "answer"                // A3: answer to a frequent question
	AllClear             Kind = "all_clear"             // hazards: the danger is over
	ExerciseAnnounced    Kind = "exercise_announced"    // Ü1
	ExerciseEnded        Kind = "exercise_ended"        // Ü2
	MaintenanceAnnounced Kind = "maintenance_announced" // W1
	MaintenanceStarted   Kind = "maintenance_started"   // W2
	MaintenanceEnded     Kind = "maintenance_ended"     // W3
)

// kinds pairs every kind with the phase mark of the grid and its German name.
var kinds = []struct {
	kind  Kind
	phase string
	title string
}{
	{Holding, "P0", "Erste Kurzmeldung"},
	{First, "P1", "Erstmeldung"},
	{Update, "P2a", "Neuer Stand"},
	{NoChange, "P2b", "Kein neuer Stand"},
	{ETAChange, "P2c", "Dauer verschiebt sich"},
	{WorkaroundChange, "P2d", "Ersatzweg geändert"},
	{Recovery, "P3", "Wiederhergestellt"},
	{Closing, "P4", "Abschluss"},
	{Survey, "P5", "Rückmeldung erbeten"},
	{Report, "P6", "Nachbericht"},
	{AllClear, "P7", "Entwarnung"},
	{Correction, "K1", "Richtigstellung"},
	{Warning, "K2", "Warnung vor falschen Nachrichten"},
	{DataSubjects, "D1", "Benachrichtigung nach Art. 34 DSGVO"},
	{BreachReport, "D2", "Meldung nach Art. 33 DSGVO"},
	{StormStatement, "S1", "Stellungnahme bei viel Kritik"},
	{NetiquetteHint, "S2", "Hinweis auf die Netiquette"},
	{PostHidden, "S3", "Beitrag ausgeblendet"},
	{OutOfHours, "A1", "Antwort außerhalb der Dienstzeit"},
	{Received, "A2", "Störungsmeldung eingegangen"},
	{Answer, "A3", "Antwort auf eine häufige Frage"},
	{ExerciseAnnounced, "Ü1", "Übung angekündigt"},
	{ExerciseEnded, "Ü2", "Übung beendet"},
	{MaintenanceAnnounced, "W1", "Wartung angekündigt"},
	{MaintenanceStarted, "W2", "Wartung läuft"},
	{MaintenanceEnded, "W3", "Wartung beendet"},
}

// Kinds lists every kind in the order in which a crisis meets them.
func Kinds() []Kind {
	out := make([]Kind, 0, len(kinds))
	for _, k := range kinds {
		out = append(out, k.kind)
	}
	return out
}

// Phase is the grid's mark for the kind ("P1"); empty for an unknown kind.
func (k Kind) Phase() string {
	for _, row := range kinds {
		if row.kind == k {
			return row.phase
		}
	}
	return ""
}

// Title is the kind's German name for screens; an unknown kind shows itself.
func (k Kind) Title() string {
	for _, row := range kinds {
		if row.kind == k {
			return row.title
		}
	}
	return string(k)
}

// TellsState reports whether a text of the kind says how the event stands. The
// others are about something beside it: what is right, who is concerned by data, an
// answer to one person. They neither reopen what is over nor displace the news.
func (k Kind) TellsState() bool {
	switch k {
	case Correction, Warning, DataSubjects, BreachReport, StormStatement, NetiquetteHint, PostHidden, OutOfHours, Received, Answer, Survey, Report,
		ExerciseAnnounced:
		return false
	}
	return true
}

// AudienceKind says who reads a text. The words are those of tuermer.yaml.
type AudienceKind string

// The audiences.
const (
	Citizens   AudienceKind = "citizens"
	Press      AudienceKind = "press"
	Staff      AudienceKind = "staff"
	Leadership AudienceKind = "leadership"
	Council    AudienceKind = "council"
	Partners   AudienceKind = "partners"
	IT         AudienceKind = "it"
	Authority  AudienceKind = "authority" // supervisory and reporting authorities
)

// audienceLetter begins an entry's ID, as in the printed grid.
var audienceLetter = map[AudienceKind]string{
	Citizens: "B", Press: "J", Staff: "M", Leadership: "L",
	Council: "R", Partners: "P", IT: "N", Authority: "A",
}

// Audiences lists every audience, the public ones first.
func Audiences() []AudienceKind {
	return []AudienceKind{Citizens, Press, Staff, Leadership, Council, Partners, IT, Authority}
}

// Format is the shape of a text, which decides its length and its parts.
type Format string

// The formats.
const (
	Mail      Format = "mail"      // subject and body
	Page      Format = "page"      // status page: title and body
	SMS       Format = "sms"       // one part of 160 GSM-7 characters
	Push      Format = "push"      // title 40, body 140
	Short300  Format = "short300"  // microblog of 300 characters
	Short500  Format = "short500"  // microblog of 500 characters
	Messenger Format = "messenger" // chat message
	Phone     Format = "phone"     // announcement to be read aloud, numbers in words
	Notice    Format = "notice"    // A4 on the town hall's door, readable without power
	CAP       Format = "cap"       // headline, description, instruction of CAP 1.2
	RSS       Format = "rss"       // feed item: title and body
)

// Formats lists every format.
func Formats() []Format {
	return []Format{Page, Mail, SMS, Push, Short300, Short500, Messenger, Phone, Notice, CAP, RSS}
}

// Limit is what a format holds, in characters (SMS body: in GSM-7 septets, or
// UCS-2 units as soon as one character is not in the GSM-7 alphabet). Zero
// means no limit.
type Limit struct {
	Subject, Title, Body int
	// UCS2 is the body's limit when the text needs UCS-2; zero: does not apply.
	UCS2 int
}

// Limits tells what f holds. Mail's 60 is the subject that phones show whole.
func Limits(f Format) Limit {
	switch f {
	case Mail:
		return Limit{Subject: 60}
	case SMS:
		return Limit{Body: 160, UCS2: 70}
	case Push:
		return Limit{Title: 40, Body: 140}
	case Short300:
		return Limit{Body: 300}
	case Short500:
		return Limit{Body: 500}
	case Messenger:
		return Limit{Body: 4000}
	case CAP:
		return Limit{Title: 160}
	case Phone, Notice, Page, RSS:
		return Limit{}
	}
	return Limit{}
}

// Language of a text: BCP 47, plus "de-LS" for Leichte Sprache.
type Language string

// The languages shipped.
const (
	DE Language = "de"
	EN Language = "en"
	// LS is Leichte Sprache. Its texts are drafts until a review group of
	// readers has signed them.
	LS Language = "de-LS"
)

// Languages lists the languages shipped.
func Languages() []Language { return []Language{DE, EN, LS} }

// Tag is the BCP 47 tag for lang attributes and Content-Language. Leichte
// Sprache has no registered subtag of its own; German with the simple-language
// variant comes nearest and readers' software understands it.
func (l Language) Tag() string {
	if l == LS {
		return "de-simple"
	}
	return string(l)
}

// Scenario narrows a text to one kind of event ("ransomware", "flood"); empty
// for the texts that fit every outage. The names come from the grid's files,
// see [Library.Scenarios]; Attack is the general one for a suspected attack.
type Scenario string

// Attack is the scenario "an attack is suspected, its kind is not yet known".
const Attack Scenario = "attack"

// Review tells how far a text has been checked.
type Review string

// The review states.
const (
	// Approved: a named person has released this version. Only such a holding
	// text may go out without a second person (I3).
	Approved Review = "approved"
	// Draft: shipped or changed, not yet released by the town.
	Draft Review = "draft"
	// DraftUnchecked: Leichte Sprache that no review group has read.
	DraftUnchecked Review = "draft_unchecked"
)

// Title is what screens say for the state.
func (r Review) Title() string {
	switch r {
	case Approved:
		return "Freigegeben"
	case Draft:
		return "Entwurf"
	case DraftUnchecked:
		return "Entwurf – nicht geprüft"
	}
	return string(r)
}
