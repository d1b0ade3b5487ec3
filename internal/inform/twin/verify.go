package twin

import (
	"context"
	"crypto/ed25519"
	"time"
)

// Fetch reads one file of a copy, at most limit bytes.
type Fetch func(ctx context.Context, path string, limit int64) ([]byte, error)

// Report is what [Verify] found.
type Report struct {
	Manifest Manifest
	Key      ed25519.PublicKey
	// Missing could not be fetched, Changed are not what was signed.
	Missing, Changed []string
	// Expired: the copy holds no longer.
	Expired bool
}

// OK reports a copy that is whole, untouched and current.
func (r Report) OK() bool { return len(r.Missing) == 0 && len(r.Changed) == 0 && !r.Expired }

// Verify checks a copy against its manifest. The error is a manifest that cannot
// be had or trusted; what is wrong with files stands in the report.
func Verify(ctx context.Context, fetch Fetch, want ed25519.PublicKey, now time.Time) (Report, error) {
	raw, err := fetch(ctx, ManifestName, maxManifest)
	if err != nil {
		return Report{}, err
	}
	m, key, err := readManifest(raw, want)
	if err != nil {
		return Report{}, err
	}
	r := Report{Manifest: m, Key: key, Expired: !now.Before(m.ValidUntil)}
	for _, f := range m.Files {
		body, err := fetch(ctx, f.Path, int64(f.Size)+1)
		switch {
		case ctx.Err() != nil:
			return r, ctx.Err()
		case err != nil:
			r.Missing = append(r.Missing, f.Path)
		case len(body) != f.Size || digest(body) != f.SHA256:
			r.Changed = append(r.Changed, f.Path)
		}
	}
	return r, nil
}
