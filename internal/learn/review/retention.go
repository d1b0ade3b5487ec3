package review

import "tuermer/internal/platform/retain"

// KeepOpinions is how long the words of an answer to a survey are kept. They are
// anonymous, but somebody may have written a name into them; the marks stay.
const KeepOpinions = 731 * retain.Day

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "review.opinion", Table: "review_answer", Act: retain.Clear, For: KeepOpinions, Age: "day", Civil: true, Where: "text <> ''", Set: []retain.Set{{Column: "text", To: "''"}}},
	}
	out = append(out, retain.Kept("review", retain.Record, "review_clock", "review_improvement")...)
	return out
}
