package identity

import (
	"slices"
	"time"

	"tuermer/internal/platform/ident"
)

// Tenant is one municipality or authority.
type Tenant struct {
	ID       ident.Tenant
	Slug     string
	Name     string   // "Musterstadt"
	Hosts    []string // host names under which staff and public pages are asked for; lower case, no port
	Domains  []string // mail and web domains that the town itself runs
	Networks []string // CIDR prefixes that the town itself runs
	// ProbeNetworks is where checks that the town's people enter may go:
	// prefixes and the words "public" and "private". Empty means the default.
	// Only the operator sets it.
	ProbeNetworks []string
	Land          string // "HE"
	Zone          string // IANA name, "Europe/Berlin"
	Language      string // default language of pages, "de"
	// StaffURL and PublicURL are the addresses written into mails, without a
	// slash at the end.
	StaffURL  string
	PublicURL string
	// SecondPolicy says who needs a second factor; [Room.SaveSecondPolicy] alone
	// changes it.
	SecondPolicy SecondPolicy
}

// Country is the country of the town's zone; a town without a known one is in
// Germany.
func (t Tenant) Country() string {
	switch t.Zone {
	case "Europe/Vienna":
		return "AT"
	case "Europe/Zurich", "Europe/Vaduz":
		return "CH"
	default:
		return "DE"
	}
}

// PersonID names a person.
type PersonID string

// Role says what a person may do.
type Role string

// The roles. Everybody who is signed in may read.
const (
	RoleAdmin     Role = "admin"     // people, monitors, settings
	RoleIT        Role = "it"        // gets alarms when nobody else is responsible
	RolePublisher Role = "publisher" // writes statements
	RoleApprover  Role = "approver"  // approves what others wrote
	RoleReader    Role = "reader"    // looks
	RoleDPO       Role = "dpo"       // data protection officer: hears of breaches, keeps the papers
	RoleOnsite    Role = "onsite"    // reports from the place: works yard, inspectors, caretakers
)

// Person is somebody who works for the town.
type Person struct {
	ID          PersonID
	Name        string
	Email       string // official address, also the sign-in name; lower case
	Alternative string // address that shares no fate with the town; may be empty
	Mobile      string // E.164, may be empty
	Chat        string // in a messenger, "signal:+49…"; may be empty, see [ChatAddress]
	Roles       []Role
	OrgUnit     string // Organisationseinheit, free text: "Amt 10, IT"
	Language    string // "de" or "en"
	Blocked     bool   // may not sign in and is not alarmed
	// Declared: stands in tuermer.yaml and is read-only in the console.
	Declared bool
	// AlternativeVerified is when the person confirmed the address; zero: never.
	// An address from the configuration counts as the operator's word (I13).
	AlternativeVerified time.Time
	HasPassword         bool
	SignedInAt          time.Time // the last sign-in; zero: never
	// Findings is what is wrong with the alternative address, as far as the
	// last look at DNS showed; CheckedAt is when that was (zero: not yet).
	Findings  []Finding
	CheckedAt time.Time
	// SecondAt is since when the person has a second factor; zero: none.
	SecondAt  time.Time
	CreatedAt time.Time
	// Origin is the lasting mark of the town's directory; empty: the person does
	// not come from there. Gone: blocked because the directory names them no more.
	Origin string
	Gone   bool
}

// Roles lists all roles in the order in which they are shown.
func Roles() []Role {
	return []Role{RoleAdmin, RoleIT, RolePublisher, RoleApprover, RoleReader, RoleDPO, RoleOnsite}
}

// Verified reports whether the alternative address is known to reach the
// person: confirmed by a click, or declared by the operator.
func (p Person) Verified() bool {
	return p.Alternative != "" && (p.Declared || !p.AlternativeVerified.IsZero())
}

// Has reports whether the person holds one of the roles.
func (p Person) Has(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(p.Roles, r) })
}

// Contact is how somebody outside reaches p at work: name, official address and
// mobile.
func Contact(p Person) string {
	out := p.Name + ", " + p.Email
	if p.Mobile != "" {
		out += ", " + p.Mobile
	}
	return out
}

// Way is one way to a person. Its Kind is a word of room channel ("mail", "sms",
// "voice"); further ways, such as devices, are known to the rooms that have them.
type Way struct {
	Kind string
	To   string
	// Own: the way hangs on the town's own systems (the official address).
	Own bool
}

// Ways are the ways to the person, in the order in which they are tried: official
// mail, alternative mail, a short message, a call, a messenger.
func (p Person) Ways() []Way {
	var out []Way
	for _, a := range p.Addresses() {
		out = append(out, Way{Kind: "mail", To: a, Own: a == p.Email})
	}
	if p.Mobile != "" {
		out = append(out, Way{Kind: "sms", To: p.Mobile}, Way{Kind: "voice", To: p.Mobile})
	}
	if p.Chat != "" {
		out = append(out, Way{Kind: "chat", To: p.Chat})
	}
	return out
}

// Addresses are the mail addresses at which the person is alarmed, official
// one first.
func (p Person) Addresses() []string {
	var out []string
	for _, a := range []string{p.Email, p.Alternative} {
		if a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}
