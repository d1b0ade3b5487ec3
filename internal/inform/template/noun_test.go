package template

import "testing"

func TestNounFor(t *testing.T) {
	for _, c := range []struct{ article, name, nom, dat, akk string }{
		{"das", "Bürgerportal", "das Bürgerportal", "dem Bürgerportal", "das Bürgerportal"},
		{"die", "Website", "die Website", "der Website", "die Website"},
		{"der", "Terminkalender", "der Terminkalender", "dem Terminkalender", "den Terminkalender"},
		{"DER", " Chat-Assistent ", "der Chat-Assistent", "dem Chat-Assistenten", "den Chat-Assistenten"},
		{"die (Plural)", "Formulare", "die Formulare", "den Formularen", "die Formulare"},
		{"Plural", "Konten", "die Konten", "den Konten", "die Konten"},
		{"plural", "Apps", "die Apps", "den Apps", "die Apps"},
		{"plural", "Bürgerämter", "die Bürgerämter", "den Bürgerämtern", "die Bürgerämter"},
		{"plural", "Digitale Dienste", "die Digitalen Dienste", "den Digitalen Diensten", "die Digitalen Dienste"},
		{"die", "Digitale Bauakte", "die Digitale Bauakte", "der Digitalen Bauakte", "die Digitale Bauakte"},
		{"der", "Digitaler Bauantrag", "der Digitale Bauantrag", "dem Digitalen Bauantrag", "den Digitalen Bauantrag"},
		{"das", "Elektronisches Amtsblatt", "das Elektronische Amtsblatt", "dem Elektronischen Amtsblatt", "das Elektronische Amtsblatt"},
		{"die", "Online Anmeldung", "die Online Anmeldung", "der Online Anmeldung", "die Online Anmeldung"},
		{"", "E-Mail", "E-Mail", "E-Mail", "E-Mail"},
		{"den", "Unfug", "Unfug", "Unfug", "Unfug"},
	} {
		n := NounFor(c.article, c.name)
		if n.Nominative() != c.nom || n.Dative != c.dat || n.Accusative != c.akk {
			t.Errorf("%s %s: %q %q %q", c.article, c.name, n.Nominative(), n.Dative, n.Accusative)
		}
	}
}

func TestExplicitFormsWin(t *testing.T) {
	n := Noun{Article: "der", Name: "Herr der Akten", Dative: "dem Herrn der Akten", Accusative: "den Herrn der Akten"}
	if got := n.form(DE, formDative); got != "dem Herrn der Akten" {
		t.Error(got)
	}
	if got := n.withPreposition(DE, "von"); got != "vom Herrn der Akten" {
		t.Error(got)
	}
}

func TestPrepositions(t *testing.T) {
	portal, site, forms, mail := NounFor("das", "Bürgerportal"), NounFor("die", "Website"), NounFor("plural", "Formulare"), NounFor("", "E-Mail")
	for _, c := range []struct {
		n          Noun
		prep, want string
	}{
		{portal, "von", "vom Bürgerportal"},
		{portal, "zu", "zum Bürgerportal"},
		{portal, "bei", "beim Bürgerportal"},
		{portal, "in", "im Bürgerportal"},
		{portal, "für", "für das Bürgerportal"},
		{site, "zu", "zur Website"},
		{site, "von", "von der Website"},
		{site, "über", "über die Website"},
		{forms, "bei", "bei den Formularen"},
		{mail, "von", "von E-Mail"},
		{Join(portal, site, mail), "von", "vom Bürgerportal, der Website und E-Mail"},
	} {
		if got := c.n.withPreposition(DE, c.prep); got != c.want {
			t.Errorf("%s: %q, want %q", c.prep, got, c.want)
		}
	}
}

func TestJoin(t *testing.T) {
	portal := NounFor("das", "Bürgerportal")
	portal.NameEN, portal.NameLS = "the citizens' portal", "Bürger-Portal"
	n := Join(portal, NounFor("die", "Website"), NounFor("", "E-Mail"))
	for form, want := range map[string]string{
		formNominative: "das Bürgerportal, die Website und E-Mail",
		formDative:     "dem Bürgerportal, der Website und E-Mail",
		formAccusative: "das Bürgerportal, die Website und E-Mail",
		"":             "Bürgerportal, Website und E-Mail",
	} {
		if got := n.form(DE, form); got != want {
			t.Errorf("%s: %q", form, got)
		}
	}
	if got := n.form(EN, formNominative); got != "the citizens' portal, Website and E-Mail" {
		t.Error(got)
	}
	if got := n.form(LS, formNominative); got != "das Bürger-Portal, die Website und E-Mail" {
		t.Error(got)
	}
	if !n.Plural || Join(portal).Plural {
		t.Error("a join of several is plural, of one it is not")
	}
}

func TestUpperFirst(t *testing.T) {
	for in, want := range map[string]string{"das Portal": "Das Portal", "ämter": "Ämter", "eAkte": "eAkte", "": "", "E": "E", "7": "7"} {
		if got := upperFirst(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
