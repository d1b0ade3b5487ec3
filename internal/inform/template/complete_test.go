package template

import (
	"slices"
	"strings"
	"testing"
)

// TestEveryCellOfTheGrid holds the shipped texts to the printed grid: C1–C9 and
// L1–L6 by phase, German and English in every cell, Leichte Sprache in every
// citizens' cell. It names what is missing.
func TestEveryCellOfTheGrid(t *testing.T) {
	lib := library(t)
	for _, gap := range lib.Gaps() {
		t.Error("missing:", gap)
	}
	if n := len(lib.List()); n < 150 {
		t.Errorf("%d entries, promised are at least 150", n)
	}
	var marks []string
	for _, s := range lib.Scenarios() {
		marks = append(marks, s.Mark)
	}
	for want := range strings.FieldsSeq("C1 C2 C3 C4 C5 C6 C7 C8 C9 L1 L2 L3 L4 L5 L6") {
		if !slices.Contains(marks, want) {
			t.Errorf("no scenario is marked %s", want)
		}
	}
}

// TestGapsAreNamed takes a text away and expects to read which one.
func TestGapsAreNamed(t *testing.T) {
	lib := library(t)
	var kept []Entry
	for _, e := range lib.List() {
		if e.ID != "B-P1-ransomware-page-en" {
			kept = append(kept, e)
		}
	}
	less, err := newLibrary(kept, lib.scenarios, lib.frames)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"P1 citizens mail en ransomware", "P1 citizens page en ransomware"}
	if got := less.Gaps(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
