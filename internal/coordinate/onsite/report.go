package onsite

import (
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
)

// ReportID names a report.
type ReportID string

// Report / Meldung vor Ort is what somebody saw on the spot. It never changes.
type Report struct {
	ID       ReportID
	Incident incident.ID
	At       time.Time
	Person   string // id of who reported; empty: a token of nobody
	ByName   string
	Text     string
	Place    string    // in words; empty: unknown, or a position alone
	Position *Position // nil: unknown
	Source   Source    // where the position comes from
	Photo    *Shot     // nil: there was none
}

// Source is where a position comes from.
type Source string

// The sources.
const (
	Typed     Source = "typed"  // in the form, by hand or by the phone's button
	FromPhoto Source = "photo"  // the camera wrote it
	ByDevice  Source = "device" // a program sent it as numbers
)

// Shot is what is known of a report's photo; the picture is got by [Room.Photo].
type Shot struct {
	Width, Height int
	Sum           string // SHA-256 of the stored JPEG, as in the journal
	Gone          bool   // taken away
}

// Draft is a report that is to be made.
type Draft struct {
	Incident incident.ID
	Text     string
	// Place is a position or the name of a place, whatever can be read.
	Place string
	// Position is what a program knows as numbers; nil: read from Place.
	Position *Position
	Photo    []byte // as the phone sends it; empty: none
	// Key makes sending twice one report; empty: each is its own.
	Key string
}

// Longest texts, in characters.
const (
	maxText  = 4000
	maxPlace = 200
	maxKey   = 100
)

// What can go wrong with a report.
var (
	ErrForbidden  = fault.New(fault.Forbidden, "onsite.forbidden")
	ErrNothing    = fault.New(fault.Invalid, "onsite.nothing")
	ErrNoIncident = fault.New(fault.Invalid, "onsite.no_incident")
	ErrPosition   = fault.New(fault.Invalid, "onsite.bad_position")
	ErrNoReport   = fault.New(fault.NotFound, "onsite.no_report")
	ErrNoReason   = fault.New(fault.Invalid, "onsite.reason_missing")
	ErrKey        = fault.New(fault.Invalid, "onsite.bad_key")
)

// where reads the place of a draft: position and words.
func (d Draft) where(shot *Photo) (place string, pos *Position, src Source) {
	place = line(d.Place, maxPlace)
	switch p, ok := ReadPosition(d.Place); {
	case d.Position != nil:
		return place, d.Position, ByDevice
	case ok:
		return "", &p, Typed
	case shot != nil && shot.Position != nil:
		return place, shot.Position, FromPhoto
	}
	return place, nil, ""
}

// line makes typed text storable on one line.
func line(s string, most int) string { return clip(strings.Join(strings.Fields(valid(s)), " "), most) }

// prose makes typed text storable and keeps its lines.
func prose(s string, most int) string { return clip(strings.TrimSpace(valid(s)), most) }

func valid(s string) string {
	return strings.NewReplacer("\x00", "", "\r\n", "\n").Replace(strings.ToValidUTF8(s, "\uFFFD"))
}

func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
