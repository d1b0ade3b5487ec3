package monitor

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// parseProxy accepts the address of a forward proxy. Its name and password have
// keys of their own, for the address is shown.
func parseProxy(raw string) (*url.URL, bool) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || len(raw) > 1024 || u.User != nil || u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || !validHost(u.Hostname()) {
		return nil, false
	}
	switch u.Scheme {
	case "http", "https", "socks5":
	default:
		return nil, false
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return nil, false
		}
	}
	return u, true
}

func proxyPort(u *url.URL) int {
	if u.Port() == "" && u.Scheme == "socks5" {
		return 1080
	}
	return portOf(u)
}

// reach opens the connection on which a request is written: to the target
// itself, to a proxy, or through one. The returned function must be called
// before the connection is closed. The proxy's certificate is not the one that
// the check watches, so r does not hear of it.
func (p *httpProber) reach(ctx context.Context, o *order) (net.Conn, func() bool, error) {
	host, port := o.url.Hostname(), portOf(o.url)
	if o.spec.Proxy == "" {
		c, err := p.w.connect(ctx, "tcp", host, port)
		if err != nil {
			return nil, nil, err
		}
		return c, bind(ctx, c), nil
	}
	proxy, ok := parseProxy(o.spec.Proxy)
	if !ok {
		return nil, nil, failf(ReasonInvalid, "the proxy's address cannot be asked")
	}
	to, err := p.w.vouch(ctx, host, port)
	if err != nil {
		return nil, nil, err
	}
	raw, err := p.w.connect(ctx, "tcp", proxy.Hostname(), proxyPort(proxy))
	if err != nil {
		return nil, nil, err
	}
	unbind := bind(ctx, raw)
	c, err := p.through(raw, proxy, o, to, host, port)
	if err != nil {
		unbind()
		raw.Close()
		return nil, nil, err
	}
	return c, unbind, nil
}

// through makes the proxy connect us onwards, or leaves the connection as it is
// where the proxy takes the request itself: plain HTTP over an HTTP proxy.
func (p *httpProber) through(c net.Conn, proxy *url.URL, o *order, to netip.Addr, host string, port int) (net.Conn, error) {
	if proxy.Scheme == "https" {
		own := Spec{TLS: TLSSpec{CA: o.spec.TLS.CA}}
		cfg, err := p.w.secure.config(&own, proxy.Hostname(), false, leanProtos)
		if err != nil {
			return nil, err
		}
		var unwatched Result
		if c, err = p.w.secure.handshake(c, cfg, &unwatched); err != nil {
			return nil, err
		}
	}
	ascii, err := asciiHost(host)
	if err != nil {
		return nil, failf(ReasonInvalid, "not a host name: %s", host)
	}
	switch {
	case proxy.Scheme == "socks5":
		if to.IsValid() {
			ascii = to.String() // judged, so the proxy shall not look it up again
		}
		return c, socksConnect(c, ascii, port, o.spec.ProxyUsername, o.spec.ProxyPassword)
	case o.url.Scheme == "https" || o.spec.HTTP2:
		return c, p.tunnel(c, joinHostPort(ascii, port), o.spec)
	}
	o.absolute = true
	return c, nil
}

// proxyLogin is the value of Proxy-Authorization, empty without a name.
func proxyLogin(s *Spec) string {
	if s.ProxyUsername == "" {
		return ""
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(s.ProxyUsername+":"+s.ProxyPassword))
}

// tunnel asks for a connection with CONNECT (RFC 9110, section 9.3.6).
func (p *httpProber) tunnel(c net.Conn, to string, s *Spec) error {
	request := "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\nUser-Agent: " + userAgent + "\r\n"
	if login := proxyLogin(s); login != "" {
		request += "Proxy-Authorization: " + login + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		return during("asking the proxy", err)
	}
	b := p.buffers.Get().(*leanBuffer)
	defer p.release(b)
	b.reset()
	end, err := b.fillHead(c)
	if err != nil {
		return err
	}
	h, ok := parseHead(b.head[:end], &b.fields)
	switch {
	case !ok:
		return failf(ReasonProxy, "the proxy's answer is not HTTP")
	case h.code < 200 || h.code > 299:
		return failf(ReasonProxy, "the proxy answers CONNECT with %d", h.code)
	case len(b.head) > end:
		return failf(ReasonProtocol, "the target talks before it is asked")
	}
	return nil
}

// socksConnect asks a SOCKS5 proxy for a connection (RFC 1928, RFC 1929).
func socksConnect(c io.ReadWriter, host string, port int, user, password string) error {
	method := byte(0) // none
	if user != "" {
		method = 2 // name and password
	}
	if _, err := c.Write([]byte{5, 1, method}); err != nil {
		return during("asking the proxy", err)
	}
	chosen, err := socksRead(c, 2)
	if err != nil {
		return err
	}
	switch {
	case chosen[0] != 5:
		return failf(ReasonProxy, "the proxy does not speak SOCKS5")
	case chosen[1] != method:
		return failf(ReasonProxy, "the proxy wants another login")
	}
	if method == 2 {
		login := append([]byte{1, byte(len(user))}, user...)
		login = append(append(login, byte(len(password))), password...)
		if _, err := c.Write(login); err != nil {
			return during("asking the proxy", err)
		}
		answer, err := socksRead(c, 2)
		if err != nil {
			return err
		}
		if answer[1] != 0 {
			return failf(ReasonProxy, "the proxy refuses the login")
		}
	}
	request := []byte{5, 1, 0}
	if a, err := netip.ParseAddr(host); err == nil {
		if a = a.Unmap(); a.Is4() {
			request = append(append(request, 1), a.AsSlice()...)
		} else {
			request = append(append(request, 4), a.WithZone("").AsSlice()...)
		}
	} else {
		if len(host) > 255 {
			return failf(ReasonInvalid, "not a host name: %s", host)
		}
		request = append(append(request, 3, byte(len(host))), host...)
	}
	if _, err := c.Write(binary.BigEndian.AppendUint16(request, uint16(port))); err != nil {
		return during("asking the proxy", err)
	}
	return socksAnswer(c)
}

// socksAnswer reads the proxy's verdict and the address behind it.
func socksAnswer(c io.Reader) error {
	head, err := socksRead(c, 4)
	if err != nil {
		return err
	}
	if head[0] != 5 {
		return failf(ReasonProxy, "the proxy does not speak SOCKS5")
	}
	if code := head[1]; code != 0 {
		why := map[byte]string{2: "not allowed", 3: "network unreachable", 4: "host unreachable", 5: "connection refused", 6: "too far"}[code]
		if why == "" {
			why = "code " + strconv.Itoa(int(code))
		}
		return failf(ReasonProxy, "the proxy cannot connect: %s", why)
	}
	rest := 0
	switch head[3] {
	case 1:
		rest = 4
	case 4:
		rest = 16
	case 3:
		n, err := socksRead(c, 1)
		if err != nil {
			return err
		}
		rest = int(n[0])
	default:
		return failf(ReasonProxy, "the proxy does not speak SOCKS5")
	}
	_, err = socksRead(c, rest+2)
	return err
}

func socksRead(c io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(c, b)
	return b, during("waiting for the proxy", err)
}
