package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// tries is how often a transaction is run that the database takes back.
const tries = 5

// errRehearsed takes back the first run of a transaction, see [Options].
var errRehearsed = errors.New("store: rehearsed")

// takenBack reports whether a transaction ended through no fault of its own: it
// and another waited for each other, or cannot both be true. The codes are
// deadlock_detected and serialization_failure of PostgreSQL's appendix A.
func takenBack(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001") || errors.Is(err, errRehearsed)
}

// pause lets the other transaction end, longer with each try, and answers whether
// there is still somebody who waits.
func pause(ctx context.Context, try int) bool {
	t := time.NewTimer(rand.N(time.Duration(try) * 20 * time.Millisecond))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
