package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// KeySize is the length of the instance key in bytes.
const KeySize = 32

// KeyFile is the name of the key file inside the data folder.
const KeyFile = "tuermer.key"

// EnvKeyFile names the variable that points to a shared key file.
const EnvKeyFile = "TUERMER_KEY_FILE"

// Options says where the instance key is.
type Options struct {
	// Dir is the data folder; a missing key is made there at the first start.
	Dir string
	// Path is a key file of the operator, for several nodes on one database
	// (TUERMER_KEY_FILE). It must exist; Dir is then not used.
	Path string
}

// ErrDamaged is the cause when a key file does not hold a key.
var ErrDamaged = errors.New("holds no key: expected 32 bytes in base64 or hex on one line")

// Load reads the instance key and makes it when the data folder has none yet.
func Load(o Options) (*Vault, error) {
	if o.Path != "" {
		key, err := readKey(o.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("vault: key file %s does not exist; make one with "+
				"'openssl rand -base64 32 > %s && chmod 600 %s' and give the same file to every node",
				o.Path, o.Path, o.Path)
		}
		if err != nil {
			return nil, err
		}
		return New(key)
	}
	path := filepath.Join(o.Dir, KeyFile)
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(o.Dir, path); err != nil {
			return nil, err
		}
		key, err = readKey(path)
	}
	if err != nil {
		return nil, err
	}
	return New(key)
}

// readKey refuses a file that others than its owner may read: whoever reads it
// can forge every link and open every sealed secret.
func readKey(path string) (key []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("vault: key file %s cannot be read by this user; "+
				"it must belong to the user that runs tuermer: %w", path, err)
		}
		return nil, fmt.Errorf("vault: key file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("vault: key file %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("vault: key file %s is not a file", path)
	}
	if loose := info.Mode().Perm() & 0o077; loose != 0 {
		return nil, fmt.Errorf("vault: key file %s is open to others (mode %04o); close it with 'chmod 600 %s'",
			path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil, fmt.Errorf("vault: key file %s: %w", path, err)
	}
	if key = parseKey(text); key == nil {
		return nil, fmt.Errorf("vault: key file %s %w", path, ErrDamaged)
	}
	return key, nil
}

// parseKey finds the key in the file's text; lines with # are for people.
func parseKey(text []byte) []byte {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		for _, decode := range []func(string) ([]byte, error){
			base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString, hex.DecodeString,
		} {
			if key, err := decode(string(line)); err == nil && len(key) == KeySize {
				return key
			}
		}
		return nil
	}
	return nil
}

// makeKey writes a new key so that a crash leaves either no key or a whole one,
// and so that of two commands started together only one wins.
func makeKey(dir, path string) (err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("vault: data folder: %w", err)
	}
	key := make([]byte, KeySize)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("vault: new key: %w", err)
	}
	tmp, err := os.CreateTemp(dir, ".key-*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("vault: new key file: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	_, err = fmt.Fprintf(tmp, "# The key of this Türmer. Keep it secret and keep a copy elsewhere:\n"+
		"# without it, addresses, passwords and links that are under way are lost.\n%s\n", base64.StdEncoding.EncodeToString(key))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("vault: new key file: %w", err)
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("vault: new key file: %w", err)
	}
	return nil
}
