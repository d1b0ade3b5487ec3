package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strconv"
	"strings"
)

// maxFields bounds what is read of a form or an object.
const maxFields = 300

// fields reads a flat object, a form or a form with parts, whatever the header
// says: scripts seldom set it right. Names are in lower case, and what is nested
// in JSON is joined with dots.
func fields(b Body) (map[string]string, error) {
	raw := strings.TrimSpace(text(b.Data))
	out := map[string]string{}
	for name, v := range b.Query {
		if len(v) > 0 && len(out) < maxFields {
			out[strings.ToLower(name)] = v[0]
		}
	}
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
		q, err := url.ParseQuery(raw)
		if err != nil || len(q) == 0 || !strings.Contains(raw, "=") {
			return nil, ErrForm
		}
		for name, v := range q {
			if len(out) < maxFields {
				out[strings.ToLower(name)] = v[0]
			}
		}
	}
	return out, nil
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
		for name, x := range v {
			flatten(out, strings.TrimPrefix(path+"."+strings.ToLower(name), "."), x, depth+1)
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
