package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/teambition/rrule-go"
	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
)

// Recurring is a maintenance that comes again and again, in civil time of the
// town: every Sunday at two stays at two when the clocks change.
type Recurring struct {
	// Rule is a recurrence as RFC 5545 writes it, "FREQ=WEEKLY;BYDAY=SU"; daily
	// or rarer.
	Rule string `yaml:"rule" json:"rule"`
	// First is when the first one begins, in local time: "2026-11-29T02:00".
	First string `yaml:"first" json:"first"`
	// Lasts is how long each takes.
	Lasts  Duration `yaml:"lasts" json:"lasts"`
	Reason string   `yaml:"reason,omitempty" json:"reason,omitempty"`
	// Zone is the town's, filled in by the room; empty: Europe/Berlin.
	Zone string `yaml:"-" json:"zone,omitempty"`
}

// CivilTime is how First is written.
const CivilTime = "2006-01-02T15:04"

// Problems of recurring maintenances.
const (
	ProblemRule      = "monitor.problem.rule"       // not a rule of RFC 5545, or too frequent, or it never comes
	ProblemRuleFirst = "monitor.problem.rule_first" // expected local time
	ProblemRuleDense = "monitor.problem.rule_dense" // one begins before the last has ended
)

// MaxRules bounds [Spec.MaintenanceRules].
const MaxRules = 20

// normalRules checks the recurring maintenances.
func (s *Spec) normalRules(c *check) {
	s.MaintenanceRules = append([]Recurring(nil), s.MaintenanceRules...)
	if len(s.MaintenanceRules) > MaxRules {
		c.add("maintenance_rules", ProblemRange, "min", 0, "max", MaxRules)
		return
	}
	for i := range s.MaintenanceRules {
		q := &s.MaintenanceRules[i]
		for _, p := range q.normal() {
			c.add(strings.TrimSuffix(fmt.Sprintf("maintenance_rules[%d].%s", i, p.Path), "."), p.Key)
		}
	}
}

// normal brings q into its one form and names what is wrong.
func (q *Recurring) normal() []Problem {
	var c check
	q.Rule = strings.ToUpper(strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(q.Rule)), "RRULE:"))
	q.First = strings.Replace(strings.TrimSpace(q.First), " ", "T", 1)
	q.Reason = strings.TrimSpace(q.Reason)
	if q.Lasts == 0 {
		c.add("lasts", ProblemRequired)
	}
	c.span("lasts", &q.Lasts, time.Hour, time.Minute, MaxWindow)
	c.text("reason", q.Reason, 4*maxReason)
	if _, err := time.Parse(CivilTime, q.First); err != nil {
		c.add("first", ProblemRuleFirst)
	}
	if len(c.problems) > 0 {
		return c.problems
	}
	next, err := q.occurrences(time.Time{})
	if err != nil {
		return []Problem{{Path: "rule", Key: ProblemRule}}
	}
	// A year of daily ones is enough to see whether they touch each other: then
	// nothing would alarm any more.
	last, ok := next()
	if !ok {
		return []Problem{{Path: "rule", Key: ProblemRule}}
	}
	for range 400 {
		at, ok := next()
		if !ok {
			break
		}
		if at.Sub(last) < q.Lasts.D()+MinInterval {
			return []Problem{{Path: "lasts", Key: ProblemRuleDense}}
		}
		last = at
	}
	return nil
}

// zone is where the rule's civil time holds.
func (q Recurring) zone() *time.Location {
	z, err := clock.Zone(q.Zone)
	if err != nil {
		return time.UTC
	}
	return z
}

// occurrences answers the beginnings one after the other as civil times, which
// are held as if they were UTC. It may leave out those that began long before
// from.
func (q Recurring) occurrences(from time.Time) (func() (time.Time, bool), error) {
	first, err := time.Parse(CivilTime, q.First)
	if err != nil {
		return nil, err
	}
	o, err := rrule.StrToROption(q.Rule)
	if err != nil {
		return nil, err
	}
	if len(q.Rule) > 500 || o.Freq > rrule.DAILY || len(o.Bysecond) > 0 || strings.Contains(q.Rule, "DTSTART") {
		return nil, fmt.Errorf("the rule %q is not taken", q.Rule)
	}
	if strings.Contains(q.Rule, "Z") && !o.Until.IsZero() {
		o.Until = civil(o.Until, q.zone()) // an instant, as RFC 5545 asks for
	}
	o.Dtstart = first
	// Days and weeks are counted from near from, so that a rule of long ago costs
	// no more than a new one.
	if step := map[rrule.Frequency]int{rrule.DAILY: 7, rrule.WEEKLY: 7}[o.Freq]; step > 0 && o.Count == 0 && from.After(first) {
		step *= max(o.Interval, 1)
		if days := int(from.Sub(first)/(24*time.Hour)) - 2*step; days > 0 {
			o.Dtstart = first.AddDate(0, 0, days/step*step)
		}
	}
	rule, err := rrule.NewRRule(*o)
	if err != nil {
		return nil, err
	}
	return rule.Iterator(), nil
}

// Next is the occurrence that is open at now, or else the next one; ok is false
// when none comes any more.
func (q Recurring) Next(now time.Time) (w Window, ok bool) {
	z := q.zone()
	local := civil(now, z)
	next, err := q.occurrences(local.Add(-q.Lasts.D() - 48*time.Hour))
	if err != nil {
		return Window{}, false
	}
	for range 100_000 {
		at, some := next()
		if !some {
			return Window{}, false
		}
		from := instant(at, z)
		if to := from.Add(q.Lasts.D()); to.After(now) {
			return Window{From: from, To: to, Reason: q.Reason}, true
		}
	}
	return Window{}, false
}

// civil is what the clock on the wall shows at t, as if it were UTC.
func civil(t time.Time, z *time.Location) time.Time {
	t = t.In(z)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// instant is when the clock on the wall shows c: the first time where it comes
// twice, and as much later as the clock was put forward where it never comes
// (RFC 5545, 3.3.5).
func instant(c time.Time, z *time.Location) time.Time {
	_, before := c.Add(-24 * time.Hour).In(z).Zone()
	_, after := c.Add(24 * time.Hour).In(z).Zone()
	early := c.Add(-time.Duration(max(before, after)) * time.Second)
	late := c.Add(-time.Duration(min(before, after)) * time.Second)
	switch {
	case civil(early, z).Equal(c):
		return early.UTC()
	case civil(late, z).Equal(c):
		return late.UTC()
	}
	return c.Add(-time.Duration(before) * time.Second).UTC()
}

// calendar remembers the occurrences around now, for a rule that is asked with
// every result.
type calendar struct {
	mu    sync.Mutex
	rules []Recurring
	asked []time.Time // when the window of each rule was worked out
	next  []Window
	some  []bool
}

func newCalendar(rules []Recurring) *calendar {
	if len(rules) == 0 {
		return nil
	}
	n := len(rules)
	return &calendar{rules: rules, asked: make([]time.Time, n), next: make([]Window, n), some: make([]bool, n)}
}

// at is the window of rule i that is open at t or the next after it.
func (c *calendar) at(i int, t time.Time) (Window, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A clock that was set back makes it work it out anew.
	if known := c.asked[i]; known.IsZero() || t.Before(known) || c.some[i] && !c.next[i].To.After(t) {
		c.next[i], c.some[i] = c.rules[i].Next(t)
		c.asked[i] = t
	}
	return c.next[i], c.some[i]
}

// InMaintenance tells whether a window is open at now, when it ends, and what is
// done in it. Windows that touch or overlap count as one.
func (s Spec) InMaintenance(now time.Time) (until time.Time, ok bool) {
	w, ok := s.window(newCalendar(s.MaintenanceRules), now)
	return w.To, ok
}

// window is the maintenance that is open at now.
func (s Spec) window(c *calendar, now time.Time) (open Window, ok bool) {
	open = Window{From: now, To: now}
	join := func(w Window) bool {
		if w.From.After(open.To) || !w.To.After(open.To) {
			return false
		}
		if !ok {
			open.From, open.Reason = w.From, w.Reason
		}
		open.To, ok = w.To, true
		return true
	}
	// Each pass can only extend the end by one window.
	for grown, passes := true, len(s.Maintenance)+len(s.MaintenanceRules); grown && passes > 0; passes-- {
		grown = false
		for _, w := range s.Maintenance {
			grown = join(w) || grown
		}
		for i := range s.MaintenanceRules {
			if w, some := c.at(i, open.To); some {
				grown = join(w) || grown
			}
		}
	}
	return open, ok
}

// inTown puts the rules of a spec into the town's civil time.
func (r *Room) inTown(ctx context.Context, s Spec) Spec {
	s.MaintenanceRules = slices.Clone(s.MaintenanceRules)
	for i := range s.MaintenanceRules {
		s.MaintenanceRules[i].Zone = r.o.Locale(ctx).Zone.String()
	}
	return s
}

// MaintainByRule announces a maintenance that comes again and again.
func (r *Room) MaintainByRule(ctx context.Context, slug string, q Recurring) error {
	if err := mayOperate(ctx); err != nil {
		return err
	}
	bad := fault.New(fault.Invalid, "monitor.invalid_window")
	for _, p := range q.normal() {
		bad = bad.Field(p.Path, p.Key)
	}
	if q.Reason == "" || utf8.RuneCountInString(q.Reason) > maxReason {
		bad = bad.Field("reason", "monitor.window_reason")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	q.Zone = r.o.Locale(ctx).Zone.String()
	detail := map[string]string{"rule": q.Rule, "first": q.First, "lasts": q.Lasts.D().String(), "reason": q.Reason}
	return r.operate(ctx, slug, "monitor.maintenance", detail, func(m Monitor, u *bun.UpdateQuery) (*bun.UpdateQuery, error) {
		rules := append(slices.DeleteFunc(slices.Clone(m.Rules), func(o Recurring) bool { return o == q }), q)
		if len(rules) > MaxRules {
			return nil, fault.New(fault.Invalid, "monitor.invalid_window").Field("rule", "monitor.problem.range")
		}
		return setRules(u, rules)
	})
}

// EndRule takes a recurring maintenance of the console back.
func (r *Room) EndRule(ctx context.Context, slug, rule, first string) error {
	if err := mayOperate(ctx); err != nil {
		return err
	}
	detail := map[string]string{"rule": rule, "first": first}
	return r.operate(ctx, slug, "monitor.maintenance_ended", detail, func(m Monitor, u *bun.UpdateQuery) (*bun.UpdateQuery, error) {
		keep := slices.DeleteFunc(slices.Clone(m.Rules), func(o Recurring) bool { return o.Rule == rule && o.First == first })
		if len(keep) == len(m.Rules) {
			return nil, fault.New(fault.NotFound, "monitor.no_window")
		}
		return setRules(u, keep)
	})
}

func setRules(u *bun.UpdateQuery, rules []Recurring) (*bun.UpdateQuery, error) {
	raw, err := json.Marshal(rules)
	if err != nil {
		return nil, fmt.Errorf("monitor: rules: %w", err)
	}
	return u.Set("rules = ?", string(raw)), nil
}
