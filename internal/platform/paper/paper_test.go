package paper_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/platform/paper"
)

func sample(points int) paper.Document {
	d := paper.Document{
		Lang: "de", Title: "Notfallmappe", Subtitle: "Stadt Müßterstädt", PageOf: "Seite {0} von {1}", Foot: "Stand 1. Mai 2027",
		Facts: []paper.Fact{{"Stand", "1. Mai 2027"}, {"Fassung", "7"}}, Stand: time.Date(2027, 5, 1, 8, 0, 0, 0, time.UTC),
		Sections: []paper.Section{
			{Title: "Wen rufen wir an?", Blocks: []paper.Block{
				paper.Table{Caption: "Kontakte", Heads: []string{"Wer", "Telefon"}, Rows: [][]string{{"Größe Öl\nÄmter", "0611 000"}}, Widths: []float64{2, 1}},
				paper.Text{Text: "Außerhalb der Dienstzeit"},
				paper.Heading("Unterschrift"),
				paper.Blanks{"Name"},
			}},
			{Title: "Prüfen", Blocks: []paper.Block{
				paper.Checks{"Was ist geschehen? ☎ 🚨"},
				paper.Quote{Title: "Vorlesen", Text: "Wir prüfen den Ausfall."},
				paper.Codes{{Label: "Statusseite", URL: "https://status.musterstadt.example/"}},
			}},
		},
	}
	list := paper.List{}
	for i := range points {
		list = append(list, fmt.Sprintf("Punkt %d: ein Satz, der so lang ist, dass er beinahe eine ganze Zeile auf dem Papier einnimmt.", i))
	}
	d.Sections = append(d.Sections, paper.Section{Title: "Liste", NewPage: true, Blocks: []paper.Block{list}})
	return d
}

// The same document becomes the same bytes, so that two people can tell by
// comparing that they hold the same sheet.
func TestSameBytes(t *testing.T) {
	a, err := paper.PDF(sample(30))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		b, err := paper.PDF(sample(30))
		if err != nil || !bytes.Equal(a, b) {
			t.Fatal("the same document became other bytes", err)
		}
	}
	d := sample(30)
	d.Title = "Anderes"
	if b, err := paper.PDF(d); err != nil || bytes.Equal(a, b) {
		t.Fatal("another document became the same bytes", err)
	}
}

// read asks a program of another house what stands in the file.
func read(t *testing.T, pdf []byte, tool string, args ...string) string {
	t.Helper()
	bin, err := exec.LookPath(tool)
	if err != nil {
		t.Skip(tool + " is missing; script/setup paper installs it")
	}
	file := filepath.Join(t.TempDir(), "a.pdf")
	if err := os.WriteFile(file, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), bin, append([]string{file}, args...)...).Output()
	if err != nil {
		t.Fatal(tool, err)
	}
	return string(out)
}

func TestUmlautsAndPages(t *testing.T) {
	pdf, err := paper.PDF(sample(80))
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, pdf, "pdftotext", "-")
	for _, want := range []string{"Stadt Müßterstädt", "Größe Öl", "Was ist geschehen? ? ?", "Seite 1 von 3", "Seite 3 von 3", "Stand 1. Mai 2027", "Punkt 79"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	info := read(t, pdf, "pdfinfo")
	for _, want := range []string{"Notfallmappe", "A4", "2027"} {
		if !strings.Contains(info, want) {
			t.Errorf("%q is missing in\n%s", want, info)
		}
	}
	if fonts := read(t, pdf, "pdffonts"); len(regexp.MustCompile(`Identity-H +yes +\S+ +yes`).FindAllString(fonts, -1)) != 2 {
		t.Errorf("both fonts must be inside, with their letters:\n%s", fonts)
	}
}

func TestOnePage(t *testing.T) {
	d := sample(22)
	d.OnePage = true
	pdf, err := paper.PDF(d)
	if err != nil {
		t.Fatal(err)
	}
	if text := read(t, pdf, "pdftotext", "-"); !strings.Contains(text, "Seite 1 von 1") || !strings.Contains(text, "Punkt 21") {
		t.Error(text)
	}
}

// What the sheet says, the page says.
func TestViewSaysTheSame(t *testing.T) {
	var b bytes.Buffer
	if err := paper.View(sample(3), true).Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	text := doc.Text()
	for _, want := range []string{"Notfallmappe", "Müßterstädt", "Fassung", "Ämter", "Wir prüfen den Ausfall.", "https://status.musterstadt.example/", "Punkt 2"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if doc.Find("svg path").Length() != 1 || doc.Find("h1").Length() != 1 || doc.Find("h2").Length() != 3 {
		t.Error("code or headings are missing")
	}
}
