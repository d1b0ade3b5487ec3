package onsite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

// Incidents is what this room asks the incident room.
type Incidents interface {
	Get(ctx context.Context, id incident.ID) (incident.Incident, error)
	List(ctx context.Context, f incident.Filter) ([]incident.Incident, error)
	Record(ctx context.Context, id incident.ID, kind incident.EntryKind, text, ref string) error
}

// Town is who the tenant is.
type Town interface {
	Current(ctx context.Context) (identity.Tenant, error)
}

// Audit remembers every act.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Vault seals pictures and names.
type Vault interface {
	Seal(purpose string, plain []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
}

// Options is what the room needs.
type Options struct {
	Store     *store.Store
	Clock     clock.Clock
	Log       *slog.Logger
	Hints     *bus.Hints // may be nil
	Audit     Audit
	Incidents Incidents
	Town      Town
	Vault     Vault
	// Locale is how the tenant in ctx writes its journal.
	Locale func(ctx context.Context) i18n.Locale
}

// Room keeps what was seen on the spot, for all tenants.
type Room struct {
	o       Options
	sweeper *jobs.Sweeper
	// unpacking bounds how many photos are unpacked at once: each takes a
	// hundred megabytes for a moment.
	unpacking chan struct{}
}

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "onsite")
	r := &Room{o: o, unpacking: make(chan struct{}, 2)}
	r.sweeper = jobs.NewSweeper(jobs.SweeperOptions{Name: "onsite.identity", Clock: o.Clock, Log: o.Log, Sweep: r.Sweep})
	return r
}

// Start begins to delete what is due.
func (r *Room) Start(ctx context.Context) error {
	r.sweeper.Start(ctx)
	return nil
}

// Stop ends that.
func (r *Room) Stop() { r.sweeper.Stop() }

// scope is what an API token needs.
const scope = "incidents"

// actors may report and check.
var actors = []string{string(identity.RoleOnsite), string(identity.RoleIT), string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin)}

// MayReport reports whether whoever is in ctx may report from the spot.
func MayReport(ctx context.Context) bool {
	a := ident.ActorOf(ctx)
	return a.Kind != ident.KindPublic && a.Has(actors...) && a.Allows(scope)
}

func isAdmin(ctx context.Context) bool {
	a := ident.ActorOf(ctx)
	return a.Has(string(identity.RoleAdmin)) && a.Allows(scope)
}

// photo unpacks what was sent, when it is its turn.
func (r *Room) photo(ctx context.Context, data []byte, mark string) (*Photo, error) {
	if len(data) == 0 {
		return nil, nil
	}
	select {
	case r.unpacking <- struct{}{}:
		defer func() { <-r.unpacking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p, err := ReadPhoto(data, mark)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

func (r *Room) say(ctx context.Context, key string, args ...any) string {
	l := r.o.Locale(ctx)
	return l.Catalog.Text(l.Lang, key, args...)
}

// hint nudges the incident's open pages after the commit.
func (r *Room) hint(ctx context.Context, tenant ident.Tenant, id incident.ID) {
	r.o.Store.AfterCommit(ctx, func() {
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "incident", ID: string(id)})
		}
	})
}

// Report takes what somebody saw, with its photo, and writes it into the journal,
// all or nothing. The same key once more answers the report that there is.
func (r *Room) Report(ctx context.Context, d Draft) (Report, error) {
	if !MayReport(ctx) {
		return Report{}, ErrForbidden
	}
	if d.Incident == "" {
		return Report{}, errNoIncident
	}
	text := prose(d.Text, maxText)
	switch {
	case text == "" && len(d.Photo) == 0:
		return Report{}, ErrNothing.Field("text", "onsite.nothing")
	case d.Position != nil && !d.Position.Valid():
		return Report{}, ErrPosition.Field("position", "onsite.bad_position")
	case len(d.Key) > maxKey:
		return Report{}, ErrKey.Field("key", "onsite.bad_key")
	}
	in, err := r.heir(ctx, d.Incident)
	if err != nil {
		return Report{}, err
	}
	shot, err := r.photo(ctx, d.Photo, "")
	if err != nil {
		return Report{}, err
	}
	now, actor := r.o.Clock.Now(), ident.ActorOf(ctx)
	row := reportRow{
		TenantID: ident.TenantOf(ctx), ID: ReportID(ident.NewID(now)), Incident: in, At: now, Person: actor.Person, ByName: actor.Name,
		Text: text,
	}
	var pos *Position
	if row.Place, pos, row.Source = d.where(shot); pos != nil {
		row.Lat, row.Lon, row.Accuracy = pos.Lat, pos.Lon, pos.Accuracy
	}
	if shot != nil {
		row.PhotoSum, row.PhotoWidth, row.PhotoHeight, row.HasPhoto = shot.Sum(), shot.Width, shot.Height, true
	}
	row.Key = once(ctx, d.Key, in, text, row.Place, row.Source, row.Lat, row.Lon, row.PhotoSum)
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if before, err := r.sent(ctx, db, row.Key); err != nil || before != nil {
			if before != nil {
				row = *before
			}
			return err
		}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("onsite: report: %w", err)
		}
		if shot != nil {
			sealed, err := r.o.Vault.Seal(purpose("photo", row.TenantID, string(row.ID)), shot.JPEG)
			if err != nil {
				return fmt.Errorf("onsite: photo: %w", err)
			}
			p := photoRow{TenantID: row.TenantID, Report: row.ID, At: now, Data: sealed}
			if _, err := db.NewInsert().Model(&p).Exec(ctx); err != nil {
				return fmt.Errorf("onsite: photo: %w", err)
			}
		}
		r.hint(ctx, row.TenantID, in)
		return r.o.Incidents.Record(ctx, in, "onsite", r.entry(ctx, row.report()), string(row.ID))
	})
	if store.UniqueViolation(err) { // pressed twice at once, and the other was faster
		before, lost := r.sent(ctx, r.o.Store.Read(ctx), row.Key)
		if lost == nil && before != nil {
			return before.report(), nil
		}
	}
	return row.report(), err
}

// heir is the incident to write about: what was merged into another belongs there,
// also where somebody on the spot still has the old form open.
func (r *Room) heir(ctx context.Context, id incident.ID) (incident.ID, error) {
	for range 20 { // nothing can be merged in a circle; a bound costs nothing
		i, err := r.o.Incidents.Get(ctx, id)
		if err != nil || i.MergedInto == "" {
			return id, err
		}
		id = i.MergedInto
	}
	return id, nil
}

// sent is the report that was made with this key before.
func (r *Room) sent(ctx context.Context, db bun.IDB, key string) (*reportRow, error) {
	if key == "" {
		return nil, nil
	}
	rows, err := r.reports(ctx, db, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("sent_key = ?", key) })
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// entry is what the journal says of a report.
func (r *Room) entry(ctx context.Context, p Report) string {
	lines := []string{r.say(ctx, "onsite.entry", p.Text)}
	if p.Text == "" {
		lines[0] = r.say(ctx, "onsite.entry_photo")
	}
	if p.Place != "" {
		lines = append(lines, r.say(ctx, "onsite.entry_place", p.Place))
	}
	if p.Position != nil {
		lines = append(lines, r.say(ctx, "onsite.entry_position_"+string(p.Source), p.Position.String()))
	}
	if p.Photo != nil {
		lines = append(lines, r.say(ctx, "onsite.entry_sum", p.Photo.Width, p.Photo.Height, p.Photo.Sum))
	}
	return strings.Join(lines, "\n")
}

func (r *Room) reports(ctx context.Context, db bun.IDB, narrow func(*bun.SelectQuery) *bun.SelectQuery) ([]reportRow, error) {
	var rows []reportRow
	q := db.NewSelect().Model(&rows).ColumnExpr("report.*").
		ColumnExpr("EXISTS (SELECT 1 FROM onsite_photo AS p WHERE p.tenant_id = report.tenant_id AND p.report_id = report.id) AS has_photo").
		Where("report.tenant_id = ?", ident.TenantOf(ctx))
	if err := narrow(q).Scan(ctx); err != nil {
		return nil, fmt.Errorf("onsite: reports: %w", err)
	}
	return rows, nil
}

// Filter narrows the lists.
type Filter struct {
	Incident incident.ID // empty: of all incidents
	After    string      // id behind which to go on, towards older ones
	Limit    int
}

func (f Filter) on(q *bun.SelectQuery) *bun.SelectQuery {
	if f.Limit <= 0 || f.Limit > 1001 {
		f.Limit = 1000
	}
	q = q.Order("id DESC").Limit(int64(f.Limit))
	if f.Incident != "" {
		q = q.Where("incident_id = ?", f.Incident)
	}
	if f.After != "" {
		q = q.Where("id < ?", f.After)
	}
	return q
}

// Reports lists reports, the newest first. Everybody who is signed in may read.
func (r *Room) Reports(ctx context.Context, f Filter) ([]Report, error) {
	rows, err := r.reports(ctx, r.o.Store.Read(ctx), f.on)
	if err != nil {
		return nil, err
	}
	out := make([]Report, len(rows))
	for i, row := range rows {
		out[i] = row.report()
	}
	return out, nil
}

// Get is one report.
func (r *Room) Get(ctx context.Context, id ReportID) (Report, error) {
	rows, err := r.reports(ctx, r.o.Store.Read(ctx), func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("report.id = ?", id) })
	if err != nil {
		return Report{}, err
	}
	if len(rows) == 0 {
		return Report{}, ErrNoReport
	}
	return rows[0].report(), nil
}

// Photo is the picture of a report, a JPEG.
func (r *Room) Photo(ctx context.Context, id ReportID) ([]byte, error) {
	row := photoRow{TenantID: ident.TenantOf(ctx), Report: id}
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ?", row.TenantID).Where("report_id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("onsite: photo: %w", err)
	}
	data, err := r.o.Vault.Open(purpose("photo", row.TenantID, string(id)), row.Data)
	if err != nil {
		return nil, fmt.Errorf("onsite: photo %s: %w", id, err)
	}
	return data, nil
}

// MayRemove reports whether whoever is in ctx may take the photo of p away: who
// sent it, and administrators.
func MayRemove(ctx context.Context, p Report) bool {
	me := ident.ActorOf(ctx).Person
	return p.Photo != nil && !p.Photo.Gone && MayReport(ctx) && (isAdmin(ctx) || me != "" && me == p.Person)
}

// RemovePhoto takes a photo away that should not have been taken: a face, a
// document. The journal says so, with the reason; its SHA-256 stays there.
func (r *Room) RemovePhoto(ctx context.Context, id ReportID, reason string) error {
	if !MayReport(ctx) {
		return ErrForbidden
	}
	p, err := r.Get(ctx, id)
	if err != nil {
		return err
	}
	if p.Photo == nil || p.Photo.Gone {
		return ErrGone
	}
	if !MayRemove(ctx, p) {
		return ErrNotYours
	}
	if reason = line(reason, maxPlace); reason == "" {
		return ErrNoReason.Field("reason", "onsite.reason_missing")
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewDelete().Model((*photoRow)(nil)).Where("tenant_id = ?", ident.TenantOf(ctx)).Where("report_id = ?", id).Exec(ctx)
		if err != nil {
			return fmt.Errorf("onsite: photo: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return ErrGone.With(err) // somebody was faster
		}
		r.hint(ctx, ident.TenantOf(ctx), p.Incident)
		if err := r.o.Audit.Record(ctx, audit.Entry{Action: "onsite.photo_removed", Subject: string(id), Detail: map[string]string{"reason": reason}}); err != nil {
			return err
		}
		return r.o.Incidents.Record(ctx, p.Incident, "onsite", r.say(ctx, "onsite.entry_removed", p.Photo.Sum, reason), string(id))
	})
}

// open are the incidents that a report may be about, the newest first.
func (r *Room) open(ctx context.Context) ([]incident.Incident, error) {
	return r.o.Incidents.List(ctx, incident.Filter{Active: true, Limit: 50})
}

// until is when something that is kept for so many hours from now goes.
func until(now time.Time, hours int) time.Time { return now.Add(time.Duration(hours) * time.Hour) }
