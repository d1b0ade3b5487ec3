package monitor

import (
	"context"
	"encoding/base64"
	"strings"
)

// certProber watches a certificate, directly or behind STARTTLS.
type certProber struct{ w *wire }

// Probe looks once.
func (p certProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		mode := s.TLS.Mode
		s.TLS.Mode = "" // of this kind: which protocol's STARTTLS
		t, err := p.w.open(ctx, "tcp", &s, r)
		if err != nil {
			return err
		}
		defer t.close()
		switch mode {
		case "smtp":
			if err := t.smtpHello(&s, r); err != nil {
				return err
			}
			if err := t.smtpStartTLS(r); err != nil {
				return err
			}
		case "imap":
			if err := t.imapGreeting(&s); err != nil {
				return err
			}
			if err := t.imapCommand("a STARTTLS", ReasonTLS, "STARTTLS is refused"); err != nil {
				return err
			}
		}
		r.Code = 0
		return t.secure(p.w, &s, r)
	})
}

// smtpProber says hello to a mail server, and signs in where the spec has a
// name.
type smtpProber struct{ w *wire }

// Probe looks once.
func (p smtpProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		t, err := p.w.open(ctx, "tcp", &s, r)
		if err != nil {
			return err
		}
		defer t.close()
		if err := t.smtpHello(&s, r); err != nil {
			return err
		}
		if s.TLS.Mode == "starttls" {
			if err := t.smtpStartTLS(r); err != nil {
				return err
			}
			if err := t.secure(p.w, &s, r); err != nil {
				return err
			}
			if _, err := t.smtpCommand("EHLO "+ownName, r, ReasonStatus, 250); err != nil {
				return err
			}
		}
		if s.Username != "" {
			login := base64.StdEncoding.EncodeToString([]byte("\x00" + s.Username + "\x00" + s.Password))
			if _, err := t.smtpCommand("AUTH PLAIN "+login, r, ReasonLogin, 235); err != nil {
				return err
			}
		}
		// The server may close first; a farewell that fails is no finding.
		_ = t.say("QUIT")
		return nil
	})
}

// ownName is how a check introduces itself; RFC 2606 keeps it free.
const ownName = "tuermer-monitor.invalid"

// smtpHello takes the greeting and introduces us.
func (t *talk) smtpHello(s *Spec, r *Result) error {
	greeting, err := t.smtpReply(r, ReasonStatus, 220)
	if err != nil {
		return err
	}
	if !strings.Contains(greeting, s.Expect.Body) {
		return failf(ReasonBody, "expected text is missing in the greeting")
	}
	_, err = t.smtpCommand("EHLO "+ownName, r, ReasonStatus, 250)
	return err
}

func (t *talk) smtpStartTLS(r *Result) error {
	_, err := t.smtpCommand("STARTTLS", r, ReasonTLS, 220)
	return err
}

func (t *talk) smtpCommand(command string, r *Result, why Reason, want int) (string, error) {
	if err := t.say(command); err != nil {
		return "", err
	}
	return t.smtpReply(r, why, want)
}

// smtpReply reads an answer of one or more lines (RFC 5321, section 4.2).
func (t *talk) smtpReply(r *Result, why Reason, want int) (string, error) {
	first := ""
	for i := range maxLines {
		line, err := t.line()
		if err != nil {
			return "", err
		}
		code, more, ok := parseReplyLine(line)
		if !ok {
			return "", failf(ReasonProtocol, "the answer is not SMTP")
		}
		if i == 0 {
			first = line
		}
		if more {
			continue
		}
		if r.Code = code; code != want {
			return "", failf(why, "SMTP %d, expected %d", code, want)
		}
		return first, nil
	}
	return "", failf(ReasonProtocol, "more than %d lines in one answer", maxLines)
}

// parseReplyLine reads "250-text", "250 text" or "250".
func parseReplyLine(line string) (code int, more, ok bool) {
	if len(line) < 3 {
		return 0, false, false
	}
	for _, c := range []byte(line[:3]) {
		if c < '0' || c > '9' {
			return 0, false, false
		}
		code = code*10 + int(c-'0')
	}
	if len(line) == 3 {
		return code, false, code >= 200
	}
	return code, line[3] == '-', code >= 200 && (line[3] == '-' || line[3] == ' ')
}

// imapProber takes a mail store's greeting, and signs in where the spec has a
// name.
type imapProber struct{ w *wire }

// Probe looks once.
func (p imapProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		t, err := p.w.open(ctx, "tcp", &s, r)
		if err != nil {
			return err
		}
		defer t.close()
		if err := t.imapGreeting(&s); err != nil {
			return err
		}
		if s.TLS.Mode == "starttls" {
			if err := t.imapCommand("a STARTTLS", ReasonTLS, "STARTTLS is refused"); err != nil {
				return err
			}
			if err := t.secure(p.w, &s, r); err != nil {
				return err
			}
		}
		if s.Username != "" {
			if err := t.imapCommand("a LOGIN "+imapQuote(s.Username)+" "+imapQuote(s.Password), ReasonLogin, "the login is refused"); err != nil {
				return err
			}
		}
		_ = t.say("z LOGOUT") // as with SMTP: a farewell that fails is no finding
		return nil
	})
}

func (t *talk) imapGreeting(s *Spec) error {
	line, err := t.line()
	if err != nil {
		return err
	}
	switch word := strings.ToUpper(line); {
	case strings.HasPrefix(word, "* OK"), strings.HasPrefix(word, "* PREAUTH"):
	case strings.HasPrefix(word, "* BYE"):
		return failf(ReasonStatus, "the server turns us away (BYE)")
	default:
		return failf(ReasonProtocol, "the answer is not IMAP")
	}
	if !strings.Contains(line, s.Expect.Body) {
		return failf(ReasonBody, "expected text is missing in the greeting")
	}
	return nil
}

// imapCommand sends a command with the tag a and waits for its end.
func (t *talk) imapCommand(command string, why Reason, refused string) error {
	if err := t.say(command); err != nil {
		return err
	}
	for range maxLines {
		line, err := t.line()
		if err != nil {
			return err
		}
		switch word := strings.ToUpper(line); {
		case strings.HasPrefix(word, "A OK"):
			return nil
		case strings.HasPrefix(word, "A NO"), strings.HasPrefix(word, "A BAD"):
			return failf(why, "%s", refused)
		case strings.HasPrefix(word, "* "), strings.HasPrefix(word, "+ "):
		default:
			return failf(ReasonProtocol, "the answer is not IMAP")
		}
	}
	return failf(ReasonProtocol, "more than %d lines in one answer", maxLines)
}

// imapQuote writes a quoted string (RFC 9051, section 4.3). Line ends cannot
// come here: Normalize refuses them.
func imapQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
