package alert_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/service"
	"tuermer/internal/town/vault"
)

// timed notes when each alarm is handed to the outbox.
type timed struct {
	*world
	mu sync.Mutex
	at []time.Time
}

func (x *timed) Withdraw(context.Context, []string, channel.Why) ([]channel.Withdrawal, error) {
	return nil, nil
}

func (x *timed) Send(_ context.Context, m channel.Message) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if m.To == "bert@town.example" {
		x.at = append(x.at, time.Now())
	}
	return nil
}

// BenchmarkStepLateness lets 200 chains run in real time, whose second steps are
// all due within two seconds, and tells how late these are:
//
//	go test ./internal/raise/alert -run '^$' -bench StepLateness -benchtime 1x
func BenchmarkStepLateness(b *testing.B) {
	const chains = 200
	for b.Loop() {
		sw := storetest.SQLite(b, chained()...)
		_, w := setup(b, sw)
		for i := range chains {
			slug := fmt.Sprintf("s%03d", i)
			w.services[slug] = service.Service{Slug: slug, Name: slug}
		}
		out := &timed{world: w}
		now := clock.System{}
		rooms := chain.New(chain.Options{Store: sw.Store, Clock: now, Audit: w, People: w, Services: catalogueOf{w}})
		declareAll := chain.Chain{Slug: "edv", Name: "EDV", Default: true, Steps: []chain.Step{
			{Notify: []chain.Who{"person:ada@town.example"}, By: []chain.Way{chain.Mail}, Wait: 5 * time.Second},
			{Notify: []chain.Who{"person:bert@town.example"}, By: []chain.Way{chain.Mail}, Wait: time.Hour},
		}}
		if err := rooms.Declare(sw.Ctx, []chain.Chain{declareAll}); err != nil {
			b.Fatal(err)
		}
		v, err := vault.New(make([]byte, vault.KeySize))
		if err != nil {
			b.Fatal(err)
		}
		r := alert.New(alert.Options{
			Store: sw.Store, Clock: now, Hints: sw.Hints, Audit: w, Town: w, People: w, Services: w, Sender: out, Signer: v, Chain: rooms,
		})
		if err := r.Start(sw.Ctx); err != nil {
			b.Fatal(err)
		}
		for i := range chains {
			s := firing(fmt.Sprint("monitor:", i), fmt.Sprintf("s%03d", i), 1)
			if err := alert.Fold(r, sw.Ctx, s); err != nil {
				b.Fatal(err)
			}
		}
		for end := time.Now().Add(2 * time.Minute); ; {
			out.mu.Lock()
			n := len(out.at)
			out.mu.Unlock()
			if n == chains {
				break
			}
			if time.Now().After(end) {
				b.Fatalf("%d of %d steps", n, chains)
			}
			time.Sleep(50 * time.Millisecond)
		}
		r.Stop()
		var late []time.Duration
		all, err := r.List(sw.Ctx, alert.Filter{Limit: 1000})
		if err != nil {
			b.Fatal(err)
		}
		var due []time.Time
		for _, a := range all {
			course, err := r.Course(sw.Ctx, a.ID, alert.CourseFilter{})
			if err != nil {
				b.Fatal(err)
			}
			due = append(due, course[0].Until)
		}
		slices.SortFunc(due, time.Time.Compare)
		slices.SortFunc(out.at, time.Time.Compare)
		for i, at := range out.at {
			late = append(late, at.Sub(due[i]))
		}
		slices.Sort(late)
		b.ReportMetric(float64(late[chains/2].Milliseconds()), "p50-ms")
		b.ReportMetric(float64(late[chains*99/100].Milliseconds()), "p99-ms")
		b.ReportMetric(float64(late[chains-1].Milliseconds()), "max-ms")
	}
}
