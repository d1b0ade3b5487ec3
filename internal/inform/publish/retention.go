package publish

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/retain"
)

// KeepLedger is how long it is kept to whom a message went, after the last one of
// its incident: claims against an authority end with the third year after the one
// in which they arose. The row itself stays, without an address, for the figures.
const KeepLedger = 1461 * retain.Day

// nobody begins the stand-in of a recipient whose period is over, and forgotten
// marks their rows: the recipient itself is sealed and cannot be told apart.
const (
	nobody    = "geloescht-"
	forgotten = "forgotten" // in the claim, which an ended row needs no more
)

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "publish.ledger", Table: "publish_delivery", Act: retain.Clear, For: KeepLedger, Age: "updated_at", Do: r.forgetRecipients, Count: r.forgettable},
	}
	return append(out, retain.Kept("publish", retain.Record, "publish_statement", "publish_variant", "publish_promise", "publish_waiver", "publish_release")...)
}

// forgetRecipients puts a stand-in in the place of at most n recipients. All rows
// of one in an incident get the same, so that the figures of the incident still
// count people and not mails; nothing leads from it to the address.
func (r *Room) forgetRecipients(ctx context.Context, db bun.IDB, limit time.Time, spans []retain.Span, n int) (rows int64, err error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return 0, err
	}
	var who []struct{ IncidentID, Recipient string }
	err = r.old(db, tenant, limit, spans).Column("incident_id", "recipient").Limit(int64(n)).Scan(ctx, &who)
	if err != nil {
		return 0, fmt.Errorf("publish: recipients to forget: %w", err)
	}
	for _, x := range who {
		res, err := db.NewUpdate().Model((*deliveryRow)(nil)).Set("recipient = ?", r.o.Store.Sealed("publish_delivery.recipient", nobody+ident.NewID(r.o.Clock.Now()))).Set("claim = ?", forgotten).
			Where("tenant_id = ? AND incident_id = ? AND recipient = ?", tenant, x.IncidentID, x.Recipient).Exec(ctx)
		if err != nil {
			return 0, fmt.Errorf("publish: forget a recipient: %w", err)
		}
		m, err := res.RowsAffected()
		if err != nil {
			return 0, fmt.Errorf("publish: forget a recipient: %w", err)
		}
		rows += m
	}
	return rows, nil
}

// old picks the recipients of incidents who were last written to before limit, for
// whom nothing waits, and of whom no row lies in a span.
func (r *Room) old(db bun.IDB, tenant ident.Tenant, limit time.Time, spans []retain.Span) *bun.SelectQuery {
	q := db.NewSelect().Model((*deliveryRow)(nil)).Where("tenant_id = ? AND claim <> ?", tenant, forgotten).Group("incident_id", "recipient").
		Having("max(updated_at) < ? AND sum(CASE WHEN state IN (?, ?) THEN 1 ELSE 0 END) = 0", limit, Queued, Sending)
	for _, s := range spans {
		if s.To.IsZero() {
			q = q.Having("max(updated_at) < ?", s.From)
		} else {
			q = q.Having("sum(CASE WHEN updated_at >= ? AND updated_at <= ? THEN 1 ELSE 0 END) = 0", s.From, s.To)
		}
	}
	return q
}

// forgettable counts the rows that [Room.forgetRecipients] would touch.
func (r *Room) forgettable(ctx context.Context, db bun.IDB, limit time.Time, spans []retain.Span) (rows int64, err error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return 0, err
	}
	err = db.NewSelect().ColumnExpr("coalesce(sum(n), 0)").TableExpr("(?) AS x", r.old(db, tenant, limit, spans).ColumnExpr("count(*) AS n")).Scan(ctx, &rows)
	if err != nil {
		return 0, fmt.Errorf("publish: recipients to forget: %w", err)
	}
	return rows, nil
}
