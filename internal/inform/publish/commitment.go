package publish

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/identity"
)

// Commitments is the optional ability of [Incidents] to keep what was promised.
type Commitments interface {
	TakeCommitments(ctx context.Context, id incident.ID, cs []incident.Commitment) ([]incident.Commitment, error)
	Commitments(ctx context.Context, f incident.CommitmentFilter) ([]incident.Commitment, error)
}

// dayWords finds the day in a promise: "bis 15.12.2026", "by 15 December",
// "bis zum 1. März, 12:00 Uhr".
var dayWords = regexp.MustCompile(`(?i)[ ,(]*\b(?:bis(?: zum| spätestens)?|spätestens(?: am)?|by) ((?:\d{4}-\d{2}-\d{2})|(?:\d{1,2}\.\d{1,2}\.(?:\d{4})?)|(?:\d{1,2}\.? \p{L}+(?: \d{4})?))(?:,? (?:um |at )?(\d{1,2}:\d{2})(?: Uhr)?)?\)?`)

// spanWords finds a promise that counts days: "innerhalb von 14 Tagen", "bis
// Ende des Monats".
var spanWords = regexp.MustCompile(`(?i)[ ,(]*\b(?:(?:innerhalb von|binnen|within) (\d{1,3}) (Tagen|Tage|Wochen|days|weeks)|((?:bis )?(?:zum )?(?:Ende des Monats|Monatsende)|by the end of the month))\b\)?`)

var months = []string{"januar", "februar", "märz", "april", "mai", "juni", "juli", "august", "september", "oktober", "november", "dezember"}

var monthsEN = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}

// ParseCommitment reads one line: what is promised, and until when. A day
// without a year is the next one, a day without a time ends with its last
// minute. ok is false when no day is named.
func ParseCommitment(line string, now time.Time, zone *time.Location) (text string, due time.Time, ok bool) {
	for _, m := range slices.Backward(dayWords.FindAllStringSubmatchIndex(line, -1)) {
		day, found := parseDay(line[m[2]:m[3]], now.In(zone))
		if !found {
			continue
		}
		hour, minute := 23, 59
		if m[4] >= 0 {
			t, err := time.Parse("15:04", line[m[4]:m[5]])
			if err != nil {
				continue
			}
			hour, minute = t.Hour(), t.Minute()
		}
		due = time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, zone).UTC()
		text = without(line, m[0], m[1])
		return text, clock.Cut(due), text != ""
	}
	if m := spanWords.FindStringSubmatchIndex(line); m != nil {
		local := now.In(zone)
		day := time.Date(local.Year(), local.Month()+1, 0, 23, 59, 0, 0, zone) // the last of the month
		if m[2] >= 0 {
			n, _ := strconv.Atoi(line[m[2]:m[3]])
			if unit := strings.ToLower(line[m[4]:m[5]]); strings.HasPrefix(unit, "w") {
				n *= 7
			}
			day = time.Date(local.Year(), local.Month(), local.Day()+n, 23, 59, 0, 0, zone)
		}
		text = without(line, m[0], m[1])
		return text, clock.Cut(day.UTC()), text != ""
	}
	return strings.TrimSpace(line), time.Time{}, false
}

// without is a line without the words from one place to another. A sentence that
// begins with them stays whole: the rest would be none.
func without(line string, from, to int) string {
	text := line
	if from > 0 || strings.TrimRight(line[to:], " .") == "" {
		text = line[:from] + " " + line[to:]
	}
	text = strings.Join(strings.Fields(text), " ")
	return strings.TrimSpace(strings.TrimRight(strings.ReplaceAll(strings.ReplaceAll(text, " .", "."), " ,", ","), ".;,: "))
}

// parseDay reads a day in the zone of now.
func parseDay(s string, now time.Time) (time.Time, bool) {
	if t, err := time.ParseInLocation(time.DateOnly, s, now.Location()); err == nil {
		return t, true
	}
	var day, month, year int
	if parts := strings.Split(strings.TrimSuffix(s, "."), "."); len(parts) >= 2 && !strings.Contains(s, " ") {
		day, _ = strconv.Atoi(parts[0])
		month, _ = strconv.Atoi(parts[1])
		if len(parts) == 3 {
			year, _ = strconv.Atoi(parts[2])
		}
	} else {
		words := strings.Fields(strings.Replace(s, ".", "", 1))
		if len(words) < 2 {
			return time.Time{}, false
		}
		name := strings.ToLower(words[1])
		if month = slices.Index(months, name) + 1; month == 0 {
			month = slices.Index(monthsEN, name) + 1
		}
		day, _ = strconv.Atoi(words[0])
		if len(words) > 2 {
			year, _ = strconv.Atoi(words[2])
		}
	}
	named := year != 0
	if !named {
		year = now.Year()
	}
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, now.Location())
	if month < 1 || month > 12 || t.Day() != day || year < 2000 || year > 2200 {
		return time.Time{}, false // the 31st of February
	}
	if !named && t.AddDate(0, 0, 1).Before(now) {
		t = t.AddDate(1, 0, 0)
	}
	return t, true
}

// promised reads the commitments that the facts of a statement make, and the
// lines that name no day.
func promised(facts template.Facts, now time.Time, zone *time.Location) (out []incident.Commitment, undated []string) {
	v := facts[template.SlotPromises]
	if v.Missing() || v.IsUnknown() {
		return nil, nil
	}
	lines, english := nonEmpty(v.Text), nonEmpty(v.EN)
	for i, line := range lines {
		text, due, ok := ParseCommitment(line, now, zone)
		if !ok {
			undated = append(undated, line)
			continue
		}
		c := incident.Commitment{Text: text, Due: due}
		if len(english) == len(lines) {
			c.TextEN, _, _ = ParseCommitment(english[i], now, zone)
		}
		out = append(out, c)
	}
	return out, undated
}

// nonEmpty cuts a text into its lines, without the marks of a list.
func nonEmpty(s string) []string {
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		if l = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(l), "-•–*")); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// tells reports whether a text of the statement says the promises at all.
func tellsPromises(k template.Kind) bool { return k == template.Closing || k == template.Report }

// takePromises makes what the statement promises due items of the incident, in
// the open transaction (R2.23).
func (r *Room) takePromises(ctx context.Context, s Statement, p Preview) error {
	keeper, ok := r.o.Incidents.(Commitments)
	if !ok || !tellsPromises(s.Kind) {
		return nil
	}
	cs, _ := promised(s.Facts, s.PublishedAt, p.telling.zone)
	if len(cs) == 0 {
		return nil
	}
	public := !p.telling.incident.Private && slices.ContainsFunc(p.Reach, func(r Reach) bool { return r.Kind.Public() })
	for i := range cs {
		cs[i].Public, cs[i].Source = public, string(s.ID)
	}
	if _, err := keeper.TakeCommitments(ctx, s.Incident, cs); err != nil {
		return fmt.Errorf("publish: commitments: %w", err)
	}
	return nil
}

// hearCommitments writes to people when a promise comes due.
func (r *Room) hearCommitments(b *bus.Bus) {
	bus.On(b, incident.CommitmentDue, "publish.commitment_due", func(ctx context.Context, e bus.Event[incident.CommitmentEvent]) error {
		return r.remindCommitment(ctx, e.Data)
	})
}

// remindCommitment brings a promise to mind: near its day to the publishers,
// after it to approvers and administrators too.
func (r *Room) remindCommitment(ctx context.Context, e incident.CommitmentEvent) error {
	keeper, ok := r.o.Incidents.(Commitments)
	if !ok {
		return nil
	}
	list, err := keeper.Commitments(ctx, incident.CommitmentFilter{Incident: e.Incident, Limit: 1000})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(c incident.Commitment) bool { return c.ID == e.Commitment })
	if i < 0 || list[i].State != incident.CommitmentOpen {
		return nil // settled meanwhile
	}
	c := list[i]
	in, err := r.o.Incidents.Get(ctx, e.Incident)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil
		}
		return err
	}
	tenant, zone, err := r.home(ctx)
	if err != nil {
		return err
	}
	key, roles := "publish.mail_commitment", []identity.Role{identity.RolePublisher}
	if e.Overdue {
		key, roles = "publish.mail_commitment_overdue", append(roles, identity.RoleApprover, identity.RoleAdmin)
	}
	people, err := r.holders(ctx, roles...)
	if err != nil {
		return err
	}
	return r.toPeople(ctx, zone, people, letter{
		id: fmt.Sprintf("%s.%s.%d", c.ID, strings.TrimPrefix(key, "publish.mail_"), c.Due.Unix()), key: key, realm: in.Realm, about: in.ID,
		args: func(l i18n.Locale) []any {
			return []any{c.Text, in.Title, l.Short(c.Due), tenant.StaffURL + "/incident/" + string(in.ID) + "/commitments"}
		},
	}, nil)
}
