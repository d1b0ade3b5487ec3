package monitor

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var someMoment = time.Date(2026, 11, 23, 13, 2, 0, 0, time.UTC)

// drawSamples draws samples as an engine makes them: mostly at the pace of the
// interval, now and then late, twice, or with the clock set back.
func drawSamples(t *rapid.T, most int) []Sample {
	at := someMoment.Add(time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, "begin")) * time.Millisecond)
	interval := time.Duration(rapid.SampledFrom([]int64{1000, 5000, 60_000, 86_400_000}).Draw(t, "interval")) * time.Millisecond
	out := make([]Sample, rapid.IntRange(1, most).Draw(t, "n"))
	for i := range out {
		step := interval + time.Duration(rapid.Int64Range(-40, 40).Draw(t, "jitter"))*time.Millisecond
		switch rapid.IntRange(0, 30).Draw(t, "turn") {
		case 0:
			step = 0 // the same moment again
		case 1:
			step = -time.Duration(rapid.Int64Range(0, 1e8).Draw(t, "back")) * time.Millisecond
		case 2:
			step = time.Duration(rapid.Int64Range(0, 1e10).Draw(t, "gap")) * time.Millisecond
		}
		at = at.Add(step)
		s := Sample{State: Up, Result: Result{At: at, Took: time.Duration(rapid.Int64Range(0, 700_000).Draw(t, "took")) * time.Millisecond, OK: true, Reason: ReasonOK, Code: 200}}
		if rapid.IntRange(0, 9).Draw(t, "bad") == 0 {
			s.OK, s.State = false, rapid.SampledFrom([]State{Suspect, Down, Maintenance, "", "later-invented"}).Draw(t, "state")
			s.Reason, s.Code = rapid.SampledFrom(Reasons()).Draw(t, "reason"), rapid.IntRange(-1, 599).Draw(t, "code")
			s.Detail = rapid.SampledFrom([]string{"", "connection refused", "Zertifikat läuft ab"}).Draw(t, "detail")
		}
		out[i] = s
	}
	return out
}

// rounded is s as it comes back.
func rounded(samples []Sample) []Sample {
	out := slices.Clone(samples)
	for i := range out {
		out[i].Took = unquantise(quantise(out[i].Took))
	}
	return out
}

// What goes into a chunk comes out of it: times to the millisecond, outcomes to
// the letter, response times within three percent.
func TestChunkKeeps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := sorted(drawSamples(t, 300))
		got, err := decodeChunk(encodeChunk(samples))
		if err != nil {
			t.Fatal(err)
		}
		if want := rounded(samples); !reflect.DeepEqual(got, want) {
			t.Fatalf("got\n%v\nwant\n%v", got, want)
		}
	})
}

// Growing a chunk piece by piece makes what writing it at once makes, whatever
// the pieces; one that reaches back is refused and changes nothing.
func TestChunkGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := sorted(drawSamples(t, 200))
		cut := rapid.IntRange(1, len(samples)).Draw(t, "cut")
		chunk := encodeChunk(samples[:cut])
		before := slices.Clone(chunk)
		for rest := samples[cut:]; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			grown, ok, err := growChunk(chunk, rest[:n])
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			chunk, rest = grown, rest[n:]
		}
		got, err := decodeChunk(chunk)
		if err != nil {
			t.Fatal(err)
		}
		if want := rounded(samples); !reflect.DeepEqual(got, want) {
			t.Fatalf("got\n%v\nwant\n%v", got, want)
		}
		if _, ok, err := growChunk(before, samples[:1]); ok || err != nil {
			t.Fatalf("took a sample that reaches back: %v", err)
		}
	})
}

// The journal keeps a batch in the order in which it came.
func TestJournalKeeps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var batch, mine []journalEntry
		for i, s := range rounded(drawSamples(t, 200)) {
			e := journalEntry{fmt.Sprintf("m%d", i%7), s}
			batch = append(batch, e)
			if i%7 == 3 {
				mine = append(mine, e)
			}
		}
		b := encodeJournal(batch)
		for only, want := range map[string][]journalEntry{"": batch, "m3": mine} {
			var got []journalEntry
			if err := readJournal(b, only, func(e journalEntry) { got = append(got, e) }); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: got\n%v\nwant\n%v", only, got, want)
			}
		}
	})
}

// A monitor that is probed every minute and is well costs two bytes a check;
// failures that repeat cost no more.
func TestChunkIsSmall(t *testing.T) {
	var samples []Sample
	for i := range chunkSamples {
		s := Sample{State: Up, Result: Result{
			At: someMoment.Add(time.Duration(i)*time.Minute + time.Duration(i*7%23)*time.Millisecond), Took: time.Duration(20+i*13%40) * time.Millisecond,
			OK: true, Reason: ReasonOK, Code: 200,
		}}
		if i%500 > 470 {
			s.OK, s.State, s.Reason, s.Code, s.Detail = false, Down, ReasonRefused, 0, "connection refused"
		}
		samples = append(samples, s)
	}
	if n := float64(len(encodeChunk(samples))) / chunkSamples; n > 2.1 {
		t.Errorf("%.2f bytes a check", n)
	}
}

// What a failing target says differently each time must not fill the disk: the
// reason stays, the text goes.
func TestChunkBoundsTexts(t *testing.T) {
	var samples []Sample
	for i := range 1000 {
		samples = append(samples, Sample{State: Down, Result: Result{
			At: someMoment.Add(time.Duration(i) * time.Minute), Reason: ReasonBody, Detail: fmt.Sprintf("%0300d", i),
		}})
	}
	b := encodeChunk(samples)
	if len(b) > maxDetails*310+5*1000 {
		t.Errorf("%d bytes", len(b))
	}
	got, err := decodeChunk(b)
	if err != nil || len(got) != 1000 || got[0].Detail == "" || got[999].Detail != "" || got[999].Reason != ReasonBody {
		t.Fatal(len(got), err)
	}
}

// Response times come back within three percent, and in order.
func TestQuantise(t *testing.T) {
	last := time.Duration(-1)
	for c := range 256 {
		d := unquantise(byte(c))
		if d <= last || quantise(d) != byte(c) {
			t.Fatalf("code %d: %v after %v, back as %d", c, d, last, quantise(d))
		}
		last = d
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 500_000).Draw(t, "ms")) * time.Millisecond
		if off := math.Abs(float64(unquantise(quantise(d)) - d)); off > 0.032*float64(d) {
			t.Fatalf("%v became %v", d, unquantise(quantise(d)))
		}
	})
	if quantise(-time.Second) != 0 || quantise(math.MaxInt64) != 255 {
		t.Error("the ends do not hold")
	}
}

// FuzzChunk: damaged bytes are refused, never a crash and never a flood; what
// is taken can be written again.
func FuzzChunk(f *testing.F) {
	f.Add(encodeChunk(nil))
	f.Add(encodeChunk([]Sample{{State: Up, Result: Result{At: someMoment, OK: true, Reason: ReasonOK, Code: 200}}}))
	f.Add(encodeChunk([]Sample{
		{State: Up, Result: Result{At: someMoment, OK: true, Reason: ReasonOK}},
		{State: Suspect, Result: Result{At: someMoment.Add(time.Minute), Reason: ReasonStatus, Code: 503, Detail: "x"}},
		{State: Up, Result: Result{At: someMoment.Add(2 * time.Minute), OK: true, Reason: ReasonOK}},
	}))
	f.Add([]byte{chunkVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodeChunk(b)
		if len(got) > len(b) {
			t.Fatalf("%d samples in %d bytes", len(got), len(b))
		}
		if err != nil {
			return
		}
		want := sorted(slices.Clone(got))
		again, err := decodeChunk(encodeChunk(want))
		if err != nil {
			t.Fatal(err)
		}
		if len(again) != len(want) {
			t.Fatalf("%d samples, then %d", len(want), len(again))
		}
		for i := range want {
			if !again[i].At.Equal(want[i].At) || again[i].OK != want[i].OK || again[i].Reason != want[i].Reason || again[i].Took != want[i].Took {
				t.Fatalf("%v became %v", want[i], again[i])
			}
		}
	})
}

// FuzzJournal: as FuzzChunk, for batches.
func FuzzJournal(f *testing.F) {
	f.Add(encodeJournal(nil), "")
	f.Add(encodeJournal([]journalEntry{{"a", Sample{State: Up, Result: Result{At: someMoment, OK: true, Reason: ReasonOK}}}, {"b", Sample{Result: Result{At: someMoment}}}}), "b")
	f.Fuzz(func(t *testing.T, b []byte, only string) {
		n := 0
		_ = readJournal(b, only, func(e journalEntry) {
			if n++; only != "" && e.Slug != only {
				t.Fatalf("%q is not %q", e.Slug, only)
			}
		})
		if n > len(b) {
			t.Fatalf("%d entries in %d bytes", n, len(b))
		}
	})
}

// FuzzRollup: as FuzzChunk, for the figures of a day.
func FuzzRollup(f *testing.F) {
	f.Add(encodeDay(figureHours([]Sample{{State: Up, Result: Result{At: someMoment, OK: true, Took: time.Second}}}, time.Hour, 0, 1e9, farOff), dayOf(hourOf(someMoment))))
	f.Fuzz(func(t *testing.T, b []byte) {
		hours := map[int64]*Figures{}
		if decodeDay(b, 7, hours) != nil {
			return
		}
		again := map[int64]*Figures{}
		if err := decodeDay(encodeDay(hours, 7), 7, again); err != nil {
			t.Fatal(err)
		}
		for h, f := range hours {
			if g := again[h]; g == nil || g.Checks != f.Checks || g.Up != f.Up || g.Down != f.Down || g.Percentile(95) != f.Percentile(95) {
				t.Fatalf("%+v became %+v", f, g)
			}
		}
	})
}
