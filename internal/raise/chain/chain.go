package chain

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// Chain / Alarmierungskette is who is woken for the alarms of some services.
type Chain struct {
	Slug string
	Name string
	// Services are those that it is for, by slug.
	Services []string `json:",omitempty"`
	// Default makes it the chain of every service that none names, and of
	// trouble whose service is not known.
	Default bool `json:",omitempty"`
	Steps   []Step
	// Receipt is how long a way has to show that it reached somebody before the
	// next one is tried; zero: [DefaultReceipt].
	Receipt time.Duration `json:",omitempty"`
	// Resting: a draft that wakes nobody yet.
	Resting bool `json:",omitempty"`
	// Declared: stands in tuermer.yaml and is read-only in the console.
	Declared bool `json:"-"`
}

// Step is one rung: whom it wakes and how long it waits for an answer.
type Step struct {
	Notify []Who
	// By are the ways, tried one after the other until one shows that it
	// arrived. Empty: the person's own order, else mail to every address, then
	// whatever else there is.
	By   []Way         `json:",omitempty"`
	Wait time.Duration // until the next step; zero: [DefaultWait]
	// Repeat is how often the step is told again before the next one begins.
	Repeat int `json:",omitempty"`
	// Everyone of the step must acknowledge; one alone does not end it.
	Everyone bool `json:",omitempty"`
}

// The defaults and bounds of a chain.
const (
	DefaultWait    = 5 * time.Minute
	DefaultReceipt = 2 * time.Minute
	MinWait        = time.Second
	MaxWait        = 24 * time.Hour
	MaxRepeat      = 10
	MaxSteps       = 20
	MaxNotify      = 50
)

// WaitFor is how long the step waits for an answer.
func (s Step) WaitFor() time.Duration { return cmp.Or(s.Wait, DefaultWait) }

// ReceiptFor is how long a way has to show that it arrived.
func (c Chain) ReceiptFor() time.Duration { return cmp.Or(c.Receipt, DefaultReceipt) }

// Who names whom a step wakes: "person:MAIL", "role:NAME", "roster:SLUG",
// "owner" or "all".
type Who string

// The two that need no name.
const (
	Owner Who = "owner" // whom the catalogue names for the service
	All   Who = "all"   // everybody of the chain, of the role it, and every administrator
)

// The kinds of the others.
const (
	PersonKind = "person"
	RoleKind   = "role"
	RosterKind = "roster"
)

// Split is kind and name: "person", "ada@musterstadt.example".
func (w Who) Split() (kind, name string) {
	kind, name, _ = strings.Cut(string(w), ":")
	return kind, name
}

var slugForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// ParseWho reads what somebody wrote; ok is false when it names nobody.
func ParseWho(s string) (w Who, ok bool) {
	s = strings.TrimSpace(s)
	if w = Who(strings.ToLower(s)); w == Owner || w == All {
		return w, true
	}
	kind, name, named := strings.Cut(s, ":")
	kind, name = strings.ToLower(strings.TrimSpace(kind)), strings.ToLower(strings.TrimSpace(name))
	if !named || name == "" {
		return "", false
	}
	switch kind {
	case PersonKind:
		ok = strings.Count(name, "@") == 1 && !strings.ContainsAny(name, " \t\n<>,;") && len(name) <= 254
	case RoleKind:
		ok = slices.Contains(identity.Roles(), identity.Role(name))
	case RosterKind:
		ok = slugForm.MatchString(name)
	}
	return Who(kind + ":" + name), ok
}

// Way is one kind of way by which a person can be reached.
type Way string

// The ways.
const (
	Mail        Way = "mail"        // the official address
	Alternative Way = "alternative" // the address apart from the town
	SMS         Way = "sms"
	Push        Way = "push"
	Voice       Way = "voice"
	Chat        Way = "chat"
)

// Ways lists all ways in the order in which they are tried where nobody says
// otherwise.
func Ways() []Way { return []Way{Mail, Alternative, SMS, Push, Voice, Chat} }

// Kind is the channel that carries the way.
func (w Way) Kind() channel.Kind {
	if w == Alternative {
		return channel.Mail
	}
	return channel.Kind(w)
}

// Lack is why a way does not lead to a person; empty: it does.
type Lack string

// Why not.
const (
	NoAddress     Lack = "no_address"
	NoAlternative Lack = "no_alternative"
	NoMobile      Lack = "no_mobile"
	NoDevice      Lack = "no_device"
	NoChat        Lack = "no_chat"
	NoRoute       Lack = "no_route" // nothing that is set up carries it
)

// Contact is one way to one person.
type Contact struct {
	Way     Way
	Kind    channel.Kind
	To      string
	Lacking Lack
	// Order is whose order put it where it stands, the same for all of a person.
	Order Order `json:",omitempty"`
}

// Order is whose order of ways applies.
type Order string

// The orders.
const (
	UsualOrder Order = ""     // mail to every address, then whatever else there is
	OwnOrder   Order = "own"  // the person's
	StepOrder  Order = "step" // the step names its ways, whatever order the person has
)

// Missed is somebody whom a step names and who is not woken, and why.
type Missed struct {
	Who    Who
	Reason Miss
}

// Miss is why a name leads to nobody.
type Miss string

// Why a name leads to nobody.
const (
	NoPerson   Miss = "no_person"  // nobody has this address
	Blocked    Miss = "blocked"    // has no access any more
	NoRole     Miss = "no_role"    // nobody has the role
	NoRoster   Miss = "no_roster"  // there is no such duty roster
	NobodyOn   Miss = "nobody_on"  // nobody is on duty
	Unreadable Miss = "unreadable" // the roster could not be asked
	NoOwner    Miss = "no_owner"   // the service has no owner
)

// Errors of the room.
var (
	ErrNotFound  = fault.New(fault.NotFound, "chain.not_found")
	ErrForbidden = fault.New(fault.Forbidden, "chain.forbidden")
	ErrDeclared  = fault.New(fault.Conflict, "chain.declared")
)

// Check finds what is wrong with the chain itself; it asks nobody. Steps are
// counted from 1, and their fields are called "who_1", "wait_1", "repeat_1".
func (c Chain) Check() error {
	err := fault.New(fault.Invalid, "chain.invalid")
	if !slugForm.MatchString(c.Slug) || c.Slug == "new" {
		err = err.Field("slug", "chain.bad_slug")
	}
	if c.Name == "" || len([]rune(c.Name)) > 100 {
		err = err.Field("name", "chain.bad_name")
	}
	if c.Receipt != 0 && (c.Receipt < MinWait || c.Receipt > MaxWait) {
		err = err.Field("receipt", "chain.bad_wait")
	}
	if len(c.Steps) == 0 {
		err = err.Field("who_1_1", "chain.no_steps")
	}
	if len(c.Steps) > MaxSteps {
		err = err.Field("name", "chain.too_long")
	}
	for i, s := range c.Steps {
		n := strconv.Itoa(i + 1)
		if len(s.Notify) == 0 || len(s.Notify) > MaxNotify {
			err = err.Field("who_"+n+"_1", "chain.no_who")
		}
		for _, w := range s.Notify {
			if p, ok := ParseWho(string(w)); !ok || p != w {
				err = err.Field("who_"+n+"_1", "chain.bad_who")
			}
		}
		for _, w := range s.By {
			if !slices.Contains(Ways(), w) {
				err = err.Field("by_"+n+"_1", "chain.bad_way")
			}
		}
		if s.Wait != 0 && (s.Wait < MinWait || s.Wait > MaxWait) {
			err = err.Field("wait_"+n, "chain.bad_wait")
		}
		if s.Repeat < 0 || s.Repeat > MaxRepeat {
			err = err.Field("repeat_"+n, "chain.bad_repeat")
		}
	}
	if len(err.Fields) > 0 {
		return err
	}
	return nil
}

// right finds the chain of a service: one that names it, else the default.
// Drafts are left out.
func right(all []Chain, service string) (Chain, bool) {
	for _, c := range all {
		if !c.Resting && service != "" && slices.Contains(c.Services, service) {
			return c, true
		}
	}
	for _, c := range all {
		if !c.Resting && c.Default {
			return c, true
		}
	}
	return Chain{}, false
}
