package jobs

import (
	"embed"

	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

// Migrations is this package's own schema; the queue's tables are River's, see
// [Jobs.Migrate].
func Migrations() store.Migrations { return store.Migrations{Room: "jobs", FS: schema} }
