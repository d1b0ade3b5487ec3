package backup_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"filippo.io/age"
	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

// thing has a column of every type that the rooms use.
type thing struct {
	bun.BaseModel `bun:"table:demo_thing"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	N             int64        `bun:"n"`
	Yes           bool         `bun:"yes"`
	At            time.Time    `bun:"at,nullzero"`
	Raw           []byte       `bun:"raw,nullzero"`
	Share         float64      `bun:"share"`
}

func rooms() []store.Migrations {
	sql := func(at, raw, share string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE demo_thing (tenant_id TEXT NOT NULL, id TEXT NOT NULL, n BIGINT NOT NULL, yes BOOLEAN NOT NULL, at " +
			at + ", raw " + raw + ", share " + share + " NOT NULL, PRIMARY KEY (tenant_id, id));\n")}
	}
	return []store.Migrations{{Room: "demo", FS: fstest.MapFS{
		"schema/sqlite/0003_thing.sql": sql("TIMESTAMP", "BLOB", "REAL"), "schema/postgres/0003_thing.sql": sql("TIMESTAMPTZ(3)", "BYTEA", "DOUBLE PRECISION"),
	}}}
}

func put(t *testing.T, w *storetest.World, things []thing) {
	t.Helper()
	err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewDelete().Model((*thing)(nil)).Where("tenant_id <> ''").Exec(ctx); err != nil || len(things) == 0 {
			return err
		}
		_, err := db.NewInsert().Model(&things).Exec(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, w *storetest.World) (out []thing) {
	t.Helper()
	if err := w.Store.Read(w.Ctx).NewSelect().Model(&out).Where("tenant_id <> ''").Order("tenant_id", "id").Scan(w.Ctx); err != nil {
		t.Fatal(err)
	}
	for i := range out {
		out[i].At = out[i].At.UTC()
	}
	return out
}

func dump(t *testing.T, s *store.Store, to ...age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	var rows int64
	err := backup.Dump(t.Context(), s, func(h backup.Head) (*backup.Writer, error) {
		h.Version, h.Made = "v1", time.Date(2026, 11, 26, 2, 30, 0, 0, time.UTC)
		w, err := backup.NewWriter(&out, h, to...)
		if err != nil {
			return nil, err
		}
		return w, w.File("tuermer.key", []byte("secret\x00\xff"))
	}, nil, &rows)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func load(ctx context.Context, s *store.Store, raw []byte, ids ...age.Identity) (backup.Loaded, error) {
	r, err := backup.NewReader(bytes.NewReader(raw), ids...)
	if err != nil {
		return backup.Loaded{}, err
	}
	next, err := r.Next()
	if err != nil {
		return backup.Loaded{}, err
	}
	if f, ok := next.(backup.File); !ok || f.Name != "tuermer.key" || string(f.Data) != "secret\x00\xff" {
		return backup.Loaded{}, fmt.Errorf("the file became %v", next)
	}
	if next, err = r.Next(); err != nil {
		return backup.Loaded{}, err
	}
	return backup.Load(ctx, s, r, next, nil)
}

func key(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// What was saved comes back as it was, whatever it was, from either kind of
// database into a SQLite one and back into itself.
func TestRoundTrip(t *testing.T) {
	id := key(t)
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		other := storetest.SQLite(t, rooms()...)
		rapid.Check(t, func(rt *rapid.T) {
			var in []thing
			for i := range rapid.IntRange(0, 5).Draw(rt, "rows") {
				x := thing{
					TenantID: ident.Tenant(rapid.SampledFrom([]string{"t1", "t2"}).Draw(rt, "tenant")), ID: fmt.Sprint(i, rapid.StringMatching(`[ a-zäöü"'\\\n\t€😀]{0,9}`).Draw(rt, "id")),
					N: rapid.Int64().Draw(rt, "n"), Yes: rapid.Bool().Draw(rt, "yes"), Share: rapid.Float64Range(-1e9, 1e9).Draw(rt, "share"),
				}
				if rapid.Bool().Draw(rt, "has at") {
					x.At = time.UnixMilli(rapid.Int64Range(-1e12, 5e12).Draw(rt, "at")).UTC()
				}
				if b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(rt, "raw"); len(b) > 0 {
					x.Raw = b
				}
				in = append(in, x)
			}
			put(t, w, in)
			want := get(t, w)
			raw := dump(t, w.Store, id.Recipient())
			for _, into := range []*storetest.World{other, w} {
				put(t, into, []thing{{TenantID: "t1", ID: "in the way"}})
				l, err := load(into.Ctx, into.Store, raw, id)
				if err != nil || l.Rows != int64(len(in)) {
					rt.Fatalf("%d rows, %v", l.Rows, err)
				}
				if got := get(t, into); !slices.EqualFunc(got, want, equal) {
					rt.Fatalf("%+v\nbecame\n%+v", want, got)
				}
			}
		})
	})
}

func equal(a, b thing) bool {
	return a.TenantID == b.TenantID && a.ID == b.ID && a.N == b.N && a.Yes == b.Yes && a.At.Equal(b.At) && bytes.Equal(a.Raw, b.Raw) && a.Share == b.Share
}

// A backup shows one moment, while others go on writing.
func TestOneMoment(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		put(t, w, []thing{{TenantID: "t1", ID: "before"}})
		other := storetest.SQLite(t, rooms()...)
		var out bytes.Buffer
		var rows int64
		err := backup.Dump(t.Context(), w.Store, func(h backup.Head) (*backup.Writer, error) {
			put(t, w, []thing{{TenantID: "t1", ID: "meanwhile"}}) // also deletes what was there
			bw, err := backup.NewWriter(&out, h)
			if err != nil {
				return nil, err
			}
			return bw, bw.File("tuermer.key", []byte("secret\x00\xff"))
		}, nil, &rows)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := load(other.Ctx, other.Store, out.Bytes()); err != nil {
			t.Fatal(err)
		}
		if got := get(t, other); len(got) != 1 || got[0].ID != "before" {
			t.Errorf("the backup holds %+v", got)
		}
	})
}

// A file that is cut anywhere, or in which one bit is another, is refused, and
// the database stays as it was.
func TestDamage(t *testing.T) {
	id := key(t)
	w := storetest.SQLite(t, rooms()...)
	put(t, w, []thing{{TenantID: "t1", ID: "x", Raw: bytes.Repeat([]byte{1, 2, 3, 4}, 50)}})
	raw := dump(t, w.Store, id.Recipient())
	plain := dump(t, w.Store)
	kept := []thing{{TenantID: "t1", ID: "kept"}}
	put(t, w, kept)
	try := func(what string, raw []byte) {
		t.Helper()
		_, err := load(w.Ctx, w.Store, raw, id)
		if err == nil || !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrForeign) && !errors.Is(err, backup.ErrKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range raw {
		try(fmt.Sprintf("cut at %d", n), raw[:n])
	}
	for n := range plain {
		try(fmt.Sprintf("not encrypted, cut at %d", n), plain[:n])
	}
	for n := 0; n < len(raw); n += 3 {
		changed := bytes.Clone(raw)
		changed[n] ^= 4
		try(fmt.Sprintf("bit at %d", n), changed)
	}
	if got := get(t, w); len(got) != 1 || got[0].ID != "kept" {
		t.Errorf("a refused backup left %+v", got)
	}
	if _, err := load(w.Ctx, w.Store, raw, key(t)); !errors.Is(err, backup.ErrKey) {
		t.Errorf("another key: %v", err)
	}
	if _, err := load(w.Ctx, w.Store, raw); !errors.Is(err, backup.ErrKey) {
		t.Errorf("no key: %v", err)
	}
	if _, err := load(w.Ctx, w.Store, raw, id); err != nil {
		t.Errorf("the file itself: %v", err)
	}
}

// Whatever somebody hands in as a backup, it is read or refused, and never
// brings the program down.
func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"tuermer_backup":1,"schema":{}}` + "\n" + `{"file":"a","data":"YQ=="}` + "\n" + `{"table":"a_b","columns":[{"name":"x","type":"time"}]}` + "\n" + `["2026-01-01T00:00:00.000Z"]` + "\n" + `{"end":true}` + "\n"))
	f.Add([]byte(`{"tuermer_backup":1}` + "\n" + `[1]` + "\n"))
	f.Add([]byte(`{"tuermer_backup":1}` + "\n" + `{"job":"bus.event","queue":"alarm","args":{}}` + "\n"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		r, err := backup.NewReader(bytes.NewReader(gzipped(t, lines)))
		for err == nil {
			_, err = r.Next()
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, backup.ErrDamaged) && r.End.Sum == "" {
			t.Fatal("a backup without its sum was taken for whole")
		}
	})
}

// A file is there whole or not at all, and never written over.
func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	no := errors.New("no")
	if err := backup.Create(path, func(w io.Writer) error {
		_, _ = w.Write([]byte("half"))
		return no
	}); !errors.Is(err, no) {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("a failure left %v", left)
	}
	write := func(text string) error {
		return backup.Create(path, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
	}
	if err := write("whole"); err != nil {
		t.Fatal(err)
	}
	if err := write("other"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("written over: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 5 {
		t.Errorf("%v %v", info, err)
	}
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
