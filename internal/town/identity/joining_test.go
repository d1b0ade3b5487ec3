package identity_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/paper"
	"tuermer/internal/town/identity"
)

// crowd imports n people of three units by CSV.
func (h *house) crowd(t *testing.T, n int) {
	t.Helper()
	var csv strings.Builder
	csv.WriteString("name;email;alternative;mobile;roles;orgunit\n")
	for i := range n {
		fmt.Fprintf(&csv, "Person %03d;p%03d@t1.example;;;reader;Amt %d\n", i, i, i%3+1)
	}
	report, err := h.Import(h.admin(), []byte(csv.String()), true)
	if err != nil || report.Count(identity.OutcomeCreate) != n {
		t.Fatalf("import: %v, %+v", err, report)
	}
}

// R4.8: three hundred people are imported, and each joins by what the camera
// reads from the sheet, once, without typing where.
func TestThreeHundredJoinByCode(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.crowd(t, 300)
		boss := h.add(t, person("Boss", identity.RoleAdmin))
		list, err := h.InviteOnPaper(h.as(boss), nil)
		if err != nil || len(list) != 300 {
			t.Fatalf("invited %d, %v; the administrator is not among them", len(list), err)
		}
		seen := map[identity.PersonID]bool{}
		for _, in := range list {
			token, ok := strings.CutPrefix(in.Link, "https://lage.t1.example/identity/link/")
			if !ok {
				t.Fatalf("the code leads to %q", in.Link)
			}
			s, err := h.UseLink(h.ctx, token, identity.Client{Address: "198.51.100.7"})
			if err != nil || s.Person != in.Person.ID {
				t.Fatalf("%s joined as %q, %v", in.Person.Name, s.Person, err)
			}
			if _, err := h.UseLink(h.ctx, token, identity.Client{}); fault.KindOf(err) != fault.NotFound {
				t.Fatalf("the code of %s works twice: %v", in.Person.Name, err)
			}
			seen[s.Person] = true
		}
		if len(seen) != 300 {
			t.Errorf("%d of 300 people joined", len(seen))
		}
		if _, err := h.InviteOnPaper(h.as(boss), nil); fault.KindOf(err) != fault.Conflict {
			t.Errorf("nobody waits any more: %v", err)
		}
	})
}

// An invitation ends: by time, by another one, by being taken back, and when its
// person came another way.
func TestInvitationEnds(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.crowd(t, 6)
		admin := h.admin()
		ask := func(unit *string) []identity.Invitation {
			t.Helper()
			list, err := h.InviteOnPaper(admin, unit)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		good := func(in identity.Invitation) bool {
			_, err := h.LinkPerson(h.ctx, in.Link[strings.LastIndex(in.Link, "/")+1:])
			return err == nil
		}
		first := ask(nil)
		two := "Amt 2"
		second := ask(&two)
		if len(first) != 6 || len(second) != 2 {
			t.Fatalf("%d and %d invitations", len(first), len(second))
		}
		for _, in := range first {
			if want := in.Person.OrgUnit != two; good(in) != want {
				t.Errorf("first sheet, %s of %s: good %v", in.Person.Name, in.Person.OrgUnit, !want)
			}
		}
		units, err := h.Units(admin)
		if err != nil || len(units) != 3 || units[1].Name != two || units[1].Waiting != 2 || units[1].Invited != 2 || !units[1].Until.Equal(second[0].Until) {
			t.Errorf("units %+v, %v", units, err)
		}

		// Came by a mailed link: the paper that lies about opens nothing.
		link, err := h.SignInLink(admin, second[0].Person.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.UseLink(h.ctx, link[strings.LastIndex(link, "/")+1:], identity.Client{}); err != nil {
			t.Fatal(err)
		}
		if good(second[0]) || !good(second[1]) {
			t.Error("an invitation outlives that its person came, or falls with another's")
		}

		n, err := h.WithdrawInvitations(admin)
		if err != nil || n == 0 || good(second[1]) || good(first[0]) {
			t.Errorf("withdrawn %d, %v", n, err)
		}
		last := ask(nil)
		h.now = h.now.Add(identity.JoinAge - time.Second)
		if !good(last[0]) {
			t.Error("over before its time")
		}
		h.now = h.now.Add(2 * time.Second)
		if good(last[0]) {
			t.Error("good beyond its time")
		}
		if _, err := h.InviteOnPaper(h.as(second[1].Person), nil); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("a reader invites: %v", err)
		}
	})
}

func TestJoiningPage(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		boss := h.add(t, person("Boss", identity.RoleAdmin))
		b := h.site(t)
		link, err := h.SignInLink(h.as(boss), boss.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		b.post("/identity/link/" + link[strings.LastIndex(link, "/")+1:])
		if code, doc := b.get(identity.JoinPath); code != http.StatusOK || !strings.Contains(doc.Text(), "Alle waren schon da") {
			t.Errorf("%d, nobody waits: %s", code, doc.Find("main").Text())
		}
		h.crowd(t, 4)
		if code, doc := b.get(identity.JoinPath); code != http.StatusOK || doc.Find("select option").Length() != 4 {
			t.Errorf("%d, choices: %s", code, doc.Find("select").Text())
		}
		if code, doc, _ := b.post(identity.JoinPath, "unit", "7"); code != http.StatusUnprocessableEntity || doc.Find("#unit[aria-invalid]").Length() != 1 {
			t.Errorf("a unit that is not there: %d", code)
		}
		code, _, head := b.post(identity.JoinPath, "unit", "all")
		if code != http.StatusOK || head.Get("Content-Type") != "application/pdf" || head.Get("Cache-Control") != "no-store" {
			t.Errorf("%d, %v", code, head)
		}
		if _, doc := b.get(identity.JoinPath); doc.Find("form[action$=withdraw] button").Text() == "" {
			t.Error("nothing to withdraw")
		}
		if code, doc, _ := b.post(identity.JoinPath + "/withdraw"); code != http.StatusOK || !strings.Contains(doc.Text(), "4 Einladungen sind ungültig") {
			t.Errorf("%d: %s", code, doc.Find("main").Text())
		}
	})
}

// What a camera reads: poppler draws the sheet and zbar, which knows nothing of
// us, reads it.
func TestSheetIsReadByACamera(t *testing.T) {
	for _, tool := range []string{"pdftoppm", "zbarimg"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is missing; script/setup paper installs it")
		}
	}
	var list []identity.Invitation
	for i := range 23 {
		list = append(list, identity.Invitation{
			Person: identity.Person{Name: fmt.Sprintf("Person %d mit einem langen Namen-Müllerbaum", i), OrgUnit: fmt.Sprintf("Amt %d", i/9)},
			Link:   fmt.Sprintf("https://lage.musterstadt.example/identity/link/%043d", i),
		})
	}
	raw, err := paper.PDF(identity.JoinSheet(t.Context(), town("t1"), list, start))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sheet.pdf"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "pdftoppm", "-r", "150", "-gray", filepath.Join(dir, "sheet.pdf"), filepath.Join(dir, "p")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "p*.pgm"))
	if err != nil || len(pages) < 3 {
		t.Fatalf("%d pages for three units, %v", len(pages), err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "zbarimg", append([]string{"--quiet", "--raw", "-Sdisable", "-Sqrcode.enable"}, pages...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	read := regexp.MustCompile(`\S+`).FindAllString(string(out), -1)
	slices.Sort(read)
	want := make([]string, len(list))
	for i, in := range list {
		want[i] = in.Link
	}
	slices.Sort(want)
	if !slices.Equal(read, want) {
		t.Errorf("read %d codes of %d:\n%s", len(read), len(want), strings.Join(read, "\n"))
	}
}
