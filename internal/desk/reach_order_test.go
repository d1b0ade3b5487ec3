package desk

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tuermer/internal/town/identity"
)

// Moving a way changes places with its neighbour and loses none, not even one that
// leads nowhere just now or whose kind this page does not know.
func TestMoved(t *testing.T) {
	all := []reachWay{
		{Way: identity.Way{Kind: "mail", Own: true}},
		{Way: identity.Way{Kind: "mail"}},
		{Way: identity.Way{Kind: "sms"}},
		{Way: identity.Way{Kind: "push"}},
		{Way: identity.Way{Kind: "voice"}},
		{Way: identity.Way{Kind: "later"}},
	}
	rapid.Check(t, func(t *rapid.T) {
		ways := slices.Clone(all[:rapid.IntRange(1, len(all)).Draw(t, "ways")])
		own := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"sms", "mail", "chat", "voice", "gone", "alternative"}), 0, 6, rapid.ID[string]).Draw(t, "own")
		inOrder(ways, own)
		i := rapid.IntRange(0, len(ways)-1).Draw(t, "which")
		by := rapid.SampledFrom([]int{-1, 1}).Draw(t, "by")
		got, ok := moved(ways, own, ways[i].named(), by)
		if ok != (i+by >= 0 && i+by < len(ways)) {
			t.Fatal(ok, i, by)
		}
		if !ok {
			return
		}
		for _, w := range own {
			if !slices.Contains(got, w) {
				t.Fatalf("%s is lost: %v", w, got)
			}
		}
		name := ways[i].named()
		inOrder(ways, got)
		if ways[i+by].named() != name {
			t.Fatalf("%s stands elsewhere: %v", name, got)
		}
		if back, _ := moved(ways, got, name, -by); !slices.Equal(back[:len(ways)], func() (out []string) {
			before := slices.Clone(ways)
			before[i], before[i+by] = before[i+by], before[i]
			for _, w := range before {
				out = append(out, w.named())
			}
			return out
		}()) {
			t.Fatalf("and back: %v", back)
		}
	})
}
