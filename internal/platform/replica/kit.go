package replica

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"tuermer/internal/platform/backup"
)

// kitName is the file beside the database's files in which lies what else an
// install is made of.
const kitName = "kit" + sealed

// kitBody is what it holds, before sealing.
type kitBody struct {
	Format  int           `json:"format"`
	Version string        `json:"version"` // of the program
	Made    time.Time     `json:"made"`
	Files   []backup.File `json:"files"`
}

// kit is the sealed kit, made anew when its files or its keys change.
type kit struct {
	mu    sync.Mutex
	from  string
	bytes []byte
}

func (k *kit) sealed(r *Replica) ([]byte, error) {
	files, err := r.o.Files()
	if err != nil {
		return nil, err
	}
	to, _, err := r.o.Keys()
	if err != nil {
		return nil, err
	}
	var from strings.Builder
	for _, t := range to {
		fmt.Fprintln(&from, t)
	}
	for _, f := range files {
		fmt.Fprintf(&from, "%q %q\n", f.Name, f.Data)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bytes != nil && k.from == from.String() {
		return k.bytes, nil
	}
	raw, err := json.Marshal(kitBody{Format: 1, Version: r.o.Version, Made: r.o.Clock.Now(), Files: files})
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	var out bytes.Buffer
	if _, err := seal(&out, bytes.NewReader(raw), to); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	k.from, k.bytes = from.String(), slices.Clone(out.Bytes())
	return k.bytes, nil
}

// maxKit bounds a kit that comes back.
const maxKit = 64 << 20

func readKit(raw []byte, with []age.Identity) (k kitBody, err error) {
	in, err := age.Decrypt(bytes.NewReader(raw), with...)
	if err != nil {
		return k, fmt.Errorf("replica: kit: %w", opened(err))
	}
	plain, err := io.ReadAll(io.LimitReader(in, maxKit))
	if err != nil {
		return k, fmt.Errorf("replica: kit: %w", opened(err))
	}
	if err := json.Unmarshal(plain, &k); err != nil {
		return k, fmt.Errorf("replica: kit: %w: %w", backup.ErrDamaged, err)
	}
	if k.Format != 1 {
		return k, fmt.Errorf("replica: kit: %w", backup.ErrNewer)
	}
	return k, nil
}
