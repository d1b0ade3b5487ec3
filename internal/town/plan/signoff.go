package plan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// SignOff / Zeichnung says that somebody of the leadership stands behind the plan
// as one version has it (R3.20). It holds for that version alone: the plan may go
// on changing, and everybody sees how far it has gone since.
type SignOff struct {
	ID      string
	Version int
	// Name and Function are of who signed; they need no account.
	Name     string
	Function string
	Day      string // civil day of the signature, 2027-03-31
	Note     string // where the signature can be seen: "Protokoll der Amtsleiterrunde"
	At       time.Time
	ByName   string // who wrote it down
	// Withdrawn is zero while it counts.
	Withdrawn       time.Time
	WithdrawnByName string
	Reason          string
}

// Counts reports whether nobody has taken it back.
func (s SignOff) Counts() bool { return s.Withdrawn.IsZero() }

// Backing is how the leadership stands behind the plan.
type Backing string

// Never signed, signed as it stands, signed as it stood before.
const (
	Unsigned Backing = "unsigned"
	Signed   Backing = "signed"
	Outdated Backing = "outdated"
)

// Backed says how the plan of that version is backed, and by which sign-off: the
// one of the newest version, and among those the latest.
func Backed(all []SignOff, version int) (Backing, SignOff) {
	counts := slices.DeleteFunc(slices.Clone(all), func(s SignOff) bool { return !s.Counts() || s.Version > version })
	if len(counts) == 0 {
		return Unsigned, SignOff{}
	}
	best := slices.MaxFunc(counts, func(a, b SignOff) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Day, b.Day), cmp.Compare(a.ID, b.ID))
	})
	if best.Version == version {
		return Signed, best
	}
	return Outdated, best
}

// maxSigned bounds what is written into one field of a sign-off, in letters.
const maxSigned = 300

func (s SignOff) check(plan Version, zone *time.Location, now time.Time) error {
	err := fault.New(fault.Invalid, "plan.signoff_invalid")
	for field, text := range map[string]string{"name": s.Name, "function": s.Function, "note": s.Note} {
		if text == "" && field != "note" {
			err = err.Field(field, "web.required")
		}
		if utf8.RuneCountInString(text) > maxSigned {
			err = err.Field(field, "plan.too_long")
		}
	}
	on, derr := time.ParseInLocation(dayForm, s.Day, zone)
	switch {
	case derr != nil:
		err = err.Field("day", "plan.bad_day")
	case on.After(now):
		err = err.Field("day", "plan.signoff_future")
	case s.Day < plan.At.In(zone).Format(dayForm):
		err = err.Field("day", "plan.signoff_before") // nobody signs what is not there yet
	}
	if len(err.Fields) > 0 {
		return err
	}
	return nil
}

type signOffRow struct {
	bun.BaseModel   `bun:"table:plan_signoff"`
	TenantID        ident.Tenant `bun:"tenant_id,pk"`
	ID              string       `bun:"id,pk"`
	Version         int          `bun:"version"`
	Name            string       `bun:"name"`
	Function        string       `bun:"function"`
	Day             string       `bun:"day"`
	Note            string       `bun:"note"`
	At              time.Time    `bun:"at"`
	ByName          string       `bun:"by_name"`
	Withdrawn       time.Time    `bun:"withdrawn_at,nullzero"`
	WithdrawnByName string       `bun:"withdrawn_by_name"`
	Reason          string       `bun:"reason"`
}

func (row signOffRow) signOff() SignOff {
	s := SignOff{
		ID: row.ID, Version: row.Version, Name: row.Name, Function: row.Function, Day: row.Day, Note: row.Note,
		At: clock.Cut(row.At), ByName: row.ByName, WithdrawnByName: row.WithdrawnByName, Reason: row.Reason,
	}
	if !row.Withdrawn.IsZero() {
		s.Withdrawn = clock.Cut(row.Withdrawn)
	}
	return s
}

// SignOffs lists all, the newest first, those taken back among them.
func (r *Room) SignOffs(ctx context.Context) ([]SignOff, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []signOffRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Order("id DESC").Limit(1000).Scan(ctx); err != nil {
		return nil, fmt.Errorf("plan: sign-offs: %w", err)
	}
	out := make([]SignOff, len(rows))
	for i, row := range rows {
		out[i] = row.signOff()
	}
	return out, nil
}

// Backing says how the plan as it stands is backed, and by which sign-off.
func (r *Room) Backing(ctx context.Context) (Backing, SignOff, error) {
	all, err := r.SignOffs(ctx)
	if err != nil {
		return Unsigned, SignOff{}, err
	}
	now, err := r.current(ctx)
	if err != nil {
		return Unsigned, SignOff{}, err
	}
	b, s := Backed(all, now.Number)
	return b, s, nil
}

// SignOff writes down that somebody of the leadership signed a version. The
// signature itself is outside; Note says where.
func (r *Room) SignOff(ctx context.Context, s SignOff) (SignOff, error) {
	if err := mayChange(ctx); err != nil {
		return s, err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return s, err
	}
	now := r.o.Clock.Now()
	s = SignOff{
		ID: ident.NewID(now), Version: s.Version, Name: strings.TrimSpace(s.Name), Function: strings.TrimSpace(s.Function), Day: s.Day,
		Note: strings.TrimSpace(s.Note), At: now, ByName: ident.ActorOf(ctx).Name,
	}
	return s, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		signed, err := r.versionOf(ctx, s.Version)
		if err == nil && s.Version < 1 {
			err = fault.New(fault.NotFound, "plan.no_version", s.Version)
		}
		if fault.KindOf(err) == fault.NotFound {
			return fault.New(fault.Invalid, "plan.signoff_invalid").Field("version", "plan.signoff_version")
		}
		if err != nil {
			return err
		}
		if err := s.check(signed, i18n.Of(ctx).Zone, now); err != nil {
			return err
		}
		row := signOffRow{
			TenantID: tenant, ID: s.ID, Version: s.Version, Name: s.Name, Function: s.Function, Day: s.Day, Note: s.Note, At: s.At, ByName: s.ByName,
		}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("plan: sign-off: %w", err)
		}
		r.hint(ctx, tenant, "signoff")
		return r.o.Audit.Record(ctx, audit.Entry{Action: "plan.signed_off", Subject: "plan:" + strconv.Itoa(s.Version), Detail: map[string]string{
			"name": s.Name, "function": s.Function, "day": s.Day, "note": s.Note,
		}})
	})
}

// WithdrawSignOff takes one back, with the reason. It stays in the list.
func (r *Room) WithdrawSignOff(ctx context.Context, id, reason string) (SignOff, error) {
	if err := mayChange(ctx); err != nil {
		return SignOff{}, err
	}
	if reason = strings.TrimSpace(reason); reason == "" {
		return SignOff{}, fault.New(fault.Invalid, "plan.signoff_reason").Field("reason", "web.required")
	}
	if utf8.RuneCountInString(reason) > maxSigned {
		return SignOff{}, fault.New(fault.Invalid, "plan.signoff_reason").Field("reason", "plan.too_long")
	}
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	var out SignOff
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var rows []signOffRow
		_, err := db.NewUpdate().Model(&rows).Set("withdrawn_at = ?", now).Set("withdrawn_by_name = ?", ident.ActorOf(ctx).Name).Set("reason = ?", reason).
			Where("tenant_id = ? AND id = ? AND withdrawn_at IS NULL", tenant, id).Returning("*").Exec(ctx)
		if err != nil && !store.NotFound(err) {
			return fmt.Errorf("plan: sign-off: %w", err)
		}
		if len(rows) == 0 {
			return fault.New(fault.NotFound, "plan.no_signoff")
		}
		out = rows[0].signOff()
		r.hint(ctx, tenant, "signoff")
		return r.o.Audit.Record(ctx, audit.Entry{Action: "plan.signoff_withdrawn", Subject: "plan:" + strconv.Itoa(out.Version), Detail: map[string]string{
			"name": out.Name, "reason": reason,
		}})
	})
	return out, err
}
