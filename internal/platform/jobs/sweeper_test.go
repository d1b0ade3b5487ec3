package jobs_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/jobs"
)

// A sweeper looks at start, at the due time it was told, when kicked, soon
// after an error, and after Idle at the latest.
func TestSweeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var at []time.Duration
		s := jobs.NewSweeper(jobs.SweeperOptions{
			Name: "test", Clock: clock.System{}, Idle: time.Minute, Retry: 5 * time.Second,
			Sweep: func(_ context.Context, now time.Time) (time.Time, error) {
				at = append(at, now.Sub(begin))
				switch len(at) {
				case 1:
					return now.Add(10 * time.Second), nil
				case 2:
					return time.Time{}, errors.New("not now")
				}
				return time.Time{}, nil
			},
		})
		s.Start(t.Context())
		s.Start(t.Context()) // twice is once
		time.Sleep(20 * time.Second)
		s.Kick()
		time.Sleep(70 * time.Second)
		s.Stop()
		s.Stop()
		sec := time.Second
		if want := []time.Duration{0, 10 * sec, 15 * sec, 20 * sec, 80 * sec}; !slices.Equal(at, want) {
			t.Errorf("swept at %v, want %v", at, want)
		}
	})
}
