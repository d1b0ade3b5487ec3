package webhook

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/chattest"
)

// forms are all products, with the address that each needs behind the server's.
var forms = map[channel.Form]string{
	channel.Slack: "/services/T0/B0/XXXXXXXX", channel.Teams: "/workflows/abc", channel.Mattermost: "/hooks/abcdef",
	channel.RocketChat: "/hooks/abc/def", channel.Matrix: "/!raum:hs.example", channel.Ntfy: "/lage",
	channel.Threema: "/send_simple?from=*STADT01&to=ABCD1234", channel.Signal: "/api/v1/rpc?to=%2B491700000001",
	channel.REST: "/api/v1/messages",
}

// own is the request of chattest's REST service, as whoever runs it would write it.
func own() *channel.Rest {
	return &channel.Rest{
		To: "edv", Body: `{"room":"{{.To}}","title":"{{.Title}}","text":"{{.Text}}","link":"{{.Link}}","urgent":{{.Urgent}},"ref":"{{.ID}}"}`,
		Headers: map[string]string{"X-Api-Key": "{{.Secret}}"}, IDPath: "message.id", OKPath: "status", OK: []string{"sent"},
	}
}

// more are those that [chattest] knows by [chattest.Trouble].
func more(f channel.Form) bool {
	return f != channel.Slack && f != channel.Teams && f != channel.Mattermost
}

func formed(t *testing.T, f channel.Form, server, id string) channel.Message {
	t.Helper()
	body, err := f.Body(channel.Note{Title: "▲ gestört: Bürgerportal", Text: "Alles & <jedes> *wichtig* @all", Link: "https://lage.example/alert/1", Label: "Alarm ansehen"})
	if err != nil {
		t.Fatal(err)
	}
	m := message(server + forms[f])
	m.ID, m.Form, m.Payload, m.Class, m.Secret = id, f, body, channel.Alarm, []byte("richtiges-token")
	if f == channel.REST {
		m.Rest = own()
	}
	return m
}

// TestFormsConform holds all forms to the same: what is taken, what waits for how
// long, what is given up, and that a message twice is the least that can happen.
func TestFormsConform(t *testing.T) {
	if len(forms)+1 != len(channel.Forms()) {
		t.Fatal("a form is not among those that are tried")
	}
	for f := range forms {
		t.Run(string(f), func(t *testing.T) {
			chat := &chattest.Server{Form: string(f)}
			if f != channel.RocketChat {
				chat.Token = "richtiges-token"
			}
			srv := httptest.NewServer(chat)
			defer srv.Close()
			a := adapter(t, func(o *Options) { o.Timeout = 20 * time.Second })
			send := func(m channel.Message) *channel.Failure {
				t.Helper()
				rc, err := a.Send(t.Context(), m)
				if err != nil {
					return failure(t, err)
				}
				if more(f) && f != channel.RocketChat && rc.Reference == "" && m.ID != "m4" {
					t.Error("the product's own name of the message is lost")
				}
				return nil
			}

			// Taken, as it was meant.
			if got := send(formed(t, f, srv.URL, "m1")); got != nil {
				t.Fatal(got, chat.Faults())
			}
			p := chat.Posts()
			clean := strings.NewReplacer("\u200b", "")
			if len(p) != 1 || clean.Replace(p[0].Title) != "▲ gestört: Bürgerportal" || clean.Replace(p[0].Text) != "Alles & <jedes> *wichtig* @all" || p[0].Link != "https://lage.example/alert/1" {
				t.Errorf("%+v", p)
			}
			if (f == channel.Ntfy || f == channel.REST) && !p[0].Urgent {
				t.Error("an alarm without priority")
			}

			// The same message twice: once where the product can tell, else twice.
			if got := send(formed(t, f, srv.URL, "m1")); got != nil {
				t.Error(got)
			}
			if n := len(chat.Posts()); (n == 1) != (f == channel.Matrix) || n > 2 {
				t.Errorf("twice became %d", n)
			}

			// Too much: as long as the product asks.
			chat.Throttle(1, "30")
			got := send(formed(t, f, srv.URL, "m2"))
			if got == nil || got.Permanent || got.Reason != "throttled" || f != channel.Signal && got.RetryAfter != 30*time.Second {
				t.Errorf("throttled: %+v", got)
			}
			before := len(chat.Posts())
			if got := send(formed(t, f, srv.URL, "m2")); got != nil || len(chat.Posts()) != before+1 {
				t.Errorf("afterwards: %+v", got)
			}
			if !more(f) {
				return // their 503, silence and torn answers are chat_test.go's and webhook_test.go's
			}

			chat.Make(chattest.Away)
			if got := send(formed(t, f, srv.URL, "m3")); got == nil || got.Permanent || got.Reason != "throttled" {
				t.Errorf("503: %+v", got)
			}
			// Half an answer: only Signal says its yes in it. Nothing is lost by it.
			chat.Make(chattest.Half)
			if got := send(formed(t, f, srv.URL, "m4")); f == channel.Signal && (got == nil || got.Permanent) || f != channel.Signal && got != nil && got.Permanent {
				t.Errorf("half an answer: %+v", got)
			}
			chat.Make("")
			if f == channel.Signal {
				if got := send(formed(t, f, srv.URL, "m4")); got != nil {
					t.Error(got)
				}
			}
			// Silence ends.
			quick := adapter(t, func(o *Options) { o.Timeout = 100 * time.Millisecond })
			chat.Make(chattest.Hang)
			_, err := quick.Send(t.Context(), formed(t, f, srv.URL, "m5"))
			if got := failure(t, err); got.Permanent || got.Reason != "timeout" || got.RouteDown {
				t.Errorf("hang: %+v", got)
			}
			chat.Make("")

			// The wrong token is never taken, and stands in no error.
			if chat.Token == "" {
				return
			}
			wrong := formed(t, f, srv.URL, "m6")
			wrong.Secret = []byte("falsches-token")
			before = len(chat.Posts())
			got = send(wrong)
			if got == nil || !got.Permanent || f != channel.Signal && got.Reason != "auth" || strings.Contains(got.Error(), "falsches") || len(chat.Posts()) != before {
				t.Errorf("wrong token: %+v", got)
			}
			// An address that lacks something is refused before anything is sent.
			short := formed(t, f, srv.URL, "m7")
			if short.To = srv.URL + "/?x=1"; f == channel.REST {
				short.To = srv.URL + "/{{.To}}"
			}
			if got := send(short); got == nil || !got.Permanent || got.Reason != "config" {
				t.Errorf("half an address: %+v", got)
			}
			if f.NeedsSecret() {
				none := formed(t, f, srv.URL, "m8")
				none.Secret = nil
				if got := send(none); got == nil || got.Reason != "config" {
					t.Errorf("no token: %+v", got)
				}
			}
		})
	}
}

// What signal-cli and Threema say in their own words.
func TestProductsOwnRefusals(t *testing.T) {
	for answer, want := range map[string]channel.Failure{
		`{"jsonrpc":"2.0","error":{"code":-1,"message":"no account"},"id":"1"}`:                             {Reason: "rejected", Permanent: true},
		`{"jsonrpc":"2.0","error":{"code":-3,"message":"IO"},"id":"1"}`:                                     {Reason: "rejected"},
		`{"jsonrpc":"2.0","error":{"code":-5,"message":"rate"},"id":"1"}`:                                   {Reason: "throttled"},
		`{"jsonrpc":"2.0","result":{"timestamp":1,"results":[{"type":"UNREGISTERED_FAILURE"}]},"id":"1"}`:   {Reason: "mailbox", Permanent: true},
		`{"jsonrpc":"2.0","result":{"timestamp":1,"results":[{"type":"NETWORK_FAILURE"}]},"id":"1"}`:        {Reason: "connect"},
		`{"jsonrpc":"2.0","result":{"timestamp":1,"results":[{"type":"PROOF_REQUIRED_FAILURE"}]},"id":"1"}`: {Reason: "throttled"},
		`{"jsonrpc":"2.0","result":{"timestamp":1,"results":[{"type":"IDENTITY_FAILURE"}]},"id":"1"}`:       {Reason: "rejected", Permanent: true},
		`<html>proxy</html>`: {Reason: "protocol"},
		``:                   {Reason: "protocol"},
	} {
		_, f := told(keeper{}, channel.Message{Form: channel.Signal}, []byte(answer), nil)
		if f == nil || f.Reason != want.Reason || f.Permanent != want.Permanent {
			t.Errorf("%s: %+v", answer, f)
		}
	}
	ref, f := told(keeper{}, channel.Message{Form: channel.Signal}, []byte(`{"jsonrpc":"2.0","result":{"timestamp":17,"results":[{"type":"NETWORK_FAILURE"},{"type":"SUCCESS"}]},"id":"1"}`), nil)
	if f != nil || ref != "17" {
		t.Error(ref, f)
	}

	chat := &chattest.Server{Form: "threema"}
	srv := httptest.NewServer(chat)
	defer srv.Close()
	m := formed(t, channel.Threema, srv.URL, "m1")
	m.To = srv.URL + "/send_simple?from=*STADT01&to=NOONE000"
	_, err := adapter(t).Send(t.Context(), m)
	if f := failure(t, err); f.Permanent || !strings.Contains(f.Error(), "credits") {
		t.Error(f)
	}
	m = formed(t, channel.Threema, srv.URL, "m2")
	m.To = srv.URL + "/send_simple?from=*STADT01&phone=491700000001"
	if _, err := adapter(t).Send(t.Context(), m); err != nil {
		t.Error(err, chat.Faults())
	}
	m = formed(t, channel.Signal, srv.URL, "m3")
	chat.Form = "signal"
	m.To = srv.URL + "/api/v1/rpc?account=%2B49611000&group=" + "Z3J1cHBlLWVkdi1ub3RmYWxs"
	if _, err := adapter(t).Send(t.Context(), m); err != nil {
		t.Error(err, chat.Faults())
	}
}

func TestAddresses(t *testing.T) {
	for address, f := range map[string]channel.Form{
		"https://m.example/!raum:m.example": channel.Matrix, "https://m.example/unter/!a_b-c:m.example:8448": channel.Matrix,
		"https://ntfy.example/lage_1": channel.Ntfy, "https://t.example/send_simple?from=*STADT01&phone=%2B491700000001": channel.Threema,
		"http://127.0.0.1/api/v1/rpc?group=abcdefghijkl": channel.Signal, "https://any.example/": channel.Slack,
	} {
		if !f.Address(address) {
			t.Error(address, "is good for", f)
		}
	}
	for address, f := range map[string]channel.Form{
		"https://m.example/#raum:m.example": channel.Matrix, "https://m.example/": channel.Matrix, "https://ntfy.example/": channel.Ntfy,
		"https://ntfy.example/a b": channel.Ntfy, "https://t.example/?from=STADT01&to=ABCD1234": channel.Threema,
		"https://t.example/?from=*STADT01&to=ABCD1234&phone=491700000001": channel.Threema, "http://s.example/rpc": channel.Signal,
		"http://s.example/rpc?to=0170": channel.Signal, "http://s.example/rpc?to=%2B491700000001&group=abcdefghijkl": channel.Signal,
	} {
		if f.Address(address) {
			t.Error(address, "is not good for", f)
		}
	}
}

// TestI6_FormsTakeWhatever: whatever a note holds, each product takes it by its
// documented limits, and its link stays whole.
func TestI6_FormsTakeWhatever(t *testing.T) {
	servers := map[channel.Form]*chattest.Server{}
	at := map[channel.Form]string{}
	for f := range forms {
		if more(f) {
			servers[f] = &chattest.Server{Form: string(f)}
			srv := httptest.NewServer(servers[f])
			t.Cleanup(srv.Close)
			at[f] = srv.URL
		}
	}
	a, n := adapter(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		note := channel.Note{
			Title: rapid.StringOfN(rapid.SampledFrom(odd), 1, 500, -1).Draw(rt, "title"), Label: "Zur [Status]seite|",
			Text: rapid.OneOf(
				rapid.StringOf(rapid.Rune()),
				rapid.Map(rapid.IntRange(1, 900), func(n int) string { return strings.Repeat("Wörter & <Zeichen> *fett* @all #x ", n) }),
			).Draw(rt, "text"),
			Link: rapid.SampledFrom([]string{"", "https://status.example/a?x=1"}).Draw(rt, "link"),
		}
		if plain(note.Title) == "" {
			rt.Skip()
		}
		n++
		for f, s := range servers {
			m := formed(t, f, at[f], "x"+strconv.Itoa(n))
			body, err := f.Body(note)
			if err != nil {
				rt.Fatal(f, err)
			}
			m.Payload = body
			if _, err := a.Send(t.Context(), m); err != nil {
				rt.Fatal(f, err, s.Faults())
			}
			all := s.Posts()
			if p := all[len(all)-1]; p.Link != note.Link {
				rt.Fatalf("%s: the link is %q of %.200q", f, p.Link, note.Text)
			}
		}
	})
}
