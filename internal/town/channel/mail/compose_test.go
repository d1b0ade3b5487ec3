package mail

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tuermer/internal/town/channel"
)

// parsed is a mail as the standard library's reader sees it, which knows
// nothing of the writer.
type parsed struct {
	header     mail.Header
	text, html string
}

func parse(t testing.TB, raw []byte) parsed {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	p := parsed{header: m.Header}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "multipart/alternative" {
		if kind != "text/plain" || params["charset"] != "utf-8" {
			t.Fatal(kind, params)
		}
		p.text = decode(t, m.Header.Get("Content-Transfer-Encoding"), m.Body)
		return p
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for i := 0; ; i++ {
		part, err := r.NextRawPart()
		if err == io.EOF {
			if i != 2 {
				t.Fatalf("%d parts", i)
			}
			return p
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		body := decode(t, part.Header.Get("Content-Transfer-Encoding"), part)
		switch {
		case i == 0 && kind == "text/plain":
			p.text = body
		case i == 1 && kind == "text/html":
			p.html = body
		default:
			t.Fatalf("part %d is %s", i, kind)
		}
	}
}

func decode(t testing.TB, encoding string, r io.Reader) string {
	t.Helper()
	if encoding == "quoted-printable" {
		r = quotedprintable.NewReader(r)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if encoding == "7bit" && !ascii(string(b)) {
		t.Fatalf("7bit is not: %q", b)
	}
	return strings.TrimSuffix(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
}

func compose(t testing.TB, m channel.Message, eightBit bool) []byte {
	t.Helper()
	var w writer
	s := sender{address: "lage@tuermer.example", name: "Türmer Musterstadt", idDomain: "tuermer.example"}
	if err := w.compose(s, &m, "ada@musterstadt.example", eightBit, testNow); err != nil {
		t.Fatal(err)
	}
	return w.buf
}

func TestComposePlain(t *testing.T) {
	m := message(1)
	m.To, m.Text = "ada@musterstadt.example", "Grüße\nhttps://lage.example/a?x=1&y=2"
	raw := compose(t, m, false)
	p := parse(t, raw)
	var names []string
	for l := range strings.SplitSeq(string(raw[:bytes.Index(raw, []byte("\r\n\r\n"))]), "\r\n") {
		if name, _, ok := strings.Cut(l, ":"); ok && l[0] != ' ' {
			names = append(names, name)
		}
	}
	want := []string{
		"Date", "From", "To", "Message-ID", "Subject", "Auto-Submitted", "X-Auto-Response-Suppress", "Importance",
		"Content-Language", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
	}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	if d, err := p.header.Date(); err != nil || !d.Equal(testNow) {
		t.Error(d, err)
	}
	from, err := p.header.AddressList("From")
	if err != nil || from[0].Name != "Türmer Musterstadt" || from[0].Address != "lage@tuermer.example" {
		t.Error(from, err)
	}
	if p.header.Get("Message-ID") != "<m1@tuermer.example>" || p.header.Get("Auto-Submitted") != "auto-generated" {
		t.Error(p.header)
	}
	if s, err := new(mime.WordDecoder).DecodeHeader(p.header.Get("Subject")); err != nil || s != m.Subject {
		t.Error(s, err)
	}
	if p.text != m.Text || p.header.Get("Content-Transfer-Encoding") != "quoted-printable" {
		t.Errorf("%q %s", p.text, p.header.Get("Content-Transfer-Encoding"))
	}
	p = parse(t, compose(t, m, true))
	if p.text != m.Text || p.header.Get("Content-Transfer-Encoding") != "8bit" {
		t.Errorf("%q %s", p.text, p.header.Get("Content-Transfer-Encoding"))
	}
	m.Text = "ascii " + strings.Repeat("x", 999)
	p = parse(t, compose(t, m, true))
	if p.text != m.Text || p.header.Get("Content-Transfer-Encoding") != "quoted-printable" {
		t.Error(p.header.Get("Content-Transfer-Encoding"))
	}
	m.Text = ""
	if p = parse(t, compose(t, m, false)); p.text != "" || p.header.Get("Content-Transfer-Encoding") != "7bit" {
		t.Error(p)
	}
}

func TestComposeThread(t *testing.T) {
	first, later := message(1), message(2)
	first.Thread, later.Thread = "alert-7", "alert-7"
	first.FirstOfThread = true
	a, b := parse(t, compose(t, first, false)).header, parse(t, compose(t, later, false)).header
	root := a.Get("Message-ID")
	if root == "" || b.Get("In-Reply-To") != root || b.Get("References") != root || b.Get("Message-ID") != "<m2@tuermer.example>" {
		t.Error(a, b)
	}
	if a.Get("In-Reply-To") != "" || a.Get("References") != "" {
		t.Error(a)
	}
	// Another reader's first mail is another mail.
	if threadAtom("alert-7", "ada@x.de") == threadAtom("alert-7", "bert@x.de") || threadAtom("alert-7", "ada@x.de") != threadAtom("alert-7", "Ada@x.de") {
		t.Error("roots")
	}
}

func TestComposeBulk(t *testing.T) {
	m := message(1)
	m.Class, m.Automatic = channel.Bulk, false
	m.HTML = "<p>Grüße</p>"
	m.ListUnsubscribe = "https://status.example/abmelden/" + strings.Repeat("t", 200)
	p := parse(t, compose(t, m, true))
	if p.header.Get("List-Unsubscribe") != "<"+m.ListUnsubscribe+">" || p.header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		t.Error(p.header)
	}
	if p.header.Get("Precedence") != "bulk" || p.header.Get("Auto-Submitted") != "" || p.header.Get("Importance") != "" || p.html != m.HTML {
		t.Error(p)
	}
	m.ListUnsubscribe = "http://127.0.0.1:8421/abmelden"
	if p = parse(t, compose(t, m, true)); p.header.Get("List-Unsubscribe") == "" || p.header.Get("List-Unsubscribe-Post") != "" {
		t.Error(p.header)
	}
	for _, bad := range []string{"javascript:1", "https://a/\r\nBcc: x@y", "https://a/>,<mailto:x@y>", "https:///x", "abmelden"} {
		m.ListUnsubscribe = bad
		if err := new(writer).compose(sender{}, &m, "a@b.de", true, testNow); err == nil {
			t.Error(bad)
		}
		n := newNetwork(0)
		_, err := adapter(t, n).Send(t.Context(), m)
		want(t, err, "config", "P")
	}
}

// TestComposeTwiceIsTheSame holds what a retry relies on.
func TestComposeTwiceIsTheSame(t *testing.T) {
	m := message(1)
	m.HTML = "<p>Grüße</p>"
	var w writer
	s := sender{address: "a@b.de", idDomain: "b.de"}
	if err := w.compose(s, &m, "x@y.de", true, testNow); err != nil {
		t.Fatal(err)
	}
	once := bytes.Clone(w.buf)
	other := message(2)
	w.compose(s, &other, "z@y.de", false, testNow)
	w.compose(s, &m, "x@y.de", true, testNow.Add(time.Hour)) // m has a Date of its own
	if !bytes.Equal(once, w.buf) {
		t.Errorf("%s\n%s", once, w.buf)
	}
	m.Date = time.Time{}
	w.compose(s, &m, "x@y.de", true, testNow)
	if d, err := parse(t, w.buf).header.Date(); err != nil || !d.Equal(testNow) {
		t.Error(d, err)
	}
}

// checkMail holds for every mail, whatever was put in: the standard library
// reads it, it has our fields once each and no other, no line is too long, and
// the texts come back.
func checkMail(t testing.TB, m channel.Message, raw []byte, eightBit bool) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\r\n"), "\r\n") {
		if strings.ContainsAny(line, "\r\n\x00") || len(line) > maxLine {
			t.Fatalf("line %q", line)
		}
	}
	if !bytes.HasSuffix(raw, []byte("\r\n")) || !eightBit && !ascii(string(raw)) {
		t.Fatalf("%q", raw)
	}
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(line) > foldAt && !bytes.HasPrefix(line, []byte(" <")) && !bytes.HasPrefix(line, []byte("Content-Type:")) {
			t.Fatalf("header line of %d bytes: %q", len(line), line)
		}
		if !ascii(string(line)) {
			t.Fatalf("%q", line)
		}
	}
	p := parse(t, raw)
	allowed := []string{
		"Date", "From", "To", "Message-Id", "In-Reply-To", "References", "Subject", "Auto-Submitted",
		"X-Auto-Response-Suppress", "Precedence", "Importance", "List-Unsubscribe", "List-Unsubscribe-Post",
		"Content-Language", "Mime-Version", "Content-Type", "Content-Transfer-Encoding",
	}
	for name, values := range p.header {
		if !slices.Contains(allowed, name) || len(values) != 1 {
			t.Fatalf("header %q %q", name, values)
		}
	}
	to, err := p.header.AddressList("To")
	if err != nil || len(to) != 1 || to[0].Address != "ada@musterstadt.example" || to[0].Name != clean(m.ToName, maxName) {
		t.Fatalf("To %q %v, name %q", p.header.Get("To"), err, m.ToName)
	}
	if s, err := new(mime.WordDecoder).DecodeHeader(p.header.Get("Subject")); err != nil || s != clean(m.Subject, maxHeader) {
		t.Fatalf("Subject %q %v, want %q", s, err, clean(m.Subject, maxHeader))
	}
	id := p.header.Get("Message-ID")
	if a, err := mail.ParseAddress(id); err != nil || !strings.HasSuffix(a.Address, "@tuermer.example") {
		t.Fatalf("Message-ID %q %v", id, err)
	}
	if want := strings.TrimSuffix(plain(m.Text), "\n"); p.text != want {
		t.Fatalf("text %q, want %q", p.text, want)
	}
	if want := strings.TrimSuffix(plain(m.HTML), "\n"); m.HTML != "" && p.html != want {
		t.Fatalf("html %q, want %q", p.html, want)
	}
}

// plain is normalise's promise in other words.
func plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\r' && strings.HasPrefix(s[i:], "\r\n"):
			n = 2
			b.WriteByte('\n')
		case r == '\r' || r == '\n':
			b.WriteByte('\n')
		case r == '\t' || r >= ' ' && r != 0x7f:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

func FuzzCompose(f *testing.F) {
	f.Add("m1", "Ada Beispiel", "Bürgerportal antwortet nicht", "Grüße\n.\n", "<p>", "t", "de", true)
	f.Add("a\r\nBcc: x@y", "A\r\nBcc: x@y", "S\r\n\r\nbody", "\r\r\n\x00\xff", "--=_", "t\n", "de\r\nX: y", false)
	f.Add("", `Dr. "A" \ <x@y>`, "=?utf-8?q?x?=", strings.Repeat("x", 2000), "", ">", "", true)
	f.Add(".a.", strings.Repeat("ä", 300), strings.Repeat("漢字 ", 300), "a \nb\t\n", "", "", "x", false)
	f.Fuzz(func(t *testing.T, id, name, subject, text, html, thread, lang string, flag bool) {
		m := channel.Message{
			ID: id, ToName: name, Subject: subject, Text: text, HTML: html, Thread: thread, FirstOfThread: flag,
			Language: lang, Automatic: true, Class: channel.Bulk, ListUnsubscribe: "https://status.example/ab",
		}
		checkMail(t, m, bytes.Clone(compose(t, m, flag)), flag)
		checkMail(t, m, bytes.Clone(compose(t, m, !flag)), !flag)
	})
}

func TestComposeProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := message(1)
		m.ToName, m.Subject = rapid.String().Draw(r, "name"), rapid.String().Draw(r, "subject")
		m.Text, m.HTML = rapid.String().Draw(r, "text"), rapid.String().Draw(r, "html")
		eight := rapid.Bool().Draw(r, "eight")
		checkMail(t, m, compose(t, m, eight), eight)
	})
}

func TestStuffingIsUndone(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		lines := rapid.SliceOf(rapid.StringMatching(`[.a]{0,4}`)).Draw(r, "lines")
		body := ""
		for _, l := range lines {
			body += l + "\r\n"
		}
		var back []string
		for l := range strings.SplitSeq(string(appendStuffed(nil, []byte(body))), "\r\n") {
			if l == "." {
				r.Fatal("ended early")
			}
			back = append(back, strings.TrimPrefix(l, "."))
		}
		if strings.Join(back, "\r\n") != body {
			r.Fatalf("%q %q", back, body)
		}
	})
}

func TestCheckAddress(t *testing.T) {
	for in, out := range map[string]string{
		"ada@musterstadt.example":         "ada@musterstadt.example",
		"a.b+c=d@x-y.example":             "a.b+c=d@x-y.example",
		"root@localhost":                  "root@localhost",
		"rat@müllerstadt.de":              "rat@xn--mllerstadt-9db.de",
		"a@[192.0.2.1]":                   "a@[192.0.2.1]",
		"a@[IPv6:2001:db8::1]":            "a@[IPv6:2001:db8::1]",
		"o'neil@musterstadt.de":           "o'neil@musterstadt.de",
		strings.Repeat("a", 64) + "@b.de": strings.Repeat("a", 64) + "@b.de",
	} {
		if got, err := CheckAddress(in); err != nil || got != out {
			t.Errorf("%s: %q %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "@", "a@", "@b", "a@b@c d", ".a@b.de", "a.@b.de", "a..b@b.de", `"a b"@c.de`, "ä@b.de", "a@-b.de", "a@b-.de",
		"a@b..de", "a@.de", "a@b.de.", "a@[1.2.3]", "a@[2001:db8::1]", "a@[fe80::1%eth0]", "a@b.de>", "a b@c.de", "a@b c.de",
		"Ada <a@b.de>", "a@b.de,c@d.de", "a\x00@b.de", "a@b.de\n", "a@b.de\r\nRCPT TO:<c@d.de>", "a@\xff.de",
		"a@" + strings.Repeat("b", 64) + ".de", "a@" + strings.Repeat("bc.", 90) + "de",
	} {
		if got, err := CheckAddress(in); err == nil {
			t.Errorf("%q passed as %q", in, got)
		}
	}
}

func FuzzCheckAddress(f *testing.F) {
	f.Add("ada@müllerstadt.de")
	f.Add("a@[IPv6:::1]")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := CheckAddress(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(got, " \t\r\n<>,\x00\"") || !ascii(got) || len(got) > 254 {
			t.Fatalf("%q", got)
		}
		if again, err := CheckAddress(got); err != nil || again != got {
			t.Fatalf("%q %q %v", got, again, err)
		}
		if !strings.Contains(got, "[") {
			if a, err := mail.ParseAddress(got); err != nil || a.Address != got {
				t.Fatalf("%q: %v", got, err)
			}
		}
	})
}
