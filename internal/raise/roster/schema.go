package roster

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
	return store.Migrations{
		Room: "roster", FS: schema, Words: []string{"roster_entry.body"},
		Ways: []string{"roster_callout.person", "roster_override.person", "roster_swap.asker", "roster_swap.other", "roster_feed.person", "roster_speaker.account", "roster_speaker.name", "roster_import_piece.occurrence"},
	}
}

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }
