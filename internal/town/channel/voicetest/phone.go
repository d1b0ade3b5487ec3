// Package voicetest has the far sides of a call for tests: a telephone of Debian's
// (baresip) that takes every call and whose keys the test presses, and what it needs
// to run programs of others beside a test.
package voicetest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Patience is for a machine that has much else to do; everything is polled.
const Patience = 90 * time.Second

var (
	phones atomic.Int32
	meter  = regexp.MustCompile(`\[\d:\d\d:\d\d\] audio=\S+ \(bit/s\)\s*`)
)

// OwnPorts are two ports below those that systems give out by themselves, which no
// other phone, test or process of ours uses. Taken ones are passed over.
func OwnPorts(t *testing.T) (first, second int) {
	t.Helper()
	for range 1000 {
		n := 20000 + (os.Getpid()*32+4*int(phones.Add(1)))%12000
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: n})
		if err != nil {
			continue
		}
		tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: n + 2})
		_ = udp.Close()
		if err != nil {
			continue
		}
		_ = tcp.Close()
		return n, n + 2 // it takes the one between for TLS
	}
	t.Fatal("no port is free")
	return 0, 0
}

// Need skips where a program of Debian is missing.
func Need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is missing: script/setup voice installs it", p)
		}
	}
}

// Program runs something of Debian's until the test ends.
func Program(t *testing.T, ready func(out string) bool, name string, args ...string) *Output {
	t.Helper()
	out, _ := program(t, ready, name, args...)
	return out
}

// program is Program, and can be ended before the test is.
func program(t *testing.T, ready func(out string) bool, name string, args ...string) (out *Output, stop func()) {
	t.Helper()
	out = &Output{}
	cmd := exec.Command(name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = cmd.Wait() }()
	stop = func() {
		_ = in.Close()
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, meter.ReplaceAllString(out.String(), ""))
		}
	})
	Until(t, name+" is ready", func() bool { return ready(out.String()) })
	return out, stop
}

// Output is what a program said so far.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Until polls until ok says yes.
func Until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end, again := time.NewTimer(Patience), time.NewTicker(20*time.Millisecond)
	defer end.Stop()
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-end.C:
			t.Fatalf("still not: %s", what)
		}
	}
}

// Phone is baresip, a telephone of Debian's, that takes every call by itself.
type Phone struct {
	Addr string // host:port of its calls
	dir  string
	Out  *Output
	keys net.Conn
}

// PickUp starts a telephone with one account, in which ADDR is its own address.
func PickUp(t *testing.T, account string) *Phone {
	t.Helper()
	Need(t, "baresip")
	calls, keys := OwnPorts(t)
	p := &Phone{Addr: fmt.Sprintf("127.0.0.1:%d", calls), dir: t.TempDir()}
	config := `sip_listen ADDR
net_interface 127.0.0.1
module_path MODULES
audio_player aubridge,a
audio_source aubridge,a
audio_alert aubridge,b
snd_path DIR
module g711.so
module aubridge.so
module sndfile.so
module cons.so
module_tmp account.so
module_app menu.so
cons_listen KEYS
`
	modules, err := filepath.Glob("/usr/lib/*/baresip/modules")
	if found, ferr := filepath.Glob("/usr/lib/baresip/modules"); err == nil && ferr == nil {
		modules = append(modules, found...)
	}
	if len(modules) == 0 {
		t.Skip("baresip's modules are missing: script/setup voice installs them")
	}
	config = strings.NewReplacer("ADDR", p.Addr, "DIR", p.dir, "KEYS", fmt.Sprintf("127.0.0.1:%d", keys), "MODULES", modules[0]).Replace(config)
	for name, text := range map[string]string{"config": config, "contacts": "\n", "accounts": strings.ReplaceAll(account, "ADDR", p.Addr) + "\n"} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.Out = Program(t, func(out string) bool { return strings.Contains(out, "baresip is ready") }, "baresip", "-f", p.dir)
	if p.keys, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", keys)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.keys.Close() })
	return p
}

// Press presses a key on the phone.
func (p *Phone) Press(t *testing.T, key string) {
	t.Helper()
	if _, err := io.WriteString(p.keys, key); err != nil {
		t.Fatal(err)
	}
}

// Heard is what has reached the phone's ear, in all of its calls.
func (p *Phone) Heard(t *testing.T) (out []int16) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "dump-*-dec.wav"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil || len(b) < 44 {
			continue // it is being made
		}
		b = b[44:]
		for i := range len(b) / 2 {
			out = append(out, int16(uint16(b[2*i])|uint16(b[2*i+1])<<8)) //nolint:gosec // two bytes are the sample
		}
	}
	return out
}
