package jobs

import "time"

// hold is who holds a lease. Fence rises whenever it goes to somebody, and when
// its holder let it lapse: what was begun under a lower number is no longer his.
type hold struct {
	Node  string
	Fence int64
	Until time.Time
}

// grant is the rule: a lease goes to whoever has it, and to others when it has
// run out. now is the database's, and nobody else's.
func grant(have hold, node string, now time.Time, ttl time.Duration) (hold, bool) {
	lapsed := !now.Before(have.Until)
	if have.Node != node && !lapsed {
		return have, false
	}
	next := hold{node, have.Fence, now.Add(ttl)}
	if have.Node != node || lapsed {
		next.Fence++
	}
	return next, true
}
