package audit

import (
	"embed"

	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations {
	return store.Migrations{
		Room: "audit", FS: schema,
		Words: []string{"audit_entry.detail"},
	}
}
