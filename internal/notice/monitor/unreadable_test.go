package monitor_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

// lostKey opens only what it sealed itself.
type lostKey struct{}

func (lostKey) Seal(_ string, b []byte) ([]byte, error) {
	return append([]byte("sealed:"), b...), nil
}

func (lostKey) Open(_ string, b []byte) ([]byte, error) {
	if len(b) < 7 || string(b[:7]) != "sealed:" {
		return nil, errors.New("wrong key")
	}
	return b[7:], nil
}

func spoilRow(t *testing.T, w *storetest.World, slug, set string) {
	t.Helper()
	err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewRaw("UPDATE monitor_entry SET " + set + " WHERE tenant_id = 't1' AND slug = '" + slug + "'").Exec(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A monitor that cannot be read alarms, and the others are watched as if nothing
// were. Saved anew it is looked at again, and its alarm ends.
func TestI20_UnreadableAlarms(t *testing.T) {
	for part, spoil := range map[string]string{
		"the secret": "secret = 'x'", "the spec": "spec = '{', secret = NULL",
		"the spec of one that others look at, too": "spec = '[', secret = NULL, sondes = ',fern,'",
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
				sealer := func(o *monitor.RoomOptions) { o.Vault = lostKey{} }
				heard := make(chan signal.Signal, 10)
				bus.On(w.Bus, signal.Recorded, "test.heard", func(_ context.Context, e bus.Event[signal.Signal]) error {
					heard <- e.Data
					return nil
				})
				w.Start(t)
				target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
				defer target.Close()
				r, _, _ := newRoom(t, w, sealer)
				save := func(slug string) {
					t.Helper()
					if err := r.Save(w.Ctx, monitor.Monitor{Slug: slug, Spec: monitor.Spec{URL: target.URL, Username: "it", Password: "geheim"}}); err != nil {
						t.Fatal(err)
					}
				}
				save("p")
				save("q")
				spoilRow(t, w, "p", spoil)

				r, _, _ = newRoom(t, w, sealer) // the next start
				if err := r.Start(w.Ctx); err != nil {
					t.Fatal(err)
				}
				defer r.Stop()
				next := func(want signal.State) {
					t.Helper()
					select {
					case s := <-heard:
						if s.Key != "monitor:p" || s.State != want || want == signal.Firing && s.Severity != signal.Critical {
							t.Fatalf("%+v", s)
						}
					case <-time.After(60 * time.Second):
						t.Fatal("no signal", want)
					}
				}
				next(signal.Firing)
				all, err := r.List(w.Ctx, monitor.Filter{})
				if err != nil || len(all) != 2 || !slices.Equal(all[0].Unreadable, []string{monitor.PartSpec}) || all[0].Held() != monitor.Down {
					t.Fatalf("%+v, %v", all, err)
				}
				if q := all[1]; q.Unreadable != nil || q.Held() != monitor.Up {
					t.Errorf("the other one: %+v", q)
				}
				if n, err := r.Counts(w.Ctx); err != nil || n[monitor.Down] != 1 {
					t.Errorf("%v, %v", n, err)
				}
				if err := r.Fold(w.Ctx); err != nil {
					t.Error(err)
				}
				save("p")
				next(signal.Resolved)
				if p, err := r.Get(w.Ctx, "p"); err != nil || p.Unreadable != nil || p.Held() != monitor.Up {
					t.Errorf("%+v, %v", p, err)
				}
			})
		})
	}
}

// Whatever else of a row is spoilt: its monitor is looked at, what is lost is
// named, and the lists stand.
func TestSpoiltPartsAreNamed(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		w.Start(t)
		target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
		defer target.Close()
		columns := map[string]string{
			"status": monitor.PartStatus, "windows": monitor.PartWindows, "rules": monitor.PartRules, "standing": monitor.PartStanding, "parents": "",
		}
		r, _, _ := newRoom(t, w)
		for column := range columns {
			if err := r.Save(w.Ctx, monitor.Monitor{Slug: column, Service: "", Spec: monitor.Spec{URL: target.URL}}); err != nil {
				t.Fatal(err)
			}
			spoilRow(t, w, column, column+" = '{'")
		}
		r, _, _ = newRoom(t, w)
		if err := r.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		all, err := r.List(w.Ctx, monitor.Filter{})
		if err != nil || len(all) != len(columns) {
			t.Fatal(all, err)
		}
		for _, m := range all {
			want := []string{columns[m.Slug]}
			if columns[m.Slug] == "" {
				want = nil
			}
			if !slices.Equal(m.Unreadable, want) {
				t.Errorf("%s: %v", m.Slug, m.Unreadable)
			}
			until(t, m.Slug+" is looked at", func() bool {
				m, err := r.Get(w.Ctx, m.Slug)
				return err == nil && m.Held() == monitor.Up
			})
		}
		if _, err := r.ByService(w.Ctx); err != nil {
			t.Error(err)
		}
		if _, _, err := r.Impaired(w.Ctx); err != nil {
			t.Error(err)
		}
	})
}
