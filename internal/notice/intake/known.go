package intake

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

var (
	errNoAddress = fault.New(fault.NotFound, "intake.no_such_address")
	// errNothingSaid: it was asked for, and nothing was reported.
	errNothingSaid = fault.New(fault.Invalid, "intake.nothing_said")

	errBusy = fault.New(fault.Unavailable, "intake.busy")
)

// book remembers the sources by their secrets, so that not every body asks the
// database. It may be wrong for a moment, for another node or a command may have
// revoked or changed a source: what is taken by it is checked in the transaction
// that stores it ([Room.keep]).
type book struct {
	mu    sync.Mutex
	known map[string]acquaintance
	// asking bounds how many look-ups of unknown secrets run at once, so that
	// whoever guesses does not keep the database from others.
	asking chan struct{}
}

// acquaintance is a source and how its town writes times.
type acquaintance struct {
	sourceRow
	Mapped Mapping
	Locale i18n.Locale
}

// source names it; zero where it is nobody.
func (a acquaintance) source() sourceOf { return sourceOf{a.TenantID, a.Name} }

func newBook() *book { return &book{known: map[string]acquaintance{}, asking: make(chan struct{}, 4)} }

func (b *book) get(token string) (acquaintance, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.known[token]
	return a, ok
}

func (b *book) put(a acquaintance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known[a.Token] = a
}

func (b *book) forget(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, token)
}

// tokenLength is that of [TokenPrefix] and 26 letters.
const tokenLength = len(TokenPrefix) + 26

// byToken finds a source by the secret in its address. The secret finds its
// tenant, too; at the address of another town it opens nothing (I19). The source is
// answered beside the refusal, so that it counts as one that spoke.
func (r *Room) byToken(ctx context.Context, token string) (acquaintance, error) {
	if !strings.HasPrefix(token, TokenPrefix) || len(token) != tokenLength {
		return acquaintance{}, errNoAddress
	}
	sum := digest(token)
	a, ok := r.book.get(sum)
	if !ok {
		var err error
		if a, err = r.ask(ctx, sum); err != nil {
			return a, err
		}
	}
	if t := ident.TenantOf(ctx); t != "" && t != a.TenantID {
		return a, errNoAddress
	}
	return a, nil
}

// whoseTime is how long that may take: strangers ask too, and a database may hang.
const whoseTime = 5 * time.Second

// whose is the source to which a secret belongs, wherever it was shown and although
// the sender may be gone; zero: nobody's.
func (r *Room) whose(ctx context.Context, token string) sourceOf {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), whoseTime)
	defer cancel()
	a, err := r.byToken(ident.WithTenant(ctx, ""), token)
	r.notTaken(err, sourceOf{}) // who asked cannot be told: it may have been anybody
	return a.source()
}

func (r *Room) ask(ctx context.Context, sum string) (acquaintance, error) {
	select {
	case r.book.asking <- struct{}{}:
		defer func() { <-r.book.asking }()
	case <-ctx.Done():
		return acquaintance{}, ctx.Err()
	}
	var row sourceRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("token = ? AND revoked_at IS NULL", sum).Scan(ident.AcrossTenants(ctx))
	if store.NotFound(err) {
		return acquaintance{}, errNoAddress
	}
	if err != nil {
		return acquaintance{}, fmt.Errorf("intake: token: %w", err)
	}
	a := r.acquaint(ctx, row)
	r.book.put(a)
	r.sweeper.Kick() // it may be new here, and silent before the next look
	return a, nil
}

func (r *Room) acquaint(ctx context.Context, row sourceRow) acquaintance {
	return acquaintance{row, row.source().Mapping, r.o.Locale(ident.WithTenant(ctx, row.TenantID))}
}

// same reports whether what was parsed by a is what row would make of it.
func (a acquaintance) same(row sourceRow) bool {
	return a.Token == row.Token && a.Format == row.Format && a.Mapping == row.Mapping && a.Service == row.Service && a.Title == row.Title && bytes.Equal(a.Secret, row.Secret)
}
