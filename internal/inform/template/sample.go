package template

import "time"

// samples are facts of an invented outage, so that a prepared text can be read
// as people will read it. What is missing here shows its question in brackets.
var samples = map[Slot]Value{
	SlotTown:          {Text: "Musterstadt", Short: "Musterstadt"},
	SlotIncident:      {Text: "V-2026-017"},
	SlotEvent:         {Text: "Ein Rechner im Rathaus ist ausgefallen", EN: "A computer in the town hall has failed", LS: "Ein Computer ist kaputt"},
	SlotImpact:        {Text: "Anträge und Terminbuchung", EN: "applications and appointments", LS: "Anträge und Termine"},
	SlotUnaffected:    {Text: "Telefon und Bürgerbüro", EN: "telephone and service counter", LS: "Telefon und Bürger-Büro"},
	SlotMeasure:       {Text: "Wir tauschen das defekte Gerät aus", EN: "We are replacing the broken device", LS: "Wir reparieren den Computer"},
	SlotProgress:      {Text: "Das Ersatzgerät ist eingebaut", EN: "The replacement has been installed", LS: "Ein neuer Computer ist da"},
	SlotReason:        {Text: "Ein Ersatzteil kommt später als zugesagt", EN: "A spare part arrives later than promised", LS: "Ein Teil kommt später"},
	SlotWorkaround:    {Text: "Telefon 0611 000", Short: "Tel. 0611 000", EN: "phone 0611 000", LS: "Rufen Sie uns an: 0611 000"},
	SlotDeadline:      {Text: "Briefkasten am Rathaus", EN: "the letter box at the town hall", LS: "Brief-Kasten am Rathaus"},
	SlotPhone:         {Text: "0611 000"},
	SlotLink:          {Text: "https://status.musterstadt.example/"},
	SlotShortLink:     {Text: "status.musterstadt.example"},
	SlotVerified:      {Text: "unsere IT und die Meldestelle", EN: "our IT team and the registry office", LS: "unsere Fachleute"},
	SlotCatchUp:       {Text: "Wir bearbeiten sie heute noch", EN: "We will process them today", LS: "Wir machen das heute"},
	SlotPromises:      {Text: "Ein zweites Gerät steht bis 15. Dezember bereit", EN: "A second device will be ready by 15 December", LS: "Wir kaufen einen zweiten Computer"},
	SlotSurvey:        {Text: "https://status.musterstadt.example/umfrage"},
	"Stufe":           {Text: "Störung", EN: "disruption"},
	"Fakten":          {Text: "Das Bürgerportal antwortet nicht", EN: "The citizens' portal does not answer"},
	"Annahmen":        {Text: "Ein Netzteil ist defekt", EN: "A power supply is broken"},
	"Offen":           {Text: "Wann das Ersatzteil kommt", EN: "When the spare part arrives"},
	"Tatsache":        {Text: "Ihre Daten sind vollständig", EN: "Your data are complete", LS: "Ihre Daten sind alle da"},
	"Kurz":            {Text: "Daten seien verloren", EN: "data are said to be lost", LS: "Daten sind weg"},
	"Beleg":           {Text: "https://status.musterstadt.example/fakten"},
	"Merkmal":         {Text: "Der Absender endet nicht auf musterstadt.example", EN: "The sender does not end in musterstadt.example", LS: "Der Absender ist falsch"},
	"Empfehlung":      {Text: "Ändern Sie bitte Ihr Passwort", EN: "Please change your password", LS: "Nehmen Sie ein neues Passwort"},
	"Art":             {Text: "Unbefugte konnten eine Liste lesen", EN: "Unauthorised persons could read a list", LS: "Fremde haben eine Liste gelesen"},
	"Datenkategorien": {Text: "Name und Anschrift", EN: "name and address", LS: "Ihr Name und Ihre Adresse"},
	"Betroffene":      {Text: "etwa 200 Menschen", EN: "about 200 people"},
	"Folgen":          {Text: "Sie könnten falsche E-Mails erhalten", EN: "You may receive false e-mails", LS: "Sie bekommen vielleicht falsche E-Mails"},
	"DSB":             {Text: "datenschutz@musterstadt.example"},
	"Gebiet":          {Text: "Altstadt zwischen Fluss und Bahnhof", Short: "Altstadt", EN: "the old town between river and station", LS: "Altstadt"},
	"Ort":             {Text: "Turnhalle der Goetheschule", EN: "gym of the Goethe school", LS: "Turn-Halle von der Goethe-Schule"},
}

// Sample renders e with the facts of an invented outage at the moment asOf. It
// is for reading and checking, never for sending.
func Sample(e Entry, asOf time.Time, loc *time.Location) (Text, error) {
	portal := NounFor("das", "Bürgerportal")
	portal.NameEN, portal.NameLS, portal.Short = "the citizens' portal", "Bürger-Portal", "Bürgerportal"
	f := Facts{}
	for _, d := range definitions {
		if v, ok := samples[d.Slot]; ok {
			f[d.Slot] = v
			continue
		}
		switch d.Kind {
		case KindTime:
			f[d.Slot] = At(asOf.Add(time.Hour).Truncate(5 * time.Minute))
		case KindDate:
			f[d.Slot] = At(asOf)
		case KindDuration:
			f[d.Slot] = For(85 * time.Minute)
		case KindChoice:
			if cs := Choices(d.Slot); len(cs) > 0 {
				f[d.Slot] = cs[0].Value()
				continue
			}
			f[d.Slot] = Value{Text: "[" + d.Label + "]", EN: "[" + d.LabelEN + "]", LS: "[" + d.Label + "]"}
		case KindText, KindLink, KindPhone:
			f[d.Slot] = Value{Text: "[" + d.Label + "]", EN: "[" + d.LabelEN + "]", LS: "[" + d.Label + "]"}
		case KindSwitch, KindNoun:
		}
	}
	f[SlotSince] = At(asOf.Add(-85 * time.Minute).Truncate(5 * time.Minute))
	f[SlotRestored] = At(asOf)
	return Render(e, Input{Service: portal, Facts: f, AsOf: asOf, Location: loc})
}
