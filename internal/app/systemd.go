package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// notifier tells systemd how the program is, over the socket that it names in the
// environment; without one it says nothing. See sd_notify(3).
type notifier struct {
	socket   string
	watchdog time.Duration // how long silence may last; zero: nobody watches
}

// newNotifier reads what systemd says in the environment.
func newNotifier(env func(string) string) notifier {
	n := notifier{socket: env("NOTIFY_SOCKET")}
	if us, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 && n.socket != "" {
		n.watchdog = time.Duration(us) * time.Microsecond
	}
	return n
}

// say sends one state, such as "READY=1".
func (n notifier) say(state string) error {
	if n.socket == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("app: systemd: %w", err)
	}
	_, err = c.Write([]byte(state))
	return errors.Join(err, c.Close())
}

// watch says that the program is alive, a few times within the time that systemd
// waits, as long as alive says so; what it returns ends it and waits for the end.
func (n notifier) watch(ctx context.Context, alive func(context.Context) error, failed func(error)) (stop func()) {
	if n.watchdog == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		every := time.NewTicker(n.watchdog / 3)
		defer every.Stop()
		for {
			c, release := context.WithTimeout(ctx, n.watchdog/4)
			err := alive(c)
			release()
			if err == nil {
				err = n.say("WATCHDOG=1")
			}
			if err != nil && ctx.Err() == nil {
				failed(err)
			}
			select {
			case <-ctx.Done():
				return
			case <-every.C:
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// healthy asks a listener of ours whether it answers. A database that is away is no
// reason to be started anew, so it is not asked for.
func healthy(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("app: health: %w", err)
	}
	// It is our own listener on this machine; its certificate names others.
	transport := &http.Transport{Proxy: nil, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // see above
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("app: health: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4096))
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("app: health: %s", res.Status)
	}
	return nil
}

// healthTime bounds one question of `tuermer health`.
const healthTime = 5 * time.Second

// Health asks the program that serves with these settings whether it answers.
func (Commands) Health(ctx context.Context, s Settings) error {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	addr := s.Staff
	if host, port, err := net.SplitHostPort(addr); err == nil {
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			addr = net.JoinHostPort("127.0.0.1", port)
		}
	}
	if err := healthy(ctx, (&App{o: Options{TLSCert: s.TLSCert, ACME: s.ACME}}).scheme()+addr); err != nil {
		return explained{err}
	}
	return nil
}
