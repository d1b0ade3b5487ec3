package incident

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// Word is the phase in the reader's language.
func (p Phase) Word(ctx context.Context) string { return i18n.T(ctx, "incident.phase."+string(p)) }

// Word is the level in the reader's language.
func (l Level) Word(ctx context.Context) string { return i18n.T(ctx, "incident.level."+string(l)) }

// Word is the certainty in the reader's language.
func (c Certainty) Word(ctx context.Context) string {
	return i18n.T(ctx, "incident.certainty."+string(c))
}

// Look is how an incident is drawn: its shape and the word of its phase.
func Look(ctx context.Context, i Incident) (web.State, string) {
	word := i.Phase.Word(ctx)
	switch {
	case i.Phase == Candidate:
		return web.Checking, word
	case i.Phase == Monitoring:
		return web.Degraded, word
	case i.Phase.Active():
		return web.Down, word
	case i.Phase == Dismissed || i.Phase == Merged:
		return web.Unknown, word
	default:
		return web.OK, word
	}
}

// Pre is the line above an incident's headline: what it is and where it stands.
func Pre(ctx context.Context, i Incident) string {
	parts := []string{i18n.T(ctx, "incident.page.incident"), i18n.T(ctx, "incident.page.level_is", i.Level.Word(ctx)), i18n.T(ctx, "incident.page.phase_is", i.Phase.Word(ctx))}
	if i.Realm == Exercise {
		parts = append([]string{i18n.T(ctx, "incident.page.exercise")}, parts...)
	}
	if i.Private {
		parts = append(parts, i18n.T(ctx, "incident.page.private"))
	}
	return strings.Join(parts, " · ")
}

// Say is one sentence: since when, how soon it was noticed, and what the
// service says by itself.
func Say(ctx context.Context, i Incident) string {
	var parts []string
	if i.Phase.Active() {
		parts = append(parts, i18n.T(ctx, "incident.page.since", i18n.Short(ctx, i.Since)))
	} else {
		parts = append(parts, i18n.T(ctx, "incident.page.from_to", i18n.Short(ctx, i.Since), i18n.Short(ctx, until(i))))
	}
	if d, ok := i.DetectedAfter(); ok && d >= time.Second {
		parts = append(parts, i18n.T(ctx, "incident.page.detected", i18n.Span(ctx, d)))
	}
	if i.Phase.Active() && i.Quiet() {
		parts = append(parts, i18n.T(ctx, "incident.page.quiet"))
	}
	return strings.Join(parts, " · ")
}

// until is when the trouble was over.
func until(i Incident) time.Time {
	switch {
	case !i.RestoredAt.IsZero():
		return i.RestoredAt
	case !i.ClosedAt.IsZero():
		return i.ClosedAt
	default:
		return i.PhaseAt
	}
}

// MayAct reports whether the reader may open and lead incidents.
func MayAct(ctx context.Context) bool { return ident.ActorOf(ctx).Has(mayAct...) }

// href is an address below the incident's page.
func href(i Incident, below ...string) string {
	return "/incident/" + strings.Join(append([]string{string(i.ID)}, below...), "/")
}

func levelOptions(ctx context.Context) []web.Option {
	var out []web.Option
	for _, l := range Levels() {
		out = append(out, web.Option{Value: string(l), Text: l.Word(ctx), Hint: i18n.T(ctx, "incident.level_hint."+string(l))})
	}
	return out
}

func certaintyOptions(ctx context.Context) []web.Option {
	var out []web.Option
	for _, c := range Certainties() {
		out = append(out, web.Option{Value: string(c), Text: c.Word(ctx), Hint: i18n.T(ctx, "incident.certainty_hint."+string(c))})
	}
	return out
}

// entryClass gives some kinds of journal entries their own look.
func entryClass(k EntryKind) string {
	switch {
	case k == EntryAlert:
		return "tm-entry tm-entry--alarm"
	case k == EntryPhase, k == EntryLevel, k == EntryMerge:
		return "tm-entry tm-entry--decision"
	case strings.HasPrefix(string(k), "statement"), strings.HasPrefix(string(k), "publish"):
		return "tm-entry tm-entry--statement"
	default:
		return "tm-entry tm-entry--note"
	}
}

// newest turns the journal round: what was written last is read first.
func newest(all []Entry) []Entry {
	out := slices.Clone(all)
	slices.Reverse(out)
	return out
}

// seal is the short form of the journal's last hash.
func seal(all []Entry) string {
	if len(all) == 0 {
		return "–"
	}
	h := all[len(all)-1].Hash
	if len(h) < 12 {
		return h
	}
	return h[:4] + "…" + h[len(h)-4:]
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// of picks the facts of one certainty.
func of(facts []Fact, c Certainty) []Fact {
	var out []Fact
	for _, f := range facts {
		if f.Certainty == c {
			out = append(out, f)
		}
	}
	return out
}

// local is the form of a moment that a datetime-local field takes.
const local = "2006-01-02T15:04"

// factForm shows a fact for editing.
func factForm(ctx context.Context, f Fact) *web.Form {
	form := web.NewForm(map[string]string{
		"text": f.Text, "certainty": string(f.Certainty), "source": f.Source, "version": strconv.Itoa(f.Version),
	})
	if !f.EmbargoUntil.IsZero() {
		form.Values.Set("embargo", f.EmbargoUntil.In(i18n.Of(ctx).Zone).Format(local))
	}
	if f.Hold {
		form.Values.Set("flags", "hold")
	}
	if f.Withdrawn {
		form.Values.Add("flags", "withdrawn")
	}
	return form
}

// readFact reads a fact as it was typed; what is wrong stands in the form.
func readFact(ctx context.Context, form *web.Form) Fact {
	f := Fact{
		Text: form.Get("text"), Certainty: Certainty(form.Get("certainty")), Source: form.Get("source"),
		Hold: form.Has("flags", "hold"), Withdrawn: form.Has("flags", "withdrawn"),
	}
	if v, err := strconv.Atoi(form.Get("version")); err == nil {
		f.Version = v
	}
	if e := form.Get("embargo"); e != "" {
		at, err := time.ParseInLocation(local, e, i18n.Of(ctx).Zone)
		if err != nil {
			form.Fail("embargo", "incident.bad_time")
		}
		f.EmbargoUntil = at
	}
	return f
}
