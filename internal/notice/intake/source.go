package intake

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

// Source / Quelle is another monitoring system with an address of its own.
type Source struct {
	Name    string // slug
	Title   string // "PRTG Rathaus"
	Format  Format
	Service string // slug of the service that all its reports are about; may be empty
	Rhythm  time.Duration
	// ResolveAfter is after how long without a word about it something counts as
	// over; zero: never, only a word ends it.
	ResolveAfter time.Duration
	Mapping      Mapping // of a generic one
	CreatedAt    time.Time
	RevokedAt    time.Time
	HeardAt      time.Time // the last word of it
	UnreadAt     time.Time // the last word that was not understood; zero when that is over
	Silent       bool
	Signed       bool      // it owes a signature; see [Room.Sign]
	Refused      int64     // how many bodies came without it
	RefusedAt    time.Time // the last of them; zero when that is over
}

// State is how a source is.
type State string

// The states.
const (
	Waiting State = "waiting" // never heard of
	Heard   State = "heard"
	Silent  State = "silent"
	Unread  State = "unread" // something of it was not understood
	Revoked State = "revoked"
)

// State says how the source is.
func (s Source) State() State {
	switch {
	case !s.RevokedAt.IsZero():
		return Revoked
	case s.Silent:
		return Silent
	case !s.UnreadAt.IsZero():
		return Unread
	case s.HeardAt.IsZero():
		return Waiting
	}
	return Heard
}

// Rhythm is after how long without a word a source is silent when nobody says
// otherwise. Bounds in which it may be set; zero means never.
const (
	DefaultRhythm = 24 * time.Hour
	MinRhythm     = time.Minute
	MaxRhythm     = 31 * 24 * time.Hour
)

// TokenPrefix begins the secret of a source.
const TokenPrefix = "tin_"

// Recorder takes signals; it is [signal.Room].
type Recorder interface {
	Record(ctx context.Context, s signal.Signal) (signal.Signal, error)
	RecordAll(ctx context.Context, all []signal.Signal) error
	Unheard(ctx context.Context, prefix string, from, until time.Time, limit int) ([]signal.Signal, error)
	Mentioned(ctx context.Context, keys []string) error
	Known(ctx context.Context, keys, episodes []string) ([]signal.Occurrence, error)
}

// Catalogue answers which services there are; it is [service.Room].
type Catalogue interface {
	Get(ctx context.Context, slug string) (service.Service, error)
	List(ctx context.Context) ([]service.Service, error)
}

// Audit writes down who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Options configures [New].
type Options struct {
	Store    *store.Store
	Clock    clock.Clock
	Log      *slog.Logger
	Hints    *bus.Hints
	Audit    Audit
	Signals  Recorder
	Services Catalogue
	Vault    Sealer // of the passwords of mailboxes
	// Dial opens connections to mailboxes that people entered; nil: the machine's
	// network. Roots are whom they are believed by; nil: the machine's.
	Dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	Roots *x509.CertPool
	// Outbox takes the answers to people who write to a mailbox. Attended tells
	// whether somebody is on duty for a channel at a moment, and when somebody is
	// next (zero: not in sight); nil: nobody ever is. Channels are those that the
	// rosters look after.
	Outbox   Outbox
	Attended func(ctx context.Context, channel string, at time.Time) (now bool, next time.Time, err error)
	Channels func(ctx context.Context) ([]string, error)
	// Leads tells whether this node fetches from mailboxes; nil: it does.
	Leads func() bool
	// Locale is the language and zone in which signals of the tenant in ctx are
	// written.
	Locale func(ctx context.Context) i18n.Locale
	// URL is the address at which sources reach the tenant in ctx, without a slash
	// at the end.
	URL func(ctx context.Context) string
	// MailDomain is what stands behind the @ of a source's address in the town in
	// ctx; nil or empty: the host of URL.
	MailDomain func(ctx context.Context) string
	// TenantByHost finds the town whose address a request names; nil: the secret
	// alone tells.
	TenantByHost func(ctx context.Context, host string) (ident.Tenant, error)
	// Public reports whether the town in ctx takes reports on the public listener,
	// too; nil: no town does.
	Public func(ctx context.Context) bool
	// Node is this node's name, stable over restarts.
	Node string
	// Cut tells that the town's line to the outside is lost; nil: nobody knows.
	Cut func() bool
}

// Room keeps the sources of all tenants and takes what they send.
type Room struct {
	o        Options
	sweeper  *jobs.Sweeper
	listener *jobs.Sweeper // ends what has been silent for long; see lapse.go
	ears     ears
	queue    *queue
	book     *book
	pacer    pacer
	senders  reporters              // of outages
	mounted  map[string]web.Handler // by word; see [Room.Mount]
	posts    *posts
	unsigned unsignedCount
	started  time.Time
	forgotAt atomic.Int64 // when old bodies were last dropped, in Unix seconds
}

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Room{o: o, book: newBook(), pacer: pacer{left: map[pacing]*allowance{}}, started: o.Clock.Now()}
	r.queue, r.posts = newQueue(r.keep, r.ears.letGo), newPosts(r)
	r.sweeper = jobs.NewSweeper(jobs.SweeperOptions{Name: "intake.silence", Clock: o.Clock, Log: o.Log, Sweep: r.sweep, Idle: lookEvery})
	r.listener = jobs.NewSweeper(jobs.SweeperOptions{Name: "intake.quiet", Clock: o.Clock, Log: o.Log, Sweep: r.quieten, Idle: beatEvery})
	return r
}

// Start begins to listen for silence. What was silent while nobody was here to
// hear it is none: the count begins now.
func (r *Room) Start(ctx context.Context) error {
	r.started = r.o.Clock.Now()
	r.ears.missed(r.started, sourceOf{})
	r.sweeper.Start(ctx)
	r.listener.Start(ctx)
	r.posts.start(ctx)
	return nil
}

// Stop ends it; what has been accepted is stored first.
func (r *Room) Stop() {
	r.posts.stop()
	r.sweeper.Stop()
	r.listener.Stop()
	r.queue.stop()
}

type sourceRow struct {
	bun.BaseModel `bun:"table:intake_source"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Name          string       `bun:"name,pk"`
	Title         string       `bun:"title"`
	Format        Format       `bun:"format"`
	Token         string       `bun:"token"` // digest
	Service       string       `bun:"service"`
	Rhythm        int64        `bun:"rhythm"` // seconds
	Mapping       string       `bun:"mapping"`
	CreatedAt     time.Time    `bun:"created_at"`
	RevokedAt     time.Time    `bun:"revoked_at,nullzero"`
	HeardAt       time.Time    `bun:"heard_at,nullzero"`
	UnreadAt      time.Time    `bun:"unread_at,nullzero"`
	Silent        bool         `bun:"silent"`
	Secret        []byte       `bun:"secret"`
	Refused       int64        `bun:"refused"`
	RefusedAt     time.Time    `bun:"refused_at,nullzero"`
	ResolveAfter  int64        `bun:"resolve_after"`       // seconds
	QuietFrom     time.Time    `bun:"quiet_from,nullzero"` // silence counts from here on
}

func when(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return clock.Cut(t)
}

// source reads a row. A mapping that cannot be read is none: what arrives is kept
// and alarms as not understood.
func (row sourceRow) source() Source {
	s := Source{
		Name: row.Name, Title: row.Title, Format: row.Format, Service: row.Service, Rhythm: time.Duration(row.Rhythm) * time.Second,
		CreatedAt: when(row.CreatedAt), RevokedAt: when(row.RevokedAt), HeardAt: when(row.HeardAt), UnreadAt: when(row.UnreadAt), Silent: row.Silent,
		ResolveAfter: time.Duration(row.ResolveAfter) * time.Second,
		Signed:       len(row.Secret) > 0, Refused: row.Refused, RefusedAt: when(row.RefusedAt),
	}
	if json.Unmarshal([]byte(row.Mapping), &s.Mapping) != nil {
		s.Mapping = Mapping{}
	}
	return s
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// mayChange is the right to add, change and revoke sources.
func mayChange(ctx context.Context) error {
	if a := ident.ActorOf(ctx); !a.Has("admin") {
		return fault.New(fault.Forbidden, "intake.forbidden")
	}
	return nil
}

// mayRead is the right to see what sources sent: it may hold anything.
func mayRead(ctx context.Context) error {
	if a := ident.ActorOf(ctx); !a.Has("admin") && !a.Has("it") {
		return fault.New(fault.Forbidden, "intake.forbidden")
	}
	return nil
}

// check finds what is wrong with a source and brings it into its normal form.
func (r *Room) check(ctx context.Context, s Source) (Source, error) {
	s.Title, s.Name = line(s.Title, 100), strings.TrimSpace(s.Name)
	bad := fault.New(fault.Invalid, "intake.invalid")
	if s.Name == "" {
		s.Name = service.SlugFor(s.Title)
	}
	if !service.ValidSlug(s.Name) {
		bad = bad.Field("name", "service.bad_slug")
	}
	if s.Title == "" {
		s.Title = s.Name
	}
	if !slices.Contains(Formats(), s.Format) {
		bad = bad.Field("format", "intake.format_unknown")
	}
	if s.Rhythm != 0 && (s.Rhythm < MinRhythm || s.Rhythm > MaxRhythm) {
		bad = bad.Field("rhythm", "intake.rhythm_bad")
	}
	switch {
	case s.ResolveAfter == 0:
	case s.ResolveAfter < MinResolveAfter || s.ResolveAfter > MaxResolveAfter:
		bad = bad.Field("resolve_after", "intake.resolve_bad")
	case !s.Format.lapses():
		bad = bad.Field("resolve_after", "intake.resolve_never")
	}
	if s.Service != "" {
		if _, err := r.o.Services.Get(ctx, s.Service); fault.KindOf(err) == fault.NotFound && err != nil {
			bad = bad.Field("service", "intake.service_unknown")
		} else if err != nil {
			return s, err
		}
	}
	if len(bad.Fields) > 0 {
		return s, bad
	}
	return s, s.Mapping.Check()
}

// Add makes a source and answers its address, which holds the secret and is told
// only here. A name that was revoked may be given again.
func (r *Room) Add(ctx context.Context, s Source) (url string, err error) {
	if err := mayChange(ctx); err != nil {
		return "", err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return "", err
	}
	if s, err = r.check(ctx, s); err != nil {
		return "", err
	}
	mapping, err := json.Marshal(s.Mapping)
	if err != nil {
		return "", fmt.Errorf("intake: mapping: %w", err)
	}
	token := TokenPrefix + strings.ToLower(rand.Text())
	row := sourceRow{
		TenantID: tenant, Name: s.Name, Title: s.Title, Format: s.Format, Token: digest(token), Service: s.Service,
		Rhythm: int64(s.Rhythm / time.Second), Mapping: string(mapping), CreatedAt: r.o.Clock.Now(), Secret: []byte{},
		ResolveAfter: int64(s.ResolveAfter / time.Second),
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		old, err := r.get(ctx, db, s.Name)
		switch {
		case err == nil && old.RevokedAt.IsZero():
			return fault.New(fault.Conflict, "intake.exists", s.Name).Field("name", "intake.name_taken")
		case err != nil && fault.KindOf(err) != fault.NotFound:
			return err
		}
		_, err = db.NewInsert().Model(&row).On("CONFLICT (tenant_id, name) DO UPDATE").
			Set("title = EXCLUDED.title, format = EXCLUDED.format, token = EXCLUDED.token, service = EXCLUDED.service, rhythm = EXCLUDED.rhythm").
			Set("mapping = EXCLUDED.mapping, created_at = EXCLUDED.created_at, revoked_at = NULL, heard_at = NULL, unread_at = NULL, silent = EXCLUDED.silent, secret = EXCLUDED.secret, refused = 0, refused_at = NULL").
			Set("resolve_after = EXCLUDED.resolve_after, quiet_from = NULL").Exec(ctx)
		if err != nil {
			return fmt.Errorf("intake: add: %w", err)
		}
		r.o.Store.AfterCommit(ctx, r.sweeper.Kick)
		r.o.Store.AfterCommit(ctx, r.listener.Kick)
		r.hint(ctx, s.Name)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "intake.added", Subject: "intake:" + s.Name, Detail: map[string]string{"format": string(s.Format)}})
	})
	return r.address(ctx, token, s.Format), err
}

// address is what the other side posts or writes to.
func (r *Room) address(ctx context.Context, token string, f Format) string {
	base := ""
	if r.o.URL != nil {
		base = r.o.URL(ctx)
	}
	if f == Mail {
		_, host, _ := strings.Cut(base, "://")
		if r.o.MailDomain != nil {
			host = cmp.Or(r.o.MailDomain(ctx), host)
		}
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		return token + "@" + host
	}
	return base + "/in/" + token + "/" + string(f)
}

// Paste is what to enter in the other system; Where is the key of the sentence that
// says at which place.
type Paste struct{ Where, Text string }

// HowTo is what the operator enters in the other system, with the address in it.
func HowTo(f Format, url string) []Paste {
	all := howTo(f, url)
	out := make([]Paste, len(all))
	for i, p := range all {
		out[i] = Paste{"intake.paste_" + p.Where, p.Text}
	}
	return out
}

// Change stores another title, service, rhythm or mapping; name, format and
// secret stay.
func (r *Room) Change(ctx context.Context, s Source) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := r.live(ctx, db, s.Name)
		if err != nil {
			return err
		}
		s.Format = row.Format
		if s, err = r.check(ctx, s); err != nil {
			return err
		}
		mapping, err := json.Marshal(s.Mapping)
		if err != nil {
			return fmt.Errorf("intake: mapping: %w", err)
		}
		columns := []string{"title", "service", "rhythm", "mapping"}
		row.Title, row.Service, row.Rhythm = s.Title, s.Service, int64(s.Rhythm/time.Second)
		if n := int64(s.ResolveAfter / time.Second); n != row.ResolveAfter || row.Mapping != string(mapping) {
			// Nobody knew of it, or heard with other ears: silence counts from now on.
			row.ResolveAfter, row.QuietFrom = n, r.o.Clock.Now()
			columns = append(columns, "resolve_after", "quiet_from")
		}
		mended, err := r.mended(ctx, row, s)
		if err != nil {
			return err
		}
		if mended && row.Mapping != string(mapping) {
			if err := r.tellAs(ctx, row, aboutReading, signal.Resolved, "_mended", ""); err != nil {
				return err
			}
			row.UnreadAt = time.Time{}
			columns = append(columns, "unread_at")
		}
		row.Mapping = string(mapping)
		if err := r.put(ctx, db, row, columns...); err != nil {
			return err
		}
		r.o.Store.AfterCommit(ctx, r.sweeper.Kick)
		r.o.Store.AfterCommit(ctx, r.listener.Kick)
		r.hint(ctx, s.Name)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "intake.changed", Subject: "intake:" + s.Name})
	})
}

// mended reports whether what was not understood of a source is settled by s: all that
// came lately is understood, and nothing of it is still down. A body is not read again,
// so what it reports has alarmed nobody, and the note of it must stand (I20).
func (r *Room) mended(ctx context.Context, row sourceRow, s Source) (bool, error) {
	if row.UnreadAt.IsZero() {
		return false, nil
	}
	seen, err := r.seen(ctx, s)
	if err != nil {
		return false, err
	}
	since := r.o.Clock.Now().Add(-unreadFor)
	if len(seen) == maxSeen && seen[maxSeen-1].LastAt.After(since) {
		return false, nil // there may be more
	}
	down := map[string]bool{}
	for _, b := range slices.Backward(seen) { // the newest comes first
		if !b.LastAt.After(since) {
			continue
		}
		if b.Problem != "" {
			return false, nil
		}
		for _, rep := range b.Reports {
			if !rep.Note {
				down[rep.Key] = rep.State == signal.Firing
			}
		}
	}
	return !slices.Contains(slices.Collect(maps.Values(down)), true), nil
}

// Revoke refuses the source's address from this moment on. That it was silent or
// not understood is over; what it has raised stays, for nobody knows its end.
func (r *Room) Revoke(ctx context.Context, name string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := r.get(ctx, db, name)
		if err != nil || !row.RevokedAt.IsZero() {
			return err
		}
		if err := r.quiet(ctx, row); err != nil {
			return err
		}
		if err := r.dropBox(ctx, db, row); err != nil {
			return err
		}
		row.RevokedAt, row.Silent, row.UnreadAt, row.RefusedAt, row.Secret = r.o.Clock.Now(), false, time.Time{}, time.Time{}, []byte{}
		if err := r.put(ctx, db, row, "revoked_at", "silent", "unread_at", "refused_at", "secret"); err != nil {
			return err
		}
		r.hint(ctx, name)
		r.o.Store.AfterCommit(ctx, func() { r.book.forget(row.Token) })
		return r.o.Audit.Record(ctx, audit.Entry{Action: "intake.revoked", Subject: "intake:" + name})
	})
}

func (r *Room) get(ctx context.Context, db bun.IDB, name string) (sourceRow, error) {
	var row sourceRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ? AND name = ?", ident.TenantOf(ctx), name).Scan(ctx)
	if store.NotFound(err) {
		return row, fault.New(fault.NotFound, "intake.not_found", name)
	}
	if err != nil {
		return row, fmt.Errorf("intake: %w", err)
	}
	return row, nil
}

func (r *Room) live(ctx context.Context, db bun.IDB, name string) (sourceRow, error) {
	row, err := r.get(ctx, db, name)
	if err == nil && !row.RevokedAt.IsZero() {
		err = fault.New(fault.Conflict, "intake.is_revoked", name)
	}
	return row, err
}

func (r *Room) put(ctx context.Context, db bun.IDB, row sourceRow, columns ...string) error {
	if _, err := db.NewUpdate().Model(&row).Column(columns...).Where("tenant_id = ? AND name = ?", row.TenantID, row.Name).Exec(ctx); err != nil {
		return fmt.Errorf("intake: %w", err)
	}
	return nil
}

func (r *Room) hint(ctx context.Context, name string) {
	if r.o.Hints == nil {
		return
	}
	h := bus.Hint{Tenant: ident.TenantOf(ctx), Topic: "source", ID: name}
	r.o.Store.AfterCommit(ctx, func() { r.o.Hints.Publish(h) })
}

// Get is the source named name.
func (r *Room) Get(ctx context.Context, name string) (Source, error) {
	row, err := r.get(ctx, r.o.Store.Read(ctx), name)
	return row.source(), err
}

// Find is the source that people mean: by its name, and otherwise by its title as it
// is written, where no other has the same. A revoked one stands back behind a live one.
func (r *Room) Find(ctx context.Context, said string) (Source, error) {
	s, err := r.Get(ctx, said)
	if err == nil || fault.KindOf(err) != fault.NotFound {
		return s, err
	}
	all, listed := r.List(ctx)
	if listed != nil {
		return Source{}, listed
	}
	said = line(said, 100)
	all = slices.DeleteFunc(all, func(s Source) bool { return s.Title != said })
	if live := slices.DeleteFunc(slices.Clone(all), func(s Source) bool { return s.State() == Revoked }); len(live) > 0 {
		all = live
	}
	switch len(all) {
	case 0:
		return Source{}, err
	case 1:
		return all[0], nil
	}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.Name
	}
	return Source{}, fault.New(fault.Conflict, "intake.ambiguous", said, strings.Join(names, ", "))
}

// List lists the sources by name, revoked ones too.
func (r *Room) List(ctx context.Context) ([]Source, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []sourceRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Order("name").Scan(ctx); err != nil {
		return nil, fmt.Errorf("intake: list: %w", err)
	}
	out := make([]Source, len(rows))
	for i, row := range rows {
		out[i] = row.source()
	}
	return out, nil
}
