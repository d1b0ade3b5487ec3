package monitor

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// historyRoutes are the pages about history; "-" is no slug, so they take no
// monitor's address.
func (r *Room) historyRoutes(s *web.Site) {
	s.Handle("GET /monitor/-/history", web.Staff(r.pageHistory))
	s.Handle("POST /monitor/-/history", web.Staff(r.postHistory))
	s.Handle("GET /monitor/-/export", web.Staff(r.getExport))
	s.Handle("GET /monitor/{slug}/export", web.Staff(r.getExport))
}

// readRange is the range of an address, the day when it names none.
func readRange(s string) Range {
	if rg := Range(s); slices.Contains(Ranges(), rg) {
		return rg
	}
	return RangeDay
}

// history fills what the page of one monitor shows of its past.
func (v *view) history(ctx context.Context, r *Room, rg Range) error {
	v.Range = rg
	recent, err := r.recent(ctx, ident.TenantOf(ctx), v.Slug)
	if err != nil {
		return err
	}
	if v.Uptimes, err = r.uptimes(ctx, v.Monitor, recent); err != nil {
		return err
	}
	v.Points, err = r.series(ctx, v.Monitor, rg, i18n.Of(ctx).Zone, recent)
	return err
}

func (r *Room) historyView(ctx context.Context) (historyView, error) {
	k, declared, err := r.Keeping(ctx)
	v := historyView{Keep: k, Declared: declared, MayChange: mayChange(ctx) == nil}
	v.Form = web.NewForm(map[string]string{"results": strconv.Itoa(k.Results), "figures": strconv.Itoa(k.Figures)})
	return v, err
}

func (r *Room) pageHistory(w http.ResponseWriter, req *http.Request) error {
	v, err := r.historyView(req.Context())
	if err != nil {
		return err
	}
	v.Said = req.FormValue("said") == "saved"
	return web.Render(w, req, historyPage(v))
}

func (r *Room) postHistory(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	// What is no number is no number of days either.
	results, _ := strconv.Atoi(strings.TrimSpace(f.Get("results")))
	figures, _ := strconv.Atoi(strings.TrimSpace(f.Get("figures")))
	err = r.SetKeeping(ctx, Keep{Results: results, Figures: figures})
	if err == nil {
		return web.SeeOther(w, req, "/monitor/-/history?said=saved")
	}
	if !f.Take(err) {
		return err
	}
	v, err := r.historyView(ctx)
	if err != nil {
		return err
	}
	v.Form = f
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, historyPage(v))
}

// rangeSpan is how long a range looks back.
func rangeSpan(rg Range) time.Duration {
	switch rg {
	case RangeWeek:
		return 7 * 24 * hour
	case RangeMonth:
		return 30 * 24 * hour
	case RangeYear:
		return 366 * 24 * hour
	}
	return 24 * hour
}

// getExport sends a file. What fails before its first byte is answered as an
// error; later the connection breaks off, so that nobody takes half for all.
func (r *Room) getExport(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	now := r.o.Clock.Now()
	o := ExportOptions{
		Slug: req.PathValue("slug"), What: ExportWhat(req.FormValue("what")), CSV: req.FormValue("format") != "json",
		From: now.Add(-rangeSpan(readRange(req.FormValue("range")))), To: now.Add(hour), Zone: i18n.Of(ctx).Zone,
	}
	out := &fileWriter{head: func() {
		h := w.Header()
		h.Set("Content-Type", exportType(o.CSV))
		h.Set("Content-Disposition", `attachment; filename="`+exportName(o, now)+`"`)
	}, w: w}
	err := r.Export(ctx, out, o)
	if err != nil && out.begun {
		r.o.Log.WarnContext(ctx, "an export broke off", "room", "monitor", "err", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

func exportType(asCSV bool) string {
	if asCSV {
		return "text/csv; charset=utf-8"
	}
	return "application/json"
}

// exportName names a file by what is in it.
func exportName(o ExportOptions, now time.Time) string {
	slug, ending := o.Slug, "json"
	if slug == "" {
		slug = "alle"
	}
	if o.CSV {
		ending = "csv"
	}
	return slug + "-" + string(o.What) + "-" + now.In(o.Zone).Format("2006-01-02") + "." + ending
}

// fileWriter sets the headers with the first bytes.
type fileWriter struct {
	head  func()
	w     io.Writer
	begun bool
}

func (f *fileWriter) Write(b []byte) (int, error) {
	if !f.begun {
		f.begun = true
		f.head()
	}
	return f.w.Write(b)
}

func badSpan(from, to time.Time) error {
	if !to.After(from) {
		return fault.New(fault.Invalid, "monitor.export_invalid").Field("to", "monitor.export_span")
	}
	return nil
}
