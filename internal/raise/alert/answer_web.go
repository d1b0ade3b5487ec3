package alert

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// answerRoutes are the acts beside taking and closing.
func (r *Room) answerRoutes(s *web.Site) {
	for _, v := range []Verb{Refuse, PutOff, GiveOn} {
		s.Handle("POST /alert/{id}/"+string(v), web.Staff(func(w http.ResponseWriter, req *http.Request) error {
			return r.postAnswer(w, req, v)
		}))
	}
}

func (r *Room) postAnswer(w http.ResponseWriter, req *http.Request, v Verb) error {
	ctx, id := req.Context(), ID(req.PathValue("id"))
	if !ident.ActorOf(ctx).Has(mayAct...) {
		return ErrForbidden
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if err := r.answerForm(ctx, id, v, f); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/alert/"+url.PathEscape(string(id)))
}

// answerForm does what a form asks for.
func (r *Room) answerForm(ctx context.Context, id ID, v Verb, f *web.Form) (err error) {
	switch v {
	case Nothing, Take:
		_, err = r.Acknowledge(ctx, id)
	case Refuse:
		_, err = r.Decline(ctx, id)
	case PutOff:
		n, bad := strconv.Atoi(f.Get("minutes"))
		if bad != nil {
			n = 0 // refused, in words
		}
		_, err = r.Snooze(ctx, id, time.Duration(n)*time.Minute)
	case GiveOn:
		_, err = r.HandOn(ctx, id, identity.PersonID(f.Get("to")))
	default:
		err = ErrNoAnswer
	}
	return err
}

// answerView is what the page and the link offer beside taking it.
type answerView struct {
	Form    *web.Form
	Told    bool // the reader was called and may decline
	No      bool // and has
	Missing bool // the reader must still confirm
	Until   time.Time
	By      string
	People  []web.Option
	Minutes []web.Option
}

// snoozes are the offered spans, in minutes.
var snoozes = []int{15, 30, 60, 240}

func (r *Room) answerView(ctx context.Context, a Alert) (v answerView, err error) {
	v.Form = web.NewForm(nil)
	if a.State == StateClosed {
		return v, nil
	}
	db, tenant, me := r.o.Store.Read(ctx), ident.TenantOf(ctx), ident.ActorOf(ctx).Person
	t := turn{r: r, db: db, tenant: tenant, now: r.o.Clock.Now()}
	row, err := t.page(ctx, a.ID, me)
	if err != nil {
		return v, err
	}
	rn, err := t.run(ctx, a.ID)
	if err != nil {
		return v, err
	}
	if row != nil {
		v.Told, v.No = row.State != declined, row.State == declined
		v.Missing = a.State == StateAcknowledged && rn != nil && !rn.Done && row.State != answered && row.State != declined
	}
	if rn != nil {
		v.Until, v.By = rn.SnoozedUntil, rn.SnoozedName
	}
	for _, n := range snoozes {
		v.Minutes = append(v.Minutes, web.Option{Value: strconv.Itoa(n), Text: i18n.N(ctx, "alert.act.minutes", n)})
	}
	people, err := r.o.People.People(ctx, identity.Filter{Active: true})
	if err != nil {
		return v, fmt.Errorf("alert: people: %w", err)
	}
	v.People = []web.Option{{Value: "", Text: i18n.T(ctx, "alert.act.choose")}}
	for _, p := range people {
		if string(p.ID) != me && !p.Blocked && slices.ContainsFunc(mayAct, func(role string) bool { return p.Has(identity.Role(role)) }) {
			v.People = append(v.People, web.Option{Value: string(p.ID), Text: p.Name})
		}
	}
	return v, nil
}

// say is one line of the course in words.
func (c Course) say(ctx context.Context) string {
	way := ""
	if c.Way != "" {
		way = i18n.T(ctx, "chain.way_"+c.Way)
	}
	key := "alert.course." + string(c.What)
	switch c.What {
	case StepBegun, StepAgain:
		return i18n.T(ctx, key, c.Word, i18n.Clock(ctx, c.Until))
	case StepEmpty, ChainEnds:
		return i18n.T(ctx, key, c.Word)
	case NameInVain:
		return i18n.T(ctx, key, chain.WhoText(ctx, chain.Who(c.Name)), i18n.T(ctx, "chain.miss_"+c.Word))
	case WayLacking:
		return i18n.T(ctx, key, c.Name, way, i18n.T(ctx, "chain.lack_"+c.Word))
	case WayWithdrawn, WayBrokenOff:
		return i18n.T(ctx, key, c.Name, way, i18n.T(ctx, "alert.course.needless_"+c.Word))
	case WayFailed:
		why, _ := channel.LostWords(ctx, c.Word)
		return i18n.T(ctx, key, c.Name, way, why)
	case OwnOrder, StepOrder:
		var ways []string
		for w := range strings.FieldsSeq(c.Word) {
			ways = append(ways, i18n.T(ctx, "chain.way_"+w))
		}
		return i18n.T(ctx, key, c.Name, strings.Join(ways, ", "))
	case WaySent, WayTaken, WayArrived:
		return i18n.T(ctx, key, c.Name, way)
	case HandedOn:
		return i18n.T(ctx, key, c.Name, c.Word)
	case Snoozed:
		return i18n.T(ctx, key, c.Name, i18n.Clock(ctx, c.Until))
	case FellQuiet:
		s, _ := strconv.Atoi(c.Word)
		return i18n.T(ctx, key, i18n.Span(ctx, time.Duration(s)*time.Second), c.Name)
	case HeldBack:
		return i18n.T(ctx, key, ReasonText(ctx, Reason(c.Word)))
	default:
		return i18n.T(ctx, key, c.Name)
	}
}

// providersWord is the word behind the sentence, where it is a provider's own.
func (c Course) providersWord(ctx context.Context) string {
	if c.What != WayFailed {
		return ""
	}
	_, own := channel.LostWords(ctx, c.Word)
	return own
}

type alertSnooze struct {
	ID   string `path:"id" doc:"Id of the alert"`
	Body struct {
		Minutes int `json:"minutes" doc:"1 to 480"`
	}
}

type alertHandOn struct {
	ID   string `path:"id" doc:"Id of the alert"`
	Body struct {
		To string `json:"to" doc:"Id of the person, who is woken at once"`
	}
}

// alertCourse is one line of what happened to wake people.
type alertCourse struct {
	At     time.Time  `json:"at"`
	What   string     `json:"what" doc:"Stable word: step, again, empty, in_vain, end, own_order, step_order, sent, accepted, arrived, failed, withdrawn, broken_off, silent, lacking, unreached, answered, declined, handed_on, snoozed, returned, held, released"`
	Person string     `json:"person,omitempty" doc:"Id"`
	Name   string     `json:"name,omitempty"`
	Way    string     `json:"way,omitempty"`
	Word   string     `json:"word,omitempty" doc:"A reason, a name or the number of the step"`
	Until  *time.Time `json:"until,omitempty"`
	Times  int        `json:"times" doc:"How often; what is tried in vain again and again is one line"`
	LastAt *time.Time `json:"last_at,omitempty" doc:"When it happened last"`
}

func courseBodies(all []Course) []alertCourse {
	out := make([]alertCourse, 0, len(all))
	for _, c := range all {
		out = append(out, alertCourse{c.At, string(c.What), c.Person, c.Name, c.Way, c.Word, orNil(c.Until), c.Times, orNil(c.LastAt)})
	}
	return out
}

type alertCourseQuery struct {
	web.Paging
	ID string `path:"id" doc:"Id of the alert"`
}

// answerAPI adds the operations beside taking and closing.
func (r *Room) answerAPI(a *web.API) {
	op := func(id, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodPost, Path: "/api/v1/alerts/{id}/" + path, Tags: []string{"alerts"}, Summary: summary}
	}
	web.Operation(a, huma.Operation{
		OperationID: "list-alert-course", Method: http.MethodGet, Path: "/api/v1/alerts/{id}/course", Tags: []string{"alerts"},
		Summary: "What happened to wake people for an alert, oldest first",
	}, "alerts", func(ctx context.Context, q *alertCourseQuery) (*web.List[alertCourse], error) {
		if _, err := r.Get(ctx, ID(q.ID)); err != nil {
			return nil, err
		}
		all, err := r.Course(ctx, ID(q.ID), CourseFilter{After: q.After, Limit: q.Limit})
		if err != nil {
			return nil, err
		}
		next := ""
		if len(all) > 0 && len(all) == q.Limit {
			next = all[len(all)-1].ID
		}
		return web.NewList(courseBodies(all), next), nil
	})
	web.Operation(a, op("decline-alert", "decline", "Decline an alert to which one was called; whoever is next is told"), "alerts",
		func(ctx context.Context, p *alertPath) (*web.One[alertBody], error) {
			return r.answered(ctx, func(ctx context.Context) (Alert, error) { return r.Decline(ctx, ID(p.ID)) })
		})
	web.Operation(a, op("snooze-alert", "snooze", "Put an alert off; it comes back by itself"), "alerts",
		func(ctx context.Context, p *alertSnooze) (*web.One[alertBody], error) {
			return r.answered(ctx, func(ctx context.Context) (Alert, error) {
				return r.Snooze(ctx, ID(p.ID), time.Duration(p.Body.Minutes)*time.Minute)
			})
		})
	web.Operation(a, op("hand-on-alert", "hand-on", "Hand an alert on to a person, who is woken at once"), "alerts",
		func(ctx context.Context, p *alertHandOn) (*web.One[alertBody], error) {
			return r.answered(ctx, func(ctx context.Context) (Alert, error) {
				return r.HandOn(ctx, ID(p.ID), identity.PersonID(p.Body.To))
			})
		})
}

func (r *Room) answered(ctx context.Context, do func(context.Context) (Alert, error)) (*web.One[alertBody], error) {
	if !ident.ActorOf(ctx).Has(mayAct...) {
		return nil, ErrForbidden
	}
	a, err := do(ctx)
	if err != nil {
		return nil, err
	}
	return &web.One[alertBody]{Body: bodyOf(a, r.url(ctx, a.ID))}, nil
}
