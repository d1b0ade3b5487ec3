package voice_test

import (
	"bytes"
	"context"
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

	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/voice"
)

// patience is for a machine that has much else to do; everything is polled.
const patience = 90 * time.Second

var (
	phones atomic.Int32
	meter  = regexp.MustCompile(`\[\d:\d\d:\d\d\] audio=\S+ \(bit/s\)\s*`)
)

// ownPorts are two ports below those that systems give out by themselves, which no
// other phone, test or process of ours uses. Taken ones are passed over.
func ownPorts(t *testing.T) (first, second int) {
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

// need skips where a program of Debian is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is missing: script/setup voice installs it", p)
		}
	}
}

// program runs something of Debian's until the test ends.
func program(t *testing.T, ready func(out string) bool, name string, args ...string) *output {
	t.Helper()
	out := &output{}
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
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, meter.ReplaceAllString(out.String(), ""))
		}
	})
	until(t, name+" is ready", func() bool { return ready(out.String()) })
	return out
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// phone is baresip, a telephone of Debian's, that takes every call by itself.
type phone struct {
	addr, dir string
	out       *output
	keys      net.Conn
}

func pickUp(t *testing.T, account string) *phone {
	t.Helper()
	need(t, "baresip")
	calls, keys := ownPorts(t)
	p := &phone{addr: fmt.Sprintf("127.0.0.1:%d", calls), dir: t.TempDir()}
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
	config = strings.NewReplacer("ADDR", p.addr, "DIR", p.dir, "KEYS", fmt.Sprintf("127.0.0.1:%d", keys), "MODULES", modules[0]).Replace(config)
	for name, text := range map[string]string{"config": config, "contacts": "\n", "accounts": strings.ReplaceAll(account, "ADDR", p.addr) + "\n"} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.out = program(t, func(out string) bool { return strings.Contains(out, "baresip is ready") }, "baresip", "-f", p.dir)
	if p.keys, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", keys)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.keys.Close() })
	return p
}

// press presses a key on the phone.
func (p *phone) press(t *testing.T, key string) {
	t.Helper()
	if _, err := io.WriteString(p.keys, key); err != nil {
		t.Fatal(err)
	}
}

// reports collects what became of calls.
type reports struct {
	mu   sync.Mutex
	all  []channel.Report
	fail int // so many are refused first
}

func (r *reports) report(_ context.Context, rep channel.Report) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail--; r.fail >= 0 {
		return io.ErrUnexpectedEOF
	}
	r.all = append(r.all, rep)
	return nil
}

func (r *reports) one(t *testing.T) channel.Report {
	t.Helper()
	until(t, "told what became of the call", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.all) > 0 })
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) != 1 {
		t.Fatalf("%+v", r.all)
	}
	return r.all[0]
}

func alarm() channel.Message {
	return channel.Message{
		ID: "m-1", Kind: channel.Voice, Class: channel.Alarm, Realm: channel.Live, To: "+491700000001", Language: "de",
		Text: "Hier ist Türmer, Musterstadt. Alarm. Bürgerportal ist gestört seit 14:00 Uhr. Zum Übernehmen drücken Sie die Eins.",
	}
}

func caller(t *testing.T, o voice.Options) *voice.Adapter {
	t.Helper()
	o.Name = "trunk"
	if o.Report == nil {
		o.Report = (&reports{}).report
	}
	o.Thanks = func(i18n.Lang) string { return "Danke. Ihre Antwort ist angekommen." }
	a, err := voice.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	return a
}

// A telephone of Debian's takes the call, hears the alarm, presses a key that means
// nothing and then the one that takes over; the database is away at first.
func TestPhoneTakesOver(t *testing.T) {
	need(t, "espeak-ng")
	p := pickUp(t, "<sip:+491700000001@ADDR>;regint=0;answermode=auto")
	r := &reports{fail: 1}
	a := caller(t, voice.Options{Server: "sip:" + p.addr, Report: r.report})
	if err := a.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	rc, err := a.Send(t.Context(), alarm())
	if err != nil || rc.Route != "trunk" || rc.Reference == "" {
		t.Fatalf("%+v %v", rc, err)
	}
	until(t, "the phone took the call", func() bool { return strings.Contains(p.out.String(), "answering call") })
	until(t, "the phone hears something", func() bool { return len(p.heard(t)) > 3*8000 })
	p.press(t, "7")
	p.press(t, "1")
	if got := r.one(t); got != (channel.Report{ID: "m-1", Arrival: channel.Arrived, Key: "1"}) {
		t.Fatalf("%+v", got)
	}
	a.Stop() // it thanks, and hangs up
	until(t, "the call is over", func() bool { return strings.Contains(p.out.String(), "session closed") })
	loud := 0
	for _, s := range p.heard(t) {
		if s > 1500 || s < -1500 {
			loud++
		}
	}
	if loud < 2000 {
		t.Errorf("only %d loud samples were heard", loud)
	}
}

// heard is what reached the phone's ear.
func (p *phone) heard(t *testing.T) []int16 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "dump-*-dec.wav"))
	if err != nil || len(files) == 0 {
		return nil
	}
	b, err := os.ReadFile(files[0])
	if err != nil || len(b) < 44 {
		return nil
	}
	b = b[44:]
	out := make([]int16, len(b)/2)
	for i := range out {
		out[i] = int16(uint16(b[2*i]) | uint16(b[2*i+1])<<8) //nolint:gosec // two bytes are the sample
	}
	return out
}
