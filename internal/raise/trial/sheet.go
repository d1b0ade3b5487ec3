package trial

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
)

// Sheet is the report on paper.
func (r *Room) Sheet(ctx context.Context, id ID) (paper.Document, error) {
	rep, err := r.Get(ctx, id)
	if err != nil {
		return paper.Document{}, err
	}
	town, err := r.o.People.Current(ctx)
	if err != nil {
		return paper.Document{}, err
	}
	l := i18n.Of(ctx)
	d := paper.Document{
		Lang: string(l.Lang), Title: i18n.T(ctx, "trial.report_title", rep.Name), Subtitle: l.Stand(rep.StartedAt),
		Foot: i18n.T(ctx, "trial.print_foot", town.Name, l.Stand(rep.StartedAt)), PageOf: i18n.T(ctx, "trial.print_page"), Stand: rep.StartedAt,
	}
	blocks := []paper.Block{paper.Text{Text: rep.Say(l)}}
	if s := rep.versus(l); s != "" {
		blocks = append(blocks, paper.Text{Text: s})
	}
	table := paper.Table{
		Caption: i18n.T(ctx, "trial.people"), Widths: []float64{3, 5, 5},
		Heads: []string{i18n.T(ctx, "trial.person"), i18n.T(ctx, "trial.result"), i18n.T(ctx, "trial.ways")},
	}
	for _, c := range rep.Called {
		ways := make([]string, len(c.Ways))
		for i, w := range c.Ways {
			ways[i] = wayWords(l, rep.Run, w)
		}
		table.Rows = append(table.Rows, []string{c.Name, rep.fate(l, c), strings.Join(ways, "; ")})
	}
	if len(table.Rows) > 0 {
		blocks = append(blocks, table)
	}
	for _, m := range rep.Missed {
		blocks = append(blocks, paper.Text{Text: missedWords(l, m)})
	}
	d.Sections = []paper.Section{{Title: i18n.T(ctx, "trial.result"), Blocks: blocks}}
	return d, nil
}

func (r *Room) getPrint(w http.ResponseWriter, req *http.Request) error {
	d, err := r.Sheet(req.Context(), ID(req.PathValue("id")))
	if err != nil {
		return err
	}
	raw, err := paper.PDF(d)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `inline; filename="probealarm.pdf"`)
	http.ServeContent(w, req, "", d.Stand, bytes.NewReader(raw))
	return nil
}
