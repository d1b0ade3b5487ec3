// Package jobs runs work after a commit. River keeps the queue inside the
// database, so a job exists exactly when the rows that it is about do.
//
// Two tools: a job ([Work], enqueued inside a transaction) for "this happened,
// do that", and a [Sweeper] for due times. Due times live in the rooms' own
// tables and are swept, so that a lost tick is never a lost escalation.
package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/store"
)

// Options configures [New].
type Options struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
	// Node names this node where several share a database; it is the same after
	// a restart. Empty: a name of its own for each run.
	Node string
	// Quiet is for scenarios in virtual time: no leader election and a poll of 15
	// virtual minutes; every commit kicks the queue directly.
	Quiet bool
}

// Jobs is the queue of one node.
type Jobs struct {
	o       Options
	workers *river.Workers
	kick    *kicker

	mu   sync.Mutex
	lite *river.Client[*sql.Tx]
	pgx  *river.Client[pgx.Tx]
	on   bool
}

// Queues of the product: alarms never wait behind bulk, and a single one not behind
// a storm's bundles.
const (
	queueAlarm = "alarm"
	queueBulk  = "bulk"
	queueStorm = "storm"
)

// stormWorkers is how many bundles a node works on at once. Several would only take
// the writer, or on PostgreSQL the processor, from those who wait for an answer.
const stormWorkers = 1

// jobTimeout bounds one run of a job; a job that a dead node left behind is
// taken over after rescueAfter. A failing job is tried for weeks: giving up
// would lose what happened.
const (
	jobTimeout  = 20 * time.Second
	rescueAfter = 60 * time.Second
	maxAttempts = 10_000
)

// New makes a queue that knows no work yet. It does no I/O.
func New(o Options) *Jobs {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Jobs{o: o, workers: river.NewWorkers(), kick: newKicker()}
}

// StormJob marks a job that holds the writer for long, because it carries much at
// once: few of them run at the same time.
type StormJob interface {
	store.Job
	Storm()
}

// BulkJob marks a job for the slow lane; all others ride with the alarms.
type BulkJob interface {
	store.Job
	Bulk()
}

// Work registers fn for jobs of T's kind. All registration is done before
// [Jobs.Open]. An error makes the job run again, later and later.
func Work[T store.Job](j *Jobs, fn func(ctx context.Context, job T) error) {
	river.AddWorker(j.workers, river.WorkFunc(func(ctx context.Context, job *river.Job[T]) error {
		return fn(ctx, job.Args)
	}))
}

// Migrate brings the queue's own tables up to date.
func (j *Jobs) Migrate(ctx context.Context) error {
	var err error
	if pool := j.o.Store.Pool(); pool != nil {
		m, e := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
		if e != nil {
			return fmt.Errorf("jobs: %w", e)
		}
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	} else {
		m, e := rivermigrate.New(j.liteDriver(), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
		if e != nil {
			return fmt.Errorf("jobs: %w", e)
		}
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err != nil {
		return fmt.Errorf("jobs: schema: %w", err)
	}
	return nil
}

func (j *Jobs) liteDriver() *liteDriver { return newLiteDriver(j.o.Store.Writer(), j.kick) }

// Open prepares the client, so that jobs can be enqueued; with work it will
// also run them after [Jobs.Start].
func (j *Jobs) Open(work bool) error {
	cfg := &river.Config{
		ID:                   j.o.Node,
		Logger:               slog.New(slog.DiscardHandler),
		JobTimeout:           jobTimeout,
		RescueStuckJobsAfter: rescueAfter,
		FetchCooldown:        5 * time.Millisecond,
		FetchPollInterval:    time.Second,
		ErrorHandler:         errorLog{j.o.Log},
		RetryPolicy:          retryPolicy{j.o.Clock},
		Test:                 river.TestConfig{Time: riverClock{j.o.Clock}},
	}
	if j.o.Quiet {
		cfg.LeaderElectionDisabled = true
		cfg.FetchPollInterval = 15 * time.Minute
	}
	if work {
		cfg.Workers = j.workers
		cfg.Queues = map[string]river.QueueConfig{queueAlarm: {MaxWorkers: 8}, queueBulk: {MaxWorkers: 2}, queueStorm: {MaxWorkers: stormWorkers}}
	}
	var err error
	if pool := j.o.Store.Pool(); pool != nil {
		j.pgx, err = river.NewClient(riverpgxv5.New(pool), cfg)
	} else {
		j.lite, err = river.NewClient(j.liteDriver(), cfg)
	}
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	j.o.Store.SetEnqueuer(j.enqueue)
	return nil
}

func (j *Jobs) enqueue(ctx context.Context, tx store.Tx, job store.Job) error {
	opts := &river.InsertOpts{Queue: queueAlarm, MaxAttempts: maxAttempts}
	switch job.(type) {
	case BulkJob:
		opts.Queue = queueBulk
	case StormJob:
		opts.Queue = queueStorm
	}
	var err error
	switch {
	case tx.PGX != nil && j.pgx != nil:
		_, err = j.pgx.InsertTx(ctx, tx.PGX, job, opts)
	case tx.SQL != nil && j.lite != nil:
		_, err = j.lite.InsertTx(ctx, tx.SQL, job, opts)
		j.o.Store.AfterCommit(ctx, func() { j.kick.kick(opts.Queue) })
	default:
		err = errors.New("queue is not open")
	}
	if err != nil {
		return fmt.Errorf("jobs: enqueue %s: %w", job.Kind(), err)
	}
	return nil
}

// Start runs jobs until Stop. What a crash of this node left "running" is taken
// up at once; on SQLite no other process runs jobs, so that is all of it.
func (j *Jobs) Start(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.on {
		return nil
	}
	var err error
	if j.pgx != nil {
		if j.o.Node != "" {
			if err := j.TakeUp(ctx, j.o.Node); err != nil {
				return err
			}
		}
		err = j.pgx.Start(context.WithoutCancel(ctx))
	} else {
		if err := rescueSQLite(ctx, j.o.Store.Writer()); err != nil {
			return err
		}
		err = j.lite.Start(context.WithoutCancel(ctx))
	}
	if err != nil {
		return fmt.Errorf("jobs: start: %w", err)
	}
	j.on = true
	return nil
}

// Stop waits for running jobs, as long as ctx allows, then cancels them.
func (j *Jobs) Stop(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.on {
		return nil
	}
	j.on = false
	stop := func(soft, hard func(context.Context) error) error {
		err := soft(ctx)
		if err != nil && ctx.Err() != nil {
			err = hard(context.WithoutCancel(ctx))
		}
		return err
	}
	if j.pgx != nil {
		return stop(j.pgx.Stop, j.pgx.StopAndCancel)
	}
	return stop(j.lite.Stop, j.lite.StopAndCancel)
}
