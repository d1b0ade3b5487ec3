package app

import (
	"context"
	"slices"
	"time"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// quietUntil is when what may wait goes to its reader: at the end of their quiet
// hours, or when they are on duty. Who reads an address with others is held up for
// nobody else's night: it goes as soon as one of them may hear.
func (a *App) quietUntil(ctx context.Context, m channel.Message) (until time.Time, err error) {
	people, err := a.identity.People(ctx, identity.Filter{Active: true})
	if err != nil {
		return until, err
	}
	now := a.o.Clock.Now()
	for _, p := range people {
		if m.To == "" || !slices.Contains([]string{p.Email, p.Alternative, p.Mobile, string(p.ID)}, m.To) {
			continue
		}
		ends, err := a.identity.QuietUntil(ctx, p.ID, now)
		if err != nil || ends.IsZero() {
			return time.Time{}, err
		}
		duty, on, err := a.roster.NextDuty(ctx, p.Email, now, ends)
		if err != nil {
			return time.Time{}, err
		}
		if on {
			ends = duty
		}
		if until.IsZero() || ends.Before(until) {
			until = ends
		}
	}
	return until, nil
}
