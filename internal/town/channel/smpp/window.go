package smpp

import (
	"context"
	"slices"
	"sync"
)

// window bounds how many messages wait for an answer. Alarms come first, and have
// a quarter of it for themselves (I10).
type window struct {
	mu       sync.Mutex
	free     int
	reserve  int
	alarms   []chan struct{}
	ordinary []chan struct{}
}

func newWindow(size int) *window { return &window{free: size, reserve: size / 4} }

// enter waits for a place; the caller must leave.
func (w *window) enter(ctx context.Context, alarm bool) error {
	w.mu.Lock()
	if alarm && w.free > 0 || w.free > w.reserve && len(w.alarms)+len(w.ordinary) == 0 {
		w.free--
		w.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	line := &w.ordinary
	if alarm {
		line = &w.alarms
	}
	*line = append(*line, turn)
	w.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(*line, turn); i >= 0 {
		*line = slices.Delete(*line, i, i+1)
		return ctx.Err()
	}
	w.free++ // it was given to us just now
	w.next()
	return ctx.Err()
}

func (w *window) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.free++
	w.next()
}

// next gives free places away; w.mu is held.
func (w *window) next() {
	for w.free > 0 && len(w.alarms) > 0 {
		close(w.alarms[0])
		w.alarms = w.alarms[1:]
		w.free--
	}
	for w.free > w.reserve && len(w.ordinary) > 0 {
		close(w.ordinary[0])
		w.ordinary = w.ordinary[1:]
		w.free--
	}
}
