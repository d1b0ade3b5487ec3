package backup

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// One spelling for each kind of value: null, number, true, text; times in
// RFC 3339 to the millisecond in UTC, bytes in base64. A text that is not UTF-8
// stands as {"raw": base64}, so that a damaged row is kept as it is.

const timeForm = "2006-01-02T15:04:05.000Z"

// timeForms are how SQLite's columns hold a time: as bun writes it, and as
// statements wrote it by hand.
var timeForms = []string{
	"2006-01-02 15:04:05.999999999-07:00", time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02",
}

// sqliteTime is the form in which bun writes times into SQLite; queries compare
// them as texts.
const sqliteTime = "2006-01-02 15:04:05.999999-07:00"

func parseTime(s string) (time.Time, error) {
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is no time", s)
}

type rawText struct {
	Raw []byte `json:"raw"`
}

// encode turns what a driver answered into what JSON holds.
func encode(v any, c Column) (any, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // NULL
	}
	switch c.Type {
	case "time":
		switch t := v.(type) {
		case time.Time:
			return t.UTC().Format(timeForm), nil
		case string:
			at, err := parseTime(t)
			return at.Format(timeForm), err
		case []byte:
			at, err := parseTime(string(t))
			return at.Format(timeForm), err
		}
	case "bool":
		switch b := v.(type) {
		case bool:
			return b, nil
		case int64:
			return b != 0, nil
		}
	case "bytes":
		switch b := v.(type) {
		case []byte:
			return base64.StdEncoding.EncodeToString(b), nil
		case string:
			return base64.StdEncoding.EncodeToString([]byte(b)), nil
		}
	case "int":
		if n, ok := v.(int64); ok {
			return n, nil
		}
	case "float":
		switch n := v.(type) {
		case float64:
			return n, nil
		case int64:
			return float64(n), nil
		}
	case "text":
		s, ok := v.(string)
		if b, is := v.([]byte); is {
			s, ok = string(b), true
		}
		if ok && !utf8.ValidString(s) {
			return rawText{[]byte(s)}, nil
		}
		if ok {
			return s, nil
		}
	}
	return nil, fmt.Errorf("column %s holds a %T, not %s", c.Name, v, c.Type)
}

// decodeRow brings a row back to Go's own values: int64, float64, bool, string,
// time.Time, []byte, nil.
func decodeRow(line []byte, cols []Column) ([]any, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var in []any
	if err := d.Decode(&in); err != nil {
		return nil, err
	}
	if len(in) != len(cols) {
		return nil, fmt.Errorf("%d values for %d columns", len(in), len(cols))
	}
	for i, v := range in {
		out, err := decode(v, cols[i].Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", cols[i].Name, err)
		}
		in[i] = out
	}
	return in, nil
}

func decode(v any, kind string) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil //nolint:nilnil // NULL
	case json.Number:
		switch kind {
		case "int":
			return x.Int64()
		case "float":
			return x.Float64()
		}
	case bool:
		if kind == "bool" {
			return x, nil
		}
	case string:
		switch kind {
		case "text":
			return x, nil
		case "time":
			return time.Parse(timeForm, x)
		case "bytes":
			return base64.StdEncoding.DecodeString(x)
		}
	case map[string]any:
		if raw, ok := x["raw"].(string); ok && kind == "text" && len(x) == 1 {
			b, err := base64.StdEncoding.DecodeString(raw)
			return string(b), err
		}
	}
	return nil, fmt.Errorf("%.40v is no %s", v, kind)
}

// forSQLite spells a value as bun does.
func forSQLite(v any) any {
	if t, ok := v.(time.Time); ok {
		return t.Format(sqliteTime)
	}
	return v
}

// columnType is the type in the file for a type in a schema.
func columnType(decl string) (string, error) {
	word, _, _ := strings.Cut(strings.ToUpper(decl), "(")
	switch strings.TrimSpace(word) {
	case "TEXT", "VARCHAR", "CHARACTER VARYING", "JSON", "JSONB":
		return "text", nil
	case "INTEGER", "BIGINT", "INT", "SMALLINT":
		return "int", nil
	case "BOOLEAN":
		return "bool", nil
	case "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE", "DATETIME", "DATE":
		return "time", nil
	case "BLOB", "BYTEA":
		return "bytes", nil
	case "REAL", "DOUBLE PRECISION", "DOUBLE":
		return "float", nil
	}
	return "", fmt.Errorf("backup: no spelling for columns of type %q", decl)
}
