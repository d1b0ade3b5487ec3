package monitor

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Figures say how a monitor did over a span of time. They add up: those of a
// day are the sum of those of its hours, response times included.
//
// Time counts by the state in which the monitor was held, not by checks, since
// a failing monitor is looked at more often than a healthy one:
//
//   - A state holds from its result until the next one, but never longer than
//     [reach]; what lies beyond is unknown, for nobody has looked.
//   - Suspicion takes the name of what became of it: confirmed, the outage
//     counts from the first failure; refuted, there was none.
//   - Time inside an announced maintenance, and time in which no verdict was
//     possible (unknown, unreachable, blind, paused), counts for nothing.
//
// Availability is ITIL's (agreed service time − downtime) / agreed service
// time, where the agreed time is the time that was watched outside maintenance:
// Up / (Up + Down). How much of a span was watched is said beside it.
type Figures struct {
	Checks, Healthy int // results that say something about health
	Up              time.Duration
	Degraded        time.Duration // part of Up
	Down            time.Duration
	Maintenance     time.Duration
	// Slowest is the longest response of a healthy check, zero without one.
	Slowest time.Duration
	took    []tookCount // how often each response time was seen, by code
}

// tookCount counts the healthy checks whose response time has one code of
// [quantise].
type tookCount struct {
	code byte
	n    int
}

// Watched is the time that counts for availability.
func (f Figures) Watched() time.Duration { return f.Up + f.Down }

// Add puts the figures of another span to those of f.
func (f *Figures) Add(o Figures) {
	f.Checks += o.Checks
	f.Healthy += o.Healthy
	f.Up += o.Up
	f.Degraded += o.Degraded
	f.Down += o.Down
	f.Maintenance += o.Maintenance
	f.Slowest = max(f.Slowest, o.Slowest)
	for _, t := range o.took {
		f.count(t.code, t.n)
	}
}

func (f *Figures) count(code byte, n int) {
	i, ok := slices.BinarySearchFunc(f.took, code, func(t tookCount, c byte) int { return int(t.code) - int(c) })
	if ok {
		f.took[i].n += n
		return
	}
	f.took = slices.Insert(f.took, i, tookCount{code, n})
}

// Percentile is the response time that p percent of the healthy checks did not
// exceed (nearest rank, within the 3 % of [quantise]); zero without any.
func (f Figures) Percentile(p int) time.Duration {
	all := 0
	for _, t := range f.took {
		all += t.n
	}
	rank := (all*p + 99) / 100
	for _, t := range f.took {
		if rank -= t.n; rank <= 0 {
			return unquantise(t.code)
		}
	}
	return 0
}

// reach is how long one result speaks for its monitor: two intervals, and
// whatever the check itself may take. After that nobody knows.
func reach(s Spec) time.Duration {
	return 2*s.Interval.D() + s.Grace.D() + s.Timeout.D()
}

// verdict is what a stretch of time counts as.
type verdict int

const (
	noVerdict verdict = iota
	isUp
	isDegraded
	isDown
	isMaintenance
	isOpen // suspected: what follows tells
)

func (s Sample) verdict() verdict {
	switch s.State {
	case Up:
		return isUp
	case Down:
		return isDown
	case Maintenance:
		return isMaintenance
	case Suspect:
		return isOpen
	case Degraded:
		return isDegraded
	case Flapping:
		if s.OK {
			return isUp
		}
		return isDown
	case "":
		// Kept before states were: every failure counts, for nothing tells
		// which of them were confirmed.
		switch {
		case s.Reason.Neutral():
			return noVerdict
		case s.OK:
			return isUp
		}
		return isDown
	}
	return noVerdict
}

const hour = time.Hour

// hourOf counts hours from 1970.
func hourOf(t time.Time) int64 { return floorDiv(t.UnixMilli(), hour.Milliseconds()) }

func hourStart(h int64) time.Time { return time.UnixMilli(h * hour.Milliseconds()).UTC() }

func dayOf(h int64) int64 { return floorDiv(h, 24) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// figureHours reckons the hours from..to (both included) from samples, sorted
// by time, that begin at least one reach before from. The last sample speaks
// until until at most. Hours of which nothing is known are missing.
func figureHours(samples []Sample, reach time.Duration, from, to int64, until time.Time) map[int64]*Figures {
	return figureSpans(samples, reach, hour, from, to, time.UnixMilli(0), until)
}

// figureSpans is figureHours for spans of another width, counted from origin.
func figureSpans(samples []Sample, reach, width time.Duration, from, to int64, origin, until time.Time) map[int64]*Figures {
	zero := origin.UnixMilli()
	spanOf := func(t time.Time) int64 { return floorDiv(t.UnixMilli()-zero, width.Milliseconds()) }
	spanStart := func(n int64) time.Time { return time.UnixMilli(zero + n*width.Milliseconds()) }
	out := map[int64]*Figures{}
	at := func(h int64) *Figures {
		if out[h] == nil {
			out[h] = &Figures{}
		}
		return out[h]
	}
	// What a suspicion became is known from behind.
	verdicts := make([]verdict, len(samples))
	for i, s := range slices.Backward(samples) {
		v := s.verdict()
		if v == isOpen {
			v = noVerdict
			if i+1 < len(samples) && samples[i+1].At.Sub(s.At) <= reach {
				if next := verdicts[i+1]; next != isMaintenance {
					v = next
				}
			}
		}
		verdicts[i] = v
	}
	for i, s := range samples {
		if h := spanOf(s.At); h >= from && h <= to && !s.Reason.Neutral() {
			f := at(h)
			f.Checks++
			if s.OK {
				f.Healthy++
				f.Slowest = max(f.Slowest, s.Took)
				f.count(quantise(s.Took), 1)
			}
		}
		if verdicts[i] == noVerdict {
			continue
		}
		end := s.At.Add(reach)
		if i+1 < len(samples) && samples[i+1].At.Before(end) {
			end = samples[i+1].At
		}
		if until.Before(end) {
			end = until
		}
		for begin := s.At; begin.Before(end); {
			h := spanOf(begin)
			stop := spanStart(h + 1)
			if end.Before(stop) {
				stop = end
			}
			if h > to {
				break
			}
			if h >= from {
				at(h).spend(verdicts[i], stop.Sub(begin))
			}
			begin = stop
		}
	}
	return out
}

func (f *Figures) spend(v verdict, d time.Duration) {
	switch v {
	case isDegraded:
		f.Degraded += d
		f.Up += d
	case isUp:
		f.Up += d
	case isDown:
		f.Down += d
	case isMaintenance:
		f.Maintenance += d
	}
}

// A rollup is one UTC day of a monitor: version, then for each hour of which
// something is known its number, and the figures as uvarints: checks, failed,
// up, degraded, down, maintenance (milliseconds), slowest (code), count of
// response times, and these as distance of codes and count.

const rollupVersion = 1

func encodeDay(hours map[int64]*Figures, day int64) []byte {
	b := []byte{rollupVersion}
	for h := range int64(24) {
		f := hours[day*24+h]
		if f == nil {
			continue
		}
		b = append(b, byte(h))
		for _, n := range []int64{
			int64(f.Checks), int64(f.Checks - f.Healthy), f.Up.Milliseconds(), f.Degraded.Milliseconds(),
			f.Down.Milliseconds(), f.Maintenance.Milliseconds(), int64(quantise(f.Slowest)), int64(len(f.took)),
		} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		last := byte(0)
		for _, t := range f.took {
			b = binary.AppendUvarint(append(b, t.code-last), uint64(t.n))
			last = t.code
		}
	}
	return b
}

// decodeDay puts the hours of a rollup into hours.
func decodeDay(b []byte, day int64, hours map[int64]*Figures) error {
	if len(b) == 0 || b[0] != rollupVersion {
		return fmt.Errorf("%w: rollup without version", errChunk)
	}
	const most = uint64(1) << 40
	r := reader{b: b[1:]}
	for len(r.b) > 0 {
		h := r.byte()
		var n [8]uint64
		for i := range n {
			n[i] = r.uvarint()
			r.bad = r.bad || n[i] > most
		}
		if r.bad || h > 23 || n[1] > n[0] || n[6] > 255 || n[7] > 256 {
			return fmt.Errorf("%w: rollup", errChunk)
		}
		ms := func(n uint64) time.Duration {
			return time.Duration(min(n, uint64(hour.Milliseconds()))) * time.Millisecond
		}
		f := &Figures{
			Checks: int(n[0]), Healthy: int(n[0] - n[1]), Up: ms(n[2]), Degraded: ms(n[3]), Down: ms(n[4]), Maintenance: ms(n[5]),
			Slowest: unquantise(byte(n[6])),
		}
		code := 0
		for range n[7] {
			code += int(r.byte())
			c := r.uvarint()
			if r.bad || code > 255 || c > most {
				return fmt.Errorf("%w: rollup", errChunk)
			}
			f.took = append(f.took, tookCount{byte(code), int(c)})
		}
		hours[day*24+int64(h)] = f
	}
	return nil
}

// daysOf are the days that hours touch, in order.
func daysOf(hours map[int64]*Figures) []int64 {
	days := map[int64]bool{}
	for h := range hours {
		days[dayOf(h)] = true
	}
	return slices.Sorted(maps.Keys(days))
}
