package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"

	"tuermer/web"
)

// assetPrefix is the one folder under which all files are served; fonts.css
// refers to its fonts relative to itself.
const assetPrefix = "/assets/"

// assets serves the embedded files. Addresses carry a hash of the content, so
// browsers may keep them for ever.
type assets struct {
	files fs.FS
	mu    sync.Mutex
	known map[string]asset
}

type asset struct {
	body []byte
	hash string
}

func newAssets() *assets { return &assets{files: web.Assets(), known: map[string]asset{}} }

func (a *assets) get(name string) (asset, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f, ok := a.known[name]; ok {
		return f, f.hash != ""
	}
	var f asset
	if fs.ValidPath(name) {
		if body, err := fs.ReadFile(a.files, name); err == nil {
			sum := sha256.Sum256(body)
			f = asset{body: body, hash: hex.EncodeToString(sum[:6])}
			a.known[name] = f // only files that exist: strangers cannot fill the map
		}
	}
	return f, f.hash != ""
}

// url is the address of a file with its version.
func (a *assets) url(name string) string {
	if f, ok := a.get(name); ok {
		return assetPrefix + name + "?v=" + f.hash
	}
	return assetPrefix + name
}

// AssetURL is the address of an embedded file ("public.css") with its version.
func (s *Site) AssetURL(name string) string { return s.assets.url(name) }

// AssetURL is the address of an embedded file for a page of the request in ctx.
func AssetURL(ctx context.Context, name string) string { return assetURL(ctx, name) }

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, assetPrefix)
	f, ok := a.get(name)
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType(name))
	h.Set("ETag", `"`+f.hash+`"`)
	h.Set("Cache-Control", "public, max-age=300")
	if r.URL.Query().Get("v") == f.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if r.Header.Get("If-None-Match") == `"`+f.hash+`"` {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(f.body) // the reader may be gone
}

// contentType does not depend on the machine's mime tables for what we ship.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".woff2":
		return "font/woff2"
	case ".webmanifest":
		return "application/manifest+json"
	case ".svg":
		return "image/svg+xml"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}
