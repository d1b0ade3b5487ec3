package statuspage

import (
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/town/plan"
)

// readCAP is what another program reads of a document.
type readCAP struct {
	XMLName    xml.Name `xml:"urn:oasis:names:tc:emergency:cap:1.2 alert"`
	Identifier string   `xml:"identifier"`
	Sender     string   `xml:"sender"`
	Sent       string   `xml:"sent"`
	Status     string   `xml:"status"`
	MsgType    string   `xml:"msgType"`
	References string   `xml:"references"`
	Note       string   `xml:"note"`
	Infos      []struct {
		Language    string `xml:"language"`
		Category    string `xml:"category"`
		Event       string `xml:"event"`
		Response    string `xml:"responseType"`
		Severity    string `xml:"severity"`
		Headline    string `xml:"headline"`
		Description string `xml:"description"`
		Instruction string `xml:"instruction"`
		Web         string `xml:"web"`
		Contact     string `xml:"contact"`
		Area        string `xml:"area>areaDesc"`
	} `xml:"info"`
}

func readAlert(t *testing.T, r *Room, path string) (d readCAP) {
	t.Helper()
	rec := visit(t, r, path)
	if rec.Code != http.StatusOK || !strings.HasPrefix(rec.Header().Get("Content-Type"), template.AlertMime) {
		t.Fatalf("%s: %d %s", path, rec.Code, rec.Header().Get("Content-Type"))
	}
	if err := xml.Unmarshal(rec.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// From the warning to the all-clear: each message names those before, in both
// languages, with what to do, and the feed leads to all of them.
func TestAlertsOfAFlood(t *testing.T) {
	a := newAround()
	in := outage("i1")
	in.Services = nil
	facts := template.Facts{
		"Gebiet": {Text: "Altstadt & Ufer", EN: "the old town"}, template.SlotPhone: template.Filled("0611 000"),
		template.SlotGrade: template.Choices(template.SlotGrade)[1].Value(),
	}
	a.say("t1", in, publish.Statement{ID: "s1", Kind: template.First, Scenario: "flood", Facts: facts, PublishedAt: noon}, "Hochwasser", "Das Wasser <steigt> & steigt.", noon.Add(time.Hour))
	a.variants["s1"] = append(a.variants["s1"], publish.Variant{
		Audience: "citizens", Kind: plan.Citizens, Format: template.CAP, Language: template.DE, Title: "Musterstadt: Hochwasser", Body: "Das Wasser steigt.\n\nGehen Sie nach oben.",
		Instruction: "Gehen Sie nach oben.", AsOf: noon,
	})
	a.say("t1", in, publish.Statement{ID: "s2", Kind: template.Update, PublishedAt: noon.Add(time.Hour)}, "Neuer Stand", "Es regnet weiter.", time.Time{})
	a.say("t1", in, publish.Statement{ID: "s3", Kind: template.AllClear, PublishedAt: noon.Add(2 * time.Hour)}, "Entwarnung", "Vorbei.", time.Time{})
	r, _ := built(t, a)
	first := readAlert(t, r, "/cap/s1.xml")
	if first.MsgType != "Alert" || first.Status != "Actual" || first.References != "" || first.Sender != "status.musterstadt.example" || len(first.Infos) != 2 {
		t.Fatalf("%+v", first)
	}
	if de, en := first.Infos[0], first.Infos[1]; de.Headline != "Musterstadt: Hochwasser" || de.Description != "Das Wasser steigt." || de.Instruction != "Gehen Sie nach oben." ||
		de.Area != "Altstadt & Ufer" || de.Category != "Met" || de.Severity != "Severe" || de.Contact != "0611 000" || de.Event != "Hochwasser" ||
		en.Language != "en" || en.Event != "Flood" || en.Area != "the old town" || en.Description != "Das Wasser <steigt> & steigt." ||
		en.Web != "https://status.musterstadt.example/en/m/s1#m-s1" {
		t.Errorf("%+v", first.Infos)
	}
	second, third := readAlert(t, r, "/cap/s2.xml"), readAlert(t, r, "/cap/s3.xml")
	ref := first.Sender + "," + first.Identifier + "," + first.Sent
	if second.MsgType != "Update" || second.References != ref || second.Infos[0].Area != "Altstadt & Ufer" || second.Infos[0].Category != "Met" {
		t.Errorf("%+v", second)
	}
	if third.MsgType != "Cancel" || third.References != ref+" "+second.Sender+","+second.Identifier+","+second.Sent || third.Infos[0].Response != "AllClear" {
		t.Errorf("%+v", third)
	}
	var feed atomFeed
	if err := xml.Unmarshal(visit(t, r, "/cap.atom").Body.Bytes(), &feed); err != nil || len(feed.Entries) != 3 || feed.Entries[0].Links[0].Href != "https://status.musterstadt.example/cap/s3.xml" {
		t.Errorf("%v %+v", err, feed)
	}
	if page := read(t, r, "/"); page.Find(`a[href="/cap.atom"]`).Length() != 1 || page.Find(`link[href="/cap.atom"]`).Length() != 1 {
		t.Error("the page does not lead to the feed")
	}
}

// An outage is told as one: no grade of danger, the town as its area. A private
// incident (I17) and an exercise (I4) are in no document and no feed.
func TestI17_AlertsArePublic(t *testing.T) {
	a := newAround()
	a.say("t1", outage("i1"), publish.Statement{ID: "s1", Kind: template.First, PublishedAt: noon}, "Gestört", "Das Portal ist gestört.", time.Time{})
	private, drill := outage("i2"), outage("i3")
	private.Private, drill.Realm = true, incident.Exercise
	a.say("t1", private, publish.Statement{ID: "s2", Kind: template.First, PublishedAt: noon}, "Geheim", "geheim", time.Time{})
	a.say("t1", drill, publish.Statement{ID: "s3", Kind: template.First, PublishedAt: noon}, "ÜBUNG", "ÜBUNG", time.Time{})
	a.say("t1", outage("i1"), publish.Statement{ID: "s4", Kind: template.Answer, PublishedAt: noon}, "Antwort", "auf eine Frage", time.Time{})
	r, _ := built(t, a)
	if d := readAlert(t, r, "/cap/s1.xml"); d.Infos[0].Category != "Infra" || d.Infos[0].Severity != "Unknown" || d.Infos[0].Area != "Gebiet von Musterstadt" {
		t.Errorf("%+v", d)
	}
	for _, id := range []string{"s2", "s3", "s4"} {
		if code := visit(t, r, "/cap/"+id+".xml").Code; code != http.StatusNotFound {
			t.Errorf("%s: %d", id, code)
		}
	}
	if feed := visit(t, r, "/cap.atom").Body.String(); strings.Contains(feed, "geheim") || strings.Contains(feed, "ÜBUNG") || strings.Count(feed, "<entry>") != 1 {
		t.Error(feed)
	}
}

// An answer to one person, and a correction after it is over, change no state.
func TestAsideReopensNothing(t *testing.T) {
	a := newAround()
	in := outage("i1")
	a.say("t1", in, publish.Statement{ID: "s1", Kind: template.First, PublishedAt: noon.Add(-2 * time.Hour)}, "Gestört", "gestört", noon.Add(time.Hour))
	a.say("t1", in, publish.Statement{ID: "s2", Kind: template.Answer, PublishedAt: noon.Add(-time.Hour)}, "Antwort", "auf eine Frage", time.Time{})
	r, _ := built(t, a)
	if page := read(t, r, "/").Text(); !strings.Contains(page, "gestört") {
		t.Error("an answer hides the outage")
	}
	in.Phase = incident.Monitoring
	a.say("t1", in, publish.Statement{ID: "s3", Kind: template.Recovery, PublishedAt: noon.Add(-30 * time.Minute)}, "Läuft", "wieder", time.Time{})
	a.say("t1", in, publish.Statement{ID: "s4", Kind: template.Correction, PublishedAt: noon.Add(-time.Minute)}, "Richtig ist", "etwas", time.Time{})
	r, _ = built(t, a)
	if s := visit(t, r, "/api/v2/incidents/unresolved.json").Body.String(); strings.Contains(s, "i1") || strings.Contains(s, "Gestört") {
		t.Error("a correction reopens what is over", s)
	}
}
