package intake

import (
	"net/url"
	"strings"
	"testing"
)

// Scripts that ping another system's own addresses change nothing but what stands
// before them: Uptime Kuma's push monitors, Gatus' external endpoints, and the checks
// of a project of Healthchecks by its ping key.
func TestPushAddresses(t *testing.T) {
	for _, c := range []struct {
		format      Format
		path, query string
		want        string
	}{
		{Kuma, "api/push/sicherung", "status=down&msg=Platte+voll&ping=", "push sicherung||firing|critical|sicherung: Platte voll||"},
		{Kuma, "api/push/sicherung", "status=up&msg=OK&ping=12", "push sicherung||resolved|critical|sicherung: OK||"},
		{Kuma, "api/push/sicherung", "", "push sicherung||resolved|critical|sicherung||"},
		{Kuma, "api/push/sicherung", "status=hm", "push sicherung||firing|critical|sicherung||"},
		{Kuma, "", "status=down&msg=weg", "push||firing|critical|weg||"},
		{Kuma, "", "status=up&msg=OK", "push||resolved|critical|OK||"},
		{Kuma, "", "status=&msg=", "push||firing|critical|push||"},
		{Gatus, "api/v1/endpoints/core_ext-ep/external", "success=false&error=timeout&duration=10s", "core_ext-ep||firing|critical|core · ext-ep||core"},
		{Gatus, "api/v1/endpoints/core_ext-ep/external", "success=true", "core_ext-ep||resolved|critical|core · ext-ep||core"},
		{Gatus, "api/v1/endpoints/_allein/external", "success=1", "_allein||firing|critical|allein||"},
		{Healthchecks, "fqOOd6-F4MMNuCEnzTU01w/db-backups", "create=1", "check fqOOd6-F4MMNuCEnzTU01w/db-backups||resolved|critical|db-backups||"},
		{Healthchecks, "fqOOd6-F4MMNuCEnzTU01w/db-backups/fail", "", "check fqOOd6-F4MMNuCEnzTU01w/db-backups||firing|critical|db-backups||"},
		{Healthchecks, "fqOOd6-F4MMNuCEnzTU01w/db-backups/2", "", "check fqOOd6-F4MMNuCEnzTU01w/db-backups||firing|critical|db-backups||"},
		{Healthchecks, "fqOOd6-F4MMNuCEnzTU01w/db-backups/start", "rid=6b6ff4d2-0d61-4b9b-a3a5-1a1c2d3e4f50", "check fqOOd6-F4MMNuCEnzTU01w/db-backups||resolved|critical|db-backups|| (note)"},
		{Healthchecks, "fqOOd6-F4MMNuCEnzTU01w/fail", "", "check fqOOd6-F4MMNuCEnzTU01w||firing|critical|fqOOd6-F4MMNuCEnzTU01w||"},
	} {
		q, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		b := Body{Query: q}
		if c.path != "" {
			b.Path = strings.Split(c.path, "/")
		}
		rs, err := Parse(c.format, Mapping{}, b, nil)
		if err != nil || len(rs) != 1 || what(rs[0]) != c.want {
			t.Errorf("%s /%s?%s: %+v, %v", c.format, c.path, c.query, rs, err)
		}
	}
	// What says nothing about a state is no end of anything.
	for path, f := range map[string]Format{
		"api/v1/endpoints/core_ext-ep/external":   Gatus,
		"api/v1/endpoints/core_ext-ep/":           Gatus,
		"fqOOd6-F4MMNuCEnzTU01w/db-backups/hm":    Healthchecks,
		"fqOOd6-F4MMNuCEnzTU01w/db-backups/fail/": Healthchecks,
		"api/push": Kuma,
	} {
		if rs, err := Parse(f, Mapping{}, Body{Path: strings.Split(path, "/")}, nil); err == nil && rs[0].State == "resolved" {
			t.Errorf("%s: %+v", path, rs)
		}
	}
}

// What stands behind "now" decides how a sensor is, in each word that PRTG has for it.
// Where that is missing or unknown the colour tells, and in doubt it is not over (I20).
func TestI20_PRTGEndsOnlyWhatIsUp(t *testing.T) {
	for _, c := range []struct{ status, color, want string }{
		{"Up", "", "over"},
		{" ok. ", "", "over"},
		{"Down ended (now: Up)", "", "over"},
		{"DOWN ENDED (NOW:UP)", "", "over"},
		{"Fehler beendet (jetzt: OK)", "", "over"},
		{"Fehler beendet (nun: OK)", "", "over"},
		{"Fehler beendet (nun OK)", "", "over"},
		{"Fehler beendet, nun: OK", "", "over"},
		{"Warnung beendet [nun: OK]", "", "over"},
		{"Fehler (bestätigt) beendet (nun: OK)", "", "over"},

		{"OK beendet (nun: Fehler)", "", "critical"},
		{"OK beendet (jetzt: Warnung)", "", "warning"},
		{"Up ended (now: Down)", "#b4cc38", "critical"},
		{"Up ended (now: Down (Acknowledged))", "", "note"},
		{"Up ended (now: Down (Partial))", "", "warning"},
		{"Down ended (now: Up) (now: Down)", "", "critical"},
		{"Down ended (now: Up, was Down)", "", "critical"},
		{"Down ended (now: not up)", "", "critical"},
		{"Down ended (now: )", "", "critical"},
		{"Fehler beendet (nun: Unbekannt)", "", "warning"},
		// Another language, or nothing behind it.
		{"OK beendet (ahora: Error)", "", "critical"},
		{"OK beendet", "#b4cc38", "critical"},
		{"Up ended", "", "critical"},
		{"Up soon", "", "critical"},
		{"Up soon", "#d71920", "critical"},
		{"Down ended", "", "critical"},
		{"Warnung beendet", "", "warning"},
		{"Down ended", "#d71920", "critical"},
		{"Down ended", "#b4cc38", "over"},
		{"Down ended (maintenant : Actif)", "#b4cc38", "over"},
		{"Down", "#b4cc38", "critical"},
	} {
		r := Report{Note: false}
		s := prtgStatus(c.status, c.color)
		r.State, r.Severity, r.Note = s.state, s.severity, s.note
		if got := r.Word(); got != c.want {
			t.Errorf("%q in %q is %s, want %s", c.status, c.color, got, c.want)
		}
	}
	// A mail tells the same, of the same sensor.
	for subject, want := range map[string]string{
		"[PRTG] srv1 Ping Fehler beendet (nun: OK) (5 ms)":             "srv1 Ping over",
		"[PRTG] srv1 Ping OK beendet (nun: Fehler) (weg)":              "srv1 Ping critical",
		"[PRTG] srv1 Ping Up ended (now: Down (Acknowledged)) (weg)":   "srv1 Ping note",
		"[PRTG] srv1 Ping Fehler (bestätigt) beendet (nun: OK) (5 ms)": "srv1 Ping over",
		"=?utf-8?q?[PRTG] srv1 Ping Fehler (best=C3=A4tigt) (weg)?=":   "srv1 Ping note",
	} {
		rs, err := Parse(Mail, Mapping{Preset: "prtg"}, letterOf("1", subject), nil)
		if err != nil || rs[0].Key+" "+rs[0].Word() != want {
			t.Errorf("%s: %+v, %v", subject, rs, err)
		}
	}
}

// Gatus escapes nothing. What stands in an error is of the error: neither the group of
// an endpoint that has none, nor an end (I20).
func TestI20_GatusErrorIsText(t *testing.T) {
	ours := strings.NewReplacer("[ALERT_TRIGGERED_OR_RESOLVED]", "TRIGGERED", "[ENDPOINT_GROUP]", "", "[ENDPOINT_NAME]", "portal",
		"[ENDPOINT_URL]", "https://portal.example/?a=1&name=b", "[ALERT_DESCRIPTION]", "").Replace(GatusTemplate)
	const err = `Get "https://x/?a=1&group=web&state=RESOLVED&url=y&description=z": timeout`
	for body, want := range map[string]string{
		strings.Replace(ours, "[RESULT_ERRORS]", err, 1):                                           "portal|firing|portal||" + err,
		"state=TRIGGERED&name=portal&errors=" + err:                                                "portal|firing|portal||" + err,
		"state=TRIGGERED&group=web&name=portal&errors=a&group=b&conditions=c":                      "web_portal|firing|web · portal|web|a&group=b&conditions=c",
		"errors=a&state=RESOLVED&b=c&state=TRIGGERED&name=portal":                                  "portal|firing|portal||a",
		"errors=a&state=RESOLVED&b=c&state=RESOLVED&name=portal":                                   "portal|resolved|portal||a",
		`{"errors": "a "state": "RESOLVED"", "state": "TRIGGERED", "name": "portal"}`:              `portal|firing|portal||a`,
		"errors=a&state=RESOLVED&group=web&name=portal":                                            "web_portal|resolved|web · portal|web|a",
		`{"state": "TRIGGERED", "name": "portal", "errors": "a "state": "RESOLVED", "name": "b""}`: `portal|firing|portal||a "state": "RESOLVED", "name": "b"`,
	} {
		rs, err := Parse(Gatus, Mapping{}, formBody(body), nil)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if r := rs[0]; strings.Join([]string{r.Key, string(r.State), r.Title, r.Site, r.Detail}, "|") != want {
			t.Errorf("%s:\n got %+v\nwant %s", body, r, want)
		}
	}
}
