package template

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func say(t *testing.T, body string, in Input, format Format, lang Language) string {
	t.Helper()
	x, err := Render(Entry{Kind: First, Audience: Citizens, Format: format, Language: lang, Body: body}, in)
	if err != nil {
		t.Fatal(err)
	}
	return x.Body
}

func TestSeams(t *testing.T) {
	in := ordinary(t, nouns()[0])
	plural := ordinary(t, nouns()[3])
	in.Facts[SlotEvent] = Filled("der Server antwortet nicht.")
	in.Facts[SlotReason] = Unknown()
	in.Facts[SlotThanks] = Off()
	next := in
	next.Facts = in.Facts.With(SlotNext, At(time.Date(2026, 11, 23, 7, 30, 0, 0, in.Location)))
	year := in
	year.Facts = in.Facts.With(SlotNext, At(time.Date(2027, 1, 2, 7, 30, 0, 0, in.Location)))
	for _, c := range []struct {
		in         Input
		format     Format
		lang       Language
		body, want string
	}{
		{in, Page, DE, "Um {NaechsteMeldung} Uhr.", "Um 14:30 Uhr."},
		{in, Page, DE, "Wieder {um NaechsteMeldung}.", "Wieder um 14:30 Uhr."},
		{next, Page, DE, "Wieder {um NaechsteMeldung}.", "Wieder am 23. November um 07:30 Uhr."},
		{next, Page, DE, "Spätestens {bis NaechsteMeldung}.", "Spätestens bis zum 23. November, 07:30 Uhr."},
		{next, SMS, DE, "Mehr {um NaechsteMeldung}", "Mehr am 23.11. 07:30"},
		{next, Phone, DE, "Neues {um NaechsteMeldung}.", "Neues am dreiundzwanzigsten November um sieben Uhr dreißig."},
		{in, Phone, DE, "Neues {um NaechsteMeldung}. {Telefon}", "Neues um vierzehn Uhr dreißig. null sechs eins eins null null null"},
		{in, Phone, EN, "Back {at NaechsteMeldung}.", "Back at two thirty p.m."},
		{year, Page, EN, "Back {at NaechsteMeldung}.", "Back on 2 January 2027 at 07:30."},
		{in, Page, DE, "{Stand_lang}", "Sonntag, 22. November 2026, 14:05 Uhr"},
		{in, Page, DE, "{Dienst_nom} {ist|sind} weg. {Dienst_nom} {fehlt|fehlen}.", "Das Bürgerportal ist weg. Das Bürgerportal fehlt."},
		{plural, Page, DE, "{Dienst_nom} {ist|sind} weg, {von Dienst}.", "Die Formulare sind weg, von den Formularen."},
		{in, Page, DE, "{Ereignis}. Weiter", "Der Server antwortet nicht. Weiter"},
		{in, Page, DE, "A[[, weil {Grund}||, Grund offen]].", "A, Grund offen."},
		{in, Page, DE, "A\n[[Grund: {Grund}.]]\nB", "A\nB"},
		{in, Page, DE, "A\n\n[[Grund: {Grund}.]]\n\nB", "A\n\nB"},
		{in, Page, DE, "Grund: {Grund}.", "Grund: noch nicht bekannt."},
		{in, Page, LS, "Grund: {Grund}", "Grund: Das wissen wir noch nicht."},
		{in, Page, DE, "A.[[?Dank Danke.]][[?Entschuldigung  Verzeihung.]]", "A. Verzeihung."},
		{in, Page, DE, "{Dauer} lang", "2 Stunden und 5 Minuten lang"},
		{in, SMS, DE, "„{Dienst_kurz}“ – weg…", "\"Bürgerportal\" - weg..."},
	} {
		if got := say(t, c.body, c.in, c.format, c.lang); got != c.want {
			t.Errorf("%s %s %q:\n got %q\nwant %q", c.format, c.lang, c.body, got, c.want)
		}
	}
}

func TestExerciseMarksEveryPart(t *testing.T) {
	lib := library(t)
	in := ordinary(t, nouns()[0])
	in.Exercise = true
	for _, e := range lib.List() {
		x, err := lib.Render(e, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{x.Subject, x.Title, x.Body, x.Instruction} {
			if s != "" && !strings.HasPrefix(s, "ÜBUNG") {
				t.Errorf("%s lacks the mark: %s", e.ID, s)
			}
		}
		if slices.Contains(x.Over, PartSubject) {
			t.Errorf("%s: %s", e.ID, x.Subject)
		}
	}
}

func TestSyntaxErrorsSayWhere(t *testing.T) {
	for body, want := range map[string]string{
		"Seit {Siet} weg":        `line 1, column 6: {Siet}: there is no slot "Siet"`,
		"a\nb {Seit":             "line 2, column 3: the brace { is never closed with }",
		"ü }":                    "line 1, column 3: a closing brace without an opening one",
		"[[x]]":                  "line 1, column 1: an optional part needs a slot that decides about it",
		"[[a {Seit}":             "line 1, column 11: the optional part [[ is never closed with ]]",
		"]]":                     "line 1, column 1: ]] without [[",
		"[[a {Seit} [[b]]":       "line 1, column 12: an optional part [[…]] inside another one",
		"[[{Seit}||a||b]]":       "line 1, column 12: an optional part has at most one ||",
		"[[?Seit x]]":            `line 1, column 3: "Seit" is not a switch`,
		"{Dank}":                 "line 1, column 1: {Dank}: a switch has no words of its own, write [[?Dank …]]",
		"{ist|}":                 "line 1, column 1: {ist|}: a choice has two words, singular|plural",
		"{um Dienst}":            `line 1, column 1: {um Dienst}: "um" cannot stand before Dienst here`,
		"{Seit_dat}":             `line 1, column 1: {Seit_dat}: Seit has no form "dat"`,
		"{Auswirkung_kurz}":      `line 1, column 1: {Auswirkung_kurz}: Auswirkung has no form "kurz"`,
		"{}":                     `line 1, column 1: {}: there is no slot ""`,
		"":                       "the text is empty",
		"{Dienst_nom} {Dienst_}": `line 1, column 14: {Dienst_}: Dienst has no form ""`,
	} {
		_, err := Prepare(Entry{Body: body})
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", body, err, want)
		}
	}
}

// TestNoFactIsLost fills random entries with random words: what was filled in
// and is used stands in the text, and Drift agrees.
func TestNoFactIsLost(t *testing.T) {
	lib := library(t)
	entries := lib.List()
	loc := berlin(t)
	word := rapid.StringMatching(`[A-Za-zÄÖÜäöüß]{1,12}( [a-zäöü]{1,9}){0,4}[.!?]?`)
	rapid.Check(t, func(rt *rapid.T) {
		e := rapid.SampledFrom(entries).Draw(rt, "entry")
		in := ordinary(t, rapid.SampledFrom(nouns()).Draw(rt, "service"))
		for _, s := range e.Slots {
			switch d := registry[s]; d.Kind {
			case KindText, KindChoice:
				if rapid.Bool().Draw(rt, "unknown") && !d.Required {
					in.Facts[s] = Unknown()
				} else {
					w := word.Draw(rt, string(s))
					in.Facts[s] = Value{Text: w, Short: w, EN: w, LS: w}
				}
			case KindTime:
				if s != SlotAsOf {
					minutes := rapid.IntRange(-9000, 9000).Draw(rt, string(s))
					in.Facts[s] = At(in.AsOf.Add(time.Duration(minutes) * time.Minute).In(loc))
				}
			}
		}
		x, err := lib.Render(e, in)
		if err != nil {
			rt.Fatal(err)
		}
		// A group goes as a whole, so a fact may rightly be gone when it shares
		// its group with an unknown one; every other must be there.
		shared := groupedWithUnknown(e, in)
		for _, p := range Drift([]Text{x}, in) {
			if p.Code == FactGone && shared[p.Slot] {
				continue
			}
			rt.Fatalf("%s\n%s", p.Reason(DE), x.Body)
		}
	})
}

func groupedWithUnknown(e Entry, in Input) map[Slot]bool {
	out := map[Slot]bool{}
	for _, p := range e.parts() {
		nodes, _ := parse(p.text)
		for _, n := range nodes {
			if g, ok := n.(group); ok {
				slots := slotsOf(g.main)
				if slices.ContainsFunc(slots, func(s Slot) bool { return in.value(s).IsUnknown() }) || in.Facts[g.on].Off {
					for _, s := range slots {
						out[s] = true
					}
				} else {
					for _, s := range slotsOf(g.other) {
						out[s] = true
					}
				}
			}
		}
	}
	return out
}

// What stands in an alternative that was not taken is not missed: a correction
// that names its own evidence needs no link to the town's page.
func TestAlternativeIsNotMissed(t *testing.T) {
	in := Input{AsOf: time.Date(2026, 11, 22, 13, 5, 0, 0, time.UTC), Facts: Facts{SlotLink: Filled("https://status.musterstadt.example"), "Beleg": Filled("Aushang im Rathaus")}}
	e := Entry{Kind: Correction, Audience: Citizens, Format: Page, Language: DE, Title: "Richtig ist", Body: "[[Nachprüfbar hier: {Beleg}||Mehr dazu: {Link}]]"}
	x, err := Render(e, in)
	if err != nil || x.Body != "Nachprüfbar hier: Aushang im Rathaus" || !slices.Equal(x.Slots, []Slot{"Beleg"}) {
		t.Fatalf("%+v, %v", x, err)
	}
	if got := Drift([]Text{x}, in); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	in.Facts["Beleg"] = Unknown()
	if x, err = Render(e, in); err != nil || !slices.Contains(x.Slots, SlotLink) {
		t.Fatalf("%+v, %v", x, err)
	}
	x.Body = "Mehr dazu: anderswo"
	if got := Drift([]Text{x}, in); len(got) != 1 || got[0].Slot != SlotLink {
		t.Errorf("%+v", got)
	}
}

func TestDriftFindsEdits(t *testing.T) {
	lib := library(t)
	in := ordinary(t, nouns()[0])
	var texts []Text
	for _, lang := range Languages() {
		for _, f := range []Format{Page, Mail, SMS} {
			e, ok := lib.Find(First, Citizens, f, lang, "")
			if !ok {
				t.Fatal(f, lang)
			}
			x, err := lib.Render(e, in)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, x)
		}
	}
	if got := Drift(texts, in); len(got) > 0 {
		t.Fatal(got[0].Reason(DE))
	}
	edited := texts[0]
	edited.Body = strings.Replace(edited.Body, "14:30 Uhr", "15:30 Uhr", 1)
	got := Drift([]Text{edited}, in)
	codes := []ProblemCode{}
	for _, p := range got {
		codes = append(codes, p.Code)
	}
	if !slices.Contains(codes, FactGone) || !slices.Contains(codes, ForeignTime) {
		t.Errorf("got %v", codes)
	}
	in.Exercise = true
	if got := Drift(texts[:1], in); len(got) != 1 || got[0].Code != OtherFacts {
		t.Errorf("got %v", got)
	}
}

func TestValuesSurviveJSON(t *testing.T) {
	f := Facts{SlotSince: At(time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)), SlotCause: Unknown(), SlotThanks: Off(), SlotDuration: For(time.Hour), SlotEvent: {Text: "a", EN: "b", LS: "c", Short: "d"}}
	raw, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back Facts
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	for s, v := range f {
		if back[s] != v {
			t.Errorf("%s: %+v became %+v", s, v, back[s])
		}
	}
}

func TestHostileValues(t *testing.T) {
	in := ordinary(t, nouns()[0])
	in.Facts[SlotEvent] = Filled("a\r\nSubject: b\x00\u202e {Dienst} [[c]] \xff")
	got := say(t, "{Ereignis}!", in, Page, DE)
	if got != "A Subject: b {Dienst} [[c]] �!" {
		t.Errorf("%q", got)
	}
	in.Facts[SlotEvent] = Filled(" \u200b ")
	_, err := Render(Entry{Kind: First, Audience: Citizens, Format: Page, Language: DE, Body: "{Ereignis}"}, in)
	if _, ok := errors.AsType[*MissingError](err); !ok {
		t.Errorf("invisible characters are no fact: %v", err)
	}
}

func TestFindFallsBack(t *testing.T) {
	lib := library(t)
	for _, c := range []struct {
		format   Format
		lang     Language
		scenario Scenario
		want     string
	}{
		{RSS, DE, "", "B-P1-page-de"},
		{Notice, EN, "nonsense", "B-P1-page-en"},
		{Mail, LS, "", "B-P1-mail-de-LS"},
		{Mail, "fr", "", "B-P1-mail-de"},
		{SMS, DE, "", "B-P1-sms-de"},
	} {
		if c.format == Notice || c.format == RSS {
			if _, ok := lib.index[cell{First, Citizens, c.format, c.lang, ""}]; ok {
				continue // the grid has grown a text of its own
			}
		}
		e, ok := lib.Find(First, Citizens, c.format, c.lang, c.scenario)
		if !ok || e.ID != c.want {
			t.Errorf("%v: %s", c, e.ID)
		}
	}
	if e, ok := lib.Find(Closing, Leadership, SMS, DE, ""); ok {
		t.Errorf("an SMS was replaced by %s", e.ID)
	}
}

func TestQuestionsCoverTheTexts(t *testing.T) {
	lib := library(t)
	for _, k := range Kinds() {
		var entries []Entry
		for _, e := range lib.List() {
			if e.Kind == k {
				entries = append(entries, e)
			}
		}
		asked := map[Slot]bool{}
		for _, q := range Questions(k, entries...) {
			if asked[q.Slot] {
				t.Errorf("%s asks twice for %s", k, q.Slot)
			}
			asked[q.Slot] = true
		}
		for _, e := range entries {
			for _, s := range e.Slots {
				if registry[s].Source == FromPerson && registry[s].Kind != KindSwitch && !asked[s] {
					t.Errorf("%s: nobody asks for %s", e.ID, s)
				}
			}
		}
	}
	for _, s := range []Slot{SlotEvent, SlotService, SlotSeverity, SlotMeasure} {
		if !slices.ContainsFunc(Questions(First), func(q Question) bool { return q.Slot == s && q.Core }) {
			t.Errorf("the first message must answer %s (R1.8)", s)
		}
	}
}

func TestOverlay(t *testing.T) {
	lib := library(t)
	own, _ := lib.Get("B-P0-sms-de")
	own.Body, own.Version, own.ReviewState, own.ApprovedBy = "{Kommune_kurz}: {Dienst_kurz} weg. {KurzLink}", 2, Approved, "Bert Kern"
	over, err := lib.Overlay([]Entry{own, {Kind: Holding, Audience: Citizens, Format: Phone, Language: "nl", Body: "{Dienst}"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := over.Get("B-P0-sms-de"); got.ApprovedBy != "Bert Kern" || slices.Contains(got.Slots, SlotNext) {
		t.Errorf("%+v", got)
	}
	if got, _ := lib.Get("B-P0-sms-de"); got.ApprovedBy != "" {
		t.Error("the library itself has changed")
	}
	if len(over.List()) != len(lib.List())+1 {
		t.Error("the new text did not join")
	}
	page, _ := lib.Get("B-P0-flood-page-de")
	if page.ID != "" {
		t.Error("hazards have no holding text")
	}
	page, _ = lib.Get("B-P1-flood-page-de")
	page.ReviewState, page.ApprovedBy = Approved, "Bert Kern"
	if over, err = lib.Overlay([]Entry{page}); err != nil {
		t.Fatal(err)
	}
	mail, ok := over.Get("B-P1-flood-mail-de")
	if !ok || mail.ApprovedBy != "Bert Kern" || !strings.HasPrefix(mail.Body, "Guten Tag,") || strings.Count(mail.Body, "{Stand_lang}") != 1 {
		t.Errorf("the mail made from a page: %+v", mail)
	}
	if _, err := lib.Overlay([]Entry{{ID: "x", Body: "{"}}); err == nil {
		t.Error("a broken text was taken")
	}
}

func TestDurationText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		10 * time.Second: "weniger als 1 Minute", time.Minute: "1 Minute", 65 * time.Minute: "1 Stunde und 5 Minuten",
		24 * time.Hour: "1 Tag", 49*time.Hour + 40*time.Minute: "2 Tage und 2 Stunden", 119*time.Minute + 40*time.Second: "2 Stunden",
		23*time.Hour + 59*time.Minute + 40*time.Second: "1 Tag",
	} {
		if got := DurationText(d, DE); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
	if got := DurationText(25*time.Hour, EN); got != "1 day and 1 hour" {
		t.Error(got)
	}
}
