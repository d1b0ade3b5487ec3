package plan

import (
	"cmp"
	"encoding/json"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tuermer/internal/platform/fault"
)

// Part names a piece of the document that is edited by itself.
type Part string

// The lists of the first-aid kit, and the parts that are more than lists.
const (
	Before    Part = "before"    // before the crisis
	Media     Part = "media"     // safe contact with media
	Questions Part = "questions" // research: internal stock-taking
	PressList Part = "press"     // check list press information
	StaffInfo Part = "staff"     // information for staff
	NotSay    Part = "not_say"   // what nobody says on the telephone

	Contacts Part = "contacts"
	Holding  Part = "holding"
	Matrix   Part = "matrix"
	Profiles Part = "profiles"
	Cover    Part = "cover"
	Whole    Part = "document" // everything at once, by the API
)

// Lists are the parts that are a list of sentences.
func Lists() []Part { return []Part{Before, Media, Questions, PressList, StaffInfo, NotSay} }

// Document is the plan around the audiences.
type Document struct {
	Lists    map[Part][]string  `json:"lists"`
	Contacts []Contact          `json:"contacts"`
	Holding  []HoldingText      `json:"holding"`
	Matrix   []Cell             `json:"matrix"`
	Profiles map[string]Profile `json:"profiles" doc:"By slug of the audience"`
	Cover    CoverSheet         `json:"cover"`
	Board    Crew               `json:"board,omitzero" doc:"The crisis staff as planned"`
}

// CoverSheet is what stands on the printed folder.
type CoverSheet struct {
	ValidUntil string `json:"valid_until,omitempty" doc:"Day, 2027-03-31; afterwards the plan counts as unread"`
	Kept       string `json:"kept,omitempty" doc:"Where the printed copies lie"`
	Meet       string `json:"meet,omitempty" doc:"Where people meet when no line works"`
	Codeword   string `json:"codeword,omitempty" doc:"How people know each other on the telephone; never the word itself"`
}

// Profile is what is known beforehand about an audience.
type Profile struct {
	Owner     string   `json:"owner,omitempty" doc:"Mail address of the person who looks after them"`
	Deputy    string   `json:"deputy,omitempty"`
	First     int      `json:"first_minutes,omitempty" minimum:"0" doc:"First word so many minutes after confirmation; 0: 15"`
	Every     int      `json:"every_minutes,omitempty" minimum:"0" doc:"Time between updates; 0: the default of the kind"`
	Needs     string   `json:"needs,omitempty" doc:"What they need to know"`
	Questions []string `json:"questions,omitempty" doc:"What they ask first"`
	Languages []string `json:"languages,omitempty" doc:"de, en, de-LS"`
	Ways      []string `json:"ways,omitempty" doc:"Ways out in the order of fail-over"`
}

// ContactKind is the side from which somebody is called.
type ContactKind string

// The kinds of contacts.
const (
	Inside      ContactKind = "inside"
	PressDesk   ContactKind = "press"
	Supplier    ContactKind = "provider"
	Supervision ContactKind = "authority"
	Police      ContactKind = "police"
	Helper      ContactKind = "helper" // fire brigade, Kreis, neighbours, CERT
)

// ContactKinds lists them in the order of the register.
func ContactKinds() []ContactKind {
	return []ContactKind{Inside, Police, Supervision, Helper, Supplier, PressDesk}
}

// Contact is a line of the contact register.
type Contact struct {
	ID    string      `json:"id"`
	Kind  ContactKind `json:"kind" enum:"inside,press,provider,authority,police,helper"`
	Name  string      `json:"name"`
	Role  string      `json:"role,omitempty" doc:"What they are called for"`
	Phone string      `json:"phone,omitempty"`
	Other string      `json:"other,omitempty" doc:"A number that works when the town's own lines do not"`
	Mail  string      `json:"mail,omitempty"`
	Hours string      `json:"hours,omitempty"`
	// Confirmed is the day on which somebody last made sure, 2027-03-31.
	Confirmed string `json:"confirmed,omitempty"`
	// Card puts it on the sheet for the mayor's car.
	Card bool `json:"card,omitempty"`
	// Private numbers are shown to those who lead an incident, not to readers.
	Private bool `json:"private,omitempty"`
}

// HoldingText is a statement ready to be read aloud.
type HoldingText struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Scenario string `json:"scenario,omitempty" doc:"Fits this scenario; empty: any"`
	Text     string `json:"text"`
}

// Cell is what is prepared for one audience in one scenario.
type Cell struct {
	Scenario string `json:"scenario"`
	Audience string `json:"audience" doc:"Slug"`
	// Kind is the statement that goes first; "none": this audience is not told.
	Kind string `json:"kind" doc:"holding, first, warning or none"`
	Note string `json:"note,omitempty" doc:"What to mind with them"`
}

// NotTold is the kind of a cell whose audience deliberately hears nothing.
const NotTold = "none"

// Stand is the version of the document that somebody reads.
type Stand struct {
	Number int       `json:"version"`
	At     time.Time `json:"at"`
	ByName string    `json:"by,omitempty"`
}

// Find is the contact with that id.
func (d Document) Find(id string) (Contact, bool) {
	i := slices.IndexFunc(d.Contacts, func(c Contact) bool { return c.ID == id })
	if i < 0 {
		return Contact{}, false
	}
	return d.Contacts[i], true
}

// Of lists the contacts of a kind by name.
func (d Document) Of(k ContactKind) []Contact {
	out := slices.DeleteFunc(slices.Clone(d.Contacts), func(c Contact) bool { return c.Kind != k })
	slices.SortStableFunc(out, func(a, b Contact) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Cell is what the town decided for a scenario and an audience; without a
// decision the first short message goes first.
func (d Document) Cell(scenario, audience string) (c Cell, decided bool) {
	for _, c := range d.Matrix {
		if c.Scenario == scenario && c.Audience == audience {
			return c, true
		}
	}
	return Cell{Scenario: scenario, Audience: audience, Kind: "holding"}, false
}

// Masked leaves out the private numbers.
func (d Document) Masked() Document {
	d.Contacts = slices.Clone(d.Contacts)
	for i, c := range d.Contacts {
		if c.Private {
			d.Contacts[i].Phone, d.Contacts[i].Other, d.Contacts[i].Mail = "", "", ""
		}
	}
	return d
}

// clone is a document that shares nothing with d.
func (d Document) clone() Document {
	var out Document
	raw, err := json.Marshal(d)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		panic("plan: a document always becomes JSON: " + err.Error())
	}
	if out.Lists == nil {
		out.Lists = map[Part][]string{}
	}
	if out.Profiles == nil {
		out.Profiles = map[string]Profile{}
	}
	return out
}

// Limits keep one town's plan printable.
const (
	maxItems  = 500
	maxLetter = 4000
)

const dayForm = "2006-01-02"

// day parses a day as a date field sends it; empty is the zero time.
func day(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(dayForm, s)
}

// Check finds what is wrong with the document.
func (d Document) Check() error {
	err := fault.New(fault.Invalid, "plan.document_invalid")
	bad := func(field, key string) { err = err.Field(field, key) }
	long := func(field string, texts ...string) {
		for _, t := range texts {
			if utf8.RuneCountInString(t) > maxLetter {
				bad(field, "plan.too_long")
			}
		}
	}
	for part, list := range d.Lists {
		if !slices.Contains(Lists(), part) {
			bad("lists", "plan.bad_part")
		}
		if len(list) > maxItems {
			bad(string(part), "plan.too_many")
		}
		long(string(part), list...)
	}
	if len(d.Contacts) > maxItems || len(d.Holding) > maxItems || len(d.Matrix) > 10*maxItems {
		bad("contacts", "plan.too_many")
	}
	ids := map[string]bool{}
	for _, c := range d.Contacts {
		c.check(bad)
		long("contacts", c.Name, c.Role, c.Hours)
		if ids[c.ID] || c.ID == "" {
			bad("contacts", "plan.bad_id")
		}
		ids[c.ID] = true
	}
	for _, h := range d.Holding {
		if strings.TrimSpace(h.Title) == "" || strings.TrimSpace(h.Text) == "" {
			bad("holding", "plan.bad_holding")
		}
		if ids[h.ID] || h.ID == "" {
			bad("holding", "plan.bad_id")
		}
		ids[h.ID] = true
		long("holding", h.Title, h.Text)
	}
	for _, c := range d.Matrix {
		if !slices.Contains(CellKinds(), c.Kind) {
			bad("matrix", "plan.bad_cell")
		}
		long("matrix", c.Note)
	}
	for _, p := range d.Profiles {
		p.check(bad)
		long("profiles", p.Needs)
	}
	if _, perr := day(d.Cover.ValidUntil); perr != nil {
		bad("valid_until", "plan.bad_day")
	}
	d.Board.check(bad)
	long("cover", d.Cover.Kept, d.Cover.Meet, d.Cover.Codeword)
	if len(err.Fields) > 0 {
		return err
	}
	return nil
}

// CellKinds are the statements with which a scenario may begin.
func CellKinds() []string { return []string{"holding", "first", "warning", NotTold} }

func (c Contact) check(bad func(field, key string)) {
	if strings.TrimSpace(c.Name) == "" {
		bad("name", "web.required")
	}
	if !slices.Contains(ContactKinds(), c.Kind) {
		bad("kind", "plan.bad_contact_kind")
	}
	if cmp.Or(c.Phone, c.Other, c.Mail) == "" {
		bad("phone", "plan.contact_unreachable")
	}
	if a, err := mail.ParseAddress(c.Mail); c.Mail != "" && (err != nil || a.Address != c.Mail) {
		bad("mail", "plan.bad_recipient")
	}
	if _, err := day(c.Confirmed); err != nil {
		bad("confirmed", "plan.bad_day")
	}
}

// Ways are the ways out that a plan knows, those by machine first.
func Ways() []string {
	return []string{"page", "mail", "webhook", "sms", "push", "phone", "intranet", "press", "notice", "vehicle"}
}

// languages are those in which prepared texts exist.
var languages = []string{"de", "en", "de-LS"}

func (p Profile) check(bad func(field, key string)) {
	if p.First < 0 || p.Every < 0 {
		bad("every", "plan.bad_cadence")
	}
	for _, w := range p.Ways {
		if !slices.Contains(Ways(), w) {
			bad("ways", "plan.bad_way")
		}
	}
	for _, l := range p.Languages {
		if !slices.Contains(languages, l) {
			bad("languages", "plan.bad_language")
		}
	}
	if len(p.Questions) > maxItems {
		bad("questions", "plan.too_many")
	}
}

// lines reads one sentence a line.
func lines(text string) []string {
	out := []string{}
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
