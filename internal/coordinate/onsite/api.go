package onsite

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/web"
)

const (
	apiReports = "/api/v1/onsite-reports"
	apiChecks  = "/api/v1/identity-checks"
	apiCopies  = "/api/v1/identity-copies"
)

type onsitePositionBody struct {
	Lat      float64 `json:"lat" minimum:"-90" maximum:"90" doc:"Degrees north, WGS 84"`
	Lon      float64 `json:"lon" minimum:"-180" maximum:"180" doc:"Degrees east"`
	Accuracy float64 `json:"accuracy,omitempty" minimum:"0" maximum:"1000000" doc:"Metres; 0: unknown"`
}

type onsitePhotoBody struct {
	Width  int    `json:"width"`
	Height int    `json:"height"`
	SHA256 string `json:"sha256" doc:"Of the stored JPEG, as in the journal"`
	Gone   bool   `json:"gone" doc:"It was taken away"`
}

type onsiteReportBody struct {
	ID       string              `json:"id"`
	Incident string              `json:"incident"`
	At       time.Time           `json:"at"`
	By       string              `json:"by"`
	Text     string              `json:"text,omitempty"`
	Place    string              `json:"place,omitempty"`
	Position *onsitePositionBody `json:"position,omitempty"`
	Source   string              `json:"source,omitempty" enum:"typed,photo,device" doc:"Where the position comes from"`
	Photo    *onsitePhotoBody    `json:"photo,omitempty"`
}

func reportOf(p Report) onsiteReportBody {
	b := onsiteReportBody{ID: string(p.ID), Incident: string(p.Incident), At: p.At, By: p.ByName, Text: p.Text, Place: p.Place, Source: string(p.Source)}
	if p.Position != nil {
		b.Position = &onsitePositionBody{p.Position.Lat, p.Position.Lon, p.Position.Accuracy}
	}
	if p.Photo != nil {
		b.Photo = &onsitePhotoBody{p.Photo.Width, p.Photo.Height, p.Photo.Sum, p.Photo.Gone}
	}
	return b
}

type onsiteQuery struct {
	web.Paging
	Incident string `query:"incident" doc:"Only of this incident"`
}

func (q onsiteQuery) filter() Filter {
	return Filter{Incident: incident.ID(q.Incident), After: q.After, Limit: q.Limit + 1}
}

// page cuts what was asked for by one too many.
func page[T any](all []T, limit int, id func(T) string) ([]T, string) {
	if len(all) <= limit {
		return all, ""
	}
	return all[:limit], id(all[limit-1])
}

type onsiteDraft struct {
	Body struct {
		Incident string              `json:"incident" doc:"Id of the incident"`
		Text     string              `json:"text,omitempty" maxLength:"4000"`
		Place    string              `json:"place,omitempty" maxLength:"200" doc:"In words, or a position in any usual spelling"`
		Position *onsitePositionBody `json:"position,omitempty"`
		Photo    []byte              `json:"photo,omitempty" doc:"JPEG, PNG or WebP of at most 12 MiB, in base64; what the camera wrote into it is read and not kept"`
		Key      string              `json:"key,omitempty" maxLength:"100" doc:"Sent twice with the same key, it is one report"`
	}
}

type onsiteReportPath struct {
	ID string `path:"id" doc:"Id of the report"`
}

type onsiteRemove struct {
	onsiteReportPath
	Reason string `query:"reason" doc:"Needed; stands in the journal"`
}

// picture is an answer that is a JPEG.
type picture struct {
	Type string `header:"Content-Type"`
	Body []byte
}

type identityCheckBody struct {
	ID       string     `json:"id"`
	Incident string     `json:"incident"`
	At       time.Time  `json:"at"`
	Until    time.Time  `json:"until" doc:"When what leads to the person is deleted, at most a day after at"`
	By       string     `json:"by"`
	Purpose  string     `json:"purpose"`
	Outcome  string     `json:"outcome"`
	Copy     bool       `json:"copy" doc:"A copy was made"`
	GoneAt   *time.Time `json:"gone_at,omitempty" doc:"When it was deleted"`
	GoneWhy  string     `json:"gone_why,omitempty" enum:"expired,done"`
	Name     string     `json:"name,omitempty" doc:"For who checked and for administrators, until it is deleted"`
	Document string     `json:"document,omitempty"`
	Detail   string     `json:"detail,omitempty"`
}

func checkOf(c Check) identityCheckBody {
	b := identityCheckBody{
		ID: string(c.ID), Incident: string(c.Incident), At: c.At, Until: c.Until, By: c.ByName, Purpose: string(c.Purpose), Outcome: string(c.Outcome),
		Copy: c.HasCopy, GoneWhy: string(c.GoneWhy),
	}
	if !c.GoneAt.IsZero() {
		b.GoneAt = &c.GoneAt
	}
	if c.Held != nil {
		b.Name, b.Document, b.Detail = c.Held.Name, string(c.Held.Document), c.Held.Detail
	}
	return b
}

type identityShowing struct {
	Body struct {
		Incident string `json:"incident" doc:"Id of the incident"`
		Name     string `json:"name" maxLength:"200"`
		Document string `json:"document" enum:"card,passport,permit,licence,service,other"`
		Detail   string `json:"detail,omitempty" maxLength:"200" doc:"What for, more exactly; needed for the purpose other"`
		Purpose  string `json:"purpose" enum:"access,handover,help,counter,fetch,other"`
		Outcome  string `json:"outcome" enum:"matches,differs,none"`
		Hours    int    `json:"hours,omitempty" minimum:"0" maximum:"24" doc:"How long name and document are kept; 0: four hours"`
		Copy     []byte `json:"copy,omitempty" doc:"Only where the town allows copies; is marked before it is stored"`
		Consent  bool   `json:"consent,omitempty" doc:"The holder agreed to the copy"`
		Key      string `json:"key,omitempty" maxLength:"100" doc:"Sent twice with the same key, it is one check"`
	}
}

type identityCheckPath struct {
	ID string `path:"id" doc:"Id of the check"`
}

type identityCopiesBody struct {
	Allowed bool       `json:"allowed"`
	Reason  string     `json:"reason,omitempty" maxLength:"200" doc:"Needed to allow them"`
	By      string     `json:"by,omitempty" readOnly:"true"`
	At      *time.Time `json:"at,omitempty" readOnly:"true"`
}

func (r *Room) copiesBody(ctx context.Context) (*web.One[identityCopiesBody], error) {
	c, err := r.Copies(ctx)
	if err != nil {
		return nil, err
	}
	b := identityCopiesBody{Allowed: c.Allowed, Reason: c.Reason, By: c.ByName}
	if !c.At.IsZero() {
		b.At = &c.At
	}
	return &web.One[identityCopiesBody]{Body: b}, nil
}

// API adds this room's operations.
func (r *Room) API(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"onsite"}, DefaultStatus: status}
	}
	large := func(o huma.Operation) huma.Operation {
		o.MaxBodyBytes = LargeBodies()[o.Path]
		return o
	}
	web.Operation(a, op("list-onsite-reports", http.MethodGet, apiReports, "What was seen on the spot, newest first", 200), scope, r.apiReports)
	web.Operation(a, large(op("add-onsite-report", http.MethodPost, apiReports, "Report from the spot, with photo and position; becomes an entry of the journal", 201)), scope, r.apiReport)
	web.Operation(a, op("get-onsite-report", http.MethodGet, apiReports+"/{id}", "One report from the spot", 200), scope,
		func(ctx context.Context, in *onsiteReportPath) (*web.One[onsiteReportBody], error) {
			p, err := r.Get(ctx, ReportID(in.ID))
			return &web.One[onsiteReportBody]{Body: reportOf(p)}, err
		})
	web.Operation(a, op("get-onsite-photo", http.MethodGet, apiReports+"/{id}/photo", "Its photo, a JPEG", 200), scope,
		func(ctx context.Context, in *onsiteReportPath) (*picture, error) {
			data, err := r.Photo(ctx, ReportID(in.ID))
			return &picture{"image/jpeg", data}, err
		})
	web.Operation(a, op("remove-onsite-photo", http.MethodDelete, apiReports+"/{id}/photo", "Take a photo away that should not have been taken", 204), scope,
		func(ctx context.Context, in *onsiteRemove) (*struct{}, error) {
			return nil, r.RemovePhoto(ctx, ReportID(in.ID), in.Reason)
		})
	web.Operation(a, op("list-identity-checks", http.MethodGet, apiChecks, "Who checked identity documents and what for, newest first", 200), scope, r.apiChecks)
	web.Operation(a, large(op("add-identity-check", http.MethodPost, apiChecks, "Note that a document was shown; name and document are deleted within a day", 201)), scope, r.apiCheck)
	web.Operation(a, op("forget-identity-check", http.MethodDelete, apiChecks+"/{id}", "Delete name, document and copy now; that it was checked stays", 204), scope,
		func(ctx context.Context, in *identityCheckPath) (*struct{}, error) {
			return nil, r.Forget(ctx, CheckID(in.ID))
		})
	web.Operation(a, op("get-identity-copies", http.MethodGet, apiCopies, "Whether the town allows copies of identity documents", 200), scope,
		func(ctx context.Context, _ *struct{}) (*web.One[identityCopiesBody], error) { return r.copiesBody(ctx) })
	web.Operation(a, op("set-identity-copies", http.MethodPut, apiCopies, "Allow copies of identity documents with a reason, or forbid them", 200), scope,
		func(ctx context.Context, in *struct{ Body identityCopiesBody }) (*web.One[identityCopiesBody], error) {
			if err := r.AllowCopies(ctx, in.Body.Allowed, in.Body.Reason); err != nil {
				return nil, err
			}
			return r.copiesBody(ctx)
		})
}

func (r *Room) apiReports(ctx context.Context, q *onsiteQuery) (*web.List[onsiteReportBody], error) {
	all, err := r.Reports(ctx, q.filter())
	if err != nil {
		return nil, err
	}
	all, next := page(all, q.Limit, func(p Report) string { return string(p.ID) })
	items := make([]onsiteReportBody, len(all))
	for i, p := range all {
		items[i] = reportOf(p)
	}
	return web.NewList(items, next), nil
}

func (r *Room) apiReport(ctx context.Context, in *onsiteDraft) (*web.One[onsiteReportBody], error) {
	b := in.Body
	d := Draft{Incident: incident.ID(b.Incident), Text: b.Text, Place: b.Place, Photo: b.Photo, Key: b.Key}
	if b.Position != nil {
		d.Position = &Position{b.Position.Lat, b.Position.Lon, b.Position.Accuracy}
	}
	p, err := r.Report(ctx, d)
	return &web.One[onsiteReportBody]{Body: reportOf(p)}, err
}

func (r *Room) apiChecks(ctx context.Context, q *onsiteQuery) (*web.List[identityCheckBody], error) {
	all, err := r.Checks(ctx, q.filter())
	if err != nil {
		return nil, err
	}
	all, next := page(all, q.Limit, func(c Check) string { return string(c.ID) })
	items := make([]identityCheckBody, len(all))
	for i, c := range all {
		items[i] = checkOf(c)
	}
	return web.NewList(items, next), nil
}

func (r *Room) apiCheck(ctx context.Context, in *identityShowing) (*web.One[identityCheckBody], error) {
	b := in.Body
	c, err := r.Check(ctx, Showing{
		Incident: incident.ID(b.Incident), Held: Held{b.Name, Document(b.Document), b.Detail}, Purpose: Purpose(b.Purpose), Outcome: Outcome(b.Outcome),
		Hours: b.Hours, Copy: b.Copy, Consent: b.Consent, Key: b.Key,
	})
	return &web.One[identityCheckBody]{Body: checkOf(c)}, err
}
