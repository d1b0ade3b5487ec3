package voice

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"time"
)

// media is one stream of sound in both directions (RFC 3550). Only its keys are
// listened to.
type media struct {
	conn  *net.UDPConn
	far   chosen
	from  []netip.Addr // who may press keys
	press func(key byte)
	done  chan struct{} // closed when nobody listens any more

	seq   uint16
	stamp uint32
	ssrc  uint32
	begun bool
}

func newMedia(conn *net.UDPConn, far chosen, from []netip.Addr, press func(byte)) *media {
	var seed [10]byte
	_, _ = rand.Read(seed[:]) // it never fails
	m := &media{
		conn: conn, far: far, from: from, press: press, done: make(chan struct{}),
		seq: binary.BigEndian.Uint16(seed[:]), stamp: binary.BigEndian.Uint32(seed[2:]), ssrc: binary.BigEndian.Uint32(seed[6:]),
	}
	go m.listen()
	return m
}

// listen ends when the connection is closed.
func (m *media) listen() {
	defer close(m.done)
	var last uint32
	var any bool
	buf := make([]byte, 2048)
	for {
		n, from, err := m.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() { //nolint:errorlint // of the socket itself
				continue
			}
			return
		}
		if !slices.Contains(m.from, from.Addr().Unmap()) {
			continue // who guesses the port must not answer for somebody
		}
		key, stamp, ok := parseEvent(buf[:n], m.far.event)
		if !ok || any && stamp == last {
			continue // one key is told by many packets of the same moment
		}
		any, last = true, stamp
		m.press(key)
	}
}

// parseEvent reads a packet as a pressed key.
func parseEvent(b []byte, event int) (key byte, stamp uint32, ok bool) {
	if event < 0 || len(b) < 12 || b[0]>>6 != 2 || int(b[1]&0x7f) != event {
		return 0, 0, false
	}
	at := 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 { // an extension of the head
		if len(b) < at+4 {
			return 0, 0, false
		}
		at += 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	}
	if len(b) < at+4 || int(b[at]) >= len(keys) {
		return 0, 0, false
	}
	return keys[b[at]], binary.BigEndian.Uint32(b[4:]), true
}

// play sends sound in its own time until it is over or ctx ends. A machine that comes
// late skips nothing: the telephone's buffer takes care of some of it.
func (m *media) play(ctx context.Context, sound []int16) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var in [frame]int16
	packet := make([]byte, 12+frame)
	for len(sound) > 0 {
		n := copy(in[:], sound)
		clear(in[n:])
		sound = sound[n:]
		packet[0], packet[1] = 2<<6, byte(m.far.codec)
		if !m.begun {
			packet[1] |= 0x80
			m.begun = true
		}
		binary.BigEndian.PutUint16(packet[2:], m.seq)
		binary.BigEndian.PutUint32(packet[4:], m.stamp)
		binary.BigEndian.PutUint32(packet[8:], m.ssrc)
		m.far.codec.encode(packet[12:], in[:])
		m.seq++
		m.stamp += frame
		_, _ = m.conn.WriteToUDPAddrPort(packet, m.far.to) // one lost packet is a crackle
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// stop closes the stream and waits for its listener.
func (m *media) stop() {
	_ = m.conn.Close()
	<-m.done
}
