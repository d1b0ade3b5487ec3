package gateway

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"
)

// A provider that quotes what it was asked shows neither the key nor the address at
// which it would be believed, in whatever spelling.
func TestAnAnswerThatQuotesTheRequest(t *testing.T) {
	v := Values{To: "+491701234567", Digits: "491701234567", User: "stadt", Secret: `Geheim&Wort<77`, Callback: "https://x.example/in/t0k3n/sms-receipt"}
	inJSON := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	slashed := func(s string) string { return strings.ReplaceAll(s, "/", `\/`) } // as PHP writes it
	for _, what := range []string{v.Secret, v.Callback, base64.StdEncoding.EncodeToString([]byte("stadt:" + v.Secret)), v.To} {
		for _, spelt := range []string{what, inJSON(what), slashed(what), html.EscapeString(what), url.QueryEscape(what), inJSON(html.EscapeString(what))} {
			for _, before := range []string{"cannot parse ", strings.Repeat("x", 190) + " "} {
				got := v.discreet(before + spelt)
				for _, leak := range []string{"Geheim", "t0k3n", "1701234567", "c3RhZHQ6"} {
					if strings.Contains(got, leak) {
						t.Errorf("%q is shown as %q", spelt, got)
					}
				}
			}
		}
	}
	if got := v.discreet("100% falsch: no credit & <nothing>"); got != "100% falsch: no credit & <nothing>" {
		t.Errorf("hidden for nothing: %q", got)
	}
}
