// Package rig is what the programs in bench share: it builds the real program,
// runs it and its peers as processes of their own on loopback, reads what they
// cost, and offers targets to probe.
//
// CPU time of a process is the figure to trust, for other work may run on the
// same cores. Whoever measures wall-clock time says so beside the figure.
package rig

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Main runs a benchmark's body with a folder that is removed afterwards, until
// it ends or somebody interrupts it; nothing that it started outlives it.
func Main(body func(ctx context.Context, dir string) error) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	dir, err := os.MkdirTemp("", "tuermer-bench")
	if err == nil {
		Machine()
		err = body(ctx, dir)
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// Machine says where and when the figures were made.
func Machine() {
	model := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(b), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			model = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), ":"))
		}
	}
	load, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	fmt.Printf("# %s, %d cores of %s, %s, load %s\n", time.Now().UTC().Format("2006-01-02 15:04 MST"), runtime.NumCPU(), model, runtime.Version(), load)
}

func read(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// Build compiles cmd/tuermer into dir. TUERMER_BIN names a binary to use in its
// place.
func Build(ctx context.Context, dir string) (bin string, err error) {
	if bin = os.Getenv("TUERMER_BIN"); bin != "" {
		return bin, nil
	}
	bin = filepath.Join(dir, "tuermer")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bin, "tuermer/cmd/tuermer")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
}

// Process is a program under measurement.
type Process struct {
	Staff string // of tuermer serve: http://127.0.0.1:port
	Data  string

	cmd  *exec.Cmd
	log  logbook
	done chan struct{}
}

// Start runs a program; what it says is kept for the report of a failure.
func Start(name string, env []string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The thread that starts a child with Pdeathsig must live as long as it.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is asked for by nobody
		}
		close(p.done)
	}()
	return p, <-started
}

// Serve starts `tuermer serve` with a configuration, on a data folder that it
// makes or finds in dir, and waits until it is ready.
func Serve(bin, dir, yaml string, env ...string) (*Process, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "tuermer.yaml")
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data") // the commands beside it find it there too
	p, err := Start(bin, append(env, "TUERMER_LANG=de", "TZ=UTC"), "serve", "--config", config, "--data", data, "--staff", "127.0.0.1:0", "--public", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.Data = data
	for end := time.Now().Add(2 * time.Minute); ; {
		// The staff page's address is the first that it prints.
		if at := strings.Index(p.log.String(), "http://127.0.0.1:"); at >= 0 && p.Staff == "" {
			if line, _, whole := strings.Cut(p.log.String()[at:], "\n"); whole {
				p.Staff = strings.TrimSpace(line)
			}
		}
		if p.Staff != "" {
			if res, err := http.Get(p.Staff + "/readyz"); err == nil {
				_ = res.Body.Close()
				if res.StatusCode == http.StatusOK {
					return p, nil
				}
			}
		}
		select {
		case <-p.done:
			return nil, fmt.Errorf("serve ended:\n%s", p.log.tail(4000))
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("serve is not ready:\n%s", p.log.tail(4000))
		}
	}
}

// Stop ends it in order, or else at once.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	select {
	case <-p.done:
	case <-time.After(40 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Kill is kill -9; it returns when the process is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	<-p.done
}

// Log is the end of what it said.
func (p *Process) Log() string { return p.log.tail(4000) }

// Pid is its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// CPU is the processor time of all its threads since it was started, to 10 ms.
func (p *Process) CPU() time.Duration {
	stat := read(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	_, rest, _ := strings.Cut(stat, ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	var ticks int64
	for _, s := range f[11:13] { // utime, stime
		n, _ := strconv.ParseInt(s, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// RSS is its resident memory in bytes.
func (p *Process) RSS() int64 {
	for line := range strings.Lines(read(fmt.Sprintf("/proc/%d/status", p.Pid()))) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// Figures are the values of tuermer's /metrics that have no labels.
func (p *Process) Figures() (map[string]float64, error) {
	res, err := http.Get(p.Staff + "/metrics")
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	out := map[string]float64{}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok && name != "#" {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				out[name] = v
			}
		}
	}
	return out, lines.Err()
}

// DataSize is what its data folder takes on the disk, in bytes.
func (p *Process) DataSize() (n int64) {
	_ = filepath.Walk(p.Data, func(_ string, i os.FileInfo, err error) error {
		if err == nil && !i.IsDir() {
			n += i.Size()
		}
		return nil // files come and go while it runs
	})
	return n
}

// logbook gathers what a process says.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() > 1<<20 {
		l.buf.Next(l.buf.Len() / 2)
	}
	return l.buf.Write(b)
}

func (l *logbook) String() string { return l.tail(1 << 20) }

func (l *logbook) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buf.Bytes()
	return string(b[max(0, len(b)-n):])
}

// Median is the middle of the values.
func Median[T cmp.Ordered](values []T) T {
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}

// Quantile is the smallest value that a share q of the values does not exceed.
func Quantile[T cmp.Ordered](values []T, q float64) (v T) {
	if len(values) == 0 {
		return v
	}
	s := slices.Sorted(slices.Values(values))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// Get reads an address and throws the answer away.
func Get(c *http.Client, address string) (status int, err error) {
	res, err := c.Get(address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}
