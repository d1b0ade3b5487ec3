package app

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/channel"
)

//go:embed texts
var configTexts embed.FS

// Finding is one remark on a configuration file: where, which key, and what
// was expected, as a text key with arguments, so that it can be said in the
// reader's language.
type Finding struct {
	File   string
	Line   int    // from 1; 0 where the remark concerns the whole file
	Column int    // from 1, in characters
	Key    string // path such as people[0].email, counted from 0
	Text   string // key of a text
	Args   []any
}

// Warning is a Finding that refuses nothing: something is missing for an alarm
// to get out, and its text says how to put that right.
type Warning = Finding

// In renders the finding as one line in language l, in the form
// file:line:column: key: text, which editors can jump to.
func (f Finding) In(l i18n.Lang) string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	b.WriteString(": ")
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(configText(l, f.Text, f.Args...))
	return b.String()
}

// String renders the finding in German.
func (f Finding) String() string { return f.In(i18n.DE) }

// ConfigError is a refused configuration file with everything that is wrong in
// it, in the order of the file.
type ConfigError struct {
	File     string
	Problems []Finding
	More     int // problems left off, where a file has very many
}

// Error says it in German; see [ConfigError.In].
func (e *ConfigError) Error() string { return e.In(i18n.DE) }

// In renders the refusal in language l: a heading and one line a problem.
func (e *ConfigError) In(l i18n.Lang) string {
	total := len(e.Problems) + e.More
	heading := "config.refused"
	if total == 1 {
		heading = "config.refused_one"
	}
	lines := []string{configText(l, heading, e.File, total)}
	for _, p := range e.Problems {
		lines = append(lines, "  "+p.In(l))
	}
	if e.More > 0 {
		lines = append(lines, "  "+configText(l, "config.more", e.More))
	}
	return strings.Join(lines, "\n")
}

// configText renders one text of this room, or one of the monitors' own.
func configText(l i18n.Lang, key string, args ...any) string {
	catalog, err := configCatalog()
	if err != nil {
		return key // a broken embedded file; the tests read it first
	}
	return catalog.Text(l, key, args...)
}

// configCatalog is read once: a file with ten thousand monitors has as many
// findings, and each would read all texts again.
var configCatalog = sync.OnceValues(func() (*i18n.Catalog, error) { return i18n.NewCatalog(configTexts, monitor.Texts(), channel.Texts()) })

// maxProblems bounds what one refusal prints.
const maxProblems = 100

func (r *configReader) err() error {
	slices.SortStableFunc(r.problems, byPlace)
	e := &ConfigError{File: r.file, Problems: r.problems}
	if len(e.Problems) > maxProblems {
		e.More = len(e.Problems) - maxProblems
		e.Problems = e.Problems[:maxProblems]
	}
	return e
}

func byPlace(a, b Finding) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}
