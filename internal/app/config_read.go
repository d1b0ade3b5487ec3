package app

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// place is a spot in the file; the zero value means the whole file.
type place struct{ line, column int }

// configReader walks the syntax tree of a configuration file and gathers all
// that is wrong, rather than stopping at the first.
type configReader struct {
	file     string
	problems []Finding
	warnings []Warning
	at       map[string]place // key path to its value's place
	opened   []string         // password files that were read
	tainted  map[string]bool  // lists and entries with a fault of their own
}

func (r *configReader) refuse(p place, key, text string, args ...any) {
	r.problems = append(r.problems, Finding{r.file, p.line, p.column, key, text, args})
}

func (r *configReader) remark(p place, key, text string, args ...any) {
	r.warnings = append(r.warnings, Warning{r.file, p.line, p.column, key, text, args})
}

// read turns bytes into cfg and leaves problems; it is false where there is no
// YAML to talk about.
func (r *configReader) read(data []byte, cfg *Config) bool {
	if len(data) > maxConfig {
		r.refuse(place{}, "", "config.too_big", maxConfig>>20)
		return false
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		r.refuse(place{1, 1}, "", "config.utf16")
		return false
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // Windows' Notepad writes one
	if bad := firstBadByte(data); bad >= 0 {
		p := place{1 + bytes.Count(data[:bad], []byte("\n")), 0}
		p.column = 1 + utf8.RuneCount(data[bytes.LastIndexByte(data[:bad], '\n')+1:bad])
		text := "config.not_utf8"
		if data[bad] < 0x80 {
			text = "config.control"
		}
		r.refuse(p, "", text, fmt.Sprintf("0x%02x", data[bad]))
		return false
	}
	tokens := lexer.Tokenize(string(data))
	if !r.prescan(tokens) {
		return false
	}
	root, ok := r.parse(tokens)
	if ok && !isNull(root) {
		r.root(cfg)(root, "")
	}
	return ok
}

// firstBadByte finds what no text file holds: bytes that are not UTF-8, and
// control characters, which would end up in mail headers and on screens.
func firstBadByte(data []byte) int {
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && size == 1 || c < 0x20 && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return i
		}
		i += size
	}
	return -1
}

// Bounds for the prescan. The parser recurses with the depth, and its time
// grows with the square of the keys in one mapping and of empty list entries:
// two megabytes of "[" or "-" would keep it busy for hours.
const (
	maxDepth        = 24
	maxKeysAMapping = 500
	maxEmptyEntries = 500
)

// prescan refuses, on the flat list of tokens, what the parser should not see
// or what this file has no use for: anchors and aliases (the stuff of YAML
// bombs), tags, several documents, absurd depth. It also names the two slips
// that YAML itself reports so badly that nobody finds them: a colon in an
// unquoted text, and tabs.
func (r *configReader) prescan(tokens token.Tokens) bool {
	var (
		flow     []int           // keys so far, for each open bracket
		columns  = map[int]int{} // keys so far, for each open column of block style
		entries  int             // "-" in a row on one line
		empties  int
		value    int // line of the last block ":" …
		document bool
	)
	for i, t := range tokens {
		p := place{t.Position.Line, t.Position.Column}
		if t.Type != token.SequenceEntryType {
			entries = 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			r.refuse(p, "", "config.anchor")
			return false
		case token.TagType, token.DirectiveType, token.MappingKeyType:
			r.refuse(p, "", "config.exotic", t.Value)
			return false
		case token.InvalidType:
			r.refuseSyntax(p, t.Error)
			return false
		case token.DocumentHeaderType:
			if document || i > 0 {
				r.refuse(p, "", "config.documents")
				return false
			}
			document = true
		case token.SequenceStartType, token.MappingStartType:
			if flow = append(flow, 0); len(flow) > maxDepth {
				r.refuse(p, "", "config.deep", maxDepth)
				return false
			}
		case token.SequenceEndType, token.MappingEndType:
			if len(flow) > 0 {
				flow = flow[:len(flow)-1]
			}
		case token.SequenceEntryType:
			if entries++; entries > maxDepth {
				r.refuse(p, "", "config.deep", maxDepth)
				return false
			}
			if next := t.Next; next != nil && next.Type == token.SequenceEntryType && next.Position.Line > t.Position.Line {
				entries = 0
				if empties++; empties > maxEmptyEntries {
					r.refuse(p, "", "config.crowded", maxEmptyEntries)
					return false
				}
			}
			for column := range columns {
				if column > t.Position.Column {
					delete(columns, column)
				}
			}
		case token.MappingValueType:
			keys := 0
			if len(flow) > 0 {
				flow[len(flow)-1]++
				keys = flow[len(flow)-1]
			} else if t.Prev != nil {
				if value == t.Position.Line {
					r.refuse(p, "", "config.colon")
					return false
				}
				value = t.Position.Line
				at := t.Prev.Position.Column
				for column := range columns {
					if column > at {
						delete(columns, column)
					}
				}
				if columns[at]++; len(columns) > maxDepth {
					r.refuse(p, "", "config.deep", maxDepth)
					return false
				}
				keys = columns[at]
			}
			if keys > maxKeysAMapping {
				r.refuse(p, "", "config.crowded", maxKeysAMapping)
				return false
			}
		}
	}
	return true
}

// parse runs the YAML parser. It reports only its first complaint.
func (r *configReader) parse(tokens token.Tokens) (root ast.Node, ok bool) {
	// The input is foreign and so is the parser; a slip in it must not be the
	// reason why no alarm can be sent.
	defer func() {
		if v := recover(); v != nil {
			r.refuseSyntax(place{}, fmt.Sprint(v))
			root, ok = nil, false
		}
	}()
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		p, message := place{}, err.Error()
		if se, is := errors.AsType[*yaml.SyntaxError](err); is {
			message = se.Message
			if se.Token != nil && se.Token.Position != nil {
				p = place{se.Token.Position.Line, se.Token.Position.Column}
			}
		}
		r.refuseSyntax(p, message)
		return nil, false
	}
	for _, doc := range file.Docs {
		if doc == nil || doc.Body == nil {
			continue
		}
		if root != nil {
			r.refuse(placeOf(doc.Body), "", "config.documents")
			return nil, false
		}
		root = doc.Body
	}
	return root, true
}

// refuseSyntax says in our words what the parser says of the usual slips, and
// passes the rest on.
func (r *configReader) refuseSyntax(p place, message string) {
	has := func(part string) bool { return strings.Contains(message, part) }
	text := "config.syntax"
	switch {
	case has("tab char"), has("character '\t'"):
		text = "config.tab"
	case has("must be specified"), has("end token"), has("character corresponding to"):
		text = "config.bracket"
	case has("end character of"):
		text = "config.quote"
	case has("not allowed in this context"), has("non-map value"), has("unexpected key name"):
		text = "config.indent"
	}
	r.refuse(p, "", text, shorten(message))
}

// placeOf is where a reader would point to: for a block of keys the first of
// them, for everything else its first sign.
func placeOf(n ast.Node) place {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		n = m.Key
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return place{}
	}
	return place{t.Position.Line, t.Position.Column}
}

// setter puts one value into the configuration, or says why not.
type setter func(n ast.Node, path string)

// field is one key that an object may have.
type field struct {
	key string
	set setter
}

// object reads a mapping with the given keys, of which the first required ones
// must be there. A key without a value counts as missing.
func (r *configReader) object(required int, fields ...field) setter {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.key
	}
	return func(n ast.Node, path string) {
		mapping, ok := n.(ast.MapNode)
		if !ok {
			r.refuse(placeOf(n), path, "config.want_object", strings.Join(names, ", "))
			return
		}
		seen, guessed := map[string]place{}, map[string]bool{}
		for it := mapping.MapRange(); it.Next(); {
			at := placeOf(it.Key())
			key := it.Key().GetToken().Value
			sub := join(path, key)
			if first, twice := seen[key]; twice {
				r.refuse(at, sub, "config.key_twice", first.line)
				continue
			}
			i := slices.Index(names, key)
			if i < 0 {
				if guess := closest(key, names); guess != "" {
					guessed[guess] = true
					r.refuse(at, sub, "config.key_guess", guess)
				} else {
					r.refuse(at, sub, "config.key_unknown", strings.Join(names, ", "))
				}
				continue
			}
			if isNull(it.Value()) {
				continue
			}
			seen[key] = at
			r.at[sub] = placeOf(it.Value())
			fields[i].set(it.Value(), sub)
		}
		for _, name := range names[:required] {
			if _, there := seen[name]; !there && !guessed[name] {
				r.refuse(placeOf(n), join(path, name), "config.missing")
			}
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func isNull(n ast.Node) bool {
	if n == nil {
		return true
	}
	_, ok := n.(*ast.NullNode)
	return ok
}

// listOf reads a sequence; item makes the setter for one entry.
func listOf[T any](r *configReader, dst *[]T, item func(*T) setter) setter {
	return func(n ast.Node, path string) {
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			r.refuse(placeOf(n), path, "config.want_list")
			return
		}
		*dst = make([]T, len(list.Values))
		for i, v := range list.Values {
			sub := fmt.Sprintf("%s[%d]", path, i)
			if isNull(v) {
				r.refuse(placeOf(list), sub, "config.empty_entry")
				continue
			}
			r.at[sub] = placeOf(v)
			item(&(*dst)[i])(v, sub)
		}
	}
}

// complaint is why a value is not taken: a text key and its arguments.
type complaint struct {
	text string
	args []any
}

func sorry(text string, args ...any) *complaint { return &complaint{text, args} }

// scalar reads one text through parse. Numbers are taken as they are written,
// for YAML thinks that a telephone number is one.
func scalar[T any](r *configReader, dst *T, parse func(string) (T, *complaint)) setter {
	return func(n ast.Node, path string) {
		var text string
		switch n := n.(type) {
		case *ast.StringNode:
			text = n.Value
		case *ast.LiteralNode:
			text = n.Value.Value
		case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
			text = n.GetToken().Value
		default:
			r.refuse(placeOf(n), path, "config.want_text")
			return
		}
		v, wrong := parse(text)
		if wrong != nil {
			r.refuse(placeOf(n), path, wrong.text, wrong.args...)
			return
		}
		*dst = v
	}
}

// flag reads true or false.
func (r *configReader) flag(dst *bool) setter {
	return func(n ast.Node, path string) {
		b, ok := n.(*ast.BoolNode)
		if !ok {
			r.refuse(placeOf(n), path, "config.want_bool")
			return
		}
		*dst = b.Value
	}
}

// number reads a whole number from lowest to highest.
func (r *configReader) number(dst *int, lowest, highest int) setter {
	return func(n ast.Node, path string) {
		i, ok := n.(*ast.IntegerNode)
		v := 0
		if ok {
			switch x := i.Value.(type) {
			case int64:
				v, ok = int(x), x >= int64(lowest) && x <= int64(highest)
			case uint64:
				v, ok = int(x), x <= uint64(highest) && int(x) >= lowest
			default:
				ok = false
			}
		}
		if !ok {
			r.refuse(placeOf(n), path, "config.want_number", lowest, highest)
			return
		}
		*dst = v
	}
}

// closest is the name that was probably meant, or "".
func closest(word string, names []string) string {
	best, distance := "", 1+max(1, min(len(word), 12)/3)
	for _, name := range names {
		if d := editDistance(strings.ToLower(word), name); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// editDistance counts the letters to insert, delete, replace or swap with
// their neighbour (optimal string alignment). Long words are far from all.
func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 {
		return 64
	}
	d := make([][]int, len(x)+1)
	for i := range d {
		d[i] = make([]int, len(y)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(x)][len(y)]
}
