package personal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Who is the person.
type Who struct {
	ID        string
	Name      string
	Addresses []string // mail addresses and telephone numbers, as they are stored
	// StandIn and StandInName take the place of an address and of the name.
	StandIn, StandInName string
}

// words are what a column of the person holds.
func (w Who) words() []string {
	out := []string{w.ID}
	for _, a := range w.Addresses {
		if a != "" {
			out = append(out, a)
		}
	}
	return out
}

// Act is what becomes of a row.
type Act string

// The acts.
const (
	// Delete takes the row away.
	Delete Act = "delete"
	// Replace puts the stand-in in the place of the address and of the name.
	Replace Act = "replace"
	// Stay keeps the row as it is; Why says for what.
	Stay Act = "stay"
	// Refuse keeps the person while such a row is there: somebody else has to
	// take over first.
	Refuse Act = "refuse"
	// Own: the room does it by itself.
	Own Act = "own"
)

// Rule says what becomes of a table's rows about a person.
type Rule struct {
	Table string
	Act   Act
	// Columns hold the person: their id, an address or the name.
	Columns []string
	// Where narrows a rule to some rows; a question mark is the time.
	Where string
	// Why is a word for the reason.
	Why string
	// Label is the column that names a row to a reader.
	Label string
}

// Field is a column with its value.
type Field struct {
	Column string `json:"column"`
	Value  string `json:"value"`
}

// Hit is a row about the person.
type Hit struct {
	Table  string  `json:"table"`
	Fields []Field `json:"fields"`
}

// Names reports whether the row says the name or an address, and not the id alone,
// which leads nowhere once the account is erased.
func (h Hit) Names(who Who) bool {
	return slices.ContainsFunc(h.Fields, func(f Field) bool {
		return who.Name != "" && f.Value == who.Name || slices.ContainsFunc(who.Addresses, func(a string) bool {
			return a != "" && strings.Contains(strings.ToLower(f.Value), strings.ToLower(a))
		})
	})
}

// secret are columns that are nobody's to read: digests, keys and what is sealed.
var secret = regexp.MustCompile(`^(hash|password|secret|credential|journal_hash|key|fenced|message)$`)

var address = regexp.MustCompile(`[\p{L}\p{N}._%+-]+@[\p{L}\p{N}.-]+\.[\p{L}]{2,}`)

// table is one with a tenant, and its text columns.
type table struct {
	name   string
	text   []string        // columns in the clear
	sealed map[string]bool // sealed ones; true: longer texts, which the database cannot search
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// tables lists those of this database that hold rows of tenants.
func tables(ctx context.Context, s *store.Store) ([]table, error) {
	q := `SELECT m.name, p.name, p.type FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY m.name, p.cid`
	if s.Postgres() {
		q = `SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
			JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type = 'BASE TABLE'
			WHERE c.table_schema = current_schema() ORDER BY c.table_name, c.ordinal_position`
	}
	rows, err := s.Read(ctx).QueryContext(ident.AcrossTenants(ctx), q) // of the schema, of no tenant
	if err != nil {
		return nil, fmt.Errorf("personal: schema: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []table
	tenants := map[string]bool{}
	for rows.Next() {
		var name, column, kind string
		if err := rows.Scan(&name, &column, &kind); err != nil {
			return nil, fmt.Errorf("personal: schema: %w", err)
		}
		if n := len(out); n == 0 || out[n-1].name != name {
			out = append(out, table{name: name})
		}
		if t := &out[len(out)-1]; column == "tenant_id" {
			tenants[name] = true
		} else if k := strings.ToLower(kind); k == "text" {
			t.text = append(t.text, column)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("personal: schema: %w", err)
	}
	out = slices.DeleteFunc(out, func(t table) bool { return !tenants[t.name] || len(t.text) == 0 })
	for i, t := range out {
		out[i].sealed = s.SealedColumns(t.name)
		out[i].text = slices.DeleteFunc(t.text, func(c string) bool { _, ok := out[i].sealed[c]; return ok })
	}
	return out, nil
}

// sealedWords are the words as a sealed column holds them. Addresses are stored
// as they were entered or in small letters.
func sealedWords(s *store.Store, place string, words []string) []string {
	var out []string
	for _, w := range words {
		out = append(out, s.Sealed(place, w))
		if low := strings.ToLower(w); low != w {
			out = append(out, s.Sealed(place, low))
		}
	}
	return out
}

// says reports whether a text, opened, holds one of the words.
func (w Who) says(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(w.words(), func(word string) bool { return strings.Contains(text, strings.ToLower(word)) })
}

// Tables names the tables that hold rows of tenants with words in them: what could
// speak of a person.
func Tables(ctx context.Context, s *store.Store) ([]string, error) {
	all, err := tables(ctx, s)
	out := make([]string, len(all))
	for i, t := range all {
		out[i] = t.name
	}
	return out, err
}

// Find lists the rows of the tenant in ctx that are about the person; skip are
// tables that hold no person and very many rows.
func Find(ctx context.Context, s *store.Store, who Who, skip ...string) ([]Hit, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	all, err := tables(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []Hit
	for _, t := range all {
		if slices.Contains(skip, t.name) {
			continue
		}
		hits, err := t.find(ctx, s, tenant, who)
		if err != nil {
			return nil, err
		}
		out = append(out, hits...)
	}
	return out, nil
}

func (t table) find(ctx context.Context, s *store.Store, tenant ident.Tenant, who Who) ([]Hit, error) {
	within := "instr(lower(%s), ?) > 0"
	if s.Postgres() {
		within = "strpos(lower(%s), ?) > 0"
	}
	var tests []string
	args := []any{string(tenant)}
	for _, c := range t.text {
		for _, w := range who.words() {
			tests, args = append(tests, fmt.Sprintf(within, quote(c))), append(args, strings.ToLower(w))
		}
		if who.Name != "" {
			tests, args = append(tests, quote(c)+" = ?"), append(args, who.Name)
		}
	}
	// What is sealed is compared as a whole where it is one address; longer texts
	// have to be opened and read here.
	byReading := false
	for c, longer := range t.sealed {
		if longer {
			byReading = true
			continue
		}
		tests, args = append(tests, quote(c)+" IN (?)"), append(args, bun.List(sealedWords(s, t.name+"."+c, who.words())))
	}
	found := "(" + strings.Join(tests, " OR ") + ")"
	q := "SELECT *, " + found + " AS tuermer_found FROM " + quote(t.name) + " WHERE tenant_id = ?"
	if !byReading {
		q += " AND " + found
		args = append(slices.Clone(args[1:]), args...)
	} else {
		args = append(args[1:], args[0])
	}
	rows, err := s.Read(ctx).QueryContext(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("personal: %s: %w", t.name, err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("personal: %s: %w", t.name, err)
	}
	var out []Hit
	for rows.Next() {
		values, at := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			at[i] = &values[i]
		}
		if err := rows.Scan(at...); err != nil {
			return nil, fmt.Errorf("personal: %s: %w", t.name, err)
		}
		hit := false
		for i, name := range names {
			if name == "tuermer_found" {
				hit = hit || truth(values[i])
			}
			if _, ok := t.sealed[name]; ok {
				if values[i], err = opened(s, t.name+"."+name, values[i]); err != nil {
					return nil, fmt.Errorf("personal: %s: %w", t.name, err)
				}
				text, _ := values[i].(string)
				hit = hit || who.says(text)
			}
		}
		if !hit {
			continue
		}
		h := Hit{Table: t.name}
		for i, name := range names {
			if name == "tenant_id" || name == "tuermer_found" {
				continue
			}
			if text := who.shown(name, values[i]); text != "" {
				h.Fields = append(h.Fields, Field{name, text})
			}
		}
		out = append(out, h)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("personal: %s: %w", t.name, err)
	}
	return out, nil
}

// truth is a comparison's outcome on either database.
func truth(v any) bool {
	switch x := v.(type) {
	case bool:
		return x
	case int64:
		return x != 0
	}
	return false
}

// opened is what a sealed value means.
func opened(s *store.Store, place string, v any) (any, error) {
	switch x := v.(type) {
	case string:
		return s.Opened(place, x)
	case []byte:
		return s.Opened(place, string(x))
	}
	return v, nil
}

// Hidden stands where something is not this person's to read.
const Hidden = "•••"

// shown is a value without what belongs to others.
func (w Who) shown(column string, v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case time.Time:
		return x.UTC().Format(time.RFC3339)
	case []byte:
		return Hidden
	case string:
		if x == "" {
			return ""
		}
		if secret.MatchString(column) {
			return Hidden
		}
		return address.ReplaceAllStringFunc(x, func(a string) string {
			if slices.ContainsFunc(w.Addresses, func(own string) bool { return strings.EqualFold(own, a) }) {
				return a
			}
			return Hidden
		})
	default:
		return fmt.Sprint(x)
	}
}

// Refusal is a row for which somebody else has to take over first.
type Refusal struct {
	Rule  Rule
	Label string
}

// Done is what came of one rule.
type Done struct {
	Rule Rule
	Rows int64
}

// Refusals lists what stands in the way.
func Refusals(ctx context.Context, s *store.Store, rules []Rule, who Who, now time.Time) ([]Refusal, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var out []Refusal
	for _, r := range rules {
		if r.Act != Refuse {
			continue
		}
		label := "''"
		if r.Label != "" {
			label = quote(r.Label)
		}
		longer, columns := r.longer(s), ""
		for _, c := range longer {
			columns += ", " + quote(c)
		}
		where, args := r.where(s, tenant, who, now)
		rows, err := s.Read(ctx).QueryContext(ctx, "SELECT "+label+columns+" FROM "+quote(r.Table)+where, args...)
		if err != nil {
			return nil, fmt.Errorf("personal: %s: %w", r.Table, err)
		}
		for rows.Next() {
			texts := make([]string, len(longer)+1)
			at := make([]any, len(texts))
			for i := range texts {
				at[i] = &texts[i]
			}
			if err := rows.Scan(at...); err != nil {
				return nil, fmt.Errorf("personal: %s: %w", r.Table, err)
			}
			says := len(longer) == 0
			for i, c := range longer {
				text, err := s.Opened(r.Table+"."+c, texts[i+1])
				if err != nil {
					return nil, fmt.Errorf("personal: %s: %w", r.Table, err)
				}
				says = says || who.says(text)
			}
			if says {
				out = append(out, Refusal{r, texts[0]})
			}
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("personal: %s: %w", r.Table, err)
		}
		if err := rows.Close(); err != nil {
			return nil, fmt.Errorf("personal: %s: %w", r.Table, err)
		}
	}
	return out, nil
}

// where picks the rows of a rule: a column holds the id, an address or the name;
// in longer texts, such as lists, an address or the id.
func (r Rule) where(s *store.Store, tenant ident.Tenant, who Who, now time.Time) (string, []any) {
	within := "instr(lower(%s), ?) > 0"
	if s.Postgres() {
		within = "strpos(lower(%s), ?) > 0"
	}
	var tests []string
	args := []any{string(tenant)}
	sealed := s.SealedColumns(r.Table)
	for _, c := range r.Columns {
		if longer, is := sealed[c]; longer {
			tests = append(tests, "TRUE") // the caller opens and reads it
			continue
		} else if is {
			tests, args = append(tests, quote(c)+" IN (?)"), append(args, bun.List(sealedWords(s, r.Table+"."+c, who.words())))
			continue
		}
		for _, w := range who.words() {
			if r.Act == Refuse {
				tests, args = append(tests, fmt.Sprintf(within, quote(c))), append(args, strings.ToLower(w))
			} else {
				tests, args = append(tests, "lower("+quote(c)+") = ?"), append(args, strings.ToLower(w))
			}
		}
	}
	q := " WHERE tenant_id = ? AND (" + strings.Join(tests, " OR ") + ")"
	if r.Where != "" {
		q += " AND (" + r.Where + ")"
		for range strings.Count(r.Where, "?") {
			args = append(args, now)
		}
	}
	return q, args
}

// longer are the rule's columns that have to be opened to be searched.
func (r Rule) longer(s *store.Store) []string {
	sealed := s.SealedColumns(r.Table)
	return slices.DeleteFunc(slices.Clone(r.Columns), func(c string) bool { return !sealed[c] })
}

// errLonger guards against a rule that would take away a whole table.
var errLonger = errors.New("personal: only a refusal may name a column of sealed texts")

// Count tells what [Erase] would do, rule by rule, and changes nothing.
func Count(ctx context.Context, s *store.Store, rules []Rule, who Who, now time.Time) ([]Done, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var out []Done
	for _, r := range rules {
		var n int64
		count := func(where string, args ...any) error {
			var m int64
			if err := s.Read(ctx).QueryRowContext(ctx, "SELECT count(*) FROM "+quote(r.Table)+where, args...).Scan(&m); err != nil {
				return fmt.Errorf("personal: %s: %w", r.Table, err)
			}
			n += m
			return nil
		}
		switch r.Act {
		case Delete:
			where, args := r.where(s, tenant, who, now)
			if err := count(where, args...); err != nil {
				return nil, err
			}
		case Replace:
			for _, c := range r.Columns {
				for word := range who.stands() {
					if err := count(" WHERE tenant_id = ? AND "+quote(c)+" = ?", string(tenant), s.Sealed(r.Table+"."+c, word)); err != nil {
						return nil, err
					}
				}
			}
		default:
			continue
		}
		if n > 0 {
			out = append(out, Done{r, n})
		}
	}
	return out, nil
}

// Erase carries the rules out, inside the transaction of ctx.
func Erase(ctx context.Context, s *store.Store, rules []Rule, who Who, now time.Time) ([]Done, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	db := s.Read(ctx)
	var out []Done
	for _, r := range rules {
		if (r.Act == Delete || r.Act == Replace) && len(r.longer(s)) > 0 {
			return nil, fmt.Errorf("%w: %s", errLonger, r.Table)
		}
		var n int64
		switch r.Act {
		case Delete:
			where, args := r.where(s, tenant, who, now)
			res, err := db.ExecContext(ctx, "DELETE FROM "+quote(r.Table)+where, args...)
			if n, err = affected(res, err); err != nil {
				return nil, fmt.Errorf("personal: %s: %w", r.Table, err)
			}
		case Replace:
			for _, c := range r.Columns {
				for word, by := range who.stands() {
					word, by = s.Sealed(r.Table+"."+c, word), s.Sealed(r.Table+"."+c, by)
					res, err := db.ExecContext(ctx, "UPDATE "+quote(r.Table)+" SET "+quote(c)+" = ? WHERE tenant_id = ? AND "+quote(c)+" = ?",
						by, string(tenant), word)
					m, err := affected(res, err)
					if err != nil {
						return nil, fmt.Errorf("personal: %s: %w", r.Table, err)
					}
					n += m
				}
			}
		default:
			continue
		}
		if n > 0 {
			out = append(out, Done{r, n})
		}
	}
	return out, nil
}

// stands says what takes the place of what.
func (w Who) stands() map[string]string {
	out := map[string]string{}
	for _, a := range w.Addresses {
		if a != "" {
			out[a] = w.StandIn
		}
	}
	if w.Name != "" {
		out[w.Name] = w.StandInName
	}
	return out
}

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
