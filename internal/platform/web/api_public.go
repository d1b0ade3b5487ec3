package web

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tuermer/internal/platform/fault"
)

// PublicAPI is what programs of strangers may do: no token, no session. It has a
// description of its own, so that whoever reads it learns of nothing else.
type PublicAPI struct {
	huma.API
	log *slog.Logger
}

// NewPublicAPI makes it, and what answers at /api/v1/… and /api/openapi.json.
// Tenant, actor and language are put into the request before by whoever owns the
// listener, who also paces it.
func NewPublicAPI(version string, log *slog.Logger) (*PublicAPI, http.Handler) {
	mux := http.NewServeMux()
	return &PublicAPI{humago.New(mux, apiConfig(version)), log}, mux
}

// maxPublicBody bounds what a stranger's program may send, in bytes.
const maxPublicBody = 4 << 10

// PublicOperation adds one operation that asks for no token.
func PublicOperation[I, O any](a *PublicAPI, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	op.MaxBodyBytes = maxPublicBody
	huma.Register(a.API, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err == nil {
			return out, nil
		}
		if fault.As(err).Kind == fault.Internal {
			a.log.ErrorContext(ctx, "request failed", "room", "web", "path", op.Path, "err", err)
		}
		return nil, apiError(ctx, err)
	})
}
