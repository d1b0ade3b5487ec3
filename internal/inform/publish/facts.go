package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
)

// factKeys are the plain English names under which the API takes facts. The
// German slot names of the templates are taken as well, and each slot without
// a name here is reached by its German one.
var factKeys = map[string]template.Slot{
	"what_happened":   template.SlotEvent,
	"impact":          template.SlotImpact,
	"not_affected":    template.SlotUnaffected,
	"severity":        template.SlotSeverity,
	"measures":        template.SlotMeasure,
	"workaround":      template.SlotWorkaround,
	"deadline_way":    template.SlotDeadline,
	"next_update":     template.SlotNext,
	"since":           template.SlotSince,
	"progress":        template.SlotProgress,
	"eta":             template.SlotNewTime,
	"previous_eta":    template.SlotOldTime,
	"eta_certainty":   template.SlotCertainty,
	"reason":          template.SlotReason,
	"cause":           template.SlotCause,
	"restored_at":     template.SlotRestored,
	"verified_by":     template.SlotVerified,
	"catch_up":        template.SlotCatchUp,
	"cause_by":        template.SlotPromise,
	"promises":        template.SlotPromises,
	"duration":        template.SlotDuration,
	"date":            template.SlotDate,
	"survey":          template.SlotSurvey,
	"phone":           template.SlotPhone,
	"apology":         template.SlotApology,
	"thanks":          template.SlotThanks,
	"fact":            "Tatsache",
	"claim":           "Kurz",
	"proof":           "Beleg",
	"how_to_tell":     "Merkmal",
	"recommendation":  "Empfehlung",
	"rule":            "Regelung",
	"connection":      "Verbindung",
	"kind_of_breach":  "Art",
	"data_categories": "Datenkategorien",
	"people_affected": "Betroffene",
	"consequences":    "Folgen",
	"known_since":     "Bekannt",
	"decision":        "Entscheidung",
	"decide_by":       "Bis",
	"place":           "Ort",
	"hours":           "Zeiten",
	"area":            "Gebiet",
	"danger":          template.SlotGrade,
	"touches":         template.SlotTact,
	"to":              template.SlotTo,
	"valid_until":     "GueltigBis",
}

// serviceKeys name the fact that the incident itself holds.
var serviceKeys = []string{"service", "services", string(template.SlotService)}

// FactKeys lists the English names, sorted, with the slots they stand for.
func FactKeys() ([]string, map[string]template.Slot) {
	return slices.Sorted(maps.Keys(factKeys)), maps.Clone(factKeys)
}

// FactKey is the English name of a slot; a slot without one keeps its own.
func FactKey(s template.Slot) string {
	for k, slot := range factKeys {
		if slot == s {
			return k
		}
	}
	return string(s)
}

// slotOf finds the slot for a name, English or German.
func slotOf(key string) (template.Definition, bool) {
	if s, ok := factKeys[key]; ok {
		return template.Lookup(s)
	}
	return template.Lookup(template.Slot(key))
}

// errFact blames one fact; Fields carries the name under which it came.
func errFact(key, why string) *fault.Error {
	return fault.New(fault.Invalid, "publish.fact", key).Field("facts."+key, why)
}

// unknownWords are what people write for "not yet known".
var unknownWords = []string{"unknown", "noch nicht bekannt", "not yet known", "unbekannt"}

// ParseFacts reads facts by name as the API takes them. A value is
//
//	null or "unknown"            not yet known
//	"text"                       words, or the id of a choice ("minor"); for a
//	                             time "14:30", "2026-11-22 14:30"
//	                             or RFC 3339; for a duration "2h5m" or minutes
//	true, false                  a switch
//	{"text": …, "en": …, "ls": …, "short": …, "unknown": true}
//
// A time without a day means its nearest occurrence: the next one for what is
// promised, the last one for what has happened. Names in services are left out
// of the result; the incident knows its services.
func ParseFacts(raw map[string]json.RawMessage, now time.Time, zone *time.Location) (template.Facts, error) {
	out := make(template.Facts, len(raw))
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if slices.Contains(serviceKeys, key) {
			continue
		}
		d, ok := slotOf(key)
		if !ok {
			return nil, errFact(key, "publish.fact_name")
		}
		v, err := parseValue(key, d, raw[key], now, zone)
		if err != nil {
			return nil, err
		}
		if v != (template.Value{}) {
			out[d.Slot] = v
		}
	}
	return out, nil
}

// factObject is the long form of a value.
type factObject struct {
	Text    string `json:"text"`
	EN      string `json:"en"`
	LS      string `json:"ls"`
	Short   string `json:"short"`
	Unknown bool   `json:"unknown"`
}

func parseValue(key string, d template.Definition, raw json.RawMessage, now time.Time, zone *time.Location) (template.Value, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return template.Unknown(), nil
	}
	switch raw[0] {
	case 't', 'f':
		var on bool
		if json.Unmarshal(raw, &on) != nil || d.Kind != template.KindSwitch {
			return template.Value{}, errFact(key, "publish.fact_bool")
		}
		if on {
			return template.Value{}, nil
		}
		return template.Off(), nil
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return template.Value{}, errFact(key, "publish.fact_value")
		}
		return ParseFact(key, d, s, now, zone)
	case '{':
		var o factObject
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&o); err != nil {
			return template.Value{}, errFact(key, "publish.fact_value")
		}
		if o.Unknown && strings.TrimSpace(o.Text) == "" {
			return template.Unknown(), nil
		}
		v, err := ParseFact(key, d, o.Text, now, zone)
		if err != nil {
			return template.Value{}, err
		}
		if v.Text != "" {
			v.EN, v.LS, v.Short = strings.TrimSpace(o.EN), strings.TrimSpace(o.LS), strings.TrimSpace(o.Short)
		}
		return v, nil
	case '[':
		var lines []string
		if json.Unmarshal(raw, &lines) != nil || !d.Lines {
			return template.Value{}, errFact(key, "publish.fact_value")
		}
		return ParseFact(key, d, strings.Join(lines, "\n"), now, zone)
	default:
		var n json.Number
		if json.Unmarshal(raw, &n) != nil {
			return template.Value{}, errFact(key, "publish.fact_value")
		}
		return ParseFact(key, d, n.String(), now, zone)
	}
}

// maxFact is the longest fact in bytes: a page of text.
const maxFact = 4000

// ParseFact reads what somebody typed for one slot. Nothing typed is the zero
// Value: a gap, not an answer.
func ParseFact(key string, d template.Definition, s string, now time.Time, zone *time.Location) (template.Value, error) {
	s = strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD"))
	if s == "" {
		return template.Value{}, nil
	}
	if len(s) > maxFact {
		return template.Value{}, errFact(key, "publish.fact_long")
	}
	if slices.Contains(unknownWords, strings.ToLower(s)) {
		return template.Unknown(), nil
	}
	switch d.Kind {
	case template.KindTime, template.KindDate:
		at, err := ParseTime(s, now, zone, ahead(d.Slot))
		if err == nil {
			return template.At(at), nil
		}
		// "morgen früh" reads well where a person cannot say more; what a
		// clock watches must be a time.
		if d.Required || d.Source != template.FromPerson {
			return template.Value{}, errFact(key, "publish.fact_time").With(err)
		}
		return template.Filled(s), nil
	case template.KindDuration:
		if dur, err := parseDuration(s); err == nil && dur > 0 {
			return template.For(dur), nil
		}
		return template.Value{}, errFact(key, "publish.fact_duration")
	case template.KindSwitch:
		switch strings.ToLower(s) {
		case "on", "true", "ja", "yes":
			return template.Value{}, nil
		case "off", "false", "nein", "no":
			return template.Off(), nil
		}
		return template.Value{}, errFact(key, "publish.fact_bool")
	case template.KindChoice:
		for _, c := range template.Choices(d.Slot) {
			if s == c.ID || s == c.DE {
				return c.Value(), nil
			}
		}
	case template.KindText, template.KindLink, template.KindPhone, template.KindNoun:
	}
	return template.Filled(s), nil
}

// ahead reports whether a slot's time lies in the future.
func ahead(s template.Slot) bool {
	switch s {
	case template.SlotNext, template.SlotNewTime, template.SlotPromise, "Bis", "GueltigBis", "Eskalation", "Beginn", "Ende":
		return true
	}
	return false
}

// ParseTime reads a moment: RFC 3339, "2026-11-22 14:30", "2026-11-22T14:30"
// (the form of HTML's datetime-local), "22.11.2026 14:30", a day alone, or a
// time of day alone, which means the next one when future is set and the last
// one otherwise. Times without an offset are in zone.
func ParseTime(s string, now time.Time, zone *time.Location, future bool) (time.Time, error) {
	s = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "Uhr"))
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return inRange(clock.Cut(t))
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", "02.01.2006 15:04", "02.01.2006, 15:04", "2006-01-02", "02.01.2006"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return inRange(clock.Cut(t))
		}
	}
	for _, layout := range []string{"15:04", "15.04", "15"} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		local := now.In(zone)
		at := func(days int) time.Time {
			return time.Date(local.Year(), local.Month(), local.Day()+days, t.Hour(), t.Minute(), 0, 0, zone)
		}
		found := at(0)
		switch {
		case future && !found.After(now):
			found = at(1)
		case !future && found.After(now):
			found = at(-1)
		}
		return clock.Cut(found), nil
	}
	return time.Time{}, fmt.Errorf("publish: %q is not a time", s)
}

// inRange refuses years that databases and readers cannot take.
func inRange(t time.Time) (time.Time, error) {
	if t.Year() < 1990 || t.Year() > 2200 {
		return time.Time{}, fmt.Errorf("publish: year %d", t.Year())
	}
	return t, nil
}

// parseDuration reads "2h5m" or a whole number of minutes.
func parseDuration(s string) (time.Duration, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, nil
	}
	return time.ParseDuration(s + "m")
}
