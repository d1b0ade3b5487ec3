package publish

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// lane is a queue of the ledger: rows that one call of Deliver may carry.
type lane struct {
	TenantID ident.Tenant   `bun:"tenant_id"`
	Realm    incident.Realm `bun:"realm"`
	Channel  channel.Kind   `bun:"channel"`
}

// everyNode takes up whatever any node left.
const everyNode = "*"

// claimName is what a batch of this node is claimed under: "<node>.<id>".
func (r *Room) claimName(now time.Time) string { return r.o.Node + "." + ident.NewID(now) }

// TakeUp queues what a node left "sending" that is known to be dead: ourselves
// before a restart, or one whose lease ran out.
func (r *Room) TakeUp(ctx context.Context, node string) error {
	return r.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		q := db.NewUpdate().Model((*deliveryRow)(nil)).Set("state = ?", Queued).Set("next_at = updated_at").
			Set("sent_at = NULL").Set("claim = ''").Where("state = ?", Sending)
		if node != everyNode {
			q = q.Where("claim LIKE ?", node+".%")
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("publish: take up: %w", err)
		}
		r.o.Store.AfterCommit(ctx, r.ledger.Kick)
		return nil
	})
}

// deliverDue sends what is due, one batch per lane and round, so that a large
// town's mailing does not keep a small one waiting. A lane whose routes are all
// down rests until its rows are due again.
func (r *Room) deliverDue(ctx context.Context, now time.Time) (time.Time, error) {
	rest := map[lane]bool{}
	for ctx.Err() == nil {
		lanes, err := r.lanesDue(ctx, now)
		if err != nil {
			return time.Time{}, err
		}
		busy := false
		for _, l := range lanes {
			if rest[l] || ctx.Err() != nil {
				continue
			}
			down, n, err := r.deliverBatch(ident.WithActor(ident.WithTenant(ctx, l.TenantID), ident.System), l, now)
			if err != nil {
				return time.Time{}, err
			}
			rest[l] = down
			busy = busy || n > 0
		}
		if !busy {
			break
		}
		now = r.o.Clock.Now()
	}
	return r.nextDelivery(ctx, now)
}

func (r *Room) lanesDue(ctx context.Context, now time.Time) ([]lane, error) {
	var lanes []lane
	err := r.o.Store.Read(ctx).NewSelect().Model((*deliveryRow)(nil)).ColumnExpr("DISTINCT tenant_id, realm, channel").
		Where("state IN ('queued', 'sending')").Where("next_at <= ?", now).
		OrderExpr("tenant_id, realm, channel").Scan(ident.AcrossTenants(ctx), &lanes)
	if err != nil {
		return nil, fmt.Errorf("publish: due: %w", err)
	}
	return lanes, nil
}

// nextDelivery is when the next row wants to go.
func (r *Room) nextDelivery(ctx context.Context, now time.Time) (time.Time, error) {
	var row deliveryRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Column("next_at").Where("state IN ('queued', 'sending')").
		Order("next_at").Limit(1).Scan(ident.AcrossTenants(ctx))
	if store.NotFound(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("publish: next: %w", err)
	}
	if at := cut(row.NextAt); at.After(now) {
		return at, nil
	}
	// Due, but its lane rests: ask again in a moment.
	return now.Add(10 * time.Second), nil
}

// deliverBatch claims a batch, sends it and records each outcome. It reports
// whether the routes of the lane are down, and how many rows it claimed.
func (r *Room) deliverBatch(ctx context.Context, l lane, now time.Time) (down bool, n int, err error) {
	claim := r.claimName(now)
	rows, err := r.claim(ctx, l, claim, now)
	if err != nil || len(rows) == 0 {
		return false, 0, err
	}
	ready, messages, dead, err := r.messages(ctx, rows)
	if err != nil {
		return false, 0, err
	}
	var outcomes []channel.Outcome
	if len(messages) > 0 {
		run, cancel := context.WithTimeout(ctx, deliverFor)
		outcomes = r.o.Ways.Deliver(run, channel.Realm(l.Realm), l.Channel, messages)
		cancel()
	}
	if len(outcomes) != len(messages) {
		return false, 0, fmt.Errorf("publish: %d outcomes for %d messages", len(outcomes), len(messages))
	}
	down = len(outcomes) > 0
	for _, o := range outcomes {
		if o.Err == nil || !channel.AsFailure(o.Err).RouteDown {
			down = false
		}
	}
	// What the adapters did stands in the ledger even when the room is being
	// stopped; otherwise a clean stop would send the batch twice.
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return down, len(rows), r.settle(keep, claim, ready, append(outcomes, dead...))
}

// errNoWords ends a row whose statement has no mail text for its audience.
var errNoWords = &channel.Failure{Permanent: true, Reason: "no_text"}

// claim leases up to batchSize due rows to this call. Rows of recipients who
// have heard from us too often are put off (I10).
func (r *Room) claim(ctx context.Context, l lane, claim string, now time.Time) ([]deliveryRow, error) {
	var rows []deliveryRow
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		due := func() *bun.SelectQuery {
			return db.NewSelect().Model((*deliveryRow)(nil)).Column("id").
				Where("tenant_id = ?", l.TenantID).Where("realm = ?", l.Realm).Where("channel = ?", l.Channel).
				Where("state IN ('queued', 'sending')").Where("next_at <= ?", now).Order("next_at", "id").Limit(batchSize)
		}
		// The outer conditions repeat the inner ones: on PostgreSQL a second
		// node that waited for our lock must find the row taken.
		_, err := db.NewUpdate().Model(&rows).
			Set("state = ?", Sending).Set("claim = ?", claim).Set("next_at = ?", now.Add(leaseFor)).
			Set("sent_at = ?", now).Set("updated_at = ?", now).
			Where("tenant_id = ?", l.TenantID).Where("id IN (?)", due()).
			Where("state IN ('queued', 'sending')").Where("next_at <= ?", now).
			Returning("*").Exec(ctx)
		if err != nil {
			return fmt.Errorf("publish: claim: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		rows, err = r.putOff(ctx, db, l, rows, claim, now)
		return err
	})
	return rows, err
}

// putOff takes the rows out of a claim whose recipients have reached the cap,
// and keeps the others.
func (r *Room) putOff(ctx context.Context, db bun.IDB, l lane, rows []deliveryRow, claim string, now time.Time) ([]deliveryRow, error) {
	who, about := make([]string, len(rows)), make([]incident.ID, len(rows))
	for i, row := range rows {
		who[i], about[i] = r.o.Store.Sealed("publish_delivery.recipient", row.Recipient), row.Incident
	}
	var sent []deliveryRow
	// What was only practised takes no place from what is real, nor from the next
	// exercise.
	q := db.NewSelect().Model(&sent).Column("recipient", "sent_at").Where("realm = ?", l.Realm)
	if l.Realm == incident.Exercise {
		q = q.Where("incident_id IN (?)", bun.List(about))
	}
	err := q.Where("tenant_id = ?", l.TenantID).
		Where("recipient IN (?)", bun.List(who)).Where("sent_at > ?", now.Add(-capWindow)).
		Where("channel = ?", l.Channel).Where("claim <> ?", claim).Where("state IN ('sending', 'accepted')").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish: cap: %w", err)
	}
	times := map[string][]time.Time{}
	for _, s := range sent {
		times[s.Recipient] = append(times[s.Recipient], clock.Cut(s.SentAt))
	}
	kept := rows[:0]
	for _, row := range rows {
		at := capped(times[row.Recipient], now)
		if at.IsZero() {
			times[row.Recipient] = append(times[row.Recipient], now)
			kept = append(kept, row)
			continue
		}
		_, err := db.NewUpdate().Model((*deliveryRow)(nil)).
			Set("state = ?", Queued).Set("reason = ?", ReasonCap).Set("claim = ''").Set("sent_at = NULL").Set("next_at = ?", at).
			Where("tenant_id = ?", l.TenantID).Where("id = ?", row.ID).Where("claim = ?", claim).Exec(ctx)
		if err != nil {
			return nil, fmt.Errorf("publish: put off: %w", err)
		}
	}
	return kept, nil
}

// messages writes the message for each row from the variant that was approved. It
// gives back the rows in the order of the messages; those that cannot be sent
// follow, with the outcome of each.
func (r *Room) messages(ctx context.Context, rows []deliveryRow) ([]deliveryRow, []channel.Message, []channel.Outcome, error) {
	type key struct {
		statement ID
		audience  string
		language  template.Language
	}
	var ids []ID
	seen := map[ID]bool{}
	for _, row := range rows {
		if !seen[row.Statement] {
			seen[row.Statement] = true
			ids = append(ids, row.Statement)
		}
	}
	variants, err := r.variantRows(ctx, ids...)
	if err != nil {
		return nil, nil, nil, err
	}
	words := map[key]variantRow{}
	for _, v := range variants {
		if v.Format == template.Mail {
			words[key{v.Statement, v.Audience, v.Language}] = v
		}
	}
	out := make([]channel.Message, 0, len(rows))
	ready := make([]deliveryRow, 0, len(rows))
	var wordless, gone []deliveryRow
	hooks, err := r.chatLedger(ctx, rows, variants)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, row := range rows {
		v, ok := words[key{row.Statement, row.Audience, row.Language}]
		if !ok {
			v, ok = words[key{row.Statement, row.Audience, template.DE}]
		}
		if !ok {
			wordless = append(wordless, row)
			continue
		}
		m := channel.Message{
			ID: row.ID, Kind: row.Channel, Class: channel.Bulk, Realm: channel.Realm(row.Realm), To: row.Recipient,
			Subject: v.Subject, Text: v.Body, Thread: string(row.Incident), FirstOfThread: row.First,
			Language: v.Language.Tag(), Automatic: true, Date: clock.Cut(v.AsOf),
		}
		if row.Channel == channel.Webhook {
			c, ok := hooks.find(row.Recipient)
			if !ok {
				gone = append(gone, row)
				continue
			}
			if m, err = r.toChat(m, c, row, v, hooks.tenant, hooks.public[row.Statement]); err != nil {
				return nil, nil, nil, err
			}
		}
		ready, out = append(ready, row), append(out, m)
	}
	ready = append(append(ready, wordless...), gone...)
	dead := make([]channel.Outcome, 0, len(wordless)+len(gone))
	for range wordless {
		dead = append(dead, channel.Outcome{Err: errNoWords})
	}
	for range gone {
		dead = append(dead, channel.Outcome{Err: errNoChat})
	}
	return ready, out, dead, nil
}

// settle records what became of a batch. Rows whose lease somebody else holds
// by now are left alone.
func (r *Room) settle(ctx context.Context, claim string, rows []deliveryRow, outcomes []channel.Outcome) error {
	now := r.o.Clock.Now()
	tenant := ident.TenantOf(ctx)
	touched := map[ID]incident.ID{}
	var accepted, others, lost []deliveryRow
	for i, row := range rows {
		wasLost := row.Attempts >= lostAfter
		d := row.delivery().outcome(outcomes[i], clock.Cut(row.CreatedAt), now)
		row.State, row.Reason, row.Route, row.Reference = d.State, d.Reason, d.Route, d.Reference
		row.Attempts, row.NextAt, row.SentAt, row.UpdatedAt = d.Attempts, d.NextAt, d.SentAt, d.UpdatedAt
		touched[row.Statement] = row.Incident
		if row.lost() && !wasLost {
			lost = append(lost, row)
		}
		if row.State == Accepted {
			accepted = append(accepted, row)
		} else {
			others = append(others, row)
		}
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if len(accepted) > 0 {
			// One statement for the many: on both databases the columns of a
			// bare VALUES list are called column1, column2 …
			list := strings.TrimSuffix(strings.Repeat("(?, ?, ?), ", len(accepted)), ", ")
			args := []any{Accepted, now}
			for _, row := range accepted {
				args = append(args, row.ID, row.Route, row.Reference)
			}
			_, err := db.NewRaw(`UPDATE publish_delivery SET state = ?, reason = '', attempts = attempts + 1, route = v.column2,
				reference = v.column3, updated_at = ? FROM (VALUES `+list+`) AS v
				WHERE publish_delivery.tenant_id = ? AND publish_delivery.id = v.column1 AND state = ? AND claim = ?`,
				append(args, tenant, Sending, claim)...).Exec(ctx)
			if err != nil {
				return fmt.Errorf("publish: record: %w", err)
			}
		}
		for _, row := range others {
			_, err := db.NewUpdate().Model(&row).Column("state", "reason", "attempts", "next_at", "sent_at", "updated_at").
				Where("tenant_id = ?", tenant).Where("id = ?", row.ID).Where("state = ?", Sending).Where("claim = ?", claim).Exec(ctx)
			if err != nil {
				return fmt.Errorf("publish: record: %w", err)
			}
		}
		for id, in := range touched {
			r.changed(ctx, id, in)
		}
		return r.handOnLost(ctx, db, lost)
	})
}

// Counts tells how far a statement's mailing has come.
func (r *Room) Counts(ctx context.Context, id ID) (Counts, error) {
	if err := mayRead(ctx); err != nil {
		return Counts{}, err
	}
	var rows []struct {
		State DeliveryState `bun:"state"`
		N     int           `bun:"n"`
	}
	err := r.o.Store.Read(ctx).NewSelect().Model((*deliveryRow)(nil)).ColumnExpr("state, count(*) AS n").
		Where("tenant_id = ?", ident.TenantOf(ctx)).Where("statement_id = ?", id).GroupExpr("state").Scan(ctx, &rows)
	if err != nil {
		return Counts{}, fmt.Errorf("publish: counts: %w", err)
	}
	var c Counts
	for _, row := range rows {
		c = c.Add(row.State, row.N)
	}
	return c, nil
}

// DeliveryFilter narrows [Room.Deliveries].
type DeliveryFilter struct {
	States []DeliveryState
	After  string // id of the last one of the page before
	Limit  int
}

// Deliveries lists every recipient's state (I8), in the order of the ledger. Who
// only reads sees that there is somebody, not who.
func (r *Room) Deliveries(ctx context.Context, id ID, f DeliveryFilter) ([]Delivery, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	if f.Limit <= 0 || f.Limit > 10_000 {
		f.Limit = 200
	}
	var rows []deliveryRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).
		Where("statement_id = ?", id).Order("id").Limit(int64(f.Limit))
	if len(f.States) > 0 {
		q = q.Where("state IN (?)", bun.List(f.States))
	}
	if f.After != "" {
		q = q.Where("id > ?", f.After)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("publish: deliveries: %w", err)
	}
	out := make([]Delivery, len(rows))
	reader := !ident.ActorOf(ctx).Has(append([]string{string(identity.RoleIT)}, writers...)...)
	for i, row := range rows {
		out[i] = row.delivery()
		if reader {
			out[i].Recipient = masked(out[i].Recipient)
		}
	}
	return out, nil
}

// masked keeps of an address what tells recipients apart, for those who only
// read: "l•••@musterstadt.example".
func masked(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return "•••"
	}
	first, _ := utf8.DecodeRuneInString(address)
	return string(first) + "•••" + address[at:]
}
