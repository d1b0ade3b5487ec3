package plan

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Change is one difference between two versions. Old empty: it came; New empty:
// it went.
type Change struct {
	Part  Part   `json:"part"`
	Item  string `json:"item,omitempty" doc:"Name of the contact, text, scenario or audience"`
	Field string `json:"field,omitempty"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

// Compare tells what became different from a to b, part by part.
func Compare(a, b Version) []Change {
	var out []Change
	for _, p := range Lists() {
		out = append(out, compareLists(p, a.Document.Lists[p], b.Document.Lists[p])...)
	}
	out = append(out, compareItems(Contacts, contactFields(a.Document.Contacts), contactFields(b.Document.Contacts))...)
	out = append(out, compareItems(Holding, holdingFields(a.Document.Holding), holdingFields(b.Document.Holding))...)
	out = append(out, compareItems(Matrix, cellFields(a.Document.Matrix), cellFields(b.Document.Matrix))...)
	out = append(out, compareItems(Profiles, profileFields(a), profileFields(b))...)
	out = append(out, compareItems(Board, []item{crewFields(a.Document.Board)}, []item{crewFields(b.Document.Board)})...)
	return append(out, compareItems(Cover, []item{coverFields(a.Document.Cover)}, []item{coverFields(b.Document.Cover)})...)
}

func compareLists(p Part, a, b []string) (out []Change) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, Change{Part: p, Old: s})
		}
	}
	for _, s := range b {
		if !slices.Contains(a, s) {
			out = append(out, Change{Part: p, New: s})
		}
	}
	if len(out) == 0 && !slices.Equal(a, b) {
		out = append(out, Change{Part: p, Field: "order", Old: strings.Join(a, "\n"), New: strings.Join(b, "\n")})
	}
	return out
}

// item is a thing of a part as names and values.
type item struct {
	key, name string
	fields    [][2]string
}

func (i item) get(field string) string {
	for _, f := range i.fields {
		if f[0] == field {
			return f[1]
		}
	}
	return ""
}

// summary is what stands for an item that came or went as a whole.
func (i item) summary() string {
	var out []string
	for _, f := range i.fields {
		if f[1] != "" {
			out = append(out, f[1])
		}
	}
	return strings.Join(out, ", ")
}

func compareItems(p Part, a, b []item) (out []Change) {
	find := func(in []item, key string) (item, bool) {
		i := slices.IndexFunc(in, func(x item) bool { return x.key == key })
		if i < 0 {
			return item{}, false
		}
		return in[i], true
	}
	for _, x := range a {
		y, ok := find(b, x.key)
		if !ok {
			out = append(out, Change{Part: p, Item: x.name, Old: x.summary()})
			continue
		}
		for _, f := range x.fields {
			if now := y.get(f[0]); now != f[1] {
				out = append(out, Change{Part: p, Item: y.name, Field: f[0], Old: f[1], New: now})
			}
		}
	}
	for _, y := range b {
		if _, ok := find(a, y.key); !ok {
			out = append(out, Change{Part: p, Item: y.name, New: y.summary()})
		}
	}
	return out
}

func minutes(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func yes(b bool) string {
	if b {
		return "✓"
	}
	return ""
}

func contactFields(cs []Contact) (out []item) {
	for _, c := range cs {
		out = append(out, item{c.ID, c.Name, [][2]string{
			{"name", c.Name},
			{"kind", string(c.Kind)},
			{"role", c.Role},
			{"phone", c.Phone},
			{"other", c.Other},
			{"mail", c.Mail},
			{"hours", c.Hours},
			{"confirmed", c.Confirmed},
			{"card", yes(c.Card)},
			{"private", yes(c.Private)},
		}})
	}
	return out
}

func holdingFields(hs []HoldingText) (out []item) {
	for _, h := range hs {
		out = append(out, item{h.ID, h.Title, [][2]string{{"title", h.Title}, {"scenario", h.Scenario}, {"text", h.Text}}})
	}
	return out
}

func cellFields(cs []Cell) (out []item) {
	for _, c := range cs {
		out = append(out, item{c.Scenario + "/" + c.Audience, c.Scenario + " / " + c.Audience, [][2]string{{"first", c.Kind}, {"note", c.Note}}})
	}
	return out
}

// profileFields are audiences with what the plan says of them.
func profileFields(v Version) (out []item) {
	names := map[string]Snapshot{}
	for _, s := range v.Audiences {
		names[s.Slug] = s
	}
	slugs := slices.Collect(maps.Keys(names))
	for slug := range v.Document.Profiles {
		if _, ok := names[slug]; !ok {
			slugs = append(slugs, slug)
		}
	}
	slices.Sort(slugs)
	for _, slug := range slugs {
		s, p := names[slug], v.Document.Profiles[slug]
		out = append(out, item{slug, slug, [][2]string{
			{"name", s.Name},
			{"audience_kind", string(s.Kind)},
			{"owner", p.Owner},
			{"deputy", p.Deputy},
			{"first_within", minutes(p.First)},
			{"rhythm", minutes(p.Every)},
			{"needs", p.Needs},
			{"audience_questions", strings.Join(p.Questions, "\n")},
			{"languages", strings.Join(p.Languages, ", ")},
			{"ways", strings.Join(p.Ways, ", ")},
		}})
	}
	return out
}

func coverFields(c CoverSheet) item {
	return item{"cover", "", [][2]string{{"valid_until", c.ValidUntil}, {"kept", c.Kept}, {"meet", c.Meet}, {"codeword", c.Codeword}}}
}

// samePart reports whether both documents say the same in a part.
func samePart(p Part, a, b Document) bool {
	pick := func(d Document) any {
		switch p {
		case Contacts:
			return d.Contacts
		case Holding:
			return d.Holding
		case Matrix:
			return d.Matrix
		case Profiles:
			return d.Profiles
		case Cover:
			return d.Cover
		case Whole:
			return d
		default:
			return d.Lists[p]
		}
	}
	return same(pick(a), pick(b))
}

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
