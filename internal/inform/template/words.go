package template

// wordList is a list of words that a rule looks for, with what to say instead.
type wordList struct {
	code    HintCode
	english bool
	words   []struct{ word, offer string }
}

// wordLists is the small dictionary of the language check. German lists serve
// Leichte Sprache too. A word ending in * may go on.
var wordLists = []wordList{
	{code: Jargon, words: []struct{ word, offer string }{
		{"Server", "Rechner, auf dem der Dienst läuft"},
		{"Downtime", "Ausfall"},
		{"Ransomware", "Schadsoftware, die Daten verschlüsselt"},
		{"Malware", "Schadsoftware"},
		{"DDoS", "Überlastung durch sehr viele Anfragen"},
		{"DDoS-Angriff", "Überlastung durch sehr viele Anfragen"},
		{"Incident", "Vorfall"},
		{"Workaround", "Ersatzweg"},
		{"Patch", "Aktualisierung, die eine Lücke schließt"},
		{"Hotfix", "schnelle Korrektur"},
		{"Rollback", "Rückkehr zum vorherigen Stand"},
		{"Backup", "Sicherungskopie"},
		{"Backups", "Sicherungskopien"},
		{"Login", "Anmeldung"},
		{"einloggen", "anmelden"},
		{"Account", "Konto"},
		{"Accounts", "Konten"},
		{"Phishing", "Betrug mit falschen Nachrichten"},
		{"Exploit", "Ausnutzen einer Lücke"},
		{"Zero-Day", "neue, noch nicht geschlossene Lücke"},
		{"kompromittiert*", "von Unbefugten benutzt"},
		{"Failover", "Umschalten auf den Ersatz"},
		{"Firewall", "Schutz am Übergang zum Internet"},
		{"Router", "Gerät, das Netze verbindet"},
		{"Switch", "Verteiler im Netz"},
		{"Provider", "Anbieter"},
		{"Monitoring", "Überwachung"},
		{"Hoster", "Betreiber unserer Rechner"},
		{"Cluster", "Verbund mehrerer Rechner"},
		{"VPN", "gesicherte Verbindung in unser Netz"},
		{"DNS", "Adressverzeichnis des Internets"},
		{"Frontend", "Oberfläche"},
		{"Backend", "Technik im Hintergrund"},
		{"Helpdesk", "Hilfe-Telefon"},
		{"Ticket", "Vorgang"},
		{"Task Force", "Arbeitsgruppe"},
		{"Updates", "Aktualisierungen"},
		{"Update", "neuer Stand"},
		{"online gehen", "im Internet erreichbar sein"},
		{"Single Point of Failure", "Teil, dessen Ausfall alles stillstehen lässt"},
	}},
	{code: OfficialStyle, words: []struct{ word, offer string }{
		{"seitens", "von"},
		{"bezüglich", "zu"},
		{"diesbezüglich", "dazu"},
		{"hinsichtlich", "zu"},
		{"im Rahmen", "bei"},
		{"im Zuge", "bei"},
		{"aufgrund", "wegen"},
		{"auf Grund", "wegen"},
		{"in Kenntnis setzen", "informieren"},
		{"in Kenntnis gesetzt", "informiert"},
		{"zur Anwendung", "angewendet"},
		{"Inanspruchnahme", "Nutzung"},
		{"gegebenenfalls", "vielleicht"},
		{"ggf", "vielleicht"},
		{"unsererseits", "von uns"},
		{"mittels", "mit"},
		{"nichtsdestotrotz", "trotzdem"},
		{"Sachverhalt", "was geschehen ist"},
		{"Rechnung tragen", "berücksichtigen"},
		{"Maßnahmenpaket", "Maßnahmen"},
		{"erfolgt", "geschieht"},
		{"obliegt", "ist Aufgabe von"},
		{"vollumfänglich", "ganz"},
		{"zum jetzigen Zeitpunkt", "jetzt"},
		{"nach derzeitigem Kenntnisstand", "soweit wir wissen"},
		{"Unannehmlichkeiten", "Störung"},
	}},
	{code: VagueTime, words: []struct{ word, offer string }{
		{"zeitnah", ""}, {"zeitnahe", ""}, {"schnellstmöglich", ""}, {"baldmöglichst", ""}, {"in Kürze", ""},
		{"demnächst", ""}, {"so schnell wie möglich", ""}, {"in absehbarer Zeit", ""}, {"zu gegebener Zeit", ""}, {"bald", ""},
	}},
	{code: Blame, words: []struct{ word, offer string }{
		{"Lüge", "andere Darstellung"}, {"Lügen", "andere Darstellungen"}, {"Lügner*", ""}, {"Fake", "falsche Darstellung"},
		{"Fake News", "falsche Darstellung"}, {"Fake-News", "falsche Darstellung"}, {"Hetze", ""}, {"Hetzer*", ""},
		{"Panikmache", ""}, {"böswillig*", ""}, {"absurd*", "trifft nicht zu"}, {"Unsinn", "trifft nicht zu"}, {"Quatsch", "trifft nicht zu"},
		{"dumm*", ""}, {"angeblich*", ""}, {"sogenannt*", ""}, {"Verschwörung*", ""}, {"schuld", ""}, {"Schuldige*", ""},
		{"unverantwortlich*", ""}, {"behaupten", "sagen"}, {"behauptet", "sagt"}, {"Stimmungsmache", ""}, {"Gerüchteküche", ""},
	}},
	{code: Speculation, words: []struct{ word, offer string }{
		{"vermutlich*", ""}, {"wahrscheinlich", ""}, {"wohl", ""}, {"offenbar", ""}, {"offensichtlich", ""}, {"anscheinend", ""},
		{"mutmaßlich*", ""}, {"möglicherweise", ""}, {"dürfte", ""}, {"Hacker*", "Unbefugte"}, {"Cyberangriff", "Vorfall (solange nicht bestätigt)"},
	}},
	{code: Jargon, english: true, words: []struct{ word, offer string }{
		{"downtime", "outage"}, {"ransomware", "malware that locks data"}, {"DDoS", "overload by a flood of requests"},
		{"workaround", "alternative"}, {"patch", "fix"}, {"rollback", "return to the previous version"}, {"failover", "switch to the backup"},
		{"backend", "systems behind the scenes"}, {"phishing", "fraud with false messages"}, {"compromised", "accessed by unauthorised persons"},
		{"zero-day", "new gap that is not yet closed"}, {"mitigate", "reduce"}, {"mitigation", "protection"}, {"root cause", "cause"},
		{"degraded", "limited"}, {"VPN", "secure connection"}, {"DNS", "address directory of the internet"},
	}},
	{code: OfficialStyle, english: true, words: []struct{ word, offer string }{
		{"utilise", "use"}, {"utilize", "use"}, {"prior to", "before"}, {"in the event of", "if"}, {"with regard to", "about"},
		{"due to the fact that", "because"}, {"at this point in time", "now"}, {"commence", "begin"}, {"inconvenience", "disruption"}, {"endeavour", "try"},
	}},
	{code: VagueTime, english: true, words: []struct{ word, offer string }{
		{"shortly", ""}, {"soon", ""}, {"as quickly as possible", ""}, {"in due course", ""}, {"ASAP", ""},
	}},
	{code: Blame, english: true, words: []struct{ word, offer string }{
		{"lie", "different version"}, {"lies", "different version"}, {"liar*", ""}, {"fake", "false"}, {"nonsense", "not correct"},
		{"malicious*", ""}, {"so-called", ""}, {"stupid*", ""}, {"conspiracy", ""}, {"absurd*", "not correct"}, {"allegedly", ""}, {"scaremongering", ""},
	}},
	{code: Speculation, english: true, words: []struct{ word, offer string }{
		{"probably", ""}, {"presumably", ""}, {"apparently", ""}, {"hacker*", "unauthorised persons"}, {"cyberattack", "incident (until confirmed)"},
	}},
}
