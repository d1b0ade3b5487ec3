package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"mime/quotedprintable"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tuermer/internal/town/channel"
)

// Limits of RFC 5322 (2.1.1) and RFC 2047 (2), in bytes without CRLF.
const (
	maxLine   = 998 // hard: a longer line may be cut or refused on the way
	foldAt    = 76  // soft: headers are folded here
	maxName   = 200 // runes of a display name; the rest is cut
	maxHeader = 500 // runes of a subject; the rest is cut, the text has it all
)

// writer composes one mail after the other into its own memory; a batch keeps
// one per message in flight, so a mailing of any size needs the same few buffers.
type writer struct {
	buf  []byte // the composed mail, CRLF line ends, not yet dot-stuffed
	text []byte // scratch: one part's text before its transfer encoding
	html []byte // scratch
	// eight says that buf has bytes beyond ASCII: MAIL must say BODY=8BITMIME.
	eight bool
}

// sender is what compose takes from the route.
type sender struct {
	address  string // checked, ASCII
	name     string
	idDomain string // right side of every Message-ID
}

// replied is a Message-ID of somebody else's that may stand in a header of ours.
var replied = regexp.MustCompile(`^<[!-;=?-~]{1,240}>$`)

// compose writes m for the checked address to. eightBit says that the server
// takes bytes beyond ASCII in the body. The result stays valid until the next
// call and depends on nothing but the arguments.
func (w *writer) compose(s sender, m *channel.Message, to string, eightBit bool, now time.Time) error {
	unsubscribe, oneClick, err := checkUnsubscribe(m.ListUnsubscribe)
	if err != nil {
		return err
	}
	date := m.Date
	if y := date.Year(); date.IsZero() || y < 1970 || y > 9999 {
		date = now
	}

	b := w.buf[:0]
	b = append(b, "Date: "...)
	b = date.AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 -0700")
	b = append(b, "\r\n"...)
	b = appendMailbox(b, "From", s.name, s.address)
	b = appendMailbox(b, "To", m.ToName, to)
	if m.Thread == "" {
		b = appendField(b, "Message-ID", "<"+idAtom(m.ID)+"@"+s.idDomain+">")
		if replied.MatchString(m.InReplyTo) {
			b = appendField(b, "In-Reply-To", m.InReplyTo)
			b = appendField(b, "References", m.InReplyTo)
		}
	} else {
		root := "<" + threadAtom(m.Thread, to) + "@" + s.idDomain + ">"
		if m.FirstOfThread {
			b = appendField(b, "Message-ID", root)
		} else {
			b = appendField(b, "Message-ID", "<"+idAtom(m.ID)+"@"+s.idDomain+">")
			b = appendField(b, "In-Reply-To", root)
			b = appendField(b, "References", root)
		}
	}
	b = appendText(b, "Subject", m.Subject)
	switch { // RFC 3834
	case m.Reply:
		b = appendField(b, "Auto-Submitted", "auto-replied")
	case m.Automatic:
		b = appendField(b, "Auto-Submitted", "auto-generated")
	}
	if m.Automatic || m.Class == channel.Bulk {
		// Exchange's own word for the same wish. Not "All": that would also
		// suppress the non-delivery reports that tell us of a dead mailbox.
		b = appendField(b, "X-Auto-Response-Suppress", "OOF, AutoReply, RN, NRN")
	}
	switch m.Class {
	case channel.Bulk:
		// Old vacation programs know only this; never on alarms, which some
		// filters would put off as bulk.
		b = appendField(b, "Precedence", "bulk")
	case channel.Alarm:
		b = appendField(b, "Importance", "high")
	}
	if unsubscribe != "" {
		b = appendField(b, "List-Unsubscribe", "<"+unsubscribe+">")
		if oneClick {
			b = appendField(b, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click") // RFC 8058
		}
	}
	if language(m.Language) {
		b = appendField(b, "Content-Language", m.Language)
	}
	b = appendField(b, "MIME-Version", "1.0")

	mixed := ""
	if len(m.Attached) > 0 {
		if mixed, err = outer(m); err != nil {
			return err
		}
		b = append(b, "Content-Type: multipart/mixed; boundary=\""+mixed+"\"\r\n\r\n--"+mixed+"\r\n"...)
	}
	var text, html part
	w.text, text = normalise(w.text[:0], m.Text, eightBit)
	w.eight = text.encoding == "8bit"
	if m.HTML == "" {
		b = appendPart(b, "text/plain", text, w.text)
	} else {
		w.html, html = normalise(w.html[:0], m.HTML, eightBit)
		w.eight = w.eight || html.encoding == "8bit"
		bound := boundary(m)
		b = append(b, "Content-Type: multipart/alternative; boundary=\""+bound+"\"\r\n"...)
		if w.eight { // RFC 2045, 6.4: the whole says what its parts need
			b = append(b, "Content-Transfer-Encoding: 8bit\r\n"...)
		}
		b = append(b, "\r\n--"+bound+"\r\n"...)
		b = appendPart(b, "text/plain", text, w.text)
		b = append(b, "\r\n--"+bound+"\r\n"...)
		b = appendPart(b, "text/html", html, w.html)
		b = append(b, "\r\n--"+bound+"--\r\n"...)
	}
	if mixed != "" {
		for _, a := range m.Attached {
			b = appendFile(b, mixed, a)
		}
		b = append(b, "\r\n--"+mixed+"--\r\n"...)
	}
	w.buf = b
	return nil
}

// idAtom turns any string into the left side of a Message-ID: itself when it is
// short and plain, as ours are, else a hash of it.
func idAtom(s string) string {
	if len(s) <= 100 && dotAtom(s) {
		return s
	}
	h := sha256.Sum256([]byte(s))
	return "h" + hex.EncodeToString(h[:16])
}

// threadAtom names the first mail of a thread to one reader, see the package
// comment.
func threadAtom(thread, to string) string {
	h := sha256.Sum256([]byte(strings.ToLower(to)))
	return idAtom(thread) + ".t" + hex.EncodeToString(h[:6])
}

// boundary depends on the text, so no text can contain its own boundary, and a
// retry is the same mail byte for byte.
func boundary(m *channel.Message) string {
	h := sha256.New()
	for _, s := range []string{m.ID, m.Text, m.HTML} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return "=_" + hex.EncodeToString(h.Sum(nil)[:16])
}

// checkUnsubscribe refuses what cannot stand between angle brackets: a mailing
// without the way out that the law asks for must not leave silently. One click
// (RFC 8058) is only for https.
func checkUnsubscribe(s string) (address string, oneClick bool, err error) {
	if s == "" {
		return "", false, nil
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == ',' {
			return "", false, errors.New("the address for unsubscribing has characters that a header cannot carry")
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(s) > 900 {
		return "", false, errors.New("the address for unsubscribing is no web address of at most 900 characters")
	}
	return s, u.Scheme == "https", nil
}

// language lets BCP 47's alphabet through and nothing else.
func language(s string) bool {
	if s == "" || len(s) > 35 {
		return false
	}
	for i := range len(s) {
		if !alnum(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

// appendField writes a field whose value is known to be plain ASCII.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ':')
	if len(name)+2+len(value) > foldAt && len(value) > 1 {
		b = append(b, "\r\n"...)
	}
	b = append(b, ' ')
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// appendText writes an unstructured field with any text in it.
func appendText(b []byte, name, value string) []byte {
	value = clean(value, maxHeader)
	b = append(b, name...)
	b = append(b, ": "...)
	col := len(name) + 2
	if plainWords(value) {
		for i, word := range strings.Split(value, " ") {
			if i > 0 {
				if col+1+len(word) > foldAt {
					b = append(b, "\r\n"...)
					col = 0
				}
				b = append(b, ' ')
				col++
			}
			b = append(b, word...)
			col += len(word)
		}
	} else {
		b, _ = appendWords(b, col, value)
	}
	return append(b, "\r\n"...)
}

// appendMailbox writes From or To with an optional display name.
func appendMailbox(b []byte, field, name, address string) []byte {
	name = clean(name, maxName)
	b = append(b, field...)
	b = append(b, ": "...)
	col := len(field) + 2
	switch {
	case name == "":
		b = append(b, address...)
		return append(b, "\r\n"...)
	case len(name) <= 60 && ascii(name) && !strings.Contains(name, "=?"):
		// A quoted-string takes everything printable; an atom would not take
		// the dot of "Dr. Ada".
		b = append(b, '"')
		for i := range len(name) {
			if name[i] == '"' || name[i] == '\\' {
				b = append(b, '\\')
			}
			b = append(b, name[i])
		}
		b = append(b, '"')
		col += len(name) + 2
	default:
		b, col = appendWords(b, col, name)
	}
	if col+3+len(address) > foldAt {
		b = append(b, "\r\n"...)
	}
	b = append(b, " <"...)
	b = append(b, address...)
	return append(b, ">\r\n"...)
}

// clean makes a one-line text: every control character and line separator
// becomes a space, runs of space become one, invalid UTF-8 becomes U+FFFD.
// This is what makes header injection impossible.
func clean(s string, runes int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
	if len(s) > runes && utf8.RuneCountInString(s) > runes {
		n := 0
		for i := range s {
			if n == runes-1 {
				return s[:i] + "…"
			}
			n++
		}
	}
	return s
}

// plainWords says that s can stand unencoded: ASCII, foldable, and not looking
// like an encoded-word.
func plainWords(s string) bool {
	if !ascii(s) || strings.Contains(s, "=?") {
		return false
	}
	for word := range strings.SplitSeq(s, " ") {
		if len(word) > 60 {
			return false
		}
	}
	return true
}

// appendWords writes s as encoded-words of RFC 2047, Q encoding, none longer
// than its line allows and none splitting a character; col is where the line
// stands. Only the characters allowed in a phrase stay bare.
func appendWords(b []byte, col int, s string) ([]byte, int) {
	const open, end = "=?utf-8?q?", "?="
	b = append(b, open...)
	col += len(open)
	for i := 0; i < len(s); {
		_, n := utf8.DecodeRuneInString(s[i:])
		need := 0
		for k := i; k < i+n; k++ {
			need += qLength(s[k])
		}
		if col+need+len(end) > foldAt-1 {
			b = append(b, end+"\r\n "+open...)
			col = 1 + len(open)
		}
		for k := i; k < i+n; k++ {
			switch c := s[k]; {
			case c == ' ':
				b = append(b, '_')
			case qLength(c) == 1:
				b = append(b, c)
			default:
				b = append(b, '=', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
			}
		}
		col += need
		i += n
	}
	return append(b, end...), col + len(end)
}

func qLength(c byte) int {
	if c == ' ' || alnum(c) || strings.IndexByte("!*+-/", c) >= 0 {
		return 1
	}
	return 3
}

// part is what normalise found out about a text.
type part struct {
	encoding string // Content-Transfer-Encoding
	charset  string
}

// normalise appends s with CRLF line ends, a last line end, without control
// characters other than the tab and with U+FFFD for what is no UTF-8, and says
// how it may travel.
func normalise(dst []byte, s string, eightBit bool) ([]byte, part) {
	start, line, longest := len(dst), len(dst), 0
	high := false
	endLine := func() {
		longest = max(longest, len(dst)-line)
		dst = append(dst, "\r\n"...)
		line = len(dst)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\r':
			endLine()
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
		case c == '\n':
			endLine()
		case c == '\t' || ' ' <= c && c < 0x7f:
			dst = append(dst, c)
		case c < 0x80: // control characters say nothing to a reader and NUL is forbidden
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				dst = append(dst, s[i:i+n]...)
			} else {
				dst = append(dst, "\uFFFD"...)
			}
			i += n - 1
			high = true
		}
	}
	if len(dst) == start || line != len(dst) {
		endLine()
	}
	p := part{encoding: "quoted-printable", charset: "utf-8"}
	if longest <= maxLine {
		switch {
		case !high:
			p.encoding = "7bit"
		case eightBit:
			p.encoding = "8bit"
		}
	}
	return dst, p
}

// appendPart writes the headers and the body of a leaf.
func appendPart(b []byte, kind string, p part, body []byte) []byte {
	b = append(b, "Content-Type: "...)
	b = append(b, kind...)
	b = append(b, "; charset="...)
	b = append(b, p.charset...)
	b = append(b, "\r\nContent-Transfer-Encoding: "...)
	b = append(b, p.encoding...)
	b = append(b, "\r\n\r\n"...)
	if p.encoding != "quoted-printable" {
		return append(b, body...)
	}
	sink := bytes.NewBuffer(b)
	q := quotedprintable.NewWriter(sink)
	q.Write(body) // a bytes.Buffer takes everything
	q.Close()
	return sink.Bytes()
}
