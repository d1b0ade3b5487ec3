package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/vault"
)

// layRelease lays down the data that an earlier release left: its demo town,
// with fewer simulated messages.
func layRelease(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = layKey(t, name)
	if err := os.WriteFile(filepath.Join(dir, store.File), frozen(t, name, store.File), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// layKey lays down no more than the key of that release.
func layKey(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	key, err := os.ReadFile(filepath.Join("testdata", name, vault.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, vault.KeyFile), key, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// frozen is a file that an earlier release left, unpacked.
func frozen(t *testing.T, name, file string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name, file+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// columnsOf is every table with its columns.
func columnsOf(t *testing.T, dir string) map[string][]string {
	t.Helper()
	return columnsIn(t, fileOf(t, dir), `SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid`)
}

// fileOf is the database of a data folder, to look at.
func fileOf(t *testing.T, dir string) *sql.DB {
	t.Helper()
	return lookInto(t, "sqlite", "file:"+filepath.Join(dir, store.File)+"?mode=ro")
}

func lookInto(t *testing.T, driver, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func columnsIn(t *testing.T, db *sql.DB, query string) map[string][]string {
	t.Helper()
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	out := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(table, "river_") && !strings.HasPrefix(table, "sqlite_") && !strings.HasSuffix(table, "_schema_version") {
			out[table] = append(out[table], column)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// seenBy are the rows as a program with those columns reads them: with its own
// columns, each named.
func seenBy(t *testing.T, old map[string][]string, dir string) map[string][]string {
	t.Helper()
	return seenIn(t, old, fileOf(t, dir), `quote("%s")`)
}

// seenIn reads them with the expression that quotes a column.
func seenIn(t *testing.T, old map[string][]string, db *sql.DB, quote string) map[string][]string {
	t.Helper()
	defer func() { _ = db.Close() }()
	out := map[string][]string{}
	for table, columns := range old {
		out[table] = []string{}
		var quoted []string
		for _, c := range columns {
			quoted = append(quoted, strings.ReplaceAll(quote, "%s", c))
		}
		rows, err := db.QueryContext(t.Context(), `SELECT `+strings.Join(quoted, ` || ', ' || `)+` FROM "`+table+`"`)
		if err != nil {
			t.Errorf("the release before cannot read %s any more: %v", table, err)
			continue
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			out[table] = append(out[table], line)
		}
		if err := rows.Err(); err != nil {
			t.Errorf("the release before cannot read %s to its end: %v", table, err)
		}
		_ = rows.Close()
		slices.Sort(out[table])
	}
	return out
}

// The data of an earlier release open, nothing is lost, every list can be read,
// and what was there before the migrations lies beside as a backup that opens
// by itself.
func TestEarlierReleaseOpens(t *testing.T) {
	dir := layRelease(t, "release1")
	old := columnsOf(t, dir)
	before := seenBy(t, old, dir)
	if len(before["publish_delivery"]) < 100 || len(before["audit_entry"]) < 100 {
		t.Fatal("there is hardly anything in the old data")
	}
	a, err := New(t.Context(), Options{Dir: dir, Version: "test", Log: slog.New(slog.DiscardHandler), Simulated: true})
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, "after the update", before, unsealed(t, a, seenBy(t, old, dir)))

	ctx := ident.WithActor(context.Background(), ident.System)
	towns, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil || len(towns) != 1 {
		t.Fatal(towns, err)
	}
	ctx = ident.WithTenant(ctx, towns[0].ID)
	if err := a.audit.Verify(ctx); err != nil {
		t.Error(err)
	}
	admins, err := a.identity.People(ctx, identity.Filter{Role: identity.RoleAdmin, Active: true})
	if err != nil || len(admins) == 0 {
		t.Fatal(admins, err)
	}
	token, _, err := a.identity.CreateToken(ctx, admins[0].ID, "t", nil)
	if err != nil {
		t.Fatal(err)
	}
	host := "lage.musterstadt.example"
	in := &install{t: t, app: a, site: a.staff.Handler(), dir: dir}
	in.towns[0] = &testTown{host: host, tokens: map[identity.Role]string{identity.RoleAdmin: token}}
	seen := 0
	for _, c := range in.calls() {
		if !c.api || c.method != http.MethodGet || strings.Contains(c.pattern, "{") {
			continue
		}
		code, _, text := in.ask(caller{host: host, token: token}, c.method, c.pattern, nil)
		if seen++; code >= 500 || code == http.StatusUnauthorized || code == http.StatusForbidden {
			t.Errorf("%s: %d %.200s", c.pattern, code, text)
		}
	}
	if seen < 20 {
		t.Errorf("only %d lists were read", seen)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}

	saved, err := filepath.Glob(filepath.Join(dir, beforeUpdate, "*.backup"))
	if err != nil || len(saved) != 1 {
		t.Fatalf("saved before the update: %v, %v", saved, err)
	}
	op := newOperator(t)
	if err := (Commands{}).Restore(t.Context(), op.at(dir, ""), RestoreWish{File: saved[0], Replace: true}); err != nil {
		t.Fatal(err)
	}
	sameRows(t, "restored from before the update", before, seenBy(t, old, dir), changedBy...)

	// The next start changes no schema, and so saves nothing.
	again, err := New(t.Context(), Options{Dir: dir, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if now, _ := filepath.Glob(filepath.Join(dir, beforeUpdate, "*.backup")); len(now) != 1 {
		t.Errorf("saved without need: %v", now)
	}
}

// A program opens what the next release left, and refuses what comes after it.
func TestTooFarBehind(t *testing.T) {
	for ahead, want := range map[int]string{0: "", 1: "", 2: "app.too_old", 7: "app.too_old"} {
		dir := t.TempDir()
		open := func() error {
			a, err := New(t.Context(), Options{Dir: dir, Version: "test", Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				return err
			}
			err = a.store.InTx(t.Context(), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
				_, err := db.NewRaw(`INSERT INTO keep_release (tenant_id, number, version, at) VALUES ('', ?, 'v9', ?) ON CONFLICT DO NOTHING`, release+ahead, time.UnixMilli(0)).Exec(ctx)
				return err
			})
			if err != nil {
				t.Error(err)
			}
			return a.Close()
		}
		if err := open(); err != nil {
			t.Fatal(err)
		}
		err := open()
		if key := fault.As(err).Key; (err == nil) != (want == "") || err != nil && key != want {
			t.Errorf("%d ahead: %v", ahead, err)
		}
	}
}

var (
	comments = regexp.MustCompile(`(?m)--.*$`)
	breaking = regexp.MustCompile(`(?i)\bDROP\s+(TABLE|COLUMN|VIEW)\b|\bRENAME\b|\bALTER\s+COLUMN\b|\bADD\s+(CONSTRAINT|CHECK|UNIQUE|FOREIGN|PRIMARY)\b|\bCREATE\s+UNIQUE\s+INDEX\b`)
	adding   = regexp.MustCompile(`(?i)\bADD\s+(?:COLUMN\s+)?(\w+)\s+([^;]+)`)
)

// Every migration after a room's first only adds: the release before goes on
// reading and writing what it knows. A new table may do as it likes.
func TestMigrationsOnlyAdd(t *testing.T) {
	seen := 0
	for _, m := range Migrations() {
		for _, dialect := range []string{"sqlite", "postgres"} {
			files, err := fs.Glob(m.FS, "schema/"+dialect+"/*.sql")
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range files {
				raw, err := fs.ReadFile(m.FS, f)
				if err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					continue // there was nothing before it
				}
				seen++
				text := comments.ReplaceAllString(string(raw), "")
				fresh := map[string]bool{}
				for _, c := range regexp.MustCompile(`(?i)CREATE TABLE (\w+)`).FindAllStringSubmatch(text, -1) {
					fresh[c[1]] = true
				}
				for statement := range strings.SplitSeq(text, ";") {
					words := strings.Fields(statement)
					if what := breaking.FindString(statement); what != "" && !slices.ContainsFunc(words, func(w string) bool { return fresh[strings.Trim(w, "()")] }) {
						t.Errorf("%s %s: %s breaks the release before", m.Room, f, what)
					}
					for _, c := range adding.FindAllStringSubmatch(statement, -1) {
						if rest := strings.ToUpper(c[2]); strings.Contains(rest, "NOT NULL") && !strings.Contains(rest, "DEFAULT") {
							t.Errorf("%s %s: column %s is neither nullable nor has a default", m.Room, f, c[1])
						}
					}
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d migrations were looked at", seen)
	}
}

// The commands about the audit log name the town, the head, and the first entry
// that was changed; a log that was rewritten as a whole is found by a head that
// was kept elsewhere.
func TestAuditCommands(t *testing.T) {
	in := newInstall(t)
	dir := in.dir
	if err := in.app.Close(); err != nil {
		t.Fatal(err)
	}
	op := newOperator(t)
	run := func(f func(Settings) error) (string, error) {
		op.out.Reset()
		err := f(op.at(dir, ""))
		return op.out.String(), err
	}
	verify := func(heads string) func(Settings) error {
		return func(s Settings) error { return Commands{}.VerifyAudit(t.Context(), s, heads) }
	}
	out, err := run(verify(""))
	if err != nil || strings.Count(out, "Die Kette hält") != 2 {
		t.Fatalf("%s %v", out, err)
	}
	out, err = run(func(s Settings) error { return Commands{}.AuditHeads(t.Context(), s) })
	if err != nil || strings.Count(out, "\n") != 2 {
		t.Fatalf("%s %v", out, err)
	}
	heads := filepath.Join(t.TempDir(), "heads")
	if err := os.WriteFile(heads, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run(verify(heads)); err != nil {
		t.Errorf("%s %v", out, err)
	}
	// Somebody rewrote the log: it ends in another hash than the one kept.
	other := bytes.Replace([]byte(out), []byte(`"sha256":"`), []byte(`"sha256":"00`), 1)
	if err := os.WriteFile(heads, other, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run(verify(heads)); err == nil || !strings.Contains(out, "neu geschrieben") {
		t.Errorf("%s %v", out, err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, store.File))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`UPDATE audit_entry SET subject = 'x' WHERE seq = 3`); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	out, err = run(verify(""))
	if err == nil || strings.Count(out, "ab Eintrag 3") != 2 {
		t.Errorf("%s %v", out, err)
	}
	if err := os.WriteFile(heads, []byte("nichts"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(verify(heads)); err == nil {
		t.Error("a file without heads is taken")
	}
}
