package app

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// admin is the town's administrator, acting past the pages.
func (w *testTown) admin() context.Context {
	p := w.people[identity.RoleAdmin]
	return ident.WithActor(ident.WithTenant(context.Background(), w.id), ident.Actor{
		Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name, Roles: []string{"admin"},
	})
}

// The display's page opens for a stranger, sets no cookie, is in no index, and
// ends when its link does.
func TestSwitchboardLink(t *testing.T) {
	in := newInstall(t)
	town := in.towns[0]
	stranger := caller{host: town.host}
	code, head, text := in.ask(stranger, http.MethodGet, "/t/"+town.secret, nil)
	if code != 200 || !strings.Contains(text, "Was sagen wir am Telefon?") || !strings.Contains(text, "Umweg "+town.mark) {
		t.Fatal(code, text)
	}
	if len(head.Values("Set-Cookie")) > 0 || !strings.Contains(head.Get("X-Robots-Tag"), "noindex") || head.Get("Refresh") == "" || head.Get("Referrer-Policy") != "no-referrer" {
		t.Error("the page leaves traces:", head)
	}
	if strings.Contains(text, "Abmelden") || strings.Contains(text, "/kit/links") {
		t.Error("the page shows the console")
	}
	// Whoever is signed in sees what the display shows, and no more.
	if _, _, own := in.ask(town.by(identity.RoleAdmin), http.MethodGet, "/t/"+town.secret, nil); strings.Contains(own, "/kit/links") {
		t.Error("signed in it shows more")
	}
	if code, _, _ := in.ask(stranger, http.MethodGet, "/t/"+town.secret+"?lang=en", nil); code != 200 {
		t.Error(code)
	}
	for _, wrong := range []string{"/t/falsch", "/t/" + town.secret[1:], "/tp/" + town.secret, "/t/" + in.towns[1].secret} {
		if code, _, _ := in.ask(stranger, http.MethodGet, wrong, nil); code != 404 {
			t.Errorf("%s: %d", wrong, code)
		}
	}
	if err := in.app.plan.RevokeLink(town.admin(), town.link); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := in.ask(stranger, http.MethodGet, "/t/"+town.secret, nil); code != 404 {
		t.Error("a revoked link works:", code)
	}
}

// I17: whatever else happens to an incident, while it is private no page behind
// a secret link says a word of it, in any form.
func TestI17_SecretLinksTellNothingPrivate(t *testing.T) {
	in := newInstall(t)
	town := in.towns[0]
	admin := town.admin()
	if err := in.app.plan.Save(admin, plan.Audience{Slug: "partner", Kind: plan.Partners, Name: "Partner", Recipients: []string{"p@post.example"}}); err != nil {
		t.Fatal(err)
	}
	s, err := in.app.service.Get(admin, town.service)
	if err != nil {
		t.Fatal(err)
	}
	s.Audiences = append(s.Audiences, "partner")
	if err := in.app.service.Save(admin, s); err != nil {
		t.Fatal(err)
	}
	_, partners, err := in.app.plan.CreateLink(admin, plan.PartnerPage, "Kreis")
	if err != nil {
		t.Fatal(err)
	}
	if err := in.app.plan.Save(admin, plan.Audience{Slug: "haus", Kind: plan.Staff, Name: "Haus", Recipients: []string{"alle@haus.example"}}); err != nil {
		t.Fatal(err)
	}
	_, intranet, err := in.app.plan.CreateLink(admin, plan.StaffPage, "Intranet", "https://intranet.example")
	if err != nil {
		t.Fatal(err)
	}
	i, err := in.app.incident.Get(admin, incident.ID(town.incident))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.app.plan.Edit(admin, plan.Contacts, -1, func(d *plan.Document) error {
		d.Contacts = append(d.Contacts, plan.Contact{ID: "lage", Kind: plan.Inside, Name: "Leitstand", Phone: "0611 900"}, plan.Contact{ID: "haus", Kind: plan.Inside, Name: "Zuhause", Phone: "0611 901", Private: true})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	see := func(path string) string {
		t.Helper()
		code, _, text := in.ask(caller{host: town.host}, http.MethodGet, path, nil)
		if code != 200 {
			t.Fatal(path, code)
		}
		return text
	}
	_, head, _ := in.ask(caller{host: town.host}, http.MethodGet, "/ti/"+intranet, nil)
	if p := head.Get("Content-Security-Policy"); !strings.Contains(p, "frame-ancestors 'self' https://intranet.example") || head.Get("Set-Cookie") != "" {
		t.Errorf("the intranet may not frame it, or it sets a cookie: %v", head)
	}
	if _, head, _ = in.ask(caller{host: town.host}, http.MethodGet, "/t/"+town.secret, nil); !strings.Contains(head.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Error("another display may be framed")
	}
	for _, private := range []bool{false, true, false, true} {
		for _, level := range incident.Levels() {
			if err := in.app.incident.Edit(admin, i.ID, incident.Edit{Private: &private}); err != nil {
				t.Fatal(err)
			}
			if err := in.app.incident.SetLevel(admin, i.ID, level); err != nil {
				t.Fatal(err)
			}
			phone, partner := see("/t/"+town.secret), see("/tp/"+partners)
			told := strings.Contains(phone, "Text vom") && strings.Contains(phone, "Umweg "+town.mark)
			hinted := strings.Contains(phone, "Hinweise auf eine Störung")
			if told == private || (private && hinted) {
				t.Errorf("private %v, %s: told %v, hinted %v", private, level, told, hinted)
			}
			staff := see("/ti/"+intranet) + see("/ti/"+intranet+"/feed.atom")
			if private && strings.Contains(staff, `tm-state--down`) {
				t.Error("the colour in the intranet tells of it")
			}
			if strings.Contains(phone+partner+staff, i.Title) {
				t.Errorf("private %v: the title is told", private)
			}
			if !strings.Contains(partner, "Leitstand") || strings.Contains(partner, "Zuhause") {
				t.Error("partners see no number, or a private one")
			}
			if private && strings.Contains(partner, `tm-state--down`) {
				t.Error("the colour tells of it")
			}
		}
	}
}

// The files say what the pages say; the same Stand is the same file.
func TestPlanSheets(t *testing.T) {
	in := newInstall(t)
	town := in.towns[0]
	by := town.by(identity.RolePublisher)
	person := string(town.people[identity.RoleApprover].ID)
	for page, file := range map[string]string{
		"/kit/folder": "/kit/folder.pdf", "/kit/car": "/kit/car.pdf", "/kit/handover/" + person: "/kit/handover/" + person + "/pdf",
		"/incident/" + town.incident + "/brief": "/incident/" + town.incident + "/brief/pdf",
	} {
		code, _, html := in.ask(by, http.MethodGet, page, nil)
		if code != 200 || !strings.Contains(html, file) || strings.Contains(html, ">desk.") {
			t.Errorf("%s: %d %.300s", page, code, html)
		}
		code, head, one := in.ask(by, http.MethodGet, file, nil)
		_, _, two := in.ask(by, http.MethodGet, file, nil)
		if code != 200 || head.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(one, "%PDF-") || one != two {
			t.Errorf("%s: %d, %d and %d bytes", file, code, len(one), len(two))
		}
		text := pdfText(t, []byte(one))
		for _, want := range []string{"Stand", town.mark} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", file, want, text)
			}
		}
	}
	_, _, folder := in.ask(by, http.MethodGet, "/kit/folder.pdf", nil)
	text := pdfText(t, []byte(folder))
	for _, want := range []string{"Notfallmappe", "Wache " + town.mark, "0611 110", "Kurz " + town.mark, "Was ist genau geschehen", "Umweg " + town.mark, "Gilt bis", "Seite 1 von", "Kennung"} {
		if !strings.Contains(text, want) {
			t.Errorf("the folder does not say %q", want)
		}
	}
	_, _, api := in.ask(town.script(identity.RolePublisher), http.MethodGet, "/api/v1/plan/folder", nil)
	if api != folder {
		t.Error("the API hands out another file")
	}
	if code, _, _ := in.ask(town.by(identity.RoleReader), http.MethodGet, "/kit/handover/"+person, nil); code != 403 {
		t.Error("a reader sees somebody's handover sheet:", code)
	}
	if code, _, _ := in.ask(town.by(identity.RoleReader), http.MethodGet, "/kit/handover/"+string(town.people[identity.RoleReader].ID), nil); code != 200 {
		t.Error("a reader does not see their own:", code)
	}
}

// pdfText is what another program reads in the file.
func pdfText(t *testing.T, pdf []byte) string {
	t.Helper()
	bin, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Skip("pdftotext is missing; script/setup paper installs it")
	}
	file := filepath.Join(t.TempDir(), "a.pdf")
	if err := os.WriteFile(file, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), bin, file, "-")
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
