package template

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// Routes adds the library's pages.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /template", web.Staff(r.pageList))
	s.Handle("GET /template/new", web.Staff(r.pageNew))
	s.Handle("POST /template/new", web.Staff(r.postEdit))
	s.Handle("GET /template/export", web.Staff(r.getExport))
	s.Handle("GET /template/import", web.Staff(r.pageImport))
	s.Handle("POST "+importPath, web.Staff(r.postImport))
	s.Handle("GET /template/{id}", web.Staff(r.pageOne))
	s.Handle("POST /template/{id}", web.Staff(r.postOne))
	s.Handle("GET /template/{id}/edit", web.Staff(r.pageEdit))
	s.Handle("POST /template/{id}/edit", web.Staff(r.postEdit))
}

const importPath = "/template/import"

// LargeBodies are the addresses of this room that take a whole library.
func LargeBodies() map[string]int64 {
	return map[string]int64{importPath: MaxExchange + 1<<20, "/api/v1/templates/import": MaxExchange}
}

func href(id string) string { return "/template/" + url.PathEscape(id) }

// Perhaps a hundred rows are still read on one page; the phone scrolls.
const perPage = 60

// listView is the library: the matrix when nothing is chosen, else a list.
type listView struct {
	Form   *web.Form
	Filter Filter
	All    []Record
	Found  []Record // of this page
	Total  int      // found on all pages
	From   int
	Prev   string
	Next   string
	Drafts []Record
	Infos  []ScenarioInfo
	Others []Scenario // the town's own
	Write  bool
	Gaps   []string
}

// chosen reports whether anything narrows the list.
func (v listView) chosen() bool { return v.Filter != (Filter{}) }

func filterOf(q url.Values) Filter {
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return Filter{
		Phase: get("phase"), Kind: Kind(get("kind")), Audience: AudienceKind(get("audience")), Format: Format(get("channel")),
		Language: Language(get("language")), Scenario: Scenario(get("scenario")), Review: Review(get("review")),
		Own: get("own") != "", Never: get("never") != "", Query: get("q"),
	}
}

// query is the filter as an address's query.
func (f Filter) query() url.Values {
	q := url.Values{}
	for name, v := range map[string]string{
		"phase": f.Phase, "kind": string(f.Kind), "audience": string(f.Audience), "channel": string(f.Format), "language": string(f.Language),
		"scenario": string(f.Scenario), "review": string(f.Review), "q": f.Query,
	} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if f.Own {
		q.Set("own", "on")
	}
	if f.Never {
		q.Set("never", "on")
	}
	return q
}

func listHref(f Filter, page int) string {
	q := f.query()
	if page > 1 {
		q.Set("page", fmt.Sprint(page))
	}
	if len(q) == 0 {
		return "/template"
	}
	return "/template?" + q.Encode()
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	all, err := r.records(ctx)
	if err != nil {
		return err
	}
	lib, err := r.Library(ctx)
	if err != nil {
		return err
	}
	v := listView{Form: &web.Form{Values: req.URL.Query(), Errors: map[string]string{}}, Filter: filterOf(req.URL.Query()), All: all, Infos: lib.Scenarios(), Write: mayWrite(ctx) == nil, Gaps: lib.Gaps()}
	for _, x := range all {
		if x.Draft {
			v.Drafts = append(v.Drafts, x)
		}
		known := x.Scenario == "" || x.Scenario == Attack || slices.ContainsFunc(v.Infos, func(i ScenarioInfo) bool { return i.Scenario == x.Scenario })
		if !known && !slices.Contains(v.Others, x.Scenario) {
			v.Others = append(v.Others, x.Scenario)
		}
		if v.Filter.takes(x) {
			v.Found = append(v.Found, x)
		}
	}
	v.Total = len(v.Found)
	page := 1
	if n, err := fmt.Sscan(req.URL.Query().Get("page"), &page); n != 1 || err != nil || page < 1 {
		page = 1
	}
	page = min(page, max(1, (v.Total+perPage-1)/perPage))
	v.From = (page - 1) * perPage
	end := min(v.From+perPage, v.Total)
	if page > 1 {
		v.Prev = listHref(v.Filter, page-1)
	}
	if end < v.Total {
		v.Next = listHref(v.Filter, page+1)
	}
	v.Found = v.Found[v.From:end]
	return web.Render(w, req, listPage(v))
}

// oneView is the page of one text.
type oneView struct {
	Record
	Scenario string // its title
	Sample   Text
	Check    Assessment
	Draft    *Version
	DraftAs  Text
	Versions []Version
	Form     *web.Form
	// What the actor may do.
	MayWrite, MayApprove, MayRelease, MayRetire, OwnDraft bool
}

// example renders e for reading; a text that cannot be rendered is shown as it
// is written.
func (r *Room) example(ctx context.Context, e Entry) Text {
	loc := time.UTC
	if l := i18n.Of(ctx); l.Zone != nil {
		loc = l.Zone
	}
	t, err := Sample(e, clock.Cut(r.o.Clock.Now()), loc)
	if err != nil {
		r.o.Log.WarnContext(ctx, "a prepared text has no example", "text", e.ID, "err", err)
		return Text{Entry: e.ID, Format: e.Format, Language: e.Language, Subject: e.Subject, Title: e.Title, Body: e.Body, Instruction: e.Instruction}
	}
	return t
}

func (r *Room) view(ctx context.Context, id string, f *web.Form) (oneView, error) {
	rec, err := r.Record(ctx, id)
	if err != nil {
		return oneView{}, err
	}
	lib, err := r.Library(ctx)
	if err != nil {
		return oneView{}, err
	}
	v := oneView{Record: rec, Form: f, Scenario: lib.scenarioTitle(ctx, rec.Scenario), Sample: r.example(ctx, rec.Entry), MayWrite: mayWrite(ctx) == nil}
	v.Check = Assess(v.Sample.Body, rec.Language, Situation{Kind: rec.Kind, Audience: rec.Audience})
	if v.Versions, err = r.Versions(ctx, id); err != nil {
		return v, err
	}
	me, second := ident.ActorOf(ctx).Person, mayRelease(ctx) == nil
	for _, d := range v.Versions {
		if d.State == OwnDraft {
			v.Draft, v.DraftAs = &d, r.example(ctx, d.Entry)
			v.MayApprove = mayApprove(d, me, second) == nil
			v.OwnDraft = d.Author == me
		}
	}
	_, inUse := lib.Get(id)
	v.MayRelease = second && !rec.Own && inUse && rec.Release == nil
	v.MayRetire = v.MayWrite && rec.Own
	return v, nil
}

// scenarioTitle is a scenario's name for people.
func (l *Library) scenarioTitle(ctx context.Context, s Scenario) string {
	if s == Attack {
		return i18n.T(ctx, "template.attack")
	}
	for _, i := range l.scenarios {
		if i.Scenario == s {
			return i.name(ctx)
		}
	}
	return string(s)
}

func (i ScenarioInfo) name(ctx context.Context) string {
	if i18n.Of(ctx).Lang == i18n.EN && i.TitleEN != "" {
		return i.Mark + " " + i.TitleEN
	}
	return i.Mark + " " + i.Title
}

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	return r.showOne(w, req, http.StatusOK, web.NewForm(nil))
}

func (r *Room) showOne(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	v, err := r.view(req.Context(), req.PathValue("id"), f)
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, onePage(v))
}

func (r *Room) postOne(w http.ResponseWriter, req *http.Request) error {
	ctx, id := req.Context(), req.PathValue("id")
	if mayWrite(ctx) != nil && mayRelease(ctx) != nil {
		return ErrForbidden
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	to := href(id)
	switch f.Get("act") {
	case "approve":
		version := 0
		if _, err := fmt.Sscan(f.Get("version"), &version); err != nil {
			return fault.New(fault.Invalid, "web.bad_form").With(err)
		}
		_, err = r.Approve(ctx, id, version)
	case "release":
		err = r.Release(ctx, id)
	case "retire":
		if err = r.Retire(ctx, id); err == nil {
			if _, ok := r.o.Shipped.Get(id); !ok {
				to = "/template"
			}
		}
	case "discard":
		if err = r.Discard(ctx, id); err == nil {
			if _, gone := r.Record(ctx, id); errors.Is(gone, ErrNotFound) {
				to = "/template"
			}
		}
	case "sign":
		err = r.Sign(ctx, id, f.Get("group"))
	case "rehearse":
		err = r.Rehearse(ctx, id)
	default:
		err = fault.New(fault.Invalid, "web.bad_form")
	}
	if err == nil {
		return web.SeeOther(w, req, to)
	}
	if !f.Take(err) {
		return err
	}
	return r.showOne(w, req, fault.Status(fault.KindOf(err)), f)
}

// editView is the form for the town's own words.
type editView struct {
	ID    string // empty: a new place
	Title string
	Form  *web.Form
	Infos []ScenarioInfo
	Shown *Text // the example after a save
	Check *Assessment
}

func (r *Room) pageNew(w http.ResponseWriter, req *http.Request) error {
	if err := mayWrite(req.Context()); err != nil {
		return err
	}
	q := req.URL.Query()
	f := web.NewForm(map[string]string{
		"kind": q.Get("kind"), "audience": q.Get("audience"), "channel": q.Get("channel"), "language": q.Get("language"), "scenario": q.Get("scenario"),
	})
	return r.showEdit(w, req, http.StatusOK, "", f)
}

func (r *Room) pageEdit(w http.ResponseWriter, req *http.Request) error {
	ctx, id := req.Context(), req.PathValue("id")
	if err := mayWrite(ctx); err != nil {
		return err
	}
	rec, err := r.Record(ctx, id)
	if err != nil {
		return err
	}
	e := rec.Entry
	if d, err := r.draft(ctx, id); err == nil {
		e = d.Entry
	}
	return r.showEdit(w, req, http.StatusOK, id, formOf(e))
}

func formOf(e Entry) *web.Form {
	return web.NewForm(map[string]string{
		"kind": string(e.Kind), "audience": string(e.Audience), "channel": string(e.Format), "language": string(e.Language), "scenario": string(e.Scenario),
		"subject": e.Subject, "title": e.Title, "body": e.Body, "instruction": e.Instruction,
	})
}

func entryOf(f *web.Form) Entry {
	return Entry{
		Kind: Kind(f.Get("kind")), Audience: AudienceKind(f.Get("audience")), Format: Format(f.Get("channel")), Language: Language(f.Get("language")),
		Scenario: Scenario(f.Get("scenario")), Subject: f.Get("subject"), Title: f.Get("title"), Body: f.Get("body"), Instruction: f.Get("instruction"),
	}
}

func (r *Room) showEdit(w http.ResponseWriter, req *http.Request, status int, id string, f *web.Form) error {
	ctx := req.Context()
	v := editView{ID: id, Form: f, Infos: r.o.Shipped.Scenarios(), Title: i18n.T(ctx, "template.new_title")}
	if id != "" {
		v.Title = i18n.T(ctx, "template.edit_title", KindName(ctx, Kind(f.Get("kind"))))
	}
	if f.OK() && f.Get("body") != "" {
		if e, err := CheckOwn(entryOf(f)); err == nil {
			t := r.example(ctx, e)
			a := Assess(t.Body, e.Language, Situation{Kind: e.Kind, Audience: e.Audience})
			v.Shown, v.Check = &t, &a
		}
	}
	return web.RenderStatus(w, req, status, editPage(v))
}

// postEdit keeps a draft. "look" only shows what it would read like.
func (r *Room) postEdit(w http.ResponseWriter, req *http.Request) error {
	ctx, id := req.Context(), req.PathValue("id")
	if err := mayWrite(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if id != "" {
		rec, err := r.Record(ctx, id)
		if err != nil {
			return err
		}
		place := formOf(rec.Entry)
		for _, name := range []string{"kind", "audience", "channel", "language", "scenario"} {
			f.Values.Set(name, place.Get(name)) // the place stays; only the words change
		}
	}
	e, err := CheckOwn(entryOf(f))
	if err == nil && f.Get("act") == "look" {
		return r.showEdit(w, req, http.StatusOK, id, f)
	}
	if err == nil {
		var v Version
		if v, err = r.Write(ctx, e); err == nil {
			return web.SeeOther(w, req, href(v.ID))
		}
	}
	if !f.Take(err) {
		return err
	}
	if why := syntax(err); why != "" {
		f.Values.Set("why", why)
	}
	return r.showEdit(w, req, http.StatusUnprocessableEntity, id, f)
}

// syntax says where a text is not well formed.
func syntax(err error) string {
	if s, ok := errors.AsType[*SyntaxError](err); ok {
		return s.Error()
	}
	return ""
}

func (r *Room) getExport(w http.ResponseWriter, req *http.Request) error {
	x, err := r.Export(req.Context(), filterOf(req.URL.Query()))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := WriteExchange(&b, x); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="`+exportName+`"`)
	_, err = w.Write(b.Bytes())
	return err
}

type importView struct {
	Form *web.Form
	Why  string
	Done *Imported
}

func (r *Room) pageImport(w http.ResponseWriter, req *http.Request) error {
	if err := mayWrite(req.Context()); err != nil {
		return err
	}
	return web.Render(w, req, importPage(importView{Form: web.NewForm(nil)}))
}

func (r *Room) postImport(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayWrite(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	v := importView{Form: f}
	var raw []byte
	if file, _, err := req.FormFile("file"); err == nil {
		got, err := io.ReadAll(io.LimitReader(file, MaxExchange+1))
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("template: import: %w", err)
		}
		raw = got
	}
	if len(raw) == 0 {
		f.Fail("file", "template.import_empty")
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, importPage(v))
	}
	x, err := ParseExchange(raw)
	if err == nil {
		var done Imported
		if done, err = r.Import(ctx, x); err == nil {
			v.Done = &done
			return web.Render(w, req, importPage(v))
		}
	}
	e := fault.As(err)
	if e.Kind != fault.Invalid {
		return err
	}
	f.Fail("file", "template.import_bad")
	if e.Err != nil {
		v.Why = e.Err.Error()
	}
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, importPage(v))
}
