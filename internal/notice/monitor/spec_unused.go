package monitor

import "slices"

// tlsKinds may speak TLS.
var tlsKinds = []Kind{HTTP, TLS, SMTP, IMAP, LDAP, GRPC, SIP, Domain}

// checkUnused names what was said and will not be heeded: a condition that is
// never looked at is worse than none.
func (s *Spec) checkUnused(c *check) {
	refuse := func(path string, said bool, kinds ...Kind) {
		if said && !slices.Contains(kinds, s.Kind) {
			c.add(path, ProblemUnused, "kind", string(s.Kind))
		}
	}
	e := &s.Expect
	refuse("method", s.Method != "" && s.Kind != Heartbeat, HTTP) // a heartbeat's has been named
	refuse("headers", len(s.Headers) > 0, HTTP)
	refuse("body", s.Body != "", HTTP)
	refuse("redirects", s.Redirects != nil, HTTP)
	refuse("same_host", s.SameHost, HTTP)
	refuse("proxy", s.Proxy != "", HTTP)
	refuse("http2", s.HTTP2, HTTP)
	refuse("bearer", s.Bearer != "", HTTP, GRPC)
	refuse("username", s.Username != "", HTTP, SMTP, IMAP, LDAP, Postgres)
	refuse("password", s.Password != "", HTTP, SMTP, IMAP, LDAP)
	refuse("send", s.Send != "", TCP)
	refuse("dns", s.DNS != DNSSpec{}, DNS)
	refuse("snmp", s.SNMP != SNMPSpec{}, SNMP)
	refuse("grpc_service", s.Service != "", GRPC)
	refuse("tls", s.TLS != TLSSpec{}, tlsKinds...)
	refuse("expect.status", len(e.Status) > 0, HTTP, SIP)
	refuse("expect.body", e.Body != "", HTTP, TCP, SMTP, IMAP, SNMP)
	refuse("expect.regex", e.Regex != "", HTTP, TCP, SNMP)
	refuse("expect.json", len(e.JSON) > 0, HTTP)
	refuse("expect.headers", len(e.Headers) > 0, HTTP)
	refuse("expect.within", e.Within != 0 && s.Kind == Heartbeat)
	refuse("expect.certificate", e.Certificate != 0, tlsKinds...)
	refuse("expect.records", len(e.Records) > 0, DNS)
	refuse("expect.rcode", e.RCode != "", DNS)
	refuse("expect.domain", e.Domain != 0, Domain)
}
