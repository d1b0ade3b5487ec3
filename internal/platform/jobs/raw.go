package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Raw is a job as it stands in the queue, for carrying it into another database.
type Raw struct {
	Name  string          `json:"job"`
	Queue string          `json:"queue"`
	Args  json.RawMessage `json:"args"`
}

// Kind implements store.Job.
func (r Raw) Kind() string { return r.Name }

// MarshalJSON would be River's way to the arguments.
func (r rawArgs) MarshalJSON() ([]byte, error) { return r.Args, nil }

// rawArgs is what River stores for a Raw.
type rawArgs struct{ Raw }

// bulkArgs is the same for the slow lane.
type bulkArgs struct{ rawArgs }

// Bulk marks it.
func (bulkArgs) Bulk() {}

type stormArgs struct{ rawArgs }

// Storm implements [StormJob].
func (stormArgs) Storm() {}

// Waiting lists the jobs that have not come to their end, oldest first.
func Waiting(ctx context.Context, tx *sql.Tx, postgres bool) (out []Raw, err error) {
	args := "json(args)"
	if postgres {
		args = "args::text"
	}
	rows, err := tx.QueryContext(ctx, `SELECT kind, queue, `+args+` FROM river_job
		WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled') ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("jobs: waiting: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r Raw
		var text string
		if err := rows.Scan(&r.Name, &r.Queue, &text); err != nil {
			return nil, fmt.Errorf("jobs: waiting: %w", err)
		}
		r.Args = json.RawMessage(text)
		out = append(out, r)
	}
	return out, rows.Err()
}

// Readmit puts jobs into the queue again, each due at once.
func (j *Jobs) Readmit(ctx context.Context, raw []Raw) error {
	if len(raw) == 0 {
		return nil
	}
	return j.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, _ bun.IDB, enqueue store.Enqueue) error {
		for _, r := range raw {
			var job store.Job = rawArgs{r}
			switch r.Queue {
			case queueBulk:
				job = bulkArgs{rawArgs{r}}
			case queueStorm:
				job = stormArgs{rawArgs{r}}
			}
			if err := enqueue(ctx, job); err != nil {
				return err
			}
		}
		return nil
	})
}
