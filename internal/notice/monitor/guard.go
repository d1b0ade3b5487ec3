package monitor

import (
	"context"
	"fmt"
	"net/netip"

	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/ident"
)

// Guard decides whether a check may open a connection. It is asked with the
// resolved address, after every name lookup and again behind every redirect,
// and the connection then goes to exactly that address. So neither a redirect
// nor a name that resolves differently the second time gets around it.
type Guard interface {
	// Allow answers nil, or an error that says why not. network is "tcp",
	// "udp" or "ip"; addr is unmapped (never ::ffff:a.b.c.d), and not valid
	// where an injected network keeps its addresses to itself.
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

// TenantGuard holds the checks that people entered to the reach of their
// tenant, and lets the operator's through. It is asked at every connection, so
// a list that the operator narrows counts from the next check on.
type TenantGuard struct {
	// Of tells a tenant's reach. An error, and no function at all, allow
	// nothing.
	Of func(ctx context.Context, t ident.Tenant) (fence.List, error)
}

type byKey struct{}

// withBy says in ctx whose people entered the check.
func withBy(ctx context.Context, t ident.Tenant) context.Context {
	return context.WithValue(ctx, byKey{}, t)
}

type withinKey struct{}

// withWithin holds the check in ctx to a list, see [Spec.Within].
func withWithin(ctx context.Context, l fence.List) context.Context {
	return context.WithValue(ctx, withinKey{}, l)
}

// allowed asks the list of the check, and then the guard.
func (w *wire) allowed(ctx context.Context, network string, to netip.AddrPort) error {
	if l, held := ctx.Value(withinKey{}).(fence.List); held {
		if err := l.Allows(to.Addr()); err != nil {
			return err
		}
	}
	if w.guard == nil {
		return nil
	}
	return w.guard.Allow(ctx, network, to)
}

// free tells whether the check in ctx may go anywhere.
func (w *wire) free(ctx context.Context) bool {
	if _, held := ctx.Value(withinKey{}).(fence.List); held {
		return false
	}
	if w.guard == nil {
		return true
	}
	g, ok := w.guard.(interface{ Open(context.Context) bool })
	return ok && g.Open(ctx)
}

// Open tells whether the check in ctx is the operator's, who may look anywhere.
func (TenantGuard) Open(ctx context.Context) bool {
	t, _ := ctx.Value(byKey{}).(ident.Tenant)
	return t == ""
}

// Allow answers nil for the operator's checks and inside the tenant's reach.
func (g TenantGuard) Allow(ctx context.Context, _ string, addr netip.AddrPort) error {
	t, _ := ctx.Value(byKey{}).(ident.Tenant)
	if t == "" {
		return nil
	}
	if g.Of == nil {
		return fence.ErrOutside
	}
	r, err := g.Of(ctx, t)
	if err != nil {
		return err
	}
	return r.Allows(addr.Addr())
}

// vouch judges the target of a check that goes through a proxy, which looks
// names up by itself. It answers the address that was judged, or none where
// the check may go anywhere.
func (w *wire) vouch(ctx context.Context, host string, port int) (netip.Addr, error) {
	if w.free(ctx) {
		return netip.Addr{}, nil
	}
	if w.resolver == nil {
		a, _ := netip.ParseAddr(host)
		return a.Unmap(), w.allow(ctx, "tcp", netip.AddrPortFrom(a.Unmap(), uint16(port)))
	}
	addrs, err := w.resolve(ctx, host)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range addrs { // all of them: nobody knows which one the proxy takes
		if err := w.allow(ctx, "tcp", netip.AddrPortFrom(a, uint16(port))); err != nil {
			return netip.Addr{}, err
		}
	}
	return addrs[0], nil
}
