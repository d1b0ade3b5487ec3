package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// demoDomain is where the invented services live. Names under it are answered
// by this process, so that checks read as they would in a town.
const demoDomain = ".musterstadt.example"

// breakage is how a target of the demo fails.
type breakage string

// The ways to fail.
const (
	works   breakage = ""
	errors5 breakage = "error"  // answers 503
	hangs   breakage = "hang"   // takes the connection and says nothing
	refuses breakage = "refuse" // takes no connection
)

func breakages() []breakage { return []breakage{errors5, hangs, refuses} }

// demoTargets answers for all services of the demo on one loopback port.
type demoTargets struct {
	addr string
	srv  *http.Server
	done chan error

	mu    sync.Mutex
	modes map[string]breakage // by slug; a slug that is missing is no target
}

func openDemoTargets(ctx context.Context, slugs []string) (*demoTargets, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("app: demo targets: %w", err)
	}
	t := &demoTargets{addr: l.Addr().String(), done: make(chan error, 1), modes: map[string]breakage{}}
	for _, s := range slugs {
		t.modes[s] = works
	}
	t.srv = &http.Server{Handler: t, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	go func() { t.done <- t.srv.Serve(l) }()
	return t, nil
}

// close ends the answers under way too: a hanging one would never end.
func (t *demoTargets) close() error {
	err := t.srv.Close()
	if served := <-t.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// set makes a target fail, or work again. It reports whether there is one.
func (t *demoTargets) set(slug string, b breakage) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.modes[slug]
	if ok {
		t.modes[slug] = b
	}
	return ok
}

// broken lists the targets that fail, and how.
func (t *demoTargets) broken() map[string]breakage {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]breakage{}
	for slug, b := range t.modes {
		if b != works {
			out[slug] = b
		}
	}
	return out
}

func (t *demoTargets) mode(host string) (b breakage, ok bool) {
	slug, ours := strings.CutSuffix(host, demoDomain)
	if !ours {
		return works, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok = t.modes[slug]
	return b, ok
}

// dial opens connections for the checks: to the invented services here, to
// everything else where it is.
func (t *demoTargets) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	switch b, ok := t.mode(host); {
	case !ok:
	case b == refuses:
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	default:
		addr = t.addr
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// ServeHTTP answers as the service that is asked for.
func (t *demoTargets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	b, ok := t.mode(host)
	switch {
	case !ok:
		http.NotFound(w, r)
	case b == errors5:
		http.Error(w, "Dienst nicht verfügbar", http.StatusServiceUnavailable)
	case b == hangs:
		<-r.Context().Done()
	default:
		_, _ = io.WriteString(w, "Willkommen") // the asker may be gone
	}
}
