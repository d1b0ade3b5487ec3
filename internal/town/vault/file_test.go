package vault

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSave(t *testing.T) {
	v, err := New(make([]byte, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "deep", "book")
	var got map[string]string
	if err := v.Load(path, "book", &got); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, word := range []string{"geheim", "geheimer"} {
		if err := v.Save(path, "book", map[string]string{"a": word}); err != nil {
			t.Fatal(err)
		}
		if err := v.Load(path, "book", &got); err != nil || got["a"] != word {
			t.Fatal(err, got)
		}
	}
	if raw, _ := os.ReadFile(path); strings.Contains(string(raw), "geheim") {
		t.Error("what is saved can be read")
	}
	if err := v.Load(path, "other", &got); err == nil {
		t.Error("opened for another purpose")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.tmp")); len(left) > 0 {
		t.Error(left)
	}
}

// A log gives back what was added, whatever a crash left of its last line, and
// takes no more than its bound.
func TestLog(t *testing.T) {
	v, err := New(make([]byte, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "log")
	l, lines, err := v.OpenLog(path, "log", 1000)
	if err != nil || len(lines) != 0 {
		t.Fatal(err, lines)
	}
	for _, word := range []string{"eins", "zwei"} {
		if err := l.Add(word); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 2; cut < len(raw)/2; cut += 7 {
		if err := os.WriteFile(path, raw[:len(raw)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l, lines, err := v.OpenLog(path, "log", 1000)
		if err != nil || len(lines) != 1 || string(lines[0]) != `"eins"` {
			t.Fatalf("cut by %d: %v %q", cut, err, lines)
		}
		if err := errors.Join(l.Add("drei"), l.Close()); err != nil {
			t.Fatal(err)
		}
		l, lines, err = v.OpenLog(path, "log", 1000)
		if err != nil || len(lines) != 2 || string(lines[1]) != `"drei"` {
			t.Fatalf("cut by %d, then added: %v %q", cut, err, lines)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l, _, err = v.OpenLog(path, "log", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		err = l.Add(strings.Repeat("x", 100))
	}
	if !errors.Is(err, ErrLogFull) {
		t.Fatal(err)
	}
	if err := errors.Join(l.Clear(), l.Add("neu"), l.Close()); err != nil {
		t.Fatal(err)
	}
	if _, lines, err := v.OpenLog(path, "log", 1000); err != nil || len(lines) != 1 {
		t.Fatal(err, lines)
	}
}
