package app

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/vault"
)

// changedBy are the tables that a restore changes on purpose.
var changedBy = []string{
	"identity_session", "identity_link", "channel_outbox", "publish_delivery", "editorial_post", "audit_entry", "audit_head", "onsite_fleeting",
}

// contents are the rows of every table of a data folder, as SQLite spells them,
// without the queue's own tables.
func contents(t *testing.T, dir string) map[string][]string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, store.File)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	list := func(q string, args ...any) (out []string) {
		rows, err := db.Query(q, args...)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
		return out
	}
	out := map[string][]string{}
	for _, table := range list(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'river@_%' ESCAPE '@' AND name NOT LIKE 'sqlite@_%' ESCAPE '@'`) {
		if strings.HasSuffix(table, "_schema_version") {
			out[table] = list(`SELECT max(version_id) FROM "` + table + `"`)
			continue
		}
		var cols []string
		for _, c := range list(`SELECT name FROM pragma_table_info(?)`, table) {
			cols = append(cols, `quote("`+c+`")`)
		}
		rows := list(`SELECT ` + strings.Join(cols, ` || ', ' || `) + ` FROM "` + table + `"`)
		slices.Sort(rows)
		out[table] = rows
	}
	return out
}

// sameRows fails where two data folders differ outside of the given tables.
func sameRows(t *testing.T, what string, a, b map[string][]string, but ...string) {
	t.Helper()
	if len(a) != len(b) {
		t.Errorf("%s: %d tables against %d", what, len(a), len(b))
	}
	for table, rows := range a {
		if !slices.Contains(but, table) && !slices.Equal(rows, b[table]) {
			t.Errorf("%s: %s differs:\n%.600s\nis\n%.600s", what, table, rows, b[table])
		}
	}
}

// operator is somebody at the command line.
type operator struct {
	t        *testing.T
	out      *bytes.Buffer
	key, pub string
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	op := &operator{t: t, out: &bytes.Buffer{}, key: filepath.Join(t.TempDir(), "key.txt")}
	pub, err := Commands{}.BackupKey(t.Context(), Settings{}, op.key)
	if err != nil {
		t.Fatal(err)
	}
	op.pub = pub
	return op
}

func (op *operator) at(dir, database string) Settings {
	return NewSettings(Settings{
		Data: dir, Database: database, Lang: i18n.DE, Version: "test", Log: slog.New(slog.DiscardHandler), Stdout: op.out, Stderr: op.out,
	}, nil)
}

func (op *operator) backup(dir, database string) (file string) {
	op.t.Helper()
	file = filepath.Join(op.t.TempDir(), "a.backup")
	if err := (Commands{}).Backup(op.t.Context(), op.at(dir, database), file, []string{op.pub}); err != nil {
		op.t.Fatal(err)
	}
	return file
}

func (op *operator) restore(file, dir, database string) {
	op.t.Helper()
	if err := (Commands{}).Restore(op.t.Context(), op.at(dir, database), RestoreWish{File: file, Keys: []string{op.key}}); err != nil {
		op.t.Fatalf("%v\n%s", err, op.out)
	}
}

// reopen opens a data folder as a serve would, without starting it.
func reopen(t *testing.T, dir, database string) *App {
	t.Helper()
	a, err := New(t.Context(), Options{Dir: dir, Database: database, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// Two towns with one of everything are backed up while their install is open,
// and restored elsewhere: every row of every table is the same, to the last
// byte, but for what a restore changes on purpose.
func TestBackupRestoresEverything(t *testing.T) {
	in := newInstall(t)
	ctx := ident.WithActor(ident.WithTenant(context.Background(), in.towns[0].id), ident.System)
	if err := in.app.channel.Send(ctx, channel.Message{ID: "waits", Kind: channel.Mail, Class: channel.Alarm, To: "x@y.example", Subject: "wartet", Text: "t", Secret: []byte("geheim")}); err != nil {
		t.Fatal(err)
	}
	op := newOperator(t)
	file := op.backup(in.dir, "")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte(in.towns[0].mark)) {
		t.Error("the backup can be read without a key")
	}
	there := filepath.Join(t.TempDir(), "other-host")
	op.restore(file, there, "")

	before, after := contents(t, in.dir), contents(t, there)
	sameRows(t, "restored", before, after, changedBy...)
	if n := len(after["identity_session"]); n != 0 || len(before["identity_session"]) == 0 {
		t.Errorf("%d sessions live on, there were %d", n, len(before["identity_session"]))
	}
	if n := len(after["onsite_fleeting"]); n != 0 || len(before["onsite_fleeting"]) == 0 {
		t.Errorf("%d names from documents came out of the backup, there were %d", n, len(before["onsite_fleeting"]))
	}
	key := func(dir string) string {
		b, err := os.ReadFile(filepath.Join(dir, vault.KeyFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if key(in.dir) != key(there) {
		t.Error("the instance key is another one")
	}

	a := reopen(t, there, "")
	for _, town := range in.towns {
		ctx := ident.WithActor(ident.WithTenant(context.Background(), town.id), ident.System)
		if err := a.audit.Verify(ctx); err != nil {
			t.Errorf("%s: %v", town.mark, err)
		}
		lines, err := a.audit.List(ctx, 0, 1)
		if err != nil || len(lines) != 1 || lines[0].Action != "keep.restored" {
			t.Errorf("%s: the log ends with %v, %v", town.mark, lines, err)
		}
	}

	t.Run("nothing goes out by itself", func(t *testing.T) {
		held, err := a.keep.Held(ctx)
		if err != nil || held == 0 {
			t.Fatalf("%d held, %v", held, err)
		}
		q, err := a.channel.List(ctx, channel.Filter{State: channel.Queued, Limit: 100})
		if err != nil || len(q) == 0 {
			t.Fatalf("%d queued, %v", len(q), err)
		}
		for _, m := range q {
			if m.DueAt.Year() != 9999 || m.Reason != "restored" {
				t.Errorf("%s is due at %s, %q", m.ID, m.DueAt, m.Reason)
			}
		}
		posts := contents(t, there)["editorial_post"]
		for _, p := range posts {
			if strings.Contains(p, "'scheduled'") || strings.Contains(p, "'sending'") {
				t.Errorf("a post goes out: %s", p)
			}
		}
		// Only an administrator lets go; what is dropped ends with its reason.
		reader := ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "r", Roles: []string{string(identity.RoleReader)}})
		if _, err := a.keep.LetGo(reader, true); err == nil {
			t.Error("a reader let messages go")
		}
		n, err := a.keep.LetGo(ctx, false)
		if err != nil || n != held {
			t.Errorf("%d of %d dropped, %v", n, held, err)
		}
		if left, err := a.keep.Held(ctx); err != nil || left != 0 {
			t.Errorf("%d are left, %v", left, err)
		}
	})

	base := os.Getenv("TUERMER_TEST_DATABASE")
	if base == "" {
		return
	}
	t.Run("into PostgreSQL and back", func(t *testing.T) {
		server, keys, back := storetest.Schema(t, base), t.TempDir(), filepath.Join(t.TempDir(), "back")
		op.restore(file, keys, server)
		pg := reopen(t, keys, server)
		if err := pg.audit.Verify(ctx); err != nil {
			t.Error(err)
		}
		file2 := op.backup(keys, server)
		op.restore(file2, back, "")
		sameRows(t, "to PostgreSQL and back", before, contents(t, back), changedBy...)
		// A second restore into the same server is refused, and with --replace the
		// old tables stay beside.
		err := Commands{}.Restore(t.Context(), op.at(keys, server), RestoreWish{File: file, Keys: []string{op.key}})
		if err == nil {
			t.Error("a restore wrote over an install")
		}
		if err := pg.Close(); err != nil {
			t.Fatal(err)
		}
		err = Commands{}.Restore(t.Context(), op.at(keys, server), RestoreWish{File: file2, Keys: []string{op.key}, Replace: true})
		if err != nil {
			t.Fatal(err)
		}
		again := reopen(t, keys, server)
		if err := again.audit.Verify(ctx); err != nil {
			t.Error(err)
		}
	})
}

// What cannot be restored is refused with words, and nothing is changed.
func TestRestoreRefuses(t *testing.T) {
	in := newInstall(t)
	op := newOperator(t)
	file := op.backup(in.dir, "")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	variant := func(name string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flipped := bytes.Clone(raw)
	flipped[len(flipped)/2] ^= 1
	other := newOperator(t)
	there := filepath.Join(t.TempDir(), "there")
	op.restore(file, there, "")
	for _, c := range []struct {
		name, file, dir string
		keys            []string
		want            string
	}{
		{"no key", file, "", nil, "Keiner der Schlüssel"},
		{"wrong key", file, "", []string{other.key}, "Keiner der Schlüssel"},
		{"no key file", file, "", []string{file}, "kein privater Schlüssel"},
		{"no file", file + "x", "", []string{op.key}, "gibt es nicht"},
		{"cut", variant("cut", raw[:len(raw)-200]), "", []string{op.key}, "unvollständig oder beschädigt"},
		{"cut early", variant("early", raw[:300]), "", []string{op.key}, "unvollständig oder beschädigt"},
		{"changed", variant("changed", flipped), "", []string{op.key}, "unvollständig oder beschädigt"},
		{"foreign", variant("foreign", []byte("PK\x03\x04 something else altogether")), "", []string{op.key}, "keine Sicherung von Türmer"},
		{"empty", variant("empty", nil), "", []string{op.key}, "keine Sicherung von Türmer"},
		{"occupied", file, there, []string{op.key}, "schon ein Türmer eingerichtet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := c.dir
			if dir == "" {
				dir = t.TempDir()
			}
			was := tree(t, dir)
			err := Commands{}.Restore(t.Context(), op.at(dir, ""), RestoreWish{File: c.file, Keys: c.keys})
			worded, ok := err.(interface{ In(i18n.Lang) string }) //nolint:errorlint // what the command line asks
			if !ok || !strings.Contains(worded.In(i18n.DE), c.want) {
				t.Errorf("%v", err)
			}
			if now := tree(t, dir); now != was {
				t.Errorf("%s\nis\n%s", was, now)
			}
		})
	}
}

// tree lists the files of a folder but for the lock.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == "serve.lock" || path == dir {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, strings.TrimPrefix(path, dir), info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A restore that was killed after it began to count is carried to its end by
// the next start, wherever it stood; the old install lies beside, whole.
func TestRestoreIsCarriedOn(t *testing.T) {
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	type step struct{ from, to string }
	ready, aside := readyPrefix+"1", movedPrefix+"1"
	steps := []step{
		{awayFolder, aside + "/" + awayFolder}, // the old install's unsent alarms stay its own
		{vault.KeyFile, aside + "/" + vault.KeyFile},
		{ready + "/" + vault.KeyFile, vault.KeyFile},
		{store.File + "-wal", aside + "/" + store.File + "-wal"},
		{store.File + "-shm", aside + "/" + store.File + "-shm"},
		{store.File, aside + "/" + store.File},
		{ready + "/" + store.File, store.File},
	}
	for killed := range len(steps) + 1 {
		dir := t.TempDir()
		for _, name := range []string{store.File, store.File + "-wal", store.File + "-shm", vault.KeyFile} {
			write(filepath.Join(dir, name), "old")
		}
		write(filepath.Join(dir, awayFolder, "alarms"), "old")
		for _, name := range []string{store.File, vault.KeyFile} {
			write(filepath.Join(dir, ready, name), "new")
		}
		for _, s := range steps[:killed] {
			if err := os.MkdirAll(filepath.Join(dir, aside), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, s.from), filepath.Join(dir, s.to)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // the second time there is nothing to do
			if _, err := settleRestore(dir); err != nil {
				t.Fatalf("killed after %d: %v", killed, err)
			}
		}
		for name, want := range map[string]string{
			store.File: "new", vault.KeyFile: "new", store.File + "-wal": "",
			aside + "/" + store.File: "old", aside + "/" + store.File + "-wal": "old", aside + "/" + vault.KeyFile: "old",
			ready: "", awayFolder + "/alarms": "", aside + "/" + awayFolder + "/alarms": "old",
		} {
			got, _ := os.ReadFile(filepath.Join(dir, name)) // what is not there is empty
			if string(got) != want {
				t.Errorf("killed after %d: %s is %q, want %q", killed, name, got, want)
			}
		}
	}
}
