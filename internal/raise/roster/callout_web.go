package roster

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

func (r *Room) calloutRoutes(s *web.Site) {
	s.Handle("GET /roster/callouts", web.Staff(r.pageCallouts))
	s.Handle("POST /roster/callouts", web.Staff(r.postCallout))
	s.Handle("GET /roster/callouts.csv", web.Staff(r.getCalloutsCSV))
	s.Handle("GET /roster/callouts/{id}/edit", web.Staff(r.pageCallout))
	s.Handle("POST /roster/callouts/{id}/edit", web.Staff(r.postCalloutEdit))
	s.Handle("POST /roster/callouts/{id}/end", web.Staff(r.postCalloutEnd))
}

// calloutsView is the page of a month.
type calloutsView struct {
	Book
	Member bool // may enter one
	Form   *web.Form
}

// month reads a month of a query; empty: the present one.
func (r *Room) month(ctx context.Context, s string) (Month, error) {
	if s == "" {
		rules, err := r.rules(ctx, "")
		d := DateIn(r.o.Clock.Now(), rules.Zone)
		return Month{d.Year, d.Month}, err
	}
	m, ok := ParseMonth(s)
	if !ok {
		return m, fault.New(fault.Invalid, "roster.bad_month").Field("month", "roster.bad_month")
	}
	return m, nil
}

func (r *Room) showCallouts(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	ctx := req.Context()
	m, err := r.month(ctx, req.URL.Query().Get("month"))
	if err != nil {
		return err
	}
	v := calloutsView{Form: f}
	if v.Book, err = r.Callouts(ctx, m); err != nil {
		return err
	}
	me, err := r.me(ctx)
	if err != nil {
		return err
	}
	if me != "" {
		ro, err := r.callsBy(ctx, me, r.o.Clock.Now())
		if err != nil {
			return err
		}
		v.Member = ro.Slug != ""
	}
	return web.RenderStatus(w, req, status, calloutsPage(v))
}

func (r *Room) pageCallouts(w http.ResponseWriter, req *http.Request) error {
	return r.showCallouts(w, req, http.StatusOK, web.NewForm(nil))
}

// readCallout reads begin, end and note of a form; an empty end is none.
func readCallout(ctx context.Context, f *web.Form) Callout {
	zone := i18n.Of(ctx).Zone
	moment := func(field string) time.Time {
		t, err := time.Parse(localTime, f.Get(field))
		if err != nil {
			f.Fail(field, "roster.bad_moment")
			return time.Time{}
		}
		return At(dateOf(t), t.Hour()*60+t.Minute(), zone)
	}
	c := Callout{Begin: moment("begin"), Note: f.Get("note"), Void: f.Has("void", "yes")}
	if f.Get("until") != "" {
		c.End = moment("until")
	}
	return c
}

func (r *Room) postCallout(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	me, err := r.me(ctx)
	if err != nil {
		return err
	}
	if ro, err := r.callsBy(ctx, me, r.o.Clock.Now()); err != nil || me == "" || ro.Slug == "" {
		if err == nil {
			err = errNotYourCallout
		}
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	c := readCallout(ctx, f)
	if f.OK() {
		_, err := r.AddCallout(ctx, c)
		if err == nil {
			zone := i18n.Of(ctx).Zone
			return web.SeeOther(w, req, "/roster/callouts?month="+c.Begin.In(zone).Format("2006-01"))
		}
		if !f.Take(err) {
			return err
		}
	}
	return r.showCallouts(w, req, http.StatusUnprocessableEntity, f)
}

func (r *Room) pageCallout(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	c, err := r.Callout(ctx, req.PathValue("id"))
	if err != nil {
		return err
	}
	zone := i18n.Of(ctx).Zone
	values := map[string]string{"begin": c.Begin.In(zone).Format(localTime), "note": c.Note}
	if !c.Open() {
		values["until"] = c.End.In(zone).Format(localTime)
	}
	if c.Void {
		values["void"] = "yes"
	}
	return web.Render(w, req, calloutPage(c, web.NewForm(values)))
}

func (r *Room) postCalloutEdit(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	was, err := r.Callout(ctx, req.PathValue("id"))
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	c := readCallout(ctx, f)
	// What the form shows by the minute and nobody changed stays to the millisecond.
	if c.Begin.Equal(was.Begin.Truncate(time.Minute)) {
		c.Begin = was.Begin
	}
	if c.End.Equal(was.End.Truncate(time.Minute)) {
		c.End = was.End
	}
	if f.OK() {
		got, err := r.ChangeCallout(ctx, was.ID, c)
		if err == nil {
			return web.SeeOther(w, req, "/roster/callouts?month="+got.Begin.In(i18n.Of(ctx).Zone).Format("2006-01"))
		}
		if !f.Take(err) {
			return err
		}
	}
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, calloutPage(was, f))
}

func (r *Room) postCalloutEnd(w http.ResponseWriter, req *http.Request) error {
	c, err := r.EndCallout(req.Context(), req.PathValue("id"))
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/roster/callouts?month="+c.Begin.In(i18n.Of(req.Context()).Zone).Format("2006-01"))
}

// restWord says in a word what became of the rest.
func restWord(e Entry) string {
	switch {
	case e.Void:
		return "void"
	case e.Open():
		return "runs"
	case e.Rest.Broken():
		return "broken"
	}
	return "kept"
}

func (r *Room) getCalloutsCSV(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	m, err := r.month(ctx, req.URL.Query().Get("month"))
	if err != nil {
		return err
	}
	b, err := r.Callouts(ctx, m)
	if err != nil {
		return err
	}
	zone := i18n.Of(ctx).Zone
	var head []string
	for _, key := range []string{"person", "callout_mail", "callout_plan", "callout_begin", "callout_end", "callout_minutes", "callout_why", "note", "rest", "rest_after", "changed_by"} {
		head = append(head, i18n.T(ctx, "roster."+key))
	}
	var rows [][]string
	for _, e := range b.Entries {
		end, length, by := "", "", ""
		if !e.Open() {
			end, length = e.End.In(zone).Format("2006-01-02 15:04"), strconv.Itoa(minutes(e.End.Sub(e.Begin)))
		}
		if !e.Changed.IsZero() {
			by = e.By
		}
		rows = append(rows, []string{
			e.Name, e.Person, e.Roster, e.Begin.In(zone).Format("2006-01-02 15:04"), end, length, e.Title, e.Note, i18n.T(ctx, "roster.rest_"+restWord(e)), hoursText(e.Rest.After), by,
		})
	}
	return web.CSV(w, "einsaetze-"+m.String()+".csv", head, rows)
}

// calloutBody is a call-out, for programs.
type calloutBody struct {
	ID      string     `json:"id" readOnly:"true"`
	Roster  string     `json:"roster,omitempty" readOnly:"true"`
	Person  string     `json:"person" readOnly:"true" required:"false"`
	Alert   string     `json:"alert,omitempty" readOnly:"true" doc:"Id of the alarm; left out: entered by hand"`
	Title   string     `json:"title,omitempty" readOnly:"true"`
	Begin   time.Time  `json:"begin"`
	End     *time.Time `json:"end,omitempty" doc:"Left out: it still runs"`
	Minutes int        `json:"minutes,omitempty" readOnly:"true"`
	Note    string     `json:"note,omitempty"`
	Void    bool       `json:"void,omitempty" doc:"It was none"`
	Rest    string     `json:"rest,omitempty" readOnly:"true" doc:"kept or broken (eleven hours), runs or void"`
	After   int        `json:"rest_after_minutes,omitempty" readOnly:"true" doc:"From its end to the next work"`
}

func calloutBodyOf(c Callout) calloutBody {
	b := calloutBody{ID: c.ID, Roster: c.Roster, Person: c.Person, Alert: c.Alert, Title: c.Title, Begin: c.Begin, Note: c.Note, Void: c.Void}
	if !c.Open() {
		b.End, b.Minutes = &c.End, minutes(c.End.Sub(c.Begin))
	}
	return b
}

func (b calloutBody) callout() Callout {
	c := Callout{Begin: b.Begin.UTC().Truncate(time.Millisecond), Note: b.Note, Void: b.Void}
	if b.End != nil {
		c.End = b.End.UTC().Truncate(time.Millisecond)
	}
	return c
}

// ByCallout names a call-out in an address.
type ByCallout struct {
	ID string `path:"id"`
}

func (r *Room) apiCallouts(a *web.API, op func(id, method, path, summary string) huma.Operation) {
	const scope = "people"
	one := func(c Callout, err error) (*web.One[calloutBody], error) {
		if err != nil {
			return nil, err
		}
		return &web.One[calloutBody]{Body: calloutBodyOf(c)}, nil
	}
	made := op("add-callout", http.MethodPost, "/duty/callouts", "Enter a call-out of your own that no alarm began")
	made.DefaultStatus = http.StatusCreated
	web.Operation(a, op("list-callouts", http.MethodGet, "/duty/callouts", "Call-outs of a month: your own, and of the rosters that you lead"), scope, func(ctx context.Context, in *struct {
		Month string `query:"month" doc:"As 2027-05; left out: the present one"`
	},
	) (*web.List[calloutBody], error) {
		m, err := r.month(ctx, in.Month)
		if err != nil {
			return nil, err
		}
		b, err := r.Callouts(ctx, m)
		return web.NewList(each(b.Entries, func(e Entry) calloutBody {
			x := calloutBodyOf(e.Callout)
			x.Rest, x.After = restWord(e), int(e.Rest.After/time.Minute)
			return x
		}), ""), err
	})
	web.Operation(a, made, scope, func(ctx context.Context, in *struct{ Body calloutBody }) (*web.One[calloutBody], error) {
		return one(r.AddCallout(ctx, in.Body.callout()))
	})
	web.Operation(a, op("change-callout", http.MethodPut, "/duty/callouts/{id}", "Correct a call-out; what stood there is in the audit log"), scope, func(ctx context.Context, in *struct {
		ByCallout
		Body calloutBody
	},
	) (*web.One[calloutBody], error) {
		return one(r.ChangeCallout(ctx, in.ID, in.Body.callout()))
	})
	web.Operation(a, op("end-callout", http.MethodPost, "/duty/callouts/{id}/end", "End a call-out that runs, now"), scope, func(ctx context.Context, in *ByCallout) (*web.One[calloutBody], error) {
		return one(r.EndCallout(ctx, in.ID))
	})
}
