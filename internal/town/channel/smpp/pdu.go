package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Command says what a PDU is (SMPP 3.4, 5.1.2.1).
type Command uint32

// The commands that this package speaks.
const (
	BindReceiver    Command = 0x00000001
	BindTransmitter Command = 0x00000002
	SubmitSM        Command = 0x00000004
	DeliverSM       Command = 0x00000005
	Unbind          Command = 0x00000006
	BindTransceiver Command = 0x00000009
	EnquireLink     Command = 0x00000015
	GenericNack     Command = 0x80000000
	answerBit       Command = 0x80000000
)

// Answer is the command of the answer to c.
func (c Command) Answer() Command { return c | answerBit }

// answers reports whether c is an answer, generic_nack among them.
func (c Command) answers() bool { return c&answerBit != 0 }

// Status is how a request ended (SMPP 3.4, 5.1.3).
type Status uint32

// The statuses that mean something to us.
const (
	OK             Status = 0x00000000
	InvalidLength  Status = 0x00000001 // ESME_RINVMSGLEN
	InvalidCommand Status = 0x00000003 // ESME_RINVCMDID
	WrongState     Status = 0x00000004 // ESME_RINVBNDSTS
	AlreadyBound   Status = 0x00000005 // ESME_RALYBND
	SystemError    Status = 0x00000008 // ESME_RSYSERR
	InvalidNumber  Status = 0x0000000B // ESME_RINVDSTADR
	BindFailed     Status = 0x0000000D // ESME_RBINDFAIL
	WrongPassword  Status = 0x0000000E // ESME_RINVPASWD
	WrongSystemID  Status = 0x0000000F // ESME_RINVSYSID
	QueueFull      Status = 0x00000014 // ESME_RMSGQFUL
	InvalidTON     Status = 0x00000050 // ESME_RINVDSTTON
	InvalidNPI     Status = 0x00000051 // ESME_RINVDSTNPI
	Throttled      Status = 0x00000058 // ESME_RTHROTTLED
	TryAgain       Status = 0x00000064 // ESME_RX_T_APPN
)

// Tag names an optional field (SMPP 3.4, 5.3.2).
type Tag uint16

// The optional fields that this package reads or writes.
const (
	ReceiptedID    Tag = 0x001E
	SARReference   Tag = 0x020C
	SARTotal       Tag = 0x020E
	SARSequence    Tag = 0x020F
	NetworkError   Tag = 0x0423
	MessagePayload Tag = 0x0424
	MessageState   Tag = 0x0427
)

// TLV is one optional field.
type TLV struct {
	Tag   Tag
	Value []byte
}

// Bind is the body of the three binds.
type Bind struct {
	SystemID, Password, SystemType string
	Version, TON, NPI              byte
	Range                          string
}

// Address is a number, or a name, with its kind.
type Address struct {
	TON, NPI byte
	Addr     string
}

// Short is the body of submit_sm and deliver_sm.
type Short struct {
	Service              string
	From, To             Address
	Class                byte // esm_class
	Protocol, Priority   byte
	Schedule, Validity   string
	Registered, Replace  byte
	Coding, DefaultShort byte
	Text                 []byte // as it stands on the line, with its header
}

// PDU is one unit of the protocol. Bind and Short are there for the commands that
// have them, ID for the answers to bind and message.
type PDU struct {
	Command Command
	Status  Status
	Seq     uint32
	Bind    *Bind
	Short   *Short
	ID      string
	TLVs    []TLV
}

// TLV is the first optional field of that name, nil where there is none.
func (p PDU) TLV(t Tag) []byte {
	for _, f := range p.TLVs {
		if f.Tag == t {
			return f.Value
		}
	}
	return nil
}

const (
	header = 16
	// maxPDU bounds what is read: a message_payload may have 64 KB.
	maxPDU = 68 << 10
)

// ErrPDU says that what came is no PDU of which we know what it says. The next one
// can be read all the same.
var ErrPDU = errors.New("smpp: what came is no PDU")

// errFrame says that nobody knows where the next PDU begins.
var errFrame = errors.New("smpp: what came is not SMPP")

// Read takes one PDU off a line.
func Read(r io.Reader) (PDU, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return PDU{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < header || n > maxPDU {
		return PDU{}, fmt.Errorf("%w: it says that it has %d bytes", errFrame, n)
	}
	raw := make([]byte, n)
	copy(raw, head[:])
	if _, err := io.ReadFull(r, raw[4:]); err != nil {
		return PDU{}, err
	}
	return Decode(raw)
}

// reader takes fields off a body; the first that is missing spoils it.
type reader struct {
	left []byte
	bad  bool
}

func (r *reader) octet() byte {
	if len(r.left) == 0 {
		r.bad = true
		return 0
	}
	b := r.left[0]
	r.left = r.left[1:]
	return b
}

// text is a C-octet string of at most most octets, its end among them.
func (r *reader) text(most int) string {
	end := bytes.IndexByte(r.left[:min(len(r.left), most)], 0)
	if end < 0 {
		r.bad = true
		return ""
	}
	s := string(r.left[:end])
	r.left = r.left[end+1:]
	return s
}

func (r *reader) take(n int) []byte {
	if n > len(r.left) {
		r.bad = true
		return nil
	}
	b := r.left[:n:n]
	r.left = r.left[n:]
	return b
}

func (r *reader) address() Address {
	return Address{TON: r.octet(), NPI: r.octet(), Addr: r.text(21)}
}

func (r *reader) tlvs() (out []TLV) {
	for len(r.left) > 0 && !r.bad {
		h := r.take(4)
		if r.bad {
			return nil
		}
		v := r.take(int(binary.BigEndian.Uint16(h[2:])))
		out = append(out, TLV{Tag(binary.BigEndian.Uint16(h)), v})
	}
	return out
}

// Decode reads one whole PDU. A command that is not known keeps its head, so that
// it can be answered.
func Decode(raw []byte) (PDU, error) {
	if len(raw) < header || int64(binary.BigEndian.Uint32(raw)) != int64(len(raw)) {
		return PDU{}, fmt.Errorf("%w: its length is wrong", ErrPDU)
	}
	p := PDU{Command: Command(binary.BigEndian.Uint32(raw[4:])), Status: Status(binary.BigEndian.Uint32(raw[8:])), Seq: binary.BigEndian.Uint32(raw[12:])}
	r := &reader{left: raw[header:]}
	switch p.Command {
	case BindReceiver, BindTransmitter, BindTransceiver:
		p.Bind = &Bind{SystemID: r.text(16), Password: r.text(9), SystemType: r.text(13), Version: r.octet(), TON: r.octet(), NPI: r.octet(), Range: r.text(41)}
	case SubmitSM, DeliverSM:
		s := &Short{Service: r.text(6), From: r.address(), To: r.address(), Class: r.octet(), Protocol: r.octet(), Priority: r.octet()}
		s.Schedule, s.Validity = r.text(17), r.text(17)
		s.Registered, s.Replace, s.Coding, s.DefaultShort = r.octet(), r.octet(), r.octet(), r.octet()
		s.Text = r.take(int(r.octet()))
		p.Short, p.TLVs = s, r.tlvs()
	case BindReceiver.Answer(), BindTransmitter.Answer(), BindTransceiver.Answer(), SubmitSM.Answer(), DeliverSM.Answer():
		if len(r.left) == 0 { // an answer that says no may have no body
			break
		}
		p.ID, p.TLVs = r.text(65), r.tlvs()
	}
	if r.bad {
		return p, fmt.Errorf("%w: a field of command %#x is cut off", ErrPDU, uint32(p.Command))
	}
	return p, nil
}

// Encode writes one PDU. Its error says which field does not fit.
func Encode(p PDU) ([]byte, error) {
	var b bytes.Buffer
	var wrong error
	b.Write(make([]byte, header))
	text := func(name, s string, most int) {
		if len(s) >= most || bytes.IndexByte([]byte(s), 0) >= 0 {
			wrong = errors.Join(wrong, fmt.Errorf("smpp: %s does not fit", name))
		}
		b.WriteString(s)
		b.WriteByte(0)
	}
	address := func(name string, a Address) {
		b.Write([]byte{a.TON, a.NPI})
		text(name, a.Addr, 21)
	}
	switch p.Command {
	case BindReceiver, BindTransmitter, BindTransceiver:
		if p.Bind == nil {
			return nil, errors.New("smpp: a bind without its body")
		}
		text("system_id", p.Bind.SystemID, 16)
		text("password", p.Bind.Password, 9)
		text("system_type", p.Bind.SystemType, 13)
		b.Write([]byte{p.Bind.Version, p.Bind.TON, p.Bind.NPI})
		text("address_range", p.Bind.Range, 41)
	case SubmitSM, DeliverSM:
		s := p.Short
		if s == nil || len(s.Text) > 254 {
			return nil, errors.New("smpp: a message without its body, or with more than 254 octets")
		}
		text("service_type", s.Service, 6)
		address("source_addr", s.From)
		address("destination_addr", s.To)
		b.Write([]byte{s.Class, s.Protocol, s.Priority})
		text("schedule_delivery_time", s.Schedule, 17)
		text("validity_period", s.Validity, 17)
		b.Write([]byte{s.Registered, s.Replace, s.Coding, s.DefaultShort, byte(len(s.Text))})
		b.Write(s.Text)
	case BindReceiver.Answer(), BindTransmitter.Answer(), BindTransceiver.Answer(), SubmitSM.Answer(), DeliverSM.Answer():
		text("message_id", p.ID, 65)
	}
	for _, f := range p.TLVs {
		if len(f.Value) > 0xffff {
			return nil, errors.New("smpp: an optional field does not fit")
		}
		b.Write(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, uint16(f.Tag)), uint16(len(f.Value))))
		b.Write(f.Value)
	}
	if wrong != nil {
		return nil, wrong
	}
	raw := b.Bytes()
	if len(raw) > maxPDU {
		return nil, errors.New("smpp: the PDU is too long")
	}
	binary.BigEndian.PutUint32(raw, uint32(len(raw)))
	binary.BigEndian.PutUint32(raw[4:], uint32(p.Command))
	binary.BigEndian.PutUint32(raw[8:], uint32(p.Status))
	binary.BigEndian.PutUint32(raw[12:], p.Seq)
	return raw, nil
}
