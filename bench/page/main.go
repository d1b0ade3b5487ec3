// Command page measures how long it takes until 300 people are paged (row R1 of the
// goals): the real program with SQLite, an escalation chain, and a provider of short
// messages over HTTP that takes 50 ms for each.
//
//	go run ./bench/page
//
// The clock starts when another monitoring system's report is sent and stops when the
// provider has taken the message to the last person.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tuermer/bench/rig"
)

// patience is how long a run may take.
const patience = 2 * time.Minute

func main() {
	people := flag.Int("people", 300, "who are paged")
	rounds := flag.Int("rounds", 3, "each with a fresh program")
	flag.Parse()
	rig.Main(func(ctx context.Context, dir string) error {
		bin, err := rig.Build(ctx, dir)
		if err != nil {
			return err
		}
		var all []time.Duration
		for i := range *rounds {
			took, err := page(ctx, bin, filepath.Join(dir, fmt.Sprint(i)), *people)
			if err != nil {
				return err
			}
			fmt.Printf("  %d people after %v\n", *people, took.Round(time.Millisecond))
			all = append(all, took)
		}
		fmt.Printf("\nR1, %d people by chain and short message, 50 ms each at the provider: median %v (goal < 5 s)\n", *people, rig.Median(all).Round(time.Millisecond))
		return nil
	})
}

// page lets one report come and waits until everybody's message is taken.
func page(ctx context.Context, bin, home string, people int) (time.Duration, error) {
	taken := make(chan string, 10*people)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ To string }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		time.Sleep(50 * time.Millisecond)
		taken <- m.To
		_, _ = io.WriteString(w, `{"id":"1"}`) // the program tells by its log if this fails
	}))
	defer provider.Close()
	p, err := rig.Serve(bin, home, config(provider.URL, people))
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	out, err := exec.CommandContext(ctx, bin, "source", "add", "--format", "prtg", "--name", "PRTG", "--data", p.Data,
		"--config", filepath.Join(home, "tuermer.yaml")).Output()
	if err != nil {
		return 0, fmt.Errorf("source add: %w", err)
	}
	_, path, ok := strings.Cut(strings.TrimSpace(string(out)), "/in/")
	if !ok {
		return 0, errors.New("source add told no address")
	}
	begin := time.Now()
	res, err := http.Post(p.Staff+"/in/"+path, "application/x-www-form-urlencoded",
		strings.NewReader("id=1&device=SRV1&sensor=Ping&group=Rathaus&status=Down&lastmessage=Timeout"))
	if err != nil {
		return 0, err
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("report: %s, %w", res.Status, err)
	}
	reached := map[string]bool{}
	for late := time.After(patience); len(reached) < people; {
		select {
		case to := <-taken:
			reached[to] = true
		case <-late:
			return 0, fmt.Errorf("%d of %d people after %v\n%s", len(reached), people, patience, p.Log())
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return time.Since(begin), nil
}

func config(provider string, people int) string {
	var b strings.Builder
	b.WriteString(rig.Town)
	for i := range people {
		fmt.Fprintf(&b, "  - {name: Person %03[1]d, email: p%03[1]d@benchstadt.example, mobile: \"+4917000%05[1]d\", roles: [approver]}\n", i)
	}
	fmt.Fprintf(&b, "sms: [{name: gateway, kind: http-json, url: %q, body: '{\"to\":\"{{.To}}\",\"text\":\"{{.Text}}\",\"id\":\"{{.ID}}\"}'}]\n", provider)
	b.WriteString("escalations:\n  - {slug: alle, name: Alle, default: true, steps: [{notify: [\"role:approver\"], by: [sms], wait: 30m}]}\n")
	return b.String()
}
