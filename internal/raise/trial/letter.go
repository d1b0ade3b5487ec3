package trial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// letter is what one message of a run says. Its first word is that it is a test.
type letter struct {
	l      i18n.Locale
	town   identity.Tenant
	name   string // of the run
	person string
	kind   channel.Kind
	way    chain.Way
	link   string
}

func (x letter) write() (subject, text string) {
	say := func(key string, args ...any) string { return x.l.Catalog.Text(x.l.Lang, key, args...) }
	subject = say("trial.subject", x.name)
	switch x.kind {
	case channel.SMS:
		return subject, say("trial.sms", x.town.Name, x.link)
	case channel.Voice:
		return subject, say("trial.call", x.town.Name)
	case channel.Push:
		return subject, say("trial.push", x.town.Name)
	case channel.Mail:
		return subject, say("trial.mail", x.person, x.town.Name, x.name, x.link, say("chain.way_"+string(x.way)))
	default:
		return subject, say("trial.chat", x.town.Name, x.link)
	}
}

// tell writes the report to the leads: every administrator, and who began it.
func (r *Room) tell(ctx context.Context, rep Report) error {
	admins, err1 := r.o.People.People(ctx, identity.Filter{Role: identity.RoleAdmin, Active: true})
	all, err2 := r.o.People.People(ctx, identity.Filter{Active: true})
	town, err3 := r.o.People.Current(ctx)
	row, err4 := r.row(ctx, r.o.Store.Read(ctx), rep.ID)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	for _, p := range all {
		if string(p.ID) == row.StartedBy && !slices.ContainsFunc(admins, func(a identity.Person) bool { return a.ID == p.ID }) {
			admins = append(admins, p)
		}
	}
	for _, p := range admins {
		l := r.localeFor(ctx, p)
		l.Now = rep.EndedAt
		m := channel.Message{
			ID: "trial-report-" + ident.NewID(rep.EndedAt), Kind: channel.Mail, Class: channel.Single, Realm: channel.Live, To: p.Email, ToName: p.Name,
			Subject: l.Catalog.Text(l.Lang, "trial.report_subject", rep.Name, l.Catalog.Text(l.Lang, "trial.verdict_"+string(rep.Verdict))),
			Text:    rep.letter(l) + "\n" + town.StaffURL + Path + "/" + string(rep.ID) + "\n", Language: string(l.Lang), Automatic: true, Date: rep.EndedAt,
		}
		if err := r.o.Outbox.Send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// letter is the report as a mail.
func (rep Report) letter(l i18n.Locale) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", l.Catalog.Text(l.Lang, "trial.report_head", rep.Name, l.Stand(rep.StartedAt)), rep.Say(l))
	if s := rep.versus(l); s != "" {
		fmt.Fprintln(&b, s)
	}
	fmt.Fprintln(&b)
	for _, c := range rep.Called {
		fmt.Fprintf(&b, "- %s: %s\n", c.Name, rep.fate(l, c))
	}
	for _, m := range rep.Missed {
		fmt.Fprintf(&b, "- %s\n", missedWords(l, m))
	}
	return b.String()
}

func missedWords(l i18n.Locale, m chain.Missed) string {
	return chain.WhoWord(l, m.Who) + ": " + l.Catalog.Text(l.Lang, "chain.miss_"+string(m.Reason))
}

// Say is the one sentence on how the run went, or how it stands.
func (rep Report) Say(l i18n.Locale) string {
	say := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
	switch {
	case rep.People == 0:
		return say("trial.say_nobody")
	case !rep.Ended():
		return say("trial.say_running", rep.Answered, rep.People, l.Clock(rep.DueAt))
	}
	return say("trial.say_"+string(rep.Verdict)) + " " + say("trial.say_figures", rep.Answered, rep.Receipted, rep.People-rep.Answered-rep.Receipted, rep.People, rep.Apart)
}

// versus compares with the run before; empty: there is none.
func (rep Report) versus(l i18n.Locale) string {
	if rep.Before == nil {
		return ""
	}
	b := rep.Before
	return l.Catalog.Text(l.Lang, "trial.versus", l.Short(b.StartedAt), b.Answered, b.People, b.Apart)
}

// fate is what became of one person, with what has changed since the run before.
func (rep Report) fate(l i18n.Locale, c Called) string {
	out := rep.reached(l, c)
	if c.Reach() != Nothing && !c.Apart() {
		out += " " + l.Catalog.Text(l.Lang, "trial.not_apart")
	}
	if was := rep.was(l, c); was != "" {
		out += " " + was
	}
	return out
}

// reached is how far, by which way, and after how long.
func (rep Report) reached(l i18n.Locale, c Called) string {
	w, at, ok := c.By()
	if !ok {
		return l.Catalog.Text(l.Lang, "trial.reached_nothing")
	}
	way := l.Catalog.Text(l.Lang, "trial.some_way")
	if w.Way != "" {
		way = l.Catalog.Text(l.Lang, "chain.way_"+string(w.Way))
	}
	return l.Catalog.Text(l.Lang, "trial.reached_"+string(c.Reach()), way, l.Span(at.Sub(rep.StartedAt)))
}

// was is how it went with the person the last time; empty: they were not in it.
func (rep Report) was(l i18n.Locale, c Called) string {
	if rep.Before == nil {
		return ""
	}
	old, ok := rep.Before.in(c.Person)
	if !ok {
		return l.Catalog.Text(l.Lang, "trial.was_new")
	}
	return l.Catalog.Text(l.Lang, "trial.was", rep.Before.reached(l, old))
}

// wayWords is one way with what became of it.
func wayWords(l i18n.Locale, run Run, w Way) string {
	say := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
	out := say("chain.way_"+string(w.Way)) + ": "
	switch {
	case w.Lacking != "":
		return out + say("chain.lack_"+string(w.Lacking))
	case !w.ArrivedAt.IsZero():
		return out + say("trial.way_arrived", l.Span(w.ArrivedAt.Sub(run.StartedAt)))
	case !w.FailedAt.IsZero():
		return out + say("trial.way_failed")
	case !w.TakenAt.IsZero():
		return out + say("trial.way_taken")
	case run.Ended():
		return out + say("trial.way_silent")
	}
	return out + say("trial.way_under_way")
}
