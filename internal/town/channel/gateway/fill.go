package gateway

import "tuermer/internal/platform/fill"

// Problem is what is wrong with an entry, as a stable word: placeholder, braces,
// json, nested, address or body.
type Problem = fill.Problem

// Values are what a template can name. To is E.164 with its plus, Digits without.
type Values struct {
	To, Digits, Text, ID, Callback, Reply, From, User, Secret string
}

// Form is how values are escaped for the place where they stand.
type Form = fill.Form

// The forms.
const (
	JSON   = fill.JSON
	Query  = fill.Query
	Header = fill.Header
)

func (v Values) get(name string) (string, bool) {
	s, ok := map[string]string{
		"To": v.To, "Digits": v.Digits, "Text": v.Text, "ID": v.ID, "Callback": v.Callback, "Reply": v.Reply, "From": v.From,
		"User": v.User, "Secret": v.Secret,
	}[name]
	return s, ok
}

// Check finds what is wrong with a template: a placeholder that is none, and for
// JSON a text that is no JSON once it is filled, or that holds values in JSON within.
func Check(template string, form Form) error {
	return fill.Check(template, form, Values{
		To: "+491700000001", Digits: "491700000001", Text: "Probe \"1\"\n", ID: "01", Callback: "https://x.example/in/t/sms-receipt",
		Reply: "https://x.example/in/t/sms-reply", From: `Stadt "1"`, User: `u "1"`, Secret: `s"1`,
	}.get)
}

// Fill puts the values into the template, escaped for where they stand. What
// [Check] refuses stays as it is.
func Fill(template string, form Form, v Values) string { return fill.Template(template, form, v.get) }
