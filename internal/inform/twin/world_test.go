package twin

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tuermer/internal/inform/statuspage"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/depot"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is what stands around the room.
type world struct {
	mu       sync.Mutex
	said     string // what the page says now
	asOf     time.Time
	gone     error // the database is away
	signals  []signal.Signal
	entries  []audit.Entry
	settings Settings
	public   bool  // citizens are told of an open incident
	unsure   error // nobody knows whether
	now      func() time.Time
}

func (w *world) Now() time.Time { return w.now() }

func (w *world) Still(_ context.Context, _ ident.Tenant, valid time.Duration) (statuspage.Still, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return statuspage.Still{Town: "Musterstadt", URL: "https://status.musterstadt.example", AsOf: w.asOf, Until: w.asOf.Add(valid), Files: page(w.said)}, true, nil
}

// page is a small copy that says one thing.
func page(said string) []File {
	f := func(path, body string) File { return File{Path: path, Body: []byte(body)} }
	return []File{
		f("api/v2/status.json", `{"said":"`+said+`"}`), f("archiv.html", "Archiv"), f("m/1.html", "Verlauf"),
		f("veraltet.html", "veraltet: "+said), f("en/index.html", "en: "+said), f("index.html", "de: "+said),
	}
}

func (w *world) say(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = s
}

func (w *world) Tenants(context.Context) ([]identity.Tenant, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []identity.Tenant{{ID: "t1", Name: "Musterstadt"}}, w.gone
}

func (w *world) Record(_ context.Context, s signal.Signal) (signal.Signal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone == nil {
		w.signals = append(w.signals, s)
	}
	return s, w.gone
}

func (w *world) heard() []signal.Signal {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.signals)
}

type auditOf struct{ *world }

func (a auditOf) Record(_ context.Context, e audit.Entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entries = append(a.entries, e)
	return a.gone
}

func (w *world) options(t *testing.T, dir string) Options {
	t.Helper()
	c, err := i18n.NewCatalog(web.Texts(), depot.Texts(), Texts())
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Clock: w, Page: w, Tenants: w, Signals: w, Audit: auditOf{w}, Dir: dir, Dial: (&net.Dialer{}).DialContext,
		Locale: func(context.Context) i18n.Locale {
			return i18n.Locale{Catalog: c, Lang: i18n.DE, Zone: time.UTC, Now: w.now()}
		},
		Settings: func(context.Context) Settings { return w.settings },
		Relied: func(context.Context) (bool, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.public, w.unsure
		},
		Key: func(id ident.Tenant) []byte { return []byte(fmt.Sprintf("%-32s", id)) },
	}
}

func testKey() ed25519.PublicKey {
	return Key([]byte(fmt.Sprintf("%-32s", "t1"))).Public().(ed25519.PublicKey)
}

// fromDir reads a copy from a folder.
func fromDir(dir string) Fetch {
	return func(_ context.Context, path string, _ int64) ([]byte, error) {
		return os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
	}
}

// reasonOfErr is the word for a failure.
func reasonOfErr(t *testing.T, err error) string {
	t.Helper()
	f, ok := errors.AsType[*Failure](err)
	if !ok {
		t.Fatalf("no failure: %v", err)
	}
	return f.Reason
}

// carried brings a copy to a target, as the room does.
func carried(ctx context.Context, target Target, said string, had map[string]string) (map[string]string, error) {
	m := Manifest{Version: 1, Town: "Musterstadt", MadeAt: noon, AsOf: noon, ValidUntil: noon.Add(15 * time.Minute), Files: entries(page(said))}
	raw, err := m.sign(Key([]byte(fmt.Sprintf("%-32s", "t1"))))
	if err != nil {
		return nil, err
	}
	r := &Room{o: Options{Dial: (&net.Dialer{}).DialContext}}
	_, lies, err := r.carry(ctx, target, built{until: noon.Add(15 * time.Minute), files: order(page(said), raw)}, had)
	return lies, err
}

var noon = time.Date(2026, 11, 22, 13, 5, 0, 0, time.UTC)

// lies checks that a whole and signed copy lies in a folder, and nothing besides.
func lies(t *testing.T, dir, said string) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(dir, "index.html")); err != nil || string(got) != "de: "+said {
		t.Errorf("index.html says %q, %v", got, err)
	}
	r, err := Verify(context.Background(), fromDir(dir), testKey(), noon)
	if err != nil || !r.OK() {
		t.Errorf("the copy is not whole: %v, missing %v, changed %v", err, r.Missing, r.Changed)
	}
	for name := range laidDown(dir) {
		if strings.HasSuffix(name, fresh) {
			t.Errorf("%s was left behind", name)
		}
	}
}
