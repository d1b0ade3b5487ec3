package identity_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
)

func TestParseCSV(t *testing.T) {
	utf16le := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune("name\temail\nJörg\tjoerg@t1.example\n")) {
		utf16le = binary.LittleEndian.AppendUint16(utf16le, u)
	}
	for name, raw := range map[string][]byte{
		"semicolon":    []byte("name;email\nJörg;joerg@t1.example\n"),
		"comma, CRLF":  []byte("Name,E-Mail\r\nJörg,joerg@t1.example\r\n"),
		"mark":         []byte("\uFEFFname;email\nJörg;joerg@t1.example"),
		"windows-1252": []byte("Name;E-Mail\nJ\xf6rg;joerg@t1.example\n"),
		"UTF-16":       utf16le,
		"other order":  []byte("Amt;E-Mail;Voller Name\n;joerg@t1.example;Jörg\n\n;;\n"),
		"quotes":       []byte("name;email\n\"Jörg\";\"joerg@t1.example\"\n"),
	} {
		rows, _, err := identity.ParseCSV(raw)
		if err != nil || len(rows) != 1 || rows[0].Person.Name != "Jörg" || rows[0].Person.Email != "joerg@t1.example" || rows[0].Outcome == identity.OutcomeRefused {
			t.Errorf("%s: %+v, %v", name, rows, err)
		}
	}
	for name, c := range map[string]struct{ text, key string }{
		"empty":      {"", "identity.import_empty"},
		"head only":  {"name;email\n", "identity.import_empty"},
		"no heading": {"Ada;ada@t1.example\n", "identity.import_heading"},
	} {
		if _, _, err := identity.ParseCSV([]byte(c.text)); field(err, "file") != c.key {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := identity.ParseCSV(make([]byte, identity.MaxImport+1)); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("too large: %v", err)
	}
	if _, _, err := identity.ParseCSV([]byte("name;email\n" + strings.Repeat("x;x\n", identity.MaxImportRows+1))); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("too many: %v", err)
	}
	rows, _, err := identity.ParseCSV([]byte("name;email;rollen\nA;a@x.example;IT, Freigabe\nB;b@x.example;König\nC;A@X.example;\nD;;\n"))
	if err != nil || len(rows) != 4 {
		t.Fatal(rows, err)
	}
	if got := rows[0].Person.Roles; len(got) != 2 || got[0] != identity.RoleIT || got[1] != identity.RoleApprover {
		t.Errorf("roles %v", got)
	}
	if rows[1].Errors["roles"] == "" || rows[2].Errors["email"] != "identity.import_twice" || rows[3].Errors["email"] == "" || rows[3].Line != 5 {
		t.Errorf("%+v", rows)
	}
}

func TestImport(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := person("Ada", identity.RoleIT)
		ada.OrgUnit = "Amt 10"
		h.add(t, ada)
		if err := h.Declare(h.ctx, []identity.Person{person("Yaml", identity.RoleAdmin)}); err != nil {
			t.Fatal(err)
		}
		file := []byte("name;email;alternative;mobile;roles;orgunit;Messenger\n" +
			"Ada Neu;ada@t1.example;;;;;signal:+491700000001\n" +
			"Bert;bert@t1.example;bert@posteo.example;'+49 170 1;it;IT\n" +
			"Bert;bert@t1.example;bert@posteo.example;'+49 170 0000001;it;IT\n" +
			"Carla;carla@t1.example;carla@t1.example;;it;\n" +
			"Dora;dora@t1.example;;;;Amt 20\n" +
			"Yaml Anders;yaml@t1.example;;;;\n" +
			"Yaml Beispiel;yaml@t1.example;;;;\n")
		for _, apply := range []bool{false, true} {
			got, err := h.Import(h.admin(), file, apply)
			if err != nil {
				t.Fatal(err)
			}
			want := []identity.Outcome{"change", "refused", "create", "refused", "create", "refused", "refused"}
			for i, o := range want {
				if got.Rows[i].Outcome != o {
					t.Errorf("apply %v, line %d: %s %v, want %s", apply, got.Rows[i].Line, got.Rows[i].Outcome, got.Rows[i].Errors, o)
				}
			}
			n, err := h.Count(h.ctx, identity.Filter{})
			if err != nil || !apply && n != 2 || apply && n != 4 {
				t.Errorf("apply %v: %d people, %v", apply, n, err)
			}
		}
		p, err := h.PersonByEmail(h.ctx, "ada@t1.example")
		if err != nil || p.Name != "Ada Neu" || p.OrgUnit != "Amt 10" || p.Chat != "signal:+491700000001" || !p.Has(identity.RoleIT) {
			t.Errorf("an empty cell changed something: %+v, %v", p, err)
		}
		again, err := h.Import(h.admin(), file, true)
		if err != nil || again.Count(identity.OutcomeSame) != 3 {
			t.Errorf("%+v, %v", again, err)
		}
		if _, err := h.Import(h.as(p), file, true); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("it imports: %v", err)
		}
		if err := h.audit.Verify(h.ctx); err != nil {
			t.Error(err)
		}
	})
}

// What is exported comes back as it was, whatever stands in the cells.
func TestExportRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[=+@'";, \-a-zäß0-9]{1,20}`)
		p, err := identity.Normal(identity.Person{
			Name: "N" + text.Draw(t, "name"), Email: "a@b.example", Mobile: "+491700000001", Chat: "threema:ABCD1234",
			OrgUnit: text.Draw(t, "unit"), Roles: []identity.Role{identity.RoleIT, identity.RoleReader},
		})
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.OrgUnit, "'") {
			t.Skip("an apostrophe at the start is the spreadsheet's own sign")
		}
		var b bytes.Buffer
		if err := identity.WriteCSV(&b, []identity.Person{p}); err != nil {
			t.Fatal(err)
		}
		rows, _, err := identity.ParseCSV(b.Bytes())
		if err != nil || len(rows) != 1 || rows[0].Outcome == identity.OutcomeRefused {
			t.Fatalf("%+v, %v", rows, err)
		}
		got := rows[0].Person
		if got.Name != p.Name || got.OrgUnit != p.OrgUnit || got.Mobile != p.Mobile || got.Chat != p.Chat || p.Chat == "" || len(got.Roles) != 2 {
			t.Fatalf("%+v, want %+v", got, p)
		}
	})
}

func FuzzParseCSV(f *testing.F) {
	f.Add([]byte("name;email;roles\nAda;ada@t1.example;it\n"))
	f.Add([]byte("\uFEFFName,E-Mail\r\n\"A\nB\",x@y.example\r\n"))
	f.Add([]byte{0xFF, 0xFE, 'n', 0})
	f.Add([]byte("name;email\nJ\xf6rg;joerg@t1.example\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rows, _, err := identity.ParseCSV(raw)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
				t.Fatalf("no words for %v", err)
			}
			return
		}
		for _, r := range rows {
			if r.Outcome == identity.OutcomeRefused {
				if len(r.Errors) == 0 {
					t.Fatalf("refused without a reason: %+v", r)
				}
				continue
			}
			again, err := identity.Normal(r.Person)
			if err != nil || again.Name != r.Person.Name || again.Email != r.Person.Email || !utf8.ValidString(r.Person.Name) {
				t.Fatalf("not normal: %+v, %v", r.Person, err)
			}
		}
	})
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"ada@t1.example", "Ada <a@b.example>", "a@ü.example", "a@b\r\nBcc: c@d", "\"a b\"@c.example", "@", "a@[127.0.0.1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := identity.Address(s)
		if !ok {
			return
		}
		if strings.ContainsAny(a, "\r\n <>,;") || strings.Count(a, "@") < 1 {
			t.Fatalf("%q became %q", s, a)
		}
		if again, ok := identity.Address(a); !ok || again != a {
			t.Fatalf("%q is not stable: %q", a, again)
		}
	})
}

// A large import stays quick and leaves the write connection free in between.
func BenchmarkImport(b *testing.B) {
	var file strings.Builder
	file.WriteString("name;email\n")
	for i := range 300 {
		file.WriteString("Person;p" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "@t1.example\n")
	}
	h := newHouse(b, storetest.SQLite(b, rooms...))
	for b.Loop() {
		if _, err := h.Import(h.ctx, []byte(file.String()), false); err != nil {
			b.Fatal(err)
		}
	}
}
