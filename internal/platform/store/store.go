// Package store is the door to the database: SQLite by default, PostgreSQL
// where a provider runs several nodes, both through one query layer (bun).
//
// [Store.InTx] is the only way to write. The transaction rides in the context,
// so that a room may call another room inside it and both commit together; a
// job enqueued inside it exists exactly when the rows do. [Store.Read] is for
// looking; inside a transaction it sees that transaction.
//
// Every query names its tenant (I19): a query text without tenant_id is refused
// unless its context was marked with [ident.AcrossTenants].
//
// SQLite has ONE write connection, shared with the job queue, and a pool of
// read connections. Writing past InTx while it is open would wait for itself.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // the driver named "sqlite"

	"tuermer/internal/platform/ident"
)

// Job is work to be done after the transaction that enqueues it: plain data
// with a stable name, room first ("publish.deliver").
type Job interface{ Kind() string }

// Enqueue adds a job to the transaction at hand.
type Enqueue func(ctx context.Context, job Job) error

// Tx is the raw transaction, for the job queue alone: exactly one is set.
type Tx struct {
	SQL *sql.Tx // SQLite
	PGX pgx.Tx  // PostgreSQL
}

// Enqueuer is how the job queue plugs itself in.
type Enqueuer func(ctx context.Context, tx Tx, job Job) error

// Options says which database to open.
type Options struct {
	// Dir holds the SQLite file; it is created. Ignored with URL.
	Dir string
	// URL is a postgres:// address; empty means SQLite.
	URL string
	// LeaveLog leaves SQLite's write-ahead log to somebody else, who carries it
	// away and then folds it into the file.
	LeaveLog bool
	// Rehearse takes every transaction back once and runs it again, as a deadlock
	// would; for tests.
	Rehearse bool
	Log      *slog.Logger
}

// Store is an open database.
type Store struct {
	log      *slog.Logger
	write    *bun.DB
	read     *bun.DB
	pool     *pgxpool.Pool // nil on SQLite
	enqueue  Enqueuer
	sealing  sealing
	rehearse bool
	wanted   atomic.Int64 // how often a transaction was begun, or waits for it
}

// Wanted counts the transactions that were asked for, so that whoever has much to
// write can tell whether others want to.
func (s *Store) Wanted() int64 { return s.wanted.Load() }

// File is the name of the SQLite database inside the data folder.
const File = "tuermer.db"

// Open opens the database. It creates the SQLite folder and file, and does not
// change the schema; see [Store.Migrate].
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{log: o.Log.With("room", "store"), rehearse: o.Rehearse}
	if o.URL != "" {
		return s, s.openPostgres(ctx, o.URL)
	}
	return s, s.openSQLite(ctx, o.Dir, o.LeaveLog)
}

func (s *Store) openSQLite(ctx context.Context, dir string, leaveLog bool) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("store: data folder: %w", err)
	}
	path := filepath.Join(dir, File)
	// SQLite gives its side files the mode of the database: nobody else reads.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	dsn := func(extra ...string) string {
		q := url.Values{"_pragma": append([]string{
			"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		}, extra...)}
		if leaveLog {
			q.Add("_pragma", "wal_autocheckpoint(0)")
		}
		return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	}
	write, err := sql.Open("sqlite", dsn()+"&_txlock=immediate")
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	write.SetMaxOpenConns(1)
	write.SetConnMaxIdleTime(0)
	read, err := sql.Open("sqlite", dsn("query_only(1)"))
	if err != nil {
		return errors.Join(fmt.Errorf("store: %w", err), write.Close())
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(8)
	read.SetConnMaxIdleTime(5 * time.Minute) // each keeps a megabyte of pages
	// A column that the next release added is no fault (RETURNING *): one step back
	// must go on sending.
	s.write = bun.NewDB(write, s.sealed(sqlitedialect.New()), bun.WithDiscardUnknownColumns())
	s.read = bun.NewDB(read, s.sealed(sqlitedialect.New()), bun.WithDiscardUnknownColumns())
	s.hook()
	if err := write.PingContext(ctx); err != nil {
		return errors.Join(fmt.Errorf("store: open %s: %w", path, err), s.Close())
	}
	return nil
}

func (s *Store) openPostgres(ctx context.Context, dsn string) error {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("store: database address: %w", err)
	}
	cfg.MaxConns = max(cfg.MaxConns, 12)
	// Sessions speak UTC: what comes back is what was stored.
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	// A process that stands still in the middle of a transaction must not hold
	// its locks against the other nodes; nothing slow happens inside one.
	cfg.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "10000"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("store: connect: %w", err)
	}
	s.pool = pool
	s.write = bun.NewDB(stdlib.OpenDBFromPool(pool), s.sealed(pgdialect.New()), bun.WithDiscardUnknownColumns())
	s.read = s.write
	s.hook()
	return nil // who needs it now asks by [Store.Ping]
}

func (s *Store) hook() {
	same := s.read == s.write
	s.write = s.write.WithQueryHook(tenantGuard{s.log})
	if same { // PostgreSQL has one pool for both
		s.read = s.write
		return
	}
	s.read = s.read.WithQueryHook(tenantGuard{s.log})
}

// Close closes all connections.
func (s *Store) Close() error {
	var errs []error
	if s.read != nil && s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.pool != nil {
		s.pool.Close()
	}
	return errors.Join(errs...)
}

// Pool is the PostgreSQL pool, nil on SQLite. Only the job queue and the bus
// of this floor use it.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Writer is SQLite's one write connection, for the job queue alone.
func (s *Store) Writer() *sql.DB { return s.write.DB }

// Postgres reports whether this is PostgreSQL; rooms ask only for the rare,
// named exceptions (full-text search).
func (s *Store) Postgres() bool { return s.pool != nil }

// SetEnqueuer plugs in the job queue; app calls it once before any write.
func (s *Store) SetEnqueuer(e Enqueuer) { s.enqueue = e }

// FoldLog takes the write-ahead log back from who was to carry it away, see
// [Options]: SQLite folds it into the file by itself again.
func (s *Store) FoldLog(ctx context.Context) error {
	if s.Postgres() {
		return nil
	}
	if _, err := s.write.ExecContext(ctx, "PRAGMA wal_autocheckpoint(1000)"); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// Ping reports whether the database answers, for /readyz.
func (s *Store) Ping(ctx context.Context) error { return s.read.PingContext(ctx) }

// Read answers queries; inside [Store.InTx] it is that transaction.
func (s *Store) Read(ctx context.Context) bun.IDB {
	if t := s.open(ctx); t != nil {
		return t.db
	}
	return s.read
}

// txState is the open transaction that rides in the context.
type txState struct {
	store *Store
	db    bun.IDB
	tx    Tx
	after []func()
	over  bool // committed or rolled back: the context no longer means it
}

type txKey struct{}

func (s *Store) open(ctx context.Context) *txState {
	t, _ := ctx.Value(txKey{}).(*txState)
	if t == nil || t.store != s || t.over {
		return nil
	}
	return t
}

// AfterCommit runs fn once the transaction in ctx has committed, or at once
// when there is none. It is for hints that may be lost: kicks and live pages.
func (s *Store) AfterCommit(ctx context.Context, fn func()) {
	if t := s.open(ctx); t != nil {
		t.after = append(t.after, fn)
		return
	}
	fn()
}

// InTx runs fn in one transaction and commits when it returns nil. Inside an
// open transaction it joins that one: an inner error must be returned outwards.
//
// PostgreSQL ends one of two transactions that wait for each other. It is run
// anew, so fn may run several times, and only the last run counts: what fn leaves
// outside the database it sets, and does not add to.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context, db bun.IDB, enqueue Enqueue) error) error {
	if t := s.open(ctx); t != nil {
		return fn(ctx, t.db, s.enqueuer(t))
	}
	s.wanted.Add(1)
	for try := 1; ; try++ {
		err := s.once(ctx, fn, s.rehearse && try == 1)
		if !takenBack(err) || try == tries || !pause(ctx, try) {
			return err
		}
	}
}

// once runs fn in a transaction.
func (s *Store) once(ctx context.Context, fn func(ctx context.Context, db bun.IDB, enqueue Enqueue) error, rehearse bool) error {
	t := &txState{store: s}
	inner := context.WithValue(ctx, txKey{}, t)
	run := func() error {
		err := fn(inner, t.db, s.enqueuer(t))
		if err == nil && rehearse {
			err = errRehearsed
		}
		return err
	}
	var err error
	if s.pool != nil {
		err = s.inPostgres(ctx, t, run)
	} else {
		err = s.inSQLite(ctx, t, run)
	}
	t.over = true
	if err != nil {
		return err
	}
	for _, f := range t.after {
		f()
	}
	return nil
}

func (s *Store) inSQLite(ctx context.Context, t *txState, run func() error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("store: begin: %w", err)
	}
	// After a commit the rollback is a no-op; after a panic it frees the one
	// write connection.
	defer func() { _ = tx.Rollback() }()
	t.db, t.tx = tx, Tx{SQL: tx.Tx}
	if err := run(); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("store: commit: %w", err)
	}
	return nil
}

func (s *Store) inPostgres(ctx context.Context, t *txState, run func() error) error {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("store: begin: %w", err)
	}
	defer func() { _ = conn.Close() }()
	var tx pgx.Tx
	err = conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("store: unexpected driver connection %T", driverConn)
		}
		tx, err = c.Conn().Begin(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: begin: %w", err)
	}
	defer func() {
		// The caller's context may be over already; the connection must be
		// clean before it goes back to the pool.
		c, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(c)
	}()
	t.db, t.tx = conn, Tx{PGX: tx}
	if err := run(); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("store: commit: %w", err)
	}
	return nil
}

var errNoQueue = errors.New("store: no job queue is plugged in")

func (s *Store) enqueuer(t *txState) Enqueue {
	return func(ctx context.Context, job Job) error {
		if s.enqueue == nil {
			return errNoQueue
		}
		return s.enqueue(ctx, t.tx, job)
	}
}

// ErrUnscoped is the cause with which a query without a tenant is refused.
var ErrUnscoped = errors.New("store: query without tenant_id")

// tenantGuard refuses queries that forgot their tenant (I19).
type tenantGuard struct{ log *slog.Logger }

func (g tenantGuard) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	if ident.IsAcrossTenants(ctx) || strings.Contains(e.Query, "tenant_id") || !touchesRows(e.Query) {
		return ctx
	}
	g.log.ErrorContext(ctx, "query without tenant", "query", e.Query)
	refused, cancel := context.WithCancelCause(ctx)
	cancel(ErrUnscoped)
	return refused
}

func (tenantGuard) AfterQuery(context.Context, *bun.QueryEvent) {}

// touchesRows tells queries from BEGIN, COMMIT, SAVEPOINT and PRAGMA.
func touchesRows(q string) bool {
	head, _, _ := strings.Cut(strings.TrimSpace(q), " ")
	switch strings.ToUpper(head) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}

// NotFound reports whether err is an empty answer.
func NotFound(err error) bool { return errors.Is(err, sql.ErrNoRows) }
