package desk

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tuermer/internal/notice/intake"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
)

// outageReportBody is what a program reports on behalf of a citizen.
type outageReportBody struct {
	Service string `json:"service" minLength:"1" maxLength:"100" doc:"A public service, by its id in /api/v2/summary.json"`
	What    string `json:"what" enum:"gone,slow,wrong,other" doc:"gone: cannot be opened; slow: opens, but hardly; wrong: shows a fault; other: something else"`
}

type outageReportInput struct {
	Body outageReportBody
	from string
}

// Resolve implements huma.Resolver: the sender's address is in no field.
func (in *outageReportInput) Resolve(ctx huma.Context) []error {
	req, _ := humago.Unwrap(ctx)
	in.from = identity.ClientOf(req).Address
	return nil
}

// OutageAPI lets programs do what the form on the public page does, by the same
// rules: nothing is typed, no address is kept, and what comes too often counts once.
func (d *Desk) OutageAPI(a *web.PublicAPI, to Outages) {
	web.PublicOperation(a, huma.Operation{
		OperationID: "report-outage", Method: http.MethodPost, Path: "/api/v1/outages", Tags: []string{"outages"}, DefaultStatus: http.StatusAccepted,
		Summary:     "Report that a service does not work",
		Description: "What the form on the public page does. Nothing about the sender is kept; a second report from the same connection about the same service within three minutes counts as the first. Three reports within ten minutes raise an alarm.",
		Errors:      []int{http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *outageReportInput) (*struct{}, error) {
		return nil, to.Outage(ctx, in.Body.Service, intake.Symptom(in.Body.What), in.from)
	})
}
