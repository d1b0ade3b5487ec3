package paper

import "time"

// Document is what is printed.
type Document struct {
	Lang     string // BCP 47
	Title    string
	Subtitle string
	// Facts stand under the title: Stand, version, valid until.
	Facts []Fact
	// Foot stands at the foot of every page, left of the number.
	Foot string
	// PageOf is "Seite {0} von {1}".
	PageOf string
	// Stand is the moment that the content describes, and the only time that
	// the file carries.
	Stand time.Time
	// OnePage makes the letters smaller until everything stands on one sheet.
	OnePage  bool
	Sections []Section
}

// Fact is a word with its value.
type Fact struct{ Label, Value string }

// Section is a chapter with its own heading.
type Section struct {
	Title string
	// NewPage begins a new sheet.
	NewPage bool
	Blocks  []Block
}

// Block is a piece of a section.
type Block interface{ block() }

// Text is a paragraph.
type Text struct {
	Text   string
	Strong bool
	Quiet  bool // smaller, for remarks
}

// Heading stands above blocks inside a section.
type Heading string

// List is a list of points.
type List []string

// Checks are points with a box to tick.
type Checks []string

// Quote are words to be read aloud or copied as they stand.
type Quote struct{ Title, Text string }

// Table is a table with one row of heads. Widths are shares of the page's
// width; nil: all the same.
type Table struct {
	Caption string
	Heads   []string
	Rows    [][]string
	Widths  []float64
}

// Codes are QR codes side by side, each with words and its address in letters,
// since not every telephone has a camera that works.
type Codes []Code

// Code is one QR code.
type Code struct{ Label, URL string }

// Blanks are lines to write on, each with a word before it.
type Blanks []string

func (Text) block()    {}
func (Heading) block() {}
func (List) block()    {}
func (Checks) block()  {}
func (Quote) block()   {}
func (Table) block()   {}
func (Codes) block()   {}
func (Blanks) block()  {}
