package push

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
)

const (
	maxAnswer     = 16 << 10
	maxRetryAfter = time.Hour
	// restAfter is how long a push service that did not answer is left alone.
	restAfter = 15 * time.Second
	maxRests  = 64
	// alarmTTL is how long a push service keeps what names no end of its own.
	alarmTTL = 4 * time.Hour
)

// Options configure the way out.
type Options struct {
	Name  string
	Realm channel.Realm // default [channel.Live]
	// Identity is who the town in ctx is towards push services.
	Identity func(ctx context.Context) (*Identity, error)
	// Devices are those of a person that still count.
	Devices func(ctx context.Context, person string) ([]channel.Device, error)
	// Gone is told when a push service has ended a subscription.
	Gone func(ctx context.Context, d channel.Device) error
	// Receipt is the path to which the service worker reports that it has shown the
	// message; may be nil.
	Receipt func(ctx context.Context, m channel.Message) string
	// Words are what stands on the notification's buttons, in a language.
	Words func(ctx context.Context, language string) Words
	// DialContext opens connections. What lies where browsers may not lead us it
	// refuses in the words of package fence. Required.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	TLSConfig   *tls.Config // replaces the default one; Time is filled in
	Timeout     time.Duration
	UserAgent   string
	Now         func() time.Time
}

// Words stand on a notification.
type Words struct {
	Take   string `json:"take"`   // the button that takes the alarm over
	Open   string `json:"open"`   // the button that opens it
	Taken  string `json:"taken"`  // shown when it was taken over
	Failed string `json:"failed"` // shown when that did not work
}

// note is what the service worker gets. Its addresses are paths on its own origin.
type note struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Body    string `json:"body"`
	Tag     string `json:"tag"` // one notification for each alert
	URL     string `json:"url"`
	Take    string `json:"take,omitempty"`
	Receipt string `json:"receipt,omitempty"`
	Lang    string `json:"lang,omitempty"`
	Urgent  bool   `json:"urgent,omitempty"`
	At      int64  `json:"at"` // milliseconds since 1970
	Words   Words  `json:"words"`
}

// Adapter is the way out to the devices of people.
type Adapter struct {
	o      Options
	client *http.Client

	mu    sync.Mutex
	rests map[string]time.Time // push services that are left alone, until when
}

var _ channel.Adapter = (*Adapter)(nil)

// New checks the options and makes the adapter; it opens no connection.
func New(o Options) (*Adapter, error) {
	if o.Realm == "" {
		o.Realm = channel.Live
	}
	if o.Timeout == 0 {
		o.Timeout = 8 * time.Second
	}
	if o.UserAgent == "" {
		o.UserAgent = "Tuermer/1"
	}
	if o.Name == "" || o.Identity == nil || o.Devices == nil || o.DialContext == nil || o.Now == nil {
		return nil, errors.New("push: the way needs a name, an identity, devices, connections and a clock")
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLSConfig != nil {
		cfg = o.TLSConfig.Clone()
	}
	if cfg.Time == nil {
		cfg.Time = o.Now
	}
	a := &Adapter{o: o, rests: map[string]time.Time{}}
	a.client = &http.Client{
		Transport: &http.Transport{
			DialContext: a.dial, TLSClientConfig: cfg, DisableCompression: true, MaxResponseHeaderBytes: maxAnswer,
			MaxIdleConnsPerHost: 8, IdleConnTimeout: 2 * time.Second, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return a, nil
}

// Kind is always [channel.Push].
func (a *Adapter) Kind() channel.Kind { return channel.Push }

// Route is the way's name.
func (a *Adapter) Route() string { return a.o.Name }

// Realm tells which messages the way may carry.
func (a *Adapter) Realm() channel.Realm { return a.o.Realm }

// dial ends by itself: net/http takes the request's end out of the context.
func (a *Adapter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, a.o.Timeout)
	defer cancel()
	return a.o.DialContext(ctx, network, addr)
}

// Send asks the push services of all the person's devices at once. Its error is a
// [*channel.Failure].
func (a *Adapter) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if err := channel.Refuse(a, m); err != nil {
		return channel.Receipt{}, err
	}
	devices, err := a.o.Devices(ctx, m.To)
	if err != nil {
		return channel.Receipt{}, &channel.Failure{Reason: "config", Err: err}
	}
	if len(devices) == 0 {
		return channel.Receipt{}, &channel.Failure{Permanent: true, Reason: "mailbox", Err: errors.New("the person has registered no device")}
	}
	body, err := a.body(ctx, m)
	if err != nil {
		return channel.Receipt{}, &channel.Failure{Permanent: true, Reason: "config", Err: err}
	}
	who, err := a.o.Identity(ctx)
	if err != nil {
		return channel.Receipt{}, &channel.Failure{Reason: "config", Err: err}
	}
	outcomes := make([]channel.Outcome, len(devices))
	var wg sync.WaitGroup
	for i, d := range devices[1:] {
		i++
		wg.Go(func() { outcomes[i].Receipt, outcomes[i].Err = a.one(ctx, m, d, who, body) })
	}
	outcomes[0].Receipt, outcomes[0].Err = a.one(ctx, m, devices[0], who, body)
	wg.Wait()
	return together(a.o.Name, outcomes)
}

// together is the fate of a message to several devices: one that took it is
// enough, and what may still be taken later is not given up.
func together(route string, all []channel.Outcome) (channel.Receipt, error) {
	var last *channel.Failure
	for _, o := range all {
		if o.Err == nil {
			o.Receipt.Route = route
			return o.Receipt, nil
		}
		f := channel.AsFailure(o.Err)
		if last == nil || last.Permanent && !f.Permanent || last.Permanent == f.Permanent && f.RetryAfter > 0 && f.RetryAfter < last.RetryAfter {
			last = f
		}
	}
	return channel.Receipt{}, last
}

// body is what the service worker reads. A text that is too long is cut; the page
// behind it has it whole.
func (a *Adapter) body(ctx context.Context, m channel.Message) ([]byte, error) {
	n := note{
		ID: m.ID, Title: m.Subject, Body: m.Text, Tag: m.Thread, URL: path(m.Link), Take: path(m.Answer),
		Lang: m.Language, Urgent: m.Class == channel.Alarm, At: m.Date.UnixMilli(),
	}
	if n.Tag == "" {
		n.Tag = m.ID
	}
	if n.URL == "" {
		n.URL = "/"
	}
	if a.o.Receipt != nil {
		n.Receipt = a.o.Receipt(ctx, m)
	}
	if a.o.Words != nil {
		n.Words = a.o.Words(ctx, m.Language)
	}
	for {
		out, err := json.Marshal(n)
		if err != nil || len(out) <= MaxPlain {
			return out, err
		}
		text := []rune(strings.TrimSuffix(n.Body, "…"))
		if len(text) == 0 {
			return nil, fmt.Errorf("push: title and addresses have %d bytes", len(out))
		}
		n.Body = string(text[:max(0, len(text)-(len(out)-MaxPlain)-1)]) + "…"
		if n.Body == "…" {
			n.Body = ""
		}
	}
}

// path is an address without its origin: a service worker opens its own alone.
func path(address string) string {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") {
		return ""
	}
	return u.RequestURI()
}

// Topic is the name under which a later message takes an earlier one's place at
// the push service: at most 32 characters of base64url (RFC 8030 §5.4).
func Topic(thread string) string {
	if thread == "" || len(thread) > 32 || strings.Trim(thread, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return ""
	}
	return thread
}

func (a *Adapter) one(ctx context.Context, m channel.Message, d channel.Device, who *Identity, plain []byte) (channel.Receipt, error) {
	none := channel.Receipt{}
	u, err := url.Parse(d.Endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return none, &channel.Failure{Permanent: true, Reason: "config", Err: errors.New("the device's address is none")}
	}
	origin, now := u.Scheme+"://"+u.Host, a.o.Now()
	if wait := a.resting(origin, now); wait > 0 {
		return none, &channel.Failure{Reason: "throttled", RetryAfter: wait, Err: errors.New("the push service is left alone for now")}
	}
	body, err := Encrypt(plain, Keys{d.P256DH, d.Auth})
	if err != nil {
		return none, &channel.Failure{Permanent: true, Reason: "config", Err: err}
	}
	auth, err := who.Authorization(origin, now)
	if err != nil {
		return none, &channel.Failure{Reason: "config", Err: err}
	}
	inner, cancel := context.WithTimeout(ctx, a.o.Timeout)
	defer cancel()
	// The connection is judged for this town; its tenant rides in the context.
	inner = ident.WithTenant(inner, ident.TenantOf(ctx))
	req, err := http.NewRequestWithContext(inner, http.MethodPost, d.Endpoint, bytes.NewReader(body))
	if err != nil {
		return none, &channel.Failure{Permanent: true, Reason: "config", Err: errors.New("the device's address is none")}
	}
	urgency := "normal"
	if m.Class == channel.Alarm {
		urgency = "high"
	}
	for name, value := range map[string]string{
		"Authorization": auth, "Content-Encoding": "aes128gcm", "Content-Type": "application/octet-stream",
		"TTL": strconv.Itoa(ttl(m, now)), "Urgency": urgency, "Topic": Topic(m.Thread), "User-Agent": a.o.UserAgent,
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := a.client.Do(req)
	if err != nil {
		f := broken(ctx, inner, err)
		if f.Reason == "connect" || f.Reason == "timeout" {
			a.rest(origin, now.Add(restAfter))
		}
		return none, f
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // decoration of the error
	return a.read(ctx, resp, d, origin, line(string(said)))
}

// read says what the push service's answer means.
func (a *Adapter) read(ctx context.Context, resp *http.Response, d channel.Device, origin, said string) (channel.Receipt, error) {
	f := &channel.Failure{Reason: "rejected", Err: fmt.Errorf("the push service answers %d %s", resp.StatusCode, strings.ReplaceAll(said, d.Endpoint, "…"))}
	switch {
	case resp.StatusCode/100 == 2:
		a.rest(origin, time.Time{})
		// The message's own address at the service holds a secret: only its end.
		at := resp.Header.Get("Location")
		return channel.Receipt{Reference: at[strings.LastIndexByte(at, '/')+1:]}, nil
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusGone:
		f.Permanent, f.Reason = true, "mailbox"
		if a.o.Gone != nil {
			if err := a.o.Gone(ctx, d); err != nil {
				f.Err = errors.Join(f.Err, err)
			}
		}
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusServiceUnavailable:
		f.Reason, f.RetryAfter = "throttled", retryAfter(resp.Header.Get("Retry-After"), a.o.Now())
		a.rest(origin, a.o.Now().Add(max(f.RetryAfter, time.Second)))
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		// The subscription was made for another key: this device reads nothing of ours.
		f.Permanent, f.Reason = true, "auth"
	case resp.StatusCode == http.StatusRequestEntityTooLarge:
		f.Permanent, f.Reason = true, "too_large"
	case resp.StatusCode/100 == 5:
		a.rest(origin, a.o.Now().Add(restAfter))
	default: // a redirect, 400: nothing that trying again would change
		f.Permanent = true
	}
	return channel.Receipt{}, f
}

// ttl is for how many seconds the push service keeps the message.
func ttl(m channel.Message, now time.Time) int {
	keep := alarmTTL
	if !m.Until.IsZero() {
		keep = m.Until.Sub(now)
	}
	return int(min(max(keep, 0), 28*24*time.Hour).Seconds())
}

func (a *Adapter) resting(origin string, now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rests[origin].Sub(now)
}

// rest leaves a push service alone until then; zero: not any more.
func (a *Adapter) rest(origin string, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if until.IsZero() {
		delete(a.rests, origin)
		return
	}
	if len(a.rests) >= maxRests {
		clear(a.rests)
	}
	a.rests[origin] = until
}

// broken names why there was no answer, without the endpoint, which is a secret.
func broken(ctx, inner context.Context, err error) *channel.Failure {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	f := &channel.Failure{Reason: "connect", Err: err}
	var cert *tls.CertificateVerificationError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		f.Reason = "canceled"
	case fence.Refused(err):
		f.Reason, f.Permanent = "blocked", true
	case inner.Err() != nil:
		f.Reason = "timeout"
	case errors.As(err, &cert):
		f.Reason = "tls"
	}
	return f
}

// retryAfter reads the header in both of its forms; zero: nothing was asked.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 {
		return time.Duration(min(n, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// line makes a short single line out of foreign text.
func line(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if r := []rune(s); len(r) > 200 {
		return string(r[:199]) + "…"
	}
	return s
}
