package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Library is a set of prepared texts. It never changes once built, so it may
// be read by many at once.
type Library struct {
	entries   []Entry
	index     map[cell]int
	scenarios []ScenarioInfo
	frames    map[cell]frame // by audience, format and language
	// mails are made from pages that have a subject and no mail of their own,
	// so that one wording is kept and approved once. They are found, not listed.
	mails map[cell]Entry
	byID  map[string]Entry // listed texts and mails alike
}

// ScenarioInfo is what the grid says about a scenario.
type ScenarioInfo struct {
	Scenario Scenario
	Mark     string // "C1", "L4"; empty for the general ones
	Family   string // "C" for IT, "L" for hazards
	Title    string // German
	TitleEN  string
}

// cell is the place of a text in the grid.
type cell struct {
	kind     Kind
	audience AudienceKind
	format   Format
	language Language
	scenario Scenario
}

func (e Entry) cell() cell {
	return cell{e.Kind, e.Audience, e.Format, e.Language, e.Scenario}
}

// newLibrary indexes entries, which Prepare has seen.
func newLibrary(entries []Entry, scenarios []ScenarioInfo, frames map[cell]frame) (*Library, error) {
	l := &Library{entries: entries, index: make(map[cell]int, len(entries)), scenarios: scenarios, frames: frames, mails: map[cell]Entry{}, byID: make(map[string]Entry, 2*len(entries))}
	for i, e := range entries {
		if _, twice := l.index[e.cell()]; twice || l.byID[e.ID].ID != "" {
			return nil, fmt.Errorf("template %s: the grid has this text twice", e.ID)
		}
		l.index[e.cell()] = i
		l.byID[e.ID] = e
	}
	for _, e := range entries {
		c := e.cell()
		c.format = Mail
		if _, own := l.index[c]; own || e.Format != Page || e.Subject == "" {
			continue
		}
		mail, err := l.asMail(e)
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", e.ID, err)
		}
		l.mails[c] = mail
		l.byID[mail.ID] = mail
	}
	return l, nil
}

// asMail swaps a page's frame for a mail's.
func (l *Library) asMail(e Entry) (Entry, error) {
	page, mail := l.frames[cell{audience: e.Audience, format: Page, language: e.Language}], l.frames[cell{audience: e.Audience, format: Mail, language: e.Language}]
	body := strings.TrimSuffix(strings.TrimPrefix(e.Body, page.Open), page.Close)
	e.Body = mail.around(body)
	e.Format, e.Title, e.ID = Mail, "", ""
	return Prepare(e)
}

// List gives every text in the grid's order: first those that fit every outage,
// by phase, then those of each scenario; within these by audience, format and
// language. Mails that are made from pages are not listed, see [Library.Find].
func (l *Library) List() []Entry { return slices.Clone(l.entries) }

// Scenarios lists the scenarios that have texts of their own, in the grid's
// order.
func (l *Library) Scenarios() []ScenarioInfo { return slices.Clone(l.scenarios) }

// Get finds a text by its ID, mails that are made from pages included.
func (l *Library) Get(id string) (Entry, bool) {
	e, ok := l.byID[id]
	return e, ok
}

// formatFallback says which formats may stand in for one that has no text. A
// short form is never replaced by a longer one.
var formatFallback = map[Format][]Format{
	Page:      {Page, Mail},
	Mail:      {Mail, Page},
	RSS:       {RSS, Page, Mail},
	Notice:    {Notice, Page},
	Messenger: {Messenger, Short500, Page, Mail},
	Short500:  {Short500, Short300},
	Short300:  {Short300},
	SMS:       {SMS},
	Push:      {Push},
	Phone:     {Phone},
	CAP:       {CAP},
}

// Find picks the text for a reader. It looks in this order: the language asked
// for, then German; within a language the scenario, then for an attack scenario
// the general attack text, then the text without scenario; within these the
// format asked for, then its stand-ins (a mail's text on a page, never a page's
// text in an SMS). Where a page has a subject and no mail of its own, the mail is
// made from it with the audience's salutation. The audience is never replaced. The entry's own fields say
// what was found.
func (l *Library) Find(kind Kind, audience AudienceKind, format Format, lang Language, scenario Scenario) (Entry, bool) {
	languages := []Language{lang}
	if lang != DE {
		languages = append(languages, DE)
	}
	scenarios := []Scenario{scenario}
	if scenario != "" {
		if scenario != Attack && l.family(scenario) == "C" {
			scenarios = append(scenarios, Attack)
		}
		scenarios = append(scenarios, "")
	}
	formats := formatFallback[format]
	if formats == nil {
		formats = []Format{format}
	}
	for _, lg := range languages {
		for _, sc := range scenarios {
			for _, f := range formats {
				if i, ok := l.index[cell{kind, audience, f, lg, sc}]; ok {
					return l.entries[i], true
				}
				if e, ok := l.mails[cell{kind, audience, f, lg, sc}]; ok {
					return e, true
				}
			}
		}
	}
	return Entry{}, false
}

func (l *Library) family(s Scenario) string {
	for _, info := range l.scenarios {
		if info.Scenario == s {
			return info.Family
		}
	}
	return ""
}

// Overlay lays a town's own texts and approvals over the library: an entry in
// the same cell replaces the shipped one, others join. The library itself stays
// as it is. Every entry goes through [Prepare]. Only what changes is worked out
// anew: a statement is rendered several times while somebody writes it.
func (l *Library) Overlay(own []Entry) (*Library, error) {
	out := &Library{
		entries: slices.Clone(l.entries), index: maps.Clone(l.index), scenarios: l.scenarios, frames: l.frames,
		mails: maps.Clone(l.mails), byID: maps.Clone(l.byID),
	}
	for _, e := range own {
		e, err := Prepare(e)
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", e.ID, err)
		}
		if err := out.lay(e); err != nil {
			return nil, fmt.Errorf("template %s: %w", e.ID, err)
		}
	}
	return out, nil
}

// lay puts one entry into its cell, and the mail that is made from it.
func (l *Library) lay(e Entry) error {
	c := e.cell()
	if i, ok := l.index[c]; ok {
		e.ID = l.entries[i].ID
		l.entries[i] = e
	} else {
		if l.byID[e.ID].ID != "" && l.byID[e.ID].cell() != c {
			return fmt.Errorf("the grid has %s already", e.ID)
		}
		l.index[c] = len(l.entries)
		l.entries = append(l.entries, e)
	}
	l.byID[e.ID] = e
	mail := c
	mail.format = Mail
	switch e.Format {
	case Mail:
		delete(l.mails, c)
	case Page:
		if _, own := l.index[mail]; own {
			return nil
		}
		if old, ok := l.mails[mail]; ok {
			delete(l.byID, old.ID)
			delete(l.mails, mail)
		}
		if e.Subject == "" {
			return nil
		}
		m, err := l.asMail(e)
		if err != nil {
			return err
		}
		l.mails[mail], l.byID[m.ID] = m, m
	}
	return nil
}
