package identity

import (
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/idna"

	"tuermer/internal/platform/fault"
)

// Limits of what a person's form takes, in characters.
const (
	maxName  = 200
	maxEmail = 254 // RFC 5321
)

// Normal brings p into the form that is stored and says what is wrong with it:
// every bad field is named in the fault. The rule about alternative addresses
// is not part of it; see [Independent].
func Normal(p Person) (Person, error) {
	bad := fault.New(fault.Invalid, "identity.person_invalid")
	p.Name = line(p.Name)
	if p.Name == "" {
		bad = bad.Field("name", "identity.name_missing")
	} else if len([]rune(p.Name)) > maxName {
		bad = bad.Field("name", "identity.too_long")
	}
	var ok bool
	if p.Email, ok = Address(p.Email); !ok {
		bad = bad.Field("email", "identity.email_invalid")
	}
	if strings.TrimSpace(p.Alternative) == "" {
		p.Alternative = ""
	} else if p.Alternative, ok = Address(p.Alternative); !ok {
		bad = bad.Field("alternative", "identity.email_invalid")
	}
	if p.Mobile, ok = Phone(p.Mobile); !ok {
		bad = bad.Field("mobile", "identity.mobile_invalid")
	}
	if p.Chat, ok = ChatAddress(p.Chat); !ok {
		bad = bad.Field("chat", "identity.chat_invalid")
	}
	p.OrgUnit = line(p.OrgUnit)
	if len([]rune(p.OrgUnit)) > maxName {
		bad = bad.Field("org_unit", "identity.too_long")
	}
	roles := make([]Role, 0, len(p.Roles))
	for _, r := range Roles() {
		if slices.Contains(p.Roles, r) {
			roles = append(roles, r)
		}
	}
	for _, r := range p.Roles {
		if !slices.Contains(Roles(), r) {
			bad = bad.Field("roles", "identity.role_unknown")
		}
	}
	p.Roles = roles
	if p.Language != "" && p.Language != "de" && p.Language != "en" {
		bad = bad.Field("language", "identity.language_unknown")
	}
	if len(bad.Fields) > 0 {
		return p, bad
	}
	return p, nil
}

// line makes one line of s: no control characters, no blanks around it.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return strings.Join(strings.Fields(s), " ")
}

// Address brings a mail address into the form that is stored: lower case, the
// domain as it stands in DNS (punycode). False: it is not one bare address.
func Address(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if len(s) > maxEmail || strings.ContainsAny(s, "<>()\"\\ \t\r\n") {
		return s, false
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s {
		return s, false
	}
	at := strings.LastIndexByte(s, '@')
	domain, ok := Domain(s[at+1:])
	if !ok {
		return s, false
	}
	for _, r := range s[:at] {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return s, false
		}
	}
	return strings.ToLower(s[:at]) + "@" + domain, true
}

// Domain brings a domain name into the form of DNS: lower case, punycode, no
// dot at the end. False: it is none.
func Domain(s string) (string, bool) {
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	d, err := idna.Lookup.ToASCII(s)
	if err != nil || d == "" || len(d) > 253 || strings.HasPrefix(d, ".") || strings.Contains(d, "..") {
		return strings.ToLower(s), false
	}
	return strings.ToLower(d), true
}

// domainOf is the part behind the @.
func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

var digits = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// Phone brings a number into E.164: "+491700000001". A leading 0 is Germany,
// a leading 00 abroad. Empty stays empty.
func Phone(s string) (string, bool) {
	n := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -/().\u00a0\u202f", r) {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
	if n == "" {
		return "", true
	}
	switch {
	case strings.HasPrefix(n, "00"):
		n = "+" + n[2:]
	case strings.HasPrefix(n, "0"):
		n = "+49" + n[1:]
	}
	if !digits.MatchString(n) {
		return s, false
	}
	return n, true
}

var slug = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// NormalTenant brings t into the form that is stored and names wrong fields.
func NormalTenant(t Tenant) (Tenant, error) {
	bad := fault.New(fault.Invalid, "identity.tenant_invalid")
	if t.Name = line(t.Name); t.Name == "" {
		bad = bad.Field("name", "identity.name_missing")
	}
	if !slug.MatchString(t.Slug) {
		bad = bad.Field("slug", "identity.slug_invalid")
	}
	clean := func(field string, in []string) []string {
		out := make([]string, 0, len(in))
		for _, s := range in {
			d, ok := Domain(s)
			if !ok {
				bad = bad.Field(field, "identity.domain_invalid")
			}
			if !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
		return out
	}
	t.Hosts, t.Domains = clean("hosts", t.Hosts), clean("domains", t.Domains)
	networks := make([]string, 0, len(t.Networks))
	for _, n := range t.Networks {
		p, err := netip.ParsePrefix(strings.TrimSpace(n))
		if err != nil {
			bad = bad.Field("networks", "identity.network_invalid")
			continue
		}
		networks = append(networks, p.Masked().String())
	}
	t.Networks = networks
	probe := make([]string, 0, len(t.ProbeNetworks))
	for _, n := range t.ProbeNetworks {
		n = strings.ToLower(strings.TrimSpace(n))
		p, err := netip.ParsePrefix(n)
		if a, aerr := netip.ParseAddr(n); aerr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
		}
		switch {
		case n == "public", n == "private":
			probe = append(probe, n)
		case err != nil || p.Addr().Is4In6():
			bad = bad.Field("probe_networks", "identity.probe_network_invalid")
		default:
			probe = append(probe, p.Masked().String())
		}
	}
	t.ProbeNetworks = probe
	if t.Zone == "" {
		t.Zone = "Europe/Berlin"
	}
	if _, err := time.LoadLocation(t.Zone); err != nil {
		bad = bad.Field("zone", "identity.zone_unknown")
	}
	if t.Language == "" {
		t.Language = "de"
	}
	if t.Language != "de" && t.Language != "en" {
		bad = bad.Field("language", "identity.language_unknown")
	}
	for field, u := range map[string]*string{"staff_url": &t.StaffURL, "public_url": &t.PublicURL} {
		*u = strings.TrimRight(strings.TrimSpace(*u), "/")
		if *u == "" {
			continue
		}
		if p, err := url.Parse(*u); err != nil || p.Scheme != "https" && p.Scheme != "http" || p.Host == "" {
			bad = bad.Field(field, "identity.url_invalid")
		}
	}
	if len(bad.Fields) > 0 {
		return t, bad
	}
	return t, nil
}

// hosts are all names under which the tenant is asked for: its own list and
// those in its addresses.
func (t Tenant) hosts() []string {
	out := slices.Clone(t.Hosts)
	for _, raw := range []string{t.StaffURL, t.PublicURL} {
		if u, err := url.Parse(raw); err == nil && u.Host != "" {
			out = append(out, hostName(u.Host))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// hostName is the host of a request without its port, in lower case.
func hostName(host string) string {
	if a, err := netip.ParseAddrPort(host); err == nil {
		return a.Addr().String()
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// fold brings text into the form in which names are searched and sorted:
// lower case, ä as ae, ß as ss, no accents on the common letters.
func fold(s string) string { return folder.Replace(strings.ToLower(s)) }

var folder = strings.NewReplacer(
	"ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "é", "e", "è", "e", "ê", "e", "á", "a", "à", "a", "â", "a",
	"í", "i", "ì", "i", "ó", "o", "ò", "o", "ú", "u", "ù", "u", "ç", "c", "ñ", "n", "ł", "l", "ş", "s", "ğ", "g",
)
