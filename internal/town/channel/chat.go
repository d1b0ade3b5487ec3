package channel

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf16"
)

// Form is the shape in which a webhook wants to be told: our own signed document,
// or a message of a chat product as its incoming webhooks take it.
type Form string

// The forms.
const (
	Plain      Form = ""           // our own document, for programs
	Slack      Form = "slack"      // Block Kit
	Teams      Form = "teams"      // an Adaptive Card for a Power Automate workflow
	Mattermost Form = "mattermost" // Markdown
)

// Forms lists them.
func Forms() []Form {
	return []Form{Plain, Slack, Teams, Mattermost, RocketChat, Matrix, Ntfy, Threema, Signal, REST}
}

// Chat reports whether people read it, rather than a program.
func (f Form) Chat() bool { return f != Plain }

// Note is what a chat is told, as plain words. Nothing in it is markup: whoever
// writes a statement calls nobody by "@all" and bends no link.
type Note struct {
	Title, Text string
	Link, Label string // where more stands, and what the link is called; may be empty
}

// What the products take, by their documents (October 2026).
const (
	slackHeader     = 150    // characters of a header block
	slackSection    = 3000   // characters of a section's text
	slackSections   = 40     // of the 50 blocks of a message
	slackFallback   = 3000   // what a notification shows; a message's text ends at 40 000
	mattermostPost  = 16_383 // characters of a post
	teamsBody       = 27_000 // bytes; the card is refused beyond 28 KB
	teamsTitle      = 300
	slackLabel      = 75
	teamsCardFormat = "application/vnd.microsoft.card.adaptive"
)

// Body writes the note in the form. What is too long is cut, says so by "…", and
// keeps its link. [Plain] has no body of its own.
func (f Form) Body(n Note) ([]byte, error) {
	n.Title = strings.Join(strings.Fields(printable(n.Title)), " ")
	n.Text = strings.TrimSpace(printable(n.Text))
	if u, err := url.Parse(n.Link); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		n.Link = ""
	}
	if n.Label = strings.Join(strings.Fields(printable(n.Label)), " "); n.Label == "" {
		n.Label = n.Link
	}
	switch f {
	case Slack:
		return marshal(slackMessage(n))
	case Mattermost:
		return marshal(mattermostMessage(n))
	case Teams:
		return teamsMessage(n)
	case RocketChat, Matrix, Ntfy, Threema, Signal, REST:
		return f.more(n)
	case Plain:
	}
	return nil, fmt.Errorf("channel: no chat has the form %q", f)
}

// marshal leaves <, > and & alone, which JSON does not need escaped: escaped they
// would count six bytes each.
func marshal(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("channel: chat: %w", err)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// printable is foreign text without control characters and broken letters.
func printable(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0):
			return ' '
		}
		return r
	}, s)
}

// units counts as the products do, in UTF-16.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// cutTo cuts plain text so that written by esc it has at most n units, at a word's
// end where there is one near.
func cutTo(s string, n int, esc func(string) string) (head, rest string) {
	if len(s) <= 4*n && units(esc(s)) <= n { // no letter has more than four bytes
		return s, ""
	}
	runes := []rune(s)
	runes = runes[:min(len(runes), n+1)] // each has one unit at least
	keep := sort.Search(len(runes), func(k int) bool { return units(esc(string(runes[:k+1]))) > n })
	head = string(runes[:keep])
	if i := strings.LastIndexAny(head, " \n"); i > len(head)/2 {
		head = head[:i]
	}
	return strings.TrimRight(head, " \n"), strings.TrimLeft(s[len(head):], " \n")
}

// shorten is cutTo with a sign that something is missing.
func shorten(s string, n int, esc func(string) string) string {
	if len(s) <= 4*n && units(esc(s)) <= n {
		return s
	}
	head, _ := cutTo(s, n-1, esc)
	return head + "…"
}

// --- Slack

var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slackEscape is for Slack's plain text: three letters steer it, and nothing else.
func slackEscape(s string) string { return slackEscapes.Replace(calm(s)) }

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
	// Emoji is false: ":-)" stays what was written.
	Emoji *bool `json:"emoji,omitempty"`
}

type slackBlock struct {
	Type string    `json:"type"`
	Text slackText `json:"text"`
}

type slackPost struct {
	// Text is what a notification and a screen reader say instead of the blocks.
	Text   string       `json:"text"`
	Blocks []slackBlock `json:"blocks"`
	// UnfurlLinks: the page is not fetched to paint it into the channel.
	UnfurlLinks bool `json:"unfurl_links"`
	UnfurlMedia bool `json:"unfurl_media"`
}

func slackMessage(n Note) slackPost {
	no := false
	plain := func(kind, s string) slackBlock {
		return slackBlock{kind, slackText{"plain_text", slackEscape(s), &no}}
	}
	p := slackPost{Text: slackFall(n)}
	if n.Title != "" {
		p.Blocks = append(p.Blocks, plain("header", shorten(n.Title, slackHeader, slackEscape)))
	}
	for i, rest := 0, n.Text; rest != ""; i++ {
		var part string
		if i == slackSections-1 {
			part, rest = shorten(rest, slackSection, slackEscape), ""
		} else {
			part, rest = cutTo(rest, slackSection, slackEscape)
		}
		p.Blocks = append(p.Blocks, plain("section", part))
	}
	if n.Link != "" {
		to := strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E", " ", "%20").Replace(n.Link)
		label := strings.ReplaceAll(slackEscape(shorten(n.Label, slackLabel, slackEscape)), "|", "/")
		p.Blocks = append(p.Blocks, slackBlock{"section", slackText{Type: "mrkdwn", Text: "<" + to + "|" + label + ">"}})
	}
	return p
}

// slackFall is one line of mrkdwn, whose signs of emphasis cannot be escaped: a
// character without width keeps each from having a partner.
func slackFall(n Note) string {
	s := n.Title
	if s == "" {
		s = strings.Join(strings.Fields(n.Text), " ")
	}
	esc := func(s string) string {
		s = slackEscape(s)
		for _, sign := range []string{"*", "_", "~", "`"} {
			s = strings.ReplaceAll(s, sign, "\u200b"+sign+"\u200b")
		}
		return s
	}
	return esc(shorten(s, slackFallback, esc))
}

// --- Mattermost

// webAddress finds web addresses, which a backslash would break.
var webAddress = regexp.MustCompile(`https?://[^\s<>"\\]+`)

const markdownSigns = "\\`*_{}[]()#+-!<>~|"

// markdown writes plain text so that it reads the same in Markdown.
func markdown(s string) string {
	s = uncalledWeb(s)
	var b strings.Builder
	last := 0
	plain := func(s string) {
		for _, r := range unpictured(s) {
			if strings.ContainsRune(markdownSigns, r) {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
	}
	for _, at := range webAddress.FindAllStringIndex(s, -1) {
		plain(s[last:at[0]])
		b.WriteString(s[at[0]:at[1]])
		last = at[1]
	}
	plain(s[last:])
	return b.String()
}

type mattermostPostBody struct {
	Text string `json:"text"`
}

func mattermostMessage(n Note) mattermostPostBody {
	var head, foot string
	if n.Title != "" {
		head = "#### " + markdown(shorten(n.Title, teamsTitle, markdown)) + "\n\n"
	}
	if n.Link != "" {
		to := strings.NewReplacer("(", "%28", ")", "%29", " ", "%20", "<", "%3C", ">", "%3E").Replace(n.Link)
		foot = "\n\n[" + markdown(shorten(strings.NewReplacer("https://", "", "http://", "").Replace(n.Label), teamsTitle, markdown)) + "](" + to + ")"
	}
	return mattermostPostBody{head + markdown(shorten(n.Text, mattermostPost-units(head)-units(foot), markdown)) + foot}
}

// --- Microsoft Teams

type teamsPost struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string    `json:"contentType"`
	ContentURL  *string   `json:"contentUrl"` // null, as the workflow expects
	Content     teamsCard `json:"content"`
}

type teamsCard struct {
	Schema  string            `json:"$schema"`
	Type    string            `json:"type"`
	Version string            `json:"version"`
	Body    []teamsParagraph  `json:"body"`
	Actions []teamsAction     `json:"actions,omitempty"`
	Teams   map[string]string `json:"msteams,omitempty"`
	Speak   string            `json:"fallbackText"`
}

// teamsParagraph is a RichTextBlock: its runs know no Markdown at all, so that
// nothing has to be escaped that one reader escapes otherwise than the next.
type teamsParagraph struct {
	Type    string     `json:"type"`
	Inlines []teamsRun `json:"inlines"`
}

type teamsRun struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Weight string `json:"weight,omitempty"`
	Size   string `json:"size,omitempty"`
}

type teamsAction struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// teamsText keeps a card's own functions, {{DATE(…)}}, from seeing their braces.
func teamsText(s string) string { return strings.ReplaceAll(calm(s), "{{", "{\u200b{") }

func teamsMessage(n Note) ([]byte, error) {
	write := func(text string) ([]byte, error) {
		title := teamsText(shorten(n.Title, teamsTitle, teamsText))
		card := teamsCard{
			Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
			Body: []teamsParagraph{}, Teams: map[string]string{"width": "Full"}, Speak: title,
		}
		run := func(r teamsRun) { card.Body = append(card.Body, teamsParagraph{"RichTextBlock", []teamsRun{r}}) }
		if title != "" {
			run(teamsRun{"TextRun", title, "Bolder", "Large"})
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				run(teamsRun{Type: "TextRun", Text: teamsText(line)})
			}
		}
		if n.Link != "" {
			card.Actions = []teamsAction{{"Action.OpenUrl", teamsText(shorten(n.Label, slackLabel, teamsText)), n.Link}}
		}
		return marshal(teamsPost{"message", []teamsAttachment{{ContentType: teamsCardFormat, Content: card}}})
	}
	text := n.Text
	for {
		body, err := write(text)
		if err != nil || len(body) <= teamsBody || text == "" {
			return body, err
		}
		// Each round takes away what is too much, and a little more.
		runes := []rune(strings.TrimSuffix(text, "…"))
		keep := max(0, len(runes)*teamsBody/len(body)-20)
		if text = strings.TrimSpace(string(runes[:keep])); text != "" {
			text += "…"
		}
	}
}

// KnownForm reports whether f is one of [Forms].
func KnownForm(f Form) bool { return slices.Contains(Forms(), f) }
