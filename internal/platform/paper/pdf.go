package paper

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
)

// A4 with margins that every printer keeps, in millimetres.
const (
	pageWidth  = 210.0
	pageHeight = 297.0
	marginX    = 18.0
	marginTop  = 16.0
	marginFoot = 18.0
	textWidth  = pageWidth - 2*marginX
)

// Sizes of the letters in points, and the height of a line for a point in
// millimetres.
const (
	sizeTitle   = 22.0
	sizeSection = 14.0
	sizeHeading = 11.5
	sizeBody    = 10.5
	sizeSmall   = 9.0
	lineFor     = 0.46
)

// smallest is how far [Document.OnePage] shrinks the letters.
const smallest = 0.62

// PDF prints the document.
func PDF(d Document) ([]byte, error) {
	known, err := sfnt.Parse(goregular.TTF)
	if err != nil {
		return nil, fmt.Errorf("paper: font: %w", err)
	}
	for scale := 1.0; ; scale -= 0.04 {
		out, pages, err := printed(d, scale, known)
		if err != nil {
			return nil, err
		}
		if !d.OnePage || pages == 1 || scale-0.04 < smallest {
			return out, nil
		}
	}
}

// printer lays one document out.
type printer struct {
	*fpdf.Fpdf
	d     Document
	scale float64
	font  *sfnt.Font
	buf   sfnt.Buffer
}

func printed(d Document, scale float64, font *sfnt.Font) ([]byte, int, error) {
	p := &printer{Fpdf: fpdf.New("P", "mm", "A4", ""), d: d, scale: scale, font: font}
	p.AddUTF8FontFromBytes("go", "", goregular.TTF)
	p.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	p.SetCatalogSort(true)
	p.SetCreationDate(d.Stand.UTC())
	p.SetModificationDate(d.Stand.UTC())
	p.SetProducer("Türmer", true)
	p.SetTitle(p.letters(d.Title), true)
	p.SetSubject(p.letters(d.Subtitle), true)
	p.SetLang(d.Lang)
	p.SetMargins(marginX, marginTop, marginX)
	p.SetAutoPageBreak(true, marginFoot)
	p.SetCellMargin(0)
	p.AliasNbPages("")
	p.SetFooterFunc(p.foot)
	p.AddPage()
	p.head()
	for i, s := range d.Sections {
		p.section(i, s)
	}
	pages := p.PageCount()
	var out bytes.Buffer
	if err := p.Output(&out); err != nil {
		return nil, 0, fmt.Errorf("paper: %w", err)
	}
	return out.Bytes(), pages, nil
}

// letters replaces what the font cannot draw.
func (p *printer) letters(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n':
			return c
		case unicode.IsSpace(c):
			return ' '
		case c == '\u00ad' || c == '\u200b':
			return -1
		case unicode.IsControl(c):
			return -1
		}
		if i, err := p.font.GlyphIndex(&p.buf, c); err != nil || i == 0 || c > 0xFFFF {
			return '?'
		}
		return c
	}, s)
}

func (p *printer) size(style string, points float64) float64 {
	p.SetFont("go", style, points*p.scale)
	return points * p.scale * lineFor
}

func (p *printer) foot() {
	h := p.size("", sizeSmall)
	p.SetTextColor(60, 60, 60)
	p.SetXY(marginX, pageHeight-marginFoot+6)
	page := strings.NewReplacer("{0}", strconv.Itoa(p.PageNo()), "{1}", "{nb}").Replace(p.d.PageOf)
	foot := []rune(p.letters(p.d.Foot))
	for cut := len(foot); p.GetStringWidth(string(foot)) > textWidth*0.8 && cut > 1; cut-- {
		foot = append(foot[:cut-1:cut-1], '…')
	}
	p.CellFormat(textWidth*0.8, h, string(foot), "", 0, "L", false, 0, "")
	p.CellFormat(textWidth*0.2, h, page, "", 0, "R", false, 0, "")
	p.SetTextColor(0, 0, 0)
}

func (p *printer) head() {
	h := p.size("B", sizeTitle)
	p.MultiCell(textWidth, h, p.letters(p.d.Title), "", "L", false)
	if p.d.Subtitle != "" {
		h = p.size("", sizeHeading)
		p.MultiCell(textWidth, h, p.letters(p.d.Subtitle), "", "L", false)
	}
	parts := make([]string, len(p.d.Facts))
	for i, f := range p.d.Facts {
		parts[i] = f.Label + ": " + f.Value
	}
	if len(parts) > 0 {
		h = p.size("", sizeBody)
		p.MultiCell(textWidth, h, p.letters(strings.Join(parts, "  ·  ")), "", "L", false)
	}
	y := p.GetY() + 2*p.scale
	p.SetLineWidth(0.5)
	p.Line(marginX, y, pageWidth-marginX, y)
	p.SetY(y + 2*p.scale)
}

func (p *printer) section(i int, s Section) {
	switch {
	case s.NewPage && i > 0 && !p.d.OnePage:
		p.AddPage()
	case i > 0:
		p.Ln(3 * p.scale)
	}
	p.room(24 * p.scale) // a heading never stands alone at the foot
	if s.Title != "" {
		p.Bookmark(p.letters(s.Title), 0, -1)
		h := p.size("B", sizeSection)
		p.MultiCell(textWidth, h, p.letters(s.Title), "", "L", false)
		p.Ln(1 * p.scale)
	}
	for _, b := range s.Blocks {
		p.block(b)
	}
}

// room begins a new page unless so many millimetres are left.
func (p *printer) room(h float64) {
	if p.GetY()+h > pageHeight-marginFoot {
		p.AddPage()
	}
}

func (p *printer) block(b Block) {
	switch b := b.(type) {
	case Heading:
		p.room(16 * p.scale)
		p.Ln(1.5 * p.scale)
		p.para(string(b), "B", sizeHeading, 0)
	case Text:
		switch {
		case b.Strong:
			p.para(b.Text, "B", sizeBody, 0)
		case b.Quiet:
			p.para(b.Text, "", sizeSmall, 0)
		default:
			p.para(b.Text, "", sizeBody, 0)
		}
	case List:
		for _, s := range b {
			p.point(s, false)
		}
	case Checks:
		for _, s := range b {
			p.point(s, true)
		}
	case Quote:
		p.quote(b)
	case Table:
		p.table(b)
	case Codes:
		p.codes(b)
	case Blanks:
		p.blanks(b)
	}
	p.Ln(1 * p.scale)
}

func (p *printer) para(text, style string, points, indent float64) {
	h := p.size(style, points)
	p.SetX(marginX + indent)
	p.MultiCell(textWidth-indent, h, p.letters(text), "", "L", false)
	p.SetX(marginX)
}

// point is one line of a list, with a dot or a box.
func (p *printer) point(text string, box bool) {
	h := p.size("", sizeBody)
	lines := p.SplitText(p.letters(text), textWidth-6*p.scale)
	p.room(float64(len(lines)) * h)
	x, y := marginX, p.GetY()
	p.SetLineWidth(0.3)
	if box {
		side := 3.2 * p.scale
		p.Rect(x, y+(h-side)/2, side, side, "D")
	} else {
		p.SetFillColor(0, 0, 0)
		p.Circle(x+1.2*p.scale, y+h/2, 0.7*p.scale, "F")
	}
	p.SetX(x + 6*p.scale)
	p.MultiCell(textWidth-6*p.scale, h, p.letters(text), "", "L", false)
	p.Ln(0.6 * p.scale)
}

// quote is text with a bar beside it, kept on one page where it fits.
func (p *printer) quote(q Quote) {
	h := p.size("", sizeBody)
	lines := len(p.SplitText(p.letters(q.Text), textWidth-5))
	if q.Title != "" {
		lines++
	}
	p.room(min(float64(lines)*h, pageHeight/2))
	page, top := p.PageNo(), p.GetY()
	if q.Title != "" {
		p.para(q.Title, "B", sizeBody, 5)
	}
	p.para(q.Text, "", sizeBody, 5)
	if p.PageNo() == page {
		p.SetLineWidth(0.9)
		p.Line(marginX+1, top+0.5, marginX+1, p.GetY()-0.5)
	}
	p.Ln(1 * p.scale)
}

func (p *printer) table(t Table) {
	if len(t.Heads) == 0 {
		return
	}
	widths := make([]float64, len(t.Heads))
	sum := 0.0
	for i := range widths {
		widths[i] = 1
		if i < len(t.Widths) {
			widths[i] = t.Widths[i]
		}
		sum += widths[i]
	}
	for i := range widths {
		widths[i] *= textWidth / sum
	}
	p.row(t.Heads, widths, true, nil)
	for _, r := range t.Rows {
		p.row(r, widths, false, t.Heads)
	}
}

// row prints one row whole; heads are printed again after a page break.
func (p *printer) row(cells []string, widths []float64, head bool, heads []string) {
	const pad = 1.2
	style := ""
	if head {
		style = "B"
	}
	h := p.size(style, sizeSmall)
	height := h
	texts := make([]string, len(widths))
	for i := range widths {
		if i < len(cells) {
			texts[i] = p.letters(cells[i])
		}
		height = max(height, float64(len(p.SplitText(texts[i], widths[i]-2*pad)))*h)
	}
	height += 2 * pad
	if p.GetY()+height > pageHeight-marginFoot && p.GetY() > 2*marginTop {
		p.AddPage()
		if heads != nil {
			p.row(heads, widths, true, nil)
			p.size(style, sizeSmall)
		}
	}
	x, y := marginX, p.GetY()
	p.SetLineWidth(0.2)
	p.SetFillColor(235, 235, 235)
	for i, w := range widths {
		if head {
			p.Rect(x, y, w, height, "FD")
		} else {
			p.Rect(x, y, w, height, "D")
		}
		p.SetXY(x+pad, y+pad)
		p.MultiCell(w-2*pad, h, texts[i], "", "L", false)
		x += w
	}
	p.SetXY(marginX, y+height)
}

func (p *printer) codes(cs Codes) {
	side := 30 * p.scale
	p.room(side + 4)
	top, x := p.GetY()+1, marginX
	width := textWidth / float64(max(len(cs), 1))
	bottom := top + side
	for _, c := range cs {
		if bits, err := modules(c.URL); err == nil {
			dot := side / float64(len(bits))
			p.SetFillColor(0, 0, 0)
			for r, line := range bits {
				// One rectangle for neighbours: no hairlines between them.
				for from := 0; from < len(line); from++ {
					if !line[from] {
						continue
					}
					to := from
					for to < len(line) && line[to] {
						to++
					}
					p.Rect(x+float64(from)*dot, top+float64(r)*dot, float64(to-from)*dot, dot, "F")
					from = to
				}
			}
		}
		p.SetXY(x+side+2, top+2)
		h := p.size("B", sizeBody)
		p.MultiCell(0, h, "", "", "L", false)
		p.SetXY(x+side+2, top+2)
		p.within(x+side+2, width-side-4, h, c.Label)
		h = p.size("", sizeSmall)
		p.SetX(x + side + 2)
		p.within(x+side+2, width-side-4, h, c.URL)
		bottom = max(bottom, p.GetY())
		x += width
	}
	p.SetXY(marginX, bottom+1)
}

// within writes a text into a column; what has no blank is broken by letters.
func (p *printer) within(x, w, h float64, text string) {
	p.SetX(x)
	p.MultiCell(w, h, p.letters(text), "", "L", false)
}

func (p *printer) blanks(bs Blanks) {
	for _, b := range bs {
		h := p.size("", sizeBody)
		p.room(h * 2)
		p.Ln(h * 0.6)
		y := p.GetY()
		p.CellFormat(textWidth*0.35, h, p.letters(b), "", 0, "L", false, 0, "")
		p.SetLineWidth(0.2)
		p.Line(marginX+textWidth*0.36, y+h, pageWidth-marginX, y+h)
		p.SetXY(marginX, y+h)
	}
}
