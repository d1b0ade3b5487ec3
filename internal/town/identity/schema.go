package identity

import (
	"embed"
	"io/fs"

	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations { return store.Migrations{Room: "identity", FS: schema} }

//go:embed texts
var texts embed.FS

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }
