package monitor

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// uptimeBody is an availability as the API speaks of it.
type uptimeBody struct {
	Days        int  `json:"days"`
	Available   *int `json:"available_hundredths,omitempty" doc:"Hundredths of a percent of the watched time, rounded down; absent when nobody looked"`
	Up          int  `json:"up_seconds"`
	Down        int  `json:"down_seconds"`
	Degraded    int  `json:"degraded_seconds" doc:"Part of up_seconds"`
	Maintenance int  `json:"maintenance_seconds" doc:"Announced; counts neither way"`
	Span        int  `json:"span_seconds" doc:"Time that could have been watched; the rest of it is unknown"`
}

type apiHistoryInput struct {
	Slug string `path:"slug"`
	web.Paging
	From time.Time `query:"from" doc:"Not before; the default is a day ago"`
	To   time.Time `query:"to" doc:"Before; the default is now"`
}

type apiFiguresInput struct {
	Slug string `path:"slug"`
	web.Paging
	From time.Time `query:"from" doc:"Not before; the default is a day ago"`
	To   time.Time `query:"to" doc:"Before; the default is now"`
	Step string    `query:"step" enum:"hour,day" default:"hour" doc:"Days are those of the town's time zone"`
}

type apiExportInput struct {
	Slug   string    `path:"slug" doc:"A monitor, or - for all of them"`
	What   string    `query:"what" enum:"results,hours,days" default:"results"`
	Format string    `query:"format" enum:"csv,json" default:"json"`
	From   time.Time `query:"from" doc:"Not before; the default is a day ago"`
	To     time.Time `query:"to" doc:"Before; the default is now"`
}

type keepBody struct {
	Results  int  `json:"results_days" doc:"How long single results are kept, 1 to 3660"`
	Figures  int  `json:"figures_days" doc:"How long figures of hours and days are kept; not shorter"`
	Declared bool `json:"declared" readOnly:"true" required:"false" doc:"Stands in tuermer.yaml and is changed there"`
}

type rebuiltBody struct {
	Hours int `json:"hours" doc:"So many hours were reckoned anew"`
}

// historyAPI hangs history into /api/v1.
func (r *Room) historyAPI(a *web.API) {
	const scope = "monitors"
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/monitors" + path, Summary: summary, Tags: []string{"monitors"}, DefaultStatus: 200}
	}
	web.Operation(a, op("list-monitor-results", http.MethodGet, "/{slug}/results", "List the results of a monitor, the oldest first"), scope, r.apiResults)
	web.Operation(a, op("list-monitor-figures", http.MethodGet, "/{slug}/figures", "List the figures of a monitor by hour or day, the oldest first"), scope, r.apiFigures)
	web.Operation(a, op("list-monitor-availability", http.MethodGet, "/{slug}/availability", "Show the availability of the last 1, 7, 30, 90 and 365 days"), scope, r.apiAvailability)
	web.Operation(a, op("rebuild-monitor-figures", http.MethodPost, "/{slug}/figures/rebuild", "Reckon the figures anew from the results that are kept"), scope, r.apiRebuild)
	web.Operation(a, op("export-monitor", http.MethodGet, "/{slug}/export", "Send results or figures of a monitor, or of all, as one file"), scope, r.apiExport)
	web.Operation(a, op("get-monitor-history", http.MethodGet, "/-/history", "Show how long history is kept"), scope, r.apiKeep)
	web.Operation(a, op("save-monitor-history", http.MethodPut, "/-/history", "Say how long history is kept"), scope, r.apiSaveKeep)
}

// errEnough ends a walk whose answer is full.
var errEnough = errors.New("monitor: enough")

// span fills in what the caller left open.
func (r *Room) span(from, to time.Time) (time.Time, time.Time, error) {
	if to.IsZero() {
		to = r.o.Clock.Now().Add(time.Millisecond)
	}
	if from.IsZero() {
		from = to.Add(-24 * hour)
	}
	return from, to, badSpan(from, to)
}

func (r *Room) apiResults(ctx context.Context, in *apiHistoryInput) (*web.List[resultBody], error) {
	m, err := r.Get(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	from, to, err := r.span(in.From, in.To)
	if err != nil {
		return nil, err
	}
	if ms, err := strconv.ParseInt(in.After, 10, 64); err == nil {
		from = time.UnixMilli(ms + 1)
	}
	tenant := ident.TenantOf(ctx)
	earliest, err := r.keptSince(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if from.Before(earliest) {
		from = earliest
	}
	recent, err := r.recent(ctx, tenant, in.Slug)
	if err != nil {
		return nil, err
	}
	items, next := []resultBody{}, ""
	err = r.walk(ctx, tenant, in.Slug, from, to, recent, func(s Sample) error {
		if len(items) == in.Limit {
			next = strconv.FormatInt(items[in.Limit-1].At.UnixMilli(), 10)
			return errEnough
		}
		items = append(items, resultOf(ctx, m.Spec, s.Result))
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return web.NewList(items, next), nil
}

func (r *Room) apiFigures(ctx context.Context, in *apiFiguresInput) (*web.List[exportedFigures], error) {
	m, err := r.Get(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	from, to, err := r.span(in.From, in.To)
	if err != nil {
		return nil, err
	}
	hours, err := r.hoursOf(ctx, ident.TenantOf(ctx), in.Slug, reach(m.Spec), hourOf(from), hourOf(to.Add(-time.Millisecond)))
	if err != nil {
		return nil, err
	}
	items, next, last := []exportedFigures{}, "", ""
	after, err := strconv.ParseInt(in.After, 10, 64)
	for _, p := range pointsOf(hours, in.Step == "day", i18n.Of(ctx).Zone) {
		if err == nil && p.From.Unix() <= after {
			continue
		}
		if len(items) == in.Limit {
			next = last
			break
		}
		items = append(items, figuresLine(m.Slug, p.From, p.Figures))
		last = strconv.FormatInt(p.From.Unix(), 10)
	}
	return web.NewList(items, next), nil
}

func (r *Room) apiAvailability(ctx context.Context, in *apiSlugInput) (*web.List[uptimeBody], error) {
	m, err := r.Get(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	all, err := r.Uptimes(ctx, m)
	if err != nil {
		return nil, err
	}
	items := make([]uptimeBody, len(all))
	for i, u := range all {
		s := func(d time.Duration) int { return int(d / time.Second) }
		items[i] = uptimeBody{Days: u.Days, Up: s(u.Up), Down: s(u.Down), Degraded: s(u.Degraded), Maintenance: s(u.Maintenance), Span: s(u.Span)}
		if u.Watched() > 0 {
			share := u.Share()
			items[i].Available = &share
		}
	}
	return web.NewList(items, ""), nil
}

func (r *Room) apiRebuild(ctx context.Context, in *apiSlugInput) (*web.One[rebuiltBody], error) {
	n, err := r.Rebuild(ctx, in.Slug)
	return &web.One[rebuiltBody]{Body: rebuiltBody{n}}, err
}

func (r *Room) apiExport(ctx context.Context, in *apiExportInput) (*huma.StreamResponse, error) {
	from, to, err := r.span(in.From, in.To)
	if err != nil {
		return nil, err
	}
	o := ExportOptions{Slug: in.Slug, What: ExportWhat(in.What), CSV: in.Format == "csv", From: from, To: to, Zone: i18n.Of(ctx).Zone}
	if o.Slug == "-" {
		o.Slug = ""
	} else if _, err := r.Get(ctx, o.Slug); err != nil {
		return nil, err // while it can still be answered
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		h.SetHeader("Content-Type", exportType(o.CSV))
		h.SetHeader("Content-Disposition", `attachment; filename="`+exportName(o, r.o.Clock.Now())+`"`)
		if err := r.Export(h.Context(), h.BodyWriter(), o); err != nil {
			r.o.Log.WarnContext(ctx, "an export broke off", "room", "monitor", "err", err)
			panic(http.ErrAbortHandler) // half a file must not look like a whole one
		}
	}}, nil
}

func (r *Room) apiKeep(ctx context.Context, _ *struct{}) (*web.One[keepBody], error) {
	k, declared, err := r.Keeping(ctx)
	return &web.One[keepBody]{Body: keepBody{k.Results, k.Figures, declared}}, err
}

func (r *Room) apiSaveKeep(ctx context.Context, in *web.One[keepBody]) (*web.One[keepBody], error) {
	if err := r.SetKeeping(ctx, Keep{Results: in.Body.Results, Figures: in.Body.Figures}); err != nil {
		return nil, err
	}
	return r.apiKeep(ctx, nil)
}
