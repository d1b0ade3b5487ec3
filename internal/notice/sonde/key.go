package sonde

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tuermer/internal/platform/fault"
)

// keyBlock is what stands around a key in its file.
const keyBlock = "PRIVATE KEY"

// LoadKey reads the sonde's key, or makes one where there is none. It never
// leaves the machine; a file that holds something else is left alone.
func LoadKey(path string) (ed25519.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("sonde: key: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != keyBlock {
		return nil, fault.New(fault.Invalid, "sonde.bad_key", path)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := k.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fault.New(fault.Invalid, "sonde.bad_key", path).With(err)
	}
	return key, nil
}

// makeKey writes a new key to the disk before anybody hears of it.
func makeKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("sonde: key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("sonde: key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("sonde: key: %w", err)
	}
	return key, writeFile(path, pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}))
}

// writeFile puts a whole file in its place, or none: for its owner alone.
func writeFile(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("sonde: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("sonde: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("sonde: %w", err)
	}
	return syncDir(filepath.Dir(path))
}
