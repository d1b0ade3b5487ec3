package channel

import (
	"cmp"
	"encoding/json"
	"errors"
	"html"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"tuermer/internal/platform/fill"
)

// REST is the form of a messenger or a program that takes messages by a REST
// interface of its own: whoever sets it up writes the request as a [Rest].
const REST Form = "rest"

// Rest is the request of one such service. Values are named as {{.Text}} and
// escaped for where they stand; the token is {{.Secret}} and never written here.
// What is empty comes from the preset.
type Rest struct {
	Preset  string            `json:"preset,omitempty" doc:"A service whose interface is known; empty: body says all"`
	Method  string            `json:"method,omitempty" doc:"POST or PUT"`
	Type    string            `json:"content_type,omitempty" doc:"application/json or application/x-www-form-urlencoded"`
	Headers map[string]string `json:"headers,omitempty"`
	Auth    string            `json:"auth,omitempty" doc:"none, bearer or basic"`
	User    string            `json:"username,omitempty"`
	To      string            `json:"to,omitempty" doc:"A room or a group, where the service wants it in the body"`
	Body    string            `json:"body,omitempty" doc:"The content of the request, with placeholders"`
	IDPath  string            `json:"id_path,omitempty" doc:"Where the answer holds the service's own name of the message, as gjson writes it"`
	OKPath  string            `json:"ok_path,omitempty" doc:"Where the answer says yes, for services that say no with 200"`
	OK      []string          `json:"ok,omitempty" doc:"Which answers at ok_path mean yes"`
	Markup  string            `json:"markup,omitempty" doc:"What the service reads in a text: plain, markdown or html"`
	Length  int               `json:"max_length,omitempty" doc:"Characters that a message may have"`
}

// How a request says who asks. Signed is Nextcloud's way for its bots.
const (
	NoAuth = "none"
	Bearer = "bearer"
	Basic  = "basic"
	Signed = "nextcloud"
)

// How much of a service's own is taken.
const (
	restLength  = 4000 // characters, where nobody says more
	restTitle   = 200
	restMost    = 32_000
	restBody    = 8 << 10
	restHeaders = 20
	restHeader  = 1000
)

// restPresets are services whose interface is public. Each was written by its
// document alone; none was tried against the real service.
var restPresets = map[string]Rest{
	// nextcloud-talk.readthedocs.io, "Chat API": an account with an app password;
	// the conversation's token ends the address; 201 with ocs.data.id, 32 000
	// characters, Markdown.
	"nextcloud-talk": {
		Auth: Basic, Headers: map[string]string{"OCS-APIRequest": "true", "Accept": "application/json"},
		Body: `{"message":"{{.Message}}"}`, IDPath: "ocs.data.id", Markup: "markdown", Length: restMost,
	},
	// The same, "Bots and Webhooks", sending: a bot that occ installed, which sees no
	// files. It signs a random value and the message; 201 names no message.
	"nextcloud-bot": {
		Auth: Signed, Headers: map[string]string{"OCS-APIRequest": "true", "Accept": "application/json"},
		Body: `{"message":"{{.Message}}"}`, Markup: "markdown", Length: restMost,
	},
	// zulip.com/api/send-message: a bot's address and key, a form; result says yes.
	"zulip": {
		Auth: Basic, Type: formType, Body: "type=stream&to={{.To}}&topic=T%C3%BCrmer&content={{.Message}}",
		IDPath: "id", OKPath: "result", OK: []string{"success"}, Markup: "markdown", Length: 10_000,
	},
	// github.com/wireapp/roman, README: the token that a bot gets with conversation.init;
	// what is answered is not written there.
	"wire": {Auth: Bearer, Body: `{"type":"text","text":{"data":"{{.Message}}"}}`, Markup: "markdown"},
}

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

// RestPresets names the services whose interface is known.
func RestPresets() []string { return slices.Sorted(maps.Keys(restPresets)) }

// Escaping is how values are escaped in the body.
func (r Rest) Escaping() fill.Form {
	if r.Type == formType {
		return fill.Query
	}
	return fill.JSON
}

// NeedsSecret reports whether nothing can be sent without the hook's secret.
func (r Rest) NeedsSecret() bool {
	names := fill.Names(r.Body)
	for _, v := range r.Headers {
		names = append(names, fill.Names(v)...)
	}
	return r.Auth != NoAuth || slices.Contains(names, "Secret")
}

// restValues are what a template may name, with the words of a trial, which show what
// each may hold.
var restValues = map[string]string{
	"Title": `Probe "1"`, "Text": "Zeile\nzwei", "Message": "Probe\n\nText\n\nhttps://x.example/", "Link": `https://x.example/?q="1"`, "Label": `Mehr "1"`,
	"ID": "01", "Class": string(Alarm), "Urgent": "true", "Language": "de", "To": `raum "1"`, "User": `u "1"`, "Secret": `s"1`,
}

func restSample(name string) (string, bool) { s, ok := restValues[name]; return s, ok }

var (
	headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	// Headers that tell who asks: what stands there is a secret.
	secretHeader = regexp.MustCompile(`(?i)auth|token|key|secret|cookie|signature`)
	ownHeaders   = []string{"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Trailer", "Upgrade"}
)

// wrong says which field of a page is not right, and why; empty texts: none.
func (r *Rest) wrong() (field, text string) {
	if r == nil {
		return "rest_body", "channel.rest_body"
	}
	_, err := r.Whole()
	p, ok := errors.AsType[*fill.Problem](err)
	if !ok {
		return "", ""
	}
	field = "rest_body"
	switch p.Word {
	case "preset", "to", "user", "markup", "length":
		field = "rest_" + p.Word
	case "ok":
		field = "rest_ok_path"
	case "header", "secret":
		field = "rest_header"
	}
	return field, RestText(p)
}

// RestText is the key of the sentence that says what is wrong with a [Rest].
func RestText(p *fill.Problem) string { return "channel.rest_" + p.Word }

// Whole fills up what the preset says and finds what is wrong, as a [*fill.Problem]:
// preset, method, type, auth, user, header, secret, open, body, silent, to, ok, markup,
// length, or what package fill finds.
func (r *Rest) Whole() (Rest, error) {
	if r == nil {
		return Rest{}, &fill.Problem{Word: "body"}
	}
	return r.whole()
}

func (r Rest) whole() (Rest, error) {
	p, known := restPresets[r.Preset]
	if r.Preset != "" && !known {
		return r, &fill.Problem{Word: "preset", Detail: r.Preset}
	}
	if !known && r.Auth == Signed {
		return r, &fill.Problem{Word: "auth", Detail: r.Auth}
	}
	r.Method, r.Type, r.Auth = cmp.Or(r.Method, p.Method, http.MethodPost), cmp.Or(r.Type, p.Type, jsonType), cmp.Or(r.Auth, p.Auth, NoAuth)
	r.Body, r.IDPath, r.Markup = cmp.Or(r.Body, p.Body), cmp.Or(r.IDPath, p.IDPath), cmp.Or(r.Markup, p.Markup, "plain")
	r.Length = cmp.Or(r.Length, p.Length, restLength)
	if r.OKPath == "" && len(r.OK) == 0 {
		r.OKPath, r.OK = p.OKPath, p.OK
	}
	headers := maps.Clone(p.Headers)
	if headers == nil {
		headers = map[string]string{}
	}
	maps.Copy(headers, r.Headers)
	r.Headers = headers
	if err := r.check(); err != nil {
		return r, err
	}
	return r, r.checkTemplates()
}

func (r Rest) check() error {
	wrong := ""
	switch {
	case !slices.Contains([]string{http.MethodPost, http.MethodPut}, r.Method):
		wrong = "method"
	case r.Type != jsonType && r.Type != formType:
		wrong = "type"
	case !slices.Contains([]string{NoAuth, Bearer, Basic, Signed}, r.Auth):
		wrong = "auth"
	case r.Auth == Basic && (r.User == "" || strings.Contains(r.User, ":")):
		wrong = "user"
	case r.Body == "" || len(r.Body) > restBody:
		wrong = "body"
	case (r.OKPath == "") != (len(r.OK) == 0):
		wrong = "ok"
	case !slices.Contains([]string{"plain", "markdown", "html"}, r.Markup):
		wrong = "markup"
	case r.Length < 100 || r.Length > restMost:
		wrong = "length"
	case len(r.Headers) > restHeaders:
		wrong = "header"
	}
	if wrong != "" {
		return &fill.Problem{Word: wrong}
	}
	return nil
}

func (r Rest) checkTemplates() error {
	if err := fill.Check(r.Body, r.Escaping(), restSample); err != nil {
		return err
	}
	names := fill.Names(r.Body)
	if !slices.ContainsFunc(names, func(n string) bool { return n == "Title" || n == "Text" || n == "Message" }) {
		return &fill.Problem{Word: "silent"}
	}
	if slices.Contains(names, "To") && r.To == "" {
		return &fill.Problem{Word: "to"}
	}
	if name := r.laidOpen(); name != "" {
		return &fill.Problem{Word: "open", Detail: name}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		v := r.Headers[name]
		if !headerName.MatchString(name) || len(v) > restHeader || slices.Contains(ownHeaders, http.CanonicalHeaderKey(name)) {
			return &fill.Problem{Word: "header", Detail: name}
		}
		if err := fill.Check(v, fill.Header, restSample); err != nil {
			return err
		}
		if secretHeader.MatchString(name) && !slices.Contains(fill.Names(v), "Secret") {
			return &fill.Problem{Word: "secret", Detail: name}
		}
	}
	return nil
}

// secretField is a field of a body that tells who asks. Names that a service also gives
// to other things (key, auth) are none.
var secretField = regexp.MustCompile(`(?i)(token|secret|password|passwd|passphrase|pwd|passwort|kennwort|geheimnis|api[_-]?key|access[_-]?key|auth[_-]?key|private[_-]?key|authorization|credentials?)$`)

// laidOpen names a field of the body in which a secret is written out, for it would
// stand on pages and in the outbox. What consists of values alone is none.
func (r Rest) laidOpen() string {
	asWritten := func(name string) (string, bool) { return "{{." + name + "}}", true }
	for _, t := range fill.Texts(r.Body, r.Escaping(), asWritten, restSample) {
		if secretField.MatchString(t.Key) && !slices.Contains(fill.Names(t.Value), "Secret") && strings.ContainsFunc(fill.Without(t.Value), letterOrDigit) {
			return t.Key
		}
	}
	return ""
}

func letterOrDigit(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// said is a note on its way to a service of its own.
type said struct {
	Title string `json:"title"`
	Text  string `json:"text"`
	Link  string `json:"link,omitempty"`
	Label string `json:"label,omitempty"`
}

// Values are what the templates of a whole r may name for a message, by the note
// that [Form.Body] wrote.
func (r Rest) Values(m Message, body []byte) (fill.Lookup, error) {
	var n said
	if err := json.Unmarshal(body, &n); err != nil {
		return nil, err
	}
	esc := restMarkup[r.Markup]
	cut := func(s string, room int) string { return esc(shorten(s, room, esc)) }
	urgent := "false"
	if m.Class == Alarm {
		urgent = "true"
	}
	values := map[string]string{
		"Title": cut(n.Title, restTitle), "Text": cut(n.Text, r.Length), "Link": n.Link, "Label": cut(n.Label, restTitle),
		"Message": withLink(Note{Title: n.Title, Text: n.Text, Link: n.Link}, cut, r.Length),
		"ID":      m.ID, "Class": string(m.Class), "Urgent": urgent, "Language": m.Language, "To": r.To, "User": r.User, "Secret": string(m.Secret),
	}
	return func(name string) (string, bool) { s, ok := values[name]; return s, ok }, nil
}

// restMarkup writes plain words so that the service shows them as they are.
var restMarkup = map[string]func(string) string{
	"plain":    calm,
	"markdown": unmarked,
	"html":     func(s string) string { return strings.ReplaceAll(html.EscapeString(calm(s)), "\n", "<br>") },
}
