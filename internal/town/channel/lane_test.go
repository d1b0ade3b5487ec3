package channel

import (
	"testing"

	"pgregory.net/rapid"
)

// TestI10_PlacesOfALane: whatever flies, no more than all places are given away,
// single messages leave the alarms' reserve, no destination holds more than it
// leaves to the others, and a destination of which nothing flies finds a place while
// there is one.
func TestI10_PlacesOfALane(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		flying := map[lane]int{}
		sum := func(of func(lane) bool) (n int) {
			for l, k := range flying {
				if of(l) {
					n += k
				}
			}
			return n
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			l := lane{
				rapid.SampledFrom([]Kind{Webhook, Chat, Mail}).Draw(rt, "kind"), rapid.SampledFrom([]Class{Alarm, Single}).Draw(rt, "class"),
				rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e"}).Draw(rt, "to"),
			}
			if flying[l] > 0 && rapid.Bool().Draw(rt, "lands") {
				flying[l]--
				continue
			}
			n := places(flying, l)
			kind := func(x lane) bool { return x.Kind == l.Kind }
			there := sum(func(x lane) bool { return x.Kind == l.Kind && x.Destination == l.Destination })
			left := maxFlying - sum(kind)
			if n < 0 || n > left || l.Destination != "" && n > 0 && there+n > left-n+1 {
				rt.Fatalf("%v gets %d beside %v", l, n, flying)
			}
			if l.Class == Alarm && n == 0 && left > 0 && there == 0 {
				rt.Fatalf("%v finds none of %d places beside %v", l, left, flying)
			}
			flying[l] += n
			if single := sum(func(x lane) bool { return x.Kind == l.Kind && x.Class == Single }); sum(kind) > maxFlying || single > maxFlyingSingle {
				rt.Fatalf("too many: %v", flying)
			}
		}
	})
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
