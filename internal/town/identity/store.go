package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

type personRow struct {
	bun.BaseModel       `bun:"table:identity_person"`
	TenantID            ident.Tenant `bun:"tenant_id,pk"`
	ID                  PersonID     `bun:"id,pk"`
	Name                string       `bun:"name"`
	Email               string       `bun:"email"`
	Alternative         string       `bun:"alternative"`
	Mobile              string       `bun:"mobile"`
	Chat                string       `bun:"chat"`
	Roles               string       `bun:"roles"`
	OrgUnit             string       `bun:"org_unit"`
	Language            string       `bun:"language"`
	Blocked             bool         `bun:"blocked"`
	Declared            bool         `bun:"declared"`
	AlternativeVerified time.Time    `bun:"alternative_verified,nullzero"`
	Password            string       `bun:"password"`
	SignedInAt          time.Time    `bun:"signed_in_at,nullzero"`
	SortName            string       `bun:"sort_name"`
	Search              string       `bun:"search"`
	Findings            string       `bun:"findings"`
	CheckedAt           time.Time    `bun:"checked_at,nullzero"`
	CreatedAt           time.Time    `bun:"created_at"`
	UpdatedAt           time.Time    `bun:"updated_at"`
	SecondAt            time.Time    `bun:"second_at,nullzero"`
	Origin              string       `bun:"origin"`
	Gone                bool         `bun:"gone"`
}

// saved are the columns that SavePerson and Declare write; sign-in, links and
// the checker own the others.
var saved = []string{
	"name", "email", "alternative", "mobile", "chat", "roles", "org_unit", "language", "blocked", "declared",
	"alternative_verified", "sort_name", "search", "findings", "checked_at", "updated_at",
}

func (row personRow) person() Person {
	p := Person{
		ID: row.ID, Name: row.Name, Email: row.Email, Alternative: row.Alternative, Mobile: row.Mobile, Chat: row.Chat,
		Roles: unlist[Role](row.Roles), OrgUnit: row.OrgUnit, Language: row.Language, Blocked: row.Blocked,
		Declared: row.Declared, AlternativeVerified: when(row.AlternativeVerified),
		HasPassword: row.Password != "", SignedInAt: when(row.SignedInAt), CheckedAt: when(row.CheckedAt),
		SecondAt: when(row.SecondAt), CreatedAt: when(row.CreatedAt), Origin: row.Origin, Gone: row.Gone,
	}
	if json.Unmarshal([]byte(row.Findings), &p.Findings) != nil {
		p.Findings = nil // only we write this column; the next check mends it
	}
	return p
}

// fill takes what SavePerson may change from p.
func (row *personRow) fill(p Person, now time.Time) {
	row.Name, row.Email, row.Alternative, row.Mobile, row.Chat = p.Name, p.Email, p.Alternative, p.Mobile, p.Chat
	row.Roles, row.OrgUnit, row.Language = list(p.Roles), p.OrgUnit, p.Language
	row.Blocked, row.Declared = p.Blocked, p.Declared
	row.SortName = fold(p.Name)
	row.Search = fold(strings.Join([]string{p.Name, p.Email, p.OrgUnit}, " "))
	row.UpdatedAt = now
}

func when(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return clock.Cut(t)
}

// Filter narrows [Room.People].
type Filter struct {
	Role  Role
	Query string // part of name, address or unit; several words must all be there
	// Active leaves out who is blocked.
	Active bool
	After  PersonID // the last one of the page before
	Limit  int      // zero: all
}

// People lists people by name.
func (r *Room) People(ctx context.Context, f Filter) ([]Person, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	db := r.o.Store.Read(ctx)
	var rows []personRow
	q := filtered(db.NewSelect().Model(&rows), tenant, f).Order("sort_name", "id")
	if f.After != "" {
		var at personRow
		err := db.NewSelect().Model(&at).Column("sort_name").Where("tenant_id = ? AND id = ?", tenant, f.After).Scan(ctx)
		if store.NotFound(err) {
			return nil, ErrNoPerson
		}
		if err != nil {
			return nil, fmt.Errorf("identity: people: %w", err)
		}
		q = q.Where("(sort_name > ? OR (sort_name = ? AND id > ?))", at.SortName, at.SortName, f.After)
	}
	words := f.words()
	if f.Limit > 0 && len(words) == 0 {
		q = q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("identity: people: %w", err)
	}
	out := make([]Person, 0, len(rows))
	for _, row := range rows {
		if !row.speaksOf(words) {
			continue
		}
		if out = append(out, row.person()); len(out) == f.Limit {
			break
		}
	}
	return out, nil
}

// words are those that the filter asks for. They are looked for here and not by
// the database, which holds addresses sealed; a town has some thousand people.
func (f Filter) words() []string {
	return strings.Fields(fold(strings.ReplaceAll(strings.ToValidUTF8(f.Query, ""), "\x00", "")))
}

func (row personRow) speaksOf(words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(row.Search, w) })
}

// Count is how many people the filter finds on all pages.
func (r *Room) Count(ctx context.Context, f Filter) (int, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return 0, err
	}
	if words := f.words(); len(words) > 0 {
		f.After, f.Limit = "", 0
		people, err := r.People(ctx, f)
		return len(people), err
	}
	n, err := filtered(r.o.Store.Read(ctx).NewSelect().Model((*personRow)(nil)), tenant, f).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("identity: people: %w", err)
	}
	return int(n), nil
}

func filtered(q *bun.SelectQuery, tenant ident.Tenant, f Filter) *bun.SelectQuery {
	q = q.Where("tenant_id = ?", tenant)
	if f.Role != "" {
		q = q.Where("roles LIKE ? ESCAPE '!'", `%"`+like(string(f.Role))+`"%`)
	}
	if f.Active {
		q = q.Where("blocked = ?", false)
	}
	return q
}

func like(s string) string { return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s) }

// Person finds somebody by id.
func (r *Room) Person(ctx context.Context, id PersonID) (Person, error) {
	if bySeal(id) {
		return r.sealedPerson(ctx, id)
	}
	row, err := r.row(ctx, "id = ?", id)
	return row.person(), err
}

// PersonByEmail finds somebody by the official address.
func (r *Room) PersonByEmail(ctx context.Context, mail string) (Person, error) {
	mail, ok := Address(mail)
	if !ok {
		return Person{}, ErrNoPerson
	}
	row, err := r.byEmail(ctx, mail)
	return row.person(), err
}

func (r *Room) byEmail(ctx context.Context, mail string) (personRow, error) {
	return r.row(ctx, "email = ?", r.o.Store.Sealed("identity_person.email", mail))
}

func (r *Room) row(ctx context.Context, where string, arg any) (personRow, error) {
	var row personRow
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return row, err
	}
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ?", tenant).Where(where, arg).Scan(ctx)
	if store.NotFound(err) {
		return row, ErrNoPerson
	}
	if err != nil {
		return row, fmt.Errorf("identity: person: %w", err)
	}
	return row, nil
}

// Alerting reports whether p can be alarmed: by the role it, or as owner of a
// service.
func (r *Room) Alerting(ctx context.Context, p Person) (bool, error) {
	owners, err := r.owners(ctx)
	return alerting(p, owners), err
}

func (r *Room) owners(ctx context.Context) (map[string]bool, error) {
	if r.o.Owners == nil {
		return nil, nil
	}
	mails, err := r.o.Owners(ctx)
	if err != nil {
		return nil, fmt.Errorf("identity: owners: %w", err)
	}
	m := make(map[string]bool, len(mails))
	for _, a := range mails {
		if a, ok := Address(a); ok {
			m[a] = true
		}
	}
	return m, nil
}

func alerting(p Person, owners map[string]bool) bool {
	return !p.Blocked && (p.Has(RoleIT) || owners[p.Email])
}

// SavePerson creates somebody (no id) or changes them. Only administrators may.
// Whoever can be alarmed needs an alternative address outside the town's own
// domains, or the save is refused with the field named (I13). Of a person from
// tuermer.yaml only Blocked and Language change here. Blocking ends sessions
// and tokens at once.
func (r *Room) SavePerson(ctx context.Context, p Person) (Person, error) {
	if err := mayManage(ctx, scopePeople); err != nil {
		return p, err
	}
	return r.savePerson(ctx, p, false)
}

// savePerson is SavePerson without its right; declare is the operator's word.
func (r *Room) savePerson(ctx context.Context, p Person, declare bool) (Person, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return p, err
	}
	if p, err = Normal(p); err != nil {
		return p, err
	}
	now, given := r.o.Clock.Now(), p
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		p = given
		row := personRow{TenantID: tenant, CreatedAt: now, Findings: "[]"}
		if p.ID != "" {
			if row, err = r.row(ctx, "id = ?", p.ID); err != nil {
				return err
			}
		}
		old := row.person()
		if !declare {
			if p, err = r.allowed(ctx, old, p); err != nil {
				return err
			}
		}
		if p.Language == "" {
			p.Language = old.Language
		}
		changed := changes(old, p)
		if p.ID != "" && len(changed) == 0 {
			p = old
			return nil
		}
		action := "identity.person.changed"
		if p.ID == "" {
			p.ID, action = PersonID(ident.NewID(now)), "identity.person.created"
		}
		row.ID = p.ID
		row.fill(p, now)
		if old.Alternative != p.Alternative {
			row.AlternativeVerified = time.Time{}
		}
		if old.Alternative != p.Alternative || old.Email != p.Email {
			row.Findings, row.CheckedAt = "[]", time.Time{}
			r.o.Store.AfterCommit(ctx, r.checks.Kick)
		}
		if action == "identity.person.created" {
			_, err = db.NewInsert().Model(&row).Exec(ctx)
		} else {
			_, err = db.NewUpdate().Model(&row).Column(saved...).WherePK().Exec(ctx)
		}
		if store.UniqueViolation(err) {
			return fault.New(fault.Invalid, "identity.person_invalid").Field("email", "identity.email_taken").With(err)
		}
		if err != nil {
			return fmt.Errorf("identity: save person: %w", err)
		}
		if p.Blocked && !old.Blocked {
			if err := r.endSessions(ctx, db, p.ID, ""); err != nil {
				return err
			}
		}
		p = row.person()
		r.hint(ctx, "person", string(p.ID))
		return r.audit(ctx, action, string(p.ID), changed)
	})
	return p, err
}

// allowed applies the rules of the console to a change from old to p.
func (r *Room) allowed(ctx context.Context, old, p Person) (Person, error) {
	if old.Declared {
		keep := old
		keep.Blocked, keep.Language = p.Blocked, p.Language
		p.Declared = true
		for field := range changes(keep, p) {
			return p, ErrDeclared.Field(field, "identity.declared")
		}
	}
	p.Declared = old.Declared
	if old.Has(RoleAdmin) && !old.Blocked && (!p.Has(RoleAdmin) || p.Blocked) {
		n, err := r.Count(ctx, Filter{Role: RoleAdmin, Active: true})
		if err != nil {
			return p, err
		}
		if n <= 1 {
			return p, fault.New(fault.Conflict, "identity.last_admin").Field("roles", "identity.last_admin")
		}
	}
	if p.Declared {
		return p, nil
	}
	needs, err := r.Alerting(ctx, p)
	if err != nil {
		return p, err
	}
	if !needs && p.Alternative == "" {
		return p, nil
	}
	t, err := r.Current(ctx)
	if err != nil {
		return p, err
	}
	for _, f := range Independent(t, p) {
		if needs {
			return p, fault.New(fault.Invalid, "identity.person_invalid", f.Args()...).
				Field("alternative", "identity.alternative_"+string(f.Cause))
		}
	}
	return p, nil
}

// changes names the fields that differ, with the new value, for the audit log.
func changes(old, p Person) map[string]string {
	m := map[string]string{}
	note := func(field, a, b string) {
		if a != b {
			m[field] = b
		}
	}
	note("name", old.Name, p.Name)
	note("email", old.Email, p.Email)
	note("alternative", old.Alternative, p.Alternative)
	note("mobile", old.Mobile, p.Mobile)
	note("chat", old.Chat, p.Chat)
	note("roles", words(old.Roles), words(p.Roles))
	note("org_unit", old.OrgUnit, p.OrgUnit)
	note("language", old.Language, p.Language)
	note("blocked", fmt.Sprint(old.Blocked), fmt.Sprint(p.Blocked))
	note("declared", fmt.Sprint(old.Declared), fmt.Sprint(p.Declared))
	return m
}

// words puts roles into one line.
func words(roles []Role) string {
	s := make([]string, len(roles))
	for i, role := range roles {
		s[i] = string(role)
	}
	return strings.Join(s, " ")
}

// Own is what people change about themselves.
type Own struct {
	Language    string
	Alternative string
	Mobile      string
	Chat        *string // nil: it stays
}

// SaveOwn changes what people may change about themselves. Addresses that stand
// in tuermer.yaml stay.
func (r *Room) SaveOwn(ctx context.Context, o Own) (Person, error) {
	a := ident.ActorOf(ctx)
	if a.Kind != ident.KindPerson {
		return Person{}, ErrForbidden
	}
	p, err := r.Person(ctx, PersonID(a.Person))
	if err != nil {
		return p, err
	}
	p.Language = o.Language
	if !p.Declared {
		p.Alternative, p.Mobile = o.Alternative, o.Mobile
		if o.Chat != nil {
			p.Chat = *o.Chat
		}
	}
	return r.savePerson(ctx, p, false)
}

// Declare makes the people of tuermer.yaml what the file says. Who stood there
// before and does no more keeps everything but the mark, so that a line lost in
// the file silences nobody; the log names them. Alternative addresses that break
// the rule are taken, being the operator's word; [Room.Findings] names them.
func (r *Room) Declare(ctx context.Context, people []Person) error {
	if ident.ActorOf(ctx).Kind != ident.KindSystem {
		return ErrForbidden
	}
	seen := map[string]bool{}
	for i, p := range people {
		p, err := Normal(p)
		if err != nil {
			return err
		}
		if seen[p.Email] {
			return fault.New(fault.Invalid, "identity.declared_twice", p.Email)
		}
		seen[p.Email], people[i] = true, p
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		known, err := r.People(ctx, Filter{})
		if err != nil {
			return err
		}
		for _, p := range people {
			i := slices.IndexFunc(known, func(k Person) bool { return k.Email == p.Email })
			if i >= 0 {
				p.ID, p.Blocked = known[i].ID, known[i].Blocked
			}
			p.Declared = true
			if _, err := r.savePerson(ctx, p, true); err != nil {
				return err
			}
		}
		for _, k := range known {
			if k.Declared && !seen[k.Email] {
				k.Declared = false
				r.o.Log.WarnContext(ctx, "stands in tuermer.yaml no more, may still sign in until blocked", "person", k.Email)
				if _, err := r.savePerson(ctx, k, true); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
