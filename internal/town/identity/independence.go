package identity

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// Severity says how much a [Finding] weighs.
type Severity string

// The severities.
const (
	Wrong   Severity = "wrong"   // refused in the console
	Warning Severity = "warning" // shares something with the town
	Unsure  Severity = "unsure"  // could not be looked up
)

// Cause names what is wrong with an alternative address; its sentence has the
// key "identity.finding_" + cause.
type Cause string

// The causes.
const (
	CauseMissing    Cause = "missing"     // can be alarmed and has no alternative
	CauseSameDomain Cause = "same_domain" // in a domain that the town runs
	CauseSharedMX   Cause = "shared_mx"   // same mail server or mail provider
	CauseSharedZone Cause = "shared_zone" // same DNS zone or name servers
	CauseSharedHost Cause = "shared_host" // same machine or inside the town's networks
	CauseNoAnswer   Cause = "no_answer"   // DNS did not tell
	// CauseUnverified: nobody has confirmed yet that mail arrives there.
	CauseUnverified Cause = "unverified"
)

// Finding is one thing that may keep an alarm from its person.
type Finding struct {
	Cause    Cause    `json:"cause"`
	Severity Severity `json:"severity"`
	// With is what is shared: a domain, a server, an address.
	With string `json:"with,omitempty"`
	// Person and Address are filled where findings of several people stand
	// together.
	Person  string `json:"person,omitempty"`
	Address string `json:"address,omitempty"`
}

// Key is the text key of the finding's sentence; its arguments are name of the
// person, address, and what is shared.
func (f Finding) Key() string { return "identity.finding_" + string(f.Cause) }

// Args are the arguments of the finding's sentence.
func (f Finding) Args() []any { return []any{f.Person, f.Address, f.With} }

// Independent says what is wrong with the alternative address of somebody who
// can be alarmed, without asking anybody: it must exist and must lie outside
// the town's domains, their sub-domains and the domain of the official address.
func Independent(t Tenant, p Person) []Finding {
	if p.Alternative == "" {
		return []Finding{{Cause: CauseMissing, Severity: Wrong, Person: p.Name, Address: p.Email}}
	}
	own, d := ownDomains(t, p), domainOf(p.Alternative)
	for _, o := range own {
		if d == o || strings.HasSuffix(d, "."+o) {
			return []Finding{{Cause: CauseSameDomain, Severity: Wrong, With: o, Person: p.Name, Address: p.Alternative}}
		}
	}
	return nil
}

// ownDomains are the town's domains and that of the person's official address:
// two addresses of one domain fall together, whether it is listed or not.
func ownDomains(t Tenant, p Person) []string {
	out := slices.Clone(t.Domains)
	if d := domainOf(p.Email); d != "" && !slices.Contains(out, d) {
		out = append(out, d)
	}
	return out
}

// Resolver is the part of [net.Resolver] that is asked.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNS(ctx context.Context, name string) ([]*net.NS, error)
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// lookupTimeout bounds one question to DNS.
const lookupTimeout = 3 * time.Second

// Checker compares alternative addresses with what the town runs. It remembers
// answers, so one Checker serves one pass over the people and is then dropped.
// It is not safe for use by several goroutines.
type Checker struct {
	resolver Resolver
	seen     map[string]facts
}

// NewChecker makes a checker for one pass.
func NewChecker(r Resolver) *Checker { return &Checker{resolver: r, seen: map[string]facts{}} }

// facts is what DNS tells about one domain.
type facts struct {
	mx, ns    []string
	addresses []netip.Addr
	failed    bool // a question stayed unanswered; "there is none" is an answer
}

// Check looks up the domains behind p's alternative address and behind the
// town, and tells what they share. It answers the findings of [Independent]
// first; then DNS is not asked.
func (c *Checker) Check(ctx context.Context, t Tenant, p Person) []Finding {
	if p.Alternative == "" {
		return nil // whether one is needed is not for DNS to say
	}
	if out := Independent(t, p); len(out) > 0 {
		return out
	}
	d := domainOf(p.Alternative)
	out := c.compare(ctx, t, ownDomains(t, p), d, c.facts(ctx, d))
	for i := range out {
		out[i].Person, out[i].Address = p.Name, p.Alternative
	}
	return out
}

// Host looks up a machine on which alarms depend, by name or address, and tells
// what it shares with the town. known are addresses of it that DNS need not tell.
func (c *Checker) Host(ctx context.Context, t Tenant, host string, known ...netip.Addr) []Finding {
	host = hostName(host)
	for _, own := range t.Domains {
		if host == own || strings.HasSuffix(host, "."+own) {
			return []Finding{{Cause: CauseSameDomain, Severity: Wrong, With: own}}
		}
	}
	f := facts{addresses: slices.Clone(known)}
	if a, err := netip.ParseAddr(host); err == nil {
		f.addresses = append(f.addresses, a.Unmap())
	} else if host != "" && len(known) == 0 {
		f = c.facts(ctx, host)
	}
	return c.compare(ctx, t, t.Domains, host, f)
}

// compare tells what alt, found under the name d, shares with the domains and
// networks of the town.
func (c *Checker) compare(ctx context.Context, t Tenant, domains []string, d string, alt facts) (out []Finding) {
	add := func(cause Cause, s Severity, with string) {
		if !slices.ContainsFunc(out, func(f Finding) bool { return f.Cause == cause }) {
			out = append(out, Finding{Cause: cause, Severity: s, With: with})
		}
	}
	failed := ""
	if alt.failed {
		failed = d
	}
	for _, n := range t.Networks {
		prefix, err := netip.ParsePrefix(n)
		if err != nil {
			continue // NormalTenant let none through
		}
		for _, a := range alt.addresses {
			if prefix.Contains(a) {
				add(CauseSharedHost, Warning, a.String())
			}
		}
	}
	for _, own := range domains {
		town := c.facts(ctx, own)
		if town.failed && failed == "" {
			failed = own
		}
		if r := registrable(d); r != "" && r == registrable(own) {
			add(CauseSharedZone, Warning, r)
		}
		if with := shared(alt.mx, town.mx); with != "" {
			add(CauseSharedMX, Warning, with)
		}
		if with := shared(alt.ns, town.ns); with != "" {
			add(CauseSharedZone, Warning, with)
		}
		for _, a := range alt.addresses {
			if slices.Contains(town.addresses, a) {
				add(CauseSharedHost, Warning, a.String())
			}
		}
	}
	if failed != "" {
		add(CauseNoAnswer, Unsure, failed)
	}
	slices.SortFunc(out, func(a, b Finding) int { return cmp.Compare(a.Cause, b.Cause) })
	return out
}

// shared is the first name that stands in both lists, or whose registrable
// parent does: mx1.provider.example and mx2.provider.example fall together.
func shared(a, b []string) string {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return x
			}
			if r := registrable(x); r != "" && r == registrable(y) {
				return r
			}
		}
	}
	return ""
}

// registrable is the part of a name that somebody registered: the public
// suffix and one label. It is empty for a public suffix itself.
func registrable(name string) string {
	r, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return ""
	}
	return r
}

func (c *Checker) facts(ctx context.Context, domain string) facts {
	if f, ok := c.seen[domain]; ok {
		return f
	}
	if c.resolver == nil {
		return facts{failed: true}
	}
	var f facts
	for _, m := range ask(ctx, &f, domain, c.resolver.LookupMX) {
		// "." is the null MX of RFC 7505: takes no mail.
		if h := dnsName(m.Host); h != "" {
			f.mx = append(f.mx, h)
		}
	}
	ns := ask(ctx, &f, domain, c.resolver.LookupNS)
	if parent := registrable(domain); len(ns) == 0 && parent != "" && parent != domain {
		ns = ask(ctx, &f, parent, c.resolver.LookupNS)
	}
	for _, n := range ns {
		f.ns = append(f.ns, dnsName(n.Host))
	}
	hosts := append([]string{domain}, f.mx...)
	if len(hosts) > 6 {
		hosts = hosts[:6] // the first servers tell; a hundred records only cost time
	}
	for _, h := range hosts {
		for _, s := range ask(ctx, &f, h, c.resolver.LookupHost) {
			if a, err := netip.ParseAddr(s); err == nil {
				f.addresses = append(f.addresses, a.Unmap())
			}
		}
	}
	if len(f.mx) == 0 {
		f.mx = []string{domain} // mail then goes to the domain's own host (RFC 5321 §5.1)
	}
	c.seen[domain] = f
	return f
}

// ask puts one question with a bound on its time. A name that does not exist is
// an answer; everything else leaves the facts unsure.
func ask[T any](ctx context.Context, f *facts, name string, lookup func(context.Context, string) ([]T, error)) []T {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	out, err := lookup(ctx, name)
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return out
	}
	f.failed = f.failed || err != nil
	return out
}

func dnsName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }
