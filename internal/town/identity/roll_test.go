package identity_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tuermer/internal/town/identity"
)

// Whatever a directory says: nobody is deleted, somebody can still administrate,
// whom the configuration declares or the directory never named stays as they are,
// and a block by a person stays.
func TestCompareSilencesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		role := rapid.SampledFrom([]identity.Role{identity.RoleAdmin, identity.RoleIT, identity.RoleReader})
		var known []identity.Person
		for i := range rapid.IntRange(1, 8).Draw(t, "known") {
			p := identity.Person{
				ID: identity.PersonID(fmt.Sprint("p", i)), Name: fmt.Sprint("Person ", i), Email: fmt.Sprintf("p%d@stadt.example", i),
				Roles: []identity.Role{role.Draw(t, "role")}, Blocked: rapid.Bool().Draw(t, "blocked"), Declared: rapid.Bool().Draw(t, "declared"),
			}
			if rapid.Bool().Draw(t, "from the directory") {
				p.Origin = fmt.Sprint("u", i)
				p.Gone = p.Blocked && rapid.Bool().Draw(t, "gone")
			}
			known = append(known, p)
		}
		l := identity.LDAP{MaxGone: rapid.IntRange(1, 5).Draw(t, "max"), Mobile: "mobile", OrgUnit: "ou"}
		for range rapid.IntRange(0, 2).Draw(t, "groups") {
			l.Groups = append(l.Groups, identity.LDAPGroup{DN: "cn=g", Role: role.Draw(t, "group")})
		}
		found := identity.Entries()
		for range rapid.IntRange(0, 8).Draw(t, "found") {
			i := rapid.IntRange(0, 11).Draw(t, "who")
			e := identity.Person{Name: rapid.SampledFrom([]string{"", "Ada", "Bert"}).Draw(t, "name"), Email: rapid.SampledFrom([]string{fmt.Sprintf("p%d@stadt.example", i), "", "x", "neu@stadt.example"}).Draw(t, "mail")}
			if rapid.Bool().Draw(t, "in a group") && len(l.Groups) > 0 {
				e.Roles = []identity.Role{l.Groups[0].Role}
			}
			found = append(found, identity.Entry(rapid.SampledFrom([]string{fmt.Sprint("u", i), "", "u1"}).Draw(t, "uid"), fmt.Sprint("uid=", i), e))
		}
		c := identity.Compare(l, known, found)

		after := map[identity.PersonID]identity.Person{}
		admins, mails := 0, map[string]int{}
		for _, p := range known {
			after[p.ID] = p
			if p.Has(identity.RoleAdmin) && !p.Blocked {
				admins++
			}
		}
		fresh, rest := 0, 0
		for _, line := range c.Lines {
			switch line.Move {
			case identity.MoveKeep, identity.MoveRefuse:
				if line.Why == "" {
					t.Fatalf("without a reason: %+v", line)
				}
			case identity.MoveNew:
				fresh++
				mails[line.Person.Email]++
			case identity.MoveRest:
				rest++
				fallthrough
			default:
				was, ok := after[line.Person.ID]
				if !ok || was.Declared {
					t.Fatalf("%s touches %+v", line.Move, was)
				}
				if was.Blocked && !was.Gone && !line.Person.Blocked {
					t.Fatalf("a block by a person was lifted: %+v", line)
				}
				if line.Move == identity.MoveRest && was.Origin == "" {
					t.Fatalf("put to rest, and never came from there: %+v", was)
				}
				after[line.Person.ID] = line.Person
			}
		}
		left := 0
		for _, p := range after {
			mails[p.Email]++
			if p.Has(identity.RoleAdmin) && !p.Blocked {
				left++
			}
		}
		if admins > 0 && left == 0 {
			t.Fatalf("nobody can administrate any more: %+v", c.Lines)
		}
		for m, n := range mails {
			if n > 1 {
				t.Fatalf("%s twice: %+v", m, c.Lines)
			}
		}
		if len(after) != len(known) {
			t.Fatalf("%d of %d are left", len(after), len(known))
		}
		if c.TooMany != (rest > l.MaxGone) || (c.Mark == "") != (rest == 0) {
			t.Fatalf("rest %d of %d: too many %v, mark %q", rest, l.MaxGone, c.TooMany, c.Mark)
		}
		// Order does not matter for what happens.
		slices.Reverse(found)
		if d := identity.Compare(l, known, found); d.Mark != c.Mark {
			t.Fatalf("the mark depends on order")
		}
	})
}
