package template

import (
	"fmt"
	"slices"
	"strings"
)

// SyntaxError says where a text is not well formed. Line and Column count from
// one; Column counts characters.
type SyntaxError struct {
	Line, Column int
	Message      string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// node is one of literal, placeholder, selector and group.
type node any

type literal string

type placeholder struct {
	slot Slot
	form string // nom, dat, akk, kurz, lang or empty
	prep string // preposition inside the braces, lower case
}

// selector is a word in the service's number: {ist|sind}.
type selector struct{ singular, plural string }

// group is [[main||other]]: other stands when a fact of main is unknown, or
// when the switch is off.
type group struct {
	on    Slot // a switch, or empty
	main  []node
	other []node
}

// parser reads one text. The language has no nesting, so a single pass with a
// stop string is enough.
type parser struct {
	src string
	pos int
}

// parse reads a text with slots.
func parse(src string) ([]node, error) {
	p := &parser{src: src}
	nodes, _, err := p.run(false)
	return nodes, err
}

func (p *parser) fail(at int, format string, args ...any) error {
	before := p.src[:at]
	line := strings.Count(before, "\n") + 1
	column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	return &SyntaxError{Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

// run reads nodes up to the end, or inside a group up to "||" or "]]", which it
// consumes and returns.
func (p *parser) run(inGroup bool) ([]node, string, error) {
	var nodes []node
	start := p.pos
	flush := func() {
		if p.pos > start {
			nodes = append(nodes, literal(p.src[start:p.pos]))
		}
	}
	for p.pos < len(p.src) {
		rest := p.src[p.pos:]
		switch {
		case rest[0] == '{':
			flush()
			n, err := p.brace()
			if err != nil {
				return nil, "", err
			}
			nodes = append(nodes, n)
			start = p.pos
		case rest[0] == '}':
			return nil, "", p.fail(p.pos, "a closing brace without an opening one")
		case strings.HasPrefix(rest, "[["):
			if inGroup {
				return nil, "", p.fail(p.pos, "an optional part [[…]] inside another one")
			}
			flush()
			n, err := p.group()
			if err != nil {
				return nil, "", err
			}
			nodes = append(nodes, n)
			start = p.pos
		case strings.HasPrefix(rest, "]]"):
			if !inGroup {
				return nil, "", p.fail(p.pos, "]] without [[")
			}
			flush()
			p.pos += 2
			return nodes, "]]", nil
		case inGroup && strings.HasPrefix(rest, "||"):
			flush()
			p.pos += 2
			return nodes, "||", nil
		default:
			p.pos++
		}
	}
	if inGroup {
		return nil, "", p.fail(len(p.src), "the optional part [[ is never closed with ]]")
	}
	flush()
	return nodes, "", nil
}

func (p *parser) group() (node, error) {
	open := p.pos
	p.pos += 2
	var g group
	if strings.HasPrefix(p.src[p.pos:], "?") {
		name := p.src[p.pos+1:]
		if i := strings.IndexAny(name, " \n]|"); i >= 0 {
			name = name[:i]
		}
		d, ok := registry[Slot(name)]
		if !ok || d.Kind != KindSwitch {
			return nil, p.fail(p.pos, "%q is not a switch", name)
		}
		g.on = d.Slot
		p.pos += 1 + len(name)
		if strings.HasPrefix(p.src[p.pos:], " ") {
			p.pos++
		}
	}
	main, end, err := p.run(true)
	if err != nil {
		return nil, err
	}
	g.main = main
	if end == "||" {
		if g.other, end, err = p.run(true); err != nil {
			return nil, err
		}
		if end == "||" {
			return nil, p.fail(p.pos-2, "an optional part has at most one ||")
		}
	}
	if g.on == "" && len(slotsOf(g.main)) == 0 {
		return nil, p.fail(open, "an optional part needs a slot that decides about it")
	}
	return g, nil
}

// brace reads {Slot}, {Slot_form}, {prep Slot} or {singular|plural}.
func (p *parser) brace() (node, error) {
	open := p.pos
	end := strings.IndexAny(p.src[open+1:], "{}\n")
	if end < 0 || p.src[open+1+end] != '}' {
		return nil, p.fail(open, "the brace { is never closed with }")
	}
	inner := p.src[open+1 : open+1+end]
	p.pos = open + end + 2
	if singular, plural, ok := strings.Cut(inner, "|"); ok {
		if singular == "" || plural == "" || strings.Contains(plural, "|") {
			return nil, p.fail(open, "{%s}: a choice has two words, singular|plural", inner)
		}
		return selector{singular, plural}, nil
	}
	prep, name, ok := strings.Cut(inner, " ")
	if !ok {
		prep, name = "", inner
	}
	base, form, _ := strings.Cut(name, "_")
	d, known := registry[Slot(base)]
	if !known {
		return nil, p.fail(open, "{%s}: there is no slot %q", inner, base)
	}
	if d.Kind == KindSwitch {
		return nil, p.fail(open, "{%s}: a switch has no words of its own, write [[?%s …]]", inner, base)
	}
	if strings.Contains(name, "_") && (!slices.Contains(forms[d.Kind], form) || (form == formShort && d.Max == 0)) {
		return nil, p.fail(open, "{%s}: %s has no form %q", inner, base, form)
	}
	if prep != "" {
		switch {
		case d.Kind == KindNoun && form == "" && nounPrepositions[prep] != "":
		case (d.Kind == KindTime || d.Kind == KindDate) && form == "" && slices.Contains(timePrepositions, prep):
		default:
			return nil, p.fail(open, "{%s}: %q cannot stand before %s here", inner, prep, name)
		}
	}
	return placeholder{slot: d.Slot, form: form, prep: prep}, nil
}

// slotsOf lists the slots of nodes in order of first appearance, switches
// included.
func slotsOf(nodes []node) []Slot {
	var out []Slot
	add := func(s Slot) {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, n := range nodes {
		switch n := n.(type) {
		case placeholder:
			add(n.slot)
		case selector:
			add(SlotService)
		case group:
			add(n.on)
			for _, s := range slotsOf(n.main) {
				add(s)
			}
			for _, s := range slotsOf(n.other) {
				add(s)
			}
		}
	}
	return out
}
