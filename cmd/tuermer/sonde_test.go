package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"tuermer/internal/app"
	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/sonde"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
)

// sights is who cannot reach what: the vantage point's name and the address.
type sights struct {
	mu      sync.Mutex
	blocked map[string]bool
}

func (x *sights) set(who, addr string, reaches bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.blocked == nil {
		x.blocked = map[string]bool{}
	}
	x.blocked[who+" "+addr] = !reaches
}

func (x *sights) lost(who, addr string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.blocked[who+" "+addr]
}

// dialFrom is the network as one vantage point has it; the name of this machine
// is Türmer.
func (s *stage) dialFrom(who string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if s.sights.lost(who, addr) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: memAddr(addr), Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
		}
		return s.net.Dial(ctx, network, addr)
	}
}

// lookout is a sonde that runs beside the product.
type lookout struct {
	dir    string
	key    ed25519.PrivateKey
	client *http.Transport
	cancel context.CancelFunc
	done   chan error
}

// sonde: Sonde kassel beginnt | verstummt | kehrt zurück | wird abgewiesen.
func (s *stage) sonde(args []string) error {
	name := args[0]
	switch how := strings.Join(args[1:], " "); how {
	case "beginnt":
		settings := app.NewSettings(app.Settings{Data: s.dir, Lang: i18n.DE, Log: s.log, Staff: staffHost, Public: publicHost}, s.config)
		settings.Data, settings.Database = s.dir, s.database
		token, err := app.Commands{}.AddSonde(s.t.Context(), settings, name)
		if err != nil {
			return err
		}
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		if s.lookouts == nil {
			s.lookouts = map[string]*lookout{}
		}
		s.lookouts[name] = &lookout{dir: filepath.Join(s.dir, "sonde-"+name), key: key}
		s.runSonde(name, token)
	case "kehrt zurück":
		if s.lookouts[name] == nil {
			return fmt.Errorf("die Sonde „%s“ hat noch nicht begonnen", name)
		}
		s.runSonde(name, "")
	case "verstummt":
		return s.haltSonde(name)
	case "wird abgewiesen": // and ends by itself
		l := s.lookouts[name]
		if l == nil || l.cancel == nil {
			return fmt.Errorf("die Sonde „%s“ läuft nicht", name)
		}
		err := <-l.done
		l.cancel()
		l.cancel = nil
		l.client.CloseIdleConnections()
		if !errors.Is(err, sonde.ErrRevoked) {
			return fmt.Errorf("die Sonde „%s“ endet mit: %w", name, err)
		}
	default:
		return fmt.Errorf("„%s“: erwartet wird beginnt, verstummt, kehrt zurück oder wird abgewiesen", how)
	}
	return nil
}

func (s *stage) runSonde(name, token string) {
	l := s.lookouts[name]
	ctx, cancel := context.WithCancel(s.t.Context())
	l.cancel, l.done, l.client = cancel, make(chan error, 1), &http.Transport{DialContext: s.net.Dial}
	go func() {
		l.done <- sonde.Run(ctx, sonde.RunOptions{
			Server: "http://lage.example", Dir: l.dir, Key: l.key, Token: token, Version: "test", Log: s.log,
			HTTP: &http.Client{Transport: l.client}, Clock: clock.System{},
			Probers: monitor.NewProbers(monitor.Options{DialContext: s.dialFrom(name), Now: clock.System{}.Now}),
		})
	}()
}

func (s *stage) haltSonde(name string) error {
	l := s.lookouts[name]
	if l == nil || l.cancel == nil {
		return fmt.Errorf("die Sonde „%s“ läuft nicht", name)
	}
	l.cancel()
	l.cancel = nil
	err := <-l.done
	l.client.CloseIdleConnections()
	return err
}

// place: Standort Türmer|kassel … erreicht portal [nicht].
func (s *stage) place(args []string) error {
	addr := ""
	for _, m := range s.config.Monitors {
		if len(args) >= 3 && m.Slug == args[2] {
			host, _, _ := strings.Cut(strings.TrimPrefix(m.Spec.URL, "http://"), "/")
			addr = hostPort(host)
		}
	}
	if addr == "" || args[1] != "erreicht" {
		return errors.New("erwartet wird: Standort NAME erreicht ZIEL [nicht]")
	}
	s.sights.set(args[0], addr, len(args) == 3)
	return nil
}
