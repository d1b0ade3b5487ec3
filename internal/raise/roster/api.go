package roster

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// rosterBody is a roster as the API speaks of it; the same names stand in the
// form and in tuermer.yaml.
type rosterBody struct {
	Slug     string   `json:"slug" required:"false" doc:"Made of the name when it is left out"`
	Name     string   `json:"name"`
	Template string   `json:"template" required:"false" doc:"essen, immer, buero or eigene; eigene needs hours"`
	Hours    string   `json:"hours,omitempty" doc:"Own hours: Mo-Fr 7-22; Sa, So, Feiertag 9-17"`
	People   []string `json:"people" required:"false" nullable:"true" doc:"Mail addresses of those who take turns, in their order"`
	Second   []string `json:"second,omitempty" nullable:"true" doc:"The second line of duty"`
	Third    []string `json:"third,omitempty" nullable:"true" doc:"The third line of duty"`
	Rotation int      `json:"rotation" required:"false" doc:"Days of a turn: 1 daily, 7 weekly"`
	Start    string   `json:"start" required:"false" doc:"First day, as 2027-01-04"`
	Handover string   `json:"handover" required:"false" doc:"Time of day at which a turn ends, as 08:00"`
	Lead     string   `json:"lead,omitempty" doc:"Mail address of who hears of gaps"`
	Need     int      `json:"need,omitempty" doc:"People who are to be on duty at once; 0: one for each line"`
	Targets  string   `json:"targets,omitempty" doc:"Hours in which it is another number: Mo-Fr 8-16 = 2; Sa 9-13 = 3"`
	Work     string   `json:"work,omitempty" doc:"Ordinary working hours of its people, out of which an alarm is a call-out; left out: Mo-Fr 8-16"`
	Channels []string `json:"channels,omitempty" nullable:"true" doc:"Ways that this roster looks after"`
	Declared bool     `json:"declared" readOnly:"true" required:"false" doc:"Stands in tuermer.yaml and is changed there"`
}

func bodyOf(ro Roster) rosterBody {
	line := func(i int) []string {
		if i < len(ro.Plan.Lines) {
			return ro.Plan.Lines[i]
		}
		return nil
	}
	return rosterBody{
		Slug: ro.Slug, Name: ro.Name, Template: string(ro.Plan.Template), Hours: ro.Plan.Own, People: append([]string{}, line(0)...), Second: line(1), Third: line(2),
		Rotation: ro.Plan.Every, Start: ro.Plan.Start.String(), Handover: clockText(ro.Plan.Handover), Lead: ro.Lead, Need: ro.Need, Targets: ro.Targets, Work: ro.Work, Channels: ro.Channels, Declared: ro.Declared,
	}
}

func (b rosterBody) roster() (Roster, error) {
	bad := fault.New(fault.Invalid, "roster.invalid")
	start, ok := ParseDate(b.Start)
	if !ok {
		return Roster{}, bad.Field("start", "roster.bad_start")
	}
	ro := Roster{
		Slug: b.Slug, Name: b.Name, Lead: b.Lead, Need: b.Need, Targets: strings.TrimSpace(b.Targets), Work: strings.TrimSpace(b.Work), Channels: b.Channels,
		Plan: Plan{Template: Template(b.Template), Own: b.Hours, Lines: [][]string{b.People}, Every: b.Rotation, Start: start, Handover: Handover(Template(b.Template))},
	}
	if ro.Plan.Every == 0 {
		ro.Plan.Every = 7
	}
	if ro.Plan.Template != Own {
		ro.Plan.Own = ""
	}
	if b.Handover != "" {
		if ro.Plan.Handover, ok = parseClock(b.Handover); !ok {
			return ro, bad.Field("handover", "roster.bad_handover")
		}
	}
	for _, more := range [][]string{b.Second, b.Third} {
		if len(more) > 0 {
			ro.Plan.Lines = append(ro.Plan.Lines, more)
		}
	}
	return ro, nil
}

// overrideBody is somebody who stands in, for programs.
type overrideBody struct {
	ID       string     `json:"id" readOnly:"true"`
	Line     int        `json:"line" required:"false" doc:"Line of duty, from 1"`
	From     time.Time  `json:"from"`
	To       time.Time  `json:"to"`
	Person   string     `json:"person" required:"false" doc:"Mail address; empty: nobody is on duty"`
	Note     string     `json:"note,omitempty"`
	Swap     string     `json:"swap,omitempty" readOnly:"true"`
	By       string     `json:"by,omitempty" readOnly:"true"`
	UndoneAt *time.Time `json:"undone_at,omitempty" readOnly:"true"`
}

func overrideBodyOf(o Override) overrideBody {
	b := overrideBody{ID: o.ID, Line: o.Line + 1, From: o.From, To: o.To, Person: o.Person, Note: o.Note, Swap: o.Swap, By: o.ByName}
	if !o.UndoneAt.IsZero() {
		b.UndoneAt = &o.UndoneAt
	}
	return b
}

// swapBody is a swap, for programs.
type swapBody struct {
	ID       string     `json:"id"`
	Asker    string     `json:"asker"`
	Other    string     `json:"other"`
	GiveFrom time.Time  `json:"give_from"`
	GiveTo   time.Time  `json:"give_to"`
	TakeFrom *time.Time `json:"take_from,omitempty"`
	TakeTo   *time.Time `json:"take_to,omitempty"`
	Note     string     `json:"note,omitempty"`
	State    SwapState  `json:"state" doc:"asked, accepted, declined, withdrawn or undone"`
	AskedAt  time.Time  `json:"asked_at"`
}

func swapBodyOf(s Swap) swapBody {
	b := swapBody{ID: s.ID, Asker: s.Asker, Other: s.Other, GiveFrom: s.Give.From, GiveTo: s.Give.To, Note: s.Note, State: s.State, AskedAt: s.AskedAt}
	if s.Mutual() {
		b.TakeFrom, b.TakeTo = &s.Take.From, &s.Take.To
	}
	return b
}

type dutyBody struct {
	Roster string      `json:"roster"`
	Name   string      `json:"name"`
	Now    []ShiftBody `json:"now"`
	Next   []ShiftBody `json:"next"`
	Gap    bool        `json:"gap" doc:"Right now fewer people are on duty than should be"`
}

type ownDayBody struct {
	ID       string `json:"id" readOnly:"true"`
	Name     string `json:"name"`
	Day      string `json:"day" doc:"08-08 every year, 2027-06-14 once, ostern+60 days after Easter Sunday"`
	Half     bool   `json:"half" required:"false" doc:"From noon"`
	Declared bool   `json:"declared" readOnly:"true" required:"false"`
}

type rosterFiguresBody struct {
	Coverage RosterCoverageBody `json:"coverage"`
	Points   int                `json:"quality" doc:"Of 100"`
	Need     [][]int            `json:"need" doc:"Soll: per weekday from Monday and hour of the clock, how many people should be on duty at once in the next four weeks"`
	Have     [][]int            `json:"have" doc:"Ist: how many are, where most are missing"`
	Heat     [][]int            `json:"heat" doc:"Per weekday from Monday and hour of the clock: percent of the next four weeks in which enough people are on duty"`
	Loads    []loadBody         `json:"loads"`
}

type loadBody struct {
	Person   string  `json:"person"`
	Hours    float64 `json:"hours"`
	Shifts   int     `json:"shifts"`
	Nights   int     `json:"nights"`
	Weekends int     `json:"weekends"`
	Holidays int     `json:"holidays"`
}

type feedBody struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Person string `json:"person,omitempty" doc:"Whose shifts alone it shows"`
	URL    string `json:"url,omitempty" doc:"Told once, when it is made"`
}

// BySlug names a roster in an address.
type BySlug struct {
	Slug string `path:"slug"`
}

type shiftsInput struct {
	BySlug
	From string `query:"from" doc:"First day, as 2027-05-24; left out: today"`
	To   string `query:"to" doc:"Day before which it ends; left out: a week later"`
}

type coverageInput struct {
	BySlug
	Land string `query:"land" doc:"Two letters; left out: the town's"`
	Year int    `query:"year" doc:"Left out: the present one"`
}

// API hangs the rosters into /api/v1.
func (r *Room) API(a *web.API) {
	const scope = "people"
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"rosters"}}
	}
	gone := func(o huma.Operation) huma.Operation { o.DefaultStatus = http.StatusNoContent; return o }
	made := func(o huma.Operation) huma.Operation { o.DefaultStatus = http.StatusCreated; return o }
	web.Operation(a, op("list-rosters", http.MethodGet, "/rosters", "List the duty rosters"), scope, r.apiList)
	web.Operation(a, op("get-roster", http.MethodGet, "/rosters/{slug}", "Show one roster"), scope, r.apiGet)
	web.Operation(a, made(op("create-roster", http.MethodPost, "/rosters", "Create a roster")), scope, func(ctx context.Context, in *struct{ Body rosterBody }) (*web.One[rosterBody], error) {
		return r.apiSave(ctx, in.Body, true)
	})
	web.Operation(a, op("save-roster", http.MethodPut, "/rosters/{slug}", "Change a roster as a whole; what was stays"), scope, func(ctx context.Context, in *struct {
		BySlug
		Body rosterBody
	},
	) (*web.One[rosterBody], error) {
		in.Body.Slug = in.Slug
		return r.apiSave(ctx, in.Body, false)
	})
	web.Operation(a, gone(op("remove-roster", http.MethodDelete, "/rosters/{slug}", "Delete a roster")), scope, func(ctx context.Context, in *BySlug) (*struct{}, error) {
		return nil, r.Remove(ctx, in.Slug)
	})
	web.Operation(a, op("list-shifts", http.MethodGet, "/rosters/{slug}/shifts", "Who is on duty when"), scope, r.apiShifts)
	web.Operation(a, op("get-duty", http.MethodGet, "/duty", "Who is on duty now, and who comes next"), scope, r.apiDuty)
	r.apiCallouts(a, op)
	r.apiHooks(a, op)
	r.apiImports(a, op)
	web.Operation(a, op("list-duty-reach", http.MethodGet, "/duty/reach", "Which roster and which channel is reachable when, and how many people of how many"), scope, r.apiBoards)
	web.Operation(a, op("get-roster-coverage", http.MethodGet, "/rosters/{slug}/coverage", "Which part of the time a roster covers"), scope, r.apiCoverage)
	web.Operation(a, op("get-roster-figures", http.MethodGet, "/rosters/{slug}/figures", "Heat map, quality and what the plan asks of each person"), scope, r.apiFigures)
	web.Operation(a, op("list-overrides", http.MethodGet, "/rosters/{slug}/overrides", "The newest overrides"), scope, func(ctx context.Context, in *BySlug) (*web.List[overrideBody], error) {
		if _, err := r.Get(ctx, in.Slug); err != nil {
			return nil, err
		}
		all, err := r.Overrides(ctx, in.Slug, historyLength)
		return web.NewList(each(all, overrideBodyOf), ""), err
	})
	web.Operation(a, made(op("create-override", http.MethodPost, "/rosters/{slug}/overrides", "Put somebody on duty for a while, or nobody")), scope, r.apiCover)
	web.Operation(a, gone(op("undo-override", http.MethodDelete, "/rosters/{slug}/overrides/{id}", "Take an override back")), scope, func(ctx context.Context, in *struct {
		BySlug
		ID string `path:"id"`
	},
	) (*struct{}, error) {
		return nil, r.Undo(ctx, in.Slug, in.ID)
	})
	web.Operation(a, op("list-swaps", http.MethodGet, "/rosters/{slug}/swaps", "The newest swaps"), scope, func(ctx context.Context, in *BySlug) (*web.List[swapBody], error) {
		if _, err := r.Get(ctx, in.Slug); err != nil {
			return nil, err
		}
		all, err := r.Swaps(ctx, in.Slug, historyLength)
		return web.NewList(each(all, swapBodyOf), ""), err
	})
	web.Operation(a, made(op("ask-swap", http.MethodPost, "/rosters/{slug}/swaps", "Ask another person to take a shift of yours")), scope, func(ctx context.Context, in *struct {
		BySlug
		Body struct {
			Give  string `json:"give" doc:"Key of your shift"`
			Take  string `json:"take,omitempty" doc:"Key of a shift of theirs; empty: nothing in return"`
			Other string `json:"other" doc:"Mail address"`
			Note  string `json:"note,omitempty"`
		}
	},
	) (*web.One[swapBody], error) {
		s, err := r.AskSwap(ctx, in.Slug, in.Body.Give, in.Body.Take, in.Body.Other, in.Body.Note)
		if err != nil {
			return nil, err
		}
		return &web.One[swapBody]{Body: swapBodyOf(s)}, nil
	})
	for _, x := range answers {
		web.Operation(a, gone(op(x.verb+"-swap", http.MethodPost, "/rosters/{slug}/swaps/{id}/"+x.verb, "Answer a request to swap: "+x.verb)), scope, func(ctx context.Context, in *struct {
			BySlug
			ID string `path:"id"`
		},
		) (*struct{}, error) {
			return nil, r.AnswerSwap(ctx, in.Slug, in.ID, x.state)
		})
	}
	web.Operation(a, op("list-feeds", http.MethodGet, "/rosters/{slug}/feeds", "The calendar links that work"), scope, func(ctx context.Context, in *BySlug) (*web.List[feedBody], error) {
		if _, err := r.mayAct(ctx, in.Slug); err != nil {
			return nil, err
		}
		all, err := r.Feeds(ctx, in.Slug)
		return web.NewList(each(all, func(f Feed) feedBody { return feedBody{f.ID, f.Name, f.Person, ""} }), ""), err
	})
	web.Operation(a, made(op("make-feed", http.MethodPost, "/rosters/{slug}/feeds", "Make a calendar link; its address is told this once")), scope, func(ctx context.Context, in *struct {
		BySlug
		Body struct {
			Name string `json:"name"`
			Mine bool   `json:"mine,omitempty" doc:"Only the shifts of whoever asks"`
		}
	},
	) (*web.One[feedBody], error) {
		f, url, err := r.MakeFeed(ctx, in.Slug, in.Body.Name, in.Body.Mine)
		if err != nil {
			return nil, err
		}
		return &web.One[feedBody]{Body: feedBody{f.ID, f.Name, f.Person, url}}, nil
	})
	web.Operation(a, gone(op("revoke-feed", http.MethodDelete, "/rosters/{slug}/feeds/{id}", "Revoke a calendar link")), scope, func(ctx context.Context, in *struct {
		BySlug
		ID string `path:"id"`
	},
	) (*struct{}, error) {
		return nil, r.RevokeFeed(ctx, in.Slug, in.ID)
	})
	web.Operation(a, op("list-holidays", http.MethodGet, "/holidays", "The town's own days"), scope, func(ctx context.Context, _ *struct{}) (*web.List[ownDayBody], error) {
		all, err := r.Days(ctx)
		return web.NewList(each(all, dayBodyOf), ""), err
	})
	web.Operation(a, made(op("add-holiday", http.MethodPost, "/holidays", "Add a day of the town's own")), scope, func(ctx context.Context, in *struct{ Body ownDayBody }) (*web.One[ownDayBody], error) {
		d, err := r.AddDay(ctx, Day{Name: in.Body.Name, Rule: in.Body.Day, Half: in.Body.Half})
		if err != nil {
			return nil, err
		}
		return &web.One[ownDayBody]{Body: dayBodyOf(d)}, nil
	})
	web.Operation(a, gone(op("remove-holiday", http.MethodDelete, "/holidays/{id}", "Take a day of the town's own away")), scope, func(ctx context.Context, in *struct {
		ID string `path:"id"`
	},
	) (*struct{}, error) {
		return nil, r.RemoveDay(ctx, in.ID)
	})
}

// answers to a request to swap.
var answers = []struct {
	verb  string
	state SwapState
}{{"accept", Accepted}, {"decline", Declined}, {"withdraw", Withdrawn}}

// historyLength is how many overrides and swaps are listed.
const historyLength = 100

func each[A, B any](all []A, fn func(A) B) []B {
	out := make([]B, len(all))
	for i, x := range all {
		out[i] = fn(x)
	}
	return out
}

func dayBodyOf(d Day) ownDayBody { return ownDayBody{d.ID, d.Name, d.Rule, d.Half, d.Declared} }

func (r *Room) apiList(ctx context.Context, in *web.Paging) (*web.List[rosterBody], error) {
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	from := 0
	if i := slices.IndexFunc(all, func(o Roster) bool { return o.Slug == in.After }); i >= 0 {
		from = i + 1
	}
	next, part := "", all[from:]
	if len(part) > in.Limit {
		part = part[:in.Limit]
		next = part[len(part)-1].Slug
	}
	return web.NewList(each(part, bodyOf), next), nil
}

func (r *Room) apiGet(ctx context.Context, in *BySlug) (*web.One[rosterBody], error) {
	ro, err := r.Get(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	return &web.One[rosterBody]{Body: bodyOf(ro)}, nil
}

func (r *Room) apiSave(ctx context.Context, b rosterBody, fresh bool) (*web.One[rosterBody], error) {
	if err := mayChange(ctx); err != nil {
		return nil, err
	}
	if !fresh {
		if _, err := r.Get(ctx, b.Slug); err != nil {
			return nil, err
		}
	}
	if b.Slug == "" {
		b.Slug = SlugFor(b.Name)
	}
	ro, err := b.roster()
	if err != nil {
		return nil, err
	}
	if err := r.Save(ctx, ro, fresh); err != nil {
		return nil, err
	}
	return r.apiGet(ctx, &BySlug{ro.Slug})
}

// day reads a day of a query, or takes another.
func day(s string, otherwise Date) (Date, error) {
	if s == "" {
		return otherwise, nil
	}
	d, ok := ParseDate(s)
	if !ok {
		return d, fault.New(fault.Invalid, "roster.bad_start")
	}
	return d, nil
}

func (r *Room) apiShifts(ctx context.Context, in *shiftsInput) (*web.List[ShiftBody], error) {
	rules, err := r.rules(ctx, "")
	if err != nil {
		return nil, err
	}
	from, err := day(in.From, DateIn(r.o.Clock.Now(), rules.Zone))
	if err != nil {
		return nil, err
	}
	to, err := day(in.To, from.Add(7))
	if err != nil {
		return nil, err
	}
	_, all, err := r.Show(ctx, in.Slug, from, to)
	if err != nil {
		return nil, err
	}
	return web.NewList(ShiftBodies(all), ""), nil
}

func (r *Room) apiDuty(ctx context.Context, _ *struct{}) (*web.List[dutyBody], error) {
	all, err := r.Duties(ctx)
	return web.NewList(each(all, func(d Duty) dutyBody {
		return dutyBody{d.Roster.Slug, d.Roster.Name, ShiftBodies(d.Now), ShiftBodies(d.Next), d.Gap != nil}
	}), ""), err
}

func (r *Room) apiCoverage(ctx context.Context, in *coverageInput) (*web.One[RosterCoverageBody], error) {
	c, err := r.Coverage(ctx, in.Slug, in.Land, r.year(in.Year))
	if err != nil {
		return nil, err
	}
	return &web.One[RosterCoverageBody]{Body: CoverageBody(c)}, nil
}

func (r *Room) year(asked int) int {
	if asked == 0 {
		return r.o.Clock.Now().Year()
	}
	return asked
}

func (r *Room) apiFigures(ctx context.Context, in *coverageInput) (*web.One[rosterFiguresBody], error) {
	f, err := r.Figures(ctx, in.Slug, r.year(in.Year))
	if err != nil {
		return nil, err
	}
	b := rosterFiguresBody{Coverage: CoverageBody(f.Coverage), Points: f.Quality.Points, Loads: each(f.Loads, func(l Load) loadBody {
		return loadBody{l.Person, l.Hours, l.Shifts, l.Nights, l.Weekends, l.Holidays}
	})}
	b.Heat, b.Need, b.Have = f.Heat.rows(), f.Staff.rows(func(s Staffing) int { return s.Need }), f.Staff.rows(func(s Staffing) int { return s.Have })
	return &web.One[rosterFiguresBody]{Body: b}, nil
}

func (r *Room) apiCover(ctx context.Context, in *struct {
	BySlug
	Body overrideBody
},
) (*web.One[overrideBody], error) {
	o, err := r.Cover(ctx, Override{
		Roster: in.Slug, Line: max(1, in.Body.Line) - 1, From: in.Body.From.UTC().Truncate(time.Millisecond), To: in.Body.To.UTC().Truncate(time.Millisecond), Person: in.Body.Person, Note: in.Body.Note,
	})
	if err != nil {
		return nil, err
	}
	return &web.One[overrideBody]{Body: overrideBodyOf(o)}, nil
}
