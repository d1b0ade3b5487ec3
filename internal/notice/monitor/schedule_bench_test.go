package monitor

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkEngine runs 2,000 HTTP monitors every second against one target in
// the same process, and reports the CPU of everything, per check: schedule,
// probe, target, machine and handing over. The sink stores nothing.
func BenchmarkEngine(b *testing.B) {
	const monitors = 2000
	url := answerer(b)
	var checks atomic.Int64
	enough := make(chan struct{})
	e := NewEngine(EngineOptions{
		Probers: NewProbers(Options{Now: time.Now}), Now: time.Now,
		Sink: func(_ context.Context, batch []Observation) error {
			for _, o := range batch {
				if !o.Result.OK {
					b.Errorf("%+v", o.Result)
				}
			}
			if n := checks.Add(int64(len(batch))); n >= int64(b.N) && n-int64(len(batch)) < int64(b.N) {
				close(enough)
			}
			return nil
		},
	})
	var list []Item
	for i := range monitors {
		s, _ := Spec{URL: url, Interval: Duration(time.Second), Expect: Expect{Body: "Willkommen"}}.Normalize()
		list = append(list, Item{ID: fmt.Sprintf("m%d", i), Spec: s})
	}
	e.Set(list)
	b.ResetTimer()
	begin := cpu()
	e.Start(context.Background())
	<-enough
	spent := cpu() - begin
	b.StopTimer()
	e.Stop()
	b.ReportMetric(float64(spent.Microseconds())/float64(checks.Load()), "cpu-µs/op")
}

// BenchmarkEngineMemory reports what 10,000 idle monitors cost; one round
// takes a second, so run it with -benchtime 1x.
func BenchmarkEngineMemory(b *testing.B) {
	const monitors = 10_000
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for range min(b.N, 3) { // enough for a figure that does not vary
		before := heap()
		e := NewEngine(EngineOptions{Now: time.Now, Sink: func(context.Context, []Observation) error { return nil }})
		func() {
			var list []Item
			for i := range monitors {
				s, _ := Spec{URL: fmt.Sprintf("https://host-%d.example/pfad", i)}.Normalize()
				list = append(list, Item{ID: fmt.Sprintf("monitor-%d", i), Spec: s})
			}
			e.Set(list)
		}()
		b.ReportMetric(float64(heap()-before)/monitors, "bytes/monitor")
		runtime.KeepAlive(e)
	}
}
