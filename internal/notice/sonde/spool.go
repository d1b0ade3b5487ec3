package sonde

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// Spool keeps a sonde's results on its own disk until the server has taken
// them. It is one file of lines, each with its checksum:
//
//	8f3a0c1d {"n":12,"keep":true,"p":{…}}     result number 12
//	0b77e2a4 {"done":12}                      up to 12 all is delivered
//
// A result is on the disk before [Spool.Add] returns. What a crash left of a
// line is passed over, and a lost "done" only means that something is delivered
// twice, which the server folds. When there is too much of it, the oldest
// healthy results go first, then other repeats; changes never.
type Spool struct {
	path string
	max  int // results; what is more is shed

	mu      sync.Mutex
	f       *os.File
	size    int64
	last    int64 // the newest number
	queue   []spooled
	dropped int64
	broken  bool // the last write left half a line behind
}

// spooled is one waiting result.
type spooled struct {
	N    int64  `json:"n,omitempty"`
	Keep bool   `json:"keep,omitempty"` // a change: never shed
	P    Report `json:"p"`
}

// spoolLine is a line of the file.
type spoolLine struct {
	N       int64   `json:"n,omitempty"`
	Keep    bool    `json:"keep,omitempty"`
	P       *Report `json:"p,omitempty"`
	Done    int64   `json:"done,omitempty"`
	Dropped int64   `json:"dropped,omitempty"`
}

// spoolMax is how many results a spool holds by default: about 20 MB, a week of
// ten monitors by the minute.
const spoolMax = 100_000

// spoolSlack is how much delivered stuff the file may hold.
const spoolSlack = 1 << 20

// OpenSpool reads what the last run left behind.
func OpenSpool(dir string, limit int) (*Spool, error) {
	if limit <= 0 {
		limit = spoolMax
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sonde: spool: %w", err)
	}
	s := &Spool{path: filepath.Join(dir, "spool"), max: limit}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sonde: spool: %w", err)
	}
	s.f = f
	raw, err := io.ReadAll(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sonde: spool: %w", err), f.Close())
	}
	s.queue, s.last, s.dropped = readSpool(raw)
	s.size = int64(len(raw))
	// A half line at the end must not swallow the next one.
	if err := s.rewrite(); err != nil {
		return nil, errors.Join(err, s.f.Close())
	}
	return s, nil
}

// readSpool takes a spool's lines apart; lines that are not whole are passed
// over.
func readSpool(raw []byte) (queue []spooled, last, dropped int64) {
	var done int64
	in := bufio.NewScanner(bytes.NewReader(raw))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		l, ok := readLine(in.Bytes())
		if !ok {
			continue
		}
		dropped = max(dropped, l.Dropped)
		done = max(done, l.Done)
		last = max(last, l.Done)
		if l.P != nil && l.N > last {
			last = l.N
			queue = append(queue, spooled{l.N, l.Keep, *l.P})
		}
	}
	for len(queue) > 0 && queue[0].N <= done {
		queue = queue[1:]
	}
	return queue, last, dropped
}

func readLine(b []byte) (l spoolLine, ok bool) {
	sum, rest, found := bytes.Cut(b, []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !found || err != nil || len(sum) != 8 || crc32.ChecksumIEEE(rest) != uint32(want) {
		return l, false
	}
	if json.Unmarshal(rest, &l) != nil || l.N < 0 || l.Done < 0 || l.Dropped < 0 {
		return l, false
	}
	return l, true
}

func appendLine(b []byte, l spoolLine) []byte {
	raw, err := json.Marshal(l)
	if err != nil {
		return b // plain numbers and texts always marshal
	}
	return fmt.Appendf(b, "%08x %s\n", crc32.ChecksumIEEE(raw), raw)
}

// Add writes results down; the answer is nil only when they are on the disk.
func (s *Spool) Add(ps []Report, keep func(i int) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b []byte
	fresh := make([]spooled, len(ps))
	for i, p := range ps {
		fresh[i] = spooled{s.last + int64(i) + 1, keep(i), p}
		b = appendLine(b, spoolLine{N: fresh[i].N, Keep: fresh[i].Keep, P: &fresh[i].P})
	}
	if err := s.write(b, true); err != nil {
		return err
	}
	s.last += int64(len(ps))
	s.queue = append(s.queue, fresh...)
	if len(s.queue) > s.max {
		return s.shed()
	}
	return nil
}

// write appends to the file. A write that failed half-way is cut off again, now
// or before the next one.
func (s *Spool) write(b []byte, durable bool) error {
	if s.broken {
		if err := s.f.Truncate(s.size); err != nil {
			return fmt.Errorf("sonde: spool: %w", err)
		}
		s.broken = false
	}
	n, err := s.f.WriteAt(b, s.size)
	if err == nil && durable {
		err = s.f.Sync()
	}
	if err != nil {
		s.broken = n > 0
		if s.broken && s.f.Truncate(s.size) == nil {
			s.broken = false
		}
		return fmt.Errorf("sonde: spool: %w", err)
	}
	s.size += int64(n)
	return nil
}

// shed gives up the oldest of what is only history until a tenth is free again.
func (s *Spool) shed() error {
	drop := len(s.queue) - s.max + s.max/10
	for _, expendable := range []func(e spooled) bool{
		func(e spooled) bool { return !e.Keep && e.P.OK },
		func(e spooled) bool { return !e.Keep },
	} {
		kept := s.queue[:0:0]
		for _, e := range s.queue {
			if drop > 0 && expendable(e) {
				drop--
				s.dropped++
				continue
			}
			kept = append(kept, e)
		}
		s.queue = kept
	}
	return s.rewrite()
}

// rewrite puts what is waiting into a new file in the place of the old one.
func (s *Spool) rewrite() error {
	b := appendLine(nil, spoolLine{Done: s.before(), Dropped: s.dropped})
	for i := range s.queue {
		b = appendLine(b, spoolLine{N: s.queue[i].N, Keep: s.queue[i].Keep, P: &s.queue[i].P})
	}
	tmp := s.path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("sonde: spool: %w", err)
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, s.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("sonde: spool: %w", err), f.Close())
	}
	if err := syncDir(filepath.Dir(s.path)); err != nil {
		return errors.Join(err, f.Close())
	}
	old := s.f
	s.f, s.size, s.broken = f, int64(len(b)), false
	_ = old.Close() // it is no longer the spool
	return nil
}

// before is the number up to which nothing waits any more.
func (s *Spool) before() int64 {
	if len(s.queue) > 0 {
		return s.queue[0].N - 1
	}
	return s.last
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sonde: spool: %w", err)
	}
	err = d.Sync()
	if errors.Is(err, fs.ErrInvalid) { // not every file system can
		err = nil
	}
	return errors.Join(err, d.Close())
}

// Next answers the oldest results without taking them off, and the number to
// give to [Spool.Done]. keep tells whether a change is among them.
func (s *Spool) Next(limit int) (ps []Report, upTo int64, keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.queue[:min(limit, len(s.queue))] {
		ps, upTo = append(ps, e.P), e.N
		keep = keep || e.Keep
	}
	return ps, upTo, keep
}

// Done takes off what was delivered.
func (s *Spool) Done(upTo int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := 0
	for i < len(s.queue) && s.queue[i].N <= upTo {
		i++
	}
	s.queue = s.queue[i:]
	if len(s.queue) == 0 {
		s.queue = nil // let go of the memory of a burst
	}
	if s.size > spoolSlack && (len(s.queue) == 0 || s.size > spoolSlack*4 && i > 0 && s.size > int64(len(s.queue))*1000) {
		return s.rewrite()
	}
	return s.write(appendLine(nil, spoolLine{Done: s.before(), Dropped: s.dropped}), false)
}

// Waiting is how many results wait, and how many were given up.
func (s *Spool) Waiting() (waiting, dropped int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.queue)), s.dropped
}

// Close closes the file.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.Close()
}
