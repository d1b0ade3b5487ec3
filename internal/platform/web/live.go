package web

import (
	"fmt"
	"net/http"
	"time"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/ident"
)

// Pace of the event stream: hints of one moment arrive as one refresh, and a
// comment now and then keeps proxies from closing the line.
const (
	liveGather = 150 * time.Millisecond
	liveBeat   = 20 * time.Second
)

// live is the page's event stream: a "refresh" for every change of the
// tenant's rows. It carries no data; regions fetch themselves again, with the
// reader's own rights.
func (s *Site) live(w http.ResponseWriter, r *http.Request) error {
	if err := SignedIn(r); err != nil {
		return err
	}
	tenant := ident.TenantOf(r.Context())
	sub := s.o.Hints.Subscribe(func(h bus.Hint) bool { return h.Tenant == tenant })
	defer sub.Close()
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{}) // a stream has no end; the beat notices a dead line
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	if _, err := fmt.Fprint(w, "retry: 2000\n\n"); err != nil || out.Flush() != nil {
		return nil
	}
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return nil
		case <-sub.C:
			if !gather(r, sub) || !s.stillIn(r) {
				return nil
			}
			if _, err := fmt.Fprint(w, "event: refresh\ndata: 1\n\n"); err != nil || out.Flush() != nil {
				return nil
			}
		case <-beat.C:
			// A session that ended without a hint loses its stream here.
			if !s.stillIn(r) {
				return nil
			}
			if _, err := fmt.Fprint(w, ": beat\n\n"); err != nil || out.Flush() != nil {
				return nil
			}
		}
	}
}

// stillIn asks anew: a stream outlives the check at its beginning by hours, and
// a person may be blocked or signed out meanwhile.
func (s *Site) stillIn(r *http.Request) bool { return s.o.StillIn == nil || s.o.StillIn(r) }

// gather waits a moment and swallows the hints that belong together.
func gather(r *http.Request, sub *bus.Subscription) bool {
	t := time.NewTimer(liveGather)
	defer t.Stop()
	for {
		select {
		case <-r.Context().Done():
			return false
		case <-sub.C:
		case <-t.C:
			return true
		}
	}
}
