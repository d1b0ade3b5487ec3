package monitor

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// patterns remembers compiled expressions: compiling one costs as much as a
// whole check.
type patterns struct {
	mu sync.Mutex
	m  map[string]*regexp.Regexp
}

func (p *patterns) get(expr string) (*regexp.Regexp, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if re := p.m[expr]; re != nil {
		return re, nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, failf(ReasonInvalid, "the pattern cannot be read")
	}
	if p.m == nil || len(p.m) >= 1000 {
		p.m = map[string]*regexp.Regexp{}
	}
	p.m[expr] = re
	return re, nil
}

// judgeBody reads the body to its end, or to the first MiB, and applies the
// conditions on the way. A body that stops in the middle is a failure even
// without a condition: a page that never finishes is broken for its reader.
func (p *httpProber) judgeBody(a *answer, e *Expect, b *leanBuffer) error {
	asks := e.Body != "" || e.Regex != "" || len(e.JSON) > 0
	body := a.body
	if asks {
		switch a.encoding {
		case "", "identity":
		case "gzip", "x-gzip": // not asked for, but some servers insist
			z, err := gzip.NewReader(body)
			if err != nil {
				return bodyError(err)
			}
			defer z.Close()
			body = z
		default:
			return failf(ReasonBody, "the answer is encoded as %s", a.encoding)
		}
	}
	w := &watched{r: body, left: maxBody}
	if e.Body != "" {
		w.watch(e.Body, a.charset)
	}
	if !asks {
		return w.drain(b.scratch[:])
	}
	if len(e.JSON) > 0 {
		if err := w.judgeJSON(e.JSON); err != nil {
			return err
		}
	}
	if e.Regex != "" {
		re, err := p.texts.get(e.Regex)
		if err != nil {
			return err
		}
		if err := w.judgeRegex(re); err != nil {
			return err
		}
	}
	if err := w.drain(b.scratch[:]); err != nil {
		return err
	}
	if e.Body == "" || w.found {
		return nil
	}
	if w.cut {
		return failf(ReasonTooLarge, "expected text not within the first %d KiB", maxBody>>10)
	}
	return failf(ReasonBody, "expected text is missing in %d bytes", maxBody-w.left)
}

// bodyError keeps the words of a broken body apart from those of a target that
// is simply gone.
func bodyError(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errShort
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return failf(ReasonBody, "the compressed answer is damaged")
	}
	return during("reading the answer", err)
}

// watched reads a body once and looks for a text as it goes by, so that the
// memory of a check does not grow with its target.
type watched struct {
	r    io.Reader
	left int   // how much may still be read
	cut  bool  // there was more than that
	err  error // why reading ended: io.EOF for a whole body

	needles [][]byte
	found   bool
	tail    []byte // end of what went by, in case the text spans two reads

	kept []byte // the body itself, for conditions that need all of it
	keep bool
}

// watch looks for a text, in the encodings that the page may use.
func (w *watched) watch(text, charset string) {
	w.needles = append(w.needles, []byte(text))
	if charset == "" || charset == "iso-8859-1" || charset == "windows-1252" || charset == "latin1" || charset == "iso-8859-15" {
		if latin, ok := latin1(text); ok {
			w.needles = append(w.needles, latin)
		}
	}
}

// latin1 encodes a text that is not plain ASCII; old specialist applications
// still write it.
func latin1(s string) ([]byte, bool) {
	if utf8.RuneCountInString(s) == len(s) {
		return nil, false
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return nil, false
		}
		b = append(b, byte(r))
	}
	return b, true
}

func (w *watched) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.left == 0 {
		// One byte more tells a body that just fits from one that goes on.
		var one [1]byte
		n, err := io.ReadFull(w.r, one[:])
		w.cut = n > 0
		if !w.cut && err != nil {
			w.err = err
			return 0, err
		}
		w.err = io.EOF
		return 0, io.EOF
	}
	if len(p) > w.left {
		p = p[:w.left]
	}
	n, err := w.r.Read(p)
	w.left -= n
	w.see(p[:n])
	if w.keep {
		w.kept = append(w.kept, p[:n]...)
	}
	if err != nil {
		w.err = err
	}
	return n, err
}

func (w *watched) see(p []byte) {
	if len(w.needles) == 0 || w.found || len(p) == 0 {
		return
	}
	longest := 0
	for _, n := range w.needles {
		longest = max(longest, len(n))
		if bytes.Contains(p, n) {
			w.found = true
			return
		}
	}
	// Only the seam between two reads needs another look.
	seam := append(w.tail, p[:min(len(p), longest-1)]...)
	for _, n := range w.needles {
		if bytes.Contains(seam, n) {
			w.found = true
			return
		}
	}
	if len(p) >= longest-1 {
		w.tail = append(w.tail[:0], p[len(p)-(longest-1):]...)
	} else {
		w.tail = append(seam[:0], seam[max(0, len(seam)-(longest-1)):]...)
	}
}

// drain reads on until the end or the limit; without a limit in sight an
// endless body would keep a check busy until its timeout.
func (w *watched) drain(scratch []byte) error {
	for w.err == nil {
		if _, err := w.Read(scratch); err != nil {
			break
		}
	}
	if !errors.Is(w.err, io.EOF) {
		return bodyError(w.err)
	}
	return nil
}

func (w *watched) judgeRegex(re *regexp.Regexp) error {
	var match bool
	if w.keep {
		match = re.Match(w.kept)
	} else {
		match = re.MatchReader(bufio.NewReader(w))
	}
	switch {
	case match:
		return nil
	case w.err != nil && !errors.Is(w.err, io.EOF):
		return bodyError(w.err)
	case w.cut:
		return failf(ReasonTooLarge, "expected pattern not within the first %d KiB", maxBody>>10)
	}
	return failf(ReasonBody, "expected pattern is missing in %d bytes", maxBody-w.left)
}

// judgeJSON needs the whole document at hand, the one condition that does.
func (w *watched) judgeJSON(want map[string]string) error {
	w.keep = true
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{w}); err != nil {
		return bodyError(err)
	}
	if w.cut {
		return failf(ReasonTooLarge, "the JSON document is longer than %d KiB", maxBody>>10)
	}
	if !gjson.ValidBytes(w.kept) {
		return failf(ReasonBody, "the answer is not JSON")
	}
	for path, value := range want {
		got := gjson.GetBytes(w.kept, path)
		if !got.Exists() {
			return failf(ReasonBody, "JSON path %s is missing", path)
		}
		if value != "" && got.String() != value {
			return failf(ReasonBody, "JSON path %s is not as expected", path)
		}
	}
	return nil
}

// charsetOf reads the charset of a Content-Type, in lower case, empty when it
// names none.
func charsetOf(contentType string) string {
	switch _, params, _ := strings.Cut(contentType, ";"); params {
	case "":
		return ""
	case " charset=utf-8", "charset=utf-8", " charset=UTF-8", "charset=UTF-8": // as nearly everybody writes it
		return "utf-8"
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return strings.ToLower(params["charset"])
}
