package monitor

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// recurring is a maintenance by rule as the page shows it.
type recurring struct {
	Recurring
	Next   Window // open or coming, when Coming
	Coming bool
	Ours   bool // announced in the console, so it can be ended there
}

// kinView is what a monitor's page shows of its surroundings.
type kinView struct {
	Parents, Children []HeldMonitor
	RuleList          []recurring
	RuleForm          *web.Form
}

// causeName is what stands behind the reason of a withheld alarm.
func (v view) causeName() string {
	h := v.Status.Held
	for _, p := range v.Parents {
		if h.Reason == HeldParent && p.Slug == h.Cause {
			return p.Title
		}
	}
	return h.Cause
}

func (r *Room) kinView(ctx context.Context, m Monitor) (v kinView, err error) {
	if v.Children, err = r.Children(ctx, m.Slug); err != nil {
		return v, err
	}
	names, err := r.names(ctx)
	if err != nil {
		return v, err
	}
	for _, p := range m.Spec.Parents {
		v.Parents = append(v.Parents, HeldMonitor{Slug: p, Title: Monitor{Slug: p, Name: names[p]}.Title()})
	}
	now := r.o.Clock.Now()
	for _, q := range m.effective().MaintenanceRules {
		next, ok := q.Next(now)
		v.RuleList = append(v.RuleList, recurring{q, next, ok, slices.Contains(m.Rules, q)})
	}
	v.RuleForm = web.NewForm(map[string]string{
		"first": now.In(i18n.Of(ctx).Zone).Format(localTime), "lasts": "1h", "every": ruleEvery[0],
	})
	return v, nil
}

// ruleEvery are the recurrences that the form offers; the last lets people
// write the rule themselves.
var ruleEvery = []string{"week", "day", "month_day", "month_weekday", "rule"}

func ruleChoices(ctx context.Context) (out []web.Option) {
	for _, k := range ruleEvery {
		out = append(out, web.Option{Value: k, Text: i18n.T(ctx, "monitor.rule_every_"+k)})
	}
	return out
}

// ruleFor is the rule behind a choice of the form, for a first time.
func ruleFor(every string, first time.Time, free string) string {
	switch every {
	case "day":
		return "FREQ=DAILY"
	case "week":
		return "FREQ=WEEKLY"
	case "month_day":
		return "FREQ=MONTHLY"
	case "month_weekday":
		day := []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}[first.Weekday()]
		return "FREQ=MONTHLY;BYDAY=" + string(rune('1'+(first.Day()-1)/7)) + day
	}
	return free
}

// ruleSay is a rule in words, where it is one of the usual; else as it is
// written.
func ruleSay(ctx context.Context, q Recurring) string {
	first, err := time.Parse(CivilTime, q.First)
	if err != nil {
		return q.Rule
	}
	rule := q.Rule
	for _, k := range ruleEvery[:4] {
		if q.Rule == ruleFor(k, first, "") {
			rule = i18n.T(ctx, "monitor.rule_every_"+k)
		}
	}
	return i18n.T(ctx, "monitor.rule_say", rule, first.Format("15:04"), i18n.Of(ctx).Span(q.Lasts.D()))
}

func (r *Room) postRule(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayOperate(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	slug := req.PathValue("slug")
	first, err := time.Parse(localTime, f.Get("first"))
	if err != nil {
		f.Fail("first", ProblemRuleFirst)
	}
	if f.OK() {
		err := r.MaintainByRule(ctx, slug, Recurring{
			Rule: ruleFor(f.Get("every"), first, f.Get("rule")), First: f.Get("first"), Lasts: readSpan(f, "lasts"), Reason: f.Get("reason"),
		})
		if err == nil {
			return web.SeeOther(w, req, "/monitor/"+slug+"?said=maintenance")
		}
		if !f.Take(err) {
			return err
		}
	}
	v, err := r.view(ctx, slug, RangeDay)
	if err != nil {
		return err
	}
	v.RuleForm = f
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, onePage(v))
}

func (r *Room) postRuleEnd(w http.ResponseWriter, req *http.Request) error {
	slug := req.PathValue("slug")
	if err := r.EndRule(req.Context(), slug, req.FormValue("rule"), req.FormValue("first")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/monitor/"+slug+"#maintenance")
}

// fillStates shows in the form what decides about the states.
func fillStates(f *web.Form, s Spec) {
	f.Values.Set("parents", strings.Join(s.Parents, ", "))
	f.Values.Set("degraded.within", spanText(s.Degraded.Within.D()))
}

// readStates puts what was typed about the states over the old spec.
func readStates(f *web.Form, s *Spec) {
	s.Parents = strings.FieldsFunc(f.Get("parents"), func(c rune) bool { return c == ',' || c == ';' || c == ' ' })
	if s.Kind != Heartbeat {
		s.Degraded.Within = readSpan(f, "degraded.within")
	}
}
