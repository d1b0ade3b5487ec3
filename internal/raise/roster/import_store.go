package roster

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// importRow is one import.
type importRow struct {
	bun.BaseModel `bun:"table:roster_import"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Roster        string       `bun:"roster"`
	Taken         int          `bun:"taken"`
	Moved         int          `bun:"moved"`
	Back          int          `bun:"back"`
	ByName        string       `bun:"by_name"`
	MadeAt        time.Time    `bun:"made_at"`
	UndoneAt      time.Time    `bun:"undone_at,nullzero"`
	UndoneBy      string       `bun:"undone_by"`
}

// pieceRow is what an import did for one stretch of an occurrence: it made an
// override, or took one back, or both.
type pieceRow struct {
	bun.BaseModel `bun:"table:roster_import_piece"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	ImportID      string       `bun:"import_id"`
	Roster        string       `bun:"roster"`
	Occurrence    string       `bun:"occurrence"`
	Piece         int          `bun:"piece"`
	OverrideID    string       `bun:"override_id"`          // empty: it only took one back
	Replaced      string       `bun:"replaced"`             // the override that it took back
	ReplacedTo    time.Time    `bun:"replaced_to,nullzero"` // and when that would have ended
	ToAt          time.Time    `bun:"to_at"`
}

// Import is a calendar that was taken into a roster.
type Import struct {
	ID                 string
	Roster             string
	Taken, Moved, Back int
	Left               int // stretches of it that hold and are not over
	By                 string
	At                 time.Time
	UndoneAt           time.Time // zero: it holds
	UndoneBy           string
}

var errNoImport = fault.New(fault.NotFound, "roster.no_import")

// Preview says what would become of a calendar, and changes nothing. Entries that say
// no line of duty are for the one given, counted from 0.
func (r *Room) Preview(ctx context.Context, slug string, raw []byte, line int) (Harvest, error) {
	ro, err := r.mayImport(ctx, slug)
	if err != nil {
		return Harvest{}, err
	}
	in, err := r.readFor(ctx, ro, raw, line)
	if err != nil {
		return Harvest{}, err
	}
	return r.harvest(ctx, ro, in, line)
}

// Take takes a calendar into a roster. With a digest nothing is taken unless that is
// what [Room.Preview] said; the harvest comes back as it is now beside the fault.
func (r *Room) Take(ctx context.Context, slug string, raw []byte, line int, seen string) (h Harvest, err error) {
	ro, err := r.mayImport(ctx, slug)
	if err != nil {
		return h, err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return h, err
	}
	// Read before the transaction: a long calendar holds up no alarm.
	in, err := r.readFor(ctx, ro, raw, line)
	if err != nil {
		return h, err
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := r.hold(ctx, db, slug); err != nil {
			return err
		}
		if h, err = r.harvest(ctx, ro, in, line); err != nil {
			return err
		}
		if seen != "" && seen != h.Digest {
			return fault.New(fault.Conflict, "roster.import_changed")
		}
		if h.Changes() == 0 {
			return nil
		}
		if err := r.layAll(ctx, db, &h); err != nil {
			return err
		}
		r.changed(ctx, tenant, slug)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.imported", Subject: "roster:" + slug, Detail: map[string]string{
			"taken": strconv.Itoa(h.Count(ImportTake)), "moved": strconv.Itoa(h.Count(ImportMove)), "back": strconv.Itoa(h.Count(ImportBack)), "import": h.ID,
		}})
	})
	return h, err
}

func (r *Room) mayImport(ctx context.Context, slug string) (Roster, error) {
	ro, err := r.Get(ctx, slug)
	if err != nil {
		return ro, err
	}
	return ro, r.mayLead(ctx, ro)
}

// hold makes imports of one roster come one after the other, on every node.
func (r *Room) hold(ctx context.Context, db bun.IDB, slug string) error {
	_, err := db.NewUpdate().Model((*entryRow)(nil)).Set("updated_at = updated_at").Where("tenant_id = ? AND slug = ?", ident.TenantOf(ctx), slug).Exec(ctx)
	if err != nil {
		return fmt.Errorf("roster: import: %w", err)
	}
	return nil
}

// readFor reads a calendar by the clocks of the town.
func (r *Room) readFor(ctx context.Context, ro Roster, raw []byte, line int) (Reading, error) {
	if line < 0 || line >= len(ro.Plan.Lines) {
		return Reading{}, fault.New(fault.Invalid, "roster.invalid_import").Field("line", "roster.bad_line")
	}
	rules, err := r.rules(ctx, "")
	if err != nil {
		return Reading{}, err
	}
	return ReadCalendar(raw, r.o.Clock.Now(), rules.Zone)
}

func (r *Room) harvest(ctx context.Context, ro Roster, in Reading, line int) (Harvest, error) {
	h, now := Harvest{Roster: ro}, r.o.Clock.Now()
	v, err := r.look(ctx, ro, now, now.Add(importAhead+maxSpan+48*time.Hour))
	if err != nil {
		return h, err
	}
	known, err := r.known(ctx, ro.Slug, now)
	if err != nil {
		return h, err
	}
	tenant := string(ident.TenantOf(ctx))
	j := judge{now: now, line: line, view: v, known: known, key: func(e Occurrence) string { return occurrenceKey(tenant, ro.Slug, e) }}
	return j.harvest(in), nil
}

// known is what earlier imports laid and that still holds: of each stretch the newest,
// unless that import or the override was taken back.
func (r *Room) known(ctx context.Context, slug string, now time.Time) ([]laid, error) {
	tenant := ident.TenantOf(ctx)
	var pieces []pieceRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&pieces).Where("tenant_id = ? AND roster = ? AND to_at > ?", tenant, slug, now).
		Where("import_id NOT IN (SELECT id FROM roster_import WHERE tenant_id = ? AND roster = ? AND undone_at IS NOT NULL)", tenant, slug).Order("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: import: %w", err)
	}
	if len(pieces) == 0 {
		return nil, nil
	}
	var rows []overrideRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND roster = ? AND to_at > ? AND undone_at IS NULL", tenant, slug, now).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: import: %w", err)
	}
	live := make(map[string]Override, len(rows))
	for _, row := range rows {
		live[row.ID] = row.override()
	}
	type stretch struct {
		occurrence string
		piece      int
	}
	newest := map[stretch]string{}
	for _, p := range pieces {
		newest[stretch{p.Occurrence, p.Piece}] = p.OverrideID
	}
	var out []laid
	for at, id := range newest {
		if o, ok := live[id]; ok {
			out = append(out, laid{o, at.occurrence, at.piece})
		}
	}
	slices.SortFunc(out, func(a, b laid) int { return a.From.Compare(b.From) })
	return out, nil
}

// batch is how many rows are written at once.
const batch = 200

// layAll does what a harvest says, as one import.
func (r *Room) layAll(ctx context.Context, db bun.IDB, h *Harvest) error {
	tenant, now, who, slug := ident.TenantOf(ctx), r.o.Clock.Now(), ident.ActorOf(ctx).Name, h.Roster.Slug
	h.ID = ident.NewID(now)
	head := importRow{
		TenantID: tenant, ID: h.ID, Roster: slug, Taken: h.Count(ImportTake), Moved: h.Count(ImportMove), Back: h.Count(ImportBack), ByName: who, MadeAt: now,
	}
	rows := slices.DeleteFunc(slices.Clone(h.Rows), func(x ImportRow) bool { return !x.lays() && x.Outcome != ImportBack })
	slices.SortStableFunc(rows, ImportRow.order)
	var overrides []overrideRow
	var pieces []pieceRow
	for _, x := range rows {
		p := pieceRow{TenantID: tenant, ID: ident.NewID(now), ImportID: h.ID, Roster: slug, Occurrence: x.occurrence, Piece: x.piece, ToAt: x.To}
		if x.was != nil {
			p.Replaced, p.ReplacedTo = x.was.ID, x.was.To
			if _, err := r.end(ctx, db, slug, x.was.ID, now, who); err != nil {
				return err
			}
		}
		if x.lays() {
			o := overrideRow{TenantID: tenant, ID: ident.NewID(now), Roster: slug, Line: x.Line, FromAt: x.From, ToAt: x.To, Person: x.Person, ByName: who, MadeAt: now}
			if o.FromAt.Before(now) {
				o.FromAt = now // what was stays
			}
			p.OverrideID, overrides = o.ID, append(overrides, o)
		}
		pieces = append(pieces, p)
	}
	if _, err := db.NewInsert().Model(&head).Exec(ctx); err != nil {
		return fmt.Errorf("roster: import: %w", err)
	}
	for part := range slices.Chunk(overrides, batch) {
		if _, err := db.NewInsert().Model(&part).Exec(ctx); err != nil {
			return fmt.Errorf("roster: import: %w", err)
		}
	}
	for part := range slices.Chunk(pieces, batch) {
		if _, err := db.NewInsert().Model(&part).Exec(ctx); err != nil {
			return fmt.Errorf("roster: import: %w", err)
		}
	}
	return nil
}

// end takes an override back that has not begun, and ends one that has; what was
// stays. It reports whether anything of it was still to come.
func (r *Room) end(ctx context.Context, db bun.IDB, slug, id string, now time.Time, who string) (bool, error) {
	for _, q := range []*bun.UpdateQuery{
		db.NewUpdate().Model((*overrideRow)(nil)).Set("undone_at = ?", now).Set("undone_by = ?", who).Where("from_at >= ?", now),
		db.NewUpdate().Model((*overrideRow)(nil)).Set("to_at = ?", now).Where("from_at < ? AND to_at > ?", now, now),
	} {
		res, err := q.Where("tenant_id = ? AND roster = ? AND id = ? AND undone_at IS NULL", ident.TenantOf(ctx), slug, id).Exec(ctx)
		if err != nil {
			return false, fmt.Errorf("roster: import: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// importsLength is how many imports are listed.
const importsLength = 20

// Imports are the newest of a roster.
func (r *Room) Imports(ctx context.Context, slug string) ([]Import, error) {
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	var rows []importRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND roster = ?", tenant, slug).Order("id DESC").Limit(importsLength).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: imports: %w", err)
	}
	out := make([]Import, len(rows))
	for i, row := range rows {
		x := Import{ID: row.ID, Roster: row.Roster, Taken: row.Taken, Moved: row.Moved, Back: row.Back, By: row.ByName, At: clock.Cut(row.MadeAt), UndoneBy: row.UndoneBy}
		if row.UndoneAt.IsZero() {
			n, err := r.o.Store.Read(ctx).NewSelect().Model((*overrideRow)(nil)).Where("tenant_id = ? AND roster = ? AND to_at > ? AND undone_at IS NULL", tenant, slug, now).
				Where("id IN (SELECT override_id FROM roster_import_piece WHERE tenant_id = ? AND import_id = ?)", tenant, row.ID).Count(ctx)
			if err != nil {
				return nil, fmt.Errorf("roster: imports: %w", err)
			}
			gone, err := r.o.Store.Read(ctx).NewSelect().Model((*pieceRow)(nil)).Where("tenant_id = ? AND import_id = ? AND override_id = '' AND replaced_to > ?", tenant, row.ID, now).Count(ctx)
			if err != nil {
				return nil, fmt.Errorf("roster: imports: %w", err)
			}
			x.Left = int(n + gone)
		} else {
			x.UndoneAt = clock.Cut(row.UndoneAt)
		}
		out[i] = x
	}
	return out, nil
}

// UndoImport takes back what an import did, as far as it is not over: what it laid
// goes, and what it took the place of comes back.
func (r *Room) UndoImport(ctx context.Context, slug, id string) error {
	if _, err := r.mayImport(ctx, slug); err != nil {
		return err
	}
	tenant, now, who := ident.TenantOf(ctx), r.o.Clock.Now(), ident.ActorOf(ctx).Name
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := r.hold(ctx, db, slug); err != nil {
			return err
		}
		var head importRow
		err := db.NewSelect().Model(&head).Where("tenant_id = ? AND roster = ? AND id = ?", tenant, slug, id).Scan(ctx)
		if store.NotFound(err) {
			return errNoImport
		}
		if err != nil {
			return fmt.Errorf("roster: import: %w", err)
		}
		if !head.UndoneAt.IsZero() {
			return fault.New(fault.Conflict, "roster.import_undone")
		}
		b, err := r.book(ctx, db, slug, now)
		if err != nil {
			return err
		}
		n := 0
		for _, p := range b.pieces {
			if p.ImportID != id {
				continue
			}
			ended := p.OverrideID == ""
			if !ended {
				if ended, err = r.end(ctx, db, slug, p.OverrideID, now, who); err != nil {
					return err
				}
				if ended {
					n++
				}
			}
			if !ended || b.newer(p) {
				continue
			}
			restored, err := r.restore(ctx, db, b, p, now)
			if err != nil {
				return err
			}
			if restored && p.OverrideID == "" {
				n++
			}
		}
		if n == 0 {
			return fault.New(fault.Conflict, "roster.import_over")
		}
		if _, err := db.NewUpdate().Model((*importRow)(nil)).Set("undone_at = ?", now).Set("undone_by = ?", who).Where("tenant_id = ? AND id = ?", tenant, id).Exec(ctx); err != nil {
			return fmt.Errorf("roster: import: %w", err)
		}
		r.changed(ctx, tenant, slug)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.import_undone", Subject: "roster:" + slug, Detail: map[string]string{"import": id, "count": strconv.Itoa(n)}})
	})
}

// book is what the imports of a roster did, as far as it is not over.
type book struct {
	pieces []pieceRow // in the order in which they were done
	heads  map[string]importRow
}

func (r *Room) book(ctx context.Context, db bun.IDB, slug string, now time.Time) (book, error) {
	b := book{heads: map[string]importRow{}}
	tenant := ident.TenantOf(ctx)
	var heads []importRow
	if err := db.NewSelect().Model(&heads).Where("tenant_id = ? AND roster = ?", tenant, slug).Scan(ctx); err != nil {
		return b, fmt.Errorf("roster: import: %w", err)
	}
	for _, h := range heads {
		b.heads[h.ID] = h
	}
	err := db.NewSelect().Model(&b.pieces).Where("tenant_id = ? AND roster = ? AND (to_at > ? OR replaced_to > ?)", tenant, slug, now, now).Order("id").Scan(ctx)
	if err != nil {
		return b, fmt.Errorf("roster: import: %w", err)
	}
	return b, nil
}

// newer reports whether a later import that holds spoke of the same stretch.
func (b book) newer(p pieceRow) bool {
	return slices.ContainsFunc(b.pieces, func(q pieceRow) bool {
		return q.ID > p.ID && q.ImportID != p.ImportID && q.Occurrence == p.Occurrence && q.Piece == p.Piece && b.heads[q.ImportID].UndoneAt.IsZero()
	})
}

// restore brings back what a piece took the place of: the newest of an import that
// holds. What somebody took back by hand stays so, and what would be over too.
func (r *Room) restore(ctx context.Context, db bun.IDB, b book, p pieceRow, now time.Time) (bool, error) {
	for p.Replaced != "" {
		i := slices.IndexFunc(b.pieces, func(q pieceRow) bool { return q.OverrideID == p.Replaced })
		if i < 0 {
			return false, nil
		}
		owner := b.pieces[i]
		if !b.heads[owner.ImportID].UndoneAt.IsZero() {
			p = owner
			continue
		}
		tenant, when := ident.TenantOf(ctx), b.heads[p.ImportID].MadeAt
		res, err := db.NewUpdate().Model((*overrideRow)(nil)).Set("undone_at = NULL").Set("undone_by = ''").
			Where("tenant_id = ? AND id = ? AND from_at >= ? AND undone_at = ?", tenant, p.Replaced, now, when).Exec(ctx)
		if err != nil {
			return false, fmt.Errorf("roster: import: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return n > 0, err
		}
		// It would have begun by now: it goes on from here, in its place among the others,
		// and what was stays.
		var row overrideRow
		err = db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ? AND (undone_at = ? OR undone_at IS NULL AND to_at = ?)", tenant, p.Replaced, when, when).Scan(ctx)
		if store.NotFound(err) || err == nil && !p.ReplacedTo.After(now) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("roster: import: %w", err)
		}
		row.ID, row.FromAt, row.ToAt, row.UndoneAt, row.UndoneBy = ident.NewID(now), now, clock.Cut(p.ReplacedTo), time.Time{}, ""
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return false, fmt.Errorf("roster: import: %w", err)
		}
		if _, err := db.NewUpdate().Model((*pieceRow)(nil)).Set("override_id = ?", row.ID).Where("tenant_id = ? AND id = ?", tenant, owner.ID).Exec(ctx); err != nil {
			return false, fmt.Errorf("roster: import: %w", err)
		}
		return true, nil
	}
	return false, nil
}

// imported are those of some overrides that an import laid.
func (r *Room) imported(ctx context.Context, slug string, all []Override) (map[string]bool, error) {
	out := map[string]bool{}
	if len(all) == 0 {
		return out, nil
	}
	var ids []string
	err := r.o.Store.Read(ctx).NewSelect().Model((*pieceRow)(nil)).Column("override_id").Where("tenant_id = ? AND roster = ?", ident.TenantOf(ctx), slug).
		Where("override_id IN (?)", bun.List(each(all, func(o Override) string { return o.ID }))).Scan(ctx, &ids)
	if err != nil {
		return nil, fmt.Errorf("roster: import: %w", err)
	}
	for _, id := range ids {
		out[id] = true
	}
	return out, nil
}
