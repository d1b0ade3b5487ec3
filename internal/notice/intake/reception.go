package intake

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/mail"

	"tuermer/internal/platform/fault"
)

// A mailbox to which people write is no source of reports. It stays theirs: nobody
// is answered while somebody is on duty for its channel, and no mail is marked. In
// an hour in which nobody is, whoever writes hears of the emergency route and of
// the next hour, and what is urgent wakes whoever is responsible.
//
//	fetched ──► from a person? ──► somebody on duty: theirs to read
//	                 │         └─► nobody: urgent? an alarm
//	                 │                     answered once a sender and day
//	                 └─► a machine, a list, we ourselves: never answered (RFC 3834)

// Reception / Annahme is what becomes of the letters of a mailbox to which people
// write.
type Reception struct {
	Channel string   // of the duty rosters: "Pressestelle"; empty: the mailbox takes reports
	Route   string   // the emergency route that the answer names
	Urgent  []string // words that make a letter urgent; none: [UrgentWords]
}

// On reports whether the mailbox takes letters.
func (x Reception) On() bool { return x.Channel != "" }

// UrgentWords make a letter urgent where nobody chose others.
func UrgentWords() []string {
	return []string{"Notfall", "dringend", "eilt", "Lebensgefahr", "Gefahr im Verzug", "emergency", "urgent"}
}

// Bounds of a reception.
const (
	maxRoute   = 500
	maxUrgent  = 30
	maxChannel = 100
)

func (x Reception) check() (Reception, *fault.Error) {
	x.Channel, x.Route = strings.TrimSpace(x.Channel), strings.TrimSpace(x.Route)
	bad := fault.New(fault.Invalid, "intake.invalid")
	if !x.On() {
		return Reception{}, nil
	}
	if len(x.Channel) > maxChannel || strings.ContainsFunc(x.Channel, unicode.IsControl) {
		bad = bad.Field("box_channel", "intake.box_channel_bad")
	}
	if x.Route == "" || len(x.Route) > maxRoute || strings.ContainsFunc(x.Route, func(r rune) bool { return r != '\n' && r != '\r' && unicode.IsControl(r) }) {
		bad = bad.Field("box_route", "intake.box_route_bad")
	}
	var words []string
	for _, w := range x.Urgent {
		if w = strings.Join(strings.Fields(w), " "); w != "" {
			words = append(words, w)
		}
	}
	if x.Urgent = words; len(words) > maxUrgent || len(strings.Join(words, ",")) > maxRoute {
		bad = bad.Field("box_urgent", "intake.box_urgent_bad")
	}
	if len(bad.Fields) > 0 {
		return x, bad
	}
	return x, nil
}

// Outcome says what became of a letter, and why it was not answered.
type Outcome string

// The outcomes; each has a word with the key "intake.letter_" + outcome.
const (
	Answered  Outcome = "answered"
	Attended  Outcome = "attended"  // somebody is on duty
	Automatic Outcome = "automatic" // a machine wrote it
	FromList  Outcome = "list"      // it went to many
	Anonymous Outcome = "anonymous" // there is nobody to answer
	Once      Outcome = "once"      // this sender was answered within the day
	Late      Outcome = "late"      // it lay there for more than a day
	Flooded   Outcome = "flooded"   // more answers an hour than people write
)

// penned is what is read of a letter of a person.
type penned struct {
	subject, text string
	from          string // whom an answer goes to; empty: nobody
	id            string // Message-ID as an answer names it
	marked        bool   // its writer marked it as urgent
	refusal       Outcome
}

var messageID = regexp.MustCompile(`^<[!-;=?-~]{1,240}>$`)

// readPenned reads a letter. What cannot be read at all has nobody to answer, and
// lies in the mailbox for people.
func readPenned(data []byte) penned {
	l, err := readLetter(data)
	p := penned{subject: l.Subject, text: l.Text}
	if err != nil && l.From == "" {
		p.refusal = Anonymous
		return p
	}
	e, err := message.ReadWithOptions(bytes.NewReader(bytes.TrimLeft(data, "\r\n")), &message.ReadOptions{MaxHeaderBytes: maxMailHead})
	if e == nil || err != nil && !foreign(err) {
		p.refusal = Anonymous
		return p
	}
	h := mail.Header{Header: e.Header}
	get := func(name string) string { return strings.ToLower(strings.TrimSpace(h.Get(name))) }
	if id := strings.TrimSpace(h.Get("Message-Id")); messageID.MatchString(id) {
		p.id = id
	}
	p.marked = get("Importance") == "high" || strings.HasPrefix(get("X-Priority"), "1") || get("Priority") == "urgent"
	// The answer goes to whence the mail came, or else to who says that they wrote it.
	back := get("Return-Path")
	p.from = strings.Trim(back, "<> ")
	if !h.Has("Return-Path") {
		if from, err := h.AddressList("From"); err == nil && len(from) > 0 {
			p.from = strings.ToLower(from[0].Address)
		}
	}
	p.refusal = refusal(h, get, back, p.from)
	return p
}

// refusal is why a letter is never answered by a machine; empty: it may be.
func refusal(h mail.Header, get func(string) string, back, from string) Outcome {
	if said := get("Auto-Submitted"); said != "" && said != "no" {
		return Automatic
	}
	if slices.ContainsFunc([]string{"X-Autoreply", "X-Autorespond", "X-Loop", "X-Auto-Response-Suppress"}, h.Has) {
		return Automatic
	}
	switch strings.Fields(get("Precedence") + " -")[0] {
	case "bulk", "list", "junk", "auto_reply":
		return FromList
	}
	if slices.ContainsFunc([]string{"List-Id", "List-Post", "List-Unsubscribe", "List-Help", "Feedback-Id"}, h.Has) {
		return FromList
	}
	if strings.HasPrefix(get("Content-Type"), "multipart/report") || back == "<>" {
		return Automatic
	}
	local, domain, ok := strings.Cut(from, "@")
	if !ok || local == "" || domain == "" || len(from) > 254 || strings.ContainsFunc(from, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`<>,;:"\`, r) }) {
		return Anonymous
	}
	plain := strings.NewReplacer("-", "", "_", "", ".", "").Replace(local)
	for _, machine := range []string{"mailerdaemon", "postmaster", "noreply", "donotreply", "nichtantworten", "bounce", "listserv", "majordomo"} {
		if strings.HasPrefix(plain, machine) {
			return Automatic
		}
	}
	if strings.HasPrefix(local, "owner-") || strings.HasSuffix(local, "-request") || strings.HasSuffix(local, "-owner") {
		return FromList
	}
	return ""
}

// urgent reports whether a letter is: its writer marked it, or a word says so, as a
// word of its own or the beginning of one ("dringende").
func (p penned) urgent(words []string) bool {
	if p.marked {
		return true
	}
	said := " " + wordsOf(p.subject+" "+p.text)
	for _, w := range words {
		if w = wordsOf(w); w != "" && strings.Contains(said, " "+strings.TrimSuffix(w, " ")) {
			return true
		}
	}
	return false
}

// wordsOf are the words of a text in small letters, a space between two.
func wordsOf(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ") + " "
}

// tooOld is how long a letter may have lain there to be answered.
const tooOld = 24 * time.Hour
