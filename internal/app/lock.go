package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tuermer/internal/platform/fault"
)

// lock keeps a second serve away from the same data folder. The kernel lets go
// of it when the process dies, however it dies; the file itself stays.
type lock struct{ f *os.File }

// ErrRunning says that another serve uses the data folder.
var ErrRunning = fault.New(fault.Conflict, "app.running")

func takeLock(dir string) (*lock, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("app: data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "serve.lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("app: lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrRunning
		}
		return nil, fmt.Errorf("app: lock: %w", err)
	}
	return &lock{f}, nil
}

// patience is how long a serve waits for a command that is just finishing.
const patience = 3 * time.Second

// waitForLock is takeLock for a serve: `tuermer token create` may hold the
// folder for a moment.
func waitForLock(ctx context.Context, dir string) (*lock, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		l, err := takeLock(dir)
		if !errors.Is(err, ErrRunning) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

func (l *lock) release() error { return l.f.Close() }
