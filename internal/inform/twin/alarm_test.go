package twin

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
)

// tell sets whether citizens are told of an incident, and whether that is known.
func (w *world) tell(public bool, unsure error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.public, w.unsure = public, unsure
}

func refusing(t *testing.T, w *world) Target {
	t.Helper()
	bad := Target{Name: "fern", Kind: Directory, Address: filepath.Join(t.TempDir(), "weg")}
	w.settings = Settings{Every: 5 * time.Minute, AlarmAfter: 15 * time.Minute, Targets: []Target{bad}}
	return bad
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A copy that is not taken at night is a warning. Once an incident is public it
// is critical at once, without anybody asking; when the incident closes it is a
// warning again, and all of it is one episode.
func TestI20_StaleCopyWeighsMoreInAnIncident(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, dir string) {
		bad := refusing(t, w)
		r := New(w.options(t, dir))
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() { r.Stop() }()
		pass(20*time.Minute + time.Second)
		got := w.heard()
		if len(got) != 1 || got[0].Severity != signal.Warning || got[0].Eased || len(got[0].Labels) != 0 || strings.Contains(got[0].Detail, "Vorfall") {
			t.Fatalf("by itself: %+v", got)
		}
		w.tell(true, nil)
		r.Changed("t1") // what was published is on the page
		pass(3 * time.Second)
		if got = w.heard(); len(got) != 2 || got[1].State != signal.Firing || got[1].Severity != signal.Critical || got[1].Episode != got[0].Episode ||
			got[1].Labels[signal.LabelReason] != signal.ReadOutside || !strings.Contains(got[1].Detail, "Bürgerinnen und Bürger lesen diese Kopie") {
			t.Fatalf("an incident is public: %+v", got)
		}
		// Nobody knows, and a restart: it stays as it was.
		w.tell(false, errors.New("away"))
		pass(5 * time.Minute)
		r.Stop()
		r = New(w.options(t, dir))
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Minute)
		if got = w.heard(); len(got) != 2 {
			t.Fatalf("nobody knows: %+v", got[2:])
		}
		w.tell(false, nil)
		pass(2 * time.Minute)
		if got = w.heard(); len(got) != 3 || got[2].State != signal.Firing || got[2].Severity != signal.Warning || !got[2].Eased || got[2].Episode != got[0].Episode {
			t.Fatalf("the incident is closed: %+v", got)
		}
		if err := os.Mkdir(bad.Address, 0o755); err != nil {
			t.Fatal(err)
		}
		pass(6 * time.Minute)
		if got = w.heard(); len(got) != 4 || got[3].State != signal.Resolved || got[3].Episode != got[0].Episode {
			t.Fatalf("it is back: %+v", got)
		}
	})
}

// While citizens read it, a copy that is not taken is told after a few tries and
// not after a quarter of an hour; one broken transfer is no alarm.
func TestInAnIncidentAFewTriesAreEnough(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, dir string) {
		refusing(t, w)
		w.public = true
		r := New(w.options(t, dir))
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		pass(hurry - time.Second)
		if got := w.heard(); len(got) > 0 {
			t.Fatalf("too early: %+v", got)
		}
		pass(5 * time.Second)
		if got := w.heard(); len(got) != 1 || got[0].Severity != signal.Critical || got[0].Eased {
			t.Fatalf("%+v", got)
		}
	})
}

// Trouble is told exactly when its time has come or its weight differs from what
// was told last; what is fine never is.
func TestI20_Rises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
		failing := rapid.Bool().Draw(t, "failing")
		patience := time.Duration(rapid.IntRange(1, 60).Draw(t, "patience")) * time.Minute
		long := time.Duration(rapid.IntRange(0, 90).Draw(t, "for")) * time.Minute
		p := &place{Alarmed: rapid.Bool().Draw(t, "alarmed"), Urgent: rapid.Bool().Draw(t, "urgent so far")}
		if failing {
			p.FailingSince = now.Add(-long)
		}
		urgent := rapid.Bool().Draw(t, "urgent")
		got := p.rises(urgent, now, patience)
		switch {
		case !failing:
			if got {
				t.Fatal("told of what is fine")
			}
		case p.Alarmed:
			if got != (urgent != p.Urgent) {
				t.Fatalf("weight %v after %v, told %v", urgent, p.Urgent, got)
			}
		case long >= patience, urgent && long >= hurry:
			if !got {
				t.Fatal("kept back")
			}
		case got:
			t.Fatal("told too early")
		}
	})
}
