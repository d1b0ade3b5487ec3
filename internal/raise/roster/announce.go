package roster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// lookEvery is how often gaps are looked for when nothing has told of a change:
// somebody may have been blocked a floor below.
const lookEvery = 5 * time.Minute

// ahead is how far the look for gaps goes: the first stage, and the day on which
// the next round comes.
const ahead = 15 * 24 * time.Hour

// keepNotices is how long it is remembered that a gap was told.
const keepNotices = 120 * 24 * time.Hour

// announce tells gaps whose stage has come, for every town.
func (r *Room) announce(ctx context.Context, now time.Time) (time.Time, error) {
	towns, err := r.o.People.Tenants(ident.AcrossTenants(ident.WithActor(ctx, ident.System)))
	if err != nil {
		return time.Time{}, err
	}
	next := now.Add(lookEvery)
	var failed error
	for _, t := range towns {
		ctx := ident.WithTenant(ident.WithActor(ctx, ident.System), t.ID)
		all, err := r.List(ctx)
		failed = errors.Join(failed, err)
		for _, ro := range all {
			at, err := r.announceFor(ctx, ro, now)
			failed = errors.Join(failed, err)
			if !at.IsZero() && at.Before(next) {
				next = at
			}
		}
	}
	return next, failed
}

// announceFor tells the gaps of one roster in one mail, and answers when the next
// stage comes.
func (r *Room) announceFor(ctx context.Context, ro Roster, now time.Time) (next time.Time, err error) {
	rules, err := r.rules(ctx, "")
	if err != nil {
		return next, err
	}
	v, err := r.look(ctx, ro, ro.anchor(now, rules.Zone), now.Add(ahead))
	if err != nil {
		return next, err
	}
	type due struct {
		gap   Gap
		stage int
	}
	var all []due
	for _, g := range v.gaps() {
		if !g.To.After(now) {
			continue
		}
		stage, at, ok := g.stage(now, rules.Zone)
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
		if ok {
			all = append(all, due{g, stage})
		}
	}
	if len(all) == 0 {
		return next, nil
	}
	tenant := ident.TenantOf(ctx)
	return next, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var fresh []Gap
		stage := stages[0]
		for _, d := range all {
			told, err := r.note(ctx, db, tenant, ro.Slug, d.gap, d.stage, now)
			if err != nil {
				return err
			}
			if told {
				fresh = append(fresh, d.gap)
				stage = min(stage, d.stage)
			}
		}
		if len(fresh) == 0 {
			return nil
		}
		if _, err := db.NewDelete().Model((*noticeRow)(nil)).Where("tenant_id = ? AND gap_from < ?", tenant, now.Add(-keepNotices)).Exec(ctx); err != nil {
			return fmt.Errorf("roster: notices: %w", err)
		}
		return r.tellGaps(ctx, v, fresh, stage, now)
	})
}

// note remembers that a stage is told, and every earlier one with it; told is
// false when it had been, here or on another node.
func (r *Room) note(ctx context.Context, db bun.IDB, tenant ident.Tenant, slug string, g Gap, stage int, now time.Time) (told bool, err error) {
	for _, s := range stages {
		if s < stage {
			break
		}
		res, err := db.NewInsert().Model(&noticeRow{TenantID: tenant, Roster: slug, GapFrom: g.From, Stage: s, ToldAt: now}).
			On("CONFLICT DO NOTHING").Exec(ctx)
		if err != nil {
			return false, fmt.Errorf("roster: notice: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return false, fmt.Errorf("roster: notice: %w", err)
		}
		if s == stage {
			told = n > 0
		}
	}
	return told, nil
}

// leads are who hears of gaps: the roster's lead, or the administrators where
// there is none who can be reached.
func (r *Room) leads(ctx context.Context, v seen) ([]identity.Person, error) {
	if _, ok := v.crew.fit(v.Lead); ok {
		return []identity.Person{v.crew[v.Lead]}, nil
	}
	return r.o.People.People(ctx, identity.Filter{Role: identity.RoleAdmin, Active: true})
}

// tellGaps writes to the leads.
func (r *Room) tellGaps(ctx context.Context, v seen, gaps []Gap, stage int, now time.Time) error {
	people, err := r.leads(ctx, v)
	if err != nil {
		return err
	}
	for _, p := range people {
		l, town, err := r.locale(ctx, p.Language, now)
		if err != nil {
			return err
		}
		say := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
		subject := say("roster.mail_gap", v.Name, l.Stand(gaps[0].From))
		if len(gaps) > 1 {
			subject = say("roster.mail_gaps", v.Name, len(gaps), l.Stand(gaps[0].From))
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n\n", say("roster.mail_gap_lead", v.Name))
		for _, g := range gaps {
			fmt.Fprintf(&b, "- %s: %s\n", span(l, g.From, g.To), gapWords(l, g))
		}
		fmt.Fprintf(&b, "\n%s\n%s\n", say("roster.mail_gap_do"), town.StaffURL+"/roster/"+v.Slug)
		to := p.Addresses()
		if stage != lastHour {
			to = to[:min(1, len(to))] // with time left, nobody's private mailbox is asked
		}
		for _, address := range to {
			if err := r.post(ctx, p, address, subject, b.String(), l.Lang); err != nil {
				return err
			}
		}
	}
	return nil
}

// gapWords says why there is a gap.
func gapWords(l i18n.Locale, g Gap) string {
	if g.Why == TooFew {
		return l.Catalog.Text(l.Lang, "roster.why_few", g.Have, g.Need)
	}
	return l.Catalog.Text(l.Lang, "roster.why_"+string(g.Why), g.Who)
}

// span is a stretch in words: the day once where both ends lie on it. The end is
// the reading at which it ends, so midnight belongs to the day before.
func span(l i18n.Locale, from, to time.Time) string {
	a, b := from.In(l.Zone), to.In(l.Zone)
	if DateIn(to.Add(-time.Second), l.Zone) == dateOf(a) {
		return l.Catalog.Text(l.Lang, "roster.span_day", l.Day(from), a.Format("15:04"), endClock(a, b))
	}
	return l.Catalog.Text(l.Lang, "roster.span_days", l.Day(from), a.Format("15:04"), l.Day(to), b.Format("15:04"))
}

// endClock is 24:00 where a stretch ends with its day.
func endClock(from, to time.Time) string {
	if to.Hour() == 0 && to.Minute() == 0 && dateOf(to) != dateOf(from) {
		return "24:00"
	}
	return to.Format("15:04")
}

// locale is how somebody is written to, and the town.
func (r *Room) locale(ctx context.Context, language string, now time.Time) (i18n.Locale, identity.Tenant, error) {
	town, err := r.o.People.Current(ctx)
	if err != nil {
		return i18n.Locale{}, town, err
	}
	rules, err := r.rules(ctx, "")
	if language == "" {
		language = town.Language
	}
	return i18n.Locale{Catalog: r.o.Catalog, Lang: i18n.Parse(language), Zone: rules.Zone, Now: now}, town, err
}

func (r *Room) post(ctx context.Context, p identity.Person, address, subject, text string, lang i18n.Lang) error {
	now := r.o.Clock.Now()
	return r.o.Outbox.Send(ctx, channel.Message{
		ID: "roster-" + ident.NewID(now), Kind: channel.Mail, Class: channel.Single, Realm: channel.Live,
		To: address, ToName: p.Name, Subject: subject, Text: text, Language: string(lang), Automatic: true, Date: now,
	})
}
