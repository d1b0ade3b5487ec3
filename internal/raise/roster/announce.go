package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// openEnd stands for the end of a gap that is not in sight.
const openEnd = 730 * 24 * time.Hour

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
		at, err := r.warnOfRest(ctx, now)
		failed = errors.Join(failed, err)
		if !at.IsZero() && at.Before(next) {
			next = at
		}
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
	var here []Gap
	all := map[int][]Gap{} // by stage
	for _, g := range v.gaps() {
		if !g.To.Before(v.to) {
			g.To = g.From.Add(openEnd) // it goes on behind the horizon, which moves with every look
		}
		here = append(here, g)
		if !g.To.After(now) {
			continue
		}
		stage, at, ok := g.stage(now, rules.Zone)
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
		if ok {
			all[stage] = append(all[stage], g)
		}
	}
	tenant := ident.TenantOf(ctx)
	rows, err := r.notices(ctx, r.o.Store.Read(ctx), ro.Slug, v.from)
	if err != nil || len(all) == 0 && len(rows) == 0 {
		return next, err
	}
	if told(rows, all) && !stale(rows, here) {
		return next, nil // as it was; nothing to write every five minutes
	}
	return next, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		rows, err := r.notices(ctx, db, ro.Slug, v.from)
		if err != nil {
			return err
		}
		var fresh []Gap
		least := stages[0]
		for _, stage := range stages {
			for _, g := range all[stage] {
				wrote, err := r.note(ctx, db, tenant, ro.Slug, g, stage, now)
				if err != nil {
					return err
				}
				if wrote && !knows(rows, g, stage) {
					fresh = append(fresh, g)
					least = min(least, stage)
				}
			}
		}
		if err := r.forget(ctx, db, tenant, ro.Slug, v.from, now, here); err != nil || len(fresh) == 0 {
			return err
		}
		slices.SortFunc(fresh, func(a, b Gap) int { return a.From.Compare(b.From) })
		for i := range fresh {
			fresh[i].To = earlier(fresh[i].To, v.to)
		}
		return r.tellGaps(ctx, v, fresh, least, now)
	})
}

// notices are what was told of a roster's gaps that begin at from or later.
func (r *Room) notices(ctx context.Context, db bun.IDB, slug string, from time.Time) ([]noticeRow, error) {
	var rows []noticeRow
	err := db.NewSelect().Model(&rows).Where("tenant_id = ? AND roster = ? AND gap_from >= ?", ident.TenantOf(ctx), slug, from).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: notices: %w", err)
	}
	return rows, nil
}

// knows reports whether a gap is no news at a stage: what was told then covers all
// of it, and no fewer people are there than it said. So whoever fills half a gap
// hears nothing new, and a gap that was filled and opens again, grows, or loses
// another person is told at once.
func knows(rows []noticeRow, g Gap, stage int) bool {
	return slices.ContainsFunc(rows, func(row noticeRow) bool {
		if row.Stage != stage || row.Have > g.Have || row.GapFrom.After(g.From) {
			return false
		}
		if row.GapTo.IsZero() {
			return row.GapFrom.Equal(g.From)
		}
		return !row.GapTo.Before(g.To)
	})
}

// told reports whether each gap stands in the rows just as it is.
func told(rows []noticeRow, all map[int][]Gap) bool {
	for stage, gaps := range all {
		for _, g := range gaps {
			if !slices.ContainsFunc(rows, func(row noticeRow) bool {
				return row.Stage == stage && row.GapFrom.Equal(g.From) && row.GapTo.Equal(g.To) && row.Have == g.Have
			}) {
				return false
			}
		}
	}
	return true
}

// stale reports whether a row is about a gap that is no more.
func stale(rows []noticeRow, here []Gap) bool {
	return slices.ContainsFunc(rows, func(row noticeRow) bool {
		return !slices.ContainsFunc(here, func(g Gap) bool { return g.From.Equal(row.GapFrom) })
	})
}

// note remembers that a stage is told, and every earlier one with it; wrote is
// false when the same stood there already, from here or from another node.
func (r *Room) note(ctx context.Context, db bun.IDB, tenant ident.Tenant, slug string, g Gap, stage int, now time.Time) (wrote bool, err error) {
	for _, s := range stages {
		if s < stage {
			break
		}
		res, err := db.NewInsert().Model(&noticeRow{TenantID: tenant, Roster: slug, GapFrom: g.From, Stage: s, GapTo: g.To, Have: g.Have, ToldAt: now}).
			On("CONFLICT (tenant_id, roster, gap_from, stage) DO UPDATE").Set("gap_to = EXCLUDED.gap_to").Set("have = EXCLUDED.have").Set("told_at = EXCLUDED.told_at").
			Where("notice_row.gap_to IS NULL OR notice_row.gap_to <> EXCLUDED.gap_to OR notice_row.have <> EXCLUDED.have").Exec(ctx)
		if err != nil {
			return false, fmt.Errorf("roster: notice: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return false, fmt.Errorf("roster: notice: %w", err)
		}
		if s == stage {
			wrote = n > 0
		}
	}
	return wrote, nil
}

// forget drops what was told of gaps that are no more, so that they are news when
// they open again, and of those long ago.
func (r *Room) forget(ctx context.Context, db bun.IDB, tenant ident.Tenant, slug string, from, now time.Time, here []Gap) error {
	gone := db.NewDelete().Model((*noticeRow)(nil)).Where("tenant_id = ? AND roster = ? AND gap_from >= ?", tenant, slug, from)
	if len(here) > 0 {
		gone = gone.Where("gap_from NOT IN (?)", bun.List(each(here, func(g Gap) time.Time { return g.From })))
	}
	if _, err := gone.Exec(ctx); err != nil {
		return fmt.Errorf("roster: notices: %w", err)
	}
	if _, err := db.NewDelete().Model((*noticeRow)(nil)).Where("tenant_id = ? AND gap_from < ?", tenant, now.Add(-keepNotices)).Exec(ctx); err != nil {
		return fmt.Errorf("roster: notices: %w", err)
	}
	return nil
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
		if gaps[0].Why == TooFew {
			subject = say("roster.mail_short", v.Name, gaps[0].Have, gaps[0].Need, l.Stand(gaps[0].From))
		}
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
			if err := r.post(ctx, p, address, subject, b.String(), l.Lang, stage != lastHour); err != nil {
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

// gapKey is the key of a sentence about a gap: where somebody is there, only not
// enough of them, it does not speak of a gap.
func gapKey(key string, g Gap) string {
	if g.Why == TooFew {
		return key + "_few"
	}
	return key
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

// post writes a mail; mayWait: until its reader's quiet hours are over.
func (r *Room) post(ctx context.Context, p identity.Person, address, subject, text string, lang i18n.Lang, mayWait bool) error {
	now := r.o.Clock.Now()
	return r.o.Outbox.Send(ctx, channel.Message{
		ID: "roster-" + ident.NewID(now), Kind: channel.Mail, Class: channel.Single, Realm: channel.Live,
		To: address, ToName: p.Name, Subject: subject, Text: text, Language: string(lang), Automatic: true, Date: now, MayWait: mayWait,
	})
}
