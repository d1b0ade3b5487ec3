package main

import (
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/town/identity"
)

// bag is what people carry: an app with its key, and a sheet of codes.
type bag struct {
	key   []byte
	codes []string
}

// phone: Telefon merkt sich den Schlüssel | füllt "Feld". The app on the phone
// reads the key from the page and types its code of the moment into a field.
func (s *stage) phone(args []string) error {
	if s.now == nil || s.now.doc == nil {
		return errors.New("es ist keine Seite offen")
	}
	b := s.carries()
	switch args[0] {
	case "merkt":
		text := strings.ReplaceAll(s.now.doc.Find("#app-key").Text(), " ", "")
		key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
		if err != nil || len(key) == 0 {
			return fmt.Errorf("auf der Seite steht kein Schlüssel: %q", text)
		}
		b.key = key
		return nil
	case "füllt":
		if len(args) < 2 || b.key == nil {
			return errors.New("erwartet wird: füllt \"Feld\", nachdem es sich einen Schlüssel gemerkt hat")
		}
		at := time.Now().Add(time.Duration(s.skew.Load()))
		return s.now.fill(args[1], identity.AppCode(b.key, at))
	}
	return fmt.Errorf("„%s“: erwartet wird merkt sich den Schlüssel oder füllt", args[0])
}

// sheet: Zettel merkt sich die Codes | füllt "Feld" | geht an jemanden. Every code once, in order.
func (s *stage) sheet(args []string) error {
	if s.now == nil || s.now.doc == nil {
		return errors.New("es ist keine Seite offen")
	}
	b := s.carries()
	switch args[0] {
	case "merkt":
		b.codes = nil
		s.now.doc.Find(".tm-checks li, .tm-quote p:last-child").Each(func(_ int, l *goquery.Selection) { b.codes = append(b.codes, strings.TrimSpace(l.Text())) })
		if len(b.codes) == 0 {
			return errors.New("auf der Seite stehen keine Codes")
		}
		return nil
	case "füllt":
		if len(args) < 2 || len(b.codes) == 0 {
			return errors.New("erwartet wird: füllt \"Feld\", solange noch Codes auf dem Zettel stehen")
		}
		code := b.codes[0]
		b.codes = b.codes[1:]
		return s.now.fill(args[1], code)
	}
	if args[0] == "geht" && len(args) == 3 {
		s.bags[args[2]] = &bag{codes: b.codes}
		return nil
	}
	return fmt.Errorf("„%s“: erwartet wird merkt sich die Codes, füllt oder geht an jemanden", args[0])
}

func (s *stage) carries() *bag {
	if s.bags == nil {
		s.bags = map[string]*bag{}
	}
	if s.bags[s.who] == nil {
		s.bags[s.who] = &bag{}
	}
	return s.bags[s.who]
}
