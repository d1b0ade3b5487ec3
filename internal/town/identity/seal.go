package identity

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// A sealed access is the door for the night in which identity provider, mail
// and the people who could help are gone: a code on paper in a safe. It hangs on
// nothing else, not on the key beside the data either: its hash is of 100 random
// bits. Using it is told to every administrator, and it opens once.
const (
	viaSeal    = "sealed"
	secondSeal = "sealed"
	sealPrefix = "notzugang-"
	// sealCode is the number of letters on the paper.
	sealCode = 20
	// OpenFor is how long an opened access lasts: one night.
	OpenFor = 10 * time.Hour
	// maxSeals is how many a town may have.
	maxSeals = 5
)

// sealRoles are what an opened access may do: everything but approving. With it
// one person could be author and, under their own name, approver.
var sealRoles = []Role{RoleAdmin, RoleIT, RolePublisher}

// Seal is one sealed access.
type Seal struct {
	ID       string
	Place    string // where the paper lies
	Sealed   bool   // false: opened, and to be sealed again
	SealedBy string
	SealedAt time.Time
	Last     Opening // the newest one; zero: never opened
}

// Opening is one use of a sealed access.
type Opening struct {
	Name     string // as the person gave it
	Address  string
	OpenedAt time.Time
	EndsAt   time.Time
}

type sealRow struct {
	bun.BaseModel `bun:"table:identity_seal"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Place         string       `bun:"place"`
	Hash          string       `bun:"hash"` // empty: opened
	SealedBy      string       `bun:"sealed_by"`
	SealedAt      time.Time    `bun:"sealed_at"`
	Openings      int          `bun:"openings"`
}

type openingRow struct {
	bun.BaseModel `bun:"table:identity_opening"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	SealID        string       `bun:"seal_id,pk"`
	N             int          `bun:"n,pk"`
	Name          string       `bun:"name"`
	Address       string       `bun:"address"`
	OpenedAt      time.Time    `bun:"opened_at"`
	EndsAt        time.Time    `bun:"ends_at"`
}

// Faults of sealed accesses.
var (
	errSealWrong = fault.New(fault.Invalid, "identity.seal_wrong")
	errNoSeal    = fault.New(fault.NotFound, "identity.no_seal")
)

// paces of codes from paper; nobody guesses 100 bits, but trying costs.
var sealPace = pace{10, 30 * time.Second}

// sealPerson names who acts by an opening.
func sealPerson(id string, n int) PersonID { return PersonID(sealPrefix + id + "-" + strconv.Itoa(n)) }

// bySeal reports whether a person is the user of a sealed access, who is in no
// list, has no address, and can set up no way in of their own.
func bySeal(id PersonID) bool { return strings.HasPrefix(string(id), sealPrefix) }

// sealedPerson is the person behind an opening: blocked when the access is
// sealed again, was opened anew, or its night is over.
func (r *Room) sealedPerson(ctx context.Context, id PersonID) (Person, error) {
	seal, number, ok := strings.Cut(strings.TrimPrefix(string(id), sealPrefix), "-")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return Person{}, ErrNoPerson
	}
	db, tenant := r.o.Store.Read(ctx), ident.TenantOf(ctx)
	var o openingRow
	err = db.NewSelect().Model(&o).Where("tenant_id = ? AND seal_id = ? AND n = ?", tenant, seal, n).Scan(ctx)
	if store.NotFound(err) {
		return Person{}, ErrNoPerson
	}
	if err != nil {
		return Person{}, fmt.Errorf("identity: opening: %w", err)
	}
	var s sealRow
	err = db.NewSelect().Model(&s).Where("tenant_id = ? AND id = ?", tenant, seal).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return Person{}, fmt.Errorf("identity: seal: %w", err)
	}
	open := err == nil && s.Hash == "" && s.Openings == n && r.o.Clock.Now().Before(o.EndsAt)
	return Person{
		ID: id, Name: o.Name + " (Notzugang)", Roles: sealRoles, Blocked: !open, CreatedAt: when(o.OpenedAt), SignedInAt: when(o.OpenedAt),
	}, nil
}

// Seals lists the town's sealed accesses, oldest first; never their codes.
func (r *Room) Seals(ctx context.Context) ([]Seal, error) {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return nil, err
	}
	db, tenant := r.o.Store.Read(ctx), ident.TenantOf(ctx)
	var rows []sealRow
	if err := db.NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Order("id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("identity: seals: %w", err)
	}
	out := make([]Seal, len(rows))
	for i, row := range rows {
		out[i] = Seal{ID: row.ID, Place: row.Place, Sealed: row.Hash != "", SealedBy: row.SealedBy, SealedAt: when(row.SealedAt)}
		if row.Openings == 0 {
			continue
		}
		var o openingRow
		err := db.NewSelect().Model(&o).Where("tenant_id = ? AND seal_id = ? AND n = ?", tenant, row.ID, row.Openings).Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("identity: opening: %w", err)
		}
		out[i].Last = Opening{Name: o.Name, Address: o.Address, OpenedAt: when(o.OpenedAt), EndsAt: when(o.EndsAt)}
	}
	return out, nil
}

func sealHash(tenant ident.Tenant, code string) string {
	return digest("seal " + string(tenant) + " " + normalCode(code))
}

// SealAccess makes a sealed access (no id), or seals an opened one again; the
// code before is worthless and whoever came in by it is out. The code is told
// only here. Every administrator hears of it, for it is a door.
func (r *Room) SealAccess(ctx context.Context, id, place string) (code string, s Seal, err error) {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return "", s, err
	}
	actor, tenant := ident.ActorOf(ctx), ident.TenantOf(ctx)
	if bySeal(PersonID(actor.Person)) {
		// Whoever came by paper must not write the next one.
		return "", s, fault.New(fault.Forbidden, "identity.seal_not_by_seal")
	}
	if code, err = newPlainCode(sealCode); err != nil {
		return "", s, err
	}
	now := r.o.Clock.Now()
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row := sealRow{TenantID: tenant, ID: id}
		if id == "" {
			if row.Place = cut(line(place), 100); row.Place == "" {
				return fault.New(fault.Invalid, "identity.seal_place_missing").Field("place", "identity.seal_place_missing")
			}
			n, err := db.NewSelect().Model((*sealRow)(nil)).Where("tenant_id = ?", tenant).Count(ctx)
			if err != nil {
				return fmt.Errorf("identity: seals: %w", err)
			}
			if n >= maxSeals {
				return fault.New(fault.Conflict, "identity.seal_many").Field("place", "identity.seal_many")
			}
			row.ID = ident.NewID(now)
		} else {
			err := db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", tenant, id).Scan(ctx)
			if store.NotFound(err) {
				return errNoSeal
			}
			if err != nil {
				return fmt.Errorf("identity: seal: %w", err)
			}
		}
		row.Hash, row.SealedBy, row.SealedAt = sealHash(tenant, code), actor.Name, now
		var err error
		if id == "" {
			_, err = db.NewInsert().Model(&row).Exec(ctx)
		} else {
			_, err = db.NewUpdate().Model(&row).Column("hash", "sealed_by", "sealed_at").WherePK().Exec(ctx)
		}
		if err != nil {
			return fmt.Errorf("identity: seal: %w", err)
		}
		if row.Openings > 0 {
			if err := r.endSessions(ctx, db, sealPerson(row.ID, row.Openings), ""); err != nil {
				return err
			}
		}
		s = Seal{ID: row.ID, Place: row.Place, Sealed: true, SealedBy: row.SealedBy, SealedAt: now}
		if err := r.tellAdmins(ctx, "identity.mail_sealed", row.Place); err != nil {
			return err
		}
		r.hint(ctx, "tenant", string(tenant))
		return r.audit(ctx, "identity.seal.made", row.ID, map[string]string{"place": row.Place})
	})
	if err != nil {
		return "", Seal{}, err
	}
	return code, s, nil
}

// RemoveSeal takes a sealed access away; openings stay in the log.
func (r *Room) RemoveSeal(ctx context.Context, id string) error {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return err
	}
	tenant := ident.TenantOf(ctx)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var row sealRow
		err := db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", tenant, id).Scan(ctx)
		if store.NotFound(err) {
			return errNoSeal
		}
		if err != nil {
			return fmt.Errorf("identity: seal: %w", err)
		}
		if _, err := db.NewDelete().Model(&row).WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("identity: seal: %w", err)
		}
		if err := r.endSessions(ctx, db, sealPerson(row.ID, row.Openings), ""); err != nil {
			return err
		}
		return r.audit(ctx, "identity.seal.removed", id, map[string]string{"place": row.Place})
	})
}

// tellAdmins writes to every address of everybody who may administer.
func (r *Room) tellAdmins(ctx context.Context, key, what string) error {
	admins, err := r.People(ctx, Filter{Role: RoleAdmin, Active: true})
	if err != nil {
		return err
	}
	for _, p := range admins {
		if err := r.tell(ctx, p, key, what, 0); err != nil {
			return err
		}
	}
	return nil
}

// OpenSeal breaks a seal: it begins a session of one night, in the name that
// its user gives, and tells every administrator. No second factor is asked for
// and no provider; the paper is both.
func (r *Room) OpenSeal(ctx context.Context, code, name string, c Client) (Session, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Session{}, err
	}
	if name = cut(line(name), 100); name == "" {
		return Session{}, fault.New(fault.Invalid, "identity.name_missing").Field("name", "identity.name_missing")
	}
	keys := map[string]pace{"seal " + string(tenant) + " " + place(c.Address): sealPace}
	if wait := r.limiter.take(r.o.Clock.Now(), keys); wait > 0 {
		return Session{}, fault.New(fault.TooMany, "identity.second_too_many", int((wait+time.Minute-1)/time.Minute)).With(&LimitedError{wait})
	}
	var s Session
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		hash, now := sealHash(tenant, code), r.o.Clock.Now()
		var row sealRow
		err := db.NewSelect().Model(&row).Where("tenant_id = ? AND hash = ?", tenant, hash).Scan(ctx)
		if store.NotFound(err) {
			return errSealWrong
		}
		if err != nil {
			return fmt.Errorf("identity: seal: %w", err)
		}
		// Of two that come together only one breaks it.
		res, err := db.NewUpdate().Model((*sealRow)(nil)).Set("hash = ''").Set("openings = openings + 1").
			Where("tenant_id = ? AND id = ? AND hash = ?", tenant, row.ID, hash).Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: seal: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errSealWrong
		}
		n := row.Openings + 1
		o := &openingRow{
			TenantID: tenant, SealID: row.ID, N: n, Name: name, Address: cut(line(c.Address), 60), OpenedAt: now, EndsAt: now.Add(OpenFor),
		}
		if _, err := db.NewInsert().Model(o).Exec(ctx); err != nil {
			return fmt.Errorf("identity: opening: %w", err)
		}
		p, err := r.sealedPerson(ctx, sealPerson(row.ID, n))
		if err != nil {
			return err
		}
		if s, err = r.begin(ctx, db, p, viaSeal, secondSeal, c); err != nil {
			return err
		}
		s.Device = "" // the paper makes no browser known
		if err := r.tellAdmins(ident.WithActor(ctx, ident.System), "identity.mail_opened", name+", "+row.Place); err != nil {
			return err
		}
		r.hint(ctx, "tenant", string(tenant))
		return r.audit(ident.WithActor(ctx, actorOf(p)), "identity.seal.opened", row.ID, map[string]string{"place": row.Place, "name": name, "address": o.Address})
	})
	if err == nil {
		r.limiter.refund(keys)
		return s, nil
	}
	r.o.Log.WarnContext(ctx, "sealed access refused", "address", c.Address, "err", err)
	return Session{}, err
}

// BrokenSeals counts the accesses that have to be sealed again.
func (r *Room) BrokenSeals(ctx context.Context) (int, error) {
	n, err := r.o.Store.Read(ctx).NewSelect().Model((*sealRow)(nil)).Where("tenant_id = ? AND hash = ''", ident.TenantOf(ctx)).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("identity: seals: %w", err)
	}
	return int(n), nil
}
