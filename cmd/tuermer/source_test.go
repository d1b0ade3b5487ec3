package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

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
		url, err := app.Commands{}.AddSource(s.t.Context(), settings, n)
		if err != nil {
			return err
		}
		if s.addresses == nil {
			s.addresses = map[string]string{}
		}
		s.addresses[name] = url
		return nil
	case "meldet", "wird":
	default:
		return fmt.Errorf("„%s“: erwartet wird beginnt, meldet oder wird abgewiesen", how)
	}
	url := s.addresses[name]
	if url == "" {
		return fmt.Errorf("die Quelle „%s“ hat noch nicht begonnen", name)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: s.net.Dial, DisableKeepAlives: true}, Timeout: 20 * time.Second}
	times, want := 1, http.StatusOK
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
		res, err := client.Post(url, "application/x-www-form-urlencoded", strings.NewReader(body))
		if err != nil {
			return err
		}
		said, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != want {
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
