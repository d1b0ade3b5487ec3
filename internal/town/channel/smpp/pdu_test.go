package smpp_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/smpp"
)

// word draws a C-octet string of at most n characters.
func word(t *rapid.T, name string, n int) string {
	return rapid.StringMatching(`[ -~]{0,`+itoa(n)+`}`).Draw(t, name)
}

func itoa(n int) string {
	return strings.TrimLeft(string([]byte{byte('0' + n/10), byte('0' + n%10)}), "0")
}

func address(t *rapid.T, name string) smpp.Address {
	return smpp.Address{TON: rapid.Byte().Draw(t, name), NPI: rapid.Byte().Draw(t, name), Addr: word(t, name, 20)}
}

// What is written reads the same.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := smpp.PDU{
			Command: rapid.SampledFrom([]smpp.Command{
				smpp.BindTransceiver, smpp.BindTransceiver.Answer(), smpp.SubmitSM, smpp.SubmitSM.Answer(), smpp.DeliverSM, smpp.DeliverSM.Answer(),
				smpp.EnquireLink, smpp.EnquireLink.Answer(), smpp.Unbind, smpp.GenericNack,
			}).Draw(t, "command"),
			Status: smpp.Status(rapid.Uint32().Draw(t, "status")), Seq: rapid.Uint32().Draw(t, "seq"),
		}
		fields := false
		switch p.Command {
		case smpp.BindTransceiver:
			p.Bind = &smpp.Bind{SystemID: word(t, "id", 15), Password: word(t, "password", 8), SystemType: word(t, "type", 12), Version: 0x34, Range: word(t, "range", 40)}
		case smpp.SubmitSM, smpp.DeliverSM:
			p.Short = &smpp.Short{
				Service: word(t, "service", 5), From: address(t, "from"), To: address(t, "to"), Class: rapid.Byte().Draw(t, "class"),
				Schedule: word(t, "schedule", 16), Validity: word(t, "validity", 16), Registered: rapid.Byte().Draw(t, "registered"), Coding: rapid.Byte().Draw(t, "coding"),
				Text: rapid.SliceOfN(rapid.Byte(), 0, 254).Draw(t, "text"),
			}
			fields = true
		case smpp.BindTransceiver.Answer(), smpp.SubmitSM.Answer(), smpp.DeliverSM.Answer():
			p.ID = word(t, "name", 64)
			fields = true
		}
		for i := 0; fields && i < rapid.IntRange(0, 3).Draw(t, "fields"); i++ {
			p.TLVs = append(p.TLVs, smpp.TLV{Tag: smpp.Tag(rapid.Uint16().Draw(t, "tag")), Value: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value")})
		}
		raw, err := smpp.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := smpp.Read(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		again, err := smpp.Encode(got)
		if err != nil || !bytes.Equal(raw, again) {
			t.Fatalf("%x reads as %+v (%v)", raw, got, err)
		}
		if p.Bind != nil && !reflect.DeepEqual(p.Bind, got.Bind) || p.ID != got.ID || p.Seq != got.Seq || p.Status != got.Status {
			t.Fatalf("%+v reads as %+v", p, got)
		}
		if p.Short != nil && (p.Short.From != got.Short.From || p.Short.To != got.Short.To || !bytes.Equal(p.Short.Text, got.Short.Text) || p.Short.Validity != got.Short.Validity) {
			t.Fatalf("%+v reads as %+v", p.Short, got.Short)
		}
	})
}

// A bind as the specification writes one out, octet by octet.
func TestSpecification(t *testing.T) {
	want := "0000002F000000020000000000000001534D50503354455354007365637265743038005355424D4954310000010100"
	raw, err := smpp.Encode(smpp.PDU{Command: smpp.BindTransmitter, Seq: 1, Bind: &smpp.Bind{SystemID: "SMPP3TEST", Password: "secret08", SystemType: "SUBMIT1", TON: 1, NPI: 1}})
	if err != nil || !strings.EqualFold(hex.EncodeToString(raw), want) {
		t.Errorf("%X %v", raw, err)
	}
}

// A text in parts is the text again, in as many parts as were counted before it
// went out, none of which is longer than a telephone takes.
func TestSplitRejoin(t *testing.T) {
	sign := rapid.SampledFrom([]rune("abcdefgh ÄÖÜäöüß€[]{}~^|\\\n@£$1234567890,.!?😀жя–„“"))
	gsm := rapid.SampledFrom([]rune("abcdefgh ÄÖÜäöüß€[]{}~^|\\\n@£$1234567890,.!?"))
	rapid.Check(t, func(t *rapid.T) {
		from := sign
		if rapid.Bool().Draw(t, "gsm") {
			from = gsm
		}
		text := string(rapid.SliceOfN(from, 1, rapid.IntRange(1, 900).Draw(t, "length")).Draw(t, "text"))
		ref, sar := rapid.Byte().Draw(t, "ref"), rapid.Bool().Draw(t, "sar")
		enc, _, parts := channel.Segments(text)
		pieces, fields, err := smpp.Pieces(text, ref, sar)
		if err != nil || len(pieces) != parts {
			t.Fatalf("%d pieces, counted %d: %v", len(pieces), parts, err)
		}
		var joined strings.Builder
		for i, s := range pieces {
			octets := len(s.Text)
			if enc == channel.GSM7 { // packed: seven bits each behind the header
				header := 0
				if s.Class != 0 {
					header = 6
				}
				octets = header + ((octets-header)*7+7)/8
			}
			if sar && parts > 1 {
				octets += 6 // the centre puts the header there
			}
			if octets > 140 {
				t.Fatalf("part %d has %d octets", i+1, octets)
			}
			s.To.Addr = "1"
			raw, err := smpp.Encode(smpp.PDU{Command: smpp.SubmitSM, Short: &s, TLVs: fields[i]})
			if err != nil {
				t.Fatal(err)
			}
			p, err := smpp.Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			piece := smpp.ReadPiece(p)
			if piece.Number != i+1 || piece.Parts != parts || parts > 1 && piece.Ref != int(ref) {
				t.Fatalf("part %d of %d reads as %+v", i+1, parts, piece)
			}
			joined.WriteString(piece.Text)
		}
		if joined.String() != text {
			t.Fatalf("%q came as %q", text, joined.String())
		}
	})
}

func TestReadReceipt(t *testing.T) {
	deliver := func(class byte, text string, fields ...smpp.TLV) smpp.PDU {
		return smpp.PDU{Command: smpp.DeliverSM, Short: &smpp.Short{Class: class, Text: []byte(text)}, TLVs: fields}
	}
	id := smpp.TLV{Tag: smpp.ReceiptedID, Value: []byte("A1\x00")}
	for _, c := range []struct {
		p    smpp.PDU
		want channel.Report
		ok   bool
	}{
		{deliver(4, "id:A1 sub:001 dlvrd:001 submit date:2611261400 done date:2611261401 stat:DELIVRD err:000 text:ALARM"), channel.Report{Reference: "A1", Arrival: channel.Arrived}, true},
		{deliver(4, "ID:A1 STAT:undeliv ERR:011 TEXT:stat:DELIVRD"), channel.Report{Reference: "A1", Arrival: channel.Lost, Reason: "UNDELIV 011"}, true},
		{deliver(4, "id:A1 stat:EXPIRED err:000"), channel.Report{Reference: "A1", Arrival: channel.Lost, Reason: "EXPIRED"}, true},
		{deliver(4, "id:A1 stat:REJECTD"), channel.Report{Reference: "A1", Arrival: channel.Lost, Reason: "REJECTD"}, true},
		{deliver(4, "id:A1 stat:ACCEPTD"), channel.Report{Reference: "A1"}, true},
		{deliver(4, "text:id:A1 stat:DELIVRD"), channel.Report{}, true},
		{deliver(4, "", id, smpp.TLV{Tag: smpp.MessageState, Value: []byte{2}}), channel.Report{Reference: "A1", Arrival: channel.Arrived}, true},
		{deliver(0, "", id, smpp.TLV{Tag: smpp.MessageState, Value: []byte{5}}, smpp.TLV{Tag: smpp.NetworkError, Value: []byte{3, 0, 27}}), channel.Report{Reference: "A1", Arrival: channel.Lost, Reason: "UNDEL 27"}, true},
		{deliver(4, "id:B2 stat:DELIVRD", id, smpp.TLV{Tag: smpp.MessageState, Value: []byte{1}}), channel.Report{Reference: "A1"}, true},
		{deliver(4, "", smpp.TLV{Tag: smpp.MessagePayload, Value: []byte("id:A1 stat:DELIVRD")}), channel.Report{Reference: "A1", Arrival: channel.Arrived}, true},
		{deliver(0, "id:A1 stat:DELIVRD"), channel.Report{}, false}, // somebody wrote that
	} {
		if got, ok := smpp.ReadReceipt(c.p); got != c.want || ok != c.ok {
			t.Errorf("%q %v: %+v %t", c.p.Short.Text, c.p.TLVs, got, ok)
		}
	}
}

func TestReadReply(t *testing.T) {
	for name, c := range map[string]struct {
		from   smpp.Address
		coding byte
		text   string
		want   channel.Reply
		ok     bool
	}{
		"number":   {smpp.Address{TON: 1, NPI: 1, Addr: "491700000001"}, 0, "ja", channel.Reply{From: "+491700000001", Text: "ja"}, true},
		"zeros":    {smpp.Address{Addr: "00491700000001"}, 1, "1", channel.Reply{From: "+491700000001", Text: "1"}, true},
		"umlaut":   {smpp.Address{Addr: "+491700000001"}, 0, "\x7Fbernehme", channel.Reply{From: "+491700000001", Text: "àbernehme"}, true},
		"latin":    {smpp.Address{Addr: "+491700000001"}, 3, "\xfcbernehme", channel.Reply{From: "+491700000001", Text: "übernehme"}, true},
		"ucs2":     {smpp.Address{Addr: "+491700000001"}, 8, "\x00j\x00a", channel.Reply{From: "+491700000001", Text: "ja"}, true},
		"a name":   {smpp.Address{TON: 5, Addr: "Bank"}, 0, "1", channel.Reply{Text: "1"}, false},
		"national": {smpp.Address{TON: 2, Addr: "01700000001"}, 0, "1", channel.Reply{Text: "1"}, false},
		"nothing":  {smpp.Address{Addr: "+491700000001"}, 0, "", channel.Reply{From: "+491700000001"}, false},
	} {
		p := smpp.PDU{Command: smpp.DeliverSM, Short: &smpp.Short{From: c.from, Coding: c.coding, Text: []byte(c.text)}}
		if got, ok := smpp.ReadReply(p); got != c.want || ok != c.ok {
			t.Errorf("%s: %+v %t", name, got, ok)
		}
	}
}

// FuzzDecode: whatever a line brings is a PDU that reads the same again, or an error.
func FuzzDecode(f *testing.F) {
	for _, p := range []smpp.PDU{
		{Command: smpp.BindTransceiver, Seq: 1, Bind: &smpp.Bind{SystemID: "a", Password: "b"}},
		{Command: smpp.DeliverSM, Seq: 2, Short: &smpp.Short{Class: 4, Text: []byte("id:1 stat:DELIVRD err:000")}, TLVs: []smpp.TLV{{Tag: smpp.MessageState, Value: []byte{2}}}},
		{Command: smpp.DeliverSM, Seq: 3, Short: &smpp.Short{Class: 0x40, Coding: 8, From: smpp.Address{Addr: "491700000001"}, Text: []byte{5, 0, 3, 1, 2, 2, 0, 'j'}}},
		{Command: smpp.SubmitSM.Answer(), Seq: 4, ID: "A1"},
		{Command: smpp.EnquireLink, Seq: 5},
	} {
		raw, err := smpp.Encode(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := smpp.Read(bytes.NewReader(raw))
		if err != nil {
			return
		}
		r, isReceipt := smpp.ReadReceipt(p)
		reply, isReply := smpp.ReadReply(p)
		if isReceipt && isReply && p.Short.Class&0x3C != 0 {
			t.Errorf("both a receipt %+v and an answer %+v", r, reply)
		}
		if strings.ContainsAny(r.Reference, " \n\x00") {
			t.Errorf("reference %q", r.Reference)
		}
		again, err := smpp.Encode(p)
		if err != nil {
			t.Fatalf("%+v cannot be written again: %v", p, err)
		}
		q, err := smpp.Decode(again)
		if err != nil || !reflect.DeepEqual(p, q) {
			t.Errorf("%+v reads as %+v (%v)", p, q, err)
		}
	})
}
