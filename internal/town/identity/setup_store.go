package identity

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// BeginPath is where the printed link of a first start leads, SetupPath the five
// steps behind it, which the desk shows.
const (
	BeginPath = "/identity/begin/"
	SetupPath = "/setup"
)

type setupRow struct {
	bun.BaseModel `bun:"table:identity_setup"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Hash          string       `bun:"hash"`
	ExpiresAt     time.Time    `bun:"expires_at"`
	BegunAt       time.Time    `bun:"begun_at,nullzero"`
}

type stepRow struct {
	bun.BaseModel `bun:"table:identity_setup_step"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Step          Step         `bun:"step,pk"`
	Nonce         string       `bun:"nonce"`
	Target        string       `bun:"target"`
	AskedFrom     string       `bun:"asked_from"`
	AskedAt       time.Time    `bun:"asked_at,nullzero"`
	Tries         int          `bun:"tries"`
	LaterAt       time.Time    `bun:"later_at,nullzero"`
	ProvenAt      time.Time    `bun:"proven_at,nullzero"`
}

func (row stepRow) proof() Proof {
	return Proof{
		Step: row.Step, Target: row.Target, AskedAt: when(row.AskedAt), LaterAt: when(row.LaterAt),
		ProvenAt: when(row.ProvenAt), Spent: row.Tries >= stepTries,
	}
}

// The faults of a first start.
var (
	ErrBegun   = fault.New(fault.Conflict, "identity.setup_begun")
	errCode    = fault.New(fault.Invalid, "identity.setup_code_invalid").Field("code", "identity.setup_code_wrong")
	errSpent   = fault.New(fault.Conflict, "identity.setup_code_spent")
	errTooLate = fault.New(fault.Conflict, "identity.setup_code_over")
)

// untouched reports whether the town is still the nameless one of a first start,
// without anybody who could set it up.
func (r *Room) untouched(ctx context.Context) (Tenant, bool, error) {
	t, err := r.Current(ctx)
	if err != nil || t.Slug != Placeholder {
		return t, false, err
	}
	n, err := r.Count(ctx, Filter{Role: RoleAdmin, Active: true})
	return t, n == 0, err
}

// SetupLink makes the one-time link of a first start; the ones before end. ok is
// false when the town has a name or an administrator. The caller prints it.
func (r *Room) SetupLink(ctx context.Context) (link string, ok bool, err error) {
	if ident.ActorOf(ctx).Kind != ident.KindSystem {
		return "", false, ErrForbidden
	}
	t, ok, err := r.untouched(ctx)
	if err != nil || !ok {
		return "", false, err
	}
	token, err := secret()
	if err != nil {
		return "", false, err
	}
	row := setupRow{TenantID: t.ID, Hash: digest(token), ExpiresAt: r.o.Clock.Now().Add(LinkMax)}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id) DO UPDATE").
			Set("hash = EXCLUDED.hash").Set("expires_at = EXCLUDED.expires_at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: setup link: %w", err)
		}
		return r.audit(ctx, "identity.setup.link", string(t.ID), nil)
	})
	return t.StaffURL + BeginPath + token, err == nil, err
}

// SetupOpen tells whether the link of a first start is good, without using it up.
func (r *Room) SetupOpen(ctx context.Context, token string) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	var row setupRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND hash = ?", tenant, digest(token)).Scan(ctx)
	if store.NotFound(err) || err == nil && (!row.BegunAt.IsZero() || !r.o.Clock.Now().Before(row.ExpiresAt)) {
		return fault.New(fault.NotFound, "identity.setup_over")
	}
	if err != nil {
		return fmt.Errorf("identity: setup: %w", err)
	}
	return nil
}

// Beginning is what the link of a first start asks for.
type Beginning struct {
	Town   string // name of the municipality
	Slug   string // made from the name by the caller
	Domain string // of the town's mail; empty: that of Email
	Land   string
	Person Person // name and official address
	// Password lets the person come back with any browser.
	Password string
}

// BeginSetup uses the link up: the town gets its name, the first person becomes
// its administrator and is signed in. Of two that come together one begins.
func (r *Room) BeginSetup(ctx context.Context, token string, b Beginning, c Client) (Session, error) {
	if err := r.SetupOpen(ctx, token); err != nil {
		return Session{}, err
	}
	p, perr := Normal(Person{Name: b.Person.Name, Email: b.Person.Email, Language: b.Person.Language, Roles: []Role{RoleAdmin, RolePublisher}})
	bad := fault.New(fault.Invalid, "identity.person_invalid")
	if perr != nil {
		bad = fault.As(perr)
	}
	t, err := r.Current(ctx)
	if err != nil {
		return Session{}, err
	}
	t.Name, t.Slug, t.Land = b.Town, b.Slug, b.Land
	if b.Domain == "" && perr == nil {
		b.Domain = domainOf(p.Email)
	}
	t.Domains = nil
	if b.Domain != "" {
		t.Domains = []string{b.Domain}
	}
	t, terr := NormalTenant(t)
	if terr != nil {
		for field, key := range fault.As(terr).Fields {
			if at := map[string]string{"name": "town", "slug": "town", "domains": "domain"}[field]; at != "" {
				bad = bad.Field(at, key)
			}
		}
	}
	t.ProbeNetworks = nil // stay as the operator left them, perhaps a moment ago
	if key := WeakPassword(b.Password, p); key != "" {
		bad = bad.Field("password", key)
	}
	if len(bad.Fields) > 0 {
		return Session{}, bad
	}
	hash := ""
	if herr := r.hashing(ctx, func() { hash, err = hashPassword(b.Password, r.o.Cost) }); herr != nil || err != nil {
		return Session{}, errors.Join(herr, err)
	}
	var s Session
	system := ident.WithActor(ctx, ident.System)
	err = r.o.Store.InTx(system, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewUpdate().Model((*setupRow)(nil)).Set("begun_at = ?", r.o.Clock.Now()).
			Where("tenant_id = ? AND hash = ? AND begun_at IS NULL", t.ID, digest(token)).Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: begin: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return fault.New(fault.NotFound, "identity.setup_over").With(err)
		}
		t, err := r.saveTenant(ctx, t)
		if err != nil {
			if fault.As(err).Fields["slug"] != "" {
				return bad.Field("town", "identity.slug_taken")
			}
			return err
		}
		p, err := r.savePerson(ctx, p, false)
		if err != nil {
			return err
		}
		if _, err := db.NewUpdate().Model((*personRow)(nil)).Set("password = ?", hash).
			Where("tenant_id = ? AND id = ?", t.ID, p.ID).Exec(ctx); err != nil {
			return fmt.Errorf("identity: begin: %w", err)
		}
		p.HasPassword = true
		if err := r.audit(ctx, "identity.setup.begun", string(p.ID), map[string]string{"town": t.Name}); err != nil {
			return err
		}
		s, err = r.enter(ctx, db, p, viaLink, c)
		return err
	})
	return s, err
}

// SetAddresses says under which addresses people reach the console and the public
// page. Administrators may, where the install serves one town alone: with several
// the host names tell towns apart and are the operator's.
func (r *Room) SetAddresses(ctx context.Context, staff, public string) error {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return err
	}
	all, err := r.Tenants(ctx)
	if err != nil {
		return err
	}
	t, err := r.Current(ctx)
	if err != nil {
		return err
	}
	if len(all) != 1 {
		return fault.New(fault.Conflict, "identity.setup_operator")
	}
	bad := fault.New(fault.Invalid, "identity.tenant_invalid")
	for field, raw := range map[string]string{"staff_url": staff, "public_url": public} {
		if u, err := url.Parse(raw); err != nil || u.Hostname() == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.User != nil {
			bad = bad.Field(field, "identity.url_invalid")
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	t.StaffURL, t.PublicURL, t.ProbeNetworks = staff, public, nil // nil: as they are
	_, err = r.saveTenant(ident.WithActor(ctx, systemFor(ctx)), t)
	return err
}

// systemFor is the system acting in the name of whoever asked, so that the audit
// log names the person.
func systemFor(ctx context.Context) ident.Actor {
	a := ident.ActorOf(ctx)
	a.Kind = ident.KindSystem
	return a
}

// Proofs are the five steps of the town, in their order. begun is false for a
// town that never went through them, which is then not reminded of them.
func (r *Room) Proofs(ctx context.Context) (proofs []Proof, begun bool, err error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, false, err
	}
	var rows []stepRow
	db := r.o.Store.Read(ctx)
	if err := db.NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Scan(ctx); err != nil {
		return nil, false, fmt.Errorf("identity: setup: %w", err)
	}
	n, err := db.NewSelect().Model((*setupRow)(nil)).Where("tenant_id = ? AND begun_at IS NOT NULL", tenant).Count(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("identity: setup: %w", err)
	}
	for _, s := range Steps() {
		p := Proof{Step: s}
		if i := slices.IndexFunc(rows, func(row stepRow) bool { return row.Step == s }); i >= 0 {
			p = rows[i].proof()
		}
		if s == StepOther && p.Target != "" && p.ProvenAt.IsZero() {
			other, err := r.Person(ctx, PersonID(p.Target))
			if err != nil && fault.KindOf(err) != fault.NotFound {
				return nil, false, err
			}
			p.ProvenAt = other.SignedInAt // the proof is that they came
		}
		proofs = append(proofs, p)
	}
	return proofs, n > 0, nil
}

// Proof is one step of the town.
func (r *Room) Proof(ctx context.Context, s Step) (Proof, error) {
	all, _, err := r.Proofs(ctx)
	if err != nil {
		return Proof{}, err
	}
	i := slices.IndexFunc(all, func(p Proof) bool { return p.Step == s })
	if i < 0 {
		return Proof{}, fault.New(fault.NotFound, "identity.setup_no_step")
	}
	return all[i], nil
}

// AskStep notes that a proof was asked for and answers the code that target will
// be shown; the one before is over. from is the address of whoever asks.
func (r *Room) AskStep(ctx context.Context, s Step, target, from string) (string, error) {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return "", err
	}
	if r.o.Vault == nil {
		return "", errNoVault
	}
	nonce, err := secret()
	if err != nil {
		return "", err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return "", err
	}
	row := stepRow{TenantID: tenant, Step: s, Nonce: nonce, Target: target, AskedFrom: from, AskedAt: r.o.Clock.Now()}
	err = r.changeStep(ctx, "identity.setup.asked", &row, "nonce", "target", "asked_from", "asked_at", "tries", "proven_at")
	return r.codeOf(row), err
}

// TakeBack ends the code of a step: what should have carried it did not.
func (r *Room) TakeBack(ctx context.Context, s Step) error {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return err
	}
	row := stepRow{TenantID: ident.TenantOf(ctx), Step: s}
	return r.changeStep(ctx, "identity.setup.unsent", &row, "nonce", "asked_from", "asked_at")
}

func (r *Room) codeOf(row stepRow) string {
	return stepCode(r.o.Vault.Key("identity.setup.code"), string(row.TenantID), row.Step, row.Target, row.Nonce)
}

// StepCode is the code that is out for a step, so that a page can show it again;
// empty: none is.
func (r *Room) StepCode(ctx context.Context, s Step) (string, error) {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return "", err
	}
	row, err := r.stepRow(ctx, r.o.Store.Read(ctx), s)
	if err != nil || r.o.Vault == nil || !row.proof().live(r.o.Clock.Now()) {
		return "", err
	}
	return r.codeOf(row), nil
}

// stepRow reads a step; one that nobody asked for is empty.
func (r *Room) stepRow(ctx context.Context, db bun.IDB, s Step) (stepRow, error) {
	var row stepRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ? AND step = ?", ident.TenantOf(ctx), s).Scan(ctx)
	if store.NotFound(err) {
		return stepRow{TenantID: ident.TenantOf(ctx), Step: s}, nil
	}
	if err != nil {
		return row, fmt.Errorf("identity: setup step: %w", err)
	}
	return row, nil
}

// changeStep writes columns of a step, whether it stands there already or not.
func (r *Room) changeStep(ctx context.Context, action string, row *stepRow, columns ...string) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		q := db.NewInsert().Model(row).On("CONFLICT (tenant_id, step) DO UPDATE")
		for _, c := range columns {
			q = q.Set("? = EXCLUDED.?", bun.Ident(c), bun.Ident(c))
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("identity: setup step: %w", err)
		}
		r.hint(ctx, "setup", string(row.Step))
		return r.audit(ctx, action, string(row.Step), nil)
	})
}

// AnswerStep compares a code with the one that is out and proves the step. A
// wrong answer counts, also when the caller gives up.
func (r *Room) AnswerStep(ctx context.Context, s Step, code string) error {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return err
	}
	if s != StepMail && s != StepSecond {
		return fault.New(fault.NotFound, "identity.setup_no_step")
	}
	_, err := r.answerStep(ctx, s, code, nil)
	return err
}

// answerStep judges a code; also may refuse a right one, which then costs no try.
func (r *Room) answerStep(ctx context.Context, s Step, code string, also func(stepRow) error) (stepRow, error) {
	if r.o.Vault == nil {
		return stepRow{}, errNoVault
	}
	var row stepRow
	var verdict error
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var err error
		if row, err = r.stepRow(ctx, db, s); err != nil {
			return err
		}
		now, p := r.o.Clock.Now(), row.proof()
		verdict = nil
		switch {
		case !p.ProvenAt.IsZero():
			return nil
		case p.Spent:
			verdict = errSpent
			return nil
		case !p.live(now):
			verdict = errTooLate
			return nil
		case !sameCode(code, r.codeOf(row)):
			verdict = errCode
			if s == StepPublic {
				return nil // anybody may type there, and must not be able to close it
			}
			row.Tries++
			_, err := db.NewUpdate().Model(&row).Column("tries").WherePK().Exec(ctx)
			return err
		}
		if also != nil {
			if verdict = also(row); verdict != nil {
				return nil
			}
		}
		return r.prove(ctx, db, row)
	})
	if err != nil {
		return row, fmt.Errorf("identity: answer: %w", err)
	}
	return row, verdict
}

// prove notes that a step has proved itself. Who asked from where is of no use
// any more and is forgotten.
func (r *Room) prove(ctx context.Context, db bun.IDB, row stepRow) error {
	row.ProvenAt, row.AskedFrom = r.o.Clock.Now(), ""
	if _, err := db.NewUpdate().Model(&row).Column("proven_at", "asked_from").WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("identity: prove: %w", err)
	}
	if row.Step == StepSecond {
		if err := r.proveSecond(ctx, db, row); err != nil {
			return err
		}
	}
	r.hint(ctx, "setup", string(row.Step))
	return r.audit(ctx, "identity.setup.proven", string(row.Step), nil)
}

// proveSecond: the address is confirmed, and its person is one who gets alarms,
// for until now nobody did.
func (r *Room) proveSecond(ctx context.Context, db bun.IDB, row stepRow) error {
	p, err := r.Person(ctx, PersonID(ident.ActorOf(ctx).Person))
	if err != nil {
		return err
	}
	if p.Alternative != row.Target {
		return errTooLate // another address has taken its place
	}
	if _, err := db.NewUpdate().Model((*personRow)(nil)).Set("alternative_verified = ?", r.o.Clock.Now()).
		Where("tenant_id = ? AND id = ?", row.TenantID, p.ID).Exec(ctx); err != nil {
		return fmt.Errorf("identity: prove: %w", err)
	}
	if p.Has(RoleIT) || p.Declared {
		return nil
	}
	p.Roles = append(p.Roles, RoleIT)
	_, err = r.savePerson(ctx, p, false)
	return err
}

// ProveStep notes a proof that needs no code: somebody saw it happen.
func (r *Room) ProveStep(ctx context.Context, s Step, target string) error {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return err
	}
	row := stepRow{TenantID: ident.TenantOf(ctx), Step: s, Target: target, ProvenAt: r.o.Clock.Now()}
	return r.changeStep(ctx, "identity.setup.proven", &row, "target", "proven_at")
}

// PutOff notes that a step comes later; it stays red until it is proven.
func (r *Room) PutOff(ctx context.Context, s Step) error {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return err
	}
	if !slices.Contains(Steps(), s) {
		return fault.New(fault.NotFound, "identity.setup_no_step")
	}
	row := stepRow{TenantID: ident.TenantOf(ctx), Step: s, LaterAt: r.o.Clock.Now()}
	return r.changeStep(ctx, "identity.setup.later", &row, "later_at")
}

// SeePublic is a visit of the public page with the code that the console shows.
// The visitor is nobody we know; that the request came, and from where, is the
// proof. The answer says from where.
func (r *Room) SeePublic(ctx context.Context, code, client string) (Seen, error) {
	t, err := r.Current(ctx)
	if err != nil {
		return "", err
	}
	seen := SeenHere
	ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindLink})
	_, err = r.answerStep(ctx, StepPublic, code, func(row stepRow) error {
		if seen = SeenFrom(client, row.AskedFrom, t.Networks); seen != SeenOutside {
			return fault.New(fault.Conflict, "identity.seen_"+string(seen))
		}
		return nil
	})
	return seen, err
}

// LookAtAlternative asks DNS now what an address shares with the town. Nothing
// is kept. Without a resolver, or an answer, the finding is that nothing is known.
func (r *Room) LookAtAlternative(ctx context.Context, p Person, alternative string) ([]Finding, error) {
	t, err := r.Current(ctx)
	if err != nil {
		return nil, err
	}
	p.Alternative = alternative
	if out := Independent(t, p); len(out) > 0 {
		return out, nil
	}
	if r.o.Resolver == nil {
		return []Finding{{Cause: CauseNoAnswer, Severity: Unsure, Person: p.Name, Address: p.Alternative}}, nil
	}
	return NewChecker(r.o.Resolver).Check(ctx, t, p), nil
}

// Invite creates somebody and sends them a link with which they sign in first;
// it is answered too, to be handed over as a code. As a step of the first start it
// is proven when they come.
func (r *Room) Invite(ctx context.Context, p Person) (Person, string, error) {
	if err := mayManage(ctx, scopePeople); err != nil {
		return p, "", err
	}
	var link string
	err := r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		var err error
		p.ID = ""
		if p, err = r.savePerson(ctx, p, false); err != nil {
			return err
		}
		if link, err = r.newLink(ctx, p, linkByAdmin, false); err != nil {
			return err
		}
		if err := r.post(ctx, p, p.Email, "identity.mail_invite", link, int(linkByAdmin/time.Hour)); err != nil {
			return err
		}
		row := stepRow{TenantID: ident.TenantOf(ctx), Step: StepOther, Target: string(p.ID), AskedAt: r.o.Clock.Now()}
		return r.changeStep(ctx, "identity.setup.asked", &row, "target", "asked_at", "proven_at")
	})
	return p, link, err
}
