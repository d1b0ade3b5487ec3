package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// townFile is a small configuration of one town.
func townFile(slug string) string {
	return fmt.Sprintf(`town: {name: Stadt %[1]s, slug: %[1]s, domains: [%[1]s.example]}
urls: {staff: "https://lage.%[1]s.example", public: "https://status.%[1]s.example"}
smtp: [{name: weg-%[1]s, host: 127.0.0.1, from: lage@%[1]s.example, tls: none}]
people: [{name: Ada, email: ada@%[1]s.example, alternative: ada@post.example, roles: [admin]}]
webhooks: [{name: haken, url: "https://haken.%[1]s.example"}]
`, slug)
}

// declared opens data with files and declares them.
func declared(t *testing.T, dir string, files ...string) (*App, error) {
	t.Helper()
	var all []*Config
	for _, f := range files {
		c, _, err := ParseConfig("tuermer.yaml", []byte(f))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	a, err := New(t.Context(), Options{Dir: dir, Config: all[0], More: all[1:]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, a.Declare(t.Context())
}

func (a *App) names(t *testing.T) string {
	t.Helper()
	all, err := a.identity.Tenants(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range all {
		out = append(out, x.Slug+"="+x.Name)
	}
	return strings.Join(out, " ")
}

// A second town's file on a first town's data takes nothing over: it is refused
// with the two ways out, and both of them work.
func TestAnotherTownsFile(t *testing.T) {
	dir := t.TempDir()
	a, err := declared(t, dir, townFile("adorf"))
	if err != nil || a.names(t) != "adorf=Stadt adorf" {
		t.Fatal(a.names(t), err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}

	b, err := declared(t, dir, townFile("bestadt"))
	if fault.KindOf(err) != fault.Conflict || b.names(t) != "adorf=Stadt adorf" {
		t.Fatal(b.names(t), err)
	}
	for _, words := range []string{"„bestadt“", "adorf", "tuermer tenant add bestadt", "tuermer tenant rename ALT bestadt"} {
		if said := (explained{err}).In(i18n.DE); !strings.Contains(said, words) {
			t.Errorf("%q does not say %q", said, words)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	s := NewSettings(Settings{Data: dir, Lang: i18n.DE}, nil)
	town := NewTenant{Slug: "bestadt", Name: "Bestadt"}
	if err := (Commands{}).AddTenant(t.Context(), s, town); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a second town without an address: %v", err)
	}
	town.StaffURL, town.PublicURL = "https://lage.bestadt.example", "https://status.bestadt.example"
	if err := (Commands{}).AddTenant(t.Context(), s, town); err != nil {
		t.Fatal(err)
	}
	lines, err := Commands{}.Tenants(t.Context(), s)
	if err != nil || len(lines) != 2 || lines[1].StaffURL != town.StaffURL {
		t.Fatal(lines, err)
	}
	// Which town a command means has to be said now.
	user := NewUser{Email: "eva@bestadt.example", Name: "Eva", Roles: []string{"admin"}, Alternative: "eva@post.example"}
	if _, err := (Commands{}).AddUser(t.Context(), s, user); fault.KindOf(err) != fault.NotFound {
		t.Errorf("which town? %v", err)
	}
	s.Town = "bestadt"
	if link, err := (Commands{}).AddUser(t.Context(), s, user); err != nil || !strings.HasPrefix(link, town.StaffURL) {
		t.Errorf("%s, %v", link, err)
	}
	b, err = declared(t, dir, townFile("bestadt"))
	if err != nil || b.names(t) != "adorf=Stadt adorf bestadt=Stadt bestadt" {
		t.Fatal(b.names(t), err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := (Commands{}).RenameTenant(t.Context(), s, "bestadt", "neustadt"); err != nil {
		t.Fatal(err)
	}
	c, err := declared(t, dir, townFile("neustadt"))
	if err != nil || c.names(t) != "adorf=Stadt adorf neustadt=Stadt neustadt" {
		t.Fatal(c.names(t), err)
	}
}

// Several files serve several towns, each with its own mail servers and
// webhooks. Who has none of their own sends by the first file's, and nobody's
// alarm goes to another town's webhook.
func TestFileForEachTown(t *testing.T) {
	a, err := declared(t, t.TempDir(), townFile("adorf"), townFile("bestadt"))
	if err != nil || a.names(t) != "adorf=Stadt adorf bestadt=Stadt bestadt" {
		t.Fatal(a.names(t), err)
	}
	if err := a.identity.SaveTenant(ident.WithActor(t.Context(), ident.System), identityTenant("celle")); err != nil {
		t.Fatal(err)
	}
	for slug, want := range map[string]string{"adorf": "weg-adorf", "bestadt": "weg-bestadt weg-adorf", "celle": "weg-adorf"} {
		ctx := ident.WithTenant(ident.WithActor(t.Context(), ident.System), ident.Tenant(slug))
		var mails []string
		for _, w := range a.ways.of(ctx) {
			if w.Kind() == channel.Mail && w.Realm() == channel.Live {
				mails = append(mails, w.Route())
			}
		}
		if got := strings.Join(mails, " "); got != want {
			t.Errorf("%s sends by %q, want %q", slug, got, want)
		}
		all, err := hooks{a}.Hooks(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var urls []string
		for _, h := range all {
			urls = append(urls, h.URL)
		}
		if wantHook := "https://haken." + slug + ".example"; slug != "celle" && !slices.Equal(urls, []string{wantHook}) || slug == "celle" && len(urls) > 0 {
			t.Errorf("%s calls %v", slug, urls)
		}
		if a.townDeclared(ctx) != (slug != "celle") {
			t.Errorf("%s: declared?", slug)
		}
	}
}

// A folder of files is read in the order of names; what belongs to the whole
// install is said once.
func TestLoadConfigs(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := LoadConfigs(dir)
	if refused, ok := errors.AsType[*ConfigError](err); !ok || !strings.Contains(refused.In(i18n.DE), "keine Datei") {
		t.Errorf("an empty folder: %v", err)
	}
	put("b.yaml", townFile("bestadt"))
	put("a.yaml", townFile("adorf")+"data: daten\n")
	put("c.txt", "nonsense")
	all, _, err := LoadConfigs(dir)
	if err != nil || len(all) != 2 || all[0].Town.Slug != "adorf" || all[1].Town.Slug != "bestadt" {
		t.Fatal(all, err)
	}
	if s := NewSettings(Settings{More: all[1:]}, all[0]); s.Data != "daten" {
		t.Errorf("%+v", s)
	}
	for name, text := range map[string]string{"same town": townFile("adorf"), "other data": townFile("celle") + "data: anders\n", "no town": "people: []\n"} {
		put("d.yaml", text)
		if _, _, err := LoadConfigs(dir); err == nil || !strings.Contains(err.Error(), "d.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func identityTenant(slug string) identity.Tenant {
	return identity.Tenant{Slug: slug, Name: "Stadt " + slug, StaffURL: "https://lage." + slug + ".example", PublicURL: "https://status." + slug + ".example"}
}
