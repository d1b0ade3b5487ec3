package contact

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/identity"
)

// Kind says what a point is for; its words have the keys "contact.kind_",
// "contact.falls_" and "contact.do_" + kind.
type Kind string

// The kinds, in the order in which they are shown.
const (
	Machine   Kind = "machine"   // this install itself
	Console   Kind = "console"   // where links in alarms lead; push comes from there, too
	Public    Kind = "public"    // where citizens read
	Person    Kind = "person"    // the second address of somebody who is alarmed
	Mail      Kind = "mail"      // a mail server that carries our mail
	SMS       Kind = "sms"       // a gateway
	Voice     Kind = "voice"     // a gateway
	Push      Kind = "push"      // the service of a browser that carries messages to devices
	Messenger Kind = "messenger" // the server of an account that writes to people
	Webhook   Kind = "webhook"   // a chat or another system
	SignIn    Kind = "sign_in"   // the identity provider
	Directory Kind = "directory" // of people
	Twin      Kind = "twin"      // a copy of the public page
	Watcher   Kind = "watcher"   // hears our heartbeat
	Database  Kind = "database"
	Backup    Kind = "backup"
	Account   Kind = "account" // in a network: the mail that leads back into it
)

// Kinds are all kinds in their order.
func Kinds() []Kind {
	return []Kind{Machine, Console, Public, Person, Mail, SMS, Voice, Push, Messenger, Webhook, SignIn, Directory, Twin, Watcher, Database, Backup, Account}
}

// Point is one thing on which an alarm, or what citizens read, depends.
type Point struct {
	Kind Kind
	// Name tells it from others of its kind: "primary", a person's name.
	Name string
	// ID is what it is known by; empty: its name.
	ID   string
	Host string // name or address; empty where there is none
	// Mail is compared as people's second addresses are, where the point is one;
	// Host is its domain.
	Mail string
	// Addrs are its addresses, where they are known without DNS.
	Addrs []netip.Addr
	// Remark is the key of a sentence about what cannot be looked up from here;
	// with one the point is at best unknown.
	Remark string
	// Looked: another room has looked already, and Findings are what it found at
	// At (zero: not yet).
	Looked   bool
	Findings []identity.Finding
	At       time.Time
}

// ID names the point in the table and the API.
func (p Point) id() string { return string(p.Kind) + "/" + cmp.Or(p.ID, p.Name) }

// State is what is known of a point; its word is "contact.state_" + state.
type State string

// The states, worst first.
const (
	Shared  State = "shared"
	Unknown State = "unknown"
	Apart   State = "apart"
)

// Seen is a point with what the last look found.
type Seen struct {
	Point
	State State
	// CheckedAt is when it was looked at; zero: not yet.
	CheckedAt time.Time
}

// shares reports whether a finding means that two things fall together.
func shares(f identity.Finding) bool {
	switch f.Cause {
	case identity.CauseSameDomain, identity.CauseSharedMX, identity.CauseSharedZone, identity.CauseSharedHost, identity.CauseMissing:
		return true
	case identity.CauseNoAnswer, identity.CauseUnverified:
		return false
	}
	return false
}

// judge is the state that follows from what was found. compared: the town has
// named something to compare with.
func judge(p Point, at time.Time, compared bool) State {
	switch {
	case slices.ContainsFunc(p.Findings, shares):
		return Shared
	case at.IsZero(), !compared, p.Remark != "", len(p.Findings) > 0:
		return Unknown
	default:
		return Apart
	}
}

// compared reports whether the town has named anything that is its own. The machine,
// and what runs on it, is compared with networks alone.
func compared(t identity.Tenant, p Point) bool {
	if p.home() {
		return len(t.Networks) > 0
	}
	return len(t.Domains)+len(t.Networks) > 0
}

// home: it falls with this machine, wherever that stands.
func (p Point) home() bool { return p.Kind == Machine || !p.Looked && Home(p.Host) }

// HostOf is the host of an address as it stands in a configuration: a URL or
// host:port.
func HostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// Home reports whether a host is this machine.
func Home(host string) bool {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && a.IsLoopback()
}

// sentence is one finding in words.
func sentence(l i18n.Locale, f identity.Finding) string {
	return l.Catalog.Text(l.Lang, "contact.with_"+string(f.Cause), f.With)
}

// why says what is shared or not known, one sentence each.
func (s Seen) why(l i18n.Locale) []string {
	var out []string
	for _, f := range s.Findings {
		out = append(out, sentence(l, f))
	}
	if s.Remark != "" && s.State != Shared {
		out = append(out, l.Catalog.Text(l.Lang, s.Remark))
	}
	if len(out) == 0 && s.State == Unknown {
		key := "contact.nothing_named"
		if s.CheckedAt.IsZero() {
			key = "contact.not_yet"
		} else if s.home() {
			key = "contact.no_networks"
		}
		out = append(out, l.Catalog.Text(l.Lang, key))
	}
	return out
}

// falls says what fails together with the town, and do what helps.
func (s Seen) falls(l i18n.Locale) string {
	return l.Catalog.Text(l.Lang, "contact.falls_"+string(s.Kind), s.Name)
}

func (s Seen) do(l i18n.Locale) string {
	if s.State == Unknown && s.Remark == "" {
		return l.Catalog.Text(l.Lang, "contact.do_unknown")
	}
	return l.Catalog.Text(l.Lang, "contact.do_"+string(s.Kind))
}

// Say is the point in one line, for the command line.
func (s Seen) Say(l i18n.Locale) (what, wayOut string) {
	name := strings.TrimSpace(l.Catalog.Text(l.Lang, "contact.kind_"+string(s.Kind)) + " " + s.Name)
	what = l.Catalog.Text(l.Lang, "contact.line", name, strings.Join(s.why(l), " "))
	if s.State == Shared {
		what += " " + s.falls(l)
	}
	return what, s.do(l)
}

// order puts the worst first, then the kinds in their order.
func order(all []Seen) {
	worst := []State{Shared, Unknown, Apart}
	slices.SortStableFunc(all, func(a, b Seen) int {
		return cmp.Or(
			cmp.Compare(slices.Index(worst, a.State), slices.Index(worst, b.State)),
			cmp.Compare(slices.Index(Kinds(), a.Kind), slices.Index(Kinds(), b.Kind)),
			strings.Compare(a.Name, b.Name),
		)
	})
}
