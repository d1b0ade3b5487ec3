package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Options is what the room needs.
type Options struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
}

// Room is the audit log.
type Room struct{ o Options }

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	return &Room{o}
}

type entryRow struct {
	bun.BaseModel `bun:"table:audit_entry"`
	TenantID      ident.Tenant    `bun:"tenant_id,pk"`
	Seq           int64           `bun:"seq,pk"`
	At            time.Time       `bun:"at"`
	ActorKind     ident.ActorKind `bun:"actor_kind"`
	ActorPerson   string          `bun:"actor_person"`
	ActorName     string          `bun:"actor_name"`
	Action        string          `bun:"action"`
	Subject       string          `bun:"subject"`
	Detail        string          `bun:"detail"`
	Hash          string          `bun:"hash"`
}

func (r entryRow) line() (Line, error) {
	l := Line{
		Entry: Entry{Action: r.Action, Subject: r.Subject}, Seq: r.Seq, At: clock.Cut(r.At), Hash: r.Hash,
		Actor: ident.Actor{Kind: r.ActorKind, Person: r.ActorPerson, Name: r.ActorName},
	}
	if err := json.Unmarshal([]byte(r.Detail), &l.Detail); err != nil {
		return l, fmt.Errorf("audit: line %d: %w", r.Seq, err)
	}
	return l, nil
}

type headRow struct {
	bun.BaseModel `bun:"table:audit_head"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Seq           int64        `bun:"seq"`
	Hash          string       `bun:"hash"`
}

// Record appends an entry inside the caller's transaction (or in one of its
// own), in the name of the actor in ctx.
func (r *Room) Record(ctx context.Context, e Entry) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	actor := ident.ActorOf(ctx)
	l := Line{
		Entry: Entry{clean(e.Action), clean(e.Subject), make(map[string]string, len(e.Detail))},
		At:    r.o.Clock.Now(), Actor: ident.Actor{Kind: actor.Kind, Person: actor.Person, Name: clean(actor.Name)},
	}
	for k, v := range e.Detail {
		l.Detail[clean(k)] = clean(v)
	}
	detail, err := json.Marshal(l.Detail)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		prev, err := advance(ctx, db, tenant)
		if err != nil {
			return fmt.Errorf("audit: head: %w", err)
		}
		l.Seq = prev.Seq
		l.Hash = l.chained(tenant, prev.Hash)
		_, err = db.NewInsert().Model(&entryRow{
			TenantID: tenant, Seq: l.Seq, At: l.At,
			ActorKind: l.Actor.Kind, ActorPerson: l.Actor.Person, ActorName: l.Actor.Name,
			Action: l.Action, Subject: l.Subject, Detail: string(detail), Hash: l.Hash,
		}).Exec(ctx)
		if err != nil {
			return fmt.Errorf("audit: append: %w", err)
		}
		_, err = db.NewUpdate().Model(&headRow{TenantID: tenant, Hash: l.Hash}).Column("hash").WherePK().Exec(ctx)
		if err != nil {
			return fmt.Errorf("audit: head: %w", err)
		}
		return nil
	})
}

// Note is Record for rooms that stand before this one and cannot name its
// types.
func (r *Room) Note(ctx context.Context, action, subject string, detail map[string]string) error {
	return r.Record(ctx, Entry{action, subject, detail})
}

// clean makes s storable on both databases: PostgreSQL takes neither invalid
// UTF-8 nor NUL, and a changed character would break the chain.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// advance takes the next number and holds the head's row until the end of the
// transaction, so that writers of one tenant come one after the other on both
// databases. The hash in the answer is still that of the line before.
func advance(ctx context.Context, db bun.IDB, tenant ident.Tenant) (headRow, error) {
	head := headRow{TenantID: tenant}
	next := func() error {
		return db.NewUpdate().Model(&head).Set("seq = seq + 1").WherePK().Returning("seq, hash").Scan(ctx)
	}
	err := next()
	if !store.NotFound(err) {
		return head, err
	}
	if _, err := db.NewInsert().Model(&headRow{TenantID: tenant}).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
		return head, err
	}
	return head, next()
}

// roleAdmin is the role that may read the log.
const roleAdmin = "admin"

func (r *Room) may(ctx context.Context) (ident.Tenant, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return "", err
	}
	a := ident.ActorOf(ctx)
	if !a.Has(roleAdmin) || !a.Allows("admin") && !a.Allows("read") {
		return "", fault.New(fault.Forbidden, "audit.forbidden")
	}
	return tenant, nil
}

// List returns up to limit lines older than the line after (zero: the newest),
// newest first. Only administrators may read.
func (r *Room) List(ctx context.Context, after int64, limit int) ([]Line, error) {
	return r.Find(ctx, Query{After: after, Limit: limit})
}

// Query narrows [Room.Find].
type Query struct {
	Subject string // only lines about this id or slug
	Room    string // only actions that begin with this room's name
	After   int64  // only lines before this number; zero: from the newest
	Limit   int    // zero: 50; at most 500
}

// Find is List with a filter.
func (r *Room) Find(ctx context.Context, q Query) ([]Line, error) {
	tenant, err := r.may(ctx)
	if err != nil {
		return nil, err
	}
	if q.Limit <= 0 {
		q.Limit = 50
	}
	var rows []entryRow
	s := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", tenant).
		Order("seq DESC").Limit(int64(min(q.Limit, 500)))
	if q.After > 0 {
		s = s.Where("seq < ?", q.After)
	}
	if q.Subject != "" {
		s = s.Where("subject = ?", q.Subject)
	}
	if q.Room != "" {
		// '0' follows '/' and '.' precedes it: everything that begins with "room."
		s = s.Where("action >= ? AND action < ?", q.Room+".", q.Room+"/")
	}
	if err := s.Scan(ctx); err != nil {
		return nil, fmt.Errorf("audit: list: %w", err)
	}
	out := make([]Line, 0, len(rows))
	for _, row := range rows {
		l, err := row.line()
		if err != nil {
			// A line that does not even parse was tampered with; the log must
			// stay readable, and Verify names it.
			l.Detail = map[string]string{"?": row.Detail}
		}
		out = append(out, l)
	}
	return out, nil
}

// Head is the number and the hash of the newest line, for noting it elsewhere;
// zero when the log is empty.
func (r *Room) Head(ctx context.Context) (seq int64, hash string, err error) {
	tenant, err := r.may(ctx)
	if err != nil {
		return 0, "", err
	}
	head, err := r.head(ctx, tenant)
	return head.Seq, head.Hash, err
}

func (r *Room) head(ctx context.Context, tenant ident.Tenant) (headRow, error) {
	head := headRow{TenantID: tenant}
	err := r.o.Store.Read(ctx).NewSelect().Model(&head).WherePK().Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return head, fmt.Errorf("audit: head: %w", err)
	}
	return head, nil
}

// verifyPage is how many lines are read at a time.
const verifyPage = 500

// Verify walks the whole chain of the tenant in ctx. The error is a [*Broken]
// that names the first line that does not hold (I14). Lines that are appended
// during the walk are left for the next one.
func (r *Room) Verify(ctx context.Context) error {
	tenant, err := r.may(ctx)
	if err != nil {
		return err
	}
	head, err := r.head(ctx, tenant)
	if err != nil {
		return err
	}
	at := link{tenant: tenant}
	for at.seq < head.Seq {
		var rows []entryRow
		err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
			Where("tenant_id = ? AND seq > ? AND seq <= ?", tenant, at.seq, head.Seq).
			Order("seq").Limit(verifyPage).Scan(ctx)
		if err != nil {
			return fmt.Errorf("audit: verify: %w", err)
		}
		if len(rows) == 0 {
			return &Broken{at.seq + 1, ReasonHead}
		}
		for _, row := range rows {
			l, err := row.line()
			if err != nil {
				return errors.Join(&Broken{row.Seq, ReasonChanged}, err)
			}
			if err := at.follow(l); err != nil {
				return err
			}
		}
	}
	if at.hash != head.Hash {
		return &Broken{head.Seq, ReasonHead}
	}
	// Nothing may hang on behind a head that stands still; what was appended
	// meanwhile moved the head.
	var beyond int64
	err = r.o.Store.Read(ctx).NewSelect().Model((*entryRow)(nil)).ColumnExpr("COALESCE(MAX(seq), 0)").
		Where("tenant_id = ?", tenant).Scan(ctx, &beyond)
	if err != nil {
		return fmt.Errorf("audit: verify: %w", err)
	}
	if beyond > head.Seq {
		if now, err := r.head(ctx, tenant); err != nil || now.Seq < beyond {
			return errors.Join(err, &Broken{head.Seq + 1, ReasonHead})
		}
	}
	return nil
}

// HashAt is the hash of one line of the tenant in ctx; empty where there is
// none. Held against one that was noted elsewhere, it shows a chain that was
// written anew as a whole.
func (r *Room) HashAt(ctx context.Context, seq int64) (string, error) {
	tenant, err := r.may(ctx)
	if err != nil {
		return "", err
	}
	var row entryRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).Column("hash").Where("tenant_id = ? AND seq = ?", tenant, seq).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return "", fmt.Errorf("audit: line %d: %w", seq, err)
	}
	return row.Hash, nil
}
