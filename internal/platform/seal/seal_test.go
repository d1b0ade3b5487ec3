package seal

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func box(t testing.TB, fill byte) *Box {
	t.Helper()
	b, err := New(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is sealed opens again, in its place and with its key alone; it does not
// contain the word, and equal words of one place give equal texts.
func TestSeal(t *testing.T) {
	b, other := box(t, 1), box(t, 2)
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringN(1, 200, -1).Draw(t, "word")
		if strings.HasPrefix(word, Mark) {
			t.Skip("bears the mark")
		}
		text := b.Seal("a.b", word)
		if !strings.HasPrefix(text, Mark) || len(word) > 8 && strings.Contains(text, word) {
			t.Fatalf("%q shows %q", text, word)
		}
		if got, err := b.Open("a.b", text); err != nil || got != word {
			t.Fatalf("%q, %v", got, err)
		}
		if b.Seal("a.b", word) != text {
			t.Fatal("the same word gave two texts")
		}
		if b.Seal("a.c", word) == text || other.Seal("a.b", word) == text {
			t.Fatal("another place or key gave the same text")
		}
		for name, open := range map[string]func() (string, error){
			"another place": func() (string, error) { return b.Open("a.c", text) },
			"another key":   func() (string, error) { return other.Open("a.b", text) },
			"a changed byte": func() (string, error) {
				at := rapid.IntRange(len(Mark), len(text)-2).Draw(t, "at")
				c := byte('A')
				if text[at] == c {
					c = 'B'
				}
				return b.Open("a.b", text[:at]+string(c)+text[at+1:])
			},
			"a cut": func() (string, error) {
				return b.Open("a.b", text[:rapid.IntRange(len(Mark), len(text)-1).Draw(t, "cut")])
			},
		} {
			if got, err := open(); !errors.Is(err, ErrSealed) {
				t.Fatalf("%s opened: %q, %v", name, got, err)
			}
		}
	})
}

// Nothing stays nothing, and what was stored before sealing is read as it is.
func TestPlain(t *testing.T) {
	b := box(t, 1)
	if b.Seal("a.b", "") != "" {
		t.Error("an empty word is sealed")
	}
	for _, word := range []string{"", "ada@musterstadt.example", `{"to":"x"}`} {
		if got, err := b.Open("a.b", word); err != nil || got != word {
			t.Errorf("%q, %v", got, err)
		}
	}
	if b.Name() == box(t, 2).Name() || b.Name() != box(t, 1).Name() {
		t.Error("a key is not known by its name")
	}
	if _, err := New(make([]byte, 31)); err == nil {
		t.Error("a short key is taken")
	}
}

func BenchmarkSeal(b *testing.B) {
	x := box(b, 1)
	for b.Loop() {
		x.Seal("channel_outbox.recipient", "amina.birkner@musterstadt.example")
	}
}

func BenchmarkOpen(b *testing.B) {
	x := box(b, 1)
	text := x.Seal("channel_outbox.recipient", "amina.birkner@musterstadt.example")
	for b.Loop() {
		if _, err := x.Open("channel_outbox.recipient", text); err != nil {
			b.Fatal(err)
		}
	}
}
