package roster

import "time"

// Gap / Lücke is covered time in which fewer people are on duty than should be.
type Gap struct {
	From time.Time
	To   time.Time
	Have int // people on duty
	Need int
	Why  Why
	Who  string // name of the person whose turn it is, where Why is about one
}

// gaps are those of what was looked at, in order; those that touch and have the
// same reason are one.
func (v seen) gaps() []Gap {
	var out []Gap
	for _, l := range v.levels() {
		if l.Have >= l.Need {
			continue
		}
		g := Gap{From: l.From, To: l.To, Have: l.Have, Need: l.Need, Why: l.Why, Who: l.Who}
		switch {
		case g.Have > 0:
			g.Why, g.Who = TooFew, ""
		case g.Why == "":
			g.Why = Nobody // a target out of the hours of the plan
		}
		if n := len(out); n > 0 && out[n-1].To.Equal(g.From) && out[n-1].Have == g.Have && out[n-1].Why == g.Why && out[n-1].Who == g.Who && (out[n-1].Need == g.Need || g.Have == 0) {
			out[n-1].To, out[n-1].Need = g.To, max(out[n-1].Need, g.Need)
			continue
		}
		out = append(out, g)
	}
	return out
}

// The stages at which a gap is told: so many days ahead, and lastHour in the last
// hour or when it is there already.
const lastHour = 0

var stages = []int{14, 3, 1, lastHour}

// due is the moment at which a stage comes.
func (g Gap) due(stage int, zone *time.Location) time.Time {
	if stage == lastHour {
		return g.From.Add(-time.Hour)
	}
	in := g.From.In(zone)
	return At(dateOf(in).Add(-stage), in.Hour()*60+in.Minute(), zone)
}

// stage is the newest stage that has come by now, and when the next one comes
// (zero: none is left); ok is false while none has come.
func (g Gap) stage(now time.Time, zone *time.Location) (stage int, next time.Time, ok bool) {
	for _, s := range stages {
		at := g.due(s, zone)
		if at.After(now) {
			return stage, at, ok
		}
		stage, ok = s, true
	}
	return stage, time.Time{}, ok
}

// anchor is where a look for gaps begins: fixed while time passes, so that a gap
// which has begun keeps its beginning, by which it is remembered.
func (r Roster) anchor(now time.Time, zone *time.Location) time.Time {
	const period = 28
	days := DateIn(now, zone).Since(r.Plan.Start)
	return At(r.Plan.Start.Add((days/period-1)*period), 0, zone)
}
