// Package fill puts values into a template that whoever sets up a way out has
// written: an SMS gateway's request, a REST service's.
//
// A template names values as {{.Text}} and knows nothing else: no conditions, no
// loops, no functions. Every value is escaped for the place where it stands, so
// nothing that is said can change what is asked of the provider. [Check] finds at
// the start what would fail in the night. [Readings] finds a value again in what the
// provider answers.
//
// The package stores nothing and knows no channel.
package fill

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// Problem is what is wrong with an entry, as a stable word: placeholder, braces,
// json, nested, address, body, or another of the entry's own.
type Problem struct{ Word, Detail string }

func (p *Problem) Error() string { return strings.TrimSpace("the entry's " + p.Word + " " + p.Detail) }

// Form is how values are escaped for the place where they stand.
type Form string

// The forms.
const (
	JSON   Form = "json"   // inside a JSON string
	Query  Form = "query"  // in a query or a form body
	Header Form = "header" // in one header line
)

// Lookup is a value by its name; false: there is none of that name.
type Lookup func(name string) (string, bool)

var placeholder = regexp.MustCompile(`\{\{\s*\.(\w+)\s*\}\}`)

// Check finds what is wrong with a template: a placeholder that sample does not
// know, braces that are none, for JSON a text that is no JSON once it is filled, and
// a value inside JSON that is itself a text of the request. A sample shows what its
// value may hold: where it has only letters, digits and the signs of numbers and
// plain addresses, so has every value.
func Check(template string, form Form, sample Lookup) error {
	for _, m := range placeholder.FindAllStringSubmatch(template, -1) {
		if _, ok := sample(m[1]); !ok {
			return &Problem{"placeholder", m[1]}
		}
	}
	if rest := Without(template); strings.Contains(rest, "{{") || strings.Contains(rest, "}}") && form != JSON {
		return &Problem{"braces", "{{.To}}"}
	}
	if form == JSON && !json.Valid([]byte(Template(template, form, sample))) {
		return &Problem{"json", ""}
	}
	if nested(template, form, sample) {
		return &Problem{"nested", ""}
	}
	return nil
}

// Template puts the values in. What [Check] refuses stays as it is.
func Template(template string, form Form, value Lookup) string {
	return placeholder.ReplaceAllStringFunc(template, func(m string) string {
		s, ok := value(placeholder.FindStringSubmatch(m)[1])
		if !ok {
			return m
		}
		s = strings.ToValidUTF8(s, "\uFFFD")
		switch form {
		case JSON:
			quoted, err := json.Marshal(s)
			if err != nil {
				return ""
			}
			return string(quoted[1 : len(quoted)-1])
		case Query:
			return url.QueryEscape(s)
		default:
			return strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f {
					return -1
				}
				return r
			}, s)
		}
	})
}

// Names lists the placeholders of a template.
func Names(template string) (out []string) {
	for _, m := range placeholder.FindAllStringSubmatch(template, -1) {
		out = append(out, m[1])
	}
	return out
}

// Without is a template without its placeholders.
func Without(template string) string { return placeholder.ReplaceAllString(template, "") }
