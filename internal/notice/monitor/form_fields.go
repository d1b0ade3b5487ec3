package monitor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// formField is one thing that the form asks about a check. Its name is the key
// of tuermer.yaml, so that a problem finds the field it is about.
type formField struct {
	name  string
	kinds []Kind
	input input
	// more puts the field under "more settings": few need it.
	more     bool
	required bool
	show     func(s *Spec) string
	// take reads what was typed; false: it cannot be read.
	take func(s *Spec, v string) bool
	// options are the values of a choice.
	options func(k Kind) []string
}

// input is how a field is typed.
type input int

const (
	line   input = iota
	lines        // a text of several lines
	number       // a whole number
	secret       // never shown; left empty it stays
	secretLines
	choice
	box // yes or no
)

// text makes a field of a plain text.
func text(name string, of func(s *Spec) *string, kinds ...Kind) formField {
	return formField{
		name: name, kinds: kinds, show: func(s *Spec) string { return *of(s) },
		take: func(s *Spec, v string) bool { *of(s) = v; return true },
	}
}

func (f formField) as(i input) formField { f.input = i; return f }
func (f formField) asked() formField     { f.required = true; return f }
func (f formField) rare() formField      { f.more = true; return f }

func chosen(name string, of func(s *Spec) *string, options func(k Kind) []string, kinds ...Kind) formField {
	f := text(name, of, kinds...).as(choice)
	f.options = options
	return f
}

func fixed(values ...string) func(Kind) []string { return func(Kind) []string { return values } }

func yes(name string, of func(s *Spec) *bool, kinds ...Kind) formField {
	return formField{
		name: name, kinds: kinds, input: box,
		show: func(s *Spec) string {
			if *of(s) {
				return "yes"
			}
			return ""
		},
		take: func(s *Spec, v string) bool { *of(s) = v == "yes"; return true },
	}
}

// days is a span that people count in days.
func days(name string, of func(s *Spec) *Duration, kinds ...Kind) formField {
	return formField{
		name: name, kinds: kinds, input: number,
		show: func(s *Spec) string {
			if *of(s) <= 0 {
				return ""
			}
			return strconv.Itoa(int((of(s).D() + day - 1) / day))
		},
		take: func(s *Spec, v string) bool {
			n, err := strconv.ParseUint(v, 10, 16)
			if v == "" {
				*of(s) = 0
				return true
			}
			*of(s) = Duration(time.Duration(n) * day)
			return err == nil
		},
	}
}

// pairs is a mapping, one line each: "name<sep> value".
func pairs(name, sep string, of func(s *Spec) *map[string]string, kinds ...Kind) formField {
	return formField{
		name: name, kinds: kinds, input: lines,
		show: func(s *Spec) string {
			var b strings.Builder
			for _, k := range slices.Sorted(maps.Keys(*of(s))) {
				fmt.Fprintf(&b, "%s%s %s\n", k, sep, (*of(s))[k])
			}
			return b.String()
		},
		take: func(s *Spec, v string) bool {
			out := map[string]string{}
			for l := range strings.Lines(v) {
				if l = strings.TrimSpace(l); l == "" {
					continue
				}
				k, value, ok := strings.Cut(l, sep)
				if k = strings.TrimSpace(k); !ok && name != "expect.json" || k == "" {
					return false
				}
				out[k] = strings.TrimSpace(value)
			}
			if *of(s) = out; len(out) == 0 {
				*of(s) = nil
			}
			return true
		},
	}
}

// tlsModes are the values of tls.mode that a kind takes, the usual one first.
func tlsModes(k Kind) []string {
	switch k {
	case TLS:
		return []string{"", "smtp", "imap"}
	case SIP:
		return []string{"", "none", "tcp", "tls"}
	case GRPC:
		return []string{"", "none", "tls"}
	}
	return []string{"", "none", "starttls", "tls"}
}

// portKinds have a port; all but these two have a usual one.
var hostKinds = []Kind{TCP, TLS, ICMP, DNS, SMTP, IMAP, Domain, GRPC, LDAP, SIP, SNMP, Postgres, MySQL, MSSQL}

var portKinds = []Kind{TCP, TLS, SMTP, IMAP, GRPC, LDAP, SIP, SNMP, Postgres, MySQL, MSSQL}

// checkFields are all fields about the check itself, in the order of the form.
var checkFields = []formField{
	text("url", func(s *Spec) *string { return &s.URL }, HTTP).asked(),
	text("host", func(s *Spec) *string { return &s.Host }, hostKinds...).asked(),
	{
		name: "port", kinds: portKinds, input: number,
		show: func(s *Spec) string { return numberText(s.Port) },
		take: func(s *Spec, v string) bool {
			n, err := strconv.ParseUint("0"+v, 10, 16)
			s.Port = int(n)
			return err == nil
		},
	},
	chosen("dns.type", func(s *Spec) *string { return &s.DNS.Type }, fixed("A", "AAAA", "MX", "TXT", "NS", "CNAME", "SRV", "SOA", "CAA", "PTR", "DS", "DNSKEY"), DNS),
	text("dns.server", func(s *Spec) *string { return &s.DNS.Server }, DNS),
	{
		name: "expect.records", kinds: []Kind{DNS}, input: lines,
		show: func(s *Spec) string { return strings.Join(s.Expect.Records, "\n") },
		take: func(s *Spec, v string) bool {
			s.Expect.Records = nil
			for l := range strings.Lines(v) {
				if l = strings.TrimSpace(l); l != "" {
					s.Expect.Records = append(s.Expect.Records, l)
				}
			}
			return true
		},
	},
	yes("dns.dnssec", func(s *Spec) *bool { return &s.DNS.DNSSEC }, DNS),
	text("grpc_service", func(s *Spec) *string { return &s.Service }, GRPC),
	text("snmp.oid", func(s *Spec) *string { return &s.SNMP.OID }, SNMP),
	text("snmp.community", func(s *Spec) *string { return &s.SNMP.Community }, SNMP).as(secret),
	chosen("tls.mode", func(s *Spec) *string { return &s.TLS.Mode }, tlsModes, TLS, SMTP, IMAP, LDAP, GRPC, SIP),
	text("send", func(s *Spec) *string { return &s.Send }, TCP),
	{
		name: "expect.status", kinds: []Kind{HTTP, SIP},
		show: func(s *Spec) string { return statusText(s.Expect.Status) },
		take: func(s *Spec, v string) bool {
			s.Expect.Status, _ = ParseStatusSet(v) // what is none becomes a problem in Normalize
			return true
		},
	},
	text("expect.body", func(s *Spec) *string { return &s.Expect.Body }, HTTP, TCP, SMTP, IMAP, SNMP),
	days("expect.domain", func(s *Spec) *Duration { return &s.Expect.Domain }, Domain),

	days("expect.certificate", func(s *Spec) *Duration { return &s.Expect.Certificate }, HTTP, TLS, SMTP, IMAP, LDAP, SIP).rare(),
	text("username", func(s *Spec) *string { return &s.Username }, HTTP, SMTP, IMAP, LDAP).rare(),
	text("password", func(s *Spec) *string { return &s.Password }, HTTP, SMTP, IMAP, LDAP).as(secret).rare(),
	text("bearer", func(s *Spec) *string { return &s.Bearer }, HTTP, GRPC).as(secret).rare(),
	text("expect.regex", func(s *Spec) *string { return &s.Expect.Regex }, HTTP, TCP, SNMP).rare(),
	pairs("expect.json", "=", func(s *Spec) *map[string]string { return &s.Expect.JSON }, HTTP).rare(),
	pairs("expect.headers", ":", func(s *Spec) *map[string]string { return &s.Expect.Headers }, HTTP).rare(),
	{
		name: "expect.within", kinds: append([]Kind{HTTP}, hostKinds...), more: true,
		show: func(s *Spec) string { return spanText(s.Expect.Within.D()) },
		take: func(s *Spec, v string) bool { s.Expect.Within = typedSpan(v); return true },
	},
	chosen("expect.rcode", func(s *Spec) *string { return &s.Expect.RCode }, fixed("", "NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED"), DNS).rare(),
	yes("dns.tcp", func(s *Spec) *bool { return &s.DNS.TCP }, DNS).rare(),
	chosen("method", func(s *Spec) *string { return &s.Method }, fixed("", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), HTTP).rare(),
	{
		name: "headers", kinds: []Kind{HTTP}, input: lines, more: true,
		show: func(s *Spec) string { r := s.Redacted(); return headerFields.show(&r) },
		take: func(s *Spec, v string) bool {
			was := *s
			if !headerFields.take(s, v) {
				return false
			}
			*s = unmasked(*s, was) // a secret that was shown as dots stays
			return true
		},
	},
	text("body", func(s *Spec) *string { return &s.Body }, HTTP).as(lines).rare(),
	{
		name: "redirects", kinds: []Kind{HTTP}, input: number, more: true,
		show: func(s *Spec) string { return strconv.Itoa(s.redirects()) },
		take: func(s *Spec, v string) bool {
			n, err := strconv.ParseUint(v, 10, 16)
			if s.Redirects = nil; v == "" || int(n) == DefaultRedirects {
				return true
			}
			i := int(n)
			s.Redirects = &i
			return err == nil
		},
	},
	yes("same_host", func(s *Spec) *bool { return &s.SameHost }, HTTP).rare(),
	text("proxy", func(s *Spec) *string { return &s.Proxy }, HTTP).rare(),
	text("proxy_username", func(s *Spec) *string { return &s.ProxyUsername }, HTTP).rare(),
	text("proxy_password", func(s *Spec) *string { return &s.ProxyPassword }, HTTP).as(secret).rare(),
	yes("http2", func(s *Spec) *bool { return &s.HTTP2 }, HTTP).rare(),
	chosen("tls.min", func(s *Spec) *string { return &s.TLS.Min }, fixed("", "1.0", "1.1", "1.2", "1.3"), tlsKinds...).rare(),
	text("tls.server_name", func(s *Spec) *string { return &s.TLS.ServerName }, tlsKinds...).rare(),
	yes("tls.insecure", func(s *Spec) *bool { return &s.TLS.Insecure }, tlsKinds...).rare(),
	text("tls.ca", func(s *Spec) *string { return &s.TLS.CA }, tlsKinds...).as(lines).rare(),
	text("tls.cert", func(s *Spec) *string { return &s.TLS.Cert }, HTTP, GRPC, LDAP).as(lines).rare(),
	text("tls.key", func(s *Spec) *string { return &s.TLS.Key }, HTTP, GRPC, LDAP).as(secretLines).rare(),
	text("rdap", func(s *Spec) *string { return &s.URL }, Domain).rare(),
}

var headerFields = pairs("headers", ":", func(s *Spec) *map[string]string { return &s.Headers })

func numberText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func statusText(set []StatusRange) string {
	out := make([]string, len(set))
	for i, r := range set {
		out[i] = r.String()
	}
	return strings.Join(out, ", ")
}

func typedSpan(v string) (d Duration) {
	if v != "" {
		_ = d.UnmarshalText([]byte(v)) // what is none becomes a problem in Normalize
	}
	return d
}

// fieldsOf are the fields of a kind; more chooses those under "more settings".
func fieldsOf(k Kind, more bool) []formField {
	var out []formField
	for _, f := range checkFields {
		if f.more == more && slices.Contains(f.kinds, k) {
			out = append(out, f)
		}
	}
	return out
}

// fillCheck shows a check in the form.
func fillCheck(f *web.Form, s Spec) {
	for _, field := range checkFields {
		if !slices.Contains(field.kinds, s.Kind) || field.input == secret || field.input == secretLines {
			continue
		}
		if v := field.show(&s); v != "" {
			f.Values.Set(field.name, v)
		}
	}
}

// readCheck puts what was typed over a check. What the form did not show stays.
func readCheck(f *web.Form, s *Spec) {
	whole := f.Get("whole") == "yes"
	for _, field := range checkFields {
		_, sent := f.Values[field.name]
		if !slices.Contains(field.kinds, s.Kind) || !sent && (field.input != box || !whole) {
			continue
		}
		v := f.Values.Get(field.name)
		switch field.input {
		case secret:
			if v == "" {
				continue
			}
		case secretLines:
			if strings.TrimSpace(v) == "" {
				continue
			}
		case lines:
			if field.name != "body" {
				v = strings.TrimSpace(v)
			}
		default:
			if field.name != "send" {
				v = strings.TrimSpace(v)
			}
		}
		if !field.take(s, v) {
			f.Fail(field.name, map[input]string{number: "monitor.problem.number", lines: "monitor.problem.pairs"}[field.input])
		}
	}
	// Without a name there is nothing to sign in with.
	if _, sent := f.Values["username"]; sent && s.Username == "" {
		s.Password = ""
	}
	if _, sent := f.Values["proxy_username"]; sent && s.ProxyUsername == "" {
		s.ProxyPassword = ""
	}
	if f.Has("forget", "bearer") {
		s.Bearer = ""
	}
	if f.Has("forget", "tls.key") {
		s.TLS.Key, s.TLS.Cert = "", ""
	}
}

// opened tells whether "more settings" holds something to see.
func opened(e editing) bool {
	for _, f := range fieldsOf(e.Kind, true) {
		if e.Form.Errors[f.name] != "" {
			return true
		}
		v := e.Form.Get(f.name)
		if v != "" && (f.name != "redirects" || v != strconv.Itoa(DefaultRedirects)) && (f.name != "method" || v != "GET") {
			return true
		}
	}
	return len(e.Kept) > 0
}

// ask is how the field is asked for.
func (f formField) ask(ctx context.Context, e editing) web.FieldOptions {
	key := "monitor.field." + strings.ReplaceAll(f.name, ".", "_")
	o := web.FieldOptions{Name: f.name, Label: i18n.T(ctx, key), Required: f.required}
	if k := key + "_" + string(e.Kind); i18n.Of(ctx).Catalog.Has(k) {
		o.Label = i18n.T(ctx, k)
	}
	for _, k := range []string{key + "_hint", key + "_" + string(e.Kind) + "_hint"} {
		if i18n.Of(ctx).Catalog.Has(k) {
			o.Hint = i18n.T(ctx, k)
		}
	}
	switch f.input {
	case number:
		o.Type = "number"
		if f.name == "port" && usualPort(e.Kind) != 0 {
			o.Hint = i18n.T(ctx, "monitor.port_usual", usualPort(e.Kind))
		}
	case secret:
		o.Type, o.Autocomplete = "password", "new-password"
	}
	if f.name == "url" {
		o.Type = "url"
	}
	if f.name == "username" {
		o.Autocomplete = "off"
	}
	if slices.Contains(e.Kept, f.name) {
		o.Hint = i18n.T(ctx, "monitor.secret_kept")
	}
	return o
}

// choices are the options of the field in words.
func (f formField) choices(ctx context.Context, k Kind) []web.Option {
	var out []web.Option
	for _, v := range f.options(k) {
		o := web.Option{Value: v, Text: v}
		switch {
		case v == "":
			o.Text = i18n.T(ctx, "monitor.usual")
		case f.name == "tls.mode":
			o.Text = i18n.T(ctx, "monitor.tls_mode."+v)
		}
		out = append(out, o)
	}
	return out
}

// usualPort is the port that a kind takes when none is given.
func usualPort(k Kind) int {
	s, _ := Spec{Kind: k, Host: "a.example"}.Normalize()
	if slices.Contains(portKinds, k) {
		return s.Port
	}
	return 0
}

// keptSecrets names the secrets that are stored, for the form to say so.
func keptSecrets(s Spec) []string {
	var out []string
	for name, v := range map[string]string{
		"password": s.Password, "bearer": s.Bearer, "proxy_password": s.ProxyPassword, "tls.key": s.TLS.Key,
	} {
		if v != "" {
			out = append(out, name)
		}
	}
	if s.SNMP.Community != "" && s.SNMP.Community != "public" {
		out = append(out, "snmp.community")
	}
	slices.Sort(out)
	return out
}
