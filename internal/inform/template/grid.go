package template

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

//go:embed grid/*.yaml
var gridFS embed.FS

// Default is the grid shipped with the product, parsed once.
func Default() (*Library, error) { return shipped() }

var shipped = sync.OnceValues(func() (*Library, error) {
	names, err := fs.Glob(gridFS, "grid/*.yaml")
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(names))
	for _, name := range names {
		if files[name], err = gridFS.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return ParseGrid(files)
})

// GridError says where a grid file is wrong.
type GridError struct {
	File string
	Line int // 0: the whole file
	Err  error
}

func (e *GridError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
}

func (e *GridError) Unwrap() error { return e.Err }

// source is a wording together with the line where it begins.
type source struct {
	text string
	line int
}

// UnmarshalYAML keeps the line, so that an error in a text can be found.
func (s *source) UnmarshalYAML(n ast.Node) error {
	switch n := n.(type) {
	case *ast.LiteralNode:
		s.text, s.line = n.Value.Value, n.GetToken().Position.Line+1
	case *ast.StringNode:
		s.text, s.line = n.Value, n.GetToken().Position.Line
	case *ast.NullNode:
	default:
		return fmt.Errorf("line %d: expected a text", n.GetToken().Position.Line)
	}
	s.text = strings.Trim(s.text, "\n ")
	return nil
}

// wording is one text in one language.
type wording struct {
	Subject     source `yaml:"subject"`
	Title       source `yaml:"title"`
	Body        source `yaml:"body"`
	Instruction source `yaml:"instruction"`
}

// textDef is one text of a grid file; it becomes an entry per audience, format,
// language and, with Family, per scenario of that family.
type textDef struct {
	Kind     Kind           `yaml:"kind"`
	For      []AudienceKind `yaml:"for"`
	In       []Format       `yaml:"in"`
	Scenario Scenario       `yaml:"scenario"`
	Family   string         `yaml:"family"`
	Version  int            `yaml:"version"`
	Plain    bool           `yaml:"plain"` // no frame around it
	DE       *wording       `yaml:"de"`
	EN       *wording       `yaml:"en"`
	LS       *wording       `yaml:"de-LS"`
}

// frameDef is what stands around every text of an audience in a format:
// salutation and farewell of mails, the "Stand" of pages.
type frameDef struct {
	For []AudienceKind `yaml:"for"`
	In  []Format       `yaml:"in"`
	DE  frame          `yaml:"de"`
	EN  frame          `yaml:"en"`
	LS  frame          `yaml:"de-LS"`
}

type frame struct {
	Open  string `yaml:"open"`
	Close string `yaml:"close"`
}

// around sets a body between the frame's lines.
func (f frame) around(body string) string {
	return strings.Trim(f.Open+"\n\n"+strings.Trim(body, "\n ")+"\n\n"+f.Close, "\n ")
}

// blockDef is a sentence that a scenario lends to its family's texts.
type blockDef struct {
	DE source `yaml:"de"`
	EN source `yaml:"en"`
	LS source `yaml:"de-LS"`
}

type scenarioDef struct {
	Name   Scenario            `yaml:"name"`
	Mark   string              `yaml:"mark"`
	Family string              `yaml:"family"`
	Title  blockDef            `yaml:"title"`
	Blocks map[string]blockDef `yaml:"blocks"`
}

type gridFile struct {
	Frames    []frameDef    `yaml:"frames"`
	Scenarios []scenarioDef `yaml:"scenarios"`
	Texts     []textDef     `yaml:"texts"`
}

func (w blockDef) in(lang Language) source {
	switch lang {
	case EN:
		return w.EN
	case LS:
		return w.LS
	}
	return w.DE
}

// builder collects files into entries.
type builder struct {
	frames    map[cell]frame // by audience, format and language
	scenarios []scenarioDef
	entries   []Entry
}

// ParseGrid reads grid files by name. A file is taken whole or not at all, and
// the error names file, line and what was expected.
func ParseGrid(files map[string][]byte) (*Library, error) {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	parsed := make([]gridFile, len(names))
	b := builder{frames: map[cell]frame{}}
	for i, name := range names {
		if err := decode(files[name], &parsed[i]); err != nil {
			return nil, &GridError{File: name, Line: yamlLine(err), Err: err}
		}
		if err := b.collect(parsed[i]); err != nil {
			return nil, &GridError{File: name, Err: err}
		}
	}
	for i, name := range names {
		for _, t := range parsed[i].Texts {
			if err := b.text(name, t); err != nil {
				return nil, err
			}
		}
	}
	b.sort()
	infos := make([]ScenarioInfo, 0, len(b.scenarios))
	for _, s := range b.scenarios {
		infos = append(infos, ScenarioInfo{Scenario: s.Name, Mark: s.Mark, Family: s.Family, Title: s.Title.DE.text, TitleEN: s.Title.EN.text})
	}
	return newLibrary(b.entries, infos, b.frames)
}

// decode reads strict YAML. The library panics on some malformed files (a
// tag before a list, for one); such a file is refused like any
// other wrong one.
func decode(raw []byte, into *gridFile) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the file cannot be read as YAML: %v", r)
		}
	}()
	return yaml.UnmarshalWithOptions(raw, into, yaml.Strict())
}

// yamlLine digs the line out of the parser's error; 0 if it tells none.
func yamlLine(err error) int {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
		return e.GetToken().Position.Line
	}
	return 0
}

// collect takes what texts of other files may refer to.
func (b *builder) collect(f gridFile) error {
	for _, fr := range f.Frames {
		for _, a := range fr.For {
			if audienceLetter[a] == "" {
				return fmt.Errorf("frames: there is no audience %q", a)
			}
			for lang, one := range map[Language]frame{DE: fr.DE, EN: fr.EN, LS: fr.LS} {
				for _, format := range fr.In {
					b.frames[cell{audience: a, format: format, language: lang}] = one
				}
			}
		}
	}
	for _, s := range f.Scenarios {
		if s.Name == "" || s.Family == "" || s.Title.DE.text == "" || s.Title.EN.text == "" {
			return fmt.Errorf("scenarios: %q needs name, family and a title in de and en", s.Name)
		}
		if slices.ContainsFunc(b.scenarios, func(o scenarioDef) bool { return o.Name == s.Name }) {
			return fmt.Errorf("scenarios: %q stands twice", s.Name)
		}
		b.scenarios = append(b.scenarios, s)
	}
	return nil
}

// text expands one text into its entries.
func (b *builder) text(file string, t textDef) error {
	line := 0
	for _, w := range []*wording{t.DE, t.EN, t.LS} {
		if w != nil && line == 0 {
			line = w.Body.line
		}
	}
	fail := func(format string, args ...any) error {
		return &GridError{File: file, Line: line, Err: fmt.Errorf(format, args...)}
	}
	if t.Kind.Phase() == "" {
		return fail("there is no kind %q", t.Kind)
	}
	if len(t.For) == 0 || len(t.In) == 0 {
		return fail("a text needs for: [audiences] and in: [formats]")
	}
	if t.DE == nil {
		return fail("a text needs German wording (de)")
	}
	scenarios := []*scenarioDef{nil}
	if t.Family != "" {
		scenarios = nil
		for i := range b.scenarios {
			if b.scenarios[i].Family == t.Family {
				scenarios = append(scenarios, &b.scenarios[i])
			}
		}
		if len(scenarios) == 0 {
			return fail("there is no scenario of family %q", t.Family)
		}
	}
	if t.Scenario != "" && t.Scenario != Attack && !slices.ContainsFunc(b.scenarios, func(s scenarioDef) bool { return s.Name == t.Scenario }) {
		return fail("there is no scenario %q", t.Scenario)
	}
	for _, sc := range scenarios {
		for _, audience := range t.For {
			if audienceLetter[audience] == "" {
				return fail("there is no audience %q", audience)
			}
			for _, format := range t.In {
				if !slices.Contains(Formats(), format) {
					return fail("there is no format %q", format)
				}
				for lang, w := range map[Language]*wording{DE: t.DE, EN: t.EN, LS: t.LS} {
					if w == nil {
						continue
					}
					if err := b.entry(file, t, sc, audience, format, lang, *w); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// entry builds one entry and checks that the format's parts are there.
func (b *builder) entry(file string, t textDef, sc *scenarioDef, audience AudienceKind, format Format, lang Language, w wording) error {
	e := Entry{
		Kind: t.Kind, Audience: audience, Format: format, Scenario: t.Scenario, Language: lang,
		Version: max(t.Version, 1), ReviewState: Draft,
	}
	if lang == LS {
		e.ReviewState = DraftUnchecked
	}
	if sc != nil {
		e.Scenario = sc.Name
	}
	for _, p := range []struct {
		name string
		src  source
		want bool
		dst  *string
	}{
		{PartSubject, w.Subject, format == Mail || (format == Page && !slices.Contains(t.In, Mail) && w.Subject.text != ""), &e.Subject},
		{PartTitle, w.Title, format == Page || format == Push || format == Notice || format == CAP || format == RSS, &e.Title},
		{PartBody, w.Body, true, &e.Body},
		{PartInstruction, w.Instruction, format == CAP, &e.Instruction},
	} {
		if !p.want {
			continue
		}
		if p.src.text == "" {
			return &GridError{File: file, Line: w.Body.line, Err: fmt.Errorf("%s for %s in %s needs %s", t.Kind, audience, format, p.name)}
		}
		text, err := b.expand(p.src.text, sc, audience, lang)
		if err != nil {
			return &GridError{File: file, Line: p.src.line, Err: err}
		}
		if _, err := parse(text); err != nil {
			line := p.src.line
			var syntax *SyntaxError
			if errors.As(err, &syntax) && sc == nil {
				line += syntax.Line - 1
			}
			return &GridError{File: file, Line: line, Err: fmt.Errorf("%s in %s: %w", p.name, lang, err)}
		}
		*p.dst = text
	}
	if fr := b.frames[cell{audience: audience, format: format, language: lang}]; !t.Plain {
		e.Body = fr.around(e.Body)
	}
	e, err := Prepare(e)
	if err != nil {
		return &GridError{File: file, Line: w.Body.line, Err: err}
	}
	b.entries = append(b.entries, e)
	return nil
}

// blockMark is a sentence to be lent by the scenario: <<name>>, or <<name?>>
// where a scenario may have none.
var blockMark = regexp.MustCompile(`<<([a-zäöüß_]+)(\??)>>`)

// expand sets the scenario's sentences in. A block "tun.staff" goes before
// "tun" for that audience.
func (b *builder) expand(text string, sc *scenarioDef, audience AudienceKind, lang Language) (string, error) {
	var missing error
	out := blockMark.ReplaceAllStringFunc(text, func(mark string) string {
		m := blockMark.FindStringSubmatch(mark)
		if sc == nil {
			missing = fmt.Errorf("%s outside a scenario's text", mark)
			return ""
		}
		block := sc.Title
		if m[1] != "titel" {
			own, ok := sc.Blocks[m[1]+"."+string(audience)]
			if !ok {
				own, ok = sc.Blocks[m[1]]
			}
			if !ok && m[2] == "" {
				missing = fmt.Errorf("scenario %s has no block %q", sc.Name, m[1])
			}
			block = own
		}
		s := block.in(lang).text
		if s == "" && m[2] == "" && missing == nil {
			missing = fmt.Errorf("scenario %s: block %q has no %s", sc.Name, m[1], lang)
		}
		return s
	})
	return out, missing
}

// sort brings the entries into the grid's order.
func (b *builder) sort() {
	rank := func(e Entry) [5]int {
		scenario := -1
		for i, s := range b.scenarios {
			if s.Name == e.Scenario {
				scenario = i
			}
		}
		return [5]int{scenario, slices.Index(Kinds(), e.Kind), slices.Index(Audiences(), e.Audience), slices.Index(Formats(), e.Format), slices.Index(Languages(), e.Language)}
	}
	ranks := make(map[cell][5]int, len(b.entries))
	for _, e := range b.entries {
		ranks[e.cell()] = rank(e)
	}
	slices.SortStableFunc(b.entries, func(x, y Entry) int {
		rx, ry := ranks[x.cell()], ranks[y.cell()]
		return slices.Compare(rx[:], ry[:])
	})
}
