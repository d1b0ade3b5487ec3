package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/clock"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// Chat is a webhook that hears of what is told to its audiences: a channel in
// Slack, Teams or Mattermost, or a program.
type Chat struct {
	Name   string // unique among those of the file, and among those of the console
	URL    string
	Secret []byte
	Form   channel.Form
	Rest   *channel.Rest // of the form [channel.REST]
	// Declared: it stands in the operator's file and may lie anywhere.
	Declared  bool
	Audiences []string // slugs, or kinds
}

// Chats tells the webhooks of the tenant in ctx that hear of statements.
type Chats interface {
	Chats(ctx context.Context) ([]Chat, error)
}

// recipient is the chat in the ledger: its name, for its address is a secret.
func (c Chat) recipient() string {
	if c.Declared {
		return "webhook:" + c.Name + " (tuermer.yaml)"
	}
	return "webhook:" + c.Name
}

func (c Chat) hears(a plan.Audience) bool {
	return slices.Contains(c.Audiences, a.Slug) || slices.Contains(c.Audiences, string(a.Kind))
}

func (r *Room) chats(ctx context.Context) ([]Chat, error) {
	if r.o.Chats == nil {
		return nil, nil
	}
	all, err := r.o.Chats.Chats(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish: chats: %w", err)
	}
	return all, nil
}

// chatTargets are the webhooks that a hears by.
func chatTargets(all []Chat, a plan.Audience) (out []target) {
	for _, c := range all {
		if c.hears(a) {
			out = append(out, target{Recipient: c.recipient(), Channel: channel.Webhook, Audience: a.Slug})
		}
	}
	return out
}

// errNoChat ends a row whose webhook was removed since.
var errNoChat = &channel.Failure{Permanent: true, Reason: "no_hook"}

// saidBody is what a program gets.
type saidBody struct {
	Type      string       `json:"type"` // statement.published
	ID        string       `json:"id"`   // of this message, the same when it is sent twice
	At        time.Time    `json:"at"`
	Town      string       `json:"town"`
	Realm     string       `json:"realm"`
	Statement saidDocument `json:"statement"`
}

type saidDocument struct {
	ID       string     `json:"id"`
	Incident string     `json:"incident"`
	Kind     string     `json:"kind"`
	Audience string     `json:"audience"`
	Language string     `json:"language"`
	Title    string     `json:"title"`
	Text     string     `json:"text"`
	AsOf     time.Time  `json:"as_of"`
	Next     *time.Time `json:"next_update,omitempty"`
	URL      string     `json:"url,omitempty"`
}

// toChat puts the words of v into the form of the chat.
func (r *Room) toChat(m channel.Message, c Chat, row deliveryRow, v variantRow, t identity.Tenant, public bool) (channel.Message, error) {
	m.To, m.Secret, m.Declared, m.Form, m.Rest = c.URL, c.Secret, c.Declared, c.Form, c.Rest
	// Below the mail's signature stands why its reader has it: no chat is in a list.
	v.Body, _, _ = strings.Cut(v.Body, "\n-- \n")
	v.Body = strings.TrimSpace(v.Body)
	lang := langOf(string(v.Language))
	link := ""
	if public && t.PublicURL != "" {
		link = strings.TrimRight(t.PublicURL, "/") + "/"
	}
	var err error
	if c.Form.Chat() {
		m.Payload, err = c.Form.Body(channel.Note{
			Title: v.Subject, Text: v.Body, Link: link, Label: r.o.Catalog.Text(lang, "publish.chat_page"),
		})
		return m, err
	}
	doc := saidDocument{
		ID: string(row.Statement), Incident: string(row.Incident), Kind: string(row.Kind), Audience: row.Audience, Language: v.Language.Tag(),
		Title: v.Subject, Text: v.Body, AsOf: clock.Cut(v.AsOf), URL: link,
	}
	if !v.Next.IsZero() {
		next := clock.Cut(v.Next)
		doc.Next = &next
	}
	m.Payload, err = json.Marshal(saidBody{Type: "statement.published", ID: row.ID, At: clock.Cut(row.CreatedAt), Town: t.Slug, Realm: string(row.Realm), Statement: doc})
	if err != nil {
		return m, fmt.Errorf("publish: chat: %w", err)
	}
	return m, nil
}

// hooked tells which audiences hear by a webhook, so that the plan's way
// "webhook" is carried and asks nobody.
func hooked(all []Chat) func(plan.Audience) bool {
	return func(a plan.Audience) bool { return len(chatTargets(all, a)) > 0 }
}

// chatLedger is what writing to chats needs, read once per batch; empty where
// no row goes to one.
type chatLedger struct {
	chats  []Chat
	tenant identity.Tenant
	public map[ID]bool // statements that stand on the public page
}

func (r *Room) chatLedger(ctx context.Context, rows []deliveryRow, variants []variantRow) (l chatLedger, err error) {
	if !slices.ContainsFunc(rows, func(row deliveryRow) bool { return row.Channel == channel.Webhook }) {
		return l, nil
	}
	if l.chats, err = r.chats(ctx); err != nil {
		return l, err
	}
	if l.tenant, err = r.o.People.Current(ctx); err != nil {
		return l, err
	}
	l.public = map[ID]bool{}
	for _, v := range variants {
		if v.Format == template.Page && v.Kind == plan.Citizens {
			l.public[v.Statement] = true
		}
	}
	return l, nil
}

func (l chatLedger) find(recipient string) (Chat, bool) {
	i := slices.IndexFunc(l.chats, func(c Chat) bool { return c.recipient() == recipient })
	if i < 0 {
		return Chat{}, false
	}
	return l.chats[i], true
}
