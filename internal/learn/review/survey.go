package review

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Answer is one person's answer to the survey. It carries the day, not the hour,
// and nothing of the sender.
type Answer struct {
	Incident incident.ID
	Audience string // slug
	Day      string // civil day, 2006-01-02
	// InTime, Clear and Helped are 1 (no) to 4 (yes); 0: not answered.
	InTime, Clear, Helped int
	Text                  string
}

// few is how many answers an audience needs to be shown by itself.
const few = 5

// surveyLife is how long a link may be answered.
const surveyLife = 60 * 24 * time.Hour

const surveyPurpose = "review.survey"

// surveyLink is what a link says; it is the same for everybody of an audience.
type surveyLink struct {
	Tenant   ident.Tenant `json:"t"`
	Incident incident.ID  `json:"i"`
	Audience string       `json:"a"`
}

// ErrLink says that a survey's link opens nothing (any more).
var ErrLink = fault.New(fault.NotFound, "review.survey_over")

// SurveyLink is the address, without the public page's, under which an audience
// answers. It depends on the incident and the audience alone.
func (r *Room) SurveyLink(ctx context.Context, in incident.ID, audience string, from time.Time) (string, error) {
	raw, err := json.Marshal(surveyLink{ident.TenantOf(ctx), in, audience})
	if err != nil {
		return "", err
	}
	return "umfrage/" + r.o.Vault.Sign(surveyPurpose, raw, from.Add(surveyLife)), nil
}

// openLink finds what a link asks about.
func (r *Room) openLink(ctx context.Context, token string) (incident.Incident, string, error) {
	raw, err := r.o.Vault.Verify(surveyPurpose, token, r.o.Clock.Now())
	if err != nil {
		return incident.Incident{}, "", ErrLink
	}
	var l surveyLink
	if err := json.Unmarshal(raw, &l); err != nil || l.Tenant != ident.TenantOf(ctx) {
		return incident.Incident{}, "", ErrLink
	}
	i, err := r.o.Incidents.Get(ctx, l.Incident)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return i, "", ErrLink
	}
	if i.Private && err == nil {
		return incident.Incident{}, "", ErrLink // it became private since (I17)
	}
	return i, l.Audience, err
}

// about names what a survey asks about in words that were public already: the
// services. What people wrote as the incident's title is for the house.
func (r *Room) about(ctx context.Context, i incident.Incident) (string, error) {
	var names []string
	for _, slug := range i.Services {
		s, err := r.o.Services.Get(ctx, slug)
		if fault.KindOf(err) == fault.NotFound && err != nil {
			continue
		}
		if err != nil {
			return "", err
		}
		name := s.Name
		if i18n.Of(ctx).Lang == i18n.EN && s.NameEN != "" {
			name = s.NameEN
		}
		names = append(names, name)
	}
	since := i18n.Of(ctx).Date(i.Since)
	if len(names) == 0 {
		return i18n.T(ctx, "review.survey.about_since", since), nil
	}
	return i18n.T(ctx, "review.survey.about", strings.Join(names, ", "), since), nil
}

// linksFrom is when the links of the review page began: with the last closing
// message, whose links they then are; without one, now.
func linksFrom(said []publish.Statement, now time.Time) time.Time {
	from := time.Time{}
	for _, s := range said {
		if s.Kind == template.Closing && s.CreatedAt.After(from) {
			from = s.CreatedAt
		}
	}
	if from.IsZero() {
		return now
	}
	return from
}

// Take stores an answer that came by a link.
func (r *Room) Take(ctx context.Context, token string, a Answer) error {
	i, audience, err := r.openLink(ctx, token)
	if err != nil {
		return err
	}
	a.Text = strings.TrimSpace(a.Text)
	for _, n := range []int{a.InTime, a.Clear, a.Helped} {
		if n < 0 || n > 4 {
			return fault.New(fault.Invalid, "review.bad_answer")
		}
	}
	switch {
	case a.InTime+a.Clear+a.Helped == 0 && a.Text == "":
		return fault.New(fault.Invalid, "review.empty_answer")
	case len([]rune(a.Text)) > maxText:
		return fault.New(fault.Invalid, "review.too_long")
	}
	_, zone, err := r.home(ctx)
	if err != nil {
		return err
	}
	a.Incident, a.Audience, a.Day = i.ID, audience, r.o.Clock.Now().In(zone).Format(time.DateOnly)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		r.changed(ctx, string(i.ID))
		return r.insertAnswer(ctx, db, a)
	})
}

// Opinion is what an audience said, as shares of "yes" and "rather yes" of those
// who answered each question, 0 to 1; below zero: nobody answered it.
type Opinion struct {
	Audience              string // slug; empty: all together
	Answers               int
	InTime, Clear, Helped float64
	Texts                 []string
}

// opinions adds the answers up: all together first, then each audience of which
// at least five people answered. Texts stand only with the whole, in an order
// that says nothing about when they came.
func opinions(all []Answer) []Opinion {
	if len(all) == 0 {
		return nil
	}
	by := map[string][]Answer{}
	var order []string
	for _, a := range all {
		if _, ok := by[a.Audience]; !ok {
			order = append(order, a.Audience)
		}
		by[a.Audience] = append(by[a.Audience], a)
	}
	out := []Opinion{opinion("", all)}
	for _, a := range all {
		if a.Text != "" {
			out[0].Texts = append(out[0].Texts, a.Text)
		}
	}
	// With two audiences, one of which is small, the difference would tell of it.
	hidden := 0
	for _, slug := range order {
		if len(by[slug]) < few {
			hidden++
		}
	}
	for _, slug := range order {
		if len(by[slug]) >= few && hidden != 1 {
			out = append(out, opinion(slug, by[slug]))
		}
	}
	return out
}

func opinion(audience string, all []Answer) Opinion {
	share := func(of func(Answer) int) float64 {
		yes, n := 0, 0
		for _, a := range all {
			switch v := of(a); {
			case v >= 3:
				yes, n = yes+1, n+1
			case v > 0:
				n++
			}
		}
		if n == 0 {
			return -1
		}
		return float64(yes) / float64(n)
	}
	return Opinion{
		Audience: audience, Answers: len(all),
		InTime: share(func(a Answer) int { return a.InTime }), Clear: share(func(a Answer) int { return a.Clear }), Helped: share(func(a Answer) int { return a.Helped }),
	}
}
