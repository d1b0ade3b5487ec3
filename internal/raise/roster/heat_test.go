package roster

import (
	"testing"

	"pgregory.net/rapid"
)

// Rows of the heat map tell of every hour once, and of none what is not so.
func TestBands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Heat
		var w Week
		for range rapid.IntRange(0, 12).Draw(t, "cells") {
			d, hour := rapid.IntRange(0, 6).Draw(t, "day"), rapid.IntRange(0, 23).Draw(t, "hour")
			h[d][hour] = rapid.IntRange(0, 100).Draw(t, "percent")
			w[d][hour] = Staffing{rapid.IntRange(0, 2).Draw(t, "need"), rapid.IntRange(0, 2).Draw(t, "have")}
		}
		at := 0
		for i, b := range bands(h, w) {
			if b.from != at || b.to <= b.from {
				t.Fatalf("after %d comes %d–%d", at, b.from, b.to)
			}
			differs := i == 0
			for d := range h {
				for hour := b.from; hour < b.to; hour++ {
					if h[d][hour] != h[d][b.from] || w[d][hour] != w[d][b.from] {
						t.Fatalf("%d differs from %d–%d", hour, b.from, b.to)
					}
				}
				differs = differs || h[d][b.from] != h[d][b.from-1] || w[d][b.from] != w[d][b.from-1]
			}
			if !differs {
				t.Fatalf("%d–%d is as the hour before", b.from, b.to)
			}
			at = b.to
		}
		if at != 24 {
			t.Fatalf("the day ends at %d", at)
		}
	})
}
