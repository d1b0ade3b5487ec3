package monitor

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// snmpProber asks a device for one value (SNMPv2c, RFC 3416).
type snmpProber struct{ w *wire }

// Probe looks once.
func (p snmpProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		oid, err := parseOID(s.SNMP.OID)
		if err != nil {
			return failf(ReasonInvalid, "not an object identifier")
		}
		c, err := p.w.connect(ctx, "udp", s.Host, s.Port)
		if err != nil {
			return err
		}
		defer c.Close()
		defer bind(ctx, c)()
		var random [4]byte
		rand.Read(random[:]) // never fails (crypto/rand)
		id := binary.BigEndian.Uint32(random[:]) >> 1
		get := ber(0xa0, berInt(id), berInt(0), berInt(0), ber(0x30, ber(0x30, ber(0x06, oid), ber(0x05))))
		if _, err := c.Write(ber(0x30, berInt(1), ber(0x04, []byte(s.SNMP.Community)), get)); err != nil {
			return during("sending", err)
		}
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return during("waiting for the answer", err)
			}
			a, err := parseSNMP(b[:n])
			if err != nil || a.id != int64(id) {
				continue // a datagram of somebody else
			}
			r.Code = a.status
			return a.judge(s.Expect)
		}
	})
}

// snmpAnswer is the one value of a Response-PDU.
type snmpAnswer struct {
	id     int64
	status int
	exists bool
	value  string
}

func parseSNMP(msg []byte) (a snmpAnswer, err error) {
	body, _, err := berWant(msg, 0x30)
	if err != nil {
		return a, err
	}
	if _, body, err = berWant(body, 0x02); err != nil { // version
		return a, err
	}
	if _, body, err = berWant(body, 0x04); err != nil { // community
		return a, err
	}
	pdu, _, err := berWant(body, 0xa2)
	if err != nil {
		return a, err
	}
	var nums [3]int64
	for i := range nums {
		var num []byte
		if num, pdu, err = berWant(pdu, 0x02); err != nil {
			return a, err
		}
		if nums[i], err = berNumber(num); err != nil {
			return a, err
		}
	}
	a.id, a.status = nums[0], int(nums[1])
	list, _, err := berWant(pdu, 0x30)
	if err != nil {
		return a, err
	}
	pair, _, err := berWant(list, 0x30)
	if err != nil {
		return a, err
	}
	_, pair, err = berWant(pair, 0x06)
	if err != nil {
		return a, err
	}
	tag, content, _, err := berNext(pair)
	if err != nil {
		return a, err
	}
	a.exists = tag < 0x80 // 0x80–0x82: no such object, no such instance, end
	a.value = snmpText(tag, content)
	return a, nil
}

// snmpText writes a value for comparison.
func snmpText(tag byte, b []byte) string {
	switch tag {
	case 0x02:
		if n, err := berNumber(b); err == nil {
			return strconv.FormatInt(n, 10)
		}
	case 0x41, 0x42, 0x43, 0x46:
		if n, err := berUnsigned(b); err == nil {
			return strconv.FormatUint(n, 10)
		}
	case 0x40:
		if addr, ok := netip.AddrFromSlice(b); ok {
			return addr.String()
		}
	}
	return string(b)
}

func (a snmpAnswer) judge(e Expect) error {
	switch {
	case a.status != 0:
		return failf(ReasonStatus, "SNMP error %d", a.status)
	case !a.exists:
		return failf(ReasonBody, "the device does not know this object")
	case e.Body != "" && !strings.Contains(a.value, e.Body):
		return failf(ReasonBody, "the value is not as expected")
	}
	if e.Regex != "" {
		re, err := regexp.Compile(e.Regex)
		if err != nil {
			return failf(ReasonInvalid, "the pattern cannot be read")
		}
		if !re.MatchString(a.value) {
			return failf(ReasonBody, "the value is not as expected")
		}
	}
	return nil
}
