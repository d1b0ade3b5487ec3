package channel

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
		Room: "channel", FS: schema,
		Ways:  []string{"channel_outbox.recipient", "channel_simulated.recipient", "channel_answer.sender"},
		Words: []string{"channel_outbox.message"},
	}
}

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }
