package app

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/personal"
	"tuermer/internal/platform/seal"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/vault"
)

// inTheClear are the columns in which an address may stand, each with its reason.
var inTheClear = map[string]string{
	"publish_variant.body":    "published words: the town's own counter, for everybody to read",
	"publish_statement.facts": "facts of a published statement: the same",
	"channel_simulated.body":  "the words of a message that was only simulated: the same",
}

// nameOfWay are names of columns that hold a way to a person.
var nameOfWay = regexp.MustCompile(`(?i)^(e?mail|alternative|mobile|phone|tel(ephone)?|number|recipients?|sender|address(ee|es)?|contacts?|owner|deputy|endpoint|ways?|to_address)$`)

// noWay are columns of such a name that hold none.
var noWay = map[string]string{
	"identity_session.address": "the network address of a browser; gone with the session",
	"identity_opening.address": "the network address of whoever opened a sealed access; proof",
	"keep_release.number":      "of a release",
	"plan_version.number":      "of a version",
	"staff_decision.number":    "of a decision",
	"plan_test.way":            "the kind of a way: mail/primary",
	"pulse_peer.address":       "of another install, sealed by its room",
	"alert_course.way":         "the kind of a way: mail, sms",
	"identity_wish.ways":       "the kinds of a person's ways in their order: sms, mail",
	"trial_way.way":            "the kind of a way: mail, sms",
	"alert_notified.way":       "the kind of a way: official, alternative",
}

// wayTo finds mail addresses and telephone numbers in any text.
var wayTo = regexp.MustCompile(`[\p{L}\p{N}._%+-]+@[\p{L}\p{N}.-]+\.\p{L}{2,}|\+49\d{6,}`)

// everyText calls fn with each text of each table as the database holds it,
// those of the queue included: what a dump would show.
func everyText(t *testing.T, s *store.Store, fn func(place, text string)) (columns []string) {
	t.Helper()
	ctx := ident.AcrossTenants(context.Background())
	q := `SELECT m.name || '.' || p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY 1`
	if s.Postgres() {
		q = `SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c
			JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type = 'BASE TABLE'
			WHERE c.table_schema = current_schema() ORDER BY 1`
	}
	read := func(q string) (out []string) {
		t.Helper()
		rows, err := s.Read(ctx).QueryContext(ctx, q)
		if err != nil {
			t.Fatal(q, err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var text *string
			if err := rows.Scan(&text); err != nil {
				t.Fatal(q, err)
			}
			if text != nil {
				out = append(out, *text)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(q, err)
		}
		return out
	}
	columns = read(q)
	for _, place := range columns {
		table, column, _ := strings.Cut(place, ".")
		as := `CAST("` + column + `" AS TEXT)`
		if s.Postgres() {
			as = `CASE WHEN pg_typeof("` + column + `") = 'bytea'::regtype THEN encode("` + column + `"::text::bytea, 'escape') ELSE "` + column + `"::text END`
		}
		for _, text := range read("SELECT " + as + ` FROM "` + table + `"`) {
			fn(place, text)
		}
	}
	return columns
}

// Nothing that a thief of the disk reads names a way to a person: not the
// database with its log, on SQLite not a file beside it, on PostgreSQL no column.
// Whoever adds a column that does seals it, or names it here with the reason.
func TestNothingInTheClear(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes its many rows ten times slower, and no goroutines meet here")
	}
	databases := map[string]string{"sqlite": ""}
	if base := os.Getenv("TUERMER_TEST_DATABASE"); base != "" {
		databases["postgres"] = storetest.Schema(t, base)
	}
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			d, s := newDemo(t), demoSettings(t)
			s.Database = database
			if err := d.settle(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			ctx, a := d.look(t, s)
			people, err := a.identity.People(ctx, identity.Filter{})
			if err != nil || len(people) < 300 {
				t.Fatal(len(people), err)
			}
			ways := map[string]bool{}
			for _, p := range people {
				for _, w := range p.Subject().Addresses {
					if w != "" {
						ways[strings.ToLower(w)] = true
					}
				}
			}
			audiences, err := a.plan.Audiences(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range audiences {
				for _, w := range x.Recipients {
					ways[strings.ToLower(w)] = true
				}
			}

			sealedText, clear := map[string]int{}, map[string]bool{}
			columns := everyText(t, a.store, func(place, text string) {
				if strings.HasPrefix(text, seal.Mark) {
					sealedText[place]++
					return
				}
				for _, w := range wayTo.FindAllString(text, -1) {
					if ways[strings.ToLower(w)] || inTheClear[place] == "" {
						t.Errorf("%s holds %s in the clear", place, w)
					}
					clear[place] = true
				}
			})
			for place := range inTheClear {
				if !clear[place] {
					t.Errorf("%s is an exception that nothing needs", place)
				}
			}
			for _, place := range columns {
				table, column, _ := strings.Cut(place, ".")
				if _, is := a.store.SealedColumns(table)[column]; !is && noWay[place] == "" && nameOfWay.MatchString(column) &&
					!strings.HasPrefix(table, "river_") {
					t.Errorf("%s sounds like a way to a person: seal it, or say here why not", place)
				}
			}
			for _, m := range Migrations() {
				for _, place := range append(slices.Clone(m.Ways), m.Words...) {
					if !slices.Contains(columns, place) {
						t.Errorf("%s is to be sealed and does not exist", place)
					}
				}
			}
			for _, place := range []string{"identity_person.email", "channel_outbox.recipient", "publish_delivery.recipient", "audit_entry.detail", "plan_audience.body"} {
				if sealedText[place] == 0 {
					t.Errorf("nothing was in %s", place)
				}
			}
			findable(t, a, ctx, people)

			// All files, the database's log included, whether it is open or not.
			files := 0
			err = filepath.WalkDir(s.Data, func(path string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return err
				}
				raw, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				files++
				raw = bytes.ToLower(raw)
				for w := range ways {
					if bytes.Contains(raw, []byte(w)) {
						t.Errorf("%s holds %s", path, w)
					}
				}
				return nil
			})
			if err != nil || files < 2 {
				t.Error(files, err)
			}
		})
	}
}

// findable shows that what is sealed is still found: by a part of the address, by
// the address, by whoever asks what is held about them.
func findable(t *testing.T, a *App, ctx context.Context, people []identity.Person) {
	t.Helper()
	i := slices.IndexFunc(people, func(p identity.Person) bool { return p.Mobile != "" })
	p := people[i]
	got, err := a.identity.People(ctx, identity.Filter{Query: strings.ToUpper(p.Email[:7]), Limit: 10})
	if err != nil || !slices.ContainsFunc(got, func(x identity.Person) bool { return x.ID == p.ID }) {
		t.Errorf("part of the address: %v %v", got, err)
	}
	if n, err := a.identity.Count(ctx, identity.Filter{Query: "@musterstadt"}); err != nil || n < 300 {
		t.Error(n, err)
	}
	if got, err := a.identity.PersonByEmail(ctx, strings.ToUpper(p.Email)); err != nil || got.Mobile != p.Mobile || got.Alternative != p.Alternative {
		t.Errorf("by address: %+v %v", got, err)
	}
	hits, err := personal.Find(ctx, a.store, p.Subject(), impersonal...)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, h := range hits {
		seen[h.Table] = true
		for _, f := range h.Fields {
			if strings.Contains(f.Value, seal.Mark) {
				t.Errorf("the answer is sealed: %s.%s", h.Table, f.Column)
			}
		}
	}
	for _, table := range []string{"identity_person", "channel_outbox", "audit_entry", "alert_notified"} {
		if !seen[table] {
			t.Errorf("nothing found in %s, only in %v", table, slices.Sorted(maps.Keys(seen)))
		}
	}
}

var sealedWord = regexp.MustCompile(seal.Mark + `[A-Za-z0-9_-]+`)

// unsealed are rows as quote() shows them with what is sealed opened.
func unsealed(t *testing.T, a *App, rows map[string][]string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for table, lines := range rows {
		for _, line := range lines {
			out[table] = append(out[table], sealedWord.ReplaceAllStringFunc(line, func(text string) string {
				for column := range a.store.SealedColumns(table) {
					if plain, err := a.store.Opened(table+"."+column, text); err == nil {
						return strings.ReplaceAll(plain, "'", "''")
					}
				}
				t.Errorf("%s: %s does not open", table, text)
				return text
			}))
		}
		if out[table] == nil {
			out[table] = []string{}
		}
		slices.Sort(out[table])
	}
	return out
}

// Another key and a key that is gone are refused in words that say what to do,
// and nothing is written: not the database, and no new key.
func TestWrongKey(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes its many rows ten times slower, and no goroutines meet here")
	}
	dir := layRelease(t, "release1")
	open := func() error {
		a, err := New(t.Context(), Options{Dir: dir, Version: "test", Log: slog.New(slog.DiscardHandler), Simulated: true})
		if err != nil {
			return err
		}
		return a.Close()
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, vault.KeyFile)
	right, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, store.File))
	if err != nil {
		t.Fatal(err)
	}
	other := []byte(strings.Repeat("ab", 32) + "\n")
	for want, key := range map[string][]byte{"app.key_missing": nil, "app.key_other": other} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if key != nil {
			if err := os.WriteFile(path, key, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := open()
		if fault.As(err).Key != want || !strings.Contains(explained{err}.In(i18n.DE), "Es wurde nichts verändert") {
			t.Errorf("%s: %v", want, err)
		}
		if now, err := os.ReadFile(path); key == nil && !os.IsNotExist(err) || key != nil && !bytes.Equal(now, key) {
			t.Errorf("%s: the key file was written: %v", want, err)
		}
		if now, err := os.ReadFile(filepath.Join(dir, store.File)); err != nil || !bytes.Equal(now, before) {
			t.Errorf("%s: the database was written (%v)", want, err)
		}
		if log, err := os.Stat(filepath.Join(dir, store.File+"-wal")); err == nil && log.Size() > 0 {
			t.Errorf("%s: the log was written", want)
		}
		if err := os.WriteFile(path, right, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(); err != nil {
		t.Errorf("with the right key again: %v", err)
	}
}

// The data of an earlier release are sealed at the first start, and MigrateBack
// gives that release every byte back; this one then seals them again.
func TestSealAndBack(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes its many rows ten times slower, and no goroutines meet here")
	}
	dir := layRelease(t, "release1")
	old := columnsOf(t, dir)
	before := seenBy(t, old, dir)
	holds := func() bool {
		return strings.Contains(strings.ToLower(fmt.Sprint(seenBy(t, old, dir)["identity_person"])), "ada.beispiel@musterstadt.example")
	}
	if !holds() {
		t.Fatal("the old data name nobody")
	}
	for range 2 {
		a, err := New(t.Context(), Options{Dir: dir, Version: "test", Log: slog.New(slog.DiscardHandler), Simulated: true})
		if err != nil {
			t.Fatal(err)
		}
		if holds() {
			t.Fatal("the data were not sealed")
		}
		sameRows(t, "sealed", before, unsealed(t, a, seenBy(t, old, dir)))
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, store.File))
		if err != nil || bytes.Contains(bytes.ToLower(raw), []byte("ada.beispiel@musterstadt")) {
			t.Fatal("free pages of the file still name her", err)
		}
		op := newOperator(t)
		if err := (Commands{}).MigrateBack(t.Context(), op.at(dir, "")); err != nil {
			t.Fatal(err)
		}
		sameRows(t, "made readable for the release before", before, seenBy(t, old, dir))
		if err := (Commands{}).MigrateBack(t.Context(), op.at(dir, "")); err == nil {
			t.Error("went back twice")
		}
		if n := lastRelease(t, dir); n > before1 {
			t.Errorf("the release before still refuses data of release %d", n)
		}
	}
}

// before1 is how far ahead the release before would go.
const before1 = before + 1

func lastRelease(t *testing.T, dir string) int {
	t.Helper()
	rows := seenBy(t, map[string][]string{"keep_release": {"number"}}, dir)["keep_release"]
	n := 0
	for _, r := range rows {
		var got int
		if _, err := fmt.Sscan(r, &got); err != nil {
			t.Fatal(r, err)
		}
		n = max(n, got)
	}
	return n
}
