package i18n

import (
	"context"
	"fmt"
	"time"
)

var (
	monthsDE = [...]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"}
	daysDE   = [...]string{"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"}
)

// Clock is the time of day: "14:05 Uhr", in English "14:05".
func (l Locale) Clock(t time.Time) string {
	s := t.In(l.Zone).Format("15:04")
	if l.Lang == DE {
		s += " Uhr"
	}
	return s
}

// Date is the day without its weekday: "22. November 2026".
func (l Locale) Date(t time.Time) string {
	t = t.In(l.Zone)
	if l.Lang == DE {
		return fmt.Sprintf("%d. %s %d", t.Day(), monthsDE[t.Month()-1], t.Year())
	}
	return t.Format("2 January 2006")
}

// Day is the day with its weekday: "Sonntag, 22. November 2026".
func (l Locale) Day(t time.Time) string {
	if l.Lang == DE {
		return daysDE[t.In(l.Zone).Weekday()] + ", " + l.Date(t)
	}
	return t.In(l.Zone).Format("Monday") + ", " + l.Date(t)
}

// Stand is a full moment: "Sonntag, 22. November 2026, 14:05 Uhr".
func (l Locale) Stand(t time.Time) string { return l.Day(t) + ", " + l.Clock(t) }

// Short is a moment as briefly as it stays clear: the clock alone today, else
// the date too: "22.11. 14:05 Uhr", with the year when it is another one.
func (l Locale) Short(t time.Time) string {
	local, now := t.In(l.Zone), l.Now.In(l.Zone)
	switch {
	case local.YearDay() == now.YearDay() && local.Year() == now.Year():
		return l.Clock(t)
	case l.Lang == DE && local.Year() == now.Year():
		return local.Format("2.1. ") + l.Clock(t)
	case l.Lang == DE:
		return local.Format("2.1.2006 ") + l.Clock(t)
	case local.Year() == now.Year():
		return local.Format("2 Jan ") + l.Clock(t)
	default:
		return local.Format("2 Jan 2006 ") + l.Clock(t)
	}
}

// Span is a duration in words, the two largest units: "1 Stunde 5 Minuten".
func (l Locale) Span(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	d = d.Round(time.Second)
	days, hours := int(d/(24*time.Hour)), int(d/time.Hour)%24
	minutes, seconds := int(d/time.Minute)%60, int(d/time.Second)%60
	type part struct {
		n            int
		one, many    string
		oneEN, manyE string
	}
	parts := []part{
		{days, "Tag", "Tage", "day", "days"},
		{hours, "Stunde", "Stunden", "hour", "hours"},
		{minutes, "Minute", "Minuten", "minute", "minutes"},
		{seconds, "Sekunde", "Sekunden", "second", "seconds"},
	}
	out := ""
	shown := 0
	for i, p := range parts {
		if p.n == 0 || (i == 3 && (days > 0 || hours > 0)) {
			continue
		}
		one, many := p.one, p.many
		if l.Lang == EN {
			one, many = p.oneEN, p.manyE
		}
		if p.n == 1 {
			many = one
		}
		if out != "" {
			out += " "
		}
		out += fmt.Sprintf("%d %s", p.n, many)
		if shown++; shown == 2 {
			break
		}
	}
	if out == "" {
		if l.Lang == EN {
			return "0 seconds"
		}
		return "0 Sekunden"
	}
	return out
}

// Ago is the distance to now in the reader's words: "vor 12 Minuten",
// "noch 11 Minuten". It matches what live.js keeps up to date.
func (l Locale) Ago(t time.Time) string {
	d := l.Now.Sub(t)
	coarse := func(d time.Duration) time.Duration {
		if d >= time.Minute {
			return d.Truncate(time.Minute)
		}
		return d
	}
	switch {
	case d >= 0 && l.Lang == DE:
		return "vor " + l.spanAgo(coarse(d))
	case d >= 0:
		return l.Span(coarse(d)) + " ago"
	case l.Lang == DE:
		return "noch " + l.Span(coarse(-d))
	default:
		return l.Span(coarse(-d)) + " left"
	}
}

// spanAgo puts days into the dative that "vor" wants.
func (l Locale) spanAgo(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d Tagen", int(d/(24*time.Hour)))
	}
	return l.Span(d)
}

// Clock is [Locale.Clock] for the reader in ctx; the others likewise.
func Clock(ctx context.Context, t time.Time) string { return Of(ctx).Clock(t) }

// Short is [Locale.Short] for the reader in ctx.
func Short(ctx context.Context, t time.Time) string { return Of(ctx).Short(t) }

// Stand is [Locale.Stand] for the reader in ctx.
func Stand(ctx context.Context, t time.Time) string { return Of(ctx).Stand(t) }

// Ago is [Locale.Ago] for the reader in ctx.
func Ago(ctx context.Context, t time.Time) string { return Of(ctx).Ago(t) }

// Span is [Locale.Span] for the reader in ctx.
func Span(ctx context.Context, d time.Duration) string { return Of(ctx).Span(d) }
