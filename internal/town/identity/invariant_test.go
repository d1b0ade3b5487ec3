package identity_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
)

// Whatever is tried in the console, in a file, by people themselves or by the
// operator: whoever can be alarmed has an address outside the town, or the
// finding that says so stands on the screen.
func TestI13_AlertingHasIndependentAddress(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	h := newHouse(t, w)
	// Somebody must stay administrator, so that the rules about roles do not
	// hide those about addresses.
	h.add(t, person("Boss", identity.RoleAdmin))
	names := []string{"ada", "bert", "carl"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names)
		alternative := rapid.SampledFrom([]string{
			"", "x@t1.example", "x@sub.t1.example", "x@posteo.example", "x@neu.example", "X@POSTEO.example", "kaputt",
		})
		role := rapid.SampledFrom([]identity.Role{identity.RoleIT, identity.RoleReader})
		draw := func(t *rapid.T) identity.Person {
			n := name.Draw(t, "name")
			return identity.Person{
				Name: strings.ToUpper(n), Email: n + "@t1.example", Alternative: alternative.Draw(t, "alternative"),
				Roles: []identity.Role{role.Draw(t, "role")},
			}
		}
		must := func(err error) {
			if k := fault.KindOf(err); err != nil && k != fault.Invalid && k != fault.Conflict {
				t.Fatal(err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"save": func(t *rapid.T) {
				p := draw(t)
				if old, err := h.PersonByEmail(h.ctx, p.Email); err == nil {
					p.ID, p.Blocked = old.ID, rapid.Bool().Draw(t, "blocked")
				}
				_, err := h.SavePerson(h.admin(), p)
				must(err)
			},
			"own": func(t *rapid.T) {
				if p, err := h.PersonByEmail(h.ctx, name.Draw(t, "name")+"@t1.example"); err == nil {
					_, err = h.SaveOwn(h.as(p), identity.Own{Alternative: alternative.Draw(t, "alternative")})
					must(err)
				}
			},
			"import": func(t *rapid.T) {
				p := draw(t)
				_, err := h.Import(h.admin(), fmt.Appendf(nil, "name;email;alternative;roles\n%s;%s;%s;%s\n", p.Name, p.Email, p.Alternative, p.Roles[0]), true)
				must(err)
			},
			"declare": func(t *rapid.T) {
				var people []identity.Person
				if rapid.Bool().Draw(t, "one") {
					people = append(people, draw(t))
				}
				must(h.Declare(h.ctx, people))
			},
			"owner": func(t *rapid.T) { h.owners = []string{name.Draw(t, "owner") + "@t1.example"} },
			"town": func(t *rapid.T) {
				tn := town("t1")
				if rapid.Bool().Draw(t, "more") {
					tn.Domains = append(tn.Domains, "neu.example")
				}
				must(h.SaveTenant(h.ctx, tn))
			},
			"": func(t *rapid.T) {
				tn, err := h.Current(h.ctx)
				if err != nil {
					t.Fatal(err)
				}
				people, err := h.People(h.ctx, identity.Filter{Active: true})
				if err != nil {
					t.Fatal(err)
				}
				found, err := h.Findings(h.ctx)
				if err != nil {
					t.Fatal(err)
				}
				named := map[string]bool{}
				for _, f := range found {
					named[f.Person] = true
				}
				for _, p := range people {
					can, err := h.Alerting(h.ctx, p)
					if err != nil {
						t.Fatal(err)
					}
					if can && len(identity.Independent(tn, p)) > 0 && !named[p.Name] {
						t.Fatalf("%+v can be alarmed, depends on the town, and nobody sees it", p)
					}
				}
			},
		})
		if err := h.audit.Verify(h.ctx); err != nil {
			t.Fatal(err)
		}
	})
}
