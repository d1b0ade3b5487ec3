package monitor

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// The kinds beside those of the main job.
const (
	TLS      Kind = "tls"      // certificate: expiry, chain, name; also behind STARTTLS
	ICMP     Kind = "icmp"     // one echo request
	DNS      Kind = "dns"      // a name server's answer
	SMTP     Kind = "smtp"     // greeting, EHLO, optionally login
	IMAP     Kind = "imap"     // greeting, optionally login
	Domain   Kind = "domain"   // registration of a domain, over RDAP
	GRPC     Kind = "grpc"     // grpc.health.v1
	LDAP     Kind = "ldap"     // bind, anonymous or with a password
	SIP      Kind = "sip"      // OPTIONS over UDP, TCP or TLS
	SNMP     Kind = "snmp"     // one GET, version 2c
	Postgres Kind = "postgres" // life without credentials
	MySQL    Kind = "mysql"    // life without credentials
	MSSQL    Kind = "mssql"    // life without credentials
)

// DNSSpec says what to ask a name server.
type DNSSpec struct {
	// Server is the name server to ask, with port 53 unless given; empty asks
	// the first one of the system.
	Server string `yaml:"server,omitempty" json:"server,omitempty"`
	// Type is the record type, A unless given.
	Type string `yaml:"type,omitempty" json:"type,omitempty"`
	// DNSSEC wants the server to have verified the answer (ad flag).
	DNSSEC bool `yaml:"dnssec,omitempty" json:"dnssec,omitempty"`
	// TCP asks over TCP at once; otherwise only a truncated answer does.
	TCP bool `yaml:"tcp,omitempty" json:"tcp,omitempty"`
}

// SNMPSpec says what to ask a device.
type SNMPSpec struct {
	Community string `yaml:"community,omitempty" json:"community,omitempty"` // "public" unless given
	OID       string `yaml:"oid,omitempty" json:"oid,omitempty"`             // sysUpTime.0 unless given
}

// kindRule checks and completes the fields of one kind.
type kindRule func(*Spec, *check)

// kindRules is the closed list of kinds that a Spec may name. It is constant:
// which of them can be probed is for [Probers] to say.
var kindRules = map[Kind]kindRule{
	HTTP:      normalHTTP,
	TCP:       normalTCP,
	Heartbeat: func(*Spec, *check) {},
	TLS:       normalTLS,
	ICMP:      normalBare,
	DNS:       normalDNS,
	SMTP:      hostRule(25, "none", "tls", "starttls"),
	IMAP:      hostRule(143, "none", "tls", "starttls"),
	Domain:    normalDomain,
	GRPC:      hostRule(0, "none", "tls"),
	LDAP:      hostRule(389, "none", "tls", "starttls"),
	SIP:       normalSIP,
	SNMP:      normalSNMP,
	Postgres:  hostRule(5432),
	MySQL:     hostRule(3306),
	MSSQL:     hostRule(1433),
}

// Kinds lists what a Spec may name, in the order of their names.
func Kinds() []Kind {
	return slices.Sorted(maps.Keys(kindRules))
}

func kindNames() []string {
	var names []string
	for k := range kindRules {
		names = append(names, string(k))
	}
	slices.Sort(names)
	return names
}

// hostRule is the rule of a kind that needs a host and has a usual port.
func hostRule(port int, modes ...string) kindRule {
	return func(s *Spec, c *check) {
		s.checkHost(c, port)
		if s.TLS.Mode == "" && len(modes) > 1 {
			s.TLS.Mode = usualMode(s.Kind, s.Port)
		}
		if m := s.TLS.Mode; m != "" && !slices.Contains(modes, m) {
			c.add("tls.mode", ProblemChoice, "value", m, "known", strings.Join(modes, ", "))
		}
		if strings.ContainsAny(s.Username+s.Password, "\r\n\x00") {
			c.add("username", ProblemHeader)
		}
	}
}

func usualMode(k Kind, port int) string {
	switch {
	case k == TLS:
		return ""
	case port == 465, port == 993, port == 636, port == 5061, port == 443:
		return "tls"
	case k == SMTP && port == 587:
		return "starttls"
	}
	return "none"
}

// normalBare is the rule of a kind that has no port.
func normalBare(s *Spec, c *check) {
	port := s.Port
	s.checkHost(c, 1)
	if s.Port = 0; port != 0 {
		c.add("port", ProblemUnused, "kind", string(s.Kind))
	}
}

func normalDNS(s *Spec, c *check) {
	normalBare(s, c)
	if s.DNS.Type = strings.ToUpper(s.DNS.Type); s.DNS.Type == "" {
		s.DNS.Type = "A"
	}
	if t, ok := dns.StringToType[s.DNS.Type]; !ok || t == dns.TypeAXFR || t == dns.TypeIXFR {
		c.add("dns.type", ProblemChoice, "value", s.DNS.Type, "known", "A, AAAA, CAA, CNAME, MX, NS, PTR, SOA, SRV, TXT …")
	}
	if s.Expect.RCode = strings.ToUpper(s.Expect.RCode); s.Expect.RCode != "" {
		if _, ok := dns.StringToRcode[s.Expect.RCode]; !ok {
			c.add("expect.rcode", ProblemChoice, "value", s.Expect.RCode, "known", "NOERROR, NXDOMAIN, SERVFAIL, REFUSED …")
		}
	}
	if s.DNS.Server != "" {
		host, port := serverOf(s.DNS.Server)
		if !validHost(host) || port < 1 || port > 65535 {
			c.add("dns.server", ProblemHost)
		}
	}
}

// serverOf splits a name server's address, with the usual port.
func serverOf(server string) (string, int) {
	if host, port, ok := splitHostPort(server); ok {
		return host, port
	}
	return strings.Trim(server, "[]"), 53
}

// normalDomain lets url name the RDAP service; the domain's name is the host.
func normalDomain(s *Spec, c *check) {
	service := s.URL
	s.URL = ""
	normalBare(s, c)
	if s.URL = service; service != "" {
		if _, key := parseTarget(service); key != "" {
			c.add("url", key)
		}
	}
	c.span("expect.domain", &s.Expect.Domain, 30*24*time.Hour, time.Hour, 366*24*time.Hour)
}

// normalTLS watches a certificate, which is of use only some time before it
// ends.
func normalTLS(s *Spec, c *check) {
	hostRule(443, "smtp", "imap")(s, c)
	if s.Expect.Certificate == 0 {
		s.Expect.Certificate = Duration(14 * 24 * time.Hour)
	}
}

// normalSIP takes any answer of a telephone system that is alive: many refuse
// OPTIONS from strangers.
func normalSIP(s *Spec, c *check) {
	hostRule(5060, "none", "tls", "tcp")(s, c)
	s.checkStatus(c, StatusRange{200, 299}, StatusRange{401, 405}, StatusRange{407, 407})
}

// checkStatus checks the expected codes and fills in the usual ones.
func (s *Spec) checkStatus(c *check, usual ...StatusRange) {
	for i, r := range s.Expect.Status {
		if !r.valid() {
			c.add(fmt.Sprintf("expect.status[%d]", i), ProblemStatus)
		}
	}
	if len(s.Expect.Status) == 0 {
		s.Expect.Status = usual
	}
}

func normalSNMP(s *Spec, c *check) {
	s.checkHost(c, 161)
	if s.SNMP.Community == "" {
		s.SNMP.Community = "public"
	}
	if s.SNMP.OID == "" {
		s.SNMP.OID = "1.3.6.1.2.1.1.3.0"
	}
	if _, err := parseOID(s.SNMP.OID); err != nil {
		c.add("snmp.oid", ProblemChoice, "value", s.SNMP.OID, "known", "1.3.6.1.2.1.1.3.0")
	}
	c.text("snmp.community", s.SNMP.Community, 255)
}

func normalTCP(s *Spec, c *check) {
	if s.URL != "" && s.Host == "" { // tcp://host:port is what people type
		if u, err := url.Parse(s.URL); err == nil && u.Scheme == "tcp" && u.User == nil {
			s.Host = u.Hostname()
			s.Port, _ = strconv.Atoi(u.Port())
			s.URL = ""
		}
	}
	s.checkHost(c, 0)
	c.text("send", s.Send, maxPayload)
}

// checkHost wants a host, and a port unless the kind has a usual one.
func (s *Spec) checkHost(c *check, port int) {
	if s.URL != "" {
		c.add("url", ProblemUnused, "kind", string(s.Kind))
	}
	if host, p, ok := splitHostPort(s.Host); ok && s.Port == 0 {
		s.Host, s.Port = host, p
	}
	if s.Port == 0 {
		s.Port = port
	}
	if !validHost(s.Host) {
		c.add("host", ProblemHost)
	}
	if s.Port < 1 || s.Port > 65535 {
		c.add("port", ProblemPort)
	}
}

func splitHostPort(s string) (host string, port int, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Contains(s[:i], ":") && !strings.HasSuffix(s[:i], "]") {
		return "", 0, false
	}
	port, err := strconv.Atoi(s[i+1:])
	return strings.Trim(s[:i], "[]"), port, err == nil
}
