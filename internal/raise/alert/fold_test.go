package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// Whoever is responsible: nobody is decided about twice, nobody blocked or
// without an address is told, and as long as one person can be told, one is.
func TestChoose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		people := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) identity.Person {
			id := rapid.IntRange(0, 6).Draw(t, "id")
			p := identity.Person{ID: identity.PersonID(fmt.Sprint("p", id)), Blocked: id%3 == 0}
			if id != 4 {
				p.Email = fmt.Sprint(id, "@town.example")
			}
			return p
		}), 0, 7, func(p identity.Person) identity.PersonID { return p.ID }).Draw(t, "people")
		var levels []level
		for _, reason := range []Reason{ByChain, ByOwner, ByRole, ByAdmin} {
			l := level{reason: reason}
			for _, p := range people {
				if rapid.Bool().Draw(t, "in") {
					l.people = append(l.people, p)
				}
			}
			levels = append(levels, l)
		}
		got := choose(levels)
		seen := map[identity.PersonID]bool{}
		woken := 0
		for _, c := range got {
			if seen[c.person.ID] {
				t.Fatalf("%s twice", c.person.ID)
			}
			seen[c.person.ID] = true
			if c.wake {
				woken++
			}
			if c.wake && (c.person.Blocked || len(c.person.Addresses()) == 0) {
				t.Fatalf("%+v is told", c)
			}
			if c.reason == "" {
				t.Fatal("a decision without a reason")
			}
		}
		could := false
		for _, l := range levels {
			for _, p := range l.people {
				could = could || (!p.Blocked && len(p.Addresses()) > 0)
				if !seen[p.ID] {
					t.Fatalf("%s was not considered", p.ID)
				}
			}
		}
		if could != (woken > 0) {
			t.Fatalf("somebody could be told: %v, told: %d", could, woken)
		}
	})
}

// The signals of one key, delivered in any order and any number of times, leave
// the key as the highest number says, and every firing one opened, joined or
// renewed an alert, was withheld, or was known better already.
func TestWeighInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "n")
		var all []signal.Signal
		for i := range n {
			all = append(all, signal.Signal{
				Seq: int64(i + 1), Severity: rapid.SampledFrom([]signal.Severity{signal.Info, signal.Warning, signal.Critical}).Draw(t, "severity"),
				State: rapid.SampledFrom([]signal.State{signal.Firing, signal.Resolved}).Draw(t, "state"),
			})
		}
		last := all[n-1]
		all = rapid.Permutation(append(all, rapid.SampledFrom(all).Draw(t, "again"))).Draw(t, "order")
		var k known
		for _, s := range all {
			mv, reason := weigh(k, "", s)
			if (mv == withhold) != (reason != "") {
				t.Fatalf("%s with reason %q", mv, reason)
			}
			if s.Seq > k.Seq {
				k.Seq, k.State = s.Seq, s.State
			}
			switch mv {
			case opens, renews, joins:
				k.Alert = "a"
			case ends:
				k.Alert = ""
			case withhold:
				if reason == OnlyInfo && s.Severity != signal.Info {
					t.Fatal("withheld as info")
				}
			}
			if s.Seq == k.Seq && mv != nothing && s.State == signal.Firing && k.Alert == "" && mv != withhold {
				t.Fatalf("%s leaves a firing signal without an alert", mv)
			}
		}
		if k.State != last.State {
			t.Fatalf("ends %s, the last signal says %s", k.State, last.State)
		}
		if last.State == signal.Resolved && k.Alert != "" {
			t.Fatal("the alert outlives its source")
		}
	})
}

// Whatever a source says, a mail keeps to its columns and to one subject line.
func TestLetterKeepsColumns(t *testing.T) {
	catalog, err := i18n.NewCatalog(texts)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("aä \n–x")))
		long := rapid.StringOfN(rapid.RuneFrom([]rune("aäß")), 0, 200, -1)
		since := time.Date(2026, 11, 22, 13, 2, 0, 0, time.UTC)
		l := letter{
			kind:  rapid.SampledFrom([]Kind{Alarm, Taken, Over}).Draw(t, "kind"),
			alert: Alert{Title: long.Draw(t, "title"), Detail: text.Draw(t, "detail"), Since: since, FirstSignalAt: since, ClosedAt: since, FirstPath: signal.Monitor},
			service: service.Service{
				Name: long.Draw(t, "name"), FirstSteps: text.Draw(t, "steps"),
				Provider: service.Provider{Name: text.Draw(t, "provider"), Hotline: long.Draw(t, "hotline")},
			},
			why: ByOwner, others: []string{long.Draw(t, "other")}, ack: "https://lage.example/a/x", page: "https://lage.example/alert/x",
		}
		at := i18n.Locale{Catalog: catalog, Lang: rapid.SampledFrom(i18n.Langs()).Draw(t, "lang"), Zone: zone, Now: since}
		subject, body := l.write(at)
		if strings.ContainsAny(subject, "\r\n") {
			t.Fatalf("subject %q", subject)
		}
		for line := range strings.Lines(body) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
				t.Fatalf("%d columns: %q", n, line)
			}
		}
		if strings.Contains(body, "alert.mail") {
			t.Fatalf("a text is missing:\n%s", body)
		}
	})
}
