package channel

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestI10_PlacesOfALane: whatever flies and whoever hangs, no more than all places are
// given away, single messages leave the alarms' reserve, no destination holds more than
// it leaves to the others, those that hang no more than half, and a destination of which
// nothing flies and that does not hang finds a place.
func TestI10_PlacesOfALane(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		flying, hung := map[lane]int{}, map[lane]bool{}
		hangs := func(l lane) bool { return hung[l.target()] }
		sum := func(of func(lane) bool) (n int) {
			for l, k := range flying {
				if of(l) {
					n += k
				}
			}
			return n
		}
		for range rapid.IntRange(1, 100).Draw(rt, "steps") {
			l := lane{
				rapid.SampledFrom([]Kind{Webhook, Chat, Mail}).Draw(rt, "kind"), rapid.SampledFrom([]Class{Alarm, Single}).Draw(rt, "class"),
				rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}).Draw(rt, "to"),
			}
			if l.Kind == Mail { // by the town's own routes
				l.Destination = ""
			} else if rapid.IntRange(0, 4).Draw(rt, "turns") == 0 {
				hung[l.target()] = !hung[l.target()]
			}
			if flying[l] > 0 && rapid.Bool().Draw(rt, "lands") {
				flying[l]--
				continue
			}
			n := places(flying, hangs, l)
			kind := func(x lane) bool { return x.Kind == l.Kind }
			there := sum(func(x lane) bool { return kind(x) && x.Destination == l.Destination })
			stuck := sum(func(x lane) bool { return kind(x) && hangs(x) })
			left := maxFlying - sum(kind)
			first := l.Destination != "" && there == 0 && !hangs(l)
			if n < 0 || n > max(left, 0) && (!first || n != 1) || l.Destination != "" && n > 1 && there+n > left-n+1 {
				rt.Fatalf("%v gets %d beside %v", l, n, flying)
			}
			if hangs(l) && n > 0 && (n > 1 || flying[l] > 0 || stuck >= maxFlying/2) {
				rt.Fatalf("%v hangs and gets %d beside %v", l, n, flying)
			}
			if first && n == 0 && sum(kind) < maxFirst/2 {
				rt.Fatalf("%v finds none of %d places beside %v", l, left, flying)
			}
			flying[l] += n
			if l.Destination == "" && n > 0 {
				if single := sum(func(x lane) bool { return kind(x) && x.Class == Single }); sum(kind) > maxFlying || l.Class == Single && single > maxFlyingSingle {
					rt.Fatalf("too many: %v", flying)
				}
			}
			if sum(kind) > maxFirst {
				rt.Fatalf("too many at all: %v", flying)
			}
		}
	})
}

// TestI10_AnyNumberOfDeadReceivers: hundreds of receivers, all of them dead and each
// with more than enough to send, hold up one that lives for no longer than it takes to
// find out that they are: its turn comes last, and it finds a place at once beside a
// hundred that nobody knows to be dead, and beside any number of which one knows.
func TestI10_AnyNumberOfDeadReceivers(t *testing.T) {
	for _, dead := range []int{5, 16, 100, 500, 2000} {
		for _, class := range []Class{Alarm, Single} {
			hung := map[lane]bool{}
			hangs := func(l lane) bool { return hung[l.target()] }
			waited := 0
			for round := range 60 { // each takes as long as one attempt
				flying, all := map[lane]int{}, 0
				for i := range dead {
					l := lane{Webhook, class, strconv.Itoa(i)}
					if n := places(flying, hangs, l); n > 0 {
						flying[l] = n
						all += n
					}
				}
				if all > maxFirst {
					t.Fatalf("%d dead: %d under way", dead, all)
				}
				if places(flying, hangs, lane{Webhook, class, "lebt"}) == 0 {
					waited = round + 1
				}
				for l := range flying {
					hung[l.target()] = true
				}
			}
			// Those of whom nobody knew it take their first places in turns.
			if most := dead / map[Class]int{Alarm: 117, Single: 60}[class]; waited != most {
				t.Errorf("%d dead: a living one waits %d attempts, not %d (%s)", dead, waited, most, class)
			}
		}
	}
}

func TestDestination(t *testing.T) {
	same := func(k Kind, a, b string) bool { return destination(k, a) == destination(k, b) }
	if !same(Webhook, "https://Hook.example/a", "https://hook.example/b?x=1") || same(Webhook, "https://hook.example/a", "https://other.example/a") ||
		same(Webhook, "http://127.0.0.1:8081/", "http://127.0.0.1:8082/") || !same(Chat, "signal:+49170", "signal:+49171") || same(Chat, "signal:+49170", "threema:ABCDEFGH") {
		t.Error("destinations are mixed up")
	}
	if destination(Mail, "a@b.example") != "" || destination(SMS, "+49170") != "" || destination(Webhook, "::") != "" {
		t.Error("a way has a destination that it does not need")
	}
}

// A destination hangs when an attempt has failed after a while, until it takes one,
// answers at once, or was left alone for long.
func TestWhoHangs(t *testing.T) {
	clock := &nightClock{now: time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)}
	r := New(Options{Clock: clock})
	l := lane{Webhook, Alarm, "a"}
	other := lane{Webhook, Single, "b"}
	after := func(took time.Duration, err error) int {
		begun := clock.now
		clock.now = clock.now.Add(took)
		r.heard(l, begun, err)
		return r.free(l, clock.now)
	}
	late := errors.New("the receiver took too long")
	for i, step := range []struct {
		took time.Duration
		err  error
		want int
	}{
		{time.Second, late, 8},
		{10 * time.Second, late, 1},
		{0, &Failure{Reason: "paced"}, 1},
		{time.Second, late, 8},
		{10 * time.Second, late, 1},
		{10 * time.Second, nil, 8},
		{10 * time.Second, late, 1},
	} {
		if n := after(step.took, step.err); n != step.want {
			t.Errorf("step %d: %d places, not %d", i, n, step.want)
		}
	}
	if n := r.free(lane{Webhook, Single, "a"}, clock.now); n != 1 {
		t.Errorf("it hangs for single messages too: %d", n)
	}
	if n := r.free(other, clock.now); n != 4 {
		t.Errorf("another one has %d places", n)
	}
	if n := r.free(l, clock.now.Add(hungFor)); n != 8 {
		t.Errorf("it is held to hang for ever: %d", n)
	}
	clock.now = clock.now.Add(hungFor)
	r.heard(other, clock.now.Add(-hangs), late)
	if len(r.hung) != 1 {
		t.Errorf("nobody forgets: %v", r.hung)
	}
}
