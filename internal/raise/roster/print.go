package roster

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
)

// printWeeks is how many weeks hang on the wall.
const printWeeks = 4

// Sheet is a roster for the wall: the next four weeks, a table for each, from the
// Monday of this one.
func (r *Room) Sheet(ctx context.Context, slug string) (paper.Document, error) {
	now, l := r.o.Clock.Now(), i18n.Of(ctx)
	rules, err := r.rules(ctx, "")
	if err != nil {
		return paper.Document{}, err
	}
	first := DateIn(now, rules.Zone)
	for first.Weekday() != time.Monday {
		first = first.Add(-1)
	}
	town, err := r.o.People.Current(ctx)
	if err != nil {
		return paper.Document{}, err
	}
	d := paper.Document{
		Lang: string(l.Lang), Foot: i18n.T(ctx, "roster.print_foot", town.Name, i18n.Stand(ctx, now)), PageOf: i18n.T(ctx, "roster.print_page"), Stand: now,
	}
	for w := range printWeeks {
		ro, shifts, err := r.Show(ctx, slug, first.Add(7*w), first.Add(7*(w+1)))
		if err != nil {
			return d, err
		}
		d.Title, d.Subtitle = ro.Name, HoursText(l, ro.Plan)
		table := paper.Table{
			Caption: i18n.T(ctx, "roster.shifts_from", first.Add(7*w).words(ctx)), Widths: []float64{5, 3, 2, 3},
			Heads: []string{i18n.T(ctx, "roster.when"), i18n.T(ctx, "roster.person"), i18n.T(ctx, "roster.print_tel"), i18n.T(ctx, "roster.remark")},
		}
		for _, s := range shifts {
			words := ShiftLine(l, ro, s)
			phone := s.Mobile
			if s.Why != "" {
				phone = ""
			}
			table.Rows = append(table.Rows, []string{span(l, s.From, s.To), words[1], phone, words[2]})
		}
		section := paper.Section{Title: i18n.T(ctx, "roster.print_week", first.Add(7*w).words(ctx), first.Add(7*w+6).words(ctx)), Blocks: []paper.Block{table}}
		if len(shifts) == 0 {
			section.Blocks = []paper.Block{paper.Text{Text: i18n.T(ctx, "roster.no_shifts")}}
		}
		d.Sections = append(d.Sections, section)
	}
	return d, nil
}

func (r *Room) getPrint(w http.ResponseWriter, req *http.Request) error {
	d, err := r.Sheet(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	raw, err := paper.PDF(d)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `inline; filename="`+req.PathValue("slug")+`.pdf"`)
	http.ServeContent(w, req, "", d.Stand, bytes.NewReader(raw))
	return nil
}
