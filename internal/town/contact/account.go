package contact

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// RegisteredAccount / Konto is one of the town's accounts in a network. What the
// network writes to it, warnings, questions, and the way back in when it was
// taken over, goes to its recovery mail: one that falls with the town's own mail
// is lost in the hour in which it is needed.
type RegisteredAccount struct {
	ID      string
	Network string // "Mastodon"
	Name    string // "@stadt@social.example"
	// Recovery is the address that the network knows; empty: none, which is red.
	Recovery string
	// Second says who holds the second factor; empty: nobody is named.
	Second string
}

// Title is how the account is called.
func (a RegisteredAccount) Title() string { return strings.TrimSpace(a.Network + " " + a.Name) }

type accountRow struct {
	bun.BaseModel `bun:"table:contact_account"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Network       string       `bun:"network"`
	Name          string       `bun:"name"`
	Recovery      string       `bun:"recovery"`
	Second        string       `bun:"second"`
	UpdatedAt     time.Time    `bun:"updated_at"`
}

func (row accountRow) account() RegisteredAccount {
	return RegisteredAccount{ID: row.ID, Network: row.Network, Name: row.Name, Recovery: row.Recovery, Second: row.Second}
}

// The longest that people write.
const maxWords = 200

// ErrNoAccount says that there is no such account.
var ErrNoAccount = fault.New(fault.NotFound, "contact.no_account")

func (a RegisteredAccount) check() error {
	err := fault.New(fault.Invalid, "contact.bad_account")
	long := func(s string) bool { return len([]rune(s)) > maxWords }
	if a.Network == "" || long(a.Network) {
		err = err.Field("network", "contact.bad_network")
	}
	if a.Name == "" || long(a.Name) {
		err = err.Field("name", "contact.bad_name")
	}
	if a.Recovery != "" {
		if at, perr := mail.ParseAddress(a.Recovery); perr != nil || at.Address != a.Recovery || long(a.Recovery) {
			err = err.Field("recovery", "contact.bad_recovery")
		}
	}
	if long(a.Second) {
		err = err.Field("second", "contact.bad_second")
	}
	if len(err.Fields) > 0 {
		return err
	}
	return nil
}

// registered are the accounts of the town in ctx, by name.
func (r *Room) registered(ctx context.Context, db bun.IDB) (out []RegisteredAccount, err error) {
	var rows []accountRow
	if err := db.NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("network", "name", "id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("contact: accounts: %w", err)
	}
	for _, row := range rows {
		out = append(out, row.account())
	}
	return out, nil
}

// all are the points that others tell of, and the accounts of the register.
func (r *Room) all(ctx context.Context) ([]Point, error) {
	points, err := r.o.Points(ctx)
	if err != nil {
		return nil, err
	}
	accounts, err := r.registered(ctx, r.o.Store.Read(ctx))
	for _, a := range accounts {
		points = append(points, a.point())
	}
	return points, err
}

// point is the account as something that may fall with the town.
func (a RegisteredAccount) point() Point {
	p := Point{Kind: Account, ID: a.ID, Name: a.Title(), Mail: a.Recovery, Host: none}
	if _, domain, ok := strings.Cut(a.Recovery, "@"); ok {
		p.Host = strings.ToLower(domain)
	}
	if a.Second == "" {
		p.Remark = "contact.remark_second"
	}
	return p
}

// none stands for the host of an account that has no recovery mail.
const none = "-"

// Accounts are the accounts of the register with what the last look at their
// recovery mails found, in the order of their names.
func (r *Room) Accounts(ctx context.Context) ([]RegisteredAccount, []Seen, error) {
	if err := mayLook(ctx); err != nil {
		return nil, nil, err
	}
	accounts, err := r.registered(ctx, r.o.Store.Read(ctx))
	if err != nil {
		return nil, nil, err
	}
	points, err := r.points(ctx)
	if err != nil {
		return nil, nil, err
	}
	seen := make([]Seen, len(accounts))
	for i, a := range accounts {
		if j := slices.IndexFunc(points, func(s Seen) bool { return s.Kind == Account && s.ID == a.ID }); j >= 0 {
			seen[i] = points[j]
		}
	}
	return accounts, seen, nil
}

// Account is one of them.
func (r *Room) Account(ctx context.Context, id string) (RegisteredAccount, Seen, error) {
	accounts, seen, err := r.Accounts(ctx)
	if err != nil {
		return RegisteredAccount{}, Seen{}, err
	}
	i := slices.IndexFunc(accounts, func(a RegisteredAccount) bool { return a.ID == id })
	if i < 0 {
		return RegisteredAccount{}, Seen{}, ErrNoAccount
	}
	return accounts[i], seen[i], nil
}

// KeepAccount enters an account, or changes the one that its id names, and looks
// at its recovery mail soon. A wrong address is kept and red: the register says
// how it is, not how it should be.
func (r *Room) KeepAccount(ctx context.Context, a RegisteredAccount) (RegisteredAccount, error) {
	if err := mayLook(ctx); err != nil {
		return a, err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return a, err
	}
	a.Network, a.Name, a.Recovery, a.Second = strings.TrimSpace(a.Network), strings.TrimSpace(a.Name), strings.TrimSpace(a.Recovery), strings.TrimSpace(a.Second)
	if err := a.check(); err != nil {
		return a, err
	}
	now, fresh := r.o.Clock.Now(), a.ID == ""
	if fresh {
		a.ID = ident.NewID(now)
	}
	row := accountRow{TenantID: tenant, ID: a.ID, Network: a.Network, Name: a.Name, Recovery: a.Recovery, Second: a.Second, UpdatedAt: now}
	return a, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if fresh {
			if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
				return fmt.Errorf("contact: account: %w", err)
			}
		} else {
			res, err := db.NewUpdate().Model(&row).WherePK().Exec(ctx)
			if err != nil {
				return fmt.Errorf("contact: account: %w", err)
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				return ErrNoAccount.With(err)
			}
		}
		r.hint(ctx)
		r.o.Store.AfterCommit(ctx, r.sweep.Kick)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "contact.account.kept", Subject: "account:" + a.ID, Detail: map[string]string{"account": a.Title()}})
	})
}

// DropAccount takes one out of the register.
func (r *Room) DropAccount(ctx context.Context, id string) error {
	if err := mayLook(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewDelete().Model((*accountRow)(nil)).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Exec(ctx)
		if err != nil {
			return fmt.Errorf("contact: account: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return ErrNoAccount.With(err)
		}
		r.hint(ctx)
		r.o.Store.AfterCommit(ctx, r.sweep.Kick)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "contact.account.dropped", Subject: "account:" + id})
	})
}
