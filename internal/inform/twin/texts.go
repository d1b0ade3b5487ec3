package twin

import (
	"embed"
	"io/fs"
)

//go:embed texts
var texts embed.FS

// Texts are the room's sentences.
func Texts() fs.FS { return texts }
