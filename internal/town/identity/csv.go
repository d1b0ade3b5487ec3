package identity

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/uptrace/bun"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/store"
)

// Limits of an import.
const (
	MaxImport     = 512 << 10 // bytes
	MaxImportRows = 5000
	// importBatch is how many rows one transaction holds, so that an alarm
	// never waits long behind an import.
	importBatch = 100
)

// Outcome is what an import does, or would do, with one row.
type Outcome string

// The outcomes; each has a word with the key "identity.import_" + outcome.
const (
	OutcomeCreate  Outcome = "create"
	OutcomeChange  Outcome = "change"
	OutcomeSame    Outcome = "same"
	OutcomeRefused Outcome = "refused"
)

// Row is one line of an imported file.
type Row struct {
	Line    int // in the file, the heading is 1
	Person  Person
	Outcome Outcome
	// Errors are text keys of what is wrong, by field, when refused.
	Errors map[string]string
}

// Report is what an import did or would do.
type Report struct {
	Rows    []Row
	Applied bool
}

// Count is how many rows have the outcome.
func (r Report) Count(o Outcome) (n int) {
	for _, row := range r.Rows {
		if row.Outcome == o {
			n++
		}
	}
	return n
}

// columns are the headings that are understood, folded, without blanks and signs.
var columns = map[string]string{
	"name": "name", "person": "name", "vollername": "name",
	"email": "email", "mail": "email", "emailadresse": "email", "dienstlich": "email",
	"alternative": "alternative", "alternativ": "alternative", "zweiteadresse": "alternative", "privat": "alternative", "alternativeemail": "alternative",
	"mobile": "mobile", "mobil": "mobile", "handy": "mobile", "mobilnummer": "mobile", "telefon": "mobile",
	"chat": "chat", "messenger": "chat",
	"roles": "roles", "role": "roles", "rollen": "roles", "rolle": "roles",
	"orgunit": "org_unit", "organisationseinheit": "org_unit", "amt": "org_unit", "abteilung": "org_unit", "einheit": "org_unit",
}

// roleWords are what people write for roles.
var roleWords = map[string]Role{
	"admin": RoleAdmin, "administration": RoleAdmin, "administrator": RoleAdmin,
	"it": RoleIT, "edv": RoleIT,
	"publisher": RolePublisher, "veroeffentlicht": RolePublisher, "redaktion": RolePublisher, "presse": RolePublisher,
	"approver": RoleApprover, "freigabe": RoleApprover, "gibtfrei": RoleApprover,
	"reader": RoleReader, "liest": RoleReader, "lesen": RoleReader, "leser": RoleReader,
	"dpo": RoleDPO, "datenschutz": RoleDPO, "dsb": RoleDPO,
	"onsite": RoleOnsite, "vorort": RoleOnsite, "aussendienst": RoleOnsite,
}

// decodeText makes UTF-8 of what spreadsheets save: UTF-8 with or without a
// mark, UTF-16 with one, else Windows-1252.
func decodeText(raw []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(raw, []byte{0xEF, 0xBB, 0xBF}):
		raw = raw[3:]
	case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}), bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
		return unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Bytes(raw)
	}
	if utf8.Valid(raw) {
		return raw, nil
	}
	return charmap.Windows1252.NewDecoder().Bytes(raw)
}

// separator is the sign that parts the heading's columns.
func separator(text []byte) rune {
	head, _, _ := bytes.Cut(text, []byte("\n"))
	best, n := ';', bytes.Count(head, []byte(";"))
	for _, c := range []rune{',', '\t'} {
		if m := bytes.Count(head, []byte(string(c))); m > n {
			best, n = c, m
		}
	}
	return best
}

// ParseCSV reads people from a file with a heading; columns may stand in any
// order, of which name and email must be there. Rows that are wrong come back
// as refused; the error is for files that are no such list at all. The second
// result says which columns the file has.
func ParseCSV(raw []byte) ([]Row, map[string]bool, error) {
	bad := fault.New(fault.Invalid, "identity.import_invalid")
	if len(raw) > MaxImport {
		return nil, nil, fault.New(fault.TooLarge, "identity.import_too_large", MaxImportRows)
	}
	text, err := decodeText(raw)
	if err != nil {
		return nil, nil, bad.Field("file", "identity.import_encoding").With(err)
	}
	c := csv.NewReader(bytes.NewReader(text))
	c.Comma, c.FieldsPerRecord, c.LazyQuotes = separator(text), -1, true
	head, err := c.Read()
	if err != nil {
		return nil, nil, bad.Field("file", "identity.import_empty").With(err)
	}
	at := map[string]int{}
	have := map[string]bool{}
	for i, h := range head {
		if col := columns[letters(fold(h))]; col != "" && !have[col] {
			at[col], have[col] = i, true
		}
	}
	if !have["name"] || !have["email"] {
		return nil, nil, bad.Field("file", "identity.import_heading")
	}
	var rows []Row
	seen := map[string]bool{}
	for {
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		lineNo, _ := c.FieldPos(0)
		if err != nil {
			return nil, nil, bad.Field("file", "identity.import_broken").With(err)
		}
		get := func(col string) string {
			i, ok := at[col]
			if !ok || i >= len(record) {
				return ""
			}
			return unquote(strings.TrimSpace(record[i]))
		}
		if strings.TrimSpace(strings.Join(record, "")) == "" {
			continue
		}
		if len(rows) == MaxImportRows {
			return nil, nil, fault.New(fault.TooLarge, "identity.import_too_large", MaxImportRows)
		}
		row := Row{Line: lineNo, Outcome: OutcomeSame, Person: Person{
			Name: get("name"), Email: get("email"), Alternative: get("alternative"), Mobile: get("mobile"), Chat: get("chat"), OrgUnit: get("org_unit"),
		}}
		for word := range strings.FieldsFuncSeq(get("roles"), func(r rune) bool { return strings.ContainsRune(",;|/+& ", r) }) {
			role, ok := roleWords[letters(fold(word))]
			if !ok {
				role = Role(word) // Normal names it
			}
			row.Person.Roles = append(row.Person.Roles, role)
		}
		if p, err := Normal(row.Person); err != nil {
			row.Outcome, row.Errors = OutcomeRefused, fault.As(err).Fields
		} else {
			row.Person = p
		}
		if row.Outcome != OutcomeRefused {
			if seen[row.Person.Email] {
				row.Outcome, row.Errors = OutcomeRefused, map[string]string{"email": "identity.import_twice"}
			}
			seen[row.Person.Email] = true
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, nil, bad.Field("file", "identity.import_empty")
	}
	return rows, have, nil
}

// unquote takes off the apostrophe with which WriteCSV keeps spreadsheets from
// calculating.
func unquote(s string) string {
	if len(s) > 1 && s[0] == '\'' && strings.ContainsRune("=+-@", rune(s[1])) {
		return s[1:]
	}
	return s
}

// errDry rolls a dry run back.
var errDry = errors.New("identity: dry run")

// Import takes people from a CSV file. Somebody with the same official address
// is changed, and an empty cell changes nothing; everybody else is created, as
// reader when no role is given. A refused row does not stop the others. Without
// apply it only tells what would happen, by doing it and taking it back.
func (r *Room) Import(ctx context.Context, raw []byte, apply bool) (Report, error) {
	if err := mayManage(ctx, scopePeople); err != nil {
		return Report{}, err
	}
	rows, _, err := ParseCSV(raw)
	if err != nil {
		return Report{}, err
	}
	for batch := range slices.Chunk(rows, importBatch) {
		read := slices.Clone(batch)
		err := r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
			copy(batch, read)
			for i := range batch {
				if batch[i].Outcome == OutcomeRefused {
					continue
				}
				if err := r.importRow(ctx, &batch[i]); err != nil {
					return err
				}
			}
			if !apply {
				return errDry
			}
			return nil
		})
		if err != nil && !errors.Is(err, errDry) {
			return Report{}, err
		}
	}
	return Report{Rows: rows, Applied: apply}, nil
}

func (r *Room) importRow(ctx context.Context, row *Row) error {
	p := row.Person
	old, err := r.PersonByEmail(ctx, p.Email)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		row.Outcome = OutcomeCreate
		if len(p.Roles) == 0 {
			p.Roles = []Role{RoleReader}
		}
	case err != nil:
		return err
	default:
		merged := old
		merged.Name = p.Name
		for _, c := range []struct {
			to   *string
			from string
		}{{&merged.Alternative, p.Alternative}, {&merged.Mobile, p.Mobile}, {&merged.Chat, p.Chat}, {&merged.OrgUnit, p.OrgUnit}} {
			if c.from != "" {
				*c.to = c.from
			}
		}
		if len(p.Roles) > 0 {
			merged.Roles = p.Roles
		}
		p, row.Outcome = merged, OutcomeChange
		if len(changes(old, p)) == 0 {
			row.Outcome, row.Person = OutcomeSame, p
			return nil
		}
	}
	saved, err := r.SavePerson(ctx, p)
	if f := fault.As(err); err != nil && len(f.Fields) > 0 && f.Err == nil {
		row.Outcome, row.Errors = OutcomeRefused, f.Fields
		return nil
	}
	if err != nil {
		// A clash inside the transaction (somebody else was created just now)
		// spoils the whole batch on PostgreSQL; it is told as what it is.
		return fmt.Errorf("identity: import line %d: %w", row.Line, err)
	}
	row.Person = saved
	return nil
}

// WriteCSV writes people in the form that [ParseCSV] reads, with the mark by
// which spreadsheets know UTF-8.
func WriteCSV(w io.Writer, people []Person) error {
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.Comma, c.UseCRLF = ';', true
	if err := c.Write([]string{"name", "email", "alternative", "mobile", "roles", "orgunit", "chat"}); err != nil {
		return err
	}
	for _, p := range people {
		record := []string{p.Name, p.Email, p.Alternative, p.Mobile, words(p.Roles), p.OrgUnit, p.Chat}
		for i, s := range record {
			// A cell that begins so is calculated by spreadsheets; an
			// apostrophe makes it text.
			if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
				record[i] = "'" + s
			}
		}
		if err := c.Write(record); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}
