package monitor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// sipProber asks a telephone system for its abilities (OPTIONS, RFC 3261,
// section 11).
type sipProber struct{ w *wire }

// Probe looks once.
func (p sipProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		network, via := "udp", "UDP"
		switch s.TLS.Mode {
		case "tls":
			network, via = "tcp", "TLS"
		case "tcp":
			network, via = "tcp", "TCP"
		}
		t, err := p.w.open(ctx, network, &s, r)
		if err != nil {
			return err
		}
		defer t.close()
		var random [12]byte
		rand.Read(random[:]) // never fails (crypto/rand)
		call := hex.EncodeToString(random[:])
		msg := sipOptions(t.c.LocalAddr(), via, s.Host, s.Port, call)
		if err := t.send(msg); err != nil {
			return err
		}
		if network == "udp" {
			defer resend(t.c, msg)()
			r.Code, err = sipDatagrams(t.c, call)
		} else {
			r.Code, err = t.sipStream(call)
		}
		if err != nil {
			return err
		}
		if !hasStatus(s.Expect.Status, r.Code) {
			return failf(ReasonStatus, "SIP %d", r.Code)
		}
		return nil
	})
}

// resend repeats a datagram after 0.5, 1, 2 … s, as SIP over UDP does, until
// the returned function has stopped it.
func resend(c net.Conn, msg []byte) (stop func()) {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for pause := 500 * time.Millisecond; ; pause *= 2 {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
				if _, err := c.Write(msg); err != nil {
					return // the reader sees the same error
				}
			case <-quit:
				timer.Stop()
				return
			}
		}
	})
	return func() { close(quit); wg.Wait() }
}

func sipOptions(local net.Addr, via, host string, port int, call string) []byte {
	us := ownName
	if local != nil && strings.Contains(local.String(), ":") {
		us = local.String()
	}
	scheme := "sip:"
	if via == "TLS" {
		scheme = "sips:"
	}
	target := scheme + joinHostPort(host, port)
	return fmt.Appendf(nil, "OPTIONS %s SIP/2.0\r\n"+
		"Via: SIP/2.0/%s %s;branch=z9hG4bK%s;rport\r\n"+
		"Max-Forwards: 70\r\nFrom: <sip:monitor@%s>;tag=%s\r\nTo: <%s>\r\n"+
		"Call-ID: %s\r\nCSeq: 1 OPTIONS\r\nContact: <sip:monitor@%s>\r\nAccept: application/sdp\r\n"+
		"User-Agent: %s\r\nContent-Length: 0\r\n\r\n",
		target, via, us, call, ownName, call[:8], target, call, us, userAgent)
}

// parseSIP reads the code of a response to our call; ok is false for anything
// else, and for provisional responses.
func parseSIP(b []byte, call string) (code int, ok bool) {
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	if len(line) < 11 || string(line[:8]) != "SIP/2.0 " {
		return 0, false
	}
	for _, c := range line[8:11] {
		if c < '0' || c > '9' {
			return 0, false
		}
		code = code*10 + int(c-'0')
	}
	return code, code >= 200 && bytes.Contains(rest, []byte(call))
}

func sipDatagrams(c net.Conn, call string) (int, error) {
	b := make([]byte, 8192)
	for {
		n, err := c.Read(b)
		if err != nil {
			return 0, during("waiting for the answer", err)
		}
		if code, ok := parseSIP(b[:n], call); ok {
			return code, nil
		}
	}
}

// sipStream reads responses from a connection; those to OPTIONS have no body
// that we would need to skip before the final one.
func (t *talk) sipStream(call string) (int, error) {
	var msg []byte
	for range maxLines {
		line, err := t.line()
		if err != nil {
			return 0, err
		}
		if line != "" {
			msg = append(append(msg, line...), '\n')
			continue
		}
		if len(msg) == 0 {
			continue // keep-alive between messages
		}
		if code, ok := parseSIP(msg, call); ok {
			return code, nil
		}
		if !bytes.HasPrefix(msg, []byte("SIP/2.0 1")) {
			return 0, failf(ReasonProtocol, "the answer is not SIP")
		}
		msg = msg[:0]
	}
	return 0, failf(ReasonProtocol, "more than %d lines in one answer", maxLines)
}
