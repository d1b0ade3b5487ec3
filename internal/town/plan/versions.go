package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Version is the plan as it stood after one change.
type Version struct {
	Number    int
	At        time.Time
	ByName    string
	Part      Part
	Note      string // "restored 3"
	Document  Document
	Audiences []Snapshot
}

// Snapshot is an audience as a version keeps it: without its recipients, whose
// addresses are kept in one place only.
type Snapshot struct {
	Slug       string `json:"slug"`
	Kind       Kind   `json:"kind"`
	Name       string `json:"name"`
	Declared   bool   `json:"declared,omitempty"`
	Recipients int    `json:"recipients"`
}

// ErrChanged says that somebody else changed the same part meanwhile.
var ErrChanged = fault.New(fault.Conflict, "plan.changed_meanwhile")

type versionRow struct {
	bun.BaseModel `bun:"table:plan_version"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Number        int          `bun:"number,pk"`
	At            time.Time    `bun:"at"`
	ByPerson      string       `bun:"by_person"`
	ByName        string       `bun:"by_name"`
	Part          Part         `bun:"part"`
	Note          string       `bun:"note"`
	Body          string       `bun:"body"`
}

type versionBody struct {
	Document  Document   `json:"document"`
	Audiences []Snapshot `json:"audiences"`
}

func (row versionRow) version() (Version, error) {
	v := Version{Number: row.Number, At: clock.Cut(row.At), ByName: row.ByName, Part: row.Part, Note: row.Note}
	if row.Body == "" {
		return v, nil // read without it
	}
	var b versionBody
	if err := json.Unmarshal([]byte(row.Body), &b); err != nil {
		return v, fmt.Errorf("plan: version %d: %w", row.Number, err)
	}
	v.Document, v.Audiences = b.Document.clone(), b.Audiences
	return v, nil
}

// Document is the plan as it stands. Readers see it without private numbers.
func (r *Room) Document(ctx context.Context) (Document, Stand, error) {
	v, err := r.current(ctx)
	if err == nil && !mayRead(ctx) {
		v.Document = v.Document.Masked()
	}
	return v.Document, Stand{v.Number, v.At, v.ByName}, err
}

// current is the newest version; number 0 and empty before the first.
func (r *Room) current(ctx context.Context) (Version, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Version{}, err
	}
	var row versionRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ?", tenant).Order("number DESC").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return Version{Document: Document{}.clone()}, nil
	}
	if err != nil {
		return Version{}, fmt.Errorf("plan: version: %w", err)
	}
	return row.version()
}

// Version is the plan as it stood then.
func (r *Room) Version(ctx context.Context, number int) (Version, error) {
	v, err := r.versionOf(ctx, number)
	if err == nil && !mayRead(ctx) {
		v.Document = v.Document.Masked()
	}
	return v, err
}

func (r *Room) versionOf(ctx context.Context, number int) (Version, error) {
	if number == 0 {
		return Version{Document: Document{}.clone()}, nil // before the first
	}
	var row versionRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND number = ?", ident.TenantOf(ctx), number).Scan(ctx)
	if store.NotFound(err) {
		return Version{}, fault.New(fault.NotFound, "plan.no_version", number)
	}
	if err != nil {
		return Version{}, fmt.Errorf("plan: version: %w", err)
	}
	return row.version()
}

// Versions lists them without their content, the newest first, beginning below
// number before (0: at the newest).
func (r *Room) Versions(ctx context.Context, before, limit int) ([]Version, error) {
	var rows []versionRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Column("number", "at", "by_name", "part", "note").
		Where("tenant_id = ?", ident.TenantOf(ctx)).Order("number DESC").Limit(int64(min(max(limit, 1), 1000)))
	if before > 0 {
		q = q.Where("number < ?", before)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("plan: versions: %w", err)
	}
	out := make([]Version, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = row.version(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Edit changes one part of the document. base is the number of the version that
// was read; when the part has changed since, the answer is [ErrChanged] and
// nothing is lost. base below 0 asks for no such check.
func (r *Room) Edit(ctx context.Context, part Part, base int, change func(d *Document) error) (Stand, error) {
	if err := mayChange(ctx); err != nil {
		return Stand{}, err
	}
	var out Stand
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		now, err := r.current(ctx)
		if err != nil {
			return err
		}
		if base >= 0 && base != now.Number {
			old, err := r.versionOf(ctx, base)
			if err != nil {
				return err
			}
			if !samePart(part, old.Document, now.Document) {
				return ErrChanged
			}
		}
		d := now.Document.clone()
		if err := change(&d); err != nil {
			return err
		}
		if err := d.Check(); err != nil {
			return err
		}
		if same(d, now.Document) {
			out = Stand{now.Number, now.At, now.ByName}
			return nil
		}
		out, err = r.keep(ctx, db, part, "", d)
		return err
	})
	return out, err
}

// keep writes a new version of document and audiences.
func (r *Room) keep(ctx context.Context, db bun.IDB, part Part, note string, d Document) (Stand, error) {
	tenant := ident.TenantOf(ctx)
	last, err := r.current(ctx)
	if err != nil {
		return Stand{}, err
	}
	all, err := r.Audiences(ctx)
	if err != nil {
		return Stand{}, err
	}
	b := versionBody{Document: d}
	for _, a := range all {
		b.Audiences = append(b.Audiences, Snapshot{a.Slug, a.Kind, a.Name, a.Declared, len(a.Recipients)})
	}
	body, err := json.Marshal(b)
	if err != nil {
		return Stand{}, fmt.Errorf("plan: %w", err)
	}
	who := ident.ActorOf(ctx)
	row := versionRow{
		TenantID: tenant, Number: last.Number + 1, At: r.o.Clock.Now(), ByPerson: who.Person, ByName: who.Name,
		Part: part, Note: note, Body: string(body),
	}
	// Two people saved at once: the second is asked to look again.
	res, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, number) DO NOTHING").Exec(ctx)
	if err != nil {
		return Stand{}, fmt.Errorf("plan: version: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return Stand{}, ErrChanged.With(err)
	}
	r.hint(ctx, tenant, "version")
	err = r.o.Audit.Record(ctx, audit.Entry{
		Action: "plan.version", Subject: "plan:" + strconv.Itoa(row.Number), Detail: map[string]string{"part": string(part), "note": note},
	})
	return Stand{row.Number, row.At, row.ByName}, err
}

// Restore makes the plan what it was: a new version with the old content, so
// that what stood in between stays readable. Audiences that stand in
// tuermer.yaml stay as they are there; one that was deleted comes back without
// recipients.
func (r *Room) Restore(ctx context.Context, number int) (Stand, error) {
	if err := mayChange(ctx); err != nil {
		return Stand{}, err
	}
	var out Stand
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		old, err := r.versionOf(ctx, number)
		if err != nil {
			return err
		}
		if number < 1 {
			return fault.New(fault.NotFound, "plan.no_version", number)
		}
		now, err := r.raw(ctx)
		if err != nil {
			return err
		}
		for _, s := range old.Audiences {
			a, there := now[s.Slug]
			if s.Declared || a.Declared || (there && a.Kind == s.Kind && a.Name == s.Name) {
				continue
			}
			if there && a.Kind.FourEyes() && !s.Kind.FourEyes() && !ident.ActorOf(ctx).Has("admin") {
				return fault.New(fault.Forbidden, "plan.kind_forbidden")
			}
			a.Slug, a.Kind, a.Name = s.Slug, s.Kind, s.Name
			if err := r.put(ctx, a); err != nil {
				return err
			}
		}
		out, err = r.keep(ctx, db, Cover, "restored "+strconv.Itoa(number), old.Document)
		return err
	})
	return out, err
}
