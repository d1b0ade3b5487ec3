package statuspage

import (
	"slices"
	"time"

	"tuermer/internal/inform/template"
	"tuermer/internal/notice/signal"
	"tuermer/internal/town/service"
)

// State / Zustand is how a service stands in public.
type State string

// The states, and what the page says for them.
const (
	Operational State = "operational" // ✓ funktioniert
	Maintenance State = "maintenance" // ■ Wartung
	Checking    State = "checking"    // ◇ wird geprüft
	Degraded    State = "degraded"    // ◆ eingeschränkt
	Down        State = "down"        // ▲ gestört
)

// States lists them, mildest first: the order in which "worst" is meant.
func States() []State { return []State{Operational, Maintenance, Checking, Degraded, Down} }

// Valid reports whether s is one of the states.
func (s State) Valid() bool { return slices.Contains(States(), s) }

// WorseThan reports whether s is worse than t.
func (s State) WorseThan(t State) bool {
	return slices.Index(States(), s) > slices.Index(States(), t)
}

func worst(a, b State) State {
	if b.WorseThan(a) {
		return b
	}
	return a
}

// Source names why a service shows its state.
type Source string

// The sources.
const (
	ByDefault Source = "default" // nothing is wrong
	ByMonitor Source = "monitor" // its monitors say so
	ByMessage Source = "message" // a published message says so
	ByHand    Source = "hand"    // a person holds it
)

// Known is what the rule asks about one service.
type Known struct {
	Auto service.AutoPublic
	// Suspected: an attack is suspected, so the page says nothing by itself
	// until a person decides.
	Suspected bool
	// Firing: a confirmed failure is going on.
	Firing bool
	// Limited: it answers, badly. Unclear: it cannot be reached for a cause that
	// is known and is not the service itself.
	Limited, Unclear bool
	// Said is the worst that published messages about live incidents say.
	Said State
	// Held is what a person set by hand; empty: nobody did.
	Held State
}

// Decide is the rule of the page: a person's hand first; else the worst of what
// the monitors may say by themselves and what was published.
func Decide(k Known) (State, Source) {
	if k.Held.Valid() {
		return k.Held, ByHand
	}
	auto := Operational
	if k.Firing && !k.Suspected {
		switch k.Auto {
		case service.Checking:
			auto = Checking
		case service.Confirmed:
			auto = Down
		case service.Never:
		}
	}
	if auto == Operational && !k.Suspected {
		auto = k.impaired()
	}
	said := Operational
	if k.Said.Valid() {
		said = k.Said
	}
	switch {
	case auto == Operational && said == Operational:
		return Operational, ByDefault
	case said.WorseThan(auto):
		return said, ByMessage
	default:
		return auto, ByMonitor
	}
}

// impaired is what the page says by itself about less than an outage. That
// something is slow is said only where the town lets the page speak for itself.
func (k Known) impaired() State {
	switch {
	case k.Auto == service.Confirmed && k.Limited:
		return Degraded
	case k.Unclear && (k.Auto == service.Confirmed || k.Auto == service.Checking):
		return Checking
	}
	return Operational
}

// Counts reports whether what fires may move the page by itself: it is a failure
// that machines confirmed, not a warning and not what citizens or posts suppose.
func Counts(t signal.Trouble) bool {
	return t.Service != "" && !signal.Critical.WorseThan(t.Severity) && (t.Source == signal.Monitor || t.Source == signal.Intake)
}

// says is the state that a story claims for its services: that of the newest
// message which tells of a state. An answer to critics or a correction leaves it
// as it was, or the page would call well what nobody said is well.
func (s story) says() State {
	for _, m := range s.current() {
		if state, ok := saidBy(m.Kind); ok {
			return state
		}
	}
	return Operational
}

// saidBy is the state that a published message of kind k claims for the services
// of its incident, if it is about their state at all.
func saidBy(k template.Kind) (State, bool) {
	switch k {
	case template.Holding:
		return Checking, true
	case template.First, template.Update, template.NoChange, template.ETAChange, template.WorkaroundChange:
		return Down, true
	case template.MaintenanceStarted:
		return Maintenance, true
	case template.Recovery, template.AllClear, template.Closing, template.Report, template.MaintenanceEnded:
		return Operational, true
	case template.Survey, template.Correction, template.Warning, template.DataSubjects, template.BreachReport,
		template.StormStatement, template.NetiquetteHint, template.PostHidden,
		template.OutOfHours, template.Received, template.Answer,
		template.MaintenanceAnnounced, template.ExerciseAnnounced, template.ExerciseEnded:
		return "", false
	}
	return "", false
}

// Hold is a service's state set by a person.
type Hold struct {
	Service string
	State   State
	Reason  string // for colleagues, never public
	Person  string
	Name    string
	At      time.Time
}

// Component is a public service as it stands, for the console and the API.
type Component struct {
	Service service.Service
	State   State
	Source  Source
	// Without is what the page would show if nobody held it; Hold is nil then.
	Without State
	Hold    *Hold
	Firing  bool
	// Suspected: see [Known].
	Suspected bool
}
