package app

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/town/service"
)

// The closed lists of the contract. What is stored is these words, so they
// are English; screens translate them.
var (
	roles         = []string{"admin", "it", "publisher", "approver", "reader", "dpo", "onsite"}
	audienceKinds = []string{"citizens", "press", "staff", "leadership", "council", "partners", "it", "authority"}
	articles      = []string{"der", "die", "das", "plural"}
	hookForms     = []string{"slack", "teams", "mattermost", "rocketchat", "matrix", "ntfy", "threema", "signal", "rest"}
	autoPublic    = []string{"never", "checking", "confirmed"}
	tlsModes      = []string{"none", "starttls", "tls"}
	languages     = []string{"de", "en"}
	// The 16 Länder by the letters of ISO 3166-2:DE.
	lands = []string{"BW", "BY", "BE", "BB", "HB", "HH", "HE", "MV", "NI", "NW", "RP", "SL", "SN", "ST", "SH", "TH"}
)

// root lists the keys of the file. The first argument of object says how many
// of the keys that follow must be there.
func (r *configReader) root(c *Config) setter {
	return r.object(0,
		field{"town", r.town(&c.Town)},
		field{"urls", r.object(0,
			field{"staff", scalar(r, &c.URLs.Staff, parseOrigin)},
			field{"public", scalar(r, &c.URLs.Public, parseOrigin)},
		)},
		field{"smtp", listOf(r, &c.SMTP, r.smtp)},
		field{"sms", listOf(r, &c.SMS, r.gateway)},
		field{"voice", listOf(r, &c.Voice, r.voice)},
		field{"people", listOf(r, &c.People, r.person)},
		field{"services", listOf(r, &c.Services, r.service)},
		field{"monitors", listOf(r, &c.Monitors, r.monitor)},
		field{"uplink", r.uplink(&c.Uplink)},
		field{"history", r.object(0,
			field{"results_days", r.number(&c.History.Results, monitor.MinKeep, monitor.MaxKeep)},
			field{"figures_days", r.number(&c.History.Figures, monitor.MinKeep, monitor.MaxKeep)},
		)},
		field{"audiences", listOf(r, &c.Audiences, r.audience)},
		field{"messengers", listOf(r, &c.Messengers, r.messenger)},
		field{"webhooks", listOf(r, &c.Webhooks, r.webhook)},
		field{"sign_in", r.signIn(&c.SignIn)},
		field{"backup", r.backup(&c.Backup)},
		field{"directory", r.directory(&c.Directory)},
		field{"twin", r.twin(&c.Twin)},
		field{"heartbeats", listOf(r, &c.Heartbeats, r.heartbeat)},
		field{"rosters", listOf(r, &c.Rosters, r.roster)},
		field{"holidays", listOf(r, &c.Holidays, r.holiday)},
		field{"escalations", listOf(r, &c.Escalations, r.escalation)},
		field{"listen", r.object(0,
			field{"staff", scalar(r, &c.Listen.Staff, parseListen)},
			field{"public", scalar(r, &c.Listen.Public, parseListen)},
			field{"mail", scalar(r, &c.Listen.Mail, parseListen)},
			field{"certificate", scalar(r, &c.Listen.Certificate, parseLine)},
			field{"key", scalar(r, &c.Listen.Key, parseLine)},
			field{"acme", r.acme(&c.Listen.ACME)},
		)},
		field{"intake_public", r.flag(&c.IntakePublic)},
		field{"intake_domain", scalar(r, &c.IntakeDomain, parseDomain)},
		field{"data", scalar(r, &c.Data, parseLine)},
		field{"database", scalar(r, &c.Database, parseDatabase)},
	)
}

func (r *configReader) town(t *TownConfig) setter {
	return r.object(2,
		field{"name", scalar(r, &t.Name, parseLine)},
		field{"slug", scalar(r, &t.Slug, parseSlug)},
		field{"domains", r.each(&t.Domains, parseDomain)},
		field{"networks", r.each(&t.Networks, parseNetwork)},
		field{"probe_networks", r.each(&t.ProbeNetworks, parseReach)},
		field{"land", scalar(r, &t.Land, oneOf(lands))},
		field{"timezone", scalar(r, &t.Timezone, parseTimezone)},
		field{"language", scalar(r, &t.Language, oneOf(languages))},
	)
}

func (r *configReader) smtp(s *SMTPConfig) setter {
	return r.object(0,
		field{"name", scalar(r, &s.Name, parseLine)},
		field{"host", scalar(r, &s.Host, parseHost)},
		field{"port", r.number(&s.Port, 1, 65535)},
		field{"from", scalar(r, &s.From, parseEmail)},
		field{"username", scalar(r, &s.Username, optional(parseLine))},
		field{"password_file", scalar(r, &s.PasswordFile, optional(parseLine))},
		field{"tls", scalar(r, &s.TLS, oneOf(tlsModes))},
	)
}

func (r *configReader) person(p *PersonConfig) setter {
	return r.object(2,
		field{"name", scalar(r, &p.Name, parseLine)},
		field{"email", scalar(r, &p.Email, parseEmail)},
		field{"alternative", scalar(r, &p.Alternative, optional(parseEmail))},
		field{"mobile", scalar(r, &p.Mobile, optional(parsePhone))},
		field{"chat", scalar(r, &p.Chat, parseChat)},
		field{"roles", r.each(&p.Roles, oneOf(roles))},
	)
}

func (r *configReader) service(s *ServiceConfig) setter {
	return r.object(2,
		field{"slug", scalar(r, &s.Slug, parseSlug)},
		field{"name", scalar(r, &s.Name, parseLine)},
		field{"article", scalar(r, &s.Article, oneOf(articles))},
		field{"dative", scalar(r, &s.Dative, parseLine)},
		field{"accusative", scalar(r, &s.Accusative, parseLine)},
		field{"short", scalar(r, &s.Short, atMost(service.MaxShort))},
		field{"name_en", scalar(r, &s.NameEN, parseLine)},
		field{"name_ls", scalar(r, &s.NameLS, parseLine)},
		field{"public", r.flag(&s.Public)},
		field{"owner", scalar(r, &s.Owner, optional(parseEmail))},
		field{"workaround", scalar(r, &s.Workaround, parseText)},
		field{"workaround_short", scalar(r, &s.WorkaroundShort, atMost(service.MaxWorkaroundShort))},
		field{"workaround_en", scalar(r, &s.WorkaroundEN, parseText)},
		field{"provider", r.object(0,
			field{"name", scalar(r, &s.Provider.Name, parseLine)},
			field{"hotline", scalar(r, &s.Provider.Hotline, parseLine)},
			field{"contract", scalar(r, &s.Provider.Contract, parseLine)},
			field{"hours", scalar(r, &s.Provider.Hours, parseLine)},
		)},
		field{"first_steps", scalar(r, &s.FirstSteps, parseText)},
		field{"depends_on", r.each(&s.DependsOn, parseSlug)},
		field{"audiences", r.each(&s.Audiences, parseSlug)},
		field{"auto_public", scalar(r, &s.AutoPublic, oneOf(autoPublic))},
	)
}

func (r *configReader) audience(a *AudienceConfig) setter {
	return r.object(2,
		field{"slug", scalar(r, &a.Slug, parseSlug)},
		field{"name", scalar(r, &a.Name, parseLine)},
		field{"kind", scalar(r, &a.Kind, oneOf(audienceKinds))},
		field{"recipients", r.each(&a.Recipients, parseEmail)},
	)
}

func (r *configReader) webhook(w *WebhookConfig) setter {
	return r.object(2,
		field{"name", scalar(r, &w.Name, parseLine)},
		field{"url", scalar(r, &w.URL, parseWeb)},
		field{"secret_file", scalar(r, &w.SecretFile, optional(parseLine))},
		field{"services", r.each(&w.Services, parseSlug)},
		field{"form", scalar(r, &w.Form, optional(oneOf(hookForms)))},
		field{"rest", r.rest(&w.Rest)},
		field{"audiences", r.each(&w.Audiences, parseSlug)},
		field{"statements_only", r.flag(&w.StatementsOnly)},
	)
}

// each reads a list of texts.
func (r *configReader) each(dst *[]string, parse func(string) (string, *complaint)) setter {
	return listOf(r, dst, func(s *string) setter { return scalar(r, s, parse) })
}

// optional takes an empty text as "none".
func optional(parse func(string) (string, *complaint)) func(string) (string, *complaint) {
	return func(s string) (string, *complaint) {
		if s == "" {
			return "", nil
		}
		return parse(s)
	}
}

// parseLine takes a text of one line; names end up in mail headers, where a
// line break would begin another header.
func parseLine(s string) (string, *complaint) {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "", sorry("config.one_line")
	}
	if s = strings.TrimSpace(s); s == "" {
		return "", sorry("config.empty")
	}
	if n := utf8.RuneCountInString(s); n > 200 {
		return "", sorry("config.long", n, 200)
	}
	return s, nil
}

// atMost takes a line of n characters.
func atMost(limit int) func(string) (string, *complaint) {
	return func(s string) (string, *complaint) {
		s, wrong := parseLine(s)
		if n := utf8.RuneCountInString(s); wrong == nil && n > limit {
			return "", sorry("config.long", n, limit)
		}
		return s, wrong
	}
}

// parseText takes a text of several lines; it may be empty.
func parseText(s string) (string, *complaint) {
	s = strings.TrimSpace(s)
	if n := utf8.RuneCountInString(s); n > 4000 {
		return "", sorry("config.long", n, 4000)
	}
	return s, nil
}

var slugPattern = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

func parseSlug(s string) (string, *complaint) {
	if !slugPattern.MatchString(s) {
		return "", sorry("config.slug", shorten(s))
	}
	return s, nil
}

// parseEmail takes a bare address (RFC 5321's local@domain) in lower case, so
// that one mailbox is one person.
func parseEmail(s string) (string, *complaint) {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s || len(s) > 254 {
		return "", sorry("config.email", shorten(s))
	}
	if _, wrong := parseDomain(domainOf(s)); wrong != nil {
		return "", sorry("config.email", shorten(s))
	}
	return strings.ToLower(s), nil
}

func domainOf(email string) string {
	return strings.ToLower(email[strings.LastIndexByte(email, '@')+1:])
}

var labelPattern = regexp.MustCompile(`^[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?$`)

func parseDomain(s string) (string, *complaint) {
	labels := strings.Split(s, ".")
	wrong := len(s) > 253
	for _, l := range labels {
		wrong = wrong || len(l) > 63 || !labelPattern.MatchString(l)
	}
	if wrong {
		return "", sorry("config.domain", shorten(s))
	}
	return strings.ToLower(s), nil
}

func parseHost(s string) (string, *complaint) {
	if _, err := netip.ParseAddr(s); err == nil {
		return s, nil
	}
	if _, wrong := parseDomain(s); wrong != nil {
		return "", sorry("config.host", shorten(s))
	}
	return strings.ToLower(s), nil
}

func parseNetwork(s string) (string, *complaint) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()).String(), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return "", sorry("config.network", shorten(s))
	}
	return p.Masked().String(), nil
}

// parseReach takes a network, or one of the words for many.
func parseReach(s string) (string, *complaint) {
	if s == "public" || s == "private" {
		return s, nil
	}
	n, wrong := parseNetwork(s)
	if wrong != nil {
		return "", sorry("config.reach", shorten(s))
	}
	return n, nil
}

// parsePhone takes an E.164 number; spaces and dashes are for people.
func parsePhone(s string) (string, *complaint) {
	digits := strings.NewReplacer(" ", "", "-", "", "/", "", "(0)", "").Replace(s)
	number, international := strings.CutPrefix(digits, "+")
	if !international || len(number) < 7 || len(number) > 15 || strings.Trim(number, "0123456789") != "" || number[0] == '0' {
		return "", sorry("config.phone", shorten(s))
	}
	return digits, nil
}

// parseTimezone needs the zone data, which cmd/tuermer embeds.
func parseTimezone(s string) (string, *complaint) {
	if s == "" || s == "Local" {
		return "", sorry("config.timezone", s)
	}
	if _, err := time.LoadLocation(s); err != nil {
		return "", sorry("config.timezone", shorten(s))
	}
	return s, nil
}

// brief writes a duration the way it is typed: 24h, not 24h0m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func oneOf(list []string) func(string) (string, *complaint) {
	return func(s string) (string, *complaint) {
		if slices.Contains(list, s) {
			return s, nil
		}
		if guess := closest(s, list); guess != "" {
			return "", sorry("config.choice_guess", shorten(s), guess, strings.Join(list, ", "))
		}
		return "", sorry("config.choice", shorten(s), strings.Join(list, ", "))
	}
}

// webURL parses an absolute address with one of the schemes.
func webURL(s string, schemes ...string) (*url.URL, bool) {
	u, err := url.Parse(s)
	if err != nil || !slices.Contains(schemes, strings.ToLower(u.Scheme)) || u.Hostname() == "" || len(s) > 2000 {
		return nil, false
	}
	if _, wrong := parseHost(strings.Trim(u.Hostname(), "[]")); wrong != nil {
		return nil, false
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, false
		}
	}
	return u, true
}

func parseWeb(s string) (string, *complaint) {
	if _, ok := webURL(s, "http", "https"); !ok {
		return "", sorry("config.url", shorten(s), "https://status.musterstadt.example/")
	}
	return s, nil
}

// parseTarget takes what a monitor can check.
func parseTarget(s string) (string, *complaint) {
	u, ok := webURL(s, "http", "https", "tcp")
	if !ok || u.Scheme == "tcp" && u.Port() == "" {
		return "", sorry("config.target", shorten(s))
	}
	return s, nil
}

// parseOrigin takes an address without a path; the pages stand at its root.
func parseOrigin(s string) (string, *complaint) {
	u, ok := webURL(s, "http", "https")
	if !ok || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", sorry("config.origin", shorten(s))
	}
	return strings.TrimRight(s, "/"), nil
}

func parseListen(s string) (string, *complaint) {
	_, port, err := net.SplitHostPort(s)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		return "", sorry("config.listen", shorten(s))
	}
	return s, nil
}

// parseDatabase keeps its words to itself, for the address holds a password.
func parseDatabase(s string) (string, *complaint) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", sorry("config.database")
	}
	return s, nil
}

// shorten keeps a wrong value readable within its error.
func shorten(s string) string {
	s = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, s)
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}
