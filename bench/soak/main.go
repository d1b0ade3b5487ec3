// Command soak lets the real program watch ten thousand targets for an hour of
// real time, and writes a line every minute: memory, goroutines, files,
// lateness, database. At the end it says whether anything drifted or grew.
//
//	go run ./bench/soak -for 1h -monitors 10000
//
// Lateness is seen from outside: a monitor's looks must stay one interval apart,
// so each arrival is compared with the second one (the first is not on the
// grid) plus whole intervals. The clock for that is this process's own.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"tuermer/bench/rig"
)

func main() {
	long := flag.Duration("for", time.Hour, "how long")
	monitors := flag.Int("monitors", 10_000, "how many")
	interval := flag.Duration("interval", time.Minute, "of each")
	flag.Parse()
	rig.Main(func(ctx context.Context, dir string) error { return soak(ctx, dir, *long, *monitors, *interval) })
}

// arrivals notes when each monitor was looked at.
type arrivals struct {
	interval time.Duration

	mu    sync.Mutex
	n     []int
	grid  []time.Time // the second look
	last  []time.Time
	off   []float64 // milliseconds off the grid, since the last report
	worst time.Duration
}

func (a *arrivals) see(path string) {
	now := time.Now()
	i, err := strconv.Atoi(path[min(2, len(path)):]) // "/m00042"
	if err != nil || i >= len(a.n) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n[i]++; a.n[i] == 2 {
		a.grid[i] = now
	}
	if a.n[i] > 2 {
		since := now.Sub(a.grid[i])
		off := since - since.Round(a.interval)
		a.off = append(a.off, float64(off)/1e6)
	}
	if !a.last[i].IsZero() {
		a.worst = max(a.worst, now.Sub(a.last[i]))
	}
	a.last[i] = now
}

// minute is one line of the report.
type minute struct {
	looks           int
	p50, p99, most  float64 // |ms| off the grid
	drift           float64 // median ms off the grid, with sign
	heap, rss       float64 // MB
	routines, files float64
	unsaved         float64
	data            float64 // MB
	cpu             time.Duration
	longest         time.Duration // between two looks at one monitor
}

func soak(ctx context.Context, dir string, long time.Duration, monitors int, interval time.Duration) error {
	bin, err := rig.Build(ctx, dir)
	if err != nil {
		return err
	}
	a := &arrivals{interval: interval, n: make([]int, monitors), grid: make([]time.Time, monitors), last: make([]time.Time, monitors)}
	var targets []*rig.Target
	for range 16 {
		t, err := rig.NewTarget(nil)
		if err != nil {
			return err
		}
		t.Seen = a.see
		defer t.Down()
		targets = append(targets, t)
	}
	p, err := rig.Serve(bin, dir, rig.Town+rig.Monitors(monitors, "http", targets, fmt.Sprintf("interval: %s, expect: {body: Willkommen}", interval)))
	if err != nil {
		return err
	}
	defer p.Stop()
	fmt.Printf("%d monitors, %s interval, %s\n", monitors, interval, long)
	fmt.Println("minute  looks  off-grid ms: p50   p99    max  median | heap MB  RSS MB  goroutines  files  unsaved  data MB  CPU s  longest gap")
	var lines []minute
	begin := time.Now()
	cpu := p.CPU()
	for i := 1; time.Duration(i)*time.Minute <= long; i++ {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Minute)))
		m, err := a.report(p)
		if err != nil {
			return fmt.Errorf("minute %d: %w\n%s", i, err, p.Log())
		}
		m.cpu, cpu = m.cpu-cpu, m.cpu
		lines = append(lines, m)
		fmt.Printf("%6d %6d  %16.1f %6.1f %7.1f %7.2f | %7.1f %7.1f  %10.0f %6.0f %8.0f %8.1f %6.2f  %s\n",
			i, m.looks, m.p50, m.p99, m.most, m.drift, m.heap, m.rss, m.routines, m.files, m.unsaved, m.data, m.cpu.Seconds(), m.longest.Round(time.Millisecond))
	}
	a.verdict(lines, monitors)
	return nil
}

func (a *arrivals) report(p *rig.Process) (m minute, err error) {
	f, err := p.Figures()
	if err != nil {
		return m, err
	}
	a.mu.Lock()
	off, worst := a.off, a.worst
	a.off, a.worst = nil, 0
	a.mu.Unlock()
	abs := make([]float64, len(off))
	for i, v := range off {
		abs[i] = math.Abs(v)
	}
	return minute{
		looks: len(off), p50: rig.Quantile(abs, 0.5), p99: rig.Quantile(abs, 0.99), most: rig.Quantile(abs, 1), drift: rig.Quantile(off, 0.5),
		heap: f["go_memstats_heap_inuse_bytes"] / 1e6, rss: float64(p.RSS()) / 1e6, routines: f["go_goroutines"], files: f["process_open_fds"],
		unsaved: f["tuermer_monitor_unsaved"], data: float64(p.DataSize()) / 1e6, cpu: p.CPU(), longest: worst,
	}, nil
}

// verdict compares the last third with the second, for the first warms up.
func (a *arrivals) verdict(lines []minute, monitors int) {
	third := len(lines) / 3
	if third == 0 {
		return
	}
	mean := func(ms []minute, of func(minute) float64) float64 {
		sum := 0.0
		for _, m := range ms {
			sum += of(m)
		}
		return sum / float64(len(ms))
	}
	second, last := lines[third:2*third], lines[2*third:]
	for _, row := range []struct {
		name string
		of   func(minute) float64
	}{
		{"heap MB", func(m minute) float64 { return m.heap }},
		{"RSS MB", func(m minute) float64 { return m.rss }},
		{"goroutines", func(m minute) float64 { return m.routines }},
		{"open files", func(m minute) float64 { return m.files }},
		{"off the grid, median ms", func(m minute) float64 { return m.drift }},
		{"off the grid, p99 ms", func(m minute) float64 { return m.p99 }},
		{"CPU s a minute", func(m minute) float64 { return m.cpu.Seconds() }},
		{"looks a minute", func(m minute) float64 { return float64(m.looks) }},
	} {
		fmt.Printf("%-24s second third %9.2f   last third %9.2f\n", row.name, mean(second, row.of), mean(last, row.of))
	}
	checks, unseen := 0, 0
	a.mu.Lock()
	for i, n := range a.n {
		if checks += n; n == 0 || time.Since(a.last[i]) > 2*a.interval {
			unseen++
		}
	}
	a.mu.Unlock()
	grown := lines[len(lines)-1].data - lines[0].data
	fmt.Printf("%d checks, %d of %d monitors not looked at lately, data folder %.1f bytes a check\n", checks, unseen, monitors, grown*1e6/float64(max(checks, 1)))
}
