package alert

import (
	"slices"
	"strings"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
)

// SilenceID names a silence.
type SilenceID string

// Match says what a silence is about. Everything that it names must fit; it names
// at least one thing.
type Match struct {
	Service string  // slug
	Source  string  // name of another monitoring system
	Monitor string  // slug
	Labels  []Label // in the order of their names
}

// Label is one mark that a source gives its signals, such as site or host.
type Label struct{ Name, Value string }

// Silence / Stummschaltung lets nobody be woken for what it matches, for a time.
// It always has an end. What fires on when it ends alarms then.
type Silence struct {
	ID          SilenceID
	Match       Match
	From, Until time.Time
	Reason      string
	CreatedAt   time.Time
	CreatedBy   string // id of the person
	CreatedName string
	EndedAt     time.Time // when somebody lifted it; zero: it runs to its end
	EndedName   string
}

// MaxSilence is the longest silence. Who needs a longer one says so again.
const MaxSilence = 31 * 24 * time.Hour

// Bounds of what a silence names.
const (
	maxLabels = 8
	maxLabel  = 200
)

// Errors of silences.
var (
	ErrNoSilence      = fault.New(fault.NotFound, "alert.silence_not_found")
	ErrSilenceOver    = fault.New(fault.Conflict, "alert.silence_over")
	errSilenceInvalid = fault.New(fault.Invalid, "alert.silence_invalid")
)

// ended is when the silence is or was over.
func (s Silence) ended() time.Time {
	if !s.EndedAt.IsZero() && s.EndedAt.Before(s.Until) {
		return s.EndedAt
	}
	return s.Until
}

// Active reports whether the silence holds at a moment.
func (s Silence) Active(at time.Time) bool { return !at.Before(s.From) && at.Before(s.ended()) }

// Covers reports whether a signal is what the match names. What the signal does
// not say of itself does not fit: doubt never silences (I20). What a monitoring
// system says of itself, such as that it has fallen silent, is none of what it
// reports, and no source covers it.
func (m Match) Covers(s signal.Signal) bool {
	if m.empty() || m.Service != "" && m.Service != s.Service {
		return false
	}
	if m.Source != "" && (s.Source != signal.Intake || !strings.HasPrefix(s.Key, "intake:"+m.Source+":")) {
		return false
	}
	if own := "monitor:" + m.Monitor; m.Monitor != "" && (s.Source != signal.Monitor || s.Key != own && !strings.HasPrefix(s.Key, own+":")) {
		return false
	}
	for _, l := range m.Labels {
		if got, ok := s.Labels[l.Name]; !ok || got != l.Value {
			return false
		}
	}
	return true
}

func (m Match) empty() bool {
	return m.Service == "" && m.Source == "" && m.Monitor == "" && len(m.Labels) == 0
}

// tidy brings the match into the form in which it is kept.
func (m Match) tidy() Match {
	m.Service, m.Source, m.Monitor = clip(m.Service), clip(m.Source), clip(m.Monitor)
	var labels []Label
	for _, l := range m.Labels {
		if l = (Label{clip(l.Name), clip(l.Value)}); l != (Label{}) {
			labels = append(labels, l)
		}
	}
	slices.SortFunc(labels, func(a, b Label) int { return strings.Compare(a.Name+"\x00"+a.Value, b.Name+"\x00"+b.Value) })
	m.Labels = slices.Compact(labels)
	return m
}

// check says what is wrong with a silence that somebody enters at a moment.
func (s Silence) check(now time.Time) error {
	switch {
	case s.Match.empty():
		return errSilenceInvalid.Field("service", "alert.silence_no_match")
	case s.Reason == "":
		return errSilenceInvalid.Field("reason", "alert.reason_missing")
	case s.Until.IsZero() || !s.Until.After(s.From) || !s.Until.After(now):
		return errSilenceInvalid.Field("until", "alert.silence_no_end")
	case s.Until.Sub(s.From) > MaxSilence:
		return errSilenceInvalid.Field("until", "alert.silence_too_long")
	case s.From.After(now.AddDate(1, 0, 0)):
		return errSilenceInvalid.Field("from", "alert.silence_too_far")
	case len(s.Match.Labels) > maxLabels || slices.ContainsFunc(s.Match.Labels, func(l Label) bool {
		return l.Name == "" || l.Value == "" || len(l.Name) > maxLabel || len(l.Value) > maxLabel
	}):
		return errSilenceInvalid.Field("labels", "alert.silence_bad_label")
	}
	return nil
}

// longest is the one of the silences that covers the signal at a moment and ends
// last; nil: none does.
func longest(all []Silence, s signal.Signal, at time.Time) *Silence {
	var out *Silence
	for i, x := range all {
		if x.Active(at) && x.Match.Covers(s) && (out == nil || x.ended().After(out.ended())) {
			out = &all[i]
		}
	}
	return out
}

// newSilence is what somebody enters, as it is kept.
func newSilence(s Silence, now time.Time, actor ident.Actor) Silence {
	s.ID, s.Match, s.Reason = SilenceID(ident.NewID(now)), s.Match.tidy(), clip(s.Reason)
	if s.From.Before(now) {
		s.From = now
	}
	s.CreatedAt, s.CreatedBy, s.CreatedName = now, actor.Person, actor.Name
	s.EndedAt, s.EndedName = time.Time{}, ""
	return s
}
