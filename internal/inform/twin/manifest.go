package twin

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
)

// ManifestName is the manifest's file, at the copy's root.
const ManifestName = "manifest.json"

// Manifest says what belongs to a copy, of when it is and how long it holds.
type Manifest struct {
	Version    int       `json:"version"`
	Town       string    `json:"town"`
	Page       string    `json:"page,omitempty"` // the page that it is a copy of
	MadeAt     time.Time `json:"made_at"`
	AsOf       time.Time `json:"as_of"` // when the town's state was read last
	ValidUntil time.Time `json:"valid_until"`
	Files      []Entry   `json:"files"`
}

// Entry is one file of a copy.
type Entry struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Size   int    `json:"size"`
}

// signed is the manifest as a file: the signature covers the bytes of Manifest
// without white space between its parts, so that a host may indent what it likes.
type signed struct {
	KeyID     string          `json:"key_id"`
	PublicKey string          `json:"public_key"`
	Signature string          `json:"signature"`
	Manifest  json.RawMessage `json:"manifest"`
}

// context keeps a signature from meaning anything elsewhere.
const signContext = "tuermer twin manifest 1\n"

const manifestVersion = 1

// Bounds of a manifest that is read.
const (
	maxManifest = 4 << 20
	maxFiles    = 20_000
)

// Key is a town's signing key for its copies, from 32 secret bytes.
func Key(seed []byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(seed) }

// KeyID is a public key in short, for people to compare.
func KeyID(k ed25519.PublicKey) string {
	sum := sha256.Sum256(k)
	return hex.EncodeToString(sum[:8])
}

// ParseKey reads a public key as the console and [signed] write it.
func ParseKey(text string) (ed25519.PublicKey, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fault.New(fault.Invalid, "twin.bad_key")
	}
	return raw, nil
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// entries lists files for a manifest.
func entries(files []File) []Entry {
	out := make([]Entry, 0, len(files))
	for _, f := range files {
		out = append(out, Entry{Path: f.Path, SHA256: digest(f.Body), Size: len(f.Body)})
	}
	return out
}

// sign is the manifest as the file that stands on the hosts.
func (m Manifest) sign(key ed25519.PrivateKey) ([]byte, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("twin: %w", err)
	}
	public := key.Public().(ed25519.PublicKey)
	out, err := json.MarshalIndent(signed{
		KeyID: KeyID(public), PublicKey: base64.StdEncoding.EncodeToString(public),
		Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(key, append([]byte(signContext), raw...))), Manifest: raw,
	}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("twin: %w", err)
	}
	return append(out, '\n'), nil
}

// ErrSignature is a manifest that its key did not sign.
var ErrSignature = fault.New(fault.Invalid, "twin.bad_signature")

// readManifest takes a manifest whose signature is right. With a key it must be
// that one's; nil takes the key that the file names and tells it.
func readManifest(raw []byte, want ed25519.PublicKey) (Manifest, ed25519.PublicKey, error) {
	var s signed
	if err := json.Unmarshal(raw, &s); err != nil {
		return Manifest{}, nil, fault.New(fault.Invalid, "twin.no_manifest").With(err)
	}
	key, err := ParseKey(s.PublicKey)
	if err != nil {
		return Manifest{}, nil, err
	}
	if want != nil && !want.Equal(key) {
		return Manifest{}, nil, fault.New(fault.Invalid, "twin.other_key", KeyID(key), KeyID(want))
	}
	sig, err := base64.StdEncoding.DecodeString(s.Signature)
	if err != nil {
		return Manifest{}, nil, ErrSignature
	}
	var b bytes.Buffer
	b.WriteString(signContext)
	if err := json.Compact(&b, s.Manifest); err != nil || !ed25519.Verify(key, b.Bytes(), sig) {
		return Manifest{}, nil, ErrSignature
	}
	var m Manifest
	if err := json.Unmarshal(s.Manifest, &m); err != nil {
		return Manifest{}, nil, fault.New(fault.Invalid, "twin.no_manifest").With(err)
	}
	if m.Version != manifestVersion || len(m.Files) > maxFiles {
		return Manifest{}, nil, fault.New(fault.Invalid, "twin.no_manifest").With(errors.New("unknown version or too many files"))
	}
	for _, f := range m.Files {
		if !safe(f.Path) {
			return Manifest{}, nil, fault.New(fault.Invalid, "twin.no_manifest").With(fmt.Errorf("path %q", f.Path))
		}
	}
	return m, key, nil
}

// safe refuses paths that leave the copy.
func safe(path string) bool {
	if path == "" || strings.HasPrefix(path, "/") || strings.ContainsAny(path, "\\\x00?#%") {
		return false
	}
	return !slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return part == "" || part == "." || part == ".." })
}
