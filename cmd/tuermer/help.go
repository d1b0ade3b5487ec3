package main

import (
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

//go:embed texts
var textFiles embed.FS

// help prints what --help asks for, in the reader's language; kong's own
// printer knows English only.
func (s *session) help(_ kong.HelpOptions, ctx *kong.Context) error {
	node := ctx.Selected()
	if node == nil {
		node = ctx.Model.Node
	}
	var b strings.Builder
	if node.Type == kong.ApplicationNode {
		b.WriteString(s.text("cli.about") + "\n\n")
	}
	path := "tuermer" + strings.TrimPrefix(node.FullPath(), ctx.Model.Name)
	words := []string{path}
	if len(node.Children) > 0 {
		words = append(words, s.text("cli.ph_command"))
	}
	for _, p := range node.Positional {
		words = append(words, "["+strings.ToUpper(p.Name)+"]")
	}
	words = append(words, s.text("cli.ph_flags"))
	b.WriteString(s.text("cli.title_usage", strings.Join(words, " ")) + "\n")
	if node.Type != kong.ApplicationNode {
		b.WriteString("\n")
		wrap(&b, "", 0, node.Help)
	}

	if commands := node.Leaves(true); node.Type == kong.ApplicationNode || len(node.Children) > 0 {
		var rows [][2]string
		for _, c := range commands {
			rows = append(rows, [2]string{strings.TrimPrefix(strings.TrimPrefix(c.FullPath(), path), " "), c.Help})
		}
		table(&b, s.text("cli.title_commands"), rows)
	}
	if len(node.Positional) > 0 {
		var rows [][2]string
		for _, p := range node.Positional {
			rows = append(rows, [2]string{strings.ToUpper(p.Name), p.Help})
		}
		table(&b, s.text("cli.title_arguments"), rows)
	}
	var own, global [][2]string
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			if f.Name == "help" {
				continue
			}
			row := [2]string{"--" + f.Name + "=" + f.PlaceHolder, f.Help + " [$" + variable(f.Name) + "]"}
			if f.Required {
				row[1] = s.text("cli.required", row[1])
			}
			if isGlobal(ctx.Model.Node, f) {
				global = append(global, row)
			} else {
				own = append(own, row)
			}
		}
	}
	table(&b, s.text("cli.title_flags"), own)
	table(&b, s.text("cli.title_global"), append(global, [2]string{"--help", s.text("cli.flag_help")}))
	if node.Type == kong.ApplicationNode {
		b.WriteString("\n" + s.text("cli.closing") + "\n")
	}
	_, err := fmt.Fprint(ctx.Stdout, b.String())
	return err
}

func isGlobal(root *kong.Node, flag *kong.Flag) bool {
	return slices.Contains(root.Flags, flag)
}

// table writes two columns, wrapped for a terminal of 80 characters.
func table(b *strings.Builder, title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	width := 0
	for _, r := range rows {
		width = max(width, utf8.RuneCountInString(r[0]))
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, r := range rows {
		wrap(b, "  "+r[0]+strings.Repeat(" ", width-utf8.RuneCountInString(r[0])+2), width+4, r[1])
	}
}

// wrap writes text behind line, and what does not fit into 80 characters on further
// ones that begin with indent spaces.
func wrap(b *strings.Builder, line string, indent int, text string) {
	begun := false
	for word := range strings.FieldsSeq(text) {
		if begun && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > 80 {
			b.WriteString(line + "\n")
			line, begun = strings.Repeat(" ", indent), false
		}
		if begun {
			line += " "
		}
		line += word
		begun = true
	}
	b.WriteString(line + "\n")
}

// kongSays maps what kong says of a wrong command line to our texts. What is
// not listed is passed on in English, which is better than nothing.
var kongSays = []struct {
	pattern *regexp.Regexp
	key     string
}{
	{regexp.MustCompile(`^unknown flag (\S+), did you mean (?:one of )?(.+)\?$`), "cli.unknown_flag_guess"},
	{regexp.MustCompile(`^unknown flag (\S+)$`), "cli.unknown_flag"},
	{regexp.MustCompile(`^unexpected argument (.+), did you mean (?:one of )?(.+)\?$`), "cli.unexpected_guess"},
	{regexp.MustCompile(`^unexpected argument (.+)$`), "cli.unexpected"},
	{regexp.MustCompile(`^expected (?:one of )?(.+)$`), "cli.no_command"},
	{regexp.MustCompile(`^missing flags: (.+)$`), "cli.missing_flags"},
	{regexp.MustCompile(`^(--[a-z]+): (?:expected string value|missing value).*$`), "cli.no_value"},
}

// translate says kong's message in the reader's language.
func (s *session) translate(message string) string {
	for _, k := range kongSays {
		m := k.pattern.FindStringSubmatch(message)
		if m == nil {
			continue
		}
		args := make([]any, len(m)-1)
		for i, part := range m[1:] {
			args[i] = strings.NewReplacer(`"`, "", ", ...", " …").Replace(part)
		}
		return s.text(k.key, args...)
	}
	return message
}
