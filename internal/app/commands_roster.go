package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/raise/roster"
)

// RosterCoverage prints which part of the time a roster covers, as text or as
// JSON. An empty land is the town's; year zero is the present one.
func (Commands) RosterCoverage(ctx context.Context, s Settings, slug, land string, year int, asJSON bool) error {
	return once(ctx, s, func(ctx context.Context, a *App) error {
		l := a.townLocale(ctx)
		l.Lang = s.Lang
		c, err := a.roster.Coverage(ctx, slug, strings.ToUpper(land), cmp.Or(year, l.Now.In(l.Zone).Year()))
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(s.Stdout, roster.CoverageBody(c))
		}
		say := func(key string, args ...any) { fmt.Fprintln(s.Stdout, l.Catalog.Text(l.Lang, key, args...)) }
		say("roster.cli_head", c.Roster.Name, c.Roster.Slug, roster.HoursText(l, c.Roster.Plan), cmp.Or(c.Land, "–"))
		say("roster.cli_week", decimal(l.Lang, c.Week.Hours, true), decimal(l.Lang, c.Week.Percent, true))
		say("roster.cli_year", c.Year, decimal(l.Lang, c.Whole.Hours, false), decimal(l.Lang, c.Whole.Percent, true), len(c.Holidays))
		if len(c.Gaps) == 0 {
			say("roster.cli_no_gaps")
		} else {
			key := "roster.cli_gaps.other"
			if len(c.Gaps) == 1 {
				key = "roster.cli_gaps.one"
			}
			say(key, decimal(l.Lang, c.Missing, false), len(c.Gaps), roster.SpanText(l, c.Gaps[0].From, c.Gaps[0].To), roster.GapWords(l, c.Gaps[0]))
		}
		if l.Lang != i18n.EN {
			// The same figures as scripts and the manual of the contract write them.
			say("roster.cli_plain", decimal(i18n.EN, c.Week.Hours, true), decimal(i18n.EN, c.Week.Percent, true), decimal(i18n.EN, c.Whole.Hours, false), decimal(i18n.EN, c.Whole.Percent, true))
		}
		return nil
	})
}

// RosterShow prints the shifts of a roster from a day up to another, which is not
// part of it. Without days it is a week from today.
func (Commands) RosterShow(ctx context.Context, s Settings, slug, from, to string, asJSON bool) error {
	return once(ctx, s, func(ctx context.Context, a *App) error {
		l := a.townLocale(ctx)
		l.Lang = s.Lang
		first, err := dayOr(from, roster.DateIn(l.Now, l.Zone))
		if err != nil {
			return err
		}
		last, err := dayOr(to, first.Add(7))
		if err != nil {
			return err
		}
		ro, shifts, err := a.roster.Show(ctx, slug, first, last)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(s.Stdout, roster.ShiftBodies(shifts))
		}
		fmt.Fprintln(s.Stdout, l.Catalog.Text(l.Lang, "roster.cli_shifts", ro.Name, first, last))
		if len(shifts) == 0 {
			fmt.Fprintln(s.Stdout, l.Catalog.Text(l.Lang, "roster.cli_no_shifts", ro.Slug))
		}
		out := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
		for _, x := range shifts {
			fmt.Fprintln(out, strings.TrimRight(strings.Join(roster.ShiftLine(l, ro, x), "\t"), "\t"))
		}
		return out.Flush()
	})
}

// RosterImport prints what a calendar in a file would change in a roster, and with
// take lays it.
func (Commands) RosterImport(ctx context.Context, s Settings, slug, file string, take bool) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(io.LimitReader(f, roster.MaxCalendar+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return once(ctx, s, func(ctx context.Context, a *App) error {
		l := a.townLocale(ctx)
		l.Lang = s.Lang
		read := func() (roster.Harvest, error) { return a.roster.Preview(ctx, slug, raw, 0) }
		if take {
			read = func() (roster.Harvest, error) { return a.roster.Take(ctx, slug, raw, 0, "") }
		}
		h, err := read()
		if err != nil {
			return err
		}
		said := "roster.cli_import_shown"
		if h.ID != "" {
			said = "roster.cli_import_taken"
		}
		_, err = fmt.Fprint(s.Stdout, roster.ImportReport(l, h), l.Catalog.Text(l.Lang, said), "\n")
		return err
	})
}

func dayOr(s string, otherwise roster.Date) (roster.Date, error) {
	if s == "" {
		return otherwise, nil
	}
	d, ok := roster.ParseDate(s)
	if !ok {
		return d, fault.New(fault.Invalid, "roster.bad_start").With(fmt.Errorf("%q", s))
	}
	return d, nil
}

// decimal writes a number with the marks of a language, to one decimal where it
// has one or is always to have it.
func decimal(lang i18n.Lang, v float64, always bool) string {
	text := fmt.Sprintf("%.1f", v)
	whole, tenth, _ := strings.Cut(text, ".")
	comma, point := ",", "."
	if lang == i18n.DE {
		comma, point = point, comma
	}
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + comma + whole[i:]
	}
	if tenth == "0" && !always {
		return whole
	}
	return whole + point + tenth
}

func printJSON(w io.Writer, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", raw)
	}
	return err
}
