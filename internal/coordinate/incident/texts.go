package incident

import "embed"

//go:embed texts
var texts embed.FS

// Texts are this room's sentences, in texts/{de,en}.json.
func Texts() embed.FS { return texts }
