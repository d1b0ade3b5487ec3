//go:build linux

package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var lostReports = []badDay{
	{"reports killed ten times", func(t *testing.T, r *built) { killReports(t, r, 10, "") }},
	{"reports killed three times, PostgreSQL", func(t *testing.T, r *built) { killReports(t, r, 3, ownSchema(t)) }},
}

// killReports kills the program while another system reports: what was answered
// with 2xx is there afterwards, each report once.
func killReports(t *testing.T, r *built, kills int, database string) {
	dice := r.dice(t)
	h := r.house(t, townYAML)
	h.database = database
	p := h.serve()
	token := h.token(bert)
	code, out, errs := h.once("source", "add", "--format", "prtg", "--name", "PRTG")
	_, path, ok := strings.Cut(strings.TrimSpace(out), "/in/")
	if code != 0 || !ok {
		t.Fatalf("source add: %d %s %s", code, out, errs)
	}
	var next, taken atomic.Int64
	var answered sync.Map // the key of every report that was taken
	for range kills {
		before := taken.Load()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					key := fmt.Sprint(next.Add(1))
					res, err := freshConn.Post(p.staff+"/in/"+path, "application/x-www-form-urlencoded", strings.NewReader("id="+key+"&status=Down"))
					if err != nil {
						return // it is dead
					}
					_ = res.Body.Close()
					if res.StatusCode == http.StatusOK {
						answered.Store("intake:prtg:"+key, true)
						taken.Add(1)
					} else if res.StatusCode < http.StatusInternalServerError {
						t.Errorf("%s: %d", key, res.StatusCode)
						return
					}
				}
			})
		}
		within(t, 60*time.Second, "reports are taken", func() bool { return taken.Load() > before+10 })
		pause(t, moment(dice, 300*time.Millisecond))
		p.kill()
		wg.Wait()
		p = h.serve()
	}
	times := map[string]int{}
	for after := ""; ; {
		list := p.must(token, http.MethodGet, "/api/v1/signals?limit=200&after="+after, "", http.StatusOK)
		items, _ := list["items"].([]any)
		for _, i := range items {
			s, _ := i.(map[string]any)
			key, _ := s["key"].(string)
			times[key]++
		}
		if after, _ = list["next"].(string); after == "" {
			break
		}
	}
	n := 0
	answered.Range(func(key, _ any) bool {
		n++
		if k, _ := key.(string); times[k] != 1 {
			t.Errorf("%s was answered and is there %d times", k, times[k])
		}
		return true
	})
	t.Logf("%d kills, %d reports answered, all there", kills, n)
	p.endsWell()
}
