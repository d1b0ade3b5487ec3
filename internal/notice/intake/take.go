package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

type bodyRow struct {
	bun.BaseModel `bun:"table:intake_body"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Source        string       `bun:"source,pk"`
	Hash          string       `bun:"hash,pk"`
	FirstAt       time.Time    `bun:"first_at"`
	LastAt        time.Time    `bun:"last_at"`
	Times         int64        `bun:"times"`
	ContentType   string       `bun:"content_type"`
	Query         string       `bun:"query"`
	Path          string       `bun:"path"`
	Event         string       `bun:"event"`
	Data          []byte       `bun:"data"`
	Problem       string       `bun:"problem"` // empty: understood
}

// Problem is the stable word for what is wrong with a body: form, empty or
// keyless; empty for nil.
func Problem(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrEmpty):
		return "empty"
	case errors.Is(err, ErrKeyless):
		return "keyless"
	}
	return "form"
}

// kept is a body on its way into the store.
type kept struct {
	row     sourceRow
	body    bodyRow
	reports []Report
	done    chan error
}

// byToken finds a source by the secret in its address.
func (r *Room) byToken(ctx context.Context, token string) (sourceRow, error) {
	var row sourceRow
	unknown := fault.New(fault.NotFound, "intake.no_such_address")
	if !strings.HasPrefix(token, TokenPrefix) {
		return row, unknown
	}
	// The token is the secret and finds its tenant; at the address of another
	// town it opens nothing (I19).
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("token = ?", digest(token)).Scan(ident.AcrossTenants(ctx))
	if t := ident.TenantOf(ctx); store.NotFound(err) || err == nil && (t != "" && t != row.TenantID || !row.RevokedAt.IsZero()) {
		return sourceRow{}, unknown
	}
	if err != nil {
		return row, fmt.Errorf("intake: token: %w", err)
	}
	return row, nil
}

// Take keeps what came to an address and records what it reports. It answers
// nil when both are stored, also for a body that nobody understands: that is
// ours to mend, and the sender would only give up.
func (r *Room) Take(ctx context.Context, token string, f Format, b Body) error {
	row, err := r.byToken(ctx, token)
	if err != nil {
		return err
	}
	if f != row.Format {
		return fault.New(fault.NotFound, "intake.no_such_address")
	}
	ctx = ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System)
	now := r.o.Clock.Now()
	reports, wrong := Parse(row.Format, row.source().Mapping, b, r.o.Locale(ctx).Zone)
	for i := range reports {
		reports[i].over(now)
	}
	sum := sha256.New()
	path := strings.Join(b.Path, "/")
	for _, s := range []string{b.ContentType, b.Query.Encode(), path, b.Event} {
		fmt.Fprintf(sum, "%d:%s", len(s), s)
	}
	sum.Write(b.Data)
	k := &kept{row: row, reports: reports, done: make(chan error, 1), body: bodyRow{
		TenantID: row.TenantID, Source: row.Name, Hash: hex.EncodeToString(sum.Sum(nil)[:16]), FirstAt: now, LastAt: now, Times: 1,
		ContentType: line(b.ContentType, 200), Query: line(b.Query.Encode(), 2000), Path: line(path, 300), Event: line(b.Event, 100),
		Data: append([]byte{}, b.Data...), Problem: Problem(wrong),
	}}
	if !r.queue.add(k) {
		return fault.New(fault.Unavailable, "intake.busy")
	}
	select {
	case err := <-k.done:
		return err
	case <-ctx.Done():
		return ctx.Err() // it is stored all the same; the sender says it again
	}
}

// Bounds of the queue: how many bodies wait, and how many share a transaction.
const (
	maxWaiting = 4096
	maxShared  = 256
)

// queue lets many bodies share one transaction. While one is written, the next
// gather.
type queue struct {
	keep func([]*kept) error

	mu      sync.Mutex
	waiting []*kept
	busy    bool
	closed  bool
	idle    sync.Cond
}

func newQueue(keep func([]*kept) error) *queue {
	q := &queue{keep: keep}
	q.idle.L = &q.mu
	return q
}

// add answers false when too much waits already.
func (q *queue) add(k *kept) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.waiting) >= maxWaiting {
		return false
	}
	q.waiting = append(q.waiting, k)
	if !q.busy {
		q.busy = true
		go q.run()
	}
	return true
}

func (q *queue) run() {
	for {
		q.mu.Lock()
		n := min(len(q.waiting), maxShared)
		if n == 0 {
			q.busy = false
			q.idle.Broadcast()
			q.mu.Unlock()
			return
		}
		batch := q.waiting[:n:n]
		q.waiting = q.waiting[n:]
		q.mu.Unlock()
		err := q.keep(batch)
		if err != nil && len(batch) > 1 {
			// One of them may be what cannot be stored: each for itself.
			for _, k := range batch {
				k.done <- q.keep([]*kept{k})
			}
			continue
		}
		for _, k := range batch {
			k.done <- err
		}
	}
}

// stop refuses what comes from now on and waits for what is there.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for q.busy {
		q.idle.Wait()
	}
}

// keep stores bodies and what they report in one transaction, in the order in
// which they came. What repeats itself among them is written once.
func (r *Room) keep(batch []*kept) error {
	ctx := ident.WithActor(ident.AcrossTenants(context.Background()), ident.System)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		for _, body := range distinct(batch) {
			_, err := db.NewInsert().Model(&body).On("CONFLICT (tenant_id, source, hash) DO UPDATE").
				Set("times = body_row.times + EXCLUDED.times, last_at = EXCLUDED.last_at, problem = EXCLUDED.problem").Exec(ctx)
			if err != nil {
				return fmt.Errorf("intake: keep: %w", err)
			}
		}
		type thing struct {
			tenant ident.Tenant
			key    string
		}
		said := map[thing]Report{}
		sources := map[thing]*kept{} // the last body of each, and whether one was not understood
		for _, k := range batch {
			ctx := ident.WithTenant(ctx, k.row.TenantID)
			for _, rep := range k.reports {
				of := thing{k.row.TenantID, keyOf(k.row.Name, rep.Key)}
				last, again := said[of]
				if rep.Note || again && last.Episode == rep.Episode && last.State == rep.State && last.Severity == rep.Severity {
					continue
				}
				said[of] = rep
				if _, err := r.o.Signals.Record(ctx, r.signal(ctx, k.row, rep)); err != nil {
					return err
				}
			}
			of := thing{k.row.TenantID, k.row.Name}
			last := *k
			if before := sources[of]; before != nil && last.body.Problem == "" {
				last.body.Problem = before.body.Problem
			}
			sources[of] = &last
		}
		for of, k := range sources {
			if err := r.heard(ident.WithTenant(ctx, of.tenant), db, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// distinct are the bodies of a batch, each once, with how often it came.
func distinct(batch []*kept) []bodyRow {
	type id struct {
		tenant       ident.Tenant
		source, hash string
	}
	at := map[id]int{}
	var out []bodyRow
	for _, k := range batch {
		of := id{k.row.TenantID, k.row.Name, k.body.Hash}
		i, again := at[of]
		if !again {
			at[of] = len(out)
			out = append(out, k.body)
			continue
		}
		out[i].Times += k.body.Times
		out[i].LastAt = k.body.LastAt
	}
	return out
}

// keyOf is what the signals of a source are about.
func keyOf(source, key string) string { return "intake:" + source + ":" + key }

func (r *Room) signal(ctx context.Context, row sourceRow, rep Report) signal.Signal {
	l := r.o.Locale(ctx)
	detail := []string{rep.Detail, join(" · ", rep.Host, rep.Site), l.Catalog.Text(l.Lang, "intake.signal_from", row.Title), rep.Link}
	return signal.Signal{
		Source: signal.Intake, Key: keyOf(row.Name, rep.Key), Episode: rep.Episode, State: rep.State, Service: row.Service,
		Severity: rep.Severity, Title: rep.Title, Detail: join("\n", detail...), Since: rep.Since,
	}
}

// heard notes that a source has spoken, and whether it was understood.
func (r *Room) heard(ctx context.Context, db bun.IDB, k *kept) error {
	row, err := r.get(ctx, db, k.row.Name)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	was := row
	row.HeardAt, row.Silent = k.body.LastAt, false
	if was.Silent {
		if err := r.tell(ctx, row, aboutSilence, signal.Resolved); err != nil {
			return err
		}
	}
	if k.body.Problem != "" {
		row.UnreadAt = k.body.LastAt
		if err := r.tell(ctx, row, aboutReading, signal.Firing); err != nil {
			return err
		}
	}
	if was.HeardAt.Equal(row.HeardAt) && was.Silent == row.Silent && was.UnreadAt.Equal(row.UnreadAt) {
		return nil
	}
	r.hint(ctx, row.Name)
	return r.put(ctx, db, row, "heard_at", "silent", "unread_at")
}

// routes are the addresses that sources post to. They need no sign-in: the
// secret stands in the address, since not every sender can set headers.
func (r *Room) gate(w http.ResponseWriter, req *http.Request) error {
	body, err := readAll(req)
	if err != nil {
		return err
	}
	var rest []string
	if p := req.PathValue("rest"); p != "" {
		rest = strings.Split(p, "/")
	}
	err = r.Take(req.Context(), req.PathValue("token"), Format(req.PathValue("format")), Body{
		ContentType: req.Header.Get("Content-Type"), Data: body, Query: req.URL.Query(), Path: rest, Event: req.Header.Get("Sentry-Hook-Resource"),
	})
	if err != nil {
		if fault.KindOf(err) == fault.Unavailable {
			w.Header().Set("Retry-After", "5")
		}
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("OK")) // stored; the sender may be gone
	return nil
}
