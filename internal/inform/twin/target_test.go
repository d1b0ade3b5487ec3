package twin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"tuermer/internal/platform/depot"
	"tuermer/internal/platform/depottest"
)

func target(name string, p depot.Place) Target {
	return Target{
		Name: name, Kind: p.Kind, Address: p.Address, Username: p.Username, Password: p.Password, PrivateKey: p.PrivateKey, HostKey: p.HostKey, CA: p.CA,
	}
}

// sshd and nginx are targets on real servers, and the folders behind them.
func sshd(t *testing.T) (Target, string) {
	p, dir := depottest.SSHD(t)
	return target("draussen", p), dir
}

func nginx(t *testing.T) (Target, string) {
	p, dir := depottest.Nginx(t)
	return target("webspeicher", p), dir
}

// Every kind of target takes a copy, then what has changed, and forgets what is
// no longer wanted; what lies there is whole and signed each time.
func TestDeliver(t *testing.T) {
	for kind, open := range map[Kind]func(t *testing.T) (Target, string){
		SFTP:   sshd,
		WebDAV: nginx,
		Directory: func(t *testing.T) (Target, string) {
			dir := t.TempDir()
			return Target{Name: "ordner", Kind: Directory, Address: dir}, dir
		},
	} {
		t.Run(string(kind), func(t *testing.T) {
			target, dir := open(t)
			there, err := carried(t.Context(), target, "alles gut", nil)
			if err != nil {
				t.Fatal(err)
			}
			lies(t, dir, "alles gut")
			before := modified(t, filepath.Join(dir, "archiv.html"))
			there["alt.html"] = "" // of a copy before
			depottest.Write(t, filepath.Join(dir, "alt.html"), []byte("alt"))
			if _, err = carried(t.Context(), target, "gestört", there); err != nil {
				t.Fatal(err)
			}
			lies(t, dir, "gestört")
			if !modified(t, filepath.Join(dir, "archiv.html")).Equal(before) {
				t.Error("what was the same was sent again")
			}
			if _, err := os.Stat(filepath.Join(dir, "alt.html")); !errors.Is(err, os.ErrNotExist) {
				t.Error("what is no longer wanted lies there still", err)
			}
			// Everything again, over what is there.
			if _, err = carried(t.Context(), target, "gestört", nil); err != nil {
				t.Fatal(err)
			}
			lies(t, dir, "gestört")
		})
	}
}

func modified(t *testing.T, name string) time.Time {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

// A server whose key is not the pinned one gets nothing, not even the sign-in.
func TestHostKeyIsPinned(t *testing.T) {
	target, dir := sshd(t)
	_, other := depottest.SSHKey(t)
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(target.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	for pin, want := range map[string]string{
		other: "host_key", "SHA256:AAAA": "host_key", "": "setup", "irgendwas": "setup",
	} {
		bad := target
		bad.HostKey = pin
		_, err := carried(t.Context(), bad, "x", nil)
		if got := reasonOfErr(t, err); got != want {
			t.Errorf("pin %q: %s, want %s (%v)", pin, got, want, err)
		}
		if len(laidDown(dir)) > 0 {
			t.Fatal("something was sent to a stranger")
		}
	}
	stranger := target
	stranger.PrivateKey, _ = depottest.SSHKey(t)
	if _, err := carried(t.Context(), stranger, "x", nil); reasonOfErr(t, err) != "login" {
		t.Error(err)
	}
	nowhere := target
	nowhere.Address += "/gibt/es/nicht\x00"
	if _, err := carried(t.Context(), nowhere, "x", nil); err == nil {
		t.Error("went nowhere")
	}
	target.HostKey = ssh.FingerprintSHA256(key)
	if _, err := carried(t.Context(), target, "x", nil); err != nil {
		t.Errorf("with the fingerprint: %v", err)
	}
}

// A disk that is full, on the real SFTP server and in a folder: the old page
// stays whole, and what was half sent is taken away.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a small disk")
	}
	target, site := sshd(t)
	small := filepath.Join(site, "klein")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("no small disk here: %v %s", err, out)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	target.Address += "/klein"
	for _, target := range []Target{target, {Name: "ordner", Kind: Directory, Address: small}} {
		if _, err := carried(t.Context(), target, "alles gut", nil); err != nil {
			t.Fatal(err)
		}
		_, err := carried(t.Context(), target, strings.Repeat("voll", 40_000), nil)
		if got := reasonOfErr(t, err); got != "full" {
			t.Errorf("%s: %s, want full (%v)", target.Kind, got, err)
		}
		lies(t, small, "alles gut")
	}
}

// What a WebDAV server may answer, and what a person then reads.
func TestWebDAVAnswers(t *testing.T) {
	for _, c := range []struct {
		method string
		code   int
		want   string
	}{
		{"PUT", 401, "login"},
		{"PUT", 403, "denied"},
		{"PUT", 423, "locked"},
		{"PUT", 507, "full"},
		{"PUT", 413, "full"},
		{"PUT", 301, "moved"},
		{"PUT", 500, "write"},
		{"MKCOL", 409, "write"},
		{"MKCOL", 507, "full"},
		{"MOVE", 423, "locked"},
		{"MOVE", 502, "write"},
	} {
		put := map[string]bool{}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.Method == c.method {
				w.WriteHeader(c.code)
				return
			}
			switch r.Method {
			case http.MethodPut:
				put[r.URL.Path] = true
			case http.MethodDelete:
				delete(put, r.URL.Path)
			}
			w.WriteHeader(http.StatusCreated)
		}))
		_, err := carried(t.Context(), Target{Kind: WebDAV, Address: srv.URL + "/x"}, "x", nil)
		srv.Close()
		if got := reasonOfErr(t, err); got != c.want {
			t.Errorf("%s %d: %s, want %s", c.method, c.code, got, c.want)
		}
		for name := range put {
			if !strings.HasSuffix(name, fresh) || c.method == http.MethodPut {
				t.Errorf("%s %d left %s", c.method, c.code, name)
			}
		}
	}
	if _, err := carried(t.Context(), Target{Kind: WebDAV, Address: "https://127.0.0.1:1/"}, "x", nil); reasonOfErr(t, err) != "connect" {
		t.Error(err)
	}
	target, _ := nginx(t)
	target.CA = nil
	if _, err := carried(t.Context(), target, "x", nil); reasonOfErr(t, err) != "tls" {
		t.Error(err)
	}
	target.CA, _ = depottest.Certificate(t)
	if _, err := carried(t.Context(), target, "x", nil); reasonOfErr(t, err) != "tls" {
		t.Error(err)
	}
}

func TestWrongPassword(t *testing.T) {
	target, dir := nginx(t)
	target.Password = "falsch"
	if _, err := carried(t.Context(), target, "x", nil); reasonOfErr(t, err) != "login" || len(laidDown(dir)) > 0 {
		t.Error(err)
	}
}

// A server that takes the connection and says nothing is given up after one
// step's time; one that hangs up in the middle is found at once.
func TestHangs(t *testing.T) {
	for name, target := range map[string]Target{
		"sftp": {Kind: SFTP, Address: "sftp://host/x", HostKey: "SHA256:AAAA"}, "webdav": {Kind: WebDAV, Address: "http://host/x"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				go func() { _, _ = io.Copy(io.Discard, there) }()
				defer there.Close()
				r := &Room{o: Options{Dial: func(context.Context, string, string) (net.Conn, error) { return here, nil }}}
				start := time.Now()
				_, _, err := r.carry(t.Context(), target, built{files: page("x")}, nil)
				if got := reasonOfErr(t, err); got != "hang" || time.Since(start) > 2*depot.StepTime {
					t.Errorf("%s after %s: %v", got, time.Since(start), err)
				}
			})
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 64))
			_ = c.(*net.TCPConn).CloseWrite()
			_ = c.Close()
		}
	}()
	for _, target := range []Target{{Kind: WebDAV, Address: "http://" + l.Addr().String()}, {Kind: SFTP, Address: "sftp://" + l.Addr().String(), HostKey: "SHA256:AAAA"}} {
		_, err := carried(t.Context(), target, "x", nil)
		if got := reasonOfErr(t, err); got != "gone" && got != "connect" {
			t.Errorf("%s: %s (%v)", target.Kind, got, err)
		}
	}
}

// cut is a connection that ends after so many written bytes.
type cut struct {
	net.Conn
	left int
}

func (c *cut) Write(b []byte) (int, error) {
	if c.left -= len(b); c.left < 0 {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// Wherever a transfer to a real server breaks, the start page is the old one or
// the new one, and the next transfer heals everything.
func TestBrokenTransfers(t *testing.T) {
	for kind, open := range map[Kind]func(t *testing.T) (Target, string){
		SFTP: sshd, WebDAV: nginx,
	} {
		t.Run(string(kind), func(t *testing.T) {
			target, dir := open(t)
			if _, err := carried(t.Context(), target, "alt", nil); err != nil {
				t.Fatal(err)
			}
			done, broken, step := false, 0, 900
			if kind == WebDAV {
				step = 120
			}
			for n := 200; !done; n += step {
				said := fmt.Sprint("neu", n)
				r := &Room{o: Options{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
					c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
					if err != nil {
						return nil, err
					}
					return &cut{c, n}, nil
				}}}
				was, _ := os.ReadFile(filepath.Join(dir, "index.html"))
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				_, _, err := r.carry(ctx, target, built{files: order(page(said), []byte("{}"))}, nil)
				cancel()
				now, _ := os.ReadFile(filepath.Join(dir, "index.html"))
				if string(now) != string(was) && string(now) != "de: "+said {
					t.Fatalf("cut after %d bytes: the start page is %q", n, now)
				}
				if err == nil {
					done = true
				} else {
					broken++
				}
				if n > 60_000 {
					t.Fatal("it never gets through")
				}
			}
			if broken < 5 {
				t.Errorf("only %d transfers broke", broken)
			}
			if _, err := carried(t.Context(), target, "heil", nil); err != nil {
				t.Fatal(err)
			}
			lies(t, dir, "heil")
		})
	}
}

// A share that is not mounted is not made on our own disk, and a link that leads
// out of the folder is not followed.
func TestDirectoryStaysInside(t *testing.T) {
	dir := t.TempDir()
	if _, err := carried(t.Context(), Target{Kind: Directory, Address: filepath.Join(dir, "weg")}, "x", nil); reasonOfErr(t, err) != "connect" {
		t.Error(err)
	}
	out := t.TempDir()
	if err := os.Symlink(out, filepath.Join(dir, "m")); err != nil {
		t.Fatal(err)
	}
	if _, err := carried(t.Context(), Target{Kind: Directory, Address: dir}, "x", nil); err == nil || len(laidDown(out)) > 0 {
		t.Error("written outside", err)
	}
}

// Every reason has its words.
func TestReasons(t *testing.T) {
	w := &world{now: time.Now}
	c := w.options(t, "").Locale(t.Context()).Catalog
	for _, r := range depot.Reasons() {
		if !c.Has("depot.fail_" + r) {
			t.Errorf("no words for %s", r)
		}
	}
	for err, want := range map[error]string{
		syscall.ENOSPC: "full", os.ErrPermission: "denied", context.DeadlineExceeded: "hang", io.ErrUnexpectedEOF: "gone", errors.New("x"): "write",
		&tls.CertificateVerificationError{}: "write",
	} {
		if got := reasonOfErr(t, depot.Failed("write", fmt.Errorf("x: %w", err))); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}
