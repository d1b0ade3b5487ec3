package webhook

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
	"time"
	"unicode"

	"tuermer/internal/platform/fence"
	"tuermer/internal/town/channel"
)

const (
	maxAnswer     = 64 << 10  // bytes of an answer that are read at all
	maxRetryAfter = time.Hour // a receiver must not silence an alarm for a year
)

// Options configure the way out.
type Options struct {
	Name  string        // the route's name, unique among webhook routes
	Realm channel.Realm // default [channel.Live]

	// DialContext opens connections; default a [net.Dialer].
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Held opens connections for messages that are not [channel.Message.Declared]:
	// people entered their address. It refuses what lies where they may not go, in
	// the words of package fence. Nil: nowhere.
	Held func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLSConfig replaces the default one (system roots); Time is filled in.
	TLSConfig *tls.Config
	// Timeout bounds one whole call; default 10 s.
	Timeout   time.Duration
	UserAgent string // default "Tuermer/1"
	// Now stamps signatures, reads Retry-After dates, checks certificates. Required.
	Now func() time.Time
}

// Adapter is the way out to every webhook of its realm.
type Adapter struct {
	o      Options
	client *http.Client
}

var _ channel.Adapter = (*Adapter)(nil)

// New checks the options and makes the adapter; it opens no connection.
func New(o Options) (*Adapter, error) {
	if o.Realm == "" {
		o.Realm = channel.Live
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.UserAgent == "" {
		o.UserAgent = "Tuermer/1"
	}
	switch {
	case o.Name == "":
		return nil, errors.New("webhook: the route needs a name")
	case o.Now == nil:
		return nil, fmt.Errorf("webhook route %q: needs a clock", o.Name)
	case o.Timeout < 0:
		return nil, fmt.Errorf("webhook route %q: the timeout is negative", o.Name)
	case strings.ContainsFunc(o.UserAgent, unicode.IsControl):
		return nil, fmt.Errorf("webhook route %q: the user agent holds control characters", o.Name)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLSConfig != nil {
		cfg = o.TLSConfig.Clone()
	}
	if cfg.Time == nil {
		cfg.Time = o.Now
	}
	a := &Adapter{o: o}
	a.client = &http.Client{
		Transport: &http.Transport{
			DialContext:            a.dial,
			TLSClientConfig:        cfg,
			DisableKeepAlives:      true, // alarms are rare; an idle connection only goes stale
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return a, nil
}

// Kind is always [channel.Webhook].
func (a *Adapter) Kind() channel.Kind { return channel.Webhook }

// Route is the configured name.
func (a *Adapter) Route() string { return a.o.Name }

// Realm tells which messages the route may carry.
func (a *Adapter) Realm() channel.Realm { return a.o.Realm }

// call is what the opening of a connection must know of the message.
type call struct {
	ctx      context.Context //nolint:containedctx // net/http takes its end away, see dial
	declared bool
}

type callKey struct{}

func (a *Adapter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	// net/http takes the request's end out of the context, so that a connection
	// can serve the next request. Here that would only leave a goroutine behind
	// that nobody waits for; the values are still there.
	c, _ := ctx.Value(callKey{}).(call)
	if c.ctx != nil {
		ctx = c.ctx
	}
	switch {
	case !c.declared && a.o.Held == nil:
		return nil, fmt.Errorf("%w: %s", fence.ErrOutside, "nobody says where")
	case !c.declared:
		return a.o.Held(ctx, network, addr)
	case a.o.DialContext != nil:
		return a.o.DialContext(ctx, network, addr)
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// Body is the JSON document of a message without a Payload.
func Body(m channel.Message) ([]byte, error) {
	doc := struct {
		ID            string        `json:"id"`
		Class         channel.Class `json:"class"`
		Realm         channel.Realm `json:"realm"`
		Subject       string        `json:"subject"`
		Text          string        `json:"text"`
		Language      string        `json:"language,omitempty"`
		Thread        string        `json:"thread,omitempty"`
		FirstOfThread bool          `json:"first_of_thread,omitempty"`
		Date          *time.Time    `json:"date,omitempty"`
	}{
		ID: m.ID, Class: m.Class, Realm: m.Realm, Subject: m.Subject, Text: m.Text,
		Language: m.Language, Thread: m.Thread, FirstOfThread: m.FirstOfThread,
	}
	if !m.Date.IsZero() {
		utc := m.Date.UTC()
		doc.Date = &utc
	}
	return json.Marshal(doc)
}

// Send posts one message within [Options].Timeout. Its error is a
// [*channel.Failure].
func (a *Adapter) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if err := channel.Refuse(a, m); err != nil {
		return channel.Receipt{}, err
	}
	req, err := a.request(m)
	if err != nil {
		return channel.Receipt{}, &channel.Failure{Permanent: true, Reason: "config", Err: err}
	}
	k := keep(req.URL, m)
	inner, cancel := context.WithTimeout(ctx, a.o.Timeout)
	defer cancel()
	resp, err := a.client.Do(req.WithContext(context.WithValue(inner, callKey{}, call{inner, m.Declared})))
	if err != nil {
		return channel.Receipt{}, k.discreet("", broken(ctx, inner, err))
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		if m.Form.Chat() && m.Form != channel.Slack && m.Form != channel.Teams && m.Form != channel.Mattermost {
			answer, broken := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
			reference, f := told(k, m, answer, broken)
			if f != nil {
				return channel.Receipt{}, k.discreet(string(answer), f)
			}
			return channel.Receipt{Route: a.o.Name, Reference: reference}, nil
		}
		// The status is the receipt; what the body says is nobody's business,
		// and a body that drips must not turn a success into a timeout.
		return channel.Receipt{Route: a.o.Name, Reference: line(k.unlessTold(resp.Header.Get("X-Request-Id")))}, nil
	}
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what arrived is enough for a person
	said := string(answer)
	if what := k.repeats(said); what != "" {
		said = "the answer repeats the " + what + " and is not shown"
	}
	return channel.Receipt{}, understood(m.Form, resp.StatusCode, string(answer), a.refused(resp, said))
}

func (a *Adapter) request(m channel.Message) (*http.Request, error) {
	u, err := url.Parse(m.To)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return nil, errors.New("the address is no http or https URL")
	}
	if strings.ContainsFunc(m.ID, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return nil, errors.New("the message's ID cannot stand in a header")
	}
	switch m.Form {
	case channel.Matrix, channel.Ntfy, channel.Threema, channel.Signal:
		return a.addressed(m, u)
	case channel.REST:
		return a.asked(m, u)
	}
	body := m.Payload
	if len(body) == 0 && m.Form.Chat() {
		if body, err = m.Form.Body(channel.Note{Title: m.Subject, Text: m.Text, Link: m.Link}); err != nil {
			return nil, err
		}
	}
	if len(body) == 0 {
		if body, err = Body(m); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequest(http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address is no http or https URL")
	}
	// net/http repeats a request with this header on its own when a connection
	// breaks; the outbox does the repeating here.
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", m.ID)
	req.Header.Set("User-Agent", a.o.UserAgent)
	if len(m.Secret) > 0 {
		req.Header.Set(SignatureHeader, Sign(m.Secret, body, a.o.Now()))
	}
	return req, nil
}

// broken names why there was no answer. The URL that net/http puts in front is
// left out: it often holds a key.
func broken(ctx, inner context.Context, err error) *channel.Failure {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	f := &channel.Failure{Reason: "connect", Err: err}
	var (
		netErr  net.Error
		opErr   *net.OpError
		dnsErr  *net.DNSError
		certErr *tls.CertificateVerificationError
		recErr  tls.RecordHeaderError
		alert   tls.AlertError
	)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		f.Reason, f.Err = "canceled", context.Cause(ctx)
	case inner.Err() != nil:
		f.Reason, f.Err = "timeout", errors.New("the receiver took too long")
	case fence.Refused(err):
		f.Permanent, f.Reason = true, "blocked"
	case errors.As(err, &certErr), errors.As(err, &recErr), errors.As(err, &alert):
		f.Reason = "tls"
	case errors.As(err, &opErr), errors.As(err, &dnsErr), errors.Is(err, io.EOF):
	case errors.As(err, &netErr) && netErr.Timeout():
		f.Reason = "timeout"
	case strings.Contains(err.Error(), "malformed HTTP"), strings.Contains(err.Error(), "server response headers exceeded"):
		// net/http has no type for these
		f.Reason = "protocol"
	}
	return f
}

func (a *Adapter) refused(resp *http.Response, answer string) *channel.Failure {
	code := resp.StatusCode
	f := &channel.Failure{Reason: "rejected", Permanent: true}
	f.Err = fmt.Errorf("HTTP %d %s", code, line(answer))
	switch {
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		f.Permanent, f.Reason = false, "throttled"
		f.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), a.o.Now())
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code >= 500:
		f.Permanent = false
	case code == http.StatusRequestEntityTooLarge:
		f.Reason = "too_large"
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		f.Reason = "auth"
	case code/100 == 3:
		f.Err = fmt.Errorf("HTTP %d: redirects are not followed, enter the final address", code)
	}
	return f
}

// retryAfter reads both forms of RFC 9110, 10.2.3; nonsense and the past are
// zero, more than an hour is an hour.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0
	}
	if strings.Trim(s, "0123456789") == "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// line makes a short single line for a ledger out of foreign text.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 200 {
		return string(r[:199]) + "…"
	}
	return s
}
