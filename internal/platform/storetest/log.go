package storetest

import (
	"log/slog"
	"testing"
)

// testLog writes warnings into the test's own output.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
