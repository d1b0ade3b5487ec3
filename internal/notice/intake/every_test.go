package intake_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tuermer/internal/notice/intake"
	"tuermer/internal/platform/storetest"
)

// What every system says is told once, however often it comes: the problem, its end,
// and then the next one. A problem that comes again behind its end is one where the
// system names none of its occurrences, and none where it does.
func TestEveryFormatFolds(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		var want []string
		for _, f := range intake.Formats() {
			problem, again, over, other, next, apart, mapping := intake.Every(f)
			name := "q-" + string(f)
			token := b.add(intake.Source{Name: name, Title: name, Format: f, Mapping: mapping})
			take := func(bodies ...intake.Body) {
				t.Helper()
				for _, body := range bodies {
					if err := b.room.Take(context.Background(), token, f, body); err != nil {
						t.Fatal(f, err)
					}
				}
			}
			take(problem, problem, again, problem, other, over, over)
			told := []string{"firing", "resolved", "firing (other)"}
			if next != nil {
				take(problem, again, over, *next, over)
				told = append(told, "firing (next)")
			} else if f != intake.Mail && f != intake.Kuma && f != intake.Icinga && f != intake.PRTG {
				take(problem) // it may be so again
				told = append(told, "firing")
			}
			seen, err := b.room.Seen(w.Ctx, intake.Source{Name: name, Format: f, Mapping: mapping})
			if err != nil || len(seen) < 4 {
				t.Fatal(f, len(seen), err)
			}
			key := ""
			for _, s := range seen {
				if string(s.Body.Data) == string(problem.Data) && strings.Join(s.Body.Path, "/") == strings.Join(problem.Path, "/") && s.Problem == "" {
					key = s.Reports[0].Key
				}
			}
			otherKey, nextKey := "", key
			for _, s := range seen {
				if string(s.Body.Data) == string(other.Data) && strings.Join(s.Body.Path, "/") == strings.Join(other.Path, "/") && s.Problem == "" {
					otherKey = s.Reports[0].Key
				}
				if apart && next != nil && string(s.Body.Data) == string(next.Data) && s.Problem == "" {
					nextKey = s.Reports[0].Key
				}
			}
			for _, word := range told {
				state, of, _ := strings.Cut(word, " ")
				k := key
				switch of {
				case "(other)":
					k = otherKey
				case "(next)":
					k = nextKey
				}
				want = append(want, fmt.Sprintf("intake:%s:%s %s", name, k, state))
			}
		}
		b.untilStates(want...)
	})
}
