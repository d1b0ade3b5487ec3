package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"tuermer/internal/app"
	"tuermer/internal/platform/i18n"
)

// source is a foreign monitoring system: it begins with an address, reports to
// it, and is turned away.
func (s *stage) source(args []string) error {
	name, how, rest := args[0], args[1], args[2:]
	switch how {
	case "beginnt":
		if len(rest) < 2 {
			return fmt.Errorf("„beginnt“ braucht das System und einen Namen")
		}
		settings := app.NewSettings(app.Settings{Data: s.dir, Lang: i18n.DE, Log: s.log, Staff: staffHost, Public: publicHost}, s.config)
		settings.Data, settings.Database = s.dir, s.database
		n := app.NewSource{Format: rest[0], Title: rest[1], Rhythm: 24 * time.Hour}
		if len(rest) > 2 {
			n.Service = rest[2]
		}
		if len(rest) > 3 {
			rhythm, err := time.ParseDuration(rest[3])
			if err != nil {
				return fmt.Errorf("„%s“ ist keine Dauer", rest[3])
			}
			n.Rhythm = rhythm
		}
		at, err := app.Commands{}.AddSource(s.t.Context(), settings, n)
		if err != nil {
			return err
		}
		if len(at.Paste) == 0 || strings.Contains(fmt.Sprint(at.Paste), "intake.paste_") {
			return fmt.Errorf("was drüben einzutragen ist, fehlt: %v", at.Paste)
		}
		if s.addresses == nil {
			s.addresses = map[string]string{}
		}
		s.addresses[name] = at.URL
		return nil
	case "übernimmt": // the address from the page on which somebody has just made it
		if s.now == nil || s.now.doc == nil {
			return fmt.Errorf("es ist keine Seite offen")
		}
		url, ok := s.now.doc.Find("#url").Attr("value")
		if !ok {
			return fmt.Errorf("auf der Seite steht keine Adresse")
		}
		if s.addresses == nil {
			s.addresses = map[string]string{}
		}
		s.addresses[name] = url
		return nil
	case "meldet", "wird", "schreibt", "signiert", "bleibt":
	default:
		return fmt.Errorf("„%s“: erwartet wird beginnt, meldet, schreibt oder wird abgewiesen", how)
	}
	url := s.addresses[name]
	if url == "" {
		return fmt.Errorf("die Quelle „%s“ hat noch nicht begonnen", name)
	}
	if strings.Contains(url, "@") {
		return s.writes(name, url, how, rest)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: s.net.Dial, DisableKeepAlives: true}, Timeout: 20 * time.Second}
	times, want, key := 1, http.StatusOK, ""
	switch how {
	case "bleibt":
		rest, want = []string{"{}"}, http.StatusUnauthorized
	case "signiert":
		if len(rest) != 2 {
			return fmt.Errorf("„signiert“ braucht Schlüssel und Meldung")
		}
		key, rest = rest[0], rest[1:]
	}
	if how == "wird" {
		rest, want = []string{"id=1&status=Down"}, http.StatusNotFound
	}
	if len(rest) > 1 {
		if _, err := fmt.Sscanf(rest[1], "%d-mal", &times); err != nil {
			return fmt.Errorf("„%s“: erwartet wird zum Beispiel 100-mal", rest[1])
		}
	}
	post := func(i int) error {
		body := strings.ReplaceAll(strings.ReplaceAll(rest[0], "{n}", fmt.Sprint(i+1)), "'", `"`)
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if key != "" {
			m := hmac.New(sha256.New, []byte(key))
			m.Write([]byte(body))
			req.Header.Set("X-Signature-256", "sha256="+hex.EncodeToString(m.Sum(nil)))
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		said, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != want && (want != http.StatusOK || res.StatusCode != http.StatusAccepted) {
			return fmt.Errorf("die Antwort ist %d: %.300s %w", res.StatusCode, said, err)
		}
		return nil
	}
	// The first comes first; a storm then comes from fifty at once.
	if err := post(0); err != nil {
		return err
	}
	for from := 1; from < times; from += 50 {
		n := min(50, times-from)
		errs := make(chan error, n)
		for i := range n {
			go func() { errs <- post(from + i) }()
		}
		for range n {
			if err := <-errs; err != nil {
				return err
			}
		}
	}
	return nil
}

// writes is a source that can do nothing but write mails, by the mail server of the
// town hall.
func (s *stage) writes(name, to, how string, rest []string) error {
	if s.mailed == nil {
		s.mailed = map[string][]string{}
	}
	mail, want := "Subject: x\r\n\r\n", 550
	if how == "schreibt" {
		want = 0
		sent := s.mailed[name]
		switch {
		case len(rest) == 4 && strings.Join(rest, " ") == "noch einmal die erste" && len(sent) > 0:
			mail = sent[0]
		case len(rest) == 2:
			mail = fmt.Sprintf("From: <prtg@rathaus.example>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%d.%s@rathaus.example>\r\nSubject: %s\r\n"+
				"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n",
				to, time.Now().Format(time.RFC1123Z), len(sent), name, mime.QEncoding.Encode("utf-8", rest[0]), rest[1])
			s.mailed[name] = append(sent, mail)
		default:
			return fmt.Errorf("„schreibt“ braucht Betreff und Text, oder: noch einmal die erste")
		}
	}
	conn, err := s.net.Dial(s.t.Context(), "tcp", s.config.Listen.Mail)
	if err != nil {
		return err
	}
	c := smtp.NewClient(conn)
	defer c.Close()
	err = c.SendMail("prtg@rathaus.example", []string{to}, strings.NewReader(mail))
	if said, ok := errors.AsType[*smtp.SMTPError](err); ok && said.Code == want || err == nil && want == 0 {
		return nil
	}
	return fmt.Errorf("die Antwort ist %w", err)
}
