package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"tuermer/internal/platform/fill"
	"tuermer/internal/town/channel"
)

// asked is the request of a REST service, as whoever set it up wrote it.
func (a *Adapter) asked(m channel.Message, u *url.URL) (*http.Request, error) {
	if m.Rest == nil || !m.Form.Address(m.To) {
		return nil, errors.New("the request of the service is not written")
	}
	r, err := m.Rest.Whole()
	if err != nil {
		return nil, err
	}
	if r.NeedsSecret() && len(m.Secret) == 0 {
		return nil, errors.New("this form cannot be sent without its token")
	}
	said := m.Payload
	if len(said) == 0 {
		if said, err = m.Form.Body(channel.Note{Title: m.Subject, Text: m.Text, Link: m.Link}); err != nil {
			return nil, err
		}
	}
	values, err := r.Values(m, said)
	if err != nil {
		return nil, errors.New("the payload is no note")
	}
	req, err := http.NewRequest(r.Method, u.String(), bytes.NewReader([]byte(fill.Template(r.Body, r.Escaping(), values))))
	if err != nil {
		return nil, errors.New("the address is no http or https URL")
	}
	req.GetBody = nil
	req.Header.Set("Content-Type", r.Type)
	req.Header.Set("Idempotency-Key", m.ID)
	req.Header.Set("User-Agent", a.o.UserAgent)
	for name, v := range r.Headers {
		req.Header.Set(name, fill.Template(v, fill.Header, values))
	}
	switch r.Auth {
	case channel.Bearer:
		req.Header.Set("Authorization", "Bearer "+string(m.Secret))
	case channel.Basic:
		req.SetBasicAuth(r.User, string(m.Secret))
	case channel.Signed:
		random := make([]byte, 32)
		if _, err := rand.Read(random); err != nil {
			return nil, fmt.Errorf("no random value: %w", err)
		}
		message, _ := values("Message")
		h := hmac.New(sha256.New, m.Secret)
		h.Write([]byte(hex.EncodeToString(random)))
		h.Write([]byte(message))
		req.Header.Set("X-Nextcloud-Talk-Bot-Random", hex.EncodeToString(random))
		req.Header.Set("X-Nextcloud-Talk-Bot-Signature", hex.EncodeToString(h.Sum(nil)))
	}
	return req, nil
}

// toldByRest reads the answer of a REST service. Where its yes stands in the body,
// half a body is no yes, and any other word is a no that may change: what a foreign
// service means by it nobody knows, so the message goes again.
func toldByRest(r *channel.Rest, answer []byte, broken error, get func(string) string) (string, *channel.Failure) {
	w, err := r.Whole()
	if err != nil {
		return "", &channel.Failure{Permanent: true, Reason: "config", Err: err}
	}
	if w.OKPath != "" {
		if broken != nil || !gjson.ValidBytes(answer) {
			return "", &channel.Failure{Reason: "protocol", Err: errors.New("the answer did not come whole, or is no JSON")}
		}
		if word := get(w.OKPath); !slices.Contains(w.OK, word) {
			return "", &channel.Failure{Reason: "rejected", Err: fmt.Errorf("the service answered %s", line(string(answer)))}
		}
	}
	if w.IDPath == "" {
		return "", nil
	}
	return get(w.IDPath), nil
}

// askedToWait is how long a service wants to be left alone that says so in its
// answer instead of the header, in seconds.
func askedToWait(answer string) time.Duration {
	for _, path := range []string{"retry-after", "retry_after", "retryAfter"} {
		if s := gjson.Get(answer, path).Float(); s > 0 {
			return time.Duration(min(s, maxRetryAfter.Seconds()) * float64(time.Second))
		}
	}
	return 0
}
