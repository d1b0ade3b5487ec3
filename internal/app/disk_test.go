package app

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The full disk itself stands in cmd/tuermer's bad days, which need to mount
// one.
func TestWritable(t *testing.T) {
	if err := writable(t.TempDir()); err != nil {
		t.Error(err)
	}
	if err := writable(filepath.Join(t.TempDir(), "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := writable("/proc"); err == nil { // has no room for anything
		t.Error("/proc is said to take files")
	}
}
