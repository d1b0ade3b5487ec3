package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/gateway"
)

// noSecrets seals nothing: short messages have none.
type noSecrets struct{}

func (noSecrets) Seal(_ string, b []byte) ([]byte, error) { return b, nil }
func (noSecrets) Open(_ string, b []byte) ([]byte, error) { return b, nil }

// BenchmarkPage pages 300 people (R1): from the transaction that writes their
// messages until the provider, which takes 50 ms for each, has taken the last one
// and that is noted. The database is a real SQLite file.
func BenchmarkPage(b *testing.B) {
	const people = 300
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(50 * time.Millisecond)
		_, _ = io.WriteString(w, `{"id":"1"}`)
	}))
	defer srv.Close()
	w := storetest.SQLite(b, channel.Migrations())
	a, err := gateway.New(gateway.Options{Name: "gateway", URL: srv.URL, Body: contract, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	r := channel.New(channel.Options{
		Store: w.Store, Clock: clock.System{}, Vault: noSecrets{}, Sole: true,
		Adapters: func(context.Context) []channel.Adapter { return []channel.Adapter{a} },
	})
	taken := make(chan channel.SettledEvent, people)
	bus.On(w.Bus, channel.Settled, "bench.settled", func(_ context.Context, e bus.Event[channel.SettledEvent]) error {
		taken <- e.Data
		return nil
	})
	w.Start(b)
	if err := r.Start(w.Ctx); err != nil {
		b.Fatal(err)
	}
	defer r.Stop()
	run := 0
	for b.Loop() {
		run++
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
			for i := range people {
				m := message()
				m.ID, m.To = fmt.Sprintf("m%d-%d", run, i), fmt.Sprintf("+4917000%05d", i)
				if err := r.Send(ctx, m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		for range people {
			if e := <-taken; e.State != channel.Accepted {
				b.Fatalf("%+v", e)
			}
		}
	}
	b.ReportMetric(people/(b.Elapsed().Seconds()/float64(b.N)), "messages/s")
}
