package sonde

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tuermer/internal/notice/monitor"
)

func report(n int, ok bool) Report {
	return Report{Monitor: "m", At: int64(n), OK: ok, Reason: monitor.ReasonOK, State: monitor.Up, Detail: "zeile\n2"}
}

func open(t interface{ Fatal(...any) }, dir string, limit int) *Spool {
	s, err := OpenSpool(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func waitingIn(s *Spool) (out []int64) {
	ps, _, _ := s.Next(1 << 30)
	for _, p := range ps {
		out = append(out, p.At)
	}
	return out
}

// Whatever is added is still there after a crash at any moment, in order, until
// it was delivered; a crash may bring back what was delivered and lose nothing.
func TestSpoolSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "spool")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		s := open(t, dir, 0)
		var want []int64 // added and not delivered
		n := 0
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"add", "add", "done", "crash", "torn"}).Draw(t, "what") {
			case "add":
				var ps []Report
				for range rapid.IntRange(1, 4).Draw(t, "n") {
					n++
					ps = append(ps, report(n, true))
					want = append(want, int64(n))
				}
				if err := s.Add(ps, func(int) bool { return false }); err != nil {
					t.Fatal(err)
				}
			case "done":
				ps, upTo, _ := s.Next(rapid.IntRange(1, 5).Draw(t, "batch"))
				if len(ps) > 0 {
					if err := s.Done(upTo); err != nil {
						t.Fatal(err)
					}
					want = want[len(ps):]
				}
			case "crash": // nothing is said to the file, it is just opened again
				s = open(t, dir, 0)
			case "torn": // a write that the machine did not finish
				raw := appendLine(nil, spoolLine{N: s.last + 1, P: &Report{Monitor: "never", At: -1}})
				raw = raw[:rapid.IntRange(0, len(raw)-2).Draw(t, "cut")]
				f, err := os.OpenFile(filepath.Join(dir, "spool"), os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write(raw); err != nil {
					t.Fatal(err)
				}
				_ = f.Close()
				s = open(t, dir, 0)
			}
			if got := waitingIn(s); !slices.Equal(got, want) {
				t.Fatalf("waiting %v, want %v", got, want)
			}
		}
		_ = s.Close()
	})
}

// A full spool gives up the oldest healthy results first, then other repeats,
// and changes never.
func TestSpoolSheds(t *testing.T) {
	s := open(t, t.TempDir(), 100)
	for i := range 300 {
		// every tenth is a change, every third is bad
		if err := s.Add([]Report{report(i, i%3 != 0)}, func(int) bool { return i%10 == 0 }); err != nil {
			t.Fatal(err)
		}
	}
	ps, _, _ := s.Next(1000)
	changes, healthy := 0, 0
	for _, p := range ps {
		if p.At%10 == 0 {
			changes++
		} else if p.OK {
			healthy++
		}
	}
	waiting, dropped := s.Waiting()
	if changes != 30 || len(ps) > 100 || waiting != int64(len(ps)) || dropped != int64(300-len(ps)) {
		t.Fatalf("%d changes, %d waiting, %d dropped", changes, len(ps), dropped)
	}
	if newest := ps[len(ps)-1].At; newest != 299 {
		t.Fatalf("the newest is gone: %d", newest)
	}
	if healthy > 11 { // those that came since it was last full
		t.Fatalf("%d healthy results kept while bad ones went", healthy)
	}
	// It is so on the disk, too.
	again := open(t, filepath.Dir(s.path), 100)
	if !slices.Equal(waitingIn(again), waitingIn(s)) {
		t.Fatal("the file says something else")
	}
	if _, d := again.Waiting(); d != dropped {
		t.Fatalf("dropped %d, want %d", d, dropped)
	}
	// Changes alone may be more than the limit.
	for i := range 150 {
		if err := s.Add([]Report{report(1000+i, false)}, func(int) bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	if w, _ := s.Waiting(); w != 180 {
		t.Fatalf("a change was given up: %d", w)
	}
}

// The file does not grow with what was delivered.
func TestSpoolStaysSmall(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	batch := make([]Report, 400)
	for i := range batch {
		batch[i] = report(i, true)
	}
	for range 40 {
		if err := s.Add(batch, func(int) bool { return false }); err != nil {
			t.Fatal(err)
		}
		_, upTo, _ := s.Next(1000)
		if err := s.Done(upTo); err != nil {
			t.Fatal(err)
		}
	}
	if i, err := os.Stat(s.path); err != nil || i.Size() > 2*spoolSlack {
		t.Fatal(i.Size(), err)
	}
}

// FuzzReadSpool: whatever is in the file, reading it ends, keeps its order, and
// brings back what was whole.
func FuzzReadSpool(f *testing.F) {
	p := report(7, true)
	whole := appendLine(appendLine(nil, spoolLine{N: 1, P: &p}), spoolLine{N: 2, Keep: true, P: &p})
	f.Add(whole)
	f.Add(appendLine(bytes.Clone(whole), spoolLine{Done: 1, Dropped: 3}))
	f.Add(whole[:len(whole)-9])
	f.Add([]byte("00000000 {}\n\n\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		queue, last, dropped := readSpool(raw)
		var before int64
		for _, e := range queue {
			if e.N <= before || e.N > last {
				t.Fatalf("number %d after %d, last %d", e.N, before, last)
			}
			before = e.N
		}
		if dropped < 0 {
			t.Fatal(dropped)
		}
		if last > 1<<60 {
			return
		}
		more := append(bytes.Clone(raw), '\n')
		more = appendLine(more, spoolLine{N: last + 1, P: &p})
		if again, _, _ := readSpool(more); len(raw) < 1<<19 && (len(again) == 0 || again[len(again)-1].N != last+1) {
			t.Fatal("a whole line behind it is lost")
		}
	})
}

// FuzzParseDelivery: what comes through is within its bounds.
func FuzzParseDelivery(f *testing.F) {
	f.Add([]byte(`{"sent":1772460000000,"reports":[{"m":"portal","at":1772460000000,"took":12,"ok":true,"reason":"ok","state":"up"}]}`))
	f.Add([]byte(`{"sent":1,"waiting":-1}`))
	f.Add([]byte(`{"sent":1,"reports":[{"m":"portal","at":1,"reason":"<script>","state":"up","detail":"\u0000\u202e<b>"}]}`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := ParseDelivery(raw)
		if err != nil {
			return
		}
		if len(d.Reports) > maxReports || !plausible(d.Sent) || len(d.Version) > 40 {
			t.Fatalf("%+v", d)
		}
		for _, p := range d.Reports {
			if !plausible(p.At) || len(p.Detail) > monitor.MaxDetail || bytes.ContainsAny([]byte(p.Detail), "\x00<>\n") || p.TookMS < 0 {
				t.Fatalf("%+v", p)
			}
			_ = fmt.Sprint(p.result(clockOf(p)), p.Monitor)
		}
	})
}
