package app

import (
	"cmp"
	"context"
	"path/filepath"
	"strings"

	"tuermer/internal/town/identity"
)

// DirectoryConfig is the town's directory of people: an LDAP server or an Active
// Directory. An empty URL is none.
type DirectoryConfig struct {
	URL          string
	CAFile       string
	CA           []byte // content of CAFile, read by [LoadConfig]
	Bind         string
	PasswordFile string
	Password     Secret // content of PasswordFile
	Base         string
	Filter       string
	Attributes   DirectoryAttributes
	Groups       []DirectoryGroup
	MaxGone      int // default 10
}

// DirectoryAttributes name what holds which part of a person.
type DirectoryAttributes struct{ ID, Name, Email, Alternative, Mobile, Chat, OrgUnit string }

// DirectoryGroup gives the members of a group a role.
type DirectoryGroup struct{ Group, Role string }

// defaultMaxGone is how many may vanish in one night before a person must say yes.
const defaultMaxGone = 10

func (r *configReader) directory(c *DirectoryConfig) setter {
	return r.object(3,
		field{"url", scalar(r, &c.URL, parseLDAP)},
		field{"base", scalar(r, &c.Base, parseLine)},
		field{"bind", scalar(r, &c.Bind, parseLine)},
		field{"password_file", scalar(r, &c.PasswordFile, parseLine)},
		field{"ca_file", scalar(r, &c.CAFile, parseLine)},
		field{"filter", scalar(r, &c.Filter, parseFilter)},
		field{"attributes", r.object(0,
			field{"id", scalar(r, &c.Attributes.ID, parseLine)},
			field{"name", scalar(r, &c.Attributes.Name, parseLine)},
			field{"email", scalar(r, &c.Attributes.Email, parseLine)},
			field{"alternative", scalar(r, &c.Attributes.Alternative, parseLine)},
			field{"mobile", scalar(r, &c.Attributes.Mobile, parseLine)},
			field{"chat", scalar(r, &c.Attributes.Chat, parseLine)},
			field{"org_unit", scalar(r, &c.Attributes.OrgUnit, parseLine)},
		)},
		field{"groups", listOf(r, &c.Groups, func(g *DirectoryGroup) setter {
			return r.object(2,
				field{"group", scalar(r, &g.Group, parseLine)},
				field{"role", scalar(r, &g.Role, oneOf(roles))},
			)
		})},
		field{"max_gone", r.number(&c.MaxGone, 1, 10_000)},
	)
}

// parseLDAP takes the address of a server. ldap:// is always encrypted by
// STARTTLS: names and numbers of a whole town do not travel in clear.
func parseLDAP(s string) (string, *complaint) {
	u, ok := webURL(s, "ldap", "ldaps")
	if !ok || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", sorry("config.ldap_url", shorten(s))
	}
	return s, nil
}

// parseFilter takes an LDAP filter in brackets; the server judges the rest.
func parseFilter(s string) (string, *complaint) {
	if identity.ValidFilter(s) {
		return s, nil
	}
	return "", sorry("config.ldap_filter", shorten(s))
}

// fill fills in what OpenLDAP's inetOrgPerson has; an Active Directory
// names other attributes.
func (c *DirectoryConfig) fill() {
	if c.URL == "" {
		return
	}
	a := &c.Attributes
	c.Filter = cmp.Or(c.Filter, "(&(objectClass=person)(mail=*))")
	a.ID, a.Name, a.Email = cmp.Or(a.ID, "entryUUID"), cmp.Or(a.Name, "cn"), cmp.Or(a.Email, "mail")
	a.Mobile, a.OrgUnit = cmp.Or(a.Mobile, "mobile"), cmp.Or(a.OrgUnit, "ou")
	c.MaxGone = cmp.Or(c.MaxGone, defaultMaxGone)
}

// directoryFiles reads the files that the directory names.
func (r *configReader) directoryFiles(folder string, c *DirectoryConfig) {
	if c.URL == "" {
		return
	}
	r.secret(folder, c.PasswordFile, "directory.password_file", &c.Password)
	if c.CAFile == "" {
		return
	}
	full := c.CAFile
	if !filepath.IsAbs(full) {
		full = filepath.Join(folder, full)
	}
	pem, err := readBounded(full, maxConfig)
	if err != nil {
		r.refuse(r.at["directory.ca_file"], "directory.ca_file", "config.secret_unreadable", full, plainError(err))
		return
	}
	c.CA = pem
}

// directory is the directory of the town in ctx.
func (a *App) directory(ctx context.Context) (identity.LDAP, bool) {
	c := a.configOf(ctx)
	if c == nil || c.Directory.URL == "" {
		return identity.LDAP{}, false
	}
	d := c.Directory
	l := identity.LDAP{
		URL: d.URL, CA: d.CA, BindDN: d.Bind, Password: d.Password.Reveal(), Base: d.Base, Filter: d.Filter,
		ID: d.Attributes.ID, Name: d.Attributes.Name, Mail: d.Attributes.Email, Alternative: d.Attributes.Alternative,
		Mobile: d.Attributes.Mobile, Chat: d.Attributes.Chat, OrgUnit: d.Attributes.OrgUnit, MaxGone: d.MaxGone,
	}
	for _, g := range d.Groups {
		l.Groups = append(l.Groups, identity.LDAPGroup{DN: g.Group, Role: identity.Role(g.Role)})
	}
	return l, true
}

// SyncLine is one difference between the directory and the people here, in the
// operator's language.
type SyncLine struct{ Move, Name, Email, What string }

// SyncReport is what a run over the directory did, or would do.
type SyncReport struct {
	Lines       []SyncLine
	Found, Same int
	Waiting     int    // who would vanish and waits for a confirmation
	Mark        string // that confirms them
}

// SyncDirectory compares the people with the town's directory; unless dry it
// carries the difference out. confirm is the mark of a dry run.
func (Commands) SyncDirectory(ctx context.Context, s Settings, dry bool, confirm string) (out SyncReport, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		var c identity.Comparison
		var err error
		if dry {
			c, err = a.identity.Preview(ctx)
		} else {
			c, err = a.identity.SyncPeople(ctx, confirm)
		}
		if err != nil {
			return err
		}
		out = SyncReport{Found: c.Found, Same: c.Same, Mark: c.Mark}
		if c.TooMany && confirm == "" {
			out.Waiting = c.Count(identity.MoveRest)
		}
		text := func(key string) string { return a.catalog.Text(s.Lang, key) }
		for _, l := range identity.Shown(c) {
			line := SyncLine{Move: text("identity.move_" + string(l.Move)), Name: l.Person.Name, Email: l.Person.Email}
			if l.Why != "" {
				line.What = text(l.Why)
			}
			out.Lines = append(out.Lines, line)
		}
		return nil
	})
	return out, err
}

// checkDirectory asks the directory whether it answers. That it does not is no
// serious finding: the people are here.
func (a *App) checkDirectory(ctx context.Context, s Settings) []CheckResult {
	l, ok := a.directory(ctx)
	if !ok {
		return nil
	}
	if err := a.identity.CheckDirectory(ctx); err != nil {
		e := explained{err}
		return []CheckResult{{What: a.catalog.Text(s.Lang, "app.check_directory", l.URL, e.In(s.Lang)), WayOut: a.catalog.Text(s.Lang, "app.check_directory_out")}}
	}
	return nil
}
