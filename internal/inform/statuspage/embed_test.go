package statuspage

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
)

type works struct {
	Maintenances []struct {
		ID, Name, Status, Impact string
		For                      time.Time                     `json:"scheduled_for"`
		Until                    *time.Time                    `json:"scheduled_until"`
		Updates                  []struct{ Status string }     `json:"incident_updates"`
		Components               []struct{ ID, Status string } `json:"components"`
	} `json:"scheduled_maintenances"`
	Incidents []any                      `json:"incidents"`
	Status    struct{ Indicator string } `json:"status"`
}

func readWorks(t *testing.T, r *Room, path string) (w works) {
	t.Helper()
	if err := json.Unmarshal(visit(t, r, "/api/v2/"+path+".json").Body.Bytes(), &w); err != nil {
		t.Fatal(path, err)
	}
	return w
}

// Planned work goes through its states by the clock and by what is said, in the
// lists in which other programs look for it, and never among the incidents.
func TestScheduledMaintenances(t *testing.T) {
	a := newAround()
	begins, ends := noon.Add(time.Hour), noon.Add(3*time.Hour)
	facts := template.Facts{"Beginn": template.At(begins), "Ende": template.At(ends)}
	in := outage("w")
	in.Phase, in.Services = incident.Confirmed, []string{"kfz"}
	a.say("t1", in, publish.Statement{ID: "w1", Kind: template.MaintenanceAnnounced, PublishedAt: noon, Facts: facts}, "Wartung", "Beginn bald.", time.Time{})
	r, c := built(t, a)
	check := func(status, upcoming, active string) {
		t.Helper()
		rebuild(t, r)
		all := readWorks(t, r, "scheduled-maintenances")
		if len(all.Maintenances) != 1 {
			t.Fatalf("%+v", all)
		}
		m := all.Maintenances[0]
		if m.Status != status || m.Impact != "maintenance" || !m.For.Equal(begins) || m.Until == nil || !m.Until.Equal(ends) || m.ID != "w" || len(m.Components) != 1 {
			t.Errorf("%+v, want %s", m, status)
		}
		for list, want := range map[string]string{"upcoming": upcoming, "active": active} {
			if got := readWorks(t, r, "scheduled-maintenances/"+list); (len(got.Maintenances) == 1) != (want != "") || got.Maintenances == nil {
				t.Errorf("%s: %+v", list, got)
			}
		}
		sum := readWorks(t, r, "summary")
		if len(sum.Incidents) != 0 || (len(sum.Maintenances) == 1) != (upcoming+active != "") || sum.Status.Indicator == "major" {
			t.Errorf("%+v", sum)
		}
		if got := readWorks(t, r, "incidents"); len(got.Incidents) != 0 {
			t.Error("planned work among the incidents")
		}
	}
	check("scheduled", "here", "")
	c.set(begins)
	check("in_progress", "", "here")
	c.set(ends)
	check("verifying", "", "here")
	in.Phase = incident.Restored
	a.say("t1", in, publish.Statement{ID: "w3", Kind: template.MaintenanceEnded, PublishedAt: ends.Add(time.Minute)}, "Fertig", "Fertig.", time.Time{})
	c.set(ends.Add(time.Minute))
	check("completed", "", "")
}

// The clock alone moves it: nobody has to publish anything at the beginning.
func TestMaintenanceTurns(t *testing.T) {
	a := newAround()
	a.say("t1", outage("w"), publish.Statement{ID: "w1", Kind: template.MaintenanceAnnounced, PublishedAt: noon, Facts: template.Facts{"Beginn": template.At(noon.Add(time.Hour))}}, "Wartung", "x", time.Time{})
	r, c := built(t, a)
	if turns := r.site.Load().towns["t1"].turns; !turns.Equal(noon.Add(time.Hour)) {
		t.Error("it turns at", turns)
	}
	c.set(noon.Add(time.Hour))
	if err := r.age(noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := readWorks(t, r, "scheduled-maintenances/active"); len(got.Maintenances) != 1 {
		t.Errorf("%+v", got)
	}
}

// The badge is a picture with words for every ear, well-formed whatever the town
// is called, and may be shown by others.
func TestBadge(t *testing.T) {
	a := newAround()
	town := musterstadt
	town.Name = `Stadt <"&'> Ü`
	a.tenants[0] = town
	r, _ := built(t, a)
	for _, c := range []struct{ path, want string }{{"/badge.svg", "alles funktioniert"}, {"/en/badge.svg", "all working"}} {
		rec := visit(t, r, c.path)
		var svg struct {
			XMLName xml.Name `xml:"svg"`
			Role    string   `xml:"role,attr"`
			Label   string   `xml:"aria-label,attr"`
			Title   string   `xml:"title"`
			Text    []string `xml:"g>text"`
		}
		if err := xml.Unmarshal(rec.Body.Bytes(), &svg); err != nil {
			t.Fatal(err)
		}
		if svg.Role != "img" || svg.Label != svg.Title || !strings.HasPrefix(svg.Title, town.Name+": ") || len(svg.Text) != 2 || svg.Text[1] != c.want {
			t.Errorf("%+v", svg)
		}
		if h := rec.Header(); h.Get("Cross-Origin-Resource-Policy") != "cross-origin" || !strings.HasPrefix(h.Get("Content-Type"), "image/svg+xml") || h.Get("Set-Cookie") != "" {
			t.Error(h)
		}
	}
	a.fire("t1", "kfz")
	rebuild(t, r)
	if body := visit(t, r, "/badge.svg").Body.String(); !strings.Contains(body, ">1 Dienst gestört<") || !strings.Contains(body, "#8b0000") {
		t.Error(body)
	}
}

// The widget alone may be framed by others; it runs nothing and sets nothing.
func TestWidget(t *testing.T) {
	a := newAround()
	a.fire("t1", "kfz")
	r, _ := built(t, a)
	for path, framed := range map[string]bool{"/widget": true, "/en/widget": true, "/": false, "/archiv": false, "/api/v2/summary.json": false} {
		h := visit(t, r, path).Header()
		if got := strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors *"); got != framed {
			t.Errorf("%s: framed %t", path, got)
		}
		if h.Get("Set-Cookie") != "" || h.Get("X-Frame-Options") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	if rec := visit(t, r, "/widget"); rec.Code != http.StatusOK || rec.Body.Len() > 4000 {
		t.Error(rec.Code, rec.Body.Len())
	}
	d := read(t, r, "/widget")
	if d.Find("script, form, img").Length() > 0 || !strings.Contains(d.Find("h1").Text(), "1 von 3 Diensten ist gestört: Kfz-Zulassung.") || d.Find("a[target=_blank][rel=noopener]").AttrOr("href", "") != "https://status.musterstadt.example/" {
		t.Error(d.Text())
	}
	// "Stand" is that of the page, on a quiet minute too.
	if still := still(t, r); still.file("widget.html") != nil || still.file("badge.svg") == nil {
		t.Error("the copy takes the badge along, and not the widget")
	}
}
