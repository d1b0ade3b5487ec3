package onsite

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

const (
	// Path is the page on which somebody reports from the spot, short enough for
	// a note on the dashboard.
	Path         = "/onsite"
	identityPath = Path + "/identity"
)

// LargeBodies are the addresses of this room that take a photo.
func LargeBodies() map[string]int64 {
	// A form may send more than a photo may have, so that what is too large is told
	// at its field and the words stay.
	const form, encoded = 40 << 20, MaxPhoto/3*4 + 1<<20
	return map[string]int64{Path: form, identityPath: form, apiReports: encoded, apiChecks: encoded}
}

// Routes hangs the pages into the console. What carries a photo is sent to
// addresses without an id: they alone may be sent that much.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /onsite", web.Staff(r.pageReport))
	s.Handle("POST /onsite", web.Staff(r.postReport))
	s.Handle("GET /onsite/identity", web.Staff(r.pageIdentity))
	s.Handle("POST /onsite/identity", web.Staff(r.postIdentity))
	s.Handle("POST /onsite/identity/copies", web.Staff(r.postCopies))
	s.Handle("GET /onsite/identity/{check}/copy", web.Staff(r.pictureCopy))
	s.Handle("POST /onsite/identity/{check}/forget", web.Staff(r.postForget))
	s.Handle("GET /onsite/{report}", web.Staff(r.pageOne))
	s.Handle("GET /onsite/{report}/photo", web.Staff(r.picture))
	s.Handle("POST /onsite/{report}/photo/remove", web.Staff(r.postRemove))
}

// view is the page of the form and of what was reported.
type view struct {
	Open     []incident.Incident // that a report may be about
	Incident incident.Incident   // chosen, or the only one; without id: none
	Reports  []Report
	May      bool
	Form     *web.Form
	Now      string // a fresh key for the form
}

func incidentHref(id incident.ID) string { return "/incident/" + string(id) }

func of(path string, id incident.ID) string {
	if id == "" {
		return path
	}
	return path + "?incident=" + string(id)
}

// chosen finds the incident that the page is about: the one asked for, else the
// only one that is open.
func (r *Room) chosen(ctx context.Context, asked incident.ID) (open []incident.Incident, in incident.Incident, err error) {
	if open, err = r.open(ctx); err != nil {
		return nil, in, err
	}
	if asked != "" {
		if in, err = r.o.Incidents.Get(ctx, asked); err != nil {
			return nil, in, err
		}
		if !slices.ContainsFunc(open, func(i incident.Incident) bool { return i.ID == in.ID }) {
			open = append(open, in)
		}
		return open, in, nil
	}
	if len(open) == 1 && open[0].Realm != incident.Exercise {
		in = open[0]
	}
	return open, in, nil
}

func (r *Room) look(ctx context.Context, asked incident.ID, f *web.Form) (v view, err error) {
	v = view{May: MayReport(ctx), Form: f}
	if v.Open, v.Incident, err = r.chosen(ctx, asked); err != nil {
		return v, err
	}
	if f.Get("incident") == "" {
		f.Values.Set("incident", string(v.Incident.ID))
	}
	if f.Get("key") == "" {
		f.Values.Set("key", ident.NewID(r.o.Clock.Now()))
	}
	v.Reports, err = r.Reports(ctx, Filter{Incident: v.Incident.ID, Limit: 50})
	return v, err
}

// here lets the page, and nothing else, ask the phone where it is.
func here(w http.ResponseWriter) {
	w.Header().Set("Permissions-Policy", "geolocation=(self), camera=(), microphone=()")
}

func (r *Room) pageReport(w http.ResponseWriter, req *http.Request) error {
	v, err := r.look(req.Context(), incident.ID(req.FormValue("incident")), web.NewForm(nil))
	if err != nil {
		return err
	}
	here(w)
	return web.Render(w, req, reportPage(v))
}

// byField reports whether err belongs to the form, which is then shown again.
func byField(f *web.Form, err error) bool {
	return len(fault.As(err).Fields) > 0 && f.Take(err)
}

// again says that a file has to be chosen once more: no browser keeps it.
func again(f *web.Form, field string, data []byte) {
	if len(data) > 0 && f.Errors[field] == "" {
		f.Fail(field, "onsite.photo_again")
	}
}

func (r *Room) postReport(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if !MayReport(ctx) {
		return ErrForbidden
	}
	f, data, err := web.ReadUpload(w, req, "photo")
	if err != nil {
		return err
	}
	p, err := r.Report(ctx, Draft{
		Incident: incident.ID(f.Get("incident")), Text: f.Get("text"), Place: f.Get("place"), Photo: data, Key: f.Get("key"),
	})
	if err == nil {
		return web.SeeOther(w, req, Path+"/"+string(p.ID))
	}
	if !byField(f, err) {
		return err
	}
	again(f, "photo", data)
	v, lost := r.look(ctx, incident.ID(f.Get("incident")), f)
	if lost != nil {
		return lost
	}
	here(w)
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, reportPage(v))
}

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	return r.showOne(w, req, http.StatusOK, web.NewForm(nil))
}

func (r *Room) showOne(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	p, err := r.Get(req.Context(), ReportID(req.PathValue("report")))
	if err != nil {
		return err
	}
	i, err := r.o.Incidents.Get(req.Context(), p.Incident)
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, onePage(p, i, f))
}

// send writes a picture that only this reader may keep.
func send(w http.ResponseWriter, data []byte) error {
	h := w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // the reader may be gone
	return nil
}

func (r *Room) picture(w http.ResponseWriter, req *http.Request) error {
	data, err := r.Photo(req.Context(), ReportID(req.PathValue("report")))
	if err != nil {
		return err
	}
	return send(w, data)
}

func (r *Room) postRemove(w http.ResponseWriter, req *http.Request) error {
	if !MayReport(req.Context()) {
		return ErrForbidden
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	id := ReportID(req.PathValue("report"))
	err = r.RemovePhoto(req.Context(), id, f.Get("reason"))
	if err != nil && byField(f, err) {
		return r.showOne(w, req, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, Path+"/"+string(id))
}

// identityView is the page of checks.
type identityView struct {
	Open     []incident.Incident
	Incident incident.Incident
	Checks   []Check
	Copies   Copies
	May      bool
	Admin    bool
	Form     *web.Form
	Deciding *web.Form
}

func (r *Room) lookIdentity(ctx context.Context, asked incident.ID, f, deciding *web.Form) (v identityView, err error) {
	v = identityView{May: MayReport(ctx), Admin: isAdmin(ctx), Form: f, Deciding: deciding}
	if v.Open, v.Incident, err = r.chosen(ctx, asked); err != nil {
		return v, err
	}
	for name, value := range map[string]string{
		"incident": string(v.Incident.ID), "key": ident.NewID(r.o.Clock.Now()), "hours": strconv.Itoa(Holds()[0]),
	} {
		if f.Get(name) == "" {
			f.Values.Set(name, value)
		}
	}
	if v.Copies, err = r.Copies(ctx); err != nil {
		return v, err
	}
	v.Checks, err = r.Checks(ctx, Filter{Incident: v.Incident.ID, Limit: 50})
	return v, err
}

func (r *Room) pageIdentity(w http.ResponseWriter, req *http.Request) error {
	v, err := r.lookIdentity(req.Context(), incident.ID(req.FormValue("incident")), web.NewForm(nil), web.NewForm(nil))
	if err != nil {
		return err
	}
	return web.Render(w, req, identityPage(v))
}

func (r *Room) postIdentity(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if !MayReport(ctx) {
		return ErrForbidden
	}
	f, data, err := web.ReadUpload(w, req, "copy")
	if err != nil {
		return err
	}
	hours, err := strconv.Atoi(f.Get("hours"))
	if err != nil {
		hours = -1 // told at the field
	}
	c, err := r.Check(ctx, Showing{
		Incident: incident.ID(f.Get("incident")), Held: Held{f.Get("name"), Document(f.Get("document")), f.Get("detail")},
		Purpose: Purpose(f.Get("purpose")), Outcome: Outcome(f.Get("outcome")), Hours: hours,
		Copy: data, Consent: f.Has("consent", "yes"), Key: f.Get("key"),
	})
	if err == nil {
		return web.SeeOther(w, req, of(identityPath, c.Incident)+"#checks")
	}
	if !byField(f, err) {
		return err
	}
	again(f, "copy", data)
	v, lost := r.lookIdentity(ctx, incident.ID(f.Get("incident")), f, web.NewForm(nil))
	if lost != nil {
		return lost
	}
	return web.RenderStatus(w, req, fault.Status(fault.KindOf(err)), identityPage(v))
}

func (r *Room) postForget(w http.ResponseWriter, req *http.Request) error {
	id := CheckID(req.PathValue("check"))
	if err := r.Forget(req.Context(), id); err != nil {
		return err
	}
	c, err := r.check(req.Context(), id)
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, of(identityPath, c.Incident)+"#checks")
}

func (r *Room) pictureCopy(w http.ResponseWriter, req *http.Request) error {
	data, err := r.Copy(req.Context(), CheckID(req.PathValue("check")))
	if err != nil {
		return err
	}
	return send(w, data)
}

func (r *Room) postCopies(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if !isAdmin(ctx) {
		return ErrOnlyAdmin
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	err = r.AllowCopies(ctx, f.Get("allowed") == "yes", f.Get("reason"))
	if err == nil {
		return web.SeeOther(w, req, identityPath+"#copies")
	}
	if !byField(f, err) {
		return err
	}
	v, lost := r.lookIdentity(ctx, "", web.NewForm(nil), f)
	if lost != nil {
		return lost
	}
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, identityPage(v))
}

// named is an incident's title, which says when it is an exercise or over.
func named(ctx context.Context, i incident.Incident) string {
	switch {
	case i.Realm == incident.Exercise:
		return i18n.T(ctx, "onsite.exercise", i.Title)
	case i.Phase.Ended():
		return i18n.T(ctx, "onsite.ended", i.Title)
	}
	return i.Title
}

func incidentOptions(ctx context.Context, open []incident.Incident) []web.Option {
	out := []web.Option{{Text: i18n.T(ctx, "onsite.choose")}}
	for _, i := range open {
		out = append(out, web.Option{Value: string(i.ID), Text: named(ctx, i)})
	}
	return out
}

// options are the words of a closed list, with "please choose" before them.
func options[T ~string](ctx context.Context, key string, all []T) []web.Option {
	var out []web.Option
	for _, x := range all {
		out = append(out, web.Option{Value: string(x), Text: i18n.T(ctx, key+string(x))})
	}
	return out
}

func holdOptions(ctx context.Context) []web.Option {
	all := Holds()
	slices.Sort(all)
	var out []web.Option
	for _, h := range all {
		out = append(out, web.Option{Value: strconv.Itoa(h), Text: i18n.N(ctx, "onsite.hours", h)})
	}
	return out
}
