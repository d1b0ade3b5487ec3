package app_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tower is the order of the floors, and of the rooms inside each, from the
// ground up. A room may import what stands before it, never what comes after.
var tower = []struct {
	floor string
	rooms []string
}{
	{"platform", []string{"fault", "clock", "ident", "seal", "store", "jobs", "bus", "backup", "depot", "replica", "i18n", "web", "fence", "fill", "paper", "personal", "retain", "storetest", "depottest", "zonetest"}},
	{"town", []string{"audit", "vault", "service", "plan", "identity", "channel", "papers", "keep", "contact", "deletion"}},
	{"notice", []string{"signal", "monitor", "sonde", "pulse", "intake", "listen"}},
	{"raise", []string{"roster", "chain", "alert", "trial"}},
	{"coordinate", []string{"incident", "staff", "onsite", "chat"}},
	{"inform", []string{"template", "subscriber", "publish", "statuspage", "twin", "rumour", "inbox", "editorial"}},
	{"learn", []string{"review", "exercise"}},
}

// above are the packages over the floors.
var above = []string{"desk", "app"}

// height is a room's place in the tower; ok is false for what stands nowhere.
func height(pkg string) (h int, ok bool) {
	rel := strings.TrimPrefix(pkg, "tuermer/internal/")
	for f, floor := range tower {
		if rel == floor.floor {
			return f * 100, true
		}
		for r, room := range floor.rooms {
			name := floor.floor + "/" + room
			if rel == name || (name == "town/channel" && strings.HasPrefix(rel, name+"/") && strings.Count(rel, "/") == 2) {
				h = f*100 + r + 1
				if rel != name {
					h++ // an adapter stands on its room
				}
				if rel != name && strings.HasSuffix(rel, "test") {
					h++ // and the other side of one, for tests, on the adapter
				}
				return h, true
			}
		}
	}
	if i := slices.Index(above, rel); i >= 0 {
		return (len(tower) + i) * 100, true
	}
	return 0, false
}

type listed struct {
	ImportPath   string
	Dir          string
	Imports      []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Doc          string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,Doc", "tuermer/internal/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// A floor may look down, never up; every room stands on a floor and says what
// it is for; a stage folder holds only its doc.go.
func TestTower(t *testing.T) {
	all := packages(t)
	if len(all) < 15 {
		t.Fatalf("only %d packages were listed", len(all))
	}
	names := map[string]string{}
	for _, p := range all {
		h, ok := height(p.ImportPath)
		if !ok {
			t.Errorf("%s stands on no floor", p.ImportPath)
			continue
		}
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		if other, twice := names[path.Base(p.ImportPath)]; twice {
			t.Errorf("%s and %s have one name", p.ImportPath, other)
		}
		names[path.Base(p.ImportPath)] = p.ImportPath
		if h%100 == 0 && h < len(tower)*100 && !slices.Equal(p.GoFiles, []string{"doc.go"}) {
			t.Errorf("%s is a stage and holds %v beside doc.go", p.ImportPath, p.GoFiles)
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, "tuermer/internal/") {
				continue
			}
			if to, ok := height(imp); !ok || to >= h {
				t.Errorf("%s looks up to %s", p.ImportPath, imp)
			}
			if imp == "tuermer/internal/platform/storetest" || imp == "tuermer/internal/platform/zonetest" {
				t.Errorf("%s imports a package for tests", p.ImportPath)
			}
		}
	}
}

var tableWord = regexp.MustCompile(`(?i)\b(?:from|join|into|update|table)[ :]+([a-z]+)_[a-z_]+`)

// A query touches only its own room's tables: each table's name begins with the
// room's, in Go and in the migrations.
func TestTables(t *testing.T) {
	rooms := map[string]bool{}
	for _, f := range tower {
		for _, r := range f.rooms {
			rooms[r] = true
		}
	}
	seen := 0
	for _, p := range packages(t) {
		room := path.Base(p.ImportPath)
		check := func(where, text string) {
			for _, m := range tableWord.FindAllStringSubmatch(text, -1) {
				if !rooms[m[1]] && m[1] != "river" {
					continue // prose, not a table
				}
				seen++
				if m[1] != room && (room != "jobs" || m[1] != "river") {
					t.Errorf("%s: %s touches a table of %s: %s", p.ImportPath, where, m[1], m[0])
				}
			}
		}
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil {
						check(name, s)
					}
				}
				return true
			})
		}
	}
	if seen < 10 {
		t.Fatalf("only %d tables were found; the test looks in the wrong place", seen)
	}
}

var createTable = regexp.MustCompile(`(?i)create\s+(?:unique\s+)?(?:virtual\s+)?(?:table|index)\s+(?:if not exists\s+)?(\w+)`)

// Migrations come in pairs: the same numbered names for both databases, each
// table and index named after its room.
func TestMigrationTwins(t *testing.T) {
	twins := 0
	for _, p := range packages(t) {
		lite, _ := filepath.Glob(filepath.Join(p.Dir, "schema/sqlite/*.sql"))
		pg, _ := filepath.Glob(filepath.Join(p.Dir, "schema/postgres/*.sql"))
		base := func(in []string) (out []string) {
			for _, f := range in {
				out = append(out, filepath.Base(f))
			}
			return out
		}
		if !slices.Equal(base(lite), base(pg)) {
			t.Errorf("%s: %v and %v are no twins", p.ImportPath, base(lite), base(pg))
		}
		for _, f := range append(lite, pg...) {
			twins++
			raw, err := fs.ReadFile(dirFS(f), filepath.Base(f))
			if err != nil {
				t.Fatal(err)
			}
			text := string(raw)
			for _, m := range createTable.FindAllStringSubmatch(text, -1) {
				if !strings.HasPrefix(m[1], path.Base(p.ImportPath)+"_") {
					t.Errorf("%s: %s does not begin with the room's name", f, m[1])
				}
			}
			if strings.Contains(strings.ToLower(text), "now()") || strings.Contains(strings.ToLower(text), "current_timestamp") {
				t.Errorf("%s: the database tells the time", f)
			}
			if strings.Contains(strings.ToLower(text), "create table") && !strings.Contains(text, "tenant_id") {
				t.Errorf("%s: a table without its tenant", f)
			}
		}
	}
	if twins < 10 {
		t.Fatalf("only %d migrations were found", twins)
	}
}

// The demo is data and simulated channels: no room knows of it. Time comes from
// the clock.
func TestNoRoomKnows(t *testing.T) {
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			if strings.HasSuffix(name, "_templ.go") {
				continue
			}
			raw, err := fs.ReadFile(dirFS(filepath.Join(p.Dir, name)), name)
			if err != nil {
				t.Fatal(err)
			}
			text := string(raw)
			if p.ImportPath != "tuermer/internal/app" && regexp.MustCompile(`\bif [^\n{]*\b[dD]emo\b`).MatchString(text) {
				t.Errorf("%s/%s asks whether this is the demo", p.ImportPath, name)
			}
			if p.ImportPath != "tuermer/internal/platform/clock" && strings.Contains(text, "time.Now()") {
				t.Errorf("%s/%s asks the machine for the time", p.ImportPath, name)
			}
			if !strings.HasPrefix(p.ImportPath, "tuermer/internal/platform/") && regexp.MustCompile(`func init\(\)`).MatchString(text) {
				t.Errorf("%s/%s has an init", p.ImportPath, name)
			}
		}
	}
}

func dirFS(file string) fs.FS { return os.DirFS(filepath.Dir(file)) }
