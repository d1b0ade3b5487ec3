package replica

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// statusFile is where the status lies for who asks without the running program,
// and for the next start.
const statusFile = "status.json"

// savedPlace is one place in it.
type savedPlace struct {
	Name     string    `json:"name"`
	Through  time.Time `json:"through"`
	Reason   string    `json:"reason,omitempty"`
	Err      string    `json:"error,omitempty"`
	FailedAt time.Time `json:"failed_at"`
}

// save writes the status down. It is worth no failure: what is missing is asked
// again.
func (r *Replica) save(ctx context.Context) {
	var out []savedPlace
	for _, s := range r.Status() {
		out = append(out, savedPlace{s.Name, s.Through, s.Reason, s.Err, s.FailedAt})
	}
	raw, err := json.Marshal(out)
	name := filepath.Join(r.o.Folder, statusFile)
	if err == nil {
		err = os.WriteFile(name+part, raw, 0o600)
	}
	if err == nil {
		err = os.Rename(name+part, name)
	}
	if err != nil {
		r.log.DebugContext(ctx, "the status of the copies cannot be written down", "err", err)
	}
}

// ReadStatus is how the places of set stood at the program's last look, and how
// far they lag behind now.
func ReadStatus(folder string, set Settings, now time.Time) (out []PlaceStatus) {
	var saved []savedPlace
	if raw, err := os.ReadFile(filepath.Join(folder, statusFile)); err == nil && json.Unmarshal(raw, &saved) != nil {
		saved = nil // nothing is known
	}
	for _, p := range set.Places {
		st := PlaceStatus{Name: p.Name, Late: true}
		for _, s := range saved {
			if s.Name != p.Name {
				continue
			}
			st.Reason, st.Err, st.FailedAt = s.Reason, s.Err, s.FailedAt
			if !s.Through.IsZero() {
				st.Through, st.Lag = s.Through, max(0, now.Sub(s.Through))
				st.Late = st.Lag > cmp.Or(set.AlarmAfter, DefaultAlarmAfter)
			}
		}
		out = append(out, st)
	}
	return out
}
