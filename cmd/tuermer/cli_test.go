package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tuermer/internal/app"
	"tuermer/internal/platform/i18n"
)

// recorder is an application that notes what it was asked.
type recorder struct {
	did      string
	settings app.Settings
	user     app.NewUser
	token    app.NewToken
	results  []app.CheckResult
	err      error
}

func (r *recorder) note(did string, s app.Settings) error {
	r.did, r.settings = did, s
	return r.err
}

func (r *recorder) Serve(_ context.Context, s app.Settings) error   { return r.note("serve", s) }
func (r *recorder) Demo(_ context.Context, s app.Settings) error    { return r.note("demo", s) }
func (r *recorder) Migrate(_ context.Context, s app.Settings) error { return r.note("migrate", s) }
func (r *recorder) MigrateBack(_ context.Context, s app.Settings) error {
	return r.note("migrate back", s)
}

func (r *recorder) RosterCoverage(_ context.Context, s app.Settings, slug, land string, year int, asJSON bool) error {
	return r.note(fmt.Sprintf("roster coverage %s %s %d %v", slug, land, year, asJSON), s)
}

func (r *recorder) RosterShow(_ context.Context, s app.Settings, slug, from, to string, asJSON bool) error {
	return r.note(fmt.Sprintf("roster show %s %s %s %v", slug, from, to, asJSON), s)
}

func (r *recorder) RosterImport(_ context.Context, s app.Settings, slug, file string, take bool) error {
	return r.note(fmt.Sprintf("roster import %s %s %v", slug, file, take), s)
}

func (r *recorder) Setup(_ context.Context, s app.Settings) (string, error) {
	return "https://lage.example/identity/begin/1", r.note("setup", s)
}

func (r *recorder) SyncDirectory(_ context.Context, s app.Settings, dry bool, confirm string) (app.SyncReport, error) {
	return app.SyncReport{Lines: []app.SyncLine{{Move: "neu", Name: "Ada Beispiel", Email: "ada@a.example"}}, Found: 2, Same: 1}, r.note(fmt.Sprint("directory sync ", dry, " ", confirm), s)
}

func (r *recorder) Check(_ context.Context, s app.Settings) ([]app.CheckResult, error) {
	return r.results, r.note("check", s)
}

func (r *recorder) AddUser(_ context.Context, s app.Settings, u app.NewUser) (string, error) {
	r.user = u
	return "https://lage.example/login/1", r.note("user add", s)
}

func (r *recorder) ResetUser(_ context.Context, s app.Settings, email string, second bool) (string, error) {
	if second {
		email += " and second factor"
	}
	return "https://lage.example/login/2", r.note("user reset "+email, s)
}

func (r *recorder) CreateToken(_ context.Context, s app.Settings, t app.NewToken) (string, error) {
	r.token = t
	return "tuermer_geheim", r.note("token create", s)
}

func (r *recorder) StartExercise(_ context.Context, s app.Settings, kind, scenario string) error {
	return r.note("exercise start "+kind+" "+scenario, s)
}

func (r *recorder) AddTenant(_ context.Context, s app.Settings, t app.NewTenant) error {
	return r.note("tenant add "+t.Slug+" "+t.StaffURL, s)
}

func (r *recorder) Tenants(_ context.Context, s app.Settings) ([]app.TenantLine, error) {
	return []app.TenantLine{{Slug: "adorf", Name: "Adorf", StaffURL: "https://lage.adorf.example"}}, r.note("tenant list", s)
}

func (r *recorder) RenameTenant(_ context.Context, s app.Settings, old, slug string) error {
	return r.note("tenant rename "+old+" "+slug, s)
}

func (r *recorder) Import(_ context.Context, s app.Settings, format, file string, dry bool) (string, error) {
	return "Portal (http): wird Prüfung\n", r.note(fmt.Sprint("import ", format, " ", file, " ", dry), s)
}

func (r *recorder) Health(_ context.Context, s app.Settings) error {
	return r.note("health "+s.Staff, s)
}

func (r *recorder) Diagnose(_ context.Context, s app.Settings, file string) error {
	return r.note("diagnose "+file, s)
}

func (r *recorder) VerifyTwin(_ context.Context, s app.Settings, place, key string) (string, bool, error) {
	return "Vollständig\n", true, r.note(fmt.Sprint("twin verify ", place, " ", key), s)
}

func (r *recorder) PushTwin(_ context.Context, s app.Settings) error { return r.note("twin push", s) }

func (r *recorder) TownNetworks(_ context.Context, s app.Settings, town string, networks []string, reset bool) ([]string, error) {
	return []string{"public", "10.1.0.0/16"}, r.note(fmt.Sprint("tenant networks ", town, networks, reset), s)
}

// TestProbeCommands: what the command line hands on, and what it refuses.
func TestProbeCommands(t *testing.T) {
	for _, c := range []struct {
		args      string
		code      int
		did, said string
	}{
		{"import kuma backup.json --dry-run", 0, "import kuma backup.json true", "wird Prüfung"},
		{"import gatus config.yaml", 0, "import gatus config.yaml false", ""},
		{"import prtg x", 2, "", ""},
		{"import kuma", 2, "", ""},
		{"tenant networks", 0, "tenant networks [] false", "10.1.0.0/16"},
		{"tenant networks --tenant b public 10.1.0.0/16", 0, "tenant networks b[public 10.1.0.0/16] false", ""},
		{"tenant networks --reset", 0, "tenant networks [] true", ""},
		{"tenant networks --reset public", 2, "", ""},
	} {
		r := &recorder{}
		code, out, errs := call(r, nil, strings.Fields(c.args)...)
		if code != c.code || r.did != c.did || !strings.Contains(out, c.said) {
			t.Errorf("%s: %d %q %q %q", c.args, code, r.did, out, errs)
		}
	}
}

func (r *recorder) RunSonde(_ context.Context, s app.Settings, q app.SondeSettings) error {
	return r.note("sonde run "+q.Server+" "+q.Token+" "+strings.Join(q.Allow, "+"), s)
}

func (r *recorder) AddSonde(_ context.Context, s app.Settings, name string) (string, error) {
	return "tuermer_sonde_einmal", r.note("sonde add "+name, s)
}

func (r *recorder) RenewSonde(_ context.Context, s app.Settings, name string) (string, error) {
	return "tuermer_sonde_neu", r.note("sonde renew "+name, s)
}

func (r *recorder) RevokeSonde(_ context.Context, s app.Settings, name string) error {
	return r.note("sonde revoke "+name, s)
}

func (r *recorder) Sondes(_ context.Context, s app.Settings) ([]app.SondeLine, error) {
	return []app.SondeLine{{Name: "kassel", State: "meldet sich"}}, r.note("sonde list", s)
}

func (r *recorder) AddSource(_ context.Context, s app.Settings, n app.NewSource) (app.SourceAddress, error) {
	did := fmt.Sprintf("source add %s %s %s %v", n.Format, n.Title, n.Service, n.Rhythm)
	if n.ResolveAfter != 0 {
		did += " ends after " + n.ResolveAfter.String()
	}
	url := "https://lage.example/in/tin_x/" + n.Format
	return app.SourceAddress{URL: url, Paste: []app.SourcePaste{
		{Where: "PRTG: Feld URL", Text: url},
		{Where: "PRTG: Feld POST-Daten", Text: "id=%sensorid\nstatus=%status\n"},
	}}, r.note(did, s)
}

func (r *recorder) Sources(_ context.Context, s app.Settings) ([]app.SourceLine, error) {
	return []app.SourceLine{
		{Name: "prtg-rathaus", Title: "PRTG Rathaus", Format: "prtg", State: "meldet sich"},
		{Name: "usv", Title: "USV", Format: "mail", State: "meldet sich", ResolveAfter: 90 * time.Minute},
	}, r.note("source list", s)
}

func (r *recorder) TestSource(_ context.Context, s app.Settings, name string, body []byte) ([]string, error) {
	return []string{"gestört  7"}, r.note(fmt.Sprintf("source test %s %d", name, len(body)), s)
}

func (r *recorder) RevokeSource(_ context.Context, s app.Settings, name string) error {
	return r.note("source revoke "+name, s)
}

// call runs one command line.
func call(r *recorder, env []string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, env, &out, &errs, r)
	return code, out.String(), errs.String()
}

// TestUsage: what each command line does and how it ends.
func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		env  string
		code int
		did  string // what the application was asked
		says string // part of the output
	}{
		{args: "serve", did: "serve"},
		{args: "demo", did: "demo"},
		{args: "migrate", did: "migrate", says: "auf dem Stand"},
		{args: "check", did: "check", says: "Alles in Ordnung."},
		{args: "version", says: "tuermer devel (go"},
		{args: "--version", says: "tuermer devel (go"},
		{args: "user add ada@a.example --name Ada", did: "user add", says: "login/1"},
		{args: "user add --person ada@a.example --name Ada", did: "user add"},
		{args: "user add --email ada@a.example --name Ada --roles it", did: "user add"},
		{args: "token create --email a@a.example --name x --scopes alerts", did: "token create"},
		{args: "sonde add --name kassel", did: "sonde add kassel", says: "tuermer_sonde_einmal"},
		{args: "sonde renew kassel", did: "sonde renew kassel", says: "tuermer_sonde_neu"},
		{args: "sonde revoke kassel", did: "sonde revoke kassel", says: "abgewiesen"},
		{args: "sonde revoke", code: 2, says: "Name der Sonde"},
		{args: "sonde list", did: "sonde list", says: "kassel  meldet sich"},
		{args: "sonde run --server https://lage.example/ --token x --allow 192.0.2.0/24,2001:db8::/32", did: "sonde run https://lage.example x 192.0.2.0/24+2001:db8::/32"},
		{args: "sonde run", env: "TUERMER_SERVER=http://127.0.0.1:8420", did: "sonde run http://127.0.0.1:8420  "},
		{args: "sonde run", code: 2, says: "--server"},
		{args: "sonde run --server http://lage.example", code: 2, says: "https://name"},
		{args: "sonde run --server https://lage.example --allow all", code: 2, says: "kein Netz"},
		{args: "source add --format prtg --name PRTG", did: "source add prtg PRTG  24h0m0s", says: "https://lage.example/in/tin_x/prtg"},
		{args: "source add --format prtg --name PRTG --service portal --rhythm 0s", did: "source add prtg PRTG portal 0s", says: "/in/"},
		{args: "source add --format mail --name USV --resolve-after 30m", did: "source add mail USV  24h0m0s ends after 30m0s", says: "/in/"},
		{args: "source add --format PRTG --name PRTG", code: 2, says: "„PRTG“ gibt es nicht. Möglich sind: prtg, alertmanager, "},
		{args: "source add --name PRTG", code: 2, says: "--format"},
		{args: "source list", did: "source list", says: "–  endet nach 1h30m ohne Meldung  USV"},
		{args: "source list", did: "source list", says: "prtg-rathaus  prtg  meldet sich  –  –                              PRTG Rathaus"},
		{args: "source test prtg-rathaus", did: "source test prtg-rathaus 0", says: "gestört"},
		{args: "source test prtg-rathaus /gibt/es/nicht", code: 2, says: "lässt sich nicht lesen"},
		{args: "source test --help", says: "Kurzname oder Name der Quelle"},
		{args: "source revoke prtg-rathaus", did: "source revoke prtg-rathaus", says: "nimmt nichts mehr an"},
		{args: "user reset Ada@A.example", did: "user reset ada@a.example", says: "login/2"},
		{args: "user reset", env: "TUERMER_PERSON=ada@a.example", did: "user reset ada@a.example"},
		{args: "setup", did: "setup", says: "identity/begin/1"},
		{args: "serve --dns nix", code: 2, says: "kein Nameserver"},
		{args: "directory sync --dry-run", did: "directory sync true ", says: "neu  Ada Beispiel  ada@a.example"},
		{args: "directory sync --confirm 4711", did: "directory sync false 4711"},
		{args: "directory sync --dry-run --confirm 4711", code: 2, says: "--dry-run"},
		{args: "token create --person a@a.example --name PRTG", did: "token create"},
		{args: "token create", env: "TUERMER_PERSON=a@a.example TUERMER_NAME=PRTG", did: "token create"},

		{args: "tenant add adorf --name Adorf --staff-url https://lage.adorf.example", did: "tenant add adorf https://lage.adorf.example", says: "--tenant adorf"},
		{args: "tenant list", did: "tenant list", says: "adorf  Adorf  https://lage.adorf.example"},
		{args: "tenant rename adorf bdorf", did: "tenant rename adorf bdorf", says: "„bdorf“"},
		{args: "user reset ada@a.example --tenant adorf", did: "user reset ada@a.example", says: "login/2"},
		{args: "tenant add A-Dorf --name Adorf", code: 2, says: "kein Kürzel"},
		{args: "tenant add adorf --name Adorf --public-url adorf", code: 2, says: "„adorf“"},
		{args: "tenant add adorf", code: 2, says: "--name"},
		{args: "tenant", code: 2, says: "add, list, rename"},

		{args: "--help", says: "Befehle:"},
		{args: "help", says: "Befehle:"},
		{args: "exercise start --scenario ransomware", did: "exercise start rehearsal ransomware"},
		{args: "exercise start --type drill --scenario flood", did: "exercise start drill flood"},
		{args: "help token create", says: "--scope"},
		{args: "token create --help", says: "--scope"},
		{args: "--help", env: "TUERMER_LANG=en", says: "Commands:"},
		{args: "--help --lang en", says: "Commands:"},
		{args: "--lang=en --help", says: "Commands:"},
		{args: "--help", env: "LANG=en_GB.UTF-8", says: "Commands:"},
		{args: "--help", env: "LANG=C.UTF-8", says: "Befehle:"},
		{args: "--help", env: "LANG=en_GB.UTF-8 TUERMER_LANG=de", says: "Befehle:"},

		{args: "", code: 2, says: "Befehle:"},
		{args: "user", code: 2, says: "Hier fehlt ein Befehl: add, reset."},
		{args: "--lang de", code: 2, says: "Hier fehlt ein Befehl"},
		{args: "serv", code: 2, says: "Meinten Sie"},
		{args: "serve now", code: 2, says: "„now“"},
		{args: "serve --datta x", code: 2, says: "Meinten Sie --data?"},
		{args: "serve --data", code: 2, says: "Hinter --data fehlt der Wert."},
		{args: "serve --staff 8420", code: 2, says: "host:port"},
		{args: "serve", env: "TUERMER_PUBLIC=nix", code: 2, says: "„nix“"},
		{args: "serve --database mysql://x", code: 2, says: "postgres://"},
		{args: "serve --lang fr", code: 2, says: "„fr“"},
		{args: "exercise start", code: 2, says: "--scenario"},
		{args: "exercise start --scenario x --type nix", code: 2, says: "nix"},
		{args: "token create --name x", code: 2, says: "--person"},
		{args: "token create --person nix --name x", code: 2, says: "„nix“"},
		{args: "token create --person a@a.example --name x --scope nix", code: 2, says: "„nix“ gibt es nicht. Möglich sind: read"},
		{args: "user add a@a.example", code: 2, says: "--name"},
		{args: "user add a@a.example --name A --role chef", code: 2, says: "approver"},
		{args: "user reset", code: 2, says: "fehlt"},
		{args: "user reset a@a.example --person b@a.example", code: 2, says: "Zwei"},
		{args: "serve --config testdata/gibt-es-nicht.yaml", code: 1, says: "gibt es nicht"},
	} {
		t.Run(c.env+" "+c.args, func(t *testing.T) {
			r := &recorder{}
			code, stdout, stderr := call(r, strings.Fields(c.env), strings.Fields(c.args)...)
			if code != c.code || r.did != c.did || !strings.Contains(stdout+stderr, c.says) {
				t.Errorf("code %d, did %q, stdout %q, stderr %q", code, r.did, stdout, stderr)
			}
			if code != 0 && stdout != "" {
				t.Errorf("a failure writes to standard output: %q", stdout)
			}
		})
	}
}

// TestGlobalFlags: before the command, after it, from a variable, from the
// file: the nearer one wins.
func TestGlobalFlags(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tuermer.yaml")
	err := os.WriteFile(file, []byte("data: /aus/der/datei\ndatabase: postgres://datei/x\nlisten: {staff: \"127.0.0.1:1\", public: \"127.0.0.1:2\"}\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	type got struct{ data, database, staff, public string }
	for _, c := range []struct {
		args, env []string
		want      got
	}{
		{args: []string{"serve"}, want: got{"data", "", app.DefaultStaff, app.DefaultPublic}},
		{args: []string{"demo"}, want: got{"data/demo", "", app.DefaultStaff, app.DefaultPublic}},
		{args: []string{"--data", "x", "serve"}, want: got{"x", "", app.DefaultStaff, app.DefaultPublic}},
		{args: []string{"serve", "--data", "x"}, want: got{"x", "", app.DefaultStaff, app.DefaultPublic}},
		{args: []string{"demo", "--data", "x", "--staff", ":0"}, want: got{"x", "", ":0", app.DefaultPublic}},
		{args: []string{"serve", "--config", file}, want: got{"/aus/der/datei", "postgres://datei/x", "127.0.0.1:1", "127.0.0.1:2"}},
		{
			args: []string{"serve"},
			env:  []string{"TUERMER_CONFIG=" + file, "TUERMER_DATA=env", "TUERMER_PUBLIC=127.0.0.1:4"},
			want: got{"env", "postgres://datei/x", "127.0.0.1:1", "127.0.0.1:4"},
		},
		{
			args: []string{"--config", file, "serve", "--data=flag", "--database", "postgres://flag/x", "--staff=127.0.0.1:5"},
			env:  []string{"TUERMER_DATA=env", "TUERMER_STAFF=127.0.0.1:4", "TUERMER_DATABASE="},
			want: got{"flag", "postgres://flag/x", "127.0.0.1:5", "127.0.0.1:2"},
		},
		{
			args: []string{"token", "create", "--person", "a@a.example", "--config", file, "--name", "x", "--data", "y"},
			want: got{"y", "postgres://datei/x", "127.0.0.1:1", "127.0.0.1:2"},
		},
	} {
		r := &recorder{}
		code, _, stderr := call(r, c.env, c.args...)
		s := r.settings
		if g := (got{s.Data, s.Database, s.Staff, s.Public}); code != 0 || g != c.want {
			t.Errorf("%v %v: code %d, got %+v, want %+v; %s", c.env, c.args, code, g, c.want, stderr)
		}
		if s.Config == nil || s.Log == nil || s.Config.Town.Timezone != "Europe/Berlin" {
			t.Errorf("%v: half of the settings: %+v", c.args, s)
		}
	}
}

// TestTokenAlone: standard output is the token and nothing else.
func TestTokenAlone(t *testing.T) {
	r := &recorder{}
	code, stdout, stderr := call(r, nil, "token", "create", "--person", "Ada@a.example", "--name", "PRTG 1", "--scope", "monitors,alerts", "--scope", "incidents")
	if code != 0 || stdout != "tuermer_geheim\n" || !strings.Contains(stderr, "PRTG 1") {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	want := app.NewToken{Person: "ada@a.example", Name: "PRTG 1", Scopes: []string{"monitors", "alerts", "incidents"}}
	if !reflect.DeepEqual(r.token, want) {
		t.Errorf("got %+v, want %+v", r.token, want)
	}
	if call(r, nil, "token", "create", "--person", "ada@a.example", "--name", "x"); r.token.Scopes != nil {
		t.Errorf("without --scope: %v", r.token.Scopes)
	}
}

// TestSourceAlone: standard output is the address and nothing else, and what is to be
// entered in the other system, told this once, stands beside it.
func TestSourceAlone(t *testing.T) {
	r := &recorder{}
	code, stdout, stderr := call(r, nil, "source", "add", "--format", "prtg", "--name", "PRTG Rathaus")
	if code != 0 || stdout != "https://lage.example/in/tin_x/prtg\n" {
		t.Errorf("code %d, stdout %q", code, stdout)
	}
	want := "Adresse der Quelle „PRTG Rathaus“; sie wird nur dieses eine Mal gezeigt:\n" +
		"\nPRTG: Feld URL: die Adresse selbst.\n" +
		"\nPRTG: Feld POST-Daten:\n\nid=%sensorid\nstatus=%status\n"
	if stderr != want {
		t.Errorf("got %q, want %q", stderr, want)
	}
	r.err = errors.New("kaputt")
	if code, stdout, stderr := call(r, nil, "source", "add", "--format", "prtg", "--name", "x"); code != 1 || stdout != "" || stderr != "Fehler: kaputt\n" {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// TestSourceFormats: the help names every format that there is.
func TestSourceFormats(t *testing.T) {
	_, stdout, _ := call(&recorder{}, nil, "source", "add", "--help")
	said := strings.FieldsFunc(stdout, func(r rune) bool { return r < 'a' || r > 'z' })
	if len(app.SourceFormats()) < 14 {
		t.Error(app.SourceFormats())
	}
	for _, f := range app.SourceFormats() {
		if !slices.Contains(said, f) {
			t.Errorf("%s is missing in\n%s", f, stdout)
		}
	}
}

func TestNewUser(t *testing.T) {
	r := &recorder{}
	call(r, nil, "user", "add", "ada@a.example", "--name", "Ada Beispiel", "--role", "it,publisher")
	want := app.NewUser{Email: "ada@a.example", Name: "Ada Beispiel", Roles: []string{"it", "publisher"}}
	if !reflect.DeepEqual(r.user, want) {
		t.Errorf("got %+v, want %+v", r.user, want)
	}
}

// worded is an error that knows its languages.
type worded struct{}

func (worded) Error() string         { return "key" }
func (worded) In(l i18n.Lang) string { return "worded in " + string(l) }

func TestFailures(t *testing.T) {
	r := &recorder{err: errors.New("kaputt")}
	if code, stdout, stderr := call(r, nil, "token", "create", "--person", "a@a.example", "--name", "x"); code != 1 || stdout != "" || stderr != "Fehler: kaputt\n" {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	r.err = worded{}
	if code, _, stderr := call(r, []string{"TUERMER_LANG=en"}, "serve"); code != 1 || stderr != "Error: worded in en\n" {
		t.Errorf("code %d, stderr %q", code, stderr)
	}

	// Ending on request is no failure; running into a deadline is.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.err = ctx.Err()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"serve"}, nil, &out, &errs, r); code != 0 || errs.Len() > 0 {
		t.Errorf("code %d, stderr %q", code, &errs)
	}
	r.err = context.DeadlineExceeded
	if code := run(ctx, []string{"serve"}, nil, &out, &errs, r); code != 1 {
		t.Errorf("code %d", code)
	}
}

func TestCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tuermer.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := &recorder{results: []app.CheckResult{{What: "langsam", WayOut: "warten"}}}
	code, stdout, _ := call(r, nil, "check", "--config", file)
	for _, part := range []string{"Warnung: " + file + ": smtp: ", "Warnung: langsam\n", "  Abhilfe: warten\n"} {
		if code != 0 || !strings.Contains(stdout, part) {
			t.Errorf("code %d, %q is missing in %q", code, part, stdout)
		}
	}
	r.results = append(r.results, app.CheckResult{Serious: true, What: "stumm"})
	code, stdout, stderr := call(r, nil, "check")
	if code != 1 || !strings.Contains(stdout, "Problem: stumm") || !strings.Contains(stderr, "ein Befund.") {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// TestRefusedFile: a wrong file stops every command that reads it, and says
// why in the reader's language.
func TestRefusedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tuermer.yaml")
	if err := os.WriteFile(file, []byte("peple: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve"}, {"demo"}, {"check"}, {"migrate"}, {"user", "reset", "a@a.example"}} {
		r := &recorder{}
		code, stdout, stderr := call(r, nil, append(args, "--config", file, "--lang", "en")...)
		if code != 1 || r.did != "" || stdout != "" || !strings.Contains(stderr, file+":1:1: peple: There is no such key here. Did you mean “people”?") {
			t.Errorf("%v: code %d, did %q, stdout %q, stderr %q", args, code, r.did, stdout, stderr)
		}
	}
}

// TestHelpFits: every help text exists in both languages, and fits a terminal.
func TestHelpFits(t *testing.T) {
	for _, l := range []string{"de", "en"} {
		for _, args := range []string{"", "serve", "demo", "check", "migrate", "user", "user add", "user reset", "token", "token create", "exercise start", "tenant", "tenant add", "tenant list", "tenant rename", "roster", "roster coverage", "roster show", "roster import", "source", "source add", "source list", "source test", "source revoke", "version"} {
			code, stdout, _ := call(&recorder{}, []string{"TUERMER_LANG=" + l}, append(strings.Fields(args), "--help")...)
			if code != 0 || strings.Contains(stdout, "${") || strings.Contains(stdout, "cli.") {
				t.Errorf("%s %s: code %d\n%s", l, args, code, stdout)
			}
			for line := range strings.Lines(stdout) {
				if n := len([]rune(line)); n > 81 {
					t.Errorf("%s %s: %d characters: %s", l, args, n, line)
				}
			}
		}
	}
}
