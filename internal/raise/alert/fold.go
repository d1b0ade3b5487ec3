package alert

import "tuermer/internal/notice/signal"

// known is what the room remembers of a signal's key.
type known struct {
	Seq   int64
	State signal.State
	Alert ID // the open alert that the key is firing in; empty: none
}

// move is what a signal does.
type move string

const (
	nothing  move = "nothing"  // we know better or the same
	noted    move = "noted"    // a recovery that concerns no alert
	opens    move = "opens"    // a new alert
	joins    move = "joins"    // another source confirms the open alert
	renews   move = "renews"   // the same source says more about its alert
	ends     move = "ends"     // the source no longer sees it
	withhold move = "withhold" // nobody is woken, for a reason
)

// weigh decides what s does. open is the alert of s's alert key that is not
// closed, if there is one. Events may come in another order than the signals;
// the number of the key tells.
func weigh(k known, open ID, s signal.Signal) (move, Reason) {
	switch {
	case s.Seq <= k.Seq && s.State == signal.Firing && k.State == signal.Resolved:
		return withhold, AlreadyOver
	case s.Seq <= k.Seq:
		return nothing, ""
	case s.State == signal.Resolved && k.Alert != "":
		return ends, ""
	case s.State == signal.Resolved:
		return noted, ""
	case k.Alert != "":
		return renews, ""
	case s.Eased && k.State == signal.Firing:
		return nothing, "" // somebody closed its alert, and that stays listed
	case s.Severity == signal.Info:
		return withhold, OnlyInfo
	case open != "":
		return joins, ""
	default:
		return opens, ""
	}
}

// alertKey is the key of the alert that s belongs to.
func alertKey(s signal.Signal) string {
	if s.Service != "" {
		return "service:" + s.Service
	}
	return s.Key
}
