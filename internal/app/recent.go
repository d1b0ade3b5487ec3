package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"tuermer/internal/platform/fault"
)

// recent keeps the last warnings and errors for the diagnosis bundle, in memory
// and beside the data, so that they outlive the process. It keeps no value that
// it does not know: of a record the message, which is a constant of the program,
// and of its attributes only those in [told] and the error, masked.
type recent struct {
	next slog.Handler
	kept *keptErrors
	room string
}

// keptErrors is what all handlers that came from one share.
type keptErrors struct {
	mu   sync.Mutex
	file string // empty: memory only
	list []keptError
}

// keptError is one record, masked.
type keptError struct {
	At      time.Time `json:"at"`
	Level   string    `json:"level"`
	Room    string    `json:"room,omitempty"`
	Message string    `json:"message"`
	Error   string    `json:"error,omitempty"`
	Kind    string    `json:"kind,omitempty"` // types of the error's chain
}

// Bounds of what is kept.
const (
	maxKept     = 200
	maxKeptFile = 256 << 10
)

func newRecent(next slog.Handler, dir string) *recent {
	r := &recent{next: next, kept: &keptErrors{}}
	if dir != "" {
		r.kept.file = filepath.Join(dir, "errors.jsonl")
	}
	return r
}

// Enabled implements slog.Handler.
func (r *recent) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn || r.next.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (r *recent) Handle(ctx context.Context, rec slog.Record) error {
	if rec.Level >= slog.LevelWarn {
		k := keptError{At: rec.Time.UTC().Truncate(time.Second), Level: rec.Level.String(), Room: r.room, Message: masked(rec.Message)}
		rec.Attrs(func(a slog.Attr) bool {
			switch err, isErr := a.Value.Any().(error); {
			case isErr:
				k.Error, k.Kind = masked(err.Error()), links(err)
			case a.Key == "room":
				k.Room = masked(a.Value.String())
			}
			return true
		})
		r.kept.add(k)
	}
	if !r.next.Enabled(ctx, rec.Level) {
		return nil
	}
	return r.next.Handle(ctx, rec)
}

// WithAttrs implements slog.Handler.
func (r *recent) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *r
	c.next = r.next.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key == "room" {
			c.room = masked(a.Value.String())
		}
	}
	return &c
}

// WithGroup implements slog.Handler.
func (r *recent) WithGroup(name string) slog.Handler {
	c := *r
	c.next = r.next.WithGroup(name)
	return &c
}

func (k *keptErrors) add(e keptError) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.list = append(k.list, e); len(k.list) > maxKept {
		k.list = k.list[len(k.list)-maxKept:]
	}
	if k.file == "" {
		return
	}
	// A disk that is full or gone is what such a record tells of; it must not
	// fail for it.
	if info, err := os.Stat(k.file); err == nil && info.Size() > maxKeptFile {
		_ = os.Rename(k.file, k.file+".1")
	}
	f, err := os.OpenFile(k.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_ = json.NewEncoder(f).Encode(e)
	_ = f.Close()
}

// last are the newest records: of this process, or else those that an earlier or
// another one left beside the data.
func (k *keptErrors) last() (out []keptError) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file != "" {
		for _, name := range []string{k.file + ".1", k.file} {
			f, err := os.Open(name)
			if err != nil {
				continue
			}
			for d := json.NewDecoder(io.LimitReader(f, 2*maxKeptFile)); ; {
				var e keptError
				if d.Decode(&e) != nil {
					break
				}
				out = append(out, e)
			}
			_ = f.Close()
		}
	}
	if len(out) == 0 {
		out = append(out, k.list...)
	}
	if len(out) > maxKept {
		out = out[len(out)-maxKept:]
	}
	return out
}

// links names the types of an error and what they wrap, and the text key of a
// fault: enough to find the place, and no value of anybody.
func links(err error) string {
	var out []string
	for range 12 {
		if err == nil {
			break
		}
		part := fmt.Sprintf("%T", err)
		if f, ok := err.(*fault.Error); ok { //nolint:errorlint // one link of the chain after the other
			part += " " + f.Key
		}
		out = append(out, part)
		switch u := err.(type) { //nolint:errorlint // as above
		case interface{ Unwrap() error }:
			err = u.Unwrap()
		case interface{ Unwrap() []error }:
			if err = nil; len(u.Unwrap()) > 0 {
				err = u.Unwrap()[0]
			}
		default:
			err = nil
		}
	}
	return strings.Join(out, " < ")
}

var (
	quoted = regexp.MustCompile(`"[^"]*"|'[^']*'|„[^“”]*[“”]|«[^»]*»|“[^”]*”|\x60[^\x60]*\x60`)
	plain  = regexp.MustCompile(`^[a-z][a-z'-]{0,23}$`)
	small  = regexp.MustCompile(`^\d{1,3}$`)
)

// shouted are words in capitals that errors say and that name nobody.
var shouted = map[string]bool{
	"EOF": true, "TLS": true, "SMTP": true, "SQL": true, "HTTP": true, "DNS": true, "TCP": true, "UDP": true, "SSE": true, "POST": true, "GET": true,
	"SQLITE_BUSY": true, "SQLITE_FULL": true, "SQLITE_READONLY": true, "SQLITE_IOERR": true, "SQLITE_CANTOPEN": true, "SQLITE_CORRUPT": true, "FATAL:": true, "ERROR:": true,
}

// masked keeps of a text what a program says and leaves out what it says it
// about: words in small letters and short numbers stay, everything else (names,
// addresses, hosts, telephone numbers, tokens, whatever stands in quotation marks)
// becomes "…". It is a list of what may stay, so that what nobody thought of goes.
func masked(text string) string {
	text = quoted.ReplaceAllString(text, " … ")
	var out []string
	for w := range strings.FieldsSeq(text) {
		core := strings.TrimRight(strings.TrimLeft(w, "(["), ":;,.)]")
		if plain.MatchString(core) || small.MatchString(core) || shouted[core] {
			out = append(out, w)
			continue
		}
		if len(out) == 0 || out[len(out)-1] != "…" {
			out = append(out, "…")
		}
	}
	if len(out) > 60 {
		out = append(out[:60], "…")
	}
	return strings.Join(out, " ")
}
