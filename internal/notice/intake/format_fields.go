package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxFields bounds what is read of a form or an object.
const maxFields = 300

// fields reads a flat object, a form or a form with parts, whatever the header
// says: scripts seldom set it right. Names are in lower case, and what is nested
// in JSON is joined with dots. Of a name that comes twice in JSON the last one counts,
// and in a form the first.
func fields(b Body) (map[string]string, error) {
	raw := strings.TrimSpace(text(b.Data))
	out := map[string]string{}
	lower(out, b.Query)
	if raw == "" {
		if len(out) == 0 {
			return nil, ErrEmpty
		}
		return out, nil
	}
	kind, params, err := mime.ParseMediaType(b.ContentType)
	switch {
	case strings.HasPrefix(raw, "{"):
		var v map[string]any
		d := json.NewDecoder(strings.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return nil, ErrForm
		}
		flatten(out, "", v, 0)
	case err == nil && kind == "multipart/form-data" && params["boundary"] != "":
		if err := parts(out, b.Data, params["boundary"]); err != nil {
			return nil, err
		}
	default:
		q := formOf(raw)
		if len(q) == 0 || !strings.Contains(raw, "=") {
			return nil, ErrForm
		}
		lower(out, q)
	}
	return out, nil
}

// lower adds the first value of each name, in small letters. Of names that differ in
// case alone the one that is in small letters already counts.
func lower(out map[string]string, q url.Values) {
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if small := strings.ToLower(name); len(out) < maxFields && len(q[name]) > 0 {
			out[small] = q[name][0]
		}
	}
}

// formOf reads a form or the query of an address, whoever has escaped it: other than
// [url.ParseQuery] it leaves nothing out. A semicolon is one.
func formOf(raw string) url.Values {
	out := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name, value = unescaped(name), unescaped(value); name != "" || value != "" {
			out.Add(name, value)
		}
	}
	return out
}

// unescaped takes the escapes out of a value of a form. A percent sign that begins none
// stands for itself, and what then is no UTF-8 comes from an older Windows.
func unescaped(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return text([]byte(u))
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			c = ' '
		}
		if c == '%' && i+2 < len(s) {
			if u, err := url.QueryUnescape(s[i : i+3]); err == nil {
				out = append(out, u...)
				i += 2
				continue
			}
		}
		out = append(out, c)
	}
	return text(out)
}

func parts(out map[string]string, data []byte, boundary string) error {
	r := multipart.NewReader(bytes.NewReader(data), boundary)
	for len(out) < maxFields {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ErrForm
		}
		v, err := io.ReadAll(io.LimitReader(p, 64<<10))
		if err != nil {
			return ErrForm
		}
		out[strings.ToLower(p.FormName())] = text(v)
	}
	return nil
}

func flatten(out map[string]string, path string, v any, depth int) {
	if len(out) >= maxFields || depth > 8 {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) { // the small letters come last, and count
			flatten(out, strings.TrimPrefix(path+"."+strings.ToLower(name), "."), v[name], depth+1)
		}
	case []any:
		for i, x := range v {
			flatten(out, path+"."+strconv.Itoa(i), x, depth+1)
		}
	case nil:
	case json.Number:
		out[path] = v.String()
	default:
		out[path] = fmt.Sprint(v)
	}
}
