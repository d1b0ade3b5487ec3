package roster

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/i18n"
)

// Said is the answer to a command, as plain words; whoever shows it sees to it that
// nothing in them is markup and calls nobody.
type Said struct {
	Title string
	Lines []string
	Link  string // where more stands; may be empty
	Label string
	// All: meant for everybody in the room, not only for who asked. It holds names and
	// times, never numbers or addresses.
	All bool
}

// teller words answers: in whose language, and how the command is called there.
type teller struct {
	i18n.Locale
	prefix string // "/dienst"
}

func (t teller) say(key string, args ...any) string {
	return t.Catalog.Text(t.Lang, "roster.say_"+key, args...)
}

// moment is "Mo 4.1., 08:00".
func (t teller) moment(at time.Time) string {
	at = at.In(t.Zone)
	return t.date(at) + ", " + at.Format("15:04")
}

func (t teller) date(at time.Time) string {
	at = at.In(t.Zone)
	day := weekday(t.Locale, at.Weekday())
	if t.Lang == i18n.EN {
		return day + " " + at.Format("2 Jan")
	}
	return fmt.Sprintf("%s %d.%d.", day, at.Day(), int(at.Month()))
}

// stretch is "Mo 4.1., 08:00–18:00"; the second day is named where there is one.
func (t teller) stretch(from, to time.Time) string {
	a, b := from.In(t.Zone), to.In(t.Zone)
	if DateIn(to.Add(-time.Second), t.Zone) == dateOf(a) {
		return t.moment(a) + "–" + endClock(a, b)
	}
	return t.moment(a) + " – " + t.moment(b)
}

// who is who holds a shift, or why nobody does.
func (t teller) who(ro Roster, s Shown) string {
	who := unaddressed(s.Name)
	if s.Why != "" {
		who = "▲ " + t.missing(s.Why, who)
	}
	if len(ro.Plan.Lines) > 1 {
		who += " (" + t.Catalog.Text(t.Lang, "roster.line", s.Line+1) + ")"
	}
	return who
}

// missing says why nobody is there. Of somebody who is gone only the address is left,
// and that is for nobody in the room.
func (t teller) missing(why Why, name string) string {
	if why == Unknown {
		return t.say("stranger")
	}
	return t.Catalog.Text(t.Lang, "roster.why_"+string(why), name)
}

// unaddressed is a name that is no mail address, also where nothing else is known.
func unaddressed(name string) string {
	front, _, _ := strings.Cut(strings.TrimLeft(name, "@"), "@")
	return strings.TrimSpace(front)
}

// duties say who is on duty now and next.
func (t teller) duties(all []Duty) Said {
	out := Said{Title: t.say("duty")}
	if len(all) == 0 {
		out.Lines = []string{t.say("no_roster")}
	}
	for i, d := range all {
		if i > 0 {
			out.Lines = append(out.Lines, "")
		}
		out.Lines = append(out.Lines, d.Roster.Name+":")
		for _, s := range d.Now {
			line := t.who(d.Roster, s)
			if !s.Open {
				line = t.say("until", line, t.moment(s.To))
			}
			out.Lines = append(out.Lines, line)
		}
		if len(d.Now) == 0 {
			out.Lines = append(out.Lines, t.say("outside"))
		}
		if d.Gap != nil && len(d.Now) > 0 {
			g := *d.Gap
			if g.Who = unaddressed(g.Who); g.Why == Unknown {
				out.Lines = append(out.Lines, "▲ "+t.missing(g.Why, g.Who))
			} else {
				out.Lines = append(out.Lines, "▲ "+gapWords(t.Locale, g))
			}
		}
		for _, s := range d.Next {
			out.Lines = append(out.Lines, t.say("next", t.who(d.Roster, s), t.moment(s.From)))
		}
	}
	return out
}

// week says who is on duty when, for everybody to read.
func (t teller) week(ro Roster, shifts []Shown, from, to time.Time) Said {
	out := Said{Title: t.say("week", ro.Name, t.date(from), t.date(to.Add(-time.Hour))), All: true}
	if len(shifts) == 0 {
		out.Lines = []string{t.say("no_shift")}
	}
	for _, s := range shifts {
		line := t.stretch(s.From, s.To) + ": " + t.who(ro, s)
		switch {
		case s.Swap != "":
			line += " · " + t.Catalog.Text(t.Lang, "roster.swapped")
		case s.Override != "":
			line += " · " + t.Catalog.Text(t.Lang, "roster.stands_in")
		}
		if s.Holiday != "" {
			line += " · " + s.Holiday
		}
		out.Lines = append(out.Lines, line)
	}
	return out
}

// help says what there is.
func (t teller) help(unknown bool) Said {
	out := Said{Title: t.say("help")}
	if unknown {
		out.Lines = append(out.Lines, t.say("unknown"), "")
	}
	for _, key := range []string{"help_duty", "help_week", "help_swap", "help_open", "help_answer", "help_back"} {
		out.Lines = append(out.Lines, t.say(key, t.prefix))
	}
	return out
}

// plain is one sentence.
func (t teller) plain(key string, args ...any) Said {
	return Said{Lines: []string{t.say(key, args...)}}
}

// swapNumber is a number by which people name a request in a messenger. It follows
// from the request's id alone: a number never comes to mean another one because some
// are gone.
func swapNumber(id string) string { return saidNumber("swap", id) }

// saidNumber is a number of five digits that follows from what it names.
func saidNumber(kind, id string) string {
	sum := sha256.Sum256([]byte("tuermer/roster/" + kind + "/" + id))
	return strconv.Itoa(10_000 + int(binary.BigEndian.Uint32(sum[:4])%90_000))
}
