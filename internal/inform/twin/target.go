package twin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Kind is how a target is reached.
type Kind string

// The kinds.
const (
	SFTP      Kind = "sftp"
	WebDAV    Kind = "webdav"
	Directory Kind = "directory"
)

// Target is one place outside where the copy lies.
type Target struct {
	Name string
	Kind Kind
	// Address is sftp://host:port/path, https://host/path, or a folder.
	Address string
	// View is where people read the copy; may be empty.
	View     string
	Username string
	Password string
	// PrivateKey is an SSH key in PEM form; HostKey pins the server: a fingerprint
	// "SHA256:…" or a line of known_hosts without names.
	PrivateKey []byte
	HostKey    string
	// CA is PEM by which a WebDAV server's certificate is judged; nil: the system's.
	CA []byte
	// Apache is the time zone in which an Apache host ticks: a .htaccess then
	// shows the page that says that it is out of date, when it is. Empty: none.
	Apache string
}

// Dial opens connections to targets.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// session is a target that has been reached. Paths are below the copy's root.
type session interface {
	mkdir(ctx context.Context, dir string) error
	put(ctx context.Context, name string, body []byte) error
	rename(ctx context.Context, from, to string) error
	remove(ctx context.Context, name string) error
	close()
}

// open reaches a target.
func (t Target) open(ctx context.Context, dial Dial) (session, error) {
	switch t.Kind {
	case SFTP:
		return openSFTP(ctx, t, dial)
	case WebDAV:
		return openWebDAV(t, dial)
	case Directory:
		return openDirectory(t.Address)
	default:
		return nil, failed("setup", fmt.Errorf("unknown kind %q", t.Kind))
	}
}

// Time limits: of one step, so that a host that hangs is given up, and of a
// whole transfer.
const (
	stepTime     = 30 * time.Second
	transferTime = 10 * time.Minute
)

// Failure is why a target did not take the copy: a reason with a text key
// twin.fail_REASON, and the cause for who sets it up.
type Failure struct {
	Reason string
	Err    error
}

func (f *Failure) Error() string { return "twin: " + f.Reason + ": " + f.Err.Error() }

func (f *Failure) Unwrap() error { return f.Err }

// Reasons are all that a [Failure] may give, each with a text of its own.
func Reasons() []string {
	return []string{"setup", "connect", "hang", "gone", "host_key", "login", "tls", "denied", "locked", "full", "moved", "write"}
}

func failed(reason string, err error) error {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{Reason: reasonOf(reason, err), Err: err}
}

// reasonOf finds the better word for causes that look the same everywhere.
func reasonOf(reason string, err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "full"
	case errors.Is(err, fs.ErrPermission):
		return "denied"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "hang"
	case reason == "write" && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)):
		return "gone"
	default:
		return reason
	}
}

// fresh stands behind the name of a file that has not been put up yet.
const fresh = ".neu"

// deliver brings files to a session in their order: first all beside the old
// ones, which takes its time and may fail, then all by their names. had are the
// digests that lie there by our knowledge; what is the same is left alone, what
// is no longer wanted goes last.
func deliver(ctx context.Context, s session, files []File, had map[string]string) (sent int, err error) {
	step := func(do func(ctx context.Context) error) error {
		c, cancel := context.WithTimeout(ctx, stepTime)
		defer cancel()
		return do(c)
	}
	var todo []File
	want := map[string]bool{}
	for _, f := range files {
		want[f.Path] = true
		if had[f.Path] != digest(f.Body) {
			todo = append(todo, f)
		}
	}
	made := map[string]bool{}
	for _, f := range todo {
		for _, dir := range parents(f.Path) {
			if !made[dir] {
				if err := step(func(ctx context.Context) error { return s.mkdir(ctx, dir) }); err != nil {
					return 0, err
				}
				made[dir] = true
			}
		}
	}
	for i, f := range todo {
		if err := step(func(ctx context.Context) error { return s.put(ctx, f.Path+fresh, f.Body) }); err != nil {
			// What lies there half is taken away, or a full disk stays full.
			clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime/3)
			defer cancel()
			for _, f := range slices.Backward(todo[:i+1]) {
				if s.remove(clean, f.Path+fresh) != nil && clean.Err() != nil {
					break
				}
			}
			return 0, err
		}
	}
	for _, f := range todo {
		if err := step(func(ctx context.Context) error { return s.rename(ctx, f.Path+fresh, f.Path) }); err != nil {
			return sent, err
		}
		sent++
	}
	for old := range had {
		if !want[old] && safe(old) {
			// It stays readable if this fails; the next whole transfer forgets it.
			_ = step(func(ctx context.Context) error { return s.remove(ctx, old) })
		}
	}
	return sent, nil
}

// parents are the folders above a file, the outermost first.
func parents(file string) []string {
	var out []string
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		out = append(out, dir)
	}
	slices.Reverse(out)
	return out
}

// order puts files as they are to go up: the manifest before the start pages,
// whose home language is the very last.
func order(files []File, manifest []byte) []File {
	at := len(files)
	for at > 0 && path.Base(files[at-1].Path) == "index.html" {
		at--
	}
	return slices.Concat(files[:at:at], []File{{Path: ManifestName, Body: manifest}}, files[at:])
}

// htaccess lets an Apache host show the page that says that the copy is out of
// date, from the moment on when it is. The host compares its own clock.
func htaccess(until time.Time, zone *time.Location) []byte {
	return []byte(strings.Join([]string{
		"# Türmer: after this time the copy is out of date.",
		"AddDefaultCharset utf-8",
		"<IfModule mod_rewrite.c>",
		"RewriteEngine On",
		"RewriteCond %{TIME} >=" + until.In(zone).Format("20060102150405"),
		"RewriteRule ^((?:[a-z]+/)?)(?:index\\.html)?$ $1veraltet.html [L]",
		"RewriteCond %{TIME} >=" + until.In(zone).Format("20060102150405"),
		"RewriteRule ^leicht\\.html$ leicht-veraltet.html [L]",
		"</IfModule>",
		"",
	}, "\n"))
}
