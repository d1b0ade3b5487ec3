package intake

import (
	"embed"
	"io/fs"

	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

//go:embed texts
var texts embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations {
	return store.Migrations{Room: "intake", FS: schema, Ways: []string{"intake_letter.sender"}}
}

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }
