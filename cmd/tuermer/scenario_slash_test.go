package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// commandChat is a messenger in which people write "/dienst …": it asks the address
// that somebody entered and shows what comes back, to one or to all.
type commandChat struct {
	product string // mattermost, slack, rocketchat
	token   string
	address string
	code    string   // that somebody took from their page last
	number  string   // of the request that was read last
	all     []string // what everybody in the room has read
	n       int
}

// commands: Chat rathaus öffnet mattermost geheim123 | übernimmt die Adresse |
// merkt sich den Code | ada schreibt "/dienst woche" "Worte" … | alle lesen "Worte" … |
// bleibt ohne Ausweis draußen.
func (s *stage) commands(args []string) error {
	c := s.commandChats[args[0]]
	if args[1] == "öffnet" && len(args) == 4 {
		if s.commandChats == nil {
			s.commandChats = map[string]*commandChat{}
		}
		s.commandChats[args[0]] = &commandChat{product: args[2], token: args[3]}
		return nil
	}
	if c == nil {
		return fmt.Errorf("den Chat %s gibt es noch nicht", args[0])
	}
	page := func(id string) (string, error) {
		if s.now == nil || s.now.doc == nil {
			return "", errors.New("es ist keine Seite offen")
		}
		text := strings.TrimSpace(s.now.doc.Find("#" + id).Text())
		if text == "" {
			return "", fmt.Errorf("auf der Seite steht nichts unter %s", id)
		}
		return text, nil
	}
	var err error
	switch {
	case args[1] == "übernimmt":
		c.address, err = page("hook-url")
		return err
	case args[1] == "merkt":
		c.code, err = page("code")
		return err
	case args[1] == "alle" && len(args) > 3:
		return lacks(strings.Join(c.all, "\n"), args[3:])
	case args[1] == "bleibt":
		right := c.token
		c.token = "geraten" + right
		status, said, err := c.send(s, "fremd", "/dienst woche")
		c.token = right
		if err == nil && status != http.StatusUnauthorized {
			err = fmt.Errorf("die Antwort ist %d: %s", status, said)
		}
		return err
	case len(args) > 3 && args[2] == "schreibt":
		text := strings.NewReplacer("{code}", c.code, "{nummer}", c.number).Replace(args[3])
		status, said, err := c.send(s, args[1], text)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("die Antwort ist %d: %s", status, said)
		}
		shown, all, err := c.shown(said)
		if err != nil {
			return err
		}
		if all {
			c.all = append(c.all, shown)
		}
		if m := requestNumber.FindStringSubmatch(shown); m != nil {
			c.number = m[1]
		}
		return lacks(shown, args[4:])
	}
	return errors.New("erwartet wird öffnet, übernimmt die Adresse, merkt sich den Code, schreibt, alle lesen oder bleibt ohne Ausweis draußen")
}

// requestNumber is how an answer names a request.
var requestNumber = regexp.MustCompile(`(?:ja|zurück) (\d{5})`)

func lacks(text string, words []string) error {
	not := len(words) > 0 && words[0] == "nicht"
	if not {
		words = words[1:]
	}
	for _, w := range words {
		if strings.Contains(text, w) == not {
			return fmt.Errorf("„%s“ (nicht: %v) in:\n%s", w, not, text)
		}
	}
	return nil
}

// send asks as the product does.
func (c *commandChat) send(s *stage, who, text string) (int, string, error) {
	if c.address == "" {
		return 0, "", errors.New("im Chat ist noch keine Adresse eingetragen")
	}
	c.n++
	command, rest, _ := strings.Cut(text, " ")
	v := url.Values{
		"token": {c.token}, "team_id": {"T1"}, "team_domain": {"rathaus"}, "channel_id": {"C1"}, "channel_name": {"bereitschaft"}, "user_id": {"U-" + who}, "user_name": {who},
		"command": {command}, "text": {rest}, "trigger_id": {strconv.Itoa(c.n)}, "response_url": {"http://chat.example/hooks/commands/1"},
	}
	body, kind := v.Encode(), "application/x-www-form-urlencoded"
	if c.product == "rocketchat" {
		b, err := json.Marshal(map[string]any{
			"token": c.token, "bot": false, "trigger_word": command, "channel_id": "C1", "channel_name": "bereitschaft", "message_id": strconv.Itoa(c.n),
			"timestamp": time.Now().UTC().Format(time.RFC3339), "user_id": "U-" + who, "user_name": who, "text": text, "siteUrl": "http://chat.example",
		})
		if err != nil {
			return 0, "", err
		}
		body, kind = string(b), "application/json"
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, c.address, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", kind)
	switch c.product {
	case "mattermost":
		req.Header.Set("Authorization", "Token "+c.token)
	case "slack":
		stamp := strconv.FormatInt(time.Now().Unix(), 10)
		m := hmac.New(sha256.New, []byte(c.token))
		m.Write([]byte("v0:" + stamp + ":" + body))
		req.Header.Set("X-Slack-Request-Timestamp", stamp)
		req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(m.Sum(nil)))
	}
	client := &http.Client{Transport: &http.Transport{DialContext: s.net.Dial, DisableKeepAlives: true}, Timeout: 20 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	said, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	return res.StatusCode, string(said), err
}

// shown is an answer as people read it, and whether all do.
func (c *commandChat) shown(said string) (text string, all bool, err error) {
	var b struct {
		Type   string `json:"response_type"`
		Text   string `json:"text"`
		Blocks []struct {
			Text struct{ Text string } `json:"text"`
		} `json:"blocks"`
	}
	if err := json.Unmarshal([]byte(said), &b); err != nil {
		return "", false, fmt.Errorf("das zeigt kein Messenger: %s %w", said, err)
	}
	text = b.Text
	for _, block := range b.Blocks {
		text += "\n" + block.Text.Text
	}
	return strings.NewReplacer(`\`, "", "\u200b", "", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text), b.Type == "in_channel" || c.product == "rocketchat", nil
}

// calendar: Kalender abonniert den Link der Seite | Kalender zeigt "Worte" … |
// Kalender zeigt nicht "Worte".
func (s *stage) calendar(args []string) error {
	if args[0] == "abonniert" {
		if s.now == nil || s.now.doc == nil {
			return errors.New("es ist keine Seite offen")
		}
		s.feed = strings.TrimSpace(s.now.doc.Find("#feed-url").Text())
		if s.feed == "" {
			return errors.New("auf der Seite steht kein Link")
		}
		return nil
	}
	client := &http.Client{Transport: &http.Transport{DialContext: s.net.Dial, DisableKeepAlives: true}, Timeout: 20 * time.Second}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.feed, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("der Kalender antwortet %d: %w", res.StatusCode, err)
	}
	return lacks(string(text), args[1:])
}
