package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tuermer/internal/town/channel/chattest"
)

// messengerService is the server behind an entry of messengers.
type messengerService struct {
	kind   string
	addr   string
	net    *memnet
	server *chattest.Server
	srv    *http.Server
	done   chan struct{}
	read   map[int]bool
	said   int // what people wrote to it
}

// message is one that somebody has read.
type message struct {
	over *messengerService
	n    int // counted from 1
	to   string
}

// messenger: Messenger signal läuft | bremst | hängt | fällt aus.
func (s *stage) messenger(args []string) error {
	m := s.messengers[args[0]]
	for _, c := range s.config.Messengers {
		if u, err := url.Parse(c.URL); m == nil && c.Name == args[0] && err == nil {
			m = &messengerService{kind: c.Kind, addr: hostPort(u.Host), net: s.net, server: &chattest.Server{Form: c.Kind}, read: map[int]bool{}}
			if s.messengers == nil {
				s.messengers = map[string]*messengerService{}
			}
			s.messengers[args[0]] = m
		}
	}
	switch {
	case m == nil:
		return fmt.Errorf("in tuermer.yaml steht kein Messenger %s", args[0])
	case args[1] == "läuft":
		m.server.Make("")
		return m.up()
	case args[1] == "bremst":
		m.server.Throttle(1, "60")
		return nil
	case args[1] == "hängt":
		m.server.Make(chattest.Hang)
		return m.up()
	case args[1] == "fällt":
		m.down()
		return nil
	}
	return errors.New("erwartet wird läuft, bremst, hängt oder fällt aus")
}

func (m *messengerService) up() error {
	if m.srv != nil {
		return nil
	}
	l, err := m.net.Listen(context.Background(), "tcp", m.addr)
	if err != nil {
		return err
	}
	m.srv, m.done = &http.Server{Handler: m.server, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	srv, done := m.srv, m.done
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	return nil
}

func (m *messengerService) down() {
	if m.srv == nil {
		return
	}
	m.server.Make("")
	_ = m.srv.Close()
	<-m.done
	m.srv = nil
}

// chatted: Nachricht an signal:+49… "Worte" … | nicht an signal:+49… | kommt an |
// ist gelesen | Antwort "1". The last two are about the last one read.
func (s *stage) chatted(args []string) error {
	find := func(to string, words []string) (*message, error) {
		time.Sleep(settle)
		var told []string
		kind, at, _ := strings.Cut(to, ":")
		for _, m := range s.messengers {
			if f := m.server.Faults(); len(f) > 0 {
				return nil, fmt.Errorf("%s hat etwas nicht angenommen: %w", m.kind, f[0])
			}
			for i, p := range m.server.Posts() {
				told = append(told, fmt.Sprintf("%s %s: %s %s", m.kind, p.To, p.Title, p.Text))
				missing := m.kind != kind || p.To != at || m.read[i]
				for _, w := range words {
					missing = missing || !strings.Contains(p.Title+"\n"+p.Text+"\n"+p.Link, w)
				}
				if !missing {
					m.read[i] = true
					return &message{m, i + 1, at}, nil
				}
			}
		}
		return nil, fmt.Errorf("diese Nachricht gibt es nicht; es gibt\n%s", strings.Join(told, "\n"))
	}
	switch {
	case args[0] == "an" && len(args) > 1:
		m, err := find(args[1], args[2:])
		if err == nil {
			s.lastChat = m
		}
		return err
	case args[0] == "nicht" && len(args) > 2:
		if m, err := find(args[2], args[3:]); err == nil {
			return fmt.Errorf("doch: die %d.", m.n)
		}
		return nil
	case s.lastChat == nil:
		return errors.New("zuerst muss eine Nachricht gelesen sein")
	case strings.Join(args, " ") == "kommt an":
		if !s.lastChat.over.server.Deliver(s.lastChat.n) {
			return errors.New("niemand hört die Quittung")
		}
		return nil
	case strings.Join(args, " ") == "ist gelesen":
		s.lastChat.over.server.Read(s.lastChat.n, "@leser:hs.example", time.Now())
		time.Sleep(settle + 2*time.Second) // the next question comes a second later
		return nil
	case args[0] == "Antwort" && len(args) == 2:
		s.lastChat.over.said++
		if !s.lastChat.over.server.Write(s.lastChat.to, args[1], s.lastChat.over.said) {
			return errors.New("niemand hört die Antwort")
		}
		return nil
	}
	return errors.New("erwartet wird an, nicht an, kommt an, ist gelesen oder Antwort")
}
