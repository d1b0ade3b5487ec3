// Command probe measures what one check costs (rows N1, N2 and N3 of the goals):
// the real program with SQLite, conditions, state machine and stored results,
// beside Debian's prometheus-blackbox-exporter on the same targets, in turns.
//
//	bench/probe/install && go run ./bench/probe
//
// Only the CPU of the prober's process counts; the targets live in this one.
// Both open a new connection per check, look for a word in the body, and verify
// the certificate's chain (leaf, intermediate, root of one kind).
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"tuermer/bench/rig"
)

// goal is a row of the goals: at most so many microseconds a check.
var goals = map[string]float64{"http": 120, "p256": 450, "rsa2048": 520}

// said are peers that Debian lacks, measured elsewhere on such a machine.
const said = "Gatus with SQLite 819–1,162 µs, 953 checks/s; Uptime Kuma 4,430 µs, about 220 checks/s"

type bench struct {
	dir, bin string
	rounds   int
	long     time.Duration
	monitors int
	interval time.Duration
	only     string
}

func main() {
	b := &bench{}
	flag.IntVar(&b.rounds, "rounds", 3, "the median counts")
	flag.DurationVar(&b.long, "for", 10*time.Second, "one measurement")
	flag.IntVar(&b.monitors, "monitors", 10_000, "how many")
	flag.DurationVar(&b.interval, "interval", 4*time.Second, "of each, so that the rate is near the one that the peer is driven at; over TLS longer, for the target's key is busy too")
	flag.StringVar(&b.only, "only", "", "http, p256, rsa2048 or most; default all of them")
	flag.Parse()
	rig.Main(b.run)
}

func (b *bench) run(ctx context.Context, dir string) (err error) {
	b.dir = dir
	if b.bin, err = rig.Build(ctx, dir); err != nil {
		return err
	}
	peer := true
	if _, err := exec.LookPath(blackbox); err != nil {
		fmt.Println("no " + blackbox + " here; bench/probe/install brings it")
		peer = false
	}
	for _, kind := range []string{"http", "p256", "rsa2048"} {
		if b.only != "" && b.only != kind {
			continue
		}
		if err := b.compare(kind, peer); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	if b.only != "" && b.only != "most" {
		return nil
	}
	return b.most()
}

// compare measures both on one kind of target, in turns.
func (b *bench) compare(kind string, peer bool) error {
	targets, root, err := b.targets(kind)
	if err != nil {
		return err
	}
	defer down(targets)
	var ours, theirs []float64
	for range b.rounds {
		v, err := b.tuermer(kind, targets, root)
		if err != nil {
			return err
		}
		ours = append(ours, v)
		if peer {
			if v, err = b.blackbox(kind, targets, root); err != nil {
				return err
			}
			theirs = append(theirs, v)
		}
	}
	fmt.Printf("\n%s, CPU µs a check, %d rounds\n  tuermer serve      %.0f  (median %.0f, goal ≤ %.0f)\n", kind, b.rounds, ours, rig.Median(ours), goals[kind])
	if peer {
		fmt.Printf("  blackbox exporter  %.0f  (median %.0f; stores nothing)\n  blackbox ÷ tuermer %.1f\n", theirs, rig.Median(theirs), rig.Median(theirs)/rig.Median(ours))
	}
	return nil
}

func (b *bench) targets(kind string) (out []*rig.Target, root string, err error) {
	var c rig.Chain
	if kind != "http" {
		if c, err = rig.NewChain(kind, filepath.Join(b.dir, kind+".pem")); err != nil {
			return nil, "", err
		}
	}
	for range 16 { // ports, so that neither runs out of pairs of them
		t, err := rig.NewTarget(c.Config)
		if err != nil {
			return out, "", err
		}
		out = append(out, t)
	}
	return out, c.RootFile, nil
}

func down(targets []*rig.Target) {
	for _, t := range targets {
		t.Down()
	}
}

func asked(targets []*rig.Target) (n int64) {
	for _, t := range targets {
		n += t.Asked()
	}
	return n
}

func scheme(kind string) string {
	if kind == "http" {
		return "http"
	}
	return "https"
}

// serve runs the real program on targets and waits until every monitor had its
// first look and the start is over.
func (b *bench) serve(kind string, targets []*rig.Target, root string, monitors int, interval time.Duration) (*rig.Process, error) {
	dir, err := os.MkdirTemp(b.dir, "serve")
	if err != nil {
		return nil, err
	}
	yaml := rig.Town + rig.Monitors(monitors, scheme(kind), targets, fmt.Sprintf("interval: %s, timeout: %s, expect: {status: [200], body: Willkommen}", interval, interval*9/10))
	var env []string
	if root != "" {
		env = append(env, "SSL_CERT_FILE="+root)
	}
	before := asked(targets)
	p, err := rig.Serve(b.bin, dir, yaml, env...)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(90 * time.Second); asked(targets)-before < int64(monitors)*5/4; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.Stop()
			return nil, fmt.Errorf("only %d looks:\n%s", asked(targets)-before, p.Log())
		}
	}
	return p, nil
}

// tuermer is the CPU of the real program per check that it has stored.
func (b *bench) tuermer(kind string, targets []*rig.Target, root string) (micros float64, err error) {
	monitors, interval := b.monitors, b.interval
	switch kind {
	case "p256":
		interval = interval * 5 / 2
	case "rsa2048":
		interval *= 4
	}
	p, err := b.serve(kind, targets, root, monitors, interval)
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	stored, cpu, _, err := b.stored(p)
	if err != nil {
		return 0, err
	}
	return float64(cpu.Microseconds()) / stored, nil
}

// stored watches the program for a while: how many results it stored, and what
// it needed for that.
func (b *bench) stored(p *rig.Process) (n float64, cpu, took time.Duration, err error) {
	before, err := p.Figures()
	if err != nil {
		return 0, 0, 0, err
	}
	begin := time.Now()
	cpu = p.CPU()
	time.Sleep(b.long)
	cpu = p.CPU() - cpu
	after, err := p.Figures()
	took = time.Since(begin)
	const name = "tuermer_monitor_stored_total"
	if n = after[name] - before[name]; err == nil && n == 0 {
		err = fmt.Errorf("nothing was stored:\n%s", p.Log())
	}
	return n, cpu, took, err
}

const blackbox = "prometheus-blackbox-exporter"

// blackbox is the CPU of the exporter per probe, asked by two at a time over
// connections that stay open, as Prometheus does.
func (b *bench) blackbox(kind string, targets []*rig.Target, root string) (micros float64, err error) {
	config := filepath.Join(b.dir, "blackbox.yml")
	module := "modules:\n  m:\n    prober: http\n    timeout: 5s\n    http:\n      preferred_ip_protocol: ip4\n      fail_if_body_not_matches_regexp: [Willkommen]\n"
	if root != "" {
		module += "      fail_if_not_ssl: true\n      tls_config: {ca_file: " + root + "}\n"
	}
	if err := os.WriteFile(config, []byte(module), 0o600); err != nil {
		return 0, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	addr := l.Addr().String()
	_ = l.Close() // the exporter opens it
	p, err := rig.Start(blackbox, nil, "--config.file="+config, "--web.listen-address="+addr, "--log.level=error")
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	defer client.CloseIdleConnections()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := rig.Get(client, "http://"+addr+"/-/healthy"); err == nil {
			break
		} else if time.Now().After(end) {
			return 0, fmt.Errorf("blackbox: %w\n%s", err, p.Log())
		}
	}
	probe := func(n int) error {
		target := fmt.Sprintf("%s://%s/m%05d", scheme(kind), targets[n%len(targets)].Addr, n)
		_, err := rig.Get(client, "http://"+addr+"/probe?module=m&target="+url.QueryEscape(target))
		return err
	}
	for n := range 200 { // warm
		if err := probe(n); err != nil {
			return 0, err
		}
	}
	before, cpu := asked(targets), p.CPU()
	var wg sync.WaitGroup
	end := time.Now().Add(b.long)
	for w := range 2 {
		wg.Go(func() {
			for n := w; time.Now().Before(end); n += 2 {
				if err := probe(n); err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	n := asked(targets) - before
	if n == 0 {
		return 0, fmt.Errorf("blackbox asked nothing:\n%s", p.Log())
	}
	return float64((p.CPU() - cpu).Microseconds()) / float64(n), nil
}

// most is how many checks a second are stored when more are wanted than two
// cores can do, targets included (N3). Wall-clock: run it on a quiet machine.
func (b *bench) most() error {
	targets, _, err := b.targets("http")
	if err != nil {
		return err
	}
	defer down(targets)
	var rates []float64
	for range b.rounds {
		p, err := b.serve("http", targets, "", 12_000, time.Second)
		if err != nil {
			return err
		}
		n, cpu, took, err := b.stored(p)
		if err == nil {
			rates = append(rates, n/took.Seconds())
			fmt.Printf("  %.0f stored in %s, CPU %.0f µs each\n", n, took.Round(time.Millisecond), float64(cpu.Microseconds())/n)
		}
		p.Stop()
		if err != nil {
			return err
		}
	}
	fmt.Printf("\nchecks a second, stored, 2 cores with the target: %.0f (median %.0f, goal ≥ 6000)\npeers measured elsewhere: %s\nratio to Gatus with SQLite %.1f\n", rates, rig.Median(rates), said, rig.Median(rates)/953)
	return nil
}
