package monitor

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
)

const (
	maxLine  = 4096 // bytes of one line of a text protocol
	maxLines = 100  // lines of one answer
)

// talk is a conversation in lines or packets with a target, bounded in size
// and, through [bind], in time.
type talk struct {
	raw  net.Conn
	c    net.Conn // raw, or TLS over it
	r    *bufio.Reader
	done func() bool
}

// open connects and, with TLS from the first byte, shakes hands.
func (w *wire) open(ctx context.Context, network string, s *Spec, r *Result) (*talk, error) {
	c, err := w.connect(ctx, network, s.Host, s.Port)
	if err != nil {
		return nil, err
	}
	t := &talk{raw: c, c: c, r: bufio.NewReaderSize(c, maxLine), done: bind(ctx, c)}
	if s.TLS.Mode == "tls" {
		if err := t.secure(w, s, r); err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

func (t *talk) close() {
	t.done()
	t.raw.Close()
}

// secure shakes hands on the open connection. What the target sent before in
// clear text must not be taken for something said under TLS.
func (t *talk) secure(w *wire, s *Spec, r *Result) error {
	if t.r.Buffered() > 0 {
		return failf(ReasonProtocol, "the target talks on before the TLS handshake")
	}
	cfg, err := w.secure.config(s, s.Host, s.Username == "" && !s.HasCredentials(), nil)
	if err != nil {
		return err
	}
	tc, err := w.secure.handshake(t.raw, cfg, r)
	if err != nil {
		return err
	}
	t.c = tc
	t.r.Reset(tc)
	return nil
}

// line reads one line without its end.
func (t *talk) line() (string, error) {
	b, err := t.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", failf(ReasonProtocol, "a line is longer than %d bytes", maxLine)
	case errors.Is(err, io.EOF) && len(b) == 0:
		return "", during("waiting for the answer", io.EOF)
	case err != nil:
		return "", during("reading the answer", err)
	}
	b = b[:len(b)-1]
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return string(b), nil
}

func (t *talk) send(b []byte) error {
	_, err := t.c.Write(b)
	return during("sending", err)
}

func (t *talk) say(text string) error { return t.send([]byte(text + "\r\n")) }

// read fills b.
func (t *talk) read(b []byte) error {
	_, err := io.ReadFull(t.r, b)
	return during("reading the answer", err)
}
