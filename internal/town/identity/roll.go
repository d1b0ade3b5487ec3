package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"tuermer/internal/platform/fault"
)

// Move is what a run over the directory does, or would do, with one person.
type Move string

// The moves; each has a word with the key "identity.move_" + move.
const (
	MoveNew    Move = "new"
	MoveChange Move = "change"
	MoveBack   Move = "back"   // rested since they were gone, and is there again
	MoveRest   Move = "rest"   // gone: blocked, never deleted
	MoveKeep   Move = "keep"   // gone, but stays for the reason named
	MoveRefuse Move = "refuse" // cannot be taken as it stands in the directory
)

// Line is one difference between the directory and the people here.
type Line struct {
	Move    Move
	Person  Person            // as it will be
	Changed map[string]string // field and new value
	Why     string            // text key, for keep and refuse
}

// Comparison is the whole difference.
type Comparison struct {
	Lines []Line
	Found int // people in the directory
	Same  int
	// TooMany: more would vanish than one run may put to rest unasked.
	TooMany bool
	// Mark names exactly those who would be put to rest; whoever confirms sends
	// it back, so that nobody confirms others than they saw.
	Mark string
}

// Count is how many lines have the move.
func (c Comparison) Count(m Move) (n int) {
	for _, l := range c.Lines {
		if l.Move == m {
			n++
		}
	}
	return n
}

// Compare says what the people here would become. It is a pure rule: known are
// all people of the town, found those of the directory. Nobody is deleted. People
// whom the directory never named, the configuration's and the last administrator
// are never put to rest, and somebody whom a person blocked stays blocked.
func Compare(l LDAP, known []Person, found []entry) Comparison {
	c := Comparison{Found: len(found)}
	byMail, byUID := map[string]int{}, map[string]int{}
	admins := 0
	for i, p := range known {
		byMail[p.Email] = i
		if p.Origin != "" {
			byUID[p.Origin] = i
		}
		if p.Has(RoleAdmin) && !p.Blocked {
			admins++
		}
	}
	var managed []Role
	for _, g := range l.Groups {
		managed = append(managed, g.Role)
	}
	here, uids, mails := map[PersonID]bool{}, map[string]int{}, map[string]int{}
	for _, e := range found {
		uids[e.UID]++
		if m, ok := Address(e.Person.Email); ok {
			mails[m]++
		}
	}
	for _, e := range found {
		i, is := byUID[e.UID]
		if mail, ok := Address(e.Person.Email); !is && ok {
			i, is = byMail[mail]
		}
		if is {
			here[known[i].ID] = true // whatever is wrong with the entry, they are not gone
		}
		p, err := Normal(e.Person)
		why := ""
		switch {
		case e.UID == "":
			why = "identity.directory_no_id"
		case uids[e.UID] > 1:
			why = "identity.directory_id_twice"
		case e.Person.Email == "":
			why = "identity.directory_no_mail"
		case err != nil:
			for _, field := range []string{"name", "email", "alternative", "mobile", "org_unit"} {
				if key := fault.As(err).Fields[field]; key != "" && why == "" {
					why = key
				}
			}
		case mails[p.Email] > 1:
			why = "identity.directory_mail_twice"
		case is && known[i].Declared:
			continue // tuermer.yaml has the word
		case is && known[i].Origin != "" && known[i].Origin != e.UID:
			why = "identity.email_taken"
		}
		if j, taken := byMail[p.Email]; why == "" && taken && (!is || j != i) {
			why = "identity.email_taken"
		}
		if why != "" {
			p.Name = strings.TrimSpace(strings.Join([]string{p.Name, e.DN}, " · "))
			c.Lines = append(c.Lines, Line{Move: MoveRefuse, Person: p, Why: why})
			continue
		}
		p.Origin = e.UID
		if !is {
			if len(p.Roles) == 0 {
				p.Roles = []Role{RoleReader}
			}
			c.Lines = append(c.Lines, Line{Move: MoveNew, Person: p})
			continue
		}
		next := merged(l, known[i], p, managed)
		line := Line{Move: MoveChange, Person: next}
		if known[i].Has(RoleAdmin) && !known[i].Blocked && !next.Has(RoleAdmin) {
			if admins <= 1 {
				line.Person.Roles, line.Why = append(next.Roles, RoleAdmin), "identity.directory_last_admin"
			} else {
				admins--
			}
		}
		if known[i].Gone {
			line.Move, line.Person.Blocked, line.Person.Gone = MoveBack, false, false
		}
		line.Changed = changes(known[i], line.Person)
		if known[i].Origin != e.UID {
			line.Changed["origin"] = e.UID
		}
		if len(line.Changed) == 0 {
			c.Same++
			continue
		}
		c.Lines = append(c.Lines, line)
	}
	mark := sha256.New()
	rest := 0
	for _, p := range known {
		if p.Origin == "" || here[p.ID] || p.Blocked || p.Declared {
			continue
		}
		if p.Has(RoleAdmin) {
			if admins <= 1 {
				c.Lines = append(c.Lines, Line{Move: MoveKeep, Person: p, Why: "identity.directory_last_admin"})
				continue
			}
			admins--
		}
		rest++
		mark.Write([]byte(string(p.ID) + "\n"))
		next := p
		next.Blocked, next.Gone = true, true
		c.Lines = append(c.Lines, Line{Move: MoveRest, Person: next})
	}
	c.TooMany = rest > l.MaxGone
	if rest > 0 {
		c.Mark = hex.EncodeToString(mark.Sum(nil))[:16]
	}
	slices.SortStableFunc(c.Lines, func(a, b Line) int { return strings.Compare(fold(a.Person.Name), fold(b.Person.Name)) })
	return c
}

// merged is old with what the directory says. Roles that no group gives are the
// console's and stay.
func merged(l LDAP, old, p Person, managed []Role) Person {
	next := old
	next.Name, next.Email, next.Origin = p.Name, p.Email, p.Origin
	for _, f := range []struct {
		mapped   string
		to, from *string
	}{{l.Alternative, &next.Alternative, &p.Alternative}, {l.Mobile, &next.Mobile, &p.Mobile}, {l.Chat, &next.Chat, &p.Chat}, {l.OrgUnit, &next.OrgUnit, &p.OrgUnit}} {
		// An empty attribute says nothing: a number that somebody entered here
		// may be the one that wakes them.
		if f.mapped != "" && *f.from != "" {
			*f.to = *f.from
		}
	}
	next.Roles = nil
	for _, role := range Roles() {
		if slices.Contains(managed, role) && slices.Contains(p.Roles, role) || !slices.Contains(managed, role) && slices.Contains(old.Roles, role) {
			next.Roles = append(next.Roles, role)
		}
	}
	if len(next.Roles) == 0 {
		next.Roles = []Role{RoleReader}
	}
	return next
}
