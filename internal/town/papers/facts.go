package papers

import (
	"strings"
	"time"
)

// Facts are the active configuration, as far as papers tell it. app gathers them
// from the rooms; none of them is typed.
type Facts struct {
	Town      string
	Country   string // DE, AT or CH, from the town's zone
	Land      string // two letters, Germany only
	StaffURL  string
	PublicURL string

	People int // accounts that are not blocked
	// SecondFactor: some role has to have one. SignOn is the name of the identity
	// provider, empty without.
	SecondFactor bool
	SignOn       string

	Relays    []Way // mail servers by which messages leave
	Hooks     []Way // webhooks that hear of alarms
	Chats     []Way // messengers in which people ask who is on duty
	Gateways  []Way // providers of short messages and calls
	Audiences []Group
	// Subscribers: citizens enter their own address to be told.
	Subscribers bool
	// Surveys: the closing message asks for opinions by a form.
	Surveys bool
	// Forms are further forms on the public page, in the town's language.
	Forms    []string
	Sondes   []string
	Monitors int
	// Copies are foreign hosts that hold a copy of the public page.
	Copies []Way
	// Sealed are foreign hosts that hold the whole database, sealed.
	Sealed []Way

	Postgres   bool
	OwnTLS     bool
	MailOpen   bool // a relay is reached without TLS
	Listening  bool // the town listens to networks and press
	Exercises  bool
	KeepChecks int // days that results of checks are kept
	KeepSums   int // days that their figures are kept
	Keeps      []Keep
}

// Way is a way by which data leave the house.
type Way struct {
	Name string
	Host string
}

// Group is an audience with how many addresses it has.
type Group struct {
	Name  string
	Count int
}

// Keep is how long something is kept, as the job that deletes it really works.
type Keep struct {
	What string // text key papers.keep_WHAT
	// For is how long; zero: no job deletes it, a person has to.
	For time.Duration
	// Counted: For counts from the last use, not from the making.
	Counted bool
	// Chain: it is part of a record that must stay whole, such as a hash chain.
	Chain bool
}

// Hosting says where Türmer runs.
type Hosting struct {
	Provider    string `json:"provider,omitempty"`
	Certificate string `json:"certificate,omitempty"` // "ISO 27001 auf Basis von IT-Grundschutz"
	Number      string `json:"number,omitempty"`
	ValidUntil  string `json:"valid_until,omitempty"` // civil day, 2006-01-02
	Country     string `json:"country,omitempty"`
	Signed      string `json:"signed,omitempty"` // day on which the processing agreement was signed
	Own         bool   `json:"own,omitempty"`    // the town's own data centre: no agreement, no provider
}

// Processor is somebody who handles data for the town.
type Processor struct {
	Name    string `json:"name,omitempty"`
	What    string `json:"what,omitempty"`
	Country string `json:"country,omitempty"`
	Signed  string `json:"signed,omitempty"`
}

// Officer is the data protection officer.
type Officer struct {
	Name     string `json:"name,omitempty"`
	Mail     string `json:"mail,omitempty"`
	Phone    string `json:"phone,omitempty"`
	External bool   `json:"external,omitempty"`
}

// Details are what only the town knows.
type Details struct {
	Body           string      `json:"body,omitempty"` // who is responsible; empty: the town's name
	Street         string      `json:"street,omitempty"`
	City           string      `json:"city,omitempty"`
	Phone          string      `json:"phone,omitempty"`
	Mail           string      `json:"mail,omitempty"`
	Representative string      `json:"representative,omitempty"`
	VAT            string      `json:"vat,omitempty"`
	Editor         string      `json:"editor,omitempty"` // answers for the content
	Officer        Officer     `json:"officer" required:"false"`
	Authority      string      `json:"authority,omitempty"`   // data protection authority; empty: the profile's
	AccessMail     string      `json:"access_mail,omitempty"` // where barriers are reported; empty: Mail
	Enforcement    string      `json:"enforcement,omitempty"` // body for accessibility; empty: the profile's
	Tested         string      `json:"tested,omitempty"`      // day of the last test of accessibility
	TestedHow      string      `json:"tested_how,omitempty"`
	Gaps           string      `json:"gaps,omitempty"`           // known barriers, in the town's words
	ProxyLogDays   int         `json:"proxy_log_days,omitempty"` // how long a proxy keeps addresses; 0: none does
	Hosting        Hosting     `json:"hosting" required:"false"`
	Processors     []Processor `json:"processors" required:"false"`
	ImprintMore    string      `json:"imprint_more,omitempty"`
	PrivacyMore    string      `json:"privacy_more,omitempty"`
	AccessMore     string      `json:"access_more,omitempty"`
}

// maxField bounds one field in characters.
const maxField = 4000

// trimmed is d without blanks around its fields.
func (d Details) trimmed() Details {
	for _, f := range d.fields() {
		*f.at(&d) = strings.TrimSpace(*f.at(&d))
	}
	kept := make([]Processor, 0, len(d.Processors))
	for _, p := range d.Processors {
		p = Processor{strings.TrimSpace(p.Name), strings.TrimSpace(p.What), strings.TrimSpace(p.Country), strings.TrimSpace(p.Signed)}
		if p != (Processor{}) {
			kept = append(kept, p)
		}
	}
	d.Processors = kept
	return d
}

// field is one text of [Details] by the name that form and API give it.
type field struct {
	name string
	at   func(*Details) *string
	day  bool // a civil day
	mail bool
}

// fields lists the texts of the details in the order of the form.
func (Details) fields() []field {
	return []field{
		{"body", func(d *Details) *string { return &d.Body }, false, false},
		{"street", func(d *Details) *string { return &d.Street }, false, false},
		{"city", func(d *Details) *string { return &d.City }, false, false},
		{"phone", func(d *Details) *string { return &d.Phone }, false, false},
		{"mail", func(d *Details) *string { return &d.Mail }, false, true},
		{"representative", func(d *Details) *string { return &d.Representative }, false, false},
		{"vat", func(d *Details) *string { return &d.VAT }, false, false},
		{"editor", func(d *Details) *string { return &d.Editor }, false, false},
		{"officer_name", func(d *Details) *string { return &d.Officer.Name }, false, false},
		{"officer_mail", func(d *Details) *string { return &d.Officer.Mail }, false, true},
		{"officer_phone", func(d *Details) *string { return &d.Officer.Phone }, false, false},
		{"authority", func(d *Details) *string { return &d.Authority }, false, false},
		{"access_mail", func(d *Details) *string { return &d.AccessMail }, false, true},
		{"enforcement", func(d *Details) *string { return &d.Enforcement }, false, false},
		{"tested", func(d *Details) *string { return &d.Tested }, true, false},
		{"tested_how", func(d *Details) *string { return &d.TestedHow }, false, false},
		{"gaps", func(d *Details) *string { return &d.Gaps }, false, false},
		{"hosting_provider", func(d *Details) *string { return &d.Hosting.Provider }, false, false},
		{"hosting_certificate", func(d *Details) *string { return &d.Hosting.Certificate }, false, false},
		{"hosting_number", func(d *Details) *string { return &d.Hosting.Number }, false, false},
		{"hosting_valid_until", func(d *Details) *string { return &d.Hosting.ValidUntil }, true, false},
		{"hosting_country", func(d *Details) *string { return &d.Hosting.Country }, false, false},
		{"hosting_signed", func(d *Details) *string { return &d.Hosting.Signed }, true, false},
		{"imprint_more", func(d *Details) *string { return &d.ImprintMore }, false, false},
		{"privacy_more", func(d *Details) *string { return &d.PrivacyMore }, false, false},
		{"access_more", func(d *Details) *string { return &d.AccessMore }, false, false},
	}
}
