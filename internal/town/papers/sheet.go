package papers

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
)

//go:embed sheets/*.txt
var sheets embed.FS

// Kind names a paper.
type Kind string

// The papers. The first three stand on the public page.
const (
	Imprint       Kind = "imprint"
	Privacy       Kind = "privacy"
	Accessibility Kind = "accessibility"
	Record        Kind = "record"         // of processing activities
	Processors    Kind = "processors"     // who handles data for the town
	Measures      Kind = "measures"       // technical and organisational
	Deletion      Kind = "deletion"       // what is deleted when
	DPIAStaff     Kind = "dpia-staff"     // impact assessment of staff data
	DPIAListening Kind = "dpia-listening" // impact assessment of listening
	Joint         Kind = "joint"          // joint controllers
	Agreement     Kind = "agreement"      // with the staff council
	Operations    Kind = "operations"     // how it is run, and ISO 27001
)

// Kinds lists all papers in the order in which they are shown.
func Kinds() []Kind {
	return []Kind{Imprint, Privacy, Accessibility, Record, Processors, Measures, Deletion, DPIAStaff, DPIAListening, Joint, Agreement, Operations}
}

// Public lists the papers of the public page.
func Public() []Kind { return []Kind{Imprint, Privacy, Accessibility} }

// Public reports whether the paper stands on the public page.
func (k Kind) Public() bool { return slices.Contains(Public(), k) }

// Sheet is a paper in one language.
type Sheet struct {
	Title    string    `json:"title"`
	Sections []Section `json:"sections"`
}

// Section is a chapter; the first one may have no title.
type Section struct {
	Title  string  `json:"title,omitempty"`
	Blocks []Block `json:"blocks"`
}

// BlockKind says what a block is.
type BlockKind string

// The kinds of blocks.
const (
	Text   BlockKind = "text"
	Strong BlockKind = "strong"
	Quiet  BlockKind = "quiet"
	Head   BlockKind = "head"
	List   BlockKind = "list"
	Table  BlockKind = "table"
)

// Block is a piece of a section.
type Block struct {
	Kind BlockKind  `json:"kind"`
	Text string     `json:"text,omitempty"` // lines of text, strong, quiet; words of head
	List []string   `json:"list,omitempty"`
	Rows [][]string `json:"rows,omitempty"` // of a table, the first one its heads
}

// parse reads the few marks that the files in sheets/ use:
//
//	# title   ## section   ### heading   - point   > remark   ! strong   | a | table |
func parse(text string) (s Sheet, err error) {
	now := &Section{}
	flush := func() {
		if now.Title != "" || len(now.Blocks) > 0 {
			s.Sections = append(s.Sections, *now)
		}
	}
	open := false // whether the last block takes another line of its kind
	add := func(k BlockKind, line string) {
		n := len(now.Blocks)
		if !open || n == 0 || now.Blocks[n-1].Kind != k {
			now.Blocks = append(now.Blocks, Block{Kind: k})
			n++
		}
		b := &now.Blocks[n-1]
		switch k {
		case List:
			b.List = append(b.List, line)
		case Table:
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			b.Rows = append(b.Rows, cells)
		default:
			b.Text = strings.TrimPrefix(b.Text+"\n"+line, "\n")
		}
		open = true
	}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		mark, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "":
			open = false
		case mark == "#":
			s.Title = rest
		case mark == "##":
			flush()
			now, open = &Section{Title: rest}, false
		case mark == "###":
			open = false
			add(Head, rest)
			open = false
		case mark == "-":
			add(List, rest)
		case mark == ">":
			add(Quiet, rest)
		case mark == "!":
			add(Strong, rest)
		case strings.HasPrefix(line, "|"):
			add(Table, line)
		default:
			add(Text, line)
		}
	}
	flush()
	if s.Title == "" {
		return s, errors.New("papers: a sheet without a title")
	}
	for _, sec := range s.Sections {
		for _, b := range sec.Blocks {
			for _, row := range b.Rows {
				if len(row) != len(b.Rows[0]) {
					return s, fmt.Errorf("papers: %q: a row of %d cells under %d heads", s.Title, len(row), len(b.Rows[0]))
				}
			}
		}
	}
	return s, nil
}

// data is what a file in sheets/ may name.
type data struct {
	F Facts
	D Details
	P Profile
	// Responsible, Authority, Enforcement and Reports are what the town entered,
	// else what the profile proposes.
	Responsible, Authority, Enforcement, Reports string
}

// line makes a value fit for one line: it cannot begin a mark of its own, break
// the line or open a cell.
func line(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, "|", "/")), " ")
	return strings.TrimLeft(s, "#->! ")
}

// forms are the parsed texts of the papers by file, for the public page asks for
// its papers every minute.
var forms sync.Map

// form is a paper's text with nothing filled in; its functions are still missing.
func form(k Kind, l i18n.Lang) (*template.Template, error) {
	name := string(k) + "." + string(l) + ".txt"
	if t, ok := forms.Load(name); ok {
		return t.(*template.Template).Clone()
	}
	raw, err := sheets.ReadFile("sheets/" + name)
	if err != nil {
		return nil, fmt.Errorf("papers: %w", err)
	}
	none := func(any) string { return "" }
	t, err := template.New(string(k)).Option("missingkey=error").Funcs(template.FuncMap{
		"missing": none, "day": none, "term": none, "what": none,
	}).Parse(string(raw))
	if err != nil {
		return nil, fmt.Errorf("papers: %w", err)
	}
	forms.Store(name, t)
	return t.Clone()
}

// make fills a paper. words are the sentences of the catalog, for what the facts
// only name by a key.
func (m maker) make(k Kind, f Facts, d Details, p Profile, l i18n.Lang) (Sheet, error) {
	t, err := form(k, l)
	if err != nil {
		return Sheet{}, err
	}
	clean(&f, &d)
	in := data{
		F: f, D: d, P: p.in(l), Responsible: or(d.Body, f.Town), Authority: or(d.Authority, line(p.Authority)), Enforcement: or(d.Enforcement, line(p.Enforcement)),
		Reports: or(d.AccessMail, d.Mail),
	}
	t.Funcs(template.FuncMap{
		"missing": func(v string) string { return or(v, m.text(l, "papers.blank")) },
		"day":     func(v string) string { return m.day(l, v) },
		"term":    func(k Keep) string { return m.term(l, k) },
		"what":    func(k Keep) string { return m.text(l, "papers.keep_"+k.What) },
	})
	var out bytes.Buffer
	if err := t.Execute(&out, in); err != nil {
		return Sheet{}, fmt.Errorf("papers: %w", err)
	}
	s, err := parse(out.String())
	if err != nil {
		return s, err
	}
	// The town's own words stand as they were typed, outside of all marks.
	more := map[Kind]string{Imprint: d.ImprintMore, Privacy: d.PrivacyMore, Accessibility: d.AccessMore}[k]
	if k == Accessibility && d.Gaps != "" {
		s.Sections = append(s.Sections, Section{Title: m.text(l, "papers.gaps_title"), Blocks: typed(d.Gaps)})
	}
	if more != "" {
		s.Sections = append(s.Sections, Section{Title: m.text(l, "papers.more_title"), Blocks: typed(more)})
	}
	return s, nil
}

// typed are paragraphs as somebody wrote them.
func typed(text string) (out []Block) {
	for p := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, Block{Kind: Text, Text: p})
		}
	}
	return out
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// clean makes every value fit for a line, but for the town's own paragraphs.
func clean(f *Facts, d *Details) {
	for _, s := range []*string{&f.Town, &f.Land, &f.Country, &f.StaffURL, &f.PublicURL, &f.SignOn} {
		*s = line(*s)
	}
	ways := func(in []Way) []Way {
		out := make([]Way, len(in))
		for i, w := range in {
			out[i] = Way{line(w.Name), line(w.Host)}
		}
		return out
	}
	f.Relays, f.Hooks, f.Chats, f.Copies, f.Gateways, f.Sealed = ways(f.Relays), ways(f.Hooks), ways(f.Chats), ways(f.Copies), ways(f.Gateways), ways(f.Sealed)
	lines := func(in []string) []string {
		out := make([]string, len(in))
		for i, s := range in {
			out[i] = line(s)
		}
		return out
	}
	f.Forms, f.Sondes = lines(f.Forms), lines(f.Sondes)
	groups := make([]Group, len(f.Audiences))
	for i, g := range f.Audiences {
		groups[i] = Group{line(g.Name), g.Count}
	}
	f.Audiences = groups
	for _, x := range d.fields() {
		switch x.name {
		case "gaps", "imprint_more", "privacy_more", "access_more":
		default:
			*x.at(d) = line(*x.at(d))
		}
	}
	processors := make([]Processor, len(d.Processors))
	for i, p := range d.Processors {
		processors[i] = Processor{line(p.Name), line(p.What), line(p.Country), line(p.Signed)}
	}
	d.Processors = processors
}

// maker knows the words that sheets borrow from the catalog.
type maker struct{ catalog *i18n.Catalog }

func (m maker) text(l i18n.Lang, key string, args ...any) string {
	return m.catalog.Text(l, key, args...)
}

// day writes a civil day as people read it.
func (m maker) day(l i18n.Lang, civil string) string {
	t, err := time.Parse(time.DateOnly, civil)
	if err != nil {
		return or(civil, m.text(l, "papers.blank"))
	}
	return i18n.Locale{Catalog: m.catalog, Lang: l, Zone: time.UTC}.Date(t)
}

// term says how long something is kept.
func (m maker) term(l i18n.Lang, k Keep) string {
	loc := i18n.Locale{Catalog: m.catalog, Lang: l, Zone: time.UTC}
	switch {
	case k.Chain:
		return m.text(l, "papers.term_chain")
	case k.For == 0:
		return m.text(l, "papers.term_none")
	case k.Counted:
		return m.text(l, "papers.term_idle", loc.Span(k.For))
	default:
		return loc.Span(k.For)
	}
}

// Mark names the words of a paper in all languages: another mark, other words.
func Mark(in map[i18n.Lang]Sheet) string {
	raw, err := json.Marshal([]Sheet{in[i18n.DE], in[i18n.EN]})
	if err != nil {
		panic(err) // texts and lists only
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// Document is the sheet for print. facts stand under its title.
func (s Sheet) Document(l i18n.Lang, facts []paper.Fact, foot, pageOf string, stand time.Time) paper.Document {
	d := paper.Document{Lang: string(l), Title: s.Title, Facts: facts, Foot: foot, PageOf: pageOf, Stand: stand}
	for _, sec := range s.Sections {
		out := paper.Section{Title: sec.Title}
		for _, b := range sec.Blocks {
			switch b.Kind {
			case Head:
				out.Blocks = append(out.Blocks, paper.Heading(b.Text))
			case List:
				out.Blocks = append(out.Blocks, paper.List(b.List))
			case Table:
				caption := sec.Title
				if caption == "" {
					caption = s.Title
				}
				out.Blocks = append(out.Blocks, paper.Table{Caption: caption, Heads: b.Rows[0], Rows: b.Rows[1:]})
			default:
				out.Blocks = append(out.Blocks, paper.Text{Text: b.Text, Strong: b.Kind == Strong, Quiet: b.Kind == Quiet})
			}
		}
		d.Sections = append(d.Sections, out)
	}
	return d
}
