package intake

import (
	"testing"
	"time"
)

// A source counts as silent by its own rhythm, whatever happens to the program that
// listens: one that is started every night finds it, too (I20).
func TestI20_SilenceOutlivesRestarts(t *testing.T) {
	heard := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	row := sourceRow{CreatedAt: heard.Add(-time.Hour), HeardAt: heard, Rhythm: int64(24 * time.Hour / time.Second)}
	silent := func(started time.Time, every time.Duration) time.Duration {
		for range 1000 {
			if at := due(row, started); every == 0 || at.Before(started.Add(every)) {
				return at.Sub(heard)
			}
			started = started.Add(every)
		}
		return 0
	}
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		started     time.Time
		every       time.Duration
		least, most time.Duration
	}{
		"never started anew": {heard.Add(-day), 0, day, day + time.Hour},
		"once, soon after":   {heard.Add(time.Hour), 0, day, day + 2*time.Hour},
		"after a week away":  {heard.Add(7 * day), 0, 7*day + 12*time.Hour, 8*day + time.Hour},
		"every night":        {heard.Add(19 * time.Hour), day, day, 3 * day},
		"twice a day":        {heard.Add(7 * time.Hour), 12*time.Hour + time.Minute, day, 3 * day},
	} {
		if got := silent(c.started, c.every); got < c.least || got > c.most {
			t.Errorf("%s: silent after %v, want %v to %v", name, got, c.least, c.most)
		}
	}
	// A word a day comes a little later than yesterday's on every other day.
	if at := due(row, heard.Add(-day)); !at.After(heard.Add(day + 10*time.Minute)) {
		t.Errorf("a daily word that is minutes late is an alarm: due at %v", at)
	}
	if at := due(sourceRow{HeardAt: heard}, heard); !at.IsZero() {
		t.Errorf("no rhythm, and due at %v", at)
	}
}
