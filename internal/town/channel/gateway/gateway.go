package gateway

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"tuermer/internal/platform/fill"
	"tuermer/internal/town/channel"
)

const (
	maxAnswer     = 64 << 10
	maxRetryAfter = 15 * time.Minute // a provider must not silence an alarm for a day
)

// Options are one entry. What is empty comes from the preset.
type Options struct {
	Name    string
	Kind    channel.Kind // [channel.SMS] or [channel.Voice]
	Realm   channel.Realm
	Preset  string // one of [Presets]; default [Generic]
	URL     string // may hold placeholders
	Method  string // default POST
	Body    string
	Type    string // of the body; default application/json
	Headers [][2]string
	Auth    string // "", basic or bearer
	User    string
	From    string // the sender that people see
	Secret  func() string
	Success []int  // statuses; empty: every 2xx
	IDPath  string // where the answer holds the provider's own id, as gjson writes it
	OKPath  string // where the answer says yes, for providers that say no with 200
	OK      []string
	Dead    []string // answers at OKPath that mean that this number will never do
	Receipt Paths

	// Callback is where receipts and answers go for the tenant in ctx.
	Callback func(ctx context.Context) (receipt, reply string)

	Rate    float64 // messages a second; 0: no limit is known
	Burst   int
	Price   channel.Price
	Timeout time.Duration // of one call; default 6 s

	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	TLSConfig   *tls.Config
	UserAgent   string
	Now         func() time.Time // required
}

// Adapter is the way to one provider.
type Adapter struct {
	o      Options
	p      preset
	form   Form // of the body
	client *http.Client
}

var (
	_ channel.Pacer    = (*Adapter)(nil)
	_ channel.Priced   = (*Adapter)(nil)
	_ channel.Reporter = (*Adapter)(nil)
)

// New checks the options and makes the adapter; it opens no connection.
func New(o Options) (*Adapter, error) {
	o.Preset, o.Realm, o.Kind = cmp.Or(o.Preset, Generic), cmp.Or(o.Realm, channel.Live), cmp.Or(o.Kind, channel.SMS)
	p, known := presets[o.Preset]
	if o.Preset == Generic {
		p, known = generic, true
	}
	if !known {
		return nil, fmt.Errorf("gateway %q: kind %q is not known", o.Name, o.Preset)
	}
	o.URL, o.Body, o.Type, o.Auth = cmp.Or(o.URL, p.url), cmp.Or(o.Body, p.body), cmp.Or(o.Type, p.contentType), cmp.Or(o.Auth, p.auth)
	o.IDPath, o.OKPath, o.Method = cmp.Or(o.IDPath, p.idPath), cmp.Or(o.OKPath, p.okPath), cmp.Or(o.Method, http.MethodPost)
	o.Timeout, o.UserAgent = cmp.Or(o.Timeout, 6*time.Second), cmp.Or(o.UserAgent, "Tuermer/1")
	if len(o.OK) == 0 {
		o.OK, o.Dead = p.okValues, p.dead
	}
	if len(o.Headers) == 0 {
		o.Headers = p.headers
	}
	if o.Kind == channel.Voice {
		p.receipt = calls
	}
	o.Receipt = o.Receipt.over(p.receipt)
	a := &Adapter{o: o, p: p, form: JSON}
	if strings.HasPrefix(o.Type, "application/x-www-form-urlencoded") {
		a.form = Query
	}
	switch {
	case o.Name == "":
		return nil, errors.New("gateway: the way needs a name")
	case o.Now == nil:
		return nil, fmt.Errorf("gateway %q: needs a clock", o.Name)
	case o.Rate < 0 || o.Burst < 0 || o.Timeout < 0:
		return nil, fmt.Errorf("gateway %q: rate, burst and timeout are not below zero", o.Name)
	}
	if err := a.checkTemplates(); err != nil {
		return nil, fmt.Errorf("gateway %q: %w", o.Name, err)
	}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLSConfig != nil {
		tlsConfig = o.TLSConfig.Clone()
	}
	if tlsConfig.Time == nil {
		tlsConfig.Time = o.Now
	}
	a.client = &http.Client{
		Transport: &http.Transport{
			DialContext: a.dial, TLSClientConfig: tlsConfig, DisableCompression: true, MaxResponseHeaderBytes: maxAnswer,
			// Three hundred alarms at once share a few connections; after that an
			// idle one would only go stale.
			MaxIdleConnsPerHost: 16, IdleConnTimeout: 2 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return a, nil
}

func (a *Adapter) checkTemplates() error {
	o := a.o
	u, err := url.Parse(Fill(o.URL, Query, Values{User: "u", Digits: "1", To: "1"}))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return &Problem{Word: "address"}
	}
	if err := Check(o.URL, Query); err != nil {
		return err
	}
	if o.Body == "" && o.Method != http.MethodGet {
		return &Problem{Word: "body"}
	}
	if o.Body != "" {
		if err := Check(o.Body, a.form); err != nil {
			return err
		}
	}
	for _, h := range o.Headers {
		if err := Check(h[1], Header); err != nil {
			return err
		}
	}
	return nil
}

// Kind is what the entry is for.
func (a *Adapter) Kind() channel.Kind { return a.o.Kind }

// Route is the entry's name.
func (a *Adapter) Route() string { return a.o.Name }

// Realm tells which messages the way may carry.
func (a *Adapter) Realm() channel.Realm { return a.o.Realm }

// Pace is how much the provider takes, as far as the entry says.
func (a *Adapter) Pace() (perSecond float64, burst int) {
	return a.o.Rate, cmp.Or(a.o.Burst, int(max(a.o.Rate, 1)))
}

// Price is what one part, or one call, costs.
func (a *Adapter) Price() channel.Price { return a.o.Price }

// dial ends by itself: net/http takes the request's end out of the context.
func (a *Adapter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, a.o.Timeout)
	defer cancel()
	if a.o.DialContext != nil {
		return a.o.DialContext(ctx, network, addr)
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// Send asks the provider to carry one message. Its error is a [*channel.Failure].
func (a *Adapter) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if err := channel.Refuse(a, m); err != nil {
		return channel.Receipt{}, err
	}
	if !strings.HasPrefix(m.To, "+") {
		return channel.Receipt{}, &channel.Failure{Permanent: true, Reason: "config", Err: errors.New("the number is not written in full, with its country")}
	}
	v := Values{To: m.To, Digits: strings.TrimPrefix(m.To, "+"), Text: m.Text, ID: m.ID, From: a.o.From, User: a.o.User}
	if a.o.Kind == channel.SMS {
		v.Text = channel.PlainSMS(m.Text)
	}
	if a.o.Callback != nil {
		v.Callback, v.Reply = a.o.Callback(ctx)
	}
	if a.o.Secret != nil {
		v.Secret = a.o.Secret()
	}
	req, err := a.request(v)
	if err != nil {
		return channel.Receipt{}, &channel.Failure{Reason: "config", RouteDown: true, Err: err}
	}
	inner, cancel := context.WithTimeout(ctx, a.o.Timeout)
	defer cancel()
	resp, err := a.client.Do(req.WithContext(inner))
	if err != nil {
		return channel.Receipt{}, broken(ctx, inner, err)
	}
	defer resp.Body.Close()
	answer, readErr := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	rc := channel.Receipt{Route: a.o.Name, Allowance: allowance(resp.Header, a.o.Now())}
	if a.o.Kind == channel.SMS {
		_, _, rc.Parts = channel.Segments(v.Text)
	}
	told := v.discreet(string(answer))
	if !a.success(resp.StatusCode) {
		return rc, a.refused(resp, told)
	}
	if readErr != nil && a.o.OKPath != "" {
		// The yes stands in a body that did not come whole.
		return rc, broken(ctx, inner, readErr)
	}
	if a.o.OKPath != "" {
		said := gjson.GetBytes(answer, a.o.OKPath).String()
		if !gjson.ValidBytes(answer) {
			said = strings.TrimSpace(string(answer))
		}
		switch {
		case slices.Contains(a.o.OK, said):
		case slices.Contains(a.o.Dead, said):
			return rc, &channel.Failure{Permanent: true, Reason: "rejected", Err: fmt.Errorf("the provider answered %s", told)}
		default:
			return rc, &channel.Failure{RouteDown: true, Reason: "rejected", Err: fmt.Errorf("the provider answered %s", told)}
		}
	}
	if a.o.IDPath != "" && gjson.ValidBytes(answer) {
		rc.Reference = line(gjson.GetBytes(answer, a.o.IDPath).String())
	}
	return rc, nil
}

// pair is a replacement, or nothing for what is empty.
// discreet is what of an answer may be shown. The whole of it is looked at before
// anything is cut; where it repeats, in another spelling, what may not be shown, it says
// nothing.
func (v Values) discreet(answer string) string {
	basic := ""
	if v.Secret != "" {
		basic = base64.StdEncoding.EncodeToString([]byte(v.User + ":" + v.Secret))
	}
	hide := strings.NewReplacer(slices.Concat(pair(v.Secret, "•••"), pair(basic, "•••"), pair(v.To, "…"), pair(v.Digits, "…"), pair(v.Callback, "…"), pair(v.Reply, "…"))...)
	shown := hide.Replace(answer)
	for _, s := range fill.Readings(shown)[1:] {
		if hide.Replace(s) != s {
			return "the answer repeats what is secret and is not shown"
		}
	}
	return line(shown)
}

func pair(what, by string) []string {
	if what == "" {
		return nil
	}
	return []string{what, by}
}

func (a *Adapter) request(v Values) (*http.Request, error) {
	var body io.Reader
	if a.o.Body != "" {
		body = bytes.NewReader([]byte(Fill(a.o.Body, a.form, v)))
	}
	req, err := http.NewRequest(a.o.Method, Fill(a.o.URL, Query, v), body)
	if err != nil {
		return nil, errors.New("the address is no http or https URL")
	}
	if body != nil {
		req.Header.Set("Content-Type", a.o.Type)
	}
	req.Header.Set("User-Agent", a.o.UserAgent)
	for _, h := range a.o.Headers {
		req.Header.Set(h[0], Fill(h[1], Header, v))
	}
	switch a.o.Auth {
	case "basic":
		req.SetBasicAuth(v.User, v.Secret)
	case "bearer":
		req.Header.Set("Authorization", "Bearer "+v.Secret)
	}
	return req, nil
}

func (a *Adapter) success(status int) bool {
	if len(a.o.Success) == 0 {
		return status/100 == 2
	}
	return slices.Contains(a.o.Success, status)
}

// refused says what an answer other than success means.
func (a *Adapter) refused(resp *http.Response, told string) *channel.Failure {
	f := &channel.Failure{Reason: "rejected", Err: fmt.Errorf("HTTP %d %s", resp.StatusCode, told)}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		f.Reason, f.RetryAfter = "throttled", retryAfter(resp.Header.Get("Retry-After"), a.o.Now())
		f.RouteDown = resp.StatusCode == http.StatusServiceUnavailable
	case http.StatusUnauthorized, http.StatusForbidden:
		f.Reason, f.RouteDown = "auth", true
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		f.Permanent = true
	default: // 402 out of credit, 405, 5xx, a redirect: this provider does not work
		f.RouteDown = true
	}
	return f
}

// broken names why there was no answer, without the address, which may hold a key.
func broken(ctx, inner context.Context, err error) *channel.Failure {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	f := &channel.Failure{Reason: "connect", RouteDown: true, Err: err}
	var cert *tls.CertificateVerificationError
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		f.Reason, f.RouteDown = "canceled", false
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

// allowance reads X-RateLimit-… and RateLimit-…; the reset is in seconds from now,
// or a moment since 1970.
func allowance(h http.Header, now time.Time) channel.Allowance {
	get := func(name string) (float64, bool) {
		s := cmp.Or(h.Get("X-RateLimit-"+name), h.Get("RateLimit-"+name))
		n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		return n, err == nil && n >= 0 && n < 1e12
	}
	limit, a := get("Limit")
	left, b := get("Remaining")
	reset, c := get("Reset")
	if !a || !b || !c {
		return channel.Allowance{}
	}
	if reset > 1e9 {
		reset -= float64(now.Unix())
	}
	reset = min(max(reset, 0), maxRetryAfter.Seconds())
	return channel.Allowance{Limit: int(limit), Remaining: int(left), Reset: time.Duration(reset * float64(time.Second))}
}

// line makes a short single line out of foreign text.
func line(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if r := []rune(s); len(r) > 200 {
		return string(r[:199]) + "…"
	}
	return s
}
