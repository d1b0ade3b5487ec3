package monitor

import (
	"errors"
	"strconv"
	"strings"
)

// BER as LDAP and SNMP use it (X.690): a tag byte, a definite length, the
// content. Tags beyond one byte do not occur in either.

var errBER = errors.New("broken BER")

// ber writes one element.
func ber(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := []byte{tag}
	switch {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default: // no message of ours reaches 64 KiB
		b = append(b, 0x82, byte(n>>8), byte(n))
	}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// berInt writes a non-negative INTEGER.
func berInt(n uint32) []byte {
	b := []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	for len(b) > 1 && b[0] == 0 && b[1] < 0x80 {
		b = b[1:]
	}
	if b[0] >= 0x80 {
		b = append([]byte{0}, b...)
	}
	return ber(0x02, b)
}

// berHead reads tag and length; size is the length of the head itself. size 0
// without an error means that more bytes are needed.
func berHead(b []byte) (tag byte, size, length int, err error) {
	if len(b) < 2 {
		return 0, 0, 0, nil
	}
	tag, n := b[0], int(b[1])
	if tag&0x1f == 0x1f {
		return 0, 0, 0, errBER
	}
	if n < 0x80 {
		return tag, 2, n, nil
	}
	n &= 0x7f
	if n == 0 || n > 4 {
		return 0, 0, 0, errBER
	}
	if len(b) < 2+n {
		return 0, 0, 0, nil
	}
	for _, c := range b[2 : 2+n] {
		length = length<<8 | int(c)
	}
	return tag, 2 + n, length, nil
}

// berNext splits the first element off.
func berNext(b []byte) (tag byte, content, rest []byte, err error) {
	tag, size, length, err := berHead(b)
	if err != nil || size == 0 || length > len(b)-size {
		return 0, nil, nil, errBER
	}
	return tag, b[size : size+length], b[size+length:], nil
}

// berWant splits the first element off and wants it to have a tag.
func berWant(b []byte, want byte) (content, rest []byte, err error) {
	tag, content, rest, err := berNext(b)
	if err == nil && tag != want {
		err = errBER
	}
	return content, rest, err
}

// berNumber reads the content of an INTEGER or ENUMERATED that fits an int64.
func berNumber(b []byte) (int64, error) {
	if len(b) == 0 || len(b) > 8 {
		return 0, errBER
	}
	n := int64(int8(b[0]))
	for _, c := range b[1:] {
		n = n<<8 | int64(c)
	}
	return n, nil
}

// berUnsigned reads the content of SNMP's unsigned types.
func berUnsigned(b []byte) (uint64, error) {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 8 {
		return 0, errBER
	}
	n := uint64(0)
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n, nil
}

// parseOID encodes "1.3.6.1" as the content of an OBJECT IDENTIFIER.
func parseOID(s string) ([]byte, error) {
	parts := strings.Split(strings.Trim(s, "."), ".")
	if len(parts) < 2 || len(parts) > 128 {
		return nil, errBER
	}
	var arcs []uint64
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return nil, err
		}
		arcs = append(arcs, n)
	}
	if arcs[0] > 2 || arcs[0] < 2 && arcs[1] > 39 {
		return nil, errBER
	}
	var b []byte
	for _, n := range append([]uint64{arcs[0]*40 + arcs[1]}, arcs[2:]...) {
		var chunk []byte
		for chunk = []byte{byte(n & 0x7f)}; n >= 0x80; {
			n >>= 7
			chunk = append([]byte{byte(n&0x7f) | 0x80}, chunk...)
		}
		b = append(b, chunk...)
	}
	return b, nil
}
