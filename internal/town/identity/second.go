package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Ways in which a second factor was shown; a session keeps its own.
const (
	secondTOTP     = "totp"
	secondRecovery = "recovery"
)

// Times around the second factor.
const (
	// pendingAge is how long after the password the code may be typed.
	pendingAge = 10 * time.Minute
	// enrolAge is how long the page with the QR code may stand open.
	enrolAge = 15 * time.Minute
	// provenAge is how long a sign-in with both factors lets its person change
	// them without another code.
	provenAge = 15 * time.Minute
)

// What is signed and sealed for which purpose.
const (
	purposePending  = "identity.second.pending"
	purposeTOTP     = "identity.second.totp"
	purposeEnrol    = "identity.second.enrol"
	purposeRecovery = "identity.second.recovery"
)

type totpRow struct {
	bun.BaseModel `bun:"table:identity_totp"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	PersonID      PersonID     `bun:"person_id,pk"`
	Secret        []byte       `bun:"secret"` // sealed
	LastStep      int64        `bun:"last_step"`
	CreatedAt     time.Time    `bun:"created_at"`
	UsedAt        time.Time    `bun:"used_at,nullzero"`
}

type recoveryRow struct {
	bun.BaseModel `bun:"table:identity_recovery"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	PersonID      PersonID     `bun:"person_id,pk"`
	Hash          string       `bun:"hash,pk"`
	CreatedAt     time.Time    `bun:"created_at"`
	UsedAt        time.Time    `bun:"used_at,nullzero"`
}

// Second is what a person has beside the password.
type Second struct {
	TOTPSince time.Time // zero: no app
	TOTPUsed  time.Time
	// Codes left of the recovery codes, and when they were made.
	Codes    int
	CodesAt  time.Time
	Passkeys []Passkey // oldest first
}

// Faults around the second factor.
var (
	ErrSecondOver  = fault.New(fault.Invalid, "identity.second_over")
	errSecondWrong = fault.New(fault.Invalid, "identity.second_wrong").Field("code", "identity.second_wrong")
	errNoVault     = fault.New(fault.Unavailable, "identity.second_no_key")
)

// SecondOf tells which second factors a person has; never their secrets.
func (r *Room) SecondOf(ctx context.Context, id PersonID) (Second, error) {
	if err := mayActFor(ctx, id, scopePeople); err != nil {
		return Second{}, err
	}
	var s Second
	var t totpRow
	db, tenant := r.o.Store.Read(ctx), ident.TenantOf(ctx)
	err := db.NewSelect().Model(&t).Where("tenant_id = ? AND person_id = ?", tenant, id).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return s, fmt.Errorf("identity: second factor: %w", err)
	}
	s.TOTPSince, s.TOTPUsed = when(t.CreatedAt), when(t.UsedAt)
	var codes []recoveryRow
	err = db.NewSelect().Model(&codes).Where("tenant_id = ? AND person_id = ?", tenant, id).Scan(ctx)
	if err != nil {
		return s, fmt.Errorf("identity: recovery codes: %w", err)
	}
	for _, c := range codes {
		if c.UsedAt.IsZero() {
			s.Codes++
		}
		s.CodesAt = when(c.CreatedAt)
	}
	keys, err := r.passkeyRows(ctx, db, id)
	for _, k := range keys {
		s.Passkeys = append(s.Passkeys, Passkey{ID: k.ID, Name: k.Name, CreatedAt: when(k.CreatedAt), UsedAt: when(k.UsedAt)})
	}
	return s, err
}

// ---- signing in ----

// enter begins a session, or what a second factor has to be added to.
func (r *Room) enter(ctx context.Context, db bun.IDB, p Person, via string, c Client) (Session, error) {
	if p.SecondAt.IsZero() {
		return r.begin(ctx, db, p, via, "", c)
	}
	if r.o.Vault == nil {
		return Session{}, errNoVault
	}
	now := r.o.Clock.Now()
	pending := r.o.Vault.Sign(purposePending, []byte(string(ident.TenantOf(ctx))+" "+string(p.ID)+" "+via), now.Add(pendingAge))
	return Session{Person: p.ID, Via: via, Pending: pending}, nil
}

// PendingPerson tells who has shown the first factor.
func (r *Room) PendingPerson(ctx context.Context, pending string) (Person, string, error) {
	if r.o.Vault == nil {
		return Person{}, "", ErrSecondOver
	}
	raw, err := r.o.Vault.Verify(purposePending, pending, r.o.Clock.Now())
	if err != nil {
		return Person{}, "", ErrSecondOver.With(err)
	}
	part := strings.SplitN(string(raw), " ", 3)
	if len(part) != 3 || part[0] != string(ident.TenantOf(ctx)) {
		return Person{}, "", ErrSecondOver
	}
	p, err := r.Person(ctx, PersonID(part[1]))
	if fault.KindOf(err) == fault.NotFound || err == nil && (p.Blocked || p.SecondAt.IsZero()) {
		return Person{}, "", ErrSecondOver
	}
	return p, part[2], err
}

// SignInSecond adds a code of the app or a recovery code to the first factor
// and begins the session. Wrong codes are paced as wrong passwords are; when
// they come too fast the person is told, for somebody knows the password.
func (r *Room) SignInSecond(ctx context.Context, pending, code string, c Client) (Session, error) {
	p, via, err := r.PendingPerson(ctx, pending)
	if err != nil {
		return Session{}, err
	}
	keys := r.secondKeys(ident.TenantOf(ctx), p, c)
	if wait := r.limiter.take(r.o.Clock.Now(), keys); wait > 0 {
		if err := r.warnOfGuessing(ctx, p, c); err != nil {
			return Session{}, err
		}
		minutes := int((wait + time.Minute - 1) / time.Minute)
		return Session{}, fault.New(fault.TooMany, "identity.second_too_many", minutes).With(&LimitedError{wait})
	}
	var s Session
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		kind, err := r.useCode(ctx, db, p, code)
		if err != nil {
			return err
		}
		s, err = r.begin(ctx, db, p, via, kind, c)
		return err
	})
	if err == nil || fault.KindOf(err) != fault.Invalid {
		r.limiter.refund(keys)
	} else {
		r.o.Log.InfoContext(ctx, "second factor refused", "address", c.Address)
	}
	return s, err
}

func (r *Room) secondKeys(tenant ident.Tenant, p Person, c Client) map[string]pace {
	account, at := string(tenant)+" "+string(p.ID), place(c.Address)
	keys := map[string]pace{"second " + account + " " + at: pairPace}
	if !r.knownDevice(tenant, p.Email, c.Device) {
		keys["second "+account] = accountPace
	}
	return keys
}

// warnOfGuessing writes to the person, once an hour.
func (r *Room) warnOfGuessing(ctx context.Context, p Person, c Client) error {
	key := map[string]pace{"guess " + string(ident.TenantOf(ctx)) + " " + string(p.ID): {1, time.Hour}}
	if r.limiter.take(r.o.Clock.Now(), key) > 0 {
		return nil
	}
	ctx = ident.WithActor(ctx, ident.System)
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if err := r.tell(ctx, p, "identity.mail_guessing", "", 0); err != nil {
			return err
		}
		return r.audit(ctx, "identity.second.guessed", string(p.ID), map[string]string{"address": cut(line(c.Address), 60)})
	})
}

// tell writes to every address of a person: one of the mailboxes may be in the
// hands of whoever is at work.
func (r *Room) tell(ctx context.Context, p Person, key, link string, n int) error {
	for _, to := range p.Addresses() {
		if err := r.post(ctx, p, to, key, link, n); err != nil {
			return err
		}
	}
	return nil
}

// useCode takes a code of the app or a recovery code; each counts once.
func (r *Room) useCode(ctx context.Context, db bun.IDB, p Person, code string) (kind string, err error) {
	if r.o.Vault == nil {
		return "", errNoVault
	}
	if code = normalCode(code); digits6(code) {
		return secondTOTP, r.useTOTP(ctx, db, p, code)
	}
	return secondRecovery, r.useRecovery(ctx, db, p, code)
}

func (r *Room) useTOTP(ctx context.Context, db bun.IDB, p Person, code string) error {
	now, tenant := r.o.Clock.Now(), ident.TenantOf(ctx)
	var row totpRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ? AND person_id = ?", tenant, p.ID).Scan(ctx)
	if store.NotFound(err) {
		return errSecondWrong
	}
	if err != nil {
		return fmt.Errorf("identity: app: %w", err)
	}
	secret, err := r.o.Vault.Open(purposeTOTP+" "+string(tenant)+" "+string(p.ID), row.Secret)
	if err != nil {
		// The key beside the data is another one than that which sealed it.
		return errNoVault.With(err)
	}
	step, ok := matchTOTP(secret, code, now, row.LastStep)
	if !ok {
		return errSecondWrong
	}
	// Of two that come together with one code only one changes the row.
	res, err := db.NewUpdate().Model((*totpRow)(nil)).Set("last_step = ?", step).Set("used_at = ?", now).
		Where("tenant_id = ? AND person_id = ? AND last_step < ?", tenant, p.ID, step).Exec(ctx)
	if err != nil {
		return fmt.Errorf("identity: app: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errSecondWrong
	}
	return nil
}

func (r *Room) useRecovery(ctx context.Context, db bun.IDB, p Person, code string) error {
	if len(code) != recoveryLength {
		return errSecondWrong
	}
	tenant := ident.TenantOf(ctx)
	res, err := db.NewUpdate().Model((*recoveryRow)(nil)).Set("used_at = ?", r.o.Clock.Now()).
		Where("tenant_id = ? AND person_id = ? AND hash = ? AND used_at IS NULL", tenant, p.ID, r.codeHash(purposeRecovery, tenant, string(p.ID), code)).
		Exec(ctx)
	if err != nil {
		return fmt.Errorf("identity: recovery code: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errSecondWrong
	}
	left, err := db.NewSelect().Model((*recoveryRow)(nil)).
		Where("tenant_id = ? AND person_id = ? AND used_at IS NULL", tenant, p.ID).Count(ctx)
	if err != nil {
		return fmt.Errorf("identity: recovery code: %w", err)
	}
	if err := r.tell(ctx, p, "identity.mail_recovery", "", int(left)); err != nil {
		return err
	}
	return r.audit(ident.WithActor(ctx, actorOf(p)), "identity.second.recovery_used", string(p.ID), map[string]string{"left": fmt.Sprint(left)})
}

// ---- enrolment ----

// Enrolment is an app that is being set up: nothing is stored until the first
// code proves that the phone has the key.
type Enrolment struct {
	Sealed string // goes through the form and back
	Key    string // as it is typed where there is no camera
	URL    string // as the QR code says it
}

type enrolSealed struct {
	Tenant ident.Tenant `json:"t"`
	Person PersonID     `json:"p"`
	Secret []byte       `json:"s"`
	Until  int64        `json:"u"`
}

// ownSession: the second factor is the business of the one who sits at the
// browser, never of a script, which could plant one.
func ownSession(ctx context.Context, s Session) error {
	a := ident.ActorOf(ctx)
	if a.Kind != ident.KindPerson || a.Person != string(s.Person) || bySeal(s.Person) {
		return ErrForbidden
	}
	return nil
}

// NewTOTP begins to set up an app for the person who acts.
func (r *Room) NewTOTP(ctx context.Context, s Session) (Enrolment, error) {
	if err := ownSession(ctx, s); err != nil {
		return Enrolment{}, err
	}
	if r.o.Vault == nil {
		return Enrolment{}, errNoVault
	}
	secret, err := newTOTPSecret()
	if err != nil {
		return Enrolment{}, err
	}
	raw, err := json.Marshal(enrolSealed{ident.TenantOf(ctx), s.Person, secret, r.o.Clock.Now().Add(enrolAge).Unix()})
	if err != nil {
		return Enrolment{}, fmt.Errorf("identity: enrol: %w", err)
	}
	sealed, err := r.o.Vault.Seal(purposeEnrol, raw)
	if err != nil {
		return Enrolment{}, fmt.Errorf("identity: enrol: %w", err)
	}
	return r.enrolment(ctx, s, secret, base64.RawURLEncoding.EncodeToString(sealed))
}

func (r *Room) enrolment(ctx context.Context, s Session, secret []byte, sealed string) (Enrolment, error) {
	p, err := r.Person(ctx, s.Person)
	if err != nil {
		return Enrolment{}, err
	}
	t, err := r.Current(ctx)
	if err != nil {
		return Enrolment{}, err
	}
	return Enrolment{Sealed: sealed, Key: grouped(totpKey(secret)), URL: totpURL("Türmer "+t.Name, p.Email, secret)}, nil
}

// OpenEnrolment reads what [Room.NewTOTP] sealed, so that a mistyped code does
// not cost another look through the camera.
func (r *Room) OpenEnrolment(ctx context.Context, s Session, sealed string) (Enrolment, error) {
	secret, err := r.openEnrolment(ctx, s, sealed)
	if err != nil {
		return Enrolment{}, err
	}
	return r.enrolment(ctx, s, secret, sealed)
}

func (r *Room) openEnrolment(ctx context.Context, s Session, sealed string) ([]byte, error) {
	over := fault.New(fault.Conflict, "identity.enrol_over")
	if err := ownSession(ctx, s); err != nil {
		return nil, err
	}
	if r.o.Vault == nil {
		return nil, errNoVault
	}
	if len(sealed) > 1000 {
		return nil, over
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return nil, over.With(err)
	}
	text, err := r.o.Vault.Open(purposeEnrol, raw)
	if err != nil {
		return nil, over.With(err)
	}
	var e enrolSealed
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, over.With(err)
	}
	if e.Tenant != ident.TenantOf(ctx) || e.Person != s.Person || r.o.Clock.Now().Unix() >= e.Until {
		return nil, over
	}
	return e.Secret, nil
}

// ConfirmTOTP stores the app once its first code is right, in place of the one
// before, and ends the person's other sessions, which were opened without it.
// Whoever had no recovery codes gets them now; they are told only here. proof
// is a code of the factor that the person has already, see [Room.NeedsProof].
func (r *Room) ConfirmTOTP(ctx context.Context, s Session, sealed, code, proof string) (codes []string, err error) {
	secret, err := r.openEnrolment(ctx, s, sealed)
	if err != nil {
		return nil, err
	}
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		p, err := r.proven(ctx, db, s, proof)
		if err != nil {
			return err
		}
		step, ok := matchTOTP(secret, normalCode(code), now, -1)
		if !ok {
			return errSecondWrong
		}
		hidden, err := r.o.Vault.Seal(purposeTOTP+" "+string(tenant)+" "+string(p.ID), secret)
		if err != nil {
			return fmt.Errorf("identity: app: %w", err)
		}
		if _, err := db.NewDelete().Model((*totpRow)(nil)).Where("tenant_id = ? AND person_id = ?", tenant, p.ID).Exec(ctx); err != nil {
			return fmt.Errorf("identity: app: %w", err)
		}
		row := &totpRow{TenantID: tenant, PersonID: p.ID, Secret: hidden, LastStep: step, CreatedAt: now, UsedAt: now}
		if _, err := db.NewInsert().Model(row).Exec(ctx); err != nil {
			return fmt.Errorf("identity: app: %w", err)
		}
		codes, err = r.enrolled(ctx, db, p, s, secondTOTP)
		if err != nil {
			return err
		}
		return r.audit(ctx, "identity.second.app_set", string(p.ID), nil)
	})
	return codes, err
}

// enrolled marks the person as having a second factor, and the session at hand
// as having shown it; the first time it makes recovery codes.
func (r *Room) enrolled(ctx context.Context, db bun.IDB, p Person, s Session, kind string) (codes []string, err error) {
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	if _, err := db.NewUpdate().Model((*sessionRow)(nil)).Set("second = ?", kind).
		Where("tenant_id = ? AND hash = ?", tenant, s.ID).Exec(ctx); err != nil {
		return nil, fmt.Errorf("identity: session: %w", err)
	}
	if err := r.endSessions(ctx, db, p.ID, s.Token); err != nil {
		return nil, err
	}
	if p.SecondAt.IsZero() {
		if _, err := db.NewUpdate().Model((*personRow)(nil)).Set("second_at = ?", now).
			Where("tenant_id = ? AND id = ?", tenant, p.ID).Exec(ctx); err != nil {
			return nil, fmt.Errorf("identity: second factor: %w", err)
		}
		if codes, err = r.newCodes(ctx, db, p.ID); err != nil {
			return nil, err
		}
	}
	r.hint(ctx, "person", string(p.ID))
	return codes, r.tell(ctx, p, "identity.mail_second_set", "", 0)
}

// NeedsProof reports whether changing the factors asks for a code first: the
// person has one, and the sign-in with it is not of a moment ago.
func (r *Room) NeedsProof(p Person, s Session) bool {
	return !p.SecondAt.IsZero() && (s.Second == "" || r.o.Clock.Now().Sub(s.CreatedAt) >= provenAge)
}

// proven is the person of the session, who has shown a second factor a moment
// ago or shows it now.
func (r *Room) proven(ctx context.Context, db bun.IDB, s Session, proof string) (Person, error) {
	if err := ownSession(ctx, s); err != nil {
		return Person{}, err
	}
	p, err := r.Person(ctx, s.Person)
	if err != nil || !r.NeedsProof(p, s) {
		return p, err
	}
	wrong := fault.New(fault.Invalid, "identity.proof_wrong").Field("proof", "identity.proof_wrong")
	keys := r.secondKeys(ident.TenantOf(ctx), p, Client{Address: s.Address})
	if wait := r.limiter.take(r.o.Clock.Now(), keys); wait > 0 {
		return p, fault.New(fault.TooMany, "identity.second_too_many", int((wait+time.Minute-1)/time.Minute)).With(&LimitedError{wait})
	}
	_, err = r.useCode(ctx, db, p, proof)
	if fault.KindOf(err) == fault.Invalid && err != nil {
		return p, wrong
	}
	r.limiter.refund(keys)
	return p, err
}

// NewCodes makes new recovery codes; the old ones are worth nothing.
func (r *Room) NewCodes(ctx context.Context, s Session, proof string) (codes []string, err error) {
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		p, err := r.proven(ctx, db, s, proof)
		if err != nil {
			return err
		}
		if p.SecondAt.IsZero() {
			return fault.New(fault.Conflict, "identity.second_none")
		}
		if codes, err = r.newCodes(ctx, db, p.ID); err != nil {
			return err
		}
		return r.audit(ctx, "identity.second.codes_made", string(p.ID), nil)
	})
	return codes, err
}

func (r *Room) newCodes(ctx context.Context, db bun.IDB, id PersonID) ([]string, error) {
	if r.o.Vault == nil {
		return nil, errNoVault
	}
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	if _, err := db.NewDelete().Model((*recoveryRow)(nil)).Where("tenant_id = ? AND person_id = ?", tenant, id).Exec(ctx); err != nil {
		return nil, fmt.Errorf("identity: recovery codes: %w", err)
	}
	codes := make([]string, recoveryCodes)
	rows := make([]recoveryRow, recoveryCodes)
	for i := range codes {
		code, err := newPlainCode(recoveryLength)
		if err != nil {
			return nil, err
		}
		codes[i] = code
		rows[i] = recoveryRow{TenantID: tenant, PersonID: id, Hash: r.codeHash(purposeRecovery, tenant, string(id), normalCode(code)), CreatedAt: now}
	}
	if _, err := db.NewInsert().Model(&rows).Exec(ctx); err != nil {
		return nil, fmt.Errorf("identity: recovery codes: %w", err)
	}
	return codes, nil
}

// RemoveTOTP takes the app away from the one who acts. Without any other
// factor the recovery codes go too.
func (r *Room) RemoveTOTP(ctx context.Context, s Session, proof string) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		p, err := r.proven(ctx, db, s, proof)
		if err != nil {
			return err
		}
		if _, err := db.NewDelete().Model((*totpRow)(nil)).
			Where("tenant_id = ? AND person_id = ?", ident.TenantOf(ctx), p.ID).Exec(ctx); err != nil {
			return fmt.Errorf("identity: app: %w", err)
		}
		if err := r.removed(ctx, db, p); err != nil {
			return err
		}
		return r.audit(ctx, "identity.second.app_removed", string(p.ID), nil)
	})
}

// removed looks whether the person has a factor left, and tells them.
func (r *Room) removed(ctx context.Context, db bun.IDB, p Person) error {
	left, err := r.factors(ctx, db, p.ID)
	if err != nil {
		return err
	}
	if left == 0 {
		if err := r.dropFactors(ctx, db, p.ID); err != nil {
			return err
		}
	}
	r.hint(ctx, "person", string(p.ID))
	return r.tell(ctx, p, "identity.mail_second_removed", "", 0)
}

// factors counts what a person can show beside the password, without recovery
// codes, which only stand in for one.
func (r *Room) factors(ctx context.Context, db bun.IDB, id PersonID) (int, error) {
	n, err := db.NewSelect().Model((*totpRow)(nil)).Where("tenant_id = ? AND person_id = ?", ident.TenantOf(ctx), id).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("identity: factors: %w", err)
	}
	keys, err := r.passkeyRows(ctx, db, id)
	return int(n) + len(keys), err
}

// dropFactors takes every second factor from a person.
func (r *Room) dropFactors(ctx context.Context, db bun.IDB, id PersonID) error {
	tenant := ident.TenantOf(ctx)
	for _, model := range []any{(*totpRow)(nil), (*recoveryRow)(nil), (*passkeyRow)(nil)} {
		if _, err := db.NewDelete().Model(model).Where("tenant_id = ? AND person_id = ?", tenant, id).Exec(ctx); err != nil {
			return fmt.Errorf("identity: drop factors: %w", err)
		}
	}
	if _, err := db.NewUpdate().Model((*personRow)(nil)).Set("second_at = NULL").
		Where("tenant_id = ? AND id = ?", tenant, id).Exec(ctx); err != nil {
		return fmt.Errorf("identity: drop factors: %w", err)
	}
	return nil
}

// ResetSecond takes all second factors from somebody who has lost them, and
// ends their sessions. Only another administrator may (or the command line),
// nobody can read a factor, and both hear of it.
func (r *Room) ResetSecond(ctx context.Context, id PersonID) error {
	if err := mayManage(ctx, scopePeople); err != nil {
		return err
	}
	actor := ident.ActorOf(ctx)
	if actor.Person == string(id) && actor.Kind != ident.KindSystem {
		return fault.New(fault.Conflict, "identity.second_reset_self")
	}
	p, err := r.Person(ctx, id)
	if err != nil {
		return err
	}
	if p.SecondAt.IsZero() {
		return fault.New(fault.Conflict, "identity.second_none")
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := r.dropFactors(ctx, db, id); err != nil {
			return err
		}
		if err := r.endSessions(ctx, db, id, ""); err != nil {
			return err
		}
		if err := r.tell(ctx, p, "identity.mail_second_reset", "", 0); err != nil {
			return err
		}
		if actor.Person != "" {
			boss, err := r.Person(ctx, PersonID(actor.Person))
			if err != nil && fault.KindOf(err) != fault.NotFound {
				return err
			}
			if err == nil {
				// The name in the letter is the reader's; the link's place says whose.
				if err := r.tell(ctx, boss, "identity.mail_second_reset_by", p.Name, 0); err != nil {
					return err
				}
			}
		}
		r.hint(ctx, "person", string(id))
		return r.audit(ctx, "identity.second.reset", string(id), nil)
	})
}
