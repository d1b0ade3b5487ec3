package review

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

type legalRuleBody struct {
	ID      string `json:"id"`
	Law     string `json:"law"`
	Source  string `json:"source"`
	Read    string `json:"read" doc:"Day on which the law was read"`
	Name    string `json:"name"`
	To      string `json:"to"`
	When    string `json:"when"`
	Within  int    `json:"within_hours,omitempty" doc:"Absent: months, or without delay"`
	Months  int    `json:"months,omitempty"`
	After   string `json:"after,omitempty" doc:"Begins when this rule's report was sent"`
	Country string `json:"country"`
}

type legalClockBody struct {
	ID        string     `json:"id"`
	Incident  string     `json:"incident"`
	Rule      string     `json:"rule"`
	Law       string     `json:"law"`
	Name      string     `json:"name"`
	To        string     `json:"to"`
	Aware     time.Time  `json:"aware"`
	Due       *time.Time `json:"due,omitempty" doc:"Absent: without delay"`
	State     string     `json:"state" enum:"open,met,missed,void"`
	Overdue   bool       `json:"overdue"`
	Reason    string     `json:"reason,omitempty"`
	Reference string     `json:"reference,omitempty"`
	SettledAt *time.Time `json:"settled_at,omitempty"`
}

func (r *Room) bodyOf(ctx context.Context, c Clock) legalClockBody {
	l := i18n.Of(ctx).Lang
	x, err := r.rule(c.Rule)
	if err != nil {
		x = Rule{ID: c.Rule}
	}
	return legalClockBody{
		ID: string(c.ID), Incident: string(c.Incident), Rule: c.Rule, Law: x.Law, Name: x.Say(l), To: x.Recipient(l), Aware: c.Aware,
		Due: orNil(c.Due), State: string(c.State), Overdue: c.Late(r.o.Clock.Now()), Reason: c.Reason, Reference: c.Reference, SettledAt: orNil(c.SettledAt),
	}
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type improvementBody struct {
	ID       string `json:"id"`
	Incident string `json:"incident"`
	Text     string `json:"text"`
	Owner    string `json:"owner" doc:"Mail address"`
	Due      string `json:"due" doc:"Day, 2006-01-02"`
	State    string `json:"state" enum:"open,done,dropped"`
	Result   string `json:"result,omitempty"`
}

func improvementOf(i Improvement) improvementBody {
	return improvementBody{i.ID, string(i.Incident), i.Text, i.Owner, i.Due, string(i.State), i.Result}
}

type heardBody struct {
	Audience   string `json:"audience"`
	Recipients int    `json:"recipients"`
	Accepted   int    `json:"accepted"`
}

type surveyOpinionBody struct {
	Audience string   `json:"audience" doc:"Empty: all together"`
	Answers  int      `json:"answers"`
	InTime   *float64 `json:"in_time,omitempty" doc:"Share of yes and rather yes"`
	Clear    *float64 `json:"clear,omitempty"`
	Helped   *float64 `json:"helped,omitempty"`
	Texts    []string `json:"texts" nullable:"false"`
}

type reviewBody struct {
	Incident     string              `json:"incident"`
	Detect       *float64            `json:"seconds_to_detect,omitempty"`
	First        *float64            `json:"seconds_to_first_message,omitempty" doc:"After confirmation"`
	Restore      *float64            `json:"seconds_to_restore,omitempty"`
	Kept         int                 `json:"promises_kept"`
	Missed       int                 `json:"promises_missed"`
	Audiences    []heardBody         `json:"audiences" nullable:"false"`
	Clocks       []legalClockBody    `json:"clocks" nullable:"false"`
	Improvements []improvementBody   `json:"improvements" nullable:"false"`
	Opinions     []surveyOpinionBody `json:"opinions" nullable:"false"`
}

type incidentPath struct {
	ID string `path:"id" doc:"Id of the incident"`
}

type clockStart struct {
	ID   string `path:"id"`
	Body struct {
		Rule  string    `json:"rule" doc:"Id of a rule of GET /api/v1/legal-rules"`
		Aware time.Time `json:"aware,omitzero" required:"false" doc:"When the town came to know; absent: now"`
	}
}

type clockSettle struct {
	ID   string `path:"id"`
	Body struct {
		At        time.Time `json:"at,omitzero" required:"false" doc:"When the report was sent; absent: now"`
		Reference string    `json:"reference,omitempty" maxLength:"300"`
		Reason    string    `json:"reason,omitempty" maxLength:"2000" doc:"Needed when the report is late"`
	}
}

type clockDecline struct {
	ID   string `path:"id"`
	Body struct {
		Reason string `json:"reason" maxLength:"2000"`
	}
}

type improvementAdd struct {
	ID   string `path:"id"`
	Body struct {
		Text  string `json:"text" maxLength:"8000"`
		Owner string `json:"owner"`
		Due   string `json:"due" doc:"Day, 2006-01-02"`
	}
}

type improvementClose struct {
	ID   string `path:"id"`
	Body struct {
		State  string `json:"state" enum:"done,dropped"`
		Result string `json:"result" maxLength:"300"`
	}
}

// API hangs reviews, legal clocks and improvements into /api/v1.
func (r *Room) API(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"review"}, DefaultStatus: status}
	}
	clockOne := func(ctx context.Context, c Clock, err error) (*web.One[legalClockBody], error) {
		if err != nil {
			return nil, err
		}
		return &web.One[legalClockBody]{Body: r.bodyOf(ctx, c)}, nil
	}
	web.Operation(a, op("list-legal-rules", http.MethodGet, "/legal-rules", "List the legal deadlines of the town's country", 200), scope,
		func(ctx context.Context, _ *struct{}) (*web.List[legalRuleBody], error) {
			all, err := r.Rules(ctx)
			l := i18n.Of(ctx).Lang
			items := make([]legalRuleBody, len(all))
			for i, x := range all {
				items[i] = legalRuleBody{x.ID, x.Law, x.Source, x.Read, x.Say(l), x.Recipient(l), x.Condition(l), x.Within, x.Months, x.After, x.Country}
			}
			return web.NewList(items, ""), err
		})
	web.Operation(a, op("list-clocks", http.MethodGet, "/clocks", "List the legal clocks that run", 200), scope,
		func(ctx context.Context, _ *struct{}) (*web.List[legalClockBody], error) {
			all, err := r.Clocks(ctx, "")
			items := make([]legalClockBody, len(all))
			for i, c := range all {
				items[i] = r.bodyOf(ctx, c)
			}
			return web.NewList(items, ""), err
		})
	web.Operation(a, op("get-review", http.MethodGet, "/incidents/{id}/review", "Show an incident's figures, clocks, improvements and survey", 200), scope, r.apiReview)
	web.Operation(a, op("start-clock", http.MethodPost, "/incidents/{id}/clocks", "Let a legal clock run from awareness on", 201), scope,
		func(ctx context.Context, in *clockStart) (*web.One[legalClockBody], error) {
			c, err := r.StartClock(ctx, incident.ID(in.ID), in.Body.Rule, in.Body.Aware)
			return clockOne(ctx, c, err)
		})
	web.Operation(a, op("report-clock", http.MethodPost, "/clocks/{id}/report", "End a clock by a report that was sent", 200), scope,
		func(ctx context.Context, in *clockSettle) (*web.One[legalClockBody], error) {
			c, err := r.Report(ctx, ClockID(in.ID), in.Body.At, in.Body.Reference, in.Body.Reason)
			return clockOne(ctx, c, err)
		})
	web.Operation(a, op("decline-clock", http.MethodPost, "/clocks/{id}/decline", "End a clock by the decision not to report", 200), scope,
		func(ctx context.Context, in *clockDecline) (*web.One[legalClockBody], error) {
			c, err := r.Decline(ctx, ClockID(in.ID), in.Body.Reason)
			return clockOne(ctx, c, err)
		})
	web.Operation(a, op("add-improvement", http.MethodPost, "/incidents/{id}/improvements", "Note what is to become better", 201), scope,
		func(ctx context.Context, in *improvementAdd) (*web.One[improvementBody], error) {
			i, err := r.AddImprovement(ctx, Improvement{Incident: incident.ID(in.ID), Text: in.Body.Text, Owner: in.Body.Owner, Due: in.Body.Due})
			return &web.One[improvementBody]{Body: improvementOf(i)}, err
		})
	web.Operation(a, op("close-improvement", http.MethodPost, "/improvements/{id}/close", "End an improvement as done or dropped", 200), scope,
		func(ctx context.Context, in *improvementClose) (*web.One[improvementBody], error) {
			i, err := r.CloseImprovement(ctx, in.ID, ImprovementState(in.Body.State), in.Body.Result)
			return &web.One[improvementBody]{Body: improvementOf(i)}, err
		})
}

func (r *Room) apiReview(ctx context.Context, in *incidentPath) (*web.One[reviewBody], error) {
	id := incident.ID(in.ID)
	i, err := r.o.Incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	f, err := r.Figures(ctx, i)
	if err != nil {
		return nil, err
	}
	b := reviewBody{
		Incident: in.ID, Detect: seconds(f.Detect), First: seconds(f.First), Restore: seconds(f.Restore), Kept: f.Kept, Missed: f.Missed,
		Audiences: []heardBody{}, Clocks: []legalClockBody{}, Improvements: []improvementBody{}, Opinions: []surveyOpinionBody{},
	}
	for _, h := range f.Audiences {
		b.Audiences = append(b.Audiences, heardBody{h.Audience, h.Recipients, h.Accepted})
	}
	clocks, err := r.Clocks(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, c := range clocks {
		b.Clocks = append(b.Clocks, r.bodyOf(ctx, c))
	}
	improvements, err := r.Improvements(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, x := range improvements {
		b.Improvements = append(b.Improvements, improvementOf(x))
	}
	opinions, err := r.Opinions(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, o := range opinions {
		b.Opinions = append(b.Opinions, surveyOpinionBody{o.Audience, o.Answers, known(o.InTime), known(o.Clear), known(o.Helped), append([]string{}, o.Texts...)})
	}
	return &web.One[reviewBody]{Body: b}, nil
}

func seconds(d time.Duration) *float64 {
	if d < 0 {
		return nil
	}
	s := d.Seconds()
	return &s
}

func known(share float64) *float64 {
	if share < 0 {
		return nil
	}
	return &share
}
