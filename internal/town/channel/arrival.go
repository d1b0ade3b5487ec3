package channel

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Arrival is what a provider reported after it had taken a message. Taken is not
// arrived: a telephone may be off. Once said it stays (I8).
type Arrival string

// The arrivals; empty: nothing was reported.
//
// A call has arrived when somebody pressed a key. That it was answered is no
// arrival: an answering machine answers, too.
const (
	Arrived Arrival = "arrived" // it is on the person's device
	Lost    Arrival = "lost"    // it will never be
)

// Received is told when a provider has reported what became of a message.
var Received = bus.Topic[ReceivedEvent]("channel.received")

// ReceivedEvent is a receipt for one message to one person, who stands in the
// outbox, sealed.
type ReceivedEvent struct {
	ID      string // of the message
	Kind    Kind
	Route   string
	Arrival Arrival
	Reason  string // the provider's own word for Lost
	At      time.Time
}

// Report is what a provider says about one message, named by our ID or by the
// provider's own Reference.
type Report struct {
	ID        string
	Reference string
	Arrival   Arrival
	Reason    string
	// Key is what was pressed on the telephone during the call: the person's answer.
	Key string
}

// earlyRow is a report that came before we knew what it is about: a provider may
// be faster than our own note of its answer.
type earlyRow struct {
	bun.BaseModel `bun:"table:channel_early"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Route         string       `bun:"route,pk"`
	Name          string       `bun:"name,pk"` // "id <our id>" or "ref <reference>"
	Arrival       Arrival      `bun:"arrival"`
	Reason        string       `bun:"reason"`
	Pressed       string       `bun:"pressed"`
	At            time.Time    `bun:"at"`
}

// keepEarly is how long a report of an unknown message waits for it.
const keepEarly = 48 * time.Hour

// Report notes what a provider said about a message of the tenant in ctx. The
// same report again changes nothing, nor does a contrary one that comes later.
func (r *Room) Report(ctx context.Context, route string, rep Report) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	if rep.Arrival != Arrived && rep.Arrival != Lost || rep.ID == "" && rep.Reference == "" {
		return nil // on the way: nothing to note
	}
	rep.Reason, rep.Reference, rep.ID = cut(line(rep.Reason), 200), cut(rep.Reference, maxReferences), cut(rep.ID, 200)
	if rep.Arrival != Arrived || Meaning(rep.Key) == Unclear {
		rep.Key = ""
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, enqueue store.Enqueue) error {
		row, err := r.reported(ctx, route, rep)
		if fault.KindOf(err) == fault.NotFound && err != nil {
			return r.early(ctx, db, tenant, route, rep)
		}
		if err != nil {
			return err
		}
		switch {
		case row.Kind == Mail, row.Kind == Webhook:
			return nil // no business of this provider's
		case row.Arrival != "":
			return r.pressed(ctx, db, row, route, rep.Key) // said already
		case rep.Arrival == Lost && row.State != Accepted:
			// It is still under way as far as we know, so this may speak of an
			// earlier try; when this way is the one that took it, it counts.
			return r.early(ctx, db, tenant, route, rep)
		case rep.Arrival == Lost && row.Route != route:
			return nil // another way has taken it since
		case rep.Arrival == Arrived && partOf(row, rep.Reference):
			if err := r.early(ctx, db, tenant, route, rep); err != nil {
				return err
			}
			return r.takeEarly(ctx, db, enqueue, row, Receipt{Route: route, Reference: row.Reference})
		}
		if err := r.arrive(ctx, db, enqueue, row, route, rep); err != nil {
			return err
		}
		return r.pressed(ctx, db, row, route, rep.Key)
	})
}

// reported finds the message that the report is about.
func (r *Room) reported(ctx context.Context, route string, rep Report) (outboxRow, error) {
	if rep.ID != "" {
		row, err := r.row(ctx, rep.ID)
		if rep.Reference == "" && err != nil && fault.KindOf(err) == fault.NotFound {
			rep.Reference = rep.ID // a provider that calls its own name of it "id"
		} else if rep.Reference == "" || err == nil || fault.KindOf(err) != fault.NotFound {
			return row, err
		}
	}
	var row outboxRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).
		Where("tenant_id = ? AND route = ? AND reference = ?", ident.TenantOf(ctx), route, rep.Reference).
		Order("created_at DESC").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return r.reportedPart(ctx, route, rep.Reference)
	}
	if err != nil {
		return row, fmt.Errorf("channel: reported: %w", err)
	}
	return row, nil
}

// partOf reports whether the reference names one of several parts of a message.
func partOf(row outboxRow, reference string) bool {
	return reference != "" && reference != row.Reference && slices.Contains(strings.Fields(row.Reference), reference)
}

// reportedPart finds the message of which the report names one part.
func (r *Room) reportedPart(ctx context.Context, route, reference string) (outboxRow, error) {
	var rows []outboxRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND route = ? AND parts > 1 AND created_at >= ?", ident.TenantOf(ctx), route, r.o.Clock.Now().Add(-alarmPatience-keepEarly)).
		Where("reference LIKE ?", "%"+reference+"%").Order("created_at DESC").Limit(100).Scan(ctx)
	if err != nil {
		return outboxRow{}, fmt.Errorf("channel: reported: %w", err)
	}
	for _, row := range rows {
		if partOf(row, reference) {
			return row, nil
		}
	}
	return outboxRow{}, fault.New(fault.NotFound, "channel.not_found")
}

// arrive writes the arrival down, once.
func (r *Room) arrive(ctx context.Context, db bun.IDB, enqueue store.Enqueue, row outboxRow, route string, rep Report) error {
	now := r.o.Clock.Now()
	q := db.NewUpdate().Model((*outboxRow)(nil)).
		Set("arrival = ?", rep.Arrival).Set("arrival_reason = ?", rep.Reason).Set("arrived_at = ?", now).
		Where("tenant_id = ? AND id = ? AND arrival = ''", row.TenantID, row.ID)
	// What has arrived needs no further try, whatever we heard of the last one.
	settles := row.State == Queued || row.State == Failed
	if settles {
		q = q.Set("state = ?", Accepted).Set("settled_at = ?", now).Set("route = ?", route).Set("reason = ''").Set("lease_until = NULL")
	} else if row.State == Sending {
		q = q.Set("route = ?", route)
	}
	res, err := q.Exec(ctx)
	if err != nil {
		return fmt.Errorf("channel: arrive: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	if row.State == Queued {
		if err := Settled.Tell(ctx, enqueue, now, SettledEvent{ID: row.ID, State: Accepted, Route: route}); err != nil {
			return err
		}
	}
	r.o.Store.AfterCommit(ctx, func() { r.changed(row.TenantID, row.ID) })
	return Received.Tell(ctx, enqueue, now, ReceivedEvent{
		ID: row.ID, Kind: row.Kind, Route: route, Arrival: rep.Arrival, Reason: rep.Reason, At: now,
	})
}

func earlyNames(id, reference string) []string {
	var out []string
	if id != "" {
		out = append(out, "id "+id)
	}
	if reference != "" {
		out = append(out, "ref "+reference)
	}
	return out
}

// early keeps a report until its message is known.
func (r *Room) early(ctx context.Context, db bun.IDB, tenant ident.Tenant, route string, rep Report) error {
	now := r.o.Clock.Now()
	_, err := db.NewDelete().Model((*earlyRow)(nil)).Where("tenant_id = ? AND at < ?", tenant, now.Add(-keepEarly)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("channel: early: %w", err)
	}
	for _, name := range earlyNames(rep.ID, rep.Reference) {
		row := earlyRow{TenantID: tenant, Route: route, Name: name, Arrival: rep.Arrival, Reason: rep.Reason, Pressed: rep.Key, At: now}
		q := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, route, name) DO NOTHING")
		if rep.Key != "" { // what the person answered is not lost behind "answered"
			q = db.NewInsert().Model(&row).On("CONFLICT (tenant_id, route, name) DO UPDATE").Set("pressed = EXCLUDED.pressed")
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("channel: early: %w", err)
		}
	}
	return nil
}

// takeEarly applies what was reported before the message counted as taken.
func (r *Room) takeEarly(ctx context.Context, db bun.IDB, enqueue store.Enqueue, row outboxRow, rc Receipt) error {
	if row.Kind == Mail || row.Kind == Webhook {
		return nil // nobody reports those
	}
	var found []earlyRow
	parts := strings.Fields(rc.Reference)
	names := earlyNames(row.ID, cut(rc.Reference, maxReferences))
	if len(parts) > 1 {
		for _, p := range parts {
			names = append(names, "ref "+p)
		}
	}
	err := db.NewSelect().Model(&found).Where("tenant_id = ? AND route = ?", row.TenantID, rc.Route).
		Where("name IN (?)", bun.List(names)).Order("at").Scan(ctx)
	if err != nil || len(found) == 0 {
		return err
	}
	said := found[0]
	if len(parts) > 1 {
		// Some name the whole message, some one part: one that is lost loses the
		// message, and it is there when all parts are.
		there := 0
		for _, f := range found {
			if whole := !slices.Contains(parts, strings.TrimPrefix(f.Name, "ref ")); f.Arrival == Lost || whole {
				said, there = f, len(parts)
				break
			}
			there++
		}
		if there < len(parts) {
			return nil
		}
	}
	row.State = Accepted
	if err := r.arrive(ctx, db, enqueue, row, rc.Route, Report{ID: row.ID, Arrival: said.Arrival, Reason: said.Reason}); err != nil {
		return err
	}
	return r.pressed(ctx, db, row, rc.Route, said.Pressed)
}

// Answer is what somebody wrote back, or pressed on the telephone, to an alarm.
type Answer struct {
	Message string // id of the message that it answers, the last alarm to that number
	Thread  string // the alarm's id, as its sender named it
	To      string // the number of who answers
	Kind    Kind   // the way it came
	Text    string
	Word    Word
	At      time.Time
}

// Word is what an answer means.
type Word string

// The words that people answer with.
const (
	Take    Word = "take"    // "1", "ja", "übernehme"
	Decline Word = "decline" // "2", "nein", "kann nicht"
	Unclear Word = ""        // a person must read it
)

// Answers hears what people answer. It decides what follows; an error makes the
// provider say it again.
type Answers interface {
	Answer(ctx context.Context, a Answer) error
}

// words are the answers that are understood, in lower case.
var words = map[string]Word{
	"1": Take, "ja": Take, "j": Take, "ok": Take, "yes": Take, "y": Take, "übernehme": Take, "uebernehme": Take, "übernommen": Take,
	"uebernommen": Take, "take": Take, "ack": Take, "taken": Take,
	"2": Decline, "nein": Decline, "n": Decline, "no": Decline, "ablehnen": Decline, "abgelehnt": Decline, "decline": Decline,
}

// Meaning reads an answer: its first word, or all of it, decides. Whatever is not
// plainly one of the words is [Unclear], for doubt must not take an alarm.
func Meaning(text string) Word {
	text = strings.ToLower(strings.TrimSpace(text))
	if w, ok := words[strings.Trim(text, " .!\t\r\n")]; ok {
		return w
	}
	if text == "kann nicht" || strings.HasPrefix(text, "kann nicht ") {
		return Decline
	}
	return Unclear
}

// answerRow remembers an answer, so that the same one is heard once.
type answerRow struct {
	bun.BaseModel `bun:"table:channel_answer"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Route         string       `bun:"route,pk"`
	ID            string       `bun:"id,pk"`
	Sender        string       `bun:"sender"`
	Message       string       `bun:"message"`
	At            time.Time    `bun:"at"`
}

// answerWithin is how long after an alarm an answer still means it.
const answerWithin = 24 * time.Hour

// Answered takes what came back from a number over a route; id is the provider's
// own name of it. It is heard once. An answer of a number that was not alarmed
// lately is let go: it is nobody's.
func (r *Room) Answered(ctx context.Context, route, id, from, text string) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	now := r.o.Clock.Now()
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var row outboxRow
		err := db.NewSelect().Model(&row).
			Where("tenant_id = ? AND recipient = ? AND created_at >= ?", tenant, r.o.Store.Sealed("channel_outbox.recipient", from), now.Add(-answerWithin)).
			Where("class = ? AND kind IN (?)", Alarm, bun.List([]Kind{SMS, Voice, Chat})).
			Order("created_at DESC", "id DESC").Limit(1).Scan(ctx)
		if store.NotFound(err) {
			r.o.Log.WarnContext(ctx, "an answer belongs to no alarm", "route", route)
			return nil
		}
		if err != nil {
			return fmt.Errorf("channel: answered: %w", err)
		}
		if _, err := db.NewDelete().Model((*answerRow)(nil)).Where("tenant_id = ? AND at < ?", tenant, now.Add(-keepEarly)).Exec(ctx); err != nil {
			return fmt.Errorf("channel: answered: %w", err)
		}
		if id == "" {
			id = row.ID + " " + text
		}
		return r.hear(ctx, db, row, route, id, from, text)
	})
}

// pressed takes a key of a telephone as the answer to the very call in which it
// was pressed.
func (r *Room) pressed(ctx context.Context, db bun.IDB, row outboxRow, route, key string) error {
	if key == "" || row.Kind != Voice || row.Class != Alarm {
		return nil // a test call is answered, too, and takes nothing over
	}
	m, err := r.message(row)
	if err != nil {
		return err
	}
	return r.hear(ctx, db, row, route, "key "+row.ID+" "+key, m.To, key)
}

// hear tells what somebody answered to a message, once.
func (r *Room) hear(ctx context.Context, db bun.IDB, row outboxRow, route, id, from, text string) error {
	now := r.o.Clock.Now()
	heard := answerRow{TenantID: row.TenantID, Route: route, ID: cut(id, 200), Sender: from, Message: row.ID, At: now}
	res, err := db.NewInsert().Model(&heard).On("CONFLICT (tenant_id, route, id) DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("channel: answered: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 || r.o.Answers == nil {
		return err
	}
	m, err := r.message(row)
	if err != nil {
		return err
	}
	return r.o.Answers.Answer(ctx, Answer{
		Message: row.ID, Thread: m.Thread, To: from, Kind: row.Kind, Text: cut(line(text), 500), Word: Meaning(text), At: clock.Cut(now),
	})
}

// line makes one line of foreign text.
func line(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
}

// Quote tells what a text to n numbers will take and cost, before it goes out:
// over the way of that kind that would be asked first.
func (r *Room) Quote(ctx context.Context, kind Kind, text string, n int) Quote {
	q := quote(kind, text, n, Price{})
	if all := r.routes.order(r.adapters(ctx, Live, kind)); len(all) > 0 {
		if p, ok := all[0].(Priced); ok {
			q = quote(kind, text, n, p.Price())
		}
		q.Route = all[0].Route()
	}
	return q
}

// Has reports whether the town in ctx has a way of this kind.
func (r *Room) Has(ctx context.Context, realm Realm, kind Kind) bool {
	return len(r.adapters(ctx, realm, kind)) > 0
}
