package statuspage

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	"tuermer/internal/platform/i18n"
)

// Document is one answer, ready to be sent: bytes and headers are made when the
// page is built, so that a request only chooses. It never changes; whoever
// serves pages without net/http (see [Room.Lookup]) may keep it as long as it is
// being written.
type Document struct {
	Status int
	Plain  []byte
	Gzip   []byte // nil when compressing gains nothing
	// Location is where a redirect leads; Plain is empty then.
	Location string
	// Modified is when the content last changed, in whole seconds, later for
	// every change.
	Modified time.Time

	tag string               // inside the quotes of the strong ETag
	alt map[i18n.Lang]string // the same page in other languages

	// Header values, each in the slice that a header map holds.
	mime, etagPlain, etagGzip, modified, lengthPlain, lengthGzip, cache, location, content []string
	// foreign pages may read it (feeds and summaries hold nothing but what
	// everybody can read anyway).
	foreign bool
	// policy stands in place of the listener's; nil: it holds.
	policy []string
}

// How long an answer may be used without asking again. Browsers always ask (and
// mostly hear "not modified"); caches in front of us keep it for a breath.
const (
	cachePage  = "public, max-age=0, s-maxage=5, must-revalidate"
	cacheAsset = "public, max-age=31536000, immutable"
)

// newDocument prepares body. Old is what stood at the same address; when the
// bytes are the same it is kept, with its ETag and its date.
func newDocument(old *Document, status int, mime string, body []byte, now time.Time) (*Document, error) {
	sum := sha256.Sum256(body)
	tag := base64.RawURLEncoding.EncodeToString(sum[:12])
	if old != nil && old.tag == tag && old.Status == status && old.mime[0] == mime {
		return old, nil
	}
	d := &Document{Status: status, Plain: body, tag: tag, Modified: now.Truncate(time.Second)}
	if old != nil && !d.Modified.After(old.Modified) {
		// Two versions within a second must not share a date, or a reader who
		// asks by date misses the second.
		d.Modified = old.Modified.Add(time.Second)
	}
	packed, err := squeeze(body)
	if err != nil {
		return nil, err
	}
	if len(packed) < len(body) {
		d.Gzip = packed
		d.lengthGzip = []string{strconv.Itoa(len(packed))}
	}
	d.mime = []string{mime}
	d.etagPlain = []string{`"` + tag + `"`}
	d.etagGzip = []string{`"` + tag + `-gz"`}
	d.modified = []string{d.Modified.UTC().Format(http.TimeFormat)}
	d.lengthPlain = []string{strconv.Itoa(len(body))}
	d.cache = []string{cachePage}
	return d, nil
}

func redirect(to string) *Document {
	return &Document{Status: http.StatusPermanentRedirect, Location: to, location: []string{to}, cache: []string{cachePage}}
}

func squeeze(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w := squeezers.Get().(*gzip.Writer)
	defer squeezers.Put(w)
	w.Reset(&b)
	if _, err := w.Write(body); err != nil {
		return nil, fmt.Errorf("statuspage: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("statuspage: %w", err)
	}
	return b.Bytes(), nil
}

// squeezers are kept: each takes most of a megabyte, and a page has dozens of
// documents.
var squeezers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestCompression) // it fails for unknown levels alone
	return w
}}

var (
	gzipCoding   = []string{"gzip"}
	varyEncoding = []string{"Accept-Encoding"}
	everybody    = []string{"*"}
	crossOrigin  = []string{"cross-origin"}
	sameOrigin   = []string{"same-origin"}
)

// serve answers with d. Header keys are written in canonical form, so that the
// prepared slices can be put in as they are.
func (d *Document) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Cache-Control"] = d.cache
	if d.Location != "" {
		h["Location"] = d.location
		w.WriteHeader(d.Status)
		return
	}
	h["Vary"] = varyEncoding
	h["Content-Type"] = d.mime
	if d.content != nil {
		h["Content-Language"] = d.content
	}
	if d.policy != nil {
		h["Content-Security-Policy"] = d.policy
		h["Cross-Origin-Resource-Policy"] = crossOrigin
	}
	if d.foreign {
		h["Access-Control-Allow-Origin"] = everybody
		h["Cross-Origin-Resource-Policy"] = crossOrigin
	}
	body, length, etag := d.Plain, d.lengthPlain, d.etagPlain
	packed := d.Gzip != nil && takesGzip(r.Header["Accept-Encoding"])
	if packed {
		body, length, etag = d.Gzip, d.lengthGzip, d.etagGzip
	}
	if d.Status == http.StatusOK {
		h["Etag"] = etag
		h["Last-Modified"] = d.modified
		if d.notModified(r.Header) {
			delete(h, "Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if packed {
		h["Content-Encoding"] = gzipCoding
	}
	h["Content-Length"] = length
	w.WriteHeader(d.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the reader may be gone
	}
}

// notModified follows RFC 9110, 13.2.2: the tag decides where one is sent, else
// the date. Both codings of a page are the same page.
func (d *Document) notModified(h http.Header) bool {
	if list := h["If-None-Match"]; len(list) > 0 {
		for _, line := range list {
			for part := range strings.SplitSeq(line, ",") {
				part = textproto.TrimString(part)
				part = strings.TrimPrefix(part, "W/")
				if part == "*" || part == d.etagPlain[0] || part == d.etagGzip[0] {
					return true
				}
			}
		}
		return false
	}
	if list := h["If-Modified-Since"]; len(list) == 1 {
		if list[0] == d.modified[0] {
			return true
		}
		since, err := http.ParseTime(list[0])
		return err == nil && !d.Modified.After(since)
	}
	return false
}

// takesGzip reads Accept-Encoding (RFC 9110, 12.5.3): gzip named, or "*", and
// not with weight 0.
func takesGzip(lines []string) bool {
	star := false
	for _, line := range lines {
		if line == "gzip" || strings.HasPrefix(line, "gzip,") {
			return true
		}
		for part := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(part, ";")
			coding = textproto.TrimString(coding)
			wanted := true
			if _, q, ok := strings.Cut(params, "="); ok {
				f, err := strconv.ParseFloat(textproto.TrimString(q), 64)
				wanted = err == nil && f > 0
			}
			switch {
			case strings.EqualFold(coding, "gzip"), strings.EqualFold(coding, "x-gzip"):
				return wanted
			case coding == "*":
				star = wanted
			}
		}
	}
	return star
}
