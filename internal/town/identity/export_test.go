package identity

import (
	"context"
	"time"

	"tuermer/internal/platform/clock"
)

// Doors for tests.
var (
	HashPassword  = hashPassword
	CheckPassword = checkPassword
	DefaultCost   = defaultCost
)

// Sweep runs one pass of the background work.
func (r *Room) Sweep(ctx context.Context) error {
	_, err := r.sweep(ctx, r.o.Clock.Now())
	return err
}

// SetClock moves the room's time.
func (r *Room) SetClock(c clock.Clock) { r.o.Clock = c }

// Limits of tries, for tests.
const (
	PairBurst = 5
	PairStep  = time.Minute
)

// The rules of codes.
var (
	TOTPAt        = totpAt
	MatchTOTP     = matchTOTP
	StepOf        = stepOf
	NormalCode    = normalCode
	NewPlainCode  = newPlainCode
	RecoveryCodes = recoveryCodes
)
