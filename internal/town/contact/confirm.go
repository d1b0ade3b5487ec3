package contact

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// An address proves itself only by being answered. Once a month everybody who can
// be alarmed gets a link over each of their ways, and one click confirms it.

// When a way is asked about, and what happens to whoever does not answer.
const (
	askDay    = time.Tuesday // the second one of the month
	askHour   = 10
	remindOne = 3 * 24 * time.Hour
	remindTwo = 7 * 24 * time.Hour
	// KeepRounds is how long it is kept who confirmed what.
	KeepRounds = 400 * 24 * time.Hour
)

// Standing says how far a way is confirmed; its word is "contact.standing_" +
// standing.
type Standing string

// The standings, worst first.
const (
	Silent    Standing = "silent"    // asked, reminded, and not confirmed: red
	NotAsked  Standing = "not_asked" // no question went there yet
	Asked     Standing = "asked"     // a few days are left
	Confirmed Standing = "confirmed" // by a click, in the last round
)

// Way is one way to somebody who can be alarmed, with what they said about it.
type Way struct {
	Person  identity.Person
	Kind    channel.Kind
	Address string
	State   Standing
	// AskedAt is of the last question, ConfirmedAt of the last click; zero: never.
	AskedAt, ConfirmedAt time.Time
	Reminded             int
}

// Round is one round of questions.
type Round struct {
	ID        string
	StartedAt time.Time
	ByName    string // who started it; empty: it was its day
}

type roundRow struct {
	bun.BaseModel `bun:"table:contact_round"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	StartedAt     time.Time    `bun:"started_at"`
	ReportedAt    time.Time    `bun:"reported_at,nullzero"`
	// Asks is how many questions went out; zero: the row only says since when the
	// town is known, so that a fresh install does not make up for rounds before it.
	Asks   int    `bun:"asks"`
	ByName string `bun:"by_name"`
}

type askRow struct {
	bun.BaseModel `bun:"table:contact_ask"`
	TenantID      ident.Tenant      `bun:"tenant_id,pk"`
	ID            string            `bun:"id,pk"`
	Round         string            `bun:"round"`
	Person        identity.PersonID `bun:"person"`
	Kind          channel.Kind      `bun:"kind"`
	Address       string            `bun:"address"`
	AskedAt       time.Time         `bun:"asked_at"`
	RemindAt      time.Time         `bun:"remind_at,nullzero"`
	Reminded      int               `bun:"reminded"`
	ConfirmedAt   time.Time         `bun:"confirmed_at,nullzero"`
}

// linkRow is the digest of a secret that went out for a question: one for each
// letter, so that a reminder does not spoil the letter before it.
type linkRow struct {
	bun.BaseModel `bun:"table:contact_link"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Hash          string       `bun:"hash,pk"`
	Ask           string       `bun:"ask"`
}

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// scheduled is the moment of the round in the month of now: the second Tuesday at
// ten o'clock in the town.
func scheduled(now time.Time, zone *time.Location) time.Time {
	y, m, _ := now.In(zone).Date()
	first := time.Date(y, m, 1, askHour, 0, 0, 0, zone)
	days := (int(askDay-first.Weekday())+7)%7 + 7
	return time.Date(y, m, 1+days, askHour, 0, 0, 0, zone).UTC()
}

// nextRound is the first moment of a round after since.
func nextRound(since time.Time, zone *time.Location) time.Time {
	if at := scheduled(since, zone); at.After(since) {
		return at
	}
	y, m, _ := since.In(zone).Date()
	return scheduled(time.Date(y, m+1, 1, 12, 0, 0, 0, zone), zone)
}

// standing is how far a way is.
func (a askRow) standing() Standing {
	switch {
	case !a.ConfirmedAt.IsZero():
		return Confirmed
	case a.Reminded > 0:
		return Silent
	default:
		return Asked
	}
}

// ways are those of everybody who can be alarmed: mail to both addresses, and a
// text message and a messenger where somebody carries them. A call goes to the same number.
func (r *Room) ways(ctx context.Context) ([]Way, error) {
	people, err := r.o.People.Alarmed(ctx)
	if err != nil {
		return nil, err
	}
	text := r.o.Carries != nil && r.o.Carries(ctx, channel.SMS)
	var out []Way
	for _, p := range people {
		for _, w := range p.Ways() {
			kind := channel.Kind(w.Kind)
			chat := kind == channel.Chat && r.o.Leads != nil && r.o.Leads(ctx, kind, w.To)
			if kind == channel.Mail || kind == channel.SMS && text || chat {
				out = append(out, Way{Person: p.Person, Kind: kind, Address: w.To, State: NotAsked})
			}
		}
	}
	return out, nil
}

// Ways are the ways to everybody who can be alarmed with how far each is
// confirmed, the worst first, and the last round.
func (r *Room) Ways(ctx context.Context) ([]Way, Round, error) {
	if err := mayLook(ctx); err != nil {
		return nil, Round{}, err
	}
	return r.standings(ctx)
}

func (r *Room) standings(ctx context.Context) ([]Way, Round, error) {
	ways, err := r.ways(ctx)
	if err != nil {
		return nil, Round{}, err
	}
	last, _, err := r.lastRound(ctx)
	if err != nil {
		return nil, Round{}, err
	}
	var asks []askRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&asks).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("asked_at", "id").Scan(ctx)
	if err != nil {
		return nil, Round{}, fmt.Errorf("contact: asks: %w", err)
	}
	for i := range ways {
		w := &ways[i]
		for _, a := range asks {
			if a.Person != w.Person.ID || a.Kind != w.Kind || a.Address != w.Address {
				continue
			}
			if !a.ConfirmedAt.IsZero() {
				w.ConfirmedAt = clock.Cut(a.ConfirmedAt)
			}
			if a.Round == last.ID {
				w.State, w.AskedAt, w.Reminded = a.standing(), clock.Cut(a.AskedAt), a.Reminded
			}
		}
	}
	worst := []Standing{Silent, NotAsked, Asked, Confirmed}
	slices.SortStableFunc(ways, func(a, b Way) int {
		return cmp.Or(cmp.Compare(slices.Index(worst, a.State), slices.Index(worst, b.State)), strings.Compare(a.Person.Name, b.Person.Name))
	})
	return ways, Round{last.ID, last.StartedAt, last.ByName}, nil
}

// lastRound is the newest round in which somebody was asked; since is when the
// newest of all began, which on a fresh install is when it was first started.
func (r *Room) lastRound(ctx context.Context) (last roundRow, since time.Time, err error) {
	var rows []roundRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("started_at DESC", "id DESC").Scan(ctx)
	if err != nil {
		return last, since, fmt.Errorf("contact: rounds: %w", err)
	}
	for i, row := range rows {
		if i == 0 {
			since = clock.Cut(row.StartedAt)
		}
		if row.Asks > 0 {
			row.StartedAt = clock.Cut(row.StartedAt)
			return row, since, nil
		}
	}
	return last, since, nil
}

// Ask begins a round now, because a person wants to know.
func (r *Room) Ask(ctx context.Context) (Round, error) {
	if err := mayLook(ctx); err != nil {
		return Round{}, err
	}
	now := r.o.Clock.Now()
	last, _, err := r.lastRound(ctx)
	if err != nil {
		return Round{}, err
	}
	if last.ID != "" && now.Sub(last.StartedAt) < 24*time.Hour {
		return Round{}, fault.New(fault.Conflict, "contact.asked_today")
	}
	return r.begin(ctx, now, ident.ActorOf(ctx).Name)
}

// begin starts a round: the questions and the round commit together.
func (r *Room) begin(ctx context.Context, now time.Time, by string) (out Round, err error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return out, err
	}
	ways, err1 := r.ways(ctx)
	town, err2 := r.o.People.Current(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return out, err
	}
	row := roundRow{TenantID: tenant, ID: ident.NewID(now), StartedAt: now, Asks: len(ways), ByName: by}
	return Round{row.ID, now, by}, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, since, err := r.lastRound(ctx); err != nil || since.After(now.Add(-time.Hour)) && by == "" && !since.IsZero() {
			return err // another node has begun it
		}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("contact: round: %w", err)
		}
		for _, w := range ways {
			a := askRow{
				TenantID: tenant, ID: ident.NewID(now), Round: row.ID, Person: w.Person.ID, Kind: w.Kind, Address: w.Address,
				AskedAt: now, RemindAt: now.Add(remindOne),
			}
			if _, err := db.NewInsert().Model(&a).Exec(ctx); err != nil {
				return fmt.Errorf("contact: ask: %w", err)
			}
			if err := r.write(ctx, db, town, w.Person, a); err != nil {
				return err
			}
		}
		r.hint(ctx)
		r.o.Store.AfterCommit(ctx, r.asks.Kick)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "contact.asked", Subject: "contact:" + row.ID, Detail: map[string]string{"ways": fmt.Sprint(len(ways))}})
	})
}

// AskPath is where links in questions lead.
const AskPath = "/ct/"

// write sends one question, or a reminder of it, over the way that it is about.
func (r *Room) write(ctx context.Context, db bun.IDB, town identity.Tenant, p identity.Person, a askRow) error {
	secret := rand.Text()
	if _, err := db.NewInsert().Model(&linkRow{TenantID: a.TenantID, Hash: digest(secret), Ask: a.ID}).Exec(ctx); err != nil {
		return fmt.Errorf("contact: link: %w", err)
	}
	l := r.localeFor(ctx, p)
	say := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
	link := town.StaffURL + AskPath + secret
	m := channel.Message{Kind: a.Kind, To: a.Address, Subject: say("contact.ask_subject", town.Name)}
	if a.Kind == channel.SMS || a.Kind == channel.Chat {
		m.Text = say("contact.ask_sms", town.Name, link)
	} else {
		m.Text = say("contact.ask_text", p.Name, a.Address, town.Name, link)
		if a.Reminded > 0 {
			m.Subject = say("contact.ask_again", town.Name)
			m.Text = say("contact.ask_again_text", p.Name, a.Address, town.Name, link)
		}
	}
	return r.send(ctx, p, m, l)
}

func (r *Room) localeFor(ctx context.Context, p identity.Person) i18n.Locale {
	l := r.o.Locale(ctx)
	if p.Language != "" {
		l.Lang = i18n.Parse(p.Language)
	}
	return l
}

func (r *Room) send(ctx context.Context, p identity.Person, m channel.Message, l i18n.Locale) error {
	now := r.o.Clock.Now()
	m.MayWait = ident.ActorOf(ctx).Person != string(p.ID) // what one asks for oneself comes at once
	m.ID, m.Class, m.Realm, m.ToName, m.Language, m.Automatic, m.Date = "contact-"+ident.NewID(now), channel.Single, channel.Live, p.Name, string(l.Lang), true, now
	return r.o.Outbox.Send(ctx, m)
}

// askAll begins rounds whose day has come, reminds and reports, for every town.
func (r *Room) askAll(ctx context.Context, now time.Time) (time.Time, error) {
	towns, err := r.o.People.Tenants(ident.AcrossTenants(ident.WithActor(ctx, ident.System)))
	if err != nil {
		return time.Time{}, err
	}
	var next time.Time
	var failed error
	for _, t := range towns {
		at, err := r.askIn(ident.WithTenant(ident.WithActor(ctx, ident.System), t.ID), now)
		failed = errors.Join(failed, err)
		if next.IsZero() || !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next, failed
}

func (r *Room) askIn(ctx context.Context, now time.Time) (next time.Time, err error) {
	last, since, err := r.lastRound(ctx)
	if err != nil {
		return next, err
	}
	zone := r.o.Locale(ctx).Zone
	if since.IsZero() {
		since = now
		row := roundRow{TenantID: ident.TenantOf(ctx), ID: ident.NewID(now), StartedAt: now}
		err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			_, err := db.NewInsert().Model(&row).Exec(ctx)
			return err
		})
		if err != nil {
			return next, fmt.Errorf("contact: round: %w", err)
		}
	}
	if next = nextRound(since, zone); !next.After(now) {
		if _, err := r.begin(ctx, now, ""); err != nil {
			return next, err
		}
		return now.Add(remindOne), nil
	}
	at, err := r.remind(ctx, now)
	if err != nil {
		return next, err
	}
	if !at.IsZero() && at.Before(next) {
		next = at
	}
	if last.ID != "" && last.ReportedAt.IsZero() {
		if due := last.StartedAt.Add(remindTwo); due.After(now) {
			if due.Before(next) {
				next = due
			}
		} else if err := r.report(ctx, last, now); err != nil {
			return next, err
		}
	}
	return next, r.forget(ctx, now)
}

// remind asks those again who have not confirmed; at is when the next one is due.
func (r *Room) remind(ctx context.Context, now time.Time) (at time.Time, err error) {
	ways, err1 := r.ways(ctx)
	town, err2 := r.o.People.Current(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return at, err
	}
	tenant := ident.TenantOf(ctx)
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		at = time.Time{}
		var due []askRow
		err := db.NewSelect().Model(&due).Where("tenant_id = ? AND confirmed_at IS NULL AND remind_at IS NOT NULL", tenant).Order("remind_at", "id").Scan(ctx)
		if err != nil {
			return fmt.Errorf("contact: due: %w", err)
		}
		for _, a := range due {
			if a.RemindAt.After(now) {
				at = clock.Cut(a.RemindAt)
				break
			}
			was := a.Reminded
			a.Reminded++
			a.RemindAt = time.Time{}
			if a.Reminded == 1 {
				a.RemindAt = clock.Cut(a.AskedAt).Add(remindTwo)
				if at.IsZero() || a.RemindAt.Before(at) {
					at = a.RemindAt
				}
			}
			res, err := db.NewUpdate().Model(&a).Column("reminded", "remind_at").WherePK().Where("tenant_id = ? AND reminded = ? AND confirmed_at IS NULL", tenant, was).Exec(ctx)
			if err != nil {
				return fmt.Errorf("contact: remind: %w", err)
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				continue // another node was faster
			}
			i := slices.IndexFunc(ways, func(w Way) bool { return w.Person.ID == a.Person && w.Kind == a.Kind && w.Address == a.Address })
			if i < 0 {
				continue // the way is gone, or its person is
			}
			p := ways[i].Person
			if err := r.write(ctx, db, town, p, a); err != nil {
				return err
			}
			if a.Reminded == 2 && a.Address != p.Email {
				// Over this way nothing comes back. The official address may know why.
				l := r.localeFor(ctx, p)
				kind := l.Catalog.Text(l.Lang, "channel.kind_"+string(a.Kind))
				m := channel.Message{
					Kind: channel.Mail, To: p.Email, Subject: l.Catalog.Text(l.Lang, "contact.silent_subject", kind),
					Text: l.Catalog.Text(l.Lang, "contact.silent_text", p.Name, kind, a.Address, town.StaffURL+"/identity/profile"),
				}
				if err := r.send(ctx, p, m, l); err != nil {
					return err
				}
			}
		}
		if len(due) > 0 {
			r.hint(ctx)
		}
		return nil
	})
	return at, err
}

// report tells the leads how a round went, once.
func (r *Room) report(ctx context.Context, round roundRow, now time.Time) error {
	ways, _, err1 := r.standings(ctx)
	admins, err2 := r.o.People.People(ctx, identity.Filter{Role: identity.RoleAdmin, Active: true})
	town, err3 := r.o.People.Current(ctx)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	yes := 0
	for _, w := range ways {
		if w.State == Confirmed {
			yes++
		}
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewUpdate().Model((*roundRow)(nil)).Set("reported_at = ?", now).
			Where("tenant_id = ? AND id = ? AND reported_at IS NULL", round.TenantID, round.ID).Exec(ctx)
		if err != nil {
			return fmt.Errorf("contact: report: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		for _, p := range admins {
			l := r.localeFor(ctx, p)
			say := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
			var b strings.Builder
			fmt.Fprintf(&b, "%s\n", say("contact.report_say", yes, len(ways)))
			for _, w := range ways {
				if w.State != Confirmed {
					fmt.Fprintf(&b, "- %s: %s %s – %s\n", w.Person.Name, say("channel.kind_"+string(w.Kind)), w.Address, say("contact.standing_"+string(w.State)))
				}
			}
			fmt.Fprintf(&b, "\n%s\n", town.StaffURL+WaysPath)
			if err := r.send(ctx, p, channel.Message{Kind: channel.Mail, To: p.Email, Subject: say("contact.report_subject", yes, len(ways)), Text: b.String()}, l); err != nil {
				return err
			}
		}
		return nil
	})
}

// forget deletes rounds that are over a year old, and links of questions that are
// gone. The newest round stays: the next one counts from it.
func (r *Room) forget(ctx context.Context, now time.Time) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		tenant, old := ident.TenantOf(ctx), now.Add(-KeepRounds)
		_, err1 := db.NewDelete().Model((*askRow)(nil)).Where("tenant_id = ? AND asked_at < ?", tenant, old).Exec(ctx)
		_, err2 := db.NewDelete().Model((*roundRow)(nil)).Where("tenant_id = ? AND started_at < ?", tenant, old).Exec(ctx)
		_, err3 := db.NewDelete().Model((*linkRow)(nil)).Where("tenant_id = ? AND NOT EXISTS (SELECT 1 FROM contact_ask AS a WHERE a.tenant_id = ? AND a.id = link_row.ask)", tenant, tenant).Exec(ctx)
		return errors.Join(err1, err2, err3)
	})
}

var errLink = fault.New(fault.NotFound, "contact.link_over")

// Question is what a link asks.
type Question struct {
	Name    string // of the person
	Kind    channel.Kind
	Address string
	Done    bool
}

// question finds what a secret is for. It is over when the address is no longer
// that person's, or when it was used: then Done, and nothing is told about whom.
func (r *Room) question(ctx context.Context, secret string) (askRow, identity.Person, error) {
	var l linkRow
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return askRow{}, identity.Person{}, err
	}
	err = r.o.Store.Read(ctx).NewSelect().Model(&l).Where("tenant_id = ? AND hash = ?", tenant, digest(secret)).Scan(ctx)
	if store.NotFound(err) {
		return askRow{}, identity.Person{}, errLink
	}
	var a askRow
	if err == nil {
		err = r.o.Store.Read(ctx).NewSelect().Model(&a).Where("tenant_id = ? AND id = ?", tenant, l.Ask).Scan(ctx)
	}
	if store.NotFound(err) {
		return askRow{}, identity.Person{}, errLink
	}
	if err != nil {
		return a, identity.Person{}, fmt.Errorf("contact: link: %w", err)
	}
	ways, err := r.ways(ctx)
	if err != nil {
		return a, identity.Person{}, err
	}
	for _, w := range ways {
		if w.Person.ID == a.Person && w.Kind == a.Kind && w.Address == a.Address {
			return a, w.Person, nil
		}
	}
	return a, identity.Person{}, errLink
}

// Question tells what a link asks, and changes nothing: mail scanners follow links.
func (r *Room) Question(ctx context.Context, secret string) (Question, error) {
	a, p, err := r.question(ctx, secret)
	if err != nil {
		return Question{}, err
	}
	if !a.ConfirmedAt.IsZero() {
		return Question{Kind: a.Kind, Done: true}, nil
	}
	return Question{Name: p.Name, Kind: a.Kind, Address: a.Address}, nil
}

// Confirm takes the word of whoever holds the link that the way reaches them. Once
// said it stays, and the link does nothing more.
func (r *Room) Confirm(ctx context.Context, secret string) (q Question, err error) {
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		a, p, err := r.question(ctx, secret)
		if err != nil {
			return err
		}
		q = Question{Kind: a.Kind, Done: true}
		if !a.ConfirmedAt.IsZero() {
			return nil
		}
		now := r.o.Clock.Now()
		_, err = db.NewUpdate().Model((*askRow)(nil)).Set("confirmed_at = ?", now).Set("remind_at = NULL").
			Where("tenant_id = ? AND id = ? AND confirmed_at IS NULL", a.TenantID, a.ID).Exec(ctx)
		if err != nil {
			return fmt.Errorf("contact: confirm: %w", err)
		}
		ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindLink, Person: string(p.ID), Name: p.Name})
		if a.Kind == channel.Mail && a.Address == p.Alternative && r.o.Proved != nil {
			if err := r.o.Proved(ctx, p.ID, a.Address); err != nil {
				return err
			}
		}
		r.hint(ctx)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "contact.confirmed", Subject: "person:" + string(p.ID), Detail: map[string]string{"way": string(a.Kind)}})
	})
	return q, err
}
