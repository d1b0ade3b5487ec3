package main

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// memnet is a network inside the test: listeners by name, connections as
// buffered pipes with deadlines. Everything blocks on conditions and timers, so
// that virtual time can pass.
type memnet struct {
	mu        sync.Mutex
	listeners map[string]*memListener
	port      int
	cut       func(addr string) bool // what cannot be reached now; nil: nothing
	hole      func(addr string) bool // what swallows every packet; nil: nothing
}

func newMemnet() *memnet { return &memnet{listeners: map[string]*memListener{}, port: 40000} }

// Listen opens a listener under any name, "mail.example:25".
func (n *memnet) Listen(_ context.Context, _, addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, taken := n.listeners[addr]; taken {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: memAddr(addr), Err: syscall.EADDRINUSE}
	}
	l := &memListener{net: n, addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

// dialsFrom is the key under which a context holds the address of who dials.
type dialsFrom struct{}

// Dial connects to a listener, or is refused.
func (n *memnet) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	if n.cut != nil && n.cut(addr) {
		n.mu.Unlock()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: memAddr(addr), Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
	}
	if n.hole != nil && n.hole(addr) {
		n.mu.Unlock()
		<-ctx.Done() // nobody ever answers
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: memAddr(addr), Err: ctx.Err()}
	}
	n.port++
	from := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: n.port}
	if ip, ok := ctx.Value(dialsFrom{}).(net.IP); ok {
		from.IP = ip
	}
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: memAddr(addr), Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	if l == nil {
		return nil, refused
	}
	a, b := newPipe(), newPipe()
	// What ends in .intern stands in the town's own network.
	to := net.IPv4(192, 0, 2, 2)
	if host, _, _ := net.SplitHostPort(addr); strings.HasSuffix(host, ".intern") {
		to = net.IPv4(198, 51, 100, 2)
	}
	client := &memConn{in: a, out: b, local: from, remote: &net.TCPAddr{IP: to, Port: 80}}
	server := &memConn{in: b, out: a, local: client.remote, remote: from}
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cutTo takes away what the function names; nil gives it back.
func (n *memnet) cutTo(gone func(addr string) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = gone
}

type memAddr string

func (memAddr) Network() string  { return "tcp" }
func (a memAddr) String() string { return string(a) }

type memListener struct {
	net   *memnet
	addr  string
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.net.mu.Lock()
		delete(l.net.listeners, l.addr)
		l.net.mu.Unlock()
	})
	return nil
}

func (l *memListener) Addr() net.Addr { return memAddr(l.addr) }

// pipe is one direction of a connection.
type pipe struct {
	mu       sync.Mutex
	cond     *sync.Cond
	buf      []byte
	closed   bool
	deadline time.Time
	timer    *time.Timer
}

func newPipe() *pipe {
	p := &pipe{}
	p.cond = sync.NewCond(&p.mu)
	return p
}

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case !p.deadline.IsZero() && !time.Now().Before(p.deadline):
			return 0, os.ErrDeadlineExceeded
		case len(p.buf) > 0:
			n := copy(b, p.buf)
			p.buf = p.buf[n:]
			return n, nil
		case p.closed:
			return 0, io.EOF
		}
		p.cond.Wait()
	}
}

func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, syscall.EPIPE
	}
	p.buf = append(p.buf, b...)
	p.cond.Broadcast()
	return len(b), nil
}

func (p *pipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.cond.Broadcast()
}

func (p *pipe) setDeadline(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	if p.timer != nil {
		p.timer.Stop()
	}
	if !t.IsZero() && !p.closed {
		p.timer = time.AfterFunc(time.Until(t), func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.cond.Broadcast()
		})
	}
	p.cond.Broadcast()
}

// memConn is one end of a connection.
type memConn struct {
	in, out       *pipe
	local, remote net.Addr
}

func (c *memConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *memConn) Write(b []byte) (int, error) { return c.out.write(b) }

func (c *memConn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

func (c *memConn) LocalAddr() net.Addr                { return c.local }
func (c *memConn) RemoteAddr() net.Addr               { return c.remote }
func (c *memConn) SetDeadline(t time.Time) error      { c.in.setDeadline(t); return nil }
func (c *memConn) SetReadDeadline(t time.Time) error  { c.in.setDeadline(t); return nil }
func (c *memConn) SetWriteDeadline(_ time.Time) error { return nil } // writing never blocks here
