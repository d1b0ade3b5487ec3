package keep

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Plan says when backups are made and how long they are kept.
type Plan struct {
	// Hour and Minute of the day in Zone; On false: none are made by themselves.
	On           bool
	Hour, Minute int
	Zone         *time.Location
	Keep         int           // how many files stay; at least 1
	Stale        time.Duration // older than that, the newest one raises an alarm
}

// The defaults of a [Plan].
const (
	DefaultKeep  = 14
	DefaultStale = 2 * 24 * time.Hour
	// testEvery is how often a backup is restored on trial.
	testEvery = 7 * 24 * time.Hour
	// retry is the pause after a backup or a trial that failed.
	retry = time.Hour
)

// last is the newest planned moment that is not after now. A day of 23 or 25
// hours has it once, for days are counted and not hours.
func (p Plan) last(now time.Time) time.Time {
	day := now.In(p.Zone)
	at := time.Date(day.Year(), day.Month(), day.Day(), p.Hour, p.Minute, 0, 0, p.Zone)
	if at.After(now) {
		at = time.Date(day.Year(), day.Month(), day.Day()-1, p.Hour, p.Minute, 0, 0, p.Zone)
	}
	return at.UTC()
}

// next is the first planned moment after now.
func (p Plan) next(now time.Time) time.Time {
	day := now.In(p.Zone)
	for i := range 3 {
		if at := time.Date(day.Year(), day.Month(), day.Day()+i, p.Hour, p.Minute, 0, 0, p.Zone); at.After(now) {
			return at.UTC()
		}
	}
	return now.Add(24 * time.Hour)
}

// due reports whether a backup is to be made: the planned moment has passed
// since the newest one, and the last failure is not fresh.
func (p Plan) due(newest, failed, now time.Time) bool {
	return p.On && newest.Before(p.last(now)) && !failed.After(now.Add(-retry))
}

// Backups are named after their moment, so that a list by name is one by time
// and a copy elsewhere needs no other date.
const (
	prefix   = "tuermer-"
	suffix   = ".backup"
	nameForm = "20060102T150405Z"
)

// Name is the file name of a backup made at t.
func Name(t time.Time) string { return prefix + t.UTC().Format(nameForm) + suffix }

// madeAt reads a file name; false for every other file.
func madeAt(name string) (time.Time, bool) {
	mid, ok1 := strings.CutPrefix(name, prefix)
	mid, ok2 := strings.CutSuffix(mid, suffix)
	t, err := time.Parse(nameForm, mid)
	return t, ok1 && ok2 && err == nil
}

// surplus names the files that go when keep are to stay, oldest first.
func surplus(names []string, keep int) []string {
	mine := slices.DeleteFunc(slices.Clone(names), func(n string) bool { _, ok := madeAt(n); return !ok })
	slices.Sort(mine)
	return mine[:max(0, len(mine)-max(1, keep))]
}

// ParseHour reads "02:30".
func ParseHour(s string) (hour, minute int, err error) {
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, 0, fmt.Errorf("keep: %q is no time of day", s)
	}
	return t.Hour(), t.Minute(), nil
}
