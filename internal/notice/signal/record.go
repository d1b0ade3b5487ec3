package signal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Record takes a signal in, joining the caller's transaction. It folds what is
// known already and tells [Recorded] when the signal changes how its key
// stands. The answer is the signal that tells how the key stands now, or, for
// one that came too late, the signal itself.
//
// An empty Episode means the one at hand: the open one, else a new one. An
// unknown Severity counts as [Critical]. The only refusals are [ErrNoKey] and
// [ErrBadState].
func (r *Room) Record(ctx context.Context, s Signal) (out Signal, err error) {
	err = r.recordAll(ctx, []Signal{s}, func(ctx context.Context, b *batch) error {
		out = b.all[0].Signal
		if known := b.all[0].known; known != "" {
			stands, err := r.get(ctx, b.db, b.tenant, known)
			if err == nil {
				out = stands
			} else if !store.NotFound(err) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Signal{}, err
	}
	return out, nil
}

// atOnce is how many signals are folded with one set of queries.
const atOnce = 500

// RecordAll takes many signals in, in their order and as [Room.Record] does, with
// few queries for all of them. What it tells of them comes in bundles.
func (r *Room) RecordAll(ctx context.Context, all []Signal) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		for some := range slices.Chunk(all, atOnce) {
			if err := r.recordAll(ctx, some, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// weighed is a signal and what became of it.
type weighed struct {
	Signal
	reason Reason // empty: it is told as [Recorded]
	late   bool   // it is told as [Ignored]
	known  ID     // what it repeats
}

type episodeKey struct{ key, episode string }

// batch is signals of one tenant on their way into the store.
type batch struct {
	db       bun.IDB
	tenant   ident.Tenant
	all      []weighed
	keys     map[string]*keyRow
	episodes map[episodeKey]*episodeRow
	spoke    map[string]time.Time // the last word about a key that is to end by silence
	// What is to be written.
	movedKeys     map[string]bool
	movedEpisodes map[episodeKey]bool
}

func (r *Room) recordAll(ctx context.Context, all []Signal, then func(context.Context, *batch) error) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	now := r.o.Clock.Now()
	said := make([]weighed, 0, len(all))
	for _, s := range all {
		if s, err = clean(s, now); err != nil {
			return err
		}
		s.ID, s.Seq = ID(ident.NewID(s.At)), 0
		said = append(said, weighed{Signal: s})
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, enqueue store.Enqueue) error {
		b := &batch{db: db, tenant: tenant, all: slices.Clone(said), movedKeys: map[string]bool{}, movedEpisodes: map[episodeKey]bool{}}
		if err := b.lock(ctx, r.o.Store.Postgres()); err != nil {
			return err
		}
		if err := b.readEpisodes(ctx); err != nil {
			return err
		}
		if err := b.readSpoke(ctx); err != nil {
			return err
		}
		for i := range b.all {
			b.fold(&b.all[i])
		}
		if err := b.write(ctx); err != nil {
			return err
		}
		var told []Signal
		var ignored []IgnoredSignal
		for _, s := range b.all {
			switch {
			case s.reason == "":
				told = append(told, s.Signal)
			case s.late:
				ignored = append(ignored, IgnoredSignal{s.Signal, s.reason})
			}
		}
		if len(told) > 0 {
			last := told[len(told)-1].ID
			r.o.Store.AfterCommit(ctx, func() { r.hint(tenant, last) })
		}
		if err := Recorded.TellAll(ctx, enqueue, now, told); err != nil {
			return err
		}
		if err := Ignored.TellAll(ctx, enqueue, now, ignored); err != nil {
			return err
		}
		if then == nil {
			return nil
		}
		return then(ctx, b)
	})
}

// lock reads how the keys stand and holds their rows until the commit, so that
// two nodes that hear the same thing take turns. Rows are held in the order of
// their names, so that the two do not wait for each other; on SQLite there is one
// writer.
func (b *batch) lock(ctx context.Context, postgres bool) error {
	names := make([]string, 0, len(b.all))
	for _, s := range b.all {
		names = append(names, s.Key)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	read := func(hold bool) error {
		var rows []*keyRow
		q := b.db.NewSelect().Model(&rows).Where("tenant_id = ? AND key IN (?)", b.tenant, bun.List(names)).Order("key")
		if hold {
			q = q.For("UPDATE")
		}
		if err := q.Scan(ctx); err != nil {
			return fmt.Errorf("signal: keys: %w", err)
		}
		b.keys = make(map[string]*keyRow, len(names))
		for _, k := range rows {
			k.Since = clock.Cut(k.Since)
			b.keys[k.Key] = k
		}
		return nil
	}
	if err := read(postgres); err != nil {
		return err
	}
	var fresh []*keyRow
	for _, s := range b.all {
		if b.keys[s.Key] == nil {
			k := &keyRow{TenantID: b.tenant, Key: s.Key, Since: s.Since}
			b.keys[s.Key], fresh = k, append(fresh, k)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	last, err := forgotten(ctx, b.db, b.tenant) // after the look at the rows, see [Room.forgetSome]
	if err != nil {
		return err
	}
	for _, k := range fresh {
		k.Seq = last
	}
	if !postgres {
		return nil // they are written once they are known
	}
	slices.SortFunc(fresh, func(x, y *keyRow) int { return strings.Compare(x.Key, y.Key) })
	if _, err := b.db.NewInsert().Model(&fresh).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
		return fmt.Errorf("signal: keys: %w", err)
	}
	return read(true) // another node may have been first
}

// readEpisodes finds the episodes that the signals may belong to.
func (b *batch) readEpisodes(ctx context.Context) error {
	b.episodes = map[episodeKey]*episodeRow{}
	keys, names := make([]string, 0, len(b.keys)), map[string]bool{}
	for key, k := range b.keys {
		keys = append(keys, key)
		if k.Episode != "" {
			names[k.Episode] = true
		}
	}
	for _, s := range b.all {
		if s.Episode != "" {
			names[s.Episode] = true
		}
	}
	if len(names) == 0 {
		return nil // all of them are new
	}
	episodes := make([]string, 0, len(names))
	for e := range names {
		episodes = append(episodes, e)
	}
	var rows []*episodeRow
	err := b.db.NewSelect().Model(&rows).Where("tenant_id = ? AND key IN (?) AND episode IN (?)", b.tenant, bun.List(keys), bun.List(episodes)).Scan(ctx)
	if err != nil {
		return fmt.Errorf("signal: episodes: %w", err)
	}
	for _, e := range rows {
		e.Since, e.LastAt = clock.Cut(e.Since), clock.Cut(e.LastAt)
		b.episodes[episodeKey{e.Key, e.Episode}] = e
	}
	return nil
}

// fold decides what the signal does and remembers it for those that follow.
func (b *batch) fold(s *weighed) {
	k := b.keys[s.Key]
	if s.Episode == "" {
		s.Episode = string(s.ID)
		if k.Episode != "" && (k.State == Firing || s.State == Resolved) {
			s.Episode = k.Episode
		}
	}
	at := episodeKey{s.Key, s.Episode}
	e := b.episodes[at]
	if !s.QuietSince.IsZero() {
		last := b.spoke[s.Key]
		if e == nil || e.LastAt.After(last) {
			last = s.At // of this very batch, or of nothing that we know
		}
		if last.After(s.QuietSince) {
			s.reason, s.known = Repeat, k.SignalID
			return
		}
		s.QuietSince = last
	}
	if e == nil { // never heard of
		e = &episodeRow{TenantID: b.tenant, Key: s.Key, Episode: s.Episode, Since: s.Since, Repeats: -1}
		b.episodes[at] = e
	}
	// The first word about an episode's beginning stands: a recovery often
	// names its own moment, and repeats drift.
	s.Since = e.Since
	newest := b.episodes[episodeKey{s.Key, k.Episode}]
	v := weigh(standing{k.Seq, k.Episode, k.State, k.Since, k.Severity, newest != nil && newest.Quiet}, e.known(), s.Signal)
	again := v.reason == "" && s.State == Firing && (e.Quiet || newest != nil && newest.Quiet && e.State == Firing)
	ended := v.reason == Ended && !e.Late
	s.reason, s.late = v.reason, ended || v.reason == Older && s.State == Firing
	e.State, e.Late, e.Quiet = v.episode, e.Late || ended, v.episode == lapsed
	if e.Quiet {
		e.State = Resolved
	}
	if s.QuietSince.IsZero() { // silence is no word
		e.LastAt, e.Repeats = s.At, e.Repeats+1
	}
	b.movedEpisodes[at] = true
	switch {
	case v.reason == "":
		s.Seq = v.next.Seq
	case v.reason == Repeat && k.Episode == s.Episode:
		s.known = k.SignalID
	}
	if v.reason == "" || v.next.Episode != k.Episode {
		k.Seq, k.Episode, k.State, k.Since, k.Severity = v.next.Seq, v.next.Episode, v.next.State, v.next.Since, v.next.Severity
		if v.reason == "" {
			k.SignalID, k.Source, k.Service = s.ID, s.Source, s.Service
		}
		b.movedKeys[s.Key] = true
	}
	if again {
		s.Since = s.At // it has ended, and begins anew for whoever is woken
	}
}

func (b *batch) write(ctx context.Context) error {
	var episodes []*episodeRow
	for at := range b.movedEpisodes {
		episodes = append(episodes, b.episodes[at])
	}
	if len(episodes) == 0 {
		return nil // a silence that was none
	}
	_, err := b.db.NewInsert().Model(&episodes).On("CONFLICT (tenant_id, key, episode) DO UPDATE").
		Set("state = EXCLUDED.state, last_at = EXCLUDED.last_at, repeats = EXCLUDED.repeats, late = EXCLUDED.late, quiet = EXCLUDED.quiet").Exec(ctx)
	if err != nil {
		return fmt.Errorf("signal: keep episodes: %w", err)
	}
	var rows []*signalRow
	for _, s := range b.all {
		if s.reason == "" || s.late {
			rows = append(rows, row(b.tenant, s.Signal))
		}
	}
	if len(rows) > 0 {
		if _, err := b.db.NewInsert().Model(&rows).Exec(ctx); err != nil {
			return fmt.Errorf("signal: record: %w", err)
		}
	}
	var keys []*keyRow
	for key := range b.movedKeys {
		keys = append(keys, b.keys[key])
	}
	if len(keys) == 0 {
		return nil
	}
	_, err = b.db.NewInsert().Model(&keys).On("CONFLICT (tenant_id, key) DO UPDATE").
		Set("seq = EXCLUDED.seq, episode = EXCLUDED.episode, state = EXCLUDED.state, since = EXCLUDED.since").
		Set("severity = EXCLUDED.severity, signal_id = EXCLUDED.signal_id, source = EXCLUDED.source, service = EXCLUDED.service").Exec(ctx)
	if err != nil {
		return fmt.Errorf("signal: keep keys: %w", err)
	}
	return nil
}
