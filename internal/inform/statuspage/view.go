package statuspage

import (
	"context"
	"slices"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/i18n"
)

// view is a model as one reader sees it: language, zone and moment. All that
// templates and feeds ask is worked out here.
type view struct {
	m       *model
	now     time.Time
	loc     i18n.Locale
	css     string
	icon    string
	path    string // without language, "archiv"; empty: the start
	lang    i18n.Lang
	country string
	still   *stillness // nil: for our own listener
}

func (v *view) t(key string, args ...any) string {
	return v.loc.Catalog.Text(v.loc.Lang, "statuspage."+key, args...)
}

// n is the sentence for a count: key.one for 1, else key.other.
func (v *view) n(key string, n int, args ...any) string {
	return i18n.N(v.ctx(context.Background()), "statuspage."+key, n, args...)
}

func (v *view) ctx(ctx context.Context) context.Context { return i18n.With(ctx, v.loc) }

// home is the language that pages without a prefix speak.
func (m *model) home() i18n.Lang { return i18n.Parse(m.Town.Language) }

// href is the address of a page in a language: "/archiv", "/en/archiv".
func (m *model) href(lang i18n.Lang, path string) string {
	if lang == m.home() {
		return "/" + path
	}
	return "/" + string(lang) + "/" + path
}

func (v *view) href(path string) string { return v.link(v.lang, path) }

// abs is the full address, which feeds and other sites need.
func (v *view) abs(path string) string { return v.m.Town.URL + v.m.href(v.lang, path) }

// affected are the services that do not simply work, worst first; fine are the
// others. Both keep the order of the catalogue within a state.
func (m *model) affected() []component {
	out := slices.DeleteFunc(slices.Clone(m.Components), func(c component) bool { return c.State == Operational })
	slices.SortStableFunc(out, func(a, b component) int {
		return slices.Index(States(), b.State) - slices.Index(States(), a.State)
	})
	return out
}

func (m *model) fine() []component {
	return slices.DeleteFunc(slices.Clone(m.Components), func(c component) bool { return c.State != Operational })
}

// worst is how bad it is altogether.
func (m *model) worst() State {
	out := Operational
	for _, c := range m.Components {
		out = worst(out, c.State)
	}
	return out
}

// current are the stories that stand on the start page: those that are open, and
// those that ended within a day.
func (m *model) current(now time.Time) []story {
	return slices.DeleteFunc(slices.Clone(m.Incidents), func(s story) bool {
		return !s.Open && now.Sub(s.latest()) >= afterwards
	})
}

// latest is when the newest message of the story was published.
func (s story) latest() time.Time {
	var out time.Time
	for _, m := range s.Messages {
		if m.At.After(out) {
			out = m.At
		}
	}
	return out
}

// archived are the stories of the last 90 days.
func (m *model) archived(now time.Time) []story {
	return slices.DeleteFunc(slices.Clone(m.Incidents), func(s story) bool { return now.Sub(s.latest()) >= archiveFor })
}

// next are the announced times of open stories that lie ahead, and late those
// that have passed without a message, each once and in order.
func (m *model) next(now time.Time) (next, late []time.Time) {
	for _, s := range m.Incidents {
		switch {
		case s.Next.IsZero():
		case now.Before(s.Next):
			next = append(next, s.Next)
		default:
			late = append(late, s.Next)
		}
	}
	for _, list := range []*[]time.Time{&next, &late} {
		slices.SortFunc(*list, time.Time.Compare)
		*list = slices.CompactFunc(*list, time.Time.Equal)
	}
	return next, late
}

// pressing reports whether something late is still open: after a recovery only
// the cause is owed, and nobody works on the problem any more.
func (m *model) pressing(now time.Time) bool {
	return slices.ContainsFunc(m.Incidents, func(s story) bool { return s.Open && !s.Next.IsZero() && !now.Before(s.Next) })
}

// turns is the next moment at which the clock alone changes a page; zero: none.
func (m *model) turns(now time.Time, zone *time.Location) time.Time {
	local := now.In(zone)
	out := time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, zone).UTC()
	consider := func(t time.Time) {
		if !t.IsZero() && t.After(now) {
			out = earlier(out, t)
		}
	}
	for _, s := range m.Incidents {
		consider(s.Next)
		if !s.Open {
			consider(s.latest().Add(afterwards))
		}
		for _, p := range s.Promises {
			if p.State == incident.CommitmentOpen {
				consider(p.Due)
			}
		}
	}
	for _, s := range m.Incidents {
		if s.Open && s.planned() {
			begins, ends := s.when()
			consider(begins)
			consider(ends)
		}
	}
	for _, c := range m.Components {
		consider(c.Until)
	}
	return out
}

// word is what the page says for a state; mark is its shape in running text.
func (v *view) word(s State) string { return v.t("state_" + string(s)) }

func mark(s State) string {
	switch s {
	case Down:
		return "▲"
	case Degraded:
		return "◆"
	case Checking:
		return "◇"
	case Maintenance:
		return "■"
	default:
		return "✓"
	}
}

// class is the state in the names of public.css.
func class(s State) string {
	if s == Operational {
		return "ok"
	}
	return string(s)
}

// shape is the mark's path in a 16×16 box; web/prototypes/README.md lists them.
func shape(s State) string {
	switch s {
	case Down:
		return "M8 1 15.5 15H.5Z"
	case Degraded:
		return "M8 .5 15.5 8 8 15.5.5 8Z"
	case Checking:
		return "M8 .5 15.5 8 8 15.5.5 8ZM8 3.6 3.6 8 8 12.4 12.4 8Z"
	case Maintenance:
		return "M1.5 1.5h13v13h-13Z"
	default:
		return "M2 8.6 4.2 6.4 6.6 8.8 12 3 14.2 5.2 6.6 13.2Z"
	}
}

// name is the service's name for the reader, and its language when it is not
// the page's.
func (v *view) name(c component) (name, lang string) {
	switch {
	case v.lang == i18n.DE:
		return c.Name, ""
	case c.NameEN != "":
		return c.NameEN, ""
	default:
		return c.Name, "de"
	}
}

// maxNames is how many services the one sentence names before it only counts.
const maxNames = 4

func (v *view) names(cs []component) string {
	var out []string
	for _, c := range cs {
		name, _ := v.name(c)
		out = append(out, name)
	}
	if len(out) < 2 {
		return strings.Join(out, "")
	}
	return strings.Join(out[:len(out)-1], ", ") + " " + v.t("and") + " " + out[len(out)-1]
}

// say is the sentence at the top: how things stand.
func (v *view) say() string {
	total := len(v.m.Components)
	affected := v.m.affected()
	switch {
	case total == 0:
		return v.t("say_nothing")
	case total == 1:
		c := v.m.Components[0]
		name, _ := v.name(c)
		return v.t("say_single", name, v.word(c.State))
	case len(affected) == 0:
		return v.t("say_ok", total)
	}
	var out []string
	for _, s := range []State{Down, Degraded, Checking, Maintenance} {
		mine := slices.DeleteFunc(slices.Clone(affected), func(c component) bool { return c.State != s })
		if len(mine) == 0 {
			continue
		}
		key, args := "say_"+string(s), []any{total}
		if len(out) > 0 {
			key, args = "say_more_"+string(s), nil
		}
		if len(mine) > maxNames {
			out = append(out, v.n(key, len(mine), args...)+".")
			continue
		}
		out = append(out, v.n(key, len(mine), args...)+": "+v.names(mine)+".")
	}
	return strings.Join(out, " ")
}

// title begins with the mark of the worst state, so that a row of tabs tells.
func (v *view) title() string {
	w := v.m.worst()
	bad := slices.DeleteFunc(v.m.affected(), func(c component) bool { return c.State != w })
	switch len(bad) {
	case 0:
		return mark(w) + " " + v.t("title_ok", v.m.Town.Name)
	case 1:
		name, _ := v.name(bad[0])
		return mark(w) + " " + v.t("title_one", name, v.word(w), v.m.Town.Name)
	default:
		return mark(w) + " " + v.t("title_many", len(bad), v.word(w), v.m.Town.Name)
	}
}

// stamp is a moment for machines.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// moment is date and time: "22. November 2026, 14:05 Uhr".
func (v *view) moment(t time.Time) string { return v.loc.Date(t) + ", " + v.loc.Clock(t) }

// when is a moment as briefly as it stays clear today.
func (v *view) when(t time.Time) string { return v.loc.Short(t) }

// text is a message's words for the reader, and their language when it is not
// the page's.
func (v *view) text(m message) (words, string) {
	own := template.Language(v.lang)
	if w, ok := m.Words[own]; ok {
		return w, ""
	}
	for _, l := range []template.Language{template.DE, template.EN, template.LS} {
		if w, ok := m.Words[l]; ok {
			return w, l.Tag()
		}
	}
	return words{}, ""
}

// kind is what the page calls a message's kind.
func (v *view) kind(k template.Kind) string {
	if key := "statuspage.kind_" + string(k); v.loc.Catalog.Has(key) {
		return v.t("kind_" + string(k))
	}
	return v.t("kind_other")
}

// instead is what people can do, and its language when it is not the page's;
// nothing once it has ended.
func (v *view) instead(c component) (lines []string, lang string) {
	if c.State == Operational || c.Instead == "" || (!c.Until.IsZero() && !v.now.Before(c.Until)) {
		return nil, ""
	}
	text := c.Instead
	switch {
	case v.lang != i18n.EN:
	case c.InsteadEN != "":
		text = c.InsteadEN
	default:
		lang = "de"
	}
	if c.Hours != "" && (v.lang == i18n.DE || lang != "") {
		text += " (" + c.Hours + ")"
	}
	lines = append(lines, text)
	if c.Deadline != "" && (v.lang == i18n.DE || lang != "") {
		lines = append(lines, v.loc.Catalog.Text(i18n.DE, "statuspage.deadline", c.Deadline))
	}
	return lines, lang
}

// easy are the stories of the start page that have words in Leichter Sprache.
func (m *model) easy(now time.Time) []message {
	var out []message
	for _, s := range m.current(now) {
		for _, msg := range s.current() {
			if _, ok := msg.Words[template.LS]; ok {
				out = append(out, msg)
				break
			}
		}
	}
	return out
}

// ended is the sentence of the archive about a story that is over.
func (v *view) ended(s story) string {
	if s.Restored.IsZero() || s.Since.IsZero() || !s.Restored.After(s.Since) {
		return v.moment(s.first().FirstAt)
	}
	return v.moment(s.Since) + ", " + v.loc.Span(s.Restored.Sub(s.Since))
}

// month is the heading of the archive under which a story stands.
func (v *view) month(s story) string {
	date := v.loc.Date(s.first().FirstAt)
	_, month, ok := strings.Cut(date, " ")
	if !ok {
		return date
	}
	return month
}

// last is the story that ended most recently, for the quiet page.
func (m *model) last() (story, bool) {
	for _, s := range m.Incidents {
		if !s.Open {
			return s, true
		}
	}
	return story{}, false
}

// resolved reports whether a story is over in the words of other programs.
func (s story) resolved() bool {
	return s.Status == incident.Resolved || s.Status == incident.Postmortem
}
