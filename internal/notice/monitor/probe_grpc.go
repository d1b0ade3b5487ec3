package monitor

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// grpcProber asks grpc.health.v1.Health/Check. The two messages are so small
// that they are written and read by hand.
type grpcProber struct{ w *wire }

// Probe looks once.
func (p grpcProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		t := &http.Transport{
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHead,
			Protocols: new(http.Protocols),
			// Bound to the look, and not to the ctx of net/http, which has no end: a
			// target that takes nothing in would keep connection and goroutine.
			DialContext: func(_ context.Context, network, _ string) (net.Conn, error) {
				c, err := p.w.connect(ctx, network, s.Host, s.Port)
				if err != nil {
					return nil, err
				}
				return unbound{c, bind(ctx, c)}, nil
			},
		}
		defer t.CloseIdleConnections()
		scheme := "http"
		t.Protocols.SetUnencryptedHTTP2(true)
		if s.TLS.Mode == "tls" {
			cfg, err := p.w.secure.config(&s, s.Host, !s.HasCredentials(), nil)
			if err != nil {
				return err
			}
			scheme, t.TLSClientConfig = "https", cfg
			t.Protocols.SetUnencryptedHTTP2(false)
			t.Protocols.SetHTTP2(true)
		}
		u := url.URL{Scheme: scheme, Host: joinHostPort(s.Host, s.Port), Path: "/grpc.health.v1.Health/Check"}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(string(grpcAsk(s.Service))))
		if err != nil {
			return failf(ReasonInvalid, "the request cannot be written")
		}
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("Te", "trailers")
		req.Header.Set("User-Agent", userAgent)
		if s.Bearer != "" {
			req.Header.Set("Authorization", "Bearer "+s.Bearer)
		}
		res, err := t.RoundTrip(req)
		if err != nil {
			return during("asking", err)
		}
		defer res.Body.Close()
		if res.TLS != nil {
			r.CertExpires = firstEnd(res.TLS.PeerCertificates)
		}
		if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/grpc") {
			return failf(ReasonProtocol, "the answer is not gRPC")
		}
		body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
		if err != nil {
			return during("reading the answer", err)
		}
		status := res.Trailer.Get("Grpc-Status")
		if status == "" {
			status = res.Header.Get("Grpc-Status") // an answer without a message
		}
		return judgeGRPC(status, body, r)
	})
}

// grpcAsk is HealthCheckRequest{service} in its frame.
func grpcAsk(service string) []byte {
	var msg []byte
	if service != "" {
		msg = append(binary.AppendUvarint([]byte{0x0a}, uint64(len(service))), service...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(msg))), msg...)
}

// judgeGRPC reads HealthCheckResponse{status}: 1 is SERVING.
func judgeGRPC(status string, body []byte, r *Result) error {
	code, err := strconv.Atoi(status)
	if err != nil || code < 0 {
		return failf(ReasonProtocol, "the answer has no gRPC status")
	}
	if r.Code = code; code != 0 {
		return failf(ReasonStatus, "gRPC status %d", code)
	}
	if len(body) < 5 || body[0] != 0 || int64(binary.BigEndian.Uint32(body[1:])) != int64(len(body)-5) {
		return failf(ReasonProtocol, "the answer's frame is broken")
	}
	health := uint64(0)
	for msg := body[5:]; len(msg) > 0; {
		tag, n := binary.Uvarint(msg)
		if n <= 0 || tag&7 != 0 { // the message has varints only
			return failf(ReasonProtocol, "the health message is broken")
		}
		v, k := binary.Uvarint(msg[n:])
		if k <= 0 {
			return failf(ReasonProtocol, "the health message is broken")
		}
		if tag>>3 == 1 {
			health = v
		}
		msg = msg[n+k:]
	}
	if health != 1 {
		return failf(ReasonStatus, "health status %d, expected 1 (SERVING)", health)
	}
	return nil
}
