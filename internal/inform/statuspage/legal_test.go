package statuspage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/papers"
)

// drawer stands in for the papers.
type drawer struct {
	all []papers.Paper
	err error
}

func (d *drawer) Public(context.Context) ([]papers.Paper, error) { return d.all, d.err }

// The papers that the law asks for stand there as they are, in both languages,
// and say whether somebody has confirmed them; who it was stays inside. When they
// cannot be asked, the last known ones stand, also after a restart.
func TestLegalPages(t *testing.T) {
	sheet := func(word string) papers.Sheet {
		return papers.Sheet{Title: "Titel " + word, Sections: []papers.Section{{Title: "Abschnitt", Blocks: []papers.Block{
			{Kind: papers.Text, Text: "Zeile eins\nstadt@musterstadt.example <b>"},
			{Kind: papers.List, List: []string{"Punkt " + word}},
			{Kind: papers.Table, Rows: [][]string{{"Was", "Wie lange"}, {"Sitzung", "12 Stunden"}}},
		}}}}
	}
	words := map[i18n.Lang]papers.Sheet{i18n.DE: sheet("deutsch"), i18n.EN: sheet("english")}
	d := &drawer{all: []papers.Paper{
		{Kind: papers.Imprint, State: papers.Confirmed, Words: words, Last: papers.Confirmation{Version: 1, By: "Bert Kern", At: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}},
		{Kind: papers.Privacy, State: papers.Outdated, Words: words, Last: papers.Confirmation{Version: 1, By: "Bert Kern", At: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}},
		{Kind: papers.Accessibility, State: papers.Draft, Words: words},
	}}
	r, _ := built(t, newAround())
	r.o.Papers = d
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	see := func() {
		t.Helper()
		for path, c := range map[string]struct{ state, word string }{
			"/impressum":           {"geprüft und bestätigt am 1. November 2026", "Punkt deutsch"},
			"/datenschutz":         {"frühere Fassung am 1. November 2026", "Punkt deutsch"},
			"/barrierefreiheit":    {"noch nicht geprüft", "Punkt deutsch"},
			"/en/impressum":        {"checked and confirmed", "Punkt english"},
			"/en/barrierefreiheit": {"Draft", "Punkt english"},
		} {
			doc := read(t, r, path)
			got := doc.Find("main").Text()
			if !strings.Contains(got, c.state) || !strings.Contains(got, c.word) || !strings.Contains(got, "12 Stunden") || !strings.Contains(got, "<b>") {
				t.Errorf("%s: %s", path, got)
			}
			if strings.Contains(got, "Bert") {
				t.Errorf("%s names who confirmed it", path)
			}
			if draft := doc.Find("main .late").Length() == 1; draft != (c.state[0] != 'g' && c.state[0] != 'c') {
				t.Errorf("%s: marked as a draft: %v", path, draft)
			}
			if doc.Find(`main a[href="mailto:stadt@musterstadt.example"]`).Length() != 1 {
				t.Errorf("%s: the address does not lead anywhere", path)
			}
		}
	}
	see()
	d.err = errors.New("database is away")
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal("the page waits for its papers: ", err)
	}
	see()
	raw, err := encode(r.site.Load().only.model)
	if err != nil {
		t.Fatal(err)
	}
	m, err := decode(raw)
	if err != nil || len(m.Legal) != 3 || m.Legal[0].Words[i18n.EN].Title != "Titel english" {
		t.Errorf("the copy on disk lacks the papers: %v %v", m, err)
	}
}
