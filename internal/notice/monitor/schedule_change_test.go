package monitor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Whatever is put and dropped one by one, with parents, vantage points,
// maintenances and heartbeats among it, while probes fly, fail and the wall
// clock jumps: an engine that is told of each change alone and one that is
// handed the whole list every time are the same at every moment. Neither has
// lost a state, moved a phase or restarted what did not change.
func TestPutAndDropEqualAReload(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		var said []string
		synctest.Test(t, func(t *testing.T) { said = oneByOne(t, rand.New(rand.NewPCG(seed, 2))) })
		if len(said) > 0 {
			rt.Fatal(strings.Join(said, "\n"))
		}
	})
}

func oneByOne(t *testing.T, dice *rand.Rand) (said []string) {
	const n = 8
	name := func() string { return fmt.Sprintf("m%d", dice.IntN(n)) }
	worlds := [2]*world{newWorld(), newWorld()}
	var engines [2]*Engine
	// Each target takes a time of its own: of two results at one moment, which comes
	// first decides what is made of them, and that is nobody's to say.
	after := func(host int, r Result) func(context.Context) Result {
		return func(ctx context.Context) Result {
			select {
			case <-time.After(time.Duration(host+1) * 137 * time.Microsecond):
				return r
			case <-ctx.Done():
				return Result{Reason: ReasonCanceled}
			}
		}
	}
	well, ill := Result{OK: true, Reason: ReasonOK}, Result{Reason: ReasonRefused}
	for i, w := range worlds {
		for host := range n {
			w.set(fmt.Sprintf("m%d.example", host), after(host, well))
		}
		engines[i] = w.engine(EngineOptions{InFlight: 50, Behind: func(string, netip.Addr) bool { return true }})
		engines[i].Start(t.Context())
		defer engines[i].Stop()
	}
	one, whole := engines[0], engines[1]
	there := map[string]Item{}
	for round := range 60 {
		id := "town/" + name()
		it, known := there[id]
		switch dice.IntN(8) {
		case 0, 1:
			delete(there, id)
			one.Drop(id)
		case 2:
			if known { // told again, unchanged, with a status that is older than the engine's
				it.Status = Status{State: Down, Open: true, Episode: 9}
				one.Put(it)
			}
		default:
			it = anyItem(t, dice, id, known, it)
			there[id] = it
			one.Put(it)
		}
		var list []Item
		for _, it := range there {
			list = append(list, it)
		}
		whole.Set(list)
		// What was put is due at once: whether it still sees the target as it was must
		// not hang on who runs first.
		synctest.Wait()
		for range dice.IntN(3) {
			target, mood, jump := dice.IntN(n), dice.IntN(4), dice.Int64N(int64(2*time.Hour))-int64(time.Hour)
			span := time.Duration(dice.Int64N(int64(9 * time.Second)))
			jumps := dice.IntN(3) == 0
			for _, w := range worlds {
				host := fmt.Sprintf("m%d.example", target)
				switch {
				case mood == 0:
					w.set(host, after(target, ill))
				case mood == 1:
					w.set(host, hangs(span))
				case mood == 2:
					w.set(host, after(target, well))
				case jumps:
					w.shift.Add(jump)
				}
			}
		}
		if ping := "town/" + name(); there[ping].Spec.Kind == Heartbeat {
			for i, e := range engines {
				if err := e.Report(t.Context(), ping, Ping{Kind: PingSuccess}.Result(worlds[i].now())); err != nil {
					said = append(said, fmt.Sprintf("round %d: %v", round, err))
				}
			}
		}
		time.Sleep(time.Duration(dice.Int64N(int64(40 * time.Second))))
		synctest.Wait()
		said = append(said, differ(round, one, whole)...)
	}
	for i := range n {
		host := fmt.Sprintf("m%d.example", i)
		if a, b := worlds[0].seen(host), worlds[1].seen(host); !slices.Equal(a, b) {
			said = append(said, fmt.Sprintf("%s was looked at %d times, by the whole list %d times, or at other times", host, len(a), len(b)))
		}
	}
	return said
}

// anyItem is a new monitor, or another form of one that is there.
func anyItem(t *testing.T, dice *rand.Rand, id string, known bool, it Item) Item {
	_, slug := splitID(id)
	if !known {
		it = Item{ID: id, Spec: good(t, Spec{Kind: TCP, Host: slug + ".example", Port: 1})}
		switch dice.IntN(4) {
		case 0:
			it.Spec = good(t, Spec{Kind: Heartbeat, Interval: Duration(time.Minute), Grace: Duration(20 * time.Second)})
		case 1:
			it.Status = Status{State: Up, Since: time.Now(), NextAt: time.Now().Add(17 * time.Second)}
		}
	}
	s := it.Spec
	switch now := time.Now(); dice.IntN(5) {
	case 0:
		s.Parents = nil
		for range dice.IntN(3) {
			if p := fmt.Sprintf("m%d", dice.IntN(8)); p != slug && !slices.Contains(s.Parents, p) {
				s.Parents = append(s.Parents, p)
			}
		}
	case 1:
		from := now.Add(time.Duration(dice.IntN(60)) * time.Second)
		s.Maintenance = []Window{{From: from, To: from.Add(time.Duration(10+dice.IntN(60)) * time.Second), Reason: "Umzug"}}
	case 2:
		s.Maintenance = nil
	case 3:
		s.Vantage = Vantage{Sondes: []string{"a", "b"}, Agree: 1 + dice.IntN(3)}
	default:
		s.Confirm = 1 + dice.IntN(4)
	}
	it.Spec = s
	return it
}

// differ names what one engine knows otherwise than the other.
func differ(round int, one, whole *Engine) (said []string) {
	say := func(format string, a ...any) {
		said = append(said, fmt.Sprintf("round %d: ", round)+fmt.Sprintf(format, a...))
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	whole.mu.Lock()
	defer whole.mu.Unlock()
	if len(one.items) != len(whole.items) || one.flying != whole.flying || one.line.len() != whole.line.len() {
		say("%d monitors, %d in flight; by the whole list %d and %d", len(one.items), one.flying, len(whole.items), whole.flying)
	}
	for id, b := range whole.items {
		a := one.items[id]
		if a == nil {
			say("%s is missing", id)
			continue
		}
		if !reflect.DeepEqual(a.status, b.status) || !reflect.DeepEqual(a.spec, b.spec) {
			say("%s is %+v, by the whole list %+v", id, a.status, b.status)
		}
		if a.waits != b.waits || a.inLine != b.inLine || (a.cancel == nil) != (b.cancel == nil) || a.beatDue != b.beatDue || a.host != b.host ||
			a.waits && a.at != b.at || a.turn != b.turn {
			say("%s is due at %v (%v, turn %d), by the whole list at %v (%v, turn %d)", id, a.at, a.waits, a.turn, b.at, b.waits, b.turn)
		}
	}
	names := func(e *Engine, id string) (out []string) {
		for _, c := range e.children[id] {
			if e.items[c.id] != c {
				say("%s behind %s is not watched any more", c.id, id)
			}
			out = append(out, c.id)
		}
		slices.Sort(out)
		return out
	}
	ids := map[string]bool{}
	for _, e := range []*Engine{one, whole} {
		for id := range e.children {
			ids[id] = true
		}
	}
	for id := range ids {
		if a, b := names(one, id), names(whole, id); !slices.Equal(a, b) {
			say("behind %s: %v, by the whole list %v", id, a, b)
		}
	}
	return said
}

// BenchmarkChangeOne is what a change of one monitor costs an engine that holds
// ten thousand, told alone and with the whole list.
func BenchmarkChangeOne(b *testing.B) {
	const n = 10_000
	list := make([]Item, n)
	for i := range list {
		s, _ := Spec{Kind: TCP, Host: fmt.Sprintf("m%d.example", i), Port: 1}.Normalize()
		list[i] = Item{ID: fmt.Sprintf("town/m%d", i), Spec: s, Status: Status{State: Up, NextAt: time.Now().Add(time.Hour)}}
	}
	for name, tell := range map[string]func(e *Engine){
		"put": func(e *Engine) { e.Put(list[7]) },
		"set": func(e *Engine) { e.Set(list) },
	} {
		b.Run(name, func(b *testing.B) {
			e := NewEngine(EngineOptions{Now: time.Now, Sink: func(context.Context, []Observation) error { return nil }})
			e.Set(list)
			for i := 0; b.Loop(); i++ {
				list[7].Spec.Timeout = Duration(time.Duration(1+i%9) * time.Second)
				tell(e)
			}
		})
	}
}
