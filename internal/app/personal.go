package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/personal"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

// holder is a room that says what becomes of what it holds about a person.
type holder interface{ Personal() []personal.Rule }

// personalRules are those of all rooms.
func (a *App) personalRules() (out []personal.Rule) {
	for _, h := range []holder{
		a.identity, a.audit, a.channel, a.plan, a.service, a.papers, a.contact, a.deletion, a.roster, a.chain, a.alert, a.trial, a.incident, a.board, a.onsite,
		a.template, a.publish, a.statuspage, a.editorial, a.review, a.exercise,
	} {
		out = append(out, h.Personal()...)
	}
	return out
}

// impersonal are tables with very many rows that machines write and no person
// stands in.
var impersonal = []string{"monitor_result", "monitor_journal", "monitor_chunk", "monitor_rollup", "bus_handled", "signal_signal", "signal_key", "signal_episode", "sonde_result", "sonde_nonce", "deletion_record"}

// PersonalData is all that an install holds about a person.
type PersonalData struct {
	Town   string          `json:"town"`
	Person string          `json:"person"`
	Name   string          `json:"name"`
	Made   time.Time       `json:"made"`
	Places []PersonalPlace `json:"places"`
}

// PersonalPlace are the rows of one table.
type PersonalPlace struct {
	Room   string             `json:"room"`
	Table  string             `json:"table"`
	Reason string             `json:"reason"` // why it is kept, or how it goes
	Rows   [][]personal.Field `json:"rows"`
}

// reasonOf is the word of the rule for a table's rows after an erasure.
func reasonOf(rules []personal.Rule, table string) string {
	word := "unknown"
	for _, r := range rules {
		if r.Table != table {
			continue
		}
		if r.Act == personal.Stay {
			return r.Why
		}
		word = r.Why
	}
	return word
}

// keptFor is why a row is still there after an erasure.
func keptFor(rules []personal.Rule, who personal.Who, h personal.Hit) string {
	if !h.Names(who) {
		return "number"
	}
	return reasonOf(rules, h.Table)
}

// ExportPerson gathers what the town in ctx holds about a person, and writes down
// that it was asked.
func (a *App) ExportPerson(ctx context.Context, p identity.Person) (d PersonalData, err error) {
	t, err := a.identity.Current(ctx)
	if err != nil {
		return d, err
	}
	hits, err := personal.Find(ctx, a.store, p.Subject(), impersonal...)
	if err != nil {
		return d, err
	}
	d = PersonalData{Town: t.Name, Person: string(p.ID), Name: p.Name, Made: a.o.Clock.Now(), Places: []PersonalPlace{}}
	rules := a.personalRules()
	for _, h := range hits {
		n := len(d.Places)
		if n == 0 || d.Places[n-1].Table != h.Table {
			room, _, _ := strings.Cut(h.Table, "_")
			d.Places = append(d.Places, PersonalPlace{Room: room, Table: h.Table, Reason: reasonOf(rules, h.Table)})
			n++
		}
		d.Places[n-1].Rows = append(d.Places[n-1].Rows, h.Fields)
	}
	return d, a.audit.Record(ctx, audit.Entry{Action: "app.person_exported", Subject: "person:" + string(p.ID), Detail: map[string]string{"rows": fmt.Sprint(len(hits))}})
}

// In writes the data for a person to read.
func (d PersonalData) In(c *i18n.Catalog, l i18n.Lang, zone *time.Location) string {
	var b strings.Builder
	fmt.Fprintln(&b, c.Text(l, "app.personal_title", d.Name, d.Town, d.Made.In(zone).Format("02.01.2006 15:04")))
	room := ""
	for _, p := range d.Places {
		if p.Room != room {
			room = p.Room
			fmt.Fprintf(&b, "\n%s\n", personalRoom(c, l, room))
		}
		fmt.Fprintf(&b, "\n  %s: %s\n", p.Table, c.Text(l, "app.personal_why_"+p.Reason))
		for _, row := range p.Rows {
			for i, f := range row {
				mark := "    "
				if i == 0 {
					mark = "  - "
				}
				fmt.Fprintf(&b, "%s%s: %s\n", mark, f.Column, strings.ReplaceAll(f.Value, "\n", "\n      "))
			}
		}
	}
	return b.String()
}

// personalRoom is what a reader calls the place of a room.
func personalRoom(c *i18n.Catalog, l i18n.Lang, room string) string {
	if key := "app.personal_room_" + room; c.Has(key) {
		return c.Text(l, key)
	}
	return room
}

// Erasure is the proof of a deletion: what went, and what stays for which reason.
type Erasure struct {
	Person  string        `json:"person"` // the id, which names nobody any more
	StandIn string        `json:"stand_in"`
	At      time.Time     `json:"at"`
	Gone    []ErasureLine `json:"gone"`
	Kept    []ErasureLine `json:"kept"`
}

// ErasureLine is one table of an erasure.
type ErasureLine struct {
	Table  string `json:"table"`
	Act    string `json:"act"`
	Reason string `json:"reason"`
	Rows   int64  `json:"rows"`
}

// inFile reports whether the operator's file names an address of the person.
func (a *App) inFile(ctx context.Context, p identity.Person) bool {
	c := a.configOf(ctx)
	if c == nil {
		return false
	}
	text, err := json.Marshal(c)
	return err == nil && slices.ContainsFunc([]string{p.Email, p.Alternative}, func(m string) bool { return m != "" && strings.Contains(string(text), `"`+m+`"`) })
}

// ErasePerson takes a person out of the town in ctx as far as nothing obliges it
// to keep what they did. Who is still needed is refused, with everything that
// stands in the way.
func (a *App) ErasePerson(ctx context.Context, p identity.Person) (e Erasure, err error) {
	if err := a.identity.MayErase(ctx, p); err != nil {
		return e, err
	}
	who, rules, now := p.Subject(), a.personalRules(), a.o.Clock.Now()
	if a.inFile(ctx, p) {
		return e, fault.New(fault.Conflict, "app.erase_in_file", p.Email)
	}
	l := a.townLocale(ctx)
	err = a.store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		e = Erasure{Person: who.ID, StandIn: who.StandInName, At: now, Gone: []ErasureLine{}, Kept: []ErasureLine{}}
		refusals, err := personal.Refusals(ctx, a.store, rules, who, now)
		if err != nil {
			return err
		}
		if len(refusals) > 0 {
			var lines []string
			for _, r := range refusals {
				lines = append(lines, l.Catalog.Text(l.Lang, "app.erase_"+r.Rule.Why, r.Label))
			}
			return fault.New(fault.Conflict, "app.erase_refused", strings.Join(lines, " "))
		}
		var lists int64
		for _, address := range []string{p.Email, p.Alternative} {
			if address == "" {
				continue
			}
			n, err := a.plan.ForgetAddress(ctx, address)
			if err != nil {
				return err
			}
			lists += int64(n)
		}
		if lists > 0 {
			e.Gone = append(e.Gone, ErasureLine{"plan_audience", string(personal.Replace), "delivery", lists})
		}
		done, err := personal.Erase(ctx, a.store, rules, who, now)
		if err != nil {
			return err
		}
		for _, d := range done {
			e.Gone = append(e.Gone, ErasureLine{d.Rule.Table, string(d.Rule.Act), d.Rule.Why, d.Rows})
		}
		if err := a.identity.Erase(ctx, p); err != nil {
			return err
		}
		left, err := personal.Find(ctx, a.store, who, impersonal...)
		if err != nil {
			return err
		}
		kept := map[[2]string]int64{}
		for _, h := range left {
			kept[[2]string{h.Table, keptFor(rules, who, h)}]++
		}
		for _, k := range slices.SortedFunc(maps.Keys(kept), func(x, y [2]string) int { return strings.Compare(x[0]+" "+x[1], y[0]+" "+y[1]) }) {
			e.Kept = append(e.Kept, ErasureLine{k[0], string(personal.Stay), k[1], kept[k]})
		}
		proof, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("app: erasure: %w", err)
		}
		// The log is a chain of its own, so the proof of a deletion cannot be
		// changed later. It names nobody.
		return a.audit.Record(ctx, audit.Entry{Action: "app.person_erased", Subject: "person:" + who.ID, Detail: map[string]string{"proof": string(proof)}})
	})
	if err != nil {
		return Erasure{}, err
	}
	return e, nil
}

// In says the proof, line by line.
func (e Erasure) In(c *i18n.Catalog, l i18n.Lang, zone *time.Location) []string {
	out := []string{c.Text(l, "app.erase_done", e.StandIn, e.At.In(zone).Format("02.01.2006 15:04"))}
	for _, x := range e.Gone {
		out = append(out, c.Text(l, "app.erase_act_"+x.Act, x.Table, x.Rows))
	}
	for _, x := range e.Kept {
		out = append(out, c.Text(l, "app.erase_kept", x.Table, x.Rows, c.Text(l, "app.personal_why_"+x.Reason)))
	}
	return out
}

// ExportPerson answers what is held about a person, for a program or, with
// readable, for a reader.
func (Commands) ExportPerson(ctx context.Context, s Settings, email string, readable bool) (text string, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		p, err := a.identity.PersonByEmail(ctx, email)
		if err != nil {
			return err
		}
		d, err := a.ExportPerson(ctx, p)
		if err != nil {
			return err
		}
		if readable {
			text = d.In(a.catalog, s.Lang, a.townLocale(ctx).Zone)
			return nil
		}
		out, err := json.MarshalIndent(d, "", "  ")
		text = string(out) + "\n"
		return err
	})
	return text, err
}

// ErasePerson erases a person and answers the proof, line by line.
func (Commands) ErasePerson(ctx context.Context, s Settings, email string) (lines []string, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		p, err := a.identity.PersonByEmail(ctx, email)
		if err != nil {
			return err
		}
		e, err := a.ErasePerson(ctx, p)
		lines = e.In(a.catalog, s.Lang, a.townLocale(ctx).Zone)
		return err
	})
	return lines, err
}
