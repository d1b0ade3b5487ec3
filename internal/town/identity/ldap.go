package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"tuermer/internal/platform/fault"
)

// LDAP / Verzeichnis is the town's directory of people, as the configuration
// declares it: an LDAP server or an Active Directory. It is only read.
type LDAP struct {
	URL      string // ldap:// (then always STARTTLS) or ldaps://
	CA       []byte // PEM; empty: the machine's
	BindDN   string
	Password string
	Base     string
	Filter   string
	// Attributes that hold what we want to know; empty: not asked for.
	ID, Name, Mail, Alternative, Mobile, Chat, OrgUnit string
	// Groups give roles; groups in groups count, in any depth.
	Groups []LDAPGroup
	// MaxGone is how many may vanish in one run before a person must confirm.
	MaxGone int
}

// LDAPGroup gives the members of a group a role.
type LDAPGroup struct {
	DN   string
	Role Role
}

// Bounds of what a directory may cost us.
const (
	ldapTime   = 60 * time.Second // one whole run
	ldapStep   = 15 * time.Second // one answer
	ldapPage   = 500
	ldapPeople = 50_000
	ldapGroups = 2_000
)

// The ways in which a directory does not answer. None of them is the fault of its
// people: nobody is put to rest.
func ldapFault(kind string, err error, args ...any) error {
	return fault.New(fault.Unavailable, "identity.directory_"+kind, args...).With(err)
}

// entry is one person of the directory, before any rule.
type entry struct {
	UID    string // stays when the name changes
	DN     string
	Person Person // with the roles of its groups
}

// reader is one conversation with a directory.
type reader struct {
	c    *ldap.Conn
	l    LDAP
	stop func() bool // ends the watch over our own clock
}

func (r *reader) close() {
	r.stop()
	_ = r.c.Close()
}

// readLDAP asks the directory for its people. Every answer that is not whole is
// an error: who is missing from half a list has not left.
func readLDAP(ctx context.Context, l LDAP, dial func(context.Context, string, string) (net.Conn, error)) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, ldapTime)
	defer cancel()
	out, err := func() ([]entry, error) {
		r, err := openLDAP(ctx, l, dial)
		if err != nil {
			return nil, err
		}
		defer r.close()
		out, err := r.people()
		if err != nil {
			return nil, err
		}
		return out, r.roles(out)
	}()
	if err != nil && ctx.Err() != nil {
		return nil, ldapFault("timeout", ctx.Err(), host(l.URL))
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ValidFilter reports whether s is a filter (RFC 4515).
func ValidFilter(s string) bool {
	_, err := ldap.CompileFilter(s)
	return err == nil && len(s) <= 2000
}

// host is the server's name for people.
func host(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		return u.Host
	}
	return raw
}

// openLDAP connects, encrypts and signs in. Without encryption nothing is said.
func openLDAP(ctx context.Context, l LDAP, dial func(context.Context, string, string) (net.Conn, error)) (*reader, error) {
	u, err := url.Parse(l.URL)
	if err != nil {
		return nil, ldapFault("config", err)
	}
	addr, implicit := u.Host, u.Scheme == "ldaps"
	if u.Port() == "" {
		port := "389"
		if implicit {
			port = "636"
		}
		addr = net.JoinHostPort(u.Hostname(), port)
	}
	conf := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if len(l.CA) > 0 {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(l.CA) {
			return nil, ldapFault("ca", nil)
		}
	}
	step, cancel := context.WithTimeout(ctx, ldapStep)
	defer cancel()
	raw, err := dial(step, "tcp", addr)
	if err != nil {
		return nil, ldapFault("connect", err, addr)
	}
	if implicit {
		secure := tls.Client(raw, conf)
		if err := secure.HandshakeContext(step); err != nil {
			return nil, errors.Join(ldapFault("tls", err, addr), raw.Close())
		}
		raw = secure
	}
	c := ldap.NewConn(raw, implicit)
	c.SetTimeout(ldapStep)
	c.Start()
	// A server that stops answering is cut off by our own clock.
	r := &reader{c, l, context.AfterFunc(ctx, func() { _ = c.Close() })}
	if !implicit {
		if err := c.StartTLS(conf); err != nil {
			r.close()
			return nil, ldapFault("tls", err, addr)
		}
	}
	if l.BindDN != "" {
		if err := c.Bind(l.BindDN, l.Password); err != nil {
			r.close()
			if ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultNoSuchObject) {
				return nil, ldapFault("bind", err, l.BindDN)
			}
			return nil, said(err, addr)
		}
	}
	return r, nil
}

// said puts the directory's refusal into words of ours.
func said(err error, what string) error {
	e, ok := errors.AsType[*ldap.Error](err)
	if !ok {
		return ldapFault("cut", err) // the connection, not the directory, ended it
	}
	switch e.ResultCode {
	case ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultAdminLimitExceeded:
		return ldapFault("size", err)
	case ldap.LDAPResultReferral:
		return ldapFault("referral", err, what)
	case ldap.LDAPResultNoSuchObject:
		return ldapFault("base", err, what)
	case ldap.LDAPResultInsufficientAccessRights:
		return ldapFault("rights", err, what)
	case ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable:
		return ldapFault("busy", err)
	case ldap.ErrorFilterCompile, ldap.ErrorFilterDecompile:
		return ldapFault("filter", err, what)
	case ldap.ErrorNetwork, ldap.ErrorUnexpectedResponse:
		return ldapFault("cut", err)
	}
	return ldapFault("other", err, what)
}

// search asks in pages and takes only whole answers.
func (r *reader) search(base string, scope int, filter string, attributes ...string) ([]*ldap.Entry, error) {
	res, err := r.c.SearchWithPaging(ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil), ldapPage)
	if err != nil {
		return nil, said(err, base)
	}
	for _, ref := range res.Referrals {
		// Below its root an Active Directory always points at these partitions;
		// no people live there.
		u, err := url.Parse(ref)
		if err == nil && slices.ContainsFunc([]string{"cn=configuration,", "dc=domaindnszones,", "dc=forestdnszones,"}, func(p string) bool {
			return strings.HasPrefix(strings.ToLower(strings.TrimPrefix(u.Path, "/")), p)
		}) {
			continue
		}
		return nil, ldapFault("referral", nil, shorten(ref))
	}
	return res.Entries, nil
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 120 {
		return string(r[:120]) + "…"
	}
	return s
}

func (r *reader) people() ([]entry, error) {
	l := r.l
	var ask []string
	for _, a := range []string{l.ID, l.Name, l.Mail, l.Alternative, l.Mobile, l.Chat, l.OrgUnit} {
		if a != "" {
			ask = append(ask, a)
		}
	}
	found, err := r.search(l.Base, ldap.ScopeWholeSubtree, l.Filter, ask...)
	if err != nil {
		return nil, err
	}
	if len(found) > ldapPeople {
		return nil, ldapFault("many", nil, ldapPeople)
	}
	out := make([]entry, 0, len(found))
	for _, e := range found {
		get := func(a string) string {
			if a == "" {
				return ""
			}
			return strings.ToValidUTF8(e.GetEqualFoldAttributeValue(a), "")
		}
		out = append(out, entry{DN: e.DN, UID: uid(e, l.ID), Person: Person{
			Name: get(l.Name), Email: get(l.Mail), Alternative: get(l.Alternative), Mobile: get(l.Mobile), Chat: get(l.Chat), OrgUnit: get(l.OrgUnit),
		}})
	}
	return out, nil
}

// uid is the entry's lasting mark; binary ones (objectGUID) in hex.
func uid(e *ldap.Entry, attribute string) string {
	raw := e.GetEqualFoldRawAttributeValue(attribute)
	if utf8.Valid(raw) && !slices.ContainsFunc(raw, func(b byte) bool { return b < ' ' }) {
		return string(raw)
	}
	return hex.EncodeToString(raw)
}

// dnKey is a distinguished name in one spelling.
func dnKey(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return strings.ToLower(dn)
	}
	return strings.ToLower(parsed.String())
}

// roles gives people the roles of their groups. Groups in groups are followed;
// one that contains itself is seen once.
func (r *reader) roles(people []entry) error {
	if len(r.l.Groups) == 0 {
		return nil
	}
	at := make(map[string]int, len(people))
	for i, p := range people {
		at[dnKey(p.DN)] = i
	}
	members := map[string][]string{} // of each group that was read
	for _, g := range r.l.Groups {
		seen, todo := map[string]bool{}, []string{g.DN}
		for len(todo) > 0 {
			dn := todo[0]
			todo = todo[1:]
			key := dnKey(dn)
			if seen[key] {
				continue
			}
			seen[key] = true
			if i, ok := at[key]; ok {
				if p := &people[i].Person; !slices.Contains(p.Roles, g.Role) {
					p.Roles = append(p.Roles, g.Role)
				}
				continue
			}
			in, known := members[key]
			if !known {
				if len(members) >= ldapGroups {
					return ldapFault("groups", nil, ldapGroups)
				}
				var err error
				if in, err = r.membersOf(dn, dn == g.DN); err != nil {
					return err
				}
				members[key] = in
			}
			todo = append(todo, in...)
		}
	}
	return nil
}

// memberAttributes hold a group's members, by schema.
var memberAttributes = []string{"member", "uniqueMember"}

// membersOf reads a group's members. A group that the configuration names must
// be there; what is in a group and is neither person nor group has none.
func (r *reader) membersOf(dn string, must bool) ([]string, error) {
	got := map[string]bool{}
	ask := slices.Clone(memberAttributes)
	for range 10_000 {
		found, err := r.search(dn, ldap.ScopeBaseObject, "(objectClass=*)", ask...)
		if !must && fault.As(err).Key == "identity.directory_base" && err != nil {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			if must {
				return nil, ldapFault("base", nil, dn)
			}
			return nil, nil
		}
		ask = ask[:0]
		for _, a := range found[0].Attributes {
			for _, v := range a.Values {
				got[v] = true
			}
			// An Active Directory hands out long lists in ranges: member;range=0-1499.
			name, span, ranged := strings.Cut(a.Name, ";range=")
			_, end, _ := strings.Cut(span, "-")
			var last int
			if ranged && end != "*" {
				if _, err := fmt.Sscanf(end, "%d", &last); err == nil && len(a.Values) > 0 {
					ask = append(ask, fmt.Sprintf("%s;range=%d-*", name, last+1))
				}
			}
		}
		if len(ask) == 0 {
			break
		}
	}
	return slices.Sorted(maps.Keys(got)), nil
}
