package smpp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	"tuermer/internal/town/channel"
)

// The values of data_coding that are read; the first and the last are written.
const (
	codingDefault byte = 0
	codingASCII   byte = 1
	codingLatin1  byte = 3
	codingUCS2    byte = 8
)

// Bits of esm_class.
const (
	classKind    byte = 0x3C // what a deliver_sm is
	classReceipt byte = 0x04
	classHeader  byte = 0x40 // the text begins with a user data header
)

// Pieces writes a text as the bodies of its parts: one, or several with the number
// ref that tells their reader that they belong together, by a header of six octets
// or by sar_ fields.
func Pieces(text string, ref byte, sar bool) (out []Short, tlvs [][]TLV, err error) {
	enc, parts := channel.Parts(text)
	if len(parts) > 255 {
		return nil, nil, fmt.Errorf("smpp: the text takes %d parts", len(parts))
	}
	for i, part := range parts {
		s := Short{Coding: codingDefault}
		if enc == channel.UCS2 {
			s.Coding, s.Text = codingUCS2, ucs2(part)
		} else {
			septets, ok := channel.Septets(part)
			if !ok {
				return nil, nil, errors.New("smpp: the text is not in GSM-7")
			}
			s.Text = septets
		}
		var fields []TLV
		n, at := byte(len(parts)), byte(i+1)
		switch {
		case len(parts) == 1:
		case sar:
			fields = []TLV{{SARReference, []byte{0, ref}}, {SARTotal, []byte{n}}, {SARSequence, []byte{at}}}
		default:
			s.Class = classHeader
			s.Text = append([]byte{5, 0, 3, ref, n, at}, s.Text...)
		}
		out, tlvs = append(out, s), append(tlvs, fields)
	}
	return out, tlvs, nil
}

func ucs2(text string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(text)) {
		out = binary.BigEndian.AppendUint16(out, u)
	}
	return out
}

func fromUCS2(raw []byte) string {
	units := make([]uint16, 0, len(raw)/2)
	for ; len(raw) >= 2; raw = raw[2:] {
		units = append(units, binary.BigEndian.Uint16(raw))
	}
	return string(utf16.Decode(units))
}

// Piece is a received text, or one part of a longer one.
type Piece struct {
	Text            string
	Ref             int // the same in all parts
	Number, Parts   int // 1 of 1 for a text that came whole
	header, payload []byte
}

// ReadPiece reads the text of a submit_sm or deliver_sm. Whatever it holds, it
// answers something.
func ReadPiece(p PDU) Piece {
	out := Piece{Number: 1, Parts: 1}
	if p.Short == nil {
		return out
	}
	out.payload = p.Short.Text
	if len(out.payload) == 0 {
		out.payload = p.TLV(MessagePayload)
	}
	if p.Short.Class&classHeader != 0 && len(out.payload) > 0 {
		end := min(1+int(out.payload[0]), len(out.payload))
		out.header, out.payload = out.payload[1:end], out.payload[end:]
	}
	out.elements()
	if total := p.TLV(SARTotal); len(total) == 1 && total[0] > 1 {
		if at, ref := p.TLV(SARSequence), p.TLV(SARReference); len(at) == 1 && len(ref) == 2 {
			out.Ref, out.Number, out.Parts = int(binary.BigEndian.Uint16(ref)), int(at[0]), int(total[0])
		}
	}
	switch p.Short.Coding {
	case codingUCS2:
		out.Text = fromUCS2(out.payload)
	case codingLatin1:
		runes := make([]rune, len(out.payload))
		for i, c := range out.payload {
			runes[i] = rune(c)
		}
		out.Text = string(runes)
	case codingASCII:
		out.Text = strings.ToValidUTF8(string(out.payload), "\uFFFD")
	default:
		out.Text = channel.FromSeptets(out.payload)
	}
	return out
}

// elements looks for the ones that tell parts apart, with a number of one octet or
// of two.
func (p *Piece) elements() {
	for h := p.header; len(h) >= 2; {
		kind, n := h[0], int(h[1])
		if n > len(h)-2 {
			return
		}
		switch v := h[2 : 2+n]; {
		case kind == 0 && n == 3 && v[1] > 1:
			p.Ref, p.Parts, p.Number = int(v[0]), int(v[1]), int(v[2])
		case kind == 8 && n == 4 && v[2] > 1:
			p.Ref, p.Parts, p.Number = int(binary.BigEndian.Uint16(v)), int(v[2]), int(v[3])
		}
		h = h[2+n:]
	}
}
