package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/learn/review"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
)

// A month full of trouble still stands on one page, without what is private
// (R3.20).
func TestMonthStandsOnOnePage(t *testing.T) {
	in := newInstall(t)
	town := in.towns[0]
	p := town.people[identity.RoleIT]
	it := ident.WithActor(town.admin(), ident.Actor{Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name, Roles: []string{"it"}})
	long := "Der Zugang zum Bürgerportal und zur Terminvergabe des Einwohnermeldeamts antwortet nicht mehr zuverlässig"
	for n := range 30 {
		i, err := in.app.incident.Open(it, incident.OpenRequest{Title: fmt.Sprintf("%s (%d)", long, n), Confirmed: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = in.app.review.AddImprovement(it, review.Improvement{Incident: i.ID, Text: strings.Repeat("Besser machen. ", 20), Owner: "ada@m.example", Due: "2027-01-02"})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.app.incident.Open(it, incident.OpenRequest{Title: "Vertrauliche Sache", Confirmed: true, Private: true}); err != nil {
		t.Fatal(err)
	}
	month := in.app.o.Clock.Now().Format("2006-01")
	code, head, file := in.ask(town.by(identity.RoleReader), http.MethodGet, "/kit/month/"+month+"/pdf", nil)
	if code != 200 || head.Get("Content-Type") != "application/pdf" {
		t.Fatal(code, file)
	}
	text := pdfText(t, []byte(file))
	for _, word := range []string{"Seite 1 von 1", "Monatsblatt", "31 Vorfälle.", "Und 23 weitere", "31 sind offen", "Offene Verbesserungen", "Der Plan ist zu", "Chefin " + town.mark, "das gilt für Fassung 1"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), word) {
			t.Errorf("the sheet does not say %q:\n%s", word, text)
		}
	}
	for _, where := range []string{"/kit/month/" + month, "/api/v1/plan/months/" + month} {
		c := town.by(identity.RoleReader)
		if strings.HasPrefix(where, "/api") {
			c = town.script(identity.RoleReader)
		}
		code, _, html := in.ask(c, http.MethodGet, where, nil)
		if code != 200 || !strings.Contains(html, "Einwohnermeldeamts") || strings.Contains(html, "Vertrauliche Sache") {
			t.Errorf("%s: %d, or it tells of what is private", where, code)
		}
	}
	if strings.Contains(text, "Vertrauliche Sache") {
		t.Error("the sheet tells of what is private")
	}
	if code, _, _ := in.ask(town.by(identity.RoleReader), http.MethodGet, "/kit/month/2099-01/pdf", nil); code != 404 {
		t.Error("a month to come has a sheet:", code)
	}
}
