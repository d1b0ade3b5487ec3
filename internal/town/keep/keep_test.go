package keep

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"
	"pgregory.net/rapid"

	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/storetest"
)

func berlin(t testing.TB) *time.Location {
	t.Helper()
	z, err := clock.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// There is one planned moment a day, also on the days of 23 and 25 hours, and
// at every moment the last one is past and the next one to come.
func TestPlan(t *testing.T) {
	zone := berlin(t)
	rapid.Check(t, func(t *rapid.T) {
		p := Plan{On: true, Hour: rapid.IntRange(0, 23).Draw(t, "hour"), Minute: rapid.IntRange(0, 59).Draw(t, "minute"), Zone: zone}
		now := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "now"), 0).UTC()
		last, next := p.last(now), p.next(now)
		if last.After(now) || !next.After(now) {
			t.Fatalf("at %s: last %s, next %s", now, last, next)
		}
		if gap := next.Sub(last); gap < 22*time.Hour || gap > 26*time.Hour {
			t.Fatalf("at %s: %s between %s and %s", now, gap, last, next)
		}
		if p.due(last, time.Time{}, now) || !p.due(last.Add(-time.Second), time.Time{}, now) {
			t.Fatalf("at %s: due is wrong about %s", now, last)
		}
		if p.due(time.Time{}, now, now) {
			t.Fatal("a failure is followed at once by the next try")
		}
	})
}

// The newest stay, and nothing that is not ours is touched.
func TestSurplus(t *testing.T) {
	at := time.Date(2026, 11, 1, 2, 30, 0, 0, time.UTC)
	names := []string{"report.json", "tuermer-x.backup", "brief.txt"}
	for i := range 5 {
		names = append(names, Name(at.AddDate(0, 0, i)))
	}
	slices.Reverse(names)
	if got := surplus(names, 3); !slices.Equal(got, []string{Name(at), Name(at.AddDate(0, 0, 1))}) {
		t.Errorf("%v", got)
	}
	if got := surplus(names, 0); len(got) != 4 {
		t.Errorf("the last one must stay: %v", got)
	}
}

// note is an audit log that forgets.
type note struct{}

func (note) Note(context.Context, string, string, map[string]string) error { return nil }

// A month passes: one backup a night, the oldest go, each week one is tried; a
// trial that fails is told at once and again when it is well; what cannot be
// written is told when the newest one has become too old.
func TestMonth(t *testing.T) {
	dir, keyDir := t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := storetest.SQLite(t)
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		var tried int
		var broken, full error
		folder := filepath.Join(dir, "backups")
		r := New(Options{
			Store: w.Store, Clock: clock.NewSteady(), Audit: note{}, Version: "test", KeyFile: filepath.Join(keyDir, "own.key"),
			Setting: Setting{
				Folder: folder, Plan: Plan{On: true, Hour: 2, Minute: 30, Zone: berlin(t), Keep: 5}, To: []age.Recipient{id.Recipient()},
			},
			Files: func() ([]backup.File, error) { return nil, full },
			Rehearse: func(_ context.Context, file string, with []age.Identity) (Trial, error) {
				tried++
				f, err := os.Open(file)
				if err != nil {
					return Trial{}, err
				}
				defer func() { _ = f.Close() }()
				_, err = backup.NewReader(f, with...)
				return Trial{Rows: 1, Chains: 1}, errors.Join(err, broken)
			},
			Tell: func(_ context.Context, f Finding) error { told = append(told, f.Title); return nil },
		})
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		pass := func(days int) {
			time.Sleep(time.Duration(days) * 24 * time.Hour)
			synctest.Wait()
		}
		pass(29)
		files, err := r.list()
		if err != nil || len(files) != 5 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		if age := time.Since(files[4].Made); age > 24*time.Hour {
			t.Errorf("the newest is %s old", age)
		}
		if tried != 5 { // on days 0, 7, 14, 21, 28
			t.Errorf("tried %d times in four weeks", tried)
		}
		if !slices.Equal(told, []string{"keep.well"}) {
			t.Errorf("told %v", told)
		}
		// The operator's own key opens it as well.
		f, err := os.Open(filepath.Join(folder, files[4].Name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := backup.NewReader(f, id); err != nil {
			t.Error(err)
		}
		_ = f.Close()

		broken, told = errors.New("rotten"), nil
		pass(8)
		if !slices.Equal(told, []string{"keep.bad_trial"}) {
			t.Errorf("told %v", told)
		}
		rep, err := r.read()
		if err != nil || rep.Trial.Error != "rotten" {
			t.Errorf("%+v %v", rep, err)
		}
		broken, told = nil, nil
		pass(1)
		if !slices.Equal(told, []string{"keep.well"}) {
			t.Errorf("told %v", told)
		}
		full, told = errors.New("disk full"), nil
		pass(4)
		if !slices.Equal(told, []string{"keep.bad_stale"}) {
			t.Errorf("told %v", told)
		}
		if files, err := r.list(); err != nil || len(files) != 5 {
			t.Errorf("a failure took old files away: %d, %v", len(files), err)
		}
		full, told = nil, nil
		pass(1)
		if !slices.Equal(told, []string{"keep.well"}) {
			t.Errorf("told %v", told)
		}
	})
}
