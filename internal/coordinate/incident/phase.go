package incident

import "slices"

// forward are the moves of [Room.Advance]. A town may learn of the repair
// before it knows the cause, so steps can be skipped; monitoring may turn out
// to have been too early.
var forward = map[Phase][]Phase{
	Candidate:  {Confirmed},
	Confirmed:  {Identified, Monitoring, Restored},
	Identified: {Monitoring, Restored},
	Monitoring: {Identified, Restored},
	Restored:   {Closed},
	Closed:     {Reviewed},
}

// Next lists the phases to which [Room.Advance] can go from p.
func (p Phase) Next() []Phase { return slices.Clone(forward[p]) }

// MayAdvance reports whether [Room.Advance] can go from p to the phase to.
func (p Phase) MayAdvance(to Phase) bool { return slices.Contains(forward[p], to) }

// MayLeave reports whether the incident can be dismissed or merged.
func (p Phase) MayLeave() bool { return p.Active() }

// MayReopen reports whether [Room.Reopen] can bring it back to confirmed.
func (p Phase) MayReopen() bool { return p == Restored || p == Closed }

// legal reports whether any act can move from one phase to the other.
func legal(from, to Phase) bool {
	switch to {
	case Dismissed, Merged:
		return from.MayLeave()
	case Confirmed:
		return from.MayAdvance(to) || from.MayReopen()
	default:
		return from.MayAdvance(to)
	}
}
