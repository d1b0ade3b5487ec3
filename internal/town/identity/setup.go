package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// Step is one step of the first start. Each is done when it has proved itself.
type Step string

// The steps, in their order.
const (
	StepMail    Step = "mail"    // a test mail arrived
	StepPublic  Step = "public"  // the public page was seen from outside
	StepSecond  Step = "second"  // the second address shares no fate with the town
	StepMonitor Step = "monitor" // the first check is green
	StepOther   Step = "other"   // somebody else has come in
)

// Steps lists the steps in the order in which they are gone.
func Steps() []Step { return []Step{StepMail, StepPublic, StepSecond, StepMonitor, StepOther} }

// StepState says how far a step is.
type StepState string

// The states. Only proven counts as done.
const (
	StepOpen    StepState = "open"
	StepWaiting StepState = "waiting" // asked, not answered yet
	StepLater   StepState = "later"   // put off by a person
	StepProven  StepState = "proven"
)

// stepAge is how long a code may be answered; invitations have their link's own.
const stepAge = 30 * time.Minute

// stepTries is how many wrong answers a code takes before a new one is needed:
// of a million codes nobody guesses one in five.
const stepTries = 5

// Proof is what is known of one step.
type Proof struct {
	Step     Step
	Target   string    // the address, monitor or person that it is about
	AskedAt  time.Time // when a code or an invitation went out
	LaterAt  time.Time
	ProvenAt time.Time
	Spent    bool // too many wrong answers
}

// State is how far the step is at the time now.
func (p Proof) State(now time.Time) StepState {
	switch {
	case !p.ProvenAt.IsZero():
		return StepProven
	case p.LaterAt.After(p.AskedAt):
		return StepLater
	case !p.AskedAt.IsZero() && (p.Step == StepOther || p.live(now)):
		return StepWaiting
	default:
		return StepOpen
	}
}

// live reports whether a code that is out may still be answered.
func (p Proof) live(now time.Time) bool {
	return !p.AskedAt.IsZero() && !p.Spent && now.Before(p.AskedAt.Add(stepAge)) && !now.Before(p.AskedAt)
}

// stepCode is the code of a step: from its nonce, its target and a key that is
// not in the database. Whoever reads the database cannot answer it.
func stepCode(key []byte, tenant string, step Step, target, nonce string) string {
	m := hmac.New(sha256.New, key)
	for _, part := range []string{tenant, string(step), target, nonce} {
		_ = binary.Write(m, binary.BigEndian, uint32(len(part)))
		m.Write([]byte(part))
	}
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(m.Sum(nil))%1_000_000)
}

// sameCode compares what somebody typed with the code, in constant time.
func sameCode(typed, code string) bool {
	typed = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, typed)
	return subtle.ConstantTimeCompare([]byte(typed), []byte(code)) == 1
}

// Seen says from where the public page was asked for.
type Seen string

// From where. Only outside proves that citizens reach the page.
const (
	SeenOutside Seen = "outside"
	SeenHere    Seen = "here"   // this machine, or a proxy that does not name senders
	SeenSame    Seen = "same"   // the very address from which the console is used
	SeenInside  Seen = "inside" // a private network, or one that the town runs
)

// carrier is the range of carriers' own address translation (RFC 6598): a phone
// shows it only to its carrier, so whoever has it here is inside.
var carrier = netip.MustParsePrefix("100.64.0.0/10")

// SeenFrom judges a visit of the public page: client is the visitor's address,
// asker that of whoever wants the proof, networks those that the town runs.
func SeenFrom(client, asker string, networks []string) Seen {
	a, err := netip.ParseAddr(client)
	if err != nil {
		return SeenHere
	}
	a = a.Unmap().WithZone("")
	if a.IsLoopback() || a.IsUnspecified() {
		return SeenHere
	}
	if b, err := netip.ParseAddr(asker); err == nil && near(a, b.Unmap().WithZone("")) {
		return SeenSame
	}
	if a.IsPrivate() || a.IsLinkLocalUnicast() || carrier.Contains(a) {
		return SeenInside
	}
	for _, n := range networks {
		if p, err := netip.ParsePrefix(n); err == nil && p.Contains(a) {
			return SeenInside
		}
	}
	return SeenOutside
}

// near reports whether two addresses are one connection to the Internet: the same
// one, or one /64, which a household or an office has as a whole.
func near(a, b netip.Addr) bool {
	if a == b {
		return true
	}
	if !a.Is6() || !b.Is6() {
		return false
	}
	p, err := a.Prefix(64)
	return err == nil && p.Contains(b)
}
