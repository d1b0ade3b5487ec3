package chattest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// firstMoment is before the first moment at which Signal's server says that it sent
// a message; the next one is a millisecond later.
const firstMoment = 1_790_000_000_000

// serveEvents is signal-cli's "event stream" (GET …/events, text/event-stream) and
// its check. Who does not listen hears nothing, not later either.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	gone := s.trouble == Away
	s.mu.Unlock()
	switch {
	case s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token:
		http.Error(w, "whose token is this?", http.StatusUnauthorized)
		return
	case gone:
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
		return
	case strings.HasSuffix(r.URL.Path, "/check"):
		return
	case !strings.HasSuffix(r.URL.Path, "/events"):
		http.NotFound(w, r)
		return
	}
	ear := make(chan string, 100)
	s.mu.Lock()
	if s.ears == nil {
		s.ears = map[chan string]bool{}
	}
	s.ears[ear] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.ears, ear)
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{})
	say := func(text string) bool {
		_, err := io.WriteString(w, text)
		return err == nil && out.Flush() == nil
	}
	alive := time.NewTicker(15 * time.Second)
	defer alive.Stop()
	for ok := say(":\n"); ok; {
		select {
		case event := <-ear:
			ok = say("event:receive\ndata:" + event + "\n\n")
		case <-alive.C:
			ok = say(":\n")
		case <-r.Context().Done():
			return
		}
	}
}

// Hear tells an event to all who listen; false: nobody does.
func (s *Server) Hear(event string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ear := range s.ears {
		ear <- event
	}
	return len(s.ears) > 0
}

// Deliver is the event that the n-th post is on the telephone, counted from 1.
func (s *Server) Deliver(n int) bool {
	p := s.Posts()[n-1]
	return s.Hear(fmt.Sprintf(`{"envelope":{"source":%[1]q,"sourceNumber":%[1]q,"sourceUuid":"9f2a","sourceDevice":1,"timestamp":1,"receiptMessage":{"when":1,"isDelivery":true,"isRead":false,"isViewed":false,"timestamps":[%[2]d]}},"account":"+49611000"}`,
		p.To, firstMoment+n))
}

// Write is the event that somebody wrote to the account.
func (s *Server) Write(from, text string, at int) bool {
	return s.Hear(fmt.Sprintf(`{"envelope":{"source":%[1]q,"sourceNumber":%[1]q,"sourceUuid":"9f2a","sourceDevice":1,"timestamp":%[2]d,"dataMessage":{"timestamp":%[2]d,"message":%[3]q,"expiresInSeconds":0}},"account":"+49611000"}`, from, at, text))
}
