package store

import (
	"context"
	"fmt"
	"strings"
)

// Figures say how much is stored and in which shape, and nothing of what it says:
// the rows of each table over all tenants, and each room's schema version.
type Figures struct {
	Engine   string           `json:"engine"` // "sqlite 3.50.1"
	Bytes    int64            `json:"bytes"`
	Rows     map[string]int64 `json:"rows"`
	Versions map[string]int64 `json:"versions"`
}

// Figures counts; it reads every table, so it is for a person who asks and not
// for a pulse.
func (s *Store) Figures(ctx context.Context) (Figures, error) {
	f := Figures{Rows: map[string]int64{}, Versions: map[string]int64{}}
	names, size, engine := `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`,
		`SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()`, `SELECT 'sqlite ' || sqlite_version()`
	if s.Postgres() {
		names = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name`
		size, engine = `SELECT pg_database_size(current_database())`, `SELECT 'postgresql ' || current_setting('server_version')`
	}
	db := s.read.DB // below the guard: these count over all tenants and name none
	if err := db.QueryRowContext(ctx, engine).Scan(&f.Engine); err != nil {
		return f, fmt.Errorf("store: figures: %w", err)
	}
	if err := db.QueryRowContext(ctx, size).Scan(&f.Bytes); err != nil {
		return f, fmt.Errorf("store: figures: %w", err)
	}
	rows, err := db.QueryContext(ctx, names)
	if err != nil {
		return f, fmt.Errorf("store: figures: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return f, fmt.Errorf("store: figures: %w", err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		return f, fmt.Errorf("store: figures: %w", err)
	}
	for _, name := range tables {
		quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		if room, ok := strings.CutSuffix(name, "_schema_version"); ok {
			var v int64
			if err := db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+quoted).Scan(&v); err != nil {
				return f, fmt.Errorf("store: figures: %w", err)
			}
			f.Versions[room] = v
			continue
		}
		var n int64
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+quoted).Scan(&n); err != nil {
			return f, fmt.Errorf("store: figures: %w", err)
		}
		f.Rows[name] = n
	}
	return f, nil
}
