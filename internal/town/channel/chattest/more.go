package chattest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// The rules of the products in this file are those of Rocket.Chat's "incoming
// webhooks", of Matrix' client-server API v1.11 (PUT …/send/{eventType}/{txnId},
// M_LIMIT_EXCEEDED), of ntfy's "publish as JSON", of Threema Gateway's "send_simple",
// and of signal-cli's "JSON-RPC service" over HTTP.

// Trouble is what a server does instead of answering as it should.
type Trouble string

// The troubles; empty: none.
const (
	Hang  Trouble = "hang"  // reads the request and answers nothing
	Half  Trouble = "half"  // takes the message and breaks the connection
	Away  Trouble = "away"  // 503
	Drown Trouble = "drown" // too many requests, in the product's own words
	Deny  Trouble = "deny"  // takes nothing and says so with 200, as some REST services do
)

// Make gives the server a trouble, and takes it away again with "".
func (s *Server) Make(t Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble == Hang && t != Hang {
		close(s.free)
	}
	if s.trouble != Hang && t == Hang {
		s.free = make(chan struct{})
	}
	s.trouble = t
}

// serveMore is ServeHTTP of the products that want more than a secret address.
func (s *Server) serveMore(w http.ResponseWriter, r *http.Request) {
	if s.Form == "signal" && r.Method == http.MethodGet {
		s.serveEvents(w, r)
		return
	}
	if s.Form == "matrix" && r.Method == http.MethodGet {
		s.serveMatrix(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	s.mu.Lock()
	trouble, free := s.trouble, s.free
	if s.throttle > 0 {
		s.throttle--
		trouble = Drown
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		http.Error(w, "read", http.StatusBadRequest)
		return
	case trouble == Hang:
		select {
		case <-free:
		case <-r.Context().Done():
		}
		return
	case trouble == Away:
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
		return
	case trouble == Drown:
		s.drown(w)
		return
	case trouble == Deny:
		_, _ = io.WriteString(w, `{"status":"error","result":"error","message":"no room"}`)
		return
	}
	p, name, status, err := s.readMore(r, body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.faults = append(s.faults, err)
		s.refuse(w, status, err)
		return
	}
	if s.names == nil {
		s.names = map[string]bool{}
	}
	if s.Form != "matrix" || !s.names[name] {
		s.posts = append(s.posts, p)
		s.events = append(s.events, eventOf(name))
	}
	s.names[name] = true
	if trouble == Half {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"result\":{\"time")
			_ = c.Close()
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if isREST(s.Form) {
		status, answer := restAnswer(s.Form, name)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
		return
	}
	_, _ = io.WriteString(w, map[string]string{
		"rocketchat": `{"success":true}`,
		"matrix":     `{"event_id":"` + eventOf(name) + `"}`,
		"ntfy":       `{"id":"n7Zq","time":1,"expires":2,"event":"message","topic":"lage"}`,
		"threema":    "0011223344556677",
		"signal":     `{"jsonrpc":"2.0","result":{"timestamp":` + strconv.FormatInt(firstMoment+int64(len(s.posts)), 10) + `,"results":[{"recipientAddress":{"number":"+491700000001"},"type":"SUCCESS"}]},"id":"` + name + `"}`,
	}[s.Form])
}

// drown refuses as the product does when too much comes.
func (s *Server) drown(w http.ResponseWriter) {
	switch s.Form {
	case "matrix":
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":30000}`)
	case zulip:
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"code":"RATE_LIMIT_HIT","msg":"API usage exceeded rate limit","result":"error","retry-after":30}`)
	case "signal":
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","error":{"code":-5,"message":"Failed to send message due to rate limiting"},"id":"x"}`)
	default:
		w.Header().Set("Retry-After", "30")
		http.Error(w, `{"code":42901,"http":429,"error":"limit reached"}`, http.StatusTooManyRequests)
	}
}

func (s *Server) refuse(w http.ResponseWriter, status int, why error) {
	switch {
	case s.Form == "matrix" && status == http.StatusUnauthorized:
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"errcode":"M_UNKNOWN_TOKEN","error":"Unrecognised access token"}`)
	case s.Form == "signal":
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","error":{"code":-32602,"message":"`+strings.ReplaceAll(why.Error(), `"`, "'")+`"},"id":null}`)
	default:
		http.Error(w, why.Error(), status)
	}
}

var (
	matrixPath = regexp.MustCompile(`^/_matrix/client/v3/rooms/(![^/]+)/send/m\.room\.message/([^/]+)$`)
	number     = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
)

// readMore checks a request and tells what is read, and the sender's name of it.
func (s *Server) readMore(r *http.Request, body []byte) (p Post, name string, status int, err error) {
	bad := func(format string, args ...any) (Post, string, int, error) {
		return Post{}, "", http.StatusBadRequest, fmt.Errorf(format, args...)
	}
	if isREST(s.Form) {
		return s.readREST(r, body)
	}
	method, kind := http.MethodPost, "application/json"
	switch s.Form {
	case "matrix":
		method = http.MethodPut
	case "threema":
		kind = "application/x-www-form-urlencoded"
	}
	if r.Method != method || !strings.HasPrefix(r.Header.Get("Content-Type"), kind) {
		return bad("%s of %s", r.Method, r.Header.Get("Content-Type"))
	}
	if s.Token != "" && s.Form != "threema" && r.Header.Get("Authorization") != "Bearer "+s.Token {
		return Post{}, "", http.StatusUnauthorized, errors.New("whose token is this?")
	}
	switch s.Form {
	case "rocketchat":
		return s.readRocket(body)
	case "ntfy":
		return readNtfy(r, body)
	case "matrix":
		m := matrixPath.FindStringSubmatch(r.URL.Path)
		var c struct {
			Type     string           `json:"msgtype"`
			Body     string           `json:"body"`
			Mentions *json.RawMessage `json:"m.mentions"`
		}
		if err := strict(body, &c); err != nil || m == nil || c.Type != "m.text" || c.Body == "" || c.Mentions == nil || len(body) > 60_000 {
			return bad("%s: %v %+v", r.URL.Path, err, c)
		}
		post := split(c.Body)
		post.To = m[1]
		return post, m[2], 0, nil
	case "threema":
		f, err := url.ParseQuery(string(body))
		if err != nil {
			return bad("%v", err)
		}
		switch {
		case s.Token != "" && f.Get("secret") != s.Token:
			return Post{}, "", http.StatusUnauthorized, errors.New("API identity or secret incorrect")
		case !strings.HasPrefix(f.Get("from"), "*") || (len(f.Get("to")) == 8) == (f.Get("phone") != ""):
			return bad("recipient invalid")
		case f.Get("to") == "NOONE000":
			return Post{}, "", http.StatusPaymentRequired, errors.New("no credits")
		case f.Get("text") == "" || len(f.Get("text")) > 3500:
			return Post{}, "", http.StatusRequestEntityTooLarge, errors.New("message too long")
		}
		post := split(f.Get("text"))
		post.To = f.Get("to")
		return post, f.Get("text"), 0, nil
	case "signal":
		var c struct {
			Version string `json:"jsonrpc"`
			ID      string `json:"id"`
			Method  string `json:"method"`
			Params  struct {
				Account   string   `json:"account"`
				Recipient []string `json:"recipient"`
				Group     string   `json:"groupId"`
				Message   string   `json:"message"`
			} `json:"params"`
		}
		if err := strict(body, &c); err != nil || c.Version != "2.0" || c.ID == "" || c.Method != "send" || c.Params.Message == "" ||
			(len(c.Params.Recipient) == 1 && number.MatchString(c.Params.Recipient[0])) == (c.Params.Group != "") || len([]rune(c.Params.Message)) > 2000 {
			return bad("%v %+v", err, c)
		}
		post := split(c.Params.Message)
		for _, to := range c.Params.Recipient {
			post.To = to
		}
		return post, c.ID, 0, nil
	}
	return bad("no form %q", s.Form)
}

// split is the post of a product that knows text alone.
func split(text string) Post {
	title, rest, _ := strings.Cut(text, "\n\n")
	p := Post{Title: title, Text: rest}
	if i := strings.LastIndex(text, "\n\n"); i >= 0 && strings.HasPrefix(text[i+2:], "http") && !strings.ContainsAny(text[i+2:], " \n") {
		p.Link = text[i+2:]
		p.Text = strings.TrimSuffix(strings.TrimSuffix(rest, p.Link), "\n\n")
	}
	return p
}

func (s *Server) readRocket(body []byte) (Post, string, int, error) {
	var c struct {
		Text        string `json:"text"`
		Attachments []struct {
			Title string `json:"title"`
			Link  string `json:"title_link"`
		} `json:"attachments"`
	}
	err := strict(body, &c)
	if err == nil && (c.Text == "" || length(c.Text) > 5000 || len(c.Attachments) > 1) {
		err = errors.New("error-message-size-exceeded")
	}
	if err == nil {
		err = quiet(c.Text)
	}
	for _, sign := range []string{"*", "_", "~", "`", "[", "#", "<"} {
		if err == nil && strings.Count(c.Text, sign) != strings.Count(c.Text, sign+"\u200b") {
			err = fmt.Errorf("%q is markup", sign)
		}
	}
	p := split(strings.ReplaceAll(c.Text, "\u200b", ""))
	for _, a := range c.Attachments {
		p.Link, p.Label = a.Link, a.Title
	}
	return p, c.Text, http.StatusBadRequest, err
}

func readNtfy(r *http.Request, body []byte) (Post, string, int, error) {
	var c struct {
		Topic    string `json:"topic"`
		Title    string `json:"title"`
		Message  string `json:"message"`
		Priority int    `json:"priority"`
		Click    string `json:"click"`
		Actions  []struct{ Action, Label, URL string }
	}
	err := strict(body, &c)
	if err == nil && (r.URL.Path != "/" || c.Topic == "" || c.Message == "" || len(c.Message) > 4096 || c.Priority < 1 || c.Priority > 5 || len(c.Actions) > 3) {
		err = fmt.Errorf("invalid request: %s %+v", r.URL.Path, c)
	}
	p := Post{Title: c.Title, Text: c.Message, Link: c.Click, Urgent: c.Priority == 5, To: c.Topic}
	for _, a := range c.Actions {
		if a.Action != "view" || a.URL != c.Click || a.Label == "" {
			err = errors.New("action invalid")
		}
		p.Label = a.Label
	}
	return p, c.Message, http.StatusBadRequest, err
}
