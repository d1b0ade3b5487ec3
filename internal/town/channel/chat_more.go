package channel

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// Forms of products that want more than a POST to a secret address: a room, a topic
// or a number, and somebody who may write there.
const (
	RocketChat Form = "rocketchat" // an incoming webhook
	Matrix     Form = "matrix"     // PUT into a room, by an access token
	Ntfy       Form = "ntfy"       // a topic of an ntfy server
	Threema    Form = "threema"    // Threema Gateway, basic mode
	Signal     Form = "signal"     // signal-cli's JSON-RPC over HTTP
)

// What the products take, by their documents (October 2026).
const (
	rocketPost  = 5000 // characters; Rocket.Chat's default for a message
	ntfyText    = 4000 // bytes; beyond 4096 a message becomes a file
	ntfyTitle   = 200
	matrixText  = 20_000 // characters; an event ends at 65 536 bytes
	threemaText = 3400   // bytes; the gateway refuses beyond 3500
	signalText  = 1900   // characters; Signal shows longer ones as a file
)

// NeedsSecret reports whether nothing can be sent without the hook's secret, which
// is the product's token then.
func (f Form) NeedsSecret() bool { return f == Matrix || f == Threema }

var (
	matrixRoom = regexp.MustCompile(`^![^\s/?#]{1,250}$`)
	ntfyTopic  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	threemaID  = regexp.MustCompile(`^[A-Z0-9]{8}$`)
	gatewayID  = regexp.MustCompile(`^\*[A-Z0-9]{7}$`)
	fullNumber = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
)

// LastPart is the last part of an address: a Matrix room, an ntfy topic.
func LastPart(u *url.URL) string { return u.Path[strings.LastIndexByte(u.Path, '/')+1:] }

// Address tells whether a web address says all that the form needs.
func (f Form) Address(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	q := u.Query()
	switch f {
	case REST:
		return !strings.Contains(address, "{{") // the address says where, the body what
	case Matrix:
		return matrixRoom.MatchString(LastPart(u)) && u.RawQuery == ""
	case Ntfy:
		return ntfyTopic.MatchString(LastPart(u)) && u.RawQuery == ""
	case Threema:
		to := 0
		if threemaID.MatchString(q.Get("to")) {
			to++
		}
		if q.Get("phone") != "" && fullNumber.MatchString("+"+strings.TrimPrefix(q.Get("phone"), "+")) {
			to++
		}
		return gatewayID.MatchString(q.Get("from")) && to == 1
	case Signal:
		return fullNumber.MatchString(q.Get("to")) != (len(q.Get("group")) > 8) && (q.Get("account") == "" || fullNumber.MatchString(q.Get("account")))
	}
	return true
}

// more writes the note in one of these forms: what is said, while the adapter adds
// to whom and by whose right.
func (f Form) more(n Note) ([]byte, error) {
	switch f {
	case RocketChat:
		return marshal(rocketMessage(n))
	case Matrix:
		text := withLink(n, func(s string, room int) string { return shorten(s, room, same) }, matrixText)
		return marshal(matrixContent{Type: "m.text", Body: text, Mentions: struct{}{}})
	case Ntfy:
		out := ntfyMessage{Title: cutBytes(n.Title, ntfyTitle), Message: cutBytes(n.Text, ntfyText), Click: n.Link}
		if out.Message == "" {
			out.Message = out.Title // the server would write "triggered" in its place
		}
		if n.Link != "" {
			out.Actions = []ntfyAction{{"view", cutBytes(n.Label, ntfyTitle), n.Link}}
		}
		return marshal(out)
	case Threema:
		return []byte(withLink(n, func(s string, room int) string { return cutBytes(s, room) }, threemaText)), nil
	case REST:
		return marshal(said(n))
	default: // Signal
		return []byte(withLink(n, func(s string, room int) string { return shorten(s, room, same) }, signalText)), nil
	}
}

func same(s string) string { return s }

// withLink is the note as plain text whose link is never cut.
func withLink(n Note, cut func(string, int) string, most int) string {
	head := strings.TrimSpace(n.Title + "\n\n" + n.Text)
	if n.Link == "" {
		return cut(head, most)
	}
	foot := "\n\n" + n.Link
	return cut(head, max(most-len(foot), 1)) + foot
}

// cutBytes cuts a text to n bytes, between letters, and says so.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.TrimRight(cut(s, n-len("…")), " \n") + "…"
}

type matrixContent struct {
	Type string `json:"msgtype"`
	Body string `json:"body"`
	// Mentions is empty on purpose: nothing in the text calls anybody.
	Mentions struct{} `json:"m.mentions"`
}

type ntfyMessage struct {
	Title   string       `json:"title,omitempty"`
	Message string       `json:"message"`
	Click   string       `json:"click,omitempty"`
	Actions []ntfyAction `json:"actions,omitempty"`
}

type ntfyAction struct {
	Action string `json:"action"`
	Label  string `json:"label"`
	URL    string `json:"url"`
}

type rocketPostBody struct {
	Text        string             `json:"text"`
	Attachments []rocketAttachment `json:"attachments,omitempty"`
}

type rocketAttachment struct {
	Title string `json:"title"`
	Link  string `json:"title_link"`
}

// unmarked takes from a text what Rocket.Chat and other readers of Markdown would
// read as markup, a call or a channel; a character without width keeps each sign
// from having a partner.
func unmarked(s string) string {
	s = calm(s)
	for _, sign := range []string{"*", "_", "~", "`", "[", "#", "<"} {
		s = strings.ReplaceAll(s, sign, sign+"\u200b")
	}
	return s
}

func rocketMessage(n Note) rocketPostBody {
	text := strings.TrimSpace(n.Title + "\n\n" + n.Text)
	p := rocketPostBody{Text: unmarked(shorten(text, rocketPost-200, unmarked))}
	if n.Link != "" {
		p.Attachments = []rocketAttachment{{unmarked(shorten(n.Label, slackLabel, unmarked)), n.Link}}
	}
	return p
}

// NtfyBody adds topic and urgency to what [Ntfy] says.
func NtfyBody(said []byte, topic string, urgent bool) ([]byte, error) {
	var m struct {
		Topic    string `json:"topic"`
		Priority int    `json:"priority"`
		ntfyMessage
	}
	if err := json.Unmarshal(said, &m.ntfyMessage); err != nil {
		return nil, err
	}
	m.Topic, m.Priority = topic, 3
	if urgent {
		m.Priority = 5
	}
	return marshal(m)
}
