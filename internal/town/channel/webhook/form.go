package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"tuermer/internal/town/channel"
)

// addressed is how a form's words are carried: to which address, by which method,
// in which body, and by whose right.
func (a *Adapter) addressed(m channel.Message, u *url.URL) (*http.Request, error) {
	if !m.Form.Address(m.To) {
		return nil, errors.New("the address does not say all that this form needs")
	}
	if m.Form.NeedsSecret() && len(m.Secret) == 0 {
		return nil, errors.New("this form cannot be sent without its token")
	}
	said := m.Payload
	if len(said) == 0 {
		var err error
		if said, err = m.Form.Body(channel.Note{Title: m.Subject, Text: m.Text, Link: m.Link}); err != nil {
			return nil, err
		}
	}
	to, method, kind, body := *u, http.MethodPost, "application/json", said
	q := u.Query()
	to.RawQuery, to.Fragment, to.User = "", "", nil
	bearer := len(m.Secret) > 0
	switch m.Form {
	case channel.Ntfy:
		to.Path = u.Path[:strings.LastIndexByte(u.Path, '/')+1]
		to.RawPath = ""
		var err error
		if body, err = channel.NtfyBody(said, channel.LastPart(u), m.Class == channel.Alarm); err != nil {
			return nil, err
		}
	case channel.Matrix:
		// The same message again has the same name, so the server writes it once.
		base := strings.TrimSuffix(u.Path[:strings.LastIndexByte(u.Path, '/')+1], "/")
		to.Path = base + "/_matrix/client/v3/rooms/" + channel.LastPart(u) + "/send/m.room.message/" + m.ID
		to.RawPath = base + "/_matrix/client/v3/rooms/" + url.PathEscape(channel.LastPart(u)) + "/send/m.room.message/" + url.PathEscape(m.ID)
		method = http.MethodPut
	case channel.Threema:
		form := url.Values{"from": {q.Get("from")}, "text": {string(said)}, "secret": {string(m.Secret)}}
		if to := q.Get("to"); to != "" {
			form.Set("to", to)
		} else {
			form.Set("phone", strings.TrimPrefix(q.Get("phone"), "+"))
		}
		body, kind, bearer = []byte(form.Encode()), "application/x-www-form-urlencoded", false
	case channel.Signal:
		params := map[string]any{"message": string(said)}
		if group := q.Get("group"); group != "" {
			params["groupId"] = group
		} else {
			params["recipient"] = []string{q.Get("to")}
		}
		if account := q.Get("account"); account != "" {
			params["account"] = account
		}
		var err error
		if body, err = json.Marshal(map[string]any{"jsonrpc": "2.0", "id": m.ID, "method": "send", "params": params}); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequest(method, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address is no http or https URL")
	}
	req.GetBody = nil
	req.Header.Set("Content-Type", kind)
	req.Header.Set("User-Agent", a.o.UserAgent)
	if bearer {
		req.Header.Set("Authorization", "Bearer "+string(m.Secret))
	}
	return req, nil
}

// told is what the answer of a form says beyond its status: the product's own name
// of the message, or why it is none. Only Signal's yes stands in the body, and that of a
// REST service that says so; what a broken connection cut off of the others is
// decoration.
func told(k keeper, m channel.Message, answer []byte, broken error) (reference string, _ *channel.Failure) {
	get := func(path string) string {
		if !gjson.ValidBytes(answer) {
			return ""
		}
		return line(k.unlessTold(gjson.GetBytes(answer, path).String()))
	}
	switch m.Form {
	case channel.REST:
		return toldByRest(m.Rest, answer, broken, get)
	case channel.Matrix:
		return get("event_id"), nil
	case channel.Ntfy:
		return get("id"), nil
	case channel.Threema:
		return line(k.unlessTold(string(answer))), nil
	case channel.RocketChat:
		if get("success") == "false" {
			return "", &channel.Failure{Permanent: true, Reason: "rejected", Err: errors.New(get("error"))}
		}
	case channel.Signal:
		return toldBySignal(answer, broken, get)
	}
	return "", nil
}

// toldBySignal reads a JSON-RPC answer of signal-cli.
func toldBySignal(answer []byte, broken error, get func(string) string) (string, *channel.Failure) {
	if broken != nil || !gjson.ValidBytes(answer) || !gjson.GetBytes(answer, "result").Exists() && !gjson.GetBytes(answer, "error").Exists() {
		return "", &channel.Failure{Reason: "protocol", Err: errors.New("the answer is no JSON-RPC")}
	}
	if gjson.GetBytes(answer, "error").Exists() {
		f := &channel.Failure{Permanent: true, Reason: "rejected", Err: errors.New(get("error.code") + " " + get("error.message"))}
		switch gjson.GetBytes(answer, "error.code").Int() {
		case -3, -32603: // no way to Signal's servers, an inner error
			f.Permanent = false
		case -5:
			f.Permanent, f.Reason = false, "throttled"
		}
		return "", f
	}
	// One that got it is enough: a group's other members get it from the server.
	types := gjson.GetBytes(answer, "result.results.#.type").Array()
	var last string
	for _, t := range types {
		if last = t.String(); last == "SUCCESS" {
			return get("result.timestamp"), nil
		}
	}
	switch last {
	case "":
		return get("result.timestamp"), nil
	case "NETWORK_FAILURE":
		return "", &channel.Failure{Reason: "connect", Err: errors.New(last)}
	case "RATE_LIMIT_FAILURE", "PROOF_REQUIRED_FAILURE":
		return "", &channel.Failure{Reason: "throttled", Err: errors.New(last)}
	case "UNREGISTERED_FAILURE":
		return "", &channel.Failure{Permanent: true, Reason: "mailbox", Err: errors.New(last)}
	}
	return "", &channel.Failure{Permanent: true, Reason: "rejected", Err: errors.New(line(last))}
}

// understood corrects what a status means where the product says more.
func understood(form channel.Form, status int, answer string, f *channel.Failure) *channel.Failure {
	switch {
	case form == channel.Matrix && f.Reason == "throttled" && f.RetryAfter == 0 && gjson.Valid(answer):
		ms := min(max(gjson.Get(answer, "retry_after_ms").Int(), 0), maxRetryAfter.Milliseconds())
		f.RetryAfter = time.Duration(ms) * time.Millisecond
	case form == channel.REST && f.Reason == "throttled" && f.RetryAfter == 0 && gjson.Valid(answer):
		f.RetryAfter = askedToWait(answer)
	case form == channel.Threema && status == http.StatusPaymentRequired:
		// No credit left: it goes once somebody has paid.
		f.Permanent, f.Reason, f.Err = false, "rejected", errors.New("HTTP "+strconv.Itoa(status)+" no credits left")
	case form == channel.Threema && status == http.StatusNotFound:
		f.Reason = "mailbox"
	}
	return f
}
