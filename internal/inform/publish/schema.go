package publish

import (
	"embed"

	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations {
	return store.Migrations{
		Room: "publish", FS: schema,
		Ways: []string{"publish_delivery.recipient"},
	}
}
