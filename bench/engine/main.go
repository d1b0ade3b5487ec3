// Command engine measures the schedule as a town feels it, on the real program
// (rows N6, N7 and N8 of the goals): how soon everything was looked at after a
// start, how soon a webhook tells of a target that died, and what targets that
// hang do to the healthy ones. All figures are wall-clock: run it on a quiet
// machine, or read the load in its first line.
//
//	go run ./bench/engine            about eight minutes
//	go run ./bench/engine -only N6   sweep | N7 | N8
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"tuermer/bench/rig"
)

const interval = time.Minute

func main() {
	only := flag.String("only", "", "N6, N7 or N8; default all")
	monitors := flag.Int("monitors", 10_000, "of N6")
	flag.Parse()
	rig.Main(func(ctx context.Context, dir string) error {
		bin, err := rig.Build(ctx, dir)
		if err != nil {
			return err
		}
		for _, row := range []struct {
			name string
			run  func(bin, dir string) error
		}{
			{"N6", func(bin, dir string) error { return sweep(bin, dir, *monitors) }},
			{"N8", func(bin, dir string) error { return outages(bin, dir, "N8") }},
			{"N7", func(bin, dir string) error { return outages(bin, dir, "N7") }},
		} {
			if *only != "" && *only != row.name {
				continue
			}
			if err := row.run(bin, filepath.Join(dir, row.name)); err != nil {
				return fmt.Errorf("%s: %w", row.name, err)
			}
		}
		return nil
	})
}

// looks notes when each monitor was looked at.
type looks struct {
	mu  sync.Mutex
	all [][]time.Time
}

func newLooks(n int) *looks { return &looks{all: make([][]time.Time, n)} }

func (l *looks) see(path string) {
	now := time.Now()
	i, err := strconv.Atoi(path[min(2, len(path)):]) // "/m00042"
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i < len(l.all) {
		l.all[i] = append(l.all[i], now)
	}
}

// of is a copy of the looks at one monitor.
func (l *looks) of(i int) []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]time.Time(nil), l.all[i]...)
}

// swept waits until every monitor was looked at since begin, and answers how
// long that took.
func (l *looks) swept(begin time.Time, limit time.Duration) (time.Duration, error) {
	for {
		var last time.Time
		missing := 0
		l.mu.Lock()
		for _, at := range l.all {
			var first time.Time
			for k := len(at) - 1; k >= 0 && at[k].After(begin); k-- {
				first = at[k]
			}
			if first.IsZero() {
				missing++
			} else if first.After(last) {
				last = first
			}
		}
		l.mu.Unlock()
		if missing == 0 {
			return last.Sub(begin), nil
		}
		if time.Since(begin) > limit {
			return 0, fmt.Errorf("%d were not looked at within %s", missing, limit)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func targetsFor(n int, see func(string)) (out []*rig.Target, err error) {
	for range n {
		t, err := rig.NewTarget(nil)
		if err != nil {
			return out, err
		}
		t.Seen = see
		out = append(out, t)
	}
	return out, nil
}

// sweep (N6): ten thousand monitors, from the start of the process to the last
// one's first look; again after a restart on the same data; and what a change in
// the console, which loads all of them anew, does to the others' schedule.
func sweep(bin, dir string, monitors int) error {
	l := newLooks(monitors)
	targets, err := targetsFor(16, l.see)
	if err != nil {
		return err
	}
	defer down(targets)
	yaml := rig.Town + rig.Monitors(monitors, "http", targets, "interval: 60s, expect: {body: Willkommen}")
	fmt.Printf("\nN6: %d monitors, 60 s\n", monitors)
	var p *rig.Process
	for _, what := range []string{"first start", "restart"} {
		if p != nil {
			p.Stop()
		}
		begin := time.Now()
		if p, err = rig.Serve(bin, dir, yaml); err != nil {
			return err
		}
		defer p.Stop()
		ready := time.Since(begin)
		took, err := l.swept(begin, 3*time.Minute)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, p.Log())
		}
		fmt.Printf("  %-12s ready after %s, all looked at after %s (goal ≤ 60 s; Gatus 37 min)\n", what, seconds(ready), seconds(took))
	}
	time.Sleep(interval) // everybody is on the grid
	token, err := tokenOf(bin, dir)
	if err != nil {
		return err
	}
	before := stateSince(p, token)
	begin := time.Now()
	var worst time.Duration
	const changes = 10
	for i := range changes {
		at := time.Now()
		body := fmt.Sprintf(`{"slug":"neu%d","name":"neu","url":"http://%s/neu"}`, i, targets[0].Addr)
		if status, answer, err := call(p, token, "POST", "/api/v1/monitors", body); err != nil || status != http.StatusCreated {
			return errors.Join(err, fmt.Errorf("create: %d %s", status, answer))
		}
		worst = max(worst, time.Since(at))
	}
	time.Sleep(time.Until(begin.Add(interval + 5*time.Second)))
	var off time.Duration
	again := 0
	for i := range monitors {
		at := l.of(i)
		k := len(at) - 1
		for k > 0 && at[k-1].After(begin) {
			k--
			again++
		}
		gap := at[k].Sub(at[k-1])
		off = max(off, (gap - interval).Abs())
	}
	same := "nothing was reset"
	if after := stateSince(p, token); after != before {
		same = fmt.Sprintf("RESET: %s became %s", before, after)
	}
	// Some fall due twice in 65 s; whoever was restarted would add to them.
	fmt.Printf("  %d reloads by the API: slowest call %s, worst shift of another monitor %s, %d of %d looked at twice in 65 s (5/60 are due twice), %s\n",
		changes, seconds(worst), seconds(off), again, monitors, same)
	return nil
}

// stateSince is what the first hundred monitors are held to be, and since when.
func stateSince(p *rig.Process, token string) string {
	_, raw, err := call(p, token, "GET", "/api/v1/monitors?limit=100", "")
	if err != nil {
		return err.Error()
	}
	var list struct {
		Items []struct{ Slug, State, Since string }
	}
	if err := json.Unmarshal(raw, &list); err != nil || len(list.Items) == 0 {
		return fmt.Sprintf("no list: %v %.200s", err, raw)
	}
	return fmt.Sprint(list.Items)
}

const towns = 120 // targets of N7 and N8

// outages measures from a target's failing to the webhook that tells of it.
func outages(bin, dir, row string) error {
	l := newLooks(towns)
	targets, err := targetsFor(towns, l.see)
	if err != nil {
		return err
	}
	defer down(targets)
	h, err := newHook()
	if err != nil {
		return err
	}
	defer h.close()
	var yaml strings.Builder
	yaml.WriteString(rig.Town + "webhooks: [{name: bench, url: \"" + h.url + "\"}]\nservices:\n")
	for i := range towns {
		fmt.Fprintf(&yaml, "  - {slug: s%05d, name: Dienst %d, article: der, owner: ada@benchstadt.example}\n", i, i)
	}
	yaml.WriteString("monitors:\n")
	for i, t := range targets {
		fmt.Fprintf(&yaml, "  - {slug: m%05d, service: s%05d, url: \"http://%s/m%05d\", interval: 60s, timeout: 10s, confirm: 3, expect: {body: Willkommen}}\n", i, i, t.Addr, i)
	}
	p, err := rig.Serve(bin, dir, yaml.String())
	if err != nil {
		return err
	}
	defer p.Stop()
	if _, err := l.swept(time.Now(), 2*interval); err != nil {
		return err
	}
	if _, err := l.swept(time.Now(), 2*interval); err != nil { // now on the grid
		return err
	}
	if row == "N8" {
		return halfHangs(p, l, targets, h)
	}
	return hardDown(p, l, targets, h)
}

// hardDown (N7): each target dies once, at moments that are spread evenly over
// its interval, so that the mean is not a matter of luck.
func hardDown(p *rig.Process, l *looks, targets []*rig.Target, h *hook) error {
	died := make([]time.Time, towns)
	var wg sync.WaitGroup
	for i, t := range targets {
		at := l.of(i)
		// (i*53)%towns: neighbours do not die together.
		when := at[len(at)-1].Add(time.Duration(float64((i*53)%towns)+0.5) * interval / towns)
		for when.Before(time.Now()) {
			when = when.Add(interval)
		}
		wg.Go(func() {
			time.Sleep(time.Until(when))
			died[i] = time.Now()
			t.Down()
		})
	}
	wg.Wait()
	told, err := h.wait(towns, 80*time.Second)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.Log())
	}
	var took []float64
	sum := 0.0
	for i := range towns {
		d := told[fmt.Sprintf("s%05d", i)].Sub(died[i]).Seconds()
		took = append(took, d)
		sum += d
	}
	fmt.Printf("\nN7: hard down → webhook, 60 s interval, three failing probes, %d outages\n  mean %.2f s (goal ≤ 36), median %.2f, max %.2f s (goal ≤ 66), min %.2f\n  Gatus 130–143 s; Uptime Kuma mean 30 s, unconfirmed\n  ratio Gatus ÷ tuermer %.1f\n",
		towns, sum/towns, rig.Median(took), rig.Quantile(took, 1), rig.Quantile(took, 0), 136/(sum/towns))
	return nil
}

// halfHangs (N8): every second target accepts and stays silent from one moment
// on; the healthy others must not feel it.
func halfHangs(p *rig.Process, l *looks, targets []*rig.Target, h *hook) error {
	begin := time.Now()
	for i, t := range targets {
		if i%2 == 1 {
			t.Hang(true)
		}
	}
	told, err := h.wait(towns/2, 150*time.Second)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.Log())
	}
	var first, last, slip time.Duration
	for i := range towns {
		if i%2 == 1 {
			d := told[fmt.Sprintf("s%05d", i)].Sub(begin)
			if last = max(last, d); first == 0 || d < first {
				first = d
			}
			continue
		}
		if at, wrong := told[fmt.Sprintf("s%05d", i)]; wrong {
			return fmt.Errorf("a healthy one alarmed after %s", at.Sub(begin))
		}
		at := l.of(i)
		for k := len(at) - 1; k > 0 && at[k].After(begin); k-- {
			slip = max(slip, (at[k].Sub(at[k-1]) - interval).Abs())
		}
	}
	fmt.Printf("\nN8: half of %d targets hang, 60 s interval, 10 s timeout, three failing probes\n  first alert after %s (goal ≤ 50), last %s (goal ≤ 100); healthy ones' slip at most %s (goal < 1 s)\n  Gatus 614 s, and its whole schedule 6.7 times slower\n  ratio Gatus ÷ tuermer %.1f\n",
		towns, seconds(first), seconds(last), seconds(slip), 614/last.Seconds())
	return nil
}

func down(targets []*rig.Target) {
	for _, t := range targets {
		t.Down()
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// hook takes webhooks and notes when the first alarm about a service came.
type hook struct {
	url  string
	srv  *http.Server
	mu   sync.Mutex
	told map[string]time.Time
}

func newHook() (*hook, error) {
	h := &hook{told: map[string]time.Time{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h.url = "http://" + l.Addr().String() + "/"
	h.srv = &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = h.srv.Serve(l) }() // close ends it
	return h, nil
}

func (h *hook) close() { _ = h.srv.Close() }

// ServeHTTP takes one message.
func (h *hook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	now := time.Now()
	var body struct {
		Type  string
		Alert struct{ Service string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Type != "alert.opened" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.told[body.Alert.Service]; !known {
		h.told[body.Alert.Service] = now
	}
}

// wait waits for alarms about n services.
func (h *hook) wait(n int, limit time.Duration) (map[string]time.Time, error) {
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		h.mu.Lock()
		got := len(h.told)
		h.mu.Unlock()
		if got >= n {
			return h.told, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%d of %d alarms came within %s", got, n, limit)
		}
	}
}

// tokenOf makes an API token of an administrator.
func tokenOf(bin, dir string) (string, error) {
	cmd := exec.Command(bin, "token", "create", "--person", "bert@benchstadt.example", "--name", "bench",
		"--config", filepath.Join(dir, "tuermer.yaml"), "--data", filepath.Join(dir, "data"))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("token: %w\n%s", err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func call(p *rig.Process, token, method, path, body string) (int, []byte, error) {
	req, err := http.NewRequest(method, p.Staff+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, err
}
