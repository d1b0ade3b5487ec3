package monitor

import (
	"context"
	"strconv"
	"time"

	"tuermer/internal/platform/i18n"
)

// The strip of the last results is 360 units wide and 40 high; each result is a
// bar of 3 with a gap of 1.
const (
	barStep  = 4
	barWidth = 3
	barMax   = 40
	barMin   = 3 // what was answered at once must still be seen
)

// bar is one result in the strip.
type bar struct {
	X, Y, Height int
	Class        string // empty: healthy
}

func (b bar) x() string      { return strconv.Itoa(b.X) }
func (b bar) y() string      { return strconv.Itoa(b.Y) }
func (b bar) height() string { return strconv.Itoa(b.Height) }

// bars draws results, newest first as they are stored, from left to right. The
// height is the response time; a failure is as high as the strip.
func bars(results []Result) []bar {
	results = results[:min(len(results), chartBars)]
	longest := time.Millisecond
	for _, r := range results {
		if r.OK {
			longest = max(longest, r.Took)
		}
	}
	out := make([]bar, len(results))
	for i, r := range results {
		at := len(results) - 1 - i
		b := bar{X: at * barStep, Height: barMax}
		switch {
		case r.Reason.Neutral():
			b.Class = "is-gap"
		case !r.OK:
			b.Class = "is-down"
		default:
			// Room is left above, so that a slow answer is not taken for a failure.
			b.Height = barMin + int(int64(barMax-12-barMin)*int64(r.Took)/int64(longest))
		}
		b.Y = barMax - b.Height
		out[at] = b
	}
	return out
}

// chartSay is the strip in words, for whoever does not see it.
func chartSay(ctx context.Context, results []Result) string {
	results = results[:min(len(results), chartBars)]
	healthy, failed := 0, 0
	longest := time.Duration(0)
	for _, r := range results {
		switch {
		case r.Reason.Neutral():
		case r.OK:
			healthy++
			longest = max(longest, r.Took)
		default:
			failed++
		}
	}
	return i18n.T(ctx, "monitor.chart_say", len(results), healthy, failed, took(ctx, longest))
}
