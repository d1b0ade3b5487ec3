package monitor

import (
	"context"
	"time"
)

// stopwatch measures time since it was made, untouched by the wall clock. It
// reads the monotonic clock through a deadline, because the wall clock is
// injected and may be set.
type stopwatch struct{ end time.Time }

const stopwatchSpan = 100 * 365 * 24 * time.Hour

func newStopwatch() stopwatch {
	ctx, cancel := context.WithTimeout(context.Background(), stopwatchSpan)
	defer cancel()
	end, _ := ctx.Deadline()
	return stopwatch{end}
}

func (s stopwatch) elapsed() time.Duration {
	return stopwatchSpan - time.Until(s.end) //nolint:forbidigo // monotonic, as a stopwatch must be
}

// lane is a line of due items. Confirmations go before ordinary checks: a
// person may be about to be woken, and a wrong alarm is as bad as a late one.
// Items that were withdrawn meanwhile are dropped on the way out.
type lane struct{ urgent, rest []place }

// place is an item in line; a reload begins a new turn, which makes it void.
type place struct {
	it   *item
	turn uint64
}

func (l *lane) push(it *item) {
	p := place{it, it.turn}
	if it.status.State == Suspect {
		l.urgent = append(l.urgent, p)
	} else {
		l.rest = append(l.rest, p)
	}
}

// pushFirst puts an item that has waited already before all of its kind.
func (l *lane) pushFirst(it *item) {
	p := place{it, it.turn}
	if it.status.State == Suspect {
		l.urgent = append([]place{p}, l.urgent...)
	} else {
		l.rest = append([]place{p}, l.rest...)
	}
}

func (l *lane) pop() *item {
	for _, q := range []*[]place{&l.urgent, &l.rest} {
		for len(*q) > 0 {
			p := (*q)[0]
			(*q)[0] = place{}
			*q = (*q)[1:]
			if p.it.inLine && p.turn == p.it.turn {
				return p.it
			}
		}
		*q = nil
	}
	return nil
}

func (l *lane) len() int { return len(l.urgent) + len(l.rest) }
