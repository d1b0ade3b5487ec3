package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
)

// attendSocket, in the data folder, is where a running program hears commands
// of this machine. Whoever may open it may read the data anyway.
const attendSocket = "serve.sock"

// heard is the answer to a command.
type heard struct {
	Lines []string `json:"lines,omitempty"`
	Error string   `json:"error,omitempty"`
}

// attend hears `tuermer reload` and the signal SIGHUP until what it returns is
// called.
func (a *App) attend(ctx context.Context, s Settings) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.Hangup:
				a.readAgain(ctx, s, s.Lang)
			}
		}
	})
	stop = func() { cancel(); done.Wait() }
	l, err := listenLocal(filepath.Join(a.o.Dir, attendSocket))
	if err != nil {
		return stop, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		lang := s.Lang
		if l := i18n.Lang(r.FormValue("lang")); l == i18n.DE || l == i18n.EN {
			lang = l
		}
		h := a.readAgain(r.Context(), s, lang)
		w.Header().Set("Content-Type", "application/json")
		if h.Error != "" {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
		_ = json.NewEncoder(w).Encode(h) // the asker may be gone
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done.Go(func() { _ = srv.Serve(l) }) // ends with the Shutdown below
	return func() {
		cancel()
		c, release := context.WithTimeout(context.WithoutCancel(ctx), serverGrace)
		defer release()
		if srv.Shutdown(c) != nil {
			_ = srv.Close()
		}
		done.Wait()
	}, nil
}

// readAgain reads the configuration anew and says in l what came of it; the log
// has it too.
func (a *App) readAgain(ctx context.Context, s Settings, l i18n.Lang) (h heard) {
	fail := func(err error) heard {
		a.log.WarnContext(ctx, "the configuration was not taken over, the old one stays", "err", err)
		return heard{Error: worded(err, l)}
	}
	if s.ConfigFile == "" || s.Again == nil {
		return fail(explained{fault.New(fault.Conflict, "app.reload_no_file")})
	}
	next, err := s.Again()
	if err != nil {
		return fail(err)
	}
	r, err := a.Reload(ctx, next)
	if err != nil {
		return fail(err)
	}
	for _, line := range r.In(a.catalog, i18n.EN) {
		a.log.InfoContext(ctx, "configuration read again", "result", line)
	}
	return heard{Lines: r.In(a.catalog, l)}
}

// worded says err in l where it has words.
func worded(err error, l i18n.Lang) string {
	var w interface{ In(l i18n.Lang) string }
	if errors.As(err, &w) {
		return w.In(l)
	}
	return err.Error()
}

// listenLocal opens a socket for this machine's owner alone. One that a killed
// program left behind is taken away; the lock of the data folder says that none
// is running.
func listenLocal(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("app: socket: %w", err)
	}
	reach, done, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", reach)
	if err != nil {
		return nil, fmt.Errorf("app: socket: %w", err)
	}
	// The name that Close would remove may be the short one, which is gone then.
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("app: socket: %w", err), l.Close())
	}
	return l, nil
}

// maxSocketPath is what the kernel takes, see unix(7).
const maxSocketPath = 100

// shortPath is a name for path that the kernel takes for a socket; done lets go
// of it.
func shortPath(path string) (short string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("app: socket: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { _ = dir.Close() }, nil
}

// reloadTime bounds how long `tuermer reload` waits for its answer: a file with
// ten thousand checks takes some seconds.
const reloadTime = 2 * time.Minute

// Reload makes the program that serves from these settings' data folder read its
// configuration again, and answers what came of it, line by line.
func (Commands) Reload(ctx context.Context, s Settings) (lines []string, err error) {
	defer explain(&err)
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		reach, done, err := shortPath(filepath.Join(s.Data, attendSocket))
		if err != nil {
			return nil, err
		}
		defer done()
		return (&net.Dialer{}).DialContext(ctx, "unix", reach)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tuermer/reload?lang="+string(s.Lang), strings.NewReader(""))
	if err != nil {
		return nil, fmt.Errorf("app: reload: %w", err)
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "app.reload_nobody", s.Data).With(err)
	}
	defer res.Body.Close()
	var h heard
	if err := json.NewDecoder(res.Body).Decode(&h); err != nil {
		return nil, fmt.Errorf("app: reload: %w", err)
	}
	if h.Error != "" {
		return nil, said(h.Error)
	}
	return h.Lines, nil
}

// said is an error that comes with its words.
type said string

func (s said) Error() string       { return string(s) }
func (s said) In(i18n.Lang) string { return string(s) }
