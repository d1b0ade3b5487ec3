package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/retain"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/channel"
)

// Outbox takes the answers.
type Outbox interface {
	Send(ctx context.Context, m channel.Message) error
}

// KeepLetters is how long it is known that a letter came, and who was answered: as
// long as a mailbox may be read again, and a sender waits for the next answer.
const KeepLetters = 3 * retain.Day

// answersAnHour bounds the answers of one mailbox: whoever forges senders makes no
// mill of us.
const answersAnHour = 200

// onceIn is how long a sender who was answered waits for the next answer.
const onceIn = 24 * time.Hour

// letterRow is a letter that came: nothing of what it says, and its sender as a
// digest alone, which is sealed: an address can be guessed and digested by anybody.
type letterRow struct {
	bun.BaseModel `bun:"table:intake_letter"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Source        string       `bun:"source,pk"`
	Hash          string       `bun:"hash,pk"`
	Sender        string       `bun:"sender"`
	At            time.Time    `bun:"at"`
	Urgent        bool         `bun:"urgent"`
	Outcome       Outcome      `bun:"outcome"`
}

// Letter is one that came, as people see it: not what it says.
type Letter struct {
	At      time.Time
	Urgent  bool
	Outcome Outcome
}

// Letters are the newest of a mailbox.
func (r *Room) Letters(ctx context.Context, source string) ([]Letter, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	var rows []letterRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND source = ?", ident.TenantOf(ctx), source).Order("at DESC", "hash").Limit(20).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("intake: letters: %w", err)
	}
	out := make([]Letter, len(rows))
	for i, row := range rows {
		out[i] = Letter{when(row.At), row.Urgent, row.Outcome}
	}
	return out, nil
}

func letterDigest(parts ...string) string {
	sum := sha256.Sum256([]byte("tuermer/intake/letter/" + strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// receive looks at a letter that lies in a mailbox of people: arrived is when the
// mailbox got it. The same letter again does nothing.
func (r *Room) receive(ctx context.Context, src sourceRow, x Reception, login string, b Body, arrived time.Time) error {
	now := r.o.Clock.Now()
	p := readPenned(b.Data)
	number := p.id
	if number == "" {
		number = strings.Join(b.Path, "/")
	}
	if strings.EqualFold(p.from, login) && p.refusal == "" {
		p.refusal = Automatic // written by the mailbox itself
	}
	attended, next := false, time.Time{}
	if r.o.Attended != nil {
		var err error
		if attended, next, err = r.o.Attended(ctx, x.Channel, now); err != nil {
			// Who cannot tell who is on duty does not say that somebody is.
			r.o.Log.ErrorContext(ctx, "duty of a channel", "room", "intake", "source", src.Name, "err", err)
			attended, next = false, time.Time{}
		}
	}
	words := x.Urgent
	if len(words) == 0 {
		words = UrgentWords()
	}
	row := letterRow{
		TenantID: src.TenantID, Source: src.Name, Hash: letterDigest(string(src.TenantID), src.Name, "id", number), At: now,
		Sender: letterDigest(string(src.TenantID), src.Name, "from", p.from), Urgent: p.urgent(words),
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := r.heard(ctx, db, src, &kept{body: bodyRow{LastAt: now}}); err != nil {
			return err
		}
		var err error
		if row.Outcome, err = r.outcome(ctx, db, p, row, attended, arrived, now); err != nil {
			return err
		}
		res, err := db.NewInsert().Model(&row).On("CONFLICT DO NOTHING").Exec(ctx)
		if err != nil {
			return fmt.Errorf("intake: letter: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		// Of who is not answered for their own sake the urgent word counts all the same.
		if row.Urgent && !attended && (row.Outcome == Answered || row.Outcome == Once || row.Outcome == Flooded || row.Outcome == Anonymous) {
			if err := r.raiseLetter(ctx, src, x, login, row, p); err != nil {
				return err
			}
		}
		if row.Outcome != Answered {
			return nil
		}
		return r.answer(ctx, x, p, next, now)
	})
}

// outcome decides about an answer.
func (r *Room) outcome(ctx context.Context, db bun.IDB, p penned, row letterRow, attended bool, arrived, now time.Time) (Outcome, error) {
	switch {
	case p.refusal != "":
		return p.refusal, nil
	case now.Sub(arrived) > tooOld:
		return Late, nil
	case attended:
		return Attended, nil
	}
	answered := func() *bun.SelectQuery {
		return db.NewSelect().Model((*letterRow)(nil)).Where("tenant_id = ? AND source = ? AND outcome = ?", row.TenantID, row.Source, Answered)
	}
	n, err := answered().Where("sender = ? AND at > ?", r.o.Store.Sealed("intake_letter.sender", row.Sender), now.Add(-onceIn)).Count(ctx)
	if err != nil {
		return "", fmt.Errorf("intake: letter: %w", err)
	}
	if n > 0 {
		return Once, nil
	}
	if n, err = answered().Where("at > ?", now.Add(-time.Hour)).Count(ctx); err != nil {
		return "", fmt.Errorf("intake: letter: %w", err)
	}
	if n >= answersAnHour {
		return Flooded, nil
	}
	return Answered, nil
}

// raiseLetter is an alarm of its own for each urgent letter: a second one is not
// hidden by the first that somebody has taken over. Who took it closes it.
func (r *Room) raiseLetter(ctx context.Context, src sourceRow, x Reception, login string, row letterRow, p penned) error {
	l := r.o.Locale(ctx)
	_, err := r.o.Signals.Record(ctx, signal.Signal{
		Source: signal.Intake, Key: keyOf(src.Name, "letter:"+row.Hash), Episode: row.Hash, State: signal.Firing, Service: src.Service, Group: "intake:" + src.Name,
		Severity: signal.Critical, Title: l.Catalog.Text(l.Lang, "intake.letter_alarm", x.Channel),
		Detail: l.Catalog.Text(l.Lang, "intake.letter_alarm_detail", line(p.subject, 200), login), Since: row.At,
	})
	return err
}

// answer writes to the sender. Nothing of what they wrote is said back: whoever
// forges a sender sends nobody anything of theirs.
func (r *Room) answer(ctx context.Context, x Reception, p penned, next, now time.Time) error {
	l := r.o.Locale(ctx)
	var text strings.Builder
	for i, lang := range []string{"de", "en"} {
		say := func(key string, args ...any) string {
			return l.Catalog.Text(l.Lang, "intake.answer_"+lang+"_"+key, args...)
		}
		if i > 0 {
			text.WriteString("\n---\n\n")
		}
		fmt.Fprintf(&text, "%s\n", say("lead", x.Channel))
		if !next.IsZero() {
			fmt.Fprintf(&text, "%s\n", say("next", next.In(l.Zone).Format(say("form"))))
		}
		fmt.Fprintf(&text, "\n%s\n%s\n\n%s\n", say("route"), x.Route, say("foot"))
	}
	return r.o.Outbox.Send(ctx, channel.Message{
		ID: "letter-" + ident.NewID(now), Kind: channel.Mail, Class: channel.Single, Realm: channel.Live, To: p.from,
		Subject: l.Catalog.Text(l.Lang, "intake.answer_subject", x.Channel), Text: text.String(), Language: "de", Automatic: true, InReplyTo: p.id, Reply: true, Date: now,
	})
}
