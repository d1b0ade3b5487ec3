package monitor

import (
	"context"
	"fmt"
	"net/netip"
)

// Guard decides whether a check may open a connection. It is asked with the
// resolved address, after every name lookup and again behind every redirect,
// and the connection then goes to exactly that address. So neither a redirect
// nor a name that resolves differently the second time gets around it.
type Guard interface {
	// Allow answers nil, or an error that says why not. network is "tcp",
	// "udp" or "ip"; addr is unmapped (never ::ffff:a.b.c.d).
	Allow(ctx context.Context, network string, addr netip.AddrPort) error
}

// OpenGuard allows everything: what the operator declares may point anywhere,
// loopback too.
type OpenGuard struct{}

// Allow answers nil.
func (OpenGuard) Allow(context.Context, string, netip.AddrPort) error { return nil }

// NetworksGuard allows only addresses inside its networks. The zero value
// allows nothing, so a forgotten list does not open the inner network.
type NetworksGuard struct {
	Networks []netip.Prefix
}

// Allow answers nil for an address inside one of the networks.
func (g NetworksGuard) Allow(_ context.Context, _ string, addr netip.AddrPort) error {
	a := addr.Addr().Unmap().WithZone("")
	for _, p := range g.Networks {
		if p.Contains(a) {
			return nil
		}
	}
	return fmt.Errorf("%s lies outside the allowed networks", a)
}
