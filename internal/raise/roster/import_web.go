package roster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

func (r *Room) importRoutes(s *web.Site) {
	s.Handle("GET /roster/{slug}/import", web.Staff(r.pageImport))
	s.Handle("POST /roster/{slug}/import", web.Staff(r.postImport))
	s.Handle("POST /roster/{slug}/imports/{id}/undo", web.Staff(func(w http.ResponseWriter, req *http.Request) error {
		if err := r.UndoImport(req.Context(), req.PathValue("slug"), req.PathValue("id")); err != nil {
			return err
		}
		return web.SeeOther(w, req, "/roster/"+req.PathValue("slug")+"/history")
	}))
}

// importView is the page of an import: the form, or what would become of a calendar.
type importView struct {
	Roster  Roster
	Form    *web.Form
	Lines   []web.Option
	Harvest *Harvest // nil: the form
	Text    string   // the calendar, for the second step
	names   crew
}

func (r *Room) showImport(w http.ResponseWriter, req *http.Request, status int, v importView) error {
	for i := range v.Roster.Plan.Lines {
		v.Lines = append(v.Lines, web.Option{Value: strconv.Itoa(i + 1), Text: i18n.T(req.Context(), "roster.line", i+1)})
	}
	var err error
	if v.names, err = r.crew(req.Context()); err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, importPage(v))
}

func (r *Room) pageImport(w http.ResponseWriter, req *http.Request) error {
	ro, err := r.mayImport(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	return r.showImport(w, req, http.StatusOK, importView{Roster: ro, Form: web.NewForm(map[string]string{"line": "1"})})
}

// postImport is both steps: the calendar is looked at and comes back with the page,
// and the same text is sent again to be taken, with the digest of what was seen.
func (r *Room) postImport(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	ro, err := r.mayImport(ctx, req.PathValue("slug"))
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	v := importView{Roster: ro, Form: f}
	raw := []byte(f.Values.Get("text"))
	if file, _, err := req.FormFile("file"); err == nil {
		got, err := io.ReadAll(io.LimitReader(file, MaxCalendar+1))
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("roster: import: %w", err)
		}
		if len(got) > 0 {
			raw = got
		}
	}
	n, err := strconv.Atoi(f.Get("line"))
	line := max(n, 1) - 1
	if err != nil {
		line = 0 // a roster of one line does not ask
	}
	var h Harvest
	if seen := f.Get("seen"); seen != "" {
		h, err = r.Take(ctx, ro.Slug, raw, line, seen)
		if err == nil {
			return web.SeeOther(w, req, "/roster/"+ro.Slug+"/history")
		}
	} else {
		h, err = r.Preview(ctx, ro.Slug, raw, line)
	}
	status := http.StatusOK
	if err != nil {
		if !f.Take(err) {
			return err
		}
		status = http.StatusUnprocessableEntity
		if h.Digest == "" {
			return r.showImport(w, req, status, v)
		}
	}
	text, err := calendarText(raw)
	if err != nil {
		return err // it was read a moment ago
	}
	v.Harvest, v.Text = &h, text
	return r.showImport(w, req, status, v)
}

// importSay sums a harvest up.
func importSay(ctx context.Context, h *Harvest) string {
	if h == nil {
		return i18n.T(ctx, "roster.import_say")
	}
	out := []string{i18n.N(ctx, "roster.import_sum", h.Changes())}
	if n := h.Count(ImportSame); n > 0 {
		out = append(out, i18n.N(ctx, "roster.import_sum_same", n))
	}
	if n := h.Count(ImportNot); n > 0 {
		out = append(out, i18n.N(ctx, "roster.import_sum_not", n))
	}
	if h.Past > 0 {
		out = append(out, i18n.N(ctx, "roster.import_sum_past", h.Past))
	}
	if h.Later > 0 {
		out = append(out, i18n.T(ctx, "roster.import_sum_later"))
	}
	return strings.Join(out, " ")
}

// importWhen is the time of a row in words; an entry that has none says so by its
// reason.
func importWhen(l i18n.Locale, x ImportRow) string {
	if !x.From.Before(x.To) {
		if x.From.IsZero() {
			return "–"
		}
		return l.Stand(x.From)
	}
	return span(l, x.From, x.To)
}

// importRemarks say what is to be known of a row.
func importRemarks(ctx context.Context, names crew, lines int, x ImportRow) (out []string) {
	say := func(key string, args ...any) { out = append(out, i18n.T(ctx, key, args...)) }
	if x.Why != "" {
		say("roster.import_why_" + string(x.Why))
	}
	if x.lays() || x.Outcome == ImportSame {
		if x.By != "" {
			say("roster.import_by_" + string(x.By))
		}
		if lines > 1 {
			say("roster.line", x.Line+1)
		}
	}
	if x.lays() {
		var who []string
		for _, mail := range x.Before {
			if mail == "" {
				who = append(who, i18n.T(ctx, "roster.gap"))
			} else {
				who = append(who, names.name(mail))
			}
		}
		if len(who) == 0 {
			say("roster.import_extra")
		} else {
			say("roster.import_before", strings.Join(who, ", "))
		}
	}
	if x.Overlaps && x.Outcome != ImportNot {
		say("roster.import_overlaps")
	}
	return out
}

func importMark(o ImportOutcome) web.State {
	switch o {
	case ImportTake, ImportMove:
		return web.OK
	case ImportBack:
		return web.Pending
	case ImportNot:
		return web.Degraded
	}
	return web.Unknown
}

// importedWords say what an import did.
func importedWords(ctx context.Context, x Import) string {
	return i18n.T(ctx, "roster.import_did", x.Taken, x.Moved, x.Back)
}

// ---- API ----

// RosterImportBody is an import, for programs.
type RosterImportBody struct {
	ID       string                `json:"id,omitempty" doc:"Left out: nothing was new, or it was a trial"`
	At       *time.Time            `json:"at,omitempty"`
	By       string                `json:"by,omitempty"`
	Taken    int                   `json:"taken"`
	Moved    int                   `json:"moved" doc:"Taken in place of what an earlier import laid"`
	Back     int                   `json:"back" doc:"Taken back, since the calendar cancelled it"`
	Left     int                   `json:"left,omitempty" doc:"Overrides of it that hold and are not over"`
	UndoneAt *time.Time            `json:"undone_at,omitempty"`
	Same     int                   `json:"same,omitempty"`
	Not      int                   `json:"not,omitempty" doc:"Left out"`
	Past     int                   `json:"past,omitempty" doc:"Over, and so not listed"`
	Digest   string                `json:"digest,omitempty" doc:"Of what a trial said; sent back as seen nothing else is taken"`
	Entries  []RosterImportedEntry `json:"entries,omitempty" nullable:"true"`
}

// RosterImportedEntry is what becomes of an entry of a calendar.
type RosterImportedEntry struct {
	Title   string     `json:"title"`
	From    *time.Time `json:"from,omitempty"`
	To      *time.Time `json:"to,omitempty"`
	Line    int        `json:"line" doc:"Line of duty, from 1"`
	Person  string     `json:"person,omitempty"`
	Outcome string     `json:"outcome" doc:"take, move, back, same or not"`
	Why     string     `json:"why,omitempty" doc:"Why it is left out or taken back"`
	By      string     `json:"known_by,omitempty" doc:"By what the person was known: guest, title or host"`
	Before  []string   `json:"before,omitempty" nullable:"true" doc:"Who is on duty then up to now; an empty one is a gap"`
}

func harvestBody(h Harvest) RosterImportBody {
	b := RosterImportBody{
		ID: h.ID, Taken: h.Count(ImportTake), Moved: h.Count(ImportMove), Back: h.Count(ImportBack), Same: h.Count(ImportSame), Not: h.Count(ImportNot), Past: h.Past, Digest: h.Digest,
		Entries: []RosterImportedEntry{},
	}
	for _, x := range h.Rows {
		e := RosterImportedEntry{Title: x.Entry.Title, Line: x.Line + 1, Person: x.Person, Outcome: string(x.Outcome), Why: string(x.Why), By: string(x.By), Before: x.Before}
		if !x.From.IsZero() {
			e.From, e.To = &x.From, &x.To
		}
		b.Entries = append(b.Entries, e)
	}
	return b
}

type importInput struct {
	BySlug
	Body struct {
		Calendar string `json:"calendar" required:"false" doc:"The calendar as text (iCalendar, RFC 5545), at most 512 KiB"`
		Line     int    `json:"line,omitempty" doc:"Line of duty of entries that say none, from 1; left out: 1"`
		DryRun   bool   `json:"dry_run,omitempty" doc:"Only say what would become of it"`
		Seen     string `json:"seen,omitempty" doc:"Digest of the trial; is it another by now, nothing is taken"`
	}
}

func (r *Room) apiImports(a *web.API, op func(id, method, path, summary string) huma.Operation) {
	const scope = "people"
	undo := op("undo-roster-import", http.MethodDelete, "/rosters/{slug}/imports/{id}", "Take an import back, as far as it is not over")
	undo.DefaultStatus = http.StatusNoContent
	web.Operation(a, op("list-roster-imports", http.MethodGet, "/rosters/{slug}/imports", "The newest imports of calendars"), scope, func(ctx context.Context, in *BySlug) (*web.List[RosterImportBody], error) {
		if _, err := r.mayImport(ctx, in.Slug); err != nil {
			return nil, err
		}
		all, err := r.Imports(ctx, in.Slug)
		return web.NewList(each(all, func(x Import) RosterImportBody {
			b := RosterImportBody{ID: x.ID, At: &x.At, By: x.By, Taken: x.Taken, Moved: x.Moved, Back: x.Back, Left: x.Left}
			if !x.UndoneAt.IsZero() {
				b.UndoneAt = &x.UndoneAt
			}
			return b
		}), ""), err
	})
	web.Operation(a, op("import-roster", http.MethodPost, "/rosters/{slug}/imports", "Take a calendar into a roster as overrides"), scope, func(ctx context.Context, in *importInput) (*web.One[RosterImportBody], error) {
		var h Harvest
		var err error
		if line := max(in.Body.Line, 1) - 1; in.Body.DryRun {
			h, err = r.Preview(ctx, in.Slug, []byte(in.Body.Calendar), line)
		} else {
			h, err = r.Take(ctx, in.Slug, []byte(in.Body.Calendar), line, in.Body.Seen)
		}
		if err != nil {
			return nil, err
		}
		return &web.One[RosterImportBody]{Body: harvestBody(h)}, nil
	})
	web.Operation(a, undo, scope, func(ctx context.Context, in *struct {
		BySlug
		ID string `path:"id"`
	},
	) (*struct{}, error) {
		return nil, r.UndoImport(ctx, in.Slug, in.ID)
	})
}

// ImportReport writes a harvest for a terminal.
func ImportReport(l i18n.Locale, h Harvest) string {
	ctx := i18n.With(context.Background(), l)
	var b strings.Builder
	for _, x := range h.Rows {
		who := x.Name
		if who == "" {
			who = x.Entry.Title
		}
		fmt.Fprintf(&b, "%s: %s – %s\n", importWhen(l, x), who, i18n.T(ctx, "roster.import_"+string(x.Outcome)))
		for _, s := range importRemarks(ctx, nil, len(h.Roster.Plan.Lines), x) {
			b.WriteString("    " + s + "\n")
		}
	}
	b.WriteString(importSay(ctx, &h) + "\n")
	return b.String()
}
