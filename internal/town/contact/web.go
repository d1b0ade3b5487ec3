package contact

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
)

// Path is the page "Was fällt zusammen aus?".
const Path = "/contact"

// Routes hangs the room's page into the console.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET "+Path, web.Staff(r.pagePoints))
	s.Handle("POST "+Path+"/check", web.Staff(r.postCheck))
	r.accountRoutes(s)
	s.Handle("GET "+WaysPath, web.Staff(r.pageWays))
	s.Handle("GET "+WaysPath+".csv", web.Staff(r.getWays))
	s.Handle("POST "+WaysPath+"/ask", web.Staff(r.postAsk))
	s.Handle("GET "+AskPath+"{token}", r.pageQuestion) // the address itself is the key
	s.Handle("POST "+AskPath+"{token}", r.postQuestion)
}

func (r *Room) pagePoints(w http.ResponseWriter, req *http.Request) error {
	all, err := r.Points(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, pointsPage(all))
}

func (r *Room) postCheck(w http.ResponseWriter, req *http.Request) error {
	if err := r.Check(req.Context()); err != nil {
		return err
	}
	return web.SeeOther(w, req, Path)
}

// count is how many are in a state.
func count(all []Seen, s State) (n int) {
	for _, x := range all {
		if x.State == s {
			n++
		}
	}
	return n
}

// of are those in a state.
func of(all []Seen, s State) (out []Seen) {
	for _, x := range all {
		if x.State == s {
			out = append(out, x)
		}
	}
	return out
}

// say is the one sentence on how things stand.
func say(ctx context.Context, all []Seen) string {
	switch red, unknown := count(all, Shared), count(all, Unknown); {
	case red > 0:
		return i18n.N(ctx, "contact.say_red", red)
	case unknown > 0:
		return i18n.N(ctx, "contact.say_unknown", unknown)
	default:
		return i18n.T(ctx, "contact.say_apart")
	}
}

// Mark is the shape of a state.
func (s State) Mark() web.State {
	switch s {
	case Shared:
		return web.Down
	case Apart:
		return web.OK
	case Unknown:
	}
	return web.Degraded
}

// oldest is the earliest look; ok is false where there was none.
func oldest(all []Seen) (at time.Time, ok bool) {
	for _, s := range all {
		if !s.CheckedAt.IsZero() && (!ok || s.CheckedAt.Before(at)) {
			at, ok = s.CheckedAt, true
		}
	}
	return at, ok
}

type contactFindingBody struct {
	Cause identity.Cause `json:"cause" doc:"same_domain, shared_mx, shared_zone, shared_host, missing, unverified or no_answer"`
	With  string         `json:"with,omitempty" doc:"What is shared"`
}

type contactPointBody struct {
	ID        string               `json:"id"`
	Kind      Kind                 `json:"kind"`
	Name      string               `json:"name"`
	Host      string               `json:"host,omitempty"`
	State     State                `json:"state" enum:"shared,unknown,apart" doc:"shared is red: it falls together with the town's own systems"`
	Findings  []contactFindingBody `json:"findings"`
	Why       []string             `json:"why" doc:"The findings in words"`
	Falls     string               `json:"falls,omitempty" doc:"What fails then"`
	Do        string               `json:"do,omitempty" doc:"What helps"`
	CheckedAt *time.Time           `json:"checked_at,omitempty"`
}

// API hangs the points into /api/v1.
func (r *Room) API(a *web.API) {
	r.accountAPI(a)
	web.Operation(a, huma.Operation{OperationID: "list-contact-points", Method: http.MethodGet, Path: "/api/v1/contact/points", Summary: "List what an alarm depends on, and whether it falls together with the town", Tags: []string{"people"}}, scope, r.apiPoints)
	web.Operation(a, huma.Operation{OperationID: "list-confirmations", Method: http.MethodGet, Path: "/api/v1/contact/ways", Summary: "List the ways to everybody who can be alarmed, and whether they confirmed them", Tags: []string{"people"}}, scope, r.apiWays)
	web.Operation(a, huma.Operation{OperationID: "ask-for-confirmation", Method: http.MethodPost, Path: "/api/v1/contact/ways/ask", Summary: "Ask everybody who can be alarmed to confirm their ways now", Tags: []string{"people"}, DefaultStatus: http.StatusAccepted}, scope, r.apiAsk)
	web.Operation(a, huma.Operation{OperationID: "check-contact-points", Method: http.MethodPost, Path: "/api/v1/contact/points/check", Summary: "Look at all contact points now", Tags: []string{"people"}, DefaultStatus: http.StatusOK}, scope, r.apiCheck)
}

func (r *Room) apiPoints(ctx context.Context, in *web.Paging) (*web.List[contactPointBody], error) {
	all, err := r.Points(ctx)
	if err != nil {
		return nil, err
	}
	l := i18n.Of(ctx)
	var out []contactPointBody
	for _, s := range all {
		b := contactPointBody{ID: s.id(), Kind: s.Kind, Name: s.Name, Host: s.Host, State: s.State, Findings: []contactFindingBody{}, Why: append([]string{}, s.why(l)...)}
		for _, f := range s.Findings {
			b.Findings = append(b.Findings, contactFindingBody{f.Cause, f.With})
		}
		if s.State != Apart {
			b.Falls, b.Do = s.falls(l), s.do(l)
		}
		if !s.CheckedAt.IsZero() {
			b.CheckedAt = &s.CheckedAt
		}
		out = append(out, b)
	}
	if i := slices.IndexFunc(out, func(b contactPointBody) bool { return b.ID == in.After }); i >= 0 {
		out = out[i+1:]
	}
	next := ""
	if len(out) > in.Limit {
		out = out[:in.Limit]
		next = out[len(out)-1].ID
	}
	return web.NewList(out, next), nil
}

func (r *Room) apiCheck(ctx context.Context, _ *struct{}) (*web.List[contactPointBody], error) {
	if err := r.Check(ctx); err != nil {
		return nil, err
	}
	return r.apiPoints(ctx, &web.Paging{Limit: 1000})
}
