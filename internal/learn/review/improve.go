package review

import (
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
)

// ImprovementState is where an improvement stands.
type ImprovementState string

// The states.
const (
	ImproveOpen    ImprovementState = "open"
	ImproveDone    ImprovementState = "done"
	ImproveDropped ImprovementState = "dropped"
)

// Improvement / Verbesserung is one thing to do better, by somebody, until a day.
type Improvement struct {
	ID        string
	Incident  incident.ID
	Text      string
	Owner     string // mail address
	Due       string // civil day, 2006-01-02
	State     ImprovementState
	Result    string // what was done, or why not
	CreatedAt time.Time
	ClosedAt  time.Time
}

// Overdue reports whether its day has passed in the town's zone.
func (i Improvement) Overdue(now time.Time, zone *time.Location) bool {
	return i.State == ImproveOpen && now.In(zone).Format(time.DateOnly) > i.Due
}

// ErrNoImprovement says that there is none of that name.
var ErrNoImprovement = fault.New(fault.NotFound, "review.no_improvement")

// maxText bounds what people write here, in characters.
const maxText = 2000

func (i Improvement) check() error {
	bad := fault.New(fault.Invalid, "review.invalid")
	if i.Text == "" {
		bad = bad.Field("text", "web.required")
	} else if len([]rune(i.Text)) > maxText {
		bad = bad.Field("text", "review.too_long")
	}
	if i.Owner == "" {
		bad = bad.Field("owner", "web.required")
	}
	if _, err := time.Parse(time.DateOnly, i.Due); err != nil {
		bad = bad.Field("due", "review.bad_day")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}
