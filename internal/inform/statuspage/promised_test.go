package statuspage

import (
	"context"
	"strings"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
)

// committed are incidents with what was promised about them.
type committed struct {
	incidentsOf
	list []incident.Commitment
}

func (c *committed) Commitments(_ context.Context, f incident.CommitmentFilter) ([]incident.Commitment, error) {
	var out []incident.Commitment
	for _, x := range c.list {
		if x.Public || !f.Public {
			out = append(out, x)
		}
	}
	return out, nil
}

// TestPromisesInPublic: everybody reads whether the town keeps its word, and how
// its estimate has moved; nobody reads names.
func TestPromisesInPublic(t *testing.T) {
	a := newAround()
	in := outage("i1")
	eta := func(d time.Duration) template.Facts {
		return template.Facts{template.SlotNewTime: template.At(noon.Add(d))}
	}
	a.say("t1", in, publish.Statement{ID: "s1", Kind: template.Update, PublishedAt: noon, Facts: eta(time.Hour)}, "Eins", "a", time.Time{})
	a.say("t1", in, publish.Statement{ID: "s2", Kind: template.ETAChange, PublishedAt: noon.Add(30 * time.Minute), Facts: eta(150 * time.Minute)}, "Zwei", "b", time.Time{})
	day := func(n int) time.Time { return time.Date(2026, 11, 22+n, 22, 59, 0, 0, time.UTC) }
	c := &committed{incidentsOf{a}, []incident.Commitment{
		{ID: "c1", Incident: "i1", Text: "Zweites Netzteil", TextEN: "Second power supply", Due: day(3), State: incident.CommitmentOpen, Public: true, ByName: "geheim"},
		{ID: "c2", Incident: "i1", Text: "Bericht <im> Rat", Due: day(1), State: incident.CommitmentKept, SettledAt: day(0), SettledName: "geheim", Public: true, Moved: 1},
		{ID: "c3", Incident: "i1", Text: "Vertrag prüfen", Due: day(1), State: incident.CommitmentBroken, Note: "Der Anbieter antwortet nicht", SettledAt: day(2), Public: true},
		{ID: "c4", Incident: "i1", Text: "geheim: Kündigung", Due: day(1), State: incident.CommitmentOpen},
		{ID: "c5", Incident: "unbekannt", Text: "geheim: anderswo", Due: day(1), State: incident.CommitmentOpen, Public: true},
	}}
	clock := &ticking{now: noon.Add(time.Hour)}
	r := newRoom(t, storetest.SQLite(t, migrations()...), a, clock, "")
	r.o.Incidents = c
	rebuild(t, r)
	page := squash(read(t, r, "/m/s1").Find("main").Text())
	for _, want := range []string{
		"Zweites Netzteil: zugesagt bis 25. November 2026", "Bericht <im> Rat: gehalten am 22. November 2026 (verschoben)",
		"Vertrag prüfen: nicht gehaltenDer Anbieter antwortet nicht", "1 Stunde 30 Minuten später als zuvor genannt",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("missing: %s\n%s", want, page)
		}
	}
	if strings.Contains(page, "geheim") {
		t.Errorf("the public reads what it must not: %s", page)
	}
	if en := squash(read(t, r, "/en/m/s1").Find("main").Text()); !strings.Contains(en, "Second power supply: promised by") {
		t.Error(en)
	}
	// The day passes, and nobody has to press anything for the page to say so.
	clock.set(day(3).Add(time.Minute))
	if err := r.age(clock.Now()); err != nil {
		t.Fatal(err)
	}
	if page = squash(read(t, r, "/m/s1").Find("main").Text()); !strings.Contains(page, "Zweites Netzteil: überfällig, zugesagt war 25. November 2026") {
		t.Error(page)
	}
}
