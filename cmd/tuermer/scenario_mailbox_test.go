package main

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// box is a mailbox at the town's provider, read by IMAP; its user is usv, with the
// password geheim.
type box struct {
	net  *memnet
	addr string
	user *imapmemserver.User
	mem  *imapmemserver.Server
	srv  *imapserver.Server
	done chan struct{}
	sent int
}

// silent is a log that nobody reads.
type silent struct{}

// Printf says nothing.
func (silent) Printf(string, ...any) {}

func (b *box) up() error {
	if b.srv != nil {
		return nil
	}
	l, err := b.net.Listen(context.Background(), "tcp", b.addr)
	if err != nil {
		return err
	}
	b.srv = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return b.mem.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}}, InsecureAuth: true, Logger: silent{},
	})
	b.done = make(chan struct{})
	go func(l net.Listener, srv *imapserver.Server, done chan struct{}) {
		defer close(done)
		_ = srv.Serve(l)
	}(l, b.srv, b.done)
	return nil
}

func (b *box) down() {
	if b.srv == nil {
		return
	}
	_ = b.srv.Close()
	<-b.done
	b.srv = nil
}

// mailbox opens a mailbox, takes it away, or lays a mail into it.
func (s *stage) mailbox(args []string) error {
	b := s.boxes[args[0]]
	if args[1] == "öffnet" && len(args) == 4 {
		b = &box{net: s.net, addr: args[3] + ":143", mem: imapmemserver.New(), user: imapmemserver.NewUser("usv", "geheim")}
		if err := b.user.Create("INBOX", nil); err != nil {
			return err
		}
		b.mem.AddUser(b.user)
		if s.boxes == nil {
			s.boxes = map[string]*box{}
		}
		s.boxes[args[0]] = b
		return b.up()
	}
	if b == nil {
		return fmt.Errorf("das Postfach %s hat noch nicht geöffnet", args[0])
	}
	switch args[1] {
	case "läuft":
		return b.up()
	case "fällt":
		b.down()
		return nil
	case "bekommt":
		from := "usv@rathaus.example"
		if len(args) == 6 && args[2] == "von" {
			from, args = args[3], append(args[:2:2], args[4:]...)
		}
		if len(args) != 4 {
			return errors.New("„bekommt“ braucht Betreff und Text, davor vielleicht von wem")
		}
		b.sent++
		mail := fmt.Sprintf("From: <"+from+">\r\nDate: %s\r\nMessage-ID: <%d@rathaus.example>\r\nSubject: %s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n",
			time.Now().Format(time.RFC1123Z), b.sent, mime.QEncoding.Encode("utf-8", args[2]), args[3])
		_, err := b.user.Append("INBOX", strings.NewReader(mail), &imap.AppendOptions{})
		return err
	case "bleibt":
		st, err := b.user.Status("INBOX", &imap.StatusOptions{NumUnseen: true, NumMessages: true})
		if err == nil && *st.NumUnseen != *st.NumMessages {
			err = fmt.Errorf("%d von %d Mails sind ungelesen", *st.NumUnseen, *st.NumMessages)
		}
		return err
	case "ist":
		st, err := b.user.Status("INBOX", &imap.StatusOptions{NumUnseen: true})
		if err == nil && *st.NumUnseen > 0 {
			err = fmt.Errorf("%d Mails sind ungelesen", *st.NumUnseen)
		}
		return err
	}
	return errors.New("erwartet wird öffnet unter …, bekommt, ist gelesen, bleibt ungelesen, läuft oder fällt aus")
}
