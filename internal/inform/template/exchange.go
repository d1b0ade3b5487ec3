package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
)

// The file in which prepared texts travel from one town to another.
//
// It is JSON, UTF-8, one object:
//
//	{
//	  "format": "tuermer.templates",
//	  "version": 1,
//	  "town": "Musterstadt",              // who wrote it; for people
//	  "exported_at": "2026-11-22T13:05:00Z",
//	  "templates": [
//	    {
//	      "id": "B-P1-page-de",             // for people; worked out anew on import
//	      "phase": "P1",                    // likewise
//	      "kind": "first",
//	      "audience": "citizens",
//	      "channel": "page",
//	      "language": "de",
//	      "scenario": "ransomware",         // absent: fits every outage
//	      "subject": "…", "title": "…", "body": "…", "instruction": "…",
//	      "version": 3, "review": "approved", "approved_by": "P. Presse"
//	    }
//	  ]
//	}
//
// kind, audience, channel, language and the words make a text; everything else
// is told for people and decides nothing: what another town has approved comes
// as a draft here. A file is taken whole or not at all, unknown names are
// refused, and one that says a higher version than [ExchangeVersion] is from a
// newer Türmer.
const (
	ExchangeFormat  = "tuermer.templates"
	ExchangeVersion = 1
	// MaxExchange is the longest file in bytes, about ten times the whole grid.
	MaxExchange = 16 << 20
	// maxExchangeTexts bounds what one import may bring.
	maxExchangeTexts = 20_000
)

// Exchange is such a file.
type Exchange struct {
	Town       string
	ExportedAt time.Time
	Entries    []Entry
}

type exchangeFile struct {
	Format     string          `json:"format"`
	Version    int             `json:"version"`
	Town       string          `json:"town,omitempty"`
	ExportedAt time.Time       `json:"exported_at,omitzero"`
	Templates  []exchangeEntry `json:"templates"`
}

type exchangeEntry struct {
	ID          string `json:"id,omitempty"`
	Phase       string `json:"phase,omitempty"`
	Kind        string `json:"kind"`
	Audience    string `json:"audience"`
	Channel     string `json:"channel"`
	Language    string `json:"language"`
	Scenario    string `json:"scenario,omitempty"`
	Subject     string `json:"subject,omitempty"`
	Title       string `json:"title,omitempty"`
	Body        string `json:"body"`
	Instruction string `json:"instruction,omitempty"`
	Version     int    `json:"version,omitempty"`
	Review      string `json:"review,omitempty"`
	ApprovedBy  string `json:"approved_by,omitempty"`
}

// WriteExchange writes the file.
func WriteExchange(w io.Writer, x Exchange) error {
	f := exchangeFile{Format: ExchangeFormat, Version: ExchangeVersion, Town: x.Town, ExportedAt: x.ExportedAt.UTC(), Templates: []exchangeEntry{}}
	if x.ExportedAt.IsZero() {
		f.ExportedAt = time.Time{}
	}
	for _, e := range x.Entries {
		f.Templates = append(f.Templates, exchangeEntry{
			ID: e.ID, Phase: e.Phase, Kind: string(e.Kind), Audience: string(e.Audience), Channel: string(e.Format), Language: string(e.Language),
			Scenario: string(e.Scenario), Subject: e.Subject, Title: e.Title, Body: e.Body, Instruction: e.Instruction,
			Version: e.Version, Review: string(e.ReviewState), ApprovedBy: e.ApprovedBy,
		})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(f); err != nil {
		return fmt.Errorf("template: export: %w", err)
	}
	return nil
}

// ParseExchange reads such a file. Every text has gone through [CheckOwn]; its
// review state says [Draft] or [DraftUnchecked], whatever the file says. The
// error is [ErrBadFile] with the number of the text, counted from one.
func ParseExchange(raw []byte) (Exchange, error) {
	refuse := func(format string, args ...any) (Exchange, error) {
		return Exchange{}, badFile(fmt.Errorf(format, args...))
	}
	if len(raw) > MaxExchange {
		return refuse("the file has %d bytes, at most %d are read", len(raw), MaxExchange)
	}
	var f exchangeFile
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return Exchange{}, badFile(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return refuse("something stands behind the end of the file")
	}
	switch {
	case f.Format != ExchangeFormat:
		return refuse("format is %q, expected %q", f.Format, ExchangeFormat)
	case f.Version < 1:
		return refuse("version is missing")
	case f.Version > ExchangeVersion:
		return refuse("version %d is newer than this program, which reads %d", f.Version, ExchangeVersion)
	case len(f.Templates) > maxExchangeTexts:
		return refuse("%d texts, at most %d", len(f.Templates), maxExchangeTexts)
	}
	x := Exchange{Town: shorten(storable(f.Town), 200), ExportedAt: f.ExportedAt}
	seen := map[cell]bool{}
	for i, t := range f.Templates {
		e, err := CheckOwn(Entry{
			Kind: Kind(t.Kind), Audience: AudienceKind(t.Audience), Format: Format(t.Channel), Language: Language(t.Language), Scenario: Scenario(t.Scenario),
			Subject: t.Subject, Title: t.Title, Body: t.Body, Instruction: t.Instruction, Version: max(t.Version, 1),
		})
		if err != nil {
			return refuse("text %d (%s): %w", i+1, shorten(t.ID, 60), explain(err))
		}
		if seen[e.cell()] {
			return refuse("text %d (%s) stands twice", i+1, e.ID)
		}
		seen[e.cell()] = true
		e.ReviewState = unreviewed(e.Language)
		x.Entries = append(x.Entries, e)
	}
	return x, nil
}

// unreviewed is the state of words that nobody here has read yet.
func unreviewed(l Language) Review {
	if l == LS {
		return DraftUnchecked
	}
	return Draft
}

// badFile says in words what is wrong: whoever imports has no form to look at.
func badFile(err error) error {
	return fault.New(fault.Invalid, ErrBadFile.Key, err.Error()).Field("file", ErrBadFile.Key).With(err)
}

// explain names the fields of a refused text, since the file's writer has no
// form before them.
func explain(err error) error {
	f := fault.As(err)
	names := slices.Sorted(maps.Keys(f.Fields))
	if f.Err != nil {
		return fmt.Errorf("%s: %w", strings.Join(names, ", "), f.Err)
	}
	return errors.New(strings.Join(names, ", "))
}
