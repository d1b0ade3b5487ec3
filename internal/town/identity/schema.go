package identity

import (
	"embed"
	"io/fs"

	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations {
	return store.Migrations{
		Room: "identity", FS: schema,
		Ways:  []string{"identity_person.email", "identity_person.alternative", "identity_person.mobile", "identity_person.chat"},
		Words: []string{"identity_person.search"},
	}
}

//go:embed texts
var texts embed.FS

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }
