package personal_test

import (
	"context"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/personal"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

// TestFindAndErase on both databases: other towns' and other people's rows are
// neither found nor touched, secrets are hidden, and what a rule keeps is kept.
func TestFindAndErase(t *testing.T) {
	rooms := []store.Migrations{audit.Migrations(), identity.Migrations()}
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		who := personal.Who{
			ID: "06gqperson", Name: "Ada Beispiel", Addresses: []string{"ada@a.example", "", "+491700000005"},
			StandIn: "1@geloescht.invalid", StandInName: "Gelöschte Person 1",
		}
		for _, q := range []string{
			`INSERT INTO identity_token (tenant_id, id, hash, person_id, name, scopes, created_at) VALUES
				('t1', '1', 'geheim', '06gqperson', 'Ausweis', '[]', '2026-01-01 00:00:00+00:00'),
				('t1', '2', 'g2', 'jemand', 'Ada Beispiel', '[]', '2026-01-01 00:00:00+00:00'),
				('t2', '1', 'g3', '06gqperson', 'Ausweis', '[]', '2026-01-01 00:00:00+00:00')`,
			`INSERT INTO identity_opening (tenant_id, seal_id, n, name, address, opened_at, ends_at) VALUES
				('t1', 's', 1, 'Ada Beispiel', 'ADA@a.example, bert@b.example', '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00'),
				('t1', 's', 2, 'Bert', 'bert@b.example', '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00')`,
		} {
			err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
				_, err := db.ExecContext(ctx, q)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		hits, err := personal.Find(w.Ctx, w.Store, who)
		if err != nil || len(hits) != 3 {
			t.Fatalf("%v %v", hits, err)
		}
		for _, h := range hits {
			for _, f := range h.Fields {
				if f.Column == "hash" && f.Value != personal.Hidden {
					t.Errorf("a digest is shown: %v", h)
				}
				if f.Column == "address" && f.Value != "ADA@a.example, "+personal.Hidden {
					t.Errorf("other people's addresses are hidden, one's own is not: %v", h)
				}
			}
		}
		rules := []personal.Rule{
			{Table: "identity_token", Act: personal.Delete, Columns: []string{"person_id"}},
			{Table: "identity_opening", Act: personal.Replace, Columns: []string{"name"}},
			{Table: "identity_opening", Act: personal.Refuse, Columns: []string{"name", "address"}, Where: "ends_at > ?", Label: "name"},
		}
		early := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		if r, err := personal.Refusals(w.Ctx, w.Store, rules, who, early); err != nil || len(r) != 1 || r[0].Label != "Ada Beispiel" {
			t.Fatalf("%+v %v", r, err)
		}
		if r, err := personal.Refusals(w.Ctx, w.Store, rules, who, early.AddDate(5, 0, 0)); err != nil || len(r) != 0 {
			t.Fatalf("%+v %v", r, err)
		}
		var done []personal.Done
		err = w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) (err error) {
			done, err = personal.Erase(ctx, w.Store, rules, who, early)
			return err
		})
		if err != nil || len(done) != 2 || done[0].Rows != 1 || done[1].Rows != 1 {
			t.Fatalf("%+v %v", done, err)
		}
		left, err := personal.Find(w.Ctx, w.Store, who)
		if err != nil || len(left) != 2 {
			t.Fatalf("%v %v", left, err)
		}
		if other, err := personal.Find(ident.WithTenant(w.Ctx, "t2"), w.Store, who); err != nil || len(other) != 1 {
			t.Fatalf("another town's rows: %v %v", other, err)
		}
	})
}
