package audit

import (
	"embed"
	"io/fs"
	"net/url"
)

//go:embed texts
var texts embed.FS

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }

func queryEscape(s string) string { return url.QueryEscape(s) }
