package service

import "time"

// AutoPublic decides how far a service's public Zustand follows its monitors
// without a person.
type AutoPublic string

// How far.
const (
	Never     AutoPublic = "never"     // only a person changes the page
	Checking  AutoPublic = "checking"  // "wird geprüft" once the failure is confirmed
	Confirmed AutoPublic = "confirmed" // "gestört" once the failure is confirmed
)

// Workaround / Ersatzweg is what people can do instead.
type Workaround struct {
	Text     string // full sentence part, "Telefon 0611 000"
	Short    string // ≤ 30 characters, for SMS
	TextEN   string // English; empty: Text is used
	Deadline string // the way that keeps a deadline
	Hours    string // "heute bis 18 Uhr"
	// ValidUntil: afterwards the workaround is flagged and no longer offered;
	// zero: no end.
	ValidUntil time.Time
}

// Provider is who runs a service for the town.
type Provider struct {
	Name, Hotline, Contract, Hours string
}

// Service / Dienst is something that the town offers or needs. Slug names it
// in configuration, API and addresses.
type Service struct {
	Slug       string
	Name       string // "Bürgerportal"
	Article    string // der, die, das, plural or empty
	Dative     string // with article, where the rule is wrong; else empty
	Accusative string // with article, where the rule is wrong; else empty
	Short      string // ≤ 20 characters, for SMS; empty: Name
	NameEN     string
	NameLS     string // in Leichter Sprache
	Public     bool   // stands on the public page
	Owner      string // mail address of the person responsible; may be empty
	Workaround Workaround
	DependsOn  []string // slugs
	Audiences  []string // slugs of audiences that must hear of an outage
	AutoPublic AutoPublic
	Provider   Provider
	FirstSteps string
	// Position orders the public page; equal positions are ordered by name.
	Position int
	// Worded tells who wrote what prepared texts print, and who has seen it.
	Worded Worded `json:",omitzero"`
	// Declared: stands in tuermer.yaml and is read-only in the console.
	Declared bool
}
