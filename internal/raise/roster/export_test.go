package roster

import (
	"context"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/identity"
)

// Announce is one round of the look for gaps.
func (r *Room) Announce(ctx context.Context, now time.Time) (time.Time, error) {
	return r.announce(ctx, now)
}

// Berlin is the zone of the tests.
func Berlin() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return zone
}

// LevelsOf are levels and gaps of a roster whose people are there.
func LevelsOf(ro Roster, from, to time.Time, there ...string) ([]Level, []Gap) {
	rules := Rules{NewCalendar("HE", nil), Berlin()}
	v := seen{Roster: ro, from: from, to: to, crew: crew{}, rules: rules, shifts: ro.Shifts(from, to, nil, rules)}
	for _, mail := range there {
		v.crew[mail] = identity.Person{Email: mail, Name: mail}
	}
	return v.levels(), v.gaps()
}

// RestOf is the rest around a call-out, in Hessen; no work is the ordinary one.
func RestOf(work string, out Stretch, all []Stretch) Rest {
	return Roster{Work: work}.work().rest(out, all, Rules{NewCalendar("HE", nil), Berlin()})
}

// AtWork reports whether a moment lies in working hours.
func AtWork(work string, at time.Time) bool {
	return len(Roster{Work: work}.work().Covered(at, at.Add(time.Millisecond), NewCalendar("HE", nil), Berlin())) > 0
}

// SwapNumber is the number of a request in a messenger.
func SwapNumber(id string) string { return swapNumber(id) }

// Stretched is a stretch as it is written in a messenger.
func Stretched(l i18n.Locale, from, to time.Time) string { return teller{l, ""}.stretch(from, to) }

// ShownCodes are what may be a code in a text.
func ShownCodes(text string) []string { return shownCodes(text) }
