// Command uplink takes the line away from the real program while 200 monitors
// lie behind it, and counts who is alarmed (row N9 of the goals): one alarm and
// one recovery, each naming 200.
//
//	go run ./bench/uplink
//
// It runs in a network of its own, so it needs Linux and the right to make one
// (root, or unprivileged user namespaces). The targets have addresses of
// 198.18.0.0/15, which are neither loopback nor the town's. The line is lost in
// two ways: the addresses are gone, so that every connection fails at once; and
// everything stays silent, so that every look runs into its timeout.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"tuermer/bench/rig"
)

const (
	monitors   = 200
	references = 3
	inside     = "TUERMER_BENCH_UPLINK_INSIDE"
	// said are peers that Debian lacks, measured elsewhere.
	said = "Gatus and Uptime Kuma 200 alerts and 200 recoveries"
)

func main() {
	lost := flag.Duration("lost", 4*time.Minute, "how long the line is away")
	flag.Parse()
	if os.Getenv(inside) == "" {
		if err := ownNetwork(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	rig.Main(func(ctx context.Context, dir string) error { return run(ctx, dir, *lost) })
}

// ownNetwork runs this program again in a network that nobody else uses. The
// binary is built before, for there the module proxy is out of reach.
func ownNetwork() error {
	dir, err := os.MkdirTemp("", "tuermer-bench")
	if err != nil {
		return err
	}
	bin, err := rig.Build(context.Background(), dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1", "TUERMER_BIN="+bin)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return errors.Join(cmd.Run(), os.RemoveAll(dir))
}

// line is what lies outside: the addresses of targets and references.
type line struct {
	mu     sync.Mutex
	silent chan struct{} // nil: everybody answers
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// route brings the outside addresses up, or takes them away.
func (l *line) route(up bool) error {
	do := "del"
	if up {
		do = "add"
	}
	return errors.Join(ip("addr", do, "198.18.0.1/24", "dev", "lo"), ip("addr", do, "198.18.1.1/24", "dev", "lo"))
}

// hush makes everybody outside accept and stay silent.
func (l *line) hush(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if on {
		l.silent = make(chan struct{})
	} else if l.silent != nil {
		close(l.silent)
		l.silent = nil
	}
}

func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	wait := l.silent
	l.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-r.Context().Done():
		}
	}
	_, _ = w.Write([]byte("Willkommen")) // the asker may be gone
}

// ear hears the alarms over a webhook, which stands inside.
type ear struct {
	mu    sync.Mutex
	heard []told
}

type told struct {
	what, title string
	at          time.Time
}

func (e *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Type  string `json:"type"`
		Alert struct {
			Title string `json:"title"`
		} `json:"alert"`
	}
	if json.NewDecoder(r.Body).Decode(&body) == nil {
		e.mu.Lock()
		e.heard = append(e.heard, told{strings.TrimPrefix(body.Type, "alert."), body.Alert.Title, time.Now()})
		e.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
}

// since lists what was heard of one kind.
func (e *ear) since(what string, from time.Time) (out []told) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.heard {
		if t.what == what && !t.at.Before(from) {
			out = append(out, t)
		}
	}
	return out
}

func serve(addr string, h http.Handler) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		go func() { _ = (&http.Server{Handler: h, ReadHeaderTimeout: time.Minute}).Serve(l) }() // ends with the program
	}
	return l, err
}

func run(ctx context.Context, dir string, lost time.Duration) error {
	if err := ip("link", "set", "lo", "up"); err != nil {
		return err
	}
	out, hook := &line{}, &ear{}
	if err := out.route(true); err != nil {
		return err
	}
	targets, err := serve("0.0.0.0:0", out)
	if err != nil {
		return err
	}
	hooks, err := serve("127.0.0.1:0", hook)
	if err != nil {
		return err
	}
	port := targets.Addr().(*net.TCPAddr).Port
	var y strings.Builder
	y.WriteString(rig.Town)
	fmt.Fprintf(&y, "webhooks: [{name: bench, url: \"http://%s/\"}]\nuplink: {references: [", hooks.Addr())
	for i := range references {
		fmt.Fprintf(&y, "\"http://198.18.1.%d:%d/\", ", i+1, port)
	}
	y.WriteString("]}\nmonitors:\n")
	for i := range monitors {
		fmt.Fprintf(&y, "  - {slug: m%03d, url: \"http://198.18.0.%d:%d/\", interval: 60s, timeout: 10s}\n", i, i+1, port)
	}
	p, err := rig.Serve(os.Getenv("TUERMER_BIN"), dir, y.String())
	if err != nil {
		return err
	}
	defer p.Stop()
	fmt.Printf("%-22s %7s %11s %9s %11s %9s  %s\n", "line lost by", "alarms", "after", "recovered", "after", "all up", "alarm")
	worst := 0
	for _, way := range []struct {
		name       string
		lose, back func() error
	}{
		{"no route", func() error { return out.route(false) }, func() error { return out.route(true) }},
		{"silence", func() error { out.hush(true); return nil }, func() error { out.hush(false); return nil }},
	} {
		if _, err := allUp(ctx, p, 3*time.Minute); err != nil {
			return err
		}
		pause(ctx, 20*time.Second) // the references have been seen, too
		begin := time.Now()
		if err := way.lose(); err != nil {
			return err
		}
		pause(ctx, lost)
		end := time.Now()
		if err := way.back(); err != nil {
			return err
		}
		up, err := allUp(ctx, p, 5*time.Minute)
		if err != nil {
			return err
		}
		pause(ctx, 90*time.Second) // whatever comes late counts as well
		alarms, over := hook.since("opened", begin), hook.since("closed", end)
		worst = max(worst, len(alarms), len(over))
		if len(alarms) == 0 || len(over) == 0 {
			return fmt.Errorf("%s: %d alarms, %d recoveries", way.name, len(alarms), len(over))
		}
		fmt.Printf("%-22s %7d %11s %9d %11s %9s  %s\n", way.name, len(alarms), brief(alarms[0].at.Sub(begin)), len(over), brief(over[0].at.Sub(end)), brief(up), alarms[0].title)
		for _, t := range append(alarms, over...) {
			if !strings.Contains(t.title, "200") {
				return fmt.Errorf("%s: %q does not name 200", way.name, t.title)
			}
		}
	}
	fmt.Printf("peers: %s\n", said)
	fmt.Printf("N9: %d of 1 allowed, %.3f of a peer's\n", worst, float64(worst)/monitors)
	if worst != 1 {
		return errors.New("N9 is missed")
	}
	return nil
}

// allUp waits until every monitor is up again, and tells how long that took.
func allUp(ctx context.Context, p *rig.Process, limit time.Duration) (time.Duration, error) {
	begin := time.Now()
	for time.Since(begin) < limit && ctx.Err() == nil {
		if n, err := up(p); err == nil && n == monitors {
			return time.Since(begin), nil
		}
		pause(ctx, 200*time.Millisecond)
	}
	n, err := up(p)
	return 0, errors.Join(fmt.Errorf("only %d of %d are up after %s\n%s", n, monitors, limit, p.Log()), err)
}

// up reads from /metrics how many monitors are up.
func up(p *rig.Process) (n int, err error) {
	res, err := http.Get(p.Staff + "/metrics")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var b strings.Builder
	buf := make([]byte, 64<<10)
	for {
		k, err := res.Body.Read(buf)
		b.Write(buf[:k])
		if err != nil {
			break
		}
	}
	_, rest, _ := strings.Cut(b.String(), "tuermer_monitor_state{state=\"up\"} ")
	_, err = fmt.Sscan(rest, &n)
	return n, err
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func brief(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
