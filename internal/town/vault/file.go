package vault

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Save writes value sealed to a file, beside the old one and then in its place,
// so that a crash leaves one of the two whole.
func (v *Vault) Save(path, purpose string, value any) error {
	plain, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("vault: %s: %w", purpose, err)
	}
	sealed, err := v.Seal(purpose, plain)
	if err != nil {
		return fmt.Errorf("vault: %s: %w", purpose, err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	f, err := os.CreateTemp(dir, "new-*.tmp") // nobody else reads it
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	_, err = f.Write(sealed)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("vault: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// Load reads what [Vault.Save] wrote. A file that is not there is fs.ErrNotExist.
func (v *Vault) Load(path, purpose string, value any) error {
	sealed, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	plain, err := v.Open(purpose, sealed)
	if err != nil {
		return fmt.Errorf("vault: %s: %w", path, err)
	}
	if err := json.Unmarshal(plain, value); err != nil {
		return fmt.Errorf("vault: %s: %w", path, err)
	}
	return nil
}

// Log is a file of sealed lines to which is only added. It is for what must
// outlive this process while the database cannot be asked.
type Log struct {
	vault   *Vault
	path    string
	purpose string
	max     int64

	mu   sync.Mutex
	f    *os.File
	size int64
}

// ErrLogFull says that a log has reached its bound.
var ErrLogFull = errors.New("vault: the log has reached its bound")

// OpenLog opens a log and answers the lines that it holds, oldest first. A line
// that a crash cut short, or that somebody changed, is passed over.
func (v *Vault) OpenLog(path, purpose string, limit int64) (*Log, [][]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("vault: log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("vault: log: %w", err)
	}
	l := &Log{vault: v, path: path, purpose: purpose, max: limit, f: f}
	var lines [][]byte
	in := bufio.NewReader(f)
	for {
		line, err := in.ReadBytes('\n')
		l.size += int64(len(line))
		if plain, ok := v.unline(purpose, line); ok {
			lines = append(lines, plain)
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			return nil, nil, errors.Join(fmt.Errorf("vault: log: %w", err), f.Close())
		}
		if len(line) > 0 { // half a line must not swallow the next one
			if _, err := f.WriteString("\n"); err != nil {
				return nil, nil, errors.Join(fmt.Errorf("vault: log: %w", err), f.Close())
			}
			l.size++
		}
		return l, lines, nil
	}
}

func (v *Vault) unline(purpose string, line []byte) (plain []byte, ok bool) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	sealed := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Decode(sealed, line)
	if err != nil {
		return nil, false
	}
	plain, err = v.Open(purpose, sealed[:n])
	return plain, err == nil
}

// Add writes a line; the answer is nil only when the disk has it.
func (l *Log) Add(value any) error {
	plain, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("vault: log: %w", err)
	}
	sealed, err := l.vault.Seal(l.purpose, plain)
	if err != nil {
		return fmt.Errorf("vault: log: %w", err)
	}
	line := append(base64.StdEncoding.AppendEncode(nil, sealed), '\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(line)) > l.max {
		return ErrLogFull
	}
	n, err := l.f.Write(line)
	l.size += int64(n)
	if err := errors.Join(err, l.f.Sync()); err != nil {
		return fmt.Errorf("vault: log: %w", err)
	}
	return nil
}

// Clear forgets all lines.
func (l *Log) Clear() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size == 0 {
		return nil
	}
	if err := errors.Join(l.f.Truncate(0), l.f.Sync()); err != nil {
		return fmt.Errorf("vault: log: %w", err)
	}
	l.size = 0
	return nil
}

// Close closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("vault: log: %w", err)
	}
	return nil
}
