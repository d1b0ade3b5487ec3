package app

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/acme"
)

// ACMEConfig says from whom both listeners get their certificates by themselves.
type ACMEConfig struct {
	Mail      string   // of who hears from the CA; without it there is no ACME
	Directory string   // default: Let's Encrypt
	Names     []string // default: the hosts of urls, of all towns
	HTTP      string   // host:port at which the CA asks over plain HTTP; empty: TLS-ALPN-01 alone
	CAFile    string   // by which the CA's own address is judged
	CA        string
}

func (c ACMEConfig) on() bool { return c.Mail != "" }

func (r *configReader) acme(c *ACMEConfig) setter {
	return r.object(1,
		field{"mail", scalar(r, &c.Mail, parseEmail)},
		field{"directory", scalar(r, &c.Directory, optional(parseWeb))},
		field{"names", r.each(&c.Names, parseDomain)},
		field{"http", scalar(r, &c.HTTP, parseListen)},
		field{"ca_file", scalar(r, &c.CAFile, optional(parseLine))},
	)
}

// checkACME looks at what belongs together.
func (r *configReader) checkACME(c *Config) {
	a := c.Listen.ACME
	if !a.on() {
		return
	}
	if c.Listen.Certificate != "" {
		r.refuse(r.at["listen.acme"], "listen.acme", "config.acme_both")
	}
	if len(a.names([]*Config{c})) == 0 {
		r.refuse(r.at["listen.acme"], "listen.acme.names", "config.acme_names")
	}
	if a.Directory != "" && !strings.HasPrefix(a.Directory, "https://") {
		r.refuse(r.at["listen.acme.directory"], "listen.acme.directory", "config.acme_plain")
	}
}

// names are what certificates are for. A CA gives none for addresses and for names
// without a dot.
func (c ACMEConfig) names(all []*Config) (out []string) {
	add := func(host string) {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host, ".") && !slices.Contains(out, host) {
			out = append(out, host)
		}
	}
	for _, n := range c.Names {
		add(n)
	}
	if len(c.Names) > 0 {
		return out
	}
	for _, t := range all {
		for _, address := range []string{t.URLs.Public, t.URLs.Staff} {
			if u, err := url.Parse(address); err == nil {
				add(u.Hostname())
			}
		}
	}
	return out
}

// filled is c with its defaults for these towns.
func (c ACMEConfig) filled(all []*Config) ACMEConfig {
	if c.on() {
		c.Directory, c.Names = cmp.Or(c.Directory, acme.LetsEncryptURL), c.names(all)
		if _, _, err := net.SplitHostPort(c.HTTP); err != nil {
			c.HTTP = ""
		}
	}
	return c
}
