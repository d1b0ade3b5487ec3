package papers

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
	"tuermer/internal/platform/web"
)

type paperBody struct {
	Kind        string     `json:"kind"`
	Title       string     `json:"title"`
	Public      bool       `json:"public" doc:"Stands on the public page"`
	State       State      `json:"state" enum:"draft,outdated,confirmed"`
	Mark        string     `json:"mark" doc:"Names these words; another mark, other words"`
	Missing     []string   `json:"missing" doc:"Details that have to be entered first"`
	ConfirmedBy string     `json:"confirmed_by,omitempty"`
	ConfirmedAt *time.Time `json:"confirmed_at,omitempty"`
}

type paperWords struct {
	paperBody
	Sections []Section `json:"sections" doc:"In the language of Accept-Language"`
}

type paperPath struct {
	Kind string `path:"kind"`
}

type paperFinding struct {
	Text string `json:"text"`
	Href string `json:"href" doc:"Page of the console where it is mended"`
	Red  bool   `json:"red"`
}

type paperFile struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// API hangs the papers into /api/v1.
func (r *Room) API(a *web.API) {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/papers" + path, Summary: summary, Tags: []string{"papers"}, DefaultStatus: http.StatusOK}
	}
	web.Operation(a, op("list-papers", http.MethodGet, "", "List the papers that a town must have, with their state"), scope, r.apiList)
	web.Operation(a, op("list-paper-findings", http.MethodGet, "/findings", "Say what is not in order about the papers and the hosting"), scope, r.apiFindings)
	web.Operation(a, op("get-paper-details", http.MethodGet, "/details", "Get what the town entered for its papers"), scope, r.apiDetails)
	web.Operation(a, op("save-paper-details", http.MethodPut, "/details", "Replace what the town entered for its papers"), scope, r.apiSaveDetails)
	web.Operation(a, op("get-paper", http.MethodGet, "/{kind}", "Get one paper with its words"), scope, r.apiOne)
	web.Operation(a, op("get-paper-file", http.MethodGet, "/{kind}/file", "Get one paper as PDF"), scope, r.apiFile)
	web.Operation(a, op("confirm-paper", http.MethodPost, "/{kind}/confirm", "Vouch for a paper as it reads"), scope, r.apiConfirm)
}

func bodyOf(ctx context.Context, p Paper) paperBody {
	b := paperBody{
		Kind: string(p.Kind), Title: p.Words[i18n.Of(ctx).Lang].Title, Public: p.Kind.Public(), State: p.State, Mark: p.Mark,
		Missing: append([]string{}, p.Missing...), ConfirmedBy: p.Last.By,
	}
	if p.Last.Version > 0 {
		b.ConfirmedAt = &p.Last.At
	}
	return b
}

func (r *Room) apiList(ctx context.Context, _ *web.Paging) (*web.List[paperBody], error) {
	all, err := r.All(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]paperBody, len(all))
	for i, p := range all {
		items[i] = bodyOf(ctx, p)
	}
	return web.NewList(items, ""), nil
}

func (r *Room) apiFindings(ctx context.Context, _ *web.Paging) (*web.List[paperFinding], error) {
	all, err := r.Findings(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]paperFinding, len(all))
	for i, f := range all {
		items[i] = paperFinding{f.Say(i18n.Of(ctx).Catalog, i18n.Of(ctx).Lang), f.Href, f.Red}
	}
	return web.NewList(items, ""), nil
}

func (r *Room) apiDetails(ctx context.Context, _ *struct{}) (*web.One[Details], error) {
	d, err := r.Details(ctx)
	if d.Processors == nil {
		d.Processors = []Processor{}
	}
	return &web.One[Details]{Body: d}, err
}

func (r *Room) apiSaveDetails(ctx context.Context, in *web.One[Details]) (*web.One[Details], error) {
	if err := r.SaveDetails(ctx, in.Body); err != nil {
		return nil, err
	}
	return r.apiDetails(ctx, nil)
}

func (r *Room) apiOne(ctx context.Context, in *paperPath) (*web.One[paperWords], error) {
	p, err := r.Get(ctx, Kind(in.Kind))
	if err != nil {
		return nil, err
	}
	return &web.One[paperWords]{Body: paperWords{bodyOf(ctx, p), p.Words[i18n.Of(ctx).Lang].Sections}}, nil
}

func (r *Room) apiFile(ctx context.Context, in *paperPath) (*paperFile, error) {
	p, err := r.Get(ctx, Kind(in.Kind))
	if err != nil {
		return nil, err
	}
	raw, err := paper.PDF(r.document(ctx, p))
	return &paperFile{"application/pdf", raw}, err
}

type confirmIn struct {
	paperPath
	Body struct {
		Mark string `json:"mark" doc:"Of the words that were read"`
	}
}

func (r *Room) apiConfirm(ctx context.Context, in *confirmIn) (*web.One[paperBody], error) {
	p, err := r.Confirm(ctx, Kind(in.Kind), in.Body.Mark)
	if err != nil {
		return nil, err
	}
	return &web.One[paperBody]{Body: bodyOf(ctx, p)}, nil
}
