package roster_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/roster"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
)

// What people may write, and what is understood.
func TestParseCommand(t *testing.T) {
	for text, want := range map[string]roster.Command{
		"":                             {Verb: roster.VerbDuty},
		"  jetzt ":                     {Verb: roster.VerbDuty},
		"Woche":                        {Verb: roster.VerbWeek},
		"week Presse stelle":           {Verb: roster.VerbWeek, Arg: "Presse stelle"},
		"ich K7F2-9XQM":                {Verb: roster.VerbMe, Arg: "K7F2-9XQM"},
		"me k7f2 9xqm":                 {Verb: roster.VerbMe, Arg: "k7f29xqm"},
		"tausch":                       {Verb: roster.VerbSwap},
		"tausch 2 Bert Kern":           {Verb: roster.VerbSwap, Arg: "2", Who: "Bert Kern"},
		"tausch 4.1. Kern gegen":       {Verb: roster.VerbSwap, Arg: "4.1.", Who: "Kern", Return: true},
		"swap 2 Kern for 3":            {Verb: roster.VerbSwap, Arg: "2", Who: "Kern", Return: true, Take: "3"},
		"ja #48213":                    {Verb: roster.VerbYes, Arg: "48213"},
		"nein":                         {Verb: roster.VerbNo},
		"zurück 48213.":                {Verb: roster.VerbBack, Arg: "48213"},
		"hilfe":                        {Verb: roster.VerbHelp},
		"lösche alles":                 {Verb: roster.VerbUnknown},
		"wo\u200bche\u202e":            {Verb: roster.VerbWeek},
		"ja\x00 1\xff2":                {Verb: roster.VerbYes, Arg: "12"},
		strings.Repeat("woche ", 1000): {Verb: roster.VerbWeek, Arg: strings.TrimSpace(strings.Repeat("woche ", 83)[6:] + "wo")},
	} {
		if got := roster.ParseCommand(text); got != want {
			t.Errorf("%q is %+v, want %+v", text, got, want)
		}
	}
}

func FuzzCommand(f *testing.F) {
	f.Add("tausch 2 <@U012|bert.kern> gegen 3")
	f.Add("ich \u2066K7F2")
	f.Fuzz(func(t *testing.T, text string) {
		c := roster.ParseCommand(text)
		if c.Verb == "" {
			t.Fatal("no verb")
		}
		for _, s := range []string{c.Arg, c.Who, c.Take} {
			if !utf8.ValidString(s) || utf8.RuneCountInString(s) > 500 || strings.ContainsAny(s, "\n\r\x00") {
				t.Fatalf("%q", s)
			}
		}
	})
}

// slackDocument is the example by which Slack's documentation explains its signature
// ("Verifying requests from Slack"): key, moment, body, and what it comes to.
var slackDocument = struct {
	key, stamp, body, sign string
}{
	"8f742231b10e8888abcd99yyyzzz85a5", "1531420618",
	"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
	"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
}

func slackHeader(stamp, sign string) http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	h.Set("X-Slack-Request-Timestamp", stamp)
	h.Set("X-Slack-Signature", sign)
	return h
}

// Slack's own example is taken; what is old, changed, unsigned or signed by another
// key is not. openssl comes to the same signature for a body of ours.
func TestSlackSignature(t *testing.T) {
	d := slackDocument
	at := time.Unix(1531420618, 0)
	s, sign, err := roster.ReadSlash(channel.Slack, []byte(d.key), slackHeader(d.stamp, d.sign), []byte(d.body), at.Add(4*time.Minute))
	if err != nil || s.Team != "T1DC2JH3J" || s.User != "U2CERLKJA" || s.Prefix != "/webhook-collect" || "v0="+sign != d.sign {
		t.Fatalf("Slack's example: %+v %q %v", s, sign, err)
	}
	for what, try := range map[string]func() (string, string, string, string, time.Time){
		"old": func() (string, string, string, string, time.Time) {
			return d.key, d.stamp, d.sign, d.body, at.Add(6 * time.Minute)
		},
		"ahead": func() (string, string, string, string, time.Time) {
			return d.key, d.stamp, d.sign, d.body, at.Add(-6 * time.Minute)
		},
		"body": func() (string, string, string, string, time.Time) {
			return d.key, d.stamp, d.sign, d.body + "&text=ja", at
		},
		"moment":    func() (string, string, string, string, time.Time) { return d.key, "1531420619", d.sign, d.body, at },
		"no moment": func() (string, string, string, string, time.Time) { return d.key, "", d.sign, d.body, at },
		"key":       func() (string, string, string, string, time.Time) { return d.key + "x", d.stamp, d.sign, d.body, at },
		"no key":    func() (string, string, string, string, time.Time) { return "", d.stamp, d.sign, d.body, at },
		"no sign":   func() (string, string, string, string, time.Time) { return d.key, d.stamp, "", d.body, at },
		"bare sign": func() (string, string, string, string, time.Time) {
			return d.key, d.stamp, strings.TrimPrefix(d.sign, "v0="), d.body, at
		},
		"version": func() (string, string, string, string, time.Time) {
			return d.key, d.stamp, "v1=" + strings.TrimPrefix(d.sign, "v0="), d.body, at
		},
	} {
		key, stamp, sign, body, now := try()
		if s, _, err := roster.ReadSlash(channel.Slack, []byte(key), slackHeader(stamp, sign), []byte(body), now); fault.KindOf(err) != fault.Unauthenticated || s != (roster.Slash{}) {
			t.Errorf("%s: %+v %v", what, s, err)
		}
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not here; Slack's own example was checked")
	}
	body := url.Values{"team_id": {"T1"}, "user_id": {"U1"}, "command": {"/dienst"}, "text": {"tausch 2 Bärbel"}}.Encode()
	cmd := exec.Command("openssl", "dgst", "-sha256", "-hmac", "geheimnis-der-app", "-hex")
	cmd.Stdin = strings.NewReader("v0:1531420618:" + body)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(out))
	s, _, err = roster.ReadSlash(channel.Slack, []byte("geheimnis-der-app"), slackHeader("1531420618", "v0="+words[len(words)-1]), []byte(body), at)
	if err != nil || s.Text != "tausch 2 Bärbel" {
		t.Errorf("openssl signs %s: %+v %v", out, s, err)
	}
}

// Mattermost and Rocket.Chat show their token.
func TestTokensOfMessengers(t *testing.T) {
	now := time.Unix(1, 0)
	form := func(v url.Values) ([]byte, http.Header) {
		return []byte(v.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	}
	token := []byte("gr8bgmtqt3n3idr5oeqz3nmhgr")
	body, h := form(url.Values{"token": {string(token)}, "team_id": {"t"}, "user_id": {"u"}, "user_name": {"ada"}, "command": {"/dienst"}, "text": {"woche"}})
	h.Set("Authorization", "Token "+string(token))
	if s, sign, err := roster.ReadSlash(channel.Mattermost, token, h, body, now); err != nil || sign != "" || s != (roster.Slash{Team: "t", User: "u", UserName: "ada", Prefix: "/dienst", Text: "woche"}) {
		t.Error(s, err)
	}
	h.Del("Authorization") // a proxy kept it
	if _, _, err := roster.ReadSlash(channel.Mattermost, token, h, body, now); err != nil {
		t.Error(err)
	}
	h.Set("Authorization", "Token other")
	if _, _, err := roster.ReadSlash(channel.Mattermost, token, h, body, now); fault.KindOf(err) != fault.Unauthenticated {
		t.Error("a wrong header beside the right form:", err)
	}
	h.Del("Authorization")
	for _, wrong := range [][]byte{nil, {}, []byte("x"), token[:25], append([]byte("x"), token...)} {
		if _, _, err := roster.ReadSlash(channel.Mattermost, wrong, h, body, now); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	twice := append(body, "&user_id=v"...)
	if _, _, err := roster.ReadSlash(channel.Mattermost, token, h, twice, now); fault.KindOf(err) != fault.Invalid {
		t.Error("two users in one form:", err)
	}
	rocket := func(more string) []byte {
		return []byte(`{"token":"` + string(token) + `","trigger_word":"!dienst","channel_id":"GENERAL","user_id":"u9","user_name":"ada","timestamp":"2026-11-27T03:00:00Z","text":"!dienst woche"` + more + `}`)
	}
	json := http.Header{"Content-Type": {"application/json"}}
	if s, _, err := roster.ReadSlash(channel.RocketChat, token, json, rocket(`,"bot":false`), now); err != nil || s != (roster.Slash{User: "u9", UserName: "ada", Prefix: "!dienst", Text: " woche"}) {
		t.Errorf("%+v %v", s, err)
	}
	for _, idle := range []string{`,"bot":true`, `,"bot":{"i":"x"}`, `,"isEdited":true`} {
		if s, _, err := roster.ReadSlash(channel.RocketChat, token, json, rocket(idle), now); err != nil || !s.Idle {
			t.Errorf("%s: %+v %v", idle, s, err)
		}
	}
	if _, _, err := roster.ReadSlash(channel.RocketChat, []byte("another token"), json, rocket(""), now); fault.KindOf(err) != fault.Unauthenticated {
		t.Error(err)
	}
}

func FuzzSlash(f *testing.F) {
	f.Add("mattermost", "application/x-www-form-urlencoded", []byte("token=tokentoken&user_id=u&text=woche"))
	f.Add("rocketchat", "application/json", []byte(`{"token":"tokentoken","user_id":"u","text":"!dienst"}`))
	f.Add("slack", "application/x-www-form-urlencoded; charset=utf-8", []byte("ssl_check=1"))
	f.Fuzz(func(t *testing.T, product, kind string, body []byte) {
		h := http.Header{"Content-Type": {kind}}
		s, _, err := roster.ReadSlash(channel.Form(product), []byte("tokentoken"), h, body, time.Unix(0, 0))
		if err == nil && (!strings.Contains(string(body), "token") || !s.Idle && s.User == "") {
			t.Fatalf("taken: %+v", s)
		}
		if err != nil && s != (roster.Slash{}) {
			t.Fatalf("refused, and read: %+v", s)
		}
	})
}

// chat is a messenger that sends commands to a hook.
type chat struct {
	x       *town
	product channel.Form
	secret  string
	at      string // secret part of the address
	id      string
	n       int // requests; each names a trigger of its own, as the products do
}

const token = "gr8bgmtqt3n3idr5oeqz3nmhgr"

func (x *town) chat(t testing.TB, product channel.Form) *chat {
	t.Helper()
	h, at, err := x.MakeHook(x.as(bert), product, "Rathaus-Chat", token)
	if err != nil {
		t.Fatal(err)
	}
	part := strings.Split(strings.TrimPrefix(at, "http://lage.example/in/"), "/")
	if len(part) != 2 || part[1] != roster.SlashPath {
		t.Fatal(at)
	}
	return &chat{x, product, token, part[0], h.ID, 0}
}

// request is what the messenger sends when somebody writes.
func (c *chat) request(user, text string) *http.Request {
	c.n++
	v := url.Values{
		"token": {c.secret}, "team_id": {"T1"}, "team_domain": {"rathaus"}, "channel_id": {"C1"}, "channel_name": {"bereitschaft"}, "user_id": {user}, "user_name": {user + ".name"},
		"command": {"/dienst"}, "text": {text}, "response_url": {"http://chat.example/hooks/1"}, "trigger_id": {strconv.Itoa(c.n) + ".2.3"},
	}
	body, kind := v.Encode(), "application/x-www-form-urlencoded"
	if c.product == channel.RocketChat {
		b, err := json.Marshal(map[string]any{"token": c.secret, "bot": false, "trigger_word": "!dienst", "user_id": user, "user_name": user + ".name", "text": "!dienst " + text})
		if err != nil {
			panic(err)
		}
		body, kind = string(b), "application/json"
	}
	r := httptest.NewRequest(http.MethodPost, "/in/"+c.at+"/dienst", strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	switch c.product {
	case channel.Mattermost:
		r.Header.Set("Authorization", "Token "+c.secret)
	case channel.Slack:
		stamp := strconv.FormatInt(c.x.clock.Now().Unix(), 10)
		m := hmac.New(sha256.New, []byte(c.secret))
		m.Write([]byte("v0:" + stamp + ":" + body))
		r.Header.Set("X-Slack-Request-Timestamp", stamp)
		r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(m.Sum(nil)))
	}
	r.SetPathValue("token", c.at)
	return r
}

// heard is what came back: the words without what keeps them from being markup.
type heard struct {
	text string
	raw  string
	all  bool
}

func (c *chat) says(t testing.TB, user, text string) heard {
	t.Helper()
	w := httptest.NewRecorder()
	r := c.request(user, text)
	if err := c.x.TakeSlash(w, r.WithContext(c.x.w.Ctx)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var b struct {
		Type   string `json:"response_type"`
		Text   string `json:"text"`
		Blocks []struct {
			Text struct{ Text string } `json:"text"`
		} `json:"blocks"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		t.Fatalf("%d %s %v", w.Code, w.Body, err)
	}
	if (b.Type != "ephemeral" && b.Type != "in_channel") && c.product != channel.RocketChat {
		t.Fatalf("response_type %q", b.Type)
	}
	out := b.Text
	for _, block := range b.Blocks {
		out += "\n" + block.Text.Text
	}
	return heard{strings.NewReplacer(`\`, "", "\u200b", "", "&lt;", "<", "&gt;", ">").Replace(out), w.Body.String(), b.Type == "in_channel"}
}

func (h heard) want(t testing.TB, words ...string) heard {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(h.text, w) {
			t.Errorf("%q is not in:\n%s", w, h.text)
		}
	}
	return h
}

// confirm tells the messenger who somebody is.
func (c *chat) confirm(t testing.TB, mail, user string) {
	t.Helper()
	code, until, err := c.x.MessengerCode(c.x.as(mail))
	if err != nil || !until.Equal(c.x.clock.Now().Add(roster.CodeValid)) {
		t.Fatal(until, err)
	}
	c.says(t, user, "ich "+strings.ToLower(code)).want(t, "Sie sind hier "+c.x.nameOf(mail))
}

func (x *town) nameOf(mail string) string {
	for _, p := range x.people {
		if p.Email == mail {
			return p.Name
		}
	}
	return ""
}

// A colleague asks, the other accepts, each from their own chat, and the roster is
// changed, in each messenger.
func TestSwapByMessenger(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		f, at, err := x.MakeFeed(x.as(bert), "presse", "Handy", true)
		if err != nil || f.Person != bert {
			t.Fatal(err)
		}
		feed := at[strings.LastIndex(at, "/")+1:]
		given := 0
		for _, product := range roster.Products() {
			c := x.chat(t, product)
			c.says(t, "u1", "").want(t, "wer Sie sind", "ich")
			c.confirm(t, ada, "u1")
			x.mailTo(t, ada, "Rathaus-Chat", "u1.name", "http://lage.example/reach")
			c.confirm(t, bert, "u2")
			c.says(t, "u1", "").want(t, "Pressestelle:", "danach")
			week := c.says(t, "u1", "woche").want(t, "Pressestelle: Do 20.5. bis Mi 26.5.", "Mo 24.5., 07:00–22:00: ", "Ada Beispiel", "Sa 22.5., 09:00–17:00: ")
			if week.all == (product == channel.RocketChat) {
				t.Errorf("%s: the week is for all: %v", product, week.all)
			}
			if strings.Contains(week.text, "+49") || strings.Contains(week.text, "@") {
				t.Errorf("numbers or addresses for everybody:\n%s", week.text)
			}
			list := c.says(t, "u1", "tausch").want(t, ": ", "Pressestelle")
			if list.all {
				t.Error("own shifts were shown to all")
			}
			given++
			one := shiftNumber(t, c.says(t, "u1", "tausch").text)
			asked := c.says(t, "u1", "tausch "+one+" kern").want(t, "Ada Beispiel gibt an Bert Kern", "Bert Kern ist gefragt")
			if again := c.says(t, "u1", "tausch "+one+" kern"); again.text != asked.text {
				t.Errorf("asked twice:\n%s\n%s", asked.text, again.text)
			}
			all, err := x.Swaps(x.w.Ctx, "presse", 10)
			if err != nil || len(all) != given || all[0].State != roster.Asked {
				t.Fatalf("%+v %v", all, err)
			}
			s := all[0]
			if got := x.onDuty(t, s.Give.From); got != ada {
				t.Fatalf("asking alone changed the roster: %s", got)
			}
			number := roster.SwapNumber(s.ID)
			x.mailTo(t, bert, "/dienst ja "+number)
			c.says(t, "u2", "offen").want(t, "ja "+number, "Ada Beispiel gibt an Bert Kern")
			c.says(t, "u2", "ja").want(t, "Welche Anfrage")
			c.says(t, "u2", "ja 1").want(t, "wartet nicht")
			c.says(t, "u1", "ja "+number).want(t, "wartet nicht") // the asker is not the one who is asked
			if got := x.onDuty(t, s.Give.From); got != ada {
				t.Fatalf("somebody else's yes changed the roster: %s", got)
			}
			c.says(t, "u2", "ja "+number).want(t, "Angenommen", "Ada Beispiel hört davon")
			if got := x.onDuty(t, s.Give.From); got != bert {
				t.Fatalf("after the yes %q is on duty", got)
			}
			ics, err := x.Calendar(x.w.Ctx, feed)
			if err != nil || !strings.Contains(ics, "DTSTART:"+s.Give.From.UTC().Format("20060102T150405Z")) {
				t.Fatalf("not in Bert's calendar: %v\n%s", err, ics)
			}
			x.mailTo(t, ada, "Bert Kern", "angenommen")
			c.says(t, "u2", "ja "+number).want(t, "wartet nicht")
		}
		// Each act stands in the log in the name of the person.
		lines, err := x.log(t)
		if err != nil || !strings.Contains(lines, "roster.swap_accepted Bert Kern") || !strings.Contains(lines, "roster.messenger_confirmed Ada Beispiel") {
			t.Error(lines, err)
		}
	})
}

// A swap for a swap is led to step by step; an own request is withdrawn; what is no
// longer possible is said, and changes nothing.
func TestSwapInReturn(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		c := x.chat(t, channel.Mattermost)
		c.confirm(t, ada, "u1")
		c.confirm(t, bert, "u2")
		c.says(t, "u1", "tausch 1 kern").want(t, "Welche Schicht meinen Sie?", ": ")
		one := shiftNumber(t, c.says(t, "u1", "tausch").text)
		c.says(t, "u1", "tausch "+one).want(t, "Wen möchten Sie fragen?", "Bert Kern")
		c.says(t, "u1", "tausch "+one+" niemand").want(t, "Wen möchten Sie fragen?")
		c.says(t, "u1", "tausch 27.5. @bert gegen").want(t, "Die nächsten Schichten von Bert Kern", "Mo 31.5., 07:00–22:00")
		c.says(t, "u1", "tausch 27.5. @bert gegen 2.6.").want(t, "Do 27.5., 09:00–17:00", "Bert Kern gibt dafür an Ada Beispiel: Mi 2.6., 07:00–22:00")
		all, err := x.Swaps(x.w.Ctx, "presse", 10)
		if err != nil || len(all) != 1 || !all[0].Mutual() {
			t.Fatal(all, err)
		}
		number := roster.SwapNumber(all[0].ID)
		c.says(t, "u2", "zurück "+number).want(t, "wartet nicht")
		c.says(t, "u1", "offen").want(t, "zurück "+number)
		c.says(t, "u1", "zurück "+number).want(t, "Zurückgezogen")
		c.says(t, "u2", "ja "+number).want(t, "wartet nicht")
		// Bert holds the shift no longer that he is asked for.
		c.says(t, "u1", "tausch 27.5. kern gegen 2.6.")
		all, _ = x.Swaps(x.w.Ctx, "presse", 10)
		if _, err := x.Cover(x.as(bert), roster.Override{Roster: "presse", From: all[0].Take.From, To: all[0].Take.To, Person: cleo}); err != nil {
			t.Fatal(err)
		}
		c.says(t, "u2", "ja "+roster.SwapNumber(all[0].ID)).want(t, "Am Dienstplan hat sich nichts geändert.")
		if got := x.onDuty(t, all[0].Give.From); got != ada {
			t.Errorf("%s", got)
		}
		c.says(t, "u2", "nein "+roster.SwapNumber(all[0].ID)).want(t, "Abgelehnt")
		// Dora belongs to no roster and reads all the same.
		c.confirm(t, dora, "u4")
		c.says(t, "u4", "tausch").want(t, "keine Schicht")
		c.says(t, "u4", "week press").want(t, "Pressestelle:")
		c.says(t, "u4", "woche gibtesnicht").want(t, "Welchen Dienstplan")
		c.says(t, "u4", "quatsch").want(t, "kenne ich nicht", "/dienst woche")
	})
}

// A code works once, for ten minutes, for one person; a blocked person, a revoked
// hook, a disconnected account speak no more.
func TestConfirmedAccounts(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		c := x.chat(t, channel.Mattermost)
		code := func(mail string) string {
			code, _, err := x.MessengerCode(x.as(mail))
			if err != nil {
				t.Fatal(err)
			}
			return code
		}
		first := code(ada)
		second := code(ada)
		c.says(t, "u1", "ich "+first).want(t, "gilt nicht") // the newer one ended it
		x.clock.at = x.clock.at.Add(roster.CodeValid + time.Second)
		c.says(t, "u1", "ich "+second).want(t, "gilt nicht")
		third := code(ada)
		c.says(t, "u1", "ich "+third).want(t, "Sie sind hier Ada Beispiel")
		c.says(t, "u2", "ich "+third).want(t, "gilt nicht")
		for range 5 {
			x.clock.at = x.clock.at.Add(time.Second)
			c.says(t, "u3", "ich AAAA-AAAA")
		}
		c.says(t, "u3", "ich AAAA-AAAA").want(t, "zu viele")
		x.clock.at = x.clock.at.Add(time.Minute)
		c.says(t, "u3", "ich AAAA-AAAA").want(t, "gilt nicht")

		mine, open, err := x.MessengerAccounts(x.as(ada))
		if err != nil || !open || len(mine) != 1 || mine[0].Name != "u1.name" || mine[0].Hook != "Rathaus-Chat" {
			t.Fatalf("%+v %v %v", mine, open, err)
		}
		if err := x.DropMessengerAccount(x.as(bert), mine[0].ID); fault.KindOf(err) != fault.NotFound {
			t.Error("another's account:", err)
		}
		x.block(ada)
		c.says(t, "u1", "woche").want(t, "wer Sie sind")
		for i := range x.people {
			x.people[i].Blocked = false
		}
		c.says(t, "u1", "woche").want(t, "Ada Beispiel")
		if err := x.DropMessengerAccount(x.as(ada), mine[0].ID); err != nil {
			t.Fatal(err)
		}
		c.says(t, "u1", "woche").want(t, "wer Sie sind")

		c.confirm(t, ada, "u1")
		if err := x.RevokeHook(x.as(ada), c.id); fault.KindOf(err) != fault.Forbidden {
			t.Error("not the administration:", err)
		}
		if err := x.RevokeHook(x.as(bert), c.id); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if err := x.TakeSlash(w, c.request("u1", "woche").WithContext(x.w.Ctx)); fault.KindOf(err) != fault.NotFound {
			t.Error("a revoked address:", err)
		}
		if mine, open, err := x.MessengerAccounts(x.as(ada)); err != nil || open || len(mine) != 0 {
			t.Error("accounts stayed:", mine, open, err)
		}
	})
}

// Slack's request counts once, even within its five minutes.
func TestSlackRequestCountsOnce(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		c := x.chat(t, channel.Slack)
		for i, want := range []fault.Kind{fault.Internal, fault.Unauthenticated} {
			c.n = 0 // the very same
			err := x.TakeSlash(httptest.NewRecorder(), c.request("u1", "hilfe").WithContext(x.w.Ctx))
			if (err != nil) != (i > 0) || err != nil && fault.KindOf(err) != want {
				t.Errorf("%d: %v", i, err)
			}
		}
		hooks, err := x.Hooks(x.as(bert))
		if err != nil || len(hooks) != 1 || hooks[0].RefusedAt.IsZero() || hooks[0].UsedAt.IsZero() {
			t.Errorf("%+v %v", hooks, err)
		}
		r := httptest.NewRequest(http.MethodGet, "/in/x/dienst", nil)
		w := httptest.NewRecorder()
		if err := x.TakeSlash(w, r); err != nil || w.Code != http.StatusMethodNotAllowed {
			t.Error(w.Code, err)
		}
		big := c.request("u1", strings.Repeat("x", 1<<17))
		if err := x.TakeSlash(w, big.WithContext(x.w.Ctx)); fault.KindOf(err) != fault.TooLarge {
			t.Error(err)
		}
	})
}

// Names call nobody and bend nothing.
func TestNamesAreNoMarkup(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		ro := press(t)
		ro.Name = "@channel <!here> [x](http://böse.example) *fett*"
		if err := x.Save(x.as(bert), ro, true); err != nil {
			t.Fatal(err)
		}
		for _, product := range roster.Products() {
			c := x.chat(t, product)
			c.confirm(t, ada, "u1")
			for _, text := range []string{"", "woche", "tausch", "woche gibtesnicht"} {
				h := c.says(t, "u1", text)
				var b any
				if err := json.Unmarshal([]byte(h.raw), &b); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(h.raw, "@channel") || strings.Contains(h.raw, "<!here>") {
					t.Errorf("%s %q calls everybody: %s", product, text, h.raw)
				}
			}
		}
	})
}

// I19: whatever arrives, from whomever: nobody who is not confirmed changes anything,
// learns a name, or opens another town's door.
func TestI19_UnconfirmedSpeakersChangeNothing(t *testing.T) {
	storetest.Each(t, []store.Migrations{audit.Migrations(), roster.Migrations()}, func(t *testing.T, w *storetest.World) {
		x := newTown(t, w)
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		chats := []*chat{}
		for _, product := range roster.Products() {
			chats = append(chats, x.chat(t, product))
		}
		give := x.key(t, "2027-05-27 10:00")
		s, err := x.AskSwap(x.as(ada), "presse", give, "", bert, "")
		if err != nil {
			t.Fatal(err)
		}
		number := roster.SwapNumber(s.ID)
		state := func() string {
			o, err1 := x.Overrides(w.Ctx, "presse", 100)
			s, err2 := x.Swaps(w.Ctx, "presse", 100)
			lines, err3 := x.log(t)
			if err1 != nil || err2 != nil || err3 != nil {
				t.Fatal(err1, err2, err3)
			}
			var accounts []roster.Account
			for _, p := range x.people {
				mine, _, err := x.MessengerAccounts(x.as(p.Email))
				if err != nil {
					t.Fatal(err)
				}
				accounts = append(accounts, mine...)
			}
			b, err := json.Marshal([]any{o, s, x.mails(), lines, accounts})
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		before := state()
		rapid.Check(t, func(rt *rapid.T) {
			c := *rapid.SampledFrom(chats).Draw(rt, "chat")
			c.secret = rapid.SampledFrom([]string{token, token, "", "x", token + "x"}).Draw(rt, "secret")
			user := rapid.SampledFrom([]string{"", "u1", "p1", "p2", "ada@musterstadt.example", "u1\nu2", strings.Repeat("u", 300)}).Draw(rt, "user")
			verb := rapid.SampledFrom([]string{"", "woche", "tausch", "tausch 1 Kern", "ja " + number, "nein " + number, "zurück " + number, "offen", "ich", "ich AAAA-AAAA", "ich " + give, "hilfe"}).Draw(rt, "verb")
			text := verb + rapid.SampledFrom([]string{"", " ", "\x00", " presse", " 1"}).Draw(rt, "more") + rapid.StringN(0, 10, 40).Draw(rt, "rest")
			r := c.request(user, text)
			ctx := w.Ctx
			if rapid.Bool().Draw(rt, "elsewhere") {
				ctx = ident.WithTenant(context.Background(), "another")
			}
			if rapid.Bool().Draw(rt, "signed in") { // a browser's rights mean nothing here
				ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "p2", Name: "Bert Kern", Roles: []string{"admin"}})
			}
			x.clock.at = x.clock.at.Add(time.Second)
			rec := httptest.NewRecorder()
			err := x.TakeSlash(rec, r.WithContext(ctx))
			if ident.TenantOf(ctx) == "another" && fault.KindOf(err) != fault.NotFound {
				rt.Fatalf("another town's address opened: %v %s", err, rec.Body)
			}
			for _, word := range []string{"Ada", "Bert", "Kern", "Pressestelle", "07:00"} {
				if strings.Contains(rec.Body.String(), word) {
					rt.Fatalf("%q told %q: %s", text, word, rec.Body)
				}
			}
			if after := state(); after != before {
				rt.Fatalf("%q changed\n%s\nto\n%s", text, before, after)
			}
		})
	})
}

// The words of every answer exist in both languages.
func TestWordsOfCommands(t *testing.T) {
	catalog, err := i18n.NewCatalog(web.Texts(), roster.Texts())
	if err != nil {
		t.Fatal(err)
	}
	l := i18n.Locale{Catalog: catalog, Lang: i18n.EN, Zone: roster.Berlin()}
	from := berlin(t, "2027-01-04 08:00")
	if got := roster.Stretched(l, from, from.Add(10*time.Hour)); got != "Mon 4 Jan, 08:00–18:00" {
		t.Error(got)
	}
	l.Lang = i18n.DE
	if got := roster.Stretched(l, from, from.Add(10*time.Hour)); got != "Mo 4.1., 08:00–18:00" {
		t.Error(got)
	}
	if got := roster.Stretched(l, from, from.Add(7*24*time.Hour)); got != "Mo 4.1., 08:00 – Mo 11.1., 08:00" {
		t.Error(got)
	}
}

// log is the audit log in short, oldest first.
func (x *town) log(t testing.TB) (string, error) {
	t.Helper()
	room := audit.New(audit.Options{Store: x.w.Store, Clock: x.clock})
	lines, err := room.Find(ident.WithActor(x.w.Ctx, ident.System), audit.Query{Limit: 200})
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.Action + " " + l.Actor.Name + "\n")
	}
	return b.String(), err
}

func (x *town) onDuty(t testing.TB, at time.Time) string {
	t.Helper()
	who, err := x.OnDuty(x.w.Ctx, "presse", at)
	if err != nil || len(who) != 1 {
		t.Fatal(who, err)
	}
	return who[0].Email
}
