package monitor

import (
	"strconv"
	"strings"
	"time"
)

// PingKind is what a job says with a ping. The forms are those of
// Healthchecks' ping URLs, so that existing scripts only change the address:
// /ping/KEY, /ping/KEY/start, /ping/KEY/fail, /ping/KEY/log, /ping/KEY/EXITCODE.
type PingKind string

// The kinds of pings.
const (
	PingSuccess PingKind = "success"
	PingStart   PingKind = "start" // the job began; it must end within the grace
	PingFail    PingKind = "fail"
	PingLog     PingKind = "log" // a note that changes nothing
)

// Ping is one report of a job.
type Ping struct {
	Kind PingKind
	Code int    // exit code; 0 for success and for the named forms
	Note string // what the job sent along; shown as detail, so plain text only
}

// ParsePing reads what stands behind the key in a ping URL: nothing, a word,
// or an exit code from 0 to 255. ok is false for anything else.
func ParsePing(suffix, note string) (p Ping, ok bool) {
	p.Note = plain(strings.TrimSpace(note))
	switch suffix = strings.Trim(suffix, "/"); suffix {
	case "":
		p.Kind = PingSuccess
	case "start", "fail", "log":
		p.Kind = PingKind(suffix)
	default:
		code, err := strconv.ParseUint(suffix, 10, 8)
		if err != nil || suffix != strconv.FormatUint(code, 10) {
			return Ping{}, false
		}
		if p.Code, p.Kind = int(code), PingSuccess; code != 0 {
			p.Kind = PingFail
		}
	}
	return p, true
}

// Result is the ping as something that was seen at now.
func (p Ping) Result(now time.Time) Result {
	r := Result{At: stamp(now), Code: p.Code, Detail: plain(p.Note)}
	switch p.Kind {
	case PingSuccess:
		r.OK, r.Reason = true, ReasonOK
	case PingStart:
		r.Reason = ReasonStarted
	case PingLog:
		r.Reason = ReasonLogged
	default:
		r.Reason = ReasonFailed
		if r.Detail == "" && p.Code != 0 {
			r.Detail = "exit code " + strconv.Itoa(p.Code)
		}
	}
	return r
}

// Due is when a heartbeat counts as missed: interval and grace after the last
// success, or grace after a start that no success followed, whichever is
// first. A job that never reported is due as if it had reported when the
// monitor was made (st.Since), so a forgotten job alarms too.
func Due(st Status, s Spec) time.Time {
	last := st.Seen
	if last.IsZero() {
		last = st.Since
	}
	due := last.Add(s.Interval.D() + s.Grace.D())
	if !st.Started.IsZero() {
		if end := st.Started.Add(s.Grace.D()); end.Before(due) {
			due = end
		}
	}
	return due
}

// Missed is the result of a heartbeat that did not come by its due time.
func Missed(st Status, now time.Time) Result {
	detail := "no sign of life yet"
	switch {
	case !st.Started.IsZero():
		detail = "started at " + st.Started.UTC().Format(time.RFC3339) + ", no end reported"
	case !st.Seen.IsZero():
		detail = "last sign of life " + st.Seen.UTC().Format(time.RFC3339)
	}
	return Result{At: stamp(now), Reason: ReasonMissed, Detail: detail}
}
