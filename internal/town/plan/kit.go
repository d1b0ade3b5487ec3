package plan

import (
	"cmp"
	"slices"
	"time"
)

// Tool is one of the ten things that a town keeps ready.
type Tool string

// The first-aid kit.
const (
	ToolBefore     Tool = "before"
	ToolMedia      Tool = "media"
	ToolContacts   Tool = "contacts"
	ToolHolding    Tool = "holding"
	ToolQuestions  Tool = "questions"
	ToolPress      Tool = "press"
	ToolStaff      Tool = "staff"
	ToolMonitoring Tool = "monitoring"
	ToolDarkSite   Tool = "darksite"
	ToolMatrix     Tool = "matrix"
)

// Tools lists them in the order of the kit.
func Tools() []Tool {
	return []Tool{ToolBefore, ToolMedia, ToolContacts, ToolHolding, ToolQuestions, ToolPress, ToolStaff, ToolMonitoring, ToolDarkSite, ToolMatrix}
}

// World is what other rooms know and the score needs.
type World struct {
	Now time.Time
	// Scenarios are those with prepared texts.
	Scenarios []Named
	// NoText are cells of the matrix for which no text is prepared.
	NoText []NoText
	// Released: the short messages were approved beforehand.
	Released bool
	Monitors int
	// Unwatched are public services without a check; Expired are services whose
	// Ersatzweg ran out, Workless those that have none. Names by slug.
	Unwatched, Expired, Workless []Named
	PublicURL                    string
	// Routes are the ways by machine; their slug is the way of a [Test].
	Routes []Named
	Tested map[string]Tested
	// Backing is how the leadership stands behind the plan, by the sign-off Signed;
	// Version is the plan's as it stands.
	Backing Backing
	Signed  SignOff
	Version int
	// People are the mail addresses of those who can sign in; an owner who is
	// none of them has left.
	People []string
}

// Named is a thing with its address.
type Named struct{ Slug, Name string }

// NoText is a cell of the matrix without a prepared text.
type NoText struct {
	Scenario Named
	Audience string // name
}

// Finding is one thing that the score asks for.
type Finding struct {
	Tool Tool
	OK   bool
	// Grave findings make their tool red by themselves (an audience without an
	// owner, R1.3).
	Grave bool
	// Key is the text that says what is missing, Args its values.
	Key  string
	Args []any
	// Href is the page where it is mended.
	Href string
}

// State is how a tool stands.
type State string

// Ready, begun, missing.
const (
	Ready   State = "ready"
	Partly  State = "partly"
	Missing State = "missing"
)

// ToolState is one tool with what is missing.
type ToolState struct {
	Tool    Tool
	State   State
	Done    int
	All     int
	Missing []Finding
}

// Assessment is how complete the plan is.
type Assessment struct {
	Percent int
	Tools   []ToolState
}

// Missing lists everything that is missing, the grave first.
func (a Assessment) Missing() (out []Finding) {
	for _, t := range a.Tools {
		out = append(out, t.Missing...)
	}
	slices.SortStableFunc(out, func(x, y Finding) int { return cmp.Compare(grave(y), grave(x)) })
	return out
}

func grave(f Finding) int {
	if f.Grave {
		return 1
	}
	return 0
}

// ConfirmedFor is how long a confirmed contact counts as such.
const ConfirmedFor = 365 * 24 * time.Hour

// Assess says how complete the plan is and names what is missing.
func Assess(d Document, audiences []Audience, w World) Assessment {
	var all []Finding
	for _, part := range [][]Finding{before(d, audiences, w), lists(d), contacts(d, w), holding(d, w), watching(w), darkSite(w), matrix(d, audiences, w)} {
		all = append(all, part...)
	}
	var out Assessment
	done := 0
	for _, t := range Tools() {
		s := ToolState{Tool: t, State: Ready}
		red := false
		for _, f := range all {
			if f.Tool != t {
				continue
			}
			s.All++
			if f.OK {
				s.Done++
				continue
			}
			red = red || f.Grave
			s.Missing = append(s.Missing, f)
		}
		switch {
		case red || s.Done == 0:
			s.State = Missing
		case s.Done < s.All:
			s.State = Partly
		}
		done += s.Done
		out.Tools = append(out.Tools, s)
	}
	// Rounded down: 100 is said only when nothing is missing.
	if len(all) > 0 {
		out.Percent = done * 100 / len(all)
	}
	return out
}

func before(d Document, audiences []Audience, w World) []Finding {
	out := []Finding{
		{Tool: ToolBefore, OK: len(d.Lists[Before]) > 0, Key: "plan.miss_before", Href: partHref(Before)},
		{Tool: ToolBefore, OK: len(audiences) > 0, Grave: true, Key: "plan.miss_audience", Href: "/plan/new"},
		validity(d, w.Now),
		backing(w),
	}
	for _, a := range audiences {
		gone := func(who string) bool { return who != "" && len(w.People) > 0 && !slices.Contains(w.People, who) }
		href := "/kit/profile/" + a.Slug
		switch {
		case a.Owner == "":
			out = append(out, Finding{Tool: ToolBefore, Grave: true, Key: "plan.miss_owner", Args: []any{a.Name}, Href: href})
		case gone(a.Owner) || gone(a.Deputy):
			out = append(out, Finding{Tool: ToolBefore, Grave: true, Key: "plan.miss_gone", Args: []any{a.Name}, Href: href})
		default:
			out = append(out, Finding{Tool: ToolBefore, OK: a.Staffed(), Grave: true, Key: "plan.miss_deputy", Args: []any{a.Name}, Href: href})
		}
		out = append(out,
			Finding{Tool: ToolBefore, OK: a.Profile.Needs != "" || len(a.Profile.Questions) > 0, Key: "plan.miss_needs", Args: []any{a.Name}, Href: href},
			Finding{Tool: ToolBefore, OK: len(a.Profile.Ways) >= 2, Key: "plan.miss_ways", Args: []any{a.Name}, Href: href},
		)
	}
	for _, r := range w.Routes {
		out = append(out, Finding{Tool: ToolBefore, OK: fresh(w, r.Slug), Key: "plan.miss_test", Args: []any{r.Name}, Href: "/kit/ways"})
	}
	for _, s := range w.Expired {
		out = append(out, Finding{Tool: ToolBefore, Key: "plan.miss_expired", Args: []any{s.Name}, Href: "/service/" + s.Slug})
	}
	for _, s := range w.Workless {
		out = append(out, Finding{Tool: ToolBefore, Key: "plan.miss_workaround", Args: []any{s.Name}, Href: "/service/" + s.Slug})
	}
	return out
}

func fresh(w World, way string) bool {
	t := w.Tested[way]
	return t.LastOK.ID != "" && t.LastOK.ID == t.Last.ID && w.Now.Sub(t.LastOK.At) < TestsLast
}

func validity(d Document, now time.Time) Finding {
	f := Finding{Tool: ToolBefore, Key: "plan.miss_validity", Href: "/kit/cover"}
	until, err := day(d.Cover.ValidUntil)
	if err != nil || until.IsZero() {
		return f
	}
	f.OK = now.Before(until.AddDate(0, 0, 1))
	if !f.OK {
		f.Key = "plan.miss_validity_over"
	}
	return f
}

// backing asks for the leadership's signature under the plan as it stands.
func backing(w World) Finding {
	f := Finding{Tool: ToolBefore, OK: w.Backing == Signed, Key: "plan.miss_signoff", Href: "/kit/signoff"}
	if w.Backing == Outdated {
		f.Key, f.Args = "plan.miss_signoff_old", []any{w.Signed.Version, w.Version}
	}
	return f
}

func lists(d Document) []Finding {
	return []Finding{
		{Tool: ToolMedia, OK: len(d.Lists[Media]) > 0, Key: "plan.miss_media", Href: partHref(Media)},
		{Tool: ToolMedia, OK: len(d.Lists[NotSay]) > 0, Key: "plan.miss_not_say", Href: partHref(NotSay)},
		{Tool: ToolQuestions, OK: len(d.Lists[Questions]) > 0, Key: "plan.miss_questions", Href: partHref(Questions)},
		{Tool: ToolPress, OK: len(d.Lists[PressList]) > 0, Key: "plan.miss_press", Href: partHref(PressList)},
		{Tool: ToolStaff, OK: len(d.Lists[StaffInfo]) > 0, Key: "plan.miss_staff", Href: partHref(StaffInfo)},
	}
}

func partHref(p Part) string { return "/kit/part/" + string(p) }

func contacts(d Document, w World) (out []Finding) {
	for _, k := range ContactKinds() {
		out = append(out, Finding{Tool: ToolContacts, OK: len(d.Of(k)) > 0, Key: "plan.miss_contact_" + string(k), Href: "/kit/contacts/new?kind=" + string(k)})
	}
	var old []string
	onCard := false
	for _, c := range d.Contacts {
		onCard = onCard || c.Card
		if at, err := day(c.Confirmed); err != nil || at.IsZero() || w.Now.Sub(at) > ConfirmedFor {
			old = append(old, c.Name)
		}
	}
	if len(d.Contacts) > 0 {
		out = append(out, Finding{Tool: ToolContacts, OK: onCard, Key: "plan.miss_card", Href: "/kit/contacts"})
		f := Finding{Tool: ToolContacts, OK: len(old) == 0, Key: "plan.miss_confirmed", Href: "/kit/contacts"}
		if len(old) > 0 {
			f.Args = []any{len(old), old[0]}
		}
		out = append(out, f)
	}
	return out
}

func holding(d Document, w World) []Finding {
	return []Finding{
		{Tool: ToolHolding, OK: len(d.Holding) > 0, Key: "plan.miss_holding", Href: "/kit/holding"},
		{Tool: ToolHolding, OK: w.Released, Key: "plan.miss_released", Href: "/publish"},
	}
}

func watching(w World) []Finding {
	out := []Finding{{Tool: ToolMonitoring, OK: w.Monitors > 0, Key: "plan.miss_monitor", Href: "/monitor/new"}}
	for _, s := range w.Unwatched {
		out = append(out, Finding{Tool: ToolMonitoring, Key: "plan.miss_unwatched", Args: []any{s.Name}, Href: "/monitor/new?service=" + s.Slug})
	}
	return out
}

func darkSite(w World) []Finding {
	return []Finding{
		{Tool: ToolDarkSite, OK: w.PublicURL != "", Key: "plan.miss_public_url", Href: "/settings"},
		{Tool: ToolDarkSite, OK: fresh(w, "page"), Key: "plan.miss_page_test", Href: "/kit/ways"},
	}
}

func matrix(d Document, audiences []Audience, w World) (out []Finding) {
	for _, s := range w.Scenarios {
		decided := len(audiences) > 0
		for _, a := range audiences {
			_, ok := d.Cell(s.Slug, a.Slug)
			decided = decided && ok
		}
		out = append(out, Finding{Tool: ToolMatrix, OK: decided, Key: "plan.miss_scenario", Args: []any{s.Name}, Href: "/kit/matrix/" + s.Slug})
	}
	for _, c := range w.NoText {
		out = append(out, Finding{Tool: ToolMatrix, Key: "plan.miss_text", Args: []any{c.Scenario.Name, c.Audience}, Href: "/kit/matrix/" + c.Scenario.Slug})
	}
	return out
}
