package chattest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MatrixAccount is whose token it is.
const MatrixAccount = "@lage:hs.example"

// roomNews is one event of a room that a sync tells.
type roomNews struct {
	room      string
	ephemeral bool
	event     json.RawMessage
}

// eventOf is the server's name of a message, by the sender's: a digest, as servers
// make it, that repeats nothing of the address.
func eventOf(name string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return fmt.Sprintf("$%016x", h.Sum64())
}

// serveMatrix is what Matrix' client-server API tells: "whoami", "joined_members" and
// "sync" with an inline filter, which waits for news as long as it is asked to.
func (s *Server) serveMatrix(w http.ResponseWriter, r *http.Request) {
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	refuse := func(status int, code string) { answer(status, map[string]string{"errcode": code, "error": code}) }
	s.mu.Lock()
	gone := s.trouble == Away
	s.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/_matrix/client/v3/")
	room, members := strings.CutSuffix(strings.TrimPrefix(path, "rooms/"), "/joined_members")
	switch {
	case gone:
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
	case s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token:
		refuse(http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
	case ok && path == "account/whoami":
		answer(http.StatusOK, map[string]string{"user_id": MatrixAccount})
	case ok && members && strings.HasPrefix(room, "!"):
		s.mu.Lock()
		who := append([]string{MatrixAccount, "@ada:hs.example"}, s.more[room]...)
		s.mu.Unlock()
		joined := map[string]any{}
		for _, u := range who {
			joined[u] = map[string]any{}
		}
		answer(http.StatusOK, map[string]any{"joined": joined})
	case ok && path == "sync":
		s.sync(r, answer, refuse)
	default:
		refuse(http.StatusNotFound, "M_UNRECOGNIZED")
	}
}

func (s *Server) sync(r *http.Request, answer func(int, any), refuse func(int, string)) {
	q := r.URL.Query()
	var filter struct {
		Room struct {
			Ephemeral struct{ Types []string }
			Timeline  struct {
				Types      []string
				NotSenders []string `json:"not_senders"`
			}
		}
	}
	wait, werr := strconv.Atoi(q.Get("timeout"))
	from, ferr := 0, error(nil)
	if since := q.Get("since"); since != "" {
		from, ferr = strconv.Atoi(strings.TrimPrefix(since, "s"))
	}
	s.mu.Lock()
	past := from > len(s.news)
	s.mu.Unlock()
	if json.Unmarshal([]byte(q.Get("filter")), &filter) != nil || !slices.Contains(filter.Room.Ephemeral.Types, "m.receipt") || werr != nil || wait > 60_000 || ferr != nil || past {
		refuse(http.StatusBadRequest, "M_INVALID_PARAM")
		return
	}
	over := time.NewTimer(time.Duration(wait) * time.Millisecond)
	defer over.Stop()
	for {
		s.mu.Lock()
		news, woken := slices.Clone(s.news[from:]), s.waker()
		s.mu.Unlock()
		done := len(news) > 0 || wait == 0
		if !done {
			select {
			case <-woken:
				continue
			case <-over.C:
			case <-r.Context().Done():
				return
			}
		}
		type events struct {
			Events []json.RawMessage `json:"events"`
		}
		rooms := map[string]map[string]*events{}
		for _, n := range news {
			if rooms[n.room] == nil {
				rooms[n.room] = map[string]*events{"ephemeral": {}, "timeline": {}}
			}
			at := rooms[n.room]["timeline"]
			if n.ephemeral {
				at = rooms[n.room]["ephemeral"]
			}
			at.Events = append(at.Events, n.event)
		}
		answer(http.StatusOK, map[string]any{"next_batch": "s" + strconv.Itoa(from+len(news)), "rooms": map[string]any{"join": rooms}})
		return
	}
}

// waker is closed at the next news; s.mu is held.
func (s *Server) waker() chan struct{} {
	if s.woken == nil {
		s.woken = make(chan struct{})
	}
	return s.woken
}

func (s *Server) add(n roomNews) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news = append(s.news, n)
	close(s.waker())
	s.woken = nil
}

// Read is the receipt that somebody has read the n-th post, counted from 1, at a
// moment. Clients send one for the last post alone.
func (s *Server) Read(n int, by string, at time.Time) {
	s.mu.Lock()
	room, event := s.posts[n-1].To, s.events[n-1]
	s.mu.Unlock()
	body, _ := json.Marshal(map[string]any{
		"type": "m.receipt", "content": map[string]any{event: map[string]any{"m.read": map[string]any{by: map[string]any{"ts": at.UnixMilli(), "thread_id": "main"}}}},
	})
	s.add(roomNews{room, true, body})
}

// Say is a message that somebody wrote into a room.
func (s *Server) Say(room, by, text string) {
	s.mu.Lock()
	n := len(s.news)
	s.mu.Unlock()
	body, _ := json.Marshal(map[string]any{
		"type": "m.room.message", "sender": by, "event_id": "$said" + strconv.Itoa(n), "content": map[string]any{"msgtype": "m.text", "body": text},
	})
	s.add(roomNews{room, false, body})
}

// Join lets more people into a room.
func (s *Server) Join(room string, who ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more == nil {
		s.more = map[string][]string{}
	}
	s.more[room] = append(s.more[room], who...)
}
