//go:build linux

package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tuermer/internal/town/channel/voicetest"
)

// theTelephone is the whole way from a foreign report to a key on a telephone.
var theTelephone = []badDay{{"an alarm makes the telephone ring, and a key answers it", telephoneRings}}

// chainToPhone is Ada by telephone, then Bert by mail.
const chainToPhone = `town: {name: Musterstadt, slug: musterstadt, domains: [musterstadt.example], land: HE}
urls: {staff: "http://lage.example", public: "http://status.example"}
people:
  - {name: Ada Beispiel, email: ada@musterstadt.example, mobile: "+491700000001", roles: [it, publisher]}
  - {name: Bert Kern, email: bert@musterstadt.example, alternative: bert@posteo.example, roles: [admin, approver]}
voice: [{name: telefonanlage, kind: sip, url: "sip:PHONE", from: "+4961100"}]
escalations:
  - slug: edv
    name: EDV
    default: true
    receipt: 30m
    steps:
      - {notify: ["person:ada@musterstadt.example"], by: [voice], wait: 1h}
      - {notify: ["person:bert@musterstadt.example"], by: [alternative], wait: 1h}
`

// telephoneRings: PRTG reports to the program that runs, with its chain and its trunk
// from tuermer.yaml. Debian's telephone takes the call and hears the alarm. A 1 takes
// the alarm over and nobody else hears of it; the next one is declined by a 2, and the
// next step comes at once.
func telephoneRings(t *testing.T, r *built) {
	voicetest.Need(t, "espeak-ng")
	phone := voicetest.PickUp(t, "<sip:+491700000001@ADDR>;regint=0;answermode=auto")
	mails := newPost(t)
	h := r.house(t, strings.Replace(chainToPhone, "PHONE", phone.Addr, 1)+smtpYAML(mails))
	p := h.serve()
	token := h.token(bert)
	prtg, _ := p.addSource(token, "prtg-rathaus", "prtg")
	report := func(id, status string) {
		t.Helper()
		form := url.Values{"id": {id}, "device": {"SRV1"}, "sensor": {"HTTP " + id}, "status": {status}, "message": {"Zeitüberschreitung"}}
		res, err := freshConn.PostForm(prtg, form)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%d for %v", res.StatusCode, form)
		}
	}
	said := func(words string) int { return strings.Count(phone.Out.String(), words) }
	// answer waits for a call, listens to two seconds of it and presses the key.
	answer := func(key string) {
		t.Helper()
		calls, before := said("session closed")+1, len(phone.Heard(t))
		within(t, voicetest.Patience, "the telephone takes the call", func() bool { return said("answering call") >= calls })
		within(t, voicetest.Patience, "the alarm is heard", func() bool { return len(phone.Heard(t)) > before+2*8000 })
		phone.Press(t, key)
		within(t, voicetest.Patience, "the call is over", func() bool { return said("session closed") >= calls })
	}
	current := func() map[string]any {
		t.Helper()
		list := itemsOf(p.must(token, http.MethodGet, "/api/v1/alerts?current=true", "", http.StatusOK))
		if len(list) != 1 {
			t.Fatalf("%d alerts: %v", len(list), list)
		}
		return list[0]
	}
	course := func(id any) (lines []string) {
		t.Helper()
		for _, c := range itemsOf(p.must(token, http.MethodGet, fmt.Sprintf("/api/v1/alerts/%v/course", id), "", http.StatusOK)) {
			lines = append(lines, strings.TrimSpace(fmt.Sprint(c["what"], " ", deref(c["name"]), " ", deref(c["way"]))))
		}
		return lines
	}
	has := func(lines []string, want ...string) bool {
		at := 0
		for _, l := range lines {
			if at < len(want) && l == want[at] {
				at++
			}
		}
		return at == len(want)
	}

	report("2041", "Down")
	answer("1")
	var first map[string]any
	within(t, 60*time.Second, "the alert is acknowledged", func() bool { first = current(); return first["state"] == "acknowledged" })
	if first["acknowledged_by"] != "Ada Beispiel" {
		t.Errorf("it was taken by %v", first["acknowledged_by"])
	}
	within(t, 60*time.Second, "the course names call, key and answer", func() bool {
		lines := course(first["id"])
		return has(lines, "step", "sent Ada Beispiel voice", "answered Ada Beispiel") && has(lines, "arrived Ada Beispiel voice")
	})
	if next, ok := first["next_at"]; ok {
		t.Errorf("the chain goes on at %v", next)
	}
	report("2041", "Up")
	within(t, 60*time.Second, "the alert is over", func() bool {
		return len(itemsOf(p.must(token, http.MethodGet, "/api/v1/alerts?current=true", "", http.StatusOK))) == 0
	})
	if got := mails.find("bert@posteo.example", "SRV1"); len(got) > 0 {
		t.Errorf("the chain did not stop: %d mails to the next step", len(got))
	}

	report("2042", "Down")
	answer("2")
	within(t, 60*time.Second, "the next step hears of it", func() bool { return len(mails.find("bert@posteo.example", "SRV1")) > 0 })
	second := current()
	if second["state"] != "open" || !has(course(second["id"]), "declined Ada Beispiel", "step", "sent Bert Kern alternative") {
		t.Errorf("it is %v:\n%s", second["state"], strings.Join(course(second["id"]), "\n"))
	}
	p.endsWell()
}

// deref is a value of a JSON object as words; nothing: no words.
func deref(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
