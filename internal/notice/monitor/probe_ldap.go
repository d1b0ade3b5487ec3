package monitor

import (
	"context"
	"io"
)

// ldapProber binds to a directory: anonymously, or with the spec's name (a
// distinguished name) and password. RFC 4511.
type ldapProber struct{ w *wire }

const (
	ldapBind     = 0x60
	ldapBound    = 0x61
	ldapUnbind   = 0x42
	ldapExtended = 0x77
	ldapExtResp  = 0x78
	ldapStartTLS = "1.3.6.1.4.1.1466.20037"
	maxBER       = 64 << 10
)

// Probe looks once.
func (p ldapProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		t, err := p.w.open(ctx, "tcp", &s, r)
		if err != nil {
			return err
		}
		defer t.close()
		if s.TLS.Mode == "starttls" {
			code, err := t.ldapAsk(1, ber(ldapExtended, ber(0x80, []byte(ldapStartTLS))), ldapExtResp)
			if err != nil {
				return err
			}
			if code != 0 {
				return failf(ReasonTLS, "STARTTLS is refused (LDAP %d)", code)
			}
			if err := t.secure(p.w, &s, r); err != nil {
				return err
			}
		}
		bind := ber(ldapBind, berInt(3), ber(0x04, []byte(s.Username)), ber(0x80, []byte(s.Password)))
		code, err := t.ldapAsk(2, bind, ldapBound)
		if err != nil {
			return err
		}
		r.Code = code
		switch code {
		case 0:
		case 8, 13, 48, 49, 50, 53: // stronger auth, confidentiality, inappropriate, invalid credentials, rights, unwilling
			if s.Username != "" {
				return failf(ReasonLogin, "the bind is refused (LDAP %d)", code)
			}
			// A directory that turns strangers away is alive, and right.
		default:
			return failf(ReasonStatus, "LDAP %d", code)
		}
		_ = t.send(ber(0x30, berInt(3), []byte{ldapUnbind, 0})) // a farewell that fails is no finding
		return nil
	})
}

// ldapAsk sends one operation and reads the result code of its answer.
func (t *talk) ldapAsk(id uint32, op []byte, want byte) (int, error) {
	if err := t.send(ber(0x30, berInt(id), op)); err != nil {
		return 0, err
	}
	msg, err := t.berMessage()
	if err != nil {
		return 0, err
	}
	code, err := parseLDAP(msg, id, want)
	if err != nil {
		return 0, failf(ReasonProtocol, "the answer is not LDAP")
	}
	return code, nil
}

// parseLDAP reads the result code out of a whole message.
func parseLDAP(msg []byte, id uint32, want byte) (int, error) {
	body, _, err := berWant(msg, 0x30)
	if err != nil {
		return 0, err
	}
	num, body, err := berWant(body, 0x02)
	if err != nil {
		return 0, err
	}
	if n, err := berNumber(num); err != nil || n != int64(id) {
		return 0, errBER
	}
	op, _, err := berWant(body, want)
	if err != nil {
		return 0, err
	}
	num, _, err = berWant(op, 0x0a)
	if err != nil {
		return 0, err
	}
	code, err := berNumber(num)
	if err != nil || code < 0 || code > 1<<20 {
		return 0, errBER
	}
	return int(code), nil
}

// berMessage reads one whole element from a stream.
func (t *talk) berMessage() ([]byte, error) {
	for n := 2; ; n++ {
		head, err := t.r.Peek(n)
		if err != nil {
			return nil, during("waiting for the answer", err)
		}
		_, size, length, err := berHead(head)
		if err != nil || length > maxBER {
			return nil, failf(ReasonProtocol, "the answer is not BER")
		}
		if size == 0 {
			continue // n grows to 6 at most: berHead refuses longer lengths
		}
		msg := make([]byte, size+length)
		if _, err := io.ReadFull(t.r, msg); err != nil {
			return nil, during("reading the answer", err)
		}
		return msg, nil
	}
}
