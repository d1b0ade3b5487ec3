// Package pushtest is a push service for tests: it subscribes browsers, takes what
// RFC 8030, 8188, 8291 and 8292 allow and refuses everything else, and reads each
// message as the browser would, with steps of its own.
package pushtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Browser is one subscription.
type Browser struct {
	Path string // of its endpoint
	key  *ecdh.PrivateKey
	Auth []byte
}

// P256DH is what the browser tells with the subscription.
func (b *Browser) P256DH() []byte { return b.key.PublicKey().Bytes() }

// Note is a message that a browser has read.
type Note struct {
	Path    string // of the browser's endpoint
	Plain   []byte
	Urgency string
	Topic   string
	TTL     int
	Key     string // of the sender, base64url
	Public  string // the message's own key, to tell whether it is fresh
	Token   string
}

// Server is a push service. Origin is its own address, as tokens must name it.
type Server struct {
	Origin string
	Now    func() time.Time

	mu       sync.Mutex
	browsers map[string]*Browser
	keys     map[string]string // the sender that a browser subscribed for
	gone     map[string]int    // status for a path
	answer   int               // status for everything; zero: as it should be
	retry    string
	hang     chan struct{}
	notes    []Note
	faults   []string
	asked    int
}

// Subscribe makes a browser; key restricts it to one sender ("" to the first one).
func (s *Server) Subscribe(key string) (*Browser, error) {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	b := &Browser{Path: "/wp/" + rand.Text(), key: k, Auth: make([]byte, 16)}
	if _, err := rand.Read(b.Auth); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.browsers == nil {
		s.browsers, s.keys, s.gone = map[string]*Browser{}, map[string]string{}, map[string]int{}
	}
	s.browsers[b.Path], s.keys[b.Path] = b, key
	return b, nil
}

// Answer makes the service answer with a status, zero: as it should.
func (s *Server) Answer(status int, retryAfter string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer, s.retry = status, retryAfter
}

// End makes one subscription answer with 404 or 410.
func (s *Server) End(b *Browser, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone[b.Path] = status
}

// Hang makes the service read requests and answer none until the function is called.
func (s *Server) Hang() (free func()) {
	c := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hang = c
	return sync.OnceFunc(func() {
		s.mu.Lock()
		s.hang = nil
		s.mu.Unlock()
		close(c)
	})
}

// Notes are the messages that browsers have read.
func (s *Server) Notes() []Note {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Note(nil), s.notes...)
}

// Faults are requests that no push service takes.
func (s *Server) Faults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.faults...)
}

// Asked counts the requests.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	s.mu.Lock()
	s.asked++
	answer, retry, hang, b, key, gone := s.answer, s.retry, s.hang, s.browsers[r.URL.Path], s.keys[r.URL.Path], s.gone[r.URL.Path]
	s.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		return
	}
	if answer != 0 {
		if retry != "" {
			w.Header().Set("Retry-After", retry)
		}
		http.Error(w, "push service says no", answer)
		return
	}
	if gone != 0 || b == nil {
		http.Error(w, "no such subscription", max(gone, http.StatusNotFound))
		return
	}
	n, status, why := Note{}, 0, err
	if err == nil {
		n, status, why = s.read(r, b, key, body)
	}
	if why != nil {
		s.mu.Lock()
		s.faults = append(s.faults, why.Error())
		s.mu.Unlock()
		http.Error(w, why.Error(), max(status, http.StatusBadRequest))
		return
	}
	s.mu.Lock()
	s.notes = append(s.notes, n)
	s.keys[r.URL.Path] = n.Key
	s.mu.Unlock()
	w.Header().Set("Location", s.Origin+"/message/"+rand.Text())
	w.WriteHeader(http.StatusCreated)
}

var topic = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

func (s *Server) read(r *http.Request, b *Browser, key string, body []byte) (n Note, status int, err error) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Encoding") != "aes128gcm" {
		return n, 400, fmt.Errorf("%s with the encoding %q", r.Method, r.Header.Get("Content-Encoding"))
	}
	if len(body) > 4096 {
		return n, 413, fmt.Errorf("%d bytes", len(body))
	}
	n.Path, n.Urgency, n.Topic = r.URL.Path, r.Header.Get("Urgency"), r.Header.Get("Topic")
	if n.TTL, err = strconv.Atoi(r.Header.Get("TTL")); err != nil || n.TTL < 0 {
		return n, 400, fmt.Errorf("TTL %q", r.Header.Get("TTL"))
	}
	switch n.Urgency {
	case "very-low", "low", "normal", "high":
	default:
		return n, 400, fmt.Errorf("urgency %q", n.Urgency)
	}
	if n.Topic != "" && !topic.MatchString(n.Topic) {
		return n, 400, fmt.Errorf("topic %q", n.Topic)
	}
	if n.Key, n.Token, err = s.vapid(r.Header.Get("Authorization")); err != nil {
		return n, 401, err
	}
	if key != "" && key != n.Key {
		return n, 403, errors.New("the subscription is for another key")
	}
	n.Plain, n.Public, err = b.open(body)
	return n, 400, err
}

// vapid checks the token of RFC 8292 §2 and §3.
func (s *Server) vapid(head string) (key, token string, err error) {
	m := regexp.MustCompile(`^vapid t=([\w-]+\.[\w-]+\.[\w-]+), ?k=([\w-]+)$`).FindStringSubmatch(head)
	if m == nil {
		return "", "", fmt.Errorf("authorization %q", head)
	}
	token, key = m[1], m[2]
	part := strings.Split(token, ".")
	var raw [3][]byte
	for i := range part {
		if raw[i], err = base64.RawURLEncoding.DecodeString(part[i]); err != nil {
			return "", "", err
		}
	}
	point, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return "", "", err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return "", "", err
	}
	sum := sha256.Sum256([]byte(part[0] + "." + part[1]))
	if len(raw[2]) != 64 || !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(raw[2][:32]), new(big.Int).SetBytes(raw[2][32:])) {
		return "", "", errors.New("the token's signature is wrong")
	}
	var head1 struct{ Typ, Alg string }
	var claims struct {
		Aud, Sub string
		Exp      int64
	}
	if err := errors.Join(json.Unmarshal(raw[0], &head1), json.Unmarshal(raw[1], &claims)); err != nil {
		return "", "", err
	}
	left := time.Unix(claims.Exp, 0).Sub(s.Now())
	switch {
	case head1.Typ != "JWT" || head1.Alg != "ES256":
		err = fmt.Errorf("the token's head is %+v", head1)
	case claims.Aud != s.Origin:
		err = fmt.Errorf("the token is for %q", claims.Aud)
	case left <= 0 || left > 24*time.Hour:
		err = fmt.Errorf("the token ends in %v", left)
	case !strings.HasPrefix(claims.Sub, "mailto:") && !strings.HasPrefix(claims.Sub, "https:"):
		err = fmt.Errorf("the token names %q", claims.Sub)
	}
	return key, token, err
}

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// open reads a message as RFC 8291 §3.4 tells the browser to.
func (b *Browser) open(body []byte) (plain []byte, public string, err error) {
	if len(body) < 86+17 || body[20] != 65 {
		return nil, "", errors.New("the message is no aes128gcm of Web Push")
	}
	salt, size, theirs := body[:16], int(body[16])<<24|int(body[17])<<16|int(body[18])<<8|int(body[19]), body[21:86]
	if len(body)-86 > size {
		return nil, "", errors.New("the message has more than one record")
	}
	k, err := ecdh.P256().NewPublicKey(theirs)
	if err != nil {
		return nil, "", err
	}
	shared, err := b.key.ECDH(k)
	if err != nil {
		return nil, "", err
	}
	ikm := mac(mac(b.Auth, string(shared)), "WebPush: info\x00", string(b.P256DH()), string(theirs), "\x01")
	prk := mac(salt, string(ikm))
	block, err := aes.NewCipher(mac(prk, "Content-Encoding: aes128gcm\x00\x01")[:16])
	if err != nil {
		return nil, "", err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, "", err
	}
	if plain, err = gcm.Open(nil, mac(prk, "Content-Encoding: nonce\x00\x01")[:12], body[86:], nil); err != nil {
		return nil, "", err
	}
	text := strings.TrimRight(string(plain), "\x00")
	if !strings.HasSuffix(text, "\x02") {
		return nil, "", errors.New("the last record does not say so")
	}
	return []byte(text[:len(text)-1]), string(theirs), nil
}
