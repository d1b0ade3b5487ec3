package incident

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
)

// The table of moves, as the picture in the package's comment shows it.
func TestMoves(t *testing.T) {
	want := map[Phase]string{
		Candidate:  "confirmed dismissed merged",
		Confirmed:  "identified monitoring restored dismissed merged",
		Identified: "monitoring restored dismissed merged",
		Monitoring: "identified restored dismissed merged",
		Restored:   "confirmed closed",
		Closed:     "confirmed reviewed",
	}
	for _, from := range Phases() {
		var got []string
		for _, to := range Phases() {
			if legal(from, to) {
				got = append(got, string(to))
			}
		}
		if strings.Join(got, " ") != want[from] {
			t.Errorf("from %s: %q, want %q", from, got, want[from])
		}
		for _, to := range from.Next() {
			if !legal(from, to) || !from.MayAdvance(to) {
				t.Errorf("%s → %s", from, to)
			}
		}
		if _, public := from.Public(); public == (from == Candidate || from == Dismissed || from == Merged) {
			t.Errorf("public projection of %s", from)
		}
		if from.Active() && from.Ended() {
			t.Errorf("%s is both", from)
		}
	}
	for level, impact := range map[Level]Impact{Disruption: Minor, Emergency: Major, Crisis: Critical, "": None} {
		if level.Impact() != impact {
			t.Errorf("%s: %s", level, level.Impact())
		}
	}
}

func TestI17_PrivateIsNeverPublic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := Incident{Phase: rapid.SampledFrom(Phases()).Draw(t, "phase"), Private: true, Level: Crisis}
		if _, ok := i.Public(); ok {
			t.Fatal("seen")
		}
	})
}

func TestI11_HeldFactIsNeverPublic(t *testing.T) {
	now := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		f := Fact{
			Certainty: rapid.SampledFrom(Certainties()).Draw(t, "certainty"), Hold: rapid.Bool().Draw(t, "hold"),
			Withdrawn: rapid.Bool().Draw(t, "withdrawn"),
		}
		if rapid.Bool().Draw(t, "embargo") {
			f.EmbargoUntil = now.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "minutes")) * time.Minute)
		}
		if want := !f.Hold && !f.Withdrawn && !f.EmbargoUntil.After(now); f.Public(now) != want {
			t.Fatalf("%+v", f)
		}
	})
}

// entries are a journal as the room writes it.
func entries(t *rapid.T) ([]Entry, head) {
	var out []Entry
	var at head
	for n := range rapid.IntRange(0, 6).Draw(t, "entries") {
		e := Entry{
			Seq: int64(n + 1), At: time.UnixMilli(int64(rapid.IntRange(0, 9).Draw(t, "ms"))).UTC(),
			Actor: ident.Actor{Kind: ident.KindPerson, Name: rapid.SampledFrom([]string{"", "A", "AB"}).Draw(t, "name"), Person: rapid.SampledFrom([]string{"", "B"}).Draw(t, "person")},
			Kind:  EntryNote, Text: rapid.SampledFrom([]string{"", "B", "x", "BB"}).Draw(t, "text"), Ref: rapid.SampledFrom([]string{"", "B"}).Draw(t, "ref"),
		}
		e.Hash = e.sealed("t1", "i1", at.Hash)
		out, at = append(out, e), head{e.Seq, e.Hash}
	}
	return out, at
}

// Whatever is done to a journal, it is found: an entry that is altered, taken
// out, put in, swapped with another, or cut off at the end, and a journal that
// was moved to another incident.
func TestI14_JournalShowsTampering(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, end := entries(t)
		if err := verify("t1", "i1", all, end); err != nil {
			t.Fatal("an honest journal:", err)
		}
		if len(all) == 0 {
			return
		}
		bad := slices.Clone(all)
		n := rapid.IntRange(0, len(bad)-1).Draw(t, "n")
		tenant, id := ident.Tenant("t1"), ID("i1")
		switch rapid.SampledFrom([]string{"text", "name", "shift", "time", "kind", "ref", "remove", "cut", "double", "swap", "incident", "tenant", "add"}).Draw(t, "how") {
		case "text":
			bad[n].Text += "!"
		case "name":
			bad[n].Actor.Name += "!"
		case "shift": // the same letters, one field further
			bad[n].Actor.Person, bad[n].Actor.Name = bad[n].Actor.Person+"x", strings.TrimPrefix(bad[n].Actor.Name, "x")
		case "time":
			bad[n].At = bad[n].At.Add(time.Millisecond)
		case "kind":
			bad[n].Kind = EntryFact
		case "ref":
			bad[n].Ref += "!"
		case "remove":
			bad = slices.Delete(bad, n, n+1)
			for i := n; i < len(bad); i++ {
				bad[i].Seq--
			}
		case "cut":
			bad = bad[:n]
		case "double":
			bad = slices.Insert(bad, n, bad[n])
		case "swap":
			m := (n + 1) % len(bad)
			if m == n {
				return
			}
			bad[n], bad[m] = bad[m], bad[n]
			bad[n].Seq, bad[m].Seq = bad[m].Seq, bad[n].Seq
		case "incident":
			id = "i2"
		case "tenant":
			tenant = "t2"
		case "add":
			e := Entry{Seq: end.Seq + 1, Kind: EntryNote, Text: "forged"}
			e.Hash = e.sealed(tenant, id, end.Hash)
			bad = append(bad, e)
		}
		var broken *Broken
		if err := verify(tenant, id, bad, end); !errors.As(err, &broken) {
			t.Fatalf("not found: %v", err)
		}
		if broken.Error() == "" || broken.Seq < 1 {
			t.Fatalf("%+v", broken)
		}
	})
}

// Every word that the room puts together has a text.
func TestWords(t *testing.T) {
	c, err := i18n.NewCatalog(fs.FS(texts))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, p := range Phases() {
		keys = append(keys, "incident.phase."+string(p))
	}
	for _, l := range Levels() {
		keys = append(keys, "incident.level."+string(l))
	}
	for _, f := range Certainties() {
		keys = append(keys, "incident.certainty."+string(f))
	}
	for _, k := range keys {
		if !c.Has(k) {
			t.Error("no text for", k)
		}
	}
}

func TestPick(t *testing.T) {
	rules := []Rule{{Service: "", After: time.Minute}, {Service: "never", Never: true}, {Service: "slow", After: time.Hour}}
	for service, want := range map[string]string{"any": "1m0s true", "never": "0s false", "slow": "1h0m0s true"} {
		after, ok := pick(rules, service)
		if got := fmt.Sprint(after, ok); got != want {
			t.Errorf("%s: %s", service, got)
		}
	}
	if _, ok := pick(nil, "any"); ok {
		t.Error("off by default")
	}
}
