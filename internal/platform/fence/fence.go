// Package fence decides to which addresses this machine may connect for people
// who are not its operator: whoever enters a check or a webhook in the console
// makes somebody else's server open a connection.
//
// Its nouns: a [List] holds words and networks. It judges resolved addresses, one
// at a time, and knows their disguises: IPv4 inside of IPv6, translators' prefixes,
// zones. A [Dialer] opens connections and asks the list about each. Whoever uses a
// list otherwise asks at every connection, after the name was looked up
// and behind every redirect, and then connects to exactly the address that was
// judged; a name that is judged when it is entered leads elsewhere a second
// later. Addresses under which clouds give out credentials no list opens.
//
// The package stores nothing.
package fence

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// List is where connections may go that people asked for. The zero value is
// nowhere.
type List struct {
	// Public is the Internet; Private are the networks inside a house (RFC 1918,
	// RFC 4193, RFC 6598). Neither holds this machine, its links, or a cloud's
	// metadata.
	Public  bool `json:"public,omitempty"`
	Private bool `json:"private,omitempty"`
	// Networks are allowed besides, even where they are this machine's own.
	Networks []netip.Prefix `json:"networks,omitempty"`
	// Unknown allows what an injected network keeps to itself; the demo's.
	Unknown bool `json:"unknown,omitempty"`
}

// Parse reads the words "public" and "private", and networks in CIDR
// form; a bare address is a network of one.
func Parse(words []string) (List, error) {
	var r List
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
				return List{}, fmt.Errorf("not a network: %s", w)
			}
			r.Networks = append(r.Networks, p.Masked())
		}
	}
	return r, nil
}

// Anywhere is every address but a cloud's metadata.
func Anywhere() List {
	return List{Public: true, Private: true, Networks: prefixes("0.0.0.0/0", "::/0"), Unknown: true}
}

// Why an address is not for people to reach.
var (
	ErrOutside  = errors.New("outside of the networks that people may reach")
	ErrMetadata = errors.New("a cloud's metadata are nobody's target")
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

// Allows tells whether a connection may go to the address.
func (r List) Allows(addr netip.Addr) error {
	if !addr.IsValid() {
		if r.Unknown {
			return nil
		}
		return ErrOutside
	}
	a := addr.Unmap().WithZone("")
	if within(a, metadata) {
		return ErrMetadata
	}
	if v4, ok := embedded(a); ok {
		// A translator on the way would carry the connection to this address.
		return r.Allows(v4)
	}
	if within(a, r.Networks) {
		return nil
	}
	if within(a, nowhere) {
		return ErrOutside
	}
	if within(a, inner) {
		if r.Private {
			return nil
		}
		return ErrOutside
	}
	if r.Public {
		return nil
	}
	return ErrOutside
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

// Words are the list as [Parse] reads it.
func (r List) Words() []string {
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
