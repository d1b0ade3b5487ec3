package depot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// Kind is how a place is reached.
type Kind string

// The kinds.
const (
	SFTP      Kind = "sftp"
	WebDAV    Kind = "webdav"
	Directory Kind = "directory"
)

// Place is where files are laid down.
type Place struct {
	Kind Kind
	// Address is sftp://host:port/path, https://host/path, or a folder.
	Address  string
	Username string
	Password string
	// PrivateKey is an SSH key in PEM form; HostKey pins the server: a fingerprint
	// "SHA256:…" or a line of known_hosts without names.
	PrivateKey []byte
	HostKey    string
	// CA is PEM by which a WebDAV server's certificate is judged; nil: the system's.
	CA []byte
}

// Dial opens connections to places.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// Session is a place that has been reached. Names are below its root.
type Session interface {
	// Mkdir makes a folder whose parent is there; one that is there is as good.
	Mkdir(ctx context.Context, dir string) error
	Put(ctx context.Context, name string, body []byte) error
	// PutFrom is Put for what is too large for the memory. It takes as long as
	// it goes on, see [StepTime].
	PutFrom(ctx context.Context, name string, body io.Reader, size int64) error
	// Rename replaces what lies there by that name.
	Rename(ctx context.Context, from, to string) error
	// Remove answers an error for what is not there in a folder or by SFTP, and
	// none by WebDAV; callers pass over it.
	Remove(ctx context.Context, name string) error
	// List tells what lies in a folder; a folder that is not there is empty.
	List(ctx context.Context, dir string) ([]Entry, error)
	// Get reads a file; [fs.ErrNotExist] if there is none. It takes as long as it
	// goes on.
	Get(ctx context.Context, name string, to io.Writer) error
	Close()
}

// Entry is one file or folder of a place.
type Entry struct {
	Name string
	Size int64
	Dir  bool
}

// Open reaches a place.
func (p Place) Open(ctx context.Context, dial Dial) (Session, error) {
	switch p.Kind {
	case SFTP:
		return openSFTP(ctx, p, dial)
	case WebDAV:
		return openWebDAV(p, dial)
	case Directory:
		return openDirectory(p.Address)
	default:
		return nil, Failed("setup", fmt.Errorf("unknown kind %q", p.Kind))
	}
}

// StepTime bounds one step, so that a host that hangs is given up; of a large
// file it bounds each standstill.
const StepTime = 30 * time.Second

// Failure is why a place did not take something: a reason with the text
// depot.fail_REASON, and the cause for who sets it up.
type Failure struct {
	Reason string
	Err    error
}

func (f *Failure) Error() string { return "depot: " + f.Reason + ": " + f.Err.Error() }

func (f *Failure) Unwrap() error { return f.Err }

// Reasons are all that a [Failure] may give.
func Reasons() []string {
	return []string{"setup", "connect", "hang", "gone", "host_key", "login", "tls", "denied", "locked", "full", "moved", "write"}
}

// Failed wraps a cause with a reason, or with the better one that it gives
// itself. What failed already stays as it is.
func Failed(reason string, err error) error {
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

// moving ends ctx when nothing has moved for [StepTime]; each of its readers and
// writers says that something has.
type moving struct {
	late *time.Timer
}

func whileMoving(ctx context.Context) (context.Context, *moving, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	m := &moving{late: time.AfterFunc(StepTime, func() { cancel(context.DeadlineExceeded) })}
	return ctx, m, func() { m.late.Stop(); cancel(nil) }
}

func (m *moving) on() { m.late.Reset(StepTime) }

type movingReader struct {
	m *moving
	r io.Reader
}

func (r movingReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.m.on()
	return n, err
}

type movingWriter struct {
	m *moving
	w io.Writer
}

func (w movingWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	w.m.on()
	return n, err
}
