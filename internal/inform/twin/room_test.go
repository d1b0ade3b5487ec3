package twin

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/depottest"
	"tuermer/internal/platform/ident"
)

// staffed is a person who may carry copies out.
func staffed(ctx context.Context) context.Context {
	return ident.WithActor(ident.WithTenant(ctx, "t1"), ident.Actor{Kind: ident.KindPerson, Person: "p1", Roles: []string{"it"}})
}

func inBubble(t *testing.T, do func(t *testing.T, w *world, dir string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{now: time.Now, said: "alles gut", asOf: time.Now()}
		do(t, w, t.TempDir())
	})
}

func folder(t *testing.T) Target {
	t.Helper()
	return Target{Name: "ordner", Kind: Directory, Address: t.TempDir()}
}

func says(t *testing.T, target Target, want string) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(target.Address, "index.html")); err != nil || string(got) != "de: "+want {
		t.Errorf("%s says %q, %v; want %q", target.Name, got, err, want)
	}
}

// The copy goes out at the start, within seconds of new words, and every few
// minutes though nothing has changed.
func TestRhythm(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, dir string) {
		a := folder(t)
		w.settings = Settings{Every: 5 * time.Minute, Targets: []Target{a}}
		r := New(w.options(t, dir))
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		time.Sleep(time.Second)
		synctest.Wait()
		says(t, a, "alles gut")
		w.say("gestört")
		r.Changed("t1")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		says(t, a, "gestört")
		o, err := r.Overview(staffed(t.Context()))
		if err != nil || len(o.States) != 1 || o.States[0].DoneAt.IsZero() || o.States[0].Reason != "" {
			t.Fatalf("%+v %v", o, err)
		}
		first := o.States[0].DoneAt
		w.mu.Lock()
		w.asOf = time.Now()
		w.mu.Unlock()
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if o, _ = r.Overview(staffed(t.Context())); !o.States[0].DoneAt.After(first.Add(4*time.Minute)) || !o.States[0].Until.After(first.Add(15*time.Minute-time.Second)) {
			t.Errorf("not renewed: %+v", o.States[0])
		}
		rep, err := Verify(t.Context(), fromDir(a.Address), testKey(), time.Now())
		if err != nil || !rep.OK() {
			t.Error(rep, err)
		}
		rep, err = Verify(t.Context(), fromDir(filepath.Join(Folder(dir, "t1"), "site")), testKey(), time.Now())
		if err != nil || !rep.OK() {
			t.Error("our own copy:", rep, err)
		}
	})
}

// A host that hangs keeps no other from its copy; it is tried again with growing
// pauses, becomes a signal after the agreed time, once, and its end is told.
func TestFailingTarget(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, dir string) {
		good := folder(t)
		bad := Target{Name: "fern", Kind: Directory, Address: filepath.Join(t.TempDir(), "weg")}
		stuck := Target{Name: "stumm", Kind: WebDAV, Address: "http://stumm/x"}
		w.settings = Settings{Every: 5 * time.Minute, AlarmAfter: 15 * time.Minute, Targets: []Target{stuck, bad, good}}
		o := w.options(t, dir)
		o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		r := New(o)
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		time.Sleep(time.Second)
		synctest.Wait()
		says(t, good, "alles gut")
		time.Sleep(14 * time.Minute)
		synctest.Wait()
		if got := w.heard(); len(got) > 0 {
			t.Fatalf("too early: %+v", got)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		got := w.heard()
		if len(got) != 2 {
			t.Fatalf("signals: %+v", got)
		}
		for _, s := range got {
			if s.State != signal.Firing || !strings.Contains(s.Title, "nimmt keine Kopie mehr an") || s.Episode == "" || !strings.Contains(s.Detail, "Dort lag noch keine Kopie.") {
				t.Errorf("%+v", s)
			}
		}
		view, err := r.Overview(staffed(t.Context()))
		if err != nil || view.States[0].Reason != "hang" || view.States[1].Reason != "connect" || !view.States[1].Alarmed || view.States[2].Reason != "" {
			t.Errorf("%+v %v", view.States, err)
		}
		if err := os.Mkdir(bad.Address, 0o755); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		says(t, bad, "alles gut")
		got = w.heard()
		if last := got[len(got)-1]; len(got) != 3 || last.State != signal.Resolved || last.Key != "twin:fern" || last.Episode == "" {
			t.Errorf("%+v", got)
		}
	})
}

// The database is away: copies go out to the towns that were known, and the
// alarm is told as soon as somebody can hear it.
func TestWithoutDatabase(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, dir string) {
		a := folder(t)
		bad := Target{Name: "fern", Kind: Directory, Address: filepath.Join(t.TempDir(), "weg")}
		w.settings = Settings{Every: time.Minute, AlarmAfter: 5 * time.Minute, Targets: []Target{a, bad}}
		r := New(w.options(t, dir))
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		time.Sleep(time.Second)
		synctest.Wait()
		w.mu.Lock()
		w.gone, w.said = errors.New("away"), "Datenbank weg"
		w.mu.Unlock()
		r.Changed("t1")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		says(t, a, "Datenbank weg")
		if len(w.heard()) > 0 {
			t.Fatal("who heard that?")
		}
		if err := r.Push(staffed(t.Context())); err != nil {
			t.Error("nobody can push without a database:", err)
		}
		w.mu.Lock()
		w.gone = nil
		w.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.heard(); len(got) != 1 || got[0].State != signal.Firing {
			t.Errorf("%+v", got)
		}
	})
}

// After a restart it is known what lies where, and an alarm that was raised is
// ended under its own name, even when its target is no longer wanted.
func TestRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, dir string) {
		a := folder(t)
		bad := Target{Name: "fern", Kind: Directory, Address: filepath.Join(t.TempDir(), "weg")}
		w.settings = Settings{Every: time.Minute, AlarmAfter: 2 * time.Minute, Targets: []Target{a, bad}}
		r := New(w.options(t, dir))
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		r.Stop()
		r.Stop()
		before := modified(t, filepath.Join(a.Address, "archiv.html"))
		w.settings.Targets = []Target{a}
		r = New(w.options(t, dir))
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if !modified(t, filepath.Join(a.Address, "archiv.html")).Equal(before) {
			t.Error("the restart sent everything again")
		}
		got := w.heard()
		if len(got) != 2 || got[1].State != signal.Resolved || got[1].Episode != got[0].Episode {
			t.Errorf("%+v", got)
		}
	})
}

// Who may only read carries nothing out.
func TestRights(t *testing.T) {
	w := &world{now: time.Now, settings: Settings{Targets: []Target{folder(t)}}}
	r := New(w.options(t, ""))
	reader := ident.WithActor(ident.WithTenant(t.Context(), "t1"), ident.Actor{Kind: ident.KindPerson, Person: "p", Roles: []string{"reader"}})
	if err := r.Push(reader); !errors.Is(err, ErrForbidden) {
		t.Error(err)
	}
	if _, err := r.Overview(reader); err != nil {
		t.Error(err)
	}
	public := ident.WithActor(ident.WithTenant(t.Context(), "t1"), ident.Actor{Kind: ident.KindPublic})
	if _, err := r.Overview(public); !errors.Is(err, ErrForbidden) {
		t.Error(err)
	}
	w.settings.Targets = nil
	if err := r.Push(staffed(t.Context())); !errors.Is(err, ErrNoTargets) {
		t.Error(err)
	}
}

// The kept copy can be carried out with nothing but the folder and the targets.
func TestPushKept(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, dir string) {
		w.settings = Settings{Targets: []Target{folder(t)}}
		r := New(w.options(t, dir))
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		r.Stop()
		b := folder(t)
		n := 0
		if err := PushKept(t.Context(), dir, "t1", []Target{b}, nil, func(_ Target, sent int, _ error) { n = sent }); err != nil || n != len(page(""))+1 {
			t.Error(n, err)
		}
		says(t, b, "alles gut")
		depottest.Write(t, filepath.Join(Folder(dir, "t1"), "site", "index.html"), []byte("verändert"))
		if err := PushKept(t.Context(), dir, "t1", []Target{b}, nil, func(Target, int, error) {}); err == nil {
			t.Error("what was not signed went out")
		}
		says(t, b, "alles gut")
	})
}

// A copy that somebody has touched, a part that is missing, another town's key,
// a time that has passed: each is found.
func TestVerify(t *testing.T) {
	dir := t.TempDir()
	if _, err := carried(t.Context(), Target{Kind: Directory, Address: dir}, "x", nil); err != nil {
		t.Fatal(err)
	}
	check := func(now time.Time, key ed25519.PublicKey) Report {
		t.Helper()
		r, err := Verify(t.Context(), fromDir(dir), key, now)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if !check(noon, testKey()).OK() || !check(noon, nil).Key.Equal(testKey()) {
		t.Error("a good copy is refused")
	}
	if r := check(noon.Add(15*time.Minute), testKey()); !r.Expired || r.OK() {
		t.Error("an old copy passes")
	}
	other := Key(bytes.Repeat([]byte{7}, 32)).Public().(ed25519.PublicKey)
	if _, err := Verify(t.Context(), fromDir(dir), other, noon); err == nil {
		t.Error("another's key passes")
	}
	depottest.Write(t, filepath.Join(dir, "index.html"), []byte("de: y"))
	if err := os.Remove(filepath.Join(dir, "archiv.html")); err != nil {
		t.Fatal(err)
	}
	if r := check(noon, testKey()); len(r.Changed) != 1 || r.Changed[0] != "index.html" || len(r.Missing) != 1 || r.OK() {
		t.Errorf("%+v", r)
	}
	if _, err := Verify(t.Context(), fromDir(t.TempDir()), nil, noon); err == nil {
		t.Error("no manifest passes")
	}
}

// No byte of a manifest can be changed without its being noticed, but for white
// space between the parts.
func TestManifestProperties(t *testing.T) {
	m := Manifest{Version: 1, Town: "Müsterstadt", MadeAt: noon, AsOf: noon, ValidUntil: noon.Add(time.Hour), Files: entries(page("x"))}
	raw, err := m.sign(Key(bytes.Repeat([]byte{3}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		bad := bytes.Clone(raw)
		at := rapid.IntRange(0, len(bad)-1).Draw(t, "at")
		bad[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		got, key, err := readManifest(bad, nil)
		if err == nil && (got.Town != m.Town || len(got.Files) != len(m.Files) || !got.ValidUntil.Equal(m.ValidUntil) || got.Files[0] != m.Files[0]) {
			t.Fatalf("byte %d: %+v %v", at, got, key)
		}
	})
}

func FuzzReadManifest(f *testing.F) {
	m := Manifest{Version: 1, Town: "x", Files: entries(page("x"))}
	raw, err := m.sign(Key(bytes.Repeat([]byte{3}, 32)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"manifest":{"files":[{"path":"../x"}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, _, err := readManifest(raw, nil)
		if err != nil {
			return
		}
		for _, e := range m.Files {
			if !safe(e.Path) || !filepath.IsLocal(e.Path) {
				t.Errorf("path %q", e.Path)
			}
		}
	})
}
