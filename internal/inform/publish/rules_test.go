package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// I3: whenever a second person is needed, whoever stands for the statement did
// not write it, unless the town approved the text beforehand or the glass was
// broken with a reason; the latter and the telephone wait for a confirmation.
func TestI3_SecondPerson(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		who := rapid.SampledFrom([]identity.PersonID{"", "ada", "bert", "cleo"})
		var s Statement
		s.State = rapid.SampledFrom([]State{StateDraft, StateSubmitted, StatePublished, StateWithdrawn}).Draw(t, "state")
		for range rapid.IntRange(1, 2).Draw(t, "authors") {
			s = s.withAuthor(Author{Person: who.Draw(t, "author")})
		}
		level := rapid.SampledFrom(incident.Levels()).Draw(t, "level")
		kinds := rapid.SliceOfN(rapid.SampledFrom(plan.Kinds()), 1, 4).Draw(t, "kinds")
		d := decision{
			statement: s, now: noon, fourEyes: FourEyes(level, kinds),
			actor: actor{
				person: who.Draw(t, "actor"), writer: rapid.Bool().Draw(t, "writer"),
				onDuty: rapid.Bool().Draw(t, "duty"), approver: rapid.Bool().Draw(t, "approver"),
			},
			breakGlass: rapid.SampledFrom([]string{"", " ", "niemand erreichbar"}).Draw(t, "glass"),
		}
		if rapid.Bool().Draw(t, "pre") {
			d.pre = &preApproval{By: "bert", Name: "Bert"}
		}
		if rapid.Bool().Draw(t, "phone") {
			d.phone = &PhoneCall{Name: rapid.SampledFrom([]string{"", "Bert"}).Draw(t, "name"), Number: rapid.SampledFrom([]string{"", "0611 1"}).Draw(t, "number"), At: noon.Add(-time.Minute)}
			d.phoned = identity.Person{ID: who.Draw(t, "phoned"), Blocked: rapid.Bool().Draw(t, "blocked")}
			if rapid.Bool().Draw(t, "phoned approves") {
				d.phoned.Roles = []identity.Role{identity.RoleApprover}
			}
		}
		a, err := decide(d)
		if err != nil {
			if a != (Approval{}) {
				t.Fatalf("refused, and approved all the same: %+v", a)
			}
			return
		}
		if a.By == "" || a.At.IsZero() || d.actor.person == "" {
			t.Fatalf("nobody stands for it: %+v", a)
		}
		if s.State != StateDraft && s.State != StateSubmitted {
			t.Fatalf("published from %s", s.State)
		}
		needed := level == incident.Crisis || slices.Contains(kinds, plan.Citizens) || slices.Contains(kinds, plan.Press)
		switch a.Way {
		case WaySecond:
			if s.WrittenBy(a.By) || !d.actor.approver || s.State != StateSubmitted {
				t.Fatalf("own words: %+v", a)
			}
		case WayPhone:
			if s.WrittenBy(a.By) || a.By == d.actor.person || !d.phoned.Has(identity.RoleApprover) || d.phoned.Blocked || a.Phone.Name == "" || a.Phone.Number == "" || !a.Unconfirmed() {
				t.Fatalf("telephone: %+v", a)
			}
		case WayTemplate:
			if d.pre == nil || a.By != d.pre.By || a.By == d.actor.person || s.WrittenBy(a.By) {
				t.Fatalf("template: %+v", a)
			}
		case WayBreakGlass:
			if strings.TrimSpace(a.Reason) == "" || !a.Unconfirmed() || !d.actor.writer {
				t.Fatalf("glass: %+v", a)
			}
		case WayDirect:
			if needed {
				t.Fatalf("%s to %v by one person", level, kinds)
			}
		default:
			t.Fatalf("no way: %+v", a)
		}
		s.State, s.Approval = StatePublished, a
		for _, p := range []identity.PersonID{"ada", "bert", "cleo"} {
			err := mayConfirm(s, actor{person: p, approver: true})
			if err == nil && (s.WrittenBy(p) && a.Way == WayBreakGlass || !a.Way.Confirmable()) {
				t.Fatalf("%s confirms %+v", p, a)
			}
		}
	})
}

// I8, the rule: a terminal state never goes back, and only what is being sent
// changes at all.
func TestI8_TerminalStates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Delivery{State: rapid.SampledFrom([]DeliveryState{Queued, Sending, Accepted, Failed, Expired, Skipped}).Draw(t, "state"), Attempts: rapid.IntRange(0, 30).Draw(t, "attempts")}
		var o channel.Outcome
		if rapid.Bool().Draw(t, "fails") {
			o.Err = &channel.Failure{
				Permanent: rapid.Bool().Draw(t, "permanent"), RouteDown: rapid.Bool().Draw(t, "down"),
				RetryAfter: time.Duration(rapid.IntRange(0, 7200).Draw(t, "after")) * time.Second,
				Reason:     rapid.SampledFrom([]string{"mailbox", "canceled", "timeout"}).Draw(t, "reason"),
			}
		}
		age := time.Duration(rapid.IntRange(0, 30).Draw(t, "age")) * time.Hour
		got := d.outcome(o, noon.Add(-age), noon)
		if d.State != Sending {
			if got != d {
				t.Fatalf("%s changed to %+v", d.State, got)
			}
			return
		}
		if !got.State.Terminal() && got.State != Queued {
			t.Fatalf("sending became %s", got.State)
		}
		if got.State == Queued && got.NextAt.Before(noon) {
			t.Fatalf("tried again in the past")
		}
		if (o.Err == nil) != (got.State == Accepted) {
			t.Fatalf("%v became %s", o.Err, got.State)
		}
		if got.State != Accepted && got.Reason == "" {
			t.Fatal("no reason")
		}
	})
}

// I10, the rule: nobody is written to a seventh time within an hour.
func TestI10_CapRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		var sent []time.Time
		for range 40 {
			now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "pause")) * time.Second)
			if at := capped(sent, now); at.IsZero() {
				sent = append(sent, now)
			} else if !at.After(now) {
				t.Fatal("put off into the past")
			}
		}
		for i := range sent {
			if i+capPerHour < len(sent) && sent[i+capPerHour].Sub(sent[i]) < capWindow {
				t.Fatalf("seven within an hour: %v", sent[i:i+capPerHour+1])
			}
		}
	})
}

// I11, the rule: words of a held fact are found in public variants, however
// they are spaced and spelled, and only there.
func TestI11_Leaks(t *testing.T) {
	fact := incident.Fact{Text: "Die Täter kamen über den VPN-Zugang.", Hold: true}
	for _, c := range []struct {
		name string
		v    Variant
		f    incident.Fact
		want bool
	}{
		{"copied", Variant{Kind: plan.Citizens, Body: "Wir wissen: die Täter kamen über den\nVPN Zugang, mehr nicht."}, fact, true},
		{"in the subject", Variant{Kind: plan.Press, Subject: "Die Täter kamen über den VPN-Zugang"}, fact, true},
		{"inside", Variant{Kind: plan.Leadership, Body: fact.Text}, fact, false},
		{"another word", Variant{Kind: plan.Citizens, Body: "Die Täter kamen über den VPN-Zugangspunkt"}, fact, false},
		{"free", Variant{Kind: plan.Citizens, Body: fact.Text}, incident.Fact{Text: fact.Text}, false},
		{"embargo", Variant{Kind: plan.Citizens, Body: fact.Text}, incident.Fact{Text: fact.Text, EmbargoUntil: noon.Add(time.Hour)}, true},
		{"embargo over", Variant{Kind: plan.Citizens, Body: fact.Text}, incident.Fact{Text: fact.Text, EmbargoUntil: noon}, false},
		{"empty", Variant{Kind: plan.Citizens, Body: "…"}, incident.Fact{Text: "…", Hold: true}, false},
	} {
		if got := len(leaks([]Variant{c.v}, []incident.Fact{c.f}, noon)) > 0; got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// The rhythm: never later than the cadence, in the future, 07:30 first at
// night and level disruption.
func TestOfferNext(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		now := noon.Add(time.Duration(rapid.IntRange(0, 400*24*60).Draw(t, "minute")) * time.Minute)
		level := rapid.SampledFrom(incident.Levels()).Draw(t, "level")
		a := plan.Audience{Kind: rapid.SampledFrom(plan.Kinds()).Draw(t, "kind"), Cadence: time.Duration(rapid.IntRange(0, 240).Draw(t, "cadence")) * time.Minute}
		offers := OfferNext(now, level, a, zone)
		hour := now.In(zone).Hour()
		if night := hour >= 22 || hour < 7; night && level == incident.Disruption {
			if got := offers[0].In(zone).Format("15:04"); got != "07:30" || offers[0].Sub(now) > 10*time.Hour+time.Hour {
				t.Fatalf("at %s: %s", now.In(zone), got)
			}
			offers = offers[1:]
		}
		if !offers[0].After(now) || offers[0].Sub(now) > a.Every() {
			t.Fatalf("rhythm %s offers %s", a.Every(), offers[0].Sub(now))
		}
	})
}

// Both texts can be put together from the pieces of their difference.
func TestDiff(t *testing.T) {
	words := rapid.SliceOfN(rapid.SampledFrom([]string{"das ", "Portal", " ", "\n", "läuft ", "nicht. ", "wieder"}), 0, 40)
	rapid.Check(t, func(t *rapid.T) {
		old, now := strings.Join(words.Draw(t, "old"), ""), strings.Join(words.Draw(t, "new"), "")
		var a, b strings.Builder
		for _, p := range Diff(old, now) {
			if p.Change != Added {
				a.WriteString(p.Text)
			}
			if p.Change != Removed {
				b.WriteString(p.Text)
			}
		}
		if a.String() != old || b.String() != now {
			t.Fatalf("%q → %q: %q, %q", old, now, a.String(), b.String())
		}
	})
	got := fmt.Sprint(Diff("seit 14:02 Uhr gestört", "seit 14:05 Uhr gestört"))
	if got != "[{same seit } {removed 14:02 } {added 14:05 } {same Uhr gestört}]" {
		t.Error(got)
	}
}

func TestParseFacts(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	parse := func(text string) (template.Facts, error) {
		var raw map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &raw); err != nil {
			t.Fatal(err)
		}
		return ParseFacts(raw, noon, zone)
	}
	f, err := parse(`{"what_happened":"Ausfall","impact":null,"severity":"minor","Massnahme":{"text":"Prüfung","en":"checks"},
		"next_update":"14:30","since":"14:01 Uhr","eta":"2026-11-24T18:00:00+01:00","cause":"unknown","apology":false,"thanks":true,
		"promises":["Ersatz bis Montag","Bericht"],"duration":"90","workaround":""}`)
	if err != nil {
		t.Fatal(err)
	}
	at := func(h, m int) template.Value {
		return template.At(time.Date(2026, 11, 24, h, m, 0, 0, zone).UTC())
	}
	want := template.Facts{
		template.SlotEvent: template.Filled("Ausfall"), template.SlotImpact: template.Unknown(), template.SlotMeasure: {Text: "Prüfung", EN: "checks"},
		template.SlotSeverity: template.Choices(template.SlotSeverity)[0].Value(), template.SlotNext: at(14, 30), template.SlotSince: at(14, 1),
		template.SlotNewTime: at(18, 0), template.SlotCause: template.Unknown(), template.SlotApology: template.Off(),
		template.SlotPromises: template.Filled("Ersatz bis Montag\nBericht"), template.SlotDuration: template.For(90 * time.Minute),
	}
	for s, v := range want {
		if f[s] != v {
			t.Errorf("%s: %+v, want %+v", s, f[s], v)
		}
	}
	if len(f) != len(want) {
		t.Errorf("%d facts, want %d: %v", len(f), len(want), f)
	}
	for bad, key := range map[string]string{
		`{"nonsense":"x"}`:                               "facts.nonsense",
		`{"next_update":"bald"}`:                         "facts.next_update",
		`{"next_update":true}`:                           "facts.next_update",
		`{"impact":{"texxt":"x"}}`:                       "facts.impact",
		`{"impact":["a"]}`:                               "facts.impact",
		`{"duration":"soon"}`:                            "facts.duration",
		`{"impact":"` + strings.Repeat("x", 5000) + `"}`: "facts.impact",
	} {
		_, err := parse(bad)
		var e *fault.Error
		if !errors.As(err, &e) || e.Kind != fault.Invalid || e.Fields[key] == "" {
			t.Errorf("%.40s: %v", bad, err)
		}
	}
}

// Whatever comes in, the answer is facts or an error, and facts of times are in
// a range that databases take.
func FuzzParseFacts(f *testing.F) {
	f.Add(`{"next_update":"14:30","impact":null}`)
	f.Add(`{"eta":"0001-01-01T00:00:00Z"}`)
	f.Add(`{"Massnahme":{"text":"\u0000","unknown":true}}`)
	zone := time.FixedZone("x", 3600)
	f.Fuzz(func(t *testing.T, text string) {
		var raw map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &raw) != nil {
			return
		}
		facts, err := ParseFacts(raw, noon, zone)
		if err != nil {
			return
		}
		for s, v := range facts {
			if y := v.At.Year(); !v.At.IsZero() && (y < 1990 || y > 2200) {
				t.Errorf("%s: year %d", s, y)
			}
			if _, ok := template.Lookup(s); !ok {
				t.Errorf("no slot %q", s)
			}
		}
	})
}
