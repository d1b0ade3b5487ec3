package incident

import (
	"embed"

	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations {
	return store.Migrations{
		Room: "incident", FS: schema,
		Ways:  []string{"incident_task.owner", "incident_task.deputy"},
		Words: []string{"incident_entry.text"},
	}
}
