package roster

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// Vault hides the messengers' secrets and keys the codes.
type Vault interface {
	Key(purpose string) []byte
	Seal(purpose string, plain []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
}

// Hook / Messenger-Befehl is a secret address to which a messenger sends what people
// wrote behind "/dienst", and the secret by which it proves that it is the one.
type Hook struct {
	ID      string
	Product channel.Form // mattermost, slack or rocketchat
	Name    string       // what it is for: "Rathaus-Chat"
	ByName  string
	At      time.Time
	// Ready: the messenger's secret is entered. Without it nothing is taken.
	Ready     bool
	UsedAt    time.Time // the last command; zero: none yet
	RefusedAt time.Time // the last that did not prove itself, since then none did; zero: none
}

// Products are the messengers whose commands are understood.
func Products() []channel.Form {
	return []channel.Form{channel.Mattermost, channel.Slack, channel.RocketChat}
}

// Limits of hooks and what is said to them.
const (
	maxHooks      = 20
	maxAccounts   = 20 // of one person
	maxSecret     = 200
	minSecret     = 8
	maxAccount    = 200 // letters of an id of a messenger
	hookPurpose   = "roster messenger"
	codePurpose   = "roster code"
	accountPlace  = "roster_speaker.account"
	CodeValid     = 10 * time.Minute // how long a code may be used
	hookSeenEvery = time.Minute      // how often it is written down that a hook is used
)

type hookRow struct {
	bun.BaseModel `bun:"table:roster_hook"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Product       channel.Form `bun:"product"`
	Name          string       `bun:"name"`
	Hash          string       `bun:"hash"`
	Secret        []byte       `bun:"secret"`
	ByName        string       `bun:"by_name"`
	MadeAt        time.Time    `bun:"made_at"`
	UsedAt        time.Time    `bun:"used_at,nullzero"`
	RefusedAt     time.Time    `bun:"refused_at,nullzero"`
	RevokedAt     time.Time    `bun:"revoked_at,nullzero"`
}

func (row hookRow) hook() Hook {
	when := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return clock.Cut(t)
	}
	return Hook{
		ID: row.ID, Product: row.Product, Name: row.Name, ByName: row.ByName, At: clock.Cut(row.MadeAt), Ready: len(row.Secret) > 0,
		UsedAt: when(row.UsedAt), RefusedAt: when(row.RefusedAt),
	}
}

type speakerRow struct {
	bun.BaseModel `bun:"table:roster_speaker"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Hook          string       `bun:"hook"`
	Account       string       `bun:"account"` // team and user of the messenger
	Name          string       `bun:"name"`    // as the messenger calls them
	Person        string       `bun:"person"`
	MadeAt        time.Time    `bun:"made_at"`
}

type codeRow struct {
	bun.BaseModel `bun:"table:roster_code"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Person        string       `bun:"person,pk"`
	Hash          string       `bun:"hash"`
	EndsAt        time.Time    `bun:"ends_at"`
}

func hookHash(secret string) string {
	sum := sha256.Sum256([]byte("tuermer/roster/hook/" + secret))
	return hex.EncodeToString(sum[:])
}

// errNoHook is all that a wrong or revoked address hears.
var errNoHook = fault.New(fault.NotFound, "roster.no_hook")

func checkSecret(secret string) error {
	if len(secret) < minSecret || len(secret) > maxSecret || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fault.New(fault.Invalid, "roster.invalid_hook").Field("hook_secret", "roster.bad_hook_secret")
	}
	return nil
}

// MakeHook makes a hook and answers its address, which is told this once. The secret
// may come later by [Room.SetHookSecret]: some messengers tell theirs only after they
// know the address.
func (r *Room) MakeHook(ctx context.Context, product channel.Form, name, secret string) (h Hook, url string, err error) {
	if err := mayChange(ctx); err != nil {
		return h, "", err
	}
	bad := fault.New(fault.Invalid, "roster.invalid_hook")
	if !slices.Contains(Products(), product) {
		return h, "", bad.Field("hook_product", "roster.bad_product")
	}
	if name = strings.TrimSpace(name); !plain(name, maxName) {
		return h, "", bad.Field("hook_name", "roster.bad_name")
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return h, "", err
	}
	town, err := r.o.People.Current(ctx)
	if err != nil {
		return h, "", err
	}
	var bits [32]byte
	if _, err := rand.Read(bits[:]); err != nil {
		return h, "", fmt.Errorf("roster: hook: %w", err)
	}
	address := base64.RawURLEncoding.EncodeToString(bits[:])
	now := r.o.Clock.Now()
	row := hookRow{
		TenantID: tenant, ID: ident.NewID(now), Product: product, Name: name, Hash: hookHash(address), Secret: []byte{}, ByName: ident.ActorOf(ctx).Name, MadeAt: now,
	}
	if secret != "" {
		if row.Secret, err = r.sealSecret(secret); err != nil {
			return h, "", err
		}
	}
	return row.hook(), town.StaffURL + "/in/" + address + "/" + SlashPath, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		all, err := r.Hooks(ctx)
		if err != nil {
			return err
		}
		if len(all) >= maxHooks {
			return fault.New(fault.Conflict, "roster.many_hooks", maxHooks)
		}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("roster: hook: %w", err)
		}
		r.changed(ctx, tenant, row.ID)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.hook_made", Subject: "roster-hook:" + row.ID, Detail: map[string]string{"name": name, "product": string(product)}})
	})
}

func (r *Room) sealSecret(secret string) ([]byte, error) {
	if err := checkSecret(secret); err != nil {
		return nil, err
	}
	sealed, err := r.o.Vault.Seal(hookPurpose, []byte(secret))
	if err != nil {
		return nil, fmt.Errorf("roster: hook: %w", err)
	}
	return sealed, nil
}

// Hooks lists those that work, oldest first.
func (r *Room) Hooks(ctx context.Context) ([]Hook, error) {
	if err := mayChange(ctx); err != nil {
		return nil, err
	}
	return r.hooks(ctx)
}

func (r *Room) hooks(ctx context.Context) ([]Hook, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []hookRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND revoked_at IS NULL", tenant).Order("id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("roster: hooks: %w", err)
	}
	return each(rows, hookRow.hook), nil
}

// liveHook is one that works, by its id.
func liveHook(ctx context.Context, db bun.IDB, id string) (hookRow, error) {
	var row hookRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ? AND revoked_at IS NULL", ident.TenantOf(ctx), id).Scan(ctx)
	if store.NotFound(err) {
		return row, errNoHook
	}
	if err != nil {
		return row, fmt.Errorf("roster: hook: %w", err)
	}
	return row, nil
}

// SetHookSecret enters the secret by which the messenger proves itself from now on.
func (r *Room) SetHookSecret(ctx context.Context, id, secret string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	sealed, err := r.sealSecret(secret)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := liveHook(ctx, db, id)
		if err != nil {
			return err
		}
		if _, err := db.NewUpdate().Model((*hookRow)(nil)).Set("secret = ?", sealed).Set("refused_at = NULL").Where("tenant_id = ? AND id = ?", row.TenantID, id).Exec(ctx); err != nil {
			return fmt.Errorf("roster: hook: %w", err)
		}
		r.changed(ctx, row.TenantID, id)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.hook_secret", Subject: "roster-hook:" + id, Detail: map[string]string{"name": row.Name}})
	})
}

// RevokeHook ends a hook at once, and with it every account that was confirmed over it.
func (r *Room) RevokeHook(ctx context.Context, id string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := liveHook(ctx, db, id)
		if err != nil {
			return err
		}
		if _, err := db.NewUpdate().Model((*hookRow)(nil)).Set("revoked_at = ?", r.o.Clock.Now()).Set("secret = ?", []byte{}).Where("tenant_id = ? AND id = ?", row.TenantID, id).Exec(ctx); err != nil {
			return fmt.Errorf("roster: hook: %w", err)
		}
		if _, err := db.NewDelete().Model((*speakerRow)(nil)).Where("tenant_id = ? AND hook = ?", row.TenantID, id).Exec(ctx); err != nil {
			return fmt.Errorf("roster: hook: %w", err)
		}
		r.changed(ctx, row.TenantID, id)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.hook_revoked", Subject: "roster-hook:" + id, Detail: map[string]string{"name": row.Name}})
	})
}

// hookAt is the hook of an address, with its secret.
func (r *Room) hookAt(ctx context.Context, address string) (hookRow, []byte, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return hookRow{}, nil, errNoHook
	}
	var row hookRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND hash = ? AND revoked_at IS NULL", tenant, hookHash(address)).Scan(ctx)
	if store.NotFound(err) {
		return row, nil, errNoHook
	}
	if err != nil {
		return row, nil, fmt.Errorf("roster: hook: %w", err)
	}
	if len(row.Secret) == 0 {
		return row, nil, nil
	}
	secret, err := r.o.Vault.Open(hookPurpose, row.Secret)
	if err != nil {
		return row, nil, fmt.Errorf("roster: hook: %w", err)
	}
	return row, secret, nil
}

// seenHook writes down that a hook was used, or knocked at in vain; now and then only.
func (r *Room) seenHook(ctx context.Context, row hookRow, good bool) error {
	now := r.o.Clock.Now()
	last := row.RefusedAt
	if good {
		if last = row.UsedAt; !row.RefusedAt.IsZero() {
			last = time.Time{}
		}
	}
	if !last.IsZero() && now.Sub(last).Abs() < hookSeenEvery {
		return nil
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		q := db.NewUpdate().Model((*hookRow)(nil)).Where("tenant_id = ? AND id = ?", row.TenantID, row.ID)
		if good {
			q = q.Set("used_at = ?", now).Set("refused_at = NULL")
		} else {
			q = q.Set("refused_at = ?", now)
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("roster: hook: %w", err)
		}
		return nil
	})
}

// codeLetters are those of a code: none that is read as another.
const codeLetters = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

// codeLength gives a code almost 40 bits: with [maxCodesAMinute] tries nobody guesses
// one in its ten minutes.
const codeLength = 8

func newCode() (string, error) {
	var out strings.Builder
	for out.Len() < codeLength {
		var b [1]byte
		if _, err := rand.Read(b[:]); err != nil {
			return "", fmt.Errorf("roster: code: %w", err)
		}
		if i := int(b[0] & 31); i < len(codeLetters) {
			out.WriteByte(codeLetters[i])
		}
	}
	return out.String(), nil
}

func (r *Room) codeHash(code string) string {
	m := hmac.New(sha256.New, r.o.Vault.Key(codePurpose))
	m.Write([]byte(plainCode(code)))
	return hex.EncodeToString(m.Sum(nil))
}

// errOwn: a rule has no account in a messenger.
var errOwn = fault.New(fault.Forbidden, "roster.messenger_own")

// MessengerCode makes a code by which whoever acts tells a messenger once who they
// are; one made before ends. It is told this once.
func (r *Room) MessengerCode(ctx context.Context) (code string, until time.Time, err error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return "", until, err
	}
	who := ident.ActorOf(ctx)
	if who.Person == "" {
		return "", until, errOwn
	}
	if code, err = newCode(); err != nil {
		return "", until, err
	}
	now := r.o.Clock.Now()
	row := codeRow{TenantID: tenant, Person: who.Person, Hash: r.codeHash(code), EndsAt: now.Add(CodeValid)}
	return code[:4] + "-" + code[4:], row.EndsAt, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, person) DO UPDATE").Set("hash = EXCLUDED.hash").Set("ends_at = EXCLUDED.ends_at").Exec(ctx); err != nil {
			return fmt.Errorf("roster: code: %w", err)
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.messenger_code", Subject: "person:" + who.Person})
	})
}

// Account is somebody's in a messenger, confirmed by a code.
type Account struct {
	ID      string
	Hook    string // name of the hook
	Product channel.Form
	Name    string // as the messenger calls them
	At      time.Time
}

// MessengerAccounts are those of whoever acts; open tells whether the town has a
// messenger to which one could be added.
func (r *Room) MessengerAccounts(ctx context.Context) (all []Account, open bool, err error) {
	who := ident.ActorOf(ctx).Person
	if who == "" {
		return nil, false, errOwn
	}
	hooks, err := r.hooks(ctx)
	if err != nil {
		return nil, false, err
	}
	rows, err := r.speakersOf(ctx, who)
	if err != nil {
		return nil, false, err
	}
	for _, row := range rows {
		a := Account{ID: row.ID, Name: row.Name, At: clock.Cut(row.MadeAt)}
		for _, h := range hooks {
			if h.ID == row.Hook {
				a.Hook, a.Product = h.Name, h.Product
			}
		}
		all = append(all, a)
	}
	return all, slices.ContainsFunc(hooks, func(h Hook) bool { return h.Ready }), nil
}

func (r *Room) speakersOf(ctx context.Context, person string) ([]speakerRow, error) {
	var rows []speakerRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND person = ?", ident.TenantOf(ctx), person).Order("id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("roster: accounts: %w", err)
	}
	return rows, nil
}

// DropMessengerAccount ends one of whoever acts.
func (r *Room) DropMessengerAccount(ctx context.Context, id string) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	who := ident.ActorOf(ctx).Person
	if who == "" {
		return errOwn
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewDelete().Model((*speakerRow)(nil)).Where("tenant_id = ? AND id = ? AND person = ?", tenant, id, who).Exec(ctx)
		if err != nil {
			return fmt.Errorf("roster: account: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fault.New(fault.NotFound, "roster.no_account").With(err)
		}
		r.changed(ctx, tenant, id)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.messenger_dropped", Subject: "person:" + who})
	})
}

// speaker is who speaks from an account, as far as they have confirmed it.
func (r *Room) speaker(ctx context.Context, hook, account string) (person string, err error) {
	var row speakerRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).
		Where("tenant_id = ? AND hook = ? AND account = ?", ident.TenantOf(ctx), hook, r.o.Store.Sealed(accountPlace, account)).Scan(ctx)
	if store.NotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("roster: speaker: %w", err)
	}
	return row.Person, nil
}

// errBadCode says nothing about why: used, over, never made.
var errBadCode = fault.New(fault.Invalid, "roster.say_bad_code")

// confirm binds an account to the person whose code was shown. A code works once, and
// is spent also where nothing comes of it.
func (r *Room) confirm(ctx context.Context, h hookRow, account, name, code string) (person string, err error) {
	now := r.o.Clock.Now()
	whose, err := r.spend(ctx, now, []string{code})
	if err != nil {
		return "", err
	}
	if len(whose) != 1 {
		return "", errBadCode
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		p, err := r.personByID(ctx, whose[0])
		if err != nil {
			return err
		}
		if p.Email == "" || p.Blocked {
			return errBadCode
		}
		// It may have been revoked since it was asked.
		if _, err := liveHook(ctx, db, h.ID); err != nil {
			return err
		}
		held, err := r.speakersOf(ctx, string(p.ID))
		if err != nil {
			return err
		}
		if len(held) >= maxAccounts {
			return fault.New(fault.Conflict, "roster.say_many_accounts", maxAccounts)
		}
		row := speakerRow{TenantID: h.TenantID, ID: ident.NewID(now), Hook: h.ID, Account: account, Name: clippedTo(name, maxName), Person: string(p.ID), MadeAt: now}
		if _, err := db.NewDelete().Model((*speakerRow)(nil)).Where("tenant_id = ? AND hook = ? AND account = ?", h.TenantID, h.ID, r.o.Store.Sealed(accountPlace, account)).Exec(ctx); err != nil {
			return fmt.Errorf("roster: speaker: %w", err)
		}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("roster: speaker: %w", err)
		}
		r.changed(ctx, h.TenantID, row.ID)
		person = string(p.ID)
		ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindLink, Person: person, Name: p.Name})
		if err := r.o.Audit.Record(ctx, audit.Entry{Action: "roster.messenger_confirmed", Subject: "person:" + person, Detail: map[string]string{"hook": h.Name}}); err != nil {
			return err
		}
		// If it was not them, they hear of it where the messenger does not reach.
		l, town, err := r.locale(ctx, p.Language, now)
		if err != nil {
			return err
		}
		say := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
		return r.post(ctx, p, p.Email, say("roster.mail_messenger_subject", h.Name), say("roster.mail_messenger", h.Name, row.Name, l.Stand(now), town.StaffURL+"/reach"), l.Lang, false)
	})
	return person, err
}

func (r *Room) personByID(ctx context.Context, id string) (identity.Person, error) {
	if id == "" {
		return identity.Person{}, nil
	}
	people, err := r.crew(ctx)
	for _, p := range people {
		if string(p.ID) == id {
			return p, err
		}
	}
	return identity.Person{}, err
}
