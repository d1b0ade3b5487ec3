package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"tuermer/internal/town/channel/smpptest"
)

// smppCentre is a provider's message centre behind an entry of the kind smpp.
type smppCentre struct {
	smpptest.Centre
	name, addr string
	net        *memnet
	listener   net.Listener
	done       chan struct{}
	read       []*short
}

// centre is the one of the entry of that name; nil where the entry is of another
// kind.
func (s *stage) centre(name string) (*smppCentre, error) {
	if c := s.centres[name]; c != nil {
		return c, nil
	}
	for _, g := range s.config.SMS {
		if g.Name == name && g.Kind == "smpp" {
			c := &smppCentre{name: name, addr: g.SMPP.Addr, net: s.net}
			c.SystemID = g.SMPP.SystemID
			if s.centres == nil {
				s.centres = map[string]*smppCentre{}
			}
			s.centres[name] = c
			return c, nil
		}
	}
	return nil, nil
}

// set: läuft | bremst | ist voll | hängt | fällt aus | trennt.
func (c *smppCentre) set(args []string) error {
	if c == nil {
		return nil
	}
	mode, known := map[string]smpptest.Mode{"läuft": smpptest.Fine, "bremst": smpptest.Throttled, "ist": smpptest.Full, "hängt": smpptest.Hanging}[args[0]]
	switch {
	case args[0] == "fällt":
		c.down()
		return nil
	case args[0] == "trennt":
		c.Drop()
		return nil
	case !known:
		return errors.New("erwartet wird läuft, bremst, ist voll, hängt, trennt oder fällt aus")
	}
	c.Set(mode)
	if c.listener != nil {
		return nil
	}
	l, err := c.net.Listen(context.Background(), "tcp", c.addr)
	if err != nil {
		return err
	}
	c.listener, c.done = l, make(chan struct{})
	done := c.done
	go func() {
		defer close(done)
		c.Serve(l)
	}()
	return nil
}

func (c *smppCentre) down() {
	if c.listener == nil {
		return
	}
	_ = c.listener.Close()
	<-c.done
	c.listener = nil
	c.Close()
}

// all are the messages that came whole.
func (c *smppCentre) all() ([]*short, error) {
	if f := c.Faults(); len(f) > 0 {
		return nil, fmt.Errorf("%s hat etwas nicht angenommen: %w", c.name, f[0])
	}
	for _, t := range c.Taken()[len(c.read):] {
		c.read = append(c.read, &short{To: t.To, Text: t.Text, over: c.name, centre: c, parts: t})
	}
	return c.read, nil
}

// tell: kommt an | kommt nicht an | Antwort "1", about one message.
func (c *smppCentre) tell(m *short, args []string) error {
	// The other side answers when it has written it down, on a line that it may
	// have to open again first.
	act := func(f func() error) (err error) {
		for range 60 {
			if err = f(); err == nil {
				return nil
			}
			time.Sleep(time.Second)
		}
		return err
	}
	stat := map[string]string{"kommt an": "DELIVRD", "kommt nicht an": "UNDELIV"}[strings.Join(args, " ")]
	switch {
	case stat != "":
		for _, id := range m.parts.IDs {
			if err := act(func() error { return c.Receipt(*m.parts, id, stat, "011") }); err != nil {
				return err
			}
		}
		return nil
	case args[0] == "Antwort" && len(args) == 2:
		return act(func() error { return c.Answer(m.To, args[1]) })
	}
	return errors.New("erwartet wird kommt an, kommt nicht an oder Antwort")
}
