package replica_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/uptrace/bun"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/depot"
	"tuermer/internal/platform/depottest"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/replica"
	"tuermer/internal/platform/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is what must not be read outside.
const secret = "adresse-einer-buergerin@musterstadt.example"

// town is a database that is carried away.
type town struct {
	t        *testing.T
	dir      string
	store    *store.Store
	replica  *replica.Replica
	operator *age.X25519Identity
	settings atomic.Pointer[replica.Settings]
	told     atomic.Value // of replica.Finding
	n        int
}

func key(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func newTown(t *testing.T, places ...replica.Place) *town {
	t.Helper()
	w := &town{
		t: t, dir: t.TempDir(), operator: key(t),
	}
	w.settings.Store(&replica.Settings{Places: places, Every: 50 * time.Millisecond, AlarmAfter: time.Hour})
	w.open(key(t))
	w.write(`CREATE TABLE note (tenant_id TEXT NOT NULL, n INTEGER PRIMARY KEY, text TEXT NOT NULL)`)
	return w
}

// open starts it, as after a stop or a kill.
func (w *town) open(own *age.X25519Identity) {
	w.t.Helper()
	var err error
	if w.store, err = store.Open(w.t.Context(), store.Options{Dir: w.dir, LeaveLog: true}); err != nil {
		w.t.Fatal(err)
	}
	w.replica = replica.New(replica.Options{
		Database: filepath.Join(w.dir, store.File), Folder: filepath.Join(w.dir, "replica"), Version: "test", Clock: clock.System{},
		Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)), Dial: (&net.Dialer{}).DialContext,
		Settings: func() replica.Settings { return *w.settings.Load() },
		Keys: func() ([]age.Recipient, []age.Identity, error) {
			return []age.Recipient{w.operator.Recipient(), own.Recipient()}, []age.Identity{own}, nil
		},
		Files: func() ([]backup.File, error) {
			return []backup.File{{Name: "tuermer.key", Data: []byte("instance key " + secret)}}, nil
		},
		Tell: func(_ context.Context, f replica.Finding) error { w.told.Store(f); return nil },
	})
	if err := w.replica.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.close)
}

func (w *town) close() {
	if err := errors.Join(w.store.Close(), w.replica.Stop(context.Background())); err != nil {
		w.t.Log("at the stop:", err) // a place may be away
	}
}

func (w *town) write(query string, args ...any) {
	w.t.Helper()
	ctx := ident.AcrossTenants(w.t.Context())
	if err := w.store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.ExecContext(ctx, query, args...)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
}

// notes writes some more rows.
func (w *town) notes(n int) {
	w.t.Helper()
	for range n {
		w.n++
		w.write(`INSERT INTO note (tenant_id, n, text) VALUES (?, ?, ?)`, "t1", w.n, fmt.Sprint(secret, " ", w.n))
	}
}

func (w *town) alarmAfter(d time.Duration) {
	s := *w.settings.Load()
	s.AlarmAfter = d
	w.settings.Store(&s)
}

// carried waits until all that is written now lies on every place.
func (w *town) carried() {
	w.t.Helper()
	now := clock.System{}.Now()
	within(w.t, func() bool {
		for _, s := range w.replica.Status() {
			if s.Through.Before(now) || s.Reason != "" {
				return false
			}
		}
		return true
	}, func() any { return w.replica.Status() })
}

func within(t *testing.T, ok func() bool, say func() any) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come within a minute: %+v", say())
		}
	}
}

// back restores the newest line of a place and answers how many rows it has.
func back(t *testing.T, p depot.Place, with age.Identity) (int, error) {
	t.Helper()
	dial := (&net.Dialer{}).DialContext
	lines, err := replica.Find(t.Context(), p, dial)
	if err != nil || len(lines) == 0 {
		t.Fatal("no line: ", lines, err)
	}
	path := filepath.Join(t.TempDir(), "tuermer.db")
	got, err := replica.Fetch(t.Context(), p, dial, lines[len(lines)-1], []age.Identity{with}, path, nil)
	if err != nil {
		return 0, err
	}
	if len(got.Files) != 1 || !strings.HasPrefix(string(got.Files[0].Data), "instance key") || got.Version != "test" {
		t.Errorf("the kit holds %+v", got)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows, highest, foreign int
	if err := db.QueryRow(`SELECT count(*), coalesce(max(n), 0), (SELECT count(*) FROM sqlite_master WHERE name LIKE '%litestream%') FROM note`).Scan(&rows, &highest, &foreign); err != nil {
		t.Fatal(err)
	}
	if rows != highest || foreign != 0 {
		t.Errorf("%d rows, the highest is %d, %d tables of litestream", rows, highest, foreign)
	}
	return rows, nil
}

// clear looks for words that only who has the key may read.
func clear(t *testing.T, dir string) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // thinned out meanwhile
		}
		seen++
		for _, word := range []string{secret, "SQLite format", "CREATE TABLE", "instance key", "LTX1"} {
			if bytes.Contains(raw, []byte(word)) {
				t.Errorf("%s holds %q in the clear", path, word)
			}
		}
		if !bytes.HasPrefix(raw, []byte("age-encryption.org/v1")) {
			t.Errorf("%s is not sealed", path)
		}
		return err
	})
	if err != nil || seen < 2 {
		t.Errorf("%d files were looked at, %v", seen, err)
	}
}

// On a real SSH server, a real WebDAV server and in a folder: what was written
// lies there, sealed; it comes back with the operator's key, and with no other.
// After a stop it goes on where it was.
func TestCarriesAndComesBack(t *testing.T) {
	for kind, start := range map[depot.Kind]func(t *testing.T) (depot.Place, string){
		depot.SFTP: depottest.SSHD, depot.WebDAV: depottest.Nginx,
		depot.Directory: func(t *testing.T) (depot.Place, string) {
			dir := t.TempDir()
			return depot.Place{Kind: depot.Directory, Address: dir}, dir
		},
	} {
		t.Run(string(kind), func(t *testing.T) {
			place, dir := start(t)
			w := newTown(t, replica.Place{Name: "draussen", Place: place})
			w.notes(30)
			w.carried()
			clear(t, dir)
			if n, err := back(t, place, w.operator); err != nil || n != 30 {
				t.Errorf("%d rows came back, %v", n, err)
			}
			if _, err := back(t, place, key(t)); !errors.Is(err, backup.ErrKey) {
				t.Errorf("with a stranger's key: %v", err)
			}
			w.notes(1)
			w.close() // what was written last goes with the stop
			if n, err := back(t, place, w.operator); err != nil || n != 31 {
				t.Errorf("after the stop %d rows came back, %v", n, err)
			}
			w.open(key(t)) // even the install's own key may be another one
			w.notes(9)
			w.carried()
			if n, err := back(t, place, w.operator); err != nil || n != 40 {
				t.Errorf("after the next start %d rows came back, %v", n, err)
			}
			clear(t, dir)
		})
	}
}

// A file that was damaged or put in another's place is found, and nothing is
// built from it.
func TestDamagedCopy(t *testing.T) {
	dir := t.TempDir()
	place := depot.Place{Kind: depot.Directory, Address: dir}
	w := newTown(t, replica.Place{Name: "ordner", Place: place})
	for range 5 {
		w.notes(1)
		w.carried()
	}
	w.close()
	// What litestream has folded together meanwhile goes, so that each file counts.
	for level := 1; level <= 9; level++ {
		folded, _ := filepath.Glob(filepath.Join(dir, "*", fmt.Sprint(level)))
		for _, f := range folded {
			if err := os.RemoveAll(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "0", "*.age"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range append(files, filepath.Join(filepath.Dir(filepath.Dir(files[0])), "kit.age")) {
		whole, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(whole)
		bad[len(bad)-20] ^= 1
		depottest.Write(t, f, bad)
		if n, err := back(t, place, w.operator); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("with %s damaged: %d rows, %v", filepath.Base(f), n, err)
		}
		depottest.Write(t, f, whole)
	}
	one, two := files[len(files)-2], files[len(files)-1]
	swap := func() {
		for _, to := range [][2]string{{one, one + "x"}, {two, one}, {one + "x", two}} {
			if err := os.Rename(to[0], to[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	swap()
	if n, err := back(t, place, w.operator); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("with two files in each other's place: %d rows, %v", n, err)
	}
	swap()
	if n, err := back(t, place, w.operator); err != nil || n != 5 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// A host that hangs, says no or is full holds up neither writing nor the other
// host; it is named, and when it takes files again it gets everything.
func TestBadHosts(t *testing.T) {
	good := t.TempDir()
	var code atomic.Int64 // 0: it works
	files := t.TempDir()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if c := code.Load(); c > 1 {
			w.WriteHeader(int(c))
			return
		}
		path := filepath.Join(files, filepath.FromSlash(r.URL.Path))
		var err error
		switch r.Method {
		case "MKCOL":
			err = os.MkdirAll(path, 0o755)
		case "PUT":
			err = os.WriteFile(path, raw, 0o600)
		case "MOVE":
			to, _ := http.NewRequest("GET", r.Header.Get("Destination"), nil)
			err = os.Rename(path, filepath.Join(files, filepath.FromSlash(to.URL.Path)))
		case "DELETE":
			_ = os.Remove(path)
		case "PROPFIND":
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer srv.Close()
	code.Store(503)
	bad := depot.Place{Kind: depot.WebDAV, Address: srv.URL}
	w := newTown(t, replica.Place{Name: "gut", Place: depot.Place{Kind: depot.Directory, Address: good}}, replica.Place{Name: "schlecht", Place: bad})
	w.alarmAfter(time.Millisecond)
	goodTakes := func(want int) {
		t.Helper()
		within(t, func() bool {
			s := w.replica.Status()[0]
			return !s.Through.IsZero() && s.Reason == ""
		}, func() any { return w.replica.Status() })
		now := clock.System{}.Now()
		within(t, func() bool { return w.replica.Status()[0].Through.After(now) }, func() any { return w.replica.Status() })
		if n, err := back(t, depot.Place{Kind: depot.Directory, Address: good}, w.operator); err != nil || n != want {
			t.Errorf("the good host has %d rows of %d, %v", n, want, err)
		}
	}
	for c, reason := range map[int64]string{503: "write", 507: "full", 401: "login"} {
		code.Store(c)
		w.notes(10)
		within(t, func() bool { return w.replica.Status()[1].Reason == reason }, func() any { return w.replica.Status() })
		goodTakes(w.n)
	}
	within(t, func() bool {
		f, ok := w.told.Load().(replica.Finding)
		return ok && f.Bad && f.Place.Name == "schlecht"
	}, func() any { return w.told.Load() })
	code.Store(0)
	w.alarmAfter(time.Hour)
	w.carried()
	within(t, func() bool { f, ok := w.told.Load().(replica.Finding); return ok && !f.Bad }, func() any { return w.told.Load() })
}

// A full disk outside is named, nothing half is left there, and when there is
// room again all is carried.
func TestFullPlace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a small disk")
	}
	small := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("no small disk here: %v %s", err, out)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	place := depot.Place{Kind: depot.Directory, Address: small}
	w := newTown(t, replica.Place{Name: "klein", Place: place})
	w.notes(3)
	w.carried()
	fill := filepath.Join(small, "fremd")
	depottest.Write(t, fill, bytes.Repeat([]byte("x"), 1))
	f, err := os.OpenFile(fill, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(f, bytes.NewReader(make([]byte, 1<<20))) // until it is full
	_ = f.Close()
	w.notes(30)
	within(t, func() bool { return w.replica.Status()[0].Reason == "full" }, func() any { return w.replica.Status() })
	if halves, _ := filepath.Glob(filepath.Join(small, "*", "*", "*.part")); len(halves) > 1 {
		t.Errorf("left half: %v", halves)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	w.carried()
	if n, err := back(t, place, w.operator); err != nil || n != 33 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// While it runs, no other program can think itself the last one to use the
// database and take its log away, even after a descriptor of ours was closed, with
// which POSIX drops the locks that SQLite holds (SQLite 3.40 does take it away
// then).
func TestGuard(t *testing.T) {
	w := newTown(t, replica.Place{Name: "ordner", Place: depot.Place{Kind: depot.Directory, Address: t.TempDir()}})
	path := filepath.Join(w.dir, store.File)
	w.notes(1)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	helper := exec.Command(os.Args[0], "-test.run", "^TestOther$", "-test.v")
	helper.Env = append(os.Environ(), "TUERMER_OTHER="+path)
	if out, err := helper.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.notes(1)
	w.carried()
}

// TestOther is the other program of [TestGuard]: it asks for the lock that SQLite
// wants before it removes a log.
func TestOther(t *testing.T) {
	path := os.Getenv("TUERMER_OTHER")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	exclusive := unix.Flock_t{Type: unix.F_WRLCK, Start: 0x40000000 + 2, Len: 510}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &exclusive); err != nil || exclusive.Type != unix.F_RDLCK {
		t.Errorf("the lock is free: %+v, %v", exclusive, err)
	}
}
