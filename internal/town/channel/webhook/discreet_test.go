package webhook

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fill"
	"tuermer/internal/town/channel"
)

// spellings are how a service may repeat a value in its answer.
var spellings = map[string]func(string) string{
	"as it is": func(s string) string { return s },
	"json":     func(s string) string { b, _ := json.Marshal(s); return string(b) },
	"filled": func(s string) string {
		return fill.Template("{{.S}}", fill.JSON, func(string) (string, bool) { return s, true })
	},
	"json twice":   func(s string) string { b, _ := json.Marshal(s); b, _ = json.Marshal(string(b)); return string(b) },
	"json in html": func(s string) string { b, _ := json.Marshal(s); return html.EscapeString(string(b)) },
	"html":         html.EscapeString,
	"html hex": func(s string) (out string) {
		for _, r := range s {
			out += fmt.Sprintf("&#x%X;", r)
		}
		return out
	},
	"json numbers": func(s string) (out string) {
		for _, r := range s {
			if r < 1<<16 {
				out += fmt.Sprintf(`\u%04X`, r)
			} else {
				out += string(r)
			}
		}
		return out
	},
	"query":  url.QueryEscape,
	"path":   url.PathEscape,
	"quoted": func(s string) string { return fmt.Sprintf("%q", s) },
	"base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"cut": func(s string) string { // behind the first half of its letters
		need := max(minSecret, (len([]rune(bare(s)))+1)/2)
		for i := range s {
			if len([]rune(bare(s[:i]))) >= need {
				return s[:i] + "…"
			}
		}
		return s
	},
}

// TestI6_TheTokenStaysHidden: in whatever spelling and at whatever place of its answer
// a service repeats the token, nothing of the answer is shown.
func TestI6_TheTokenStaysHidden(t *testing.T) {
	to, err := url.Parse("https://m.example/api/v1/messages")
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(spellings))
	for name := range spellings {
		names = append(names, name)
	}
	slices.Sort(names)
	rapid.Check(t, func(rt *rapid.T) {
		token := rapid.StringMatching(`[A-Za-z0-9&<>"'+/=%\\_. äß-]{8,40}`).Draw(rt, "token")
		if len([]rune(bare(token))) < 8 {
			rt.Skip()
		}
		name := rapid.SampledFrom(names).Draw(rt, "spelling")
		noise := rapid.StringMatching(`[a-z %&\\<+;]{0,400}`).Draw(rt, "before") + " "
		said := noise + spellings[name](token) + "\n100% & mehr"
		if k := keep(to, channel.Message{Secret: []byte(token)}); k.repeats(said) != theToken {
			rt.Fatalf("%s: %q is shown", name, said)
		}
	})
	k := keep(to, channel.Message{Secret: []byte("richtiges-token")})
	for _, said := range []string{"", "no room", `{"error":"invalid token","code":401}`, "100% falsch"} {
		if k.unlessTold(said) != said {
			t.Errorf("%q is hidden for nothing", said)
		}
	}
	if keep(to, channel.Message{}).repeats("api v1") != "" {
		t.Error("what has no token hides all")
	}
}

// What a reviewer found: a service that quotes the request in its no lays the token
// into outbox, API and log.
func TestAServiceThatRepeatsTheRequest(t *testing.T) {
	for name, c := range map[string]struct {
		secret, leak string
		status       int
		answer       func(body string) string
	}{
		"json escape": {"Geheim&Wort<77", `Geheim\u0026Wort\u003c77`, 400, func(b string) string { return "cannot parse " + b }},
		"html escape": {"Geheim&Wort<77", "Geheim&amp;Wort&lt;77", 400, func(string) string { return "bad token Geheim&amp;Wort&lt;77" }},
		"cut":         {"GeheimesWort0123456789", "GeheimesWort01234", 400, func(string) string { return strings.Repeat("x", 180) + " GeheimesWort0123456789" }},
		"a no in 200": {"GeheimesWort0123456789", "GeheimesWort01234", 200, func(string) string {
			return `{"status":"bad","x":"` + strings.Repeat("x", 160) + ` GeheimesWort0123456789"}`
		}},
		"as its name": {"GeheimesWort0123456789", "GeheimesWort01234", 200, func(string) string {
			return `{"status":"sent","id":"` + strings.Repeat("x", 190) + ` GeheimesWort0123456789"}`
		}},
	} {
		for _, form := range []channel.Form{channel.REST, channel.RocketChat, channel.Matrix, channel.Ntfy, channel.Threema, channel.Signal, channel.Mattermost, channel.Plain} {
			t.Run(name+" "+string(form), func(t *testing.T) {
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					b, _ := io.ReadAll(r.Body)
					w.Header().Set("X-Request-Id", c.secret)
					w.WriteHeader(c.status)
					_, _ = w.Write([]byte(c.answer(string(b))))
				}))
				defer srv.Close()
				m := message(srv.URL)
				if form != channel.Plain {
					m = formed(t, form, srv.URL, "m1")
				}
				if form == channel.REST {
					m.Rest = &channel.Rest{Body: `{"key":"{{.Secret}}","m":"{{.Message}}"}`, OKPath: "status", OK: []string{"sent"}, IDPath: "id"}
				}
				m.Secret = []byte(c.secret)
				rc, err := adapter(t, func(o *Options) { o.Timeout = 60 * time.Second }).Send(t.Context(), m)
				if err == nil && c.status != 200 {
					t.Fatal("taken")
				}
				if all := fmt.Sprint(err, rc); strings.Contains(all, c.leak) || strings.Contains(all, "GeheimesWort") {
					t.Errorf("stands in the outbox: %s", all)
				}
			})
		}
	}
}
