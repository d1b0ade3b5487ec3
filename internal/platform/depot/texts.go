package depot

import (
	"embed"
	"io/fs"
)

//go:embed texts
var texts embed.FS

// Texts are the sentences for reasons, depot.fail_REASON.
func Texts() fs.FS { return texts }
