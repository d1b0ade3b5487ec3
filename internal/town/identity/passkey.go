package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// A passkey that saw a finger, a face or a PIN is both factors at once; a
// security key without is the second beside a password or link.
const (
	viaPasskey    = "passkey"
	secondPasskey = "passkey"
)

const (
	purposeChallenge = "identity.second.challenge"
	challengeAge     = 5 * time.Minute
	// maxPasskeys is how many one person may have.
	maxPasskeys = 20
	// maxAnswer bounds what a browser may send, in bytes.
	maxAnswer = 64 << 10
)

// What a challenge is for; an answer to one is none to another.
const (
	forCreate = "create" // a new passkey of the person
	forSignIn = "in"     // whoever holds a passkey
	forSecond = "second" // beside the first factor of the person
)

// Passkey is one of a person's passkeys.
type Passkey struct {
	ID        string
	Name      string
	CreatedAt time.Time
	UsedAt    time.Time // zero: never
}

type passkeyRow struct {
	bun.BaseModel `bun:"table:identity_passkey"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"` // of the credential, base64url
	PersonID      PersonID     `bun:"person_id"`
	Name          string       `bun:"name"`
	Credential    string       `bun:"credential"` // JSON; public
	CreatedAt     time.Time    `bun:"created_at"`
	UsedAt        time.Time    `bun:"used_at,nullzero"`
}

type answeredRow struct {
	bun.BaseModel `bun:"table:identity_answered"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Hash          string       `bun:"hash,pk"`
	ExpiresAt     time.Time    `bun:"expires_at"`
}

// Faults around passkeys.
var (
	errPasskey      = fault.New(fault.Invalid, "identity.passkey_wrong")
	errPasskeyOver  = fault.New(fault.Invalid, "identity.passkey_over")
	errPasskeyTwin  = fault.New(fault.Invalid, "identity.passkey_twin")
	errPasskeyPlace = fault.New(fault.Conflict, "identity.passkey_place")
)

// holder is a person as the library sees one.
type holder struct {
	person Person
	keys   []webauthn.Credential
}

// The user handle is the person's id: it says nothing and never changes.
func (h holder) WebAuthnID() []byte                         { return []byte(h.person.ID) }
func (h holder) WebAuthnName() string                       { return h.person.Email }
func (h holder) WebAuthnDisplayName() string                { return h.person.Name }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

// relyingParty is the town as passkeys know it: the host of its console.
// Browsers make passkeys for names with TLS, and for localhost.
func relyingParty(t Tenant) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(t.StaffURL)
	if err != nil || u.Hostname() == "" {
		return nil, errPasskeyPlace
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil || u.Scheme != "https" && u.Hostname() != "localhost" {
		return nil, errPasskeyPlace
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Türmer " + t.Name, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		},
		AttestationPreference: protocol.PreferNoAttestation,
	})
	if err != nil {
		return nil, errPasskeyPlace.With(err)
	}
	return w, nil
}

// PasskeysPossible reports whether the town's address lets browsers make
// passkeys.
func (r *Room) PasskeysPossible(t Tenant) bool {
	_, err := relyingParty(t)
	return err == nil && r.o.Vault != nil
}

func (r *Room) party(ctx context.Context) (*webauthn.WebAuthn, error) {
	if r.o.Vault == nil {
		return nil, errNoVault
	}
	t, err := r.Current(ctx)
	if err != nil {
		return nil, err
	}
	return relyingParty(t)
}

// challenge makes what the authenticator signs. It is signed by us and carries
// what it is for, so that strangers who only look at the sign-in page write
// nothing into the database.
func (r *Room) challenge(ctx context.Context, use string, id PersonID) ([]byte, error) {
	nonce, err := secret()
	if err != nil {
		return nil, err
	}
	payload := strings.Join([]string{string(ident.TenantOf(ctx)), use, string(id), nonce}, " ")
	return []byte(r.o.Vault.Sign(purposeChallenge, []byte(payload), r.o.Clock.Now().Add(challengeAge))), nil
}

// answered checks that the answer is to a challenge of ours for that use and
// person, and that it is the first.
func (r *Room) answered(ctx context.Context, db bun.IDB, challenge, use string, id PersonID) ([]byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(challenge)
	if err != nil {
		return nil, errPasskey.With(err)
	}
	payload, err := r.o.Vault.Verify(purposeChallenge, string(raw), r.o.Clock.Now())
	if err != nil {
		return nil, errPasskeyOver.With(err)
	}
	part := strings.Split(string(payload), " ")
	if len(part) != 4 || part[0] != string(ident.TenantOf(ctx)) || part[1] != use || part[2] != string(id) {
		return nil, errPasskey
	}
	_, err = db.NewInsert().Model(&answeredRow{
		TenantID: ident.TenantOf(ctx), Hash: digest(string(raw)), ExpiresAt: r.o.Clock.Now().Add(challengeAge),
	}).Exec(ctx)
	if store.UniqueViolation(err) {
		return nil, errPasskeyOver.With(err)
	}
	if err != nil {
		return nil, fmt.Errorf("identity: passkey: %w", err)
	}
	return raw, nil
}

func (r *Room) passkeyRows(ctx context.Context, db bun.IDB, id PersonID) ([]passkeyRow, error) {
	var rows []passkeyRow
	err := db.NewSelect().Model(&rows).Where("tenant_id = ? AND person_id = ?", ident.TenantOf(ctx), id).Order("created_at", "id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("identity: passkeys: %w", err)
	}
	return rows, nil
}

func (r *Room) holder(ctx context.Context, db bun.IDB, p Person) (holder, error) {
	rows, err := r.passkeyRows(ctx, db, p.ID)
	if err != nil {
		return holder{}, err
	}
	h := holder{person: p}
	for _, row := range rows {
		var c webauthn.Credential
		if err := json.Unmarshal([]byte(row.Credential), &c); err != nil {
			return h, fmt.Errorf("identity: passkey: %w", err)
		}
		h.keys = append(h.keys, c)
	}
	return h, nil
}

// NewPasskey is what the browser needs to make a passkey for the person of the
// session, as JSON for navigator.credentials.create.
func (r *Room) NewPasskey(ctx context.Context, s Session) (*protocol.CredentialCreation, error) {
	if err := ownSession(ctx, s); err != nil {
		return nil, err
	}
	party, err := r.party(ctx)
	if err != nil {
		return nil, err
	}
	p, err := r.Person(ctx, s.Person)
	if err != nil {
		return nil, err
	}
	h, err := r.holder(ctx, r.o.Store.Read(ctx), p)
	if err != nil {
		return nil, err
	}
	options, _, err := party.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.keys).CredentialDescriptors()))
	if err != nil {
		return nil, fmt.Errorf("identity: passkey: %w", err)
	}
	options.Response.Challenge, err = r.challenge(ctx, forCreate, p.ID)
	return options, err
}

// ConfirmPasskey stores a passkey once its answer is right. proof is as with
// [Room.ConfirmTOTP], codes too.
func (r *Room) ConfirmPasskey(ctx context.Context, s Session, name, answer, proof string) (codes []string, err error) {
	if err := ownSession(ctx, s); err != nil {
		return nil, err
	}
	party, err := r.party(ctx)
	if err != nil {
		return nil, err
	}
	if name = cut(line(name), 60); name == "" {
		return nil, fault.New(fault.Invalid, "identity.passkey_name").Field("name", "identity.passkey_name")
	}
	got, err := parsed(answer, protocol.ParseCredentialCreationResponseBytes)
	if err != nil {
		return nil, err
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		p, err := r.proven(ctx, db, s, proof)
		if err != nil {
			return err
		}
		h, err := r.holder(ctx, db, p)
		if err != nil {
			return err
		}
		if len(h.keys) >= maxPasskeys {
			return fault.New(fault.Conflict, "identity.passkey_many")
		}
		challenge, err := r.answered(ctx, db, got.Response.CollectedClientData.Challenge, forCreate, p.ID)
		if err != nil {
			return err
		}
		_, session, err := party.BeginRegistration(h)
		if err != nil {
			return fmt.Errorf("identity: passkey: %w", err)
		}
		session.Challenge = protocol.URLEncodedBase64(challenge).String()
		made, err := party.CreateCredential(h, *session, got)
		if err != nil {
			return errPasskey.With(err)
		}
		raw, err := json.Marshal(made)
		if err != nil {
			return fmt.Errorf("identity: passkey: %w", err)
		}
		now := r.o.Clock.Now()
		_, err = db.NewInsert().Model(&passkeyRow{
			TenantID: ident.TenantOf(ctx), ID: base64.RawURLEncoding.EncodeToString(made.ID), PersonID: p.ID, Name: name,
			Credential: string(raw), CreatedAt: now,
		}).Exec(ctx)
		if store.UniqueViolation(err) {
			return errPasskey.With(err) // this authenticator belongs to somebody already
		}
		if err != nil {
			return fmt.Errorf("identity: passkey: %w", err)
		}
		if codes, err = r.enrolled(ctx, db, p, s, secondPasskey); err != nil {
			return err
		}
		return r.audit(ctx, "identity.second.passkey_added", string(p.ID), map[string]string{"name": name})
	})
	return codes, err
}

// parsed reads what a browser sent.
func parsed[T any](answer string, parse func([]byte) (*T, error)) (*T, error) {
	if answer == "" || len(answer) > maxAnswer {
		return nil, errPasskey
	}
	got, err := parse([]byte(answer))
	if err != nil {
		return nil, errPasskey.With(err)
	}
	return got, nil
}

// AskPasskey is what the browser needs to show a passkey: for whoever signs in
// when pending is empty, else beside the first factor.
func (r *Room) AskPasskey(ctx context.Context, pending string) (*protocol.CredentialAssertion, error) {
	party, err := r.party(ctx)
	if err != nil {
		return nil, err
	}
	if pending == "" {
		challenge, err := r.challenge(ctx, forSignIn, "")
		if err != nil {
			return nil, err
		}
		options, _, err := party.BeginDiscoverableLogin(webauthn.WithChallenge(challenge), webauthn.WithUserVerification(protocol.VerificationRequired))
		if err != nil {
			return nil, fmt.Errorf("identity: passkey: %w", err)
		}
		return options, nil
	}
	p, _, err := r.PendingPerson(ctx, pending)
	if err != nil {
		return nil, err
	}
	h, err := r.holder(ctx, r.o.Store.Read(ctx), p)
	if err != nil {
		return nil, err
	}
	if len(h.keys) == 0 {
		return nil, fault.New(fault.NotFound, "identity.second_none")
	}
	challenge, err := r.challenge(ctx, forSecond, p.ID)
	if err != nil {
		return nil, err
	}
	options, _, err := party.BeginLogin(h, webauthn.WithChallenge(challenge))
	if err != nil {
		return nil, fmt.Errorf("identity: passkey: %w", err)
	}
	return options, nil
}

// SignInPasskey begins a session by a passkey alone (pending empty), or adds it
// to the first factor. It is paced by place: there is nothing to guess, but
// each try costs a signature.
func (r *Room) SignInPasskey(ctx context.Context, pending, answer string, c Client) (Session, error) {
	keys := map[string]pace{"passkey " + place(c.Address): addressPace}
	if wait := r.limiter.take(r.o.Clock.Now(), keys); wait > 0 {
		return Session{}, fault.New(fault.TooMany, "identity.second_too_many", int((wait+time.Minute-1)/time.Minute)).With(&LimitedError{wait})
	}
	s, err := r.signInPasskey(ctx, pending, answer, c)
	if err == nil {
		r.limiter.refund(keys)
	} else if fault.KindOf(err) == fault.Invalid {
		r.o.Log.InfoContext(ctx, "passkey refused", "address", c.Address, "err", err)
	}
	return s, err
}

func (r *Room) signInPasskey(ctx context.Context, pending, answer string, c Client) (s Session, err error) {
	party, err := r.party(ctx)
	if err != nil {
		return s, err
	}
	got, err := parsed(answer, protocol.ParseCredentialRequestResponseBytes)
	if err != nil {
		return s, err
	}
	use, owner, via := forSignIn, PersonID(""), viaPasskey
	if pending != "" {
		p, how, err := r.PendingPerson(ctx, pending)
		if err != nil {
			return s, err
		}
		use, owner, via = forSecond, p.ID, how
	}
	twin := false
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		id := base64.RawURLEncoding.EncodeToString(got.RawID)
		var row passkeyRow
		err := db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Scan(ctx)
		if store.NotFound(err) || err == nil && owner != "" && row.PersonID != owner {
			return errPasskey
		}
		if err != nil {
			return fmt.Errorf("identity: passkey: %w", err)
		}
		p, err := r.Person(ctx, row.PersonID)
		if fault.KindOf(err) == fault.NotFound || err == nil && p.Blocked {
			return errPasskey
		}
		if err != nil {
			return err
		}
		challenge, err := r.answered(ctx, db, got.Response.CollectedClientData.Challenge, use, owner)
		if err != nil {
			return err
		}
		h, err := r.holder(ctx, db, p)
		if err != nil {
			return err
		}
		shown, err := shownKey(party, h, got, challenge, owner != "")
		if err != nil {
			return errPasskey.With(err)
		}
		if shown.Authenticator.CloneWarning {
			twin = true
			return errPasskeyTwin
		}
		raw, err := json.Marshal(shown)
		if err != nil {
			return fmt.Errorf("identity: passkey: %w", err)
		}
		row.Credential, row.UsedAt = string(raw), r.o.Clock.Now()
		if _, err := db.NewUpdate().Model(&row).Column("credential", "used_at").WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("identity: passkey: %w", err)
		}
		s, err = r.begin(ctx, db, p, via, secondPasskey, c)
		return err
	})
	if twin {
		if terr := r.tellOfTwin(ctx, got.RawID); terr != nil {
			return Session{}, terr
		}
	}
	if err != nil {
		return Session{}, err
	}
	return s, nil
}

// shownKey is the passkey after its answer was checked.
func shownKey(party *webauthn.WebAuthn, h holder, got *protocol.ParsedCredentialAssertionData, challenge []byte, second bool) (*webauthn.Credential, error) {
	if second {
		_, session, err := party.BeginLogin(h, webauthn.WithChallenge(challenge))
		if err != nil {
			return nil, err
		}
		return party.ValidateLogin(h, *session, got)
	}
	_, session, err := party.BeginDiscoverableLogin(webauthn.WithChallenge(challenge), webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, err
	}
	_, shown, err := party.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		if string(handle) != string(h.person.ID) {
			return nil, errPasskey
		}
		return h, nil
	}, *session, got)
	return shown, err
}

// tellOfTwin: a counter that went back means that the key exists twice.
func (r *Room) tellOfTwin(ctx context.Context, rawID []byte) error {
	ctx = ident.WithActor(ctx, ident.System)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var row passkeyRow
		err := db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), base64.RawURLEncoding.EncodeToString(rawID)).Scan(ctx)
		if err != nil {
			return fmt.Errorf("identity: passkey: %w", err)
		}
		p, err := r.Person(ctx, row.PersonID)
		if err != nil {
			return err
		}
		if err := r.tell(ctx, p, "identity.mail_twin", row.Name, 0); err != nil {
			return err
		}
		return r.audit(ctx, "identity.second.passkey_twin", string(p.ID), map[string]string{"name": row.Name})
	})
}

// RemovePasskey takes one passkey away from the one who acts.
func (r *Room) RemovePasskey(ctx context.Context, s Session, id, proof string) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := ownSession(ctx, s); err != nil {
			return err
		}
		var row passkeyRow
		err := db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ? AND person_id = ?", ident.TenantOf(ctx), id, s.Person).Scan(ctx)
		if store.NotFound(err) {
			return fault.New(fault.NotFound, "identity.no_passkey")
		}
		if err != nil {
			return fmt.Errorf("identity: passkey: %w", err)
		}
		p, err := r.proven(ctx, db, s, proof)
		if err != nil {
			return err
		}
		if _, err := db.NewDelete().Model(&row).WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("identity: passkey: %w", err)
		}
		if err := r.removed(ctx, db, p); err != nil {
			return err
		}
		return r.audit(ctx, "identity.second.passkey_removed", string(p.ID), map[string]string{"name": row.Name})
	})
}

// hasPasskey tells the sign-in page whether to offer it.
func (r *Room) hasPasskey(ctx context.Context, id PersonID) (bool, error) {
	rows, err := r.passkeyRows(ctx, r.o.Store.Read(ctx), id)
	return len(rows) > 0, err
}
