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

// RollDue is when the directory is read next.
var RollDue = rollDue

// Entry makes an entry of a directory.
func Entry(uid, dn string, p Person) entry { return entry{UID: uid, DN: dn, Person: p} }

// Entries are none yet.
func Entries() []entry { return nil }
