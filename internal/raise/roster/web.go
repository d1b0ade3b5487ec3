package roster

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// Routes hangs the rosters into the console.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /roster", web.Staff(r.pageDuty))
	s.Handle("GET /roster/new", web.Staff(r.pageNew))
	s.Handle("POST /roster/new", web.Staff(r.postNew))
	s.Handle("GET /roster/holidays", web.Staff(r.pageDays))
	s.Handle("POST /roster/holidays", web.Staff(r.postDay))
	s.Handle("POST /roster/holidays/{id}/remove", web.Staff(r.postDayRemove))
	r.calloutRoutes(s)
	r.hookRoutes(s)
	r.importRoutes(s)
	s.Handle("GET /roster/channels", web.Staff(r.pageChannels))
	s.Handle("GET /roster/{slug}", web.Staff(r.pageOne))
	s.Handle("GET /roster/{slug}/edit", web.Staff(r.pageEdit))
	s.Handle("POST /roster/{slug}/edit", web.Staff(r.postEdit))
	s.Handle("GET /roster/{slug}/remove", web.Staff(r.pageRemove))
	s.Handle("POST /roster/{slug}/remove", web.Staff(r.postRemove))
	s.Handle("GET /roster/{slug}/figures", web.Staff(r.pageFigures))
	s.Handle("GET /roster/{slug}/history", web.Staff(r.pageHistory))
	s.Handle("GET /roster/{slug}/cover", web.Staff(r.pageCover))
	s.Handle("POST /roster/{slug}/cover", web.Staff(r.postCover))
	s.Handle("POST /roster/{slug}/overrides/{id}/undo", web.Staff(r.postUndo))
	s.Handle("GET /roster/{slug}/print", web.Staff(r.getPrint))
	s.Handle("GET /roster/{slug}/feeds", web.Staff(r.pageFeeds))
	s.Handle("POST /roster/{slug}/feeds", web.Staff(r.postFeed))
	s.Handle("POST /roster/{slug}/feeds/{id}/revoke", web.Staff(r.postFeedRevoke))
	s.Handle("GET /rd/{token}", r.getFeed) // the address itself is the key
	s.Handle("GET /roster/{slug}/swap", web.Staff(r.pageSwap))
	s.Handle("POST /roster/{slug}/swap", web.Staff(r.postSwap))
	for _, x := range answers {
		s.Handle("POST /roster/{slug}/swaps/{id}/"+x.verb, web.Staff(func(w http.ResponseWriter, req *http.Request) error {
			if err := r.AnswerSwap(req.Context(), req.PathValue("slug"), req.PathValue("id"), x.state); err != nil {
				return err
			}
			return web.SeeOther(w, req, "/roster/"+req.PathValue("slug"))
		}))
	}
}

// dutyView is the page "Wer hat Dienst?".
type dutyView struct {
	Duties    []Duty
	Reaches   []Reach
	Year      int
	MayChange bool
}

func (r *Room) pageDuty(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	v := dutyView{MayChange: mayChange(ctx) == nil, Year: r.o.Clock.Now().Year()}
	var err error
	if v.Duties, err = r.Duties(ctx); err != nil {
		return err
	}
	if v.Reaches, err = r.Reaches(ctx, v.Year); err != nil {
		return err
	}
	return web.Render(w, req, dutyPage(v))
}

// shownDays is how many days the page of a roster shows.
const shownDays = 14

// rosterView is the page of one roster.
type rosterView struct {
	Duty
	From    Date
	Shifts  []Shown
	Gaps    []Gap
	ForMe   []Swap // requests that wait for whoever reads
	Mine    []Swap // that they have asked
	Me      string
	MayLead bool
	May     bool // change the roster itself
	Member  bool
	Needs   int // people at once
	names   crew
	now     time.Time
}

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	ro, err := r.Get(ctx, req.PathValue("slug"))
	if err != nil {
		return err
	}
	v := rosterView{May: mayChange(ctx) == nil, MayLead: r.mayLead(ctx, ro) == nil, Needs: ro.need(), now: r.o.Clock.Now()}
	if v.Duty, err = r.duty(ctx, ro); err != nil {
		return err
	}
	if v.Me, err = r.me(ctx); err != nil {
		return err
	}
	v.Member = belongs(ro, v.Me)
	rules, err := r.rules(ctx, "")
	if err != nil {
		return err
	}
	today := DateIn(v.now, rules.Zone)
	if v.From, err = day(req.FormValue("from"), today); err != nil {
		return err
	}
	s, err := r.look(ctx, ro, At(v.From, 0, rules.Zone), At(v.From.Add(shownDays), 0, rules.Zone))
	if err != nil {
		return err
	}
	v.Shifts, v.names = s.shown(), s.crew
	near, err := r.look(ctx, ro, ro.anchor(v.now, rules.Zone), v.now.Add(ahead))
	if err != nil {
		return err
	}
	for _, g := range near.gaps() {
		if g.To.After(v.now) {
			v.Gaps = append(v.Gaps, g)
		}
	}
	if v.ForMe, v.Mine, err = r.Requests(ctx, ro, v.Me); err != nil {
		return err
	}
	return web.Render(w, req, rosterPage(v))
}

// form fills the form of a roster.
func form(ro Roster) *web.Form {
	b := bodyOf(ro)
	f := web.NewForm(map[string]string{
		"slug": b.Slug, "name": b.Name, "template": b.Template, "own": b.Hours, "people": strings.Join(b.People, "\n"), "second": strings.Join(b.Second, "\n"),
		"third": strings.Join(b.Third, "\n"), "rotation": strconv.Itoa(b.Rotation), "start": b.Start, "handover": b.Handover, "lead": b.Lead, "targets": b.Targets, "work": b.Work,
		"channels": strings.Join(b.Channels, "\n"),
	})
	if b.Need > 0 {
		f.Values.Set("need", strconv.Itoa(b.Need))
	}
	return f
}

// read is the way back; what cannot be read at all is noted in the form.
func read(f *web.Form) Roster {
	number := func(name string) int {
		n, err := strconv.Atoi(f.Get(name))
		if err != nil {
			return -1
		}
		return n
	}
	b := rosterBody{
		Slug: f.Get("slug"), Name: f.Get("name"), Template: f.Get("template"), Hours: f.Get("own"), People: mails(f.Get("people")), Second: mails(f.Get("second")),
		Third: mails(f.Get("third")), Rotation: number("rotation"), Start: f.Get("start"), Handover: f.Get("handover"), Lead: strings.ToLower(f.Get("lead")), Work: f.Get("work"), Targets: strings.Join(strings.FieldsFunc(f.Get("targets"), func(r rune) bool { return r == '\n' || r == '\r' }), "; "),
	}
	if f.Get("need") != "" {
		b.Need = number("need")
	}
	for line := range strings.Lines(f.Get("channels")) {
		if line = strings.TrimSpace(line); line != "" {
			b.Channels = append(b.Channels, line)
		}
	}
	ro, err := b.roster()
	if err != nil {
		f.Take(err)
	}
	return ro
}

// formView is the form beside its choices.
type formView struct {
	Slug    string // empty: a new one
	Form    *web.Form
	Suggest []string
}

func (r *Room) showForm(w http.ResponseWriter, req *http.Request, status int, slug string, f *web.Form) error {
	people, err := r.crew(req.Context())
	if err != nil {
		return err
	}
	v := formView{Slug: slug, Form: f}
	for mail, p := range people {
		if !p.Blocked {
			v.Suggest = append(v.Suggest, mail)
		}
	}
	return web.RenderStatus(w, req, status, formPage(v))
}

func (r *Room) pageNew(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	rules, err := r.rules(ctx, "")
	if err != nil {
		return err
	}
	start := DateIn(r.o.Clock.Now(), rules.Zone)
	for start.Weekday() != time.Monday {
		start = start.Add(1)
	}
	f := form(Roster{Plan: Plan{Template: Essen, Every: 7, Start: start}})
	f.Values.Set("handover", "")
	return r.showForm(w, req, http.StatusOK, "", f)
}

func (r *Room) pageEdit(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	ro, err := r.Get(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	f := form(ro)
	f.Locked = ro.Declared
	return r.showForm(w, req, http.StatusOK, ro.Slug, f)
}

func (r *Room) postNew(w http.ResponseWriter, req *http.Request) error {
	return r.save(w, req, "")
}

func (r *Room) postEdit(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	ro, err := r.Get(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	if ro.Declared {
		return errDeclared
	}
	return r.save(w, req, ro.Slug)
}

func (r *Room) save(w http.ResponseWriter, req *http.Request, slug string) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	ro := read(f)
	if ro.Slug = slug; slug == "" {
		if ro.Slug = f.Get("slug"); ro.Slug == "" {
			ro.Slug = SlugFor(ro.Name)
		}
	}
	if f.OK() {
		err := r.Save(ctx, ro, slug == "")
		if err == nil {
			return web.SeeOther(w, req, "/roster/"+ro.Slug)
		}
		if !f.Take(err) {
			return err
		}
	}
	return r.showForm(w, req, http.StatusUnprocessableEntity, slug, f)
}

func (r *Room) pageRemove(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	ro, err := r.Get(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	if ro.Declared {
		return errDeclared
	}
	return web.Render(w, req, removePage(ro))
}

func (r *Room) postRemove(w http.ResponseWriter, req *http.Request) error {
	if err := r.Remove(req.Context(), req.PathValue("slug")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/roster")
}

func (r *Room) pageFigures(w http.ResponseWriter, req *http.Request) error {
	year, err := strconv.Atoi(req.FormValue("year"))
	if err != nil {
		year = r.o.Clock.Now().Year()
	}
	f, err := r.Figures(req.Context(), req.PathValue("slug"), year)
	if err != nil {
		return err
	}
	return web.Render(w, req, figuresPage(f))
}

// historyView is what was changed in a roster.
type historyView struct {
	Roster    Roster
	Overrides []Override
	Swaps     []Swap
	Imports   []Import
	MayLead   bool
	imported  map[string]bool // overrides that an import laid
	names     crew
	now       time.Time
}

func (r *Room) pageHistory(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	v := historyView{now: r.o.Clock.Now()}
	var err error
	if v.Roster, err = r.Get(ctx, req.PathValue("slug")); err != nil {
		return err
	}
	v.MayLead = r.mayLead(ctx, v.Roster) == nil
	if v.Overrides, err = r.Overrides(ctx, v.Roster.Slug, historyLength); err != nil {
		return err
	}
	if v.Swaps, err = r.Swaps(ctx, v.Roster.Slug, historyLength); err != nil {
		return err
	}
	if v.Imports, err = r.Imports(ctx, v.Roster.Slug); err != nil {
		return err
	}
	if v.imported, err = r.imported(ctx, v.Roster.Slug, v.Overrides); err != nil {
		return err
	}
	if v.names, err = r.crew(ctx); err != nil {
		return err
	}
	return web.Render(w, req, historyPage(v))
}

func (r *Room) postUndo(w http.ResponseWriter, req *http.Request) error {
	if err := r.Undo(req.Context(), req.PathValue("slug"), req.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/roster/"+req.PathValue("slug")+"/history")
}

// actView is a form about one shift.
type actView struct {
	Roster Roster
	Form   *web.Form
	People []web.Option
	Give   []web.Option
	Take   []web.Option
	Lines  []web.Option
}

// localTime is how a browser writes date and time into a form.
const localTime = "2006-01-02T15:04"

// mayAct is the right to begin a change of who is on duty.
func (r *Room) mayAct(ctx context.Context, slug string) (Roster, error) {
	ro, err := r.Get(ctx, slug)
	if err != nil {
		return ro, err
	}
	err = r.mayLead(ctx, ro)
	if me, merr := r.me(ctx); err != nil && merr == nil && me != "" && belongs(ro, me) {
		return ro, nil
	}
	return ro, err
}

func (r *Room) pageCover(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	ro, err := r.mayAct(ctx, req.PathValue("slug"))
	if err != nil {
		return err
	}
	f := web.NewForm(map[string]string{"line": "1"})
	if line, at, ok := parseKey(req.FormValue("shift")); ok {
		zone := i18n.Of(ctx).Zone
		f = web.NewForm(map[string]string{"line": strconv.Itoa(line + 1), "from": at.From.In(zone).Format(localTime), "until": at.To.In(zone).Format(localTime)})
	}
	return r.showCover(w, req, http.StatusOK, ro, f)
}

func (r *Room) showCover(w http.ResponseWriter, req *http.Request, status int, ro Roster, f *web.Form) error {
	ctx := req.Context()
	people, err := r.crew(ctx)
	if err != nil {
		return err
	}
	v := actView{Roster: ro, Form: f}
	if r.mayLead(ctx, ro) == nil {
		first := ro.Plan.people()
		for _, mail := range first {
			if _, fit := people.fit(mail); fit {
				v.People = append(v.People, web.Option{Value: mail, Text: people.name(mail)})
			}
		}
		for _, p := range people.sorted() {
			if _, fit := people.fit(p.Email); fit && !belongs(ro, p.Email) {
				v.People = append(v.People, web.Option{Value: p.Email, Text: p.Name})
			}
		}
		v.People = append(v.People, web.Option{Value: "", Text: i18n.T(ctx, "roster.nobody_choice")})
	} else if me, err := r.me(ctx); err == nil {
		v.People = []web.Option{{Value: me, Text: people.name(me)}}
	}
	for i := range ro.Plan.Lines {
		v.Lines = append(v.Lines, web.Option{Value: strconv.Itoa(i + 1), Text: i18n.T(ctx, "roster.line", i+1)})
	}
	return web.RenderStatus(w, req, status, coverPage(v))
}

func (r *Room) postCover(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	ro, err := r.mayAct(ctx, req.PathValue("slug"))
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	zone := i18n.Of(ctx).Zone
	moment := func(field string) time.Time {
		t, err := time.Parse(localTime, f.Get(field))
		if err != nil {
			f.Fail(field, "roster.bad_moment")
			return time.Time{}
		}
		return At(dateOf(t), t.Hour()*60+t.Minute(), zone)
	}
	o := Override{Roster: ro.Slug, From: moment("from"), To: moment("until"), Person: f.Get("person"), Note: f.Get("note")}
	line, _ := strconv.Atoi(f.Get("line"))
	o.Line = max(line, 1) - 1
	if f.OK() {
		_, err := r.Cover(ctx, o)
		if err == nil {
			return web.SeeOther(w, req, "/roster/"+ro.Slug)
		}
		if !f.Take(err) {
			return err
		}
	}
	return r.showCover(w, req, http.StatusUnprocessableEntity, ro, f)
}

func (r *Room) pageSwap(w http.ResponseWriter, req *http.Request) error {
	ro, err := r.mayAct(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	return r.showSwap(w, req, http.StatusOK, ro, web.NewForm(map[string]string{"give": req.FormValue("shift")}))
}

// swapAhead is how far ahead shifts are offered for a swap.
const swapAhead = 60 * 24 * time.Hour

func (r *Room) showSwap(w http.ResponseWriter, req *http.Request, status int, ro Roster, f *web.Form) error {
	ctx := req.Context()
	me, err := r.me(ctx)
	if err != nil {
		return err
	}
	now := r.o.Clock.Now()
	s, err := r.look(ctx, ro, now, now.Add(swapAhead))
	if err != nil {
		return err
	}
	v := actView{Roster: ro, Form: f, Take: []web.Option{{Value: "", Text: i18n.T(ctx, "roster.swap_nothing")}}}
	l := i18n.Of(ctx)
	for _, x := range s.shifts {
		if x.Person == me && x.From.After(now) {
			v.Give = append(v.Give, web.Option{Value: x.key(), Text: span(l, x.From, x.To)})
		}
	}
	for _, x := range s.returnsFor(me, now) {
		v.Take = append(v.Take, web.Option{Value: x.key(), Text: s.crew.name(x.Person) + ": " + span(l, x.From, x.To)})
	}
	for _, mail := range ro.Plan.people() {
		if _, fit := s.crew.fit(mail); fit && mail != me {
			v.People = append(v.People, web.Option{Value: mail, Text: s.crew.name(mail)})
		}
	}
	return web.RenderStatus(w, req, status, swapPage(v))
}

func (r *Room) postSwap(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	ro, err := r.mayAct(ctx, req.PathValue("slug"))
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	_, err = r.AskSwap(ctx, ro.Slug, f.Get("give"), f.Get("take"), f.Get("other"), f.Get("note"))
	if err == nil {
		return web.SeeOther(w, req, "/roster/"+ro.Slug)
	}
	if f.Take(err) {
		return r.showSwap(w, req, http.StatusUnprocessableEntity, ro, f)
	}
	return err
}

// daysView is the page of holidays.
type daysView struct {
	Land      string
	Year      int
	Feasts    []Feast
	Own       []Day
	Form      *web.Form
	MayChange bool
}

func (r *Room) showDays(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	ctx := req.Context()
	rules, err := r.rules(ctx, "")
	if err != nil {
		return err
	}
	v := daysView{Form: f, MayChange: mayChange(ctx) == nil, Land: rules.Calendar.land}
	if v.Year, err = strconv.Atoi(req.FormValue("year")); err != nil || v.Year < minYear || v.Year > maxYear {
		v.Year = r.o.Clock.Now().Year()
	}
	v.Feasts = rules.Calendar.Year(v.Year)
	if v.Own, err = r.Days(ctx); err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, daysPage(v))
}

func (r *Room) pageDays(w http.ResponseWriter, req *http.Request) error {
	return r.showDays(w, req, http.StatusOK, web.NewForm(nil))
}

func (r *Room) postDay(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	_, err = r.AddDay(ctx, Day{Name: f.Get("day_name"), Rule: strings.ToLower(f.Get("rule")), Half: f.Has("half", "yes")})
	if err == nil {
		return web.SeeOther(w, req, "/roster/holidays")
	}
	if f.Take(err) {
		return r.showDays(w, req, http.StatusUnprocessableEntity, f)
	}
	return err
}

func (r *Room) postDayRemove(w http.ResponseWriter, req *http.Request) error {
	if err := r.RemoveDay(req.Context(), req.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/roster/holidays")
}

// tel is a number as a tel: link takes it; what is none is empty.
func tel(number string) string {
	if strings.HasPrefix(number, "+") {
		return number
	}
	return ""
}
