package plan

import (
	"context"
	"slices"
	"strings"

	"tuermer/internal/platform/personal"
)

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "plan_audience", Act: personal.Own, Why: "delivery"},
		{Table: "plan_version", Act: personal.Stay, Columns: []string{"by_person", "by_name"}, Why: "proof"},
		{Table: "plan_test", Act: personal.Stay, Columns: []string{"by_name"}, Why: "proof"},
		{Table: "plan_link", Act: personal.Stay, Columns: []string{"by_name"}, Why: "proof"},
		{Table: "plan_signoff", Act: personal.Stay, Columns: []string{"name", "by_name", "withdrawn_by_name"}, Why: "proof"},
	}
}

// ForgetAddress takes an address off every audience. One that the operator's file
// declares is refused: it would come back.
func (r *Room) ForgetAddress(ctx context.Context, address string) (n int, err error) {
	all, err := r.Audiences(ctx)
	if err != nil {
		return 0, err
	}
	for _, a := range all {
		left := slices.DeleteFunc(slices.Clone(a.Recipients), func(m string) bool { return strings.EqualFold(m, address) })
		if len(left) == len(a.Recipients) {
			continue
		}
		a.Recipients = left
		if err := r.Save(ctx, a); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
