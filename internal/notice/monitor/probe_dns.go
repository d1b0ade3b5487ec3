package monitor

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// dnsProber asks one name server one question.
type dnsProber struct{ w *wire }

// Probe looks once.
func (p dnsProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		server := s.DNS.Server
		if server == "" {
			server = systemServer()
		}
		host, port := serverOf(server)
		name, err := asciiHost(s.Host)
		if err != nil {
			return failf(ReasonInvalid, "not a host name: %s", s.Host)
		}
		if dns.StringToType[s.DNS.Type] == dns.TypePTR {
			if reverse, err := dns.ReverseAddr(name); err == nil {
				name = reverse // for an address people mean its reverse name
			}
		}
		q := new(dns.Msg)
		q.SetQuestion(dns.Fqdn(name), dns.StringToType[s.DNS.Type])
		q.SetEdns0(1232, s.DNS.DNSSEC)
		q.AuthenticatedData = s.DNS.DNSSEC
		var id [2]byte
		rand.Read(id[:]) // never fails (crypto/rand)
		q.Id = binary.BigEndian.Uint16(id[:])
		packed, err := q.Pack()
		if err != nil {
			return failf(ReasonInvalid, "the question cannot be asked")
		}
		answer, err := p.exchange(ctx, host, port, packed, q, s.DNS.TCP)
		if err != nil {
			return err
		}
		return judgeDNS(answer, &s, r)
	})
}

// systemServer is the first name server of this machine.
func systemServer() string {
	if c, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil && len(c.Servers) > 0 {
		return net.JoinHostPort(c.Servers[0], c.Port)
	}
	return "127.0.0.1:53"
}

// exchange asks over UDP, and over TCP when told to or when the answer did not
// fit.
func (p dnsProber) exchange(ctx context.Context, host string, port int, packed []byte, q *dns.Msg, tcp bool) (*dns.Msg, error) {
	if !tcp {
		m, err := p.datagram(ctx, host, port, packed, q)
		if err != nil || !m.Truncated {
			return m, err
		}
	}
	c, err := p.w.connect(ctx, "tcp", host, port)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer bind(ctx, c)()
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)); err != nil {
		return nil, during("sending", err)
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, during("waiting for the answer", err)
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, during("reading the answer", err)
	}
	m, ok := parseDNS(b, q)
	if !ok {
		return nil, failf(ReasonProtocol, "the answer is not DNS")
	}
	return m, nil
}

func (p dnsProber) datagram(ctx context.Context, host string, port int, packed []byte, q *dns.Msg) (*dns.Msg, error) {
	c, err := p.w.connect(ctx, "udp", host, port)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer bind(ctx, c)()
	if _, err := c.Write(packed); err != nil {
		return nil, during("sending", err)
	}
	b := make([]byte, 4096)
	for {
		n, err := c.Read(b)
		if err != nil {
			return nil, during("waiting for the answer", err)
		}
		// Whatever does not answer our question may be forged: wait on.
		if m, ok := parseDNS(b[:n], q); ok {
			return m, nil
		}
	}
}

// parseDNS takes a message that answers q.
func parseDNS(b []byte, q *dns.Msg) (*dns.Msg, bool) {
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil && !m.Truncated {
		return nil, false
	}
	ok := m.Response && m.Id == q.Id && len(m.Question) == 1 && len(q.Question) == 1 &&
		m.Question[0].Qtype == q.Question[0].Qtype && strings.EqualFold(m.Question[0].Name, q.Question[0].Name)
	return m, ok
}

func judgeDNS(m *dns.Msg, s *Spec, r *Result) error {
	r.Code = m.Rcode
	want := s.Expect.RCode
	if want == "" {
		want = "NOERROR"
	}
	if got := dns.RcodeToString[m.Rcode]; got != want {
		if got == "" {
			got = "an unknown code"
		}
		return failf(ReasonStatus, "the name server answers %s, expected %s", got, want)
	}
	if s.DNS.DNSSEC && !m.AuthenticatedData {
		return failf(ReasonStatus, "the answer is not verified by DNSSEC")
	}
	records := recordTexts(m)
	if len(records) == 0 && want == "NOERROR" {
		return failf(ReasonBody, "the answer holds no %s record", s.DNS.Type)
	}
	for _, w := range s.Expect.Records {
		if !slices.ContainsFunc(records, func(have string) bool { return sameRecord(have, w) }) {
			return failf(ReasonBody, "the answer lacks the record %s", w)
		}
	}
	return nil
}

// recordTexts writes the answer's data as in a zone file.
func recordTexts(m *dns.Msg) []string {
	var out []string
	for _, rr := range m.Answer {
		if rr == nil || rr.Header().Rrtype == dns.TypeRRSIG {
			continue
		}
		out = append(out, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return out
}

// sameRecord forgives case, quotes and the last dot.
func sameRecord(a, b string) bool {
	norm := func(s string) string {
		s = strings.ReplaceAll(strings.TrimSpace(s), `"`, "")
		return strings.TrimSuffix(strings.Join(strings.Fields(s), " "), ".")
	}
	return strings.EqualFold(norm(a), norm(b))
}
