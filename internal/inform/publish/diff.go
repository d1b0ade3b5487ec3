package publish

import (
	"slices"
	"strings"
	"unicode"
)

// Change says what happened to a piece of text.
type Change string

// The changes.
const (
	Same    Change = "same"
	Added   Change = "added"
	Removed Change = "removed"
)

// Piece is a run of words with the same fate.
type Piece struct {
	Change Change
	Text   string
}

// maxDiffWords bounds the comparison, whose cost grows with the product of both
// lengths. Longer texts are shown as wholly new.
const maxDiffWords = 1500

// Diff compares two texts word by word, for the approver who reads what has
// changed. The Same and Added pieces together are the new text, the Same and
// Removed ones the old.
func Diff(old, new string) []Piece {
	a, b := words(old), words(new)
	if len(a) > maxDiffWords || len(b) > maxDiffWords {
		return compact([]Piece{{Removed, old}, {Added, new}})
	}
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var out []Piece
	for _, w := range a[:head] {
		out = append(out, Piece{Same, w})
	}
	out = append(out, longest(a[head:len(a)-tail], b[head:len(b)-tail])...)
	for _, w := range a[len(a)-tail:] {
		out = append(out, Piece{Same, w})
	}
	return compact(out)
}

// words cuts s into words, each with the blanks that follow it.
func words(s string) []string {
	var out []string
	start, blank := 0, false
	for i, r := range s {
		space := unicode.IsSpace(r)
		if blank && !space {
			out = append(out, s[start:i])
			start = i
		}
		blank = space
	}
	if start < len(s) {
		out = append(out, s[start:])
	}
	return out
}

// longest aligns a and b along a longest common subsequence.
func longest(a, b []string) []Piece {
	n := make([][]int32, len(a)+1)
	for i := range n {
		n[i] = make([]int32, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			if x == y {
				n[i][j] = n[i+1][j+1] + 1
			} else {
				n[i][j] = max(n[i+1][j], n[i][j+1])
			}
		}
	}
	var out []Piece
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, Piece{Same, a[i]})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || n[i+1][j] >= n[i][j+1]):
			out = append(out, Piece{Removed, a[i]})
			i++
		default:
			out = append(out, Piece{Added, b[j]})
			j++
		}
	}
	return out
}

// compact joins neighbours of the same fate.
func compact(in []Piece) []Piece {
	var out []Piece
	var b strings.Builder
	for i, p := range in {
		b.WriteString(p.Text)
		if i+1 == len(in) || in[i+1].Change != p.Change {
			if b.Len() > 0 {
				out = append(out, Piece{p.Change, b.String()})
			}
			b.Reset()
		}
	}
	return out
}
