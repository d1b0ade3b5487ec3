package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/sonde"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
)

// SondeSettings is what `tuermer sonde run` knows.
type SondeSettings struct {
	Server  string   // https://…
	Token   string   // one-time token; empty after the first time
	KeyFile string   // empty: sonde.key in the data folder
	CAFile  string   // PEM that the server's certificate is judged by; empty: the system's
	Allow   []string // networks that it may look into; empty: all
}

// sondeKey is the name of the key inside the data folder.
const sondeKey = "sonde.key"

// ValidServer reports whether a sonde may speak to the address: over TLS, or to
// this machine itself.
func ValidServer(s string) bool {
	if _, wrong := parseOrigin(s); wrong != nil {
		return false
	}
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

// ValidNetwork reports whether s is a network in CIDR form, or one address.
func ValidNetwork(s string) bool {
	_, wrong := parseNetwork(s)
	return wrong == nil
}

// RunSonde looks from this machine for a server elsewhere, until ctx ends.
func (Commands) RunSonde(ctx context.Context, s Settings, q SondeSettings) error {
	l, err := takeLock(s.Data)
	if err != nil {
		return explained{err}
	}
	defer func() { _ = l.release() }()
	if q.KeyFile == "" {
		q.KeyFile = filepath.Join(s.Data, sondeKey)
	}
	if _, err := os.Stat(q.KeyFile); q.Token == "" && errors.Is(err, fs.ErrNotExist) {
		return explained{fault.New(fault.Invalid, "app.sonde_first")}
	}
	key, err := sonde.LoadKey(q.KeyFile)
	if err != nil {
		return explained{err}
	}
	transport, err := sondeTransport(q.CAFile)
	if err != nil {
		return explained{err}
	}
	defer transport.CloseIdleConnections()
	now := clock.NewSteady()
	err = sonde.Run(ctx, sonde.RunOptions{
		Server: q.Server, Dir: s.Data, Key: key, Token: q.Token, Version: s.Version, Log: s.Log, Clock: now,
		HTTP:    &http.Client{Transport: transport},
		Probers: monitor.NewProbers(monitor.Options{Now: clock.System{}.Now, Guard: sondeGuard(q.Allow)}),
		Ready: func(name string) {
			fmt.Fprintln(s.Stdout, explained{fault.New(fault.Internal, "app.sonde_ready", name, q.Server)}.In(s.Lang))
		},
	})
	if err != nil {
		return explained{err}
	}
	return nil
}

// sondeGuard keeps a sonde to the networks that its own operator named.
func sondeGuard(allow []string) monitor.Guard {
	if len(allow) == 0 {
		return nil
	}
	var g monitor.NetworksGuard
	for _, n := range allow {
		text, _ := parseNetwork(n)
		if p, err := netip.ParsePrefix(text); err == nil {
			g.Networks = append(g.Networks, p)
		}
	}
	return g
}

// sondeTransport is how a sonde reaches its server: through the proxy of the
// environment where there is one, and with a certificate authority of its own
// where the town has one.
func sondeTransport(ca string) (*http.Transport, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := readBounded(ca, maxConfig)
		if err != nil {
			return nil, fault.New(fault.Invalid, "app.sonde_ca", ca).With(err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "app.sonde_ca", ca)
		}
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true, MaxIdleConns: 4, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: 60 * time.Second,
		DialContext: (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
	}, nil
}

// AddSonde makes room for a remote vantage point and returns its one-time token.
func (Commands) AddSonde(ctx context.Context, s Settings, name string) (token string, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		token, err = a.sonde.Add(ctx, name)
		return err
	})
	return token, err
}

// RenewSonde returns a new one-time token for a sonde that has lost its key.
func (Commands) RenewSonde(ctx context.Context, s Settings, name string) (token string, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		token, err = a.sonde.Renew(ctx, name)
		return err
	})
	return token, err
}

// RevokeSonde refuses a sonde's key from now on.
func (Commands) RevokeSonde(ctx context.Context, s Settings, name string) error {
	return once(ctx, s, func(ctx context.Context, a *App) error { return a.sonde.Revoke(ctx, name) })
}

// Sondes lists the remote vantage points and how they are.
func (Commands) Sondes(ctx context.Context, s Settings) (out []SondeLine, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		all, err := a.sonde.List(ctx)
		for _, x := range all {
			out = append(out, SondeLine{x.Name, a.catalog.Text(s.Lang, "sonde.state_"+string(x.State())), x.SeenAt})
		}
		return err
	})
	return out, err
}

// SondeLine is one sonde for the command line.
type SondeLine struct {
	Name   string
	State  string // in the operator's language
	SeenAt time.Time
}

// checkSondes names the voices that monitors count on and do not have.
func (a *App) checkSondes(ctx context.Context, s Settings) (out []CheckResult, err error) {
	all, err := a.sonde.List(ctx)
	if err != nil {
		return nil, err
	}
	state := map[string]sonde.State{}
	for _, x := range all {
		state[x.Name] = x.State()
	}
	ms, err := a.monitor.List(ctx, monitor.Filter{})
	if err != nil {
		return nil, err
	}
	named := map[string]string{}
	var order []string
	for _, m := range ms {
		for _, n := range m.Spec.Vantage.Sondes {
			if named[n] == "" {
				named[n] = m.Title()
				order = append(order, n)
			}
		}
	}
	for _, n := range order {
		key := ""
		switch st, ok := state[n]; {
		case !ok:
			key = "unknown"
		case st != sonde.Heard:
			key = string(st)
		}
		if key != "" {
			out = append(out, CheckResult{
				What:   a.catalog.Text(s.Lang, "app.check_sonde_"+key, n, named[n]),
				WayOut: a.catalog.Text(s.Lang, "app.check_sonde_"+key+"_out", n),
			})
		}
	}
	for _, x := range all {
		if x.State() == sonde.Heard && x.Clock != 0 {
			out = append(out, CheckResult{
				What:   a.catalog.Text(s.Lang, "app.check_sonde_clock", x.Name, x.Clock.Abs().Round(time.Second)),
				WayOut: a.catalog.Text(s.Lang, "app.check_sonde_clock_out"),
			})
		}
	}
	return out, nil
}
