package webhook

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fill"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/chattest"
)

// presets are the known services, with the address that each needs behind the server's.
var presets = map[string]struct {
	at   string
	rest channel.Rest
}{
	"nextcloud-talk": {"/ocs/v2.php/apps/spreed/api/v1/chat/n3xtc10ud", channel.Rest{User: "lage"}},
	"nextcloud-bot":  {"/ocs/v2.php/apps/spreed/api/v1/bot/n3xtc10ud/message", channel.Rest{}},
	"zulip":          {"/api/v1/messages", channel.Rest{User: "lage-bot@zulip.example", To: "EDV & Lage"}},
	"wire":           {"/api/conversation", channel.Rest{}},
}

func preset(t *testing.T, name, server, id string, n channel.Note) channel.Message {
	t.Helper()
	m := formed(t, channel.REST, server, id)
	r := presets[name].rest
	r.Preset, m.To, m.Rest = name, server+presets[name].at, &r
	body, err := channel.REST.Body(n)
	if err != nil {
		t.Fatal(err)
	}
	m.Payload = body
	return m
}

// TestPresetsConform: every service whose interface is known takes what it documents,
// is waited for as long as it asks, and its token stands in no error.
func TestPresetsConform(t *testing.T) {
	if len(presets) != len(channel.RestPresets()) {
		t.Fatal("a preset is not among those that are tried")
	}
	note := channel.Note{Title: "▲ gestört: Bürgerportal", Text: "Alles & <jedes> *wichtig* @all @\"alle\"", Link: "https://lage.example/alert/1?a=b&c=d"}
	for name := range presets {
		t.Run(name, func(t *testing.T) {
			chat := &chattest.Server{Form: name, Token: "richtiges-token"}
			srv := httptest.NewServer(chat)
			defer srv.Close()
			a := adapter(t, func(o *Options) { o.Timeout = 60 * time.Second })
			rc, err := a.Send(t.Context(), preset(t, name, srv.URL, "m1", note))
			if err != nil {
				t.Fatal(err, chat.Faults())
			}
			p := chat.Posts()
			if len(p) != 1 || p[0].Title != note.Title || p[0].Text != note.Text || p[0].Link != note.Link {
				t.Errorf("%+v", p)
			}
			if want := map[string]string{"nextcloud-talk": "1567", "zulip": "42"}[name]; rc.Reference != want {
				t.Errorf("the service's name of the message is %q", rc.Reference)
			}
			chat.Throttle(1, "30")
			_, err = a.Send(t.Context(), preset(t, name, srv.URL, "m2", note))
			if f := failure(t, err); f.Permanent || f.Reason != "throttled" || f.RetryAfter != 30*time.Second {
				t.Errorf("throttled: %+v", f)
			}
			wrong := preset(t, name, srv.URL, "m3", note)
			wrong.Secret = []byte("falsches-token")
			_, err = a.Send(t.Context(), wrong)
			if f := failure(t, err); !f.Permanent || f.Reason != "auth" || strings.Contains(f.Error(), "falsches") ||
				strings.Contains(f.Error(), base64.StdEncoding.EncodeToString([]byte("lage:falsches-token"))) || len(chat.Posts()) != 1 {
				t.Errorf("wrong token: %+v", f)
			}
			none := preset(t, name, srv.URL, "m4", note)
			none.Secret = nil
			_, err = a.Send(t.Context(), none)
			if f := failure(t, err); !f.Permanent || f.Reason != "config" {
				t.Errorf("no token: %+v", f)
			}
		})
	}
}

// TestI6_PresetsTakeWhatever: whatever a note holds, each service takes it within its
// documented limits, shows no markup, and its link stays whole.
func TestI6_PresetsTakeWhatever(t *testing.T) {
	servers, at := map[string]*chattest.Server{}, map[string]string{}
	for name := range presets {
		servers[name] = &chattest.Server{Form: name, Token: "richtiges-token"}
		srv := httptest.NewServer(servers[name])
		t.Cleanup(srv.Close)
		at[name] = srv.URL
	}
	a, n := adapter(t, func(o *Options) { o.Timeout = 60 * time.Second }), 0
	rapid.Check(t, func(rt *rapid.T) {
		note := channel.Note{
			Title: rapid.StringOfN(rapid.SampledFrom(odd), 1, 500, -1).Draw(rt, "title"),
			Text: rapid.OneOf(
				rapid.StringOf(rapid.Rune()),
				rapid.Map(rapid.IntRange(1, 1500), func(n int) string { return strings.Repeat("Wörter & <Zeichen> *fett* @all #x ", n) }),
			).Draw(rt, "text"),
			Link: rapid.SampledFrom([]string{"", "https://status.example/a?x=1&y=_2_"}).Draw(rt, "link"),
		}
		if plain(note.Title) == "" {
			rt.Skip()
		}
		n++
		for name, s := range servers {
			if _, err := a.Send(t.Context(), preset(t, name, at[name], "x"+strconv.Itoa(n), note)); err != nil {
				rt.Fatal(name, err, s.Faults())
			}
			all := s.Posts()
			if p := all[len(all)-1]; p.Link != note.Link {
				rt.Fatalf("%s: the link is %q of %.200q", name, p.Link, note.Text)
			}
		}
	})
}

// A service that says no with 200 is asked again; what it said is shown, its token
// is not. Without a yes of its own the status is the yes, however the body ends.
func TestRestSaysNoWith200(t *testing.T) {
	chat := &chattest.Server{Form: "rest", Token: "richtiges-token"}
	srv := httptest.NewServer(chat)
	defer srv.Close()
	a := adapter(t, func(o *Options) { o.Timeout = 60 * time.Second })
	m := formed(t, channel.REST, srv.URL, "m1")
	chat.Make(chattest.Deny)
	_, err := a.Send(t.Context(), m)
	if f := failure(t, err); f.Permanent || f.Reason != "rejected" || !strings.Contains(f.Error(), "no room") {
		t.Error(f)
	}
	chat.Make(chattest.Half)
	_, err = a.Send(t.Context(), m)
	if f := failure(t, err); f.Permanent || f.Reason != "protocol" {
		t.Error(f)
	}
	m.Rest.OKPath, m.Rest.OK = "", nil
	if _, err := a.Send(t.Context(), m); err != nil {
		t.Error("half an answer of a service whose status is its yes:", err)
	}
	chat.Make("")
	if rc, err := a.Send(t.Context(), m); err != nil || rc.Reference != "r-m1" {
		t.Error(rc, err)
	}
}

// TestRestRequest is what leaves the house: method, type, headers, what is escaped how.
func TestRestRequest(t *testing.T) {
	var got *http.Request
	var form url.Values
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got, form = r, r.PostForm
	}))
	defer srv.Close()
	m := formed(t, channel.REST, srv.URL, "m1")
	m.To = srv.URL + "/api/send?team=7"
	m.Secret = []byte("wort\r\nX-Boese: ja")
	m.Rest = &channel.Rest{
		Method: http.MethodPut, Type: "application/x-www-form-urlencoded", Body: "t={{.Title}}&m={{.Text}}&ort=fest",
		Headers: map[string]string{"X-Token": "a {{.Secret}}", "X-Klasse": "{{.Class}}"}, Markup: "html",
	}
	body, err := channel.REST.Body(channel.Note{Title: "a&m=b", Text: "<b>fett</b>\nzwei & drei"})
	if err != nil {
		t.Fatal(err)
	}
	m.Payload = body
	if _, err := adapter(t, func(o *Options) { o.Timeout = 60 * time.Second }).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got.Method != http.MethodPut || got.URL.RequestURI() != "/api/send?team=7" || got.Header.Get("X-Klasse") != "alarm" ||
		got.Header.Get("X-Boese") != "" || got.Header.Get("X-Token") != "a wortX-Boese: ja" || got.Header.Get("Idempotency-Key") != "m1" || got.Header.Get(SignatureHeader) != "" {
		t.Error(got.Method, got.URL, got.Header)
	}
	if form.Get("t") != "a&amp;m=b" || form.Get("m") != "&lt;b&gt;fett&lt;/b&gt;<br>zwei &amp; drei" || form.Get("ort") != "fest" {
		t.Error(form)
	}
}

// TestRestProblems names what could never be sent, at the start.
func TestRestProblems(t *testing.T) {
	for word, spoil := range map[string]func(r *channel.Rest){
		"placeholder": func(r *channel.Rest) { r.Body = `{"t":"{{.Text}}","x":"{{.Nummer}}"}` },
		"braces":      func(r *channel.Rest) { r.Body = `{"t":"{{.Text}}","x":"{{Text}}"}` },
		"json":        func(r *channel.Rest) { r.Body = `{"t":{{.Text}}}` },
		"nested":      func(r *channel.Rest) { r.Body = `{"content":"{\"text\":\"{{.Text}}\",\"all\":false}"}` },
		"silent":      func(r *channel.Rest) { r.Body = `{"id":"{{.ID}}"}` },
		"body":        func(r *channel.Rest) { r.Body = "" },
		"to":          func(r *channel.Rest) { r.To = "" },
		"secret":      func(r *channel.Rest) { r.Headers = map[string]string{"Authorization": "Bearer abc"} },
		"header":      func(r *channel.Rest) { r.Headers = map[string]string{"content-length": "7"} },
		"auth":        func(r *channel.Rest) { r.Auth = channel.Signed },
		"user":        func(r *channel.Rest) { r.Auth = channel.Basic },
		"ok":          func(r *channel.Rest) { r.OK = nil },
		"method":      func(r *channel.Rest) { r.Method = "GET" },
		"type":        func(r *channel.Rest) { r.Type = "text/xml" },
		"markup":      func(r *channel.Rest) { r.Markup = "bbcode" },
		"length":      func(r *channel.Rest) { r.Length = 1_000_000 },
		"preset":      func(r *channel.Rest) { r.Preset = "teamwire" },
	} {
		r := own()
		spoil(r)
		_, err := r.Whole()
		if p, ok := errors.AsType[*fill.Problem](err); !ok || p.Word != word {
			t.Errorf("%s: %v", word, err)
		}
	}
	for body, open := range map[string]bool{
		`{"token":"xoxb-geheim-123","m":"{{.Message}}"}`:                      true,
		`{"auth":{"apiKey":"abc"},"m":"{{.Message}}"}`:                        true,
		`{"access_token":["abc {{.ID}}"],"m":"{{.Message}}"}`:                 true,
		`{"Password":1234,"m":"{{.Message}}"}`:                                true,
		`{"token":"Bearer {{.Secret}}","m":"{{.Message}}"}`:                   false,
		`{"token":"{{.ID}}","password":"","max_tokens":5,"m":"{{.Message}}"}`: false,
		`{"key":"raum","m":"token: {{.Message}}"}`:                            false,
	} {
		r := own()
		r.Body = body
		_, err := r.Whole()
		if p, ok := errors.AsType[*fill.Problem](err); ok != open || ok && p.Word != "open" {
			t.Errorf("%s: %v", body, err)
		}
	}
	form := channel.Rest{Type: "application/x-www-form-urlencoded", Body: "api_key=abc&m={{.Message}}"}
	if _, err := form.Whole(); err == nil {
		t.Error("a token in a form is taken, and lies open")
	}
	for _, name := range channel.RestPresets() {
		r := presets[name].rest
		r.Preset = name
		if w, err := r.Whole(); err != nil || !w.NeedsSecret() || slices.Contains([]string{"", "GET"}, w.Method) {
			t.Error(name, err)
		}
	}
}
