package backup

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

// ParseRecipient reads a public key: age1… or a line of an ssh public key.
func ParseRecipient(s string) (age.Recipient, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "ssh-") {
		r, err := agessh.ParseRecipient(s)
		if err != nil {
			return nil, fmt.Errorf("backup: %w", err)
		}
		return r, nil
	}
	r, err := age.ParseX25519Recipient(s)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return r, nil
}

// maxKey bounds a key file in bytes.
const maxKey = 64 << 10

// ReadIdentities reads the private keys of a file: one or several of
// AGE-SECRET-KEY-1…, or an ssh key without a passphrase.
func ReadIdentities(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("backup: key file: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKey))
	_ = f.Close()
	if err != nil {
		return nil, fmt.Errorf("backup: key file %s: %w", path, err)
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN")) {
		id, err := agessh.ParseIdentity(text)
		if err != nil {
			return nil, fmt.Errorf("backup: key file %s: %w", path, err)
		}
		return []age.Identity{id}, nil
	}
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		// The cause may quote the line, and the line is the key.
		return nil, fmt.Errorf("backup: key file %s holds no private key of age or ssh", path)
	}
	return ids, nil
}

// NewKey writes a new private key into a file that must not be there yet, and
// answers the public one.
func NewKey(path string) (recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("backup: new key: %w", err)
	}
	recipient = id.Recipient().String()
	return recipient, Create(path, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "# Private key for backups of Türmer. Keep it away from the machine that it saves.\n# public key: %s\n%s\n", recipient, id)
		return err
	})
}
