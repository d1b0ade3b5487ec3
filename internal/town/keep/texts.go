package keep

import (
	"embed"
	"io/fs"
)

//go:embed texts
var texts embed.FS

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }
