package deletion

import (
	"context"
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/retain"
	"tuermer/internal/platform/web"
)

// Routes hangs the room's pages into the console.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /deletion", web.Staff(r.page))
	s.Handle("GET /deletion/records.csv", web.Staff(r.pageCSV))
	s.Handle("GET /deletion/runs/{day}", web.Staff(r.pageRun))
	s.Handle("POST /deletion/holds", web.Staff(r.postHold))
	s.Handle("POST /deletion/holds/{id}/lift", web.Staff(r.postLift))
}

// Term is one line of the list of periods: a rule with its tables.
type Term struct {
	Rule   string
	Act    retain.Act
	For    time.Duration
	Tables []string
}

// Terms are the periods of all rules, a line for each.
func (r *Room) Terms() (out []Term) {
	for _, x := range r.rules() {
		if n := len(out); n > 0 && out[n-1].Rule == x.Name {
			out[n-1].Tables = append(out[n-1].Tables, x.Table)
			continue
		}
		out = append(out, Term{x.Name, x.Act, x.For, []string{x.Table}})
	}
	return out
}

// Staying are the tables without a period by their reason.
type Staying struct {
	Reason retain.Reason
	Tables []string
}

// Staying lists the tables without a period, by reason.
func (r *Room) Staying() (out []Staying) {
	by := map[retain.Reason][]string{}
	for _, x := range r.o.Rules() {
		if x.Act == retain.Stay {
			by[x.Reason] = append(by[x.Reason], x.Table)
		}
	}
	for _, reason := range retain.Reasons() {
		if t := by[reason]; len(t) > 0 {
			slices.Sort(t)
			out = append(out, Staying{reason, t})
		}
	}
	return out
}

type listView struct {
	Terms   []Term
	Staying []Staying
	Runs    []Run
	Holds   []Hold
	Open    int // times of open incidents
	Form    *web.Form
}

// shownRuns is how many nights the page shows.
const shownRuns = 31

func (r *Room) page(w http.ResponseWriter, req *http.Request) error {
	return r.show(w, req, http.StatusOK, web.NewForm(nil))
}

func (r *Room) show(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	ctx := req.Context()
	v := listView{Terms: r.Terms(), Staying: r.Staying(), Form: f}
	var err error
	if v.Runs, err = r.Runs(ctx, "", shownRuns); err != nil {
		return err
	}
	if v.Holds, err = r.Holds(ctx); err != nil {
		return err
	}
	open, err := r.o.Open(ctx)
	if err != nil {
		return err
	}
	v.Open = len(open)
	return web.RenderStatus(w, req, status, listPage(v))
}

type runView struct {
	Day   string
	Lines []Line
}

func (r *Room) pageRun(w http.ResponseWriter, req *http.Request) error {
	day := req.PathValue("day")
	lines, err := r.Lines(req.Context(), day)
	if err != nil {
		return err
	}
	return web.Render(w, req, runPage(runView{day, lines}))
}

func (r *Room) postHold(w http.ResponseWriter, req *http.Request) error {
	if err := may(req.Context()); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if _, err := r.Hold(req.Context(), Hold{From: f.Get("from"), To: f.Get("to"), Reason: f.Get("reason")}); err != nil {
		if !f.Take(err) {
			return err
		}
		return r.show(w, req, http.StatusUnprocessableEntity, f)
	}
	return web.SeeOther(w, req, "/deletion")
}

func (r *Room) postLift(w http.ResponseWriter, req *http.Request) error {
	if err := r.Lift(req.Context(), req.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/deletion")
}

// exportPage is how many records are read at a time for an export.
const exportPage = 1000

// pageCSV is the whole proof as one file.
func (r *Room) pageCSV(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	records, err := r.Records(ctx, "", exportPage)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="loeschnachweis.csv"`)
	out := csv.NewWriter(w)
	out.Comma = ';'
	_ = out.Write([]string{"id", "day", "at", "rule", "table", "act", "days", "older_than", "rows", "held", "overdue"}) // the reader may be gone
	for len(records) > 0 {
		for _, x := range records {
			_ = out.Write([]string{
				x.ID, x.Day, x.At.Format(time.RFC3339), x.Rule, x.Table, string(x.Act), strconv.Itoa(x.Days), x.Limit.Format(time.RFC3339),
				strconv.FormatInt(x.Gone, 10), strconv.FormatInt(x.Held, 10), strconv.FormatInt(x.Overdue, 10),
			})
		}
		if len(records) < exportPage {
			break
		}
		if records, err = r.Records(ctx, records[len(records)-1].ID, exportPage); err != nil {
			return err
		}
	}
	out.Flush()
	return nil
}

// ruleName is a rule in words.
func ruleName(ctx context.Context, rule string) string {
	if key := "deletion.rule_" + rule; i18n.Of(ctx).Catalog.Has(key) {
		return i18n.T(ctx, key)
	}
	return rule
}

// termWords are a period in words.
func termWords(ctx context.Context, d time.Duration) string {
	return i18n.N(ctx, "deletion.days", int((d+retain.Day-1)/retain.Day))
}

func joined(tables []string) string { return strings.Join(tables, ", ") }

// dayWords show a civil day.
func dayWords(ctx context.Context, day string) string {
	t, err := time.ParseInLocation(time.DateOnly, day, i18n.Of(ctx).Zone)
	if err != nil {
		return day
	}
	return i18n.Of(ctx).Date(t.Add(12 * time.Hour))
}

// holdWords are the time of a hold in words.
func holdWords(ctx context.Context, h Hold) string {
	if h.To == "" {
		return i18n.T(ctx, "deletion.hold_from", dayWords(ctx, h.From))
	}
	return i18n.T(ctx, "deletion.hold_span", dayWords(ctx, h.From), dayWords(ctx, h.To))
}

func runState(x Run) web.State {
	switch {
	case x.Ended.IsZero():
		return web.Unknown
	case x.Overdue > 0:
		return web.Degraded
	default:
		return web.OK
	}
}

func runWords(ctx context.Context, x Run) string {
	switch {
	case x.Ended.IsZero():
		return i18n.T(ctx, "deletion.at_work")
	case x.Overdue > 0:
		return i18n.N(ctx, "deletion.overdue", int(x.Overdue))
	default:
		return i18n.T(ctx, "deletion.ended", i18n.Clock(ctx, x.Ended))
	}
}
