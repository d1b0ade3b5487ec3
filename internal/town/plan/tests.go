package plan

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Test is one trial of a way out. Way is "mail/primary" for a route of channel,
// or one of [Ways].
type Test struct {
	ID     string
	Way    string
	At     time.Time
	OK     bool
	Detail string // what the other side said, or what a person noted
	ByName string
}

// Tested is how a way stands: its last trial, and the last that went well.
type Tested struct {
	Last   Test
	LastOK Test // zero: never
}

// TestsLast is how long a good test speaks for a way out.
const TestsLast = 180 * 24 * time.Hour

type testRow struct {
	bun.BaseModel `bun:"table:plan_test"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Way           string       `bun:"way"`
	At            time.Time    `bun:"at"`
	OK            bool         `bun:"ok"`
	Detail        string       `bun:"detail"`
	ByName        string       `bun:"by_name"`
}

// MayTest is the right to try ways out.
func MayTest(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has("admin", "publisher", "it") {
		return fault.New(fault.Forbidden, "plan.test_forbidden")
	}
	return nil
}

// RecordTest keeps how a trial went.
func (r *Room) RecordTest(ctx context.Context, t Test) (Test, error) {
	if err := MayTest(ctx); err != nil {
		return t, err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return t, err
	}
	t.At, t.ByName = r.o.Clock.Now(), ident.ActorOf(ctx).Name
	t.ID = ident.NewID(t.At)
	if runes := []rune(t.Detail); len(runes) > 300 {
		t.Detail = string(runes[:300])
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row := testRow{TenantID: tenant, ID: t.ID, Way: t.Way, At: t.At, OK: t.OK, Detail: t.Detail, ByName: t.ByName}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("plan: test: %w", err)
		}
		r.hint(ctx, tenant, "test")
		return r.o.Audit.Record(ctx, audit.Entry{Action: "plan.tested", Subject: "way:" + t.Way, Detail: map[string]string{"ok": fmt.Sprint(t.OK), "detail": t.Detail}})
	})
	return t, err
}

// TestedWays are all ways that were ever tried.
func (r *Room) TestedWays(ctx context.Context) (map[string]Tested, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]Tested{}
	for _, onlyGood := range []bool{false, true} {
		var rows []testRow
		newest := r.o.Store.Read(ctx).NewSelect().Model((*testRow)(nil)).ModelTableExpr("plan_test AS n").ColumnExpr("max(n.id)").
			Where("n.tenant_id = ?", tenant).Group("n.way")
		if onlyGood {
			newest = newest.Where("n.ok = ?", true)
		}
		q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND id IN (?)", tenant, newest)
		if err := q.Scan(ctx); err != nil {
			return nil, fmt.Errorf("plan: tests: %w", err)
		}
		for _, row := range rows {
			t := Test{ID: row.ID, Way: row.Way, At: clock.Cut(row.At), OK: row.OK, Detail: row.Detail, ByName: row.ByName}
			w := out[row.Way]
			if onlyGood {
				w.LastOK = t
			} else {
				w.Last = t
			}
			out[row.Way] = w
		}
	}
	return out, nil
}
