package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// How long a session lives.
const (
	SessionIdle = 12 * time.Hour      // without a request
	SessionMax  = 14 * 24 * time.Hour // in all
	// touchEvery is how often a request is noted; more would write on every
	// click.
	touchEvery = 5 * time.Minute
	// linkGrace is how long after following a one-time link a new password may
	// be set without the old one.
	linkGrace = 30 * time.Minute
)

// Ways into a session.
const (
	viaPassword = "password"
	viaLink     = "link"
)

// Client is from where somebody signs in.
type Client struct {
	Address string // IP address
	Agent   string // what the browser calls itself
	Device  string // the mark of a known browser, from its cookie
	// Replaces is the token of the session that the browser holds now; it ends.
	Replaces string
}

// Session is a running sign-in. Token is only known when it is made.
type Session struct {
	Token     string
	ID        string // hash of the token; names the session in lists
	Person    PersonID
	Via       string
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
	Address   string
	Agent     string
	// Second is the second factor that was shown, empty: none.
	Second string
	// Pending: only the first factor has been shown. There is no session yet,
	// and Token is empty, until [Room.SignInSecond].
	Pending string
	// Device marks the browser as known; it goes into a cookie of its own.
	Device string
}

type sessionRow struct {
	bun.BaseModel `bun:"table:identity_session"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Hash          string       `bun:"hash,pk"`
	PersonID      PersonID     `bun:"person_id"`
	Via           string       `bun:"via"`
	CreatedAt     time.Time    `bun:"created_at"`
	SeenAt        time.Time    `bun:"seen_at"`
	ExpiresAt     time.Time    `bun:"expires_at"`
	Address       string       `bun:"address"`
	Agent         string       `bun:"agent"`
	Second        string       `bun:"second"`
}

func (s sessionRow) session() Session {
	return Session{
		ID: s.Hash, Person: s.PersonID, Via: s.Via, CreatedAt: when(s.CreatedAt), SeenAt: when(s.SeenAt),
		ExpiresAt: when(s.ExpiresAt), Address: s.Address, Agent: s.Agent, Second: s.Second,
	}
}

// secret makes 256 random bits for links, cookies and tokens.
func secret() (string, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("identity: secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// digest is what is stored of a secret. With 256 random bits a plain hash is
// enough: there is nothing to guess.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// errSignIn is the one answer to a wrong address, a wrong password, a person
// without password and a blocked one.
var errSignIn = fault.New(fault.Invalid, "identity.sign_in_wrong")

const purposeDevice = "identity.device"

// SignIn checks address and password and begins a session; where the person
// has a second factor it only answers what that is to be added to. Too many failures
// are answered with a fault of kind TooMany whose cause is a [LimitedError];
// what was refused takes as long as what was not known.
func (r *Room) SignIn(ctx context.Context, email, password string, c Client) (Session, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Session{}, err
	}
	mail, wellFormed := Address(email)
	keys := r.signInKeys(tenant, mail, c)
	if wait := r.limiter.take(r.o.Clock.Now(), keys); wait > 0 {
		minutes := int((wait + time.Minute - 1) / time.Minute)
		return Session{}, fault.New(fault.TooMany, "identity.too_many", minutes).With(&LimitedError{wait})
	}
	row := personRow{}
	if wellFormed && len(password) <= maxPassword {
		row, err = r.byEmail(ctx, mail)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			r.limiter.refund(keys)
			return Session{}, err
		}
	}
	stored, ok, stale := row.Password, false, false
	err = r.hashing(ctx, func() {
		if stored == "" {
			// As much work as for somebody who exists.
			_, _ = hashPassword(password[:min(len(password), maxPassword)], r.o.Cost)
			return
		}
		ok, stale = checkPassword(password, stored, r.o.Cost)
	})
	if err != nil {
		r.limiter.refund(keys)
		return Session{}, err
	}
	if !ok || row.Blocked {
		r.o.Log.InfoContext(ctx, "sign-in refused", "address", c.Address, "known", row.ID != "", "blocked", row.Blocked)
		return Session{}, errSignIn
	}
	r.limiter.refund(keys)
	if stale {
		if row.Password, err = hashPassword(password, r.o.Cost); err != nil {
			return Session{}, err
		}
	}
	var s Session
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if stale {
			if _, err := db.NewUpdate().Model(&row).Column("password").WherePK().Exec(ctx); err != nil {
				return fmt.Errorf("identity: password: %w", err)
			}
		}
		s, err = r.enter(ctx, db, row.person(), viaPassword, c)
		return err
	})
	return s, err
}

func (r *Room) signInKeys(tenant ident.Tenant, mail string, c Client) map[string]pace {
	account, at := string(tenant)+" "+mail, place(c.Address)
	keys := map[string]pace{"pair " + account + " " + at: pairPace, "address " + at: addressPace}
	if !r.knownDevice(tenant, mail, c.Device) {
		keys["account "+account] = accountPace
	}
	return keys
}

// TriesLeft is how many failures this client may still make for the address at
// once; it is shown below a refused password.
func (r *Room) TriesLeft(ctx context.Context, email string, c Client) int {
	mail, _ := Address(email)
	left := pairPace.burst
	for k, p := range r.signInKeys(ident.TenantOf(ctx), mail, c) {
		left = min(left, r.limiter.left(r.o.Clock.Now(), k, p))
	}
	return left
}

// deviceAge is how long a browser that signed in stays known.
const deviceAge = 180 * 24 * time.Hour

func (r *Room) knownDevice(tenant ident.Tenant, mail, device string) bool {
	if r.o.Vault == nil || device == "" {
		return false
	}
	got, err := r.o.Vault.Verify(purposeDevice, device, r.o.Clock.Now())
	return err == nil && string(got) == string(tenant)+" "+mail
}

// begin opens a session for p and closes the one that it replaces.
func (r *Room) begin(ctx context.Context, db bun.IDB, p Person, via, second string, c Client) (Session, error) {
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	token, err := secret()
	if err != nil {
		return Session{}, err
	}
	row := &sessionRow{
		TenantID: tenant, Hash: digest(token), PersonID: p.ID, Via: via, CreatedAt: now, SeenAt: now,
		ExpiresAt: now.Add(SessionMax), Address: cut(line(c.Address), 60), Agent: cut(line(c.Agent), 200), Second: second,
	}
	if c.Replaces != "" {
		if _, err := db.NewDelete().Model((*sessionRow)(nil)).
			Where("tenant_id = ? AND hash = ?", tenant, digest(c.Replaces)).Exec(ctx); err != nil {
			return Session{}, fmt.Errorf("identity: session: %w", err)
		}
	}
	if _, err := db.NewInsert().Model(row).Exec(ctx); err != nil {
		return Session{}, fmt.Errorf("identity: session: %w", err)
	}
	_, err = db.NewUpdate().Model((*personRow)(nil)).Set("signed_in_at = ?", now).
		Where("tenant_id = ? AND id = ?", tenant, p.ID).Exec(ctx)
	if err != nil {
		return Session{}, fmt.Errorf("identity: session: %w", err)
	}
	s := row.session()
	s.Token = token
	if r.o.Vault != nil {
		s.Device = r.o.Vault.Sign(purposeDevice, []byte(string(tenant)+" "+p.Email), now.Add(deviceAge))
	}
	ctx = ident.WithActor(ctx, actorOf(p))
	detail := map[string]string{"via": via, "address": row.Address}
	if second != "" {
		detail["second"] = second
	}
	return s, r.audit(ctx, "identity.session.started", string(p.ID), detail)
}

func cut(s string, n int) string {
	if rs := []rune(s); len(rs) > n {
		return string(rs[:n])
	}
	return s
}

func actorOf(p Person) ident.Actor {
	roles := make([]string, len(p.Roles))
	for i, role := range p.Roles {
		roles[i] = string(role)
	}
	return ident.Actor{Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name, Roles: roles}
}

// BySession finds who holds the session token; a session that is idle, old or
// of a blocked person is a fault of kind Unauthenticated.
func (r *Room) BySession(ctx context.Context, token string) (Person, Session, error) {
	p, row, err := r.running(ctx, token)
	if err != nil {
		return Person{}, Session{}, err
	}
	now := r.o.Clock.Now()
	if now.Sub(row.SeenAt) >= touchEvery {
		// A page is worth more than the note that it was read: on a full disk
		// people must still see what is going on.
		if err := r.touch(ctx, &row, now); err != nil {
			r.o.Log.WarnContext(ctx, "session could not be marked as used", "err", err)
		}
	}
	return p, row.session(), nil
}

// running is BySession without its note that the session was used: an open
// page that listens is nobody at work.
func (r *Room) running(ctx context.Context, token string) (Person, sessionRow, error) {
	out := fault.New(fault.Unauthenticated, "identity.session_over")
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Person{}, sessionRow{}, err
	}
	var row sessionRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).
		Where("tenant_id = ? AND hash = ?", tenant, digest(token)).Scan(ctx)
	if store.NotFound(err) {
		return Person{}, sessionRow{}, out
	}
	if err != nil {
		return Person{}, sessionRow{}, fmt.Errorf("identity: session: %w", err)
	}
	now := r.o.Clock.Now()
	if !now.Before(row.ExpiresAt) || !now.Before(row.SeenAt.Add(SessionIdle)) {
		return Person{}, sessionRow{}, out
	}
	p, err := r.Person(ctx, row.PersonID)
	if fault.KindOf(err) == fault.NotFound || err == nil && p.Blocked {
		return Person{}, sessionRow{}, out
	}
	if err != nil {
		return Person{}, sessionRow{}, err
	}
	return p, row, nil
}

// StillIn reports whether the session that opened a stream runs on. A database
// that does not answer ends no stream: whoever looks must not go blind then.
func (r *Room) StillIn(req *http.Request) bool {
	q := requestOf(req.Context())
	if q.session == nil {
		return true // streams of scripts end with their connection
	}
	_, _, err := r.running(req.Context(), q.session.Token)
	return fault.KindOf(err) != fault.Unauthenticated || err == nil
}

func (r *Room) touch(ctx context.Context, row *sessionRow, now time.Time) error {
	row.SeenAt = now
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewUpdate().Model(row).Column("seen_at").WherePK().Exec(ctx)
		return err
	})
}

// SignOut ends the session with that token; a token that is none is no error.
func (r *Room) SignOut(ctx context.Context, token string) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var row sessionRow
		err := db.NewSelect().Model(&row).Where("tenant_id = ? AND hash = ?", tenant, digest(token)).Scan(ctx)
		if store.NotFound(err) {
			return nil
		}
		if err == nil {
			_, err = db.NewDelete().Model(&row).WherePK().Exec(ctx)
		}
		if err != nil {
			return fmt.Errorf("identity: sign out: %w", err)
		}
		r.hint(ctx, "person", string(row.PersonID))
		return r.audit(ctx, "identity.session.ended", string(row.PersonID), nil)
	})
}

// SignOutEverywhere ends all sessions of the person but the one with the token
// keep (empty: none is kept).
func (r *Room) SignOutEverywhere(ctx context.Context, id PersonID, keep string) error {
	if err := mayActFor(ctx, id, scopePeople); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := r.endSessions(ctx, db, id, keep); err != nil {
			return err
		}
		r.hint(ctx, "person", string(id))
		return r.audit(ctx, "identity.session.all_ended", string(id), nil)
	})
}

func (r *Room) endSessions(ctx context.Context, db bun.IDB, id PersonID, keep string) error {
	q := db.NewDelete().Model((*sessionRow)(nil)).Where("tenant_id = ? AND person_id = ?", ident.TenantOf(ctx), id)
	if keep != "" {
		q = q.Where("hash <> ?", digest(keep))
	}
	if _, err := q.Exec(ctx); err != nil {
		return fmt.Errorf("identity: end sessions: %w", err)
	}
	return nil
}

// Sessions lists where a person is signed in, newest first.
func (r *Room) Sessions(ctx context.Context, id PersonID) ([]Session, error) {
	if err := mayActFor(ctx, id, scopePeople); err != nil {
		return nil, err
	}
	var rows []sessionRow
	now := r.o.Clock.Now()
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND person_id = ?", ident.TenantOf(ctx), id).
		Where("expires_at > ? AND seen_at > ?", now, now.Add(-SessionIdle)).Order("seen_at DESC", "hash").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("identity: sessions: %w", err)
	}
	out := make([]Session, 0, len(rows))
	for _, row := range rows {
		out = append(out, row.session())
	}
	return out, nil
}

// SetPassword gives the person who acts a new password. The old one is asked
// for, unless there is none or the session came from a one-time link a moment
// ago. All other sessions end.
func (r *Room) SetPassword(ctx context.Context, s Session, old, password string) error {
	a := ident.ActorOf(ctx)
	if a.Kind != ident.KindPerson || a.Person != string(s.Person) {
		return ErrForbidden
	}
	row, err := r.row(ctx, "id = ?", s.Person)
	if err != nil {
		return err
	}
	bad := fault.New(fault.Invalid, "identity.password_refused")
	if key := WeakPassword(password, row.person()); key != "" {
		return bad.Field("password", key)
	}
	fresh := r.fresh(s)
	right, hash := true, ""
	err = r.hashing(ctx, func() {
		if row.Password != "" && !fresh {
			right, _ = checkPassword(old[:min(len(old), maxPassword+1)], row.Password, r.o.Cost)
		}
		if right {
			hash, err = hashPassword(password, r.o.Cost)
		}
	})
	if err != nil {
		return err
	}
	if !right {
		return bad.Field("old", "identity.password_old_wrong")
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row.Password = hash
		if _, err := db.NewUpdate().Model(&row).Column("password").WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("identity: password: %w", err)
		}
		q := db.NewDelete().Model((*sessionRow)(nil)).
			Where("tenant_id = ? AND person_id = ? AND hash <> ?", row.TenantID, row.ID, s.ID)
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("identity: end sessions: %w", err)
		}
		// A link that still lies in a mailbox is a second key to the door.
		if _, err := db.NewDelete().Model((*linkRow)(nil)).
			Where("tenant_id = ? AND person_id = ?", row.TenantID, row.ID).Exec(ctx); err != nil {
			return fmt.Errorf("identity: end links: %w", err)
		}
		r.hint(ctx, "person", string(row.ID))
		return r.audit(ctx, "identity.password.set", string(row.ID), nil)
	})
}

// fresh: the session came from a one-time link a moment ago.
func (r *Room) fresh(s Session) bool {
	return s.Via == viaLink && r.o.Clock.Now().Sub(s.CreatedAt) < linkGrace
}

// PasswordNeedsOld reports whether SetPassword will ask for the old password.
func (r *Room) PasswordNeedsOld(p Person, s Session) bool {
	return p.HasPassword && !r.fresh(s)
}

// bearer is the token in an Authorization header.
func bearer(header string) (string, bool) {
	kind, token, ok := strings.Cut(header, " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(kind, "Bearer")
}
