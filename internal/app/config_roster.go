package app

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tuermer/internal/raise/roster"
)

// RosterConfig is a duty roster that the file declares.
type RosterConfig struct {
	Slug     string
	Name     string
	Template string // essen, immer, buero; eigene with Hours
	Hours    string // "Mo-Fr 7-22; Sa, So, Feiertag 9-17"
	People   []string
	Second   []string // of a second line of duty
	Every    int      // days of a turn; default a week
	Start    roster.Date
	Handover string // time of day; default by template
	Lead     string // mail address of who hears of gaps
	Need     int    // people who are to be on duty at once; 0: one a line
	Work     string // ordinary working hours; empty: Mo-Fr 8-16
	Targets  string // hours in which it is another number: "Mo-Fr 8-16 = 2"
	Channels []string
}

// HolidayConfig is a day of the town's own, beside the holidays of its Land.
type HolidayConfig struct {
	Name string
	Day  string // 08-08, 2027-06-14 or ostern+60
	Half bool   // from noon
}

func (r *configReader) roster(c *RosterConfig) setter {
	return r.object(2,
		field{"slug", scalar(r, &c.Slug, parseSlug)},
		field{"name", scalar(r, &c.Name, parseLine)},
		field{"template", scalar(r, &c.Template, oneOf(rosterTemplates()))},
		field{"hours", scalar(r, &c.Hours, parseHours)},
		field{"people", r.each(&c.People, parseEmail)},
		field{"second", r.each(&c.Second, parseEmail)},
		field{"rotation", scalar(r, &c.Every, parseRotation)},
		field{"start", scalar(r, &c.Start, parseDay)},
		field{"handover", scalar(r, &c.Handover, parseHour)},
		field{"lead", scalar(r, &c.Lead, optional(parseEmail))},
		field{"need", r.number(&c.Need, 0, 20)},
		field{"work", scalar(r, &c.Work, parseHours)},
		field{"targets", scalar(r, &c.Targets, parseTargets)},
		field{"channels", r.each(&c.Channels, parseLine)},
	)
}

func (r *configReader) holiday(c *HolidayConfig) setter {
	return r.object(2,
		field{"name", scalar(r, &c.Name, parseLine)},
		field{"day", scalar(r, &c.Day, parseOwnDay)},
		field{"half", r.flag(&c.Half)},
	)
}

func rosterTemplates() (out []string) {
	for _, t := range roster.Templates() {
		out = append(out, string(t))
	}
	return out
}

func parseHours(s string) (string, *complaint) {
	if _, ok := roster.ParseHours(s); !ok {
		return "", sorry("config.bad_hours", shorten(s))
	}
	return s, nil
}

func parseTargets(s string) (string, *complaint) {
	if _, ok := roster.ParseTargets(s); !ok {
		return "", sorry("config.bad_targets", shorten(s))
	}
	return s, nil
}

// parseRotation reads daily, weekly or a number of days.
func parseRotation(s string) (int, *complaint) {
	switch s {
	case "daily":
		return 1, nil
	case "weekly":
		return 7, nil
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 1 && n <= 366 {
		return n, nil
	}
	return 0, sorry("config.bad_rotation", shorten(s))
}

func parseDay(s string) (roster.Date, *complaint) {
	d, ok := roster.ParseDate(s)
	if !ok {
		return d, sorry("config.bad_day", shorten(s))
	}
	return d, nil
}

func parseOwnDay(s string) (string, *complaint) {
	if !(roster.Day{Rule: s}).Valid() {
		return "", sorry("config.bad_own_day", shorten(s))
	}
	return s, nil
}

// checkRosters looks at what belongs together.
func (r *configReader) checkRosters(c *Config) {
	unique(r, c.Rosters, "rosters", "slug", func(x RosterConfig) string { return x.Slug })
	var people []string
	for _, p := range c.People {
		people = append(people, p.Email)
	}
	for i := range c.Rosters {
		x, path := &c.Rosters[i], fmt.Sprintf("rosters[%d]", i)
		if x.Hours != "" {
			x.Template = cmp.Or(x.Template, string(roster.Own))
		}
		x.Template = cmp.Or(x.Template, string(roster.Essen))
		x.Every = cmp.Or(x.Every, 7)
		if r.tainted[path] {
			continue
		}
		if (x.Template == string(roster.Own)) != (x.Hours != "") {
			r.refuse(r.where(path), path+".hours", "config.roster_hours")
			continue
		}
		if len(x.People) == 0 {
			r.refuse(r.where(path), path+".people", "config.missing")
			continue
		}
		if x.Start.IsZero() {
			r.refuse(r.where(path), path+".start", "config.missing")
			continue
		}
		found := len(r.problems)
		// Without any people in the file they are kept in the console.
		for key, list := range map[string][]string{"people": x.People, "second": x.Second, "lead": {x.Lead}} {
			for j, p := range list {
				at := fmt.Sprintf("%s.%s[%d]", path, key, j)
				if key == "lead" {
					at = path + ".lead"
				}
				if p != "" && slices.Contains(list[:j], p) {
					r.refuse(r.where(at), at, "config.roster_twice", shorten(p))
				} else if p != "" && len(people) > 0 {
					r.exists(p, people, at, "people", "config.no_person")
				}
			}
		}
		if err := x.roster().Check(); err != nil && len(r.problems) == found {
			r.refuse(r.where(path), path, "config.bad_roster")
		}
	}
	seen := map[string]bool{}
	for i, d := range c.Holidays {
		if path := fmt.Sprintf("holidays[%d]", i); d.Day != "" && seen[d.Day] {
			r.refuse(r.where(path+".day"), path+".day", "config.day_twice", d.Day)
		}
		seen[d.Day] = true
	}
}

// roster is what the room makes of an entry.
func (c RosterConfig) roster() roster.Roster {
	template := roster.Template(c.Template)
	minutes := roster.Handover(template)
	if h, m, ok := strings.Cut(c.Handover, ":"); ok {
		hour, _ := strconv.Atoi(h)
		minute, _ := strconv.Atoi(m)
		minutes = hour*60 + minute
	}
	out := roster.Roster{
		Slug: c.Slug, Name: c.Name, Lead: c.Lead, Need: c.Need, Targets: c.Targets, Work: c.Work, Channels: c.Channels,
		Plan: roster.Plan{Template: template, Own: c.Hours, Lines: [][]string{c.People}, Every: c.Every, Start: c.Start, Handover: minutes},
	}
	if len(c.Second) > 0 {
		out.Plan.Lines = append(out.Plan.Lines, c.Second)
	}
	return out
}

func rosters(in []RosterConfig) []roster.Roster {
	out := make([]roster.Roster, len(in))
	for i, c := range in {
		out[i] = c.roster()
	}
	return out
}

func holidays(in []HolidayConfig) []roster.Day {
	out := make([]roster.Day, len(in))
	for i, h := range in {
		out[i] = roster.Day{Name: h.Name, Rule: h.Day, Half: h.Half}
	}
	return out
}
