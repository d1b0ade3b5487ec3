package desk

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
)

// clockForm is how a browser writes a time of day.
const clockForm = "15:04"

func minutesOf(s string) (int, bool) {
	t, err := time.Parse(clockForm, s)
	return t.Hour()*60 + t.Minute(), err == nil
}

func clockOf(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

// week is the days in the order in which people name them.
var week = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday}

// quietForm shows quiet hours in a form; where there are none, the usual night.
func quietForm(q identity.Quiet) *web.Form {
	if !q.On() {
		q = identity.Quiet{From: 20 * 60, To: 7 * 60, Days: week}
	}
	f := web.NewForm(map[string]string{"quiet_from": clockOf(q.From), "quiet_to": clockOf(q.To)})
	for _, d := range q.Days {
		f.Values.Add("quiet_days", strconv.Itoa(int(d)))
	}
	return f
}

func weekOptions(ctx context.Context) []web.Option {
	out := make([]web.Option, len(week))
	for i, d := range week {
		out[i] = web.Option{Value: strconv.Itoa(int(d)), Text: i18n.T(ctx, "desk.weekday_"+strconv.Itoa(int(d)))}
	}
	return out
}

// quietSay says which quiet hours apply.
func quietSay(ctx context.Context, q identity.Quiet) string {
	if !q.On() {
		return i18n.T(ctx, "desk.quiet_none")
	}
	return i18n.T(ctx, "desk.quiet_say", clockOf(q.From), clockOf(q.To))
}

func (d *Desk) postReachQuiet(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	f, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	var q identity.Quiet
	if f.Get("do") != "off" {
		var ok1, ok2 bool
		q.From, ok1 = minutesOf(f.Get("quiet_from"))
		q.To, ok2 = minutesOf(f.Get("quiet_to"))
		for _, s := range f.All("quiet_days") {
			day, err := strconv.Atoi(s)
			if err != nil {
				day = -1 // refused, in words
			}
			q.Days = append(q.Days, time.Weekday(day))
		}
		if !ok1 || !ok2 || len(q.Days) == 0 {
			f.Fail("quiet_from", "identity.bad_quiet")
		}
	}
	if f.OK() {
		err := d.o.Identity.KeepQuiet(ctx, q)
		if err == nil {
			d.o.Channel.Reconsider()
			return web.SeeOther(w, r, reachPath+"#quiet-h")
		}
		if !f.Take(err) {
			return err
		}
	}
	v, err := d.reach(ctx)
	if err != nil {
		return err
	}
	v.QuietForm = f
	return web.RenderStatus(w, r, http.StatusUnprocessableEntity, reachPage(v))
}

type reachQuietBody struct {
	From string `json:"from,omitempty" doc:"By the clock of the town: 22:00"`
	To   string `json:"to,omitempty" doc:"Not later than from: on the next day"`
	Days []int  `json:"days" doc:"On which it begins, 0 is Sunday; none: there are no quiet hours"`
}

type reachQuietInput struct{ Body reachQuietBody }

func (d *Desk) reachQuietAPI(a *web.API) {
	web.Operation(a, huma.Operation{OperationID: "get-own-quiet-hours", Method: http.MethodGet, Path: "/api/v1/reach/quiet", Summary: "The own quiet hours, in which nothing comes that can wait; alarms always do", Tags: []string{"people"}}, "people",
		func(ctx context.Context, _ *struct{}) (*web.One[reachQuietBody], error) { return d.apiQuiet(ctx) })
	web.Operation(a, huma.Operation{OperationID: "set-own-quiet-hours", Method: http.MethodPut, Path: "/api/v1/reach/quiet", Summary: "Set the own quiet hours", Tags: []string{"people"}}, "people",
		func(ctx context.Context, in *reachQuietInput) (*web.One[reachQuietBody], error) {
			var q identity.Quiet
			if len(in.Body.Days) > 0 {
				var ok1, ok2 bool
				q.From, ok1 = minutesOf(in.Body.From)
				q.To, ok2 = minutesOf(in.Body.To)
				if !ok1 || !ok2 {
					return nil, identity.ErrQuiet
				}
			}
			for _, day := range in.Body.Days {
				q.Days = append(q.Days, time.Weekday(day))
			}
			if err := d.o.Identity.KeepQuiet(ctx, q); err != nil {
				return nil, err
			}
			d.o.Channel.Reconsider()
			return d.apiQuiet(ctx)
		})
}

func (d *Desk) apiQuiet(ctx context.Context) (*web.One[reachQuietBody], error) {
	v, err := d.reach(ctx)
	if err != nil {
		return nil, err
	}
	b := reachQuietBody{Days: []int{}}
	if v.Quiet.On() {
		b.From, b.To = clockOf(v.Quiet.From), clockOf(v.Quiet.To)
	}
	for _, day := range v.Quiet.Days {
		b.Days = append(b.Days, int(day))
	}
	return &web.One[reachQuietBody]{Body: b}, nil
}
