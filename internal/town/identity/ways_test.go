package identity_test

import (
	"slices"
	"testing"

	"tuermer/internal/town/identity"
)

// The ways stand in the order in which a person is tried, and an address that is
// the same twice is tried once.
func TestWays(t *testing.T) {
	p := identity.Person{Email: "a@stadt.example", Alternative: "a@posteo.example", Mobile: "+491700000001"}
	want := []identity.Way{
		{Kind: "mail", To: "a@stadt.example", Own: true},
		{Kind: "mail", To: "a@posteo.example"},
		{Kind: "sms", To: "+491700000001"},
		{Kind: "voice", To: "+491700000001"},
	}
	if got := p.Ways(); !slices.Equal(got, want) {
		t.Errorf("ways %v, want %v", got, want)
	}
	p.Alternative, p.Mobile = p.Email, ""
	if got := p.Ways(); len(got) != 1 || !got[0].Own {
		t.Errorf("ways %v, want the official address alone", got)
	}
}
