package roster

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

// zones have clocks that jump by an hour, by half of one, at midnight, over a
// whole day, and not at all.
var zones = []string{
	"Europe/Berlin", "Europe/London", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu",
	"Pacific/Apia", "America/St_Johns", "Asia/Beirut", "UTC",
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func drawZone(t *rapid.T) *time.Location {
	name := rapid.SampledFrom(zones).Draw(t, "zone")
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func drawDate(t *rapid.T, name string) Date {
	return Date{2000, time.January, 1}.Add(rapid.IntRange(0, 40*365).Draw(t, name))
}

// A reading of the clock is the moment at which the clock first shows it; one
// that does not come is the moment of the jump; later readings are never earlier.
func TestI6_CivilTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z, d := drawZone(t), drawDate(t, "day")
		m := rapid.IntRange(0, dayMinutes-1).Draw(t, "minute")
		at := At(d, m, z)
		want := time.Date(d.Year, d.Month, d.Day, 0, m, 0, 0, time.UTC)
		wall := func(x time.Time) time.Time {
			_, offset := x.In(z).Zone()
			return x.Add(time.Duration(offset) * time.Second)
		}
		if wall(at).Before(want) {
			t.Fatalf("%v: clocks show %v", at, wall(at))
		}
		if before := at.Add(-time.Second); !wall(before).Before(want) {
			t.Fatalf("%v is not the first moment: %v shows %v", at, before, wall(before))
		}
		if wall(at).After(want) { // then they must have jumped just now
			if wall(at).Sub(wall(at.Add(-time.Second))) < 2*time.Second {
				t.Fatalf("%v shows %v, want %v", at, wall(at), want)
			}
		}
		later := At(d, m+rapid.IntRange(1, 3*dayMinutes).Draw(t, "more"), z)
		if later.Before(at) {
			t.Fatalf("%v comes before %v", later, at)
		}
	})
}

// drawHours are hours with spans that may run into the next day.
func drawHours(t *rapid.T) Hours {
	var h Hours
	for d := range h {
		at := 0
		for range rapid.IntRange(0, 3).Draw(t, "spans") {
			from := at + rapid.IntRange(0, 600).Draw(t, "from")
			to := from + rapid.IntRange(1, 900).Draw(t, "to")
			if from >= dayMinutes {
				break
			}
			h[d] = append(h[d], Span{from, min(to, 2*dayMinutes)})
			at = to + 1
		}
	}
	return h
}

// plan with the hours that were drawn.
func drawPlan(t *rapid.T) Plan {
	h := drawHours(t)
	var parts []string
	words := []string{"So", "Mo", "Di", "Mi", "Do", "Fr", "Sa", "Feiertag"}
	for d, spans := range h {
		if len(spans) == 0 {
			parts = append(parts, words[d]+" -")
			continue
		}
		line := words[d]
		for _, s := range spans {
			line += fmt.Sprintf(" %s-%s", clockText(s.From), clockText(min(s.To, s.From+dayMinutes-1)%dayMinutes))
		}
		parts = append(parts, line)
	}
	p := Plan{
		Template: Own, Own: strings.Join(parts, "; "), Every: rapid.SampledFrom([]int{1, 2, 3, 7, 14, 30}).Draw(t, "every"),
		Start: drawDate(t, "start"), Handover: rapid.IntRange(0, dayMinutes-1).Draw(t, "handover"),
	}
	if rapid.Bool().Draw(t, "template") {
		p.Template, p.Own = rapid.SampledFrom([]Template{Essen, Always, Office}).Draw(t, "which"), ""
	} else if _, ok := ParseHours(p.Own); !ok {
		p.Template, p.Own = Always, ""
	}
	for i := range rapid.IntRange(1, 2).Draw(t, "lines") {
		var line []string
		for j := range rapid.IntRange(1, 4).Draw(t, "people") {
			line = append(line, fmt.Sprintf("p%d.%d@musterstadt.example", i, j))
		}
		p.Lines = append(p.Lines, line)
	}
	return p
}

// In every zone and over every change of the clocks the shifts of a line are
// exactly the covered time: no instant of it is in none, none is in two.
func TestI6_ShiftsPartitionTheCoveredTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z := drawZone(t)
		rules := Rules{NewCalendar(rapid.SampledFrom(Lands()).Draw(t, "land"), nil), z}
		p := drawPlan(t)
		r := Roster{Slug: "x", Plan: p}
		from := At(p.Start.Add(rapid.IntRange(-10, 400).Draw(t, "from")), rapid.IntRange(0, dayMinutes).Draw(t, "minute"), z)
		to := from.Add(time.Duration(rapid.IntRange(1, 60*24*20).Draw(t, "length")) * time.Minute)
		shifts := r.Shifts(from, to, nil, rules)
		begin := At(p.Start, p.Handover, z)
		covered := p.hours().Covered(from, to, rules.Calendar, z)
		if begin.After(from) {
			covered = clip(covered, begin, to)
		}
		for line := range p.Lines {
			var mine []Stretch
			for _, s := range shifts {
				if s.Line == line {
					if n := len(mine); n > 0 && s.From.Before(mine[n-1].To) {
						t.Fatalf("line %d: %v begins before %v ends", line, s, mine[n-1])
					}
					if !s.From.Before(s.To) || s.Person == "" {
						t.Fatalf("empty shift %+v", s)
					}
					mine = append(mine, s.Stretch())
				}
			}
			if joined := union(mine); fmt.Sprint(joined) != fmt.Sprint(covered) {
				t.Fatalf("line %d covers\n%v\nand not\n%v", line, joined, covered)
			}
		}
		// Who looks through a smaller window sees the same people.
		if len(shifts) > 0 {
			s := shifts[rapid.IntRange(0, len(shifts)-1).Draw(t, "which")]
			at := s.From.Add(time.Duration(rapid.Int64Range(0, int64(s.To.Sub(s.From))-1).Draw(t, "inside")))
			found := 0
			for _, o := range r.Shifts(at, at.Add(1), nil, rules) {
				if o.Line == s.Line {
					if found++; o.Person != s.Person {
						t.Fatalf("at %v %s, in the whole %s", at, o.Person, s.Person)
					}
				}
			}
			if found != 1 {
				t.Fatalf("at %v %d shifts in line %d", at, found, s.Line)
			}
		}
	})
}

// Overrides and swaps never make two people hold one line at once, and lose no
// covered time.
func TestI6_OverridesKeepThePartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z := drawZone(t)
		rules := Rules{NewCalendar("HE", nil), z}
		p := drawPlan(t)
		r := Roster{Slug: "x", Plan: p}
		from := At(p.Start, 0, z)
		to := from.AddDate(0, 0, 20)
		var os []Override
		for i := range rapid.IntRange(0, 6).Draw(t, "overrides") {
			a := from.Add(time.Duration(rapid.IntRange(-600, 60*24*21).Draw(t, "a")) * time.Minute)
			os = append(os, Override{
				ID: fmt.Sprint(i), Line: rapid.IntRange(0, len(p.Lines)-1).Draw(t, "line"), From: a,
				To:     a.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "b")) * time.Minute),
				Person: rapid.SampledFrom([]string{"", "v@musterstadt.example", "w@musterstadt.example"}).Draw(t, "who"), At: from.Add(time.Duration(i)),
			})
		}
		shifts := r.Shifts(from, to, os, rules)
		plain := r.Shifts(from, to, nil, rules)
		for line := range p.Lines {
			var mine, must []Stretch
			for _, s := range shifts {
				if s.Line != line {
					continue
				}
				if n := len(mine); n > 0 && s.From.Before(mine[n-1].To) {
					t.Fatalf("%v overlaps %v", s, mine[n-1])
				}
				mine = append(mine, s.Stretch())
				// The newest override that has the moment decides.
				want, found := "", false
				for _, o := range os {
					if o.Line == line && (Stretch{o.From, o.To}).Has(s.From) {
						want, found = o.Person, true
					}
				}
				if found && s.Person != want {
					t.Fatalf("%+v, want %q", s, want)
				}
			}
			for _, s := range plain {
				if s.Line == line {
					must = append(must, s.Stretch())
				}
			}
			if lost := without(union(must), union(mine)); len(lost) > 0 {
				t.Fatalf("lost %v", lost)
			}
		}
	})
}
