package channel

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/store"
)

// lane is what waits for each other: messages of one kind and class to one
// destination. A mail server that hangs holds up no SMS, a webhook that hangs no
// other webhook, and what is not urgent holds up no alarm.
type lane struct {
	Kind        Kind   `bun:"kind"`
	Class       Class  `bun:"class"`
	Destination string `bun:"destination"`
}

// destination is whose server a message leads to, where that depends on its address:
// a webhook's host, a person's messenger. It is a digest, for it stands beside
// addresses that are sealed. Empty: the town's own routes of the kind, which know
// how to get out of each other's way.
func destination(k Kind, to string) string {
	at := ""
	switch k {
	case Webhook:
		if u, err := url.Parse(to); err == nil {
			at = strings.ToLower(u.Host)
		}
	case Chat:
		at, _, _ = strings.Cut(to, ":")
	}
	if at == "" {
		return ""
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(at))
	return fmt.Sprintf("%08x", h.Sum32())
}

// How many messages of a kind are under way at once. Alarms may use all of it,
// single ones leave a reserve. One destination takes no more than it leaves to all
// others: half of an idle kind, half of the rest when another hangs already. What has
// hung lately is given one message of a class at a time, and all of that together half
// of the places. Whoever has not, and has nothing under way, finds a place for one
// message beside them all.
const (
	maxFlying       = 16
	maxFlyingSingle = 8
	maxFirst        = 128 // messages of a kind at all; half of it for single ones
	lease           = time.Minute

	hangs   = 5 * time.Second  // an attempt that failed after so long has hung
	hungFor = 10 * time.Minute // so long nobody is held to have hung who was not tried again
)

func (r *Room) free(l lane, now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return places(r.flying, func(l lane) bool {
		at, is := r.hung[l.target()]
		return is && now.Sub(at) < hungFor
	}, l)
}

// target is a lane without its class: a server that hangs does so for both.
func (l lane) target() lane { return lane{Kind: l.Kind, Destination: l.Destination} }

// places is the pure rule: how many more of the lane may fly beside what does.
func places(flying map[lane]int, hung func(lane) bool, l lane) int {
	var all, single, there, stuck, stuckSingle int
	for x, n := range flying {
		if x.Kind != l.Kind {
			continue
		}
		all += n
		if x.Class == Single {
			single += n
		}
		if x.Destination == l.Destination {
			there += n
		}
		if hung(x) {
			stuck += n
			if x.Class == Single {
				stuckSingle += n
			}
		}
	}
	left, first := maxFlying-all, all < maxFirst
	if l.Class == Single {
		left, first = min(left, maxFlyingSingle-single), first && single < maxFirst/2
	}
	switch {
	case l.Destination == "":
		return max(0, left)
	case hung(l):
		if flying[l] > 0 || stuck >= maxFlying/2 || l.Class == Single && stuckSingle >= maxFlyingSingle/2 {
			return 0
		}
		return min(max(0, left), 1)
	case there == 0 && left <= 0 && first:
		return 1
	}
	return max(0, (left-there+1)/2) // there and these are no more than what is left, or the last one
}

// heard notes whether a destination hangs, by how an attempt ended.
func (r *Room) heard(l lane, begun time.Time, err error) {
	now := r.o.Clock.Now()
	if l.Destination == "" || err != nil && AsFailure(err).Reason == "paced" {
		return // nobody was asked
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || now.Sub(begun) < hangs {
		delete(r.hung, l.target())
		return
	}
	maps.DeleteFunc(r.hung, func(_ lane, at time.Time) bool { return now.Sub(at) >= hungFor })
	r.hung[l.target()] = now
}

// dueLanes are those in which something is due, alarms first, and whoever waits the
// longest. Looking before claiming keeps the one write connection free while
// nothing is.
func (r *Room) dueLanes(ctx context.Context, now time.Time) ([]lane, error) {
	var out []lane
	err := due(r.o.Store.Read(ctx).NewSelect().Model((*outboxRow)(nil)).Column("kind", "class", "destination"), now).
		Group("class", "kind", "destination").OrderExpr("class, MIN(due_at), kind, destination").Scan(ctx, &out) // "alarm" is before "single"
	if err != nil {
		return nil, fmt.Errorf("channel: due: %w", err)
	}
	return out, nil
}

func (r *Room) claim(ctx context.Context, l lane, now time.Time, n int) ([]outboxRow, error) {
	var rows []outboxRow
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		ids := due(db.NewSelect().Model((*outboxRow)(nil)).Column("tenant_id", "id"), now).
			Where("class = ? AND kind = ? AND destination = ?", l.Class, l.Kind, l.Destination).Order("due_at", "id").Limit(int64(n))
		_, err := db.NewUpdate().Model(&rows).
			Set("state = ?", Sending).Set("lease_until = ?", now.Add(lease)).Set("attempts = attempts + 1").Set("node = ?", r.o.Node).
			Set("doubtful = CASE WHEN state = ? THEN ? ELSE doubtful END", Sending, true). // its node may have sent it
			Where("(tenant_id, id) IN (?)", ids).
			Where("state = ? OR lease_until < ?", Queued, now).
			Returning("*").Exec(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("channel: claim: %w", err)
	}
	return rows, nil
}

func due(q *bun.SelectQuery, now time.Time) *bun.SelectQuery {
	return q.Where("(state = ? AND due_at <= ?) OR (state = ? AND lease_until < ?)", Queued, now, Sending, now)
}
