package keep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/store"
)

// Attempt is the last backup that was tried.
type Attempt struct {
	At    time.Time `json:"at"`
	File  string    `json:"file"`
	Rows  int64     `json:"rows"`
	Took  int64     `json:"took_ms"`
	Error string    `json:"error,omitempty"`
	// Reason has the text keep.fail_REASON; empty where only Error tells.
	Reason string `json:"reason,omitempty"`
}

// reasonOf finds the word for what a person can do something about.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "full"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "denied"
	case errors.Is(err, fs.ErrNotExist):
		return "missing"
	default:
		return ""
	}
}

// LastAttempt is the backup that was tried last into a folder, by what stands
// beside it; the zero value if nothing does.
func LastAttempt(folder string) (Attempt, error) {
	r := &Room{}
	r.setting.Store(&Setting{Folder: folder})
	report, err := r.read()
	return report.Backup, err
}

func (a Attempt) failedAt() time.Time {
	if a.Error == "" {
		return time.Time{}
	}
	return a.At
}

// TrialReport is the last restore on trial.
type TrialReport struct {
	At    time.Time `json:"at"`
	File  string    `json:"file"`
	Took  int64     `json:"took_ms"`
	Error string    `json:"error,omitempty"`
	Trial
}

// dueFor reports whether the newest file is to be tried: once a week, at once
// when nothing was ever tried, and within an hour after a failure, for the next
// file may be well.
func (t TrialReport) dueFor(file string, now time.Time) bool {
	if t.Error != "" {
		return file != t.File || !t.At.After(now.Add(-retry))
	}
	return !t.At.After(now.Add(-testEvery))
}

// Report is what stands beside the backups.
type Report struct {
	Backup Attempt     `json:"backup"`
	Trial  TrialReport `json:"trial"`
}

const reportFile = "report.json"

func (r *Room) read() (out Report, err error) {
	if r.set().Folder == "" {
		return out, nil
	}
	text, err := os.ReadFile(filepath.Join(r.set().Folder, reportFile))
	if errors.Is(err, fs.ErrNotExist) {
		text, err = []byte("{}"), nil
	}
	if err != nil {
		return out, fmt.Errorf("keep: report: %w", err)
	}
	if json.Unmarshal(text, &out) != nil {
		return Report{}, nil // it is written anew by the next round
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed.At.After(out.Backup.At) { // there was no room to write it down
		out.Backup = r.failed
	}
	return out, nil
}

func (r *Room) write(rep Report) error {
	text, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return fmt.Errorf("keep: report: %w", err)
	}
	path := filepath.Join(r.set().Folder, reportFile)
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append(text, '\n'), 0o600); err != nil {
		return errors.Join(fmt.Errorf("keep: report: %w", err), os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("keep: report: %w", err)
	}
	return backup.SyncDir(r.set().Folder)
}

// Stored is one backup in the folder.
type Stored struct {
	Name string
	Made time.Time
	Size int64
}

// list reads the folder, oldest first.
func (r *Room) list() (out []Stored, err error) {
	if r.set().Folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(r.set().Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keep: folder of backups: %w", err)
	}
	for _, e := range entries {
		made, ok := madeAt(e.Name())
		info, err := e.Info()
		if !ok || err != nil || !info.Mode().IsRegular() {
			continue
		}
		out = append(out, Stored{e.Name(), made, info.Size()})
	}
	slices.SortFunc(out, func(a, b Stored) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func newest(files []Stored) time.Time {
	if len(files) == 0 {
		return time.Time{}
	}
	return files[len(files)-1].Made
}

// letGo asks every holder, and writes down what was decided.
func (r *Room) letGo(send bool, n *int) func(context.Context, bun.IDB, store.Enqueue) error {
	return func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		*n = 0
		for _, h := range r.o.Holders {
			m, err := h.LetGo(ctx, send)
			if err != nil {
				return err
			}
			*n += m
		}
		if *n == 0 {
			return nil
		}
		action := "keep.dropped"
		if send {
			action = "keep.let_go"
		}
		return r.o.Audit.Note(ctx, action, "", map[string]string{"messages": strconv.Itoa(*n)})
	}
}
