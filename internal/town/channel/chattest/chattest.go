// Package chattest is the other side of a chat's incoming webhook, for tests: it
// takes what the products' documents allow, refuses everything else in their way,
// and tells what a person in the channel reads.
//
// The rules are those of Slack's "incoming webhooks", "header block", "section
// block" and "text object"; of Mattermost's "incoming webhooks" (a post of 16 383
// characters); and of Microsoft's Adaptive Cards 1.4 as a Teams workflow posts them
// (28 KB). It is stricter than they are: a field that is not documented is a fault,
// and so is markup that the town did not mean.
package chattest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"unicode/utf16"
)

// Post is what a person in the channel reads.
type Post struct {
	Title, Text string
	Link, Label string
	Urgent      bool   // where the product knows urgency
	To          string // a room, a topic or a person, where the request names them
}

// Server takes posts in one form and keeps them.
type Server struct {
	Form string // slack, teams, mattermost, rocketchat, matrix, ntfy, threema, signal,
	// or one of rest.go
	// Token is whose token may write; empty: anybody's. Not of the first three.
	Token string

	mu       sync.Mutex
	trouble  Trouble
	free     chan struct{}
	names    map[string]bool
	posts    []Post
	faults   []error
	throttle int
	after    string
	ears     map[chan string]bool // who hears Signal's events
	// Of Matrix: the names of the posts, what a sync tells, who else is in a room,
	// and what is closed when there is news.
	events []string
	news   []roomNews
	more   map[string][]string
	woken  chan struct{}
}

// Throttle answers the next n posts with 429 and the Retry-After.
func (s *Server) Throttle(n int, after string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.throttle, s.after = n, after
}

// Posts are those taken so far; Faults are why others were refused.
func (s *Server) Posts() []Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Post(nil), s.posts...)
}

// Faults tells why posts were refused.
func (s *Server) Faults() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]error(nil), s.faults...)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch s.Form {
	case "slack", "teams", "mattermost":
	default:
		s.serveMore(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, "read", http.StatusBadRequest)
		return
	}
	if s.throttle > 0 {
		s.throttle--
		w.Header().Set("Retry-After", s.after)
		http.Error(w, "rate_limited", http.StatusTooManyRequests)
		return
	}
	p, err := Post{}, error(nil)
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		err = errors.New("not a POST of JSON")
	} else {
		p, err = Read(s.Form, body)
	}
	if err != nil {
		s.faults = append(s.faults, err)
		if s.Form == "slack" {
			http.Error(w, "invalid_payload", http.StatusBadRequest)
			return
		}
		http.Error(w, `{"message":"Unable to parse incoming data"}`, http.StatusBadRequest)
		return
	}
	s.posts = append(s.posts, p)
	if s.Form == "teams" {
		w.WriteHeader(http.StatusAccepted) // a workflow takes it and answers nothing
		return
	}
	_, _ = io.WriteString(w, "ok")
}

// Read checks a body and tells what is read.
func Read(form string, body []byte) (Post, error) {
	switch form {
	case "slack":
		return readSlack(body)
	case "mattermost":
		return readMattermost(body)
	case "teams":
		return readTeams(body)
	}
	return Post{}, fmt.Errorf("no form %q", form)
}

func strict(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one document")
	}
	return nil
}

func length(s string) int { return len(utf16.Encode([]rune(s))) }

// quiet refuses what would call somebody.
func quiet(s string) error {
	for _, call := range []string{"@here", "@channel", "@all", "@everyone", "<!", "<@", "<#"} {
		if strings.Contains(s, call) {
			return fmt.Errorf("%q calls people: %.200q", call, s)
		}
	}
	return nil
}

// plainSlack gives back what Slack shows of escaped text.
func plainSlack(s string) (string, error) {
	rest := s
	for {
		i := strings.IndexAny(rest, "&<>")
		if i < 0 {
			break
		}
		if rest[i] != '&' {
			return "", fmt.Errorf("%q is not escaped in %.200q", rest[i], s)
		}
		ok := false
		for _, entity := range []string{"&amp;", "&lt;", "&gt;"} {
			ok = ok || strings.HasPrefix(rest[i:], entity)
		}
		if !ok {
			return "", fmt.Errorf("a bare & in %.200q", s)
		}
		rest = rest[i+1:]
	}
	s = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
	return s, quiet(strings.ReplaceAll(s, "<", " "))
}

func readSlack(body []byte) (p Post, err error) {
	var doc struct {
		Text   string `json:"text"`
		Blocks []struct {
			Type string `json:"type"`
			Text struct {
				Type  string `json:"type"`
				Text  string `json:"text"`
				Emoji *bool  `json:"emoji"`
			} `json:"text"`
		} `json:"blocks"`
		UnfurlLinks *bool `json:"unfurl_links"`
		UnfurlMedia *bool `json:"unfurl_media"`
	}
	if err := strict(body, &doc); err != nil {
		return p, err
	}
	if doc.Text == "" || length(doc.Text) > 4000 {
		return p, fmt.Errorf("the fallback has %d characters", length(doc.Text))
	}
	if _, err := plainSlack(doc.Text); err != nil {
		return p, err
	}
	if len(doc.Blocks) == 0 || len(doc.Blocks) > 50 {
		return p, fmt.Errorf("%d blocks", len(doc.Blocks))
	}
	var text []string
	for i, b := range doc.Blocks {
		n := length(b.Text.Text)
		switch {
		case n == 0:
			return p, fmt.Errorf("block %d is empty", i)
		case b.Type == "header" && (b.Text.Type != "plain_text" || n > 150):
			return p, fmt.Errorf("header %s of %d characters", b.Text.Type, n)
		case b.Type == "section" && n > 3000:
			return p, fmt.Errorf("a section of %d characters", n)
		case b.Type != "header" && b.Type != "section":
			return p, fmt.Errorf("block %q", b.Type)
		}
		if b.Text.Type == "mrkdwn" {
			inner, ok := strings.CutPrefix(b.Text.Text, "<")
			inner, ok2 := strings.CutSuffix(inner, ">")
			link, label, ok3 := strings.Cut(inner, "|")
			if !ok || !ok2 || !ok3 || b.Text.Emoji != nil || strings.ContainsAny(link, "<>| ") {
				return p, fmt.Errorf("no link: %q", b.Text.Text)
			}
			if p.Link = link; strings.Contains(label, "|") {
				return p, fmt.Errorf("label %q", label)
			}
			if p.Label, err = plainSlack(label); err != nil {
				return p, err
			}
			continue
		}
		if b.Text.Type != "plain_text" || b.Text.Emoji == nil || *b.Text.Emoji {
			return p, fmt.Errorf("text object %+v", b.Text)
		}
		said, err := plainSlack(b.Text.Text)
		if err != nil {
			return p, err
		}
		if b.Type == "header" {
			p.Title = said
			continue
		}
		text = append(text, said)
	}
	p.Text = strings.Join(text, "\n")
	return p, nil
}

const markdownSigns = "\\`*_{}[]()#+-!<>~|"

// plainMarkdown gives back what a reader sees of escaped Markdown.
func plainMarkdown(s string) (string, error) {
	var out strings.Builder
	runes := []rune(s)
	for i := 0; i < len(runes); i++ {
		rest := string(runes[i:])
		if strings.HasPrefix(rest, "http://") || strings.HasPrefix(rest, "https://") {
			end := strings.IndexAny(rest, " \n<>\"\\")
			if end < 0 {
				end = len(rest)
			}
			out.WriteString(rest[:end])
			i += len([]rune(rest[:end])) - 1
			continue
		}
		switch r := runes[i]; {
		case r == '\\':
			if i++; i == len(runes) || !strings.ContainsRune(markdownSigns, runes[i]) {
				return "", fmt.Errorf("a lonely backslash in %.200q", s)
			}
			out.WriteRune(runes[i])
		case strings.ContainsRune(markdownSigns, r):
			return "", fmt.Errorf("%q is markup in %.200q", r, s)
		default:
			out.WriteRune(r)
		}
	}
	// Mattermost reads Slack's "<!here>" too, but not behind backslashes.
	return out.String(), quiet(strings.ReplaceAll(out.String(), "<", " "))
}

func readMattermost(body []byte) (p Post, err error) {
	var doc struct {
		Text string `json:"text"`
	}
	if err := strict(body, &doc); err != nil {
		return p, err
	}
	if n := length(doc.Text); n == 0 || n > 16_383 {
		return p, fmt.Errorf("a post of %d characters", n)
	}
	rest := doc.Text
	if title, ok := strings.CutPrefix(rest, "#### "); ok {
		title, rest, _ = strings.Cut(title, "\n\n")
		if p.Title, err = plainMarkdown(title); err != nil {
			return p, err
		}
	}
	if i := strings.LastIndex(rest, "\n\n["); i >= 0 && strings.HasSuffix(rest, ")") {
		label, link, ok := strings.Cut(strings.TrimSuffix(rest[i+3:], ")"), "](")
		if !ok || strings.ContainsAny(link, "() <>") {
			return p, fmt.Errorf("no link: %q", rest[i:])
		}
		if p.Link, rest = link, rest[:i]; link == "" {
			return p, errors.New("an empty link")
		}
		if p.Label, err = plainMarkdown(label); err != nil {
			return p, err
		}
	}
	p.Text, err = plainMarkdown(rest)
	return p, err
}

func readTeams(body []byte) (p Post, err error) {
	if len(body) > 28*1024 {
		return p, fmt.Errorf("%d bytes", len(body))
	}
	var doc struct {
		Type        string `json:"type"`
		Attachments []struct {
			ContentType string  `json:"contentType"`
			ContentURL  *string `json:"contentUrl"`
			Content     struct {
				Schema  string `json:"$schema"`
				Type    string `json:"type"`
				Version string `json:"version"`
				Body    []struct {
					Type    string `json:"type"`
					Inlines []struct {
						Type   string `json:"type"`
						Text   string `json:"text"`
						Weight string `json:"weight"`
						Size   string `json:"size"`
					} `json:"inlines"`
				} `json:"body"`
				Actions []struct {
					Type  string `json:"type"`
					Title string `json:"title"`
					URL   string `json:"url"`
				} `json:"actions"`
				Teams        map[string]string `json:"msteams"`
				FallbackText string            `json:"fallbackText"`
			} `json:"content"`
		} `json:"attachments"`
	}
	if err := strict(body, &doc); err != nil {
		return p, err
	}
	if doc.Type != "message" || len(doc.Attachments) != 1 {
		return p, errors.New("no message with one attachment")
	}
	a := doc.Attachments[0]
	c := a.Content
	if a.ContentType != "application/vnd.microsoft.card.adaptive" || a.ContentURL != nil || c.Type != "AdaptiveCard" || c.Version != "1.4" ||
		c.Schema != "http://adaptivecards.io/schemas/adaptive-card.json" || len(c.Body) == 0 || c.Teams["width"] != "Full" {
		return p, fmt.Errorf("no card: %+v", a)
	}
	var text []string
	for i, b := range c.Body {
		if b.Type != "RichTextBlock" || len(b.Inlines) != 1 || b.Inlines[0].Type != "TextRun" || b.Inlines[0].Text == "" {
			return p, fmt.Errorf("element %d: %+v", i, b)
		}
		run := b.Inlines[0]
		if strings.Contains(run.Text, "{{") {
			return p, fmt.Errorf("a function: %q", run.Text)
		}
		if err := quiet(strings.ReplaceAll(run.Text, "<", " ")); err != nil {
			return p, err
		}
		if i == 0 && run.Weight == "Bolder" && run.Size == "Large" {
			p.Title = run.Text
			continue
		}
		if run.Weight != "" || run.Size != "" {
			return p, fmt.Errorf("run %+v", run)
		}
		text = append(text, run.Text)
	}
	for _, act := range c.Actions {
		if act.Type != "Action.OpenUrl" || act.Title == "" || !strings.HasPrefix(act.URL, "http") || p.Link != "" {
			return p, fmt.Errorf("action %+v", act)
		}
		p.Link, p.Label = act.URL, act.Title
	}
	p.Text = strings.Join(text, "\n")
	return p, nil
}
