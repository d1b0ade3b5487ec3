package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// langOf is the console's language for a tag.
func langOf(tag string) i18n.Lang { return i18n.Parse(tag) }

// letter is one single mail of this room: subject and body are the texts
// key_subject and key_body, filled with args in the reader's language.
type letter struct {
	id    string // stable over retries
	to    string
	name  string
	lang  i18n.Lang
	key   string
	args  func(l i18n.Locale) []any
	realm incident.Realm
	about incident.ID
}

func (r *Room) post(ctx context.Context, zone *time.Location, m letter) error {
	l := i18n.Locale{Catalog: r.o.Catalog, Lang: m.lang, Zone: zone, Now: r.o.Clock.Now()}
	args := append([]any{m.name}, m.args(l)...)
	err := r.o.Outbox.Send(ctx, channel.Message{
		ID: m.id, Kind: channel.Mail, Class: channel.Single, Realm: channel.Realm(m.realm), To: m.to, ToName: m.name,
		Subject: l.Catalog.Text(l.Lang, m.key+"_subject", args...), Text: l.Catalog.Text(l.Lang, m.key+"_body", args...),
		Language: string(m.lang), Automatic: true, Thread: "publish-" + string(m.about), Date: l.Now,
	})
	if err != nil {
		return fmt.Errorf("publish: letter: %w", err)
	}
	return nil
}

// home is the tenant with its zone.
func (r *Room) home(ctx context.Context) (identity.Tenant, *time.Location, error) {
	t, err := r.o.People.Current(ctx)
	if err != nil {
		return t, nil, err
	}
	zone, err := clock.Zone(t.Zone)
	return t, zone, err
}

// holders lists who has one of the roles and may act, each once.
func (r *Room) holders(ctx context.Context, roles ...identity.Role) ([]identity.Person, error) {
	var out []identity.Person
	for _, role := range roles {
		list, err := r.o.People.People(ctx, identity.Filter{Role: role})
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if !p.Blocked && !slices.ContainsFunc(out, func(o identity.Person) bool { return o.ID == p.ID }) {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// toPeople posts one letter to every address of each person; more adds what
// only this person reads, such as a link.
func (r *Room) toPeople(ctx context.Context, zone *time.Location, people []identity.Person, m letter, more func(p identity.Person) string) error {
	for _, p := range people {
		own := ""
		if more != nil {
			own = more(p)
		}
		for i, to := range p.Addresses() {
			one := m
			one.id = fmt.Sprintf("%s.%s.%d", m.id, p.ID, i)
			one.to, one.name, one.lang = to, p.Name, langOf(p.Language)
			one.args = func(l i18n.Locale) []any { return append(m.args(l), own) }
			if err := r.post(ctx, zone, one); err != nil {
				return err
			}
		}
	}
	return nil
}

// kindTitle is the kind's name for a reader.
func kindTitle(l i18n.Locale, k template.Kind) string {
	return l.Catalog.Text(l.Lang, "template.kind."+string(k))
}

// excerpt shows the words in the reader's language: the first mail text.
func excerpt(vs []Variant, lang i18n.Lang) string {
	best := -1
	for i, v := range vs {
		if v.Format != template.Mail {
			continue
		}
		if string(v.Language) == string(lang) {
			best = i
			break
		}
		if best < 0 {
			best = i
		}
	}
	if best < 0 {
		return ""
	}
	return "    " + strings.ReplaceAll(vs[best].Subject+"\n\n"+vs[best].Body, "\n", "\n    ")
}

// askApprovers writes to whoever may approve s and tells how many were asked:
// the one named by the author, or all. Again writes to the others (or to all
// once more) and to the admins, since the first was silent.
func (r *Room) askApprovers(ctx context.Context, s Statement, again bool) (int, error) {
	tenant, zone, err := r.home(ctx)
	if err != nil {
		return 0, err
	}
	sp, err := r.speechFor(ctx, s)
	if err != nil {
		return 0, err
	}
	people, err := r.releasers(ctx, s, sp)
	if err != nil {
		return 0, err
	}
	if again {
		more, err := r.holders(ctx, identity.RoleApprover, identity.RoleAdmin)
		if err != nil {
			return 0, err
		}
		for _, p := range more {
			if !s.WrittenBy(p.ID) && !slices.ContainsFunc(people, func(o identity.Person) bool { return o.ID == p.ID }) {
				people = append(people, p)
			}
		}
	}
	if s.Asked != "" {
		picked := slices.ContainsFunc(people, func(p identity.Person) bool { return p.ID == s.Asked })
		if !again && !picked {
			return 0, fault.New(fault.Invalid, "publish.asked").Field("approver", "publish.asked")
		}
		if alone := len(people) == 1; picked && !alone {
			people = slices.DeleteFunc(people, func(p identity.Person) bool { return (p.ID == s.Asked) == again })
		}
	}
	in, err := r.o.Incidents.Get(ctx, s.Incident)
	if err != nil {
		return 0, err
	}
	key := "publish.mail_ask"
	if again {
		key = "publish.mail_ask_again"
	}
	expires := r.o.Clock.Now().Add(linkFor)
	m := letter{
		id: fmt.Sprintf("%s.%s.%d", s.ID, strings.TrimPrefix(key, "publish.mail_"), s.Revision), key: key, realm: s.Realm, about: s.Incident,
		args: func(l i18n.Locale) []any {
			return []any{strings.Join(s.AuthorNames(), ", "), kindTitle(l, s.Kind), in.Title, excerpt(s.seen, l.Lang), l.Short(expires)}
		},
	}
	link := func(p identity.Person) string {
		if !sp.may(s, p) {
			return tenant.StaffURL + "/publish/" + string(s.ID)
		}
		return r.link(tenant, linkApprove, s, p.ID, expires)
	}
	return len(people), r.toPeople(ctx, zone, people, m, link)
}

// tellReturned sends the note back to the authors.
func (r *Room) tellReturned(ctx context.Context, s Statement) error {
	tenant, zone, err := r.home(ctx)
	if err != nil {
		return err
	}
	people, err := r.authors(ctx, s)
	if err != nil {
		return err
	}
	return r.toPeople(ctx, zone, people, letter{
		id: fmt.Sprintf("%s.returned.%d", s.ID, s.Revision), key: "publish.mail_returned", realm: s.Realm, about: s.Incident,
		args: func(l i18n.Locale) []any {
			return []any{s.ReturnedBy, kindTitle(l, s.Kind), s.Note, tenant.StaffURL + "/publish/" + string(s.ID)}
		},
	}, nil)
}

func (r *Room) authors(ctx context.Context, s Statement) ([]identity.Person, error) {
	var out []identity.Person
	for _, a := range s.Authors {
		if a.Person == "" {
			continue
		}
		p, err := r.o.People.Person(ctx, a.Person)
		if err != nil && fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !p.Blocked {
			out = append(out, p)
		}
	}
	return out, nil
}

// tellOthers writes to publishers, approvers and admins when a statement went
// out without a second person reading it first (I3).
func (r *Room) tellOthers(ctx context.Context, s Statement) error {
	key := map[Way]string{
		WayTemplate: "publish.mail_template", WayPhone: "publish.mail_phone", WayBreakGlass: "publish.mail_break_glass",
	}[s.Approval.Way]
	if key == "" {
		return nil
	}
	tenant, zone, err := r.home(ctx)
	if err != nil {
		return err
	}
	people, err := r.holders(ctx, identity.RoleApprover, identity.RolePublisher, identity.RoleAdmin)
	if err != nil {
		return err
	}
	me := identity.PersonID(ident.ActorOf(ctx).Person)
	people = slices.DeleteFunc(people, func(p identity.Person) bool { return p.ID == me })
	in, err := r.o.Incidents.Get(ctx, s.Incident)
	if err != nil {
		return err
	}
	vs, err := r.variants(ctx, s.ID)
	if err != nil {
		return err
	}
	expires := r.o.Clock.Now().Add(linkFor)
	who := s.Approval.PublishedBy
	if who == "" {
		who = s.Approval.ByName
	}
	return r.toPeople(ctx, zone, people, letter{
		id: string(s.ID) + ".told", key: key, realm: s.Realm, about: s.Incident,
		args: func(l i18n.Locale) []any {
			why := s.Approval.Reason
			if c := s.Approval.Phone; c != nil {
				why = c.Name + ", " + c.Number + ", " + l.Short(c.At)
			}
			return []any{who, kindTitle(l, s.Kind), in.Title, excerpt(vs, l.Lang), why, s.Approval.ByName}
		},
	}, func(p identity.Person) string {
		if mayConfirm(s, actor{person: p.ID, approver: p.Has(identity.RoleApprover)}) == nil {
			return r.link(tenant, linkConfirm, s, p.ID, expires)
		}
		return tenant.StaffURL + "/publish/" + string(s.ID)
	})
}

// remind writes to the audience's owner and deputy, or to every publisher, that
// a promised time is near.
func (r *Room) remind(ctx context.Context, p Promise, in incident.Incident) error {
	tenant, zone, err := r.home(ctx)
	if err != nil {
		return err
	}
	a, err := r.audience(ctx, p.Audience)
	if err != nil {
		return err
	}
	m := letter{
		id: p.ID + ".remind", key: "publish.mail_remind", realm: p.Realm, about: p.Incident,
		args: func(l i18n.Locale) []any {
			return []any{a.Name, in.Title, l.Short(p.Due), composeURL(tenant, in.ID)}
		},
	}
	if a.Owner == "" && a.Deputy == "" {
		people, err := r.holders(ctx, identity.RolePublisher)
		if err != nil {
			return err
		}
		return r.toPeople(ctx, zone, people, m, nil)
	}
	_, err = r.toOwners(ctx, tenant, zone, a, m)
	return err
}

// toOwners posts one letter to an audience's owner and deputy, and tells to whom
// of the people here it went. An address that is nobody's here is written to
// alone, in the town's language.
func (r *Room) toOwners(ctx context.Context, tenant identity.Tenant, zone *time.Location, a plan.Audience, m letter) ([]identity.PersonID, error) {
	everybody, err := r.o.People.People(ctx, identity.Filter{})
	if err != nil {
		return nil, err
	}
	var told []identity.PersonID
	for i, mail := range []string{a.Owner, a.Deputy} {
		if mail == "" || (i == 1 && mail == a.Owner) {
			continue
		}
		k := slices.IndexFunc(everybody, func(p identity.Person) bool { return strings.EqualFold(p.Email, mail) && !p.Blocked })
		if k >= 0 {
			told = append(told, everybody[k].ID)
			err = r.toPeople(ctx, zone, everybody[k:k+1], m, nil)
		} else {
			one := m
			one.id, one.to, one.lang = m.id+"."+strconv.Itoa(i), address(mail), langOf(tenant.Language)
			err = r.post(ctx, zone, one)
		}
		if err != nil {
			return told, err
		}
	}
	return told, nil
}

// escalate writes to the audience's owner and deputy, and to approvers,
// publishers and admins, that a promised time has passed.
func (r *Room) escalate(ctx context.Context, p Promise, in incident.Incident) error {
	tenant, zone, err := r.home(ctx)
	if err != nil {
		return err
	}
	a, err := r.audience(ctx, p.Audience)
	if err != nil {
		return err
	}
	people, err := r.holders(ctx, identity.RoleApprover, identity.RoleAdmin, identity.RolePublisher)
	if err != nil {
		return err
	}
	m := letter{
		id: p.ID + ".overdue", key: "publish.mail_overdue", realm: p.Realm, about: p.Incident,
		args: func(l i18n.Locale) []any {
			return []any{a.Name, in.Title, l.Short(p.Due), composeURL(tenant, in.ID)}
		},
	}
	told, err := r.toOwners(ctx, tenant, zone, a, m)
	if err != nil {
		return err
	}
	people = slices.DeleteFunc(people, func(p identity.Person) bool { return slices.Contains(told, p.ID) })
	return r.toPeople(ctx, zone, people, m, nil)
}

func composeURL(t identity.Tenant, in incident.ID) string {
	return t.StaffURL + "/publish/new?incident=" + string(in)
}

// audience finds one by its slug; one that was removed keeps its slug as name.
func (r *Room) audience(ctx context.Context, slug string) (plan.Audience, error) {
	all, err := r.o.Audiences.Audiences(ctx)
	if err != nil {
		return plan.Audience{}, err
	}
	for _, a := range all {
		if a.Slug == slug {
			if a.Name == "" {
				a.Name = a.Slug
			}
			return a, nil
		}
	}
	return plan.Audience{Slug: slug, Name: slug}, nil
}

// Links in mails let a person approve without signing in, since the town's
// sign-in may be what is broken. Each serves one person, one statement, one act;
// an approval only the revision that was read.
const (
	linkApprove = "publish.approve"
	linkConfirm = "publish.confirm"
	linkFor     = 48 * time.Hour // their addresses are short: they stand in mails
)

// linkSays is what a link carries, openly, under a signature.
type linkSays struct {
	Tenant    ident.Tenant      `json:"t"`
	Statement ID                `json:"s"`
	Revision  int               `json:"r"`
	Person    identity.PersonID `json:"p"`
}

func (r *Room) link(t identity.Tenant, purpose string, s Statement, p identity.PersonID, expires time.Time) string {
	token := r.o.Vault.Sign(purpose, []byte(put(linkSays{t.ID, s.ID, s.Revision, p})), expires)
	return t.StaffURL + map[string]string{linkApprove: "/p/", linkConfirm: "/pc/"}[purpose] + token
}

// ErrLink refuses a link that is forged, expired, or for somebody who may no
// longer approve.
var ErrLink = fault.New(fault.Forbidden, "publish.link")

// byLink checks a link and returns a context in which its person acts.
func (r *Room) byLink(ctx context.Context, purpose, token string) (context.Context, linkSays, error) {
	payload, err := r.o.Vault.Verify(purpose, token, r.o.Clock.Now())
	if err != nil {
		return ctx, linkSays{}, ErrLink.With(err)
	}
	var says linkSays
	if err := json.Unmarshal(payload, &says); err != nil {
		return ctx, says, ErrLink.With(err)
	}
	if says.Tenant != ident.TenantOf(ctx) {
		return ctx, says, ErrLink.With(errors.New("link of another tenant"))
	}
	p, err := r.o.People.Person(ctx, says.Person)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return ctx, says, err
	}
	if err != nil || p.Blocked {
		return ctx, says, ErrLink.With(err)
	}
	if !p.Has(identity.RoleApprover) {
		// In a crisis a function in the staff stands in for the role.
		s, err := r.get(ctx, says.Statement)
		if err != nil {
			return ctx, says, ErrLink.With(err)
		}
		sp, err := r.speechFor(ctx, s)
		if err != nil {
			return ctx, says, err
		}
		if purpose != linkApprove || !sp.applies || !sp.may(s, p) {
			return ctx, says, ErrLink
		}
	}
	roles := make([]string, len(p.Roles))
	for i, role := range p.Roles {
		roles[i] = string(role)
	}
	return ident.WithActor(ctx, ident.Actor{Kind: ident.KindLink, Person: string(p.ID), Name: p.Name, Roles: roles}), says, nil
}

// LookByLink shows what the link of an approval request is about. It changes
// nothing: mail scanners follow links.
func (r *Room) LookByLink(ctx context.Context, token string) (Preview, error) {
	ctx, says, err := r.byLink(ctx, linkApprove, token)
	if err != nil {
		return Preview{}, err
	}
	p, err := r.Look(ctx, says.Statement)
	if err != nil {
		return p, err
	}
	if p.Statement.State != StateSubmitted || p.Statement.Revision != says.Revision {
		return p, ErrLinkUsed
	}
	return p, nil
}

// ApproveByLink approves as the person to whom the link was sent.
func (r *Room) ApproveByLink(ctx context.Context, token string) (Statement, error) {
	ctx, says, err := r.byLink(ctx, linkApprove, token)
	if err != nil {
		return Statement{}, err
	}
	s, err := r.Approve(ctx, says.Statement, Consent{Revision: says.Revision})
	if errors.Is(err, ErrChanged) || errors.Is(err, ErrState) {
		err = ErrLinkUsed
	}
	return s, err
}

// ReturnByLink gives it back as the person to whom the link was sent.
func (r *Room) ReturnByLink(ctx context.Context, token, note string) (Statement, error) {
	ctx, says, err := r.byLink(ctx, linkApprove, token)
	if err != nil {
		return Statement{}, err
	}
	return r.Return(ctx, says.Statement, note)
}

// LookConfirm shows what was published and waits for a word afterwards.
func (r *Room) LookConfirm(ctx context.Context, token string) (Preview, error) {
	ctx, says, err := r.byLink(ctx, linkConfirm, token)
	if err != nil {
		return Preview{}, err
	}
	p, err := r.Look(ctx, says.Statement)
	if err == nil && !p.Statement.Approval.Unconfirmed() {
		err = ErrLinkUsed
	}
	return p, err
}

// ConfirmByLink approves afterwards as the person to whom the link was sent.
func (r *Room) ConfirmByLink(ctx context.Context, token string) (Statement, error) {
	ctx, says, err := r.byLink(ctx, linkConfirm, token)
	if err != nil {
		return Statement{}, err
	}
	return r.Confirm(ctx, says.Statement)
}
