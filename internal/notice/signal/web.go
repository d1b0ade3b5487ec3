package signal

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/web"
)

// pageSize is how many signals one page lists.
const pageSize = 50

// Routes hangs the list of signals into the console.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /signal", web.Staff(r.pageList))
}

// listing is what the page of signals shows.
type listing struct {
	Signals []Signal
	Firing  int
	After   ID
	Next    string
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	f := Filter{Service: req.FormValue("service"), Key: req.FormValue("key"), After: ID(req.FormValue("after")), Limit: pageSize + 1}
	firing, err := r.FiringCount(ctx)
	if err != nil {
		return err
	}
	l := listing{Firing: firing, After: f.After}
	if l.Signals, err = r.List(ctx, f); err != nil {
		return err
	}
	if len(l.Signals) > pageSize {
		l.Signals = l.Signals[:pageSize]
		q := url.Values{"after": {string(l.Signals[pageSize-1].ID)}}
		for _, p := range [][2]string{{"service", f.Service}, {"key", f.Key}} {
			if p[1] != "" {
				q.Set(p[0], p[1])
			}
		}
		l.Next = "/signal?" + q.Encode()
	}
	return web.Render(w, req, listPage(l))
}

// sourceURL is the page of what noticed it; empty when it has none. Monitors
// and sondes name themselves in the key.
func (s Signal) sourceURL() string {
	if slug, ok := strings.CutPrefix(s.Key, "monitor:"); ok && s.Source == Monitor {
		return "/monitor/" + url.PathEscape(slug)
	}
	if name, ok := strings.CutPrefix(s.Key, "sonde:"); ok && s.Source == Monitor {
		return "/sonde/" + url.PathEscape(name)
	}
	return ""
}

// mark is the shape of the signal's state.
func (s Signal) mark() web.State {
	switch {
	case s.State == Resolved:
		return web.OK
	case s.Severity.WorseThan(Warning):
		return web.Down
	default:
		return web.Degraded
	}
}

// signalBody is a signal as the API speaks of it.
type signalBody struct {
	ID       string    `json:"id"`
	Source   string    `json:"source" doc:"monitor, intake, citizen, listen or person"`
	Key      string    `json:"key" doc:"What it is about, stable over repeats"`
	Episode  string    `json:"episode" doc:"This occurrence; a recovery names the same one"`
	State    string    `json:"state" doc:"firing or resolved"`
	Service  string    `json:"service,omitempty" doc:"Slug"`
	Severity string    `json:"severity" doc:"info, warning or critical"`
	Title    string    `json:"title"`
	Detail   string    `json:"detail,omitempty"`
	Since    time.Time `json:"since"`
	At       time.Time `json:"at" doc:"When it was recorded"`
}

type apiListInput struct {
	web.Paging
	Service string    `query:"service" doc:"Slug of a service"`
	Key     string    `query:"key"`
	From    time.Time `query:"from" doc:"Recorded at or after this moment"`
	Until   time.Time `query:"until" doc:"Recorded before this moment"`
}

// API hangs the list of signals into /api/v1.
func (r *Room) API(a *web.API) {
	web.Operation(a, huma.Operation{
		OperationID: "list-signals", Method: http.MethodGet, Path: "/api/v1/signals",
		Summary: "List what was noticed, newest first", Tags: []string{"signals"},
	}, "alerts", r.apiList)
}

func (r *Room) apiList(ctx context.Context, in *apiListInput) (*web.List[signalBody], error) {
	limit := min(in.Limit, 999) // the store gives 1000 at most, and one more tells whether more follow
	ss, err := r.List(ctx, Filter{Service: in.Service, Key: in.Key, From: in.From, Until: in.Until, After: ID(in.After), Limit: limit + 1})
	if err != nil {
		return nil, err
	}
	next := ""
	if len(ss) > limit {
		ss = ss[:limit]
		next = string(ss[limit-1].ID)
	}
	items := make([]signalBody, len(ss))
	for i, s := range ss {
		items[i] = signalBody{
			ID: string(s.ID), Source: string(s.Source), Key: s.Key, Episode: s.Episode, State: string(s.State), Service: s.Service,
			Severity: string(s.Severity), Title: s.Title, Detail: s.Detail, Since: s.Since, At: s.At,
		}
	}
	return web.NewList(items, next), nil
}
