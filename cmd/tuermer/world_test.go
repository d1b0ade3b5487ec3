package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// target is a service of the town that the product probes.
type target struct {
	mu   sync.Mutex
	mode string // "läuft", "fehler", "hängt", "langsam"
	srv  *http.Server
	done chan struct{}
}

func (t *target) set(mode string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mode = mode
}

func (t *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	mode := t.mode
	t.mu.Unlock()
	switch mode {
	case "fehler":
		http.Error(w, "Interner Fehler", http.StatusInternalServerError)
	case "hängt":
		<-r.Context().Done()
	case "langsam":
		time.Sleep(3 * time.Second)
		_, _ = io.WriteString(w, "Willkommen")
	default:
		_, _ = io.WriteString(w, "Willkommen")
	}
}

// up makes the target answer under its address; down makes it refuse.
func (t *target) up(n *memnet, addr string) error {
	if t.srv != nil {
		return nil
	}
	l, err := n.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	t.srv, t.done = &http.Server{Handler: t, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	srv, done := t.srv, t.done
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	return nil
}

func (t *target) down() {
	if t.srv == nil {
		return
	}
	_ = t.srv.Close()
	<-t.done
	t.srv = nil
}

// letter is a mail as its reader gets it.
type letter struct {
	to, subject, text string
	header            mail.Header
	read              bool
}

// mailServer is a real SMTP server that keeps what it takes.
type mailServer struct {
	net  *memnet
	addr string
	srv  *smtp.Server
	done chan struct{}

	mu   sync.Mutex
	mail []*letter
}

func (m *mailServer) up() error {
	if m.srv != nil {
		return nil
	}
	l, err := m.net.Listen(context.Background(), "tcp", m.addr)
	if err != nil {
		return err
	}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &smtpSession{m: m}, nil }))
	srv.Domain, srv.ReadTimeout, srv.WriteTimeout = "mail.example", time.Minute, time.Minute
	srv.ErrorLog = quiet{}
	m.srv, m.done = srv, make(chan struct{})
	done := m.done
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	return nil
}

func (m *mailServer) down() {
	if m.srv == nil {
		return
	}
	_ = m.srv.Close()
	<-m.done
	m.srv = nil
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

type smtpSession struct {
	m  *mailServer
	to []string
}

func (s *smtpSession) Mail(string, *smtp.MailOptions) error      { s.to = nil; return nil }
func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = append(s.to, to); return nil }
func (s *smtpSession) Reset()                                    { s.to = nil }
func (s *smtpSession) Logout() error                             { return nil }

func (s *smtpSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("unreadable mail: %w", err)
	}
	subject, err := (&mime.WordDecoder{}).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil {
		return err
	}
	text, err := plainPart(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body)
	if err != nil {
		return err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for _, to := range s.to {
		s.m.mail = append(s.m.mail, &letter{to: to, subject: subject, text: strings.ReplaceAll(text, "\r\n", "\n"), header: msg.Header})
	}
	return nil
}

var errNoText = errors.New("mail has no plain text")

func plainPart(contentType, encoding string, body io.Reader) (string, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(kind, "multipart/") {
		var text string
		for parts := multipart.NewReader(body, params["boundary"]); ; {
			p, err := parts.NextRawPart()
			if err != nil {
				return text, cmp.Or(map[bool]error{true: errNoText}[text == ""])
			}
			if name := p.FileName(); name != "" { // a file is named below the words, once it is what it says
				raw, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
				if err != nil || !bytes.HasPrefix(raw, []byte("%PDF-")) {
					return "", fmt.Errorf("attached %s: %w", name, cmp.Or(err, errNoText))
				}
				text += "\n[Anhang: " + name + "]"
			} else if more, err := plainPart(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p); err == nil && text == "" {
				text = more
			}
		}
	}
	if kind != "text/plain" {
		return "", errNoText
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	raw, err := io.ReadAll(body)
	return string(raw), err
}

// find takes the first unread mail to an address that contains all the words.
func (m *mailServer) find(to string, words ...string) *letter {
	m.mu.Lock()
	defer m.mu.Unlock()
next:
	for _, l := range m.mail {
		if l.read || !strings.EqualFold(l.to, to) {
			continue
		}
		for _, w := range words {
			if !contains(l.subject+"\n"+l.text, w) {
				continue next
			}
		}
		l.read = true
		return l
	}
	return nil
}

// unread describes what has not been asked for, for the failure's words.
func (m *mailServer) unread(to string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, l := range m.mail {
		if !l.read && (to == "" || strings.EqualFold(l.to, to)) {
			fmt.Fprintf(&b, "--- an %s\nBetreff: %s\n%s\n", l.to, l.subject, l.text)
		}
	}
	return b.String()
}

func (m *mailServer) count(to string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, l := range m.mail {
		if strings.EqualFold(l.to, to) {
			n++
		}
	}
	return n
}

// contains compares as a reader does: runs of white space are one blank.
func contains(text, words string) bool {
	return strings.Contains(strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(words), " "))
}

func hostPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return host + ":80"
}
