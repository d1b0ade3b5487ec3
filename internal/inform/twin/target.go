package twin

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/depot"
)

// How a target is reached, and why it did not take the copy: a reason with a text
// key depot.fail_REASON, see [depot.Reasons].
type (
	Kind    = depot.Kind
	Failure = depot.Failure
	Dial    = depot.Dial
)

// The kinds.
const (
	SFTP      = depot.SFTP
	WebDAV    = depot.WebDAV
	Directory = depot.Directory
)

// Target is one place outside where the copy lies.
type Target struct {
	Name string
	Kind Kind
	// Address is sftp://host:port/path, https://host/path, or a folder.
	Address string
	// View is where people read the copy; may be empty.
	View     string
	Username string
	Password string
	// PrivateKey is an SSH key in PEM form; HostKey pins the server: a fingerprint
	// "SHA256:…" or a line of known_hosts without names.
	PrivateKey []byte
	HostKey    string
	// CA is PEM by which a WebDAV server's certificate is judged; nil: the system's.
	CA []byte
	// Apache is the time zone in which an Apache host ticks: a .htaccess then
	// shows the page that says that it is out of date, when it is. Empty: none.
	Apache string
}

// open reaches a target.
func (t Target) open(ctx context.Context, dial Dial) (depot.Session, error) {
	return depot.Place{
		Kind: t.Kind, Address: t.Address, Username: t.Username, Password: t.Password, PrivateKey: t.PrivateKey, HostKey: t.HostKey, CA: t.CA,
	}.Open(ctx, dial)
}

// transferTime bounds a whole transfer, [depot.StepTime] each step of it.
const transferTime = 10 * time.Minute

// fresh stands behind the name of a file that has not been put up yet.
const fresh = ".neu"

// deliver brings files to a session in their order: first all beside the old
// ones, which takes its time and may fail, then all by their names. had are the
// digests that lie there by our knowledge; what is the same is left alone, what
// is no longer wanted goes last.
func deliver(ctx context.Context, s depot.Session, files []File, had map[string]string) (sent int, err error) {
	step := func(do func(ctx context.Context) error) error {
		c, cancel := context.WithTimeout(ctx, depot.StepTime)
		defer cancel()
		return do(c)
	}
	var todo []File
	want := map[string]bool{}
	for _, f := range files {
		want[f.Path] = true
		if had[f.Path] != digest(f.Body) {
			todo = append(todo, f)
		}
	}
	made := map[string]bool{}
	for _, f := range todo {
		for _, dir := range parents(f.Path) {
			if !made[dir] {
				if err := step(func(ctx context.Context) error { return s.Mkdir(ctx, dir) }); err != nil {
					return 0, err
				}
				made[dir] = true
			}
		}
	}
	for i, f := range todo {
		if err := step(func(ctx context.Context) error { return s.Put(ctx, f.Path+fresh, f.Body) }); err != nil {
			// What lies there half is taken away, or a full disk stays full.
			clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), depot.StepTime/3)
			defer cancel()
			for _, f := range slices.Backward(todo[:i+1]) {
				if s.Remove(clean, f.Path+fresh) != nil && clean.Err() != nil {
					break
				}
			}
			return 0, err
		}
	}
	for _, f := range todo {
		if err := step(func(ctx context.Context) error { return s.Rename(ctx, f.Path+fresh, f.Path) }); err != nil {
			return sent, err
		}
		sent++
	}
	for old := range had {
		if !want[old] && safe(old) {
			// It stays readable if this fails; the next whole transfer forgets it.
			_ = step(func(ctx context.Context) error { return s.Remove(ctx, old) })
		}
	}
	return sent, nil
}

// parents are the folders above a file, the outermost first.
func parents(file string) []string {
	var out []string
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		out = append(out, dir)
	}
	slices.Reverse(out)
	return out
}

// order puts files as they are to go up: the manifest before the start pages,
// whose home language is the very last.
func order(files []File, manifest []byte) []File {
	at := len(files)
	for at > 0 && path.Base(files[at-1].Path) == "index.html" {
		at--
	}
	return slices.Concat(files[:at:at], []File{{Path: ManifestName, Body: manifest}}, files[at:])
}

// htaccess lets an Apache host show the page that says that the copy is out of
// date, from the moment on when it is. The host compares its own clock.
func htaccess(until time.Time, zone *time.Location) []byte {
	return []byte(strings.Join([]string{
		"# Türmer: after this time the copy is out of date.",
		"AddDefaultCharset utf-8",
		"<IfModule mod_rewrite.c>",
		"RewriteEngine On",
		"RewriteCond %{TIME} >=" + until.In(zone).Format("20060102150405"),
		"RewriteRule ^((?:[a-z]+/)?)(?:index\\.html)?$ $1veraltet.html [L]",
		"RewriteCond %{TIME} >=" + until.In(zone).Format("20060102150405"),
		"RewriteRule ^leicht\\.html$ leicht-veraltet.html [L]",
		"</IfModule>",
		"",
	}, "\n"))
}
