//go:build linux

package publish

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
)

// A mailing to 20,000 through the durable ledger (real SQLite file, the channel
// takes everything at once), with the addresses sealed and in the clear.
//
//	go test -run '^$' -bench Mailing -benchtime 1x -count 3 ./internal/inform/publish
func BenchmarkMailing(b *testing.B) {
	const people = 20_000
	to := make([]string, people)
	for i := range to {
		to[i] = fmt.Sprintf("buergerin.nummer%06d@musterstadt.example", i)
	}
	// In no order, as people come: sorted addresses would spare the index what it
	// has to do otherwise, sealed or not.
	rand.New(rand.NewPCG(1, 2)).Shuffle(people, func(i, k int) { to[i], to[k] = to[k], to[i] }) //nolint:gosec // no secret
	for _, sealed := range []bool{false, true} {
		b.Run(map[bool]string{true: "sealed", false: "clear"}[sealed], func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				w := storetest.SQLite(b, rooms...)
				if !sealed {
					w.Store.SealWith(nil)
				}
				g := newRig(b, w)
				id := g.fresh(1)
				for i, a := range g.town.plan {
					if a.Slug == "citizens" {
						g.town.plan[i].Recipients = to
					}
				}
				g.opened(id, "portal")
				b.StartTimer()
				began := worked(b)
				s, err := g.trySay(id, template.First, "citizens")
				if err != nil {
					b.Fatal(err)
				}
				written := worked(b)
				all := ident.AcrossTenants(g.ctx)
				for {
					c, err := g.Counts(g.ctx, s.ID)
					if err != nil {
						b.Fatal(err)
					}
					if c.Waiting == 0 {
						if c.Accepted < people {
							b.Fatalf("%+v", c)
						}
						break
					}
					if _, err := g.deliverDue(all, g.clock.Now()); err != nil {
						b.Fatal(err)
					}
					g.clock.pass(time.Second)
				}
				b.ReportMetric((written - began).Seconds(), "cpu-s/release")
				b.ReportMetric((worked(b) - written).Seconds(), "cpu-s/delivery")
			}
		})
	}
}

// worked is the CPU time of this process: other work on the machine disturbs it
// least.
func worked(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
