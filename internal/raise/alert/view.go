package alert

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/service"
)

// Look is how an alert's state is drawn: its shape and its word.
func Look(ctx context.Context, a Alert) (web.State, string) {
	word := i18n.T(ctx, "alert.state."+string(a.State))
	switch {
	case a.State == StateClosed:
		return web.OK, word
	case a.State == StateOpen && a.Held != "":
		return web.Pending, i18n.T(ctx, "alert.state.held")
	case a.Severity != signal.Critical:
		return web.Degraded, word
	case a.State == StateAcknowledged:
		return web.Checking, word
	default:
		return web.Down, word
	}
}

// ReasonText says a decision's reason in words about a third person, or about
// the signal that was withheld.
func ReasonText(ctx context.Context, r Reason) string { return i18n.T(ctx, "alert.reason."+string(r)) }

// alertView is the alarm's page.
type alertView struct {
	Alert     Alert
	Service   service.Service
	Mine      Decision // about the reader
	Decisions []Decision
	Told      []told
	MayAct    bool
	InformURL string
	OpenURL   string
	Incident  string // address of the linked incident
	Form      *web.Form
	Answer    answerView
	Course    []Course
	// CourseNext leads to the lines that follow; CourseFrom: some came before.
	CourseNext string
	CourseFrom bool
	HeldBy     HeldBy
	Effects    []Alert
}

// told is what became of one person's messages.
type told struct {
	Name  string
	State web.State
	Word  string // text key
	Ways  string // "ada@…, ada@…"
}

// tell folds the alarm messages per person: one that arrived is enough.
func tell(all []Notified) []told {
	var out []told
	at := map[string]int{}
	for _, n := range all {
		if n.Kind != Alarm {
			continue
		}
		key := n.PersonID
		if key == "" {
			key = n.MessageID
		}
		i, seen := at[key]
		if !seen {
			i = len(out)
			at[key] = i
			name := n.Name
			if name == "" {
				name = host(n.Address)
			}
			out = append(out, told{Name: name, State: web.Down, Word: "alert.receipt.failed"})
		}
		address := n.Address
		if n.Way != string(channel.Mail) {
			address = n.Way
		}
		if out[i].Ways != "" {
			out[i].Ways += ", "
		}
		out[i].Ways += address
		switch {
		case n.Receipt == string(channel.Accepted):
			out[i].State, out[i].Word = web.OK, "alert.receipt.accepted"
		case n.Receipt == "" && out[i].State != web.OK:
			out[i].State, out[i].Word = web.Pending, "alert.receipt.pending"
		case (n.Receipt == receiptWithdrawn || n.Receipt == receiptBrokenOff) && out[i].State == web.Down:
			out[i].State, out[i].Word = web.Unknown, "alert.receipt."+n.Receipt
		}
	}
	return out
}

// host is all that a page shows of a webhook: its path may be a secret.
func host(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

// say is the sentence under the headline: since when, and who sees it.
func (v alertView) say(ctx context.Context) string {
	a := v.Alert
	parts := []string{i18n.T(ctx, "alert.page.since", i18n.Short(ctx, a.Since))}
	if a.State == StateClosed {
		parts = []string{i18n.T(ctx, "alert.page.from_to", i18n.Short(ctx, a.Since), i18n.Short(ctx, a.ClosedAt), i18n.Span(ctx, a.ClosedAt.Sub(a.Since)))}
	}
	if n, m := a.Confirmed(); m > 1 && a.State != StateClosed {
		parts = append(parts, i18n.T(ctx, "alert.page.n_of_m", n, m))
	}
	switch {
	case a.AcknowledgedName != "":
		parts = append(parts, i18n.T(ctx, "alert.page.taken", a.AcknowledgedName, i18n.Short(ctx, a.AcknowledgedAt)))
	case a.State == StateOpen:
		parts = append(parts, i18n.T(ctx, "alert.page.not_taken"))
	}
	return strings.Join(parts, " · ")
}

// terms are the contract with the provider and its hours.
func terms(ctx context.Context, p service.Provider) string {
	var out []string
	if c := p.Contract; c != "" {
		out = append(out, i18n.T(ctx, "alert.mail.contract", c))
	}
	if h := p.Hours; h != "" {
		out = append(out, i18n.T(ctx, "alert.mail.hours", h))
	}
	return strings.Join(out, ", ")
}

// why answers "why was I (not) woken?".
func (v alertView) why(ctx context.Context) string {
	if v.Mine.Woken {
		return i18n.T(ctx, "alert.why.woken_"+string(v.Mine.Reason))
	}
	return i18n.T(ctx, "alert.why.not_"+string(v.Mine.Reason))
}

// reasons say why the alert did not wait, where a source of our own names it.
func (v alertView) reasons(ctx context.Context) (out []string) {
	for _, s := range v.Alert.Signals {
		if s.Path != signal.Monitor || s.State != signal.Firing || slices.Contains(mild, s.Severity) {
			continue
		}
		if s.Labels[signal.LabelReason] == signal.ReadOutside {
			out = append(out, i18n.T(ctx, "alert.why.read_outside"))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// tel makes a tel: address from a number as people write it; empty when there
// is none in it.
func tel(number string) string {
	var b strings.Builder
	for i, r := range strings.TrimSpace(number) {
		switch {
		case r >= '0' && r <= '9', r == '+' && i == 0:
			b.WriteRune(r)
		case strings.ContainsRune(" -/().–", r):
		default:
			if b.Len() < 3 {
				return ""
			}
			return "tel:" + b.String() // what follows is a remark
		}
	}
	if b.Len() < 3 {
		return ""
	}
	return "tel:" + b.String()
}

// steps are the lines of the first steps without their numbers.
func steps(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if n, rest, ok := strings.Cut(l, ". "); ok && len(n) <= 2 && strings.Trim(n, "0123456789") == "" {
			l = rest
		}
		if l = strings.TrimSpace(strings.TrimLeft(l, "-*• ")); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// listView is the page of all alerts.
type listView struct {
	Alerts   []Alert
	All      bool
	Next     ID
	First    bool
	Withheld []Withheld
}

func (v listView) say(ctx context.Context) string {
	if v.All {
		return i18n.T(ctx, "alert.page.list_all_say")
	}
	open := 0
	for _, a := range v.Alerts {
		if a.State == StateOpen && a.Held == "" {
			open++
		}
	}
	switch {
	case len(v.Alerts) == 0:
		return i18n.T(ctx, "alert.page.list_quiet")
	case open == 0:
		return v.quiet(ctx)
	default:
		return i18n.N(ctx, "alert.page.list_open", open)
	}
}

// quiet says how things stand when nothing waits for somebody to take it.
func (v listView) quiet(ctx context.Context) string {
	held := 0
	for _, a := range v.Alerts {
		if a.State == StateOpen && a.Held != "" {
			held++
		}
	}
	var parts []string
	if taken := len(v.Alerts) - held; taken > 0 {
		parts = append(parts, i18n.N(ctx, "alert.page.list_taken", taken))
	}
	if held > 0 {
		parts = append(parts, i18n.N(ctx, "alert.page.list_held", held))
	}
	return strings.Join(parts, " ")
}

// isMe reports whether the reader is the person.
func isMe(ctx context.Context, person string) bool {
	return person != "" && ident.ActorOf(ctx).Person == person
}

// courseLinks lead to the beginning of the course and on.
func (v alertView) courseLinks(ctx context.Context) (out []web.PageLink) {
	base := "/alert/" + url.PathEscape(string(v.Alert.ID))
	if v.CourseFrom {
		out = append(out, web.PageLink{Href: base + "#course", Text: i18n.T(ctx, "alert.course.first")})
	}
	if v.CourseNext != "" {
		out = append(out, web.PageLink{Href: base + "?course=" + url.QueryEscape(v.CourseNext) + "#course", Text: i18n.T(ctx, "alert.course.more"), Rel: "next"})
	}
	return out
}

// sited are the sources of one site, or of none.
type sited struct {
	Site    string
	Firing  int
	First   Source // the first of them to fail that still does, else the first at all
	Sources []Source
}

// manySources is from how many on an alert's sources are shown by site.
const manySources = 12

// bySite gathers sources by the site that they name, the one that failed first on
// top: it is the likeliest cause.
func bySite(all []Source) []sited {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Source) int {
		if fa, fb := a.State == signal.Firing, b.State == signal.Firing; fa != fb {
			if fa {
				return -1
			}
			return 1
		}
		return a.Since.Compare(b.Since)
	})
	var out []sited
	at := map[string]int{}
	for _, s := range all {
		site := s.Labels["site"]
		i, ok := at[site]
		if !ok {
			i = len(out)
			at[site] = i
			out = append(out, sited{Site: site, First: s})
		}
		if s.State == signal.Firing {
			out[i].Firing++
		}
		out[i].Sources = append(out[i].Sources, s)
	}
	return out
}

// title is a site in one line: how much fails there, and what did first.
func (g sited) title(ctx context.Context) string {
	if g.Site == "" {
		return i18n.T(ctx, "alert.page.of_no_site", g.Firing, g.First.Title)
	}
	return i18n.T(ctx, "alert.page.of_site", g.Site, g.Firing, g.First.Title)
}
