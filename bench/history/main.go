// Command history measures what the monitors' past and their pages cost in the
// real program:
//
//	go run ./bench/history -n4     memory above idle with 100 results of each monitor
//	go run ./bench/history -n10    the staff page and the API page over 10,000 monitors
//
// What a result takes on the disk (N5) is measured in the room, on a real
// database file with a year of checks:
//
//	go test -run '^$' -bench History -benchtime 1x ./internal/notice/monitor
//
// The peers' figures were measured elsewhere on the same kind of machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tuermer/bench/rig"
)

func main() {
	n4 := flag.Bool("n4", false, "memory")
	n10 := flag.Bool("n10", false, "pages")
	results := flag.Int("results", 100, "of each monitor, for n4")
	flag.Parse()
	rig.Main(func(ctx context.Context, dir string) error {
		rig.Machine()
		bin, err := rig.Build(ctx, dir)
		if err != nil {
			return err
		}
		if *n4 {
			if err := memory(ctx, bin, dir, *results); err != nil {
				return err
			}
		}
		if *n10 {
			return pages(ctx, bin, filepath.Join(dir, "n10"))
		}
		return nil
	})
}

func targets(n int) (out []*rig.Target, stop func(), err error) {
	stop = func() {
		for _, t := range out {
			t.Down()
		}
	}
	for range n {
		t, err := rig.NewTarget(nil)
		if err != nil {
			stop()
			return nil, nil, err
		}
		out = append(out, t)
	}
	return out, stop, nil
}

func asked(ts []*rig.Target) (n int64) {
	for _, t := range ts {
		n += t.Asked()
	}
	return n
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// memory compares the resident memory of a town without monitors with that of
// 1,000 and 10,000 monitors, each looked at so often.
func memory(ctx context.Context, bin, dir string, results int) error {
	idle := int64(0)
	for _, c := range []struct {
		monitors int
		interval time.Duration
		gatus    float64 // MB
	}{{0, time.Second, 0}, {1_000, time.Second, 51}, {10_000, 5 * time.Second, 234}} {
		ts, stop, err := targets(4)
		if err != nil {
			return err
		}
		home := filepath.Join(dir, fmt.Sprintf("n4-%d", c.monitors))
		if err := os.MkdirAll(home, 0o750); err != nil {
			return err
		}
		yaml := rig.Town
		if c.monitors > 0 {
			yaml += rig.Monitors(c.monitors, "http", ts, "interval: "+c.interval.String())
		}
		p, err := rig.Serve(bin, home, yaml)
		if err != nil {
			return err
		}
		err = wait(ctx, 20*time.Second)
		for want := int64(c.monitors * results); err == nil && asked(ts) < want; {
			err = wait(ctx, time.Second)
		}
		rss := p.RSS()
		p.Stop()
		stop()
		if err != nil {
			return err
		}
		if c.monitors == 0 {
			idle = rss
			fmt.Printf("N4 idle, no monitors: %.1f MB\n", mb(rss))
			continue
		}
		above := mb(rss - idle)
		fmt.Printf("N4 %d monitors, %d results each: %.1f MB above idle; Gatus %.0f MB; Gatus/Türmer %.1f\n", c.monitors, results, above, c.gatus, c.gatus/above)
	}
	return nil
}

func mb(n int64) float64 { return float64(n) / 1e6 }

// pages times the first page and a page deep in the list, as staff and through
// the API, while ten thousand monitors are probed and stored.
func pages(ctx context.Context, bin, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	ts, stop, err := targets(4)
	if err != nil {
		return err
	}
	defer stop()
	p, err := rig.Serve(bin, dir, rig.Town+rig.Monitors(10_000, "http", ts, "interval: 60s"))
	if err != nil {
		return err
	}
	defer p.Stop()
	place := []string{"--config", filepath.Join(dir, "tuermer.yaml"), "--data", p.Data}
	run := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, bin, append(args, place...)...).Output()
		if err != nil {
			return "", fmt.Errorf("%v: %w", args, err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	link, err := run("user", "reset", "bert@benchstadt.example")
	if err != nil {
		return err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	staff := &http.Client{Jar: jar}
	if err := signIn(staff, link); err != nil {
		return err
	}
	for asked(ts) < 10_000 {
		if err := wait(ctx, time.Second); err != nil {
			return err
		}
	}
	for _, c := range []struct{ name, path string }{
		{"staff page, first", "/monitor"},
		{"staff page, deep", "/monitor?after=up:m05000"},
		{"staff page, search", "/monitor?q=m0999"},
		{"one monitor", "/monitor/m05000"},
		{"API page, 100 monitors", "/api/v1/monitors?limit=100&after=m05000"},
	} {
		before := asked(ts)
		var took []time.Duration
		size := 0
		for i := range 550 {
			began := time.Now()
			n, err := get(staff, p.Staff+c.path)
			if err != nil {
				return err
			}
			if i >= 50 { // warm
				took = append(took, time.Since(began))
			}
			size = n
			if err := wait(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		p99 := ms(rig.Quantile(took, 0.99))
		fmt.Printf("N10 %s: p50 %.1f ms, p99 %.1f ms, %.1f KB plain, %d checks meanwhile; Gatus 2,600 ms and 11,800 KB; Gatus/Türmer %.0f\n", c.name,
			ms(rig.Quantile(took, 0.5)), p99, float64(size)/1000, asked(ts)-before, 2600/p99)
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

// signIn follows a one-time link and presses its button.
func signIn(c *http.Client, link string) error {
	res, err := c.Post(link, "application/x-www-form-urlencoded", strings.NewReader(""))
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("sign in: %s", res.Status)
	}
	return nil
}

// get reads a page and tells its size; a page that is not there fails.
func get(c *http.Client, address string) (int, error) {
	res, err := c.Get(address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || !strings.Contains(string(b), "/m0")) {
		err = fmt.Errorf("%s: %s, and not the monitors", address, res.Status)
	}
	return len(b), err
}
