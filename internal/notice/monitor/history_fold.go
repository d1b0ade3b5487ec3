package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// When the journal is folded, and how much of it in one transaction.
const (
	foldEvery   = 30 * time.Minute // so long a result may lie in the journal
	foldResults = 50_000           // so many may, or
	foldPerItem = 30               // so many per monitor: fewer would make each write cost more
	foldSlice   = 64               // monitors in one transaction: a few milliseconds
	legacySlice = 4_000            // results from before chunks in one transaction
	deleteSlice = 500              // rows deleted in one transaction
)

// packedJournal holds a journal by monitor, a sample in 16 bytes.
type packedJournal struct {
	outcomes []outcome
	index    map[outcome]uint32
	by       map[string][]packed
}

type packed struct {
	ms   int64
	what uint32 // index of its outcome
	took byte
}

func (j *packedJournal) add(batch []byte) error {
	return readJournal(batch, "", func(e journalEntry) {
		o := e.Sample.outcome()
		at, ok := j.index[o]
		if !ok {
			at = uint32(len(j.outcomes))
			j.index[o] = at
			j.outcomes = append(j.outcomes, o)
		}
		j.by[e.Slug] = append(j.by[e.Slug], packed{e.Sample.At.UnixMilli(), at, quantise(e.Sample.Took)})
	})
}

// samples are those of one monitor, in the order in which they came.
func (j *packedJournal) samples(slug string) []Sample {
	list := make([]Sample, len(j.by[slug]))
	for i, p := range j.by[slug] {
		list[i] = j.outcomes[p.what].at(p.ms, p.took)
	}
	return list
}

// packJournal reads what a tenant's journal holds.
func (r *Room) packJournal(ctx context.Context, t ident.Tenant) (*packedJournal, error) {
	rows, err := r.journalRows(ctx, t, maxJournal)
	if err != nil {
		return nil, err
	}
	j := &packedJournal{index: map[outcome]uint32{}, by: map[string][]packed{}}
	for _, row := range rows {
		_ = j.add(row.Data) // what is damaged the fold reports
	}
	return j, nil
}

// foldDue folds every tenant's journal, and moves results from before chunks.
func (r *Room) foldDue(ctx context.Context, now time.Time) (time.Time, error) {
	tenants, err := r.historyTenants(ctx)
	if err != nil {
		return time.Time{}, err
	}
	r.unfolded.Store(0)
	for _, t := range tenants {
		ctx := ident.WithActor(ident.WithTenant(ctx, t), ident.System)
		if err := r.moveLegacy(ctx, t); err != nil {
			return time.Time{}, err
		}
		if err := r.foldAll(ctx, t); err != nil {
			return time.Time{}, err
		}
	}
	r.legacyGone.Store(true)
	n, err := r.o.Store.Read(ctx).NewSelect().Model((*entryRow)(nil)).Count(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, fmt.Errorf("monitor: fold: %w", err)
	}
	r.foldAt.Store(max(foldResults, int64(n)*foldPerItem))
	return now.Add(foldEvery), nil
}

// historyTenants are those that have results to fold.
func (r *Room) historyTenants(ctx context.Context) (out []ident.Tenant, err error) {
	seen := map[ident.Tenant]bool{}
	models := []any{(*journalRow)(nil)}
	if !r.legacyGone.Load() {
		models = append(models, (*resultRow)(nil))
	}
	for _, model := range models {
		var ts []ident.Tenant
		err := r.o.Store.Read(ctx).NewSelect().Model(model).Distinct().Column("tenant_id").Scan(ident.AcrossTenants(ctx), &ts)
		if err != nil {
			return nil, fmt.Errorf("monitor: fold: %w", err)
		}
		for _, t := range ts {
			seen[t] = true
		}
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

// foldAll folds what the journal of one tenant holds. After a kill in the
// middle it begins again: samples that are in a chunk already are not added.
func (r *Room) foldAll(ctx context.Context, t ident.Tenant) error {
	rows, err := r.journalRows(ctx, t, maxJournal)
	if err != nil || len(rows) == 0 {
		return err
	}
	j := &packedJournal{index: map[outcome]uint32{}, by: map[string][]packed{}}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
		if err := j.add(row.Data); err != nil {
			// One damaged batch must not keep all that follow from being kept.
			r.o.Log.ErrorContext(ctx, "a batch of results is damaged and was given up", "room", "monitor", "batch", row.ID, "err", err)
		}
		rows[i].Data = nil
	}
	for slugs := range slices.Chunk(slices.Sorted(maps.Keys(j.by)), foldSlice) {
		fresh := make(map[string][]Sample, len(slugs))
		for _, slug := range slugs {
			fresh[slug] = sorted(j.samples(slug))
		}
		if err := r.foldSamples(ctx, t, fresh, nil); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(ids, deleteSlice) {
		err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			_, err := db.NewDelete().Model((*journalRow)(nil)).Where("tenant_id = ? AND id IN (?)", t, bun.List(some)).Exec(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("monitor: journal: %w", err)
		}
	}
	return nil
}

// moveLegacy turns the results from before chunks into chunks, a slice at a
// time; each is deleted in the transaction that stores it anew.
func (r *Room) moveLegacy(ctx context.Context, t ident.Tenant) error {
	for !r.legacyGone.Load() {
		var rows []resultRow
		err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", t).Order("slug", "at").Limit(legacySlice).Scan(ctx)
		if err != nil {
			return fmt.Errorf("monitor: results: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		fresh := map[string][]Sample{}
		for _, row := range rows {
			fresh[row.Slug] = append(fresh[row.Slug], row.sample())
		}
		err = r.foldSamples(ctx, t, fresh, func(ctx context.Context, db bun.IDB) error {
			for slug, list := range fresh {
				_, err := db.NewDelete().Model((*resultRow)(nil)).
					Where("tenant_id = ? AND slug = ? AND at <= ?", t, slug, list[len(list)-1].At).Exec(ctx)
				if err != nil {
					return fmt.Errorf("monitor: results: %w", err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// foldSamples adds fresh samples, sorted, to the chunks of their monitors and
// reckons the figures of the hours that they touch, in one transaction. Samples
// of monitors that are gone are left out.
func (r *Room) foldSamples(ctx context.Context, t ident.Tenant, fresh map[string][]Sample, also func(context.Context, bun.IDB) error) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		now := r.o.Clock.Now()
		if err := r.takeTurn(ctx, db, t); err != nil {
			return err
		}
		f := folding{room: r, tenant: t, now: now, fresh: fresh}
		if err := f.load(ctx, db); err != nil {
			return err
		}
		for _, slug := range slices.Sorted(maps.Keys(f.reach)) {
			if err := f.one(ctx, slug); err != nil {
				return err
			}
		}
		if err := f.save(ctx, db); err != nil {
			return err
		}
		if also != nil {
			return also(ctx, db)
		}
		return nil
	})
}

// takeTurn lets a second node wait until this transaction is over: chunks are
// read, grown and written back.
func (r *Room) takeTurn(ctx context.Context, db bun.IDB, t ident.Tenant) error {
	turn := historyRow{TenantID: t, Folded: r.o.Clock.Now().UnixMilli()}
	if _, err := db.NewInsert().Model(&turn).On("CONFLICT (tenant_id) DO UPDATE").Set("folded = EXCLUDED.folded").Exec(ctx); err != nil {
		return fmt.Errorf("monitor: fold: %w", err)
	}
	return nil
}

// folding is one transaction of a fold.
type folding struct {
	room   *Room
	tenant ident.Tenant
	now    time.Time
	fresh  map[string][]Sample

	reach map[string]time.Duration // of the monitors that exist
	open  map[string]openRow
	full  map[string][]chunkRow // those that the fresh samples may touch
	hours map[string]map[int64]*Figures

	grown  []openRow
	closed []chunkRow
	days   []rollupRow
}

// since is the earliest moment that the figures of slug's fresh samples ask for.
func (f *folding) since(slug string) time.Time {
	lo := hourOf(f.fresh[slug][0].At.Add(-f.reach[slug]))
	return hourStart(lo).Add(-f.reach[slug])
}

func (f *folding) load(ctx context.Context, db bun.IDB) error {
	slugs := slices.Sorted(maps.Keys(f.fresh))
	var entries []entryRow
	err := db.NewSelect().Model(&entries).Column("slug", "spec").Where("tenant_id = ? AND slug IN (?)", f.tenant, bun.List(slugs)).Scan(ctx)
	if err != nil {
		return fmt.Errorf("monitor: fold: %w", err)
	}
	f.reach = make(map[string]time.Duration, len(entries))
	for _, e := range entries {
		f.reach[e.Slug] = reachOf(e)
	}
	if len(entries) == 0 {
		return nil
	}
	slugs = slices.Sorted(maps.Keys(f.reach))

	var open []openRow
	if err := db.NewSelect().Model(&open).Where("tenant_id = ? AND slug IN (?)", f.tenant, bun.List(slugs)).Scan(ctx); err != nil {
		return fmt.Errorf("monitor: fold: %w", err)
	}
	f.open = make(map[string]openRow, len(open))
	for _, o := range open {
		f.open[o.Slug] = o
	}
	// Full chunks are asked only where the open one begins too late.
	var late []string
	since, day := farOff, dayOf(hourOf(farOff))
	for _, slug := range slugs {
		from := f.since(slug)
		day = min(day, dayOf(hourOf(from)))
		if o, ok := f.open[slug]; !ok || o.Begins > from.UnixMilli() {
			late = append(late, slug)
			if from.Before(since) {
				since = from
			}
		}
	}
	f.full = map[string][]chunkRow{}
	if len(late) > 0 {
		full, err := f.room.chunks(ctx, f.tenant, late, since, farOff)
		if err != nil {
			return err
		}
		for _, c := range full {
			f.full[c.Slug] = append(f.full[c.Slug], c)
		}
	}
	var rollups []rollupRow
	err = db.NewSelect().Model(&rollups).Where("tenant_id = ? AND slug IN (?) AND day >= ?", f.tenant, bun.List(slugs), day).Scan(ctx)
	if err != nil {
		return fmt.Errorf("monitor: fold: %w", err)
	}
	f.hours = make(map[string]map[int64]*Figures, len(slugs))
	for _, slug := range slugs {
		f.hours[slug] = map[int64]*Figures{}
	}
	for _, row := range rollups {
		if err := decodeDay(row.Data, row.Day, f.hours[row.Slug]); err != nil {
			// Figures can be reckoned anew; results that wait for them cannot.
			f.room.o.Log.ErrorContext(ctx, "figures are damaged and are reckoned anew", "room", "monitor", "monitor", row.Slug, "day", row.Day, "err", err)
		}
	}
	return nil
}

// one folds the samples of one monitor.
func (f *folding) one(ctx context.Context, slug string) error {
	from := f.since(slug)
	var known []Sample
	for _, c := range f.full[slug] {
		known = f.room.decode(ctx, slug, c.Data, from, farOff, known)
	}
	add := f.fresh[slug]
	if len(known) > 0 {
		have := make(map[int64]bool, len(known))
		for _, s := range known {
			have[s.At.UnixMilli()] = true
		}
		add = slices.DeleteFunc(slices.Clone(add), func(s Sample) bool { return have[s.At.UnixMilli()] })
	}
	o := f.open[slug]
	if len(o.Data) > 0 {
		known = f.room.decode(ctx, slug, o.Data, from, farOff, known)
	}
	grown := false
	for some := range slices.Chunk(add, chunkSamples) {
		next, err := growOpen(o, slug, f.tenant, some)
		if err != nil {
			// What can be read of a damaged chunk stays readable; a new one begins.
			f.room.o.Log.ErrorContext(ctx, "a chunk of results is damaged and is closed", "room", "monitor", "monitor", slug, "err", err)
			f.close(o)
			if next, err = growOpen(openRow{}, slug, f.tenant, some); err != nil {
				return fmt.Errorf("monitor: %s: %w", slug, err)
			}
		}
		o, grown = next, true
		if o.Results >= chunkSamples || o.Ends-o.Begins >= chunkSpan.Milliseconds() {
			f.close(o)
			o, grown = openRow{}, false
		}
	}
	if grown {
		f.grown = append(f.grown, o)
	}
	known = sorted(append(known, f.fresh[slug]...))
	rch := f.reach[slug]
	lo, hi := hourOf(f.fresh[slug][0].At.Add(-rch)), hourOf(f.fresh[slug][len(f.fresh[slug])-1].At.Add(rch))
	fresh := figureHours(known, rch, lo, min(hi, max(hourOf(f.now), hourOf(known[len(known)-1].At))), f.now)
	merge(f.hours[slug], fresh)
	for _, day := range daysOf(fresh) {
		f.days = append(f.days, rollupRow{TenantID: f.tenant, Slug: slug, Day: day, Data: encodeDay(f.hours[slug], day)})
	}
	return nil
}

// close makes the open chunk a full one.
func (f *folding) close(o openRow) {
	f.closed = append(f.closed, chunkRow{
		TenantID: f.tenant, ID: ident.NewID(f.now), Slug: o.Slug, Begins: o.Begins, Ends: o.Ends, Results: o.Results, Data: o.Data,
	})
}

// smallChunk is how many samples a chunk has while it is still written anew as
// a whole: by then the usual distance of its samples is known.
const smallChunk = 64

// growOpen adds samples, sorted, to an open chunk; o is empty when there is none.
func growOpen(o openRow, slug string, t ident.Tenant, add []Sample) (openRow, error) {
	if o.Results >= smallChunk {
		grown, ok, err := growChunk(o.Data, add)
		if err != nil {
			return o, err
		}
		if ok {
			o.Data, o.Results, o.Ends = grown, o.Results+len(add), add[len(add)-1].At.UnixMilli()
			return o, nil
		}
	}
	var all []Sample
	if len(o.Data) > 0 {
		var err error
		if all, err = decodeChunk(o.Data); err != nil {
			return o, err
		}
	}
	all = sorted(append(all, add...))
	return openRow{
		TenantID: t, Slug: slug, Begins: all[0].At.UnixMilli(), Ends: all[len(all)-1].At.UnixMilli(), Results: len(all), Data: encodeChunk(all),
	}, nil
}

func (f *folding) save(ctx context.Context, db bun.IDB) error {
	if len(f.closed) > 0 {
		slugs := make([]string, len(f.closed))
		for i, c := range f.closed {
			slugs[i] = c.Slug
		}
		if _, err := db.NewInsert().Model(&f.closed).Exec(ctx); err != nil {
			return fmt.Errorf("monitor: fold: %w", err)
		}
		if _, err := db.NewDelete().Model((*openRow)(nil)).Where("tenant_id = ? AND slug IN (?)", f.tenant, bun.List(slugs)).Exec(ctx); err != nil {
			return fmt.Errorf("monitor: fold: %w", err)
		}
	}
	if len(f.grown) > 0 {
		_, err := db.NewInsert().Model(&f.grown).On("CONFLICT (tenant_id, slug) DO UPDATE").Set("begins = EXCLUDED.begins").
			Set("ends = EXCLUDED.ends").Set("results = EXCLUDED.results").Set("data = EXCLUDED.data").Exec(ctx)
		if err != nil {
			return fmt.Errorf("monitor: fold: %w", err)
		}
	}
	return saveDays(ctx, db, f.days)
}

func saveDays(ctx context.Context, db bun.IDB, days []rollupRow) error {
	for some := range slices.Chunk(days, deleteSlice) {
		_, err := db.NewInsert().Model(&some).On("CONFLICT (tenant_id, slug, day) DO UPDATE").Set("data = EXCLUDED.data").Exec(ctx)
		if err != nil {
			return fmt.Errorf("monitor: rollups: %w", err)
		}
	}
	return nil
}

// reachOf reads of a stored spec only what [reach] asks for; of one that cannot
// be read it takes the one that is looked at in its place.
func reachOf(e entryRow) time.Duration {
	var s struct {
		Interval, Grace, Timeout Duration
	}
	if err := json.Unmarshal([]byte(e.Spec), &s); err != nil {
		return reach(unreadableSpec)
	}
	return reach(Spec{Interval: s.Interval, Grace: s.Grace, Timeout: s.Timeout})
}

// writeHours puts the figures of the hours from..to in the place of those that
// are stored, a few days in one transaction.
func (r *Room) writeHours(ctx context.Context, t ident.Tenant, slug string, from, to int64, fresh map[int64]*Figures) error {
	for day := dayOf(from); day <= dayOf(to); day += 31 {
		last := min(day+30, dayOf(to))
		err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			if err := r.takeTurn(ctx, db, t); err != nil {
				return err
			}
			var rows []rollupRow
			err := db.NewSelect().Model(&rows).Where("tenant_id = ? AND slug = ? AND day BETWEEN ? AND ?", t, slug, day, last).Scan(ctx)
			if err != nil {
				return fmt.Errorf("monitor: rollups: %w", err)
			}
			hours := map[int64]*Figures{}
			for _, row := range rows {
				_ = decodeDay(row.Data, row.Day, hours) // a damaged one is why somebody mends it
			}
			var days []rollupRow
			for d := day; d <= last; d++ {
				for h := max(d*24, from); h <= min(d*24+23, to); h++ {
					delete(hours, h)
					if f := fresh[h]; f != nil {
						hours[h] = f
					}
				}
				days = append(days, rollupRow{TenantID: t, Slug: slug, Day: d, Data: encodeDay(hours, d)})
			}
			return saveDays(ctx, db, days)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
