package pulse

import (
	"bufio"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
)

// Facts are where this machine stands in the world, as it tells itself.
type Facts struct {
	Hosts     []netip.Addr
	Gateways  []netip.Addr
	Resolvers []netip.Addr
}

// Part is one thing of the machine that stands in a network of the town.
type Part struct {
	What string // host, gateway, resolver: texts pulse.part_WHAT
	Addr netip.Addr
	Net  netip.Prefix
}

// Inside lists what of f stands in the town's own networks (R4.6). Addresses of
// the machine itself, such as a resolver on loopback, tell nothing and are left
// out.
func Inside(f Facts, town []netip.Prefix) []Part {
	var out []Part
	for _, g := range []struct {
		what string
		list []netip.Addr
	}{{"host", f.Hosts}, {"gateway", f.Gateways}, {"resolver", f.Resolvers}} {
		for _, a := range g.list {
			a = a.Unmap().WithZone("")
			if !a.IsValid() || a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() {
				continue
			}
			for _, n := range town {
				if n.Contains(a) {
					out = append(out, Part{g.what, a, n})
					break
				}
			}
		}
	}
	return out
}

// ReadFacts asks this machine: its interfaces, the default routes of Linux, and
// the resolvers of resolv.conf. What cannot be read is missing.
func ReadFacts() Facts {
	var f Facts
	if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				f.Hosts = append(f.Hosts, p.Addr())
			}
		}
	}
	read := func(name string, parse func(io.Reader) []netip.Addr) []netip.Addr {
		file, err := os.Open(name)
		if err != nil {
			return nil
		}
		defer file.Close()
		return parse(io.LimitReader(file, 1<<20))
	}
	f.Gateways = append(read("/proc/net/route", gateways4), read("/proc/net/ipv6_route", gateways6)...)
	f.Resolvers = read("/etc/resolv.conf", resolvers)
	// systemd's stub says nothing about whom it asks.
	f.Resolvers = append(f.Resolvers, read("/run/systemd/resolve/resolv.conf", resolvers)...)
	return f
}

// gateways4 reads /proc/net/route: hexadecimal words in the machine's order,
// little-endian on all that we run on.
func gateways4(r io.Reader) (out []netip.Addr) {
	for s := bufio.NewScanner(r); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 3 || f[1] != "00000000" {
			continue
		}
		if b, err := hex.DecodeString(f[2]); err == nil && len(b) == 4 && f[2] != "00000000" {
			out = append(out, netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]}))
		}
	}
	return out
}

// gateways6 reads /proc/net/ipv6_route.
func gateways6(r io.Reader) (out []netip.Addr) {
	for s := bufio.NewScanner(r); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 5 || strings.Trim(f[0], "0") != "" || f[1] != "00" {
			continue
		}
		if b, err := hex.DecodeString(f[4]); err == nil && len(b) == 16 && strings.Trim(f[4], "0") != "" {
			out = append(out, netip.AddrFrom16([16]byte(b)))
		}
	}
	return out
}

// resolvers reads resolv.conf.
func resolvers(r io.Reader) (out []netip.Addr) {
	for s := bufio.NewScanner(r); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) >= 2 && f[0] == "nameserver" {
			if a, err := netip.ParseAddr(f[1]); err == nil {
				out = append(out, a)
			}
		}
	}
	return out
}
