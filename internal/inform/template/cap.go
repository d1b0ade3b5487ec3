package template

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// AlertMime is the media type of an [Alert]'s document.
const AlertMime = "application/cap+xml"

// Alert is one message of the Common Alerting Protocol 1.2 (OASIS): what others
// may take into their maps, apps and boards. It says what was published, word for
// word; what the town did not say is "Unknown".
type Alert struct {
	Identifier string
	Sender     string // an unambiguous name, such as the public page's host
	Sent       time.Time
	Exercise   bool
	Type       AlertType
	Note       string // what a correction puts right
	References []AlertReference
	Incident   string // what belongs together
	Infos      []AlertInfo
}

// AlertType is CAP's msgType.
type AlertType string

// The types that a town uses.
const (
	AlertNew    AlertType = "Alert"
	AlertUpdate AlertType = "Update"
	AlertCancel AlertType = "Cancel"
)

// AlertReference names an earlier message.
type AlertReference struct {
	Sender, Identifier string
	Sent               time.Time
}

// AlertInfo is the message in one language.
type AlertInfo struct {
	Language    Language
	Category    string
	Event       string
	AllClear    bool
	Urgency     string
	Severity    string
	Certainty   string
	Onset       time.Time // zero: unknown
	Expires     time.Time // zero: open
	SenderName  string
	Headline    string
	Description string
	Instruction string
	Web         string
	Contact     string
	Area        string
}

// Hazard says of a scenario what CAP asks: its category, and whether it is about
// people's safety rather than about services. One that nobody listed is a hazard
// when a person has graded it.
func Hazard(s Scenario, graded bool) (category string, hazard bool) {
	switch s {
	case "flood", "storm":
		return "Met", true
	case "fire":
		return "Fire", true
	case "bomb":
		return "Safety", true
	case "water":
		return "Health", true
	case "blackout":
		return "Infra", true
	}
	if graded {
		return "Other", true
	}
	return "Infra", false
}

// AlertClaims are CAP's three grades for a message of kind k. Severity is a
// person's word, for hazards only; without one, and for services, it is unknown:
// an outage says nothing about danger to life.
func AlertClaims(k Kind, hazard bool, severity string) (urgency, sev, certainty string) {
	urgency, sev, certainty = "Unknown", "Unknown", "Observed"
	if hazard {
		urgency, sev = "Immediate", cmp.Or(severity, "Unknown")
	}
	switch k {
	case Recovery, Closing, AllClear, Report, Survey, MaintenanceEnded, ExerciseEnded:
		return "Past", sev, "Observed"
	case Holding:
		certainty = "Possible"
	case MaintenanceAnnounced, ExerciseAnnounced:
		urgency, certainty = "Future", "Likely"
	default:
	}
	return urgency, sev, certainty
}

// AlertSeverity reads a person's grade out of the facts; empty: nobody gave one.
func AlertSeverity(f Facts) string {
	v := f[SlotGrade]
	for _, c := range choices[SlotGrade] {
		if v.Text == c.DE || v.Text == c.ID {
			return strings.ToUpper(c.ID[:1]) + c.ID[1:]
		}
	}
	return ""
}

// EndsAlert reports whether a message of kind k cancels those before.
func EndsAlert(k Kind) bool { return k == Recovery || k == AllClear || k == MaintenanceEnded }

// --- the document

type capDocument struct {
	XMLName    xml.Name  `xml:"urn:oasis:names:tc:emergency:cap:1.2 alert"`
	Identifier string    `xml:"identifier"`
	Sender     string    `xml:"sender"`
	Sent       string    `xml:"sent"`
	Status     string    `xml:"status"`
	MsgType    AlertType `xml:"msgType"`
	Scope      string    `xml:"scope"`
	Note       string    `xml:"note,omitempty"`
	References string    `xml:"references,omitempty"`
	Incidents  string    `xml:"incidents,omitempty"`
	Infos      []capInfo `xml:"info"`
}

type capInfo struct {
	Language    string  `xml:"language"`
	Category    string  `xml:"category"`
	Event       string  `xml:"event"`
	Response    string  `xml:"responseType,omitempty"`
	Urgency     string  `xml:"urgency"`
	Severity    string  `xml:"severity"`
	Certainty   string  `xml:"certainty"`
	Onset       string  `xml:"onset,omitempty"`
	Expires     string  `xml:"expires,omitempty"`
	SenderName  string  `xml:"senderName,omitempty"`
	Headline    string  `xml:"headline,omitempty"`
	Description string  `xml:"description,omitempty"`
	Instruction string  `xml:"instruction,omitempty"`
	Web         string  `xml:"web,omitempty"`
	Contact     string  `xml:"contact,omitempty"`
	Area        capArea `xml:"area"`
}

type capArea struct {
	Desc string `xml:"areaDesc"`
}

// capName is what an identifier and a sender may hold.
var capName = regexp.MustCompile(`^[^\s,<&]+$`)

// capHeadline is as long as a headline should be.
const capHeadline = 160

var errNoAlert = errors.New("template: no CAP")

// XML writes the document. A message that CAP could not hold is an error, never a
// document that others refuse.
func (a Alert) XML() ([]byte, error) {
	bad := func(why string) ([]byte, error) { return nil, fmt.Errorf("%w: %s", errNoAlert, why) }
	if !capName.MatchString(a.Identifier) || !capName.MatchString(a.Sender) {
		return bad("identifier or sender")
	}
	if a.Sent.IsZero() || len(a.Infos) == 0 {
		return bad("no time or no words")
	}
	if a.Type != AlertNew && len(a.References) == 0 {
		return bad("nothing that it updates")
	}
	d := capDocument{
		Identifier: a.Identifier, Sender: a.Sender, Sent: capTime(a.Sent), Status: "Actual", MsgType: a.Type, Scope: "Public",
		Note: xmlText(a.Note, false), Incidents: a.Incident,
	}
	if a.Exercise {
		d.Status = "Exercise"
	}
	refs := make([]string, 0, len(a.References))
	for _, r := range a.References {
		if !capName.MatchString(r.Identifier) || !capName.MatchString(r.Sender) {
			return bad("a reference")
		}
		refs = append(refs, r.Sender+","+r.Identifier+","+capTime(r.Sent))
	}
	d.References = strings.Join(refs, " ")
	for _, i := range a.Infos {
		in := capInfo{
			Language: i.Language.Tag(), Category: i.Category, Event: xmlText(i.Event, false), Urgency: i.Urgency, Severity: i.Severity,
			Certainty: i.Certainty, SenderName: xmlText(i.SenderName, false), Headline: cutRunes(xmlText(i.Headline, false), capHeadline),
			Description: xmlText(i.Description, true), Instruction: xmlText(i.Instruction, true), Web: i.Web, Contact: xmlText(i.Contact, false),
			Area: capArea{xmlText(i.Area, false)},
		}
		if in.Event == "" || in.Area.Desc == "" || in.Category == "" {
			return bad("no event, category or area")
		}
		if i.AllClear {
			in.Response = "AllClear"
		}
		if !i.Onset.IsZero() {
			in.Onset = capTime(i.Onset)
		}
		if i.Expires.After(a.Sent) {
			in.Expires = capTime(i.Expires)
		}
		d.Infos = append(d.Infos, in)
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	e := xml.NewEncoder(&out)
	e.Indent("", " ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("template: CAP: %w", err)
	}
	return out.Bytes(), nil
}

// capTime is CAP's DateTime: whole seconds and an offset in figures, -00:00 for
// UTC.
func capTime(t time.Time) string {
	s := t.Format("2006-01-02T15:04:05-07:00")
	if _, offset := t.Zone(); offset == 0 {
		return strings.TrimSuffix(s, "+00:00") + "-00:00"
	}
	return s
}

// xmlText replaces what XML 1.0 cannot hold.
func xmlText(s string, lines bool) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' && lines:
			return r
		case r == '\uFFFE' || r == '\uFFFF':
			return '\uFFFD'
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, s)
	if !lines {
		return strings.Join(strings.Fields(s), " ")
	}
	return strings.TrimSpace(s)
}

func cutRunes(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return strings.TrimSpace(string(r[:n-1])) + "…"
}
