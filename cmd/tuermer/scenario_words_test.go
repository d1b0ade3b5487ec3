package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tuermer/internal/app"
	"tuermer/internal/town/channel/chattest"
)

// chatRoom is a channel in a chat that takes what its product documents, and
// nothing else.
type chatRoom struct {
	server *chattest.Server
	srv    *http.Server
	done   chan struct{}
	read   int
}

// hookSecrets reads the secrets of webhooks and messengers that the scenario brings
// along.
func (s *stage) hookSecrets() {
	for i := range s.config.Messengers {
		m := &s.config.Messengers[i]
		m.Secret = app.Secret(strings.TrimSpace(string(s.files[m.SecretFile])))
	}
	for i := range s.config.Webhooks {
		w := &s.config.Webhooks[i]
		w.Secret = app.Secret(strings.TrimSpace(string(s.files[w.SecretFile])))
	}
}

// chat: Kanal mattermost öffnet unter chat.example | bremst | lehnt ab | nimmt an | liest "Worte" … | liest nichts.
func (s *stage) chat(args []string) error {
	form, verb := args[0], args[1]
	if verb == "öffnet" {
		return s.openChat(form, args[len(args)-1])
	}
	c := s.chats[form]
	if c == nil {
		return fmt.Errorf("den Kanal %s gibt es noch nicht", form)
	}
	switch verb {
	case "bremst":
		c.server.Throttle(1, "60")
		return nil
	case "lehnt":
		c.server.Make(chattest.Deny)
		return nil
	case "nimmt":
		c.server.Make("")
		return nil
	case "liest":
		time.Sleep(settle)
		if f := c.server.Faults(); len(f) > 0 {
			return fmt.Errorf("der Kanal hat etwas nicht angenommen: %w", f[0])
		}
		posts := c.server.Posts()
		if len(args) == 3 && args[2] == "nichts" {
			if len(posts) > c.read {
				return fmt.Errorf("im Kanal steht: %+v", posts[c.read:])
			}
			return nil
		}
		for i := c.read; i < len(posts); i++ {
			said := strings.ReplaceAll(posts[i].Title+"\n"+posts[i].Text+"\n"+posts[i].Label+" "+posts[i].Link, "\u200b", "")
			missing := false
			for _, w := range args[2:] {
				missing = missing || !strings.Contains(said, w)
			}
			if !missing {
				c.read = i + 1
				return nil
			}
		}
		return fmt.Errorf("das steht nicht im Kanal; neu sind: %+v", posts[c.read:])
	}
	return errors.New("erwartet wird öffnet unter, bremst, lehnt ab, nimmt an oder liest")
}

func (s *stage) openChat(form, host string) error {
	l, err := s.net.Listen(context.Background(), "tcp", hostPort(host))
	if err != nil {
		return err
	}
	c := &chatRoom{server: &chattest.Server{Form: form}, done: make(chan struct{})}
	c.srv = &http.Server{Handler: c.server, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(c.done)
		_ = c.srv.Serve(l)
	}()
	if s.chats == nil {
		s.chats = map[string]*chatRoom{}
	}
	s.chats[form] = c
	return nil
}

func (c *chatRoom) down() {
	_ = c.srv.Close()
	<-c.done
}
