package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// A page is the reaching of one person: their ways are tried one after the other
// until one shows that it arrived.
//
//	trying ─ receipt ─► reached ─┐
//	  │  ▲ way failed, or no     ├─ Acknowledge ─► answered
//	  │  └ receipt in time       ├─ Decline ─► declined
//	  └─ no way is left ─► unreached
type pageState string

const (
	trying    pageState = "trying"
	reached   pageState = "reached"
	unreached pageState = "unreached"
	answered  pageState = "answered"
	declined  pageState = "declined"
)

type pageRow struct {
	bun.BaseModel `bun:"table:alert_page"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	AlertID       ID           `bun:"alert_id,pk"`
	PersonID      string       `bun:"person_id,pk"`
	Name          string       `bun:"name"`
	Step          int          `bun:"step"`
	Ways          string       `bun:"ways"`
	Pos           int          `bun:"pos"`
	Receipt       int64        `bun:"receipt"`
	Reason        Reason       `bun:"reason"`
	State         pageState    `bun:"state"`
	DueAt         time.Time    `bun:"due_at,nullzero"`
}

// groups are the ways in the order in which they are tried. Where nobody chose,
// all mail addresses are tried at once, as one group.
func groups(contacts []chain.Contact, chosen bool) [][]chain.Contact {
	var out [][]chain.Contact
	for _, c := range contacts {
		if n := len(out); !chosen && n > 0 && c.Kind == channel.Mail && out[n-1][0].Kind == channel.Mail {
			out[n-1] = append(out[n-1], c)
			continue
		}
		out = append(out, []chain.Contact{c})
	}
	return out
}

// contacts asks by which ways the person can be reached; without chains these
// are the mail addresses.
func (r *Room) contacts(ctx context.Context, p identity.Person, by []chain.Way) ([][]chain.Contact, error) {
	if r.o.Chain == nil {
		var all []chain.Contact
		for i, to := range p.Addresses() {
			all = append(all, chain.Contact{Way: []chain.Way{chain.Mail, chain.Alternative}[min(i, 1)], Kind: channel.Mail, To: to})
		}
		return groups(all, false), nil
	}
	all, err := r.o.Chain.Contacts(ctx, p, by)
	if err != nil {
		return nil, fmt.Errorf("alert: ways to a person: %w", err)
	}
	return groups(all, len(by) > 0 || orderOf(all) == chain.OwnOrder), nil
}

// orderOf is whose order the ways to a person stand in.
func orderOf(all []chain.Contact) chain.Order {
	if len(all) == 0 {
		return chain.UsualOrder
	}
	return all[0].Order
}

// noteOrder writes down whose order of ways applies, where a person has one.
func (t turn) noteOrder(ctx context.Context, id ID, p identity.Person, ways [][]chain.Contact) error {
	var words []string
	order := chain.UsualOrder
	for _, g := range ways {
		for _, w := range g {
			words, order = append(words, string(w.Way)), w.Order
		}
	}
	c := Course{What: OwnOrder, Person: string(p.ID), Name: p.Name, Word: strings.Join(words, " ")}
	switch order {
	case chain.UsualOrder:
		return nil
	case chain.StepOrder:
		c.What = StepOrder
	case chain.OwnOrder:
	}
	return t.note(ctx, id, c)
}

// call begins to reach a person, anew when they were reached before. ok is false
// when the outbox took nothing for them.
func (m *mailing) call(ctx context.Context, c chosen, others []string, step int, by []chain.Way, receipt time.Duration) (ok bool, err error) {
	ways, err := m.r.contacts(ctx, c.person, by)
	if err != nil {
		return false, err
	}
	if err := m.t.noteOrder(ctx, m.alert.ID, c.person, ways); err != nil {
		return false, err
	}
	body, err := json.Marshal(ways)
	if err != nil {
		return false, fmt.Errorf("alert: page: %w", err)
	}
	row := pageRow{
		TenantID: m.t.tenant, AlertID: m.alert.ID, PersonID: string(c.person.ID), Name: c.person.Name, Step: step,
		Ways: string(body), Receipt: receipt.Milliseconds(), Reason: c.reason, State: trying,
	}
	ok, err = m.nextWay(ctx, &row, c.person, others)
	if err != nil {
		return false, err
	}
	_, err = m.t.db.NewInsert().Model(&row).On("CONFLICT (tenant_id, alert_id, person_id) DO UPDATE").
		Set("step = EXCLUDED.step, ways = EXCLUDED.ways, pos = EXCLUDED.pos, receipt = EXCLUDED.receipt").
		Set("reason = EXCLUDED.reason, state = EXCLUDED.state, due_at = EXCLUDED.due_at").Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("alert: page: %w", err)
	}
	return ok, nil
}

// nextWay tries the next ways of a person until the outbox takes something.
func (m *mailing) nextWay(ctx context.Context, row *pageRow, p identity.Person, others []string) (ok bool, err error) {
	var ways [][]chain.Contact
	if err := json.Unmarshal([]byte(row.Ways), &ways); err != nil {
		return false, fmt.Errorf("alert: page: %w", err)
	}
	row.DueAt = time.Time{}
	for row.Pos < len(ways) {
		group := ways[row.Pos]
		row.Pos++
		for _, w := range group {
			if w.Lacking != "" {
				err = m.t.note(ctx, m.alert.ID, Course{What: WayLacking, Person: row.PersonID, Name: row.Name, Way: string(w.Way), Word: string(w.Lacking)})
			} else {
				var sent bool
				sent, err = m.alarmBy(ctx, p, w, row.Reason, others)
				ok = ok || sent
			}
			if err != nil {
				return false, err
			}
		}
		if ok {
			row.State = trying
			if row.Pos < len(ways) || row.Step >= 0 { // else nothing would follow from it
				row.DueAt = m.t.now.Add(time.Duration(row.Receipt) * time.Millisecond)
			}
			return true, nil
		}
	}
	row.State = unreached
	return false, m.t.note(ctx, m.alert.ID, Course{What: Unreached, Person: row.PersonID, Name: row.Name})
}

// alarmBy writes to a person by one way.
func (m *mailing) alarmBy(ctx context.Context, p identity.Person, w chain.Contact, why Reason, others []string) (bool, error) {
	at := m.locale(p.Language)
	l := letter{
		kind: Alarm, alert: m.alert, service: m.service, town: m.town, why: why, others: others, effects: m.effects,
		ack: m.town.StaffURL + "/a/" + m.r.token(m.alert.ID, p.ID, m.t.now), page: m.page(),
	}
	n := Notified{PersonID: string(p.ID), Name: p.Name, Address: w.To, Language: string(at.Lang), Kind: Alarm, Way: string(w.Kind)}
	subject, text := l.write(at)
	if w.Kind != channel.Mail {
		text = l.brief(at, w.Kind)
	}
	id, ok, err := m.hand(ctx, n, subject, text)
	if err != nil {
		return false, err
	}
	c := Course{What: WaySent, Person: string(p.ID), Name: p.Name, Way: string(w.Way)}
	if !ok {
		c.What, c.Word = WayFailed, "refused"
	}
	return ok, m.t.noted(ctx, m.alert.ID, c, id)
}

// page is the row of one person; nil: none.
func (t turn) page(ctx context.Context, id ID, person string) (*pageRow, error) {
	row := &pageRow{TenantID: t.tenant, AlertID: id, PersonID: person}
	err := t.db.NewSelect().Model(row).WherePK().Scan(ctx)
	if store.NotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("alert: page: %w", err)
	}
	return row, nil
}

func (t turn) pages(ctx context.Context, id ID) ([]pageRow, error) {
	var rows []pageRow
	err := t.db.NewSelect().Model(&rows).Where("tenant_id = ? AND alert_id = ?", t.tenant, id).OrderExpr("name, person_id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: pages: %w", err)
	}
	return rows, nil
}

func (t turn) keepPage(ctx context.Context, row *pageRow) error {
	if _, err := t.db.NewUpdate().Model(row).WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("alert: page: %w", err)
	}
	return nil
}

// calm lets nobody further be tried for the alert; states stay.
func (t turn) calm(ctx context.Context, id ID) error {
	_, err := t.db.NewUpdate().Model((*pageRow)(nil)).Set("due_at = NULL").Where("tenant_id = ? AND alert_id = ?", t.tenant, id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: pages: %w", err)
	}
	return nil
}

// arrival is what is known of a message after it left.
type arrival struct {
	what What // WayTaken, WayArrived or WayFailed
	word string
}

// resume tries those further who were being reached when somebody took the alert.
func (t turn) resume(ctx context.Context, id ID) error {
	pages, err := t.pages(ctx, id)
	if err != nil {
		return err
	}
	for _, p := range pages {
		if p.State != trying || !p.DueAt.IsZero() {
			continue
		}
		p.DueAt = t.now.Add(time.Duration(p.Receipt) * time.Millisecond)
		if err := t.keepPage(ctx, &p); err != nil {
			return err
		}
	}
	return nil
}

// onReceipt notes a receipt in the course, and stops or hastens the reaching of
// the person.
func (r *Room) onReceipt(ctx context.Context, t turn, message string, got arrival) error {
	var sent courseRow
	err := t.db.NewSelect().Model(&sent).Where("tenant_id = ? AND message_id = ? AND what = ?", t.tenant, message, WaySent).Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return nil // not an alarm
	}
	if err != nil {
		return fmt.Errorf("alert: receipt: %w", err)
	}
	told, err := t.db.NewSelect().Model((*courseRow)(nil)).Where("tenant_id = ? AND message_id = ? AND what = ?", t.tenant, message, got.what).Exists(ctx)
	if err != nil || told {
		return err
	}
	if err := t.noted(ctx, sent.AlertID, Course{What: got.what, Person: sent.PersonID, Name: sent.Name, Way: sent.Way, Word: got.word}, message); err != nil {
		return err
	}
	row, err := t.page(ctx, sent.AlertID, sent.PersonID)
	if err != nil || row == nil || row.State != trying && (row.State != unreached || got.what == WayFailed) {
		return err
	}
	switch {
	case got.what == WayArrived, got.what == WayTaken && Proves(chain.Way(sent.Way).Kind()):
		row.State, row.DueAt = reached, time.Time{}
		r.changed(ctx, sent.AlertID)
		return t.keepPage(ctx, row)
	case got.what != WayFailed || row.DueAt.IsZero():
		return nil
	}
	pending, err := t.underWay(ctx, sent.AlertID, sent.PersonID)
	if err != nil || pending {
		return err // another message of the same try may still arrive
	}
	row.DueAt = t.now
	r.changed(ctx, sent.AlertID)
	return t.keepPage(ctx, row)
}

// onReceived notes that a message is on a person's device, or never will be.
func (r *Room) onReceived(ctx context.Context, e bus.Event[channel.ReceivedEvent]) error {
	return r.onNews(ctx, e.Data.ID, func(ctx context.Context, t turn) error {
		got := arrival{WayArrived, e.Data.Route}
		if e.Data.Arrival == channel.Lost {
			got = arrival{WayFailed, clip(e.Data.Reason)}
		}
		return r.onReceipt(ctx, t, e.Data.ID, got)
	})
}

// Proves tells whether it is a receipt that the next server has a message. A
// mail lies in the box then; a telephone may be switched off.
func Proves(k channel.Kind) bool { return k == channel.Mail || k == channel.Webhook }

// underWay tells whether a message to the person has no answer yet.
func (t turn) underWay(ctx context.Context, id ID, person string) (bool, error) {
	n, err := t.db.NewSelect().Model((*notifiedRow)(nil)).
		Where("tenant_id = ? AND alert_id = ? AND person_id = ? AND kind = ? AND receipt = ''", t.tenant, id, person, Alarm).Count(ctx)
	if err != nil {
		return false, fmt.Errorf("alert: receipts: %w", err)
	}
	return n > 0, nil
}

// failedLast tells whether the last that is known of reaching the person is that
// a way failed.
func (t turn) failedLast(ctx context.Context, id ID, person string) (bool, error) {
	var last courseRow
	err := t.db.NewSelect().Model(&last).Where("tenant_id = ? AND alert_id = ? AND person_id = ?", t.tenant, id, person).OrderExpr("id DESC").Limit(1).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return false, fmt.Errorf("alert: course: %w", err)
	}
	return last.What == WayFailed, nil
}

// tryFurther takes the next way to somebody of whom no receipt came.
func (r *Room) tryFurther(ctx context.Context, id ID, person string, now time.Time) error {
	return r.inTurn(ctx, func(ctx context.Context, t turn) error {
		row, err := t.page(ctx, id, person)
		if err != nil || row == nil || row.DueAt.IsZero() || row.DueAt.After(now) {
			return err // another node was here
		}
		a, err := t.full(ctx, id)
		if err != nil {
			return err
		}
		p, err := r.o.People.Person(ctx, identity.PersonID(person))
		gone := err != nil && fault.KindOf(err) == fault.NotFound
		if err != nil && !gone {
			return fmt.Errorf("alert: person: %w", err)
		}
		row.DueAt = time.Time{}
		if a.State == StateClosed || row.State != trying || gone || p.Blocked {
			return t.keepPage(ctx, row)
		}
		failed, err := t.failedLast(ctx, id, person)
		if err != nil {
			return err
		}
		if !failed {
			if err := t.note(ctx, id, Course{What: WaySilent, Person: person, Name: row.Name}); err != nil {
				return err
			}
		}
		svc, err := r.service(ctx, a.Service)
		if err != nil {
			return err
		}
		m := mailing{r: r, t: t, alert: a, service: svc}
		if err := m.prepare(ctx); err != nil {
			return err
		}
		if _, err := m.nextWay(ctx, row, p, nil); err != nil {
			return err
		}
		if err := t.keepPage(ctx, row); err != nil {
			return err
		}
		r.changed(ctx, id)
		if row.State != unreached {
			return nil
		}
		return r.stepLost(ctx, t, &a)
	})
}

// stepLost hastens the next step when nobody on this one can answer any more.
func (r *Room) stepLost(ctx context.Context, t turn, a *Alert) error {
	rn, err := t.run(ctx, a.ID)
	if err != nil || rn == nil || rn.Done || a.State == StateClosed || a.NextAt.IsZero() || !rn.SnoozedUntil.IsZero() {
		return err
	}
	pages, err := t.pages(ctx, a.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(pages, func(p pageRow) bool {
		return p.Step == rn.Step && p.State != unreached && p.State != declined
	}) {
		return nil
	}
	rn.Told = chain.MaxRepeat + 1 // repeating would reach nobody either
	a.NextAt = t.now
	if err := t.keepRun(ctx, rn); err != nil {
		return err
	}
	return t.update(ctx, *a)
}

// number is a step as people count.
func number(step int) string { return strconv.Itoa(step + 1) }
