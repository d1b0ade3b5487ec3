package alert

import (
	"strings"
	"time"
	"unicode/utf8"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// columns is the widest line of a mail's plain text; addresses of pages stand
// alone on their line and may be longer.
const columns = 78

// letter is everything that a mail about an alert says.
type letter struct {
	kind    Kind
	alert   Alert
	service service.Service // empty when unknown
	town    identity.Tenant
	why     Reason   // why the reader was woken; for Alarm
	others  []string // names of the other people told; for Alarm
	ack     string   // address of the page to take it; for Alarm
	page    string   // address of the alert's page
	effects []string // titles of what it explains
	spooled bool     // raised by a node whose database is away
}

// write puts the letter into the reader's words.
func (l letter) write(at i18n.Locale) (subject, text string) {
	switch l.kind {
	case Taken:
		return l.writeTaken(at)
	case Over:
		return l.writeOver(at)
	case Grown:
		return l.writeGrown(at)
	default:
		return l.writeAlarm(at)
	}
}

// say is the sentence for key in the reader's language.
func say(at i18n.Locale, key string, args ...any) string {
	return at.Catalog.Text(at.Lang, "alert.mail."+key, args...)
}

// name is what the alert is about, as briefly as possible.
func (l letter) name(at i18n.Locale) string {
	switch {
	case l.service.Name == "":
		return l.alert.Title
	case at.Lang == i18n.EN && l.service.NameEN != "":
		return l.service.NameEN
	default:
		return l.service.Name
	}
}

// mark is the shape of the state; the word stands beside it.
func mark(s signal.Severity) string {
	if s == signal.Critical {
		return "▲"
	}
	return "◆"
}

func (l letter) writeAlarm(at i18n.Locale) (subject, text string) {
	a := l.alert
	word := "down"
	if a.Severity != signal.Critical {
		word = "warning"
	}
	since := at.Short(a.Since)
	what, cut := strings.CutPrefix(a.Title, l.service.Name+" ")
	switch {
	case l.service.Name == "":
		subject = say(at, "subject_"+word, a.Title, since)
	case cut || a.Title != l.service.Name:
		subject = say(at, "subject_"+word, l.name(at)+" – "+what, since)
	default:
		subject = say(at, "subject_"+word, l.name(at), since)
	}
	w := &paper{}
	w.text(mark(a.Severity) + " " + a.Title)
	w.text(say(at, "since", since))
	w.gap()
	if a.Detail != "" {
		w.entry(say(at, "seen"), a.Detail)
	}
	noticed := at.Short(a.FirstSignalAt) + ", " + say(at, "path_"+string(a.FirstPath))
	if d, ok := a.DetectedAfter(); ok && d >= time.Second {
		noticed += ", " + say(at, "detected_after", at.Span(d))
	}
	w.entry(say(at, "noticed"), noticed)
	if firing, all := a.Confirmed(); all > 1 {
		w.entry(say(at, "sources"), say(at, "n_of_m", firing, all))
	}
	w.named(at, "effects", l.effects)
	w.gap()
	if l.ack != "" {
		w.text(say(at, "take"))
		w.line(l.ack)
		w.gap()
	}
	w.text(say(at, "page"))
	w.line(l.page)
	w.gap()
	if p := l.provider(at); p != "" {
		w.entry(say(at, "provider"), p)
	}
	if l.service.FirstSteps != "" {
		w.text(say(at, "first_steps"))
		w.indented(l.service.FirstSteps)
	}
	w.gap()
	if len(l.others) == 0 {
		w.text(say(at, "only_you"))
	} else {
		w.text(say(at, "others", strings.Join(l.others, ", ")))
	}
	w.text(say(at, "why_"+string(l.why)))
	if l.ack != "" {
		w.text(say(at, "link_yours"))
	}
	if l.spooled {
		w.gap()
		w.text(say(at, "spooled"))
	}
	w.sign(at, l.town)
	return subject, w.String()
}

func (l letter) provider(at i18n.Locale) string {
	p := l.service.Provider
	var parts []string
	for _, part := range []struct{ key, value string }{
		{"", p.Name}, {"hotline", p.Hotline}, {"contract", p.Contract}, {"hours", p.Hours},
	} {
		switch {
		case part.value == "":
		case part.key == "":
			parts = append(parts, part.value)
		default:
			parts = append(parts, say(at, part.key, part.value))
		}
	}
	return strings.Join(parts, ", ")
}

func (l letter) writeTaken(at i18n.Locale) (subject, text string) {
	a := l.alert
	w := &paper{}
	w.text(say(at, "taken", a.AcknowledgedName, at.Short(a.AcknowledgedAt)))
	w.gap()
	w.text(mark(a.Severity) + " " + a.Title + ", " + say(at, "since", at.Short(a.Since)))
	w.gap()
	w.text(say(at, "page"))
	w.line(l.page)
	w.sign(at, l.town)
	return say(at, "subject_taken", a.AcknowledgedName, l.name(at)), w.String()
}

func (l letter) writeOver(at i18n.Locale) (subject, text string) {
	a := l.alert
	lasted := at.Span(a.ClosedAt.Sub(a.Since))
	w := &paper{}
	if a.ClosedName != "" {
		subject = say(at, "subject_closed", l.name(at))
		w.text(say(at, "closed", a.ClosedName, at.Short(a.ClosedAt)))
		w.entry(say(at, "reason"), a.ClosedReason)
	} else if a.Quiet() {
		subject = say(at, "subject_quiet", l.name(at), lasted)
		w.text(say(at, "quiet", l.name(at)))
	} else {
		subject = say(at, "subject_over", l.name(at), lasted)
		w.text("✓ " + say(at, "over", l.name(at)))
	}
	w.gap()
	w.text(mark(a.Severity) + " " + a.Title)
	w.text(say(at, "from_to", at.Short(a.Since), at.Short(a.ClosedAt), lasted))
	if a.AcknowledgedName != "" {
		w.text(say(at, "was_taken", a.AcknowledgedName, at.Short(a.AcknowledgedAt)))
	} else {
		w.text(say(at, "was_not_taken"))
	}
	w.gap()
	w.text(say(at, "page"))
	w.line(l.page)
	w.sign(at, l.town)
	return subject, w.String()
}

// paper is a plain text that keeps to [columns].
type paper struct{ lines []string }

// line adds one line as it is.
func (p *paper) line(s string) { p.lines = append(p.lines, s) }

// gap adds one empty line, never two.
func (p *paper) gap() {
	if n := len(p.lines); n > 0 && p.lines[n-1] != "" {
		p.line("")
	}
}

func (p *paper) text(s string) { p.wrapped("", "", s) }

// entry is a label and what belongs to it.
func (p *paper) entry(label, s string) { p.wrapped(label+": ", "  ", s) }

// indented keeps the lines of a longer text.
func (p *paper) indented(s string) {
	for part := range strings.Lines(strings.TrimSpace(s)) {
		p.wrapped("  ", "  ", part)
	}
}

// wrapped breaks s between words, or inside a word that is longer than a line.
func (p *paper) wrapped(first, rest, s string) {
	line, empty := first, true
	for word := range strings.FieldsSeq(s) {
		for {
			room := columns - utf8.RuneCountInString(line)
			if !empty {
				room--
			}
			if utf8.RuneCountInString(word) <= room {
				if !empty {
					line += " "
				}
				line, empty = line+word, false
				break
			}
			if !empty {
				p.line(line)
				line, empty = rest, true
				continue
			}
			head := string([]rune(word)[:room])
			p.line(line + head)
			line, word = rest, word[len(head):]
		}
	}
	if !empty {
		p.line(line)
	}
}

// named lists some of many.
func (p *paper) named(at i18n.Locale, key string, all []string) {
	if len(all) == 0 {
		return
	}
	p.gap()
	p.text(say(at, key))
	for _, s := range all[:min(len(all), named)] {
		p.wrapped("- ", "  ", s)
	}
	if n := len(all) - named; n > 0 {
		p.text(say(at, "grown_rest", n))
	}
}

// sign ends the text with the moment and the town.
func (p *paper) sign(at i18n.Locale, town identity.Tenant) {
	p.gap()
	p.line("-- ")
	p.text(say(at, "stand", at.Stand(at.Now)))
	p.text(strings.TrimSpace("Türmer " + town.Name))
}

func (p *paper) String() string { return strings.Join(p.lines, "\n") + "\n" }

// brief is the letter for ways that carry little: a text message, a call.
func (l letter) brief(at i18n.Locale, way channel.Kind) string {
	name, since := l.name(at), at.Short(l.alert.Since)
	switch {
	case l.kind == Taken:
		return say(at, "brief_taken", l.alert.AcknowledgedName, name)
	case l.kind == Over && l.alert.Quiet():
		return say(at, "brief_quiet", name)
	case l.kind == Over:
		return say(at, "brief_over", name)
	case way == channel.Voice:
		return say(at, "brief_call", l.town.Name, name, since)
	case way == channel.Push:
		return say(at, "brief_push", name, since)
	default:
		return say(at, "brief_alarm", name, since, l.ack)
	}
}
