package app

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// nodeFile holds what tells this node from the others on the same database.
const nodeFile = "node"

// nodeID is the name of this node: the same after every restart, so that it may
// take up at once what its own predecessor was doing, for the lock on the data
// folder says that it is dead. A copy of the folder, on another machine or in
// another place, is another node: it must not take from one that lives.
func nodeID(dir string) (string, error) {
	path := filepath.Join(dir, nodeFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		raw = []byte(strings.ToLower(rand.Text()) + "\n")
		err = os.WriteFile(path, raw, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("app: node: %w", err)
	}
	machine, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		name, err := os.Hostname()
		if err != nil {
			return "", fmt.Errorf("app: node: %w", err)
		}
		machine = []byte(name)
	}
	place, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("app: node: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s", strings.TrimSpace(string(raw)), strings.TrimSpace(string(machine)), place))
	return hex.EncodeToString(sum[:8]), nil
}
