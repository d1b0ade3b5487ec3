package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"tuermer/internal/inform/template"
)

// TestScenarioNumbers: each scenario has a number of its own, by which people
// speak of it.
func TestScenarioNumbers(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, f := range files {
		number, _, _ := strings.Cut(filepath.Base(f), "-")
		if other := seen[number]; other != "" {
			t.Errorf("%s and %s have one number", other, f)
		}
		seen[number] = f
	}
}

// TestEveryKindHasAScenario: somebody in a scenario chooses or opens every kind of message, by the name
// that people read.
func TestEveryKindHasAScenario(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, f := range files {
		archive, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(archive.Comment)) {
			words, err := split(line)
			if err != nil || len(words) < 2 || (words[0] != "Fülle" && words[0] != "Klicke") {
				continue // what is wrong in a line is for TestScenarios to tell
			}
			for _, w := range words[1:] {
				seen[w] = f
			}
		}
	}
	for _, k := range template.Kinds() {
		if seen[k.Title()] == "" {
			t.Errorf("no scenario shows %q (%s, %s)", k.Title(), k.Phase(), k)
		}
	}
}
