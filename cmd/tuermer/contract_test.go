package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tuermer/internal/app"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
)

// TestContract goes the main thread by the API alone, with no more than the
// paths and words that are promised to other programs: whoever wrote a script
// against them must find it running after every change.
func TestContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, err := os.MkdirTemp(shm(), "tuermer")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		zone, err := clock.Zone("")
		if err != nil {
			t.Fatal(err)
		}
		yaml, err := os.ReadFile("testdata/musterstadt.yaml")
		if err != nil {
			t.Fatal(err)
		}
		s := &stage{
			t: t, net: newMemnet(), dir: dir, zone: zone, mail: map[string]*mailServer{}, targets: map[string]*target{},
			readers: map[string]*reader{}, log: slog.New(slog.DiscardHandler),
		}
		if s.config, _, err = app.ParseConfig("tuermer.yaml", yaml); err != nil {
			t.Fatal(err)
		}
		defer s.end()
		if err := s.begin(); err != nil {
			t.Fatal(err)
		}
		newScript(s).run()
	})
}

// script is a program of somebody else.
type script struct {
	*stage
	client *http.Client
	tokens map[string]string
}

type object = map[string]any

func newScript(s *stage) *script {
	p := &script{stage: s, client: &http.Client{Transport: &http.Transport{DialContext: s.net.Dial, DisableKeepAlives: true}}, tokens: map[string]string{}}
	settings := app.NewSettings(app.Settings{Data: s.dir, Lang: i18n.DE, Log: s.log, Staff: staffHost, Public: publicHost}, s.config)
	settings.Data = s.dir
	for _, who := range []string{ada, bert} {
		token, err := app.Commands{}.CreateToken(s.t.Context(), settings, app.NewToken{Person: who, Name: "Skript"})
		if err != nil {
			s.t.Fatal(err)
		}
		p.tokens[who] = token
	}
	return p
}

// get reads any address, without a token.
func (p *script) get(url string, headers ...string) (*http.Response, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return p.do(req)
}

func (p *script) do(req *http.Request) (*http.Response, string) {
	p.t.Helper()
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res, string(body)
}

// call is one request as who; code is the expected status.
func (p *script) call(who, method, path, body string, code int) object {
	p.t.Helper()
	var in io.Reader = http.NoBody
	if body != "" {
		in = bytes.NewReader([]byte(body))
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+staffHost+"/api/v1"+path, in)
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token := p.tokens[who]; token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, text := p.do(req)
	if res.StatusCode != code {
		p.t.Fatalf("%s %s %s: %d, expected %d\n%s", method, path, body, res.StatusCode, code, text)
	}
	out := object{}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			p.t.Fatalf("%s: %v\n%s", path, err, text)
		}
	}
	if code >= 400 {
		if words, _ := out["detail"].(string); len(strings.Fields(words)) < 3 {
			p.t.Errorf("%s %s %s: a refusal without words: %s", method, path, body, text)
		}
	}
	return out
}

func (p *script) items(who, path string) []object {
	p.t.Helper()
	list, ok := p.call(who, "GET", path, "", 200)["items"].([]any)
	if !ok {
		p.t.Fatalf("%s: no items", path)
	}
	out := make([]object, len(list))
	for i := range list {
		out[i], _ = list[i].(object)
	}
	return out
}

// say writes a statement as Ada and lets Bert approve it.
func (p *script) say(incident, body string) object {
	p.t.Helper()
	s := p.call(ada, "POST", "/incidents/"+incident+"/statements", body, 201)
	path := "/statements/" + fmt.Sprint(s["id"]) + "/approve"
	p.call(ada, "POST", path, "", 403)
	done := p.call(bert, "POST", path, "", 200)
	if done["state"] != "published" {
		p.t.Errorf("%s: %v", body, done)
	}
	p.settle()
	return done
}

func (p *script) settle() {
	time.Sleep(2 * time.Second)
	synctest.Wait()
}

// component is the first one of the public summary.
func (p *script) component() string {
	p.t.Helper()
	_, text := p.get("http://" + publicHost + "/api/v2/summary.json")
	var summary struct{ Components []struct{ Status string } }
	if err := json.Unmarshal([]byte(text), &summary); err != nil || len(summary.Components) != 1 {
		p.t.Fatalf("%v\n%s", err, text)
	}
	return summary.Components[0].Status
}

func (p *script) run() {
	for _, list := range []string{"monitors", "alerts", "incidents", "statements", "services", "people"} {
		p.items(ada, "/"+list+"?limit=1")
		p.call("", "GET", "/"+list, "", 401)
	}
	people := p.call(ada, "GET", "/people?limit=1", "", 200)
	if rest := p.items(ada, "/people?limit=1&after="+fmt.Sprint(people["next"])); len(rest) != 1 {
		p.t.Errorf("the second of two people: %v", rest)
	}
	p.described()

	if got := p.component(); got != "operational" {
		p.t.Errorf("before: %s", got)
	}
	p.targets["portal"].down()
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	if got := p.component(); got != "degraded_performance" {
		p.t.Errorf("checking: %s", got)
	}
	if m := p.items(ada, "/monitors")[0]; m["service"] != "buergerportal" || m["state"] != "down" {
		p.t.Errorf("%v", m)
	}
	open := p.items(ada, "/alerts?state=open")
	if len(open) != 1 || open[0]["service"] != "buergerportal" {
		p.t.Fatalf("%v", open)
	}
	alert := fmt.Sprint(open[0]["id"])
	p.alarm()
	if a := p.call(ada, "POST", "/alerts/"+alert+"/acknowledge", "", 200); a["state"] != "acknowledged" {
		p.t.Errorf("%v", a)
	}
	p.call(ada, "POST", "/alerts/"+alert+"/acknowledge", "{}", 200) // twice is no harm
	p.call(ada, "POST", "/alerts/nowhere/acknowledge", "", 404)
	p.answers(alert)

	p.call(ada, "POST", "/incidents", `{}`, 422)
	p.call(ada, "POST", "/incidents", `{"titel":"x"}`, 422)
	p.call(ada, "POST", "/incidents", `{"title":"x","services":["nowhere"]}`, 422)
	for _, body := range []string{`{"title":"Probe","service":"buergerportal"}`, `{"title":"Probe","services":["buergerportal"]}`, `{"title":"Probe"}`} {
		i := p.call(ada, "POST", "/incidents", body, 201)
		p.call(ada, "POST", "/incidents/"+fmt.Sprint(i["id"])+"/dismiss", `{"reason":"nur eine Probe"}`, 200)
	}
	in := p.call(ada, "POST", "/incidents", `{"alert":"`+alert+`"}`, 201)
	if in["title"] == "" || fmt.Sprint(in["services"]) != "[buergerportal]" || fmt.Sprint(in["alerts"]) != "["+alert+"]" {
		p.t.Errorf("%v", in)
	}
	p.incident(fmt.Sprint(in["id"]))
}

// described: the description names every path that is promised.
func (p *script) described() {
	p.t.Helper()
	_, text := p.get("http://" + staffHost + "/api/openapi.json")
	var doc struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		p.t.Fatal(err)
	}
	for path, method := range map[string]string{
		"/api/v1/monitors": "get", "/api/v1/alerts": "get", "/api/v1/incidents": "post", "/api/v1/statements": "get",
		"/api/v1/services": "get", "/api/v1/people": "get", "/api/v1/alerts/{id}/acknowledge": "post",
		"/api/v1/incidents/{id}/statements": "post", "/api/v1/statements/{id}/approve": "post", "/api/v1/incidents/{id}/phase": "post",
	} {
		if doc.Paths[path][method] == nil {
			p.t.Errorf("%s %s is not described", method, path)
		}
	}
}

// answers: who has the alert puts it off, takes it back, hands it on, declines; in
// the end Ada has it again.
func (p *script) answers(alert string) {
	p.t.Helper()
	path := "/alerts/" + alert
	snoozed := func() bool {
		return slices.ContainsFunc(p.items(ada, "/alerts/withheld"), func(w object) bool { return w["alert"] == alert && w["reason"] == "snoozed" && w["ended_at"] == nil })
	}
	p.call(ada, "POST", path+"/snooze", `{"minutes":481}`, 422)
	p.call("", "POST", path+"/snooze", `{"minutes":30}`, 401)
	if a := p.call(ada, "POST", path+"/snooze", `{"minutes":30}`, 200); a["state"] != "open" || !snoozed() {
		p.t.Errorf("put off: %v", a)
	}
	if p.call(ada, "POST", path+"/acknowledge", "", 200); snoozed() {
		p.t.Error("taken, and still put off")
	}
	other := ""
	for _, x := range p.items(ada, "/people") {
		if x["email"] == bert {
			other = fmt.Sprint(x["id"])
		}
	}
	p.call(ada, "POST", path+"/hand-on", `{"to":"nobody"}`, 422)
	if a := p.call(ada, "POST", path+"/hand-on", `{"to":"`+other+`"}`, 200); a["state"] != "open" {
		p.t.Errorf("handed on: %v", a)
	}
	p.settle()
	if p.mail["primary"].find(bert, "weitergegeben") == nil {
		p.t.Error("Bert does not hear that it was handed to him")
	}
	p.call(bert, "POST", path+"/decline", "", 200)
	if a := p.call(ada, "POST", path+"/acknowledge", "", 200); a["state"] != "acknowledged" {
		p.t.Errorf("taken at last: %v", a)
	}
	for _, what := range []string{"snoozed", "handed_on", "declined", "answered"} {
		if !slices.ContainsFunc(p.items(ada, path+"/course"), func(c object) bool { return c["what"] == what }) {
			p.t.Errorf("the course does not say %s", what)
		}
	}
}

// alarm looks at the mail that woke Ada, and at its link.
func (p *script) alarm() {
	p.t.Helper()
	for _, to := range adas {
		m := p.mail["primary"].find(to, "Bürgerportal")
		if m == nil {
			p.t.Fatalf("no alarm at %s", to)
		}
		if m.header.Get("Auto-Submitted") != "auto-generated" || m.header.Get("Message-Id") == "" || !strings.Contains(m.subject, "gestört") || !strings.Contains(m.text, "seit ") {
			p.t.Errorf("%s: %s\n%v\n%s", to, m.subject, m.header, m.text)
		}
		for word := range strings.FieldsSeq(m.text) {
			if _, rest, ok := strings.Cut(word, "/a/"); ok {
				for range 2 { // mail scanners follow links
					if res, _ := p.get("http://" + staffHost + "/a/" + rest); res.StatusCode != 200 {
						p.t.Errorf("the link answers %d", res.StatusCode)
					}
				}
			}
		}
	}
	if a := p.items(ada, "/alerts")[0]; a["state"] != "open" {
		p.t.Errorf("looking at the link changed the alarm: %v", a["state"])
	}
}

// incident goes from the first word to the last.
func (p *script) incident(id string) {
	p.t.Helper()
	path := "/incidents/" + id
	p.call(ada, "POST", path+"/statements", `{"kind":"nonsense"}`, 422)
	p.call(ada, "POST", path+"/statements", `{"kind":"first","facts":{"nonsense":1}}`, 422)
	p.call(ada, "POST", path+"/statements", `{"kind":"first","audiences":["nobody"]}`, 422)
	p.call(ada, "POST", "/incidents/nowhere/statements", `{"kind":"first"}`, 404)
	p.say(id, `{"kind":"first","facts":{"what_happened":"Das Portal antwortet nicht.","severity":"minor","measures":"unknown"},"audiences":["citizens","staff"]}`)
	if now := p.call(ada, "GET", path, "", 200); now["phase"] != "confirmed" || now["public"] != "investigating" {
		p.t.Errorf("whoever says it has confirmed it: %v", now)
	}
	p.public("Das Portal antwortet nicht.", "Stand:", "Nächste Meldung bis")
	for _, to := range []string{"liste@musterstadt.example", "alle@musterstadt.example"} {
		if p.mail["primary"].find(to, "Das Portal antwortet nicht.") == nil {
			p.t.Errorf("no message to %s", to)
		}
	}
	for _, body := range []string{
		`{"kind":"update","facts":{"progress":"Wir tauschen ein Netzteil.","eta":"unknown"}}`,
		`{"kind":"eta_change","facts":{"eta":"unknown","reason":"Das Ersatzteil fehlt."}}`,
		`{"kind":"no_change"}`,
	} {
		p.say(id, body)
	}
	for _, due := range p.items(ada, path+"/next-updates") {
		if due["state"] == "missed" {
			p.t.Errorf("%v", due)
		}
	}

	p.call(ada, "POST", path+"/phase", `{"phase":"restored"}`, 409) // I1
	if err := p.targets["portal"].up(p.net, hostPort("portal.example")); err != nil {
		p.t.Fatal(err)
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	for _, to := range adas {
		m := p.mail["primary"].find(to, "läuft wieder", "Dauer")
		if m == nil || m.header.Get("In-Reply-To") == "" || m.header.Get("References") == "" {
			p.t.Errorf("recovery at %s: %+v", to, m)
		}
	}
	p.say(id, `{"kind":"recovery"}`)
	if now := p.call(ada, "POST", path+"/phase", `{"phase":"restored"}`, 200); now["phase"] != "restored" || now["public"] != "resolved" {
		p.t.Errorf("%v", now)
	}
	p.call(ada, "POST", path+"/phase", `{"phase":"closed"}`, 409) // I2
	p.say(id, `{"kind":"closing","facts":{"cause":"ein defektes Netzteil","measures":"das Netzteil getauscht"}}`)
	if now := p.call(ada, "POST", path+"/phase", `{"phase":"closed"}`, 200); now["phase"] != "closed" {
		p.t.Errorf("%v", now)
	}
	if got := p.component(); got != "operational" {
		p.t.Errorf("after: %s", got)
	}
	var kinds []string
	for _, s := range p.items(ada, "/statements?incident="+id) {
		kinds = append(kinds, fmt.Sprint(s["kind"]))
	}
	slices.Reverse(kinds)
	if got := strings.Join(kinds, " "); got != "first update eta_change no_change recovery closing" {
		p.t.Errorf("statements: %s", got)
	}
	if ok := p.call(bert, "GET", "/audit/verify", "", 200); ok["ok"] != true {
		p.t.Errorf("%v", ok)
	}
}

// public looks at the page as a citizen's browser does.
func (p *script) public(words ...string) {
	p.t.Helper()
	res, text := p.get("http://" + publicHost + "/")
	for _, w := range words {
		if !strings.Contains(text, w) {
			p.t.Errorf("„%s“ is not on the page", w)
		}
	}
	if res.Header.Get("Set-Cookie") != "" || strings.Contains(text, "<script") || res.Header.Get("Etag") == "" {
		p.t.Errorf("cookie, script or no ETag: %v", res.Header)
	}
	if again, _ := p.get("http://"+publicHost+"/", "If-None-Match", res.Header.Get("Etag")); again.StatusCode != http.StatusNotModified {
		p.t.Errorf("unchanged page: %d", again.StatusCode)
	}
	if _, feed := p.get("http://" + publicHost + "/feed.atom"); !strings.Contains(feed, "<feed") || !strings.Contains(feed, "<entry>") {
		p.t.Errorf("no feed: %s", feed)
	}
}
