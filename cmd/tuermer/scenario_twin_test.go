package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/webdav"
)

// outside are the words for what stands beyond the town.
var outside = map[string]act{
	"Außenstandort": {2, (*stage).space},
	"Rathausnetz":   {1, (*stage).townNet},
	"Nachbar":       {1, (*stage).neighbourTo},
	"Einladung":     {1, (*stage).invitation},
	"Messenger":     {2, (*stage).messenger},
	"Nachricht":     {2, (*stage).chatted},
	"Chat":          {2, (*stage).commands},
	"Kalender":      {1, (*stage).calendar},
	"Anbieter":      {2, (*stage).gateway},
	"Kurznachricht": {2, (*stage).handset},
	"Anruf":         {1, (*stage).ringing},
	"Push-Dienst":   {1, (*stage).pushServiceTo},
	"Gerät":         {1, (*stage).device},
	"Push":          {1, (*stage).pushTo},
	"Platte":        {2, (*stage).disk},
	"Schlüssel":     {1, (*stage).key},
	"Kopie":         {1, (*stage).copyAway},
	"Maschine":      {1, (*stage).machine},
	"Zurückspielen": {1, (*stage).bringBack},
	"Fremder":       {2, (*stage).stranger},
}

// webSpace is a foreign provider's storage: WebDAV to write, HTTP to read.
type webSpace struct {
	addr string
	dav  *webdav.Handler
	srv  *http.Server
	done chan struct{}
}

func (w *webSpace) up(n *memnet) error {
	if w.srv != nil {
		return nil
	}
	l, err := n.Listen(context.Background(), "tcp", w.addr)
	if err != nil {
		return err
	}
	w.srv, w.done = &http.Server{Handler: w.dav, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	srv, done := w.srv, w.done
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	return nil
}

func (w *webSpace) down() {
	if w.srv == nil {
		return
	}
	_ = w.srv.Close()
	<-w.done
	w.srv = nil
}

// newSpaces opens the outside hosts of the configuration.
func (s *stage) newSpaces() error {
	s.spaces = map[string]*webSpace{}
	for _, t := range s.config.Twin.Targets {
		u, err := url.Parse(t.URL)
		if err != nil || u.Scheme != "http" {
			return fmt.Errorf("im Szenario ist ein Außenstandort http://127.0.0.1:PORT: %q", t.URL)
		}
		w := &webSpace{addr: u.Host, dav: &webdav.Handler{FileSystem: webdav.NewMemFS(), LockSystem: webdav.NewMemLS()}}
		s.spaces[t.Name] = w
		if err := w.up(s.net); err != nil {
			return err
		}
	}
	return nil
}

// space: Außenstandort webspeicher fällt aus | läuft.
func (s *stage) space(args []string) error {
	w := s.spaces[args[0]]
	if w == nil {
		return fmt.Errorf("den Außenstandort „%s“ gibt es nicht", args[0])
	}
	switch strings.Join(args[1:], " ") {
	case "fällt aus":
		w.down()
		return nil
	case "läuft":
		return w.up(s.net)
	}
	return errors.New("erwartet wird: fällt aus oder läuft")
}

// townNet: Rathausnetz verschluckt alles | ist wieder da. Whatever ends in
// .intern never answers: no refusal, no error, nothing.
func (s *stage) townNet(args []string) error {
	var hole func(addr string) bool
	switch strings.Join(args, " ") {
	case "verschluckt alles":
		hole = func(addr string) bool {
			host, _, _ := strings.Cut(addr, ":")
			return strings.HasSuffix(host, ".intern")
		}
	case "ist wieder da":
	default:
		return errors.New("erwartet wird: verschluckt alles oder ist wieder da")
	}
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.net.hole = hole
	return nil
}

// openCopy: Öffne außen webspeicher [/pfad].
func (s *stage) openCopy(args []string) error {
	if len(args) == 0 || s.spaces[args[0]] == nil {
		return errors.New("erwartet wird: Öffne außen und der Name des Außenstandorts")
	}
	path := "/index.html"
	if len(args) > 1 {
		path = args[1]
	}
	return s.now.open("http://" + s.spaces[args[0]].addr + path)
}
