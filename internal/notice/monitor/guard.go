package monitor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

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

// Reach is where the checks that a tenant's people enter may go. The zero value
// is nowhere.
type Reach struct {
	// Public is the Internet; Private are the networks inside a house (RFC 1918,
	// RFC 4193, RFC 6598). Neither holds this machine, its links, or a cloud's
	// metadata.
	Public, Private bool
	// Networks are allowed besides, even where they are this machine's own.
	Networks []netip.Prefix
	// Unknown allows what an injected network keeps to itself; the demo's.
	Unknown bool
}

// ParseReach reads the words "public" and "private", and networks in CIDR
// form; a bare address is a network of one.
func ParseReach(words []string) (Reach, error) {
	var r Reach
	for _, w := range words {
		switch w = strings.ToLower(strings.TrimSpace(w)); w {
		case "public":
			r.Public = true
		case "private":
			r.Private = true
		default:
			if a, err := netip.ParseAddr(w); err == nil && a.Zone() == "" {
				a = a.Unmap()
				r.Networks = append(r.Networks, netip.PrefixFrom(a, a.BitLen()))
				continue
			}
			p, err := netip.ParsePrefix(w)
			if err != nil || p.Addr().Is4In6() {
				return Reach{}, fmt.Errorf("not a network: %s", w)
			}
			r.Networks = append(r.Networks, p.Masked())
		}
	}
	return r, nil
}

// errOutside is why an address is not for people to check.
var (
	errOutside  = errors.New("outside of the networks that people may check")
	errMetadata = errors.New("a cloud's metadata are nobody's target")
)

// metadata are the addresses under which clouds give out credentials to
// whoever asks from inside. No list opens them for people.
var metadata = prefixes("169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "169.254.169.253/32", "fd00:ec2::/32",
	"100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "fd20:ce::254/128")

// inner are the networks of a house.
var inner = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")

// nowhere is what the words public and private both leave out: this machine,
// its links, groups, and what is reserved. Documentation prefixes are not among
// them: nothing answers there, and towns practise with them.
var nowhere = prefixes("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/128", "::1/128", "fe80::/10", "fec0::/10", "ff00::/8", "100::/64")

func prefixes(in ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(in))
	for i, s := range in {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func within(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Allows tells whether a check may go to the address.
func (r Reach) Allows(addr netip.Addr) error {
	if !addr.IsValid() {
		if r.Unknown {
			return nil
		}
		return errOutside
	}
	a := addr.Unmap().WithZone("")
	if within(a, metadata) {
		return errMetadata
	}
	if v4, ok := embedded(a); ok {
		// A translator on the way would carry the check to this address.
		return r.Allows(v4)
	}
	if within(a, r.Networks) {
		return nil
	}
	if within(a, nowhere) {
		return errOutside
	}
	if within(a, inner) {
		if r.Private {
			return nil
		}
		return errOutside
	}
	if r.Public {
		return nil
	}
	return errOutside
}

// embedded is the IPv4 address inside an IPv6 address that some gateway would
// translate: NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056), IPv4-compatible
// (RFC 4291), ISATAP (RFC 5214) and Teredo (RFC 4380).
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	four := func(i int) (netip.Addr, bool) { return netip.AddrFrom4([4]byte(b[i : i+4])), true }
	switch {
	case nat64.Contains(a), nat64Local.Contains(a):
		return four(12)
	case sixToFour.Contains(a):
		return four(2)
	case teredo.Contains(a):
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true
	case compatible.Contains(a) && a != netip.IPv6Unspecified() && a != netip.IPv6Loopback():
		return four(12)
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe:
		return four(12)
	}
	return netip.Addr{}, false
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	teredo     = netip.MustParsePrefix("2001::/32")
	compatible = netip.MustParsePrefix("::/96")
)

// TenantGuard holds the checks that people entered to the reach of their
// tenant, and lets the operator's through. It is asked at every connection, so
// a list that the operator narrows counts from the next check on.
type TenantGuard struct {
	// Of tells a tenant's reach. An error, and no function at all, allow
	// nothing.
	Of func(ctx context.Context, t ident.Tenant) (Reach, error)
}

type byKey struct{}

// withBy says in ctx whose people entered the check.
func withBy(ctx context.Context, t ident.Tenant) context.Context {
	return context.WithValue(ctx, byKey{}, t)
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
		return errOutside
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
	if w.guard == nil {
		return netip.Addr{}, nil
	}
	if g, ok := w.guard.(interface{ Open(context.Context) bool }); ok && g.Open(ctx) {
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

// Words are the reach as [ParseReach] reads it.
func (r Reach) Words() []string {
	var out []string
	if r.Public {
		out = append(out, "public")
	}
	if r.Private {
		out = append(out, "private")
	}
	for _, p := range r.Networks {
		out = append(out, p.String())
	}
	return out
}
