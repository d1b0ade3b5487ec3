package template

// Choice is one entry of a closed list, worded in every language. Leichte
// Sprache takes its words from such lists alone, so that a review group can
// read a text before the crisis.
type Choice struct {
	ID         string
	DE, EN, LS string
}

// Value is the fact that the choice stands for.
func (c Choice) Value() Value { return Value{Text: c.DE, EN: c.EN, LS: c.LS} }

// choices are the closed lists by slot.
var choices = map[Slot][]Choice{
	SlotWorkaround: {
		{"phone", "Rufen Sie uns an", "Please call us", "Rufen Sie uns an."},
		{"visit", "Kommen Sie in unsere Bürgerbüros", "Please visit our service offices", "Kommen Sie zu uns in das Rathaus."},
		{"letter", "Schicken Sie uns einen Brief", "Please send us a letter", "Schreiben Sie uns einen Brief."},
		{"mailbox", "Werfen Sie Ihren Brief am Rathaus ein", "Please use the letter box at the town hall", "Werfen Sie Ihren Brief am Rathaus ein."},
		{"email", "Schreiben Sie uns eine E-Mail", "Please send us an e-mail", "Schreiben Sie uns eine E-Mail."},
		{"online", "Nutzen Sie unsere Online-Dienste", "Please use our online services", "Nutzen Sie unsere Seiten im Internet."},
		{"paper", "Nutzen Sie die Formulare auf Papier", "Please use the paper forms", "Füllen Sie bitte ein Formular aus Papier aus."},
		{"neighbour", "Nutzen Sie das Angebot der Nachbarkommune", "Please use the service of the neighbouring town", "Gehen Sie bitte in das Rathaus im Nachbar-Ort."},
		{"later", "Warten Sie bitte, bis wir uns melden", "Please wait until we contact you", "Bitte warten Sie. Wir melden uns bei Ihnen."},
		{"keep_time", "Kommen Sie zu Ihrem Termin, wir helfen Ihnen vor Ort", "Please keep your appointment, we will help you on site", "Kommen Sie zu Ihrem Termin. Wir helfen Ihnen."},
	},
	SlotCause: {
		{"hardware", "ein Gerät war defekt", "a device had failed", "Ein Gerät war kaputt."},
		{"software", "ein Programm hatte einen Fehler", "a program had a fault", "Ein Computer-Programm hatte einen Fehler."},
		{"change", "eine Änderung an der Technik hatte einen Fehler", "a technical change had a fault", "Wir haben etwas geändert. Dabei ist ein Fehler passiert."},
		{"power", "der Strom war ausgefallen", "the power had failed", "Der Strom war weg."},
		{"line", "eine Leitung war beschädigt", "a line was damaged", "Eine Leitung war kaputt."},
		{"provider", "bei unserem Dienstleister gab es eine Störung", "our service provider had a disruption", "Bei einer anderen Firma gab es einen Fehler."},
		{"overload", "sehr viele Menschen haben den Dienst gleichzeitig genutzt", "very many people used the service at once", "Sehr viele Menschen waren gleichzeitig da."},
		{"capacity", "der Speicher war voll", "the storage was full", "Der Computer hatte keinen Platz mehr."},
		{"certificate", "ein Sicherheitsnachweis war abgelaufen", "a security certificate had expired", "Ein Ausweis von dem Computer war zu alt."},
		{"attack", "Unbekannte haben unsere Technik angegriffen", "unknown persons attacked our systems", "Fremde Personen haben unsere Computer angegriffen."},
		{"operation", "uns ist bei der Bedienung ein Fehler unterlaufen", "we made an operating error", "Wir haben einen Fehler gemacht."},
		{"weather", "ein Unwetter hat die Technik beschädigt", "severe weather damaged the equipment", "Ein Unwetter hat Geräte kaputt gemacht."},
		{"building", "ein Schaden am Gebäude hat die Technik gestört", "damage to the building disrupted the equipment", "Am Haus war etwas kaputt."},
	},
	SlotSeverity: {
		{"minor", "Die Störung ist begrenzt, wir beheben sie mit eigenen Kräften", "The disruption is limited and our own staff can fix it", "Das Problem ist klein."},
		{"major", "Die Störung ist ernst, wir haben Fachleute hinzugezogen", "The disruption is serious and we have called in specialists", "Das Problem ist groß."},
		{"critical", "Die Störung ist schwer, der Krisenstab leitet die Arbeit", "The disruption is severe and the crisis team is in charge", "Das Problem ist sehr groß."},
	},
	SlotCertainty: {
		{"sure", "gesichert", "certain", "Das ist sicher."},
		{"likely", "wahrscheinlich", "likely", "Das ist wahrscheinlich so."},
		{"guess", "grobe Schätzung", "rough estimate", "Das kann sich noch ändern."},
	},
	SlotGrade: {
		{"extreme", "außerordentliche Gefahr für Leib und Leben", "extraordinary threat to life", "Das ist sehr gefährlich."},
		{"severe", "erhebliche Gefahr für Leib und Leben", "significant threat to life", "Das ist gefährlich."},
		{"moderate", "mögliche Gefahr für Leib und Leben", "possible threat to life", "Das kann gefährlich sein."},
		{"minor", "kaum Gefahr für Leib und Leben", "minimal threat to life", "Das ist kaum gefährlich."},
	},
	"Stufe": {
		{"disruption", "Störung", "disruption", "Störung"},
		{"emergency", "Notfall", "emergency", "Notfall"},
		{"crisis", "Krise", "crisis", "Krise"},
	},
}

// Choices lists the closed list of a slot, copied; nil for the others.
func Choices(s Slot) []Choice { return append([]Choice(nil), choices[s]...) }

// Chosen finds the choice of a slot by its ID.
func Chosen(s Slot, id string) (Choice, bool) {
	for _, c := range choices[s] {
		if c.ID == id {
			return c, true
		}
	}
	return Choice{}, false
}
