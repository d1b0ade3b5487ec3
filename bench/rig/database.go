package rig

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
)

// Databases are those that a benchmark runs on, one after the other: SQLite, which
// is the empty string, and an empty schema of the server at TUERMER_TEST_DATABASE
// if that is set (`script/postgres run -- go run ./bench/…`). The schema goes with
// its server.
func Databases(ctx context.Context) ([]string, error) {
	all := []string{""}
	url := os.Getenv("TUERMER_TEST_DATABASE")
	if url == "" {
		return all, nil
	}
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("bench_%d", os.Getpid())
	_, err = c.Exec(ctx, "CREATE SCHEMA "+name)
	return append(all, url+"&search_path="+name), errors.Join(err, c.Close(ctx))
}

// DatabaseName is what reports call one of [Databases].
func DatabaseName(url string) string {
	if url != "" {
		return "PostgreSQL"
	}
	return "SQLite"
}
