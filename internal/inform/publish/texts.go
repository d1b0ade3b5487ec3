package publish

import (
	"embed"
	"io/fs"
)

//go:embed texts/*.json
var texts embed.FS

// Texts are this room's sentences in German and English.
func Texts() fs.FS { return texts }
