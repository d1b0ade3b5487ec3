package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"tuermer/internal/app"
	"tuermer/internal/platform/i18n"
)

// neighbour is a second install, of another town, on the same network; it plays
// in the file nachbar.yaml of the scenario.
type neighbour struct {
	dir    string
	config *app.Config
	app    *app.App
	staff  string // host:port
	code   string // the invitation that somebody carries over
}

// neighbourTo: Nachbar beginnt | fällt aus | läuft | Person carl@…, who signs in there.
func (s *stage) neighbourTo(args []string) error {
	if s.next == nil {
		s.next = &neighbour{}
	}
	n := s.next
	switch how := strings.Join(args, " "); {
	case how == "beginnt":
		var err error
		if n.config, _, err = app.ParseConfig("nachbar.yaml", s.files["nachbar.yaml"]); err != nil {
			return err
		}
		if n.dir, err = os.MkdirTemp(shm(), "tuermer"); err != nil {
			return err
		}
		n.staff = hostPort(strings.TrimPrefix(n.config.URLs.Staff, "http://"))
		for _, m := range n.config.SMTP {
			srv := &mailServer{net: s.net, addr: fmt.Sprintf("%s:%d", m.Host, m.Port)}
			s.mail[m.Name] = srv
			if err := srv.up(); err != nil {
				return err
			}
		}
		return s.startNeighbour()
	case how == "fällt aus":
		a := n.app
		n.app = nil
		return a.Stop(context.Background())
	case how == "läuft":
		return s.startNeighbour()
	case len(args) == 2 && args[0] == "Person":
		return s.neighbourPerson(args[1])
	}
	return errors.New("erwartet wird: beginnt, fällt aus, läuft oder Person und eine Adresse")
}

func (s *stage) startNeighbour() error {
	o := s.options()
	o.Config, o.Dir, o.StaffAddr, o.PublicAddr = s.next.config, s.next.dir, s.next.staff, hostPort(strings.TrimPrefix(s.next.config.URLs.Public, "http://"))
	a, err := app.New(s.t.Context(), o)
	if err != nil {
		return err
	}
	s.next.app = a
	return a.Start(s.t.Context())
}

// neighbourPerson signs somebody in at the other install.
func (s *stage) neighbourPerson(email string) error {
	s.who = email
	if r := s.readers[email]; r != nil {
		s.now = r
		return nil
	}
	r := newReader(s.net)
	s.readers[email], s.now = r, r
	settings := app.NewSettings(app.Settings{Data: s.next.dir, Lang: i18n.DE, Log: s.log, Staff: s.next.staff}, s.next.config)
	settings.Data = s.next.dir
	link, err := app.Commands{}.ResetUser(s.t.Context(), settings, email, false)
	if err != nil {
		return err
	}
	if err := r.open(link); err != nil {
		return err
	}
	if err := r.submit(r.doc.Find("main form button").First()); err != nil {
		return err
	}
	if r.status != http.StatusOK {
		return fmt.Errorf("die Anmeldung endet mit %d", r.status)
	}
	return nil
}

// invitation: Einladung merken | Einladung füllt "Feld".
func (s *stage) invitation(args []string) error {
	if s.next == nil {
		s.next = &neighbour{}
	}
	switch {
	case args[0] == "merken":
		s.next.code = strings.TrimSpace(s.now.doc.Find("#invitation-code").Text())
		if s.next.code == "" {
			return errors.New("auf der Seite steht keine Einladung")
		}
		return nil
	case args[0] == "füllt" && len(args) > 1:
		return s.now.fill(args[1], s.next.code)
	}
	return errors.New("erwartet wird: merken oder füllt \"Feld\"")
}

func (s *stage) endNeighbour() {
	if s.next == nil {
		return
	}
	if s.next.app != nil {
		if err := s.next.app.Stop(context.Background()); err != nil {
			s.t.Errorf("stop: %v", err)
		}
	}
	if s.next.dir != "" {
		_ = os.RemoveAll(s.next.dir)
	}
}
