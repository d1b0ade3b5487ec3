package gateway

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// Problem is what is wrong with an entry, as a stable word: placeholder, braces,
// json, address or body.
type Problem struct{ Word, Detail string }

func (p *Problem) Error() string { return strings.TrimSpace("the entry's " + p.Word + " " + p.Detail) }

// Values are what a template can name. To is E.164 with its plus, Digits without.
type Values struct {
	To, Digits, Text, ID, Callback, Reply, From, User, Secret string
}

// Form is how values are escaped for the place where they stand.
type Form string

// The forms.
const (
	JSON   Form = "json"   // inside a JSON string
	Query  Form = "query"  // in a query or a form body
	Header Form = "header" // in one header line
)

var placeholder = regexp.MustCompile(`\{\{\s*\.(\w+)\s*\}\}`)

func (v Values) get(name string) (string, bool) {
	s, ok := map[string]string{
		"To": v.To, "Digits": v.Digits, "Text": v.Text, "ID": v.ID, "Callback": v.Callback, "Reply": v.Reply, "From": v.From,
		"User": v.User, "Secret": v.Secret,
	}[name]
	return s, ok
}

// Check finds what is wrong with a template: a placeholder that is none, and for
// JSON a text that is no JSON once it is filled.
func Check(template string, form Form) error {
	for _, m := range placeholder.FindAllStringSubmatch(template, -1) {
		if _, ok := (Values{}).get(m[1]); !ok {
			return &Problem{"placeholder", m[1]}
		}
	}
	if rest := placeholder.ReplaceAllString(template, ""); strings.Contains(rest, "{{") || strings.Contains(rest, "}}") && form != JSON {
		return &Problem{"braces", "{{.To}}"}
	}
	sample := Values{
		To: "+491700000001", Digits: "491700000001", Text: "Probe \"1\"\n", ID: "01", Callback: "https://x.example/in/t/sms-receipt",
		Reply: "https://x.example/in/t/sms-reply", From: "Stadt", User: "u", Secret: "s",
	}
	if filled := Fill(template, form, sample); form == JSON && !json.Valid([]byte(filled)) {
		return &Problem{"json", ""}
	}
	return nil
}

// Fill puts the values into the template, escaped for where they stand. What
// [Check] refuses stays as it is.
func Fill(template string, form Form, v Values) string {
	return placeholder.ReplaceAllStringFunc(template, func(m string) string {
		s, ok := v.get(placeholder.FindStringSubmatch(m)[1])
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
