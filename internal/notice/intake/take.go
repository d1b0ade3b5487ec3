package intake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
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

// Problem is the stable word for what is wrong with a body: form, empty,
// keyless or cut; empty for nil.
func Problem(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrEmpty):
		return "empty"
	case errors.Is(err, ErrKeyless):
		return "keyless"
	case errors.Is(err, ErrCut):
		return "cut"
	}
	return "form"
}

// kept is a body on its way into the store.
type kept struct {
	from    acquaintance
	raw     Body
	body    bodyRow
	reports []Report
	done    chan error
}

// read parses the body as its source is known to want it.
func (k *kept) read() {
	reports, wrong := Parse(k.from.Format, k.from.Mapped, k.raw, k.from.Locale.Zone)
	for i := range reports {
		reports[i].over(k.body.FirstAt)
	}
	k.reports, k.body.Problem = reports, Problem(wrong)
}

// Take keeps what came to an address and records what it reports. It answers
// nil when both are stored, also for a body that nobody understands: that is
// ours to mend, and the sender would only give up.
func (r *Room) Take(ctx context.Context, token string, f Format, b Body) error {
	return r.take(ctx, token, f, b, nil, false)
}

func (r *Room) take(ctx context.Context, token string, f Format, b Body, h http.Header, public bool) (err error) {
	a, err := r.byToken(ctx, token)
	if err != nil {
		r.notTaken(err, a.source())
		return err
	}
	defer func() { r.notTaken(err, a.source()) }()
	if f != a.Format || public && (r.o.Public == nil || !r.o.Public(ident.WithTenant(ctx, a.TenantID))) {
		return errNoAddress
	}
	if !r.pacer.allow(pacing{a.source(), public}, r.o.Clock.Now()) {
		return errBusy
	}
	if a, err = r.verify(ctx, a, h, b.Data); err != nil {
		return err
	}
	err = r.store(ctx, a, b)
	if errors.Is(err, errStale) { // the key is another since then
		if a, err = r.verify(ctx, a, h, b.Data); err == nil {
			err = r.store(ctx, a, b)
		}
	}
	if errors.Is(err, errStale) {
		err = errBusy
	}
	return err
}

// notTaken notes what could not be taken: what it would have said nobody heard. A
// source that is known has spoken, whatever it was refused for; of a stranger only
// what is no fault of theirs counts, for it may have been a source.
func (r *Room) notTaken(err error, whose sourceOf) {
	if err == nil {
		return
	}
	if k := fault.KindOf(err); whose != (sourceOf{}) || k == fault.Unavailable || k == fault.Internal {
		r.ears.missed(r.o.Clock.Now(), whose)
	}
}

// errStale: what was remembered of a source's key is old.
var errStale = errors.New("intake: the source owes another signature")

// takeFrom keeps what a source has sent, whichever way it came; public is the pace
// of a way on which everybody may try.
func (r *Room) takeFrom(ctx context.Context, a acquaintance, b Body, public bool) error {
	if !r.pacer.allow(pacing{a.source(), public}, r.o.Clock.Now()) {
		return errBusy
	}
	return r.store(ctx, a, b)
}

// store waits until a body is stored with what it reports.
func (r *Room) store(ctx context.Context, a acquaintance, b Body) error {
	now := r.o.Clock.Now()
	sum, path, query := sha256.New(), strings.Join(b.Path, "/"), first(b.Asked, b.Query.Encode())
	for _, s := range []string{b.ContentType, query, path, b.Event} {
		fmt.Fprintf(sum, "%d:%s", len(s), s)
	}
	sum.Write(b.Data)
	k := &kept{from: a, raw: b, done: make(chan error, 1), body: bodyRow{
		TenantID: a.TenantID, Source: a.Name, Hash: hex.EncodeToString(sum.Sum(nil)[:16]), FirstAt: now, LastAt: now, Times: 1,
		ContentType: line(b.ContentType, 200), Query: line(query, 2000), Path: line(path, 300), Event: line(b.Event, 100),
		Data: append([]byte{}, b.Data...),
	}}
	r.ears.hold(k)
	k.read()
	if !r.queue.add(k) {
		r.ears.letGo(k)
		return errBusy
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
	keep  func([]*kept) (outcome, error)
	after func(*kept) // it is stored, or will not be

	mu      sync.Mutex
	waiting []*kept
	of      map[sourceOf]int // how many of them, by source
	busy    bool
	closed  bool
	idle    sync.Cond
}

func newQueue(keep func([]*kept) (outcome, error), after func(*kept)) *queue {
	q := &queue{keep: keep, after: after, of: map[sourceOf]int{}}
	q.idle.L = &q.mu
	return q
}

// add answers false when too much waits already.
func (q *queue) add(k *kept) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.waiting) >= maxWaiting || q.of[k.source()] >= maxSourceWaiting {
		return false
	}
	q.of[k.source()]++
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
		for _, k := range batch {
			if of := k.source(); q.of[of] > 1 {
				q.of[of]--
			} else {
				delete(q.of, of)
			}
		}
		q.mu.Unlock()
		out, err := q.keep(batch)
		for _, k := range batch {
			if err != nil && len(batch) > 1 {
				// One of them may be what cannot be stored: each for itself.
				out, e := q.keep([]*kept{k})
				q.done(k, cmp.Or(e, out[k]))
				continue
			}
			q.done(k, cmp.Or(err, out[k]))
		}
	}
}

// done answers whoever waits for a body.
func (q *queue) done(k *kept, err error) {
	q.after(k)
	k.done <- err
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

// outcome is what becomes of the bodies of which nothing is stored.
type outcome map[*kept]error

// keep stores bodies and what they report in one transaction, in the order in
// which they came. What repeats itself among them is written once. The answer
// names those that came to an address which is revoked.
func (r *Room) keep(batch []*kept) (out outcome, err error) {
	ctx := ident.WithActor(ident.AcrossTenants(context.Background()), ident.System)
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		out = outcome{}
		sources, err := r.present(ctx, db, batch)
		if err != nil {
			return err
		}
		var taken []*kept
		for _, k := range batch {
			row, ok := sources[k.source()]
			if !ok || row.Token != k.from.Token || !row.RevokedAt.IsZero() {
				r.book.forget(k.from.Token)
				out[k] = errNoAddress
				continue
			}
			if len(row.Secret) > 0 && !bytes.Equal(row.Secret, k.from.Secret) {
				r.book.forget(k.from.Token)
				out[k] = errStale
				continue
			}
			if !k.from.same(row) { // another node or a command has changed it
				k.from = r.acquaint(ctx, row)
				r.book.put(k.from)
				k.read()
			}
			taken = append(taken, k)
		}
		if len(taken) == 0 {
			return nil
		}
		again, err := r.again(ctx, db, taken)
		if err != nil {
			return err
		}
		if err := r.former(ctx, taken); err != nil {
			return err
		}
		bodies := distinct(taken)
		_, err = db.NewInsert().Model(&bodies).On("CONFLICT (tenant_id, source, hash) DO UPDATE").
			Set("times = body_row.times + EXCLUDED.times, last_at = EXCLUDED.last_at, problem = EXCLUDED.problem").Exec(ctx)
		if err != nil {
			return fmt.Errorf("intake: keep: %w", err)
		}
		for tenant, all := range r.signals(taken, again) {
			if err := r.o.Signals.RecordAll(ident.WithTenant(ctx, tenant), all); err != nil {
				return err
			}
		}
		for tenant, keys := range mentioned(taken, sources, again) {
			if err := r.o.Signals.Mentioned(ident.WithTenant(ctx, tenant), keys); err != nil {
				return err
			}
		}
		last := map[sourceOf]*kept{} // of each source, and whether one was not understood
		for _, k := range taken {
			x := *k
			if before := last[k.source()]; before != nil && x.body.Problem == "" {
				x.body.Problem = before.body.Problem
			}
			last[k.source()] = &x
		}
		for of, k := range last {
			if err := r.heard(ident.WithTenant(ctx, of.tenant), db, sources[of], k); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// again are the mails of a batch that came before: a mail server that did not hear
// our yes brings the same one again, also after the next. A mail without a number of
// its own may be said twice on purpose.
func (r *Room) again(ctx context.Context, db bun.IDB, batch []*kept) (map[*kept]bool, error) {
	numbered := map[sourceOf]map[string]bool{} // hash: whether it is there
	for _, k := range batch {
		if len(k.reports) > 0 && k.reports[0].number != "" {
			if numbered[k.source()] == nil {
				numbered[k.source()] = map[string]bool{}
			}
			numbered[k.source()][k.body.Hash] = false
		}
	}
	for of, hashes := range numbered {
		var there []string
		err := db.NewSelect().Model((*bodyRow)(nil)).Column("hash").
			Where("tenant_id = ? AND source = ? AND hash IN (?)", of.tenant, of.name, bun.List(slices.Collect(maps.Keys(hashes)))).Scan(ctx, &there)
		if err != nil {
			return nil, fmt.Errorf("intake: again: %w", err)
		}
		for _, h := range there {
			hashes[h] = true
		}
	}
	out := map[*kept]bool{}
	for _, k := range batch {
		if len(k.reports) == 0 || k.reports[0].number == "" {
			continue
		}
		was := numbered[k.source()]
		out[k] = was[k.body.Hash]
		was[k.body.Hash] = true
	}
	return out, nil
}

// former leaves what an earlier version knew by another key under that key, so that
// what was open at an update goes on and ends there.
func (r *Room) former(ctx context.Context, batch []*kept) error {
	type names struct{ keys, episodes []string }
	asked := map[ident.Tenant]names{}
	for _, k := range batch {
		for _, rep := range k.reports {
			if rep.former != "" {
				n := asked[k.from.TenantID]
				n.keys, n.episodes = append(n.keys, keyOf(k.from.Name, rep.former)), append(n.episodes, rep.Episode)
				asked[k.from.TenantID] = n
			}
		}
	}
	for tenant, n := range asked {
		known, err := r.o.Signals.Known(ident.WithTenant(ctx, tenant), n.keys, n.episodes)
		if err != nil {
			return err
		}
		for _, k := range batch {
			for i, rep := range k.reports {
				if k.from.TenantID == tenant && rep.former != "" && slices.Contains(known, signal.Occurrence{Key: keyOf(k.from.Name, rep.former), Episode: rep.Episode}) {
					k.reports[i].Key = rep.former
				}
			}
		}
	}
	return nil
}

// sourceOf names a source among those of all towns.
type sourceOf struct {
	tenant ident.Tenant
	name   string
}

func (k *kept) source() sourceOf { return k.from.source() }

// present reads the sources of a batch as they are now.
func (r *Room) present(ctx context.Context, db bun.IDB, batch []*kept) (map[sourceOf]sourceRow, error) {
	names := map[ident.Tenant][]string{}
	for _, k := range batch {
		if of := k.source(); !slices.Contains(names[of.tenant], of.name) {
			names[of.tenant] = append(names[of.tenant], of.name)
		}
	}
	out := map[sourceOf]sourceRow{}
	for tenant, list := range names {
		var rows []sourceRow
		if err := db.NewSelect().Model(&rows).Where("tenant_id = ? AND name IN (?)", tenant, bun.List(list)).Scan(ctx); err != nil {
			return nil, fmt.Errorf("intake: sources: %w", err)
		}
		for _, row := range rows {
			out[sourceOf{tenant, row.Name}] = row
		}
	}
	return out, nil
}

// signals are what the bodies report, town by town; what one of them says again
// is left out.
func (r *Room) signals(batch []*kept, again map[*kept]bool) map[ident.Tenant][]signal.Signal {
	type thing struct {
		tenant ident.Tenant
		key    string
	}
	said := map[thing]Report{}
	out := map[ident.Tenant][]signal.Signal{}
	for _, k := range batch {
		if again[k] {
			continue
		}
		for _, rep := range k.reports {
			of := thing{k.from.TenantID, keyOf(k.from.Name, rep.Key)}
			last, twice := said[of]
			if rep.Note || twice && last.Episode == rep.Episode && last.State == rep.State && last.Severity == rep.Severity {
				continue
			}
			said[of] = rep
			out[of.tenant] = append(out[of.tenant], k.from.signal(rep))
		}
	}
	return out
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
		of := id{k.from.TenantID, k.from.Name, k.body.Hash}
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

func (a acquaintance) signal(rep Report) signal.Signal {
	l := a.Locale
	detail := []string{rep.Detail, join(" · ", rep.Host, rep.Site), l.Catalog.Text(l.Lang, "intake.signal_from", a.Title), rep.Link}
	return signal.Signal{
		Source: signal.Intake, Key: keyOf(a.Name, rep.Key), Episode: rep.Episode, State: rep.State, Service: a.Service, Group: "intake:" + a.Name,
		Severity: rep.Severity, Title: rep.Title, Detail: join("\n", detail...), Since: rep.Since,
		Labels: rep.labels(),
	}
}

// heard notes that a source has spoken, and whether it was understood.
func (r *Room) heard(ctx context.Context, db bun.IDB, row sourceRow, k *kept) error {
	was := row
	row.HeardAt, row.Silent = k.body.LastAt, false
	if was.Silent {
		row.QuietFrom = k.body.LastAt
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
	columns := []string{"heard_at", "silent", "unread_at"}
	if was.Silent {
		columns = append(columns, "quiet_from")
	}
	return r.put(ctx, db, row, columns...)
}
