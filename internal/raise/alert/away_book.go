package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
	"tuermer/internal/town/vault"
)

// Files keeps what a node must know while its database is away; it is
// [vault.Vault].
type Files interface {
	Save(path, purpose string, value any) error
	Load(path, purpose string, value any) error
	OpenLog(path, purpose string, limit int64) (*vault.Log, [][]byte, error)
}

// book is whom to wake, as the node remembers it on its disk, sealed.
type book struct {
	At    time.Time
	Towns map[ident.Tenant]townBook
}

type townBook struct {
	Town     identity.Tenant
	Services map[string]serviceBook // by slug; "" is for what concerns none
	// Open are the keys of alerts that are open: nobody is woken for them again.
	Open map[string]ID
}

type serviceBook struct {
	Service service.Service
	Levels  []levelBook
}

type levelBook struct {
	Reason Reason
	People []identity.Person
}

func (s serviceBook) levels() []level {
	out := make([]level, len(s.Levels))
	for i, l := range s.Levels {
		out[i] = level{l.Reason, l.People}
	}
	return out
}

// service answers for any slug: one that the book does not know leads to those
// who are responsible when nobody is.
func (t townBook) service(slug string) serviceBook {
	if s, ok := t.Services[slug]; ok {
		return s
	}
	s := t.Services[""]
	if slug != "" {
		s.Service = service.Service{Slug: slug, Name: slug}
	}
	return s
}

// Purposes that bind the sealed files to their use.
const (
	bookPurpose  = "alert.book"
	spoolPurpose = "alert.spool"
)

// How old the book may be. Alerts that open and close renew it at once, but not
// more often than every bookPause.
const (
	bookEvery = 15 * time.Second
	bookPause = time.Second
)

func (r *Room) awayPath(name string) string { return filepath.Join(r.o.Dir, "away", name) }

// remember renews the book, and writes it when it has changed.
func (r *Room) remember(ctx context.Context, now time.Time) (time.Time, error) {
	s := r.spool
	s.mu.Lock()
	wait := bookPause - now.Sub(s.bookAt)
	if wait <= 0 || wait > bookPause {
		s.bookAt = now
	}
	s.mu.Unlock()
	if wait > 0 && wait <= bookPause {
		return now.Add(wait), nil
	}
	b, err := r.readBook(ident.WithActor(ctx, ident.System))
	if err != nil {
		return time.Time{}, err
	}
	raw, err := json.Marshal(b)
	if err != nil {
		return time.Time{}, fmt.Errorf("alert: book: %w", err)
	}
	s.mu.Lock()
	same := string(raw) == s.saved
	s.mu.Unlock()
	if same {
		return time.Time{}, nil
	}
	kept := b
	kept.At = now
	if err := r.o.Files.Save(r.awayPath("people"), bookPurpose, kept); err != nil {
		return time.Time{}, err
	}
	s.mu.Lock()
	s.book, s.saved = kept, string(raw)
	s.mu.Unlock()
	return time.Time{}, nil
}

func (r *Room) readBook(ctx context.Context) (book, error) {
	b := book{Towns: map[ident.Tenant]townBook{}}
	towns, err := r.o.Towns(ident.AcrossTenants(ctx))
	if err != nil {
		return b, fmt.Errorf("alert: towns: %w", err)
	}
	for _, town := range towns {
		ctx := ident.WithTenant(ctx, town.ID)
		t := townBook{Town: town, Services: map[string]serviceBook{}, Open: map[string]ID{}}
		all, err := r.o.Catalogue(ctx)
		if err != nil {
			return b, fmt.Errorf("alert: services: %w", err)
		}
		for _, svc := range append(all, service.Service{}) {
			levels, err := r.levels(ctx, svc, r.o.Clock.Now())
			if err != nil {
				return b, err
			}
			s := serviceBook{Service: svc}
			for _, l := range levels {
				s.Levels = append(s.Levels, levelBook{l.reason, l.people})
			}
			t.Services[svc.Slug] = s
		}
		var rows []alertRow
		err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Column("key", "id").
			Where("tenant_id = ? AND state <> ?", town.ID, StateClosed).Scan(ctx)
		if err != nil {
			return b, fmt.Errorf("alert: open alerts: %w", err)
		}
		for _, row := range rows {
			t.Open[row.Key] = row.ID
		}
		b.Towns[town.ID] = t
	}
	return b, nil
}

// loadBook reads what an earlier run remembered.
func (r *Room) loadBook() error {
	var b book
	err := r.o.Files.Load(r.awayPath("people"), bookPurpose, &b)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.spool.book = b
	return nil
}

// Remembered are the towns of the book, for a start without the database.
func (r *Room) Remembered() []identity.Tenant {
	if r.spool == nil {
		return nil
	}
	r.spool.mu.Lock()
	defer r.spool.mu.Unlock()
	var out []identity.Tenant
	for _, t := range r.spool.book.Towns {
		out = append(out, t.Town)
	}
	return out
}
