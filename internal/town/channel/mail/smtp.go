package mail

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"tuermer/internal/town/channel"
)

// reply is one answer of the server, its lines joined by a line feed.
type reply struct {
	code int
	text string
}

// ok says that the server did what it was told (2xx).
func (r reply) ok() bool { return r.code/100 == 2 }

// enhanced is the enhanced status code of RFC 3463 ("5.7.1"), or "".
func (r reply) enhanced() string {
	word, _, _ := strings.Cut(r.text, " ")
	class, rest, ok := strings.Cut(word, ".")
	if !ok || class != strconv.Itoa(r.code/100) || len(word) > 9 {
		return ""
	}
	subject, detail, ok := strings.Cut(rest, ".")
	if !ok || !digits(subject) || !digits(detail) {
		return ""
	}
	return word
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Error shows the reply as the server gave it, on one line.
func (r reply) Error() string {
	return strconv.Itoa(r.code) + " " + clean(r.text, 300)
}

// Limits of what one reply may cost us. RFC 5321 allows 512 bytes a line; real
// servers are longer, but not by that much.
const (
	replyLine  = 4096
	replyLines = 128
)

// errReply is what a server gets that does not speak SMTP.
var errReply = errors.New("the server answered something that is no SMTP reply")

// parseReplyLine takes one line without its line end apart; more says that the
// reply goes on.
func parseReplyLine(line []byte) (code int, more bool, text []byte, err error) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || line[1] < '0' || line[1] > '9' || line[2] < '0' || line[2] > '9' {
		return 0, false, nil, errReply
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, false, nil, nil
	}
	switch line[3] {
	case ' ':
	case '-':
		more = true
	default:
		return 0, false, nil, errReply
	}
	return code, more, line[4:], nil
}

// readReply reads one whole reply from r, which must hold at least replyLine
// bytes.
func readReply(r *bufio.Reader) (reply, error) {
	var rep reply
	var joined []byte
	for n := 0; ; n++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || n == replyLines {
			return reply{}, errReply
		}
		if err != nil {
			return reply{}, err
		}
		line = bytes.TrimRight(line, "\r\n")
		code, more, text, err := parseReplyLine(line)
		if err != nil {
			return reply{}, err
		}
		if n > 0 && code != rep.code {
			return reply{}, errReply
		}
		rep.code = code
		if n > 0 {
			joined = append(joined, '\n')
		}
		joined = append(joined, text...)
		if !more {
			rep.text = string(joined)
			return rep, nil
		}
	}
}

// conn is one SMTP session. It is used by one goroutine; only its watchdog may
// close it from elsewhere.
type conn struct {
	a   *Adapter
	nc  net.Conn // what is spoken to, TLS once it is up
	raw net.Conn // the transport, closed by the watchdog
	br  *bufio.Reader
	out []byte            // what is about to be written
	ext map[string]string // what EHLO announced, words in upper case

	ctx     context.Context
	unwatch func() bool // ends the watch over ctx
	timer   *time.Timer // runs while a step is under way, then closes raw
	late    atomic.Bool // the timer fired
}

// errStep is the cause of every failure by time limit.
var errStep = errors.New("the mail server took too long")

// open dials, says hello, brings TLS up and signs in. Its errors are Failures
// of the route.
func (a *Adapter) open(ctx context.Context) (*conn, error) {
	dctx, cancel := context.WithTimeout(ctx, a.o.Timeouts.Dial)
	defer cancel()
	raw, err := a.o.DialContext(dctx, "tcp", net.JoinHostPort(a.o.Host, strconv.Itoa(a.o.Port)))
	if err != nil {
		switch {
		case ctx.Err() != nil:
			return nil, canceled(ctx)
		case dctx.Err() != nil:
			return nil, routeDown("timeout", fmt.Errorf("connecting: %w", errStep))
		}
		return nil, routeDown("connect", err)
	}
	c := &conn{a: a, nc: raw, raw: raw, ctx: ctx, br: bufio.NewReaderSize(raw, replyLine)}
	c.unwatch = context.AfterFunc(ctx, func() { raw.Close() })
	c.timer = time.AfterFunc(a.o.Timeouts.Step, func() {
		c.late.Store(true)
		raw.Close()
	})
	if err := c.start(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// start runs from the greeting to the sign-in.
func (c *conn) start() error {
	if c.a.o.TLS == TLSImplicit {
		if err := c.upgrade(); err != nil {
			return err
		}
	}
	r, err := c.reply(c.a.o.Timeouts.Step)
	if err != nil {
		return err
	}
	if r.code != 220 {
		return c.refused("greeting", r, "connect")
	}
	if err := c.hello(); err != nil {
		return err
	}
	if err := c.startTLS(); err != nil {
		return err
	}
	return c.signIn()
}

// hello says EHLO, or HELO to a server that knows no EHLO, and reads what the
// server offers.
func (c *conn) hello() error {
	r, err := c.command("EHLO " + c.a.o.HelloName)
	if err != nil {
		return err
	}
	c.ext = map[string]string{}
	if r.code/100 == 5 {
		if r, err = c.command("HELO " + c.a.o.HelloName); err != nil {
			return err
		}
	} else if r.ok() {
		for _, line := range strings.Split(r.text, "\n")[1:] {
			word, args, _ := strings.Cut(line, " ")
			c.ext[strings.ToUpper(word)] = args
		}
	}
	if !r.ok() {
		return c.refused("EHLO", r, "connect")
	}
	return nil
}

// offers tells whether the server announced an extension.
func (c *conn) offers(word string) bool {
	_, ok := c.ext[word]
	return ok
}

func (c *conn) startTLS() error {
	o := &c.a.o
	if o.TLS == TLSNone || o.TLS == TLSImplicit {
		return nil
	}
	if !c.offers("STARTTLS") {
		if o.TLS == TLSStart {
			return routeDown("tls", errors.New("the server offers no STARTTLS"))
		}
		return nil
	}
	r, err := c.command("STARTTLS")
	if err != nil {
		return err
	}
	if r.code != 220 {
		return c.refused("STARTTLS", r, "tls")
	}
	if c.br.Buffered() > 0 {
		// Whatever came in clear behind the reply may be somebody else's words.
		return routeDown("tls", errors.New("the server sent data between STARTTLS and the handshake"))
	}
	if err := c.upgrade(); err != nil {
		return err
	}
	return c.hello()
}

// upgrade makes the handshake. In the opportunistic mode without credentials the
// certificate is not checked, as between mail servers (RFC 7435): the choice
// there is between any encryption and none.
func (c *conn) upgrade() error {
	o := &c.a.o
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLSConfig != nil {
		cfg = o.TLSConfig.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = o.Host
	}
	if cfg.Time == nil {
		cfg.Time = o.Now
	}
	if o.TLS == TLSOpportunistic && o.Username == "" {
		cfg.InsecureSkipVerify = true
	}
	t := tls.Client(c.raw, cfg)
	c.timer.Reset(o.Timeouts.Step)
	err := t.Handshake() // the watchdog ends it
	c.timer.Stop()
	if err != nil {
		if f := c.watchdog(); f != nil {
			return f
		}
		return routeDown("tls", err)
	}
	c.nc = t
	c.br.Reset(t)
	return nil
}

// signIn authenticates where the route has a name for it. A password leaves
// only through TLS or to the own machine.
func (c *conn) signIn() error {
	o := &c.a.o
	if o.Username == "" {
		return nil
	}
	if _, encrypted := c.nc.(*tls.Conn); !encrypted && !loopback(o.Host) {
		return routeDown("tls", errors.New("the server offers no STARTTLS, and the password must not travel in clear"))
	}
	password, err := o.Password()
	if err != nil {
		return routeDown("auth", fmt.Errorf("reading the password: %w", err))
	}
	b64 := base64.StdEncoding.EncodeToString
	var r reply
	switch mechanisms := " " + strings.ToUpper(c.ext["AUTH"]) + " "; {
	case strings.Contains(mechanisms, " PLAIN "): // RFC 4616
		r, err = c.command("AUTH PLAIN " + b64([]byte("\x00"+o.Username+"\x00"+string(password))))
	case strings.Contains(mechanisms, " LOGIN "):
		r, err = c.command("AUTH LOGIN")
		for _, word := range [][]byte{[]byte(o.Username), password} {
			if err == nil && r.code == 334 {
				r, err = c.command(b64(word))
			}
		}
	default:
		return routeDown("auth", errors.New("the server offers neither AUTH PLAIN nor AUTH LOGIN"))
	}
	if err != nil {
		return err
	}
	if !r.ok() {
		return c.refused("AUTH", r, "auth")
	}
	return nil
}

// refused makes the Failure for a server that does not want us as a whole.
func (c *conn) refused(step string, r reply, reason string) error {
	if r.code == 421 {
		reason = "throttled"
	}
	return routeDown(reason, fmt.Errorf("%s: %w", step, r))
}

// command writes one line and reads its reply. line is made of checked or
// encoded words only.
func (c *conn) command(line string) (reply, error) {
	c.out = append(append(c.out[:0], line...), "\r\n"...)
	if err := c.flush(c.a.o.Timeouts.Step); err != nil {
		return reply{}, err
	}
	return c.reply(c.a.o.Timeouts.Step)
}

// flush writes what has gathered in c.out.
func (c *conn) flush(limit time.Duration) error {
	c.timer.Reset(limit)
	_, err := c.nc.Write(c.out)
	c.timer.Stop()
	return c.lost(err)
}

// reply reads one reply; limit counts for all of it, however slowly it drips. A
// reply that was read counts, even when ctx ended in the same moment: it says
// what became of a mail.
func (c *conn) reply(limit time.Duration) (reply, error) {
	c.timer.Reset(limit)
	r, err := readReply(c.br)
	c.timer.Stop()
	return r, c.lost(err)
}

// lost names why the conversation broke off, if err says that it did.
func (c *conn) lost(err error) error {
	if err == nil {
		return nil
	}
	if f := c.watchdog(); f != nil {
		return f
	}
	switch {
	case errors.Is(err, errReply):
		return routeDown("protocol", err)
	case errors.Is(err, io.EOF):
		err = errors.New("the server closed the connection")
	}
	return routeDown("connect", err)
}

// watchdog answers a Failure when the connection was closed from our side: by
// the end of the caller's context or because a step is late.
func (c *conn) watchdog() error {
	switch {
	case c.ctx.Err() != nil:
		return canceled(c.ctx)
	case c.late.Load():
		return routeDown("timeout", errStep)
	}
	return nil
}

// quit takes leave politely, but waits for the answer no longer than a second:
// the mail is out, and RFC 5321 only wants the word said.
func (c *conn) quit() {
	c.out = append(c.out[:0], "QUIT\r\n"...)
	limit := min(time.Second, c.a.o.Timeouts.Step)
	if c.flush(limit) == nil {
		c.reply(limit)
	}
	c.close()
}

func (c *conn) close() {
	c.unwatch()
	c.timer.Stop()
	c.raw.Close()
}

func routeDown(reason string, err error) *channel.Failure {
	return &channel.Failure{RouteDown: true, Reason: reason, Err: err}
}

// canceled is the fate of a message whose caller gave up, or, when the limit
// was this adapter's own, of one whose route took too long.
func canceled(ctx context.Context) *channel.Failure {
	cause := context.Cause(ctx)
	if errors.Is(cause, errStep) {
		return routeDown("timeout", errStep)
	}
	return &channel.Failure{Reason: "canceled", Err: cause}
}
