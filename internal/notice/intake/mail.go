package intake

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // knows the older alphabets
	"github.com/emersion/go-message/mail"
	"golang.org/x/net/html"
)

// letter is what is read of a mail.
type letter struct {
	Subject, From, To, ID string
	Date                  time.Time
	Text                  string
	Reply                 bool // a machine's answer to a mail of ours (RFC 3834)
}

// Bounds of a mail, whoever wrote it.
const (
	maxMailHead  = 256 << 10
	maxMailText  = 64 << 10
	maxMailParts = 40
	maxMailDepth = 6
)

// readLetter takes a mail apart: the header, and its text, or else what a
// browser would show of it. A mail that ends too early is read as far as it goes.
func readLetter(data []byte) (letter, error) {
	data = bytes.TrimLeft(data, "\r\n")
	if len(bytes.TrimSpace(data)) == 0 {
		return letter{}, ErrEmpty
	}
	e, err := message.ReadWithOptions(bytes.NewReader(data), &message.ReadOptions{MaxHeaderBytes: maxMailHead})
	if e == nil || err != nil && !foreign(err) || e.Header.Len() == 0 {
		return letter{}, ErrForm
	}
	h := mail.Header{Header: e.Header}
	l := letter{Subject: head(h, "Subject"), From: head(h, "From"), To: head(h, "To"), ID: head(h, "Message-Id")}
	l.Reply = strings.HasPrefix(strings.ToLower(strings.TrimSpace(h.Get("Auto-Submitted"))), "auto-replied")
	if d, err := h.Date(); err == nil && d.Year() >= 2000 && d.Year() < 2200 {
		l.Date = d.UTC()
	}
	var b bodies
	b.walk(e, 0)
	if l.Text = strings.TrimSpace(b.plain); l.Text == "" {
		l.Text = webText(b.web)
	}
	if l.Subject == "" && l.Text == "" {
		return l, ErrEmpty
	}
	return l, nil
}

// foreign: an alphabet or a packing that nobody knows; the bytes are there.
func foreign(err error) bool { return message.IsUnknownCharset(err) || message.IsUnknownEncoding(err) }

// head is a field of the header as text. What is not encoded as it should be
// comes from an older Windows.
func head(h mail.Header, name string) string {
	s, err := h.Text(name)
	if err != nil || !utf8.ValidString(s) {
		s = text([]byte(h.Get(name)))
	}
	return line(s, 1000)
}

// bodies are the first text of a mail and the first page in it.
type bodies struct {
	plain, web string
	parts      int
}

func (b *bodies) walk(e *message.Entity, depth int) {
	if b.parts++; b.parts > maxMailParts || depth > maxMailDepth {
		return
	}
	if parts := e.MultipartReader(); parts != nil {
		for b.parts <= maxMailParts {
			p, err := parts.NextPart()
			if p == nil || err != nil && !foreign(err) {
				return
			}
			b.walk(p, depth+1)
		}
		return
	}
	kind, _, err := e.Header.ContentType()
	if err != nil {
		kind = "text/plain"
	}
	if how, _, err := e.Header.ContentDisposition(); err == nil && how == "attachment" {
		return
	}
	into := &b.plain
	switch kind {
	case "text/plain", "":
	case "text/html":
		into = &b.web
	default:
		return
	}
	if *into != "" {
		return
	}
	raw, err := io.ReadAll(io.LimitReader(e.Body, maxMailText))
	if err != nil && len(raw) == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
		return
	}
	*into = text(raw)
}

// webText is what a browser would show of a page, line by line.
func webText(page string) string {
	var out strings.Builder
	hidden := ""
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return squeeze(out.String())
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			switch n := string(name); n {
			case "script", "style", "title":
				if hidden == "" {
					hidden = n
				}
			case "br", "p", "div", "tr", "li", "table", "h1", "h2", "h3", "h4":
				out.WriteByte('\n')
			case "td", "th":
				out.WriteByte(' ')
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if string(name) == hidden {
				hidden = ""
			}
		case html.TextToken:
			if hidden == "" {
				out.WriteString(strings.Map(func(r rune) rune {
					if unicode.IsSpace(r) {
						return ' '
					}
					return r
				}, string(z.Text())))
			}
		case html.CommentToken, html.DoctypeToken:
		}
	}
}

var blank = regexp.MustCompile(`[ \t]*\n\s*`)

// squeeze takes empty lines and runs of spaces out, and what stands for a letter
// puts the letter in.
func squeeze(s string) string {
	s = html.UnescapeString(blank.ReplaceAllString(s, "\n"))
	var lines []string
	for l := range strings.SplitSeq(s, "\n") {
		if l = strings.Join(strings.Fields(l), " "); l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}
