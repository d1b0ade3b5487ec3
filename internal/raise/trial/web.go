package trial

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/channel"
)

// Path is the page of test alarms.
const Path = "/trial"

// Routes adds this room's pages.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET "+Path, web.Staff(r.pageList))
	s.Handle("GET "+Path+"/new", web.Staff(r.pageNew))
	s.Handle("POST "+Path+"/new", web.Staff(r.postNew))
	s.Handle("POST "+Path+"/weekly", web.Staff(r.postWeekly))
	s.Handle("GET "+Path+"/{id}", web.Staff(r.pageReport))
	s.Handle("GET "+Path+"/{id}/print", web.Staff(r.getPrint))
	s.Handle("GET "+LinkPath+"{token}", r.pageQuestion) // the address itself is the key
	s.Handle("POST "+LinkPath+"{token}", r.postQuestion)
}

func newPath(t Target) string { return Path + "/new?target=" + url.QueryEscape(string(t)) }

// offer is one target with its last run and its plan.
type offer struct {
	Target Target
	Name   string
	Plan   *Plan
	Last   *Run
}

type listView struct {
	Offers []offer
	Runs   []Run
}

// offers are all targets.
func (r *Room) offers(ctx context.Context) (out []offer, err error) {
	chains, err := r.o.Chains.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range chains {
		out = append(out, offer{Target: ChainTarget(c.Slug), Name: c.Name})
	}
	rosters, err := r.o.Rosters(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range rosters {
		out = append(out, offer{Target: RosterTarget(x[0]), Name: i18n.T(ctx, "trial.on_duty", x[1])})
	}
	out = append(out, offer{Target: Everybody, Name: i18n.T(ctx, "trial.everybody")})
	plans, err := r.Plans(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range plans {
		i := slices.IndexFunc(out, func(o offer) bool { return o.Target == p.Target })
		if i < 0 { // its chain or roster is gone, and that is said
			out, i = append(out, offer{Target: p.Target, Name: string(p.Target)}), len(out)
		}
		out[i].Plan = &p
	}
	for i := range out {
		last, ok, err := r.last(ctx, r.o.Store.Read(ctx), out[i].Target)
		if err != nil {
			return nil, err
		}
		if ok {
			out[i].Last = &last
		}
	}
	return out, nil
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	runs, err := r.List(req.Context(), "", 20)
	if err != nil {
		return err
	}
	offers, err := r.offers(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, listPage(listView{offers, runs}))
}

// listSay is the one sentence over all.
func listSay(ctx context.Context, v listView) string {
	red := 0
	for _, o := range v.Offers {
		if o.Last != nil && o.Last.Verdict == Red {
			red++
		}
	}
	switch {
	case red > 0:
		return i18n.N(ctx, "trial.list_red", red)
	case len(v.Runs) == 0:
		return i18n.T(ctx, "trial.list_never")
	}
	return i18n.T(ctx, "trial.list_say", i18n.Short(ctx, v.Runs[0].StartedAt))
}

// Mark is the shape of a verdict.
func (v Verdict) Mark() web.State {
	switch v {
	case Red:
		return web.Down
	case Gap:
		return web.Degraded
	case Good:
		return web.OK
	case Unknown:
	}
	return web.Pending
}

// word is the key of a verdict.
func (v Verdict) word() string {
	if v == Unknown {
		return "trial.verdict_running"
	}
	return "trial.verdict_" + string(v)
}

// mark is the shape of how far somebody was reached: red is who was not, or not
// apart from the town's own systems.
func (c Called) mark(ended bool) web.State {
	switch {
	case c.Apart() && c.Reach() == Answered:
		return web.OK
	case !ended && c.Reach() == Nothing:
		return web.Pending
	case c.Reach() == Nothing:
		return web.Down
	}
	return web.Degraded
}

type newView struct {
	Preview
	Form *web.Form
}

func (r *Room) pageNew(w http.ResponseWriter, req *http.Request) error {
	return r.showNew(w, req, http.StatusOK, Target(req.FormValue("target")), nil)
}

func (r *Room) showNew(w http.ResponseWriter, req *http.Request, status int, t Target, f *web.Form) error {
	v, err := r.Preview(req.Context(), t)
	if err != nil {
		return err
	}
	if f == nil {
		f = web.NewForm(map[string]string{"target": string(t), "weekday": "", "hour": "10"})
		if v.Weekly {
			f.Values.Set("weekday", strconv.Itoa(int(v.Plan.Weekday)))
			f.Values.Set("hour", strconv.Itoa(v.Plan.Hour))
		}
	}
	return web.RenderStatus(w, req, status, newPage(newView{v, f}))
}

func (r *Room) postNew(w http.ResponseWriter, req *http.Request) error {
	if err := mayLook(req.Context()); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	run, err := r.Begin(req.Context(), Target(f.Get("target")))
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, Path+"/"+string(run.ID))
}

func (r *Room) postWeekly(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayLook(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	t := Target(f.Get("target"))
	if f.Get("weekday") == "" {
		if err := r.NotWeekly(ctx, t); err != nil && err.Error() != ErrNotFound.Error() {
			return err
		}
		return web.SeeOther(w, req, newPath(t))
	}
	day, err1 := strconv.Atoi(f.Get("weekday"))
	hour, err2 := strconv.Atoi(f.Get("hour"))
	if err1 != nil || err2 != nil {
		hour = -1 // refused, in words
	}
	if _, err := r.Weekly(ctx, t, time.Weekday(day), hour); err != nil {
		if f.Take(err) {
			return r.showNew(w, req, http.StatusUnprocessableEntity, t, f)
		}
		return err
	}
	return web.SeeOther(w, req, newPath(t))
}

// weekdays are the days to choose from, Monday first.
func weekdays(ctx context.Context) []web.Option {
	out := []web.Option{{Value: "", Text: i18n.T(ctx, "trial.weekly_off")}}
	for i := range 7 {
		day := strconv.Itoa((i + 1) % 7)
		out = append(out, web.Option{Value: day, Text: i18n.T(ctx, "trial.weekday_"+day)})
	}
	return out
}

func hours(ctx context.Context) []web.Option {
	out := make([]web.Option, 24)
	for h := range out {
		out[h] = web.Option{Value: strconv.Itoa(h), Text: i18n.T(ctx, "trial.oclock", h)}
	}
	return out
}

// planWords says when a plan begins next, and why it was left out last.
func planWords(ctx context.Context, p *Plan) string {
	if p == nil {
		return i18n.T(ctx, "trial.weekly_off")
	}
	out := i18n.T(ctx, "trial.weekly_at", i18n.T(ctx, "trial.weekday_"+strconv.Itoa(int(p.Weekday))), p.Hour, i18n.Short(ctx, p.NextAt))
	if p.Skipped != "" {
		out += " " + i18n.T(ctx, "trial.skipped_"+p.Skipped, i18n.Short(ctx, p.SkippedAt))
	}
	return out
}

// costWords is what one kind of message takes.
func costWords(ctx context.Context, c Cost) string {
	out := i18n.N(ctx, "trial.n_"+string(c.Kind), c.Messages)
	if c.Kind == channel.SMS && c.Parts > 1 {
		out += ", " + i18n.T(ctx, "trial.parts", c.Parts)
	}
	if !c.Known {
		return out + ", " + i18n.T(ctx, "trial.no_price")
	}
	return out + ", " + i18n.T(ctx, "trial.price", c.Money(i18n.Of(ctx)))
}

func (r *Room) pageReport(w http.ResponseWriter, req *http.Request) error {
	rep, err := r.Get(req.Context(), ID(req.PathValue("id")))
	if err != nil {
		return err
	}
	return web.Render(w, req, reportPage(rep))
}

func (r *Room) pageQuestion(w http.ResponseWriter, req *http.Request) error {
	q, err := r.Question(req.Context(), req.PathValue("token"))
	if err != nil {
		return err
	}
	return web.Render(w, req, questionPage(q))
}

func (r *Room) postQuestion(w http.ResponseWriter, req *http.Request) error {
	q, err := r.Confirm(req.Context(), req.PathValue("token"))
	if err != nil {
		return err
	}
	return web.Render(w, req, questionPage(q))
}
