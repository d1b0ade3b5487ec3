package exercise

import (
	"cmp"
	"slices"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
)

// ID names an exercise.
type ID string

// Type says who acts.
type Type string

// The types.
const (
	Rehearsal Type = "rehearsal" // Probelauf: the product plays all roles
	Drill     Type = "drill"     // Stabsübung: people act
	Tabletop  Type = "tabletop"  // Planbesprechung: people talk
)

// Types lists them.
func Types() []Type { return []Type{Rehearsal, Drill, Tabletop} }

// State is where an exercise stands.
type State string

// The states.
const (
	Running State = "running"
	Ended   State = "ended"
)

// Exercise / Übung is one practice of one scenario.
type Exercise struct {
	ID        ID
	Type      Type
	Scenario  template.Scenario
	Title     string
	Incident  incident.ID
	State     State
	StartedAt time.Time
	StartedBy ident.Actor
	EndedAt   time.Time
	// Injects is how many events of the script have been told.
	Injects int
	Alarm   Alarm // of a drill
	Record  Record
}

// Record / Protokoll is what came of it.
type Record struct {
	Alarm    *Alarm   `json:"alarm,omitempty"` // of a drill
	Steps    []Step   `json:"steps"`
	Messages []Sent   `json:"messages"`
	Marked   int      `json:"marked"`   // texts that carry "ÜBUNG"
	Unmarked int      `json:"unmarked"` // texts that do not; always 0
	Kept     int      `json:"kept"`     // promised next messages in time
	Missed   int      `json:"missed"`
	Findings []string `json:"findings"` // what did not work, in words
}

// Step is one thing that happened.
type Step struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// Sent says how many messages of one statement an audience got.
type Sent struct {
	Kind       template.Kind `json:"kind"`
	Audience   string        `json:"audience"` // slug
	Name       string        `json:"name"`     // of the audience, as it was then
	Recipients int           `json:"recipients"`
	Accepted   int           `json:"accepted"`
}

// Called is the name of the audience; records of old know its slug alone.
func (s Sent) Called() string { return cmp.Or(s.Name, s.Audience) }

// Level is the incident level with which a scenario is practised: what locks
// everything up or leaks is a crisis, what fails is an emergency.
func Level(s template.Scenario) incident.Level {
	if slices.Contains([]template.Scenario{"ransomware", "hacked", "databreach", "blackout", "bomb"}, s) {
		return incident.Crisis
	}
	return incident.Emergency
}

// script is what happens in a drill, after so many minutes. The texts are keys
// exercise.inject_N.
var script = []time.Duration{0, 10 * time.Minute, 20 * time.Minute, 35 * time.Minute, 50 * time.Minute, 70 * time.Minute}

// due tells how many events of the script should have been told at now, and
// when the next one will be (zero: never).
func (e Exercise) due(now time.Time) (n int, next time.Time) {
	switch {
	case e.State != Running || e.Type == Rehearsal:
		return e.Injects, time.Time{}
	case e.Type == Tabletop:
		return len(script), time.Time{}
	}
	for i, after := range script {
		if at := e.StartedAt.Add(after); now.Before(at) {
			return i, at
		}
	}
	return len(script), time.Time{}
}

// Errors of the room.
var (
	ErrNotFound  = fault.New(fault.NotFound, "exercise.not_found")
	ErrForbidden = fault.New(fault.Forbidden, "exercise.forbidden")
	ErrEnded     = fault.New(fault.Conflict, "exercise.ended")
)
