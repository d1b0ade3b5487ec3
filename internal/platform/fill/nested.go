package fill

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// tame is a sample whose value can end no text in which it stands.
var tame = regexp.MustCompile(`^[A-Za-z0-9+:/._-]*$`)

// nested reports whether a value may stand inside JSON that is itself a text: in a
// JSON body's string, a form's field, a header. It would be escaped once and read
// twice, so a quotation mark in it could change what is asked.
func nested(template string, form Form, sample Lookup) bool {
	texts := func(wild string) []Text {
		return Texts(template, form, func(name string) (string, bool) {
			if s, ok := sample(name); !ok || tame.MatchString(s) {
				return s, ok
			}
			return wild, true
		}, sample)
	}
	spoilt := texts("x\"y\\")
	for _, harmless := range []string{"x", "1"} {
		for i, t := range texts(harmless) {
			for k, s := range []string{t.Key, t.Value} {
				// "[{{.Title}}]" is a title in brackets and no list of numbers.
				if container(s, harmless == "1") && (i >= len(spoilt) || !container([]string{spoilt[i].Key, spoilt[i].Value}[k], false)) {
					return true
				}
			}
		}
	}
	return false
}

// container reports whether a text is JSON that holds others.
func container(s string, object bool) bool {
	s = strings.TrimSpace(s)
	return (strings.HasPrefix(s, "{") || !object && strings.HasPrefix(s, "[")) && json.Valid([]byte(s))
}

// Text is one text of a filled template and the name of its field, if it has one.
type Text struct{ Key, Value string }

// Texts are what the provider reads out of a template that is filled with value, in
// its order: the strings of a JSON body, the fields of a form, a header's line. Where a
// placeholder stands outside of JSON's strings, it is filled with bare. What is no JSON
// has none.
func Texts(template string, form Form, value, bare Lookup) (out []Text) {
	switch form {
	case JSON:
		d := json.NewDecoder(strings.NewReader(filledJSON(template, value, bare)))
		d.UseNumber()
		out, _ = textsOf(d, "", nil)
	case Query:
		for part := range strings.SplitSeq(Template(template, form, value), "&") {
			name, v, _ := strings.Cut(part, "=")
			out = append(out, Text{unescaped(name), unescaped(v)})
		}
	default:
		out = append(out, Text{"", Template(template, form, value)})
	}
	return out
}

func unescaped(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// filledJSON fills a template, otherwise within strings than outside of them.
func filledJSON(template string, within, bare Lookup) string {
	var b strings.Builder
	inside, last := false, 0
	for _, at := range append(placeholder.FindAllStringIndex(template, -1), []int{len(template), len(template)}) {
		for i := last; i < at[0]; i++ {
			switch {
			case template[i] == '\\' && inside:
				i++
			case template[i] == '"':
				inside = !inside
			}
		}
		b.WriteString(template[last:at[0]])
		if inside {
			b.WriteString(Template(template[at[0]:at[1]], JSON, within))
		} else {
			b.WriteString(Template(template[at[0]:at[1]], JSON, bare))
		}
		last = at[1]
	}
	return b.String()
}

// textsOf reads one value, and what is in it.
func textsOf(d *json.Decoder, key string, out []Text) ([]Text, bool) {
	t, err := d.Token()
	if err != nil {
		return out, false
	}
	ok := true
	switch t := t.(type) {
	case string:
		return append(out, Text{key, t}), true
	case json.Number:
		return append(out, Text{key, t.String()}), true
	case json.Delim:
		for ok && d.More() {
			name := key // a list's entries have its name
			if t == '{' {
				k, err := d.Token()
				if err != nil {
					return out, false
				}
				name, _ = k.(string)
			}
			out, ok = textsOf(d, name, out)
		}
		if ok {
			_, err = d.Token()
		}
	}
	return out, ok && err == nil
}
