package intake

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"tuermer/internal/notice/signal"
)

// A mail says what it has to say in words. Which thing it is about, and whether it
// begins or ends there, stands in the subject as its sender has always written it:
// the usual ones are known by heart, for others the mapping has a pattern. What
// neither tells is trouble (I20).

// MailType is the content type under which mails are kept.
const MailType = "message/rfc822"

// Presets are the senders whose mails are known by heart, in the order in which they
// are tried where the mapping names none.
func Presets() []string { return []string{"prtg", "zabbix", "nagios", "google"} }

var presets = map[string]func(l letter, in Zone) (Report, bool){
	"prtg": mailPRTG, "zabbix": mailZabbix, "nagios": mailNagios, "google": mailGoogle,
}

// mail reads a mail.
func (m Mapping) mail(b Body, in Zone) ([]Report, error) {
	l, err := readLetter(b.Data)
	if err != nil {
		return nil, err
	}
	r, err := m.letter(l, in)
	if err != nil {
		return nil, err
	}
	r.number = first(l.ID, strings.Join(b.Path, "/"))
	if r.Since.IsZero() {
		r.Since = l.Date
	}
	r.Title = first(r.Title, l.Subject, line(l.Text, maxTitle))
	r.Detail = first(r.Detail, l.Text)
	r.Note = r.Note || l.Reply // an absence note is no outage
	return []Report{r}, nil
}

func (m Mapping) letter(l letter, in Zone) (Report, error) {
	if m.Pattern != "" || m.Body != "" || m.Key != "" {
		f := map[string]string{
			"subject": l.Subject, "title": l.Subject, "from": l.From, "to": l.To, "text": l.Text, "message-id": l.ID,
		}
		r, err := m.report(func(path string) string { return f[strings.ToLower(path)] }, in)
		if err != nil {
			return r.Report, err
		}
		if !r.told {
			r.State = mailState(l.Subject, m.Up)
		}
		if !r.named {
			r.Key = stem(l.Subject, m.Up)
		}
		return r.Report, nil
	}
	if p := presets[m.Preset]; p != nil {
		if r, ok := p(l, in); ok {
			return r, nil
		}
		return Report{}, ErrForm
	}
	for _, name := range Presets() {
		if r, ok := presets[name](l, in); ok {
			return r, nil
		}
	}
	r := Report{Key: stem(l.Subject, m.Up), State: mailState(l.Subject, m.Up), Severity: signal.Critical, Title: l.Subject}
	if r.Key == "" {
		r.Key = first(l.From, line(l.Text, maxTitle))
	}
	return r, nil
}

// Words of a subject that tell how a thing is, and nothing about which it is.
var (
	mailUp = []string{
		"ok", "up", "resolved", "recovery", "recovered", "restored", "cleared", "normal", "online",
		"behoben", "beendet", "wiederhergestellt", "entwarnung", "erreichbar",
	}
	mailDown = []string{
		"down", "critical", "crit", "problem", "alert", "alarm", "error", "failed", "failure", "failing", "warning", "warn", "offline", "unreachable", "unknown", "outage",
		"fehler", "gestört", "störung", "ausfall", "ausgefallen", "warnung", "kritisch", "nicht",
	}
	mailFrame = []string{"re", "aw", "fw", "fwd", "wg", "is", "now", "ist", "wieder", "jetzt"}
	mailWord  = regexp.MustCompile(`[\p{L}\p{N}_.:/@%-]+`)
	mailWhen  = regexp.MustCompile(`^(\d{1,2}:\d{2}(:\d{2})?|\d{4}-\d{2}-\d{2}(T.*)?|\d{1,2}\.\d{1,2}\.\d{4}|\d+([.,]\d+)?%)$`)
)

func mailWords(subject string) []string {
	words := mailWord.FindAllString(subject, -1)
	for i, w := range words {
		words[i] = strings.Trim(w, ".:-")
	}
	return words
}

// mailState is over only where a word says so and no word contradicts. Whoever
// lists the words of recovery has the last word.
func mailState(subject string, up []string) signal.State {
	has := func(list []string) bool {
		for _, w := range mailWords(subject) {
			if slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(strings.TrimSpace(x), w) }) {
				return true
			}
		}
		return false
	}
	if len(up) > 0 {
		for _, u := range up {
			if strings.ContainsFunc(strings.TrimSpace(u), func(r rune) bool { return r == ' ' }) && strings.Contains(strings.ToLower(subject), strings.ToLower(strings.TrimSpace(u))) {
				return signal.Resolved
			}
		}
		if has(up) {
			return signal.Resolved
		}
		return signal.Firing
	}
	if has(mailUp) && !has(mailDown) {
		return signal.Resolved
	}
	return signal.Firing
}

// stem is a subject without what changes between trouble and recovery.
func stem(subject string, up []string) string {
	var keep []string
	for _, w := range mailWords(subject) {
		is := func(list []string) bool {
			return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(strings.TrimSpace(x), w) })
		}
		if w == "" || is(mailUp) || is(mailDown) || is(mailFrame) || is(up) || mailWhen.MatchString(w) {
			continue
		}
		keep = append(keep, w)
	}
	return strings.Join(keep, " ")
}

// groups are the named parts of what a pattern finds; nil: it does not.
func groups(p *regexp.Regexp, s string) map[string]string {
	found := p.FindStringSubmatch(s)
	if found == nil {
		return nil
	}
	out := map[string]string{}
	for i, name := range p.SubexpNames() {
		if name != "" && found[i] != "" {
			out[name] = strings.TrimSpace(found[i])
		}
	}
	return out
}

// PRTG writes "[%sitename] %device %name %status %down (%message)".
var prtgSubject = regexp.MustCompile(`(?i)^\[(?P<site>[^\]]*)\]\s*(?P<key>\S.*?)\s+(?P<state>(?:down|up|warning|unusual|unknown|paused|error|ok|fehler|warnung|ungewöhnlich|unbekannt|pausiert|ausgefallen|angehalten)` +
	`(?:\s+\((?:acknowledged|partial|bestätigt|teilweise)\))?(?:\s+(?:ended|beendet)\s+\((?:now|jetzt|nun)\b(?:[^()]|\([^)]*\))*\))?(?:\s+escalation)?)\s*(?:\((?P<text>.*)\))?$`)

func mailPRTG(l letter, _ Zone) (Report, bool) {
	g := groups(prtgSubject, l.Subject)
	if g == nil {
		return Report{}, false
	}
	s := prtgStatus(g["state"], "")
	return Report{
		Key: g["key"], State: s.state, Severity: s.severity, Note: s.note, Title: g["key"] + ": " + g["state"], Detail: g["text"], Site: g["site"], Link: link(l.Text),
	}, true
}

// links of a mail's text.
var mailLink = regexp.MustCompile(`https?://[^\s<>"')]+`)

func link(s string) string { return mailLink.FindString(s) }

// "Problem: {EVENT.NAME}", "Resolved in {EVENT.DURATION}: {EVENT.NAME}",
// "Updated problem in {EVENT.AGE}: {EVENT.NAME}".
var (
	zabbixSubject = regexp.MustCompile(`^(?:(?P<down>Problem)|(?P<up>Resolved)(?: in [^:]+)?|(?P<note>Updated problem)(?: in [^:]+)?):\s*(?P<name>\S.*)$`)
	zabbixLine    = regexp.MustCompile(`(?m)^\s*(Host|Severity|Operational data|Original problem ID):[ \t]*(\S.*?)\s*$`)
)

func mailZabbix(l letter, _ Zone) (Report, bool) {
	g := groups(zabbixSubject, l.Subject)
	if g == nil {
		return Report{}, false
	}
	said := map[string]string{}
	for _, m := range zabbixLine.FindAllStringSubmatch(l.Text, -1) {
		if said[m[1]] == "" {
			said[m[1]] = m[2]
		}
	}
	r := Report{
		Key: join(" · ", said["Host"], g["name"]), Episode: said["Original problem ID"], State: signal.Firing, Severity: severityOf(said["Severity"]),
		Title: g["name"], Host: said["Host"], Note: g["note"] != "", Link: link(l.Text),
	}
	if g["up"] != "" {
		r.State = signal.Resolved
	}
	return r, true
}

// Nagios and what came of it: "** PROBLEM Service Alert: srv1/HTTP is CRITICAL **",
// Icinga's "[PROBLEM] http on srv1 is CRITICAL!" and "[PROBLEM] Host srv1 is DOWN!",
// Checkmk's "Checkmk: srv1/Disk OK -> CRIT".
var nagiosSubjects = []*regexp.Regexp{
	regexp.MustCompile(`(?i)^\W*(?P<type>PROBLEM|RECOVERY|ACKNOWLEDGEMENT|FLAPPING\w*|DOWNTIME\w*|CUSTOM)\s+(?:Host|Service) Alert:\s*(?P<host>[^/]+?)(?:/(?P<service>.+?))?\s+is\s+(?P<state>\w+)\W*$`),
	regexp.MustCompile(`(?i)^\[(?P<type>PROBLEM|RECOVERY|ACKNOWLEDGEMENT|FLAPPING\w*|DOWNTIME\w*|CUSTOM)\]\s+(?:Host\s+(?P<host>\S+)|(?P<service>.+?) on (?P<host2>\S+)) is (?P<state>\w+)\W*$`),
	regexp.MustCompile(`(?i)^Check_?MK:\s*(?P<host>[^/\s]+)(?:/(?P<service>.+?))?\s+(?P<was>\w+)\s*->\s*(?P<state>\w+)\s*$`),
}

func mailNagios(l letter, _ Zone) (Report, bool) {
	for _, p := range nagiosSubjects {
		g := groups(p, l.Subject)
		if g == nil {
			continue
		}
		host, kind, state := first(g["host"], g["host2"]), strings.ToUpper(g["type"]), strings.ToUpper(g["state"])
		r := Report{
			Key: join("!", host, g["service"]), State: signal.Firing, Severity: signal.Critical, Host: host, Link: link(l.Text),
			Title: join(" · ", host, g["service"]) + ": " + state,
		}
		switch state {
		case "OK", "UP":
			r.State = signal.Resolved
		case "WARNING", "WARN", "UNKNOWN", "UNKN":
			r.Severity = signal.Warning
		}
		r.Note = strings.HasPrefix(kind, "ACKNOWLEDGEMENT") || strings.HasPrefix(kind, "FLAPPING") || strings.HasPrefix(kind, "DOWNTIME") || kind == "CUSTOM"
		return r, true
	}
	return Report{}, false
}

// Google Alerts: "Google Alert - Musterstadt". Each is news of its own, and never
// over; it wakes nobody.
var googleSubject = regexp.MustCompile(`^Google[ -]Alerts?\s*[-–—:]\s*(?P<term>\S.*)$`)

func mailGoogle(l letter, _ Zone) (Report, bool) {
	g := groups(googleSubject, l.Subject)
	if g == nil {
		return Report{}, false
	}
	return Report{
		Key: "google " + g["term"], Episode: first(l.ID, l.Date.Format(time.RFC3339)), State: signal.Firing, Severity: signal.Info, Title: l.Subject, Link: link(l.Text),
	}, true
}
