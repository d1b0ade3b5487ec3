package signal

import (
	"cmp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
)

// Limits of what one signal may hold; longer text is cut, since a signal that
// is refused for its length would be a signal that is lost.
const (
	maxKey    = 300
	maxTitle  = 200
	maxDetail = 4000
)

// Errors of [Room.Record].
var (
	ErrNoKey    = fault.New(fault.Invalid, "signal.no_key")
	ErrBadState = fault.New(fault.Invalid, "signal.bad_state")
)

// clean brings what a source said into the form that is stored.
func clean(s Signal, now time.Time) (Signal, error) {
	s.Key = line(s.Key, maxKey)
	if s.Key == "" {
		return Signal{}, ErrNoKey
	}
	if s.State != Firing && s.State != Resolved {
		return Signal{}, ErrBadState
	}
	s.Episode = line(s.Episode, maxKey)
	s.Service = line(s.Service, maxKey)
	s.Title = line(s.Title, maxTitle)
	if s.Title == "" {
		s.Title = s.Key
	}
	s.Detail = cut(strings.TrimSpace(s.Detail), maxDetail)
	if s.Severity != Info && s.Severity != Warning {
		s.Severity = Critical
	}
	s.QuietSince = clock.Cut(s.QuietSince)
	if s.QuietSince.Unix() <= 0 || s.State == Firing {
		s.QuietSince = time.Time{}
	}
	s.At = now
	s.Since = clock.Cut(s.Since)
	if s.Since.Unix() <= 0 || s.Since.After(now) {
		s.Since = now
	}
	return s, nil
}

// line cuts text to n bytes and puts it on one line.
func line(t string, n int) string { return cut(strings.Join(strings.Fields(t), " "), n) }

// cut makes t valid text of at most n bytes. PostgreSQL refuses NUL bytes.
func cut(t string, n int) string {
	t = strings.ReplaceAll(strings.ToValidUTF8(t, "\uFFFD"), "\x00", "")
	if len(t) <= n {
		return t
	}
	t = t[:n-len("…")]
	for len(t) > 0 && !utf8.ValidString(t) {
		t = t[:len(t)-1]
	}
	return t + "…"
}

// standing is how a key stands: its newest episode.
type standing struct {
	Seq      int64
	Episode  string
	State    State
	Since    time.Time
	Severity Severity
	Lapsed   bool // it is over by silence alone
}

// lapsed is how an episode stands that ended by silence and not by a word. It is
// stored as resolved, with a mark, and opens again when it speaks.
const lapsed State = "lapsed"

// verdict is what a signal does to its key and its episode.
type verdict struct {
	reason  Reason // empty: it changes how the key stands, and is told
	episode State  // how the signal's own episode stands afterwards
	next    standing
}

// weigh decides what s does. known is the state of the signal's episode, empty
// for one that was never heard of; a key without an episode is a new key.
func weigh(key standing, known State, s Signal) verdict {
	next := standing{Seq: key.Seq + 1, Episode: s.Episode, State: s.State, Since: s.Since, Severity: s.Severity}
	fresh := key.Episode == ""
	current := !fresh && key.Episode == s.Episode
	if !s.QuietSince.IsZero() {
		if !current || key.State != Firing {
			return verdict{Repeat, known, key}
		}
		next.Lapsed = true
		return verdict{"", lapsed, next}
	}
	switch {
	case known == lapsed && s.State == Resolved:
		key.Lapsed = key.Lapsed && !current
		return verdict{Repeat, Resolved, key} // its end, said at last
	case known == Resolved && s.State == Firing:
		return verdict{Ended, Resolved, key}
	case s.State == Firing && (key.Lapsed || known == lapsed && key.State != Firing):
		// Silence ended it, and here is a word: whatever its number and its clock
		// say, doubt leaves nothing ended (I20).
		return verdict{"", Firing, next}
	case known == s.State && current && s.State == Firing && s.Severity.WorseThan(key.Severity):
		return verdict{"", Firing, next}
	case known == s.State && current && s.State == Firing && s.Eased && key.Severity.WorseThan(s.Severity):
		return verdict{"", Firing, next}
	case known == s.State:
		return verdict{Repeat, known, key}
	case current:
		return verdict{"", s.State, next}
	case !fresh && older(s, key):
		return verdict{Older, s.State, key}
	case key.State != Firing && s.State == Resolved:
		// The end of an episode whose beginning we never saw. It is remembered,
		// so that a late beginning opens nothing; for the world nothing changed.
		next.Seq = key.Seq
		return verdict{Repeat, Resolved, next}
	default:
		return verdict{"", s.State, next}
	}
}

// older tells whether s is news of an episode before the key's newest. Our own
// monitors count their episodes, and the count stands above the time: after the
// machine's clock was set back, an outage must not pass for an old one. What
// others number need not be in order, so that their number decides only between
// two that began in the same moment, and there what is open stands above what is
// over: the end of one does not end the other.
func older(s Signal, key standing) bool {
	by, counted := order(s.Episode, key.Episode)
	switch {
	case s.Source == Monitor && counted:
		return by < 0
	case !s.Since.Equal(key.Since):
		return s.Since.Before(key.Since)
	case s.State != key.State:
		return s.State == Resolved
	}
	return by < 0
}

// order puts episodes in order, and tells whether both are numbers.
func order(a, b string) (by int, counted bool) {
	x, err := strconv.ParseInt(a, 10, 64)
	y, err2 := strconv.ParseInt(b, 10, 64)
	if err == nil && err2 == nil {
		return cmp.Compare(x, y), true
	}
	return strings.Compare(a, b), false
}
