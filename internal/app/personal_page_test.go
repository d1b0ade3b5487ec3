package app

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
)

// The console finds a person, says beforehand what would go and what stays, erases
// on the word alone, and hands out a proof that names nobody.
func TestErasePersonOnThePage(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes its many rows ten times slower, and no goroutines meet here")
	}
	in := newInstall(t)
	town, a := in.towns[0], in.app
	p, admin, it := town.people[identity.RoleApprover], town.people[identity.RoleAdmin], town.people[identity.RoleIT]
	asker, page := town.by(identity.RoleAdmin), personalPath+"/"+string(p.ID)
	system := ident.WithActor(ident.WithTenant(t.Context(), town.id), ident.System)
	boss := ident.WithActor(system, ident.Actor{Kind: ident.KindPerson, Person: string(admin.ID), Name: admin.Name, Roles: []string{"admin"}})
	list, err := a.plan.Audience(system, town.audience)
	if err != nil {
		t.Fatal(err)
	}
	list.Recipients = append(list.Recipients, p.Email)
	if err := a.plan.Save(boss, list); err != nil {
		t.Fatal(err)
	}
	text := func(key string, args ...any) string {
		l := a.townLocale(system)
		return l.Catalog.Text(l.Lang, key, args...)
	}
	ask := func(c caller, method, path string, body any, want int, says ...string) string {
		t.Helper()
		code, _, got := in.ask(c, method, path, body)
		if code != want {
			t.Fatalf("%s %s: %d, want %d\n%.600s", method, path, code, want, got)
		}
		for _, s := range says {
			if s != "" && !strings.Contains(html.UnescapeString(got), s) {
				t.Fatalf("%s %s does not say %q\n%s", method, path, s, got)
			}
		}
		return got
	}
	word := func(s string) url.Values { return url.Values{"confirm": {s}} }

	// Only administrators, before anything is read, and two links lead there.
	for _, role := range []identity.Role{identity.RoleDPO, identity.RoleIT} {
		ask(town.by(role), http.MethodGet, page, nil, http.StatusForbidden)
		ask(town.by(role), http.MethodPost, page+"/erase", word(p.Email), http.StatusForbidden)
		ask(town.by(role), http.MethodPost, page+"/data", word(""), http.StatusForbidden)
	}
	for _, from := range []string{"/deletion", "/identity/people", "/identity/people/" + string(p.ID)} {
		ask(asker, http.MethodGet, from, nil, http.StatusOK, `href="`+personalPath)
	}

	ask(asker, http.MethodGet, personalPath+"?person="+url.QueryEscape(p.Email), nil, http.StatusOK, p.Name, `href="`+page+`"`)
	ask(asker, http.MethodGet, personalPath+"?person=niemand-heisst-so", nil, http.StatusOK, text("app.people_data_none"))
	ask(asker, http.MethodPost, page+"/data", url.Values{"as": {"text"}}, http.StatusOK, p.Email, "identity_person")

	ask(asker, http.MethodGet, page, nil, http.StatusOK, "identity_session", "plan_audience", text("app.personal_why_proof"), text("app.erase_confirm", p.Email))
	plan, err := a.PlanErasure(boss, p)
	if err != nil || len(plan.Refused) > 0 {
		t.Fatal(plan.Refused, err)
	}
	before := in.rows(town.id)
	got := ask(asker, http.MethodPost, page+"/erase", word("ja"), http.StatusUnprocessableEntity, text("app.erase_unconfirmed"))
	if !strings.Contains(got, `name="confirm"`) {
		t.Error("the form has gone")
	}

	// Who is still needed, oneself and the last administrator are refused.
	for _, c := range []struct {
		who  identity.Person
		says string
	}{{it, text("app.erase_owner", "Amt "+town.mark)}, {admin, text("identity.erase_self")}} {
		at := personalPath + "/" + string(c.who.ID)
		if got := ask(asker, http.MethodGet, at, nil, http.StatusOK, c.says); strings.Contains(got, `name="confirm"`) {
			t.Errorf("%s could be erased", c.who.Email)
		}
		ask(asker, http.MethodPost, at+"/erase", word(c.who.Email), http.StatusConflict, c.says)
	}
	// No request, so no language: the refusal is said by its key.
	if last, err := a.PlanErasure(system, admin); err != nil || !slices.Contains(last.Refused, "identity.last_admin") {
		t.Error(last.Refused, err)
	}
	for table, was := range in.rows(town.id) {
		if before[table] != was {
			t.Errorf("a refusal changed %s:\n%s\nwas\n%s", table, was, before[table])
		}
	}

	ask(asker, http.MethodPost, page+"/erase", word(" "+strings.ToUpper(p.Email)), http.StatusSeeOther)
	ask(asker, http.MethodGet, page, nil, http.StatusOK, text("app.proof"), p.Subject().StandInName)
	for _, again := range []string{p.Email, p.Subject().StandIn} {
		ask(asker, http.MethodPost, page+"/erase", word(again), http.StatusConflict, text("identity.erased_already"), text("app.proof"))
	}
	var proof Erasure
	for _, as := range []string{"json", "text"} {
		got := ask(asker, http.MethodGet, page+"/proof?as="+as, nil, http.StatusOK, p.Subject().StandInName, "plan_audience")
		for _, gone := range []string{p.Name, p.Email, p.Alternative, town.mark} {
			if strings.Contains(got, gone) {
				t.Errorf("the proof as %s says %s: %s", as, gone, got)
			}
		}
		if as == "json" {
			if err := json.Unmarshal([]byte(got), &proof); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What was said beforehand is what was done.
	if !slices.Equal(plan.Gone, proof.Gone) {
		t.Errorf("went\n%v, announced were\n%v", proof.Gone, plan.Gone)
	}
	for _, l := range proof.Kept {
		if l.Reason != "number" && !slices.ContainsFunc(plan.Kept, func(x ErasureLine) bool { return x.Table == l.Table && x.Reason == l.Reason }) {
			t.Errorf("%v stays unannounced", l)
		}
	}
	if err := a.audit.Verify(boss); err != nil {
		t.Error(err)
	}
	ask(asker, http.MethodGet, personalPath+"/"+string(it.ID)+"/proof", nil, http.StatusNotFound)
}
