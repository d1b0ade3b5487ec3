package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"tuermer/internal/app"
	"tuermer/internal/platform/i18n"
)

// person: from here on this person sits at the browser; the first time they
// sign in with a one-time link, as after `tuermer user reset`.
func (s *stage) person(args []string) error {
	s.who = args[0]
	if r := s.readers[args[0]]; r != nil {
		s.now = r
		return nil
	}
	r := newReader(s.net)
	s.readers[args[0]], s.now = r, r
	if !strings.Contains(args[0], "@") {
		return nil // a citizen
	}
	settings := app.NewSettings(app.Settings{Data: s.dir, Lang: i18n.DE, Log: s.log, Staff: staffHost, Public: publicHost}, s.config)
	settings.Data, settings.Database = s.dir, s.database
	link, err := app.Commands{}.ResetUser(s.t.Context(), settings, args[0], false)
	if err != nil {
		return err
	}
	if err := r.open(link); err != nil {
		return err
	}
	b := r.doc.Find("main form button").First()
	if b.Length() == 0 {
		return errors.New("die Seite hinter dem Anmelde-Link hat keinen Knopf")
	}
	if err := r.submit(b); err != nil {
		return err
	}
	if r.status != http.StatusOK {
		return fmt.Errorf("die Anmeldung endet mit %d", r.status)
	}
	return nil
}

// openPage: Öffne Lagebild | öffentlich | /path.
func (s *stage) openPage(args []string) error {
	if s.now == nil {
		return errors.New("zuerst muss eine Person da sein")
	}
	switch args[0] {
	case "Nachbar":
		if s.next == nil || len(args) < 2 {
			return errors.New("erwartet wird: Öffne Nachbar /pfad, nachdem er begonnen hat")
		}
		return s.now.open("http://" + s.next.staff + args[1])
	case "außen":
		return s.openCopy(args[1:])
	case "Lagebild":
		return s.now.open("http://" + staffHost + "/")
	case "öffentlich":
		path := "/"
		if len(args) > 1 {
			path = args[1]
		}
		return s.now.open("http://" + publicHost + path)
	default:
		return s.now.open("http://" + staffHost + args[0])
	}
}

func (s *stage) clickOn(args []string) error {
	if s.now == nil {
		return errors.New("zuerst muss eine Person da sein")
	}
	return s.now.click(args[0])
}

func (s *stage) fillIn(args []string) error {
	if s.now == nil || s.now.doc == nil {
		return errors.New("es ist keine Seite offen")
	}
	if args[0] == "Datei" && len(args) > 2 { // Fülle Datei "Feld" name: a file of this scenario
		text, ok := s.files[args[2]]
		if coded, there := s.files[args[2]+".base64"]; there { // a picture
			var err error
			if text, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(coded)), "")); err != nil {
				return err
			}
			ok = true
		}
		if !ok {
			return fmt.Errorf("zum Szenario gehört keine Datei „%s“", args[2])
		}
		return s.now.choose(args[1], paper{args[2], text})
	}
	return s.now.fill(args[0], args[1])
}

// page: Seite "Worte" … | Seite nicht "Worte". It is read again first.
func (s *stage) page(args []string) error {
	if s.now == nil || s.now.doc == nil {
		return errors.New("es ist keine Seite offen")
	}
	want := true
	if args[0] == "nicht" {
		want, args = false, args[1:]
	}
	for _, w := range args {
		if s.now.says(w) != want {
			return fmt.Errorf("„%s“ steht %s auf der Seite", w, map[bool]string{true: "nicht", false: "doch"}[want])
		}
	}
	return nil
}

// letterTo: Mail an ada@… "Worte" …; Mail nicht an ada@… "Worte".
func (s *stage) letterTo(args []string) error {
	want := true
	if args[0] == "nicht" {
		want, args = false, args[1:]
	}
	if args[0] != "an" || len(args) < 2 {
		return errors.New("erwartet wird: Mail an ADRESSE \"Worte\"")
	}
	var found *letter
	for _, m := range s.mail {
		if found = m.find(args[1], args[2:]...); found != nil {
			break
		}
	}
	switch {
	case want && found == nil:
		return fmt.Errorf("eine solche Mail an %s kam nicht an", args[1])
	case !want && found != nil:
		return fmt.Errorf("diese Mail hätte nicht ankommen dürfen:\n%s\n%s", found.subject, found.text)
	}
	if found != nil {
		s.last = found
	}
	return nil
}

// letters: Mails an ada@… 3: so many in all so far.
func (s *stage) letters(args []string) error {
	n := 0
	for _, m := range s.mail {
		n += m.count(args[1])
	}
	if len(args) > 2 && fmt.Sprint(n) != args[2] {
		return fmt.Errorf("an %s kamen bisher %d Mails an", args[1], n)
	}
	return nil
}

// link opens the first address in the last mail that contains the words.
func (s *stage) link(args []string) error {
	if s.last == nil {
		return errors.New("es wurde noch keine Mail gelesen")
	}
	if s.now == nil {
		s.who, s.now = "jemand", newReader(s.net)
		s.readers[s.who] = s.now
	}
	for word := range strings.FieldsSeq(s.last.text) {
		word = strings.Trim(word, "<>()")
		if strings.HasPrefix(word, "http") && strings.Contains(word, args[0]) {
			return s.now.open(word)
		}
	}
	return fmt.Errorf("in der Mail steht kein Link mit „%s“:\n%s", args[0], s.last.text)
}

// api: API GET /api/v1/alerts — as the person at the browser.
func (s *stage) api(args []string) error {
	if s.now == nil {
		return errors.New("zuerst muss eine Person da sein")
	}
	var body *strings.Reader
	if len(args) > 2 {
		body = strings.NewReader(strings.ReplaceAll(args[2], "'", `"`))
	} else {
		body = strings.NewReader("")
	}
	req, err := http.NewRequest(args[0], "http://"+staffHost+args[1], body)
	if err != nil {
		return err
	}
	if body.Len() > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if err := s.now.send(req); err != nil {
		return err
	}
	if s.now.status >= 400 {
		return fmt.Errorf("die Antwort ist %d: %s", s.now.status, s.now.raw)
	}
	return nil
}
