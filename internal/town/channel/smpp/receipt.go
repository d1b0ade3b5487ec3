package smpp

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"tuermer/internal/town/channel"
)

// The fields of a receipt's text, by SMPP 3.4, appendix B. What stands behind
// "text:" is the message itself and says nothing about its fate.
var (
	receiptText = regexp.MustCompile(`(?i)(^|\s)text:`)
	receiptID   = regexp.MustCompile(`(?i)(?:^|\s)id:(\S+)`)
	receiptStat = regexp.MustCompile(`(?i)(?:^|\s)stat:([A-Za-z]+)`)
	receiptErr  = regexp.MustCompile(`(?i)(?:^|\s)err:([0-9A-Za-z]+)`)
)

// fates are message states by the first letters of their names, which centres cut
// to seven.
var fates = []struct {
	name    string
	state   byte // of the field message_state
	arrival channel.Arrival
}{
	{"DELIV", 2, channel.Arrived},
	{"EXPIR", 3, channel.Lost},
	{"DELET", 4, channel.Lost},
	{"UNDEL", 5, channel.Lost},
	{"REJEC", 8, channel.Lost},
	{"SKIPP", 9, channel.Lost},
	{"FAILE", 0, channel.Lost},
	// ENROUTE, ACCEPTD and UNKNOWN say that nobody knows yet.
}

// ReadReceipt reads what became of a message; false: the PDU is no receipt. A
// state that says neither arrived nor lost has no [channel.Arrival]. The optional
// fields win over the text, since each provider writes that as it likes.
func ReadReceipt(p PDU) (channel.Report, bool) {
	if p.Command != DeliverSM || p.Short == nil {
		return channel.Report{}, false
	}
	id, state := strings.TrimRight(string(p.TLV(ReceiptedID)), "\x00"), p.TLV(MessageState)
	if p.Short.Class&classKind != classReceipt && (id == "" || len(state) != 1) {
		return channel.Report{}, false
	}
	text := ReadPiece(p).Text
	if at := receiptText.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	find := func(re *regexp.Regexp) string {
		if m := re.FindStringSubmatch(text); m != nil {
			return m[1]
		}
		return ""
	}
	r := channel.Report{Reference: token(cmp.Or(id, find(receiptID)))}
	stat, code := strings.ToUpper(find(receiptStat)), find(receiptErr)
	for _, f := range fates {
		if len(state) == 1 && f.state != 0 && state[0] == f.state || len(state) != 1 && strings.HasPrefix(stat, f.name) {
			r.Arrival, r.Reason = f.arrival, cmp.Or(stat, f.name)
		}
	}
	if r.Arrival != channel.Lost {
		r.Reason = ""
		return r, true
	}
	if n := p.TLV(NetworkError); len(n) == 3 {
		code = fmt.Sprint(int(n[1])<<8 | int(n[2]))
	}
	if strings.Trim(code, "0") != "" {
		r.Reason += " " + code
	}
	return r, true
}

// token is a message's name at the centre as one word, since a reference names
// several.
func token(id string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(id, ""), func(r rune) bool { return r <= ' ' || r == 0x7f }), "")
}

// ReadReply reads what somebody wrote; false: nobody could have. A part of a longer
// text says which one it is, so that a "ja" at its end takes no alarm.
func ReadReply(p PDU) (channel.Reply, bool) {
	if p.Command != DeliverSM || p.Short == nil || p.Short.Class&classKind != 0 {
		return channel.Reply{}, false
	}
	piece := ReadPiece(p)
	r := channel.Reply{From: number(p.Short.From), Text: piece.Text}
	if piece.Parts > 1 {
		r.Text = fmt.Sprintf("(%d/%d) %s", piece.Number, piece.Parts, r.Text)
	}
	return r, r.From != "" && strings.TrimSpace(r.Text) != ""
}

// number is E.164 with its plus; empty for what is none, such as a name.
func number(a Address) string {
	s := strings.TrimPrefix(strings.TrimPrefix(a.Addr, "+"), "00")
	if len(s) < 7 || len(s) > 15 || strings.Trim(s, "0123456789") != "" || s[0] == '0' {
		return ""
	}
	return "+" + s
}
