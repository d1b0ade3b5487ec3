package alert_test

import (
	"testing"
	"time"

	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
)

// While nobody can be reached it is tried every minute. The course says so in one
// line that counts, however long it lasts, and can be read page by page.
func TestCourseCountsWhatIsInVain(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, _ := withChain(t, sw)
		for i := range w.people {
			w.people[i].Blocked = true
		}
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		before, err := r.Course(sw.Ctx, id, alert.CourseFilter{})
		if err != nil || len(before) == 0 {
			t.Fatal(before, err)
		}
		const minutes = 90
		for range minutes {
			w.now = w.now.Add(time.Minute)
			if _, err := alert.Sweep(r, sw.Ctx, w.now); err != nil {
				t.Fatal(err)
			}
		}
		after, err := r.Course(sw.Ctx, id, alert.CourseFilter{})
		if err != nil || len(after) != len(before) {
			t.Fatalf("%d lines, then %d: %+v %v", len(before), len(after), after, err)
		}
		for _, c := range after {
			if c.Times != minutes+1 || !c.LastAt.Equal(w.now) {
				t.Fatalf("%+v", c)
			}
		}
		var paged []alert.Course
		for f := (alert.CourseFilter{Limit: 2}); ; f.After = paged[len(paged)-1].ID {
			some, err := r.Course(sw.Ctx, id, f)
			if err != nil {
				t.Fatal(err)
			}
			if len(some) == 0 {
				break
			}
			paged = append(paged, some...)
		}
		if len(paged) != len(after) {
			t.Fatal(len(paged), len(after))
		}
	})
}
