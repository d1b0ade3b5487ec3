package retain

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Day is the unit in which periods are named.
const Day = 24 * time.Hour

// Act is what becomes of a row whose period is over.
type Act string

// The acts.
const (
	// Delete takes the row away.
	Delete Act = "delete"
	// Clear leaves the row and takes the person out of it.
	Clear Act = "clear"
	// Own: the room's own job does it, more often than nightly; it is checked.
	Own Act = "own"
	// Stay: no period, for a named reason.
	Stay Act = "stay"
)

// Reason is why a table has no period.
type Reason string

// The reasons.
const (
	Settings Reason = "settings" // as long as the town has it set so
	Account  Reason = "account"  // as long as the person works for the town
	Wanted   Reason = "wanted"   // as long as the person wants to be told
	Record   Reason = "record"   // the file of an incident, kept as a whole by the town's periods
	Proof    Reason = "proof"    // who answered for what
	Chain    Reason = "chain"    // a hash chain, which is whole or worthless
	Public   Reason = "public"   // stands on the public page
	Plain    Reason = "plain"    // machines write it, and no person stands in it
)

// Reasons lists them.
func Reasons() []Reason {
	return []Reason{Settings, Account, Wanted, Record, Proof, Chain, Public, Plain}
}

// Set is a column with what it is emptied to, in SQL.
type Set struct{ Column, To string }

// Rule says how long a table keeps its rows, or why it has no period.
type Rule struct {
	// Name is a word for the rule, with the room's name before it: "channel.outbox".
	Name  string
	Table string
	Act   Act
	// For is the period, counted from Age.
	For time.Duration
	// Age is the column from which the period counts, or an SQL expression with
	// the table's full name; a row without an age stays.
	Age string
	// Civil: Age holds a civil day as text, 2006-01-02.
	Civil bool
	// Where narrows the rule to some rows, in SQL without parameters.
	Where string
	// Set is what [Clear] empties.
	Set []Set
	// Always: no span of time keeps it, because it lets somebody in.
	Always bool
	// Reason is why it stays.
	Reason Reason
	// Do is a room's own way to clear at most n things of the tenant in ctx, whose
	// rows are all older than limit and outside of the spans. It runs in a
	// transaction and answers how many rows it touched.
	Do func(ctx context.Context, db bun.IDB, limit time.Time, spans []Span, n int) (int64, error)
	// Count tells how many rows Do would touch in the end.
	Count func(ctx context.Context, db bun.IDB, limit time.Time, spans []Span) (int64, error)
}

// Kept is a rule for a table without a period.
func Kept(room string, why Reason, tables ...string) []Rule {
	out := make([]Rule, len(tables))
	for i, t := range tables {
		out[i] = Rule{Name: room + "." + string(why), Table: t, Act: Stay, Reason: why}
	}
	return out
}

// Span is a time whose rows somebody still needs; To is zero while it lasts.
type Span struct{ From, To time.Time }

// Limit is the moment before which rows go.
func (r Rule) Limit(now time.Time) time.Time { return now.Add(-r.For) }

func (r Rule) at(t time.Time) any {
	if r.Civil {
		return t.UTC().Format(time.DateOnly)
	}
	return t
}

// outside is the condition that an SQL expression of time lies in none of the
// spans; it begins with AND and is empty without spans.
func (r Rule) outside(age string, spans []Span) (cond string, args []any) {
	var b strings.Builder
	for _, s := range spans {
		if s.To.IsZero() {
			b.WriteString(" AND " + age + " < ?")
			args = append(args, r.at(s.From))
			continue
		}
		b.WriteString(" AND NOT (" + age + " >= ? AND " + age + " <= ?)")
		args = append(args, r.at(s.From), r.at(s.To))
	}
	return b.String(), args
}

// old is the condition on the rows whose period is over.
func (r Rule) old(tenant ident.Tenant, limit time.Time, spans []Span) (cond string, args []any) {
	cond = quote(r.Table) + ".tenant_id = ? AND " + r.Age + " < ?"
	args = []any{string(tenant), r.at(limit)}
	if r.Where != "" {
		cond += " AND (" + r.Where + ")"
	}
	if !r.Always {
		out, more := r.outside(r.Age, spans)
		cond, args = cond+out, append(args, more...)
	}
	return cond, args
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Batch carries the rule out for at most n rows of the tenant in ctx, in one
// transaction, and lets note write down in it how many they were.
func Batch(ctx context.Context, s *store.Store, r Rule, limit time.Time, spans []Span, n int, note func(ctx context.Context, rows int64) error) (rows int64, err error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return 0, err
	}
	if r.Always {
		spans = nil
	}
	err = s.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if r.Do != nil {
			rows, err = r.Do(ctx, db, limit, spans, n)
		} else {
			rows, err = r.carry(ctx, s, db, tenant, limit, spans, n)
		}
		if err != nil || rows == 0 {
			return err
		}
		return note(ctx, rows)
	})
	if err != nil {
		return 0, fmt.Errorf("retain: %s: %w", r.Name, err)
	}
	return rows, nil
}

func (r Rule) carry(ctx context.Context, s *store.Store, db bun.IDB, tenant ident.Tenant, limit time.Time, spans []Span, n int) (int64, error) {
	row := "rowid"
	if s.Postgres() {
		row = "ctid"
	}
	cond, args := r.old(tenant, limit, spans)
	q := "DELETE FROM " + quote(r.Table)
	if r.Act == Clear {
		sets := make([]string, len(r.Set))
		for i, set := range r.Set {
			sets[i] = quote(set.Column) + " = " + set.To
		}
		q = "UPDATE " + quote(r.Table) + " SET " + strings.Join(sets, ", ")
	}
	// The condition stands there twice: a row that changed after it was picked is
	// looked at again and stays if it is needed.
	q += " WHERE " + row + " IN (SELECT " + row + " FROM " + quote(r.Table) + " WHERE " + cond + " LIMIT ?) AND " + cond
	res, err := db.ExecContext(ctx, q, append(append(append([]any{}, args...), n), args...)...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Left counts what the rule would still take away, and what is older than its
// period and kept by a span.
func Left(ctx context.Context, s *store.Store, r Rule, limit time.Time, spans []Span) (due, held int64, err error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil || r.Age == "" {
		return 0, 0, err
	}
	count := func(spans []Span) (n int64, err error) {
		if r.Count != nil {
			return r.Count(ctx, s.Read(ctx), limit, spans)
		}
		cond, args := r.old(tenant, limit, spans)
		err = s.Read(ctx).QueryRowContext(ctx, "SELECT count(*) FROM "+quote(r.Table)+" WHERE "+cond, args...).Scan(&n)
		if err != nil {
			return 0, fmt.Errorf("retain: %s: %w", r.Name, err)
		}
		return n, nil
	}
	if due, err = count(spans); err != nil || r.Always || len(spans) == 0 {
		return due, 0, err
	}
	all, err := count(nil)
	return due, all - due, err
}
