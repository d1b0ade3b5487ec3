package mail

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/town/channel"
)

// TestAttachedFilesArrive: whatever is in a file and beside it, a reader of mails
// gets back the very bytes, and no line is too long.
func TestAttachedFilesArrive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 4000).Draw(t, "data")
		m := channel.Message{
			ID: "brief-1", Kind: channel.Mail, Subject: "Lage", Text: rapid.String().Draw(t, "text"), HTML: rapid.SampledFrom([]string{"", "<p>x</p>"}).Draw(t, "html"),
			Attached: []channel.Attachment{{Name: "lage.pdf", Type: "application/pdf", Data: data}},
		}
		var w writer
		if err := w.compose(sender{address: "a@b.example", idDomain: "b.example"}, &m, "c@d.example", rapid.Bool().Draw(t, "eight"), time.Unix(1_790_000_000, 0)); err != nil {
			t.Fatal(err)
		}
		for line := range bytes.SplitSeq(w.buf, []byte("\r\n")) {
			if len(line) > maxLine || bytes.ContainsAny(line, "\r\n") {
				t.Fatalf("a line of %d bytes", len(line))
			}
		}
		in, err := mail.ReadMessage(bytes.NewReader(w.buf))
		if err != nil {
			t.Fatal(err)
		}
		kind, params, err := mime.ParseMediaType(in.Header.Get("Content-Type"))
		if err != nil || kind != "multipart/mixed" {
			t.Fatal(kind, err)
		}
		parts := multipart.NewReader(in.Body, params["boundary"])
		if _, err := parts.NextPart(); err != nil {
			t.Fatal(err)
		}
		file, err := parts.NextPart()
		if err != nil || file.FileName() != "lage.pdf" || file.Header.Get("Content-Type") != `application/pdf; name="lage.pdf"` {
			t.Fatal(err, file)
		}
		got, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, file))
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%v: %d bytes of %d", err, len(got), len(data))
		}
		if _, err := parts.NextPart(); err != io.EOF {
			t.Fatal("there is more", err)
		}
	})
}

func TestAttachedNamesAreHeld(t *testing.T) {
	for _, a := range []channel.Attachment{
		{Name: "a\"\r\nX: 1", Type: "application/pdf"},
		{Name: "", Type: "application/pdf"},
		{Name: "lage.pdf", Type: "text/html; charset=x"},
		{Name: "../lage.pdf", Type: "application/pdf"},
		{Name: "groß.pdf", Type: "application/pdf"},
		{Name: "l.pdf", Type: "application/pdf", Data: make([]byte, maxAttached+1)},
	} {
		var w writer
		m := channel.Message{ID: "1", Subject: "x", Text: "y", Attached: []channel.Attachment{a}}
		if err := w.compose(sender{address: "a@b.example", idDomain: "b.example"}, &m, "c@d.example", false, time.Unix(1_790_000_000, 0)); err == nil {
			t.Errorf("%q, %q went out", a.Name, a.Type)
		}
	}
}
