package alert

import (
	"embed"

	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations {
	return store.Migrations{
		Room: "alert", FS: schema,
		Ways:  []string{"alert_notified.address"},
		Words: []string{"alert_page.ways"},
	}
}
