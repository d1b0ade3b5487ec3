package intake

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Place is where in a body something stands, as a [Mapping] names it, and what.
type Place struct{ Path, Value string }

// Bounds of [Places].
const (
	maxPlaces     = 40
	maxPlaceDepth = 6
	maxPlaceValue = 80
)

// Places lists what a mapping may point to in a body of a generic source, in the
// order in which it stands there. Of a list the first element counts, named as the
// mapping's list would have it where list is the path to it.
func Places(b Body, list string) []Place {
	raw := strings.TrimSpace(text(b.Data))
	var out []Place
	if !json.Valid([]byte(raw)) || !strings.HasPrefix(raw, "{") && !strings.HasPrefix(raw, "[") {
		f, err := fields(b)
		if err != nil {
			return nil
		}
		for name, v := range f {
			out = append(out, Place{name, line(v, maxPlaceValue)})
		}
		slices.SortFunc(out, func(x, y Place) int { return strings.Compare(x.Path, y.Path) })
		return out[:min(len(out), maxPlaces)]
	}
	doc := gjson.Parse(raw)
	if list != "" && doc.Get(list).Exists() {
		doc = doc.Get(list)
	}
	if doc.IsArray() {
		doc = doc.Get("0")
	}
	var walk func(path string, v gjson.Result, depth int)
	walk = func(path string, v gjson.Result, depth int) {
		if len(out) >= maxPlaces || depth > maxPlaceDepth || len(path) > 200 || strings.ContainsAny(path, "|@") {
			return // [Mapping.Check] would not take it
		}
		below := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
		switch {
		case v.IsObject():
			v.ForEach(func(name, x gjson.Result) bool {
				walk(below(gjson.Escape(name.String())), x, depth+1)
				return len(out) < maxPlaces
			})
		case v.IsArray():
			all := v.Array()
			out = append(out, Place{path, fmt.Sprintf("[%d]", len(all))})
			if len(all) > 0 {
				walk(below(strconv.Itoa(0)), all[0], depth+1)
			}
		case path != "":
			out = append(out, Place{path, line(v.String(), maxPlaceValue)})
		}
	}
	walk("", doc, 0)
	return out[:min(len(out), maxPlaces)]
}
