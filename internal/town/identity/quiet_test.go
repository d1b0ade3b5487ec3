package identity_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/clock"
	"tuermer/internal/town/identity"
)

// The end of quiet hours lies ahead and within a day (of 25 hours at most), at
// that end itself they are over, and who has none is never quiet.
func TestQuietUntil(t *testing.T) {
	zone, err := clock.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		q := identity.Quiet{From: rapid.IntRange(0, 1439).Draw(t, "from"), To: rapid.IntRange(0, 1439).Draw(t, "to")}
		for _, d := range rapid.SliceOfNDistinct(rapid.IntRange(0, 6), 0, 7, rapid.ID[int]).Draw(t, "days") {
			q.Days = append(q.Days, time.Weekday(d))
		}
		if q.From == q.To {
			q.To = (q.To + 1) % 1440
		}
		at := time.Unix(rapid.Int64Range(1_000_000_000, 3_000_000_000).Draw(t, "at"), 0).UTC()
		until := q.Until(at, zone)
		if until.IsZero() {
			return
		}
		if !q.On() || !until.After(at) || until.After(at.Add(25*time.Hour)) {
			t.Fatalf("%+v at %s: until %s", q, at.In(zone), until.In(zone))
		}
		if !until.Equal(q.Until(until.Add(-time.Second), zone)) && until.Sub(at) > time.Second {
			t.Fatalf("%+v at %s: not quiet a second before %s", q, at.In(zone), until.In(zone))
		}
	})
	night := identity.Quiet{From: 22 * 60, To: 7 * 60, Days: []time.Weekday{time.Friday}}
	for at, want := range map[string]string{
		"2026-11-27T21:59": "", "2026-11-27T22:00": "2026-11-28T07:00", "2026-11-28T06:59": "2026-11-28T07:00", "2026-11-28T07:00": "", "2026-11-28T23:00": "",
		"2026-03-28T03:00": "2026-03-28T07:00", "2026-10-24T23:00": "",
	} {
		local, err := time.ParseInLocation("2006-01-02T15:04", at, zone)
		if err != nil {
			t.Fatal(err)
		}
		got := night.Until(local.UTC(), zone)
		if got.IsZero() != (want == "") || want != "" && got.In(zone).Format("2006-01-02T15:04") != want {
			t.Errorf("%s: %s, want %s", at, got.In(zone), want)
		}
	}
}
