package papers

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
	"tuermer/internal/platform/web"
)

// Routes hangs the room's pages into the console.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /papers", web.Staff(r.pageList))
	s.Handle("GET /papers/all.zip", web.Staff(r.pageAll))
	s.Handle("GET /papers/details", web.Staff(r.pageDetails))
	s.Handle("POST /papers/details", web.Staff(r.postDetails))
	s.Handle("GET /papers/{kind}", web.Staff(r.pageOne))
	s.Handle("GET /papers/{kind}/pdf", web.Staff(r.pagePDF))
	s.Handle("POST /papers/{kind}/confirm", web.Staff(r.postConfirm))
}

type listView struct {
	Public, Others []Paper
	Findings       []Finding
	MayEdit        bool
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	all, err := r.All(req.Context())
	if err != nil {
		return err
	}
	v := listView{MayEdit: MayEdit(req.Context())}
	for _, p := range all {
		if p.Kind.Public() {
			v.Public = append(v.Public, p)
		} else {
			v.Others = append(v.Others, p)
		}
	}
	if v.Findings, err = r.Findings(req.Context()); err != nil {
		return err
	}
	return web.Render(w, req, listPage(v))
}

type oneView struct {
	Paper
	Document   paper.Document
	History    []Confirmation
	Form       *web.Form
	MayConfirm bool
	MayEdit    bool
}

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	return r.showOne(w, req, http.StatusOK, web.NewForm(nil))
}

func (r *Room) showOne(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	ctx := req.Context()
	p, err := r.Get(ctx, Kind(req.PathValue("kind")))
	if err != nil {
		return err
	}
	v := oneView{Paper: p, Document: r.document(ctx, p), Form: f, MayConfirm: MayConfirm(ctx), MayEdit: MayEdit(ctx)}
	if v.History, err = r.History(ctx, p.Kind); err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, onePage(v))
}

// document is a paper in the reader's language, for screen and print.
func (r *Room) document(ctx context.Context, p Paper) paper.Document {
	l := i18n.Of(ctx).Lang
	facts := []paper.Fact{{Label: i18n.T(ctx, "papers.state"), Value: stateWords(ctx, p)}, {Label: i18n.T(ctx, "papers.version"), Value: p.Mark}}
	return p.Words[l].Document(l, facts, "Türmer "+r.o.Version+" · "+p.Mark, i18n.T(ctx, "papers.page_of"), r.o.Clock.Now())
}

// stateWords say how far the paper is, with who and when.
func stateWords(ctx context.Context, p Paper) string {
	switch p.State {
	case Confirmed:
		return i18n.T(ctx, "papers.confirmed_by", p.Last.By, i18n.Stand(ctx, p.Last.At))
	case Outdated:
		return i18n.T(ctx, "papers.outdated_since", p.Last.By, i18n.Stand(ctx, p.Last.At))
	default:
		return i18n.T(ctx, "papers.draft")
	}
}

func stateMark(p Paper) web.State {
	switch {
	case p.State == Confirmed:
		return web.OK
	case p.Kind.Public():
		return web.Down
	default:
		return web.Degraded
	}
}

func fileName(p Paper, l i18n.Lang) string { return string(p.Kind) + "-" + string(l) + ".pdf" }

func (r *Room) pagePDF(w http.ResponseWriter, req *http.Request) error {
	p, err := r.Get(req.Context(), Kind(req.PathValue("kind")))
	if err != nil {
		return err
	}
	raw, err := paper.PDF(r.document(req.Context(), p))
	if err != nil {
		return err
	}
	return send(w, "application/pdf", fileName(p, i18n.Of(req.Context()).Lang), raw)
}

func send(w http.ResponseWriter, mime, name string, raw []byte) error {
	w.Header().Set("Content-Type", mime)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, _ = w.Write(raw) // the reader may be gone
	return nil
}

// pageAll hands all papers out in the reader's language.
func (r *Room) pageAll(w http.ResponseWriter, req *http.Request) error {
	raw, err := r.zipped(req.Context())
	if err != nil {
		return err
	}
	return send(w, "application/zip", "tuermer-unterlagen-"+string(i18n.Of(req.Context()).Lang)+".zip", raw)
}

func (r *Room) zipped(ctx context.Context) ([]byte, error) {
	all, err := r.All(ctx)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, p := range all {
		raw, err := paper.PDF(r.document(ctx, p))
		if err != nil {
			return nil, err
		}
		f, err := z.CreateHeader(&zip.FileHeader{Name: fileName(p, i18n.Of(ctx).Lang), Modified: r.o.Clock.Now().UTC(), Method: zip.Deflate})
		if err != nil {
			return nil, fmt.Errorf("papers: %w", err)
		}
		if _, err := f.Write(raw); err != nil {
			return nil, fmt.Errorf("papers: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("papers: %w", err)
	}
	return out.Bytes(), nil
}

func (r *Room) postConfirm(w http.ResponseWriter, req *http.Request) error {
	if !MayConfirm(req.Context()) {
		return ErrForbidden
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	k := Kind(req.PathValue("kind"))
	if _, err := r.Confirm(req.Context(), k, f.Get("mark")); err != nil {
		status := fault.Status(fault.KindOf(err))
		if k := fault.KindOf(err); k == fault.Invalid || k == fault.Conflict {
			form := web.NewForm(nil)
			form.Fail("", fault.As(err).Key)
			return r.showOne(w, req, status, form)
		}
		return err
	}
	return web.SeeOther(w, req, "/papers/"+string(k))
}

func (r *Room) pageDetails(w http.ResponseWriter, req *http.Request) error {
	d, err := r.Details(req.Context())
	if err != nil {
		return err
	}
	f := formOf(d)
	f.Locked = !MayEdit(req.Context())
	return r.showDetails(w, req, http.StatusOK, f)
}

type detailsView struct {
	Form    *web.Form
	Profile Profile
	Town    string
}

func (r *Room) showDetails(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	s, err := r.sources(req.Context())
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, detailsPage(detailsView{f, s.profile, s.facts.Town}))
}

func (r *Room) postDetails(w http.ResponseWriter, req *http.Request) error {
	if !MayEdit(req.Context()) {
		return ErrForbidden
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	d := detailsOf(f)
	if f.OK() {
		if err := r.SaveDetails(req.Context(), d); err != nil {
			if !f.Take(err) {
				return err
			}
		}
	}
	if !f.OK() {
		return r.showDetails(w, req, http.StatusUnprocessableEntity, f)
	}
	return web.SeeOther(w, req, "/papers")
}

// formOf shows the details.
func formOf(d Details) *web.Form {
	values := map[string]string{}
	for _, f := range d.fields() {
		values[f.name] = *f.at(&d)
	}
	if d.ProxyLogDays > 0 {
		values["proxy_log_days"] = strconv.Itoa(d.ProxyLogDays)
	}
	if d.Officer.External {
		values["officer_external"] = "1"
	}
	if d.Hosting.Own {
		values["hosting_own"] = "1"
	}
	lines := make([]string, len(d.Processors))
	for i, p := range d.Processors {
		lines[i] = strings.Join([]string{p.Name, p.What, p.Country, p.Signed}, "; ")
	}
	values["processors"] = strings.Join(lines, "\n")
	return web.NewForm(values)
}

// detailsOf reads the form; what is no number is noted in it.
func detailsOf(f *web.Form) (d Details) {
	for _, x := range d.fields() {
		*x.at(&d) = f.Get(x.name)
	}
	d.Officer.External, d.Hosting.Own = f.Has("officer_external", "1"), f.Has("hosting_own", "1")
	if days := f.Get("proxy_log_days"); days != "" {
		n, err := strconv.Atoi(days)
		if err != nil {
			f.Fail("proxy_log_days", "papers.no_days")
		}
		d.ProxyLogDays = n
	}
	for line := range strings.SplitSeq(f.Get("processors"), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		parts := strings.Split(line, ";")
		if len(parts) > 4 {
			f.Fail("processors", "papers.bad_processor")
			continue
		}
		parts = append(parts, make([]string, 4-len(parts))...)
		d.Processors = append(d.Processors, Processor{Name: parts[0], What: parts[1], Country: parts[2], Signed: parts[3]})
	}
	return d
}

// missingNames are the fields that a paper lacks, in words.
func missingNames(ctx context.Context, p Paper) string {
	out := make([]string, len(p.Missing))
	for i, m := range p.Missing {
		out[i] = i18n.T(ctx, "papers.field_"+m)
	}
	return strings.Join(slices.Compact(out), ", ")
}

// proposal is the hint below a field that the profile fills while it is empty.
func proposal(ctx context.Context, body string) string {
	if body == "" {
		return i18n.T(ctx, "papers.no_proposal")
	}
	return i18n.T(ctx, "papers.proposal", body)
}
