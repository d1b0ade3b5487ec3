package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
)

// API is the frame of /api/v1; rooms add to it with [Operation].
type API struct{ huma.API }

// NewAPI hangs the API into the site: OpenAPI 3.1 at /api/openapi.json, no
// documentation page (huma's would load from a foreign host).
func NewAPI(s *Site, version string) *API {
	cfg := apiConfig(version)
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "tuermer token create"},
	}
	cfg.Security = []map[string][]string{{"token": {}}}
	return &API{humago.New(s.mux, cfg)}
}

func apiConfig(version string) huma.Config {
	cfg := huma.DefaultConfig("Türmer", version)
	cfg.OpenAPIPath = "/api/openapi"
	cfg.DocsPath = ""
	cfg.SchemasPath = "/api/schemas"
	cfg.CreateHooks = nil // no $schema links in bodies
	cfg.Transformers = append(cfg.Transformers, invalidInWords)
	return cfg
}

// invalidInWords says in the detail what does not fit the description, since
// many programs show nothing else of a problem; huma says "validation failed".
func invalidInWords(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if ok && m.Detail == "request body is required" {
		m.Detail = i18n.T(ctx.Context(), "web.api_no_body")
	}
	if !ok || m.Detail != "validation failed" || len(m.Errors) == 0 {
		return v, nil
	}
	words := make([]string, len(m.Errors))
	for i, e := range m.Errors {
		words[i] = e.Location + ": " + e.Message
	}
	m.Detail = i18n.T(ctx.Context(), "web.api_invalid", strings.Join(words, "; "))
	return m, nil
}

// Operation adds one operation. scope limits tokens ("alerts", "incidents",
// "statements", "services", "people", "monitors"; reading needs "read" or the
// scope itself). Rights beyond that are checked by the room. Errors become
// RFC 9457 problems with the words of package fault.
func Operation[I, O any](a *API, op huma.Operation, scope string, h func(context.Context, *I) (*O, error)) {
	if op.DefaultStatus == 0 && op.Method == http.MethodPost {
		op.DefaultStatus = http.StatusOK
	}
	if op.BodyReadTimeout == 0 {
		// The site has read the body by then and bounds its time; the few seconds that
		// huma gives would end the request of whoever still works on a photo.
		if op.BodyReadTimeout = formTime; op.MaxBodyBytes > 0 {
			op.BodyReadTimeout = uploadTime
		}
	}
	huma.Register(a.API, op, func(ctx context.Context, in *I) (*O, error) {
		if err := mayCall(ctx, op.Method, scope); err != nil {
			return nil, apiError(ctx, err)
		}
		out, err := h(ctx, in)
		if err != nil {
			return nil, apiError(ctx, err)
		}
		return out, nil
	})
}

func mayCall(ctx context.Context, method, scope string) error {
	a := ident.ActorOf(ctx)
	switch a.Kind {
	case ident.KindPerson, ident.KindToken, ident.KindSystem:
	default:
		return fault.New(fault.Unauthenticated, "web.sign_in")
	}
	if a.Allows(scope) || (method == http.MethodGet && a.Allows("read")) {
		return nil
	}
	return fault.New(fault.Forbidden, "web.scope", scope)
}

func apiError(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		// The sender has left or this program is being stopped: no fault of ours.
		return huma.NewError(http.StatusServiceUnavailable, "cut short")
	}
	f := fault.As(err)
	key := f.Key
	if key == "" {
		key = "web.internal"
	}
	var details []error
	for name, k := range f.Fields {
		var args []any
		if k == f.Key { // the same sentence, so the same values
			args = f.Args
		}
		details = append(details, &huma.ErrorDetail{Location: "body." + name, Message: i18n.T(ctx, k, args...)})
	}
	if f.Kind == fault.Internal {
		if i, ok := siteOf(ctx); ok {
			i.site.o.Log.ErrorContext(ctx, "request failed", "room", "web", "path", i.req.URL.Path, "err", err)
		}
	}
	return huma.NewError(fault.Status(f.Kind), i18n.T(ctx, key, f.Args...), details...)
}

// List is the shape of every list answer.
type List[T any] struct {
	Body struct {
		Items []T    `json:"items"`
		Next  string `json:"next,omitempty" doc:"Value for after to get what follows; absent at the end"`
	}
}

// NewList makes an answer whose items are never null.
func NewList[T any](items []T, next string) *List[T] {
	l := &List[T]{}
	if items == nil {
		items = []T{}
	}
	l.Body.Items, l.Body.Next = items, next
	return l
}

// Paging is the query of every list.
type Paging struct {
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"At most so many items"`
	After string `query:"after" doc:"Continue behind this value of next"`
}

// One wraps a single answer.
type One[T any] struct{ Body T }
