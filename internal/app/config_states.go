package app

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/clock"
)

// UplinkConfig says how Türmer knows whether its own line to the outside works.
type UplinkConfig struct {
	// References are addresses that others run. With none, a lost line is never
	// taken for the cause of anything.
	References []string
}

// MaintenanceConfig is one window, or, with a rule, one that comes again.
type MaintenanceConfig struct {
	From, To string // local time, monitor.CivilTime
	Rule     string // RFC 5545
	First    string // local time
	Lasts    monitor.Duration
	Reason   string
}

// uplink lists the keys of the uplink.
func (r *configReader) uplink(u *UplinkConfig) setter {
	return r.object(0, field{"references", r.each(&u.References, parseTarget)})
}

// fields is a list of keys to which others are added.
func fields(fs ...field) []field { return fs }

// states lists the keys of a monitor that decide about its states.
func (r *configReader) states(m *MonitorConfig) []field {
	return []field{
		{"parents", r.each(&m.Spec.Parents, parseSlug)},
		{"degraded", r.object(0,
			field{"within", scalar(r, &m.Spec.Degraded.Within, spanBetween(time.Millisecond, 2*time.Minute))},
			field{"status", r.statusSet(&m.Spec.Degraded.Status)},
		)},
		{"flapping", r.optionalFlag(&m.Spec.Flapping)},
		{"maintenance", listOf(r, &m.Maintenance, func(w *MaintenanceConfig) setter {
			return r.object(0,
				field{"from", scalar(r, &w.From, parseCivil)},
				field{"to", scalar(r, &w.To, parseCivil)},
				field{"rule", scalar(r, &w.Rule, parseLine)},
				field{"first", scalar(r, &w.First, parseCivil)},
				field{"lasts", scalar(r, &w.Lasts, spanBetween(time.Minute, monitor.MaxWindow))},
				field{"reason", scalar(r, &w.Reason, parseLine)},
			)
		})},
	}
}

// optionalFlag reads true or false where leaving it out means a third thing.
func (r *configReader) optionalFlag(dst **bool) setter {
	var b bool
	read := r.flag(&b)
	return func(n ast.Node, path string) {
		before := len(r.problems)
		if read(n, path); len(r.problems) == before {
			*dst = &b
		}
	}
}

// parseCivil takes a moment on the wall clock: 2026-11-29 02:00.
func parseCivil(s string) (string, *complaint) {
	t, err := time.Parse(monitor.CivilTime, strings.Replace(strings.TrimSpace(s), " ", "T", 1))
	if err != nil {
		return "", sorry("config.civil", shorten(s))
	}
	return t.Format(monitor.CivilTime), nil
}

// checkStates refuses what cannot be meant about parents, windows and the line.
func (r *configReader) checkStates(c *Config, slugs []string) {
	parents := map[string][]string{}
	index := map[string]int{}
	for i, m := range c.Monitors {
		path := fmt.Sprintf("monitors[%d]", i)
		for j, p := range m.Spec.Parents {
			at := fmt.Sprintf("%s.parents[%d]", path, j)
			if p == m.Slug {
				r.refuse(r.where(at), at, monitor.ProblemParentSelf)
				continue
			}
			r.exists(p, slugs, at, "monitors", "config.no_monitor")
			parents[m.Slug] = append(parents[m.Slug], p)
		}
		index[m.Slug] = i
		for j, w := range m.Maintenance {
			at := fmt.Sprintf("%s.maintenance[%d]", path, j)
			once, again := w.From != "" || w.To != "", w.Rule != "" || w.First != "" || w.Lasts != 0
			switch {
			case once == again:
				r.refuse(r.where(at), at, "config.maintenance_form")
			case once && (w.From == "" || w.To == ""), again && (w.Rule == "" || w.First == "" || w.Lasts == 0):
				r.refuse(r.where(at), at, "config.maintenance_form")
			}
		}
	}
	if circle := monitor.Loop(parents); circle != nil {
		at := fmt.Sprintf("monitors[%d].parents", index[circle[0]])
		r.refuse(r.where(at), at, "config.circle", strings.Join(circle, " → "))
	}
	for i, ref := range c.Uplink.References {
		at := fmt.Sprintf("uplink.references[%d]", i)
		if slices.Index(c.Uplink.References, ref) != i {
			r.refuse(r.where(at), at, "config.reference_twice")
		}
		u, err := url.Parse(ref)
		if err != nil {
			continue
		}
		a, err := netip.ParseAddr(u.Hostname())
		if u.Hostname() == "localhost" || err == nil && !monitor.Outside(a, c.Town.prefixes()) {
			r.refuse(r.where(at), at, "config.reference_inside", shorten(ref))
			continue
		}
		if _, wrong := reference(ref); len(wrong) > 0 {
			r.refuse(r.where(at), at, wrong[0].Key)
		}
	}
}

// prefixes are the town's own networks.
func (t TownConfig) prefixes() []netip.Prefix { return prefixes(t.Networks) }

// prefixes reads networks; what is none is left out.
func prefixes(networks []string) (out []netip.Prefix) {
	for _, n := range networks {
		if p, err := netip.ParsePrefix(n); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// reference makes the check of one address beyond our line.
func reference(address string) (monitor.Spec, []monitor.Problem) {
	m := MonitorConfig{Spec: monitor.Spec{URL: address}}
	m.fill()
	return monitor.Reference(m.spec())
}

// references are the checks that say whether our own line works.
func references(c *Config) (out []monitor.Spec) {
	for _, ref := range c.Uplink.References {
		if s, wrong := reference(ref); len(wrong) == 0 { // the file was checked
			out = append(out, s)
		}
	}
	return out
}

// inTown puts the windows of a check into its spec, by the clock of the town.
func (m *MonitorConfig) inTown(timezone string) {
	zone, err := clock.Zone(timezone)
	if err != nil {
		zone = time.UTC // the file was checked
	}
	for _, w := range m.Maintenance {
		if w.Rule != "" {
			m.Spec.MaintenanceRules = append(m.Spec.MaintenanceRules, monitor.Recurring{
				Rule: w.Rule, First: w.First, Lasts: w.Lasts, Reason: w.Reason, Zone: timezone,
			})
			continue
		}
		from, _ := time.ParseInLocation(monitor.CivilTime, w.From, zone) // empty: the monitors refuse it
		to, _ := time.ParseInLocation(monitor.CivilTime, w.To, zone)
		m.Spec.Maintenance = append(m.Spec.Maintenance, monitor.Window{From: from.UTC(), To: to.UTC(), Reason: w.Reason})
	}
}
