package audit

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// Routes adds this room's pages.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /audit", web.Staff(r.page))
	s.Handle("POST /audit/verify", web.Staff(r.postVerify))
}

// API adds this room's operations.
func (r *Room) API(a *web.API) {
	web.Operation(a, huma.Operation{
		Method: http.MethodGet, Path: "/api/v1/audit", OperationID: "list-audit", Tags: []string{"audit"},
		Summary: "List what was done, newest first",
	}, "admin", r.apiList)
	web.Operation(a, huma.Operation{
		Method: http.MethodGet, Path: "/api/v1/audit/verify", OperationID: "verify-audit", Tags: []string{"audit"},
		Summary: "Walk the hash chain and tell whether it holds",
	}, "admin", r.apiVerify)
}

// pageSize is how many lines stand on one page.
const pageSize = 50

// view is the audit page.
type view struct {
	Lines    []Line
	Query    Query
	Start    string
	Next     string
	Seq      int64
	Hash     string
	Verified bool    // the chain was walked for this page
	Broken   *Broken // and did not hold here
}

func (r *Room) view(ctx context.Context, q Query) (v view, err error) {
	q.Limit = pageSize + 1
	v.Query = q
	if v.Lines, err = r.Find(ctx, q); err != nil {
		return v, err
	}
	filter := url.Values{"subject": {q.Subject}, "room": {q.Room}}
	v.Start = "/audit?" + filter.Encode()
	if len(v.Lines) > pageSize {
		v.Lines = v.Lines[:pageSize]
		filter.Set("after", strconv.FormatInt(v.Lines[pageSize-1].Seq, 10))
		v.Next = "/audit?" + filter.Encode()
	}
	v.Seq, v.Hash, err = r.Head(ctx)
	return v, err
}

func (r *Room) page(w http.ResponseWriter, req *http.Request) error {
	in := req.URL.Query()
	q := Query{Subject: strings.TrimSpace(in.Get("subject")), Room: in.Get("room")}
	if after := in.Get("after"); after != "" {
		n, err := strconv.ParseInt(after, 10, 64)
		if err != nil {
			return fault.New(fault.NotFound, "web.not_found").With(err)
		}
		q.After = n
	}
	v, err := r.view(req.Context(), q)
	if err != nil {
		return err
	}
	return web.Render(w, req, auditPage(v))
}

func (r *Room) postVerify(w http.ResponseWriter, req *http.Request) error {
	err := r.Verify(req.Context())
	var broken *Broken
	if err != nil && !errors.As(err, &broken) {
		return err
	}
	v, err := r.view(req.Context(), Query{})
	if err != nil {
		return err
	}
	v.Verified, v.Broken = true, broken
	return web.Render(w, req, auditPage(v))
}

// say is the action in the reader's words. The words stand here for most rooms:
// an action and one of a room's own messages may share a name ("service.declared"
// is also why a form was refused).
func say(ctx context.Context, action string) string {
	for _, key := range []string{"audit.did." + action, action} {
		if i18n.Of(ctx).Catalog.Has(key) {
			return i18n.T(ctx, key)
		}
	}
	return action
}

// who is the actor in words.
func who(ctx context.Context, l Line) string {
	if l.Actor.Name != "" {
		return l.Actor.Name
	}
	return i18n.T(ctx, "audit.actor_"+string(l.Actor.Kind))
}

// detail is an entry's detail on one line.
func detail(ctx context.Context, l Line) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(l.Detail)) {
		if v := l.Detail[k]; v != "" {
			if key := "audit.key." + k; i18n.Of(ctx).Catalog.Has(key) {
				k = i18n.T(ctx, key)
			}
			parts = append(parts, k+": "+v)
		}
	}
	return strings.Join(parts, " · ")
}

// LineBody is a line in the API.
type LineBody struct {
	Seq     int64             `json:"seq"`
	At      time.Time         `json:"at"`
	Kind    string            `json:"actor_kind"`
	Person  string            `json:"actor_person,omitempty"`
	Name    string            `json:"actor_name,omitempty"`
	Action  string            `json:"action"`
	Subject string            `json:"subject,omitempty"`
	Detail  map[string]string `json:"detail,omitempty"`
	Hash    string            `json:"hash"`
}

type listIn struct {
	web.Paging
	Subject string `query:"subject"`
	Room    string `query:"room"`
}

func (r *Room) apiList(ctx context.Context, in *listIn) (*web.List[LineBody], error) {
	q := Query{Subject: in.Subject, Room: in.Room, Limit: min(in.Limit, 499) + 1}
	if in.After != "" {
		n, err := strconv.ParseInt(in.After, 10, 64)
		if err != nil {
			return nil, fault.New(fault.Invalid, "audit.bad_after").With(err)
		}
		q.After = n
	}
	lines, err := r.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	next := ""
	if len(lines) == q.Limit {
		lines = lines[:q.Limit-1]
		next = strconv.FormatInt(lines[len(lines)-1].Seq, 10)
	}
	items := make([]LineBody, len(lines))
	for i, l := range lines {
		items[i] = LineBody{
			Seq: l.Seq, At: l.At, Kind: string(l.Actor.Kind), Person: l.Actor.Person, Name: l.Actor.Name,
			Action: l.Action, Subject: l.Subject, Detail: l.Detail, Hash: l.Hash,
		}
	}
	return web.NewList(items, next), nil
}

// VerifyBody is the result of a walk along the chain.
type VerifyBody struct {
	OK     bool   `json:"ok"`
	Seq    int64  `json:"seq" doc:"Newest line, or the first that does not hold"`
	Reason string `json:"reason,omitempty" enum:"changed,missing,head"`
	Hash   string `json:"hash,omitempty" doc:"Of the newest line; note it elsewhere"`
}

func (r *Room) apiVerify(ctx context.Context, _ *struct{}) (*web.One[VerifyBody], error) {
	err := r.Verify(ctx)
	if broken, ok := errors.AsType[*Broken](err); ok {
		return &web.One[VerifyBody]{Body: VerifyBody{Seq: broken.Seq, Reason: broken.Reason}}, nil
	}
	if err != nil {
		return nil, err
	}
	seq, hash, err := r.Head(ctx)
	return &web.One[VerifyBody]{Body: VerifyBody{OK: true, Seq: seq, Hash: hash}}, err
}
