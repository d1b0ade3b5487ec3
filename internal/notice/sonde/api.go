package sonde

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// sondeBody is a sonde as the API speaks of it.
type sondeBody struct {
	Name      string      `json:"name"`
	State     string      `json:"state" doc:"waiting, heard, silent or revoked"`
	SeenAt    *time.Time  `json:"seen_at,omitempty" doc:"When it was last heard of"`
	JoinedAt  *time.Time  `json:"joined_at,omitempty"`
	RevokedAt *time.Time  `json:"revoked_at,omitempty"`
	RefusedAt *time.Time  `json:"refused_at,omitempty" doc:"When the revoked key was last tried"`
	KeyID     string      `json:"key_id,omitempty" doc:"Names its public key"`
	ClockMS   int64       `json:"clock_behind_ms" doc:"How far its clock is behind; what it reports is moved by that"`
	Waiting   int64       `json:"spool_waiting" doc:"Results that wait on its disk, as it said last"`
	Dropped   int64       `json:"spool_dropped" doc:"Old healthy results that it gave up"`
	Version   string      `json:"version,omitempty"`
	Token     string      `json:"token,omitempty" doc:"One-time token, told this once"`
	Until     *time.Time  `json:"token_until,omitempty"`
	Monitors  []sightBody `json:"monitors,omitempty" doc:"What it sees; in the answer for one sonde"`
}

// sightBody is a monitor as the sonde sees it.
type sightBody struct {
	Monitor string     `json:"monitor" doc:"Slug"`
	State   string     `json:"state,omitempty" doc:"up, down or suspect; absent: no result yet"`
	At      *time.Time `json:"at,omitempty"`
	TookMS  int64      `json:"took_ms"`
	Reason  string     `json:"reason,omitempty"`
	Counts  bool       `json:"counts" doc:"Fresh enough to have a voice"`
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func bodyOf(s Sonde) sondeBody {
	return sondeBody{
		Name: s.Name, State: string(s.State()), SeenAt: moment(s.SeenAt), JoinedAt: moment(s.JoinedAt), RevokedAt: moment(s.RevokedAt),
		RefusedAt: moment(s.RefusedAt), KeyID: s.KeyID, ClockMS: s.Clock.Milliseconds(), Waiting: s.Waiting, Dropped: s.Dropped,
		Version: s.Version, Until: moment(s.TokenUntil),
	}
}

type apiNewInput struct {
	Body struct {
		Name string `json:"name" doc:"Short, as in the addresses of the console"`
	}
}

type apiNameInput struct {
	Name string `path:"name"`
}

// API hangs the sondes into /api/v1.
func (r *Room) API(a *web.API) {
	const scope, path = "monitors", "/api/v1/sondes"
	op := func(id, method, rest, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path + rest, Summary: summary, Tags: []string{"sondes"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-sondes", http.MethodGet, "", "List the remote vantage points", 200), scope, r.apiList)
	web.Operation(a, op("add-sonde", http.MethodPost, "", "Add a remote vantage point; the answer holds its one-time token", 201), scope, r.apiAdd)
	web.Operation(a, op("get-sonde", http.MethodGet, "/{name}", "One sonde and what it sees", 200), scope, r.apiGet)
	web.Operation(a, op("list-sonde-results", http.MethodGet, "/{name}/results", "What a sonde saw, newest first", 200), scope, r.apiResults)
	web.Operation(a, op("renew-sonde", http.MethodPost, "/{name}/renew", "Give a sonde a new one-time token", 200), scope, r.apiRenew)
	web.Operation(a, op("revoke-sonde", http.MethodPost, "/{name}/revoke", "Refuse a sonde's key from now on", 200), scope, r.apiRevoke)
}

type apiListInput struct{ web.Paging }

func (r *Room) apiList(ctx context.Context, in *apiListInput) (*web.List[sondeBody], error) {
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	var items []sondeBody
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

func (r *Room) apiAdd(ctx context.Context, in *apiNewInput) (*web.One[sondeBody], error) {
	token, err := r.Add(ctx, in.Body.Name)
	if err != nil {
		return nil, err
	}
	return r.withToken(ctx, in.Body.Name, token)
}

// sondeResultBody is one result of a sonde.
type sondeResultBody struct {
	Monitor string    `json:"monitor" doc:"Slug"`
	At      time.Time `json:"at" doc:"By the server's clock"`
	OK      bool      `json:"ok"`
	Reason  string    `json:"reason"`
	Code    int       `json:"code,omitempty"`
	TookMS  int64     `json:"took_ms"`
	Detail  string    `json:"detail,omitempty"`
}

type apiResultsInput struct {
	web.Paging
	Name    string `path:"name"`
	Monitor string `query:"monitor" doc:"Slug; without: all"`
}

func (r *Room) apiResults(ctx context.Context, in *apiResultsInput) (*web.List[sondeResultBody], error) {
	if _, err := r.Get(ctx, in.Name); err != nil {
		return nil, err
	}
	var before time.Time
	ms, slug, _ := strings.Cut(in.After, ".")
	if in.After != "" {
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil || !plausible(n) {
			return nil, fault.New(fault.Invalid, "sonde.bad_after")
		}
		before = time.UnixMilli(n).UTC()
	}
	rs, err := r.Results(ctx, in.Name, in.Monitor, before, slug, in.Limit+1)
	if err != nil {
		return nil, err
	}
	next := ""
	if len(rs) > in.Limit {
		rs = rs[:in.Limit]
		last := rs[in.Limit-1]
		next = strconv.FormatInt(last.At.UnixMilli(), 10) + "." + last.Monitor
	}
	items := make([]sondeResultBody, len(rs))
	for i, x := range rs {
		items[i] = sondeResultBody{x.Monitor, x.At, x.OK, string(x.Reason), x.Code, x.Took.Milliseconds(), x.Detail}
	}
	return web.NewList(items, next), nil
}

func (r *Room) apiRenew(ctx context.Context, in *apiNameInput) (*web.One[sondeBody], error) {
	token, err := r.Renew(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return r.withToken(ctx, in.Name, token)
}

func (r *Room) withToken(ctx context.Context, name, token string) (*web.One[sondeBody], error) {
	s, err := r.Get(ctx, name)
	b := bodyOf(s)
	b.Token = token
	return &web.One[sondeBody]{Body: b}, err
}

func (r *Room) apiGet(ctx context.Context, in *apiNameInput) (*web.One[sondeBody], error) {
	v, err := r.view(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	b := bodyOf(v.Sonde)
	for _, x := range v.Sights {
		b.Monitors = append(b.Monitors, sightBody{
			Monitor: x.Slug, State: string(x.Seen.State), At: moment(x.Seen.At), TookMS: x.Seen.Last.Took.Milliseconds(),
			Reason: string(x.Seen.Last.Reason), Counts: x.Counts,
		})
	}
	return &web.One[sondeBody]{Body: b}, nil
}

func (r *Room) apiRevoke(ctx context.Context, in *apiNameInput) (*web.One[sondeBody], error) {
	if err := r.Revoke(ctx, in.Name); err != nil {
		return nil, err
	}
	s, err := r.Get(ctx, in.Name)
	return &web.One[sondeBody]{Body: bodyOf(s)}, err
}
