package monitor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// icmpProber sends one echo request and waits for its answer. A lost packet is
// what the confirmation is for.
type icmpProber struct{ w *wire }

// Probe looks once.
func (p icmpProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		if p.w.resolver == nil {
			return failf(ReasonInvalid, "ICMP needs a resolver")
		}
		addrs, err := p.w.resolve(ctx, s.Host)
		if err != nil {
			return err
		}
		addr := addrs[0]
		if err := p.w.allow(ctx, "ip", netip.AddrPortFrom(addr, 0)); err != nil {
			return err
		}
		c, to, err := listenICMP(addr)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := askEcho(ctx, c, to, addr); err != nil {
			return err
		}
		see(ctx, addr)
		return nil
	})
}

// askEcho sends one request over an open socket and waits for its answer among
// all that others send us.
func askEcho(ctx context.Context, c net.PacketConn, to net.Addr, addr netip.Addr) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(past) })
	defer stop()
	var token [24]byte
	rand.Read(token[:]) // never fails (crypto/rand)
	request, err := echo(addr, token[:])
	if err != nil {
		return failf(ReasonInvalid, "the echo request cannot be written")
	}
	if _, err := c.WriteTo(request, to); err != nil {
		return during("sending", err)
	}
	b := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return during("waiting for the answer", err)
		}
		if isEcho(b[:n], addr, token[:]) && fromAddr(from) == addr.WithZone("") {
			return nil
		}
	}
}

// listenICMP opens a socket for one echo: the unprivileged kind where the
// system allows it to our group, else a raw one.
func listenICMP(addr netip.Addr) (*icmp.PacketConn, net.Addr, error) {
	free, raw := "udp4", "ip4:icmp"
	if addr.Is6() {
		free, raw = "udp6", "ip6:ipv6-icmp"
	}
	if c, err := icmp.ListenPacket(free, ""); err == nil {
		return c, &net.UDPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}, nil
	}
	c, err := icmp.ListenPacket(raw, "")
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, nil, failf(ReasonInvalid, "this machine does not allow us to send ICMP (net.ipv4.ping_group_range)")
		}
		return nil, nil, during("opening the socket", err)
	}
	return c, &net.IPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}, nil
}

// echo is a request whose payload is the token: the id cannot tell answers
// apart, since the system may choose it.
func echo(addr netip.Addr, token []byte) ([]byte, error) {
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(binary.BigEndian.Uint16(token)), Seq: 1, Data: token}}
	if addr.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest // the system fills in the checksum
	}
	return m.Marshal(nil)
}

// isEcho tells whether a packet answers the request with the token.
func isEcho(b []byte, addr netip.Addr, token []byte) bool {
	proto := 1
	if addr.Is6() {
		proto = 58
	}
	m, err := icmp.ParseMessage(proto, b)
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply && m.Type != ipv6.ICMPTypeEchoReply {
		return false
	}
	e, ok := m.Body.(*icmp.Echo)
	return ok && bytes.Equal(e.Data, token)
}

func fromAddr(a net.Addr) netip.Addr {
	var ip net.IP
	switch a := a.(type) {
	case *net.UDPAddr:
		ip = a.IP
	case *net.IPAddr:
		ip = a.IP
	}
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}
