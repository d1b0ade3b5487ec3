package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// How long a one-time link may be followed.
const (
	LinkMin     = 15 * time.Minute
	LinkMax     = 24 * time.Hour
	linkByMail  = LinkMin
	linkByAdmin = LinkMax
)

// Addresses of this room's pages that other rooms and mails name.
const (
	SignInPath  = "/anmelden"
	linkPath    = "/identity/link/"
	confirmPath = "/identity/confirm/"
	profilePath = "/identity/profile"
)

type linkRow struct {
	bun.BaseModel `bun:"table:identity_link"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Hash          string       `bun:"hash,pk"`
	PersonID      PersonID     `bun:"person_id"`
	First         bool         `bun:"first"`
	Joining       bool         `bun:"joining"` // printed invitation, see [Room.InviteOnPaper]
	CreatedAt     time.Time    `bun:"created_at"`
	ExpiresAt     time.Time    `bun:"expires_at"`
	UsedAt        time.Time    `bun:"used_at,nullzero"`
}

// ErrLink: the link is used up, too old, or none of ours.
var ErrLink = fault.New(fault.NotFound, "identity.link_over")

// SignInLink makes a link that signs the person in once, within ttl (15 minutes
// to 24 hours). Only administrators may make one; it also resets a forgotten
// password, since whoever follows it may set a new one.
func (r *Room) SignInLink(ctx context.Context, id PersonID, ttl time.Duration) (string, error) {
	if err := mayManage(ctx, scopePeople); err != nil {
		return "", err
	}
	p, err := r.Person(ctx, id)
	if err != nil {
		return "", err
	}
	return r.newLink(ctx, p, ttl, false)
}

func (r *Room) newLink(ctx context.Context, p Person, ttl time.Duration, first bool) (string, error) {
	if p.Blocked {
		return "", fault.New(fault.Conflict, "identity.blocked", p.Name)
	}
	t, err := r.Current(ctx)
	if err != nil {
		return "", err
	}
	token, err := secret()
	if err != nil {
		return "", err
	}
	now := r.o.Clock.Now()
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if first {
			// Each start prints a new one; the ones before must not lie around.
			if _, err := db.NewDelete().Model((*linkRow)(nil)).Where("tenant_id = ? AND first = ?", t.ID, true).Exec(ctx); err != nil {
				return fmt.Errorf("identity: link: %w", err)
			}
		}
		_, err := db.NewInsert().Model(&linkRow{
			TenantID: t.ID, Hash: digest(token), PersonID: p.ID, First: first, CreatedAt: now,
			ExpiresAt: now.Add(min(max(ttl, LinkMin), LinkMax)),
		}).Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: link: %w", err)
		}
		return r.audit(ctx, "identity.link.made", string(p.ID), map[string]string{"first": fmt.Sprint(first)})
	})
	return t.StaffURL + linkPath + token, err
}

// FirstAdmin makes a one-time link for the first administrator while no
// administrator has a password; ok is false when one has, or nobody has the
// role. A session does not count: it may be in a browser that is gone, and
// whoever starts the program would have no way in. The caller prints the link.
func (r *Room) FirstAdmin(ctx context.Context) (link string, ok bool, err error) {
	if ident.ActorOf(ctx).Kind != ident.KindSystem {
		return "", false, ErrForbidden
	}
	admins, err := r.People(ctx, Filter{Role: RoleAdmin, Active: true})
	if err != nil || len(admins) == 0 {
		return "", false, err
	}
	if slices.ContainsFunc(admins, func(a Person) bool { return a.HasPassword }) {
		return "", false, nil
	}
	// The one who was there first: ids sort by time.
	first := slices.MinFunc(admins, func(a, b Person) int { return strings.Compare(string(a.ID), string(b.ID)) })
	link, err = r.newLink(ctx, first, LinkMax, true)
	return link, err == nil, err
}

// LinkPerson tells for whom a link is, without using it up; GET shows it, since
// mail scanners follow links.
func (r *Room) LinkPerson(ctx context.Context, token string) (Person, error) {
	row, err := r.link(ctx, token)
	if err != nil {
		return Person{}, err
	}
	p, err := r.Person(ctx, row.PersonID)
	if fault.KindOf(err) == fault.NotFound || err == nil && (p.Blocked || row.Joining && !mayJoin(p)) {
		return Person{}, ErrLink
	}
	return p, err
}

func (r *Room) link(ctx context.Context, token string) (linkRow, error) {
	var row linkRow
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return row, err
	}
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).
		Where("tenant_id = ? AND hash = ?", tenant, digest(token)).Scan(ctx)
	if store.NotFound(err) || err == nil && (!row.UsedAt.IsZero() || !r.o.Clock.Now().Before(row.ExpiresAt)) {
		return row, ErrLink
	}
	if err != nil {
		return row, fmt.Errorf("identity: link: %w", err)
	}
	return row, nil
}

// UseLink signs in the person of the link and uses it up. A mailbox is one
// factor: whoever has a second one is asked for it here too.
func (r *Room) UseLink(ctx context.Context, token string, c Client) (Session, error) {
	var s Session
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		p, err := r.LinkPerson(ctx, token)
		if err != nil {
			return err
		}
		// Of two that come together only one changes the row.
		res, err := db.NewUpdate().Model((*linkRow)(nil)).Set("used_at = ?", r.o.Clock.Now()).
			Where("tenant_id = ? AND hash = ? AND used_at IS NULL", ident.TenantOf(ctx), digest(token)).Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: link: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return ErrLink.With(err)
		}
		s, err = r.enter(ctx, db, p, viaLink, c)
		return err
	})
	return s, err
}

// MailLink sends a one-time link to the official address, when somebody has
// it; whether that is so is not told. It is limited like sign-in.
func (r *Room) MailLink(ctx context.Context, email string, c Client) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	mail, _ := Address(email)
	keys := map[string]pace{
		"mail " + string(tenant) + " " + mail: {3, 10 * time.Minute},
		"mail " + place(c.Address):            {10, time.Minute},
	}
	if wait := r.limiter.take(r.o.Clock.Now(), keys); wait > 0 {
		minutes := int((wait + time.Minute - 1) / time.Minute)
		return fault.New(fault.TooMany, "identity.too_many", minutes).With(&LimitedError{wait})
	}
	p, err := r.PersonByEmail(ctx, mail)
	if fault.KindOf(err) == fault.NotFound || err == nil && (p.Blocked || r.o.Post == nil) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx = ident.WithActor(ctx, ident.System)
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		link, err := r.newLink(ctx, p, linkByMail, false)
		if err != nil {
			return err
		}
		return r.post(ctx, p, p.Email, "identity.mail_link", link, int(linkByMail/time.Minute))
	})
}

// AddPerson creates somebody and makes the link with which they sign in first;
// for the command line.
func (r *Room) AddPerson(ctx context.Context, p Person) (Person, string, error) {
	var link string
	err := r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		var err error
		p.ID = ""
		if p, err = r.SavePerson(ctx, p); err != nil {
			return err
		}
		link, err = r.SignInLink(ctx, p.ID, linkByAdmin)
		return err
	})
	return p, link, err
}

// ResetLink takes away the password of the person with that address and makes a
// new sign-in link; for the command line. Running sessions go on: it is a lost
// password that is reset here, a lost account is blocked.
func (r *Room) ResetLink(ctx context.Context, email string) (string, error) {
	if err := mayManage(ctx, scopePeople); err != nil {
		return "", err
	}
	var link string
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		p, err := r.PersonByEmail(ctx, email)
		if err != nil {
			return err
		}
		if p.HasPassword {
			if _, err := db.NewUpdate().Model((*personRow)(nil)).Set("password = ?", "").
				Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), p.ID).Exec(ctx); err != nil {
				return fmt.Errorf("identity: reset: %w", err)
			}
			if err := r.audit(ctx, "identity.password.reset", string(p.ID), nil); err != nil {
				return err
			}
		}
		link, err = r.SignInLink(ctx, p.ID, linkByAdmin)
		return err
	})
	return link, err
}

const (
	purposeConfirm = "identity.confirm"
	confirmAge     = 14 * 24 * time.Hour
)

// AskConfirm sends the person's alternative address a link to confirm that
// mail arrives there; it returns the link for administrators to hand over.
func (r *Room) AskConfirm(ctx context.Context, id PersonID) (string, error) {
	if err := mayActFor(ctx, id, scopePeople); err != nil {
		return "", err
	}
	p, err := r.Person(ctx, id)
	if err != nil {
		return "", err
	}
	t, err := r.Current(ctx)
	if err != nil {
		return "", err
	}
	if p.Alternative == "" || r.o.Vault == nil {
		return "", fault.New(fault.Conflict, "identity.nothing_to_confirm")
	}
	link := t.StaffURL + confirmPath + r.o.Vault.Sign(purposeConfirm,
		[]byte(string(t.ID)+" "+string(p.ID)+" "+p.Alternative), r.o.Clock.Now().Add(confirmAge))
	err = r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if err := r.post(ctx, p, p.Alternative, "identity.mail_confirm", link, int(confirmAge/(24*time.Hour))); err != nil {
			return err
		}
		return r.audit(ctx, "identity.address.asked", string(p.ID), map[string]string{"alternative": p.Alternative})
	})
	return link, err
}

// ConfirmPerson tells whose address a confirmation link is for.
func (r *Room) ConfirmPerson(ctx context.Context, token string) (Person, error) {
	over := fault.New(fault.NotFound, "identity.confirm_over")
	if r.o.Vault == nil {
		return Person{}, over
	}
	raw, err := r.o.Vault.Verify(purposeConfirm, token, r.o.Clock.Now())
	if err != nil {
		return Person{}, over.With(err)
	}
	part := strings.SplitN(string(raw), " ", 3)
	if len(part) != 3 || part[0] != string(ident.TenantOf(ctx)) {
		return Person{}, over
	}
	p, err := r.Person(ctx, PersonID(part[1]))
	if fault.KindOf(err) == fault.NotFound || err == nil && p.Alternative != part[2] {
		return Person{}, over // another address has taken its place
	}
	return p, err
}

// Confirm notes that mail arrives at the address of the link.
func (r *Room) Confirm(ctx context.Context, token string) (Person, error) {
	var p Person
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var err error
		if p, err = r.ConfirmPerson(ctx, token); err != nil {
			return err
		}
		p.AlternativeVerified = r.o.Clock.Now()
		_, err = db.NewUpdate().Model((*personRow)(nil)).Set("alternative_verified = ?", p.AlternativeVerified).
			Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), p.ID).Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: confirm: %w", err)
		}
		r.hint(ctx, "person", string(p.ID))
		ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindLink, Person: string(p.ID), Name: p.Name})
		return r.audit(ctx, "identity.address.confirmed", string(p.ID), map[string]string{"alternative": p.Alternative})
	})
	return p, err
}

// Proved notes that the person has answered from the alternative address, by a
// link of another room. It does nothing when another address has taken its place.
func (r *Room) Proved(ctx context.Context, id PersonID, address string) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewUpdate().Model((*personRow)(nil)).Set("alternative_verified = ?", r.o.Clock.Now()).
			Where("tenant_id = ? AND id = ? AND alternative = ?", ident.TenantOf(ctx), id, address).Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: proved: %w", err)
		}
		r.hint(ctx, "person", string(id))
		return nil
	})
}
