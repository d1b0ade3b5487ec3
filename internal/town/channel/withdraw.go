package channel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// A message that could not leave for hours may have lost its point by then: the
// alarm is taken, or over. Its asker withdraws it.
//
//	queued ── Withdraw ──► withdrawn
//	sending ─ Withdraw ──► marked ─ taken ──► accepted
//	                              └ not taken, now or ever, or the node died ──► withdrawn
//
// What was handed to an adapter is never said to be withdrawn: it is marked, and
// has its end when the try has. Whether an earlier try may have come through all
// the same is remembered too ([Item.Doubtful]).

// Why says for what reason a message is withdrawn. It is stored and shown.
type Why string

// The reasons.
const (
	NoLongerTaken    Why = "acknowledged" // somebody has taken the alarm
	NoLongerOver     Why = "closed"       // the trouble is over
	NoLongerAnswered Why = "answered"     // its reader has answered by another way
	NoLongerTrue     Why = "reopened"     // what it says is not so any more
)

// Withdrawal is a message that [Room.Withdraw] has taken back.
type Withdrawal struct {
	ID string
	// Doubtful: a try before may have come through.
	Doubtful bool
}

// Withdraw takes back what has not left yet, inside the caller's transaction, and
// names it. What is under way at this moment is not in the answer; when its try
// fails it is withdrawn then, and told as [Settled]. Ids that are unknown or at
// their end change nothing.
func (r *Room) Withdraw(ctx context.Context, ids []string, why Why) (gone []Withdrawal, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	if why == "" {
		return nil, errors.New("channel: a message is withdrawn without a reason")
	}
	now := r.o.Clock.Now()
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, enqueue store.Enqueue) error {
		var rows []outboxRow
		// One statement, so that a claim comes before it or after it.
		_, err := db.NewUpdate().Model(&rows).Set("withdrawn = ?", why).
			Set("settled_at = CASE WHEN state = ? THEN ? ELSE settled_at END", Queued, now).
			Set("state = CASE WHEN state = ? THEN ? ELSE state END", Queued, Failed).
			Where("tenant_id = ? AND id IN (?) AND state IN (?, ?) AND withdrawn = ''", tenant, bun.List(ids), Queued, Sending).
			Returning("*").Exec(ctx)
		if err != nil {
			return fmt.Errorf("channel: withdraw: %w", err)
		}
		gone = nil
		for _, row := range rows {
			if row.State != Failed {
				continue
			}
			gone = append(gone, Withdrawal{row.ID, row.Doubtful})
			if err := Settled.Tell(ctx, enqueue, now, row.withdrawnEvent()); err != nil {
				return err
			}
		}
		r.o.Store.AfterCommit(ctx, func() {
			for _, row := range rows {
				r.changed(tenant, row.ID)
			}
		})
		return nil
	})
	return gone, err
}

func (r outboxRow) withdrawnEvent() SettledEvent {
	return SettledEvent{ID: r.ID, State: Withdrawn, Reason: string(r.Withdrawn), Doubtful: r.Doubtful}
}

// state is where the message stands, as people are told.
func (r outboxRow) state() State {
	if r.State == Failed && r.Withdrawn != "" {
		return Withdrawn
	}
	return r.State
}

// errWithdrawn ends a message that is no longer wanted before it is tried.
var errWithdrawn = &Failure{Reason: "withdrawn", Err: errors.New("no longer wanted")}

// untaken reports whether it is certain that the other side did not take the
// message with this try.
func untaken(err error) bool {
	if AsFailure(err).Partly {
		return false
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	switch AsFailure(err).Reason {
	case "paced", "config", "auth", "tls", "throttled", "blocked", "mailbox", "too_large", "speech", errWithdrawn.Reason:
		return true
	}
	return false
}

// inState keeps the rows that are in a state as people are told it.
func inState(q *bun.SelectQuery, s State) *bun.SelectQuery {
	switch s {
	case Withdrawn:
		return q.Where("state = ? AND withdrawn <> ''", Failed)
	case Failed:
		return q.Where("state = ? AND withdrawn = ''", Failed)
	default:
		return q.Where("state = ?", s)
	}
}

// withdrawnInstead is the end of a marked message whose try did not succeed, for now
// or for good: nobody takes a further way for it, so its asker must hear that its
// reader was not told. What the other side said stands beside it.
func withdrawnInstead(row outboxRow, next fate, now time.Time) fate {
	next.state, next.due = Withdrawn, now
	if next.reason == errWithdrawn.Reason { // it was not tried: what was known before stands
		next.reason, next.detail = row.Reason, row.Detail
	}
	return next
}
