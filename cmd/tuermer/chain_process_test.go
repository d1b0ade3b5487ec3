//go:build linux

package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// climbing: kill -9 between two steps of an escalation chain.
var climbing = []badDay{
	{"chain killed between its steps", func(t *testing.T, r *built) { killChain(t, r, 6, "") }},
	{"chain killed between its steps, PostgreSQL", func(t *testing.T, r *built) { killChain(t, r, 2, ownSchema(t)) }},
}

// ladderYAML is three people, one after the other.
const ladderYAML = `  - {name: Cem Vertretung, email: cem@musterstadt.example, alternative: cem@posteo.example, roles: [publisher]}
escalations:
  - slug: edv
    name: EDV
    default: true
    steps:
      - {notify: ["person:ada@musterstadt.example"], by: [mail], wait: 2s}
      - {notify: ["person:bert@musterstadt.example"], by: [mail], wait: 2s}
      - {notify: ["person:cem@musterstadt.example"], by: [mail], wait: 1h}
`

// killChain: a service dies, and at a random moment while its chain climbs the
// program with it. Every step comes, in its order, not before its time, and once.
func killChain(t *testing.T, r *built, kills int, database string) {
	dice := r.dice(t)
	mails, tg := newPost(t), newTargets(t)
	h := r.house(t, townYAML+ladderYAML+smtpYAML(mails)+servicesYAML(kills, tg.addr, func(int) int { return 1 }))
	h.database = database
	p := h.serve()
	token := h.token(bert)
	ladder := []string{ada, bert, "cem@musterstadt.example"}
	for i := 1; i <= kills; i++ {
		seen := tg.fail(fmt.Sprintf("/%02d", i))
		within(t, 60*time.Second, dienst(i)+" is seen failing", func() bool { return isClosed(seen) })
		after := moment(dice, 5*time.Second)
		pause(t, after)
		p.kill()
		p.quiet()
		out := 0
		for _, to := range ladder {
			out += len(mails.find(to, "gestört", dienst(i)))
		}
		p = h.serve()
		t.Logf("%s: killed %s after the outage was seen, with %d steps out", dienst(i), after, out)
		within(t, 60*time.Second, "the last step for "+dienst(i), func() bool { return len(mails.find(ladder[2], "gestört", dienst(i))) > 0 })
		for _, to := range ladder {
			all := mails.find(to, "gestört", dienst(i))
			// One whose receipt died with the program comes twice, as the same mail.
			if len(all) == 0 || len(all) > 2 || all[0].id != all[len(all)-1].id {
				t.Errorf("%s to %s: %d mails", dienst(i), to, len(all))
			}
		}
		list := itemsOf(p.must(token, http.MethodGet, fmt.Sprintf("/api/v1/alerts?service=d%02d", i), "", http.StatusOK))
		if len(list) != 1 {
			t.Fatalf("%d alerts for %s", len(list), dienst(i))
		}
		var steps []string
		var due time.Time
		for _, c := range itemsOf(p.must(token, http.MethodGet, fmt.Sprintf("/api/v1/alerts/%v/course", list[0]["id"]), "", http.StatusOK)) {
			if c["what"] != "step" {
				continue
			}
			steps = append(steps, fmt.Sprint(c["word"]))
			at, err := time.Parse(time.RFC3339, fmt.Sprint(c["at"]))
			if err != nil || at.Before(due) {
				t.Errorf("%s: a step came at %v, due at %s: %v", dienst(i), c["at"], due, err)
			}
			if due, err = time.Parse(time.RFC3339, fmt.Sprint(c["until"])); err != nil {
				t.Error(err)
			}
		}
		if got := strings.Join(steps, " "); got != "1 2 3" {
			t.Errorf("%s: steps %s", dienst(i), got)
		}
	}
	p.endsWell()
}
