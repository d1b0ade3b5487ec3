package intake

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// sourceBody is a source as the API speaks of it.
type sourceBody struct {
	Name      string            `json:"name" required:"false" doc:"Names the source; made of the title when it is left out"`
	Title     string            `json:"title"`
	Format    string            `json:"format" enum:"prtg,alertmanager,alerts,grafana,kuma,gatus,zabbix,icinga,checkmk,healthchecks,sentry,pagerduty,mail,generic"`
	Service   string            `json:"service,omitempty" doc:"Slug of the service that all its reports are about"`
	Rhythm    *int64            `json:"rhythm_seconds,omitempty" doc:"After how long without a word it counts as silent; 0: never; a day when it is left out"`
	Resolve   int64             `json:"resolve_after_seconds,omitempty" required:"false" doc:"After how long without a word about it something counts as over; left out or 0: never"`
	Mapping   *Mapping          `json:"mapping,omitempty" doc:"Where what stands in what a generic source or one that writes mails sends"`
	State     string            `json:"state" readOnly:"true" required:"false" doc:"waiting, heard, unread, silent or revoked"`
	HeardAt   *time.Time        `json:"heard_at,omitempty" readOnly:"true"`
	UnreadAt  *time.Time        `json:"unread_at,omitempty" readOnly:"true" doc:"When something of it was last not understood"`
	RevokedAt *time.Time        `json:"revoked_at,omitempty" readOnly:"true"`
	URL       string            `json:"url,omitempty" readOnly:"true" doc:"What to post or write to, told this once"`
	Signed    bool              `json:"signed,omitempty" readOnly:"true" doc:"It owes a signature"`
	Refused   int64             `json:"refused,omitempty" readOnly:"true" doc:"How many bodies came without the signature lately"`
	RefusedAt *time.Time        `json:"refused_at,omitempty" readOnly:"true"`
	Paste     []sourcePasteBody `json:"paste,omitempty" readOnly:"true" doc:"What to enter in the other system, with the address in it, told this once"`
	Mailbox   *mailboxBody      `json:"mailbox,omitempty" readOnly:"true" doc:"Whence its mails are fetched; in the answer for one source"`
	Bodies    []takenBody       `json:"bodies,omitempty" readOnly:"true" doc:"Newest first; in the answer for one source"`
}

// sourcePasteBody is what to enter at one place of the other system.
type sourcePasteBody struct {
	Where string `json:"where" doc:"The place, in the language of the request"`
	Text  string `json:"text"`
}

// letterBody is a letter that came, and not what it says.
type letterBody struct {
	At      time.Time `json:"at"`
	Urgent  bool      `json:"urgent"`
	Outcome Outcome   `json:"outcome" doc:"answered, attended, automatic, list, anonymous, once, late or flooded"`
}

// mailboxBody is a mailbox from which mails are fetched.
type mailboxBody struct {
	Host      string       `json:"host"`
	Port      int          `json:"port,omitempty" required:"false" doc:"993 with tls and 143 otherwise when it is left out"`
	Security  string       `json:"security,omitempty" required:"false" enum:"tls,starttls,none" doc:"tls when it is left out"`
	Login     string       `json:"login"`
	Password  string       `json:"password,omitempty" writeOnly:"true" doc:"Left out, it stays as it is"`
	Folder    string       `json:"folder,omitempty" required:"false" doc:"INBOX when it is left out"`
	Channel   string       `json:"channel,omitempty" required:"false" doc:"Channel of the duty rosters, where people write to the mailbox; left out, it takes reports"`
	Route     string       `json:"emergency_route,omitempty" required:"false" doc:"What the answer names in an hour in which nobody is on duty"`
	Urgent    []string     `json:"urgent_words,omitempty" required:"false" nullable:"true" doc:"Words that make a letter urgent; left out, the usual ones"`
	Letters   []letterBody `json:"letters,omitempty" nullable:"true" readOnly:"true" doc:"The newest letters, and what became of them"`
	LookedAt  *time.Time   `json:"looked_at,omitempty" readOnly:"true" doc:"When it was last read to its end"`
	FailingAt *time.Time   `json:"failing_at,omitempty" readOnly:"true"`
	Problem   string       `json:"problem,omitempty" readOnly:"true" doc:"unreachable, tls, login, folder or outside"`
}

func boxBodyOf(m Mailbox) *mailboxBody {
	return &mailboxBody{
		Host: m.Host, Port: m.Port, Security: m.Security, Login: m.Login, Folder: m.Folder, LookedAt: point(m.LookedAt), FailingAt: point(m.FailingAt), Problem: m.Problem,
		Channel: m.Reception.Channel, Route: m.Reception.Route, Urgent: m.Reception.Urgent,
	}
}

// takenBody is what a source sent.
type takenBody struct {
	FirstAt time.Time         `json:"first_at"`
	LastAt  time.Time         `json:"last_at"`
	Times   int64             `json:"times" doc:"How often the very same body came"`
	Text    string            `json:"text" doc:"The first kilobytes of it"`
	Problem string            `json:"problem,omitempty" doc:"form, empty, keyless or cut: not understood"`
	Reports []takenReportBody `json:"reports" doc:"What it is understood as"`
	Places  []takenPlaceBody  `json:"places,omitempty" doc:"Of a generic source: to what a mapping may point"`
}

// takenPlaceBody is where in a body something stands.
type takenPlaceBody struct {
	Path  string `json:"path" doc:"As a mapping names it"`
	Value string `json:"value" doc:"Its beginning; of a list its length"`
}

// takenReportBody is what a body says about one thing.
type takenReportBody struct {
	Key      string `json:"key"`
	Episode  string `json:"episode,omitempty"`
	State    string `json:"state" doc:"firing or resolved"`
	Severity string `json:"severity"`
	Title    string `json:"title"`
	Detail   string `json:"detail,omitempty"`
	Note     bool   `json:"note,omitempty" doc:"Says nothing new about the state"`
}

// tryBody is a body to be read, and how it came.
type tryBody struct {
	Text        *string  `json:"text,omitempty" doc:"The body; left out: the one that came last"`
	ContentType string   `json:"content_type,omitempty" doc:"Of the body; seldom matters"`
	Query       string   `json:"query,omitempty" doc:"Behind the question mark of the address"`
	Path        string   `json:"path,omitempty" doc:"Behind the format in the address, such as job/fail"`
	Event       string   `json:"event,omitempty" doc:"The header Sentry-Hook-Resource"`
	Mapping     *Mapping `json:"mapping,omitempty" doc:"Read by this one, which is not stored; left out: by the stored one"`
}

// body is what there is to read; nil: what came last.
func (b tryBody) body() *Body {
	if b.Text == nil {
		return nil
	}
	out := &Body{ContentType: b.ContentType, Data: []byte(*b.Text), Query: formOf(b.Query), Asked: b.Query, Event: b.Event}
	if b.Path != "" {
		out.Path = strings.Split(b.Path, "/")
	}
	return out
}

func takenOf(s Seen, of Source) takenBody {
	t := takenBody{FirstAt: s.FirstAt, LastAt: s.LastAt, Times: s.Times, Text: s.Text(), Problem: s.Problem, Reports: []takenReportBody{}}
	for _, x := range s.Reports {
		t.Reports = append(t.Reports, takenReportBody{x.Key, x.Episode, string(x.State), string(x.Severity), x.Title, x.Detail, x.Note})
	}
	if of.Format == Generic {
		for _, p := range Places(s.Body, of.Mapping.List) {
			t.Places = append(t.Places, takenPlaceBody(p))
		}
	}
	return t
}

func point(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func bodyOf(s Source) sourceBody {
	rhythm := int64(s.Rhythm / time.Second)
	b := sourceBody{
		Name: s.Name, Title: s.Title, Format: string(s.Format), Service: s.Service, Rhythm: &rhythm, State: string(s.State()),
		Resolve: int64(s.ResolveAfter / time.Second),
		HeardAt: point(s.HeardAt), UnreadAt: point(s.UnreadAt), RevokedAt: point(s.RevokedAt),
		Signed: s.Signed, Refused: s.Refused, RefusedAt: point(s.RefusedAt),
	}
	if s.Format.mapped() {
		b.Mapping = &s.Mapping
	}
	return b
}

func (b sourceBody) source() Source {
	s := Source{Name: b.Name, Title: b.Title, Format: Format(b.Format), Service: b.Service, Rhythm: DefaultRhythm, ResolveAfter: time.Duration(b.Resolve) * time.Second}
	if b.Rhythm != nil {
		s.Rhythm = time.Duration(*b.Rhythm) * time.Second
	}
	if b.Mapping != nil {
		s.Mapping = *b.Mapping
	}
	return s
}

type sourceInput struct{ Body sourceBody }

type sourceNameInput struct {
	Name string `path:"name"`
}

type sourceChangeInput struct {
	Name string `path:"name"`
	Body sourceBody
}

// API hangs the sources into /api/v1.
func (r *Room) API(a *web.API) {
	const scope, path = "monitors", "/api/v1/sources"
	op := func(id, method, rest, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path + rest, Summary: summary, Tags: []string{"sources"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-sources", http.MethodGet, "", "List the other monitoring systems that report here", 200), scope, r.apiList)
	web.Operation(a, op("add-source", http.MethodPost, "", "Add a source; the answer holds its address", 201), scope, r.apiAdd)
	web.Operation(a, op("get-source", http.MethodGet, "/{name}", "One source and what it sent", 200), scope, r.apiGet)
	web.Operation(a, op("change-source", http.MethodPut, "/{name}", "Change title, service, rhythm, when silence is an end, or mapping", 200), scope, r.apiChange)
	web.Operation(a, op("test-source", http.MethodPost, "/{name}/test", "Say what a body would be understood as; nothing is kept, nobody is alarmed", 200), scope, r.apiTest)
	web.Operation(a, op("sign-source", http.MethodPut, "/{name}/signature", "Have a source sign what it sends, or with an empty key no longer", 200), scope, r.apiSign)
	web.Operation(a, op("set-source-mailbox", http.MethodPut, "/{name}/mailbox", "Fetch a source's mails from a mailbox", 200), scope, r.apiSetMailbox)
	web.Operation(a, op("drop-source-mailbox", http.MethodDelete, "/{name}/mailbox", "Fetch them no longer and forget the password", 204), scope, r.apiDropMailbox)
	web.Operation(a, op("revoke-source", http.MethodPost, "/{name}/revoke", "Refuse a source's address from now on", 200), scope, r.apiRevoke)
}

type sourceListInput struct{ web.Paging }

func (r *Room) apiList(ctx context.Context, in *sourceListInput) (*web.List[sourceBody], error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	var items []sourceBody
	for _, s := range all {
		if s.Name <= in.After {
			continue
		}
		if len(items) == in.Limit {
			return web.NewList(items, items[in.Limit-1].Name), nil
		}
		items = append(items, bodyOf(s))
	}
	return web.NewList(items, ""), nil
}

func (r *Room) apiAdd(ctx context.Context, in *sourceInput) (*web.One[sourceBody], error) {
	s := in.Body.source()
	url, err := r.Add(ctx, s)
	if err != nil {
		return nil, err
	}
	if s, err = r.check(ctx, s); err != nil {
		return nil, err
	}
	b := bodyOf(s)
	b.URL = url
	for _, p := range HowTo(s.Format, url) {
		b.Paste = append(b.Paste, sourcePasteBody{i18n.T(ctx, p.Where), p.Text})
	}
	return &web.One[sourceBody]{Body: b}, nil
}

func (r *Room) apiGet(ctx context.Context, in *sourceNameInput) (*web.One[sourceBody], error) {
	v, err := r.view(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	b := bodyOf(v.Source)
	if v.HasBox {
		b.Mailbox = boxBodyOf(v.Box)
		for _, x := range v.Letters {
			b.Mailbox.Letters = append(b.Mailbox.Letters, letterBody(x))
		}
	}
	for _, s := range v.Seen {
		b.Bodies = append(b.Bodies, takenOf(s, v.Source))
	}
	return &web.One[sourceBody]{Body: b}, nil
}

func (r *Room) apiChange(ctx context.Context, in *sourceChangeInput) (*web.One[sourceBody], error) {
	if err := mayChange(ctx); err != nil {
		return nil, err
	}
	s := in.Body.source()
	s.Name = in.Name
	if err := r.Change(ctx, s); err != nil {
		return nil, err
	}
	s, err := r.Get(ctx, in.Name)
	return &web.One[sourceBody]{Body: bodyOf(s)}, err
}

type tryInput struct {
	Name string `path:"name"`
	Body tryBody
}

func (r *Room) apiTest(ctx context.Context, in *tryInput) (*web.One[takenBody], error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	seen, err := r.Read(ctx, in.Name, in.Body.body(), in.Body.Mapping)
	if err != nil {
		return nil, err
	}
	s, err := r.Get(ctx, in.Name)
	if in.Body.Mapping != nil {
		s.Mapping = *in.Body.Mapping
	}
	return &web.One[takenBody]{Body: takenOf(seen, s)}, err
}

type signSourceInput struct {
	Name string `path:"name"`
	Body struct {
		Secret string `json:"secret" writeOnly:"true" doc:"Key of the HMAC-SHA256 over the body; told to nobody again"`
	}
}

func (r *Room) apiSign(ctx context.Context, in *signSourceInput) (*web.One[sourceBody], error) {
	if err := r.Sign(ctx, in.Name, in.Body.Secret); err != nil {
		return nil, err
	}
	s, err := r.Get(ctx, in.Name)
	return &web.One[sourceBody]{Body: bodyOf(s)}, err
}

type mailboxInput struct {
	Name string `path:"name"`
	Body mailboxBody
}

func (r *Room) apiSetMailbox(ctx context.Context, in *mailboxInput) (*web.One[mailboxBody], error) {
	b := in.Body
	if err := r.SetMailbox(ctx, in.Name, Mailbox{Host: b.Host, Port: b.Port, Security: b.Security, Login: b.Login, Password: b.Password, Folder: b.Folder, Reception: Reception{Channel: b.Channel, Route: b.Route, Urgent: b.Urgent}}); err != nil {
		return nil, err
	}
	m, _, err := r.Mailbox(ctx, in.Name)
	return &web.One[mailboxBody]{Body: *boxBodyOf(m)}, err
}

func (r *Room) apiDropMailbox(ctx context.Context, in *sourceNameInput) (*struct{}, error) {
	return nil, r.DropMailbox(ctx, in.Name)
}

func (r *Room) apiRevoke(ctx context.Context, in *sourceNameInput) (*web.One[sourceBody], error) {
	if err := r.Revoke(ctx, in.Name); err != nil {
		return nil, err
	}
	s, err := r.Get(ctx, in.Name)
	return &web.One[sourceBody]{Body: bodyOf(s)}, err
}
