//go:build linux

package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// days: the main job on the built program, done by people with browsers and by
// programs of others.
var days = []badDay{
	{"the thread by the book", wholeThread},
	{"two approvers at once", twoApprovers},
	{"hostile words", hostileWords},
	{"people from a file", peopleFromAFile},
}

// visitor is somebody with a browser without JavaScript, on real sockets.
func visitor(t *testing.T) *reader {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &reader{client: &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// signedIn is a visitor who came by a one-time link.
func (h *house) signedIn(p *process, mail string) *reader {
	h.t.Helper()
	code, link, errs := h.once("user", "reset", mail)
	if code != 0 {
		h.t.Fatalf("user reset: %d %s", code, errs)
	}
	v := visitor(h.t)
	_, path, _ := strings.Cut(strings.TrimSpace(link), ".example")
	steps(h.t, v.open(p.staff+path), v.click("Anmelden"))
	return v
}

func steps(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// expect fails unless the page says all words.
func (r *reader) expect(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !r.says(w) {
			t.Fatalf("%s does not say %q:\n%s", r.at, w, strings.Join(strings.Fields(r.text()), " "))
		}
	}
}

// readmeYAML is the configuration that README.md tells a newcomer to begin
// with, with a mail server, a target and a pace of this test.
func readmeYAML(t *testing.T, mail *post, target string) string {
	t.Helper()
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(raw), "```yaml\n")
	text, _, end := strings.Cut(rest, "```")
	if !ok || !end {
		t.Fatal("README.md has no tuermer.yaml")
	}
	for _, r := range [][2]string{{"port: 2525", "port: " + mail.port()}, {"127.0.0.1:8081", target}, {"interval: 60s, timeout: 10s", "interval: 1s, timeout: 900ms"}} {
		if !strings.Contains(text, r[0]) {
			t.Fatalf("README.md has no %q", r[0])
		}
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return text
}

// wholeThread is the main job: outage, alarm at both addresses, acknowledgement
// by the link in the mail, short message by the console with a second person,
// first statement, recovery and closing by the API, pages and feed between.
func wholeThread(t *testing.T, r *built) {
	mail, tg := newPost(t), newTargets(t)
	h := r.house(t, readmeYAML(t, mail, tg.addr))
	p := h.serve()
	within(t, 30*time.Second, "the sign-in link for this machine", func() bool { return strings.Contains(p.log.tail(1<<16), "Auf dieser Maschine") })
	first := visitor(t)
	steps(t, first.open(regexp.MustCompile(`Auf dieser Maschine:\s*(\S+)`).FindStringSubmatch(p.log.tail(1 << 16))[1]))
	first.expect(t, "Sie melden sich an als Bert Kern")
	tokenAda, tokenBert := h.token(ada), h.token(bert)

	<-tg.fail("/")
	for _, to := range adas {
		within(t, 30*time.Second, "the alarm at "+to, func() bool { return len(mail.find(to, "gestört", "Bürgerportal")) == 1 })
	}
	alarm := mail.find(adas[1], "gestört")[0]
	link := p.staff + regexp.MustCompile(`https://lage\.tuermer\.example(/a/\S+)`).FindStringSubmatch(alarm.text)[1]
	open := itemsOf(p.must(tokenAda, "GET", "/api/v1/alerts", "", 200))
	if len(open) != 1 || open[0]["service"] != "buergerportal" {
		t.Fatalf("%v", open)
	}
	phone := visitor(t)
	for range 2 { // mail scanners follow links
		steps(t, phone.open(link))
		phone.expect(t, "Bürgerportal antwortet nicht", "Übernehmen")
	}
	if a := p.must(tokenAda, "GET", "/api/v1/alerts/"+fmt.Sprint(open[0]["id"]), "", 200); a["state"] != "open" {
		t.Fatalf("looking took the alarm: %v", a["state"])
	}
	steps(t, phone.click("Übernehmen"))
	if a := p.must(tokenAda, "GET", "/api/v1/alerts/"+fmt.Sprint(open[0]["id"]), "", 200); a["state"] != "acknowledged" || a["acknowledged_by"] != "Ada Beispiel" {
		t.Fatalf("%v", a)
	}

	desk, second := h.signedIn(p, ada), h.signedIn(p, bert)
	steps(t, desk.open(p.staff+"/"), desk.click("Zum Alarm"), desk.click("Bürger informieren"))
	desk.expect(t, "Wir prüfen", "Telefon 0611 000")
	steps(t, desk.click("Zur Freigabe geben"))
	desk.expect(t, "wartet auf Freigabe")
	steps(t, second.open(p.staff+"/"), second.click("Erste Kurzmeldung"), second.click("Freigeben"))
	second.expect(t, "Freigegeben von Bert Kern")
	citizen := visitor(t)
	within(t, 30*time.Second, "the short message on the public page", func() bool {
		return citizen.open(p.public+"/") == nil && citizen.says("Wir prüfen") && citizen.says("0611 000")
	})
	if got := p.component(t); got != "degraded_performance" {
		t.Errorf("summary.json: %s", got)
	}

	incidents := itemsOf(p.must(tokenAda, "GET", "/api/v1/incidents", "", 200))
	if len(incidents) != 1 {
		t.Fatalf("%v", incidents)
	}
	path := "/api/v1/incidents/" + fmt.Sprint(incidents[0]["id"])
	say := func(body string) {
		t.Helper()
		s := p.must(tokenAda, "POST", path+"/statements", body, 201)
		approve := "/api/v1/statements/" + fmt.Sprint(s["id"]) + "/approve"
		p.must(tokenAda, "POST", approve, "", 403)
		if done := p.must(tokenBert, "POST", approve, "", 200); done["state"] != "published" {
			t.Fatalf("%v", done)
		}
	}
	say(`{"kind":"first","facts":{"what_happened":"Ein Netzteil ist defekt","measures":"Wir tauschen das Netzteil","severity":"minor"}}`)
	for _, to := range []string{"liste@musterstadt.example", "alle@musterstadt.example"} {
		within(t, 30*time.Second, "the first statement at "+to, func() bool {
			got := mail.find(to)
			return len(got) > 0 && strings.Contains(got[len(got)-1].text, "Ein Netzteil ist defekt")
		})
	}
	within(t, 30*time.Second, "the first statement in the feed", func() bool {
		status, feed, err := fetch(t.Context(), p.public+"/feed.atom")
		return err == nil && status == 200 && strings.Contains(feed, "Ein Netzteil ist defekt")
	})
	p.must(tokenAda, "POST", path+"/phase", `{"phase":"restored"}`, 409) // I1

	tg.heal()
	for _, to := range adas {
		within(t, 30*time.Second, "the recovery at "+to, func() bool { return len(mail.find(to, "läuft wieder")) == 1 })
		if back := mail.find(to, "läuft wieder")[0]; !strings.Contains(back.refs, mail.find(to, "gestört")[0].id) || !strings.Contains(back.text, "Dauer") {
			t.Errorf("%s: not in the thread of the alarm, or without a duration: %+v", to, back)
		}
	}
	say(`{"kind":"recovery"}`)
	p.must(tokenAda, "POST", path+"/phase", `{"phase":"restored"}`, 200)
	p.must(tokenAda, "POST", path+"/phase", `{"phase":"closed"}`, 409) // I2
	say(`{"kind":"closing","facts":{"cause":"ein defektes Netzteil","measures":"Tausch"}}`)
	p.must(tokenAda, "POST", path+"/phase", `{"phase":"closed"}`, 200)
	within(t, 30*time.Second, "a public page that is well again", func() bool {
		return citizen.open(p.public+"/") == nil && citizen.says("funktioniert") && p.component(t) == "operational"
	})
	if v := p.must(tokenBert, "GET", "/api/v1/audit/verify", "", 200); v["ok"] != true {
		t.Errorf("%v", v)
	}
	p.endsWell()
}

// component is the state of the first service in the public summary.
func (p *process) component(t *testing.T) string {
	t.Helper()
	_, text, err := fetch(t.Context(), p.public+"/api/v2/summary.json")
	var sum struct{ Components []struct{ Status string } }
	if err != nil || json.Unmarshal([]byte(text), &sum) != nil || len(sum.Components) == 0 {
		t.Fatalf("%v: %s", err, text)
	}
	return sum.Components[0].Status
}

// twoApprovers press at the same instant, again and again, each three times: one of
// them approves, and hears so each time; the other is told that it has happened;
// and the mail goes out once.
func twoApprovers(t *testing.T, r *built) {
	mail := newPost(t)
	h := r.house(t, readmeYAML(t, mail, newTargets(t).addr))
	p := h.serve()
	if code, _, errs := h.once("user", "add", "cleo@musterstadt.example", "--name", "Cleo Amt", "--role", "approver"); code != 0 {
		t.Fatal(errs)
	}
	author, approvers := h.token(ada), []string{h.token(bert), h.token("cleo@musterstadt.example")}
	in := p.must(author, "POST", "/api/v1/incidents", `{"title":"Probe","service":"buergerportal","confirmed":true}`, 201)
	const rounds = 5
	for n := range rounds {
		s := p.must(author, "POST", "/api/v1/incidents/"+fmt.Sprint(in["id"])+"/statements", `{"kind":"first","audience":"staff"}`, 201)
		var mu sync.Mutex
		got := [2]map[int]int{{}, {}}
		start := make(chan struct{})
		var crowd sync.WaitGroup
		for i := range 6 {
			crowd.Go(func() {
				<-start
				status, _, err := p.call(approvers[i%2], "POST", "/api/v1/statements/"+fmt.Sprint(s["id"])+"/approve", `{"revision":2}`)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				got[i%2][status]++
				mu.Unlock()
			})
		}
		close(start)
		crowd.Wait()
		if got[0][200]+got[1][409] != 6 && got[0][409]+got[1][200] != 6 {
			t.Errorf("round %d: %v", n, got)
		}
		if now := p.must(author, "GET", "/api/v1/statements/"+fmt.Sprint(s["id"]), "", 200); now["state"] != "published" {
			t.Errorf("round %d: %v", n, now["state"])
		}
	}
	within(t, 30*time.Second, "the mails", func() bool { return len(mail.find("alle@musterstadt.example")) >= rounds })
	pause(t, time.Second)
	if n := len(mail.find("alle@musterstadt.example")); n != rounds {
		t.Errorf("%d mails for %d statements", n, rounds)
	}
	p.endsWell()
}

// hostileWords in every place where somebody can type: on no page do they
// become markup, in no mail a header, and no feed breaks.
func hostileWords(t *testing.T, r *built) {
	const evil = `<script>alert(1)</script>"><img src=x onerror=alert(2)>';--{{7*7}}`
	mail := newPost(t)
	h := r.house(t, readmeYAML(t, mail, newTargets(t).addr))
	p := h.serve()
	if code, _, errs := h.once("user", "add", "evil@musterstadt.example", "--name", "Eva "+evil); code != 0 {
		t.Fatal(errs)
	}
	author, admin := h.token(ada), h.token(bert)
	text := func(s string) string {
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	p.must(admin, "POST", "/api/v1/services", `{"slug":"boese","name":`+text("Amt "+evil)+`,"public":true,"workaround":`+text(evil)+`}`, 201)
	in := p.must(author, "POST", "/api/v1/incidents", `{"title":`+text(evil+"\r\nBcc: opfer@x.example")+`,"services":["boese","buergerportal"],"confirmed":true}`, 201)
	path := "/api/v1/incidents/" + fmt.Sprint(in["id"])
	p.must(author, "POST", path+"/journal", `{"text":`+text("Eintrag "+evil)+`}`, 201)
	p.must(author, "POST", path+"/facts", `{"text":`+text("Aussage "+evil)+`,"certainty":"assumed"}`, 201)
	s := p.must(author, "POST", path+"/statements", `{"kind":"first","audiences":["citizens","staff"],"facts":{"what_happened":`+text("Lage "+evil)+`,"measures":`+text(evil+"\r\nBcc: opfer@x.example")+`}}`, 201)
	statement := "/publish/" + fmt.Sprint(s["id"])

	boss := h.signedIn(p, bert)
	look := func(address string, words ...string) {
		t.Helper()
		steps(t, boss.open(address))
		if boss.status != 200 {
			t.Errorf("%s: %d", address, boss.status)
		}
		for _, markup := range []string{"<script>alert", "<img src=x", "49'"} {
			if strings.Contains(boss.raw, markup) {
				t.Errorf("%s carries %s", address, markup)
			}
		}
		if boss.doc.Find("[onerror]").Length() > 0 {
			t.Errorf("%s runs something", address)
		}
		boss.expect(t, words...)
	}
	incident := p.staff + "/incident/" + fmt.Sprint(in["id"])
	look(p.staff + statement)
	steps(t, boss.click("Freigeben"))
	for _, page := range []string{"/", "/incident", "/publish", "/service", "/service/boese", "/identity/people", "/audit", "/channel/outbox", "/search?q=" + "%3Cscript%3Ealert(1)"} {
		look(p.staff + page)
	}
	look(incident, "Eintrag "+evil, "Aussage "+evil)
	look(incident+"/journal", "Eintrag "+evil)
	look(p.staff+statement, "Lage "+evil)
	within(t, 30*time.Second, "the statement on the public page", func() bool {
		return boss.open(p.public+"/") == nil && boss.says("Lage "+evil)
	})
	for _, page := range []string{"/", "/en/", "/leicht", "/archiv", "/m/" + fmt.Sprint(s["id"])} {
		look(p.public + page)
	}
	_, feed, err := fetch(t.Context(), p.public+"/feed.atom")
	if err != nil || !strings.Contains(feed, "&lt;script&gt;") {
		t.Errorf("%v: %s", err, feed)
	}
	for d := xml.NewDecoder(strings.NewReader(feed)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the feed breaks: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && (e.Name.Local == "script" || e.Name.Local == "img") {
			t.Errorf("the feed has an element %s", e.Name.Local)
		}
	}
	within(t, 30*time.Second, "the mail", func() bool { return len(mail.find("alle@musterstadt.example")) > 0 })
	if got := mail.find("alle@musterstadt.example")[0]; !strings.Contains(got.text, "Lage "+evil) {
		t.Errorf("the words did not arrive as they were written: %s", got.text)
	}
	if n := len(mail.find("opfer@x.example")); n > 0 {
		t.Errorf("%d mails to somebody whom only the words named", n)
	}
	p.endsWell()
}

// peopleFromAFile clicks the import to its last button, and again.
func peopleFromAFile(t *testing.T, r *built) {
	h := r.house(t, readmeYAML(t, newPost(t), newTargets(t).addr))
	p := h.serve()
	boss := h.signedIn(p, bert)
	const file = "name;email;alternative;rollen\nFrida Feld;frida@musterstadt.example;frida@post.example;it\nGerd Graf;gerd@musterstadt.example;;reader\nHanna ohne Adresse;;;reader\n"
	upload := func() {
		t.Helper()
		steps(t, boss.open(p.staff+"/identity/import"), boss.fill("Oder hier einfügen", file), boss.click("Ansehen, was geschieht"))
	}
	upload()
	boss.expect(t, "Neu: 2, geändert: 0, gleich: 0, abgelehnt: 1", "Frida Feld")
	admin := h.token(bert)
	before := len(itemsOf(p.must(admin, "GET", "/api/v1/people", "", 200)))
	if before != 2 {
		t.Fatalf("looking took %d people over", before-2)
	}
	steps(t, boss.click("Übernehmen: 2 neu, 0 geändert"))
	boss.expect(t, "Übernommen. Neu: 2")
	names := fmt.Sprint(p.must(admin, "GET", "/api/v1/people", "", 200)["items"])
	for _, want := range []string{"Frida Feld", "frida@post.example", "Gerd Graf"} {
		if !strings.Contains(names, want) {
			t.Errorf("%s is missing: %s", want, names)
		}
	}
	upload() // twice is no harm
	boss.expect(t, "Neu: 0, geändert: 0, gleich: 2, abgelehnt: 1")
	if after := len(itemsOf(p.must(admin, "GET", "/api/v1/people", "", 200))); after != before+2 {
		t.Errorf("%d people", after)
	}
	p.endsWell()
}
