package monitor

import (
	"bytes"
	"context"
	"encoding/binary"
)

// The database kinds show life without credentials: each speaks just so much
// of its protocol that the server itself, and not only its socket, answers,
// and ends in a way that the server's log and its ban list do not mind.

// maxPacket bounds one packet of a database's greeting.
const maxPacket = 64 << 10

// postgresProber begins a session like pg_isready does: that the server asks
// for a password, or refuses our made-up name, proves that it takes sessions.
type postgresProber struct{ w *wire }

// Probe looks once.
func (p postgresProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		t, err := p.w.open(ctx, "tcp", &s, r)
		if err != nil {
			return err
		}
		defer t.close()
		name := s.Username
		if name == "" {
			name = "tuermer_monitor"
		}
		body := []byte("\x00\x03\x00\x00user\x00" + name + "\x00\x00")
		if err := t.send(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)); err != nil {
			return err
		}
		var head [5]byte
		if err := t.read(head[:]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(head[1:])) - 4
		if head[0] != 'R' && head[0] != 'E' || n < 4 || n > maxPacket {
			return failf(ReasonProtocol, "the answer is not PostgreSQL")
		}
		if head[0] == 'R' {
			return nil
		}
		msg := make([]byte, n)
		if err := t.read(msg); err != nil {
			return err
		}
		return judgePostgres(sqlState(msg))
	})
}

// sqlState finds the code in an ErrorResponse.
func sqlState(msg []byte) string {
	for field := range bytes.SplitSeq(msg, []byte{0}) {
		if len(field) == 6 && field[0] == 'C' {
			return string(field[1:])
		}
	}
	return ""
}

// judgePostgres tells a refusal of our name from a server that takes no
// sessions: starting, stopping, full, or broken.
func judgePostgres(state string) error {
	switch {
	case state == "":
		return failf(ReasonProtocol, "the answer is not PostgreSQL")
	case state == "57P03", state[:2] == "53", state[:2] == "58", state[:2] == "57", state[:2] == "XX":
		return failf(ReasonStatus, "SQLSTATE %s", plainWord(state))
	}
	return nil
}

// plainWord keeps letters and digits.
func plainWord(s string) string {
	return string(bytes.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, []byte(s)))
}

// mysqlProber reads the server's greeting and then signs in with a made-up
// name. Breaking off after the greeting would be counted by the server as a
// failed connection, and after a hundred of them it would ban our address; a
// refused name is not counted.
type mysqlProber struct{ w *wire }

// Probe looks once.
func (p mysqlProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		t, err := p.w.open(ctx, "tcp", &s, r)
		if err != nil {
			return err
		}
		defer t.close()
		greeting, seq, err := t.mysqlPacket()
		if err != nil {
			return err
		}
		if r.Code, err = judgeMySQL(greeting); err != nil {
			return err
		}
		// Protocol 4.1, secure connection, plugin authentication.
		login := binary.LittleEndian.AppendUint32(nil, 0x00000200|0x00008000|0x00080000)
		login = binary.LittleEndian.AppendUint32(login, maxPacket)
		login = append(login, 45) // utf8mb4
		login = append(login, make([]byte, 23)...)
		login = append(login, "tuermer_monitor\x00\x00mysql_native_password\x00"...)
		if err := t.mysqlSend(login, seq+1); err != nil {
			return err
		}
		// At most: switch of method, our empty answer, refusal. The greeting was
		// the proof; what comes now is only manners.
		for range 3 {
			answer, seq, err := t.mysqlPacket()
			if err != nil || len(answer) == 0 || answer[0] == 0xff || answer[0] == 0x00 {
				return nil
			}
			if t.mysqlSend(nil, seq+1) != nil {
				return nil
			}
		}
		return nil
	})
}

func (t *talk) mysqlSend(body []byte, seq byte) error {
	n := len(body)
	return t.send(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}, body...))
}

func (t *talk) mysqlPacket() (body []byte, seq byte, err error) {
	var head [4]byte
	if err := t.read(head[:]); err != nil {
		return nil, 0, err
	}
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if n == 0 || n > maxPacket {
		return nil, 0, failf(ReasonProtocol, "the answer is not MySQL")
	}
	body = make([]byte, n)
	return body, head[3], t.read(body)
}

// judgeMySQL reads the first packet: a greeting of protocol 10, or an error
// such as 1040 (too many connections) or 1129 (our address is banned).
func judgeMySQL(b []byte) (code int, err error) {
	switch {
	case len(b) >= 3 && b[0] == 0xff:
		code = int(binary.LittleEndian.Uint16(b[1:]))
		return code, failf(ReasonStatus, "MySQL error %d", code)
	case len(b) > 20 && b[0] == 10 && bytes.IndexByte(b[1:], 0) > 0:
		return 0, nil
	}
	return 0, failf(ReasonProtocol, "the answer is not MySQL")
}

// mssqlProber exchanges the PRELOGIN packets of TDS (MS-TDS, 2.2.6.5).
type mssqlProber struct{ w *wire }

// tdsPrelogin asks for version and encryption.
var tdsPrelogin = []byte{
	0x12, 0x01, 0x00, 0x1a, 0x00, 0x00, 0x00, 0x00, // header: type, last, length 26
	0x00, 0x00, 0x0b, 0x00, 0x06, // version at 11, 6 bytes
	0x01, 0x00, 0x11, 0x00, 0x01, // encryption at 17, 1 byte
	0xff,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // our version: none
	0x02, // encryption not supported
}

// Probe looks once.
func (p mssqlProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		t, err := p.w.open(ctx, "tcp", &s, r)
		if err != nil {
			return err
		}
		defer t.close()
		if err := t.send(tdsPrelogin); err != nil {
			return err
		}
		var head [8]byte
		if err := t.read(head[:]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint16(head[2:])) - 8
		if head[0] != 0x04 || n < 1 || n > maxPacket {
			return failf(ReasonProtocol, "the answer is not SQL Server")
		}
		body := make([]byte, n)
		if err := t.read(body); err != nil {
			return err
		}
		return judgeTDS(body)
	})
}

// judgeTDS wants the option VERSION in the server's PRELOGIN answer.
func judgeTDS(b []byte) error {
	for i := 0; i+5 <= len(b) && b[i] != 0xff; i += 5 {
		at, n := int(binary.BigEndian.Uint16(b[i+1:])), int(binary.BigEndian.Uint16(b[i+3:]))
		if b[i] == 0 && n == 6 && at+n <= len(b) {
			return nil
		}
	}
	return failf(ReasonProtocol, "the answer is not SQL Server")
}
