package monitor

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"
)

// Sample is one result as history keeps it: what was seen, and what the monitor
// was held to be afterwards. The response time is rounded, see [quantise].
type Sample struct {
	Result
	State State // empty: kept before states were
}

// outcome is all of a sample but its times. Samples of a chunk that follow each
// other mostly share it, so it is written only where it changes.
type outcome struct {
	OK     bool
	State  State
	Reason Reason
	Code   int
	Detail string
}

func (s Sample) outcome() outcome { return outcome{s.OK, s.State, s.Reason, s.Code, s.Detail} }

func (o outcome) at(ms int64, took byte) Sample {
	return Sample{Result: Result{
		At: time.UnixMilli(ms).UTC(), Took: unquantise(took), OK: o.OK, Reason: o.Reason, Code: o.Code, Detail: o.Detail,
	}, State: o.State}
}

// Bounds of a chunk. A decoder meets nothing larger, so a damaged row cannot
// make it take the machine's memory.
const (
	chunkVersion  = 1
	chunkSamples  = 4096                // a full chunk: about 9 KB, three days of checks a minute
	chunkSpan     = 31 * 24 * time.Hour // an older chunk is closed although it is not full
	maxSamples    = 16 * chunkSamples   // none is ever written with more
	maxDetails    = 64                  // texts kept in one chunk; of further ones the reason and code remain
	maxChunkWords = 512                 // bytes of one text in a chunk
	maxMoment     = int64(1) << 50      // milliseconds; 35,000 years either side of 1970
)

var errChunk = errors.New("monitor: damaged chunk")

// A chunk is
//
//	version  1 byte
//	first    varint, Unix milliseconds of the first sample
//	period   uvarint, the usual distance of two samples in milliseconds
//	sample*  until the end
//
// and a sample is
//
//	head     uvarint: zigzag(distance to the one before - period) << 1 | changed
//	took     1 byte, see quantise
//	outcome  only if changed: uvarint index of the chunk's outcomes so far; the
//	         next free index is followed by a new one: flags, state, reason,
//	         code, detail
//
// A monitor that is probed every minute and is healthy costs two bytes a check,
// three when the machine is so busy that checks begin 32 ms early or late.
// There is no count, so that samples are added at the end without touching the
// rest.

// encodeChunk writes samples, sorted by time and distinct, as one chunk.
func encodeChunk(samples []Sample) []byte {
	b := append(make([]byte, 0, 16+3*len(samples)), chunkVersion)
	if len(samples) == 0 {
		return b
	}
	first, period := samples[0].At.UnixMilli(), usualDistance(samples)
	b = binary.AppendVarint(b, first)
	b = binary.AppendUvarint(b, uint64(period))
	w := chunkWriter{b: b, last: first - period, period: period}
	for _, s := range samples {
		w.add(s)
	}
	return w.b
}

// usualDistance is the median distance of the samples.
func usualDistance(samples []Sample) int64 {
	if len(samples) < 2 {
		return 0
	}
	d := make([]int64, len(samples)-1)
	for i := range d {
		d[i] = samples[i+1].At.UnixMilli() - samples[i].At.UnixMilli()
	}
	slices.Sort(d)
	return min(max(d[len(d)/2], 0), maxMoment)
}

type chunkWriter struct {
	b      []byte
	last   int64 // moment of the sample before
	period int64
	known  []outcome
	now    int // index of the outcome at hand, when known is not empty
	texts  int // outcomes in known with a detail
}

func (w *chunkWriter) add(s Sample) {
	o, ms := s.outcome(), s.At.UnixMilli()
	o.Detail = cutBytes(o.Detail, maxChunkWords)
	at := w.now
	if len(w.known) == 0 || w.known[at] != o {
		at = slices.Index(w.known, o)
	}
	if at < 0 && o.Detail != "" && w.texts >= maxDetails {
		o.Detail = ""
		at = slices.Index(w.known, o)
	}
	changed := at < 0 || at != w.now || len(w.known) == 0
	head := zigzag(ms-w.last-w.period) << 1
	if changed {
		head |= 1
	}
	w.b = append(binary.AppendUvarint(w.b, head), quantise(s.Took))
	w.last = ms
	if !changed {
		return
	}
	if at < 0 {
		at = len(w.known)
		w.b = appendOutcome(binary.AppendUvarint(w.b, uint64(at)), o)
		w.learn(o)
	} else {
		w.b = binary.AppendUvarint(w.b, uint64(at))
	}
	w.now = at
}

func (w *chunkWriter) learn(o outcome) {
	w.known = append(w.known, o)
	if o.Detail != "" {
		w.texts++
	}
}

// growChunk adds samples that are later than all in chunk to it, without
// writing the rest anew. ok is false when they are not later.
func growChunk(chunk []byte, samples []Sample) (grown []byte, ok bool, err error) {
	w := chunkWriter{}
	d, err := readChunk(chunk, nil)
	if err != nil || d.n == 0 {
		return nil, false, err
	}
	w.b, w.last, w.period, w.known, w.now = slices.Clip(chunk), d.last, d.period, d.known, d.now
	for _, o := range d.known {
		if o.Detail != "" {
			w.texts++
		}
	}
	for _, s := range samples {
		if s.At.UnixMilli() <= w.last {
			return nil, false, nil
		}
		w.add(s)
	}
	return w.b, true, nil
}

// decodeChunk answers the samples of a chunk.
func decodeChunk(chunk []byte) ([]Sample, error) {
	out := make([]Sample, 0, min(len(chunk)/2, maxSamples))
	_, err := readChunk(chunk, func(s Sample) { out = append(out, s) })
	return out, err
}

// chunkState is where a reader stands at the end of a chunk.
type chunkState struct {
	n      int
	last   int64
	period int64
	known  []outcome
	now    int
}

// readChunk walks through a chunk; yield may be nil.
func readChunk(chunk []byte, yield func(Sample)) (chunkState, error) {
	st := chunkState{}
	if len(chunk) == 0 || chunk[0] != chunkVersion {
		return st, fmt.Errorf("%w: no version", errChunk)
	}
	r := reader{b: chunk[1:]}
	if len(r.b) == 0 {
		return st, nil
	}
	first := r.varint()
	period := r.uvarint()
	if r.bad || first < -maxMoment || first > maxMoment || period > uint64(maxMoment) {
		return st, fmt.Errorf("%w: head", errChunk)
	}
	st.period = int64(period)
	st.last = first - st.period
	for len(r.b) > 0 {
		head := r.uvarint()
		took := r.byte()
		st.last += st.period + unzigzag(head>>1)
		if r.bad || st.last < -maxMoment || st.last > maxMoment || st.n >= maxSamples {
			return st, fmt.Errorf("%w: sample %d", errChunk, st.n)
		}
		if head&1 == 1 {
			i := r.uvarint()
			if i == uint64(len(st.known)) {
				st.known = append(st.known, r.outcome())
			}
			if r.bad || i >= uint64(len(st.known)) {
				return st, fmt.Errorf("%w: outcome of sample %d", errChunk, st.n)
			}
			st.now = int(i)
		} else if len(st.known) == 0 {
			return st, fmt.Errorf("%w: first outcome", errChunk)
		}
		st.n++
		if yield != nil {
			yield(st.known[st.now].at(st.last, took))
		}
	}
	return st, nil
}

func appendOutcome(b []byte, o outcome) []byte {
	flags := byte(0)
	if o.OK {
		flags = 1
	}
	b = append(b, flags)
	b = appendText(b, string(o.State))
	b = appendText(b, string(o.Reason))
	b = binary.AppendVarint(b, int64(o.Code))
	return appendText(b, o.Detail)
}

func appendText(b []byte, s string) []byte {
	s = cutBytes(s, maxChunkWords)
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func cutBytes(s string, n int) string { return s[:min(len(s), n)] }

// reader takes values off the front of b; after the first that is not there,
// bad is set and all values are zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int, ok bool) {
	if !ok {
		r.b, r.bad = nil, true
		return
	}
	r.b = r.b[n:]
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.take(n, n > 0)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	r.take(n, n > 0)
	return v
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) text() string {
	n := r.uvarint()
	if r.bad || n > maxChunkWords || n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) outcome() outcome {
	return outcome{OK: r.byte()&1 == 1, State: State(r.text()), Reason: Reason(r.text()), Code: int(r.varint()), Detail: r.text()}
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// quantise rounds a response time so that it fits into one byte: to the
// millisecond below 32 ms, to a 16th of an octave above, which is at most 3 %
// off. It ends at nine minutes; no probe may take so long.
func quantise(d time.Duration) byte {
	ms := (min(max(d, 0), time.Hour) + time.Millisecond/2) / time.Millisecond
	if ms < 32 {
		return byte(ms)
	}
	octave := bits.Len64(uint64(ms)) - 6 // 0 for 32…63
	steps := uint64(ms) >> (octave + 1)  // 16…31
	if rest := uint64(ms) & (1<<(octave+1) - 1); rest >= 1<<octave {
		if steps++; steps == 32 { // the next octave begins
			octave, steps = octave+1, 16
		}
	}
	if octave > 13 {
		return 255
	}
	return byte(32 + 16*octave + int(steps) - 16)
}

// unquantise is the time for which a byte stands.
func unquantise(c byte) time.Duration {
	if c < 32 {
		return time.Duration(c) * time.Millisecond
	}
	octave, steps := (c-32)/16, (c-32)%16+16
	return time.Duration(uint64(steps)<<(octave+1)) * time.Millisecond
}

// sorted puts samples into the order of time. Of several at one moment the
// first stays: the sink takes what it has had before once more.
func sorted(samples []Sample) []Sample {
	byTime := func(a, b Sample) int { return cmp.Compare(a.At.UnixMilli(), b.At.UnixMilli()) }
	if !slices.IsSortedFunc(samples, byTime) {
		slices.SortStableFunc(samples, byTime)
	}
	return slices.CompactFunc(samples, func(a, b Sample) bool { return a.At.UnixMilli() == b.At.UnixMilli() })
}

// A batch of the journal is
//
//	version 1 byte
//	first   varint, Unix milliseconds
//	entry*  slug, varint distance to the entry before, took, and the outcome as
//	        in a chunk: uvarint index, new ones follow
//
// It is written in one piece with the transaction that takes the results, so
// what the engine was told is taken is there after a kill.

type journalEntry struct {
	Slug   string
	Sample Sample
}

func encodeJournal(entries []journalEntry) []byte {
	b := append(make([]byte, 0, 16+32*len(entries)), chunkVersion)
	if len(entries) == 0 {
		return b
	}
	last := entries[0].Sample.At.UnixMilli()
	b = binary.AppendVarint(b, last)
	var known []outcome
	for _, e := range entries {
		ms, o := e.Sample.At.UnixMilli(), e.Sample.outcome()
		o.Detail = cutBytes(o.Detail, maxChunkWords)
		b = appendText(b, e.Slug)
		b = binary.AppendVarint(b, ms-last)
		b = append(b, quantise(e.Sample.Took))
		last = ms
		at := slices.Index(known, o)
		if at >= 0 {
			b = binary.AppendUvarint(b, uint64(at))
			continue
		}
		b = appendOutcome(binary.AppendUvarint(b, uint64(len(known))), o)
		known = append(known, o)
	}
	return b
}

// readJournal walks through a batch. only, when not empty, skips other slugs.
func readJournal(b []byte, only string, yield func(journalEntry)) error {
	if len(b) == 0 || b[0] != chunkVersion {
		return fmt.Errorf("%w: journal without version", errChunk)
	}
	r := reader{b: b[1:]}
	if len(r.b) == 0 {
		return nil
	}
	last := r.varint()
	var known []outcome
	for len(r.b) > 0 {
		n := r.uvarint()
		if r.bad || n > maxChunkWords || n > uint64(len(r.b)) {
			return fmt.Errorf("%w: journal", errChunk)
		}
		slug := r.b[:n]
		r.b = r.b[n:]
		last += r.varint()
		took := r.byte()
		i := r.uvarint()
		if i == uint64(len(known)) && !r.bad {
			known = append(known, r.outcome())
		}
		if r.bad || i >= uint64(len(known)) || last < -maxMoment || last > maxMoment {
			return fmt.Errorf("%w: journal", errChunk)
		}
		if only == "" || string(slug) == only {
			yield(journalEntry{string(slug), known[i].at(last, took)})
		}
	}
	return nil
}
