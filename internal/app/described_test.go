package app

import (
	"encoding/json"
	"strings"
)

// apiDoc is as much of the API's description as the samples need.
type apiDoc struct {
	Paths map[string]map[string]struct {
		RequestBody struct {
			Content map[string]struct {
				Schema *schema `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type schema struct {
	Ref        string             `json:"$ref"`
	Type       any                `json:"type"`
	Format     string             `json:"format"`
	Enum       []any              `json:"enum"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
	ReadOnly   bool               `json:"readOnly"`
	Encoding   string             `json:"contentEncoding"`
	Minimum    *float64           `json:"minimum"`
}

func (in *install) described() apiDoc {
	in.t.Helper()
	if in.doc.Paths == nil {
		_, _, text := in.ask(caller{host: in.towns[0].host}, "GET", "/api/openapi.json", nil)
		if err := json.Unmarshal([]byte(text), &in.doc); err != nil || len(in.doc.Paths) == 0 {
			in.t.Fatalf("the API is not described: %v", err)
		}
	}
	return in.doc
}

// sample makes a body that fits the operation's schema and names the town's
// own things wherever something is named.
func (in *install) sample(c call, w *testTown) any {
	in.t.Helper()
	doc := in.described()
	op := doc.Paths[c.pattern][strings.ToLower(c.method)]
	s := op.RequestBody.Content["application/json"].Schema
	if s == nil {
		return nil
	}
	return doc.sample(s, "", w, 0)
}

func (d apiDoc) sample(s *schema, name string, w *testTown, depth int) any {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		s = d.Components.Schemas[name]
	}
	if s == nil || depth > 6 {
		return nil
	}
	kind, _ := s.Type.(string)
	if list, ok := s.Type.([]any); ok && len(list) > 0 {
		kind, _ = list[0].(string)
	}
	if len(s.Enum) > 0 {
		return s.Enum[len(s.Enum)-1]
	}
	switch kind {
	case "object":
		out := map[string]any{}
		for key, p := range s.Properties {
			if !p.ReadOnly && key != "draft" && key != "preview" && key != "facts" && key != "phone" && key != "approver" && key != "break_glass" && key != "scopes" {
				if v := d.sample(p, key, w, depth+1); v != nil {
					out[key] = v
				}
			}
		}
		return out
	case "array":
		if s.Items == nil {
			return []any{}
		}
		if v := d.sample(s.Items, name, w, depth+1); v != nil {
			return []any{v}
		}
		return []any{}
	case "boolean":
		return true
	case "integer", "number":
		return max(0, 0)
	case "string":
		if s.Format == "date-time" {
			return "2027-01-01T12:00:00Z"
		}
		if s.Encoding == "base64" {
			return "eA=="
		}
		switch name {
		case "service", "services", "slug", "depends_on":
			return w.service
		case "alerts":
			return w.alert
		case "audiences":
			return w.audience
		case "into":
			return w.incident
		case "email", "owner", "alternative":
			return "neu." + w.mark + "@post.example"
		case "phase":
			return "identified"
		case "level":
			return "emergency"
		case "kind":
			return "holding"
		case "mobile":
			return ""
		case "url":
			return "http://x.example/"
		}
		return "x"
	}
	return nil
}
