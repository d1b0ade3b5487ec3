package backup

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"filippo.io/age"

	"tuermer/internal/platform/jobs"
)

// Format is the number of the spelling of lines. A reader takes this one and
// older ones.
const Format = 1

// Head says what a backup is of.
type Head struct {
	Format  int              `json:"tuermer_backup"`
	Version string           `json:"version"` // of the program
	Made    time.Time        `json:"made"`
	Kind    string           `json:"database"` // sqlite or postgres
	Schema  map[string]int64 `json:"schema"`   // version of every room's tables
}

// File is a file beside the database.
type File struct {
	Name string `json:"file"`
	Data []byte `json:"data"`
}

// Column is one column of a table; Type is text, int, float, bool, time or bytes.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Table opens the rows of one table.
type Table struct {
	Name    string   `json:"table"`
	Columns []Column `json:"columns"`
}

// End closes a backup.
type End struct {
	End  bool             `json:"end"`
	Rows map[string]int64 `json:"rows"`
	Jobs int64            `json:"jobs"`
	Sum  string           `json:"sha256"` // of every line before this one
}

// Why a backup is not read.
var (
	// ErrKey: encrypted to other keys.
	ErrKey = errors.New("backup: none of the keys opens it")
	// ErrDamaged: cut off, changed, or not written to its end.
	ErrDamaged = errors.New("backup: incomplete or damaged")
	// ErrForeign: not a backup of this program.
	ErrForeign = errors.New("backup: not a backup of Türmer")
	// ErrNewer: made by a newer program.
	ErrNewer = errors.New("backup: made by a newer version")
)

// maxLine bounds one line in bytes; a longer one is refused when it is written,
// not found out when it is needed.
const maxLine = 64 << 20

// Writer writes a backup.
type Writer struct {
	seal io.WriteCloser
	zip  *gzip.Writer
	buf  *bufio.Writer
	sum  hash.Hash
	end  End
}

// NewWriter begins a backup on w, readable with the keys of recipients; without
// any it is not encrypted.
func NewWriter(w io.Writer, h Head, recipients ...age.Recipient) (*Writer, error) {
	out := &Writer{sum: sha256.New(), end: End{End: true, Rows: map[string]int64{}}}
	if len(recipients) > 0 {
		var err error
		if out.seal, err = age.Encrypt(w, recipients...); err != nil {
			return nil, fmt.Errorf("backup: %w", err)
		}
		w = out.seal
	}
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	out.zip, out.buf = zip, bufio.NewWriterSize(zip, 64<<10)
	h.Format = Format
	return out, out.line(h)
}

func (w *Writer) line(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if len(body) >= maxLine {
		return fmt.Errorf("backup: one row has %d MiB, at most %d fit", len(body)>>20, maxLine>>20)
	}
	body = append(body, '\n')
	w.sum.Write(body)
	if _, err := w.buf.Write(body); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// File adds a file.
func (w *Writer) File(name string, data []byte) error { return w.line(File{name, data}) }

// Close writes the end. Without it the backup is none.
func (w *Writer) Close() error {
	w.end.Sum = hex.EncodeToString(w.sum.Sum(nil))
	if err := w.line(w.end); err != nil {
		return err
	}
	err := errors.Join(w.buf.Flush(), w.zip.Close())
	if w.seal != nil {
		err = errors.Join(err, w.seal.Close())
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// Reader reads a backup from its beginning to its end.
type Reader struct {
	Head Head
	End  End // set when [Reader.Next] has answered io.EOF

	lines *bufio.Scanner
	sum   hash.Hash
	seen  End
	cols  []Column
	table string
}

// ageIntro begins every encrypted backup, gzipIntro every other one.
var (
	ageIntro  = []byte("age-encryption.org/")
	gzipIntro = []byte{0x1f, 0x8b}
)

// NewReader opens a backup. The error is [ErrKey], [ErrForeign], [ErrNewer] or
// [ErrDamaged].
func NewReader(r io.Reader, identities ...age.Identity) (*Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	intro, err := b.Peek(len(ageIntro))
	var plain io.Reader = b
	switch {
	case bytes.Equal(intro, ageIntro):
		if len(identities) == 0 {
			return nil, ErrKey
		}
		if plain, err = age.Decrypt(b, identities...); err != nil {
			if _, no := errors.AsType[*age.NoIdentityMatchError](err); no {
				return nil, fmt.Errorf("%w: %w", ErrKey, err)
			}
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	case bytes.HasPrefix(intro, gzipIntro):
	case len(intro) == 0 && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("backup: %w", err)
	default:
		return nil, ErrForeign
	}
	zip, err := gzip.NewReader(plain)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	in := &Reader{lines: bufio.NewScanner(zip), sum: sha256.New(), seen: End{Rows: map[string]int64{}}}
	in.lines.Buffer(make([]byte, 64<<10), maxLine)
	line, err := in.line()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(line, &in.Head); err != nil || in.Head.Format < 1 {
		return nil, ErrForeign
	}
	if in.Head.Format > Format {
		return nil, ErrNewer
	}
	in.count(line)
	return in, nil
}

func (r *Reader) line() ([]byte, error) {
	if !r.lines.Scan() {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, errors.Join(io.ErrUnexpectedEOF, r.lines.Err()))
	}
	return r.lines.Bytes(), nil
}

// count adds a line to the sum that the end is held against.
func (r *Reader) count(line []byte) {
	r.sum.Write(line)
	r.sum.Write([]byte{'\n'})
}

// Next answers the next part: a [File], a [jobs.Raw], a [Table], or one row of
// the table before it as []any; io.EOF after a whole backup.
func (r *Reader) Next() (any, error) {
	line, err := r.line()
	if err != nil {
		return nil, err
	}
	part, err := r.part(line)
	switch {
	case errors.Is(err, io.EOF):
		return nil, r.finish()
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	r.count(line)
	return part, nil
}

func (r *Reader) part(line []byte) (any, error) {
	if len(line) > 0 && line[0] == '[' {
		if r.table == "" {
			return nil, errors.New("a row without a table")
		}
		row, err := decodeRow(line, r.cols)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.table, err)
		}
		r.seen.Rows[r.table]++
		return row, nil
	}
	var kind struct {
		File  *string `json:"file"`
		Table *string `json:"table"`
		Job   *string `json:"job"`
		End   bool    `json:"end"`
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return nil, err
	}
	switch {
	case kind.File != nil:
		var f File
		err := json.Unmarshal(line, &f)
		return f, err
	case kind.Job != nil:
		var j jobs.Raw
		err := json.Unmarshal(line, &j)
		r.seen.Jobs++
		return j, err
	case kind.Table != nil:
		var t Table
		err := json.Unmarshal(line, &t)
		if _, twice := r.seen.Rows[t.Name]; twice || !t.sound() {
			return nil, fmt.Errorf("table %q is named twice or strangely", t.Name)
		}
		r.seen.Rows[t.Name], r.table, r.cols = 0, t.Name, t.Columns
		return t, err
	case kind.End:
		if err := json.Unmarshal(line, &r.End); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	return nil, errors.New("a line of an unknown kind")
}

// sound reports whether the names may stand in a statement.
func (t Table) sound() bool {
	if !isName(t.Name) || len(t.Columns) == 0 {
		return false
	}
	for _, c := range t.Columns {
		if !isName(c.Name) {
			return false
		}
	}
	return true
}

func isName(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != "" && len(s) < 64
}

// finish holds what was read against the end, and looks that nothing follows:
// only reading to the last byte proves that the file is whole.
func (r *Reader) finish() error {
	sum := hex.EncodeToString(r.sum.Sum(nil))
	switch {
	case r.End.Sum != sum:
		return fmt.Errorf("%w: checksum %s, read %s", ErrDamaged, r.End.Sum, sum)
	case r.End.Jobs != r.seen.Jobs || len(r.End.Rows) != len(r.seen.Rows):
		return fmt.Errorf("%w: rows are missing", ErrDamaged)
	}
	for t, n := range r.End.Rows {
		if r.seen.Rows[t] != n {
			return fmt.Errorf("%w: %s has %d of %d rows", ErrDamaged, t, r.seen.Rows[t], n)
		}
	}
	if r.lines.Scan() {
		return fmt.Errorf("%w: something follows the end", ErrDamaged)
	}
	if err := r.lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return io.EOF
}
