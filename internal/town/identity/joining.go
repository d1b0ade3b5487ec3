package identity

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/paper"
	"tuermer/internal/platform/store"
)

// JoinAge is how long a printed invitation may be followed: sheets are printed,
// cut and carried through the house, which takes days and not hours.
const JoinAge = 14 * 24 * time.Hour

// Invitation is one person's place on the printed sheet.
type Invitation struct {
	Person Person
	Link   string // signs in once; it is known now and never again
	Until  time.Time
}

// Unit is an organisational unit with the people of it who have not come yet.
type Unit struct {
	Name    string // empty: people without a unit
	Waiting int    // have never signed in
	Invited int    // of these hold a printed invitation that is still good
	Until   time.Time
}

// mayJoin reports whether a person may come by paper. Who has been here needs no
// invitation, and a sheet that lies about must not be a key to an account in use.
// Nor may it be one to everything, so administrators get a link of one day.
func mayJoin(p Person) bool {
	return !p.Blocked && p.SignedInAt.IsZero() && !p.HasPassword && !p.Has(RoleAdmin)
}

// yetToCome are the people who may come by paper, by unit and name.
func (r *Room) yetToCome(ctx context.Context) ([]Person, error) {
	people, err := r.People(ctx, Filter{Active: true})
	if err != nil {
		return nil, err
	}
	people = slices.DeleteFunc(people, func(p Person) bool { return !mayJoin(p) })
	slices.SortStableFunc(people, func(a, b Person) int { return cmp.Compare(a.OrgUnit, b.OrgUnit) })
	return people, nil
}

// Units lists the units in which somebody has not come yet, by name.
func (r *Room) Units(ctx context.Context) ([]Unit, error) {
	if err := mayManage(ctx, scopePeople); err != nil {
		return nil, err
	}
	people, err := r.yetToCome(ctx)
	if err != nil {
		return nil, err
	}
	var rows []linkRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND joining = ? AND used_at IS NULL AND expires_at > ?", ident.TenantOf(ctx), true, r.o.Clock.Now()).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("identity: invitations: %w", err)
	}
	until := map[PersonID]time.Time{}
	for _, row := range rows {
		until[row.PersonID] = row.ExpiresAt
	}
	var out []Unit
	for _, p := range people {
		if len(out) == 0 || out[len(out)-1].Name != p.OrgUnit {
			out = append(out, Unit{Name: p.OrgUnit})
		}
		u := &out[len(out)-1]
		u.Waiting++
		if t, ok := until[p.ID]; ok {
			u.Invited++
			if t.After(u.Until) {
				u.Until = t
			}
		}
	}
	return out, nil
}

// InviteOnPaper makes an invitation for everybody who has never signed in, or for
// those of one unit; the ones before are worthless then. The links are kept only
// as digests, so that a sheet that is lost cannot be printed again, only anew.
func (r *Room) InviteOnPaper(ctx context.Context, unit *string) ([]Invitation, error) {
	if err := mayManage(ctx, scopePeople); err != nil {
		return nil, err
	}
	t, err := r.Current(ctx)
	if err != nil {
		return nil, err
	}
	now := r.o.Clock.Now()
	var out []Invitation
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		people, err := r.yetToCome(ctx)
		if err != nil {
			return err
		}
		if unit != nil {
			people = slices.DeleteFunc(people, func(p Person) bool { return p.OrgUnit != *unit })
		}
		if len(people) == 0 {
			return fault.New(fault.Conflict, "identity.join_nobody")
		}
		out = make([]Invitation, 0, len(people))
		for part := range slices.Chunk(people, 200) {
			rows, ids := make([]linkRow, 0, len(part)), make([]PersonID, 0, len(part))
			for _, p := range part {
				token, err := secret()
				if err != nil {
					return err
				}
				until := now.Add(JoinAge)
				rows = append(rows, linkRow{TenantID: t.ID, Hash: digest(token), PersonID: p.ID, Joining: true, CreatedAt: now, ExpiresAt: until})
				ids = append(ids, p.ID)
				out = append(out, Invitation{Person: p, Link: t.StaffURL + linkPath + token, Until: until})
			}
			if _, err := db.NewDelete().Model((*linkRow)(nil)).
				Where("tenant_id = ? AND joining = ? AND used_at IS NULL AND person_id IN (?)", t.ID, true, bun.List(ids)).Exec(ctx); err != nil {
				return fmt.Errorf("identity: invitations: %w", err)
			}
			if _, err := db.NewInsert().Model(&rows).Exec(ctx); err != nil {
				return fmt.Errorf("identity: invitations: %w", err)
			}
		}
		detail := map[string]string{"count": fmt.Sprint(len(out))}
		if unit != nil {
			detail["unit"] = *unit
		}
		return r.audit(ctx, "identity.join.printed", "", detail)
	})
	return out, err
}

// WithdrawInvitations makes every printed invitation worthless and says how many
// were still good.
func (r *Room) WithdrawInvitations(ctx context.Context) (int, error) {
	if err := mayManage(ctx, scopePeople); err != nil {
		return 0, err
	}
	var n int64
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewDelete().Model((*linkRow)(nil)).
			Where("tenant_id = ? AND joining = ? AND used_at IS NULL AND expires_at > ?", ident.TenantOf(ctx), true, r.o.Clock.Now()).Exec(ctx)
		if err != nil {
			return fmt.Errorf("identity: withdraw: %w", err)
		}
		if n, err = res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return r.audit(ctx, "identity.join.withdrawn", "", map[string]string{"count": fmt.Sprint(n)})
	})
	return int(n), err
}

// JoinSheet is the paper of the invitations: a code for each person, two in a
// row, each unit on sheets of its own.
func JoinSheet(ctx context.Context, t Tenant, list []Invitation, now time.Time) paper.Document {
	d := paper.Document{
		Lang: string(i18n.Of(ctx).Lang), Title: i18n.T(ctx, "identity.join_sheet", t.Name), PageOf: i18n.T(ctx, "identity.join_page_of"), Stand: now,
		Foot:  i18n.T(ctx, "identity.join_foot"),
		Facts: []paper.Fact{{Label: i18n.T(ctx, "identity.join_until"), Value: i18n.Stand(ctx, now.Add(JoinAge))}},
	}
	var row paper.Codes
	for i, in := range list {
		if i == 0 || list[i-1].Person.OrgUnit != in.Person.OrgUnit {
			d.Sections = append(d.Sections, paper.Section{
				Title: cmp.Or(in.Person.OrgUnit, i18n.T(ctx, "identity.join_no_unit")), NewPage: i > 0,
				Blocks: []paper.Block{paper.Text{Text: i18n.T(ctx, "identity.join_how")}},
			})
		}
		row = append(row, paper.Code{Label: in.Person.Name, URL: in.Link})
		if s := &d.Sections[len(d.Sections)-1]; len(row) == 2 || i == len(list)-1 || list[i+1].Person.OrgUnit != in.Person.OrgUnit {
			if len(row) == 1 {
				row = append(row, paper.Code{}) // keeps its half of the sheet
			}
			s.Blocks, row = append(s.Blocks, row), nil
		}
	}
	return d
}
