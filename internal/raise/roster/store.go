package roster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

type entryRow struct {
	bun.BaseModel `bun:"table:roster_entry"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Slug          string       `bun:"slug,pk"`
	Name          string       `bun:"name"`
	Position      int          `bun:"position"`
	Declared      bool         `bun:"declared"`
	Body          string       `bun:"body"`
	UpdatedAt     time.Time    `bun:"updated_at"`
}

func (row entryRow) roster() (Roster, error) {
	var ro Roster
	if err := json.Unmarshal([]byte(row.Body), &ro); err != nil {
		return ro, fmt.Errorf("roster: %s: %w", row.Slug, err)
	}
	return ro, nil
}

// List are the town's rosters in their order.
func (r *Room) List(ctx context.Context) ([]Roster, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []entryRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Order("position", "name", "slug").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: list: %w", err)
	}
	out := make([]Roster, len(rows))
	for i, row := range rows {
		if out[i], err = row.roster(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Get is the roster named slug.
func (r *Room) Get(ctx context.Context, slug string) (Roster, error) {
	var row entryRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND slug = ?", ident.TenantOf(ctx), slug).Scan(ctx)
	if store.NotFound(err) {
		return Roster{}, fault.New(fault.NotFound, "roster.not_found", slug)
	}
	if err != nil {
		return Roster{}, fmt.Errorf("roster: get: %w", err)
	}
	return row.roster()
}

// Save makes or changes a roster. What is declared in the configuration is
// changed there. With fresh the slug must be new.
func (r *Room) Save(ctx context.Context, ro Roster, fresh bool) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if err := ro.Check(); err != nil {
			return err
		}
		old, err := r.Get(ctx, ro.Slug)
		switch {
		case err == nil && fresh:
			return fault.New(fault.Conflict, "roster.exists", ro.Slug).Field("slug", "roster.slug_taken")
		case err == nil && old.Declared:
			return errDeclared
		case err == nil:
			ro.replace(old, r.o.Clock.Now())
		case fault.KindOf(err) != fault.NotFound:
			return err
		case !fresh:
			return err
		default:
			ro.Past = nil
		}
		ro.Declared = false
		if err := r.put(ctx, ro); err != nil {
			return err
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.saved", Subject: "roster:" + ro.Slug, Detail: map[string]string{"name": ro.Name}})
	})
}

// Remove takes a roster away, with what was stored for it.
func (r *Room) Remove(ctx context.Context, slug string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		ro, err := r.Get(ctx, slug)
		if err != nil {
			return err
		}
		if ro.Declared {
			return errDeclared
		}
		return r.drop(ctx, ro)
	})
}

// Declare makes the rosters follow the configuration: what it names is made or
// changed and becomes read-only, what it no longer names is removed. Rosters made
// in the console stay.
func (r *Room) Declare(ctx context.Context, all []Roster, days []Day) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		known, err := r.List(ctx)
		if err != nil {
			return err
		}
		for i, ro := range all {
			ro.Declared, ro.Position, ro.Past = true, i, nil
			j := slices.IndexFunc(known, func(o Roster) bool { return o.Slug == ro.Slug })
			if j >= 0 {
				ro.replace(known[j], r.o.Clock.Now())
				if same(known[j], ro) {
					continue
				}
			}
			if err := r.put(ctx, ro); err != nil {
				return err
			}
			if err := r.o.Audit.Record(ctx, audit.Entry{Action: "roster.declared", Subject: "roster:" + ro.Slug, Detail: map[string]string{"name": ro.Name}}); err != nil {
				return err
			}
		}
		for _, old := range known {
			if old.Declared && !slices.ContainsFunc(all, func(ro Roster) bool { return ro.Slug == old.Slug }) {
				if err := r.drop(ctx, old); err != nil {
					return err
				}
			}
		}
		return r.declareDays(ctx, days)
	})
}

func same(a, b Roster) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func (r *Room) put(ctx context.Context, ro Roster) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	body, err := json.Marshal(ro)
	if err != nil {
		return fmt.Errorf("roster: %w", err)
	}
	row := entryRow{
		TenantID: tenant, Slug: ro.Slug, Name: ro.Name, Position: ro.Position, Declared: ro.Declared, Body: string(body), UpdatedAt: r.o.Clock.Now(),
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, slug) DO UPDATE").
			Set("name = EXCLUDED.name").Set("position = EXCLUDED.position").Set("declared = EXCLUDED.declared").
			Set("body = EXCLUDED.body").Set("updated_at = EXCLUDED.updated_at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("roster: save: %w", err)
		}
		r.changed(ctx, tenant, ro.Slug)
		return nil
	})
}

func (r *Room) drop(ctx context.Context, ro Roster) error {
	tenant := ident.TenantOf(ctx)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewDelete().Model((*entryRow)(nil)).Where("tenant_id = ? AND slug = ?", tenant, ro.Slug).Exec(ctx); err != nil {
			return fmt.Errorf("roster: remove: %w", err)
		}
		// Call-outs stay: payroll asks for them, whatever becomes of the roster.
		for _, rows := range []any{(*overrideRow)(nil), (*swapRow)(nil), (*noticeRow)(nil), (*feedRow)(nil), (*importRow)(nil), (*pieceRow)(nil)} {
			if _, err := db.NewDelete().Model(rows).Where("tenant_id = ? AND roster = ?", tenant, ro.Slug).Exec(ctx); err != nil {
				return fmt.Errorf("roster: remove: %w", err)
			}
		}
		r.changed(ctx, tenant, ro.Slug)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.removed", Subject: "roster:" + ro.Slug, Detail: map[string]string{"name": ro.Name}})
	})
}

// changed nudges pages and the look for gaps after the commit.
func (r *Room) changed(ctx context.Context, t ident.Tenant, id string) {
	r.o.Store.AfterCommit(ctx, func() {
		r.sweep.Kick()
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: t, Topic: "roster", ID: id})
		}
	})
}

type overrideRow struct {
	bun.BaseModel `bun:"table:roster_override"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Roster        string       `bun:"roster"`
	Line          int          `bun:"line"`
	FromAt        time.Time    `bun:"from_at"`
	ToAt          time.Time    `bun:"to_at"`
	Person        string       `bun:"person"`
	Note          string       `bun:"note"`
	Swap          string       `bun:"swap"`
	ByName        string       `bun:"by_name"`
	MadeAt        time.Time    `bun:"made_at"`
	UndoneAt      time.Time    `bun:"undone_at,nullzero"`
	UndoneBy      string       `bun:"undone_by"`
}

func (row overrideRow) override() Override {
	o := Override{
		ID: row.ID, Roster: row.Roster, Line: row.Line, From: clock.Cut(row.FromAt), To: clock.Cut(row.ToAt), Person: row.Person, Note: row.Note,
		Swap: row.Swap, ByName: row.ByName, At: clock.Cut(row.MadeAt), UndoneBy: row.UndoneBy,
	}
	if !row.UndoneAt.IsZero() {
		o.UndoneAt = clock.Cut(row.UndoneAt)
	}
	return o
}

// overrides are those that hold somewhere in [from, to), in the order in which
// they were made.
func (r *Room) overrides(ctx context.Context, slug string, from, to time.Time) ([]Override, error) {
	var rows []overrideRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND roster = ? AND to_at > ? AND from_at < ? AND undone_at IS NULL", ident.TenantOf(ctx), slug, from, to).
		Order("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: overrides: %w", err)
	}
	out := make([]Override, len(rows))
	for i, row := range rows {
		out[i] = row.override()
	}
	return out, nil
}

type swapRow struct {
	bun.BaseModel `bun:"table:roster_swap"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Roster        string       `bun:"roster"`
	Asker         string       `bun:"asker"`
	Other         string       `bun:"other"`
	GiveLine      int          `bun:"give_line"`
	GiveFrom      time.Time    `bun:"give_from"`
	GiveTo        time.Time    `bun:"give_to"`
	TakeLine      int          `bun:"take_line"`
	TakeFrom      time.Time    `bun:"take_from,nullzero"`
	TakeTo        time.Time    `bun:"take_to,nullzero"`
	Note          string       `bun:"note"`
	State         SwapState    `bun:"state"`
	AskedAt       time.Time    `bun:"asked_at"`
	AnsweredAt    time.Time    `bun:"answered_at,nullzero"`
	AnsweredBy    string       `bun:"answered_by"`
}

type noticeRow struct {
	bun.BaseModel `bun:"table:roster_notice"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Roster        string       `bun:"roster,pk"`
	GapFrom       time.Time    `bun:"gap_from,pk"`
	Stage         int          `bun:"stage,pk"`
	GapTo         time.Time    `bun:"gap_to,nullzero"` // zero: told by a release that kept no end
	Have          int          `bun:"have"`            // people on duty when it was told
	ToldAt        time.Time    `bun:"told_at"`
}

type feedRow struct {
	bun.BaseModel `bun:"table:roster_feed"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Roster        string       `bun:"roster"`
	Person        string       `bun:"person"`
	Name          string       `bun:"name"`
	Hash          string       `bun:"hash"`
	ByPerson      string       `bun:"by_person"`
	ByName        string       `bun:"by_name"`
	MadeAt        time.Time    `bun:"made_at"`
	RevokedAt     time.Time    `bun:"revoked_at,nullzero"`
}
