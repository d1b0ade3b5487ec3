package review

import (
	"context"
	"time"
)

// RemindDue is the sweeper's work, at once.
func (r *Room) RemindDue(ctx context.Context, now time.Time) (time.Time, error) {
	return r.remindDue(ctx, now)
}

// AllRules are the built-in rules of all countries.
func AllRules() []Rule {
	all, err := loadRules(legal)
	if err != nil {
		panic(err)
	}
	return all
}

// RulesOf are those of one country.
func RulesOf(country string) []Rule { return rulesOf(AllRules(), country) }
