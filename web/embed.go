// Package web carries the files that a browser loads: our own styles and small
// scripts from web/src, and the files of others (KERN, htmx, uPlot, two cuts of
// Fira Sans) that web/build.sh copies from npm into web/dist.
//
// The two live in separate file systems on purpose. A binary built without npm
// still serves the public page in full, since public.css needs nothing of
// others; the console then works unstyled and the server says so at start
// ([Built]). Nothing here knows about HTTP: the room platform/web serves
// [Assets] under one path, with a hash of the content as version.
package web

import (
	"embed"
	"errors"
	"io/fs"
)

// Dist holds what web/build.sh copied from npm, under "dist/". Without npm it
// holds only dist/.keep.
//
//go:embed all:dist
var Dist embed.FS

// Source holds our own styles and scripts, under "src/". It is always complete.
//
//go:embed src
var Source embed.FS

// Built reports whether the files from npm are in this binary.
func Built() bool {
	_, err := fs.Stat(Dist, "dist/htmx.min.js")
	return err == nil
}

// Assets is the flat view that a server publishes: "staff.css", "live.js",
// "kern.min.css", "fonts/FiraSans-Regular.woff2". Names of our own win over
// names of others; "fonts.css" refers to "fonts/" relative to itself, so all
// files must be served from one folder.
func Assets() fs.FS {
	return overlay{sub(Source, "src"), sub(Dist, "dist")}
}

// sub cannot fail for the two constant folder names that are embedded above.
func sub(files embed.FS, dir string) fs.FS {
	under, err := fs.Sub(files, dir)
	if err != nil {
		panic(err)
	}
	return under
}

// overlay opens a file in the first layer that has it. It does not merge
// directories: nobody lists assets, pages name them.
type overlay []fs.FS

// Open implements [fs.FS].
func (o overlay) Open(name string) (fs.File, error) {
	for _, layer := range o {
		file, err := layer.Open(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
