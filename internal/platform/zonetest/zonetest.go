// Package zonetest is a DNS for tests that knows what a zone file says, and
// nothing else. A [Zone] answers questions itself, as [net.Resolver] would, and
// serves them over UDP for those who ask with a real resolver. Only tests import
// it.
//
// A name with the record TXT "servfail" has a name server that is away: whatever
// is asked about it fails, which is something else than not to exist.
package zonetest

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Zone is the content of a zone file.
type Zone struct {
	mu      sync.Mutex
	records map[string][]dns.RR
	asked   int
}

// Parse reads a zone file; names without a dot at the end are refused.
func Parse(file string) (*Zone, error) {
	z := &Zone{}
	return z, z.Become(file)
}

// Become makes the zone say what another file says, from now on.
func (z *Zone) Become(file string) error {
	records := map[string][]dns.RR{}
	p := dns.NewZoneParser(strings.NewReader(file), "", "")
	p.SetDefaultTTL(60)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		name := strings.ToLower(rr.Header().Name)
		records[name] = append(records[name], rr)
	}
	if err := p.Err(); err != nil {
		return err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = records
	return nil
}

// Asked is how many questions came.
func (z *Zone) Asked() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked
}

// find is what the zone holds about a name; an alias is followed. known: the name
// exists. away: its name server does not answer.
func (z *Zone) find(name string, types ...uint16) (out []dns.RR, known, away bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	name = dns.Fqdn(strings.ToLower(name))
	for range 5 {
		next := ""
		for _, rr := range z.records[name] {
			known = true
			if t, ok := rr.(*dns.TXT); ok && slices.Contains(t.Txt, "servfail") {
				return nil, true, true
			}
			if slices.Contains(types, rr.Header().Rrtype) {
				out = append(out, rr)
			} else if c, ok := rr.(*dns.CNAME); ok {
				out, next = append(out, rr), strings.ToLower(c.Target)
			}
		}
		if next == "" {
			return out, known, false
		}
		name = next
	}
	return out, known, false
}

func lookup[T dns.RR](z *Zone, name string, types ...uint16) ([]T, error) {
	all, _, away := z.find(name, types...)
	if away {
		return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	}
	var out []T
	for _, rr := range all {
		if x, ok := rr.(T); ok {
			out = append(out, x)
		}
	}
	if len(out) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return out, nil
}

// LookupMX answers as a resolver does.
func (z *Zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	all, err := lookup[*dns.MX](z, name, dns.TypeMX)
	out := make([]*net.MX, len(all))
	for i, x := range all {
		out[i] = &net.MX{Host: x.Mx, Pref: x.Preference}
	}
	return out, err
}

// LookupNS answers as a resolver does.
func (z *Zone) LookupNS(_ context.Context, name string) ([]*net.NS, error) {
	all, err := lookup[*dns.NS](z, name, dns.TypeNS)
	out := make([]*net.NS, len(all))
	for i, x := range all {
		out[i] = &net.NS{Host: x.Ns}
	}
	return out, err
}

// LookupHost answers as a resolver does.
func (z *Zone) LookupHost(_ context.Context, name string) ([]string, error) {
	all, err := lookup[dns.RR](z, name, dns.TypeA, dns.TypeAAAA)
	var out []string
	for _, x := range all {
		switch x := x.(type) {
		case *dns.A:
			out = append(out, x.A.String())
		case *dns.AAAA:
			out = append(out, x.AAAA.String())
		}
	}
	return out, err
}

// ServeDNS answers as a name server does.
func (z *Zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Authoritative = true // or an empty answer would be a lame referral
	if len(q.Question) == 1 {
		all, known, away := z.find(q.Question[0].Name, q.Question[0].Qtype)
		switch {
		case away:
			m.Rcode = dns.RcodeServerFailure
		case !known:
			m.Rcode = dns.RcodeNameError
		default:
			m.Answer = all
		}
	}
	_ = w.WriteMsg(m) // an asker that is gone needs no answer
}

// Serve answers over UDP on loopback until the test ends, and tells where.
func (z *Zone) Serve(t testing.TB) (addr string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: conn, Handler: z}
	done := make(chan error, 1)
	up := make(chan struct{})
	s.NotifyStartedFunc = func() { close(up) }
	go func() { done <- s.ActivateAndServe() }()
	<-up
	t.Cleanup(func() {
		_ = s.Shutdown()
		<-done
	})
	return conn.LocalAddr().String()
}
