package template

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// textQuery narrows the list of texts.
type textQuery struct {
	web.Paging
	Phase    string `query:"phase" doc:"Mark of the grid: P0, P1, P2a, K1, D2, W1 …"`
	Kind     string `query:"kind" doc:"holding, first, update, no_change, eta_change, recovery, closing, correction …"`
	Audience string `query:"audience" doc:"citizens, press, staff, leadership, council, partners, it, authority"`
	Channel  string `query:"channel" doc:"page, mail, sms, push, short300, short500, messenger, phone, notice, cap, rss"`
	Language string `query:"language" doc:"de, en, de-LS"`
	Scenario string `query:"scenario" doc:"ransomware, flood …; - for the texts that fit every outage"`
	Review   string `query:"review" enum:"approved,draft,draft_unchecked"`
	Own      bool   `query:"own" doc:"Only the town's own texts"`
	Never    bool   `query:"never_rehearsed" doc:"Only texts that were in no exercise yet"`
	Query    string `query:"q" doc:"Words of the text or its id"`
}

func (q textQuery) filter() Filter {
	return Filter{
		Phase: q.Phase, Kind: Kind(q.Kind), Audience: AudienceKind(q.Audience), Format: Format(q.Channel), Language: Language(q.Language),
		Scenario: Scenario(q.Scenario), Review: Review(q.Review), Own: q.Own, Never: q.Never, Query: q.Query,
	}
}

// TextPath names one text.
type TextPath struct {
	ID string `path:"id" doc:"Id of the text, such as B-P1-page-de"`
}

// placeBody is where a text stands, and its words.
type placeBody struct {
	Kind        string `json:"kind"`
	Audience    string `json:"audience"`
	Channel     string `json:"channel"`
	Language    string `json:"language"`
	Scenario    string `json:"scenario,omitempty" doc:"Absent: fits every outage"`
	Subject     string `json:"subject,omitempty"`
	Title       string `json:"title,omitempty"`
	Body        string `json:"body,omitempty"`
	Instruction string `json:"instruction,omitempty"`
}

func (b placeBody) entry() Entry {
	return Entry{
		Kind: Kind(b.Kind), Audience: AudienceKind(b.Audience), Format: Format(b.Channel), Language: Language(b.Language), Scenario: Scenario(b.Scenario),
		Subject: b.Subject, Title: b.Title, Body: b.Body, Instruction: b.Instruction,
	}
}

func placeOf(e Entry) placeBody {
	return placeBody{
		Kind: string(e.Kind), Audience: string(e.Audience), Channel: string(e.Format), Language: string(e.Language), Scenario: string(e.Scenario),
		Subject: e.Subject, Title: e.Title, Body: e.Body, Instruction: e.Instruction,
	}
}

type signatureBody struct {
	Group string    `json:"group" doc:"The group of readers"`
	By    string    `json:"by" doc:"Who noted it"`
	At    time.Time `json:"at"`
}

// textBody is one text as the API speaks of it.
type textBody struct {
	ID    string `json:"id"`
	Phase string `json:"phase"`
	placeBody
	Version    int            `json:"version"`
	Review     string         `json:"review" enum:"approved,draft,draft_unchecked"`
	ApprovedBy string         `json:"approved_by,omitempty"`
	ApprovedAt *time.Time     `json:"approved_at,omitempty"`
	Signed     *signatureBody `json:"signed,omitempty" doc:"Leichte Sprache: who has read it"`
	Rehearsed  *time.Time     `json:"last_rehearsed,omitempty"`
	Own        bool           `json:"own" doc:"The town's own words"`
	Draft      bool           `json:"draft_waits" doc:"A newer version waits for approval"`
	Facts      []string       `json:"facts" doc:"Slots that the text fills"`
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func bodyOf(r Record, words bool) textBody {
	b := textBody{
		ID: r.ID, Phase: r.Phase, placeBody: placeOf(r.Entry), Version: r.Version, Review: string(r.ReviewState), ApprovedBy: r.ReleasedBy(),
		Rehearsed: orNil(r.Rehearsed), Own: r.Own, Draft: r.Draft, Facts: make([]string, len(r.Slots)),
	}
	for i, s := range r.Slots {
		b.Facts[i] = string(s)
	}
	if r.Release != nil {
		b.ApprovedAt = &r.Release.At
	}
	if s := r.Signature; s != nil {
		b.Signed = &signatureBody{Group: s.Group, By: s.By, At: s.At}
	}
	if !words {
		b.Subject, b.Title, b.Body, b.Instruction = "", "", "", ""
	}
	return b
}

// versionBody is one version of an own text.
type versionBody struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
	State   string `json:"state" enum:"draft,approved,replaced,retired,discarded"`
	placeBody
	Author     string     `json:"author"`
	CreatedAt  time.Time  `json:"created_at"`
	ApprovedBy string     `json:"approved_by,omitempty"`
	ApprovedAt *time.Time `json:"approved_at,omitempty"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
}

func versionOf(v Version) versionBody {
	return versionBody{
		ID: v.ID, Version: v.Version, State: string(v.State), placeBody: placeOf(v.Entry), Author: v.AuthorName, CreatedAt: v.CreatedAt,
		ApprovedBy: v.ApprovedBy, ApprovedAt: orNil(v.ApprovedAt), EndedAt: orNil(v.EndedAt),
	}
}

type writeText struct {
	Body placeBody
}

type approveText struct {
	TextPath
	Body *struct {
		Version int `json:"version,omitempty" doc:"The version that was read; refused with 409 if another one waits"`
	}
}

type signText struct {
	TextPath
	Body struct {
		Group string `json:"group" doc:"Who has read it"`
	}
}

type fileBody struct {
	Type        string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

type importFile struct {
	RawBody []byte `contentType:"application/json"`
}

type importedBody struct {
	Drafted []string `json:"drafted" doc:"Texts that wait for approval now"`
	Same    int      `json:"same" doc:"Texts that say what stands here already"`
}

type checkText struct {
	Body struct {
		Text     string `json:"text" maxLength:"50000"`
		Before   string `json:"before,omitempty" maxLength:"50000" doc:"The text as it was, to compare"`
		Language string `json:"language,omitempty" enum:"de,en,de-LS" default:"de"`
		Kind     string `json:"kind,omitempty" doc:"correction: blame words and the order of the facts are looked at too"`
		Audience string `json:"audience,omitempty" doc:"it: jargon is fine"`
		Crisis   bool   `json:"crisis,omitempty" doc:"No humour, no guesses"`
	}
}

type hintBody struct {
	Code   string `json:"code" doc:"long_sentence, passive, jargon, official_style, blame, fact_first, humour …"`
	Start  int    `json:"start" doc:"Byte offset in the text"`
	End    int    `json:"end"`
	Found  string `json:"found"`
	Offer  string `json:"offer,omitempty" doc:"A better wording, where one is known"`
	Reason string `json:"reason"`
}

type checkedBody struct {
	Score        float64    `json:"score" doc:"LIX: below 40 reads easily, above 55 is hard"`
	Grade        string     `json:"grade" enum:"easy,medium,hard"`
	Hints        []hintBody `json:"hints"`
	Offered      string     `json:"offered" doc:"The text with the offered words put in"`
	OfferedScore float64    `json:"offered_score"`
	ScoreBefore  *float64   `json:"score_before,omitempty"`
	HintsBefore  *int       `json:"hints_before,omitempty"`
}

// API adds this room's operations.
func (r *Room) API(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"templates"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-templates", http.MethodGet, "/templates", "List every prepared text, in the grid's order, without its words", 200), scope, r.apiList)
	web.Operation(a, op("get-template", http.MethodGet, "/templates/{id}", "One prepared text with its words", 200), scope, r.apiGet)
	web.Operation(a, op("list-template-versions", http.MethodGet, "/templates/{id}/versions", "The town's own versions of a text, newest first", 200), scope, r.apiVersions)
	web.Operation(a, op("write-template", http.MethodPost, "/templates", "Draft the town's own words for one place of the grid", 201), scope, r.apiWrite)
	web.Operation(a, op("approve-template", http.MethodPost, "/templates/{id}/approve", "Approve the draft as a second person, or release the text in use", 200), scope, r.apiApprove)
	web.Operation(a, op("retire-template", http.MethodPost, "/templates/{id}/retire", "Take the town's own text out of use", 200), scope, r.apiRetire)
	web.Operation(a, op("discard-template", http.MethodPost, "/templates/{id}/discard", "Throw the draft away", 204), scope, r.apiDiscard)
	web.Operation(a, op("sign-template", http.MethodPost, "/templates/{id}/sign", "Note that a group of readers has read a text in Leichter Sprache", 200), scope, r.apiSign)
	web.Operation(a, op("rehearse-template", http.MethodPost, "/templates/{id}/rehearse", "Note that a text was gone through today", 200), scope, r.apiRehearse)
	web.Operation(a, op("export-templates", http.MethodGet, "/templates/export", "The texts as a file", 200), scope, r.apiExport)
	load := op("import-templates", http.MethodPost, "/templates/import", "Take texts from a file as drafts; all or none", 200)
	load.MaxBodyBytes, load.SkipValidateBody = MaxExchange, true
	web.Operation(a, load, scope, r.apiImport)
	web.Operation(a, op("check-language", http.MethodPost, "/language-check", "Read a text for plain language; names reasons, never forbids", 200), scope, r.apiCheck)
}

func (r *Room) apiList(ctx context.Context, in *textQuery) (*web.List[textBody], error) {
	all, err := r.Records(ctx, in.filter())
	if err != nil {
		return nil, err
	}
	if in.After != "" {
		for i, x := range all {
			if x.ID == in.After {
				all = all[i+1:]
				break
			}
		}
	}
	next := ""
	if len(all) > in.Limit {
		all = all[:in.Limit]
		next = all[in.Limit-1].ID
	}
	items := make([]textBody, len(all))
	for i, x := range all {
		items[i] = bodyOf(x, false)
	}
	return web.NewList(items, next), nil
}

func (r *Room) apiGet(ctx context.Context, in *TextPath) (*web.One[textBody], error) {
	x, err := r.Record(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &web.One[textBody]{Body: bodyOf(x, true)}, nil
}

func (r *Room) apiVersions(ctx context.Context, in *TextPath) (*web.List[versionBody], error) {
	if _, err := r.Record(ctx, in.ID); err != nil {
		return nil, err
	}
	list, err := r.Versions(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	items := make([]versionBody, len(list))
	for i, v := range list {
		items[i] = versionOf(v)
	}
	return web.NewList(items, ""), nil
}

func (r *Room) apiWrite(ctx context.Context, in *writeText) (*web.One[versionBody], error) {
	v, err := r.Write(ctx, in.Body.entry())
	if err != nil {
		return nil, err
	}
	return &web.One[versionBody]{Body: versionOf(v)}, nil
}

func (r *Room) apiApprove(ctx context.Context, in *approveText) (*web.One[textBody], error) {
	version := 0
	if in.Body != nil {
		version = in.Body.Version
	}
	if err := r.approveOrRelease(ctx, in.ID, version); err != nil {
		return nil, err
	}
	return r.apiGet(ctx, &in.TextPath)
}

// approveOrRelease approves the draft that waits; without one, the text in use.
func (r *Room) approveOrRelease(ctx context.Context, id string, version int) error {
	_, err := r.Approve(ctx, id, version)
	if version == 0 && fault.As(err).Key == ErrNoDraft.Key {
		return r.Release(ctx, id)
	}
	return err
}

func (r *Room) apiRetire(ctx context.Context, in *TextPath) (*web.List[versionBody], error) {
	if err := r.Retire(ctx, in.ID); err != nil {
		return nil, err
	}
	list, err := r.Versions(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	items := make([]versionBody, len(list))
	for i, v := range list {
		items[i] = versionOf(v)
	}
	return web.NewList(items, ""), nil
}

func (r *Room) apiDiscard(ctx context.Context, in *TextPath) (*struct{}, error) {
	return nil, r.Discard(ctx, in.ID)
}

func (r *Room) apiSign(ctx context.Context, in *signText) (*web.One[textBody], error) {
	if err := r.Sign(ctx, in.ID, in.Body.Group); err != nil {
		return nil, err
	}
	return r.apiGet(ctx, &in.TextPath)
}

func (r *Room) apiRehearse(ctx context.Context, in *TextPath) (*web.One[textBody], error) {
	if err := r.Rehearse(ctx, in.ID); err != nil {
		return nil, err
	}
	return r.apiGet(ctx, in)
}

func (r *Room) apiExport(ctx context.Context, in *textQuery) (*fileBody, error) {
	x, err := r.Export(ctx, in.filter())
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := WriteExchange(&b, x); err != nil {
		return nil, err
	}
	return &fileBody{Type: "application/json", Disposition: `attachment; filename="` + exportName + `"`, Body: b.Bytes()}, nil
}

// exportName is what browsers call the file.
const exportName = "tuermer-vorlagen.json"

func (r *Room) apiImport(ctx context.Context, in *importFile) (*web.One[importedBody], error) {
	if err := mayWrite(ctx); err != nil {
		return nil, err
	}
	x, err := ParseExchange(in.RawBody)
	if err != nil {
		return nil, err
	}
	done, err := r.Import(ctx, x)
	if err != nil {
		return nil, err
	}
	b := importedBody(done)
	if b.Drafted == nil {
		b.Drafted = []string{}
	}
	return &web.One[importedBody]{Body: b}, nil
}

func (r *Room) apiCheck(ctx context.Context, in *checkText) (*web.One[checkedBody], error) {
	if err := mayWrite(ctx); err != nil {
		return nil, err
	}
	lang := Language(in.Body.Language)
	about := Situation{Kind: Kind(in.Body.Kind), Audience: AudienceKind(in.Body.Audience), Crisis: in.Body.Crisis}
	a := Assess(in.Body.Text, lang, about)
	b := checkedBody{Score: round(a.Score), Grade: string(GradeOf(a.Score)), Hints: []hintBody{}, Offered: a.Offered, OfferedScore: round(a.OfferedScore)}
	say := DE
	if lang == EN {
		say = EN
	}
	for _, h := range a.Hints {
		b.Hints = append(b.Hints, hintBody{Code: string(h.Code), Start: h.Start, End: h.End, Found: h.Found, Offer: h.Offer, Reason: h.Reason(say)})
	}
	if in.Body.Before != "" {
		was := Assess(in.Body.Before, lang, about)
		score, n := round(was.Score), len(was.Hints)
		b.ScoreBefore, b.HintsBefore = &score, &n
	}
	return &web.One[checkedBody]{Body: b}, nil
}

func round(x float64) float64 { return float64(int(x*10+0.5)) / 10 }
