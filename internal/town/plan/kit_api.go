package plan

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// planBody is the plan as the API speaks of it.
type planBody struct {
	Version  int       `json:"version" doc:"Number of the version; send it back when you change the plan, 0 before the first"`
	At       time.Time `json:"at" readOnly:"true" required:"false"`
	By       string    `json:"by" readOnly:"true" required:"false"`
	Document Document  `json:"document"`
}

type savePlan struct{ Body planBody }

type versionEntry struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Part    string    `json:"part"`
	Note    string    `json:"note,omitempty"`
}

type versionsQuery struct {
	Limit int `query:"limit" default:"100" minimum:"1" maximum:"1000"`
	After int `query:"after" minimum:"0" doc:"Continue below this version"`
}

type versionPath struct {
	Number int `path:"number" minimum:"1"`
}

type changesQuery struct {
	Number int `path:"number" minimum:"1"`
	Since  int `query:"since" minimum:"-1" default:"-1" doc:"Compare with this version; without it, the one before"`
}

type versionDocument struct {
	versionEntry
	Document  Document   `json:"document"`
	Audiences []Snapshot `json:"audiences"`
}

type linkBody struct {
	ID         string    `json:"id" readOnly:"true" required:"false"`
	Purpose    string    `json:"purpose" enum:"phone,partners,staff"`
	Name       string    `json:"name" doc:"Where the display stands"`
	CreatedAt  time.Time `json:"created_at" readOnly:"true" required:"false"`
	By         string    `json:"by" readOnly:"true" required:"false"`
	ValidUntil time.Time `json:"valid_until" readOnly:"true" required:"false"`
	Frames     []string  `json:"frames,omitempty" maxItems:"10" doc:"Origins whose pages may show it in a frame, such as https://intranet.example.org"`
	Path       string    `json:"path,omitempty" readOnly:"true" doc:"Secret address below the console's; shown once"`
}

type createLink struct{ Body linkBody }

type linkPath struct {
	ID string `path:"id"`
}

func (r *Room) kitAPI(a *web.API) {
	const scope = "people"
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/plan" + path, Summary: summary, Tags: []string{"plan"}, DefaultStatus: status}
	}
	web.Operation(a, op("get-plan", http.MethodGet, "", "Show the communication plan", 200), scope, r.apiPlan)
	web.Operation(a, op("save-plan", http.MethodPut, "", "Change the communication plan as a whole", 200), scope, r.apiSavePlan)
	web.Operation(a, op("get-offered-plan", http.MethodGet, "/offered", "Show what the product suggests", 200), scope, r.apiOffered)
	web.Operation(a, op("list-plan-versions", http.MethodGet, "/versions", "List the versions of the plan, the newest first", 200), scope, r.apiVersions)
	web.Operation(a, op("get-plan-version", http.MethodGet, "/versions/{number}", "Show the plan as it was", 200), scope, r.apiVersion)
	web.Operation(a, op("compare-plan-versions", http.MethodGet, "/versions/{number}/changes", "List what a version changed", 200), scope, r.apiChanges)
	web.Operation(a, op("restore-plan-version", http.MethodPost, "/versions/{number}/restore", "Make the plan what it was, as a new version", 200), scope, r.apiRestore)
	r.signOffAPI(a)
	web.Operation(a, op("list-plan-links", http.MethodGet, "/links", "List the secret links that work", 200), scope, r.apiLinks)
	web.Operation(a, op("create-plan-link", http.MethodPost, "/links", "Make a secret link for a display", 201), scope, r.apiCreateLink)
	web.Operation(a, op("rotate-plan-link", http.MethodPost, "/links/{id}/rotate", "Replace a secret link; the old one stops at once", 200), scope, r.apiRotateLink)
	web.Operation(a, op("revoke-plan-link", http.MethodDelete, "/links/{id}", "End a secret link", 204), scope, r.apiRevokeLink)
}

func (r *Room) apiPlan(ctx context.Context, _ *struct{}) (*web.One[planBody], error) {
	d, s, err := r.Document(ctx)
	return &web.One[planBody]{Body: planBody{s.Number, s.At, s.ByName, d.listed()}}, err
}

// listed is the document without null in it.
func (d Document) listed() Document {
	d = d.clone()
	if d.Contacts == nil {
		d.Contacts = []Contact{}
	}
	if d.Holding == nil {
		d.Holding = []HoldingText{}
	}
	if d.Matrix == nil {
		d.Matrix = []Cell{}
	}
	return d
}

func (r *Room) apiSavePlan(ctx context.Context, in *savePlan) (*web.One[planBody], error) {
	_, err := r.Edit(ctx, Whole, in.Body.Version, func(d *Document) error {
		*d = in.Body.Document.clone()
		now := r.o.Clock.Now()
		for i := range d.Contacts {
			if d.Contacts[i].ID == "" {
				d.Contacts[i].ID = ident.NewID(now)
			}
		}
		for i := range d.Holding {
			if d.Holding[i].ID == "" {
				d.Holding[i].ID = ident.NewID(now)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.apiPlan(ctx, nil)
}

func (r *Room) apiOffered(ctx context.Context, _ *struct{}) (*web.One[Document], error) {
	d, err := offered(ctx)
	return &web.One[Document]{Body: d.listed()}, err
}

func entryOf(v Version) versionEntry {
	return versionEntry{v.Number, v.At, v.ByName, string(v.Part), v.Note}
}

func (r *Room) apiVersions(ctx context.Context, in *versionsQuery) (*web.List[versionEntry], error) {
	vs, err := r.Versions(ctx, in.After, min(in.Limit+1, 1000))
	if err != nil {
		return nil, err
	}
	next := ""
	if len(vs) > in.Limit {
		vs = vs[:in.Limit]
		next = strconv.Itoa(vs[len(vs)-1].Number)
	}
	items := make([]versionEntry, len(vs))
	for i, v := range vs {
		items[i] = entryOf(v)
	}
	return web.NewList(items, next), nil
}

func (r *Room) apiVersion(ctx context.Context, in *versionPath) (*web.One[versionDocument], error) {
	v, err := r.Version(ctx, in.Number)
	if v.Audiences == nil {
		v.Audiences = []Snapshot{}
	}
	return &web.One[versionDocument]{Body: versionDocument{entryOf(v), v.Document.listed(), v.Audiences}}, err
}

func (r *Room) apiChanges(ctx context.Context, in *changesQuery) (*web.List[Change], error) {
	since := ""
	if in.Since >= 0 {
		since = strconv.Itoa(in.Since)
	}
	v, err := r.versionView(ctx, in.Number, since)
	if err != nil {
		return nil, err
	}
	return web.NewList(v.Changes, ""), nil
}

func (r *Room) apiRestore(ctx context.Context, in *versionPath) (*web.One[planBody], error) {
	if _, err := r.Restore(ctx, in.Number); err != nil {
		return nil, err
	}
	return r.apiPlan(ctx, nil)
}

// LinkPath is the address of a secret link.
func LinkPath(p Purpose, secret string) string {
	switch p {
	case PartnerPage:
		return "/tp/" + secret
	case StaffPage:
		return "/ti/" + secret
	case PhonePage:
	}
	return "/t/" + secret
}

func linkOf(l Link, secret string) *web.One[linkBody] {
	b := linkBody{ID: l.ID, Purpose: string(l.Purpose), Name: l.Name, CreatedAt: l.CreatedAt, By: l.ByName, ValidUntil: l.ValidUntil, Frames: l.Frames}
	if secret != "" {
		b.Path = LinkPath(l.Purpose, secret)
	}
	return &web.One[linkBody]{Body: b}
}

func (r *Room) apiLinks(ctx context.Context, _ *struct{}) (*web.List[linkBody], error) {
	all, err := r.Links(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]linkBody, len(all))
	for i, l := range all {
		items[i] = linkOf(l, "").Body
	}
	return web.NewList(items, ""), nil
}

func (r *Room) apiCreateLink(ctx context.Context, in *createLink) (*web.One[linkBody], error) {
	l, secret, err := r.CreateLink(ctx, Purpose(in.Body.Purpose), in.Body.Name, in.Body.Frames...)
	if err != nil {
		return nil, err
	}
	return linkOf(l, secret), nil
}

func (r *Room) apiRotateLink(ctx context.Context, in *linkPath) (*web.One[linkBody], error) {
	l, secret, err := r.RotateLink(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return linkOf(l, secret), nil
}

func (r *Room) apiRevokeLink(ctx context.Context, in *linkPath) (*struct{}, error) {
	return nil, r.RevokeLink(ctx, in.ID)
}
