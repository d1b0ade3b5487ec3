package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"tuermer/internal/platform/clock"
)

// liteDriver is River's SQLite driver with a listener inside the process: one
// process owns the file, so a commit can kick the queue without polling a
// table 20 times a second (which would also cost virtual time its speed).
type liteDriver struct {
	*riversqlite.Driver
	kick *kicker
}

func newLiteDriver(db *sql.DB, k *kicker) *liteDriver {
	return &liteDriver{Driver: riversqlite.New(db), kick: k}
}

// SupportsListenNotify is false: no notification rows are written.
func (d *liteDriver) SupportsListenNotify() bool { return false }

// SupportsListener is true: see [kicker].
func (d *liteDriver) SupportsListener() bool { return true }

// GetListener implements riverdriver.Driver.
func (d *liteDriver) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener {
	return d.kick
}

// kicker carries "there is work in queue q" from a commit to the producers.
type kicker struct {
	mu      sync.Mutex
	pending map[string]bool
	wake    chan struct{}
}

func newKicker() *kicker {
	return &kicker{pending: map[string]bool{}, wake: make(chan struct{}, 1)}
}

func (k *kicker) kick(queue string) {
	k.mu.Lock()
	k.pending[queue] = true
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *kicker) next() (string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for q := range k.pending {
		delete(k.pending, q)
		return q, true
	}
	return "", false
}

// insertTopic is River's name for "a job was inserted".
const insertTopic = "river_insert"

// WaitForNotification implements riverdriver.Listener.
func (k *kicker) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		if q, ok := k.next(); ok {
			payload, err := json.Marshal(map[string]string{"queue": q})
			if err != nil {
				return nil, err
			}
			return &riverdriver.Notification{Topic: insertTopic, Payload: string(payload)}, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-k.wake:
		}
	}
}

func (k *kicker) Close(context.Context) error            { return nil }
func (k *kicker) Connect(context.Context) error          { return nil }
func (k *kicker) Listen(context.Context, string) error   { return nil }
func (k *kicker) Unlisten(context.Context, string) error { return nil }
func (k *kicker) Ping(context.Context) error             { return nil }
func (k *kicker) Schema() string                         { return "" }
func (k *kicker) SetAfterConnectExec(string)             {}

// rescueSQLite makes jobs available that a killed process left running.
func rescueSQLite(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, `UPDATE river_job SET state = 'available' WHERE state = 'running'`); err != nil {
		return fmt.Errorf("jobs: take over what a crash left: %w", err)
	}
	return nil
}

// TakeUp makes jobs available that a dead node of a PostgreSQL left running.
// River would do so by itself after [rescueAfter].
func (j *Jobs) TakeUp(ctx context.Context, node string) error {
	_, err := j.o.Store.Pool().Exec(ctx, `UPDATE river_job SET state = 'available'
		WHERE state = 'running' AND attempted_by[array_upper(attempted_by, 1)] = $1`, node)
	if err != nil {
		return fmt.Errorf("jobs: take over from %s: %w", node, err)
	}
	return nil
}

// riverClock hands River our clock, so that virtual time is virtual there too.
type riverClock struct{ clock.Clock }

// NowOrNil implements rivertype.TimeGenerator: always our clock, never the
// database's.
func (c riverClock) NowOrNil() *time.Time { t := c.Now(); return &t }

// errorLog writes down why a job failed; River tries it again.
type errorLog struct{ log *slog.Logger }

// HandleError implements river.ErrorHandler.
func (e errorLog) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	e.log.WarnContext(ctx, "job failed, will be tried again", "room", "jobs", "job", job.Kind, "attempt", job.Attempt, "err", err)
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (e errorLog) HandlePanic(ctx context.Context, job *rivertype.JobRow, v any, trace string) *river.ErrorHandlerResult {
	e.log.ErrorContext(ctx, "job panicked, will be tried again", "room", "jobs", "job", job.Kind, "panic", fmt.Sprint(v), "trace", trace)
	return nil
}

// retryPolicy waits 1, 4, 9 … seconds, five minutes at most.
type retryPolicy struct{ clock clock.Clock }

// NextRetry implements river.ClientRetryPolicy.
func (p retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	n := time.Duration(min(job.Attempt, 17))
	return p.clock.Now().Add(min(n*n*time.Second, 5*time.Minute))
}
