package publish

import (
	"slices"
	"time"

	"tuermer/internal/inform/template"
)

// ETA is one estimate of when it will work again, as it was said.
type ETA struct {
	Statement ID
	Said      time.Time // when
	At        time.Time // the estimate
	// Slip is how much later than the estimate before it is; zero for the first
	// one and for one that came nearer.
	Slip time.Duration
	// Reason is why it takes longer, where that was told.
	Reason template.Value
}

// ETAHistory lists the estimates of one incident, the oldest first. Said are its
// published statements in any order; a version that was corrected does not
// count, and an estimate that is said again is one.
func ETAHistory(said []Statement) []ETA {
	list := slices.DeleteFunc(slices.Clone(said), func(s Statement) bool {
		return s.State != StatePublished || s.CorrectedBy != "" || (s.Kind != template.Update && s.Kind != template.ETAChange)
	})
	slices.SortStableFunc(list, func(a, b Statement) int { return a.PublishedAt.Compare(b.PublishedAt) })
	var out []ETA
	for _, s := range list {
		at := s.Facts[template.SlotNewTime].At
		if at.IsZero() {
			continue // not yet known, or in words that no clock understands
		}
		e := ETA{Statement: s.ID, Said: s.PublishedAt, At: at}
		if n := len(out); n > 0 {
			if out[n-1].At.Equal(at) {
				continue
			}
			e.Slip = max(0, at.Sub(out[n-1].At))
		}
		if v := s.Facts[template.SlotReason]; e.Slip > 0 && !v.IsUnknown() {
			e.Reason = v
		}
		out = append(out, e)
	}
	return out
}
