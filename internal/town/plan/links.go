package plan

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Purpose is what a secret link shows.
type Purpose string

// The pages behind secret links.
const (
	PhonePage   Purpose = "phone"    // Was sagen wir am Telefon?
	PartnerPage Purpose = "partners" // what concerns partners
	StaffPage   Purpose = "staff"    // what staff are told, in their intranet
)

// Purposes lists them.
func Purposes() []Purpose { return []Purpose{PhonePage, PartnerPage, StaffPage} }

// Link is a page that opens without sign-in, for the town's own displays.
type Link struct {
	ID         string
	Purpose    Purpose
	Name       string // where it hangs: "Telefonzentrale"
	CreatedAt  time.Time
	ByName     string
	ValidUntil time.Time
	RevokedAt  time.Time // zero: still good
	// Frames are the origins whose pages may show it in a frame; empty: none.
	Frames []string
}

// Works reports whether the link opens its page at that moment.
func (l Link) Works(now time.Time) bool { return l.RevokedAt.IsZero() && now.Before(l.ValidUntil) }

// LinkFor is how long a link works before it must be made anew.
const LinkFor = 365 * 24 * time.Hour

// hostForm is a host with or without a port, in letters that a header can hold.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(:[0-9]{1,5})?$`)

const maxFrames = 10

// ErrNoLink is all that a wrong, old or revoked link hears.
var ErrNoLink = fault.New(fault.NotFound, "plan.no_link")

type linkRow struct {
	bun.BaseModel `bun:"table:plan_link"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Purpose       Purpose      `bun:"purpose"`
	Hash          string       `bun:"hash"`
	Name          string       `bun:"name"`
	CreatedAt     time.Time    `bun:"created_at"`
	ByName        string       `bun:"by_name"`
	ValidUntil    time.Time    `bun:"valid_until"`
	RevokedAt     time.Time    `bun:"revoked_at,nullzero"`
	Frames        string       `bun:"frames"` // origins, one a line
}

func (row linkRow) link() Link {
	l := Link{
		ID: row.ID, Purpose: row.Purpose, Name: row.Name, CreatedAt: clock.Cut(row.CreatedAt), ByName: row.ByName,
		ValidUntil: clock.Cut(row.ValidUntil), Frames: strings.Fields(row.Frames),
	}
	if !row.RevokedAt.IsZero() {
		l.RevokedAt = clock.Cut(row.RevokedAt)
	}
	return l
}

func linkHash(secret string) string {
	sum := sha256.Sum256([]byte("tuermer/plan/link/" + secret))
	return hex.EncodeToString(sum[:])
}

// CreateLink makes a link and says its secret, which is shown this once. Pages of
// the origins in frames may show it inside of themselves.
func (r *Room) CreateLink(ctx context.Context, purpose Purpose, name string, frames ...string) (l Link, secret string, err error) {
	err = r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		l, secret, err = r.createLink(ctx, purpose, name, frames)
		return err
	})
	return l, secret, err
}

func (r *Room) createLink(ctx context.Context, purpose Purpose, name string, frames []string) (Link, string, error) {
	if err := mayChange(ctx); err != nil {
		return Link{}, "", err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Link{}, "", err
	}
	if name = strings.TrimSpace(name); name == "" || len(name) > 200 {
		return Link{}, "", fault.New(fault.Invalid, "plan.link_unnamed").Field("name", "plan.link_unnamed")
	}
	if !slices.Contains(Purposes(), purpose) {
		return Link{}, "", fault.New(fault.Invalid, "plan.link_purpose").Field("purpose", "plan.link_purpose")
	}
	for _, f := range frames {
		u, err := url.Parse(f)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || !hostForm.MatchString(u.Host) || u.Scheme+"://"+u.Host != f {
			return Link{}, "", fault.New(fault.Invalid, "plan.link_frames").Field("frames", "plan.link_frames")
		}
	}
	if len(frames) > maxFrames {
		return Link{}, "", fault.New(fault.Invalid, "plan.link_frames").Field("frames", "plan.link_frames")
	}
	var bits [32]byte
	if _, err := rand.Read(bits[:]); err != nil {
		return Link{}, "", fmt.Errorf("plan: link: %w", err)
	}
	secret := base64.RawURLEncoding.EncodeToString(bits[:])
	now := r.o.Clock.Now()
	row := linkRow{
		TenantID: tenant, ID: ident.NewID(now), Purpose: purpose, Hash: linkHash(secret), Name: name, CreatedAt: now,
		ByName: ident.ActorOf(ctx).Name, ValidUntil: now.Add(LinkFor), Frames: strings.Join(frames, "\n"),
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("plan: link: %w", err)
		}
		r.hint(ctx, tenant, "link")
		return r.o.Audit.Record(ctx, audit.Entry{Action: "plan.link_created", Subject: "link:" + row.ID, Detail: map[string]string{"purpose": string(purpose), "name": name}})
	})
	return row.link(), secret, err
}

// Links lists those that still work, the newest first.
func (r *Room) Links(ctx context.Context) ([]Link, error) {
	var rows []linkRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND revoked_at IS NULL AND valid_until > ?", ident.TenantOf(ctx), r.o.Clock.Now()).Order("id DESC").Limit(200).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("plan: links: %w", err)
	}
	out := make([]Link, len(rows))
	for i, row := range rows {
		out[i] = row.link()
	}
	return out, nil
}

// RevokeLink ends a link at once.
func (r *Room) RevokeLink(ctx context.Context, id string) error {
	_, err := r.endLink(ctx, id)
	return err
}

func (r *Room) endLink(ctx context.Context, id string) (Link, error) {
	if err := mayChange(ctx); err != nil {
		return Link{}, err
	}
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	var l Link
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var rows []linkRow
		_, err := db.NewUpdate().Model(&rows).Set("revoked_at = ?", now).
			Where("tenant_id = ? AND id = ? AND revoked_at IS NULL", tenant, id).Returning("*").Exec(ctx)
		if err != nil && !store.NotFound(err) {
			return fmt.Errorf("plan: link: %w", err)
		}
		if len(rows) == 0 {
			return ErrNoLink
		}
		l = rows[0].link()
		r.hint(ctx, tenant, "link")
		return r.o.Audit.Record(ctx, audit.Entry{Action: "plan.link_revoked", Subject: "link:" + id, Detail: map[string]string{"name": l.Name}})
	})
	return l, err
}

// RotateLink ends a link and makes one in its place; the old address stops in
// the same moment.
func (r *Room) RotateLink(ctx context.Context, id string) (l Link, secret string, err error) {
	err = r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		old, err := r.endLink(ctx, id)
		if err != nil {
			return err
		}
		l, secret, err = r.createLink(ctx, old.Purpose, old.Name, old.Frames)
		return err
	})
	return l, secret, err
}

// OpenLink finds the link that belongs to a secret. Whatever is wrong with it,
// the answer is [ErrNoLink].
func (r *Room) OpenLink(ctx context.Context, purpose Purpose, secret string) (Link, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Link{}, ErrNoLink
	}
	var row linkRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).
		Where("tenant_id = ? AND hash = ? AND purpose = ?", tenant, linkHash(secret), purpose).Scan(ctx)
	if store.NotFound(err) {
		return Link{}, ErrNoLink
	}
	if err != nil {
		return Link{}, fmt.Errorf("plan: link: %w", err)
	}
	if l := row.link(); l.Works(r.o.Clock.Now()) {
		return l, nil
	}
	return Link{}, ErrNoLink
}
