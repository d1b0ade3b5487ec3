// Command intake measures what other monitoring systems can send us (row N11 of
// the goals): the real program, every body kept and every signal committed
// before the answer.
//
//	go run ./bench/intake
//	script/postgres run -- go run ./bench/intake     on PostgreSQL too, afterwards
//
// First a storm of a thousand is timed until somebody is told of it (R4.14). Then many
// things of one source fall ill, then one of them repeats itself, and what became of
// it is counted in the database. Senders share the machine with the program. No peer
// has a figure here.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"tuermer/bench/rig"
	"tuermer/internal/platform/store"
)

func main() {
	events := flag.Int("events", 20_000, "reports of different things")
	repeats := flag.Int("repeats", 100_000, "of one and the same report")
	senders := flag.Int("senders", 32, "at once")
	gust := flag.Int("storm", 1000, "reports in ten seconds, timed until somebody is told; 0: none")
	flag.Parse()
	rig.Main(func(ctx context.Context, dir string) error {
		rig.Machine()
		bin, err := rig.Build(ctx, dir)
		if err != nil {
			return err
		}
		if *gust > 0 {
			if err := storm(ctx, bin, dir, *gust); err != nil {
				return fmt.Errorf("storm: %w", err)
			}
		}
		databases, err := rig.Databases(ctx)
		if err != nil {
			return err
		}
		for i, url := range databases {
			if err := rate(ctx, bin, filepath.Join(dir, fmt.Sprint("n11-", i)), url, *events, *repeats, *senders); err != nil {
				return fmt.Errorf("%s: %w", rig.DatabaseName(url), err)
			}
		}
		return nil
	})
}

// rate measures what one program on one database takes in a second.
func rate(ctx context.Context, bin, dir, database string, events, repeats, senders int) error {
	env := "TUERMER_DATABASE=" + database
	p, err := rig.Serve(bin, dir, rig.Town, env)
	if err != nil {
		return err
	}
	defer p.Stop()
	add := exec.CommandContext(ctx, bin, "source", "add", "--format", "prtg", "--name", "PRTG", "--data", p.Data, "--config", filepath.Join(dir, "tuermer.yaml"))
	add.Env = append(os.Environ(), env)
	out, err := add.Output()
	if err != nil {
		return fmt.Errorf("source add: %w", err)
	}
	_, path, ok := strings.Cut(strings.TrimSpace(string(out)), "/in/")
	if !ok {
		return errors.New("source add told no address")
	}
	fmt.Printf("\n%s\n", rig.DatabaseName(database))
	b := newBench(p.Staff+"/in/"+path, senders)
	defer b.client.CloseIdleConnections()
	if err := b.measure(p, "different things", events, func(i int) string {
		return fmt.Sprintf("id=%d&device=SRV%d&sensor=Ping&group=Rathaus&status=Down&lastmessage=Timeout", i, i%100)
	}); err != nil {
		return err
	}
	if err := b.measure(p, "the same again", repeats, func(int) string {
		return "id=0&device=SRV0&sensor=Ping&group=Rathaus&status=Down&lastmessage=Timeout"
	}); err != nil {
		return err
	}
	p.Stop()
	return became(ctx, p, database, max(events, 1))
}

// became counts what was made of all that: one signal of each thing, however often
// it was told, and what people are called about.
func became(ctx context.Context, p *rig.Process, database string, things int) error {
	driver, address := "sqlite", "file:"+filepath.Join(p.Data, store.File)+"?mode=ro"
	if database != "" {
		driver, address = "pgx", database
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		return err
	}
	defer db.Close()
	var signals, alerts int
	err = db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM signal_signal), (SELECT count(*) FROM alert_alert)").Scan(&signals, &alerts)
	if err != nil {
		return err
	}
	fmt.Printf("  all of it became %d signals (things: %d) and %d alerts\n", signals, things, alerts)
	if signals != things {
		return fmt.Errorf("%d things became %d signals", things, signals)
	}
	return nil
}

type bench struct {
	url     string
	senders int
	client  *http.Client
}

func newBench(url string, senders int) *bench {
	return &bench{url: url, senders: senders, client: &http.Client{
		Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: senders},
	}}
}

// measure sends n bodies and prints how many a second were taken.
func (b *bench) measure(p *rig.Process, what string, n int, body func(i int) string) error {
	var next atomic.Int64
	var refused atomic.Int64
	took := make([][]time.Duration, b.senders)
	errs := make(chan error, b.senders)
	cpu, begin := p.CPU(), time.Now()
	var wg sync.WaitGroup
	for s := range b.senders {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				at := time.Now()
				status, err := b.post(body(i))
				if err != nil {
					errs <- err
					return
				}
				if status != http.StatusOK {
					refused.Add(1)
				}
				took[s] = append(took[s], time.Since(at))
			}
		})
	}
	wg.Wait()
	span := time.Since(begin)
	cpu = p.CPU() - cpu
	select {
	case err := <-errs:
		return err
	default:
	}
	var all []time.Duration
	for _, t := range took {
		all = append(all, t...)
	}
	fmt.Printf("\nN11, %s, %d from %d at once\n  %.0f a second (goal ≥ 2,000), p50 %v, p99 %v (goal ≤ 50 ms), %d refused, %.0f µs CPU each\n",
		what, n, b.senders, float64(n)/span.Seconds(), rig.Quantile(all, 0.5).Round(100*time.Microsecond), rig.Quantile(all, 0.99).Round(100*time.Microsecond),
		refused.Load(), float64(cpu.Microseconds())/float64(n))
	return nil
}

func (b *bench) post(body string) (status int, err error) {
	res, err := b.client.Post(b.url, "application/x-www-form-urlencoded", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, errors.Join(err, res.Body.Close())
}
