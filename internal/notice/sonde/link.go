package sonde

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/fence"
	"tuermer/internal/town/service"
)

// act is what a signed request is for; it is part of what is signed, so that no
// request can be taken for another. The address is not: a proxy may change it.
type act string

const (
	actJoin   act = "join"
	actWatch  act = "watch"
	actReport act = "report"
)

// path is where the server takes a request.
func (a act) path() string { return "/sonde/link/" + string(a) }

// Limits of what travels.
const (
	maxBody       = 768 << 10 // of a request
	maxAssignment = 64 << 20  // of an answer
	maxReports    = 500       // in one delivery
	maxWait       = 25 * time.Second
)

// window is how far the moment in a signature may lie from ours. Nonces are
// remembered for longer than that.
const window = 2 * time.Minute

// The headers of a signed request.
const (
	headerKey       = "Tuermer-Sonde"
	headerTime      = "Tuermer-Time"
	headerNonce     = "Tuermer-Nonce"
	headerSignature = "Tuermer-Signature"
)

// refusal is why the server did not take a request; the sonde knows what to do
// about each.
type refusal string

const (
	refusedUnknown refusal = "unknown" // no such key here, or the signature is wrong
	refusedRevoked refusal = "revoked"
	refusedClock   refusal = "clock"  // the moment is too far from ours
	refusedReplay  refusal = "replay" // the nonce was used
	refusedToken   refusal = "token"  // no such one-time token, or it is over
	refusedPace    refusal = "pace"   // slow down
	refusedBody    refusal = "body"   // not understood
)

// status is the refusal as HTTP says it.
func (r refusal) status() int {
	switch r {
	case refusedRevoked, refusedToken:
		return http.StatusForbidden
	case refusedPace:
		return http.StatusTooManyRequests
	case refusedBody:
		return http.StatusUnprocessableEntity
	}
	return http.StatusUnauthorized
}

// KeyID names a public key: the first half of its digest.
func KeyID(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:16])
}

// seal is what is signed.
func seal(a act, key, moment, nonce string, body []byte) []byte {
	sum := sha256.Sum256(body)
	return []byte(strings.Join([]string{"tuermer-sonde-1", string(a), key, moment, nonce, hex.EncodeToString(sum[:])}, "\n"))
}

// sign puts the headers of a signed request into h.
func sign(h http.Header, key ed25519.PrivateKey, a act, now time.Time, body []byte) {
	pub, _ := key.Public().(ed25519.PublicKey)
	id, moment, nonce := KeyID(pub), strconv.FormatInt(now.UnixMilli(), 10), rand.Text()
	h.Set(headerKey, id)
	h.Set(headerTime, moment)
	h.Set(headerNonce, nonce)
	h.Set(headerSignature, base64.StdEncoding.EncodeToString(ed25519.Sign(key, seal(a, id, moment, nonce, body))))
}

// signed is a request whose headers have the right shape; nothing is proved yet.
type signed struct {
	act       act
	key       string
	moment    string
	nonce     string
	signature []byte
	body      []byte
}

var (
	keyForm   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	nonceForm = regexp.MustCompile(`^[A-Za-z0-9_-]{16,64}$`)
	timeForm  = regexp.MustCompile(`^[0-9]{1,15}$`)
)

var errShape = errors.New("sonde: not a signed request")

// readSigned takes a request apart.
func readSigned(r *http.Request, a act) (signed, error) {
	s := signed{act: a, key: r.Header.Get(headerKey), moment: r.Header.Get(headerTime), nonce: r.Header.Get(headerNonce)}
	if !keyForm.MatchString(s.key) || !nonceForm.MatchString(s.nonce) || !timeForm.MatchString(s.moment) {
		return s, errShape
	}
	var err error
	if s.signature, err = base64.StdEncoding.DecodeString(r.Header.Get(headerSignature)); err != nil || len(s.signature) != ed25519.SignatureSize {
		return s, errShape
	}
	s.body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return s, err
	}
	if len(s.body) > maxBody {
		return s, errShape
	}
	return s, nil
}

// by tells whether the holder of the public key signed it.
func (s signed) by(pub ed25519.PublicKey) bool {
	return len(pub) == ed25519.PublicKeySize && KeyID(pub) == s.key &&
		ed25519.Verify(pub, seal(s.act, s.key, s.moment, s.nonce, s.body), s.signature)
}

// at is the moment in the signature.
func (s signed) at() time.Time {
	ms, err := strconv.ParseInt(s.moment, 10, 64)
	if err != nil {
		return time.Time{} // cannot be: the form was checked
	}
	return time.UnixMilli(ms).UTC()
}

// joining is the body of a join.
type joining struct {
	Token   string `json:"token"`
	Key     []byte `json:"key"`
	Version string `json:"version"`
}

// watching is the body of a watch: what the sonde has, and how long the answer
// may wait for news.
type watching struct {
	Sent    int64  `json:"sent"` // the sonde's own clock, in milliseconds
	ETag    string `json:"etag"`
	Wait    int    `json:"wait"` // seconds
	Waiting int64  `json:"waiting"`
	Dropped int64  `json:"dropped"`
	Version string `json:"version"`
}

// Report is one result of a sonde.
type Report struct {
	Monitor string         `json:"m"`
	At      int64          `json:"at"` // by the sonde's clock, in milliseconds
	TookMS  int64          `json:"took"`
	OK      bool           `json:"ok"`
	Reason  monitor.Reason `json:"reason"`
	Code    int            `json:"code,omitempty"`
	Detail  string         `json:"detail,omitempty"`
	Cert    int64          `json:"cert,omitempty"` // seconds since the epoch
	// State is what the sonde's own machine made of it, Since the first sign of a
	// failure (milliseconds).
	State monitor.State `json:"state"`
	Since int64         `json:"since,omitempty"`
}

// Delivery is the body of a report.
type Delivery struct {
	Sent    int64    `json:"sent"`
	Waiting int64    `json:"waiting"` // still in the spool behind this batch
	Dropped int64    `json:"dropped"` // healthy results given up since the spool was made
	Version string   `json:"version"`
	Reports []Report `json:"reports"`
}

var reasonForm = regexp.MustCompile(`^[a-z_]{1,40}$`)

// maxMS bounds moments and spans: the year 5138, in milliseconds.
const maxMS = 100_000_000_000_000

var errDelivery = errors.New("sonde: not a delivery")

// ParseDelivery reads what a sonde sent. It knows the sonde's key and still
// believes nothing: whoever holds a key may have been broken into.
func ParseDelivery(body []byte) (Delivery, error) {
	var d Delivery
	if len(body) > maxBody {
		return d, errDelivery
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return d, fmt.Errorf("%w: %w", errDelivery, err)
	}
	if len(d.Reports) > maxReports || !plausible(d.Sent) || d.Waiting < 0 || d.Dropped < 0 || d.Waiting > maxMS || d.Dropped > maxMS {
		return d, errDelivery
	}
	d.Version = short(d.Version)
	for i := range d.Reports {
		p := &d.Reports[i]
		if !service.ValidSlug(p.Monitor) || !plausible(p.At) || p.Since < 0 || p.Since > maxMS || p.Cert < 0 || p.Cert > maxMS/1000 ||
			p.TookMS < 0 || p.TookMS > int64(time.Hour/time.Millisecond) || p.Code < -1<<31 || p.Code > 1<<31-1 ||
			!reasonForm.MatchString(string(p.Reason)) || !reasonForm.MatchString(string(p.State)) {
			return d, errDelivery
		}
		p.Detail = monitor.PlainDetail(p.Detail)
	}
	return d, nil
}

func plausible(ms int64) bool { return ms > 0 && ms < maxMS }

// short is a version as it is shown.
func short(s string) string {
	s = monitor.PlainDetail(s)
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "")
	}
	return s
}

// parseSmall reads the small bodies.
func parseSmall(body []byte, v any) error {
	if len(body) > 16<<10 {
		return errDelivery
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", errDelivery, err)
	}
	return nil
}

// answer is what the server says.
type answer struct {
	Time    int64   `json:"time"` // our clock, in milliseconds
	Refused refusal `json:"refused,omitempty"`
	// Words is the refusal for a person.
	Words string `json:"words,omitempty"`
	// ETag and Monitors are the assignment, when it is another one.
	ETag     string     `json:"etag,omitempty"`
	Monitors []assigned `json:"monitors,omitempty"`
	// Look names monitors that somebody is in doubt about: look now.
	Look []string `json:"look,omitempty"`
	Name string   `json:"name,omitempty"` // what the sonde is called
}

// assigned is one monitor as a sonde gets it. The spec is left raw: a sonde of
// an older version must notice what it does not understand.
type assigned struct {
	Slug string          `json:"slug"`
	Spec json.RawMessage `json:"spec"`
}

// order is a spec as it travels. What people entered carries where it may go,
// inside the spec: a sonde that does not know the word does not look at all.
type order struct {
	monitor.Spec
	Within *fence.List `json:"within,omitempty"`
}

// etagOf names an assignment.
func etagOf(list []assigned) string {
	h := sha256.New()
	for _, a := range list {
		fmt.Fprintf(h, "%d:%s%d:%s", len(a.Slug), a.Slug, len(a.Spec), a.Spec)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
