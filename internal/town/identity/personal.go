package identity

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/personal"
	"tuermer/internal/platform/store"
)

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "identity_person", Act: personal.Own, Why: "account"},
		{Table: "identity_session", Act: personal.Delete, Columns: []string{"person_id"}, Why: "sign_in"},
		{Table: "identity_link", Act: personal.Delete, Columns: []string{"person_id"}, Why: "sign_in"},
		{Table: "identity_token", Act: personal.Delete, Columns: []string{"person_id"}, Why: "sign_in"},
		{Table: "identity_totp", Act: personal.Delete, Columns: []string{"person_id"}, Why: "sign_in"},
		{Table: "identity_recovery", Act: personal.Delete, Columns: []string{"person_id"}, Why: "sign_in"},
		{Table: "identity_passkey", Act: personal.Delete, Columns: []string{"person_id"}, Why: "sign_in"},
		{Table: "identity_wish", Act: personal.Delete, Columns: []string{"person_id"}, Why: "account"},
		{Table: "identity_opening", Act: personal.Stay, Columns: []string{"name"}, Why: "proof"},
		{Table: "identity_seal", Act: personal.Stay, Columns: []string{"sealed_by"}, Why: "proof"},
	}
}

// dataPath is where the console tells and erases what is held about a person,
// over all rooms.
const dataPath = "/deletion/people"

// erasedDomain is where the stand-ins live: no mail is ever delivered there
// (RFC 2606).
const erasedDomain = "@geloescht.invalid"

// Subject is the person as the search for personal data knows them. The stand-in
// carries the last letters of the id, which names nobody outside.
func (p Person) Subject() personal.Who {
	mark := strings.ToLower(string(p.ID))
	mark = mark[max(0, len(mark)-8):]
	return personal.Who{
		ID: string(p.ID), Name: p.Name, Addresses: []string{p.Email, p.Alternative, p.Mobile, p.Chat},
		StandIn: mark + erasedDomain, StandInName: "Gelöschte Person " + mark,
	}
}

// Erased reports whether the person was erased.
func (p Person) Erased() bool { return strings.HasSuffix(p.Email, erasedDomain) }

// MayErase refuses what must not happen: the last administrator, oneself, and
// people whom the operator's file or the directory would bring back.
func (r *Room) MayErase(ctx context.Context, p Person) error {
	if err := mayManage(ctx, scopeAdmin); err != nil {
		return err
	}
	switch {
	case p.Erased():
		return fault.New(fault.Conflict, "identity.erased_already")
	case p.Declared:
		return fault.New(fault.Conflict, "identity.erase_declared", p.Email)
	case p.Origin != "" && !p.Gone:
		return fault.New(fault.Conflict, "identity.erase_directory")
	case string(p.ID) == ident.ActorOf(ctx).Person:
		return fault.New(fault.Conflict, "identity.erase_self")
	}
	blocked := p
	blocked.Blocked, blocked.Roles = true, nil
	_, err := r.allowed(ctx, p, blocked) // the last administrator stays
	return err
}

// Erase puts the stand-in in the place of an account. The account itself stays,
// without a name and without a way in, so that what it did still has an author.
func (r *Room) Erase(ctx context.Context, p Person) error {
	if err := r.MayErase(ctx, p); err != nil {
		return err
	}
	who := p.Subject()
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := r.row(ctx, "id = ?", p.ID)
		if err != nil {
			return err
		}
		row.fill(Person{ID: p.ID, Name: who.StandInName, Email: who.StandIn, Language: p.Language, Blocked: true}, r.o.Clock.Now())
		row.Password, row.Origin, row.Findings = "", "", "[]"
		row.AlternativeVerified, row.SignedInAt, row.SecondAt, row.CheckedAt = time.Time{}, time.Time{}, time.Time{}, r.o.Clock.Now()
		if _, err := db.NewUpdate().Model(&row).WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("identity: erase: %w", err)
		}
		r.hint(ctx, "person", string(p.ID))
		return nil
	})
}
