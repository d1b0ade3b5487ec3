package intake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
)

// Some systems can do nothing but send mails. The secret stands in the address,
// before the @ or behind a plus; nobody signs in, nothing is relayed, and a mail is
// accepted by 250 only when it is stored. What is no fault of the sender's is 4xx,
// so that its own mail server says it again.

// Bounds of a conversation. Of a long mail the beginning is kept: what it is about
// stands there.
const (
	maxMailKept    = 512 << 10
	maxMailWire    = 25 << 20
	maxMailTalks   = 100 // at once, by all
	maxMailPerHost = 40  // at once, by one machine; postfix opens 20
	maxMailWrong   = 5   // addresses that nobody has, of one conversation
	mailLine       = time.Minute
	mailTalk       = 10 * time.Minute
)

// MailOptions configures [Room.ServeMail].
type MailOptions struct {
	Domain string      // by which the server greets
	TLS    *tls.Config // nil: no STARTTLS
}

// MailServer takes what systems report by mail.
type MailServer struct {
	smtp *smtp.Server
	done chan struct{}
}

// ServeMail answers on l until [MailServer.Stop].
func (r *Room) ServeMail(l net.Listener, o MailOptions) *MailServer {
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &mailTalking{room: r, conn: c}, nil
	}))
	s.Domain, s.TLSConfig = cmp.Or(o.Domain, "tuermer"), o.TLS
	s.MaxRecipients, s.MaxMessageBytes = 10, maxMailWire
	s.ReadTimeout, s.WriteTimeout = mailLine, mailLine
	s.EnableSMTPUTF8 = true
	missed := func() { r.ears.missed(r.o.Clock.Now(), sourceOf{}) }
	s.ErrorLog = slog.NewLogLogger(r.o.Log.With("room", "intake").Handler(), slog.LevelDebug)
	m := &MailServer{smtp: s, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		err := s.Serve(&mailDoor{Listener: l, domain: s.Domain, now: clock.System{}.Now, missed: missed, hosts: map[string]int{}})
		if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, smtp.ErrServerClosed) {
			r.o.Log.Error("mail listener ended", "room", "intake", "addr", l.Addr().String(), "err", err)
		}
	}()
	return m
}

// Stop takes no new mail, gives conversations until ctx ends, and waits.
func (m *MailServer) Stop(ctx context.Context) error {
	err := m.smtp.Shutdown(ctx)
	if err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		err = m.smtp.Close()
	}
	<-m.done
	if errors.Is(err, smtp.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// mailDoor bounds how many talk at once, and for how long.
type mailDoor struct {
	net.Listener
	domain string
	now    func() time.Time
	missed func() // somebody is turned away

	mu    sync.Mutex
	all   int
	hosts map[string]int
}

// Accept turns away by 421 who is too many.
func (d *mailDoor) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host := c.RemoteAddr().String()
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if d.enter(host) {
			return &mailConn{Conn: c, until: d.now().Add(mailTalk), leave: sync.OnceFunc(func() { d.leave(host) })}, nil
		}
		d.missed()
		_ = c.SetDeadline(d.now().Add(time.Second))
		_, _ = fmt.Fprintf(c, "421 4.3.2 %s is busy, come again\r\n", d.domain)
		_ = c.Close()
	}
}

func (d *mailDoor) enter(host string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all >= maxMailTalks || d.hosts[host] >= maxMailPerHost {
		return false
	}
	d.all++
	d.hosts[host]++
	return true
}

func (d *mailDoor) leave(host string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.hosts[host]--; d.hosts[host] == 0 {
		delete(d.hosts, host)
	}
}

// mailConn is a connection that ends at a moment, whatever is said on it.
type mailConn struct {
	net.Conn
	until time.Time
	leave func()
	deaf  bool // only the conversation's own goroutine reads
}

func (c *mailConn) bound(t time.Time) time.Time {
	if t.IsZero() || t.After(c.until) {
		return c.until
	}
	return t
}

// SetDeadline never puts the end off.
func (c *mailConn) SetDeadline(t time.Time) error { return c.Conn.SetDeadline(c.bound(t)) }

// SetReadDeadline never puts the end off.
func (c *mailConn) SetReadDeadline(t time.Time) error { return c.Conn.SetReadDeadline(c.bound(t)) }

// SetWriteDeadline never puts the end off.
func (c *mailConn) SetWriteDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(c.bound(t)) }

// hangUp lets answers out, and reads nothing more.
func hangUp(c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if m, ok := c.(*mailConn); ok {
		m.deaf = true
	}
}

// Read hears nothing more after [hangUp].
func (c *mailConn) Read(b []byte) (int, error) {
	if c.deaf {
		return 0, io.EOF
	}
	return c.Conn.Read(b)
}

// Close lets the next one in.
func (c *mailConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// mailTalking is one conversation.
type mailTalking struct {
	room  *Room
	conn  *smtp.Conn
	to    []acquaintance
	wrong int
}

var (
	mailUnknown = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such address here"}
	mailLater   = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "Not stored, please send it again"}
	mailEnough  = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "Too many addresses that nobody has"}
)

// mailToken is the secret in an address: all before the @, or what follows a plus.
func mailToken(address string) string {
	local, _, _ := strings.Cut(strings.Trim(address, "<> "), "@")
	if i := strings.LastIndexByte(local, '+'); i >= 0 {
		local = local[i+1:]
	}
	return strings.ToLower(local) // on the way some change the case
}

// refuse answers by what the fault says of whose it is.
func (t *mailTalking) refuse(ctx context.Context, err error) error {
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Forbidden:
		return mailUnknown
	case fault.Unavailable:
	default:
		t.room.o.Log.ErrorContext(ctx, "mail not taken", "room", "intake", "err", err)
	}
	return mailLater
}

// Mail notes that a mail begins; from whom proves nothing and is not asked.
func (t *mailTalking) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt finds the source whose secret stands in the address.
func (t *mailTalking) Rcpt(to string, _ *smtp.RcptOptions) error {
	ctx, cancel := context.WithTimeout(context.Background(), mailLine)
	defer cancel()
	a, err := t.room.byToken(ctx, mailToken(to))
	if err == nil && a.Format != Mail {
		err = errNoAddress
	}
	if err != nil {
		t.room.notTaken(err, a.source())
		if t.wrong++; t.wrong > maxMailWrong {
			hangUp(t.conn.Conn())
			return mailEnough
		}
		return t.refuse(ctx, err)
	}
	t.to = append(t.to, a)
	return nil
}

// Data stores the mail for all to whom it came. Where one could not be stored, the
// sender brings it for all again, and who has it already knows it by its number.
func (t *mailTalking) Data(in io.Reader) error {
	var kept bytes.Buffer
	n, err := io.Copy(&kept, io.LimitReader(in, maxMailKept))
	cut := false
	if err == nil && n == maxMailKept {
		var more int64
		more, err = io.Copy(io.Discard, in)
		cut = more > 0
	}
	if err != nil {
		for _, a := range t.to {
			t.room.ears.missed(t.room.o.Clock.Now(), a.source())
		}
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), mailLine)
	defer cancel()
	for _, a := range t.to {
		if err := t.room.takeFrom(ctx, a, Body{ContentType: MailType, Data: kept.Bytes(), Cut: cut}, true); err != nil {
			t.room.notTaken(err, a.source())
			return t.refuse(ctx, err)
		}
	}
	return nil
}

// Reset forgets for whom the mail was.
func (t *mailTalking) Reset() { t.to = nil }

// Logout ends the conversation.
func (t *mailTalking) Logout() error { return nil }
