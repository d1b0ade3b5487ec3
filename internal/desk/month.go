package desk

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/learn/exercise"
	"tuermer/internal/learn/review"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/plan"
)

// monthReport is what one page for the leadership says of a month (R3.20): how the
// town was told of trouble and told of it, what was practised, what is open.
type monthReport struct {
	Month    string // "2027-03"
	From, To time.Time
	Stand    time.Time // when it was drawn up: what is open is as of then
	Over     bool      // the month has ended
	// Incidents were opened in the month, the gravest and longest first. Private
	// ones are never among them: who reads this is not who knows of those.
	Incidents   []monthIncident
	FalseAlarms int
	Exercises   []exercise.Exercise
	// Open are improvements not yet done, Late those whose day has passed.
	Open    []review.Improvement
	Late    int
	Percent int // how complete the plan is
	Missing []plan.Finding
	Backing plan.Backing
	Signed  plan.SignOff
	Version int
}

type monthIncident struct {
	incident.Incident
	review.Figures
}

// monthOf are the bounds of a month in the town's zone.
func monthOf(month string, zone *time.Location) (from, to time.Time, err error) {
	from, perr := time.ParseInLocation("2006-01", month, zone)
	if perr != nil {
		return from, to, fault.New(fault.NotFound, "desk.no_month").With(perr)
	}
	return from, from.AddDate(0, 1, 0), nil
}

// monthReport draws it up.
func (d *Desk) monthReport(ctx context.Context, month string) (m monthReport, err error) {
	town, err := d.o.Identity.Current(ctx)
	if err != nil {
		return m, err
	}
	zone, err := clock.Zone(town.Zone)
	if err != nil {
		return m, err
	}
	m.Month, m.Stand = month, d.o.Clock.Now()
	if m.From, m.To, err = monthOf(month, zone); err != nil {
		return m, err
	}
	if m.From.After(m.Stand) {
		return m, fault.New(fault.NotFound, "desk.no_month")
	}
	m.Over = !m.To.After(m.Stand)
	if err := d.monthIncidents(ctx, &m); err != nil {
		return m, err
	}
	if m.Exercises, err = d.monthExercises(ctx, m.From, m.To); err != nil {
		return m, err
	}
	if m.Open, err = d.o.Review.Improvements(ctx, ""); err != nil {
		return m, err
	}
	for _, i := range m.Open {
		if i.Overdue(m.Stand, zone) {
			m.Late++
		}
	}
	k, err := d.kit(ctx)
	if err != nil {
		return m, err
	}
	m.Percent, m.Missing, m.Version = k.Assessment.Percent, k.Assessment.Missing(), k.Stand.Number
	m.Backing, m.Signed, err = d.o.Plan.Backing(ctx)
	return m, err
}

func (d *Desk) monthIncidents(ctx context.Context, m *monthReport) error {
	f := incident.Filter{Realm: incident.Live, From: m.From, Limit: 1000}
	for {
		page, err := d.o.Incident.List(ctx, f)
		if err != nil {
			return err
		}
		for _, i := range page {
			switch {
			case i.Private || i.OpenedAt.Before(m.From) || !i.OpenedAt.Before(m.To) || i.Phase == incident.Merged:
				continue
			case i.Phase == incident.Dismissed:
				m.FalseAlarms++
				continue
			}
			figures, err := d.o.Review.Figures(ctx, i)
			if err != nil {
				return err
			}
			m.Incidents = append(m.Incidents, monthIncident{i, figures})
		}
		if len(page) < f.Limit {
			break
		}
		f.After = page[len(page)-1].ID
	}
	slices.SortStableFunc(m.Incidents, func(a, b monthIncident) int {
		return cmp.Or(
			cmp.Compare(slices.Index(incident.Levels(), b.Level), slices.Index(incident.Levels(), a.Level)),
			cmp.Compare(b.lasted(m.Stand), a.lasted(m.Stand)), a.OpenedAt.Compare(b.OpenedAt),
		)
	})
	return nil
}

// lasted is how long the trouble went on, or has gone on until now.
func (i monthIncident) lasted(now time.Time) time.Duration {
	if i.Restore >= 0 {
		return i.Restore
	}
	return now.Sub(i.Since)
}

func (d *Desk) monthExercises(ctx context.Context, from, to time.Time) (out []exercise.Exercise, err error) {
	if d.o.Exercise == nil {
		return nil, nil
	}
	for after := exercise.ID(""); ; {
		page, err := d.o.Exercise.List(ctx, after, 200)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			if !e.StartedAt.Before(from) && e.StartedAt.Before(to) {
				out = append(out, e)
			}
		}
		if len(page) < 200 || page[len(page)-1].StartedAt.Before(from) {
			return out, nil
		}
		after = page[len(page)-1].ID
	}
}

// monthFigures are a month's incidents in four numbers.
type monthFigures struct {
	Detect, First, Restore time.Duration // medians; below zero: not known
	// InTime of Told first messages came within their time; Kept of Promised next
	// ones did.
	InTime, Told, Kept, Promised int
	Going                        int // not yet restored
}

func (m monthReport) Figures() (f monthFigures) {
	var detect, first, restore []time.Duration
	for _, i := range m.Incidents {
		detect, first, restore = known(detect, i.Detect), known(first, i.First), known(restore, i.Restore)
		if i.First >= 0 {
			f.Told++
			if i.First <= i.FirstGoal {
				f.InTime++
			}
		}
		f.Kept, f.Promised = f.Kept+i.Kept, f.Promised+i.Kept+i.Missed
		if i.Phase.Active() {
			f.Going++
		}
	}
	f.Detect, f.First, f.Restore = median(detect), median(first), median(restore)
	return f
}

func known(all []time.Duration, d time.Duration) []time.Duration {
	if d < 0 {
		return all
	}
	return append(all, d)
}

// median of nothing is below zero; of an even number it is the lower of the two
// in the middle, a time that really was.
func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return -1
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

// monthName is "März 2027".
func monthName(ctx context.Context, from time.Time) string {
	return i18n.T(ctx, "desk.month_"+strconv.Itoa(int(from.Month()))) + " " + strconv.Itoa(from.Year())
}

// What one page has room for.
const (
	monthIncidentRows = 8
	monthMissing      = 5
	monthOpen         = 5
	monthDrills       = 4
)

// month is the sheet.
func (d *Desk) month(ctx context.Context, id string) (paper.Document, error) {
	m, err := d.monthReport(ctx, id)
	if err != nil {
		return paper.Document{}, err
	}
	p, err := d.printing(ctx)
	if err != nil {
		return paper.Document{}, err
	}
	p.at = m.Stand
	title := p.t("month")
	doc := p.sheet(title, monthName(ctx, m.From), []paper.Section{p.monthSum(m), p.monthList(m), p.monthDrills(m), p.monthOpen(m), p.monthPlan(m)})
	stand := i18n.Stand(ctx, m.Stand)
	doc.Facts = []paper.Fact{{Label: p.t("stand"), Value: stand}}
	if !m.Over {
		doc.Facts = append(doc.Facts, paper.Fact{Label: p.t("month_note"), Value: p.t("month_running")})
	}
	doc.Foot = strings.Join([]string{p.town.Name, title, monthName(ctx, m.From), p.t("stand") + " " + stand}, " · ")
	doc.OnePage = true
	return doc, nil
}

func (p printing) span(d time.Duration) string {
	switch {
	case d < 0:
		return p.t("month_unknown")
	case d < time.Minute:
		return p.t("month_at_once")
	}
	return i18n.Span(p.ctx, d)
}

func (p printing) monthSum(m monthReport) paper.Section {
	f, s := m.Figures(), paper.Section{Title: p.t("month_sum")}
	lead := []string{i18n.N(p.ctx, "desk.month_incidents", len(m.Incidents))}
	for _, l := range slices.Backward(incident.Levels()) {
		n := 0
		for _, i := range m.Incidents {
			if i.Level == l {
				n++
			}
		}
		if n > 0 {
			lead = append(lead, p.t("month_level", l.Word(p.ctx), n))
		}
	}
	if f.Going > 0 {
		lead = append(lead, i18n.N(p.ctx, "desk.month_going", f.Going))
	}
	if m.FalseAlarms > 0 {
		lead = append(lead, i18n.N(p.ctx, "desk.month_false", m.FalseAlarms))
	}
	s.Blocks = append(s.Blocks, paper.Text{Text: strings.Join(lead, " "), Strong: true})
	if len(m.Incidents) == 0 {
		return s
	}
	list := paper.List{p.t("month_detect", p.span(f.Detect))}
	if f.Told > 0 {
		list = append(list, p.t("month_first", f.InTime, f.Told, p.span(f.First)))
	} else {
		list = append(list, p.t("month_untold"))
	}
	if f.Promised > 0 {
		list = append(list, p.t("month_kept", f.Kept, f.Promised, f.Kept*100/f.Promised))
	} else {
		list = append(list, p.t("month_unpromised"))
	}
	s.Blocks = append(s.Blocks, append(list, p.t("month_restore", p.span(f.Restore))))
	return s
}

func (p printing) monthList(m monthReport) paper.Section {
	s := paper.Section{Title: p.t("month_what")}
	if len(m.Incidents) == 0 {
		s.Blocks = []paper.Block{paper.Text{Text: p.t("month_quiet")}}
		return s
	}
	t := paper.Table{
		Caption: s.Title, Widths: []float64{1.6, 3.4, 1.2, 1.3, 1.4, 1.2, 1.6},
		Heads: []string{p.t("month_since"), p.t("month_title"), p.t("month_grade"), p.t("month_h_detect"), p.t("month_h_first"), p.t("month_h_kept"), p.t("month_h_restore")},
	}
	for _, i := range m.Incidents[:min(len(m.Incidents), monthIncidentRows)] {
		kept := "–"
		if i.Kept+i.Missed > 0 {
			kept = p.t("month_of", i.Kept, i.Kept+i.Missed)
		}
		restore := p.span(i.Restore)
		if i.Phase.Active() {
			restore = p.t("month_on")
		}
		t.Rows = append(t.Rows, []string{i18n.Of(p.ctx).Date(i.Since) + " " + i18n.Clock(p.ctx, i.Since), i.Title, i.Level.Word(p.ctx), p.span(i.Detect), p.span(i.First), kept, restore})
	}
	s.Blocks = append(s.Blocks, t)
	if more := len(m.Incidents) - monthIncidentRows; more > 0 {
		s.Blocks = append(s.Blocks, paper.Text{Text: i18n.N(p.ctx, "desk.month_more", more), Quiet: true})
	}
	return s
}

func (p printing) monthDrills(m monthReport) paper.Section {
	var list paper.List
	for _, e := range m.Exercises[:min(len(m.Exercises), monthDrills)] {
		list = append(list, i18n.Of(p.ctx).Date(e.StartedAt)+": "+e.Title+", "+i18n.T(p.ctx, "exercise.type."+string(e.Type)))
	}
	if more := len(m.Exercises) - monthDrills; more > 0 {
		list = append(list, i18n.N(p.ctx, "desk.month_more_drills", more))
	}
	if len(list) == 0 {
		return paper.Section{Title: p.t("month_drills"), Blocks: []paper.Block{paper.Text{Text: p.t("month_no_drills")}}}
	}
	return paper.Section{Title: p.t("month_drills"), Blocks: []paper.Block{list}}
}

func (p printing) monthOpen(m monthReport) paper.Section {
	s := paper.Section{Title: p.t("month_open")}
	if len(m.Open) == 0 {
		s.Blocks = []paper.Block{paper.Text{Text: p.t("month_none_open")}}
		return s
	}
	s.Blocks = append(s.Blocks, paper.Text{Text: i18n.N(p.ctx, "desk.month_open_n", len(m.Open), m.Late)})
	var list paper.List
	for _, i := range m.Open[:min(len(m.Open), monthOpen)] {
		list = append(list, plan.Day(p.ctx, i.Due)+": "+i.Text)
	}
	s.Blocks = append(s.Blocks, list)
	return s
}

func (p printing) monthPlan(m monthReport) paper.Section {
	s := paper.Section{Title: p.t("month_plan"), Blocks: []paper.Block{paper.Text{Text: p.t("month_percent", m.Percent) + " " + p.backing(m.Backing, m.Signed, m.Version)}}}
	var list paper.List
	for _, f := range m.Missing {
		if len(list) == monthMissing {
			break
		}
		if f.Key != "plan.miss_signoff" && f.Key != "plan.miss_signoff_old" { // said above
			list = append(list, i18n.T(p.ctx, f.Key, f.Args...))
		}
	}
	if len(list) > 0 {
		s.Blocks = append(s.Blocks, paper.Heading(p.t("month_missing")), list)
	}
	return s
}

// backing says in a sentence how the leadership stands behind the plan.
func (p printing) backing(b plan.Backing, s plan.SignOff, version int) string {
	switch b {
	case plan.Signed:
		return p.t("signed", plan.SignedBy(p.ctx, s), s.Version)
	case plan.Outdated:
		return p.t("signed_old", plan.SignedBy(p.ctx, s), s.Version, version)
	default:
		return p.t("unsigned")
	}
}

// monthsShown is how far back the list of months goes.
const monthsShown = 12

// monthRow is one month to look at.
type monthRow struct{ Month, Name string }

func (d *Desk) pageMonths(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	first, err := d.o.Plan.Version(ctx, 1)
	if fault.KindOf(err) == fault.NotFound {
		first.At, err = d.o.Clock.Now(), nil
	}
	if err != nil {
		return err
	}
	zone := i18n.Of(ctx).Zone
	var rows []monthRow
	y, mo, _ := d.o.Clock.Now().In(zone).Date()
	for n := range monthsShown {
		from := time.Date(y, mo-time.Month(n), 1, 0, 0, 0, 0, zone)
		if n > 0 && !from.AddDate(0, 1, 0).After(first.At) {
			break // nothing was known of it yet
		}
		rows = append(rows, monthRow{from.Format("2006-01"), monthName(ctx, from)})
	}
	return web.Render(w, r, monthsPage(rows))
}

type monthBody struct {
	Month       string              `json:"month"`
	AsOf        time.Time           `json:"as_of"`
	Incidents   []monthIncidentBody `json:"incidents" doc:"Opened in the month, the gravest first; private ones are left out"`
	FalseAlarms int                 `json:"false_alarms"`
	Exercises   []string            `json:"exercises" doc:"Ids"`
	Open        int                 `json:"open_improvements"`
	Late        int                 `json:"late_improvements"`
	Percent     int                 `json:"plan_percent"`
	Backing     string              `json:"plan_signed" enum:"unsigned,signed,outdated"`
	Version     int                 `json:"plan_version"`
}

type monthIncidentBody struct {
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Level   string    `json:"level"`
	Since   time.Time `json:"since"`
	Detect  *int      `json:"detected_after_seconds,omitempty"`
	First   *int      `json:"first_message_after_seconds,omitempty"`
	Restore *int      `json:"restored_after_seconds,omitempty"`
	Kept    int       `json:"promises_kept"`
	Missed  int       `json:"promises_missed"`
}

type monthPath struct {
	ID string `path:"id" doc:"Month, 2027-03"`
}

func seconds(d time.Duration) *int {
	if d < 0 {
		return nil
	}
	n := int(d / time.Second)
	return &n
}

func (d *Desk) apiMonth(ctx context.Context, in *monthPath) (*web.One[monthBody], error) {
	m, err := d.monthReport(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := monthBody{
		Month: m.Month, AsOf: m.Stand, Incidents: []monthIncidentBody{}, FalseAlarms: m.FalseAlarms, Exercises: []string{}, Open: len(m.Open), Late: m.Late,
		Percent: m.Percent, Backing: string(m.Backing), Version: m.Version,
	}
	for _, i := range m.Incidents {
		out.Incidents = append(out.Incidents, monthIncidentBody{
			string(i.ID), i.Title, string(i.Level), i.Since, seconds(i.Detect), seconds(i.First), seconds(i.Restore), i.Kept, i.Missed,
		})
	}
	for _, e := range m.Exercises {
		out.Exercises = append(out.Exercises, string(e.ID))
	}
	return &web.One[monthBody]{Body: out}, nil
}

func (d *Desk) apiMonthFile(ctx context.Context, in *monthPath) (*file, error) {
	return printed(ctx, d.month, in.ID)
}

// monthKey names the sheet of a month for the outbox.
func monthKey(month string) string { return fmt.Sprintf("month-%s", month) }
