package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/gateway"
)

const contract = `{"to":"{{.To}}","text":"{{.Text}}","id":"{{.ID}}"}`

func message() channel.Message {
	return channel.Message{ID: "m-1", Kind: channel.SMS, Class: channel.Alarm, Realm: channel.Live, To: "+491700000001", Text: "Alarm: „Bürgerportal“ antwortet nicht\nseit 14:00"}
}

func adapter(t testing.TB, o gateway.Options) *gateway.Adapter {
	t.Helper()
	if o.Name == "" {
		o.Name = "erster"
	}
	o.Now = time.Now
	a, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What is put into a template cannot change the request, whatever it holds.
func TestFillEscapes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		filled := gateway.Fill(contract, gateway.JSON, gateway.Values{To: "+49", Text: text, ID: "1"})
		var back map[string]string
		if err := json.Unmarshal([]byte(filled), &back); err != nil {
			t.Fatalf("%q is no JSON: %v", filled, err)
		}
		if len(back) != 3 || back["text"] != strings.ToValidUTF8(text, "\uFFFD") {
			t.Fatalf("%q came back as %v", text, back)
		}
		form, err := url.ParseQuery(gateway.Fill("a={{.Text}}&b=1", gateway.Query, gateway.Values{Text: text}))
		if err != nil || form.Get("a") != strings.ToValidUTF8(text, "\uFFFD") || form.Get("b") != "1" || len(form) != 2 {
			t.Fatalf("form %v %v", form, err)
		}
		if head := gateway.Fill("k {{.Text}}", gateway.Header, gateway.Values{Text: text}); strings.ContainsAny(head, "\r\n\x00") {
			t.Fatalf("header %q", head)
		}
	})
}

// The request of the contract, and that a number or a secret stands in no error.
func TestSend(t *testing.T) {
	var got map[string]string
	var secret string
	status, answer := 200, `{"id":"gw-7"}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = nil
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Errorf("body: %v", err)
		}
		secret = r.Header.Get("X-Key")
		w.Header().Set("X-RateLimit-Limit", "100")
		w.Header().Set("X-RateLimit-Remaining", "3")
		w.Header().Set("X-RateLimit-Reset", "30")
		if status == 429 || status == 503 {
			w.Header().Set("Retry-After", "7")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	a := adapter(t, gateway.Options{
		URL: srv.URL, Body: contract, Headers: [][2]string{{"X-Key", "{{.Secret}}"}}, Secret: func() string { return "geheim-1" },
	})
	rc, err := a.Send(t.Context(), message())
	if err != nil {
		t.Fatal(err)
	}
	if rc.Reference != "gw-7" || rc.Parts != 1 || rc.Allowance != (channel.Allowance{Limit: 100, Remaining: 3, Reset: 30 * time.Second}) {
		t.Errorf("receipt %+v", rc)
	}
	if got["to"] != "+491700000001" || got["id"] != "m-1" || got["text"] != "Alarm: \"Bürgerportal\" antwortet nicht\nseit 14:00" || secret != "geheim-1" {
		t.Errorf("request %v with key %q", got, secret)
	}
	for _, c := range []struct {
		status    int
		reason    string
		permanent bool
		down      bool
		after     time.Duration
	}{
		{400, "rejected", true, false, 0},
		{401, "auth", false, true, 0},
		{402, "rejected", false, true, 0},
		{422, "rejected", true, false, 0},
		{429, "throttled", false, false, 7 * time.Second},
		{500, "rejected", false, true, 0},
		{503, "throttled", false, true, 7 * time.Second},
		{302, "rejected", false, true, 0},
	} {
		status, answer = c.status, "no: +491700000001 geheim-1"
		_, err := a.Send(t.Context(), message())
		f := channel.AsFailure(err)
		if f.Reason != c.reason || f.Permanent != c.permanent || f.RouteDown != c.down || f.RetryAfter != c.after {
			t.Errorf("%d: %+v", c.status, f)
		}
		if s := f.Error(); strings.Contains(s, "4917") || strings.Contains(s, "geheim") {
			t.Errorf("%d tells %q", c.status, s)
		}
	}
}

// A provider that says no with status 200 is believed.
func TestSaysNoWith200(t *testing.T) {
	answer := `{"success":"100","messages":[{"id":"77"}]}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != "k" {
			t.Error("no key")
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	a := adapter(t, gateway.Options{Preset: "seven", URL: srv.URL, Secret: func() string { return "k" }})
	if rc, err := a.Send(t.Context(), message()); err != nil || rc.Reference != "77" {
		t.Fatalf("%+v %v", rc, err)
	}
	answer = `{"success":"202"}`
	if _, err := a.Send(t.Context(), message()); !channel.AsFailure(err).Permanent {
		t.Errorf("a number that is none: %v", err)
	}
	for _, answer = range []string{`{"success":"500"}`, "900", ""} {
		if _, err := a.Send(t.Context(), message()); err == nil || channel.AsFailure(err).Permanent || !channel.AsFailure(err).RouteDown {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// A provider that takes the connection and says nothing, or hangs up in the
// middle, is down; the next one is asked.
func TestHangsAndBreaks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mode := make(chan string, 2)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if <-mode == "break" {
				buf := make([]byte, 4096)
				_, _ = c.Read(buf)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Le")
				_ = c.Close()
				continue
			}
			defer c.Close()
		}
	}()
	a := adapter(t, gateway.Options{URL: "http://" + l.Addr().String(), Body: contract, Timeout: 300 * time.Millisecond})
	for _, m := range []string{"break", "hang"} {
		mode <- m
		_, err := a.Send(context.Background(), message())
		if f := channel.AsFailure(err); f == nil || f.Permanent || !f.RouteDown {
			t.Errorf("%s: %v", m, err)
		}
	}
}

// Every preset makes a whole request out of a text that wants to break out.
func TestPresets(t *testing.T) {
	for _, name := range gateway.Presets() {
		var body []byte
		var kind string
		srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ = io.ReadAll(r.Body)
			kind = r.Header.Get("Content-Type")
		}))
		o := gateway.Options{Preset: name, URL: srv.URL, User: "u", From: "Stadt", Secret: func() string { return "s" }}
		if name == gateway.Generic {
			o.Body = contract
		}
		m := message()
		m.Text = `a"b&c=d\`
		_, _ = adapter(t, o).Send(t.Context(), m)
		srv.Close()
		if kind == "application/json" && !json.Valid(body) || !strings.Contains(string(body), "491700000001") {
			t.Errorf("%s sends %s", name, body)
		}
		if name == "twilio" {
			if form, err := url.ParseQuery(string(body)); err != nil || form.Get("Body") != m.Text {
				t.Errorf("twilio's form %v %v", form, err)
			}
		}
	}
}

func TestReportsOfPresets(t *testing.T) {
	for _, c := range []struct {
		preset, body, query string
		want                channel.Report
	}{
		{"http-json", `{"id":"m-1","status":"delivered"}`, "", channel.Report{ID: "m-1", Arrival: channel.Arrived}},
		{"http-json", `[{"id":"m-1","status":"FAILED","error":"absent"}]`, "", channel.Report{ID: "m-1", Arrival: channel.Lost, Reason: "absent"}},
		{"http-json", `id=m-1&status=sent`, "", channel.Report{ID: "m-1"}},
		{"http-json", `id=m-1&status=DELIVRD`, "", channel.Report{ID: "m-1", Arrival: channel.Arrived}},
		{"http-json", `{"id":"m-1","status":"UNDELIV"}`, "", channel.Report{ID: "m-1", Arrival: channel.Lost, Reason: "undeliv"}},
		{"http-json", `{"id":"m-1","status":"ACCEPTD"}`, "", channel.Report{ID: "m-1"}},
		{"seven", `{"webhook_event":"dlr","data":{"msg_id":"77","foreign_id":"m-1","status":"DELIVERED"}}`, "", channel.Report{ID: "m-1", Reference: "77", Arrival: channel.Arrived}},
		{"gatewayapi", `{"id":4711,"msisdn":49170,"status":"UNDELIVERABLE","userref":"m-1","error":"unknown"}`, "", channel.Report{ID: "m-1", Reference: "4711", Arrival: channel.Lost, Reason: "unknown"}},
		{"twilio", `MessageSid=SM1&MessageStatus=delivered`, "", channel.Report{Reference: "SM1", Arrival: channel.Arrived}},
		{"messagebird", "", "id=mb1&reference=m-1&status=delivery_failed", channel.Report{ID: "m-1", Reference: "mb1", Arrival: channel.Lost, Reason: "delivery_failed"}},
	} {
		o := gateway.Options{Preset: c.preset}
		if c.preset == gateway.Generic {
			o.URL, o.Body = "https://x.example", contract
		}
		q, _ := url.ParseQuery(c.query)
		got, err := adapter(t, o).Reports(channel.Body{Query: q, Data: []byte(c.body)})
		if err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("%s %s%s: %+v %v, want %+v", c.preset, c.body, c.query, got, err, c.want)
		}
	}
	a := adapter(t, gateway.Options{Preset: "twilio"})
	got, err := a.Replies(channel.Body{Data: []byte("MessageSid=SM2&From=%2B491700000001&Body=1")})
	if err != nil || len(got) != 1 || got[0] != (channel.Reply{ID: "SM2", From: "+491700000001", Text: "1"}) {
		t.Errorf("%+v %v", got, err)
	}
}

// A call is confirmed by a key alone. Whatever else a provider says of one, be it
// answered, over, busy or a word that nobody knows, confirms nothing (I20).
func TestI20_CallsAreConfirmedByAKey(t *testing.T) {
	a := adapter(t, gateway.Options{Kind: channel.Voice, URL: "https://x.example", Body: contract})
	for _, c := range []struct {
		body string
		want channel.Report
	}{
		{`{"id":"m-1","status":"ringing"}`, channel.Report{ID: "m-1"}},
		{`{"id":"m-1","status":"answered"}`, channel.Report{ID: "m-1"}},
		{`{"id":"m-1","status":"answered","key":"1"}`, channel.Report{ID: "m-1", Arrival: channel.Arrived, Key: "1"}},
		{`{"id":"m-1","status":"completed","digits":"2#"}`, channel.Report{ID: "m-1", Arrival: channel.Arrived, Key: "2"}},
		{`CallSid=CA1&CallStatus=in-progress&Digits=1`, channel.Report{Reference: "CA1", Arrival: channel.Arrived, Key: "1"}},
		{`{"id":"m-1","status":"completed","key":"7"}`, channel.Report{ID: "m-1", Arrival: channel.Lost, Reason: "completed"}},
		{`{"id":"m-1","status":"completed"}`, channel.Report{ID: "m-1", Arrival: channel.Lost, Reason: "completed"}},
		{`{"id":"m-1","status":"BUSY"}`, channel.Report{ID: "m-1", Arrival: channel.Lost, Reason: "busy"}},
		{`{"id":"m-1","status":"no-answer","reason":"cause 19"}`, channel.Report{ID: "m-1", Arrival: channel.Lost, Reason: "cause 19"}},
	} {
		got, err := a.Reports(channel.Body{Data: []byte(c.body)})
		if err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %+v %v, want %+v", c.body, got, err, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.SampledFrom([]string{"answered", "completed", "delivered", "ok", "machine", "busy"}), rapid.String()).Draw(t, "word")
		if word == "confirmed" || word == "acknowledged" {
			t.Skip()
		}
		body, err := json.Marshal(map[string]string{"id": "m-1", "status": word, "key": rapid.SampledFrom([]string{"", "0", "3", "11", "*"}).Draw(t, "key")})
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Reports(channel.Body{Data: body})
		if err != nil || len(got) != 1 || got[0].Arrival == channel.Arrived || got[0].Key != "" {
			t.Fatalf("%s: %+v %v", body, got, err)
		}
	})
	// Short messages have no keys.
	got, err := adapter(t, gateway.Options{URL: "https://x.example", Body: contract}).Reports(channel.Body{Data: []byte(`{"id":"m-1","status":"sent","key":"1"}`)})
	if err != nil || got[0] != (channel.Report{ID: "m-1"}) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestWrongEntries(t *testing.T) {
	for name, o := range map[string]gateway.Options{
		"no address":          {Body: contract},
		"no body":             {URL: "https://x.example"},
		"no JSON":             {URL: "https://x.example", Body: `{"to":{{.To}}}`},
		"unknown placeholder": {URL: "https://x.example", Body: `{"to":"{{.Number}}"}`},
		"a function":          {URL: "https://x.example", Body: `{"to":"{{printf .To}}"}`},
		"unknown kind":        {Preset: "brieftaube"},
	} {
		o.Name, o.Now = "x", time.Now
		if _, err := gateway.New(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// A foreign body is read or refused, never more.
func FuzzReports(f *testing.F) {
	for _, s := range []string{`{"id":"m-1","status":"delivered"}`, `[1,2]`, `id=1&status=failed`, `%zz`, "\xff", `{"data":{"msg_id":{}}}`, ``} {
		f.Add("seven", s)
		f.Add("http-json", s)
	}
	f.Fuzz(func(t *testing.T, preset, body string) {
		o := gateway.Options{Name: "x", Now: time.Now, Preset: preset, URL: "https://x.example", Body: contract}
		a, err := gateway.New(o)
		if err != nil {
			return
		}
		all, err := a.Reports(channel.Body{Data: []byte(body)})
		if err == nil && len(all) > gateway.MaxReports {
			t.Fatal("too many")
		}
		for _, r := range all {
			if r.ID == "" && r.Reference == "" || strings.ContainsAny(r.ID+r.Reference+r.Reason, "\r\n") {
				t.Fatalf("%q", r)
			}
		}
		replies, _ := a.Replies(channel.Body{Data: []byte(body)})
		for _, r := range replies {
			if !strings.HasPrefix(r.From, "+") || r.Text == "" {
				t.Fatalf("%q", r)
			}
		}
	})
}

// A gateway that takes JSON as the text of a field: its numbers may stand there, what
// people write may not.
func TestNoWordsWithinJSONWithin(t *testing.T) {
	for template, form := range map[string]gateway.Form{
		`{"to":"{{.To}}","content":"{\"text\":\"{{.Text}}\"}"}`: gateway.JSON,
		`messages=[{"to":"{{.To}}","text":"{{.Text}}"}]`:        gateway.Query,
	} {
		if p, ok := errors.AsType[*gateway.Problem](gateway.Check(template, form)); !ok || p.Word != "nested" {
			t.Errorf("%s is taken", template)
		}
	}
	if err := gateway.Check(`to=["{{.To}}"]&text={{.Text}}&back={{.Callback}}`, gateway.Query); err != nil {
		t.Error(err)
	}
}
